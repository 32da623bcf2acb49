/* SPDX-License-Identifier: Apache-2.0
 * search/profile.h -- what "search --profile" measures of a trial, on its way from a worker to the store. */
#ifndef SEARCH_PROFILE_H
#define SEARCH_PROFILE_H

#include "compiler/cc.h"

typedef struct se_profile {
	cc_profile step;
	double peak_gflops, memory_gbytes; /* the limits of the machine, on the worker's threads; NAN: not measured */
} se_profile;

#endif
