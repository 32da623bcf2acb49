/* SPDX-License-Identifier: Apache-2.0
 * search/sampler_random.c -- every parameter uniform in its range (or in its logarithm): the yardstick that every
 * other sampler has to beat. */
#include "search/sampler.h"

static int64_t ask(void *self, const se_sampling *s, int64_t number, int64_t draw, se_genome *g)
{
	(void)self;
	se_sampling_random(s, number, draw, g);
	return -1;
}

const se_sampler_kind se_sampler_random = {
	.name = "random",
	.ask = ask,
	.doc = "independent uniform draws",
};
