/* SPDX-License-Identifier: Apache-2.0
 * The training loop: when to stop, when to look at the validation rows; what a step is given is steps.c. Steps run in
 * chunks inside one rt_run; how long a chunk is follows the clock and so must not change any result: a loss that is not
 * finite ends the record at its own step, whatever ran behind it, and leaves no weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/learn/learn_int.h"

#define CHUNK_SECONDS 0.2

static const char *const schedule_name[LE_SCHEDULE_COUNT] = {[LE_CONSTANT] = "constant", [LE_COSINE] = "cosine"};

const char *le_schedule_name(le_schedule s)
{
	return schedule_name[s];
}

le_config le_config_default(void)
{
	return (le_config){.objective = cc_objective_default(), .lr = 1e-3, .batch = 128, .epochs = 10, .shuffle = true,
			   .threads = 1};
}

typedef struct loop {
	le_steps steps;
	const le_config *cfg;
	le_result *out;
	size_t chunk; /* steps of the next rt_run */
	ir_status saved; /* cfg->save_state: the first failure */
} loop;

/* ---- the loop ------------------------------------------------------------------------------------------------- */

/* One chunk; at: the step inside the epoch. IR_ENAN at the first loss that is not finite. */
static ir_status run_chunk(loop *l, size_t at, size_t n, void *ctx)
{
	size_t done = (size_t)l->out->steps;
	size_t most = le_steps_most(&l->steps);
	double t0 = rt_seconds(), per_step;

	le_steps_run(&l->steps, at, done, n);
	for (size_t i = 0; i < n; i++) {
		l->out->step_loss[done + i] = l->steps.loss[i];
		l->out->steps++;
		if (!isfinite(l->steps.loss[i]))
			return IR_ENAN;
	}
	per_step = (rt_seconds() - t0) / (double)n;
	l->chunk = per_step * (double)most < CHUNK_SECONDS ? most : (size_t)(CHUNK_SECONDS / per_step);
	if (l->chunk < 1)
		l->chunk = 1;
	if (l->cfg->tick && !l->cfg->tick(ctx, l->out->steps, (int64_t)l->steps.total, l->steps.loss[n - 1]))
		return IR_EINTR;
	return IR_OK;
}

static void mean_loss(le_result *out, size_t first)
{
	double sum = 0;

	for (size_t i = first; i < (size_t)out->steps; i++)
		sum += out->step_loss[i];
	out->train_loss = sum / (double)((size_t)out->steps - first);
}

static ir_status judge(loop *l)
{
	const le_data *data = l->steps.run.data;
	le_result *out = l->out;
	ir_status s = le_run_eval(&l->steps.run, data->val, data->nval, &out->val_loss, &out->val_mse);

	out->epoch_val = ir_xrealloc(out->epoch_val, (size_t)out->epochs + 1, sizeof(double));
	out->epoch_val[out->epochs] = isnan(out->val_mse) ? out->val_loss : out->val_mse;
	return s;
}

/* A disk that is full ends no training. */
static void save_state(loop *l)
{
	if (l->cfg->save_state && l->saved == IR_OK)
		l->saved = le_state_save(l->cfg->save_state, &l->steps, l->out, l->steps.run.d);
}

/* What is left of an epoch: all of it, unless the training goes on in its middle. */
static ir_status run_epoch(loop *l, int64_t epoch, le_progress *progress, void *ctx)
{
	size_t first = (size_t)epoch * l->steps.per_epoch, left = l->steps.total - first;
	size_t steps = left < l->steps.per_epoch ? left : l->steps.per_epoch;
	ir_status s = IR_OK;

	l->out->step_loss = ir_xrealloc(l->out->step_loss, first + steps, sizeof(double));
	le_steps_order(&l->steps, epoch);
	for (size_t at = (size_t)l->out->steps - first; s == IR_OK && at < steps;) {
		size_t n = steps - at < l->chunk ? steps - at : l->chunk;

		s = run_chunk(l, at, n, ctx);
		at += n;
	}
	mean_loss(l->out, first);
	if (s != IR_OK)
		return s;
	if ((s = judge(l)) != IR_OK)
		return s;
	l->out->epochs++;
	save_state(l);
	if (progress && !progress(ctx, l->out->epochs, l->out->train_loss, l->out->val_loss))
		return IR_EINTR;
	return IR_OK;
}

/* Facts known before the first step. */
static void prepare(loop *l)
{
	const le_run *r = &l->steps.run;
	const cc_stats *stats = cc_program_stats(r->step.program);

	l->out->flops_per_step = stats->cost.flops;
	l->out->arena_bytes = stats->arena_bytes;
	for (size_t i = 0; i < r->nleaf; i++)
		if (r->leaf[i].param && r->leaf[i].position != IR_NO_REF)
			l->out->params += ir_type_count(&r->leaf[i].tensor.type);
	l->chunk = le_steps_most(&l->steps) < 8 ? le_steps_most(&l->steps) : 8;
}

