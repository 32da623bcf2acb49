/* SPDX-License-Identifier: Apache-2.0
 * Every row of rules.def on random and special operands: the interpreter must answer the same before and after simplify,
 * and the row must fire. Rows marked FAST may turn -0 into +0. Also here: the two gradient rules that no text reaches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "compiler/cc_int.h"
#include "compiler/grad/grad.h"

#define N 64

enum { X, INNER }; /* the results of UNARY rows */

typedef struct rule {
	ir_op op, inner;          /* inner: UNARY rows */
	const char *left, *right; /* BINARY rows: ANY, ZERO, ONE, SAME; NULL for UNARY */
	bool keeps_inner;         /* UNARY rows whose result is INNER */
} rule;

static const rule rules[] = {
#define BINARY(op, left, right, result) {IR_##op, IR_OP_COUNT, #left, #right, false},
#define UNARY(outer, inner, result)     {IR_##outer, IR_##inner, NULL, NULL, result},
#include "compiler/rules.def"
#undef BINARY
#undef UNARY
};

static const double special[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1e-310, -1e-42, 3e38, 1e308, 0.1};

static ir_ref operand(ir_func *f, const char *pattern, ir_ref x, ir_dtype t)
{
	if (!strcmp(pattern, "ZERO"))
		return ir_emit_constant(f, NULL, (ir_loc){0}, 0, ir_type_scalar(t));
	if (!strcmp(pattern, "ONE"))
		return ir_emit_constant(f, NULL, (ir_loc){0}, 1, ir_type_scalar(t));
	return x;
}

/* func(x) of one rule's left-hand side. */
static ir_func *left_side(const rule *r, ir_dtype t, ir_arena *a)
{
	ir_func *f = ir_func_new(a, "f");
	ir_attr at = ir_a_type(IR_ATTR_type, ir_type_make(t, 1, (int64_t[]){N}));
	ir_ref x = ir_emit(f, NULL, (ir_loc){0}, IR_input, NULL, 0, &at, 1), y;

	ir_set_name(f, x, "x");
	if (r->left) {
		ir_ref right = operand(f, r->right, x, t), left = operand(f, r->left, x, t);

		y = ir_emit2(f, NULL, (ir_loc){0}, r->op, left, right);
	} else {
		y = ir_emit1(f, NULL, (ir_loc){0}, r->op, ir_emit1(f, NULL, (ir_loc){0}, r->inner, x));
	}
	ir_add_output(f, "y", y);
	return f;
}

static rt_tensor run(const ir_func *f, const rt_tensor *x)
{
	rt_tensor out;

	assert_int_equal(rt_interpret(f, x, &out), IR_OK);
	return out;
}

static void same_answer(const rule *r, ir_dtype t)
{
	ir_arena *a = ar_open();
	ir_func *before = left_side(r, t, a), *after = cc_pass_dce(cc_pass_simplify(before, a, NULL), a, NULL);
	bool zero_sign_matters = r->op != IR_add;
	rt_tensor x, p, q;

	assert_true(ir_verify(after, NULL));
	assert_int_equal(after->n, r->keeps_inner ? 2 : 1); /* it fired: only the input, or one op on it, is left */
	assert_int_equal(rt_tensor_alloc(&x, before->ins[0].type), IR_OK);
	for (int64_t i = 0; i < N; i++)
		rt_store(t, x.data, i, (size_t)i < sizeof special / sizeof *special
					 ? special[i]
					 : 200 * (rt_random_unit(rt_key_seed(7), (uint64_t)i) - .5));
	p = run(before, &x);
	q = run(after, &x);
	for (int64_t i = 0; i < N; i++) {
		double u = rt_load(t, p.data, i), v = rt_load(t, q.data, i);

		assert_true(u == v || (isnan(u) && isnan(v)));
		assert_true(!zero_sign_matters || isnan(u) || !signbit(u) == !signbit(v));
	}
	rt_tensor_free(&x);
	rt_tensor_free(&p);
	rt_tensor_free(&q);
	ar_free(a);
}

static void every_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		same_answer(&rules[i], IR_F32);
		same_answer(&rules[i], IR_F64);
	}
}

/* No op that takes floats has the gradient NONE today, so only a direct call reaches it. */
static void none_reports_not_smooth(void **state)
{
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_func *f = left_side(&rules[0], IR_F32, a);
	cc_grad_ctx g = {.f = f, .d = d};
	ir_ref dx[2];

	(void)state;
	assert_false(grad_NONE(&g, (ir_ref)f->n - 1, 0, dx));
	assert_string_equal(ir_msg_name(ir_diag_get(d, 0)->id), "not_smooth");
	assert_true(grad_ZERO(&g, (ir_ref)f->n - 1, 0, dx));
	ir_diag_free(d);
	ar_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule),
		cmocka_unit_test(none_reports_not_smooth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
