/* SPDX-License-Identifier: Apache-2.0
 * Tables as text: fields divided by commas, semicolons or tabs, quotes as in RFC 4180. Strict where a guess could turn one
 * number into another: no decimal commas, no thousands, no hex, no lines that are too short. A field's spaces at both ends
 * do not count unless they are quoted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "search/data/data_int.h"

#define MAX_COLUMNS 65536
#define FIRST_STEP  ((size_t)1 << 16)

typedef struct field {
	char *s; /* in the line */
	size_t n;
} field;

typedef enum use { KEEP, LABEL, DROP } use;

typedef struct csv {
	le_text t;
	char delimiter;
	field *field; /* of the current line */
	size_t n, cap;
	size_t columns; /* of line 1 */
	char **header;	/* NULL: none */
	use *use;	/* of every column */
	le_table out;	/* data has room for cap_bytes */
	size_t cap_bytes;
	le_label_set labels;
} csv;

/* ---- fields ------------------------------------------------------------------------------------------------------- */

static ir_status bad_line(const csv *c, const char *what)
{
	return le_file_fail(&c->t.f, IR_EINPUT, "line %llu, column %zu: %s", (unsigned long long)c->t.number, c->n + 1, what);
}

static ir_status add_field(csv *c, char *s, size_t n)
{
	if (c->n == MAX_COLUMNS)
		return bad_line(c, "more columns than 65536");
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->field = ir_xrealloc(c->field, c->cap, sizeof *c->field);
	}
	c->field[c->n++] = (field){s, n};
	return IR_OK;
}

/* Up to the next delimiter or the end; *s moves there. */
static ir_status split_plain(csv *c, char **s, char *end)
{
	char *from = *s, *to = *s, space = c->delimiter == '\t' ? ' ' : '\t';

	for (; to < end && *to != c->delimiter; to++)
		if (*to == '"' || *to == '\r')
			return bad_line(c, *to == '"' ? "a quote inside a field that does not begin with one"
						      : "a carriage return that does not end the line");
	*s = to;
	while (from < to && (*from == ' ' || *from == space))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == space))
		to--;
	return add_field(c, from, (size_t)(to - from));
}

/* *s is the opening quote. The text is written over its own place: "" becomes ", so it only shrinks. */
static ir_status split_quoted(csv *c, char **s, char *end)
{
	char *from = *s + 1, *p = from, *to = from;

	for (; p < end && (*p != '"' || p[1] == '"'); p++) { /* a NUL follows the line */
		*to++ = *p;
		p += *p == '"';
	}
	if (p >= end)
		return bad_line(c, "a quote opens this field and nothing closes it");
	*s = p + 1;
	if (*s < end && **s != c->delimiter)
		return bad_line(c, "text behind the closing quote");
	return add_field(c, from, (size_t)(to - from));
}

static ir_status split(csv *c)
{
	char *s = c->t.line.s, *end = s + c->t.line.n;

	for (c->n = 0;; s++) {
		ir_status st = *s == '"' ? split_quoted(c, &s, end) : split_plain(c, &s, end);

		if (st != IR_OK || s >= end)
			return st;
	}
}

