/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/target.h -- which machine code is made for. Inside compiler/llvm only. */
#ifndef COMPILER_LLVM_TARGET_H
#define COMPILER_LLVM_TARGET_H

#include <llvm-c/TargetMachine.h>
#include "compiler/llvm/emit.h"

typedef struct cc_machine {
	LLVMTargetRef target;
	char *triple, *cpu, *features; /* LLVMDisposeMessage */
	cc_target level;
	bool tiles; /* the CPU has AMX: bf16 products use it if the process may */
	LLVMCodeGenOptLevel opt;
} cc_machine;

/* name NULL = the host. IR_EINPUT after a message if LLVM does not know the CPU; levels: see target.c. */
IR_MUSTUSE ir_status cc_machine_init(cc_machine *m, const char *name, int opt_level, ir_diag *d);
void cc_machine_fini(cc_machine *m);

/* What k is made for: the level, and AMX for a product of bf16 operands. The first such product asks the system for AMX, for the whole
 * process. */
cc_target cc_machine_target(const cc_machine *m, const cc_kernel *k);

/* A target machine; one per thread that compiles. Freed with LLVMDisposeTargetMachine. */
LLVMTargetMachineRef cc_machine_new_tm(const cc_machine *m);

/* Can this process run code made for m? */
bool cc_machine_runs_here(const cc_machine *m);

#endif
