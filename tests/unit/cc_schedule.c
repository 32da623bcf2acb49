/* SPDX-License-Identifier: Apache-2.0
 * The shares of threads: every block of every launch is done by exactly one thread, in thread order, by shares of about
 * the same area; all threads meet the same barriers. Nothing runs here: plans are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/cc.h"

#define MAX_THREADS 32
#define COUNT(a) (sizeof(a) / sizeof *(a))

static cc_context *context;
static ir_diag *diag;
static char current[200]; /* what fails, for messages */
static int checked_balance, checked_cut;

/* ---- reading a plan ---------------------------------------------------------------------------------------------- */

static int64_t ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

static int64_t grid_rows(const rt_launch *l)
{
	return ceil_div(l->rows, l->row_block);
}

static int64_t grid_cols(const rt_launch *l)
{
	return ceil_div(l->cols, l->col_block);
}

static int64_t rest(int64_t size, int64_t block, int64_t i)
{
	return size - i * block < block ? size - i * block : block;
}

/* Elements of block b. */
static int64_t area(const rt_launch *l, int64_t b)
{
	int64_t row = l->down ? b % grid_rows(l) : b / grid_cols(l), col = l->down ? b / grid_rows(l) : b % grid_cols(l);

	return rest(l->rows, l->row_block, row) * rest(l->cols, l->col_block, col);
}

static int64_t share(const rt_launch *l, int64_t lo, int64_t hi)
{
	int64_t sum = 0;

	for (int64_t b = lo; b < hi; b++)
		sum += area(l, b);
	return sum;
}

/* Thread t's share of the launch; lo = hi if it has none. */
static rt_work find_share(const rt_plan *p, uint32_t launch, int t)
{
	rt_work found = {launch, 0, 0, 0};

	for (uint32_t i = p->start[t]; i < p->start[t + 1]; i++) {
		if (p->work[i].launch != launch || p->work[i].lo == p->work[i].hi)
			continue;
		if (found.lo != found.hi)
			fail_msg("%s: thread %d has launch %u twice", current, t, launch);
		found = p->work[i];
	}
	return found;
}

/* Barriers in front of the thread's share. */
static int barriers_before(const rt_plan *p, uint32_t launch, int t)
{
	int n = 0;

	for (uint32_t i = p->start[t]; i < p->start[t + 1]; i++) {
		n += p->work[i].barrier != 0;
		if (p->work[i].launch == launch && p->work[i].lo < p->work[i].hi)
			return n;
	}
	return -1;
}

static void check_balance(const rt_plan *p, uint32_t launch, int64_t most)
{
	const rt_launch *l = &p->launch[launch];
	int64_t all = l->rows * l->cols;

	if (grid_rows(l) * grid_cols(l) < p->threads)
		return;
	checked_balance++;
	if ((double)most > 1.3 * (double)all / p->threads + (double)area(l, 0))
		fail_msg("%s: launch %u (%s, %lld x %lld in blocks of %lld x %lld): a share of %lld elements of %lld", current,
			 launch, l->name, (long long)l->rows, (long long)l->cols, (long long)l->row_block, (long long)l->col_block,
			 (long long)most, (long long)all);
}

/* A product of 1.2 us and more, at the speeds that lower.c reckons with, is worth cutting whatever follows it. */
static bool must_be_cut(const rt_launch *l, bool wide)
{
	int m, n, k;

	return sscanf(l->name, "matmul %dx%dx%d", &m, &n, &k) == 3 && 2.0 * m * n * k / (wide ? 50e9 : 100e9) >= 1.2e-6;
}

