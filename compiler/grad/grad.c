/* SPDX-License-Identifier: Apache-2.0
 * compiler/grad/grad.c -- reverse mode, from IR to IR: one sweep down the instructions, one rule per op, contributions
 * added in the order in which they are met. The result is ordinary IR; the usual passes clean it. */
#include <string.h>
#include "compiler/cc_int.h"
#include "compiler/grad/grad.h"

static cc_grad_rule *const rule_of[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) [IR_##name] = grad_##grad,
#include "ir/ops.def"
#undef OP
};

/* active[i]: i lies on a path from some wrt to the loss, along which derivatives exist. */
static bool *find_active(const ir_func *f, ir_ref loss, const ir_ref *wrt, size_t nwrt, ir_arena *a)
{
	bool *down = ar_new(a, bool, f->n), *up = ar_new(a, bool, f->n);

	for (size_t i = 0; i < nwrt; i++)
		down[wrt[i]] = true;
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->ins[i].narg; k++)
			if (down[f->ins[i].arg[k]] && rule_of[f->ins[i].op] != grad_ZERO &&
			    ir_dtype_is_float(f->ins[i].type.dtype))
				down[i] = true;
	up[loss] = true;
	for (size_t i = loss + 1; i-- > 0;) {
		if (!up[i])
			continue;
		for (size_t k = 0; k < f->ins[i].narg; k++)
			up[f->ins[i].arg[k]] = true;
		up[i] = up[i] && down[i];
	}
	for (size_t i = 0; i < f->n; i++)
		up[i] = up[i] && down[i];
	return up;
}

static void add_to(cc_grad_ctx *g, ir_ref *adj, ir_ref x, ir_ref dx)
{
	adj[x] = adj[x] == IR_NO_REF ? dx : gd_2(g, IR_add, adj[x], dx);
}

/* Walks down from `from`; adj holds the seeds and receives the adjoints. */
static bool sweep(cc_grad_ctx *g, const ir_func *primal, size_t from, ir_ref *adj)
{
	for (size_t i = from; i-- > 0;) {
		const ir_ins *in = &primal->ins[i];
		ir_ref *dx;

		if (adj[i] == IR_NO_REF || !g->active[i] || in->narg == 0)
			continue;
		dx = ar_new(g->f->arena, ir_ref, in->narg);
		memset(dx, 0xff, in->narg * sizeof *dx);
		g->loc = in->loc;
		if (!rule_of[in->op](g, (ir_ref)i, adj[i], dx))
			return false;
		for (size_t k = 0; k < in->narg; k++)
			if (dx[k] != IR_NO_REF && g->active[in->arg[k]])
				add_to(g, adj, in->arg[k], dx[k]);
	}
	return true;
}

static void add_gradient_output(cc_grad_ctx *g, const ir_func *f, ir_ref x, ir_ref dx)
{
	const char *name = f->ins[x].name ? f->ins[x].name : ar_printf(g->f->arena, "%u", x);

	do
		name = ar_printf(g->f->arena, "d_%s", name);
	while (ir_find_output(g->f, name)); /* the gradient of a gradient: d_d_x */
	if (dx == IR_NO_REF)
		dx = gd_zeros(g, &f->ins[x].type);
	ir_add_output(g->f, name, dx);
}

ir_func *cc_grad(const ir_func *f, const char *loss, const ir_ref *wrt, size_t nwrt, ir_arena *a, ir_diag *d)
{
	const ir_output *out = ir_find_output(f, loss);
	cc_grad_ctx g = {.d = d};
	ir_ref *adj;
	const ir_type *t;

	if (!cc_check_bound(f, d))
		return NULL;
	if (!out)
		return ir_report(d, (ir_loc){0}, IR_E_no_output, f->name, loss), NULL;
	t = &f->ins[out->ref].type;
	if (t->rank != 0 || !ir_dtype_is_float(t->dtype))
		return ir_report(d, f->ins[out->ref].loc, IR_E_grad_scalar, ir_type_text(a, t)), NULL;
	g.f = cc_copy(f, a, f->name, f->nout);
	g.active = find_active(f, out->ref, wrt, nwrt, a);
	adj = ar_new(a, ir_ref, f->n);
	memset(adj, 0xff, f->n * sizeof *adj);
	adj[out->ref] = ir_emit_constant(g.f, "grad", f->ins[out->ref].loc, 1.0, *t);
	if (!sweep(&g, f, out->ref + 1, adj))
		return NULL;
	for (size_t i = 0; i < nwrt; i++)
		add_gradient_output(&g, f, wrt[i], adj[wrt[i]]);
	return g.f;
}

static bool is_float_leaf(const ir_func *f, size_t i)
{
	ir_op op = f->ins[i].op;

	return (op == IR_input || op == IR_param) && ir_dtype_is_float(f->ins[i].type.dtype);
}

