/* SPDX-License-Identifier: Apache-2.0
 * Trainings that stop and go on: to the bits of one that never stopped, wherever it stopped, and refused with the name of
 * the setting where the bits would be others. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "search/learn/learn.h"

#define ROWS  700
#define WIDTH 6
#define PER_EPOCH 21 /* 690 / 32 */

/* Noise, and a state of the model's own: a running mean that the code is centred with. */
static const char text[] = "gradmill 1\n"
			   "func main(x: f32[B,6], key: i32[2]) {\n"
			   "  seen = state f32[6], init=zeros\n"
			   "  n = noise(x, 0.1, key)\n"
			   "  m = mean x, axes=[0]\n"
			   "  old = mul seen, 0.9\n"
			   "  new = mul m, 0.1\n"
			   "  next = add old, new\n"
			   "  update seen, next\n"
			   "  c = sub n, seen\n"
			   "  a = dense<8>(c)\n"
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
static char path[] = "/tmp/gm-state-XXXXXX";

static int set_up(void **state)
{
	cc_context_options o = cc_context_default();
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	for (uint32_t i = 0; i < ROWS; i++)
		rows[i] = i;
	for (uint32_t i = 0; i < ROWS * WIDTH; i++)
		table[i] = (uint8_t)rt_random_below(rt_key_seed(3), i, 256);
	data = (le_data){.name = (char[]){"noise"}, .table = {IR_U8, ROWS, WIDTH, table}, .key = {1, 2}};
	data.train = rows, data.ntrain = 690;
	data.val = rows + 690, data.nval = 10;
	o.cache_dir = "";
	diag = ir_diag_new();
	arena = ar_open();
	module = ir_parse("test.gm", text, strlen(text), arena, diag);
	return module && cc_context_new(&o, &context, diag) == IR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	cc_context_free(context);
	ar_free(arena);
	ir_diag_free(diag);
	return 0;
}

static le_config config(void)
{
	le_config c = le_config_default();

	c.batch = 32;
	c.epochs = 4;
	c.seed = 11;
	c.save_state = path;
	return c;
}

/* Stops as soon as so many steps are done. */
static bool stop_at(void *ctx, int64_t step, int64_t steps, double loss)
{
	(void)steps, (void)loss;
	return step < *(const int64_t *)ctx;
}

static ir_status train(const le_config *c, int64_t stop, le_result *r)
{
	le_config own = *c;

	if (stop)
		own.tick = stop_at;
	ir_diag_clear(diag);
	return le_train(context, module, &data, &own, NULL, &stop, r, diag);
}

static ir_status resume(const le_config *c, int64_t stop, le_result *r)
{
	le_config own = *c;
	le_weights w;
	ir_status s;

	assert_int_equal(le_weights_read(path, &w, diag), IR_OK);
	own.resume = &w;
	s = train(&own, stop, r);
	le_weights_free(&w);
	return s;
}

static void assert_same(const le_result *a, const le_result *b)
{
	assert_true(ir_key_equal(a->weights_key, b->weights_key));
	assert_int_equal(a->steps, b->steps);
	assert_int_equal(a->epochs, b->epochs);
	assert_memory_equal(a->step_loss, b->step_loss, (size_t)a->steps * sizeof(double));
	assert_memory_equal(a->epoch_val, b->epoch_val, (size_t)a->epochs * sizeof(double));
	assert_memory_equal(&a->train_loss, &b->train_loss, sizeof(double));
	assert_memory_equal(&a->val_loss, &b->val_loss, sizeof(double));
	assert_memory_equal(&a->val_mse, &b->val_mse, sizeof(double));
}

