/* SPDX-License-Identifier: Apache-2.0
 * runtime/rt.h -- tensors, random numbers, the reference interpreter, the thread team.
 * Knows how to run things, never how to make them: a compiled program reaches it as an rt_plan (abi.h). */
#ifndef RUNTIME_RT_H
#define RUNTIME_RT_H

#include "ir/ir.h"
#include "runtime/abi.h"

/* ---- tensors (buffer.c) ------------------------------------------------------------------------------ */

#define RT_ALIGN 64

static inline size_t rt_padded(size_t bytes) /* to a multiple of RT_ALIGN */
{
	return (bytes + RT_ALIGN - 1) / RT_ALIGN * RT_ALIGN;
}

typedef struct rt_tensor {
	ir_type type;
	void *data; /* RT_ALIGN-aligned, padded to a multiple of it; NULL before rt_tensor_alloc */
} rt_tensor;

/* Zeroed memory of the type's size. IR_ENOMEM when the budget or the machine is exhausted: a status, not a crash.
 * t->data is NULL then. Freed with rt_tensor_free (NULL data allowed). */
IR_MUSTUSE ir_status rt_tensor_alloc(rt_tensor *t, ir_type type);
void rt_tensor_free(rt_tensor *t);
IR_MUSTUSE ir_status rt_alloc(size_t bytes, void **out); /* untyped, same rules; freed with rt_free(p, bytes) */
void rt_free(void *p, size_t bytes);

/* The same for memory that is walked from end to end every step: in huge pages where the system has them, which saves the walk
 * of page tables every 4 KiB (1 to 4 % of a step). The end of the last huge page is not counted. */
IR_MUSTUSE ir_status rt_alloc_arena(size_t bytes, void **out);
void rt_free_arena(void *p, size_t bytes);

/* *p, which has old bytes, becomes new >= old bytes, not initialised behind the old ones; it may move, large memory without
 * being copied. IR_ENOMEM leaves it as it was. */
IR_MUSTUSE ir_status rt_grow(void **p, size_t old, size_t new);

void rt_set_budget(size_t bytes); /* process-wide; 0 = no limit (default). Threads may allocate at once. */
size_t rt_live_bytes(void);
void rt_fault_after(int n); /* tests: the n-th request from now fails once; 0 = off */

/* Element i as a double, and back: rounded to a float type; cut toward zero and saturated for an integer (NaN is 0);
 * != 0 for bool. What the op cast does. */
double rt_load(ir_dtype t, const void *data, int64_t i);
void rt_store(ir_dtype t, void *data, int64_t i, double v);

/* ---- random numbers (rng.c): Philox4x32-10, counter-based, so any element can be drawn alone ---------- */

typedef struct rt_key {
	uint32_t k[2]; /* the i32[2] tensor of the IR holds the same bits */
} rt_key;

/* What a key is for. Streams of different purposes never meet. ORDER PURPOSE: append only, they are in every result. */
typedef enum rt_purpose {
	RT_FOR_STUDY, RT_FOR_INIT, RT_FOR_SHUFFLE, RT_FOR_SPLIT, RT_FOR_MODEL, RT_FOR_SAMPLER, RT_FOR_TEST
} rt_purpose;

rt_key rt_key_seed(uint64_t seed);
rt_key rt_key_split(rt_key k, uint64_t index); /* what the op split computes */
rt_key rt_key_for(rt_key k, rt_purpose p, uint64_t index);
uint64_t rt_random_u64(rt_key k, uint64_t i);                /* draw i of the stream k */
double rt_random_unit(rt_key k, uint64_t i);                 /* [0, 1), 53 bits */
uint64_t rt_random_below(rt_key k, uint64_t i, uint64_t n);  /* 0..n-1, multiply-high */
void rt_shuffle(rt_key k, uint32_t *v, size_t n);            /* Fisher-Yates */

/* Elements [at, at + n) of the tensors that the ops uniform (24 bits) and normal (Box-Muller in double) define.
 * t is f32 or f64; out points to the place of element at, not to the tensor's start. */
