/* SPDX-License-Identifier: Apache-2.0
 * Shape rules, one per word in the shape column of ops.def: from operand types and attributes to the type of the
 * result, or one message per way to be wrong. The only place that knows what an op accepts; the verifier runs
 * the same rules again. An unbound batch is a size of its own, equal only to itself; ir_bind runs every rule
 * once more with the number in its place. */
#include "ir/ir.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define DIM_MAX   (((int64_t)1 << 31) - 1)
#define COUNT_MAX ((int64_t)1 << 40)

typedef struct check {
	ir_diag *d;
	ir_loc loc;
	ir_op op;
	const char *name; /* of the op */
	const ir_type *arg;
	size_t narg;
	const ir_attr *attr; /* in the order of the op's row */
} check;

typedef bool shape_rule(const check *c, ir_type *out);

#define fail(c, ...) (ir_report((c)->d, (c)->loc, __VA_ARGS__), false)

/* Texts for messages; ir_report copies them. */
#define TYPE_CHARS 96
#define type_text(t) print_type((char[TYPE_CHARS]){0}, (t))
#define dim_text(n)  print_dim((char[24]){0}, (n))

static const char *print_dim(char *s, int64_t n)
{
	if (n == IR_BATCH)
		snprintf(s, 24, "B");
	else
		snprintf(s, 24, "%" PRId64, n);
	return s;
}

static const char *print_type(char *s, const ir_type *t)
{
	int n = snprintf(s, TYPE_CHARS, "%s[", ir_dtype_text(t->dtype));

	for (int i = 0; i < t->rank && n < TYPE_CHARS; i++)
		n += snprintf(s + n, TYPE_CHARS - (size_t)n, "%s%s", i ? "," : "", dim_text(t->dim[i]));
	if (n < TYPE_CHARS)
		snprintf(s + n, TYPE_CHARS - (size_t)n, "]");
	return s;
}

static const ir_attr *attr(const check *c, ir_attr_id id)
{
	const ir_opinfo *o = ir_op_info(c->op);

	for (int k = 0; k < o->nattr; k++)
		if (o->attr[k] == id)
			return &c->attr[k];
	ir_bug("the shape rule of %s asks for '%s'", o->name, ir_attr_name(id));
}

/* ---- conditions several rules share ------------------------------------------------------------------- */

static bool is_number(ir_dtype t)
{
	return ir_dtype_is_float(t) || t == IR_I32;
}

static bool need_number(const check *c, const ir_type *t)
{
	return is_number(t->dtype) ||
	       fail(c, IR_E_dtype_is, c->name, "f32, f64 or i32", ir_dtype_text(t->dtype));
}

static bool need_float(const check *c, const ir_type *t)
{
	return ir_dtype_is_float(t->dtype) ||
	       fail(c, IR_E_dtype_is, c->name, "f32 or f64", ir_dtype_text(t->dtype));
}

static bool need_dtype(const check *c, const ir_type *t, ir_dtype want)
{
	return t->dtype == want ||
	       fail(c, IR_E_dtype_is, c->name, ir_dtype_text(want), ir_dtype_text(t->dtype));
}

static bool need_same_dtype(const check *c, const ir_type *a, const ir_type *b)
{
	return a->dtype == b->dtype ||
	       fail(c, IR_E_dtype_differs, ir_dtype_text(a->dtype), ir_dtype_text(b->dtype));
}

static bool need_rank(const check *c, const ir_type *t, int rank)
{
	return t->rank == rank || fail(c, IR_E_rank_is, c->name, rank, t->rank);
}

static bool need_axis(const check *c, int64_t axis, int rank)
{
	return (axis >= 0 && axis < rank) || fail(c, IR_E_axis_range, (long long)axis, rank);
}

static bool need_dims(const check *c, const ir_type *t)
{
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] != IR_BATCH && (t->dim[i] < 0 || t->dim[i] > DIM_MAX))
			return fail(c, IR_E_dim_range, (long long)t->dim[i]);
	return true;
}

static bool need_key(const check *c)
{
	ir_type key = ir_type_make(IR_I32, 1, (int64_t[]){2});

	return ir_type_equal(&c->arg[0], &key) ||
	       fail(c, IR_E_arg_type, c->name, "i32[2]", "key", type_text(&c->arg[0]));
}

