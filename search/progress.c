/* SPDX-License-Identifier: Apache-2.0
 * search/progress.c -- see progress.h. Everything goes to stderr. */
#include "search/progress.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/rt.h"

void se_progress_init(se_progress *p, bool quiet)
{
	const char *term = getenv("TERM");

	memset(p, 0, sizeof *p);
	p->quiet = quiet;
	p->tty = isatty(2) && !(term && !strcmp(term, "dumb"));
	p->start = p->shown = rt_seconds();
	p->best_number = -1;
}

static void put_time(char *out, size_t cap, double s)
{
	if (s < 0 || !isfinite(s))
		snprintf(out, cap, "--:--");
	else if (s < 3600)
		snprintf(out, cap, "%d:%02d", (int)s / 60, (int)s % 60);
	else
		snprintf(out, cap, "%d:%02d:%02d", (int)(s / 3600), (int)s / 60 % 60, (int)s % 60);
}

/* Whichever comes first: the planned number at the present rate, or the end of the time. */
static double remaining(const se_progress *p, double now, double rate)
{
	double by_count = p->planned && rate > 0 ? (double)(p->planned - p->finished) / rate : INFINITY;
	double by_clock = p->deadline > 0 ? p->deadline - now : INFINITY;

	return by_count < by_clock ? by_count : by_clock > 0 ? by_clock : 0;
}

static void print_line(const se_progress *p, double now)
{
	double rate = now > p->start ? (double)(p->finished - p->before) / (now - p->start) : 0;
	char eta[24], total[24] = "", best[64] = "none yet";

	put_time(eta, sizeof eta, remaining(p, now, rate));
	if (p->planned)
		snprintf(total, sizeof total, "/%lld", (long long)p->planned);
	if (p->best_number >= 0)
		snprintf(best, sizeof best, "%.6g (trial %lld)", p->best_value, (long long)p->best_number);
	fprintf(stderr, "%lld%s trials, %lld running, %lld failed, %.0f/h, %s left, best %s", (long long)p->finished, total,
		(long long)p->running, (long long)p->failed, rate * 3600, eta, best);
}

void se_progress_show(se_progress *p, bool force)
{
	double now = rt_seconds();

	if (p->quiet || (!force && now - p->shown < (p->tty ? 0.2 : 10)))
		return;
	p->shown = now;
	if (p->tty)
		fputs("\r\033[K", stderr);
	print_line(p, now);
	if (!p->tty)
		fputc('\n', stderr);
	fflush(stderr);
}

void se_progress_best(se_progress *p)
{
	if (!p->tty && !p->quiet)
		se_progress_show(p, true);
}

void se_progress_note(se_progress *p, const char *fmt, ...)
{
	va_list ap;

	if (p->tty && !p->quiet)
		fputs("\r\033[K", stderr);
	fputs("gradmill: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void se_progress_end(se_progress *p)
{
	se_progress_show(p, true);
	if (p->tty && !p->quiet)
		fputc('\n', stderr);
}
