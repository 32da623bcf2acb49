/* SPDX-License-Identifier: Apache-2.0
 * runtime/abi.h -- what generated code and the runtime agree on. A change here changes RT_ABI, which is part of
 * every kernel key, so that old objects are recompiled, never trusted.
 *
 * A kernel computes a rectangle of its iteration space, rows [r0, r1) and columns [c0, c1); columns are innermost.
 * It may be called with any rectangle whose c0 is a multiple of the launch's col_block: a result element depends on its position
 * only, never on the rectangle, so the partition over threads cannot change a bit. Where operands are in panels, or a
 * matmul's tile is RT_PANEL wide, col_block is a multiple of RT_PANEL. */
#ifndef RUNTIME_ABI_H
#define RUNTIME_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_ABI 3

/* buf: one pointer per operand of the launch. arg: sizes, strides (in elements) and the bits of constants. */
typedef void rt_kernel(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0, int64_t c1);

typedef enum rt_slot_kind { RT_SLOT_ARENA, RT_SLOT_LEAF, RT_SLOT_OUTPUT, RT_SLOT_CODE } rt_slot_kind;

/* Where an operand lives: bytes into the arena, behind leaf or output number index, or a kernel's own address. */
typedef struct rt_slot {
	rt_slot_kind kind;
	uint32_t index;  /* leaf or output number */
	size_t offset;   /* bytes behind the base */
	rt_kernel *code; /* RT_SLOT_CODE: an epilogue that the kernel calls */
} rt_slot;

/* One call of a kernel over its whole iteration space, cut into blocks of row_block x col_block. down: the blocks of one column
 * come one after the other; else those of one row. */
typedef struct rt_launch {
	rt_kernel *fn;
	const char *name; /* for profiles */
	const rt_slot *slot;
	uint32_t nslot, narg;
	const int64_t *arg;
	int64_t rows, cols, row_block, col_block;
	bool down;
} rt_launch;

/* One thread's share of a launch: blocks [lo, hi) of its grid. */
typedef struct rt_work {
	uint32_t launch;
	uint32_t barrier; /* 1: wait for all threads before this item */
	int64_t lo, hi;
} rt_work;

/* A matrix in panels: RT_PANEL columns side by side, all rows of them one below the other, then the next panel; the last one
 * is padded. Element (r, c) of R rows is number (c / RT_PANEL) R RT_PANEL + r RT_PANEL + c % RT_PANEL. */
#define RT_PANEL 64

/* What a leaf or output is. A leaf in panels has a place of its own in the arena, as long as its padded panels: runs begin by
 * copying it there from the bound memory, which is by rows, and end by copying it back if it is written. */
typedef struct rt_port {
	const char *name;
	size_t bytes;       /* of the bound memory */
	bool panels, written;
	int64_t rows, cols; /* panels: of the matrix */
	size_t place;       /* panels: offset into the arena */
} rt_port;

/* A compiled function: data only, position-independent, shared by any number of execs. Thread t of threads runs
 * work[start[t] .. start[t+1]); every thread meets the same number of barriers. */
typedef struct rt_plan {
	const rt_launch *launch;
	size_t nlaunch;
	const rt_work *work;
	const uint32_t *start;
	int threads;
	const rt_port *leaf, *output;
	size_t nleaf, noutput;
	size_t arena_bytes;
} rt_plan;

/* ---- library kernels (kernels.c): ops that are calls of the runtime -----------------------------------
 * Each is an rt_kernel. "flat": the iteration space is 1 row, columns are elements in row-major order. */

/* buf: y, idx, out. arg: M rows of y, width of a row, N rows of out. Columns [c0, c1) of the width: zeroes out, then
 * adds the rows of y in index order, in the element type. Space: 1 row x width. Indices are clamped, as in gather. */
rt_kernel rt_k_scatter_f32, rt_k_scatter_f64, rt_k_scatter_i32;

/* buf: table, idx, out. arg: N rows of the table, bytes of a row. Space: rows of out x bytes of a row. */
rt_kernel rt_k_gather;

/* buf: key, out. No arg. flat. */
rt_kernel rt_k_uniform_f32, rt_k_uniform_f64, rt_k_normal_f32, rt_k_normal_f64;

/* buf: key, out. arg: index. Space: 1 x 1. */
rt_kernel rt_k_split;

/* buf: src, dst. arg: bytes of an element. flat. */
rt_kernel rt_k_copy;

/* ---- exported objects (aot/aot.c) ---------------------------------------------------------------------------- */

/* Working memory of one call, in bytes: tables and arena. */
size_t rt_aot_bytes(const rt_plan *p);

/* One step of p on leaves and outputs by number, all of them bound; work: aligned to 64, need not be zero. _run plays the plan alone,
 * whatever its threads; _run_team starts as many as it has. Both exist only in the bitcode, not in this library. */
void rt_aot_run(const rt_plan *p, void *const *leaf, void *const *output, void *work);
void rt_aot_run_team(const rt_plan *p, void *const *leaf, void *const *output, void *work);

/* The LLVM bitcode of aot.c, of the LLVM that gradmill was built with. */
extern const char rt_aot_bitcode[];
extern const size_t rt_aot_bitcode_len;

#endif
