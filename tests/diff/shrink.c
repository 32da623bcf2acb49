/* SPDX-License-Identifier: Apache-2.0
 * tests/diff/shrink.c -- cutting a failing program down. Every candidate is the program with one edit, rebuilt by the shape
 * rules, without what no result needs; it is taken if it still fails. An edit that does not fit (a shape rule refuses it) is no
 * candidate. Whoever calls decides what failing is: in the same way as at first, or the search wanders off to another fault. */
#include <string.h>
#include "tests/diff/diff.h"

#define ALL SIZE_MAX

/* What is done to a program; fields that are not set do nothing. */
typedef struct edit {
	size_t only, without; /* outputs: this one alone, all but this one */
	size_t result;        /* this update becomes a plain result */
	size_t deeper;        /* this result becomes.. */
	uint32_t operand;     /* ..that operand of its own */
	ir_ref replaced, by;  /* an instruction, by an earlier one of its type or, by IR_NO_REF, by a new input */
	int64_t from, to;     /* every size of that number */
	ir_ref plain;         /* this instruction gets the simplest attributes */
} edit;

static const edit nothing = {.only = ALL, .without = ALL, .result = ALL, .deeper = ALL, .replaced = IR_NO_REF, .by = IR_NO_REF,
			     .from = -1, .plain = IR_NO_REF};

/* ---- outputs under an edit ------------------------------------------------------------------------------------- */

static bool is_kept(const edit *e, size_t i)
{
	return (e->only == ALL || e->only == i) && e->without != i;
}

static ir_ref ref_of(const ir_func *f, const edit *e, size_t i)
{
	ir_ref r = f->out[i].ref;

	return e->deeper == i ? f->ins[r].arg[e->operand] : r;
}

static ir_ref state_of(const ir_func *f, const edit *e, size_t i)
{
	return e->result == i ? IR_NO_REF : f->out[i].state;
}

static bool *find_live(const ir_func *f, const edit *e, ir_arena *a)
{
	bool *live = ar_new(a, bool, f->n + 1);

	for (size_t i = 0; i < f->nout; i++) {
		if (!is_kept(e, i))
			continue;
		live[ref_of(f, e, i)] = true;
		if (state_of(f, e, i) != IR_NO_REF)
			live[f->out[i].state] = true;
	}
	for (size_t i = f->n; i-- > 0;) {
		if (!live[i])
			continue;
		if (i == e->replaced && e->by != IR_NO_REF)
			live[e->by] = true;
		for (size_t k = 0; i != e->replaced && k < f->ins[i].narg; k++)
			live[f->ins[i].arg[k]] = true;
	}
	return live;
}

/* ---- attributes under an edit ----------------------------------------------------------------------------------- */

static int64_t resized(const edit *e, int64_t n)
{
	return n == e->from ? e->to : n;
}

static void resize(const edit *e, ir_attr *a)
{
	ir_attr_kind kind = ir_attr_kind_of(a->id);

	if (kind == IR_KIND_DIMS || kind == IR_KIND_TYPE)
		for (int i = 0; i < a->v.rank; i++)
			a->v.dim[i] = resized(e, a->v.dim[i]);
	if (a->id == IR_ATTR_rows)
		a->i = resized(e, a->i);
}

/* A slice stays inside its smaller operand, a reshape keeps the number of its elements: x is the operand's new type, was its
 * old one. */
static void fit(ir_op op, const ir_type *x, const ir_type *was, ir_attr *attr)
{
	int64_t n = ir_type_count(x), old = ir_type_count(was), m = 1;

	if (op == IR_slice)
		for (int i = 0; i < x->rank; i++) {
			int64_t *start = &attr[0].v.dim[i], *size = &attr[1].v.dim[i];

			*size = *size > x->dim[i] ? x->dim[i] : *size;
			*start = *start > x->dim[i] - *size ? x->dim[i] - *size : *start;
		}
	if (op != IR_reshape || old == 0)
		return;
	for (int i = 0; i < attr[0].v.rank; i++)
		m *= attr[0].v.dim[i];
	for (int i = 0; i < attr[0].v.rank && m == old && n != old; i++)
		if (attr[0].v.dim[i] * n % old == 0) {
			attr[0].v.dim[i] = attr[0].v.dim[i] * n / old;
			return;
		}
}

