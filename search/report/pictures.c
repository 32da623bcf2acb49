/* SPDX-License-Identifier: Apache-2.0
 * search/report/pictures.c -- what the best model makes of validation rows: originals over reconstructions, a sample and
 * the worst. Never of test rows: who looks at them while choosing has no test any more. Needs the weights that were kept
 * beside the database; without them the section says how to get them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/report/report_int.h"
#include "search/formats.h"
#include "search/replay.h"
#include "search/study.h"
#include "search/use.h"

#define MAX_ROWS 2000 /* that are looked at: of the map, and for the worst among them */
#define SAMPLE   20
#define WORST    10
#define PROFILE  400 /* features of a row that is drawn as a line */

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* The weights that were kept, or made again if that is allowed. IR_ENOINPUT: neither. */
static ir_status find_weights(se_report *r, se_gallery *g)
{
	const char *file = r->weights_file ? se_store_beside(r->store, r->weights_file, r->a) : NULL, *why;
	se_use use = {.store = r->store, .st = *r->study, .a = r->a, .d = g->d};
	ir_status st;

	if (file && se_kept_check(file, r->weights_key, r->a, &why) == SE_KEPT_SAME)
		return le_weights_read(file, &g->weights, g->d);
	if (!r->o->train)
		return IR_ENOINPUT;
	st = se_use_find(&use, r->best->number);
	return st == IR_OK ? se_use_weights(&use, rt_cores(), &g->weights) : st;
}

static ir_status load_data(se_report *r, se_gallery *g)
{
	le_prep prep;
	ir_status st = le_model_prep("weights", &g->weights, &prep, g->d);

	if (st == IR_OK)
		st = se_study_data(r->study, &prep, r->a, &g->data, g->d);
	le_prep_free(&prep);
	if (st != IR_OK)
		return st;
	return g->data.nval ? IR_OK : se_refuse_file(g->d, g->data.name, IR_EINPUT, "there are no validation rows");
}

static ir_status open_applier(se_report *r, se_gallery *g)
{
	cc_context_options options = cc_context_default();
	const char *name = ar_printf(r->a, "trial%lld.gm", (long long)r->best->number);
	ir_module *m = ir_parse(name, r->ir, strlen(r->ir), r->a, g->d);
	ir_status st = m ? cc_context_new(&options, &g->context, g->d) : IR_EINPUT;

	if (st != IR_OK)
		return st;
	return le_apply_open(g->context, m, &g->data, &g->weights, LE_LATENT | LE_RECONSTRUCTION | LE_ERROR, rt_cores(), &g->applier,
			     g->d);
}

static ir_status apply(se_report *r, se_gallery *g)
{
	ir_status st;

	g->n = g->data.nval < MAX_ROWS ? g->data.nval : MAX_ROWS;
	g->row = ar_new(r->a, uint32_t, g->n);
	for (size_t i = 0; i < g->n; i++)
		g->row[i] = g->data.val[i * g->data.nval / g->n];
	g->dimensions = le_apply_latent_width(g->applier);
	g->latent = ar_alloc(r->a, g->n * (size_t)g->dimensions, sizeof *g->latent);
	g->error = ar_new(r->a, double, g->n);
	st = le_apply_rows(g->applier, g->row, g->n, g->latent, NULL, g->error);
	if (st != IR_OK)
		return st;
	g->images = g->data.table.width > 15 && se_sheet_shape(&g->data.table, &g->shape);
	g->xy = ar_new(r->a, double, 2 * g->n);
	if (le_map2d(g->latent, g->n, g->dimensions, g->xy, g->share) != IR_OK)
		g->xy = NULL;
	return IR_OK;
}

static ir_status open_gallery(se_report *r, se_gallery *g)
{
	ir_status st = find_weights(r, g);

	if (st == IR_OK)
		st = load_data(r, g);
	if (st == IR_OK)
		st = open_applier(r, g);
	if (st == IR_OK)
		st = apply(r, g);
	return st;
}

static void close_gallery(se_gallery *g)
{
	le_apply_close(g->applier);
	cc_context_free(g->context);
	le_weights_free(&g->weights);
	le_data_free(&g->data);
	ir_diag_free(g->d);
}

/* ---- pairs ---------------------------------------------------------------------------------------------------------- */

/* The row as the model sees it, in r->a. */
static float *values_of(const se_report *r, uint32_t row)
{
	float *x = ar_new(r->a, float, (size_t)r->gallery->data.table.width);

	le_data_rows(&r->gallery->data, &row, 1, x);
	return x;
}

static float *in_units(const se_report *r, const float *x)
{
	const le_data *t = &r->gallery->data;
	float *y = ar_new(r->a, float, (size_t)t->table.width);

	memcpy(y, x, (size_t)t->table.width * sizeof *y);
	le_unscale_rows(&t->scale, y, 1);
	return y;
}

/* A picture of result, in the greys of the original. */
static uint8_t *greys_of(const se_report *r, const float *original, const float *result)
{
	const le_data *t = &r->gallery->data;
	const float *y = in_units(r, result);
	se_greys g = se_greys_of(t, in_units(r, original), 1);
	uint8_t *pixel = ar_new(r->a, uint8_t, (size_t)t->table.width);

	for (int64_t i = 0; i < t->table.width; i++)
		pixel[i] = se_grey(g, y[i]);
	return pixel;
}

