/* SPDX-License-Identifier: Apache-2.0
 * compiler/cc.h -- from an IR function to a plan that the runtime's team runs.
 *
 *   bind batch -> inline'd IR -> grad / step -> simplify, fold, cse, dce -> fuse -> schedule -> plan memory ->
 *   kernels (LLVM objects, cached) -> rt_plan */
#ifndef COMPILER_CC_H
#define COMPILER_CC_H

#include "ir/ir.h"
#include "runtime/rt.h"

/* ---- passes (pipeline.c, passes.def) ------------------------------------------------------------------ */

/* A pass reads a function and returns a new one in arena a (or in itself: what it was given); NULL after a message.
 * It must not fail on a verified function unless its row says so. */
typedef ir_func *cc_pass_fn(const ir_func *f, ir_arena *a, ir_diag *d);

typedef struct cc_pass {
	const char *name; /* option of --dump-after, -p; "from" of what it makes */
	cc_pass_fn *run;
	const char *doc;
} cc_pass;

const cc_pass *cc_pass_find(const char *name); /* NULL if unknown */
const cc_pass *cc_pass_at(size_t i);           /* NULL behind the last row */

typedef struct cc_pipeline {
	const cc_pass *pass[32];
	size_t n;
	bool verify;          /* after every pass; a failure is a bug and writes a reproducer */
	const char *dump_after; /* pass name, "all", or NULL */
	ir_str *dump;         /* where dumps go */
	bool time;            /* append "pass ms" lines to dump */
} cc_pipeline;

/* "simplify,cse,dce"; false after a message naming the unknown pass. */
bool cc_pipeline_parse(cc_pipeline *p, const char *list, ir_diag *d);
void cc_pipeline_default(cc_pipeline *p, int level); /* level 0: nothing but dce; 2: everything */

/* Runs the passes; the result lives in a. NULL after a message. */
ir_func *cc_pipeline_run(const cc_pipeline *p, const ir_func *f, ir_arena *a, ir_diag *d);

/* ---- number formats (precision.c) --------------------------------------------------------------------- */

typedef enum cc_precision {
	CC_PRECISION_F32,  /* as written */
	CC_PRECISION_F64,  /* every f32 is f64, also what is bound: for checks */
	CC_PRECISION_BF16, /* operands of products are rounded to bf16; sums, weights and all else stay f32 */
	CC_PRECISION_COUNT
} cc_precision;
bool cc_precision_find(const char *name, cc_precision *out); /* "f32", "f64", "bf16" */
const char *cc_precision_name(cc_precision p);

/* f, a model before differentiation, in that format. NULL after a message. */
ir_func *cc_in_precision(const ir_func *f, cc_precision p, ir_arena *a, ir_diag *d);

/* ---- reverse mode (grad/) ------------------------------------------------------------------------------ */

/* A copy of f with, for each wrt[i], one more output "d_NAME": the gradient of the scalar float output named loss.
 * A wrt that the loss does not depend on gets zeros. f must be bound. NULL after a message. */
ir_func *cc_grad(const ir_func *f, const char *loss, const ir_ref *wrt, size_t nwrt, ir_arena *a, ir_diag *d);

/* Vector-Jacobian product: inputs "dy0", "dy1", .. are appended, one per float result of f, and an output
 * "d_NAME" per float input and param. This is what the pass "grad" of gradmill opt does. */
ir_func *cc_vjp(const ir_func *f, ir_arena *a, ir_diag *d);

/* ---- training steps (step.c) ---------------------------------------------------------------------------- */

typedef enum cc_optimizer { CC_SGD, CC_ADAM, CC_ADAMW, CC_OPTIMIZER_COUNT } cc_optimizer;
bool cc_optimizer_find(const char *name, cc_optimizer *out);
const char *cc_optimizer_name(cc_optimizer o);

/* One (loss, parameters, optimiser) triple of a step. */
typedef struct cc_objective {
	const char *loss;          /* output name; usually IR_OUT_LOSS */
	const char *const *param;  /* names; NULL = every param the loss depends on */
	size_t nparam;
	cc_optimizer optimizer;
	double momentum;           /* sgd; 0 = plain */
	double beta1, beta2, eps;  /* adam, adamw; defaults .9, .999, 1e-8 */
	double weight_decay;       /* adamw: decoupled, scaled by lr; never on vectors (biases) */
	double clip_norm;          /* global L2 norm over the objective's gradients; 0 = off */
} cc_objective;

cc_objective cc_objective_default(void); /* adam on "loss" */

