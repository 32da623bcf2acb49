/* SPDX-License-Identifier: Apache-2.0
 * search/report/report.h -- a study as one self-contained page: HTML, SVG and PNG inside it, nothing from elsewhere. */
#ifndef SEARCH_REPORT_REPORT_H
#define SEARCH_REPORT_REPORT_H

#include "search/store.h"

typedef struct se_report_options {
	const char *db;  /* as the user calls it: for the commands that the page shows */
	int64_t top;     /* rows of the leader board */
	bool pictures;   /* what the best model makes of validation rows; needs its weights */
	bool train;      /* train the best trial again if its weights are not beside the database */
} se_report_options;

/* Appends the page to out. Reads only; a study that is being driven, is empty or has no finished trial gives a page that
 * says so, and pictures that cannot be made, for whatever reason, are a sentence on it. Fails as the store does. */
IR_MUSTUSE ir_status se_report_write(se_store *s, const se_study *st, const se_report_options *o, ir_str *out, ir_diag *d);

#endif
