/* SPDX-License-Identifier: Apache-2.0
 * The memory and the programs of one training run. Params and states exist once and are shared, by name, between the
 * step and the evaluation programs, so nothing is copied between training and judging. Evaluation has a second
 * program for the rows that do not fill a batch: no row is left out. A trained model (apply.c) has evaluation programs
 * only. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "search/learn/learn_int.h"

le_leaf *le_run_leaf(const le_run *r, const char *name)
{
	for (size_t i = 0; i < r->nleaf; i++)
		if (strcmp(r->leaf[i].name, name) == 0)
			return &r->leaf[i];
	return NULL;
}

/* The model with its batch bound, in the precision asked for. NULL after a message. */
static ir_func *bind_model(le_run *r, int64_t batch)
{
	ir_func *f = ir_bind(r->model, batch, r->arena, r->d);

	return f ? cc_in_precision(f, r->cfg->precision, r->arena, r->d) : NULL;
}

/* ---- programs ------------------------------------------------------------------------------------------- */

void le_run_bind(const le_program *p, const char *name, const void *data, size_t stride)
{
	for (size_t i = 0; i < cc_program_leaves(p->program); i++)
		if (cc_program_leaf_op(p->program, i) == IR_input &&
		    strcmp(cc_program_leaf_name(p->program, i), name) == 0)
			rt_bind_leaf(p->exec, i, (void *)(uintptr_t)data, stride); /* inputs are only read */
}

/* Params and states of f that are not there yet. position: by instruction of f, or NULL when f is not the model. */
static ir_status add_leaves(le_run *r, const ir_func *f, const uint32_t *position)
{
	for (size_t i = 0; i < f->n; i++) {
		const ir_ins *in = &f->ins[i];
		le_leaf *l;
		ir_status s;

		if ((in->op != IR_param && in->op != IR_state) || le_run_leaf(r, in->name))
			continue;
		r->leaf = ir_xrealloc(r->leaf, r->nleaf + 1, sizeof *r->leaf);
		l = &r->leaf[r->nleaf++];
		*l = (le_leaf){.name = le_text_copy(in->name), .param = in->op == IR_param};
		l->position = position ? position[i] : IR_NO_REF;
		if ((s = rt_tensor_alloc(&l->tensor, in->type)) != IR_OK)
			return s;
		rt_init(&l->tensor, (ir_init)ir_attr_int(in, IR_ATTR_init), rt_key_seed(r->cfg->seed),
			l->position == IR_NO_REF ? 0 : l->position);
	}
	return IR_OK;
}

/* Those of the model itself, which is bound. */
static ir_status add_model_leaves(le_run *r, const ir_func *f)
{
	uint32_t *position = ar_new(r->arena, uint32_t, f->n + 1);

	ir_canonical_positions(f, position);
	return add_leaves(r, f, position);
}

/* f becomes a running program: compiled, its leaves but the moving inputs bound. */
static ir_status start(le_run *r, const ir_func *f, int64_t batch, le_program *p)
{
	cc_options o = {.threads = r->cfg->threads, .opt_level = 2, .tune = r->cfg->tune && p == &r->step};
	ir_status s = cc_compile(r->context, f, &o, &p->program, r->d);

	if (s != IR_OK)
		return s;
	if ((s = rt_exec_new(cc_program_plan(p->program), &p->exec)) != IR_OK)
		return s;
	p->batch = batch;
	for (size_t i = 0; i < cc_program_leaves(p->program); i++) {
		le_leaf *l;

		if (cc_program_leaf_op(p->program, i) == IR_input)
			continue;
		l = le_run_leaf(r, cc_program_leaf_name(p->program, i));
		IR_ASSERT(l, "no memory for '%s'", cc_program_leaf_name(p->program, i));
		rt_bind_leaf(p->exec, i, l->tensor.data, 0);
	}
	le_run_bind(p, CC_IN_TABLE, r->stage ? (const void *)r->stage : r->data->table.data, 0);
	return IR_OK;
}

static void stop(le_program *p)
{
	if (p->exec)
		rt_exec_free(p->exec);
	if (p->program)
		cc_program_free(p->program);
	*p = (le_program){0};
}

