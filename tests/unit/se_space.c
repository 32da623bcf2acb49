/* SPDX-License-Identifier: Apache-2.0
 * The dense space: what it proposes parses, verifies, keeps its shape rules, and reads back from the store's form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ir/ir.h"
#include "search/sampler.h"
#include "search/trial.h"

extern const char se_schema_sql[];

static void open_dense(se_space *sp, int64_t latent, int64_t epochs, int64_t batch)
{
	assert_true(se_space_init(sp, "dense", &(se_limits){latent, epochs, batch}));
}

static se_genome genome(const se_space *sp, const char *const *set)
{
	se_genome g;

	for (size_t i = 0; i < SE_MAX_PARAMS; i++)
		g.v[i] = NAN;
	for (size_t i = 0; i < sp->n; i++) {
		if (!se_genome_active(sp, &g, i))
			continue;
		g.v[i] = sp->param[i].kind == SE_CHOICE ? 0 : sp->param[i].low;
		for (size_t k = 0; set[k]; k += 2) {
			if (strcmp(set[k], sp->param[i].name))
				continue;
			for (int c = 0; c < se_param_choices(&sp->param[i]); c++)
				if (!strcmp(sp->param[i].choice[c], set[k + 1]))
					g.v[i] = c;
			if (sp->param[i].kind == SE_INT)
				g.v[i] = set[k + 1][0] - '0';
		}
	}
	assert_true(se_genome_check(sp, &g));
	return g;
}

static void check_model(const char *text)
{
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_module *m = ir_parse("test", text, strlen(text), a, d);
	ir_func *f = m ? ir_module_find(m, IR_ENTRY) : NULL;
	ir_ref *path;
	size_t n;

	if (!f) {
		ir_str s;

		sb_init(&s);
		ir_diag_print_all(d, &s);
		fail_msg("%s\n%s", s.s, text);
		return;
	}
	assert_true(ir_verify(f, d));
	assert_non_null(ir_find_output(f, IR_OUT_LOSS));
	assert_non_null(ir_find_output(f, IR_OUT_LATENT));
	assert_non_null(ir_find_output(f, IR_OUT_RECONSTRUCTION));
	assert_false(ir_find_bypass(f, a, &path, &n));
	assert_non_null(ir_bind(f, 8, a, d));
	assert_int_equal(ir_diag_size(d), 0);
	ir_diag_free(d);
	ar_free(a);
}

/* All shapes there are (latent and width at two values each) and no two of them the same program. */
static void every_shape_builds(void **state)
{
	static const char *const act[] = {"relu", "gelu", "tanh"}, *const skip[] = {"none", "block", "stage"};
	char seen[400][IR_KEY_CHARS];
	int n = 0;
	se_space sp;

	(void)state;
	open_dense(&sp, 0, 0, 0);
	for (int i = 0; i < 3 * 3 * 3 * 2 * 2; i++) {
		const char *const set[] = {"activation", act[i % 3], "skip", skip[i / 3 % 3],
			"blocks", (const char *const[]){"0", "1", "3"}[i / 9 % 3],
			"layers", i / 27 % 2 ? "1" : "2", "latent", i / 54 ? "8" : "64", NULL};
		se_genome g = genome(&sp, set);
		se_model m;
		ir_diag *d = ir_diag_new();
		ir_str s;

		sb_init(&s);
		se_build(&sp, &g, 784, &s);
		check_model(s.s);
		assert_true(se_model_read("test", s.s, &m, d));
		assert_int_equal(m.latent, i / 54 ? 8 : 64);
		assert_int_equal(m.width, 784);
		assert_true(m.params > 784 * 64 * 2 && m.flops > 4 * 784 * 64);
		ir_key_print(m.arch, seen[n++]);
		if (i / 9 % 3 == 0 || (i / 9 % 3 == 1 && i / 3 % 3 == 2))
			n--; /* no blocks: no matter how; one block: a skip around it or around the stage is the same */
		for (int k = 0; k < n - 1; k++)
			assert_string_not_equal(seen[k], seen[n - 1]);
		ir_diag_free(d);
		sb_fini(&s);
	}
}

static void random_points_build(void **state)
{
	se_space sp;
	se_sampler *s;

	(void)state;
	open_dense(&sp, 0, 0, 0);
	s = se_sampler_new(&se_sampler_random, &sp, 3, SE_DELAY);
	for (int64_t i = 0; i < 200; i++) {
		se_genome g;
		ir_str text;

		se_sampler_ask(s, i, 0, &g, NULL);
		sb_init(&text);
		se_build(&sp, &g, 784, &text);
		check_model(text.s);
		sb_fini(&text);
	}
	se_sampler_free(s);
}

static void conditions(void **state)
{
	const char *const none[] = {"blocks", "0", "optimizer", "sgd", NULL};
	const char *const some[] = {"blocks", "2", "optimizer", "adamw", NULL};
	se_space sp;
	se_genome g;

	(void)state;
	open_dense(&sp, 0, 0, 0);
	g = genome(&sp, none);
	assert_false(se_genome_has(&sp, &g, "layers"));
	assert_false(se_genome_has(&sp, &g, "skip"));
	assert_true(se_genome_has(&sp, &g, "lr_sgd"));
	assert_false(se_genome_has(&sp, &g, "lr"));
	g = genome(&sp, some);
	assert_true(se_genome_has(&sp, &g, "skip"));
	assert_true(se_genome_has(&sp, &g, "weight_decay"));
	assert_false(se_genome_has(&sp, &g, "lr_sgd"));
	g.v[se_param_find(&sp, "skip")] = NAN;
	assert_false(se_genome_check(&sp, &g));
}

