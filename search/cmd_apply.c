/* SPDX-License-Identifier: Apache-2.0
 * gradmill apply: a trained model used on rows of data. Only reads options and leads rows from the data set through the
 * model (search/learn/apply.c) to files (apply_out.c) and a picture (sheet.c). Whatever its size, a data set is taken block
 * by block: memory is that of the data set and of one block. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/model_file.h"
#include "ir/base/cli.h"
#include "search/apply_out.h"
#include "search/cmd.h"
#include "search/cmd_data.h"
#include "search/overwrite.h"
#include "search/sheet.h"
#include "search/study.h"
#include "search/use.h"

#define EXIT_NONE   1 /* no valid trial */
#define EXIT_USAGE  64
#define BLOCK_ROWS  4096 /* asked of the model at once, if they take.. */
#define BLOCK_BYTES ((size_t)16 << 20)
#define SHEET_MOST  1000 /* pairs along a side */

typedef enum which { ROWS_ALL, ROWS_TRAIN, ROWS_VAL, ROWS_TEST, ROWS_COUNT } which;

static const char *const which_name[ROWS_COUNT] = {"all", "train", "val", "test"};

/* What the user asked for, before it is checked. */
typedef struct options {
	le_source source;
	const char *weights, *rows, *output, *to, *sheet, *study;
	int64_t seed, limit_train, threads, sheet_rows, sheet_cols;
	bool worst, json;
} options;

/* Everything with a destructor, and words made values. */
typedef struct job {
	const options *o;
	char **operand; /* a file; or a database and a trial */
	se_apply_format format;
	unsigned what; /* is written */
	unsigned want; /* is computed */
	which which;
	bool of_trial; /* the model; else it is a file */
	int64_t trial;
	ir_arena *a;
	ir_diag *d;
	ir_str text; /* of the model */
	ir_module *module;
	se_use use;
	le_weights weights;
	le_data data;
	cc_context *context;
	le_applier *applier;
	se_apply_out out;
	ir_out *picture;
	se_sheet sheet;
	uint32_t *row; /* chosen ones, in order */
	size_t n;
	double *error;    /* [n]; NULL: not wanted */
	rt_tensor latent, reconstruction; /* of one block */
	size_t block;     /* rows in it */
} job;

/* ---- options ------------------------------------------------------------------------------------------------------- */

static const ir_command command = {
	.name = "apply", .operands = "MODEL.gm | DB TRIAL",
	.summary = "use a trained model: codes, reconstructions, one error per row",
	.examples = "  gradmill apply model.gm --weights model.safetensors --data fashion-mnist --rows test -o codes.npy\n"
		    "  gradmill apply study.db best --output error --rows test -o scores.csv\n"
		    "  gradmill apply study.db 17 --sheet sheet.png --worst\n",
	.min_operands = 1, .max_operands = 2,
};

static int parse_options(options *o, int argc, char **argv, char ***operand)
{
	const ir_opt table[] = {
		{"weights", IR_OPT_STRING, &o->weights, 0, "W.safetensors", "of MODEL.gm; a trial has its own"},
		SE_DATA_OPTIONS(o->source), /* a trial: what it was trained on */
		{"rows", IR_OPT_STRING, &o->rows, 0, "R", "test, train, val, or all in the order of the file (all); of fashion-mnist "
		 "the training file's 60000, then the test file's 10000"},
		{"output", IR_OPT_STRING, &o->output, 0, "LIST", "any of latent,reconstruction,error,label (latent)"},
		{"out|o", IR_OPT_STRING, &o->to, 0, "OUT", ".csv or .tsv: a table with row numbers; .npy: an array without, or OUT.latent.npy .. "
		 "for several; none: CSV on stdout"},
		{"sheet", IR_OPT_STRING, &o->sheet, 0, "S.png", "a picture of some rows, each above its reconstruction"},
		{"sheet-rows", IR_OPT_INT, &o->sheet_rows, 1, "R", "rows of such pairs (8)"},
		{"sheet-cols", IR_OPT_INT, &o->sheet_cols, 1, "C", "pairs in a row (16)"},
		{"worst", IR_OPT_FLAG, &o->worst, 0, NULL, "the sheet shows the rows with the largest error, largest first"},
		{"seed", IR_OPT_INT, &o->seed, 0, "S", "of the split that --rows means: the one given to train (0; a trial: its own)"},
		{"limit-train", IR_OPT_INT, &o->limit_train, 0, "N", "of that split"},
		{"study", IR_OPT_STRING, &o->study, 0, "NAME", "which study of DB (default, or the newest)"},
		{"threads", IR_OPT_INT, &o->threads, 1, "T", "default: all processors this process may use"},
		{"json", IR_OPT_FLAG, &o->json, 0, NULL, "print a summary as one JSON object"},
	};

	*o = (options){.rows = "all", .seed = -1, .limit_train = -1, .threads = rt_cores(), .sheet_rows = 8, .sheet_cols = 16};
	return ir_cli_parse(&command, table, sizeof table / sizeof *table, argc, argv, operand);
}

