/* SPDX-License-Identifier: Apache-2.0
 * runtime/par.c -- the thread team: walks a plan's schedule inside one parallel region for many steps.
 * Decides nothing about who does what; that is in the plan, so a result cannot depend on this file's timing.
 * The only file that knows OpenMP. Memory of a run: the arena (budgeted), the table of resolved pointers, and
 * small fixed places for leaves and outputs that move every step. */
#include <omp.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/rt.h"

#define LINE 64

/* See Note [Barrier]. Each counter has a cache line of its own. */
typedef struct barrier {
	_Alignas(LINE) atomic_uint arrived;
	_Alignas(LINE) atomic_uint phase;
	_Alignas(LINE) unsigned team;
	unsigned spins;
} barrier;

/* What a leaf or output is bound to. A moving one is copied through fixed, whose address the kernels know. */
typedef struct port {
	char *data;
	size_t stride;
	void *raw, *fixed; /* fixed: raw, aligned; made on first need, kept */
} port;

struct rt_exec {
	barrier bar;
	const rt_plan *plan;
	char *arena;
	port *leaf, *output;
	void **ptr;       /* all launches' operands, one after the other */
	size_t *first;    /* where those of launch i begin */
	uint32_t *part;   /* [thread][0..nsegment]: items between two barriers */
	size_t nsegment;  /* barriers of a step + 1 */
	int cores;
	bool stale, moving;
	rt_profile *profile; /* per thread of the plan, then their sum; NULL: nothing is measured */
};

/* ---- making and binding ------------------------------------------------------------------------------ */

static void count_segments(rt_exec *e)
{
	const rt_plan *p = e->plan;
	size_t n = 1;

	for (uint32_t i = p->start[0]; i < p->start[1]; i++)
		n += p->work[i].barrier != 0;
	e->nsegment = n;
	e->part = ir_xmalloc((size_t)p->threads * (n + 1), sizeof *e->part);
	for (int t = 0; t < p->threads; t++) {
		uint32_t *part = e->part + (size_t)t * (n + 1);
		size_t s = 0;

		part[0] = p->start[t];
		for (uint32_t i = p->start[t]; i < p->start[t + 1]; i++) {
			if (!p->work[i].barrier)
				continue;
			s++;
			IR_ASSERT(s < n, "thread %d meets more barriers than thread 0", t);
			part[s] = i;
		}
		IR_ASSERT(s == n - 1, "thread %d meets %zu barriers, thread 0 %zu", t, s, n - 1);
		part[n] = p->start[t + 1];
	}
}

static void count_slots(rt_exec *e)
{
	const rt_plan *p = e->plan;
	size_t n = 0;

	e->first = ir_xmalloc(p->nlaunch + 1, sizeof *e->first);
	for (size_t i = 0; i < p->nlaunch; i++) {
		e->first[i] = n;
		n += p->launch[i].nslot;
	}
	e->ptr = ir_xmalloc(n + 1, sizeof *e->ptr);
}

ir_status rt_exec_new(const rt_plan *p, rt_exec **out)
{
	void *arena, *raw;

	*out = NULL;
	IR_ASSERT(p->threads >= 1, "a plan for no thread");
	ir_status s = rt_alloc(p->arena_bytes, &arena);
	if (s != IR_OK)
		return s;
	s = rt_alloc(sizeof(rt_exec), &raw); /* for its alignment */
	if (s != IR_OK) {
		rt_free(arena, p->arena_bytes);
		return s;
	}
	rt_exec *e = raw;
	e->plan = p;
	e->arena = arena;
	e->leaf = ir_xmalloc(p->nleaf + 1, sizeof *e->leaf);
	e->output = ir_xmalloc(p->noutput + 1, sizeof *e->output);
	e->cores = rt_cores(); /* reads files, so not at every run */
	e->stale = true;
	count_segments(e);
	count_slots(e);
	*out = e;
	return IR_OK;
}

void rt_exec_free(rt_exec *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->plan->nleaf; i++)
		free(e->leaf[i].raw);
	for (size_t i = 0; i < e->plan->noutput; i++)
		free(e->output[i].raw);
	free(e->leaf);
	free(e->output);
	free(e->part);
	free(e->first);
	free(e->ptr);
	rt_exec_measure(e, false);
	rt_free(e->arena, e->plan->arena_bytes);
	rt_free(e, sizeof *e);
}

/* Small memory (ir_xmalloc): what moves are index rows, scalars and losses, never weights, and binding
 * cannot fail. Padded like a tensor, because kernels may read to the end of the last vector. */
