/* SPDX-License-Identifier: Apache-2.0
 * gradmill best: the best trial of a study beside its floor, its model, and as a folder of files (export.c). */
#include <stdio.h>
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/export.h"
#include "search/wire.h"

typedef struct best {
	const char *db, *study, *export_dir;
	bool ir_only, json;
	se_use use;
} best;

static int run(best *b)
{
	se_use *u = &b->use;
	ir_status st = se_use_find(u, SE_BEST);

	if (st == IR_OK && !u->row.nrow) {
		fprintf(stderr, "gradmill best: study '%s' has no valid trial\n", u->st.name);
		return 1;
	}
	if (st == IR_OK && b->export_dir)
		st = se_export(u, b->db, rt_cores(), b->export_dir);
	if (st != IR_OK)
		return se_complain(u->d, st);
	if (b->ir_only)
		fputs(se_use_text(u, "ir"), stdout);
	else
		se_record_print(&u->row, b->json);
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
		{"export", IR_OPT_STRING, &b.export_dir, 0, "DIR", "write model.gm, weights.safetensors and README.md there"},
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
	b.use.a = ar_open();
	b.use.d = ir_diag_new();
	rc = se_open_study(b.db, b.study, b.use.a, &b.use.store, &b.use.st);
	if (!rc) {
		rc = run(&b);
		se_store_close(b.use.store);
	}
	ir_diag_free(b.use.d);
	ar_free(b.use.a);
	return rc;
}
