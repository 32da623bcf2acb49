/* SPDX-License-Identifier: Apache-2.0
 * Labels of rows: classes numbered as they come, renumbered in the order of their names when all are known, so that the
 * numbers do not depend on the order of the rows. */
#define _GNU_SOURCE
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "search/data/data_int.h"

typedef struct le_class {
	int32_t number;
	char name[];
} le_class;

/* ---- a set -------------------------------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(((const le_class *)a)->name, ((const le_class *)b)->name);
}

static le_class *class_new(const char *name, size_t n, size_t number)
{
	le_class *c = ir_xmalloc(sizeof *c + n + 1, 1);

	c->number = (int32_t)number;
	memcpy(c->name, name, n);
	return c;
}

/* The class of this name, a new one if there is none; NULL: no more are allowed. */
static const le_class *find_or_add(le_label_set *s, const char *name, size_t n)
{
	le_class *fresh = class_new(name, n, s->nclass), **at = tsearch(fresh, &s->tree, by_bytes);

	if (!at)
		ir_oom(1, sizeof *fresh);
	if (*at != fresh) {
		free(fresh);
		return *at;
	}
	if (s->nclass == LE_MAX_CLASSES) {
		tdelete(fresh, &s->tree, by_bytes);
		free(fresh);
		return NULL;
	}
	if (s->nclass == s->class_cap) {
		s->class_cap = s->class_cap ? 2 * s->class_cap : 16;
		s->class = ir_xrealloc(s->class, s->class_cap, sizeof *s->class);
	}
	return s->class[s->nclass++] = fresh;
}

bool le_label_add(le_label_set *s, const char *name, size_t n)
{
	const le_class *c;

	IR_ASSERT(n <= LE_MAX_LABEL, "a label of %zu bytes", n);
	c = s->n < (int64_t)LE_MAX_DIM ? find_or_add(s, name, n) : NULL;
	if (!c)
		return false;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->label = ir_xrealloc(s->label, (size_t)s->cap, sizeof *s->label);
	}
	s->label[s->n++] = c->number;
	return true;
}

