/* SPDX-License-Identifier: Apache-2.0
 * Weights files: what is written is read back to the bit; one malformed file for each rule of the format, every
 * prefix of a good file, and every allocation failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "search/learn/learn.h"

static char path[] = "/tmp/gm-weights-XXXXXX";

static void put_bytes(const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* A file with this header and data bytes of value 1 behind it; len < 0: the header's own length. */
static void put_file(const char *header, long long len, size_t data)
{
	unsigned char b[1024];
	size_t n = strlen(header);
	uint64_t said = len < 0 ? n : (uint64_t)len;

	for (int i = 0; i < 8; i++)
		b[i] = (unsigned char)(said >> (8 * i));
	memcpy(b + 8, header, n);
	memset(b + 8 + n, 1, data);
	put_bytes(b, 8 + n + data);
}

static ir_status get(le_weights *w, char *message, size_t size)
{
	ir_diag *d = ir_diag_new();
	ir_status s = le_weights_read(path, w, d);

	message[0] = 0;
	if (s != IR_OK) {
		assert_int_equal(ir_diag_size(d), 1);
		snprintf(message, size, "%s", ir_diag_get(d, 0)->text);
		assert_int_equal(w->n, 0);
	}
	ir_diag_free(d);
	return s;
}

static le_weights sample(void)
{
	static const ir_type type[] = {{IR_F32, 2, {2, 3}}, {IR_F64, 0, {0}}, {IR_BOOL, 1, {3}},
				       {IR_I32, 1, {2}},    {IR_U8, 2, {0, 5}}, {IR_F32, 1, {0}}};
	static const char *const name[] = {"enc_w", "scale", "mask \"q\"", "\xc3\xa9t\xc3\xa9", "empty", "also"};
	le_weights w = {.name = calloc(6, sizeof *w.name), .tensor = calloc(6, sizeof *w.tensor)};

	for (; w.n < 6; w.n++) {
		w.name[w.n] = strdup(name[w.n]);
		assert_int_equal(rt_tensor_alloc(&w.tensor[w.n], type[w.n]), IR_OK);
		for (int64_t i = 0; i < ir_type_count(&type[w.n]); i++)
			rt_store(type[w.n].dtype, w.tensor[w.n].data, i, type[w.n].dtype == IR_BOOL ? i & 1 : 1.5 * i - 1);
	}
	return w;
}

static void round_trip(void **state)
{
	const char *meta[] = {"format", "gradmill", "note", "line\nline"};
	le_weights a = sample(), b;
	ir_diag *d = ir_diag_new();
	char m[512];

	(void)state;
	for (size_t n = 0; n < 3; n += 2) {
		assert_int_equal(le_weights_write(path, &a, meta, n, d), IR_OK);
		assert_int_equal(get(&b, m, sizeof m), IR_OK);
		assert_int_equal(b.n, a.n);
		for (size_t i = 0; i < a.n; i++) {
			const rt_tensor *t = le_weights_find(&b, a.name[i]);

			assert_string_equal(b.name[i], a.name[i]); /* the order is kept, also among empty ones */
			assert_non_null(t);
			assert_true(ir_type_equal(&t->type, &a.tensor[i].type));
			assert_memory_equal(t->data, a.tensor[i].data, ir_type_bytes(&t->type));
		}
		assert_null(le_weights_find(&b, "nobody"));
		assert_int_equal(b.nmeta, n);
		assert_null(le_weights_meta(&b, "nobody"));
		if (n)
			assert_string_equal(le_weights_meta(&b, "note"), "line\nline");
		assert_true(ir_key_equal(le_weights_key(&a), le_weights_key(&b)));
		rt_store(IR_F64, b.tensor[1].data, 0, 7);
		assert_false(ir_key_equal(le_weights_key(&a), le_weights_key(&b)));
		le_weights_free(&b);
	}
	le_weights_free(&a);
	ir_diag_free(d);
	assert_int_equal(rt_live_bytes(), 0);
}

static void header_is_aligned(void **state)
{
	le_weights a = sample();
	ir_diag *d = ir_diag_new();
	ir_str s;

	(void)state;
	sb_init(&s);
	assert_int_equal(le_weights_write(path, &a, NULL, 0, d), IR_OK);
	assert_int_equal(ir_file_read(path, 4096, &s), IR_OK);
	assert_int_equal((unsigned char)s.s[0] % 8, 0);
	assert_int_equal(s.s[8], '{');
	sb_fini(&s);
	le_weights_free(&a);
	ir_diag_free(d);
}

