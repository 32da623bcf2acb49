/* SPDX-License-Identifier: Apache-2.0
 * runtime/pace.h -- may one thread be faster than the team? Steps are taken in rounds; what a round took decides who does the next.
 * Results do not depend on it: one thread then plays the parts of all. */
#ifndef RUNTIME_PACE_H
#define RUNTIME_PACE_H

#include <stdbool.h>
#include <stddef.h>

#define RT_PACE_ROUND 16 /* steps; a shorter round says too little */

typedef struct rt_pace {
	bool alone;     /* the next whole round is for thread 0 alone */
	bool trial;     /* it is there to compare */
	double step[2]; /* seconds of a step in the last round by the team, and alone */
	double rest;    /* seconds until the next trial */
} rt_pace;

/* Is a round of so many steps for thread 0 alone? Short ones are done the settled way, or a trial could last for ever. */
static inline bool rt_pace_alone(const rt_pace *p, size_t steps)
{
	return p->trial && steps < RT_PACE_ROUND ? !p->alone : p->alone;
}

/* A round of so many steps took so many seconds, as p had said it should be done. barriers: of a step. */
void rt_pace_tell(rt_pace *p, size_t barriers, size_t steps, double seconds);

#endif
