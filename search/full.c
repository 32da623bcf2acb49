/* SPDX-License-Identifier: Apache-2.0
 * search/full.c -- a full disk is a pause, not an end: running trials end, nothing new is begun, what came in waits in
 * memory (Note [A full disk] in store_redo.c), and every few seconds it is tried whether there is space. The clock of --time
 * runs on, and a stop is a stop. A file of weights that did not fit pauses the search too; it is made again from the seed
 * at the end of the run, as every kept file that is missing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "search/driver_int.h"

#define AGAIN_S 2.0       /* seconds between two attempts */
#define LAST_FLUSH_S 600.0
#define HEADER ((int64_t)16 << 10) /* of a file of weights, at most; beside the model's text */

/* path: what there is no space for. */
static void begin_pause(se_driver *v, const char *path)
{
	double now = rt_seconds();

	v->full_again = now + AGAIN_S;
	if (v->full)
		return;
	v->full = true;
	v->full_since = now;
	v->full_told = 0;
	se_progress_note(&v->progress, "%s: no space left on the disk: running trials end, then the search waits for space; it looks "
			 "every %g s, Ctrl-C ends it", path, AGAIN_S);
}

void se_driver_pause(se_driver *v)
{
	begin_pause(v, v->o->db);
}

void se_driver_pause_for_file(se_driver *v, const se_item *i, int64_t n_params)
{
	const char *path = se_driver_weights_path(v, i);

	if (!v->full_file)
		v->full_file = ar_printf(v->arena, "%s.%ld.room", path, (long)getpid()); /* swept like any half file: keep.c */
	v->full_bytes = 4 * n_params + HEADER;
	begin_pause(v, path);
}

bool se_driver_waits_for_space(const se_driver *v)
{
	return v->full && !se_driver_stops() && !se_driver_time_is_up(v);
}

/* Would the weights that did not fit be written now? Every other trouble is for their writer to tell. */
static bool has_room(se_driver *v)
{
	int fd, why;

	if (!v->full_file)
		return true;
	fd = open(v->full_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	why = fd < 0 ? errno : posix_fallocate(fd, 0, v->full_bytes);
	if (fd >= 0)
		close(fd);
	unlink(v->full_file);
	if (why == ENOSPC || why == EDQUOT)
		return false;
	v->full_file = NULL;
	return true;
}

static void tell_waiting(se_driver *v)
{
	int64_t n = v->store ? se_store_unwritten(v->store) : 0;

	if (n > v->full_told)
		se_progress_note(&v->progress, "%lld finished trial%s wait%s in memory for space on the disk", (long long)n,
				 n == 1 ? "" : "s", n == 1 ? "s" : "");
	v->full_told = n;
}

ir_status se_driver_flush(se_driver *v)
{
	ir_status st;

	if (v->full && (!v->opened || rt_seconds() < v->full_again)) {
		tell_waiting(v);
		return IR_OK;
	}
	st = v->store ? se_store_flush(v->store, false, v->d) : IR_OK;
	if (st == IR_EFULL || (st == IR_OK && !has_room(v))) {
		se_driver_pause(v);
		return IR_OK;
	}
	if (st != IR_OK)
		return st == IR_EBUSY ? IR_OK : st;
	if (v->full)
		se_progress_note(&v->progress, "there is space on the disk again, after %.0f s: the search goes on",
				 rt_seconds() - v->full_since);
	v->full = false;
	if (v->better)
		se_progress_best(&v->progress);
	v->better = false;
	se_progress_show(&v->progress, false);
	return IR_OK;
}

/* ---- the last commit --------------------------------------------------------------------------------------------- */

static ir_status lose(se_driver *v, ir_status st, const char *why)
{
	ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_file, v->o->db, why);
	return st;
}

/* An interrupted search has done what it was asked to; one that was not has failed. */
static ir_status give_up(se_driver *v)
{
	if (!se_driver_stops())
		return lose(v, IR_EFULL, "no space left on the disk: the last results are lost and will be made again");
	se_progress_note(&v->progress, "%s: no space left on the disk: the last results (%lld finished trials) are lost and will be made "
			 "again", v->o->db, (long long)se_store_unwritten(v->store));
	return IR_OK;
}

static void doze(double seconds) /* signals are open in here */
{
	struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
	sigset_t open;

	sigemptyset(&open);
	ppoll(NULL, 0, &t, &open);
}

ir_status se_driver_last_flush(se_driver *v, bool failed)
{
	double since = rt_seconds();

	for (;;) {
		ir_status st = se_store_flush(v->store, false, v->d);
		double waited = rt_seconds() - since;

		if (st == IR_EFULL) {
			se_driver_pause(v);
			if (failed || !se_driver_waits_for_space(v))
				return give_up(v);
			doze(AGAIN_S);
		} else if (st == IR_EBUSY) {
			if (waited > LAST_FLUSH_S || (se_driver_stops() >= 2 && waited > 3))
				return lose(v, st, "another program reads the file: the last results are lost and will be made again");
			doze(0.05);
		} else {
			return st;
		}
	}
}