static const char *picture(const se_report *r, const uint8_t *pixel)
{
	const se_sheet *s = &r->gallery->shape;
	const char *uri = "data:,";
	ir_str png;

	sb_init(&png);
	if (se_png_grey(pixel, (size_t)s->width, (size_t)s->height, &png))
		uri = se_page_data_uri(r->a, png.s, png.n);
	sb_fini(&png);
	return uri;
}

const char *se_gallery_picture(const se_report *r, uint32_t row)
{
	const float *x = values_of(r, row);

	return picture(r, greys_of(r, x, x));
}

static void put_images(se_report *r, uint32_t row, const float *y)
{
	sb_printf(r->out, "<img alt=\"row %u\" src=\"%s\"><img alt=\"row %u, reconstruction\" src=\"%s\">", row,
		  se_gallery_picture(r, row), row, picture(r, greys_of(r, values_of(r, row), y)));
}

/* Rows that are no pictures: their features as two lines, one over the other. */
static void put_profile(se_report *r, uint32_t row, const float *y)
{
	const le_table *t = &r->gallery->data.table;
	const float *from = values_of(r, row);
	size_t n = t->width < PROFILE ? (size_t)t->width : PROFILE;
	double *x = ar_new(r->a, double, n), *v = ar_new(r->a, double, 2 * n);
	se_plot p = {.out = r->out, .width = 200, .height = 120};

	se_axis_init(&p.x, "", false);
	se_axis_init(&p.y, "", false);
	for (size_t i = 0; i < n; i++) {
		x[i] = (double)i, v[i] = from[i], v[n + i] = y[i];
		se_axis_see(&p.x, x[i]), se_axis_see(&p.y, v[i]), se_axis_see(&p.y, v[n + i]);
	}
	se_plot_begin(&p, ar_printf(r->a, "r%u", r->ids++), ar_printf(r->a, "row %u and its reconstruction", row), NULL);
	se_plot_line(&p, x, v, n, "line thin", NULL);
	se_plot_line(&p, x, v + n, n, "line best", NULL);
	se_plot_end(&p);
}

/* Rows by their places in the gallery. */
static void put_pairs(se_report *r, const char *title, const size_t *at, size_t n)
{
	const se_gallery *g = r->gallery;
	size_t width = (size_t)g->data.table.width;
	uint32_t *row = ar_new(r->a, uint32_t, n);
	float *y = ar_new(r->a, float, n * width);

	for (size_t i = 0; i < n; i++)
		row[i] = g->row[at[i]];
	sb_printf(r->out, "<h3>%s</h3>\n", title);
	if (le_apply_rows(g->applier, row, n, NULL, y, NULL) != IR_OK) {
		sb_put(r->out, "<p>There was not enough memory for them.</p>\n");
		return;
	}
	sb_printf(r->out, "<div class=\"pairs%s\">\n", g->images ? "" : " lines");
	for (size_t i = 0; i < n; i++) {
		sb_printf(r->out, "<div class=\"pair\" data-tip=\"row %u&#10;MSE %.4g\">", row[i], g->error[at[i]]);
		(g->images ? put_images : put_profile)(r, row[i], y + i * width);
		sb_printf(r->out, "%.3g</div>\n", g->error[at[i]]);
	}
	sb_put(r->out, "</div>\n");
}

static void put_gallery(se_report *r)
{
	const se_gallery *g = r->gallery;
	se_sheet sample = {.rows = 1, .cols = SAMPLE}, worst = {.rows = 1, .cols = WORST};
	size_t at[SAMPLE > WORST ? SAMPLE : WORST], n;

	sb_printf(r->out, "<p>Validation rows, which the model was not trained on: above the row, below what is left of it after %lld "
		"numbers, and the mean squared error.</p>\n<div class=\"pictures\">\n<div>\n", (long long)g->dimensions);
	n = se_sheet_spread(&sample, g->n, at);
	put_pairs(r, "A sample", at, n);
	n = se_sheet_worst(&worst, g->error, g->n, at);
	put_pairs(r, ar_printf(r->a, "The worst of %zu rows", g->n), at, n);
	sb_put(r->out, "</div>\n<div>\n");
	if (g->xy)
		se_report_map(r);
	sb_put(r->out, "</div>\n</div>\n");
}

/* ---- the section ---------------------------------------------------------------------------------------------------- */

bool se_report_wants_pictures(const se_report *r)
{
	return r->o->pictures && r->best && r->ir;
}

static void put_reason(se_report *r, const se_gallery *g, ir_status st)
{
	if (st == IR_ENOINPUT && !ir_diag_size(g->d))
		sb_put(r->out, "<p>The weights of the best trial are not beside the database. <code>gradmill report --train</code> trains it "
			"again to the same bits and shows its pictures; <code>gradmill search --keep 1</code> keeps the best weights from "
			"now on.</p>\n");
	else
		se_page_text(r, "<p>There are no pictures: ", ir_diag_size(g->d) ? ir_diag_get(g->d, 0)->text : ir_status_text(st), ".</p>\n");
}

void se_report_pictures(se_report *r)
{
	se_gallery g = {.d = ir_diag_new()};
	ir_status st = open_gallery(r, &g);

	r->gallery = &g;
	if (st == IR_OK)
		put_gallery(r);
	else
		put_reason(r, &g, st);
	r->gallery = NULL;
	close_gallery(&g);
}
