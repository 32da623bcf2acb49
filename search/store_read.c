/* SPDX-License-Identifier: Apache-2.0
 * search/store_read.c -- the reading half of the store: the history for samplers, and questions in SQL, ours and the
 * user's. An answer is complete in memory before anybody sees it: a reader that holds its lock delays the driver. */
#include "search/store_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "runtime/rt.h"

#define MAX_RESULT ((size_t)256 << 20) /* bytes of one answer */

/* ---- studies --------------------------------------------------------------------------------------------------- */

bool se_is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *se_sql_text(ir_arena *a, sqlite3_stmt *q, int i)
{
	const char *t = (const char *)sqlite3_column_text(q, i);

	return t ? ar_strdup(a, t) : NULL;
}

ir_status se_store_find_study(se_store *s, const char *name, ir_arena *a, se_study *out, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_FIND_STUDY];
	const char **text[] = {&out->name, &out->space, &out->sampler, &out->data, &out->data_key, &out->target, &out->build, &out->origin};
	int64_t *number[] = {&out->seed, &out->limit_train, &out->latent, &out->epochs, &out->batch, &out->delay,
		&out->width, &out->ntrain, &out->nval, &out->ntest, &out->keep};
	int rc, c = 0;

	memset(out, 0, sizeof *out);
	sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC); /* NULL binds NULL */
	rc = sqlite3_step(q);
	if (rc == SQLITE_ROW) {
		out->id = sqlite3_column_int64(q, c++);
		for (size_t i = 0; i < sizeof text / sizeof *text; i++)
			*text[i] = se_sql_text(a, q, c++);
		for (size_t i = 0; i < sizeof number / sizeof *number; i++)
			*number[i] = sqlite3_column_int64(q, c++);
	}
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? IR_OK : se_sql_fail(s, rc, d);
}

/* ---- history ------------------------------------------------------------------------------------------------------ */

static double column_real(sqlite3_stmt *q, int i)
{
	return sqlite3_column_type(q, i) == SQLITE_NULL ? NAN : sqlite3_column_double(q, i);
}

static se_state find_state(const char *text)
{
	for (int i = 0; text && i < SE_STATE_COUNT; i++)
		if (!strcmp(text, se_state_name((se_state)i)))
			return (se_state)i;
	return SE_FAIL;
}

static void read_row(sqlite3_stmt *q, ir_arena *a, se_trial_row *r)
{
	r->id = sqlite3_column_int64(q, 0);
	r->number = sqlite3_column_int64(q, 1);
	r->latent = sqlite3_column_int64(q, 2);
	r->attempts = sqlite3_column_int64(q, 3);
	r->flops = sqlite3_column_int64(q, 4);
	r->state = find_state((const char *)sqlite3_column_text(q, 5));
	r->value = column_real(q, 6);
	r->train_s = column_real(q, 7);
	r->test_value = column_real(q, 8);
	r->ir = se_sql_text(a, q, 9);
	if (r->ir && !r->ir[0])
		r->ir = NULL; /* enqueued, but not a point of the space */
	r->arch_key = se_sql_text(a, q, 10);
	r->trial_key = se_sql_text(a, q, 11);
	r->weights_key = se_sql_text(a, q, 12);
	r->weights_file = se_sql_text(a, q, 13);
	r->cause = se_sql_text(a, q, 14);
	r->epochs = sqlite3_column_int64(q, 15);
	for (int i = 0; i < SE_MAX_PARAMS; i++)
		r->genome.v[i] = NAN;
}

static ir_status read_params(se_store *s, int64_t study, const se_space *sp, se_trial_row *row, size_t n, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_PARAMS];
	size_t at = 0;
	int rc;

	sqlite3_bind_int64(q, 1, study);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(q, 1);
		int i = name ? se_param_find(sp, name) : -1;

		while (at < n && row[at].number < sqlite3_column_int64(q, 0))
			at++;
		if (i >= 0 && at < n && row[at].number == sqlite3_column_int64(q, 0))
			row[at].genome.v[i] = column_real(q, 2);
	}
	sqlite3_reset(q);
	return rc == SQLITE_DONE ? IR_OK : se_sql_fail(s, rc, d);
}

