/* SPDX-License-Identifier: Apache-2.0
 * One copy of a data set for several processes: what is mapped is what was loaded, nobody can change it, and nothing that
 * is not such a file is believed. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "search/learn/learn.h"

#define ROWS  1000
#define WIDTH 7 /* rows * width is no multiple of RT_ALIGN */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

#define HEADER 168 /* bytes */

typedef struct fixture {
	char path[32];
	le_data data;
	int fd;
	ir_diag *d;
} fixture;

static void make_file(char *path)
{
	unsigned char head[] = {0, 0, 8, 2, 0, 0, ROWS >> 8, ROWS & 255, 0, 0, 0, WIDTH};
	int fd = mkstemp(path);
	unsigned char body[ROWS * WIDTH];

	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (unsigned char)(i * 37);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, head, sizeof head), sizeof head);
	assert_int_equal(write(fd, body, sizeof body), sizeof body);
	close(fd);
}

static int setup(void **state)
{
	fixture *f = ir_xmalloc(1, sizeof *f);

	strcpy(f->path, "/tmp/gm-share-XXXXXX");
	make_file(f->path);
	f->d = ir_diag_new();
	assert_int_equal(le_data_load(&(le_source){.data = f->path}, 5, 300, &f->data, f->d), IR_OK);
	assert_int_equal(le_share_new(&f->fd, f->d), IR_OK);
	assert_int_equal(le_data_share(&f->data, f->fd, f->d), IR_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture *f = *state;

	le_data_free(&f->data);
	close(f->fd);
	unlink(f->path);
	ir_diag_free(f->d);
	free(f);
	return rt_live_bytes() != 0;
}

static void what_is_mapped_is_what_was_loaded(void **state)
{
	fixture *f = *state;
	const le_data *a = &f->data;
	le_data b;

	assert_int_equal(le_data_map(f->fd, &b, f->d), IR_OK);
	close(f->fd);
	f->fd = -1; /* the mapping does not need it */
	assert_int_equal(ir_diag_size(f->d), 0);
	assert_string_equal(b.name, a->name);
	assert_true(ir_key_equal(b.key, a->key));
	assert_int_equal(b.table.dtype, a->table.dtype);
	assert_int_equal(b.table.rows, ROWS);
	assert_int_equal(b.table.width, WIDTH);
	assert_int_equal((uintptr_t)b.table.data % RT_ALIGN, 0);
	assert_memory_equal(b.table.data, a->table.data, ROWS * WIDTH);
	assert_int_equal(b.ntrain, 300);
	assert_int_equal(b.nval, a->nval);
	assert_int_equal(b.ntest, a->ntest);
	assert_memory_equal(b.train, a->train, a->ntrain * sizeof *a->train);
	assert_memory_equal(b.val, a->val, a->nval * sizeof *a->val);
	assert_memory_equal(b.test, a->test, a->ntest * sizeof *a->test);
	le_data_free(&b);
	assert_null(b.map);
}

static void nobody_can_write(void **state)
{
	fixture *f = *state;
	char byte = 0;
	struct stat st;
	le_data b;

	assert_int_equal(fcntl(f->fd, F_GET_SEALS), SEALS);
	assert_int_equal(fcntl(f->fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(f->fd, &st), 0);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0), MAP_FAILED);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(f->fd, st.st_size - 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(f->fd, st.st_size + 1), -1);
	assert_int_equal(pwrite(f->fd, &byte, 1, 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(le_data_map(f->fd, &b, f->d), IR_OK);
	assert_int_equal(read(f->fd, b.table.data, 1), -1); /* the system may not write to it for us either */
	assert_int_equal(errno, EFAULT);
	le_data_free(&b);
}

/* Closed standard streams leave their numbers free; a worker's pipes will get them. */
static void standard_streams_are_left_alone(void **state)
{
	fixture *f = *state;
	int in = fcntl(0, F_DUPFD_CLOEXEC, 3), fd;

	close(0);
	assert_int_equal(le_share_new(&fd, f->d), IR_OK);
	assert_true(fd >= 3);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(0, F_GETFD), -1);
	close(fd);
	dup2(in, 0);
	close(in);
}

/* ---- what is refused --------------------------------------------------------------------------------------------------- */

/* The file's bytes, the first size of them, value at offset at. */
static int forge(const fixture *f, size_t size, size_t at, uint64_t value, size_t bytes, int seals)
{
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	char *copy;

	assert_int_equal(fstat(f->fd, &st), 0);
	copy = ir_xmalloc((size_t)st.st_size, 2);
	assert_int_equal(pread(f->fd, copy, (size_t)st.st_size, 0), st.st_size);
	memcpy(copy + at, &value, bytes);
	assert_int_equal(write(fd, copy, size), (ssize_t)size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	free(copy);
	return fd;
}

/* Takes fd. */
static void refused(fixture *f, int fd, const char *why)
{
	le_data b;

	ir_diag_clear(f->d);
	assert_int_equal(le_data_map(fd, &b, f->d), IR_EINPUT);
	assert_null(b.map);
	assert_null(b.table.data);
	assert_int_equal(ir_diag_size(f->d), 1);
	if (!strstr(ir_diag_get(f->d, 0)->text, why))
		fail_msg("'%s' does not say '%s'", ir_diag_get(f->d, 0)->text, why);
	close(fd);
}

static size_t size_of(const fixture *f)
{
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	return (size_t)st.st_size;
}

/* Floats take four times the room; the lists still begin behind them. */
static void floats_travel(void **state)
{
	fixture *f = *state;
	float table[4] = {0, 0.5f, -1, 1e30f};
	double mean[2] = {.25, 5e29};
	char *name[] = {(char[]){"a"}, (char[]){""}};
	uint32_t row[] = {0, 1};
	le_data a = {.name = (char[]){""}, .table = {.dtype = IR_F32, .rows = 2, .width = 2, .data = table, .column = name}, .fill = mean, .train = row, .val = row + 1, .test = row, .ntrain = 1,
		.nval = 1, .ntest = 0, .key = {1, 2}};
	le_data b;
	uint64_t bits;
	size_t n;
	int fd;

	assert_int_equal(le_share_new(&fd, f->d), IR_OK);
	assert_int_equal(le_data_share(&a, fd, f->d), IR_OK);
	assert_int_equal(le_data_map(fd, &b, f->d), IR_OK);
	assert_string_equal(b.name, "");
	assert_memory_equal(b.table.data, table, sizeof table);
	assert_int_equal(b.val[0], 1);
	assert_int_equal(b.ntest, 0);
	assert_memory_equal(b.fill, mean, sizeof mean);
	assert_string_equal(b.table.column[0], "a");
	assert_string_equal(b.table.column[1], "");
	le_data_free(&b);
	close(f->fd);
	f->fd = fd;
	n = size_of(f);
	refused(f, forge(f, n, n - 2, 'x', 1, SEALS), "not as many names"); /* "a", 0, 0: where one ends */
	refused(f, forge(f, n, n - 1, 'x', 1, SEALS), "not as many names");
	refused(f, forge(f, n, n - 3, 0, 1, SEALS), "not as many names");
	mean[0] = NAN;
	memcpy(&bits, mean, sizeof bits);
	refused(f, forge(f, n, n - 3 - 2 * sizeof *row - sizeof mean, bits, sizeof bits, SEALS), "out of range");
}

static void unsealed(void **state)
{
	fixture *f = *state;
	size_t n = size_of(f);
	int fd[2];

	for (int seal = 1; seal < SEALS + 1; seal <<= 1)
		refused(f, forge(f, n, 0, 'g', 1, SEALS & ~seal), "not a sealed file");
	refused(f, open(f->path, O_RDONLY), "not a sealed file");
	assert_int_equal(pipe(fd), 0);
	close(fd[1]);
	refused(f, fd[0], "not a sealed file");
	refused(f, -1, "not a sealed file");
	assert_int_equal(le_share_new(&fd[0], f->d), IR_OK);
	refused(f, fd[0], "not a sealed file"); /* not written yet */
}

static void truncated(void **state)
{
	fixture *f = *state;
	size_t n = size_of(f);
	const size_t size[] = {0, 1, 8, HEADER - 1};

	for (size_t i = 0; i < sizeof size / sizeof *size; i++)
		refused(f, forge(f, size[i], 0, 'g', 1, SEALS), "too short for a header");
	for (size_t k = HEADER; k < n; k += 997)
		refused(f, forge(f, k, 0, 'g', 1, SEALS), "do not fit its length");
	refused(f, forge(f, n - 1, 0, 'g', 1, SEALS), "do not fit its length");
	refused(f, forge(f, n + 1, 0, 'g', 1, SEALS), "do not fit its length");
}

/* Offsets as in share.c: magic 0, version 8, dtype 12, rows 16, width 24, train 32, val 40, test 48, name 56, scaled 64, filled 72,
 * names 80, unit 88, shape 96, stamp 112, key 152. */
static void corrupt(void **state)
{
	fixture *f = *state;
	const uint64_t large[] = {ROWS + 100, (uint64_t)1 << 32, (uint64_t)1 << 62, UINT64_MAX, UINT64_MAX / WIDTH + 1};
	size_t n = size_of(f), name = strlen(f->path);

	refused(f, forge(f, n, 0, 'x', 1, SEALS), "of this version");
	refused(f, forge(f, n, 8, 99, 4, SEALS), "of this version");
	refused(f, forge(f, n, 12, IR_F32, 4, SEALS), "do not fit its length");
	refused(f, forge(f, n, 12, IR_F64, 4, SEALS), "out of range");
	refused(f, forge(f, n, 12, UINT32_MAX, 4, SEALS), "out of range");
	for (size_t at = 16; at < 56; at += 8)
		for (size_t i = 0; i < sizeof large / sizeof *large; i++)
			refused(f, forge(f, n, at, large[i], 8, SEALS), "its sizes");
	refused(f, forge(f, n, 16, 0, 8, SEALS), "out of range");
	refused(f, forge(f, n, 24, 0, 8, SEALS), "out of range");
	refused(f, forge(f, n, 56, name - 1, 8, SEALS), "its name");
	refused(f, forge(f, n, 56, ROWS, 8, SEALS), "its name");
	refused(f, forge(f, n, 56, 8192, 8, SEALS), "do not fit its length");
	refused(f, forge(f, n, 56, UINT64_MAX, 8, SEALS), "out of range");
	refused(f, forge(f, n, 64, WIDTH, 8, SEALS), "do not fit its length");
	refused(f, forge(f, n, 64, WIDTH + 1, 8, SEALS), "out of range");
	refused(f, forge(f, n, 72, WIDTH, 8, SEALS), "do not fit its length");
	refused(f, forge(f, n, 72, 1, 8, SEALS), "out of range");
	refused(f, forge(f, n, 80, 1, 8, SEALS), "do not fit its length");
	refused(f, forge(f, n, 80, UINT64_MAX, 8, SEALS), "out of range");
	refused(f, forge(f, n, 112, n, 8, SEALS), "do not fit its length"); /* its table would be in another file */
	refused(f, forge(f, n, HEADER + name, 'x', 1, SEALS), "its name");
	refused(f, forge(f, n, HEADER, 0, 1, SEALS), "its name");
	refused(f, forge(f, n, n - 4, ROWS, 4, SEALS), "a row that is not there"); /* the last test row */
	refused(f, forge(f, n, n - 4 * (f->data.ntest + 1), UINT32_MAX, 4, SEALS), "a row that is not there");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_mapped_is_what_was_loaded), TEST(floats_travel), TEST(nobody_can_write),
		TEST(standard_streams_are_left_alone), TEST(unsealed), TEST(truncated), TEST(corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
