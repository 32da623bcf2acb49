/* SPDX-License-Identifier: Apache-2.0
 * search/sampler.c -- the delay line between outcomes and proposals, and the set of known keys.
 * To add a sampler: a file sampler_x.c with its kind, one row below. */
#include "search/sampler.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ir/base/arena.h"

static const se_sampler_kind *const kinds[] = {
	&se_sampler_random,
	&se_sampler_evolution,
	&se_sampler_local,
};

#define NKIND (sizeof kinds / sizeof *kinds)

typedef struct claim {
	ir_key key; /* lo == hi == 0: empty */
	int64_t number;
} claim;

struct se_sampler {
	const se_sampler_kind *kind;
	se_sampling of;
	void *self;
	se_told *told; /* by number; number < 0 = not told yet */
	size_t ntold, cap;
	size_t passed; /* outcomes handed on: 0 .. passed - 1 */
	claim *claim;  /* open addressing, a power of two */
	size_t nclaim, claimcap;
};

const se_sampler_kind *se_sampler_find(const char *name)
{
	for (size_t i = 0; i < NKIND; i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

const char *se_sampler_names(void)
{
	static char text[128];

	text[0] = 0;
	for (size_t i = 0; i < NKIND; i++) {
		strcat(text, i == 0 ? "" : i + 1 < NKIND ? ", " : " or ");
		strcat(text, kinds[i]->name);
	}
	return text;
}

#define DICE_PER_DRAW 256 /* more than a proposal ever needs */

se_dice se_sampling_dice(const se_sampling *s, int64_t number, int64_t draw)
{
	return (se_dice){rt_key_for(rt_key_seed(s->seed), RT_FOR_SAMPLER, (uint64_t)number), (uint64_t)draw * DICE_PER_DRAW};
}

/* Row i takes number i of the draw, whether or not rows before it hold. */
void se_sampling_random(const se_sampling *s, int64_t number, int64_t draw, se_genome *g)
{
	se_dice d = se_sampling_dice(s, number, draw);

	for (size_t i = 0; i < s->space->n; i++) {
		g->v[i] = NAN;
		if (se_genome_active(s->space, g, i))
			g->v[i] = se_param_at(&s->space->param[i], rt_random_unit(d.key, d.at + i));
	}
}

void se_sampling_first(const se_sampling *s, int64_t number, int64_t draw, se_genome *g)
{
	se_dice d = se_sampling_dice(s, number, draw);

	d.at += DICE_PER_DRAW / 2; /* behind the numbers that the point itself takes */
	if (number == 0 && draw == 0)
		se_space_usual(s->space, g);
	else
		se_sampling_random(s, number, draw, g);
	se_shrink(s->space, &d, g);
}

se_sampler *se_sampler_new(const se_sampler_kind *k, const se_space *sp, uint64_t seed, int64_t delay)
{
	se_sampler *s = ir_xmalloc(1, sizeof *s);

	s->kind = k;
	s->of = (se_sampling){sp, seed, delay};
	s->self = ir_xmalloc(1, k->size ? k->size : 1);
	s->claimcap = 256;
	s->claim = ir_xmalloc(s->claimcap, sizeof *s->claim);
	return s;
}

void se_sampler_free(se_sampler *s)
{
	if (!s)
		return;
	free(s->self);
	free(s->told);
	free(s->claim);
	free(s);
}

bool se_sampler_ready(const se_sampler *s, int64_t number)
{
	if (!s->kind->learns)
		return true;
	for (int64_t i = (int64_t)s->passed; i <= number - s->of.delay; i++)
		if ((size_t)i >= s->ntold || s->told[i].number < 0)
			return false;
	return true;
}

int64_t se_sampler_ask(se_sampler *s, int64_t number, int64_t draw, se_genome *g, ir_str *mutation)
{
	int64_t parent;

	IR_ASSERT(se_sampler_ready(s, number), "proposal %lld asked too early", (long long)number);
	while (s->kind->tell && (int64_t)s->passed <= number - s->of.delay && s->passed < s->ntold)
		s->kind->tell(s->self, &s->of, &s->told[s->passed++]);
	parent = s->kind->ask(s->self, &s->of, number, draw, g);
	for (size_t i = s->of.space->n; i < SE_MAX_PARAMS; i++)
		g->v[i] = NAN;
	IR_ASSERT(se_genome_check(s->of.space, g), "sampler %s left the space", s->kind->name);
	if (mutation && parent >= 0)
		se_mutation_print(s->of.space, &s->told[parent].genome, g, mutation);
	return parent;
}

void se_sampler_fill(const se_sampler *s, int64_t number, se_genome *g)
{
	se_dice d = se_sampling_dice(&s->of, number, 0);

	for (size_t i = 0; i < s->of.space->n; i++)
		g->v[i] = se_param_at(&s->of.space->param[i], rt_random_unit(d.key, d.at + i));
}

void se_sampler_tell(se_sampler *s, const se_told *t)
{
	size_t n = (size_t)t->number;

	if (n >= s->cap) {
		size_t cap = s->cap ? s->cap : 64;

		while (cap <= n)
			cap *= 2;
		s->told = ir_xrealloc(s->told, cap, sizeof *s->told);
		s->cap = cap;
	}
	while (s->ntold <= n)
		s->told[s->ntold++].number = -1;
	IR_ASSERT(s->told[n].number < 0, "trial %lld told twice", (long long)t->number);
	s->told[n] = *t;
}

/* The slot of k, or the empty one where it belongs. */
static claim *slot(claim *table, size_t cap, ir_key k)
{
	size_t i = (size_t)k.lo & (cap - 1);

	while ((table[i].key.lo || table[i].key.hi) && !ir_key_equal(table[i].key, k))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

/* Moves all claims of numbers below limit to a table of cap slots. */
static void rehash(se_sampler *s, size_t cap, int64_t limit)
{
	claim *table = ir_xmalloc(cap, sizeof *table);

	s->nclaim = 0;
	for (size_t i = 0; i < s->claimcap; i++)
		if ((s->claim[i].key.lo || s->claim[i].key.hi) && s->claim[i].number < limit) {
			*slot(table, cap, s->claim[i].key) = s->claim[i];
			s->nclaim++;
		}
	free(s->claim);
	s->claim = table;
	s->claimcap = cap;
}

bool se_sampler_claim(se_sampler *s, int64_t number, ir_key key)
{
	claim *at = slot(s->claim, s->claimcap, key);

	if (at->key.lo || at->key.hi)
		return false;
	*at = (claim){key, number};
	if (++s->nclaim * 2 > s->claimcap)
		rehash(s, s->claimcap * 2, INT64_MAX);
	return true;
}

void se_sampler_unclaim(se_sampler *s, int64_t number)
{
	rehash(s, s->claimcap, number);
	memset(s->self, 0, s->kind->size); /* it may know outcomes that the same numbers must not know: told again */
	s->passed = 0;
}
