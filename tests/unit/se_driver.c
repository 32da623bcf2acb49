/* SPDX-License-Identifier: Apache-2.0
 * The driver's book-keeping when workers die: nobody waits for an answer that cannot come, nothing is asked for ever.
 * The workers are empty places whose pipes end in /dev/null. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "search/driver_int.h"

typedef struct fixture {
	char path[64];
	se_driver v;
} fixture;

static void add_workers(se_driver *v)
{
	v->pool.n = 2;
	for (size_t i = 0; i < v->pool.n; i++) {
		se_wire_init(&v->pool.worker[i].wire, -1, open("/dev/null", O_WRONLY | O_CLOEXEC));
		v->pool.worker[i].state = SE_WORKER_IDLE;
		v->pool.worker[i].number = -1;
	}
}

static int setup(void **state)
{
	fixture *f = ir_xmalloc(1, sizeof *f);
	se_driver *v = &f->v;

	strcpy(f->path, "/tmp/gradmill_driver_XXXXXX");
	close(mkstemp(f->path));
	v->d = ir_diag_new();
	v->o = ir_xmalloc(1, sizeof *v->o); /* nothing asked for */
	v->arena = ar_open();
	v->study = (se_study){.name = "s", .space = "dense", .sampler = "random", .data = "x", .data_key = "k", .target = "t",
		.build = "b", .delay = 16, .width = 784, .ntrain = 9, .nval = 1, .ntest = 2};
	v->final_number = v->final_worker = v->floor_worker = v->data = -1;
	*se_driver_add_item(v, 0) = (se_item){.id = 1, .number = 0, .state = SE_COMPLETE, .value = 1, .test_value = NAN, .home = -1};
	v->settled = 1;
	se_progress_init(&v->progress, true);
	add_workers(v);
	assert_int_equal(se_store_open(f->path, SE_OPEN_WRITE, &v->store, v->d), IR_OK);
	assert_int_equal(se_store_add_study(v->store, &v->study, v->d), IR_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture *f = *state;

	for (size_t i = 0; i < f->v.pool.n; i++)
		se_wire_fini(&f->v.pool.worker[i].wire);
	se_store_close(f->v.store);
	ar_free(f->v.arena);
	ir_diag_free(f->v.d);
	free((void *)f->v.o);
	unlink(f->path);
	free(f);
	return 0;
}

static void die(se_driver *v, size_t who)
{
	v->pool.worker[who].state = SE_WORKER_NONE;
	assert_int_equal(se_driver_death(v, who, &(se_death){.why = "worker died: signal 11"}), IR_OK);
}

/* Trial 0 is being looked at by worker 1. */
static void look(se_driver *v)
{
	v->final_number = 0;
	v->final_worker = 1;
	v->pool.worker[1].state = SE_WORKER_BUSY;
}

static void another_worker_dies_during_a_finalist(void **state)
{
	se_driver *v = &((fixture *)*state)->v;
	se_message m = {.kind = SE_M_result, .number = 0, .status = IR_EINPUT, .cause = "x", .value = NAN, .test_value = NAN};

	look(v);
	die(v, 0);
	assert_int_equal(v->final_number, 0);
	assert_int_equal(v->final_worker, 1);
	assert_int_equal(se_driver_message(v, 1, &m), IR_OK);
	assert_int_equal(v->pool.worker[1].state, SE_WORKER_IDLE);
	assert_int_equal(v->final_worker, -1);
}

static void the_finalists_worker_dies(void **state)
{
	se_driver *v = &((fixture *)*state)->v;

	look(v);
	die(v, 1);
	assert_int_equal(v->final_number, -1);
	assert_int_equal(v->final_worker, -1);
	assert_int_equal(v->deaths_at_start, 0);
}

static void a_result_that_nobody_asked_for(void **state)
{
	se_driver *v = &((fixture *)*state)->v;

	v->pool.worker[0].state = SE_WORKER_BUSY;
	assert_int_equal(se_driver_message(v, 0, &(se_message){.kind = SE_M_result, .number = 7}), IR_OK);
	assert_int_equal(v->pool.worker[0].state, SE_WORKER_IDLE);
}

static void a_deadly_floor_is_given_up(void **state)
{
	se_driver *v = &((fixture *)*state)->v;

	v->floor[0] = 8;
	v->floor[1] = 16;
	v->nfloor = 2;
	for (int i = 0; i < 2; i++) {
		assert_true(se_driver_ask_floor(v, 0));
		assert_int_equal(v->floor_asked, 8);
		die(v, 0);
		assert_int_equal(v->floor_worker, -1);
		v->deaths_at_start = 0; /* what a new worker's start does */
	}
	assert_int_equal(v->nfloor, 1);
	assert_int_equal(v->floor[0], 16);
	assert_int_equal(v->nlost, 1);
	assert_int_equal(v->floor_lost[0], 8);
	assert_true(se_driver_ask_floor(v, 1)); /* the next one has its own two attempts */
	die(v, 1);
	assert_int_equal(v->nfloor, 1);
	assert_true(se_driver_ask_floor(v, 0));
	assert_int_equal(se_driver_message(v, 0, &(se_message){.kind = SE_M_floor, .latent = 16, .value = 0.5, .test_value = 0.5}),
			 IR_OK);
	assert_int_equal(v->nfloor, 0);
	assert_int_equal(v->floor_deaths, 0);
	assert_false(se_driver_ask_floor(v, 0));
}

