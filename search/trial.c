/* SPDX-License-Identifier: Apache-2.0
 * search/trial.c -- see trial.h. The first two parts need no compiler and run in the driver. */
#include "search/trial.h"
#include <math.h>
#include <string.h>
#include "search/store.h"

#define ROWS 64 /* any batch will do: cost per row is what we ask for */

/* Somewhere in f, for messages about all of it. */
static ir_loc place_of(const ir_func *f)
{
	if (f->nout)
		return f->ins[f->out[0].ref].loc;
	return f->n ? f->ins[0].loc : (ir_loc){0, 0, 0};
}

static const ir_func *entry_of(const ir_module *m, ir_diag *d)
{
	const ir_func *f = ir_module_find(m, IR_ENTRY);

	if (!f) {
		ir_error(d, m->n ? place_of(m->func[0]) : (ir_loc){0, 0, 0}, IR_E_no_entry, IR_ENTRY);
		return NULL;
	}
	return ir_verify(f, d) ? f : NULL;
}

static int64_t elements_per_row(const ir_type *t)
{
	int64_t n = 1;

	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] != IR_BATCH)
			n *= t->dim[i];
	return n;
}

/* A step of the bound model, built and thrown away: what is wrong with it is said now, not by every trial. */
static bool trains(const ir_func *bound, int64_t width, ir_arena *a, ir_diag *d)
{
	cc_objective o = cc_objective_default();
	cc_feed feed = {IR_F32, 1, width};

	if (!ir_find_output(bound, o.loss)) {
		ir_error(d, place_of(bound), IR_E_no_output, bound->name, o.loss);
		return false;
	}
	return cc_step(bound, &feed, &o, 1, false, a, d);
}

static void warn_bypass(const ir_func *f, ir_arena *a, ir_diag *d)
{
	const ir_output *y = ir_find_output(f, IR_OUT_RECONSTRUCTION);
	ir_ref *path;
	size_t n;

	if (!y || !ir_find_output(f, IR_OUT_LATENT) || !ir_find_bypass(f, a, &path, &n))
		return;
	ir_report(d, f->ins[y->ref].loc, IR_E_bypass);
	for (size_t i = 0; i < n; i++) {
		const ir_ins *in = &f->ins[path[i]];

		ir_report(d, in->loc, IR_E_bypass_step, in->name ? in->name : ar_printf(a, "%%%u", path[i]),
			  ir_op_info(in->op)->name);
	}
}

static bool read_model(const char *name, const char *text, bool given, se_model *out, ir_diag *d)
{
	ir_arena *a = ar_open();
	ir_module *m = ir_parse(name, text, strlen(text), a, d);
	const ir_func *f = m ? entry_of(m, d) : NULL, *bound = NULL;
	const ir_output *z;
	cc_cost cost;
	bool ok;

	memset(out, 0, sizeof *out);
	if (f)
		bound = ir_bind(f, ROWS, a, d);
	if (bound) {
		cost = cc_func_cost(bound);
		out->arch = ir_arch_key(f);
		out->params = cost.params;
		out->flops = cost.flops / ROWS;
		z = ir_find_output(f, IR_OUT_LATENT);
		out->latent = z ? elements_per_row(&f->ins[z->ref].type) : 0;
		for (size_t i = f->n; i-- > 0;)
			if (f->ins[i].op == IR_input && f->ins[i].type.rank == 2) {
				out->width = f->ins[i].type.dim[1];
				out->input = f->ins[i].loc;
			}
	}
	ok = bound && (!given || trains(bound, out->width, a, d));
	if (ok && given)
		warn_bypass(bound, a, d);
	ar_free(a);
	return ok;
}

bool se_model_read(const char *name, const char *text, se_model *out, ir_diag *d)
{
	return read_model(name, text, false, out, d);
}

bool se_model_check(const char *name, const char *text, se_model *out, ir_diag *d)
{
	return read_model(name, text, true, out, d);
}

