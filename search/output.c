/* SPDX-License-Identifier: Apache-2.0
 * search/output.c -- see output.h. */
#include "search/output.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WIDTH 48 /* of a column in the aligned table; longer text is cut, CSV and JSON have all of it */

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s && *s != '\n' && n < MAX_WIDTH; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

const char *se_cell_short(const se_cell *c, char buffer[32])
{
	if (c->kind != SE_REAL)
		return c->text;
	snprintf(buffer, 32, "%.6g", c->r);
	return buffer;
}

static void print_cell(const char *text, int width, bool right, bool last)
{
	int n = width_of(text), pad = width - n;

	if (right)
		printf("%*s", pad, "");
	for (int shown = 0; *text && *text != '\n'; text++) {
		shown += (*text & 0xc0) != 0x80;
		if (shown > MAX_WIDTH)
			break;
		putchar(*text);
	}
	if (!last)
		printf("%*s  ", right ? 0 : pad, "");
}

static void print_table(const se_table *t)
{
	int *width = ir_xmalloc(t->ncol + 1, sizeof *width);
	bool *right = ir_xmalloc(t->ncol + 1, sizeof *right);
	char buffer[32];

	for (size_t i = 0; i < t->ncol; i++) {
		width[i] = width_of(t->col[i]);
		right[i] = t->nrow > 0;
	}
	for (size_t k = 0; k < t->nrow * t->ncol; k++) {
		int n = width_of(se_cell_short(&t->cell[k], buffer));

		width[k % t->ncol] = n > width[k % t->ncol] ? n : width[k % t->ncol];
		if (t->cell[k].kind == SE_TEXT)
			right[k % t->ncol] = false;
	}
	for (size_t i = 0; i < t->ncol; i++)
		print_cell(t->col[i], width[i], right[i], i + 1 == t->ncol);
	putchar('\n');
	for (size_t k = 0; k < t->nrow * t->ncol; k++) {
		size_t i = k % t->ncol;

		print_cell(se_cell_short(&t->cell[k], buffer), width[i], right[i], i + 1 == t->ncol);
		if (i + 1 == t->ncol)
			putchar('\n');
	}
	free(width);
	free(right);
}

/* RFC 4180, but with plain newlines. */
static void print_csv_text(const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		fputs(s, stdout);
		return;
	}
	putchar('"');
	for (; *s; s++) {
		if (*s == '"')
			putchar('"');
		putchar(*s);
	}
	putchar('"');
}

static void print_csv(const se_table *t)
{
	for (size_t i = 0; i < t->ncol; i++) {
		print_csv_text(t->col[i]);
		putchar(i + 1 == t->ncol ? '\n' : ',');
	}
	for (size_t k = 0; k < t->nrow * t->ncol; k++) {
		print_csv_text(t->cell[k].text);
		putchar((k + 1) % t->ncol ? ',' : '\n');
	}
}

static void json_cell(ir_str *out, const se_cell *c)
{
	switch (c->kind) {
	case SE_NULL: sb_put(out, "null"); return;
	case SE_INTEGER: sb_put(out, c->text); return;
	case SE_REAL: sb_put_json_real(out, c->r); return;
	case SE_TEXT: sb_put_json_text(out, c->text); return;
	}
}

void se_row_json(const se_table *t, size_t row, ir_str *out)
{
	for (size_t i = 0; i < t->ncol; i++) {
		sb_put(out, i ? ", " : "{");
		sb_put_json_text(out, t->col[i]);
		sb_put(out, ": ");
		json_cell(out, &t->cell[row * t->ncol + i]);
	}
	sb_put(out, "}");
}

/* {"columns": [..], "rows": [{..}, ..]}: rows read well, columns keep their order and survive an empty answer. */
static void print_json(const se_table *t)
{
	ir_str s;

	sb_init(&s);
	sb_put(&s, "{\"columns\": [");
	for (size_t i = 0; i < t->ncol; i++) {
		sb_put(&s, i ? ", " : "");
		sb_put_json_text(&s, t->col[i]);
	}
	sb_put(&s, "], \"rows\": [");
	for (size_t k = 0; k < t->nrow; k++) {
		sb_put(&s, k ? ",\n" : "\n");
		se_row_json(t, k, &s);
	}
	sb_put(&s, "]}\n");
	fputs(s.s, stdout);
	sb_fini(&s);
}

size_t se_table_column(const se_table *t, const char *name)
{
	for (size_t i = 0; i < t->ncol; i++)
		if (!strcmp(t->col[i], name))
			return i;
	ir_bug("no column '%s'", name);
}

