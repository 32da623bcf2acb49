/* SPDX-License-Identifier: Apache-2.0
 * runtime/team.c -- how threads walk a plan: blocks, barriers, what moves from step to step, panels. No memory is allocated and no
 * thread is started here, so that exported objects can carry this file (aot.c). */
#include <sched.h>
#include <string.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#include "runtime/team.h"

/* ---- tables and addresses ------------------------------------------------------------------------------ */

static size_t count_segments(const rt_plan *p)
{
	size_t n = 1;

	for (uint32_t i = p->start[0]; i < p->start[1]; i++)
		n += p->work[i].barrier != 0;
	return n;
}

static size_t count_slots(const rt_plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nlaunch; i++)
		n += p->launch[i].nslot;
	return n;
}

/* The next n items of size bytes each; the parts of an exec stand one behind the other, largest alignment first. */
static void *take(char **at, size_t n, size_t size)
{
	void *here = *at;

	*at += n * size;
	return here;
}

/* Sets the tables' addresses from where e stands; returns the end. */
static char *lay_out(rt_exec *e, const rt_plan *p, size_t segments)
{
	char *at = (char *)(e + 1);

	e->leaf = take(&at, p->nleaf, sizeof *e->leaf);
	e->output = take(&at, p->noutput, sizeof *e->output);
	e->ptr = take(&at, count_slots(p), sizeof *e->ptr);
	e->first = take(&at, p->nlaunch + 1, sizeof *e->first);
	e->solo = take(&at, p->threads > 1 ? p->start[p->threads] : 0, sizeof *e->solo);
	e->part = take(&at, (size_t)p->threads * (segments + 1), sizeof *e->part);
	return at;
}

size_t rt_team_bytes(const rt_plan *p)
{
	rt_exec e;

	return (size_t)(lay_out(&e, p, count_segments(p)) - (char *)&e);
}

size_t rt_aot_bytes(const rt_plan *p)
{
	return rt_padded(rt_team_bytes(p)) + p->arena_bytes;
}

static void fill_parts(rt_exec *e)
{
	const rt_plan *p = e->plan;
	size_t n = e->nsegment;

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

/* Behind the items that are there from `first` on: w, joined to one of the same launch that ends where w begins. */
static void add_solo(rt_exec *e, size_t first, const rt_work *w)
{
	for (size_t i = first; i < e->nsolo; i++)
		if (e->solo[i].launch == w->launch && e->solo[i].hi == w->lo) {
			e->solo[i].hi = w->hi;
			return;
		}
	if (w->lo < w->hi)
		e->solo[e->nsolo++] = (rt_work){w->launch, 0, w->lo, w->hi};
}

/* Between two barriers the items of different threads may be done in any order. */
static void fill_solo(rt_exec *e)
{
	const rt_plan *p = e->plan;

	for (size_t s = 0; s < e->nsegment; s++) {
		size_t first = e->nsolo;

		for (int t = 0; t < p->threads; t++) {
			const uint32_t *part = e->part + (size_t)t * (e->nsegment + 1) + s;

			for (uint32_t i = part[0]; i < part[1]; i++)
				add_solo(e, first, &p->work[i]);
		}
	}
}

rt_exec *rt_team_place(const rt_plan *p, void *memory, void *arena)
{
	rt_exec *e = memory;

	e->plan = p;
	e->arena = arena;
	e->nsegment = count_segments(p);
	e->stale = true;
	lay_out(e, p, e->nsegment);
	e->first[0] = 0;
	for (size_t i = 0; i < p->nlaunch; i++)
		e->first[i + 1] = e->first[i] + p->launch[i].nslot;
	fill_parts(e);
	if (p->threads > 1)
		fill_solo(e);
	return e;
}

static char *port_base(const rt_bound *t, const char *what, const char *name)
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

static bool is_moving(const rt_bound *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].stride)
			return true;
	return false;
}

