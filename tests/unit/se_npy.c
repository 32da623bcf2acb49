/* SPDX-License-Identifier: Apache-2.0
 * NumPy arrays: every element type in both byte orders, both orders of elements, every version. Malformed ones are in
 * tests/malformed. */
#include <math.h>
#include <sys/stat.h>
#include "tests/unit/se_files.h"

static void make(int version, const char *dict, const void *data, size_t n, bool gz)
{
	unsigned char *b;
	size_t len = npy(version, dict, data, n, &b);

	put(gz ? "a.npy.gz" : "a.npy", b, len, gz);
	free(b);
}

static const struct {
	const char *type;
	int size;
	uint64_t bits[3];
	float value[3];
} types[] = {
	{"b1", 1, {0, 1, 1}, {0, 1, 1}},
	{"i1", 1, {0x80, 0xff, 0x7f}, {-128, -1, 127}},
	{"u2", 2, {0xffff, 1, 0x1234}, {65535, 1, 0x1234}},
	{"i2", 2, {0xffff, 0x8000, 0x7fff}, {-1, -32768, 32767}},
	{"u4", 4, {0xffffffff, 1, 16777217}, {4294967296.0f, 1, 16777216}}, /* 2^24 + 1 rounds to even */
	{"i4", 4, {0xffffffff, 0x80000000, 7}, {-1, -2147483648.0f, 7}},
	{"u8", 8, {UINT64_MAX, 0, 1}, {18446744073709551616.0f, 0, 1}},
	{"i8", 8, {UINT64_MAX, (uint64_t)1 << 63, 3}, {-1, -9223372036854775808.0f, 3}},
	{"f2", 2, {0x3c00, 0xc100, 0x0001}, {1, -2.5f, 0x1p-24f}},
	{"f2", 2, {0x7bff, 0x8000, 0x0400}, {65504, -0.0f, 0x1p-14f}},
	{"f4", 4, {0x3f800000, 0xff7fffff, 1}, {1, -0x1.fffffep127f, 0x1p-149f}},
	{"f8", 8, {0x3ff0000000000000, 0x3fb999999999999a, 0x8000000000000001}, {1, 0.1f, -0.0f}},
};

static void every_type_in_both_orders(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		for (int big = 0; big < 2; big++) {
			int size = types[i].size;
			unsigned char data[24];
			char dict[128];
			le_table t;

			for (int k = 0; k < 3 * size; k++) {
				int byte = big ? size - 1 - k % size : k % size;

				data[k] = (unsigned char)(types[i].bits[k / size] >> (8 * byte));
			}
			snprintf(dict, sizeof dict, "{'descr': '%c%s', 'fortran_order': False, 'shape': (3,), }",
				 size == 1 ? '|' : big ? '>' : '<', types[i].type);
			make(1, dict, data, (size_t)(3 * size), false);
			READ(le_npy_read(path, &t, d));
			assert_int_equal(t.dtype, IR_F32);
			assert_int_equal(t.rows, 3);
			assert_int_equal(t.width, 1);
			assert_memory_equal(t.data, types[i].value, sizeof types[i].value);
			le_table_free(&t);
		}
	assert_int_equal(rt_live_bytes(), 0);
}

static void bytes_stay_bytes(void **state)
{
	const unsigned char data[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255};
	le_table t;

	(void)state;
	for (int version = 1; version <= 3; version++)
		for (int gz = 0; gz < 2; gz++) {
			make(version, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 2), }", data, 12, gz);
			READ(le_npy_read(path, &t, d));
			assert_int_equal(t.dtype, IR_U8);
			assert_int_equal(t.rows, 2);
			assert_int_equal(t.width, 6);
			assert_int_equal(t.shape[0], 3);
			assert_int_equal(t.shape[1], 2);
			assert_memory_equal(t.data, data, 12);
			le_table_free(&t);
		}
}

