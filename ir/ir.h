/* SPDX-License-Identifier: Apache-2.0
 * ir/ir.h -- the interface of the lowest layer: types, instructions, text, verification, keys.
 *
 * A function is an array of instructions; a value IS the index of its instruction (ir_ref). Operands have
 * smaller indices than their users, so storage order is a topological order: the verifier and every forward
 * pass are one loop up, dead-code removal and the reverse sweep are one loop down. Instructions are never
 * edited once built: a pass reads a const ir_func and builds a new one with the ir_build_* calls.
 *
 * Shapes are static but for the batch size: a dimension may be IR_BATCH ("B" in text) until ir_bind gives it
 * a number. README.md holds the grammar. */
#ifndef IR_IR_H
#define IR_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "ir/base/hash.h"
#include "ir/base/status.h"
#include "ir/base/str.h"

/* ---- types ------------------------------------------------------------------------------------------- */

#define IR_MAX_RANK 6
#define IR_PANEL    64 /* columns of a panel_sum */
#define IR_BATCH    ((int64_t)-1) /* the dimension written "B" */

typedef enum ir_dtype {
#define DTYPE(NAME, text, bytes, is_float) IR_##NAME,
#include "ir/dtype.def"
#undef DTYPE
	IR_DTYPE_COUNT
} ir_dtype;

typedef struct ir_type {
	ir_dtype dtype;
	int rank; /* 0 is a scalar */
	int64_t dim[IR_MAX_RANK];
} ir_type;

const char *ir_dtype_text(ir_dtype t);
size_t ir_dtype_size(ir_dtype t); /* bytes of one element */
bool ir_dtype_is_float(ir_dtype t);
bool ir_dtype_find(const char *text, size_t len, ir_dtype *out);

ir_type ir_type_scalar(ir_dtype t);
ir_type ir_type_make(ir_dtype t, int rank, const int64_t *dim);
bool ir_type_equal(const ir_type *a, const ir_type *b);
bool ir_shape_equal(const ir_type *a, const ir_type *b);
bool ir_type_has_batch(const ir_type *t);
int64_t ir_type_count(const ir_type *t); /* elements; bug if the batch is unbound */
size_t ir_type_bytes(const ir_type *t);  /* count * size; shape rules keep it below 2^43 */
void ir_type_print(const ir_type *t, ir_str *out); /* "f32[B,784]" */
const char *ir_type_text(ir_arena *a, const ir_type *t);

/* ---- ops --------------------------------------------------------------------------------------------- */

typedef enum ir_op {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) IR_##name,
#include "ir/ops.def"
#undef OP
	IR_OP_COUNT
} ir_op;

typedef enum ir_attr_id {
#define ATTR(name, kind) IR_ATTR_##name,
#include "ir/attr.def"
#undef ATTR
	IR_ATTR_COUNT
} ir_attr_id;

typedef enum ir_attr_kind {
	IR_KIND_INTS, IR_KIND_DIMS, IR_KIND_INT, IR_KIND_FLOAT, IR_KIND_FLAG, IR_KIND_TYPE, IR_KIND_CMP, IR_KIND_INIT
} ir_attr_kind;

typedef enum ir_cmp {
#define CMP(name, symbol) IR_CMP_##name,
#include "ir/cmp.def"
#undef CMP
	IR_CMP_COUNT
} ir_cmp;

typedef enum ir_init {
#define INIT(name, doc) IR_INIT_##name,
#include "ir/init.def"
#undef INIT
	IR_INIT_COUNT
} ir_init;

/* One attribute. INTS and DIMS use v.dim[0..v.rank); INT, FLAG, CMP, INIT use i; FLOAT uses f; TYPE uses v. */
typedef struct ir_attr {
	ir_attr_id id;
	int64_t i;
	double f;
	ir_type v;
} ir_attr;

#define IR_MAX_ATTRS 3

typedef enum ir_lower {
	IR_LOWER_leaf, IR_LOWER_ew, IR_LOWER_reduce, IR_LOWER_panel, IR_LOWER_matmul, IR_LOWER_view, IR_LOWER_copy, IR_LOWER_call
} ir_lower;

