/* SPDX-License-Identifier: Apache-2.0
 * compiler/api/trainer.c -- training behind gradmill.h: one compiled step driven over a table. The search has a loop of
 * its own with validation, schedules and records (search/learn/); this one is for programs that bring their own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/api/api_int.h"

#define CHUNK      64  /* steps per parallel region */
#define EVAL_BATCH 500

typedef struct weight {
	const char *name;
	bool param;
	rt_tensor t;
} weight;

typedef struct unit {
	cc_program *p;
	rt_exec *e;
	int64_t batch;
} unit;

struct gm_trainer {
	gm_ctx *ctx;
	gm_model *model; /* a copy of the function main */
	gm_train_options o;
	cc_objective objective;
	cc_feed feed;
	const void *table;
	weight *weight;
	size_t nweight;
	unit step, *eval;
	size_t neval;
	uint32_t *order, *index; /* rows of this epoch, of this chunk */
	size_t per_epoch, steps;
	double lr[CHUNK], alpha[CHUNK], rsc[CHUNK], loss[CHUNK]; /* f32 uses half of the room */
	rt_key key[CHUNK];
};

gm_train_options gm_train_options_default(void)
{
	cc_objective o = cc_objective_default();

	return (gm_train_options){.size = sizeof(gm_train_options), .batch = 128, .optimizer = GM_ADAM, .lr = 1e-3,
				  .beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps, .shuffle = 1};
}

/* ---- building ------------------------------------------------------------------------------------------------- */

static weight *find_weight(const gm_trainer *t, const char *name)
{
	for (size_t i = 0; i < t->nweight; i++)
		if (!strcmp(t->weight[i].name, name))
			return &t->weight[i];
	return NULL;
}

/* Memory for the params and states of f that are not there yet. */
static ir_status add_weights(gm_trainer *t, const ir_func *f, const uint32_t *position)
{
	for (size_t i = 0; i < f->n; i++) {
		const ir_ins *in = &f->ins[i];
		weight *w;
		ir_status s;

		if ((in->op != IR_param && in->op != IR_state) || find_weight(t, in->name))
			continue;
		t->weight = ir_xrealloc(t->weight, t->nweight + 1, sizeof *w);
		w = &t->weight[t->nweight++];
		*w = (weight){.name = ar_strdup(t->model->a, in->name), .param = in->op == IR_param};
		s = rt_tensor_alloc(&w->t, in->type);
		if (s != IR_OK)
			return s;
		rt_init(&w->t, (ir_init)ir_attr_int(in, IR_ATTR_init), rt_key_seed(t->o.seed),
			position && position[i] != IR_NO_REF ? position[i] : 0);
	}
	return IR_OK;
}

static void bind_input(const unit *u, const char *name, const void *data, size_t stride)
{
	for (size_t i = 0; i < cc_program_leaves(u->p); i++)
		if (cc_program_leaf_op(u->p, i) == IR_input && !strcmp(cc_program_leaf_name(u->p, i), name))
			rt_bind_leaf(u->e, i, (void *)(uintptr_t)data, stride); /* inputs are only read */
}

/* f compiled; weights and table bound. */
static ir_status start(gm_trainer *t, const ir_func *f, int64_t batch, unit *u)
{
	cc_options o = {.threads = cc_api_thread_count(t->o.threads), .opt_level = 2};
	ir_status s = cc_compile(t->ctx->c, f, &o, &u->p, t->model->d);

	if (s == IR_OK)
		s = rt_exec_new(cc_program_plan(u->p), &u->e);
	if (s != IR_OK)
		return s;
	u->batch = batch;
	for (size_t i = 0; i < cc_program_leaves(u->p); i++)
		if (cc_program_leaf_op(u->p, i) != IR_input)
			rt_bind_leaf(u->e, i, find_weight(t, cc_program_leaf_name(u->p, i))->t.data, 0);
	bind_input(u, CC_IN_TABLE, t->table, 0);
	return IR_OK;
}

