/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/jit.c -- the kernel cache. A description's text, with everything else that decides its code, is hashed
 * into a key; under that key the object bytes are kept on disk and the linked code in memory. Object first: what is
 * linked here is what ahead-of-time export would write. LLVM runs without its lock: every compile has its own context
 * and target machine, and only linking is done one at a time. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <llvm/Config/llvm-config.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Object.h>
#include <llvm-c/Orc.h>
#include "compiler/llvm/codegen.h"
#include "compiler/llvm/jit.h"
#include "compiler/llvm/target.h"

/* CC_CODE_HASH, from CMakeLists.txt, is the hash of the files that write code: an object made by other ones is never
 * found, whoever forgets what. */
#define LLVM_VERSION LLVM_VERSION_STRING

#define OBJECT_MAGIC "gmobj001"
#define OBJECT_MAX   (64u << 20)

typedef struct entry {
	ir_key key;
	rt_kernel *code; /* NULL: empty slot */
} entry;

struct cc_context {
	cc_machine machine;
	char *description;
	char *cache_dir; /* NULL = no disk */
	LLVMOrcLLJITRef jit;
	pthread_mutex_t lock; /* guards the table and linking */
	entry *table;
	size_t n, size; /* a power of two */
};

/* ---- messages ------------------------------------------------------------------------------------------------- */

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

/* ---- context -------------------------------------------------------------------------------------------------- */

cc_context_options cc_context_default(void)
{
	return (cc_context_options){.opt_level = 2};
}

static char *join(const char *a, const char *b)
{
	size_t n = strlen(a) + strlen(b) + 1;
	char *s = ir_xmalloc(n, 1);

	snprintf(s, n, "%s%s", a, b);
	return s;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The directory, made if need be; NULL if there is none to be had: the cache then lives in memory only. */
static char *find_cache_dir(const char *given)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CACHE_HOME"), *own = getenv("GRADMILL_CACHE");
	char *base, *dir;

	if (!given)
		given = own;
	if (given)
		return *given && (mkdir(given, 0777) == 0 || is_dir(given)) ? join(given, "") : NULL;
	if (!xdg && !home)
		return NULL;
	base = xdg ? join(xdg, "") : join(home, "/.cache");
	dir = join(base, "/gradmill");
	mkdir(base, 0777);
	if (mkdir(dir, 0777) != 0 && !is_dir(dir)) {
		free(dir);
		dir = NULL;
	}
	free(base);
	return dir;
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
	return st;
}

ir_status cc_context_new(const cc_context_options *o, cc_context **out, ir_diag *d)
{
	cc_context *c = ir_xmalloc(1, sizeof *c);
	ir_status st = cc_machine_init(&c->machine, o->target, o->opt_level, d);
	char text[256];

	*out = NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->size = 256;
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
	c->cache_dir = find_cache_dir(o->cache_dir);
	snprintf(text, sizeof text, "%s %s, llvm %s", c->machine.cpu, c->machine.level.level, LLVM_VERSION);
	c->description = join(text, "");
	*out = c;
	return IR_OK;
}

void cc_context_free(cc_context *c)
{
	if (!c)
		return;
	if (c->jit)
		llvm_failed(LLVMOrcDisposeLLJIT(c->jit), "JIT", NULL);
	cc_machine_fini(&c->machine);
	pthread_mutex_destroy(&c->lock);
	free(c->table);
	free(c->cache_dir);
	free(c->description);
	free(c);
}

const char *cc_context_target(const cc_context *c)
{
	return c->description;
}

int cc_peak_floats(const cc_context *c)
{
	return c->machine.level.vector_bytes / 4 * c->machine.level.chains;
}

/* ---- keys and the table --------------------------------------------------------------------------------------- */

/* Everything that can change the bytes. Tuning flags of the user's shell cannot. */
static ir_key key_of(const cc_context *c, const cc_kernel *k)
{
	ir_str s;
	ir_key key;

	sb_init(&s);
	sb_printf(&s, "gradmill abi%d code %s llvm%s %s %s %s O%d\n", RT_ABI, CC_CODE_HASH, LLVM_VERSION,
		  c->machine.triple, c->machine.cpu, c->machine.features, (int)c->machine.opt);
	cc_kernel_print(k, &s);
	key = ir_hash(s.s, s.n);
	sb_fini(&s);
	return key;
}

static entry *slot_of(const cc_context *c, ir_key key)
{
	size_t at = key.lo & (c->size - 1);

	while (c->table[at].code && !ir_key_equal(c->table[at].key, key))
		at = (at + 1) & (c->size - 1);
	return &c->table[at];
}