void rt_team_resolve(rt_exec *e)
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
static void barrier_wait(rt_exec *e, int team)
{
	rt_barrier *b = &e->bar;
	unsigned phase = atomic_load_explicit(&b->phase, memory_order_relaxed), spins = team <= e->cores ? 4000 : 0;

	if (team == 1)
		return;
	if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) == (unsigned)team - 1) {
		atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&b->phase, phase + 1, memory_order_release);
		return;
	}
	for (unsigned i = 0; atomic_load_explicit(&b->phase, memory_order_acquire) == phase; i++) {
		if (i < spins)
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

static void meet(rt_exec *e, int me, int team)
{
	double t0 = e->profile ? rt_seconds() : 0;

	barrier_wait(e, team);
	if (e->profile)
		e->profile[me].wait += rt_seconds() - t0;
}

static void stage_in(const rt_exec *e, size_t step)
{
	for (size_t i = 0; i < e->plan->nleaf; i++) {
		const rt_bound *t = &e->leaf[i];

		if (t->stride)
			memcpy(t->fixed, t->data + step * t->stride, e->plan->leaf[i].bytes);
	}
}

static void stage_out(const rt_exec *e, size_t step)
{
	for (size_t i = 0; i < e->plan->noutput; i++) {
		const rt_bound *t = &e->output[i];

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
		barrier_wait(e, team);
}

static void move_timed(rt_exec *e, int me, int team, bool in)
{
	double t0 = e->profile ? rt_seconds() : 0;

	move_panels(e, me, team, in);
	if (e->profile)
		e->profile[me].panels += rt_seconds() - t0;
}

/* Real thread me of team plays the plan's threads me, me + team, ..: one, unless OpenMP gave us fewer than asked. Then it plays
 * their parts up to a barrier one after the other, and only then waits. */
static void play_parts(rt_exec *e, int me, int team)
{
	for (size_t s = 0; s < e->nsegment; s++) {
		if (s)
			meet(e, me, team);
		for (int t = me; t < e->plan->threads; t += team)
			run_segment(e, t, s);
	}
	meet(e, me, team);
}

/* One that plays them all has nobody to wait for, and packs no operand twice. */
static void play_all(rt_exec *e)
{
	for (size_t i = 0; i < e->nsolo; i++)
		run_item(e, &e->solo[i]);
}

static void run_step(rt_exec *e, size_t step, int me, int team)
{
	if (e->moving) {
		if (me == 0)
			stage_in(e, step);
		meet(e, me, team);
	}
	if (team == 1 && e->nsolo && !e->profile)
		play_all(e);
	else
		play_parts(e, me, team);
	if (e->moving && me == 0)
		stage_out(e, step);
}

/* Round by round, see Note [Pace]. Who has nothing to do in a round waits at its end, but first all must have read whose it is:
 * steps alone have no barrier behind which thread 0 may write what it thinks of the next one. */
static void run_rounds(rt_exec *e, size_t steps, int me, int team)
{
	for (size_t step = 0, n; step < steps; step += n) {
		double t0;
		bool alone;

		n = steps - step < RT_PACE_ROUND ? steps - step : RT_PACE_ROUND;
		alone = rt_pace_alone(&e->pace, n);
		if (alone)
			meet(e, me, team);
		t0 = me == 0 ? rt_seconds() : 0;
		for (size_t i = 0; i < n && (!alone || me == 0); i++)
			run_step(e, step + i, me, alone ? 1 : team);
		if (me == 0)
			rt_pace_tell(&e->pace, e->nsegment, n, rt_seconds() - t0);
		meet(e, me, team);
	}
}

static void run_steps(rt_exec *e, size_t steps, int me, int team)
{
	if (e->paced && team > 1)
		run_rounds(e, steps, me, team);
	else
		for (size_t step = 0; step < steps; step++)
			run_step(e, step, me, team);
}

void rt_team_run(rt_exec *e, size_t steps, int me, int team)
{
	unsigned old = enter_flush_to_zero();
	double t0 = e->profile ? rt_seconds() : 0;

	move_timed(e, me, team, true);
	run_steps(e, steps, me, team);
	move_timed(e, me, team, false);
	if (e->profile)
		e->profile[me].wall += rt_seconds() - t0, e->profile[me].steps += steps, e->profile[me].team = team;
	leave_flush_to_zero(old);
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
