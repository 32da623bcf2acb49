/* SPDX-License-Identifier: Apache-2.0
 * search/sampler_random.c -- every parameter uniform in its range (or in its logarithm): the yardstick that every
 * other sampler has to beat. */
#include <math.h>
#include "runtime/rt.h"
#include "search/sampler.h"

/* Row i of redraw d takes draw d * SE_MAX_PARAMS + i of the trial's stream, whether or not rows before it hold, so a
 * proposal needs nothing but its number. */
static void ask(void *self, const se_space *sp, uint64_t seed, int64_t number, int64_t draw, se_genome *g)
{
	rt_key key = rt_key_for(rt_key_seed(seed), RT_FOR_SAMPLER, (uint64_t)number);

	(void)self;
	for (size_t i = 0; i < sp->n; i++) {
		uint64_t at = (uint64_t)draw * SE_MAX_PARAMS + i;

		g->v[i] = NAN;
		if (se_genome_active(sp, g, i))
			g->v[i] = se_param_at(&sp->param[i], rt_random_unit(key, at));
	}
}

const se_sampler_kind se_sampler_random = {
	.name = "random",
	.ask = ask,
	.doc = "independent uniform draws",
};
