/* SPDX-License-Identifier: Apache-2.0
 * search/watch.c -- what a driver keeps an eye on while workers train: what others wrote into the file (requests to
 * stop, enqueued trials), limits of time and memory. */
#include <stdio.h>
#include <unistd.h>
#include "search/driver_int.h"

ir_status se_driver_look_around(se_driver *v)
{
	ir_status st;
	int n;

	if (!v->store || !v->opened || se_store_full(v->store)) /* what we have written there is not to be seen just now */
		return IR_OK;
	st = se_store_hold(v->store, v->d);
	if (st != IR_OK || !se_store_changed(v->store))
		return st;
	st = se_store_take_stop(v->store, v->study.id, &n, v->d);
	if (st == IR_OK && n) {
		se_driver_stop(n);
		st = se_store_add_event(v->store, v->study.id, n > 1 ? "asked to stop now" : "asked to stop", -1, v->d);
	}
	return st == IR_OK ? se_driver_look_for_strangers(v) : st;
}

/* ---- limits ------------------------------------------------------------------------------------------------------------ */

/* Bytes of memory that are the process's own: data that all workers share do not count. 0: unknown. */
static int64_t own_memory(pid_t pid)
{
	long long size, resident = 0, shared = 0;
	char path[40];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%lld %lld %lld", &size, &resident, &shared) != 3)
		resident = shared = 0;
	fclose(f);
	return (resident - shared) * sysconf(_SC_PAGESIZE);
}

void se_driver_limits(se_driver *v)
{
	double now = rt_seconds();
	char why[64];

	for (size_t i = 0; i < v->pool.n; i++) {
		se_worker *w = &v->pool.worker[i];
		int64_t bytes = 0;

		if (w->state != SE_WORKER_BUSY || w->limit)
			continue;
		if (v->o->trial_time > 0 && (w->number >= 0 || v->final_worker == (int)i) && now - w->since > v->o->trial_time) {
			snprintf(why, sizeof why, SE_CAUSE_TIME "more than %.6g s", v->o->trial_time);
			se_pool_limit(w, why);
			continue;
		}
		if (w->number >= 0 && v->memory > 0)
			bytes = own_memory(w->pid);
		if (v->memory > 0 && bytes > v->memory) {
			snprintf(why, sizeof why, SE_CAUSE_MEMORY "more than %lld MiB", (long long)(v->memory >> 20));
			se_pool_limit(w, why);
		}
	}
}
