/* SPDX-License-Identifier: Apache-2.0
 * search/worker.c -- the hidden command "worker": a long-lived process that trains what a driver sends it. It maps the
 * data that the driver has loaded for all workers, and keeps one compiler context for its life, so that the tenth variant
 * finds the kernels of the first nine. A crash in here (LLVM ends the process on internal errors) costs one trial's
 * attempt and nothing else. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "runtime/rt.h"
#include "search/cmd.h"
#include "search/trial.h"
#include "search/wire.h"

#define MEASURE_SECONDS 0.2 /* for each limit of the machine */

#define KEEP 3 /* weights of the best trials stay here, so that a finalist need not be trained again */

typedef struct kept {
	int64_t number; /* -1: empty */
	double value;
	le_weights weights;
	ir_key weights_key;
} kept;

typedef struct worker {
	se_wire wire;
	cc_context *context;
	le_data data; /* mapped: read only */
	bool opened;
	int threads; /* of schedules */
	int team;    /* real ones, at most as many: the driver changes them, also while a trial runs */
	bool measured;       /* the two below were tried */
	double peak, memory; /* limits of the machine on our threads; NAN: unknown */
	le_pca *pca;
	kept keep[KEEP];
	/* the running trial */
	int64_t number;
	const le_result *result;
	bool quiet; /* a finalist: its curve is known */
} worker;

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* A status alone needs a name in front; a message has one. */
static void send_error(worker *w, ir_status st, ir_diag *d)
{
	se_message m = {.kind = SE_M_error, .status = st};

	if (!ir_diag_size(d))
		ir_report(d, (ir_loc){0, 0, 0}, IR_E_file, "worker", ir_status_text(st));
	m.cause = ir_diag_get(d, 0)->text;
	se_wire_send(&w->wire, &m);
}

static bool open_worker(worker *w, const se_message *o)
{
	cc_context_options options = cc_context_default();
	se_message m = {.kind = SE_M_ready};
	ir_diag *d = ir_diag_new();
	ir_status st = le_data_map(SE_DATA_FD, &w->data, d);
	bool ok;

	w->threads = (int)(o->most > o->threads ? o->most : o->threads);
	w->team = (int)o->threads;
	if (o->budget > 0)
		rt_set_budget((size_t)o->budget);
	close(SE_DATA_FD);
	if (st == IR_OK)
		st = cc_context_new(&options, &w->context, d);
	w->opened = st == IR_OK;
	if (w->opened) {
		m.target = cc_context_target(w->context);
		ok = se_wire_send(&w->wire, &m);
	} else {
		send_error(w, st, d);
		ok = false;
	}
	ir_diag_free(d);
	return ok;
}

/* ---- trials ----------------------------------------------------------------------------------------------------- */

static double value_of(const le_result *r)
{
	return isnan(r->val_mse) ? r->val_loss : r->val_mse;
}

static bool report_epoch(void *ctx, int64_t epoch, double train_loss, double val_loss)
{
	worker *w = ctx;
	se_message m = {.kind = SE_M_epoch, .number = w->number, .epoch = epoch, .train = train_loss, .value = val_loss};

	if (!isnan(w->result->val_mse))
		m.value = w->result->val_mse;
	return w->quiet || se_wire_send(&w->wire, &m); /* nobody listens any more: stop */
}

/* Between two chunks of steps: has the driver anything to say? Only the size of the team can change in a trial. */
static bool listen(void *ctx, int64_t step, int64_t steps, double loss)
{
	worker *w = ctx;
	struct pollfd fd = {w->wire.in, POLLIN, 0};
	se_message m;
	se_wire_got got = SE_WIRE_MORE;

	(void)step, (void)steps, (void)loss;
	while (poll(&fd, 1, 0) > 0) {
		if (se_wire_fill(&w->wire) == SE_WIRE_END)
			return false;
		while ((got = se_wire_next(&w->wire, &m)) == SE_WIRE_MESSAGE && m.kind == SE_M_team)
			w->team = (int)m.threads;
		if (got != SE_WIRE_MORE)
			return false; /* not our protocol */
	}
	return true;
}

