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
	int count[SE_MAX_PARAMS][16] = {{0}};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_same_points), cmocka_unit_test(covers_the_space),
		cmocka_unit_test(outcomes_are_delayed), cmocka_unit_test(duplicates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
