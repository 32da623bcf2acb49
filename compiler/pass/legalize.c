/* SPDX-License-Identifier: Apache-2.0
 * compiler/pass/legalize.c -- leaves only what kernels do: mean becomes sum and division, a second operand
 * stored transposed becomes a view of it turned over (which matmul reads as it is), a long sum over everything becomes two
 * (the split depends on the shape alone: results must not depend on threads), stop_gradient disappears. */
#include "compiler/cc_int.h"

#define LONG_SUM 4096 /* elements; below it one chain is as fast */

static ir_ref reduce(ir_func *dst, ir_op op, ir_loc loc, ir_ref x, int n, const int64_t *axes)
{
	ir_attr at = ir_a_ints(IR_ATTR_axes, n, axes);

	return ir_emit(dst, "legalize", loc, op, &x, 1, &at, 1);
}

/* A matrix that may be in panels (layout.c), and neither so tall nor so wide that few could share the work. */
static bool is_broad(const ir_type *t)
{
	return t->rank == 2 && t->dim[1] > RT_PANEL && t->dim[0] >= 16 && t->dim[0] <= 64 * t->dim[1] && t->dim[1] <= 64 * t->dim[0];
}

/* sum or amax over axes. Over all axes of a long tensor: one axis first, then the rest. Down the columns of a broad matrix, so that
 * every thread reads what it wrote (Note [Panels] in layout.c); else along the innermost. The sum of a matrix of floats: panel by
 * panel, in the kernel that makes the matrix, which then need not be stored for it. */
static ir_ref split_reduce(ir_func *dst, ir_op op, ir_loc loc, ir_ref x, const ir_attr *axes)
{
	ir_type t = dst->ins[x].type;
	int64_t inner = is_broad(&t) ? 0 : t.rank - 1, rest[IR_MAX_RANK] = {0, 1, 2, 3, 4, 5};

	if (axes->v.rank != t.rank || t.rank < 2 || ir_type_count(&t) < LONG_SUM)
		return reduce(dst, op, loc, x, axes->v.rank, axes->v.dim);
	if (op == IR_sum && t.rank == 2 && t.dim[1] >= IR_PANEL && ir_dtype_is_float(t.dtype)) {
		x = ir_emit1(dst, "legalize", loc, IR_panel_sum, x);
		return split_reduce(dst, op, loc, x, axes);
	}
	x = reduce(dst, op, loc, x, 1, &inner);
	return reduce(dst, op, loc, x, t.rank - 1, rest);
}

static ir_ref mean(ir_func *dst, const ir_ins *in, ir_ref x)
{
	double n = (double)ir_type_count(&dst->ins[x].type) / (double)ir_type_count(&in->type);
	ir_ref s = split_reduce(dst, IR_sum, in->loc, x, ir_attr_get(in, IR_ATTR_axes));
	ir_ref c = ir_emit_constant(dst, "legalize", in->loc, n, ir_type_scalar(in->type.dtype));

	return ir_emit2(dst, "legalize", in->loc, IR_div, s, c);
}

static ir_ref matmul(ir_func *dst, const ir_ins *in, const ir_ref *map)
{
	ir_ref a = map[in->arg[0]], b = map[in->arg[1]];
	ir_attr perm = ir_a_ints(IR_ATTR_perm, 2, (int64_t[]){1, 0});
	ir_attr at[3] = {ir_a_int(IR_ATTR_ta, ir_attr_int(in, IR_ATTR_ta)), ir_a_int(IR_ATTR_tb, 0),
			 ir_a_int(IR_ATTR_bf16, ir_attr_int(in, IR_ATTR_bf16))};

	if (!ir_attr_int(in, IR_ATTR_tb))
		return IR_NO_REF;
	b = ir_emit(dst, "legalize", in->loc, IR_transpose, &b, 1, &perm, 1);
	return ir_emit(dst, "legalize", in->loc, IR_matmul, (ir_ref[]){a, b}, 2, at, 3);
}

static ir_ref rewrite(void *ctx, ir_func *dst, const ir_func *src, ir_ref i, const ir_ref *map)
{
	const ir_ins *in = &src->ins[i];

	(void)ctx;
	switch ((int)in->op) {
	case IR_stop_gradient:
		return map[in->arg[0]];
	case IR_mean:
		return mean(dst, in, map[in->arg[0]]);
	case IR_sum:
	case IR_amax:
		return split_reduce(dst, in->op, in->loc, map[in->arg[0]], ir_attr_get(in, IR_ATTR_axes));
	case IR_matmul:
		return matmul(dst, in, map);
	}
	return IR_NO_REF;
}

ir_func *cc_pass_legalize(const ir_func *f, ir_arena *a, ir_diag *d)
{
	return cc_check_bound(f, d) ? cc_rewrite(f, a, rewrite, NULL) : NULL; /* sizes decide how sums are split */
}
