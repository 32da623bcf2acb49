/* SPDX-License-Identifier: Apache-2.0
 * Malformed NumPy arrays. The good one has 2 x 3 floats: dict at byte offset 10, elements at 128, 152 bytes. Rows with a dict of
 * their own have as many bytes of data as they say. */
#include <string.h>
#include "tests/malformed/malformed.h"

#define DICT(descr, order, shape) B("{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }")
#define TYPE(descr)		  .text = DICT(descr, "False", "(2, 3)")
#define ORDER(order)		  .text = DICT("'<f4'", order, "(2, 3)")
#define SHAPE(shape)		  .text = DICT("'<f4'", "False", shape)

void make_npy(const bad *r, blob *b)
{
	static const bytes usual = DICT("'<f4'", "False", "(2, 3)");
	const bytes *t = r->text.p ? &r->text : &usual;
	int version = r->version ? r->version : 1;
	size_t head = version == 1 ? 10 : 12, len = t->n + 1, pad = (64 - (head + len) % 64) % 64, said = len + pad;

	blob_add(b, "\x93NUMPY", 6);
	blob_add(b, (char[]){(char)version, 0, (char)said, (char)(said >> 8), 0, 0}, head - 6);
	blob_add(b, t->p, t->n);
	blob_fill(b, ' ', pad);
	blob_add(b, "\n", 1);
	b->mark = b->n;
	blob_fill(b, 1, r->data || r->text.p ? r->data : 24);
}

static ir_status read_file(const char *path, const bad *r, ir_diag *d)
{
	le_table t;
	ir_status s = le_npy_read(path, &t, d);

	(void)r;
	le_table_free(&t);
	return s;
}

