/* SPDX-License-Identifier: Apache-2.0
 * Scaling: what the training rows say about each column, and how every row is shifted by it. Sums are made in double, rows
 * in ascending order, so that the same rows give the same bits on every machine. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/data/data_int.h"

void le_scale_free(le_scale *s)
{
	free(s->mean);
	free(s->std);
	*s = (le_scale){0};
}

static void new_scale(int64_t width, le_scale *s)
{
	*s = (le_scale){width, ir_xmalloc((size_t)width, sizeof(double)), ir_xmalloc((size_t)width, sizeof(double))};
}

void le_scale_copy(const le_scale *from, le_scale *to)
{
	new_scale(from->width, to);
	memcpy(to->mean, from->mean, (size_t)from->width * sizeof *to->mean);
	memcpy(to->std, from->std, (size_t)from->width * sizeof *to->std);
}

void le_scale_row(const le_scale *s, const float *x, float *y)
{
	for (int64_t i = 0; i < s->width; i++)
		y[i] = isnan(x[i]) ? 0 : (float)(((double)x[i] - s->mean[i]) / s->std[i]);
}

void le_unscale_rows(const le_scale *s, float *x, size_t n)
{
	for (size_t r = 0; s->width && r < n; r++, x += s->width)
		for (int64_t i = 0; i < s->width; i++)
			x[i] = (float)((double)x[i] * s->std[i] + s->mean[i]);
}

/* ---- as text ------------------------------------------------------------------------------------------------------- */

static void put_list(ir_str *out, const char *key, const double *v, int64_t n)
{
	sb_printf(out, "\"%s\": [", key);
	for (int64_t i = 0; i < n; i++)
		sb_printf(out, "%s%.17g", i ? ", " : "", v[i]);
	sb_put(out, "]");
}

void le_scale_print(const le_scale *s, ir_str *out)
{
	sb_put(out, "{");
	put_list(out, "mean", s->mean, s->width);
	sb_put(out, ", ");
	put_list(out, "std", s->std, s->width);
	sb_put(out, "}");
}

static bool get_list(const json_t *list, double *v, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(list, (size_t)i);

		if (!json_is_number(e))
			return false;
		v[i] = json_number_value(e);
	}
	return true;
}

bool le_scale_parse(const char *text, le_scale *out)
{
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *mean = json_object_get(j, "mean"), *std = json_object_get(j, "std");
	size_t n = json_array_size(mean);
	bool ok = n > 0 && n <= LE_MAX_DIM && json_array_size(std) == n;

	*out = (le_scale){0};
	if (ok) {
		new_scale((int64_t)n, out);
		ok = get_list(mean, out->mean, out->width) && get_list(std, out->std, out->width);
	}
	for (int64_t i = 0; ok && i < out->width; i++)
		ok = isfinite(out->mean[i]) && isfinite(out->std[i]) && out->std[i] > 0;
	if (!ok)
		le_scale_free(out);
	json_decref(j);
	return ok;
}

/* ---- fitting ------------------------------------------------------------------------------------------------------- */

size_t le_piece(const le_data *t)
{
	size_t rows = LE_PIECE_BYTES / ((size_t)t->table.width * sizeof(float));

	return rows ? rows : 1;
}

ir_status le_rows_at(const char *path, const le_data *t, int64_t from, int64_t n, float *room, const float **out, ir_diag *d)
{
	size_t row = (size_t)t->table.width * sizeof *room;

	*out = t->table.stays ? room : (const float *)t->table.data + from * t->table.width;
	return t->table.stays ? le_table_exact(path, &t->table, (uint64_t)from * row, room, (size_t)n * row, d) : IR_OK;
}

static void see_row(le_facts *f, const float *x, int64_t width)
{
	for (int64_t i = 0; i < width; i++) {
		double v = x[i];

		if (isnan(v))
			continue;
		if (!f->seen[i]++)
			f->from[i] = v; /* squares of differences from any value of the column: no cancellation to fear */
		f->low = fmin(f->low, v);
		f->high = fmax(f->high, v);
		f->sum[i] += v - f->from[i];
		f->square[i] += (v - f->from[i]) * (v - f->from[i]);
	}
}

