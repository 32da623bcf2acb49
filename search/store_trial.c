/* SPDX-License-Identifier: Apache-2.0
 * search/store_trial.c -- what is written about a trial: as it was proposed, epoch by epoch, its end. */
#include "search/store_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const state_name[SE_STATE_COUNT] = {"WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"};

const char *se_state_name(se_state s)
{
	return state_name[s];
}

/* The readable value, as a number where it is one. */
static void bind_value(se_store *s, query q, const se_space *sp, const se_genome *g, size_t i)
{
	const se_param *p = &sp->param[i];

	if (p->kind == SE_FLOAT)
		se_bind_real(s, q, 3, g->v[i]);
	else if (p->kind == SE_CHOICE && !se_param_numeric(p))
		se_bind_text(s, q, 3, p->choice[(int)g->v[i]]);
	else
		se_bind_int(s, q, 3, (int64_t)se_param_meaning(p, g->v[i]));
}

static ir_status add_param(se_store *s, int64_t trial, const se_proposal *p, size_t i, ir_str *json, ir_diag *d)
{
	const char *name = p->space->param[i].name;
	ir_status st;

	sb_clear(json);
	se_param_distribution(&p->space->param[i], json);
	se_bind_int(s, Q_ADD_PARAM, 1, trial);
	se_bind_text(s, Q_ADD_PARAM, 2, name);
	se_bind_real(s, Q_ADD_PARAM, 3, p->genome->v[i]);
	se_bind_text(s, Q_ADD_PARAM, 4, json->s);
	st = se_sql_run(s, Q_ADD_PARAM, d);
	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_ADD_XPARAM, 1, trial);
	se_bind_text(s, Q_ADD_XPARAM, 2, name);
	bind_value(s, Q_ADD_XPARAM, p->space, p->genome, i);
	return se_sql_run(s, Q_ADD_XPARAM, d);
}

static ir_status add_params(se_store *s, int64_t trial, const se_proposal *p, ir_diag *d)
{
	ir_status st = IR_OK;
	ir_str json;

	sb_init(&json);
	for (size_t i = 0; st == IR_OK && i < p->space->n; i++)
		if (!isnan(p->genome->v[i]))
			st = add_param(s, trial, p, i, &json, d);
	sb_fini(&json);
	return st;
}

static ir_status add_xtrial(se_store *s, int64_t trial, const se_proposal *p, ir_diag *d)
{
	const query q = Q_ADD_XTRIAL;
	char arch[IR_KEY_CHARS], key[IR_KEY_CHARS];

	ir_key_print(p->arch, arch);
	ir_key_print(p->key, key);
	se_bind_int(s, q, 1, trial);
	se_bind_text(s, q, 2, p->ir);
	se_bind_text(s, q, 3, arch);
	se_bind_text(s, q, 4, key);
	se_bind_text(s, q, 5, p->sampler);
	if (p->parent >= 0)
		se_bind_int(s, q, 6, p->parent);
	se_bind_int(s, q, 7, p->latent);
	se_bind_int(s, q, 8, p->n_params);
	se_bind_text(s, q, 9, p->mutation);
	return se_sql_run(s, q, d);
}

static ir_status add_ours(se_store *s, int64_t trial, const se_proposal *p, ir_diag *d)
{
	ir_status st = add_xtrial(s, trial, p, d);

	return st == IR_OK ? add_params(s, trial, p, d) : st;
}

ir_status se_store_propose(se_store *s, int64_t study, const se_proposal *p, int64_t *trial, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_ADD_TRIAL, 1, p->number);
	se_bind_int(s, Q_ADD_TRIAL, 2, study);
	st = se_sql_run_id(s, Q_ADD_TRIAL, trial, d);
	if (st == IR_OK)
		st = add_ours(s, *trial, p, d);
	return se_sql_end(s, st, d);
}

ir_status se_store_adopt(se_store *s, int64_t trial, const se_proposal *p, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	return st == IR_OK ? se_sql_end(s, add_ours(s, trial, p, d), d) : st;
}

/* Runs an update that must hit exactly one row: anything else means that somebody else changed the trial. */
static ir_status run_one(se_store *s, query q, ir_diag *d)
{
	ir_status st = se_sql_run(s, q, d);

	if (st == IR_OK && !se_sql_hit(s))
		return se_sql_say(s, IR_EINTERNAL, "a trial changed its state behind our back", d);
	return st;
}

ir_status se_store_begin(se_store *s, int64_t trial, int64_t pid, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_START, 1, trial);
	st = se_sql_run(s, Q_START, d);
	if (st == IR_OK && !se_sql_hit(s))
		st = IR_EBUSY;
	if (st == IR_OK && pid) {
		se_bind_int(s, Q_SET_PID, 1, trial);
		se_bind_int(s, Q_SET_PID, 2, pid);
		st = run_one(s, Q_SET_PID, d);
	}
	return se_sql_end(s, st, d);
}

static unsigned long long bits_of(double v)
{
	unsigned long long u;

	memcpy(&u, &v, sizeof u);
	return u;
}

static const char *value_type(double v)
{
	return isnan(v) ? "NAN" : !isinf(v) ? "FINITE" : v > 0 ? "INF_POS" : "INF_NEG";
}

ir_status se_store_epoch(se_store *s, int64_t trial, int64_t epoch, double train, double val, ir_diag *d)
{
	char bits[40];
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_ADD_EPOCH, 1, trial);
	se_bind_int(s, Q_ADD_EPOCH, 2, epoch);
	if (isfinite(val))
		se_bind_real(s, Q_ADD_EPOCH, 3, val);
	se_bind_text(s, Q_ADD_EPOCH, 4, value_type(val));
	st = se_sql_run(s, Q_ADD_EPOCH, d);
	if (st != IR_OK)
		return se_sql_end(s, st, d);
	snprintf(bits, sizeof bits, "%016llx:%016llx", bits_of(train), bits_of(val));
	se_bind_int(s, Q_ADD_BITS, 1, trial);
	se_bind_int(s, Q_ADD_BITS, 2, epoch);
	se_bind_text(s, Q_ADD_BITS, 3, bits);
	return se_sql_end(s, se_sql_run(s, Q_ADD_BITS, d), d);
}

