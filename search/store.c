/* SPDX-License-Identifier: Apache-2.0
 * search/store.c -- statements, and what is written about a study; store_open.c opens, store_trial.c writes trials,
 * store_ops.c is about running searches, store_redo.c about full disks, store_read.c reads, store_copy.c copies. Only these
 * seven files speak to SQLite. All statements stand in one array and are prepared once.
 *
 * Rollback journal and full sync, so that a commit survives a power cut; every change is BEGIN IMMEDIATE .. COMMIT, so
 * that two writers wait for each other instead of failing half-way. Note [Deferred commits] is about slow readers. */
#define _GNU_SOURCE
#include "search/store_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "runtime/rt.h"

#define PATIENCE 6        /* time-outs of a lock */
#define LONG_PATIENCE 60  /* of the last commit */
#define BUSY_MS 10000     /* one time-out */
#define READERS_FIRST 2.0 /* seconds */
#define NOW "?30" /* SE_NOW_AT: bound to the time of every change that asks for it */

const char *const se_sql_source[Q_COUNT] = {
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_FIND_STUDY] = "SELECT s.study_id, s.study_name, x.space, x.sampler, x.data, x.data_key, x.target, x.build, x.origin, "
		"x.seed, x.limit_train, x.latent, x.epochs, x.batch, x.delay, x.width, x.ntrain, x.nval, x.ntest, coalesce(x.keep, 1) "
		"FROM studies s JOIN x_study x USING (study_id) WHERE ?1 IS NULL OR s.study_name = ?1 "
		"ORDER BY s.study_name = 'default' DESC, s.study_id DESC LIMIT 1",
	[Q_ADD_STUDY] = "INSERT INTO studies (study_name) VALUES (?1)",
	[Q_ADD_DIRECTION] = "INSERT INTO study_directions (direction, study_id, objective) VALUES ('MINIMIZE', ?1, 0)",
	[Q_ADD_METRIC] = "INSERT INTO study_system_attributes (study_id, \"key\", value_json) "
		"VALUES (?1, 'study:metric_names', '[\"validation mse\"]')",
	[Q_ADD_XSTUDY] = "INSERT INTO x_study (study_id, space, sampler, seed, data, data_key, limit_train, latent, epochs, "
		"batch, delay, width, ntrain, nval, ntest, target, build, origin, keep, created) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, " NOW ")",
	[Q_SET_KEEP] = "UPDATE x_study SET keep = ?2 WHERE study_id = ?1",
	[Q_ADD_EVENT] = "INSERT INTO x_event (study_id, at, what, number) VALUES (?1, " NOW ", ?2, ?3)",
	[Q_ADD_FLOOR] = "INSERT OR REPLACE INTO x_floor VALUES (?1, ?2, ?3, ?4)",
	[Q_ADD_TRIAL] = "INSERT INTO trials (number, study_id, state) VALUES (?1, ?2, 'WAITING')",
	[Q_ADD_XTRIAL] = "INSERT INTO x_trial (trial_id, ir, arch_key, trial_key, sampler, parent, latent, attempts, "
		"n_params, mutation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9)",
	[Q_ADD_PARAM] = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
		"VALUES (?1, ?2, ?3, ?4)",
	[Q_ADD_XPARAM] = "INSERT INTO x_param VALUES (?1, ?2, ?3)",
	[Q_START] = "UPDATE trials SET state = 'RUNNING', datetime_start = " NOW " WHERE trial_id = ?1 AND state = 'WAITING'",
	[Q_ADD_EPOCH] = "INSERT OR REPLACE INTO trial_intermediate_values (trial_id, step, intermediate_value, "
		"intermediate_value_type) VALUES (?1, ?2, ?3, ?4)",
	[Q_ADD_BITS] = "INSERT OR REPLACE INTO x_epoch VALUES (?1, ?2, ?3)",
	[Q_END] = "UPDATE trials SET state = ?2, datetime_complete = " NOW " WHERE trial_id = ?1 AND state = 'RUNNING'",
	[Q_ADD_VALUE] = "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?1, 0, ?2, ?3)",
	[Q_SET_RESULT] = "UPDATE x_trial SET n_params = coalesce(?2, n_params), flops = ?3, arena_bytes = ?4, "
		"compile_ms = ?5, train_s = ?6, epochs = ?7, cause = ?8, value_bits = ?9, weights_key = ?10, target = ?11, "
		"weights_file = ?12 "
		"WHERE trial_id = ?1",
	[Q_WAIT] = "UPDATE trials SET state = 'WAITING', datetime_start = NULL WHERE trial_id = ?1 AND state = 'RUNNING'",
	[Q_DROP_CURVE] = "DELETE FROM trial_intermediate_values WHERE trial_id = ?1",
	[Q_DROP_BITS] = "DELETE FROM x_epoch WHERE trial_id = ?1",
	[Q_ATTEMPT] = "UPDATE x_trial SET attempts = attempts + 1 WHERE trial_id = ?1",
	[Q_SET_TEST] = "UPDATE x_trial SET test_value = ?2 WHERE trial_id = ?1",
