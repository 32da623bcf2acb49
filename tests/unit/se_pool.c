/* SPDX-License-Identifier: Apache-2.0
 * What a worker process is born with: its pipes, stderr and the data, whatever numbers they have in the driver. The pool
 * starts /proc/self/exe, which is this program: as a worker it says which descriptors it has, and ends. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "search/cmd.h"
#include "search/learn/learn.h"
#include "search/pool.h"

/* hello: build is "number number ..", version the first row's second pixel; -1: no data. */
static int worker(void)
{
	se_message m = {.kind = SE_M_hello, .version = -1};
	ir_diag *d = ir_diag_new();
	se_wire wire;
	le_data t;
	ir_str open;

	sb_init(&open);
	for (int i = 0; i < 1000; i++)
		if (fcntl(i, F_GETFD) >= 0)
			sb_printf(&open, "%d ", i);
	m.build = open.s;
	if (le_data_map(SE_DATA_FD, &t, d) == IR_OK)
		m.version = ((const uint8_t *)t.table.data)[1];
	le_data_free(&t);
	se_wire_init(&wire, 0, 1);
	se_wire_send(&wire, &m);
	se_wire_wait(&wire, &m); /* the end */
	se_wire_fini(&wire);
	sb_fini(&open);
	ir_diag_free(d);
	return 0;
}

static int share(void)
{
	uint8_t table[] = {1, 42, 3};
	uint32_t row[] = {0, 1, 2};
	le_data t = {.name = (char[]){"t"}, .table = {.dtype = IR_U8, .rows = 3, .width = 1, .data = table}, .train = row, .val = row + 1, .test = row + 2,
		.ntrain = 1, .nval = 1, .ntest = 1};
	ir_diag *d = ir_diag_new();
	int fd;

	assert_int_equal(le_share_new(&fd, d), IR_OK);
	assert_int_equal(le_data_share(&t, fd, d), IR_OK);
	ir_diag_free(d);
	return fd;
}

/* n workers, all at once; every one has 0 to 3 and the data. */
static void look(int data, size_t n)
{
	ir_diag *d = ir_diag_new();
	se_message m;
	se_pool p;
	size_t who, heard = 0;
	se_death death;

	se_pool_init(&p, n, &(se_message){.kind = SE_M_open}, data);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(se_pool_start(&p, i, d), IR_OK);
	while (heard < n) {
		se_pool_event e = se_pool_next(&p, 10000, NULL, &who, &m, &death);

		if (e != SE_POOL_MESSAGE)
			fail_msg("%s", e == SE_POOL_DEATH ? death.why : "a worker says nothing");
		assert_string_equal(m.build, "0 1 2 3 ");
		assert_int_equal(m.version, 42);
		heard++;
	}
	se_pool_stop(&p);
	ir_diag_free(d);
}

static void data_anywhere(void **state)
{
	int data = share();

	(void)state;
	assert_true(data > 3); /* 3 is this program's, see main */
	look(data, 1);
	close(data);
}

/* Its number is right already: it must only survive the exec. */
static void data_in_place(void **state)
{
	int data, spare = dup(3);

	(void)state;
	close(3);
	data = share();
	assert_int_equal(data, 3);
	look(data, 1);
	assert_int_equal(fcntl(3, F_GETFD), FD_CLOEXEC); /* the driver's own is left as it was */
	dup2(spare, 3);
	close(spare);
}

/* The first pipe's reading end is 3. */
static void pipe_in_the_datas_place(void **state)
{
	int data = share(), spare = dup(3);

	(void)state;
	close(3);
	look(data, 1);
	dup2(spare, 3);
	close(spare);
	close(data);
}

/* What others left open, and the pipes of the other workers, do not reach a worker. */
static void nothing_else(void **state)
{
	int data = share(), leak[20];

	(void)state;
	for (size_t i = 0; i < 20; i++)
		leak[i] = dup(2);
	look(data, SE_MAX_JOBS);
	for (size_t i = 0; i < 20; i++)
		close(leak[i]);
	close(data);
}

static void no_data(void **state)
{
	ir_diag *d = ir_diag_new();
	se_message m;
	se_pool p;
	size_t who;
	se_death death;

	(void)state;
	se_pool_init(&p, 1, &(se_message){.kind = SE_M_open}, open("/dev/null", O_RDWR | O_CLOEXEC));
	assert_int_equal(se_pool_start(&p, 0, d), IR_OK);
	assert_int_equal(se_pool_next(&p, 10000, NULL, &who, &m, &death), SE_POOL_MESSAGE);
	assert_int_equal(m.version, -1);
	close(p.data);
	se_pool_stop(&p);
	ir_diag_free(d);
}

/* Nothing is sent: there is no worker that could take it. */
static void another_version(void **state)
{
	se_pool p;

	(void)state;
	se_pool_init(&p, 1, &(se_message){.kind = SE_M_open}, -1);
	assert_false(se_pool_open(&p, 0, &(se_message){.version = SE_WIRE_VERSION - 1, .build = SE_VERSION}));
	assert_false(se_pool_open(&p, 0, &(se_message){.version = SE_WIRE_VERSION, .build = "0.0.0"}));
	assert_false(se_pool_open(&p, 0, &(se_message){.version = SE_WIRE_VERSION}));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_anywhere), cmocka_unit_test(data_in_place), cmocka_unit_test(pipe_in_the_datas_place),
		cmocka_unit_test(nothing_else), cmocka_unit_test(no_data), cmocka_unit_test(another_version),
	};

	if (argc == 3 && !strcmp(argv[1], "worker"))
		return worker();
	if (fcntl(3, F_GETFD) < 0) /* the tests move it about */
		dup2(2, 3);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
