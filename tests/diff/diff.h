/* SPDX-License-Identifier: Apache-2.0
 * tests/diff/diff.h -- random programs, their values with error bounds, and compiled runs of them. Shared by test_diff.c,
 * tests/grad and units that run compiled programs. Everything is a function of the program and a seed: a leaf's data depends on its name and type only, so a
 * program that is cut down keeps the data of what is left. */
#ifndef TESTS_DIFF_H
#define TESTS_DIFF_H

#include "compiler/cc.h"

/* ---- values (bound.c) ------------------------------------------------------------------------------------- */

/* A value of the interpreter and, per element, how far any correct evaluation may be from it: running error analysis,
 * see Note [Bounds] in bound.c. e is 0 where the result must be equal, infinite where nothing can be said (a comparison
 * of nearly equal numbers, say). */
typedef struct td_value {
	rt_tensor v;
	double *e;
} td_value;

void td_fill(const ir_ins *leaf, uint64_t seed, void *data);
void td_value_of(ir_arena *a, const ir_func *f, td_value *val, ir_ref i, uint64_t seed); /* val[i] from its operands */
td_value *td_values(ir_arena *a, const ir_func *f, uint64_t seed);

/* Is got within the bound? On false *at is the element, *ratio error over bound; unsure elements are counted. */
typedef struct td_match {
	int64_t at, checked, equal, unsure;
	double ratio; /* the largest */
} td_match;
bool td_within(const td_value *want, const void *got, td_match *m);
bool td_same_bits(const ir_type *t, const void *a, const void *b, int64_t *at);

/* ---- runs (run.c) ------------------------------------------------------------------------------------------- */

/* Memory with a guard behind its last byte. */
typedef struct td_buffer {
	unsigned char *p;
	size_t bytes;
} td_buffer;

td_buffer td_buffer_new(const ir_type *t);
void td_buffer_free(td_buffer *b);
bool td_buffer_intact(const td_buffer *b);

/* The same by force: data lies between two pages that nobody may touch, up to the second one or from the first one on. */
typedef struct td_fence {
	char *data, *page;
	size_t length;
} td_fence;

td_fence td_fence_new(size_t bytes, bool at_end);
void td_fence_free(td_fence *f);

/* A context per target without a disk, NULL where this machine cannot run the target. False if it cannot run the first. */
bool td_open_contexts(const char *const *target, size_t n, cc_context **out);
void td_close_contexts(cc_context *const *c, size_t n);

typedef struct td_how {
	cc_context *context;
	int level, threads, steps;
	const ir_op *broken; /* results of this op come out wrong, to test whoever should notice; NULL: none */
} td_how;

/* Compiles and runs f on the leaves of the seed. out[i]: result, or state after the run, of f->out[i]. On false why says
 * what went wrong: a message, a leaf that was written, memory written behind its end. */
bool td_run(const td_how *h, const ir_func *f, uint64_t seed, td_buffer *out, ir_str *why);
bool td_run_given(const td_how *h, const ir_func *f, const rt_tensor *leaf, td_buffer *out, ir_str *why);
extern int td_shared_runs, td_runs; /* runs in which more than one thread had work */

/* ---- programs (gen.c) ---------------------------------------------------------------------------------------- */

ir_func *td_generate(ir_arena *a, uint64_t seed);

/* ---- cutting down (shrink.c) ------------------------------------------------------------------------------------ */

/* Does f fail, in the way that is looked for? */
typedef bool td_fails(void *ctx, const ir_func *f);

/* f, which fails, with fewer outputs, fewer instructions, smaller sizes and simpler attributes, as long as it still fails. */
const ir_func *td_shrink(const ir_func *f, td_fails *fails, void *ctx, ir_arena *a);

#endif
