/* SPDX-License-Identifier: Apache-2.0
 * gradmill show: everything the history knows about one trial. */
#include <stdio.h>
#include <string.h>
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/output.h"

static void print_curve(const se_table *t)
{
	char buffer[32];

	for (size_t i = 0; i < t->nrow; i++)
		printf("%-14s %s\n", i ? "" : "curve", se_cell_short(&t->cell[i], buffer));
}

static ir_status show(se_store *s, const se_study *st, int64_t number, bool ir_only, bool json, bool *found, ir_diag *d)
{
	const se_arg arg[] = {{st->name, 0}, {NULL, number}};
	ir_arena *a = ar_open();
	se_table t, curve;
	ir_status status = se_store_select(s, "SELECT * FROM v_trials WHERE study = ?1 AND number = ?2", arg, 2, a, &t, d);

	if (status == IR_OK)
		status = se_store_select(s, "SELECT value FROM v_curves WHERE study = ?1 AND number = ?2", arg, 2, a, &curve, d);
	*found = status == IR_OK && t.nrow;
	if (!*found)
		;
	else if (ir_only)
		fputs(t.cell[se_table_column(&t, "ir")].text, stdout);
	else if (json)
		se_record_print(&t, true);
	else
		se_record_print(&t, false), print_curve(&curve);
	ar_free(a);
	return status;
}

int se_cmd_show(int argc, char **argv)
{
	static const ir_command command = {"show", "DB TRIAL", "everything about one trial",
		"gradmill show study.db 17\ngradmill show study.db 17 --ir > model.gm\n", 2, 2};
	bool ir_only = false, json = false, found = false;
	const char *study = NULL;
	int64_t number;
	const ir_opt opt[] = {
		{"study", IR_OPT_STRING, &study, 0, "NAME", "which study (default, or the newest)"},
		{"ir", IR_OPT_FLAG, &ir_only, 0, NULL, "only the model text"},
		{"json", IR_OPT_FLAG, &json, 0, NULL, "one JSON object"},
	};
	ir_arena *a;
	ir_diag *d;
	se_store *s = NULL;
	se_study st;
	ir_status status;
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	if (!se_parse_number(operand[1], &number)) {
		fprintf(stderr, "gradmill show: '%s' is not a trial number\n", operand[1]);
		return 64;
	}
	a = ar_open();
	d = ir_diag_new();
	rc = se_open_study(operand[0], study, a, &s, &st);
	if (!rc) {
		status = show(s, &st, number, ir_only, json, &found, d);
		rc = status != IR_OK ? se_complain(d, status) : found ? 0 : 66;
		if (rc == 66)
			fprintf(stderr, "gradmill show: study '%s' has no trial %lld\n", st.name, (long long)number);
		se_store_close(s);
	}
	ir_diag_free(d);
	ar_free(a);
	return rc;
}