static void make_plain(ir_attr *a)
{
	switch (ir_attr_kind_of(a->id)) {
	case IR_KIND_INTS:
		if (a->id == IR_ATTR_start)
			memset(a->v.dim, 0, sizeof a->v.dim);
		break;
	case IR_KIND_INT:
		if (a->id == IR_ATTR_index)
			a->i = 0;
		break;
	case IR_KIND_FLOAT: a->f = a->f == 0 ? 0 : 1; break;
	case IR_KIND_FLAG:
	case IR_KIND_CMP:
	case IR_KIND_INIT: a->i = 0; break;
	case IR_KIND_DIMS:
	case IR_KIND_TYPE: break;
	}
}

/* ---- candidates --------------------------------------------------------------------------------------------------- */

typedef struct job {
	const ir_func *f;
	td_fails *fails;
	void *ctx;
	ir_arena *a;
} job;

static ir_ref new_input(ir_func *g, const edit *e, ir_ref i, ir_type t)
{
	ir_attr at;
	ir_ref r;

	for (int k = 0; k < t.rank; k++)
		t.dim[k] = resized(e, t.dim[k]);
	at = ir_a_type(IR_ATTR_type, t);
	r = ir_build(g, NULL, (ir_loc){0}, IR_input, NULL, 0, &at, 1);
	if (r != IR_NO_REF)
		ir_set_name(g, r, ar_printf(g->arena, "cut%u", i));
	return r;
}

static ir_ref copy_ins(ir_func *g, const ir_func *f, const edit *e, ir_ref i, const ir_ref *map)
{
	const ir_ins *in = &f->ins[i];
	size_t nattr = (size_t)ir_op_info(in->op)->nattr;
	ir_ref *arg = ar_new(g->arena, ir_ref, in->narg + 1), r;
	ir_attr attr[IR_MAX_ATTRS];

	for (uint32_t k = 0; k < in->narg; k++)
		arg[k] = map[in->arg[k]];
	for (size_t k = 0; k < nattr; k++) {
		attr[k] = in->attr[k];
		resize(e, &attr[k]);
		if (i == e->plain)
			make_plain(&attr[k]);
	}
	if (in->narg)
		fit(in->op, &g->ins[arg[0]].type, &f->ins[in->arg[0]].type, attr);
	r = ir_build(g, NULL, in->loc, in->op, arg, in->narg, attr, nattr);
	if (r != IR_NO_REF && in->name)
		ir_set_name(g, r, in->name);
	return r;
}

static bool add_outputs(ir_func *g, const ir_func *f, const edit *e, const ir_ref *map)
{
	for (size_t i = 0; i < f->nout; i++) {
		ir_ref r, s = state_of(f, e, i);

		if (!is_kept(e, i))
			continue;
		r = map[ref_of(f, e, i)];
		if (s == IR_NO_REF)
			ir_add_output(g, f->out[i].name, r);
		else if (!ir_type_equal(&g->ins[map[s]].type, &g->ins[r].type))
			return false;
		else
			ir_add_update(g, map[s], r);
	}
	return true;
}

/* NULL: a shape rule is against it. */
static ir_func *edited(const ir_func *f, const edit *e, ir_arena *a)
{
	bool *live = find_live(f, e, a);
	ir_func *g = ir_func_new(a, f->name);
	ir_ref *map = ar_new(a, ir_ref, f->n + 1);

	for (size_t i = 0; i < f->n; i++) {
		if (!live[i])
			continue;
		map[i] = i != e->replaced ? copy_ins(g, f, e, (ir_ref)i, map)
		       : e->by != IR_NO_REF ? map[e->by] : new_input(g, e, (ir_ref)i, f->ins[i].type);
		if (map[i] == IR_NO_REF)
			return NULL;
	}
	return add_outputs(g, f, e, map) ? g : NULL;
}

