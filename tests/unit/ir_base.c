/* SPDX-License-Identifier: Apache-2.0
 * ir/base: arenas, strings, doubles as text, files, hashes, distances. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ir/ir.h"

static void arena_is_zeroed_and_aligned(void **state)
{
	ir_arena *a = ar_open();
	size_t cap = 0, n = 0;
	int *v = NULL;

	(void)state;
	for (size_t size = 0; size < 70000; size = 3 * size + 1) {
		unsigned char *p = ar_alloc(a, size, 1);

		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xFF, size);
	}
	for (int i = 0; i < 1000; i++)
		*ar_push(a, v, n, cap) = i;
	assert_int_equal(v[999], 999);
	assert_string_equal(ar_printf(a, "%s-%d", "x", 7), "x-7");
	ar_reset(a);
	assert_int_equal(ar_used(a), 0);
	assert_int_equal(*(int *)ar_alloc(a, 1, sizeof(int)), 0);
	ar_free(a);
	ar_free(NULL);
}

static void doubles_read_back(void **state)
{
	static const double v[] = {0, 1, -1, 0.1, 1e-7, 1e-8, 1.0 / 3, DBL_MAX, DBL_MIN, 5e-324, 123456789012345678.0};
	ir_str s;

	(void)state;
	sb_init(&s);
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		sb_clear(&s);
		sb_put_double(&s, v[i]);
		assert_true(strtod(s.s, NULL) == v[i]);
	}
	sb_clear(&s);
	sb_put_double(&s, 0.1);
	sb_putc(&s, ' ');
	sb_put_double(&s, 1e-8);
	sb_putc(&s, ' ');
	sb_put_double(&s, NAN);
	sb_putc(&s, ' ');
	sb_put_double(&s, -INFINITY);
	assert_string_equal(s.s, "0.1 1e-08 nan -inf");
	sb_fini(&s);
}

static void files(void **state)
{
	char dir[] = "/tmp/gm_unit_XXXXXX";
	ir_str path, s;

	(void)state;
	assert_non_null(mkdtemp(dir));
	sb_init(&path);
	sb_init(&s);
	sb_printf(&path, "%s/f", dir);
	assert_int_equal(ir_file_read(path.s, 100, &s), IR_ENOINPUT);
	assert_int_equal(ir_file_read(dir, 100, &s), IR_EIO);
	assert_int_equal(ir_file_write(path.s, "hello", 5), IR_OK);
	assert_int_equal(ir_file_write(path.s, "world!", 6), IR_OK);
	assert_int_equal(ir_file_read(path.s, 6, &s), IR_OK);
	assert_string_equal(s.s, "world!");
	assert_int_equal(ir_file_read(path.s, 5, &s), IR_EINPUT);
	assert_int_equal(ir_file_write_fast(path.s, "fast", 4), IR_OK);
	assert_int_equal(ir_file_read(path.s, 6, &s), IR_OK);
	assert_string_equal(s.s, "fast");
	assert_int_equal(ir_file_write("/dev/null", "x", 1), IR_OK);
	assert_int_equal(ir_file_write_fast("/nonexistent/f", "x", 1), IR_EIO);
	assert_int_equal(ir_file_write("/nonexistent/f", "x", 1), IR_EIO);
	unlink(path.s);
	assert_int_equal(rmdir(dir), 0); /* no temporary file is left */
	sb_fini(&path);
	sb_fini(&s);
}

/* Piece by piece: the old file stays until the new one is whole. */
static void files_in_pieces(void **state)
{
	char dir[] = "/tmp/gm_unit_XXXXXX";
	ir_str path, s;
	ir_out *o;

	(void)state;
	assert_non_null(mkdtemp(dir));
	sb_init(&path);
	sb_init(&s);
	sb_printf(&path, "%s/f", dir);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ir_out_open(path.s, &o), IR_OK);
		assert_int_equal(ir_out_put(o, "one ", 4), IR_OK);
		assert_int_equal(ir_file_read(path.s, 8, &s), i ? IR_OK : IR_ENOINPUT);
		assert_int_equal(ir_out_put(o, "two", 3), IR_OK);
		assert_int_equal(ir_out_close(o), IR_OK);
		assert_int_equal(ir_file_read(path.s, 8, &s), IR_OK);
		assert_string_equal(s.s, "one two");
	}
	assert_int_equal(ir_out_open(path.s, &o), IR_OK);
	assert_int_equal(ir_out_put(o, "three", 5), IR_OK);
	ir_out_drop(o);
	assert_int_equal(ir_file_read(path.s, 8, &s), IR_OK);
	assert_string_equal(s.s, "one two");
	assert_int_equal(ir_out_open("/dev/full", &o), IR_OK);
	assert_int_equal(ir_out_put(o, "x", 1), IR_EFULL);
	assert_int_equal(ir_out_put(o, "x", 1), IR_EFULL);
	errno = 0;
	assert_int_equal(ir_out_close(o), IR_EFULL);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(ir_out_open("/nonexistent/f", &o), IR_EIO);
	assert_null(o);
	unlink(path.s);
	assert_int_equal(rmdir(dir), 0);
	sb_fini(&path);
	sb_fini(&s);
}

