/* SPDX-License-Identifier: Apache-2.0
 * Ask and tell: the same seed proposes the same points, outcomes arrive late and in order, duplicates are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "search/sampler.h"

static const se_limits nothing;

static void same_seed_same_points(void **state)
{
	se_sampler *a, *b, *c;
	se_genome x, y, z;
	se_space sp;
	int differ = 0;

	(void)state;
	assert_true(se_space_init(&sp, "dense", &nothing));
	a = se_sampler_new(&se_sampler_random, &sp, 7, SE_DELAY);
	b = se_sampler_new(&se_sampler_random, &sp, 7, SE_DELAY);
	c = se_sampler_new(&se_sampler_random, &sp, 8, SE_DELAY);
	for (int64_t i = 0; i < 200; i++) {
		se_sampler_ask(a, i, 0, &x, NULL);
		se_sampler_ask(b, 199 - i, 0, &y, NULL); /* other numbers in between change nothing */
		se_sampler_ask(b, i, 0, &y, NULL);
		assert_memory_equal(&x, &y, sizeof x);
		assert_true(se_genome_check(&sp, &x));
		se_sampler_ask(c, i, 0, &z, NULL);
		differ += memcmp(&x, &z, sizeof x) != 0;
		se_sampler_ask(a, i, 1, &z, NULL);
		differ += memcmp(&x, &z, sizeof x) != 0;
	}
	assert_int_equal(differ, 400);
	se_sampler_free(a);
	se_sampler_free(b);
	se_sampler_free(c);
}

/* Every value of every parameter turns up, about as often as it should. */
static void covers_the_space(void **state)
{
	int count[SE_MAX_PARAMS][32] = {{0}};
	double low = INFINITY, high = 0;
	se_sampler *s;
	se_space sp;

	(void)state;
	assert_true(se_space_init(&sp, "dense", &nothing));
	s = se_sampler_new(&se_sampler_random, &sp, 1, SE_DELAY);
	for (int64_t i = 0; i < 4000; i++) {
		int lr = se_param_find(&sp, "lr");
		se_genome g;

		se_sampler_ask(s, i, 0, &g, NULL);
		for (size_t k = 0; k < sp.n; k++)
			if (!isnan(g.v[k]) && sp.param[k].kind != SE_FLOAT)
				count[k][(int)g.v[k]]++;
		if (!isnan(g.v[lr])) {
			low = g.v[lr] < low ? g.v[lr] : low;
			high = g.v[lr] > high ? g.v[lr] : high;
		}
	}
	for (int i = 0; i < 6; i++)
		assert_in_range(count[se_param_find(&sp, "stem_width")][i], 550, 790);
	for (int i = 0; i < 3; i++)
		assert_in_range(count[se_param_find(&sp, "skip")][i], 850, 1150); /* of the three quarters with blocks */
	assert_true(low < 5.1e-4 && high > 4.9e-3);
	se_sampler_free(s);
}

/* A learner that writes down what it was told and when. */
typedef struct diary {
	int64_t told[64];
	size_t n;
} diary;

static diary *current;

static int64_t diary_ask(void *self, const se_sampling *s, int64_t number, int64_t draw, se_genome *g)
{
	(void)number, (void)draw;
	current = self;
	for (size_t i = 0; i < s->space->n; i++)
		g->v[i] = s->space->param[i].kind == SE_CHOICE ? 0 : s->space->param[i].low;
	return -1;
}

static void diary_tell(void *self, const se_sampling *s, const se_told *t)
{
	diary *d = self;

	(void)s;
	d->told[d->n++] = t->number;
}

static void outcomes_are_delayed(void **state)
{
	static const se_sampler_kind kind = {.name = "diary", .learns = true, .size = sizeof(diary), .ask = diary_ask,
		.tell = diary_tell};
	se_told t = {.value = 1};
	se_sampler *s;
	se_genome g;
	se_space sp;

	(void)state;
	assert_true(se_space_init(&sp, "models", &nothing));
	s = se_sampler_new(&kind, &sp, 0, 4);
	for (int64_t i = 0; i < 4; i++)
		assert_true(se_sampler_ready(s, i));
	assert_false(se_sampler_ready(s, 4));
	for (t.number = 3; t.number > 0; t.number--)
		se_sampler_tell(s, &t); /* 3, 2, 1: number 0 is slow */
	assert_false(se_sampler_ready(s, 4));
	se_sampler_tell(s, &t);
	assert_true(se_sampler_ready(s, 4));
	assert_true(se_sampler_ready(s, 7));
	assert_false(se_sampler_ready(s, 8));
	se_sampler_ask(s, 4, 0, &g, NULL);
	assert_int_equal(current->n, 1); /* four are known, proposal 4 may see one */
	se_sampler_ask(s, 6, 0, &g, NULL);
	assert_int_equal(current->n, 3);
	for (int64_t i = 0; i < 3; i++)
		assert_int_equal(current->told[i], i);
	se_sampler_free(s);
}

