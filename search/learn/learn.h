/* SPDX-License-Identifier: Apache-2.0
 * search/learn/learn.h -- the training loop, weights, unsupervised methods. Below samplers and the store: knows nothing of
 * either. Prefix le_. */
#ifndef SEARCH_LEARN_LEARN_H
#define SEARCH_LEARN_LEARN_H

#include "compiler/cc.h"
#include "search/data/data.h"

/* ---- PCA (pca.c; LAPACKE) --------------------------------------------------------------------------------- */

/* Mean squared reconstruction error per element on the rows idx of t, by the PCA with k components that is fitted on
 * the rows fit (covariance in double, dsyevr). k is clipped to the width. */
typedef struct le_pca le_pca;
IR_MUSTUSE ir_status le_pca_fit(const le_table *t, const uint32_t *fit, size_t nfit, int threads, le_pca **out);
double le_pca_mse(const le_pca *p, const le_table *t, const uint32_t *idx, size_t n, int k, int threads);
void le_pca_free(le_pca *p);

/* The same for the training rows of a data set, and for any of its rows; of a table that stays in its file, the fit sees
 * 65,536 training rows, evenly spread. */
IR_MUSTUSE ir_status le_floor_fit(const le_data *t, int threads, le_pca **out);
IR_MUSTUSE ir_status le_floor_mse(const le_pca *p, const le_data *t, const uint32_t *idx, size_t n, int k, int threads, double *mse);

/* ---- weights (safetensors.c; jansson) ---------------------------------------------------------------------- */

typedef struct le_weights {
	size_t n;
	char **name;
	rt_tensor *tensor;
	size_t nmeta; /* of a file: what it says beside the tensors; le_weights_write takes it as an argument */
	char **meta;  /* pairs: key, text */
} le_weights;

/* The safetensors format, strictly: header at most 100 MB, starts with '{', no duplicates, offsets contiguous and
 * covering the file, shape x dtype checked for overflow. F32, F64, I32, U8, BOOL. metadata: n pairs of texts, may be NULL.
 * The order of the tensors is kept: it is that of their data in the file, and among empty ones that of the header. */
IR_MUSTUSE ir_status le_weights_read(const char *path, le_weights *out, ir_diag *d);
IR_MUSTUSE ir_status le_weights_write(const char *path, const le_weights *w, const char *const *metadata, size_t n, ir_diag *d);
/* Weights of a trained model: n pairs of metadata, at most 5, and what it expects of its rows, without which they mean nothing. */
IR_MUSTUSE ir_status le_model_write(const char *path, const le_weights *w, const char *const *metadata, size_t n, const le_data *data,
				    ir_diag *d);
/* That again, to be freed; path names the file in the message if it is damaged (IR_EINPUT). */
IR_MUSTUSE ir_status le_model_prep(const char *path, const le_weights *w, le_prep *out, ir_diag *d);
void le_weights_free(le_weights *w);
ir_key le_weights_key(const le_weights *w); /* hash of names, shapes and bits, in their order; not of the metadata */
const char *le_weights_meta(const le_weights *w, const char *key); /* NULL if absent */
const rt_tensor *le_weights_find(const le_weights *w, const char *name); /* NULL if absent */
extern const cc_weight_reader le_weight_reader; /* the same for commands of the compiler */

/* ---- training (train.c) -------------------------------------------------------------------------------------- */

typedef enum le_schedule { LE_CONSTANT, LE_COSINE, LE_SCHEDULE_COUNT } le_schedule; /* cosine: from lr to 0 over all steps */
const char *le_schedule_name(le_schedule s);

/* Called after every chunk of steps (a fraction of a second): steps done, steps planned, the last loss. Return false to
 * stop the run (IR_EINTR). Gets the ctx that le_train was given. */
typedef bool le_tick(void *ctx, int64_t step, int64_t steps, double loss);

typedef struct le_config {
	cc_objective objective;
	double lr;
	le_schedule schedule;
	int64_t batch, epochs;
	uint64_t seed;    /* initialisation, shuffling, model keys */
	bool shuffle;     /* false: rows in the order of the training list */
	int threads;      /* of the schedule; results do not depend on it */
	const int *team;  /* real threads, at most as many, looked at before every chunk of steps; NULL: threads */
	cc_precision precision;
	bool tune;        /* the schedule of the training step, by measurement */
	bool test;        /* evaluate the test rows at the end */
	bool profile;     /* count where the steps' time goes; changes no result */
	int64_t max_steps; /* 0 = no limit */
	const le_weights *init; /* NULL = initialisers; names must match params, shapes must agree */
	const char *save_state; /* file to write after every epoch and when stopped: where the training stands; NULL = none */
	const le_weights *resume; /* such a file: go on from there, to the bits of a run that never stopped. Every setting above
	                           * that decides bits must be the same; under a constant schedule epochs may be more */
	le_tick *tick;    /* NULL = none */
} le_config;

le_config le_config_default(void); /* adam 1e-3, batch 128, 10 epochs, shuffle, 1 thread */

/* Called after every epoch; epoch counts from 1, val_loss is the model's loss (NAN without validation rows). Return
 * false to stop the run (IR_EINTR). */
typedef bool le_progress(void *ctx, int64_t epoch, double train_loss, double val_loss);

