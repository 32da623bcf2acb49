/* SPDX-License-Identifier: Apache-2.0
 * search/driver.c -- the loop of a search: one process, one thread, the only writer of its study. Proposals are made
 * and written down in the order of their numbers and sent out in that order; results are committed as they come in,
 * before anybody hears of them, and reach the sampler through its delay line (sampler.h). finals.c ends the search. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "search/cmd.h"
#include "search/driver_int.h"

#define MAX_ATTEMPTS 3   /* of one trial: a worker may be killed by accident, hardly three times by the same trial */
#define MAX_LOOKAHEAD 16 /* proposals put off because they do not fit into the time left */

static volatile sig_atomic_t stops; /* SIGINT and SIGTERM so far */

static void on_signal(int sig)
{
	(void)sig;
	stops++;
}

/* ---- trials -------------------------------------------------------------------------------------------------------- */

static se_item *add_item(se_driver *v)
{
	se_item *i = ar_push(v->arena, v->item, v->nitem, v->itemcap);

	memset(i, 0, sizeof *i);
	i->value = i->test_value = NAN;
	i->home = -1;
	return i;
}

/* Seconds-like size of a trial: backward costs about twice forward. */
double se_driver_work(const se_driver *v, const se_item *i)
{
	if (!se_genome_has(v->space, &i->genome, "epochs"))
		return 0;
	return 3.0 * (double)i->flops * (double)v->study.ntrain * se_genome_number(v->space, &i->genome, "epochs");
}

/* Writes down every proposal up to number that has no row yet. A proposal that is put off at the end of the time gets
 * none: the next run makes the same one again. */
