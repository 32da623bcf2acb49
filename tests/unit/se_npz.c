/* SPDX-License-Identifier: Apache-2.0
 * NumPy archives: members stored and deflated, chosen by name. Malformed ones are in tests/malformed. */
#include <zip.h>
#include "tests/unit/se_files.h"

typedef struct member {
	const char *name, *dict;
	const void *data;
	size_t n;
	zip_int32_t method;
} member;

static void make(const member *m, size_t n)
{
	unsigned char *b[8];
	zip_t *z;

	snprintf(path, sizeof path, "%s/a.npz", dir);
	z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
	assert_non_null(z);
	for (size_t i = 0; i < n; i++) {
		size_t len = npy(1, m[i].dict, m[i].data, m[i].n, &b[i]);
		zip_int64_t at = zip_file_add(z, m[i].name, zip_source_buffer(z, b[i], len, 0), ZIP_FL_ENC_UTF_8);

		assert_true(at >= 0);
		assert_int_equal(zip_set_file_compression(z, (zip_uint64_t)at, m[i].method, 9), 0);
	}
	assert_int_equal(zip_close(z), 0);
	for (size_t i = 0; i < n; i++)
		free(b[i]);
}

static const float real[4] = {1, 2, 3, 4};
static const member two[] = {
	{"x.npy", "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", real, sizeof real, ZIP_CM_DEFLATE},
	{"y.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "abc", 3, ZIP_CM_STORE},
};

static void members_by_name(void **state)
{
	const float want[4] = {1, 3, 2, 4};
	le_table t;

	(void)state;
	make(two, 2);
	for (int suffix = 0; suffix < 2; suffix++) {
		READ(le_npz_read(path, suffix ? "x.npy" : "x", &t, d));
		assert_int_equal(t.dtype, IR_F32);
		assert_memory_equal(t.data, want, sizeof want);
		le_table_free(&t);
		READ(le_npz_read(path, suffix ? "y.npy" : "y", &t, d));
		assert_int_equal(t.dtype, IR_U8);
		assert_memory_equal(t.data, "abc", 3);
		le_table_free(&t);
	}
	REFUSE(le_npz_read(path, NULL, &t, d), IR_EINPUT, "it has x, y");
	REFUSE(le_npz_read(path, "z", &t, d), IR_EINPUT, "it has x, y");
	REFUSE(le_npz_read("/tmp/gm-no-such-file", NULL, &t, d), IR_ENOINPUT, "gm-no-such-file");
	assert_int_equal(rt_live_bytes(), 0);
}

static void the_only_one_needs_no_name(void **state)
{
	char named[160];
	le_table t;

	(void)state;
	make(two, 1);
	READ(le_npz_read(path, NULL, &t, d));
	assert_int_equal(t.rows, 2);
	le_table_free(&t);
	READ(le_table_read(path, NULL, NULL, &t, NULL, d));
	le_table_free(&t);
	snprintf(named, sizeof named, "%s:x", path);
	READ(le_table_read(named, NULL, NULL, &t, NULL, d));
	le_table_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

/* A small file that unpacks to much more than the first step of memory. */
static void unpacks_much(void **state)
{
	size_t n = (size_t)5 << 20;
	unsigned char *zeros = calloc(n, 1);
	const member m = {"z.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 1048576), }", zeros, n, ZIP_CM_DEFLATE};
	le_table t;

	(void)state;
	make(&m, 1);
	READ(le_npz_read(path, NULL, &t, d));
	assert_memory_equal(t.data, zeros, n);
	le_table_free(&t);
	free(zeros);
	assert_int_equal(rt_live_bytes(), 0);
}

static void every_allocation_fails_once(void **state)
{
	ir_status s = IR_ENOMEM;

	(void)state;
	make(two, 2);
	for (int n = 1; s != IR_OK; n++) {
		ir_diag *d = ir_diag_new();
		le_table t;

		rt_fault_after(n);
		s = le_npz_read(path, "x", &t, d);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		le_table_free(&t);
		assert_int_equal(rt_live_bytes(), 0);
		ir_diag_free(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_by_name),
		cmocka_unit_test(the_only_one_needs_no_name),
		cmocka_unit_test(unpacks_much),
		cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
