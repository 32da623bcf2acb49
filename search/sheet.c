/* SPDX-License-Identifier: Apache-2.0
 * A contact sheet. Values from 0 (black) to 1 (white) are pictures' greys, or else from the least to the largest of the
 * originals; what a model says beyond is cut off. */
#include "search/sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/formats.h"

bool se_sheet_shape(const le_table *t, se_sheet *s)
{
	int64_t side = 1;

	s->height = t->shape[0], s->width = t->shape[1];
	if (s->height)
		return true;
	while (side * side < t->width)
		side++;
	s->height = s->width = side;
	return side * side == t->width;
}

/* ---- which rows ------------------------------------------------------------------------------------------------------ */

size_t se_sheet_spread(const se_sheet *s, size_t n, size_t *to)
{
	size_t most = (size_t)(s->rows * s->cols), k = n < most ? n : most;

	for (size_t i = 0; i < k; i++)
		to[i] = k > 1 ? (size_t)((__uint128_t)i * (n - 1) / (k - 1)) : 0;
	return k;
}

/* NaN is worse than any number. */
static bool worse(const double *error, size_t a, size_t b)
{
	double x = error[a] == error[a] ? error[a] : HUGE_VAL, y = error[b] == error[b] ? error[b] : HUGE_VAL;

	return x != y ? x > y : a < b;
}

size_t se_sheet_worst(const se_sheet *s, const double *error, size_t n, size_t *to)
{
	size_t most = (size_t)(s->rows * s->cols), k = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = k;

		while (at && worse(error, i, to[at - 1]))
			at--;
		if (at == most)
			continue;
		k += k < most;
		memmove(&to[at + 1], &to[at], (k - 1 - at) * sizeof *to);
		to[at] = i;
	}
	return k;
}

/* ---- painting -------------------------------------------------------------------------------------------------------- */

typedef struct canvas {
	uint8_t *pixel;
	int64_t width, height;
} canvas;

uint8_t se_grey(se_greys g, float v)
{
	v = (v - g.low) / (g.high - g.low);
	return v > 0 ? v < 1 ? (uint8_t)(255 * v + .5f) : 255 : 0;
}

se_greys se_greys_of(const le_data *t, const float *x, size_t n)
{
	se_greys g = {0, 1};

	if (t->unit)
		return g;
	g = (se_greys){HUGE_VALF, -HUGE_VALF};
	for (size_t i = 0; i < n * (size_t)t->table.width; i++)
		g = (se_greys){fminf(g.low, x[i]), fmaxf(g.high, x[i])};
	return g.high > g.low ? g : (se_greys){g.low, g.low + 1};
}

static void paint_one(const canvas *c, const se_sheet *s, se_greys g, const float *x, int64_t top, int64_t left)
{
	for (int64_t i = 0; i < s->width * s->height; i++)
		c->pixel[(top + i / s->width) * c->width + left + i % s->width] = se_grey(g, x[i]);
}

static void paint(const canvas *c, const se_sheet *s, se_greys g, const float *x, const float *y, size_t n)
{
	size_t width = (size_t)(s->height * s->width);

	memset(c->pixel, 255, (size_t)(c->width * c->height));
	for (size_t i = 0; i < n; i++) {
		int64_t top = SE_SHEET_GAP + (int64_t)i / s->cols * (2 * s->height + SE_SHEET_GAP);
		int64_t left = SE_SHEET_GAP + (int64_t)i % s->cols * (s->width + SE_SHEET_GAP);

		paint_one(c, s, g, x + i * width, top, left);
		paint_one(c, s, g, y + i * width, top + s->height, left);
	}
}

ir_status se_sheet_png(const se_sheet *s, le_applier *a, const le_data *t, const uint32_t *row, size_t n, ir_str *out)
{
	int64_t cols = (int64_t)n < s->cols ? (int64_t)n : s->cols, rows = ((int64_t)n + s->cols - 1) / s->cols;
	canvas c = {.width = cols * (s->width + SE_SHEET_GAP) + SE_SHEET_GAP,
		    .height = rows * (2 * s->height + SE_SHEET_GAP) + SE_SHEET_GAP};
	size_t width = (size_t)t->table.width;
	float *x, *y;
	ir_status st;

	if (c.width > SE_SHEET_MOST / c.height)
		return IR_EINPUT;
	x = ir_xmalloc(2 * n * width, sizeof *x); /* no more than there are pixels */
	y = x + n * width;
	c.pixel = ir_xmalloc((size_t)(c.width * c.height), 1);
	st = le_apply_rows(a, row, n, NULL, y, NULL);
	if (st == IR_OK) {
		le_data_rows(t, row, n, x);
		le_unscale_rows(&t->scale, x, 2 * n); /* and y */
		paint(&c, s, se_greys_of(t, x, n), x, y, n);
		st = se_png_grey(c.pixel, (size_t)c.width, (size_t)c.height, out) ? IR_OK : IR_EINPUT;
	}
	free(c.pixel);
	free(x);
	return st;
}