static void writer_refuses_bad_names(void **state)
{
	static const char *const name[] = {"enc_w", "__metadata__", "\xff\xfe"};
	ir_diag *d = ir_diag_new();

	(void)state;
	for (int i = 0; i < 3; i++) {
		le_weights a = sample();

		free(a.name[1]);
		a.name[1] = strdup(name[i]);
		assert_int_equal(le_weights_write(path, &a, NULL, 0, d), IR_EINPUT);
		le_weights_free(&a);
	}
	ir_diag_free(d);
}

#define T(shape, at) "{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" at "]}"

static const struct {
	const char *header, *says;
	long long len;
	size_t data;
} bads[] = {
	{"{\"a\":" T("1", "0,4") "}", "above the limit", 100000001, 4},
	{"{\"a\":" T("1", "0,4") "}", "does not fit", 5000, 4},
	{"{\"a\":" T("1", "0,4") "}", "does not fit", 0, 4},
	{"{\"a\":" T("1", "0,4") "}", "header:", 20, 4},
	{" {\"a\":" T("1", "0,4") "}", "start with '{'", -1, 4},
	{"[1, 2]", "start with '{'", -1, 0},
	{"{\"a\":" T("1", "0,4") "} x", "header:", -1, 4},
	{"{\"a\xff\":" T("1", "0,4") "}", "header:", -1, 4},
	{"{\"a\\u0000b\":" T("1", "0,4") "}", "header:", -1, 4},
	{"{\"a\":" T("1", "0,4") ",\"a\":" T("1", "0,4") "}", "duplicate", -1, 4},
	{"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "duplicate", -1, 4},
	{"{\"a\":" T("1", "0,4") "}", "the file has", -1, 5},
	{"{\"a\":" T("1", "0,4") "}", "ends at byte offset", -1, 3},
	{"{\"a\":" T("1", "4,8") "}", "hole", -1, 8},
	{"{\"a\":" T("1", "0,4") ",\"b\":" T("1", "8,12") "}", "hole", -1, 12},
	{"{\"a\":" T("2", "0,8") ",\"b\":" T("1", "4,8") "}", "overlap", -1, 8},
	{"{\"a\":" T("1", "0,4") ",\"b\":" T("1", "0,4") "}", "overlap", -1, 4},
	{"{\"a\":" T("2", "0,4") "}", "take 8 bytes", -1, 4},
	{"{\"a\":" T("1", "4,0") "}", "begin <= end", -1, 4},
	{"{\"a\":" T("1", "-4,0") "}", "begin <= end", -1, 4},
	{"{\"a\":" T("1", "0,4.0") "}", "two integers", -1, 4},
	{"{\"a\":" T("1", "0,4,8") "}", "two integers", -1, 4},
	{"{\"a\":" T("1", "0,99999999999999999999") "}", "header:", -1, 4},
	{"{\"a\":" T("1", "0,9223372036854775807") "}", "ends at byte offset", -1, 4},
	{"{\"a\":" T("-1", "0,4") "}", "dimension 0", -1, 4},
	{"{\"a\":" T("1.5", "0,4") "}", "dimension 0", -1, 4},
	{"{\"a\":" T("\"1\"", "0,4") "}", "dimension 0", -1, 4},
	{"{\"a\":" T("4294967296", "0,4") "}", "dimension 0", -1, 4},
	{"{\"a\":" T("2147483647,2147483647,2147483647,2147483647", "0,4") "}", "2^40", -1, 4},
	{"{\"a\":" T("65536,65536,65536,65536", "0,0") "}", "2^40", -1, 0}, /* 2^64 elements: the product wraps to 0 */
	{"{\"a\":" T("1,1,1,1,1,1,1", "0,4") "}", "rank 7", -1, 4},
	{"{\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}", "'BF16'", -1, 4},
	{"{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", "must have dtype", -1, 4},
	{"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", "must have dtype", -1, 4},
	{"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4],\"x\":1}}", "shape is not a list", -1, 4},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"x\":[0,4]}}", "two integers", -1, 4},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", "nothing else", -1, 4},
	{"{\"a\":7}", "must have dtype", -1, 0},
	{"{\"__metadata__\":{\"a\":1}}", "not a string", -1, 0},
	{"{\"__metadata__\":[]}", "object of strings", -1, 0},
	{"{\"a\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}", "header:", -1, 2},
};

