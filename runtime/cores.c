/* SPDX-License-Identifier: Apache-2.0
 * runtime/cores.c -- what the machine gives this process: processors and a clock.
 * A container often sees all processors but may use only a part of their time; threads beyond that part are put
 * to sleep in the middle of a step while the others spin at the barrier, so the cgroup's quota counts too. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "runtime/rt.h"

#define CGROUP "/sys/fs/cgroup"

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

/* Reads "A B" (v2, one file) or A and B (v1, two files). False when there is no limit. */
static bool read_quota(const char *path, bool v2, double *cores)
{
	static const char *const v1[] = {"cpu.cfs_quota_us", "cpu.cfs_period_us"};
	char name[4200];
	double v[2] = {-1, -1};

	for (int i = 0; i < (v2 ? 1 : 2); i++) {
		snprintf(name, sizeof name, CGROUP "%s/%s", path, v2 ? "cpu.max" : v1[i]);
		FILE *f = fopen(name, "re");
		if (!f)
			return false;
		int got = v2 ? fscanf(f, "%lf %lf", &v[0], &v[1]) : fscanf(f, "%lf", &v[i]);
		fclose(f);
		if (got != (v2 ? 2 : 1)) /* "max 100000" */
			return false;
	}
	*cores = v[0] / v[1];
	return v[0] > 0 && v[1] > 0;
}

/* The smallest quota on the way from group up to the root. The group's path may be one of outside the container that
 * does not exist inside; its upper parts then still do. */
static double smallest_quota(const char *mount, const char *group, bool v2)
{
	char path[4096];
	double least = 1e9, q;

	if (snprintf(path, sizeof path, "%s%s", mount, group) >= (int)sizeof path)
		return least;
	for (;;) {
		if (read_quota(path, v2, &q) && q < least)
			least = q;
		char *slash = strrchr(path, '/');
		if (!slash || (size_t)(slash - path) < strlen(mount))
			return least;
		*slash = '\0';
	}
}

/* Is "cpu" one of the words of "cpu,cpuacct"? */
static bool has_cpu(char *list)
{
	for (char *save, *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (!strcmp(w, "cpu"))
			return true;
	return false;
}

/* Lines of /proc/self/cgroup: "0::/path" is v2, "4:cpu,cpuacct:/path" is v1. */
static double cgroup_quota(void)
{
	char line[4096];
	double least = 1e9;
	FILE *f = fopen("/proc/self/cgroup", "re");

	while (f && fgets(line, sizeof line, f)) {
		char *kind = strchr(line, ':'), *path = kind ? strchr(kind + 1, ':') : NULL;

		if (!path)
			continue;
		*kind++ = *path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		bool v2 = !*kind;
		if (!v2 && !has_cpu(kind))
			continue;
		double q = smallest_quota(v2 ? "" : "/cpu", path, v2);
		least = q < least ? q : least;
	}
	if (f)
		fclose(f);
	return least;
}

int rt_cores(void)
{
	int cores = count_affinity();
	double quota = cgroup_quota();

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

	return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : 0;
}