static void stop(unit *u)
{
	if (u->e)
		rt_exec_free(u->e);
	cc_program_free(u->p);
}

static ir_status build_step(gm_trainer *t)
{
	ir_arena *a = ar_open();
	ir_func *f = cc_api_bound(t->model, IR_ENTRY, t->o.batch, (cc_precision)t->o.precision, a), *step = NULL;
	uint32_t *position;
	ir_status s = IR_EINPUT;

	if (f) {
		position = ar_new(a, uint32_t, f->n + 1);
		ir_canonical_positions(f, position);
		s = add_weights(t, f, position);
		step = s == IR_OK ? cc_step(f, &t->feed, &t->objective, 1, false, a, t->model->d) : NULL;
		s = s == IR_OK && !step ? IR_EINPUT : s;
	}
	if (step)
		s = add_weights(t, step, NULL); /* the optimiser's */
	if (s == IR_OK)
		s = start(t, step, t->o.batch, &t->step);
	ar_free(a);
	return s;
}

static gm_status check_options(gm_ctx *ctx, gm_dtype dtype, int64_t rows, int64_t width, const gm_train_options *o)
{
	if (o->size != sizeof *o)
		return cc_api_fail(ctx, GM_EINPUT, "gm_train_options: start from gm_train_options_default()");
	if (dtype != GM_U8 && dtype != GM_F32)
		return cc_api_fail(ctx, GM_EINPUT, "a table holds GM_U8 or GM_F32");
	if (o->batch < 1 || rows < o->batch || rows > INT32_MAX)
		return cc_api_fail(ctx, GM_EINPUT, "a batch of %lld does not fit a table of %lld rows", (long long)o->batch,
			       (long long)rows);
	if (width < 1 || width > INT32_MAX)
		return cc_api_fail(ctx, GM_EINPUT, "a table of %lld columns", (long long)width);
	if ((unsigned)o->optimizer > GM_ADAMW || !(o->lr >= 0))
		return cc_api_fail(ctx, GM_EINPUT, "the optimizer or its learning rate is none");
	return GM_OK;
}

static cc_objective objective_of(const gm_train_options *o)
{
	cc_objective c = cc_objective_default();

	c.optimizer = (cc_optimizer)o->optimizer;
	c.momentum = o->momentum;
	c.beta1 = o->beta1;
	c.beta2 = o->beta2;
	c.eps = o->eps;
	c.weight_decay = o->weight_decay;
	c.clip_norm = o->clip_norm;
	return c;
}

gm_status gm_trainer_new(const gm_model *m, gm_dtype dtype, const void *table, int64_t rows, int64_t width,
			 const gm_train_options *given, gm_trainer **out)
{
	gm_train_options o = given ? *given : gm_train_options_default();
	gm_trainer *t;
	gm_status s;
	char *text;

	cc_api_begin(m->ctx);
	*out = NULL;
	s = check_options(m->ctx, dtype, rows, width, &o);
	if (s != GM_OK)
		return s;
	t = ir_xmalloc(1, sizeof *t);
	*t = (gm_trainer){.ctx = m->ctx, .o = o, .objective = objective_of(&o), .table = table,
			  .feed = {(ir_dtype)dtype, rows, width}, .per_epoch = (size_t)(rows / o.batch)};
	text = gm_model_print(m);
	s = gm_model_parse(m->ctx, "model", text, strlen(text), &t->model);
	free(text);
	if (s == GM_OK)
		s = cc_api_end(m->ctx, t->model->d, build_step(t));
	if (s != GM_OK) {
		gm_trainer_free(t);
		return s;
	}
	t->order = ir_xmalloc((size_t)rows, sizeof *t->order);
	t->index = ir_xmalloc((size_t)o.batch * CHUNK, sizeof *t->index);
	*out = t;
	return GM_OK;
}

void gm_trainer_free(gm_trainer *t)
{
	if (!t)
		return;
	stop(&t->step);
	for (size_t i = 0; i < t->neval; i++)
		stop(&t->eval[i]);
	for (size_t i = 0; i < t->nweight; i++)
		rt_tensor_free(&t->weight[i].t);
	gm_model_free(t->model);
	free(t->eval);
	free(t->weight);
	free(t->order);
	free(t->index);
	free(t);
}

