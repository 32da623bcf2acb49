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
};

struct se_sampler {
	const se_sampler_kind *kind;
	const se_space *space;
	uint64_t seed;
	int64_t delay;
	void *self;
	se_told *told; /* by number; number < 0 = not told yet */
	size_t ntold, cap;
	size_t passed; /* outcomes handed on: 0 .. passed - 1 */
	ir_key *key;   /* open addressing, a power of two; lo == hi == 0 is empty */
	size_t nkey, keycap;
};

const se_sampler_kind *se_sampler_find(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

se_sampler *se_sampler_new(const se_sampler_kind *k, const se_space *sp, uint64_t seed, int64_t delay)
{
	se_sampler *s = ir_xmalloc(1, sizeof *s);

	s->kind = k;
	s->space = sp;
	s->seed = seed;
	s->delay = delay;
	s->self = ir_xmalloc(1, k->size ? k->size : 1);
	s->keycap = 256;
	s->key = ir_xmalloc(s->keycap, sizeof *s->key);
	return s;
}

void se_sampler_free(se_sampler *s)
{
	if (!s)
		return;
	if (s->kind->fini)
		s->kind->fini(s->self);
	free(s->self);
	free(s->told);
	free(s->key);
	free(s);
}

bool se_sampler_ready(const se_sampler *s, int64_t number)
{
	if (!s->kind->learns)
		return true;
	for (int64_t i = (int64_t)s->passed; i <= number - s->delay; i++)
		if ((size_t)i >= s->ntold || s->told[i].number < 0)
			return false;
	return true;
}

void se_sampler_ask(se_sampler *s, int64_t number, int64_t draw, se_genome *g)
{
	IR_ASSERT(se_sampler_ready(s, number), "proposal %lld asked too early", (long long)number);
	while (s->kind->tell && (int64_t)s->passed <= number - s->delay && s->passed < s->ntold)
		s->kind->tell(s->self, s->space, &s->told[s->passed++]);
	s->kind->ask(s->self, s->space, s->seed, number, draw, g);
	for (size_t i = s->space->n; i < SE_MAX_PARAMS; i++)
		g->v[i] = NAN;
	IR_ASSERT(se_genome_check(s->space, g), "sampler %s left the space", s->kind->name);
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
static ir_key *slot(ir_key *table, size_t cap, ir_key k)
{
	size_t i = (size_t)k.lo & (cap - 1);

	while ((table[i].lo || table[i].hi) && !ir_key_equal(table[i], k))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static void grow(se_sampler *s)
{
	size_t cap = s->keycap * 2;
	ir_key *table = ir_xmalloc(cap, sizeof *table);

	for (size_t i = 0; i < s->keycap; i++)
		if (s->key[i].lo || s->key[i].hi)
			*slot(table, cap, s->key[i]) = s->key[i];
	free(s->key);
	s->key = table;
	s->keycap = cap;
}

bool se_sampler_claim(se_sampler *s, ir_key key)
{
	ir_key *at = slot(s->key, s->keycap, key);

	if (at->lo || at->hi)
		return false;
	*at = key;
	if (++s->nkey * 2 > s->keycap)
		grow(s);
	return true;
}
