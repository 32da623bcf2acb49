/* SPDX-License-Identifier: Apache-2.0
 * search/pool.h -- worker processes as seen by the driver: starting, listening, burying. Knows the protocol, nothing of
 * trials or studies. Workers are exec'ed, never forked: LLVM, OpenMP and SQLite all forbid a bare fork. */
#ifndef SEARCH_POOL_H
#define SEARCH_POOL_H

#include <sys/types.h>
#include "ir/base/diag.h"
#include "ir/base/status.h"
#include "search/wire.h"

#define SE_MAX_JOBS 16

typedef enum se_worker_state { SE_WORKER_NONE, SE_WORKER_STARTING, SE_WORKER_IDLE, SE_WORKER_BUSY } se_worker_state;

typedef struct se_worker {
	se_worker_state state;
	pid_t pid;
	se_wire wire;
	int64_t number;      /* what it is busy with; the caller's */
	double since;        /* when that began */
	bool limit;          /* it has struck a limit and is being killed */
	char why[64];        /* which */
	int base, threads;   /* cores that its task was given, and those that it uses now */
	bool changed;        /* they were not the same all the time */
	long oom;            /* the system's count of killings for lack of memory when that began */
	int64_t generation;  /* counts the processes in this place */
} se_worker;

typedef struct se_pool {
	size_t n;
	se_worker worker[SE_MAX_JOBS];
	se_message open; /* the answer to every worker's hello */
	int data;        /* SE_DATA_FD of every worker: from le_share_new; the caller's */
} se_pool;

/* How a worker died. external: killed by a signal that nobody sends to oneself, and not for lack of memory: whatever it
 * was busy with is not to blame. limit: by us, see se_pool_limit. */
typedef struct se_death {
	char why[64];
	bool external, limit;
} se_death;

/* What happened. MESSAGE: *m is valid until the next call. DEATH: the place is empty again. */
typedef enum se_pool_event { SE_POOL_NOTHING, SE_POOL_MESSAGE, SE_POOL_DEATH } se_pool_event;

/* n: workers, at most SE_MAX_JOBS. data stays open as long as workers are started. */
void se_pool_init(se_pool *p, size_t n, const se_message *open, int data);
/* STARTING: it says hello and waits. IR_EINTERNAL and a message if the process cannot be made. */
IR_MUSTUSE ir_status se_pool_start(se_pool *p, size_t i, ir_diag *d);
/* Answers a worker's hello: from now on the data must be there. False: the worker is of another version. */
bool se_pool_open(se_pool *p, size_t i, const se_message *hello);
void se_pool_stop(se_pool *p); /* closes the pipes and waits; workers are idle */
void se_pool_kill(se_pool *p);

/* Waits up to timeout_ms, less when a signal arrives that is not blocked by mask during the wait. */
se_pool_event se_pool_next(se_pool *p, int timeout_ms, const void *sigmask, size_t *who, se_message *m,
			  se_death *death);

/* How causes begin that are not the trial's own doing alone: a clock, a limit or a dying process ended it, so a replay can
 * only be compared as far as it came. */
#define SE_CAUSE_WORKER "worker "
#define SE_CAUSE_TIME "time limit: "
#define SE_CAUSE_MEMORY "memory limit: "
bool se_cause_cut(const char *cause); /* NULL: no */

/* Gives an idle worker something to do. If it is dead, its end of file says so soon enough. */
void se_pool_ask(se_worker *w, int64_t number, const se_message *m);
/* Kills a worker that takes too long or too much. */
void se_pool_limit(se_worker *w, const char *why);

#endif
