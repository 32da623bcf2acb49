/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_peak.c -- the kernel that measures how many multiply-adds a core can do. */
#include "compiler/llvm/emit.h"

/* args[0] rounds of t->chains independent multiply-adds on whole vectors; their sum goes to buf[0][0], so that nobody can
 * leave them out. */
void em_peak_kernel(em *e)
{
	int chains = e->t->chains;
	val x, y, v[EM_CARRY], sum, to;
	em_loop l;

	e->lanes = e->t->vector_bytes / 4;
	x = em_splat(e, LLVMBuildLoad2(e->b, e->f32, em_load_ptr(e, em_param(e, 0), 0), ""));
	y = em_float(e, 0.5, LLVMTypeOf(x));
	for (int i = 0; i < chains; i++)
		v[i] = em_float(e, i, LLVMTypeOf(x));
	em_loop_begin(e, &l, em_int(e, 0), em_load_arg(e, em_param(e, 1), 0), 1, v, chains);
	for (int i = 0; i < chains; i++)
		v[i] = em_fma(e, l.v[i], y, x);
	em_loop_end(e, &l, v);
	sum = l.out[0];
	for (int i = 1; i < chains; i++)
		sum = LLVMBuildFAdd(e->b, sum, l.out[i], "");
	to = em_load_ptr(e, em_param(e, 0), 0);
	LLVMBuildStore(e->b, LLVMBuildExtractElement(e->b, sum, em_int(e, 0), ""), to);
	LLVMBuildRetVoid(e->b);
}
