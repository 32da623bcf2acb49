/* SPDX-License-Identifier: Apache-2.0
 * A trial as a folder: model, weights, and a README that says what they are and how to use them. The README's first line
 * marks the folder as ours; without it, files of these names are somebody's and stay as they are. */
#include "search/export.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "<!-- Written by gradmill best --export, which overwrites the files of a folder with this line. -->\n"

enum { MODEL, WEIGHTS, README, NFILE };
static const char *const file_name[NFILE] = {"model.gm", "weights.safetensors", "README.md"};

typedef struct export {
	const se_use *u;
	const char *db, *path[NFILE];
	const ir_func *f; /* the model */
	le_source source;
	const char *data; /* the options that say what they are, as a shell takes them */
	ir_str text;
} export;

/* ---- whose folder is it? ------------------------------------------------------------------------------------------- */

static bool is_marked(const char *readme)
{
	char start[sizeof MARK] = "";
	FILE *f = fopen(readme, "re");
	size_t n = f ? fread(start, 1, sizeof MARK - 1, f) : 0;

	if (f)
		fclose(f);
	return n == sizeof MARK - 1 && !memcmp(start, MARK, n);
}

static ir_status take_folder(const export *e, const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0777) && errno != EEXIST)
		return se_refuse_file(e->u->d, dir, IR_EIO, strerror(errno));
	if (is_marked(e->path[README]))
		return IR_OK;
	for (int i = 0; i < NFILE; i++)
		if (!lstat(e->path[i], &st))
			return se_refuse_file(e->u->d, e->path[i], IR_EINPUT,
					      "is there, and not from an earlier export: choose another folder, or remove it");
	return IR_OK;
}

/* ---- the README ---------------------------------------------------------------------------------------------------- */

/* text as one word of a shell. */
static const char *quote(const char *text, ir_arena *a)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=+:@%-";
	const char *result;
	ir_str s;

	if (*text && !text[strspn(text, plain)])
		return text;
	sb_init(&s);
	sb_putc(&s, '\'');
	for (; *text; text++)
		if (*text == '\'')
			sb_put(&s, "'\\''");
		else
			sb_putc(&s, *text);
	sb_putc(&s, '\'');
	result = ar_strdup(a, s.s);
	sb_fini(&s);
	return result;
}

/* A path that holds anywhere; a name that is none stays. */
static const char *anywhere(const char *data, ir_arena *a)
{
	char real[PATH_MAX];

	return ar_strdup(a, realpath(data, real) ? real : data);
}

static const char *data_options(const le_source *source, ir_arena *a)
{
	const char *option, *value, *all;
	ir_str s;

	sb_init(&s);
	for (size_t i = 0; le_source_option(source, i, &option, &value); i++)
		if (value)
			sb_printf(&s, "%s--%s %s", s.n ? " " : "", option, quote(anywhere(value, a), a));
	all = ar_strdup(a, s.s);
	sb_fini(&s);
	return all;
}

static void put_fact(export *e, const char *label, const char *column)
{
	const char *text = se_use_text(e->u, column);

	if (text)
		sb_printf(&e->text, "- %s: %s\n", label, text);
}

static void put_error(export *e, const char *label, const char *ours, const char *pca)
{
	char a[32], b[32];
	const se_table *t = &e->u->row;

	if (se_use_text(e->u, ours) || se_use_text(e->u, pca))
		sb_printf(&e->text, "| %s | %s | %s |\n", label,
			  se_use_text(e->u, ours) ? se_cell_short(&t->cell[se_table_column(t, ours)], a) : "-",
			  se_use_text(e->u, pca) ? se_cell_short(&t->cell[se_table_column(t, pca)], b) : "-");
}

static void put_facts(export *e)
{
	const se_study *st = &e->u->st;
	ir_str *s = &e->text;

	sb_put(s, MARK "# Trial ");
	sb_printf(s, "%lld of study '", (long long)e->u->number);
	sb_put_visible(s, st->name, strlen(st->name));
	sb_put(s, "' in ");
	sb_put_visible(s, e->db, strlen(e->db));
	sb_put(s, "\n\nAn autoencoder found and trained by gradmill on ");
	sb_put_visible(s, e->source.data, strlen(e->source.data));
	sb_printf(s, " (%lld training rows, seed %lld).\n\n", (long long)st->ntrain, (long long)st->seed);
	sb_put(s, "| mean squared error per element | this model | PCA of the same latent size |\n|---|---|---|\n");
	put_error(e, "validation rows", "value", "pca_value");
	put_error(e, "test rows", "test_value", "pca_test_value");
	sb_putc(s, '\n');
	put_fact(e, "latent size", "latent");
	put_fact(e, "parameters", "n_params");
	put_fact(e, "epochs", "epochs");
	put_fact(e, "proposed by", "sampler");
	put_fact(e, "hash of the weights", "weights_key");
}

