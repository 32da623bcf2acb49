/* SPDX-License-Identifier: Apache-2.0
 * Data sets of users' files: which rows are for what, labels, missing values, scaling, files that stay where they are, and
 * the one text that says it all. */
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
#include "search/data/data_int.h"

#define ROWS 60

static char dir[] = "/tmp/gm-load-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[32][64];
	static int next;
	char *p = path[next++ % 32];

	snprintf(p, sizeof path[0], "%s/%s", dir, name);
	return p;
}

/* id, a column that never changes, a small and a large one, and a class; row `hole` lacks the small one. */
static const char *make_csv(const char *name, int rows, int hole, double offset)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "w");

	fputs("id,fixed,small,large,kind\n", f);
	for (int i = 0; i < rows; i++) {
		fprintf(f, "%d,7,", i);
		if (i != hole)
			fprintf(f, "%.3f", offset + i * .001);
		fprintf(f, ",%d,%s\n", 1000 * ((i * 7) % rows), i % 3 ? "good" : "bad");
	}
	fclose(f);
	return path;
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command);
}

static le_data good(const le_source *s)
{
	ir_diag *d = ir_diag_new();
	le_data t;

	if (le_data_load(s, 1, 0, &t, d) != IR_OK)
		fail_msg("%s", ir_diag_get(d, 0)->text);
	ir_diag_free(d);
	return t;
}

static void bad(const le_source *s, const char *why)
{
	ir_diag *d = ir_diag_new();
	le_data t;

	assert_int_equal(le_data_load(s, 1, 0, &t, d), IR_EINPUT);
	assert_int_equal(ir_diag_size(d), 1);
	if (!strstr(ir_diag_get(d, 0)->text, why))
		fail_msg("'%s' does not say '%s'", ir_diag_get(d, 0)->text, why);
	assert_null(t.table.data);
	ir_diag_free(d);
	assert_int_equal(rt_live_bytes(), 0);
}

static float at(const le_data *t, uint32_t row, int column)
{
	return ((const float *)t->table.data)[row * (size_t)t->table.width + (size_t)column];
}

