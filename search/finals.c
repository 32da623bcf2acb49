/* SPDX-License-Identifier: Apache-2.0
 * search/finals.c -- how a search ends: the PCA floor, a look at the test rows for the finalists, the summary. Test
 * rows are looked at nowhere else. A finalist comes from the weights that its worker kept, or is trained again from
 * its seed; both must give the weights that the row names, to the bit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "search/driver_int.h"

#define MAX_FLOOR_DEATHS 2 /* one may be an accident */

/* ---- floors ------------------------------------------------------------------------------------------------------------ */

static void want_floor(se_driver *v, int64_t latent, const se_table *known)
{
	bool skip = latent < 0 || v->nfloor == SE_MAX_FLOORS;

	for (size_t i = 0; i < known->nrow; i++)
		skip |= known->cell[i].i == latent;
	for (size_t i = 0; i < v->nfloor; i++)
		skip |= v->floor[i] == latent;
	if (!skip)
		v->floor[v->nfloor++] = latent;
}

/* Every latent size that trials may have, and none: predicting the mean. One worker finds their floors first while the others train. */
ir_status se_driver_plan_floors(se_driver *v)
{
	int row = se_param_find(v->space, "latent");
	ir_arena *a = ar_open();
	se_genome g;
	se_table t;
	ir_status st = se_store_select(v->store, "SELECT latent FROM x_floor WHERE study_id = ?1", &(se_arg){NULL, v->study.id},
				       1, a, &t, v->d);

	if (st == IR_OK)
		want_floor(v, 0, &t);
	for (size_t i = 0; st == IR_OK && i < v->nmodel; i++)
		if (v->model[i].latent > 0)
			want_floor(v, v->model[i].latent, &t);
	for (int i = 0; st == IR_OK && row >= 0 && i < se_param_choices(&v->space->param[row]); i++) {
		g.v[row] = i;
		want_floor(v, (int64_t)se_genome_number(v->space, &g, "latent"), &t);
	}
	ar_free(a);
	return st;
}

bool se_driver_ask_floor(se_driver *v, size_t who)
{
	se_worker *w = &v->pool.worker[who];

	if (!v->nfloor || (v->floor_worker >= 0 && v->floor_worker != (int)who))
		return false;
	v->floor_worker = (int)who;
	v->floor_asked = v->floor[0];
	se_pool_ask(w, -1, &(se_message){.kind = SE_M_ask_floor, .latent = v->floor[0]});
	return true;
}

static void floor_done(se_driver *v, int64_t latent)
{
	v->floor_asked = SE_NO_FLOOR;
	v->floor_deaths = 0;
	if (v->nfloor && v->floor[0] == latent)
		memmove(v->floor, v->floor + 1, --v->nfloor * sizeof *v->floor);
}

/* A floor may need more memory than there is: the system then kills every worker that tries, and the search must get on
 * without it. It gets no row, so a later run, perhaps on a larger machine, asks again. */
ir_status se_driver_floor_death(se_driver *v, const se_death *death)
{
	int64_t latent = v->floor_asked;
	char what[128];

	v->floor_asked = SE_NO_FLOOR;
	v->floor_again = death->external || ++v->floor_deaths < MAX_FLOOR_DEATHS;
	if (v->floor_again)
		return IR_OK;
	floor_done(v, latent);
	if (v->nlost < SE_MAX_FLOORS)
		v->floor_lost[v->nlost++] = latent;
	snprintf(what, sizeof what, "no PCA floor for latent %lld: %s", (long long)latent, death->why);
	se_progress_note(&v->progress, "%s", what);
	return se_store_add_event(v->store, v->study.id, what, -1, v->d);
}

static bool is_lost(const se_driver *v, int64_t latent)
{
	for (size_t i = 0; i < v->nlost; i++)
		if (v->floor_lost[i] == latent)
			return true;
	return false;
}