#define OURS_RUNNING "(SELECT trial_id FROM trials JOIN x_trial USING (trial_id) WHERE study_id = ?1 AND state = 'RUNNING')"
	[Q_RECOVER_CURVES] = "DELETE FROM trial_intermediate_values WHERE trial_id IN " OURS_RUNNING,
	[Q_RECOVER_BITS] = "DELETE FROM x_epoch WHERE trial_id IN " OURS_RUNNING,
	[Q_RECOVER] = "UPDATE trials SET state = 'WAITING', datetime_start = NULL WHERE trial_id IN " OURS_RUNNING,
	[Q_HISTORY] = "SELECT t.trial_id, t.number, coalesce(x.latent, 0), coalesce(x.attempts, 0), coalesce(x.flops, 0), "
		"t.state, v.value, x.train_s, x.test_value, x.ir, x.arch_key, x.trial_key, x.weights_key, x.weights_file, x.cause, "
		"coalesce(x.epochs, 0) "
		"FROM trials t LEFT JOIN x_trial x USING (trial_id) "
		"LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0 "
		"WHERE t.study_id = ?1 ORDER BY t.number",
	[Q_PARAMS] = "SELECT t.number, p.param_name, p.param_value FROM trials t JOIN trial_params p USING (trial_id) "
		"WHERE t.study_id = ?1 ORDER BY t.number",
	[Q_ADD_PROFILE] = "INSERT INTO x_profile VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[Q_ADD_KERNEL] = "INSERT INTO x_kernel VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[Q_SAVEPOINT] = "SAVEPOINT change",
	[Q_RELEASE] = "RELEASE change",
	[Q_UNDO] = "ROLLBACK TO change",
	[Q_VERSION] = "PRAGMA data_version",
	[Q_SET_DRIVER] = "INSERT OR REPLACE INTO x_driver VALUES (?1, ?2, ?3, " NOW ", ?4, ?5, ?6, "
		"CASE WHEN ?7 > 0 THEN strftime('%Y-%m-%d %H:%M:%f000', " NOW ", '+' || ?7 || ' seconds') END)",
	[Q_SET_PID] = "UPDATE x_trial SET pid = ?2 WHERE trial_id = ?1",
	[Q_REQUEST] = "SELECT what FROM x_request WHERE study_id = ?1 AND taken IS NULL ORDER BY what DESC LIMIT 1",
	[Q_ADD_REQUEST] = "INSERT INTO x_request (study_id, at, what) VALUES (?1, " NOW ", ?2)",
	[Q_TAKE_REQUESTS] = "UPDATE x_request SET taken = " NOW " WHERE study_id = ?1 AND taken IS NULL",
	[Q_SET_FILE] = "UPDATE x_trial SET weights_file = ?2 WHERE trial_id = ?1",
	[Q_FILE_USERS] = "SELECT count(*) FROM x_trial WHERE weights_file = ?1",
	[Q_STRANGERS] = "SELECT t.trial_id, t.number, t.state, (SELECT value_json FROM trial_system_attributes a "
		"WHERE a.trial_id = t.trial_id AND a.\"key\" = 'fixed_params') "
		"FROM trials t WHERE t.study_id = ?1 AND t.number >= ?2 AND NOT EXISTS (SELECT 1 FROM x_trial x "
		"WHERE x.trial_id = t.trial_id) ORDER BY t.number",
	/* Finished trials only; ?1 the new study, ?2 the old one. The rows of one trial are found again by its number. */
	[Q_COPY_TRIALS] = "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) SELECT number, ?1, state, "
		"datetime_start, datetime_complete FROM trials WHERE study_id = ?2 AND state IN ('COMPLETE', 'PRUNED', 'FAIL') "
		"AND number < coalesce((SELECT min(number) FROM trials WHERE study_id = ?2 AND state IN ('WAITING', 'RUNNING')), "
		"9223372036854775807) ORDER BY number",
