/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/codegen.h -- from a kernel's description to a module, and on to an object. Inside compiler/llvm only. Nothing
 * here has state: any number of threads may call at once. */
#ifndef COMPILER_LLVM_CODEGEN_H
#define COMPILER_LLVM_CODEGEN_H

#include "compiler/llvm/target.h"

/* The hash of everything that can change the object's bytes. */
ir_key cc_kernel_key(const cc_machine *m, const cc_kernel *k);

/* The name of its function: "gm_" and the key in hex. */
#define CC_SYMBOL_CHARS (IR_KEY_CHARS + 3)
void cc_kernel_symbol(ir_key key, char out[CC_SYMBOL_CHARS]);

/* A module with k as function `symbol`, an rt_kernel, verified. The module is the caller's, tm and ctx stay its own. */
LLVMModuleRef cc_kernel_module(const cc_machine *m, LLVMTargetMachineRef tm, LLVMContextRef ctx, const cc_kernel *k,
			       const char *symbol);

/* Makes mod one for tm's machine: triple and data layout. */
void cc_module_target(LLVMModuleRef mod, const cc_machine *m, LLVMTargetMachineRef tm);

/* k as a relocatable ELF object, or as assembly, under the name that key gives. Freed with LLVMDisposeMemoryBuffer. */
LLVMMemoryBufferRef cc_kernel_object(const cc_machine *m, const cc_kernel *k, ir_key key, bool assembly);

/* Its LLVM IR, or its assembly, appended. */
void cc_kernel_text(const cc_machine *m, const cc_kernel *k, bool assembly, ir_str *out);

#endif
