/* SPDX-License-Identifier: Apache-2.0
 * gradmill.h as a user meets it: only its own words, right answers, and a reason for every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/api/gradmill.h"

static gm_ctx *ctx;

static int open_context(void **state)
{
	(void)state;
	return gm_ctx_new("", &ctx);
}

static int close_context(void **state)
{
	(void)state;
	gm_ctx_free(ctx);
	return 0;
}

static gm_model *parse(const char *text)
{
	gm_model *m = NULL;
	gm_status s = gm_model_parse(ctx, "t.gm", text, strlen(text), &m);

	if (s)
		fail_msg("%s", gm_errors(ctx));
	assert_string_equal(gm_errors(ctx), "");
	return m;
}

#define SQUARE "gradmill 1\nfunc f(x: f32[B,2]) {\n  w = param f32[2], init=ones\n  s = mul x, w\n  q = mul s, s\n" \
	       "  loss = sum q, axes=[0,1]\n  return loss, x=s\n}\n"
#define CODER  "gradmill 1\nfunc main(x: f32[B,8], key: i32[2]) {\n  n = noise(x, 0.01, key)\n  z = dense<3>(n)\n" \
	       "  y = dense<8>(z)\n  loss = mse(y, x)\n  return reconstruction=y, latent=z, loss=loss\n}\n"

/* ---- models --------------------------------------------------------------------------------------------------- */

static void a_wrong_text_has_a_reason(void **state)
{
	static const char text[] = "gradmill 1\nfunc f(x: f32[2]) {\n  y = rleu x\n  return y\n}\n";
	gm_model *m = (gm_model *)&ctx;

	(void)state;
	assert_int_equal(gm_model_parse(ctx, "t.gm", text, strlen(text), &m), GM_EINPUT);
	assert_null(m);
	assert_non_null(strstr(gm_errors(ctx), "t.gm:3:7: error: unknown operation 'rleu' [unknown_op]"));
	assert_int_equal(gm_model_parse_file(ctx, "/nonexistent/t.gm", &m), GM_ENOINPUT);
	assert_non_null(strstr(gm_errors(ctx), "/nonexistent/t.gm"));
	assert_int_equal(gm_model_parse(ctx, "t.gm", "", 0, &m), GM_EINPUT);
}

static void a_model_prints_what_it_parses(void **state)
{
	gm_model *m = parse(CODER), *again;
	char *text = gm_model_print(m), *twice;

	(void)state;
	assert_int_equal(gm_model_functions(m), 1);
	assert_string_equal(gm_model_function(m, 0), "main");
	assert_null(gm_model_function(m, 1));
	again = parse(text);
	twice = gm_model_print(again);
	assert_string_equal(text, twice);
	free(text);
	free(twice);
	gm_model_free(m);
	gm_model_free(again);
}

/* ---- programs ------------------------------------------------------------------------------------------------- */

/* loss = sum (x w)^2: 2 x w^2 and 2 w sum x^2. */
static void gradients_are_right(void **state)
{
	gm_model *m = parse(SQUARE), *g = NULL;
	gm_program *p = NULL;
	const float in[6] = {1, 2, 3, 4, 5, 6};
	float *x, *dx, *dw, *loss, *s;

	(void)state;
	assert_int_equal(gm_differentiate(m, "f", "loss", 3, &g), GM_OK);
	gm_model_free(m);
	assert_string_equal(gm_model_function(g, 0), "f.grad");
	assert_int_equal(gm_compile(g, "f.grad", NULL, &p), GM_OK);
	gm_model_free(g);
	assert_int_equal(gm_program_data(p, "x", sizeof in, (void **)&x), GM_OK);
	memcpy(x, in, sizeof in);
	assert_int_equal(gm_program_run(p), GM_OK);
	assert_int_equal(gm_program_data(p, "loss", 4, (void **)&loss), GM_OK);
	assert_int_equal(gm_program_data(p, "d_x", sizeof in, (void **)&dx), GM_OK);
	assert_int_equal(gm_program_data(p, "d_w", 8, (void **)&dw), GM_OK);
	assert_int_equal(gm_program_data(p, "x.out", sizeof in, (void **)&s), GM_OK);
	assert_true(*loss == 91 && dw[0] == 70 && dw[1] == 112);
	for (int i = 0; i < 6; i++)
		assert_true(dx[i] == 2 * in[i] && s[i] == in[i]);
	gm_program_free(p);
}

