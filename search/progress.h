/* SPDX-License-Identifier: Apache-2.0
 * search/progress.h -- what a person sees while a search runs: on a terminal one line that renews itself, elsewhere a
 * line every ten seconds and one for every new best. */
#ifndef SEARCH_PROGRESS_H
#define SEARCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct se_progress {
	bool quiet, tty;
	double start, shown, deadline; /* deadline 0: none */
	int64_t planned;               /* 0: only the clock ends the search */
	int64_t before;                /* finished in earlier runs */
	int64_t finished, failed, running;
	int64_t best_number; /* -1: none yet */
	double best_value;
} se_progress;

void se_progress_init(se_progress *p, bool quiet);
void se_progress_show(se_progress *p, bool force);
void se_progress_best(se_progress *p); /* there is a new best */
/* A line of its own; the renewed line moves out of the way. */
void se_progress_note(se_progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void se_progress_end(se_progress *p);

#endif