ir_status le_facts_of(const char *path, const le_data *t, le_facts *out, ir_diag *d)
{
	int64_t w = t->table.width, most = (int64_t)le_piece(t), rows = t->table.rows;
	float *room = t->table.stays ? ir_xmalloc((size_t)(most * w), sizeof *room) : NULL;
	ir_status s = IR_OK;

	*out = (le_facts){.low = INFINITY, .high = -INFINITY, .sum = ir_xmalloc((size_t)w, sizeof(double)),
			  .square = ir_xmalloc((size_t)w, sizeof(double)), .seen = ir_xmalloc((size_t)w, sizeof(int64_t)),
			  .from = ir_xmalloc((size_t)w, sizeof(double))};
	for (int64_t at = 0, r = 0; s == IR_OK && at < rows && r < (int64_t)t->ntrain; at += most) { /* both ascend */
		const float *x;

		s = le_rows_at(path, t, at, rows - at < most ? rows - at : most, room, &x, d);
		for (; s == IR_OK && r < (int64_t)t->ntrain && t->train[r] < at + most; r++)
			see_row(out, x + (t->train[r] - at) * w, w);
	}
	free(room);
	return s;
}

void le_facts_free(le_facts *f)
{
	free(f->sum);
	free(f->square);
	free(f->seen);
	free(f->from);
	*f = (le_facts){0};
}

/* Of the values that are there, as a difference from f->from. */
static double mean_of(const le_facts *f, int64_t i)
{
	return f->sum[i] / (double)(f->seen[i] ? f->seen[i] : 1);
}

/* Mean and standard deviation (over n) of each column. One that never changes is only shifted. */
void le_scale_fit(const le_facts *f, int64_t width, le_scale *out)
{
	new_scale(width, out);
	for (int64_t i = 0; i < width; i++) {
		double n = f->seen[i] ? (double)f->seen[i] : 1, mean = mean_of(f, i), var = f->square[i] / n - mean * mean;

		out->mean[i] = f->from[i] + mean;
		out->std[i] = var > 0 && sqrt(var) > 1e-12 * fabs(f->from[i] + mean) ? sqrt(var) : 1;
	}
}

double *le_means_of(const le_facts *f, int64_t width)
{
	double *mean = ir_xmalloc((size_t)width, sizeof *mean);

	for (int64_t i = 0; i < width; i++)
		mean[i] = f->from[i] + mean_of(f, i);
	return mean;
}

/* A missing value becomes its column's mean, without any other change. */
void le_fill_missing(le_data *t, const double *mean)
{
	float *data = t->table.data;
	int64_t w = t->table.width;

	for (int64_t r = 0; r < t->table.rows; r++)
		for (int64_t i = 0; i < w; i++)
			if (isnan(data[r * w + i]))
				data[r * w + i] = (float)mean[i];
}

/* ---- how much there is to explain -------------------------------------------------------------------------------------- */

/* Adds to each column's sum the values of these rows, or their squared distances from mean. */
static void add_rows(const le_data *t, const uint32_t *idx, size_t n, const double *mean, float *x, double *sum)
{
	int64_t w = t->table.width;

	for (size_t at = 0, most = le_piece(t); at < n; at += most) {
		size_t now = n - at < most ? n - at : most;

		le_data_rows(t, idx + at, now, x);
		for (size_t r = 0; r < now; r++)
			for (int64_t i = 0; i < w; i++) {
				double v = x[(int64_t)r * w + i] - (mean ? mean[i] : 0);

				sum[i] += mean ? v * v : v;
			}
	}
}

double le_data_variance(const le_data *t, const uint32_t *idx, size_t n)
{
	size_t w = (size_t)t->table.width;
	double *mean = ir_xmalloc(w, sizeof *mean), *square = ir_xmalloc(w, sizeof *square), sum = 0;
	float *x = ir_xmalloc(le_piece(t) * w, sizeof *x);

	add_rows(t, t->train, t->ntrain, NULL, x, mean);
	for (size_t i = 0; i < w; i++)
		mean[i] /= (double)t->ntrain;
	add_rows(t, idx, n, mean, x, square);
	for (size_t i = 0; i < w; i++)
		sum += square[i];
	free(mean);
	free(square);
	free(x);
	return n ? sum / ((double)n * (double)w) : NAN;
}
