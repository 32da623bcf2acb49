/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit.c -- the small vocabulary in which kernels are written. */
#include <string.h>
#include "compiler/llvm/emit.h"

LLVMTypeRef em_scalar(em *e, ir_dtype t)
{
	return t == IR_BOOL ? e->i1 : em_memory(e, t);
}

LLVMTypeRef em_memory(em *e, ir_dtype t)
{
	switch (t) {
	case IR_F32:
		return e->f32;
	case IR_F64:
		return e->f64;
	case IR_I32:
		return e->i32;
	case IR_U8:
	case IR_BOOL:
		return e->i8;
	case IR_DTYPE_COUNT:
		break;
	}
	ir_bug("no such element type");
}

LLVMTypeRef em_vector(em *e, LLVMTypeRef t)
{
	return e->lanes == 1 ? t : LLVMVectorType(t, (unsigned)e->lanes);
}

val em_int(em *e, int64_t v)
{
	return LLVMConstInt(e->i64, (unsigned long long)v, 1);
}

static val splat_constant(em *e, val scalar)
{
	val v[64];

	for (int i = 0; i < e->lanes; i++)
		v[i] = scalar;
	return LLVMConstVector(v, (unsigned)e->lanes);
}

val em_float(em *e, double v, LLVMTypeRef t)
{
	if (LLVMGetTypeKind(t) == LLVMVectorTypeKind)
		return splat_constant(e, LLVMConstReal(LLVMGetElementType(t), v));
	return LLVMConstReal(t, v);
}

val em_bits(em *e, int64_t v, LLVMTypeRef t)
{
	if (LLVMGetTypeKind(t) == LLVMVectorTypeKind)
		return splat_constant(e, LLVMConstInt(LLVMGetElementType(t), (unsigned long long)v, 1));
	return LLVMConstInt(t, (unsigned long long)v, 1);
}

val em_splat(em *e, val scalar)
{
	LLVMTypeRef t = em_vector(e, LLVMTypeOf(scalar));
	val v;

	if (e->lanes == 1)
		return scalar;
	v = LLVMBuildInsertElement(e->b, LLVMGetPoison(t), scalar, em_int(e, 0), "");
	return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(t),
				      LLVMConstNull(LLVMVectorType(e->i32, (unsigned)e->lanes)), "");
}

val em_lanes(em *e, val v, int from, int n)
{
	val lane[64];

	for (int i = 0; i < n; i++)
		lane[i] = LLVMConstInt(e->i32, (unsigned)(from + i), 0);
	return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(lane, (unsigned)n), "");
}

val em_iota(em *e, LLVMTypeRef t)
{
	val v[64];

	for (int i = 0; i < e->lanes; i++)
		v[i] = LLVMConstInt(t, (unsigned long long)i, 0);
	return e->lanes == 1 ? v[0] : LLVMConstVector(v, (unsigned)e->lanes);
}

val em_call(em *e, const char *intrinsic, LLVMTypeRef *overload, unsigned noverload, val *arg, unsigned narg)
{
	unsigned id = LLVMLookupIntrinsicID(intrinsic, strlen(intrinsic));
	val f = LLVMGetIntrinsicDeclaration(e->m, id, overload, noverload);

	return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f, arg, narg, "");
}

val em_call1(em *e, const char *intrinsic, val a)
{
	LLVMTypeRef t = LLVMTypeOf(a);

	return em_call(e, intrinsic, &t, 1, &a, 1);
}

val em_call2(em *e, const char *intrinsic, val a, val b)
{
	LLVMTypeRef t = LLVMTypeOf(a);

	return em_call(e, intrinsic, &t, 1, (val[]){a, b}, 2);
}

val em_fma(em *e, val a, val b, val c)
{
	LLVMTypeRef t = LLVMTypeOf(a);

	if (!e->t->fma) /* llvm.fma would call libm, lane by lane */
		return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, a, b, ""), c, "");
	return em_call(e, "llvm.fma", &t, 1, (val[]){a, b, c}, 3);
}

val em_element(em *e, LLVMTypeRef t, val base, val index)
{
	return LLVMBuildGEP2(e->b, t, base, &index, 1, "");
}

static val load_word(em *e, LLVMTypeRef t, val base, int i)
{
	return LLVMBuildLoad2(e->b, t, em_element(e, t, base, em_int(e, i)), "");
}

val em_load_arg(em *e, val args, int i)
{
	return load_word(e, e->i64, args, i);
}

val em_load_ptr(em *e, val bufs, int i)
{
	return load_word(e, e->ptr, bufs, i);
}

/* ---- control ------------------------------------------------------------------------------------------------ */

static LLVMBasicBlockRef block(em *e)
{
	return LLVMAppendBasicBlockInContext(e->c, e->fn, "");
}

