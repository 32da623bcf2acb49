/* SPDX-License-Identifier: Apache-2.0
 * search/store.c -- opening, statements, and everything that writes; store_read.c reads. Only these two files speak to
 * SQLite. All statements stand in one array and are prepared once.
 *
 * Rollback journal and full sync, so that a commit survives a power cut; every change is BEGIN IMMEDIATE .. COMMIT, so
 * that two writers wait for each other instead of failing half-way. Note [Lease] is about the one driver per study. */
#define _GNU_SOURCE
#include "search/store_int.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const char se_schema_sql[]; /* schema.sql */
extern const size_t se_schema_sql_len;

#define SCHEMA_VERSION 1
#define ALEMBIC "v3.2.0.a"
#define NOW "strftime('%Y-%m-%d %H:%M:%f000', 'now')" /* UTC with microseconds, as Optuna writes dates */

static const char *const sql_text[Q_COUNT] = {
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_FIND_STUDY] = "SELECT s.study_id, s.study_name, x.space, x.sampler, x.data, x.data_key, x.target, x.build, "
		"x.seed, x.limit_train, x.latent, x.epochs, x.batch, x.delay, x.width, x.ntrain, x.nval, x.ntest "
		"FROM studies s JOIN x_study x USING (study_id) WHERE ?1 IS NULL OR s.study_name = ?1 "
		"ORDER BY s.study_id DESC LIMIT 1",
	[Q_ADD_STUDY] = "INSERT INTO studies (study_name) VALUES (?1)",
	[Q_ADD_DIRECTION] = "INSERT INTO study_directions (direction, study_id, objective) VALUES ('MINIMIZE', ?1, 0)",
	[Q_ADD_METRIC] = "INSERT INTO study_system_attributes (study_id, \"key\", value_json) "
		"VALUES (?1, 'study:metric_names', '[\"validation mse\"]')",
	[Q_ADD_XSTUDY] = "INSERT INTO x_study VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
		"?16, ?17, " NOW ")",
	[Q_ADD_EVENT] = "INSERT INTO x_event (study_id, at, what, number) VALUES (?1, " NOW ", ?2, ?3)",
	[Q_ADD_FLOOR] = "INSERT OR REPLACE INTO x_floor VALUES (?1, ?2, ?3, ?4)",
	[Q_ADD_TRIAL] = "INSERT INTO trials (number, study_id, state) VALUES (?1, ?2, 'WAITING')",
	[Q_ADD_XTRIAL] = "INSERT INTO x_trial (trial_id, ir, arch_key, trial_key, sampler, parent, latent, attempts, "
		"n_params) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
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
		"compile_ms = ?5, train_s = ?6, epochs = ?7, cause = ?8, value_bits = ?9, weights_key = ?10, target = ?11 "
		"WHERE trial_id = ?1",
	[Q_WAIT] = "UPDATE trials SET state = 'WAITING', datetime_start = NULL WHERE trial_id = ?1 AND state = 'RUNNING'",
	[Q_DROP_CURVE] = "DELETE FROM trial_intermediate_values WHERE trial_id = ?1",
	[Q_DROP_BITS] = "DELETE FROM x_epoch WHERE trial_id = ?1",
	[Q_ATTEMPT] = "UPDATE x_trial SET attempts = attempts + 1 WHERE trial_id = ?1",
	[Q_SET_TEST] = "UPDATE x_trial SET test_value = ?2, weights_file = coalesce(?3, weights_file) WHERE trial_id = ?1",
	[Q_RUNNING] = "SELECT trial_id FROM trials JOIN x_trial USING (trial_id) WHERE study_id = ?1 AND state = 'RUNNING' "
		"ORDER BY number LIMIT 1",
	[Q_HISTORY] = "SELECT t.trial_id, t.number, coalesce(x.latent, 0), coalesce(x.attempts, 0), coalesce(x.flops, 0), "
		"t.state, v.value, x.train_s, x.test_value, x.ir, x.arch_key, x.trial_key, x.weights_key, x.weights_file "
		"FROM trials t LEFT JOIN x_trial x USING (trial_id) "
		"LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0 "
		"WHERE t.study_id = ?1 ORDER BY t.number",
	[Q_PARAMS] = "SELECT t.number, p.param_name, p.param_value FROM trials t JOIN trial_params p USING (trial_id) "
		"WHERE t.study_id = ?1 ORDER BY t.number",
	[Q_FIND_KEY] = "SELECT t.number FROM x_trial x JOIN trials t USING (trial_id) WHERE x.trial_key = ?2 AND "
		"t.study_id = ?1 ORDER BY t.number LIMIT 1",
};

