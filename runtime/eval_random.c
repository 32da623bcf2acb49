/* SPDX-License-Identifier: Apache-2.0
 * runtime/eval_random.c -- ops on keys: thin calls of rng.c, which compiled programs call too. */
#include <string.h>
#include "runtime/eval.h"

static rt_key read_key(const rt_tensor *t)
{
	rt_key k;

	memcpy(&k, t->data, sizeof k);
	return k;
}

void eval_split(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	rt_key k = rt_key_split(read_key(arg[0]), (uint64_t)ir_attr_int(in, IR_ATTR_index));

	memcpy(out->data, &k, sizeof k);
}

void eval_uniform(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	(void)in;
	rt_fill_uniform(read_key(arg[0]), out->type.dtype, out->data, 0, ir_type_count(&out->type));
}

void eval_normal(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	(void)in;
	rt_fill_normal(read_key(arg[0]), out->type.dtype, out->data, 0, ir_type_count(&out->type));
}
