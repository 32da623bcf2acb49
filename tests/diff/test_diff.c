/* SPDX-License-Identifier: Apache-2.0
 * tests/diff/test_diff.c [N] [--count N] [--seed S] [--target CPU] [--print] [--apart] [--broken OP]: random programs, each checked five ways.
 *   1. print, parse, print gives the same text.
 *   2. After every pass of the default pipeline the interpreter's answer is unchanged: to the bit, but for legalize, which
 *      may take sums in another order (Note [Bounds] in bound.c).
 *   3. Compiled at pipeline level 0 and 2 it is within the bound of the interpreter's answer; every fourth program also
 *      with LLVM's code generation at level 0.
 *   4. 1, 2 and 3 threads give the same bits, over three steps with updates in place.
 *   5. No leaf without an update is written, nor anything behind the end of a tensor.
 * Program i of a run has the seed S + i. A program that fails is cut down, printed and left in diff-SEED.gm; its data follows
 * from the seed and the names of its leaves. --apart checks each in a process of its own, to cut down what crashes. --broken OP
 * makes compiled runs get OP wrong: then programs must fail, and be cut down to almost nothing. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/diff/diff.h"

#define OFTEN 20 /* every op must occur so often in 500 programs */
#define CUT   4  /* instructions that may be left of a program in which one op is broken */

typedef struct options {
	int count;
	uint64_t seed;
	const char *target;
	const ir_op *broken; /* test the test: compiled runs get this op wrong */
	bool print, apart;
} options;

/* What is done with a program, in this order. */
typedef enum step { FINE, TEXT, PASSES, PASSES_0, PASSES_2, THREADS, CODE_0, CRASH } step;
static const char *const step_name[] = {"fine", "text", "passes", "compiled without passes", "compiled", "threads",
					"compiled without code generation's passes", "crash"};

static cc_context *fast, *plain; /* LLVM code generation at level 2, 0 */
static td_match total;
static long used[IR_OP_COUNT];
static const ir_func *current; /* for the report of a crash */
static uint64_t current_seed;
static const ir_op *broken;
static size_t largest_left; /* instructions of a failing program that could not be cut down further */

/* ---- the interpreter as oracle -------------------------------------------------------------------------------- */

static void free_all(rt_tensor *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rt_tensor_free(&t[i]);
}

