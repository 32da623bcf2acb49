/* SPDX-License-Identifier: Apache-2.0
 * gradmill help and gradmill completion: texts of help.h on stdout. */
#include <stdio.h>
#include <string.h>
#include "search/help.h"

enum { USAGE = 64 };

static int print(ir_str *text)
{
	fputs(text->s, stdout);
	sb_fini(text);
	return 0;
}

/* Keeps the nearer name; distances of 3 and more are no typing errors. */
static void nearer(const char *name, const char *candidate, const char **best, size_t *distance)
{
	size_t d = ir_distance(name, candidate);

	if (d < *distance) {
		*distance = d;
		*best = candidate;
	}
}

int se_unknown_command(const se_command *commands, const char *name, bool or_topic)
{
	const char *near = NULL;
	size_t distance = 3;

	for (const se_command *c = commands; c->name; c++)
		if (!c->hidden)
			nearer(name, c->name, &near, &distance);
	for (const se_topic *t = se_topics; or_topic && t->name; t++)
		nearer(name, t->name, &near, &distance);
	fprintf(stderr, "gradmill: unknown command%s '%s'\n", or_topic ? " or topic" : "", name);
	if (near)
		fprintf(stderr, "did you mean '%s'?\n", near);
	else
		fputs(or_topic ? "'gradmill help' lists both\n" : "'gradmill help' lists the commands\n", stderr);
	return USAGE;
}

static const se_command *find_command(const se_command *c, const char *name)
{
	while (c->name && (c->hidden || strcmp(c->name, name)))
		c++;
	return c->name ? c : NULL;
}

static const se_topic *find_topic(const char *name)
{
	const se_topic *t = se_topics;

	while (t->name && strcmp(t->name, name))
		t++;
	return t->name ? t : NULL;
}

/* A name may be both: the options first, then the page. */
static int explain(const se_command *commands, char *name)
{
	const se_command *c = find_command(commands, name);
	const se_topic *t = find_topic(name);
	char *args[] = {name, (char[]){"--help"}, NULL};
	int rc = 0;

	if (!c && !t)
		return se_unknown_command(commands, name, true);
	if (c)
		rc = c->run(2, args);
	if (c && t)
		putchar('\n');
	if (t)
		fputs(t->text, stdout);
	return rc;
}

int se_cmd_help(const se_command *commands, int argc, char **argv)
{
	static const ir_command command = {"help", "[COMMAND|TOPIC]", "the list of commands and topics, or a page on one of them",
		"gradmill help search\ngradmill help sql\ngradmill help --man | man -l -\n", 0, 1};
	bool man = false;
	const ir_opt opt[] = {
		{"man", IR_OPT_FLAG, &man, 0, NULL, "everything, as a manual page (roff)"},
	};
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);
	ir_str out;

	if (rc >= 0)
		return rc;
	if (*operand)
		return explain(commands, *operand);
	sb_init(&out);
	(man ? se_put_manual : se_put_overview)(commands, &out);
	return print(&out);
}

int se_cmd_completion(const se_command *commands, int argc, char **argv)
{
	static const ir_command command = {"completion", "bash|zsh|fish", "a completion script for a shell",
		"source <(gradmill completion bash)       # in ~/.bashrc\n"
		"gradmill completion fish > ~/.config/fish/completions/gradmill.fish\n", 1, 1};
	char **operand;
	int rc = ir_cli_parse(&command, NULL, 0, argc, argv, &operand);
	ir_str out;

	if (rc >= 0)
		return rc;
	sb_init(&out);
	if (!se_put_completion(commands, *operand, &out)) {
		sb_fini(&out);
		fprintf(stderr, "gradmill completion: no shell '%s' (%s)\n", *operand, command.operands);
		return USAGE;
	}
	return print(&out);
}
