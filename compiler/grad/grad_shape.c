/* SPDX-License-Identifier: Apache-2.0
 * compiler/grad/grad_shape.c -- adjoints of reductions, matmul and ops that move elements. */
#include "compiler/grad/grad.h"

/* t with the axes of a reduction set to 1: a reduced value in this shape broadcasts back. */
static ir_type keep_dims(const cc_grad_ctx *g, ir_ref y)
{
	ir_type t = *gd_type(g, gd_arg(g, y, 0));
	const ir_attr *ax = ir_attr_get(&g->f->ins[y], IR_ATTR_axes);

	for (int i = 0; i < ax->v.rank; i++)
		t.dim[ax->v.dim[i]] = 1;
	return t;
}

static ir_ref spread(cc_grad_ctx *g, ir_ref y, ir_ref dy)
{
	ir_type kept = keep_dims(g, y), full = *gd_type(g, gd_arg(g, y, 0));

	return gd_broadcast(g, gd_reshape(g, dy, &kept), &full);
}

/* y = sum a  =>  da = dy, repeated. */
bool grad_sum(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	dx[0] = spread(g, y, dy);
	return true;
}

/* y = sum a / n  =>  da = dy / n, repeated. */
bool grad_mean(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	double n = (double)ir_type_count(gd_type(g, gd_arg(g, y, 0))) / (double)ir_type_count(gd_type(g, y));

	dx[0] = spread(g, y, gd_2(g, IR_div, dy, gd_const(g, n, dy)));
	return true;
}

/* y = largest a  =>  dy to the elements equal to it, in equal parts.  Keeps a and y. */
bool grad_amax(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_ref a = gd_arg(g, y, 0);
	const ir_attr *ax = ir_attr_get(&g->f->ins[y], IR_ATTR_axes);
	ir_ref hit = gd_compare(g, IR_CMP_eq, a, spread(g, y, y));
	ir_ref zero = gd_const(g, 0, dy), one = gd_const(g, 1, dy);
	ir_ref chosen = gd_select(g, hit, one, zero);
	ir_ref share = gd_2(g, IR_div, dy, gd_sum(g, chosen, ax->v.rank, ax->v.dim));

	dx[0] = gd_2(g, IR_mul, chosen, spread(g, y, share));
	return true;
}

/* In the precision of y's product. */
static ir_ref product(cc_grad_ctx *g, ir_ref y, ir_ref a, bool ta, ir_ref b, bool tb)
{
	bool bf16 = ir_attr_int(&g->f->ins[y], IR_ATTR_bf16);
	ir_attr at[3] = {ir_a_int(IR_ATTR_ta, ta), ir_a_int(IR_ATTR_tb, tb), ir_a_int(IR_ATTR_bf16, bf16)};

	return ir_emit(g->f, "grad", g->loc, IR_matmul, (ir_ref[]){a, b}, 2, at, 3);
}

/* y = sums of 64 columns  =>  da = dy, turned back, each element 64 times; less what the last panel lacks. */
bool grad_panel_sum(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_type full = *gd_type(g, gd_arg(g, y, 0)), t = *gd_type(g, y);
	int64_t panels = t.dim[0], rows = t.dim[1];
	ir_attr perm = ir_a_ints(IR_ATTR_perm, 2, (int64_t[]){1, 0}), box[2];

	dy = ir_emit(g->f, "grad", g->loc, IR_transpose, &dy, 1, &perm, 1);
	t = ir_type_make(full.dtype, 3, (int64_t[]){rows, panels, 1});
	dy = gd_reshape(g, dy, &t);
	t.dim[2] = IR_PANEL;
	dy = gd_broadcast(g, dy, &t);
	t = ir_type_make(full.dtype, 2, (int64_t[]){rows, panels * IR_PANEL});
	dy = gd_reshape(g, dy, &t);
	box[0] = ir_a_ints(IR_ATTR_start, 2, (int64_t[]){0, 0}), box[1] = ir_a_ints(IR_ATTR_size, 2, full.dim);
	dx[0] = ir_emit(g->f, "grad", g->loc, IR_slice, &dy, 1, box, 2);
	return true;
}

/* y = op(a) op(b)  =>  da = dy op(b)', db = op(a)' dy, transposed where the operand is stored so.
 * Keeps a and b, not y. */
