/* SPDX-License-Identifier: Apache-2.0
 * The team: a plan made by hand, run with different numbers of threads and different grids for many steps, must give
 * the same bits; also when OpenMP delivers fewer threads than the plan has. That last case needs another process,
 * because the limit is read when OpenMP starts: the program runs itself with OMP_THREAD_LIMIT. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "runtime/rt.h"
#include "runtime/team.h"

/* ---- a small training step: leaves x (moves), w (updated in place); outputs loss (moves), last a ------- */

enum { ROWS = 37, COLS = 29, CELLS = ROWS * COLS, STEPS = 60, BIG = CELLS * 4 + 64 };

/* a[r][c] = f(x[c] + w[r][c]), f being the epilogue behind the last operand */
static void k_forward(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
	const float *x = buf[0], *w = buf[1];
	float *a = buf[2];
	rt_kernel *epilogue = (rt_kernel *)(uintptr_t)buf[3];

	for (int64_t r = r0; r < r1; r++) {
		for (int64_t c = c0; c < c1; c++)
			a[r * arg[0] + c] = x[c] + w[r * arg[0] + c];
		void *row = a + r * arg[0];
		epilogue(&row, arg, 0, 1, c0, c1);
	}
}

static void k_squash(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
	float *a = buf[0];

	(void)arg, (void)r0, (void)r1;
	for (int64_t c = c0; c < c1; c++)
		a[c] = a[c] / (1 + fabsf(a[c]));
}

/* b[c][r] = sum of a[r][0..c]: reads what other threads wrote */
static void k_scan(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
	const float *a = buf[0];
	float *b = buf[1];

	for (int64_t c = r0; c < r1; c++)
		for (int64_t r = c0; r < c1; r++) {
			float s = 0;

			for (int64_t i = 0; i <= c; i++)
				s += a[r * arg[0] + i];
			b[c * arg[1] + r] = s;
		}
}

/* w[r][c] -= 0.01 b[c][r] */
static void k_update(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
	const float *b = buf[0];
	float *w = buf[1];

	for (int64_t r = r0; r < r1; r++)
		for (int64_t c = c0; c < c1; c++)
			w[r * arg[0] + c] -= 0.01f * b[c * arg[1] + r];
}

/* One element: the sum of all, in order */
static void k_loss(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
	const float *a = buf[0];
	float s = 0;

	(void)r0, (void)r1, (void)c0, (void)c1;
	for (int64_t i = 0; i < arg[0] * arg[1]; i++)
		s += a[i] * a[i];
	*(float *)buf[1] = s;
}

static const int64_t size_arg[2] = {COLS, ROWS};
static const rt_slot forward_slot[] = {
	{RT_SLOT_LEAF, 0, 0, NULL}, {RT_SLOT_LEAF, 1, 0, NULL},
	{RT_SLOT_OUTPUT, 1, 0, NULL}, {RT_SLOT_CODE, 0, 0, k_squash}};
static const rt_slot scan_slot[] = {{RT_SLOT_OUTPUT, 1, 0, NULL}, {RT_SLOT_ARENA, 0, 64, NULL}};
static const rt_slot update_slot[] = {{RT_SLOT_ARENA, 0, 64, NULL}, {RT_SLOT_LEAF, 1, 0, NULL}};
static const rt_slot loss_slot[] = {{RT_SLOT_OUTPUT, 1, 0, NULL}, {RT_SLOT_OUTPUT, 0, 0, NULL}};
static const rt_port leaf_port[] = {{.name = "x", .bytes = COLS * 4}, {.name = "w", .bytes = CELLS * 4}};
static const rt_port output_port[] = {{.name = "loss", .bytes = 4}, {.name = "a", .bytes = CELLS * 4}};

typedef struct toy {
	rt_plan plan;
	rt_launch launch[4];
	rt_work work[64];
	uint32_t start[9];
} toy;

static int64_t blocks(const rt_launch *l)
{
	return (l->rows + l->row_block - 1) / l->row_block * ((l->cols + l->col_block - 1) / l->col_block);
}

