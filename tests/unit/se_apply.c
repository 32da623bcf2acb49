/* SPDX-License-Identifier: Apache-2.0
 * A trained model at work: what the interpreter says of the same rows, the same bits for any company, order and number of
 * threads, also for models that draw noise or look at their neighbours; and what does not fit is refused. */
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

#define ROWS  1300
#define WIDTH 12

/* A row is normalised, as by layernorm and softmax: reductions along it, and every kind of product. */
static const char plain[] = "gradmill 1\n"
			    "func main(x: f32[B,12]) {\n"
			    "  a = dense<40>(x)\n"
			    "  r = gelu a\n"
			    "  m = mean r, axes=[1]\n"
			    "  m1 = reshape m, shape=[B,1]\n"
			    "  c = sub r, m1\n"
			    "  e = exp c\n"
			    "  t = sum e, axes=[1]\n"
			    "  t1 = reshape t, shape=[B,1]\n"
			    "  p = div e, t1\n"
			    "  z = dense<5>(p)\n"
			    "  h = dense<33>(z)\n"
			    "  g = res_dense2(h)\n"
			    "  o = dense<12>(g)\n"
			    "  y = sigmoid o\n"
			    "  loss = mse(y, x)\n"
			    "  return loss=loss, latent=z, reconstruction=y\n"
			    "}\n";

static const char noisy[] = "gradmill 1\n"
			    "func main(x: f32[B,12], key: i32[2]) {\n"
			    "  n = noise(x, 0.2, key)\n"
			    "  z = dense<3>(n)\n"
			    "  y = dense<12>(z)\n"
			    "  loss = mse(y, x)\n"
			    "  return loss=loss, latent=z, reconstruction=y\n"
			    "}\n";

static const char mixing[] = "gradmill 1\n"
			     "func main(x: f32[B,12]) {\n"
			     "  m = mean x, axes=[0]\n"
			     "  s = add x, m\n"
			     "  z = dense<3>(s)\n"
			     "  y = dense<12>(z)\n"
			     "  loss = mse(y, x)\n"
			     "  return loss=loss, latent=z, reconstruction=y\n"
			     "}\n";

static cc_context *context;
static ir_arena *arena;
static ir_diag *diag;
static uint8_t bytes[ROWS * WIDTH];
static float floats[ROWS * WIDTH];
static uint32_t rows[ROWS];
static le_data data, real;

