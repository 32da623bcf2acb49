/* SPDX-License-Identifier: Apache-2.0
 * gradmill check: is this model sound, and does the compiler do what the IR says? Every function of the file is verified,
 * its bottleneck proved, its gradients compared with central differences of the interpreter in f64, and its compiled
 * code with the interpreter. The comparing is in check_run.c; this file decides what is checked and prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/check.h"
#include "compiler/cmd.h"
#include "compiler/cmd_int.h"
#include "ir/base/cli.h"

typedef struct options {
	const char *func;
	int64_t batch, seed, threads;
	bool json;
} options;

/* What was found out about one function. */
typedef struct report {
	const char *name, *bottleneck; /* ok, bypass, no_latent, or - */
	cc_finding gradient, direction, f64, f32, threads;
} report;

static const ir_command command = {
	.name = "check", .operands = "FILE.gm", .summary = "verify a model, its bottleneck, gradients and compiled code",
	.examples = "  gradmill check model.gm\n  gradmill check model.gm --batch 16 --json\n",
	.min_operands = 1, .max_operands = 1,
};

static int parse_options(options *o, int argc, char **argv, char ***operand)
{
	const ir_opt table[] = {
		{"func", IR_OPT_STRING, &o->func, 0, "NAME", "this function only"},
		{"batch", IR_OPT_INT, &o->batch, 1, "B", "batch size (4)"},
		{"seed", IR_OPT_INT, &o->seed, 0, "S", "of inputs, weights and sampled coordinates (0)"},
		{"threads", IR_OPT_INT, &o->threads, 2, "T", "compared with one thread (2)"},
		{"json", IR_OPT_FLAG, &o->json, 0, NULL, "print one JSON object"},
	};

	*o = (options){.batch = 4, .threads = 2};
	return ir_cli_parse(&command, table, sizeof table / sizeof *table, argc, argv, operand);
}

/* ---- the bottleneck proof ------------------------------------------------------------------------------------- */

static const char *prove_bottleneck(const ir_func *f, cc_job *j)
{
	const ir_output *y = ir_find_output(f, IR_OUT_RECONSTRUCTION);
	ir_ref *path;
	size_t n;

	if (!y)
		return "-";
	if (!ir_find_output(f, IR_OUT_LATENT)) {
		ir_report(j->d, f->ins[y->ref].loc, IR_E_no_latent);
		return "no_latent";
	}
	if (!ir_find_bypass(f, j->a, &path, &n))
		return "ok";
	ir_report(j->d, f->ins[y->ref].loc, IR_E_bypass);
	for (size_t i = 0; i < n; i++) {
		const ir_ins *in = &f->ins[path[i]];
		const char *name = in->name ? in->name : ar_printf(j->a, "%%%u", path[i]);

		ir_report(j->d, in->loc, IR_E_bypass_step, name, ir_op_info(in->op)->name);
	}
	return "bypass";
}

/* ---- one function ------------------------------------------------------------------------------------------------ */

static ir_status check_func(const options *o, cc_context *c, const ir_func *f, cc_job *j, report *r)
{
	cc_check k;
	ir_status s;

	*r = (report){.name = f->name};
	f = cc_job_bind(j, f, o->batch, false);
	if (!f || !ir_verify(f, j->d))
		return IR_EINPUT;
	r->bottleneck = prove_bottleneck(f, j);
	s = cc_check_open(&k, c, f, (uint64_t)o->seed, (int)o->threads, j->a, j->d);
	if (s == IR_OK)
		s = cc_check_gradient(&k, &r->gradient, &r->direction);
	if (s == IR_OK)
		s = cc_check_code(&k, &r->f64, &r->f32, &r->threads);
	cc_check_close(&k);
	return s;
}

static bool holds(const cc_finding *f)
{
	return !f->why && (f->count == 0 || f->error <= f->bound);
}

static bool all_hold(const report *r)
{
	return holds(&r->gradient) && holds(&r->direction) && holds(&r->f64) && holds(&r->f32) && holds(&r->threads);
}

/* ---- printing ------------------------------------------------------------------------------------------------------ */

static void put_finding(const char *what, const cc_finding *f, const char *of, ir_str *out)
{
	sb_printf(out, "  %-11s ", what);
	if (f->why)
		sb_printf(out, "FAILED  %s\n", f->why);
	else if (f->count == 0)
		sb_printf(out, "-       nothing to compare\n");
	else
		sb_printf(out, "%-7s %zu %s, largest error %.2g (bound %.0e)%s%s\n", holds(f) ? "ok" : "FAILED", f->count, of,
			  f->error, f->bound, holds(f) ? "" : ": ", holds(f) ? "" : f->worst);
}

