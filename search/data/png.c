/* SPDX-License-Identifier: Apache-2.0
 * A folder of PNG pictures as a table: one row each, in the byte order of the names. What libpng would do to brightness it is
 * not asked to do. The only file that includes libpng. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <png.h>
#include "search/data/data_int.h"

#define MAX_SIDE    4096
#define MAX_CHUNK   ((png_alloc_size_t)8 << 20) /* text, colour profiles */
#define MAX_DEFLATE 1032			/* no byte of deflate unpacks to more */

typedef struct form {
	uint32_t width, height;
	int colours; /* 1: grey, 3: RGB */
} form;

typedef struct picture {
	le_file f;
	png_structp png;
	png_infop info;
	ir_status status; /* of reading, which has reported what is not IR_OK */
	char why[120], warning[120];
	form form;
	int channels;   /* in pixels, alpha included */
	void *pixels;   /* rt_alloc */
	size_t bytes;   /* of it */
	png_bytep *row; /* into it */
} picture;

/* ---- libpng -------------------------------------------------------------------------------------------------------- */

static void on_error(png_structp png, png_const_charp text)
{
	picture *p = png_get_error_ptr(png);

	snprintf(p->why, sizeof p->why, "%s", text);
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
	picture *p = png_get_error_ptr(png);

	snprintf(p->warning, sizeof p->warning, " (%s)", text);
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
	picture *p = png_get_io_ptr(png);
	size_t got;

	p->status = le_file_some(&p->f, to, n, &got);
	if (p->status != IR_OK || got < n)
		png_error(png, "truncated: the file ends");
}

static ir_status failed(const picture *p)
{
	return p->status != IR_OK ? p->status
				  : le_file_fail(&p->f, IR_EINPUT, "%s%s at byte offset %llu", p->why, p->warning,
						 (unsigned long long)p->f.at);
}

static ir_status start(picture *p)
{
	p->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, p, on_error, on_warning);
	p->info = p->png ? png_create_info_struct(p->png) : NULL;
	if (!p->info)
		return le_file_fail(&p->f, IR_ENOMEM, "out of memory");
	png_set_read_fn(p->png, p, on_read);
	png_set_user_limits(p->png, MAX_SIDE, MAX_SIDE);
	png_set_chunk_malloc_max(p->png, MAX_CHUNK);
	png_set_keep_unknown_chunks(p->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* texts and profiles: up to MAX_CHUNK each */
	return IR_OK;
}

/* Sizes, and the form in which pixels will come: 8 bits, grey or RGB, perhaps alpha. */
static ir_status read_info(picture *p)
{
	if (setjmp(png_jmpbuf(p->png)))
		return failed(p);
	png_read_info(p->png, p->info);
	p->form.width = png_get_image_width(p->png, p->info);
	p->form.height = png_get_image_height(p->png, p->info);
	p->bytes = png_get_rowbytes(p->png, p->info) * p->form.height;
	png_set_expand(p->png); /* palettes to RGB, fewer than 8 bits to 8, tRNS to alpha */
	png_set_scale_16(p->png);
	png_set_interlace_handling(p->png);
	png_read_update_info(p->png, p->info);
	p->channels = png_get_channels(p->png, p->info);
	p->form.colours = p->channels < 3 ? 1 : 3;
	return IR_OK;
}

/* To the end of the file. */
static ir_status read_pixels(picture *p)
{
	if (setjmp(png_jmpbuf(p->png)))
		return failed(p);
	png_read_image(p->png, p->row);
	png_read_end(p->png, NULL);
	return le_file_check_end(&p->f);
}

/* ---- one picture ------------------------------------------------------------------------------------------------------ */

/* Memory for the pixels, unless the file is too small to hold them. */
static ir_status allocate(picture *p)
{
	size_t row = png_get_rowbytes(p->png, p->info);
	ir_status s;

	if (p->bytes / MAX_DEFLATE > p->f.size)
		return le_file_fail(&p->f, IR_EINPUT, "%u x %u pixels (byte offset 16) do not fit a file that ends at byte offset %llu",
				    p->form.width, p->form.height, (unsigned long long)p->f.size);
	p->bytes = row * p->form.height;
	s = rt_alloc(p->bytes, &p->pixels);
	if (s != IR_OK)
		return le_file_fail(&p->f, s, "no memory for %zu bytes", p->bytes);
	p->row = ir_xmalloc(p->form.height, sizeof *p->row);
	for (uint32_t i = 0; i < p->form.height; i++)
		p->row[i] = (png_bytep)p->pixels + i * row;
	return IR_OK;
}

static ir_status open_picture(picture *p, const char *path, ir_diag *d)
{
	ir_status s = le_file_open_plain(&p->f, path, d);

	p->f.compressed = true;
	if (s == IR_OK)
		s = start(p);
	if (s == IR_OK)
		s = read_info(p);
	if (s == IR_OK)
		s = allocate(p);
	return s == IR_OK ? read_pixels(p) : s;
}

static void close_picture(picture *p)
{
	png_destroy_read_struct(&p->png, &p->info, NULL);
	rt_free(p->pixels, p->pixels ? p->bytes : 0);
	free(p->row);
	le_file_close(&p->f);
}

