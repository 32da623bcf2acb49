/* SPDX-License-Identifier: Apache-2.0
 * search/main.c -- the command table and nothing else. To add a command: cmd_x.c in the layer it drives, its
 * prototype in that layer's cmd.h, one row here. Overview, manual page and completion follow (help.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "compiler/cmd.h"
#include "runtime/rt.h"
#include "ir/base/arena.h"
#include "search/cmd.h"
#include "search/help.h"
#include "search/learn/learn.h"

static int help(int argc, char **argv);
static int completion(int argc, char **argv);

static const se_command commands[] = {
	{"search", se_cmd_search, false},
	{"train", se_cmd_train, false},
	{"apply", se_cmd_apply, false},
	{"trials", se_cmd_trials, false},
	{"best", se_cmd_best, false},
	{"show", se_cmd_show, false},
	{"replay", se_cmd_replay, false},
	{"report", se_cmd_report, false},
	{"status", se_cmd_status, false},
	{"stop", se_cmd_stop, false},
	{"query", se_cmd_query, false},
	{"backup", se_cmd_backup, false},
	{"check", cc_cmd_check, false},
	{"bench", cc_cmd_bench, false},
	{"opt", cc_cmd_opt, false},
	{"compile", cc_cmd_compile, false},
	{"ops", cc_cmd_ops, false},
	{"help", help, false},
	{"completion", completion, false},
	{"worker", se_cmd_worker, true},
	{NULL, NULL, false},
};

static int help(int argc, char **argv)
{
	return se_cmd_help(commands, argc, argv);
}

static int completion(int argc, char **argv)
{
	return se_cmd_completion(commands, argc, argv);
}

static const se_command *find(const char *name)
{
	for (const se_command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static int run(int argc, char **argv)
{
	const se_command *c = find(argv[0]);

	if (!c)
		return se_unknown_command(commands, argv[0], false);
	rt_set_budget(rt_memory() / 10 * 9); /* a model too large for the machine is a message, not the end of others */
	cc_weight_file = &le_weight_reader;
	return c->run(argc, argv);
}

static int print_overview(FILE *to)
{
	ir_str out;

	sb_init(&out);
	se_put_overview(commands, &out);
	fputs(out.s, to);
	sb_fini(&out);
	return to == stderr ? 64 : 0;
}

/* Buffered data that never reached its file is a failed command, whatever the command thought. */
static int finish(int rc)
{
	if ((fflush(stdout) || ferror(stdout)) && !rc) {
		perror("gradmill: stdout");
		return 74;
	}
	return rc;
}

/* At once: other threads may be anywhere, and half of a table is worse than none. */
static void end_without_memory(void)
{
	_exit(ir_status_exit(IR_ENOMEM));
}

/* GRADMILL_TEST_FAULT=alloc:N, for tests: the N-th request for memory fails; N+: so do all that follow; 0: none, they are
 * counted. A search's workers are meant by worker:alloc:N only. */
static bool set_fault(const char *name)
{
	const char *text = getenv("GRADMILL_TEST_FAULT");
	bool worker = text && !strncmp(text, "worker:", 7);
	char *end;
	long n;

	if (!text || worker != !strcmp(name, "worker") || strncmp(text + 7 * worker, "alloc:", 6) != 0)
		return false;
	n = strtol(text + 7 * worker + 6, &end, 10);
	ir_fault_after(n, *end == '+');
	return !n;
}

int main(int argc, char **argv)
{
	bool counts;
	int rc;

	ir_oom_end = end_without_memory;
	if (argc < 2)
		return print_overview(stderr);
	if (!strcmp(argv[1], "--version")) {
		puts("gradmill " SE_VERSION);
		return finish(0);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return finish(print_overview(stdout));
	counts = set_fault(argv[1]);
	rc = finish(run(argc - 1, argv + 1));
	if (counts)
		fprintf(stderr, "gradmill: %ld requests for memory\n", ir_fault_count());
	return rc;
}
