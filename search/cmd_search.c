/* SPDX-License-Identifier: Apache-2.0
 * gradmill search: the main job. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "compiler/cc.h"
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/cmd_data.h"
#include "search/driver.h"
#include "search/output.h"
#include "search/pool.h"
#include "search/sampler.h"
#include "search/wire.h"

#define USAGE 64
#define MIN_MEMORY ((int64_t)64 << 20) /* bytes: a worker that has done nothing yet takes some 40 MiB */

typedef struct arguments {
	se_options o;
	le_source source;
	const char *pruner, *jobs, *keep, *memory; /* read by check */
	const char **models; /* what cli.h fills in */
	bool json;
} arguments;

static int usage(const char *text)
{
	fprintf(stderr, "gradmill search: %s\n", text);
	return USAGE;
}

static int unknown_sampler(const char *name)
{
	fprintf(stderr, "gradmill search: --sampler %s: unknown; there is %s\n", name, se_sampler_names());
	return USAGE;
}

static bool read_whole(const char *text, int64_t most, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *out <= most;
}

static bool read_keep(const char *text, int64_t *out)
{
	*out = !text ? SE_UNSET : !strcmp(text, "all") ? -1 : 0;
	return *out || !strcmp(text, "none") || read_whole(text, 1000, out);
}

static bool read_jobs(const char *text, int64_t *out)
{
	*out = 0;
	return !text || !strcmp(text, "auto") || (read_whole(text, SE_MAX_JOBS, out) && *out > 0);
}

/* "800M", "2G", bytes without a letter. */
static bool read_size(const char *text, int64_t *out)
{
	static const char unit[] = "KMGT";
	size_t n = text ? strlen(text) : 0;
	const char *u = n ? strchr(unit, text[n - 1]) : NULL;
	char digits[24] = "";

	*out = 0;
	if (!text)
		return true;
	if (n - (u != NULL) >= sizeof digits)
		return false;
	memcpy(digits, text, n - (u != NULL));
	return read_whole(digits, INT64_MAX >> 40, out) && (*out <<= u ? 10 * (u - unit + 1) : 0) >= MIN_MEMORY;
}

static int check(arguments *a)
{
	se_options *o = &a->o;

	if (!o->db)
		return usage("--db FILE is missing: where the trials are kept");
	if (le_source_given(&a->source) && !a->source.data)
		return usage("what is said about the data needs --data beside it");
	if (!o->data && access(o->db, F_OK) && errno == ENOENT) { /* other troubles are the store's to tell */
		fprintf(stderr, "gradmill search: --db %s: no such file, and a new study needs "
			"--data: fashion-mnist, or a file (gradmill help data)\n", o->db);
		return USAGE;
	}
	if (a->source.data && se_check_source(&a->source) > 0)
		return USAGE;
	if (o->data && !se_wire_text(o->data))
		return usage("--data: the path is not UTF-8");
	if (!read_keep(a->keep, &o->keep))
		return usage("--keep: how many of the best trials' weights, or all or none");
	if (!read_jobs(a->jobs, &o->jobs))
		return usage("--jobs: a number from 1 to 16, or auto");
	if (!read_size(a->memory, &o->trial_memory))
		return usage("--trial-memory: a size such as 800M or 2G, at least 64M");
	if (o->keep && !se_wire_text(o->db))
		return usage("--db: its path must be UTF-8, unless --keep none");
	if (a->pruner && strcmp(a->pruner, "none"))
		return usage("--pruner: there is only 'none' yet");
	if (a->models && o->space)
		return usage("--models and --space exclude each other");
	if (o->space && strcmp(o->space, "dense"))
		return usage("--space: there is only 'dense' yet");
	if (o->sampler && !se_sampler_find(o->sampler))
		return unknown_sampler(o->sampler);
	if (o->time == 0)
		return usage("--time: must be more than 0");
	if (o->threads > CC_MAX_THREADS)
		return usage("--threads: at most 1024");
	if (o->delay > SE_MAX_DELAY)
		return usage("--delay: at most 64");
	if (o->time < 0)
		o->time = 0; /* not given */
	if (!o->trials && o->time <= 0 && !a->models)
		o->trials = 100;
	o->models = (const char *const *)a->models;
	return 0;
}

