/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_ew.c -- one rule per element-wise op of ops.def, on vectors or scalars alike. Results agree with the
 * interpreter: to the bit where IEEE defines them, within the bounds stated in emit_math.c elsewhere. */
#include "compiler/llvm/emit.h"

#define RULE_ew(name) em_rule emit_##name;
#define RULE_leaf(name)
#define RULE_reduce(name)
#define RULE_panel(name)
#define RULE_matmul(name)
#define RULE_view(name)
#define RULE_copy(name)
#define RULE_call(name)
#define OP(name, args, attrs, shape, grad, lower, flops, doc) RULE_##lower(name)
#include "ir/ops.def"
#undef OP
#undef RULE_ew

static em_rule *const rule_of[IR_OP_COUNT] = {
#define RULE_ew(name) [IR_##name] = emit_##name,
#define OP(name, args, attrs, shape, grad, lower, flops, doc) RULE_##lower(name)
#include "ir/ops.def"
#undef OP
};

val em_op(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	if (!rule_of[n->op])
		ir_bug("%s is not an element-wise op", ir_op_info(n->op)->name);
	return rule_of[n->op](e, n, nodes, arg);
}

static bool is_float(const cc_node *n)
{
	return ir_dtype_is_float(n->dtype);
}

static bool is_signed(ir_dtype t)
{
	return t == IR_I32;
}

#define ARITHMETIC(name, F, I)                                                                             \
	val emit_##name(em *e, const cc_node *n, const cc_node *nodes, val *arg)                           \
	{                                                                                                  \
		(void)nodes;                                                                               \
		return is_float(n) ? LLVMBuild##F(e->b, arg[0], arg[1], "")                                \
				   : LLVMBuild##I(e->b, arg[0], arg[1], "");                               \
	}
ARITHMETIC(add, FAdd, Add)
ARITHMETIC(sub, FSub, Sub)
ARITHMETIC(mul, FMul, Mul)

/* Integers: toward zero, x / 0 = 0, and the one overflow wraps, as in the interpreter: nothing may trap. */
val emit_div(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	LLVMTypeRef t = LLVMTypeOf(arg[0]);
	val zero, minus, is_zero, is_minus, q;

	(void)nodes;
	if (is_float(n))
		return LLVMBuildFDiv(e->b, arg[0], arg[1], "");
	zero = LLVMConstNull(t), minus = em_bits(e, -1, t);
	is_zero = LLVMBuildICmp(e->b, LLVMIntEQ, arg[1], zero, "");
	is_minus = LLVMBuildICmp(e->b, LLVMIntEQ, arg[1], minus, "");
	q = LLVMBuildSelect(e->b, LLVMBuildOr(e->b, is_zero, is_minus, ""), em_bits(e, 1, t), arg[1], "");
	q = LLVMBuildSDiv(e->b, arg[0], q, "");
	q = LLVMBuildSelect(e->b, is_minus, LLVMBuildSub(e->b, zero, arg[0], ""), q, "");
	return LLVMBuildSelect(e->b, is_zero, zero, q, "");
}

/* IEEE 754-2019 maximum and minimum: NaN from either side wins. */
val emit_max(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	(void)nodes;
	return em_call2(e, is_float(n) ? "llvm.maximum" : "llvm.smax", arg[0], arg[1]);
}

val emit_min(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	(void)nodes;
	return em_call2(e, is_float(n) ? "llvm.minimum" : "llvm.smin", arg[0], arg[1]);
}

val emit_neg(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	(void)nodes;
	return is_float(n) ? LLVMBuildFNeg(e->b, arg[0], "")
			   : LLVMBuildSub(e->b, LLVMConstNull(LLVMTypeOf(arg[0])), arg[0], "");
}

val emit_sqrt(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	(void)n, (void)nodes;
	return em_sqrt(e, arg[0]);
}

/* NaN stays: it is not <= 0. */
val emit_relu(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	val zero = LLVMConstNull(LLVMTypeOf(arg[0]));

	(void)n, (void)nodes;
	return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOLE, arg[0], zero, ""), zero, arg[0], "");
}

#define FUNCTION(name)                                                                                      \
	val emit_##name(em *e, const cc_node *n, const cc_node *nodes, val *arg)                            \
	{                                                                                                   \
		(void)n, (void)nodes;                                                                       \
		return em_##name(e, arg[0]);                                                                \
	}