/* ---- steps ---------------------------------------------------------------------------------------------------- */

static void take_rows(gm_trainer *t, size_t step, uint32_t *to)
{
	size_t batch = (size_t)t->o.batch, at = step % t->per_epoch;
	rt_key seed = rt_key_seed(t->o.seed);

	if (at == 0) {
		for (size_t i = 0; i < (size_t)t->feed.rows; i++)
			t->order[i] = (uint32_t)i;
		if (t->o.shuffle)
			rt_shuffle(rt_key_for(seed, RT_FOR_SHUFFLE, step / t->per_epoch), t->order, (size_t)t->feed.rows);
	}
	memcpy(to, t->order + at * batch, batch * sizeof *to);
}

/* What changes per step, computed in double and rounded once. */
static void fill(gm_trainer *t, ir_dtype type, size_t n)
{
	const cc_objective *o = &t->objective;

	for (size_t i = 0; i < n; i++) {
		double time = (double)(t->steps + i + 1);

		take_rows(t, t->steps + i, t->index + i * (size_t)t->o.batch);
		t->key[i] = rt_key_for(rt_key_seed(t->o.seed), RT_FOR_MODEL, t->steps + i);
		rt_store(type, t->lr, (int64_t)i, t->o.lr);
		rt_store(type, t->alpha, (int64_t)i, t->o.lr / (1 - pow(o->beta1, time)));
		rt_store(type, t->rsc, (int64_t)i, 1 / sqrt(1 - pow(o->beta2, time)));
	}
}

static void run_chunk(gm_trainer *t, size_t n)
{
	ir_dtype type = cc_program_output_type(t->step.p, 0).dtype; /* the loss is all that a step returns */
	size_t size = ir_dtype_size(type);

	fill(t, type, n);
	bind_input(&t->step, CC_IN_INDEX, t->index, (size_t)t->o.batch * sizeof *t->index);
	bind_input(&t->step, CC_IN_KEY, t->key, sizeof *t->key);
	bind_input(&t->step, CC_IN_LR, t->lr, size);
	bind_input(&t->step, CC_IN_ALPHA, t->alpha, size);
	bind_input(&t->step, CC_IN_RSC, t->rsc, size);
	rt_bind_output(t->step.e, 0, t->loss, size);
	rt_run(t->step.e, n);
	for (size_t i = n; i-- > 0;) /* in place, widening from the end */
		t->loss[i] = rt_load(type, t->loss, (int64_t)i);
}

gm_status gm_trainer_step(gm_trainer *t, size_t n, double *losses)
{
	cc_api_begin(t->ctx);
	while (n > 0) {
		size_t part = n < CHUNK ? n : CHUNK;

		run_chunk(t, part);
		for (size_t i = 0; i < part; i++) {
			t->steps++;
			if (losses)
				*losses++ = t->loss[i];
			if (!isfinite(t->loss[i]))
				return cc_api_fail(t->ctx, GM_ENAN, "the loss of step %zu is not finite", t->steps);
		}
		n -= part;
	}
	return GM_OK;
}

size_t gm_trainer_steps(const gm_trainer *t)
{
	return t->steps;
}

void gm_trainer_set_lr(gm_trainer *t, double lr)
{
	t->o.lr = lr;
}

/* ---- evaluation ----------------------------------------------------------------------------------------------- */

static ir_status eval_unit(gm_trainer *t, int64_t batch, unit **out)
{
	static const char *const want[] = {IR_OUT_LOSS, NULL};
	ir_arena *a;
	ir_func *f;
	ir_status s = IR_EINPUT;

	for (size_t i = 0; i < t->neval; i++)
		if (t->eval[i].batch == batch)
			return *out = &t->eval[i], IR_OK;
	a = ar_open();
	f = cc_api_bound(t->model, IR_ENTRY, batch, (cc_precision)t->o.precision, a);
	f = f ? cc_eval(f, &t->feed, want, a, t->model->d) : NULL;
	t->eval = ir_xrealloc(t->eval, t->neval + 1, sizeof *t->eval);
	t->eval[t->neval] = (unit){0};
	*out = &t->eval[t->neval++];
	if (f)
		s = start(t, f, batch, *out);
	if (s != IR_OK)
		stop(&t->eval[--t->neval]);
	ar_free(a);
	return s;
}