/* How rows reach the model: main(x: f32[B,D]) is called on rows of a table, picked by index. */
typedef struct cc_feed {
	ir_dtype dtype;  /* IR_U8: x = table / 255, rounded to f32 first; IR_F32: x = table */
	int64_t rows;    /* of the table; 0: no table, the step takes the model's own x */
	int64_t width;   /* D; must be the model's */
} cc_feed;

/* Leaf names of what cc_step and cc_eval add to the model's own params and states. They begin with a dot and a model's
 * names may not (message reserved_name), so no model can take one of them. */
#define CC_IN_TABLE ".table" /* u8 or f32 [rows, D] */
#define CC_IN_INDEX ".index" /* i32[B]: rows of this step */
#define CC_IN_KEY   ".key"   /* i32[2]: only if the model takes a key */
/* Step scalars of the first objective, in the model's float type (objective i has i in place of the 0): the learning
 * rate; and for Adam lr / (1 - beta1^t) and 1 / sqrt(1 - beta2^t), computed by the caller in double (t from 1). */
#define CC_IN_LR    ".lr0"
#define CC_IN_ALPHA ".alpha0"
#define CC_IN_RSC   ".rsc0"
/* The optimiser's states of param w are ".m.w" and ".v.w". */

/* A whole training step: gather rows, forward, reverse sweep, clipping, optimiser; params, moments updated in place.
 * f is the model's entry, bound. Its other inputs than x and key are not allowed. Results: one "loss" per
 * objective under its own name, and, if grads is true, every gradient as "d_NAME". */
ir_func *cc_step(const ir_func *f, const cc_feed *feed, const cc_objective *obj, size_t nobj, bool grads,
		 ir_arena *a, ir_diag *d);

/* The model on rows of a table without training: results are the named outputs of f in want (NULL-terminated),
 * where "mse" stands for the mean squared difference of reconstruction and x. */
ir_func *cc_eval(const ir_func *f, const cc_feed *feed, const char *const *want, ir_arena *a, ir_diag *d);

/* The part of f from its input to "latent" (x -> latent), or from "latent" to "reconstruction" (latent -> ..). */
ir_func *cc_encoder(const ir_func *f, ir_arena *a, ir_diag *d);
ir_func *cc_decoder(const ir_func *f, ir_arena *a, ir_diag *d); /* error no_decoder if it needs the input too */

/* ---- cost (cost.c) ---------------------------------------------------------------------------------------- */

typedef struct cc_cost {
	int64_t flops;      /* executed, by ops.def; a fused multiply-add counts 2 */
	int64_t matmul_flops; /* the share of matmul */
	int64_t bytes;      /* operands and results of every instruction, before fusion */
	int64_t params;     /* elements of all params */
} cc_cost;

cc_cost cc_func_cost(const ir_func *f); /* bound */

/* ---- compilation ------------------------------------------------------------------------------------------- */

/* LLVM target machine, JIT and kernel cache: one per process, shared by every program, thread-safe. */
typedef struct cc_context cc_context;

typedef struct cc_context_options {
	const char *target;    /* NULL = host; else an x86-64 level or CPU name: "x86-64", "x86-64-v3", "znver4": target.c */
	const char *cache_dir; /* NULL = $GRADMILL_CACHE, else $XDG_CACHE_HOME/gradmill, else ~/.cache/gradmill; "" = no disk */
	int opt_level;         /* LLVM code generation 0..3; 2 is the default used by cc_context_default */
	int unused_kernels;    /* so many linked kernels stay although no program uses them, those used last; the default is 1024.
	                        * With $GRADMILL_PERF, all: what was named stays */
} cc_context_options;

cc_context_options cc_context_default(void);
IR_MUSTUSE ir_status cc_context_new(const cc_context_options *o, cc_context **out, ir_diag *d);
void cc_context_free(cc_context *c); /* after every program that it made; NULL is allowed */
void cc_context_cores(cc_context *c, int cores); /* that it compiles on: all of them, unless said; not during a compilation */
const char *cc_context_target(const cc_context *c); /* "znver4 avx512, llvm 19.1.7": goes into every trial row */

/* How a plan is cut and laid out. No field can change a result. */
typedef struct cc_schedule {
	int k_pack;     /* rows of a product's second operand that are packed at a time: a multiple of 128, at most 1024; not in bf16 */
	bool panels;    /* matrices in panels during a run; off where runs are single steps, because of the copies */
	double solo_us; /* estimated microseconds below which a level runs on one thread.. */
	double cut_us;  /* ..and a launch is not cut */
} cc_schedule;
cc_schedule cc_schedule_default(void); /* tune.c */