/* Barriers before scan and before update; loss runs beside update on the last thread alone, so the others carry
 * an empty item. Every launch of a thread is cut in two items at an odd place. */
static void share(toy *t, int threads)
{
	uint32_t n = 0;

	for (int me = 0; me < threads; me++) {
		t->start[me] = n;
		for (uint32_t l = 0; l < 4; l++) {
			int64_t all = blocks(&t->launch[l]), lo = all * me / threads, hi = all * (me + 1) / threads;
			int64_t mid = lo + (hi - lo) / 3;

			if (l == 3 && me != threads - 1)
				continue;
			if (l == 3)
				lo = mid = 0, hi = 1;
			t->work[n++] = (rt_work){l, l == 1 || l == 2, lo, mid};
			t->work[n++] = (rt_work){l, 0, mid, hi};
		}
	}
	t->start[threads] = n;
}

static void toy_init(toy *t, int threads, int64_t rb, int64_t cb)
{
	*t = (toy){.launch = {
		{k_forward, "forward", forward_slot, 4, 2, size_arg, ROWS, COLS, rb, cb, false},
		{k_scan, "scan", scan_slot, 2, 2, size_arg, COLS, ROWS, cb, rb, true},
		{k_update, "update", update_slot, 2, 2, size_arg, ROWS, COLS, rb, cb, false},
		{k_loss, "loss", loss_slot, 2, 2, size_arg, 1, 1, 1, 1, false},
	}};
	share(t, threads);
	t->plan = (rt_plan){t->launch, 4, t->work, t->start, threads, leaf_port, output_port, 2, 2, BIG};
}

typedef struct result {
	float loss[STEPS], w[CELLS], a[CELLS];
} result;

/* x of every step. */
static float *inputs(void)
{
	float *xs = malloc(sizeof *xs * STEPS * COLS);

	for (int i = 0; i < STEPS * COLS; i++)
		xs[i] = sinf((float)i);
	return xs;
}

/* In two runs of unequal length, rebinding what moves. */
static void toy_run(int threads, int64_t rb, int64_t cb, result *r)
{
	float *xs = inputs();
	const size_t first = 13;
	rt_exec *e;
	toy t;

	memset(r, 0, sizeof *r);
	toy_init(&t, threads, rb, cb);
	assert_int_equal(rt_exec_new(&t.plan, &e), IR_OK);
	rt_bind_leaf(e, 0, xs, COLS * 4);
	rt_bind_leaf(e, 1, r->w, 0);
	rt_bind_output(e, 0, r->loss, 4);
	rt_bind_output(e, 1, r->a, 0);
	rt_run(e, 0);
	rt_run(e, first);
	rt_bind_leaf(e, 0, xs + first * COLS, COLS * 4);
	rt_bind_output(e, 0, r->loss + first, 4);
	rt_run(e, STEPS - first);
	rt_exec_free(e);
	free(xs);
}

static void any_team_gives_the_same_bits(void **state)
{
	static const int64_t grid[][2] = {{ROWS, COLS}, {1, 1}, {5, 7}, {16, COLS}, {100, 3}};
	result *want = malloc(sizeof *want), *got = malloc(sizeof *got);

	(void)state;
	toy_run(1, ROWS, COLS, want);
	assert_true(want->loss[0] > 1 && want->loss[STEPS - 1] > 0);
	assert_true(want->loss[1] != want->loss[0]);
	for (int threads = 1; threads <= 4; threads++)
		for (size_t g = 0; g < sizeof grid / sizeof *grid; g++) {
			toy_run(threads, grid[g][0], grid[g][1], got);
			assert_memory_equal(got, want, sizeof *got);
		}
	assert_int_equal(rt_live_bytes(), 0);
	free(want);
	free(got);
}

