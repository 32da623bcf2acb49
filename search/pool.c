/* SPDX-License-Identifier: Apache-2.0
 * search/pool.c -- see pool.h. */
#define _GNU_SOURCE
#include "search/pool.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "runtime/rt.h"
#include "search/cmd.h"

extern char **environ;

void se_pool_init(se_pool *p, size_t n, const se_message *open, int data)
{
	memset(p, 0, sizeof *p);
	p->n = n < SE_MAX_JOBS ? n : SE_MAX_JOBS;
	p->open = *open;
	p->data = data;
}

/* What a worker sees: its pipes, our stderr, the data, nothing else. The pipes go first, for one of them may have the
 * number that the data get; out is never 0, in was opened before it. A descriptor that has its number already only loses its
 * close-on-exec. */
static void give_files(posix_spawn_file_actions_t *files, int in, int out, int data)
{
	posix_spawn_file_actions_init(files);
	posix_spawn_file_actions_adddup2(files, in, 0);
	posix_spawn_file_actions_adddup2(files, out, 1);
	posix_spawn_file_actions_adddup2(files, data, SE_DATA_FD);
	posix_spawn_file_actions_addclosefrom_np(files, SE_DATA_FD + 1);
}

/* A process group of its own: Ctrl-C is for the driver, which lets running trials end. */
/* Their threads sleep between parallel regions: those that spin, for 200 ms with LLVM's library, take cores from the other
 * workers. Waits within a step are the runtime's own. */
static int spawn(pid_t *pid, int in, int out, int data)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, usual;
	char parent[24];
	char *argv[] = {(char[]){"gradmill"}, (char[]){"worker"}, parent, NULL};
	int rc;

	setenv("OMP_WAIT_POLICY", "passive", 0);
	snprintf(parent, sizeof parent, "%ld", (long)getpid());
	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGINT);
	sigaddset(&usual, SIGTERM);
	sigaddset(&usual, SIGPIPE);
	give_files(&files, in, out, data);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &usual);
	rc = posix_spawn(pid, "/proc/self/exe", &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* How often the system has killed a process because there was no memory left; containers' limits included. */
static long oom_kills(void)
{
	char line[128];
	long n = 0;
	FILE *f = fopen("/proc/vmstat", "re");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "oom_kill %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

ir_status se_pool_start(se_pool *p, size_t i, ir_diag *d)
{
	se_worker *w = &p->worker[i];
	int to[2] = {-1, -1}, from[2] = {-1, -1};
	int rc = pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC) ? errno : 0;

	if (!rc)
		rc = spawn(&w->pid, to[0], from[1], p->data);
	if (to[0] >= 0)
		close(to[0]);
	if (from[1] >= 0)
		close(from[1]);
	if (rc) {
		if (to[1] >= 0)
			close(to[1]);
		if (from[0] >= 0)
			close(from[0]);
		ir_error(d, (ir_loc){0, 0, 0}, IR_E_file, "a worker cannot be started", strerror(rc));
		return IR_EINTERNAL;
	}
	se_wire_init(&w->wire, from[0], to[1]);
	w->state = SE_WORKER_STARTING;
	w->number = -1;
	w->generation++;
	w->limit = false;
	w->base = w->threads = (int)p->open.threads;
	return IR_OK;
}

bool se_pool_open(se_pool *p, size_t i, const se_message *hello)
{
	if (hello->version != SE_WIRE_VERSION || !hello->build || strcmp(hello->build, SE_VERSION))
		return false;
	se_wire_send(&p->worker[i].wire, &p->open); /* if it is dead already, its end of file says so soon enough */
	return true;
}

static int bury(se_worker *w)
{
	int status = 0;

	se_wire_fini(&w->wire);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	w->state = SE_WORKER_NONE;
	return status;
}

void se_pool_stop(se_pool *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->worker[i].state != SE_WORKER_NONE)
			bury(&p->worker[i]); /* it ends at the end of its input */
}

