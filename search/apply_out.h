/* SPDX-License-Identifier: Apache-2.0
 * search/apply_out.h -- where gradmill apply writes what a model makes of rows: arrays, tables, or a table on stdout. Files
 * have their names only when everything is in them. */
#ifndef SEARCH_APPLY_OUT_H
#define SEARCH_APPLY_OUT_H

#include "search/learn/learn.h"

/* What can be wanted: LE_LATENT, LE_RECONSTRUCTION, LE_ERROR, and of the data the label. */
#define SE_APPLY_KINDS 4
#define SE_APPLY_LABEL 8

bool se_apply_kinds(const char *list, unsigned *out); /* "latent,error" to flags; false: a word is unknown */

typedef enum se_apply_format { SE_APPLY_STDOUT, SE_APPLY_CSV, SE_APPLY_TSV, SE_APPLY_NPY } se_apply_format;

bool se_apply_ending(const char *path, se_apply_format *out); /* by the ending of the name; NULL is stdout */

typedef struct se_apply_out {
	se_apply_format format;
	unsigned what;
	ir_diag *d;
	const char *path[SE_APPLY_KINDS]; /* of a table: the first; NULL: none */
	ir_out *file[SE_APPLY_KINDS];     /* NULL: not written */
	int64_t width[SE_APPLY_KINDS];    /* columns of each kind */
	ir_str text;                      /* of a block of rows */
} se_apply_out;

/* Results for some rows; what is not wanted may be NULL. */
typedef struct se_apply_block {
	const uint32_t *row;
	const float *latent, *reconstruction;
	const double *error;
	const int32_t *label;    /* of the whole table: by row number; -1: none */
	char *const *class_name; /* that they index */
	size_t n;
} se_apply_block;

/* Fills o->path: path, or for several arrays "out.latent.npy" and so on for "out.npy". Paths live in a. */
void se_apply_out_name(se_apply_out *o, const char *path, se_apply_format format, unsigned what, ir_arena *a, ir_diag *d);
/* Opens the files, so that a slip in a name shows before anything is computed. To be ended whatever the status. */
IR_MUSTUSE ir_status se_apply_out_open(se_apply_out *o);
/* How much will come: rows, elements of latent and reconstruction; the names of the latter, NULL: y0, y1, .. */
IR_MUSTUSE ir_status se_apply_out_begin(se_apply_out *o, size_t rows, int64_t latent, int64_t width, char *const *column);
IR_MUSTUSE ir_status se_apply_out_put(se_apply_out *o, const se_apply_block *b);
/* Gives the files their names if s is IR_OK, else drops them; returns s, or why that failed. */
ir_status se_apply_out_end(se_apply_out *o, ir_status s);

#endif
