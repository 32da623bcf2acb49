/* SPDX-License-Identifier: Apache-2.0
 * compiler/fuse.h -- which instructions form one kernel, and where each value lives. Inside compiler/ only. */
#ifndef COMPILER_FUSE_H
#define COMPILER_FUSE_H

#include "compiler/cc_int.h"

#define CC_NO_GROUP UINT32_MAX

/* A value as memory: element (i0, i1, ..) is at base + offset + sum i_d stride_d. */
typedef struct cc_view {
	ir_ref base; /* a materialised value, a leaf, or a constant */
	int64_t offset;
	int64_t stride[IR_MAX_RANK];
} cc_view;

typedef enum cc_group_kind { CC_GROUP_MAP, CC_GROUP_REDUCE, CC_GROUP_MATMUL, CC_GROUP_CALL } cc_group_kind;

typedef struct cc_group {
	cc_group_kind kind;
	ir_ref root;    /* the reduce, matmul or call; IR_NO_REF for maps */
	ir_type shape;  /* of the element-wise members: the iteration space */
	ir_ref *member; /* element-wise instructions in order (also copied views and concats) */
	size_t n, cap;
	bool dead;      /* merged into another */
} cc_group;

typedef struct cc_grouping {
	const ir_func *f;
	ir_arena *a;
	uint32_t *group_of; /* per instruction; CC_NO_GROUP for leaves, constants and aliasing views */
	bool *copied;       /* per instruction: a view or concat that is written out after all */
	bool *stored;       /* per instruction: needs memory */
	cc_group *group;
	size_t n, cap;
	uint64_t *reach; /* n x words bit matrix: reach[g] has every group that g needs */
	size_t words;
} cc_grouping;

/* f legalized. */
void cc_group_build(cc_grouping *g, const ir_func *f, ir_arena *a);

/* Does group from need group to, directly or not? And: from now on into needs from (no cycle may arise). */
bool cc_group_reaches(const cc_grouping *g, uint32_t from, uint32_t to);
void cc_group_need(cc_grouping *g, uint32_t into, uint32_t from);

/* The memory behind a value: follows aliasing views down to something materialised. */
cc_view cc_view_of(const cc_grouping *g, ir_ref r);
bool cc_view_is_contiguous(const cc_view *v, const ir_type *t);

#endif
