/* SPDX-License-Identifier: Apache-2.0
 * search/sampler_local.c -- local search (White et al. 2020, "query until better"): every proposal is one mutation away
 * from the best outcome of this climb; when nothing better has come for a while, the next climb starts from random
 * points. Begins with the default point and little of every budget, as evolution does. */
#include <math.h>
#include "search/sampler.h"

#define PATIENCE 48 /* outcomes without a better one; a point of the dense space has about thirty whole neighbours */

typedef struct local {
	bool climbing;
	se_told best;  /* while climbing */
	int64_t since; /* outcomes since it became the best */
	int64_t first; /* outcomes below this number belong to the last climb */
} local;

/* The climb after this outcome begins with the first proposal that may know of it. */
static void give_up(local *l, int64_t number, int64_t delay)
{
	l->climbing = false;
	l->first = number + delay;
}

static void tell(void *self, const se_sampling *s, const se_told *t)
{
	local *l = self;

	if (t->number < l->first)
		return;
	if (isfinite(t->value) && (!l->climbing || t->value < l->best.value)) {
		l->climbing = true;
		l->best = *t;
		l->since = 0;
	} else if (l->climbing && ++l->since >= PATIENCE) {
		give_up(l, t->number, s->delay);
	}
}

static int64_t ask(void *self, const se_sampling *s, int64_t number, int64_t draw, se_genome *g)
{
	const local *l = self;
	se_dice d = se_sampling_dice(s, number, draw);

	if (!l->climbing || draw >= SE_MANY_DRAWS) {
		se_sampling_first(s, number, draw, g);
		return -1;
	}
	se_mutate(s->space, &l->best.genome, &d, g);
	se_grow(s->space, &d, g);
	return l->best.number;
}

const se_sampler_kind se_sampler_local = {
	.name = "local",
	.learns = true,
	.size = sizeof(local),
	.ask = ask,
	.tell = tell,
	.doc = "local search with restarts",
};
