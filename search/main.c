/* SPDX-License-Identifier: Apache-2.0
 * search/main.c -- the command table and nothing else. To add a command: cmd_x.c in the layer it drives, its
 * prototype in that layer's cmd.h, one row here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "compiler/cmd.h"
#include "runtime/rt.h"
#include "ir/base/arena.h"
#include "ir/base/str.h"
#include "search/cmd.h"
#include "search/learn/learn.h"

typedef struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary; /* NULL: not listed */
} command;

static const command commands[] = {
	{"search", se_cmd_search, "search for the best model; goes on with a study that exists"},
	{"train", se_cmd_train, "train one model"},
	{"trials", se_cmd_trials, "list the trials of a study"},
	{"best", se_cmd_best, "show or export the best trial"},
	{"show", se_cmd_show, "everything about one trial"},
	{"replay", se_cmd_replay, "train a trial again and compare it to the bit"},
	{"status", se_cmd_status, "how a search is getting on"},
	{"stop", se_cmd_stop, "end a running search"},
	{"query", se_cmd_query, "ask the trial history in SQL"},
	{"backup", se_cmd_backup, "copy the trial history, also while a search writes it"},
	{"check", cc_cmd_check, "verify a model: bottleneck, gradients, JIT against interpreter"},
	{"bench", cc_cmd_bench, "measure a model's training step"},
	{"opt", cc_cmd_opt, "run compiler passes on a model"},
	{"compile", cc_cmd_compile, "write IR, plan, assembly or an object of a model"},
	{"ops", cc_cmd_ops, "the manual of the IR's operations"},
	{"worker", se_cmd_worker, NULL},
};

#define NCOMMAND (sizeof commands / sizeof *commands)

static const command *find(const char *name)
{
	for (size_t i = 0; i < NCOMMAND; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_usage(FILE *to)
{
	fputs("usage: gradmill COMMAND [OPTION ...]\n\n", to);
	for (size_t i = 0; i < NCOMMAND; i++)
		if (commands[i].summary)
			fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'gradmill help COMMAND' or 'gradmill COMMAND --help' shows examples and options.\n", to);
}

static int unknown(const char *name)
{
	const command *near = NULL;
	size_t best = 3; /* further away is no typo */

	for (size_t i = 0; i < NCOMMAND; i++) {
		size_t d = ir_distance(name, commands[i].name);

		if (commands[i].summary && d < best)
			best = d, near = &commands[i];
	}
	fprintf(stderr, "gradmill: unknown command '%s'\n", name);
	if (near)
		fprintf(stderr, "did you mean '%s'?\n", near->name);
	else
		fputs("'gradmill help' lists the commands\n", stderr);
	return 64;
}

static int help(int argc, char **argv)
{
	const command *c;
	char *args[] = {NULL, (char[]){"--help"}, NULL};

	if (argc < 2) {
		print_usage(stdout);
		return 0;
	}
	c = find(argv[1]);
	if (!c)
		return unknown(argv[1]);
	args[0] = argv[1];
	return c->run(2, args);
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
	const command *c;
	bool counts;
	int rc;

	ir_oom_end = end_without_memory;
	if (argc < 2) {
		print_usage(stderr);
		return 64;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("gradmill " SE_VERSION);
		return finish(0);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return finish(help(argc - 1, argv + 1));
	rt_set_budget(rt_memory() / 10 * 9); /* a model too large for the machine is a message, not the end of others */
	cc_weight_file = &le_weight_reader;
	c = find(argv[1]);
	counts = set_fault(argv[1]);
	rc = finish(c ? c->run(argc - 1, argv + 1) : unknown(argv[1]));
	if (counts)
		fprintf(stderr, "gradmill: %ld requests for memory\n", ir_fault_count());
	return rc;
}
