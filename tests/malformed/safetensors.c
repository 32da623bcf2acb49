/* SPDX-License-Identifier: Apache-2.0
 * Malformed files of weights: a length, a JSON header at byte offset 8, the tensors. text is the header, data the bytes behind it. */
#include "search/learn/learn.h"
#include "tests/malformed/malformed.h"

#define GOOD	      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
#define TENSOR(entry) .text = B("{\"a\":{" entry "}}"), .data = 8
#define DTYPE(type)   TENSOR("\"dtype\":" type ",\"shape\":[2],\"data_offsets\":[0,8]")
#define SHAPE(shape)  TENSOR("\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[0,8]")
#define OFFSETS(o)    TENSOR("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" o)
#define TWO(first, second) \
	.text = B("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first "},\"b\":{\"dtype\":\"U8\",\"shape\":[4]," \
		  "\"data_offsets\":" second "}}"), .data = 8

static void make(const bad *r, blob *b)
{
	static const bytes good = B(GOOD);
	const bytes *t = r->text.p ? &r->text : &good;

	blob_add(b, (char[]){(char)t->n, (char)(t->n >> 8), 0, 0, 0, 0, 0, 0}, 8);
	blob_add(b, t->p, t->n);
	b->mark = b->n;
	blob_fill(b, 1, r->text.p ? r->data : 8);
}

static ir_status read_file(const char *path, const bad *r, ir_diag *d)
{
	le_weights w;
	ir_status s = le_weights_read(path, &w, d);

	(void)r;
	le_weights_free(&w);
	return s;
}