/* ---- initial values ---------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static ir_status refuse(const le_run *r, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	ir_report(r->d, (ir_loc){0}, IR_E_file, "weights", text);
	return IR_EINPUT;
}

/* Every param from cfg->init; a wider model takes narrower values, never the other way round. */
static ir_status take_weights(le_run *r)
{
	const le_weights *w = r->cfg->init;

	for (size_t i = 0; i < w->n; i++) {
		const le_leaf *l = le_run_leaf(r, w->name[i]);

		if (!l || !l->param)
			return refuse(r, "the model has no parameter '%.60s'", w->name[i]);
	}
	for (size_t i = 0; i < r->nleaf; i++) {
		le_leaf *l = &r->leaf[i];
		const rt_tensor *t = le_weights_find(w, l->name);
		const ir_type *to = &l->tensor.type;

		if (!l->param || (!t && l->position == IR_NO_REF))
			continue;
		if (!t)
			return refuse(r, "the parameter '%s' is missing", l->name);
		if (!ir_shape_equal(&t->type, to))
			return refuse(r, "'%s' is %s, the model has %s", l->name, ir_type_text(r->arena, &t->type),
				      ir_type_text(r->arena, to));
		if (t->type.dtype != to->dtype && !(t->type.dtype == IR_F32 && to->dtype == IR_F64))
			return refuse(r, "'%s' holds %s, the model needs %s", l->name, ir_dtype_text(t->type.dtype),
				      ir_dtype_text(to->dtype));
		if (t->type.dtype == to->dtype) {
			memcpy(l->tensor.data, t->data, ir_type_bytes(to));
			continue;
		}
		for (int64_t k = 0; k < ir_type_count(to); k++)
			rt_store(to->dtype, l->tensor.data, k, rt_load(t->type.dtype, t->data, k));
	}
	return IR_OK;
}

/* ---- rows that are copied out of a file ------------------------------------------------------------------------ */

#define STAGE_BYTES ((size_t)64 << 20)

/* Room for one batch of any program, and for as many steps as fit into STAGE_BYTES. */
static ir_status open_stage(le_run *r)
{
	size_t width = (size_t)r->data->table.width, least = (size_t)r->cfg->batch, rows = STAGE_BYTES / sizeof(float) / width;
	void *p;
	ir_status s;

	if (!le_data_staged(r->data))
		return IR_OK;
	if (least < LE_EVAL_BATCH)
		least = LE_EVAL_BATCH;
	if (rows > LE_CHUNK * least)
		rows = LE_CHUNK * least;
	if (rows < least)
		rows = least;
	s = rt_alloc(rows * width * sizeof(float), &p);
	if (s != IR_OK)
		return s;
	r->stage = p;
	r->stage_rows = rows;
	r->stage_index = ir_xmalloc(rows, sizeof *r->stage_index);
	for (size_t i = 0; i < rows; i++)
		r->stage_index[i] = (uint32_t)i;
	return IR_OK;
}

static void close_stage(le_run *r)
{
	if (r->stage)
		rt_free(r->stage, r->stage_rows * (size_t)r->data->table.width * sizeof(float));
	free(r->stage_index);
}

size_t le_run_room(const le_run *r)
{
	return r->stage ? r->stage_rows : SIZE_MAX;
}

