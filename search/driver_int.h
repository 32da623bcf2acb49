/* SPDX-License-Identifier: Apache-2.0
 * search/driver_int.h -- what driver.c (the loop), setup.c (its beginning) and finals.c (its end) share. */
#ifndef SEARCH_DRIVER_INT_H
#define SEARCH_DRIVER_INT_H

#include "runtime/rt.h"
#include "search/driver.h"
#include "search/pool.h"
#include "search/progress.h"
#include "search/sampler.h"
#include "search/trial.h"

#define SE_MAX_FLOORS 16

/* A trial of the study, of this run or an earlier one. */
typedef struct se_item {
	int64_t id; /* 0: not written down yet */
	int64_t number, attempts, latent, params, flops;
	ir_key arch, key; /* of proposals of this run */
	se_state state;
	double value, test_value, train_s;
	double work; /* predicted; only compared with other trials of the same study */
	se_genome genome;
	const char *ir; /* NULL: a row that another program added */
	char weights_key[IR_KEY_CHARS];
	int home; /* the worker that trained it and may still have its weights; -1 */
	int64_t home_generation;
} se_item;

typedef struct se_driver {
	const se_options *o;
	ir_diag *d;
	ir_arena *arena; /* lives as long as the run */
	se_store *store; /* NULL: a new file, not made before the inputs are known to be good */
	se_study study;
	se_space *space;
	se_sampler *sampler;
	se_item *item; /* by number */
	size_t nitem, itemcap, settled; /* settled: all items below it are finished */
	int64_t next;  /* number of the next proposal */
	bool opened, exhausted;
	se_model *model; /* --models */
	char **model_text;
	size_t nmodel;
	int data; /* where the workers find the data (le_share_new); -1: nowhere */
	se_pool pool;
	int deaths_at_start;
	char target[256];
	int64_t floor[SE_MAX_FLOORS]; /* latent sizes whose floor is still to be found, while trials run */
	size_t nfloor;
	int floor_worker; /* who does it: the fitted PCA stays in that worker; -1: nobody yet */
	int64_t floor_asked; /* what that worker is busy with; 0: no floor */
	int floor_deaths;    /* of workers, on that floor */
	int64_t floor_lost[SE_MAX_FLOORS]; /* floors that this run has given up */
	size_t nlost;
	double deadline, reserve, rate_work, rate_s;
	int64_t final_number; /* the finalist that is being looked at; -1 */
	int final_worker;     /* who looks; -1: nobody */
	se_progress progress;
} se_driver;

/* driver.c */
ir_status se_driver_message(se_driver *v, size_t who, const se_message *m);
ir_status se_driver_death(se_driver *v, size_t who, const char *why);
ir_status se_driver_wait(se_driver *v);
se_item *se_driver_find(se_driver *v, int64_t number); /* NULL if absent */
double se_driver_work(const se_driver *v, const se_item *i); /* size of a trial, to be compared only */
double se_driver_predict(const se_driver *v, const se_item *i); /* seconds; 0: unknown */
int se_driver_stops(void);

/* setup.c */
ir_status se_driver_prepare(se_driver *v, bool *usage);
ir_status se_driver_load_data(se_driver *v);  /* for all workers, while they start; does the study fit the data? */
ir_status se_driver_open_study(se_driver *v); /* once the first worker has named its target */
ir_status se_driver_say(se_driver *v, ir_status st, const char *text);
void se_driver_free(se_driver *v);

/* finals.c */
bool se_driver_anything(const se_driver *v); /* is there any work for a worker? */
ir_status se_driver_plan_floors(se_driver *v);
bool se_driver_ask_floor(se_driver *v, size_t who); /* gives an idle worker a floor to find, if that is its turn */
ir_status se_driver_floor(se_driver *v, se_worker *w, const se_message *m);
ir_status se_driver_floor_death(se_driver *v, const char *why); /* the worker died on it: once more, or given up */
ir_status se_driver_finish(se_driver *v); /* floors and test values */
ir_status se_driver_final(se_driver *v, se_worker *w, const se_message *m);
ir_status se_driver_sum_up(se_driver *v, se_summary *out);

#endif
