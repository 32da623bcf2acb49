/* SPDX-License-Identifier: Apache-2.0
 * tests/ulp/ulp.c -- every float through every function of a float, on every level of code, against libm in double: the
 * worst error in ulp and its operand, and the time per element. Arguments: names of functions; none = all. Exit 1 if an
 * error is above its bound. Some minutes (tests/ulp/ulp.sh).
 *
 * The last functions are made of others, as models write them, and lose digits where their formula cancels: their error
 * is in ulp of the larger of the result and the size that the table names. */
#include <stdio.h>
#include <stdlib.h>
#include "compiler/cc.h"
#include "tests/ulp/exact.h"

#define N      (1 << 16) /* floats of one run: operands, results and exact values stay in the cache */
#define BLOCKS (1 << 16)

static double one(double x)
{
	(void)x;
	return 1;
}

static double silu(double x)
{
	return x * sigmoid(x); /* -inf gives NaN, as written */
}

static double softplus(double x)
{
	return (x > 0 ? x : 0) + log1p(exp(-fabs(x))) + (isnan(x) ? x : 0);
}

static double gelu_as_written(double x)
{
	return x == -INFINITY ? NAN : gelu(x);
}

static const struct function {
	const char *name, *body;
	double (*exact)(double), (*size)(double);
	double bound, tiny; /* in ulp; results below tiny may be zero: a factor of them was flushed */
} functions[] = {
	{"exp", "y = exp x", exp, NULL, 2, 0},
	{"log", "y = log x", log, NULL, 2, 0},
	{"tanh", "y = tanh x", tanh, NULL, 2, 0},
	{"sigmoid", "y = sigmoid x", sigmoid, NULL, 2, 0},
	{"erf", "y = erf x", erf, NULL, 2, 0},
	{"sqrt", "y = sqrt x", sqrt, NULL, 0.5, 0},
	{"silu", "s = sigmoid x\n y = mul x, s", silu, NULL, 4, 0x1p-119},
	{"gelu", "y = gelu x", gelu_as_written, fabs, 2, 0x1p-125},
	{"softplus", /* max(x, 0) + log(1 + exp(-|x|)) */
	 "n = neg x\n m = min x, n\n t = exp m\n s = add t, 1.0\n l = log s\n p = max x, 0.0\n y = add p, l",
	 softplus, one, 2, 0},
};

#define TARGETS 3
static const char *const targets[TARGETS] = {NULL, "x86-64-v3", "x86-64"};

/* One thread's buffers, and what it found. */
typedef struct worker {
	rt_exec *exec[TARGETS];
	float *x, *y;
	double *exact;
	double worst[TARGETS], ns[TARGETS];
	float where[TARGETS];
} worker;

typedef struct job {
	const struct function *f;
	worker *w;
	int workers;
} job;

static void *need(void *p)
{
	if (!p) {
		fprintf(stderr, "ulp: no memory, or a function that does not compile\n");
		exit(2);
	}
	return p;
}

static cc_program *compile(cc_context *c, const char *body, ir_arena *a)
{
	char *text = ar_printf(a, "gradmill 1\nfunc main(x: f32[%d]) -> f32[%d] {\n%s\nreturn y\n}\n", N, N, body);
	cc_options o = {.threads = 1, .opt_level = 2};
	ir_diag *d = need(ir_diag_new());
	ir_module *m = need(ir_parse("ulp.gm", text, strlen(text), a, d));
	cc_program *p = NULL;

	if (cc_compile(c, ir_module_find(m, "main"), &o, &p, d) != IR_OK)
		need(NULL);
	ir_diag_free(d);
	return p;
}

static void compare(worker *w, const struct function *f, int t)
{
	for (int i = 0; i < N; i++) {
		double exact = w->exact[i], size = f->size ? f->size(operand(w->x[i])) : 0;
		double e = w->y[i] == 0 && fabs(exact) < f->tiny ? 0 : error_of(w->y[i], exact, size);

		if (!(e <= w->worst[t]))
			w->worst[t] = e, w->where[t] = w->x[i];
	}
}