static void bind(rt_exec *e, port *t, size_t bytes, void *data, size_t stride)
{
	t->data = data;
	t->stride = stride;
	e->stale = true;
	if (!stride || t->raw)
		return;
	t->raw = ir_xmalloc((bytes + RT_ALIGN - 1) / RT_ALIGN + 2, RT_ALIGN);
	t->fixed = (char *)t->raw + (RT_ALIGN - (uintptr_t)t->raw % RT_ALIGN) % RT_ALIGN;
}

void rt_bind_leaf(rt_exec *e, size_t i, void *data, size_t stride)
{
	IR_ASSERT(i < e->plan->nleaf, "no leaf %zu", i);
	IR_ASSERT(!stride || !e->plan->leaf[i].panels, "leaf %zu lives in panels and cannot move", i);
	bind(e, &e->leaf[i], e->plan->leaf[i].bytes, data, stride);
}

void rt_bind_output(rt_exec *e, size_t i, void *data, size_t stride)
{
	IR_ASSERT(i < e->plan->noutput, "no output %zu", i);
	bind(e, &e->output[i], e->plan->output[i].bytes, data, stride);
}

static char *port_base(const port *t, const char *what, const char *name)
{
	IR_ASSERT(t->data, "%s '%s' is not bound", what, name);
	return t->stride ? t->fixed : t->data;
}

static void *resolve(const rt_exec *e, const rt_slot *s)
{
	const rt_plan *p = e->plan;
	char *base = NULL;

	switch (s->kind) {
	case RT_SLOT_ARENA:
		base = e->arena;
		break;
	case RT_SLOT_LEAF:
		base = port_base(&e->leaf[s->index], "leaf", p->leaf[s->index].name);
		break;
	case RT_SLOT_OUTPUT:
		base = port_base(&e->output[s->index], "output", p->output[s->index].name);
		break;
	case RT_SLOT_CODE:
		return (void *)(uintptr_t)s->code;
	}
	return base + s->offset;
}

static bool is_moving(const port *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].stride)
			return true;
	return false;
}

static void resolve_all(rt_exec *e)
{
	const rt_plan *p = e->plan;

	if (!e->stale)
		return;
	for (size_t i = 0; i < p->nleaf; i++)
		if (p->leaf[i].panels) /* no slot names it, but every run copies it */
			port_base(&e->leaf[i], "leaf", p->leaf[i].name);
	for (size_t i = 0; i < p->nlaunch; i++)
		for (uint32_t k = 0; k < p->launch[i].nslot; k++)
			e->ptr[e->first[i] + k] = resolve(e, &p->launch[i].slot[k]);
	e->moving = is_moving(e->leaf, p->nleaf) || is_moving(e->output, p->noutput);
	e->stale = false;
}

/* ---- measuring ---------------------------------------------------------------------------------------- */

static void profile_fini(rt_profile *p)
{
	free(p->busy);
	free(p->items);
}

static void profile_init(rt_profile *p, size_t launches)
{
	*p = (rt_profile){.busy = ir_xmalloc(launches + 1, sizeof *p->busy), .items = ir_xmalloc(launches + 1, sizeof *p->items)};
}

void rt_exec_measure(rt_exec *e, bool on)
{
	int n = e->plan->threads + 1; /* one per thread of the plan, and their sum behind them */

	for (int t = 0; e->profile && t < n; t++)
		profile_fini(&e->profile[t]);
	free(e->profile);
	e->profile = on ? ir_xmalloc((size_t)n, sizeof *e->profile) : NULL;
	for (int t = 0; on && t < n; t++)
		profile_init(&e->profile[t], e->plan->nlaunch);
}

const rt_profile *rt_exec_profile(rt_exec *e)
{
	int n = e->plan->threads;
	rt_profile *sum;

	if (!e->profile)
		return NULL;
	sum = &e->profile[n];
	sum->wall = e->profile[0].wall, sum->steps = e->profile[0].steps, sum->team = (int)e->bar.team, sum->wait = 0;
	for (int t = 0; t < n; t++)
		sum->wait += e->profile[t].wait;
	for (size_t i = 0; i < e->plan->nlaunch; i++) {
		sum->busy[i] = 0, sum->items[i] = 0;
		for (int t = 0; t < n; t++)
			sum->busy[i] += e->profile[t].busy[i], sum->items[i] += e->profile[t].items[i];
	}
	return sum;
}

