/* SPDX-License-Identifier: Apache-2.0
 * Writing whole files while calls of the system fail: each of them once, for lack of space or because the disk is broken. The old file
 * is what it was, nothing else is left, and the status and errno say what it was. The linker puts our calls before the
 * system's (--wrap, CMakeLists.txt). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ir/base/str.h"

static int at, calls, why; /* the at-th call fails with why; 0: none does */
static bool is_short;      /* writes take half of what they are given, and are interrupted in between */

static bool fails(void)
{
	if (++calls != at)
		return false;
	errno = why;
	return true;
}

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *from, size_t n);
int __real_fsync(int fd);
int __real_fchmod(int fd, mode_t mode);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *from, size_t n);
int __wrap_fsync(int fd);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);

int __wrap_open(const char *path, int flags, ...)
{
	return fails() ? -1 : __real_open(path, flags, 0666);
}

ssize_t __wrap_write(int fd, const void *from, size_t n)
{
	static bool interrupt;

	if (fails())
		return -1;
	interrupt = is_short && !interrupt;
	if (interrupt)
		return errno = EINTR, -1;
	return __real_write(fd, from, is_short && n > 1 ? n / 2 : n);
}

int __wrap_fsync(int fd)
{
	return fails() ? -1 : __real_fsync(fd);
}

int __wrap_fchmod(int fd, mode_t mode)
{
	return fails() ? -1 : __real_fchmod(fd, mode);
}

int __wrap_close(int fd)
{
	int rc = __real_close(fd);

	return fails() ? -1 : rc;
}

int __wrap_rename(const char *from, const char *to)
{
	return fails() ? -1 : __real_rename(from, to);
}

static char dir[64], path[80];

static bool holds(const char *text)
{
	ir_str s;
	bool same;

	sb_init(&s);
	same = ir_file_read(path, 1000, &s) == IR_OK && !strcmp(s.s, text);
	sb_fini(&s);
	return same;
}

static int files(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* Every call that writing makes fails. What comes after the rename is only about surviving a power cut. */
static int every_call(ir_status (*write_it)(const char *path, const void *data, size_t n), bool old, int error)
{
	int bad = 0;
	ir_status st;

	for (int k = 1;; k++) {
		at = 0;
		unlink(path);
		if (old)
			assert_int_equal(ir_file_write(path, "old", 3), IR_OK);
		at = k;
		calls = 0;
		why = error;
		st = write_it(path, "something new", 13);
		why = errno;
		at = 0;
		if (st == IR_OK) {
			assert_true(holds("something new"));
			assert_int_equal(files(), 1);
			if (calls < k)
				return bad;
			continue;
		}
		bad++;
		assert_int_equal(st, error == ENOSPC || error == EDQUOT ? IR_EFULL : IR_EIO);
		assert_int_equal(why, error);
		assert_true(old ? holds("old") : access(path, F_OK) != 0);
		assert_int_equal(files(), old);
	}
}

static void old_or_new(void **state)
{
	static const int error[] = {ENOSPC, EDQUOT, EIO, EROFS};
	int bad = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 8; k++) {
			is_short = k & 1;
			bad += every_call(k & 2 ? ir_file_write : ir_file_write_fast, k & 4, error[i]);
		}
	is_short = false;
	print_message("%d failed writes\n", bad);
	assert_true(bad > 100);
}

static void a_device_that_is_full(void **state)
{
	(void)state;
	at = 0;
	assert_int_equal(ir_file_write("/dev/full", "x", 1), IR_EFULL);
	assert_int_equal(errno, ENOSPC);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/gradmill_file_XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/f", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(old_or_new), cmocka_unit_test(a_device_that_is_full)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
