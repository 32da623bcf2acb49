/* SPDX-License-Identifier: Apache-2.0
 * search/driver_int.h -- what driver.c (the loop), setup.c (its beginning), propose.c (which trials), pack.c (on which
 * cores), watch.c (limits and requests), full.c (full disks), keep.c (weights) and finals.c (its end) share. */
#ifndef SEARCH_DRIVER_INT_H
#define SEARCH_DRIVER_INT_H

#include "runtime/rt.h"
#include "search/driver.h"
#include "search/pool.h"
#include "search/progress.h"
#include "search/sampler.h"
#include "search/trial.h"

#define SE_MAX_FLOORS 16
#define SE_NO_FLOOR (-1)
#define SE_PACK_SIZES 40
#define SE_PACK_TEAMS 6

/* A trial of the study, of this run or an earlier one. */
typedef struct se_item {
	int64_t id; /* 0: not written down yet */
	int64_t number, attempts, latent, params, flops;
	int64_t parent;       /* -1: none */
	const char *mutation; /* NULL: none */
	ir_key arch, key; /* of proposals of this run */
	se_state state;
	double value, test_value, train_s;
	double work; /* predicted; only compared with other trials of the same study */
	se_genome genome;
	const char *ir; /* NULL: a row that another program added, or not a point of the space */
	char weights_key[IR_KEY_CHARS];
	int64_t epochs;   /* reported so far */
	bool gone;        /* the file that its row names is not there */
	bool greedy;      /* its worker has struck the limit of memory before */
	const char *file; /* its weights, relative to the database; NULL: not kept */
	int home; /* the worker that trained it and may still have its weights; -1 */
	int64_t home_generation;
} se_item;

/* How fast trials of one kind were. */
typedef struct se_rate {
	double work;    /* per second and core */
	double seconds; /* of all of them */
	int trials;
} se_rate;

typedef struct se_driver {
	const se_options *o;
	ir_diag *d;
	ir_arena *arena; /* lives as long as the run */
	se_store *store; /* NULL: a new file, not made before the inputs are known to be good */
	se_study study;
	bool anew;      /* --as-new, and the new study is not there yet */
	int64_t before; /* --as-new: the study that this one goes on from; 0: none */
	se_space *space;
	se_sampler *sampler;
	se_item *item; /* by number */
	size_t nitem, itemcap, settled; /* settled: all items below it are finished */
	int64_t next;  /* number of the next proposal */
	int64_t given; /* proposals so far: with --models, the place of the next model */
	bool leased, opened, exhausted;
	bool better; /* a new best that is not committed, and so not shown, yet */
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
	int64_t floor_asked; /* what that worker is busy with; SE_NO_FLOOR: nothing */
	int floor_deaths;    /* of workers, on that floor */
	bool floor_again;    /* it is to be asked for once more */
	int64_t floor_lost[SE_MAX_FLOORS]; /* floors that this run has given up */
	size_t nlost;
	double deadline, reserve, rate_work, rate_s; /* rate_s: seconds of one core */
	int64_t final_number; /* the finalist that is being looked at; -1 */
	int final_worker;     /* who looks; -1: nobody */
	bool final_again;     /* who looked was killed from outside, or the disk was full */
	bool final_file;      /* it is no finalist: only its file of weights is missing */
	int cores;            /* threads of all workers together */
	bool spread;          /* they are split as pack.c says; else each worker has its own */
	se_rate pack[SE_PACK_SIZES][SE_PACK_TEAMS]; /* by size of model and 1, 2, 4, .. cores */
	int64_t memory;       /* bytes of a worker's own that a trial may take */
	bool full;            /* a disk is: nothing new is begun */
	double full_since, full_again; /* when that began; when to try again */
	int64_t full_told;    /* trials in memory that were told of */
	const char *full_file; /* where to try whether weights fit again; NULL: none did not */
	int64_t full_bytes;   /* of them */
	const char *ending;   /* of the names of this study's files of weights; NULL: not asked for yet */
	size_t *best, nbest;  /* places in item of the best --keep trials, best first */
	se_progress progress;
} se_driver;

/* driver.c */
ir_status se_driver_message(se_driver *v, size_t who, const se_message *m);
ir_status se_driver_death(se_driver *v, size_t who, const se_death *death);
ir_status se_driver_wait(se_driver *v);
se_item *se_driver_find(se_driver *v, int64_t number); /* NULL if absent */
void se_driver_note_best(se_driver *v, const se_item *i);
int se_driver_stops(void); /* signals and requests to stop so far */
void se_driver_stop(int stops);

/* propose.c */
se_item *se_driver_add_item(se_driver *v, int64_t number); /* moves the others: keep no pointers */
double se_driver_work(const se_driver *v, const se_item *i); /* size of a trial, to be compared only */
double se_driver_predict(const se_driver *v, const se_item *i); /* seconds; 0: unknown */
bool se_driver_time_is_up(const se_driver *v);
void se_driver_tell(se_driver *v, const se_item *i);
ir_status se_driver_record(se_driver *v, int64_t number);
ir_status se_driver_adopt(se_driver *v, const se_stranger *r);
ir_status se_driver_look_for_strangers(se_driver *v);
se_item *se_driver_pick(se_driver *v); /* the lowest number that waits and fits into the time left; NULL: none now */

/* watch.c */
ir_status se_driver_look_around(se_driver *v); /* takes the right to write; requests, enqueued trials */
void se_driver_limits(se_driver *v);           /* kills workers that take too long or too much */

/* full.c */
void se_driver_pause(se_driver *v);                 /* the database could not be written */
void se_driver_pause_for_file(se_driver *v, const se_item *i, int64_t n_params); /* the weights of i could not */
bool se_driver_waits_for_space(const se_driver *v); /* and neither a stop nor the clock ends that */
ir_status se_driver_flush(se_driver *v); /* commits what has gathered, unless a reader or a full disk is in the way */
ir_status se_driver_last_flush(se_driver *v, bool failed); /* waits for both; failed: the search has, so do not */

/* pack.c */
int se_driver_team(const se_driver *v, const se_item *i);      /* how many cores should train it */
bool se_driver_has_room(const se_driver *v, const se_item *i); /* are so many free? */
void se_driver_learn(se_driver *v, const se_item *i, const se_worker *w, double seconds); /* a finished trial */
void se_driver_set_team(se_worker *w, int threads);
void se_driver_spread(se_driver *v);                            /* free cores go to running trials */

/* keep.c */
bool se_item_better(const se_item *a, const se_item *b); /* of two finished trials with values: the order of best first */
ir_status se_driver_open_folder(se_driver *v); /* once the study is ours: sweeps, and keeps what --keep says */
const char *se_driver_weights_path(se_driver *v, const se_item *i); /* where its weights belong; in the driver's arena */
const char *se_driver_weights_file(se_driver *v, const se_item *i); /* the same, as the row names it */
double se_driver_keep_below(const se_driver *v); /* what a value must not exceed to be worth a file; NAN: any will do */
ir_status se_driver_keep(se_driver *v, se_item *i); /* a finished trial: its file stays, another's goes, or its own */

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
ir_status se_driver_floor_death(se_driver *v, const se_death *death); /* the worker died on it: once more, or given up */
ir_status se_driver_finish(se_driver *v); /* floors and test values */
ir_status se_driver_final(se_driver *v, se_worker *w, const se_message *m);
ir_status se_driver_sum_up(se_driver *v, se_summary *out);

#endif