void rt_fill_uniform(rt_key k, ir_dtype t, void *out, int64_t at, int64_t n);
void rt_fill_normal(rt_key k, ir_dtype t, void *out, int64_t at, int64_t n);

/* Fills a param or state by its initialiser; position is its canonical position (ir_canonical_positions). */
void rt_init(rt_tensor *t, ir_init how, rt_key seed, uint32_t position);

/* ---- the reference interpreter (interp.c): the meaning of the IR -------------------------------------- */

/* Evaluates f with plain loops; sums run in double, each result is rounded to its element type.
 * leaf: one tensor per input, param and state instruction, in the order of the instructions. out: one per f->out,
 * allocated here, freed by the caller with rt_tensor_free; leaves are never written, updates are only returned.
 * The batch must be bound. */
IR_MUSTUSE ir_status rt_interpret(const ir_func *f, const rt_tensor *leaf, rt_tensor *out);

/* The same for whoever wants to see every value instead of the results: visit is called with each instruction's, leaves
 * included, in the order of the instructions. A value may be gone when visit returns: it must not be kept. */
typedef void rt_visit(void *ctx, ir_ref i, const rt_tensor *value);
IR_MUSTUSE ir_status rt_interpret_each(const ir_func *f, const rt_tensor *leaf, rt_visit *visit, void *ctx);

/* Evaluates one instruction on given operands; out is allocated by the caller. For constant folding and tests. */
void rt_eval(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out);

/* ---- the team (par.c) -------------------------------------------------------------------------------- */

/* Memory and pointers of one running plan. Several may exist for one plan; one thread drives each. */
typedef struct rt_exec rt_exec;

/* Allocates the plan's arena. IR_ENOMEM when it does not fit. The plan must outlive the exec. */
IR_MUSTUSE ir_status rt_exec_new(const rt_plan *p, rt_exec **out);
void rt_exec_free(rt_exec *e);

/* Binds leaf i or output i of the plan to memory of the caller, which stays the caller's. stride: bytes by which
 * the pointer moves per step (0 = the same every step): index rows, step scalars, the history of losses.
 * Params and states are updated in place where the function says so. Everything must be bound before rt_run. */
void rt_bind_leaf(rt_exec *e, size_t i, void *data, size_t stride);
void rt_bind_output(rt_exec *e, size_t i, void *data, size_t stride);

/* Runs steps steps on the plan's number of threads (see rt_exec_team) inside one parallel region, or on one of them where that
 * is measured to be faster (Note [Pace] in pace.c), but not while a profile is taken. Bit-identical for any number. Params and states
 * that the plan keeps in panels (rt_port) are read when the run starts and written when it ends, at the price of a copy
 * each: many steps in one run are better than many runs. */
void rt_run(rt_exec *e, size_t steps);

/* How many real threads the next runs take, 1 to the plan's, which is the default: fewer play the plan's in turn. */
void rt_exec_team(rt_exec *e, int threads);

/* Where the time of runs went, all threads together. */
typedef struct rt_profile {
	double *busy;    /* [launch]: seconds inside its kernel */
	uint64_t *items; /* [launch]: how many shares of it ran */
	double wait;     /* seconds at barriers */
	double panels;   /* seconds of copying panels in and out, at the ends of runs */
	double wall;     /* seconds of a thread inside runs: the mean over the team */
	int team;        /* real threads of the last run: OpenMP may give fewer than the plan has */
	uint64_t steps;
} rt_profile;

/* Counts the runs from now on, from zero, for some 50 ns per share of a launch; off: forgets. */
void rt_exec_measure(rt_exec *e, bool on);

/* What was counted so far; NULL if nothing is. The exec's; valid until the next call on it. */
const rt_profile *rt_exec_profile(rt_exec *e);

/* A plain parallel loop for work outside plans (PCA, data): fn(ctx, i) for i in [0, n), static partition. */
void rt_parallel(int threads, size_t n, void (*fn)(void *ctx, size_t i), void *ctx);

int rt_cores(void);      /* processors this process may use: affinity and cgroup quota */
size_t rt_memory(void);  /* bytes this process may use: physical memory and cgroup limit; 0: unknown */
double rt_seconds(void); /* monotonic clock */

#endif
