/* SPDX-License-Identifier: Apache-2.0
 * Objects on disk: what is written is read, what is damaged is not, and the directory stays below its limit by losing what was
 * used longest ago and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "compiler/llvm/object_cache.h"

#define BYTES 20000 /* of an object here: five blocks */
#define DAY   86400

static char dir[] = "/tmp/gm-object-cache-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	setenv("GRADMILL_CACHE_MAX", "1", 1);
	return mkdtemp(dir) ? 0 : -1;
}

/* Calls see on each file, if given; returns their sum in blocks. */
static uint64_t walk(void (*see)(const char *path))
{
	DIR *d = opendir(dir);
	uint64_t sum = 0;
	const struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[400];
		struct stat st;

		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		sum += ((uint64_t)st.st_size + 4095) / 4096 * 4096;
		if (see)
			see(path);
	}
	closedir(d);
	return sum;
}

static void drop(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

static int remove_dir(void **state)
{
	(void)state;
	walk(drop);
	return rmdir(dir);
}

static ir_key key_of(int i)
{
	return ir_hash(&i, sizeof i);
}

static void path_of(int i, char *out, size_t n)
{
	char hex[IR_KEY_CHARS];

	ir_key_print(key_of(i), hex);
	snprintf(out, n, "%s/%s.o", dir, hex);
}

static void write_object(cc_object_cache *c, int i)
{
	static char bytes[BYTES];

	memset(bytes, i, sizeof bytes);
	cc_object_write(c, key_of(i), bytes, sizeof bytes);
}

static bool has(cc_object_cache *c, int i)
{
	ir_str s;
	bool found;

	sb_init(&s);
	found = cc_object_read(c, key_of(i), &s);
	if (found)
		assert_true(s.n == BYTES && s.s[0] == (char)i && !memcmp(s.s, s.s + 1, BYTES - 1));
	sb_fini(&s);
	return found;
}

static void set_age(const char *path, int64_t seconds)
{
	struct timespec t[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};

	assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

static int64_t age(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return time(NULL) - st.st_mtime;
}

/* ---- one object ------------------------------------------------------------------------------------------------ */

static void damage_is_a_miss(void **state)
{
	cc_object_cache *c = cc_object_cache_new(dir);
	char path[400], other[400];

	(void)state;
	assert_false(has(c, 1));
	write_object(c, 1);
	assert_true(has(c, 1));
	path_of(1, path, sizeof path);
	for (long at = 0; at < BYTES; at += 1999) {
		FILE *f = fopen(path, "r+b");
		int byte;

		fseek(f, at, SEEK_SET);
		byte = getc(f);
		fseek(f, at, SEEK_SET);
		putc(byte ^ 1, f);
		fclose(f);
		assert_false(has(c, 1));
		write_object(c, 1);
		assert_true(has(c, 1));
	}
	for (long n = 0; n < BYTES; n += 1999) {
		assert_int_equal(truncate(path, n), 0);
		assert_false(has(c, 1));
		write_object(c, 1);
	}
	assert_int_equal(truncate(path, 2 * BYTES), 0);
	assert_false(has(c, 1));
	write_object(c, 1);
	path_of(2, other, sizeof other);
	assert_int_equal(rename(path, other), 0); /* whole, but under another's name */
	assert_false(has(c, 2));
	assert_false(has(c, 1));
	cc_object_cache_free(c);
}

static void no_directory_is_no_fault(void **state)
{
	static const char *const none[] = {"", "/nonexistent/cache", "/dev/null"};

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		cc_object_cache *c = cc_object_cache_new(none[i]);

		write_object(c, 1);
		assert_false(has(c, 1));
		cc_object_cache_free(c);
	}
	cc_object_cache_free(NULL);
}

static void use_is_noted_once_a_day(void **state)
{
	cc_object_cache *c = cc_object_cache_new(dir);
	char path[400];

	(void)state;
	write_object(c, 1);
	path_of(1, path, sizeof path);
	set_age(path, DAY / 2);
	assert_true(has(c, 1));
	assert_true(age(path) >= DAY / 2);
	set_age(path, 2 * DAY);
	assert_true(has(c, 1));
	assert_true(age(path) < DAY / 2);
	cc_object_cache_free(c);
}

/* ---- the limit ------------------------------------------------------------------------------------------------- */

static void the_directory_stays_below_its_limit(void **state)
{
	cc_object_cache *c = cc_object_cache_new(dir);

	(void)state;
	for (int i = 0; i < 500; i++) {
		write_object(c, i);
		assert_true(walk(NULL) <= 1 << 20);
	}
	assert_true(walk(NULL) > 1 << 19);
	cc_object_cache_free(c);
}

static void what_was_used_longest_ago_goes(void **state)
{
	cc_object_cache *c = cc_object_cache_new(dir);
	char path[400];

	(void)state;
	for (int i = 0; i < 30; i++) { /* more than half of the limit */
		write_object(c, i);
		path_of(i, path, sizeof path);
		set_age(path, (40 - i) * DAY);
	}
	for (int i = 0; i < 5; i++)
		assert_true(has(c, i));
	for (int i = 30; i < 45; i++)
		write_object(c, i);
	for (int i = 0; i < 45; i++) {
		path_of(i, path, sizeof path);
		if (i < 5 || i >= 25)
			assert_int_equal(access(path, F_OK), 0);
	}
	assert_false(has(c, 5));
	cc_object_cache_free(c);
}

/* The limit holds for what other processes left, too: the first write of a process looks. */
static void leftovers_go_at_the_first_write(void **state)
{
	static const char *const name[] = {"notes.txt", "0123.o", "0123456789abcdef0123456789abcdef.o.1.0",
					   "0123456789abcdef0123456789abcdef.o.2.0", "0123456789abcdef0123456789abcdef.obj"};
	cc_object_cache *c = cc_object_cache_new(dir);
	char path[5][400];

	(void)state;
	for (int i = 0; i < 5; i++) {
		snprintf(path[i], sizeof path[i], "%s/%s", dir, name[i]);
		assert_int_equal(ir_file_write_fast(path[i], "x", 1), IR_OK);
		set_age(path[i], i == 3 ? 60 : 2 * DAY);
	}
	write_object(c, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(access(path[i], F_OK) == 0, i != 2);
	cc_object_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(damage_is_a_miss, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(no_directory_is_no_fault, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(use_is_noted_once_a_day, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(the_directory_stays_below_its_limit, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(what_was_used_longest_ago_goes, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(leftovers_go_at_the_first_write, make_dir, remove_dir),
	};

	return cmocka_run_group_tests_name("object cache", t, NULL, NULL);
}
