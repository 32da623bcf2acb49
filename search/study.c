/* SPDX-License-Identifier: Apache-2.0
 * search/study.c -- see study.h. */
#include "search/study.h"
#include <stdio.h>
#include <string.h>
#include "search/sampler.h"

static const ir_loc nowhere = {0, 0, 0};

static bool refuse(ir_diag *d, const char *option, const char *text)
{
	ir_error(d, nowhere, IR_E_option, option, text);
	return false;
}

static bool same_text(ir_diag *d, const char *option, const char *given, const char *old, const char **out)
{
	*out = old;
	if (!given || !strcmp(given, old))
		return true;
	ir_error(d, nowhere, IR_E_study_option, option, old, given);
	return false;
}

/* zero: what an old value of 0 means; NULL: the number. */
static bool same_int(ir_diag *d, const char *option, int64_t given, int64_t old, const char *zero, int64_t *out)
{
	char now[24], then[24];

	*out = old;
	if (given == SE_UNSET || given == old)
		return true;
	snprintf(now, sizeof now, "%lld", (long long)given);
	snprintf(then, sizeof then, "%lld", (long long)old);
	ir_error(d, nowhere, IR_E_study_option, option, !old && zero ? zero : then, now);
	return false;
}

/* Every option that disagrees is told, so that one look mends the command line. */
static bool agree(const se_options *o, const se_study *old, se_study *st, ir_diag *d)
{
	static const char any[] = "no fixed value";
	bool ok = same_text(d, "--data", o->data, old->data, &st->data);

	ok &= same_text(d, o->models ? "--models" : "--space", o->models ? "models" : o->space, old->space, &st->space);
	ok &= same_text(d, "--sampler", o->sampler, old->sampler, &st->sampler);
	ok &= same_int(d, "--seed", o->seed, old->seed, NULL, &st->seed);
	ok &= same_int(d, "--limit-train", o->limit_train, old->limit_train, "all rows", &st->limit_train);
	ok &= same_int(d, "--latent", o->latent, old->latent, any, &st->latent);
	ok &= same_int(d, "--epochs", o->epochs, old->epochs, any, &st->epochs);
	ok &= same_int(d, "--batch", o->batch, old->batch, any, &st->batch);
	ok &= same_int(d, "--delay", o->delay, old->delay, NULL, &st->delay);
	if (!ok)
		ir_note(d, nowhere, IR_E_study_anew);
	return ok;
}

ir_status se_study_data(const se_study *st, const le_prep *prep, ir_arena *a, le_data *out, ir_diag *d)
{
	char key[IR_KEY_CHARS];
	le_source src;
	ir_status s;

	*out = (le_data){0};
	if (!le_source_parse(st->data, a, &src)) {
		refuse(d, "--data", "the study's own text about its data is damaged");
		return IR_EINPUT;
	}
	s = prep ? le_data_open(&src, prep, (uint64_t)st->seed, st->limit_train, out, d)
		 : le_data_load(&src, (uint64_t)st->seed, st->limit_train, out, d);
	if (s != IR_OK || !st->data_key) /* a new study takes them as they are */
		return s;
	ir_key_print(out->key, key);
	if (!strcmp(key, st->data_key))
		return IR_OK;
	le_data_free(out);
	ir_error(d, nowhere, IR_E_file, src.data, "the data have changed since the study began (gradmill apply --data FILE takes any rows)");
	return IR_EINPUT;
}

static int64_t or_zero(int64_t v)
{
	return v == SE_UNSET ? 0 : v;
}

static bool fresh(const se_options *o, se_study *st, ir_diag *d)
{
	if (!o->data)
		return refuse(d, "--data", "a new study needs it: fashion-mnist, or a file (gradmill search --help)");
	st->name = o->study;
	st->data = o->data;
	st->space = o->models ? "models" : o->space ? o->space : "dense";
	st->sampler = o->models ? "given" : o->sampler ? o->sampler : "random";
	st->seed = or_zero(o->seed);
	st->limit_train = or_zero(o->limit_train);
	st->latent = or_zero(o->latent);
	st->epochs = or_zero(o->epochs);
	st->batch = or_zero(o->batch);
	st->delay = o->delay == SE_UNSET ? SE_DELAY : o->delay;
	st->keep = 1;
	return true;
}

bool se_study_resolve(const se_options *o, const se_study *old, se_study *st, ir_diag *d)
{
	se_space sp;
	se_limits fix = {0, 0, 0};

	*st = *old;
	if (!old->id && !fresh(o, st, d))
		return false;
	if (old->id && !agree(o, old, st, d))
		return false;
	if (o->keep != SE_UNSET) /* may change from run to run */
		st->keep = o->keep;
	if (!se_space_init(&sp, st->space, &fix))
		return refuse(d, "--space", "unknown; there is: dense");
	if (!strcmp(st->space, "models") && !o->models)
		return refuse(d, "--models", "the study trains given models: name them again to go on");
	if (!o->models && !se_sampler_find(st->sampler))
		return refuse(d, "--sampler", "unknown; see 'gradmill search --help'");
	return true;
}
