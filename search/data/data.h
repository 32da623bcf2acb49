/* SPDX-License-Identifier: Apache-2.0
 * search/data/data.h -- data sets: readers of files, the split into training, validation and test rows, scaling, one copy
 * for all workers. The lowest part of search/: knows nothing of models, training or the store. Prefix le_.
 * To add a kind of file: a reader here that makes a table of it, one row in the table of kinds in kinds.c. */
#ifndef SEARCH_DATA_DATA_H
#define SEARCH_DATA_DATA_H

#include "runtime/rt.h"

/* A table of rows. u8 pixels mean v / 255 (rounded to f32); f32 is used as it is. */
typedef struct le_table {
	ir_dtype dtype; /* IR_U8 or IR_F32 */
	int64_t rows, width;
	void *data;       /* rt_alloc; rows * width elements */
	char **column;    /* width names (header of a CSV file), heap; NULL: none */
	int64_t shape[2]; /* height and width of a grey picture if a row is one, else 0: what a contact sheet needs */
} le_table;

void le_table_free(le_table *t);
void le_table_free_columns(le_table *t); /* the names alone */

/* Labels of rows: label[i] indexes class_name. */
typedef struct le_labels {
	int64_t n;
	int32_t *label;
	size_t nclass;
	char **class_name; /* sorted: by value if all are whole numbers, else by bytes */
} le_labels;

void le_labels_free(le_labels *l);

/* ---- readers -------------------------------------------------------------------------------------------------
 * Nothing in a file is believed: sizes are multiplied with overflow checks and compared with the file before anything is
 * allocated, and memory for compressed input grows with what arrives. IR_EINPUT with a message that names file and byte
 * offset (text: line and column); IR_ENOINPUT if it is not there. Rows, columns and lines are counted from 1. NaN stays
 * what it is; infinite values and values beyond f32 are refused, because no training survives them. */

/* IDX or IDX.gz. Images of any rank become rows x (product of the other dimensions). */
IR_MUSTUSE ir_status le_idx_read(const char *path, le_table *out, ir_diag *d);

/* .npy or .npy.gz, versions 1 to 3. b1 u1 i1 u2 i2 u4 i4 u8 i8 f2 f4 f8 in either byte order and either order of the
 * elements; u1 becomes u8, all else f32 (whole numbers beyond 2^24 and f8 are rounded). Rank 1 is one column. */
IR_MUSTUSE ir_status le_npy_read(const char *path, le_table *out, ir_diag *d);

/* One array of a .npz file, with or without ".npy" at the end of its name; NULL: the only one. */
IR_MUSTUSE ir_status le_npz_read(const char *path, const char *member, le_table *out, ir_diag *d);

/* Columns by name or by number, which counts from 1; a name goes before a number. */
typedef struct le_csv_options {
	const char *label; /* the column that holds labels; NULL: none */
	const char *drop;  /* columns to leave out, separated by commas; NULL: none */
} le_csv_options;

/* .csv, .tsv or .txt, gzip or not: commas, semicolons or tabs (whichever is most frequent in line 1), RFC 4180 quotes. The
 * first line is a header if one of its fields is neither a number nor missing. Missing (NaN): empty, NA, N/A, NaN, nan,
 * null, ?. Always f32. o may be NULL; labels may be NULL when o names no label column, and is empty then. */
IR_MUSTUSE ir_status le_csv_read(const char *path, const le_csv_options *o, le_table *out, le_labels *labels, ir_diag *d);

/* All *.png (or *.PNG) of a folder, in the byte order of their names. One size; all grey, or all colour (height x width x 3).
 * 16 bits become 8; an alpha channel must be opaque and is dropped; no gamma. */
IR_MUSTUSE ir_status le_png_read(const char *dir, le_table *out, ir_diag *d);

/* Numbers and nothing else, little-endian, never taken for gzip. spec is type and shape of one row: "u8:28x28", "f32:784". */
IR_MUSTUSE ir_status le_raw_read(const char *path, const char *spec, le_table *out, ir_diag *d);

/* Labels from a file of their own: IDX(.gz) with one byte per row, .npy(.gz) of whole numbers, or text(.gz) with a label in
 * every line (there is no header). */
IR_MUSTUSE ir_status le_labels_read(const char *path, le_labels *out, ir_diag *d);

/* Any of these, by what path is: see the table in kinds.c. path may be FILE.npz:MEMBER. raw_spec: NULL, or the file is raw.
 * o and labels as above; a label column in a file that has no columns is an error. */
IR_MUSTUSE ir_status le_table_read(const char *path, const char *raw_spec, const le_csv_options *o, le_table *out,
				   le_labels *labels, ir_diag *d);

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