ir_status se_store_history(se_store *s, int64_t study, const se_space *sp, ir_arena *a, se_trial_row **out, size_t *n,
			   ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_HISTORY];
	size_t cap = 0;
	int rc;

	*out = NULL;
	*n = 0;
	sqlite3_bind_int64(q, 1, study);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW)
		read_row(q, a, ar_push(a, *out, *n, cap));
	sqlite3_reset(q);
	if (rc != SQLITE_DONE)
		return se_sql_fail(s, rc, d);
	return sp ? read_params(s, study, sp, *out, *n, d) : IR_OK;
}

/* ---- questions ---------------------------------------------------------------------------------------------------- */

static void read_cell(sqlite3_stmt *q, int i, ir_arena *a, ir_str *number, se_cell *c)
{
	c->text = "";
	switch (sqlite3_column_type(q, i)) {
	case SQLITE_NULL:
		c->kind = SE_NULL;
		return;
	case SQLITE_INTEGER:
		c->kind = SE_INTEGER;
		c->i = sqlite3_column_int64(q, i);
		c->r = (double)c->i;
		c->text = se_sql_text(a, q, i);
		return;
	case SQLITE_FLOAT:
		c->kind = SE_REAL;
		c->r = sqlite3_column_double(q, i);
		sb_clear(number); /* SQLite would print 15 digits: not the same number when read back */
		sb_put_double(number, c->r);
		c->text = ar_strdup(a, number->s);
		return;
	case SQLITE_TEXT: /* and blobs, as far as their first NUL */
	default:
		c->kind = SE_TEXT;
		c->text = se_sql_text(a, q, i);
		return;
	}
}

/* The user's query is at fault. */
static ir_status blame(ir_diag *d, ir_loc loc, const char *text)
{
	ir_error(d, loc, IR_E_sql, text);
	return IR_EINPUT;
}

static const ir_loc nowhere = {0, 0, 0};

static ir_status read_all(se_store *s, sqlite3_stmt *q, ir_arena *a, se_table *out, ir_diag *d)
{
	size_t start = ar_used(a), cap = 0, n = 0;
	ir_status st = IR_OK;
	ir_str number;
	int rc;

	out->ncol = (size_t)sqlite3_column_count(q);
	out->nrow = 0;
	out->cell = NULL;
	out->col = ar_new(a, const char *, out->ncol);
	for (size_t i = 0; i < out->ncol; i++)
		out->col[i] = ar_strdup(a, sqlite3_column_name(q, (int)i));
	sb_init(&number);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW && st == IR_OK) {
		for (size_t i = 0; i < out->ncol; i++)
			read_cell(q, (int)i, a, &number, ar_push(a, out->cell, n, cap));
		out->nrow++;
		if (ar_used(a) - start > MAX_RESULT)
			st = blame(d, nowhere, "the answer is larger than 256 MiB: ask for less");
	}
	sb_fini(&number);
	if (st != IR_OK || rc == SQLITE_DONE)
		return st;
	if ((rc & 0xff) == SQLITE_INTERRUPT)
		return blame(d, nowhere, "the query took too long (--timeout)");
	if ((rc & 0xff) == SQLITE_ERROR)
		return blame(d, nowhere, sqlite3_errmsg(s->db));
	return se_sql_fail(s, rc, d);
}

