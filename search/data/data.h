/* SPDX-License-Identifier: Apache-2.0
 * search/data/data.h -- data sets: readers of files, the split into training, validation and test rows, scaling, one copy
 * for all workers. The lowest part of search/: knows nothing of models, training or the store. Prefix le_.
 * To add a kind of file: a reader here that makes a table of it, one row in the table of kinds in kinds.c. */
#ifndef SEARCH_DATA_DATA_H
#define SEARCH_DATA_DATA_H

#include "runtime/rt.h"

/* A file as it was when it was opened. */
typedef struct le_stamp {
	uint64_t bytes, offset, device, inode, changed; /* offset: of the first element; changed: nanoseconds */
} le_stamp;

/* A table of rows. u8 pixels mean v / 255 (rounded to f32); f32 is used as it is. */
typedef struct le_table {
	ir_dtype dtype; /* IR_U8 or IR_F32 */
	int64_t rows, width;
	void *data;       /* rt_alloc; rows * width elements; NULL: they stay in their file */
	char **column;    /* width names from the file's header, heap; NULL: none */
	int64_t shape[2]; /* height and width if a row is one grey picture, else 0 */
	bool stays;       /* in its file, which may be larger than memory: rows are read as they are needed */
	int fd;           /* of that file */
	le_stamp stamp;   /* of that file */
} le_table;

void le_table_free(le_table *t);

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
	bool label_optional, drop_optional; /* what is not there is no error */
} le_csv_options;

/* .csv, .tsv or .txt, gzip or not: commas, semicolons or tabs (whichever is most frequent in line 1), RFC 4180 quotes. The
 * first line is a header if one of its fields is neither a number nor missing. Missing (NaN): empty, NA, N/A, NaN, nan,
 * null, ?. Always f32. o may be NULL; labels may be NULL when o names no label column, and is empty then. */
IR_MUSTUSE ir_status le_csv_read(const char *path, const le_csv_options *o, le_table *out, le_labels *labels, ir_diag *d);

/* All *.png (or *.PNG) of a folder, in the byte order of their names. One size; all grey, or all colour (height x width x 3).
 * 16 bits become 8; an alpha channel must be opaque and is dropped; no gamma. */
IR_MUSTUSE ir_status le_png_read(const char *dir, le_table *out, ir_diag *d);
bool le_is_png(const char *name); /* would a file of that name be one of them? */

/* Numbers and nothing else, little-endian, never taken for gzip. spec is type and shape of one row: "u8:28x28", "f32:784". */
IR_MUSTUSE ir_status le_raw_read(const char *path, const char *spec, le_table *out, ir_diag *d);

/* Labels from a file of their own: IDX(.gz) with one byte per row, .npy(.gz) of whole numbers, or text(.gz) with a label in
 * every line (there is no header). */
IR_MUSTUSE ir_status le_labels_read(const char *path, le_labels *out, ir_diag *d);

/* Any of these, by what path is: see the table in kinds.c. path may be FILE.npz:MEMBER. raw_spec: NULL, or the file is raw.
 * o and labels as above; a label column in a file that has no columns is an error. */
IR_MUSTUSE ir_status le_table_read(const char *path, const char *raw_spec, const le_csv_options *o, le_table *out,
				   le_labels *labels, ir_diag *d);

/* ---- what the data are ---------------------------------------------------------------------------------------- */

/* What --data and the options beside it say; NULL: not given. Texts are the caller's. */
typedef struct le_source {
	const char *data;    /* "fashion-mnist" (Debian package dataset-fashion-mnist), a file or a folder of pictures */
	const char *val;     /* file of the validation rows, instead of a part of data */
	const char *test;    /* file of the test rows */
	const char *split;   /* "80/10/10": per cent of data for training, validation, test */
	const char *labels;  /* file with a label per row of data, or a column of it by name or number */
	const char *only;    /* train and validate on rows with this label */
	const char *drop;    /* columns that are left out: names or numbers, by commas */
	const char *shape;   /* of a row in a file without a header: "u8:28x28", "f32:784" */
	const char *missing; /* "refuse" (the default) or "mean": a missing value becomes its column's mean of the training rows */
	const char *scale;   /* "auto" (the default), "none" or "standard" */
	bool labels_optional, drop_optional; /* a column that they name may be absent: they are of other rows. Not printed */
} le_source;

