/* SPDX-License-Identifier: Apache-2.0
 * search/store.h -- the trial history: one SQLite file, schema.sql. One driver writes a study at a time; anybody may
 * read. Every call that changes something is one change, whole or not made: committed when it returns, or by se_store_flush
 * when the store defers. README.md has the schema. */
#ifndef SEARCH_STORE_H
#define SEARCH_STORE_H

#include "ir/ir.h"
#include "search/profile.h"
#include "search/space.h"

typedef struct se_store se_store;

typedef enum se_open { SE_OPEN_READ, SE_OPEN_WRITE } se_open; /* WRITE makes the file if it is not there */

/* Opens path. Readers see an older file as this program would have made it, as of now; the file itself stays as it is.
 * Writers bring it up to date. IR_EUNAVAILABLE: a database that is not ours, or is newer than this program; the file is
 * untouched. IR_EBUSY: locked for longer than the time-out. IR_EIO: cannot be written; IR_EFULL: there is no space. IR_ENOINPUT: nothing there to
 * read. Messages go to d. */
IR_MUSTUSE ir_status se_store_open(const char *path, se_open how, se_store **out, ir_diag *d);
void se_store_close(se_store *s); /* NULL is allowed */
/* The path of a file that stands in the folder of path; beside the database; in a. */
const char *se_beside(const char *path, const char *file, ir_arena *a);
const char *se_store_beside(const se_store *s, const char *file, ir_arena *a);
void se_store_timeout(se_store *s, int ms); /* how long to wait for a lock; 10 s unless told */

/* Writes a consistent copy of a database of any version into the file to, which must be empty or not there, while others go
 * on writing; then reads it back: a whole database, with no fewer trials than there were before. *trials: how many. Not
 * synced. After a failure, which is as those of opening or IR_EIO, to is the caller's to remove. */
IR_MUSTUSE ir_status se_store_copy(const char *path, const char *to, int64_t *trials, ir_diag *d);

/* ---- many changes, one commit (Note [Deferred commits] in store.c) -------------------------------------------- */

/* From now on changes gather until se_store_flush; they are seen through s at once, and by nobody else. */
void se_store_defer(se_store *s);
/* Takes the right to write, if there are no changes yet: what s reads now stays true until the flush. */
IR_MUSTUSE ir_status se_store_hold(se_store *s, ir_diag *d);
/* Commits. IR_EBUSY, without a message: a reader is in the way, try again later; with wait, only after ten minutes.
 * IR_EFULL, without one: the disk is full. Changes since the last commit are kept in memory, and so are further ones; a
 * later flush makes them again (Note [A full disk] in store_redo.c). What needs an answer from the file is IR_EFULL until
 * then: a new study, a new trial. IR_EIO: that could not be done, another program came in between. */
IR_MUSTUSE ir_status se_store_flush(se_store *s, bool wait, ir_diag *d);
bool se_store_pending(const se_store *s); /* are there changes to flush? */
bool se_store_full(const se_store *s);    /* was the disk full when we last wrote? */
int64_t se_store_unwritten(const se_store *s); /* trials that have ended since the last commit */
bool se_store_changed(se_store *s);       /* has anybody else committed since the last call? */

/* ---- studies ------------------------------------------------------------------------------------------------ */

/* What a study was started with. Text is the caller's on the way in, the arena's on the way out. */
typedef struct se_study {
	int64_t id;
	const char *name, *space, *sampler, *data, *data_key, *target, *build;
	const char *origin; /* the study whose trials it began with, or NULL */
	int64_t keep;       /* --keep: -1 all, 0 none */
	int64_t seed, limit_train, latent, epochs, batch, delay, width, ntrain, nval, ntest;
} se_study;

/* IR_OK with out->id == 0 when there is no study of that name. name NULL: "default", or the newest. */
IR_MUSTUSE ir_status se_store_find_study(se_store *s, const char *name, ir_arena *a, se_study *out, ir_diag *d);
/* Sets st->id. IR_EBUSY when a study of that name has appeared since. */
IR_MUSTUSE ir_status se_store_add_study(se_store *s, se_study *st, ir_diag *d);

/* Becomes the only driver of the study until the store is closed or the process dies, however it dies.
 * IR_EBUSY when another one is. */
IR_MUSTUSE ir_status se_store_lease(se_store *s, int64_t study, ir_diag *d);

bool se_store_driven(se_store *s, int64_t study); /* does any process hold the lease? */
const char *se_store_driven_name(se_store *s, ir_arena *a); /* a study that somebody drives; NULL: none */

/* Who drives: written down once the lease is held. */
typedef struct se_driver_row {
	int64_t pid, jobs, threads, planned; /* planned: --trials, 0: no limit */
	const char *host;
	double seconds; /* of --time from now; 0: no limit */
} se_driver_row;
IR_MUSTUSE ir_status se_store_set_keep(se_store *s, int64_t study, int64_t keep, ir_diag *d);
IR_MUSTUSE ir_status se_store_set_driver(se_store *s, int64_t study, const se_driver_row *r, ir_diag *d);

/* What "gradmill stop" asks of the driver; 1: stop after the running trials, 2: at once, 0: nothing. Taking forgets. */
IR_MUSTUSE ir_status se_store_ask_to_stop(se_store *s, int64_t study, bool now, ir_diag *d);
IR_MUSTUSE ir_status se_store_take_stop(se_store *s, int64_t study, int *stops, ir_diag *d);

/* The finished trials of a study, as far as all before them are finished, become those of a new one. */
IR_MUSTUSE ir_status se_store_copy_history(se_store *s, int64_t to, int64_t from, ir_diag *d);