static void check_launch(const rt_plan *p, uint32_t launch, bool wide)
{
	const rt_launch *l = &p->launch[launch];
	int64_t next = 0, most = 0, blocks = grid_rows(l) * grid_cols(l);
	int having = 0, segment = -1;

	assert_true(l->row_block > 0 && l->col_block > 0);
	for (int t = 0; t < p->threads; t++) {
		rt_work w = find_share(p, launch, t);
		int64_t size = share(l, w.lo, w.hi);

		if (w.lo == w.hi)
			continue;
		if (w.lo != next || w.hi < w.lo || w.hi > blocks)
			fail_msg("%s: launch %u (%s): thread %d has [%lld, %lld), expected from %lld on", current, launch, l->name, t,
				 (long long)w.lo, (long long)w.hi, (long long)next);
		if (segment >= 0 && segment != barriers_before(p, launch, t))
			fail_msg("%s: launch %u (%s): thread %d does its share between other barriers", current, launch, l->name, t);
		segment = barriers_before(p, launch, t);
		next = w.hi, having++;
		most = size > most ? size : most;
	}
	if (next != blocks)
		fail_msg("%s: launch %u (%s): %lld of %lld blocks are done", current, launch, l->name, (long long)next,
			 (long long)blocks);
	if (having > 1)
		check_balance(p, launch, most);
	if (p->threads > 1 && blocks > 1 && must_be_cut(l, wide)) {
		checked_cut++;
		if (having < 2)
			fail_msg("%s: launch %u (%s) is not cut", current, launch, l->name);
	}
}