static bool interpret(const ir_func *f, uint64_t seed, ir_arena *a, rt_tensor *out)
{
	rt_tensor *leaf = ar_new(a, rt_tensor, f->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (ir_is_leaf(f, (ir_ref)i)) {
			leaf[n] = (rt_tensor){f->ins[i].type, ar_alloc(a, ir_type_bytes(&f->ins[i].type) + 16, 1)};
			td_fill(&f->ins[i], seed, leaf[n++].data);
		}
	return rt_interpret(f, leaf, out) == IR_OK;
}

static void say_element(ir_str *why, const char *what, const ir_output *o, const td_value *want, const void *got,
			const td_match *m)
{
	ir_dtype t = want->v.type.dtype;

	sb_printf(why, "%s: %s[%lld] is %.17g, not %.17g (bound %.3g)", what, o->name, (long long)m->at,
		  rt_load(t, got, m->at), rt_load(t, want->v.data, m->at), want->e[m->at]);
}

static bool within(const ir_func *f, const td_value *val, const char *what, void *const *got, ir_str *why)
{
	for (size_t i = 0; i < f->nout; i++) {
		td_match m = {0};
		bool ok = td_within(&val[f->out[i].ref], got[i], &m);

		total.checked += m.checked, total.equal += m.equal, total.unsure += m.unsure;
		if (!ok)
			return say_element(why, what, &f->out[i], &val[f->out[i].ref], got[i], &m), false;
		total.ratio = m.ratio > total.ratio ? m.ratio : total.ratio;
	}
	return true;
}

/* ---- pass by pass ------------------------------------------------------------------------------------------------ */

static bool same_outputs(const ir_func *f, const rt_tensor *x, const rt_tensor *y, const char *what, ir_str *why)
{
	int64_t at;

	for (size_t i = 0; i < f->nout; i++)
		if (!td_same_bits(&x[i].type, x[i].data, y[i].data, &at))
			return sb_printf(why, "%s changed %s[%lld] from %.17g to %.17g", what, f->out[i].name, (long long)at,
					 rt_load(x[i].type.dtype, x[i].data, at),
					 rt_load(x[i].type.dtype, y[i].data, at)),
			       false;
	return true;
}

static void **pointers(ir_arena *a, const rt_tensor *t, size_t n)
{
	void **p = ar_new(a, void *, n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = t[i].data;
	return p;
}

static bool check_passes(const ir_func *f, const td_value *val, uint64_t seed, ir_arena *a, ir_str *why)
{
	rt_tensor *before = ar_new(a, rt_tensor, f->nout + 1), *after;
	cc_pipeline p, one = {.n = 1, .verify = true};
	const ir_func *g = f;
	bool ok = interpret(f, seed, a, before);

	cc_pipeline_default(&p, 2);
	for (size_t i = 0; i < p.n && ok; i++) {
		char what[64];

		snprintf(what, sizeof what, "pass %zu, %s,", i, p.pass[i]->name);
		one.pass[0] = p.pass[i];
		g = cc_pipeline_run(&one, g, a, NULL);
		after = ar_new(a, rt_tensor, f->nout + 1);
		if (!g || !interpret(g, seed, a, after)) {
			sb_printf(why, "%s failed", what);
			return false;
		}
		ok = !strcmp(p.pass[i]->name, "legalize") ? within(f, val, what, pointers(a, after, f->nout), why)
							  : same_outputs(f, before, after, what, why);
		free_all(before, f->nout);
		before = after;
	}
	free_all(before, f->nout);
	return ok;
}

/* ---- compiled ------------------------------------------------------------------------------------------------------ */

static void free_buffers(td_buffer *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		td_buffer_free(&b[i]);
}

static bool check_level(cc_context *c, int level, const ir_func *f, const td_value *val, uint64_t seed, ir_arena *a,
			ir_str *why)
{
	td_how h = {c, level, 1, 1, broken};
	td_buffer *out = ar_new(a, td_buffer, f->nout + 1);
	void **p = ar_new(a, void *, f->nout + 1);
	char what[64];
	bool ok = td_run(&h, f, seed, out, why);

	snprintf(what, sizeof what, "compiled, passes %d, code %d", level, c == fast ? 2 : 0);
	for (size_t i = 0; i < f->nout; i++)
		p[i] = out[i].p;
	ok = ok && within(f, val, what, p, why);
	free_buffers(out, f->nout);
	return ok;
}

static bool check_threads(const ir_func *f, uint64_t seed, ir_arena *a, ir_str *why)
{
	td_buffer *out[3];
	bool ok = true;

	for (int t = 0; t < 3; t++) {
		td_how h = {fast, 2, t + 1, 3, broken};

		out[t] = ar_new(a, td_buffer, f->nout + 1);
		ok = ok && td_run(&h, f, seed, out[t], why);
		for (size_t i = 0; ok && i < f->nout; i++)
			if (memcmp(out[0][i].p, out[t][i].p, out[t][i].bytes)) {
				sb_printf(why, "%d threads give other bits than one in %s", t + 1, f->out[i].name);
				ok = false;
			}
	}
	for (int t = 0; t < 3; t++)
		free_buffers(out[t], f->nout);
	return ok;
}

static bool check_text(const ir_func *f, ir_arena *a, ir_str *why)
{
	ir_diag *d = ir_diag_new();
	ir_module *m = ir_module_new(a), *back;
	ir_str one, two;
	bool ok;

	sb_init(&one);
	sb_init(&two);
	ir_module_add(m, (ir_func *)f);
	ir_module_print(m, &one);
	back = ir_parse("f.gm", one.s, one.n, a, d);
	if (back)
		ir_module_print(back, &two);
	ok = back && !strcmp(one.s, two.s);
	if (!ok) {
		sb_put(why, "print, parse, print: ");
		ir_diag_print_all(d, why);
	}
	sb_fini(&one);
	sb_fini(&two);
	ir_diag_free(d);
	return ok;
}

/* Everything about one program: the first step that fails, or FINE. */
static step check(const ir_func *f, uint64_t seed, ir_str *why)
{
	ir_arena *a = ar_open();
	td_value *val = td_values(a, f, seed);
	step s = FINE;

	current = f, current_seed = seed;
	if (!check_text(f, a, why))
		s = TEXT;
	else if (!check_passes(f, val, seed, a, why))
		s = PASSES;
	else if (!check_level(fast, 0, f, val, seed, a, why))
		s = PASSES_0;
	else if (!check_level(fast, 2, f, val, seed, a, why))
		s = PASSES_2;
	else if (!check_threads(f, seed, a, why))
		s = THREADS;
	else if (seed % 4 == 0 && !check_level(plain, 2, f, val, seed, a, why))
		s = CODE_0;
	current = NULL;
	ar_free(a);
	return s;
}

/* ---- reports ------------------------------------------------------------------------------------------------------------ */

static void put_program(const ir_func *f, ir_str *out)
{
	sb_put(out, "gradmill 1\n");
	ir_func_print(f, out);
}

static void print_program(const ir_func *f)
{
	ir_str s;

	sb_init(&s);
	put_program(f, &s);
	fputs(s.s, stdout);
	fflush(stdout);
	sb_fini(&s);
}

/* In a process of its own: what crashes there is only another way to fail. */
static step check_apart(const ir_func *f, uint64_t seed)
{
	pid_t child = fork();
	int status;
	ir_str why;

	if (child == 0) {
		sb_init(&why);
		_exit((int)check(f, seed, &why));
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? (step)WEXITSTATUS(status) : CRASH;
}

static step check_quietly(const options *o, const ir_func *f, uint64_t seed)
{
	ir_str why;
	step s;

	if (o->apart)
		return check_apart(f, seed);
	sb_init(&why);
	s = check(f, seed, &why);
	sb_fini(&why);
	return s;
}

typedef struct search {
	const options *o;
	uint64_t seed;
	step step; /* that fails */
} search;

static bool fails_so(void *ctx, const ir_func *f)
{
	const search *s = ctx;

	return check_quietly(s->o, f, s->seed) == s->step;
}

/* Cuts f down, prints it, and leaves diff-SEED.gm behind, which gradmill check reads. */
static void report(const options *o, const ir_func *f, uint64_t seed, step failed)
{
	ir_arena *a = ar_open();
	search how = {o, seed, failed};
	const ir_func *g = td_shrink(f, fails_so, &how, a);
	char path[64];
	ir_str why, text;

	largest_left = g->n > largest_left ? g->n : largest_left;
	sb_init(&why);
	sb_init(&text);
	if (failed != CRASH)
		check(g, seed, &why);
	sb_printf(&text, "# test_diff --seed %llu: %s: %s\n", (unsigned long long)seed, step_name[failed], why.n ? why.s : "");
	put_program(g, &text);
	snprintf(path, sizeof path, "diff-%llu.gm", (unsigned long long)seed);
	if (!o->broken) {
		fputs(text.s, stdout);
		printf("%s %s\n\n", ir_file_write(path, text.s, text.n) == IR_OK ? "written:" : "cannot be written:", path);
		fflush(stdout);
	}
	sb_fini(&text);
	sb_fini(&why);
	ar_free(a);
}

/* ---- main ------------------------------------------------------------------------------------------------------------- */

static void on_signal(int s)
{
	printf("signal %d at seed %llu\n", s, (unsigned long long)current_seed);
	if (current)
		print_program(current);
	printf("cut it down: test_diff --count 1 --apart --seed %llu\n", (unsigned long long)current_seed);
	fflush(stdout);
	_exit(3);
}

static void count_ops(const ir_func *f)
{
	ir_arena *a = ar_open();
	bool *live = ar_new(a, bool, f->n + 1);

	for (size_t i = 0; i < f->nout; i++)
		live[f->out[i].ref] = live[f->out[i].state == IR_NO_REF ? f->out[i].ref : f->out[i].state] = true;
	for (size_t i = f->n; i-- > 0;) {
		used[f->ins[i].op] += live[i];
		for (size_t k = 0; live[i] && k < f->ins[i].narg; k++)
			live[f->ins[i].arg[k]] = true;
	}
	ar_free(a);
}

static bool run_program(const options *o, uint64_t seed)
{
	ir_arena *a = ar_open();
	ir_func *f = td_generate(a, seed);
	step s;

	if (o->print)
		print_program(f);
	count_ops(f);
	s = check_quietly(o, f, seed);
	if (s != FINE)
		report(o, f, seed, s);
	ar_free(a);
	return s == FINE;
}

static bool every_op_was_used(const options *o)
{
	bool ok = true;

	for (int op = 0; op < IR_OP_COUNT; op++)
		if (used[op] < (o->count * OFTEN / 500)) {
			printf("%s occurred %ld times only\n", ir_op_info((ir_op)op)->name, used[op]);
			ok = false;
		}
	return ok;
}

static bool parse_options(int argc, char **argv, options *o)
{
	static ir_op op;

	*o = (options){.count = 500, .seed = 1};
	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--print"))
			o->print = true;
		else if (!strcmp(argv[i], "--apart"))
			o->apart = true;
		else if (argv[i][0] != '-')
			o->count = atoi(argv[i]);
		else if (!next)
			return false;
		else if (!strcmp(argv[i], "--count"))
			o->count = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--seed"))
			o->seed = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--target"))
			o->target = argv[++i];
		else if (!strcmp(argv[i], "--broken") && ir_op_find(argv[++i], &op))
			o->broken = broken = &op;
		else
			return false;
	}
	return true;
}

static bool open_contexts(const options *o)
{
	cc_context_options c = cc_context_default();

	c.cache_dir = "", c.target = o->target, c.opt_level = 2;
	if (cc_context_new(&c, &fast, NULL) != IR_OK)
		return false;
	c.opt_level = 0;
	return cc_context_new(&c, &plain, NULL) == IR_OK;
}

static void catch_signals(void)
{
	signal(SIGSEGV, on_signal);
	signal(SIGABRT, on_signal);
	signal(SIGFPE, on_signal);
	signal(SIGILL, on_signal);
}

/* With --broken: enough programs failed, and each was cut down to the op and what it needs. */
static int judge_shrinking(const options *o, int failed)
{
	printf("%d of %d programs noticed; the largest was cut down to %zu instructions\n", failed, o->count, largest_left);
	return failed * 20 >= o->count && largest_left <= CUT ? 0 : 1;
}

int main(int argc, char **argv)
{
	double t0 = rt_seconds();
	options o;
	int failed = 0;

	if (!parse_options(argc, argv, &o) || !open_contexts(&o)) {
		fprintf(stderr, "usage: test_diff [N] [--count N] [--seed S] [--target CPU] [--print] [--apart] [--broken OP]\n");
		return 64;
	}
	if (!o.apart)
		catch_signals();
	for (int i = 0; i < o.count && (failed < 10 || o.broken); i++)
		failed += !run_program(&o, o.seed + (uint64_t)i);
	if (o.broken)
		return judge_shrinking(&o, failed);
	printf("%d programs from seed %llu for %s: %d failed; %lld elements compared, %.1f %% equal, %.2f %% unsure, largest "
	       "error %.2f of the bound; %d of %d runs on several threads shared work; %.1f s\n",
	       o.count, (unsigned long long)o.seed, cc_context_target(fast), failed, (long long)total.checked,
	       100.0 * (double)total.equal / (double)(total.checked + 1),
	       100.0 * (double)total.unsure / (double)(total.checked + total.unsure + 1), total.ratio, td_shared_runs, td_runs,
	       rt_seconds() - t0);
	failed += !every_op_was_used(&o);
	cc_context_free(fast);
	cc_context_free(plain);
	return failed != 0;
}
