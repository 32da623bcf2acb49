/* SPDX-License-Identifier: Apache-2.0
 * Tensor memory: alignment, accounting, the budget from several threads, the fault hook, element access. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "runtime/rt.h"

/* Under AddressSanitizer a refused request must return NULL, as malloc does, and not end the program. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static ir_type vec(ir_dtype t, int64_t n)
{
	return ir_type_make(t, 1, &n);
}

static void aligned_and_zeroed(void **state)
{
	(void)state;
	for (int64_t n = 0; n < 100; n += 7) {
		rt_tensor t;

		assert_int_equal(rt_tensor_alloc(&t, vec(IR_F32, n)), IR_OK);
		assert_int_equal((uintptr_t)t.data % RT_ALIGN, 0);
		size_t padded = n ? ((size_t)n * 4 + 63) / 64 * 64 : 64;
		assert_int_equal(rt_live_bytes(), padded);
		for (size_t i = 0; i < padded; i++)
			assert_int_equal(((char *)t.data)[i], 0);
		memset(t.data, 1, padded);
		rt_tensor_free(&t);
		assert_null(t.data);
		rt_tensor_free(&t);
		assert_int_equal(rt_live_bytes(), 0);
	}
}

static void grown_memory_keeps_what_it_holds(void **state)
{
	size_t size = 10;
	void *p;

	(void)state;
	assert_int_equal(rt_alloc(size, &p), IR_OK);
	memset(p, 7, size);
	for (int i = 0; i < 14; i++) { /* up to 40 MB: by copying and by moving pages */
		size_t next = 3 * size - 1;

		rt_fault_after(1);
		assert_int_equal(rt_grow(&p, size, next), IR_ENOMEM);
		rt_fault_after(0);
		assert_int_equal(rt_grow(&p, size, next), IR_OK);
		assert_int_equal((uintptr_t)p % RT_ALIGN, 0);
		assert_int_equal(rt_live_bytes(), (next + 63) / 64 * 64);
		for (size_t k = 0; k < size; k++)
			if (((char *)p)[k] != 7)
				fail_msg("byte %zu of %zu", k, size);
		memset((char *)p + size, 7, next - size);
		size = next;
	}
	rt_free(p, size);
	assert_int_equal(rt_live_bytes(), 0);
}

static void too_large_is_a_status(void **state)
{
	const int64_t huge[2] = {1 << 20, 1 << 20};
	rt_tensor t;
	void *p;

	(void)state;
	rt_set_budget(1 << 20);
	assert_int_equal(rt_tensor_alloc(&t, ir_type_make(IR_F64, 2, huge)), IR_ENOMEM);
	assert_null(t.data);
	rt_set_budget(0);
	assert_int_equal(rt_alloc(SIZE_MAX, &p), IR_ENOMEM);
	assert_int_equal(rt_alloc(SIZE_MAX / 2 - 200, &p), IR_ENOMEM);
	assert_null(p);
	assert_int_equal(rt_live_bytes(), 0);
}

static void budget_is_exact(void **state)
{
	void *a, *b, *c;

	(void)state;
	rt_set_budget(256);
	assert_int_equal(rt_alloc(100, &a), IR_OK);
	assert_int_equal(rt_alloc(128, &b), IR_OK);
	assert_int_equal(rt_alloc(0, &c), IR_ENOMEM);
	rt_free(a, 100);
	assert_int_equal(rt_alloc(1, &c), IR_OK);
	rt_free(b, 128);
	rt_free(c, 1);
	rt_set_budget(0);
	assert_int_equal(rt_live_bytes(), 0);
}

static void take_and_give(void *ctx, size_t i)
{
	void *p;

	(void)ctx, (void)i;
	if (rt_alloc(600, &p) != IR_OK)
		return;
	if (rt_live_bytes() > 1024)
		*(volatile int *)ctx = 1;
	rt_free(p, 600);
}

static void budget_holds_between_threads(void **state)
{
	volatile int broken = 0;

	(void)state;
	rt_set_budget(1024);
	rt_parallel(4, 2000, take_and_give, (void *)&broken);
	rt_set_budget(0);
	assert_int_equal(broken, 0);
	assert_int_equal(rt_live_bytes(), 0);
}

static void fault_hits_once(void **state)
{
	void *p[4];

	(void)state;
	rt_fault_after(3);
	for (int i = 0; i < 4; i++)
		assert_int_equal(rt_alloc(8, &p[i]), i == 2 ? IR_ENOMEM : IR_OK);
	rt_fault_after(0);
	for (int i = 0; i < 4; i++)
		rt_free(p[i], 8);
	assert_int_equal(rt_live_bytes(), 0);
}

static void stores_round_cut_and_saturate(void **state)
{
	static const struct {
		ir_dtype t;
		double in, out;
	} row[] = {
		{IR_F64, 0.1, 0.1}, {IR_F32, 0.1, 0.1f}, {IR_F32, 1e300, INFINITY},
		{IR_I32, 2.9, 2}, {IR_I32, -2.9, -2}, {IR_I32, 1e10, 2147483647},
		{IR_I32, -INFINITY, -2147483648.0}, {IR_I32, NAN, 0}, {IR_U8, 255.5, 255},
		{IR_U8, -3, 0}, {IR_U8, NAN, 0}, {IR_U8, 3.99, 3}, {IR_BOOL, 0.5, 1}, {IR_BOOL, -0.0, 0},
		{IR_BOOL, NAN, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		double cell[2] = {0};

		rt_store(row[i].t, cell, 1, row[i].in);
		assert_true(rt_load(row[i].t, cell, 1) == row[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligned_and_zeroed), cmocka_unit_test(grown_memory_keeps_what_it_holds), cmocka_unit_test(too_large_is_a_status),
		cmocka_unit_test(budget_is_exact), cmocka_unit_test(budget_holds_between_threads),
		cmocka_unit_test(fault_hits_once), cmocka_unit_test(stores_round_cut_and_saturate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