/* Rounds by the team and alone in turns, each of them a trial, so that its end decides anew who comes next. */
static void alone_or_not_gives_the_same_bits(void **state)
{
	result *want = malloc(sizeof *want), *got = malloc(sizeof *got);
	float *xs = inputs();

	(void)state;
	toy_run(1, ROWS, COLS, want);
	for (int n = 0; n < 30; n++) {
		rt_exec *e;
		toy t;

		memset(got, 0, sizeof *got);
		toy_init(&t, 2 + n % 3, 5, 7);
		assert_int_equal(rt_exec_new(&t.plan, &e), IR_OK);
		rt_bind_leaf(e, 1, got->w, 0);
		rt_bind_output(e, 1, got->a, 0);
		for (size_t at = 0; at < STEPS; at += 20) {
			e->pace = (rt_pace){.alone = (at / 20 + (size_t)n) % 2 == 0, .trial = true, .step = {1, 1}};
			rt_bind_leaf(e, 0, xs + at * COLS, COLS * 4);
			rt_bind_output(e, 0, got->loss + at, 4);
			rt_run(e, 20);
		}
		rt_exec_free(e);
		assert_memory_equal(got, want, sizeof *got);
	}
	free(xs);
	free(want);
	free(got);
}

static void *come_late(void *e)
{
	usleep(5000);
	rt_team_run(e, RT_PACE_ROUND, 1, 2);
	return NULL;
}

/* Thread 1 comes when thread 0 has long done a round alone and thinks otherwise of the next one. */
static void a_late_thread_sees_whose_the_round_was(void **state)
{
	result *want = malloc(sizeof *want), *got = malloc(sizeof *got);
	float *xs = inputs();
	pthread_t late;
	rt_exec *e;
	toy t;

	(void)state;
	toy_run(1, ROWS, COLS, want);
	memset(got, 0, sizeof *got);
	toy_init(&t, 2, 5, 7);
	assert_int_equal(rt_exec_new(&t.plan, &e), IR_OK);
	rt_bind_leaf(e, 0, xs, COLS * 4);
	rt_bind_leaf(e, 1, got->w, 0);
	rt_bind_output(e, 0, got->loss, 4);
	rt_bind_output(e, 1, got->a, 0);
	rt_team_resolve(e);
	e->paced = true;
	e->pace = (rt_pace){.alone = true, .trial = true, .step = {1e-9, 0}};
	alarm(20); /* if it waits for ever */
	assert_int_equal(pthread_create(&late, NULL, come_late, e), 0);
	rt_team_run(e, RT_PACE_ROUND, 0, 2);
	pthread_join(late, NULL);
	alarm(0);
	assert_false(e->pace.alone);
	assert_memory_equal(got->loss, want->loss, RT_PACE_ROUND * sizeof *got->loss);
	rt_exec_free(e);
	free(xs);
	free(want);
	free(got);
}

static void nested(void *ctx, size_t i)
{
	result *r = ctx;

	toy_run(4, 5, 7, &r[i]);
}

/* Inside a parallel loop OpenMP gives a team of one, which plays all four threads. */
static void runs_inside_a_parallel_loop(void **state)
{
	result *r = malloc(3 * sizeof *r);

	(void)state;
	toy_run(1, ROWS, COLS, &r[2]);
	rt_parallel(2, 2, nested, r);
	assert_memory_equal(&r[0], &r[2], sizeof *r);
	assert_memory_equal(&r[1], &r[2], sizeof *r);
	free(r);
}

/* ---- the parts ---------------------------------------------------------------------------------------- */

static atomic_int calls;

static void k_count(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
	unsigned char *seen = buf[0];

	assert_true(r0 < r1 && r1 <= arg[0] && c0 < c1 && c1 <= arg[1]);
	atomic_fetch_add(&calls, 1);
	for (int64_t r = r0; r < r1; r++)
		for (int64_t c = c0; c < c1; c++)
			seen[r * arg[1] + c]++;
}

/* Blocks [lo, hi) of a 5 x 4 grid over 9 x 11 cells, numbered along its rows or down its columns: each cell at most once, with the
 * fewest rectangles. */
