/* SPDX-License-Identifier: Apache-2.0
 * tests/diff/bound.c -- the interpreter's value of every instruction with a bound on the error of any other correct
 * evaluation. See Note [Bounds]. */
#include <math.h>
#include <string.h>
#include "tests/diff/diff.h"

static double unit(ir_dtype t)
{
	return t == IR_F32 ? 0x1p-24 : t == IR_F64 ? 0x1p-53 : 0;
}

/* ---- leaves ------------------------------------------------------------------------------------------------- */

static double leaf_element(const ir_ins *in, rt_key k, uint64_t i)
{
	double u = rt_random_unit(k, i);

	switch (in->type.dtype) {
	case IR_F32:
	case IR_F64: return (float)(4 * u - 2); /* both precisions see the same numbers */
	case IR_I32: return floor(50 * u) - 5;
	case IR_U8: return floor(256 * u);
	case IR_BOOL: return u < 0.5;
	case IR_DTYPE_COUNT: break;
	}
	return 0;
}

void td_fill(const ir_ins *leaf, uint64_t seed, void *data)
{
	rt_key k = rt_key_for(rt_key_seed(seed), RT_FOR_TEST, ir_hash(leaf->name, strlen(leaf->name)).lo >> 1);
	int64_t n = ir_type_count(&leaf->type);

	for (int64_t i = 0; i < n; i++)
		rt_store(leaf->type.dtype, data, i, leaf_element(leaf, k, (uint64_t)i));
}

/* ---- tensors of doubles ---------------------------------------------------------------------------------------- */

static rt_tensor wide(ir_arena *a, const ir_type *shape)
{
	rt_tensor t = {.type = *shape};

	t.type.dtype = IR_F64;
	t.data = ar_new(a, double, (size_t)ir_type_count(shape) + 1);
	return t;
}

static rt_tensor tensor_of(double *e, const ir_type *shape)
{
	rt_tensor t = {.type = *shape, .data = e};

	t.type.dtype = IR_F64;
	return t;
}

static rt_tensor magnitude(ir_arena *a, const rt_tensor *x)
{
	rt_tensor t = wide(a, &x->type);
	int64_t n = ir_type_count(&x->type);

	for (int64_t i = 0; i < n; i++)
		((double *)t.data)[i] = fabs(rt_load(x->type.dtype, x->data, i));
	return t;
}

/* The same op in f64, on other operands. */
static double *eval_wide(ir_arena *a, const ir_ins *in, const rt_tensor *const *arg)
{
	ir_ins w = *in;
	rt_tensor out = wide(a, &in->type);

	w.type = out.type;
	rt_eval(&w, arg, &out);
	return out.data;
}

static rt_tensor spread(ir_arena *a, const rt_tensor *x, const ir_type *to)
{
	ir_ins w = {.op = IR_broadcast, .type = *to};
	rt_tensor out = wide(a, to);
	const rt_tensor *arg = x;

	w.type = out.type;
	rt_eval(&w, &arg, &out);
	return out;
}

/* x as doubles, in the shape of the result. */
static const double *operand(ir_arena *a, const rt_tensor *x, const ir_type *to)
{
	rt_tensor t = wide(a, &x->type);
	int64_t n = ir_type_count(&x->type);

	for (int64_t i = 0; i < n; i++)
		((double *)t.data)[i] = rt_load(x->type.dtype, x->data, i);
	return spread(a, &t, to).data;
}

/* ---- element-wise ------------------------------------------------------------------------------------------------ */

static double bump(double f(double), double x, double e)
{
	return fmax(fabs(f(x + e) - f(x)), fabs(f(x - e) - f(x)));
}

static double logistic(double x)
{
	return 1 / (1 + exp(-x));
}

static double log_or_nothing(double x)
{
	return x > 0 ? log(x) : -INFINITY;
}

static double sqrt_or_nothing(double x)
{
	return x >= 0 ? sqrt(x) : INFINITY;
}