/* "gradmill apply .." with what follows. */
static void put_apply(export *e, const char *comment, const char *rest)
{
	sb_printf(&e->text, "    # %s\n    gradmill apply model.gm --weights weights.safetensors %s --seed %lld --rows test %s\n",
		  comment, e->data, (long long)e->u->st.seed, rest);
}

/* Only what the model has: a model of the user's may lack outputs, or a decoder of its own. */
static void put_commands(export *e)
{
	bool z = ir_find_output(e->f, IR_OUT_LATENT), y = ir_find_output(e->f, IR_OUT_RECONSTRUCTION);
	long long seed = e->u->st.seed;
	ir_ref *way;
	size_t n;

	sb_put(&e->text, "\nCommands, in this folder (`--data` may be other rows of the same columns; without `--rows`, all of them):\n\n");
	if (z)
		put_apply(e, "codes, one row each", "--output latent -o latent.npy");
	if (y) {
		put_apply(e, "what the model makes of the rows", "--output reconstruction -o reconstruction.npy");
		put_apply(e, "one anomaly score per row", "--output error -o error.csv");
		put_apply(e, "pictures above their reconstructions; with --worst, the strangest ones", "--sheet sheet.png");
	}
	sb_printf(&e->text, "    # go on training from these weights\n    gradmill train model.gm %s --seed %lld", e->data, seed);
	if (e->u->st.limit_train)
		sb_printf(&e->text, " --limit-train %lld", (long long)e->u->st.limit_train);
	sb_put(&e->text, " --init weights.safetensors --epochs 1 --lr 1e-4 --save more.safetensors\n");
	if (z)
		sb_printf(&e->text, "    # for C, without gradmill at run time: autoencoder.o, autoencoder.h\n    gradmill compile model.gm "
			  "--emit=obj,header --func encode%s --weights weights.safetensors --batch 1 -o autoencoder\n",
			  y && !ir_find_bypass(e->f, e->u->a, &way, &n) ? ",decode" : "");
	sb_put(&e->text, "\nIf the data were standardised, the numbers are under `scaling` in the metadata of weights.safetensors. apply does "
		"it and undoes it; functions in C take and give standardised values, (x - mean) / std, in the order under `columns`.\n");
}

/* ---- the files ----------------------------------------------------------------------------------------------------- */

static ir_status write_text(const export *e, int which, const char *text, size_t n)
{
	if (ir_file_write(e->path[which], text, n) == IR_OK)
		return IR_OK;
	return se_refuse_file(e->u->d, e->path[which], IR_EIO, strerror(errno));
}

/* The README first: from then on the folder is ours, also if the rest fails. */
static ir_status write_files(export *e, const char *ir, int threads)
{
	ir_status s;

	put_facts(e);
	put_commands(e);
	s = write_text(e, README, e->text.s, e->text.n);
	if (s == IR_OK)
		s = write_text(e, MODEL, ir, strlen(ir));
	if (s == IR_OK)
		s = se_use_export(e->u, threads, e->path[WEIGHTS]);
	if (s == IR_OK)
		fprintf(stderr, "gradmill: wrote %s, %s and %s, which has the commands to use them\n", e->path[MODEL], e->path[WEIGHTS],
			e->path[README]);
	return s;
}

ir_status se_export(const se_use *u, const char *db, int threads, const char *dir)
{
	export e = {.u = u, .db = db};
	const char *ir = se_use_text(u, "ir");
	const ir_module *m = ir_parse("model.gm", ir, strlen(ir), u->a, u->d);
	ir_status s = IR_EINPUT;

	for (int i = 0; i < NFILE; i++)
		e.path[i] = ar_printf(u->a, "%s/%s", dir, file_name[i]);
	if (!le_source_parse(u->st.data, u->a, &e.source))
		return se_refuse_file(u->d, db, IR_EINPUT, "the study's text about its data is damaged");
	e.data = data_options(&e.source, u->a);
	sb_init(&e.text);
	e.f = m ? ir_module_find(m, IR_ENTRY) : NULL;
	if (e.f)
		s = take_folder(&e, dir);
	if (s == IR_OK)
		s = write_files(&e, ir, threads);
	sb_fini(&e.text);
	return s;
}