/* Joins shapes by the rules of broadcasting; the element type of *out stays. */
static bool join(const check *c, ir_type *out, const ir_type *b)
{
	ir_type a = *out;
	int rank = a.rank > b->rank ? a.rank : b->rank;

	out->rank = rank;
	for (int i = 0; i < rank; i++) {
		int64_t m = i < rank - a.rank ? 1 : a.dim[i - (rank - a.rank)];
		int64_t n = i < rank - b->rank ? 1 : b->dim[i - (rank - b->rank)];

		if (m != n && m != 1 && n != 1)
			return fail(c, IR_E_shape_bcast, type_text(&a), type_text(b));
		out->dim[i] = m == 1 ? n : m;
	}
	return true;
}

/* ---- leaves ------------------------------------------------------------------------------------------- */

static bool fits(double v, ir_dtype t)
{
	switch (t) {
	case IR_F32:
	case IR_F64: return true;
	case IR_I32: return v == floor(v) && v >= INT32_MIN && v <= INT32_MAX;
	case IR_U8: return v == floor(v) && v >= 0 && v <= UINT8_MAX;
	case IR_BOOL: return v == 0 || v == 1;
	case IR_DTYPE_COUNT: break;
	}
	return false;
}

static bool shape_type(const check *c, ir_type *out)
{
	*out = attr(c, IR_ATTR_type)->v;
	if (!need_dims(c, out))
		return false;
	if (c->op == IR_param && !need_float(c, out))
		return false;
	if ((c->op == IR_param || c->op == IR_state) && ir_type_has_batch(out))
		return fail(c, IR_E_batch_op, c->name);
	if (c->op == IR_constant && !fits(attr(c, IR_ATTR_value)->f, out->dtype))
		return fail(c, IR_E_bad_attr, "value", "a whole number that the element type can hold");
	return true;
}

static bool shape_iota(const check *c, ir_type *out)
{
	*out = attr(c, IR_ATTR_type)->v;
	return need_dims(c, out) && need_number(c, out) && need_axis(c, attr(c, IR_ATTR_axis)->i, out->rank);
}

static bool shape_random(const check *c, ir_type *out)
{
	*out = attr(c, IR_ATTR_type)->v;
	return need_key(c) && need_dims(c, out) && need_float(c, out);
}

static bool shape_split(const check *c, ir_type *out)
{
	*out = c->arg[0];
	if (!need_key(c))
		return false;
	return attr(c, IR_ATTR_index)->i >= 0 || fail(c, IR_E_bad_attr, "index", "an integer of at least 0");
}

/* ---- element-wise ------------------------------------------------------------------------------------- */

static bool shape_bcast(const check *c, ir_type *out)
{
	*out = c->arg[0];
	return need_same_dtype(c, &c->arg[0], &c->arg[1]) && need_number(c, out) && join(c, out, &c->arg[1]);
}

static bool shape_compare(const check *c, ir_type *out)
{
	if (!shape_bcast(c, out))
		return false;
	out->dtype = IR_BOOL;
	return true;
}

static bool shape_select(const check *c, ir_type *out)
{
	*out = c->arg[1];
	return need_dtype(c, &c->arg[0], IR_BOOL) && need_same_dtype(c, &c->arg[1], &c->arg[2]) &&
	       need_number(c, out) && join(c, out, &c->arg[2]) && join(c, out, &c->arg[0]);
}

static bool shape_same(const check *c, ir_type *out)
{
	*out = c->arg[0];
	return c->op == IR_stop_gradient || need_number(c, out);
}

static bool shape_float(const check *c, ir_type *out)
{
	*out = c->arg[0];
	return need_float(c, out);
}

static bool shape_cast(const check *c, ir_type *out)
{
	*out = c->arg[0];
	out->dtype = attr(c, IR_ATTR_type)->v.dtype;
	return true;
}

/* ---- reductions and products -------------------------------------------------------------------------- */

static bool shape_reduce(const check *c, ir_type *out)
{
	const ir_type *x = &c->arg[0], *axes = &attr(c, IR_ATTR_axes)->v;
	bool gone[IR_MAX_RANK] = {false};

	if (c->op == IR_mean ? !need_float(c, x) : !need_number(c, x))
		return false;
	for (int i = 0; i < axes->rank; i++) {
		int64_t axis = axes->dim[i];

		if (!need_axis(c, axis, x->rank))
			return false;
		if (gone[axis])
			return fail(c, IR_E_axis_twice, (long long)axis);
		if (c->op == IR_amax && x->dim[axis] == 0)
			return fail(c, IR_E_empty_reduce, c->name);
		gone[axis] = true;
	}
	*out = ir_type_scalar(x->dtype);
	for (int i = 0; i < x->rank; i++)
		if (!gone[i])
			out->dim[out->rank++] = x->dim[i];
	return true;
}

