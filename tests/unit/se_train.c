/* SPDX-License-Identifier: Apache-2.0
 * The training loop on a small autoencoder: it learns, repeats to the bit on any number of threads, leaves no row
 * out, stops at a NaN or when asked, and does with the first gradient what plain SGD says. */
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

#define ROWS  900
#define WIDTH 6

static const char text[] = "gradmill 1\n"
			   "func main(x: f32[B,6]) {\n"
			   "  a = dense<8>(x)\n"
			   "  r = relu a\n"
			   "  z = dense<2>(r)\n"
			   "  y = dense<6>(z)\n"
			   "  l = mse(y, x)\n"
			   "  return loss=l, latent=z, reconstruction=y\n"
			   "}\n";

static cc_context *context;
static ir_arena *arena;
static ir_diag *diag;
static ir_module *module;
static uint8_t table[ROWS * WIDTH];
static uint32_t rows[ROWS];
static le_data data;

/* Rows on a plane: two numbers per row decide all six. */
static int set_up(void **state)
{
	cc_context_options o = cc_context_default();
	ir_str s;

	(void)state;
	for (uint32_t i = 0; i < ROWS; i++) {
		double u = rt_random_unit(rt_key_seed(3), 2 * i), v = rt_random_unit(rt_key_seed(3), 2 * i + 1);

		rows[i] = i;
		for (int c = 0; c < WIDTH; c++)
			table[i * WIDTH + (uint32_t)c] = (uint8_t)(255 * (c % 2 ? u : v) * (c + 1) / WIDTH);
	}
	data = (le_data){.name = (char[]){"plane"}, .table = {.dtype = IR_U8, .rows = ROWS, .width = WIDTH, .data = table}, .unit = true};
	data.train = rows, data.ntrain = 300;
	data.val = rows + 300, data.nval = 537;
	data.test = rows + 837, data.ntest = 63;
	o.cache_dir = "";
	diag = ir_diag_new();
	arena = ar_open();
	module = ir_parse("test.gm", text, strlen(text), arena, diag);
	if (module && cc_context_new(&o, &context, diag) == IR_OK)
		return 0;
	sb_init(&s);
	ir_diag_print_all(diag, &s);
	print_error("%s", s.s);
	return -1;
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

	c.batch = 32;
	c.epochs = 3;
	c.lr = 1e-2;
	c.seed = 11;
	return c;
}

static ir_status train(const le_config *c, le_result *r)
{
	ir_diag_clear(diag);
	return le_train(context, module, &data, c, NULL, NULL, r, diag);
}

static void warnings(void **state)
{
	static const char wide[] = "gradmill 1\n"
				   "func main(x: f32[B,6]) {\n"
				   "  z = dense<6>(x)\n"
				   "  o = dense<6>(z)\n"
				   "  y = sigmoid o\n"
				   "  l = mse(y, x)\n"
				   "  return loss=l, latent=z, reconstruction=y\n"
				   "}\n";
	le_data real = data;
	ir_module *m;

	(void)state;
	ir_diag_clear(diag);
	m = ir_parse("wide.gm", wide, strlen(wide), arena, diag);
	le_warn_model(module, &data, diag);
	assert_int_equal(ir_diag_size(diag), 0);
	real.unit = false;
	le_warn_model(m, &real, diag);
	assert_int_equal(ir_diag_size(diag), 2);
	assert_string_equal(ir_msg_name(ir_diag_get(diag, 0)->id), "range");
	assert_string_equal(ir_msg_name(ir_diag_get(diag, 1)->id), "wide_latent");
	assert_int_equal(ir_diag_get(diag, 1)->loc.line, 3);
	ir_diag_clear(diag);
}