static void columns_are_standardised_on_training_rows(void **state)
{
	le_data t = good(&(le_source){.data = make_csv("a.csv", ROWS, -1, 5), .labels = "kind", .drop = "id"});
	double mean = 0, var = 0;

	(void)state;
	assert_int_equal(t.table.width, 3);
	assert_false(t.unit);
	for (int column = 1; column < 3; column++) {
		mean = var = 0;
		for (size_t i = 0; i < t.ntrain; i++)
			mean += (double)at(&t, t.train[i], column) / (double)t.ntrain;
		for (size_t i = 0; i < t.ntrain; i++)
			var += pow((double)at(&t, t.train[i], column) - mean, 2) / (double)t.ntrain;
		assert_true(fabs(mean) < 1e-6 && fabs(var - 1) < 1e-6);
	}
	assert_true(at(&t, 3, 0) == 0 && t.scale.std[0] == 1); /* the column that never changes */
	assert_true(fabs(le_data_variance(&t, t.train, t.ntrain) - 2. / 3) < 1e-6);
	assert_int_equal(t.nclass, 2);
	assert_string_equal(t.class_name[t.label[0]], "bad");
	assert_string_equal(t.class_name[t.label[1]], "good");
	le_data_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

static void scaling_keeps_its_bits_as_text(void **state)
{
	le_data t = good(&(le_source){.data = make_csv("a.csv", ROWS, -1, 5), .drop = "id,kind"});
	float x[3] = {7, 5.25f, 31000}, y[3], z[3], back[3];
	le_scale s;
	ir_str text;

	(void)state;
	sb_init(&text);
	le_scale_print(&t.scale, &text);
	assert_true(le_scale_parse(text.s, &s));
	assert_memory_equal(s.mean, t.scale.mean, 3 * sizeof *s.mean);
	assert_memory_equal(s.std, t.scale.std, 3 * sizeof *s.std);
	le_scale_row(&t.scale, x, y);
	le_scale_row(&s, x, z);
	assert_memory_equal(y, z, sizeof y);
	memcpy(back, y, sizeof back);
	le_unscale_rows(&s, back, 1);
	for (int i = 0; i < 3; i++)
		assert_true(fabsf(back[i] - x[i]) <= 1e-6f * fabsf(x[i]));
	le_scale_free(&s);
	assert_false(le_scale_parse("{\"mean\": [1, 2], \"std\": [1, 0]}", &s));
	assert_false(le_scale_parse("{\"mean\": [1, 2], \"std\": [1]}", &s));
	assert_false(le_scale_parse("{\"mean\": [], \"std\": []}", &s));
	assert_false(le_scale_parse("mean", &s));
	sb_fini(&text);
	le_data_free(&t);
}

static void missing_values(void **state)
{
	le_source s = {.data = make_csv("m.csv", ROWS, 4, 5), .drop = "id,kind"};
	le_data t;

	(void)state;
	bad(&s, "row 5, column 2 small: a missing value");
	s.missing = "mean";
	t = good(&s);
	assert_true(at(&t, 4, 1) == 0); /* the mean, standardised */
	le_data_free(&t);
	s.scale = "none";
	t = good(&s);
	assert_true(fabsf(at(&t, 4, 1) - 5.03f) < .005f && at(&t, 4, 0) == 7);
	le_data_free(&t);
	s.missing = "median";
	bad(&s, "refuse or mean");
}

static void parts_by_per_cent_and_by_file(void **state)
{
	le_source s = {.data = make_csv("a.csv", ROWS, -1, 5), .drop = "id,kind", .split = "50/30/20"};
	le_data t = good(&s);

	(void)state;
	assert_int_equal(t.ntrain, 30);
	assert_int_equal(t.nval, 18);
	assert_int_equal(t.ntest, 12);
	le_data_free(&t);
	s.val = make_csv("v.csv", 10, -1, 6);
	bad(&s, "their part must be 0");
	s.split = "80/20", s.val = NULL, s.test = make_csv("t.csv", 10, -1, 6);
	t = good(&s);
	assert_int_equal(t.ntest, 10);
	assert_int_equal(t.test[0], ROWS);
	assert_true(at(&t, ROWS, 1) > at(&t, ROWS - 1, 1)); /* scaled as the training rows are */
	le_data_free(&t);
	s.split = NULL, s.val = s.test;
	t = good(&s);
	assert_int_equal(t.ntrain, ROWS);
	assert_int_equal(t.nval, 10);
	assert_int_equal(t.val[9], ROWS + 9);
	assert_int_equal(t.test[0], ROWS + 10);
	le_data_free(&t);
	s.val = s.test = NULL;
	for (const char *const *wrong = (const char *const[]){"", "80", "80/20", "80/10/20", "80/10/10/0", "a/b/c", "0/50/50", NULL}; *wrong; wrong++) {
		s.split = *wrong;
		bad(&s, "--split");
	}
	s.split = NULL, s.test = make_csv("w.csv", 3, -1, 6), s.drop = "id";
	s.labels = "kind", s.drop = "id,large";
	s.test = path_of("none.csv");
	assert_int_equal(le_data_load(&s, 1, 0, &t, NULL), IR_ENOINPUT);
}

static void one_class(void **state)
{
	le_source s = {.data = make_csv("a.csv", ROWS, -1, 5), .drop = "id", .labels = "kind", .only = "bad"};
	le_data t = good(&s);
	int other = 0;

	(void)state;
	for (size_t i = 0; i < t.ntrain; i++)
		assert_true(t.train[i] % 3 == 0);
	for (size_t i = 0; i < t.nval; i++)
		assert_true(t.val[i] % 3 == 0);
	for (size_t i = 0; i < t.ntest; i++)
		other += t.test[i] % 3 != 0;
	assert_true(t.nval > 0 && other > 0); /* the test rows are of all classes */
	le_data_free(&t);
	s.only = "ugly";
	bad(&s, "no row has the label 'ugly'; there are bad, good");
	s.labels = NULL;
	bad(&s, "needs --labels");
}

/* A file that stays where it is gives the rows that a read one does, also to those who get it from the driver. */
static void files_that_stay(void **state)
{
	enum { WIDTH = 5, N = 200 };
	const char *path = path_of("x.f32");
	FILE *f = fopen(path, "w");
	float x[N * WIDTH], y[N * WIDTH];
	le_source s = {.data = path, .shape = "f32:5"};
	le_data read, map, again;
	uint32_t *all = le_count_up(0, N);
	ir_diag *d = ir_diag_new();
	int fd;

	(void)state;
	for (int i = 0; i < N * WIDTH; i++)
		x[i] = 100 + (float)(i * 37 % 101) / 3;
	fwrite(x, sizeof x, 1, f);
	fclose(f);
	read = good(&s);
	le_stays_from = 1;
	map = good(&s);
	assert_true(le_data_staged(&map) && !le_data_staged(&read));
	assert_int_equal(map.ntrain, read.ntrain);
	le_data_rows(&read, all, N, x);
	le_data_rows(&map, all, N, y);
	assert_memory_equal(x, y, sizeof x);
	assert_true(le_data_variance(&read, read.val, read.nval) == le_data_variance(&map, map.val, map.nval));
	assert_int_equal(le_share_new(&fd, d), IR_OK);
	assert_int_equal(le_data_share(&map, fd, d), IR_OK);
	assert_int_equal(le_data_map(fd, &again, d), IR_OK);
	memset(y, 0, sizeof y);
	le_data_rows(&again, all, N, y);
	assert_memory_equal(x, y, sizeof x);
	assert_true(ir_key_equal(again.key, map.key));
	le_data_free(&again);
	f = fopen(path, "r+"); /* changed behind our back: whoever comes later must not train on it */
	fwrite("zzzz", 4, 1, f);
	fclose(f);
	assert_int_equal(le_data_map(fd, &again, d), IR_EINPUT);
	assert_non_null(strstr(ir_diag_get(d, 0)->text, "has changed"));
	close(fd);
	le_stays_from = (uint64_t)1 << 29;
	le_data_free(&map);
	le_data_free(&read);
	ir_diag_free(d);
	free(all);
	assert_int_equal(rt_live_bytes(), 0);
}

/* What reads all of a file that stays where it is must live through its end coming nearer. */
static void files_that_are_cut_short(void **state)
{
	const char *path = path_of("cut.f32");
	float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, room[8];
	le_data t = {.table = {.dtype = IR_F32, .rows = 4, .width = 2}, .train = le_count_up(0, 4), .ntrain = 4};
	ir_diag *d = ir_diag_new();
	FILE *f = fopen(path, "w");
	const float *at_all;
	le_facts facts;

	(void)state;
	fwrite(x, sizeof x, 1, f);
	fclose(f);
	assert_int_equal(le_table_leave(path, 0, &t.table, d), IR_OK);
	assert_int_equal(le_rows_at(path, &t, 1, 3, room, &at_all, d), IR_OK);
	assert_memory_equal(at_all, x + 2, 6 * sizeof *x);
	assert_int_equal(le_facts_of(path, &t, &facts, d), IR_OK);
	assert_true(facts.low == 1 && facts.high == 8);
	le_facts_free(&facts);
	assert_int_equal(truncate(path, 20), 0);
	assert_int_equal(le_rows_at(path, &t, 1, 3, room, &at_all, d), IR_EINPUT);
	assert_int_equal(le_facts_of(path, &t, &facts, d), IR_EINPUT);
	le_facts_free(&facts);
	assert_int_equal(ir_diag_size(d), 2);
	assert_non_null(strstr(ir_diag_get(d, 1)->text, "cut.f32: the file was cut short while it was read"));
	le_data_rows(&t, t.train + 2, 1, room);
	assert_true(isnan(room[0]) && isnan(room[1]));
	le_table_free(&t.table);
	free(t.train);
	ir_diag_free(d);
}

static const char *text_under(const void *ctx, const char *key)
{
	static ir_str s;

	for (size_t i = 0; i < LE_PREP_TEXTS; i++) {
		sb_clear(&s);
		if (!strcmp(le_prep_print(ctx, i, &s), key) && s.n)
			return s.s;
	}
	return NULL;
}

/* What a model that was trained on t expects, by way of its texts. */
static bool prep_of(const le_data *t, le_prep *out)
{
	return le_prep_parse(text_under, t, out);
}

/* The file as a model that was trained on t sees it; NULL: fine, and the row 0 is in x. Else what is said. */
static const char *seen_by(const le_data *t, const char *file, const char *missing, float *x)
{
	static char text[300];
	ir_diag *d = ir_diag_new();
	le_data other;
	le_prep prep;
	bool ok;

	assert_true(prep_of(t, &prep));
	ok = le_data_open(&(le_source){.data = path_of(file), .missing = missing}, &prep, 0, 0, &other, d) == IR_OK;
	snprintf(text, sizeof text, "%s", ok ? "" : ir_diag_get(d, 0)->text);
	if (ok)
		memcpy(x, other.table.data, (size_t)other.table.width * sizeof *x);
	le_data_free(&other);
	le_prep_free(&prep);
	ir_diag_free(d);
	return ok ? NULL : text;
}

static void put(const char *file, const char *content)
{
	FILE *f = fopen(path_of(file), "w");

	fputs(content, f);
	fclose(f);
}

static void columns_meet_by_name(void **state)
{
	le_source s = {.data = make_csv("a.csv", ROWS, -1, 5), .drop = "id,kind", .scale = "none"};
	le_data t = good(&s);
	float x[3];

	(void)state;
	put("moved.csv", "large,fixed,small\n3,1,2\n");
	assert_null(seen_by(&t, "moved.csv", NULL, x));
	assert_true(x[0] == 1 && x[1] == 2 && x[2] == 3);
	put("bare.csv", "3,1,2\n"); /* no names: places */
	assert_null(seen_by(&t, "bare.csv", NULL, x));
	assert_true(x[0] == 3);
	put("renamed.csv", "fixed,Small,large\n1,2,3\n");
	assert_non_null(strstr(seen_by(&t, "renamed.csv", NULL, x), "no column 'small', which is one of the model's; column 'Small' is none"));
	put("more.csv", "fixed,small,more,large\n1,2,3,4\n");
	assert_non_null(strstr(seen_by(&t, "more.csv", NULL, x), "column 'more' is none of the model's: --drop"));
	put("twice.csv", "fixed,small,large,small\n1,2,3,4\n");
	assert_non_null(strstr(seen_by(&t, "twice.csv", NULL, x), "column 'small' is none"));
	le_data_free(&t);
	put("t.csv", "kind,large,small,fixed,id\ngood,3,2,1,0\n");
	s.test = path_of("t.csv");
	t = good(&s);
	assert_true(at(&t, ROWS, 0) == 1 && at(&t, ROWS, 1) == 2 && at(&t, ROWS, 2) == 3);
	le_data_free(&t);
	put("t.csv", "kind,large,little,fixed,id\ngood,3,2,1,0\n");
	bad(&s, "no column 'small', which is one of those of --data");
	put("odd.csv", "a\xff,\"b\nc\",a\xff\n1,2,3\n4,5,6\n7,8,10\n"); /* names that are no text, and twice the same */
	t = good(&(le_source){.data = path_of("odd.csv"), .scale = "none"});
	assert_null(seen_by(&t, "odd.csv", NULL, x));
	assert_true(x[0] == 1 && x[1] == 2 && x[2] == 3);
	le_data_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

static void gaps_of_other_rows(void **state)
{
	le_source s = {.data = make_csv("a.csv", ROWS, 4, 5), .drop = "id,kind", .missing = "mean"};
	le_data t = good(&s);
	float x[3];

	(void)state;
	put("gap.csv", "fixed,small,large\n7,,3\n");
	assert_null(seen_by(&t, "gap.csv", NULL, x)); /* as in training */
	assert_true(x[1] == 0);
	assert_non_null(strstr(seen_by(&t, "gap.csv", "refuse", x), "row 1, column 2 small: a missing value"));
	le_data_free(&t);
	s.scale = "none";
	t = good(&s);
	assert_null(seen_by(&t, "gap.csv", NULL, x));
	assert_true(x[1] == at(&t, 4, 1) && x[2] == 3); /* the mean of the training rows */
	le_data_free(&t);
	make_csv("a.csv", ROWS, -1, 5);
	s.missing = NULL;
	t = good(&s);
	assert_non_null(strstr(seen_by(&t, "gap.csv", NULL, x), "row 1, column 2 small: a missing value"));
	assert_non_null(strstr(seen_by(&t, "gap.csv", "mean", x), "weights know no means"));
	le_data_free(&t);
	s.scale = NULL;
	t = good(&s);
	assert_non_null(strstr(seen_by(&t, "gap.csv", NULL, x), "row 1, column 2 small: a missing value"));
	assert_null(seen_by(&t, "gap.csv", "mean", x));
	assert_true(x[1] == 0);
	put("far.csv", "fixed,small,large\n7,3e38,3\n");
	assert_non_null(strstr(seen_by(&t, "far.csv", NULL, x), "row 1, column 2 small: standardised, its value is beyond f32"));
	le_data_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

static void few_rows(void **state)
{
	le_data t = good(&(le_source){.data = make_csv("a.csv", ROWS, -1, 5), .drop = "id", .labels = "kind"}), two;
	le_source s = {.data = make_csv("two.csv", 2, -1, 5), .drop = "id", .labels = "kind", .only = "good"};
	le_prep prep;

	(void)state;
	assert_true(prep_of(&t, &prep));
	s.test = make_csv("t.csv", 4, -1, 5);
	assert_int_equal(le_data_open(&s, &prep, 0, 0, &two, NULL), IR_OK);
	assert_int_equal(two.ntrain, 1); /* the good one */
	assert_int_equal(two.train[0], 1);
	assert_int_equal(two.ntest, 4);
	assert_int_equal(two.test[0], 2);
	le_data_free(&two);
	s.test = s.only = NULL, s.split = "50/0/50";
	assert_int_equal(le_data_open(&s, &prep, 0, 0, &two, NULL), IR_OK);
	assert_int_equal(two.ntrain, 1);
	assert_int_equal(two.ntest, 1);
	le_data_free(&two);
	le_prep_free(&prep);
	le_data_free(&t);
}

static const char *given_text(const void *ctx, const char *key)
{
	const char *const *text = ctx;

	return text[!strcmp(key, "scaling") ? 0 : !strcmp(key, "columns") ? 1 : 2];
}

static void damaged_texts(void **state)
{
	static const char *const text[][LE_PREP_TEXTS] = {
		{"{}"}, {NULL, "{}"}, {NULL, "[]"}, {NULL, "[1]"}, {NULL, NULL, "[1e39]"}, {NULL, NULL, "[\"a\"]"}, {NULL, "[\"a\"]", "[1, 2]"},
		{"{\"mean\": [1], \"std\": [1]}", "[\"a\", \"b\"]"},
	};
	le_prep p;

	(void)state;
	for (size_t i = 0; i < sizeof text / sizeof *text; i++)
		assert_false(le_prep_parse(given_text, text[i], &p));
}

static void rows_of_a_trained_model(void **state)
{
	le_source s = {.data = make_csv("a.csv", ROWS, -1, 5), .drop = "id,kind"};
	le_data t = good(&s), all;
	ir_diag *d = ir_diag_new();
	le_prep prep;

	(void)state;
	assert_true(prep_of(&t, &prep));
	assert_int_equal(le_data_open(&s, &prep, 0, 0, &all, d), IR_OK);
	assert_int_equal(all.table.rows, ROWS);
	assert_memory_equal(all.table.data, t.table.data, ROWS * 3 * sizeof(float));
	le_data_free(&all);
	s.drop = "id,kind,large";
	assert_int_equal(le_data_open(&s, &prep, 0, 0, &all, d), IR_EINPUT);
	assert_non_null(strstr(ir_diag_get(d, 0)->text, "there is no column 'large', which is one of the model's"));
	le_prep_free(&prep);
	ir_diag_free(d);
	le_data_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

static void one_text(void **state)
{
	const le_source all = {"a {\"x\"}.csv", "v", "t", "80/10/10", "l", "3", "a,b", "u8:2x2", "mean", "none", false, false};
	ir_arena *a = ar_open();
	le_source s;
	ir_str text;

	(void)state;
	sb_init(&text);
	le_source_print(&(le_source){.data = "plain.npy"}, &text);
	assert_string_equal(text.s, "plain.npy");
	assert_true(le_source_parse(text.s, a, &s));
	assert_string_equal(s.data, "plain.npy");
	sb_clear(&text);
	le_source_print(&all, &text);
	assert_true(le_source_parse(text.s, a, &s));
	assert_string_equal(s.data, all.data);
	assert_string_equal(s.scale, "none");
	assert_string_equal(s.drop, "a,b");
	assert_string_equal(s.only, "3");
	sb_clear(&text);
	le_source_print(&(le_source){.data = "{odd"}, &text);
	assert_true(le_source_parse(text.s, a, &s));
	assert_string_equal(s.data, "{odd");
	assert_false(le_source_parse("{\"data\": \"x\", \"new\": \"y\"}", a, &s));
	assert_false(le_source_parse("{\"val\": \"x\"}", a, &s));
	assert_false(le_source_parse("{\"data\": 3}", a, &s));
	assert_false(le_source_parse("{", a, &s));
	sb_fini(&text);
	ar_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_standardised_on_training_rows),
		cmocka_unit_test(scaling_keeps_its_bits_as_text),
		cmocka_unit_test(missing_values),
		cmocka_unit_test(parts_by_per_cent_and_by_file),
		cmocka_unit_test(one_class),
		cmocka_unit_test(files_that_stay),
		cmocka_unit_test(rows_of_a_trained_model),
		cmocka_unit_test(files_that_are_cut_short),
		cmocka_unit_test(columns_meet_by_name),
		cmocka_unit_test(gaps_of_other_rows),
		cmocka_unit_test(few_rows),
		cmocka_unit_test(damaged_texts),
		cmocka_unit_test(one_text),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