static int set_up(void **state)
{
	cc_context_options o = cc_context_default();

	(void)state;
	for (uint32_t i = 0; i < ROWS * WIDTH; i++) {
		bytes[i] = (uint8_t)rt_random_below(rt_key_seed(7), i, 256);
		floats[i] = (float)bytes[i] / 255;
	}
	for (uint32_t i = 0; i < ROWS; i++)
		rows[i] = i * 7 % ROWS; /* every row, in an order of its own */
	data = (le_data){.name = (char[]){"bytes"}, .table = {.dtype = IR_U8, .rows = ROWS, .width = WIDTH, .data = bytes}, .unit = true};
	data.train = rows, data.ntrain = ROWS;
	real = data;
	real.table = (le_table){.dtype = IR_F32, .rows = ROWS, .width = WIDTH, .data = floats};
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

static ir_module *parse(const char *text)
{
	ir_module *m;

	ir_diag_clear(diag);
	m = ir_parse("test.gm", text, strlen(text), arena, diag);
	assert_non_null(m);
	return m;
}

/* Weights that are not zero anywhere: after a few steps. */
static le_weights trained(const ir_module *m, cc_precision p)
{
	le_config c = le_config_default();
	le_weights w;
	le_result r;

	c.batch = 32;
	c.epochs = 1;
	c.seed = 5;
	c.precision = p;
	assert_int_equal(le_train(context, m, &data, &c, NULL, NULL, &r, diag), IR_OK);
	w = r.weights;
	r.weights = (le_weights){0};
	le_result_free(&r);
	return w;
}

static le_applier *open_for(const ir_module *m, const le_data *d, const le_weights *w, int threads)
{
	le_applier *a;

	ir_diag_clear(diag);
	assert_int_equal(le_apply_open(context, m, d, w, LE_LATENT | LE_RECONSTRUCTION | LE_ERROR, threads, &a, diag), IR_OK);
	return a;
}

/* Everything about some rows. */
typedef struct answer {
	int64_t width;
	float *latent, *y;
	double *error;
} answer;

static answer ask(le_applier *a, const uint32_t *which, size_t n)
{
	answer r = {.width = le_apply_latent_width(a)};

	r.latent = ir_xmalloc(n * (size_t)r.width, sizeof *r.latent);
	r.y = ir_xmalloc(n * WIDTH, sizeof *r.y);
	r.error = ir_xmalloc(n, sizeof *r.error);
	assert_int_equal(le_apply_rows(a, which, n, r.latent, r.y, r.error), IR_OK);
	return r;
}

static void forget(answer *r)
{
	free(r->latent);
	free(r->y);
	free(r->error);
}

/* Are the n rows of b those from number `at` on of a? */
static void assert_same(const answer *a, size_t at, const answer *b, size_t n)
{
	size_t w = (size_t)a->width;

	assert_memory_equal(a->latent + at * w, b->latent, n * w * sizeof(float));
	assert_memory_equal(a->y + at * WIDTH, b->y, n * WIDTH * sizeof(float));
	assert_memory_equal(a->error + at, b->error, n * sizeof(double));
}

/* Rows in any company, order and number of threads: the same bits. */
static void check_company(const char *text)
{
	static const size_t part[] = {1, 1, 4, 5, 49, 50, 51, 499, 500, 140};
	ir_module *m = parse(text);
	le_weights w = trained(m, CC_PRECISION_F32);
	le_applier *a = open_for(m, &data, &w, 1), *b = open_for(m, &data, &w, 2);
	answer all = ask(a, rows, ROWS), other = ask(b, rows, ROWS);
	size_t at = 0;

	assert_same(&all, 0, &other, ROWS);
	forget(&other);
	for (size_t i = 0; i < sizeof part / sizeof *part; at += part[i++]) {
		other = ask(i % 2 ? a : b, rows + at, part[i]);
		assert_same(&all, at, &other, part[i]);
		forget(&other);
	}
	assert_int_equal(at, ROWS);
	for (size_t i = 0; i < ROWS; i += 13) {
		uint32_t pair[2] = {rows[ROWS - 1 - i], rows[i]};

		other = ask(a, &rows[i], 1);
		assert_same(&all, i, &other, 1);
		forget(&other);
		other = ask(a, pair, 2);
		assert_memory_equal(&all.error[i], &other.error[1], sizeof(double));
		forget(&other);
	}
	forget(&all);
	le_apply_close(a);
	le_apply_close(b);
	le_weights_free(&w);
}

static void any_company(void **state)
{
	(void)state;
	check_company(plain);
}

static void noise_is_a_rows_own(void **state)
{
	(void)state;
	check_company(noisy);
	assert_int_equal(ir_diag_size(diag), 0);
}

static void mixed_rows_are_taken_alone(void **state)
{
	(void)state;
	check_company(mixing);
	assert_int_equal(ir_diag_count(diag, IR_WARNING), 1);
	assert_string_equal(ir_msg_name(ir_diag_get(diag, 0)->id), "mixes_rows");
	assert_int_equal(ir_diag_get(diag, 0)->loc.line, 3);
}

/* Noise is there, and another row's is another. */
static void noise_is_there(void **state)
{
	ir_module *m = parse(noisy);
	le_weights w = trained(m, CC_PRECISION_F32);
	le_data same = data;
	le_applier *a;
	answer r;

	(void)state;
	same.table.data = ir_xmalloc(2, WIDTH); /* two equal rows */
	same.table.rows = 2;
	a = open_for(m, &same, &w, 1);
	r = ask(a, (uint32_t[]){0, 1}, 2);
	assert_true(r.latent[0] != r.latent[r.width]);
	forget(&r);
	le_apply_close(a);
	free(same.table.data);
	le_weights_free(&w);
}

/* One tensor per leaf of f, a bound model: the row, or a weight. */
static rt_tensor *leaves(const ir_func *f, const le_weights *w, uint32_t row)
{
	rt_tensor *leaf = ir_xmalloc(f->n, sizeof *leaf);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (!ir_is_leaf(f, (ir_ref)i))
			continue;
		assert_int_equal(rt_tensor_alloc(&leaf[n], f->ins[i].type), IR_OK);
		memcpy(leaf[n].data, f->ins[i].op == IR_input ? floats + row * WIDTH : le_weights_find(w, f->ins[i].name)->data,
		       ir_type_bytes(&leaf[n].type));
		n++;
	}
	return leaf;
}

