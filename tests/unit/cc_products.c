/* SPDX-License-Identifier: Apache-2.0
 * Products of many sizes and layouts against the interpreter: every value of every factor below meets every value of
 * every other factor in some case, on three targets; one thread and three give the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/diff/diff.h"

#define TARGETS 3
#define CASES   110 /* at least; how many are needed for all pairs is found out */

static cc_context *context[TARGETS]; /* NULL: a target that this machine cannot run */
static const char *const target_name[TARGETS] = {NULL, "x86-64-v3", "x86-64"};

/* ---- which cases ------------------------------------------------------------------------------------------------- */

enum { F_M, F_K, F_N, F_A, F_B, F_TYPE, F_UPDATE, FACTORS };
enum { PLAIN, TURNED, COLUMNS, ROWS, TURNED_PART, LAYOUTS }; /* as stored, transposed, slices, both */
enum { U_NONE, U_RESULT, U_SECOND, U_BOTH, UPDATES }; /* what is updated in place: w -= A B, B itself behind its use */

#define MOST 7
static const int count[FACTORS] = {4, 7, 5, LAYOUTS, LAYOUTS, 2, UPDATES};
static const int size_m[] = {1, 5, 193, 200}, size_n[] = {1, 63, 64, 65, 130};
static const int size_k[] = {0, 1, 127, 129, 1023, 1025, 2049};

typedef struct point {
	int at[FACTORS];
} point;

static bool covered[FACTORS][FACTORS][MOST][MOST];

static int uncovered_pairs(const point *p, bool cover)
{
	int n = 0;

	for (int f = 0; f < FACTORS; f++)
		for (int g = f + 1; g < FACTORS; g++) {
			n += !covered[f][g][p->at[f]][p->at[g]];
			if (cover)
				covered[f][g][p->at[f]][p->at[g]] = true;
		}
	return n;
}

static bool find_uncovered(int *f, int *g, int *x, int *y)
{
	for (*f = 0; *f < FACTORS; ++*f)
		for (*g = *f + 1; *g < FACTORS; ++*g)
			for (*x = 0; *x < count[*f]; ++*x)
				for (*y = 0; *y < count[*g]; ++*y)
					if (!covered[*f][*g][*x][*y])
						return true;
	return false;
}

/* The best of some random cases that have the first pair that is missing; false when none is and there are enough. */
static bool next_case(int n, point *best)
{
	static uint64_t draw;
	int most = -1, f, g, x, y;
	bool missing = find_uncovered(&f, &g, &x, &y);

	if (!missing && n >= CASES)
		return false;
	for (int i = 0; i < 60; i++) {
		point p;

		for (int k = 0; k < FACTORS; k++)
			p.at[k] = (int)rt_random_below(rt_key_seed(3), draw++, (uint64_t)count[k]);
		if (missing)
			p.at[f] = x, p.at[g] = y;
		if (uncovered_pairs(&p, false) > most)
			most = uncovered_pairs(&p, false), *best = p;
	}
	uncovered_pairs(best, true);
	return true;
}

/* ---- one case ---------------------------------------------------------------------------------------------------- */

/* An operand: how it is stored, and where it begins in that. */
typedef struct operand {
	bool turned, part;
	int64_t rows, cols, row0, col0;
} operand;

typedef struct product {
	int m, k, n, update;
	operand a, b;
	ir_dtype type;
	rt_tensor leaf[3]; /* a, b, w */
	const ir_func *f;
	char text[800];
} product;

static operand lay_out(int rows, int cols, int how)
{
	bool turned = how == TURNED || how == TURNED_PART, wide = how == COLUMNS || how == TURNED_PART;
	operand o = {.turned = turned, .part = wide || how == ROWS};

	o.rows = turned ? cols : rows, o.cols = turned ? rows : cols;
	if (wide)
		o.cols += 70, o.col0 = 37;
	if (how == ROWS)
		o.rows += 5, o.row0 = 3;
	return o;
}

static void describe(product *p, const point *c)
{
	*p = (product){.m = size_m[c->at[F_M]], .k = size_k[c->at[F_K]], .n = size_n[c->at[F_N]], .update = c->at[F_UPDATE],
		       .type = c->at[F_TYPE] ? IR_F64 : IR_F32};
	p->a = lay_out(p->m, p->k, c->at[F_A]);
	p->b = lay_out(p->k, p->n, c->at[F_B]);
}

/* The slice that is operand o, rows x cols before it is turned. */
static const char *cut(const operand *o, const char *name, int rows, int cols, char *out, size_t n)
{
	*out = 0;
	if (o->part)
		snprintf(out, n, "  %s_part = slice %s, start=[%d,%d], size=[%d,%d]\n", name, name, (int)o->row0, (int)o->col0,
			 o->turned ? cols : rows, o->turned ? rows : cols);
	return out;
}

static void write_text(product *p)
{
	const char *t = p->type == IR_F32 ? "f32" : "f64";
	bool result = p->update == U_RESULT || p->update == U_BOTH, second = p->update == U_SECOND || p->update == U_BOTH;
	char a[120], b[120];

	snprintf(p->text, sizeof p->text, "gradmill 1\nfunc f(a: %s[%d,%d]) {\n  b = %s %s[%d,%d]\n  w = %s %s[%d,%d]\n%s%s"
		 "  g = matmul a%s, b%s, ta=%s, tb=%s\n%s%s  return %s\n}\n", t, (int)p->a.rows, (int)p->a.cols,
		 second ? "param" : "state", t, (int)p->b.rows, (int)p->b.cols, result ? "param" : "state", t, p->m, p->n,
		 cut(&p->a, "a", p->m, p->k, a, sizeof a), cut(&p->b, "b", p->k, p->n, b, sizeof b), p->a.part ? "_part" : "",
		 p->b.part ? "_part" : "", p->a.turned ? "true" : "false", p->b.turned ? "true" : "false",
		 result ? "  y = sub w, g\n  update w, y\n  z = neg a\n" : "", second ? "  c = mul b, 0.5\n  update b, c\n" : "",
		 result ? "z" : "g");
}

