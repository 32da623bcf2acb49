/* SPDX-License-Identifier: Apache-2.0
 * The first value that is not finite: trains step by step, and runs the step that went wrong once more, from the weights
 * before it, in the reference interpreter, which shows every value. What is blamed is an operation that made infinity or
 * NaN out of finite operands, and from which the loss or a weight caught it: an infinity that a select or max throws away
 * again harms nobody. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/learn/learn_int.h"

typedef struct count {
	int64_t bad, nan; /* elements: not finite; of them NaN */
} count;

static count count_bad(const rt_tensor *t)
{
	int64_t n = ir_dtype_is_float(t->type.dtype) ? ir_type_count(&t->type) : 0;
	count c = {0, 0};

	for (int64_t i = 0; i < n; i++) {
		double v = rt_load(t->type.dtype, t->data, i);

		c.bad += !isfinite(v);
		c.nan += isnan(v) != 0;
	}
	return c;
}

/* The same question for every weight after every step: a loop that vectorises where it counts. */
static bool is_finite(const rt_tensor *t)
{
	const float *x = t->data;
	int64_t n = ir_type_count(&t->type), bad = 0;

	if (t->type.dtype != IR_F32)
		return count_bad(t).bad == 0;
	for (int64_t i = 0; i < n; i++)
		bad += !(fabsf(x[i]) <= FLT_MAX);
	return bad == 0;
}

/* ---- who is to blame ---------------------------------------------------------------------------------------- */

/* What was seen of the values of f. */
typedef struct watch {
	const ir_func *f;
	count *seen;
	bool *given; /* infinite because the text says so: a constant, or what only passes one on */
} watch;

/* Operations whose infinity is an operand's, unchanged. */
static const bool passes_on[IR_OP_COUNT] = {
	[IR_select] = true, [IR_max] = true, [IR_min] = true, [IR_neg] = true, [IR_amax] = true, [IR_cast] = true,
	[IR_stop_gradient] = true, [IR_reshape] = true, [IR_transpose] = true, [IR_broadcast] = true, [IR_slice] = true,
	[IR_concat] = true, [IR_gather] = true};

/* A bad operand that is somebody's fault, from operand number from on; narg: there is none. */
static uint32_t next_culprit(const watch *w, const ir_ins *in, uint32_t from)
{
	while (from < in->narg && (!w->seen[in->arg[from]].bad || w->given[in->arg[from]]))
		from++;
	return from;
}

static bool has_given_operand(const watch *w, const ir_ins *in)
{
	for (uint32_t k = 0; k < in->narg; k++)
		if (w->given[in->arg[k]])
			return true;
	return false;
}

static void look(void *ctx, ir_ref i, const rt_tensor *value)
{
	watch *w = ctx;
	const ir_ins *in = &w->f->ins[i];
	count c = count_bad(value);

	w->seen[i] = c;
	w->given[i] = c.bad && (in->op == IR_constant || (passes_on[in->op] && !c.nan && has_given_operand(w, in) &&
							  next_culprit(w, in, 0) == in->narg));
}

/* The first instruction that made something bad of good operands, among those that reached marks (which this extends).
 * IR_NO_REF: none is marked. */
static ir_ref find_origin(const watch *w, bool *reached)
{
	ir_ref origin = IR_NO_REF;

	for (ir_ref i = (ir_ref)w->f->n; i-- > 0;) {
		const ir_ins *in = &w->f->ins[i];
		uint32_t k = next_culprit(w, in, 0);

		if (!reached[i])
			continue;
		if (k == in->narg)
			origin = i;
		for (; k < in->narg; k = next_culprit(w, in, k + 1))
			reached[in->arg[k]] = true;
	}
	return origin;
}

