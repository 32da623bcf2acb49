/* SPDX-License-Identifier: Apache-2.0
 * search/driver.c -- the loop of a search: one process, one thread, the only writer of its study. Proposals are made
 * and written down in the order of their numbers and sent out in that order; results are committed in turns of the loop,
 * before anybody hears of them, and reach the sampler through its delay line (sampler.h). finals.c ends the search.
 *
 * Note [What the clock decides]: which worker gets a trial, whether one still fits into --time, when a limit strikes,
 * when somebody stops the search or enqueues a trial. None of it may change what a proposal is made from. So outcomes are
 * told by number; a trial that was put off keeps its number; what a limit or another program did is a row, which the
 * next run reads as it reads every other; and a worker's death is an attempt of the trial only if the trial can be
 * blamed for it. */
#define _GNU_SOURCE
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "search/cmd.h"
#include "search/driver_int.h"

#define MAX_ATTEMPTS 3 /* of one trial: a worker may be killed by accident, hardly three times by the same trial */

static volatile sig_atomic_t stops; /* SIGINT and SIGTERM so far */
static int asked;                   /* to stop, through the file */

static void on_signal(int sig)
{
	(void)sig;
	stops++;
}

/* ---- sending and receiving ------------------------------------------------------------------------------------------ */

/* Another program has taken a trial of ours that waited (Optuna's ask does): it is theirs now. */
static ir_status lose(se_driver *v, se_item *i)
{
	i->state = SE_FAIL;
	i->ir = NULL;
	se_driver_tell(v, i);
	return se_store_add_event(v->store, v->study.id, "taken by another program", i->number, v->d);
}

static ir_status dispatch(se_driver *v, se_worker *w, se_item *i)
{
	se_message m = {.kind = SE_M_task, .number = i->number, .ir = i->ir, .seed = v->study.seed,
		.measure = v->o->profile, .save_below = se_driver_keep_below(v)};
	ir_status st = se_driver_record(v, i->number);

	if (st == IR_OK)
		st = se_store_begin(v->store, i->id, w->pid, v->d);
	if (st == IR_EBUSY)
		return lose(v, i);
	if (st != IR_OK)
		return st;
	se_settings(v->space, &i->genome, &m);
	if (v->study.keep)
		m.save = se_driver_weights_path(v, i);
	i->state = SE_RUNNING;
	v->progress.running++;
	w->base = se_driver_team(v, i);
	se_driver_set_team(w, w->base);
	w->changed = false;
	se_pool_ask(w, i->number, &m);
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

void se_driver_note_best(se_driver *v, const se_item *i)
{
	if (i->state != SE_COMPLETE || !i->ir || !isfinite(i->value))
		return;
	if (v->progress.best_number >= 0 && !(i->value < v->progress.best_value))
		return;
	v->progress.best_number = i->number;
	v->progress.best_value = i->value;
	/* a look at the test rows is short while its worker has the weights; else it is trained again */
	v->reserve = !v->o->finalists || !isnan(i->test_value) ? 0 : i->home >= 0 ? 0.5 : i->train_s;
}

static ir_status settle(se_driver *v, se_item *i, const se_outcome *o)
{
	int64_t best;
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
	se_driver_tell(v, i);
	best = v->progress.best_number;
	se_driver_note_best(v, i);
	v->better |= v->progress.best_number != best;
	return se_driver_keep(v, i);
}

static ir_status on_result(se_driver *v, se_worker *w, const se_message *m)
{
	se_item *i = se_driver_find(v, m->number);
	se_outcome o = {.state = m->status == IR_OK ? SE_COMPLETE : SE_FAIL, .cause = m->cause, .value = m->value,
		.n_params = m->n_params, .flops = m->flops, .arena_bytes = m->arena_bytes, .epochs = m->epochs,
		.compile_ms = m->compile_ms, .train_s = m->train_s, .weights_key = m->weights_key, .target = v->target,
		.profile = m->profile};

	if (!w->limit) /* then it is being killed, and good for nothing else */
		w->state = SE_WORKER_IDLE; /* whatever the result is worth: somebody may wait for this worker */
	if (!i || i->state != SE_RUNNING || w->number != m->number)
		return IR_OK; /* nobody asked */
	if (o.state == SE_FAIL)
		o.value = NAN;
	else if (m->full)
		se_driver_pause_for_file(v, i, m->n_params);
	else if (o.cause)
		se_progress_note(&v->progress, "trial %lld: its weights are not kept: %s", (long long)i->number, o.cause);
	if (o.state == SE_COMPLETE)
		o.cause = NULL;
	i->home = (int)(w - v->pool.worker);
	i->home_generation = w->generation;
	if (o.state == SE_COMPLETE) {
		snprintf(i->weights_key, sizeof i->weights_key, "%s", m->weights_key ? m->weights_key : "");
		i->train_s = m->train_s;
		if (m->saved)
			o.weights_file = i->file = se_driver_weights_file(v, i);
		v->rate_work += i->work;
		v->rate_s += m->train_s * w->base;
		se_driver_learn(v, i, w, m->train_s - 1e-3 * m->compile_ms);
	}
	return settle(v, i, &o);
}

static void on_ready(se_driver *v, se_worker *w, const se_message *m)
{
	w->state = SE_WORKER_IDLE;
	v->deaths_at_start = 0;
	snprintf(v->target, sizeof v->target, "%s", m->target ? m->target : "");
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
		on_ready(v, w, m);
		return IR_OK;
	case SE_M_error:
		ir_report(v->d, (ir_loc){0, 0, 0}, IR_E_worker, m->cause ? m->cause : "the worker cannot start");
		return m->status > IR_OK && m->status < IR_STATUS_COUNT ? (ir_status)m->status : IR_EINTERNAL;
	case SE_M_epoch:
		i = se_driver_find(v, m->number);
		if (!i || i->state != SE_RUNNING)
			return IR_OK;
		i->epochs = m->epoch;
		return se_store_epoch(v->store, i->id, m->epoch, m->train, m->value, v->d);
	case SE_M_result:
		return v->final_worker == (int)who ? se_driver_final(v, w, m) : on_result(v, w, m);
	case SE_M_floor:
		return se_driver_floor(v, w, m);
	case SE_M_open: case SE_M_task: case SE_M_ask_floor: case SE_M_team: case SE_MESSAGE_COUNT:
		break;
	}
	return se_driver_say(v, IR_EINTERNAL, "the worker sent what only a driver sends");
}

