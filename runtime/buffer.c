/* SPDX-License-Identifier: Apache-2.0
 * runtime/buffer.c -- memory for tensors: aligned, zeroed, counted against one budget of the process.
 * A genome too big for the machine is an ordinary result of a search, so running out is a status here and
 * nowhere else. All large memory of the program comes from this file; the fault hook can refuse any of it. */
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "runtime/rt.h"

#define HUGE_PAGE ((size_t)2 << 20)

static atomic_size_t budget; /* 0 = no limit */
static atomic_size_t live;
static atomic_int fault;

void rt_set_budget(size_t bytes)
{
	atomic_store(&budget, bytes);
}

size_t rt_live_bytes(void)
{
	return atomic_load(&live);
}

void rt_fault_after(int n)
{
	atomic_store(&fault, n);
}

/* True once: for the request that the hook was set for. */
static bool is_faulty(void)
{
	return ir_fault_strikes() || (atomic_load(&fault) > 0 && atomic_fetch_sub(&fault, 1) == 1);
}

/* At least one line even for an empty tensor, so that every tensor has an address of its own. */
static size_t pad(size_t bytes)
{
	return rt_padded(bytes ? bytes : 1);
}

static bool reserve(size_t bytes)
{
	size_t limit = atomic_load(&budget), now = atomic_load(&live);

	do {
		if (limit && (bytes > limit || now > limit - bytes))
			return false;
	} while (!atomic_compare_exchange_weak(&live, &now, now + bytes));
	return true;
}

/* calloc rather than aligned_alloc + memset: large blocks come as untouched zero pages. What calloc returned is kept
 * in the word before the block; a malloc'ed address is 16-aligned, so there is always room for it. */
static void *get_aligned(size_t bytes)
{
	char *raw = calloc(1, bytes + RT_ALIGN);

	if (!raw)
		return NULL;
	char *p = raw + RT_ALIGN - (uintptr_t)raw % RT_ALIGN;
	memcpy(p - sizeof raw, &raw, sizeof raw);
	return p;
}

static ir_status allocate(size_t bytes, void *(*get)(size_t bytes), void **out)
{
	*out = NULL;
	if (is_faulty() || bytes > PTRDIFF_MAX - 2 * HUGE_PAGE)
		return IR_ENOMEM;
	bytes = pad(bytes);
	if (!reserve(bytes))
		return IR_ENOMEM;
	*out = get(bytes);
	if (*out)
		return IR_OK;
	atomic_fetch_sub(&live, bytes);
	return IR_ENOMEM;
}

ir_status rt_alloc(size_t bytes, void **out)
{
	return allocate(bytes, get_aligned, out);
}

/* ---- arenas ----------------------------------------------------------------------------------------------- */

static size_t whole_pages(size_t bytes)
{
	return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static bool is_paged(size_t bytes)
{
	return bytes >= HUGE_PAGE / 2;
}

/* Whole huge pages at a multiple of their size: one more is mapped, and what lies around goes back. */
static void *get_pages(size_t bytes)
{
	size_t size = whole_pages(bytes), head;
	char *raw = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw == MAP_FAILED)
		return NULL;
	head = HUGE_PAGE - (uintptr_t)raw % HUGE_PAGE;
	munmap(raw, head);
	if (head < HUGE_PAGE)
		munmap(raw + head + size, HUGE_PAGE - head);
	(void)madvise(raw + head, size, MADV_HUGEPAGE); /* a wish: without it, pages are small */
	return raw + head;
}

ir_status rt_alloc_arena(size_t bytes, void **out)
{
	return is_paged(bytes) ? allocate(bytes, get_pages, out) : rt_alloc(bytes, out);
}

void rt_free_arena(void *p, size_t bytes)
{
	if (!p || !is_paged(bytes)) {
		rt_free(p, bytes);
		return;
	}
	munmap(p, whole_pages(pad(bytes)));
	atomic_fetch_sub(&live, pad(bytes));
}

/* ---- other memory ------------------------------------------------------------------------------------------ */

void rt_free(void *p, size_t bytes)
{
	char *raw;

	if (!p)
		return;
	memcpy(&raw, (char *)p - sizeof raw, sizeof raw);
	free(raw);
	atomic_fetch_sub(&live, pad(bytes));
}

ir_status rt_grow(void **p, size_t old, size_t new)
{
	size_t more = pad(new) - pad(old);
	uintptr_t raw, before;
	char *moved, *at;

	IR_ASSERT(new >= old, "%zu bytes cannot become %zu", old, new);
	if (is_faulty() || new > PTRDIFF_MAX - 2 * RT_ALIGN || !reserve(more))
		return IR_ENOMEM;
	memcpy(&raw, (char *)*p - sizeof raw, sizeof raw);
	before = (uintptr_t)*p - raw;
	moved = realloc((void *)raw, pad(new) + RT_ALIGN);
	if (!moved) {
		atomic_fetch_sub(&live, more);
		return IR_ENOMEM;
	}
	at = moved + RT_ALIGN - (uintptr_t)moved % RT_ALIGN;
	memmove(at, moved + (size_t)before, old); /* nowhere, if its place in the line is what it was */
	memcpy(at - sizeof moved, &moved, sizeof moved);
	*p = at;
	return IR_OK;
}

ir_status rt_tensor_alloc(rt_tensor *t, ir_type type)
{
	t->type = type;
	return rt_alloc(ir_type_bytes(&type), &t->data);
}

void rt_tensor_free(rt_tensor *t)
{
	if (t->data)
		rt_free(t->data, ir_type_bytes(&t->type));
	t->data = NULL;
}

double rt_load(ir_dtype t, const void *data, int64_t i)
{
	switch (t) {
	case IR_F32:
		return ((const float *)data)[i];
	case IR_F64:
		return ((const double *)data)[i];
	case IR_I32:
		return ((const int32_t *)data)[i];
	case IR_U8:
	case IR_BOOL:
		return ((const uint8_t *)data)[i];
	case IR_DTYPE_COUNT:
		break;
	}
	ir_bug("no element type %d", (int)t);
}

static double clamp(double v, double lo, double hi)
{
	return isnan(v) ? 0 : v < lo ? lo : v > hi ? hi : v;
}

void rt_store(ir_dtype t, void *data, int64_t i, double v)
{
	switch (t) {
	case IR_F32:
		((float *)data)[i] = (float)v;
		return;
	case IR_F64:
		((double *)data)[i] = v;
		return;
	case IR_I32:
		((int32_t *)data)[i] = (int32_t)clamp(v, INT32_MIN, INT32_MAX);
		return;
	case IR_U8:
		((uint8_t *)data)[i] = (uint8_t)clamp(v, 0, UINT8_MAX);
		return;
	case IR_BOOL:
		((uint8_t *)data)[i] = v != 0;
		return;
	case IR_DTYPE_COUNT:
		break;
	}
	ir_bug("no element type %d", (int)t);
}
