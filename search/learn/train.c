/* SPDX-License-Identifier: Apache-2.0
 * The training loop: which rows, learning rate and key each step gets, when to stop, when to look at the validation
 * rows. Steps run in chunks inside one rt_run, with everything that changes per step laid out in arrays; how long a
 * chunk is follows the clock and so must not change any result: a loss that is not finite ends the record at its
 * own step, whatever ran behind it, and leaves no weights. */
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
	le_run run;
	const le_config *cfg;
	le_result *out;
	uint32_t *order;     /* rows of this epoch */
	size_t per_epoch, total; /* steps */
	size_t chunk;        /* steps of the next rt_run */
	double lr[LE_CHUNK], alpha[LE_CHUNK], rsc[LE_CHUNK]; /* in the model's type: f32 uses half of the room */
	double loss[LE_CHUNK];
	rt_key key[LE_CHUNK];
} loop;

/* ---- what a step is given --------------------------------------------------------------------------------- */

static double learning_rate(const loop *l, size_t step)
{
	switch (l->cfg->schedule) {
	case LE_COSINE:
		return l->cfg->lr * .5 * (1 + cos(acos(-1) * (double)step / (double)l->total));
	case LE_CONSTANT:
	case LE_SCHEDULE_COUNT:
		break;
	}
	return l->cfg->lr;
}

/* Scalars and keys of steps [first, first + n), computed in double and rounded once. */
static void fill_scalars(loop *l, ir_dtype t, size_t first, size_t n)
{
	const cc_objective *o = &l->cfg->objective;
	rt_key seed = rt_key_seed(l->cfg->seed);

	for (size_t i = 0; i < n; i++) {
		double lr = learning_rate(l, first + i), time = (double)(first + i + 1);

		rt_store(t, l->lr, (int64_t)i, lr);
		if (o->optimizer != CC_SGD) {
			rt_store(t, l->alpha, (int64_t)i, lr / (1 - pow(o->beta1, time)));
			rt_store(t, l->rsc, (int64_t)i, 1 / sqrt(1 - pow(o->beta2, time)));
		}
		l->key[i] = rt_key_for(seed, RT_FOR_MODEL, first + i);
	}
}

static ir_dtype loss_type(const loop *l, size_t *at)
{
	const cc_program *p = l->run.step.program;

	for (*at = 0; *at < cc_program_outputs(p); ++*at)
		if (strcmp(cc_program_output_name(p, *at), l->cfg->objective.loss) == 0)
			return cc_program_output_type(p, *at).dtype;
	ir_bug("a step without a loss");
}

/* Runs n steps on rows; first counts from the start of training. Losses end up in l->loss as doubles. */
static void run_steps(loop *l, const uint32_t *rows, size_t first, size_t n)
{
	const le_program *p = &l->run.step;
	size_t out, size;
	ir_dtype t = loss_type(l, &out);

	size = ir_dtype_size(t);
	fill_scalars(l, t, first, n);
	le_run_bind(p, CC_IN_INDEX, rows, (size_t)p->batch * sizeof *rows);
	le_run_bind(p, CC_IN_KEY, l->key, sizeof *l->key);
	le_run_bind(p, CC_IN_LR, l->lr, size);
	le_run_bind(p, CC_IN_ALPHA, l->alpha, size);
	le_run_bind(p, CC_IN_RSC, l->rsc, size);
	rt_bind_output(p->exec, out, l->loss, size);
	le_run_steps(&l->run, p, n);
	for (size_t i = n; i-- > 0;) /* in place, widening from the end */
		l->loss[i] = rt_load(t, l->loss, (int64_t)i);
}

/* The rows of an epoch, in the order in which they are used. */
static void order_rows(loop *l, int64_t epoch)
{
	const le_data *data = l->run.data;

	memcpy(l->order, data->train, data->ntrain * sizeof *l->order);
	if (l->cfg->shuffle)
		rt_shuffle(rt_key_for(rt_key_seed(l->cfg->seed), RT_FOR_SHUFFLE, (uint64_t)epoch), l->order,
			   data->ntrain);
}

/* ---- the loop ------------------------------------------------------------------------------------------------- */

/* One chunk; at: the step inside the epoch. IR_ENAN at the first loss that is not finite. */
static ir_status run_chunk(loop *l, size_t at, size_t n, void *ctx)
{
	size_t done = (size_t)l->out->steps;
	double t0 = rt_seconds(), per_step;

	run_steps(l, l->order + at * (size_t)l->cfg->batch, done, n);
	for (size_t i = 0; i < n; i++) {
		l->out->step_loss[done + i] = l->loss[i];
		l->out->steps++;
		if (!isfinite(l->loss[i]))
			return IR_ENAN;
	}
	per_step = (rt_seconds() - t0) / (double)n;
	l->chunk = per_step * LE_CHUNK < CHUNK_SECONDS ? LE_CHUNK : (size_t)(CHUNK_SECONDS / per_step);
	if (l->chunk < 1)
		l->chunk = 1;
	if (l->cfg->tick && !l->cfg->tick(ctx, l->out->steps, (int64_t)l->total, l->loss[n - 1]))
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
	le_result *out = l->out;
	ir_status s = le_run_eval(&l->run, l->run.data->val, l->run.data->nval, &out->val_loss, &out->val_mse);

	out->epoch_val = ir_xrealloc(out->epoch_val, (size_t)out->epochs + 1, sizeof(double));
	out->epoch_val[out->epochs] = isnan(out->val_mse) ? out->val_loss : out->val_mse;
	return s;
}