static void blocks_are_merged(void **state)
{
	static const struct {
		int64_t lo, hi;
		int calls, cells;
		bool down;
	} row[] = {{0, 20, 1, 99, false}, {0, 4, 1, 22, false},   {1, 4, 1, 16, false},  {1, 9, 3, 44, false},
		   {3, 5, 2, 10, false},  {16, 20, 1, 11, false}, {19, 20, 1, 2, false}, {5, 5, 0, 0, false},
		   {0, 20, 1, 99, true},  {0, 5, 1, 27, true},    {1, 11, 3, 54, true},  {15, 20, 1, 18, true}};
	const int64_t arg[2] = {9, 11};
	const rt_slot slot = {RT_SLOT_OUTPUT, 0, 0, NULL};
	const rt_port port = {.name = "seen", .bytes = 99};
	const uint32_t start[2] = {0, 1};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		const rt_launch l = {k_count, "count", &slot, 1, 2, arg, 9, 11, 2, 3, row[i].down};
		rt_work w = {0, 0, row[i].lo, row[i].hi};
		rt_plan p = {&l, 1, &w, start, 1, NULL, &port, 0, 1, 0};
		unsigned char seen[99] = {0};
		int cells = 0;
		rt_exec *e;

		assert_int_equal(rt_exec_new(&p, &e), IR_OK);
		rt_bind_output(e, 0, seen, 0);
		atomic_store(&calls, 0);
		rt_run(e, 1);
		for (int j = 0; j < 99; j++) {
			assert_true(seen[j] <= 1);
			cells += seen[j];
		}
		assert_int_equal(atomic_load(&calls), row[i].calls);
		assert_int_equal(cells, row[i].cells);
		rt_exec_free(e);
	}
}

/* ---- measuring ----------------------------------------------------------------------------------------- */

/* Every share that is not empty counts once per step. */
static void profile_counts_every_share(void **state)
{
	static float x[COLS], w[CELLS], a[CELLS], loss;

	(void)state;
	for (int threads = 1; threads <= 3; threads++) {
		const rt_profile *f;
		rt_exec *e;
		toy t;

		toy_init(&t, threads, 5, 7);
		assert_int_equal(rt_exec_new(&t.plan, &e), IR_OK);
		rt_bind_leaf(e, 0, x, 0);
		rt_bind_leaf(e, 1, w, 0);
		rt_bind_output(e, 0, &loss, 0);
		rt_bind_output(e, 1, a, 0);
		assert_null(rt_exec_profile(e));
		rt_run(e, 1);
		rt_exec_measure(e, true);
		rt_run(e, 3);
		rt_run(e, 4);
		f = rt_exec_profile(e);
		assert_int_equal(f->steps, 7);
		for (uint32_t l = 0; l < 4; l++) {
			uint64_t shares = 0;

			for (uint32_t i = 0; i < t.start[threads]; i++)
				shares += t.work[i].launch == l && t.work[i].hi > t.work[i].lo;
			assert_int_equal(f->items[l], 7 * shares);
			assert_true(f->busy[l] > 0);
		}
		assert_true(f->wall > 0 && f->wait >= 0);
		rt_exec_measure(e, false);
		assert_null(rt_exec_profile(e));
		rt_exec_free(e);
	}
}

/* ---- panels --------------------------------------------------------------------------------------------- */

enum { TALL = 5, WIDE = 2 * RT_PANEL + 7, PADDED = TALL * 3 * RT_PANEL };

/* w += its own place in the panels, seen as one flat row. */
static void k_number(void *const *buf, const int64_t *arg, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
	float *w = buf[0];

	(void)arg, (void)r0, (void)r1;
	for (int64_t c = c0; c < c1; c++)
		w[c] += (float)c;
}