/* Dying later, over a trial, is no floor's fault. */
static void the_floor_worker_dies_later(void **state)
{
	se_driver *v = &((fixture *)*state)->v;

	v->floor[0] = 8;
	v->nfloor = 1;
	assert_true(se_driver_ask_floor(v, 0));
	assert_int_equal(se_driver_message(v, 0, &(se_message){.kind = SE_M_floor, .latent = 8, .value = NAN, .test_value = NAN}),
			 IR_OK);
	die(v, 0);
	assert_int_equal(v->floor_worker, -1);
	assert_int_equal(v->floor_deaths, 0);
	assert_int_equal(v->nlost, 0);
}

/* The worker's message stands for itself. */
static void a_worker_that_cannot_begin(void **state)
{
	se_driver *v = &((fixture *)*state)->v;
	se_message m = {.kind = SE_M_error, .status = IR_EINPUT, .cause = "shared data: not a sealed file"};

	assert_int_equal(se_driver_message(v, 0, &m), IR_EINPUT);
	assert_int_equal(ir_diag_get(v->d, 0)->id, IR_E_worker);
	assert_string_equal(ir_diag_get(v->d, 0)->text, m.cause);
}

/* No descriptors left: the message says so. */
static void a_worker_that_cannot_be_started(void **state)
{
	se_driver *v = &((fixture *)*state)->v;
	struct rlimit old, none;
	se_pool p;
	ir_status st;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){3, old.rlim_max};
	se_pool_init(&p, 1, &(se_message){.kind = SE_M_open}, -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	st = se_pool_start(&p, 0, v->d);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(st, IR_EINTERNAL);
	assert_non_null(strstr(ir_diag_get(v->d, 0)->text, "Too many open files"));
	assert_int_equal(p.worker[0].state, SE_WORKER_NONE);
}

/* ---- whose fault a death is ------------------------------------------------------------------------------------- */

/* Trial 1, with a row, is being trained by worker 0. */
static se_item *run_one(se_driver *v)
{
	se_proposal p = {.number = 1, .space = v->space, .ir = "gradmill 1", .sampler = "random", .parent = -1};
	se_genome g;
	se_item *i;

	v->space = ar_new(v->arena, se_space, 1);
	assert_true(se_space_init(v->space, "dense", &(se_limits){0, 0, 0}));
	v->sampler = se_sampler_new(&se_sampler_evolution, v->space, 0, 16);
	se_sampler_ask(v->sampler, 1, 0, &g, NULL);
	p.space = v->space;
	p.genome = &g;
	i = se_driver_add_item(v, 1);
	i->genome = g;
	i->ir = "gradmill 1";
	assert_int_equal(se_store_propose(v->store, v->study.id, &p, &i->id, v->d), IR_OK);
	return i;
}

static void start_one(se_driver *v, se_item *i)
{
	assert_int_equal(se_store_begin(v->store, i->id, 7, v->d), IR_OK);
	i->state = SE_RUNNING;
	v->pool.worker[0].state = SE_WORKER_BUSY;
	v->pool.worker[0].number = 1;
}

static const char *cause(se_driver *v)
{
	se_table t;

	assert_int_equal(se_store_select(v->store, "SELECT state || ' ' || attempts || ' ' || coalesce(cause, '') FROM v_trials "
		"WHERE number = 1", NULL, 0, v->arena, &t, v->d), IR_OK);
	return t.cell[0].text;
}

static size_t curve(se_driver *v)
{
	se_table t;

	assert_int_equal(se_store_select(v->store, "SELECT 1 FROM v_curves WHERE number = 1", NULL, 0, v->arena, &t, v->d), IR_OK);
	return t.nrow;
}

static void killed_from_outside(void **state)
{
	se_driver *v = &((fixture *)*state)->v;
	se_item *i = run_one(v);

	for (int k = 0; k < 10; k++) {
		start_one(v, i);
		assert_int_equal(se_driver_death(v, 0, &(se_death){.why = "worker was killed: signal 9", .external = true}), IR_OK);
	}
	assert_string_equal(cause(v), "WAITING 0 ");
	assert_int_equal(i->state, SE_WAITING);
	se_sampler_free(v->sampler);
}

