/* SPDX-License-Identifier: Apache-2.0
 * compiler/tune.c -- schedules by measurement: a function is compiled and run with one change after the other, and what was faster
 * is kept, in the cache too. Every choice leaves the order of every sum as it is (Note [Blocks of k] in llvm/emit_tile.c), so
 * tuning decides time and never a bit. To add a choice: a field of cc_schedule that cannot change results, a row here. */
#include <stdio.h>
#include <string.h>
#include "compiler/llvm/jit.h"
#include "compiler/program.h"

#define SECONDS  0.02 /* of one measurement */
#define ATTEMPTS 5    /* the best one counts */
#define GAIN     0.98 /* of the best time so far: what a change must reach to be kept */

cc_schedule cc_schedule_default(void)
{
	return (cc_schedule){.k_pack = 128, .panels = true, .solo_us = 1.2, .cut_us = 1.0};
}

/* Fields with the values that are tried; each on top of the best so far. */
static const struct {
	enum { K_PACK, PANELS, SOLO, CUT } field;
	double value;
} choices[] = {
	{K_PACK, 256}, {K_PACK, 1024}, {PANELS, 0}, {SOLO, 4}, {SOLO, 12}, {CUT, 3}, {CUT, 10},
};

static cc_schedule changed(cc_schedule s, size_t i)
{
	switch (choices[i].field) {
	case K_PACK:
		s.k_pack = (int)choices[i].value;
		break;
	case PANELS:
		s.panels = choices[i].value != 0;
		break;
	case SOLO:
		s.solo_us = choices[i].value;
		break;
	case CUT:
		s.cut_us = choices[i].value;
		break;
	}
	return s;
}

/* ---- measuring -------------------------------------------------------------------------------------------------- */

/* Memory for every leaf and output of a function, shared by all its programs: leaves are the same in each. */
typedef struct bench {
	rt_tensor *leaf, *out;
	size_t nleaf, nout;
} bench;

static void bench_fini(bench *b)
{
	for (size_t i = 0; i < b->nleaf; i++)
		rt_tensor_free(&b->leaf[i]);
	for (size_t i = 0; i < b->nout; i++)
		rt_tensor_free(&b->out[i]);
}

/* Random floats in [0, 1), indices of the first row: what is computed hardly matters for the time it takes. */
static ir_status bench_init(bench *b, const cc_program *p, ir_arena *a)
{
	ir_status st = IR_OK;

	b->leaf = ar_new(a, rt_tensor, cc_program_leaves(p) + 1);
	b->out = ar_new(a, rt_tensor, cc_program_outputs(p) + 1);
	while (st == IR_OK && b->nleaf < cc_program_leaves(p)) {
		rt_tensor *t = &b->leaf[b->nleaf];

		st = rt_tensor_alloc(t, cc_program_leaf_type(p, b->nleaf++));
		if (st == IR_OK && ir_dtype_is_float(t->type.dtype))
			rt_fill_uniform(rt_key_seed(b->nleaf), t->type.dtype, t->data, 0, ir_type_count(&t->type));
	}
	while (st == IR_OK && b->nout < cc_program_outputs(p)) {
		st = rt_tensor_alloc(&b->out[b->nout], cc_program_output_type(p, b->nout));
		b->nout++;
	}
	return st;
}

/* Seconds per step, without what a run does once: copying panels in and out, which hundreds of steps share in real runs. */
static double time_steps(rt_exec *e, size_t steps)
{
	const rt_profile *f;

	rt_exec_measure(e, true);
	rt_run(e, steps);
	f = rt_exec_profile(e);
	return (f->wall - f->panels / f->team) / (double)steps;
}

/* Seconds per step; 1e30 if it cannot be measured. */
static double measure(cc_program *p, const bench *b)
{
	double best = 1e30, one;
	size_t steps;
	rt_exec *e;

	if (rt_exec_new(cc_program_plan(p), &e) != IR_OK)
		return best;
	for (size_t i = 0; i < b->nleaf; i++)
		rt_bind_leaf(e, i, b->leaf[i].data, 0);
	for (size_t i = 0; i < b->nout; i++)
		rt_bind_output(e, i, b->out[i].data, 0);
	one = time_steps(e, 1);
	one = time_steps(e, 1); /* the first one also touched the memory */
	steps = one < SECONDS ? (size_t)(SECONDS / (one + 1e-9)) + 1 : 1;
	for (int i = 0; i < ATTEMPTS; i++) {
		double t = time_steps(e, steps);

		best = t < best ? t : best;
	}
	rt_exec_free(e);
	return best;
}

/* ---- the search ------------------------------------------------------------------------------------------------- */

static ir_key key_of(const cc_context *c, const ir_func *f, const cc_options *o)
{
	ir_key key;
	ir_str s;

	sb_init(&s);
	sb_printf(&s, "schedule %s %d threads %d\n", cc_context_target(c), o->opt_level, o->threads);
	for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
		sb_printf(&s, "%d=%g ", (int)choices[i].field, choices[i].value);
	ir_func_print(f, &s);
	key = ir_hash(s.s, s.n);
	sb_fini(&s);
	return key;
}

/* The fastest schedule of f; the default if nothing could be measured. */
static cc_schedule search(cc_context *c, const ir_func *f, const cc_options *o, ir_diag *d)
{
	cc_options try = *o;
	cc_schedule best = cc_schedule_default(), s = best;
	double least = 1e30;
	ir_arena *a = ar_open();
	bench b = {.nleaf = 0};

	try.tune = false, try.schedule = &s;
	for (size_t i = 0; i <= sizeof choices / sizeof *choices; i++) { /* the first one is the default */
		cc_program *p;
		double t;

		s = i ? changed(best, i - 1) : best;
		if (cc_compile(c, f, &try, &p, d) != IR_OK)
			break;
		if (i == 0 && bench_init(&b, p, a) != IR_OK) {
			cc_program_free(p);
			break;
		}
		t = measure(p, &b);
		cc_program_free(p);
		if (t < GAIN * least)
			best = s, least = t;
	}
	bench_fini(&b);
	ar_free(a);
	return best;
}

cc_schedule cc_tuned(cc_context *c, const ir_func *f, const cc_options *o, ir_diag *d)
{
	ir_key key = key_of(c, f, o);
	int panels;
	cc_schedule s;
	ir_str text;

	sb_init(&text);
	if (cc_context_recall(c, key, &text) &&
	    sscanf(text.s, "%d %d %lf %lf", &s.k_pack, &panels, &s.solo_us, &s.cut_us) == 4) {
		s.panels = panels;
	} else {
		s = search(c, f, o, d);
		sb_clear(&text);
		sb_printf(&text, "%d %d %g %g\n", s.k_pack, s.panels, s.solo_us, s.cut_us);
		cc_context_keep(c, key, text.s, text.n);
	}
	sb_fini(&text);
	return s;
}