static bool shape_panels(const check *c, ir_type *out)
{
	const ir_type *x = &c->arg[0];

	if (!need_float(c, x) || !need_rank(c, x, 2))
		return false;
	if (x->dim[1] == IR_BATCH)
		return fail(c, IR_E_batch_op, c->name);
	*out = ir_type_make(x->dtype, 2, (int64_t[]){(x->dim[1] + IR_PANEL - 1) / IR_PANEL, x->dim[0]});
	return true;
}

static bool shape_matmul(const check *c, ir_type *out)
{
	const ir_type *a = &c->arg[0], *b = &c->arg[1];
	int ta = attr(c, IR_ATTR_ta)->i != 0, tb = attr(c, IR_ATTR_tb)->i != 0;

	if (!need_same_dtype(c, a, b) || !need_float(c, a) || !need_rank(c, a, 2) || !need_rank(c, b, 2))
		return false;
	if (attr(c, IR_ATTR_bf16)->i && !need_dtype(c, a, IR_F32))
		return false;
	if (a->dim[!ta] != b->dim[tb])
		return fail(c, IR_E_shape_inner, dim_text(a->dim[!ta]), dim_text(b->dim[tb]));
	*out = ir_type_make(a->dtype, 2, (int64_t[]){a->dim[ta], b->dim[!tb]});
	return true;
}

/* ---- the same elements, elsewhere ---------------------------------------------------------------------- */

/* The product of the known dimensions; *batch counts the B. false when it overflows. */
static bool product(const ir_type *t, int64_t *n, int *batch)
{
	*n = 1;
	*batch = 0;
	for (int i = 0; i < t->rank; i++) {
		if (t->dim[i] == IR_BATCH)
			++*batch;
		else if (__builtin_mul_overflow(*n, t->dim[i], n))
			return false;
	}
	return true;
}

static bool shape_reshape(const check *c, ir_type *out)
{
	int64_t m, n;
	int bm, bn;

	*out = attr(c, IR_ATTR_shape)->v;
	out->dtype = c->arg[0].dtype;
	if (!need_dims(c, out))
		return false;
	if (!product(out, &n, &bn))
		return fail(c, IR_E_too_large, type_text(out));
	product(&c->arg[0], &m, &bm);
	return (m == n && bm == bn) || fail(c, IR_E_shape_count, type_text(&c->arg[0]), type_text(out));
}

static bool shape_perm(const check *c, ir_type *out)
{
	const ir_type *x = &c->arg[0], *perm = &attr(c, IR_ATTR_perm)->v;
	bool used[IR_MAX_RANK] = {false};

	*out = *x;
	if (perm->rank != x->rank)
		return fail(c, IR_E_perm, x->rank);
	for (int i = 0; i < perm->rank; i++) {
		int64_t axis = perm->dim[i];

		if (axis < 0 || axis >= x->rank || used[axis])
			return fail(c, IR_E_perm, x->rank);
		used[axis] = true;
		out->dim[i] = x->dim[axis];
	}
	return true;
}

static bool shape_to(const check *c, ir_type *out)
{
	const ir_type *x = &c->arg[0];
	int pad;

	*out = attr(c, IR_ATTR_shape)->v;
	out->dtype = x->dtype;
	if (!need_dims(c, out))
		return false;
	pad = out->rank - x->rank;
	if (pad < 0)
		return fail(c, IR_E_shape_to, type_text(x), type_text(out));
	for (int i = 0; i < x->rank; i++)
		if (x->dim[i] != 1 && x->dim[i] != out->dim[i + pad])
			return fail(c, IR_E_shape_to, type_text(x), type_text(out));
	return true;
}

