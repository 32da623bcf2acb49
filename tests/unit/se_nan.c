/* SPDX-License-Identifier: Apache-2.0
 * The first value that is not finite: its operation, its place and its step, on models that go wrong in one known way each:
 * forward, in a gradient only, in the optimiser, in what was given; and what must not be blamed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "search/learn/learn.h"

#define ROWS  60
#define WIDTH 4

static cc_context *context;
static ir_arena *arena;
static ir_diag *diag;
static float table[ROWS * WIDTH];
static uint32_t rows[ROWS];
static le_data data;

/* Rows of halves and one and a half; nothing is 0. */
static int set_up(void **state)
{
	cc_context_options o = cc_context_default();

	(void)state;
	for (uint32_t i = 0; i < ROWS; i++) {
		rows[i] = i;
		for (uint32_t c = 0; c < WIDTH; c++)
			table[i * WIDTH + c] = i * c % 3 ? 0.5f : 1.5f;
	}
	data = (le_data){.name = (char[]){"rows"}, .table = {.dtype = IR_F32, .rows = ROWS, .width = WIDTH, .data = table}};
	data.train = rows, data.ntrain = 40;
	data.val = rows + 40, data.nval = 15;
	data.test = rows + 55, data.ntest = 5;
	o.cache_dir = "";
	diag = ir_diag_new();
	arena = ar_open();
	return cc_context_new(&o, &context, diag) == IR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	cc_context_free(context);
	ar_free(arena);
	ir_diag_free(diag);
	return 0;
}

static le_config config(void)
{
	le_config c = le_config_default();

	c.batch = 10;
	c.epochs = 3;
	c.lr = 1e-2;
	c.seed = 7;
	return c;
}

/* The body of main(x: f32[B,4]) begins on line 3. */
static le_nan find(const char *body, const le_config *c)
{
	const char *text = ar_printf(arena, "gradmill 1\nfunc main(x: f32[B,4]) {\n%s}\n", body);
	size_t live = rt_live_bytes();
	ir_module *m;
	le_nan n;
	ir_str s;

	ir_diag_clear(diag);
	m = ir_parse("t.gm", text, strlen(text), arena, diag);
	sb_init(&s);
	ir_diag_print_all(diag, &s);
	if (!m || le_find_nan(context, m, &data, c, arena, &n, diag) != IR_OK)
		fail_msg("%s", s.s);
	sb_fini(&s);
	assert_int_equal(rt_live_bytes(), live);
	return n;
}

static void expect(const le_nan *n, const char *op, const char *part, uint32_t line)
{
	assert_int_equal(n->blame, LE_BLAME_OP);
	assert_string_equal(n->op, op);
	assert_string_equal(n->part, part);
	assert_int_equal(n->loc.line, line);
}

static void log_of_negative(void **state)
{
	le_config c = config();
	le_nan n = find("  w = param f32[4]\n  n = sub w, x\n  l = log n\n  q = mul l, l\n  loss = mean q, axes=[0,1]\n"
			"  return loss\n", &c);

	(void)state;
	expect(&n, "log", "forward", 5);
	assert_string_equal(n.name, "l");
	assert_int_equal(n.loc.col, 7); /* of the operation */
	assert_int_equal(n.step, 1);
	assert_int_equal(n.epoch, 1);
	assert_string_equal(n.result, "loss");
	assert_true(n.nan && n.bad == 40 && n.count == 40);
}

static void overflow_in_exp(void **state)
{
	le_config c = config();
	le_nan n = find("  w = param f32[4]\n  s = mul x, 100.0\n  a = add s, w\n  e = exp a\n  loss = mean e, axes=[0,1]\n"
			"  return loss\n", &c);

	(void)state;
	expect(&n, "exp", "forward", 6);
	assert_true(!n.nan && n.bad > 0 && n.bad < n.count); /* exp(50) is fine, exp(150) is not */
}

