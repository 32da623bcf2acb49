/* SPDX-License-Identifier: Apache-2.0
 * runtime/par.c -- execs: the memory of a running plan, what is bound to it, its threads. How threads then walk the plan is in
 * team.c. Decides nothing about who does what; that is in the plan, so a result cannot depend on this file's timing. The only
 * file that knows OpenMP. Memory of a run: the arena (budgeted), small tables, and small fixed places for leaves and outputs
 * that move every step. */
#include <omp.h>
#include <stdlib.h>
#include "runtime/team.h"

/* ---- making and binding ------------------------------------------------------------------------------ */

ir_status rt_exec_new(const rt_plan *p, rt_exec **out)
{
	void *arena, *raw;

	*out = NULL;
	IR_ASSERT(p->threads >= 1, "a plan for no thread");
	ir_status s = rt_alloc_arena(p->arena_bytes, &arena);
	if (s != IR_OK)
		return s;
	s = rt_alloc(rt_team_bytes(p), &raw); /* for its alignment; zeros */
	if (s != IR_OK) {
		rt_free_arena(arena, p->arena_bytes);
		return s;
	}
	rt_exec *e = rt_team_place(p, raw, arena);
	e->cores = rt_cores(); /* reads files, so not at every run */
	e->team = p->threads;
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
	rt_exec_measure(e, false);
	rt_free_arena(e->arena, e->plan->arena_bytes);
	rt_free(e, rt_team_bytes(e->plan));
}

/* Small memory (ir_xmalloc): what moves are index rows, scalars and losses, never weights, and binding
 * cannot fail. Padded like a tensor, because kernels may read to the end of the last vector. */
static void bind(rt_exec *e, rt_bound *t, size_t bytes, void *data, size_t stride)
{
	t->data = data;
	t->stride = stride;
	e->stale = true;
	if (!stride || t->raw)
		return;
	t->raw = ir_xmalloc(rt_padded(bytes) + 2 * RT_ALIGN, 1);
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
	sum->steps = e->profile[0].steps, sum->team = e->profile[0].team, sum->wait = 0, sum->wall = 0, sum->panels = 0;
	for (int t = 0; t < n; t++)
		sum->wait += e->profile[t].wait, sum->panels += e->profile[t].panels, sum->wall += e->profile[t].wall / (sum->team ? sum->team : 1);
	for (size_t i = 0; i < e->plan->nlaunch; i++) {
		sum->busy[i] = 0, sum->items[i] = 0;
		for (int t = 0; t < n; t++)
			sum->busy[i] += e->profile[t].busy[i], sum->items[i] += e->profile[t].items[i];
	}
	return sum;
}

/* ---- running ----------------------------------------------------------------------------------------- */

void rt_exec_team(rt_exec *e, int threads)
{
	threads = threads < 1 ? 1 : threads < e->plan->threads ? threads : e->plan->threads;
	if (threads != e->team)
		e->pace = (rt_pace){0};
	e->team = threads;
}

void rt_run(rt_exec *e, size_t steps)
{
	int threads = e->team;

	rt_team_resolve(e);
	if (!steps)
		return;
	e->paced = !e->profile; /* a profile is the team's */
	if (threads == 1) {
		rt_team_run(e, steps, 0, 1);
		return;
	}
#pragma omp parallel num_threads(threads)
	rt_team_run(e, steps, omp_get_thread_num(), omp_get_num_threads());
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