/* A worker died while nothing was asked of it, or before it was ready: three times in a row by its own fault, and
 * something is wrong with us, not with a trial. */
static ir_status idle_death(se_driver *v, const se_death *death)
{
	if (death->external || death->limit || ++v->deaths_at_start < MAX_ATTEMPTS)
		return IR_OK;
	return se_driver_say(v, IR_EINTERNAL, death->why);
}

/* The end of a trial whose worker is gone: once it has struck a limit, or after three crashes. */
static ir_status give_up(se_driver *v, se_item *i, const char *why)
{
	se_outcome o = {.state = SE_FAIL, .cause = why, .value = NAN, .train_s = NAN, .compile_ms = NAN, .target = v->target,
		.epochs = i->epochs};

	return settle(v, i, &o);
}

/* A worker's memory is also that of the trials before: the second time, in a fresh one, the trial is to blame. */
static bool may_try_again(se_item *i, const char *why)
{
	bool first = !i->greedy && !strncmp(why, SE_CAUSE_MEMORY, strlen(SE_CAUSE_MEMORY));

	i->greedy = true;
	return first;
}

ir_status se_driver_death(se_driver *v, size_t who, const se_death *death)
{
	se_item *i = se_driver_find(v, v->pool.worker[who].number);
	const char *why = death->why;
	bool blamed = !death->external && !death->limit;
	ir_status st;

	if (v->final_worker == (int)who) {
		se_progress_note(&v->progress, "finalist %lld: %s", (long long)v->final_number, why);
		v->final_worker = -1;
		v->final_number = -1;
		v->final_again = death->external; /* else it stays without a test value; a later run tries again */
		return IR_OK;
	}
	if (v->floor_worker == (int)who) {
		v->floor_worker = -1;
		if (v->floor_asked != SE_NO_FLOOR)
			return se_driver_floor_death(v, death);
	}
	if (!i || i->state != SE_RUNNING)
		return idle_death(v, death);
	se_progress_note(&v->progress, "trial %lld: %s", (long long)i->number, why);
	st = se_store_add_event(v->store, v->study.id, why, i->number, v->d);
	if (st == IR_OK && death->limit && !may_try_again(i, why))
		return give_up(v, i, why);
	if (st == IR_OK)
		st = se_store_retry(v->store, i->id, blamed, v->d);
	if (st != IR_OK)
		return st;
	i->epochs = 0;
	i->attempts += blamed;
	if (i->attempts >= MAX_ATTEMPTS) {
		st = se_store_begin(v->store, i->id, 0, v->d);
		return st == IR_OK ? give_up(v, i, why) : st;
	}
	i->state = SE_WAITING;
	v->progress.running--;
	return IR_OK;
}

/* ---- the loop -------------------------------------------------------------------------------------------------------- */

#define MAX_EVENTS 64 /* before the next commit */

static ir_status one_event(se_driver *v, int timeout_ms, bool *any)
{
	se_message m;
	size_t who;
	se_death death;
	sigset_t open;

	sigemptyset(&open); /* signals are blocked everywhere but in this wait */
	*any = true;
	switch (se_pool_next(&v->pool, timeout_ms, &open, &who, &m, &death)) {
	case SE_POOL_MESSAGE:
		return se_driver_message(v, who, &m);
	case SE_POOL_DEATH:
		return se_driver_death(v, who, &death);
	case SE_POOL_NOTHING:
		break;
	}
	*any = false;
	return IR_OK;
}

