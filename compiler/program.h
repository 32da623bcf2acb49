/* SPDX-License-Identifier: Apache-2.0
 * compiler/program.h -- a compiled function from the inside. Inside compiler/ only. */
#ifndef COMPILER_PROGRAM_H
#define COMPILER_PROGRAM_H

#include "compiler/plan.h"

struct cc_program {
	ir_arena *a; /* owns everything below */
	cc_plan plan;
	rt_plan rt;
	rt_launch *launch; /* rt's */
	cc_stats stats;
	cc_context *context; /* of code; NULL: none was fetched */
	struct cc_code **code; /* held, with repetitions */
	size_t ncode;
};

/* The schedule that was the fastest for f here, measured now or before (tune.c). */
cc_schedule cc_tuned(cc_context *c, const ir_func *f, const cc_options *o, ir_diag *d);

/* Everything of a program but its code: rt's launches have no fn yet. NULL after a message. Freed with cc_program_free. */
cc_program *cc_program_new(const ir_func *f, const cc_options *o, ir_diag *d);

#endif
