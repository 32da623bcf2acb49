/* SPDX-License-Identifier: Apache-2.0
 * Enqueued points: given values are taken, the rest is drawn, what is not a point of the space is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "search/enqueue.h"
#include "search/sampler.h"

static se_space sp;
static se_genome drawn;

static int setup(void **state)
{
	se_sampler *s;

	(void)state;
	se_space_init(&sp, "dense", &(se_limits){0, 0, 0});
	s = se_sampler_new(&se_sampler_random, &sp, 9, SE_DELAY);
	se_sampler_fill(s, 5, &drawn);
	se_sampler_free(s);
	return 0;
}

static void given_and_drawn(void **state)
{
	se_genome g;
	ir_str why;

	(void)state;
	sb_init(&why);
	assert_true(se_enqueued(&sp, "{\"activation\": \"gelu\", \"stem_width\": 384, \"blocks\": 2, \"optimizer\": \"adamw\", "
		"\"lr\": 0.001}", &drawn, &g, &why));
	assert_true(se_genome_check(&sp, &g));
	assert_string_equal(se_genome_choice(&sp, &g, "activation"), "gelu");
	assert_true(se_genome_number(&sp, &g, "stem_width") == 384);
	assert_true(se_genome_number(&sp, &g, "lr") == 1e-3);
	assert_true(se_genome_has(&sp, &g, "weight_decay") && se_genome_has(&sp, &g, "skip"));
	assert_true(g.v[se_param_find(&sp, "batch")] == drawn.v[se_param_find(&sp, "batch")]);
	assert_true(se_enqueued(&sp, NULL, &drawn, &g, &why));
	assert_true(se_genome_check(&sp, &g));
	assert_true(se_enqueued(&sp, "{\"blocks\": 0}", &drawn, &g, &why));
	assert_false(se_genome_has(&sp, &g, "skip"));
	sb_fini(&why);
}

static void refused(void **state)
{
	static const char *const bad[][2] = {
		{"{\"stem_width\": 100}", "stem_width"}, {"{\"stem_width\": \"wide\"}", "stem_width"},
		{"{\"activation\": \"swish\"}", "activation"}, {"{\"activation\": 1}", "activation"},
		{"{\"optimizer\": \"adam\", \"lr\": 7}", "lr"}, {"{\"blocks\": 1.5}", "blocks"}, {"{\"blocks\": null}", "blocks"},
		{"{\"blocks\": 0, \"skip\": \"block\"}", "skip"}, {"{\"depth\": 3}", "depth"},
		{"[1]", "fixed_params"}, {"{\"blocks\": 1", "fixed_params"}, {"{\"blocks\": 1, \"blocks\": 2}", "fixed_params"},
	};
	se_genome g;
	ir_str why;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		sb_init(&why);
		assert_false(se_enqueued(&sp, bad[i][0], &drawn, &g, &why));
		assert_non_null(strstr(why.s, bad[i][1]));
		sb_fini(&why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(given_and_drawn, setup), cmocka_unit_test_setup(refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
