/* SPDX-License-Identifier: Apache-2.0
 * search/replay.c -- one trial again: the same text, settings and seed in a fresh worker must give the same losses after
 * every epoch and the same weights, to the bit, or fail in the same step. The weights that were kept in a file are those. */
#include "search/replay.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "search/pool.h"
#include "search/study.h"
#include "search/trial.h"

typedef struct again {
	se_pool pool;
	const se_trial_row *row;
	const se_table *bits; /* by epoch */
	se_message task;
	se_replay *out;
	bool done;
	ir_arena *a;
	ir_diag *d;
} again;

static ir_status fail(again *g, ir_status st, const char *text)
{
	ir_error(g->d, (ir_loc){0, 0, 0}, IR_E_file, "replay", text);
	return st;
}

static void compare_epoch(again *g, const se_message *m)
{
	unsigned long long train, val;
	char bits[40];
	size_t i = (size_t)g->out->epochs++;

	memcpy(&train, &m->train, sizeof train);
	memcpy(&val, &m->value, sizeof val);
	snprintf(bits, sizeof bits, "%016llx:%016llx", train, val);
	if (i < g->bits->nrow && !strcmp(bits, g->bits->cell[i].text))
		return;
	g->out->same = false;
	if (!g->out->differs)
		g->out->differs = m->epoch;
}

static bool equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* A failure repeats as the same failure, after as many epochs. */
static void compare_end(again *g, const se_message *m)
{
	se_replay *out = g->out;

	if (m->status != IR_OK)
		out->cause = ar_strdup(g->a, m->cause ? m->cause : ir_status_text((ir_status)m->status));
	else if (isnan(m->value)) /* what the driver makes of it */
		out->cause = SE_CAUSE_VALUE;
	out->was = g->row->state == SE_COMPLETE ? NULL : g->row->cause ? g->row->cause : "";
	out->value = m->value;
	out->test_value = m->test_value;
	out->end_same = equal(out->cause, out->was) && equal(m->weights_key, g->row->weights_key) &&
		m->epochs == g->row->epochs && out->epochs == (int64_t)g->bits->nrow;
	out->same &= out->end_same;
}

static ir_status on_message(again *g, const se_message *m)
{
	switch (m->kind) {
	case SE_M_hello:
		return se_pool_open(&g->pool, 0, m) ? IR_OK : fail(g, IR_EINTERNAL, "the worker is of another version");
	case SE_M_ready:
		se_wire_send(&g->pool.worker[0].wire, &g->task);
		return IR_OK;
	case SE_M_error:
		ir_report(g->d, (ir_loc){0, 0, 0}, IR_E_worker, m->cause ? m->cause : "the worker cannot start");
		return m->status > IR_OK && m->status < IR_STATUS_COUNT ? (ir_status)m->status : IR_EINTERNAL;
	case SE_M_epoch:
		compare_epoch(g, m);
		g->done = g->out->cut && g->out->epochs >= (int64_t)g->bits->nrow;
		return IR_OK;
	case SE_M_result:
		g->done = true;
		if (m->cause && m->status == IR_OK)
			return fail(g, IR_EIO, m->cause); /* the weights could not be written */
		compare_end(g, m);
		return IR_OK;
	case SE_M_open: case SE_M_task: case SE_M_ask_floor: case SE_M_floor: case SE_M_team: case SE_MESSAGE_COUNT:
		break;
	}
	return fail(g, IR_EINTERNAL, "the worker broke the protocol");
}

static ir_status share_data(again *g, const se_study *st)
{
	le_data data;
	ir_status s = se_study_data(st, NULL, g->a, &data, g->d);

	if (s == IR_OK)
		s = le_data_share(&data, g->pool.data, g->d);
	le_data_free(&data);
	return s;
}

static ir_status run(again *g, const se_study *st, int threads)
{
	se_message m;
	size_t who;
	se_death death;
	int fd;
	ir_status s = le_share_new(&fd, g->d);

	signal(SIGPIPE, SIG_IGN);
	se_pool_init(&g->pool, 1, &(se_message){.kind = SE_M_open, .threads = threads}, fd);
	if (s == IR_OK)
		s = se_pool_start(&g->pool, 0, g->d);
	if (s == IR_OK)
		s = share_data(g, st); /* while the worker starts */
	while (s == IR_OK && !g->done) {
		switch (se_pool_next(&g->pool, 1000, NULL, &who, &m, &death)) {
		case SE_POOL_MESSAGE: s = on_message(g, &m); break;
		case SE_POOL_DEATH: s = fail(g, IR_EINTERNAL, death.why); break;
		case SE_POOL_NOTHING: break;
		}
	}
	if (s == IR_OK && !g->out->cut)
		se_pool_stop(&g->pool);
	else
		se_pool_kill(&g->pool);
	if (fd >= 0)
		close(fd);
	return s;
}