static void duplicates(void **state)
{
	se_sampler *s;
	se_space sp;

	(void)state;
	assert_true(se_space_init(&sp, "models", &nothing));
	s = se_sampler_new(&se_sampler_random, &sp, 0, SE_DELAY);
	for (uint64_t i = 1; i < 2000; i++)
		assert_true(se_sampler_claim(s, 0, (ir_key){i * 77, i << 20})); /* low bits alike: long chains */
	for (uint64_t i = 1; i < 2000; i++)
		assert_false(se_sampler_claim(s, 0, (ir_key){i * 77, i << 20}));
	assert_true(se_sampler_claim(s, 0, (ir_key){1, 1 << 20}));
	se_sampler_free(s);
}

/* ---- samplers that learn ------------------------------------------------------------------------------------ */

static const se_sampler_kind *const learners[] = {&se_sampler_evolution, &se_sampler_local};

/* A smooth value over the dense space, with a condition that pays: what a sampler should find. Every seventh fails. */
static double pretend(const se_space *sp, const se_genome *g, int64_t number)
{
	double width = se_genome_number(sp, g, "stem_width"), bad = fabs(log(width / 384));

	if (number % 7 == 3)
		return NAN;
	bad += strcmp(se_genome_choice(sp, g, "activation"), "gelu") ? .3 : 0;
	bad += se_genome_has(sp, g, "skip") && !strcmp(se_genome_choice(sp, g, "skip"), "block") ? 0 : .4;
	bad += se_genome_has(sp, g, "lr") ? fabs(log(se_genome_number(sp, g, "lr") / 2e-3)) : .8;
	bad += fabs(log(se_genome_number(sp, g, "batch") / 64)) / 3;
	return bad + .02 * (16 - se_genome_number(sp, g, "epochs"));
}

/* n proposals with outcomes told late and in a jumble, as four workers would; the best value. */
static double run_search(const se_sampler_kind *k, const se_space *sp, uint64_t seed, se_told *told, int64_t *parent, int64_t n)
{
	se_sampler *s = se_sampler_new(k, sp, seed, SE_DELAY);
	double best = INFINITY;
	int64_t first = 0; /* not told yet */

	for (int64_t i = 0; i < n; i++) {
		for (; !se_sampler_ready(s, i) || i - first >= 8; first += 4)
			for (int64_t k2 = 3; k2 >= 0; k2--)
				se_sampler_tell(s, &told[first + k2]);
		parent[i] = se_sampler_ask(s, i, 0, &told[i].genome, NULL);
		told[i].number = i;
		told[i].value = pretend(sp, &told[i].genome, i);
		if (told[i].value < best)
			best = told[i].value;
	}
	se_sampler_free(s);
	return best;
}

/* What lives in a sampler follows from the history: one that is told everything at once goes on with the same points. */
static void a_search_that_goes_on(void **state)
{
	enum { N = 200 };
	static se_told told[N];
	static int64_t parent[N];
	se_space sp;

	(void)state;
	assert_true(se_space_init(&sp, "dense", &nothing));
	for (size_t k = 0; k < 2; k++) {
		run_search(learners[k], &sp, 3, told, parent, N);
		for (int64_t cut = 0; cut < N; cut += 13) {
			se_sampler *s = se_sampler_new(learners[k], &sp, 3, SE_DELAY);
			se_genome g;

			for (int64_t i = 0; i < cut; i++)
				se_sampler_tell(s, &told[i]);
			assert_int_equal(se_sampler_ask(s, cut, 0, &g, NULL), parent[cut]);
			assert_memory_equal(&g, &told[cut].genome, sizeof g);
			se_sampler_free(s);
		}
	}
}

