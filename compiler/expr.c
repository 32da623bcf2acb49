/* SPDX-License-Identifier: Apache-2.0
 * compiler/expr.c -- describes what a group computes as a kernel, and gathers the sizes and strides that are its arguments. */
#include <string.h>
#include "compiler/expr.h"

/* ---- expression --------------------------------------------------------------------------------------- */

/* Strides of a value of type t along the space, aligned from the right as broadcasting does. */
static void align(const cc_expr *e, const ir_type *t, const int64_t *stride, int64_t *out)
{
	int n = e->s.kept + e->s.red;

	for (int d = 0; d < n; d++) {
		int axis = e->order[d] - (e->shape.rank - t->rank);

		out[d] = axis >= 0 && (t->dim[axis] != 1 || e->s.size[d] == 1) ? stride[axis] : 0;
	}
}

uint16_t cc_expr_add_access(cc_expr *e, const cc_view *v, const ir_type *t, bool write, bool is_iota)
{
	cc_expr_access a = {.a = {.dtype = t->dtype, .is_iota = is_iota}, .base = v->base, .offset = v->offset, .write = write};

	align(e, t, v->stride, a.stride);
	a.panel = v->base != IR_NO_REF && e->p->panel[v->base];
	for (int d = 0; d < 2 && a.panel; d++) /* a whole matrix of the space's own shape: layout.c */
		a.stride[d] = e->order[d] == 0 ? RT_PANEL : t->dim[0] * RT_PANEL;
	for (size_t i = 0; i < e->nacc; i++)
		if (!write && !is_iota && e->acc[i].base == a.base && e->acc[i].offset == a.offset && !e->acc[i].write &&
		    !memcmp(e->acc[i].stride, a.stride, sizeof a.stride))
			return (uint16_t)i;
	*ar_push(e->p->a, e->acc, e->nacc, e->acccap) = a;
	return (uint16_t)(e->nacc - 1);
}

static uint16_t add_node(cc_expr *e, cc_node n)
{
	*ar_push(e->p->a, e->node, e->nnode, e->nodecap) = n;
	return (uint16_t)(e->nnode - 1);
}

uint16_t cc_expr_load(cc_expr *e, const cc_view *v, const ir_type *t, bool is_iota)
{
	uint16_t a = cc_expr_add_access(e, v, t, false, is_iota);

	for (size_t i = 0; i < e->nnode; i++)
		if (e->node[i].kind == CC_NODE_LOAD && e->node[i].index == a)
			return (uint16_t)i;
	return add_node(e, (cc_node){.kind = CC_NODE_LOAD, .dtype = t->dtype, .index = a});
}

static uint16_t const_node(cc_expr *e, double v, ir_dtype t)
{
	for (size_t i = 0; i < e->nnode; i++)
		if (e->node[i].kind == CC_NODE_CONST && e->node[i].dtype == t &&
		    !memcmp(&e->constant[e->node[i].index], &v, sizeof v))
			return (uint16_t)i;
	*ar_push(e->p->a, e->constant, e->nconst, e->constcap) = v;
	return add_node(e, (cc_node){.kind = CC_NODE_CONST, .dtype = t, .index = (uint16_t)(e->nconst - 1)});
}

static bool is_member(const cc_expr *e, ir_ref r)
{
	return e->p->g.group_of[r] == e->group;
}

uint16_t cc_expr_operand(cc_expr *e, ir_ref r)
{
	const ir_func *f = e->p->f;
	cc_view v;
	double c;

	if (is_member(e, r) && e->node_of[r] >= 0)
		return (uint16_t)e->node_of[r];
	v = cc_view_of(&e->p->g, r);
	if (cc_is_constant(f, v.base, &c))
		return const_node(e, c, f->ins[r].type.dtype);
	return cc_expr_load(e, &v, &f->ins[r].type, false);
}

/* The view that a copied view would have been. */
cc_view cc_expr_through(cc_expr *e, ir_ref r)
{
	cc_view v;

	e->p->g.copied[r] = false;
	v = cc_view_of(&e->p->g, r);
	e->p->g.copied[r] = true;
	return v;
}

static uint16_t op_node(cc_expr *e, const ir_ins *in)
{
	cc_node n = {.kind = CC_NODE_OP, .op = in->op, .dtype = in->type.dtype};

	if (in->op == IR_compare)
		n.cmp = (ir_cmp)ir_attr_int(in, IR_ATTR_dir);
	for (size_t k = 0; k < in->narg; k++)
		n.arg[k] = cc_expr_operand(e, in->arg[k]);
	e->flops += ir_op_info(in->op)->flops;
	return add_node(e, n);
}

