/* SPDX-License-Identifier: Apache-2.0
 * compiler/pass/dce.c -- drops what no output or update needs. Inputs stay: they are the function's signature. */
#include "compiler/cc_int.h"

ir_func *cc_pass_dce(const ir_func *f, ir_arena *a, ir_diag *d)
{
	bool *live = ar_new(a, bool, f->n ? f->n : 1);
	ir_func *g = ir_func_new(a, f->name);
	ir_ref *map = ar_new(a, ir_ref, f->n ? f->n : 1);

	(void)d; /* cannot fail */
	for (size_t i = 0; i < f->nout; i++) {
		live[f->out[i].ref] = true;
		if (f->out[i].state != IR_NO_REF)
			live[f->out[i].state] = true;
	}
	for (size_t i = f->n; i-- > 0;) {
		live[i] |= f->ins[i].op == IR_input;
		for (size_t k = 0; live[i] && k < f->ins[i].narg; k++)
			live[f->ins[i].arg[k]] = true; /* arg < i: one sweep is enough */
	}
	for (size_t i = 0; i < f->n; i++)
		if (live[i])
			ir_copy_ins(g, f, (ir_ref)i, map);
	cc_copy_outputs(g, f, f->nout, map);
	return g;
}