#define EACH "FROM trials n JOIN trials o ON o.number = n.number AND o.study_id = ?2 "
#define THESE " WHERE n.study_id = ?1 ORDER BY n.number"
	[Q_COPY_XTRIALS] = "INSERT INTO x_trial (trial_id, ir, arch_key, trial_key, sampler, parent, latent, attempts, n_params, flops, "
		"arena_bytes, compile_ms, train_s, epochs, cause, value_bits, weights_key, test_value, weights_file, target, mutation, pid) "
		"SELECT n.trial_id, ir, arch_key, trial_key, sampler, parent, latent, attempts, n_params, flops, arena_bytes, "
		"compile_ms, train_s, epochs, cause, value_bits, weights_key, test_value, weights_file, target, mutation, pid "
		EACH "JOIN x_trial x ON x.trial_id = o.trial_id" THESE,
	[Q_COPY_PARAMS] = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) SELECT n.trial_id, param_name, "
		"param_value, distribution_json " EACH "JOIN trial_params x ON x.trial_id = o.trial_id" THESE,
	[Q_COPY_XPARAMS] = "INSERT INTO x_param SELECT n.trial_id, name, value "
		EACH "JOIN x_param x ON x.trial_id = o.trial_id" THESE,
	[Q_COPY_VALUES] = "INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT n.trial_id, objective, value, "
		"value_type " EACH "JOIN trial_values x ON x.trial_id = o.trial_id" THESE,
	[Q_COPY_CURVES] = "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
		"SELECT n.trial_id, step, intermediate_value, intermediate_value_type "
		EACH "JOIN trial_intermediate_values x ON x.trial_id = o.trial_id" THESE,
	[Q_COPY_BITS] = "INSERT INTO x_epoch SELECT n.trial_id, step, bits " EACH "JOIN x_epoch x ON x.trial_id = o.trial_id" THESE,
	[Q_COPY_FLOORS] = "INSERT INTO x_floor SELECT ?1, latent, val_mse, test_mse FROM x_floor WHERE study_id = ?2",
};

static const ir_loc nowhere = {0, 0, 0};

ir_status se_sql_say(const se_store *s, ir_status st, const char *text, ir_diag *d)
{
	ir_error(d, nowhere, IR_E_file, s->path, text);
	return st;
}

/* SQLite tells a full disk from a broken one only where it writes; elsewhere errno does. */
static bool is_full(sqlite3 *db, int rc)
{
	int base = rc & 0xff, why = db ? sqlite3_system_errno(db) : 0;

	return base == SQLITE_FULL || ((base == SQLITE_IOERR || base == SQLITE_CANTOPEN) && (why == ENOSPC || why == EDQUOT));
}