/* ---- running ----------------------------------------------------------------------------------------- */

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* See Note [Barrier]. */
static void barrier_wait(barrier *b)
{
	unsigned phase = atomic_load_explicit(&b->phase, memory_order_relaxed);

	if (b->team == 1)
		return;
	if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) == b->team - 1) {
		atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&b->phase, phase + 1, memory_order_release);
		return;
	}
	for (unsigned i = 0; atomic_load_explicit(&b->phase, memory_order_acquire) == phase; i++) {
		if (i < b->spins)
			pause_cpu();
		else
			sched_yield();
	}
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Denormal operands and results count as zero on this thread from here on; returns what to restore. See Note [Denormals]. */
static unsigned enter_flush_to_zero(void)
{
#if defined(__SSE2__)
	unsigned old = _mm_getcsr();

	_mm_setcsr(old | 0x8040); /* FTZ and DAZ */
	return old;
#else
	return 0;
#endif
}

static void leave_flush_to_zero(unsigned old)
{
#if defined(__SSE2__)
	_mm_setcsr(old);
#else
	(void)old;
#endif
}

/* Blocks [lo, hi) of the launch's grid in as few calls as possible: whole lines of blocks at once, else what lies in one line.
 * A line is a row of blocks, or a column. Any rectangle gives the same bits (abi.h). */
static void run_blocks(const rt_launch *l, void *const *ptr, int64_t lo, int64_t hi)
{
	int64_t nrow = (l->rows + l->row_block - 1) / l->row_block, ncol = (l->cols + l->col_block - 1) / l->col_block;
	int64_t length = l->down ? nrow : ncol;

	for (int64_t b = lo; b < hi;) {
		int64_t line = b / length, from = b % length;
		int64_t lines = from ? 0 : (hi - b) / length; /* whole ones from here */
		int64_t end = lines ? b + lines * length : min64(hi, (line + 1) * length);
		int64_t to = lines ? length : end - line * length, last = line + (lines ? lines : 1);
		int64_t r0 = l->down ? from : line, r1 = l->down ? to : last;
		int64_t c0 = l->down ? line : from, c1 = l->down ? last : to;

		l->fn(ptr, l->arg, r0 * l->row_block, min64(r1 * l->row_block, l->rows),
		      c0 * l->col_block, min64(c1 * l->col_block, l->cols));
		b = end;
	}
}

static void run_item(const rt_exec *e, const rt_work *w)
{
	run_blocks(&e->plan->launch[w->launch], e->ptr + e->first[w->launch], w->lo, w->hi);
}

/* What virtual thread t does between barrier s and the next. */
static void run_segment(const rt_exec *e, int t, size_t s)
{
	const uint32_t *part = e->part + (size_t)t * (e->nsegment + 1) + s;
	const rt_work *w = e->plan->work;
	rt_profile *f = e->profile ? &e->profile[t] : NULL;

	for (uint32_t i = part[0]; !f && i < part[1]; i++)
		run_item(e, &w[i]);
	for (uint32_t i = part[0]; f && i < part[1]; i++) {
		double t0 = rt_seconds();

		run_item(e, &w[i]);
		f->busy[w[i].launch] += rt_seconds() - t0;
		f->items[w[i].launch] += w[i].hi > w[i].lo;
	}
}

static void meet(rt_exec *e, int me)
{
	double t0 = e->profile ? rt_seconds() : 0;

	barrier_wait(&e->bar);
	if (e->profile)
		e->profile[me].wait += rt_seconds() - t0;
}

static void stage_in(const rt_exec *e, size_t step)
{
	for (size_t i = 0; i < e->plan->nleaf; i++) {
		const port *t = &e->leaf[i];

		if (t->stride)
			memcpy(t->fixed, t->data + step * t->stride, e->plan->leaf[i].bytes);
	}
}

static void stage_out(const rt_exec *e, size_t step)
{
	for (size_t i = 0; i < e->plan->noutput; i++) {
		const port *t = &e->output[i];

		if (t->stride)
			memcpy(t->data + step * t->stride, t->fixed, e->plan->output[i].bytes);
	}
}

/* Thread me's part of a leaf's panels, into the arena or back: about the panels that its shares of launches touch. */
static void copy_panels(const rt_exec *e, size_t leaf, int me, int team, bool in)
{
	const rt_port *p = &e->plan->leaf[leaf];
	size_t item = p->bytes / (size_t)(p->rows * p->cols), row = (size_t)p->cols * item;
	int64_t panels = (p->cols + RT_PANEL - 1) / RT_PANEL;

	for (int64_t n = panels * me / team; n < panels * (me + 1) / team; n++) {
		char *panel = e->arena + p->place + (size_t)(n * p->rows * RT_PANEL) * item;
		char *rows = e->leaf[leaf].data + (size_t)n * RT_PANEL * item;
		size_t width = (size_t)min64(RT_PANEL, p->cols - n * RT_PANEL) * item;

		for (int64_t r = 0; r < p->rows; r++) {
			char *a = panel + (size_t)r * RT_PANEL * item, *b = rows + (size_t)r * row;

			memcpy(in ? a : b, in ? b : a, width);
		}
	}
}