static const char *const state_name[SE_STATE_COUNT] = {"WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"};

const char *se_state_name(se_state s)
{
	return state_name[s];
}

static const ir_loc nowhere = {0, 0, 0};

ir_status se_sql_say(const se_store *s, ir_status st, const char *text, ir_diag *d)
{
	ir_error(d, nowhere, IR_E_file, s->path, text);
	return st;
}

static ir_status map_rc(int rc)
{
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
	ir_status st = map_rc(rc);

	if (st == IR_EBUSY)
		return se_sql_say(s, st, "the database is locked by another program", d);
	return se_sql_say(s, st, sqlite3_errmsg(s->db), d);
}

/* ---- statements ------------------------------------------------------------------------------------------------ */

/* Rolling back is the last word of a failed transaction; its own failure has nobody left to tell. */
static void step_quietly(sqlite3_stmt *q)
{
	sqlite3_step(q);
	sqlite3_reset(q);
}

/* Runs a bound statement that returns no rows. */
static ir_status run(se_store *s, query which, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[which];
	int rc = sqlite3_step(q);
	ir_status st = rc == SQLITE_DONE ? IR_OK : se_sql_fail(s, rc, d);

	sqlite3_reset(q); /* repeats rc, ignored on purpose */
	sqlite3_clear_bindings(q);
	return st;
}

static ir_status run_int(se_store *s, query which, int64_t v, ir_diag *d)
{
	sqlite3_bind_int64(s->stmt[which], 1, v);
	return run(s, which, d);
}

static void bind_text(se_store *s, query q, int i, const char *text)
{
	sqlite3_bind_text(s->stmt[q], i, text, -1, SQLITE_STATIC); /* outlives the step; NULL binds NULL */
}

static void bind_real(se_store *s, query q, int i, double v)
{
	sqlite3_bind_double(s->stmt[q], i, v); /* SQLite stores NaN as NULL, which is what we mean */
}

static ir_status begin(se_store *s, ir_diag *d)
{
	return run(s, Q_BEGIN, d);
}