ir_status se_sql_status(const se_store *s, int rc)
{
	if (is_full(s->db, rc))
		return IR_EFULL;
	switch (rc & 0xff) {
	case SQLITE_OK: case SQLITE_DONE: case SQLITE_ROW: return IR_OK;
	case SQLITE_BUSY: case SQLITE_LOCKED: return IR_EBUSY;
	case SQLITE_NOTADB: return IR_EUNAVAILABLE;
	case SQLITE_NOMEM: return IR_ENOMEM;
	case SQLITE_READONLY: case SQLITE_CANTOPEN: case SQLITE_IOERR: case SQLITE_FULL: case SQLITE_PERM:
	case SQLITE_CORRUPT: case SQLITE_AUTH: return IR_EIO;
	default: return IR_EINTERNAL;
	}
}

ir_status se_sql_fail(const se_store *s, int rc, ir_diag *d)
{
	ir_status st = se_sql_status(s, rc);

	if (st == IR_EBUSY)
		return se_sql_say(s, st, "the database is locked by another program", d);
	if (st == IR_EFULL)
		return se_sql_say(s, st, ir_status_text(st), d);
	return se_sql_say(s, st, sqlite3_errmsg(s->db), d);
}

/* ---- statements ------------------------------------------------------------------------------------------------ */

/* Rolling back is the last word of a failed transaction; its own failure has nobody left to tell. */
static void step_quietly(sqlite3_stmt *q)
{
	sqlite3_step(q);
	sqlite3_reset(q);
}

/* Steps a bound change and forgets its values. SQLITE_DONE also when there is no transaction any more to make it in: then
 * store_redo.c makes it later. */
static int step_change(se_store *s, query which)
{
	sqlite3_stmt *q = s->stmt[which];
	bool lost = s->lost;
	int rc = SQLITE_DONE;
	char now[SE_NOW_CHARS];

	if (sqlite3_bind_parameter_count(q) == SE_NOW_AT)
		se_bind_text(s, which, SE_NOW_AT, se_sql_now(now));
	if (!lost) {
		rc = sqlite3_step(q);
		s->changes = sqlite3_changes(s->db);
		s->id = sqlite3_last_insert_rowid(s->db);
		lost = s->deferred && se_sql_status(s, rc) == IR_EFULL;
	}
	if (s->deferred)
		se_redo_add(s, which);
	sqlite3_reset(q); /* repeats rc, ignored on purpose */
	sqlite3_clear_bindings(q);
	memset(s->bound, 0, sizeof s->bound);
	if (!lost)
		return rc;
	se_redo_lose(s);
	return SQLITE_DONE;
}

ir_status se_sql_run(se_store *s, query which, ir_diag *d)
{
	int rc = step_change(s, which);

	return rc == SQLITE_DONE ? IR_OK : se_sql_fail(s, rc, d);
}

ir_status se_sql_run_int(se_store *s, query which, int64_t v, ir_diag *d)
{
	se_bind_int(s, which, 1, v);
	return se_sql_run(s, which, d);
}

ir_status se_sql_run_id(se_store *s, query which, int64_t *id, ir_diag *d)
{
	ir_status st = se_sql_run(s, which, d);

	if (st == IR_OK && s->lost)
		st = IR_EFULL;
	*id = st == IR_OK ? s->id : 0;
	return st;
}

bool se_sql_hit(const se_store *s)
{
	return s->lost || s->changes == 1;
}

void se_bind_int(se_store *s, query q, int i, int64_t v)
{
	sqlite3_bind_int64(s->stmt[q], i, v);
	s->bound[i - 1] = (se_cell){.kind = SE_INTEGER, .i = v};
}

void se_bind_text(se_store *s, query q, int i, const char *text)
{
	sqlite3_bind_text(s->stmt[q], i, text, -1, SQLITE_STATIC);
	s->bound[i - 1] = (se_cell){.kind = text ? SE_TEXT : SE_NULL, .text = text};
}

void se_bind_real(se_store *s, query q, int i, double v)
{
	sqlite3_bind_double(s->stmt[q], i, v);
	s->bound[i - 1] = (se_cell){.kind = SE_REAL, .r = v};
}

