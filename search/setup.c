/* SPDX-License-Identifier: Apache-2.0
 * search/setup.c -- how a search begins: the store, the study (new, or as it was left), its history, the data, the
 * workers' opening message. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "compiler/model_file.h"
#include "search/cmd.h"
#include "search/driver_int.h"

#define MAX_MODEL ((size_t)1 << 20) /* bytes of one model text */
#define LEAST_MEMORY 268435456.0     /* bytes that a worker should have beside the data */

ir_status se_driver_say(se_driver *v, ir_status st, const char *text)
{
	ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_file, v->study.data ? v->study.data : "search", text);
	return st;
}

/* ---- given models ---------------------------------------------------------------------------------------------------- */

static ir_status read_model(se_driver *v, const char *path, size_t i)
{
	ir_str text;
	ir_status st;

	sb_init(&text);
	st = ir_file_read(path, MAX_MODEL, &text);
	if (st != IR_OK)
		ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_file, path, ir_status_text(st));
	else
		v->model_text[i] = ar_strndup(v->o->texts, text.s, text.n);
	sb_fini(&text);
	if (st == IR_OK && !se_model_check(path, v->model_text[i], &v->model[i], v->d))
		st = IR_EINPUT;
	return st;
}

static ir_status read_models(se_driver *v)
{
	ir_status st = IR_OK;

	while (v->o->models && v->o->models[v->nmodel])
		v->nmodel++;
	v->model = ar_new(v->arena, se_model, v->nmodel + 1);
	v->model_text = ar_new(v->arena, char *, v->nmodel + 1);
	for (size_t i = 0; st == IR_OK && i < v->nmodel; i++)
		st = read_model(v, v->o->models[i], i);
	if (st == IR_OK && v->nmodel)
		cc_model_messages(v->d); /* warnings */
	return st;
}

/* ---- history ---------------------------------------------------------------------------------------------------------- */

static ir_key parse_key(const char *hex)
{
	ir_key k = {0, 0};

	for (int i = 0; hex && hex[i] && i < 32; i++) {
		uint64_t digit = (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);

		if (i < 16)
			k.hi = k.hi << 4 | digit;
		else
			k.lo = k.lo << 4 | digit;
	}
	return k;
}

/* A file that is gone is no file: made again at the end if it is wanted. */
static void take_row(se_driver *v, const se_trial_row *r)
{
	bool done = r->state > SE_RUNNING || !r->ir;
	se_item *i = se_driver_add_item(v, r->number);

	*i = (se_item){.id = r->id, .number = r->number, .attempts = r->attempts, .latent = r->latent,
		.state = r->state == SE_RUNNING ? SE_WAITING : r->state, /* recovered, but the disk is full */
		.value = r->value, .test_value = r->test_value, .train_s = r->train_s, .genome = r->genome, .ir = r->ir,
		.key = parse_key(r->trial_key), .parent = -1, .home = -1};
	snprintf(i->weights_key, sizeof i->weights_key, "%s", r->weights_key ? r->weights_key : "");
	v->given += r->ir != NULL;
	if (r->ir)
		se_sampler_claim(v->sampler, i->number, i->key);
	if (!done)
		return;
	se_driver_tell(v, i);
	v->progress.finished++;
	v->progress.failed += r->state != SE_COMPLETE;
	se_driver_note_best(v, i);
	if (r->weights_file && !access(se_store_beside(v->store, r->weights_file, v->arena), R_OK))
		i->file = r->weights_file;
	i->gone = r->weights_file && !i->file;
}

/* Rows by number; those without a row of ours are other programs'. */
static ir_status take_rows(se_driver *v, const se_trial_row *row, size_t n)
{
	ir_arena *a = ar_open();
	se_stranger *r;
	size_t nr, k = 0;
	ir_status st = se_store_strangers(v->store, v->study.id, 0, a, &r, &nr, v->d);

	for (size_t i = 0; st == IR_OK && i < n; i++)
		if (k < nr && r[k].number == row[i].number)
			st = se_driver_adopt(v, &r[k++]);
		else
			take_row(v, &row[i]);
	ar_free(a);
	return st;
}

/* Trials that wait need their cost again; their text is in the row. */
static void predict_waiting(se_driver *v)
{
	se_model m;

	for (size_t k = 0; k < v->nitem; k++) {
		se_item *i = &v->item[k];

		if (i->state != SE_WAITING || !i->ir || !se_model_read("trial", i->ir, &m, v->d))
			continue;
		i->flops = m.flops;
		i->params = m.params;
		i->work = se_driver_work(v, i);
	}
}