static void remember(cc_context *c, ir_key key, rt_kernel *code)
{
	entry *old = c->table;
	size_t size = c->size;

	if (2 * ++c->n > size) {
		c->size *= 2;
		c->table = ir_xmalloc(c->size, sizeof *c->table);
		for (size_t i = 0; i < size; i++)
			if (old[i].code)
				*slot_of(c, old[i].key) = old[i];
		free(old);
	}
	*slot_of(c, key) = (entry){key, code};
}

/* ---- objects on disk ------------------------------------------------------------------------------------------ */

typedef struct object_header {
	char magic[8];
	ir_key key, sum; /* sum: of the bytes behind */
	uint64_t size;
} object_header;

static void object_path(const cc_context *c, ir_key key, char *out, size_t n)
{
	char hex[IR_KEY_CHARS];

	ir_key_print(key, hex);
	snprintf(out, n, "%s/%s.o", c->cache_dir, hex);
}

/* A file that is not exactly what was written under this key is as good as none. */
static bool read_object(const cc_context *c, ir_key key, ir_str *bytes)
{
	char path[4096];
	object_header h;

	if (!c->cache_dir)
		return false;
	object_path(c, key, path, sizeof path);
	if (ir_file_read(path, OBJECT_MAX, bytes) != IR_OK || bytes->n < sizeof h)
		return false;
	memcpy(&h, bytes->s, sizeof h);
	return !memcmp(h.magic, OBJECT_MAGIC, 8) && ir_key_equal(h.key, key) && h.size == bytes->n - sizeof h &&
	       ir_key_equal(h.sum, ir_hash(bytes->s + sizeof h, h.size));
}

/* Failure is no fault: the next process compiles again. */
static void write_object(const cc_context *c, ir_key key, LLVMMemoryBufferRef object)
{
	object_header h = {.key = key, .size = LLVMGetBufferSize(object)};
	char path[4096];
	ir_str s;

	if (!c->cache_dir)
		return;
	memcpy(h.magic, OBJECT_MAGIC, 8);
	h.sum = ir_hash(LLVMGetBufferStart(object), h.size);
	sb_init(&s);
	sb_putn(&s, (const char *)&h, sizeof h);
	sb_putn(&s, LLVMGetBufferStart(object), h.size);
	object_path(c, key, path, sizeof path);
	if (ir_file_write_fast(path, s.s, s.n) != IR_OK)
		remove(path);
	sb_fini(&s);
}

/* ---- compiling -------------------------------------------------------------------------------------------------- */

static void symbol_of(ir_key key, char *out, size_t n)
{
	char hex[IR_KEY_CHARS];

	ir_key_print(key, hex);
	snprintf(out, n, "gm_%s", hex);
}

