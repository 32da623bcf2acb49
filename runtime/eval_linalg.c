/* SPDX-License-Identifier: Apache-2.0
 * runtime/eval_linalg.c -- matmul. The one rule where speed counts a little: whole models are checked against it. */
#include <math.h>
#include <string.h>
#include "runtime/eval.h"

/* An operand as rows (of the result) by k, whatever way it is stored. */
typedef struct matrix {
	const void *data;
	int64_t row, k; /* strides in elements */
} matrix;

/* Row i of a by column j of b. */
typedef double dot_fn(const matrix *a, const matrix *b, int64_t i, int64_t j, int64_t n);

#define DOT(name, T)                                                                           \
	static double name(const matrix *a, const matrix *b, int64_t i, int64_t j, int64_t n)  \
	{                                                                                      \
		const T *x = (const T *)a->data + i * a->row;                                  \
		const T *y = (const T *)b->data + j * b->row;                                  \
		double acc = 0;                                                                \
                                                                                               \
		for (int64_t k = 0; k < n; k++)                                                \
			acc += (double)x[k * a->k] * (double)y[k * b->k];                      \
		return acc;                                                                    \
	}

DOT(dot_f32, float)
DOT(dot_f64, double)

/* To the nearest bf16, ties to even: the upper half of an f32. */
static float round_bf16(float v)
{
	uint32_t u;

	if (isnan(v))
		return v;
	memcpy(&u, &v, sizeof u);
	u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000;
	memcpy(&v, &u, sizeof v);
	return v;
}

static double dot_bf16(const matrix *a, const matrix *b, int64_t i, int64_t j, int64_t n)
{
	const float *x = (const float *)a->data + i * a->row, *y = (const float *)b->data + j * b->row;
	double acc = 0;

	for (int64_t k = 0; k < n; k++)
		acc += (double)round_bf16(x[k * a->k]) * (double)round_bf16(y[k * b->k]);
	return acc;
}

void eval_matmul(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	const ir_type *ta = &arg[0]->type, *tb = &arg[1]->type;
	bool sa = ir_attr_int(in, IR_ATTR_ta), sb = ir_attr_int(in, IR_ATTR_tb);
	matrix a = {arg[0]->data, sa ? 1 : ta->dim[1], sa ? ta->dim[1] : 1};
	matrix b = {arg[1]->data, sb ? tb->dim[1] : 1, sb ? 1 : tb->dim[1]};
	int64_t m = out->type.dim[0], n = out->type.dim[1], k = ta->dim[sa ? 0 : 1];
	ir_dtype t = out->type.dtype;
	dot_fn *dot = ir_attr_int(in, IR_ATTR_bf16) ? dot_bf16 : t == IR_F32 ? dot_f32 : dot_f64;

	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++)
			rt_store(t, out->data, i * n + j, dot(&a, &b, i, j, k));
}