const uint32_t *le_run_stage(le_run *r, const uint32_t *rows, size_t n)
{
	if (!r->stage)
		return rows;
	le_data_rows(r->data, rows, n, r->stage);
	return r->stage_index;
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

/* Results of the step other than the loss need a place, or the program may not run. */
static ir_status bind_extra(le_run *r)
{
	size_t n = cc_program_outputs(r->step.program);

	r->extra = ir_xmalloc(n + 1, sizeof *r->extra);
	for (size_t i = 0; i < n; i++) {
		ir_status s;

		if (strcmp(cc_program_output_name(r->step.program, i), r->cfg->objective.loss) == 0)
			continue;
		if ((s = rt_tensor_alloc(&r->extra[i], cc_program_output_type(r->step.program, i))) != IR_OK)
			return s;
		rt_bind_output(r->step.exec, i, r->extra[i].data, 0);
	}
	return IR_OK;
}

/* The step of the bound model, and memory for everything it keeps. */
static ir_status build_step(le_run *r, bool grads)
{
	ir_func *f = bind_model(r, r->cfg->batch), *step;
	ir_status s;
	double t0;

	if (!f)
		return IR_EINPUT;
	if ((s = add_model_leaves(r, f)) != IR_OK)
		return s;
	t0 = rt_seconds(); /* drawing the initial weights is not compiling */
	step = cc_step(f, &r->feed, &r->cfg->objective, 1, grads, r->arena, r->d);
	if (!step)
		return IR_EINPUT;
	r->compile_ms += 1e3 * (rt_seconds() - t0);
	r->function = step;
	if ((s = add_leaves(r, step, NULL)) != IR_OK) /* the optimiser's */
		return s;
	t0 = rt_seconds();
	s = start(r, step, r->cfg->batch, &r->step);
	r->compile_ms += 1e3 * (rt_seconds() - t0);
	return s;
}

static ir_status check_batch(const le_run *r)
{
	char text[120];

	if (r->cfg->batch >= 1 && (uint64_t)r->cfg->batch <= r->data->ntrain)
		return IR_OK;
	snprintf(text, sizeof text, "a batch of %lld rows does not fit the training set of %zu", (long long)r->cfg->batch,
		 r->data->ntrain);
	return le_complain(r->d, IR_EINPUT, r->data->name, text);
}

/* What training and judging have in common: the entry of m. */
static ir_status find_model(le_run *r, cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg, bool trains,
			    ir_diag *d)
{
	ir_status s;

	*r = (le_run){.context = c, .data = data, .cfg = cfg, .d = d, .arena = ar_open()};
	if (trains && (s = check_batch(r)) != IR_OK) /* the stage's size follows from it */
		return s;
	s = open_stage(r);
	if (s != IR_OK)
		return s;
	r->feed = r->stage ? (cc_feed){IR_F32, (int64_t)r->stage_rows, data->table.width}
			   : (cc_feed){data->table.dtype, data->table.rows, data->table.width};
	r->model = ir_module_find(m, IR_ENTRY);
	if (r->model)
		return IR_OK;
	ir_report(d, (ir_loc){0}, IR_E_no_entry, IR_ENTRY);
	return IR_EINPUT;
}

ir_status le_run_open(le_run *r, cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg,
		      bool grads, ir_diag *d)
{
	ir_status s = find_model(r, c, m, data, cfg, true, d);

	if (s != IR_OK)
		return s;
	s = build_step(r, grads);
	if (s == IR_OK)
		s = bind_extra(r);
	if (s == IR_OK && cfg->init)
		s = take_weights(r);
	return s;
}

ir_status le_run_open_eval(le_run *r, cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg, ir_diag *d)
{
	ir_status s = find_model(r, c, m, data, cfg, false, d);
	ir_func *f = s == IR_OK ? bind_model(r, 1) : NULL; /* params know no batch: any will do */

	if (s != IR_OK)
		return s;
	if (!f)
		return IR_EINPUT;
	s = add_model_leaves(r, f);
	return s == IR_OK && cfg->init ? take_weights(r) : s;
}

void le_run_close(le_run *r)
{
	size_t n = r->step.program ? cc_program_outputs(r->step.program) : 0;

	for (size_t i = 0; r->extra && i < n; i++)
		rt_tensor_free(&r->extra[i]);
	free(r->extra);
	stop(&r->step);
	for (size_t i = 0; i < r->neval; i++)
		stop(&r->eval[i]);
	for (size_t i = 0; i < r->nleaf; i++) {
		free(r->leaf[i].name);
		rt_tensor_free(&r->leaf[i].tensor);
	}
	free(r->leaf);
	close_stage(r);
	ar_free(r->arena);
	*r = (le_run){0};
}

void le_run_steps(const le_run *r, const le_program *p, size_t n)
{
	if (r->cfg->team)
		rt_exec_team(p->exec, *r->cfg->team);
	rt_run(p->exec, n);
}

/* ---- evaluation --------------------------------------------------------------------------------------------- */

ir_status le_run_program(le_run *r, int64_t batch, const char *const *want, le_program **out)
{
	double t0 = rt_seconds();
	ir_func *f;
	ir_status s;

	for (size_t i = 0; i < r->neval; i++)
		if (r->eval[i].batch == batch)
			return *out = &r->eval[i], IR_OK;
	IR_ASSERT(r->neval < sizeof r->eval / sizeof *r->eval, "too many evaluation batches");
	f = bind_model(r, batch);
	f = f ? cc_eval(f, &r->feed, want, r->arena, r->d) : NULL;
	if (!f)
		return IR_EINPUT;
	*out = &r->eval[r->neval++];
	s = start(r, f, batch, *out);
	r->compile_ms += 1e3 * (rt_seconds() - t0);
	return s;
}

/* The evaluation program of this batch size. */
static ir_status eval_program(le_run *r, int64_t batch, le_program **out)
{
	bool compares = ir_find_output(r->model, IR_OUT_RECONSTRUCTION);
	const char *const want[] = {r->cfg->objective.loss, compares ? "mse" : NULL, NULL};

	return le_run_program(r, batch, want, out);
}

/* Adds batch * (mean over each of blocks batches) to *loss and *mse. first: number of the first block, for keys. */
static void eval_blocks(le_run *r, le_program *p, const uint32_t *rows, size_t first, size_t blocks, double *loss,
			double *mse)
{
	size_t n = cc_program_outputs(p->program);
	rt_key base = rt_key_for(rt_key_seed(r->cfg->seed), RT_FOR_TEST, 0);
	rt_key *key = ir_xmalloc(blocks, sizeof *key);
	double *value = ir_xmalloc(n * blocks, sizeof *value); /* f32 results use half of it */

	for (size_t b = 0; b < blocks; b++)
		key[b] = rt_key_split(base, first + b);
	le_run_bind(p, CC_IN_INDEX, le_run_stage(r, rows, blocks * (size_t)p->batch), (size_t)p->batch * sizeof *rows);
	le_run_bind(p, CC_IN_KEY, key, sizeof *key);
	for (size_t i = 0; i < n; i++) {
		ir_type t = cc_program_output_type(p->program, i);

		rt_bind_output(p->exec, i, value + i * blocks, ir_dtype_size(t.dtype));
	}
	le_run_steps(r, p, blocks);
	for (size_t i = 0; i < n; i++) {
		ir_type t = cc_program_output_type(p->program, i);
		double *sum = strcmp(cc_program_output_name(p->program, i), "mse") == 0 ? mse : loss;

		for (size_t b = 0; b < blocks; b++)
			*sum += (double)p->batch * rt_load(t.dtype, value + i * blocks, (int64_t)b);
	}
	free(key);
	free(value);
}

ir_status le_run_eval(le_run *r, const uint32_t *rows, size_t n, double *loss, double *mse)
{
	size_t batch = n < LE_EVAL_BATCH ? n : LE_EVAL_BATCH, blocks = n ? n / batch : 0, rest = n ? n % batch : 0;
	double l = 0, e = 0;
	le_program *p;
	ir_status s;

	*loss = *mse = NAN;
	if (n == 0)
		return IR_OK;
	if ((s = eval_program(r, (int64_t)batch, &p)) != IR_OK)
		return s;
	for (size_t at = 0, most = le_run_room(r) / batch; at < blocks; at += most) {
		size_t now = blocks - at < most ? blocks - at : most;

		eval_blocks(r, p, rows + at * batch, at, now, &l, &e);
		if (most > blocks)
			break;
	}
	if (rest) {
		if ((s = eval_program(r, (int64_t)rest, &p)) != IR_OK)
			return s;
		eval_blocks(r, p, rows + blocks * batch, blocks, 1, &l, &e);
	}
	*loss = l / (double)n;
	if (ir_find_output(r->model, IR_OUT_RECONSTRUCTION))
		*mse = e / (double)n;
	return IR_OK;
}

/* ---- results --------------------------------------------------------------------------------------------------- */

static int by_position(const void *a, const void *b)
{
	const le_leaf *x = *(const le_leaf *const *)a, *y = *(const le_leaf *const *)b;

	return x->position < y->position ? -1 : x->position > y->position;
}

ir_key le_weights_key(const le_weights *w)
{
	struct {
		ir_key name, type, bits;
	} *part = ir_xmalloc(w->n + 1, sizeof *part);
	ir_str type;
	ir_key key;

	sb_init(&type);
	for (size_t i = 0; i < w->n; i++) {
		const rt_tensor *t = &w->tensor[i];

		sb_clear(&type);
		ir_type_print(&t->type, &type);
		part[i].name = ir_hash(w->name[i], strlen(w->name[i]));
		part[i].type = ir_hash(type.s, type.n);
		part[i].bits = ir_hash(t->data, ir_type_bytes(&t->type));
	}
	key = ir_hash(part, w->n * sizeof *part);
	sb_fini(&type);
	free(part);
	return key;
}

ir_status le_run_weights(const le_run *r, le_weights *out)
{
	const le_leaf **order = ir_xmalloc(r->nleaf + 1, sizeof *order);
	size_t n = 0;
	ir_status s = IR_OK;

	for (size_t i = 0; i < r->nleaf; i++)
		if (r->leaf[i].param && r->leaf[i].position != IR_NO_REF)
			order[n++] = &r->leaf[i];
	qsort(order, n, sizeof *order, by_position);
	*out = (le_weights){.name = ir_xmalloc(n + 1, sizeof *out->name), .tensor = ir_xmalloc(n + 1, sizeof *out->tensor)};
	while (s == IR_OK && out->n < n) {
		const rt_tensor *t = &order[out->n]->tensor;
		size_t k = out->n++;

		out->name[k] = le_text_copy(order[k]->name);
		s = rt_tensor_alloc(&out->tensor[k], t->type);
		if (s == IR_OK)
			memcpy(out->tensor[k].data, t->data, ir_type_bytes(&t->type));
	}
	free(order);
	if (s != IR_OK)
		le_weights_free(out);
	return s;
}
