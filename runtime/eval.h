/* SPDX-License-Identifier: Apache-2.0
 * runtime/eval.h -- shared inside runtime/: the rule of every op, and the walk over elements that most rules are.
 * A rule computes one instruction with plain loops: sums in double, results rounded once to the element type. It
 * allocates nothing. out is allocated, of type in->type, and never aliases an operand. */
#ifndef RUNTIME_EVAL_H
#define RUNTIME_EVAL_H

#include "runtime/rt.h"

typedef void rt_eval_fn(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out);

#define OP(name, args, attrs, shape, grad, lower, flops, doc) rt_eval_fn eval_##name; /* leaves: never defined */
#include "ir/ops.def"
#undef OP

#define RT_WALK_MAX 3 /* operands of one walk */

/* Visits the points of a box in row-major order. at[k] is the element of operand k at the present point: its start
 * plus sum of idx * stride. After the last point the walk is at the first again, so it may be reused. */
typedef struct rt_walk {
	int rank, n;
	int64_t dim[IR_MAX_RANK], idx[IR_MAX_RANK];
	int64_t stride[RT_WALK_MAX][IR_MAX_RANK];
	int64_t at[RT_WALK_MAX];
	int64_t count; /* points of the box */
} rt_walk;

void rt_walk_init(rt_walk *w, int rank, const int64_t *dim);
/* Adds an operand with the given strides, in elements, starting at element at. Returns its number. */
int rt_walk_add(rt_walk *w, const int64_t *stride, int64_t at);
/* Adds an operand that broadcasts to the box: aligned at the last axis, stride 0 where its size is 1. */
int rt_walk_add_broadcast(rt_walk *w, const ir_type *t);
void rt_walk_next(rt_walk *w);

/* Row-major strides in elements. */
void rt_strides(const ir_type *t, int64_t *stride);

/* Like rt_load and rt_store, for the three integer types: i32 wraps, u8 saturates, bool is != 0. */
int64_t rt_load_int(ir_dtype t, const void *data, int64_t i);
void rt_store_int(ir_dtype t, void *data, int64_t i, int64_t v);

#endif
