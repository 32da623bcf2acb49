/* SPDX-License-Identifier: Apache-2.0
 * From what the data are to a data set: files into one table, labels, rows for training, validation and test, missing values,
 * scaling. A table that may be larger than memory stays in its file (le_data_staged) and is scaled as it is read. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "search/data/data_int.h"

#define FASHION_DIR "/usr/share/datasets/fashion-mnist/"
#define HASHED      ((uint64_t)1 << 26) /* bytes of a table in its file that are hashed at a time */

char *le_text_copy(const char *s)
{
	size_t n = strlen(s);
	char *p = ir_xmalloc(n + 1, 1);

	memcpy(p, s, n);
	return p;
}

ir_status le_complain(ir_diag *d, ir_status s, const char *name, const char *text)
{
	ir_report(d, (ir_loc){0}, IR_E_file, name, text);
	return s;
}

/* ---- one table of several files -------------------------------------------------------------------------------------- */

/* Bytes as the model sees them: cc_feed. x may be the last quarter of y. */
static void floats_of(const uint8_t *x, size_t n, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = (float)x[i] / 255;
}

static ir_status widen(const char *name, le_table *t, ir_diag *d)
{
	size_t n = (size_t)(t->rows * t->width);
	void *f;
	ir_status s;

	if (t->dtype == IR_F32)
		return IR_OK;
	if (t->stays)
		return le_complain(d, IR_EINPUT, name, "a file of bytes this large is used as it is, it cannot be standardised");
	s = rt_alloc(n * sizeof(float), &f);
	if (s != IR_OK)
		return le_complain(d, s, name, ir_status_text(s));
	floats_of(t->data, n, f);
	rt_free(t->data, n);
	t->data = f;
	t->dtype = IR_F32;
	return IR_OK;
}

/* *a becomes the rows of *a, then those of *b; *b is freed in any case. name: of b's file. */
static ir_status join(const char *name, le_table *a, le_table *b, ir_diag *d)
{
	size_t size, na, nb;
	ir_status s = IR_OK;

	if (a->stays || b->stays)
		s = le_complain(d, IR_EINPUT, name, "a file this large cannot be joined with another: use --split");
	else if ((s = le_order_columns(name, "those of --data", "", a->column, a->width, b, d)) != IR_OK)
		;
	else if (a->width != b->width)
		s = le_complain(d, IR_EINPUT, name, "its rows are not as wide as those of --data");
	else if (a->dtype != b->dtype && (s = widen(name, a, d)) == IR_OK)
		s = widen(name, b, d);
	size = ir_dtype_size(a->dtype);
	na = (size_t)(a->rows * a->width) * size, nb = (size_t)(b->rows * b->width) * size;
	if (s == IR_OK && (s = rt_grow(&a->data, na, na + nb)) != IR_OK)
		le_complain(d, s, name, ir_status_text(s));
	if (s == IR_OK) {
		memcpy((char *)a->data + na, b->data, nb);
		a->rows += b->rows;
	}
	le_table_free(b);
	return s;
}

/* ---- labels ----------------------------------------------------------------------------------------------------------- */

static int32_t class_of(le_data *t, const char *name)
{
	for (int64_t i = 0; i < t->nclass; i++)
		if (!strcmp(t->class_name[i], name))
			return (int32_t)i;
	t->class_name = ir_xrealloc(t->class_name, (size_t)t->nclass + 1, sizeof *t->class_name);
	t->class_name[t->nclass] = le_text_copy(name);
	return (int32_t)t->nclass++;
}

/* Labels of the rows from `first` on, -1 for those that have none, and for rows before if none of them had one. */
static void take_labels(le_data *t, int64_t first, const le_labels *l)
{
	int32_t *id = ir_xmalloc((size_t)l->nclass + 1, sizeof *id);
	int64_t known = t->label ? first : 0;

	t->label = ir_xrealloc(t->label, (size_t)t->table.rows, sizeof *t->label);
	for (int64_t i = known; i < t->table.rows; i++)
		t->label[i] = -1;
	for (size_t i = 0; i < l->nclass; i++)
		id[i] = class_of(t, l->class_name[i]);
	for (int64_t i = 0; i < l->n && first + i < t->table.rows; i++)
		t->label[first + i] = l->label[i] < 0 ? -1 : id[l->label[i]];
	free(id);
}