/* Rows without a text are other programs' and took no model's place. */
static ir_status models_agree(se_driver *v, const se_trial_row *row, size_t n, bool *usage)
{
	char arch[IR_KEY_CHARS];
	size_t at = 0;

	for (size_t i = 0; v->nmodel && i < n; i++) {
		if (!row[i].ir)
			continue;
		if (at < v->nmodel)
			ir_key_print(v->model[at].arch, arch);
		if (at++ < v->nmodel && row[i].arch_key && !strcmp(arch, row[i].arch_key))
			continue;
		ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_option, "--models", "the study was started with other models");
		*usage = true;
		return IR_EINPUT;
	}
	return IR_OK;
}

/* --as-new: those of the study that this one goes on from. */
static ir_status old_models_agree(se_driver *v, bool *usage)
{
	se_trial_row *row;
	size_t n;
	ir_status st = se_store_history(v->store, v->before, NULL, v->arena, &row, &n, v->d);

	return st == IR_OK ? models_agree(v, row, n, usage) : st;
}

static ir_status load(se_driver *v, bool *usage)
{
	se_trial_row *row;
	int64_t recovered;
	size_t n;
	ir_status st = se_store_recover(v->store, v->study.id, &recovered, v->d);

	if (st == IR_OK)
		st = se_store_history(v->store, v->study.id, v->space, v->arena, &row, &n, v->d);
	if (st == IR_OK)
		st = models_agree(v, row, n, usage);
	if (st == IR_OK)
		st = take_rows(v, row, n);
	if (st != IR_OK)
		return st;
	v->progress.before = v->progress.finished;
	predict_waiting(v);
	if (n)
		se_progress_note(&v->progress, "going on with study '%s': %lld of its trials are finished%s", v->study.name,
				 (long long)v->progress.finished, recovered ? ", some were cut off and run again" : "");
	return IR_OK;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

/* Cores between and inside trials: one worker per core at most, so that none waits for another inside a step. Cores
 * that are left without a worker, or whose worker has nothing to do, go to the others (pack.c). */
static ir_status open_pool(se_driver *v)
{
	int64_t cores = rt_cores(), jobs = v->o->jobs, threads = v->o->threads;
	ir_status st = le_share_new(&v->data, v->d);

	v->spread = !jobs && !threads;
	if (!jobs)
		jobs = threads && threads < cores ? cores / threads : threads ? 1 : cores;
	while (!v->o->jobs && jobs > 1 && rt_memory() && 0.8 * (double)rt_memory() / (double)jobs < LEAST_MEMORY)
		jobs--;
	if (jobs > SE_MAX_JOBS)
		jobs = SE_MAX_JOBS;
	if (jobs > v->study.delay)
		jobs = v->study.delay;
	if (!threads)
		threads = cores > jobs ? cores / jobs : 1;
	v->cores = (int)(v->spread ? cores : jobs * threads);
	se_pool_init(&v->pool, (size_t)jobs, &(se_message){.kind = SE_M_open, .threads = threads, .most = v->spread ? cores : threads},
		     v->data);
	return st;
}

static int64_t planned(const se_driver *v)
{
	if (!v->nmodel)
		return v->o->trials;
	return v->o->trials && v->o->trials < (int64_t)v->nmodel ? v->o->trials : (int64_t)v->nmodel;
}

static ir_status open_space(se_driver *v)
{
	se_limits fix = {v->study.latent, v->study.epochs, v->study.batch};
	const se_sampler_kind *kind = v->nmodel ? &se_sampler_random : se_sampler_find(v->study.sampler);

	v->space = ar_new(v->arena, se_space, 1);
	if (!se_space_init(v->space, v->study.space, &fix) || !kind)
		return se_driver_say(v, IR_EINPUT, "unknown space or sampler");
	if (v->study.id)
		se_space_fit(v->space, v->study.width, v->study.ntrain);
	v->sampler = se_sampler_new(kind, v->space, (uint64_t)v->study.seed, v->study.delay);
	return IR_OK;
}

/* A file that is not there, or empty, is made only when the inputs are known to be good (se_driver_open_study). */
static bool has_history(const char *path)
{
	struct stat f;

	return stat(path, &f) ? errno != ENOENT : !S_ISREG(f.st_mode) || f.st_size > 0;
}

static ir_status open_store(se_driver *v)
{
	ir_status st = se_store_open(v->o->db, SE_OPEN_WRITE, &v->store, v->d);

	if (st == IR_OK)
		se_store_defer(v->store);
	return st;
}

/* --as-new: *old stays the study that is gone on from; if the new one is there already, made from it, the same command goes
 * on with that. */
static ir_status find_new_study(se_driver *v, se_study *old)
{
	se_study new = {0};
	ir_status st = IR_OK;

	if (!old->id) {
		ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_option, "--study", ar_printf(v->arena, "there is no study '%s' to go on from",
			 v->o->study));
		return IR_ENOINPUT;
	}
	st = se_store_find_study(v->store, v->o->as_new, v->arena, &new, v->d);
	if (st == IR_OK && new.id && (!new.origin || strcmp(new.origin, old->name))) {
		ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_option, "--as-new", ar_printf(v->arena, "there is another study '%s'; go on with "
			 "it by --study, or choose another name", v->o->as_new));
		return IR_EINPUT;
	}
	if (st == IR_OK && new.id)
		*old = new;
	v->anew = !new.id;
	return st;
}