bool grad_matmul(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_ref a = gd_arg(g, y, 0), b = gd_arg(g, y, 1);
	bool ta = ir_attr_int(&g->f->ins[y], IR_ATTR_ta), tb = ir_attr_int(&g->f->ins[y], IR_ATTR_tb);

	if (gd_wants(g, y, 0))
		dx[0] = ta ? product(g, y, b, tb, dy, true) : product(g, y, dy, false, b, !tb);
	if (gd_wants(g, y, 1))
		dx[1] = tb ? product(g, y, dy, true, a, ta) : product(g, y, a, !ta, dy, false);
	return true;
}

bool grad_reshape(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_type t = *gd_type(g, gd_arg(g, y, 0));

	dx[0] = gd_reshape(g, dy, &t);
	return true;
}

/* The inverse permutation. */
bool grad_transpose(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	const ir_attr *p = ir_attr_get(&g->f->ins[y], IR_ATTR_perm);
	int64_t inv[IR_MAX_RANK];
	ir_attr at;

	for (int i = 0; i < p->v.rank; i++)
		inv[p->v.dim[i]] = i;
	at = ir_a_ints(IR_ATTR_perm, p->v.rank, inv);
	dx[0] = ir_emit(g->f, "grad", g->loc, IR_transpose, &dy, 1, &at, 1);
	return true;
}

bool grad_broadcast(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_type t = *gd_type(g, gd_arg(g, y, 0));

	dx[0] = gd_unbroadcast(g, dy, &t);
	return true;
}

static ir_ref join(cc_grad_ctx *g, ir_ref *part, size_t n, int axis)
{
	ir_attr at = ir_a_int(IR_ATTR_axis, axis);

	return n == 1 ? part[0] : ir_emit(g->f, "grad", g->loc, IR_concat, part, n, &at, 1);
}

/* dy in a frame of zeros: joined with zeros before and behind, axis by axis. */
bool grad_slice(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_type full = *gd_type(g, gd_arg(g, y, 0)), part = *gd_type(g, y);
	const ir_attr *start = ir_attr_get(&g->f->ins[y], IR_ATTR_start);

	for (int i = 0; i < full.rank; i++) {
		int64_t before = start->v.dim[i], behind = full.dim[i] - before - part.dim[i];
		ir_ref piece[3];
		size_t n = 0;

		part.dim[i] = before;
		if (before > 0)
			piece[n++] = gd_zeros(g, &part);
		piece[n++] = dy;
		part.dim[i] = behind;
		if (behind > 0)
			piece[n++] = gd_zeros(g, &part);
		part.dim[i] = full.dim[i];
		dy = join(g, piece, n, i);
	}
	dx[0] = dy;
	return true;
}

/* Each operand gets its own box of dy. */
bool grad_concat(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	int64_t axis = ir_attr_int(&g->f->ins[y], IR_ATTR_axis), at[IR_MAX_RANK] = {0};

	for (size_t i = 0; i < g->f->ins[y].narg; i++) {
		ir_type t = *gd_type(g, gd_arg(g, y, i));
		ir_attr a[2] = {ir_a_ints(IR_ATTR_start, t.rank, at), ir_a_ints(IR_ATTR_size, t.rank, t.dim)};

		if (gd_wants(g, y, i))
			dx[i] = ir_emit(g->f, "grad", g->loc, IR_slice, &dy, 1, a, 2);
		at[axis] += t.dim[axis];
	}
	return true;
}

/* y = rows i of a  =>  da = rows of dy added where they came from. */
bool grad_gather(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_attr at = ir_a_int(IR_ATTR_rows, gd_type(g, gd_arg(g, y, 0))->dim[0]);

	if (gd_wants(g, y, 0))
		dx[0] = ir_emit(g->f, "grad", g->loc, IR_scatter, (ir_ref[]){dy, gd_arg(g, y, 1)}, 2, &at, 1);
	return true;
}

/* y = rows of a added at i  =>  da = rows i of dy. */
bool grad_scatter(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	if (gd_wants(g, y, 0))
		dx[0] = gd_2(g, IR_gather, dy, gd_arg(g, y, 1));
	return true;
}
