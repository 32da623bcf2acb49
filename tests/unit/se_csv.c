/* SPDX-License-Identifier: Apache-2.0
 * Tables as text: delimiters, quotes, line ends, headers, missing values, numbers, labels. Malformed ones are in
 * tests/malformed. */
#include <locale.h>
#include <math.h>
#include "tests/unit/se_files.h"

static le_table read_text(const char *text, const le_csv_options *o, le_labels *l, bool gz)
{
	le_table t;

	put(gz ? "t.csv.gz" : "t.csv", text, strlen(text), gz);
	READ(le_csv_read(path, o, &t, l, d));
	assert_int_equal(t.dtype, IR_F32);
	return t;
}

/* Every form of the same 2 x 3 table, and whether it has names. */
static const struct {
	const char *text;
	bool named;
} forms[] = {
	{"1,2,3\n4,5,6\n", false},
	{"1,2,3\n4,5,6", false},
	{"1,2,3\r\n4,5,6\r\n", false},
	{"1,2,3\n4,5,6\n\n", false},
	{"1,2,3\n4,5,6\r\n\r\n\n", false},
	{"1;2;3\n4;5;6\n", false},
	{"1\t2\t3\n4\t5\t6\n", false},
	{"\xef\xbb\xbf" "1,2,3\n4,5,6\n", false},
	{"\"1\",\"2\",3\n4,\"5\",6\n", false},
	{" 1 ,\t2, 3\n4,5,6 \n", false},
	{"1.0,2e0,+3\n40e-1,.5e1,6.\n", false},
	{"1.00000000000000000000,2,3\n4,5,6.00000000000000000000000000001\n", false},
	{"a,b,c\n1,2,3\n4,5,6\n", true},
	{"a;b;c\n1;2;3\n4;5;6\n", true},
	{"\"a\",\"b\",\"c\"\r\n1,2,3\r\n4,5,6", true},
	{"\xef\xbb\xbf" "a, b ,c\n1,2,3\n4,5,6\n", true},
};

static void every_form(void **state)
{
	const float want[6] = {1, 2, 3, 4, 5, 6};

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		for (int gz = 0; gz < 2; gz++) {
			le_table t = read_text(forms[i].text, NULL, NULL, gz);

			assert_int_equal(t.rows, 2);
			assert_int_equal(t.width, 3);
			assert_memory_equal(t.data, want, sizeof want);
			assert_int_equal(t.column != NULL, forms[i].named);
			for (int k = 0; forms[i].named && k < 3; k++)
				assert_string_equal(t.column[k], ((const char *[]){"a", "b", "c"})[k]);
			drop(&t);
		}
	assert_int_equal(rt_live_bytes(), 0);
}

static void missing_is_nan(void **state)
{
	le_table t = read_text("x,y\n,NA\nN/A,NaN\nnan,null\n?,\"\"\n 1 , \n", NULL, NULL, false);
	const float *v = t.data;

	(void)state;
	assert_int_equal(t.rows, 5);
	for (int i = 0; i < 10; i++)
		assert_int_equal(isnan(v[i]) != 0, i != 8);
	drop(&t);
	t = read_text("NA,1\n2,?\n", NULL, NULL, false); /* missing marks make no header */
	assert_int_equal(t.rows, 2);
	drop(&t);
}

static void quotes(void **state)
{
	le_table t = read_text("\"a,\"\"b\"\"\",\"c\nd\",\"\"\n1,2,3\n", NULL, NULL, false);

	(void)state;
	assert_int_equal(t.rows, 1);
	assert_int_equal(t.width, 3);
	assert_string_equal(t.column[0], "a,\"b\"");
	assert_string_equal(t.column[1], "c\nd");
	assert_string_equal(t.column[2], "");
	drop(&t);
	t = read_text("\"a;b;c;d\",x\n1,2\n", NULL, NULL, false); /* what quotes hold is no delimiter */
	assert_int_equal(t.width, 2);
	drop(&t);
}

/* Against the C library's own reading. */
static void numbers(void **state)
{
	static const char *const text[] = {
		"0", "-0", "0.1", "3.4028234e38", "1e-45", "1e-400", "123456789012345678901234567890", "0.1e22", "1e22", "1e23",
		"9007199254740993", "2.2250738585072014e-308", "0000000000000000000000000000000001", "1e0000000000000000001",
		"0.000000000000000000000000000000000000000000001e46", "16777217", "33554435", "-1.5E+3",
		"0e999999999999999999", "1.7976931348623157e-300",
	};

	(void)state;
	setlocale(LC_ALL, "de_DE.UTF-8"); /* if it is installed: a decimal comma */
	for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
		le_table t = read_text(text[i], NULL, NULL, false);
		float want;

		setlocale(LC_ALL, "C");
		want = (float)strtod(text[i], NULL);
		setlocale(LC_ALL, "de_DE.UTF-8");
		assert_memory_equal(t.data, &want, sizeof want);
		drop(&t);
	}
	setlocale(LC_ALL, "C");
}

