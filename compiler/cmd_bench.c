/* SPDX-License-Identifier: Apache-2.0
 * compiler/cmd_bench.c -- gradmill bench: a model's training step against the FMA peak of the same machine in the same
 * run. FLOPs are nominal: three times the forward products, as the peers count them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/cc.h"
#include "compiler/cmd.h"
#include "compiler/cmd_int.h"
#include "compiler/model_file.h"
#include "compiler/program.h"
#include "ir/base/cli.h"

#define TABLE_ROWS 16384
#define CHUNK      100 /* steps per parallel region */

typedef struct bench {
	int64_t batch, threads;
	double seconds, clip_norm;
	const char *precision, *target;
	cc_precision numbers;
	bool json, profile, tune;
	ir_arena *a;
	ir_diag *d;
	cc_context *c;
	cc_program *program;
	rt_exec *exec;
	rt_tensor *leaf; /* one per leaf of the program */
	size_t nleaf;
	float *loss, scalar[3][CHUNK]; /* lr, alpha, rsc */
	int64_t params, flops, steps;
	double cold_ms, warm_ms, step_ms, peak, bandwidth;
} bench;

static ir_func *build_step(bench *b, const ir_module *m, ir_arena *a)
{
	const ir_func *f = ir_module_find(m, IR_ENTRY);
	cc_objective obj = cc_objective_default();
	cc_feed feed = {IR_U8, TABLE_ROWS, 0};

	obj.clip_norm = b->clip_norm;
	if (!f) {
		ir_report(b->d, (ir_loc){0}, IR_E_no_entry, IR_ENTRY);
		return NULL;
	}
	f = ir_bind(f, b->batch, a, b->d);
	f = f ? cc_in_precision(f, b->numbers, a, b->d) : NULL;
	for (size_t i = 0; f && i < f->n; i++)
		if (f->ins[i].op == IR_input && f->ins[i].type.rank == 2)
			feed.width = f->ins[i].type.dim[1];
	if (!f)
		return NULL;
	b->flops = 3 * cc_func_cost(f).matmul_flops;
	b->params = cc_func_cost(f).params;
	return cc_step(f, &feed, &obj, 1, false, a, b->d);
}

static ir_status compile(bench *b, const ir_module *m, cc_program **out)
{
	ir_arena *a = ar_open();
	cc_options o = {.threads = (int)b->threads, .opt_level = 2, .tune = b->tune && !b->program};
	ir_func *f = build_step(b, m, a);
	ir_status st;

	if (b->program) /* the second time: as it was chosen */
		o.schedule = &b->program->plan.schedule;
	st = f ? cc_compile(b->c, f, &o, out, b->d) : IR_EINPUT;

	ar_free(a);
	return st;
}

/* Cold: nothing in memory or on disk, LLVM itself not started. Warm: every kernel is there already. */
static ir_status compile_twice(bench *b, const ir_module *m)
{
	cc_context_options o = cc_context_default();
	cc_program *again = NULL;
	double t0 = rt_seconds();
	ir_status st;

	o.cache_dir = "", o.target = b->target;
	st = cc_context_new(&o, &b->c, b->d);
	if (st == IR_OK)
		st = compile(b, m, &b->program);
	b->cold_ms = 1e3 * (rt_seconds() - t0);
	t0 = rt_seconds();
	if (st == IR_OK)
		st = compile(b, m, &again);
	b->warm_ms = 1e3 * (rt_seconds() - t0);
	cc_program_free(again);
	return st;
}

static void fill(bench *b, size_t i)
{
	rt_tensor *t = &b->leaf[i];
	int64_t n = ir_type_count(&t->type);
	rt_key key = rt_key_for(rt_key_seed(1), RT_FOR_TEST, i);
	const char *name = cc_program_leaf_name(b->program, i);

	if (cc_program_leaf_op(b->program, i) == IR_param && t->type.rank == 2)
		rt_init(t, IR_INIT_he_uniform, rt_key_seed(1), (uint32_t)i);
	else if (!strcmp(name, CC_IN_TABLE)) /* dark pictures with a few bright pixels, like real ones */
		for (int64_t k = 0; k < n; k++)
			((uint8_t *)t->data)[k] = rt_random_u64(key, (uint64_t)k) % 4 ? 0 : (uint8_t)(k * 37);
	else if (!strcmp(name, CC_IN_INDEX))
		for (int64_t k = 0; k < n; k++)
			((int32_t *)t->data)[k] = (int32_t)rt_random_below(key, (uint64_t)k, TABLE_ROWS);
}

