/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/seeds.c DIR: the first inputs of the targets that read files, DIR/NAME/SOMETHING: good ones of every kind, small,
 * so that a fuzzer begins behind the magic numbers. Texts come from tests/golden (corpus.sh). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <png.h>
#include <zip.h>
#include <zlib.h>
#include "search/learn/learn.h"
#include "tests/fuzz/share.h"

static const char *root;

static const char *path_of(const char *target, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof path, "%s/%s", root, target);
	mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/%s/%s", root, target, name);
	return path;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void put(const char *target, const char *name, const void *data, size_t n)
{
	must(ir_file_write(path_of(target, name), data, n) == IR_OK, name);
}

static void put_gz(const char *target, const char *name, const void *data, size_t n)
{
	gzFile f = gzopen(path_of(target, name), "wb9");

	must(f && gzwrite(f, data, (unsigned)n) == (int)n && gzclose(f) == Z_OK, name);
}

/* ---- IDX ---------------------------------------------------------------------------------------------------------- */

static void make_idx(void)
{
	static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 4, 9, 0, 3, 255};
	static unsigned char zeros[12 + 4096] = {0, 0, 8, 2, 0, 0, 0, 64, 0, 0, 0, 64};

	put("idx", "images", images, sizeof images);
	put("idx", "labels", labels, sizeof labels);
	put("idx", "short", images, sizeof images - 1);
	put_gz("idx", "images.gz", images, sizeof images);
	put_gz("idx", "zeros.gz", zeros, sizeof zeros);
}

/* ---- safetensors ------------------------------------------------------------------------------------------------------ */

static void make_safetensors(void)
{
	static const ir_type type[] = {{IR_F32, 2, {2, 3}}, {IR_F64, 0, {0}}, {IR_BOOL, 1, {3}}, {IR_I32, 1, {2}}, {IR_U8, 2, {0, 5}}};
	static char *name[] = {"w", "scale", "mask \"q\"", "\xc3\xa9", "empty"};
	static const char *const meta[] = {"format", "gradmill", "note", "a\nb"};
	rt_tensor tensor[5];
	le_weights w = {.name = name, .tensor = tensor};

	for (; w.n < 5; w.n++)
		must(rt_tensor_alloc(&tensor[w.n], type[w.n]) == IR_OK, "memory");
	must(le_weights_write(path_of("safetensors", "all"), &w, meta, 2, NULL) == IR_OK, "all");
	w.n = 1;
	must(le_weights_write(path_of("safetensors", "one"), &w, NULL, 0, NULL) == IR_OK, "one");
	w.n = 0;
	must(le_weights_write(path_of("safetensors", "none"), &w, NULL, 0, NULL) == IR_OK, "none");
	for (size_t i = 0; i < 5; i++)
		rt_tensor_free(&tensor[i]);
}

/* ---- NumPy ---------------------------------------------------------------------------------------------------------- */

/* Version 1; to: at least 128 + n bytes. Returns the length. */
static size_t make_npy(unsigned char *to, const char *descr, const char *shape, const void *data, size_t n)
{
	int len = snprintf((char *)to + 10, 118, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);

	memcpy(to, "\x93NUMPY\x01\x00\x76", 10); /* 118 bytes of header */
	memset(to + 10 + len, ' ', 118 - (size_t)len);
	to[127] = '\n';
	memcpy(to + 128, data, n);
	return 128 + n;
}

static void make_npz(const unsigned char *array, size_t n)
{
	zip_t *z;
	int err;

	unlink(path_of("npz", "one"));
	z = zip_open(path_of("npz", "one"), ZIP_CREATE, &err);
	must(z && zip_file_add(z, "a.npy", zip_source_buffer(z, array, n, 0), 0) >= 0 && zip_close(z) == 0, "npz");
}

static void make_arrays(void)
{
	static const float f[6] = {1, 2, 3, 4, 5, 6};
	static const int64_t whole[4] = {3, 1, 3, 2};
	unsigned char b[256];
	size_t n = make_npy(b, "<f4", "(2, 3)", f, sizeof f);

	put("npy", "f4", b, n);
	put_gz("npy", "f4.gz", b, n);
	make_npz(b, n);
	n = make_npy(b, "<i8", "(4,)", whole, sizeof whole);
	put("npy", "i8", b, n);
	put("labels", "i8", b, n);
	n = make_npy(b, "|b1", "(3, 2, 4)", f, sizeof f);
	memset(b + 128, 1, sizeof f);
	put("npy", "b1", b, n);
	put("raw", "floats", f, 16);
}

/* ---- text ----------------------------------------------------------------------------------------------------------- */

static void put_text(const char *target, const char *name, const char *text)
{
	put(target, name, text, strlen(text));
}

static void make_text(void)
{
	put_text("csv", "header", "a,b,c\n1,2,3\n4,NA,-5e-1\n");
	put_text("csv", "quotes", "\xef\xbb\xbf\"x \"\"y\"\"\";b\r\n\"1\";.5\r\n2;?\r\n");
	put_text("csv", "tabs", "1\t2\n3\t4");
	put_text("labels", "words", "cat\ndog\ncat\n");
	put_text("labels", "numbers", "10\n2\n-1\n2\n");
}

/* ---- pictures ---------------------------------------------------------------------------------------------------------- */

static void make_png(void)
{
	static const unsigned char pixels[2 * 3 * 3] = {0, 50, 100, 150, 200, 250, 1, 2, 3};
	static const png_uint_32 format[] = {PNG_FORMAT_GRAY, PNG_FORMAT_RGB};
	static const char *const name[] = {"grey", "colour"};

	for (int i = 0; i < 2; i++) {
		png_image image = {.version = PNG_IMAGE_VERSION, .width = 3, .height = 2, .format = format[i]};

		must(png_image_write_to_file(&image, path_of("png", name[i]), 0, pixels, 0, NULL), name[i]);
	}
}

/* ---- shared data -------------------------------------------------------------------------------------------------------- */

/* A data set as le_data_share writes it, without what is empty between header and table: see fuzz_share.c. */
static void make_share(void)
{
	static const unsigned char idx[] = {0, 0, 8, 2, 0, 0, 0, 10, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
					    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30};
	unsigned char whole[2 * FZ_PAGE], seed[2 + sizeof whole];
	char path[] = "/tmp/fuzz-seed-XXXXXX";
	int fd = mkstemp(path), memory;
	ssize_t n;
	le_data t;

	must(fd >= 0 && write(fd, idx, sizeof idx) == (ssize_t)sizeof idx && close(fd) == 0, path);
	must(le_data_load(&(le_source){.data = path}, 1, 0, &t, NULL) == IR_OK && le_share_new(&memory, NULL) == IR_OK, "data");
	must(le_data_share(&t, memory, NULL) == IR_OK, "share");
	n = pread(memory, whole, sizeof whole, 0);
	must(n > FZ_PAGE && n < (ssize_t)sizeof whole, "share");
	seed[0] = (unsigned char)n, seed[1] = (unsigned char)(n >> 8);
	memcpy(seed + 2, whole, FZ_HEAD);
	memcpy(seed + 2 + FZ_HEAD, whole + FZ_PAGE, (size_t)n - FZ_PAGE);
	put("share", "ten-rows", seed, 2 + FZ_HEAD + (size_t)n - FZ_PAGE);
	le_data_free(&t);
	close(memory);
	unlink(path);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: fuzz_seeds DIR\n");
		return 64;
	}
	root = argv[1];
	make_idx();
	make_safetensors();
	make_arrays();
	make_text();
	make_png();
	make_share();
	return 0;
}