static void check_plan(const rt_plan *p, bool wide)
{
	int barriers[MAX_THREADS] = {0};

	assert_int_equal(p->start[0], 0);
	for (int t = 0; t < p->threads; t++) {
		assert_true(p->start[t] <= p->start[t + 1]);
		for (uint32_t i = p->start[t]; i < p->start[t + 1]; i++) {
			assert_true(p->work[i].launch < p->nlaunch && p->work[i].barrier <= 1 && p->work[i].lo <= p->work[i].hi);
			barriers[t] += p->work[i].barrier != 0;
		}
		if (barriers[t] != barriers[0])
			fail_msg("%s: thread %d meets %d barriers, thread 0 %d", current, t, barriers[t], barriers[0]);
	}
	for (size_t i = 0; i < p->nlaunch; i++)
		check_launch(p, (uint32_t)i, wide);
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static void check_function(const ir_func *f, const char *name, bool wide)
{
	for (int threads = 1; threads <= MAX_THREADS; threads++) {
		cc_options o = {.threads = threads, .opt_level = 2};
		cc_program *p;

		snprintf(current, sizeof current, "%s, %d threads", name, threads);
		assert_int_equal(cc_compile(context, f, &o, &p, diag), IR_OK);
		assert_int_equal(cc_program_plan(p)->threads, threads);
		check_plan(cc_program_plan(p), wide);
		cc_program_free(p);
	}
}

static void check_text(const char *text, const char *name, bool wide)
{
	ir_arena *a = ar_open();
	ir_module *m = ir_parse("t.gm", text, strlen(text), a, diag);

	if (!m)
		fail_msg("%s", text);
	check_function(ir_module_find(m, "f"), name, wide);
	ar_free(a);
}

static void products_are_shared_fairly(void **state)
{
	static const int m[] = {1, 3, 4, 5, 37, 128, 200, 515}, k[] = {3, 130};
	static const int n[] = {1, 63, 64, 65, 127, 129, 200, 784, 1025};
	char text[400], name[64];

	(void)state;
	for (size_t i = 0; i < COUNT(m) * COUNT(n); i++) {
		int rows = m[i % COUNT(m)], cols = n[i / COUNT(m)], depth = k[i % 3 != 0];
		bool wide = i % 5 == 4;
		const char *t = wide ? "f64" : "f32";

		snprintf(name, sizeof name, "%d x %d x %d %s", rows, cols, depth, t);
		snprintf(text, sizeof text, "gradmill 1\nfunc f(a: %s[%d,%d], b: %s[%d,%d], c: %s[%d]) {\n  g = matmul a, b\n"
			 "  y = add g, c\n  return y\n}\n", t, rows, depth, t, depth, cols, t, cols);
		check_text(text, name, wide);
		snprintf(text, sizeof text, "gradmill 1\nfunc f(a: %s[%d,%d], b: %s[%d,%d], c: %s[%d]) {\n  w = param %s[%d,%d]\n"
			 "  g = matmul a, b\n  y = add g, c\n  v = sub w, y\n  update w, v\n  return z=c\n}\n", t, rows, depth, t, depth,
			 cols, t, cols, t, rows, cols);
		check_text(text, name, wide); /* in panels */
	}
}

/* Maps, reductions, functions of the runtime: [R,C] of each. */
static void other_kernels_are_shared_fairly(void **state)
{
	static const char *const body[] = {
		"w = param f32[R,C]\n  v = mul w, 0.5\n  update w, v\n  y = neg a", "y = exp x", "y = transpose x, perm=[1,0]",
		"y = sum x, axes=[0]", "y = sum x, axes=[1]", "y = sum x, axes=[0,1]", "y = gather x, i", "y = scatter x, j, rows=77",
		"y = uniform i, f32[R,C]", "y = normal i, f32[R,C]", "y = concat x, x, axis=0", "y = concat x, x, axis=1",
	};
	static const int shape[][2] = {{1, 1}, {1, 70000}, {70000, 1}, {3, 5000}, {5000, 3}, {130, 65}, {257, 1023},
				     {64, 64}, {700, 129}};

	(void)state;
	for (size_t i = 0; i < COUNT(body) * COUNT(shape); i++) {
		const char *b = body[i / COUNT(shape)];
		int rows = shape[i % COUNT(shape)][0], cols = shape[i % COUNT(shape)][1];
		char name[100];
		ir_str s;

		sb_init(&s);
		sb_printf(&s, "gradmill 1\nfunc f(a: f32[2], x: f32[%d,%d], i: i32[2], j: i32[%d]) {\n  ", rows, cols, rows);
		for (const char *p = b; *p; p++)
			if (*p == 'R' || *p == 'C')
				sb_printf(&s, "%d", *p == 'R' ? rows : cols);
			else
				sb_printf(&s, "%c", *p);
		sb_put(&s, "\n  return y\n}\n");
		snprintf(name, sizeof name, "%d x %d: %s", rows, cols, strrchr(b, '\n') ? "map in panels" : b);
		check_text(s.s, name, false);
		sb_fini(&s);
	}
}

/* Whole steps: many launches of all sizes in one level, barriers, late copies. */
static void steps_are_shared_fairly(void **state)
{
	static const char text[] = "gradmill 1\nfunc main(x: f32[B,784]) {\n  h = dense<300>(x)\n  a = gelu h\n"
				   "  z = dense<10>(a)\n  r = dense<130>(z)\n  t = tanh r\n  y = dense<784>(t)\n  loss = mse(y, x)\n"
				   "  return reconstruction=y, latent=z, loss=loss\n}\n";
	static const int batch[] = {1, 32, 128, 500};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(batch); i++) {
		ir_arena *a = ar_open();
		ir_module *m = ir_parse("t.gm", text, sizeof text - 1, a, diag);
		cc_objective obj = cc_objective_default();
		cc_feed feed = {IR_U8, 1000, 784};
		const ir_func *f = ir_bind(ir_module_find(m, "main"), batch[i / 2], a, diag);
		char name[64];

		obj.clip_norm = i % 2 ? 1 : 0;
		f = cc_step(f, &feed, &obj, 1, false, a, diag);
		assert_non_null(f);
		snprintf(name, sizeof name, "step, batch %d, clip %g", batch[i / 2], obj.clip_norm);
		check_function(f, name, false);
		ar_free(a);
	}
}

/* Or the limits above were never looked at. */
static void something_was_checked(void **state)
{
	(void)state;
	assert_true(checked_balance > 1000);
	assert_true(checked_cut > 1000);
}

static int open_all(void **state)
{
	cc_context_options o = cc_context_default();

	(void)state;
	diag = ir_diag_new();
	o.cache_dir = "", o.opt_level = 0;
	return cc_context_new(&o, &context, diag) != IR_OK;
}

static int close_all(void **state)
{
	(void)state;
	cc_context_free(context);
	ir_diag_free(diag);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_are_shared_fairly),
		cmocka_unit_test(other_kernels_are_shared_fairly),
		cmocka_unit_test(steps_are_shared_fairly),
		cmocka_unit_test(something_was_checked),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