static void values_have_shapes(void **state)
{
	gm_model *m = parse(SQUARE);
	gm_options o = gm_options_default();
	gm_facts facts = {.size = sizeof facts};
	gm_program *p;
	gm_value v;

	(void)state;
	o.batch = 5;
	o.precision = (gm_precision)3;
	assert_int_equal(gm_compile(m, "f", &o, &p), GM_EINPUT);
	assert_non_null(strstr(gm_errors(ctx), "[option]"));
	o.precision = GM_PRECISION_F64;
	o.threads = 2;
	assert_int_equal(gm_compile(m, "f", &o, &p), GM_OK);
	assert_int_equal(gm_program_values(p), 4);
	assert_int_equal(gm_program_value(p, 0, &v), GM_OK);
	assert_string_equal(v.name, "x");
	assert_true(v.role == GM_INPUT && v.dtype == GM_F64 && v.rank == 2 && v.dim[0] == 5 && v.dim[1] == 2 && v.bytes == 80);
	assert_int_equal(gm_program_value(p, 1, &v), GM_OK);
	assert_true(v.role == GM_PARAM && v.rank == 1 && v.bytes == 16);
	assert_int_equal(gm_program_value(p, 4, &v), GM_EINPUT);
	gm_program_facts(p, &facts);
	assert_true(facts.params == 2 && facts.flops > 0 && facts.launches > 0);
	gm_program_free(p);
	gm_model_free(m);
}

static void binding_is_checked(void **state)
{
	static _Alignas(64) float x[4], y[4];
	gm_model *m = parse("gradmill 1\nfunc f(x: f32[4]) {\n  y = exp x\n  return y\n}\n");
	gm_program *p;
	void *at;

	(void)state;
	assert_int_equal(gm_compile(m, "f", NULL, &p), GM_OK);
	assert_int_equal(gm_program_bind(p, "z", x, sizeof x), GM_EINPUT);
	assert_non_null(strstr(gm_errors(ctx), "'z'"));
	assert_int_equal(gm_program_bind(p, "x", x, 4), GM_EINPUT);
	assert_int_equal(gm_program_bind(p, "x", x + 1, sizeof x), GM_EINPUT);
	assert_int_equal(gm_program_data(p, "x", 1, &at), GM_EINPUT);
	assert_int_equal(gm_program_bind(p, "x", x, sizeof x), GM_OK);
	assert_int_equal(gm_program_bind(p, "y", y, sizeof y), GM_OK);
	assert_int_equal(gm_program_run(p), GM_OK);
	assert_true(y[0] == 1 && y[3] == 1);
	x[3] = 1;
	assert_int_equal(gm_program_run(p), GM_OK);
	assert_true(fabsf(y[3] - 2.7182818f) < 1e-6f);
	gm_program_free(p);
	gm_model_free(m);
}

static void compiling_is_refused_with_a_reason(void **state)
{
	gm_model *m = parse(SQUARE), *g;
	gm_options o = gm_options_default();
	gm_program *p;

	(void)state;
	assert_int_equal(gm_compile(m, "nobody", NULL, &p), GM_EINPUT);
	assert_non_null(strstr(gm_errors(ctx), "no_entry"));
	assert_int_equal(gm_compile(m, "f", NULL, &p), GM_EINPUT);
	assert_non_null(strstr(gm_errors(ctx), "unbound_batch"));
	o.size = 0;
	assert_int_equal(gm_compile(m, "f", &o, &p), GM_EINPUT);
	assert_null(p);
	assert_int_equal(gm_differentiate(m, "f", "x", 2, &g), GM_EINPUT);
	assert_non_null(strstr(gm_errors(ctx), "grad_scalar"));
	assert_int_equal(gm_differentiate(m, "f", "lost", 2, &g), GM_EINPUT);
	assert_null(g);
	gm_model_free(m);
}

