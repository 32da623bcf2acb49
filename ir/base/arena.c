/* SPDX-License-Identifier: Apache-2.0
 * Arenas: a chain of blocks with a bump pointer. Nothing is freed singly, so a stage that gives up half-way
 * leaks nothing. A block that is too small for a request is left as it is and a larger one is put in front;
 * the waste is bounded because blocks double up to a limit. Also the two ends of the road: ir_oom, ir_bug. */
#include "ir/base/arena.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_FIRST ((size_t)4096)
#define BLOCK_LIMIT ((size_t)1 << 20) /* blocks stop doubling here */
#define BYTES_MAX   ((size_t)1 << 44) /* a request above this is an overflow that the caller missed */
#define POISON      0xA5

typedef struct block {
	struct block *next; /* older */
	size_t cap, used;
	_Alignas(16) unsigned char data[];
} block;

struct ir_arena {
	block *top;
	size_t used;
};

_Thread_local const char *ir_bug_context;
_Thread_local void (*ir_bug_hook)(void *arg);
_Thread_local void *ir_bug_hook_arg;

void (*ir_oom_end)(void);

static atomic_long requests, fault;
static atomic_bool fault_for_ever;

void ir_fault_after(long n, bool for_ever)
{
	atomic_store(&requests, 0);
	atomic_store(&fault, n);
	atomic_store(&fault_for_ever, for_ever);
}

long ir_fault_count(void)
{
	return atomic_load(&requests);
}

bool ir_fault_strikes(void)
{
	long now = atomic_fetch_add(&requests, 1) + 1, n = atomic_load(&fault);

	return n && (now == n || (now > n && atomic_load(&fault_for_ever)));
}

static block *block_new(size_t cap, block *next)
{
	block *b = ir_fault_strikes() ? NULL : malloc(sizeof *b + cap);

	if (!b)
		ir_oom(1, cap);
	b->next = next;
	b->cap = cap;
	b->used = 0;
	return b;
}

ir_arena *ar_open(void)
{
	return ir_xmalloc(1, sizeof(ir_arena));
}

void ar_free(ir_arena *a)
{
	if (!a)
		return;
	for (block *b = a->top, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

void ar_reset(ir_arena *a)
{
	while (a->top && a->top->next) {
		block *b = a->top;

		a->top = b->next;
		free(b);
	}
	if (a->top) {
#ifndef NDEBUG
		memset(a->top->data, POISON, a->top->used); /* a use after the stage's end shows at once */
#endif
		a->top->used = 0;
	}
	a->used = 0;
}

void *ar_alloc(ir_arena *a, size_t count, size_t size)
{
	size_t bytes, cap;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > BYTES_MAX)
		ir_oom(count, size);
	bytes = bytes ? (bytes + 15) & ~(size_t)15 : 16;
	if (!a->top || bytes > a->top->cap - a->top->used) {
		cap = !a->top ? BLOCK_FIRST : a->top->cap < BLOCK_LIMIT ? 2 * a->top->cap : BLOCK_LIMIT;
		a->top = block_new(bytes > cap ? bytes : cap, a->top);
	}
	p = a->top->data + a->top->used;
	a->top->used += bytes;
	a->used += bytes;
	return memset(p, 0, bytes);
}

char *ar_strndup(ir_arena *a, const char *s, size_t n)
{
	char *p = ar_alloc(a, n + 1, 1);

	memcpy(p, s, n);
	return p;
}

char *ar_strdup(ir_arena *a, const char *s)
{
	return ar_strndup(a, s, strlen(s));
}

char *ar_vprintf(ir_arena *a, const char *fmt, va_list ap)
{
	va_list again;
	int n;
	char *p;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		ir_bug("bad format '%s'", fmt);
	p = ar_alloc(a, (size_t)n + 1, 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	return p;
}

char *ar_printf(ir_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = ar_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

void *ar_grow(ir_arena *a, void *old, size_t *cap, size_t need, size_t size)
{
	size_t want = *cap ? *cap : 8;
	void *p;

	if (need <= *cap)
		return old;
	while (want < need)
		if (__builtin_mul_overflow(want, 2, &want))
			ir_oom(need, size);
	p = ar_alloc(a, want, size);
	if (*cap)
		memcpy(p, old, *cap * size);
	*cap = want;
	return p;
}

size_t ar_used(const ir_arena *a)
{
	return a->used;
}

void *ir_xmalloc(size_t count, size_t size)
{
	void *p = ir_fault_strikes() ? NULL : calloc(count ? count : 1, size ? size : 1);

	if (!p)
		ir_oom(count, size);
	return p;
}

void *ir_xrealloc(void *old, size_t count, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes))
		ir_oom(count, size);
	p = ir_fault_strikes() ? NULL : realloc(old, bytes ? bytes : 1);
	if (!p)
		ir_oom(count, size);
	return p;
}

#define MAX_HALVES 16

static _Atomic(const char *) half[MAX_HALVES];

static void swap_half(const char *from, const char *to)
{
	for (int i = 0; i < MAX_HALVES; i++) {
		const char *expected = from;

		if (atomic_compare_exchange_strong(&half[i], &expected, to))
			return;
	}
}

void ir_half_begun(const char *path)
{
	swap_half(NULL, path);
}

void ir_half_done(const char *path)
{
	swap_half(path, NULL);
}

/* Note [No small memory]: every caller could hand a status up instead, or a jump could skip them all. The first would be a
 * third of our lines, in code that no user ever runs; the second leaks what LLVM and SQLite hold between here and there, and
 * LLVM itself ends the process when its own requests fail. So the process ends, once it has removed what it had half
 * written: a program with exit code 71, a host of the library by abort(). A search loses nothing by it: what was
 * committed is in the file, and a worker's end is one attempt of its trial. */
void ir_oom(size_t count, size_t size)
{
	fprintf(stderr, "gradmill: out of memory: %zu x %zu bytes were asked for\n", count, size);
	for (int i = 0; i < MAX_HALVES; i++)
		if (half[i])
			unlink(half[i]);
	if (ir_oom_end)
		ir_oom_end();
	abort();
}

void ir_bug(const char *fmt, ...)
{
	void (*hook)(void *arg) = ir_bug_hook;
	va_list ap;

	fputs("gradmill: bug", stderr);
	if (ir_bug_context)
		fprintf(stderr, " in %s", ir_bug_context);
	fputs(": ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\n", stderr);
	ir_bug_hook = NULL; /* a bug in the hook must not call it again */
	if (hook)
		hook(ir_bug_hook_arg);
	abort();
}
