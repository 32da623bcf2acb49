/* SPDX-License-Identifier: Apache-2.0
 * Raw numbers, and the table of kinds: which reader a path is for. */
#include <math.h>
#include <sys/stat.h>
#include "tests/unit/se_files.h"

static void both_types(void **state)
{
	const float v[4] = {1, NAN, -3e38f, 0.1f};
	le_table t;

	(void)state;
	put("a.bin", "\x1f\x8b\3\4\5\6", 6, false); /* begins like gzip */
	READ(le_raw_read(path, "u8:1x3", &t, d));
	assert_int_equal(t.dtype, IR_U8);
	assert_int_equal(t.rows, 2);
	assert_int_equal(t.width, 3);
	assert_int_equal(t.shape[0], 1);
	assert_int_equal(t.shape[1], 3);
	assert_memory_equal(t.data, "\x1f\x8b\3\4\5\6", 6);
	le_table_free(&t);
	put("a.bin", v, sizeof v, false);
	READ(le_raw_read(path, "f32:2", &t, d));
	assert_int_equal(t.dtype, IR_F32);
	assert_int_equal(t.rows, 2);
	assert_int_equal(t.shape[0], 0);
	assert_memory_equal(t.data, v, sizeof v);
	le_table_free(&t);
	READ(le_raw_read(path, "f32:1x2x2", &t, d));
	assert_int_equal(t.width, 4);
	assert_int_equal(t.shape[0], 0);
	le_table_free(&t);
	REFUSE(le_raw_read("/tmp/gm-no-such-file", "u8:1", &t, d), IR_ENOINPUT, "gm-no-such-file");
	assert_int_equal(rt_live_bytes(), 0);
}

static void every_allocation_fails_once(void **state)
{
	ir_status s = IR_ENOMEM;

	(void)state;
	put("a.bin", "12345678", 8, false);
	for (int n = 1; s != IR_OK; n++) {
		ir_diag *d = ir_diag_new();
		le_table t;

		rt_fault_after(n);
		s = le_raw_read(path, "f32:1", &t, d);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		le_table_free(&t);
		assert_int_equal(rt_live_bytes(), 0);
		ir_diag_free(d);
	}
}

/* Each kind by its name, or by its first bytes. */
static void kinds(void **state)
{
	const unsigned char idx[] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 4};
	const le_csv_options o = {.label = "k"};
	unsigned char *b;
	size_t n = npy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "\3\4", 2, &b);
	le_labels l;
	le_table t;

	(void)state;
	for (int gz = 0; gz < 2; gz++) {
		put(gz ? "a.npy.gz" : "a.npy", b, n, gz);
		READ(le_table_read(path, NULL, NULL, &t, &l, d));
		assert_memory_equal(t.data, "\3\4", 2);
		le_table_free(&t);
		put("whatever", idx, sizeof idx, gz);
		READ(le_table_read(path, NULL, NULL, &t, NULL, d));
		assert_memory_equal(t.data, "\3\4", 2);
		le_table_free(&t);
		put(gz ? "a.txt.gz" : "a.tsv", "k\tx\nu\t3\n", 8, gz);
		READ(le_table_read(path, NULL, &o, &t, &l, d));
		assert_true(*(float *)t.data == 3);
		assert_string_equal(l.class_name[0], "u");
		drop(&t);
		le_labels_free(&l);
	}
	put("a.npy", "\3\4", 2, false); /* a format goes before the name */
	READ(le_table_read(path, "u8:1", NULL, &t, &l, d));
	assert_int_equal(t.rows, 2);
	le_table_free(&t);
	free(b);
}

static void messages(void **state)
{
	const le_csv_options o = {.label = "k"};
	le_labels l;
	le_table t;

	(void)state;
	put("photo.jpeg", "\xff\xd8\xff", 3, false);
	REFUSE(le_table_read(path, NULL, NULL, &t, &l, d), IR_EINPUT, ".npz or FILE.npz:ARRAY; .csv");
	REFUSE(le_table_read("/tmp/gm-no-such-file", NULL, NULL, &t, &l, d), IR_ENOINPUT, "gm-no-such-file");
	REFUSE(le_table_read("/tmp/gm-no-such-file.csv", NULL, NULL, &t, &l, d), IR_ENOINPUT, "gm-no-such-file");
	REFUSE(le_table_read("/tmp/gm-no-such-file.npz:x", NULL, NULL, &t, &l, d), IR_ENOINPUT, "gm-no-such-file");
	put("a.npy", "", 0, false);
	REFUSE(le_table_read(path, NULL, &o, &t, &l, d), IR_EINPUT, "only .csv");
	REFUSE(le_table_read(dir, NULL, NULL, &t, &l, d), IR_EINPUT, "no .png files");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_types),
		cmocka_unit_test(every_allocation_fails_once),
		cmocka_unit_test(kinds),
		cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