static ir_status find_study(se_driver *v, se_study *old)
{
	ir_status st = IR_OK;

	*old = (se_study){0};
	if (has_history(v->o->db))
		st = open_store(v);
	if (st == IR_OK && v->store)
		st = se_store_find_study(v->store, v->o->study, v->arena, old, v->d);
	return st == IR_OK && v->o->as_new ? find_new_study(v, old) : st;
}

/* Bits are promised for one build on one kind of processor with one LLVM. A study made of two halves would be neither. */
static ir_status refuse_machine(se_driver *v, const char *here)
{
	const se_study *s = &v->study;
	char text[1024];

	snprintf(text, sizeof text, "study '%s' was made by version %s on '%s', this is version %s%s: its trials could not be "
		 "repeated here; --as-new NAME goes on with it as a new study", s->name, s->build, s->target, SE_BUILD, here);
	return se_driver_say(v, IR_EUNAVAILABLE, text);
}

/* From here on this process is the driver of the study. */
static ir_status take_lease(se_driver *v)
{
	char host[256] = "";
	se_driver_row r = {.pid = getpid(), .host = host, .jobs = (int64_t)v->pool.n, .threads = v->cores,
		.planned = v->progress.planned, .seconds = v->deadline > 0 ? v->deadline - rt_seconds() : 0};
	ir_status st = se_store_lease(v->store, v->study.id, v->d);

	v->leased = st == IR_OK;
	gethostname(host, sizeof host - 1);
	return st == IR_OK ? se_store_set_driver(v->store, v->study.id, &r, v->d) : st;
}

ir_status se_driver_prepare(se_driver *v, bool *usage)
{
	se_study old;
	ir_status st = read_models(v);

	if (st == IR_OK)
		st = find_study(v, &old);
	if (st != IR_OK)
		return st;
	if (!se_study_resolve(v->o, &old, &v->study, v->d)) {
		*usage = true;
		return IR_EINPUT;
	}
	v->progress.planned = planned(v);
	st = open_space(v);
	if (st == IR_OK)
		st = open_pool(v);
	if (st != IR_OK)
		return st;
	if (v->anew) {
		v->before = v->study.id;
		v->study.origin = v->study.name;
		v->study.name = v->o->as_new;
		v->study.id = 0;
	}
	if (!v->study.id)
		return v->before ? old_models_agree(v, usage) : IR_OK;
	st = strcmp(v->study.build, SE_BUILD) ? refuse_machine(v, "") : take_lease(v);
	if (st == IR_OK)
		st = load(v, usage);
	if (st == IR_OK)
		st = se_store_flush(v->store, true, v->d); /* others may write while the data are loaded */
	return st == IR_EFULL ? IR_OK : st; /* seen again by and by */
}

/* ---- data ------------------------------------------------------------------------------------------------------------- */

/* Rows of the smallest batch that any trial of the study takes. */
static double smallest_batch(const se_driver *v)
{
	int i = se_param_find(v->space, "batch");
	double least = INFINITY;
	ir_str s;

	sb_init(&s);
	for (int k = 0; i >= 0 && k < se_param_choices(&v->space->param[i]); k++) {
		sb_clear(&s);
		se_param_print(&v->space->param[i], k, &s);
		least = fmin(least, strtod(s.s, NULL));
	}
	sb_fini(&s);
	return isfinite(least) ? least : 0;
}

/* The space itself chooses smaller ones (se_space_fit). */
static void warn_wide(se_driver *v, int64_t width)
{
	if (!v->nmodel && v->study.latent >= width)
		ir_report(v->d, (ir_loc){0, 0, 0}, IR_E_wide_latent, (long long)v->study.latent, (long long)width);
	for (size_t i = 0; i < v->nmodel; i++)
		if (v->model[i].latent >= width)
			ir_report(v->d, v->model[i].input, IR_E_wide_latent, (long long)v->model[i].latent, (long long)width);
	cc_model_messages(v->d);
}

