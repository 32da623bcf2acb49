/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/codegen.c -- kernels as objects and as text. Every compile has its own context and target machine, so LLVM runs
 * without a lock. */
#include <llvm/Config/llvm-config.h>
#include <llvm-c/Analysis.h>
#include "compiler/llvm/codegen.h"

/* Tuning flags of the user's shell are not in it. CC_CODE_HASH, from CMakeLists.txt, is the hash of the files that write code: an
 * object made by other ones is never found, whoever forgets what. */
ir_key cc_kernel_key(const cc_machine *m, const cc_kernel *k)
{
	ir_str s;
	ir_key key;

	sb_init(&s);
	sb_printf(&s, "gradmill abi%d code %s llvm%s %s %s %s O%d\n", RT_ABI, CC_CODE_HASH, LLVM_VERSION_STRING, m->triple, m->cpu,
		  m->features, (int)m->opt);
	cc_kernel_print(k, &s);
	if (k->bf16) /* what the process may use is not in the features */
		sb_printf(&s, " %d", (int)cc_machine_target(m, k).bf16);
	key = ir_hash(s.s, s.n);
	sb_fini(&s);
	return key;
}

void cc_kernel_symbol(ir_key key, char out[CC_SYMBOL_CHARS])
{
	out[0] = 'g', out[1] = 'm', out[2] = '_';
	ir_key_print(key, out + 3);
}

void cc_module_target(LLVMModuleRef mod, const cc_machine *m, LLVMTargetMachineRef tm)
{
	LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);

	LLVMSetTarget(mod, m->triple);
	LLVMSetModuleDataLayout(mod, layout);
	LLVMDisposeTargetData(layout);
}

LLVMModuleRef cc_kernel_module(const cc_machine *m, LLVMTargetMachineRef tm, LLVMContextRef ctx, const cc_kernel *k,
			       const char *symbol)
{
	char *message = NULL;
	cc_target t = cc_machine_target(m, k);
	em e;

	em_begin(&e, ctx, &t, symbol);
	cc_module_target(e.m, m, tm);
	switch (k->kind) {
	case CC_KERNEL_MAP:
	case CC_KERNEL_REDUCE_COLS:
	case CC_KERNEL_REDUCE_ROWS:
		em_expr_kernel(&e, k);
		break;
	case CC_KERNEL_MATMUL:
		em_matmul_kernel(&e, k);
		break;
	case CC_KERNEL_PEAK:
		em_peak_kernel(&e);
		break;
	case CC_KERNEL_TRANSPOSE:
		em_transpose_kernel(&e, k);
		break;
	}
	LLVMDisposeBuilder(e.b);
	if (LLVMVerifyModule(e.m, LLVMReturnStatusAction, &message))
		ir_bug("kernel is not valid LLVM IR: %s", message);
	LLVMDisposeMessage(message);
	return e.m;
}

LLVMMemoryBufferRef cc_kernel_object(const cc_machine *m, const cc_kernel *k, ir_key key, bool assembly)
{
	LLVMContextRef ctx = LLVMContextCreate();
	LLVMTargetMachineRef tm = cc_machine_new_tm(m);
	LLVMMemoryBufferRef out = NULL;
	LLVMModuleRef mod;
	char symbol[CC_SYMBOL_CHARS], *message = NULL;

	cc_kernel_symbol(key, symbol);
	mod = cc_kernel_module(m, tm, ctx, k, symbol);
	if (LLVMTargetMachineEmitToMemoryBuffer(tm, mod, assembly ? LLVMAssemblyFile : LLVMObjectFile, &message, &out))
		ir_bug("code generation: %s", message);
	LLVMDisposeModule(mod);
	LLVMDisposeTargetMachine(tm);
	LLVMContextDispose(ctx);
	return out;
}

void cc_kernel_text(const cc_machine *m, const cc_kernel *k, bool assembly, ir_str *out)
{
	LLVMContextRef ctx;
	LLVMTargetMachineRef tm;
	LLVMModuleRef mod;
	char *text;

	if (assembly) {
		LLVMMemoryBufferRef b = cc_kernel_object(m, k, cc_kernel_key(m, k), true);

		sb_putn(out, LLVMGetBufferStart(b), LLVMGetBufferSize(b));
		LLVMDisposeMemoryBuffer(b);
		return;
	}
	ctx = LLVMContextCreate();
	tm = cc_machine_new_tm(m);
	mod = cc_kernel_module(m, tm, ctx, k, "kernel");
	text = LLVMPrintModuleToString(mod);
	sb_put(out, text);
	LLVMDisposeMessage(text);
	LLVMDisposeModule(mod);
	LLVMDisposeTargetMachine(tm);
	LLVMContextDispose(ctx);
}
