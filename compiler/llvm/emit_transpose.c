/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_transpose.c -- blocks of a matrix turned over in registers: for the copies that views need, and for
 * second operands of matmul that are stored the other way round. */
#include "compiler/llvm/emit.h"

/* For every distance d = 1, 2, 4, ..: swap the off-diagonal quarters of each 2d x 2d block. */
void em_transpose_registers(em *e, val *v)
{
	val mask[2][64];

	for (int d = 1; d < e->lanes; d *= 2) {
		for (int j = 0; j < e->lanes; j++) {
			mask[0][j] = LLVMConstInt(e->i32, (unsigned)(j & d ? e->lanes + j - d : j), 0);
			mask[1][j] = LLVMConstInt(e->i32, (unsigned)(j & d ? e->lanes + j : j + d), 0);
		}
		for (int i = 0; i < e->lanes; i++) {
			val a = v[i], b;

			if (i & d)
				continue;
			b = v[i + d];
			v[i] = LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(mask[0], (unsigned)e->lanes), "");
			v[i + d] = LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(mask[1], (unsigned)e->lanes), "");
		}
	}
}

typedef struct transpose {
	em *e;
	LLVMTypeRef s;
	val in, out, ldi, ldo;
} transpose;

static val at(const transpose *t, val base, val i, val ld, val j)
{
	em *e = t->e;

	return em_element(e, t->s, base, LLVMBuildAdd(e->b, LLVMBuildMul(e->b, i, ld, ""), j, ""));
}

static void block(const transpose *t, val r, val c)
{
	em *e = t->e;
	val v[64];

	for (int i = 0; i < e->lanes; i++)
		v[i] = em_load(e, t->s, at(t, t->in, LLVMBuildAdd(e->b, c, em_int(e, i), ""), t->ldi, r), NULL);
	em_transpose_registers(e, v);
	for (int i = 0; i < e->lanes; i++)
		em_store(e, v[i], t->s, at(t, t->out, LLVMBuildAdd(e->b, r, em_int(e, i), ""), t->ldo, c), NULL);
}

/* Element by element, for the edges. */
static void scalars(const transpose *t, val r0, val r1, val c0, val c1)
{
	em *e = t->e;
	em_loop r, c;
	val from, to;

	em_loop_begin(e, &r, r0, r1, 1, NULL, 0);
	em_loop_begin(e, &c, c0, c1, 1, NULL, 0);
	to = at(t, t->out, r.i, t->ldo, c.i);
	from = at(t, t->in, c.i, t->ldi, r.i);
	LLVMBuildStore(e->b, LLVMBuildLoad2(e->b, t->s, from, ""), to);
	em_loop_end(e, &c, NULL);
	em_loop_end(e, &r, NULL);
}

void em_transpose_kernel(em *e, const cc_kernel *k)
{
	transpose t = {.e = e, .s = em_scalar(e, k->dtype)};
	val c0 = em_param(e, 4), c1 = em_param(e, 5);
	em_loop r, c;

	e->lanes = e->t->vector_bytes / (int)ir_dtype_size(k->dtype);
	t.in = em_load_ptr(e, em_param(e, 0), 0), t.out = em_load_ptr(e, em_param(e, 0), 1);
	t.ldi = em_load_arg(e, em_param(e, 1), 0), t.ldo = em_load_arg(e, em_param(e, 1), 1);
	em_loop_begin(e, &r, em_param(e, 2), LLVMBuildSub(e->b, em_param(e, 3), em_int(e, e->lanes - 1), ""), e->lanes, NULL, 0);
	em_loop_begin(e, &c, c0, LLVMBuildSub(e->b, c1, em_int(e, e->lanes - 1), ""), e->lanes, NULL, 0);
	block(&t, r.i, c.i);
	em_loop_end(e, &c, NULL);
	scalars(&t, r.i, LLVMBuildAdd(e->b, r.i, em_int(e, e->lanes), ""), c.i_out, c1);
	em_loop_end(e, &r, NULL);
	scalars(&t, r.i_out, em_param(e, 3), c0, c1);
	LLVMBuildRetVoid(e->b);
}
