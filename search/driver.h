/* SPDX-License-Identifier: Apache-2.0
 * search/driver.h -- running a study: proposals, workers, results, the end. */
#ifndef SEARCH_DRIVER_H
#define SEARCH_DRIVER_H

#include "search/study.h"

/* How a run ended. */
typedef struct se_summary {
	char study[128];
	int64_t trials, finished, failed, waiting; /* of the study */
	int64_t run;                               /* trials that this run has ended */
	int64_t best_number;                       /* -1: no valid trial */
	double best_value, best_test_value;        /* NAN: none */
	int64_t latent;
	double pca_value, pca_test_value;          /* the floor at the best trial's latent size */
	double wall_s;
	char cause[200];     /* the most frequent one of trials that failed */
	int64_t cause_count; /* of them; 0: none has one */
	bool interrupted;
} se_summary;

/* Runs or goes on with a study. IR_OK also when no trial was valid or it was interrupted: the summary says so.
 * *usage: the failure was an option that disagrees with the study. Messages go to d. */
IR_MUSTUSE ir_status se_search(const se_options *o, se_summary *out, bool *usage, ir_diag *d);

#endif
