/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/target.c -- CPU names, vector widths and register tiles. A tile leaves room for its operands: with 32
 * registers of 512 bits 6 x 4 accumulators, 4 vectors of B and a broadcast; with 16 registers of 256 bits 6 x 2, 2 and 1. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include "compiler/llvm/target.h"

/* Best first: the first row whose feature the CPU has. */
static const struct {
	const char *feature;
	cc_target t;
} levels[] = {
	{"+avx512vl", {"avx512", 64, 6, 4, 24, true, false}},
	{"+avx2", {"avx2", 32, 6, 2, 12, true, false}},
	{"", {"sse2", 16, 4, 2, 12, false, false}},
};

/* Names of targets, and the features that decide here. */
static const struct {
	const char *name, *features;
} psabi[] = {
	{"x86-64", ""},
	{"x86-64-v2", ""},
	{"x86-64-v3", "+avx2,+fma"},
	{"x86-64-v4", "+avx2,+fma,+avx512vl"},
	{"znver4", "+avx2,+fma,+avx512vl,+avx512bf16"}, /* not a level, but the only way to VDPBF16PS: see Note [Pairs] */
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
	m->level.pairs = m->level.vector_bytes == 64 && strstr(m->features, "+avx512bf16") && !strncmp(m->cpu, "znver", 5);
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
		  (!m->level.pairs || strstr(host, "+avx512bf16"));

	LLVMDisposeMessage(host);
	return ok;
}

/* Note [Pairs]
 *
 * VDPBF16PS multiplies and adds two pairs per lane. Zen 4 does as many of them as of FMAs by its documentation (not measured yet), so
 * a product of bf16 operands should take half the time; Intel's cores do a quarter as many (Sapphire Rapids class, measured: 114 GFLOP/s a core, FMA 225), so there operands are
 * rounded while they are packed, and the tile is that of f32. Both give the same bits: a product of two bf16 is exact in f32, and
 * the instruction rounds each of its two sums. */