typedef struct le_result {
	double train_loss;        /* mean over the last epoch's steps */
	double val_loss, test_loss; /* the model's loss; NAN if not evaluated */
	double val_mse, test_mse; /* reconstruction against the input; NAN if there is no such output */
	int64_t epochs, steps;
	double wall_s, compile_ms; /* wall_s: the whole call, compile_ms included */
	int64_t params, flops_per_step;
	size_t arena_bytes;
	double *step_loss;   /* one per step, the last may be the one that is not finite; heap, owned by the result */
	double *epoch_val;   /* validation mse (or loss) after each epoch; heap */
	le_weights weights;  /* final parameters in canonical order; owned; none after IR_ENAN */
	ir_key weights_key;  /* le_weights_key of them: what replay compares */
	cc_profile profile;  /* of all steps, if cfg asked for it and a step ran; rows: heap */
} le_result;

/* Trains entry "main" of m. IR_ENAN as soon as a loss is not finite (result holds what was reached), IR_ENOMEM,
 * IR_EINTR, IR_EINPUT with messages; IR_EIO with one if cfg->save_state could not be written, for which no training is
 * stopped: the result is whole. It is to be freed with le_result_free whatever the status. */
IR_MUSTUSE ir_status le_train(cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg,
			      le_progress *progress, void *ctx, le_result *out, ir_diag *d);
void le_result_free(le_result *r);

/* Warnings with their places: a reconstruction that ends in a sigmoid cannot follow data outside [0, 1]; a latent as wide as a
 * row compresses nothing. */
void le_warn_model(const ir_module *m, const le_data *data, ir_diag *d);

/* The gradients (before clipping) that the first step of le_train would compute, named like the params. */
IR_MUSTUSE ir_status le_gradients(cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg,
				  le_weights *out, ir_diag *d);

/* ---- a trained model at work (apply.c) --------------------------------------------------------------------------- */

enum { LE_LATENT = 1, LE_RECONSTRUCTION = 2, LE_ERROR = 4 }; /* what is wanted of it */

/* What a trained model makes of rows of data. */
typedef struct le_applier le_applier;

/* Compiles the model's outputs for data (which must stay), with these weights (copied). IR_EINPUT with a message if they
 * do not fit or the model lacks a wanted output. want: LE_LATENT | LE_RECONSTRUCTION | LE_ERROR. With f64 weights it
 * computes in f64, else as the model is written, also if it was trained in bf16. d must stay too. */
IR_MUSTUSE ir_status le_apply_open(cc_context *c, const ir_module *m, const le_data *data, const le_weights *w, unsigned want,
				   int threads, le_applier **out, ir_diag *d);

int64_t le_apply_latent_width(const le_applier *a); /* elements per row; 0: no such output */

/* n rows of the table by number. latent [n][latent width], reconstruction [n][width], error [n]: mean squared error of
 * the row against x, added up in double in ascending order; NULL: not wanted. The bits of a row do not depend on which
 * rows stand beside it, nor on threads. Noise of a model with a key is a function of the row's number in the table. */
IR_MUSTUSE ir_status le_apply_rows(le_applier *a, const uint32_t *rows, size_t n, float *latent, float *reconstruction,
				   double *error);
void le_apply_close(le_applier *a); /* NULL is allowed */

/* ---- a map (map2d.c; LAPACKE) -------------------------------------------------------------------------------------- */

/* n points of so many dimensions on a plane: xy [n][2] are their coordinates along the two directions of largest variance,
 * share how much of the variance each of these has. Of one dimension, y is 0. IR_EINPUT: there are none, or some number is
 * not finite; IR_ENOMEM: too many dimensions. */
IR_MUSTUSE ir_status le_map2d(const float *point, size_t n, int64_t dimensions, double *xy, double share[2]);

/* ---- where it went wrong (nan.c) ------------------------------------------------------------------------------- */

typedef enum le_blame {
	LE_BLAME_NOBODY,    /* every value stayed finite */
	LE_BLAME_OP,        /* an operation of the step; or a leaf that came in like that: rows, a learning rate */
	LE_BLAME_COMPILED,  /* the compiled step: the interpreter, which sums in double, got a finite result */
	LE_BLAME_VALIDATION /* the weights are finite, but the error on the validation rows after that epoch is not */
} le_blame;

/* The first value that was not finite. */
typedef struct le_nan {
	le_blame blame;
	int64_t step, epoch; /* after which it was noticed, from 1; 0: never */
	const char *result;  /* what was not finite after it: the loss, or else a weight, moment or state by name */
	int64_t bad, count;  /* elements that are not finite, and all: of the operation, else of the result */
	bool nan;            /* NaN is among them; else infinities only */
	/* LE_BLAME_OP only: */
	const char *op, *name; /* "log"; NULL: the value has no name */
	const char *part;      /* "input", "forward", "gradient", "optimiser"; "given" for a leaf */
	ir_loc loc;            /* in the text that m was parsed from; of an update: its weight's; line 0: nowhere */
} le_nan;

/* Trains as le_train does, up to the first step after which the loss, a weight, a moment or a state is not finite, and finds
 * the operation that began it: the first whose result is not finite though its operands are, infinite constants aside. Texts
 * live in a or for ever. IR_OK whatever was found; IR_ENOMEM, IR_EINPUT as le_train. */
IR_MUSTUSE ir_status le_find_nan(cc_context *c, const ir_module *m, const le_data *data, const le_config *cfg, ir_arena *a,
				 le_nan *out, ir_diag *d);

#endif