/* ---- training ------------------------------------------------------------------------------------------------- */

static float table[300 * 8];

static void make_table(void)
{
	for (int i = 0; i < 300; i++)
		for (int k = 0; k < 8; k++)
			table[i * 8 + k] = (float)(((i * 7 + k * 3) % 11) / 11.0 * (i % 3 == k % 3));
}

static gm_trainer *trainer(int threads, gm_optimizer how)
{
	gm_model *m = parse(CODER);
	gm_train_options o = gm_train_options_default();
	gm_trainer *t;

	o.batch = 32;
	o.lr = 1e-2;
	o.optimizer = how;
	o.momentum = .9;
	o.threads = threads;
	o.clip_norm = 1;
	o.weight_decay = 1e-4;
	make_table();
	if (gm_trainer_new(m, GM_F32, table, 300, 8, &o, &t))
		fail_msg("%s", gm_errors(ctx));
	gm_model_free(m);
	return t;
}

static void training_lowers_the_loss(void **state)
{
	double loss[200], before, after;

	(void)state;
	for (gm_optimizer how = GM_SGD; how <= GM_ADAMW; how++) {
		gm_trainer *t = trainer(1, how);

		assert_int_equal(gm_trainer_eval(t, 0, 300, &before), GM_OK);
		assert_int_equal(gm_trainer_step(t, 200, loss), GM_OK);
		assert_int_equal(gm_trainer_steps(t), 200);
		assert_int_equal(gm_trainer_eval(t, 0, 300, &after), GM_OK);
		assert_true(after < .7 * before);
		assert_true(loss[199] < loss[0]);
		gm_trainer_free(t);
	}
}

/* Any number of threads, and any way to cut the steps. */
static void training_is_bit_identical(void **state)
{
	double one[90], two[90];
	gm_trainer *t = trainer(1, GM_ADAM), *u = trainer(2, GM_ADAM);
	float w[24], v[24];

	(void)state;
	assert_int_equal(gm_trainer_step(t, 90, one), GM_OK);
	for (int i = 0; i < 90; i += 30)
		assert_int_equal(gm_trainer_step(u, 30, two + i), GM_OK);
	assert_memory_equal(one, two, sizeof one);
	assert_int_equal(gm_trainer_param_get(t, "z_w", w, sizeof w), GM_OK);
	assert_int_equal(gm_trainer_param_get(u, "z_w", v, sizeof v), GM_OK);
	assert_memory_equal(w, v, sizeof w);
	gm_trainer_free(t);
	gm_trainer_free(u);
}

static void weights_travel(void **state)
{
	gm_trainer *t = trainer(1, GM_ADAM), *u = trainer(1, GM_ADAM);
	double a, b;

	(void)state;
	assert_int_equal(gm_trainer_step(t, 20, NULL), GM_OK);
	assert_int_equal(gm_trainer_params(t), 4);
	assert_null(gm_trainer_param(t, 4));
	for (size_t i = 0; i < 4; i++) {
		const char *name = gm_trainer_param(t, i);
		char data[256];
		size_t bytes;

		assert_int_equal(gm_trainer_param_size(t, name, &bytes), GM_OK);
		assert_true(bytes <= sizeof data);
		assert_int_equal(gm_trainer_param_get(t, name, data, bytes), GM_OK);
		assert_int_equal(gm_trainer_param_set(u, name, data, bytes), GM_OK);
	}
	assert_int_equal(gm_trainer_eval(t, 10, 77, &a), GM_OK);
	assert_int_equal(gm_trainer_eval(u, 10, 77, &b), GM_OK);
	assert_true(a == b);
	assert_int_equal(gm_trainer_param_set(u, "z_w.m", &a, 8), GM_EINPUT); /* the optimiser's own */
	assert_int_equal(gm_trainer_eval(u, 290, 11, &b), GM_EINPUT);
	gm_trainer_free(t);
	gm_trainer_free(u);
}

