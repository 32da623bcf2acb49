/* SPDX-License-Identifier: Apache-2.0
 * search/store_open.c -- opening and closing: whose file it is, making a new one, how SQLite is told to write. */
#include "search/store_int.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const char se_schema_sql[], se_schema_2_sql[], se_schema_3_sql[], se_schema_4_sql[]; /* schema.sql, schema_2.sql, .. */

/* Row v takes a file of version v to version v + 1; 0: no tables at all. To add one: schema_N.sql, which ends with
 * PRAGMA user_version = N, its embed() in CMakeLists.txt, a row here. */
static const char *const schema_step[] = {se_schema_sql, se_schema_2_sql, se_schema_3_sql, se_schema_4_sql};

#define SCHEMA_VERSION (int)(sizeof schema_step / sizeof *schema_step)
#define ALEMBIC "v3.2.0.a"

bool se_sql_scalar(sqlite3 *db, const char *sql, char *out, size_t cap, int *rc)
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

/* Whose file is it? Reads only, so that a foreign one stays untouched. */
static ir_status identify(se_store *s, int *schema, ir_diag *d)
{
	char tables[32], alembic[64], version[32], ours[32];
	int rc;

	*schema = 0;
	if (!se_sql_scalar(s->db, "SELECT count(*) FROM sqlite_schema", tables, sizeof tables, &rc)) {
		if ((rc & 0xff) == SQLITE_NOTADB)
			return se_sql_say(s, IR_EUNAVAILABLE, "not a SQLite database", d);
		return se_sql_fail(s, rc, d);
	}
	if (!strcmp(tables, "0"))
		return IR_OK;
	if (!se_sql_scalar(s->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'x_study'", ours, sizeof ours, &rc) ||
	    !se_sql_scalar(s->db, "PRAGMA user_version", version, sizeof version, &rc))
		return se_sql_fail(s, rc, d);
	if (!se_sql_scalar(s->db, "SELECT version_num FROM alembic_version", alembic, sizeof alembic, &rc) && rc != SQLITE_DONE &&
	    (rc & 0xff) != SQLITE_ERROR) /* no such table */
		return se_sql_fail(s, rc, d);
	if (strcmp(ours, "1"))
		return se_sql_say(s, IR_EUNAVAILABLE, alembic[0] ? "an Optuna database that gradmill did not make; it was left alone"
			: "a database of another program; it was left alone", d);
	if (atoi(version) > SCHEMA_VERSION)
		return se_sql_say(s, IR_EUNAVAILABLE, "written by a newer gradmill; it was left alone", d);
	if (strcmp(alembic, ALEMBIC) || atoi(version) < 1)
		return se_sql_say(s, IR_EUNAVAILABLE, "its schema was changed by another program; it was left alone", d);
	*schema = atoi(version);
	return IR_OK;
}

static ir_status exec(se_store *s, const char *sql, ir_diag *d)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? IR_OK : se_sql_fail(s, rc, d);
}

/* Makes the tables, or what an older file lacks. Two drivers may find the same empty file: the second waits for the lock
 * and then sees the tables. */
