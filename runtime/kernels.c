/* SPDX-License-Identifier: Apache-2.0
 * runtime/kernels.c -- kernels that are not worth compiling: indexed copies and random tensors, with the calling
 * convention of compiled ones. The table of their operands is in abi.h. Like every kernel they give an element
 * by its position only, so any cut into rectangles gives the same bits. */
#include <string.h>
#include "runtime/rt.h"

static int64_t clamp_row(int32_t i, int64_t n)
{
	return i < 0 ? 0 : i < n ? i : n - 1;
}

/* Sums in the element type and in the order of the indices: one chain per element of out. */
#define SCATTER(name, T)                                                                       \
	void name(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0,    \
		  int64_t c1)                                                                  \
	{                                                                                      \
		const T *y = buf[0];                                                           \
		const int32_t *idx = buf[1];                                                   \
		T *out = buf[2];                                                               \
		int64_t m = arg[0], width = arg[1], n = arg[2];                                \
                                                                                               \
		(void)r0, (void)r1;                                                            \
		for (int64_t r = 0; r < n; r++)                                                \
			for (int64_t c = c0; c < c1; c++)                                      \
				out[r * width + c] = 0;                                        \
		for (int64_t i = 0; i < m; i++) {                                     \
			T *to = out + clamp_row(idx[i], n) * width;                            \
                                                                                               \
			for (int64_t c = c0; c < c1; c++)                                      \
				to[c] += y[i * width + c];                                     \
		}                                                                              \
	}

SCATTER(rt_k_scatter_f32, float)
SCATTER(rt_k_scatter_f64, double)
SCATTER(rt_k_scatter_i32, uint32_t) /* wraps */

void rt_k_gather(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0,
		 int64_t c1)
{
	const char *table = buf[0];
	const int32_t *idx = buf[1];
	char *out = buf[2];
	int64_t n = arg[0], width = arg[1];

	for (int64_t r = r0; r < r1; r++)
		memcpy(out + r * width + c0, table + clamp_row(idx[r], n) * width + c0,
		       (size_t)(c1 - c0));
}

static rt_key read_key(const void *key)
{
	rt_key k;

	memcpy(&k, key, sizeof k);
	return k;
}

#define RANDOM(name, fill, dtype, T)                                                           \
	void name(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0,    \
		  int64_t c1)                                                                  \
	{                                                                                      \
		(void)arg, (void)r0, (void)r1;                                                 \
		fill(read_key(buf[0]), dtype, (T *)buf[1] + c0, c0, c1 - c0);                  \
	}

RANDOM(rt_k_uniform_f32, rt_fill_uniform, IR_F32, float)
RANDOM(rt_k_uniform_f64, rt_fill_uniform, IR_F64, double)
RANDOM(rt_k_normal_f32, rt_fill_normal, IR_F32, float)
RANDOM(rt_k_normal_f64, rt_fill_normal, IR_F64, double)

void rt_k_split(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0,
		int64_t c1)
{
	rt_key k = rt_key_split(read_key(buf[0]), (uint64_t)arg[0]);

	(void)r0, (void)r1, (void)c0, (void)c1;
	memcpy(buf[1], &k, sizeof k);
}

void rt_k_copy(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0,
	       int64_t c1)
{
	int64_t size = arg[0];

	(void)r0, (void)r1;
	memcpy((char *)buf[1] + c0 * size, (const char *)buf[0] + c0 * size,
	       (size_t)((c1 - c0) * size));
}