void se_pool_kill(se_pool *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->worker[i].state != SE_WORKER_NONE)
			kill(p->worker[i].pid, SIGKILL);
	se_pool_stop(p);
}

/* Signals by which people and supervisors end processes. Faults (SIGSEGV, SIGABRT, ..) are the worker's own. */
static bool is_external(int sig)
{
	return sig == SIGKILL || sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT;
}

static void explain(const se_worker *w, int status, bool babble, se_death *d)
{
	*d = (se_death){.limit = w->limit};
	if (w->limit) {
		memcpy(d->why, w->why, sizeof d->why);
	} else if (babble) {
		snprintf(d->why, sizeof d->why, SE_CAUSE_WORKER "broke the protocol");
	} else if (!WIFSIGNALED(status)) {
		snprintf(d->why, sizeof d->why, SE_CAUSE_WORKER "died: exit code %d", WEXITSTATUS(status));
	} else if (WTERMSIG(status) == SIGKILL && oom_kills() > w->oom) {
		snprintf(d->why, sizeof d->why, SE_CAUSE_WORKER "died: the system had no memory left");
	} else {
		d->external = is_external(WTERMSIG(status));
		snprintf(d->why, sizeof d->why, SE_CAUSE_WORKER "%s: signal %d (%s)", d->external ? "was killed" : "died",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	}
}

static se_pool_event death(se_worker *w, bool babble, se_death *d)
{
	if (babble)
		kill(w->pid, SIGKILL);
	explain(w, bury(w), babble, d);
	return SE_POOL_DEATH;
}

bool se_cause_cut(const char *cause)
{
	static const char *const cut[] = {SE_CAUSE_WORKER, SE_CAUSE_TIME, SE_CAUSE_MEMORY};

	if (cause && !strcmp(cause, ir_status_text(IR_ENOMEM)))
		return true; /* there may be more this time */
	for (size_t i = 0; cause && i < sizeof cut / sizeof *cut; i++)
		if (!strncmp(cause, cut[i], strlen(cut[i])))
			return true;
	return false;
}

void se_pool_ask(se_worker *w, int64_t number, const se_message *m)
{
	w->state = SE_WORKER_BUSY;
	w->number = number;
	w->since = rt_seconds();
	w->oom = oom_kills();
	se_wire_send(&w->wire, m);
}

void se_pool_limit(se_worker *w, const char *why)
{
	w->limit = true;
	snprintf(w->why, sizeof w->why, "%s", why);
	kill(w->pid, SIGKILL);
}

/* A message that has arrived already, from whichever worker. */
static se_pool_event pending(se_pool *p, size_t *who, se_message *m, se_death *d)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->worker[i].state == SE_WORKER_NONE)
			continue;
		*who = i;
		switch (se_wire_next(&p->worker[i].wire, m)) {
		case SE_WIRE_MESSAGE:
			return SE_POOL_MESSAGE;
		case SE_WIRE_BAD:
			return death(&p->worker[i], true, d);
		case SE_WIRE_MORE: case SE_WIRE_END:
			break;
		}
	}
	return SE_POOL_NOTHING;
}

se_pool_event se_pool_next(se_pool *p, int timeout_ms, const void *sigmask, size_t *who, se_message *m, se_death *d)
{
	struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
	struct pollfd fd[SE_MAX_JOBS];
	se_pool_event e = pending(p, who, m, d);

	if (e != SE_POOL_NOTHING)
		return e;
	for (size_t i = 0; i < p->n; i++)
		fd[i] = (struct pollfd){p->worker[i].state == SE_WORKER_NONE ? -1 : p->worker[i].wire.in, POLLIN, 0};
	if (ppoll(fd, p->n, &t, sigmask) <= 0)
		return SE_POOL_NOTHING;
	for (size_t i = 0; i < p->n; i++) {
		if (fd[i].fd < 0 || !fd[i].revents)
			continue;
		*who = i;
		if (se_wire_fill(&p->worker[i].wire) == SE_WIRE_END)
			return death(&p->worker[i], false, d);
	}
	return pending(p, who, m, d);
}