static ir_status set_result(se_store *s, int64_t trial, const se_outcome *o, const char *cause, ir_diag *d)
{
	const query q = Q_SET_RESULT;
	char bits[20];

	snprintf(bits, sizeof bits, "%016llx", bits_of(o->value));
	se_bind_int(s, q, 1, trial);
	if (o->n_params > 0)
		se_bind_int(s, q, 2, o->n_params);
	if (o->flops > 0)
		se_bind_int(s, q, 3, o->flops);
	if (o->arena_bytes > 0)
		se_bind_int(s, q, 4, o->arena_bytes);
	se_bind_real(s, q, 5, o->compile_ms);
	se_bind_real(s, q, 6, o->train_s);
	se_bind_int(s, q, 7, o->epochs);
	se_bind_text(s, q, 8, cause);
	se_bind_text(s, q, 9, isnan(o->value) ? NULL : bits);
	se_bind_text(s, q, 10, o->weights_key);
	se_bind_text(s, q, 11, o->target);
	se_bind_text(s, q, 12, o->weights_file);
	return se_sql_run(s, q, d);
}

static ir_status add_value(se_store *s, int64_t trial, double value, ir_diag *d)
{
	se_bind_int(s, Q_ADD_VALUE, 1, trial);
	if (isfinite(value))
		se_bind_real(s, Q_ADD_VALUE, 2, value);
	se_bind_text(s, Q_ADD_VALUE, 3, value_type(value));
	return se_sql_run(s, Q_ADD_VALUE, d);
}

/* A row without a shape is no kernel: what it has not is NULL. */
static ir_status add_kernel(se_store *s, int64_t trial, size_t place, const cc_profile_row *r, ir_diag *d)
{
	const query q = Q_ADD_KERNEL;

	se_bind_int(s, q, 1, trial);
	se_bind_int(s, q, 2, (sqlite3_int64)place);
	se_bind_text(s, q, 3, r->kernel);
	if (r->shape[0]) {
		se_bind_text(s, q, 4, r->shape);
		se_bind_int(s, q, 5, r->fused);
		se_bind_real(s, q, 8, r->flops);
		se_bind_real(s, q, 9, r->bytes);
	}
	if (r->launches)
		se_bind_int(s, q, 6, r->launches);
	se_bind_real(s, q, 7, r->seconds);
	return se_sql_run(s, q, d);
}

static ir_status add_profile(se_store *s, int64_t trial, const se_profile *p, ir_diag *d)
{
	const query q = Q_ADD_PROFILE;
	ir_status st;

	se_bind_int(s, q, 1, trial);
	se_bind_int(s, q, 2, p->step.threads);
	se_bind_int(s, q, 3, p->step.steps);
	se_bind_real(s, q, 4, p->step.step_s);
	se_bind_real(s, q, 5, p->peak_gflops);
	se_bind_real(s, q, 6, p->memory_gbytes);
	st = se_sql_run(s, q, d);
	for (size_t i = 0; st == IR_OK && i < p->step.n; i++)
		st = add_kernel(s, trial, i, &p->step.row[i], d);
	return st;
}

ir_status se_store_finish(se_store *s, int64_t trial, const se_outcome *o, ir_diag *d)
{
	bool nan = o->state == SE_COMPLETE && isnan(o->value);
	se_state state = nan ? SE_FAIL : o->state;
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_END, 1, trial);
	se_bind_text(s, Q_END, 2, state_name[state]);
	st = run_one(s, Q_END, d);
	if (st == IR_OK)
		st = set_result(s, trial, o, nan ? SE_CAUSE_VALUE : o->cause, d);
	if (st == IR_OK && state == SE_COMPLETE)
		st = add_value(s, trial, o->value, d);
	if (st == IR_OK && o->profile)
		st = add_profile(s, trial, o->profile, d);
	return se_sql_end(s, st, d);
}

static ir_status forget(se_store *s, int64_t trial, ir_diag *d)
{
	ir_status st = se_sql_run_int(s, Q_WAIT, trial, d);

	if (st == IR_OK)
		st = se_sql_run_int(s, Q_DROP_CURVE, trial, d);
	return st == IR_OK ? se_sql_run_int(s, Q_DROP_BITS, trial, d) : st;
}

ir_status se_store_recover(se_store *s, int64_t study, int64_t *recovered, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	*recovered = 0;
	if (st != IR_OK)
		return st;
	st = se_sql_run_int(s, Q_RECOVER_CURVES, study, d);
	if (st == IR_OK)
		st = se_sql_run_int(s, Q_RECOVER_BITS, study, d);
	if (st == IR_OK)
		st = se_sql_run_int(s, Q_RECOVER, study, d);
	if (st == IR_OK)
		*recovered = s->changes;
	return se_sql_end(s, st, d);
}

ir_status se_store_retry(se_store *s, int64_t trial, bool blamed, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	st = forget(s, trial, d);
	if (st == IR_OK && blamed)
		st = se_sql_run_int(s, Q_ATTEMPT, trial, d);
	return se_sql_end(s, st, d);
}

ir_status se_store_set_test(se_store *s, int64_t trial, double test, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_SET_TEST, 1, trial);
	se_bind_real(s, Q_SET_TEST, 2, test);
	return se_sql_end(s, run_one(s, Q_SET_TEST, d), d);
}