static bool shape_slice(const check *c, ir_type *out)
{
	const ir_type *x = &c->arg[0], *start = &attr(c, IR_ATTR_start)->v, *size = &attr(c, IR_ATTR_size)->v;

	*out = *size;
	out->dtype = x->dtype;
	if (start->rank != x->rank || size->rank != x->rank)
		return fail(c, IR_E_rank_is, c->name, start->rank != x->rank ? start->rank : size->rank, x->rank);
	if (!need_dims(c, start) || !need_dims(c, size))
		return false;
	for (int i = 0; i < x->rank; i++) {
		int64_t at = start->dim[i], n = size->dim[i];

		if (x->dim[i] == IR_BATCH || n == IR_BATCH) {
			if (n != x->dim[i] || at != 0)
				return fail(c, IR_E_batch_op, c->name);
		} else if (at < 0 || at + n > x->dim[i]) {
			return fail(c, IR_E_slice_range, (long long)at, (long long)(at + n), (long long)i,
				    (long long)x->dim[i]);
		}
	}
	return true;
}

static bool shape_concat(const check *c, ir_type *out)
{
	int64_t axis = attr(c, IR_ATTR_axis)->i;

	*out = c->arg[0];
	if (!need_axis(c, axis, out->rank))
		return false;
	out->dim[axis] = 0;
	for (size_t k = 0; k < c->narg; k++) {
		const ir_type *x = &c->arg[k];

		if (!need_same_dtype(c, out, x))
			return false;
		if (x->rank != out->rank)
			return fail(c, IR_E_shape_concat, type_text(&c->arg[0]), type_text(x));
		for (int i = 0; i < x->rank; i++)
			if (i != axis && x->dim[i] != out->dim[i])
				return fail(c, IR_E_shape_concat, type_text(&c->arg[0]), type_text(x));
		if (x->dim[axis] == IR_BATCH)
			return fail(c, IR_E_batch_op, c->name);
		out->dim[axis] += x->dim[axis];
	}
	return true;
}

/* ---- tables ------------------------------------------------------------------------------------------- */

static bool need_index(const check *c)
{
	return need_dtype(c, &c->arg[1], IR_I32) && need_rank(c, &c->arg[1], 1);
}

static bool shape_gather(const check *c, ir_type *out)
{
	*out = c->arg[0];
	if (!need_index(c))
		return false;
	if (out->rank < 1)
		return need_rank(c, out, 1);
	if (out->dim[0] == 0) /* an index cannot be clamped to nothing */
		return fail(c, IR_E_empty_reduce, c->name);
	out->dim[0] = c->arg[1].dim[0];
	return true;
}

static bool shape_scatter(const check *c, ir_type *out)
{
	int64_t rows = attr(c, IR_ATTR_rows)->i;

	*out = c->arg[0];
	if (!need_index(c) || !need_number(c, out))
		return false;
	if (out->rank < 1)
		return need_rank(c, out, 1);
	if (out->dim[0] != c->arg[1].dim[0])
		return fail(c, IR_E_shape_inner, dim_text(out->dim[0]), dim_text(c->arg[1].dim[0]));
	if (rows < 0 || rows > DIM_MAX)
		return fail(c, IR_E_dim_range, (long long)rows);
	if (rows == 0)
		return fail(c, IR_E_empty_reduce, c->name);
	out->dim[0] = rows;
	return true;
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static shape_rule *const rule_of[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) [IR_##name] = shape_##shape,
#include "ir/ops.def"
#undef OP
};

static bool check_args(const check *c)
{
	int want = ir_op_info(c->op)->args;

	if (want < 0 ? c->narg >= 1 : c->narg == (size_t)want)
		return true;
	return fail(c, IR_E_arg_count, c->name, want < 0 ? 1 : want, (int)c->narg);
}

/* Limits that hold for every value. B counts as 1 here and is checked again when it is bound. */
static bool check_size(const check *c, const ir_type *t)
{
	int64_t n = 1;

	if (!need_dims(c, t))
		return false;
	for (int i = 0; i < t->rank; i++) /* a size of 0 counts as 1: strides are products of the others */
		if (t->dim[i] > 0 && (__builtin_mul_overflow(n, t->dim[i], &n) || n > COUNT_MAX))
			return fail(c, IR_E_too_large, type_text(t));
	return true;
}

bool ir_infer(ir_diag *d, ir_loc loc, ir_op op, const ir_type *arg, size_t narg, const ir_attr *attrs,
	      ir_type *out)
{
	check c = {d, loc, op, ir_op_info(op)->name, arg, narg, attrs};
	ir_type t = {0};

	if (!check_args(&c) || !rule_of[op](&c, &t) || !check_size(&c, &t))
		return false;
	for (int i = t.rank; i < IR_MAX_RANK; i++)
		t.dim[i] = 0; /* types are compared and hashed as values */
	*out = t;
	return true;
}
