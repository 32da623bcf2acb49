/* SPDX-License-Identifier: Apache-2.0
 * search/help.c -- the overview and the table of topics. */
#include "search/help.h"

#define TOPIC(name, heading, summary) extern const char se_topic_##name[];
#include "search/topics.def"
#undef TOPIC

const se_topic se_topics[] = {
#define TOPIC(name, heading, summary) {#name, heading, summary, se_topic_##name},
#include "search/topics.def"
#undef TOPIC
	{NULL, NULL, NULL, NULL},
};

static void put_row(ir_str *out, const char *name, const char *summary)
{
	sb_printf(out, "  %-11s %s\n", name, summary);
}

static void put_command(void *out, const ir_command *c, const ir_opt *opt, size_t n)
{
	(void)opt, (void)n;
	put_row(out, c->name, c->summary);
}

void se_put_overview(const se_command *commands, ir_str *out)
{
	sb_put(out, "usage: gradmill COMMAND [OPTION ...]\n\n");
	for (const se_command *c = commands; c->name; c++)
		if (!c->hidden)
			ir_cli_describe(c->run, put_command, out);
	sb_put(out, "\n'gradmill help COMMAND' or 'gradmill COMMAND --help' shows examples and options, 'gradmill help TOPIC'\n"
		    "a page on\n\n");
	for (const se_topic *t = se_topics; t->name; t++)
		put_row(out, t->name, t->summary);
}
