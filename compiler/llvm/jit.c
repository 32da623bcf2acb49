/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/jit.c -- the kernel cache: objects, from disk (object_cache.c) or compiled (codegen.c), are linked and kept under
 * their keys. Object first: what is linked here is what ahead-of-time export would write. Objects are made on all cores; linking
 * is done one at a time. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <llvm/Config/llvm-config.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/LLJITUtils.h>
#include <llvm-c/Object.h>
#include <llvm-c/Orc.h>
#include "compiler/llvm/codegen.h"
#include "compiler/llvm/jit.h"
#include "compiler/llvm/object_cache.h"

#define KEEP_UNUSED 1024 /* kernels, of some 8 KiB each: more than several models have */
#define SWEEP_EVERY 64   /* releases, between two walks over LLVM's table of names */

/* One linked kernel. Without users it waits among the unused, from where the next fetch takes it back. */
struct cc_code {
	ir_key key;
	rt_kernel *fn;
	LLVMOrcResourceTrackerRef memory;
	size_t users;
	cc_code *next;         /* in its bucket */
	cc_code *older, *newer; /* among the unused */
};

struct cc_context {
	cc_machine machine;
	ir_str description;
	cc_object_cache *disk;
	LLVMOrcLLJITRef jit;
	pthread_mutex_t lock; /* guards everything below, and linking */
	cc_code **table;      /* buckets, by key */
	size_t n, size;       /* size: a power of two */
	cc_code *oldest, *newest; /* of the unused */
	size_t nunused, keep, nreleased;
	int cores;  /* that a fetch compiles on */
	bool named; /* $GRADMILL_PERF: perf and gdb are told of every kernel; see Note [Names] */
};

/* ---- messages --------------------------------------------------------------------------------------------------- */

static ir_status llvm_failed(LLVMErrorRef err, const char *what, ir_diag *d)
{
	char *text;

	if (!err)
		return IR_OK;
	text = LLVMGetErrorMessage(err);
	if (d)
		ir_report(d, (ir_loc){0}, IR_E_file, what, text);
	LLVMDisposeErrorMessage(text);
	return IR_EINTERNAL;
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

/* Failure, which LLVM has no way to repair, leaves the pages behind. */
static void release_memory(LLVMOrcResourceTrackerRef memory)
{
	llvm_failed(LLVMOrcResourceTrackerRemove(memory), "JIT", NULL);
	LLVMOrcReleaseResourceTracker(memory);
}

static cc_code **bucket_of(const cc_context *c, ir_key key)
{
	return &c->table[key.lo & (c->size - 1)];
}

static cc_code *find(const cc_context *c, ir_key key)
{
	cc_code *e = *bucket_of(c, key);

	while (e && !ir_key_equal(e->key, key))
		e = e->next;
	return e;
}

static void put(cc_context *c, cc_code *e)
{
	cc_code **at = bucket_of(c, e->key);

	e->next = *at;
	*at = e;
}

static void grow(cc_context *c)
{
	cc_code **old = c->table;
	size_t size = c->size;

	c->size *= 2;
	c->table = ir_xmalloc(c->size, sizeof *c->table);
	for (size_t i = 0; i < size; i++)
		for (cc_code *e = old[i], *next; e; e = next) {
			next = e->next;
			put(c, e);
		}
	free(old);
}

static void add_unused(cc_context *c, cc_code *e)
{
	e->older = c->newest, e->newer = NULL;
	*(c->newest ? &c->newest->newer : &c->oldest) = e;
	c->newest = e;
	c->nunused++;
}

static void take_unused(cc_context *c, cc_code *e)
{
	*(e->older ? &e->older->newer : &c->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &c->newest) = e->older;
	c->nunused--;
}

/* Unlinks unused code; its memory goes back to the system. */
static void forget(cc_context *c, cc_code *e)
{
	cc_code **at = bucket_of(c, e->key);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	c->n--;
	take_unused(c, e);
	release_memory(e->memory);
	free(e);
	if (++c->nreleased % SWEEP_EVERY == 0) /* LLVM keeps the names of what is gone */
		LLVMOrcSymbolStringPoolClearDeadEntries(
			LLVMOrcExecutionSessionGetSymbolStringPool(LLVMOrcLLJITGetExecutionSession(c->jit)));
}

static void trim(cc_context *c)
{
	while (c->nunused > c->keep)
		forget(c, c->oldest);
}

/* A new entry, unused. */
static void remember(cc_context *c, ir_key key, rt_kernel *fn, LLVMOrcResourceTrackerRef memory)
{
	cc_code *e = ir_xmalloc(1, sizeof *e);

	*e = (cc_code){.key = key, .fn = fn, .memory = memory};
	if (++c->n > c->size)
		grow(c);
	put(c, e);
	add_unused(c, e);
}

static cc_code *hold(cc_context *c, ir_key key)
{
	cc_code *e = find(c, key);

	if (e->users++ == 0)
		take_unused(c, e);
	return e;
}

/* ---- context ---------------------------------------------------------------------------------------------------- */

cc_context_options cc_context_default(void)
{
	return (cc_context_options){.opt_level = 2, .unused_kernels = KEEP_UNUSED};
}

static ir_status start_jit(cc_context *c, ir_diag *d)
{
	LLVMOrcLLJITBuilderRef b = LLVMOrcCreateLLJITBuilder();
	LLVMOrcDefinitionGeneratorRef g;
	ir_status st;

	st = llvm_failed(LLVMOrcCreateLLJIT(&c->jit, b), "JIT", d); /* takes the builder, also on failure */
	if (st != IR_OK)
		return st;
	st = llvm_failed(LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
				 &g, LLVMOrcLLJITGetGlobalPrefix(c->jit), NULL, NULL), "JIT", d);
	if (st == IR_OK)
		LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(c->jit), g);
	if (st == IR_OK && c->named)
		st = llvm_failed(LLVMOrcLLJITEnableDebugSupport(c->jit), "JIT", d);
	return st;
}

