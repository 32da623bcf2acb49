/* SPDX-License-Identifier: Apache-2.0
 * Random numbers: the generator against the known answers of Random123, ranges against single draws, moments,
 * independence of streams, initialisers. rng.c is included to reach its one static draw. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "../../runtime/rng.c"

/* kat_vectors of Random123, philox4x32 10 */
static void known_answers(void **state)
{
	static const struct {
		uint32_t ctr[4], key[2], out[4];
	} kat[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof kat / sizeof *kat; i++) {
		rt_key k = {{kat[i].key[0], kat[i].key[1]}};
		uint64_t index = (uint64_t)kat[i].ctr[1] << 32 | kat[i].ctr[0];
		philox4x32_ctr_t r = draw(k, index, kat[i].ctr[2], (lane)kat[i].ctr[3]);

		for (int j = 0; j < 4; j++)
			assert_int_equal(r.v[j], kat[i].out[j]);
	}
}

#define MANY 1000000

typedef void fill_any(rt_key k, ir_dtype t, void *out, int64_t at, int64_t n);

static void moments(fill_any *f, double mean, double variance, double fourth)
{
	double *v = malloc(MANY * sizeof *v), s = 0, s2 = 0, s4 = 0, lag = 0;

	f(rt_key_seed(7), IR_F64, v, 0, MANY);
	for (int i = 0; i < MANY; i++) {
		double d = v[i] - mean;

		s += d;
		s2 += d * d;
		s4 += d * d * d * d;
		lag += i ? d * (v[i - 1] - mean) : 0;
	}
	double five_sigma = 5 / sqrt(MANY);
	assert_true(fabs(s / MANY) < five_sigma * sqrt(variance));
	assert_true(fabs(s2 / MANY - variance) < five_sigma * sqrt(fourth - variance * variance));
	assert_true(fabs(s4 / MANY - fourth) < 0.05 * fourth);
	assert_true(fabs(lag / MANY) < five_sigma * variance);
	free(v);
}

static void uniform_and_normal_moments(void **state)
{
	(void)state;
	moments(rt_fill_uniform, 0.5, 1. / 12, 1. / 80);
	moments(rt_fill_normal, 0, 1, 3);
}

static void any_range_gives_the_same_elements(void **state)
{
	static fill_any *const fill_of[] = {rt_fill_uniform, rt_fill_normal};
	rt_key k = rt_key_seed(99);

	(void)state;
	for (int f = 0; f < 2; f++) {
		float whole[41], part[41];
		double wide[41];

		fill_of[f](k, IR_F32, whole, 0, 41);
		fill_of[f](k, IR_F64, wide, 0, 41);
		for (int i = 0; i < 41; i++)
			assert_true(whole[i] == (float)wide[i]);
		for (int at = 0; at < 41; at++)
			for (int n = 1; at + n <= 41; n++) {
				fill_of[f](k, IR_F32, part, at, n);
				assert_memory_equal(part, whole + at, (size_t)n * sizeof *part);
			}
	}
}

static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(rt_key));
}

/* Children of all kinds, of two parents and of a child: no two keys alike, and their bits look balanced. */
static void split_keys_differ(void **state)
{
	enum { N = 20000 };
	rt_key *k = malloc(4 * N * sizeof *k), root = rt_key_seed(1);
	long ones = 0;

	(void)state;
	for (uint64_t i = 0; i < N; i++) {
		k[4 * i] = rt_key_split(root, i);
		k[4 * i + 1] = rt_key_for(root, RT_FOR_STUDY, i);
		k[4 * i + 2] = rt_key_for(root, RT_FOR_MODEL, i << 32);
		k[4 * i + 3] = rt_key_split(rt_key_split(root, 3), i);
	}
	for (int i = 0; i < 4 * N; i++)
		ones += __builtin_popcount(k[i].k[0]) + __builtin_popcount(k[i].k[1]);
	assert_true(labs(ones - 4L * N * 32) < 5 * (long)sqrt(4. * N * 16));
	qsort(k, 4 * N, sizeof *k, by_value);
	for (int i = 1; i < 4 * N; i++)
		assert_memory_not_equal(&k[i], &k[i - 1], sizeof *k);
	free(k);
}

static void streams_are_uncorrelated(void **state)
{
	enum { N = 100000 };
	rt_key root = rt_key_seed(5);
	double dot = 0;

	(void)state;
	for (uint64_t i = 0; i < N; i++)
		dot += (rt_random_unit(rt_key_split(root, 0), i) - 0.5) *
		       (rt_random_unit(rt_key_split(root, 1), i) - 0.5);
	assert_true(fabs(dot / N) < 5. / 12 / sqrt(N));
}