static const bad rows[] = {
	/* magic, version, length */
	{"empty", "byte offset 0 in the magic", .cut = -152},
	{"half a magic number", "byte offset 3 in the magic", .cut = 3},
	{"no version", "byte offset 7 in the magic", .cut = 7},
	{"no length", "byte offset 8 in the length", .cut = 8},
	{"half a length", "byte offset 9 in the length", .cut = 9},
	{"no header", "byte offset 10 in the header", .cut = 10},
	{"half a header", "byte offset 50 in the header", .cut = 50},
	{"no line end", "byte offset 127 in the header", .cut = 127},
	{"first byte of the magic", "byte offset 0", .at = 0, .put = B("N")},
	{"last byte of the magic", "byte offset 0", .at = 5, .put = B("y")},
	{"a zip file", "byte offset 0", .at = 0, .put = B("PK\3\4")},
	{"a pickle", "byte offset 0", .at = 0, .put = B("\x80\4\x95")},
	{"version 0", "version 0.0 at byte offset 6", .at = 6, .put = B("\0")},
	{"version 4", "version 4.0 at byte offset 6", .at = 6, .put = B("\4")},
	{"version 1.1", "version 1.1 at byte offset 6", .at = 7, .put = B("\1")},
	{"version 255", "version 255.0 at byte offset 6", .at = 6, .put = B("\377")},
	{"version 2, but the length of 1", "at byte offset 8", .at = 6, .put = B("\2")},
	{"length 0", "expected '{' at byte offset 10, found its end", .at = 8, .put = B("\0\0")},
	{"length 1 too short", "byte offset 127", .at = 8, .put = B("\165\0")},
	{"length 1 too long", "byte offset 127", .at = 8, .put = B("\167\0")},
	{"length to the end of the file", "byte offset 127", .at = 8, .put = B("\216\0")},
	{"length behind the end of the file", "byte offset 152 in the header", .at = 8, .put = B("\217\0")},
	{"length above the limit", "header length 10001 at byte offset 8", .at = 8, .put = B("\21\47")},
	{"length of 64 KiB", "header length 65535 at byte offset 8", .at = 8, .put = B("\377\377")},
	{"length of 4 GiB", "header length 4294967295 at byte offset 8", .version = 2, .at = 8, .put = B("\377\377\377\377")},
	{"length of 64 KiB in version 3", "header length 65652 at byte offset 8", .version = 3, .at = 10, .put = B("\1")},
	{"half a length in version 2", "byte offset 10 in the length", .version = 2, .cut = 10},
	/* the dict */
	{"blank", "expected '{' at byte offset 63", .text = B("")},
	{"a list", "expected '{' at byte offset 10", .text = B("[]")},
	{"not closed", "expected a key in quotes or '}' at byte offset 63", .text = B("{")},
	{"without keys", "no 'descr' before byte offset 12", .text = B("{}")},
	{"no descr", "no 'descr'", .text = B("{'fortran_order': False, 'shape': (2, 3)}")},
	{"no order", "no 'fortran_order' before byte offset", .text = B("{'descr': '<f4', 'shape': (2, 3)}")},
	{"no shape", "no 'shape' before byte offset", .text = B("{'descr': '<f4', 'fortran_order': False}")},
	{"descr twice", "'descr' at byte offset 27 is there twice", .text = B("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}")},
	{"an unknown key", "'align' at byte offset 27 is not one of", .text = B("{'descr': '<f4', 'align': True, 'fortran_order': False, 'shape': (2, 3)}")},
	{"the beginning of a key", "'desc' at byte offset 11 is not one of", .text = B("{'desc': '<f4', 'fortran_order': False, 'shape': (2, 3)}")},
	{"a key in capitals", "'DESCR' at byte offset 11", .text = B("{'DESCR': '<f4', 'fortran_order': False, 'shape': (2, 3)}")},
	{"a key without quotes", "expected a key in quotes or '}' at byte offset 11", .text = B("{descr: '<f4', 'fortran_order': False, 'shape': (2, 3)}")},
	{"a key with two kinds of quotes", "byte offset 11", .text = B("{'descr\": '<f4', 'fortran_order': False, 'shape': (2, 3)}")},
	{"no colon", "expected ':' at byte offset 19", .text = B("{'descr' '<f4', 'fortran_order': False, 'shape': (2, 3)}")},
	{"equals for colon", "expected ':' at byte offset 18", .text = B("{'descr'= '<f4', 'fortran_order': False, 'shape': (2, 3)}")},
	{"no comma between pairs", "expected ',' or '}' at byte offset 26", .text = B("{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}")},
	{"two commas", "byte offset 26", .text = B("{'descr': '<f4',, 'fortran_order': False, 'shape': (2, 3)}")},
	{"a comma first", "byte offset 11", .text = B("{, 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}")},
	{"no value", "expected an element type in quotes at byte offset 19", .text = B("{'descr':, 'fortran_order': False, 'shape': (2, 3)}")},
	{"text behind the dict", "expected spaces and a line end", .text = B("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} #")},
	{"two dicts", "expected spaces and a line end", .text = B("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}{}")},
	{"a tab", "byte offset 19", .text = B("{'descr':\t'<f4', 'fortran_order': False, 'shape': (2, 3)}")},
	{"a line end inside", "byte offset 26", .text = B("{'descr': '<f4',\n 'fortran_order': False, 'shape': (2, 3)}")},
	{"a zero byte", "byte offset 26, found '\\x00", .text = B("{'descr': '<f4',\0 'fortran_order': False, 'shape': (2, 3)}")},
	{"a call", "expected a shape in parentheses", .text = B("{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os')}")},
	{"padding of zero bytes", "expected spaces and a line end", .at = 100, .put = B("\0\0")},
	{"no line end behind the padding", "byte offset 128", .at = 127, .put = B(" ")},
	/* descr */
	{"objects", "Python objects ('descr' at byte offset 20)", TYPE("'|O'")},
	{"objects of 8 bytes", "Python objects ('descr' at byte offset 20)", TYPE("'<O8'")},
	{"a structure", "structured elements ('descr' at byte offset 20)", TYPE("[('a', '<f4'), ('b', '<i4')]")},
	{"a structure without members", "structured elements ('descr' at byte offset 20)", TYPE("[]")},
	{"text", "'<U4' at byte offset 20", TYPE("'<U4'")},
	{"bytes", "'|S4' at byte offset 20", TYPE("'|S4'")},
	{"complex numbers", "'<c8' at byte offset 20", TYPE("'<c8'")},
	{"times", "'<M8[ns]' at byte offset 20", TYPE("'<M8[ns]'")},
	{"void", "'|V8' at byte offset 20", TYPE("'|V8'")},
	{"long double", "'<f16' at byte offset 20", TYPE("'<f16'")},
	{"floats of 3 bytes", "'<f3' at byte offset 20", TYPE("'<f3'")},
	{"truth values of 4 bytes", "'<b4' at byte offset 20", TYPE("'<b4'")},
	{"no byte order", "'f4' at byte offset 20", TYPE("'f4'")},
	{"native byte order", "'=f4' at byte offset 20", TYPE("'=f4'")},
	{"no byte order where one is needed", "'|f4' at byte offset 20", TYPE("'|f4'")},
	{"network byte order", "'!f4' at byte offset 20", TYPE("'!f4'")},
	{"a space in the type", "'<f4 ' at byte offset 20", TYPE("'<f4 '")},
	{"an empty type", "'' at byte offset 20", TYPE("''")},
	{"a name for a type", "'float32' at byte offset 20", TYPE("'float32'")},
	{"a number for a type", "expected an element type in quotes at byte offset 20", TYPE("4")},
	{"a type that is not closed", "byte offset 20", .text = B("{'descr': '<f4")},
	{"control characters in the type", "at byte offset 20", TYPE("'\33[31m'")},
	/* order */
	{"lower case", "expected True or False at byte offset 44", ORDER("false")},
	{"a number", "expected True or False at byte offset 44", ORDER("0")},
	{"none", "expected True or False at byte offset 44", ORDER("None")},
	{"quoted", "expected True or False at byte offset 44", ORDER("'False'")},
	{"more letters", "expected ',' or '}' at byte offset 49", ORDER("Falsehood")},
	/* shape */
	{"no dimensions", "shape before byte offset", SHAPE("()")},
	{"no comma behind the only size", "byte offset 62", SHAPE("(6)")},
	{"a list", "expected a shape in parentheses at byte offset 60", SHAPE("[2, 3]")},
	{"a number", "expected a shape in parentheses at byte offset 60", SHAPE("6")},
	{"no comma", "expected ',' or ')' at byte offset 63", SHAPE("(2 3)")},
	{"two commas", "expected a size at byte offset 63", SHAPE("(2,,3)")},
	{"a comma alone", "expected a size at byte offset 61", SHAPE("(,)")},
	{"negative", "expected a size at byte offset 61", SHAPE("(-2, 3)")},
	{"a sign", "expected a size at byte offset 61", SHAPE("(+2, 3)")},
	{"a fraction", "expected ',' or ')' at byte offset 62", SHAPE("(2.0, 3)")},
	{"hexadecimal", "out of range", SHAPE("(0x2, 3)")},
	{"a long of Python 2", "expected ',' or ')' at byte offset 62", SHAPE("(2L, 3L)")},
	{"quoted", "expected a size at byte offset 61", SHAPE("('2', 3)")},
	{"none", "expected a size at byte offset 64", SHAPE("(2, None)")},
	{"not closed", "expected a size at byte offset 67", SHAPE("(2, 3")},
	{"no rows", "size at byte offset 61 is out of range", SHAPE("(0, 3)")},
	{"no columns", "size at byte offset 64 is out of range", SHAPE("(2, 0)")},
	{"2^31 rows", "size at byte offset 61 is out of range", SHAPE("(2147483648, 1)")},
	{"more digits than 64 bits hold", "size at byte offset 61 is out of range", SHAPE("(18446744073709551618, 3)")},
	{"product wraps around 2^64", "(header at byte offset 8) multiply", SHAPE("(2147483647, 2147483647, 2147483647)")},
	{"product beyond the cap", "(header at byte offset 8) multiply", SHAPE("(65536, 65536, 65536)")},
	{"elements within the cap, bytes beyond", "4294967296 elements (header at byte offset 8)", SHAPE("(65536, 65536)")},
	{"rows that are too wide", "(header at byte offset 8) are too wide", .text = DICT("'|u1'", "False", "(1, 65536, 65536)")},
	{"nine dimensions", "more than 8 dimensions at byte offset 85", SHAPE("(1, 1, 1, 1, 1, 1, 1, 1, 1)"), .data = 4},
	/* elements */
	{"none", "file ends at byte offset 128", .cut = 128},
	{"one byte missing", "file ends at byte offset 151", .cut = -1},
	{"one byte too many", "at byte offset 152, it has 153 bytes", .add = B("x")},
	{"one element too many", "at byte offset 152, it has 156 bytes", .add = B("abcd")},
	{"bytes, one missing", "file ends at byte offset 133", .text = DICT("'|u1'", "False", "(2, 3)"), .data = 5},
	{"8 GiB of a small file", "file ends at byte offset 152", .text = DICT("'<f4'", "False", "(2147483647,)"), .data = 24},
	{"the same, compressed", "byte offset 152 in the elements", .gz = true, .text = DICT("'<f4'", "False", "(2147483647,)"), .data = 24},
	{"compressed, one byte too many", "at byte offset 152", .gz = true, .text = DICT("'<f4'", "False", "(2, 3)"), .data = 25},
	{"gzip without its end", "gzip data end at byte offset", .gz = true, .cut = -8},
	{"gzip with a wrong checksum", "damaged gzip data at byte offset", .gz = true, .at = -8, .put = B("\0\0\0\0")},
	{"infinite", "row 2, column 1 (byte offset 140) is infinite", .at_mark = 12, .put_mark = B("\0\0\200\177")},
	{"minus infinite", "row 1, column 3 (byte offset 136) is infinite", .at_mark = 8, .put_mark = B("\0\0\200\377")},
	{"infinite in a Fortran file", "row 2, column 2 (byte offset 140) is infinite", .text = DICT("'<f4'", "True", "(2, 3)"), .data = 24, .at_mark = 12, .put_mark = B("\0\0\200\177")},
	{"infinite in a Fortran file of rank 3", "row 1, column 2 (byte offset 144) is infinite", .text = DICT("'<f4'", "True", "(2, 2, 2)"), .data = 32, .at_mark = 16, .put_mark = B("\0\0\200\177")},
	{"infinite, other byte order", "row 1, column 2 (byte offset 132) is infinite", .text = DICT("'>f4'", "False", "(2, 3)"), .data = 24, .at_mark = 4, .put_mark = B("\177\200\0\0")},
	{"half infinite", "row 1, column 2 (byte offset 130) is infinite", .text = DICT("'<f2'", "False", "(2, 3)"), .data = 12, .at_mark = 2, .put_mark = B("\0\174")},
	{"double infinite", "row 1, column 1 (byte offset 128) is infinite", .text = DICT("'<f8'", "False", "(2, 3)"), .data = 48, .put_mark = B("\0\0\0\0\0\0\360\177")},
	{"double beyond f32", "row 1, column 2 (byte offset 136) is infinite or beyond f32", .text = DICT("'<f8'", "False", "(2, 3)"), .data = 48, .at_mark = 8, .put_mark = B("\0\0\0\0\0\0\360\107")},
	{"a truth value of 2", "row 1, column 3 (byte offset 130) is not a truth value", .text = DICT("'|b1'", "False", "(2, 3)"), .data = 6, .at_mark = 2, .put_mark = B("\2")},
};

const group npy_group = {"npy", "a.npy", rows, NROW(rows), make_npy, read_file};