static void make(product *p, ir_arena *a)
{
	ir_diag *d = ir_diag_new();
	ir_module *m;

	write_text(p);
	m = ir_parse("t.gm", p->text, strlen(p->text), a, d);
	if (!m)
		fail_msg("%s", p->text);
	p->f = ir_module_find(m, "f");
	ir_diag_free(d);
	for (size_t i = 0; i < 3; i++) {
		p->leaf[i] = (rt_tensor){p->f->ins[i].type, ar_alloc(a, ir_type_bytes(&p->f->ins[i].type) + 64, 64)};
		td_fill(&p->f->ins[i], 1, p->leaf[i].data);
	}
}

static double magnitude(const rt_tensor *t, const operand *o, int row, int col)
{
	int64_t r = o->row0 + (o->turned ? col : row), c = o->col0 + (o->turned ? row : col);

	return fabs(rt_load(t->type.dtype, t->data, r * o->cols + c));
}

/* The sum of |a| |b| for element (r, c), and |w|. */
static double *magnitudes(const product *p, ir_arena *arena)
{
	double *sum = ar_new(arena, double, (size_t)(p->m * p->n)), *b = ar_new(arena, double, (size_t)(p->k * p->n) + 1);

	for (int k = 0; k < p->k; k++)
		for (int c = 0; c < p->n; c++)
			b[k * p->n + c] = magnitude(&p->leaf[1], &p->b, k, c);
	for (int r = 0; r < p->m; r++)
		for (int k = 0; k < p->k; k++) {
			double a = magnitude(&p->leaf[0], &p->a, r, k);

			for (int c = 0; c < p->n; c++)
				sum[r * p->n + c] += a * b[k * p->n + c];
		}
	return sum;
}

/* The interpreter sums in double, so in f64 it is as far from the exact value as we may be: twice K half units. */
static void compare(const product *p, const rt_tensor *want, const td_buffer *got, const double *sum, const char *how)
{
	double unit = p->type == IR_F32 ? 0x1p-24 : 0x1p-53;

	for (size_t i = 0; i < p->f->nout; i++) {
		const char *name = p->f->out[i].name;
		bool inexact = !strcmp(name, "g") || !strcmp(name, "w");
		int64_t at;

		if (!inexact && !td_same_bits(&want[i].type, want[i].data, got[i].p, &at))
			fail_msg("%s: %s[%lld] is not equal\n%s", how, name, (long long)at, p->text);
		for (at = 0; inexact && at < ir_type_count(&want[i].type); at++) {
			double x = rt_load(p->type, got[i].p, at), y = rt_load(p->type, want[i].data, at);
			double w = *name == 'w' ? fabs(rt_load(p->type, p->leaf[2].data, at)) : 0;

			if (!(fabs(x - y) <= 2 * unit * (p->k * sum[at] + (w > 0 ? w + sum[at] : 0))))
				fail_msg("%s: %s[%lld] is %.17g, not %.17g; sum of magnitudes %g\n%s", how, name, (long long)at, x, y,
					 sum[at], p->text);
		}
	}
}

static void run(const product *p, int target, int threads, td_buffer *out)
{
	td_how how = {context[target], 2, threads, 1, NULL};
	ir_str why;

	sb_init(&why);
	if (!td_run_given(&how, p->f, p->leaf, out, &why))
		fail_msg("%s, %d threads: %s\n%s", cc_context_target(context[target]), threads, why.s, p->text);
	sb_fini(&why);
}

static void check(const point *c)
{
	ir_arena *a = ar_open();
	rt_tensor want[4];
	const double *sum;
	product p;

	describe(&p, c);
	make(&p, a);
	assert_int_equal(rt_interpret(p.f, p.leaf, want), IR_OK);
	sum = magnitudes(&p, a);
	for (int t = 0; t < TARGETS; t++) {
		td_buffer one[4], three[4];
		int64_t at;

		if (!context[t])
			continue;
		run(&p, t, 1, one);
		run(&p, t, 3, three);
		compare(&p, want, one, sum, cc_context_target(context[t]));
		for (size_t i = 0; i < p.f->nout; i++) {
			if (!td_same_bits(&want[i].type, one[i].p, three[i].p, &at))
				fail_msg("%s: 3 threads differ at %s[%lld]\n%s", cc_context_target(context[t]), p.f->out[i].name,
					 (long long)at, p.text);
			td_buffer_free(&one[i]);
			td_buffer_free(&three[i]);
		}
	}
	for (size_t i = 0; i < p.f->nout; i++)
		rt_tensor_free(&want[i]);
	ar_free(a);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void products_are_the_interpreters(void **state)
{
	point c;
	int n = 0, f, g, x, y;

	(void)state;
	while (next_case(n, &c)) {
		check(&c);
		n++;
	}
	assert_false(find_uncovered(&f, &g, &x, &y));
	assert_true(n >= CASES && n < 2 * CASES);
}

static int open_contexts(void **state)
{
	(void)state;
	return !td_open_contexts(target_name, TARGETS, context);
}

static int close_contexts(void **state)
{
	(void)state;
	td_close_contexts(context, TARGETS);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_are_the_interpreters),
	};

	return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