ir_status cc_context_new(const cc_context_options *o, cc_context **out, ir_diag *d)
{
	cc_context *c = ir_xmalloc(1, sizeof *c);
	ir_status st = cc_machine_init(&c->machine, o->target, o->opt_level, d);

	*out = NULL;
	pthread_mutex_init(&c->lock, NULL);
	sb_init(&c->description);
	c->size = 256;
	c->cores = rt_cores();
	c->named = getenv("GRADMILL_PERF") != NULL;
	c->keep = c->named ? SIZE_MAX : (size_t)(o->unused_kernels > 0 ? o->unused_kernels : 0);
	c->table = ir_xmalloc(c->size, sizeof *c->table);
	if (st == IR_OK && !cc_machine_runs_here(&c->machine)) {
		ir_report(d, (ir_loc){0}, IR_E_file, o->target, "this processor cannot run code for that target");
		st = IR_EINPUT;
	}
	if (st == IR_OK)
		st = start_jit(c, d);
	if (st != IR_OK) {
		cc_context_free(c);
		return st;
	}
	c->disk = cc_object_cache_new(o->cache_dir);
	sb_printf(&c->description, "%s %s, llvm %s", c->machine.cpu, c->machine.level.level, LLVM_VERSION_STRING);
	*out = c;
	return IR_OK;
}

void cc_context_free(cc_context *c)
{
	if (!c)
		return;
	while (c->oldest)
		forget(c, c->oldest);
	IR_ASSERT(c->n == 0, "a program outlives its context");
	if (c->jit)
		llvm_failed(LLVMOrcDisposeLLJIT(c->jit), "JIT", NULL);
	cc_machine_fini(&c->machine);
	pthread_mutex_destroy(&c->lock);
	free(c->table);
	cc_object_cache_free(c->disk);
	sb_fini(&c->description);
	free(c);
}

const char *cc_context_target(const cc_context *c)
{
	return c->description.s;
}

int cc_peak_floats(const cc_context *c)
{
	return c->machine.level.vector_bytes / 4 * c->machine.level.chains;
}

/* ---- names for debuggers ---------------------------------------------------------------------------------------- */

static uint64_t code_bytes(LLVMMemoryBufferRef object)
{
	char *message = NULL;
	LLVMBinaryRef b = LLVMCreateBinary(object, NULL, &message); /* asks for the message's place, always */
	LLVMSectionIteratorRef s;
	uint64_t n = 0;

	if (!b) {
		LLVMDisposeMessage(message);
		return 0;
	}
	s = LLVMObjectFileCopySectionIterator(b);
	for (; !LLVMObjectFileIsSectionIteratorAtEnd(b, s); LLVMMoveToNextSection(s)) {
		const char *name = LLVMGetSectionName(s); /* NULL: the section without a name, the first of every ELF file */

		if (name && !strcmp(name, ".text"))
			n = LLVMGetSectionSize(s);
	}
	LLVMDisposeSectionIterator(s);
	LLVMDisposeBinary(b);
	return n;
}

/* A line of /tmp/perf-PID.map, where perf looks for code that has no file: a kernel stands first in its section, its tiles and
 * packing behind it. The file outlives the process. */
static void name_for_perf(const cc_kernel *k, ir_key key, rt_kernel *code, uint64_t bytes)
{
	char path[64], hex[IR_KEY_CHARS];
	ir_str s;
	FILE *f;

	snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
	f = fopen(path, "a");
	if (!f)
		return;
	sb_init(&s);
	cc_kernel_print(k, &s);
	ir_key_print(key, hex);
	fprintf(f, "%llx %llx gm_%.8s %.200s\n", (unsigned long long)(uintptr_t)code, (unsigned long long)bytes, hex, s.s);
	sb_fini(&s);
	fclose(f);
}

/* ---- linking ---------------------------------------------------------------------------------------------------- */