LLVMModuleRef cc_kernel_module(const cc_machine *m, LLVMTargetMachineRef tm, LLVMContextRef ctx, const cc_kernel *k,
			       const char *symbol)
{
	LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
	char *message = NULL;
	em e;

	em_begin(&e, ctx, &m->level, symbol);
	LLVMSetTarget(e.m, m->triple);
	LLVMSetModuleDataLayout(e.m, layout);
	LLVMDisposeTargetData(layout);
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

static LLVMMemoryBufferRef compile(const cc_machine *m, const cc_kernel *k, ir_key key, bool assembly)
{
	LLVMContextRef ctx = LLVMContextCreate();
	LLVMTargetMachineRef tm = cc_machine_new_tm(m);
	LLVMMemoryBufferRef out = NULL;
	LLVMModuleRef mod;
	char symbol[64], *message = NULL;

	symbol_of(key, symbol, sizeof symbol);
	mod = cc_kernel_module(m, tm, ctx, k, symbol);
	if (LLVMTargetMachineEmitToMemoryBuffer(tm, mod, assembly ? LLVMAssemblyFile : LLVMObjectFile, &message, &out))
		ir_bug("code generation: %s", message);
	LLVMDisposeModule(mod);
	LLVMDisposeTargetMachine(tm);
	LLVMContextDispose(ctx);
	return out;
}

/* ---- names for perf --------------------------------------------------------------------------------------------- */

static uint64_t code_bytes(LLVMMemoryBufferRef object)
{
	LLVMBinaryRef b = LLVMCreateBinary(object, NULL, NULL);
	LLVMSectionIteratorRef s;
	uint64_t n = 0;

	if (!b)
		return 0;
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
 * packing behind it. Only if GRADMILL_PERF is set: the file outlives the process. */
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

/* Links one object; the code lives as long as the JIT. Takes the buffer. */
static ir_status link_object(cc_context *c, LLVMMemoryBufferRef object, ir_key key, rt_kernel **out, ir_diag *d)
{
	LLVMOrcExecutorAddress at = 0;
	char symbol[64];
	ir_status st;

	symbol_of(key, symbol, sizeof symbol);
	st = llvm_failed(LLVMOrcLLJITAddObjectFile(c->jit, LLVMOrcLLJITGetMainJITDylib(c->jit), object), symbol, d);
	if (st == IR_OK)
		st = llvm_failed(LLVMOrcLLJITLookup(c->jit, &at, symbol), symbol, d);
	*out = (rt_kernel *)(uintptr_t)at;
	return st;
}

/* ---- fetching ----------------------------------------------------------------------------------------------------- */

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
	batch *b = ctx;
	missing *m = &b->m[i];
	ir_str bytes;

	sb_init(&bytes);
	m->from_disk = read_object(b->c, m->key, &bytes);
	if (m->from_disk) {
		m->object = LLVMCreateMemoryBufferWithMemoryRangeCopy(bytes.s + sizeof(object_header),
								      bytes.n - sizeof(object_header), "kernel");
	} else {
		m->object = compile(&b->c->machine, m->k, m->key, false);
		write_object(b->c, m->key, m->object);
	}
	sb_fini(&bytes);
}

static size_t find_missing(cc_context *c, const cc_kernel *const *k, const ir_key *key, size_t n, missing *out)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		bool known = slot_of(c, key[i])->code != NULL;

		for (size_t j = 0; j < m && !known; j++)
			known = ir_key_equal(out[j].key, key[i]);
		if (!known)
			out[m++] = (missing){k[i], key[i], NULL, false};
	}
	return m;
}

ir_status cc_fetch_kernels(cc_context *c, const cc_kernel *const *k, size_t n, rt_kernel **out, cc_fetch_stats *stats,
			   ir_diag *d)
{
	ir_arena *a = ar_open();
	ir_key *key = ar_new(a, ir_key, n ? n : 1);
	batch b = {c, ar_new(a, missing, n ? n : 1)};
	bool perf = getenv("GRADMILL_PERF") != NULL;
	ir_status st = IR_OK;
	size_t m;

	for (size_t i = 0; i < n; i++)
		key[i] = key_of(c, k[i]);
	pthread_mutex_lock(&c->lock);
	m = find_missing(c, k, key, n, b.m);
	rt_parallel(rt_cores(), m, make_object, &b);
	for (size_t i = 0; i < m; i++) {
		rt_kernel *code = NULL;
		uint64_t bytes = perf ? code_bytes(b.m[i].object) : 0;

		if (st != IR_OK) {
			LLVMDisposeMemoryBuffer(b.m[i].object);
			continue;
		}
		st = link_object(c, b.m[i].object, b.m[i].key, &code, d);
		if (st == IR_OK)
			remember(c, b.m[i].key, code);
		if (st == IR_OK && bytes)
			name_for_perf(b.m[i].k, b.m[i].key, code, bytes);
		stats->compiled += !b.m[i].from_disk;
		stats->from_disk += b.m[i].from_disk;
	}
	for (size_t i = 0; i < n && st == IR_OK; i++)
		out[i] = slot_of(c, key[i])->code;
	stats->kernels += (int)n;
	pthread_mutex_unlock(&c->lock);
	ar_free(a);
	return st;
}

ir_status cc_print_kernel(cc_context *c, const cc_kernel *k, bool assembly, ir_str *out, ir_diag *d)
{
	LLVMContextRef ctx;
	LLVMTargetMachineRef tm;
	LLVMModuleRef mod;
	char *text;

	(void)d;
	if (assembly) {
		LLVMMemoryBufferRef b = compile(&c->machine, k, key_of(c, k), true);

		sb_putn(out, LLVMGetBufferStart(b), LLVMGetBufferSize(b));
		LLVMDisposeMemoryBuffer(b);
		return IR_OK;
	}
	ctx = LLVMContextCreate();
	tm = cc_machine_new_tm(&c->machine);
	mod = cc_kernel_module(&c->machine, tm, ctx, k, "kernel");
	text = LLVMPrintModuleToString(mod);
	sb_put(out, text);
	LLVMDisposeMessage(text);
	LLVMDisposeModule(mod);
	LLVMDisposeTargetMachine(tm);
	LLVMContextDispose(ctx);
	return IR_OK;
}
