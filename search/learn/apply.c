/* SPDX-License-Identifier: Apache-2.0
 * A trained model at work: latent, reconstruction and error of rows. A row's result must be its own, so rows are computed
 * in blocks only where the model treats each row by itself; where it does not (Note [Rows that know their place]) the
 * batch is one row. Blocks are of a few fixed sizes, so that any number of rows needs a bounded number of programs. */
#include <stdlib.h>
#include <string.h>
#include "search/learn/learn_int.h"

#define SCRATCH_BYTES ((size_t)16 << 20) /* of results on their way to the caller; more if one block needs it */

/* Blocks of so many rows, the rest in smaller ones, the last sizes for any rest. */
static const size_t block_rows[LE_EVAL_SIZES] = {LE_EVAL_BATCH, LE_EVAL_BATCH / 10, LE_EVAL_BATCH / 100, 1};

/* An output of the model and where its blocks land. */
typedef struct result {
	const char *name;
	int64_t width;    /* elements per row */
	rt_tensor blocks; /* [a->room][width]; no data: not wanted */
} result;

struct le_applier {
	le_run run;
	le_config cfg;
	result latent, reconstruction;
	const char *want[3]; /* names for cc_eval */
	bool alone; /* the batch must be one row */
	size_t room; /* rows of results in one rt_run */
	rt_key *key; /* [room] */
};

/* ---- does each row stand for itself? ------------------------------------------------------------------------- */

/* Only what the wanted outputs need. */
static void mark_live(const ir_func *f, const char *const *want, bool *live)
{
	for (size_t i = 0; want[i]; i++)
		live[ir_find_output(f, want[i])->ref] = true;
	for (size_t i = f->n; i-- > 0;)
		for (size_t k = 0; live[i] && k < f->ins[i].narg; k++)
			live[f->ins[i].arg[k]] = true;
}

/* Is the batch the first dimension and no other? */
static bool is_rows(const ir_type *t)
{
	for (int i = 1; i < t->rank; i++)
		if (t->dim[i] == IR_BATCH)
			return false;
	return t->rank > 0 && t->dim[0] == IR_BATCH;
}

/* Noise, and the key that it comes from: a key belongs to a block. */
static bool is_noise(const ir_ins *in)
{
	return ir_op_is_random(in->op) || (in->op == IR_input && !ir_type_has_batch(&in->type));
}

/* Could row i of this value depend on more than row i of the input? fed: of every value, whether it depends on the input. */
static bool mixes_rows(const ir_ins *in, const bool *fed, bool own)
{
	if (in->op == IR_iota)
		return ir_type_has_batch(&in->type);
	if (in->op == IR_gather || in->op == IR_scatter)
		return fed[in->arg[0]];
	return own && !is_rows(&in->type);
}

/* May a block have more than one row? Noise is no reason to warn: that it depends on the place is our doing, not the
 * model's. */
static void decide_batch(le_applier *a)
{
	const ir_func *f = a->run.model;
	bool *live = ar_new(a->run.arena, bool, f->n + 1), *fed = ar_new(a->run.arena, bool, f->n + 1);

	mark_live(f, a->want, live);
	for (size_t i = 0; i < f->n; i++) {
		const ir_ins *in = &f->ins[i];

		fed[i] = in->op == IR_input && ir_type_has_batch(&in->type);
		for (uint32_t k = 0; k < in->narg; k++)
			fed[i] = fed[i] || fed[in->arg[k]];
		if (!live[i])
			continue;
		a->alone = a->alone || is_noise(in);
		if (!mixes_rows(in, fed, fed[i]))
			continue;
		a->alone = true;
		ir_report(a->run.d, in->loc, IR_E_mixes_rows);
		return;
	}
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static cc_precision precision_of(const le_weights *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->tensor[i].type.dtype == IR_F64)
			return CC_PRECISION_F64;
	return CC_PRECISION_F32;
}

int64_t le_row_width(const ir_func *f, const char *name)
{
	const ir_output *o = ir_find_output(f, name);
	int64_t n = 1;

	for (int i = 1; o && i < f->ins[o->ref].type.rank; i++)
		n *= f->ins[o->ref].type.dim[i];
	return o ? n : 0;
}

/* A wanted output must be there, with one row for each row of the input; width: of that row, 0: any. */
static ir_status check_output(le_applier *a, const char *name, int64_t width)
{
	const ir_func *f = a->run.model;
	const ir_output *o = ir_find_output(f, name);
	const ir_type *t = o ? &f->ins[o->ref].type : NULL;

	if (!o)
		return ir_report(a->run.d, (ir_loc){0}, IR_E_no_output, f->name, name), IR_EINPUT;
	if (is_rows(t) && (!width || le_row_width(f, name) == width))
		return IR_OK;
	ir_report(a->run.d, f->ins[o->ref].loc, IR_E_no_row, name, ir_type_text(a->run.arena, t));
	return IR_EINPUT;
}

