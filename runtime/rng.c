/* SPDX-License-Identifier: Apache-2.0
 * runtime/rng.c -- random numbers by counter: Philox4x32-10 of Salmon et al. 2011, from the Random123 headers.
 * A draw is a function of (key, what it is for, index) and of nothing else: no state, no order, no threads.
 * Decides how the four counter words are used (Note [Counter words]); they are in every stored result, so the
 * layout may grow but not change. The distributions of initialisers are in init.c. */
#include <math.h>
#include <Random123/philox.h>
#include "runtime/rt.h"

/* ORDER LANE: append only. */
typedef enum lane { LANE_SPLIT = 1, LANE_PURPOSE, LANE_U64, LANE_UNIFORM, LANE_NORMAL } lane;

/* See Note [Counter words]. */
static philox4x32_ctr_t draw(rt_key k, uint64_t index, uint32_t sub, lane tag)
{
	philox4x32_ctr_t c = {{(uint32_t)index, (uint32_t)(index >> 32), sub, (uint32_t)tag}};
	philox4x32_key_t key = {{k.k[0], k.k[1]}};

	return philox4x32_R(10, c, key);
}

rt_key rt_key_seed(uint64_t seed)
{
	return (rt_key){{(uint32_t)seed, (uint32_t)(seed >> 32)}};
}

rt_key rt_key_split(rt_key k, uint64_t index)
{
	philox4x32_ctr_t r = draw(k, index, 0, LANE_SPLIT);

	return (rt_key){{r.v[0], r.v[1]}};
}

rt_key rt_key_for(rt_key k, rt_purpose p, uint64_t index)
{
	philox4x32_ctr_t r = draw(k, index, (uint32_t)p, LANE_PURPOSE);

	return (rt_key){{r.v[0], r.v[1]}};
}

uint64_t rt_random_u64(rt_key k, uint64_t i)
{
	philox4x32_ctr_t r = draw(k, i >> 1, 0, LANE_U64);
	int half = (int)(i & 1) * 2;

	return (uint64_t)r.v[half + 1] << 32 | r.v[half];
}

double rt_random_unit(rt_key k, uint64_t i)
{
	return (double)(rt_random_u64(k, i) >> 11) * 0x1p-53;
}

/* Lemire 2019 without the rejection step: a bias of n / 2^64 does not matter here, one draw per call does. */
uint64_t rt_random_below(rt_key k, uint64_t i, uint64_t n)
{
	return (uint64_t)((unsigned __int128)rt_random_u64(k, i) * n >> 64);
}

void rt_shuffle(rt_key k, uint32_t *v, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = rt_random_below(k, i - 1, i);
		uint32_t t = v[i - 1];

		v[i - 1] = v[j];
		v[j] = t;
	}
}

/* 24 bits also for f64, so that a model run in both precisions sees the same numbers. */
static void block_uniform(rt_key k, uint64_t block, double v[4])
{
	philox4x32_ctr_t r = draw(k, block, 0, LANE_UNIFORM);

	for (int i = 0; i < 4; i++)
		v[i] = (double)(r.v[i] >> 8) * 0x1p-24;
}

/* Box and Muller 1958: two words make two normals. The half keeps the logarithm off 0. */
static void block_normal(rt_key k, uint64_t block, double v[4])
{
	philox4x32_ctr_t r = draw(k, block, 0, LANE_NORMAL);

	for (int i = 0; i < 4; i += 2) {
		double radius = sqrt(-2 * log((r.v[i] + 0.5) * 0x1p-32));
		double angle = 2 * M_PI * ((r.v[i + 1] + 0.5) * 0x1p-32);

		v[i] = radius * cos(angle);
		v[i + 1] = radius * sin(angle);
	}
}

typedef void block_fn(rt_key k, uint64_t block, double v[4]);

/* Elements 4b .. 4b+3 come from block b, so any range gives the same elements. */
static void fill(block_fn *fn, rt_key k, ir_dtype t, void *out, int64_t at, int64_t n)
{
	double v[4];

	IR_ASSERT(t == IR_F32 || t == IR_F64, "random numbers are floats");
	for (int64_t i = 0; i < n;) {
		fn(k, (uint64_t)(at + i) >> 2, v);
		for (int64_t j = (at + i) & 3; j < 4 && i < n; j++, i++) {
			if (t == IR_F32)
				((float *)out)[i] = (float)v[j];
			else
				((double *)out)[i] = v[j];
		}
	}
}

void rt_fill_uniform(rt_key k, ir_dtype t, void *out, int64_t at, int64_t n)
{
	fill(block_uniform, k, t, out, at, n);
}

void rt_fill_normal(rt_key k, ir_dtype t, void *out, int64_t at, int64_t n)
{
	fill(block_normal, k, t, out, at, n);
}

/* Note [Counter words]
 *
 *   word 0, 1   index, low and high half: the child's number (split, purpose), the draw / 2 (u64), the element / 4
 *               (uniform, normal)
 *   word 2      the purpose (rt_purpose) in lane PURPOSE, else 0
 *   word 3      the lane: what the four result words are used for; never 0
 *
 * Two draws under one key have the same counter only if they are the same draw, because the lane tells the uses
 * apart. So one key may serve a split, a shuffle and a tensor at once without any of them repeating the other.
 * unit, below and shuffle are readings of the u64 stream: one key should serve one of them. */
