/* SPDX-License-Identifier: Apache-2.0
 * search/propose.c -- which trials there are and which is next: proposals in the order of their numbers, trials that
 * other programs have enqueued, what still fits into the time. A proposal is written down when it is sent out, with
 * every one below it; if another program takes its number first, it is made again under the next one. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "search/driver_int.h"
#include "search/enqueue.h"

#define MAX_LOOKAHEAD 16 /* proposals put off because they do not fit into the time left */

/* Numbers that nobody has used (rows were deleted) are failures to the sampler, which would wait for them. */
static void tell_gap(se_driver *v, int64_t number)
{
	se_told t = {.value = NAN};

	for (size_t k = 0; k < SE_MAX_PARAMS; k++)
		t.genome.v[k] = NAN;
	for (t.number = v->next; t.number < number; t.number++)
		se_sampler_tell(v->sampler, &t);
}

se_item *se_driver_add_item(se_driver *v, int64_t number)
{
	se_item *i;

	tell_gap(v, number);
	i = ar_push(v->arena, v->item, v->nitem, v->itemcap);
	memset(i, 0, sizeof *i);
	i->number = number;
	i->value = i->test_value = NAN;
	i->home = -1;
	v->next = number + 1;
	return i;
}

/* Seconds-like size of a trial: backward costs about twice forward. */
double se_driver_work(const se_driver *v, const se_item *i)
{
	if (!se_genome_has(v->space, &i->genome, "epochs"))
		return 0;
	return 3.0 * (double)i->flops * (double)v->study.ntrain * se_genome_number(v->space, &i->genome, "epochs");
}

void se_driver_tell(se_driver *v, const se_item *i)
{
	se_told t = {i->number, i->ir && i->state == SE_COMPLETE ? i->value : (double)NAN, i->genome};

	se_sampler_tell(v->sampler, &t);
}

/* ---- proposals ----------------------------------------------------------------------------------------------------- */

static se_proposal row_of(const se_driver *v, const se_item *i, const char *sampler)
{
	return (se_proposal){.number = i->number, .space = v->space, .genome = &i->genome, .ir = i->ir ? i->ir : "",
		.arch = i->arch, .key = i->key, .sampler = sampler, .parent = i->parent, .mutation = i->mutation,
		.latent = i->latent, .n_params = i->params};
}

/* Writes down every proposal up to number that has no row yet. A proposal that is put off at the end of the time gets
 * none: the next run makes the same one again. */
ir_status se_driver_record(se_driver *v, int64_t number)
{
	ir_status st = IR_OK;

	for (size_t k = v->settled; st == IR_OK && k < v->nitem && v->item[k].number <= number; k++) {
		se_item *i = &v->item[k];
		se_proposal p = row_of(v, i, v->study.sampler);

		if (!i->id)
			st = se_store_propose(v->store, v->study.id, &p, &i->id, v->d);
	}
	return st;
}

/* The model text of a genome and what it says about itself; building something invalid is a bug of ours. */
static char *build(se_driver *v, const se_genome *g, se_model *m)
{
	ir_str text;
	char *copy;

	sb_init(&text);
	se_build(v->space, g, v->study.width, &text);
	copy = ar_strndup(v->arena, text.s, text.n);
	sb_fini(&text);
	if (!se_model_read("proposal", copy, m, v->d)) {
		ir_str why;

		sb_init(&why);
		ir_diag_print_all(v->d, &why);
		ir_bug("the space %s built an invalid model:\n%s\n%s", v->space->name, why.s, copy);
	}
	return copy;
}

/* Fills an item that waits from its model; genome and number are there. */
static void describe(se_driver *v, se_item *i, char *text, const se_model *m)
{
	i->ir = text;
	i->arch = m->arch;
	i->key = se_trial_key(m->arch, v->space, &i->genome, v->study.data_key, v->study.seed);
	i->latent = m->latent;
	i->params = m->params;
	i->flops = m->flops;
	i->work = se_driver_work(v, i);
	i->state = SE_WAITING;
}

/* One draw for the next number into *i, which is not in the list yet. False: a duplicate. */
static bool draw(se_driver *v, int64_t number, int64_t n, se_item *i)
{
	ir_str mutation;
	se_model m;
	char *text;

	sb_init(&mutation);
	i->parent = se_sampler_ask(v->sampler, number, n, &i->genome, &mutation);
	i->mutation = i->parent >= 0 ? ar_strndup(v->arena, mutation.s, mutation.n) : NULL;
	sb_fini(&mutation);
	if (v->nmodel) {
		text = v->model_text[v->given];
		m = v->model[v->given];
	} else {
		text = build(v, &i->genome, &m);
	}
	describe(v, i, text, &m);
	return se_sampler_claim(v->sampler, number, i->key) || v->nmodel;
}

/* The next proposal as an item without a row. False: there is none any more (v->exhausted), or not yet. */
static bool propose(se_driver *v)
{
	int64_t number = v->next;
	se_item made = {.number = number, .value = NAN, .test_value = NAN, .home = -1};

	if (!se_sampler_ready(v->sampler, number))
		return false;
	for (int64_t n = 0; n < SE_MAX_DRAWS; n++) {
		if (!draw(v, number, n, &made))
			continue; /* known: the same bits would come out */
		*se_driver_add_item(v, number) = made;
		v->given++;
		return true;
	}
	v->exhausted = true;
	return false;
}