static ir_status labels_from(const char *path, le_data *t, int64_t first, int64_t rows, ir_diag *d)
{
	char text[160];
	le_labels l;
	ir_status s = le_labels_read(path, &l, d);

	if (s != IR_OK)
		return s;
	if (l.n == rows) {
		take_labels(t, first, &l);
	} else {
		snprintf(text, sizeof text, "%lld labels for %lld rows", (long long)l.n, (long long)rows);
		s = le_complain(d, IR_EINPUT, path, text);
	}
	le_labels_free(&l);
	return s;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

/* part: how many rows are of the data, the validation file, the test file. */
static ir_status load_fashion(le_data *t, int64_t part[3], ir_diag *d)
{
	le_table test = {0};
	ir_diag *quiet = ir_diag_new(); /* a missing file gets a better message below */
	ir_status s = le_idx_read(FASHION_DIR "train-images-idx3-ubyte.gz", &t->table, quiet);

	if (s == IR_OK)
		s = le_idx_read(FASHION_DIR "t10k-images-idx3-ubyte.gz", &test, quiet);
	part[0] = t->table.rows, part[2] = test.rows;
	if (s == IR_OK)
		s = join("fashion-mnist", &t->table, &test, quiet);
	if (s == IR_OK)
		s = labels_from(FASHION_DIR "train-labels-idx1-ubyte.gz", t, 0, part[0], quiet);
	if (s == IR_OK)
		s = labels_from(FASHION_DIR "t10k-labels-idx1-ubyte.gz", t, part[0], part[2], quiet);
	if (s == IR_ENOINPUT)
		le_complain(d, s, "fashion-mnist", "not found in " FASHION_DIR
			    ": install the Debian package dataset-fashion-mnist (apt install dataset-fashion-mnist)");
	else
		for (size_t i = 0; i < ir_diag_size(quiet); i++) /* text is "path: reason" already */
			le_complain(d, s, "fashion-mnist", ir_diag_get(quiet, i)->text);
	ir_diag_free(quiet);
	return s;
}

/* A file without a header has the names that the model knows. */
static void take_names(const le_prep *prep, le_table *t)
{
	if (!prep->column || t->column || t->width != prep->width)
		return;
	t->column = ir_xmalloc((size_t)t->width, sizeof *t->column);
	for (int64_t i = 0; i < t->width; i++)
		t->column[i] = le_text_copy(prep->column[i]);
}

/* One more file behind the rows that are there; *rows: how many it has. */
static ir_status append(const char *path, const le_source *src, const le_prep *prep, le_data *t, int64_t *rows, ir_diag *d)
{
	le_csv_options csv = {le_labels_are_column(src) ? src->labels : NULL, src->drop, src->labels_optional, src->drop_optional};
	le_table more = {0};
	le_labels l = {0};
	int64_t first = t->table.rows;
	ir_status s = le_table_read(path, src->shape, &csv, &more, &l, d);

	*rows = more.rows;
	if (!first)
		t->table = more;
	else if (s == IR_OK)
		s = join(path, &t->table, &more, d);
	if (s == IR_OK && prep && !first) {
		s = le_order_columns(path, "the model's", ": --drop leaves it out", prep->column, prep->width, &t->table, d);
		take_names(prep, &t->table); /* now, so that the next file's columns are found by them */
	}
	if (s == IR_OK && (l.n || t->label))
		take_labels(t, first, &l);
	le_labels_free(&l);
	return s;
}

bool le_labels_are_column(const le_source *src)
{
	return src->labels && le_has_columns(src->data) &&
	       (le_csv_has_column(src->data, src->labels) || access(src->labels, F_OK) != 0);
}

static ir_status read_files(const le_source *src, const le_prep *prep, le_data *t, int64_t part[3], ir_diag *d)
{
	ir_status s = append(src->data, src, prep, t, &part[0], d);

	if (s == IR_OK && src->val)
		s = append(src->val, src, prep, t, &part[1], d);
	if (s == IR_OK && src->test)
		s = append(src->test, src, prep, t, &part[2], d);
	if (s == IR_OK && src->labels && !le_labels_are_column(src))
		s = labels_from(src->labels, t, 0, part[0], d);
	return s;
}

/* ---- what was asked for --------------------------------------------------------------------------------------------------- */

static ir_status refuse(ir_diag *d, const char *option, const char *text)
{
	ir_report(d, (ir_loc){0}, IR_E_option, option, text);
	return IR_EINPUT;
}

static bool one_of(const char *s, const char *a, const char *b, const char *c)
{
	return !s || !strcmp(s, a) || !strcmp(s, b) || (c && !strcmp(s, c));
}

ir_status le_source_check(const le_source *s, ir_diag *d)
{
	bool fashion = !strcmp(s->data, "fashion-mnist");
	le_split split;

	if (!le_split_parse(s->split, &split))
		return refuse(d, "--split", "must be per cent for training, validation and test rows, 100 in all: 80/10/10");
	if (fashion && (s->val || s->test || s->labels || s->shape || s->drop))
		return refuse(d, "--data", "fashion-mnist brings its own test rows, labels and shape");
	if (s->split && (fashion || s->test) && split.test > 0)
		return refuse(d, "--split", "the test rows are given: their part must be 0");
	if (s->split && s->val && split.val > 0)
		return refuse(d, "--split", "the validation rows are given: their part must be 0");
	if (s->split && !fashion && !s->test && split.test <= 0)
		return refuse(d, "--split", "some rows must be left for the test, or --test-data given");
	if (!one_of(s->missing, "refuse", "mean", NULL))
		return refuse(d, "--missing", "must be refuse or mean");
	if (!one_of(s->scale, "auto", "none", "standard"))
		return refuse(d, "--scale", "must be auto, none or standard");
	if (s->only && !s->labels && !fashion)
		return refuse(d, "--only", "needs --labels");
	return IR_OK;
}

static ir_status refuse_class(const le_source *src, const le_data *t, ir_diag *d)
{
	ir_status s;
	ir_str text;

	if (!t->nclass)
		return refuse(d, "--only", "the rows have no labels: --labels says where they are");
	sb_init(&text);
	sb_put(&text, "no row has the label '");
	sb_put_visible(&text, src->only, strlen(src->only));
	sb_put(&text, "'; there are");
	for (int64_t i = 0; i < t->nclass && i < 20; i++) {
		sb_put(&text, i ? ", " : " ");
		sb_put_visible(&text, t->class_name[i], strlen(t->class_name[i]));
	}
	sb_put(&text, t->nclass > 20 ? ", .." : "");
	s = refuse(d, "--only", text.s);
	sb_fini(&text);
	return s;
}

static ir_status find_class(const le_source *src, const le_data *t, int32_t *class, ir_diag *d)
{
	*class = -1;
	if (!src->only)
		return IR_OK;
	for (int64_t i = 0; i < t->nclass; i++)
		if (!strcmp(t->class_name[i], src->only))
			*class = (int32_t)i;
	return *class >= 0 ? IR_OK : refuse_class(src, t, d);
}

/* ---- values ---------------------------------------------------------------------------------------------------------------- */

bool le_data_staged(const le_data *t)
{
	return t->table.stays;
}

/* Row r of the file as floats; false: NaN, for the file is shorter than it was. */
static bool read_row(const le_table *t, uint32_t r, float *to)
{
	size_t bytes = (size_t)t->width * ir_dtype_size(t->dtype), done;
	char *p = (char *)to;

	if (t->dtype == IR_U8)
		p += 3 * bytes; /* the end of the row, so that it can be widened from its beginning */
	done = le_table_some(t, (uint64_t)r * bytes, p, bytes);
	if (done == bytes && t->dtype == IR_U8)
		floats_of((const uint8_t *)p, bytes, to);
	for (int64_t i = 0; done < bytes && i < t->width; i++)
		to[i] = NAN;
	return done == bytes;
}

void le_data_rows(const le_data *t, const uint32_t *rows, size_t n, float *out)
{
	int64_t w = t->table.width;

	for (size_t r = 0; r < n; r++) {
		int64_t at = (int64_t)rows[r] * w;
		float *to = out + (int64_t)r * w;

		if (le_data_staged(t)) {
			if (read_row(&t->table, rows[r], to) && t->scale.width)
				le_scale_row(&t->scale, to, to);
		} else if (t->table.dtype == IR_U8) {
			floats_of((const uint8_t *)t->table.data + at, (size_t)w, to);
		} else {
			memcpy(to, (const float *)t->table.data + at, (size_t)w * sizeof *to);
		}
	}
}

/* The files behind the rows of a table, in order, and how many are of each. */
typedef struct origin {
	const char *path[3];
	int64_t rows[3];
} origin;

/* "path: row 5, column 2 small: what", which is true of row r of the table and column i, from 0; the row is its file's. */
static ir_status bad_value(const origin *o, const le_data *t, int64_t r, int64_t i, const char *what, ir_diag *d)
{
	int file = 0;
	char *name = le_column_name(t->table.column ? t->table.column[i] : "");
	ir_status s;
	ir_str text;

	while (file < 2 && r >= o->rows[file])
		r -= o->rows[file++];
	sb_init(&text);
	sb_printf(&text, "row %lld, column %lld%s%.60s: %s", (long long)r + 1, (long long)i + 1, *name ? " " : "", name, what);
	s = le_complain(d, IR_EINPUT, o->path[file], text.s);
	sb_fini(&text);
	free(name);
	return s;
}

/* What no model can be trained on, with its place: infinite values, and missing ones; gap: what is wrong with those, NULL: they
 * are filled in. */
static ir_status check_values(const origin *o, const le_data *t, const char *gap, ir_diag *d)
{
	int64_t w = t->table.width, most = (int64_t)le_piece(t), rows = t->table.rows;
	float *room = t->table.stays ? ir_xmalloc((size_t)(most * w), sizeof *room) : NULL;
	ir_status s = IR_OK;

	for (int64_t at = 0; s == IR_OK && at < rows; at += most) {
		int64_t n = rows - at < most ? rows - at : most;
		const float *x;

		s = le_rows_at(o->path[0], t, at, n, room, &x, d);
		for (int64_t i = 0; s == IR_OK && i < n * w; i++)
			if (isinf(x[i]) || (isnan(x[i]) && gap))
				s = bad_value(o, t, at + i / w, i % w, isnan(x[i]) ? gap : "an infinite value", d);
	}
	free(room);
	return s;
}

/* A table that stays in its file is scaled as it is read. */
static ir_status scale_table(const origin *o, le_data *t, ir_diag *d)
{
	float *x = t->table.data;
	int64_t w = t->table.width;

	for (int64_t r = 0; !t->table.stays && r < t->table.rows; r++, x += w) {
		le_scale_row(&t->scale, x, x);
		for (int64_t i = 0; i < w; i++)
			if (!isfinite(x[i]))
				return bad_value(o, t, r, i, "standardised, its value is beyond f32", d);
	}
	return IR_OK;
}

#define GAP "a missing value; --missing mean fills in the column's mean"

/* NULL: missing values of these rows can be filled in, and are to be. Else why not. */
static const char *why_gap(const le_source *src, const le_prep *prep, const le_data *t)
{
	if (src->missing ? strcmp(src->missing, "mean") != 0 : !prep->fill)
		return GAP;
	if (prep->scale.width) /* has the means, and maps the mean to 0 as it reads */
		return NULL;
	if (!prep->fill)
		return "a missing value, and the model's weights know no means: it was trained without --missing mean, or by an older gradmill";
	return t->table.stays ? "a missing value, and a file this large is used as it is" : NULL;
}

/* As the rows were that a model was trained on. */
static ir_status prepare_as(const le_source *src, const origin *o, const le_prep *prep, le_data *t, ir_diag *d)
{
	char text[160];
	const char *gap = why_gap(src, prep, t);
	ir_status s = IR_OK;

	if (prep->width && prep->width != t->table.width) {
		snprintf(text, sizeof text, "rows of %lld values, the model was trained on rows of %lld", (long long)t->table.width,
			 (long long)prep->width);
		return le_complain(d, IR_EINPUT, src->data, text);
	}
	if (prep->scale.width && (s = widen(src->data, &t->table, d)) == IR_OK) {
		le_scale_copy(&prep->scale, &t->scale);
		t->unit = false;
	}
	if (s == IR_OK && t->table.dtype == IR_F32)
		s = check_values(o, t, gap, d);
	if (s == IR_OK && t->scale.width)
		s = scale_table(o, t, d);
	else if (s == IR_OK && t->table.dtype == IR_F32 && !gap)
		le_fill_missing(t, prep->fill);
	return s;
}

/* Floats are checked, filled in and scaled, by what the training rows say. */
static ir_status prepare(const le_source *src, const origin *o, le_data *t, ir_diag *d)
{
	bool fill = src->missing && !strcmp(src->missing, "mean"), standard = src->scale && !strcmp(src->scale, "standard");
	le_facts f;
	ir_status s = IR_OK;

	if (t->unit && !standard)
		return IR_OK;
	if (t->unit && (s = widen(src->data, &t->table, d)) != IR_OK)
		return s;
	if (fill && t->table.stays)
		return le_complain(d, IR_EINPUT, src->data, "a file this large is used as it is: --missing mean needs it in memory");
	if ((s = check_values(o, t, fill ? NULL : GAP, d)) != IR_OK)
		return s;
	if ((s = le_facts_of(src->data, t, &f, d)) != IR_OK)
		return le_facts_free(&f), s;
	t->unit = f.low >= 0 && f.high <= 1 && !standard;
	t->fill = fill ? le_means_of(&f, t->table.width) : NULL;
	if (!t->unit && (standard || !src->scale || !strcmp(src->scale, "auto"))) {
		le_scale_fit(&f, t->table.width, &t->scale);
		s = scale_table(o, t, d);
	} else if (fill) {
		le_fill_missing(t, t->fill);
	}
	le_facts_free(&f);
	return s;
}

/* ---- the key ----------------------------------------------------------------------------------------------------------------- */

static ir_status find_table_key(const char *path, le_data *t, ir_diag *d)
{
	uint64_t bytes = (uint64_t)(t->table.rows * t->table.width) * ir_dtype_size(t->table.dtype);
	ir_key k[2] = {{0}};
	void *room;
	ir_status s = IR_OK;

	if (!t->table.stays)
		return t->table_key = ir_hash(t->table.data, bytes), IR_OK;
	if (rt_alloc(HASHED, &room) != IR_OK)
		return le_complain(d, IR_ENOMEM, path, ir_status_text(IR_ENOMEM));
	for (uint64_t at = 0; s == IR_OK && at < bytes; at += HASHED) { /* a chain, so that a part is enough at a time */
		uint64_t n = bytes - at < HASHED ? bytes - at : HASHED;

		s = le_table_exact(path, &t->table, at, room, n, d);
		k[1] = ir_hash(room, s == IR_OK ? n : 0);
		k[0] = ir_hash(k, sizeof k);
	}
	rt_free(room, HASHED);
	t->table_key = k[0];
	return s;
}

/* Bytes of the table, its shape, the three lists, and how the bytes of one that stays in its file are scaled. */
ir_key le_content_key(const le_data *t)
{
	struct {
		ir_key table, train, val, test;
		int64_t dtype, rows, width;
	} k;
	ir_key part[3];

	memset(&k, 0, sizeof k);
	k.table = t->table_key;
	k.train = ir_hash(t->train, t->ntrain * sizeof *t->train);
	k.val = ir_hash(t->val, t->nval * sizeof *t->val);
	k.test = ir_hash(t->test, t->ntest * sizeof *t->test);
	k.dtype = t->table.dtype, k.rows = t->table.rows, k.width = t->table.width;
	part[0] = ir_hash(&k, sizeof k);
	if (!t->table.stays || !t->scale.width)
		return part[0];
	part[1] = ir_hash(t->scale.mean, (size_t)t->scale.width * sizeof *t->scale.mean);
	part[2] = ir_hash(t->scale.std, (size_t)t->scale.width * sizeof *t->scale.std);
	return ir_hash(part, sizeof part);
}

/* ---- loading -------------------------------------------------------------------------------------------------------------------- */

/* prep: NULL, or of a trained model; then a few rows are enough. */
static ir_status load(const le_source *src, const le_prep *prep, uint64_t seed, int64_t limit_train, le_data *t, ir_diag *d)
{
	origin from = {{src->data, src->val, src->test}, {0}};
	int64_t *part = from.rows;
	int32_t class;
	le_split split;
	ir_status s = le_source_check(src, d);

	if (s == IR_OK)
		s = strcmp(src->data, "fashion-mnist") ? read_files(src, prep, t, part, d) : load_fashion(t, part, d);
	if (s == IR_OK)
		s = find_class(src, t, &class, d);
	if (s == IR_OK && part[0] < 3 && !prep)
		s = le_complain(d, IR_EINPUT, src->data, "needs at least 3 rows, for training, validation and test");
	if (s == IR_OK && t->table.rows > UINT32_MAX)
		s = le_complain(d, IR_EINPUT, src->data, "has more than 2^32 - 1 rows");
	if (s != IR_OK)
		return s;
	t->name = le_text_copy(src->data);
	le_split_parse(src->split, &split); /* le_source_check has read it, too */
	if (part[0] < 3 && !src->split)
		split = (le_split){0}; /* too few to be divided */
	le_split_rows(t, &split, part, class, seed, limit_train);
	if (t->ntrain < 1 && !prep)
		return le_complain(d, IR_EINPUT, src->data, "no row is left for training");
	t->unit = t->table.dtype == IR_U8;
	s = prep ? prepare_as(src, &from, prep, t, d) : prepare(src, &from, t, d);
	if (s == IR_OK)
		s = find_table_key(src->data, t, d);
	if (s == IR_OK)
		t->key = le_content_key(t);
	return s;
}

ir_status le_data_open(const le_source *src, const le_prep *prep, uint64_t seed, int64_t limit_train, le_data *out, ir_diag *d)
{
	le_data t = {0};
	ir_status s = load(src, prep, seed, limit_train, &t, d);

	*out = (le_data){0};
	if (s == IR_OK)
		*out = t;
	else
		le_data_free(&t);
	return s;
}

ir_status le_data_load(const le_source *src, uint64_t seed, int64_t limit_train, le_data *out, ir_diag *d)
{
	return le_data_open(src, NULL, seed, limit_train, out, d);
}

/* Of a shared data set everything lies in the memory that is given back. */
void le_data_free(le_data *t)
{
	if (t->map) {
		munmap(t->map, t->map_bytes);
		if (t->table.stays)
			close(t->table.fd);
		free(t->table.column);
		t->scale = (le_scale){0};
		t->fill = NULL;
	} else {
		le_table_free(&t->table);
		free(t->name);
		free(t->train);
		free(t->val);
		free(t->test);
	}
	le_scale_free(&t->scale);
	free(t->fill);
	free(t->label);
	for (int64_t i = 0; i < t->nclass; i++)
		free(t->class_name[i]);
	free(t->class_name);
	*t = (le_data){0};
}
