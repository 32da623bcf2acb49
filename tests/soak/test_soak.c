/* SPDX-License-Identifier: Apache-2.0
 * tests/soak/test_soak.c -- a process that compiles, runs and frees programs for ever must not grow. Each cycle compiles one of
 * many kinds of kernels into a context that keeps few unused ones, so most are linked anew from the cache on disk; results
 * are known to the bit. Some programs stay alive for some cycles: what they use must not be taken from them. Threads share the context. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "compiler/cc.h"

#define ALIVE 4   /* programs at a time */
#define STEPS 5   /* operations per program, each one of WAYS */
#define WAYS  4
#define ROWS  5
#define COLS  24

#define MAX_THREADS 16

typedef struct options {
	int cycles, kinds, threads; /* cycles: of each thread */
	double growth; /* allowed, as a share of the resident size after the first tenth */
	cc_context *c;
} options;

typedef struct live {
	cc_program *p;
	rt_exec *e;
	int kind;
	float out[ROWS * COLS];
} live;

static float x[ROWS * COLS], w[COLS * COLS];
static atomic_int nfailed, nagain; /* nagain: kernels linked from disk */

static void fail(const char *what, int kind)
{
	fprintf(stderr, "soak: %s, kind %d\n", what, kind);
	nfailed++;
}

/* ---- kinds ----------------------------------------------------------------------------------------------------- */

static int way(int kind, int step)
{
	for (kind /= 2; step > 0; step--)
		kind /= WAYS;
	return kind % WAYS;
}

/* Odd kinds begin with a product. Then STEPS operations that are exact on small integers. */
static void text_of(int kind, char *out, size_t n)
{
	static const char *const form[WAYS] = {"neg v%d", "relu v%d", "add v%d, x", "max v%d, x"};
	int at = snprintf(out, n, "gradmill 1\nfunc f(x: f32[%d,%d], w: f32[%d,%d]) {\n  v0 = %s\n", ROWS, COLS, COLS, COLS,
			  kind % 2 ? "matmul x, w" : "mul x, x");

	for (int i = 0; i < STEPS; i++) {
		at += snprintf(out + at, n - (size_t)at, "  v%d = ", i + 1);
		at += snprintf(out + at, n - (size_t)at, form[way(kind, i)], i);
		at += snprintf(out + at, n - (size_t)at, "\n");
	}
	snprintf(out + at, n - (size_t)at, "  return v%d\n}\n", STEPS);
}

static float wanted(int kind, int row, int col)
{
	float v = 0, in = x[row * COLS + col];

	for (int k = 0; k < COLS && kind % 2; k++)
		v += x[row * COLS + k] * w[k * COLS + col];
	if (kind % 2 == 0)
		v = in * in;
	for (int i = 0; i < STEPS; i++)
		switch (way(kind, i)) {
		case 0: v = -v; break;
		case 1: v = v > 0 ? v : 0; break;
		case 2: v += in; break;
		case 3: v = v > in ? v : in; break;
		}
	return v;
}

/* ---- cycles ---------------------------------------------------------------------------------------------------- */

static void check_run(live *l)
{
	memset(l->out, 0xff, sizeof l->out);
	rt_run(l->e, 1);
	for (int i = 0; i < ROWS; i++)
		for (int k = 0; k < COLS; k++)
			if (l->out[i * COLS + k] != wanted(l->kind, i, k)) {
				fail("wrong result", l->kind);
				return;
			}
}

static void end(live *l)
{
	if (!l->p)
		return;
	check_run(l); /* once more: others came and went */
	rt_exec_free(l->e);
	cc_program_free(l->p);
	l->p = NULL;
}

static void begin(cc_context *c, live *l, int kind)
{
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	cc_options o = {.threads = 1, .opt_level = 0};
	char text[2000];
	ir_module *m;

	text_of(kind, text, sizeof text);
	m = ir_parse("soak.gm", text, strlen(text), a, d);
	l->kind = kind;
	if (!m || cc_compile(c, ir_module_find(m, "f"), &o, &l->p, d) != IR_OK)
		fail("does not compile", kind);
	else if (rt_exec_new(cc_program_plan(l->p), &l->e) != IR_OK)
		abort();
	if (l->p) {
		for (size_t i = 0; i < cc_program_leaves(l->p); i++)
			rt_bind_leaf(l->e, i, *cc_program_leaf_name(l->p, i) == 'x' ? x : w, 0);
		rt_bind_output(l->e, 0, l->out, 0);
		check_run(l);
	}
	ir_diag_free(d);
	ar_free(a);
}

static double resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*s %ld", &pages) != 1)
		abort();
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void *cycle(void *arg)
{
	const options *o = arg;
	live alive[ALIVE] = {0};
	double first = 0, last;
	int compiled = 0, disk = 0, memory = 0;

	for (int i = 0; i < o->cycles; i++) {
		live *l = &alive[i % ALIVE];
		int kind = (int)((unsigned)i * 2654435761u >> 8) % o->kinds;
		const cc_stats *s;

		end(l);
		begin(o->c, l, kind);
		if (!l->p)
			break;
		s = cc_program_stats(l->p);
		compiled += s->kernels_compiled, disk += s->kernels_from_disk;
		memory += s->kernels - s->kernels_compiled - s->kernels_from_disk;
		if (i == o->cycles / 10)
			first = resident_kib();
	}
	last = resident_kib();
	for (int i = 0; i < ALIVE; i++)
		end(&alive[i]);
	printf("%d cycles: kernels %d compiled, %d from disk, %d in memory; resident %.0f KiB after a tenth, %.0f KiB at the end\n",
	       o->cycles, compiled, disk, memory, first, last);
	if (last > first * (1 + o->growth))
		fail("the process grew", 0);
	nagain += disk;
	return NULL;
}

static void run_threads(options *o)
{
	pthread_t t[MAX_THREADS];

	for (int i = 1; i < o->threads; i++)
		if (pthread_create(&t[i], NULL, cycle, o) != 0)
			abort();
	cycle(o);
	for (int i = 1; i < o->threads; i++)
		pthread_join(t[i], NULL);
	if (nagain == 0)
		fail("no kernel was linked again", 0);
}

int main(int argc, char **argv)
{
	options o = {.cycles = argc >= 6 ? atoi(argv[1]) : 0, .threads = argc == 7 ? atoi(argv[6]) : 1};
	cc_context_options co = cc_context_default();
	double t0 = rt_seconds();

	if (o.cycles < 10 || o.threads < 1 || o.threads > MAX_THREADS) {
		fprintf(stderr, "usage: test_soak CYCLES KINDS KEEP GROWTH CACHE_DIR [THREADS]\n");
		return 64;
	}
	o.kinds = atoi(argv[2]), o.growth = atof(argv[4]);
	co.unused_kernels = atoi(argv[3]), co.cache_dir = argv[5];
	for (int i = 0; i < ROWS * COLS; i++)
		x[i] = (float)(i * 7 % 5 - 2);
	for (int i = 0; i < COLS * COLS; i++)
		w[i] = (float)(i * 11 % 7 - 3);
	if (cc_context_new(&co, &o.c, NULL) != IR_OK)
		return 70;
	run_threads(&o);
	cc_context_free(o.c);
	printf("%.1f s, %.0f us a cycle\n", rt_seconds() - t0, 1e6 * (rt_seconds() - t0) / o.cycles);
	return nfailed != 0;
}
