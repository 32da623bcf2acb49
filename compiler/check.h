/* SPDX-License-Identifier: Apache-2.0
 * compiler/check.h -- comparing a function's gradients and compiled code with the interpreter. For gradmill check and for
 * tests; nothing here prints. */
#ifndef COMPILER_CHECK_H
#define COMPILER_CHECK_H

#include "compiler/cc.h"

/* count comparisons, the largest error among them, and what it may be. count 0: there was nothing to compare, or, if
 * why is set, it could not be compared, which is a failure. */
typedef struct cc_finding {
	size_t count;
	double error, bound;
	const char *why;
	const char *worst; /* what had the largest error: "l0_w[17]"; lives in the check's arena */
} cc_finding;

/* One bound f32 function with random inputs and weights. Zero-initialised weights are moved a little, or the gradients
 * behind them would be zero whatever the rules say. */
typedef struct cc_check {
	cc_context *c;
	ir_arena *a;
	ir_diag *d;
	uint64_t seed;
	int threads;
	const ir_func *f, *wide;   /* as given, with every leaf named; the same in f64 */
	const ir_func *g, *gwide;  /* with the gradient of every float input and param appended; f if there is none */
	ir_ref *wrt;               /* those inputs and params */
	size_t nwrt, nleaf, ngleaf;
	rt_tensor *leaf, *narrow;  /* of gwide (the first nleaf are wide's) and of g: the same values */
	rt_tensor *value;          /* of gwide's outputs, by the interpreter */
	const ir_func *still;      /* wide with every stop_gradient replaced by an input, these inputs first: */
	rt_tensor *frozen;         /* what flows through them, held still while the rest moves */
	size_t nfrozen;
	double unit;               /* 1 / sqrt(elements of wrt) */
} cc_check;

/* cc_check_close is due whatever the status. */
IR_MUSTUSE ir_status cc_check_open(cc_check *k, cc_context *c, const ir_func *f, uint64_t seed, int threads,
				   ir_arena *a, ir_diag *d);
void cc_check_close(cc_check *k);

/* Sampled coordinates, and random directions over all of wrt, against central differences in f64. */
IR_MUSTUSE ir_status cc_check_gradient(cc_check *k, cc_finding *coordinates, cc_finding *directions);

/* Compiled code: f64 against the interpreter; f32 against the interpreter in f64, where an error up to four times that
 * of the interpreter in f32 is allowed too; one thread against several, to the bit. */
IR_MUSTUSE ir_status cc_check_code(cc_check *k, cc_finding *f64, cc_finding *f32, cc_finding *threads);

#endif
