/* SPDX-License-Identifier: Apache-2.0
 * Malformed files of labels: text, IDX, NumPy. */
#include <stdio.h>
#include "tests/malformed/malformed.h"

#define DICT(descr, shape) B("{'descr': " descr ", 'fortran_order': False, 'shape': " shape ", }")

/* Text as it is, or a NumPy array if data says that there are elements. */
static void make(const bad *r, blob *b)
{
	if (r->data)
		make_npy(r, b);
	else
		blob_add(b, r->text.p, r->text.n);
}

static void too_many_lines(blob *b)
{
	for (int i = 0; i <= 65536; i++) {
		char line[16];

		blob_add(b, line, (size_t)snprintf(line, sizeof line, "%d\n", i));
	}
}

static void too_many_numbers(blob *b)
{
	bad r = {.text = DICT("'<u4'", "(65537,)"), .data = 1};

	make_npy(&r, b);
	b->n = b->mark;
	for (uint32_t i = 0; i <= 65536; i++)
		blob_add(b, &i, sizeof i);
}

static void long_label(blob *b)
{
	blob_add(b, "a\n", 2);
	blob_fill(b, 'x', 257);
}

static ir_status read_file(const char *path, const bad *r, ir_diag *d)
{
	le_labels l;
	ir_status s = le_labels_read(path, &l, d);

	(void)r;
	le_labels_free(&l);
	return s;
}

static const bad rows[] = {
	{"empty", "line 1", .text = B("")},
	{"a blank line alone", "line 1", .text = B("\n")},
	{"a mark alone", "line 1", .text = B("\xef\xbb\xbf")},
	{"blank first line", "line 1 is blank", .text = B("\na\n")},
	{"blank line between labels", "line 2 is blank", .text = B("a\n\nb\n")},
	{"two of them", "line 2 is blank", .text = B("a\r\n\r\n\r\nb\r\n")},
	{"a line of spaces", "line 2, column 1", .text = B("a\n  \nb\n")},
	{"a label of 257 bytes", "line 2, column 1: a label has 1 to 256 bytes, this one 257", .make = long_label},
	{"65537 different lines", "line 65537: more than 65536", .make = too_many_lines},
	{"65537 different numbers", "at byte offset 262272", .make = too_many_numbers},
	{"a zero byte", "line 2: a zero byte at byte offset 3", .text = B("a\nb\0c\n")},
	{"UTF-16", "line 1: a zero byte at byte offset 3", .text = B("\xff\xfe" "a\0\n\0")},
	{"line ends of an old Mac", "line 1: a carriage return", .text = B("a\rb\rc")},
	{"a carriage return inside", "line 2: a carriage return", .text = B("a\nb\rc\n")},
	{"gzip without its end", "gzip data end at byte offset", .gz = true, .text = B("a\nb\n"), .cut = -4},
	{"gzip with a wrong checksum", "damaged gzip data at byte offset", .gz = true, .text = B("a\nb\n"), .at = -8, .put = B("\0\0\0\0")},
	{"IDX with a type that is none", "type 0x0d at byte offset 2", .text = B("\0\0\15\1\0\0\0\1a")},
	{"IDX of rank 2", "at byte offset 3", .text = B("\0\0\10\2\0\0\0\1\0\0\0\2ab")},
	{"IDX, one label missing", "file ends at byte offset 10", .text = B("\0\0\10\1\0\0\0\3ab")},
	{"IDX, one too many", "at byte offset 11, it has 12 bytes", .text = B("\0\0\10\1\0\0\0\3abcd")},
	{"IDX without sizes", "byte offset 6 in the sizes", .text = B("\0\0\10\1\0\0")},
	{"NumPy floats", "header at byte offset 8", .text = DICT("'<f4'", "(2,)"), .data = 8},
	{"NumPy, two columns", "header at byte offset 8", .text = DICT("'<i4'", "(2, 2)"), .data = 16},
	{"NumPy objects", "byte offset 20", .text = DICT("'|O'", "(2,)"), .data = 16},
	{"NumPy text", "byte offset 20", .text = DICT("'<U3'", "(2,)"), .data = 24},
	{"NumPy, one byte missing", "file ends at byte offset 135", .text = DICT("'<i4'", "(2,)"), .data = 7},
	{"NumPy, one byte too many", "at byte offset 136, it has 137 bytes", .text = DICT("'<i4'", "(2,)"), .data = 9},
	{"NumPy, compressed, one label missing", "byte offset 132 in the labels", .gz = true, .text = DICT("'<i4'", "(2,)"), .data = 4},
	{"NumPy, compressed, one too many", "at byte offset 136", .gz = true, .text = DICT("'<i4'", "(2,)"), .data = 12},
};

const group labels_group = {"labels", "labels", rows, NROW(rows), make, read_file};