static uint16_t iota_node(cc_expr *e, const ir_ins *in)
{
	cc_view v = {.base = IR_NO_REF};

	v.stride[ir_attr_int(in, IR_ATTR_axis)] = 1;
	return cc_expr_load(e, &v, &in->type, true);
}

static void add_member_node(cc_expr *e, ir_ref r)
{
	const ir_ins *in = &e->p->f->ins[r];
	cc_view v;
	double c;

	if (in->op == IR_iota)
		e->node_of[r] = iota_node(e, in);
	else if (in->op == IR_stop_gradient || ir_op_info(in->op)->lower == IR_LOWER_panel)
		e->node_of[r] = cc_expr_operand(e, in->arg[0]);
	else if (cc_is_constant(e->p->f, r, &c))
		e->node_of[r] = const_node(e, c, in->type.dtype);
	else if (ir_op_info(in->op)->lower == IR_LOWER_view) {
		v = cc_expr_through(e, r);
		e->node_of[r] = cc_is_constant(e->p->f, v.base, &c) ? const_node(e, c, in->type.dtype)
								      : cc_expr_load(e, &v, &in->type, false);
	} else {
		e->node_of[r] = op_node(e, in);
	}
}

/* A sum over each panel: all rows of the first panel, then of the next. */
static cc_expr_access sum_access(const cc_expr *e, ir_ref r)
{
	const ir_type *t = &e->p->f->ins[r].type;

	return (cc_expr_access){.a = {.dtype = t->dtype}, .base = r, .stride = {1, t->dim[1]}, .write = true, .sum = true};
}

void cc_expr_add_store(cc_expr *e, ir_ref r, uint16_t node)
{
	const ir_ins *in = &e->p->f->ins[r];
	cc_view v = {.base = r};
	int64_t s = 1;
	uint16_t a;

	if (ir_op_info(in->op)->lower == IR_LOWER_panel) {
		*ar_push(e->p->a, e->acc, e->nacc, e->acccap) = sum_access(e, r);
		a = (uint16_t)(e->nacc - 1);
		e->flops += 1;
	} else {
		for (int i = e->shape.rank; i-- > 0; s *= e->shape.dim[i])
			v.stride[i] = s;
		a = cc_expr_add_access(e, &v, &in->type, true, false);
	}
	*ar_push(e->p->a, e->store, e->nstore, e->storecap) = (cc_store){node, a};
}

void cc_expr_init(cc_expr *e, cc_plan *p, uint32_t group, const ir_type *shape)
{
	*e = (cc_expr){.p = p, .group = group, .shape = *shape};
	e->node_of = ar_new(p->a, int32_t, p->f->n);
	memset(e->node_of, 0xff, p->f->n * sizeof *e->node_of);
	e->s.kept = shape->rank;
	for (int i = 0; i < shape->rank; i++) {
		e->order[i] = i;
		e->s.size[i] = shape->dim[i];
	}
}

void cc_expr_add_members(cc_expr *e)
{
	const cc_group *g = &e->p->g.group[e->group];

	for (size_t i = 0; i < g->n; i++)
		add_member_node(e, g->member[i]);
	for (size_t i = 0; i < g->n; i++)
		if (e->p->g.stored[g->member[i]])
			cc_expr_add_store(e, g->member[i], (uint16_t)e->node_of[g->member[i]]);
}

/* ---- collapsing ------------------------------------------------------------------------------------------ */

static void remove_dim(cc_expr *e, int d)
{
	int n = e->s.kept + e->s.red;

	memmove(&e->s.size[d], &e->s.size[d + 1], (size_t)(n - d - 1) * sizeof *e->s.size);
	for (size_t i = 0; i < e->nacc; i++)
		memmove(&e->acc[i].stride[d], &e->acc[i].stride[d + 1], (size_t)(n - d - 1) * sizeof(int64_t));
	if (d < e->s.kept)
		e->s.kept--;
	else
		e->s.red--;
}

static bool runs_on(const cc_expr *e, int d)
{
	for (size_t i = 0; i < e->nacc; i++)
		if (e->acc[i].stride[d] != e->acc[i].stride[d + 1] * e->s.size[d + 1])
			return false;
	return true;
}

