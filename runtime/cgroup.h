/* SPDX-License-Identifier: Apache-2.0
 * runtime/cgroup.h -- limits of this process's control groups, for rt_cores and rt_memory only.
 * mount: where the groups are, "/sys/fs/cgroup"; self: the list of ours, "/proc/self/cgroup". Tests pass a folder of
 * their own. Each function returns the smallest limit on the way from our group up to the root; INFINITY: none. */
#ifndef RUNTIME_CGROUP_H
#define RUNTIME_CGROUP_H

double rt_cgroup_cores(const char *mount, const char *self);  /* processors' worth of time, 1.5 for one and a half */
double rt_cgroup_memory(const char *mount, const char *self); /* bytes */

#endif
