/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/codegen.h -- from a kernel's description to a module. Inside compiler/llvm only. */
#ifndef COMPILER_LLVM_CODEGEN_H
#define COMPILER_LLVM_CODEGEN_H

#include "compiler/llvm/target.h"

/* A module with k as function `symbol`, an rt_kernel, verified. The module is the caller's, tm and ctx stay its own. */
LLVMModuleRef cc_kernel_module(const cc_machine *m, LLVMTargetMachineRef tm, LLVMContextRef ctx, const cc_kernel *k,
			       const char *symbol);

#endif
