/* SPDX-License-Identifier: Apache-2.0
 * gradmill best: the best trial of a study beside its floor, its model, and its weights. Weights that were not kept are
 * made again: the same seed gives the same bits, and the row says which. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ir/base/cli.h"
#include "runtime/rt.h"
#include "search/cmd.h"
#include "search/output.h"
#include "search/replay.h"
#include "search/wire.h"

typedef struct best {
	const char *db, *study, *export_dir;
	bool ir_only, json;
	se_store *store;
	se_study st;
	int64_t number;
	se_table t; /* one row */
	ir_arena *a;
	ir_diag *d;
} best;

static const char *cell(const best *b, const char *name)
{
	const se_cell *c = &b->t.cell[se_table_column(&b->t, name)];

	return c->kind == SE_NULL ? NULL : c->text;
}

static ir_status find(best *b)
{
	static const char sql[] = "SELECT t.*, b.pca_value, b.pca_test_value FROM (SELECT * FROM v_best WHERE study = ?1 "
		"AND value IS NOT NULL ORDER BY value, number LIMIT 1) b JOIN v_trials t USING (study, number)";

	return se_store_select(b->store, sql, &(se_arg){b->st.name, 0}, 1, b->a, &b->t, b->d);
}

/* The kept file, next to the database; false: there is none, or it is not what the row says. */
static bool copy_weights(best *b, const char *to)
{
	const char *file = cell(b, "weights_file"), *why;
	ir_str data;
	bool ok;

	if (!file)
		return false;
	file = se_store_beside(b->store, file, b->a);
	if (se_kept_check(file, cell(b, "weights_key"), b->a, &why) != SE_KEPT_SAME) {
		fprintf(stderr, "gradmill: warning: %s is missing or has other weights than the trial\n", file);
		return false;
	}
	sb_init(&data);
	ok = ir_file_read(file, SE_MAX_WEIGHTS, &data) == IR_OK && ir_file_write(to, data.s, data.n) == IR_OK;
	sb_fini(&data);
	return ok;
}

static ir_status export(best *b)
{
	const char *model = ar_printf(b->a, "%s/model.gm", b->export_dir), *ir = cell(b, "ir");
	const char *weights = ar_printf(b->a, "%s/weights.safetensors", b->export_dir);
	se_replay r;
	ir_status st;

	if (mkdir(b->export_dir, 0777) && errno != EEXIST)
		return se_refuse_file(b->d, b->export_dir, IR_EIO, strerror(errno));
	st = ir_file_write(model, ir, strlen(ir));
	if (st != IR_OK)
		return se_refuse_file(b->d, model, st, ir_status_text(st));
	if (!copy_weights(b, weights)) {
		fprintf(stderr, "gradmill: training trial %lld again for its weights\n", (long long)b->number);
		st = se_replay_trial(b->store, &b->st, b->number, rt_cores(), weights, b->a, &r, b->d);
		if (st == IR_OK && (r.differs || !r.end_same))
			fputs("gradmill: warning: not the same to the bit as when it was found: another build or processor\n", stderr);
	}
	if (st == IR_OK)
		fprintf(stderr, "gradmill: wrote %s and %s\n", model, weights);
	return st;
}

static int run(best *b)
{
	ir_status st = find(b);

	if (st != IR_OK)
		return se_complain(b->d, st);
	if (!b->t.nrow) {
		fprintf(stderr, "gradmill best: study '%s' has no valid trial\n", b->st.name);
		return 1;
	}
	b->number = b->t.cell[se_table_column(&b->t, "number")].i;
	if (b->export_dir)
		st = export(b);
	if (st != IR_OK)
		return se_complain(b->d, st);
	if (b->ir_only)
		fputs(cell(b, "ir"), stdout);
	else
		se_record_print(&b->t, b->json);
	return 0;
}

int se_cmd_best(int argc, char **argv)
{
	static const ir_command command = {"best", "DB", "show or export the best trial",
		"gradmill best study.db\ngradmill best study.db --ir > model.gm\ngradmill best study.db --export best/\n", 1, 1};
	best b = {0};
	const ir_opt opt[] = {
		{"study", IR_OPT_STRING, &b.study, 0, "NAME", "which study (default, or the newest)"},
		{"ir", IR_OPT_FLAG, &b.ir_only, 0, NULL, "only the model text"},
		{"export", IR_OPT_STRING, &b.export_dir, 0, "DIR", "write model.gm and weights.safetensors there"},
		{"json", IR_OPT_FLAG, &b.json, 0, NULL, "one JSON object"},
	};
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	if (b.export_dir && !se_wire_text(b.export_dir)) {
		fputs("gradmill best: --export: the path is not UTF-8\n", stderr);
		return 64;
	}
	b.db = operand[0];
	b.a = ar_open();
	b.d = ir_diag_new();
	rc = se_open_study(b.db, b.study, b.a, &b.store, &b.st);
	if (!rc) {
		rc = run(&b);
		se_store_close(b.store);
	}
	ir_diag_free(b.d);
	ar_free(b.a);
	return rc;
}