/* Two epochs, then two more. */
static void check_two_and_two(const le_config *c)
{
	le_config half = *c;
	le_result whole, r;

	assert_int_equal(train(c, 0, &whole), IR_OK);
	half.epochs = 2;
	assert_int_equal(train(&half, 0, &r), IR_OK);
	assert_int_equal(r.steps, 2 * PER_EPOCH);
	assert_false(ir_key_equal(whole.weights_key, r.weights_key));
	le_result_free(&r);
	half.epochs = 4;
	half.threads = 2;
	assert_int_equal(resume(&half, 0, &r), IR_OK);
	assert_same(&whole, &r);
	le_result_free(&r);
	assert_int_equal(resume(&half, 0, &r), IR_OK); /* at the end already */
	assert_same(&whole, &r);
	le_result_free(&r);
	le_result_free(&whole);
}

static void longer(void **state)
{
	le_config c = config();

	(void)state;
	check_two_and_two(&c);
	c.objective.optimizer = CC_SGD;
	c.objective.momentum = 0.9;
	c.objective.clip_norm = 0.5;
	c.lr = 0.1;
	c.shuffle = false;
	check_two_and_two(&c);
	c.objective.optimizer = CC_ADAMW;
	c.objective.weight_decay = 0.1;
	c.precision = CC_PRECISION_F64;
	check_two_and_two(&c);
}

/* Stopped again and again, in the middle of epochs and at their ends, under a schedule that knows its end. */
static void any_number_of_stops(void **state)
{
	le_config c = config();
	le_result whole, r;
	ir_status s;
	int64_t stop = 1, stops = 0;

	(void)state;
	c.schedule = LE_COSINE;
	assert_int_equal(train(&c, 0, &whole), IR_OK);
	for (s = train(&c, stop, &r); s == IR_EINTR; stops++) {
		assert_true(r.steps >= stop && r.weights.n == 6);
		stop = r.steps + 5;
		le_result_free(&r);
		s = resume(&c, stop, &r);
	}
	assert_int_equal(s, IR_OK);
	assert_true(stops > 8);
	assert_same(&whole, &r);
	le_result_free(&r);
	le_result_free(&whole);
}

/* --max-steps cuts an epoch; with more steps it goes on where it was cut. */
static void cut_epochs(void **state)
{
	le_config c = config();
	le_result whole, r;

	(void)state;
	c.max_steps = 50;
	assert_int_equal(train(&c, 0, &whole), IR_OK);
	assert_int_equal(whole.epochs, 3);
	c.max_steps = 30;
	assert_int_equal(train(&c, 0, &r), IR_OK);
	assert_int_equal(r.epochs, 2);
	le_result_free(&r);
	c.max_steps = 50;
	assert_int_equal(resume(&c, 0, &r), IR_OK);
	assert_same(&whole, &r);
	le_result_free(&r);
	assert_int_equal(resume(&c, 0, &r), IR_OK);
	assert_same(&whole, &r);
	le_result_free(&r);
	le_result_free(&whole);
}

/* ---- refused ------------------------------------------------------------------------------------------------------- */

static void refuse(const le_config *c, const char *word)
{
	le_result r;

	assert_int_equal(resume(c, 0, &r), IR_EINPUT);
	assert_int_equal(ir_diag_size(diag), 1);
	if (!strstr(ir_diag_get(diag, 0)->text, word))
		fail_msg("'%s' has no '%s'", ir_diag_get(diag, 0)->text, word);
	assert_int_equal(r.weights.n, 0);
	le_result_free(&r);
}

