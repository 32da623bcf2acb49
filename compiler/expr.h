/* SPDX-License-Identifier: Apache-2.0
 * compiler/expr.h -- the expression of a group on its way to a kernel: what is read, computed and written at every point of an
 * iteration space. expr.c builds it, lower.c makes launches of it. Inside compiler/ only. */
#ifndef COMPILER_EXPR_H
#define COMPILER_EXPR_H

#include "compiler/plan.h"

/* Iteration dimensions: kept ones first, reduced ones behind. */
typedef struct cc_space {
	int64_t size[2 * IR_MAX_RANK];
	int kept, red;
} cc_space;

typedef struct cc_expr_access {
	cc_access a;
	ir_ref base;
	int64_t offset, stride[2 * IR_MAX_RANK];
	bool write, panel;
	bool sum; /* one element per RT_PANEL columns: panel_sum */
} cc_expr_access;

typedef struct cc_expr {
	cc_plan *p;
	uint32_t group;
	ir_type shape;
	int order[IR_MAX_RANK]; /* space dimension d runs along axis order[d] of shape */
	cc_space s;
	cc_expr_access *acc;
	size_t nacc, acccap;
	cc_node *node;
	size_t nnode, nodecap;
	double *constant;
	size_t nconst, constcap;
	cc_store *store;
	size_t nstore, storecap;
	int32_t *node_of; /* per instruction, -1 = none yet */
	double flops;     /* per point */
} cc_expr;

/* An empty expression over the whole of a shape, all of its dimensions kept. */
void cc_expr_init(cc_expr *e, cc_plan *p, uint32_t group, const ir_type *shape);

/* All members of the group, and a store for each that is needed outside. */
void cc_expr_add_members(cc_expr *e);

/* Single parts; equal ones are shared. Each returns the number of its access or node. */
uint16_t cc_expr_add_access(cc_expr *e, const cc_view *v, const ir_type *t, bool write, bool is_iota);
uint16_t cc_expr_load(cc_expr *e, const cc_view *v, const ir_type *t, bool is_iota);
uint16_t cc_expr_operand(cc_expr *e, ir_ref r);
void cc_expr_add_store(cc_expr *e, ir_ref r, uint16_t node);

/* The view that a copied view would have been. */
cc_view cc_expr_through(cc_expr *e, ir_ref r);

/* Drops dimensions of size 1 and joins those that every access walks as one; nothing where sums of panels are written. */
void cc_expr_collapse(cc_expr *e);
void cc_expr_insert_dim(cc_expr *e, int d, bool kept);

/* The finished expression as a kernel whose vectors run along dimension inner. */
void cc_expr_describe(cc_expr *e, cc_kernel *k, int inner);

/* Appends the expression's operands and arguments behind what the launch has. skip: leading accesses without operand. */
void cc_expr_fill(const cc_expr *e, const cc_kernel *k, cc_launch *l, size_t skip);

#endif
