/* SPDX-License-Identifier: Apache-2.0
 * The library kernels against the definitions they stand for, whole and cut into rectangles. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "runtime/rt.h"

/* Calls fn over rows x cols in rectangles of at most rb x cb. */
static void in_pieces(rt_kernel *fn, void *const *buf, const int64_t *arg, int64_t rows, int64_t cols, int64_t rb,
		      int64_t cb)
{
	for (int64_t r = 0; r < rows; r += rb)
		for (int64_t c = 0; c < cols; c += cb)
			fn(buf, arg, r, r + rb < rows ? r + rb : rows, c, c + cb < cols ? c + cb : cols);
}

static void scatter_adds_in_order(void **state)
{
	const float y[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1e8f, 1, -1};
	double y64[12];
	const int32_t idx[4] = {1, 1, 0, 50};
	const int64_t arg[3] = {4, 3, 3};
	const float want[9] = {7, 8, 9, 5, 7, 9, 1e8f, 1, -1};

	(void)state;
	for (int i = 0; i < 12; i++)
		y64[i] = y[i];
	for (int64_t cb = 1; cb <= 3; cb++) {
		float out[9];
		double out64[9];

		memset(out, 0xff, sizeof out);
		memset(out64, 0xff, sizeof out64);
		in_pieces(rt_k_scatter_f32, (void *[]){(void *)y, (void *)idx, out}, arg, 1, 3, 1, cb);
		in_pieces(rt_k_scatter_f64, (void *[]){y64, (void *)idx, out64}, arg, 1, 3, 1, cb);
		assert_memory_equal(out, want, sizeof want);
		for (int i = 0; i < 9; i++)
			assert_true(out64[i] == want[i]);
	}
}

static void gather_clamps(void **state)
{
	const uint16_t table[3][2] = {{1, 2}, {3, 4}, {5, 6}}, want[5][2] = {{5, 6}, {1, 2}, {5, 6}, {1, 2}, {3, 4}};
	const int32_t idx[5] = {2, 0, 3, -7, 1};
	const int64_t arg[2] = {3, 4};

	(void)state;
	for (int64_t rb = 1; rb <= 5; rb++)
		for (int64_t cb = 1; cb <= 4; cb++) {
			uint16_t out[5][2] = {{0}};

			in_pieces(rt_k_gather, (void *[]){(void *)table, (void *)idx, out}, arg, 5, 4, rb, cb);
			assert_memory_equal(out, want, sizeof want);
		}
}

static void random_is_the_runtime_s(void **state)
{
	rt_key k = rt_key_seed(8), got, want = rt_key_split(k, 77);
	const int64_t index = 77;

	(void)state;
	for (int64_t cb = 1; cb < 30; cb += 4) {
		float f[2][23], u[2][23];
		double g[2][23], v[2][23];

		rt_fill_uniform(k, IR_F32, f[0], 0, 23);
		rt_fill_uniform(k, IR_F64, g[0], 0, 23);
		rt_fill_normal(k, IR_F32, u[0], 0, 23);
		rt_fill_normal(k, IR_F64, v[0], 0, 23);
		in_pieces(rt_k_uniform_f32, (void *[]){&k, f[1]}, NULL, 1, 23, 1, cb);
		in_pieces(rt_k_uniform_f64, (void *[]){&k, g[1]}, NULL, 1, 23, 1, cb);
		in_pieces(rt_k_normal_f32, (void *[]){&k, u[1]}, NULL, 1, 23, 1, cb);
		in_pieces(rt_k_normal_f64, (void *[]){&k, v[1]}, NULL, 1, 23, 1, cb);
		assert_memory_equal(f[0], f[1], sizeof f[0]);
		assert_memory_equal(g[0], g[1], sizeof g[0]);
		assert_memory_equal(u[0], u[1], sizeof u[0]);
		assert_memory_equal(v[0], v[1], sizeof v[0]);
	}
	rt_k_split((void *[]){&k, &got}, &index, 0, 1, 0, 1);
	assert_memory_equal(&got, &want, sizeof got);
}

static void copy_copies(void **state)
{
	const double from[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	const int64_t size = sizeof(double);

	(void)state;
	for (int64_t cb = 1; cb <= 9; cb++) {
		double to[9] = {0};

		in_pieces(rt_k_copy, (void *[]){(void *)from, to}, &size, 1, 9, 1, cb);
		assert_memory_equal(from, to, sizeof to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scatter_adds_in_order), cmocka_unit_test(gather_clamps),
		cmocka_unit_test(random_is_the_runtime_s), cmocka_unit_test(copy_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
