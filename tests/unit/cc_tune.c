/* SPDX-License-Identifier: Apache-2.0
 * Schedules by measurement: they are remembered on disk, and whatever the choice, the bits are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "compiler/program.h"

static ir_diag *diag;
static cc_context *context;
static char dir[] = "/tmp/gm_tune_XXXXXX";

static int open_all(void **state)
{
	cc_context_options o = cc_context_default();

	(void)state;
	diag = ir_diag_new();
	o.cache_dir = mkdtemp(dir);
	return !o.cache_dir || cc_context_new(&o, &context, diag) != IR_OK;
}

static int close_all(void **state)
{
	char command[64];

	(void)state;
	cc_context_free(context);
	ir_diag_free(diag);
	snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command);
}

/* A training step with a hidden layer that is longer than a pack of 128, and matrices worth panels. */
static const ir_func *step(ir_arena *a)
{
	static const char text[] = "gradmill 1\nfunc main(x: f32[B,300]) {\n  h = dense<130>(x)\n  r = relu h\n  z = dense<7>(r)\n"
				   "  y = dense<300>(z)\n  loss = mse(y, x)\n  return loss=loss, latent=z, reconstruction=y\n}\n";
	cc_objective obj = cc_objective_default();
	cc_feed feed = {IR_F32, 0, 300};
	ir_module *m = ir_parse("t.gm", text, sizeof text - 1, a, diag);
	const ir_func *f = m ? ir_bind(ir_module_find(m, "main"), 24, a, diag) : NULL;

	assert_non_null(f);
	f = cc_step(f, &feed, &obj, 1, false, a, diag);
	assert_non_null(f);
	return f;
}

static ir_key run(const ir_func *f, const cc_options *o)
{
	rt_tensor leaf[64], loss;
	ir_key key[64];
	cc_program *p;
	rt_exec *e;
	size_t n;

	assert_int_equal(cc_compile(context, f, o, &p, diag), IR_OK);
	assert_int_equal(rt_exec_new(cc_program_plan(p), &e), IR_OK);
	n = cc_program_leaves(p);
	assert_true(n < 63);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rt_tensor_alloc(&leaf[i], cc_program_leaf_type(p, i)), IR_OK);
		rt_fill_uniform(rt_key_seed(i), IR_F32, leaf[i].data, 0, ir_type_count(&leaf[i].type));
		rt_bind_leaf(e, i, leaf[i].data, 0);
	}
	assert_int_equal(rt_tensor_alloc(&loss, cc_program_output_type(p, 0)), IR_OK);
	rt_bind_output(e, 0, loss.data, 0);
	rt_run(e, 3);
	for (size_t i = 0; i < n; i++) {
		key[i] = ir_hash(leaf[i].data, ir_type_bytes(&leaf[i].type));
		rt_tensor_free(&leaf[i]);
	}
	key[n] = ir_hash(loss.data, ir_type_bytes(&loss.type));
	rt_tensor_free(&loss);
	rt_exec_free(e);
	cc_program_free(p);
	return ir_hash(key, (n + 1) * sizeof *key);
}

static void every_schedule_gives_the_same_bits(void **state)
{
	static const int pack[] = {128, 256, 1024};
	ir_arena *a = ar_open();
	const ir_func *f = step(a);
	cc_options o = {.threads = 1, .opt_level = 2};
	ir_key want = run(f, &o);

	(void)state;
	for (int i = 0; i < 24; i++) {
		cc_schedule s = {pack[i % 3], i / 3 % 2, i / 6 % 2 ? 1.2 : 1e6, i / 12 ? 0 : 5};

		o.schedule = &s, o.threads = 1 + i % 3;
		assert_true(ir_key_equal(run(f, &o), want));
	}
	o.schedule = NULL, o.threads = 2, o.tune = true;
	assert_true(ir_key_equal(run(f, &o), want));
	ar_free(a);
}

static void what_was_measured_is_remembered(void **state)
{
	ir_arena *a = ar_open();
	const ir_func *f = step(a);
	cc_options o = {.threads = 2, .opt_level = 2};
	cc_schedule first = cc_tuned(context, f, &o, diag), again;
	void *p;

	(void)state;
	rt_fault_after(1);
	again = cc_tuned(context, f, &o, diag);
	assert_int_equal(rt_alloc(1, &p), IR_ENOMEM); /* the first request since: nothing was run */
	assert_true(first.k_pack == again.k_pack && first.panels == again.panels && first.solo_us == again.solo_us &&
		    first.cut_us == again.cut_us);
	ar_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_schedule_gives_the_same_bits),
		cmocka_unit_test(what_was_measured_is_remembered),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
