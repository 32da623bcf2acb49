/* SPDX-License-Identifier: Apache-2.0
 * Importance: shares of variance that are known, and what chance explains. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "search/report/report_int.h"

#define N 60

static double y[N];
static uint32_t group[N];

/* Group k has the mean step * k, and the same spread around it. */
static void fill(double step)
{
	for (uint32_t i = 0; i < N; i++) {
		group[i] = i % 3;
		y[i] = 1e6 + step * group[i] + (i / 3 % 2 ? 1 : -1);
	}
}

static void all_of_it(void **state)
{
	se_share s;

	(void)state;
	fill(1000);
	s = se_share_of(y, group, N, 3);
	assert_true(s.share > 0.99 && s.share <= 1 && s.chance < 0.3 && s.groups == 3);
}

/* Between: 20 * (1 + 0 + 1) * step^2 = 40 step^2; within: 60 in 57 degrees of freedom. */
static void a_known_share(void **state)
{
	double within = 60.0 / 57, want = (40 - 2 * within) / (40 + 60 + within);
	se_share s;

	(void)state;
	fill(1);
	s = se_share_of(y, group, N, 3);
	assert_true(fabs(s.share - want) < 1e-9);
}

static void nothing(void **state)
{
	se_share s;

	(void)state;
	fill(0);
	s = se_share_of(y, group, N, 3);
	assert_true(s.share == 0 && s.chance > 0 && s.chance < 0.3);
}

static void the_same_again(void **state)
{
	se_share s, t;

	(void)state;
	fill(0.3);
	s = se_share_of(y, group, N, 3);
	t = se_share_of(y, group, N, 3);
	assert_memory_equal(&s, &t, sizeof s);
}

static void not_enough(void **state)
{
	(void)state;
	fill(1);
	assert_true(isnan(se_share_of(y, group, 9, 3).share));
	memset(group, 0, sizeof group);
	assert_true(isnan(se_share_of(y, group, N, 1).share)); /* one group */
	for (int i = 0; i < N; i++)
		group[i] = i % 2, y[i] = 5;
	assert_true(isnan(se_share_of(y, group, N, 2).share)); /* no variance */
	assert_true(isnan(se_share_of(NULL, NULL, 0, 0).share));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it), cmocka_unit_test(a_known_share), cmocka_unit_test(nothing),
		cmocka_unit_test(the_same_again), cmocka_unit_test(not_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