static void print_record_json(const se_table *t)
{
	ir_str s;

	sb_init(&s);
	se_row_json(t, 0, &s);
	puts(s.s);
	sb_fini(&s);
}

/* What people read in place of a column's name; NULL: the name itself. beside: a column that belongs next to it. */
static const struct {
	const char *column, *label, *beside;
} wording[] = {
	{"value", NULL, "pca_value"},
	{"test_value", NULL, "pca_test_value"},
	{"flops", "flops per step", NULL},
};

#define NWORDING (sizeof wording / sizeof *wording)

static const char *label_of(const char *column)
{
	for (size_t i = 0; i < NWORDING; i++)
		if (wording[i].label && !strcmp(column, wording[i].column))
			return wording[i].label;
	return column;
}

static const se_cell *find_cell(const se_table *t, const char *name)
{
	for (size_t i = 0; i < t->ncol; i++)
		if (!strcmp(t->col[i], name))
			return &t->cell[i];
	return NULL;
}

/* Printed on another column's line? */
static bool is_beside(const se_table *t, const char *column)
{
	const se_cell *c;

	for (size_t i = 0; i < NWORDING; i++)
		if (wording[i].beside && !strcmp(column, wording[i].beside))
			return (c = find_cell(t, wording[i].column)) && c->kind != SE_NULL;
	return false;
}

static void print_beside(const se_table *t, const char *column)
{
	char buffer[32];

	for (size_t i = 0; i < NWORDING; i++) {
		const se_cell *c = wording[i].beside && !strcmp(column, wording[i].column) ? find_cell(t, wording[i].beside) : NULL;

		if (c && c->kind != SE_NULL)
			printf("  %s %s", wording[i].beside, se_cell_short(c, buffer));
	}
}

void se_record_print(const se_table *t, bool json)
{
	char buffer[32];
	int width = 0;

	if (json) {
		print_record_json(t);
		return;
	}
	for (size_t i = 0; i < t->ncol; i++)
		width = width_of(label_of(t->col[i])) > width ? width_of(label_of(t->col[i])) : width;
	for (size_t i = 0; i < t->ncol; i++) {
		if (t->cell[i].kind == SE_NULL || !strcmp(t->col[i], "ir") || is_beside(t, t->col[i]))
			continue;
		printf("%-*s %s", width, label_of(t->col[i]), se_cell_short(&t->cell[i], buffer));
		print_beside(t, t->col[i]);
		putchar('\n');
	}
}

void se_table_print(const se_table *t, se_format f)
{
	switch (f) {
	case SE_FORMAT_TABLE: print_table(t); return;
	case SE_FORMAT_CSV: print_csv(t); return;
	case SE_FORMAT_JSON: print_json(t); return;
	}
}

int se_complain(const ir_diag *d, ir_status st)
{
	ir_str s;

	sb_init(&s);
	ir_diag_print_all(d, &s);
	if (ir_diag_size(d))
		fputs(s.s, stderr);
	else
		fprintf(stderr, "gradmill: %s\n", ir_status_text(st));
	sb_fini(&s);
	return ir_status_exit(st);
}

ir_status se_refuse_file(ir_diag *d, const char *path, ir_status st, const char *why)
{
	ir_error(d, (ir_loc){0, 0, 0}, IR_E_file, path, why);
	return st;
}

static int open_study(const char *db, const char *study, bool running, ir_arena *a, se_store **s, se_study *st)
{
	ir_diag *d = ir_diag_new();
	ir_status status = se_store_open(db, SE_OPEN_READ, s, d);
	int rc = 0;

	if (status == IR_OK && !study && running)
		study = se_store_driven_name(*s, a);
	if (status == IR_OK)
		status = se_store_find_study(*s, study, a, st, d);
	if (status != IR_OK) {
		rc = se_complain(d, status);
	} else if (!st->id) {
		fprintf(stderr, study ? "gradmill: %s: no study '%s'\n" : "gradmill: %s: no study yet\n", db, study);
		rc = 66;
	}
	if (rc) {
		se_store_close(*s);
		*s = NULL;
	}
	ir_diag_free(d);
	return rc;
}

int se_open_study(const char *db, const char *study, ir_arena *a, se_store **s, se_study *st)
{
	return open_study(db, study, false, a, s, st);
}

int se_open_running_study(const char *db, const char *study, ir_arena *a, se_store **s, se_study *st)
{
	return open_study(db, study, true, a, s, st);
}

bool se_parse_number(const char *text, int64_t *out)
{
	int64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || v > INT64_MAX / 10 - 1)
			return false;
		v = v * 10 + (*text - '0');
	}
	*out = v;
	return true;
}
