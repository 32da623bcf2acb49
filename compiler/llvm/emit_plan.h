/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_plan.h -- plans as data of a module. Inside compiler/llvm only. */
#ifndef COMPILER_LLVM_EMIT_PLAN_H
#define COMPILER_LLVM_EMIT_PLAN_H

#include "compiler/llvm/emit.h"

/* The address of a private constant rt_plan in m, equal to p but for its code: fn and epilogue name the functions of each launch
 * (epilogue[i] is read where slot is RT_SLOT_CODE); names are left out. m's data layout is set. Scratch memory from a. */
val em_plan(LLVMModuleRef m, const rt_plan *p, const val *fn, const val *epilogue, ir_arena *a);

#endif
