/* SPDX-License-Identifier: Apache-2.0
 * search/report/map.c -- the latent of validation rows on a plane, by its two directions of largest variance: points by
 * their label if they have one, else by their error, and here and there the picture that a point is. */
#include <math.h>
#include <stdlib.h>
#include "search/report/report_int.h"

#define CLASSES 5   /* of errors, of equally many rows */
#define MAX_LABELS 10 /* report.css has so many colours */
#define THUMB   24.0
#define CELL    76.0 /* one picture in each square of this size */

static int ascending(const void *a, const void *b)
{
	double s = *(const double *)a, t = *(const double *)b;

	return s < t ? -1 : s > t;
}

/* The smallest error of each class; of the first one, -infinity. */
static void find_limits(se_report *r, double limit[CLASSES])
{
	const se_gallery *g = r->gallery;
	double *sorted = ar_new(r->a, double, g->n);

	for (size_t i = 0; i < g->n; i++)
		sorted[i] = isnan(g->error[i]) ? INFINITY : g->error[i];
	qsort(sorted, g->n, sizeof *sorted, ascending);
	limit[0] = -INFINITY;
	for (size_t k = 1; k < CLASSES; k++)
		limit[k] = sorted[k * g->n / CLASSES];
}

/* Are there labels, and few enough for as many colours? All rows that are shown are of one file, which has labels or none:
 * --labels FILE has none for the rows of --val. */
static bool by_label(const se_report *r)
{
	const se_gallery *g = r->gallery;
	const le_data *t = &g->data;

	return t->label && t->nclass > 1 && t->nclass <= MAX_LABELS && g->n && t->label[g->row[0]] >= 0;
}

static void draw_labels(se_report *r, se_plot *p)
{
	const se_gallery *g = r->gallery;
	double *x = ar_new(r->a, double, g->n), *y = ar_new(r->a, double, g->n);

	for (int32_t k = 0; k < (int32_t)g->data.nclass; k++) {
		size_t n = 0;

		for (size_t i = 0; i < g->n; i++)
			if (g->data.label[g->row[i]] == k)
				x[n] = g->xy[2 * i], y[n++] = g->xy[2 * i + 1];
		se_plot_dots(p, x, y, n, ar_printf(r->a, "map l%d", (int)k));
	}
}

static void draw_dots(se_report *r, se_plot *p)
{
	const se_gallery *g = r->gallery;
	double *x = ar_new(r->a, double, g->n), *y = ar_new(r->a, double, g->n), limit[CLASSES];

	find_limits(r, limit);
	for (size_t k = 0; k < CLASSES; k++) { /* the worst on top */
		size_t n = 0;

		for (size_t i = 0; i < g->n; i++)
			if (g->error[i] >= limit[k] && (k + 1 == CLASSES || g->error[i] < limit[k + 1]))
				x[n] = g->xy[2 * i], y[n++] = g->xy[2 * i + 1];
		se_plot_dots(p, x, y, n, ar_printf(r->a, "map q%zu", k));
	}
}

/* The point nearest to a place of the picture, if it lies in the square around it; g->n: none does. */
static size_t nearest(const se_report *r, const se_plot *p, double x, double y)
{
	const se_gallery *g = r->gallery;
	double best = CELL * CELL / 4;
	size_t at = g->n;

	for (size_t i = 0; i < g->n; i++) {
		double dx = se_plot_x(p, g->xy[2 * i]) - x, dy = se_plot_y(p, g->xy[2 * i + 1]) - y;

		if (dx * dx + dy * dy < best)
			best = dx * dx + dy * dy, at = i;
	}
	return at;
}

static void draw_thumbs(se_report *r, const se_plot *p)
{
	const se_gallery *g = r->gallery;

	for (double y = p->top + CELL / 2; y < p->bottom; y += CELL) {
		for (double x = p->left + CELL / 2; x < p->right; x += CELL) {
			size_t i = nearest(r, p, x, y);

			if (i == g->n)
				continue;
			sb_printf(r->out, "<image class=\"thumb\" x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\" href=\"%s\" data-tip=\"row %u"
				"&#10;MSE %.4g\"/>\n", se_plot_x(p, g->xy[2 * i]) - THUMB / 2, se_plot_y(p, g->xy[2 * i + 1]) - THUMB / 2,
				THUMB, THUMB, se_gallery_picture(r, g->row[i]), g->row[i], g->error[i]);
		}
	}
}

static void draw_map(se_report *r, const char *id, double width)
{
	const se_gallery *g = r->gallery;
	bool narrow = width < SE_WIDE;
	se_plot p = {.out = r->out, .width = narrow ? width : 520, .height = narrow ? 340 : 460}; /* stands beside the pairs */

	se_axis_init(&p.x, ar_printf(r->a, "first direction, %.0f %% of the variance", g->share[0] * 100), false);
	se_axis_init(&p.y, ar_printf(r->a, "second direction, %.0f %%", g->share[1] * 100), false);
	for (size_t i = 0; i < g->n; i++)
		se_axis_see(&p.x, g->xy[2 * i]), se_axis_see(&p.y, g->xy[2 * i + 1]);
	se_plot_begin(&p, id, "Map of the latent", ar_printf(r->a, "%zu validation rows along the two directions of largest variance of "
		"their latent, coloured by their %s.", g->n, by_label(r) ? "label" : "error"));
	(by_label(r) ? draw_labels : draw_dots)(r, &p);
	if (g->images)
		draw_thumbs(r, &p);
	se_plot_end(&p);
}

#define KEY(k, text) "<span class=\"key\"><svg viewBox=\"0 0 20 10\" aria-hidden=\"true\"><path class=\"map " k \
	"\" d=\"M10 5h0\"/></svg>" text "</span>"

static void put_labels(se_report *r, ir_str *out)
{
	const le_data *t = &r->gallery->data;

	for (int64_t k = 0; k < t->nclass; k++) {
		sb_printf(out, "<span class=\"key\"><svg viewBox=\"0 0 20 10\" aria-hidden=\"true\"><path class=\"map l%d\" d=\"M10 5h0\"/></svg>",
			  (int)k);
		se_html_put(out, t->class_name[k]);
		sb_put(out, "</span>");
	}
}

void se_report_map(se_report *r)
{
	ir_str key;

	sb_put(r->out, "<h3>A map of the latent</h3>\n");
	sb_init(&key);
	if (by_label(r))
		put_labels(r, &key);
	else
		sb_put(&key, KEY("q0", "smallest fifth of the errors") KEY("q1", "") KEY("q2", "") KEY("q3", "") KEY("q4", "largest fifth"));
	se_page_figure(r, draw_map, key.s);
	sb_fini(&key);
}
