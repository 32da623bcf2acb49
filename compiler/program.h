/* SPDX-License-Identifier: Apache-2.0
 * compiler/program.h -- a compiled function from the inside. Inside compiler/ only. */
#ifndef COMPILER_PROGRAM_H
#define COMPILER_PROGRAM_H

#include "compiler/plan.h"

struct cc_program {
	ir_arena *a; /* owns everything below */
	cc_plan plan;
	rt_plan rt;
	cc_stats stats;
};

#endif