static int usage(const char *text, const char *what)
{
	fprintf(stderr, "gradmill apply: %s%s\n", text, what);
	return EXIT_USAGE;
}

/* The rows of a study are what it says: an option that would make them others is not for them. */
static int refuse_strays(const options *o)
{
	const char *option, *value, *stray = o->seed >= 0 ? "seed" : o->limit_train >= 0 ? "limit-train" : NULL;

	for (size_t i = 0; !stray && le_source_option(&o->source, i, &option, &value); i++)
		if (value && strcmp(option, "only") != 0)
			stray = option;
	if (!stray)
		return -1;
	fprintf(stderr, "gradmill apply: --%s is for rows that --data names: those of a trial are what its study says\n", stray);
	return EXIT_USAGE;
}

/* Model and weights: two files, or a trial. Returns -1, or 64 after a message. */
static int configure_source(job *j)
{
	const options *o = j->o;

	if (!j->operand[1]) {
		if (!o->weights)
			return usage("--weights is missing: what training saved for ", j->operand[0]);
		if (!o->source.data)
			return usage("--data is missing", "");
		return o->study ? usage("--study belongs to a database: gradmill apply DB TRIAL", "") : -1;
	}
	if (o->weights)
		return usage("a trial has its own weights: no --weights", "");
	j->of_trial = true;
	j->trial = SE_BEST;
	if (strcmp(j->operand[1], "best") != 0 && !se_parse_number(j->operand[1], &j->trial))
		return usage("TRIAL is a number or best, not ", j->operand[1]);
	return o->source.data ? -1 : refuse_strays(o);
}

/* What is written where. A table is for stdout only if nothing else was asked for, or it was by name. */
static int configure_outputs(job *j)
{
	const options *o = j->o;
	bool summary_only = !o->to && !o->output && (o->sheet || o->json);

	if (!se_apply_kinds(o->output ? o->output : "latent", &j->what))
		return usage("--output is a list of latent, reconstruction, error, label, not ", o->output);
	if (!se_apply_ending(o->to, &j->format))
		return usage("-o: the name must end in .npy, .csv or .tsv: ", o->to);
	if (o->json && !o->to && o->output)
		return usage("--json prints a summary on stdout: name a file for the output with -o", "");
	if (summary_only)
		j->what = 0;
	if (o->sheet && (o->sheet_rows > SHEET_MOST || o->sheet_cols > SHEET_MOST))
		return usage("a sheet has at most 1000 rows of 1000 pairs", "");
	if (o->worst && !o->sheet)
		return usage("--worst is for --sheet", "");
	j->sheet = (se_sheet){.rows = o->sheet_rows, .cols = o->sheet_cols};
	j->want = (j->what & ~(unsigned)SE_APPLY_LABEL) | (o->sheet ? LE_RECONSTRUCTION : 0) | (o->worst ? LE_ERROR : 0);
	return -1;
}