/* Do the models take these rows, and does any batch? Said once, here, and not by every trial. */
static ir_status fits_data(se_driver *v, const le_data *data)
{
	double batch = smallest_batch(v);
	bool ok = true;
	char text[160];

	for (size_t i = 0; i < v->nmodel; i++)
		if (v->model[i].width != data->table.width) {
			ir_error(v->d, v->model[i].input, IR_E_input_width, (long long)v->model[i].width,
				 (long long)data->table.width);
			ok = false;
		}
	if (!data->nval) {
		ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_option, "--split", "a search needs validation rows to compare trials on");
		ok = false;
	}
	if (batch > (double)data->ntrain) {
		snprintf(text, sizeof text, "%s%.0f rows do not fit the training set of %lld", v->study.batch || v->nmodel ? ""
			: "even the smallest batch, ", batch, (long long)data->ntrain);
		ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_option, "--batch", text);
		ok = false;
	}
	if (ok)
		warn_wide(v, data->table.width);
	return ok ? IR_OK : IR_EINPUT;
}

/* An old study has met these data before (se_study_data); a new one is of them. */
static ir_status take_data(se_driver *v, const le_data *data)
{
	se_study *s = &v->study;
	char key[IR_KEY_CHARS];
	ir_status st;

	if (!s->id && !v->before)
		se_space_fit(v->space, data->table.width, (int64_t)data->ntrain);
	v->space->linear = !data->unit;
	st = fits_data(v, data);
	if (st != IR_OK)
		return st;
	if (s->id || v->before)
		return IR_OK;
	ir_key_print(data->key, key);
	s->data_key = ar_strdup(v->arena, key);
	s->width = data->table.width;
	s->ntrain = (int64_t)data->ntrain;
	s->nval = (int64_t)data->nval;
	s->ntest = (int64_t)data->ntest;
	return IR_OK;
}

/* The data are in memory once, whatever the number of workers; each of those has its part of what is left. */
ir_status se_driver_load_data(se_driver *v)
{
	le_data data;
	ir_status st = se_study_data(&v->study, NULL, v->arena, &data, v->d);

	if (st == IR_OK)
		st = take_data(v, &data);
	if (st == IR_OK)
		st = le_data_share(&data, v->data, v->d);
	v->memory = rt_memory() ? (int64_t)((0.8 * (double)rt_memory() - (double)rt_live_bytes()) / (double)v->pool.n) : 0;
	if (v->o->trial_memory && (v->memory <= 0 || v->o->trial_memory < v->memory))
		v->memory = v->o->trial_memory;
	v->pool.open.budget = v->memory;
	le_data_free(&data);
	return st;
}

/* ---- the study -------------------------------------------------------------------------------------------------------- */

/* A new study is written down now that its inputs are good; with --as-new it begins with the finished trials of another.
 * IR_EFULL: to be called again. */
static ir_status add_study(se_driver *v)
{
	se_study *s = &v->study;
	bool usage, added = s->id;
	ir_status st = v->store ? IR_OK : open_store(v);

	s->target = ar_strdup(v->arena, v->target);
	s->build = SE_BUILD;
	if (st == IR_OK && !added)
		st = se_store_add_study(v->store, s, v->d);
	if (st == IR_OK && !added && v->before)
		st = se_store_copy_history(v->store, s->id, v->before, v->d);
	if (st == IR_OK)
		st = se_store_flush(v->store, true, v->d); /* two drivers may have come this far: the name tells who is first */
	if (st == IR_OK)
		st = take_lease(v);
	return st == IR_OK && v->before ? load(v, &usage) : st;
}

ir_status se_driver_open_study(se_driver *v)
{
	ir_status st = IR_OK;

	if (!v->leased)
		st = add_study(v);
	else if (strcmp(v->target, v->study.target))
		st = refuse_machine(v, ar_printf(v->arena, " on '%s'", v->target));
	if (st == IR_OK && v->o->keep != SE_UNSET)
		st = se_store_set_keep(v->store, v->study.id, v->study.keep, v->d);
	if (st == IR_OK)
		st = se_driver_open_folder(v);
	return st == IR_OK ? se_driver_plan_floors(v) : st;
}

void se_driver_free(se_driver *v)
{
	se_sampler_free(v->sampler);
	se_store_close(v->store);
	if (v->data >= 0)
		close(v->data);
	ar_free(v->arena);
	free(v);
}
