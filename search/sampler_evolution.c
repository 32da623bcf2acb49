/* SPDX-License-Identifier: Apache-2.0
 * search/sampler_evolution.c -- regularised (ageing) evolution, Real et al. 2019: of the last POPULATION outcomes a
 * tournament picks a parent, the child is one mutation away. Nothing dies of being bad, everything dies of age, so a
 * trial that was lucky does not stay for ever. The first proposal is the default point, the next ones are random; both
 * get little of every budget (space.h), children of good parents more and more.
 *
 * Half of the children also take some parameters from a second parent (the paper has mutation only): what two trials
 * have found out comes together in one generation, and ten minutes have six.
 *
 * Sizes for trials of seconds, some fifty to a thousand of them; the paper has 100 and 25 for twenty thousand. In a model of
 * such searches (ten minutes, two workers, values and costs as measured on Fashion-MNIST) the default point, growing budgets,
 * a tournament of 16 instead of 8 and the second parents brought one to four per cent of the error each. */
#include <math.h>
#include "search/sampler.h"

#define RANDOM 8      /* proposals before the first child */
#define POPULATION 24
#define TOURNAMENT 16 /* drawn with replacement */
#define SECOND 4      /* the second parent's */

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

static const se_told *best_of(const evolution *e, size_t n, int draws, se_dice *d)
{
	const se_told *best = NULL;

	for (int i = 0; i < draws; i++) {
		const se_told *t = &e->member[rt_random_below(d->key, d->at++, n)];

		if (!best || t->value < best->value)
			best = t;
	}
	return best;
}

static int64_t ask(void *self, const se_sampling *s, int64_t number, int64_t draw, se_genome *g)
{
	const evolution *e = self;
	size_t n = e->told < POPULATION ? e->told : POPULATION;
	se_dice d = se_sampling_dice(s, number, draw);
	const se_told *one, *two;
	se_genome mixed;

	if (number < RANDOM || !n || draw >= SE_MANY_DRAWS) {
		se_sampling_first(s, number, draw, g);
		return -1;
	}
	one = best_of(e, n, TOURNAMENT, &d);
	two = best_of(e, n, SECOND, &d);
	mixed = one->genome;
	if (rt_random_unit(d.key, d.at++) < .5)
		se_cross(s->space, &one->genome, &two->genome, &d, &mixed);
	se_mutate(s->space, &mixed, &d, g);
	se_grow(s->space, &d, g);
	return one->number;
}

const se_sampler_kind se_sampler_evolution = {
	.name = "evolution",
	.learns = true,
	.size = sizeof(evolution),
	.ask = ask,
	.tell = tell,
	.doc = "regularised evolution",
};
