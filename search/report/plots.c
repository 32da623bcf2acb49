/* SPDX-License-Identifier: Apache-2.0
 * search/report/plots.c -- the sections that are plots: the search over its trials, curves, size against error, each
 * parameter against error. Errors are drawn on a logarithm: what matters is by how much of itself one is smaller. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/report/report_int.h"

#define MAX_TIPS   1500 /* points that say what they are; more would only make the page heavy */
#define MAX_CURVES 300
#define MAX_FLOORS 4

static void open_plot(se_plot *p, se_report *r, double width, double height)
{
	*p = (se_plot){.out = r->out, .width = width, .height = width < SE_WIDE ? height * 0.85 : height};
}

static const char *trial_tip(se_report *r, const se_rtrial *t)
{
	const char *tip = ar_printf(r->a, "trial %lld\nvalidation MSE %.4g", (long long)t->number, t->value);

	if (!isnan(t->floor))
		tip = ar_printf(r->a, "%s\n%.3g of PCA's, latent %lld", tip, t->value / t->floor, (long long)t->latent);
	return ar_printf(r->a, "%s\n%lld weights", tip, (long long)t->n_params);
}

static const char *point_class(const se_rtrial *t)
{
	return isnan(t->floor) ? "pt" : se_rtrial_wins(t) ? "pt win" : "pt lose";
}

#define KEY(class, text) "<span class=\"key\"><svg viewBox=\"0 0 20 10\" aria-hidden=\"true\">" class "</svg>" text "</span>"
#define KEY_POINT(class, text) KEY("<circle class=\"" class "\" cx=\"10\" cy=\"5\" r=\"3.5\"/>", text)
#define KEY_LINE(class, text)  KEY("<path class=\"" class "\" d=\"M1 5H19\"/>", text)
#define KEYS_FLOOR KEY_POINT("pt win", "beats PCA of the same latent") KEY_POINT("pt lose", "does not")

/* ---- best so far ---------------------------------------------------------------------------------------------- */

/* The best trials of different latent sizes, whose floors are drawn; returns how many. */
static size_t find_floors(const se_report *r, const se_rtrial *out[MAX_FLOORS])
{
	size_t n = 0;

	for (size_t i = 0; i < r->nrank && n < MAX_FLOORS; i++) {
		const se_rtrial *t = &r->trial[r->rank[i]];
		bool known = isnan(t->floor);

		for (size_t k = 0; k < n; k++)
			known |= out[k]->latent == t->latent;
		if (!known)
			out[n++] = t;
	}
	return n;
}

/* size: over the number of weights, else over the number of the trial */
static void draw_trials(se_report *r, se_plot *p, bool size)
{
	double *x = ar_new(r->a, double, r->nrank + 1), *y = ar_new(r->a, double, r->nrank + 1);

	for (size_t i = 0; i < r->nrank; i++) {
		const se_rtrial *t = &r->trial[r->rank[i]];

		x[i] = size ? (double)t->n_params : (double)t->number;
		y[i] = t->value;
	}
	if (r->nrank > MAX_TIPS)
		se_plot_dots(p, x + MAX_TIPS, y + MAX_TIPS, r->nrank - MAX_TIPS, "dots");
	for (size_t i = r->nrank < MAX_TIPS ? r->nrank : MAX_TIPS; i-- > 0;) { /* the best on top */
		const se_rtrial *t = &r->trial[r->rank[i]];

		se_plot_point(p, x[i], y[i], i ? 3.5 : 5.5, i ? point_class(t) : "pt top", trial_tip(r, t));
	}
}

/* The axes, and the trials that were the best when they ended: their numbers and values in x and y; returns how many. */
static size_t open_progress(se_report *r, se_plot *p, double *x, double *y)
{
	size_t n = 0;

	se_axis_init_whole(&p->x, "trial, in the order of proposal");
	se_axis_init(&p->y, "validation MSE", true);
	for (size_t i = 0; i < r->ntrial; i++) {
		const se_rtrial *t = &r->trial[i];

		se_axis_see(&p->x, (double)t->number);
		if (!t->complete)
			continue;
		se_axis_see(&p->y, t->value);
		if (t->floor > t->value / 100) /* with as many components as features it is rounding, and far below everything */
			se_axis_see(&p->y, t->floor);
		if (!n || t->value < y[n - 1])
			x[n] = (double)t->number, y[n++] = t->value;
	}
	return n;
}

static void draw_failed(se_report *r, se_plot *p)
{
	for (size_t i = 0; i < r->ntrial; i++) {
		const se_rtrial *t = &r->trial[i];

		if (!strcmp(t->state, "FAIL"))
			se_plot_cross(p, (double)t->number, "cross", ar_printf(r->a, "trial %lld failed\n%.120s", (long long)t->number,
										 t->cause));
	}
}

