/* SPDX-License-Identifier: Apache-2.0
 * runtime/init.c -- the first values of params and states, one case per row of ir/init.def.
 * Values are made in double and rounded to f32 even for an f64 tensor, so that both precisions start from the
 * same weights. The seed is the canonical position: renaming or reordering weights changes nothing. */
#include <math.h>
#include "runtime/rt.h"

/* fan_in is what one output sums over: all but the last dimension, that is, the first of a matrix and the window
 * times the channels of a convolution. fan_out is the same seen from the other side. */
static void fans(const ir_type *t, double *in, double *out)
{
	double window = 1;

	*in = *out = t->rank ? (double)t->dim[0] : 1;
	if (t->rank < 2)
		return;
	for (int i = 0; i < t->rank - 2; i++)
		window *= (double)t->dim[i];
	*in = window * (double)t->dim[t->rank - 2];
	*out = window * (double)t->dim[t->rank - 1];
}

static void fill_constant(rt_tensor *t, double v)
{
	int64_t n = ir_type_count(&t->type);

	for (int64_t i = 0; i < n; i++)
		rt_store(t->type.dtype, t->data, i, v);
}

typedef void fill_fn(rt_key k, ir_dtype t, void *out, int64_t at, int64_t n);

/* Elements scale * draw + shift. Drawn in pieces, because the tensor may be narrower than a double. */
static void fill_random(rt_tensor *t, fill_fn *fill, rt_key k, double scale, double shift)
{
	enum { PIECE = 256 };
	double v[PIECE];
	int64_t n = ir_type_count(&t->type);

	for (int64_t at = 0; at < n; at += PIECE) {
		int64_t m = n - at < PIECE ? n - at : PIECE;

		fill(k, IR_F64, v, at, m);
		for (int64_t i = 0; i < m; i++)
			rt_store(t->type.dtype, t->data, at + i, (float)(scale * v[i] + shift));
	}
}

static void fill_uniform(rt_tensor *t, rt_key k, double limit)
{
	fill_random(t, rt_fill_uniform, k, 2 * limit, -limit);
}

static void fill_normal(rt_tensor *t, rt_key k, double deviation)
{
	fill_random(t, rt_fill_normal, k, deviation, 0);
}

void rt_init(rt_tensor *t, ir_init how, rt_key seed, uint32_t position)
{
	rt_key k = rt_key_for(seed, RT_FOR_INIT, position);
	double in, out;

	fans(&t->type, &in, &out);
	switch (how) {
	case IR_INIT_zeros:
		fill_constant(t, 0);
		return;
	case IR_INIT_ones:
		fill_constant(t, 1);
		return;
	case IR_INIT_he_uniform:
		fill_uniform(t, k, sqrt(6 / in));
		return;
	case IR_INIT_he_normal:
		fill_normal(t, k, sqrt(2 / in));
		return;
	case IR_INIT_glorot_uniform:
		fill_uniform(t, k, sqrt(6 / (in + out)));
		return;
	case IR_INIT_lecun_normal:
		fill_normal(t, k, sqrt(1 / in));
		return;
	case IR_INIT_COUNT:
		break;
	}
	ir_bug("no initialiser %d", (int)how);
}
