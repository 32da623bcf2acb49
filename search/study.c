/* SPDX-License-Identifier: Apache-2.0
 * search/study.c -- see study.h. */
#include "search/study.h"
#include <stdio.h>
#include <string.h>
#include "search/sampler.h"

static bool refuse(ir_diag *d, const char *option, const char *text)
{
	ir_error(d, (ir_loc){0, 0, 0}, IR_E_file, option, text);
	return false;
}

static bool same_text(ir_diag *d, const char *option, const char *given, const char *old, const char **out)
{
	char text[256];

	*out = old;
	if (!given || !strcmp(given, old))
		return true;
	snprintf(text, sizeof text, "the study was started with %.80s, not %.80s (another --study starts anew)", old, given);
	return refuse(d, option, text);
}

static bool same_int(ir_diag *d, const char *option, int64_t given, int64_t old, int64_t *out)
{
	char text[256];

	*out = old;
	if (given == SE_UNSET || given == old)
		return true;
	if (old || !strcmp(option, "--seed"))
		snprintf(text, sizeof text, "the study was started with %lld, not %lld (another --study starts anew)",
			 (long long)old, (long long)given);
	else
		snprintf(text, sizeof text, "not fixed when the study was started, now %lld (another --study starts anew)",
			 (long long)given);
	return refuse(d, option, text);
}

static int64_t or_zero(int64_t v)
{
	return v == SE_UNSET ? 0 : v;
}

static bool fresh(const se_options *o, se_study *st, ir_diag *d)
{
	if (!o->data)
		return refuse(d, "--data", "a new study needs it (fashion-mnist, or an IDX file)");
	st->name = o->study;
	st->data = o->data;
	st->space = o->models ? "models" : o->space ? o->space : "dense";
	st->sampler = o->models ? "given" : o->sampler ? o->sampler : "random";
	st->seed = or_zero(o->seed);
	st->limit_train = or_zero(o->limit_train);
	st->latent = or_zero(o->latent);
	st->epochs = or_zero(o->epochs);
	st->batch = or_zero(o->batch);
	st->delay = SE_DELAY;
	return true;
}

bool se_study_resolve(const se_options *o, const se_study *old, se_study *st, ir_diag *d)
{
	const char *space = o->models ? "models" : o->space;
	se_space sp;
	se_limits fix = {0, 0, 0};

	*st = *old;
	if (!old->id && !fresh(o, st, d))
		return false;
	if (old->id && !(same_text(d, "--data", o->data, old->data, &st->data) &&
			 same_text(d, o->models ? "--models" : "--space", space, old->space, &st->space) &&
			 same_text(d, "--sampler", o->sampler, old->sampler, &st->sampler) &&
			 same_int(d, "--seed", o->seed, old->seed, &st->seed) &&
			 same_int(d, "--limit-train", o->limit_train, old->limit_train, &st->limit_train) &&
			 same_int(d, "--latent", o->latent, old->latent, &st->latent) &&
			 same_int(d, "--epochs", o->epochs, old->epochs, &st->epochs) &&
			 same_int(d, "--batch", o->batch, old->batch, &st->batch)))
		return false;
	if (!se_space_init(&sp, st->space, &fix))
		return refuse(d, "--space", "unknown; there is: dense");
	if (!strcmp(st->space, "models") && !o->models)
		return refuse(d, "--models", "the study trains given models: name them again to go on");
	if (!o->models && !se_sampler_find(st->sampler))
		return refuse(d, "--sampler", "unknown; there is: random");
	return true;
}
