/* SPDX-License-Identifier: Apache-2.0
 * gradmill.h -- parse a model, differentiate it, compile it, run it, train it.
 *
 * A model is a text (grammar: the IR's manual). What can be done with it:
 *
 *   gm_ctx_new
 *   gm_model_parse ............ the text, checked; gm_model_print gives it back
 *   gm_differentiate .......... another model: the first with its gradient
 *   gm_compile ................ one of its functions as machine code
 *     gm_program_bind ......... memory for inputs, weights and results
 *     gm_program_run .......... any number of times
 *   gm_trainer_new ............ a whole training step on a table of rows
 *     gm_trainer_step, _eval, _param_get, _param_set
 *   gm_..._free in any order, the context last
 *
 * Calls that can fail return a gm_status; gm_errors then says why, with line numbers. Nothing prints, nothing exits;
 * when small allocations fail the process aborts, when tensors do not fit the answer is GM_ENOMEM.
 *
 * Threads: a context and all that was made with it belong to one thread at a time, but gm_program_run of different
 * programs may overlap. Results do not depend on the number of threads, to the bit. */
#ifndef GRADMILL_H
#define GRADMILL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GM_API      __attribute__((visibility("default")))
#define GM_MUSTUSE  __attribute__((warn_unused_result))
#define GM_VERSION  "0.1.0"
#define GM_MAX_RANK 6

typedef enum gm_status {
	GM_OK = 0,
	GM_EINPUT,       /* the text, a shape, a name or an option is wrong */
	GM_ENOINPUT,     /* a file is not there */
	GM_ENOMEM,       /* tensors do not fit */
	GM_EIO,          /* reading or writing failed */
	GM_EBUSY,        /* somebody else holds the lock */
	GM_EUNAVAILABLE, /* something outside is missing */
	GM_EINTERNAL,    /* the code generator or the system refused something that should have worked */
	GM_ENAN,         /* training produced a value that is not finite */
	GM_EINTR,        /* asked to stop */
	GM_EFULL         /* no space left on a disk */
} gm_status;

/* "out of memory" and so on; never NULL. */
GM_API const char *gm_status_text(gm_status s);

/* Number formats to compute in. F64: every f32 becomes f64, also what is bound. BF16: operands of matrix products are rounded to bf16, sums
 * and everything else stay f32; products have the same bits on every CPU. Faster than f32 where the CPU has a matrix unit (Intel's AMX,
 * which the process asks the kernel for when the first product is compiled); exported objects do without it. */
typedef enum gm_precision { GM_PRECISION_F32, GM_PRECISION_F64, GM_PRECISION_BF16 } gm_precision;

typedef enum gm_dtype { GM_F32, GM_F64, GM_I32, GM_U8, GM_BOOL } gm_dtype;

/* ---- context -------------------------------------------------------------------------------------------------- */

/* The code generator, its cache of compiled kernels, and the last messages. Costs some milliseconds and megabytes: make
 * one, keep it. */
typedef struct gm_ctx gm_ctx;

/* cache_dir: where compiled kernels are kept between runs; NULL = the default ($GRADMILL_CACHE, else
 * $XDG_CACHE_HOME/gradmill, else ~/.cache/gradmill), "" = nowhere. On failure *out is NULL. */
GM_API GM_MUSTUSE gm_status gm_ctx_new(const char *cache_dir, gm_ctx **out);
GM_API void gm_ctx_free(gm_ctx *ctx); /* NULL is allowed */

/* Messages of the last call on ctx, or on anything made with it; "" if there were none. Valid until the next such call. */
GM_API const char *gm_errors(const gm_ctx *ctx);

/* "znver4 avx512, llvm 19.1.7" */
GM_API const char *gm_target(const gm_ctx *ctx);

/* ---- models --------------------------------------------------------------------------------------------------- */

typedef struct gm_model gm_model;

/* Parses len bytes; the text is copied. name is used in messages. On failure *out is NULL and gm_errors has at least one
 * message. The context must outlive the model. */
GM_API GM_MUSTUSE gm_status gm_model_parse(gm_ctx *ctx, const char *name, const char *text, size_t len, gm_model **out);
GM_API GM_MUSTUSE gm_status gm_model_parse_file(gm_ctx *ctx, const char *path, gm_model **out);
GM_API void gm_model_free(gm_model *m); /* NULL is allowed */

/* Functions that can be compiled. The name is the model's. i out of range: NULL. */
GM_API size_t gm_model_functions(const gm_model *m);
GM_API const char *gm_model_function(const gm_model *m, size_t i);

/* The model as text, with calls inlined: gm_model_parse reads it back. The caller frees it with free(). */
GM_API char *gm_model_print(const gm_model *m);

/* A new model with one function, FUNC.grad: all that func computes, and gradients.
 * loss names a scalar result: for every float input and param NAME there is a result d_NAME more.
 * loss NULL: the vector-Jacobian product: there is also an input dy0, dy1, .. for every float result.
 * batch: the size of B, which a gradient must know; 0 if func has none. */
GM_API GM_MUSTUSE gm_status gm_differentiate(const gm_model *m, const char *func, const char *loss, int64_t batch,
					     gm_model **out);

/* ---- programs ------------------------------------------------------------------------------------------------- */

typedef struct gm_program gm_program;

typedef struct gm_options {
	size_t size;      /* sizeof (gm_options): set by gm_options_default, so that later versions can add fields */
	int64_t batch;    /* what B stands for; 0: the function has no B */
	int threads;      /* 0 = the processors that this process may use */
	gm_precision precision;
	int opt_level;    /* 0 or 2 */
	uint64_t seed;    /* of the initial values of params */
} gm_options;