static ir_status run_all(loop *l, le_progress *progress, void *ctx)
{
	const le_run *r = &l->steps.run;
	size_t epochs = (l->steps.total + l->steps.per_epoch - 1) / l->steps.per_epoch;
	int64_t e = l->out->epochs;
	bool idle = (size_t)e == epochs; /* --epochs 0, or a state that is at the end already */
	ir_status s = IR_OK, t;

	for (; s == IR_OK && (size_t)e < epochs; e++)
		s = run_epoch(l, e, progress, ctx);
	if (s == IR_EINTR)
		save_state(l);
	else if (s != IR_OK)
		return s;
	if (idle && (s = judge(l)) != IR_OK)
		return s;
	if (idle && epochs)
		mean_loss(l->out, (epochs - 1) * l->steps.per_epoch);
	if (s == IR_OK && l->cfg->test)
		s = le_run_eval(&l->steps.run, r->data->test, r->data->ntest, &l->out->test_loss, &l->out->test_mse);
	t = le_run_weights(r, &l->out->weights);
	if (t == IR_OK)
		l->out->weights_key = le_weights_key(&l->out->weights);
	return s != IR_OK ? s : t != IR_OK ? t : l->saved;
}

/* Moves what was counted out of the arenas that die with the run. */
static void take_profile(loop *l)
{
	const le_run *r = &l->steps.run;
	const rt_profile *f = rt_exec_profile(r->step.exec);
	cc_profile p;

	if (!f || !f->steps)
		return;
	p = cc_program_profile(r->step.program, f, r->arena);
	l->out->profile = p;
	l->out->profile.row = ir_xmalloc(p.n, sizeof *p.row);
	memcpy(l->out->profile.row, p.row, p.n * sizeof *p.row);
}

ir_status le_train(cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg,
		   le_progress *progress, void *ctx, le_result *out, ir_diag *d)
{
	loop *l = ir_xmalloc(1, sizeof *l);
	double t0 = rt_seconds();
	ir_status s;

	*out = (le_result){.train_loss = NAN, .val_loss = NAN, .test_loss = NAN, .val_mse = NAN, .test_mse = NAN};
	l->cfg = cfg;
	l->out = out;
	s = le_steps_open(&l->steps, c, m, data, cfg, false, d);
	if (s == IR_OK && cfg->resume)
		s = le_state_take(&l->steps, cfg->resume, out);
	if (s == IR_OK) {
		prepare(l);
		rt_exec_measure(l->steps.run.step.exec, cfg->profile);
		s = run_all(l, progress, ctx);
		take_profile(l);
	}
	out->compile_ms = l->steps.run.compile_ms;
	le_steps_close(&l->steps);
	free(l);
	out->wall_s = rt_seconds() - t0;
	return s;
}

void le_result_free(le_result *r)
{
	free(r->step_loss);
	free(r->epoch_val);
	le_weights_free(&r->weights);
	free(r->profile.row);
	*r = (le_result){0};
}

void le_warn_model(const ir_module *m, const le_data *data, ir_diag *d)
{
	const ir_func *f = ir_module_find(m, IR_ENTRY);
	const ir_output *y = f ? ir_find_output(f, IR_OUT_RECONSTRUCTION) : NULL, *z = f ? ir_find_output(f, IR_OUT_LATENT) : NULL;
	int64_t latent = z ? le_row_width(f, IR_OUT_LATENT) : 0;

	if (y && !data->unit && f->ins[y->ref].op == IR_sigmoid)
		ir_report(d, f->ins[y->ref].loc, IR_E_range, ir_op_info(IR_sigmoid)->name);
	if (latent >= data->table.width)
		ir_report(d, f->ins[z->ref].loc, IR_E_wide_latent, (long long)latent, (long long)data->table.width);
}

/* ---- gradients of the first step ------------------------------------------------------------------------------ */

/* Moves the results named d_NAME out of the run. */
static void take_gradients(le_run *r, le_weights *out)
{
	size_t n = cc_program_outputs(r->step.program);

	*out = (le_weights){.name = ir_xmalloc(n + 1, sizeof *out->name), .tensor = ir_xmalloc(n + 1, sizeof *out->tensor)};
	for (size_t i = 0; i < n; i++) {
		const char *name = cc_program_output_name(r->step.program, i);

		if (strncmp(name, "d_", 2) != 0 || !r->extra[i].data)
			continue;
		out->name[out->n] = le_text_copy(name + 2);
		out->tensor[out->n++] = r->extra[i];
		r->extra[i].data = NULL; /* out's now */
	}
}

ir_status le_gradients(cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg, le_weights *out,
		       ir_diag *d)
{
	le_steps *l = ir_xmalloc(1, sizeof *l);
	ir_status s = le_steps_open(l, c, m, data, cfg, true, d);

	*out = (le_weights){0};
	if (s == IR_OK) {
		l->total = 1;
		le_steps_order(l, 0);
		le_steps_run(l, 0, 0, 1);
		take_gradients(&l->run, out);
	}
	le_steps_close(l);
	free(l);
	return s;
}
