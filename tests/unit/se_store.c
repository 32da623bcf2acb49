/* SPDX-License-Identifier: Apache-2.0
 * The store: what is written is read back, a study goes on where it stopped, foreign and newer files stay untouched,
 * a lock is a status and not an accident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "search/sampler.h"
#include "search/store.h"

typedef struct fixture {
	char path[64];
	se_store *s;
	ir_diag *d;
	ir_arena *a;
	se_space sp;
	se_study st;
	se_sampler *sampler;
} fixture;

static void must(ir_status st, const fixture *f)
{
	if (st != IR_OK)
		fail_msg("%s: %s", ir_status_text(st), ir_diag_size(f->d) ? ir_diag_get(f->d, ir_diag_size(f->d) - 1)->text : "");
}

static void reopen(fixture *f)
{
	se_store_close(f->s);
	must(se_store_open(f->path, SE_OPEN_WRITE, &f->s, f->d), f);
}

static int setup(void **state)
{
	fixture *f = ir_xmalloc(1, sizeof *f);
	int fd;

	strcpy(f->path, "/tmp/gradmill_store_XXXXXX");
	fd = mkstemp(f->path);
	close(fd);
	f->d = ir_diag_new();
	f->a = ar_open();
	se_space_init(&f->sp, "dense", &(se_limits){0, 0, 0});
	f->sampler = se_sampler_new(&se_sampler_random, &f->sp, 1, SE_DELAY);
	f->st = (se_study){.name = "s", .space = "dense", .sampler = "random", .data = "x", .data_key = "k", .target = "t",
		.build = "b", .seed = 5, .delay = 16, .width = 784, .ntrain = 9, .nval = 1, .ntest = 2};
	*state = f;
	return 0;
}

static void create(fixture *f)
{
	must(se_store_open(f->path, SE_OPEN_WRITE, &f->s, f->d), f);
	must(se_store_add_study(f->s, &f->st, f->d), f);
}

static int teardown(void **state)
{
	fixture *f = *state;

	se_store_close(f->s);
	se_sampler_free(f->sampler);
	ir_diag_free(f->d);
	ar_free(f->a);
	unlink(f->path);
	free(f);
	return 0;
}

static int64_t propose(fixture *f, int64_t number)
{
	se_genome g;
	se_proposal p = {.number = number, .space = &f->sp, .genome = &g, .ir = "gradmill 1\n", .sampler = "random",
		.arch = {1, (uint64_t)number}, .key = {2, (uint64_t)number}, .parent = -1, .latent = 32, .n_params = 10};
	int64_t id = 0;

	se_sampler_ask(f->sampler, number, 0, &g, NULL);
	must(se_store_propose(f->s, f->st.id, &p, &id, f->d), f);
	return id;
}

static void complete(fixture *f, int64_t number, double value)
{
	se_outcome o = {.state = SE_COMPLETE, .value = value, .n_params = 11, .flops = 12, .arena_bytes = 13, .epochs = 2,
		.compile_ms = 1.5, .train_s = 2.5, .weights_key = "w", .target = "t"};
	int64_t id = propose(f, number);

	must(se_store_begin(f->s, id, 0, f->d), f);
	must(se_store_epoch(f->s, id, 1, 0.5, 0.25, f->d), f);
	must(se_store_epoch(f->s, id, 2, 0.4, value, f->d), f);
	must(se_store_finish(f->s, id, &o, f->d), f);
}

static se_table ask(fixture *f, const char *sql)
{
	se_table t;

	must(se_store_select(f->s, sql, NULL, 0, f->a, &t, f->d), f);
	return t;
}

static void history_survives(void **state)
{
	fixture *f = *state;
	se_trial_row *row;
	se_study st;
	size_t n;
	se_genome g;

	create(f);
	complete(f, 0, 0.125);
	complete(f, 1, 0.0625);
	reopen(f);
	must(se_store_find_study(f->s, "s", f->a, &st, f->d), f);
	assert_int_equal(st.id, f->st.id);
	assert_int_equal(st.seed, 5);
	assert_int_equal(st.delay, 16);
	assert_int_equal(st.ntest, 2);
	assert_string_equal(st.data_key, "k");
	must(se_store_find_study(f->s, "other", f->a, &st, f->d), f);
	assert_int_equal(st.id, 0);
	must(se_store_history(f->s, f->st.id, &f->sp, f->a, &row, &n, f->d), f);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < 2; i++) {
		se_sampler_ask(f->sampler, (int64_t)i, 0, &g, NULL);
		for (size_t k = 0; k < f->sp.n; k++)
			assert_true(g.v[k] == row[i].genome.v[k] || (isnan(g.v[k]) && isnan(row[i].genome.v[k])));
	}
	assert_int_equal(row[1].state, SE_COMPLETE);
	assert_true(row[1].value == 0.0625);
	assert_string_equal(row[1].weights_key, "w");
}

static void views(void **state)
{
	fixture *f = *state;
	se_table t;

	create(f);
	complete(f, 0, 0.125);
	complete(f, 1, 0.0625);
	must(se_store_add_floor(f->s, f->st.id, 32, 0.5, 0.75, f->d), f);
	t = ask(f, "SELECT study, number, value, test_value, pca_value FROM v_best");
	assert_int_equal(t.nrow, 2);
	assert_int_equal(t.cell[1].i, 1);
	assert_true(t.cell[4].r == 0.5);
	assert_int_equal(t.cell[3].kind, SE_NULL);
	t = ask(f, "SELECT study, number, state, value, ir_hash, parent, n_params, flops, arena_bytes, compile_ms, train_s, "
		"epochs, cause, ir, typeof(activation), typeof(batch), typeof(lr) FROM v_trials");
	assert_int_equal(t.nrow, 2);
	assert_string_equal(t.cell[2].text, "COMPLETE");
	assert_string_equal(t.cell[14].text, "text");
	assert_string_equal(t.cell[15].text, "integer");
	assert_string_equal(t.cell[16].text, "real");
	t = ask(f, "SELECT study, number, step, value FROM v_curves");
	assert_int_equal(t.nrow, 4);
	t = ask(f, "SELECT loss_bits, value_bits, params FROM v_repro WHERE number = 0");
	assert_string_equal(t.cell[0].text, "3fe0000000000000:3fd0000000000000 3fd999999999999a:3fc0000000000000");
	assert_string_equal(t.cell[1].text, "3fc0000000000000");
	assert_non_null(strstr(t.cell[2].text, "activation="));
}

static void kernels(void **state)
{
	cc_profile_row row[] = {{"matmul", "4x5x6", 3, 2, 0.5, 3e9, 8e9}, {"gather", "4x5", 0, 1, 0, 0, 1},
		{CC_ROW_BARRIERS, .launches = 7, .seconds = 0.25}, {CC_ROW_BETWEEN, .seconds = 0.25}};
	se_profile p = {{row, 4, 2, 10, 0.5}, 24, NAN};
	se_outcome o = {.state = SE_COMPLETE, .value = 1, .profile = &p};
	fixture *f = *state;
	int64_t id;
	se_table t;

	create(f);
	complete(f, 0, 1); /* not measured */
	id = propose(f, 1);
	must(se_store_begin(f->s, id, 0, f->d), f);
	must(se_store_finish(f->s, id, &o, f->d), f);
	t = ask(f, "SELECT number, shape, fused, threads, calls, seconds, flops, bytes, gflops, peak_share, gbytes, memory_share, "
		"time_share FROM v_kernels WHERE kernel = 'matmul'");
	assert_int_equal(t.nrow, 1);
	assert_int_equal(t.cell[0].i, 1);
	assert_string_equal(t.cell[1].text, "4x5x6");
	assert_int_equal(t.cell[2].i, 3);
	assert_int_equal(t.cell[3].i, 2);
	assert_int_equal(t.cell[4].i, 20);
	assert_true(t.cell[5].r == 5 && t.cell[6].r == 3e10 && t.cell[7].r == 8e10);
	assert_true(t.cell[8].r == 12 && t.cell[9].r == 0.5 && t.cell[10].r == 32); /* both threads together */
	assert_int_equal(t.cell[11].kind, SE_NULL);                                  /* the limit is unknown */
	assert_true(t.cell[12].r == 0.5);
	t = ask(f, "SELECT sum(seconds) = max(step_s * steps * threads), sum(time_share) FROM v_kernels");
	assert_true(t.cell[0].i == 1 && t.cell[1].r == 1);
	t = ask(f, "SELECT kernel, calls, gflops FROM v_kernels WHERE shape IS NULL OR seconds = 0");
	assert_int_equal(t.nrow, 3);
	assert_int_equal(t.cell[2].kind, SE_NULL); /* no time, no rate */
	assert_int_equal(t.cell[4].i, 70);
	assert_int_equal(t.cell[7].kind, SE_NULL);
}