/* Two runs of two steps: rows of the caller in, panels for the kernel, rows out. */
static void leaves_move_into_panels_and_back(void **state)
{
	const rt_slot slot = {RT_SLOT_ARENA, 0, 128, NULL};
	const rt_launch l = {k_number, "number", &slot, 1, 0, NULL, 1, PADDED, 1, 100, false};
	const rt_work w[3] = {{0, 0, 0, 4}, {0, 0, 4, 7}, {0, 0, 7, (PADDED + 99) / 100}};

	(void)state;
	for (int threads = 1; threads <= 3; threads++)
		for (int written = 0; written < 2; written++) {
			const uint32_t start[4] = {0, threads == 1 ? 3 : 1, threads == 3 ? 2 : 3, 3};
			const rt_port port = {"w", TALL * WIDE * 4, true, written, TALL, WIDE, 128};
			const rt_plan p = {&l, 1, w, start, threads, &port, NULL, 1, 0, 128 + PADDED * 4};
			float have[TALL][WIDE];
			rt_exec *e;

			for (int i = 0; i < TALL * WIDE; i++)
				have[i / WIDE][i % WIDE] = 1000000 + (float)i;
			assert_int_equal(rt_exec_new(&p, &e), IR_OK);
			rt_bind_leaf(e, 0, have, 0);
			rt_run(e, 2);
			rt_run(e, 2);
			rt_exec_free(e);
			for (int r = 0; r < TALL; r++)
				for (int c = 0; c < WIDE; c++) {
					int place = c / RT_PANEL * TALL * RT_PANEL + r * RT_PANEL + c % RT_PANEL;

					assert_true(have[r][c] == 1000000 + (float)(r * WIDE + c + written * 4 * place));
				}
		}
}

static void no_memory_is_a_status(void **state)
{
	rt_exec *e;
	toy t;

	(void)state;
	toy_init(&t, 2, 5, 7);
	rt_set_budget(1000);
	assert_int_equal(rt_exec_new(&t.plan, &e), IR_ENOMEM);
	assert_null(e);
	rt_set_budget(0);
	for (int n = 1; n <= 2; n++) {
		rt_fault_after(n);
		assert_int_equal(rt_exec_new(&t.plan, &e), IR_ENOMEM);
		assert_int_equal(rt_live_bytes(), 0);
	}
	rt_fault_after(0);
	rt_exec_free(NULL);
}

static void mark(void *ctx, size_t i)
{
	((int *)ctx)[i] += (int)i + 1;
}

static void parallel_loop_visits_each_once(void **state)
{
	(void)state;
	for (int threads = 0; threads <= 4; threads++)
		for (size_t n = 0; n < 20; n++) {
			int v[20] = {0};

			rt_parallel(threads, n, mark, v);
			for (size_t i = 0; i < 20; i++)
				assert_int_equal(v[i], i < n ? (int)i + 1 : 0);
		}
}

static void machine_is_sane(void **state)
{
	double t = rt_seconds();

	(void)state;
	assert_true(rt_cores() >= 1 && rt_cores() <= 1 << 20);
	assert_true(rt_seconds() >= t);
}

/* ---- fewer threads than asked -------------------------------------------------------------------------- */

extern char **environ;

static void runs_with_fewer_threads(void **state)
{
	static const char *const limit[] = {"1", "2", "3"};

	for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
		char *argv[] = {"rt_par", "team", NULL};
		int status;
		pid_t pid;

		setenv("OMP_THREAD_LIMIT", limit[i], 1);
		setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* under a limit OpenMP itself leaves a kilobyte behind */
		setenv("KMP_WARNINGS", "0", 1); /* that it could not form the team: we know */
		assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
		unsetenv("OMP_THREAD_LIMIT");
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	(void)state;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest team[] = {cmocka_unit_test(any_team_gives_the_same_bits)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_team_gives_the_same_bits), cmocka_unit_test(alone_or_not_gives_the_same_bits),
		cmocka_unit_test(a_late_thread_sees_whose_the_round_was), cmocka_unit_test(runs_inside_a_parallel_loop),
		cmocka_unit_test(blocks_are_merged), cmocka_unit_test(leaves_move_into_panels_and_back),
		cmocka_unit_test(profile_counts_every_share), cmocka_unit_test(no_memory_is_a_status),
		cmocka_unit_test(parallel_loop_visits_each_once), cmocka_unit_test(machine_is_sane),
		cmocka_unit_test(runs_with_fewer_threads),
	};

	if (argc > 1 && !strcmp(argv[1], "team"))
		return cmocka_run_group_tests(team, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
