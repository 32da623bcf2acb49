/* SPDX-License-Identifier: Apache-2.0
 * What the steps of a run are given: rows, learning rate, key and Adam's corrections, laid out in arrays for as many steps as
 * one rt_run makes. Everything follows from the configuration and the number of the step, so that any step can be made
 * again. Which steps are run, and when to stop, is the caller's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/learn/learn_int.h"

static double learning_rate(const le_steps *s, size_t step)
{
	switch (s->cfg->schedule) {
	case LE_COSINE:
		return s->cfg->lr * .5 * (1 + cos(acos(-1) * (double)step / (double)s->total));
	case LE_CONSTANT:
	case LE_SCHEDULE_COUNT:
		break;
	}
	return s->cfg->lr;
}

/* Scalars and keys of steps [first, first + n), computed in double and rounded once. */
static void fill_scalars(le_steps *s, ir_dtype t, size_t first, size_t n)
{
	const cc_objective *o = &s->cfg->objective;
	rt_key seed = rt_key_seed(s->cfg->seed);

	for (size_t i = 0; i < n; i++) {
		double lr = learning_rate(s, first + i), time = (double)(first + i + 1);

		rt_store(t, s->lr, (int64_t)i, lr);
		if (o->optimizer != CC_SGD) {
			rt_store(t, s->alpha, (int64_t)i, lr / (1 - pow(o->beta1, time)));
			rt_store(t, s->rsc, (int64_t)i, 1 / sqrt(1 - pow(o->beta2, time)));
		}
		s->key[i] = rt_key_for(seed, RT_FOR_MODEL, first + i);
	}
}

static ir_dtype loss_type(const le_steps *s, size_t *at)
{
	const cc_program *p = s->run.step.program;

	for (*at = 0; *at < cc_program_outputs(p); ++*at)
		if (strcmp(cc_program_output_name(p, *at), s->cfg->objective.loss) == 0)
			return cc_program_output_type(p, *at).dtype;
	ir_bug("a step without a loss");
}

const uint32_t *le_steps_rows(const le_steps *s, size_t at)
{
	return s->order + at * (size_t)s->cfg->batch;
}

size_t le_steps_most(const le_steps *s)
{
	size_t room = le_run_room(&s->run) / (size_t)s->cfg->batch;

	return room < LE_CHUNK ? room : LE_CHUNK;
}

void le_steps_run(le_steps *s, size_t at, size_t first, size_t n)
{
	const le_program *p = &s->run.step;
	const uint32_t *index = le_run_stage(&s->run, le_steps_rows(s, at), n * (size_t)s->cfg->batch);
	size_t out, size;
	ir_dtype t = loss_type(s, &out);

	size = ir_dtype_size(t);
	fill_scalars(s, t, first, n);
	le_run_bind(p, CC_IN_INDEX, index, (size_t)p->batch * sizeof *index);
	le_run_bind(p, CC_IN_KEY, s->key, sizeof *s->key);
	le_run_bind(p, CC_IN_LR, s->lr, size);
	le_run_bind(p, CC_IN_ALPHA, s->alpha, size);
	le_run_bind(p, CC_IN_RSC, s->rsc, size);
	rt_bind_output(p->exec, out, s->loss, size);
	le_run_steps(&s->run, p, n);
	for (size_t i = n; i-- > 0;) /* in place, widening from the end */
		s->loss[i] = rt_load(t, s->loss, (int64_t)i);
}

void le_steps_order(le_steps *s, int64_t epoch)
{
	const le_data *data = s->run.data;

	memcpy(s->order, data->train, data->ntrain * sizeof *s->order);
	if (s->cfg->shuffle)
		rt_shuffle(rt_key_for(rt_key_seed(s->cfg->seed), RT_FOR_SHUFFLE, (uint64_t)epoch), s->order,
			   data->ntrain);
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

static void count_steps(le_steps *s)
{
	size_t epochs = s->cfg->epochs > 0 ? (size_t)s->cfg->epochs : 0;

	s->per_epoch = s->run.data->ntrain / (size_t)s->cfg->batch;
	if (__builtin_mul_overflow(s->per_epoch, epochs, &s->total))
		s->total = INT64_MAX;
	if (s->cfg->max_steps > 0 && (size_t)s->cfg->max_steps < s->total)
		s->total = (size_t)s->cfg->max_steps;
}

ir_status le_steps_open(le_steps *s, cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg,
			bool grads, ir_diag *d)
{
	ir_status st;

	memset(s, 0, sizeof *s);
	s->cfg = cfg;
	st = le_run_open(&s->run, c, m, data, cfg, grads, d);
	if (st != IR_OK)
		return st;
	count_steps(s);
	s->order = ir_xmalloc(data->ntrain, sizeof *s->order);
	return IR_OK;
}

void le_steps_close(le_steps *s)
{
	le_run_close(&s->run);
	free(s->order);
	s->order = NULL;
}
