/* SPDX-License-Identifier: Apache-2.0
 * search/replay.c -- one trial again: the same text, settings and seed in a fresh worker must give the same losses after
 * every epoch and the same weights, to the bit. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "runtime/rt.h"
#include "search/driver.h"
#include "search/pool.h"
#include "search/trial.h"

typedef struct again {
	se_pool pool;
	const se_trial_row *row;
	const se_table *bits; /* by epoch */
	se_message task;
	se_replay *out;
	bool done;
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
		return IR_OK;
	case SE_M_result:
		g->done = true;
		g->out->value = m->value;
		g->out->test_value = m->test_value;
		if (g->row->state != SE_COMPLETE) /* a failure repeats as a failure */
			g->out->same &= m->status != IR_OK;
		else if (!m->weights_key || !g->row->weights_key || strcmp(m->weights_key, g->row->weights_key))
			g->out->same = false;
		return IR_OK;
	case SE_M_open: case SE_M_task: case SE_M_ask_floor: case SE_M_floor: case SE_M_team: case SE_MESSAGE_COUNT:
		break;
	}
	return fail(g, IR_EINTERNAL, "the worker broke the protocol");
}

static ir_status share_data(again *g, const se_study *st)
{
	le_data data;
	ir_status s = le_data_load(st->data, (uint64_t)st->seed, st->limit_train, &data, g->d);

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
	if (s == IR_OK)
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

ir_status se_replay_trial(se_store *s, const se_study *st, int64_t number, int threads, const char *save,
			  se_replay *out, ir_diag *d)
{
	se_limits fix = {st->latent, st->epochs, st->batch};
	again g = {.d = d, .out = out};
	ir_arena *a = ar_open();
	se_trial_row *row;
	se_table bits;
	se_space sp;
	size_t n;
	ir_status status = IR_OK;

	*out = (se_replay){.same = true, .value = NAN, .test_value = NAN};
	if (!se_space_init(&sp, st->space, &fix))
		status = fail(&g, IR_EUNAVAILABLE, "the study has a space that this version does not know");
	if (status == IR_OK)
		status = se_store_history(s, st->id, &sp, a, &row, &n, d);
	if (status == IR_OK && !(g.row = find_row(row, n, number)))
		status = fail(&g, IR_ENOINPUT, "there is no finished trial of that number");
	if (status == IR_OK)
		status = se_store_select(s, "SELECT bits FROM x_epoch WHERE trial_id = ?1 ORDER BY step",
					 &(se_arg){NULL, g.row->id}, 1, a, &bits, d);
	if (status == IR_OK) {
		g.bits = &bits;
		g.task = (se_message){.kind = SE_M_task, .number = number, .ir = g.row->ir, .seed = st->seed, .save = save};
		se_settings(&sp, &g.row->genome, &g.task);
		status = run(&g, st, threads);
		out->same &= out->epochs == (int64_t)bits.nrow;
	}
	ar_free(a);
	return status;
}