/* Trials that a killed driver left running wait again, without their half-written curves. */
IR_MUSTUSE ir_status se_store_recover(se_store *s, int64_t study, int64_t *recovered, ir_diag *d);

IR_MUSTUSE ir_status se_store_add_event(se_store *s, int64_t study, const char *what, int64_t number, ir_diag *d);
IR_MUSTUSE ir_status se_store_add_floor(se_store *s, int64_t study, int64_t latent, double val, double test, ir_diag *d);

/* ---- trials --------------------------------------------------------------------------------------------------- */

/* Causes that more than one place must spell alike; the first one is followed by " at step 37 (epoch 2)". */
#define SE_CAUSE_LOSS  "loss is not finite"
#define SE_CAUSE_VALUE "the value is not a number"

typedef enum se_state { SE_WAITING, SE_RUNNING, SE_COMPLETE, SE_PRUNED, SE_FAIL, SE_STATE_COUNT } se_state;
const char *se_state_name(se_state s); /* as in the table: "COMPLETE" */

/* A trial as it was proposed. */
typedef struct se_proposal {
	int64_t number;
	const se_space *space;
	const se_genome *genome;
	const char *ir, *sampler;
	ir_key arch, key;
	int64_t parent; /* -1: none */
	const char *mutation; /* what differs from it; NULL: none */
	int64_t latent, n_params;
} se_proposal;

/* What came of it. */
typedef struct se_outcome {
	se_state state;    /* SE_COMPLETE or SE_FAIL; a value that is not a number makes it SE_FAIL */
	const char *cause; /* NULL unless it failed */
	double value;
	int64_t n_params, flops, arena_bytes, epochs;
	double compile_ms, train_s;
	const char *weights_key, *weights_file, *target; /* may be NULL */
	const se_profile *profile;        /* NULL: not measured */
} se_outcome;

/* A new row, WAITING, with its parameters. *trial is its id. */
IR_MUSTUSE ir_status se_store_propose(se_store *s, int64_t study, const se_proposal *p, int64_t *trial, ir_diag *d);
/* The same for a row that another program has added. */
IR_MUSTUSE ir_status se_store_adopt(se_store *s, int64_t trial, const se_proposal *p, ir_diag *d);
/* RUNNING. IR_EBUSY, without a message, if it does not wait any more: another program has taken it. */
IR_MUSTUSE ir_status se_store_begin(se_store *s, int64_t trial, int64_t pid, ir_diag *d);
IR_MUSTUSE ir_status se_store_epoch(se_store *s, int64_t trial, int64_t epoch, double train, double val, ir_diag *d);
IR_MUSTUSE ir_status se_store_finish(se_store *s, int64_t trial, const se_outcome *o, ir_diag *d);
/* Its worker died: WAITING again without its curve; blamed: the trial is, attempts + 1. */
IR_MUSTUSE ir_status se_store_retry(se_store *s, int64_t trial, bool blamed, ir_diag *d);
IR_MUSTUSE ir_status se_store_set_test(se_store *s, int64_t trial, double test, ir_diag *d);
/* Where its weights are kept, relative to the database; NULL: nowhere. How many trials name a file? */
IR_MUSTUSE ir_status se_store_set_file(se_store *s, int64_t trial, const char *file, ir_diag *d);
IR_MUSTUSE ir_status se_store_file_users(se_store *s, const char *file, int64_t *users, ir_diag *d);

/* A trial without a row of ours: another program has put it there. */
typedef struct se_stranger {
	int64_t id, number;
	bool waits;        /* to be run; else it is the other program's own */
	const char *fixed; /* Optuna's enqueued parameters as JSON, or NULL */
} se_stranger;
/* Those from number from on, by number; in a. */
IR_MUSTUSE ir_status se_store_strangers(se_store *s, int64_t study, int64_t from, ir_arena *a, se_stranger **out,
					size_t *n, ir_diag *d);

/* A trial as it stands in the table. */
typedef struct se_trial_row {
	int64_t id, number, latent, attempts, flops, epochs;
	se_state state;
	double value, train_s, test_value; /* NAN: none */
	const char *ir, *arch_key, *trial_key, *weights_key, *weights_file, *cause; /* last three may be NULL */
	se_genome genome;
} se_trial_row;

/* All trials of a study by number; everything lives in a. Parameters that sp does not have are left out. */
IR_MUSTUSE ir_status se_store_history(se_store *s, int64_t study, const se_space *sp, ir_arena *a, se_trial_row **out,
				      size_t *n, ir_diag *d);

/* ---- questions ------------------------------------------------------------------------------------------------ */

typedef enum se_cell_kind { SE_NULL, SE_INTEGER, SE_REAL, SE_TEXT } se_cell_kind;

typedef struct se_cell {
	se_cell_kind kind;
	int64_t i;
	double r;
	const char *text; /* the value as text, also for numbers; "" for NULL */
} se_cell;

typedef struct se_table {
	size_t ncol, nrow;
	const char **col;
	se_cell *cell; /* row-major */
} se_table;

/* Runs one SELECT of our own with text or integer parameters ("?1" ..), text[i] NULL = integer[i]. */
typedef struct se_arg {
	const char *text;
	int64_t i;
} se_arg;
IR_MUSTUSE ir_status se_store_select(se_store *s, const char *sql, const se_arg *arg, size_t narg, ir_arena *a,
				     se_table *out, ir_diag *d);

/* Runs somebody else's SQL: reading only, no ATTACH, no extensions, at most seconds long. The result is complete
 * before this returns, so that the reader never holds a lock while it prints. */
IR_MUSTUSE ir_status se_store_query(se_store *s, const char *sql, double seconds, ir_arena *a, se_table *out, ir_diag *d);

#endif
