/* SPDX-License-Identifier: Apache-2.0
 * search/pack.c -- how the cores are split between trials and inside them (--jobs auto). Small models run fastest side by
 * side, one core each; large ones one after the other on all cores, because two of them do not fit into the caches
 * together. Where the change comes is measured, not guessed: for each size of model, the work that a core got done in
 * a second when 1, 2, 4, .. cores trained a trial together. Bits do not depend on any of it. */
#include <math.h>
#include "search/driver_int.h"

#define BETTER 1.02 /* more cores inside must bring that much: a worker without a trial is no loss, a wrong guess is */
#define FADE 0.95   /* the best rate seen fades with every further trial: a cold start is no rate, an old one neither */
#define ENOUGH 2    /* trials before a rate is believed */
#define WORTH 20.0  /* seconds of such models before another split is tried: trying costs something too */

/* Models whose number of weights is about the same: a factor of two. */
static int bucket(const se_item *i)
{
	int b = i->params > 0 ? (int)log2((double)i->params) : 0;

	return b < SE_PACK_SIZES ? b : SE_PACK_SIZES - 1;
}

static int teams(const se_driver *v)
{
	int n = 1;

	while (n < SE_PACK_TEAMS && 1 << n <= v->cores)
		n++;
	return n;
}

/* Tries twice as many cores as long as that was better than half as many. */
int se_driver_team(const se_driver *v, const se_item *i)
{
	const se_rate *rate = v->pack[bucket(i)];
	int best = 0;

	if (!v->spread)
		return (int)v->pool.open.threads;
	for (int k = 1; k < teams(v); k++) {
		if (rate[k - 1].trials < ENOUGH || rate[k - 1].seconds < WORTH)
			break; /* first half as many */
		if (rate[k].trials < ENOUGH || rate[k].work > BETTER * rate[best].work)
			best = k;
		else
			break;
	}
	return 1 << best;
}

void se_driver_learn(se_driver *v, const se_item *i, const se_worker *w, double seconds)
{
	int k = 0;
	double now = i->work / (seconds * w->base);
	se_rate *rate;

	while (1 << (k + 1) <= w->base)
		k++;
	if (w->changed || k >= SE_PACK_TEAMS || !(seconds > 0))
		return; /* it had other cores in between */
	rate = &v->pack[bucket(i)][k];
	rate->work = fmax(now, FADE * rate->work);
	rate->seconds += seconds;
	rate->trials++;
}

/* ---- who has which cores ------------------------------------------------------------------------------------------------ */

static int taken(const se_driver *v, int *busy)
{
	int cores = 0;

	*busy = 0;
	for (size_t k = 0; k < v->pool.n; k++)
		if (v->pool.worker[k].state == SE_WORKER_BUSY)
			cores += v->pool.worker[k].base, ++*busy;
	return cores;
}

bool se_driver_has_room(const se_driver *v, const se_item *i)
{
	int busy, cores = taken(v, &busy);

	return !v->spread || !busy || cores + se_driver_team(v, i) <= v->cores;
}

void se_driver_set_team(se_worker *w, int threads)
{
	if (w->threads == threads)
		return;
	w->threads = threads;
	w->changed = true;
	se_wire_send(&w->wire, &(se_message){.kind = SE_M_team, .threads = threads});
}

/* Cores that nobody has asked for - at the end, while a sampler waits for outcomes, while a large model waits for room -
 * go to the trials that run, evenly, and come back when there is work again. */
void se_driver_spread(se_driver *v)
{
	int busy, rest;

	if (!v->spread)
		return;
	rest = v->cores - taken(v, &busy);
	for (size_t k = 0; busy && k < v->pool.n; k++) {
		se_worker *w = &v->pool.worker[k];
		int more = rest > 0 ? (rest + busy - 1) / busy : 0;

		if (w->state != SE_WORKER_BUSY)
			continue;
		se_driver_set_team(w, w->base + more);
		rest -= more;
		busy--;
	}
}