/* Moves the weights of a good trial here; the worst kept one goes. */
static void keep_weights(worker *w, int64_t number, le_result *r)
{
	kept *worst = &w->keep[0];

	for (int i = 1; i < KEEP; i++)
		if (w->keep[i].number < 0 || (worst->number >= 0 && w->keep[i].value > worst->value))
			worst = &w->keep[i];
	if (!isfinite(value_of(r)) || (worst->number >= 0 && worst->value <= value_of(r)))
		return;
	if (worst->number >= 0)
		le_weights_free(&worst->weights);
	*worst = (kept){number, value_of(r), r->weights, r->weights_key};
	r->weights = (le_weights){0};
}

static const kept *find_kept(const worker *w, int64_t number)
{
	for (int i = 0; i < KEEP; i++)
		if (w->keep[i].number == number)
			return &w->keep[i];
	return NULL;
}

static bool is_worth_saving(const se_message *t, const char *key, double value)
{
	return t->save && (!t->weights_key || !strcmp(t->weights_key, key)) && (isnan(t->save_below) || value <= t->save_below);
}

static ir_status save(const se_message *t, const le_weights *w, const le_data *data, ir_str *cause)
{
	const char *const metadata[] = {"ir", t->ir};
	ir_diag *d = ir_diag_new();
	ir_status st = le_model_write(t->save, w, metadata, 1, data, d);

	if (st != IR_OK)
		sb_put(cause, ir_diag_size(d) ? ir_diag_get(d, 0)->text : ir_status_text(st));
	ir_diag_free(d);
	return st;
}

/* Once in a worker's life, while the others train: so they are limits under the load of this search. */
static void measure_machine(worker *w)
{
	ir_diag *d = ir_diag_new();

	w->measured = true;
	if (cc_measure_peak(w->context, w->team, MEASURE_SECONDS, &w->peak, d) != IR_OK)
		w->peak = NAN;
	if (cc_measure_bandwidth(w->team, MEASURE_SECONDS, &w->memory) != IR_OK)
		w->memory = NAN;
	ir_diag_free(d);
}

/* key: of the weights; saved: IR_EINPUT if that was not tried. */
static bool send_result(worker *w, const se_message *t, ir_status st, const le_result *r, const char *key, ir_status saved,
			const char *cause)
{
	se_message m = {.kind = SE_M_result, .number = t->number, .status = st, .cause = cause, .saved = saved == IR_OK,
		.full = saved == IR_EFULL};
	se_profile profile = {r->profile, w->peak, w->memory};

	if (r->profile.n)
		m.profile = &profile;
	m.value = value_of(r);
	m.test_value = isnan(r->test_mse) ? r->test_loss : r->test_mse;
	m.epochs = r->epochs;
	m.n_params = r->params;
	m.flops = r->flops_per_step;
	m.arena_bytes = (int64_t)r->arena_bytes;
	m.compile_ms = r->compile_ms;
	m.train_s = r->wall_s;
	m.weights_key = st == IR_OK ? key : NULL;
	return se_wire_send(&w->wire, &m);
}

