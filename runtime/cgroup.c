/* SPDX-License-Identifier: Apache-2.0
 * runtime/cgroup.c -- see cgroup.h. Version 2 has one tree of groups, version 1 one per controller, and a machine may
 * have both. A limit binds all groups below it, so every group on the way up to the root has a say. */
#include "runtime/cgroup.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct limit {
	const char *controller; /* its name in version 1: of the folder, and in the list of our groups */
	bool (*read)(const char *group, bool v2, double *out); /* group: its folder. False: this one sets no limit */
} limit;

/* The first n numbers of group/file. False when there are fewer, as in "max 100000". */
static bool read_numbers(const char *group, const char *file, double *v, int n)
{
	char name[4200];
	FILE *f;
	int got = 0;

	snprintf(name, sizeof name, "%s/%s", group, file);
	f = fopen(name, "re");
	if (!f)
		return false;
	while (got < n && fscanf(f, "%lf", &v[got]) == 1)
		got++;
	fclose(f);
	return got == n;
}

static bool read_cores(const char *group, bool v2, double *out)
{
	double v[2];
	bool ok = v2 ? read_numbers(group, "cpu.max", v, 2)
		: read_numbers(group, "cpu.cfs_quota_us", v, 1) && read_numbers(group, "cpu.cfs_period_us", v + 1, 1);

	*out = ok ? v[0] / v[1] : 0;
	return ok && v[0] > 0 && v[1] > 0; /* version 1 says "none" as a quota of -1 */
}

/* Version 1 says "none" as a number larger than any memory. */
static bool read_memory(const char *group, bool v2, double *out)
{
	return read_numbers(group, v2 ? "memory.max" : "memory.limit_in_bytes", out, 1) && *out > 0;
}

/* The group's path may be one of outside the container that does not exist inside; its upper parts then still do. */
static double smallest_above(const limit *l, const char *tree, const char *group, bool v2)
{
	char path[4096];
	double least = INFINITY, v;

	if (snprintf(path, sizeof path, "%s%s", tree, group) >= (int)sizeof path)
		return least;
	for (;;) {
		char *slash;

		if (l->read(path, v2, &v) && v < least)
			least = v;
		slash = strrchr(path, '/');
		if (!slash || (size_t)(slash - path) < strlen(tree))
			return least;
		*slash = '\0';
	}
}

/* Is "cpu" one of the words of "cpu,cpuacct"? */
static bool has_word(char *list, const char *word)
{
	for (char *save, *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (!strcmp(w, word))
			return true;
	return false;
}

/* Lines of self: "0::/path" is version 2, "4:cpu,cpuacct:/path" is version 1. */
static double smallest(const limit *l, const char *mount, const char *self)
{
	char line[4096], tree[4096];
	double least = INFINITY;
	FILE *f = fopen(self, "re");

	while (f && fgets(line, sizeof line, f)) {
		char *kind = strchr(line, ':'), *path = kind ? strchr(kind + 1, ':') : NULL;
		bool v2;

		if (!path)
			continue;
		*kind++ = *path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		v2 = !*kind;
		if (!v2 && !has_word(kind, l->controller))
			continue;
		snprintf(tree, sizeof tree, "%s%s%s", mount, v2 ? "" : "/", v2 ? "" : l->controller);
		least = fmin(least, smallest_above(l, tree, path, v2));
	}
	if (f)
		fclose(f);
	return least;
}

double rt_cgroup_cores(const char *mount, const char *self)
{
	return smallest(&(limit){"cpu", read_cores}, mount, self);
}

double rt_cgroup_memory(const char *mount, const char *self)
{
	return smallest(&(limit){"memory", read_memory}, mount, self);
}