/* A reader that is slow may delay a commit; it must not turn it into an error, so we wait for several time-outs. */
static ir_status commit_or_rollback(se_store *s, ir_status st, ir_diag *d)
{
	int rc = SQLITE_BUSY;

	for (int i = 0; st == IR_OK && (rc & 0xff) == SQLITE_BUSY && i < 6; i++) {
		rc = sqlite3_step(s->stmt[Q_COMMIT]);
		sqlite3_reset(s->stmt[Q_COMMIT]);
	}
	if (st == IR_OK && rc != SQLITE_DONE)
		st = se_sql_fail(s, rc, d);
	if (st != IR_OK && !sqlite3_get_autocommit(s->db))
		step_quietly(s->stmt[Q_ROLLBACK]);
	return st;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static bool scalar(sqlite3 *db, const char *sql, char *out, size_t cap, int *rc)
{
	sqlite3_stmt *q = NULL;
	bool row = false;

	out[0] = 0;
	*rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
	if (*rc == SQLITE_OK) {
		*rc = sqlite3_step(q);
		row = *rc == SQLITE_ROW;
		if (row && sqlite3_column_text(q, 0))
			snprintf(out, cap, "%s", (const char *)sqlite3_column_text(q, 0));
	}
	sqlite3_finalize(q);
	return row;
}

/* Whose file is it? Reads only, so that a foreign one stays untouched. *fresh: it has no tables at all. */
static ir_status identify(se_store *s, bool *fresh, ir_diag *d)
{
	char tables[32], alembic[64], version[32], ours[32];
	int rc;

	*fresh = false;
	if (!scalar(s->db, "SELECT count(*) FROM sqlite_schema", tables, sizeof tables, &rc)) {
		if ((rc & 0xff) == SQLITE_NOTADB)
			return se_sql_say(s, IR_EUNAVAILABLE, "not a SQLite database", d);
		return se_sql_fail(s, rc, d);
	}
	if (!strcmp(tables, "0")) {
		*fresh = true;
		return IR_OK;
	}
	if (!scalar(s->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'x_study'", ours, sizeof ours, &rc) ||
	    !scalar(s->db, "PRAGMA user_version", version, sizeof version, &rc))
		return se_sql_fail(s, rc, d);
	scalar(s->db, "SELECT version_num FROM alembic_version", alembic, sizeof alembic, &rc);
	if (strcmp(ours, "1"))
		return se_sql_say(s, IR_EUNAVAILABLE, alembic[0] ? "an Optuna database that gradmill did not make; it was left alone"
			: "a database of another program; it was left alone", d);
	if (atoi(version) > SCHEMA_VERSION)
		return se_sql_say(s, IR_EUNAVAILABLE, "written by a newer gradmill; it was left alone", d);
	if (strcmp(alembic, ALEMBIC) || atoi(version) < 1)
		return se_sql_say(s, IR_EUNAVAILABLE, "its schema was changed by another program; it was left alone", d);
	return IR_OK;
}

static ir_status exec(se_store *s, const char *sql, ir_diag *d)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? IR_OK : se_sql_fail(s, rc, d);
}

/* Two drivers may find the same empty file: the second waits for the lock and then sees the tables. */
static ir_status create(se_store *s, ir_diag *d)
{
	bool fresh;
	ir_status st = exec(s, "BEGIN IMMEDIATE", d);

	if (st != IR_OK)
		return st;
	st = identify(s, &fresh, d);
	if (st == IR_OK && fresh)
		st = exec(s, se_schema_sql, d);
	if (st == IR_OK)
		st = exec(s, "COMMIT", d);
	if (st != IR_OK && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return st;
}

/* WAL only where SQLite's WAL-reset bug is fixed: 3.51.3 and later, and the branches 3.50.7 and 3.44.6. */
static const char *journal_pragma(void)
{
	int v = sqlite3_libversion_number();
	bool fixed = v >= 3051003 || (v >= 3050007 && v < 3051000) || (v >= 3044006 && v < 3045000);

	return fixed ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = TRUNCATE";
}

static ir_status prepare(se_store *s, bool write, ir_diag *d)
{
	for (int i = 0; i < Q_COUNT; i++) {
		int rc;

		if (!write && !strncmp(sql_text[i], "SELECT", 6) == 0)
			continue;
		rc = sqlite3_prepare_v3(s->db, sql_text[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
		if (rc != SQLITE_OK)
			return se_sql_fail(s, rc, d);
	}
	return IR_OK;
}

static ir_status connect(se_store *s, int flags, ir_diag *d)
{
	int rc = sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_EXRESCODE, NULL);

	if (rc != SQLITE_OK)
		return se_sql_say(s, map_rc(rc) == IR_EINTERNAL ? IR_EIO : map_rc(rc), s->db ? sqlite3_errmsg(s->db) : "out of memory", d);
	sqlite3_busy_timeout(s->db, 10000);
	return IR_OK;
}

static ir_status open_read(se_store *s, ir_diag *d)
{
	char count[32];
	bool fresh;
	int rc;
	ir_status st;

	if (access(s->path, F_OK))
		return se_sql_say(s, IR_ENOINPUT, strerror(errno), d);
	st = connect(s, SQLITE_OPEN_READONLY, d);
	if (st != IR_OK)
		return st;
	/* A driver was killed inside a commit: only a writer may roll that back, so become one for this once. */
	if (!scalar(s->db, "SELECT count(*) FROM sqlite_schema", count, sizeof count, &rc) && (rc & 0xff) == SQLITE_READONLY) {
		sqlite3_close(s->db);
		st = connect(s, SQLITE_OPEN_READWRITE, d);
	}
	if (st == IR_OK)
		st = identify(s, &fresh, d);
	if (st == IR_OK && fresh)
		st = se_sql_say(s, IR_EUNAVAILABLE, "the database is empty", d);
	if (st == IR_OK)
		st = exec(s, "PRAGMA query_only = ON", d);
	return st;
}

static ir_status open_write(se_store *s, ir_diag *d)
{
	bool fresh;
	ir_status st = connect(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, d);

	if (st == IR_OK)
		st = identify(s, &fresh, d);
	if (st == IR_OK && sqlite3_db_readonly(s->db, "main") > 0)
		st = se_sql_say(s, IR_EIO, "the file cannot be written", d);
	if (st == IR_OK)
		st = exec(s, journal_pragma(), d);
	if (st == IR_OK)
		st = exec(s, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", d);
	if (st == IR_OK && fresh)
		st = create(s, d);
	return st;
}

ir_status se_store_open(const char *path, se_open how, se_store **out, ir_diag *d)
{
	se_store *s = ir_xmalloc(1, sizeof *s);
	ir_status st;

	*out = NULL;
	s->lease = -1;
	s->path = ir_xmalloc(strlen(path) + 1, 1);
	strcpy(s->path, path);
	if (se_is_folder(path))
		st = se_sql_say(s, IR_EIO, "is a directory", d);
	else
		st = how == SE_OPEN_READ ? open_read(s, d) : open_write(s, d);
	if (st == IR_OK)
		st = prepare(s, how == SE_OPEN_WRITE, d);
	if (st != IR_OK) {
		se_store_close(s);
		return st;
	}
	*out = s;
	return IR_OK;
}

void se_store_close(se_store *s)
{
	if (!s)
		return;
	for (int i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	if (s->lease >= 0)
		close(s->lease); /* after SQLite's own: closing any descriptor of the file drops its locks */
	free(s->path);
	free(s);
}

void se_store_timeout(se_store *s, int ms)
{
	sqlite3_busy_timeout(s->db, ms);
}

/* ---- studies ----------------------------------------------------------------------------------------------------- */

static ir_status add_xstudy(se_store *s, const se_study *st, ir_diag *d)
{
	const int64_t number[] = {st->limit_train, st->latent, st->epochs, st->batch, st->delay, st->width, st->ntrain,
		st->nval, st->ntest};
	sqlite3_stmt *q = s->stmt[Q_ADD_XSTUDY];

	sqlite3_bind_int64(q, 1, st->id);
	bind_text(s, Q_ADD_XSTUDY, 2, st->space);
	bind_text(s, Q_ADD_XSTUDY, 3, st->sampler);
	sqlite3_bind_int64(q, 4, st->seed);
	bind_text(s, Q_ADD_XSTUDY, 5, st->data);
	bind_text(s, Q_ADD_XSTUDY, 6, st->data_key);
	for (int i = 0; i < 9; i++)
		sqlite3_bind_int64(q, 7 + i, number[i]);
	bind_text(s, Q_ADD_XSTUDY, 16, st->target);
	bind_text(s, Q_ADD_XSTUDY, 17, st->build);
	return run(s, Q_ADD_XSTUDY, d);
}

/* Two drivers may begin the same new study: both found no row of that name, the second to write one is told so. */
static ir_status add_name(se_store *s, const char *name, ir_diag *d)
{
	int rc;

	bind_text(s, Q_ADD_STUDY, 1, name);
	rc = sqlite3_step(s->stmt[Q_ADD_STUDY]);
	sqlite3_reset(s->stmt[Q_ADD_STUDY]); /* repeats rc, ignored on purpose */
	sqlite3_clear_bindings(s->stmt[Q_ADD_STUDY]);
	if (rc == SQLITE_CONSTRAINT_UNIQUE)
		return se_sql_say(s, IR_EBUSY, "another gradmill search has just begun this study", d);
	return rc == SQLITE_DONE ? IR_OK : se_sql_fail(s, rc, d);
}

ir_status se_store_add_study(se_store *s, se_study *study, ir_diag *d)
{
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	st = add_name(s, study->name, d);
	study->id = sqlite3_last_insert_rowid(s->db);
	if (st == IR_OK)
		st = run_int(s, Q_ADD_DIRECTION, study->id, d);
	if (st == IR_OK)
		st = run_int(s, Q_ADD_METRIC, study->id, d);
	if (st == IR_OK)
		st = add_xstudy(s, study, d);
	return commit_or_rollback(s, st, d);
}

ir_status se_store_lease(se_store *s, int64_t study, ir_diag *d)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = ((off_t)1 << 40) + study, .l_len = 1};

	if (s->lease < 0)
		s->lease = open(s->path, O_RDWR | O_CLOEXEC);
	if (s->lease < 0)
		return se_sql_say(s, IR_EIO, strerror(errno), d);
	if (!fcntl(s->lease, F_OFD_SETLK, &l))
		return IR_OK;
	if (errno == EAGAIN || errno == EACCES)
		return se_sql_say(s, IR_EBUSY, "another gradmill search drives this study", d);
	return IR_OK; /* a file system without such locks: the user is on their own, as with SQLite itself */
}

static ir_status forget(se_store *s, int64_t trial, ir_diag *d)
{
	ir_status st = run_int(s, Q_WAIT, trial, d);

	if (st == IR_OK)
		st = run_int(s, Q_DROP_CURVE, trial, d);
	return st == IR_OK ? run_int(s, Q_DROP_BITS, trial, d) : st;
}

ir_status se_store_recover(se_store *s, int64_t study, int64_t *recovered, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_RUNNING];
	ir_status st = begin(s, d);
	int rc = SQLITE_ROW;

	*recovered = 0;
	while (st == IR_OK && rc == SQLITE_ROW) {
		int64_t trial;

		sqlite3_bind_int64(q, 1, study);
		rc = sqlite3_step(q);
		trial = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
		sqlite3_reset(q);
		if (rc == SQLITE_ROW)
			st = forget(s, trial, d), ++*recovered;
		else if (rc != SQLITE_DONE)
			st = se_sql_fail(s, rc, d);
	}
	return commit_or_rollback(s, st, d);
}

ir_status se_store_add_event(se_store *s, int64_t study, const char *what, int64_t number, ir_diag *d)
{
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	sqlite3_bind_int64(s->stmt[Q_ADD_EVENT], 1, study);
	bind_text(s, Q_ADD_EVENT, 2, what);
	if (number >= 0)
		sqlite3_bind_int64(s->stmt[Q_ADD_EVENT], 3, number);
	return commit_or_rollback(s, run(s, Q_ADD_EVENT, d), d);
}

ir_status se_store_add_floor(se_store *s, int64_t study, int64_t latent, double val, double test, ir_diag *d)
{
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	sqlite3_bind_int64(s->stmt[Q_ADD_FLOOR], 1, study);
	sqlite3_bind_int64(s->stmt[Q_ADD_FLOOR], 2, latent);
	bind_real(s, Q_ADD_FLOOR, 3, val);
	bind_real(s, Q_ADD_FLOOR, 4, test);
	return commit_or_rollback(s, run(s, Q_ADD_FLOOR, d), d);
}

/* ---- trials ------------------------------------------------------------------------------------------------------- */

/* The readable value, as a number where it is one. */
static void bind_value(sqlite3_stmt *q, const se_space *sp, const se_genome *g, size_t i)
{
	const se_param *p = &sp->param[i];

	if (p->kind == SE_FLOAT)
		sqlite3_bind_double(q, 3, g->v[i]);
	else if (p->kind == SE_CHOICE && !(p->choice[0][0] >= '0' && p->choice[0][0] <= '9'))
		sqlite3_bind_text(q, 3, p->choice[(int)g->v[i]], -1, SQLITE_STATIC);
	else
		sqlite3_bind_int64(q, 3, (sqlite3_int64)se_genome_number(sp, g, p->name));
}

static ir_status add_param(se_store *s, int64_t trial, const se_proposal *p, size_t i, ir_str *json, ir_diag *d)
{
	const char *name = p->space->param[i].name;
	ir_status st;

	sb_clear(json);
	se_param_distribution(&p->space->param[i], json);
	sqlite3_bind_int64(s->stmt[Q_ADD_PARAM], 1, trial);
	bind_text(s, Q_ADD_PARAM, 2, name);
	bind_real(s, Q_ADD_PARAM, 3, p->genome->v[i]);
	bind_text(s, Q_ADD_PARAM, 4, json->s);
	st = run(s, Q_ADD_PARAM, d);
	if (st != IR_OK)
		return st;
	sqlite3_bind_int64(s->stmt[Q_ADD_XPARAM], 1, trial);
	bind_text(s, Q_ADD_XPARAM, 2, name);
	bind_value(s->stmt[Q_ADD_XPARAM], p->space, p->genome, i);
	return run(s, Q_ADD_XPARAM, d);
}

static ir_status add_params(se_store *s, int64_t trial, const se_proposal *p, ir_diag *d)
{
	ir_status st = IR_OK;
	ir_str json;

	sb_init(&json);
	for (size_t i = 0; st == IR_OK && i < p->space->n; i++)
		if (!isnan(p->genome->v[i]))
			st = add_param(s, trial, p, i, &json, d);
	sb_fini(&json);
	return st;
}

static ir_status add_xtrial(se_store *s, int64_t trial, const se_proposal *p, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_ADD_XTRIAL];
	char arch[IR_KEY_CHARS], key[IR_KEY_CHARS];

	ir_key_print(p->arch, arch);
	ir_key_print(p->key, key);
	sqlite3_bind_int64(q, 1, trial);
	bind_text(s, Q_ADD_XTRIAL, 2, p->ir);
	bind_text(s, Q_ADD_XTRIAL, 3, arch);
	bind_text(s, Q_ADD_XTRIAL, 4, key);
	bind_text(s, Q_ADD_XTRIAL, 5, p->sampler);
	if (p->parent >= 0)
		sqlite3_bind_int64(q, 6, p->parent);
	sqlite3_bind_int64(q, 7, p->latent);
	sqlite3_bind_int64(q, 8, p->n_params);
	return run(s, Q_ADD_XTRIAL, d);
}

ir_status se_store_propose(se_store *s, int64_t study, const se_proposal *p, int64_t *trial, ir_diag *d)
{
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	sqlite3_bind_int64(s->stmt[Q_ADD_TRIAL], 1, p->number);
	sqlite3_bind_int64(s->stmt[Q_ADD_TRIAL], 2, study);
	st = run(s, Q_ADD_TRIAL, d);
	*trial = sqlite3_last_insert_rowid(s->db);
	if (st == IR_OK)
		st = add_xtrial(s, *trial, p, d);
	if (st == IR_OK)
		st = add_params(s, *trial, p, d);
	return commit_or_rollback(s, st, d);
}

/* Runs an update that must hit exactly one row: anything else means that somebody else changed the trial. */
static ir_status run_one(se_store *s, query q, ir_diag *d)
{
	ir_status st = run(s, q, d);

	if (st == IR_OK && sqlite3_changes(s->db) != 1)
		return se_sql_say(s, IR_EINTERNAL, "a trial changed its state behind our back", d);
	return st;
}

ir_status se_store_begin(se_store *s, int64_t trial, ir_diag *d)
{
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	sqlite3_bind_int64(s->stmt[Q_START], 1, trial);
	return commit_or_rollback(s, run_one(s, Q_START, d), d);
}

static unsigned long long bits_of(double v)
{
	unsigned long long u;

	memcpy(&u, &v, sizeof u);
	return u;
}

static const char *value_type(double v)
{
	return isnan(v) ? "NAN" : !isinf(v) ? "FINITE" : v > 0 ? "INF_POS" : "INF_NEG";
}

ir_status se_store_epoch(se_store *s, int64_t trial, int64_t epoch, double train, double val, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_ADD_EPOCH], *b = s->stmt[Q_ADD_BITS];
	char bits[40];
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	sqlite3_bind_int64(q, 1, trial);
	sqlite3_bind_int64(q, 2, epoch);
	if (isfinite(val))
		bind_real(s, Q_ADD_EPOCH, 3, val);
	bind_text(s, Q_ADD_EPOCH, 4, value_type(val));
	st = run(s, Q_ADD_EPOCH, d);
	snprintf(bits, sizeof bits, "%016llx:%016llx", bits_of(train), bits_of(val));
	sqlite3_bind_int64(b, 1, trial);
	sqlite3_bind_int64(b, 2, epoch);
	bind_text(s, Q_ADD_BITS, 3, bits);
	if (st == IR_OK)
		st = run(s, Q_ADD_BITS, d);
	else
		sqlite3_clear_bindings(b);
	return commit_or_rollback(s, st, d);
}