static void not_a_number_fails(void **state)
{
	fixture *f = *state;
	se_outcome o = {.state = SE_COMPLETE, .value = NAN};
	int64_t id;
	se_table t;

	create(f);
	id = propose(f, 0);
	must(se_store_begin(f->s, id, 0, f->d), f);
	must(se_store_epoch(f->s, id, 1, NAN, NAN, f->d), f);
	must(se_store_finish(f->s, id, &o, f->d), f);
	t = ask(f, "SELECT state, cause, value FROM v_trials");
	assert_string_equal(t.cell[0].text, "FAIL");
	assert_string_equal(t.cell[1].text, "the value is not a number");
	assert_int_equal(t.cell[2].kind, SE_NULL);
	t = ask(f, "SELECT intermediate_value_type FROM trial_intermediate_values");
	assert_string_equal(t.cell[0].text, "NAN");
	assert_int_equal(se_store_finish(f->s, id, &o, f->d), IR_EINTERNAL); /* only once */
}

static void cut_off_trials_wait(void **state)
{
	fixture *f = *state;
	int64_t id, n;
	se_table t;

	create(f);
	complete(f, 0, 1);
	id = propose(f, 1);
	must(se_store_begin(f->s, id, 0, f->d), f);
	must(se_store_epoch(f->s, id, 1, 0.5, 0.25, f->d), f);
	reopen(f);
	must(se_store_recover(f->s, f->st.id, &n, f->d), f);
	assert_int_equal(n, 1);
	t = ask(f, "SELECT state, attempts FROM v_trials ORDER BY number");
	assert_string_equal(t.cell[2].text, "WAITING");
	assert_int_equal(t.cell[3].i, 0);
	assert_int_equal(ask(f, "SELECT 1 FROM v_curves WHERE number = 1").nrow, 0);
	assert_int_equal(ask(f, "SELECT 1 FROM v_repro").nrow, 1);
	must(se_store_begin(f->s, id, 0, f->d), f);
	must(se_store_retry(f->s, id, true, f->d), f);
	assert_int_equal(ask(f, "SELECT attempts FROM v_trials WHERE number = 1").cell[0].i, 1);
}

