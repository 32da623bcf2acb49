/* SPDX-License-Identifier: Apache-2.0
 * Raw files that do not fit their format, and formats that are none. The good one has 24 bytes; option is the format. */
#include "tests/malformed/malformed.h"

static void make(const bad *r, blob *b)
{
	if (r->text.p)
		blob_add(b, r->text.p, r->text.n);
	else
		blob_add(b, "abcdefghijklmnopqrstuvwx", 24);
}

static ir_status read_file(const char *path, const bad *r, ir_diag *d)
{
	le_table t;
	ir_status s = le_raw_read(path, r->option, &t, d);

	le_table_free(&t);
	return s;
}

static const bad rows[] = {
	{"an empty format", "column 1", .option = ""},
	{"a type alone", "column 1", .option = "u8"},
	{"no size", "column 4", .option = "u8:"},
	{"sizes alone", "column 1", .option = "2x3"},
	{"size 0", "column 4", .option = "u8:0"},
	{"second size 0", "column 6", .option = "u8:3x0"},
	{"negative", "column 4", .option = "u8:-1"},
	{"a sign", "column 4", .option = "u8:+1"},
	{"no first size", "column 4", .option = "u8:x3"},
	{"no last size", "column 6", .option = "u8:3x"},
	{"a comma", "column 5", .option = "u8:3,3"},
	{"a capital x", "column 5", .option = "u8:3X3"},
	{"a space first", "column 4", .option = "u8: 3"},
	{"a space last", "column 5", .option = "u8:3 "},
	{"a fraction", "column 6", .option = "f32:2.5"},
	{"a type that is not read", "column 1", .option = "u16:4"},
	{"doubles", "column 1", .option = "f64:2"},
	{"a type in capitals", "column 1", .option = "F32:2"},
	{"a size beyond 2^31-1", "column 4", .option = "u8:2147483648"},
	{"more digits than 64 bits hold", "column 4", .option = "u8:18446744073709551617"},
	{"a product beyond 2^31-1", "column 10", .option = "u8:65536x65536"},
	{"a product that wraps around 2^64", "column 15", .option = "u8:2147483647x2147483647x2147483647"},
	{"control characters", "column 1", .option = "\33[31m"},
	{"empty", "byte offset 0", .option = "u8:3", .text = B("")},
	{"half a row", "byte offset 0, the file at 24", .option = "u8:48"},
	{"one byte missing", "byte offset 16, the file at 23", .option = "u8:8", .cut = -1},
	{"one byte too many", "byte offset 24, the file at 25", .option = "u8:8", .add = B("y")},
	{"a number cut in two", "byte offset 20, the file at 22", .option = "f32:1", .cut = -2},
	{"infinite", "row 2, column 3 (byte offset 20) is infinite", .option = "f32:3", .at = 20, .put = B("\0\0\200\177")},
	{"minus infinite", "row 1, column 1 (byte offset 0) is infinite", .option = "f32:6", .at = 0, .put = B("\0\0\200\377")},
};

const group raw_group = {"raw", "a.bin", rows, NROW(rows), make, read_file};