static const se_trial_row *find_row(const se_trial_row *row, size_t n, int64_t number)
{
	for (size_t i = 0; i < n; i++)
		if (row[i].number == number && row[i].ir && row[i].state > SE_RUNNING)
			return &row[i];
	return NULL;
}

/* The row of trial number, and the task it was. sp is of the study; everything lives in g->a. */
static ir_status find_task(again *g, se_store *s, const se_study *st, se_space *sp, int64_t number)
{
	se_limits fix = {st->latent, st->epochs, st->batch};
	se_trial_row *row;
	size_t n;
	ir_status status;

	if (!se_space_init(sp, st->space, &fix))
		return fail(g, IR_EUNAVAILABLE, "the study has a space that this version does not know");
	se_space_fit(sp, st->width, st->ntrain);
	status = se_store_history(s, st->id, sp, g->a, &row, &n, g->d);
	if (status != IR_OK)
		return status;
	g->row = find_row(row, n, number);
	if (!g->row)
		return fail(g, IR_ENOINPUT, "there is no finished trial of that number");
	g->task = (se_message){.kind = SE_M_task, .number = number, .ir = g->row->ir, .seed = st->seed, .save_below = NAN};
	se_settings(sp, &g->row->genome, &g->task);
	return IR_OK;
}

se_kept se_kept_check(const char *path, const char *weights_key, ir_arena *a, const char **why)
{
	ir_diag *d = ir_diag_new();
	char key[IR_KEY_CHARS];
	le_weights w;
	ir_status st = le_weights_read(path, &w, d);
	se_kept kept = st == IR_ENOINPUT ? SE_KEPT_MISSING : SE_KEPT_DIFFERS;

	*why = NULL;
	if (st == IR_OK) {
		ir_key_print(le_weights_key(&w), key);
		kept = equal(key, weights_key) ? SE_KEPT_SAME : SE_KEPT_DIFFERS;
		le_weights_free(&w);
	} else {
		*why = ar_strdup(a, ir_diag_size(d) ? ir_diag_get(d, 0)->text : ir_status_text(st));
	}
	ir_diag_free(d);
	return kept;
}

static void compare_file(again *g, const se_store *s)
{
	se_replay *out = g->out;

	if (!g->row->weights_file)
		return;
	out->weights_file = se_store_beside(s, g->row->weights_file, g->a);
	out->kept = se_kept_check(out->weights_file, g->row->weights_key, g->a, &out->why);
	out->same &= out->kept == SE_KEPT_SAME;
}

ir_status se_replay_trial(se_store *s, const se_study *st, int64_t number, int threads, const char *save, ir_arena *a,
			  se_replay *out, ir_diag *d)
{
	again g = {.a = a, .d = d, .out = out};
	se_table bits;
	se_space sp;
	ir_status status = find_task(&g, s, st, &sp, number);

	*out = (se_replay){.same = true, .value = NAN, .test_value = NAN};
	if (status == IR_OK)
		status = se_store_select(s, "SELECT bits FROM x_epoch WHERE trial_id = ?1 ORDER BY step",
					 &(se_arg){NULL, g.row->id}, 1, a, &bits, d);
	if (status != IR_OK)
		return status;
	g.bits = &bits;
	g.task.save = save;
	out->cut = g.row->state != SE_COMPLETE && se_cause_cut(g.row->cause);
	if (out->cut)
		out->was = g.row->cause;
	if (!out->cut || bits.nrow) /* else there is nothing to compare */
		status = run(&g, st, threads);
	if (status == IR_OK)
		compare_file(&g, s);
	return status;
}

/* In this process, not in a worker: should LLVM end it, a question is without an answer and nothing else is lost, for the
 * database is only read. The interpreter needs what is in memory: weights before the step, and the step's function. */
ir_status se_replay_nan(se_store *s, const se_study *st, int64_t number, int threads, ir_arena *a, le_nan *out, ir_diag *d)
{
	cc_context_options options = cc_context_default();
	cc_context *c = NULL;
	again g = {.a = a, .d = d};
	le_data data = {0};
	se_space sp;
	ir_status status = find_task(&g, s, st, &sp, number);

	*out = (le_nan){.blame = LE_BLAME_NOBODY};
	if (status == IR_OK)
		status = se_study_data(st, NULL, a, &data, d);
	if (status == IR_OK)
		status = cc_context_new(&options, &c, d);
	if (status == IR_OK)
		status = se_trial_find_nan(c, &data, &g.task, ar_printf(a, "trial%lld.gm", (long long)number), threads, a,
					   out, d);
	cc_context_free(c);
	le_data_free(&data);
	return status;
}