static void a_number_twice(void **state)
{
	fixture *f = *state;
	se_genome g;
	se_proposal p = {.number = 0, .space = &f->sp, .genome = &g, .ir = "x", .sampler = "random", .parent = -1};
	int64_t id;

	create(f);
	complete(f, 0, 1);
	se_sampler_ask(f->sampler, 0, 0, &g, NULL);
	assert_int_not_equal(se_store_propose(f->s, f->st.id, &p, &id, f->d), IR_OK);
	assert_int_equal(ask(f, "SELECT 1 FROM trials").nrow, 1);
}

/* ---- files that are not ours --------------------------------------------------------------------------------- */

static char *slurp(const char *path, size_t *n)
{
	ir_str s;

	sb_init(&s);
	assert_int_equal(ir_file_read(path, 1 << 24, &s), IR_OK);
	*n = s.n;
	return s.s;
}

static void refused(fixture *f, const char *shell, const char *word)
{
	char command[600], *before, *after;
	size_t n, m;

	snprintf(command, sizeof command, shell, f->path);
	assert_int_equal(system(command), 0);
	before = slurp(f->path, &n);
	ir_diag_clear(f->d);
	assert_int_equal(se_store_open(f->path, SE_OPEN_WRITE, &f->s, f->d), IR_EUNAVAILABLE);
	assert_null(f->s);
	assert_non_null(strstr(ir_diag_get(f->d, 0)->text, word));
	assert_int_equal(se_store_open(f->path, SE_OPEN_READ, &f->s, f->d), IR_EUNAVAILABLE);
	after = slurp(f->path, &m);
	assert_int_equal(n, m);
	assert_memory_equal(before, after, n);
	free(before);
	free(after);
	unlink(f->path);
}

