/* SPDX-License-Identifier: Apache-2.0
 * search/enqueue.h -- trials that somebody else asks for: Optuna's enqueue_trial writes a waiting row whose attribute
 * "fixed_params" is a JSON object of parameter names and values. */
#ifndef SEARCH_ENQUEUE_H
#define SEARCH_ENQUEUE_H

#include "search/space.h"

/* *g: the values of json (NULL: none), and for parameters that are there but not given those of drawn, which has a value
 * for every parameter, conditions or not. False, with a reason that names the parameter, when a value is not one of the
 * space. */
bool se_enqueued(const se_space *sp, const char *json, const se_genome *drawn, se_genome *g, ir_str *why);

#endif