static void print_json(const se_summary *s)
{
	ir_str j;

	sb_init(&j);
	sb_put(&j, "{\"study\": ");
	sb_put_json_text(&j, s->study);
	sb_printf(&j, ", \"trials\": %lld, \"finished\": %lld, \"failed\": %lld, \"waiting\": %lld, \"best\": ",
		  (long long)s->trials, (long long)s->finished, (long long)s->failed, (long long)s->waiting);
	if (s->best_number >= 0) {
		sb_printf(&j, "{\"number\": %lld, \"value\": ", (long long)s->best_number);
		sb_put_json_real(&j, s->best_value);
		sb_put(&j, ", \"test_value\": ");
		sb_put_json_real(&j, s->best_test_value);
		sb_printf(&j, ", \"latent\": %lld}", (long long)s->latent);
	} else {
		sb_put(&j, "null");
	}
	sb_put(&j, ", \"pca_value\": ");
	sb_put_json_real(&j, s->pca_value);
	sb_put(&j, ", \"pca_test_value\": ");
	sb_put_json_real(&j, s->pca_test_value);
	sb_put(&j, ", \"wall_s\": ");
	sb_put_json_real(&j, s->wall_s);
	sb_printf(&j, ", \"interrupted\": %s}", s->interrupted ? "true" : "false");
	puts(j.s);
	sb_fini(&j);
}

static void print_text(const se_options *o, const se_summary *s)
{
	bool named = strcmp(s->study, "default") != 0; /* what the other commands take unless told */
	const char *option = named ? " --study " : "", *name = named ? s->study : "";

	printf("study %s: %lld trials, %lld finished, %lld failed, %lld waiting, %.1f s\n", s->study, (long long)s->trials,
	       (long long)s->finished, (long long)s->failed, (long long)s->waiting, s->wall_s);
	if (s->best_number < 0) {
		fputs("no valid trial", stdout);
		if (s->cause_count)
			printf("; %lld of %lld: %s; see 'gradmill trials %s'", (long long)s->cause_count,
			       (long long)s->trials, s->cause, o->db);
		putchar('\n');
		return;
	}
	printf("best: trial %lld, validation mse %.6g", (long long)s->best_number, s->best_value);
	if (!isnan(s->best_test_value))
		printf(", test mse %.6g", s->best_test_value);
	putchar('\n');
	if (!isnan(s->pca_value))
		printf("PCA with the same latent (%lld): validation mse %.6g, test mse %.6g%s\n", (long long)s->latent, s->pca_value,
		       s->pca_test_value, s->best_value < s->pca_value ? "" : ": no trial beats it");
	printf("'gradmill best %s%s%s' shows the model, 'gradmill trials %s%s%s' the others\n", o->db, option, name, o->db, option, name);
}

