/* SPDX-License-Identifier: Apache-2.0
 * runtime/eval_ew.c -- element-wise ops. Floats are computed in double and rounded once, which for f32 makes
 * + - * / and sqrt correctly rounded (53 bits are more than twice 24 plus 2). Integers are computed in 64 bits.
 * A new op: UNARY or BINARY with its expression. */
#include <math.h>
#include "runtime/eval.h"

typedef double float1(double a);
typedef double float2(double a, double b);
typedef int64_t int1(int64_t a);
typedef int64_t int2(int64_t a, int64_t b);

static void unary(const rt_tensor *a, rt_tensor *out, float1 *f, int1 *i)
{
	ir_dtype t = out->type.dtype;
	int64_t n = ir_type_count(&out->type);

	for (int64_t k = 0; k < n; k++) {
		if (ir_dtype_is_float(t))
			rt_store(t, out->data, k, f(rt_load(t, a->data, k)));
		else
			rt_store_int(t, out->data, k, i(rt_load_int(t, a->data, k)));
	}
}

static void binary(const rt_tensor *const *arg, rt_tensor *out, float2 *f, int2 *i)
{
	ir_dtype t = out->type.dtype;
	const void *a = arg[0]->data, *b = arg[1]->data;
	rt_walk w;

	rt_walk_init(&w, out->type.rank, out->type.dim);
	rt_walk_add_broadcast(&w, &arg[0]->type);
	rt_walk_add_broadcast(&w, &arg[1]->type);
	for (int64_t k = 0; k < w.count; k++, rt_walk_next(&w)) {
		if (ir_dtype_is_float(t))
			rt_store(t, out->data, k, f(rt_load(t, a, w.at[0]), rt_load(t, b, w.at[1])));
		else
			rt_store_int(t, out->data, k,
				     i(rt_load_int(t, a, w.at[0]), rt_load_int(t, b, w.at[1])));
	}
}

#define UNARY(name, on_float, on_int)                                                          \
	static double float_##name(double a)                                                   \
	{                                                                                      \
		return on_float;                                                               \
	}                                                                                      \
	static int64_t int_##name(int64_t a)                                                   \
	{                                                                                      \
		return on_int;                                                                 \
	}                                                                                      \
	void eval_##name(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)        \
	{                                                                                      \
		(void)in;                                                                      \
		unary(arg[0], out, float_##name, int_##name);                                  \
	}

#define BINARY(name, on_float, on_int)                                                         \
	static double float_##name(double a, double b)                                         \
	{                                                                                      \
		return on_float;                                                               \
	}                                                                                      \
	static int64_t int_##name(int64_t a, int64_t b)                                        \
	{                                                                                      \
		return on_int;                                                                 \
	}                                                                                      \
	void eval_##name(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)        \
	{                                                                                      \
		(void)in;                                                                      \
		binary(arg, out, float_##name, int_##name);                                    \
	}

/* IEEE 754-2019 maximum and minimum: NaN from either side wins, and -0 is below +0. */
static double larger(double a, double b)
{
	if (isnan(a) || isnan(b))
		return a + b;
	if (a == b)
		return signbit(a) ? b : a;
	return a > b ? a : b;
}

static double smaller(double a, double b)
{
	if (isnan(a) || isnan(b))
		return a + b;
	if (a == b)
		return signbit(a) ? a : b;
	return a < b ? a : b;
}

/* Never exp of a positive number, so it cannot overflow to inf / inf. */
static double logistic(double a)
{
	double e = exp(-fabs(a));

	return a >= 0 ? 1 / (1 + e) : isnan(a) ? a : e / (1 + e);
}

/* The constants are the nearest doubles; x = -inf gives -inf * 0 = NaN by the formula, and 0 by its limit. */
static double gelu(double a)
{
	return a == -INFINITY ? 0 : 0.5 * a * (1 + erf(a * M_SQRT1_2));
}

/* Ops on floats alone: the shape rule refuses integers. */
static int64_t no_int(int64_t a)
{
	ir_bug("float op on the integer %lld", (long long)a);
}

BINARY(add, a + b, a + b)
BINARY(sub, a - b, a - b)
BINARY(mul, (a) * (b), (a) * (b))
BINARY(div, a / b, b ? a / b : 0) /* integers: toward zero, and x / 0 = 0, so that no input can trap */
BINARY(max, larger(a, b), a > b ? a : b)
BINARY(min, smaller(a, b), a < b ? a : b)
UNARY(neg, -a, -a)
UNARY(exp, exp(a), no_int(a))
UNARY(log, log(a), no_int(a))
UNARY(sqrt, sqrt(a), no_int(a))
UNARY(tanh, tanh(a), no_int(a))
UNARY(sigmoid, logistic(a), no_int(a))
UNARY(relu, a > 0 ? a : isnan(a) ? a : 0, a > 0 ? a : 0)
UNARY(gelu, gelu(a), no_int(a))
UNARY(erf, erf(a), no_int(a))
UNARY(stop_gradient, a, a)

static bool holds(ir_cmp dir, double a, double b)
{
	switch (dir) {
	case IR_CMP_eq:
		return a == b;
	case IR_CMP_ne:
		return a != b;
	case IR_CMP_lt:
		return a < b;
	case IR_CMP_le:
		return a <= b;
	case IR_CMP_gt:
		return a > b;
	case IR_CMP_ge:
		return a >= b;
	case IR_CMP_COUNT:
		break;
	}
	ir_bug("no direction %d", (int)dir);
}

/* Every element type is exact in double. */
void eval_compare(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	const rt_tensor *a = arg[0], *b = arg[1];
	ir_cmp dir = (ir_cmp)ir_attr_int(in, IR_ATTR_dir);
	rt_walk w;

	rt_walk_init(&w, out->type.rank, out->type.dim);
	rt_walk_add_broadcast(&w, &a->type);
	rt_walk_add_broadcast(&w, &b->type);
	for (int64_t k = 0; k < w.count; k++, rt_walk_next(&w))
		rt_store(out->type.dtype, out->data, k,
			 holds(dir, rt_load(a->type.dtype, a->data, w.at[0]),
			       rt_load(b->type.dtype, b->data, w.at[1])));
}

void eval_select(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	ir_dtype t = out->type.dtype;
	rt_walk w;

	(void)in;
	rt_walk_init(&w, out->type.rank, out->type.dim);
	for (int i = 0; i < 3; i++)
		rt_walk_add_broadcast(&w, &arg[i]->type);
	for (int64_t k = 0; k < w.count; k++, rt_walk_next(&w)) {
		int from = rt_load(arg[0]->type.dtype, arg[0]->data, w.at[0]) != 0 ? 1 : 2;

		rt_store(t, out->data, k, rt_load(t, arg[from]->data, w.at[from]));
	}
}

void eval_cast(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	int64_t n = ir_type_count(&out->type);

	(void)in;
	for (int64_t k = 0; k < n; k++)
		rt_store(out->type.dtype, out->data, k, rt_load(arg[0]->type.dtype, arg[0]->data, k));
}

void eval_iota(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	int64_t axis = ir_attr_int(in, IR_ATTR_axis);
	rt_walk w;

	(void)arg;
	rt_walk_init(&w, out->type.rank, out->type.dim);
	for (int64_t k = 0; k < w.count; k++, rt_walk_next(&w))
		rt_store(out->type.dtype, out->data, k, (double)w.idx[axis]);
}
