/* SPDX-License-Identifier: Apache-2.0
 * compiler/precision.c -- the number formats a model can be computed in. To add one: its constant in cc.h, a row here. */
#include <string.h>
#include "compiler/cc.h"

static ir_func *as_it_is(const ir_func *f, ir_arena *a, ir_diag *d)
{
	(void)a, (void)d;
	return (ir_func *)f;
}

static ir_func *in_double(const ir_func *f, ir_arena *a, ir_diag *d)
{
	(void)d;
	return ir_widen(f, a);
}

static const struct {
	const char *name;
	ir_func *(*apply)(const ir_func *f, ir_arena *a, ir_diag *d);
} precisions[CC_PRECISION_COUNT] = {
	[CC_PRECISION_F32] = {"f32", as_it_is},
	[CC_PRECISION_F64] = {"f64", in_double},
	[CC_PRECISION_BF16] = {"bf16", ir_round_products},
};

bool cc_precision_find(const char *name, cc_precision *out)
{
	for (int i = 0; i < CC_PRECISION_COUNT; i++)
		if (!strcmp(name, precisions[i].name))
			return *out = (cc_precision)i, true;
	return false;
}

const char *cc_precision_name(cc_precision p)
{
	return precisions[p].name;
}

ir_func *cc_in_precision(const ir_func *f, cc_precision p, ir_arena *a, ir_diag *d)
{
	return precisions[p].apply(f, a, d);
}
