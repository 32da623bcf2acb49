/* SPDX-License-Identifier: Apache-2.0
 * Files for other programs: the header of an array, a picture read back by libpng, what is where on a contact sheet. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <png.h>
#include "search/apply_out.h"
#include "search/formats.h"
#include "search/sheet.h"

static void arrays(void **state)
{
	static const struct {
		ir_dtype dtype;
		size_t rows;
		int64_t width;
		const char *dict;
	} c[] = {{IR_F32, 10000, 32, "{'descr': '<f4', 'fortran_order': False, 'shape': (10000, 32), }"},
		 {IR_F64, 7, 0, "{'descr': '<f8', 'fortran_order': False, 'shape': (7,), }"},
		 {IR_F32, 0, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1), }"},
		 {IR_F32, 123456789012, 1234567890, "{'descr': '<f4', 'fortran_order': False, 'shape': (123456789012, 1234567890), }"}};
	ir_str s;

	(void)state;
	sb_init(&s);
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		size_t n = strlen(c[i].dict);

		sb_clear(&s);
		se_npy_header(c[i].dtype, c[i].rows, c[i].width, &s);
		assert_int_equal(s.n % 64, 0);
		assert_memory_equal(s.s, "\x93NUMPY\x01\x00", 8);
		assert_int_equal((unsigned char)s.s[8] + 256 * (unsigned char)s.s[9], s.n - 10);
		assert_memory_equal(s.s + 10, c[i].dict, n);
		for (size_t k = 10 + n; k + 1 < s.n; k++)
			assert_int_equal(s.s[k], ' ');
		assert_int_equal(s.s[s.n - 1], '\n');
	}
	sb_fini(&s);
}

/* The pixels of a PNG; heap. */
static uint8_t *decode(const ir_str *png, uint32_t width, uint32_t height)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	uint8_t *pixel = ir_xmalloc((size_t)width * height, 1);

	assert_true(png_image_begin_read_from_memory(&image, png->s, png->n));
	assert_int_equal(image.width, width);
	assert_int_equal(image.height, height);
	assert_int_equal(image.format, PNG_FORMAT_GRAY);
	assert_true(png_image_finish_read(&image, NULL, pixel, 0, NULL));
	return pixel;
}

static void pictures(void **state)
{
	uint8_t pixel[15 * 7], *got;
	ir_str s;

	(void)state;
	for (size_t i = 0; i < sizeof pixel; i++)
		pixel[i] = (uint8_t)(i * 37);
	sb_init(&s);
	assert_true(se_png_grey(pixel, 15, 7, &s));
	got = decode(&s, 15, 7);
	assert_memory_equal(got, pixel, sizeof pixel);
	free(got);
	sb_fini(&s);
}

static void choices(void **state)
{
	const double error[] = {1, 3, 2, 3, NAN, 0};
	se_sheet s = {.rows = 2, .cols = 2};
	size_t to[4];

	(void)state;
	assert_int_equal(se_sheet_spread(&s, 3, to), 3);
	assert_true(to[0] == 0 && to[1] == 1 && to[2] == 2);
	assert_int_equal(se_sheet_spread(&s, 10, to), 4);
	assert_true(to[0] == 0 && to[1] == 3 && to[2] == 6 && to[3] == 9);
	assert_int_equal(se_sheet_worst(&s, error, 6, to), 4);
	assert_true(to[0] == 4 && to[1] == 1 && to[2] == 3 && to[3] == 2);
	assert_int_equal(se_sheet_worst(&s, error, 2, to), 2);
	assert_true(to[0] == 1 && to[1] == 0);
}

static void shapes(void **state)
{
	se_sheet s;

	(void)state;
	assert_true(se_sheet_shape(&(le_table){.width = 784}, &s));
	assert_true(s.width == 28 && s.height == 28);
	assert_true(se_sheet_shape(&(le_table){.width = 1}, &s));
	assert_false(se_sheet_shape(&(le_table){.width = 783}, &s));
}

/* Three pictures of 2 x 2, two in a row: originals above what a model that halves them makes of them. */
static void sheets(void **state)
{
	static const char text[] = "gradmill 1\nfunc main(x: f32[B,4]) {\n  y = mul x, 0.5\n  return reconstruction=y\n}\n";
	uint8_t bytes[12] = {0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 255}, *got;
	le_data data = {.name = (char[]){"dots"}, .table = {.dtype = IR_U8, .rows = 3, .width = 4, .data = bytes}, .unit = true};
	cc_context_options o = cc_context_default();
	ir_diag *d = ir_diag_new();
	ir_arena *a = ar_open();
	ir_module *m = ir_parse("half.gm", text, strlen(text), a, d);
	se_sheet s = {.rows = 3, .cols = 2};
	le_weights none = {0};
	cc_context *c;
	le_applier *ap;
	ir_str png;

	(void)state;
	o.cache_dir = "";
	assert_int_equal(cc_context_new(&o, &c, d), IR_OK);
	assert_int_equal(le_apply_open(c, m, &data, &none, LE_RECONSTRUCTION, 1, &ap, d), IR_OK);
	assert_true(se_sheet_shape(&data.table, &s));
	sb_init(&png);
	assert_int_equal(se_sheet_png(&s, ap, &data, (uint32_t[]){2, 0, 1}, 3, &png), IR_OK);
	got = decode(&png, 10, 14); /* 2 gap, 2, 2, 2, 2; 2 gap, 4, 2, 4, 2 */
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 4; k++) {
			int top = 2 + i / 2 * 6 + k / 2, left = 2 + i % 2 * 4 + k % 2, row = (i + 2) % 3;

			assert_int_equal(got[top * 10 + left], bytes[row * 4 + k]);
			assert_int_equal(got[(top + 2) * 10 + left], (bytes[row * 4 + k] + 1) / 2);
		}
	assert_true(got[0] == 255 && got[13 * 10 + 9] == 255 && got[9 * 10 + 7] == 255);
	free(got);
	sb_fini(&png);
	le_apply_close(ap);
	cc_context_free(c);
	ar_free(a);
	ir_diag_free(d);
}

static void words(void **state)
{
	se_apply_format f;
	unsigned what;

	(void)state;
	assert_true(se_apply_kinds("latent", &what) && what == LE_LATENT);
	assert_true(se_apply_kinds("label,error", &what) && what == (SE_APPLY_LABEL | LE_ERROR));
	assert_true(se_apply_kinds("error,latent,error", &what) && what == (LE_LATENT | LE_ERROR));
	assert_false(se_apply_kinds("", &what));
	assert_false(se_apply_kinds("latent,", &what));
	assert_false(se_apply_kinds("late", &what));
	assert_true(se_apply_ending(NULL, &f) && f == SE_APPLY_STDOUT);
	assert_true(se_apply_ending("a/b.npy", &f) && f == SE_APPLY_NPY);
	assert_true(se_apply_ending("b.tsv", &f) && f == SE_APPLY_TSV);
	assert_false(se_apply_ending(".csv", &f));
	assert_false(se_apply_ending("b.npz", &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays), cmocka_unit_test(pictures), cmocka_unit_test(choices),
		cmocka_unit_test(shapes), cmocka_unit_test(sheets),   cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