ir_status se_store_select(se_store *s, const char *sql, const se_arg *arg, size_t narg, ir_arena *a, se_table *out,
			  ir_diag *d)
{
	sqlite3_stmt *q = NULL;
	ir_status st = IR_OK;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);

	memset(out, 0, sizeof *out);
	if (rc != SQLITE_OK)
		return se_sql_fail(s, rc, d);
	for (size_t i = 0; i < narg; i++) {
		if (arg[i].text)
			sqlite3_bind_text(q, (int)i + 1, arg[i].text, -1, SQLITE_STATIC);
		else
			sqlite3_bind_int64(q, (int)i + 1, arg[i].i);
	}
	st = read_all(s, q, a, out, d);
	sqlite3_finalize(q);
	return st;
}

/* What a reader may do: look. Pragmas only where they ask about the schema. */
static int allow(void *ctx, int action, const char *a, const char *b, const char *db, const char *trigger)
{
	static const char *const pragma[] = {"table_info", "table_xinfo", "table_list", "index_list", "index_info",
		"foreign_key_list", "user_version", "database_list"};

	(void)ctx, (void)db, (void)trigger;
	switch (action) {
	case SQLITE_SELECT: case SQLITE_READ: case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return b && !sqlite3_stricmp(b, "load_extension") ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_PRAGMA:
		for (size_t i = 0; i < sizeof pragma / sizeof *pragma; i++)
			if (!sqlite3_stricmp(a, pragma[i]))
				return i == 6 && b ? SQLITE_DENY : SQLITE_OK; /* user_version = n writes */
		return SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

static int past_deadline(void *ctx)
{
	return rt_seconds() > *(const double *)ctx;
}

static void lock_down(se_store *s)
{
	sqlite3_exec(s->db, "PRAGMA query_only = ON", NULL, NULL, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(s->db, SQLITE_LIMIT_SQL_LENGTH, 100000);
	sqlite3_limit(s->db, SQLITE_LIMIT_EXPR_DEPTH, 100);
	sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, 64 << 20);
	sqlite3_hard_heap_limit64((sqlite3_int64)512 << 20);
	sqlite3_set_authorizer(s->db, allow, NULL);
}

/* Where in the query SQLite found its error, if it says so: for "no such table" it does not. */
static ir_loc place_of(const se_store *s, const char *sql, ir_diag *d)
{
	int at = sqlite3_error_offset(s->db);
	ir_loc loc = {0, 1, 1};

	if (at < 0)
		return nowhere;
	loc.file = ir_diag_source(d, "SQL", sql, strlen(sql));
	for (int i = 0; i < at && sql[i]; i++) {
		loc.col++;
		if (sql[i] == '\n')
			loc.line++, loc.col = 1;
	}
	return loc;
}

ir_status se_store_query(se_store *s, const char *sql, double seconds, ir_arena *a, se_table *out, ir_diag *d)
{
	double deadline = rt_seconds() + seconds;
	const char *tail = NULL;
	sqlite3_stmt *q = NULL;
	ir_status st = IR_OK;
	int rc, base;

	memset(out, 0, sizeof *out);
	lock_down(s);
	sqlite3_progress_handler(s->db, 1000, past_deadline, &deadline);
	rc = sqlite3_prepare_v2(s->db, sql, -1, &q, &tail);
	base = rc & 0xff; /* without the extended part */
	if (base == SQLITE_ERROR || base == SQLITE_AUTH || base == SQLITE_TOOBIG) {
		st = blame(d, place_of(s, sql, d), base == SQLITE_AUTH ? "the history is read-only" : sqlite3_errmsg(s->db));
	} else if (rc != SQLITE_OK) {
		st = se_sql_fail(s, rc, d);
	} else if (!q || !sqlite3_stmt_readonly(q) || !sqlite3_column_count(q)) {
		st = blame(d, nowhere, "expected a query (SELECT ..)");
	} else if (tail && tail[strspn(tail, " \t\r\n;")]) {
		st = blame(d, nowhere, "expected one query, found something behind it");
	} else {
		st = read_all(s, q, a, out, d);
	}
	sqlite3_finalize(q);
	sqlite3_progress_handler(s->db, 0, NULL, NULL);
	return st;
}