ir_status se_driver_wait(se_driver *v)
{
	bool any = true;
	ir_status st = se_driver_flush(v);
	int ms = v->store && se_store_pending(v->store) && !v->full ? 20 : 200;

	if (st == IR_OK)
		st = one_event(v, ms, &any);
	for (int i = 0; st == IR_OK && any && i < MAX_EVENTS; i++)
		st = one_event(v, 0, &any);
	se_driver_limits(v);
	return st == IR_OK ? se_driver_look_around(v) : st;
}

int se_driver_stops(void)
{
	return (int)stops + asked;
}

void se_driver_stop(int n)
{
	asked += n;
}

static ir_status feed_one(se_driver *v, size_t k)
{
	se_worker *w = &v->pool.worker[k];
	ir_status st = IR_OK;
	se_item *i;

	if (w->state == SE_WORKER_IDLE && !se_driver_stops())
		se_driver_ask_floor(v, k);
	/* more than once: another program may have taken the trial in the meantime */
	while (st == IR_OK && w->state == SE_WORKER_IDLE && (i = se_driver_pick(v)) && se_driver_has_room(v, i))
		st = dispatch(v, w, i);
	if (st == IR_OK && w->state == SE_WORKER_NONE && se_driver_pick(v))
		st = se_pool_start(&v->pool, k, v->d);
	return st;
}

/* Gives idle workers trials as long as there are cores for them, and space for their rows; starts workers that are missing
 * while there is something to do. */
static ir_status feed(se_driver *v, bool *working)
{
	ir_status st = IR_OK;

	for (size_t k = 0; st == IR_OK && k < v->pool.n && !v->full; k++) {
		st = feed_one(v, k);
		if (st == IR_EFULL) {
			se_driver_pause(v);
			st = IR_OK;
		}
	}
	*working = se_driver_waits_for_space(v);
	for (size_t k = 0; k < v->pool.n; k++)
		*working |= v->pool.worker[k].state == SE_WORKER_BUSY || v->pool.worker[k].state == SE_WORKER_STARTING;
	se_driver_spread(v);
	return st;
}

static ir_status run_trials(se_driver *v)
{
	bool working = true, told = false;
	ir_status st = se_driver_look_around(v);

	while (st == IR_OK && working && se_driver_stops() < 2) {
		st = feed(v, &working);
		if (se_driver_stops() && !told) {
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

/* The study becomes ours once the first worker has named its target. A new one needs space. */
static ir_status open_study(se_driver *v)
{
	ir_status st = IR_OK;

	if (!v->target[0] || (v->full && rt_seconds() < v->full_again))
		return IR_OK;
	st = se_driver_open_study(v);
	v->opened = st == IR_OK;
	if (st != IR_EFULL)
		return st;
	ir_diag_clear(v->d); /* the pause says it */
	se_driver_pause(v);
	return IR_OK;
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
	while (st == IR_OK && !v->opened && !se_driver_stops() && !(v->full && se_driver_time_is_up(v))) {
		st = start_workers(v);
		if (st == IR_OK)
			st = se_driver_wait(v);
		if (st == IR_OK)
			st = open_study(v);
	}
	if (st == IR_OK && v->opened)
		st = run_trials(v);
	if (st == IR_OK && v->opened && !v->full && !se_driver_stops())
		st = se_driver_finish(v);
	if (st == IR_OK && v->opened && (se_driver_stops() || se_driver_time_is_up(v)))
		st = se_store_add_event(v->store, v->study.id, se_driver_stops() ? "stopped" : "stopped by --time", -1, v->d);
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
	v->floor_asked = SE_NO_FLOOR;
	v->arena = ar_open();
	stops = asked = 0;
	catch_signals();
	se_progress_init(&v->progress, o->quiet);
	v->deadline = v->progress.deadline = o->time > 0 ? v->progress.start + o->time : 0;
	st = se_driver_prepare(v, usage);
	if (st == IR_OK)
		st = run(v);
	if (st == IR_OK && se_driver_stops() < 2)
		se_pool_stop(&v->pool);
	else
		se_pool_kill(&v->pool);
	if (st == IR_OK && se_driver_stops() >= 2 && v->opened && v->study.id) /* what was cut off waits; the lease is still ours */
		st = se_store_recover(v->store, v->study.id, &recovered, v->d);
	if (v->store) { /* also after a failure: what came in before it is worth keeping */
		ir_status last = se_driver_last_flush(v, st != IR_OK);

		st = st == IR_OK ? last : st;
	}
	if (v->progress.finished && st == IR_OK)
		se_progress_end(&v->progress);
	if (st == IR_OK)
		st = se_driver_sum_up(v, out);
	out->interrupted = stops > 0;
	out->wall_s = rt_seconds() - v->progress.start;
	se_driver_free(v);
	return st;
}