static void foreign_files(void **state)
{
	fixture *f = *state;

	refused(f, "printf 'this is a text file of some length, longer than a header of SQLite: %%0100d' 1 > %s",
		"not a SQLite database");
	create(f);
	se_store_close(f->s);
	f->s = NULL;
	refused(f, "sqlite3 %s 'PRAGMA user_version = 99'", "newer");
	create(f);
	se_store_close(f->s);
	f->s = NULL;
	refused(f, "sqlite3 %s \"UPDATE alembic_version SET version_num = 'v9'\"", "changed");
	refused(f, "sqlite3 %s 'CREATE TABLE t (a)'", "another program");
	refused(f, "sqlite3 %s \"CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('v3.2.0.a')\"",
		"Optuna");
}

static void missing_and_unwritable(void **state)
{
	fixture *f = *state;
	se_store *s;

	assert_int_equal(se_store_open("/nowhere/at/all.db", SE_OPEN_READ, &s, f->d), IR_ENOINPUT);
	assert_int_equal(se_store_open("/nowhere/at/all.db", SE_OPEN_WRITE, &s, f->d), IR_EIO);
	create(f);
	if (geteuid() == 0)
		return; /* root writes everywhere */
	se_store_close(f->s);
	f->s = NULL;
	chmod(f->path, 0444);
	assert_int_equal(se_store_open(f->path, SE_OPEN_WRITE, &f->s, f->d), IR_EIO);
}

static void locked(void **state)
{
	fixture *f = *state;
	char command[200];
	FILE *other;
	char line[32];
	int64_t id;

	create(f);
	id = propose(f, 0);
	snprintf(command, sizeof command, "(echo 'BEGIN IMMEDIATE; SELECT 42;'; sleep 1) | sqlite3 %s", f->path);
	other = popen(command, "r");
	assert_non_null(fgets(line, sizeof line, other));
	se_store_timeout(f->s, 50);
	assert_int_equal(se_store_begin(f->s, id, 0, f->d), IR_EBUSY);
	assert_int_equal(ir_status_exit(IR_EBUSY), 75);
	se_store_timeout(f->s, 10000);
	must(se_store_begin(f->s, id, 0, f->d), f); /* waits and then works */
	pclose(other);
}

/* A process that reads inside a transaction until it is closed. */
static FILE *hold_a_read(const fixture *f, double seconds)
{
	char command[200], line[32];
	FILE *other;

	snprintf(command, sizeof command, "(echo 'BEGIN; SELECT count(*) FROM trials;'; sleep %g) | sqlite3 %s", seconds, f->path);
	other = popen(command, "r");
	assert_non_null(fgets(line, sizeof line, other));
	return other;
}

static int64_t seen_outside(const fixture *f, const char *sql)
{
	char command[300];
	long long n = -1;
	FILE *other;

	snprintf(command, sizeof command, "sqlite3 -cmd '.timeout 5000' %s '%s'", f->path, sql);
	other = popen(command, "r");
	assert_int_equal(fscanf(other, "%lld", &n), 1);
	pclose(other);
	return n;
}

/* A reader delays the commit, and nothing else: changes go on, are seen by us, and are there once it has gone. */
static void a_slow_reader(void **state)
{
	fixture *f = *state;
	int64_t id;
	FILE *other;

	create(f);
	must(se_store_lease(f->s, f->st.id, f->d), f);
	se_store_defer(f->s);
	propose(f, 0);
	assert_true(se_store_pending(f->s));
	assert_int_equal(seen_outside(f, "SELECT count(*) FROM trials"), 0);
	must(se_store_flush(f->s, false, f->d), f);
	assert_int_equal(seen_outside(f, "SELECT count(*) FROM trials"), 1);
	other = hold_a_read(f, 3);
	id = propose(f, 1);
	assert_int_equal(se_store_flush(f->s, false, f->d), IR_EBUSY);
	assert_int_equal(ir_diag_size(f->d), 0);
	assert_int_equal(seen_outside(f, "SELECT count(*) FROM trials"), 1); /* other readers are not kept out */
	must(se_store_begin(f->s, id, 7, f->d), f);
	assert_int_equal(se_store_flush(f->s, false, f->d), IR_EBUSY);
	assert_int_equal(ask(f, "SELECT pid FROM v_trials WHERE state = 'RUNNING'").cell[0].i, 7);
	must(se_store_flush(f->s, true, f->d), f); /* waits for the reader */
	assert_false(se_store_pending(f->s));
	pclose(other);
	assert_int_equal(seen_outside(f, "SELECT count(*) FROM v_trials WHERE pid = 7"), 1);
}

