/* SPDX-License-Identifier: Apache-2.0
 * runtime/walk.c -- how the interpreter steps through tensors: strides, broadcasting, integer elements. */
#include <string.h>
#include "runtime/eval.h"

void rt_strides(const ir_type *t, int64_t *stride)
{
	int64_t s = 1;

	for (int i = t->rank; i-- > 0;) {
		stride[i] = s;
		s *= t->dim[i];
	}
}

void rt_walk_init(rt_walk *w, int rank, const int64_t *dim)
{
	memset(w, 0, sizeof *w);
	w->rank = rank;
	w->count = 1;
	for (int i = 0; i < rank; i++) {
		w->dim[i] = dim[i];
		w->count *= dim[i];
	}
}

int rt_walk_add(rt_walk *w, const int64_t *stride, int64_t at)
{
	IR_ASSERT(w->n < RT_WALK_MAX, "too many operands in a walk");
	for (int i = 0; i < w->rank; i++)
		w->stride[w->n][i] = stride[i];
	w->at[w->n] = at;
	return w->n++;
}

int rt_walk_add_broadcast(rt_walk *w, const ir_type *t)
{
	int64_t own[IR_MAX_RANK], stride[IR_MAX_RANK] = {0};
	int lead = w->rank - t->rank;

	rt_strides(t, own);
	for (int i = 0; i < t->rank; i++)
		stride[lead + i] = t->dim[i] == 1 ? 0 : own[i];
	return rt_walk_add(w, stride, 0);
}

void rt_walk_next(rt_walk *w)
{
	for (int i = w->rank; i-- > 0;) {
		bool wraps = ++w->idx[i] == w->dim[i];

		for (int k = 0; k < w->n; k++)
			w->at[k] += wraps ? -(w->dim[i] - 1) * w->stride[k][i] : w->stride[k][i];
		if (!wraps)
			return;
		w->idx[i] = 0;
	}
}

int64_t rt_load_int(ir_dtype t, const void *data, int64_t i)
{
	return t == IR_I32 ? ((const int32_t *)data)[i] : ((const uint8_t *)data)[i];
}

void rt_store_int(ir_dtype t, void *data, int64_t i, int64_t v)
{
	if (t == IR_I32)
		((int32_t *)data)[i] = (int32_t)(uint32_t)(uint64_t)v;
	else
		rt_store(t, data, i, (double)v);
}