/* What errors e of the operands x do to the result y, without its own rounding. */
static double carried(const ir_ins *in, const double *x, const double *e, double y)
{
	switch ((int)in->op) {
	case IR_add: case IR_sub: return e[0] + e[1];
	case IR_mul: return fabs(x[0]) * e[1] + fabs(x[1]) * e[0] + e[0] * e[1];
	case IR_div: return fabs(x[1]) > e[1] ? (e[0] + fabs(y) * e[1]) / (fabs(x[1]) - e[1]) : e[0] + e[1] > 0 ? INFINITY : 0;
	case IR_max: case IR_min: return fmax(e[0], e[1]);
	case IR_neg: case IR_relu: case IR_stop_gradient: return e[0];
	case IR_exp: return bump(exp, x[0], e[0]);
	case IR_log: return bump(log_or_nothing, x[0], e[0]);
	case IR_sqrt: return bump(sqrt_or_nothing, x[0], e[0]);
	case IR_tanh: return bump(tanh, x[0], e[0]);
	case IR_sigmoid: return bump(logistic, x[0], e[0]);
	case IR_erf: return bump(erf, x[0], e[0]);
	case IR_gelu: return 1.13 * e[0]; /* the largest slope */
	case IR_compare: return e[0] + e[1] > 0 && fabs(x[0] - x[1]) <= e[0] + e[1] ? INFINITY : 0;
	case IR_select: return e[0] > 0 ? fabs(x[1] - x[2]) + e[1] + e[2] : x[0] != 0 ? e[1] : e[2];
	case IR_iota: return 0;
	}
	ir_bug("no rule for the error of %s: add one to tests/diff/bound.c", ir_op_info(in->op)->name);
}

/* The error of the op itself: 0 for what IEEE defines to the bit; for functions in f32 2 ulp (tests/unit/cc_math.c), and half a one by
 * which the interpreter rounded; in f64 some for formulas that are made of libm's functions in two ways. */
static double own(const ir_ins *in, const double *x, double y)
{
	double ulp = 2 * unit(in->type.dtype), n = in->type.dtype == IR_F32 ? 2.5 : 5;

	switch ((int)in->op) {
	case IR_exp: case IR_log: case IR_tanh: case IR_sigmoid: case IR_erf: return n * ulp * fabs(y) + 0x1p-148 * (ulp > 1e-10);
	case IR_gelu: return n * ulp * fabs(x[0]);
	}
	return 0;
}

static double cast_error(const ir_ins *in, ir_dtype from, double x, double e, double y)
{
	if (e == 0 || in->type.dtype == from)
		return e;
	if (ir_dtype_is_float(in->type.dtype))
		return e + 2 * unit(in->type.dtype) * fabs(y);
	if (in->type.dtype == IR_BOOL)
		return fabs(x) <= e ? INFINITY : 0;
	return trunc(x - e) != trunc(x + e) || fabs(x) <= e ? INFINITY : 0;
}

