/* SPDX-License-Identifier: Apache-2.0
 * Memory by lifetime. An arena is a chain of blocks that is freed as a whole: if you can name the stage at
 * whose end a thing dies, it belongs to that stage's arena; if you cannot, the design is not finished.
 * Never put a handle with a destructor (LLVM, SQLite, FILE) into an arena. */
#ifndef IR_BASE_ARENA_H
#define IR_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct ir_arena ir_arena;

/* A new, empty arena; the caller frees it with ar_free. Small memory is fatal when it runs out (ir_oom). */
ir_arena *ar_open(void);
void ar_free(ir_arena *a);  /* NULL is allowed */
void ar_reset(ir_arena *a); /* forget everything, keep the first block; poisons in debug builds */

/* count * size bytes, zeroed, 16-byte aligned, valid until ar_reset or ar_free. Overflow is fatal. */
void *ar_alloc(ir_arena *a, size_t count, size_t size);
#define ar_new(a, T, n) ((T *)ar_alloc((a), (n), sizeof(T)))

/* Copies of text, in the arena. */
char *ar_strdup(ir_arena *a, const char *s);
char *ar_strndup(ir_arena *a, const char *s, size_t n);
char *ar_printf(ir_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *ar_vprintf(ir_arena *a, const char *fmt, va_list ap);

/* Grows an array in the arena to hold at least need elements; the old block stays until the arena dies. */
void *ar_grow(ir_arena *a, void *old, size_t *cap, size_t need, size_t size);
#define ar_push(a, array, n, cap) \
	((array) = ar_grow((a), (array), &(cap), (n) + 1, sizeof *(array)), &(array)[(n)++])

size_t ar_used(const ir_arena *a); /* bytes handed out since the last reset */

/* Heap memory for things that outlive any stage; never NULL (ir_oom), freed with free(). */
void *ir_xmalloc(size_t count, size_t size); /* zeroed */
void *ir_xrealloc(void *old, size_t count, size_t size);

/* The end of small memory: prints what was asked for and ends the process; Note [No small memory] in arena.c. Tensors
 * (runtime/buffer.c) return a status instead. */
__attribute__((noreturn)) void ir_oom(size_t count, size_t size);
extern void (*ir_oom_end)(void); /* how it ends; NULL, and when this returns: by abort() */

/* Half a file that must not be left behind then, from now until it is done with: a few at a time; path stays the caller's. */
void ir_half_begun(const char *path);
void ir_half_done(const char *path);

/* Tests: the n-th request for memory from now, small or for a tensor, fails, once or from then on; 0: none does. */
void ir_fault_after(long n, bool for_ever);
long ir_fault_count(void);  /* requests since then */
bool ir_fault_strikes(void); /* counts a request: does it fail? */

/* A bug of ours: prints the message, the stage being run (ir_bug_context) and aborts. Never for user input. */
__attribute__((noreturn, format(printf, 1, 2))) void ir_bug(const char *fmt, ...);
extern _Thread_local const char *ir_bug_context;

/* Called with ir_bug_hook_arg before the abort, once: leaves a reproducer behind. NULL = nothing. */
extern _Thread_local void (*ir_bug_hook)(void *arg);
extern _Thread_local void *ir_bug_hook_arg;

#define IR_ASSERT(c, ...) ((c) ? (void)0 : ir_bug("assertion '" #c "' failed: " __VA_ARGS__))

#endif
