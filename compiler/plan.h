/* SPDX-License-Identifier: Apache-2.0
 * compiler/plan.h -- from groups to launches: kernels with sizes, levels between barriers, memory, shares of threads.
 * Inside compiler/ only. Order: layout.c (panels), lower.c (launches), schedule.c (levels, shares), memory.c (arena). */
#ifndef COMPILER_PLAN_H
#define COMPILER_PLAN_H

#include "compiler/fuse.h"
#include "compiler/kernel.h"

/* An operand of a launch: memory of a value, or the address of the epilogue. */
typedef struct cc_operand {
	ir_ref base;     /* IR_NO_REF: the epilogue's code */
	size_t offset;   /* bytes */
	bool write;
} cc_operand;

typedef struct cc_launch {
	uint32_t group;
	cc_kernel *kernel;   /* NULL: a function of the runtime */
	cc_kernel *epilogue; /* of a matmul, which always has one; else NULL */
	rt_kernel *call;
	const char *name;    /* short, for profiles: "matmul 128x256x784" */
	cc_operand *operand;
	int64_t *arg;
	size_t noperand, narg;
	int64_t rows, cols, row_block, col_block;
	bool down; /* blocks are numbered down the columns, not along the rows: see rt_launch */
	double cost;    /* seconds on one thread, estimated: the schedule's only measure */
	double flops, bytes; /* executed; bytes: operands and results once each */
	int level;
} cc_launch;

/* Where a materialised value lives. */
typedef struct cc_place {
	rt_slot_kind kind; /* RT_SLOT_ARENA, LEAF or OUTPUT */
	uint32_t index;
	size_t offset;     /* into the arena */
} cc_place;

typedef struct cc_plan {
	cc_schedule schedule;
	const ir_func *f; /* legalized, with separate outputs (see cc_separate_outputs) */
	ir_arena *a;
	cc_grouping g;
	cc_launch *launch;
	size_t n, cap;
	int levels;
	cc_place *place;       /* per instruction */
	uint32_t *leaf_of;     /* per instruction: leaf number, UINT32_MAX for others and unread leaves */
	ir_ref *leaf;          /* leaf number -> instruction */
	size_t nleaf;
	ir_ref *result;        /* results (not updates): output number -> index into f->out */
	size_t nresult;
	bool *panel;           /* per instruction: in panels (layout.c): a leaf, its update in place, or what waits in the arena */
	bool *late_copy;       /* per f->out: an update that could not be made in place: copied at the very end */
	size_t arena_bytes;
	rt_work *work;
	uint32_t *start;
	size_t nwork, workcap;
} cc_plan;

/* Gives every output an instruction of its own that is not a leaf, a constant or a view. */
ir_func *cc_separate_outputs(const ir_func *f, ir_arena *a);

void cc_place_values(cc_plan *p); /* leaves, results, in-place updates; adds the needs that in-place updates cause */
void cc_choose_layouts(cc_plan *p); /* what lives in panels */
void cc_lower(cc_plan *p);        /* groups -> launches */
void cc_level(cc_plan *p);        /* launch.level, from data and in-place hazards */
void cc_plan_memory(cc_plan *p);  /* arena offsets, by first and last level of use */
void cc_share(cc_plan *p, int threads); /* work lists */

#endif
