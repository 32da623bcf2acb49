/* SPDX-License-Identifier: Apache-2.0
 * Products with bf16 operands: rounded to nearest even, summed in f32 in chains of 16; the same bits with AMX, with VDPBF16PS
 * and on targets that do it by shifts and multiply-adds, for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tests/diff/diff.h"

static ir_diag *diag;

/* How A and B are stored; the shapes m x k and k x n. one: A is one number, so that no stride is 1. */
typedef struct shape {
	int m, k, n;
	bool ta, tb, one;
} shape;

static const shape shapes[] = {
	{1, 1, 1, 0, 0, 0},	{1, 2, 1, 1, 0, 0},	{5, 3, 7, 0, 1, 0},	 {6, 127, 64, 0, 0, 0},	  {7, 128, 65, 1, 1, 0},
	{200, 129, 63, 1, 0, 0}, {193, 31, 130, 0, 1, 0}, {37, 1023, 17, 0, 0, 0}, {195, 1025, 66, 1, 0, 0}, {12, 2049, 40, 0, 1, 0},
	{400, 64, 20, 1, 1, 0}, {3, 0, 5, 0, 0, 0},	{37, 70, 66, 0, 0, 1},	 {17, 33, 5, 1, 0, 1},	  {16, 32, 64, 0, 0, 0},
	{18, 1024, 65, 0, 0, 0}, {19, 1100, 3, 0, 0, 1},
};

static ir_func *product(const shape *s, ir_arena *a)
{
	ir_module *m;
	char *dims = ar_printf(a, "[%d,%d]", s->ta ? s->k : s->m, s->ta ? s->m : s->k);
	char *text = ar_printf(a,
			       "gradmill 1\nfunc f(a: f32%s, b: f32[%d,%d]) {\n  m = broadcast a, shape=%s\n"
			       "  y = matmul m, b, ta=%s, tb=%s, bf16=true\n  return y\n}\n",
			       s->one ? "[]" : dims, s->tb ? s->n : s->k, s->tb ? s->k : s->n, dims, s->ta ? "true" : "false",
			       s->tb ? "true" : "false");

	m = ir_parse("t.gm", text, strlen(text), a, diag);
	assert_non_null(m);
	return (ir_func *)ir_module_find(m, "f");
}

static void fill(rt_tensor *t, uint64_t seed)
{
	for (int64_t i = 0; i < ir_type_count(&t->type); i++)
		rt_store(IR_F32, t->data, i, rt_random_unit(rt_key_seed(seed), (uint64_t)i) - 0.4);
}

static void run(cc_context *c, const ir_func *f, int threads, const rt_tensor in[2], rt_tensor *out)
{
	cc_options o = {.threads = threads, .opt_level = 2};
	cc_program *p;
	rt_exec *e;

	assert_int_equal(cc_compile(c, f, &o, &p, diag), IR_OK);
	assert_int_equal(rt_exec_new(cc_program_plan(p), &e), IR_OK);
	assert_int_equal(rt_tensor_alloc(out, cc_program_output_type(p, 0)), IR_OK);
	for (size_t i = 0; i < cc_program_leaves(p); i++)
		rt_bind_leaf(e, i, in[i].data, 0);
	rt_bind_output(e, 0, out->data, 0);
	rt_run(e, 1);
	rt_exec_free(e);
	cc_program_free(p);
}

/* Sums of exact products, each addition rounded: at most K half units of the sum of magnitudes. */
static void is_close(const shape *s, const rt_tensor *got, const rt_tensor *want)
{
	double bound = (s->k + 1) * 0x1p-24 * (0.36 * s->k + 1);

	for (int64_t i = 0; i < ir_type_count(&want->type); i++)
		if (!(fabs(rt_load(IR_F32, got->data, i) - rt_load(IR_F32, want->data, i)) <= bound))
			fail_msg("%d x %d x %d: element %lld is %g, not %g", s->m, s->n, s->k, (long long)i,
				 rt_load(IR_F32, got->data, i), rt_load(IR_F32, want->data, i));
}

static void every_target_computes_the_same_bits(void **state)
{
	enum { TARGETS = 5 };
	static const char *const target[TARGETS] = {NULL, "znver4", "x86-64-v4", "x86-64-v3", "x86-64"};
	cc_context *c[TARGETS] = {NULL};

	(void)state;
	assert_true(td_open_contexts(target, TARGETS, c));
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		ir_arena *a = ar_open();
		const ir_func *f = product(&shapes[i], a);
		rt_tensor in[2], want, first = {.data = NULL};

		for (int k = 0; k < 2; k++) {
			assert_int_equal(rt_tensor_alloc(&in[k], f->ins[k].type), IR_OK);
			fill(&in[k], (uint64_t)(10 * i) + (uint64_t)k);
		}
		assert_int_equal(rt_interpret(f, in, &want), IR_OK);
		for (size_t t = 0; t < TARGETS; t++)
			for (int threads = 1; threads <= 3 && c[t]; threads += 2) {
				rt_tensor got;

				run(c[t], f, threads, in, &got);
				is_close(&shapes[i], &got, &want);
				if (first.data && memcmp(first.data, got.data, ir_type_bytes(&got.type)))
					fail_msg("%d x %d x %d differs on %s", shapes[i].m, shapes[i].n, shapes[i].k, cc_context_target(c[t]));
				if (first.data)
					rt_tensor_free(&got);
				else
					first = got;
			}
		rt_tensor_free(&first);
		rt_tensor_free(&want);
		rt_tensor_free(&in[0]);
		rt_tensor_free(&in[1]);
		ar_free(a);
	}
	td_close_contexts(c, TARGETS);
}