static void put_text(const report *r, ir_str *out)
{
	const char *b = r->bottleneck;

	sb_printf(out, "%s\n  %-11s ok\n", r->name, "verify");
	sb_printf(out, "  %-11s %s\n", "bottleneck", !strcmp(b, "ok") ? "ok      every path passes the latent"
		  : !strcmp(b, "bypass") ? "warning the reconstruction reaches the input around the latent"
		  : !strcmp(b, "no_latent") ? "warning no output is named latent" : "-       no reconstruction");
	put_finding("gradients", &r->gradient, "coordinates", out);
	put_finding("directions", &r->direction, "directions", out);
	put_finding("f64 code", &r->f64, "results", out);
	put_finding("f32 code", &r->f32, "results", out);
	if (r->threads.count)
		sb_printf(out, "  %-11s %s\n", "threads", holds(&r->threads) ? "ok      the same bits" : "FAILED  bits differ");
}

static void put_json_finding(const char *what, const cc_finding *f, ir_str *out)
{
	sb_printf(out, ", \"%s\": {\"ok\": %s, \"count\": %zu, \"error\": ", what, holds(f) ? "true" : "false", f->count);
	sb_put_json_real(out, f->error);
	sb_put(out, ", \"bound\": ");
	sb_put_json_real(out, f->bound);
	if (f->why) {
		sb_put(out, ", \"why\": ");
		sb_put_json_text(out, f->why);
	}
	sb_putc(out, '}');
}

static void put_json(const report *r, ir_str *out)
{
	sb_put(out, "{\"name\": ");
	sb_put_json_text(out, r->name);
	sb_printf(out, ", \"bottleneck\": \"%s\"", r->bottleneck);
	put_json_finding("gradients", &r->gradient, out);
	put_json_finding("directions", &r->direction, out);
	put_json_finding("f64", &r->f64, out);
	put_json_finding("f32", &r->f32, out);
	put_json_finding("threads", &r->threads, out);
	sb_putc(out, '}');
}

static void print_reports(const options *o, const report *r, size_t n, bool ok)
{
	ir_str out;

	sb_init(&out);
	if (o->json)
		sb_printf(&out, "{\"ok\": %s, \"batch\": %lld, \"seed\": %lld, \"functions\": [", ok ? "true" : "false",
			  (long long)o->batch, (long long)o->seed);
	for (size_t i = 0; i < n; i++) {
		sb_put(&out, o->json && i ? ", " : "");
		(o->json ? put_json : put_text)(&r[i], &out);
	}
	if (o->json)
		sb_put(&out, "]}\n");
	cc_write_answer("check", NULL, &out);
	sb_fini(&out);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static ir_status check_all(const options *o, cc_job *j, report *r, size_t *n)
{
	cc_context_options co = cc_context_default();
	cc_context *c = NULL;
	ir_status s;

	if (o->func && !cc_job_func(j, o->func))
		return IR_EINPUT;
	s = cc_context_new(&co, &c, j->d);
	for (size_t i = 0; i < j->m->n && s == IR_OK; i++)
		if (!o->func || !strcmp(o->func, j->m->func[i]->name))
			s = check_func(o, c, j->m->func[i], j, &r[(*n)++]);
	cc_context_free(c);
	return s;
}

static int run(const options *o, const char *path)
{
	cc_job j;
	report *r;
	size_t n = 0;
	bool ok = true;
	int rc = cc_job_open(&j, path);

	if (rc == 0) {
		r = ar_new(j.a, report, j.m->n + 1);
		rc = cc_job_end(&j, check_all(o, &j, r, &n));
		for (size_t i = 0; i < n; i++)
			ok &= all_hold(&r[i]);
		if (rc == 0)
			print_reports(o, r, n, ok);
	}
	cc_job_close(&j);
	return rc ? rc : ok ? 0 : CC_EXIT_FAILED;
}

int cc_cmd_check(int argc, char **argv)
{
	options o;
	char **operand;
	int rc = parse_options(&o, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	rc = cc_check_threads("check", o.threads);
	if (rc)
		return rc;
	return run(&o, operand[0]);
}
