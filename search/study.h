/* SPDX-License-Identifier: Apache-2.0
 * search/study.h -- what a search was asked for, and what an existing study says about it. */
#ifndef SEARCH_STUDY_H
#define SEARCH_STUDY_H

#include "search/data/data.h"
#include "search/store.h"

#define SE_UNSET INT64_MIN /* an option that was not given: a new study takes the default, an old one keeps its own */

typedef struct se_options {
	const char *db, *study;
	const char *data;                   /* le_source_print of what the command line says; NULL: unset */
	const char *space, *sampler;        /* NULL: unset */
	const char *const *models;          /* NULL-terminated file names; NULL: sample */
	int64_t seed, limit_train, latent, epochs, batch, delay; /* SE_UNSET */
	int64_t trials;  /* of the study, all runs together; 0: no limit */
	double time;     /* seconds of this run; 0: no limit */
	int64_t jobs, threads; /* 0: from the number of cores */
	int64_t finalists;     /* how many trials see the test rows at the end */
	int64_t keep;          /* weights of so many of the best trials stay on disk; -1: of all; SE_UNSET: as before, or 1 */
	double trial_time;     /* seconds that one trial may take; 0: no limit */
	int64_t trial_memory;  /* bytes that its worker may take beside the data; 0: from the machine's */
	const char *as_new;    /* go on with the study under this name; NULL: no */
	bool quiet;
	bool profile;          /* trials of this run count where their steps' time goes */
	ir_arena *texts; /* with models: theirs, into which messages point; outlives the messages */
} se_options;

/* The rows of a study; its text says what the data are. prep: NULL, or what a model of it expects. IR_EINPUT with a message if
 * they are not those that the study began with. */
IR_MUSTUSE ir_status se_study_data(const se_study *st, const le_prep *prep, ir_arena *a, le_data *out, ir_diag *d);

/* Fills *st (all but id, data_key, sizes, target, build, which the data and a worker tell) from options and defaults, or
 * from the study that exists. False after a message for every option at fault: a study is one experiment, and two
 * halves made with different settings are none. */
bool se_study_resolve(const se_options *o, const se_study *old, se_study *st, ir_diag *d);

#endif
