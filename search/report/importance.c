/* SPDX-License-Identifier: Apache-2.0
 * search/report/importance.c -- how much of the error's variance goes with each hyper-parameter. Note [Importance] has the
 * method and what it cannot say; the page repeats it in one sentence. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/report/report_int.h"

#define MAX_CATEGORIES 8   /* more different numbers than that are binned */
#define BINS           5
#define SHUFFLES       199 /* 95 % of 200 places, our own included */
#define MIN_TRIALS     10

/* ---- groups ------------------------------------------------------------------------------------------------------ */

static double number_of(const se_cell *c)
{
	return c->kind == SE_REAL ? c->r : (double)c->i;
}

static int by_number(const void *a, const void *b)
{
	double s = number_of(*(const se_cell *const *)a), t = number_of(*(const se_cell *const *)b);

	return s < t ? -1 : s > t;
}

static int by_text(const void *a, const void *b)
{
	return strcmp((*(const se_cell *const *)a)->text, (*(const se_cell *const *)b)->text);
}

/* The first of the n sorted values that is equal to c, which is among them. */
static size_t first_equal(const se_cell *const *sorted, size_t n, const se_cell *c, int (*order)(const void *, const void *))
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (order(&sorted[mid], &c) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Words, or few enough whole numbers: each value is a group of its own. */
static bool is_category(const se_rparam *p, const se_cell *const *sorted, size_t n, size_t names)
{
	for (size_t i = 0; p->numeric && i < n; i++)
		if (sorted[i]->kind == SE_REAL)
			return false;
	return !p->numeric || names <= MAX_CATEGORIES;
}

se_rgroups se_groups_of(se_report *r, const se_rparam *p)
{
	int (*order)(const void *, const void *) = p->numeric ? by_number : by_text;
	const se_cell **sorted = ar_new(r->a, const se_cell *, r->nrank + 1);
	uint32_t *name_of = ar_new(r->a, uint32_t, r->nrank + 1); /* of sorted values */
	se_rgroups g = {.of = ar_new(r->a, uint32_t, r->nrank + 1), .name = ar_new(r->a, const char *, r->nrank + 1)};
	size_t n = 0;

	for (size_t i = 0; i < r->nrank; i++)
		if (p->of[r->rank[i]])
			sorted[n++] = p->of[r->rank[i]];
	qsort(sorted, n, sizeof *sorted, order);
	for (size_t i = 0; i < n; i++) {
		if (!i || order(&sorted[i], &sorted[i - 1]))
			g.name[g.names++] = sorted[i]->text;
		name_of[i] = (uint32_t)g.names - 1;
	}
	g.category = is_category(p, sorted, n, g.names);
	g.n = g.category ? g.names : BINS;
	for (size_t i = 0; i < r->nrank; i++) {
		const se_cell *c = p->of[r->rank[i]];
		size_t at = c ? first_equal(sorted, n, c, order) : 0;

		g.of[i] = !c ? SE_NO_GROUP : g.category ? name_of[at] : (uint32_t)(at * BINS / n); /* equal values, one bin */
	}
	return g;
}

/* ---- shares ------------------------------------------------------------------------------------------------------- */

/* Omega squared by one pass: sums per group. */
static double omega(const double *y, const uint32_t *group, size_t n, size_t groups, double *sum, double *count)
{
	double all = 0, squares = 0, between = 0, within;
	size_t used = 0;

	memset(sum, 0, groups * sizeof *sum);
	memset(count, 0, groups * sizeof *count);
	for (size_t i = 0; i < n; i++) {
		sum[group[i]] += y[i];
		count[group[i]]++;
		all += y[i];
		squares += y[i] * y[i];
	}
	for (size_t k = 0; k < groups; k++)
		if (count[k] > 0)
			between += sum[k] * sum[k] / count[k], used++;
	between -= all * all / (double)n;
	squares -= all * all / (double)n;
	if (used < 2 || n <= used || !(squares > 0))
		return NAN;
	within = (squares - between) / (double)(n - used);
	return fmax(0, (between - (double)(used - 1) * within) / (squares + within));
}

/* SplitMix64 (Steele, Lea, Flood 2014): any fixed shuffles will do, as long as they are the same again. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void shuffle(double *y, size_t n, uint64_t *state)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t)(next(state) % i);
		double t = y[k];

		y[k] = y[i - 1], y[i - 1] = t;
	}
}

static int ascending(const void *a, const void *b)
{
	double s = *(const double *)a, t = *(const double *)b;

	return s < t ? -1 : s > t;
}

se_share se_share_of(const double *y, const uint32_t *group, size_t n, size_t groups)
{
	se_share out = {.share = NAN, .chance = NAN, .n = n, .groups = groups};
	double *work = ir_xmalloc(n + 2 * groups + 1, sizeof *work), *sum = work + n, *count = sum + groups;
	double other[SHUFFLES], mean = 0;
	uint64_t state = 1;

	for (size_t i = 0; i < n; i++)
		mean += y[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		work[i] = y[i] - mean; /* sums of squares far from zero would lose digits */
	if (n >= MIN_TRIALS)
		out.share = omega(work, group, n, groups, sum, count);
	if (!isnan(out.share)) {
		for (size_t i = 0; i < SHUFFLES; i++) {
			shuffle(work, n, &state);
			other[i] = omega(work, group, n, groups, sum, count);
		}
		qsort(other, SHUFFLES, sizeof *other, ascending);
		out.chance = other[SHUFFLES * 95 / 100];
	}
	free(work);
	return out;
}

