/* SPDX-License-Identifier: Apache-2.0
 * compiler/pass/fold.c -- computes what depends on constants only, by the interpreter's own rules, and only for ops
 * whose result IEEE arithmetic defines to the bit: exp or tanh of a constant is left to the kernel that would have
 * computed it, so that optimisation never changes a result. Random ops are never folded. */
#include "compiler/cc_int.h"

static bool is_exact(ir_op op)
{
	switch ((int)op) {
	case IR_add: case IR_sub: case IR_mul: case IR_div: case IR_max: case IR_min: case IR_neg: case IR_sqrt:
	case IR_compare: case IR_select: case IR_cast: case IR_relu:
		return true;
	}
	return false;
}

static bool moves_elements(ir_op op)
{
	return op == IR_reshape || op == IR_broadcast || op == IR_transpose || op == IR_slice;
}

/* One element is enough: every operand is the same everywhere. */
static double eval_scalar(const ir_ins *in, const ir_func *dst, const ir_ref *arg)
{
	ir_ins one = *in;
	double cell[3] = {0}, result = 0, v = 0;
	rt_tensor t[3], out = {ir_type_scalar(in->type.dtype), &result};
	const rt_tensor *p[3];

	for (size_t k = 0; k < in->narg; k++) {
		t[k] = (rt_tensor){ir_type_scalar(dst->ins[arg[k]].type.dtype), &cell[k]};
		p[k] = &t[k];
		cc_is_constant(dst, arg[k], &v);
		rt_store(t[k].type.dtype, t[k].data, 0, v);
	}
	one.type = out.type;
	rt_eval(&one, p, &out);
	return rt_load(out.type.dtype, out.data, 0);
}

static ir_ref rewrite(void *ctx, ir_func *dst, const ir_func *src, ir_ref i, const ir_ref *map)
{
	const ir_ins *in = &src->ins[i];
	ir_ref arg[3];
	double v = 0;

	(void)ctx;
	if (in->narg == 0 || in->narg > 3 || !(is_exact(in->op) || moves_elements(in->op)))
		return IR_NO_REF;
	for (size_t k = 0; k < in->narg; k++) {
		arg[k] = map[in->arg[k]];
		if (!cc_is_constant(dst, arg[k], &v))
			return IR_NO_REF;
	}
	if (is_exact(in->op))
		v = eval_scalar(in, dst, arg);
	return ir_emit_constant(dst, "fold", in->loc, v, in->type);
}

ir_func *cc_pass_fold(const ir_func *f, ir_arena *a, ir_diag *d)
{
	(void)d;
	return cc_rewrite(f, a, rewrite, NULL);
}
