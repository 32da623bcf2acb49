/* SPDX-License-Identifier: Apache-2.0
 * gradmill replay: train one row of the history again and say whether it is the same to the bit, and with --check-nan
 * which operation first made a value that is not finite. */
#include <stdio.h>
#include "compiler/cc.h"
#include "ir/base/cli.h"
#include "runtime/rt.h"
#include "search/cmd.h"
#include "search/output.h"
#include "search/replay.h"

typedef struct options {
	const char *study;
	int64_t threads;
	bool check_nan, json;
} options;

typedef struct job {
	const options *o;
	int64_t number;
	se_store *store;
	se_study st;
	se_replay r;
	le_nan nan;
	ir_arena *a;
	ir_diag *d;
} job;

/* ---- for programs ------------------------------------------------------------------------------------------------ */

/* null where nobody was found; op is null where a result is bad but no operation is to blame, and name is the result's. */
static void put_json_nan(const le_nan *n, ir_str *s)
{
	if (n->blame == LE_BLAME_NOBODY) {
		sb_put(s, "null");
		return;
	}
	sb_printf(s, "{\"step\": %lld, \"epoch\": %lld, \"op\": ", (long long)n->step, (long long)n->epoch);
	sb_put_json_text(s, n->op);
	sb_put(s, ", \"name\": ");
	sb_put_json_text(s, n->blame == LE_BLAME_OP ? n->name : n->result);
	sb_put(s, ", \"part\": ");
	sb_put_json_text(s, n->blame == LE_BLAME_VALIDATION ? "validation" : n->part);
	if (n->loc.line)
		sb_printf(s, ", \"line\": %u, \"column\": %u", n->loc.line, n->loc.col);
	else
		sb_put(s, ", \"line\": null, \"column\": null");
	sb_printf(s, ", \"kind\": \"%s\", \"bad\": %lld, \"count\": %lld, \"result\": ", n->nan ? "nan" : "inf",
		  (long long)n->bad, (long long)n->count);
	sb_put_json_text(s, n->result);
	sb_putc(s, '}');
}

static void put_json(const job *j, ir_str *s)
{
	static const char *const kept[] = {"null", "\"same\"", "\"differs\"", "\"missing\""}; /* ORDER KEPT */
	const se_replay *r = &j->r;

	sb_printf(s, "{\"number\": %lld, \"same\": %s, \"epochs\": %lld, \"differs\": %lld, \"value\": ", (long long)j->number,
		  r->same ? "true" : "false", (long long)r->epochs, (long long)r->differs);
	sb_put_json_real(s, r->value);
	sb_put(s, ", \"cause\": ");
	sb_put_json_text(s, r->cut ? r->was : r->cause);
	sb_printf(s, ", \"cut\": %s", r->cut ? "true" : "false");
	sb_printf(s, ", \"weights_file\": %s", kept[r->kept]);
	if (j->o->check_nan) {
		sb_put(s, ", \"nan\": ");
		put_json_nan(&j->nan, s);
	}
	sb_put(s, "}\n");
}

/* ---- for eyes -------------------------------------------------------------------------------------------------------- */

static void put_end(const se_replay *r, ir_str *s)
{
	if (r->differs)
		sb_printf(s, "differs from epoch %lld on", (long long)r->differs);
	else
		sb_put(s, "its end differs");
	if (r->was)
		sb_printf(s, "; it failed: %s", *r->was ? r->was : "no cause is known");
	if (r->cause)
		sb_printf(s, "; this time it fails: %s", r->cause);
	else if (r->was)
		sb_put(s, "; this time it does not");
}

static void put_kept(const se_replay *r, ir_str *s)
{
	switch (r->kept) {
	case SE_KEPT_NONE: return;
	case SE_KEPT_SAME: sb_printf(s, "weight file %s: its hash is the row's\n", r->weights_file); return;
	case SE_KEPT_MISSING: sb_printf(s, "weight file %s: missing\n", r->weights_file); return;
	case SE_KEPT_DIFFERS:
		if (r->why) /* it names the file */
			sb_printf(s, "weight file %s\n", r->why);
		else
			sb_printf(s, "weight file %s: differs from the row\n", r->weights_file);
		return;
	}
}