/* A name is given to a file once; what has it already stays. */
static void published_files(void **state)
{
	char dir[] = "/tmp/gm_unit_XXXXXX";
	ir_str temp, path, s;

	(void)state;
	assert_non_null(mkdtemp(dir));
	sb_init(&temp);
	sb_init(&path);
	sb_init(&s);
	sb_printf(&temp, "%s/temp", dir);
	sb_printf(&path, "%s/f", dir);
	assert_int_equal(ir_file_publish(temp.s, path.s), IR_EIO); /* nothing to publish */
	assert_int_equal(errno, ENOENT);
	assert_int_equal(ir_file_write(temp.s, "one", 3), IR_OK);
	assert_int_equal(ir_file_publish(temp.s, path.s), IR_OK);
	assert_int_equal(access(temp.s, F_OK), -1);
	assert_int_equal(ir_file_write(temp.s, "two", 3), IR_OK);
	assert_int_equal(ir_file_publish(temp.s, path.s), IR_EIO);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(ir_file_read(path.s, 3, &s), IR_OK);
	assert_string_equal(s.s, "one");
	unlink(temp.s);
	unlink(path.s);
	assert_int_equal(rmdir(dir), 0);
	sb_fini(&temp);
	sb_fini(&path);
	sb_fini(&s);
}

/* A new file gets what the umask leaves of 0666, a replaced one keeps the mode it had. */
static void file_modes(void **state)
{
	char dir[] = "/tmp/gm_unit_XXXXXX";
	mode_t mask = umask(026);
	struct stat st;
	ir_str path;

	(void)state;
	assert_non_null(mkdtemp(dir));
	sb_init(&path);
	sb_printf(&path, "%s/f", dir);
	assert_int_equal(ir_file_write_fast(path.s, "x", 1), IR_OK);
	assert_int_equal(stat(path.s, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(chmod(path.s, 0604), 0);
	assert_int_equal(ir_file_write(path.s, "y", 1), IR_OK);
	assert_int_equal(stat(path.s, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	umask(mask);
	unlink(path.s);
	assert_int_equal(rmdir(dir), 0);
	sb_fini(&path);
}

static void json_values(void **state)
{
	ir_str s;

	(void)state;
	sb_init(&s);
	sb_put_json_text(&s, "a\"b\\c\n\x01\xc3\xa4");
	sb_put_json_text(&s, NULL);
	sb_put_json_real(&s, 0.5);
	sb_put_json_real(&s, NAN);
	assert_string_equal(s.s, "\"a\\\"b\\\\c\\n\\u0001\xc3\xa4\"null0.5null");
	sb_fini(&s);
}

static void visible_text(void **state)
{
	static const struct {
		const char *text, *shown;
	} row[] = {
		{"plain \\ ~", "plain \\ ~"}, {"\x1b[31m\t\n\x7f", "\\x1b[31m\\x09\\x0a\\x7f"},
		{"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"}, {"\xff\x80", "\\xff\\x80"},
		{"\xc2\x9b", "\\xc2\\x9b"}, {"\xc0\xaf", "\\xc0\\xaf"}, {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"\xe0\x80\xaf", "\\xe0\\x80\\xaf"}, {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, {"a\xe2\x82", "a\\xe2\\x82"},
	};
	ir_str s;

	(void)state;
	sb_init(&s);
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		sb_clear(&s);
		sb_put_visible(&s, row[i].text, strlen(row[i].text));
		assert_string_equal(s.s, row[i].shown);
	}
	sb_fini(&s);
}

/* A message about one line of text, printed. */
static void show(const char *text, size_t len, uint32_t col, ir_str *s)
{
	ir_diag *d = ir_diag_new();
	ir_loc loc = {ir_diag_source(d, "f\x1b", text, len), 1, col};

	sb_clear(s);
	ir_report(d, loc, IR_E_bad_char, "\x9b");
	ir_diag_print_all(d, s);
	ir_diag_free(d);
}

static void source_lines(void **state)
{
	char raw[1000];
	ir_str s;

	(void)state;
	sb_init(&s);
	show("\t\xc3\xa9\xff?", 5, 5, &s);
	assert_string_equal(s.s, "f\\x1b:1:5: error: unexpected character '\\x9b' [bad_char]\n  \t\xc3\xa9\\xff?\n  \t     ^\n");
	memset(raw, 0xff, sizeof raw);
	for (uint32_t col = 1; col <= sizeof raw; col += 37) { /* the line and the caret under it, both on one screen */
		show(raw, sizeof raw, col, &s);
		assert_true(s.n < 400);
		for (size_t i = 0; i < s.n; i++)
			assert_true(s.s[i] == '\n' || (s.s[i] >= 32 && s.s[i] < 127));
	}
	sb_fini(&s);
}

static void small_things(void **state)
{
	char hex[IR_KEY_CHARS];

	(void)state;
	ir_key_print(ir_hash("", 0), hex);
	assert_string_equal(hex, "99aa06d3014798d86001c324468d497f"); /* XXH3-128 of nothing */
	assert_int_equal(ir_distance("epcohs", "epochs"), 2);
	assert_int_equal(ir_distance("", "abc"), 3);
	assert_string_equal(ir_op_nearest("rleu"), "relu");
	assert_int_equal(ir_status_exit(IR_EBUSY), 75);
	for (int s = 0; s < IR_STATUS_COUNT; s++)
		assert_non_null(ir_status_text((ir_status)s));
}

int main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test(arena_is_zeroed_and_aligned),
		cmocka_unit_test(doubles_read_back),
		cmocka_unit_test(files),
		cmocka_unit_test(files_in_pieces), cmocka_unit_test(published_files),
		cmocka_unit_test(file_modes),
		cmocka_unit_test(json_values),
		cmocka_unit_test(visible_text),
		cmocka_unit_test(source_lines),
		cmocka_unit_test(small_things),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
