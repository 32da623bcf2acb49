/* SPDX-License-Identifier: Apache-2.0
 * runtime/pace.c -- see pace.h and Note [Pace]. */
#include "runtime/pace.h"

#define BARRIER 10e-6 /* seconds: more than a barrier and the data behind it cost where cores are farthest apart */
#define TRIALS  200   /* rounds between two trials, in the time of the faster way */
#define MARGIN  0.97  /* alone must be faster by so much */

void rt_pace_tell(rt_pace *p, size_t barriers, size_t steps, double seconds)
{
	double step = seconds / (double)steps;

	if (steps < RT_PACE_ROUND)
		return;
	p->step[p->alone] = step;
	p->rest -= seconds;
	if (p->trial) {
		p->alone = p->step[1] < MARGIN * p->step[0];
		p->trial = false;
		p->rest = TRIALS * RT_PACE_ROUND * p->step[p->alone];
	} else if (p->rest <= 0 && (p->alone || step < BARRIER * (double)barriers)) {
		p->alone = !p->alone;
		p->trial = true;
	}
}

/* Note [Pace]
 *
 * A step of a small model is tens of levels of some microseconds, and behind each barrier a thread reads what another core has just
 * written. On one Zen 5, whose two cores the hypervisor moves from minute to minute, a line takes 90 ns from core to core or
 * 500; a step of tests/bench/tiny32.gm then takes two threads 0.08 ms or 0.17, and one thread 0.14. No model of cost knows
 * that beforehand, so it is measured: now and then a round is done the other way. Where barriers cannot be what a step's time is
 * spent on, nothing is tried. */
