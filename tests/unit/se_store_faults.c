/* SPDX-License-Identifier: Apache-2.0
 * The store on a failing disk: for every k, the k-th call of SQLite's file system that can fail does, once and for ever. A failure is
 * a status that ends a command with 74, and a message; afterwards the file is whole and has every change that was reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "search/sampler.h"
#include "search/store.h"
#include "tests/faults/vfs_shim.h"

#define TRIALS 3

typedef struct bench {
	char dir[64], db[96], copy[96], before[96]; /* before: what every attempt begins with */
	int64_t have, old; /* finished trials in it; in the file of version 1 */
	se_space sp;
	se_sampler *sampler;
	ir_arena *a;
	ir_diag *d;
	se_store *s;
	/* of one attempt */
	long calls;
	bool studied;  /* a study was reported as added */
	int64_t ended; /* trials that were reported as finished */
} bench;

/* ---- what is done, as far as it goes ------------------------------------------------------------------------------ */

static ir_status open_it(bench *b)
{
	return se_store_open(b->db, SE_OPEN_WRITE, &b->s, b->d);
}

static ir_status add_study(bench *b)
{
	se_study st = {.name = "more", .space = "dense", .sampler = "random", .data = "x", .data_key = "k", .target = "t",
		.build = "b", .delay = 16};
	ir_status s = open_it(b);

	if (s == IR_OK)
		s = se_store_add_study(b->s, &st, b->d);
	b->studied = s == IR_OK;
	return s;
}

static ir_status run_trial(bench *b, int64_t number)
{
	se_genome g;
	se_proposal p = {.number = number, .space = &b->sp, .genome = &g, .ir = "gradmill 1\n", .sampler = "random",
		.arch = {1, (uint64_t)number}, .key = {2, (uint64_t)number}, .parent = -1, .latent = 32, .n_params = 10};
	se_outcome o = {.state = SE_COMPLETE, .value = 0.1 + (double)number / 3, .n_params = 11, .epochs = 2, .train_s = 2.5,
		.weights_key = "w", .target = "t"};
	int64_t id;
	ir_status st;

	se_sampler_ask(b->sampler, number, 0, &g, NULL);
	st = se_store_propose(b->s, 1, &p, &id, b->d);
	if (st == IR_OK)
		st = se_store_begin(b->s, id, 7, b->d);
	for (int64_t e = 1; st == IR_OK && e <= 2; e++)
		st = se_store_epoch(b->s, id, e, 0.5, o.value, b->d);
	return st == IR_OK ? se_store_finish(b->s, id, &o, b->d) : st;
}

static ir_status trials(bench *b)
{
	ir_status st = open_it(b);

	for (int64_t i = 0; st == IR_OK && i < TRIALS; i++) {
		st = run_trial(b, i);
		b->ended += st == IR_OK;
	}
	return st;
}

/* As a driver does it: one commit for a trial; a full disk is tried again. */
static ir_status flushes(bench *b)
{
	ir_status st = open_it(b);

	if (st == IR_OK)
		se_store_defer(b->s);
	for (int64_t i = 0; st == IR_OK && i < TRIALS; i++) {
		st = run_trial(b, i);
		if (st == IR_OK)
			st = se_store_flush(b->s, true, b->d);
		if (st == IR_EFULL) {
			int64_t have = se_store_unwritten(b->s);

			shim_arm(SHIM_FULL, 0, false); /* there is space again */
			if (se_store_flush(b->s, true, b->d) != IR_OK)
				fail_msg("not written although there is space");
			b->ended += have;
			return st;
		}
		b->ended += st == IR_OK;
	}
	return st;
}

/* --as-new: a study that begins with the trials of another is there with all of them, or not at all. */
static ir_status copies(bench *b)
{
	se_study st = {.name = "more", .space = "dense", .sampler = "random", .data = "x", .data_key = "k", .target = "t",
		.build = "b", .delay = 16, .origin = "s"};
	ir_status s = open_it(b);

	if (s != IR_OK)
		return s;
	se_store_defer(b->s);
	s = se_store_add_study(b->s, &st, b->d);
	if (s == IR_OK)
		s = se_store_copy_history(b->s, st.id, 1, b->d);
	if (s == IR_OK)
		s = se_store_flush(b->s, true, b->d);
	b->studied = s == IR_OK;
	b->ended += b->studied ? TRIALS : 0;
	return s;
}

static ir_status backup(bench *b)
{
	int64_t n;
	ir_status st = se_store_copy(b->db, b->copy, &n, b->d);

	if (st == IR_OK)
		assert_int_equal(n, TRIALS);
	return st;
}

static ir_status read_all(bench *b)
{
	se_trial_row *row;
	se_study st;
	size_t n = 0;
	ir_status s = se_store_open(b->db, SE_OPEN_READ, &b->s, b->d);

	if (s == IR_OK)
		s = se_store_find_study(b->s, NULL, b->a, &st, b->d);
	if (s == IR_OK)
		s = se_store_history(b->s, st.id, &b->sp, b->a, &row, &n, b->d);
	if (s == IR_OK)
		assert_true(n > 0);
	return s;
}

