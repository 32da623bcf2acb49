/* SPDX-License-Identifier: Apache-2.0
 * compiler/pass/cse.c -- equal operations on equal operands are computed once. Leaves are distinct by nature; random
 * ops are left alone, so that the number of draws in the text is the number of draws in the program. */
#include <string.h>
#include "compiler/cc_int.h"

typedef struct table {
	ir_ref *slot; /* open addressing over dst references */
	size_t size;  /* a power of two, at least twice the instructions */
} table;

static bool same_attr(const ir_attr *a, const ir_attr *b)
{
	return a->i == b->i && !memcmp(&a->f, &b->f, sizeof a->f) && ir_type_equal(&a->v, &b->v);
}

static bool same(const ir_ins *a, const ir_ins *b)
{
	if (a->op != b->op || a->narg != b->narg || !ir_type_equal(&a->type, &b->type) ||
	    (a->narg && memcmp(a->arg, b->arg, a->narg * sizeof *a->arg)))
		return false;
	for (int k = 0; k < ir_op_info(a->op)->nattr; k++)
		if (!same_attr(&a->attr[k], &b->attr[k]))
			return false;
	return true;
}

static size_t mix(size_t h, uint64_t v)
{
	return (h ^ v) * 0x9e3779b97f4a7c15u ^ (h >> 29);
}

/* Attributes are left to same(): operands and shape already tell nearly all apart. */
static size_t hash_of(const ir_ins *in)
{
	size_t h = mix(0, (uint64_t)in->op << 8 | (uint64_t)in->type.dtype);
	double v = in->op == IR_constant ? ir_attr_get(in, IR_ATTR_value)->f : 0;
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	h = mix(h, bits);
	for (int k = 0; k < in->type.rank; k++)
		h = mix(h, (uint64_t)in->type.dim[k]);
	for (size_t k = 0; k < in->narg; k++)
		h = mix(h, in->arg[k]);
	return h;
}

static ir_ref rewrite(void *ctx, ir_func *dst, const ir_func *src, ir_ref i, const ir_ref *map)
{
	table *t = ctx;
	ir_ref *m = (ir_ref *)map, r;
	size_t at;

	if (ir_is_leaf(src, i) || ir_op_is_random(src->ins[i].op))
		return IR_NO_REF;
	r = ir_copy_ins(dst, src, i, m);
	at = hash_of(&dst->ins[r]) & (t->size - 1);
	for (; t->slot[at] != IR_NO_REF; at = (at + 1) & (t->size - 1))
		if (same(&dst->ins[t->slot[at]], &dst->ins[r]))
			return t->slot[at]; /* the copy is dead; dce drops it */
	return t->slot[at] = r;
}

ir_func *cc_pass_cse(const ir_func *f, ir_arena *a, ir_diag *d)
{
	table t = {.size = 64};
	ir_func *g;

	while (t.size < 2 * f->n)
		t.size *= 2;
	t.slot = ar_new(a, ir_ref, t.size);
	memset(t.slot, 0xff, t.size * sizeof *t.slot);
	g = cc_rewrite(f, a, rewrite, &t);
	return cc_pass_dce(g, a, d);
}
