/* SPDX-License-Identifier: Apache-2.0
 * Splits: every row has exactly one place, the same seed gives the same lists, a limit cuts training rows only. */
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

#define ROWS 1000

static char path[] = "/tmp/gm-data-XXXXXX";

static int make_file(void **state)
{
	unsigned char head[] = {0, 0, 8, 2, 0, 0, ROWS >> 8, ROWS & 255, 0, 0, 0, 4};
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || write(fd, head, sizeof head) != sizeof head)
		return -1;
	for (int i = 0; i < 4 * ROWS; i++) {
		unsigned char c = (unsigned char)(i * 37);

		if (write(fd, &c, 1) != 1)
			return -1;
	}
	return close(fd);
}

static int drop_file(void **state)
{
	(void)state;
	return unlink(path);
}

static le_data load(uint64_t seed, int64_t limit)
{
	ir_diag *d = ir_diag_new();
	le_data t;

	assert_int_equal(le_data_load(&(le_source){.data = path}, seed, limit, &t, d), IR_OK);
	assert_int_equal(ir_diag_size(d), 0);
	ir_diag_free(d);
	return t;
}

static void count(int *seen, const uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(v[i] < ROWS);
		assert_true(i == 0 || v[i - 1] < v[i]); /* ascending, so no row twice in a list */
		seen[v[i]]++;
	}
}

static void every_row_has_one_place(void **state)
{
	le_data t = load(1, 0);
	int seen[ROWS] = {0};

	(void)state;
	assert_int_equal(t.ntest, 100);
	assert_int_equal(t.nval, 90);
	assert_int_equal(t.ntrain, 810);
	count(seen, t.train, t.ntrain);
	count(seen, t.val, t.nval);
	count(seen, t.test, t.ntest);
	for (int i = 0; i < ROWS; i++)
		assert_int_equal(seen[i], 1);
	assert_true(t.val[0] < 200 && t.val[t.nval - 1] > 800); /* not the last tenth of a sorted file */
	le_data_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

static void seed_decides(void **state)
{
	le_data a = load(1, 0), b = load(1, 0), c = load(2, 0);

	(void)state;
	assert_true(ir_key_equal(a.key, b.key));
	assert_memory_equal(a.val, b.val, a.nval * sizeof *a.val);
	assert_false(ir_key_equal(a.key, c.key));
	assert_memory_not_equal(a.val, c.val, a.nval * sizeof *a.val);
	le_data_free(&a);
	le_data_free(&b);
	le_data_free(&c);
}

static bool holds(const le_data *t, uint32_t row)
{
	for (size_t i = 0; i < t->ntrain; i++)
		if (t->train[i] == row)
			return true;
	return false;
}

static void limit_cuts_training_only(void **state)
{
	le_data all = load(5, 0), many = load(5, 300), few = load(5, 100), more = load(5, 5000);

	(void)state;
	assert_int_equal(many.ntrain, 300);
	assert_int_equal(few.ntrain, 100);
	assert_int_equal(more.ntrain, all.ntrain);
	assert_true(ir_key_equal(more.key, all.key));
	assert_memory_equal(few.val, all.val, all.nval * sizeof *all.val);
	assert_memory_equal(few.test, all.test, all.ntest * sizeof *all.test);
	for (size_t i = 0; i < few.ntrain; i++)
		assert_true(holds(&many, few.train[i])); /* nested */
	assert_true(few.train[99] > 500);		 /* and a sample, not a prefix */
	le_data_free(&all);
	le_data_free(&many);
	le_data_free(&few);
	le_data_free(&more);
}

static void use_all_keeps_file_order(void **state)
{
	le_data t = load(3, 50), u = load(3, 0);
	int seen[ROWS] = {0};

	(void)state;
	le_data_use_all(&t, 0);
	assert_int_equal(t.nval, 0);
	assert_int_equal(t.ntrain, 900);
	count(seen, t.train, t.ntrain);
	count(seen, t.test, t.ntest);
	for (int i = 0; i < ROWS; i++)
		assert_int_equal(seen[i], 1);
	le_data_use_all(&u, 0); /* what was cut before does not matter */
	assert_true(ir_key_equal(t.key, u.key));
	le_data_use_all(&u, 7);
	assert_int_equal(u.ntrain, 7);
	assert_memory_equal(u.train, t.train, 7 * sizeof *t.train);
	le_data_free(&t);
	le_data_free(&u);
}

static void fashion_mnist(void **state)
{
	ir_diag *d = ir_diag_new();
	le_data t;
	ir_status s = le_data_load(&(le_source){.data = "fashion-mnist"}, 0, 0, &t, d);

	(void)state;
	if (s == IR_ENOINPUT) {
		assert_non_null(strstr(ir_diag_get(d, 0)->text, "dataset-fashion-mnist"));
		ir_diag_free(d);
		skip();
	}
	assert_int_equal(s, IR_OK);
	assert_int_equal(t.table.rows, 70000);
	assert_int_equal(t.table.width, 784);
	assert_int_equal(t.ntrain, 54000);
	assert_int_equal(t.nval, 6000);
	assert_int_equal(t.ntest, 10000);
	assert_int_equal(t.test[0], 60000);
	le_data_use_all(&t, 0);
	assert_int_equal(t.ntrain, 60000);
	for (size_t i = 0; i < t.ntrain; i++)
		assert_int_equal(t.train[i], i);
	le_data_free(&t);
	ir_diag_free(d);
	assert_int_equal(rt_live_bytes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_one_place),  cmocka_unit_test(seed_decides),
		cmocka_unit_test(limit_cuts_training_only), cmocka_unit_test(use_all_keeps_file_order),
		cmocka_unit_test(fashion_mnist),
	};

	return cmocka_run_group_tests(tests, make_file, drop_file);
}