#define CC_MAX_THREADS 1024 /* what commands take for --threads: more is a slip of the finger, and may not fit an int */

typedef struct cc_options {
	int threads;   /* of the schedule; results do not depend on it */
	int opt_level; /* of the pipeline: 0 or 2 */
	const cc_pipeline *pipeline; /* NULL = the default of opt_level */
	const cc_schedule *schedule; /* NULL = the default */
	bool tune;     /* instead: the fastest of some, by measurement (about a second), or as it was measured before */
} cc_options;

/* A compiled function. Immutable; any number of execs may run it at once. */
typedef struct cc_program cc_program;

typedef struct cc_stats {
	cc_cost cost;
	size_t arena_bytes;
	double compile_ms;
	int kernels, kernels_compiled, kernels_from_disk; /* the rest were in memory */
	int launches, levels;                             /* levels: parts of the step between barriers */
} cc_stats;

/* f bound and verified. On failure *out is NULL and d or the status says why. The program keeps its own copy of
 * all it needs; f and its arena may die. Its code is given back by cc_program_free, which must come after the last run. */
IR_MUSTUSE ir_status cc_compile(cc_context *c, const ir_func *f, const cc_options *o, cc_program **out, ir_diag *d);
void cc_program_free(cc_program *p);
const rt_plan *cc_program_plan(const cc_program *p);
const cc_stats *cc_program_stats(const cc_program *p);

/* Leaves and outputs of a program, for rt_bind_*: number in the order of the function's instructions and outputs. */
size_t cc_program_leaves(const cc_program *p);
const char *cc_program_leaf_name(const cc_program *p, size_t i);
ir_op cc_program_leaf_op(const cc_program *p, size_t i); /* IR_input, IR_param, IR_state */
ir_type cc_program_leaf_type(const cc_program *p, size_t i);
size_t cc_program_outputs(const cc_program *p); /* results only; updates happen in place */
const char *cc_program_output_name(const cc_program *p, size_t i);
ir_type cc_program_output_type(const cc_program *p, size_t i);

/* Highest FMA rate seen in `seconds` of trying on so many threads, f32, in GFLOP/s. */
IR_MUSTUSE ir_status cc_measure_peak(cc_context *c, int threads, double seconds, double *gflops, ir_diag *d);

/* The same for memory: bytes read and written per second by copies that no cache holds, in GB/s. */
IR_MUSTUSE ir_status cc_measure_bandwidth(int threads, double seconds, double *gbytes);

/* One row of a profile: the launches of a program that have the same name and size; or the barriers; or what is left, between
 * kernels. Everything is per step, of all threads together. */
typedef struct cc_profile_row {
	char kernel[32];   /* "matmul"; or one of CC_ROW_.. */
	char shape[64];    /* "128x256x784": rows x columns (x depth); empty: no kernel */
	int fused;         /* operations of the epilogue */
	int launches;      /* of barriers: how many */
	double seconds;    /* inside the kernel */
	double flops, bytes; /* executed; bytes: operands and results once each */
} cc_profile_row;

#define CC_ROW_BARRIERS "barriers"
#define CC_ROW_BETWEEN  "between kernels"
#define CC_ROW_PANELS   "panels in and out"

/* Kernels, longest first, then barriers and the rest: seconds add up to threads * step_s. */
typedef struct cc_profile {
	cc_profile_row *row;
	size_t n;
	int threads;   /* that really ran */
	int64_t steps; /* counted */
	double step_s; /* one step by the clock */
} cc_profile;

/* f: of an exec of p's plan, with a step in it. Rows live in the arena. */
cc_profile cc_program_profile(const cc_program *p, const rt_profile *f, ir_arena *a);

/* The plan as text: kernels, launches, barriers, slots (--emit=plan). The LLVM IR or assembly of its kernels. */
void cc_program_print_plan(const cc_program *p, ir_str *out);
ir_status cc_emit_kernels(cc_context *c, const ir_func *f, const cc_options *o, bool assembly, ir_str *out, ir_diag *d);

/* A reader of files of weights: their formats are known above this layer. find: NULL if there is no such tensor. */
typedef struct cc_weight_reader {
	ir_status (*read)(const char *path, void **weights, ir_diag *d);
	const rt_tensor *(*find)(void *weights, const char *name);
	const char *(*rows)(void *weights); /* how a caller in C must change rows first, in lines of a comment; NULL: not at all */
	void (*free)(void *weights);
} cc_weight_reader;

#endif