static void compare(const ir_func *f, const rt_tensor *out, const answer *r, size_t i)
{
	double sum = 0;

	for (size_t k = 0; k < f->nout; k++) {
		const float *got = strcmp(f->out[k].name, "latent") ? r->y + i * WIDTH : r->latent + i * (size_t)r->width;

		if (!strcmp(f->out[k].name, "loss"))
			continue;
		for (int64_t e = 0; e < ir_type_count(&out[k].type); e++)
			assert_true(fabs(rt_load(IR_F32, out[k].data, e) - (double)got[e]) < 2e-6);
	}
	for (size_t k = 0; k < WIDTH; k++) {
		double diff = (double)r->y[i * WIDTH + k] - (double)floats[rows[i] * WIDTH + k];

		sum += diff * diff;
	}
	assert_true(r->error[i] == sum / WIDTH);
}

static void as_the_interpreter(void **state)
{
	ir_module *m = parse(plain);
	le_weights w = trained(m, CC_PRECISION_F32);
	le_applier *a = open_for(m, &data, &w, 1);
	ir_func *f = ir_bind(ir_module_find(m, IR_ENTRY), 1, arena, diag);
	answer r = ask(a, rows, 20);

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		rt_tensor *leaf = leaves(f, &w, rows[i]), out[4] = {0};
		size_t n = 0;

		assert_int_equal(rt_interpret(f, leaf, out), IR_OK);
		compare(f, out, &r, i);
		for (size_t k = 0; k < f->nout; k++)
			rt_tensor_free(&out[k]);
		for (size_t k = 0; k < f->n; k++)
			if (ir_is_leaf(f, (ir_ref)k))
				rt_tensor_free(&leaf[n++]);
		free(leaf);
	}
	forget(&r);
	le_apply_close(a);
	le_weights_free(&w);
}

/* A table of floats is used as it is; the bytes are the same numbers. */
static void tables_of_floats(void **state)
{
	ir_module *m = parse(plain);
	le_weights w = trained(m, CC_PRECISION_F32);
	le_applier *a = open_for(m, &data, &w, 1), *b = open_for(m, &real, &w, 1);
	answer x = ask(a, rows, 77), y = ask(b, rows, 77);

	(void)state;
	assert_same(&x, 0, &y, 77);
	forget(&x);
	forget(&y);
	le_apply_close(a);
	le_apply_close(b);
	le_weights_free(&w);
}

static void wide_weights(void **state)
{
	ir_module *m = parse(plain);
	le_weights w = trained(m, CC_PRECISION_F64);
	le_applier *a = open_for(m, &data, &w, 1);
	answer r = ask(a, rows, 3);

	(void)state;
	assert_true(isfinite(r.error[2]) && r.error[2] > 0);
	forget(&r);
	le_apply_close(a);
	le_weights_free(&w);
}