void le_label_drop(le_label_set *s)
{
	tdestroy(s->tree, free);
	free(s->class);
	free(s->label);
	*s = (le_label_set){0};
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static bool is_whole(const char *s)
{
	size_t n;

	if (*s == '-' || *s == '+')
		s++;
	n = strspn(s, "0123456789");
	return n > 0 && n <= 18 && s[n] == 0; /* 18 digits fit 64 bits */
}

static int class_order(const void *a, const void *b)
{
	return by_bytes(*(le_class *const *)a, *(le_class *const *)b);
}

static int value_order(const void *a, const void *b)
{
	const le_class *x = *(le_class *const *)a, *y = *(le_class *const *)b;
	long long v = atoll(x->name), w = atoll(y->name);

	return v != w ? (v < w ? -1 : 1) : by_bytes(x, y); /* 1 and 01 are two names */
}

void le_label_take(le_label_set *s, le_labels *out)
{
	int32_t *to = ir_xmalloc(s->nclass + 1, sizeof *to);
	bool whole = true;

	*out = (le_labels){.n = s->n, .label = s->label, .nclass = s->nclass};
	out->class_name = ir_xmalloc(s->nclass + 1, sizeof *out->class_name);
	for (size_t i = 0; i < s->nclass; i++)
		whole = whole && is_whole(s->class[i]->name);
	if (s->nclass)
		qsort(s->class, s->nclass, sizeof *s->class, whole ? value_order : class_order);
	for (size_t i = 0; i < s->nclass; i++) {
		to[s->class[i]->number] = (int32_t)i;
		out->class_name[i] = le_text_copy(s->class[i]->name);
	}
	for (int64_t i = 0; i < s->n; i++)
		out->label[i] = to[out->label[i]];
	free(to);
	s->label = NULL; /* out's now */
	le_label_drop(s);
}

void le_labels_free(le_labels *l)
{
	for (size_t i = 0; i < l->nclass; i++)
		free(l->class_name[i]);
	free(l->class_name);
	free(l->label);
	*l = (le_labels){0};
}

/* ---- a file of their own ------------------------------------------------------------------------------------------ */

static ir_status read_idx(const char *path, le_label_set *out, ir_diag *d)
{
	le_table t;
	ir_status s = le_idx_read(path, &t, d);

	if (s == IR_OK && t.width != 1)
		s = le_complain(d, IR_EINPUT, path, "labels must be one byte for each row (rank 1 at byte offset 3)");
	for (int64_t i = 0; s == IR_OK && i < t.rows; i++) {
		unsigned v = ((const uint8_t *)t.data)[i];
		char text[3] = {(char)('0' + v / 100), (char)('0' + v / 10 % 10), (char)('0' + v % 10)};
		int skip = v < 10 ? 2 : v < 100 ? 1 : 0;

		if (!le_label_add(out, text + skip, (size_t)(3 - skip)))
			ir_bug("256 classes are too many");
	}
	le_table_free(&t);
	return s;
}

static ir_status read_npy(const char *path, le_label_set *out, ir_diag *d)
{
	le_file f;
	ir_status s = le_file_open(&f, path, d);

	if (s == IR_OK)
		s = le_npy_read_labels(&f, out);
	le_file_close(&f);
	return s;
}

static ir_status add_line(const le_text *t, le_label_set *out)
{
	const char *s = t->line.s;
	size_t n = t->line.n;

	for (; n > 0 && (*s == ' ' || *s == '\t'); n--)
		s++;
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (n == 0 || n > LE_MAX_LABEL)
		return le_file_fail(&t->f, IR_EINPUT, "line %llu, column 1: a label has 1 to %d bytes, this one %zu",
				    (unsigned long long)t->number, LE_MAX_LABEL, n);
	if (memchr(s, '\r', n))
		return le_file_fail(&t->f, IR_EINPUT, "line %llu: a carriage return that does not end the line",
				    (unsigned long long)t->number);
	return le_label_add(out, s, n) ? IR_OK
	     : le_file_fail(&t->f, IR_EINPUT, "line %llu: more than %d different labels", (unsigned long long)t->number,
			    LE_MAX_CLASSES);
}

static ir_status read_lines(const char *path, le_label_set *out, ir_diag *d)
{
	le_text t;
	bool more = true;
	ir_status s = le_text_open(&t, path, d);

	while (s == IR_OK && (s = le_text_next(&t, false, &more)) == IR_OK && more)
		s = add_line(&t, out);
	if (s == IR_OK && out->n == 0)
		s = le_file_fail(&t.f, IR_EINPUT, "no labels: the file ends in line 1");
	le_text_close(&t);
	return s;
}

/* A row for each form: what the file, unpacked, begins with. */
static const struct {
	const char *magic;
	size_t n;
	ir_status (*read)(const char *path, le_label_set *out, ir_diag *d);
} forms[] = {{"\x93NUMPY", 6, read_npy}, {"\0\0", 2, read_idx}, {"", 0, read_lines}};

ir_status le_labels_read(const char *path, le_labels *out, ir_diag *d)
{
	le_label_set set = {0};
	char magic[6];
	size_t got = 0, k = 0;
	le_file f;
	ir_status s = le_file_open(&f, path, d);

	*out = (le_labels){0};
	if (s == IR_OK)
		s = le_file_some(&f, magic, sizeof magic, &got);
	le_file_close(&f);
	if (s != IR_OK)
		return s;
	while (got < forms[k].n || memcmp(magic, forms[k].magic, forms[k].n) != 0)
		k++; /* the last one takes all */
	s = forms[k].read(path, &set, d);
	if (s == IR_OK)
		le_label_take(&set, out);
	else
		le_label_drop(&set);
	return s;
}
