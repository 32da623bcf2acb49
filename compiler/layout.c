/* SPDX-License-Identifier: Apache-2.0
 * compiler/layout.c -- which weights, moments, activations, masks and gradients are in panels during a run. See
 * Note [Panels]. To let another kind of kernel read or write panels: a case in reads_panels or writes_panels. */
#include "compiler/plan.h"

/* Is v the whole of a matrix of that type, by rows or turned over? */
static bool is_whole(const cc_view *v, const ir_type *seen, const ir_type *t)
{
	int64_t rows = t->dim[0], cols = t->dim[1];
	bool same = v->stride[0] == cols && v->stride[1] == 1 && seen->dim[0] == rows && seen->dim[1] == cols;
	bool turned = v->stride[0] == 1 && v->stride[1] == cols && seen->dim[0] == cols && seen->dim[1] == rows;

	return seen->rank == 2 && v->offset == 0 && (same || turned);
}

static bool reads_views(const cc_plan *p, const ir_ins *in)
{
	for (size_t k = 0; k < in->narg; k++)
		if (cc_view_of(&p->g, in->arg[k]).base != in->arg[k])
			return true;
	return false;
}

/* Can a reduction walk panels? Sums of rows do; sums of columns if no view makes them turn (prefers_cols in lower.c). */
static bool reduces_panels(const cc_plan *p, const cc_group *g)
{
	const ir_attr *axes = ir_attr_get(&p->f->ins[g->root], IR_ATTR_axes);
	bool views = reads_views(p, &p->f->ins[g->root]);

	for (size_t i = 0; i < g->n; i++)
		views |= reads_views(p, &p->f->ins[g->member[i]]);
	return axes->v.rank == 1 && (axes->v.dim[0] == 1 || !views);
}

/* Can operand k of instruction i be read in panels? As an operand of matmul, the first one if it is not rounded on its way, and
 * element by element where the group walks rows and columns of that very shape. */
static bool reads_panels(const cc_plan *p, ir_ref i, size_t k, const cc_view *v)
{
	const ir_ins *in = &p->f->ins[i];
	const ir_type *t = &p->f->ins[v->base].type;
	const cc_group *g = &p->g.group[p->g.group_of[i]];
	ir_lower lower = ir_op_info(in->op)->lower;

	if (in->op == IR_matmul)
		return (k == 1 || !ir_attr_int(in, IR_ATTR_bf16)) && is_whole(v, &p->f->ins[in->arg[k]].type, t);
	if (g->kind == CC_GROUP_REDUCE && !reduces_panels(p, g))
		return false;
	return (lower == IR_LOWER_ew || lower == IR_LOWER_reduce || lower == IR_LOWER_panel) && in->arg[k] == v->base && ir_shape_equal(&g->shape, t);
}

/* Can the group that makes r write it in panels? Maps and products do, through cc_expr_add_store; the functions of the runtime,
 * concat and reductions write by rows. */
static bool writes_panels(const cc_plan *p, ir_ref r)
{
	const cc_group *g;

	if (p->g.group_of[r] == CC_NO_GROUP)
		return false;
	g = &p->g.group[p->g.group_of[r]];
	return (g->kind == CC_GROUP_MAP || g->kind == CC_GROUP_MATMUL) && ir_shape_equal(&g->shape, &p->f->ins[r].type);
}

static bool is_large_matrix(const ir_type *t)
{
	return t->rank == 2 && t->dim[0] > 1 && t->dim[1] > RT_PANEL;
}

/* In the arena: activations, their gradients and masks, gradients that wait for the norm of all. Not if padding would take
 * half as much again. */
static bool may_wait_in_panels(const cc_plan *p, ir_ref r)
{
	const ir_type *t = &p->f->ins[r].type;

	return p->g.stored[r] && p->place[r].kind == RT_SLOT_ARENA && is_large_matrix(t) &&
	       2 * ((t->dim[1] + RT_PANEL - 1) / RT_PANEL * RT_PANEL) <= 3 * t->dim[1] && writes_panels(p, r);
}

static bool may_live_in_panels(const cc_plan *p, ir_ref leaf)
{
	const ir_ins *in = &p->f->ins[leaf];

	return (in->op == IR_param || in->op == IR_state) && p->leaf_of[leaf] != UINT32_MAX && is_large_matrix(&in->type) &&
	       ir_dtype_is_float(in->type.dtype);
}

static bool is_in_place(const cc_plan *p, const ir_output *o)
{
	return o->state != IR_NO_REF && p->place[o->ref].kind == RT_SLOT_LEAF && p->place[o->ref].index == p->leaf_of[o->state];
}

void cc_choose_layouts(cc_plan *p)
{
	const ir_func *f = p->f;
	bool *ok = p->panel = ar_new(p->a, bool, f->n ? f->n : 1), updates = false;

	for (size_t i = 0; i < f->nout; i++)
		updates |= f->out[i].state != IR_NO_REF && p->schedule.panels;
	for (size_t i = 0; i < f->n && updates; i++)
		ok[i] = ir_is_leaf(f, (ir_ref)i) ? may_live_in_panels(p, (ir_ref)i) : may_wait_in_panels(p, (ir_ref)i);
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state != IR_NO_REF && is_in_place(p, &f->out[i]))
			ok[f->out[i].ref] = ok[f->out[i].state] && writes_panels(p, f->out[i].ref);
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->ins[i].narg; k++) {
			cc_view v = cc_view_of(&p->g, f->ins[i].arg[k]);

			if (ok[v.base] && p->g.group_of[i] != CC_NO_GROUP)
				ok[v.base] = reads_panels(p, (ir_ref)i, k, &v);
		}
	for (size_t i = 0; i < f->nout; i++) { /* both or neither */
		const ir_output *o = &f->out[i];

		if (o->state == IR_NO_REF)
			continue;
		ok[o->state] = ok[o->state] && is_in_place(p, o) && ok[o->ref];
		ok[o->ref] = ok[o->ref] && ok[o->state];
	}
	for (size_t i = 0; i < f->n; i++)
		if (ok[i])
			p->place[i] = (cc_place){RT_SLOT_ARENA, 0, 0};
}

/* Note [Panels]
 *
 * A thread owns some columns of a weight: it computes those columns of the products, of the gradient, and updates them. By
 * rows, the columns of two threads alternate every few hundred bytes, and although no line is shared, the prefetchers of one
 * core run into the columns of the other and take their lines away. Measured on two Sapphire Rapids cores, a weight of 784 x
 * 128 with its moments, read and updated once: 160 us by rows, 15 us in panels (one thread by rows: about 25). Besides, in
 * panels a tile reads consecutive memory, the hardware's prefetchers follow, and rows of a power-of-two length do not crowd
 * into few sets of L1. Where a tile is as wide as a panel (f32 on AVX-512) and B is not turned over, it needs no packing
 * either.
 *
 * What passes from launch to launch is in panels too: activations, their gradients, masks, and gradients of weights that wait for
 * the norm of all. By rows, the columns that two threads write would alternate in the same way; and where a product reads
 * the columns of an activation of 256 floats a row, one below the other, its lines all fall into four sets of L1.
 * Callers keep their weights by rows. Only functions that update something do this, because they run many steps at a time;
 * a run copies the panels in and out (rt_port). The last panel is padded; nothing is said about what the padding holds. */
