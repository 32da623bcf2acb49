/* SPDX-License-Identifier: Apache-2.0
 * runtime/aot/aot.c -- the part of the runtime that exported objects carry: one translation unit, compiled to LLVM bitcode when
 * gradmill is built (CMakeLists.txt) and linked with a plan and its kernels when a model is exported. It is the same code that
 * runs plans in this process, so the results are the same to the bit.
 *
 * It may need memcpy, sched_yield, libm for random numbers, and, on more than one thread, OpenMP by the names that GCC's
 * runtime and LLVM's both have. What an object does not use is dropped from it (compiler/llvm/export.c). */
#include <limits.h>
#include "runtime/pace.c"
#include "runtime/team.c"
#include "runtime/kernels.c"
#include "runtime/rng.c"

extern void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);

/* What the rest refers to and nothing here reaches: bindings are complete, nothing is measured. */
void ir_bug(const char *fmt, ...)
{
	(void)fmt;
	__builtin_trap();
}

double rt_seconds(void)
{
	return 0;
}

static rt_exec *enter(const rt_plan *p, void *const *leaf, void *const *output, char *work)
{
	rt_exec *e;

	memset(work, 0, rt_team_bytes(p));
	e = rt_team_place(p, work, work + rt_padded(rt_team_bytes(p)));
	e->cores = INT_MAX;
	for (size_t i = 0; i < p->nleaf; i++)
		e->leaf[i].data = leaf[i];
	for (size_t i = 0; i < p->noutput; i++)
		e->output[i].data = output[i];
	rt_team_resolve(e);
	return e;
}

void rt_aot_run(const rt_plan *p, void *const *leaf, void *const *output, void *work)
{
	rt_team_run(enter(p, leaf, output, work), 1, 0, 1);
}

static void member(void *e)
{
	rt_team_run(e, 1, omp_get_thread_num(), omp_get_num_threads());
}

void rt_aot_run_team(const rt_plan *p, void *const *leaf, void *const *output, void *work)
{
	GOMP_parallel(member, enter(p, leaf, output, work), (unsigned)p->threads, 0);
}