/* ---- every fault ----------------------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
	ir_str s;

	sb_init(&s);
	if (ir_file_read(from, (size_t)1 << 24, &s) == IR_OK)
		assert_int_equal(ir_file_write_fast(to, s.s, s.n), IR_OK);
	sb_fini(&s);
}

static void clean(const bench *b)
{
	char journal[120];

	for (int i = 0; i < 2; i++) {
		const char *db = i ? b->copy : b->db;

		snprintf(journal, sizeof journal, "%s-journal", db);
		unlink(db);
		unlink(journal);
	}
}

static int64_t number(bench *b, const char *sql)
{
	se_table t;

	assert_int_equal(se_store_select(b->s, sql, NULL, 0, b->a, &t, b->d), IR_OK);
	return t.cell[0].kind == SE_TEXT ? !strcmp(t.cell[0].text, "ok") : t.cell[0].i;
}

/* The file without faults: whole, all that was reported is there, and no half of a change. */
static void look(bench *b, const char *name, long k)
{
	shim_arm(SHIM_IOERR, 0, false);
	ir_diag_clear(b->d);
	if (open_it(b) != IR_OK)
		fail_msg("%s, call %ld: cannot be opened any more: %s", name, k, ir_diag_get(b->d, 0)->text);
	if (!number(b, "PRAGMA integrity_check") || number(b, "SELECT count(*) FROM pragma_foreign_key_check"))
		fail_msg("%s, call %ld: the file is damaged", name, k);
	if (number(b, "SELECT count(*) FROM studies WHERE study_name = 'more'") < b->studied)
		fail_msg("%s, call %ld: the study is gone", name, k);
	if (number(b, "SELECT count(*) FROM trials WHERE state = 'COMPLETE'") < b->ended)
		fail_msg("%s, call %ld: %d trials were reported", name, k, (int)b->ended);
	if (number(b, "SELECT count(*) FROM trials t WHERE NOT EXISTS (SELECT 1 FROM x_param p WHERE p.trial_id = t.trial_id) OR "
		   "(state = 'COMPLETE' AND NOT EXISTS (SELECT 1 FROM trial_values v WHERE v.trial_id = t.trial_id))"))
		fail_msg("%s, call %ld: half a change", name, k);
	if (number(b, "SELECT count(*) FROM studies s WHERE study_name = 'more' AND (SELECT origin FROM x_study x WHERE "
		   "x.study_id = s.study_id) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM trials t WHERE t.study_id = s.study_id)"))
		fail_msg("%s, call %ld: a study without its beginning", name, k);
	if (number(b, "SELECT count(*) FROM v_repro WHERE state = 'COMPLETE' AND loss_bits IS NULL"))
		fail_msg("%s, call %ld: no bits", name, k);
	se_store_close(b->s);
	b->s = NULL;
}

static ir_status attempt(bench *b, ir_status (*what)(bench *b), shim_kind kind, long k, bool ever)
{
	ir_status st;

	clean(b);
	copy_file(b->before, b->db);
	b->studied = false;
	b->ended = b->have;
	ir_diag_clear(b->d);
	shim_arm(kind, k, ever);
	st = what(b);
	se_store_close(b->s);
	b->s = NULL;
	b->calls = shim_calls();
	ar_reset(b->a);
	return st;
}

static long failing(bench *b, const char *name, ir_status (*what)(bench *b), shim_kind kind, bool ever)
{
	long k = 1, bad = 0;

	for (;; k++) {
		ir_status st = attempt(b, what, kind, k, ever);
		bool done = b->calls < k;

		if (st != IR_OK) {
			bad++;
			if (ir_status_exit(st) != 74)
				fail_msg("%s, call %ld: %s: %s", name, k, ir_status_text(st),
					 ir_diag_size(b->d) ? ir_diag_get(b->d, 0)->text : "");
			if (st != IR_EFULL && !ir_diag_size(b->d))
				fail_msg("%s, call %ld: no message", name, k);
		}
		look(b, name, k);
		if (done && st == IR_OK)
			break;
		assert_true(k < 5000);
	}
	assert_true(bad > 0);
	return k - 1;
}

/* What an attempt begins with. */
typedef enum template { NOTHING, TABLES, STUDY, TRIED, OLD, TEMPLATE_COUNT } template;

typedef struct scenario {
	const char *name;
	ir_status (*what)(bench *b);
	template before;
} scenario;

static const char *template_path(const bench *b, template t, char path[96])
{
	snprintf(path, 96, "%s/template%d.db", b->dir, (int)t);
	return path;
}

static bench *shared; /* cmocka hands a scenario to its test */

