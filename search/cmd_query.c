/* SPDX-License-Identifier: Apache-2.0
 * gradmill query: somebody's own SQL on the trial history, reading only. */
#include <stdio.h>
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/output.h"

int se_cmd_query(int argc, char **argv)
{
	static const ir_command command = {"query", "DB \"SQL\"", "ask the trial history in SQL",
		"gradmill query study.db \"SELECT number, value, activation, lr FROM v_trials ORDER BY value LIMIT 5\"\n"
		"gradmill query study.db \"SELECT activation, count(*), min(value) FROM v_trials GROUP BY 1\" --csv\n", 2, 2};
	bool json = false, csv = false;
	double seconds = 30;
	const ir_opt opt[] = {
		{"json", IR_OPT_FLAG, &json, 0, NULL, "one JSON object: columns, rows"},
		{"csv", IR_OPT_FLAG, &csv, 0, NULL, "comma-separated, with a heading"},
		{"timeout", IR_OPT_TIME, &seconds, 0, "TIME", "give up after this time (30s)"},
	};
	ir_arena *a;
	ir_diag *d;
	se_store *s = NULL;
	se_table t;
	ir_status st;
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	a = ar_open();
	d = ir_diag_new();
	st = se_store_open(operand[0], SE_OPEN_READ, &s, d);
	if (st == IR_OK)
		st = se_store_query(s, operand[1], seconds, a, &t, d);
	se_store_close(s); /* before printing: a slow terminal must not hold up the driver */
	if (st == IR_OK)
		se_table_print(&t, json ? SE_FORMAT_JSON : csv ? SE_FORMAT_CSV : SE_FORMAT_TABLE);
	rc = st == IR_OK ? 0 : se_complain(d, st);
	ir_diag_free(d);
	ar_free(a);
	return rc;
}