static void other_settings(void **state)
{
	le_config c = config(), o;
	le_result r;

	(void)state;
	c.epochs = 2;
	c.objective.optimizer = CC_ADAMW;
	assert_int_equal(train(&c, 0, &r), IR_OK);
	le_result_free(&r);
	o = c, o.lr = 2e-3, refuse(&o, "--lr: the state was made with 0.001, not with 0.002");
	o = c, o.batch = 30, refuse(&o, "--batch");
	o = c, o.seed = 12, refuse(&o, "--seed");
	o = c, o.shuffle = false, refuse(&o, "--no-shuffle");
	o = c, o.precision = CC_PRECISION_BF16, refuse(&o, "--precision");
	o = c, o.objective.clip_norm = 1, refuse(&o, "--clip-norm");
	o = c, o.objective.eps = 1e-7, refuse(&o, "--adam-eps");
	o = c, o.objective.weight_decay = 1, refuse(&o, "--weight-decay");
	o = c, o.epochs = 1, refuse(&o, "after step 42");
	data.key.lo++;
	refuse(&c, "--data");
	data.key.lo--;
	o = c, o.schedule = LE_COSINE, o.lr = 1;
	assert_int_equal(resume(&o, 0, &r), IR_EINPUT);
	assert_int_equal(ir_diag_size(diag), 2); /* schedule and rate; not steps, which the state does not have */
	le_result_free(&r);
	c.schedule = LE_COSINE;
	assert_int_equal(train(&c, 0, &r), IR_OK);
	le_result_free(&r);
	c.epochs = 3;
	refuse(&c, "--epochs: the state is of a training of 42 steps, not 63");
}

static void other_models(void **state)
{
	static const char *const other[] = {"  a = dense<9>(c)\n", "  a = dense<8>(c)\n  b = relu a\n"};
	le_config c = config();
	ir_module *own = module;
	le_result r;

	(void)state;
	c.epochs = 1;
	assert_int_equal(train(&c, 0, &r), IR_OK);
	le_result_free(&r);
	for (int i = 0; i < 2; i++) {
		const char *at = strstr(text, "  a = dense<8>(c)\n");
		char *s = ar_printf(arena, "%.*s%s%s", (int)(at - text), text, other[i], at + strlen("  a = dense<8>(c)\n"));

		module = ir_parse("other.gm", s, strlen(s), arena, diag);
		assert_non_null(module);
		if (i == 0)
			refuse(&c, "another model");
		else /* a line that nobody needs makes no other model */
			assert_int_equal(resume(&c, 0, &r), IR_OK), le_result_free(&r);
	}
	module = own;
}

/* The state with something changed, written back. */
static void put(const le_weights *w, size_t nmeta)
{
	assert_int_equal(le_weights_write(path, w, (const char *const *)w->meta, nmeta, diag), IR_OK);
}

/* A file of weights, and states that somebody has changed. */
static void other_files(void **state)
{
	le_config c = config();
	rt_tensor *epochs, *steps;
	char *name;
	le_result r;
	le_weights w;

	(void)state;
	c.epochs = 1;
	assert_int_equal(train(&c, 0, &r), IR_OK);
	le_result_free(&r);
	assert_int_equal(le_weights_read(path, &w, diag), IR_OK);
	epochs = &w.tensor[w.n - 1], steps = epochs - 1;
	put(&w, 0);
	refuse(&c, "not a training state");
	name = w.name[0];
	w.name[0] = (char[]){"stranger"};
	put(&w, w.nmeta);
	refuse(&c, "is missing");
	w.name[0] = name;
	w.n--;
	put(&w, w.nmeta);
	refuse(&c, "another model");
	w.n++;
	steps->type.dim[0] = PER_EPOCH - 1; /* an epoch that cannot have been whole */
	put(&w, w.nmeta);
	refuse(&c, ".epoch_val");
	steps->type.dim[0] = PER_EPOCH;
	put(&w, w.nmeta);
	assert_int_equal(resume(&c, 0, &r), IR_OK);
	le_result_free(&r);
	le_weights_free(&w);
}

/* The training is worth more than its state. */
static void nowhere_to_write(void **state)
{
	le_config c = config();
	le_result r;

	(void)state;
	c.save_state = "/nonexistent/state";
	assert_int_equal(train(&c, 0, &r), IR_EIO);
	assert_int_equal(ir_diag_size(diag), 1);
	assert_true(r.epochs == 4 && r.weights.n == 6);
	le_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longer),	  cmocka_unit_test(any_number_of_stops), cmocka_unit_test(cut_epochs),
		cmocka_unit_test(other_settings), cmocka_unit_test(other_models),	 cmocka_unit_test(other_files),
		cmocka_unit_test(nowhere_to_write),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