ir_status se_driver_floor(se_driver *v, se_worker *w, const se_message *m)
{
	w->state = SE_WORKER_IDLE;
	floor_done(v, m->latent);
	return isnan(m->value) ? IR_OK
		: se_store_add_floor(v->store, v->study.id, m->latent, m->value, m->test_value, v->d);
}

/* Latent sizes of finished trials that have no floor yet. */
static ir_status missing_floors(const se_driver *v, ir_arena *a, se_table *t)
{
	static const char sql[] = "SELECT DISTINCT x.latent FROM x_trial x JOIN trials t USING (trial_id) "
		"WHERE t.study_id = ?1 AND t.state = 'COMPLETE' AND x.latent > 0 AND x.latent NOT IN "
		"(SELECT latent FROM x_floor WHERE study_id = ?1) ORDER BY 1";

	return se_store_select(v->store, sql, &(se_arg){NULL, v->study.id}, 1, a, t, v->d);
}

/* The worker at wanted if it is idle, else any idle one. */
static se_worker *idle_worker(se_driver *v, int wanted)
{
	if (wanted >= 0 && v->pool.worker[wanted].state == SE_WORKER_IDLE)
		return &v->pool.worker[wanted];
	for (size_t i = 0; i < v->pool.n; i++)
		if (v->pool.worker[i].state == SE_WORKER_IDLE)
			return &v->pool.worker[i];
	return NULL;
}

/* A step towards an idle worker: one that is missing is started, one that starts is waited for. Workers that die at their
 * start end the search after a while (driver.c). */
static ir_status wait_for_one(se_driver *v)
{
	ir_status st = IR_OK;
	bool any = false;

	for (size_t i = 0; i < v->pool.n; i++)
		any |= v->pool.worker[i].state != SE_WORKER_NONE;
	if (!any)
		st = se_pool_start(&v->pool, 0, v->d);
	return st == IR_OK ? se_driver_wait(v) : st;
}

/* Sends m to a worker and waits until that worker is idle again, or dead, or we are told to stop. */
static ir_status ask(se_driver *v, int wanted, const se_message *m)
{
	se_worker *w;
	ir_status st = IR_OK;

	while (st == IR_OK && !se_driver_stops() && (se_driver_waits_for_space(v) || !(w = idle_worker(v, wanted))))
		st = wait_for_one(v);
	if (st != IR_OK || se_driver_stops() || v->full)
		return st;
	w->base = v->spread ? v->cores : w->base; /* nobody else works now */
	se_driver_set_team(w, w->base);
	if (m->kind == SE_M_ask_floor) {
		v->floor_worker = (int)(w - v->pool.worker);
		v->floor_asked = m->latent;
	} else {
		v->final_worker = (int)(w - v->pool.worker);
	}
	se_pool_ask(w, -1, m);
	while (st == IR_OK && w->state == SE_WORKER_BUSY && se_driver_stops() < 2)
		st = se_driver_wait(v);
	return st;
}

/* Until it is answered or given up. */
static ir_status find_floor(se_driver *v, int64_t latent)
{
	ir_status st = IR_OK;

	if (is_lost(v, latent))
		return IR_OK;
	v->floor_deaths = 0;
	do {
		v->floor_again = false;
		st = ask(v, v->floor_worker, &(se_message){.kind = SE_M_ask_floor, .latent = latent});
	} while (st == IR_OK && v->floor_again && !se_driver_stops());
	return st;
}

static ir_status find_floors(se_driver *v)
{
	ir_arena *a = ar_open();
	se_table t;
	ir_status st = missing_floors(v, a, &t);

	for (size_t i = 0; st == IR_OK && i < t.nrow && !se_driver_stops(); i++)
		st = find_floor(v, t.cell[i].i);
	ar_free(a);
	return st;
}

/* ---- finalists ----------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	const se_item *x = *(se_item *const *)a, *y = *(se_item *const *)b;

	return se_item_better(x, y) ? -1 : se_item_better(y, x);
}

/* The best finished trials, best first, those whose weights are to be kept among them; in the driver's arena. Not to be
 * kept while trials are added. */
