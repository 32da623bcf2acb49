/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/target.c -- CPU names, vector widths and register tiles. A tile leaves room for its operands: with 32
 * registers of 512 bits 6 x 4 accumulators, 4 vectors of B and a broadcast; with 16 registers of 256 bits 6 x 2, 2 and 1. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include "compiler/llvm/target.h"

/* Best first: the first row whose feature the CPU has. */
static const struct {
	const char *feature;
	cc_target t;
} levels[] = {
	{"+avx512vl", {"avx512", 64, 6, 4, 24, true, CC_BF16_FMA, true}},
	{"+avx2", {"avx2", 32, 6, 2, 12, true, CC_BF16_FMA, false}},
	{"", {"sse2", 16, 4, 2, 12, false, CC_BF16_FMA, false}},
};

/* Names of targets, and the features that decide here. */
static const struct {
	const char *name, *features;
} psabi[] = {
	{"x86-64", ""},
	{"x86-64-v2", ""},
	{"x86-64-v3", "+avx2,+fma"},
	{"x86-64-v4", "+avx2,+fma,+avx512vl"},
	{"znver4", "+avx2,+fma,+avx512vl,+avx512bf16"}, /* not a level, but the only way to VDPBF16PS: see Note [bf16] */
};

static const cc_target *level_of(const char *features)
{
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (strstr(features, levels[i].feature))
			return &levels[i].t;
	return NULL;
}

static const char *psabi_features(const char *cpu)
{
	for (size_t i = 0; i < sizeof psabi / sizeof *psabi; i++)
		if (!strcmp(cpu, psabi[i].name))
			return psabi[i].features;
	return NULL;
}

/* Loop strength reduction would turn the rows of a tile, each a pointer with one shared index, into a chain of additions, 20 of
 * them beside 48 multiply-adds; and it is a fifth of a kernel's compile time. Such options are the process's; once only. */
static void configure(void)
{
	LLVMParseCommandLineOptions(2, (const char *const[]){"gradmill", "-disable-lsr"}, NULL);
}

static pthread_once_t configured = PTHREAD_ONCE_INIT;

static bool has_tiles(const char *features)
{
	return strstr(features, "+avx512vl") && strstr(features, "+amx-bf16") && strstr(features, "+amx-tile");
}

static bool may_use_tiles;

/* Linux hands out the 8 KiB of tiles to processes that ask for them, once for all their threads. */
static void ask_for_tiles(void)
{
	enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };

	may_use_tiles = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

cc_target cc_machine_target(const cc_machine *m, const cc_kernel *k)
{
	static pthread_once_t asked = PTHREAD_ONCE_INIT;
	cc_target t = m->level;

	if (k->bf16 && m->tiles) {
		pthread_once(&asked, ask_for_tiles);
		if (may_use_tiles)
			t.bf16 = CC_BF16_TILES;
	}
	return t;
}

ir_status cc_machine_init(cc_machine *m, const char *name, int opt_level, ir_diag *d)
{
	char *message = NULL;

	*m = (cc_machine){.opt = (LLVMCodeGenOptLevel)opt_level};
	LLVMInitializeNativeTarget();
	LLVMInitializeNativeAsmPrinter();
	pthread_once(&configured, configure);
	m->triple = LLVMGetDefaultTargetTriple();
	if (LLVMGetTargetFromTriple(m->triple, &m->target, &message)) {
		ir_report(d, (ir_loc){0}, IR_E_file, m->triple, message);
		LLVMDisposeMessage(message);
		return IR_EINTERNAL;
	}
	if (name && !psabi_features(name)) {
		ir_report(d, (ir_loc){0}, IR_E_file, name, "unknown target; known: x86-64, x86-64-v2, x86-64-v3, x86-64-v4, znver4");
		return IR_EINPUT;
	}
	m->cpu = name ? LLVMCreateMessage(name) : LLVMGetHostCPUName();
	m->features = name ? LLVMCreateMessage(psabi_features(name)) : LLVMGetHostCPUFeatures();
	m->level = *level_of(m->features);
	if (m->level.vector_bytes == 64 && strstr(m->features, "+avx512bf16") && !strncmp(m->cpu, "znver", 5))
		m->level.bf16 = CC_BF16_DOT;
	m->level.root_steps &= strcmp(m->cpu, "znver5") != 0;
	m->tiles = has_tiles(m->features);
	return IR_OK;
}

void cc_machine_fini(cc_machine *m)
{
	if (m->triple)
		LLVMDisposeMessage(m->triple);
	if (m->cpu)
		LLVMDisposeMessage(m->cpu);
	if (m->features)
		LLVMDisposeMessage(m->features);
}

LLVMTargetMachineRef cc_machine_new_tm(const cc_machine *m)
{
	/* 512-bit registers although LLVM's tuning of some CPUs prefers 256: kernels are written for their width */
	char features[8192];

	snprintf(features, sizeof features, "%s%s", m->features,
		 m->level.vector_bytes == 64 ? ",-prefer-256-bit" : "");
	return LLVMCreateTargetMachine(m->target, m->triple, m->cpu, features, m->opt, LLVMRelocPIC, LLVMCodeModelDefault);
}

bool cc_machine_runs_here(const cc_machine *m)
{
	char *host = LLVMGetHostCPUFeatures();
	const cc_target *have = level_of(host);
	bool ok = have->vector_bytes >= m->level.vector_bytes && (have->fma || !m->level.fma) &&
		  (m->level.bf16 != CC_BF16_DOT || strstr(host, "+avx512bf16"));

	LLVMDisposeMessage(host);
	return ok;
}

/* Note [bf16]
 *
 * A product of two bf16 is exact in f32; what counts is how products are summed, and that is what Intel's matrix unit does
 * (TDPBF16PS): two chains of 16 fused multiply-adds, their sum, which is added to the result; 32 k's at a time, denormals
 * flushed. Which k's make a chain is decided by how operands are packed. Here a chain is 16 consecutive k's, so that
 *  - TDPBF16PS pairs k with k + 16 in a word: 3.2 TFLOP/s a core on Sapphire Rapids, where the peak of FMAs is 0.24;
 *  - VDPBF16PS, which sums the two products of a word one after the other, pairs k with k + 1. Zen 5 does as many of them as of
 *    FMAs (measured; Zen 4 by its documentation); Intel's cores half as many (measured), so there it is never used;
 *  - FMAs take operands that were rounded while they were packed.
 * All give the same bits (tests/unit/cc_bf16.c), but that SSE2, which multiplies before it adds, loses products below 2^-126
 * that FMAs add exactly. Exported objects do without TDPBF16PS: a process has to ask for the tiles. */
