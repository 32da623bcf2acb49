/* SPDX-License-Identifier: Apache-2.0
 * search/mutate.c -- one step away from a point of a space: one parameter, now and then two, take another value; where
 * values have an order, most often one close by. What the change switches on is drawn, what it switches off goes. And the
 * point between two others. */
#include <math.h>
#include <string.h>
#include "ir/base/arena.h"
#include "search/space.h"

#define SECOND 0.25  /* chance of a second change, which leads out of a point whose neighbours are all known */
#define FAR 0.25     /* chance that an ordered value jumps anywhere */
#define SPREAD 0.15  /* standard deviation of a step, as a part of the range (of its logarithm) */
#define OTHER 0.3    /* chance that a parameter comes from the second parent */
#define MAX_VALUES 32

static double throw(se_dice *d)
{
	return rt_random_unit(d->key, d->at++);
}

static size_t throw_below(se_dice *d, size_t n)
{
	return (size_t)rt_random_below(d->key, d->at++, n);
}

/* Box and Muller; only bits that exp and cos round alike matter, and a study is bound to one build (setup.c). */
static double throw_normal(se_dice *d)
{
	double u = 1 - throw(d), v = throw(d);

	return sqrt(-2 * log(u)) * cos(2 * acos(-1) * v);
}

/* Whole values of p in the order of what they mean; 0: p is continuous. *ordered: does the order say anything? */
static size_t values(const se_param *p, double v[MAX_VALUES], bool *ordered)
{
	size_t n = 0;

	*ordered = p->kind == SE_INT || (p->kind == SE_CHOICE && se_param_numeric(p));
	if (p->kind == SE_FLOAT)
		return 0;
	if (p->kind == SE_INT) {
		for (double x = p->low; x <= p->high && n < MAX_VALUES; x++)
			v[n++] = x;
		return n;
	}
	for (; n < MAX_VALUES && p->choice[n]; n++)
		v[n] = (double)n;
	for (size_t i = 1; *ordered && i < n; i++) /* choices are appended, not sorted */
		for (size_t k = i; k && se_param_meaning(p, v[k - 1]) > se_param_meaning(p, v[k]); k--) {
			double swap = v[k];

			v[k] = v[k - 1], v[k - 1] = swap;
		}
	return n;
}

static bool can_change(const se_param *p)
{
	return p->kind == SE_CHOICE ? se_param_choices(p) > 1 : p->low < p->high;
}

static double reflect(double u)
{
	u = fabs(u);
	u = fmod(u, 2);
	return u > 1 ? 2 - u : u;
}

/* Another value of a continuous parameter. */
static double move_float(const se_param *p, double v, se_dice *d)
{
	double u = throw(d) < FAR ? throw(d) : reflect(se_param_unit(p, v) + SPREAD * throw_normal(d));

	return se_param_at(p, u < 1 ? u : 1 - 0x1p-53);
}

/* Another one of n whole values. */
static double move_whole(const se_param *p, double v, se_dice *d)
{
	double value[MAX_VALUES];
	bool ordered;
	size_t n = values(p, value, &ordered), at = 0, to;
	long step;

	while (at < n && value[at] != v)
		at++;
	if (!ordered || throw(d) < FAR) {
		to = throw_below(d, n - 1);
		return value[to + (to >= at)];
	}
	step = lround(fabs(throw_normal(d)) * SPREAD * (double)n);
	step = step < 1 ? 1 : step;
	if (throw(d) < .5)
		step = -step;
	if ((long)at + step < 0 || (long)at + step >= (long)n) /* off the end: the other way, as far as there is room */
		step = -step;
	step = (long)at + step < 0 ? -(long)at : (long)at + step >= (long)n ? (long)(n - 1 - at) : step;
	return value[(long)at + step];
}

/* Changes one row, not that of an earlier change (-1: none), and returns which; -1: there is nothing to change. */
static int change_one(const se_space *sp, se_dice *d, se_genome *g, int except)
{
	int row[SE_MAX_PARAMS], i;
	size_t n = 0;

	for (i = 0; i < (int)sp->n; i++)
		if (!isnan(g->v[i]) && can_change(&sp->param[i]) && i != except)
			row[n++] = i;
	if (!n)
		return -1;
	i = row[throw_below(d, n)];
	g->v[i] = sp->param[i].kind == SE_FLOAT ? move_float(&sp->param[i], g->v[i], d)
						: move_whole(&sp->param[i], g->v[i], d);
	return i;
}

/* Conditions stand above what depends on them, so one sweep is enough. */
static void mend(const se_space *sp, se_dice *d, se_genome *g)
{
	for (size_t i = 0; i < sp->n; i++) {
		bool active = se_genome_active(sp, g, i);

		if (active && isnan(g->v[i]))
			g->v[i] = se_param_at(&sp->param[i], throw(d));
		else if (!active)
			g->v[i] = NAN;
	}
}

void se_cross(const se_space *sp, const se_genome *a, const se_genome *b, se_dice *d, se_genome *child)
{
	for (size_t i = 0; i < sp->n; i++) {
		bool from_b = throw(d) < OTHER;

		child->v[i] = from_b ? b->v[i] : a->v[i];
		if (!se_genome_active(sp, child, i))
			child->v[i] = NAN;
		else if (isnan(child->v[i])) /* one of them has it: b if a's was asked for, or a */
			child->v[i] = from_b ? a->v[i] : b->v[i];
	}
	mend(sp, d, child); /* or none, where the condition holds for neither */
}

void se_mutate(const se_space *sp, const se_genome *parent, se_dice *d, se_genome *child)
{
	int first;

	*child = *parent;
	first = change_one(sp, d, child, -1);
	mend(sp, d, child);
	if (throw(d) < SECOND) {
		change_one(sp, d, child, first);
		mend(sp, d, child);
	}
}

void se_grow(const se_space *sp, se_dice *d, se_genome *g)
{
	for (size_t i = 0; i < sp->n; i++)
		if (sp->param[i].budget && !isnan(g->v[i]) && throw(d) < .5)
			g->v[i] = fmin(sp->param[i].high, floor(g->v[i] * 1.5));
}

void se_shrink(const se_space *sp, se_dice *d, se_genome *g)
{
	for (size_t i = 0; i < sp->n; i++)
		if (sp->param[i].budget && !isnan(g->v[i]))
			g->v[i] = se_param_at(&sp->param[i], .25 * throw(d));
}

static void put_value(const se_space *sp, const se_genome *g, size_t i, ir_str *out)
{
	if (isnan(g->v[i]))
		sb_put(out, "-");
	else if (sp->param[i].kind == SE_FLOAT)
		sb_printf(out, "%.4g", g->v[i]); /* to be read; every digit is among the parameters */
	else
		se_param_print(&sp->param[i], g->v[i], out);
}

void se_mutation_print(const se_space *sp, const se_genome *parent, const se_genome *child, ir_str *out)
{
	const char *gap = "";

	for (size_t i = 0; i < sp->n; i++) {
		if (parent->v[i] == child->v[i] || (isnan(parent->v[i]) && isnan(child->v[i])))
			continue;
		sb_printf(out, "%s%s: ", gap, sp->param[i].name);
		put_value(sp, parent, i, out);
		sb_put(out, " -> ");
		put_value(sp, child, i, out);
		gap = ", ";
	}
}
