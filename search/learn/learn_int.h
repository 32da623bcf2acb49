/* SPDX-License-Identifier: Apache-2.0
 * One model being trained or judged on one data set: its memory and its compiled programs. Shared by run.c, which
 * builds them, steps.c, which runs steps, state.c, which keeps where they stand, train.c and nan.c, which decide what
 * to run when, and apply.c. Not for use outside
 * search/learn/. */
#ifndef SEARCH_LEARN_LEARN_INT_H
#define SEARCH_LEARN_LEARN_INT_H

#include "search/data/data_int.h"
#include "search/learn/learn.h"

#define LE_CHUNK      256 /* steps per rt_run at most */
#define LE_EVAL_BATCH 500
#define LE_EVAL_SIZES 4 /* batch sizes that one run evaluates with: full ones, and rests */

/* A param or state: allocated once, bound by name to every program that has it. */
typedef struct le_leaf {
	char *name;
	bool param;
	uint32_t position; /* canonical, in the model; IR_NO_REF if no output needs it or the optimiser owns it */
	rt_tensor tensor;
} le_leaf;

typedef struct le_program {
	cc_program *program;
	rt_exec *exec;
	int64_t batch;
} le_program;

typedef struct le_run {
	cc_context *context;
	const le_data *data;
	const le_config *cfg;
	ir_diag *d;
	ir_arena *arena;      /* functions on their way to the compiler */
	const ir_func *model; /* entry "main", batch unbound */
	cc_feed feed;
	le_leaf *leaf;
	size_t nleaf;
	le_program step;
	const ir_func *function; /* of the step, as cc_step built it; in the arena */
	rt_tensor *extra;     /* results of the step besides the loss: gradients */
	le_program eval[LE_EVAL_SIZES]; /* by batch size */
	size_t neval;
	double compile_ms;
	float *stage;         /* of a table that stays in its file: room for stage_rows rows; NULL: the programs see the table */
	size_t stage_rows;
	uint32_t *stage_index; /* 0, 1, 2, .. */
} le_run;

/* Compiles the step, allocates and initialises params and states. grads: keep gradients as results of the step.
 * le_run_close is due whatever the status. */
IR_MUSTUSE ir_status le_run_open(le_run *r, cc_context *c, const ir_module *m, const le_data *data,
				 const le_config *cfg, bool grads, ir_diag *d);
/* The same without a step, for evaluation programs only: of cfg, init, threads, precision and seed count. */
IR_MUSTUSE ir_status le_run_open_eval(le_run *r, cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg,
				      ir_diag *d);
void le_run_close(le_run *r);

/* The evaluation program of this batch size, with the outputs want (NULL-terminated; the same ones in every call for r),
 * compiled when first asked for. At most LE_EVAL_SIZES batch sizes. */
IR_MUSTUSE ir_status le_run_program(le_run *r, int64_t batch, const char *const *want, le_program **out);

/* Binds an input of the program by name; a program without it is left alone. */
void le_run_bind(const le_program *p, const char *name, const void *data, size_t stride);

/* Rows of the table, at most le_run_room of them, for the next le_run_steps: what the programs' index is to be bound to. */
const uint32_t *le_run_stage(le_run *r, const uint32_t *rows, size_t n);
size_t le_run_room(const le_run *r); /* SIZE_MAX: the programs see the whole table */

/* n steps, on as many real threads as cfg->team says. */
void le_run_steps(const le_run *r, const le_program *p, size_t n);

/* Weighted means over rows, every row included. *mse is NAN without a reconstruction; both are NAN for n = 0. */
IR_MUSTUSE ir_status le_run_eval(le_run *r, const uint32_t *rows, size_t n, double *loss, double *mse);

/* Copies of the params in canonical order. */
IR_MUSTUSE ir_status le_run_weights(const le_run *r, le_weights *out);

le_leaf *le_run_leaf(const le_run *r, const char *name); /* NULL if absent */

int64_t le_row_width(const ir_func *f, const char *name); /* elements per row of the output of this name; 0: there is none */

/* ---- steps.c ------------------------------------------------------------------------------------------------ */

/* A run and what its steps are given. Large: on the heap. */
typedef struct le_steps {
	le_run run;
	const le_config *cfg;
	uint32_t *order;         /* rows of this epoch */
	size_t per_epoch, total; /* steps */
	double lr[LE_CHUNK], alpha[LE_CHUNK], rsc[LE_CHUNK]; /* in the model's type: f32 uses half of the room */
	double loss[LE_CHUNK];   /* of the steps run last */
	rt_key key[LE_CHUNK];
} le_steps;

/* le_run_open, and the steps counted. le_steps_close is due whatever the status. */
IR_MUSTUSE ir_status le_steps_open(le_steps *s, cc_context *c, const ir_module *m, const le_data *data,
				   const le_config *cfg, bool grads, ir_diag *d);
void le_steps_close(le_steps *s);

void le_steps_order(le_steps *s, int64_t epoch); /* rows in the order of that epoch, from 0: before its first step */
const uint32_t *le_steps_rows(const le_steps *s, size_t at); /* of step `at` of the epoch */
size_t le_steps_most(const le_steps *s); /* how many may be run at once: 1 to LE_CHUNK */

/* Runs n <= le_steps_most steps from step `at` of the epoch, which is step `first` since the start of training. Their losses
 * are in s->loss, and what the first of them was given stays at the front of the other arrays. */
void le_steps_run(le_steps *s, size_t at, size_t first, size_t n);

/* ---- state.c ------------------------------------------------------------------------------------------------ */

/* Writes where the training stands, after r->steps steps. Read again it is what le_state_take goes on from: leaves of the run,
 * steps, epochs and losses of r. IR_EINPUT with messages if the state is of a training with other bits. */
IR_MUSTUSE ir_status le_state_save(const char *path, const le_steps *s, const le_result *r, ir_diag *d);
IR_MUSTUSE ir_status le_state_take(le_steps *s, const le_weights *w, le_result *r);

#endif