static void below_covers_and_stays_below(void **state)
{
	rt_key k = rt_key_seed(11);
	int count[10] = {0};

	(void)state;
	for (uint64_t i = 0; i < 100000; i++) {
		uint64_t v = rt_random_below(k, i, 10);
		double u = rt_random_unit(k, i);

		assert_true(v < 10 && u >= 0 && u < 1);
		count[v]++;
	}
	for (int i = 0; i < 10; i++)
		assert_true(abs(count[i] - 10000) < 500);
	assert_int_equal(rt_random_below(k, 0, 1), 0);
}

static void shuffle_permutes(void **state)
{
	uint32_t v[100], w[100];
	int seen[100] = {0}, moved = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		v[i] = w[i] = i;
	rt_shuffle(rt_key_seed(3), v, 100);
	rt_shuffle(rt_key_seed(3), w, 100);
	assert_memory_equal(v, w, sizeof v);
	for (uint32_t i = 0; i < 100; i++) {
		seen[v[i]]++;
		moved += v[i] != i;
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	assert_true(moved > 80);
	rt_shuffle(rt_key_seed(3), v, 0);
}

/* ---- initialisers ------------------------------------------------------------------------------------ */

static rt_tensor tensor(ir_dtype t, int rank, int64_t a, int64_t b)
{
	const int64_t dim[2] = {a, b};
	rt_tensor x;

	assert_int_equal(rt_tensor_alloc(&x, ir_type_make(t, rank, dim)), IR_OK);
	return x;
}

static void initialisers_have_their_scale(void **state)
{
	static const struct {
		ir_init how;
		double limit, variance;
	} row[] = {
		{IR_INIT_he_uniform, 0.1224745, 0.005},  {IR_INIT_he_normal, 1, 0.005},
		{IR_INIT_glorot_uniform, 0.1, 1. / 300}, {IR_INIT_lecun_normal, 1, 0.0025},
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		rt_tensor t = tensor(IR_F32, 2, 400, 200);
		double s = 0, s2 = 0, top = 0;

		rt_init(&t, row[i].how, rt_key_seed(1), 4);
		for (int j = 0; j < 80000; j++) {
			double v = ((float *)t.data)[j];

			s += v;
			s2 += v * v;
			top = fabs(v) > top ? fabs(v) : top;
		}
		assert_true(top <= row[i].limit * 1.0000001);
		assert_true(fabs(s / 80000) < 5 * sqrt(row[i].variance / 80000));
		assert_true(fabs(s2 / 80000 / row[i].variance - 1) < 0.03);
		rt_tensor_free(&t);
	}
}

static void initialisers_agree_between_precisions(void **state)
{
	(void)state;
	for (int how = 0; how < IR_INIT_COUNT; how++) {
		rt_tensor a = tensor(IR_F32, 2, 30, 11), b = tensor(IR_F64, 2, 30, 11);
		rt_tensor c = tensor(IR_F32, 2, 30, 11);
		int same = 0;

		rt_init(&a, (ir_init)how, rt_key_seed(1), 0);
		rt_init(&b, (ir_init)how, rt_key_seed(1), 0);
		rt_init(&c, (ir_init)how, rt_key_seed(1), 1);
		for (int i = 0; i < 330; i++) {
			assert_true(((float *)a.data)[i] == ((double *)b.data)[i]);
			same += ((float *)a.data)[i] == ((float *)c.data)[i];
		}
		if (how == IR_INIT_zeros || how == IR_INIT_ones)
			assert_true(same == 330 && ((float *)a.data)[5] == (how == IR_INIT_ones));
		else
			assert_true(same < 5);
		rt_tensor_free(&a);
		rt_tensor_free(&b);
		rt_tensor_free(&c);
	}
	rt_tensor s = tensor(IR_I32, 0, 0, 0);
	rt_init(&s, IR_INIT_ones, rt_key_seed(1), 0);
	assert_int_equal(*(int32_t *)s.data, 1);
	rt_tensor_free(&s);
	assert_int_equal(rt_live_bytes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers), cmocka_unit_test(uniform_and_normal_moments),
		cmocka_unit_test(any_range_gives_the_same_elements), cmocka_unit_test(split_keys_differ),
		cmocka_unit_test(streams_are_uncorrelated), cmocka_unit_test(below_covers_and_stays_below),
		cmocka_unit_test(shuffle_permutes), cmocka_unit_test(initialisers_have_their_scale),
		cmocka_unit_test(initialisers_agree_between_precisions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