/* BEGIN IMMEDIATE waits for other writers, for several time-outs: they are other drivers and enqueued trials, short ones. */
static ir_status begin(se_store *s, ir_diag *d)
{
	int rc = SQLITE_BUSY;

	for (int i = 0; (rc & 0xff) == SQLITE_BUSY && i < PATIENCE; i++) {
		rc = sqlite3_step(s->stmt[Q_BEGIN]);
		sqlite3_reset(s->stmt[Q_BEGIN]);
	}
	return rc == SQLITE_DONE ? IR_OK : se_sql_fail(s, rc, d);
}

ir_status se_sql_begin(se_store *s, ir_diag *d)
{
	ir_status st;

	if (!s->deferred)
		return begin(s, d);
	st = se_store_hold(s, d);
	s->mark = s->nredo;
	if (st == IR_OK && !s->lost)
		step_quietly(s->stmt[Q_SAVEPOINT]); /* costs memory only */
	return st;
}

/* A reader that is slow may delay a commit; it must not turn it into an error, so we wait for several time-outs. */
static ir_status commit(se_store *s, int patience, int *rc)
{
	*rc = SQLITE_BUSY;
	for (int i = 0; (*rc & 0xff) == SQLITE_BUSY && i < patience; i++) {
		*rc = sqlite3_step(s->stmt[Q_COMMIT]);
		sqlite3_reset(s->stmt[Q_COMMIT]);
	}
	return se_sql_status(s, *rc);
}

static ir_status end_deferred(se_store *s, ir_status st)
{
	if (st != IR_OK)
		s->nredo = s->mark;
	if (s->lost)
		return st;
	if (sqlite3_get_autocommit(s->db)) { /* a failure of the world takes the whole transaction along */
		se_redo_lose(s);
		return st;
	}
	if (st != IR_OK)
		step_quietly(s->stmt[Q_UNDO]);
	step_quietly(s->stmt[Q_RELEASE]);
	return st;
}

ir_status se_sql_end(se_store *s, ir_status st, ir_diag *d)
{
	int rc;

	if (s->deferred)
		return end_deferred(s, st);
	if (st == IR_OK && commit(s, PATIENCE, &rc) != IR_OK)
		st = se_sql_fail(s, rc, d);
	if (st != IR_OK && !sqlite3_get_autocommit(s->db))
		step_quietly(s->stmt[Q_ROLLBACK]);
	return st;
}

/* ---- many changes, one commit -------------------------------------------------------------------------------------- */

void se_store_defer(se_store *s)
{
	s->deferred = true;
}

ir_status se_store_hold(se_store *s, ir_diag *d)
{
	ir_status st;

	if (s->open || s->lost)
		return IR_OK;
	st = begin(s, d);
	s->open = st == IR_OK;
	s->since = rt_seconds();
	return st;
}

/* Does another process read the file just now? SQLite's readers lock these bytes (file format 1.6: the lock-byte page). With
 * a write-ahead log they do not hinder a commit. */
static bool is_read(const se_store *s)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510};

	return !s->wal && s->lease >= 0 && !fcntl(s->lease, F_GETLK, &l) && l.l_type != F_UNLCK;
}

/* Note [Deferred commits]: a reader that holds its lock for a minute must not hold up the search. Changes gather in one
 * open transaction, which readers do not see and do not hinder; only COMMIT needs them gone. A COMMIT that fails keeps
 * new readers out until it succeeds, so it is tried only when nobody reads, or when changes are older than
 * READERS_FIRST. Until then workers go on: what they do is lost if the driver is killed now, but nobody was told of it. */
ir_status se_store_flush(se_store *s, bool wait, ir_diag *d)
{
	ir_status st = s->lost ? se_redo_again(s, d) : IR_OK;
	int rc;

	if (st != IR_OK || !s->open)
		return st;
	if (!wait && rt_seconds() - s->since < READERS_FIRST && is_read(s))
		return IR_EBUSY;
	se_store_timeout(s, wait ? BUSY_MS : 20);
	st = commit(s, wait ? LONG_PATIENCE : 1, &rc);
	se_store_timeout(s, BUSY_MS);
	s->open = !sqlite3_get_autocommit(s->db);
	if (st == IR_OK)
		se_redo_clear(s);
	else if (!s->open)
		se_redo_lose(s);
	return st == IR_OK || st == IR_EFULL || (st == IR_EBUSY && !wait) ? st : se_sql_fail(s, rc, d);
}

