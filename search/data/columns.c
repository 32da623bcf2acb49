/* SPDX-License-Identifier: Apache-2.0
 * Columns of several files, or of a file and a trained model, meet by their names where both have them: a column that moved is
 * put into its place, one that is missing or strange is refused. */
#include <stdlib.h>
#include <string.h>
#include "search/data/data_int.h"

typedef struct column {
	char *name;
	int64_t at;
} column;

static int by_name(const void *a, const void *b)
{
	const column *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : x->at < y->at ? -1 : x->at > y->at;
}

/* Heap, by name; those of one name in their order. */
static column *sort_columns(char *const *name, int64_t n)
{
	column *c = ir_xmalloc((size_t)n + 1, sizeof *c);

	for (int64_t i = 0; i < n; i++)
		c[i] = (column){le_column_name(name[i]), i};
	qsort(c, (size_t)n, sizeof *c, by_name);
	return c;
}

static void free_columns(column *c, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		free(c[i].name);
	free(c);
}

/* from[i]: where wanted column i is in the file. Of the wanted ones that are not there, and of those there that nobody wants,
 * the first; NULL: there are none. */
static void match_columns(const column *want, int64_t n, const column *have, int64_t m, int64_t *from, const column *first[2])
{
	for (int64_t i = 0, k = 0; i < n || k < m;) {
		int c = i == n ? 1 : k == m ? -1 : strcmp(want[i].name, have[k].name);
		const column *odd = c < 0 ? &want[i] : &have[k], **to = &first[c > 0];

		if (c && (!*to || odd->at < (*to)->at))
			*to = odd;
		if (!c)
			from[want[i].at] = have[k].at;
		i += c <= 0, k += c >= 0;
	}
}

/* Rows and names of t in the order that from says. */
static void move_columns(le_table *t, const int64_t *from)
{
	size_t w = (size_t)t->width;
	char **name = ir_xmalloc(w, sizeof *name);
	float *x = t->data, *row = ir_xmalloc(w, sizeof *row);

	IR_ASSERT(t->dtype == IR_F32 && !t->stays, "columns with names are text");
	for (size_t i = 0; i < w; i++)
		name[i] = t->column[from[i]];
	free(t->column);
	t->column = name;
	for (int64_t r = 0; r < t->rows; r++, x += w) {
		for (size_t i = 0; i < w; i++)
			row[i] = x[from[i]];
		memcpy(x, row, w * sizeof *row);
	}
	free(row);
}

static ir_status refuse_columns(const char *path, const char *whose, const char *hint, const column *missing, const column *odd,
				ir_diag *d)
{
	ir_status s;
	ir_str text;

	sb_init(&text);
	if (missing)
		sb_printf(&text, "there is no column '%.60s', which is one of %s", missing->name, whose);
	if (odd)
		sb_printf(&text, "%scolumn '%.60s' is none of %s%s", missing ? "; " : "", odd->name, whose, hint);
	s = le_complain(d, IR_EINPUT, path, text.s);
	sb_fini(&text);
	return s;
}

ir_status le_order_columns(const char *path, const char *whose, const char *hint, char *const *want, int64_t n, le_table *t,
			   ir_diag *d)
{
	const column *first[2] = {NULL, NULL};
	column *w, *h;
	int64_t *from;
	bool moved = false;
	ir_status s = IR_OK;

	if (!want || !t->column)
		return IR_OK;
	w = sort_columns(want, n), h = sort_columns(t->column, t->width);
	from = ir_xmalloc((size_t)n + 1, sizeof *from);
	match_columns(w, n, h, t->width, from, first);
	if (first[0] || first[1])
		s = refuse_columns(path, whose, hint, first[0], first[1], d);
	for (int64_t i = 0; i < n; i++)
		moved |= from[i] != i;
	if (s == IR_OK && moved)
		move_columns(t, from);
	free_columns(w, n);
	free_columns(h, t->width);
	free(from);
	return s;
}