static void fixed_by_options(void **state)
{
	const char *const set[] = {NULL};
	se_space sp;
	se_genome g;
	ir_str s;

	(void)state;
	open_dense(&sp, 24, 9, 100);
	g = genome(&sp, set);
	assert_true(se_genome_number(&sp, &g, "latent") == 24);
	assert_true(se_genome_number(&sp, &g, "epochs") == 9);
	assert_true(se_genome_number(&sp, &g, "batch") == 100);
	sb_init(&s);
	se_param_distribution(&sp.param[se_param_find(&sp, "latent")], &s);
	assert_string_equal(s.s, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [24]}}");
	sb_fini(&s);
}

static void distributions(void **state)
{
	static const char *const want[][2] = {
		{"blocks", "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1, \"low\": 0, \"high\": 3}}"},
		{"lr", "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0005, \"high\": 0.005, "
			"\"log\": true}}"},
		{"activation", "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"relu\", \"gelu\", "
			"\"tanh\"]}}"},
		{"batch", "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [64, 128, 256, 32]}}"},
	};
	se_space sp;
	ir_str s;

	(void)state;
	open_dense(&sp, 0, 0, 0);
	sb_init(&s);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		sb_clear(&s);
		se_param_distribution(&sp.param[se_param_find(&sp, want[i][0])], &s);
		assert_string_equal(s.s, want[i][1]);
	}
	sb_fini(&s);
}

/* A parameter that nobody can query by name was added half-way. */
static void every_parameter_is_a_column(void **state)
{
	const char *view = strstr(se_schema_sql, "CREATE VIEW v_trials");
	char name[64];
	se_space sp;

	(void)state;
	open_dense(&sp, 0, 0, 0);
	for (size_t i = 0; i < sp.n; i++) {
		if (!strcmp(sp.param[i].name, "latent") || !strcmp(sp.param[i].name, "epochs"))
			continue; /* columns of x_trial */
		snprintf(name, sizeof name, "'%s'", sp.param[i].name);
		if (!strstr(view, name))
			fail_msg("v_trials has no column for %s", sp.param[i].name);
	}
}

/* The key forgets what the text says anyway, and nothing else. */
static void trial_keys(void **state)
{
	const char *const relu[] = {"activation", "relu", NULL}, *const tanh_[] = {"activation", "tanh", NULL};
	const char *const batch[] = {"batch", "128", NULL};
	ir_key arch = {1, 2}, k;
	se_space sp;
	se_genome g, h;

	(void)state;
	open_dense(&sp, 32, 2, 0);
	g = genome(&sp, relu);
	h = genome(&sp, tanh_);
	k = se_trial_key(arch, &sp, &g, "data", 0);
	assert_true(ir_key_equal(k, se_trial_key(arch, &sp, &h, "data", 0)));
	h = genome(&sp, batch);
	assert_false(ir_key_equal(k, se_trial_key(arch, &sp, &h, "data", 0)));
	assert_false(ir_key_equal(k, se_trial_key(arch, &sp, &g, "data", 1)));
	assert_false(ir_key_equal(k, se_trial_key(arch, &sp, &g, "other", 0)));
	assert_false(ir_key_equal(k, se_trial_key((ir_key){1, 3}, &sp, &g, "data", 0)));
}

/* Other data, another space: no latent without compression, no batch that nothing fills, as many steps as many rows have. */
static void fits_the_data(void **state)
{
	se_space sp, usual;
	int latent, batch, epochs, sgd;
	ir_str text;
	se_genome g;

	(void)state;
	open_dense(&usual, 0, 0, 0);
	open_dense(&sp, 0, 0, 0);
	latent = se_param_find(&sp, "latent"), batch = se_param_find(&sp, "batch");
	epochs = se_param_find(&sp, "epochs"), sgd = se_param_find(&sp, "lr_sgd");
	se_space_fit(&sp, 784, 54000);
	for (size_t i = 0; i < sp.n; i++)
		assert_memory_equal(&sp.param[i], &usual.param[i], sizeof sp.param[i]);
	se_space_fit(&sp, 13, 145);
	assert_int_equal(se_param_choices(&sp.param[latent]), 3);
	assert_string_equal(sp.param[latent].choice[2], "4");
	assert_string_equal(sp.param[batch].choice[se_param_choices(&sp.param[batch]) - 1], "128");
	assert_true(sp.param[epochs].low == 3 * 56 && sp.param[epochs].high == 16 * 56);
	assert_true(sp.param[sgd].high < .17);
	se_space_usual(&sp, &g);
	assert_true(se_genome_check(&sp, &g));
	open_dense(&sp, 5, 7, 9); /* what was asked for stays */
	se_space_fit(&sp, 13, 145);
	assert_string_equal(sp.param[latent].choice[0], "5");
	assert_string_equal(sp.param[batch].choice[0], "9");
	assert_true(sp.param[epochs].low == 7 && sp.param[epochs].high == 7);
	open_dense(&sp, 0, 0, 0);
	se_space_fit(&sp, 1, 20);
	assert_int_equal(se_param_choices(&sp.param[latent]), 1);
	assert_int_equal(se_param_choices(&sp.param[batch]), 1);
	sp.linear = true;
	se_space_usual(&sp, &g);
	sb_init(&text);
	se_build(&sp, &g, 1, &text);
	assert_null(strstr(text.s, "sigmoid"));
	sb_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_builds), cmocka_unit_test(random_points_build), cmocka_unit_test(conditions),
		cmocka_unit_test(fixed_by_options), cmocka_unit_test(distributions),
		cmocka_unit_test(every_parameter_is_a_column), cmocka_unit_test(trial_keys),
		cmocka_unit_test(fits_the_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