typedef struct ir_opinfo {
	const char *name;
	int args; /* -1: one or more */
	int nattr;
	ir_attr_id attr[IR_MAX_ATTRS];
	bool optional[IR_MAX_ATTRS];
	ir_lower lower;
	int flops; /* per output element, element-wise ops and reductions (per input element) */
	const char *doc;
} ir_opinfo;

const ir_opinfo *ir_op_info(ir_op op);
bool ir_op_find(const char *name, ir_op *out);
const char *ir_op_nearest(const char *name); /* never NULL */
bool ir_op_is_random(ir_op op);              /* split, uniform, normal: never folded, never merged */
const char *ir_attr_name(ir_attr_id id);
ir_attr_kind ir_attr_kind_of(ir_attr_id id);
const char *ir_cmp_name(ir_cmp c);
const char *ir_init_name(ir_init i);

/* ---- functions --------------------------------------------------------------------------------------- */

typedef uint32_t ir_ref;
#define IR_NO_REF UINT32_MAX

typedef struct ir_ins {
	ir_op op;
	ir_type type;
	uint32_t narg;
	const ir_ref *arg;   /* in the function's arena */
	const ir_attr *attr; /* one per attribute of the op's row, in its order; absent flags are 0 */
	const char *name;    /* NULL = unnamed, printed as %index */
	ir_loc loc;       /* in the user's text: what a library function does has the place of its call */
	const char *from; /* the pass that made it; NULL = the source text */
} ir_ins;

/* A result of a function, or, when state is set, the new value of that param or state after the run. */
typedef struct ir_output {
	const char *name;
	ir_ref ref;
	ir_ref state; /* IR_NO_REF for a result */
} ir_output;

typedef struct ir_func {
	const char *name;
	ir_ins *ins;
	size_t n, cap;
	ir_output *out;
	size_t nout, outcap;
	ir_arena *arena; /* everything above lives here; not owned */
	struct ir_func_names *names; /* index of the names, private to func.c */
} ir_func;

/* A parsed file: its entry points, that is, the functions whose signature has no size left open. A param of the
 * same name and type in two entry points is the same weight (a file-scope param is how one writes that). */
typedef struct ir_module {
	ir_func **func;
	size_t n, cap;
	ir_arena *arena;
} ir_module;

/* Output names with a meaning for training, search and the bottleneck proof. */
#define IR_OUT_LOSS           "loss"           /* scalar to minimise */
#define IR_OUT_RECONSTRUCTION "reconstruction" /* compared with the input */
#define IR_OUT_LATENT         "latent"         /* the code */
#define IR_ENTRY              "main"

ir_func *ir_func_new(ir_arena *a, const char *name);

/* Appends an instruction after running the op's shape rule. attr: any order, optional ones may be left out.
 * Returns IR_NO_REF after a message at loc when shapes or attributes do not fit. args must be < f->n. */
ir_ref ir_build(ir_func *f, ir_diag *d, ir_loc loc, ir_op op, const ir_ref *arg, size_t narg,
		const ir_attr *attr, size_t nattr);

/* The same for passes, where a failing shape rule is a bug of ours. from names the pass. */
ir_ref ir_emit(ir_func *f, const char *from, ir_loc loc, ir_op op, const ir_ref *arg, size_t narg,
	       const ir_attr *attr, size_t nattr);
ir_ref ir_emit1(ir_func *f, const char *from, ir_loc loc, ir_op op, ir_ref a);
ir_ref ir_emit2(ir_func *f, const char *from, ir_loc loc, ir_op op, ir_ref a, ir_ref b);
ir_ref ir_emit_constant(ir_func *f, const char *from, ir_loc loc, double value, ir_type type);

/* Copies instruction i of src into f with operands renamed through map (map[old] = new); sets and returns map[i].
 * The type is recomputed, so a pass that changes leaf types retypes everything behind them. */
ir_ref ir_copy_ins(ir_func *f, const ir_func *src, ir_ref i, ir_ref *map);

