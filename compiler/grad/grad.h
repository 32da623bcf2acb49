/* SPDX-License-Identifier: Apache-2.0
 * compiler/grad/grad.h -- what a gradient rule sees. Inside compiler/grad only.
 *
 * Naming: y is the instruction being differentiated, dy its adjoint, a and b its operands, da and db theirs. */
#ifndef COMPILER_GRAD_GRAD_H
#define COMPILER_GRAD_GRAD_H

#include "compiler/cc.h"

/* The function being extended: the primal's instructions come first, under their own indices. */
typedef struct cc_grad_ctx {
	ir_func *f;
	ir_diag *d;
	ir_loc loc;     /* of the primal: adjoints inherit it */
	const bool *active; /* per primal instruction: does the loss depend on it through a wrt? */
} cc_grad_ctx;

/* Sets dx[i], the contribution to operand i's adjoint, for every active operand; others may stay IR_NO_REF.
 * dx[i] has operand i's shape. Returns false after a message. */
typedef bool cc_grad_rule(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx);

#define OP(name, args, attrs, shape, grad, lower, flops, doc) cc_grad_rule grad_##grad;
#include "ir/ops.def"
#undef OP

/* Algebra on g->f; operands broadcast as in the text form. */
ir_ref gd_arg(const cc_grad_ctx *g, ir_ref y, size_t i);
const ir_type *gd_type(const cc_grad_ctx *g, ir_ref r);
bool gd_wants(const cc_grad_ctx *g, ir_ref y, size_t i); /* is operand i active? */
ir_ref gd_1(cc_grad_ctx *g, ir_op op, ir_ref a);
ir_ref gd_2(cc_grad_ctx *g, ir_op op, ir_ref a, ir_ref b);
ir_ref gd_const(cc_grad_ctx *g, double v, ir_ref like); /* scalar of like's element type */
ir_ref gd_select(cc_grad_ctx *g, ir_ref cond, ir_ref a, ir_ref b);
ir_ref gd_compare(cc_grad_ctx *g, ir_cmp dir, ir_ref a, ir_ref b);
ir_ref gd_sum(cc_grad_ctx *g, ir_ref a, int n, const int64_t *axes);
ir_ref gd_reshape(cc_grad_ctx *g, ir_ref a, const ir_type *to);
ir_ref gd_broadcast(cc_grad_ctx *g, ir_ref a, const ir_type *to);
ir_ref gd_zeros(cc_grad_ctx *g, const ir_type *like);
ir_ref gd_unbroadcast(cc_grad_ctx *g, ir_ref dx, const ir_type *to); /* sums what broadcasting repeated */

#endif