static ir_status choose_outputs(le_applier *a, unsigned want)
{
	size_t n = 0;
	ir_status s = IR_OK;

	a->latent = (result){.name = IR_OUT_LATENT, .width = le_row_width(a->run.model, IR_OUT_LATENT)};
	a->reconstruction = (result){.name = IR_OUT_RECONSTRUCTION, .width = a->run.feed.width};
	if (want & LE_LATENT) {
		s = check_output(a, IR_OUT_LATENT, 0);
		a->want[n++] = IR_OUT_LATENT;
	}
	if (s == IR_OK && want & (LE_RECONSTRUCTION | LE_ERROR)) {
		s = check_output(a, IR_OUT_RECONSTRUCTION, a->run.feed.width);
		a->want[n++] = IR_OUT_RECONSTRUCTION;
	}
	IR_ASSERT(n, "nothing is wanted of the model");
	return s;
}

/* A file of weights holds params: running statistics would come out as they were before the first step. */
static ir_status refuse_states(const le_applier *a)
{
	for (size_t i = 0; i < a->run.nleaf; i++)
		if (!a->run.leaf[i].param && a->run.leaf[i].position != IR_NO_REF)
			return le_complain(a->run.d, IR_EINPUT, a->run.leaf[i].name,
					   "is a state of the model, which files of weights do not keep");
	return IR_OK;
}

/* Memory for the results of as many blocks as one rt_run makes. */
static ir_status make_room(le_applier *a, const le_program *p)
{
	size_t bytes = 1, largest = a->alone ? 1 : LE_EVAL_BATCH, all = (size_t)a->run.data->table.rows;
	result *const r[] = {&a->latent, &a->reconstruction};
	ir_status s = IR_OK;

	for (size_t i = 0; i < cc_program_outputs(p->program); i++) {
		ir_type t = cc_program_output_type(p->program, i); /* of one row */

		bytes += ir_type_bytes(&t);
	}
	a->room = SCRATCH_BYTES / bytes < all ? SCRATCH_BYTES / bytes : all;
	a->room = a->room < le_run_room(&a->run) ? a->room : le_run_room(&a->run);
	a->room = a->room > largest ? a->room : largest;
	a->key = ir_xmalloc(a->room, sizeof *a->key);
	for (size_t i = 0; s == IR_OK && i < cc_program_outputs(p->program); i++) {
		result *to = r[strcmp(cc_program_output_name(p->program, i), IR_OUT_LATENT) != 0];
		ir_type t = cc_program_output_type(p->program, i);

		s = rt_tensor_alloc(&to->blocks, ir_type_make(t.dtype, 2, (int64_t[]){(int64_t)a->room, to->width}));
	}
	return s;
}

static ir_status open_applier(le_applier *a, cc_context *c, const ir_module *m, const le_data *data, unsigned want, ir_diag *d)
{
	ir_status s = le_run_open_eval(&a->run, c, m, data, &a->cfg, d);
	le_program *p;

	if (s == IR_OK)
		s = refuse_states(a);
	if (s == IR_OK)
		s = choose_outputs(a, want);
	if (s != IR_OK)
		return s;
	decide_batch(a);
	s = le_run_program(&a->run, 1, a->want, &p); /* says whether data and model fit */
	return s == IR_OK ? make_room(a, p) : s;
}

ir_status le_apply_open(cc_context *c, const ir_module *m, const le_data *data, const le_weights *w, unsigned want, int threads,
			le_applier **out, ir_diag *d)
{
	le_applier *a = ir_xmalloc(1, sizeof *a);
	ir_status s;

	a->cfg = le_config_default();
	a->cfg.init = w;
	a->cfg.threads = threads;
	a->cfg.precision = precision_of(w);
	s = open_applier(a, c, m, data, want, d);
	a->cfg.init = NULL; /* copied, and the caller's */
	*out = a;
	if (s != IR_OK) {
		le_apply_close(a);
		*out = NULL;
	}
	return s;
}

void le_apply_close(le_applier *a)
{
	if (!a)
		return;
	rt_tensor_free(&a->latent.blocks);
	rt_tensor_free(&a->reconstruction.blocks);
	le_run_close(&a->run);
	free(a->key);
	free(a);
}