static bool try(job *j, const edit *e)
{
	const ir_func *g = edited(j->f, e, j->a);

	if (!g || g->nout == 0 || !j->fails(j->ctx, g))
		return false;
	j->f = g;
	return true;
}

/* ---- what is tried: each returns whether anything was taken ------------------------------------------------------- */

static bool fewer_outputs(job *j)
{
	bool any = false;
	edit e = nothing;

	for (e.only = 0; j->f->nout > 1 && e.only < j->f->nout; e.only++)
		if (try(j, &e))
			return true;
	e.only = ALL;
	for (e.without = j->f->nout; j->f->nout > 1 && e.without-- > 0;)
		any |= try(j, &e);
	return any;
}

static bool plainer_outputs(job *j)
{
	bool any = false;
	edit e = nothing;

	for (e.result = 0; e.result < j->f->nout; e.result++)
		any |= j->f->out[e.result].state != IR_NO_REF && !ir_find_output(j->f, j->f->out[e.result].name) && try(j, &e);
	return any;
}

static bool deeper_outputs(job *j)
{
	bool any = false;
	edit e = nothing;

	for (e.deeper = 0; e.deeper < j->f->nout; e.deeper++)
		for (e.operand = 0; e.operand < j->f->ins[j->f->out[e.deeper].ref].narg;) {
			bool taken = j->f->out[e.deeper].state == IR_NO_REF && try(j, &e);

			any |= taken;
			e.operand = taken ? 0 : e.operand + 1;
		}
	return any;
}

/* From the end: what is gone takes its operands with it. After a success numbers have moved, downwards. */
static bool fewer_instructions(job *j)
{
	bool any = false;
	edit e = nothing;

	for (size_t i = j->f->n; i-- > 0;) {
		const ir_ins *in;
		bool taken = false;

		if (i >= j->f->n || ir_is_leaf(j->f, (ir_ref)i))
			continue;
		in = &j->f->ins[i];
		e.replaced = (ir_ref)i;
		for (uint32_t k = 0; k < in->narg && !taken; k++) {
			e.by = in->arg[k];
			taken = ir_type_equal(&in->type, &j->f->ins[e.by].type) && try(j, &e);
		}
		e.by = IR_NO_REF;
		any |= taken || try(j, &e);
	}
	return any;
}

static bool smaller_sizes(job *j)
{
	bool any = false;
	edit e = nothing;

	for (size_t i = 0; i < j->f->n; i++)
		for (int k = 0; k < j->f->ins[i].type.rank; k++) {
			e.from = j->f->ins[i].type.dim[k];
			e.to = 1;
			if (e.from > 1 && try(j, &e)) {
				any = true;
				continue;
			}
			e.to = e.from / 2;
			any |= e.to > 1 && try(j, &e);
		}
	return any;
}

static bool is_plain(const ir_ins *in)
{
	for (int k = 0; k < ir_op_info(in->op)->nattr; k++) {
		ir_attr a = in->attr[k];

		make_plain(&a);
		if (memcmp(&a, &in->attr[k], sizeof a))
			return false;
	}
	return true;
}

static bool plainer_attributes(job *j)
{
	bool any = false;
	edit e = nothing;

	for (e.plain = 0; e.plain < j->f->n; e.plain++)
		any |= !is_plain(&j->f->ins[e.plain]) && try(j, &e);
	return any;
}

const ir_func *td_shrink(const ir_func *f, td_fails *fails, void *ctx, ir_arena *a)
{
	job j = {f, fails, ctx, a};
	bool again = true;

	try(&j, &nothing); /* without dead code */
	while (again) {
		again = fewer_outputs(&j);
		again |= plainer_outputs(&j);
		again |= deeper_outputs(&j);
		again |= fewer_instructions(&j);
		again |= smaller_sizes(&j);
		again |= plainer_attributes(&j);
	}
	return j.f;
}
