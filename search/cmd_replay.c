/* SPDX-License-Identifier: Apache-2.0
 * gradmill replay: train one row of the history again and say whether it is the same to the bit. */
#include <stdio.h>
#include "compiler/cc.h"
#include "ir/base/cli.h"
#include "runtime/rt.h"
#include "search/cmd.h"
#include "search/driver.h"
#include "search/output.h"

static void print(const se_replay *r, int64_t number, bool json)
{
	ir_str s;

	sb_init(&s);
	if (json) {
		sb_printf(&s, "{\"number\": %lld, \"same\": %s, \"epochs\": %lld, \"differs\": %lld, \"value\": ",
			  (long long)number, r->same ? "true" : "false", (long long)r->epochs, (long long)r->differs);
		sb_put_json_real(&s, r->value);
		sb_put(&s, "}");
	} else if (r->same) {
		sb_printf(&s, "trial %lld: the same to the bit, %lld epochs, value ", (long long)number, (long long)r->epochs);
		sb_put_double(&s, r->value);
	} else if (r->differs) {
		sb_printf(&s, "trial %lld: differs from epoch %lld on", (long long)number, (long long)r->differs);
	} else {
		sb_printf(&s, "trial %lld: its end differs", (long long)number);
	}
	puts(s.s);
	sb_fini(&s);
}

int se_cmd_replay(int argc, char **argv)
{
	static const ir_command command = {"replay", "DB TRIAL", "train a trial again and compare it to the bit",
		"gradmill replay study.db 17\n", 2, 2};
	bool json = false;
	const char *study = NULL;
	int64_t threads = rt_cores(), number;
	const ir_opt opt[] = {
		{"study", IR_OPT_STRING, &study, 0, "NAME", "which study (the newest)"},
		{"threads", IR_OPT_INT, &threads, 1, "T", "threads; the answer does not depend on it"},
		{"json", IR_OPT_FLAG, &json, 0, NULL, "one JSON object"},
	};
	ir_arena *a;
	ir_diag *d;
	se_store *s = NULL;
	se_study st;
	se_replay r;
	ir_status status;
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	if (!se_parse_number(operand[1], &number)) {
		fprintf(stderr, "gradmill replay: '%s' is not a trial number\n", operand[1]);
		return 64;
	}
	if (threads > CC_MAX_THREADS) {
		fputs("gradmill replay: --threads: at most 1024\n", stderr);
		return 64;
	}
	a = ar_open();
	d = ir_diag_new();
	rc = se_open_study(operand[0], study, a, &s, &st);
	if (!rc) {
		status = se_replay_trial(s, &st, number, (int)threads, NULL, &r, d);
		if (status == IR_OK)
			print(&r, number, json);
		rc = status != IR_OK ? se_complain(d, status) : r.same ? 0 : 1;
		se_store_close(s);
	}
	ir_diag_free(d);
	ar_free(a);
	return rc;
}