/* A proposal without a text: its row among the trials is made before ours is refused. */
static void propose_half(fixture *f)
{
	se_genome g;
	se_proposal p = {.number = 1, .space = &f->sp, .genome = &g, .ir = NULL, .sampler = "random", .parent = -1};
	int64_t id;

	se_sampler_ask(f->sampler, 1, 0, &g, NULL);
	assert_int_equal(se_store_propose(f->s, f->st.id, &p, &id, f->d), IR_EINTERNAL);
	ir_diag_clear(f->d);
}

/* A change that fails is undone alone; the others of the same commit stay. */
static void one_of_many_fails(void **state)
{
	fixture *f = *state;
	int64_t id;

	create(f);
	se_store_defer(f->s);
	id = propose(f, 0);
	must(se_store_begin(f->s, id, 0, f->d), f);
	assert_int_equal(se_store_begin(f->s, id, 0, f->d), IR_EBUSY); /* it runs already */
	propose_half(f);
	must(se_store_flush(f->s, true, f->d), f);
	assert_int_equal(seen_outside(f, "SELECT count(*) FROM v_trials WHERE state = \"RUNNING\""), 1);
	assert_int_equal(seen_outside(f, "SELECT count(*) FROM trials"), 1);
	assert_int_equal(seen_outside(f, "SELECT count(*) FROM x_trial"), 1);
}

static void requests(void **state)
{
	se_driver_row r = {.pid = 42, .host = "h", .jobs = 2, .threads = 2};
	fixture *f = *state;
	se_store *other;
	int n;

	create(f);
	must(se_store_lease(f->s, f->st.id, f->d), f);
	must(se_store_open(f->path, SE_OPEN_WRITE, &other, f->d), f);
	assert_true(se_store_driven(other, f->st.id));
	assert_false(se_store_driven(other, f->st.id + 1));
	must(se_store_ask_to_stop(other, f->st.id, true, f->d), f); /* meant for the last driver: not obeyed by this one */
	must(se_store_set_driver(f->s, f->st.id, &r, f->d), f);
	must(se_store_take_stop(f->s, f->st.id, &n, f->d), f);
	assert_int_equal(n, 0);
	se_store_changed(f->s);
	assert_false(se_store_changed(f->s));
	must(se_store_ask_to_stop(other, f->st.id, false, f->d), f);
	assert_true(se_store_changed(f->s));
	must(se_store_take_stop(f->s, f->st.id, &n, f->d), f);
	assert_int_equal(n, 1);
	must(se_store_take_stop(f->s, f->st.id, &n, f->d), f);
	assert_int_equal(n, 0);
	se_store_close(other);
}

/* The copy is the finished beginning of the history, with everything that belongs to it. */
static void a_new_study_from_an_old_one(void **state)
{
	fixture *f = *state;
	se_study more = {.name = "more", .space = "dense", .sampler = "random", .data = "x", .data_key = "k", .target = "u",
		.build = "c", .seed = 5, .delay = 16, .origin = "s"};
	se_trial_row *row;
	size_t n;

	create(f);
	for (int64_t i = 0; i < 3; i++)
		complete(f, i, (double)i);
	propose(f, 3);
	complete(f, 4, 4);
	must(se_store_add_floor(f->s, f->st.id, 32, 0.5, 0.75, f->d), f);
	must(se_store_add_study(f->s, &more, f->d), f);
	must(se_store_copy_history(f->s, more.id, f->st.id, f->d), f);
	must(se_store_history(f->s, more.id, &f->sp, f->a, &row, &n, f->d), f);
	assert_int_equal(n, 3);
	assert_true(row[2].value == 2);
	assert_int_equal(ask(f, "SELECT count(*) FROM (SELECT number, params, loss_bits, value_bits, trial_key FROM v_repro "
		"WHERE study = 's' AND number < 3 EXCEPT SELECT number, params, loss_bits, value_bits, trial_key FROM v_repro "
		"WHERE study = 'more')").cell[0].i, 0);
	assert_int_equal(ask(f, "SELECT count(*) FROM v_curves WHERE study = 'more'").cell[0].i, 6);
	assert_int_equal(ask(f, "SELECT count(*) FROM x_floor").cell[0].i, 2);
}

static void one_driver(void **state)
{
	fixture *f = *state;
	se_store *second;

	create(f);
	must(se_store_lease(f->s, f->st.id, f->d), f);
	must(se_store_open(f->path, SE_OPEN_WRITE, &second, f->d), f);
	assert_int_equal(se_store_lease(second, f->st.id, f->d), IR_EBUSY);
	must(se_store_lease(second, f->st.id + 1, f->d), f); /* another study of the same file */
	se_store_close(f->s);
	f->s = NULL;
	must(se_store_lease(second, f->st.id, f->d), f);
	se_store_close(second);
}