/* Parents are old enough to be known, were valid, and differ in what the mutation says. */
static void children(void **state)
{
	enum { N = 200 };
	static se_told told[N];
	static int64_t parent[N];
	int made = 0, same = 0;
	se_space sp;

	(void)state;
	assert_true(se_space_init(&sp, "dense", &nothing));
	for (size_t k = 0; k < 2; k++) {
		run_search(learners[k], &sp, 4, told, parent, N);
		for (int64_t i = 0; i < N; i++) {
			ir_str m;

			if (parent[i] < 0)
				continue;
			made++;
			assert_true(parent[i] <= i - SE_DELAY);
			assert_false(isnan(told[parent[i]].value));
			if (!memcmp(&told[parent[i]].genome, &told[i].genome, sizeof told[i].genome)) {
				same++; /* one change took the other back; a driver draws again */
				continue;
			}
			sb_init(&m);
			se_mutation_print(&sp, &told[parent[i]].genome, &told[i].genome, &m);
			assert_non_null(strstr(m.s, " -> "));
			sb_fini(&m);
		}
	}
	assert_true(made > 2 * (N - 80) && same < made / 20);
}

/* Learning pays: over twenty seeds, both find better points than as many random ones. */
static void learning_pays(void **state)
{
	enum { N = 120, SEEDS = 20 };
	static se_told told[N];
	static int64_t parent[N];
	double sum[2] = {0, 0}, random = 0;
	se_space sp;

	(void)state;
	assert_true(se_space_init(&sp, "dense", &nothing));
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		random += run_search(&se_sampler_random, &sp, seed, told, parent, N) / SEEDS;
		for (size_t k = 0; k < 2; k++)
			sum[k] += run_search(learners[k], &sp, seed, told, parent, N) / SEEDS;
	}
	print_message("best of %d: random %.3f, evolution %.3f, local %.3f\n", N, random, sum[0], sum[1]);
	assert_true(sum[0] < .6 * random);
	assert_true(sum[1] < .6 * random);
}

/* On a plateau nothing is ever better: local search has to leave it, with random points again. */
static void local_search_restarts(void **state)
{
	se_sampler *s;
	se_told t;
	se_space sp;
	int64_t parent = -1, restarts = 0;

	(void)state;
	assert_true(se_space_init(&sp, "dense", &nothing));
	s = se_sampler_new(&se_sampler_local, &sp, 1, SE_DELAY);
	for (int64_t i = 0; i < 400; i++) {
		int64_t p = se_sampler_ask(s, i, 0, &t.genome, NULL);

		restarts += p < 0 && parent >= 0;
		parent = p;
		t.number = i;
		t.value = 1;
		se_sampler_tell(s, &t);
	}
	assert_in_range(restarts, 4, 8);
	se_sampler_free(s);
}

/* Proposals near the end of the time know outcomes that lower numbers must not know, if those are asked for again. */
static void back_to_lower_numbers(void **state)
{
	enum { N = 100, BACK = 60 };
	static se_told told[N];
	static int64_t parent[N];
	se_space sp;

	(void)state;
	assert_true(se_space_init(&sp, "dense", &nothing));
	for (size_t k = 0; k < 2; k++) {
		se_sampler *s = se_sampler_new(learners[k], &sp, 3, SE_DELAY);
		se_genome g;

		run_search(learners[k], &sp, 3, told, parent, N);
		for (int64_t i = 0; i < N; i++)
			se_sampler_tell(s, &told[i]);
		se_sampler_ask(s, N - 1, 0, &g, NULL);
		se_sampler_unclaim(s, BACK);
		for (int64_t i = BACK; i < N; i++) {
			assert_int_equal(se_sampler_ask(s, i, 0, &g, NULL), parent[i]);
			assert_memory_equal(&g, &told[i].genome, sizeof g);
		}
		se_sampler_free(s);
	}
}

/* Numbers that move up free the keys of the proposals they had. */
static void unclaim(void **state)
{
	se_sampler *s;
	se_space sp;

	(void)state;
	assert_true(se_space_init(&sp, "models", &nothing));
	s = se_sampler_new(&se_sampler_random, &sp, 0, SE_DELAY);
	for (int64_t i = 0; i < 1000; i++)
		assert_true(se_sampler_claim(s, i, (ir_key){(uint64_t)i + 1, 7}));
	se_sampler_unclaim(s, 600);
	for (int64_t i = 0; i < 1000; i++)
		assert_int_equal(se_sampler_claim(s, i, (ir_key){(uint64_t)i + 1, 7}), i >= 600);
	se_sampler_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_search_that_goes_on), cmocka_unit_test(children), cmocka_unit_test(learning_pays),
		cmocka_unit_test(local_search_restarts), cmocka_unit_test(back_to_lower_numbers), cmocka_unit_test(unclaim),
		cmocka_unit_test(same_seed_same_points), cmocka_unit_test(covers_the_space),
		cmocka_unit_test(outcomes_are_delayed), cmocka_unit_test(duplicates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