/* Links one object under its key, in memory of its own. Takes the buffer. */
static ir_status link_object(cc_context *c, LLVMMemoryBufferRef object, ir_key key, ir_diag *d)
{
	LLVMOrcResourceTrackerRef memory = LLVMOrcJITDylibCreateResourceTracker(LLVMOrcLLJITGetMainJITDylib(c->jit));
	LLVMOrcExecutorAddress at = 0;
	char symbol[CC_SYMBOL_CHARS];
	ir_status st;

	cc_kernel_symbol(key, symbol);
	st = llvm_failed(LLVMOrcLLJITAddObjectFileWithRT(c->jit, memory, object), symbol, d);
	if (st == IR_OK)
		st = llvm_failed(LLVMOrcLLJITLookup(c->jit, &at, symbol), symbol, d);
	if (st == IR_OK)
		remember(c, key, (rt_kernel *)(uintptr_t)at, memory);
	else
		release_memory(memory);
	return st;
}

/* ---- fetching --------------------------------------------------------------------------------------------------- */

/* One description that memory does not have yet. */
typedef struct missing {
	const cc_kernel *k;
	ir_key key;
	LLVMMemoryBufferRef object;
	bool from_disk;
} missing;

typedef struct batch {
	cc_context *c;
	missing *m;
} batch;

static void make_object(void *ctx, size_t i)
{
	cc_context *c = ((batch *)ctx)->c;
	missing *m = &((batch *)ctx)->m[i];
	ir_str bytes;

	sb_init(&bytes);
	m->from_disk = cc_object_read(c->disk, m->key, &bytes);
	if (m->from_disk) {
		m->object = LLVMCreateMemoryBufferWithMemoryRangeCopy(bytes.s, bytes.n, "kernel");
	} else {
		m->object = cc_kernel_object(&c->machine, m->k, m->key, false);
		cc_object_write(c->disk, m->key, LLVMGetBufferStart(m->object), LLVMGetBufferSize(m->object));
	}
	sb_fini(&bytes);
}

static size_t find_missing(cc_context *c, const cc_kernel *const *k, const ir_key *key, size_t n, missing *out)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		bool known = find(c, key[i]) != NULL;

		for (size_t j = 0; j < m && !known; j++)
			known = ir_key_equal(out[j].key, key[i]);
		if (!known)
			out[m++] = (missing){k[i], key[i], NULL, false};
	}
	return m;
}

/* Takes the object. */
static ir_status link_missing(cc_context *c, const missing *m, ir_diag *d)
{
	uint64_t bytes = c->named ? code_bytes(m->object) : 0;
	ir_status st = link_object(c, m->object, m->key, d);

	if (st == IR_OK && bytes)
		name_for_perf(m->k, m->key, find(c, m->key)->fn, bytes);
	return st;
}

ir_status cc_fetch_kernels(cc_context *c, const cc_kernel *const *k, size_t n, cc_code **out, cc_fetch_stats *stats,
			   ir_diag *d)
{
	ir_arena *a = ar_open();
	ir_key *key = ar_new(a, ir_key, n ? n : 1);
	batch b = {c, ar_new(a, missing, n ? n : 1)};
	ir_status st = IR_OK;
	size_t m;

	for (size_t i = 0; i < n; i++)
		key[i] = cc_kernel_key(&c->machine, k[i]);
	pthread_mutex_lock(&c->lock);
	m = find_missing(c, k, key, n, b.m);
	rt_parallel(c->cores, m, make_object, &b);
	for (size_t i = 0; i < m; i++) {
		if (st == IR_OK)
			st = link_missing(c, &b.m[i], d);
		else
			LLVMDisposeMemoryBuffer(b.m[i].object);
		stats->compiled += !b.m[i].from_disk;
		stats->from_disk += b.m[i].from_disk;
	}
	for (size_t i = 0; i < n && st == IR_OK; i++)
		out[i] = hold(c, key[i]);
	trim(c);
	stats->kernels += (int)n;
	pthread_mutex_unlock(&c->lock);
	ar_free(a);
	return st;
}

void cc_context_cores(cc_context *c, int cores)
{
	c->cores = cores;
}

rt_kernel *cc_code_fn(const cc_code *e)
{
	return e->fn;
}

void cc_release_kernels(cc_context *c, cc_code *const *code, size_t n)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < n; i++)
		if (--code[i]->users == 0)
			add_unused(c, code[i]);
	trim(c);
	pthread_mutex_unlock(&c->lock);
}

void cc_print_kernel(const cc_context *c, const cc_kernel *k, bool assembly, ir_str *out)
{
	cc_kernel_text(&c->machine, k, assembly, out);
}

bool cc_context_recall(cc_context *c, ir_key key, ir_str *bytes)
{
	return cc_object_read(c->disk, key, bytes);
}

void cc_context_keep(cc_context *c, ir_key key, const char *bytes, size_t n)
{
	cc_object_write(c->disk, key, bytes, n);
}

/* Note [Names]
 *
 * With GRADMILL_PERF set, every kernel is written into perf's map and LLVM hands its ELF file to gdb, and no kernel is released: an
 * address that was named must not come to mean another kernel, and LLVM 19 takes nothing back from gdb. Not always: besides never
 * being released, a named kernel takes 5 KiB more, nearly twice as much (1500 small ones, measured), and 30 us of linking. LLVM's
 * other linker could take names back, but puts each section into memory of its own and does not notice when two are more than 2 GiB
 * apart, as they may be between large tensors. */