static void every_call(void **state)
{
	const scenario *s = *state;
	bench *b = shared;
	long faults, full;

	template_path(b, s->before, b->before);
	b->have = s->before == TRIED ? TRIALS : s->before == OLD ? b->old : 0;
	faults = failing(b, s->name, s->what, SHIM_IOERR, false) + failing(b, s->name, s->what, SHIM_IOERR, true);
	full = s->what == read_all ? 0 : failing(b, s->name, s->what, SHIM_FULL, false) + failing(b, s->name, s->what, SHIM_FULL, true);
	print_message("%s: %ld faults, %ld full disks\n", s->name, faults, full);
}

/* While the disk is full, another program takes the number of a trial of ours: the attempt to write it again fails. */
static void another_came_first(void **state)
{
	bench *b = shared;
	char path[96], command[300];

	(void)state;
	clean(b);
	copy_file(template_path(b, STUDY, path), b->db);
	shim_arm(SHIM_FULL, 0, false);
	assert_int_equal(open_it(b), IR_OK);
	se_store_defer(b->s);
	assert_int_equal(run_trial(b, 0), IR_OK);
	assert_int_equal(se_store_unwritten(b->s), 1);
	shim_arm(SHIM_FULL, 1, true);
	assert_int_equal(se_store_flush(b->s, true, b->d), IR_EFULL);
	assert_true(se_store_full(b->s));
	snprintf(command, sizeof command, "sqlite3 %s \"INSERT INTO trials (number, study_id, state) VALUES (0, 1, 'RUNNING')\"", b->db);
	assert_int_equal(system(command), 0);
	shim_arm(SHIM_FULL, 0, false);
	ir_diag_clear(b->d);
	assert_int_equal(se_store_flush(b->s, true, b->d), IR_EIO);
	assert_non_null(strstr(ir_diag_get(b->d, 0)->text, "another program changed the study"));
	se_store_close(b->s);
	b->s = NULL;
}

static void make_template(bench *b, template t, ir_status (*what)(bench *b))
{
	char path[96];

	assert_int_equal(what(b), IR_OK);
	se_store_close(b->s);
	b->s = NULL;
	copy_file(b->db, template_path(b, t, path));
}

static ir_status add_first_study(bench *b)
{
	se_study st = {.name = "s", .space = "dense", .sampler = "random", .data = "x", .data_key = "k", .target = "t",
		.build = "b", .delay = 16};
	ir_status s = open_it(b);

	return s == IR_OK ? se_store_add_study(b->s, &st, b->d) : s;
}

static void make_old(bench *b)
{
	char path[96], command[300];

	snprintf(command, sizeof command, "sqlite3 %s <tests/search/fixtures/store_v1.sql", template_path(b, OLD, path));
	assert_int_equal(system(command), 0);
	assert_int_equal(se_store_open(path, SE_OPEN_READ, &b->s, b->d), IR_OK);
	b->old = number(b, "SELECT count(*) FROM trials WHERE state = 'COMPLETE'");
	assert_true(b->old > 0);
	se_store_close(b->s);
	b->s = NULL;
}

static int setup(void **state)
{
	bench *b = shared = ir_xmalloc(1, sizeof *b);

	(void)state;
	strcpy(b->dir, "/tmp/gradmill_faults_XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->db, sizeof b->db, "%s/a.db", b->dir);
	snprintf(b->copy, sizeof b->copy, "%s/copy.db", b->dir);
	b->a = ar_open();
	b->d = ir_diag_new();
	se_space_init(&b->sp, "dense", &(se_limits){0, 0, 0});
	b->sampler = se_sampler_new(&se_sampler_random, &b->sp, 1, SE_DELAY);
	shim_install();
	make_template(b, TABLES, open_it);
	make_template(b, STUDY, add_first_study);
	make_template(b, TRIED, trials);
	make_old(b);
	return 0;
}

static int teardown(void **state)
{
	bench *b = shared;
	char path[96];

	(void)state;
	clean(b);
	for (int t = 0; t < TEMPLATE_COUNT; t++)
		unlink(template_path(b, (template)t, path));
	rmdir(b->dir);
	se_sampler_free(b->sampler);
	ar_free(b->a);
	ir_diag_free(b->d);
	free(b);
	return 0;
}

int main(void)
{
	static scenario s[] = {
		{"a new file", open_it, NOTHING}, {"a new study", add_study, TABLES}, {"trials", trials, STUDY},
		{"trials, one commit each", flushes, STUDY}, {"an old file", open_it, OLD}, {"a copy", backup, TRIED},
		{"a study that goes on from another", copies, TRIED}, {"reading", read_all, TRIED}, {"reading an old file", read_all, OLD},
	};
	struct CMUnitTest tests[sizeof s / sizeof *s + 1];

	tests[sizeof s / sizeof *s] = (struct CMUnitTest)cmocka_unit_test(another_came_first);
	for (size_t i = 0; i < sizeof s / sizeof *s; i++)
		tests[i] = (struct CMUnitTest){.name = s[i].name, .test_func = every_call, .initial_state = &s[i]};
	return cmocka_run_group_tests_name("store faults", tests, setup, teardown);
}
