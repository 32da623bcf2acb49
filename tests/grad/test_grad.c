/* SPDX-License-Identifier: Apache-2.0
 * tests/grad/test_grad.c -- every row of ops.def against its gradient rule, in f64.
 *
 * An instance (cases.h) is a function of inputs x0, x1, .. with one result. Its reverse mode (cc_vjp), run by the interpreter and
 * compiled, must agree with central differences of the interpreter, and <J u, v> with <u, J' v>; for smooth ops the
 * derivative of the derivative too. Kinks are avoided by construction: operands of max, min, relu, amax and compare come
 * from the multiples of 1/4, moved apart, so nothing within eps of a value is a tie. Rows ZERO must give zeros, rows
 * NONE the message not_smooth. A row without a case fails. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "compiler/grad/grad.h"
#include "tests/diff/diff.h"
#include "tests/grad/cases.h"

#define EPS   1e-6
#define ATOL  1e-7 /* of central differences with eps 1e-6 and values of size 1: truncation 1e-12, rounding 1e-10 times sums */
#define RTOL  1e-6
#define ATOL2 1e-6 /* of second derivatives */
#define SEEDS 3

static int failures, instances;
static bool seen[IR_OP_COUNT];
static int shapes[IR_OP_COUNT];
static cc_context *context;

/* ---- data ------------------------------------------------------------------------------------------------------ */

static double draw(rt_key k, uint64_t i, range r)
{
	double u = rt_random_unit(k, i);

	switch (r) {
	case PLAIN: return 4 * u - 2;
	case POSITIVE: return 0.5 + 2 * u;
	case AWAY: return u < 0.5 ? -0.5 - 3 * u : 0.5 + 3 * (u - 0.5);
	case APART: break;
	}
	return 0;
}

/* APART: the values of all inputs together are different multiples of 1/4, none is 0, in random order. */
static void fill(const in *x, rt_key k, uint64_t first, uint64_t all, const uint32_t *order, rt_tensor *t)
{
	int64_t n = ir_type_count(&x->type);

	for (int64_t i = 0; i < n; i++) {
		double v = x->range == APART ? 0.25 * ((double)order[first + (uint64_t)i] - (double)(all / 2)) + 0.125
					     : draw(k, first + (uint64_t)i, x->range);

		if (x->type.dtype == IR_BOOL)
			v = v > 0;
		if (x->type.dtype == IR_I32)
			v = floor(3 * rt_random_unit(k, first + (uint64_t)i)) + (i % 5 == 0 ? -1 : 0);
		rt_store(x->type.dtype, t->data, i, v);
	}
}

