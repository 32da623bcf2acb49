/* SPDX-License-Identifier: Apache-2.0
 * A training that stops and goes on: everything that the next step depends on, in one safetensors file. Rows, rates and keys
 * of a step follow from its number (steps.c), so what must be kept are params, states and moments, the losses so far, which
 * say how many steps and epochs there were, and the settings, which must be the same for the bits to be. Files of training
 * states are files of weights with more in them; names that begin with a dot are no param's. */
#include <stdlib.h>
#include <string.h>
#include "search/learn/learn_int.h"

#define FORMAT    "gradmill training state 1"
#define STEP_LOSS ".step_loss" /* f64[steps] */
#define EPOCH_VAL ".epoch_val" /* f64[whole epochs] */

/* ---- settings that decide bits ------------------------------------------------------------------------------- */

#define MAX_SETTINGS 20

/* Names as train has them, for messages; values as text. */
typedef struct settings {
	const char *pair[2 * MAX_SETTINGS]; /* le_weights_write's metadata */
	size_t n;
	ir_arena *a;
} settings;

static void add(settings *s, const char *name, const char *value)
{
	IR_ASSERT(s->n < MAX_SETTINGS, "more settings than room");
	s->pair[2 * s->n] = name;
	s->pair[2 * s->n++ + 1] = value;
}

static void add_int(settings *s, const char *name, uint64_t v)
{
	add(s, name, ar_printf(s->a, "%llu", (unsigned long long)v));
}

static void add_real(settings *s, const char *name, double v)
{
	ir_str text;

	sb_init(&text);
	sb_put_double(&text, v);
	add(s, name, ar_strdup(s->a, text.s));
	sb_fini(&text);
}

static void add_key(settings *s, const char *name, ir_key k)
{
	char text[IR_KEY_CHARS];

	ir_key_print(k, text);
	add(s, name, ar_strdup(s->a, text));
}

static void add_optimizer(settings *s, const cc_objective *o)
{
	add(s, "optimizer", cc_optimizer_name(o->optimizer));
	if (o->optimizer == CC_SGD) {
		add_real(s, "momentum", o->momentum);
		return;
	}
	add_real(s, "adam-eps", o->eps);
	add_real(s, "beta1", o->beta1);
	add_real(s, "beta2", o->beta2);
	if (o->optimizer == CC_ADAMW)
		add_real(s, "weight-decay", o->weight_decay);
}

static void describe(const le_steps *st, settings *s)
{
	const le_config *c = st->cfg;
	const cc_objective *o = &c->objective;

	*s = (settings){.a = st->run.arena};
	add(s, "format", FORMAT);
	add_key(s, "model", ir_arch_key(st->run.model));
	add_int(s, "seed", c->seed);
	add_int(s, "batch", (uint64_t)c->batch);
	add(s, "no-shuffle", c->shuffle ? "off" : "on");
	add_key(s, "data", st->run.data->key);
	add_real(s, "lr", c->lr);
	add(s, "schedule", le_schedule_name(c->schedule));
	add_optimizer(s, o);
	add_real(s, "clip-norm", o->clip_norm);
	add(s, "precision", cc_precision_name(c->precision));
	if (c->schedule != LE_CONSTANT) /* the rate of a step depends on how many there will be */
		add_int(s, "steps", st->total);
}

/* A setting that differs, in the words of whoever has to change it. */
static void complain(const le_steps *st, const char *name, const char *was, const char *is)
{
	ir_arena *a = st->run.arena;
	const char *text = ar_printf(a, "the state was made with %s, not with %s", was, is), *option = ar_printf(a, "--%s", name);

	if (!strcmp(name, "model"))
		option = "--resume", text = "the state is of another model";
	if (!strcmp(name, "data"))
		text = "the state is of other rows, or of another part of them (--seed, --limit-train)";
	if (!strcmp(name, "steps"))
		option = "--epochs", text = ar_printf(a, "the state is of a training of %s steps, not %s: only under a constant "
						      "schedule may it become longer", was, is);
	le_complain(st->run.d, IR_EINPUT, option, text);
}

