/* SPDX-License-Identifier: Apache-2.0
 * runtime/eval_reduce.c -- reductions over axes. Elements are taken in row-major order, sums run in double (64-bit
 * integers, which then wrap), and the result is rounded once. */
#include <math.h>
#include "runtime/eval.h"

/* The operand seen as two boxes: kept axes outside, reduced ones inside. */
typedef struct axes {
	rt_walk kept, reduced;
} axes;

static void axes_init(axes *x, const ir_ins *in, const ir_type *t)
{
	const ir_attr *a = ir_attr_get(in, IR_ATTR_axes);
	int64_t own[IR_MAX_RANK], dim[2][IR_MAX_RANK], stride[2][IR_MAX_RANK];
	bool is_reduced[IR_MAX_RANK] = {false};
	int rank[2] = {0, 0};

	rt_strides(t, own);
	for (int i = 0; i < a->v.rank; i++)
		is_reduced[a->v.dim[i]] = true;
	for (int i = 0; i < t->rank; i++) {
		int side = is_reduced[i];

		dim[side][rank[side]] = t->dim[i];
		stride[side][rank[side]++] = own[i];
	}
	rt_walk_init(&x->kept, rank[0], dim[0]);
	rt_walk_add(&x->kept, stride[0], 0);
	rt_walk_init(&x->reduced, rank[1], dim[1]);
	rt_walk_add(&x->reduced, stride[1], 0);
}

typedef double fold_fn(double acc, double v);

static double fold_add(double acc, double v)
{
	return acc + v;
}

/* A NaN stays: it is larger than nothing and nothing is larger than it. */
static double fold_max(double acc, double v)
{
	return isnan(acc) || acc > v ? acc : v;
}

/* out[i] = fold of the elements that belong to it, from start; mean: divided by their number. */
static void reduce_float(const ir_ins *in, const rt_tensor *a, rt_tensor *out, fold_fn *fold,
			 double start, bool mean)
{
	ir_dtype t = out->type.dtype;
	axes x;

	axes_init(&x, in, &a->type);
	for (int64_t i = 0; i < x.kept.count; i++, rt_walk_next(&x.kept)) {
		double acc = start;

		x.reduced.at[0] = x.kept.at[0];
		for (int64_t j = 0; j < x.reduced.count; j++, rt_walk_next(&x.reduced))
			acc = fold(acc, rt_load(t, a->data, x.reduced.at[0]));
		rt_store(t, out->data, i, mean ? acc / (double)x.reduced.count : acc);
	}
}

/* Wraps like i32 arithmetic, so the order does not matter. */
static void sum_int(const ir_ins *in, const rt_tensor *a, rt_tensor *out)
{
	ir_dtype t = out->type.dtype;
	axes x;

	axes_init(&x, in, &a->type);
	for (int64_t i = 0; i < x.kept.count; i++, rt_walk_next(&x.kept)) {
		int64_t acc = 0;

		x.reduced.at[0] = x.kept.at[0];
		for (int64_t j = 0; j < x.reduced.count; j++, rt_walk_next(&x.reduced))
			acc += rt_load_int(t, a->data, x.reduced.at[0]);
		rt_store_int(t, out->data, i, acc);
	}
}

void eval_sum(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	if (ir_dtype_is_float(out->type.dtype))
		reduce_float(in, arg[0], out, fold_add, 0, false);
	else
		sum_int(in, arg[0], out);
}

void eval_mean(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	reduce_float(in, arg[0], out, fold_add, 0, true);
}

void eval_panel_sum(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	ir_dtype t = out->type.dtype;
	int64_t rows = arg[0]->type.dim[0], cols = arg[0]->type.dim[1];

	(void)in;
	for (int64_t p = 0; p < out->type.dim[0]; p++)
		for (int64_t r = 0; r < rows; r++) {
			double acc = 0;

			for (int64_t c = p * IR_PANEL; c < cols && c < (p + 1) * IR_PANEL; c++)
				acc += rt_load(t, arg[0]->data, r * cols + c);
			rt_store(t, out->data, p * rows + r, acc);
		}
}

/* Integers are exact in double. */
void eval_amax(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	reduce_float(in, arg[0], out, fold_max, -INFINITY, false);
}
