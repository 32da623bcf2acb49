/* SPDX-License-Identifier: Apache-2.0
 * runtime/team.h -- an exec from the inside: addresses for a plan, and the threads that walk it. par.c makes execs with the
 * memory and threads of a process; aot.c makes them inside exported objects, which have neither. */
#ifndef RUNTIME_TEAM_H
#define RUNTIME_TEAM_H

#include <stdatomic.h>
#include "runtime/pace.h"
#include "runtime/rt.h"

#define RT_LINE 64

/* See Note [Barrier] in team.c. Each counter has a cache line of its own. */
typedef struct rt_barrier {
	_Alignas(RT_LINE) atomic_uint arrived;
	_Alignas(RT_LINE) atomic_uint phase;
} rt_barrier;

/* What a leaf or output is bound to. A moving one is copied through fixed, whose address the kernels know. */
typedef struct rt_bound {
	char *data;
	size_t stride;
	void *raw, *fixed; /* fixed: raw, aligned; made on first need, kept */
} rt_bound;

struct rt_exec {
	rt_barrier bar;
	const rt_plan *plan;
	char *arena;
	rt_bound *leaf, *output;
	void **ptr;       /* all launches' operands, one after the other */
	size_t *first;    /* where those of launch i begin: nlaunch + 1 */
	uint32_t *part;   /* [thread][0..nsegment]: items between two barriers */
	size_t nsegment;  /* barriers of a step + 1 */
	rt_work *solo;    /* what one thread does that plays all of a plan: their shares of a launch in one piece */
	size_t nsolo;
	int cores;        /* a larger team does not spin at barriers */
	int team;         /* real threads of the next run */
	bool stale, moving;
	bool paced;       /* steps are done in rounds, by the team or by thread 0 alone, as pace says */
	rt_pace pace;     /* thread 0 writes it, at the end of a round, when all have read it */
	rt_profile *profile; /* per thread of the plan, then their sum; NULL: nothing is measured */
};

/* Bytes that an exec for p takes with its tables and without its arena. */
size_t rt_team_bytes(const rt_plan *p);

/* An exec in so many bytes of zeroed memory, aligned to RT_LINE; the arena is the caller's. Nothing is bound yet. */
rt_exec *rt_team_place(const rt_plan *p, void *memory, void *arena);

/* Slots become pointers, if a binding changed. */
void rt_team_resolve(rt_exec *e);

/* The life of real thread me of team: all of them must call this, with the same steps. */
void rt_team_run(rt_exec *e, size_t steps, int me, int team);

#endif
