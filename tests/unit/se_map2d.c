/* SPDX-License-Identifier: Apache-2.0
 * Points on a plane: known directions, signs that stay, and what cannot be drawn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "search/learn/learn.h"

#define N 60

/* Long along (0, 3, 4) / 5, short along the first axis, nothing else. */
static void known_directions(void **state)
{
	float point[N][3];
	double xy[N][2], share[2];

	(void)state;
	for (int i = 0; i < N; i++) {
		double t = i - (N - 1) / 2.0, s = i % 2 ? 1 : -1;

		point[i][0] = (float)(10 + s);
		point[i][1] = (float)(3 * t);
		point[i][2] = (float)(4 * t - 7);
	}
	assert_int_equal(le_map2d(&point[0][0], N, 3, &xy[0][0], share), IR_OK);
	for (int i = 0; i < N; i++) {
		assert_true(fabs(xy[i][0] - 5 * (i - (N - 1) / 2.0)) < 0.05); /* a little of s lies along t */
		assert_true(fabs(xy[i][1] - (i % 2 ? 1 : -1)) < 0.05);
	}
	assert_true(share[0] > 0.99 && share[1] > 0 && fabs(share[0] + share[1] - 1) < 1e-9);
}

static void one_dimension(void **state)
{
	const float point[] = {1, 2, 6};
	double xy[3][2], share[2];

	(void)state;
	assert_int_equal(le_map2d(point, 3, 1, &xy[0][0], share), IR_OK);
	assert_true(fabs(xy[0][0] + 2) < 1e-12 && fabs(xy[2][0] - 3) < 1e-12);
	assert_true(xy[1][1] == 0 && share[0] == 1 && share[1] == 0);
}

static void all_the_same(void **state)
{
	const float point[] = {1, 2, 1, 2, 1, 2};
	double xy[3][2], share[2];

	(void)state;
	assert_int_equal(le_map2d(point, 3, 2, &xy[0][0], share), IR_OK);
	assert_true(xy[0][0] == 0 && xy[2][1] == 0 && share[0] == 0);
}

static void what_cannot_be(void **state)
{
	const float bad[] = {1, NAN}, large[] = {3e38f, -3e38f, 3e38f, 1};
	double xy[4], share[2];

	(void)state;
	assert_int_equal(le_map2d(bad, 2, 1, xy, share), IR_EINPUT);
	assert_int_equal(le_map2d(bad, 0, 1, xy, share), IR_EINPUT);
	assert_int_equal(le_map2d(bad, 1, 0, xy, share), IR_EINPUT);
	assert_int_equal(le_map2d(bad, 1, 1 << 20, xy, share), IR_ENOMEM);
	assert_int_equal(le_map2d(large, 2, 2, xy, share), IR_OK); /* double has room for the squares of floats */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_directions), cmocka_unit_test(one_dimension), cmocka_unit_test(all_the_same),
		cmocka_unit_test(what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