static ir_status record(se_driver *v, int64_t number)
{
	ir_status st = IR_OK;

	for (size_t k = v->settled; st == IR_OK && k < v->nitem && v->item[k].number <= number; k++) {
		se_item *i = &v->item[k];
		se_proposal p = {.number = i->number, .space = v->space, .genome = &i->genome, .ir = i->ir, .arch = i->arch,
			.key = i->key, .sampler = v->study.sampler, .parent = -1, .latent = i->latent, .n_params = i->params};

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

/* The next proposal as an item without a row. False: there is none any more (v->exhausted), or not yet. */
static bool propose(se_driver *v)
{
	int64_t number = v->next;
	se_genome g;
	se_model m;
	ir_key key;
	char *text;

	if (!se_sampler_ready(v->sampler, number))
		return false;
	for (int64_t draw = 0; draw < SE_MAX_DRAWS; draw++) {
		se_item *i;

		se_sampler_ask(v->sampler, number, draw, &g);
		if (v->nmodel) {
			text = v->model_text[number];
			m = v->model[number];
		} else {
			text = build(v, &g, &m);
		}
		key = se_trial_key(m.arch, v->space, &g, v->study.data_key, v->study.seed);
		if (!se_sampler_claim(v->sampler, key) && !v->nmodel)
			continue; /* known: the same bits would come out */
		i = add_item(v);
		i->number = number;
		i->genome = g;
		i->ir = text;
		i->arch = m.arch;
		i->key = key;
		i->latent = m.latent;
		i->params = m.params;
		i->flops = m.flops;
		i->work = se_driver_work(v, i);
		i->state = SE_WAITING;
		v->next++;
		return true;
	}
	v->exhausted = true;
	return false;
}

/* ---- what the clock allows ----------------------------------------------------------------------------------------- */

double se_driver_predict(const se_driver *v, const se_item *i)
{
	return v->rate_s > 0 && v->rate_work > 0 ? i->work * v->rate_s / v->rate_work : 0;
}

static bool fits(const se_driver *v, const se_item *i)
{
	return v->deadline <= 0 || rt_seconds() + 1.25 * se_driver_predict(v, i) + v->reserve <= v->deadline;
}

static bool time_is_up(const se_driver *v)
{
	return v->deadline > 0 && rt_seconds() + v->reserve >= v->deadline;
}

static bool more_wanted(const se_driver *v)
{
	return !v->exhausted && (!v->o->trials || v->next < v->o->trials) && (!v->nmodel || v->next < (int64_t)v->nmodel);
}

/* The next trial to run: the lowest number that waits and fits into the time left. NULL: none now. */
static se_item *pick(se_driver *v)
{
	int late = 0;

	if (stops || time_is_up(v))
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

/* ---- sending and receiving ------------------------------------------------------------------------------------------ */

static ir_status dispatch(se_driver *v, se_worker *w, se_item *i)
{
	se_message m = {.kind = SE_M_task, .number = i->number, .ir = i->ir, .seed = v->study.seed,
		.measure = v->o->profile};
	ir_status st = record(v, i->number);

	if (st == IR_OK)
		st = se_store_begin(v->store, i->id, v->d);
	if (st != IR_OK)
		return st;
	se_settings(v->space, &i->genome, &m);
	i->state = SE_RUNNING;
	w->state = SE_WORKER_BUSY;
	w->number = i->number;
	v->progress.running++;
	se_wire_send(&w->wire, &m); /* a dead worker is noticed by its end of file */
	return IR_OK;
}

se_item *se_driver_find(se_driver *v, int64_t number)
{
	size_t lo = 0, hi = v->nitem;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (v->item[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < v->nitem && v->item[lo].number == number ? &v->item[lo] : NULL;
}

static void tell(se_driver *v, const se_item *i)
{
	se_told t = {i->number, i->state == SE_COMPLETE ? i->value : (double)NAN, i->genome};

	se_sampler_tell(v->sampler, &t);
}

static void note_best(se_driver *v, const se_item *i)
{
	if (i->state != SE_COMPLETE || !isfinite(i->value))
		return;
	if (v->progress.best_number >= 0 && !(i->value < v->progress.best_value))
		return;
	v->reserve = v->o->finalists > 0 ? 0.5 : 0; /* its weights are still in the worker: a look at the test rows is short */
	se_progress_best(&v->progress, i->number, i->value);
}

static ir_status settle(se_driver *v, se_item *i, const se_outcome *o)
{
	ir_status st = se_store_finish(v->store, i->id, o, v->d);

	if (st != IR_OK)
		return st;
	i->state = o->state == SE_COMPLETE && isnan(o->value) ? SE_FAIL : o->state;
	i->value = o->value;
	v->progress.running--;
	v->progress.finished++;
	v->progress.failed += i->state != SE_COMPLETE;
	while (v->settled < v->nitem && v->item[v->settled].state > SE_RUNNING)
		v->settled++;
	tell(v, i);
	note_best(v, i);
	return IR_OK;
}

static ir_status on_result(se_driver *v, se_worker *w, const se_message *m)
{
	se_item *i = se_driver_find(v, m->number);
	se_outcome o = {.state = m->status == IR_OK ? SE_COMPLETE : SE_FAIL, .cause = m->cause, .value = m->value,
		.n_params = m->n_params, .flops = m->flops, .arena_bytes = m->arena_bytes, .epochs = m->epochs,
		.compile_ms = m->compile_ms, .train_s = m->train_s, .weights_key = m->weights_key, .target = v->target,
		.profile = m->profile};

	w->state = SE_WORKER_IDLE; /* whatever the result is worth: somebody may wait for this worker */
	if (!i || i->state != SE_RUNNING || w->number != m->number)
		return IR_OK; /* nobody asked */
	if (o.state == SE_FAIL)
		o.value = NAN;
	i->home = (int)(w - v->pool.worker);
	i->home_generation = w->generation;
	if (o.state == SE_COMPLETE) {
		snprintf(i->weights_key, sizeof i->weights_key, "%s", m->weights_key ? m->weights_key : "");
		i->train_s = m->train_s;
		v->rate_work += i->work;
		v->rate_s += m->train_s;
	}
	return settle(v, i, &o);
}

static ir_status on_ready(se_driver *v, se_worker *w, const se_message *m)
{
	w->state = SE_WORKER_IDLE;
	v->deaths_at_start = 0;
	snprintf(v->target, sizeof v->target, "%s", m->target ? m->target : "");
	if (v->opened)
		return IR_OK;
	v->opened = true;
	return se_driver_open_study(v);
}

ir_status se_driver_message(se_driver *v, size_t who, const se_message *m)
{
	se_worker *w = &v->pool.worker[who];
	se_item *i;

	switch (m->kind) {
	case SE_M_hello:
		return se_pool_open(&v->pool, who, m) ? IR_OK
			: se_driver_say(v, IR_EINTERNAL, "the worker is of another version");
	case SE_M_ready:
		return on_ready(v, w, m);
	case SE_M_error:
		ir_report(v->d, (ir_loc){0, 0, 0}, IR_E_worker, m->cause ? m->cause : "the worker cannot start");
		return m->status > IR_OK && m->status < IR_STATUS_COUNT ? (ir_status)m->status : IR_EINTERNAL;
	case SE_M_epoch:
		i = se_driver_find(v, m->number);
		if (!i || i->state != SE_RUNNING)
			return IR_OK;
		return se_store_epoch(v->store, i->id, m->epoch, m->train, m->value, v->d);
	case SE_M_result:
		return v->final_worker == (int)who ? se_driver_final(v, w, m) : on_result(v, w, m);
	case SE_M_floor:
		return se_driver_floor(v, w, m);
	case SE_M_open: case SE_M_task: case SE_M_ask_floor: case SE_MESSAGE_COUNT:
		break;
	}
	return se_driver_say(v, IR_EINTERNAL, "the worker sent what only a driver sends");
}

/* The trial waits for another worker, or, after three, is a failed one. */
ir_status se_driver_death(se_driver *v, size_t who, const char *why)
{
	se_item *i = se_driver_find(v, v->pool.worker[who].number);
	se_outcome o = {.state = SE_FAIL, .cause = why, .value = NAN, .train_s = NAN, .compile_ms = NAN, .target = v->target};
	ir_status st;

	if (v->final_worker == (int)who) {
		se_progress_note(&v->progress, "finalist %lld: %s", (long long)v->final_number, why);
		v->final_worker = -1; /* it stays without a test value; a later run tries again */
		v->final_number = -1;
		return IR_OK;
	}
	if (v->floor_worker == (int)who) {
		v->floor_worker = -1;
		if (v->floor_asked)
			return se_driver_floor_death(v, why);
	}
	if (!i || i->state != SE_RUNNING) {
		if (++v->deaths_at_start >= MAX_ATTEMPTS)
			return se_driver_say(v, IR_EINTERNAL, why);
		return IR_OK;
	}
	se_progress_note(&v->progress, "trial %lld: %s", (long long)i->number, why);
	st = se_store_add_event(v->store, v->study.id, why, i->number, v->d);
	if (st == IR_OK)
		st = se_store_retry(v->store, i->id, v->d);
	if (st != IR_OK)
		return st;
	if (++i->attempts >= MAX_ATTEMPTS) {
		st = se_store_begin(v->store, i->id, v->d);
		return st == IR_OK ? settle(v, i, &o) : st;
	}
	i->state = SE_WAITING;
	v->progress.running--;
	return IR_OK;
}

/* ---- the loop -------------------------------------------------------------------------------------------------------- */

ir_status se_driver_wait(se_driver *v)
{
	se_message m;
	size_t who;
	char why[64];
	sigset_t open;

	sigemptyset(&open); /* signals are blocked everywhere but in this wait */
	switch (se_pool_next(&v->pool, v->progress.tty ? 200 : 1000, &open, &who, &m, why)) {
	case SE_POOL_MESSAGE:
		return se_driver_message(v, who, &m);
	case SE_POOL_DEATH:
		return se_driver_death(v, who, why);
	case SE_POOL_NOTHING:
		break;
	}
	se_progress_show(&v->progress, false);
	return IR_OK;
}

int se_driver_stops(void)
{
	return (int)stops;
}

/* Gives every idle worker a trial; starts workers that are missing while there is something to do. */
static ir_status feed(se_driver *v, bool *working)
{
	ir_status st = IR_OK;

	*working = false;
	for (size_t k = 0; st == IR_OK && k < v->pool.n; k++) {
		se_worker *w = &v->pool.worker[k];
		se_item *i;

		if (w->state == SE_WORKER_IDLE && !stops && se_driver_ask_floor(v, k))
			;
		else if (w->state == SE_WORKER_IDLE && (i = pick(v)))
			st = dispatch(v, w, i);
		else if (w->state == SE_WORKER_NONE && pick(v))
			st = se_pool_start(&v->pool, k, v->d);
		*working |= w->state == SE_WORKER_BUSY || w->state == SE_WORKER_STARTING;
	}
	return st;
}

static ir_status run_trials(se_driver *v)
{
	bool working = true, told = false;
	ir_status st = IR_OK;

	while (st == IR_OK && working && stops < 2) {
		st = feed(v, &working);
		if (stops && !told) {
			told = true;
			se_progress_note(&v->progress, "stopping after the running trials; once more stops at once");
		}
		if (st == IR_OK && working)
			st = se_driver_wait(v);
	}
	return st;
}

static void catch_signals(void)
{
	struct sigaction a = {.sa_handler = on_signal};
	sigset_t block;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, NULL);
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* All of them at first; later those that died at their start. */
static ir_status start_workers(se_driver *v)
{
	ir_status st = IR_OK;

	for (size_t i = 0; st == IR_OK && i < v->pool.n; i++)
		if (v->pool.worker[i].state == SE_WORKER_NONE)
			st = se_pool_start(&v->pool, i, v->d);
	return st;
}

/* Everything between the first worker and the last. */
static ir_status run(se_driver *v)
{
	ir_status st;

	if (!se_driver_anything(v))
		return IR_OK;
	st = start_workers(v);
	if (st == IR_OK)
		st = se_driver_load_data(v); /* they wait for an answer to their hello */
	while (st == IR_OK && !v->opened && !stops) {
		st = start_workers(v);
		if (st == IR_OK)
			st = se_driver_wait(v);
	}
	if (st == IR_OK && v->opened)
		st = run_trials(v);
	if (st == IR_OK && v->opened && !stops)
		st = se_driver_finish(v);
	if (st == IR_OK && v->opened && (stops || time_is_up(v)))
		st = se_store_add_event(v->store, v->study.id, stops ? "stopped by a signal" : "stopped by --time", v->next, v->d);
	return st;
}

ir_status se_search(const se_options *o, se_summary *out, bool *usage, ir_diag *d)
{
	se_driver *v = ir_xmalloc(1, sizeof *v);
	int64_t recovered;
	ir_status st;

	*usage = false;
	memset(out, 0, sizeof *out);
	out->best_number = -1;
	v->o = o;
	v->d = d;
	v->final_number = v->final_worker = v->floor_worker = v->data = -1;
	v->arena = ar_open();
	stops = 0;
	catch_signals();
	se_progress_init(&v->progress, o->quiet);
	v->deadline = v->progress.deadline = o->time > 0 ? v->progress.start + o->time : 0;
	st = se_driver_prepare(v, usage);
	if (st == IR_OK)
		st = run(v);
	if (st == IR_OK && stops < 2)
		se_pool_stop(&v->pool);
	else
		se_pool_kill(&v->pool);
	if (st == IR_OK && stops >= 2 && v->opened && v->study.id) /* what was cut off waits; the lease is still ours */
		st = se_store_recover(v->store, v->study.id, &recovered, v->d);
	if (v->progress.finished)
		se_progress_end(&v->progress);
	if (st == IR_OK)
		st = se_driver_sum_up(v, out);
	out->interrupted = stops > 0;
	out->wall_s = rt_seconds() - v->progress.start;
	se_driver_free(v);
	return st;
}
