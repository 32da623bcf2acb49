/* SPDX-License-Identifier: Apache-2.0
 * gradmill status: a look at a search that may be running. */
#include <math.h>
#include <stdio.h>
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/output.h"

typedef struct report {
	se_store *store;
	se_study study;
	se_table driver, counts, running, best; /* driver: no row before version 3 of the file */
	bool driven;
	ir_arena *a;
	ir_diag *d;
} report;

static ir_status read_driver(report *s)
{
	static const char sql[] = "SELECT pid, host, started, jobs, threads, planned, until, (SELECT count(*) FROM trials t "
		"WHERE t.study_id = d.study_id AND t.datetime_complete > d.started) * 3600 / "
		"max(1, (julianday('now') - julianday(d.started)) * 86400) AS per_hour FROM x_driver d WHERE study_id = ?1";

	return se_store_select(s->store, sql, &(se_arg){NULL, s->study.id}, 1, s->a, &s->driver, s->d);
}

static ir_status read_all(report *s)
{
	static const char counts[] = "SELECT count(*) AS trials, count(*) FILTER (WHERE state = 'COMPLETE') AS finished, "
		"count(*) FILTER (WHERE state IN ('FAIL', 'PRUNED')) AS failed, count(*) FILTER (WHERE state = 'RUNNING') AS running, "
		"count(*) FILTER (WHERE state = 'WAITING') AS waiting FROM trials WHERE study_id = ?1";
	static const char running[] = "SELECT number, (SELECT count(*) FROM v_curves c WHERE c.study = t.study AND "
		"c.number = t.number) AS epoch, (SELECT value FROM v_params p WHERE p.study = t.study AND p.number = t.number AND "
		"p.name = 'epochs') AS epochs, (julianday('now') - julianday(started)) * 86400 AS seconds, n_params, pid "
		"FROM v_trials t WHERE study = ?1 AND state = 'RUNNING' ORDER BY number";
	static const char best[] = "SELECT number, value, pca_value FROM v_best WHERE study = ?1 AND value IS NOT NULL "
		"ORDER BY value, number LIMIT 1";
	se_arg id = {NULL, s->study.id}, name = {s->study.name, 0};
	ir_status st = read_driver(s);

	s->driven = se_store_driven(s->store, s->study.id);
	if (st == IR_OK)
		st = se_store_select(s->store, counts, &id, 1, s->a, &s->counts, s->d);
	if (st == IR_OK)
		st = se_store_select(s->store, best, &name, 1, s->a, &s->best, s->d);
	if (st == IR_OK)
		st = se_store_select(s->store, running, &name, 1, s->a, &s->running, s->d);
	return st;
}

static int64_t count(const report *s, const char *name)
{
	return s->counts.cell[se_table_column(&s->counts, name)].i;
}

static const se_cell *driver(const report *s, const char *name)
{
	return &s->driver.cell[se_table_column(&s->driver, name)];
}

static void print_text(const report *s)
{
	char b[2][32];

	printf("study %s: ", s->study.name);
	if (!s->driver.nrow)
		puts("no search has driven it");
	else
		printf("%s (process %s on %s, since %s UTC, %s workers on %s cores)\n", s->driven ? "running" : "not running, last",
		       driver(s, "pid")->text, driver(s, "host")->text, driver(s, "started")->text, driver(s, "jobs")->text,
		       driver(s, "threads")->text);
	printf("%lld trials: %lld finished, %lld failed, %lld %s, %lld waiting", (long long)count(s, "trials"),
	       (long long)count(s, "finished"), (long long)count(s, "failed"), (long long)count(s, "running"),
	       s->driven ? "running" : "cut off (the next search runs them again)", (long long)count(s, "waiting"));
	if (s->driven && s->driver.nrow && driver(s, "planned")->i)
		printf(" of %s", driver(s, "planned")->text);
	if (s->driven && s->driver.nrow)
		printf("; %.0f per hour", driver(s, "per_hour")->r);
	if (s->driven && s->driver.nrow && driver(s, "until")->kind != SE_NULL)
		printf(", until %s UTC", driver(s, "until")->text);
	putchar('\n');
	if (s->best.nrow)
		printf("best: trial %s, validation mse %s, PCA %s\n", s->best.cell[0].text, se_cell_short(&s->best.cell[1], b[0]),
		       se_cell_short(&s->best.cell[2], b[1]));
	if (s->driven && s->running.nrow)
		se_table_print(&s->running, SE_FORMAT_TABLE);
}

/* The first row, or null. */
static void put_object(const char *name, const se_table *t, ir_str *out)
{
	sb_printf(out, ", \"%s\": ", name);
	if (t->nrow)
		se_row_json(t, 0, out);
	else
		sb_put(out, "null");
}

static void print_json(const report *s)
{
	ir_str out;

	sb_init(&out);
	sb_put(&out, "{\"study\": ");
	sb_put_json_text(&out, s->study.name);
	sb_printf(&out, ", \"driven\": %s", s->driven ? "true" : "false");
	put_object("driver", &s->driver, &out);
	put_object("counts", &s->counts, &out);
	put_object("best", &s->best, &out);
	sb_put(&out, ", \"running\": [");
	for (size_t i = 0; i < s->running.nrow; i++) {
		sb_put(&out, i ? ", " : "");
		se_row_json(&s->running, i, &out);
	}
	sb_put(&out, "]}");
	puts(out.s);
	sb_fini(&out);
}

int se_cmd_status(int argc, char **argv)
{
	static const ir_command command = {"status", "DB", "how a search is getting on", "gradmill status study.db\n", 1, 1};
	const char *study = NULL;
	bool json = false;
	const ir_opt opt[] = {
		{"study", IR_OPT_STRING, &study, 0, "NAME", "which study (one that is running; default; the newest)"},
		{"json", IR_OPT_FLAG, &json, 0, NULL, "one JSON object"},
	};
	report s = {0};
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	s.a = ar_open();
	s.d = ir_diag_new();
	rc = se_open_running_study(operand[0], study, s.a, &s.store, &s.study);
	if (!rc) {
		ir_status st = read_all(&s);

		if (st != IR_OK)
			rc = se_complain(s.d, st);
		else if (json)
			print_json(&s);
		else
			print_text(&s);
		se_store_close(s.store);
	}
	ir_diag_free(s.d);
	ar_free(s.a);
	return rc;
}
