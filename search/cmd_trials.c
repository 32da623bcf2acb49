/* SPDX-License-Identifier: Apache-2.0
 * gradmill trials: the trials of a study as a table. */
#include <stdio.h>
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/output.h"

#define COLUMNS "number, state, value, test_value, n_params, epochs, train_s, stem_width, blocks, layers, activation, " \
	"skip, latent, optimizer, lr, schedule, clip_norm, batch, cause"

int se_cmd_trials(int argc, char **argv)
{
	static const ir_command command = {"trials", "DB", "list the trials of a study",
		"gradmill trials study.db\ngradmill trials study.db --best --limit 10\n", 1, 1};
	bool json = false, csv = false, best = false;
	const char *study = NULL;
	int64_t limit = 0;
	const ir_opt opt[] = {
		{"study", IR_OPT_STRING, &study, 0, "NAME", "which study (default, or the newest)"},
		{"best", IR_OPT_FLAG, &best, 0, NULL, "best first, instead of by number"},
		{"limit", IR_OPT_INT, &limit, 0, "N", "only the first N"},
		{"json", IR_OPT_FLAG, &json, 0, NULL, "one JSON object: columns, rows"},
		{"csv", IR_OPT_FLAG, &csv, 0, NULL, "comma-separated, with a heading"},
	};
	ir_arena *a;
	ir_diag *d;
	se_store *s = NULL;
	se_study st;
	se_table t;
	ir_status status;
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	a = ar_open();
	d = ir_diag_new();
	rc = se_open_study(operand[0], study, a, &s, &st);
	if (!rc) {
		const se_arg arg[] = {{st.name, 0}, {NULL, limit ? limit : -1}};

		status = se_store_select(s, best
			? "SELECT " COLUMNS " FROM v_trials WHERE study = ?1 ORDER BY value IS NULL, value, number LIMIT ?2"
			: "SELECT " COLUMNS " FROM v_trials WHERE study = ?1 ORDER BY number LIMIT ?2", arg, 2, a, &t, d);
		se_store_close(s);
		if (status == IR_OK)
			se_table_print(&t, json ? SE_FORMAT_JSON : csv ? SE_FORMAT_CSV : SE_FORMAT_TABLE);
		else
			rc = se_complain(d, status);
	}
	ir_diag_free(d);
	ar_free(a);
	return rc;
}