static double *bound_ew(ir_arena *a, const ir_func *f, const td_value *val, const ir_ins *in, const rt_tensor *y)
{
	int64_t n = ir_type_count(&in->type);
	double *r = ar_new(a, double, (size_t)n + 1);
	const double *x[3] = {0}, *e[3] = {0};

	for (uint32_t k = 0; k < in->narg; k++) {
		rt_tensor t = tensor_of(val[in->arg[k]].e, &val[in->arg[k]].v.type);

		x[k] = operand(a, &val[in->arg[k]].v, &in->type);
		e[k] = spread(a, &t, &in->type).data;
	}
	for (int64_t i = 0; i < n; i++) {
		double xi[3] = {0}, ei[3] = {0}, yi = rt_load(in->type.dtype, y->data, i), c;

		for (uint32_t k = 0; k < in->narg; k++)
			xi[k] = x[k][i], ei[k] = e[k][i];
		if (in->op == IR_cast) {
			r[i] = cast_error(in, f->ins[in->arg[0]].type.dtype, xi[0], ei[0], yi);
			continue;
		}
		c = carried(in, xi, ei, yi);
		if (c > 0 && in->type.dtype != IR_BOOL) /* another operand rounds elsewhere */
			c = ir_dtype_is_float(in->type.dtype) ? c + 2 * unit(in->type.dtype) * (fabs(yi) + c) : INFINITY;
		r[i] = c + own(in, xi, yi);
	}
	return r;
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

/* Sums of n terms: their own errors, and n + 2 roundings of at most the sum of magnitudes. */
static double *bound_sum(ir_arena *a, const ir_ins *in, const rt_tensor *size, const rt_tensor *err, double n, double divisor)
{
	double u = unit(in->type.dtype), *s, *e;
	int64_t count = ir_type_count(&in->type);
	const rt_tensor *p = size, *q = err;
	ir_ins sum = *in;

	if (sum.op == IR_mean)
		sum.op = IR_sum;
	s = eval_wide(a, &sum, &p), e = eval_wide(a, &sum, &q);
	for (int64_t i = 0; i < count; i++) {
		double rounding = n > 1 || divisor > 1 ? (n + 2) * u * s[i] : 0;

		e[i] = (e[i] + rounding) / divisor;
		if (!ir_dtype_is_float(in->type.dtype) && e[i] > 0)
			e[i] = INFINITY;
	}
	return e;
}

static double *bound_matmul(ir_arena *a, const ir_ins *in, const td_value *x, const td_value *y)
{
	rt_tensor mx = magnitude(a, &x->v), my = magnitude(a, &y->v);
	rt_tensor ex = tensor_of(x->e, &x->v.type), ey = tensor_of(y->e, &y->v.type);
	double *s = eval_wide(a, in, (const rt_tensor *[]){&mx, &my}), *p = eval_wide(a, in, (const rt_tensor *[]){&ex, &my});
	double *q = eval_wide(a, in, (const rt_tensor *[]){&mx, &ey}), *r = eval_wide(a, in, (const rt_tensor *[]){&ex, &ey});
	double k = (double)x->v.type.dim[ir_attr_int(in, IR_ATTR_ta) ? 0 : 1], u = unit(in->type.dtype);
	int64_t n = ir_type_count(&in->type);

	for (int64_t i = 0; i < n; i++)
		r[i] += p[i] + q[i] + (k > 1 ? (k + 2) * u * s[i] : 0);
	return r;
}

static double *bound_scatter(ir_arena *a, const ir_ins *in, const td_value *y, const rt_tensor *idx)
{
	rt_tensor size = magnitude(a, &y->v), err = tensor_of(y->e, &y->v.type);
	double *s = eval_wide(a, in, (const rt_tensor *[]){&size, idx}), *e = eval_wide(a, in, (const rt_tensor *[]){&err, idx});
	double m = (double)ir_type_count(&idx->type), u = unit(in->type.dtype);
	int64_t n = ir_type_count(&in->type);

	for (int64_t i = 0; i < n; i++) {
		e[i] += m > 1 ? (m + 2) * u * s[i] : 0;
		if (!ir_dtype_is_float(in->type.dtype) && e[i] > 0)
			e[i] = INFINITY;
	}
	return e;
}

static double *infinite(ir_arena *a, const ir_type *t)
{
	int64_t n = ir_type_count(t);
	double *e = ar_new(a, double, (size_t)n + 1);

	for (int64_t i = 0; i < n; i++)
		e[i] = INFINITY;
	return e;
}

static bool is_exact(const td_value *x)
{
	int64_t n = ir_type_count(&x->v.type);

	for (int64_t i = 0; i < n; i++)
		if (x->e[i] != 0)
			return false;
	return true;
}

static double *bound(ir_arena *a, const ir_func *f, const td_value *val, const ir_ins *in, const rt_tensor *y)
{
	const td_value *x = in->narg ? &val[in->arg[0]] : NULL;
	const rt_tensor **arg = ar_new(a, const rt_tensor *, in->narg + 1);
	rt_tensor *err = ar_new(a, rt_tensor, in->narg + 1), size;
	double n = x ? (double)ir_type_count(&x->v.type) / fmax(1, (double)ir_type_count(&in->type)) : 0;

	for (uint32_t k = 0; k < in->narg; k++) {
		err[k] = tensor_of(val[in->arg[k]].e, &val[in->arg[k]].v.type);
		arg[k] = &err[k];
	}
	if (ir_op_info(in->op)->lower == IR_LOWER_ew)
		return bound_ew(a, f, val, in, y);
	switch ((int)in->op) {
	case IR_sum:
	case IR_mean:
		size = magnitude(a, &x->v);
		return bound_sum(a, in, &size, &err[0], n, in->op == IR_mean ? n : 1);
	case IR_panel_sum:
		size = magnitude(a, &x->v);
		return bound_sum(a, in, &size, &err[0], fmin(n, IR_PANEL), 1);
	case IR_matmul:
		return bound_matmul(a, in, x, &val[in->arg[1]]);
	case IR_amax:
	case IR_reshape: case IR_transpose: case IR_broadcast: case IR_slice: case IR_concat:
		return eval_wide(a, in, arg);
	case IR_gather:
	case IR_scatter:
		if (!is_exact(&val[in->arg[1]]))
			return infinite(a, &in->type);
		arg[1] = &val[in->arg[1]].v;
		return in->op == IR_gather ? eval_wide(a, in, arg) : bound_scatter(a, in, x, arg[1]);
	case IR_split: case IR_uniform: case IR_normal: /* the runtime's own functions, in both worlds */
		return is_exact(x) ? ar_new(a, double, (size_t)ir_type_count(&in->type) + 1) : infinite(a, &in->type);
	case IR_constant:
		return ar_new(a, double, (size_t)ir_type_count(&in->type) + 1);
	}
	ir_bug("no rule for the error of %s: add one to tests/diff/bound.c", ir_op_info(in->op)->name);
}

/* Compiled code takes a denormal operand or result for zero (Note [Denormals] in runtime/team.c); so may every partial sum. */
static void allow_flushing(const rt_tensor *y, double *e)
{
	double least = y->type.dtype == IR_F32 ? 0x1p-126 : 0x1p-1022;
	int64_t n = ir_type_count(&y->type);

	for (int64_t i = 0; ir_dtype_is_float(y->type.dtype) && i < n; i++) {
		double v = fabs(rt_load(y->type.dtype, y->data, i));

		if (v > 0 && v < 4096 * least)
			e[i] += 64 * least;
	}
}

void td_value_of(ir_arena *a, const ir_func *f, td_value *val, ir_ref i, uint64_t seed)
{
	const ir_ins *in = &f->ins[i];
	const rt_tensor **arg = ar_new(a, const rt_tensor *, in->narg + 1);

	val[i].v = (rt_tensor){.type = in->type, .data = ar_alloc(a, ir_type_bytes(&in->type) + 16, 1)};
	if (ir_is_leaf(f, i)) {
		td_fill(in, seed, val[i].v.data);
		val[i].e = ar_new(a, double, (size_t)ir_type_count(&in->type) + 1);
		return;
	}
	for (uint32_t k = 0; k < in->narg; k++)
		arg[k] = &val[in->arg[k]].v;
	rt_eval(in, arg, &val[i].v);
	val[i].e = bound(a, f, val, in, &val[i].v);
	allow_flushing(&val[i].v, val[i].e);
}

td_value *td_values(ir_arena *a, const ir_func *f, uint64_t seed)
{
	td_value *val = ar_new(a, td_value, f->n + 1);

	for (size_t i = 0; i < f->n; i++)
		td_value_of(a, f, val, (ir_ref)i, seed);
	return val;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------- */

bool td_within(const td_value *want, const void *got, td_match *m)
{
	ir_dtype t = want->v.type.dtype;
	int64_t n = ir_type_count(&want->v.type);

	for (int64_t i = 0; i < n; i++) {
		double w = rt_load(t, want->v.data, i), g = rt_load(t, got, i), e = want->e[i];

		if (!isfinite(e)) {
			m->unsure++;
			continue;
		}
		m->checked++;
		if (w == g || (isnan(w) && isnan(g))) {
			m->equal++;
			continue;
		}
		if (!(fabs(w - g) <= e)) {
			m->at = i;
			m->ratio = fabs(w - g) / e;
			return false;
		}
		m->ratio = fmax(m->ratio, fabs(w - g) / e);
	}
	return true;
}

/* -0 equals +0 (rules.def, FAST) and one NaN another. */
bool td_same_bits(const ir_type *t, const void *a, const void *b, int64_t *at)
{
	int64_t n = ir_type_count(t);

	for (*at = 0; *at < n; ++*at) {
		double x = rt_load(t->dtype, a, *at), y = rt_load(t->dtype, b, *at);

		if (x != y && !(isnan(x) && isnan(y)))
			return false;
	}
	return true;
}

/* Note [Bounds]
 * Two correct evaluations differ for three reasons. A sum or matmul of n terms may be taken in any order and with or without
 * fused operations: both stay within (n + 2) u sum |term| of the true value (Higham 2002, 3.1; u = 2^-24 or 2^-53). A function
 * has its own error: 2 ulp in f32 by tests/unit/cc_math.c, half an ulp in the interpreter; gelu's is relative to its operand,
 * because 1 + erf cancels. And errors of operands are carried on, by the exact derivative or by evaluating a monotone
 * function at both ends. Everything else (+ - * / sqrt max select views casts) is defined to the bit, so its own error is
 * 0: as long as operands are equal, results must be. In f64 the functions are libm's on both sides.
 * Thus a program without sums and functions is compared for equality, and a bound is as tight as its sums are well conditioned:
 * for f64 values of size 1 and sums of 40 terms it is about 1e-14. */