static ir_status bind_all(bench *b)
{
	static const char *const scalar[3] = {CC_IN_LR, CC_IN_ALPHA, CC_IN_RSC};
	ir_status st = rt_exec_new(cc_program_plan(b->program), &b->exec);

	b->nleaf = cc_program_leaves(b->program);
	b->leaf = ir_xmalloc(b->nleaf + 1, sizeof *b->leaf);
	b->loss = ir_xmalloc(CHUNK, sizeof *b->loss);
	for (size_t i = 0; i < b->nleaf && st == IR_OK; i++) {
		st = rt_tensor_alloc(&b->leaf[i], cc_program_leaf_type(b->program, i));
		if (st != IR_OK)
			return st;
		fill(b, i);
		rt_bind_leaf(b->exec, i, b->leaf[i].data, 0);
		for (int k = 0; k < 3; k++)
			if (!strcmp(cc_program_leaf_name(b->program, i), scalar[k]))
				rt_bind_leaf(b->exec, i, b->scalar[k], sizeof(float));
	}
	if (st == IR_OK)
		rt_bind_output(b->exec, 0, b->loss, sizeof(float));
	return st;
}

static void run_chunk(bench *b)
{
	for (int i = 0; i < CHUNK; i++) {
		double t = (double)++b->steps, lr = 1e-3;

		b->scalar[0][i] = (float)lr;
		b->scalar[1][i] = (float)(lr / (1 - pow(.9, t)));
		b->scalar[2][i] = (float)(1 / sqrt(1 - pow(.999, t)));
	}
	rt_run(b->exec, CHUNK);
}

static ir_status measure(bench *b)
{
	double before = 0, after = 0, t0;
	ir_status st = cc_measure_peak(b->c, (int)b->threads, 0.3, &before, b->d);
	int64_t first;

	if (st != IR_OK)
		return st;
	run_chunk(b);
	rt_exec_measure(b->exec, b->profile);
	first = b->steps;
	t0 = rt_seconds();
	do
		run_chunk(b);
	while (rt_seconds() - t0 < b->seconds);
	b->step_ms = 1e3 * (rt_seconds() - t0) / (double)(b->steps - first);
	st = cc_measure_peak(b->c, (int)b->threads, 0.3, &after, b->d);
	b->peak = before > after ? before : after;
	if (st == IR_OK && b->profile)
		st = cc_measure_bandwidth((int)b->threads, 0.3, &b->bandwidth);
	return st;
}

static void report(const bench *b, const char *path)
{
	const cc_stats *s = cc_program_stats(b->program);
	double gflops = (double)b->flops / b->step_ms / 1e6;

	if (b->json)
		printf("{\"params\": %lld, \"flops_per_step\": %lld, \"arena_bytes\": %zu, \"compile_cold_ms\": %.3f, "
		       "\"compile_warm_ms\": %.3f, \"step_ms\": %.5f, \"gflops\": %.2f, \"fma_peak_gflops\": %.2f, "
		       "\"peak_fraction\": %.4f, \"loss\": %.9g",
		       (long long)b->params, (long long)b->flops, s->arena_bytes, b->cold_ms, b->warm_ms, b->step_ms,
		       gflops, b->peak, gflops / b->peak, (double)b->loss[CHUNK - 1]);
	else
		printf("%s: batch %lld, %lld threads, %lld params, %.1f MFLOP/step, arena %.2f MB\n"
		       "  compile %.1f ms cold%s, %.1f ms warm (%d kernels compiled, %d launches, %d levels)\n"
		       "  step %.4f ms = %.1f GFLOP/s = %.1f %% of the f32 FMA peak (%.1f GFLOP/s)  loss %.5f after %zu steps\n",
		       path, (long long)b->batch, (long long)b->threads, (long long)b->params, (double)b->flops / 1e6,
		       (double)s->arena_bytes / 1e6, b->cold_ms, b->tune ? " with tuning" : "", b->warm_ms, s->kernels_compiled,
		       s->launches, s->levels, b->step_ms, gflops, 100 * gflops / b->peak, b->peak, (double)b->loss[CHUNK - 1],
		       (size_t)b->steps);
}

/* The rest of the JSON object. */
static void end_json(const bench *b)
{
	const rt_profile *f = rt_exec_profile(b->exec);

	if (f) {
		cc_profile p = cc_program_profile(b->program, f, b->a);

		printf(", \"memory_gbytes\": %.2f, \"team\": %d, \"barrier_us\": %.3f, \"profile\": [", b->bandwidth, p.threads,
		       1e6 * f->wait / (double)p.steps);
		for (size_t i = 0; i < p.n; i++) {
			const cc_profile_row *r = &p.row[i];

			printf("%s{\"kernel\": \"%s\", \"shape\": \"%s\", \"fused\": %d, \"launches\": %d, \"us\": %.3f, \"flops\": %.0f, "
			       "\"bytes\": %.0f}", i ? ", " : "", r->kernel, r->shape, r->fused, r->launches, 1e6 * r->seconds, r->flops,
			       r->bytes);
		}
		printf("]");
	}
	printf("}\n");
}