/* Without alpha, which must be opaque: what lies behind a picture is not in the file. */
static ir_status copy_pixels(const picture *p, uint8_t *to)
{
	const uint8_t *from = p->pixels;
	int keep = p->form.colours;
	size_t n = (size_t)p->form.width * p->form.height;

	for (size_t i = 0; i < n; i++, from += p->channels, to += keep) {
		if (p->channels > keep && from[keep] != 255)
			return le_file_fail(&p->f, IR_EINPUT, "the pixel in row %zu, column %zu is not opaque (picture before byte "
					    "offset %llu): give it a background", i / p->form.width + 1, i % p->form.width + 1,
					    (unsigned long long)p->f.at);
		memcpy(to, from, (size_t)keep);
	}
	return IR_OK;
}

/* ---- the folder ------------------------------------------------------------------------------------------------------- */

typedef struct folder {
	const char *path;
	ir_diag *d;
	char **name; /* sorted */
	size_t n, cap;
	form first; /* of the first picture: everyone's */
	le_table t;
	size_t have; /* bytes of t.data */
} folder;

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* As the shell's *.png: hidden files are not meant. */
bool le_is_png(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && name[0] != '.' && (strcmp(name + n - 4, ".png") == 0 || strcmp(name + n - 4, ".PNG") == 0);
}

static ir_status list_folder(folder *o)
{
	struct dirent *e;
	DIR *dir = opendir(o->path);

	if (!dir)
		return le_complain(o->d, errno == ENOENT ? IR_ENOINPUT : errno == ENOTDIR ? IR_EINPUT : IR_EIO, o->path,
				   strerror(errno));
	while ((e = readdir(dir))) {
		if (!le_is_png(e->d_name))
			continue;
		if (o->n == o->cap) {
			o->cap = o->cap ? 2 * o->cap : 64;
			o->name = ir_xrealloc(o->name, o->cap, sizeof *o->name);
		}
		o->name[o->n++] = le_text_copy(e->d_name);
	}
	closedir(dir);
	if (o->n == 0)
		return le_complain(o->d, IR_EINPUT, o->path, "no .png files in this folder");
	qsort(o->name, o->n, sizeof *o->name, by_bytes);
	return IR_OK;
}

/* The first picture makes the table, the others must fit it. */
static ir_status check_sizes(folder *o, const picture *p, size_t i)
{
	uint64_t width = (uint64_t)p->form.width * p->form.height * (uint64_t)p->form.colours, all;

	if (i > 0 && memcmp(&p->form, &o->first, sizeof o->first) != 0) /* no padding: three numbers of 4 bytes */
		return le_file_fail(&p->f, IR_EINPUT, "%u x %u pixels in %s (byte offset 16), but %.60s has %u x %u in %s", p->form.width,
				    p->form.height, p->form.colours == 1 ? "grey" : "colour", o->name[0], o->first.width, o->first.height,
				    o->first.colours == 1 ? "grey" : "colour");
	if (i > 0)
		return IR_OK;
	if (o->n > LE_MAX_DIM || __builtin_mul_overflow(width, o->n, &all) || all > LE_MAX_BYTES)
		return le_file_fail(&p->f, IR_EINPUT, "%zu pictures of %u x %u pixels (byte offset 16) take more than 2^33 bytes",
				    o->n, p->form.width, p->form.height);
	o->first = p->form;
	o->t = (le_table){.dtype = IR_U8, .rows = (int64_t)o->n, .width = (int64_t)width};
	if (p->form.colours == 1)
		o->t.shape[0] = p->form.height, o->t.shape[1] = p->form.width;
	return IR_OK;
}

static ir_status add_picture(folder *o, const picture *p, size_t i)
{
	size_t row;
	ir_status s = check_sizes(o, p, i);

	row = (size_t)o->t.width;
	while (s == IR_OK && o->have < (i + 1) * row)
		s = le_file_grow(&p->f, o->n * row, &o->t.data, &o->have);
	return s == IR_OK ? copy_pixels(p, (uint8_t *)o->t.data + i * row) : s;
}

static ir_status read_pictures(folder *o)
{
	ir_str path;
	ir_status s = IR_OK;

	sb_init(&path);
	for (size_t i = 0; s == IR_OK && i < o->n; i++) {
		picture p = {0};

		sb_clear(&path);
		sb_printf(&path, "%s/%s", o->path, o->name[i]);
		s = open_picture(&p, path.s, o->d);
		if (s == IR_OK)
			s = add_picture(o, &p, i);
		close_picture(&p);
	}
	sb_fini(&path);
	return s;
}

ir_status le_png_read(const char *dir, le_table *out, ir_diag *d)
{
	folder o = {.path = dir, .d = d};
	ir_status s = list_folder(&o);

	*out = (le_table){0};
	if (s == IR_OK)
		s = read_pictures(&o);
	if (s == IR_OK)
		*out = o.t;
	else
		rt_free(o.t.data, o.have);
	for (size_t i = 0; i < o.n; i++)
		free(o.name[i]);
	free(o.name);
	return s;
}
