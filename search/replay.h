/* SPDX-License-Identifier: Apache-2.0
 * search/replay.h -- one finished trial of a study again: is it the same, and where did it go wrong? */
#ifndef SEARCH_REPLAY_H
#define SEARCH_REPLAY_H

#include "search/learn/learn.h"
#include "search/store.h"

/* The file of weights that a row names. MISSING: there is none beside the database. DIFFERS: also when it cannot be read. */
typedef enum se_kept { SE_KEPT_NONE, SE_KEPT_SAME, SE_KEPT_DIFFERS, SE_KEPT_MISSING } se_kept; /* ORDER KEPT */

/* Are the weights in the file path those whose hash a row has? *why: what is wrong with a file that cannot be read, path
 * included, in a; or NULL. */
se_kept se_kept_check(const char *path, const char *weights_key, ir_arena *a, const char **why);

typedef struct se_replay {
	bool same;       /* every epoch's losses and the weights to the bit, the cause of a failure, the kept file */
	int64_t epochs;  /* compared */
	int64_t differs; /* first epoch that differs; 0: none */
	double value, test_value;
	const char *cause, *was; /* why it failed, and why the row says it did; NULL: it did not */
	bool end_same;   /* number of epochs, weights, cause */
	bool cut;        /* a limit, a clock or a dying worker ended it (was says which): compared as far as it came */
	se_kept kept;
	const char *weights_file, *why; /* its path; why it cannot be read, path included. NULL: there is none, it can */
} se_replay;

/* Trains trial number of a study again in a worker and compares. save: a file for its weights, or NULL. Texts live in a. */
IR_MUSTUSE ir_status se_replay_trial(se_store *s, const se_study *st, int64_t number, int threads, const char *save,
				     ir_arena *a, se_replay *out, ir_diag *d);

/* Trains it again in this process up to the first value that is not finite (le_find_nan). Places are in the model text,
 * which lives in a and which messages call "trial7.gm". */
IR_MUSTUSE ir_status se_replay_nan(se_store *s, const se_study *st, int64_t number, int threads, ir_arena *a, le_nan *out,
				   ir_diag *d);

#endif