static void training_is_refused_with_a_reason(void **state)
{
	gm_model *m = parse(CODER), *f = parse(SQUARE);
	gm_train_options o = gm_train_options_default();
	gm_trainer *t;
	double loss[50];

	(void)state;
	make_table();
	assert_int_equal(gm_trainer_new(m, GM_F32, table, 300, 7, NULL, &t), GM_EINPUT);
	assert_non_null(strstr(gm_errors(ctx), "[input_width]"));
	assert_null(t);
	assert_int_equal(gm_trainer_new(m, GM_F64, table, 300, 8, NULL, &t), GM_EINPUT);
	assert_int_equal(gm_trainer_new(m, GM_F32, table, 100, 8, NULL, &t), GM_EINPUT);
	assert_int_equal(gm_trainer_new(f, GM_F32, table, 300, 2, NULL, &t), GM_EINPUT);
	assert_non_null(strstr(gm_errors(ctx), "[no_entry]"));
	o.precision = (gm_precision)-1;
	assert_int_equal(gm_trainer_new(m, GM_F32, table, 300, 8, &o, &t), GM_EINPUT);
	assert_non_null(strstr(gm_errors(ctx), "[option]"));
	o.precision = GM_PRECISION_F32;
	o.optimizer = GM_SGD;
	o.lr = 1e30;
	assert_int_equal(gm_trainer_new(m, GM_F32, table, 300, 8, &o, &t), GM_OK);
	assert_int_equal(gm_trainer_step(t, 50, loss), GM_ENAN);
	assert_true(gm_trainer_steps(t) < 50);
	gm_trainer_free(t);
	gm_model_free(m);
	gm_model_free(f);
}

static void bytes_are_pixels(void **state)
{
	static unsigned char pixel[40 * 2];
	gm_model *m = parse("gradmill 1\nfunc main(x: f32[B,2]) {\n  w = param f32[2]\n  d = sub x, w\n  q = mul d, d\n"
			    "  loss = mean q, axes=[0,1]\n  return loss\n}\n");
	gm_train_options o = gm_train_options_default();
	gm_trainer *t;
	double loss;

	(void)state;
	memset(pixel, 51, sizeof pixel); /* 0.2 */
	o.batch = 8;
	o.precision = GM_PRECISION_F64;
	assert_int_equal(gm_trainer_new(m, GM_U8, pixel, 40, 2, &o, &t), GM_OK);
	assert_int_equal(gm_trainer_eval(t, 3, 9, &loss), GM_OK);
	assert_true(fabs(loss - .04) < 1e-8);
	gm_trainer_free(t);
	gm_model_free(m);
}

static void the_operations_are_listed(void **state)
{
	(void)state;
	assert_true(gm_ops() > 30);
	assert_string_equal(gm_op_name(0), "input");
	assert_null(gm_op_name(gm_ops()));
	assert_true(strlen(gm_op_doc(1)) > 0);
	assert_string_equal(gm_status_text(GM_ENOMEM), "out of memory");
	assert_non_null(strstr(gm_target(ctx), "llvm"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_text_has_a_reason),
		cmocka_unit_test(a_model_prints_what_it_parses),
		cmocka_unit_test(gradients_are_right),
		cmocka_unit_test(values_have_shapes),
		cmocka_unit_test(binding_is_checked),
		cmocka_unit_test(compiling_is_refused_with_a_reason),
		cmocka_unit_test(training_lowers_the_loss),
		cmocka_unit_test(training_is_bit_identical),
		cmocka_unit_test(weights_travel),
		cmocka_unit_test(training_is_refused_with_a_reason),
		cmocka_unit_test(bytes_are_pixels),
		cmocka_unit_test(the_operations_are_listed),
	};

	return cmocka_run_group_tests(tests, open_context, close_context);
}