static void fill_all(const instance *c, rt_key k, ir_arena *a, rt_tensor *t)
{
	uint64_t all = 0, at = 0;
	uint32_t *order;

	for (int i = 0; i < c->nx; i++)
		all += (uint64_t)ir_type_count(&c->x[i].type);
	order = ar_new(a, uint32_t, all + 1);
	for (uint32_t i = 0; i < all; i++)
		order[i] = i;
	rt_shuffle(rt_key_split(k, 1), order, all);
	for (int i = 0; i < c->nx; i++) {
		t[i] = (rt_tensor){c->x[i].type, ar_alloc(a, ir_type_bytes(&c->x[i].type) + 16, 1)};
		fill(&c->x[i], k, at, all, order, &t[i]);
		at += (uint64_t)ir_type_count(&c->x[i].type);
	}
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

static ir_func *build(const instance *c, ir_arena *a, ir_diag *d)
{
	ir_func *f = ir_func_new(a, "f");
	ir_ref x[3], y;

	for (int i = 0; i < c->nx; i++) {
		ir_attr at = ir_a_type(IR_ATTR_type, c->x[i].type);

		x[i] = ir_build(f, d, (ir_loc){0}, IR_input, NULL, 0, &at, 1);
		ir_set_name(f, x[i], ar_printf(a, "x%d", i));
	}
	y = ir_build(f, d, (ir_loc){0}, c->op, x, (size_t)c->nx, c->attr, (size_t)c->nattr);
	if (y == IR_NO_REF)
		return NULL;
	ir_add_output(f, "y", y);
	return f;
}

static const double *result(const ir_func *f, const rt_tensor *leaf, size_t at, ir_arena *a)
{
	rt_tensor *out = ar_new(a, rt_tensor, f->nout + 1);
	double *copy;

	if (rt_interpret(f, leaf, out) != IR_OK)
		ir_bug("out of memory");
	copy = ar_alloc(a, ir_type_bytes(&out[at].type) + 16, 1);
	memcpy(copy, out[at].data, ir_type_bytes(&out[at].type));
	for (size_t i = 0; i < f->nout; i++)
		rt_tensor_free(&out[i]);
	return copy;
}

static void fail(const instance *c, uint64_t seed, const char *what, double got, double want)
{
	printf("%s(", ir_op_info(c->op)->name);
	for (int i = 0; i < c->nx; i++) {
		ir_str s;

		sb_init(&s);
		ir_type_print(&c->x[i].type, &s);
		printf("%s%s", i ? ", " : "", s.s);
		sb_fini(&s);
	}
	printf(") seed %llu: %s is %.12g, not %.12g\n", (unsigned long long)seed, what, got, want);
	failures++;
}

static bool near(double got, double want, double atol, double rtol)
{
	return fabs(got - want) <= atol + rtol * fabs(want);
}

/* ---- one function against differences ------------------------------------------------------------------------------ */

typedef struct check {
	const instance *c;
	ir_arena *a;
	uint64_t seed;
	ir_func *f, *vjp;
	rt_tensor leaf[4]; /* x.., then dy: the leaves of vjp in order */
	int64_t ny;
} check;

static bool is_float(const check *k, int i)
{
	return ir_dtype_is_float(k->c->x[i].type.dtype);
}

/* The output of vjp that belongs to input i. */
static size_t gradient_of(const check *k, int i)
{
	char name[16];

	snprintf(name, sizeof name, "d_x%d", i);
	for (size_t o = 0; o < k->vjp->nout; o++)
		if (!strcmp(k->vjp->out[o].name, name))
			return o;
	ir_bug("no output %s", name);
}

/* <y(x + h u), v> - <y(x - h u), v> over 2 h; with input i only at element j if u is NULL. */
static double slope(check *k, int i, int64_t j, rt_tensor *u, double h)
{
	rt_tensor moved[3];
	const double *v = k->leaf[k->c->nx].data, *y;
	double side[2] = {0, 0};

	for (int s = 0; s < 2; s++) {
		for (int x = 0; x < k->c->nx; x++) {
			int64_t n = ir_type_count(&k->leaf[x].type);
			double *p = ar_alloc(k->a, ir_type_bytes(&k->leaf[x].type) + 16, 1), step = s ? -h : h;

			memcpy(p, k->leaf[x].data, ir_type_bytes(&k->leaf[x].type));
			moved[x] = (rt_tensor){k->leaf[x].type, p};
			if (u && is_float(k, x))
				for (int64_t e = 0; e < n; e++)
					p[e] += step * ((double *)u[x].data)[e];
			if (!u && x == i)
				p[j] += step;
		}
		y = result(k->f, moved, 0, k->a);
		for (int64_t e = 0; e < k->ny; e++)
			side[s] += y[e] * v[e];
	}
	return (side[0] - side[1]) / (2 * h);
}

static void against_differences(check *k, const double *const *g)
{
	for (int i = 0; i < k->c->nx; i++)
		for (int64_t j = 0; is_float(k, i) && j < ir_type_count(&k->c->x[i].type); j++) {
			double want = slope(k, i, j, NULL, EPS);
			char what[48];

			snprintf(what, sizeof what, "d y / d x%d[%lld]", i, (long long)j);
			if (!near(g[i][j], want, ATOL, RTOL)) {
				fail(k->c, k->seed, what, g[i][j], want);
				return;
			}
		}
}

static void dot_product_test(check *k, const double *const *g)
{
	rt_tensor u[3];
	double back = 0, size = 0, want;

	for (int i = 0; i < k->c->nx; i++) {
		int64_t n = ir_type_count(&k->c->x[i].type);

		u[i] = (rt_tensor){k->c->x[i].type, ar_new(k->a, double, (size_t)n + 1)};
		for (int64_t j = 0; is_float(k, i) && j < n; j++) {
			double d = 2 * rt_random_unit(rt_key_seed(k->seed + 77), (uint64_t)(1000 * i + j)) - 1;

			((double *)u[i].data)[j] = d;
			back += d * g[i][j];
			size += fabs(d * g[i][j]);
		}
	}
	want = slope(k, -1, 0, u, EPS);
	if (!near(back, want, ATOL + RTOL * size, RTOL))
		fail(k->c, k->seed, "<u, J' v>", back, want);
}

/* The compiled reverse mode gives what the interpreted one gives, within the interpreter's rounding of sums. */
static void compiled(check *k)
{
	td_how h = {context, 2, 2, 1, NULL};
	td_buffer out[8];
	ir_str why;

	sb_init(&why);
	if (!td_run_given(&h, k->vjp, k->leaf, out, &why)) {
		printf("%s: %s\n", ir_op_info(k->c->op)->name, why.s);
		failures++;
	}
	for (size_t o = 0; o < k->vjp->nout && !why.n; o++) {
		const double *want = result(k->vjp, k->leaf, o, k->a), *got = (const double *)(void *)out[o].p;
		ir_type t = k->vjp->ins[k->vjp->out[o].ref].type;

		for (int64_t i = 0; ir_dtype_is_float(t.dtype) && i < ir_type_count(&t); i++)
			if (!near(got[i], want[i], 1e-13, 1e-12)) {
				fail(k->c, k->seed, "compiled", got[i], want[i]);
				break;
			}
	}
	for (size_t o = 0; o < k->vjp->nout; o++)
		td_buffer_free(&out[o]);
	sb_fini(&why);
}

/* Element j of input i of the direction along which second derivatives are looked at. */
static double along(const check *k, int i, int64_t j)
{
	return 2 * rt_random_unit(rt_key_seed(k->seed + 99), (uint64_t)(1000 * i + j)) - 1;
}

/* The leaves of twice: those of vjp, then the weights of its results. y's own are zero, so that only gradients count. */
static void fill_twice(const check *k, const ir_func *twice, rt_tensor *leaf)
{
	size_t n = 0, base = (size_t)k->c->nx + 1;

	for (size_t i = 0; i < twice->n; i++) {
		const ir_ins *p = &twice->ins[i];
		int64_t count = ir_type_count(&p->type);

		if (p->op != IR_input)
			continue;
		leaf[n] = n < base ? k->leaf[n] : (rt_tensor){p->type, ar_alloc(k->a, ir_type_bytes(&p->type) + 16, 1)};
		for (int64_t e = 0; n >= base && e < count; e++)
			rt_store(p->type.dtype, leaf[n].data, e, 2 * rt_random_unit(rt_key_seed(k->seed + n), (uint64_t)e) - 1);
		n++;
	}
	memset(leaf[base].data, 0, ir_type_bytes(&leaf[base].type));
}

/* <d_x0.., weights> with every input moved by h along the direction. */
static double gradients_at(check *k, const rt_tensor *weight, double h)
{
	rt_tensor moved[4];
	double sum = 0;

	memcpy(moved, k->leaf, sizeof k->leaf);
	for (int i = 0; i < k->c->nx; i++) {
		double *p = ar_alloc(k->a, ir_type_bytes(&k->leaf[i].type) + 16, 1);

		memcpy(p, k->leaf[i].data, ir_type_bytes(&k->leaf[i].type));
		moved[i].data = p;
		for (int64_t j = 0; is_float(k, i) && j < ir_type_count(&k->leaf[i].type); j++)
			p[j] += h * along(k, i, j);
	}
	for (int i = 0; i < k->c->nx; i++) {
		const double *g;

		if (!is_float(k, i))
			continue;
		g = result(k->vjp, moved, gradient_of(k, i), k->a);
		for (int64_t j = 0; j < ir_type_count(&k->leaf[i].type); j++)
			sum += g[j] * ((const double *)weight->data)[j];
		weight++;
	}
	return sum;
}

/* Gradients of <d_x0.., w> against differences of d_x0.. along a direction: the derivative of the derivative. */
static void second(check *k, ir_diag *d)
{
	ir_func *twice = cc_vjp(k->vjp, k->a, d);
	const rt_tensor *weight;
	rt_tensor leaf[16];
	size_t o = k->vjp->nout; /* gradients follow in the order of the leaves */
	double back = 0, size = 0, want;

	if (!twice) {
		printf("%s: no second derivative\n", ir_op_info(k->c->op)->name);
		failures++;
		return;
	}
	fill_twice(k, twice, leaf);
	weight = &leaf[k->c->nx + 2];
	for (int i = 0; i < k->c->nx; i++) {
		const double *g;

		if (!is_float(k, i))
			continue;
		g = result(twice, leaf, o++, k->a);
		for (int64_t j = 0; j < ir_type_count(&k->c->x[i].type); j++) {
			double u = along(k, i, j);

			back += u * g[j], size += fabs(u * g[j]);
		}
	}
	want = (gradients_at(k, weight, EPS) - gradients_at(k, weight, -EPS)) / (2 * EPS);
	if (!near(back, want, ATOL2 + RTOL * size, RTOL))
		fail(k->c, k->seed, "second derivative", back, want);
}

static void run(const instance *c, uint64_t seed)
{
	check k = {.c = c, .a = ar_open(), .seed = seed};
	ir_diag *d = ir_diag_new();
	const double *g[3] = {0};
	rt_key key = rt_key_for(rt_key_seed(seed), RT_FOR_TEST, c->op);
	ir_type ty;

	k.f = build(c, k.a, d);
	k.vjp = k.f ? cc_vjp(k.f, k.a, d) : NULL;
	if (!k.vjp) {
		fail(c, seed, "gradient", 0, 1);
	} else {
		ty = k.f->ins[k.f->out[0].ref].type;
		k.ny = ir_type_count(&ty);
		fill_all(c, key, k.a, k.leaf);
		k.leaf[c->nx] = (rt_tensor){ty, ar_new(k.a, double, (size_t)k.ny + 1)};
		for (int64_t i = 0; i < k.ny; i++)
			((double *)k.leaf[c->nx].data)[i] = 2 * rt_random_unit(rt_key_split(key, 5), (uint64_t)i) - 1;
		for (int i = 0; i < c->nx; i++)
			g[i] = is_float(&k, i) ? result(k.vjp, k.leaf, gradient_of(&k, i), k.a) : NULL;
		against_differences(&k, g);
		dot_product_test(&k, g);
		compiled(&k);
		if (c->smooth)
			second(&k, d);
	}
	seen[c->op] = true;
	instances++;
	ir_diag_free(d);
	ar_free(k.a);
}

void tg_run(const instance *c)
{
	shapes[c->op]++;
	for (uint64_t s = 1; s <= SEEDS; s++)
		run(c, s);
}

/* ---- the walk ------------------------------------------------------------------------------------------------------- */

static const char *const rule_of[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) [IR_##name] = #grad,
#include "ir/ops.def"
#undef OP
};

/* y = sum(op(x) as f64) + sum(x): the op must add nothing to the gradient 1. NONE: it must say not_smooth. */
static void flat_row(ir_op op, const char *rule)
{
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_func *f = ir_func_new(a, "f"), *g;
	ir_type t = F(1, 7), key = ir_type_make(IR_I32, 1, (int64_t[]){2});
	ir_attr in_x = ir_a_type(IR_ATTR_type, t), in_key = ir_a_type(IR_ATTR_type, key), axis = ir_a_ints(IR_ATTR_axes, 1, (int64_t[]){0});
	ir_attr wide = ir_a_type(IR_ATTR_type, ir_type_scalar(IR_F64)), dir = ir_a_int(IR_ATTR_dir, IR_CMP_gt), out = in_x;
	ir_loc at = {0};
	ir_ref x = ir_emit(f, NULL, at, IR_input, NULL, 0, &in_x, 1), k = ir_emit(f, NULL, at, IR_input, NULL, 0, &in_key, 1), y, sum;

	ir_set_name(f, x, "x");
	ir_set_name(f, k, "key");
	if (op == IR_compare)
		y = ir_emit(f, NULL, at, op, (ir_ref[]){x, x}, 2, &dir, 1);
	else if (op == IR_uniform || op == IR_normal)
		y = ir_emit(f, NULL, at, op, &k, 1, &out, 1);
	else
		y = ir_emit1(f, NULL, at, op, x);
	y = ir_emit(f, NULL, at, IR_cast, &y, 1, &wide, 1);
	sum = ir_emit(f, NULL, at, IR_sum, &x, 1, &axis, 1);
	y = ir_emit(f, NULL, at, IR_sum, &y, 1, &axis, 1);
	y = ir_emit2(f, NULL, at, IR_add, y, sum);
	ir_add_output(f, "y", y);
	g = cc_grad(f, "y", &x, 1, a, d);
	if (!g) {
		printf("%s (%s): no gradient\n", ir_op_info(op)->name, rule);
		failures++;
	} else {
		rt_tensor leaf[2] = {{t, ar_new(a, double, 7)}, {key, ar_new(a, double, 1)}};
		const double *dx = result(g, leaf, 1, a);

		for (int i = 0; i < 7; i++)
			if (dx[i] != 1) {
				printf("%s (%s): adds %g to the gradient\n", ir_op_info(op)->name, rule, dx[i] - 1);
				failures++;
			}
	}
	seen[op] = true;
	ir_diag_free(d);
	ar_free(a);
}

/* The reverse sweep never asks a leaf or an i32 for its adjoint, and no row NONE is more than that today: so the sweep must
 * pass, and the rule itself, asked directly, must refuse with not_smooth. */
static void none_row(ir_op op)
{
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_func *f = ir_func_new(a, "f");
	ir_type t = op == IR_split ? ir_type_make(IR_I32, 1, (int64_t[]){2}) : (ir_type)F(1, 7);
	ir_attr at[3];
	cc_grad_ctx g = {.f = f, .d = d};
	ir_ref x, y, dx = IR_NO_REF;
	size_t n = 0;

	at[n++] = ir_a_type(IR_ATTR_type, t);
	x = ir_emit(f, NULL, (ir_loc){0}, IR_input, NULL, 0, at, 1);
	ir_set_name(f, x, "x");
	if (op == IR_constant)
		at[n++] = ir_a_float(IR_ATTR_value, 3);
	if (op == IR_iota)
		at[n++] = ir_a_int(IR_ATTR_axis, 0);
	if (op == IR_split)
		at[0] = ir_a_int(IR_ATTR_index, 1);
	y = op == IR_input ? x : ir_emit(f, NULL, (ir_loc){0}, op, &x, (size_t)ir_op_info(op)->args, at, n);
	if (!f->ins[y].name)
		ir_set_name(f, y, "y");
	ir_add_output(f, "out", y);
	if (!cc_vjp(f, a, d) || grad_NONE(&g, y, y, &dx) || ir_diag_size(d) != 1 ||
	    ir_diag_get(d, 0)->id != IR_E_not_smooth) {
		printf("%s (NONE): the sweep must pass it by, the rule must say not_smooth\n", ir_op_info(op)->name);
		failures++;
	}
	ir_diag_free(d);
	ar_free(a);
	seen[op] = true;
}

/* f32 to f64 and back: the adjoint is cast back, in the operand's type, rounded as the cast rounds. */
static void cast_row(ir_dtype from, ir_dtype to)
{
	ir_arena *a = ar_open();
	ir_func *f = ir_func_new(a, "f"), *g;
	ir_type tx = ir_type_make(from, 1, (int64_t[]){9}), ty = ir_type_make(to, 1, (int64_t[]){9});
	ir_attr in_x = ir_a_type(IR_ATTR_type, tx), cast = ir_a_type(IR_ATTR_type, ty);
	ir_ref x = ir_emit(f, NULL, (ir_loc){0}, IR_input, NULL, 0, &in_x, 1);
	rt_tensor leaf[2] = {{tx, ar_new(a, double, 9)}, {ty, ar_new(a, double, 9)}};
	const void *dx;

	ir_set_name(f, x, "x");
	ir_add_output(f, "y", ir_emit(f, NULL, (ir_loc){0}, IR_cast, &x, 1, &cast, 1));
	g = cc_vjp(f, a, NULL);
	for (int i = 0; i < 9; i++)
		rt_store(to, leaf[1].data, i, 0.1 * i);
	dx = result(g, leaf, 1, a);
	for (int i = 0; i < 9; i++)
		if (rt_load(from, dx, i) != (float)(0.1 * i)) {
			printf("cast %s to %s: wrong adjoint\n", ir_dtype_text(from), ir_dtype_text(to));
			failures++;
		}
	ar_free(a);
}

int main(void)
{
	cc_context_options o = cc_context_default();
	double t0 = rt_seconds();

	o.cache_dir = "";
	if (cc_context_new(&o, &context, NULL) != IR_OK)
		return 1;
	for (int op = 0; op < IR_OP_COUNT; op++) {
		const char *name = ir_op_info((ir_op)op)->name;

		if (!strcmp(rule_of[op], "ZERO"))
			flat_row((ir_op)op, rule_of[op]);
		else if (!strcmp(rule_of[op], "NONE"))
			none_row((ir_op)op);
		else
			tg_cases((ir_op)op);
		if (!seen[op] || (shapes[op] && shapes[op] < 8)) {
			printf("%s: too few cases\n", name);
			failures++;
		}
	}
	cast_row(IR_F32, IR_F64);
	cast_row(IR_F64, IR_F32);
	printf("%d instances, %d failures, %.1f s\n", instances, failures, rt_seconds() - t0);
	cc_context_free(context);
	return failures != 0;
}
