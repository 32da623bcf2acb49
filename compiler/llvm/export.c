/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/export.c -- entry points as one object file: the kernels of all of them, each once; their plans as data
 * (emit_plan.c); the runtime's part that walks plans (runtime/aot); a C function per entry that gathers the addresses. What
 * no entry needs is dropped, so an object for one thread does not know OpenMP. */
#include <string.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/Error.h>
#include <llvm-c/Linker.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include "compiler/export.h"
#include "compiler/llvm/codegen.h"
#include "compiler/llvm/emit_plan.h"
#include "compiler/program.h"

/* Functions of the runtime that launches call: a row for each rt_kernel of abi.h. */
static const struct {
	rt_kernel *fn;
	const char *name;
} library[] = {
#define ROW(name) {name, #name}
	ROW(rt_k_scatter_f32), ROW(rt_k_scatter_f64), ROW(rt_k_scatter_i32), ROW(rt_k_gather), ROW(rt_k_uniform_f32),
	ROW(rt_k_uniform_f64), ROW(rt_k_normal_f32), ROW(rt_k_normal_f64), ROW(rt_k_split), ROW(rt_k_copy),
#undef ROW
};

/* An embedded tensor and where it is. */
typedef struct placed {
	const rt_tensor *tensor;
	val at;
} placed;

typedef struct builder {
	const cc_machine *machine;
	LLVMTargetMachineRef tm;
	LLVMContextRef c;
	LLVMModuleRef m;
	ir_arena *a;
	placed *data;
	size_t ndata, datacap;
} builder;

/* ---- code ----------------------------------------------------------------------------------------------------- */

static void link_in(builder *b, LLVMModuleRef other)
{
	if (LLVMLinkModules2(b->m, other)) /* takes other */
		ir_bug("modules of one export do not fit together");
}

static void add_runtime(builder *b)
{
	LLVMMemoryBufferRef bytes = LLVMCreateMemoryBufferWithMemoryRange(rt_aot_bitcode, rt_aot_bitcode_len, "runtime", 0);
	LLVMModuleRef m;

	if (LLVMParseBitcodeInContext2(b->c, bytes, &m))
		ir_bug("the runtime's bitcode is of another LLVM");
	LLVMDisposeMemoryBuffer(bytes);
	link_in(b, m);
}

/* Once in the module, whoever asks: the name tells kernels apart. */
static val kernel(builder *b, const cc_kernel *k)
{
	char symbol[CC_SYMBOL_CHARS];

	cc_kernel_symbol(cc_kernel_key(b->machine, k), symbol);
	if (!LLVMGetNamedFunction(b->m, symbol))
		link_in(b, cc_kernel_module(b->machine, b->tm, b->c, k, symbol));
	return LLVMGetNamedFunction(b->m, symbol);
}

static val library_kernel(builder *b, rt_kernel *fn)
{
	for (size_t i = 0; i < sizeof library / sizeof *library; i++)
		if (library[i].fn == fn)
			return LLVMGetNamedFunction(b->m, library[i].name);
	ir_bug("a function of the runtime has no row");
}

static val plan(builder *b, const cc_program *g)
{
	const cc_plan *p = &g->plan;
	val *fn = ar_new(b->a, val, p->n + 1), *epilogue = ar_new(b->a, val, p->n + 1);

	for (size_t i = 0; i < p->n; i++) {
		fn[i] = p->launch[i].kernel ? kernel(b, p->launch[i].kernel) : library_kernel(b, p->launch[i].call);
		if (p->launch[i].epilogue)
			epilogue[i] = kernel(b, p->launch[i].epilogue);
	}
	return em_plan(b->m, &g->rt, fn, epilogue, b->a);
}

/* ---- entries -------------------------------------------------------------------------------------------------- */

/* A tensor's bytes as constant data, padded like a tensor; once, whoever asks. */
static val embedded(builder *b, const rt_tensor *t)
{
	size_t bytes = ir_type_bytes(&t->type), padded = rt_padded(bytes);
	char *copy;
	val g;

	for (size_t i = 0; i < b->ndata; i++)
		if (b->data[i].tensor == t)
			return b->data[i].at;
	copy = ar_new(b->a, char, padded + 1);
	memcpy(copy, t->data, bytes);
	g = LLVMAddGlobal(b->m, LLVMArrayType2(LLVMInt8TypeInContext(b->c), padded), "");
	LLVMSetInitializer(g, LLVMConstStringInContext2(b->c, copy, padded, 1));
	LLVMSetGlobalConstant(g, 1);
	LLVMSetLinkage(g, LLVMPrivateLinkage);
	LLVMSetAlignment(g, RT_ALIGN);
	*ar_push(b->a, b->data, b->ndata, b->datacap) = (placed){t, g};
	return g;
}

static LLVMTypeRef scalar_type(builder *b, ir_dtype t)
{
	em e = {.c = b->c, .i8 = LLVMInt8TypeInContext(b->c), .i32 = LLVMInt32TypeInContext(b->c),
		.f32 = LLVMFloatTypeInContext(b->c), .f64 = LLVMDoubleTypeInContext(b->c)};

	return em_memory(&e, t);
}

static val entry_function(builder *b, const cc_entry *x)
{
	LLVMTypeRef *t = ar_new(b->a, LLVMTypeRef, (size_t)x->nargument + 1);
	LLVMTypeRef ptr = LLVMPointerTypeInContext(b->c, 0);

	for (int i = 0; i < x->nargument; i++)
		t[i] = ptr;
	for (size_t i = 0; i < x->program->plan.nleaf; i++)
		if (x->leaf[i].kind == CC_FROM_VALUE)
			t[x->leaf[i].argument] = scalar_type(b, x->leaf[i].dtype);
	return LLVMAddFunction(b->m, x->name, LLVMFunctionType(LLVMVoidTypeInContext(b->c), t, (unsigned)x->nargument, 0));
}

