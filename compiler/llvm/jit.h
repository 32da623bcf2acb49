/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/jit.h -- from kernel descriptions to callable code, by way of the cache. Inside compiler/ only. */
#ifndef COMPILER_LLVM_JIT_H
#define COMPILER_LLVM_JIT_H

#include "compiler/kernel.h"

typedef struct cc_fetch_stats {
	int kernels, compiled, from_disk;
} cc_fetch_stats;

/* Code for each of n descriptions, in out. Equal descriptions share one object; missing ones are compiled on all
 * cores. The code lives as long as the context. */
IR_MUSTUSE ir_status cc_fetch_kernels(cc_context *c, const cc_kernel *const *k, size_t n, rt_kernel **out,
				      cc_fetch_stats *stats, ir_diag *d);

int cc_peak_floats(const cc_context *c); /* multiply-adds in f32 per round of its peak kernel */

/* The LLVM IR or the assembly of one kernel, appended. */
void cc_print_kernel(const cc_context *c, const cc_kernel *k, bool assembly, ir_str *out);

#endif