/* Element i, j, k of a 17 x 5 x 3 array is 100 i + 10 j + k: sizes that no tile divides. */
static void fortran_order(void **state)
{
	enum { A = 17, B = 5, C = 3 };
	float data[A * B * C];
	le_table t;

	(void)state;
	for (int i = 0; i < A; i++)
		for (int j = 0; j < B; j++)
			for (int k = 0; k < C; k++)
				data[i + A * (j + B * k)] = (float)(100 * i + 10 * j + k);
	make(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (17, 5, 3), }", data, sizeof data, true);
	READ(le_npy_read(path, &t, d));
	assert_int_equal(t.rows, A);
	assert_int_equal(t.width, B * C);
	assert_int_equal(t.shape[0], B);
	for (int i = 0; i < A; i++)
		for (int c = 0; c < B * C; c++)
			assert_true(((float *)t.data)[i * B * C + c] == (float)(100 * i + 10 * (c / C) + c % C));
	le_table_free(&t);
	make(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", "\1\2\3\4\5\6", 6, false);
	READ(le_npy_read(path, &t, d));
	assert_memory_equal(t.data, "\1\3\5\2\4\6", 6);
	assert_int_equal(t.shape[0], 0);
	le_table_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

/* What the grammar allows beyond what NumPy writes. */
static void headers_may_differ(void **state)
{
	static const char *const dicts[] = {
		"{'shape':(2,2),'descr':'<f4','fortran_order':False}",
		"{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (2, 2,)}",
		"{ 'fortran_order' : False , 'descr' : '<f4' , 'shape' : ( 2 , 2 ) , }",
	};
	const float data[4] = {1, 2, NAN, 4};
	le_table t;

	(void)state;
	for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++) {
		make(1, dicts[i], data, sizeof data, false);
		READ(le_npy_read(path, &t, d));
		assert_int_equal(t.rows, 2);
		assert_memory_equal(t.data, data, sizeof data); /* NaN too */
		le_table_free(&t);
	}
}

/* More than the first step of growth, in pieces that no element straddles. */
static void grows(void **state)
{
	size_t n = 1000003;
	double *data = malloc(n * sizeof *data);
	le_table t;

	(void)state;
	for (size_t i = 0; i < n; i++)
		data[i] = (double)i / 7;
	make(2, "{'descr': '<f8', 'fortran_order': False, 'shape': (1000003,), }", data, n * sizeof *data, true);
	READ(le_npy_read(path, &t, d));
	for (size_t i = 0; i < n; i++)
		assert_true(((float *)t.data)[i] == (float)data[i]);
	le_table_free(&t);
	free(data);
	assert_int_equal(rt_live_bytes(), 0);
}

/* Holes that are longer than what a table in memory may be: the file stays where it is, or is refused. */
static void longer_than_memory(void **state)
{
	const uint64_t bytes = (uint64_t)3000000 * 4096;
	struct stat st;
	le_table t;

	(void)state;
	make(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3000000, 64, 64), }", NULL, 0, false);
	assert_int_equal(stat(path, &st), 0);
	if (truncate(path, st.st_size + (off_t)bytes) != 0)
		skip();
	READ(le_npy_read(path, &t, d));
	assert_true(t.stays);
	assert_int_equal(t.rows, 3000000);
	assert_int_equal(t.width, 4096);
	assert_int_equal(t.shape[1], 64);
	le_table_free(&t);
	make(1, "{'descr': '<i2', 'fortran_order': False, 'shape': (3000000, 2048), }", NULL, 0, false);
	assert_int_equal(truncate(path, st.st_size + (off_t)bytes), 0); /* its header is not longer */
	assert_int_equal(le_npy_read(path, &t, NULL), IR_EINPUT);
	assert_int_equal(unlink(path), 0);
}

static void every_allocation_fails_once(void **state)
{
	ir_status s = IR_ENOMEM;

	(void)state;
	make(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", "0123456789abcdef", 16, true);
	for (int n = 1; s != IR_OK; n++) {
		ir_diag *d = ir_diag_new();
		le_table t;

		rt_fault_after(n);
		s = le_npy_read(path, &t, d);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		assert_int_equal(ir_diag_size(d), s != IR_OK);
		le_table_free(&t);
		assert_int_equal(rt_live_bytes(), 0);
		ir_diag_free(d);
	}
}

static void not_there(void **state)
{
	le_table t;

	(void)state;
	REFUSE(le_npy_read("/tmp/gm-no-such-file.npy", &t, d), IR_ENOINPUT, "gm-no-such-file");
	REFUSE(le_npy_read("/tmp", &t, d), IR_EINPUT, "regular");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_in_both_orders),
		cmocka_unit_test(bytes_stay_bytes),
		cmocka_unit_test(fortran_order),
		cmocka_unit_test(headers_may_differ),
		cmocka_unit_test(grows), cmocka_unit_test(longer_than_memory),
		cmocka_unit_test(every_allocation_fails_once),
		cmocka_unit_test(not_there),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
