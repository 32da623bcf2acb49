/* SPDX-License-Identifier: Apache-2.0
 * compiler/memory.c -- the arena: every value that is neither leaf nor result, and every leaf in panels, gets an offset such
 * that values alive in the same level do not overlap. Largest first, lowest free offset: the greedy-by-size rule of Pisarchyk and Lee 2020. */
#include <stdlib.h>
#include "compiler/plan.h"

typedef struct life {
	ir_ref ref;
	size_t bytes, offset;
	int first, last; /* levels */
} life;

static size_t bytes_of(const cc_plan *p, ir_ref r)
{
	const ir_type *t = &p->f->ins[r].type;

	if (!p->panel[r])
		return ir_type_bytes(t);
	return (size_t)(t->dim[0] * ((t->dim[1] + RT_PANEL - 1) / RT_PANEL) * RT_PANEL) * ir_dtype_size(t->dtype);
}

static int by_size(const void *a, const void *b)
{
	const life *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->ref < y->ref ? -1 : 1;
}

static int by_offset(const void *a, const void *b)
{
	const life *x = *(const life *const *)a, *y = *(const life *const *)b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static size_t lowest_gap(const life *v, size_t n, const life *mine, const life **scratch)
{
	size_t m = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		if (v[i].first <= mine->last && mine->first <= v[i].last)
			scratch[m++] = &v[i];
	qsort(scratch, m, sizeof *scratch, by_offset);
	for (size_t i = 0; i < m; i++) {
		if (scratch[i]->offset >= at + mine->bytes)
			break;
		if (scratch[i]->offset + scratch[i]->bytes > at)
			at = scratch[i]->offset + scratch[i]->bytes;
	}
	return at;
}

/* First and last level in which each value is written or read. */
static void find_lives(const cc_plan *p, int *first, int *last)
{
	for (size_t i = 0; i < p->f->n; i++)
		first[i] = p->levels, last[i] = -1;
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->launch[i].noperand; k++) {
			ir_ref r = p->launch[i].operand[k].base;
			int level = p->launch[i].level;

			if (r == IR_NO_REF)
				continue;
			first[r] = level < first[r] ? level : first[r];
			last[r] = level > last[r] ? level : last[r];
		}
}

void cc_plan_memory(cc_plan *p)
{
	size_t n = p->f->n ? p->f->n : 1, count = 0;
	life *v = ar_new(p->a, life, n);
	const life **scratch = ar_new(p->a, const life *, n);
	int *first = ar_new(p->a, int, n), *last = ar_new(p->a, int, n);

	find_lives(p, first, last);
	for (size_t i = 0; i < p->f->n; i++) /* a leaf in panels lives from run to run.. */
		if (p->panel[i] && ir_is_leaf(p->f, (ir_ref)i))
			last[i] = p->levels, first[i] = 0;
	for (size_t i = 0; i < p->f->nout; i++) /* ..and its update is the same memory */
		if (p->f->out[i].state != IR_NO_REF && p->panel[p->f->out[i].ref])
			last[p->f->out[i].ref] = -1;
	for (size_t i = 0; i < p->f->n; i++)
		if (p->place[i].kind == RT_SLOT_ARENA && last[i] >= 0)
			v[count++] = (life){(ir_ref)i, rt_padded(bytes_of(p, (ir_ref)i)), 0, first[i], last[i]};
	qsort(v, count, sizeof *v, by_size);
	for (size_t i = 0; i < count; i++) {
		v[i].offset = lowest_gap(v, i, &v[i], scratch);
		p->place[v[i].ref].offset = v[i].offset;
		if (v[i].offset + v[i].bytes > p->arena_bytes)
			p->arena_bytes = v[i].offset + v[i].bytes;
	}
	for (size_t i = 0; i < p->f->nout; i++)
		if (p->f->out[i].state != IR_NO_REF && p->panel[p->f->out[i].ref])
			p->place[p->f->out[i].ref] = p->place[p->f->out[i].state];
}