static ir_status set_result(se_store *s, int64_t trial, const se_outcome *o, const char *cause, ir_diag *d)
{
	sqlite3_stmt *q = s->stmt[Q_SET_RESULT];
	char bits[20];

	snprintf(bits, sizeof bits, "%016llx", bits_of(o->value));
	sqlite3_bind_int64(q, 1, trial);
	if (o->n_params > 0)
		sqlite3_bind_int64(q, 2, o->n_params);
	sqlite3_bind_int64(q, 3, o->flops);
	sqlite3_bind_int64(q, 4, o->arena_bytes);
	bind_real(s, Q_SET_RESULT, 5, o->compile_ms);
	bind_real(s, Q_SET_RESULT, 6, o->train_s);
	sqlite3_bind_int64(q, 7, o->epochs);
	bind_text(s, Q_SET_RESULT, 8, cause);
	bind_text(s, Q_SET_RESULT, 9, isnan(o->value) ? NULL : bits);
	bind_text(s, Q_SET_RESULT, 10, o->weights_key);
	bind_text(s, Q_SET_RESULT, 11, o->target);
	return run(s, Q_SET_RESULT, d);
}

static ir_status add_value(se_store *s, int64_t trial, double value, ir_diag *d)
{
	sqlite3_bind_int64(s->stmt[Q_ADD_VALUE], 1, trial);
	if (isfinite(value))
		bind_real(s, Q_ADD_VALUE, 2, value);
	bind_text(s, Q_ADD_VALUE, 3, value_type(value));
	return run(s, Q_ADD_VALUE, d);
}