#define IR_MAX_NAME 255 /* characters; what can be printed must be short enough to be read */
void ir_set_name(ir_func *f, ir_ref r, const char *name); /* copied into the arena, cut if longer; kept unique by a suffix */
void ir_add_output(ir_func *f, const char *name, ir_ref r);
void ir_add_update(ir_func *f, ir_ref state, ir_ref value);
const ir_output *ir_find_output(const ir_func *f, const char *name); /* a result, not an update; NULL if absent */
ir_ref ir_find_value(const ir_func *f, const char *name);            /* IR_NO_REF if absent */
bool ir_is_leaf(const ir_func *f, ir_ref r);                         /* input, param or state */

/* Attribute access by name; asking for one the op does not have is a bug. */
const ir_attr *ir_attr_get(const ir_ins *in, ir_attr_id id);
int64_t ir_attr_int(const ir_ins *in, ir_attr_id id);

/* Makers, so that call sites read as the text does. */
ir_attr ir_a_int(ir_attr_id id, int64_t v);
ir_attr ir_a_float(ir_attr_id id, double v);
ir_attr ir_a_ints(ir_attr_id id, int n, const int64_t *v);
ir_attr ir_a_type(ir_attr_id id, ir_type t);

/* ---- text (parse.c, text.c, stdlib.gm) --------------------------------------------------------------- */

/* Parses a file; functions it calls, its own or the standard library's, are inlined and their shapes inferred
 * at the call. NULL after at least one message. text must outlive d's last print; the module lives in a. */
ir_module *ir_parse(const char *name, const char *text, size_t len, ir_arena *a, ir_diag *d);

void ir_func_print(const ir_func *f, ir_str *out);
void ir_module_print(const ir_module *m, ir_str *out); /* with the version line; ir_parse reads it back */
ir_func *ir_module_find(const ir_module *m, const char *name); /* NULL if absent */
void ir_module_add(ir_module *m, ir_func *f);
ir_module *ir_module_new(ir_arena *a);

/* ---- whole-function questions ------------------------------------------------------------------------ */

/* Re-runs every shape rule and checks operand order, names, outputs and updates. Messages on failure. */
bool ir_verify(const ir_func *f, ir_diag *d);

/* Runs the shape rule of op alone: *out is the result type. Used by ir_build and ir_verify. */
bool ir_infer(ir_diag *d, ir_loc loc, ir_op op, const ir_type *arg, size_t narg, const ir_attr *attr, ir_type *out);

/* A copy in which B is n (n >= 1) everywhere. NULL after a message when a shape no longer fits. */
ir_func *ir_bind(const ir_func *f, int64_t n, ir_arena *a, ir_diag *d);

/* A copy in which every matmul rounds its operands to bf16: how --precision bf16 works. NULL after a message if one is f64. */
ir_func *ir_round_products(const ir_func *f, ir_arena *a, ir_diag *d);

/* A copy in which every f32 is f64, and no operand is rounded: how --precision f64 works. */
ir_func *ir_widen(const ir_func *f, ir_arena *a);

/* The canonical form: leaves numbered by first visit from the outputs, names gone, dead code gone, order fixed by
 * that visit, so two texts that mean the same program give the same instructions. Outputs keep their names. */
ir_func *ir_canonical(const ir_func *f, ir_arena *a);

/* The architecture key: the hash of the canonical form. relu(x W) W and relu(x W1) W2 differ. */
ir_key ir_arch_key(const ir_func *f);

/* Canonical position of every param and state (0, 1, ..), in the order of the first visit; IR_NO_REF for other
 * instructions. Initialisers are seeded by it, so renaming a weight changes nothing. out has f->n entries. */
void ir_canonical_positions(const ir_func *f, uint32_t *out);

/* The bottleneck proof: is there a path from an input to the reconstruction that does not pass the latent?
 * On true, path (in a) holds its instructions from input to output. Sizes taken from an input do not count. */
bool ir_find_bypass(const ir_func *f, ir_arena *a, ir_ref **path, size_t *npath);

#endif
