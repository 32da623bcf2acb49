/* SPDX-License-Identifier: Apache-2.0
 * What bench --profile says adds up: kernels, barriers and what lies between make team x step, whatever the team. Runs
 * the command, because what is summed there is formatted there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "ir/ir.h"

#define MODEL "tests/bench/tiny32.gm"

/* GRADMILL is the command's path, from CMakeLists.txt. */
static char *run(const char *environment, const char *options)
{
	char *text = ir_xmalloc(1 << 20, 1), command[1024];
	size_t n;
	int status;
	FILE *f;

	snprintf(command, sizeof command, "%s '%s' bench %s --profile %s 2>/dev/null", environment, GRADMILL, MODEL, options);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = 0;
	status = pclose(f);
	if (WIFSIGNALED(status) || WEXITSTATUS(status))
		fail_msg("%s: signal %d, exit %d: %s", command, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
			 WEXITSTATUS(status), text);
	return text;
}

/* Within a tenth, because a step is timed outside of the team, and a microsecond for what is printed with few digits. */
static void is_about(double got, double want, const char *what)
{
	if (!(fabs(got - want) <= 0.1 * want + 1))
		fail_msg("%s: %g us, not %g", what, got, want);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static double number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		fail_msg("no number '%s'", key);
	return json_number_value(v);
}

static void all_finite(json_t *v)
{
	const char *key;
	json_t *one;
	size_t i;

	if (json_is_number(v) && !(isfinite(json_number_value(v)) && json_number_value(v) >= 0))
		fail_msg("%g", json_number_value(v));
	if (json_is_object(v))
		json_object_foreach(v, key, one)
			all_finite(one);
	json_array_foreach(v, i, one)
		all_finite(one);
}

/* Barriers and what lies between kernels are rows too: all of them make team x step. */
static void check_json(const char *environment, const char *options, int team)
{
	char *text = run(environment, options);
	json_error_t error;
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &error), *rows, *r;
	double us = 0, total;
	size_t i;

	if (!o)
		fail_msg("%s in %s", error.text, text);
	all_finite(o);
	rows = json_object_get(o, "profile");
	assert_true(json_array_size(rows) > 5);
	json_array_foreach(rows, i, r) {
		assert_true(json_is_string(json_object_get(r, "kernel")));
		assert_true(number(r, "bytes") >= 0);
		us += number(r, "us");
	}
	if (team)
		assert_int_equal((int)number(o, "team"), team);
	total = 1e3 * number(o, "step_ms") * number(o, "team");
	if (!(us <= 1.1 * total + 1 && us >= 0.9 * total - 1))
		fail_msg("%s %s: rows %g us of %g", environment, options, us, total);
	json_decref(o);
	free(text);
}

static void json_adds_up(void **state)
{
	(void)state;
	check_json("", "--json --seconds 0.3 --batch 128 --threads 3", 0);
	check_json("OMP_THREAD_LIMIT=1", "--json --seconds 0.3 --batch 128 --threads 3", 1);
	check_json("", "--json --seconds 0.3 --batch 128 --threads 1 --clip-norm 1 --target x86-64", 1);
}

static void few_steps_give_numbers_too(void **state)
{
	(void)state;
	check_json("", "--json --seconds 0 --batch 64 --threads 2 --precision bf16", 0);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

typedef struct table {
	double us, percent, between; /* sums of columns; between kernels */
	int launches, team, said_launches;
	double step_ms;
} table;

static void read_row(const char *line, table *t)
{
	double us, flops, peak, bytes, memory, percent;
	int launches;

	if (strlen(line) > 34 && sscanf(line + 34, "%d %lf %lf %lf %% %lf %lf %% %lf", &launches, &us, &flops, &peak, &bytes,
					&memory, &percent) == 7) {
		t->launches += launches, t->us += us, t->percent += percent;
		if (!isfinite(flops + peak + bytes + memory))
			fail_msg("%s", line);
		return;
	}
	if (strlen(line) <= 34 || sscanf(line + 34, "%d %lf %lf", &launches, &us, &percent) != 3)
		fail_msg("what is this line? %s", line);
	t->us += us, t->percent += percent;
	if (!strncmp(line, "between kernels", 15))
		t->between = us;
}

static void read_table(char *text, table *t)
{
	bool in_table = false;
	char *next;

	for (char *line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (!strncmp(line, "us/step:", 8)) {
			assert_int_equal(sscanf(line, "us/step: of all %d threads", &t->team), 1);
			return;
		}
		if (in_table)
			read_row(line, t);
		in_table |= !strncmp(line, "kernel ", 7);
		sscanf(line, "  step %lf ms", &t->step_ms);
		if (strstr(line, "compiled, "))
			sscanf(strstr(line, "compiled, "), "compiled, %d launches", &t->said_launches);
	}
	fail_msg("no end");
}

static void check_table(const char *environment, const char *options, int team)
{
	char *text = run(environment, options);
	table t = {.us = 0};

	read_table(text, &t);
	if (team)
		assert_int_equal(t.team, team);
	assert_int_equal(t.launches, t.said_launches);
	is_about(t.us, 1e3 * t.step_ms * t.team, "the column us/step");
	if (!(fabs(t.percent - 100) <= 3) || t.between < -0.03 * t.us)
		fail_msg("%g %% in all, %g us between kernels", t.percent, t.between);
	free(text);
}

static void the_table_adds_up(void **state)
{
	(void)state;
	check_table("", "--seconds 0.3 --batch 128 --threads 3", 0);
	check_table("", "--seconds 0.3 --batch 1 --threads 1", 1);
	check_table("OMP_THREAD_LIMIT=1", "--seconds 0.3 --batch 128 --threads 3", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_adds_up),
		cmocka_unit_test(few_steps_give_numbers_too),
		cmocka_unit_test(the_table_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
