/* SPDX-License-Identifier: Apache-2.0
 * gradmill report: a study as one page to look at. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/output.h"
#include "search/overwrite.h"
#include "search/report/report.h"

#define EXIT_USAGE 64

/* Whole or not at all: a browser that looks at the old page never sees half of the new one. */
static ir_status put_out(const char *file, const ir_str *page, ir_diag *d)
{
	ir_status st;

	if (!file) {
		fwrite(page->s, 1, page->n, stdout); /* main.c looks whether it arrived */
		return IR_OK;
	}
	st = ir_file_write(file, page->s, page->n);
	return st == IR_OK ? st : se_refuse_file(d, file, st, strerror(errno));
}

/* The page is made of the database and of its study's data; of weights that were kept, too, but nobody hits on their names. */
static bool may_write(const char *file, const char *db, const se_study *st, ir_arena *a)
{
	const se_named out = {"-o", file};
	se_named in[SE_SOURCE_FILES + 1] = {{"DB", db}};
	le_source source;

	if (!le_source_parse(st->data, a, &source))
		source = (le_source){0};
	se_source_files(&source, in + 1);
	return se_may_write("report", &out, 1, in, SE_SOURCE_FILES + 1);
}

static int report(se_store *s, const se_study *st, const se_report_options *o, const char *file)
{
	ir_diag *d = ir_diag_new();
	ir_status status;
	ir_str page;
	int rc;

	sb_init(&page);
	status = se_report_write(s, st, o, &page, d);
	if (status == IR_OK)
		status = put_out(file, &page, d);
	rc = status == IR_OK ? 0 : se_complain(d, status);
	if (!rc && file)
		fprintf(stderr, "gradmill: wrote %s (%zu kB)\n", file, (page.n + 999) / 1000);
	sb_fini(&page);
	ir_diag_free(d);
	return rc;
}

int se_cmd_report(int argc, char **argv)
{
	static const ir_command command = {"report", "DB", "a study as one self-contained page",
		"gradmill report study.db -o report.html\ngradmill report study.db --study wide --top 50 > wide.html\n", 1, 1};
	se_report_options o = {.top = 20, .pictures = true};
	const char *study = NULL, *file = NULL;
	const ir_opt opt[] = {
		{"output|o", IR_OPT_STRING, &file, 0, "FILE", "write there (standard output)"},
		{"study", IR_OPT_STRING, &study, 0, "NAME", "which study (default, or the newest)"},
		{"top", IR_OPT_INT, &o.top, 1, "K", "rows of the leader board (20)"},
		{"train", IR_OPT_FLAG, &o.train, 0, NULL, "train the best trial again if its weights were not kept"},
		{"no-pictures", IR_OPT_OFF, &o.pictures, 0, NULL, "leave out what the best model makes of the data"},
	};
	se_store *s = NULL;
	se_study st;
	ir_arena *a;
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	a = ar_open();
	o.db = operand[0];
	rc = se_open_study(o.db, study, a, &s, &st);
	if (!rc) {
		rc = may_write(file, o.db, &st, a) ? report(s, &st, &o, file) : EXIT_USAGE;
		se_store_close(s);
	}
	ar_free(a);
	return rc;
}