static int parse(int argc, char **argv, arguments *a)
{
	static const ir_command command = {"search", "", "search for the best model; goes on with a study that exists",
		"gradmill search --data fashion-mnist --db study.db --latent 32 --time 3m\n"
		"gradmill search --db study.db --time 10m            # goes on\n"
		"gradmill search --data fashion-mnist --db mine.db --models a.gm b.gm --epochs 5\n", 0, 0};
	se_options *o = &a->o;
	const ir_opt opt[] = {
		SE_DATA_OPTIONS(a->source),
		{"db", IR_OPT_STRING, &o->db, 0, "FILE", "the trial history; made if it is not there"},
		{"study", IR_OPT_STRING, &o->study, 0, "NAME", "one database may hold several (default)"},
		{"trials", IR_OPT_INT, &o->trials, 1, "N", "trials of the study, earlier runs included (100 without --time)"},
		{"time", IR_OPT_TIME, &o->time, 0, "TIME", "begin no trial that would not end within this time: 90s, 10m, 2h"},
		{"space", IR_OPT_STRING, &o->space, 0, "NAME", "what may be varied (dense)"},
		{"models", IR_OPT_WORDS, &a->models, 0, "FILE ..", "train exactly these, in this order; nothing is sampled"},
		{"latent", IR_OPT_INT, &o->latent, 1, "Z", "fix the latent size, 1 or more (chosen among 8, 16, 32, 64; of few columns, at most half as many)"},
		{"epochs", IR_OPT_INT, &o->epochs, 1, "E", "fix the epochs, 1 or more (3 to 16, of few rows more; 1 with --models)"},
		{"batch", IR_OPT_INT, &o->batch, 1, "B", "fix the batch size, 1 to the training rows (32 to 256; 128 with --models)"},
		{"limit-train", IR_OPT_INT, &o->limit_train, 1, "N", "train on N rows only"},
		{"sampler", IR_OPT_STRING, &o->sampler, 0, "random|evolution|local", "who proposes trials (random)"},
		{"delay", IR_OPT_INT, &o->delay, 1, "D", "a proposal knows results at least D trials back; at most D workers (8)"},
		{"pruner", IR_OPT_STRING, &a->pruner, 0, "NAME", "who stops bad trials early (none)"},
		{"jobs", IR_OPT_STRING, &a->jobs, 0, "J|auto", "workers, 1 to 16; auto: one per core, idle cores help the others (auto)"},
		{"threads", IR_OPT_INT, &o->threads, 1, "T", "threads of each worker (cores / jobs)"},
		{"trial-time", IR_OPT_TIME, &o->trial_time, 0, "TIME", "a trial that takes longer has failed; 0: no limit (1h)"},
		{"trial-memory", IR_OPT_STRING, &a->memory, 0, "SIZE", "of a worker, beside the data (four fifths of the machine's / jobs)"},
		{"seed", IR_OPT_INT, &o->seed, 0, "S", "same seed, same trials (0)"},
		{"finalists", IR_OPT_INT, &o->finalists, 0, "K", "trials that see the test rows at the end (3)"},
		{"keep", IR_OPT_STRING, &a->keep, 0, "K|all|none", "keep the weights of the best K trials in DB.weights (as before, or 1)"},
		{"as-new", IR_OPT_STRING, &o->as_new, 0, "NAME", "go on with --study as a new study of that name: on another machine or version"},
		{"profile", IR_OPT_FLAG, &o->profile, 0, NULL, "keep where each trial's time goes, kernel by kernel (v_kernels)"},
		{"quiet", IR_OPT_FLAG, &o->quiet, 0, NULL, "no progress"},
		{"json", IR_OPT_FLAG, &a->json, 0, NULL, "one JSON object at the end"},
	};
	char **operand;

	return ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);
}

static int run(arguments *a)
{
	ir_arena *texts = a->o.texts = ar_open();
	ir_diag *d = ir_diag_new();
	bool wrong;
	se_summary s;
	ir_status st = se_search(&a->o, &s, &wrong, d);
	int rc;

	if (st != IR_OK) {
		rc = se_complain(d, st);
		ir_diag_free(d);
		ar_free(texts);
		return wrong ? USAGE : rc;
	}
	ir_diag_free(d);
	ar_free(texts);
	if (a->json)
		print_json(&s);
	else
		print_text(&a->o, &s);
	return s.interrupted ? 130 : s.best_number < 0 ? 1 : 0;
}

int se_cmd_search(int argc, char **argv)
{
	arguments a = {.o = {.study = "default", .seed = SE_UNSET, .limit_train = SE_UNSET, .latent = SE_UNSET,
		.epochs = SE_UNSET, .batch = SE_UNSET, .delay = SE_UNSET, .finalists = 3, .time = -1, .trial_time = 3600}};
	int rc = parse(argc, argv, &a);
	ir_str data;

	if (rc >= 0)
		return rc;
	sb_init(&data);
	if (a.source.data) {
		le_source_print(&a.source, &data);
		a.o.data = data.s;
	}
	rc = check(&a);
	if (!rc)
		rc = run(&a);
	sb_fini(&data);
	free(a.models);
	return rc;
}