void em_loop_begin(em *e, em_loop *l, val lo, val hi, int64_t step, const val *init, int n)
{
	l->pre = LLVMGetInsertBlock(e->b);
	l->body = block(e), l->exit = block(e);
	l->lo = lo, l->hi = hi, l->step = step, l->n = n;
	LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, lo, hi, ""), l->body, l->exit);
	LLVMPositionBuilderAtEnd(e->b, l->body);
	l->i = LLVMBuildPhi(e->b, e->i64, "");
	for (int k = 0; k < n; k++) {
		l->init[k] = init[k];
		l->v[k] = LLVMBuildPhi(e->b, LLVMTypeOf(init[k]), "");
	}
}

static val join(em *e, val from_pre, LLVMBasicBlockRef pre, val from_latch, LLVMBasicBlockRef latch)
{
	val phi = LLVMBuildPhi(e->b, LLVMTypeOf(from_pre), "");

	LLVMAddIncoming(phi, (val[]){from_pre, from_latch}, (LLVMBasicBlockRef[]){pre, latch}, 2);
	return phi;
}

void em_loop_end(em *e, em_loop *l, const val *next)
{
	LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b), from[2] = {l->pre, latch};
	val i = LLVMBuildAdd(e->b, l->i, em_int(e, l->step), "");

	LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, i, l->hi, ""), l->body, l->exit);
	LLVMAddIncoming(l->i, (val[]){l->lo, i}, from, 2);
	for (int k = 0; k < l->n; k++)
		LLVMAddIncoming(l->v[k], (val[]){l->init[k], next[k]}, from, 2);
	LLVMPositionBuilderAtEnd(e->b, l->exit);
	l->i_out = join(e, l->lo, l->pre, i, latch);
	for (int k = 0; k < l->n; k++)
		l->out[k] = join(e, l->init[k], l->pre, next[k], latch);
}

void em_if_begin(em *e, em_if *f, val cond)
{
	f->then = block(e), f->exit = block(e);
	LLVMBuildCondBr(e->b, cond, f->then, f->exit);
	LLVMPositionBuilderAtEnd(e->b, f->then);
}

void em_if_end(em *e, em_if *f)
{
	LLVMBuildBr(e->b, f->exit);
	LLVMPositionBuilderAtEnd(e->b, f->exit);
}

/* ---- functions ---------------------------------------------------------------------------------------------- */

void em_begin(em *e, LLVMContextRef c, const cc_target *t, const char *name)
{
	LLVMTypeRef arg[6];

	*e = (em){.c = c, .t = t, .lanes = t->vector_bytes / 4};
	e->m = LLVMModuleCreateWithNameInContext(name, c);
	e->b = LLVMCreateBuilderInContext(c);
	e->i1 = LLVMInt1TypeInContext(c), e->i8 = LLVMInt8TypeInContext(c);
	e->i32 = LLVMInt32TypeInContext(c), e->i64 = LLVMInt64TypeInContext(c);
	e->f32 = LLVMFloatTypeInContext(c), e->f64 = LLVMDoubleTypeInContext(c);
	e->ptr = LLVMPointerTypeInContext(c, 0);
	for (int i = 0; i < 6; i++)
		arg[i] = i < 2 ? e->ptr : e->i64;
	e->fn = LLVMAddFunction(e->m, name, LLVMFunctionType(LLVMVoidTypeInContext(c), arg, 6, 0));
	LLVMPositionBuilderAtEnd(e->b, block(e));
}

val em_param(em *e, int i)
{
	return LLVMGetParam(e->fn, (unsigned)i);
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

val em_mask(em *e, val n)
{
	val n32 = LLVMBuildTrunc(e->b, n, e->i32, "");

	if (e->lanes == 1)
		return LLVMBuildICmp(e->b, LLVMIntSGT, n32, LLVMConstInt(e->i32, 0, 0), "");
	return LLVMBuildICmp(e->b, LLVMIntSLT, em_iota(e, e->i32), em_splat(e, n32), "");
}

val em_load(em *e, LLVMTypeRef scalar, val at, val mask)
{
	LLVMTypeRef t = em_vector(e, scalar);
	unsigned align = scalar == e->f64 ? 8 : scalar == e->i8 ? 1 : 4;
	val v;

	if (mask && e->lanes > 1)
		return em_call(e, "llvm.masked.load", (LLVMTypeRef[]){t, e->ptr}, 2,
			       (val[]){at, LLVMConstInt(e->i32, align, 0), mask, LLVMConstNull(t)}, 4);
	v = LLVMBuildLoad2(e->b, t, at, "");
	LLVMSetAlignment(v, align);
	return v;
}

void em_store(em *e, val v, LLVMTypeRef scalar, val at, val mask)
{
	LLVMTypeRef t = em_vector(e, scalar);
	unsigned align = scalar == e->f64 ? 8 : scalar == e->i8 ? 1 : 4;

	if (mask && e->lanes > 1)
		em_call(e, "llvm.masked.store", (LLVMTypeRef[]){t, e->ptr}, 2,
			(val[]){v, at, LLVMConstInt(e->i32, align, 0), mask}, 4);
	else
		LLVMSetAlignment(LLVMBuildStore(e->b, v, at), align);
}