static ir_status eval_block(gm_trainer *t, int64_t first, int64_t count, double *sum)
{
	rt_key key = rt_key_for(rt_key_seed(t->o.seed), RT_FOR_TEST, (uint64_t)first);
	uint32_t index[EVAL_BATCH];
	double cell = 0;
	unit *u;
	ir_status s = eval_unit(t, count, &u);

	if (s != IR_OK)
		return s;
	for (int64_t i = 0; i < count; i++)
		index[i] = (uint32_t)(first + i);
	bind_input(u, CC_IN_INDEX, index, sizeof *index * (size_t)count);
	bind_input(u, CC_IN_KEY, &key, sizeof key);
	rt_bind_output(u->e, 0, &cell, sizeof cell);
	rt_run(u->e, 1);
	*sum += (double)count * rt_load(cc_program_output_type(u->p, 0).dtype, &cell, 0);
	return IR_OK;
}

gm_status gm_trainer_eval(gm_trainer *t, int64_t first, int64_t count, double *loss)
{
	double sum = 0;
	ir_status s = IR_OK;

	cc_api_begin(t->ctx);
	if (first < 0 || count < 1 || first > t->feed.rows - count)
		return cc_api_fail(t->ctx, GM_EINPUT, "rows %lld to %lld are not in the table", (long long)first,
			       (long long)(first + count));
	for (int64_t at = 0; at < count && s == IR_OK; at += EVAL_BATCH)
		s = eval_block(t, first + at, count - at < EVAL_BATCH ? count - at : EVAL_BATCH, &sum);
	*loss = sum / (double)count;
	return cc_api_end(t->ctx, t->model->d, s);
}

/* ---- weights -------------------------------------------------------------------------------------------------- */

size_t gm_trainer_params(const gm_trainer *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nweight; i++)
		n += t->weight[i].param;
	return n;
}

const char *gm_trainer_param(const gm_trainer *t, size_t i)
{
	for (size_t k = 0; k < t->nweight; k++)
		if (t->weight[k].param && i-- == 0)
			return t->weight[k].name;
	return NULL;
}

/* bytes 0: any size will do. */
static weight *find_param(gm_trainer *t, const char *name, size_t bytes)
{
	weight *w = find_weight(t, name);

	cc_api_begin(t->ctx);
	if (!w || !w->param)
		return cc_api_fail(t->ctx, GM_EINPUT, "the model has no param '%s'", name), NULL;
	if (bytes && bytes != ir_type_bytes(&w->t.type))
		return cc_api_fail(t->ctx, GM_EINPUT, "'%s' has %zu bytes, not %zu", name, ir_type_bytes(&w->t.type), bytes), NULL;
	return w;
}

gm_status gm_trainer_param_size(gm_trainer *t, const char *name, size_t *bytes)
{
	const weight *w = find_param(t, name, 0);

	*bytes = w ? ir_type_bytes(&w->t.type) : 0;
	return w ? GM_OK : GM_EINPUT;
}

gm_status gm_trainer_param_get(gm_trainer *t, const char *name, void *to, size_t bytes)
{
	const weight *w = find_param(t, name, bytes);

	if (w)
		memcpy(to, w->t.data, bytes);
	return w ? GM_OK : GM_EINPUT;
}

gm_status gm_trainer_param_set(gm_trainer *t, const char *name, const void *from, size_t bytes)
{
	const weight *w = find_param(t, name, bytes);

	if (w)
		memcpy(w->t.data, from, bytes);
	return w ? GM_OK : GM_EINPUT;
}
