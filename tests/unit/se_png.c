/* SPDX-License-Identifier: Apache-2.0
 * Folders of PNG pictures: every form that becomes 8-bit grey or RGB, the order of names, what is left alone. Malformed ones are
 * in tests/malformed. */
#include <png.h>
#include <sys/stat.h>
#include "tests/unit/se_files.h"

enum { W = 3, H = 2 };

typedef struct form {
	const char *what;
	int type, bits, channels;   /* of the file */
	unsigned char row[H][W * 8]; /* as the file holds them, packed */
	unsigned char want[H * W * 3];
	bool interlaced;
} form;

static void write_picture(const char *name, const form *f)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	png_color palette[2] = {{1, 2, 3}, {250, 251, 252}};
	png_bytep row[H] = {(png_bytep)f->row[0], (png_bytep)f->row[1]};
	char file[160];
	FILE *out;

	snprintf(file, sizeof file, "%s/%s", path, name);
	out = fopen(file, "wb");
	assert_false(setjmp(png_jmpbuf(png)));
	png_init_io(png, out);
	png_set_IHDR(png, info, W, H, f->bits, f->type, f->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
		     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (f->type == PNG_COLOR_TYPE_PALETTE)
		png_set_PLTE(png, info, palette, 2);
	png_set_gAMA(png, info, 1.0); /* to be ignored */
	png_write_info(png, info);
	png_write_image(png, row);
	png_write_end(png, NULL);
	png_destroy_write_struct(&png, &info);
	fclose(out);
}

/* An empty folder of this name; path is it. */
static void new_folder(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static const form forms[] = {
	{"grey 8", PNG_COLOR_TYPE_GRAY, 8, 1, {{0, 7, 255}, {1, 2, 3}}, {0, 7, 255, 1, 2, 3}, false},
	{"grey 8 interlaced", PNG_COLOR_TYPE_GRAY, 8, 1, {{0, 7, 255}, {1, 2, 3}}, {0, 7, 255, 1, 2, 3}, true},
	{"grey 1", PNG_COLOR_TYPE_GRAY, 1, 1, {{0xa0}, {0x40}}, {255, 0, 255, 0, 255, 0}, false},
	{"grey 4", PNG_COLOR_TYPE_GRAY, 4, 1, {{0x1f, 0x00}, {0x80, 0x20}}, {17, 255, 0, 136, 0, 34}, false},
	{"grey 16", PNG_COLOR_TYPE_GRAY, 16, 1, {{0xff, 0xff, 0x80, 0x80, 0, 0}, {1, 1, 2, 2, 0, 200}}, {255, 128, 0, 1, 2, 1}, false},
	{"grey alpha", PNG_COLOR_TYPE_GRAY_ALPHA, 8, 1, {{9, 255, 8, 255, 7, 255}, {6, 255, 5, 255, 4, 255}}, {9, 8, 7, 6, 5, 4}, false},
	{"rgb 8", PNG_COLOR_TYPE_RGB, 8, 3, {{1, 2, 3, 4, 5, 6, 7, 8, 9}, {10, 11, 12, 13, 14, 15, 16, 17, 18}},
	 {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}, false},
	{"rgb alpha", PNG_COLOR_TYPE_RGB_ALPHA, 8, 3, {{1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255}, {0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 1, 255}},
	 {1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1}, true},
	{"palette", PNG_COLOR_TYPE_PALETTE, 1, 3, {{0x40}, {0x00}},
	 {1, 2, 3, 250, 251, 252, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}, false},
};

static void every_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		le_table t;

		new_folder(forms[i].what);
		write_picture("a.png", &forms[i]);
		READ(le_png_read(path, &t, d));
		assert_int_equal(t.dtype, IR_U8);
		assert_int_equal(t.rows, 1);
		assert_int_equal(t.width, W * H * forms[i].channels);
		assert_int_equal(t.shape[0], forms[i].channels == 1 ? H : 0);
		assert_int_equal(t.shape[1], forms[i].channels == 1 ? W : 0);
		assert_memory_equal(t.data, forms[i].want, (size_t)t.width);
		le_table_free(&t);
	}
	assert_int_equal(rt_live_bytes(), 0);
}

static void names_in_order(void **state)
{
	static const char *const names[] = {"b.png", "B.PNG", "10.png", "9.png", ".hidden.png", "note.txt", "a.jpg"};
	static const unsigned char want[] = {3, 4, 2, 1}; /* 10 9 B b: bytes, not numbers */
	le_table t;

	(void)state;
	new_folder("names");
	for (int i = 0; i < 7; i++) {
		form f = forms[0];

		f.row[0][0] = (unsigned char)(i + 1);
		write_picture(names[i], &f);
	}
	READ(le_png_read(path, &t, d));
	assert_int_equal(t.rows, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(((uint8_t *)t.data)[i * W * H], want[i]);
	le_table_free(&t);
	READ(le_table_read(path, NULL, NULL, &t, NULL, d));
	le_table_free(&t);
	assert_int_equal(rt_live_bytes(), 0);
}

static void must_agree(void **state)
{
	le_table t;
	form clear = forms[5];

	(void)state;
	new_folder("mixed");
	write_picture("a.png", &forms[0]);
	write_picture("b.png", &forms[6]);
	REFUSE(le_png_read(path, &t, d), IR_EINPUT, "mixed/b.png: 3 x 2 pixels in colour");
	new_folder("clear");
	clear.row[1][3] = 254;
	write_picture("a.png", &clear);
	REFUSE(le_png_read(path, &t, d), IR_EINPUT, "row 2, column 2 is not opaque");
	new_folder("empty");
	REFUSE(le_png_read(path, &t, d), IR_EINPUT, "no .png files");
	REFUSE(le_png_read("/tmp/gm-no-such-folder", &t, d), IR_ENOINPUT, "gm-no-such-folder");
	assert_int_equal(rt_live_bytes(), 0);
}

static void every_allocation_fails_once(void **state)
{
	ir_status s = IR_ENOMEM;

	(void)state;
	new_folder("faults");
	write_picture("a.png", &forms[0]);
	write_picture("b.png", &forms[1]);
	for (int n = 1; s != IR_OK; n++) {
		ir_diag *d = ir_diag_new();
		le_table t;

		rt_fault_after(n);
		s = le_png_read(path, &t, d);
		rt_fault_after(0);
		assert_true(s == IR_OK || s == IR_ENOMEM);
		assert_int_equal(ir_diag_size(d), s != IR_OK);
		le_table_free(&t);
		assert_int_equal(rt_live_bytes(), 0);
		ir_diag_free(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form),
		cmocka_unit_test(names_in_order),
		cmocka_unit_test(must_agree),
		cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
