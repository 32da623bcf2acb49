/* SPDX-License-Identifier: Apache-2.0
 * search/store_int.h -- what the files of the store share. */
#ifndef SEARCH_STORE_INT_H
#define SEARCH_STORE_INT_H

#include <sqlite3.h>
#include "search/store.h"

typedef enum query {
	Q_BEGIN, Q_COMMIT, Q_ROLLBACK, Q_FIND_STUDY, Q_ADD_STUDY, Q_ADD_DIRECTION, Q_ADD_METRIC, Q_ADD_XSTUDY,
	Q_ADD_EVENT, Q_ADD_FLOOR, Q_ADD_TRIAL, Q_ADD_XTRIAL, Q_ADD_PARAM, Q_ADD_XPARAM, Q_START, Q_ADD_EPOCH, Q_ADD_BITS, Q_END,
	Q_ADD_VALUE, Q_SET_RESULT, Q_WAIT, Q_DROP_CURVE, Q_DROP_BITS, Q_ATTEMPT, Q_SET_TEST, Q_RECOVER_CURVES, Q_RECOVER_BITS, Q_RECOVER, Q_HISTORY,
	Q_PARAMS, Q_ADD_PROFILE, Q_ADD_KERNEL, Q_SAVEPOINT, Q_RELEASE, Q_UNDO, Q_VERSION, Q_SET_DRIVER, Q_SET_PID,
	Q_REQUEST, Q_ADD_REQUEST, Q_TAKE_REQUESTS, Q_SET_FILE, Q_SET_KEEP, Q_FILE_USERS, Q_STRANGERS,
	Q_COPY_TRIALS, Q_COPY_XTRIALS, Q_COPY_PARAMS, Q_COPY_XPARAMS, Q_COPY_VALUES, Q_COPY_CURVES, Q_COPY_BITS,
	Q_COPY_FLOORS, /* in this order */
	Q_COUNT
} query;

#define SE_NOW_AT 30    /* number of the last parameter there can be: the time, where a statement has it */
#define SE_NOW_CHARS 40

/* A change that is not committed yet (store_redo.c). */
typedef struct se_redo {
	query q;
	int64_t id;  /* of the row that it made */
	int n;       /* of values */
	se_cell *v;
} se_redo;

struct se_store {
	sqlite3 *db;
	sqlite3_stmt *stmt[Q_COUNT];
	char *path;
	int lease;       /* descriptor; -1: none */
	bool writes;     /* opened to write, and the journal's mode set */
	bool wal;        /* the journal is a write-ahead log */
	bool deferred;   /* changes are committed by se_store_flush only */
	bool open;       /* a transaction with changes that are not committed yet */
	bool lost;       /* that transaction is gone; redo has its changes, and further ones */
	se_redo *redo;   /* changes since the last commit, while deferred */
	size_t nredo, redocap, mark; /* mark: where the present change begins */
	ir_arena *arena; /* what redo consists of */
	se_cell bound[SE_NOW_AT]; /* to the statement that is being made */
	int64_t changes, id; /* rows that the last change hit; row that it made */
	double since;    /* when it was begun */
	int64_t version; /* PRAGMA data_version when we last looked */
};

extern const char *const se_sql_source[Q_COUNT];

/* A message about the file, returning st; the same with SQLite's own words for rc. */
ir_status se_sql_say(const se_store *s, ir_status st, const char *text, ir_diag *d);
ir_status se_sql_fail(const se_store *s, int rc, ir_diag *d);
ir_status se_sql_status(const se_store *s, int rc);

/* Runs a bound change; the second binds its only parameter first. When the disk is full and the store defers, the change is
 * kept in memory, and that is IR_OK. The third wants to know which row it made: IR_EFULL if there is none yet. */
ir_status se_sql_run(se_store *s, query which, ir_diag *d);
ir_status se_sql_run_int(se_store *s, query which, int64_t v, ir_diag *d);
ir_status se_sql_run_id(se_store *s, query which, int64_t *id, ir_diag *d);
bool se_sql_hit(const se_store *s); /* did the last one change exactly one row, as far as we know? */
void se_bind_int(se_store *s, query q, int i, int64_t v);
void se_bind_text(se_store *s, query q, int i, const char *text); /* must outlive the step; NULL binds NULL */
void se_bind_real(se_store *s, query q, int i, double v);         /* SQLite stores NaN as NULL, which is what we mean */

/* The first column of the first row as text; false, and SQLite's code in *rc, when there is no row. */
bool se_sql_scalar(sqlite3 *db, const char *sql, char *out, size_t cap, int *rc);

/* A file of ours for reading, of any version that we know and not brought up to date: without prepared statements. */
ir_status se_sql_open_as_is(const char *path, se_store **out, ir_diag *d);

/* One change: begin, then end with how far it came, which keeps it or undoes it; kept changes are committed at once, or
 * by se_store_flush. */
ir_status se_sql_begin(se_store *s, ir_diag *d);
ir_status se_sql_end(se_store *s, ir_status st, ir_diag *d);

/* store_redo.c */
const char *se_sql_now(char text[SE_NOW_CHARS]);   /* UTC with microseconds, as Optuna writes dates */
void se_redo_add(se_store *s, query q);            /* the change whose values are bound just now */
void se_redo_lose(se_store *s);                    /* the transaction is over, and nothing of it is in the file */
ir_status se_redo_again(se_store *s, ir_diag *d);  /* opens another one with the same changes; IR_EFULL: not yet */
void se_redo_clear(se_store *s);

bool se_is_folder(const char *path);
const char *se_sql_text(ir_arena *a, sqlite3_stmt *q, int i); /* NULL for NULL */

#endif