/* How instruction i came about, as far as the step knows: the optimiser's begin with the learning rate. */
static const char *part_of(const ir_func *f, ir_ref i)
{
	const char *from = f->ins[i].from;

	if (ir_is_leaf(f, i))
		return "given";
	if (!from)
		return "forward";
	if (!strcmp(from, "grad"))
		return "gradient";
	if (!strcmp(from, "step"))
		return i > ir_find_value(f, CC_IN_LR) ? "optimiser" : "input";
	return from;
}

/* ---- one step again ------------------------------------------------------------------------------------------- */

typedef struct hunt {
	le_steps steps;
	rt_tensor *before; /* the run's leaves ahead of the step run last */
	ir_arena *a;       /* of *out */
	le_nan *out;
} hunt;

/* What leaf in was when the step at place `at` of the epoch began. */
static rt_tensor leaf_value(const hunt *h, const ir_ins *in, size_t at)
{
	const le_steps *s = &h->steps;
	const struct {
		const char *name;
		const void *data;
	} given[] = {{CC_IN_TABLE, s->run.stage ? (const void *)s->run.stage : s->run.data->table.data},
		     {CC_IN_INDEX, s->run.stage ? s->run.stage_index : le_steps_rows(s, at)}, {CC_IN_KEY, s->key},
		     {CC_IN_LR, s->lr}, {CC_IN_ALPHA, s->alpha}, {CC_IN_RSC, s->rsc}};
	const le_leaf *l;

	for (size_t k = 0; in->op == IR_input && k < sizeof given / sizeof *given; k++)
		if (!strcmp(in->name, given[k].name))
			return (rt_tensor){in->type, (void *)(uintptr_t)given[k].data}; /* leaves are only read */
	l = in->op == IR_input ? NULL : le_run_leaf(&s->run, in->name);
	IR_ASSERT(l, "no value for '%s'", in->name);
	return h->before[l - s->run.leaf];
}

/* Is output o of the step, as it was compiled, not finite? It was run last. */
static count compiled(const hunt *h, const ir_output *o)
{
	const le_steps *s = &h->steps;
	double loss = s->loss[0];

	if (o->state == IR_NO_REF)
		return (count){!isfinite(loss), isnan(loss) != 0};
	return count_bad(&le_run_leaf(&s->run, s->run.function->ins[o->state].name)->tensor);
}

static void blame_op(const hunt *h, const watch *w, ir_ref i)
{
	const ir_ins *in = &w->f->ins[i];
	le_nan *out = h->out;

	out->blame = LE_BLAME_OP;
	out->op = ir_op_info(in->op)->name;
	out->name = in->name ? ar_strdup(h->a, in->name) : NULL;
	out->part = part_of(w->f, i);
	out->loc = in->loc;
	out->bad = w->seen[i].bad;
	out->nan = w->seen[i].nan > 0;
	out->count = ir_type_count(&in->type);
}

/* Fills *out but for step and epoch, given what the interpreter saw. */
static void judge(const hunt *h, const watch *w, ir_arena *scratch)
{
	const ir_func *f = w->f;
	bool *reached = ar_new(scratch, bool, f->n);
	le_nan *out = h->out;
	ir_ref origin;

	for (size_t i = 0; i < f->nout; i++) {
		count c = compiled(h, &f->out[i]);

		if (!c.bad)
			continue;
		reached[f->out[i].ref] = w->seen[f->out[i].ref].bad > 0;
		if (out->result)
			continue;
		out->blame = LE_BLAME_COMPILED;
		out->result = ar_strdup(h->a, f->out[i].name);
		out->bad = c.bad;
		out->nan = c.nan > 0;
		out->count = ir_type_count(&f->ins[f->out[i].ref].type);
	}
	origin = find_origin(w, reached);
	if (origin != IR_NO_REF)
		blame_op(h, w, origin);
}