/* a 1 = a: the rounding itself, at ties and at the ends of the range. */
static void rounding_is_to_nearest_even(void **state)
{
	static const struct {
		uint32_t in, out;
	} row[] = {
		{0x3f808000, 0x3f800000}, {0x3f818000, 0x3f820000}, {0x3f808001, 0x3f810000}, {0x3f807fff, 0x3f800000},
		{0xbf818000, 0xbf820000}, {0x7f7fffff, 0x7f800000}, {0x7f800000, 0x7f800000}, {0xff800000, 0xff800000},
		{0x00800000, 0x00800000}, {0x80000000, 0x00000000 /* 0 + -0 */}, {0x7f7f7fff, 0x7f7f0000}, {0x7fc00000, 0x7fc00000},
	};
	enum { N = sizeof row / sizeof *row };
	const shape s = {N, 1, 1, 0, 0, 0};
	cc_context_options o = cc_context_default();
	ir_arena *a = ar_open();
	const ir_func *f = product(&s, a);
	rt_tensor in[2], out;
	cc_context *c;

	(void)state;
	o.cache_dir = "";
	assert_int_equal(cc_context_new(&o, &c, diag), IR_OK);
	for (int k = 0; k < 2; k++)
		assert_int_equal(rt_tensor_alloc(&in[k], f->ins[k].type), IR_OK);
	for (int i = 0; i < N; i++)
		((uint32_t *)in[0].data)[i] = row[i].in;
	((float *)in[1].data)[0] = 1;
	run(c, f, 1, in, &out);
	for (int i = 0; i < N; i++)
		if (((uint32_t *)out.data)[i] != row[i].out)
			fail_msg("%08x became %08x, not %08x", row[i].in, ((uint32_t *)out.data)[i], row[i].out);
	for (int k = 0; k < 2; k++)
		rt_tensor_free(&in[k]);
	rt_tensor_free(&out);
	cc_context_free(c);
	ar_free(a);
}

/* Whoever rounds the products of a model rounds those of its gradient; in f64 nothing is rounded; f64 operands are refused. */
static void precision_is_kept_by_gradients(void **state)
{
	static const char text[] = "gradmill 1\nfunc main(x: f32[4,3]) {\n  y = dense<2>(x)\n  loss = mean y, axes=[0,1]\n  return loss\n}\n"
				   "func g(x: f64[4,4]) {\n  y = matmul x, x\n  return y\n}\n";
	ir_arena *a = ar_open();
	ir_module *m = ir_parse("t.gm", text, sizeof text - 1, a, diag);
	const ir_func *f = ir_round_products(ir_module_find(m, "main"), a, diag), *g;
	ir_diag *d = ir_diag_new();
	ir_ref wrt[3];
	size_t n = 0, products = 0;

	(void)state;
	for (size_t i = 0; i < f->n; i++)
		if (ir_is_leaf(f, (ir_ref)i))
			wrt[n++] = (ir_ref)i;
	g = cc_grad(f, "loss", wrt, n, a, diag);
	assert_non_null(g);
	for (size_t i = 0; i < g->n; i++)
		if (g->ins[i].op == IR_matmul) {
			products++;
			assert_int_equal(ir_attr_int(&g->ins[i], IR_ATTR_bf16), 1);
		}
	assert_int_equal(products, 3);
	g = ir_widen(f, a);
	for (size_t i = 0; i < g->n; i++)
		if (g->ins[i].op == IR_matmul)
			assert_int_equal(ir_attr_int(&g->ins[i], IR_ATTR_bf16), 0);
	assert_null(ir_round_products(ir_module_find(m, "g"), a, d));
	assert_int_equal(ir_diag_count(d, IR_ERROR), 1);
	ir_diag_free(d);
	ar_free(a);
}

static int open_diag(void **state)
{
	(void)state;
	diag = ir_diag_new();
	return 0;
}

static int close_diag(void **state)
{
	(void)state;
	ir_diag_free(diag);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_target_computes_the_same_bits),
		cmocka_unit_test(rounding_is_to_nearest_even),
		cmocka_unit_test(precision_is_kept_by_gradients),
	};

	return cmocka_run_group_tests(tests, open_diag, close_diag);
}