/* sqrt(0) is 0, its derivative is not: the loss of the first step is finite. */
static void gradient_only(void **state)
{
	le_config c = config();
	le_nan n = find("  w = param f32[4]\n  a = mul x, w\n  q = mul a, a\n  r = sqrt q\n  loss = mean r, axes=[0,1]\n"
			"  return loss\n", &c);

	(void)state;
	expect(&n, "div", "gradient", 6);
	assert_null(n.name);
	assert_int_equal(n.step, 1);
	assert_string_not_equal(n.result, "loss");
}

static const char *const line_fit = "  w = param f32[4,4], init=he_uniform\n  b = param f32[4]\n  h = matmul x, w\n"
				    "  y = add h, b\n  loss = mse(y, x)\n  return loss\n";

/* The weights leave the range in the second step; the loss hears of it in the third. */
static void overflow_in_the_optimiser(void **state)
{
	le_config c = config();
	le_nan n;

	(void)state;
	c.objective.optimizer = CC_SGD;
	c.lr = 3e38;
	n = find(line_fit, &c);
	assert_int_equal(n.blame, LE_BLAME_OP);
	assert_string_equal(n.part, "optimiser");
	assert_true(n.loc.line == 3 || n.loc.line == 4); /* the weight's */
	assert_true(!strcmp(n.result, "w") || !strcmp(n.result, "b"));
	assert_true(n.step >= 1 && n.step <= 2);
}

static void the_learning_rate_itself(void **state)
{
	le_config c = config();
	le_nan n;

	(void)state;
	c.lr = 1e39;
	n = find(line_fit, &c);
	assert_int_equal(n.blame, LE_BLAME_OP);
	assert_string_equal(n.op, "input");
	assert_string_equal(n.part, "given");
	assert_int_equal(n.step, 1);
}

/* A library function has the place of its call. */
static void place_of_a_call(void **state)
{
	le_config c = config();
	le_nan n = find("  a = mul x, 1e30\n  h = dense<4>(a)\n  y = mul h, 1e20\n  loss = mse(y, x)\n  return loss\n", &c);

	(void)state;
	expect(&n, "mul", "forward", 5);
	n = find("  h = dense<4>(x)\n  y = mul h, 1e20\n  loss = mse(y, x)\n  return loss\n", &c);
	expect(&n, "mul", "forward", 5);
	assert_string_equal(n.name, "loss_s");
}

/* -inf below a maximum, and one that a select throws away, are what the text wants. The log that follows is not. */
static void infinities_of_the_text(void **state)
{
	le_config c = config();
	le_nan n = find("  w = param f32[4], init=zeros\n  c = compare x, 1.0, dir=gt\n  s = select c, x, -inf\n"
			"  m = amax s, axes=[1]\n  z = max m, -inf\n  k = max z, 0.0\n  p = div x, 0.0\n"
			"  t = select c, p, x\n  u = select c, x, t\n  d = sub u, w\n  q = mul d, d\n  l = mean q, axes=[0,1]\n"
			"  o = mean k, axes=[0]\n  loss = add l, o\n  return loss\n", &c);

	(void)state;
	assert_int_equal(n.blame, LE_BLAME_NOBODY);
	assert_int_equal(n.step, 0);
	n = find("  w = param f32[4], init=zeros\n  c = compare x, 9.0, dir=gt\n  s = select c, x, -inf\n"
		 "  m = amax s, axes=[1]\n  r = reshape m, shape=[B,1]\n  e = sub s, r\n  p = exp e\n  d = sub p, w\n"
		 "  q = mul d, d\n  loss = mean q, axes=[0,1]\n  return loss\n", &c);
	expect(&n, "sub", "forward", 8); /* -inf - -inf: everything was masked */
	assert_true(n.nan);
}

static void clean(void **state)
{
	le_config c = config();
	le_nan n = find(line_fit, &c);

	(void)state;
	assert_int_equal(n.blame, LE_BLAME_NOBODY);
	assert_null(n.result);
}

/* A NaN among the rows comes from outside. */
static void bad_rows(void **state)
{
	le_config c = config();
	le_nan n;

	(void)state;
	table[5 * WIDTH] = NAN;
	n = find(line_fit, &c);
	table[5 * WIDTH] = 0.5f;
	assert_int_equal(n.blame, LE_BLAME_OP);
	assert_string_equal(n.part, "given");
	assert_string_equal(n.name, CC_IN_TABLE);
	assert_true(n.nan && n.bad == 1 && n.epoch == 1);
}