static int configure(job *j)
{
	int code;

	while (j->which < ROWS_COUNT && strcmp(j->o->rows, which_name[j->which]))
		j->which++;
	if (j->which == ROWS_COUNT)
		return usage("--rows is test, train, val or all, not ", j->o->rows);
	if (j->o->threads > CC_MAX_THREADS)
		return usage("--threads: at most 1024", "");
	code = configure_source(j);
	return code < 0 ? configure_outputs(j) : code;
}

/* ---- interrupts ---------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* The first ^C ends the command after the block in hand, without half a file left behind; a second one at once. */
static void catch_interrupt(void)
{
	struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND | SA_RESTART};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
}

/* ---- model, weights, data ------------------------------------------------------------------------------------------ */

/* Another file for a trial is read as its own was, unless the command line says otherwise; but it need not have the columns
 * that training left out. */
static le_source like_the_study(const job *j)
{
	le_source s = j->o->source, old = {0};

	if (!j->of_trial || !le_source_parse(j->use.st.data, j->a, &old))
		return s;
	s.drop_optional = !s.drop;
	s.drop = s.drop ? s.drop : old.drop;
	s.shape = s.shape ? s.shape : old.shape;
	s.missing = s.missing ? s.missing : old.missing;
	s.labels_optional = !s.labels;
	if (!s.labels && le_labels_are_column(&old)) /* it is not the model's to see */
		s.labels = old.labels;
	return s;
}

static ir_status take_files(job *j)
{
	ir_status s = cc_model_read(j->operand[0], j->a, j->d, &j->text, &j->module);

	return s == IR_OK ? le_weights_read(j->o->weights, &j->weights, j->d) : s;
}

static ir_status take_trial(job *j)
{
	const char *ir = se_use_text(&j->use, "ir");

	j->module = ir_parse(ar_printf(j->a, "trial%lld.gm", (long long)j->use.number), ir, strlen(ir), j->a, j->d);
	return j->module ? se_use_weights(&j->use, (int)j->o->threads, &j->weights) : IR_EINPUT;
}

/* Columns that the study knew by their numbers may be others here: as it left them out, or else none. */
static ir_status open_rows(job *j, const le_prep *prep, uint64_t seed, int64_t limit)
{
	le_source source = like_the_study(j), plain = source;
	ir_diag *quiet = ir_diag_new();
	ir_status s = le_data_open(&source, prep, seed, limit, &j->data, quiet);

	plain.drop = j->o->source.drop, plain.labels = j->o->source.labels;
	if (s == IR_EINPUT && (plain.drop != source.drop || plain.labels != source.labels))
		s = le_data_open(&plain, prep, seed, limit, &j->data, quiet);
	ir_diag_free(quiet);
	return s == IR_OK ? s : le_data_open(&source, prep, seed, limit, &j->data, j->d);
}

/* The model has one way to see rows, and it is in its weights. */
static ir_status check_scale(const job *j, const le_prep *prep)
{
	const char *asked = j->o->source.scale, *have = prep->scale.width ? "standard" : "none";

	if (!asked || !strcmp(asked, "auto") || !strcmp(asked, have))
		return IR_OK;
	ir_report(j->d, (ir_loc){0}, IR_E_option, "--scale",
		  ar_printf(j->a, "the model was trained with '%s', which cannot be changed any more", have));
	return IR_EINPUT;
}

static ir_status take_data(job *j)
{
	const options *o = j->o;
	uint64_t seed = (uint64_t)(o->seed < 0 ? j->use.st.seed : o->seed); /* zeros without a study */
	le_prep prep;
	ir_status s = le_model_prep(o->weights ? o->weights : "weights", &j->weights, &prep, j->d);

	if (s == IR_OK)
		s = check_scale(j, &prep);
	if (s == IR_OK)
		s = o->source.data ? open_rows(j, &prep, seed, o->limit_train < 0 ? 0 : o->limit_train)
				   : se_study_data(&j->use.st, &prep, j->a, &j->data, j->d);
	le_prep_free(&prep);
	return s;
}