/* The most frequent of the three outside quotes; of equals the first. */
static char guess_delimiter(const ir_str *line)
{
	static const char marks[] = ",;\t";
	size_t count[3] = {0}, best = 0;
	bool quoted = false;

	for (size_t i = 0; i < line->n; i++) {
		const char *m = strchr(marks, line->s[i]);

		quoted ^= line->s[i] == '"';
		if (m && !quoted)
			count[m - marks]++;
	}
	for (size_t k = 1; k < 3; k++)
		if (count[k] > count[best])
			best = k;
	return marks[best];
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static bool is_missing(const field *v)
{
	static const char *const marks[] = {"", "NA", "N/A", "NaN", "nan", "null", "?"};

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (v->n == strlen(marks[i]) && memcmp(v->s, marks[i], v->n) == 0)
			return true;
	return false;
}

/* inf, Infinity and so on: numbers that are refused, rather than names of columns. */
static bool is_infinite(const field *v)
{
	size_t sign = v->n && (*v->s == '-' || *v->s == '+'), n = v->n - sign;

	return (n == 3 || n == 8) && strncasecmp(v->s + sign, "infinity", n) == 0;
}

static ir_status bad_cell(const csv *c, size_t col, const char *what)
{
	const field *v = &c->field[col];
	const char *name = c->header ? c->header[col] : "";

	return le_file_fail(&c->t.f, IR_EINPUT, "line %llu, column %zu%s%.40s%s: '%.*s' %s", (unsigned long long)c->t.number,
			    col + 1, *name ? " (" : "", name, *name ? ")" : "", v->n < 40 ? (int)v->n : 40, v->s, what);
}

static ir_status parse_value(const csv *c, size_t col, float *to)
{
	const field *v = &c->field[col];
	double d;

	*to = NAN;
	if (le_text_number(v->s, v->n, &d))
		*to = (float)d;
	else if (is_infinite(v))
		return bad_cell(c, col, "is infinite");
	else if (!is_missing(v))
		return bad_cell(c, col, "is not a number: use the column as labels or drop it");
	return isinf(*to) ? bad_cell(c, col, "is beyond f32") : IR_OK;
}

static ir_status parse_label(csv *c, size_t col)
{
	const field *v = &c->field[col];

	if (v->n == 0)
		return bad_cell(c, col, "is no label: it is missing");
	if (v->n > LE_MAX_LABEL)
		return bad_cell(c, col, "is longer than the 256 bytes of a label");
	return le_label_add(&c->labels, v->s, v->n) ? IR_OK : bad_cell(c, col, "is one label too many: at most 65536 different ones");
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

static bool has_names(const csv *c)
{
	double d;

	for (size_t i = 0; i < c->n; i++) {
		const field *v = &c->field[i];

		if (!is_missing(v) && !is_infinite(v) && !le_text_number(v->s, v->n, &d))
			return true;
	}
	return false;
}

static char *field_copy(const field *v)
{
	char *p = ir_xmalloc(v->n + 1, 1);

	memcpy(p, v->s, v->n);
	return p;
}

static ir_status no_column(const csv *c, const char *name, size_t n, const char *what)
{
	ir_str list;
	ir_status s;

	sb_init(&list);
	for (size_t i = 0; c->header && i < c->columns && list.n < 200; i++)
		sb_printf(&list, "%s%.40s", i ? ", " : ": ", c->header[i]);
	s = le_file_fail(&c->t.f, IR_EINPUT, "%s '%.*s' in line 1, which has %zu columns%s", what, n < 40 ? (int)n : 40, name,
			 c->columns, list.s);
	sb_fini(&list);
	return s;
}

/* How many columns this means, and the last of them: all of that name, or else the one of that number, from 1. */
static size_t find_columns(const csv *c, const char *name, size_t n, size_t *col)
{
	size_t found = 0, number = 0;

	for (size_t i = 0; c->header && i < c->columns; i++)
		if (strlen(c->header[i]) == n && memcmp(c->header[i], name, n) == 0) {
			*col = i;
			found++;
		}
	for (size_t i = 0; !found && i < n; i++) {
		if (name[i] < '0' || name[i] > '9' || number > MAX_COLUMNS)
			return 0;
		number = 10 * number + (size_t)(name[i] - '0');
	}
	if (found || number < 1 || number > c->columns)
		return found;
	*col = number - 1;
	return 1;
}

static ir_status mark_column(csv *c, const char *name, size_t n, bool optional, use u)
{
	size_t col = 0, found = find_columns(c, name, n, &col);

	if (found > 1)
		return no_column(c, name, n, "more than one column is called");
	if (optional && (!found || c->use[col] != KEEP))
		return IR_OK;
	if (!found)
		return no_column(c, name, n, "there is no column");
	if (c->use[col] != KEEP)
		return no_column(c, name, n, "used or dropped already:");
	c->use[col] = u;
	return IR_OK;
}

static ir_status mark_columns(csv *c, const le_csv_options *o)
{
	ir_status s = IR_OK;

	if (o && o->label)
		s = mark_column(c, o->label, strlen(o->label), o->label_optional, LABEL);
	for (const char *p = o ? o->drop : NULL; s == IR_OK && p;) {
		size_t n = strcspn(p, ",");

		s = mark_column(c, p, n, o->drop_optional, DROP);
		p = p[n] ? p + n + 1 : NULL;
	}
	for (size_t i = 0; i < c->columns; i++)
		c->out.width += c->use[i] == KEEP;
	if (s == IR_OK && c->out.width == 0)
		s = le_file_fail(&c->t.f, IR_EINPUT, "line 1: none of its %zu columns is left", c->columns);
	return s;
}

/* Line 1: what divides fields, how many there are, their names if it is a header. */
static ir_status read_first(csv *c)
{
	bool more;
	ir_status s = le_text_next(&c->t, true, &more);

	if (s == IR_OK && !more)
		s = le_file_fail(&c->t.f, IR_EINPUT, "empty: there is no line 1");
	if (s != IR_OK)
		return s;
	c->delimiter = guess_delimiter(&c->t.line);
	if ((s = split(c)) != IR_OK)
		return s;
	c->columns = c->n;
	c->use = ir_xmalloc(c->n, sizeof *c->use);
	if (has_names(c)) {
		c->header = ir_xmalloc(c->n, sizeof *c->header);
		for (size_t i = 0; i < c->n; i++)
			c->header[i] = field_copy(&c->field[i]);
	}
	return IR_OK;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

/* Room for one more row: twice what there was, as nobody knows how many follow. */
static ir_status reserve_row(csv *c)
{
	size_t row = (size_t)c->out.width * sizeof(float), need = ((size_t)c->out.rows + 1) * row, cap = c->cap_bytes;
	ir_status s;

	if (need > LE_MAX_BYTES || (uint64_t)c->out.rows == LE_MAX_DIM)
		return le_file_fail(&c->t.f, IR_EINPUT, "line %llu: a table of more than 2^33 bytes or 2^31-1 rows",
				    (unsigned long long)c->t.number);
	if (need <= cap)
		return IR_OK;
	cap = cap ? 2 * cap : FIRST_STEP;
	cap = cap < need ? need : cap;
	s = c->out.data ? rt_grow(&c->out.data, c->cap_bytes, cap) : rt_alloc(cap, &c->out.data);
	if (s != IR_OK)
		return le_file_fail(&c->t.f, s, "no memory for %zu bytes", cap);
	c->cap_bytes = cap;
	return IR_OK;
}

static ir_status add_row(csv *c)
{
	ir_status s;
	float *to;

	if (c->n != c->columns)
		return le_file_fail(&c->t.f, IR_EINPUT, "line %llu has %zu columns, line 1 has %zu", (unsigned long long)c->t.number,
				    c->n, c->columns);
	if ((s = reserve_row(c)) != IR_OK)
		return s;
	to = (float *)c->out.data + c->out.rows * c->out.width;
	for (size_t i = 0; s == IR_OK && i < c->n; i++)
		if (c->use[i] == KEEP)
			s = parse_value(c, i, to++);
		else if (c->use[i] == LABEL)
			s = parse_label(c, i);
	c->out.rows += s == IR_OK;
	return s;
}

static ir_status read_rows(csv *c)
{
	bool more = true;
	ir_status s = c->header ? IR_OK : add_row(c);

	while (s == IR_OK && (s = le_text_next(&c->t, true, &more)) == IR_OK && more)
		if ((s = split(c)) == IR_OK)
			s = add_row(c);
	if (s == IR_OK && c->out.rows == 0)
		s = le_file_fail(&c->t.f, IR_EINPUT, "no rows: the file ends behind line 1, the header");
	return s;
}

/* A table's memory is exactly as large as its shape says. */
static ir_status trim(csv *c)
{
	size_t bytes = (size_t)(c->out.rows * c->out.width) * sizeof(float);
	void *exact = NULL;
	ir_status s = rt_alloc(bytes, &exact);

	if (s != IR_OK)
		return le_file_fail(&c->t.f, s, "no memory for %zu bytes", bytes);
	memcpy(exact, c->out.data, bytes);
	rt_free(c->out.data, c->cap_bytes);
	c->out.data = exact;
	c->cap_bytes = bytes;
	return IR_OK;
}

/* Names of the columns that are numbers go to the table. */
static void name_columns(csv *c)
{
	size_t k = 0;

	if (!c->header)
		return;
	c->out.column = ir_xmalloc((size_t)c->out.width, sizeof *c->out.column);
	for (size_t i = 0; i < c->columns; i++)
		if (c->use[i] == KEEP) {
			c->out.column[k++] = c->header[i];
			c->header[i] = NULL;
		}
}

static void drop(csv *c)
{
	for (size_t i = 0; c->header && i < c->columns; i++)
		free(c->header[i]);
	free(c->header);
	free(c->use);
	free(c->field);
	rt_free(c->out.data, c->cap_bytes);
	le_label_drop(&c->labels);
	le_text_close(&c->t);
}

ir_status le_csv_read(const char *path, const le_csv_options *o, le_table *out, le_labels *labels, ir_diag *d)
{
	csv c = {.out.dtype = IR_F32};
	ir_status s = le_text_open(&c.t, path, d);

	IR_ASSERT(labels || !o || !o->label, "labels of %s have no place to go to", path);
	*out = (le_table){0};
	if (labels)
		*labels = (le_labels){0};
	if (s == IR_OK)
		s = read_first(&c);
	if (s == IR_OK)
		s = mark_columns(&c, o);
	if (s == IR_OK)
		s = read_rows(&c);
	if (s == IR_OK)
		s = trim(&c);
	if (s == IR_OK) {
		name_columns(&c);
		*out = c.out;
		c.out.data = NULL;
		if (labels)
			le_label_take(&c.labels, labels);
	}
	drop(&c);
	return s;
}

bool le_csv_has_column(const char *path, const char *name)
{
	ir_diag *quiet = ir_diag_new(); /* who reads the file will say what is wrong with it */
	csv c = {.out.dtype = IR_F32};
	ir_status s = le_text_open(&c.t, path, quiet);
	size_t col;
	bool has;

	if (s == IR_OK)
		s = read_first(&c);
	has = s == IR_OK && find_columns(&c, name, strlen(name), &col);
	drop(&c);
	ir_diag_free(quiet);
	return has;
}
