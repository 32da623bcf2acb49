/* SPDX-License-Identifier: Apache-2.0
 * search/sampler.h -- ask and tell: who proposes the next trial. Knows the space and the outcomes, nothing of models,
 * the store or workers.
 *
 * The rule that makes a search reproducible: proposal i may depend on the study's seed, on i, on the proposals below
 * i, and on the outcomes of trials at most i - delay. The outer object enforces it: outcomes may be told in any order,
 * as workers finish, and reach the sampler in the order of numbers, each just before the first proposal that may know
 * it. */
#ifndef SEARCH_SAMPLER_H
#define SEARCH_SAMPLER_H

#include "ir/base/hash.h"
#include "search/space.h"

typedef struct se_told {
	int64_t number;
	double value; /* NAN: failed */
	se_genome genome;
} se_told;

/* What is the same for all proposals of a study. */
typedef struct se_sampling {
	const se_space *space;
	uint64_t seed;
	int64_t delay;
} se_sampling;

/* One kind of sampler. self is its own memory, zeroed, made and freed by the outer object. What it holds must follow
 * from the outcomes it was told, in their order, and from nothing else (no count of asks): a search that goes on is
 * told the whole history before its first question. */
typedef struct se_sampler_kind {
	const char *name;
	bool learns; /* uses tell; if not, nobody has to wait for outcomes */
	size_t size; /* of self */
	/* Fills g for trial number; draw counts the redraws after duplicates, from 0. Returns the number of the told trial
	 * that g was made from, or -1. */
	int64_t (*ask)(void *self, const se_sampling *s, int64_t number, int64_t draw, se_genome *g);
	void (*tell)(void *self, const se_sampling *s, const se_told *t); /* may be NULL */
	const char *doc;
} se_sampler_kind;

const se_sampler_kind *se_sampler_find(const char *name); /* NULL if unknown */
const char *se_sampler_names(void);                       /* "random, evolution or local" */
extern const se_sampler_kind se_sampler_random, se_sampler_evolution, se_sampler_local;

/* D of a new study: at most so many trials run at once. The larger, the more workers; the smaller, the more generations
 * a sampler gets out of the same number of trials: of fifty trials, 16 leave room for three, 8 for six. */
#define SE_DELAY 8
#define SE_MAX_DELAY 64
#define SE_MAX_DRAWS 256 /* redraws after duplicates; then the space is taken to be exhausted */
#define SE_MANY_DRAWS 64 /* here a sampler that stays near good points leaves them */

/* Random numbers of one draw of one proposal. */
se_dice se_sampling_dice(const se_sampling *s, int64_t number, int64_t draw);
/* Every parameter uniform in its range (or in its logarithm). */
void se_sampling_random(const se_sampling *s, int64_t number, int64_t draw, se_genome *g);
/* Where a sampler that learns begins: number 0 is the default point, others are random with little of every budget. */
void se_sampling_first(const se_sampling *s, int64_t number, int64_t draw, se_genome *g);

typedef struct se_sampler se_sampler;

se_sampler *se_sampler_new(const se_sampler_kind *k, const se_space *sp, uint64_t seed, int64_t delay);
void se_sampler_free(se_sampler *s);

/* May the proposal number be asked for, or is an outcome missing that it has to know? */
bool se_sampler_ready(const se_sampler *s, int64_t number);

/* The proposal, and the number of its parent or -1. Numbers are asked for in order (se_sampler_unclaim goes back); the
 * same number and draw give the same point. mutation (may be NULL) gets what differs from the parent. */
int64_t se_sampler_ask(se_sampler *s, int64_t number, int64_t draw, se_genome *g, ir_str *mutation);

/* A random value for every parameter, whether or not its condition holds: what fills an enqueued trial. */
void se_sampler_fill(const se_sampler *s, int64_t number, se_genome *g);

/* An outcome; any order, each number once. */
void se_sampler_tell(se_sampler *s, const se_told *t);

/* Is the key new? Then it is remembered as number's. Numbers must be offered in order: a duplicate is one of a smaller
 * number. */
bool se_sampler_claim(se_sampler *s, int64_t number, ir_key key);
/* Forgets the keys of number and above, and what was known to these proposals: they will be made again. */
void se_sampler_unclaim(se_sampler *s, int64_t number);

#endif
