/* SPDX-License-Identifier: Apache-2.0
 * compiler/cost.c -- what a bound function costs, known before it runs: FLOPs by the flops column of ops.def. */
#include "compiler/cc_int.h"

static int64_t ins_flops(const ir_func *f, const ir_ins *in)
{
	const ir_opinfo *info = ir_op_info(in->op);
	int64_t count = ir_type_count(&in->type);

	switch (info->lower) {
	case IR_LOWER_matmul: {
		const ir_type *a = &f->ins[in->arg[0]].type;

		return 2 * count * a->dim[ir_attr_int(in, IR_ATTR_ta) ? 0 : 1];
	}
	case IR_LOWER_reduce:
	case IR_LOWER_panel:
	case IR_LOWER_call:
		return info->flops * (in->op == IR_uniform || in->op == IR_normal
					      ? count : ir_type_count(&f->ins[in->arg[0]].type));
	case IR_LOWER_ew:
		return info->flops * count;
	case IR_LOWER_leaf:
	case IR_LOWER_view:
	case IR_LOWER_copy:
		return 0;
	}
	return 0;
}

/* Shape rules bound a value, not the sum of all: no machine will run that, but whoever asks gets an answer. */
static void add(int64_t *sum, int64_t n)
{
	if (__builtin_add_overflow(*sum, n, sum))
		*sum = INT64_MAX;
}

cc_cost cc_func_cost(const ir_func *f)
{
	cc_cost c = {0};

	for (size_t i = 0; i < f->n; i++) {
		const ir_ins *in = &f->ins[i];
		int64_t flops = ins_flops(f, in);

		add(&c.flops, flops);
		if (in->op == IR_matmul)
			add(&c.matmul_flops, flops);
		if (in->op == IR_param)
			add(&c.params, ir_type_count(&in->type));
		if (ir_is_leaf(f, (ir_ref)i) || in->op == IR_constant)
			continue;
		add(&c.bytes, (int64_t)ir_type_bytes(&in->type));
		for (size_t k = 0; k < in->narg; k++)
			add(&c.bytes, (int64_t)ir_type_bytes(&f->ins[in->arg[k]].type));
	}
	return c;
}
