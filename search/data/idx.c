/* SPDX-License-Identifier: Apache-2.0
 * IDX files (the MNIST family), plain or gzip-compressed: magic 0 0 TYPE RANK, RANK big-endian sizes, then the elements. */
#include "search/data/data_int.h"

#define TYPE_U8 0x08

/* Reads magic and sizes; *bytes is their product, which fits LE_MAX_BYTES. */
static ir_status read_header(le_file *f, le_table *t, uint64_t *bytes)
{
	unsigned char h[4];
	uint64_t total = 1, size[4] = {0};
	ir_status s = le_file_exact(f, h, 4, "the magic number");

	if (s != IR_OK)
		return s;
	if (h[0] != 0 || h[1] != 0)
		return le_file_fail(f, IR_EINPUT, "not an IDX file: bytes %02x %02x at byte offset 0 should be 00 00", h[0], h[1]);
	if (h[2] != TYPE_U8)
		return le_file_fail(f, IR_EINPUT, "element type 0x%02x at byte offset 2: only unsigned bytes (0x08) are read", h[2]);
	if (h[3] < 1 || h[3] > 4)
		return le_file_fail(f, IR_EINPUT, "rank %d at byte offset 3: must be 1 to 4", h[3]);
	for (int i = 0; i < h[3]; i++) {
		unsigned char b[4];
		unsigned long long at = f->at;

		if ((s = le_file_exact(f, b, 4, "the sizes")) != IR_OK)
			return s;
		size[i] = (uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3];
		if (size[i] < 1 || size[i] > LE_MAX_DIM)
			return le_file_fail(f, IR_EINPUT, "size %llu at byte offset %llu is out of range: 1 to 2^31-1",
				    (unsigned long long)size[i], at);
		if (__builtin_mul_overflow(total, size[i], &total) || total > LE_MAX_BYTES)
			return le_file_fail(f, IR_EINPUT, "the sizes up to byte offset %llu multiply to more than 2^33 bytes",
				    (unsigned long long)f->at);
	}
	if (total / size[0] > LE_MAX_DIM)
		return le_file_fail(f, IR_EINPUT, "rows of %llu elements (byte offset 8) are too wide",
			    (unsigned long long)(total / size[0]));
	*t = (le_table){.dtype = IR_U8, .rows = (int64_t)size[0], .width = (int64_t)(total / size[0])};
	if (h[3] == 3)
		t->shape[0] = (int64_t)size[1], t->shape[1] = (int64_t)size[2];
	*bytes = total;
	return IR_OK;
}

ir_status le_idx_read(const char *path, le_table *out, ir_diag *d)
{
	le_table t = {0};
	uint64_t bytes = 0;
	le_file f;
	ir_status s = le_file_open(&f, path, d);

	*out = (le_table){0};
	if (s == IR_OK)
		s = read_header(&f, &t, &bytes);
	if (s == IR_OK)
		s = le_file_rest(&f, bytes, &t.data);
	le_file_close(&f);
	if (s == IR_OK)
		*out = t;
	return s;
}