/* Both found no study of that name; the second to write it down is told so. */
static void one_beginning(void **state)
{
	fixture *f = *state;
	se_study again = f->st;
	se_store *second;
	int64_t recovered;

	must(se_store_open(f->path, SE_OPEN_WRITE, &second, f->d), f);
	create(f);
	assert_int_equal(se_store_add_study(second, &again, f->d), IR_EBUSY);
	again.name = "another";
	must(se_store_add_study(second, &again, f->d), f); /* and nothing is left open */
	must(se_store_recover(f->s, f->st.id, &recovered, f->d), f);
	se_store_close(second);
}

/* ---- somebody else's SQL ---------------------------------------------------------------------------------------- */

/* SQLite's words and, where it tells, the place. */
static void wrong_queries(void **state)
{
	static const struct {
		const char *sql, *said;
	} row[] = {
		{"SELECT number,\n\tmissing FROM v_trials",
		 "SQL:2:2: error: no such column: missing [sql]\n  \tmissing FROM v_trials\n  \t^\n"},
		{"SELEC 1", "SQL:1:1: error: near \"SELEC\": syntax error [sql]\n  SELEC 1\n  ^\n"},
		{"SELECT * FROM nowhere", "error: no such table: nowhere [sql]\n"},
		{"SELECT abs(-9223372036854775807 - 1)", "error: integer overflow [sql]\n"},
		{"DELETE FROM trials", "error: the history is read-only [sql]\n"},
	};
	fixture *f = *state;
	ir_str said;
	se_table t;

	create(f);
	sb_init(&said);
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		ir_diag_clear(f->d);
		sb_clear(&said);
		assert_int_equal(se_store_query(f->s, row[i].sql, 5, f->a, &t, f->d), IR_EINPUT);
		ir_diag_print_all(f->d, &said);
		assert_string_equal(said.s, row[i].said);
	}
	sb_fini(&said);
}

static void user_queries(void **state)
{
	static const char *const bad[] = {
		"DELETE FROM trials", "UPDATE trials SET state = 'FAIL'", "DROP TABLE trials", "ATTACH '/tmp/x' AS x",
		"PRAGMA journal_mode = WAL", "PRAGMA user_version = 7", "SELECT load_extension('x')", "VACUUM INTO '/tmp/x.db'",
		"CREATE TEMP TABLE t (a)", "SELECT 1; SELECT 2", "", "-- nothing", "SELEC 1", "SELECT nothing FROM nowhere",
		"BEGIN", "PRAGMA writable_schema = ON",
	};
	fixture *f = *state;
	se_table t;

	create(f);
	complete(f, 0, 0.1);
	se_store_close(f->s);
	must(se_store_open(f->path, SE_OPEN_READ, &f->s, f->d), f);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ir_diag_clear(f->d);
		if (se_store_query(f->s, bad[i], 5, f->a, &t, f->d) != IR_EINPUT)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(ir_diag_size(f->d), 1);
		assert_int_equal(ir_diag_get(f->d, 0)->id, IR_E_sql);
	}
	must(se_store_query(f->s, "SELECT value FROM v_trials;  ", 5, f->a, &t, f->d), f);
	assert_string_equal(t.cell[0].text, "0.1");
	must(se_store_query(f->s, "PRAGMA table_info(trials)", 5, f->a, &t, f->d), f);
	assert_true(t.nrow > 3);
	ir_diag_clear(f->d);
	assert_int_equal(se_store_query(f->s, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) "
		"SELECT count(*) FROM c", 0.2, f->a, &t, f->d), IR_EINPUT);
	assert_non_null(strstr(ir_diag_get(f->d, 0)->text, "too long"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(history_survives), TEST(views), TEST(kernels),
		TEST(not_a_number_fails), TEST(cut_off_trials_wait), TEST(a_number_twice),
		TEST(foreign_files), TEST(missing_and_unwritable), TEST(locked), TEST(a_slow_reader), TEST(one_of_many_fails),
		TEST(requests), TEST(a_new_study_from_an_old_one), TEST(one_driver), TEST(one_beginning),
		TEST(user_queries), TEST(wrong_queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
