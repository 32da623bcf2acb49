/* SPDX-License-Identifier: Apache-2.0
 * Malformed IDX files. The good one has 2 x 2 x 3 bytes: sizes at byte offset 4, elements at 16, 28 bytes. */
#include "tests/malformed/malformed.h"

static const char good[] = "\0\0\10\3" "\0\0\0\2" "\0\0\0\2" "\0\0\0\3" "abcdefghijkl";

static void make(const bad *r, blob *b)
{
	if (r->text.p)
		blob_add(b, r->text.p, r->text.n);
	else
		blob_add(b, good, sizeof good - 1);
}

static ir_status read_file(const char *path, const bad *r, ir_diag *d)
{
	le_table t;
	ir_status s = le_idx_read(path, &t, d);

	(void)r;
	le_table_free(&t);
	return s;
}

static const bad rows[] = {
	{"empty", "byte offset 0 in the magic", .text = B("")},
	{"one byte", "byte offset 1 in the magic", .cut = 1},
	{"half a magic number", "byte offset 2 in the magic", .cut = 2},
	{"no rank", "byte offset 3 in the magic", .cut = 3},
	{"no sizes", "byte offset 4 in the sizes", .cut = 4},
	{"half a size", "byte offset 6 in the sizes", .cut = 6},
	{"one size of three", "byte offset 8 in the sizes", .cut = 8},
	{"two sizes and a half", "byte offset 15 in the sizes", .cut = 15},
	{"no elements", "file ends at byte offset 16", .cut = 16},
	{"one element missing", "file ends at byte offset 27", .cut = -1},
	{"one element too many", "at byte offset 28, it has 29 bytes", .add = B("m")},
	{"twice the elements", "at byte offset 28, it has 40 bytes", .add = B("mnopqrstuvwx")},
	{"first byte of the magic", "bytes 01 00 at byte offset 0", .at = 0, .put = B("\1")},
	{"second byte of the magic", "bytes 00 01 at byte offset 0", .at = 1, .put = B("\1")},
	{"little-endian magic", "bytes 03 08 at byte offset 0", .at = 0, .put = B("\3\10\0\0")},
	{"a NumPy array", "bytes 93 4e at byte offset 0", .at = 0, .put = B("\x93NUMPY")},
	{"a zip file", "bytes 50 4b at byte offset 0", .at = 0, .put = B("PK\3\4")},
	{"type 0", "element type 0x00 at byte offset 2", .at = 2, .put = B("\0")},
	{"signed bytes", "element type 0x09 at byte offset 2", .at = 2, .put = B("\11")},
	{"shorts", "element type 0x0b at byte offset 2", .at = 2, .put = B("\13")},
	{"ints", "element type 0x0c at byte offset 2", .at = 2, .put = B("\14")},
	{"floats", "element type 0x0d at byte offset 2", .at = 2, .put = B("\15")},
	{"doubles", "element type 0x0e at byte offset 2", .at = 2, .put = B("\16")},
	{"rank 0", "rank 0 at byte offset 3", .at = 3, .put = B("\0")},
	{"rank 5", "rank 5 at byte offset 3", .at = 3, .put = B("\5")},
	{"rank 255", "rank 255 at byte offset 3", .at = 3, .put = B("\377")},
	{"rank 4, so elements are taken for a size", "byte offset 20 multiply", .at = 3, .put = B("\4")},
	{"rank 2, so a size is taken for elements", "at byte offset 16", .at = 3, .put = B("\2")},
	{"no rows", "size 0 at byte offset 4", .at = 4, .put = B("\0\0\0\0")},
	{"no columns", "size 0 at byte offset 12", .at = 12, .put = B("\0\0\0\0")},
	{"2^31 rows", "size 2147483648 at byte offset 4", .at = 4, .put = B("\200\0\0\0")},
	{"2^32 - 1 rows", "size 4294967295 at byte offset 4", .at = 4, .put = B("\377\377\377\377")},
	{"little-endian size", "up to offset 201326608, the file ends at byte offset 28", .at = 4, .put = B("\2\0\0\0")},
	{"product beyond the cap", "byte offset 12 multiply", .at = 4, .put = B("\177\377\377\377\177\377\377\377\0\0\0\1")},
	{"product wraps around 2^64", "byte offset 12 multiply", .at = 4, .put = B("\177\377\377\377\177\377\377\377\177\377\377\377")},
	{"rows that are too wide", "rows of 4294967296 elements (byte offset 8)", .text = B("\0\0\10\3\0\0\0\1\0\1\0\0\0\1\0\0abcd")},
	{"gigabytes of a small file", "file ends at byte offset 28", .at = 4, .put = B("\0\1\0\0\0\0\1\0\0\0\0\100")},
	{"the same, compressed", "byte offset 28 in the elements", .gz = true, .text =
		B("\0\0\10\3\0\1\0\0\0\0\1\0\0\0\0\100abcdefghijkl")},
	{"compressed, one element too many", "at byte offset 28", .gz = true, .text =
		B("\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijklm")},
	{"compressed, one missing", "byte offset 27", .gz = true, .text = B("\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijk")},
	{"gzip without its end", "gzip data end at byte offset", .gz = true, .cut = -4},
	{"gzip without its data", "gzip data end at byte offset 0", .gz = true, .cut = 10},
	{"gzip with a wrong checksum", "damaged gzip data at byte offset", .gz = true, .at = -8, .put = B("\0\0\0\0")},
	{"gzip with a wrong length", "damaged gzip data at byte offset", .gz = true, .at = -4, .put = B("\1\2\3\4")},
	{"gzip of an unknown method", "byte offset 0", .gz = true, .at = 2, .put = B("\7")},
	{"gzip with a block type that is none", "damaged gzip data at byte offset 0", .gz = true, .at = 10, .put = B("\377")},
};

const group idx_group = {"idx", "a-idx3-ubyte", rows, NROW(rows), make, read_file};
