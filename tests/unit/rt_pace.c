/* SPDX-License-Identifier: Apache-2.0
 * Who does the next steps, the team or one thread: with times as they were measured, and with times that change. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "runtime/pace.h"

/* Rounds for so many seconds, where a step takes the team and one thread so long; returns the part of the time spent alone. */
static double rounds(rt_pace *p, size_t barriers, double team, double one, double seconds)
{
	double all = 0, alone = 0;

	while (all < seconds) {
		double took = RT_PACE_ROUND * (p->alone ? one : team);

		alone += p->alone ? took : 0;
		all += took;
		rt_pace_tell(p, barriers, RT_PACE_ROUND, took);
	}
	return alone / all;
}

static void the_faster_way_is_taken(void **state)
{
	rt_pace p = {0};

	(void)state;
	assert_true(rounds(&p, 29, 170e-6, 140e-6, 2) > 0.98);
	assert_true(rounds(&p, 29, 80e-6, 140e-6, 1) < 0.6); /* noticed within half a second */
	assert_true(rounds(&p, 29, 80e-6, 140e-6, 2) < 0.02);
	assert_true(rounds(&p, 29, 170e-6, 140e-6, 2) > 0.8);
}

static void no_trial_where_barriers_are_few(void **state)
{
	rt_pace p = {0};

	(void)state;
	assert_true(rounds(&p, 46, 9e-3, 17e-3, 10) == 0);
	assert_true(p.step[1] == 0);
}

static void a_margin_keeps_the_team(void **state)
{
	rt_pace p = {0};

	(void)state;
	assert_true(rounds(&p, 29, 100e-6, 99e-6, 1) < 0.02);
}

static void short_rounds_say_nothing(void **state)
{
	rt_pace p = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		rt_pace_tell(&p, 29, RT_PACE_ROUND - 1, 1e-6);
	assert_false(p.alone || p.trial);
	assert_true(p.step[0] == 0 && p.rest == 0);
	rt_pace_tell(&p, 29, RT_PACE_ROUND, 1e-3);
	assert_true(p.trial && rt_pace_alone(&p, RT_PACE_ROUND));
	assert_false(rt_pace_alone(&p, RT_PACE_ROUND - 1)); /* a trial waits for a whole round */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_faster_way_is_taken),
		cmocka_unit_test(no_trial_where_barriers_are_few),
		cmocka_unit_test(a_margin_keeps_the_team),
		cmocka_unit_test(short_rounds_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
