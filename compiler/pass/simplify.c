/* SPDX-License-Identifier: Apache-2.0
 * compiler/pass/simplify.c -- rules.def, and views that change nothing or collapse into one. */
#include <math.h>
#include "compiler/cc_int.h"

typedef enum pattern { ANY, ZERO, ONE, SAME } pattern;
typedef enum side { LEFT, RIGHT } side;

static const struct {
	ir_op op;
	pattern left, right;
	side result;
} binary[] = {
#define BINARY(op, left, right, result) {IR_##op, left, right, result},
#define UNARY(outer, inner, result)
#include "compiler/rules.def"
#undef BINARY
#undef UNARY
};

static const struct {
	ir_op outer, inner;
	enum { X, INNER } result;
} unary[] = {
#define BINARY(op, left, right, result)
#define UNARY(outer, inner, result) {IR_##outer, IR_##inner, result},
#include "compiler/rules.def"
#undef BINARY
#undef UNARY
};

static bool matches(const ir_func *f, pattern p, ir_ref r, ir_ref other)
{
	double v;

	switch (p) {
	case ANY:
		return true;
	case ZERO:
		return cc_is_constant(f, r, &v) && v == 0 && !signbit(v);
	case ONE:
		return cc_is_constant(f, r, &v) && v == 1;
	case SAME:
		return r == other;
	}
	return false;
}

/* The operand (already in dst) that i may be replaced by, or IR_NO_REF. */
static ir_ref by_rule(const ir_func *dst, const ir_ins *in, const ir_ref *arg)
{
	for (size_t k = 0; k < sizeof binary / sizeof *binary; k++) {
		ir_ref r;

		if (binary[k].op != in->op || !matches(dst, binary[k].left, arg[0], arg[1]) ||
		    !matches(dst, binary[k].right, arg[1], arg[0]))
			continue;
		r = arg[binary[k].result];
		if (ir_type_equal(&dst->ins[r].type, &in->type))
			return r;
	}
	for (size_t k = 0; k < sizeof unary / sizeof *unary; k++)
		if (unary[k].outer == in->op && dst->ins[arg[0]].op == unary[k].inner)
			return unary[k].result == INNER ? arg[0] : dst->ins[arg[0]].arg[0];
	return IR_NO_REF;
}

static bool is_identity_perm(const ir_attr *p)
{
	for (int i = 0; i < p->v.rank; i++)
		if (p->v.dim[i] != i)
			return false;
	return true;
}

/* Same type in and out, and the op only moves elements: nothing happens. */
static bool is_idle_view(const ir_ins *in, const ir_type *operand)
{
	if (!ir_type_equal(&in->type, operand))
		return false;
	switch ((int)in->op) {
	case IR_reshape:
	case IR_broadcast:
	case IR_slice:
	case IR_cast:
		return true;
	case IR_concat:
		return in->narg == 1;
	case IR_transpose:
		return is_identity_perm(ir_attr_get(in, IR_ATTR_perm));
	case IR_sum:
	case IR_mean:
	case IR_amax:
		return ir_attr_get(in, IR_ATTR_axes)->v.rank == 0;
	}
	return false;
}

/* reshape of reshape, transpose of transpose: one of them. */
static ir_ref collapse(ir_func *dst, const ir_ins *in, ir_ref arg)
{
	const ir_ins *inner = &dst->ins[arg];

	if (in->op == IR_reshape && inner->op == IR_reshape)
		return ir_emit(dst, "simplify", in->loc, IR_reshape, &inner->arg[0], 1, in->attr, 1);
	if (in->op == IR_transpose && inner->op == IR_transpose) {
		const ir_attr *p = ir_attr_get(in, IR_ATTR_perm), *q = ir_attr_get(inner, IR_ATTR_perm);
		ir_attr both = *p;

		for (int i = 0; i < p->v.rank; i++)
			both.v.dim[i] = q->v.dim[p->v.dim[i]];
		if (is_identity_perm(&both))
			return inner->arg[0];
		return ir_emit(dst, "simplify", in->loc, IR_transpose, &inner->arg[0], 1, &both, 1);
	}
	return IR_NO_REF;
}

static ir_ref rewrite(void *ctx, ir_func *dst, const ir_func *src, ir_ref i, const ir_ref *map)
{
	const ir_ins *in = &src->ins[i];
	ir_ref arg[3], r;

	(void)ctx;
	if (in->narg == 0 || in->narg > 3)
		return IR_NO_REF;
	for (size_t k = 0; k < in->narg; k++)
		arg[k] = map[in->arg[k]];
	if (is_idle_view(in, &dst->ins[arg[0]].type))
		return arg[0];
	if (in->op == IR_select && arg[1] == arg[2] && ir_type_equal(&dst->ins[arg[1]].type, &in->type))
		return arg[1];
	if (in->narg <= 2 && (r = by_rule(dst, in, arg)) != IR_NO_REF)
		return r;
	return in->narg == 1 ? collapse(dst, in, arg[0]) : IR_NO_REF;
}

ir_func *cc_pass_simplify(const ir_func *f, ir_arena *a, ir_diag *d)
{
	(void)d;
	return cc_rewrite(f, a, rewrite, NULL);
}
