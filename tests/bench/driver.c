/* SPDX-License-Identifier: Apache-2.0
 * How much a search costs beside training: the whole driver (proposals, rows, worker processes, commits) with workers
 * that answer at once. usage: bench_driver [TRIALS [SAMPLER [DATABASE]]]; goes on with a database that is there.
 * Also the time of ask and tell alone, with the whole history told. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/rt.h"
#include "search/cmd.h"
#include "search/driver.h"
#include "search/sampler.h"
#include "search/wire.h"

/* A value that depends on the trial and on nothing else. */
static double value_of(const se_message *task)
{
	ir_key k = ir_hash(task->ir, strlen(task->ir));

	return (double)(k.lo >> 11) * 0x1p-53 + fabs(log(task->lr / 2e-3));
}

static void answer(se_wire *w, const se_message *m)
{
	se_message r = {.number = m->number, .target = "none", .value = .5, .test_value = .5, .latent = m->latent};

	if (m->kind == SE_M_team)
		return;
	r.kind = m->kind == SE_M_open ? SE_M_ready : m->kind == SE_M_ask_floor ? SE_M_floor : SE_M_result;
	if (m->kind == SE_M_task) {
		r.epochs = r.epoch = 1;
		r.value = r.train = value_of(m);
		r.weights_key = "none";
		r.kind = SE_M_epoch;
		se_wire_send(w, &r);
		r.kind = SE_M_result;
	}
	se_wire_send(w, &r);
}

/* The worker's side of the protocol without a compiler, data or training. */
static int be_worker(void)
{
	se_message m = {.kind = SE_M_hello, .version = SE_WIRE_VERSION, .build = SE_VERSION};
	se_wire w;

	se_wire_init(&w, dup(0), dup(1));
	se_wire_send(&w, &m);
	while (se_wire_wait(&w, &m) == SE_WIRE_MESSAGE)
		answer(&w, &m);
	se_wire_fini(&w);
	return 0;
}

/* A hundred black pictures of 28 x 28 as IDX. */
static void write_data(const char *path)
{
	static const unsigned char head[16] = {0, 0, 8, 3, 0, 0, 0, 100, 0, 0, 0, 28, 0, 0, 0, 28};
	static const unsigned char row[784];
	FILE *f = fopen(path, "we");

	if (!f || fwrite(head, sizeof head, 1, f) != 1)
		perror(path), exit(74);
	for (int i = 0; i < 100; i++)
		if (fwrite(row, sizeof row, 1, f) != 1)
			perror(path), exit(74);
	fclose(f);
}

/* Milliseconds of one proposal with its outcome when the outcomes of n trials are known. */
static double ask_and_tell(const se_sampler_kind *kind, int64_t n)
{
	enum { MORE = 1000 };
	se_space sp;
	se_sampler *s;
	se_told t;
	double t0 = 0;

	se_space_init(&sp, "dense", &(se_limits){32, 0, 0});
	s = se_sampler_new(kind, &sp, 1, SE_DELAY);
	for (t.number = 0; t.number < n + MORE; t.number++) {
		ir_key key;

		if (t.number == n)
			t0 = rt_seconds();
		for (int64_t draw = 0;; draw++) {
			se_sampler_ask(s, t.number, draw, &t.genome, NULL);
			key = ir_hash(&t.genome, sizeof t.genome);
			if (se_sampler_claim(s, t.number, key))
				break;
		}
		t.value = (double)(key.lo >> 11) * 0x1p-53;
		se_sampler_tell(s, &t);
	}
	t0 = rt_seconds() - t0;
	se_sampler_free(s);
	return 1e3 * t0 / MORE;
}

int main(int argc, char **argv)
{
	char data[] = "/tmp/gradmill_bench_data", made[] = "/tmp/gradmill_bench.db";
	se_options o = {.study = "bench", .data = data, .db = argc > 3 ? argv[3] : made, .sampler = argc > 2 ? argv[2] : "evolution",
		.seed = 1, .limit_train = 0, .latent = 32, .epochs = SE_UNSET, .batch = 32, .delay = SE_UNSET, .jobs = 2,
		.threads = 1, .quiet = true};
	ir_diag *d = ir_diag_new();
	se_summary s;
	bool usage;
	ir_status st;
	double t0;

	if (argc == 3 && !strcmp(argv[1], "worker"))
		return be_worker();
	o.trials = argc > 1 ? atoll(argv[1]) : 3000;
	write_data(data);
	if (argc < 4)
		unlink(made);
	t0 = rt_seconds();
	st = se_search(&o, &s, &usage, d);
	t0 = rt_seconds() - t0;
	if (st != IR_OK) {
		fprintf(stderr, "%s\n", ir_diag_size(d) ? ir_diag_get(d, 0)->text : ir_status_text(st));
		return ir_status_exit(st);
	}
	printf("%lld trials, %lld of them now in %.2f s: %.0f durable trials per second with two workers\n", (long long)s.trials,
	       (long long)s.run, t0, (double)s.run / t0);
	printf("ask + tell with %lld outcomes: %.4f ms\n", (long long)s.trials, ask_and_tell(se_sampler_find(o.sampler), s.trials));
	unlink(data);
	ir_diag_free(d);
	return 0;
}
