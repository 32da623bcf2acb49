/* SPDX-License-Identifier: Apache-2.0
 * Files that hold numbers and nothing else; the user says of which type and how many make a row. Little-endian, as we are. */
#include <math.h>
#include <string.h>
#include "search/data/data_int.h"

static const struct {
	const char *name;
	ir_dtype dtype;
} types[] = {{"u8:", IR_U8}, {"f32:", IR_F32}};

static ir_status bad_spec(const le_file *f, const char *spec, const char *at, const char *what)
{
	return le_file_fail(f, IR_EINPUT, "format '%.60s', column %zu: %s, as in u8:28x28 or f32:784", spec, (size_t)(at - spec) + 1,
			    what);
}

/* One size of a row; NULL: none in range. */
static const char *parse_size(const char *s, uint64_t *v)
{
	*v = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		*v = *v > LE_MAX_DIM ? *v : 10 * *v + (uint64_t)(*s - '0');
	return *v >= 1 && *v <= LE_MAX_DIM ? s : NULL;
}

static ir_status parse_spec(const le_file *f, const char *spec, le_table *t)
{
	uint64_t size[2] = {0}, width = 1;
	const char *s = NULL;
	int rank = 0;

	for (size_t k = 0; k < sizeof types / sizeof *types; k++)
		if (strncmp(spec, types[k].name, strlen(types[k].name)) == 0) {
			t->dtype = types[k].dtype;
			s = spec + strlen(types[k].name);
		}
	if (!s)
		return bad_spec(f, spec, spec, "expected u8: or f32:");
	for (;; s++) {
		uint64_t v;
		const char *next = parse_size(s, &v);

		if (!next || __builtin_mul_overflow(width, v, &width) || width > LE_MAX_DIM)
			return bad_spec(f, spec, s, "expected a size, and rows of at most 2^31-1 numbers");
		if (rank < 2)
			size[rank] = v;
		rank++;
		s = next;
		if (*s != 'x')
			break;
	}
	if (*s)
		return bad_spec(f, spec, s, "expected the end or 'x'");
	t->width = (int64_t)width;
	if (rank == 2)
		t->shape[0] = (int64_t)size[0], t->shape[1] = (int64_t)size[1];
	return IR_OK;
}

static ir_status check_length(const le_file *f, le_table *t)
{
	unsigned long long row = (uint64_t)t->width * ir_dtype_size(t->dtype), whole = f->size / row;

	if (f->size % row)
		return le_file_fail(f, IR_EINPUT, "rows of %llu bytes do not fit: the last whole one ends at byte offset %llu, the "
				    "file at %llu", row, whole * row, (unsigned long long)f->size);
	if (whole == 0)
		return le_file_fail(f, IR_EINPUT, "no rows: the file ends at byte offset 0");
	if (whole > LE_MAX_DIM || f->size > LE_MAX_STAYS)
		return le_file_fail(f, IR_EINPUT, "a table of more than 2^40 bytes or 2^31-1 rows: the file ends at byte offset %llu",
				    (unsigned long long)f->size);
	t->rows = (int64_t)whole;
	return IR_OK;
}

static ir_status check_finite(const le_file *f, const le_table *t)
{
	const float *v = t->data;
	int64_t n = t->rows * t->width;

	for (int64_t i = 0; i < n; i++)
		if (isinf(v[i]))
			return le_file_fail(f, IR_EINPUT, "the value in row %lld, column %lld (byte offset %lld) is infinite",
					    (long long)(i / t->width + 1), (long long)(i % t->width + 1), (long long)i * 4);
	return IR_OK;
}

ir_status le_raw_read(const char *path, const char *spec, le_table *out, ir_diag *d)
{
	le_table t = {0};
	le_file f;
	ir_status s = le_file_open_plain(&f, path, d);

	*out = (le_table){0};
	if (s == IR_OK)
		s = parse_spec(&f, spec, &t);
	if (s == IR_OK)
		s = check_length(&f, &t);
	if (s == IR_OK)
		s = f.size < le_stays_from ? le_file_rest(&f, f.size, &t.data) : le_table_leave(path, 0, &t, d);
	if (s == IR_OK && t.dtype == IR_F32 && !t.stays) /* else by whoever reads all of it anyhow */
		s = check_finite(&f, &t);
	if (s == IR_OK)
		*out = t;
	else
		le_table_free(&t);
	le_file_close(&f);
	return s;
}
