/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz.c -- what the fuzz targets share: text and files made of bytes, and what must hold for any of them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"

/* Messages must be printable whatever they quote; nobody reads them here. */
static void print_messages(const ir_diag *d)
{
	ir_str s;

	sb_init(&s);
	ir_diag_print_all(d, &s);
	FZ_MUST(strlen(s.s) == s.n);
	sb_fini(&s);
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

fz_text fz_parse(const uint8_t *data, size_t size)
{
	fz_text t = {.a = ar_open(), .d = ir_diag_new()};

	t.m = ir_parse("f.gm", (const char *)data, size, t.a, t.d);
	FZ_MUST((t.m != NULL) == (ir_diag_count(t.d, IR_ERROR) == 0));
	if (!t.m)
		print_messages(t.d);
	for (size_t i = 0; t.m && i < t.m->n; i++)
		FZ_MUST(ir_verify(t.m->func[i], t.d));
	return t;
}

void fz_parse_end(fz_text *t)
{
	ir_diag_free(t->d);
	ar_free(t->a);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

const char *fz_file(const uint8_t *data, size_t size)
{
	static char path[32];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	FZ_MUST(fd >= 0);
	FZ_MUST(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return path;
}

void fz_check_status(ir_status s, const ir_diag *d, const char *path)
{
	FZ_MUST((s == IR_OK) == (ir_diag_count(d, IR_ERROR) == 0));
	if (s == IR_OK)
		return;
	FZ_MUST(!path || strstr(ir_diag_get(d, 0)->text, path));
	print_messages(d);
}

void fz_check_labels(ir_status s, const le_labels *l)
{
	FZ_MUST(s == IR_OK || (l->n == 0 && l->nclass == 0));
	for (int64_t i = 0; i < l->n; i++)
		FZ_MUST(l->label[i] >= 0 && (size_t)l->label[i] < l->nclass);
	for (size_t i = 0; i < l->nclass; i++)
		FZ_MUST(i == 0 || strcmp(l->class_name[i - 1], l->class_name[i]) != 0);
}

int fz_table(const uint8_t *data, size_t size, fz_reader *read)
{
	const char *path = fz_file(data, size);
	ir_diag *d = ir_diag_new();
	le_table t = {0};
	ir_status s = read(path, &t, d);

	fz_check_status(s, d, NULL); /* of a folder, the message names another path */
	FZ_MUST((s == IR_OK) == (t.data != NULL));
	if (s == IR_OK) {
		FZ_MUST(t.rows > 0 && t.width > 0);
		ir_hash(t.data, (size_t)(t.rows * t.width) * ir_dtype_size(t.dtype));
	}
	le_table_free(&t);
	FZ_MUST(rt_live_bytes() == 0);
	ir_diag_free(d);
	return 0;
}
