/* SPDX-License-Identifier: Apache-2.0
 * compiler/api/api_int.h -- what the files behind gradmill.h share. Inside compiler/api only. */
#ifndef COMPILER_API_API_INT_H
#define COMPILER_API_API_INT_H

#include "compiler/api/gradmill.h"
#include "compiler/cc.h"

struct gm_ctx {
	cc_context *c;
	ir_str errors;
};

struct gm_model {
	gm_ctx *ctx;
	ir_arena *a;
	ir_diag *d; /* knows the source text, so every message about this model goes through it */
	char *text; /* the source */
	ir_module *m;
};

/* Every call that can fail starts with begin, and ends with end (messages of d, or the status' text) or fail. */
void cc_api_begin(gm_ctx *ctx);
gm_status cc_api_end(gm_ctx *ctx, ir_diag *d, ir_status s);
gm_status cc_api_fail(gm_ctx *ctx, gm_status s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The function with its batch bound, in that precision, every leaf named; lives in a. NULL after a message in m->d. */
ir_func *cc_api_bound(const gm_model *m, const char *func, int64_t batch, cc_precision p, ir_arena *a);

gm_dtype cc_api_dtype_of(ir_dtype t);
int cc_api_thread_count(int asked);

#endif