GM_API gm_options gm_options_default(void);

/* o NULL = the defaults. The model may be freed afterwards; the context must outlive the program. */
GM_API GM_MUSTUSE gm_status gm_compile(const gm_model *m, const char *func, const gm_options *o, gm_program **out);
GM_API void gm_program_free(gm_program *p); /* NULL is allowed */

typedef enum gm_role { GM_INPUT, GM_PARAM, GM_STATE, GM_OUTPUT } gm_role;

/* A value that has a name and memory. name belongs to the program. */
typedef struct gm_value {
	const char *name;
	gm_role role;
	gm_dtype dtype;
	int rank;
	int64_t dim[GM_MAX_RANK];
	size_t bytes;
} gm_value;

/* Inputs, params, states and outputs, in this order and as in the text; those that no result needs are left out. */
GM_API size_t gm_program_values(const gm_program *p);
GM_API GM_MUSTUSE gm_status gm_program_value(const gm_program *p, size_t i, gm_value *out);

/* The memory of a value, row-major, at least 64-byte aligned: the program's own, made when first asked for. Params and
 * states start with their initial values, everything else with zeros; updates happen in place. *out is valid until
 * gm_program_free or gm_program_bind of the same name. bytes: the size the caller expects, which is checked. */
GM_API GM_MUSTUSE gm_status gm_program_data(gm_program *p, const char *name, size_t bytes, void **out);

/* The caller's memory instead: aligned to 64 bytes (GM_EINPUT if not), as large as the value, alive until the last run. It
 * is not initialised. Inputs are only read. */
GM_API GM_MUSTUSE gm_status gm_program_bind(gm_program *p, const char *name, void *data, size_t bytes);

/* Runs once. Values not bound and not asked for get memory of the program's own. */
GM_API GM_MUSTUSE gm_status gm_program_run(gm_program *p);

/* Facts known after compilation. */
typedef struct gm_facts {
	size_t size; /* sizeof (gm_facts), set by the caller */
	int64_t flops, params;
	size_t arena_bytes;
	double compile_ms;
	int kernels, kernels_compiled, launches;
} gm_facts;
GM_API void gm_program_facts(const gm_program *p, gm_facts *out);

/* ---- training ------------------------------------------------------------------------------------------------- */

typedef struct gm_trainer gm_trainer;

typedef enum gm_optimizer { GM_SGD, GM_ADAM, GM_ADAMW } gm_optimizer;

typedef struct gm_train_options {
	size_t size; /* sizeof (gm_train_options): set by gm_train_options_default */
	int64_t batch;
	gm_optimizer optimizer;
	double lr;           /* may be changed later: gm_trainer_set_lr */
	double momentum;     /* sgd */
	double beta1, beta2, eps; /* adam, adamw */
	double weight_decay; /* adamw; matrices only */
	double clip_norm;    /* global L2 norm of the gradients; 0 = off */
	uint64_t seed;       /* of initial weights, the order of rows, and the model's random numbers */
	int shuffle;         /* a new order of the rows every epoch; 0 = as in the table */
	int threads;         /* 0 = the processors that this process may use */
	gm_precision precision;
	int tune;            /* choose the schedule by measurement, once per model and machine; results stay the same */
} gm_train_options;

GM_API gm_train_options gm_train_options_default(void); /* Adam, lr 0.001, batch 128, shuffled */

/* Trains the function main, which takes rows x: f32[B,width] and perhaps key: i32[2], on its output "loss".
 * table: rows x width, row-major, GM_F32, or GM_U8, where the model sees value / 255. It is read in place and must outlive
 * the trainer. The model may be freed. */
GM_API GM_MUSTUSE gm_status gm_trainer_new(const gm_model *m, gm_dtype dtype, const void *table, int64_t rows, int64_t width,
					   const gm_train_options *o, gm_trainer **out);
GM_API void gm_trainer_free(gm_trainer *t); /* NULL is allowed */

/* Trains for n steps. An epoch is rows / batch steps; what is left over waits for the next order. losses: room for n
 * values, or NULL. GM_ENAN when a loss is not finite; losses up to there are set, and the weights are lost. */
GM_API GM_MUSTUSE gm_status gm_trainer_step(gm_trainer *t, size_t n, double *losses);
GM_API size_t gm_trainer_steps(const gm_trainer *t); /* so far */
GM_API void gm_trainer_set_lr(gm_trainer *t, double lr);

/* The mean loss over rows [first, first + count) of the table, every one of them counted; no training. */
GM_API GM_MUSTUSE gm_status gm_trainer_eval(gm_trainer *t, int64_t first, int64_t count, double *loss);

/* Weights by name; i out of range: NULL. Element type: f32, or f64 for a trainer in double. */
GM_API size_t gm_trainer_params(const gm_trainer *t);
GM_API const char *gm_trainer_param(const gm_trainer *t, size_t i);
GM_API GM_MUSTUSE gm_status gm_trainer_param_size(gm_trainer *t, const char *name, size_t *bytes);
GM_API GM_MUSTUSE gm_status gm_trainer_param_get(gm_trainer *t, const char *name, void *to, size_t bytes);
GM_API GM_MUSTUSE gm_status gm_trainer_param_set(gm_trainer *t, const char *name, const void *from, size_t bytes);

/* ---- operations ----------------------------------------------------------------------------------------------- */

/* The names of the IR's operations, and one line about each. i out of range: NULL. */
GM_API size_t gm_ops(void);
GM_API const char *gm_op_name(size_t i);
GM_API const char *gm_op_doc(size_t i);

#ifdef __cplusplus
}
#endif
#endif
