/* SPDX-License-Identifier: Apache-2.0
 * search/output.h -- answers of the store on stdout: an aligned table, CSV, or one JSON object; and what the reading
 * commands share. */
#ifndef SEARCH_OUTPUT_H
#define SEARCH_OUTPUT_H

#include "search/store.h"

typedef enum se_format { SE_FORMAT_TABLE, SE_FORMAT_CSV, SE_FORMAT_JSON } se_format;

void se_table_print(const se_table *t, se_format f); /* to stdout */
/* The first row for eyes, one "name value" per line without what is NULL and the model text: six digits, a floor beside
 * what it is the floor of; or as a JSON object with everything. */
void se_record_print(const se_table *t, bool json);
/* The value for eyes: six digits, unless the number is whole; in buffer, or the cell's own text. */
const char *se_cell_short(const se_cell *c, char buffer[32]);
void se_row_json(const se_table *t, size_t row, ir_str *out); /* one row as a JSON object, appended */
size_t se_table_column(const se_table *t, const char *name); /* asking for one that is not there is a bug */

/* Prints the messages of d to stderr, or the status when there is none; returns the exit code. */
int se_complain(const ir_diag *d, ir_status st);

#define SE_MAX_WEIGHTS ((size_t)1 << 32) /* bytes of one file of weights */

/* A message about a file; returns st. */
ir_status se_refuse_file(ir_diag *d, const char *path, ir_status st, const char *why);

/* Opens db for reading and finds the study (NULL: "default", or the newest). 0, or the exit code after a message. */
int se_open_study(const char *db, const char *study, ir_arena *a, se_store **s, se_study *st);
/* The same, but NULL is first of all a study that somebody drives. */
int se_open_running_study(const char *db, const char *study, ir_arena *a, se_store **s, se_study *st);

bool se_parse_number(const char *text, int64_t *out); /* a trial number: decimal digits only */

#endif