FUNCTION(exp)
FUNCTION(log)
FUNCTION(tanh)
FUNCTION(sigmoid)
FUNCTION(erf)

/* x/2 (1 + erf(x / sqrt 2)) */
val emit_gelu(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	LLVMTypeRef t = LLVMTypeOf(arg[0]);
	val erf = em_erf(e, LLVMBuildFMul(e->b, arg[0], em_float(e, 0.70710678118654752440, t), ""));
	val one = LLVMBuildFAdd(e->b, em_float(e, 1, t), erf, "");

	(void)n, (void)nodes;
	return LLVMBuildFMul(e->b, LLVMBuildFMul(e->b, em_float(e, 0.5, t), arg[0], ""), one, "");
}

/* ORDER CMP. != is true on NaN, all others false. */
val emit_compare(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	static const LLVMRealPredicate real[] = {LLVMRealOEQ, LLVMRealUNE, LLVMRealOLT, LLVMRealOLE, LLVMRealOGT, LLVMRealOGE};
	static const LLVMIntPredicate sgn[] = {LLVMIntEQ, LLVMIntNE, LLVMIntSLT, LLVMIntSLE, LLVMIntSGT, LLVMIntSGE};
	static const LLVMIntPredicate uns[] = {LLVMIntEQ, LLVMIntNE, LLVMIntULT, LLVMIntULE, LLVMIntUGT, LLVMIntUGE};
	ir_dtype t = nodes[n->arg[0]].dtype;

	if (ir_dtype_is_float(t))
		return LLVMBuildFCmp(e->b, real[n->cmp], arg[0], arg[1], "");
	return LLVMBuildICmp(e->b, is_signed(t) ? sgn[n->cmp] : uns[n->cmp], arg[0], arg[1], "");
}

val emit_select(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	(void)n, (void)nodes;
	return LLVMBuildSelect(e->b, arg[0], arg[1], arg[2], "");
}

val emit_cast(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	return em_convert(e, arg[0], nodes[n->arg[0]].dtype, n->dtype);
}

/* These two never reach a kernel as ops: iota is an access without memory, stop_gradient is its operand. */
val emit_iota(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	(void)e, (void)n, (void)nodes, (void)arg;
	ir_bug("iota as an op");
}

val emit_stop_gradient(em *e, const cc_node *n, const cc_node *nodes, val *arg)
{
	(void)e, (void)n, (void)nodes;
	return arg[0];
}

/* ---- conversions: float to integer truncates and saturates, NaN gives 0 ------------------------------------- */

static val from_float(em *e, val v, ir_dtype to)
{
	LLVMTypeRef t[2] = {em_vector(e, em_scalar(e, to)), LLVMTypeOf(v)};

	if (to == IR_F32)
		return LLVMBuildFPTrunc(e->b, v, t[0], "");
	if (to == IR_F64)
		return LLVMBuildFPExt(e->b, v, t[0], "");
	if (to == IR_BOOL)
		return LLVMBuildFCmp(e->b, LLVMRealUNE, v, LLVMConstNull(t[1]), "");
	return em_call(e, to == IR_I32 ? "llvm.fptosi.sat" : "llvm.fptoui.sat", t, 2, &v, 1);
}

val em_convert(em *e, val v, ir_dtype from, ir_dtype to)
{
	LLVMTypeRef t = em_vector(e, em_scalar(e, to));

	if (from == to)
		return v;
	if (ir_dtype_is_float(from))
		return from_float(e, v, to);
	if (to == IR_BOOL)
		return LLVMBuildICmp(e->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
	if (ir_dtype_is_float(to))
		return is_signed(from) ? LLVMBuildSIToFP(e->b, v, t, "") : LLVMBuildUIToFP(e->b, v, t, "");
	if (from == IR_I32) { /* to u8 */
		v = em_call2(e, "llvm.smax", v, LLVMConstNull(LLVMTypeOf(v)));
		v = em_call2(e, "llvm.smin", v, em_bits(e, 255, LLVMTypeOf(v)));
		return LLVMBuildTrunc(e->b, v, t, "");
	}
	return LLVMBuildZExt(e->b, v, t, "");
}