static void validation_only(void **state)
{
	le_config c = config();
	le_nan n;

	(void)state;
	table[50 * WIDTH] = INFINITY;
	n = find(line_fit, &c);
	table[50 * WIDTH] = 0.5f;
	assert_int_equal(n.blame, LE_BLAME_VALIDATION);
	assert_int_equal(n.epoch, 1);
	assert_int_equal(n.step, 4);
	assert_string_equal(n.result, "loss");
}

/* Forty squares of 3e18 overflow a sum of f32 but not their mean in double. */
static void only_the_compiled_step(void **state)
{
	le_config c = config();
	le_nan n = find("  w = param f32[4]\n  s = stop_gradient x\n  c = mul s, 0.0\n  k = add c, 1e19\n  q = mul k, k\n"
			"  m = mean q, axes=[0,1]\n  v = sub x, w\n  p = mul v, v\n  l = mean p, axes=[0,1]\n  loss = add l, m\n"
			"  return loss\n", &c);

	(void)state;
	assert_int_equal(n.blame, LE_BLAME_COMPILED);
	assert_string_equal(n.result, "loss");
	assert_null(n.op);
	assert_true(!n.nan && n.step == 1);
}

/* What le_train ends with is what le_find_nan finds, at that step or before it. */
static void agrees_with_training(void **state)
{
	const char *text = ar_printf(arena, "gradmill 1\nfunc main(x: f32[B,4]) {\n%s}\n", line_fit);
	le_config c = config();
	le_result r;
	ir_module *m;
	le_nan n;

	(void)state;
	ir_diag_clear(diag);
	m = ir_parse("t.gm", text, strlen(text), arena, diag);
	assert_non_null(m);
	c.objective.optimizer = CC_SGD;
	c.lr = 1e6;
	c.epochs = 20;
	assert_int_equal(le_train(context, m, &data, &c, NULL, NULL, &r, diag), IR_ENAN);
	assert_int_equal(le_find_nan(context, m, &data, &c, arena, &n, diag), IR_OK);
	assert_int_not_equal(n.blame, LE_BLAME_NOBODY);
	assert_true(n.step == r.steps || n.step == r.steps - 1);
	assert_int_equal(n.epoch, (n.step - 1) / 4 + 1);
	le_result_free(&r);
}

/* Every allocation fails once: a status each time, nothing left behind. */
static void out_of_memory(void **state)
{
	const char *text = ar_printf(arena, "gradmill 1\nfunc main(x: f32[B,4]) {\n  w = param f32[4]\n  l = log w\n"
				     "  a = mul x, l\n  loss = mean a, axes=[0,1]\n  return loss\n}\n");
	le_config c = config();
	size_t live = rt_live_bytes();
	ir_status s = IR_ENOMEM;
	ir_module *m;
	le_nan n;

	(void)state;
	ir_diag_clear(diag);
	m = ir_parse("t.gm", text, strlen(text), arena, diag);
	assert_non_null(m);
	for (int k = 1; s != IR_OK; k++) {
		rt_fault_after(k);
		s = le_find_nan(context, m, &data, &c, arena, &n, diag);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		assert_int_equal(rt_live_bytes(), live);
		assert_true(k < 1000);
	}
	expect(&n, "log", "forward", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_of_negative),	    cmocka_unit_test(overflow_in_exp),
		cmocka_unit_test(gradient_only),	    cmocka_unit_test(overflow_in_the_optimiser),
		cmocka_unit_test(the_learning_rate_itself), cmocka_unit_test(place_of_a_call),
		cmocka_unit_test(infinities_of_the_text),   cmocka_unit_test(clean),
		cmocka_unit_test(bad_rows),		    cmocka_unit_test(validation_only),
		cmocka_unit_test(only_the_compiled_step),   cmocka_unit_test(agrees_with_training),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
