/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit.h -- shared by the files that write LLVM IR. The IR is emitted in its final vector form, so no
 * optimisation pipeline runs: only code generation. Inside compiler/llvm only. */
#ifndef COMPILER_LLVM_EMIT_H
#define COMPILER_LLVM_EMIT_H

#include <llvm-c/Core.h>
#include "compiler/kernel.h"

/* How products of bf16 operands are computed; the same bits in each, see Note [bf16] in target.c. */
typedef enum cc_bf16 {
	CC_BF16_FMA,  /* operands rounded, as f32 */
	CC_BF16_DOT,  /* VDPBF16PS, two k a word */
	CC_BF16_TILES /* TDPBF16PS, AMX's tiles */
} cc_bf16;

/* What code is made for. One row per level in target.c. */
typedef struct cc_target {
	const char *level; /* "avx512", "avx2", "sse2" */
	int vector_bytes;
	int tile_rows, tile_vectors; /* register tile of matmul */
	int chains; /* of the peak kernel: more than latency times units, and fit into the registers beside two operands */
	bool fma;
	cc_bf16 bf16;
	bool root_steps; /* f32: whole vectors of square roots by Newton steps, beside quotients in the divider: Note [Square root] */
} cc_target;

/* One kernel being written. */
typedef struct em {
	LLVMContextRef c;
	LLVMModuleRef m;
	LLVMBuilderRef b;
	LLVMValueRef fn;
	const cc_target *t;
	int lanes; /* of the vectors in this kernel; 1 = scalars */
	LLVMTypeRef i1, i8, i32, i64, f32, f64, ptr;
} em;

typedef LLVMValueRef val;

/* ---- words (emit.c) ------------------------------------------------------------------------------------- */

LLVMTypeRef em_scalar(em *e, ir_dtype t);  /* in registers: bool is i1 */
LLVMTypeRef em_memory(em *e, ir_dtype t);  /* in memory: bool is i8 */
LLVMTypeRef em_vector(em *e, LLVMTypeRef t); /* lanes of t, or t itself for one lane */
val em_int(em *e, int64_t v);              /* i64 */
val em_splat(em *e, val scalar);
val em_float(em *e, double v, LLVMTypeRef vec); /* constant of a scalar or vector float type */
val em_bits(em *e, int64_t v, LLVMTypeRef vec); /* the same for integer types */
val em_call(em *e, const char *intrinsic, LLVMTypeRef *overload, unsigned noverload, val *arg, unsigned narg);
val em_call1(em *e, const char *intrinsic, val a); /* overloaded on a's type */
val em_call2(em *e, const char *intrinsic, val a, val b);
val em_fma(em *e, val a, val b, val c); /* a b + c: fused where the target has it, two roundings elsewhere */
val em_element(em *e, LLVMTypeRef t, val base, val index); /* address of base[index] */
val em_load_arg(em *e, val args, int i);   /* args[i], i64 */
val em_load_ptr(em *e, val bufs, int i);   /* bufs[i] */
val em_lanes(em *e, val v, int from, int n); /* lanes [from, from + n) of v, as a vector of n */
val em_iota(em *e, LLVMTypeRef t);         /* <0, 1, 2, ..> of integer type t */

#define LINE 64 /* bytes of a cache line */

/* A counting loop, tested at the bottom behind a guard, with carried values. step > 0. */
#define EM_CARRY 32
typedef struct em_loop {
	LLVMBasicBlockRef pre, body, exit;
	val hi, i, v[EM_CARRY];      /* inside: the counter and carried values */
	val i_out, out[EM_CARRY];    /* behind: their last values (lo and init if the loop did not run) */
	val lo, init[EM_CARRY];
	int64_t step;
	int n;
} em_loop;
void em_loop_begin(em *e, em_loop *l, val lo, val hi, int64_t step, const val *init, int n);
void em_loop_end(em *e, em_loop *l, const val *next);

typedef struct em_if {
	LLVMBasicBlockRef then, exit;
} em_if;
void em_if_begin(em *e, em_if *f, val cond);
void em_if_end(em *e, em_if *f);

/* Starts void name(bufs, args, r0, r1, c0, c1) in a new module; param(e, i) are its six arguments. */
void em_begin(em *e, LLVMContextRef c, const cc_target *t, const char *name);
val em_param(em *e, int i);

/* Lanes [0, n) of a vector: n is i64. */
val em_mask(em *e, val n);
val em_load(em *e, LLVMTypeRef scalar, val at, val mask);       /* mask NULL = whole vector; else zero outside */
void em_store(em *e, val v, LLVMTypeRef scalar, val at, val mask);

/* ---- element-wise ops (emit_ew.c), one function per row of ops.def of class ew ------------------------------ */

typedef val em_rule(em *e, const cc_node *n, const cc_node *nodes, val *arg);
val em_op(em *e, const cc_node *n, const cc_node *nodes, val *arg);
val em_convert(em *e, val v, ir_dtype from, ir_dtype to); /* what the op cast does */

/* ---- functions of a float (emit_math.c); f32 in vectors, f64 by libm ---------------------------------------- */

val em_sqrt(em *e, val x); /* correctly rounded */
val em_exp(em *e, val x);
val em_log(em *e, val x);
val em_tanh(em *e, val x);
val em_sigmoid(em *e, val x);
val em_erf(em *e, val x);

/* ---- kernels: each fills the module begun by em_begin ------------------------------------------------------- */

void em_expr_kernel(em *e, const cc_kernel *k);      /* map and both reductions */
void em_matmul_kernel(em *e, const cc_kernel *k);
void em_transpose_kernel(em *e, const cc_kernel *k);
void em_peak_kernel(em *e);

/* Turns lanes vectors, the rows of a square, into its columns. */
void em_transpose_registers(em *e, val *v);

#endif
