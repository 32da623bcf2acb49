/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/jit.h -- from kernel descriptions to callable code, by way of the cache. Inside compiler/ only. */
#ifndef COMPILER_LLVM_JIT_H
#define COMPILER_LLVM_JIT_H

#include "compiler/kernel.h"

typedef struct cc_fetch_stats {
	int kernels, compiled, from_disk;
} cc_fetch_stats;

/* A linked kernel, held by those who fetched it. */
typedef struct cc_code cc_code;

/* Code for each of n descriptions, in out, to be given back with cc_release_kernels before the context dies. Equal
 * descriptions share one object; missing ones are compiled on the context's cores. On failure nothing is held and d says why. */
IR_MUSTUSE ir_status cc_fetch_kernels(cc_context *c, const cc_kernel *const *k, size_t n, cc_code **out,
				      cc_fetch_stats *stats, ir_diag *d);
rt_kernel *cc_code_fn(const cc_code *e);

/* Gives n of them back, each as often as it was fetched. Their code may be gone at once. */
void cc_release_kernels(cc_context *c, cc_code *const *code, size_t n);

int cc_peak_floats(const cc_context *c); /* multiply-adds in f32 per round of its peak kernel */

/* Small answers kept beside the objects, on disk alone. recall: false if there is none under key, or no disk; bytes: emptied first. */
bool cc_context_recall(cc_context *c, ir_key key, ir_str *bytes);
void cc_context_keep(cc_context *c, ir_key key, const char *bytes, size_t n);

/* The LLVM IR or the assembly of one kernel, appended. */
void cc_print_kernel(const cc_context *c, const cc_kernel *k, bool assembly, ir_str *out);

#endif