ir_func *cc_vjp(const ir_func *f, ir_arena *a, ir_diag *d)
{
	cc_grad_ctx g = {.d = d};
	ir_ref *adj = ar_new(a, ir_ref, f->n);
	bool *active = ar_new(a, bool, f->n);
	size_t from = 0, ndy = 0;

	if (!cc_check_bound(f, d))
		return NULL;
	memset(adj, 0xff, f->n * sizeof *adj);
	memset(active, 1, f->n);
	g.f = cc_copy(f, a, ar_printf(a, "%s.grad", f->name), f->nout);
	for (size_t i = 0; i < f->n; i++)
		active[i] = ir_dtype_is_float(f->ins[i].type.dtype);
	g.active = active;
	for (size_t i = 0; i < f->nout; i++) {
		const ir_output *o = &f->out[i];
		ir_attr at = ir_a_type(IR_ATTR_type, f->ins[o->ref].type);
		ir_ref dy;

		if (o->state != IR_NO_REF || !active[o->ref])
			continue;
		dy = ir_emit(g.f, "grad", f->ins[o->ref].loc, IR_input, NULL, 0, &at, 1);
		ir_set_name(g.f, dy, ar_printf(a, "dy%zu", ndy++));
		g.loc = f->ins[o->ref].loc;
		add_to(&g, adj, o->ref, dy);
		from = o->ref + 1 > from ? o->ref + 1 : from;
	}
	if (!sweep(&g, f, from, adj))
		return NULL;
	for (size_t i = 0; i < f->n; i++)
		if (is_float_leaf(f, i))
			add_gradient_output(&g, f, (ir_ref)i, adj[i]);
	return g.f;
}

/* ---- algebra ------------------------------------------------------------------------------------------ */

ir_ref gd_arg(const cc_grad_ctx *g, ir_ref y, size_t i)
{
	return g->f->ins[y].arg[i];
}

const ir_type *gd_type(const cc_grad_ctx *g, ir_ref r)
{
	return &g->f->ins[r].type;
}

bool gd_wants(const cc_grad_ctx *g, ir_ref y, size_t i)
{
	return g->active[gd_arg(g, y, i)];
}

ir_ref gd_1(cc_grad_ctx *g, ir_op op, ir_ref a)
{
	return ir_emit1(g->f, "grad", g->loc, op, a);
}

ir_ref gd_2(cc_grad_ctx *g, ir_op op, ir_ref a, ir_ref b)
{
	return ir_emit2(g->f, "grad", g->loc, op, a, b);
}

ir_ref gd_const(cc_grad_ctx *g, double v, ir_ref like)
{
	return ir_emit_constant(g->f, "grad", g->loc, v, ir_type_scalar(gd_type(g, like)->dtype));
}

ir_ref gd_select(cc_grad_ctx *g, ir_ref cond, ir_ref a, ir_ref b)
{
	return ir_emit(g->f, "grad", g->loc, IR_select, (ir_ref[]){cond, a, b}, 3, NULL, 0);
}

ir_ref gd_compare(cc_grad_ctx *g, ir_cmp dir, ir_ref a, ir_ref b)
{
	ir_attr at = ir_a_int(IR_ATTR_dir, dir);

	return ir_emit(g->f, "grad", g->loc, IR_compare, (ir_ref[]){a, b}, 2, &at, 1);
}

ir_ref gd_sum(cc_grad_ctx *g, ir_ref a, int n, const int64_t *axes)
{
	ir_attr at = ir_a_ints(IR_ATTR_axes, n, axes);

	return ir_emit(g->f, "grad", g->loc, IR_sum, &a, 1, &at, 1);
}

ir_ref gd_reshape(cc_grad_ctx *g, ir_ref a, const ir_type *to)
{
	ir_attr at = ir_a_ints(IR_ATTR_shape, to->rank, to->dim);

	if (ir_shape_equal(gd_type(g, a), to))
		return a;
	return ir_emit(g->f, "grad", g->loc, IR_reshape, &a, 1, &at, 1);
}

ir_ref gd_broadcast(cc_grad_ctx *g, ir_ref a, const ir_type *to)
{
	ir_attr at = ir_a_ints(IR_ATTR_shape, to->rank, to->dim);

	if (ir_shape_equal(gd_type(g, a), to))
		return a;
	return ir_emit(g->f, "grad", g->loc, IR_broadcast, &a, 1, &at, 1);
}

ir_ref gd_zeros(cc_grad_ctx *g, const ir_type *like)
{
	return ir_emit_constant(g->f, "grad", g->loc, 0.0, *like);
}

ir_ref gd_unbroadcast(cc_grad_ctx *g, ir_ref dx, const ir_type *to)
{
	ir_type t = *gd_type(g, dx);
	int64_t axes[IR_MAX_RANK];
	int n = 0, extra = t.rank - to->rank;

	for (int i = 0; i < t.rank; i++)
		if (i < extra || (to->dim[i - extra] == 1 && t.dim[i] != 1))
			axes[n++] = i;
	if (n > 0)
		dx = gd_sum(g, dx, n, axes);
	return gd_reshape(g, dx, to);
}
