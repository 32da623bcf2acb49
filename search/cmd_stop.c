/* SPDX-License-Identifier: Apache-2.0
 * gradmill stop: asks the driver of a study, through the file, to end, and waits until it has. The driver looks into the file
 * several times a second; its lease says when it is gone. */
#include <stdio.h>
#include <unistd.h>
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/output.h"

static ir_status stop(const char *db, int64_t study, bool now, bool wait, ir_diag *d)
{
	se_store *s;
	ir_status st = se_store_open(db, SE_OPEN_WRITE, &s, d);

	if (st != IR_OK)
		return st;
	st = se_store_ask_to_stop(s, study, now, d);
	while (st == IR_OK && wait && se_store_driven(s, study))
		usleep(50000);
	se_store_close(s);
	return st;
}

int se_cmd_stop(int argc, char **argv)
{
	static const ir_command command = {"stop", "DB", "end a running search; the same command goes on with it later",
		"gradmill stop study.db         # after the running trials\n"
		"gradmill stop study.db --now   # they wait for the next run\n", 1, 1};
	const char *study = NULL;
	bool now = false, wait = true, driven;
	const ir_opt opt[] = {
		{"study", IR_OPT_STRING, &study, 0, "NAME", "which study (one that is running; default; the newest)"},
		{"now", IR_OPT_FLAG, &now, 0, NULL, "do not wait for the running trials"},
		{"no-wait", IR_OPT_OFF, &wait, 0, NULL, "ask, and do not wait until the search has ended"},
	};
	se_study st = {0};
	se_store *s = NULL;
	char **operand;
	ir_diag *d;
	ir_arena *a;
	ir_status status = IR_OK;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	a = ar_open();
	d = ir_diag_new();
	rc = se_open_running_study(operand[0], study, a, &s, &st); /* to read: a file that nobody drives is not touched */
	if (!rc) {
		driven = se_store_driven(s, st.id);
		se_store_close(s);
		if (!driven)
			fputs("gradmill stop: no search is running\n", stderr);
		else
			status = stop(operand[0], st.id, now, wait, d);
		if (status != IR_OK)
			rc = se_complain(d, status);
	}
	ir_diag_free(d);
	ar_free(a);
	return rc;
}