bool se_store_pending(const se_store *s)
{
	return s->open || s->nredo;
}

bool se_store_changed(se_store *s)
{
	sqlite3_stmt *q = s->stmt[Q_VERSION];
	int64_t now = s->version;

	if (sqlite3_step(q) == SQLITE_ROW)
		now = sqlite3_column_int64(q, 0);
	sqlite3_reset(q);
	if (now == s->version)
		return false;
	s->version = now;
	return true;
}

/* ---- studies ----------------------------------------------------------------------------------------------------- */

static ir_status add_xstudy(se_store *s, const se_study *st, ir_diag *d)
{
	const int64_t number[] = {st->limit_train, st->latent, st->epochs, st->batch, st->delay, st->width, st->ntrain,
		st->nval, st->ntest};
	const query q = Q_ADD_XSTUDY;

	se_bind_int(s, q, 1, st->id);
	se_bind_text(s, q, 2, st->space);
	se_bind_text(s, q, 3, st->sampler);
	se_bind_int(s, q, 4, st->seed);
	se_bind_text(s, q, 5, st->data);
	se_bind_text(s, q, 6, st->data_key);
	for (int i = 0; i < 9; i++)
		se_bind_int(s, q, 7 + i, number[i]);
	se_bind_text(s, q, 16, st->target);
	se_bind_text(s, q, 17, st->build);
	se_bind_text(s, q, 18, st->origin);
	se_bind_int(s, q, 19, st->keep);
	return se_sql_run(s, q, d);
}

/* Two drivers may begin the same new study: both found no row of that name, the second to write one is told so. */
static ir_status add_name(se_store *s, se_study *study, ir_diag *d)
{
	int rc;

	se_bind_text(s, Q_ADD_STUDY, 1, study->name);
	rc = step_change(s, Q_ADD_STUDY);
	study->id = rc == SQLITE_DONE && !s->lost ? s->id : 0;
	if (rc == SQLITE_CONSTRAINT_UNIQUE)
		return se_sql_say(s, IR_EBUSY, "another gradmill search has just begun this study", d);
	if (rc != SQLITE_DONE)
		return se_sql_fail(s, rc, d);
	return s->lost ? IR_EFULL : IR_OK;
}

ir_status se_store_add_study(se_store *s, se_study *study, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	st = add_name(s, study, d);
	if (st == IR_OK)
		st = se_sql_run_int(s, Q_ADD_DIRECTION, study->id, d);
	if (st == IR_OK)
		st = se_sql_run_int(s, Q_ADD_METRIC, study->id, d);
	if (st == IR_OK)
		st = add_xstudy(s, study, d);
	return se_sql_end(s, st, d);
}

ir_status se_store_add_event(se_store *s, int64_t study, const char *what, int64_t number, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_ADD_EVENT, 1, study);
	se_bind_text(s, Q_ADD_EVENT, 2, what);
	if (number >= 0)
		se_bind_int(s, Q_ADD_EVENT, 3, number);
	return se_sql_end(s, se_sql_run(s, Q_ADD_EVENT, d), d);
}

ir_status se_store_add_floor(se_store *s, int64_t study, int64_t latent, double val, double test, ir_diag *d)
{
	ir_status st = se_sql_begin(s, d);

	if (st != IR_OK)
		return st;
	se_bind_int(s, Q_ADD_FLOOR, 1, study);
	se_bind_int(s, Q_ADD_FLOOR, 2, latent);
	se_bind_real(s, Q_ADD_FLOOR, 3, val);
	se_bind_real(s, Q_ADD_FLOOR, 4, test);
	return se_sql_end(s, se_sql_run(s, Q_ADD_FLOOR, d), d);
}