/* ---- trials of other programs ---------------------------------------------------------------------------------------- */

/* A trial that cannot be run is a failed one. */
static ir_status reject(se_driver *v, se_item *i, const char *why)
{
	se_outcome o = {.state = SE_FAIL, .cause = why, .value = NAN, .train_s = NAN, .compile_ms = NAN};
	ir_status st = se_store_begin(v->store, i->id, 0, v->d);

	i->state = SE_FAIL;
	return st == IR_OK ? se_store_finish(v->store, i->id, &o, v->d) : st;
}

static bool read_point(se_driver *v, se_item *i, const char *fixed, ir_str *why)
{
	se_genome drawn;

	if (v->nmodel) {
		sb_put(why, "enqueued: the study trains given models");
		return false;
	}
	se_sampler_fill(v->sampler, i->number, &drawn);
	return se_enqueued(v->space, fixed, &drawn, &i->genome, why);
}

static ir_status run_enqueued(se_driver *v, se_item *i, const char *fixed)
{
	se_proposal p;
	se_model m;
	char *text;
	ir_str why;
	ir_status st;
	bool ok;

	sb_init(&why);
	ok = read_point(v, i, fixed, &why);
	if (ok) {
		text = build(v, &i->genome, &m);
		describe(v, i, text, &m);
		se_sampler_claim(v->sampler, i->number, i->key); /* run again if it is a duplicate: somebody asked for it */
	} else {
		for (size_t k = 0; k < SE_MAX_PARAMS; k++)
			i->genome.v[k] = NAN;
	}
	p = row_of(v, i, "enqueued");
	st = se_store_adopt(v->store, i->id, &p, v->d);
	if (st == IR_OK && !ok)
		st = reject(v, i, why.s);
	if (st == IR_OK)
		st = se_store_add_event(v->store, v->study.id, "enqueued by another program", i->number, v->d);
	sb_fini(&why);
	return st;
}

/* What another program trains itself is none of our outcomes: its value came from somewhere else, at its own time. */
ir_status se_driver_adopt(se_driver *v, const se_stranger *r)
{
	ir_status st = IR_OK;
	se_item *i;

	i = se_driver_add_item(v, r->number);
	i->id = r->id;
	i->parent = -1;
	i->state = SE_FAIL;
	if (r->waits)
		st = run_enqueued(v, i, r->fixed);
	if (st == IR_OK && i->state == SE_FAIL) {
		se_driver_tell(v, i);
		v->progress.finished++;
		v->progress.failed++;
	}
	return st;
}

/* Rows of other programs with numbers that we have not written down: they take them, our proposals move up. The right
 * to write must be held, so that no further one can appear before ours are written. */
ir_status se_driver_look_for_strangers(se_driver *v)
{
	ir_arena *a = ar_open();
	size_t known = v->nitem, n;
	se_stranger *r;
	ir_status st;

	while (known && !v->item[known - 1].id)
		known--;
	st = se_store_strangers(v->store, v->study.id, known ? v->item[known - 1].number + 1 : 0, a, &r, &n, v->d);
	if (st == IR_OK && n && known < v->nitem) {
		v->given -= (int64_t)(v->nitem - known);
		v->nitem = known;
		v->next = known ? v->item[known - 1].number + 1 : 0;
		v->exhausted = false;
		se_sampler_unclaim(v->sampler, v->next);
	}
	for (size_t i = 0; st == IR_OK && i < n; i++)
		st = se_driver_adopt(v, &r[i]);
	ar_free(a);
	return st;
}

/* ---- what the clock allows ----------------------------------------------------------------------------------------- */

double se_driver_predict(const se_driver *v, const se_item *i)
{
	return v->rate_s > 0 && v->rate_work > 0 ? i->work * v->rate_s / v->rate_work / se_driver_team(v, i) : 0;
}

static bool fits(const se_driver *v, const se_item *i)
{
	return v->deadline <= 0 || rt_seconds() + 1.25 * se_driver_predict(v, i) + v->reserve <= v->deadline;
}

bool se_driver_time_is_up(const se_driver *v)
{
	return v->deadline > 0 && rt_seconds() + v->reserve >= v->deadline;
}

static bool more_wanted(const se_driver *v)
{
	return !v->exhausted && (!v->o->trials || v->next < v->o->trials) && (!v->nmodel || v->given < (int64_t)v->nmodel);
}

se_item *se_driver_pick(se_driver *v)
{
	int late = 0;

	if (se_driver_stops() || se_driver_time_is_up(v))
		return NULL;
	for (size_t k = v->settled; k < v->nitem; k++) {
		if (v->item[k].state != SE_WAITING || !v->item[k].ir)
			continue;
		if (fits(v, &v->item[k]))
			return &v->item[k];
		late++;
	}
	while (late < MAX_LOOKAHEAD && more_wanted(v) && propose(v)) {
		se_item *i = &v->item[v->nitem - 1];

		if (fits(v, i))
			return i;
		late++;
	}
	return NULL;
}
