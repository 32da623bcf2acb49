/* SPDX-License-Identifier: Apache-2.0
 * search/use.h -- a trial put to use: its row and its weights, kept or made again. For commands: what they should know
 * about is said on stderr. */
#ifndef SEARCH_USE_H
#define SEARCH_USE_H

#include "search/learn/learn.h"
#include "search/output.h"

typedef struct se_use {
	se_store *store; /* these four are the caller's */
	se_study st;
	ir_arena *a;
	ir_diag *d;
	int64_t number;
	se_table row; /* of v_trials, and pca_value and pca_test_value behind it */
} se_use;

#define SE_BEST (-1)

/* Trial number of the study, or SE_BEST. Without one that has a value, row has no rows. */
IR_MUSTUSE ir_status se_use_find(se_use *u, int64_t number);

const char *se_use_text(const se_use *u, const char *column); /* NULL: it has no value there */

/* Its weights: those that were kept, if they are what the row says, or else by training it again. In a file at path to; or
 * in memory. */
IR_MUSTUSE ir_status se_use_export(const se_use *u, int threads, const char *to);
IR_MUSTUSE ir_status se_use_weights(const se_use *u, int threads, le_weights *out);

#endif
