/* SPDX-License-Identifier: Apache-2.0
 * compiler/kernel.h -- what a kernel is, apart from sizes: the border between grouping (fuse.c, lower.c) and code
 * generation (llvm/). Two launches whose descriptions print the same share one object, whatever their shapes: sizes,
 * strides and constants are arguments.
 *
 * Arguments of an expression kernel, in int64 words, in this order:
 *   dim[1 .. rank-2]           sizes of the outer dimensions but the first, to take a row number apart
 *   red[0 .. nred-1]           sizes of the reduced dimensions, outermost first
 *   per access: rank-1 strides of the outer dimensions, the innermost stride, nred strides of reduced dimensions
 *   per constant: the bits of a double
 * Strides count elements. Buffers: one per access that has memory (iota has none), in order. */
#ifndef COMPILER_KERNEL_H
#define COMPILER_KERNEL_H

#include "compiler/cc_int.h"

/* Cutting a matmul for threads: rectangles of so many rows, and of RT_PANEL columns. RT_PANEL is also the row stride of the tile
 * that an epilogue reads, and a multiple of every target's register tile (AVX-512: 4 x 16 floats). */
#define CC_MATMUL_ROW_BLOCK 4

/* k's of B that are packed at a time, at most: 256 KiB in f32 on AVX-512, a part of L2. */
#define CC_K_PACK_MAX 1024

typedef enum cc_kernel_kind {
	CC_KERNEL_MAP,         /* out[r, c] = expression; also the epilogue of a matmul */
	CC_KERNEL_REDUCE_COLS, /* the innermost kept dimension runs along the vector */
	CC_KERNEL_REDUCE_ROWS, /* the innermost reduced dimension runs along the vector; one column */
	CC_KERNEL_MATMUL,      /* buf: A, B, code, then the epilogue's (the first, C, is a tile on the stack);
	                          arg: K, strides of A's rows, of A's k, of B's k, of B's columns, each for one step and for
	                          RT_PANEL steps (one of B's is 1), buffers of the epilogue but the first, streams n, n times
	                          (buffer, bytes per row, bytes per RT_PANEL columns), then the epilogue's own. A stream is
	                          memory that the epilogue will read and no cache may hold yet: it is prefetched while the
	                          tile is computed */
	CC_KERNEL_PEAK,        /* buf: float; arg: rounds. The FMA rate: cc_peak_floats elements are multiplied and added a round */
	CC_KERNEL_TRANSPOSE    /* buf: in, out; arg: in row stride, out row stride. out[r, c] = in[c, r] */
} cc_kernel_kind;

/* How an access moves along the innermost loop. */
typedef enum cc_along {
	CC_ALONG_SCALAR, /* never moves: loaded once per call */
	CC_ALONG_SAME,   /* stays within a row: loaded once per row */
	CC_ALONG_NEXT,   /* stride 1: vector loads and stores */
	CC_ALONG_PANEL,  /* the same, but every RT_PANEL columns lie a panel apart: the stride is that of panels */
	CC_ALONG_SUM,    /* of a map, written: the sum over RT_PANEL columns; the stride is from one such sum to the next */
	CC_ALONG_ANY     /* any stride: the kernel is emitted without vectors */
} cc_along;

typedef struct cc_access {
	ir_dtype dtype;
	cc_along along;
	bool is_iota; /* no memory: the value is the offset itself */
} cc_access;

typedef enum cc_node_kind { CC_NODE_LOAD, CC_NODE_CONST, CC_NODE_OP } cc_node_kind;

typedef struct cc_node {
	cc_node_kind kind;
	ir_op op;       /* CC_NODE_OP */
	ir_dtype dtype; /* of the result */
	ir_cmp cmp;     /* compare */
	uint16_t arg[3];
	uint16_t index; /* LOAD: access number; CONST: constant number */
} cc_node;

typedef struct cc_store {
	uint16_t node, access;
} cc_store;

#define CC_MAX_DIMS IR_MAX_RANK
#define CC_MAX_SUMS 4 /* of panels, in one map: each is a vector that its loops carry */
_Static_assert(RT_PANEL == IR_PANEL, "a kernel sums the panels that it computes");

typedef struct cc_kernel {
	cc_kernel_kind kind;
	ir_dtype dtype;   /* of matmul and transpose; of the accumulator for reductions */
	bool bf16;        /* matmul: f32 operands are rounded to bf16 */
	int k_pack;       /* matmul: rows of B packed at a time; a matter of speed alone */
	int rank, nred;   /* iteration dimensions after collapsing (>= 1), reduced ones */
	ir_op reduce;     /* IR_sum or IR_amax */
	uint16_t reduced; /* the node that is reduced */
	cc_access *access;
	cc_node *node;
	cc_store *store; /* of a reduction: one, node ignored */
	size_t naccess, nnode, nconst, nstore;
} cc_kernel;

/* The description as one line of text: what is hashed into the cache key, and what --emit=plan shows. */
void cc_kernel_print(const cc_kernel *k, ir_str *out);

/* Number of int64 arguments of an expression kernel, and where each part starts. */
typedef struct cc_layout {
	int dims, reds, access, stride_words, consts, total;
} cc_layout;
cc_layout cc_kernel_layout(const cc_kernel *k);

#endif
