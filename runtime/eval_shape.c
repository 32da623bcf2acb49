/* SPDX-License-Identifier: Apache-2.0
 * runtime/eval_shape.c -- ops that move elements and compute none: views, concat, gather; and scatter, their adjoint
 * with sums. Elements are moved as bytes, so every type and every NaN arrives unchanged. */
#include <string.h>
#include "runtime/eval.h"

/* Fills out in order from the walk's only operand. */
static void copy_walk(rt_walk *w, const rt_tensor *a, rt_tensor *out)
{
	size_t size = ir_dtype_size(out->type.dtype);
	const char *from = a->data;
	char *to = out->data;

	for (int64_t i = 0; i < w->count; i++, rt_walk_next(w))
		memcpy(to + (size_t)i * size, from + (size_t)w->at[0] * size, size);
}

void eval_reshape(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	(void)in;
	memcpy(out->data, arg[0]->data, ir_type_bytes(&out->type));
}

void eval_transpose(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	const ir_attr *perm = ir_attr_get(in, IR_ATTR_perm);
	int64_t own[IR_MAX_RANK], stride[IR_MAX_RANK] = {0};
	rt_walk w;

	rt_strides(&arg[0]->type, own);
	for (int i = 0; i < out->type.rank; i++)
		stride[i] = own[perm->v.dim[i]];
	rt_walk_init(&w, out->type.rank, out->type.dim);
	rt_walk_add(&w, stride, 0);
	copy_walk(&w, arg[0], out);
}

void eval_broadcast(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	rt_walk w;

	(void)in;
	rt_walk_init(&w, out->type.rank, out->type.dim);
	rt_walk_add_broadcast(&w, &arg[0]->type);
	copy_walk(&w, arg[0], out);
}

void eval_slice(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	const ir_attr *start = ir_attr_get(in, IR_ATTR_start);
	int64_t own[IR_MAX_RANK], at = 0;
	rt_walk w;

	rt_strides(&arg[0]->type, own);
	for (int i = 0; i < out->type.rank; i++)
		at += start->v.dim[i] * own[i];
	rt_walk_init(&w, out->type.rank, out->type.dim);
	rt_walk_add(&w, own, at);
	copy_walk(&w, arg[0], out);
}

/* Seen from the axis, a tensor is rows of (size along the axis * what lies inside) elements. */
static size_t row_bytes(const ir_type *t, int64_t axis)
{
	size_t bytes = ir_dtype_size(t->dtype);

	for (int i = (int)axis; i < t->rank; i++)
		bytes *= (size_t)t->dim[i];
	return bytes;
}

void eval_concat(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	int64_t axis = ir_attr_int(in, IR_ATTR_axis), rows = 1;
	size_t pitch = row_bytes(&out->type, axis), at = 0;

	for (int i = 0; i < axis; i++)
		rows *= out->type.dim[i];
	for (uint32_t k = 0; k < in->narg; k++) {
		size_t bytes = row_bytes(&arg[k]->type, axis);

		for (int64_t r = 0; r < rows; r++)
			memcpy((char *)out->data + (size_t)r * pitch + at,
			       (const char *)arg[k]->data + (size_t)r * bytes, bytes);
		at += bytes;
	}
}

static int64_t clamped_index(const rt_tensor *idx, int64_t i, int64_t n)
{
	int64_t r = rt_load_int(idx->type.dtype, idx->data, i);

	return r < 0 ? 0 : r < n ? r : n - 1;
}

/* A row is everything behind the first axis. */
void eval_gather(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	int64_t n = arg[0]->type.dim[0], m = ir_type_count(&arg[1]->type);
	size_t bytes = row_bytes(&arg[0]->type, 1);

	(void)in;
	for (int64_t i = 0; i < m; i++)
		memcpy((char *)out->data + (size_t)i * bytes,
		       (const char *)arg[0]->data + (size_t)clamped_index(arg[1], i, n) * bytes, bytes);
}

/* Row r of out, columns [c, c + n): each sum in double and in index order. */
static void scatter_piece(const rt_tensor *y, const rt_tensor *idx, rt_tensor *out, int64_t r,
			  int64_t c, int64_t n, double *acc)
{
	ir_dtype t = out->type.dtype;
	int64_t rows = out->type.dim[0], m = ir_type_count(&idx->type);
	int64_t width = ir_type_count(&out->type) / rows;

	memset(acc, 0, (size_t)n * sizeof *acc);
	for (int64_t i = 0; i < m; i++) {
		if (clamped_index(idx, i, rows) != r)
			continue;
		for (int64_t j = 0; j < n; j++)
			acc[j] += rt_load(t, y->data, i * width + c + j);
	}
	for (int64_t j = 0; j < n; j++)
		rt_store(t, out->data, r * width + c + j, acc[j]);
}

/* Row by row of the result, so that the sums in double need a fixed piece of stack and no tensor of doubles. */
static void scatter_float(const rt_tensor *y, const rt_tensor *idx, rt_tensor *out)
{
	enum { PIECE = 512 };
	double acc[PIECE];
	int64_t rows = out->type.dim[0], width = ir_type_count(&out->type) / rows;

	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < width; c += PIECE)
			scatter_piece(y, idx, out, r, c, width - c < PIECE ? width - c : PIECE, acc);
}

/* Wraps at every addition, which is the same as at the end. */
static void scatter_int(const rt_tensor *y, const rt_tensor *idx, rt_tensor *out)
{
	ir_dtype t = out->type.dtype;
	int64_t rows = out->type.dim[0], width = ir_type_count(&out->type) / rows;
	int64_t n = ir_type_count(&y->type);

	memset(out->data, 0, ir_type_bytes(&out->type));
	for (int64_t i = 0; i < n; i++) {
		int64_t to = clamped_index(idx, i / width, rows) * width + i % width;

		rt_store_int(t, out->data, to, rt_load_int(t, out->data, to) + rt_load_int(t, y->data, i));
	}
}

void eval_scatter(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	(void)in;
	if (ir_dtype_is_float(out->type.dtype))
		scatter_float(arg[0], arg[1], out);
	else
		scatter_int(arg[0], arg[1], out);
}
