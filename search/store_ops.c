/* SPDX-License-Identifier: Apache-2.0
 * search/store_ops.c -- what a running search and the rest of the world tell each other through the file: who drives a
 * study (and the lease that proves it), what was asked of the driver, which trials other programs have added; and the
 * history of one study copied to another. */
#define _GNU_SOURCE
#include "search/store_int.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- the lease --------------------------------------------------------------------------------------------------------- */

/* Note [Lease]: one driver per study, without a heartbeat. A lock on one byte far behind the end of the file (and
 * behind SQLite's own lock bytes at 1 GiB) belongs to the open file, so the kernel drops it when the process dies in
 * whatever way, and it never meets the locks that SQLite takes, which belong to the process. */
static struct flock lease_byte(int64_t study)
{
	return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = ((off_t)1 << 40) + study, .l_len = 1};
}

ir_status se_store_lease(se_store *s, int64_t study, ir_diag *d)
{
	struct flock l = lease_byte(study);

	if (s->lease < 0)
		s->lease = open(s->path, O_RDWR | O_CLOEXEC);
	if (s->lease < 0)
		return se_sql_say(s, IR_EIO, strerror(errno), d);
	if (!fcntl(s->lease, F_OFD_SETLK, &l))
		return IR_OK;
	if (errno == EAGAIN || errno == EACCES)
		return se_sql_say(s, IR_EBUSY, "another gradmill search drives this study", d);
	if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP)
		return IR_OK; /* a file system without such locks: the user is on their own, as with SQLite itself */
	return se_sql_say(s, IR_EIO, strerror(errno), d);
}

bool se_store_driven(se_store *s, int64_t study)
{
	struct flock l = lease_byte(study);

	if (s->lease < 0)
		s->lease = open(s->path, O_RDONLY | O_CLOEXEC); /* closed last, with the store: see se_store_close */
	return s->lease >= 0 && !fcntl(s->lease, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

const char *se_store_driven_name(se_store *s, ir_arena *a)
{
	static const char sql[] = "SELECT study_id, study_name FROM studies ORDER BY study_id";
	ir_diag *d = ir_diag_new();
	se_table t = {0};
	const char *name = NULL;

	if (se_store_select(s, sql, NULL, 0, a, &t, d) == IR_OK)
		for (size_t i = 0; i < t.nrow && !name; i++)
			if (se_store_driven(s, t.cell[2 * i].i))
				name = t.cell[2 * i + 1].text;
	ir_diag_free(d);
	return name;
}

ir_status se_store_set_keep(se_store *s, int64_t study, int64_t keep, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_SET_KEEP, 1, study);
	se_bind_int(s, Q_SET_KEEP, 2, keep);
	return se_sql_end(s, se_sql_run(s, Q_SET_KEEP, d), d);
}

ir_status se_store_set_driver(se_store *s, int64_t study, const se_driver_row *r, ir_diag *d)
{
	const query q = Q_SET_DRIVER;
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, q, 1, study);
	se_bind_int(s, q, 2, r->pid);
	se_bind_text(s, q, 3, r->host);
	se_bind_int(s, q, 4, r->jobs);
	se_bind_int(s, q, 5, r->threads);
	se_bind_int(s, q, 6, r->planned);
	se_bind_real(s, q, 7, r->seconds);
	st = se_sql_run(s, q, d);
	if (st == IR_OK) /* nobody asked this run for anything yet */
		st = se_sql_run_int(s, Q_TAKE_REQUESTS, study, d);
	return se_sql_end(s, st, d);
}

/* ---- requests ------------------------------------------------------------------------------------------------------------ */

ir_status se_store_ask_to_stop(se_store *s, int64_t study, bool now, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_ADD_REQUEST, 1, study);
	se_bind_text(s, Q_ADD_REQUEST, 2, now ? "stop now" : "stop");
	return se_sql_end(s, se_sql_run(s, Q_ADD_REQUEST, d), d);
}

ir_status se_store_take_stop(se_store *s, int64_t study, int *stops, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_REQUEST];
	ir_status st;
	int rc;

	*stops = 0;
	sqlite3_bind_int64(q, 1, study);
	rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		*stops = strcmp((const char *)sqlite3_column_text(q, 0), "stop now") ? 1 : 2;
	sqlite3_reset(q);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? IR_OK : se_sql_fail(s, rc, d);
	st = se_sql_begin(s, d);
	return st == IR_OK ? se_sql_end(s, se_sql_run_int(s, Q_TAKE_REQUESTS, study, d), d) : st;
}

/* ---- trials that other programs added ---------------------------------------------------------------------------------- */

ir_status se_store_strangers(se_store *s, int64_t study, int64_t from, ir_arena *a, se_stranger **out, size_t *n,
			     ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_STRANGERS];
	size_t cap = 0;
	int rc;

	*out = NULL;
	*n = 0;
	sqlite3_bind_int64(q, 1, study);
	sqlite3_bind_int64(q, 2, from);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		se_stranger *r = ar_push(a, *out, *n, cap);

		r->id = sqlite3_column_int64(q, 0);
		r->number = sqlite3_column_int64(q, 1);
		r->waits = !strcmp((const char *)sqlite3_column_text(q, 2), se_state_name(SE_WAITING));
		r->fixed = se_sql_text(a, q, 3);
	}
	sqlite3_reset(q);
	return rc == SQLITE_DONE ? IR_OK : se_sql_fail(s, rc, d);
}

/* ---- weight files ------------------------------------------------------------------------------------------------------- */

ir_status se_store_set_file(se_store *s, int64_t trial, const char *file, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_SET_FILE, 1, trial);
	se_bind_text(s, Q_SET_FILE, 2, file);
	return se_sql_end(s, se_sql_run(s, Q_SET_FILE, d), d);
}

ir_status se_store_file_users(se_store *s, const char *file, int64_t *users, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_FILE_USERS];
	int rc;

	sqlite3_bind_text(q, 1, file, -1, SQLITE_STATIC);
	rc = sqlite3_step(q);
	*users = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return rc == SQLITE_ROW ? IR_OK : se_sql_fail(s, rc, d);
}

/* ---- one study's history as another's beginning -------------------------------------------------------------------------- */

ir_status se_store_copy_history(se_store *s, int64_t to, int64_t from, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	for (query q = Q_COPY_TRIALS; st == IR_OK && q <= Q_COPY_FLOORS; q++) {
		se_bind_int(s, q, 1, to);
		se_bind_int(s, q, 2, from);
		st = se_sql_run(s, q, d);
	}
	return se_sql_end(s, st, d);
}