static const bad rows[] = {
	{"empty", "too short: 0 bytes", .cut = -(long)(8 + sizeof GOOD - 1 + 8)},
	{"half a length", "too short: 4 bytes, the header length at byte offset 0", .cut = 4},
	{"a length alone", "does not fit a file of 8 bytes", .cut = 8},
	{"half a header", "byte offset 0 does not fit a file of 30 bytes", .cut = 30},
	{"length 0", "header length 0 at byte offset 0", .at = 0, .put = B("\0")},
	{"length 1", "header length 1 at byte offset 0", .at = 0, .put = B("\1")},
	{"length too short", "at byte offset", .at = 0, .put = B("\20")},
	{"length into the tensors", "at byte offset", .at = 0, .put = B("\73")},
	{"length behind the file", "header length 255 at byte offset 0", .at = 0, .put = B("\377")},
	{"length above the limit", "header length 16777216056 at byte offset 0", .at = 0, .put = B("\70\0\0\350\3\0\0\0")},
	{"length of 2^64 - 1", "header length 18446744073709551615 at byte offset 0", .at = 0, .put = B("\377\377\377\377\377\377\377\377")},
	{"a space before the header", "must start with '{' at byte offset 8", .text = B(" {}")},
	{"a list", "must start with '{' at byte offset 8", .text = B("[]")},
	{"not closed", "at byte offset", .text = B("{\"a\":")},
	{"text behind the header", "at byte offset", .text = B("{} x")},
	{"two headers", "at byte offset", .text = B("{}{}")},
	{"single quotes", "at byte offset", .text = B("{'a':1}")},
	{"a comma at the end", "at byte offset", .text = B("{\"__metadata__\":{},}")},
	{"a comment", "at byte offset", .text = B("{/* */}")},
	{"not UTF-8", "at byte offset", .text = B("{\"\xff\":{}}")},
	{"a zero byte in a name", "at byte offset", .text = B("{\"a\\u0000b\":{}}")},
	{"half of a surrogate", "at byte offset", .text = B("{\"\\ud800\":{}}")},
	{"one name twice", "at byte offset", .text = B("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}"), .data = 2},
	{"a number too large for JSON", "at byte offset", SHAPE("[99999999999999999999]")},
	{"metadata that is a list", "__metadata__ must be", .text = B("{\"__metadata__\":[]}")},
	{"metadata that is a number", "'k' is not a string", .text = B("{\"__metadata__\":{\"k\":1}}")},
	{"metadata in metadata", "'k' is not a string", .text = B("{\"__metadata__\":{\"k\":{}}}")},
	{"a tensor that is a number", "must have dtype, shape and data_offsets", .text = B("{\"a\":1}")},
	{"a tensor that is null", "must have dtype, shape and data_offsets", .text = B("{\"a\":null}")},
	{"an empty tensor entry", "must have dtype, shape and data_offsets", .text = B("{\"a\":{}}")},
	{"no dtype", "must have dtype, shape and data_offsets", TENSOR("\"shape\":[2],\"data_offsets\":[0,8]")},
	{"no shape", "must have dtype, shape and data_offsets", TENSOR("\"dtype\":\"F32\",\"data_offsets\":[0,8]")},
	{"no offsets", "must have dtype, shape and data_offsets", TENSOR("\"dtype\":\"F32\",\"shape\":[2]")},
	{"one key too many", "must have dtype, shape and data_offsets", TENSOR("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1")},
	{"a type that is none", "'F33'", DTYPE("\"F33\"")},
	{"a type that is not read", "'BF16'", DTYPE("\"BF16\"")},
	{"a type in lower case", "'f32'", DTYPE("\"f32\"")},
	{"a type that is a number", "must have dtype", DTYPE("32")},
	{"a shape that is a number", "shape is not a list", SHAPE("2")},
	{"a shape that is text", "shape is not a list", SHAPE("\"2\"")},
	{"a negative size", "dimension 0 is not an integer", SHAPE("[-2]")},
	{"a fraction", "dimension 0 is not an integer", SHAPE("[2.0]")},
	{"a size that is text", "dimension 1 is not an integer", SHAPE("[1,\"2\"]")},
	{"a size of 2^31", "dimension 0 is not an integer", SHAPE("[2147483648]")},
	{"too many dimensions", "above the limit", SHAPE("[1,1,1,1,1,1,1,1,2]")},
	{"a product that wraps around 2^64", "more than 2^40 elements", SHAPE("[2147483647,2147483647,2147483647]")},
	{"a product beyond the cap", "more than 2^40 elements", SHAPE("[2097152,2097152]")},
	{"a shape with fewer elements", "take 4 bytes, data_offsets say 8", SHAPE("[1]")},
	{"a shape with more elements", "take 12 bytes, data_offsets say 8", SHAPE("[3]")},
	{"offsets that are no list", "two integers", OFFSETS("8")},
	{"one offset", "two integers", OFFSETS("[8]")},
	{"three offsets", "two integers", OFFSETS("[0,4,8]")},
	{"negative offset", "two integers", OFFSETS("[-8,0]")},
	{"end before begin", "two integers", OFFSETS("[8,0]")},
	{"fractions", "two integers", OFFSETS("[0.0,8.0]")},
	{"an end behind the file", "ends at byte offset 79, the file at 71", OFFSETS("[8,16]")},
	{"an end of 2^63 - 1", "the file at", OFFSETS("[0,9223372036854775807]")},
	{"one byte missing", "ends at byte offset", .cut = -1},
	{"one byte too many", "the tensors end at byte offset", .add = B("x")},
	{"a hole before the first", "leave a hole", .text = B("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}"), .data = 8},
	{"a hole between two", "leave a hole", TWO("[0,4]", "[8,12]"), .add = B("1111")},
	{"two tensors that overlap", "overlap it up to", TWO("[0,4]", "[2,6]")},
	{"two tensors in one place", "overlap it up to", TWO("[0,4]", "[0,4]")},
	{"nothing but data", "the tensors end at byte offset 10", .text = B("{}"), .data = 8},
	{"a truth value of 1 and one of 3", "byte at offset", .text = B("{\"a\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}"), .data = 2, .at_mark = 1, .put_mark = B("\3")},
};

const group safetensors_group = {"safetensors", "w.safetensors", rows, NROW(rows), make, read_file};
