/* SPDX-License-Identifier: Apache-2.0
 * Element types and tensor types. A type is a small value, compared and copied as such; dimensions beyond the
 * rank are zero. Whether a type is allowed is for shape.c to say. */
#include "ir/ir.h"

#include <inttypes.h>
#include <string.h>

static const struct {
	const char *text;
	size_t bytes;
	bool is_float;
} row[IR_DTYPE_COUNT] = {
#define DTYPE(NAME, text, bytes, is_float) [IR_##NAME] = {text, bytes, is_float},
#include "ir/dtype.def"
#undef DTYPE
};

const char *ir_dtype_text(ir_dtype t)
{
	return row[t].text;
}

size_t ir_dtype_size(ir_dtype t)
{
	return row[t].bytes;
}

bool ir_dtype_is_float(ir_dtype t)
{
	return row[t].is_float;
}

bool ir_dtype_find(const char *text, size_t len, ir_dtype *out)
{
	for (int t = 0; t < IR_DTYPE_COUNT; t++) {
		if (strlen(row[t].text) == len && memcmp(row[t].text, text, len) == 0) {
			*out = (ir_dtype)t;
			return true;
		}
	}
	return false;
}

ir_type ir_type_scalar(ir_dtype t)
{
	return (ir_type){.dtype = t};
}

ir_type ir_type_make(ir_dtype t, int rank, const int64_t *dim)
{
	ir_type y = {.dtype = t, .rank = rank};

	IR_ASSERT(rank >= 0 && rank <= IR_MAX_RANK, "rank %d", rank);
	for (int i = 0; i < rank; i++)
		y.dim[i] = dim[i];
	return y;
}

bool ir_shape_equal(const ir_type *a, const ir_type *b)
{
	if (a->rank != b->rank)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

bool ir_type_equal(const ir_type *a, const ir_type *b)
{
	return a->dtype == b->dtype && ir_shape_equal(a, b);
}

bool ir_type_has_batch(const ir_type *t)
{
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] == IR_BATCH)
			return true;
	return false;
}

int64_t ir_type_count(const ir_type *t)
{
	int64_t n = 1;

	for (int i = 0; i < t->rank; i++) {
		IR_ASSERT(t->dim[i] != IR_BATCH, "the batch size is not bound");
		n *= t->dim[i]; /* shape rules keep the product at or below 2^40 */
	}
	return n;
}

size_t ir_type_bytes(const ir_type *t)
{
	return (size_t)ir_type_count(t) * ir_dtype_size(t->dtype);
}

void ir_type_print(const ir_type *t, ir_str *out)
{
	sb_put(out, ir_dtype_text(t->dtype));
	sb_putc(out, '[');
	for (int i = 0; i < t->rank; i++) {
		if (i)
			sb_putc(out, ',');
		if (t->dim[i] == IR_BATCH)
			sb_putc(out, 'B');
		else
			sb_printf(out, "%" PRId64, t->dim[i]);
	}
	sb_putc(out, ']');
}

const char *ir_type_text(ir_arena *a, const ir_type *t)
{
	ir_str s;
	const char *text;

	sb_init(&s);
	ir_type_print(t, &s);
	text = ar_strndup(a, s.s, s.n);
	sb_fini(&s);
	return text;
}