static size_t finalists(const se_driver *v, se_item ***out)
{
	size_t most = v->study.keep < 0 ? v->nitem : (size_t)(v->study.keep > v->o->finalists ? v->study.keep : v->o->finalists);
	se_item **list = ar_new(v->arena, se_item *, v->nitem + 1);
	size_t n = 0;

	for (size_t i = 0; i < v->nitem; i++)
		if (v->item[i].state == SE_COMPLETE && isfinite(v->item[i].value) && v->item[i].ir)
			list[n++] = &v->item[i];
	qsort(list, n, sizeof *list, by_value);
	*out = list;
	return n < most ? n : most;
}

ir_status se_driver_final(se_driver *v, se_worker *w, const se_message *m)
{
	se_item *i = se_driver_find(v, m->number);
	ir_status st = IR_OK;

	w->state = SE_WORKER_IDLE;
	v->final_worker = -1;
	if (!i || m->number != v->final_number)
		return IR_OK;
	v->final_number = -1;
	if (m->status != IR_OK) {
		se_progress_note(&v->progress, "finalist %lld: %s", (long long)i->number, m->cause ? m->cause : "failed");
		return IR_OK;
	}
	if (m->weights_key && i->weights_key[0] && strcmp(m->weights_key, i->weights_key)) {
		se_progress_note(&v->progress, "trial %lld did not repeat to the bit", (long long)i->number);
		return se_store_add_event(v->store, v->study.id, "did not repeat to the bit", i->number, v->d);
	}
	if (!v->final_file) {
		i->test_value = m->test_value;
		st = se_store_set_test(v->store, i->id, m->test_value, v->d);
	}
	if (st == IR_OK && m->full) {
		se_driver_pause_for_file(v, i, m->n_params);
		v->final_again = true;
	} else if (st == IR_OK && m->cause) {
		se_progress_note(&v->progress, "trial %lld: its weights are not kept: %s", (long long)i->number, m->cause);
	}
	if (st != IR_OK || !m->saved)
		return st;
	i->file = se_driver_weights_file(v, i);
	return se_store_set_file(v->store, i->id, i->file, v->d);
}

/* The first finalist is always looked at; the others only as far as the time allows. */
static bool affordable(const se_driver *v, const se_item *i, size_t rank)
{
	bool kept = i->home >= 0 && v->pool.worker[i->home].generation == i->home_generation;

	if (!rank || v->deadline <= 0 || kept)
		return true;
	return rt_seconds() + (isnan(i->train_s) ? 0 : i->train_s) < v->deadline;
}

static bool wants_file(const se_driver *v, const se_item *i, size_t rank)
{
	return !i->file && v->study.keep && (v->study.keep < 0 || rank < (size_t)v->study.keep);
}

static bool wants_look(const se_driver *v, const se_item *i, size_t rank)
{
	return (rank < (size_t)v->o->finalists && isnan(i->test_value)) || wants_file(v, i, rank);
}

static ir_status look(se_driver *v, se_item *i, size_t rank)
{
	se_message m = {.kind = SE_M_task, .number = i->number, .ir = i->ir, .seed = v->study.seed, .test = 1};
	int home = i->home;
	ir_status st;

	se_settings(v->space, &i->genome, &m);
	if (wants_file(v, i, rank))
		m.save = se_driver_weights_path(v, i);
	v->final_file = rank >= (size_t)v->o->finalists;
	m.save_below = NAN;
	m.weights_key = i->weights_key;
	do {
		v->final_again = false;
		v->final_number = m.number;
		st = ask(v, home, &m);
		v->final_number = v->final_worker = -1;
	} while (st == IR_OK && v->final_again && !se_driver_stops());
	return st;
}

bool se_driver_anything(const se_driver *v)
{
	ir_arena *a = ar_open();
	se_table t = {0};
	se_item **list;
	size_t n = finalists(v, &list);
	bool work = !v->study.id || !v->o->trials || v->next < v->progress.planned;

	for (size_t i = 0; i < v->nitem; i++)
		work |= v->item[i].state == SE_WAITING && v->item[i].ir;
	for (size_t i = 0; i < n; i++)
		work |= wants_look(v, list[i], i);
	if (!work && missing_floors(v, a, &t) == IR_OK)
		work = t.nrow > 0;
	ar_free(a);
	return work;
}