static void learns(void **state)
{
	le_config c = config();
	size_t live = rt_live_bytes();
	le_result before, after;

	(void)state;
	c.test = true;
	c.epochs = 0;
	assert_int_equal(train(&c, &before), IR_OK);
	assert_int_equal(before.steps, 0);
	assert_false(isnan(before.val_loss));
	c.epochs = 30;
	c.schedule = LE_COSINE;
	assert_int_equal(train(&c, &after), IR_OK);
	assert_int_equal(after.epochs, 30);
	assert_int_equal(after.steps, 30 * 9); /* 300 / 32: the last partial batch is dropped */
	assert_true(after.val_mse < before.val_mse / 5);
	assert_true(after.test_mse < before.test_mse / 5);
	assert_true(after.train_loss < before.val_loss / 5);
	assert_true(after.epoch_val[29] == after.val_mse && after.epoch_val[0] > after.epoch_val[29]);
	assert_int_equal(after.params, 6 * 8 + 8 + 8 * 2 + 2 + 2 * 6 + 6);
	assert_int_equal(after.weights.n, 6);
	assert_true(after.flops_per_step > 0 && after.arena_bytes > 0 && after.compile_ms > 0);
	le_result_free(&before);
	le_result_free(&after);
	assert_int_equal(rt_live_bytes(), live);
}

static void same_bits(void **state)
{
	le_config c = config();
	le_result a, b;

	(void)state;
	assert_int_equal(train(&c, &a), IR_OK);
	for (c.threads = 1; c.threads <= 2; c.threads++) {
		assert_int_equal(train(&c, &b), IR_OK);
		assert_true(ir_key_equal(a.weights_key, b.weights_key));
		assert_int_equal(a.steps, b.steps);
		assert_memory_equal(a.step_loss, b.step_loss, (size_t)a.steps * sizeof(double));
		assert_memory_equal(&a.val_mse, &b.val_mse, sizeof a.val_mse);
		le_result_free(&b);
	}
	c.seed++;
	assert_int_equal(train(&c, &b), IR_OK);
	assert_false(ir_key_equal(a.weights_key, b.weights_key));
	le_result_free(&a);
	le_result_free(&b);
}

static const char *model_with(const char *const *w)
{
	return ar_printf(arena,
			 "gradmill 1\nfunc main(x: f32[B,6]) {\n"
			 "  %s = param f32[6,6], init=he_uniform\n  %s = param f32[6,4], init=he_uniform\n"
			 "  %s = param f32[4], init=zeros\n  %s = param f32[6], init=zeros\n"
			 "  %s = param f32[4,6], init=he_uniform\n  %s = param f32[6], init=zeros\n"
			 "  h = matmul x, %s\n  i = add h, %s\n  j = matmul i, %s\n  r = add j, %s\n"
			 "  k = matmul r, %s\n  y = add k, %s\n  l = mse(y, x)\n  return loss=l\n}\n",
			 w[0], w[1], w[2], w[3], w[4], w[5], w[0], w[3], w[1], w[2], w[4], w[5]);
}

static bool change_team(void *ctx, int64_t step, int64_t steps, double loss)
{
	int *team = *(int **)ctx;

	(void)steps, (void)loss;
	*team = (int)(step / 7 % 4); /* 0 and 4 are too few and too many: the nearest that there is */
	return true;
}

/* The team of real threads may change between two chunks of steps: three threads of a schedule, one to three to play
 * them. */
static void a_team_that_changes(void **state)
{
	le_config c = config();
	le_result fixed, changing;
	int team = 1, *ctx = &team;

	(void)state;
	c.threads = 3;
	assert_int_equal(train(&c, &fixed), IR_OK);
	c.team = &team;
	c.tick = change_team;
	ir_diag_clear(diag);
	assert_int_equal(le_train(context, module, &data, &c, NULL, &ctx, &changing, diag), IR_OK);
	assert_true(ir_key_equal(fixed.weights_key, changing.weights_key));
	assert_memory_equal(fixed.step_loss, changing.step_loss, (size_t)fixed.steps * sizeof(double));
	le_result_free(&fixed);
	le_result_free(&changing);
}

