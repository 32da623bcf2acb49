/* SPDX-License-Identifier: Apache-2.0
 * The bottleneck proof: mark what the input reaches without passing the latent; if the reconstruction is among
 * it, training can ignore the code (x + decode(encode(x)) learns decode = 0). No op of this IR reads only the
 * shape of an operand, so every edge carries data. */
#include "ir/ir.h"

#include <string.h>

/* Random keys are inputs, but say nothing about the data. */
static bool is_key(const ir_ins *in)
{
	return in->name && strcmp(in->name, "key") == 0 && in->type.dtype == IR_I32 && in->type.rank == 1 &&
	       in->type.dim[0] == 2;
}

/* came[r] = the operand by which the input reached r (r itself for an input), IR_NO_REF if it did not. */
static void flood(const ir_func *f, ir_ref latent, ir_ref last, ir_ref *came)
{
	for (ir_ref r = 0; r <= last; r++) {
		const ir_ins *in = &f->ins[r];

		came[r] = IR_NO_REF;
		if (r == latent)
			continue;
		if (in->op == IR_input && !is_key(in))
			came[r] = r;
		for (uint32_t k = 0; k < in->narg && came[r] == IR_NO_REF; k++)
			if (came[in->arg[k]] != IR_NO_REF)
				came[r] = in->arg[k];
	}
}

bool ir_find_bypass(const ir_func *f, ir_arena *a, ir_ref **path, size_t *npath)
{
	const ir_output *end = ir_find_output(f, IR_OUT_RECONSTRUCTION);
	const ir_output *latent = ir_find_output(f, IR_OUT_LATENT);
	ir_ref *came, r;
	size_t n = 1;

	if (!end || !latent)
		return false;
	came = ar_new(a, ir_ref, (size_t)end->ref + 1);
	flood(f, latent->ref, end->ref, came);
	if (came[end->ref] == IR_NO_REF)
		return false;
	for (r = end->ref; came[r] != r; r = came[r])
		n++;
	*npath = n;
	*path = ar_new(a, ir_ref, n);
	for (r = end->ref; n > 0; r = came[r])
		(*path)[--n] = r;
	return true;
}
