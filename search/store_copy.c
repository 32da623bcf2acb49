/* SPDX-License-Identifier: Apache-2.0
 * search/store_copy.c -- a copy of the history while it is written. VACUUM INTO reads in one transaction, so a driver waits
 * with its next commit instead of tearing the copy; and it reads every row, so a damaged file is found. */
#include "search/store_int.h"
#include <stdlib.h>
#include <string.h>

static ir_status count_trials(se_store *s, int64_t *n, ir_diag *d)
{
	char text[32];
	int rc;

	if (!se_sql_scalar(s->db, "SELECT count(*) FROM trials", text, sizeof text, &rc))
		return se_sql_fail(s, rc, d);
	*n = strtoll(text, NULL, 10);
	return IR_OK;
}

static ir_status vacuum_into(se_store *s, const char *to, ir_diag *d)
{
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(s->db, "VACUUM INTO ?1", -1, &q, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_bind_text(q, 1, to, -1, SQLITE_STATIC);
		rc = sqlite3_step(q);
	}
	sqlite3_finalize(q);
	if (rc == SQLITE_DONE)
		return IR_OK;
	if (se_sql_status(s, rc) == IR_EFULL) {
		ir_error(d, (ir_loc){0, 0, 0}, IR_E_file, to, ir_status_text(IR_EFULL));
		return IR_EFULL;
	}
	return se_sql_say(s, (rc & 0xff) == SQLITE_ERROR ? IR_EIO : se_sql_status(s, rc), sqlite3_errmsg(s->db), d);
}

/* least: how many trials it must have. */
static ir_status check(const char *copy, int64_t least, int64_t *trials, ir_diag *d)
{
	char said[200];
	se_store *s;
	int rc;
	ir_status st = se_sql_open_as_is(copy, &s, d);

	if (st != IR_OK)
		return st;
	if (!se_sql_scalar(s->db, "PRAGMA integrity_check(1)", said, sizeof said, &rc))
		st = se_sql_fail(s, rc, d);
	else if (strcmp(said, "ok"))
		st = se_sql_say(s, IR_EIO, said, d);
	else
		st = count_trials(s, trials, d);
	if (st == IR_OK && *trials < least)
		st = se_sql_say(s, IR_EIO, "trials are missing in the copy", d);
	se_store_close(s);
	return st;
}

ir_status se_store_copy(const char *path, const char *to, int64_t *trials, ir_diag *d)
{
	int64_t before = 0;
	se_store *s;
	ir_status st = se_sql_open_as_is(path, &s, d);

	if (st != IR_OK)
		return st;
	st = count_trials(s, &before, d);
	if (st == IR_OK)
		st = vacuum_into(s, to, d);
	se_store_close(s);
	return st == IR_OK ? check(to, before, trials, d) : st;
}