/* Barriers and the rest have a time and nothing else. */
static void print_row(const bench *b, const cc_profile *p, const cc_profile_row *r)
{
	double s = r->seconds / p->threads, flops = s > 0 ? r->flops / s / 1e9 : 0, bytes = s > 0 ? r->bytes / s / 1e9 : 0;
	double share = 100 * s / p->step_s;
	char name[128], fused[16] = "";

	if (!r->shape[0]) {
		printf("%-34s %8d %10.2f %42s %5.1f %%\n", r->kernel, r->launches, 1e6 * r->seconds, "", share);
		return;
	}
	if (r->fused)
		snprintf(fused, sizeof fused, " +%d", r->fused);
	snprintf(name, sizeof name, "%s %s%s", r->kernel, r->shape, fused);
	printf("%-34s %8d %10.2f %9.1f %6.1f %% %7.1f %7.1f %% %5.1f %%\n", name, r->launches, 1e6 * r->seconds, flops,
	       100 * flops / b->peak, bytes, 100 * bytes / b->bandwidth, share);
}

/* The step's time on all threads, taken apart: every line is a share of threads x wall, so the last column sums to 100 %. */
static void report_profile(const bench *b)
{
	cc_profile p = cc_program_profile(b->program, rt_exec_profile(b->exec), b->a);

	printf("%-34s %8s %10s %9s %8s %7s %9s %7s\n", "kernel", "launches", "us/step", "GFLOP/s", "of peak", "GB/s", "of memory",
	       "time");
	for (size_t i = 0; i < p.n; i++)
		print_row(b, &p, &p.row[i]);
	printf("us/step: of all %d threads together, so it sums to %d times the step. GFLOP/s and GB/s: as if all of them ran this kernel.\n"
	       "memory: %.1f GB/s read and written; bytes are operands and results once per launch, so over 100 %% comes from caches\n",
	       p.threads, p.threads, b->bandwidth);
}

static void clean(bench *b)
{
	for (size_t i = 0; b->leaf && i < b->nleaf; i++)
		rt_tensor_free(&b->leaf[i]);
	free(b->leaf);
	free(b->loss);
	if (b->exec)
		rt_exec_free(b->exec);
	cc_program_free(b->program);
	cc_context_free(b->c);
	cc_model_messages(b->d);
	ir_diag_free(b->d);
	ar_free(b->a);
}

static const ir_command command = {
	"bench", "FILE.gm", "time a model's training step against the machine's FMA peak",
	"  gradmill bench tests/bench/deep128.gm --batch 128 --threads 2\n", 1, 1};

int cc_cmd_bench(int argc, char **argv)
{
	bench b = {.batch = 128, .threads = rt_cores(), .seconds = 3, .precision = "f32"};
	const ir_opt opt[] = {
		{"batch", IR_OPT_INT, &b.batch, 1, "B", "rows per step (128)"},
		{"threads", IR_OPT_INT, &b.threads, 1, "T", "threads (all cores)"},
		{"seconds", IR_OPT_FLOAT, &b.seconds, 0, "S", "how long to measure (3)"},
		{"clip-norm", IR_OPT_FLOAT, &b.clip_norm, 0, "C", "clip the global gradient norm"},
		{"precision", IR_OPT_STRING, &b.precision, 0, "f32|bf16", "the peak is that of f32 in any case (f32)"},
		{"target", IR_OPT_STRING, &b.target, 0, "T", "level to compile for: x86-64-v3 (this machine)"},
		{"tune", IR_OPT_FLAG, &b.tune, 0, NULL, "choose the schedule by measurement, as part of the first compilation; results stay the same"},
		{"profile", IR_OPT_FLAG, &b.profile, 0, NULL, "then say per kernel where the step's time went"},
		{"json", IR_OPT_FLAG, &b.json, 0, NULL, "print one JSON object"},
	};
	char **operand;
	ir_module *m;
	ir_str text;
	ir_status st;
	int code = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (code < 0 && cc_parse_precision("bench", b.precision, &b.numbers))
		code = CC_EXIT_USAGE;
	if (code < 0 && cc_check_threads("bench", b.threads))
		code = CC_EXIT_USAGE;
	if (code < 0 && b.numbers == CC_PRECISION_F64) {
		fputs("gradmill bench: f64 is for checks, not for speed: --precision f32 or bf16\n", stderr);
		code = CC_EXIT_USAGE;
	}
	if (code >= 0)
		return code;
	b.a = ar_open();
	b.d = ir_diag_new();
	st = cc_model_read(operand[0], b.a, b.d, &text, &m);
	if (st == IR_OK)
		st = compile_twice(&b, m);
	if (st == IR_OK)
		st = bind_all(&b);
	if (st == IR_OK)
		st = measure(&b);
	if (st == IR_OK) {
		report(&b, operand[0]);
		if (b.json)
			end_json(&b);
		else if (b.profile)
			report_profile(&b);
	} else if (ir_diag_size(b.d) == 0)
		fprintf(stderr, "gradmill bench: %s\n", ir_status_text(st));
	clean(&b);
	sb_fini(&text);
	return ir_status_exit(st);
}
