/* SPDX-License-Identifier: Apache-2.0
 * search/sheet.h -- a contact sheet: grey pictures, each above what a model makes of it. */
#ifndef SEARCH_SHEET_H
#define SEARCH_SHEET_H

#include "search/learn/learn.h"

#define SE_SHEET_GAP  2 /* white pixels around every pair */
#define SE_SHEET_MOST ((int64_t)1 << 26) /* pixels */

typedef struct se_sheet {
	int64_t rows, cols;    /* of pairs */
	int64_t height, width; /* of one picture */
} se_sheet;

/* The size of the pictures that the table's rows are. False: they are none. */
bool se_sheet_shape(const le_table *t, se_sheet *s);

/* At most so many of n places: all of them if they fit, else evenly spread from the first to the last; into to[rows * cols].
 * Returns how many. */
size_t se_sheet_spread(const se_sheet *s, size_t n, size_t *to);

/* The n places (rows * cols at most) with the largest error, the worst first, the earlier first among equals. */
size_t se_sheet_worst(const se_sheet *s, const double *error, size_t n, size_t *to);

/* What is black and what is white in pictures of these n rows, which are as they are in the file. */
typedef struct se_greys {
	float low, high;
} se_greys;
se_greys se_greys_of(const le_data *t, const float *x, size_t n);
uint8_t se_grey(se_greys g, float v); /* NaN is black */

/* Rows of the table and their reconstructions, which a must have been opened for, as PNG appended to out. A sheet that is
 * not full has no empty rows. IR_EINPUT, without a message: it is too large a picture. */
IR_MUSTUSE ir_status se_sheet_png(const se_sheet *s, le_applier *a, const le_data *t, const uint32_t *row, size_t n,
				  ir_str *out);

#endif