static void draw_progress(se_report *r, const char *id, double width)
{
	const se_rtrial *floors[MAX_FLOORS];
	double *x = ar_new(r->a, double, r->ntrial + 1), *y = ar_new(r->a, double, r->ntrial + 1);
	size_t n, nfloor = find_floors(r, floors);
	se_plot p;

	open_plot(&p, r, width, 340);
	n = open_progress(r, &p, x, y);
	se_plot_begin(&p, id, "Best validation error so far, over the trials",
		ar_printf(r->a, "%zu finished trials; the best error is %.4g, of trial %lld.", r->nrank, r->best->value,
			  (long long)r->best->number));
	for (size_t i = 0; i < nfloor; i++)
		se_plot_rule(&p, floors[i]->floor, "floor");
	draw_trials(r, &p, false);
	se_plot_steps(&p, x, y, n, "line best");
	draw_failed(r, &p);
	for (size_t i = 0; i < nfloor; i++) /* above everything else */
		se_plot_level(&p, floors[i]->floor, "floor end", ar_printf(r->a, "PCA %lld", (long long)floors[i]->latent));
	se_plot_end(&p);
}

void se_report_progress(se_report *r)
{
	se_page_figure(r, draw_progress, KEY_LINE("line best", "best so far") KEYS_FLOOR KEY_LINE("floor", "PCA floor, by latent size")
		       KEY("<path class=\"cross\" d=\"M6 1l8 8m-8 0l8 -8\"/>", "failed"));
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

bool se_report_has_curves(const se_report *r)
{
	return r->ncurve > 0;
}

static size_t curve_stride(const se_report *r)
{
	return (r->ncurve + MAX_CURVES - 1) / MAX_CURVES;
}

static bool curve_shown(const se_report *r, size_t i)
{
	return i % curve_stride(r) == 0 || &r->trial[r->curve[i].trial] == r->best;
}

static void draw_curve(se_report *r, se_plot *p, const se_rcurve *c)
{
	const se_rtrial *t = &r->trial[c->trial];
	const char *end = t->complete ? ar_printf(r->a, "ends at %.4g", t->value) : t->state;

	se_plot_line(p, r->x + c->first, r->y + c->first, c->n, t == r->best ? "line best" : "line thin",
		     ar_printf(r->a, "trial %lld\n%s", (long long)t->number, end));
}

static void draw_curves(se_report *r, const char *id, double width)
{
	const se_rcurve *best = NULL;
	se_plot p;

	open_plot(&p, r, width, 340);
	se_axis_init_whole(&p.x, "epoch");
	se_axis_init(&p.y, "validation MSE", true);
	for (size_t i = 0; i < r->ncurve; i++) {
		const se_rcurve *c = &r->curve[i];

		for (size_t k = c->first; curve_shown(r, i) && k < c->first + c->n; k++)
			se_axis_see(&p.x, r->x[k]), se_axis_see(&p.y, r->y[k]);
	}
	se_plot_begin(&p, id, "Validation error after every epoch, of all trials",
		      ar_printf(r->a, "%zu curves; that of the best trial stands out.", r->ncurve));
	for (size_t i = 0; i < r->ncurve; i++) {
		if (&r->trial[r->curve[i].trial] == r->best)
			best = &r->curve[i];
		else if (curve_shown(r, i))
			draw_curve(r, &p, &r->curve[i]);
	}
	if (best)
		draw_curve(r, &p, best);
	se_plot_end(&p);
}

void se_report_curves(se_report *r)
{
	const char *keys = KEY_LINE("line best", "the best trial") KEY_LINE("line thin", "the others");

	if (curve_stride(r) > 1)
		keys = ar_printf(r->a, "%s<span class=\"key\">one of %zu is drawn</span>", keys, curve_stride(r));
	se_page_figure(r, draw_curves, keys);
}

/* ---- size against error --------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	const se_rtrial *s = *(const se_rtrial *const *)a, *t = *(const se_rtrial *const *)b;

	if (s->n_params != t->n_params)
		return s->n_params < t->n_params ? -1 : 1;
	return s->value < t->value ? -1 : s->value > t->value;
}

/* Trials that no other one beats in size and error at once, smallest first; returns how many. */
static size_t find_front(se_report *r, double *x, double *y)
{
	const se_rtrial **t = ar_new(r->a, const se_rtrial *, r->nrank + 1);
	size_t n = 0;

	for (size_t i = 0; i < r->nrank; i++)
		t[i] = &r->trial[r->rank[i]];
	qsort(t, r->nrank, sizeof *t, by_size);
	for (size_t i = 0; i < r->nrank; i++)
		if (t[i]->n_params > 0 && (!n || t[i]->value < y[n - 1])) /* 0: another program's, not known */
			x[n] = (double)t[i]->n_params, y[n++] = t[i]->value;
	return n;
}

static void draw_front(se_report *r, const char *id, double width)
{
	double *x = ar_new(r->a, double, r->nrank + 1), *y = ar_new(r->a, double, r->nrank + 1);
	size_t n = find_front(r, x, y);
	se_plot p;

	open_plot(&p, r, width, 340);
	se_axis_init(&p.x, "weights", true);
	se_axis_init(&p.y, "validation MSE", true);
	for (size_t i = 0; i < r->nrank; i++) {
		se_axis_see(&p.x, (double)r->trial[r->rank[i]].n_params);
		se_axis_see(&p.y, r->trial[r->rank[i]].value);
	}
	se_plot_begin(&p, id, "Number of weights against validation error",
		      ar_printf(r->a, "%zu of %zu trials are on the Pareto front.", n, r->nrank));
	se_plot_steps(&p, x, y, n, "line front");
	draw_trials(r, &p, true);
	se_plot_end(&p);
}

void se_report_front(se_report *r)
{
	se_page_figure(r, draw_front, KEY_LINE("line front", "Pareto front: nothing smaller is better") KEYS_FLOOR
		       KEY_POINT("pt top", "the best"));
}

/* ---- each parameter --------------------------------------------------------------------------------------------------- */

/* Where a value stands on its axis: its number, or the place of its group, with some spread so that points can be told
 * apart (the golden ratio, so that neighbours are far from each other). */
static double place(const se_rgroups *g, const se_cell *c, size_t i)
{
	if (g->category)
		return (double)g->of[i] + (fmod((double)i * 0.618034, 1) - 0.5) * 0.5;
	return c->kind == SE_REAL ? c->r : (double)c->i;
}

static void open_parameter(se_report *r, se_plot *p, const se_rparam *param, const se_rgroups *g)
{
	double low = INFINITY, high = -INFINITY;

	*p = (se_plot){.out = r->out, .width = 300, .height = 210};
	se_axis_init(&p->y, "", true);
	for (size_t i = 0; i < r->nrank; i++) {
		const se_cell *c = param->of[r->rank[i]];

		if (!c)
			continue;
		se_axis_see(&p->y, r->trial[r->rank[i]].value);
		low = fmin(low, place(g, c, i)), high = fmax(high, place(g, c, i));
	}
	if (g->category) {
		se_axis_names(&p->x, "", g->name, g->names);
		return;
	}
	se_axis_init(&p->x, "", low > 0 && high > 8 * low);
	se_axis_see(&p->x, low);
	se_axis_see(&p->x, high);
}

static void draw_parameter(se_report *r, const se_rparam *param, const se_rgroups *g)
{
	double *x = ar_new(r->a, double, r->nrank + 1), *y = ar_new(r->a, double, r->nrank + 1);
	size_t n = 0, top = SIZE_MAX;
	se_plot p;

	open_parameter(r, &p, param, g);
	for (size_t i = 0; i < r->nrank; i++) {
		const se_cell *c = param->of[r->rank[i]];

		if (c && !i)
			top = n;
		if (c)
			x[n] = place(g, c, i), y[n++] = r->trial[r->rank[i]].value;
	}
	se_page_text(r, "<figure><h3>", param->name, "</h3>\n");
	se_plot_begin(&p, ar_printf(r->a, "p%u", r->ids++), ar_printf(r->a, "%s against validation error", param->name), NULL);
	se_plot_dots(&p, x, y, n, "dots");
	if (top != SIZE_MAX)
		se_plot_point(&p, x[top], y[top], 5, "pt top", ar_printf(r->a, "%s = %s\nin the best trial", param->name,
									  param->of[r->rank[0]]->text));
	se_plot_end(&p);
	sb_put(r->out, "</figure>\n");
}

void se_report_each(se_report *r)
{
	bool any = false;

	sb_put(r->out, "<p>Validation MSE of all finished trials by the value of one parameter; those without it are left out. "
		"What was chosen together is not told apart here.</p>\n<div class=\"multiples\">\n");
	for (size_t i = 0; i < r->nparam; i++) {
		se_rgroups g = se_groups_of(r, &r->param[i]);

		if (g.names > 1)
			draw_parameter(r, &r->param[i], &g), any = true;
	}
	sb_put(r->out, any ? "</div>\n" : "<p>No parameter had more than one value.</p></div>\n");
}