ir_status se_driver_finish(se_driver *v)
{
	se_item **list;
	ir_status st = find_floors(v);
	size_t n = finalists(v, &list);
	int64_t *number = ar_new(v->arena, int64_t, n + 1);

	for (size_t i = 0; i < n; i++)
		number[i] = list[i]->number;
	for (size_t i = 0; st == IR_OK && i < n && !se_driver_stops(); i++) {
		se_item *item = se_driver_find(v, number[i]);

		if (wants_look(v, item, i) && affordable(v, item, i))
			st = look(v, item, i);
	}
	return st;
}

/* ---- summary ---------------------------------------------------------------------------------------------------------------- */

static double real_or_nan(const se_cell *c)
{
	return c->kind == SE_NULL ? (double)NAN : c->r;
}

static ir_status find_cause(se_driver *v, se_summary *out)
{
	static const char sql[] = "SELECT CASE WHEN x.cause LIKE '" SE_CAUSE_LOSS "%' THEN '" SE_CAUSE_LOSS "' "
		"ELSE x.cause END AS why, count(*) FROM trials t JOIN x_trial x USING (trial_id) WHERE t.study_id = ?1 AND t.state = 'FAIL' AND x.cause IS NOT NULL "
		"GROUP BY why ORDER BY count(*) DESC, min(t.number) LIMIT 1"; /* at whichever step */
	ir_arena *a = ar_open();
	se_table t;
	ir_status st = se_store_select(v->store, sql, &(se_arg){NULL, v->study.id}, 1, a, &t, v->d);

	if (st == IR_OK && t.nrow) {
		snprintf(out->cause, sizeof out->cause, "%s", t.cell[0].text);
		out->cause_count = t.cell[1].i;
	}
	ar_free(a);
	return st;
}

ir_status se_driver_sum_up(se_driver *v, se_summary *out)
{
	static const char sql[] = "SELECT t.number, b.value, x.test_value, f.val_mse, f.test_mse, x.latent FROM trials t "
		"JOIN trial_values b ON b.trial_id = t.trial_id AND b.value IS NOT NULL JOIN x_trial x ON x.trial_id = t.trial_id "
		"LEFT JOIN x_floor f ON f.study_id = t.study_id AND f.latent = x.latent "
		"WHERE t.study_id = ?1 AND t.state = 'COMPLETE' ORDER BY b.value, t.number LIMIT 1";
	ir_arena *a = ar_open();
	se_table t = {0};
	ir_status st = IR_OK;

	if (v->store) /* none: stopped before there was anything to write down */
		st = se_store_select(v->store, sql, &(se_arg){NULL, v->study.id}, 1, a, &t, v->d);
	out->best_value = out->best_test_value = out->pca_value = out->pca_test_value = NAN;
	if (st == IR_OK && t.nrow) {
		out->best_number = t.cell[0].i;
		out->best_value = real_or_nan(&t.cell[1]);
		out->best_test_value = real_or_nan(&t.cell[2]);
		out->pca_value = real_or_nan(&t.cell[3]);
		out->pca_test_value = real_or_nan(&t.cell[4]);
		out->latent = t.cell[5].i;
	}
	ar_free(a);
	snprintf(out->study, sizeof out->study, "%s", v->study.name ? v->study.name : v->o->study);
	out->run = v->progress.finished - v->progress.before;
	for (size_t i = 0; i < v->nitem; i++) {
		out->finished += v->item[i].state == SE_COMPLETE;
		out->failed += v->item[i].state == SE_FAIL || v->item[i].state == SE_PRUNED;
		out->waiting += v->item[i].state <= SE_RUNNING && v->item[i].id;
		out->trials += v->item[i].id != 0;
	}
	return st == IR_OK && out->best_number < 0 && out->failed ? find_cause(v, out) : st;
}