static void refuses_each_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
		char m[512];
		le_weights w;

		put_file(bads[i].header, bads[i].len, bads[i].data);
		assert_int_equal(get(&w, m, sizeof m), IR_EINPUT);
		if (!strstr(m, bads[i].says) || !strstr(m, "byte"))
			fail_msg("%s: %s", bads[i].header, m);
		assert_int_equal(rt_live_bytes(), 0);
	}
}

static void accepts_odd_but_right(void **state)
{
	static const struct {
		const char *header;
		size_t data, n;
	} good[] = {
		{"{}", 0, 0},
		{"{\"__metadata__\":{\"a\":\"b\"}}", 0, 0},
		{"{\"b\":" T("1", "4,8") ",\"a\":" T("1", "0,4") "}   ", 8, 2},
		{"{\"z\":" T("0", "4,4") ",\"a\":" T("", "0,4") ",\"y\":" T("3,0", "0,0") "}", 4, 3},
		{"{\"m\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3, 1},
	};
	char m[512];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		le_weights w;

		put_file(good[i].header, -1, good[i].data);
		if (get(&w, m, sizeof m) != IR_OK)
			fail_msg("%s: %s", good[i].header, m);
		assert_int_equal(w.n, good[i].n);
		le_weights_free(&w);
	}
	assert_int_equal(rt_live_bytes(), 0);
}

static void every_prefix(void **state)
{
	le_weights a = sample(), b;
	ir_diag *d = ir_diag_new();
	char m[512];
	ir_str s;

	(void)state;
	sb_init(&s);
	assert_int_equal(le_weights_write(path, &a, NULL, 0, d), IR_OK);
	assert_int_equal(ir_file_read(path, 4096, &s), IR_OK);
	for (size_t n = 0; n < s.n; n++) {
		put_bytes(s.s, n);
		assert_int_equal(get(&b, m, sizeof m), IR_EINPUT);
	}
	sb_fini(&s);
	le_weights_free(&a);
	ir_diag_free(d);
	assert_int_equal(rt_live_bytes(), 0);
}

static void message_has_no_control_bytes(void **state)
{
	le_weights w;
	char m[512];

	(void)state;
	put_file("{\"\\u001b[31m\":7}", -1, 0);
	assert_int_equal(get(&w, m, sizeof m), IR_EINPUT);
	assert_null(strchr(m, 27));
}

static void every_allocation_fails_once(void **state)
{
	le_weights a = sample(), b;
	ir_diag *d = ir_diag_new();
	size_t live = rt_live_bytes();
	ir_status s = IR_ENOMEM;
	char m[512];

	(void)state;
	assert_int_equal(le_weights_write(path, &a, NULL, 0, d), IR_OK);
	for (int n = 1; s != IR_OK; n++) {
		rt_fault_after(n);
		s = get(&b, m, sizeof m);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		le_weights_free(&b);
		assert_int_equal(rt_live_bytes(), live);
	}
	rt_fault_after(1);
	assert_int_equal(le_weights_write(path, &a, NULL, 0, d), IR_ENOMEM);
	rt_fault_after(0);
	le_weights_free(&a);
	ir_diag_free(d);
}

static void missing_and_odd_files(void **state)
{
	ir_diag *d = ir_diag_new();
	le_weights w;

	(void)state;
	assert_int_equal(le_weights_read("/tmp/gm-no-such-file", &w, d), IR_ENOINPUT);
	assert_int_equal(le_weights_read("/tmp", &w, d), IR_EINPUT);
	assert_int_equal(le_weights_read("/dev/zero", &w, d), IR_EINPUT);
	assert_int_equal(ir_diag_count(d, IR_ERROR), 3);
	ir_diag_free(d);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(header_is_aligned),
		cmocka_unit_test(writer_refuses_bad_names),
		cmocka_unit_test(refuses_each_fault),
		cmocka_unit_test(accepts_odd_but_right),
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(message_has_no_control_bytes),
		cmocka_unit_test(every_allocation_fails_once),
		cmocka_unit_test(missing_and_odd_files),
	};

	return cmocka_run_group_tests(tests, make_file, drop_file);
}