static val address(builder *b, LLVMBuilderRef ir, val fn, const cc_source *s)
{
	LLVMTypeRef ptr = LLVMPointerTypeInContext(b->c, 0);
	val arg = s->kind == CC_FROM_DATA ? NULL : LLVMGetParam(fn, (unsigned)s->argument), at;

	switch (s->kind) {
	case CC_FROM_ARGUMENT:
		return arg;
	case CC_FROM_VALUE:
		at = LLVMBuildAlloca(ir, LLVMTypeOf(arg), "");
		LLVMSetAlignment(at, RT_ALIGN);
		LLVMBuildStore(ir, arg, at);
		return at;
	case CC_FROM_FIELD:
		at = LLVMConstInt(LLVMInt64TypeInContext(b->c), (unsigned long long)s->field, 0);
		return LLVMBuildLoad2(ir, ptr, LLVMBuildGEP2(ir, ptr, arg, &at, 1, ""), "");
	case CC_FROM_DATA:
		return embedded(b, s->data);
	}
	ir_bug("no such source");
}

static val addresses(builder *b, LLVMBuilderRef ir, val fn, const cc_source *s, size_t n)
{
	LLVMTypeRef ptr = LLVMPointerTypeInContext(b->c, 0), i64 = LLVMInt64TypeInContext(b->c);
	val table = LLVMBuildArrayAlloca(ir, ptr, LLVMConstInt(i64, n + 1, 0), "");

	for (size_t i = 0; i < n; i++) {
		val at = LLVMConstInt(i64, i, 0), to = LLVMBuildGEP2(ir, ptr, table, &at, 1, "");

		LLVMBuildStore(ir, address(b, ir, fn, &s[i]), to);
	}
	return table;
}

static void add_entry(builder *b, const cc_entry *x)
{
	const cc_program *g = x->program;
	LLVMBuilderRef ir = LLVMCreateBuilderInContext(b->c);
	val fn = entry_function(b, x), run = LLVMGetNamedFunction(b->m, g->rt.threads > 1 ? "rt_aot_run_team" : "rt_aot_run");
	val arg[4];

	LLVMPositionBuilderAtEnd(ir, LLVMAppendBasicBlockInContext(b->c, fn, ""));
	arg[0] = plan(b, g);
	arg[1] = addresses(b, ir, fn, x->leaf, g->rt.nleaf);
	arg[2] = addresses(b, ir, fn, x->output, g->rt.noutput);
	arg[3] = LLVMGetParam(fn, (unsigned)x->nargument - 1);
	LLVMBuildCall2(ir, LLVMGlobalGetValueType(run), run, arg, 4, "");
	LLVMBuildRetVoid(ir);
	LLVMDisposeBuilder(ir);
}

/* ---- the object ----------------------------------------------------------------------------------------------- */

static bool is_entry(const cc_entry *x, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(x[i].name, name))
			return true;
	return false;
}

/* Entries stay; all else becomes private to the object, and goes if nobody needs it. */
static void strip(builder *b, const cc_entry *x, size_t n)
{
	LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
	LLVMErrorRef err;
	char *message = NULL;

	for (val f = LLVMGetFirstFunction(b->m); f; f = LLVMGetNextFunction(f))
		if (LLVMCountBasicBlocks(f) && !is_entry(x, n, LLVMGetValueName(f)))
			LLVMSetLinkage(f, LLVMInternalLinkage);
	if (LLVMVerifyModule(b->m, LLVMReturnStatusAction, &message))
		ir_bug("an export is not valid LLVM IR: %s", message);
	LLVMDisposeMessage(message);
	err = LLVMRunPasses(b->m, "globaldce", b->tm, o);
	if (err)
		ir_bug("globaldce: %s", LLVMGetErrorMessage(err));
	LLVMDisposePassBuilderOptions(o);
}

ir_status cc_export_object(const char *target, const cc_entry *x, size_t n, ir_str *object, ir_diag *d)
{
	LLVMMemoryBufferRef bytes;
	char *message = NULL;
	cc_machine machine;
	ir_status st = cc_machine_init(&machine, target, 2, d);
	builder b = {.machine = &machine};

	if (st != IR_OK) {
		cc_machine_fini(&machine);
		return st;
	}
	machine.tiles = false; /* who links the object has not asked for them: Note [bf16] in target.c */
	b.a = ar_open();
	b.tm = cc_machine_new_tm(&machine);
	b.c = LLVMContextCreate();
	b.m = LLVMModuleCreateWithNameInContext("gradmill", b.c);
	cc_module_target(b.m, &machine, b.tm);
	add_runtime(&b);
	for (size_t i = 0; i < n; i++)
		add_entry(&b, &x[i]);
	strip(&b, x, n);
	if (LLVMTargetMachineEmitToMemoryBuffer(b.tm, b.m, LLVMObjectFile, &message, &bytes))
		ir_bug("code generation: %s", message);
	sb_putn(object, LLVMGetBufferStart(bytes), LLVMGetBufferSize(bytes));
	LLVMDisposeMemoryBuffer(bytes);
	LLVMDisposeModule(b.m);
	LLVMContextDispose(b.c);
	LLVMDisposeTargetMachine(b.tm);
	cc_machine_fini(&machine);
	ar_free(b.a);
	return IR_OK;
}