/* What was blamed, as the compiler says it: its place, the line, a caret. */
static void put_op(const job *j, ir_str *s)
{
	const le_nan *n = &j->nan;
	const char *what = n->name ? ar_printf(j->a, "%s '%s', %s", n->op, n->name, n->part)
		: ar_printf(j->a, "%s, %s", n->op, n->part);

	ir_report(j->d, n->loc, IR_E_not_finite, what, (long long)n->bad, (long long)n->count, n->nan ? "NaN" : "infinite");
	ir_diag_print(j->d, ir_diag_size(j->d) - 1, s);
}

static void put_nan(const job *j, ir_str *s)
{
	const le_nan *n = &j->nan;
	const char *kind = n->nan ? "NaN" : "infinite";

	switch (n->blame) {
	case LE_BLAME_NOBODY:
		sb_put(s, "no value was ever not finite\n");
		return;
	case LE_BLAME_OP:
		sb_printf(s, "step %lld (epoch %lld): '%s' is not finite; it began here:\n", (long long)n->step,
			  (long long)n->epoch, n->result);
		put_op(j, s);
		return;
	case LE_BLAME_COMPILED:
		sb_printf(s, "step %lld (epoch %lld): the compiled step made '%s' %s (%lld of %lld elements), the interpreter, "
			  "which sums in double, did not: a sum near the largest number\n", (long long)n->step,
			  (long long)n->epoch, n->result, kind, (long long)n->bad, (long long)n->count);
		return;
	case LE_BLAME_VALIDATION:
		sb_printf(s, "after epoch %lld (step %lld): '%s' of the validation rows is %s, but no training step made a value "
			  "that is not finite\n", (long long)n->epoch, (long long)n->step, n->result, kind);
		return;
	}
}

static void put_text(const job *j, ir_str *s)
{
	const se_replay *r = &j->r;

	sb_printf(s, "trial %lld: ", (long long)j->number);
	if (r->differs || (!r->cut && !r->end_same)) {
		put_end(r, s);
	} else if (r->cut) {
		sb_printf(s, "the same to the bit, %lld epochs, as far as it came; it ended by: %s", (long long)r->epochs, r->was);
	} else {
		sb_printf(s, "the same to the bit, %lld epochs, ", (long long)r->epochs);
		if (r->cause)
			sb_printf(s, "and fails: %s", r->cause);
		else
			sb_put(s, "value "), sb_put_double(s, r->value);
	}
	sb_putc(s, '\n');
	put_kept(r, s);
	if (j->o->check_nan)
		put_nan(j, s);
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static int run(job *j)
{
	const options *o = j->o;
	ir_status st = se_replay_trial(j->store, &j->st, j->number, (int)o->threads, NULL, j->a, &j->r, j->d);
	ir_str s;

	if (st == IR_OK && o->check_nan)
		st = se_replay_nan(j->store, &j->st, j->number, (int)o->threads, j->a, &j->nan, j->d);
	if (st != IR_OK)
		return se_complain(j->d, st);
	sb_init(&s);
	(o->json ? put_json : put_text)(j, &s);
	fputs(s.s, stdout);
	sb_fini(&s);
	return j->r.same ? 0 : 1;
}

int se_cmd_replay(int argc, char **argv)
{
	static const ir_command command = {"replay", "DB TRIAL", "train a trial again and compare it to the bit",
		"gradmill replay study.db 17\ngradmill replay study.db 17 --check-nan\n", 2, 2};
	options o = {.threads = rt_cores()};
	const ir_opt opt[] = {
		{"study", IR_OPT_STRING, &o.study, 0, "NAME", "which study (default, or the newest)"},
		{"threads", IR_OPT_INT, &o.threads, 1, "T", "threads; the answer does not depend on it"},
		{"check-nan", IR_OPT_FLAG, &o.check_nan, 0, NULL, "which operation first made a value that is not finite"},
		{"json", IR_OPT_FLAG, &o.json, 0, NULL, "one JSON object"},
	};
	job j = {.o = &o};
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	if (!se_parse_number(operand[1], &j.number)) {
		fprintf(stderr, "gradmill replay: '%s' is not a trial number\n", operand[1]);
		return 64;
	}
	if (o.threads > CC_MAX_THREADS) {
		fputs("gradmill replay: --threads: at most 1024\n", stderr);
		return 64;
	}
	j.a = ar_open();
	j.d = ir_diag_new();
	rc = se_open_study(operand[0], o.study, j.a, &j.store, &j.st);
	if (!rc) {
		rc = run(&j);
		se_store_close(j.store);
	}
	ir_diag_free(j.d);
	ar_free(j.a);
	return rc;
}