/* The leaves that a step adds are out of reach of a model's names: the same model with other names trains the same. */
static void names_do_not_matter(void **state)
{
	static const char *const name[2][6] = {{"pa", "pb", "pc", "pd", "pe", "pf"},
					       {"table", "index", "key", "lr0", "alpha0", "index.m"}};
	ir_module *own = module;
	le_config c = config();
	le_result r[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *s = model_with(name[i]);

		module = ir_parse("names.gm", s, strlen(s), arena, diag);
		assert_non_null(module);
		assert_int_equal(train(&c, &r[i]), IR_OK);
		assert_int_equal(r[i].weights.n, 6);
	}
	module = own;
	assert_memory_equal(r[0].step_loss, r[1].step_loss, (size_t)r[0].steps * sizeof(double));
	for (int k = 0; k < 6; k++) {
		const rt_tensor *t = le_weights_find(&r[0].weights, name[0][k]), *u = le_weights_find(&r[1].weights, name[1][k]);

		assert_non_null(t);
		assert_non_null(u);
		assert_memory_equal(t->data, u->data, ir_type_bytes(&t->type));
	}
	le_result_free(&r[0]);
	le_result_free(&r[1]);
}

static void nan_stops(void **state)
{
	le_config c = config();
	size_t live = rt_live_bytes();
	le_result r;

	(void)state;
	c.lr = 1e30;
	assert_int_equal(train(&c, &r), IR_ENAN);
	assert_true(r.steps >= 1 && r.steps < 27);
	for (int64_t i = 0; i + 1 < r.steps; i++)
		assert_true(isfinite(r.step_loss[i]));
	assert_false(isfinite(r.step_loss[r.steps - 1]));
	assert_int_equal(r.weights.n, 0);
	le_result_free(&r);
	assert_int_equal(rt_live_bytes(), live);
}

static void batch_too_large(void **state)
{
	le_config c = config();
	le_result r;

	(void)state;
	c.batch = 301;
	assert_int_equal(train(&c, &r), IR_EINPUT);
	assert_non_null(strstr(ir_diag_get(diag, 0)->text, "301"));
	le_result_free(&r);
	c.batch = 300;
	assert_int_equal(train(&c, &r), IR_OK);
	assert_int_equal(r.steps, 3);
	le_result_free(&r);
}

/* 537 rows are one block of 500 and one of 37: together they must be the weighted mean of both. */
static void no_row_left_out(void **state)
{
	le_config c = config();
	le_result all, first, rest;

	(void)state;
	c.epochs = 0;
	assert_int_equal(train(&c, &all), IR_OK);
	data.nval = 500;
	assert_int_equal(train(&c, &first), IR_OK);
	data.val += 500, data.nval = 37;
	assert_int_equal(train(&c, &rest), IR_OK);
	data.val -= 500, data.nval = 537;
	assert_true(all.val_mse == (500 * first.val_mse + 37 * rest.val_mse) / 537);
	assert_true(all.val_loss == (500 * first.val_loss + 37 * rest.val_loss) / 537);
	assert_true(fabs(all.val_loss - all.val_mse) < 1e-6 * all.val_mse);
	le_result_free(&all);
	le_result_free(&first);
	le_result_free(&rest);
}

static bool stop_at_once(void *ctx, int64_t step, int64_t steps, double loss)
{
	*(int64_t *)ctx = step;
	assert_int_equal(steps, 27);
	assert_true(isfinite(loss));
	return false;
}

static bool stop_after_two(void *ctx, int64_t epoch, double train_loss, double val_loss)
{
	*(int64_t *)ctx = epoch;
	assert_true(isfinite(train_loss) && isfinite(val_loss));
	return epoch < 2;
}

static void stops_when_asked(void **state)
{
	le_config c = config();
	int64_t seen = 0;
	le_result r;

	(void)state;
	c.tick = stop_at_once;
	assert_int_equal(le_train(context, module, &data, &c, NULL, &seen, &r, diag), IR_EINTR);
	assert_true(r.steps == seen && seen > 0 && r.weights.n == 6);
	le_result_free(&r);
	c.tick = NULL;
	assert_int_equal(le_train(context, module, &data, &c, stop_after_two, &seen, &r, diag), IR_EINTR);
	assert_true(seen == 2 && r.epochs == 2 && r.steps == 18);
	le_result_free(&r);
	c.max_steps = 11;
	assert_int_equal(train(&c, &r), IR_OK);
	assert_true(r.steps == 11 && r.epochs == 2);
	le_result_free(&r);
}

