/* SPDX-License-Identifier: Apache-2.0
 * Options against a study that exists: what is left out is taken from it, all that disagrees is told at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "search/study.h"

static const se_study old = {.id = 1, .name = "s", .space = "dense", .sampler = "random", .data = "fashion-mnist", .seed = 5,
	.epochs = 2, .delay = 16};
static const se_options none = {.study = "s", .seed = SE_UNSET, .limit_train = SE_UNSET, .latent = SE_UNSET,
	.epochs = SE_UNSET, .batch = SE_UNSET, .delay = SE_UNSET};

static void left_out(void **state)
{
	se_options o = none;
	ir_diag *d = ir_diag_new();
	se_study st;

	(void)state;
	o.seed = 5; /* said again, the same */
	assert_true(se_study_resolve(&o, &old, &st, d));
	assert_int_equal(st.seed, 5);
	assert_int_equal(st.epochs, 2);
	assert_int_equal(st.latent, 0);
	assert_string_equal(st.data, "fashion-mnist");
	assert_int_equal(ir_diag_size(d), 0);
	ir_diag_free(d);
}

static void everything_disagrees(void **state)
{
	static const char said[] =
		"error: --data: the study was started with fashion-mnist, not with x.idx [study_option]\n"
		"error: --seed: the study was started with 5, not with 0 [study_option]\n"
		"error: --limit-train: the study was started with all rows, not with 100 [study_option]\n"
		"error: --latent: the study was started with no fixed value, not with 8 [study_option]\n"
		"error: --epochs: the study was started with 2, not with 3 [study_option]\n"
		"note: another --study starts anew [study_anew]\n";
	se_options o = {.study = "s", .data = "x.idx", .space = "dense", .seed = 0, .limit_train = 100, .latent = 8, .epochs = 3,
		.batch = SE_UNSET, .delay = SE_UNSET};
	ir_diag *d = ir_diag_new();
	se_study st;
	ir_str s;

	(void)state;
	sb_init(&s);
	assert_false(se_study_resolve(&o, &old, &st, d));
	ir_diag_print_all(d, &s);
	assert_string_equal(s.s, said);
	sb_fini(&s);
	ir_diag_free(d);
}

static void a_new_study_needs_data(void **state)
{
	ir_diag *d = ir_diag_new();
	se_study fresh = {0}, st;

	(void)state;
	assert_false(se_study_resolve(&none, &fresh, &st, d));
	assert_int_equal(ir_diag_size(d), 1);
	assert_int_equal(ir_diag_get(d, 0)->id, IR_E_option);
	assert_non_null(strstr(ir_diag_get(d, 0)->text, "--data"));
	ir_diag_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(left_out), cmocka_unit_test(everything_disagrees), cmocka_unit_test(a_new_study_needs_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
