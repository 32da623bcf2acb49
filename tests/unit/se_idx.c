/* SPDX-License-Identifier: Apache-2.0
 * IDX files: good ones in both forms, and one bad file for each way to be bad. Whatever the file says, the reader
 * must answer with a status and a message that names a byte offset, and leave no memory behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>
#include "search/learn/learn.h"

static char dir[] = "/tmp/gm-idx-XXXXXX";
static char path[64];

static void put(const void *bytes, size_t n, bool gz)
{
	snprintf(path, sizeof path, "%s/f%s", dir, gz ? ".gz" : "");
	if (gz) {
		gzFile f = gzopen(path, "wb");

		assert_int_equal(gzwrite(f, bytes, (unsigned)n), n);
		assert_int_equal(gzclose(f), Z_OK);
	} else {
		FILE *f = fopen(path, "wb");

		assert_int_equal(fwrite(bytes, 1, n, f), n);
		assert_int_equal(fclose(f), 0);
	}
}

static ir_status get(le_table *t, char *message, size_t size)
{
	ir_diag *d = ir_diag_new();
	ir_status s = le_idx_read(path, t, d);

	message[0] = 0;
	if (s != IR_OK) {
		assert_int_equal(ir_diag_size(d), 1);
		snprintf(message, size, "%s", ir_diag_get(d, 0)->text);
		assert_non_null(strstr(message, path));
		assert_null(t->data);
	} else {
		assert_int_equal(ir_diag_size(d), 0);
	}
	ir_diag_free(d);
	return s;
}

static const unsigned char good[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255};

static void reads_both_forms(void **state)
{
	char m[512];
	le_table t;

	(void)state;
	for (int gz = 0; gz < 2; gz++) {
		put(good, sizeof good, gz);
		assert_int_equal(get(&t, m, sizeof m), IR_OK);
		assert_int_equal(t.dtype, IR_U8);
		assert_int_equal(t.rows, 2);
		assert_int_equal(t.width, 3);
		assert_memory_equal(t.data, good + 16, 6);
		le_table_free(&t);
		assert_null(t.data);
	}
	assert_int_equal(rt_live_bytes(), 0);
}

/* More than the first step of growth, so that the copying path runs. */
static void reads_large_gz(void **state)
{
	size_t n = 5000000;
	unsigned char *b = calloc(n + 8, 1);
	char m[512];
	le_table t;

	(void)state;
	memcpy(b, (unsigned char[]){0, 0, 8, 1, 0, 0x4c, 0x4b, 0x40}, 8);
	for (size_t i = 0; i < n; i++)
		b[8 + i] = (unsigned char)(i * 2654435761u >> 24);
	put(b, n + 8, true);
	assert_int_equal(get(&t, m, sizeof m), IR_OK);
	assert_int_equal(t.rows, n);
	assert_int_equal(t.width, 1);
	assert_memory_equal(t.data, b + 8, n);
	le_table_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
	free(b);
}

typedef struct bad {
	const char *name, *says;
	size_t n;
	unsigned char bytes[24];
} bad;

static const bad bads[] = {
	{"empty", "offset 0", 0, {0}},
	{"half a magic", "offset 3", 3, {0, 0, 8}},
	{"bad magic", "offset 0", 8, {1, 0, 8, 1, 0, 0, 0, 1}},
	{"bad magic 2", "offset 0", 8, {0, 7, 8, 1, 0, 0, 0, 1}},
	{"floats", "offset 2", 8, {0, 0, 0x0d, 1, 0, 0, 0, 1}},
	{"rank 0", "offset 3", 4, {0, 0, 8, 0}},
	{"rank 5", "offset 3", 24, {0, 0, 8, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}},
	{"rank 255", "offset 3", 8, {0, 0, 8, 255, 0, 0, 0, 1}},
	{"sizes cut off", "offset 10", 10, {0, 0, 8, 2, 0, 0, 0, 1, 0, 0}},
	{"size 0", "offset 4", 12, {0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 1}},
	{"size 2^32-1", "offset 4", 9, {0, 0, 8, 1, 255, 255, 255, 255, 1}},
	{"product above the cap", "offset 12", 13, {0, 0, 8, 2, 0, 2, 0, 0, 0, 2, 0, 0, 9}},
	{"product wraps around 2^64", "offset 12", 20,
	 {0, 0, 8, 4, 127, 255, 255, 255, 127, 255, 255, 255, 127, 255, 255, 255, 127, 255, 255, 255}},
	{"truncated", "offset 15", 15, {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3}},
	{"no elements", "offset 12", 12, {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2}},
	{"trailing", "offset 16", 17, {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5}},
	{"claims 8 GB", "offset 13", 13, {0, 0, 8, 2, 0, 1, 0, 0, 0, 1, 0, 0, 9}},
};