static ir_status run_again(const hunt *h, size_t at)
{
	const ir_func *f = h->steps.run.function;
	ir_arena *scratch = ar_open();
	watch w = {f, ar_new(scratch, count, f->n), ar_new(scratch, bool, f->n)};
	rt_tensor *leaf = ar_new(scratch, rt_tensor, f->n);
	size_t n = 0;
	ir_status s;

	for (ir_ref i = 0; i < f->n; i++)
		if (ir_is_leaf(f, i))
			leaf[n++] = leaf_value(h, &f->ins[i], at);
	s = rt_interpret_each(f, leaf, look, &w);
	if (s == IR_OK)
		judge(h, &w, scratch);
	ar_free(scratch);
	return s;
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

static ir_status make_room(hunt *h)
{
	const le_run *r = &h->steps.run;
	ir_status s = IR_OK;

	h->before = ir_xmalloc(r->nleaf + 1, sizeof *h->before);
	for (size_t i = 0; s == IR_OK && i < r->nleaf; i++)
		s = rt_tensor_alloc(&h->before[i], r->leaf[i].tensor.type);
	return s;
}

static void keep_leaves(hunt *h)
{
	const le_run *r = &h->steps.run;

	for (size_t i = 0; i < r->nleaf; i++)
		memcpy(h->before[i].data, r->leaf[i].tensor.data, ir_type_bytes(&h->before[i].type));
}

static bool went_well(const hunt *h)
{
	const le_run *r = &h->steps.run;

	for (size_t i = 0; i < r->nleaf; i++)
		if (ir_dtype_is_float(r->leaf[i].tensor.type.dtype) && !is_finite(&r->leaf[i].tensor))
			return false;
	return isfinite(h->steps.loss[0]);
}

/* Step by step until one goes wrong: slower than training by the copies, and the same to the bit. */
static ir_status run_epoch(hunt *h, int64_t epoch, size_t *step)
{
	le_steps *s = &h->steps;

	le_steps_order(s, epoch);
	for (size_t at = 0; at < s->per_epoch && *step < s->total; at++) {
		keep_leaves(h);
		le_steps_run(s, at, (*step)++, 1);
		if (went_well(h))
			continue;
		h->out->step = (int64_t)*step;
		h->out->epoch = epoch + 1;
		return run_again(h, at);
	}
	return IR_OK;
}

/* No weight is bad, but what they make of other rows may be. */
static ir_status look_at_validation(hunt *h, int64_t epoch, size_t step)
{
	le_run *r = &h->steps.run;
	double value[2];
	ir_status s = le_run_eval(r, r->data->val, r->data->nval, &value[0], &value[1]);
	bool rebuilds = ir_find_output(r->model, IR_OUT_RECONSTRUCTION) != NULL;

	if (s != IR_OK || !r->data->nval)
		return s;
	for (int i = 0; i < 1 + rebuilds; i++) {
		if (isfinite(value[i]))
			continue;
		*h->out = (le_nan){.blame = LE_BLAME_VALIDATION, .step = (int64_t)step, .epoch = epoch + 1,
			.result = i ? "mse" : r->cfg->objective.loss, .nan = isnan(value[i]), .bad = 1, .count = 1};
		return s;
	}
	return s;
}

ir_status le_find_nan(cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg, ir_arena *a,
		      le_nan *out, ir_diag *d)
{
	hunt *h = ir_xmalloc(1, sizeof *h);
	size_t step = 0;
	ir_status s;

	*out = (le_nan){.blame = LE_BLAME_NOBODY};
	h->a = a;
	h->out = out;
	s = le_steps_open(&h->steps, c, m, data, cfg, false, d);
	if (s == IR_OK)
		s = make_room(h);
	for (int64_t e = 0; s == IR_OK && out->blame == LE_BLAME_NOBODY && step < h->steps.total; e++) {
		s = run_epoch(h, e, &step);
		if (s == IR_OK && out->blame == LE_BLAME_NOBODY)
			s = look_at_validation(h, e, step);
	}
	for (size_t i = 0; h->before && i < h->steps.run.nleaf; i++)
		rt_tensor_free(&h->before[i]);
	free(h->before);
	le_steps_close(&h->steps);
	free(h);
	return s;
}
