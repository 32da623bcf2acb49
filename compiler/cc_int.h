/* SPDX-License-Identifier: Apache-2.0
 * compiler/cc_int.h -- shared inside compiler/ only: the passes, the grouping into kernels, the plan. */
#ifndef COMPILER_CC_INT_H
#define COMPILER_CC_INT_H

#include "compiler/cc.h"

/* ---- passes --------------------------------------------------------------------------------------------- */

#define PASS(name, function, doc) cc_pass_fn function;
#include "compiler/passes.def"
#undef PASS

/* Copies src into a new function through map, which a pass fills: entries it leaves at IR_NO_REF are copied as they
 * are. rewrite returns the replacement in dst, or IR_NO_REF to copy. Outputs follow. */
typedef ir_ref cc_rewrite_fn(void *ctx, ir_func *dst, const ir_func *src, ir_ref i, const ir_ref *map);
ir_func *cc_rewrite(const ir_func *src, ir_arena *a, cc_rewrite_fn *fn, void *ctx);

/* The first n outputs and updates of src, renamed through map (map[old] = new). */
void cc_copy_outputs(ir_func *dst, const ir_func *src, size_t n, const ir_ref *map);

/* A copy with its first nout outputs; references stay what they were. */
ir_func *cc_copy(const ir_func *src, ir_arena *a, const char *name, size_t nout);

bool cc_is_constant(const ir_func *f, ir_ref r, double *value);

/* Has every dimension a number? False after a message. */
bool cc_check_bound(const ir_func *f, ir_diag *d);

#endif
