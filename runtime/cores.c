/* SPDX-License-Identifier: Apache-2.0
 * runtime/cores.c -- what the machine gives this process: processors, memory and a clock.
 * A container often sees all processors but may use only a part of their time; threads beyond that part are put
 * to sleep in the middle of a step while the others spin at the barrier, so the cgroup's quota counts too. It sees all
 * memory as well, and a process that takes more than its part is killed without a word. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <math.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>
#include "runtime/cgroup.h"
#include "runtime/rt.h"

#define MOUNT "/sys/fs/cgroup"
#define SELF "/proc/self/cgroup"

static int count_affinity(void)
{
	for (int n = 1024; n <= 1 << 20; n *= 2) {
		cpu_set_t *set = CPU_ALLOC((size_t)n);
		size_t size = CPU_ALLOC_SIZE((size_t)n);
		int cores = set && !sched_getaffinity(0, size, set) ? CPU_COUNT_S(size, set) : 0;

		CPU_FREE(set);
		if (cores > 0)
			return cores;
	}
	return 1;
}

int rt_cores(void)
{
	int cores = count_affinity();
	double quota = rt_cgroup_cores(MOUNT, SELF);

	if (quota < cores)
		cores = (int)quota; /* rounded down: half a processor would only make the others wait */
	return cores < 1 ? 1 : cores;
}

double rt_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

size_t rt_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	double all = pages > 0 && size > 0 ? (double)pages * (double)size : 0;

	return (size_t)fmin(all, rt_cgroup_memory(MOUNT, SELF));
}
