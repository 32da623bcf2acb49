/* SPDX-License-Identifier: Apache-2.0
 * search/data/data.h -- data sets: readers of files, the split into training, validation and test rows, scaling, one copy
 * for all workers. The lowest part of search/: knows nothing of models, training or the store. Prefix le_.
 * To add a kind of file: a reader here that makes a table of it, one row in the table of kinds in load.c. */
#ifndef SEARCH_DATA_DATA_H
#define SEARCH_DATA_DATA_H

#include "runtime/rt.h"

/* A table of rows. u8 pixels mean v / 255 (rounded to f32); f32 is used as it is. */
typedef struct le_table {
	ir_dtype dtype; /* IR_U8 or IR_F32 */
	int64_t rows, width;
	void *data; /* rt_alloc; rows * width elements */
} le_table;

void le_table_free(le_table *t);

/* ---- readers -------------------------------------------------------------------------------------------------
 * Nothing in a file is believed: sizes are multiplied with overflow checks and compared with the file before anything is
 * allocated. IR_EINPUT with a message that names file and byte offset (or line); IR_ENOINPUT if it is not there. */

/* IDX or IDX.gz. Images of any rank become rows x (product of the other dimensions). */
IR_MUSTUSE ir_status le_idx_read(const char *path, le_table *out, ir_diag *d);

/* ---- data sets ----------------------------------------------------------------------------------------------- */

/* What a run trains on: training and test rows in one table, split by index. */
typedef struct le_data {
	char *name;     /* as given: "fashion-mnist" or a path */
	le_table table; /* training file's rows first, then the test file's */
	uint32_t *train, *val, *test; /* row numbers */
	size_t ntrain, nval, ntest;
	ir_key key; /* content: bytes of the table and the three index lists */
	void *map;  /* NULL: name, table and lists are owned; else they lie in this memory, which nobody may write to */
	size_t map_bytes;
} le_data;

/* name: "fashion-mnist" (Debian package dataset-fashion-mnist; a missing one is IR_ENOINPUT and names the package) or
 * an IDX(.gz) file; test rows are then a seeded tenth. val is a seeded random tenth of the training rows, taken before
 * limit_train (0 = all) cuts the rest. The split depends on seed and the number of rows only. Every failure has a
 * message. */
IR_MUSTUSE ir_status le_data_load(const char *name, uint64_t seed, int64_t limit_train, le_data *out, ir_diag *d);
void le_data_free(le_data *t); /* owned or mapped */

/* An empty file in memory for one data set. *fd, 3 or above and close-on-exec, is the caller's to close; -1 after a message. */
IR_MUSTUSE ir_status le_share_new(int *fd, ir_diag *d);

/* Writes a copy of t into such a file and seals it: nobody can change or resize it any more. IR_ENOMEM, or IR_EINTERNAL if the
 * system refuses, with a message. */
IR_MUSTUSE ir_status le_data_share(const le_data *t, int fd, ir_diag *d);

/* The data set in such a file, without a copy: pages are shared by all who map it, and are not counted by rt_live_bytes.
 * fd stays the caller's and may be closed at once. IR_EINPUT with a message if it is not sealed or any size or row number in
 * it is wrong, IR_EINTERNAL with one if the system refuses; the key is taken as it is. */
IR_MUSTUSE ir_status le_data_map(int fd, le_data *out, ir_diag *d);

/* Trains on every row that is not a test row, in the order of the file, without validation rows (train --no-shuffle):
 * train becomes rows 0, 1, 2, .. of the training file, at most limit_train of them (0 = all), and val empty. t must own
 * its lists. */
void le_data_use_all(le_data *t, int64_t limit_train);

#endif