static void labels_and_drops(void **state)
{
	const char *text = "id,x,kind,y\nr1,1,cat,2\nr2,3,dog,4\nr3,5,\"a cat\",6\nr4,7,cat,8\n";
	const float want[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	const le_csv_options ways[] = {{.label = "kind", .drop = "id"}, {.label = "3", .drop = "1"}, {.label = "kind", .drop = "1"}};

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		le_labels l;
		le_table t = read_text(text, &ways[i], &l, false);

		assert_int_equal(t.width, 2);
		assert_memory_equal(t.data, want, sizeof want);
		assert_string_equal(t.column[0], "x");
		assert_string_equal(t.column[1], "y");
		assert_int_equal(l.n, 4);
		assert_int_equal(l.nclass, 3);
		assert_string_equal(l.class_name[0], "a cat");
		assert_string_equal(l.class_name[1], "cat");
		assert_string_equal(l.class_name[2], "dog");
		assert_memory_equal(l.label, ((int32_t[]){1, 2, 0, 1}), 16);
		drop(&t);
		le_labels_free(&l);
	}
}

static void classes_in_order(void **state)
{
	const le_csv_options o = {.label = "k"};
	le_labels l;
	le_table t = read_text("k,x\n10,0\n9,0\n-1,0\n9,0\n010,0\n", &o, &l, false);

	(void)state;
	assert_int_equal(l.nclass, 4);
	assert_string_equal(l.class_name[0], "-1");
	assert_string_equal(l.class_name[1], "9");
	assert_string_equal(l.class_name[2], "010");
	assert_string_equal(l.class_name[3], "10");
	assert_memory_equal(l.label, ((int32_t[]){3, 1, 0, 1, 2}), 20);
	drop(&t);
	le_labels_free(&l);
	t = read_text("k,x\n10,0\n9,0\nz,0\n", &o, &l, false); /* one that is no number: by bytes */
	assert_string_equal(l.class_name[0], "10");
	assert_string_equal(l.class_name[1], "9");
	drop(&t);
	le_labels_free(&l);
}

/* Names go before numbers, and numbers are used where no name fits. */
static void columns_called_by_numbers(void **state)
{
	const le_csv_options o = {.label = "2"};
	le_labels l;
	le_table t = read_text("2,a,b\n7,8,9\n", &o, &l, false);

	(void)state;
	assert_string_equal(l.class_name[0], "7");
	assert_string_equal(t.column[0], "a");
	drop(&t);
	le_labels_free(&l);
}

/* Lines that cross the ends of pieces, growth of rows, a wide table. */
static void many(void **state)
{
	size_t rows = 30000, width = 37;
	char *text = malloc(rows * width * 12), *p = text;
	le_table t;

	(void)state;
	for (size_t i = 0; i < rows * width; i++)
		p += sprintf(p, "%zu.25%c", i, i % width == width - 1 ? '\n' : ',');
	t = read_text(text, NULL, NULL, true);
	assert_int_equal(t.rows, rows);
	for (size_t i = 0; i < rows * width; i++)
		assert_true(((float *)t.data)[i] == (float)((double)i + 0.25));
	drop(&t);
	free(text);
	assert_int_equal(rt_live_bytes(), 0);
}

static void labels_of_their_own(void **state)
{
	const unsigned char idx[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 255, 7};
	const int32_t whole[3] = {-5, 100, -5};
	unsigned char *b;
	size_t n;
	le_labels l;

	(void)state;
	for (int gz = 0; gz < 2; gz++) {
		put("l.idx", idx, sizeof idx, gz);
		READ(le_labels_read(path, &l, d));
		assert_int_equal(l.n, 3);
		assert_int_equal(l.nclass, 2);
		assert_string_equal(l.class_name[1], "255");
		assert_memory_equal(l.label, ((int32_t[]){0, 1, 0}), 12);
		le_labels_free(&l);
		n = npy(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", whole, sizeof whole, &b);
		put("l.npy", b, n, gz);
		free(b);
		READ(le_labels_read(path, &l, d));
		assert_string_equal(l.class_name[0], "-5");
		assert_memory_equal(l.label, ((int32_t[]){0, 1, 0}), 12);
		le_labels_free(&l);
		put("l.txt", "cat\r\n a \"dog\"\ncat\n\n", 19, gz);
		READ(le_labels_read(path, &l, d));
		assert_int_equal(l.n, 3);
		assert_string_equal(l.class_name[0], "a \"dog\"");
		assert_memory_equal(l.label, ((int32_t[]){1, 0, 1}), 12);
		le_labels_free(&l);
	}
	REFUSE(le_labels_read("/tmp/gm-no-such-file", &l, d), IR_ENOINPUT, "gm-no-such-file");
}

static void every_allocation_fails_once(void **state)
{
	ir_status s = IR_ENOMEM;

	(void)state;
	put("t.csv", "a,b\n1,2\n", 8, false);
	for (int n = 1; s != IR_OK; n++) {
		ir_diag *d = ir_diag_new();
		le_table t;

		rt_fault_after(n);
		s = le_csv_read(path, NULL, &t, NULL, d);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		assert_int_equal(ir_diag_size(d), s != IR_OK);
		drop(&t);
		assert_int_equal(rt_live_bytes(), 0);
		ir_diag_free(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form),	    cmocka_unit_test(missing_is_nan),
		cmocka_unit_test(quotes),	    cmocka_unit_test(numbers),
		cmocka_unit_test(labels_and_drops), cmocka_unit_test(classes_in_order),
		cmocka_unit_test(columns_called_by_numbers), cmocka_unit_test(many),
		cmocka_unit_test(labels_of_their_own), cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