static ir_status upgrade(se_store *s, ir_diag *d)
{
	int schema;
	ir_status st = exec(s, "BEGIN IMMEDIATE", d);

	if (st != IR_OK)
		return st;
	st = identify(s, &schema, d);
	while (st == IR_OK && schema < SCHEMA_VERSION)
		st = exec(s, schema_step[schema++], d);
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

/* All statements; for readers those that read. */
static ir_status prepare(se_store *s, bool write, ir_diag *d)
{
	for (int i = 0; i < Q_COUNT; i++) {
		int rc;

		if (!write && strncmp(se_sql_source[i], "SELECT", 6) != 0)
			continue;
		rc = sqlite3_prepare_v3(s->db, se_sql_source[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
		if (rc != SQLITE_OK)
			return se_sql_fail(s, rc, d);
	}
	return IR_OK;
}

static ir_status connect(se_store *s, int flags, ir_diag *d)
{
	int rc = sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_EXRESCODE, NULL);

	if (rc != SQLITE_OK)
		return se_sql_say(s, se_sql_status(s, rc) == IR_EINTERNAL ? IR_EIO : se_sql_status(s, rc),
				  s->db ? sqlite3_errmsg(s->db) : "out of memory", d);
	sqlite3_busy_timeout(s->db, 10000);
	return IR_OK;
}

/* The file as it is, whatever its version. */
static ir_status connect_read(se_store *s, int *schema, ir_diag *d)
{
	char count[32];
	int rc;
	ir_status st;

	if (access(s->path, F_OK))
		return se_sql_say(s, IR_ENOINPUT, strerror(errno), d);
	st = connect(s, SQLITE_OPEN_READONLY, d);
	if (st != IR_OK)
		return st;
	/* A driver was killed inside a commit: only a writer may roll that back, so become one for this once. */
	if (!se_sql_scalar(s->db, "SELECT count(*) FROM sqlite_schema", count, sizeof count, &rc) &&
	    (rc & 0xff) == SQLITE_READONLY) {
		sqlite3_close(s->db);
		st = connect(s, SQLITE_OPEN_READWRITE, d);
	}
	if (st == IR_OK)
		st = identify(s, schema, d);
	if (st == IR_OK && !*schema)
		st = se_sql_say(s, IR_EUNAVAILABLE, "the database is empty", d);
	return st;
}

/* An older file lacks columns that our statements name, and a reader must not add them: it looks at a copy that has
 * them. The copy is SQLite's own temporary file, gone with the connection. */
static ir_status read_copy(se_store *s, ir_diag *d)
{
	sqlite3 *old = s->db;
	sqlite3_backup *b;
	int rc = sqlite3_open_v2("", &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, NULL);
	ir_status st;

	if (rc == SQLITE_OK) {
		b = sqlite3_backup_init(s->db, "main", old, "main");
		if (b)
			sqlite3_backup_step(b, -1); /* finish repeats its failure */
		rc = b ? sqlite3_backup_finish(b) : sqlite3_extended_errcode(s->db);
	}
	st = rc == SQLITE_OK ? upgrade(s, d) : se_sql_fail(s, rc, d);
	sqlite3_close(old);
	return st;
}

static ir_status open_read(se_store *s, ir_diag *d)
{
	int schema;
	ir_status st = connect_read(s, &schema, d);

	if (st == IR_OK && schema < SCHEMA_VERSION)
		st = read_copy(s, d);
	if (st == IR_OK)
		st = exec(s, "PRAGMA query_only = ON", d);
	return st;
}

static ir_status open_write(se_store *s, ir_diag *d)
{
	int schema;
	ir_status st = connect(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, d);

	if (st == IR_OK)
		st = identify(s, &schema, d);
	if (st == IR_OK && sqlite3_db_readonly(s->db, "main") > 0)
		st = se_sql_say(s, IR_EIO, "the file cannot be written", d);
	if (st == IR_OK)
		st = exec(s, journal_pragma(), d);
	s->writes = st == IR_OK;
	s->wal = strstr(journal_pragma(), "WAL") != NULL;
	if (st == IR_OK)
		st = exec(s, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", d);
	if (st == IR_OK && schema < SCHEMA_VERSION)
		st = upgrade(s, d);
	return st;
}

static se_store *new_store(const char *path)
{
	se_store *s = ir_xmalloc(1, sizeof *s);

	s->lease = -1;
	s->path = ir_xmalloc(strlen(path) + 1, 1);
	strcpy(s->path, path);
	return s;
}

/* The end of every way to open: a store, or none and a message. */
static ir_status hand_out(se_store *s, ir_status st, se_store **out)
{
	if (st != IR_OK) {
		se_store_close(s);
		s = NULL;
	}
	*out = s;
	return st;
}

ir_status se_store_open(const char *path, se_open how, se_store **out, ir_diag *d)
{
	se_store *s = new_store(path);
	ir_status st;

	if (se_is_folder(path))
		st = se_sql_say(s, IR_EIO, "is a directory", d);
	else
		st = how == SE_OPEN_READ ? open_read(s, d) : open_write(s, d);
	if (st == IR_OK)
		st = prepare(s, how == SE_OPEN_WRITE, d);
	return hand_out(s, st, out);
}

ir_status se_sql_open_as_is(const char *path, se_store **out, ir_diag *d)
{
	se_store *s = new_store(path);
	int schema;

	return hand_out(s, se_is_folder(path) ? se_sql_say(s, IR_EIO, "is a directory", d) : connect_read(s, &schema, d), out);
}

void se_store_close(se_store *s)
{
	if (!s)
		return;
	for (int i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(s->stmt[i]);
	if (s->writes && !s->wal) /* an empty journal would stay; SQLite takes it away unless somebody else writes just now */
		sqlite3_exec(s->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	sqlite3_close(s->db);
	if (s->lease >= 0)
		close(s->lease); /* after SQLite's own: closing any descriptor of the file drops its locks */
	ar_free(s->arena);
	free(s->path);
	free(s);
}

const char *se_beside(const char *path, const char *file, ir_arena *a)
{
	const char *slash = strrchr(path, '/');

	return ar_printf(a, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, file);
}

const char *se_store_beside(const se_store *s, const char *file, ir_arena *a)
{
	return se_beside(s->path, file, a);
}

void se_store_timeout(se_store *s, int ms)
{
	sqlite3_busy_timeout(s->db, ms);
}
