/* SPDX-License-Identifier: Apache-2.0
 * PCA: an exact small case, the same bits for any number of threads, and the reference numbers of Fashion-MNIST
 * (fitted in double precision on the 60,000 training rows), which must agree to five digits. */
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

static const struct {
	int k;
	double train, test;
} reference[] = {
	{0, 0.08701, 0.08664},	{2, 0.04629, 0.04610},	{8, 0.02669, 0.02661},	{10, 0.02437, 0.02435},
	{16, 0.02043, 0.02045}, {24, 0.01731, 0.01732}, {32, 0.01513, 0.01514}, {48, 0.01222, 0.01226},
	{64, 0.01033, 0.01037}, {128, 0.00627, 0.00631},
};

/* Refused before a copy of the rows is made: there is no file to read them from. */
static void too_wide_a_file(void **state)
{
	uint32_t row[] = {0, 1, 2};
	le_data t = {.table = {.dtype = IR_F32, .rows = 3, .width = 40000, .stays = true, .fd = -1}, .train = row, .ntrain = 3};
	le_pca *p;
	void *memory;

	(void)state;
	rt_fault_after(1);
	assert_int_equal(le_floor_fit(&t, 1, &p), IR_ENOMEM);
	assert_null(p);
	assert_int_equal(rt_alloc(1, &memory), IR_ENOMEM); /* the first request of all */
}

