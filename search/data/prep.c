/* SPDX-License-Identifier: Apache-2.0
 * What a model expects of its rows, as texts beside its weights: scaling, names of columns, means for missing values. To keep
 * one more: a field of le_prep, a row here. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/data/data_int.h"

void le_prep_free(le_prep *p)
{
	le_scale_free(&p->scale);
	for (int64_t i = 0; p->column && i < p->width; i++)
		free(p->column[i]);
	free(p->column);
	free(p->fill);
	*p = (le_prep){0};
}

/* All texts are of rows of one width, that of the first. */
static bool fits_width(le_prep *p, size_t n)
{
	if (n < 1 || n > LE_MAX_DIM || (p->width && (size_t)p->width != n))
		return false;
	p->width = (int64_t)n;
	return true;
}

/* ---- scaling --------------------------------------------------------------------------------------------------------- */

static void print_scaling(const le_data *t, ir_str *out)
{
	if (t->scale.width)
		le_scale_print(&t->scale, out);
}

static bool parse_scaling(const char *text, le_prep *p)
{
	return le_scale_parse(text, &p->scale) && fits_width(p, (size_t)p->scale.width);
}

/* ---- names of columns -------------------------------------------------------------------------------------------------- */

char *le_column_name(const char *name)
{
	ir_str s;
	char *shown;

	sb_init(&s);
	sb_put_visible(&s, name, strlen(name));
	shown = le_text_copy(s.s);
	sb_fini(&s);
	return shown;
}

static void print_columns(const le_data *t, ir_str *out)
{
	for (int64_t i = 0; t->table.column && i < t->table.width; i++) {
		char *name = le_column_name(t->table.column[i]);

		sb_put(out, i ? ", " : "[");
		sb_put_json_text(out, name);
		free(name);
	}
	if (t->table.column)
		sb_putc(out, ']');
}

static bool parse_columns(const char *text, le_prep *p)
{
	json_t *j = json_loads(text, 0, NULL);
	size_t n = json_array_size(j);
	bool ok = fits_width(p, n);

	if (ok)
		p->column = ir_xmalloc(n, sizeof *p->column);
	for (size_t i = 0; ok && i < n; i++) {
		const char *name = json_string_value(json_array_get(j, i));

		ok = name;
		p->column[i] = name ? le_text_copy(name) : NULL;
	}
	json_decref(j);
	return ok;
}

/* ---- missing values ------------------------------------------------------------------------------------------------------ */

static void print_missing(const le_data *t, ir_str *out)
{
	for (int64_t i = 0; t->fill && i < t->table.width; i++)
		sb_printf(out, "%s%.17g", i ? ", " : "[", t->fill[i]);
	if (t->fill)
		sb_putc(out, ']');
}

static bool parse_missing(const char *text, le_prep *p)
{
	json_t *j = json_loads(text, 0, NULL);
	size_t n = json_array_size(j);
	bool ok = fits_width(p, n);

	if (ok)
		p->fill = ir_xmalloc(n, sizeof *p->fill);
	for (size_t i = 0; ok && i < n; i++) {
		const json_t *v = json_array_get(j, i);

		p->fill[i] = json_number_value(v);
		ok = json_is_number(v) && isfinite((float)p->fill[i]);
	}
	json_decref(j);
	return ok;
}

/* ---- all of them --------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *key; /* in the metadata of a file of weights */
	void (*print)(const le_data *t, ir_str *out);
	bool (*parse)(const char *text, le_prep *p);
} kept[] = {
	{"scaling", print_scaling, parse_scaling},
	{"columns", print_columns, parse_columns},
	{"missing", print_missing, parse_missing},
};

_Static_assert(sizeof kept / sizeof *kept == LE_PREP_TEXTS, "data.h says how many");

const char *le_prep_print(const le_data *t, size_t i, ir_str *out)
{
	kept[i].print(t, out);
	return kept[i].key;
}

bool le_prep_parse(const char *(*text)(const void *ctx, const char *key), const void *ctx, le_prep *out)
{
	bool ok = true;

	*out = (le_prep){0};
	for (size_t i = 0; ok && i < LE_PREP_TEXTS; i++) {
		const char *s = text(ctx, kept[i].key);

		ok = !s || kept[i].parse(s, out);
	}
	if (!ok)
		le_prep_free(out);
	return ok;
}