static void initial_weights(void **state)
{
	le_config c = config();
	le_result a, b;
	le_weights w;
	char *name;

	(void)state;
	assert_int_equal(train(&c, &a), IR_OK);
	c.init = &a.weights;
	c.epochs = 0;
	assert_int_equal(train(&c, &b), IR_OK);
	assert_true(ir_key_equal(a.weights_key, b.weights_key));
	assert_true(b.val_mse == a.val_mse);
	le_result_free(&b);
	c.precision = CC_PRECISION_F64; /* f32 values widen */
	assert_int_equal(train(&c, &b), IR_OK);
	assert_int_equal(b.weights.tensor[0].type.dtype, IR_F64);
	assert_true(fabs(b.val_mse - a.val_mse) < 1e-5 * a.val_mse);
	c.precision = CC_PRECISION_F32; /* and never narrow */
	c.init = &b.weights;
	{
		le_result x;

		assert_int_equal(train(&c, &x), IR_EINPUT);
		le_result_free(&x);
	}
	le_result_free(&b);
	w = a.weights;
	c.init = &w;
	w.n--; /* one is missing */
	assert_int_equal(train(&c, &b), IR_EINPUT);
	le_result_free(&b);
	w.n++;
	name = w.name[0];
	w.name[0] = (char[]){"stranger"};
	assert_int_equal(train(&c, &b), IR_EINPUT);
	assert_non_null(strstr(ir_diag_get(diag, 0)->text, "stranger"));
	le_result_free(&b);
	w.name[0] = name;
	w.tensor[0].type.dim[0]++;
	assert_int_equal(train(&c, &b), IR_EINPUT);
	le_result_free(&b);
	w.tensor[0].type.dim[0]--;
	le_result_free(&a);
}

/* One SGD step moves every weight by -lr times what le_gradients says. */
static void gradients(void **state)
{
	le_config c = config();
	le_result before, after;
	le_weights g;

	(void)state;
	c.precision = CC_PRECISION_F64;
	c.epochs = 0;
	assert_int_equal(train(&c, &before), IR_OK);
	c.epochs = 1;
	c.max_steps = 1;
	c.objective.optimizer = CC_SGD;
	assert_int_equal(train(&c, &after), IR_OK);
	assert_int_equal(le_gradients(context, module, &data, &c, &g, diag), IR_OK);
	assert_int_equal(g.n, 6);
	for (size_t i = 0; i < before.weights.n; i++) {
		const rt_tensor *t = &before.weights.tensor[i], *u = &after.weights.tensor[i];
		const rt_tensor *d = le_weights_find(&g, before.weights.name[i]);
		double size = 0;

		assert_non_null(d);
		for (int64_t k = 0; k < ir_type_count(&t->type); k++) {
			double want = rt_load(IR_F64, t->data, k) - c.lr * rt_load(IR_F64, d->data, k);

			assert_true(fabs(rt_load(IR_F64, u->data, k) - want) < 1e-14);
			size += fabs(rt_load(IR_F64, d->data, k));
		}
		assert_true(size > 0);
	}
	le_weights_free(&g);
	le_result_free(&before);
	le_result_free(&after);
}

/* Every allocation fails once: a status each time, nothing left behind. */
static void out_of_memory(void **state)
{
	le_config c = config();
	ir_status s = IR_ENOMEM;
	size_t live;
	le_result r;

	(void)state;
	c.epochs = 1;
	assert_int_equal(train(&c, &r), IR_OK); /* fills the kernel cache */
	le_result_free(&r);
	live = rt_live_bytes();
	for (int n = 1; s != IR_OK; n++) {
		rt_fault_after(n);
		s = train(&c, &r);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		le_result_free(&r);
		assert_int_equal(rt_live_bytes(), live);
		assert_true(n < 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warnings), cmocka_unit_test(learns),	    cmocka_unit_test(same_bits),
		cmocka_unit_test(names_do_not_matter), cmocka_unit_test(a_team_that_changes),
		cmocka_unit_test(nan_stops),	    cmocka_unit_test(batch_too_large),
		cmocka_unit_test(no_row_left_out),  cmocka_unit_test(stops_when_asked),
		cmocka_unit_test(initial_weights),  cmocka_unit_test(gradients),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
