/* SPDX-License-Identifier: Apache-2.0
 * gradmill opt: passes on the text form, from text to text. The tool of all golden tests. The module goes to stdout,
 * dumps and times go to stderr, so that what is printed is always a file that gradmill reads back. */
#include <stdio.h>
#include <string.h>
#include "compiler/cmd.h"
#include "compiler/cmd_int.h"
#include "ir/base/cli.h"

typedef struct options {
	const char *passes, *func, *precision, *dump_after, *stop_after, *out;
	int64_t batch;
	bool dump_changed, time, verify;
	cc_precision numbers;
} options;

static const ir_command command = {
	.name = "opt", .operands = "FILE.gm", .summary = "read a model, apply passes, print it",
	.examples = "  gradmill opt model.gm                             # check and print\n"
		    "  gradmill opt model.gm --batch 8 -p grad,simplify,fold,cse,dce\n"
		    "  gradmill opt model.gm --batch 8 -p default --dump-changed\n",
	.min_operands = 1, .max_operands = 1,
};

static int parse_options(options *o, int argc, char **argv, char ***operand)
{
	const ir_opt table[] = {
		{"passes|p", IR_OPT_STRING, &o->passes, 0, "LIST", "passes in order, or 'default': gradmill opt -p help"},
		{"func", IR_OPT_STRING, &o->func, 0, "NAME", "this function only"},
		{"batch", IR_OPT_INT, &o->batch, 1, "N", "bind the batch size B first"},
		{"precision", IR_OPT_STRING, &o->precision, 0, "f32|f64|bf16", "first f64 widens every f32, bf16 rounds operands of products"},
		{"dump-after", IR_OPT_STRING, &o->dump_after, 0, "PASS", "print the function behind this pass, or 'all'"},
		{"dump-changed", IR_OPT_FLAG, &o->dump_changed, 0, NULL, "print it behind every pass that changed it"},
		{"stop-after", IR_OPT_STRING, &o->stop_after, 0, "PASS", "leave out the passes behind the first PASS"},
		{"time-passes", IR_OPT_FLAG, &o->time, 0, NULL, "time of every pass"},
		{"no-verify", IR_OPT_OFF, &o->verify, 0, NULL, "do not verify behind every pass"},
		{"output|o", IR_OPT_STRING, &o->out, 0, "FILE", "write there instead of stdout"},
	};

	*o = (options){.passes = "", .precision = "f32", .verify = true};
	return ir_cli_parse(&command, table, sizeof table / sizeof *table, argc, argv, operand);
}

static void list_passes(void)
{
	for (size_t i = 0; cc_pass_at(i); i++)
		printf("%-10s %s\n", cc_pass_at(i)->name, cc_pass_at(i)->doc);
}

/* An option names what there is not. */
static int bad_pass(cc_job *j)
{
	cc_job_end(j, IR_EINPUT);
	return CC_EXIT_USAGE;
}

/* The passes to run. 0, or the exit code after a message. */
static int make_pipeline(const options *o, cc_pipeline *p, cc_job *j)
{
	const cc_pass *stop = o->stop_after ? cc_pass_find(o->stop_after) : NULL;
	cc_pipeline named = {0};

	*p = (cc_pipeline){0};
	if (!strcmp(o->passes, "default"))
		cc_pipeline_default(p, 2);
	else if (!cc_pipeline_parse(p, o->passes, j->d))
		return bad_pass(j);
	if (o->stop_after && !stop && !cc_pipeline_parse(&named, o->stop_after, j->d))
		return bad_pass(j);
	if (o->dump_after && strcmp(o->dump_after, "all") && !cc_pipeline_parse(&named, o->dump_after, j->d))
		return bad_pass(j);
	for (size_t i = 0; i < p->n; i++)
		if (p->pass[i] == stop)
			p->n = i + 1;
	p->verify = o->verify;
	p->dump_after = o->dump_after;
	p->time = o->time;
	return 0;
}

/* One pass at a time, so that the text before it is at hand. */
static ir_func *run_changed(const cc_pipeline *p, const ir_func *f, cc_job *j)
{
	ir_func *g = (ir_func *)f;
	ir_str before, after;

	sb_init(&before);
	sb_init(&after);
	ir_func_print(f, &before);
	for (size_t i = 0; i < p->n && g; i++) {
		cc_pipeline one = *p;

		one.pass[0] = p->pass[i];
		one.n = 1;
		g = cc_pipeline_run(&one, g, j->a, j->d);
		if (!g)
			break;
		sb_clear(&after);
		ir_func_print(g, &after);
		if (strcmp(before.s, after.s))
			sb_printf(p->dump, "# after %s\n%s", p->pass[i]->name, after.s);
		sb_clear(&before);
		sb_put(&before, after.s);
	}
	sb_fini(&before);
	sb_fini(&after);
	return g;
}

/* Transforms one function of the module into *to. */
static bool transform(const options *o, const cc_pipeline *p, const ir_func *f, cc_job *j, ir_module *to)
{
	ir_func *g;

	f = cc_job_bind(j, f, o->batch, o->numbers);
	if (!f || !ir_verify(f, j->d))
		return false;
	g = o->dump_changed ? run_changed(p, f, j) : cc_pipeline_run(p, f, j->a, j->d);
	if (g)
		ir_module_add(to, g);
	return g != NULL;
}

static int run(const options *o, const char *path)
{
	cc_job j;
	cc_pipeline p;
	ir_module *to;
	ir_str dump, text;
	bool ok = true;
	int rc = cc_job_open(&j, path);

	sb_init(&dump);
	sb_init(&text);
	if (rc == 0)
		rc = make_pipeline(o, &p, &j);
	if (rc == 0 && o->func && !cc_job_func(&j, o->func))
		rc = cc_job_end(&j, IR_OK);
	if (rc == 0) {
		p.dump = &dump;
		to = ir_module_new(j.a);
		for (size_t i = 0; i < j.m->n; i++)
			if (!o->func || !strcmp(j.m->func[i]->name, o->func))
				ok &= transform(o, &p, j.m->func[i], &j, to);
		fwrite(dump.s, 1, dump.n, stderr);
		rc = cc_job_end(&j, ok ? IR_OK : IR_EINPUT);
		ir_module_print(to, &text);
	}
	if (rc == 0)
		rc = cc_write_answer("opt", o->out, &text);
	sb_fini(&dump);
	sb_fini(&text);
	cc_job_close(&j);
	return rc;
}

int cc_cmd_opt(int argc, char **argv)
{
	options o;
	char **operand;
	int rc;

	for (int i = 1; i + 1 < argc; i++) /* needs no file */
		if ((!strcmp(argv[i], "-p") || !strcmp(argv[i], "--passes")) && !strcmp(argv[i + 1], "help"))
			return list_passes(), 0;
	rc = parse_options(&o, argc, argv, &operand);
	if (rc < 0)
		rc = cc_parse_precision("opt", o.precision, &o.numbers);
	else
		return rc;
	return rc ? rc : run(&o, operand[0]);
}