ir_status se_store_finish(se_store *s, int64_t trial, const se_outcome *o, ir_diag *d)
{
	bool nan = o->state == SE_COMPLETE && isnan(o->value);
	se_state state = nan ? SE_FAIL : o->state;
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	sqlite3_bind_int64(s->stmt[Q_END], 1, trial);
	bind_text(s, Q_END, 2, state_name[state]);
	st = run_one(s, Q_END, d);
	if (st == IR_OK)
		st = set_result(s, trial, o, nan ? "the value is not a number" : o->cause, d);
	if (st == IR_OK && state == SE_COMPLETE)
		st = add_value(s, trial, o->value, d);
	return commit_or_rollback(s, st, d);
}

ir_status se_store_retry(se_store *s, int64_t trial, ir_diag *d)
{
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	st = forget(s, trial, d);
	if (st == IR_OK)
		st = run_int(s, Q_ATTEMPT, trial, d);
	return commit_or_rollback(s, st, d);
}

ir_status se_store_set_test(se_store *s, int64_t trial, double test, const char *weights_file, ir_diag *d)
{
	ir_status st = begin(s, d);

	if (st != IR_OK)
		return st;
	sqlite3_bind_int64(s->stmt[Q_SET_TEST], 1, trial);
	bind_real(s, Q_SET_TEST, 2, test);
	bind_text(s, Q_SET_TEST, 3, weights_file);
	return commit_or_rollback(s, run_one(s, Q_SET_TEST, d), d);
}

/* Note [Lease]: one driver per study, without a heartbeat. A lock on one byte far behind the end of the file (and
 * behind SQLite's own lock bytes at 1 GiB) belongs to the open file, so the kernel drops it when the process dies in
 * whatever way, and it never meets the locks that SQLite takes, which belong to the process. */
