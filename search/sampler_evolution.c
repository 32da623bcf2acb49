/* SPDX-License-Identifier: Apache-2.0
 * search/sampler_evolution.c -- regularised (ageing) evolution, Real et al. 2019: of the last POPULATION outcomes a
 * tournament picks a parent, the child is one mutation away. Nothing dies of being bad, everything dies of age, so a
 * trial that was lucky does not stay for ever. Sizes for trials of seconds, a hundred to a thousand of them; the paper
 * has 100 and 25 for twenty thousand. */
#include <math.h>
#include "search/sampler.h"

#define RANDOM 16     /* proposals before the first child */
#define POPULATION 24
#define TOURNAMENT 8  /* drawn with replacement */

typedef struct evolution {
	se_told member[POPULATION]; /* a ring */
	size_t told;                /* valid outcomes so far */
} evolution;

static void tell(void *self, const se_sampling *s, const se_told *t)
{
	evolution *e = self;

	(void)s;
	if (isfinite(t->value))
		e->member[e->told++ % POPULATION] = *t;
}

static int64_t ask(void *self, const se_sampling *s, int64_t number, int64_t draw, se_genome *g)
{
	const evolution *e = self;
	size_t n = e->told < POPULATION ? e->told : POPULATION;
	se_dice d = se_sampling_dice(s, number, draw);
	const se_told *best = NULL;

	if (number < RANDOM || !n || draw >= SE_MANY_DRAWS) {
		se_sampling_random(s, number, draw, g);
		return -1;
	}
	for (int i = 0; i < TOURNAMENT; i++) {
		const se_told *t = &e->member[rt_random_below(d.key, d.at++, n)];

		if (!best || t->value < best->value)
			best = t;
	}
	se_mutate(s->space, &best->genome, &d, g);
	return best->number;
}

const se_sampler_kind se_sampler_evolution = {
	.name = "evolution",
	.learns = true,
	.size = sizeof(evolution),
	.ask = ask,
	.tell = tell,
	.doc = "regularised evolution",
};
