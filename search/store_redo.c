/* SPDX-License-Identifier: Apache-2.0
 * search/store_redo.c -- changes that are not committed yet, kept as statements with their values, so that they can be made
 * again when their transaction is lost.
 *
 * Note [A full disk]: SQLite rolls a transaction back when a write of it fails, in the middle of a change or at its COMMIT.
 * Nothing committed is harmed, but what gathered since (Note [Deferred commits]) would have to be trained again, and the
 * driver has built on it. So every change is kept here until it is committed; once the transaction is gone, further ones
 * are only kept; and se_store_flush makes all of them again, in one transaction, when there is space. They mean the same
 * then: only other programs could have come in between, and where one took a number or a trial of ours, the attempt
 * fails instead of guessing. Rejected: reserving space beforehand (which journal and file system would need how much?),
 * and a journal in memory (a crash in the middle of a commit would cost the file). */
#include "search/store_int.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *se_sql_now(char text[SE_NOW_CHARS])
{
	struct timespec t;
	struct tm utc;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &utc);
	n = strftime(text, SE_NOW_CHARS, "%Y-%m-%d %H:%M:%S", &utc);
	snprintf(text + n, SE_NOW_CHARS - n, ".%06ld", t.tv_nsec / 1000);
	return text;
}

void se_redo_add(se_store *s, query q)
{
	se_redo *r;

	if (!s->arena)
		s->arena = ar_open();
	r = ar_push(s->arena, s->redo, s->nredo, s->redocap);
	*r = (se_redo){.q = q, .id = s->id, .n = sqlite3_bind_parameter_count(s->stmt[q])};
	r->v = ar_new(s->arena, se_cell, (size_t)r->n);
	for (int i = 0; i < r->n; i++) {
		r->v[i] = s->bound[i];
		if (r->v[i].text)
			r->v[i].text = ar_strdup(s->arena, r->v[i].text);
	}
}

void se_redo_clear(se_store *s)
{
	if (s->arena)
		ar_reset(s->arena);
	s->redo = NULL;
	s->nredo = s->redocap = s->mark = 0;
}

void se_redo_lose(se_store *s)
{
	if (!sqlite3_get_autocommit(s->db)) {
		sqlite3_step(s->stmt[Q_ROLLBACK]); /* its own failure has nobody left to tell */
		sqlite3_reset(s->stmt[Q_ROLLBACK]);
	}
	s->open = false;
	s->lost = true;
}

/* Values that somebody else relies on already, in memory, must come out the same. */
static bool means_the_same(const se_store *s, const se_redo *r)
{
	switch ((int)r->q) {
	case Q_ADD_TRIAL: case Q_ADD_STUDY: return s->id == r->id;
	case Q_START: case Q_END: return s->changes == 1;
	default: return true;
	}
}

static int make(se_store *s, const se_redo *r)
{
	sqlite3_stmt *q = s->stmt[r->q];
	int rc;

	for (int i = 0; i < r->n; i++) {
		const se_cell *c = &r->v[i];

		if (c->kind == SE_TEXT)
			sqlite3_bind_text(q, i + 1, c->text, -1, SQLITE_STATIC);
		else if (c->kind == SE_REAL)
			sqlite3_bind_double(q, i + 1, c->r);
		else if (c->kind == SE_INTEGER)
			sqlite3_bind_int64(q, i + 1, c->i);
	}
	rc = sqlite3_step(q);
	s->changes = sqlite3_changes(s->db);
	s->id = sqlite3_last_insert_rowid(s->db);
	sqlite3_reset(q); /* repeats rc, ignored on purpose */
	sqlite3_clear_bindings(q);
	return rc;
}

static ir_status make_all(se_store *s, ir_diag *d)
{
	for (size_t i = 0; i < s->nredo; i++) {
		int rc = make(s, &s->redo[i]);

		if (rc == SQLITE_DONE && means_the_same(s, &s->redo[i]))
			continue;
		if (rc == SQLITE_DONE || (rc & 0xff) == SQLITE_CONSTRAINT)
			return se_sql_say(s, IR_EIO, "another program changed the study while the disk was full: the last results "
					  "are lost and will be made again", d);
		return se_sql_status(s, rc) == IR_EFULL ? IR_EFULL : se_sql_fail(s, rc, d);
	}
	return IR_OK;
}

ir_status se_redo_again(se_store *s, ir_diag *d)
{
	ir_status st;

	s->lost = false;
	st = se_store_hold(s, d);
	if (st == IR_OK)
		st = make_all(s, d);
	if (st != IR_OK)
		se_redo_lose(s);
	return st;
}

bool se_store_full(const se_store *s)
{
	return s->lost;
}

int64_t se_store_unwritten(const se_store *s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s->nredo; i++)
		n += s->redo[i].q == Q_END;
	return n;
}