static ir_status run_epoch(loop *l, int64_t epoch, le_progress *progress, void *ctx)
{
	size_t first = (size_t)l->out->steps, left = l->total - first, steps = left < l->per_epoch ? left : l->per_epoch;
	ir_status s = IR_OK;

	l->out->step_loss = ir_xrealloc(l->out->step_loss, first + steps, sizeof(double));
	order_rows(l, epoch);
	for (size_t at = 0; s == IR_OK && at < steps;) {
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
	if (progress && !progress(ctx, l->out->epochs, l->out->train_loss, l->out->val_loss))
		return IR_EINTR;
	return IR_OK;
}

/* Facts known before the first step. */
static void prepare(loop *l)
{
	const cc_stats *stats = cc_program_stats(l->run.step.program);
	size_t rows = l->run.data->ntrain, epochs = l->cfg->epochs > 0 ? (size_t)l->cfg->epochs : 0;

	l->per_epoch = rows / (size_t)l->cfg->batch;
	if (__builtin_mul_overflow(l->per_epoch, epochs, &l->total))
		l->total = INT64_MAX;
	if (l->cfg->max_steps > 0 && (size_t)l->cfg->max_steps < l->total)
		l->total = (size_t)l->cfg->max_steps;
	l->order = ir_xmalloc(rows, sizeof *l->order);
	l->out->flops_per_step = stats->cost.flops;
	l->out->arena_bytes = stats->arena_bytes;
	for (size_t i = 0; i < l->run.nleaf; i++)
		if (l->run.leaf[i].param && l->run.leaf[i].position != IR_NO_REF)
			l->out->params += ir_type_count(&l->run.leaf[i].tensor.type);
	l->chunk = 8;
}

static ir_status run_all(loop *l, le_progress *progress, void *ctx)
{
	const le_data *data = l->run.data;
	ir_status s = IR_OK, t;

	for (int64_t e = 0; s == IR_OK && (size_t)l->out->steps < l->total; e++)
		s = run_epoch(l, e, progress, ctx);
	if (s != IR_OK && s != IR_EINTR)
		return s;
	if (s == IR_OK && l->out->epochs == 0 && (s = judge(l)) != IR_OK) /* --epochs 0: the initial weights */
		return s;
	if (s == IR_OK && l->cfg->test)
		s = le_run_eval(&l->run, data->test, data->ntest, &l->out->test_loss, &l->out->test_mse);
	t = le_run_weights(&l->run, &l->out->weights, &l->out->weights_key);
	return s == IR_OK ? t : s;
}

/* Moves what was counted out of the arenas that die with the run. */
static void take_profile(loop *l)
{
	const rt_profile *f = rt_exec_profile(l->run.step.exec);
	cc_profile p;

	if (!f || !f->steps)
		return;
	p = cc_program_profile(l->run.step.program, f, l->run.arena);
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
	s = le_run_open(&l->run, c, m, data, cfg, false, d);
	if (s == IR_OK) {
		prepare(l);
		rt_exec_measure(l->run.step.exec, cfg->profile);
		s = run_all(l, progress, ctx);
		take_profile(l);
	}
	out->compile_ms = l->run.compile_ms;
	le_run_close(&l->run);
	free(l->order);
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

/* ---- gradients of the first step ------------------------------------------------------------------------------ */

/* Moves the results named d_NAME out of the run. */
static void take_gradients(le_run *r, le_weights *out)
{
	size_t n = cc_program_outputs(r->step.program);

	*out = (le_weights){0, ir_xmalloc(n + 1, sizeof *out->name), ir_xmalloc(n + 1, sizeof *out->tensor)};
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
	loop *l = ir_xmalloc(1, sizeof *l);
	ir_status s;

	*out = (le_weights){0};
	l->cfg = cfg;
	l->total = 1;
	s = le_run_open(&l->run, c, m, data, cfg, true, d);
	if (s == IR_OK) {
		l->order = ir_xmalloc(data->ntrain, sizeof *l->order);
		order_rows(l, 0);
		run_steps(l, l->order, 0, 1);
		take_gradients(&l->run, out);
	}
	le_run_close(&l->run);
	free(l->order);
	free(l);
	return s;
}