static void three_crashes(void **state)
{
	se_driver *v = &((fixture *)*state)->v;
	se_item *i = run_one(v);

	for (int k = 0; k < 3; k++) {
		assert_int_equal(i->state == SE_FAIL, 0);
		start_one(v, i);
		assert_int_equal(se_store_epoch(v->store, i->id, 1, .5, .5, v->d), IR_OK);
		die(v, 0);
	}
	assert_string_equal(cause(v), "FAIL 3 worker died: signal 11");
	assert_int_equal(v->item[0].state, SE_COMPLETE); /* the list has moved */
	assert_int_equal(curve(v), 0); /* each attempt's went with it */
	se_sampler_free(v->sampler);
}

/* The memory of a worker is also that of earlier trials: once more, in a fresh one. */
static void a_limit_of_memory(void **state)
{
	se_death death = {.why = SE_CAUSE_MEMORY "more than 9 MiB", .limit = true};
	se_driver *v = &((fixture *)*state)->v;
	se_item *i = run_one(v);

	start_one(v, i);
	assert_int_equal(se_driver_death(v, 0, &death), IR_OK);
	assert_string_equal(cause(v), "WAITING 0 ");
	start_one(v, i);
	assert_int_equal(se_driver_death(v, 0, &death), IR_OK);
	assert_string_equal(cause(v), "FAIL 0 memory limit: more than 9 MiB");
	se_sampler_free(v->sampler);
}

/* A result that arrives while its worker is being killed counts; the worker gets nothing else to do. */
static void a_result_beside_a_limit(void **state)
{
	se_driver *v = &((fixture *)*state)->v;
	se_item *i = run_one(v);
	se_message m = {.kind = SE_M_result, .number = 1, .status = IR_OK, .value = .5, .test_value = NAN, .weights_key = "k"};

	start_one(v, i);
	v->pool.worker[0].limit = true;
	assert_int_equal(se_driver_message(v, 0, &m), IR_OK);
	assert_int_equal(v->pool.worker[0].state, SE_WORKER_BUSY);
	v->pool.worker[0].state = SE_WORKER_NONE;
	assert_int_equal(se_driver_death(v, 0, &(se_death){.why = "time limit: 1 s", .limit = true}), IR_OK);
	assert_string_equal(cause(v), "COMPLETE 0 ");
	assert_int_equal(v->deaths_at_start, 0);
	se_sampler_free(v->sampler);
}

static void a_limit(void **state)
{
	se_driver *v = &((fixture *)*state)->v;
	se_item *i = run_one(v);

	start_one(v, i);
	assert_int_equal(se_driver_death(v, 0, &(se_death){.why = "time limit: more than 5 s", .limit = true}), IR_OK);
	assert_string_equal(cause(v), "FAIL 0 time limit: more than 5 s");
	se_sampler_free(v->sampler);
}

/* The kernel says how a process died; pool.c says what that means. */
static void signals(void **state)
{
	static const struct {
		int sig;
		bool external;
	} row[] = {{SIGKILL, true}, {SIGTERM, true}, {SIGSEGV, false}, {SIGABRT, false}, {SIGILL, false}};

	(void)state;
	for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
		se_pool p;
		se_message m;
		se_death death;
		se_pool_event e = SE_POOL_NOTHING;
		ir_diag *d = ir_diag_new();
		size_t who;
		pid_t child = fork(); /* does nothing but die: no thread, no lock */

		if (!child) {
			signal(row[k].sig, SIG_DFL); /* cmocka's own handlers would make a test failure of it */
			raise(SIGSTOP);
			_exit(3);
		}
		se_pool_init(&p, 1, &(se_message){.kind = SE_M_open}, -1);
		se_wire_init(&p.worker[0].wire, open("/dev/null", O_RDONLY | O_CLOEXEC), -1);
		p.worker[0].pid = child;
		p.worker[0].state = SE_WORKER_BUSY;
		waitpid(child, NULL, WUNTRACED); /* until it has stopped itself */
		kill(child, row[k].sig);
		kill(child, SIGCONT);
		while (e == SE_POOL_NOTHING)
			e = se_pool_next(&p, 1000, NULL, &who, &m, &death);
		assert_int_equal(e, SE_POOL_DEATH);
		assert_int_equal(death.external, row[k].external);
		assert_false(death.limit);
		ir_diag_free(d);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_worker_dies_during_a_finalist), TEST(the_finalists_worker_dies), TEST(a_result_that_nobody_asked_for),
		TEST(a_deadly_floor_is_given_up), TEST(the_floor_worker_dies_later), TEST(a_worker_that_cannot_be_started),
		TEST(a_worker_that_cannot_begin), TEST(killed_from_outside), TEST(three_crashes), TEST(a_limit),
		TEST(a_limit_of_memory), TEST(a_result_beside_a_limit), TEST(signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