/* The first and last act of a run. */
static void move_panels(rt_exec *e, int me, int team, bool in)
{
	bool any = false;

	for (size_t i = 0; i < e->plan->nleaf; i++)
		if (e->plan->leaf[i].panels && (in || e->plan->leaf[i].written)) {
			copy_panels(e, i, me, team, in);
			any = true;
		}
	if (any && in)
		barrier_wait(&e->bar);
}

/* Real thread me of team plays the plan's threads me, me + team, ..: one, unless OpenMP gave us fewer than asked.
 * Then it plays their parts up to a barrier one after the other, and only then waits. */
static void run_thread(rt_exec *e, size_t steps, int me, int team)
{
	unsigned old = enter_flush_to_zero();
	double t0;

	move_panels(e, me, team, true);
	t0 = e->profile ? rt_seconds() : 0;
	for (size_t step = 0; step < steps; step++) {
		if (e->moving) {
			if (me == 0)
				stage_in(e, step);
			meet(e, me);
		}
		for (size_t s = 0; s < e->nsegment; s++) {
			if (s)
				meet(e, me);
			for (int t = me; t < e->plan->threads; t += team)
				run_segment(e, t, s);
		}
		meet(e, me);
		if (e->moving && me == 0)
			stage_out(e, step);
	}
	if (e->profile)
		e->profile[me].wall += rt_seconds() - t0, e->profile[me].steps += steps;
	move_panels(e, me, team, false);
	leave_flush_to_zero(old);
}

/* One thread's life in the region. The team's true size is known only inside. */
static void join_team(rt_exec *e, size_t steps)
{
	int me = omp_get_thread_num(), team = omp_get_num_threads();

#pragma omp single
	{
		e->bar.team = (unsigned)team;
		e->bar.spins = team <= e->cores ? 4000 : 0;
	} /* and all wait here until it is done */
	run_thread(e, steps, me, team);
}

void rt_run(rt_exec *e, size_t steps)
{
	int threads = e->plan->threads;

	resolve_all(e);
	if (!steps)
		return;
	if (threads == 1) {
		e->bar.team = 1;
		run_thread(e, steps, 0, 1);
		return;
	}
#pragma omp parallel num_threads(threads)
	join_team(e, steps);
}

void rt_parallel(int threads, size_t n, void (*fn)(void *ctx, size_t i), void *ctx)
{
	if (threads <= 1 || n <= 1) {
		for (size_t i = 0; i < n; i++)
			fn(ctx, i);
		return;
	}
#pragma omp parallel for schedule(static) num_threads(threads)
	for (size_t i = 0; i < n; i++)
		fn(ctx, i);
}

/* Note [Barrier]
 *
 * A step of a small model is tens of kernels of some microseconds; the runtime library's barrier goes through
 * its own task queues and may put threads to sleep. Ours is one counter and one phase: the last to arrive resets
 * the counter and moves the phase, the others spin on the phase, which nobody writes meanwhile. A thread reads
 * the phase before it counts itself in, so the phase cannot move in between, and a counter of phases needs no
 * private sense and survives any number of rounds.
 *
 * Spinning alone would live-lock in slow motion when there are fewer processors than threads: the one that all wait
 * for cannot run until the spinners' time slices end. So after some thousand pauses (about 0.1 ms, far longer
 * than a balanced step waits) a waiter gives its slice away, and a team larger than the processors does so at once. */

/* Note [Denormals]
 *
 * The gradient of a weight behind a dead relu or a pixel that is always black is exactly zero, and then Adam's first moment
 * decays by 0.9 a step: after some 700 steps it is denormal, and stays so for another 150 until it rounds to itself at the
 * bottom of the range. On processors that handle denormals by microcode (Intel's, about 150 cycles each) a step became three to
 * four times slower from then on: deep128 26 ms instead of 8 on a Sapphire Rapids core; a Zen 4 shows nothing. What is lost by
 * flushing is below 1e-38; XLA runs its CPU code the same way. Every thread of every run does it, so results still do not depend
 * on threads. The interpreter keeps denormals: tests allow for 2^-126. */