int64_t le_apply_latent_width(const le_applier *a)
{
	return a->latent.width;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Where the caller wants the results of the rows in hand. */
typedef struct target {
	float *latent, *reconstruction;
	double *error;
} target;

static void copy_out(const result *r, size_t n, float *to)
{
	if (r->blocks.type.dtype == IR_F32)
		memcpy(to, r->blocks.data, n * (size_t)r->width * sizeof *to);
	else
		for (int64_t i = 0; i < (int64_t)n * r->width; i++)
			to[i] = (float)rt_load(r->blocks.type.dtype, r->blocks.data, i);
}

/* x: room for a row. */
static double row_error(const le_applier *a, uint32_t row, size_t place, float *x)
{
	int64_t width = a->run.data->table.width;
	const rt_tensor *y = &a->reconstruction.blocks;
	double sum = 0;

	le_data_rows(a->run.data, &row, 1, x);
	for (int64_t k = 0; k < width; k++) {
		double diff = (double)(float)rt_load(y->type.dtype, y->data, (int64_t)place * width + k) - (double)x[k];

		sum += diff * diff;
	}
	return sum / (double)width;
}

static void bind(le_applier *a, const le_program *p, const uint32_t *rows, size_t blocks)
{
	rt_key base = rt_key_for(rt_key_seed(0), RT_FOR_TEST, 0); /* the same for ever: it is in every result */

	const uint32_t *index = le_run_stage(&a->run, rows, blocks * (size_t)p->batch);

	for (size_t b = 0; b < blocks; b++) /* a batch of one row is seen by its key, others have no use for one */
		a->key[b] = rt_key_split(base, rows[b * (size_t)p->batch]);
	le_run_bind(p, CC_IN_INDEX, index, (size_t)p->batch * sizeof *index);
	le_run_bind(p, CC_IN_KEY, a->key, sizeof *a->key);
	for (size_t i = 0; i < cc_program_outputs(p->program); i++) {
		ir_type t = cc_program_output_type(p->program, i);
		const result *r = strcmp(cc_program_output_name(p->program, i), IR_OUT_LATENT) ? &a->reconstruction : &a->latent;

		rt_bind_output(p->exec, i, r->blocks.data, ir_type_bytes(&t));
	}
}

/* Blocks of p->batch rows each, in one run. */
static void run_blocks(le_applier *a, const le_program *p, const uint32_t *rows, size_t blocks, const target *to)
{
	size_t n = blocks * (size_t)p->batch;
	float *x = ir_xmalloc((size_t)a->run.data->table.width, sizeof *x);

	bind(a, p, rows, blocks);
	le_run_steps(&a->run, p, blocks);
	if (to->latent)
		copy_out(&a->latent, n, to->latent);
	if (to->reconstruction)
		copy_out(&a->reconstruction, n, to->reconstruction);
	for (size_t i = 0; to->error && i < n; i++)
		to->error[i] = row_error(a, rows[i], i, x);
	free(x);
}

static target behind(const le_applier *a, const target *to, size_t n)
{
	return (target){to->latent ? to->latent + n * (size_t)a->latent.width : NULL,
			to->reconstruction ? to->reconstruction + n * (size_t)a->reconstruction.width : NULL,
			to->error ? to->error + n : NULL};
}

ir_status le_apply_rows(le_applier *a, const uint32_t *rows, size_t n, float *latent, float *reconstruction, double *error)
{
	target to = {latent, reconstruction, error};

	IR_ASSERT(!latent || a->latent.blocks.data, "the latent was not asked for");
	IR_ASSERT((!reconstruction && !error) || a->reconstruction.blocks.data, "the reconstruction was not asked for");
	for (size_t i = 0; i < n; i++)
		IR_ASSERT(rows[i] < a->run.data->table.rows, "row %u is not there", rows[i]);
	for (size_t k = a->alone ? LE_EVAL_SIZES - 1 : 0; n && k < LE_EVAL_SIZES; k++) {
		size_t batch = block_rows[k];

		while (n >= batch) {
			size_t most = a->room / batch, blocks = n / batch < most ? n / batch : most;
			le_program *p;
			ir_status s = le_run_program(&a->run, (int64_t)batch, a->want, &p);

			if (s != IR_OK)
				return s;
			run_blocks(a, p, rows, blocks, &to);
			rows += blocks * batch, n -= blocks * batch;
			to = behind(a, &to, blocks * batch);
		}
	}
	return IR_OK;
}

/* Note [Rows that know their place]
 *
 * A product, a sum along a row or anything element by element gives a row the same bits in any batch and at any place in
 * it: an element is one chain of operations whose order follows from its own dimensions (runtime/README.md). Three things
 * do not: noise, whose stream counts through the whole batch; numbers of rows (iota, gather, scatter); and whatever makes
 * of [B,..] something without B, with B elsewhere, or with B twice: sums over the batch, transposes. The second and third
 * are looked for in the model before its batch is bound, roughly: a transpose that is transposed back mixes nothing, and is
 * taken for one that does. That costs time, not bits. Rejected: the whole data set as one batch, which would make every row
 * depend on all others. */