/* One text for all of it, for the trial history: the name alone, or a JSON object if there is more to say. */
void le_source_print(const le_source *s, ir_str *out);
/* The reverse; texts live in a. False: that is no such text. */
bool le_source_parse(const char *text, ir_arena *a, le_source *out);
bool le_source_given(const le_source *s); /* is any of it? */
/* Are the options words that are known, and do they go together? Nothing is read. IR_EINPUT after a message. data is given. */
IR_MUSTUSE ir_status le_source_check(const le_source *s, ir_diag *d);
bool le_labels_are_column(const le_source *s); /* of data, whatever files there are; else labels, if given, is a file */
/* Field i, from 0, as an option of the command line: "test-data" and its value, NULL if it is not given. False: no more. */
bool le_source_option(const le_source *s, size_t i, const char **option, const char **value);

/* ---- data sets ----------------------------------------------------------------------------------------------- */

/* x -> (x - mean) / std, column by column, in double and rounded once; NaN -> 0, which is the mean. */
typedef struct le_scale {
	int64_t width;
	double *mean, *std; /* heap; std > 0 */
} le_scale;

/* {"mean": [..], "std": [..]} with enough digits for the same bits. */
void le_scale_print(const le_scale *s, ir_str *out);
bool le_scale_parse(const char *text, le_scale *out); /* to be freed; false: no such text */
void le_scale_free(le_scale *s);
void le_scale_row(const le_scale *s, const float *x, float *y);   /* as the model sees it; x == y allowed */
void le_unscale_rows(const le_scale *s, float *x, size_t n); /* back, n rows in place; width 0: as they are */

/* What a trained model expects of rows: kept with its weights, so that other rows are treated as those it has seen. */
typedef struct le_prep {
	int64_t width;   /* 0: nothing is known */
	le_scale scale;  /* width 0: none */
	char **column;   /* names in the model's order, what is not for eyes escaped; NULL: none are known */
	double *fill;    /* what a missing value becomes; NULL: it is refused */
} le_prep;

/* What a run trains on: training, validation and test rows in one table, split by index. */
typedef struct le_data {
	char *name;     /* as given: "fashion-mnist" or a path */
	le_table table; /* rows of data, then those of the validation file, then those of the test file; scaled, unless it stays in
	                 * its file */
	uint32_t *train, *val, *test; /* row numbers */
	size_t ntrain, nval, ntest;
	le_scale scale; /* width 0: none. What was done to the rows of the table; if they stay in a file: what le_data_rows does */
	double *fill;   /* per column: what missing values became, before scaling; NULL: they were refused */
	bool unit;      /* every training value is in [0, 1], as a sigmoid's are */
	int32_t *label; /* per row of the table, -1: none; NULL: no labels. Not in a shared data set */
	int64_t nclass;
	char **class_name;
	ir_key key; /* content: bytes of the table, the three index lists, the scaling */
	ir_key table_key; /* of its first part */
	void *map;  /* NULL: name, table and lists are owned; else they lie in this memory, which nobody may write to */
	size_t map_bytes;
} le_data;

/* Without --val and --test-data they are seeded random parts of the rows: a tenth for test, then a tenth of the rest for
 * validation, or as split says; limit_train (0 = all) cuts training rows behind that. The split depends on seed and the
 * number of rows only. Floats whose training values leave [0, 1] are standardised on the training rows (scale "auto"). Every
 * failure has a message: IR_ENOINPUT if a file is not there, IR_EINPUT for what is wrong in one or with the options. */
IR_MUSTUSE ir_status le_data_load(const le_source *src, uint64_t seed, int64_t limit_train, le_data *out, ir_diag *d);
void le_data_free(le_data *t); /* owned or mapped */

/* The same for a model that is trained already: what it expects instead of what would be fitted here, and one row is enough.
 * Columns with names are put into its order; one that is missing or not its own is refused by name. A missing value is
 * refused, unless src->missing is "mean", or is not given and the model was trained with means. */
IR_MUSTUSE ir_status le_data_open(const le_source *src, const le_prep *prep, uint64_t seed, int64_t limit_train, le_data *out,
				  ir_diag *d);

/* As texts with enough digits for the same bits. Appends text i of LE_PREP_TEXTS, nothing if there is nothing to say, and
 * returns its key. */
#define LE_PREP_TEXTS 3
const char *le_prep_print(const le_data *t, size_t i, ir_str *out);
/* The reverse; text gives what is under a key, or NULL. To be freed; false: one of them is damaged. */
bool le_prep_parse(const char *(*text)(const void *ctx, const char *key), const void *ctx, le_prep *out);
void le_prep_free(le_prep *p);

/* Mean squared distance from the training rows' mean, per element, of the rows idx: an error divided by it is normalised, so
 * that 1 is what predicting the mean gives. */
double le_data_variance(const le_data *t, const uint32_t *idx, size_t n);

/* A table that stays in its file is read by copies: n rows as the model sees them, [n][width]. Rows that the file has lost in
 * the meantime are NaN. */
bool le_data_staged(const le_data *t);
void le_data_rows(const le_data *t, const uint32_t *rows, size_t n, float *out);

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