/* ---- the section ------------------------------------------------------------------------------------------------- */

typedef struct bar {
	const char *name;
	se_share share;
} bar;

static int largest_first(const void *a, const void *b)
{
	const bar *s = a, *t = b;

	if (s->share.share != t->share.share)
		return s->share.share > t->share.share ? -1 : 1;
	return strcmp(s->name, t->name);
}

/* Among the trials that have the parameter: the others say nothing about its values. */
static se_share share_of_param(se_report *r, const se_rparam *p)
{
	se_rgroups g = se_groups_of(r, p);
	uint32_t *group = ar_new(r->a, uint32_t, r->nrank + 1);
	double *y = ar_new(r->a, double, r->nrank + 1);
	size_t n = 0;

	for (size_t i = 0; i < r->nrank; i++) {
		if (g.of[i] == SE_NO_GROUP)
			continue;
		group[n] = g.of[i];
		y[n++] = log(fmax(r->trial[r->rank[i]].value, DBL_MIN));
	}
	return se_share_of(y, group, n, g.n);
}

static size_t find_bars(se_report *r, bar *out)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nparam; i++) {
		se_share s = share_of_param(r, &r->param[i]);

		if (!isnan(s.share))
			out[n++] = (bar){r->param[i].name, s};
	}
	qsort(out, n, sizeof *out, largest_first);
	return n;
}

static void put_bar(se_report *r, const bar *b)
{
	bool clear = b->share.share > b->share.chance;

	se_page_text(r, "<tr><th scope=\"row\">", b->name, "</th><td class=\"bar\" data-tip=\"");
	sb_printf(r->out, "%.0f %% of the variance; chance alone stays below %.0f %%&#10;%zu trials in %zu groups\">", b->share.share * 100,
		  b->share.chance * 100, b->share.n, b->share.groups);
	sb_printf(r->out, "<span class=\"%s\" style=\"width:%.1f%%\"></span><i style=\"left:%.1f%%\"></i></td>", clear ? "clear" : "vague",
		  b->share.share * 100, fmin(b->share.chance, 1) * 100);
	sb_printf(r->out, "<td class=\"num\">%.0f&thinsp;%%</td></tr>\n", b->share.share * 100);
}

void se_report_importance(se_report *r)
{
	bar *b = ar_new(r->a, bar, r->nparam + 1);
	size_t n = find_bars(r, b);

	if (!n) {
		sb_printf(r->out, "<p>Not enough to compare: at least %d finished trials and a parameter with two values are needed.</p>\n",
			  MIN_TRIALS);
		return;
	}
	sb_put(r->out, "<table class=\"bars\"><tbody>\n");
	for (size_t i = 0; i < n; i++)
		put_bar(r, &b[i]);
	sb_put(r->out, "</tbody></table>\n<p class=\"fine\">Share of the variance of log MSE that goes with one parameter alone: "
		"&omega;&sup2; (Hays 1963) over the trials that have it, grouped by value, numbers in five bins of equally many. Up to the mark "
		"chance does as well (95&thinsp;% of 199 shuffles); pale bars stay below it. A sampler that learns tries good values "
		"more often and several at once, so this is a hint where to look, not an effect.</p>\n");
}

/* Note [Importance]
 * One-way analysis of variance per parameter, on the logarithm of the error, because errors of bad trials are many times those
 * of good ones and would be all of the variance. Omega squared (W. L. Hays, Statistics for Psychologists, 1963) is the explained
 * share less what as many groups would explain by chance; the plain share (eta squared) grows with the number of groups.
 * Small studies: the mark beside the bar is the 95 % quantile under shuffled errors, which assumes nothing about their
 * distribution.
 * It sees no interactions: functional ANOVA of a forest (Hutter, Hoos, Leyton-Brown 2014) would, but for the tens of trials
 * that a study has, its forest is fitted to noise, and its answer comes without a mark of chance. */