static void fashion_mnist(void **state)
{
	ir_diag *d = ir_diag_new();
	le_data t;
	le_pca *p;
	ir_status s = le_data_load(&(le_source){.data = "fashion-mnist"}, 0, 0, &t, d);
	double t0, t1;

	(void)state;
	ir_diag_free(d);
	if (s == IR_ENOINPUT)
		skip();
	assert_int_equal(s, IR_OK);
	le_data_use_all(&t, 0);
	t0 = rt_seconds();
	assert_int_equal(le_pca_fit(&t.table, t.train, t.ntrain, 1, &p), IR_OK);
	t1 = rt_seconds();
	print_message("fit: %.2f s\n", t1 - t0);
	for (size_t i = 0; i < sizeof reference / sizeof *reference; i++) {
		double a = le_pca_mse(p, &t.table, t.train, t.ntrain, reference[i].k, 2);
		double b = le_pca_mse(p, &t.table, t.test, t.ntest, reference[i].k, 2);

		if (fabs(a - reference[i].train) > 5.1e-6 || fabs(b - reference[i].test) > 5.1e-6)
			fail_msg("k = %d: %.7f %.7f", reference[i].k, a, b);
	}
	print_message("20 errors: %.2f s\n", rt_seconds() - t1);
	le_pca_free(p);
	le_data_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

/* Rows on a plane in 5 dimensions: two components hold them all, one component holds the larger axis. */
static void plane(void **state)
{
	float x[40 * 5];
	uint32_t row[40];
	le_table t = {.dtype = IR_F32, .rows = 40, .width = 5, .data = x};
	le_pca *p;
	double one;

	(void)state;
	for (int i = 0; i < 40; i++) {
		float a = (float)(i % 8) - 3.5f, b = (float)(i / 8) - 2;

		row[i] = (uint32_t)i;
		x[5 * i] = 100 + a, x[5 * i + 1] = -a, x[5 * i + 2] = b, x[5 * i + 3] = 7, x[5 * i + 4] = 0;
	}
	assert_int_equal(le_pca_fit(&t, row, 40, 1, &p), IR_OK);
	one = le_pca_mse(p, &t, row, 40, 1, 1);
	assert_true(fabs(le_pca_mse(p, &t, row, 40, 0, 1) - (2 * 5.25 + 2) / 5) < 1e-12);
	assert_true(fabs(one - 2.0 / 5) < 1e-12);
	assert_true(le_pca_mse(p, &t, row, 40, 2, 1) < 1e-12);
	assert_true(le_pca_mse(p, &t, row, 40, 99, 1) < 1e-12); /* clipped to the width */
	assert_true(isnan(le_pca_mse(p, &t, row, 0, 1, 1)));
	le_pca_free(p);
	assert_int_equal(rt_live_bytes(), 0);
}

static void threads_change_nothing(void **state)
{
	enum { N = 700, W = 301 };
	uint8_t *x = malloc(N * W);
	uint32_t *row = malloc(N * sizeof *row);
	le_table t = {.dtype = IR_U8, .rows = N, .width = W, .data = x};
	double first[2] = {0};

	(void)state;
	for (int i = 0; i < N * W; i++)
		x[i] = (uint8_t)rt_random_below(rt_key_seed(7), (uint64_t)i, 256);
	for (uint32_t i = 0; i < N; i++)
		row[i] = N - 1 - i;
	for (int threads = 1; threads <= 3; threads++) {
		le_pca *p;
		double v[2];

		assert_int_equal(le_pca_fit(&t, row, N, threads, &p), IR_OK);
		v[0] = le_pca_mse(p, &t, row, N, 17, threads);
		v[1] = le_pca_mse(p, &t, row, N, 300, threads);
		if (threads == 1)
			memcpy(first, v, sizeof v);
		assert_memory_equal(first, v, sizeof v);
		le_pca_free(p);
	}
	free(x);
	free(row);
}

/* Bytes take a way of their own: their floor must be that of the same numbers as floats, also at the largest values, where
 * one more row in a float sum would round. */
static void bytes_are_numbers(void **state)
{
	enum { N = 1000, W = 120 };
	uint8_t *x = malloc(N * W);
	float *y = malloc(N * W * sizeof *y);
	uint32_t *row = malloc(N * sizeof *row);
	le_table t[2] = {{.dtype = IR_U8, .rows = N, .width = W, .data = x}, {.dtype = IR_F32, .rows = N, .width = W, .data = y}};
	double v[2][3];

	(void)state;
	for (int i = 0; i < N * W; i++) {
		uint64_t r = rt_random_below(rt_key_seed(3), (uint64_t)i, 300);

		x[i] = i % W < 60 || r > 255 ? 255 - (uint8_t)(r % 2) : (uint8_t)r;
		y[i] = x[i];
	}
	for (uint32_t i = 0; i < N; i++)
		row[i] = i;
	for (int k = 0; k < 2; k++) {
		le_pca *p;

		assert_int_equal(le_pca_fit(&t[k], row, N, 2, &p), IR_OK);
		v[k][0] = le_pca_mse(p, &t[k], row, N, 0, 2);
		v[k][1] = le_pca_mse(p, &t[k], row, N, 9, 2);
		v[k][2] = le_pca_mse(p, &t[k], row, N, 70, 2);
		le_pca_free(p);
	}
	for (int i = 0; i < 3; i++)
		if (fabs(v[0][i] * 255 * 255 / v[1][i] - 1) > 1e-11)
			fail_msg("%d: %.17g of bytes, %.17g of floats", i, v[0][i] * 255 * 255, v[1][i]);
	free(x);
	free(y);
	free(row);
}

static void refuses_nothing_and_too_much(void **state)
{
	uint8_t x[4] = {0};
	le_table t = {.dtype = IR_U8, .rows = 2, .width = 2, .data = x}, wide = {.dtype = IR_U8, .rows = 1, .width = 1 << 20, .data = x};
	le_pca *p;

	(void)state;
	assert_int_equal(le_pca_fit(&t, NULL, 0, 1, &p), IR_EINPUT);
	assert_null(p);
	assert_int_equal(le_pca_fit(&wide, (uint32_t[]){0}, 1, 1, &p), IR_ENOMEM);
	assert_null(p);
	for (int n = 1; n < 4; n++) {
		rt_fault_after(n);
		if (le_pca_fit(&t, (uint32_t[]){0, 1}, 2, 1, &p) == IR_OK)
			le_pca_free(p);
		rt_fault_after(0);
		assert_int_equal(rt_live_bytes(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_wide_a_file),
		cmocka_unit_test(plane),
		cmocka_unit_test(threads_change_nothing),
		cmocka_unit_test(bytes_are_numbers),
		cmocka_unit_test(refuses_nothing_and_too_much),
		cmocka_unit_test(fashion_mnist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