void cc_expr_insert_dim(cc_expr *e, int d, bool kept)
{
	int n = e->s.kept + e->s.red;

	memmove(&e->s.size[d + 1], &e->s.size[d], (size_t)(n - d) * sizeof *e->s.size);
	e->s.size[d] = 1;
	for (size_t i = 0; i < e->nacc; i++) {
		memmove(&e->acc[i].stride[d + 1], &e->acc[i].stride[d], (size_t)(n - d) * sizeof(int64_t));
		e->acc[i].stride[d] = 0;
	}
	if (kept)
		e->s.kept++;
	else
		e->s.red++;
}

/* Drops dimensions of size 1 and joins those that every access walks as one; sums of panels need rows and columns. */
void cc_expr_collapse(cc_expr *e)
{
	for (size_t i = 0; i < e->nacc; i++)
		if (e->acc[i].sum)
			return;
	for (int d = e->s.kept + e->s.red; d-- > 0;)
		if (e->s.size[d] == 1)
			remove_dim(e, d);
	for (int d = e->s.kept + e->s.red - 1; d-- > 0;)
		if (d + 1 != e->s.kept && runs_on(e, d)) {
			e->s.size[d + 1] *= e->s.size[d];
			remove_dim(e, d);
		}
}

/* ---- kernel and arguments ------------------------------------------------------------------------------------ */

static cc_along along_of(const cc_expr *e, const cc_expr_access *a, int inner)
{
	bool moves = false;

	for (int d = 0; d < e->s.kept + e->s.red; d++)
		moves |= a->stride[d] != 0;
	if (a->panel)
		return CC_ALONG_PANEL;
	if (a->sum)
		return CC_ALONG_SUM;
	if (!moves)
		return CC_ALONG_SCALAR;
	return a->stride[inner] == 0 ? CC_ALONG_SAME : a->stride[inner] == 1 ? CC_ALONG_NEXT : CC_ALONG_ANY;
}

void cc_expr_describe(cc_expr *e, cc_kernel *k, int inner)
{
	k->rank = e->s.kept;
	k->nred = e->s.red;
	k->access = ar_new(e->p->a, cc_access, e->nacc ? e->nacc : 1);
	for (size_t i = 0; i < e->nacc; i++) {
		e->acc[i].a.along = along_of(e, &e->acc[i], inner);
		k->access[i] = e->acc[i].a;
	}
	/* a store to one place by every lane would be a race within the vector */
	for (size_t i = 0; i < e->nacc; i++)
		if (e->acc[i].write && k->access[i].along <= CC_ALONG_SAME)
			k->access[i].along = e->acc[i].a.along = CC_ALONG_NEXT;
	k->node = e->node, k->nnode = e->nnode;
	k->store = e->store, k->nstore = e->nstore;
	k->naccess = e->nacc, k->nconst = e->nconst;
}

static int64_t bits_of(double v)
{
	int64_t b;

	memcpy(&b, &v, sizeof b);
	return b;
}

/* Appends the expression's operands and arguments behind what the launch has. skip: leading accesses without operand. */
void cc_expr_fill(const cc_expr *e, const cc_kernel *k, cc_launch *l, size_t skip)
{
	cc_layout y = cc_kernel_layout(k);
	size_t at = l->narg, op = l->noperand;
	int64_t *arg = ar_new(e->p->a, int64_t, at + (size_t)y.total + 1);
	cc_operand *operand = ar_new(e->p->a, cc_operand, op + e->nacc + 1);

	if (at)
		memcpy(arg, l->arg, at * sizeof *arg);
	if (op)
		memcpy(operand, l->operand, op * sizeof *operand);
	for (int d = 1; d < k->rank - 1; d++)
		arg[at++] = e->s.size[d];
	for (int d = 0; d < k->nred; d++)
		arg[at++] = e->s.size[k->rank + d];
	for (size_t i = 0; i < e->nacc; i++) {
		const cc_expr_access *a = &e->acc[i];

		for (int d = 0; d < k->rank + k->nred; d++)
			arg[at++] = a->stride[d];
		if (!a->a.is_iota && i >= skip)
			operand[op++] = (cc_operand){a->base, (size_t)a->offset * ir_dtype_size(a->a.dtype), a->write};
	}
	for (size_t i = 0; i < e->nconst; i++)
		arg[at++] = bits_of(e->constant[i]);
	l->arg = arg, l->narg = at;
	l->operand = operand, l->noperand = op;
}
