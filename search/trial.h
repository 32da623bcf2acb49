/* SPDX-License-Identifier: Apache-2.0
 * search/trial.h -- one trial: what its model text says about it before training, the settings its genome stands for,
 * its key, and (in a worker) the training itself. */
#ifndef SEARCH_TRIAL_H
#define SEARCH_TRIAL_H

#include "search/learn/learn.h"
#include "search/space.h"
#include "search/wire.h"

/* Facts about a model text. */
typedef struct se_model {
	ir_key arch;
	int64_t latent; /* elements of the latent per row; 0: none is named */
	int64_t params;
	int64_t flops;  /* forward, one row */
	int64_t width;  /* features it takes; 0: unknown */
	ir_loc input;   /* of what takes them */
} se_model;

/* False after messages. */
bool se_model_read(const char *name, const char *text, se_model *out, ir_diag *d);
/* The same for a model of the user's: could it be trained on rows of the width it wants? Warns of a way around its
 * latent. text must outlive d's last print. */
bool se_model_check(const char *name, const char *text, se_model *out, ir_diag *d);

/* Duplicates have the same key: architecture, settings outside the architecture, data, seed. */
ir_key se_trial_key(ir_key arch, const se_space *sp, const se_genome *g, const char *data_key, int64_t seed);

/* The settings as they travel to a worker; m's other fields are the caller's. */
void se_settings(const se_space *sp, const se_genome *g, se_message *m);

/* How a trial is run, which changes no result. */
typedef struct se_running {
	int threads;     /* of the schedule */
	const int *team; /* real ones, which may change while it runs */
	const le_weights *init; /* its final weights: only evaluate; or NULL */
	le_progress *progress;  /* as in le_train */
	le_tick *tick;
	void *ctx;
} se_running;

/* Trains task t. *r is filled as far as the trial came; the caller frees it with le_result_free. cause gets text for the
 * row when the status is not IR_OK: facts that are the same every time, such as "loss is not finite at step 37 (epoch 2)". */
ir_status se_trial_run(cc_context *c, const le_data *data, const se_message *t, const se_running *how, le_result *r,
		       ir_str *cause);

/* Trains t again as far as the first value that is not finite: le_find_nan. Its place is in t->ir, which messages call name
 * and which must outlive d's last print. */
IR_MUSTUSE ir_status se_trial_find_nan(cc_context *c, const le_data *data, const se_message *t, const char *name, int threads,
				       ir_arena *a, le_nan *out, ir_diag *d);

#endif