ir_key se_trial_key(ir_key arch, const se_space *sp, const se_genome *g, const char *data_key, int64_t seed)
{
	char hex[IR_KEY_CHARS];
	ir_str s;
	ir_key k;

	ir_key_print(arch, hex);
	sb_init(&s);
	sb_printf(&s, "%s ", hex);
	se_genome_print(sp, g, false, &s);
	sb_printf(&s, " data=%s seed=%lld", data_key, (long long)seed);
	k = ir_hash(s.s, s.n);
	sb_fini(&s);
	return k;
}

void se_settings(const se_space *sp, const se_genome *g, se_message *m)
{
	m->optimizer = se_genome_choice(sp, g, "optimizer");
	m->schedule = se_genome_choice(sp, g, "schedule");
	m->lr = se_genome_number(sp, g, se_genome_has(sp, g, "lr_sgd") ? "lr_sgd" : "lr");
	m->weight_decay = se_genome_has(sp, g, "weight_decay") ? se_genome_number(sp, g, "weight_decay") : 0;
	m->clip_norm = se_genome_number(sp, g, "clip_norm");
	m->batch = (int64_t)se_genome_number(sp, g, "batch");
	m->epochs = (int64_t)se_genome_number(sp, g, "epochs");
}

/* ---- in a worker ---------------------------------------------------------------------------------------------- */

static bool configure(const se_message *t, const se_running *how, le_config *cfg)
{
	*cfg = le_config_default();
	if (!t->optimizer || !cc_optimizer_find(t->optimizer, &cfg->objective.optimizer))
		return false;
	if (cfg->objective.optimizer == CC_SGD)
		cfg->objective.momentum = 0.9; /* plain descent is hopeless within a trial of seconds */
	cfg->objective.weight_decay = t->weight_decay;
	cfg->objective.clip_norm = t->clip_norm;
	for (int i = 0; t->schedule && i < LE_SCHEDULE_COUNT; i++) {
		if (strcmp(t->schedule, le_schedule_name((le_schedule)i)))
			continue;
		cfg->schedule = (le_schedule)i;
		cfg->lr = t->lr;
		cfg->batch = t->batch;
		cfg->epochs = t->epochs;
		cfg->seed = (uint64_t)t->seed;
		cfg->threads = how->threads;
		cfg->team = how->team;
		cfg->tick = how->tick;
		cfg->test = t->test;
		cfg->profile = t->measure;
		return t->batch > 0 && t->epochs >= 0;
	}
	return false;
}

static void explain(ir_status st, const le_result *r, const ir_diag *d, ir_str *cause)
{
	if (ir_diag_size(d))
		sb_put(cause, ir_diag_get(d, 0)->text);
	else if (st == IR_ENAN) /* the last step and the epoch it was in: the same every time */
		sb_printf(cause, SE_CAUSE_LOSS " at step %lld (epoch %lld)", (long long)r->steps, (long long)r->epochs + 1);
	else
		sb_put(cause, ir_status_text(st));
}

ir_status se_trial_run(cc_context *c, const le_data *data, const se_message *t, const se_running *how, le_result *r,
		       ir_str *cause)
{
	ir_diag *d = ir_diag_new();
	ir_arena *a = ar_open();
	ir_module *m = t->ir ? ir_parse("trial", t->ir, strlen(t->ir), a, d) : NULL;
	ir_status st = IR_EINPUT;
	le_config cfg;

	*r = (le_result){.val_loss = NAN, .val_mse = NAN, .test_loss = NAN, .test_mse = NAN};
	if (m && configure(t, how, &cfg)) {
		cfg.init = how->init;
		if (how->init)
			cfg.epochs = 0; /* trained already: only look at the rows */
		st = le_train(c, m, data, &cfg, how->progress, how->ctx, r, d);
	}
	if (st != IR_OK)
		explain(st, r, d, cause);
	ar_free(a);
	ir_diag_free(d);
	return st;
}

ir_status se_trial_find_nan(cc_context *c, const le_data *data, const se_message *t, const char *name, int threads, ir_arena *a,
			    le_nan *out, ir_diag *d)
{
	ir_module *m = ir_parse(name, t->ir, strlen(t->ir), a, d);
	le_config cfg;

	*out = (le_nan){.blame = LE_BLAME_NOBODY};
	if (!m || !configure(t, &(se_running){.threads = threads}, &cfg))
		return IR_EINPUT;
	return le_find_nan(c, m, data, &cfg, a, out, d);
}