static ir_status choose_rows(job *j)
{
	const le_data *t = &j->data;
	const uint32_t *const list[] = {NULL, t->train, t->val, t->test};
	const size_t n[] = {(size_t)t->table.rows, t->ntrain, t->nval, t->ntest};

	if ((j->what & SE_APPLY_LABEL || j->o->source.only) && !t->label)
		return se_refuse_file(j->d, t->name, IR_EINPUT, "has no labels: --labels says where they are");
	j->row = ir_xmalloc(n[j->which] + 1, sizeof *j->row);
	for (size_t i = 0; i < n[j->which]; i++) {
		uint32_t row = list[j->which] ? list[j->which][i] : (uint32_t)i;

		if (!j->o->source.only || (t->label[row] >= 0 && !strcmp(t->class_name[t->label[row]], j->o->source.only)))
			j->row[j->n++] = row;
	}
	return j->n ? IR_OK : se_refuse_file(j->d, t->name, IR_EINPUT, "has no such rows");
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

/* The mean error belongs to the summary wherever there is one to be had. */
static void want_summary(job *j)
{
	const ir_func *f = ir_module_find(j->module, IR_ENTRY);

	if (f && (j->o->json || !j->want) && ir_find_output(f, IR_OUT_RECONSTRUCTION))
		j->want |= LE_ERROR;
	if (!j->want)
		j->want = LE_LATENT;
}

static ir_status open_model(job *j)
{
	cc_context_options co = cc_context_default();
	ir_status s = cc_context_new(&co, &j->context, j->d);

	want_summary(j);
	if (s == IR_OK)
		s = le_apply_open(j->context, j->module, &j->data, &j->weights, j->want, (int)j->o->threads, &j->applier, j->d);
	if (s == IR_OK && j->picture && !se_sheet_shape(&j->data.table, &j->sheet))
		s = se_refuse_file(j->d, j->data.name, IR_EINPUT, "--sheet: its rows are no square pictures");
	return s;
}

static ir_status make_block(job *j)
{
	int64_t latent = j->what & LE_LATENT ? le_apply_latent_width(j->applier) : 0;
	int64_t width = j->what & LE_RECONSTRUCTION ? j->data.table.width : 0;
	size_t fits = BLOCK_BYTES / (sizeof(float) * (size_t)(latent + width + 1));
	ir_status s = IR_OK;

	j->block = fits < 1 ? 1 : fits < BLOCK_ROWS ? fits : BLOCK_ROWS;
	j->block = j->block < j->n ? j->block : j->n;
	if (latent)
		s = rt_tensor_alloc(&j->latent, ir_type_make(IR_F32, 2, (int64_t[]){(int64_t)j->block, latent}));
	if (s == IR_OK && width)
		s = rt_tensor_alloc(&j->reconstruction, ir_type_make(IR_F32, 2, (int64_t[]){(int64_t)j->block, width}));
	if (j->want & LE_ERROR)
		j->error = ir_xmalloc(j->n, sizeof *j->error);
	return s;
}

static ir_status apply_block(job *j, size_t at)
{
	se_apply_block b = {.row = j->row + at, .latent = j->latent.data, .reconstruction = j->reconstruction.data,
			    .error = j->error ? j->error + at : NULL, .label = j->data.label, .class_name = j->data.class_name,
			    .n = j->n - at < j->block ? j->n - at : j->block};
	ir_status s = le_apply_rows(j->applier, b.row, b.n, j->latent.data, j->reconstruction.data, j->error ? j->error + at : NULL);

	if (s == IR_OK && j->reconstruction.data) /* in the units of the file */
		le_unscale_rows(&j->data.scale, j->reconstruction.data, b.n);
	if (s == IR_OK && interrupted)
		s = IR_EINTR;
	return s == IR_OK && j->what ? se_apply_out_put(&j->out, &b) : s;
}

static ir_status apply_all(job *j)
{
	ir_status s = make_block(j);

	if (s == IR_OK && j->what)
		s = se_apply_out_begin(&j->out, j->n, le_apply_latent_width(j->applier), j->data.table.width,
				       j->data.table.column);
	for (size_t at = 0; s == IR_OK && (j->what || j->error) && at < j->n; at += j->block)
		s = apply_block(j, at);
	return s;
}

static ir_status draw_sheet(job *j)
{
	size_t *place = ir_xmalloc((size_t)(j->sheet.rows * j->sheet.cols), sizeof *place);
	size_t n = j->o->worst ? se_sheet_worst(&j->sheet, j->error, j->n, place) : se_sheet_spread(&j->sheet, j->n, place);
	uint32_t *row = ir_xmalloc(n, sizeof *row);
	ir_str png;
	ir_status s;

	for (size_t i = 0; i < n; i++)
		row[i] = j->row[place[i]];
	sb_init(&png);
	s = se_sheet_png(&j->sheet, j->applier, &j->data, row, n, &png);
	if (s == IR_EINPUT)
		se_refuse_file(j->d, j->o->sheet, s, "too large a picture: fewer --sheet-rows or --sheet-cols");
	if (s == IR_OK && (s = ir_out_put(j->picture, png.s, png.n)) != IR_OK)
		se_refuse_file(j->d, j->o->sheet, s, strerror(errno));
	sb_fini(&png);
	free(row);
	free(place);
	return s;
}

/* ---- files and summary --------------------------------------------------------------------------------------------- */

/* What was asked for, beside what the study says. 0, or 64 after a message. */
static int check_files(job *j)
{
	const options *o = j->o;
	const char *kept = j->of_trial ? se_use_text(&j->use, "weights_file") : NULL;
	le_source source = o->source;
	se_named in[SE_SOURCE_FILES + 2], out[SE_APPLY_KINDS + 1];

	if (j->of_trial && !source.data && !le_source_parse(j->use.st.data, j->a, &source))
		source = (le_source){0}; /* whoever reads the rows will complain */
	if (o->source.data) {
		le_source asked = like_the_study(j);

		if (se_check_source(&asked) > 0)
			return EXIT_USAGE;
	}
	se_source_files(&source, in);
	in[SE_SOURCE_FILES] = (se_named){j->of_trial ? "DB" : "MODEL.gm", j->operand[0]};
	in[SE_SOURCE_FILES + 1] = (se_named){j->of_trial ? "the trial's weights" : "--weights",
					     kept ? se_store_beside(j->use.store, kept, j->a) : o->weights};
	for (size_t k = 0; k < SE_APPLY_KINDS; k++)
		out[k] = (se_named){"-o", j->out.path[k]};
	out[SE_APPLY_KINDS] = (se_named){"--sheet", o->sheet};
	return se_may_write("apply", out, SE_APPLY_KINDS + 1, in, SE_SOURCE_FILES + 2) ? 0 : EXIT_USAGE;
}

static ir_status open_files(job *j)
{
	ir_status s = IR_OK;

	if (j->what)
		s = se_apply_out_open(&j->out);
	if (s == IR_OK && j->o->sheet && (s = ir_out_open(j->o->sheet, &j->picture)) != IR_OK)
		se_refuse_file(j->d, j->o->sheet, s, strerror(errno));
	return s;
}

static ir_status close_files(job *j, ir_status s)
{
	if (j->what)
		s = se_apply_out_end(&j->out, s);
	if (s != IR_OK)
		ir_out_drop(j->picture);
	else if (j->picture && (s = ir_out_close(j->picture)) != IR_OK)
		se_refuse_file(j->d, j->o->sheet, s, strerror(errno));
	j->picture = NULL;
	return s;
}

static double mean_error(const job *j)
{
	double sum = 0;

	for (size_t i = 0; j->error && i < j->n; i++)
		sum += j->error[i];
	return j->error ? sum / (double)j->n : NAN;
}

static void print_json(const job *j)
{
	const char *comma = "";
	ir_str s;

	sb_init(&s);
	sb_put(&s, "{\"data\": ");
	sb_put_json_text(&s, j->data.name);
	sb_printf(&s, ", \"which\": \"%s\", \"rows\": %zu, \"latent\": %lld, \"mean_error\": ", which_name[j->which], j->n,
		  (long long)le_apply_latent_width(j->applier));
	sb_put_json_real(&s, mean_error(j));
	sb_put(&s, ", \"files\": [");
	for (size_t k = 0; k <= SE_APPLY_KINDS; k++) {
		const char *path = k < SE_APPLY_KINDS ? j->out.path[k] : j->o->sheet;

		if (!path)
			continue;
		sb_put(&s, comma);
		sb_put_json_text(&s, path);
		comma = ", ";
	}
	sb_put(&s, "]}\n");
	fputs(s.s, stdout);
	sb_fini(&s);
}

/* On stderr: stdout may be the table. */
static void print_text(const job *j)
{
	fprintf(stderr, "gradmill: %zu rows of %s (%s)", j->n, j->data.name, which_name[j->which]);
	if (j->error)
		fprintf(stderr, ", mean error %.6g", mean_error(j));
	for (size_t k = 0; k < SE_APPLY_KINDS; k++)
		if (j->out.path[k])
			fprintf(stderr, ", wrote %s", j->out.path[k]);
	if (j->o->sheet)
		fprintf(stderr, ", wrote %s", j->o->sheet);
	fputc('\n', stderr);
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static ir_status run(job *j)
{
	ir_status s = open_files(j);

	if (s == IR_OK)
		s = j->of_trial ? take_trial(j) : take_files(j);
	if (s == IR_OK) {
		cc_model_messages(j->d); /* warnings */
		s = take_data(j);
	}
	if (s == IR_OK)
		s = choose_rows(j);
	if (s == IR_OK)
		s = open_model(j);
	if (s == IR_OK)
		s = apply_all(j);
	if (s == IR_OK && j->picture)
		s = draw_sheet(j);
	s = close_files(j, s);
	if (s == IR_OK && j->o->json)
		print_json(j);
	else if (s == IR_OK)
		print_text(j);
	return s;
}

/* The trial that is meant: 0, or the exit code after a message. */
static int find_trial(job *j)
{
	se_use *u = &j->use;
	int rc = se_open_study(j->operand[0], j->o->study, j->a, &u->store, &u->st);
	ir_status s;

	if (rc)
		return rc;
	u->a = j->a, u->d = j->d;
	s = se_use_find(u, j->trial);
	if (s != IR_OK)
		return se_complain(j->d, s);
	if (u->row.nrow)
		return 0;
	if (j->trial == SE_BEST)
		return fprintf(stderr, "gradmill apply: study '%s' has no valid trial\n", u->st.name), EXIT_NONE;
	fprintf(stderr, "gradmill apply: study '%s' has no trial %lld with a result\n", u->st.name, (long long)j->trial);
	return ir_status_exit(IR_ENOINPUT);
}

static void free_job(job *j)
{
	le_apply_close(j->applier);
	rt_tensor_free(&j->latent);
	rt_tensor_free(&j->reconstruction);
	free(j->error);
	free(j->row);
	cc_context_free(j->context);
	le_data_free(&j->data);
	le_weights_free(&j->weights);
	se_store_close(j->use.store);
	ar_free(j->a);
	ir_diag_free(j->d);
	sb_fini(&j->text);
}

int se_cmd_apply(int argc, char **argv)
{
	options o;
	job j = {.o = &o};
	int code = parse_options(&o, argc, argv, &j.operand);
	ir_status s;

	if (code < 0)
		code = configure(&j);
	if (code >= 0)
		return code;
	j.a = ar_open();
	j.d = ir_diag_new();
	code = j.of_trial ? find_trial(&j) : 0;
	se_apply_out_name(&j.out, o.to, j.format, j.what, j.a, j.d);
	if (!code)
		code = check_files(&j);
	if (!code) {
		catch_interrupt();
		s = run(&j);
		if (s != IR_OK && ir_diag_count(j.d, IR_ERROR) == 0)
			fprintf(stderr, "gradmill apply: %s\n", ir_status_text(s));
		cc_model_messages(j.d);
		code = ir_status_exit(s);
	}
	free_job(&j);
	return code;
}