/* All differences are named at once. */
static ir_status check_settings(const le_steps *st, const le_weights *w)
{
	const char *format = le_weights_meta(w, "format");
	ir_status s = IR_OK;
	settings now;

	if (!format || strcmp(format, FORMAT))
		return le_complain(st->run.d, IR_EINPUT, "--resume", "not a training state of this version (--save-state writes one)");
	describe(st, &now);
	for (size_t i = 0; i < now.n; i++) {
		const char *name = now.pair[2 * i], *is = now.pair[2 * i + 1], *was = le_weights_meta(w, name);

		if (was ? !strcmp(was, is) : !strcmp(name, "steps")) /* without them it is of another schedule, which is named */
			continue;
		complain(st, name, was ? was : "nothing", is);
		s = IR_EINPUT;
	}
	return s;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Borrowed: names and memory are another's. */
static void lend(le_weights *w, char *name, const rt_tensor *t)
{
	w->name[w->n] = name;
	w->tensor[w->n++] = *t;
}

static rt_tensor numbers(double *v, size_t n)
{
	return (rt_tensor){ir_type_make(IR_F64, 1, (int64_t[]){(int64_t)n}), v};
}

ir_status le_state_save(const char *path, const le_steps *s, const le_result *r, ir_diag *d)
{
	const le_run *run = &s->run;
	size_t steps = (size_t)r->steps, whole = steps / s->per_epoch;
	rt_tensor loss = numbers(r->step_loss, steps), val;
	le_weights w = {.name = ir_xmalloc(run->nleaf + 2, sizeof *w.name), .tensor = ir_xmalloc(run->nleaf + 2, sizeof *w.tensor)};
	settings now;
	ir_status st;

	/* an epoch that --max-steps cut short goes on where it was cut, and is judged again */
	val = numbers(r->epoch_val, (size_t)r->epochs < whole ? (size_t)r->epochs : whole);
	for (size_t i = 0; i < run->nleaf; i++)
		lend(&w, run->leaf[i].name, &run->leaf[i].tensor);
	lend(&w, (char[]){STEP_LOSS}, &loss);
	lend(&w, (char[]){EPOCH_VAL}, &val);
	describe(s, &now);
	st = le_weights_write(path, &w, now.pair, now.n, d);
	free(w.name);
	free(w.tensor);
	return st;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static ir_status misfit(const le_steps *s, const char *name)
{
	return le_complain(s->run.d, IR_EINPUT, "--resume", ar_printf(s->run.arena, "'%s' is missing, or not what the model has", name));
}

static ir_status take_leaves(le_steps *s, const le_weights *w)
{
	for (size_t i = 0; i < s->run.nleaf; i++) {
		le_leaf *l = &s->run.leaf[i];
		const rt_tensor *t = le_weights_find(w, l->name);

		if (!t || !ir_type_equal(&t->type, &l->tensor.type))
			return misfit(s, l->name);
		memcpy(l->tensor.data, t->data, ir_type_bytes(&t->type));
	}
	return IR_OK;
}

/* A copy (heap) of a list of numbers; false: there is none. */
static bool take_numbers(const le_weights *w, const char *name, double **out, int64_t *n)
{
	const rt_tensor *t = le_weights_find(w, name);

	if (!t || t->type.dtype != IR_F64 || t->type.rank != 1)
		return false;
	*n = t->type.dim[0];
	*out = ir_xmalloc((size_t)*n + 1, sizeof **out);
	if (*n)
		memcpy(*out, t->data, (size_t)*n * sizeof **out);
	return true;
}

static ir_status take_history(const le_steps *s, const le_weights *w, le_result *r)
{
	size_t begun;

	if (!take_numbers(w, STEP_LOSS, &r->step_loss, &r->steps))
		return misfit(s, STEP_LOSS);
	if (!take_numbers(w, EPOCH_VAL, &r->epoch_val, &r->epochs))
		return misfit(s, EPOCH_VAL);
	begun = (size_t)r->epochs * s->per_epoch; /* both below 2^31: no overflow */
	if ((size_t)r->steps < begun || (size_t)r->steps - begun > s->per_epoch)
		return misfit(s, EPOCH_VAL);
	if ((size_t)r->steps > s->total)
		return le_complain(s->run.d, IR_EINPUT, "--resume",
				   ar_printf(s->run.arena, "the state is after step %lld, this training would end at %zu",
					     (long long)r->steps, s->total));
	return IR_OK;
}

ir_status le_state_take(le_steps *s, const le_weights *w, le_result *r)
{
	ir_status st = check_settings(s, w);

	if (st == IR_OK && w->n != s->run.nleaf + 2)
		st = le_complain(s->run.d, IR_EINPUT, "--resume", "the state is of another model");
	if (st == IR_OK)
		st = take_leaves(s, w);
	return st == IR_OK ? take_history(s, w, r) : st;
}