/* The task's text lives in the wire's arena until the next message is read, which listen does: so that arena is put aside. */
static bool run_task(worker *w, const se_message *t)
{
	const kept *k = t->test ? find_kept(w, t->number) : NULL;
	se_running how = {.threads = w->threads, .team = &w->team, .init = k ? &k->weights : NULL,
		.progress = report_epoch, .tick = listen, .ctx = w};
	le_result r;
	ir_str cause;
	ir_status st, saved = IR_EINPUT;
	bool ok;
	char key[IR_KEY_CHARS];
	ir_arena *mine = w->wire.arena;

	w->wire.arena = ar_open();
	sb_init(&cause);
	w->number = t->number;
	w->result = &r;
	w->quiet = t->test;
	if (t->measure && !w->measured)
		measure_machine(w);
	cc_context_cores(w->context, w->team); /* the others are the other workers' */
	st = se_trial_run(w->context, &w->data, t, &how, &r, &cause);
	ir_key_print(r.weights_key, key);
	if (st == IR_OK && is_worth_saving(t, key, value_of(&r)))
		saved = save(t, &r.weights, &w->data, &cause); /* its failure is no fault of the trial: the cause is of the file */
	ok = send_result(w, t, st, &r, key, saved, cause.n ? cause.s : NULL);
	if (st == IR_OK && !t->test)
		keep_weights(w, t->number, &r);
	le_result_free(&r);
	sb_fini(&cause);
	ar_free(w->wire.arena);
	w->wire.arena = mine;
	return ok;
}

static bool find_floor(worker *w, const se_message *ask)
{
	const le_data *data = &w->data;
	se_message m = {.kind = SE_M_floor, .latent = ask->latent, .value = NAN, .test_value = NAN};
	ir_status st = IR_OK;

	if (!w->pca)
		st = le_floor_fit(data, w->team, &w->pca);
	if (st == IR_OK)
		st = le_floor_mse(w->pca, data, data->val, data->nval, (int)ask->latent, w->team, &m.value);
	if (st == IR_OK)
		st = le_floor_mse(w->pca, data, data->test, data->ntest, (int)ask->latent, w->team, &m.test_value);
	return se_wire_send(&w->wire, &m);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool answer(worker *w, const se_message *m)
{
	switch (m->kind) {
	case SE_M_open:
		return !w->opened && open_worker(w, m);
	case SE_M_task:
		return w->opened && run_task(w, m);
	case SE_M_ask_floor:
		return w->opened && find_floor(w, m);
	case SE_M_team:
		return w->team = (int)m->threads, true;
	case SE_M_hello: case SE_M_ready: case SE_M_error: case SE_M_epoch: case SE_M_result: case SE_M_floor:
	case SE_MESSAGE_COUNT:
		break;
	}
	return false;
}

/* The pipes move away from 0 and 1, so that a library that prints cannot break the protocol. */
static void take_pipes(se_wire *wire)
{
	int in = fcntl(0, F_DUPFD_CLOEXEC, SE_DATA_FD + 1), out = fcntl(1, F_DUPFD_CLOEXEC, SE_DATA_FD + 1);
	int null = open("/dev/null", O_RDONLY);

	dup2(null, 0);
	dup2(2, 1);
	if (null > 2)
		close(null);
	se_wire_init(wire, in, out);
}

int se_cmd_worker(int argc, char **argv)
{
	se_message m = {.kind = SE_M_hello, .version = SE_WIRE_VERSION, .build = SE_VERSION};
	worker w = {.threads = 1};
	se_wire_got got = SE_WIRE_END;

	if (argc != 2) {
		fputs("gradmill worker: started by 'gradmill search', not by hand\n", stderr);
		return 64;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a killed driver takes us along, even in the middle of a trial */
	if (getppid() != (pid_t)atol(argv[1]))
		return 0;
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < KEEP; i++)
		w.keep[i].number = -1;
	take_pipes(&w.wire);
	if (se_wire_send(&w.wire, &m))
		while ((got = se_wire_wait(&w.wire, &m)) == SE_WIRE_MESSAGE && answer(&w, &m))
			;
	for (int i = 0; i < KEEP; i++)
		if (w.keep[i].number >= 0)
			le_weights_free(&w.keep[i].weights);
	le_pca_free(w.pca);
	le_data_free(&w.data);
	if (w.context)
		cc_context_free(w.context);
	se_wire_fini(&w.wire);
	return got == SE_WIRE_BAD ? 70 : 0;
}