static void refuses_each_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bads / sizeof *bads; i++)
		for (int gz = 0; gz < 2; gz++) {
			char m[512];
			le_table t;

			put(bads[i].bytes, bads[i].n, gz);
			assert_int_equal(get(&t, m, sizeof m), IR_EINPUT);
			if (!strstr(m, bads[i].says))
				fail_msg("%s%s: %s", bads[i].name, gz ? " (gz)" : "", m);
			assert_int_equal(rt_live_bytes(), 0);
		}
}

/* A lying header may not make us allocate more than a little over what the file delivers. */
static void lie_costs_no_memory(void **state)
{
	const unsigned char lie[] = {0, 0, 8, 2, 0, 1, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4};
	char m[512];
	le_table t;

	(void)state;
	rt_set_budget((size_t)4 << 20);
	for (int gz = 0; gz < 2; gz++) {
		put(lie, sizeof lie, gz);
		assert_int_equal(get(&t, m, sizeof m), IR_EINPUT);
	}
	rt_set_budget(0);
}

static void damaged_gzip(void **state)
{
	unsigned char b[256];
	char m[512];
	le_table t;
	size_t n;
	FILE *f;

	(void)state;
	put(good, sizeof good, true);
	f = fopen(path, "rb");
	n = fread(b, 1, sizeof b, f);
	fclose(f);
	for (size_t cut = 2; cut < n; cut++) { /* every prefix */
		f = fopen(path, "wb");
		fwrite(b, 1, cut, f);
		fclose(f);
		assert_int_equal(get(&t, m, sizeof m), IR_EINPUT);
		assert_non_null(strstr(m, "byte offset"));
	}
	b[n - 8] ^= 1; /* the checksum */
	f = fopen(path, "wb");
	fwrite(b, 1, n, f);
	fclose(f);
	assert_int_equal(get(&t, m, sizeof m), IR_EINPUT);
	assert_int_equal(rt_live_bytes(), 0);
}

static void missing_and_odd_files(void **state)
{
	char m[512];
	le_table t;

	(void)state;
	snprintf(path, sizeof path, "%s/nothing", dir);
	assert_int_equal(get(&t, m, sizeof m), IR_ENOINPUT);
	snprintf(path, sizeof path, "%s", dir);
	assert_int_equal(get(&t, m, sizeof m), IR_EINPUT);
	snprintf(path, sizeof path, "/dev/zero");
	assert_int_equal(get(&t, m, sizeof m), IR_EINPUT);
}

static void every_allocation_fails_once(void **state)
{
	ir_status s = IR_ENOMEM;
	char m[512];
	le_table t = {0};

	(void)state;
	put(good, sizeof good, true);
	for (int n = 1; s != IR_OK; n++) {
		rt_fault_after(n);
		s = get(&t, m, sizeof m);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		le_table_free(&t);
		assert_int_equal(rt_live_bytes(), 0);
		assert_true(n < 100);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "%s/f", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/f.gz", dir);
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_both_forms),	   cmocka_unit_test(reads_large_gz),
		cmocka_unit_test(refuses_each_fault),	   cmocka_unit_test(lie_costs_no_memory),
		cmocka_unit_test(damaged_gzip),		   cmocka_unit_test(missing_and_odd_files),
		cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