/* The mean of the errors is what training calls the validation error. */
static void as_training_says(void **state)
{
	ir_module *m = parse(plain);
	le_weights w = trained(m, CC_PRECISION_F32);
	le_config c = le_config_default();
	le_data judged = data;
	le_applier *a = open_for(m, &data, &w, 1);
	answer r = ask(a, rows, 700);
	double sum = 0;
	le_result t;

	(void)state;
	judged.val = rows, judged.nval = 700;
	c.init = &w;
	c.epochs = 0;
	assert_int_equal(le_train(context, m, &judged, &c, NULL, NULL, &t, diag), IR_OK);
	for (size_t i = 0; i < 700; i++)
		sum += r.error[i] / 700;
	assert_true(fabs(sum - t.val_mse) < 1e-6 * sum);
	le_result_free(&t);
	forget(&r);
	le_apply_close(a);
	le_weights_free(&w);
}

/* ---- refused ------------------------------------------------------------------------------------------------------- */

static void refuse(const char *text, const le_weights *w, unsigned want, const le_data *d, const char *id, const char *word)
{
	ir_module *m = parse(text);
	size_t live = rt_live_bytes();
	le_applier *a;

	assert_int_equal(le_apply_open(context, m, d, w, want, 1, &a, diag), IR_EINPUT);
	assert_null(a);
	assert_int_equal(ir_diag_count(diag, IR_ERROR), 1);
	assert_string_equal(ir_msg_name(ir_diag_get(diag, 0)->id), id);
	assert_non_null(strstr(ir_diag_get(diag, 0)->text, word));
	assert_int_equal(rt_live_bytes(), live);
}

static void what_does_not_fit(void **state)
{
	static const char head[] = "gradmill 1\nfunc main(x: f32[B,12]) {\n";
	le_weights w = trained(parse(plain), CC_PRECISION_F32), none = {0};
	le_data wide = data;

	(void)state;
	wide.table.width = 6, wide.table.rows = 2 * ROWS;
	refuse(plain, &none, LE_LATENT, &data, "file", "is missing");
	refuse(noisy, &w, LE_LATENT, &data, "file", "no parameter");
	refuse(plain, &w, LE_LATENT, &wide, "input_width", "12 features");
	refuse(ar_printf(arena, "%s y = neg x\n return reconstruction=y\n}\n", head), &none, LE_LATENT | LE_ERROR, &data,
	       "no_output", "latent");
	refuse(ar_printf(arena, "%s z = neg x\n return latent=z\n}\n", head), &none, LE_ERROR, &data, "no_output", "reconstruction");
	refuse(ar_printf(arena, "%s z = mean x, axes=[0]\n return latent=z\n}\n", head), &none, LE_LATENT, &data, "no_row", "latent");
	refuse(ar_printf(arena, "%s y = slice x, start=[0,0], size=[B,3]\n return reconstruction=y\n}\n", head), &none,
	       LE_RECONSTRUCTION, &data, "no_row", "reconstruction");
	refuse(ar_printf(arena, "%s s = state f32[12], init=zeros\n z = add x, s\n t = mean x, axes=[0]\n update s, t\n"
				" return latent=z\n}\n", head), &none, LE_LATENT, &data, "file", "state");
	le_weights_free(&w);
}

/* Every allocation fails once: a status each time, nothing left behind. */
static void out_of_memory(void **state)
{
	ir_module *m = parse(plain);
	le_weights w = trained(m, CC_PRECISION_F32);
	ir_status s = IR_ENOMEM;
	size_t live = rt_live_bytes();

	(void)state;
	for (int n = 1; s != IR_OK; n++) {
		double error[555];
		le_applier *a;

		rt_fault_after(n);
		s = le_apply_open(context, m, &data, &w, LE_ERROR, 1, &a, diag);
		if (s == IR_OK)
			s = le_apply_rows(a, rows, 555, NULL, NULL, error);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		le_apply_close(a);
		assert_int_equal(rt_live_bytes(), live);
		assert_true(n < 1000);
	}
	le_weights_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_interpreter), cmocka_unit_test(any_company),
		cmocka_unit_test(noise_is_a_rows_own), cmocka_unit_test(noise_is_there),
		cmocka_unit_test(mixed_rows_are_taken_alone), cmocka_unit_test(tables_of_floats),
		cmocka_unit_test(wide_weights), cmocka_unit_test(as_training_says),
		cmocka_unit_test(what_does_not_fit), cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
