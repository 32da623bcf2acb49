/* SPDX-License-Identifier: Apache-2.0
 * Limits of control groups, from folders made here: both versions, limits at every height of the tree, groups that
 * are not visible, files that say "none". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "runtime/cgroup.h"
#include "runtime/rt.h"

#define NO_V1_LIMIT "9223372036854771712\n" /* what the kernel writes: LONG_MAX in whole pages */

typedef struct fixture {
	char mount[64], self[128];
} fixture;

/* Makes mount/name, and the folders that it needs. */
static void put(const fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", f->mount, name);
	for (char *p = path + strlen(f->mount) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(path, 0777);
	}
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int setup(void **state)
{
	fixture *f = calloc(1, sizeof *f);

	strcpy(f->mount, "/tmp/gradmill_cgroup_XXXXXX");
	assert_non_null(mkdtemp(f->mount));
	snprintf(f->self, sizeof f->self, "%s/self", f->mount);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture *f = *state;
	char command[128];

	snprintf(command, sizeof command, "rm -r %s", f->mount);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void expect(const fixture *f, double cores, double memory)
{
	assert_true(rt_cgroup_cores(f->mount, f->self) == cores);
	assert_true(rt_cgroup_memory(f->mount, f->self) == memory);
}

static void no_groups(void **state)
{
	const fixture *f = *state;

	expect(f, INFINITY, INFINITY); /* no list */
	put(f, "self", "");
	expect(f, INFINITY, INFINITY);
	put(f, "self", "nonsense\n0::/\n7:pids:/a\n");
	expect(f, INFINITY, INFINITY); /* no files */
}

static void version_2(void **state)
{
	const fixture *f = *state;

	put(f, "self", "0::/a/b\n");
	put(f, "a/b/cpu.max", "max 100000\n");
	put(f, "a/b/memory.max", "max\n");
	expect(f, INFINITY, INFINITY);
	put(f, "a/b/cpu.max", "250000 100000\n");
	put(f, "a/b/memory.max", "4096000\n");
	expect(f, 2.5, 4096000);
	put(f, "a/cpu.max", "150000 100000\n"); /* above is tighter */
	put(f, "a/memory.max", "1048576\n");
	expect(f, 1.5, 1048576);
	put(f, "cpu.max", "50000 100000\n"); /* the root of a container's own view has files too */
	put(f, "memory.max", "8192\n");
	expect(f, 0.5, 8192);
	put(f, "memory.high", "4096\n"); /* slows down, kills nobody */
	expect(f, 0.5, 8192);
}

static void version_1(void **state)
{
	const fixture *f = *state;

	put(f, "self", "9:name=systemd:/\n4:memory:/a\n3:cpu,cpuacct:/a/b\n2:cpuset:/c\n");
	put(f, "memory/memory.limit_in_bytes", NO_V1_LIMIT);
	put(f, "memory/a/memory.limit_in_bytes", "1073741824\n");
	put(f, "cpu/a/b/cpu.cfs_quota_us", "-1\n");
	put(f, "cpu/a/b/cpu.cfs_period_us", "100000\n");
	expect(f, INFINITY, 1073741824);
	put(f, "cpu/a/cpu.cfs_quota_us", "300000\n");
	put(f, "cpu/a/cpu.cfs_period_us", "100000\n");
	put(f, "memory.max", "1\n"); /* of no group of ours */
	put(f, "cpu.max", "1 100000\n");
	expect(f, 3, 1073741824);
}

/* The group's name is the host's; what a container sees begins further up. */
static void invisible_group(void **state)
{
	const fixture *f = *state;

	put(f, "self", "4:memory:/host/pod/7\n1:cpu:/host/pod/7\n0::/\n");
	put(f, "memory/memory.limit_in_bytes", "65536\n");
	put(f, "cpu/cpu.cfs_quota_us", "200000\n");
	put(f, "cpu/cpu.cfs_period_us", "100000\n");
	expect(f, 2, 65536);
}

static void this_machine(void **state)
{
	(void)state;
	assert_true(rt_memory() > 1 << 20);
	assert_true((double)rt_memory() <= rt_cgroup_memory("/sys/fs/cgroup", "/proc/self/cgroup"));
}

int main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test_setup_teardown(no_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(version_2, setup, teardown),
		cmocka_unit_test_setup_teardown(version_1, setup, teardown),
		cmocka_unit_test_setup_teardown(invisible_group, setup, teardown),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