static void do_block(worker *w, const struct function *f, uint32_t block)
{
	for (uint32_t i = 0; i < N; i++) {
		w->x[i] = float_of_bits(block * N + i);
		w->exact[i] = f->exact(operand(w->x[i]));
	}
	for (int t = 0; t < TARGETS; t++) {
		double start = rt_seconds();

		rt_run(w->exec[t], 1);
		w->ns[t] = fmin(w->ns[t], (rt_seconds() - start) * 1e9 / N);
		compare(w, f, t);
	}
}

/* Blocks are dealt in turn, so that all threads have as much to do. */
static void do_share(void *ctx, size_t i)
{
	const job *j = ctx;

	for (uint32_t b = (uint32_t)i; b < BLOCKS; b += (uint32_t)j->workers)
		do_block(&j->w[i], j->f, b);
}

static bool report(const job *j)
{
	bool ok = true;

	for (int t = 0; t < TARGETS; t++) {
		const worker *worst = j->w;
		double ns = INFINITY, e;

		for (int i = 0; i < j->workers; i++) {
			worst = j->w[i].worst[t] > worst->worst[t] ? &j->w[i] : worst;
			ns = fmin(ns, j->w[i].ns[t]);
		}
		e = worst->worst[t];
		ok = ok && e <= j->f->bound;
		printf("%-9s %-9s %7.4f ulp at %-16.9g %6.2f ns%s\n", j->f->name, targets[t] ? targets[t] : "host",
		       e, (double)worst->where[t], ns, e <= j->f->bound ? "" : "  ABOVE ITS BOUND");
	}
	fflush(stdout);
	return ok;
}

static bool measure(cc_context **c, worker *w, int workers, const struct function *f)
{
	job j = {f, w, workers};
	ir_arena *a = need(ar_open());
	cc_program *p[TARGETS];
	bool ok;

	for (int t = 0; t < TARGETS; t++) {
		p[t] = compile(c[t], f->body, a);
		for (int i = 0; i < workers; i++) {
			w[i].worst[t] = 0, w[i].where[t] = 0, w[i].ns[t] = INFINITY;
			if (rt_exec_new(cc_program_plan(p[t]), &w[i].exec[t]) != IR_OK)
				need(NULL);
			rt_bind_leaf(w[i].exec[t], 0, w[i].x, 0);
			rt_bind_output(w[i].exec[t], 0, w[i].y, 0);
		}
	}
	rt_parallel(workers, (size_t)workers, do_share, &j);
	ok = report(&j);
	for (int t = 0; t < TARGETS; t++) {
		for (int i = 0; i < workers; i++)
			rt_exec_free(w[i].exec[t]);
		cc_program_free(p[t]);
	}
	ar_free(a);
	return ok;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(name, argv[i]))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	int workers = rt_cores();
	worker *w = need(calloc((size_t)workers, sizeof *w));
	cc_context *c[TARGETS];
	bool ok = true;

	for (int i = 0; i < workers; i++) {
		w[i].x = need(aligned_alloc(64, N * sizeof *w[i].x));
		w[i].y = need(aligned_alloc(64, N * sizeof *w[i].y));
		w[i].exact = need(malloc(N * sizeof *w[i].exact));
	}
	for (int t = 0; t < TARGETS; t++) {
		cc_context_options o = cc_context_default();

		o.cache_dir = "", o.target = targets[t];
		if (cc_context_new(&o, &c[t], NULL) != IR_OK)
			need(NULL);
	}
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (is_wanted(functions[i].name, argc, argv))
			ok = measure(c, w, workers, &functions[i]) && ok;
	for (int t = 0; t < TARGETS; t++)
		cc_context_free(c[t]);
	for (int i = 0; i < workers; i++)
		free(w[i].x), free(w[i].y), free(w[i].exact);
	free(w);
	return !ok;
}
