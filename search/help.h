/* SPDX-License-Identifier: Apache-2.0
 * search/help.h -- what the program says about itself: the overview, topics, the manual page and completion scripts. All of
 * it is made from main.c's table of commands, the tables of options that the commands parse by, and topics.def. */
#ifndef SEARCH_HELP_H
#define SEARCH_HELP_H

#include <stdbool.h>
#include "ir/base/cli.h"
#include "ir/base/str.h"

typedef struct se_command {
	const char *name; /* NULL ends the table */
	int (*run)(int argc, char **argv);
	bool hidden; /* not for people, has no table of options */
} se_command;

typedef struct se_topic {
	const char *name, *heading; /* heading: of its section in the manual page */
	const char *summary, *text;
} se_topic;

extern const se_topic se_topics[]; /* a row without a name ends it */

void se_put_overview(const se_command *commands, ir_str *out);
void se_put_manual(const se_command *commands, ir_str *out); /* roff, man(7) */

/* "bash|zsh|fish"; false: no such shell. */
bool se_put_completion(const se_command *commands, const char *shell, ir_str *out);

/* Says that there is no command (or topic) of that name, and which was perhaps meant. Returns the exit code. */
int se_unknown_command(const se_command *commands, const char *name, bool or_topic);

int se_cmd_help(const se_command *commands, int argc, char **argv);       /* cmd_help.c */
int se_cmd_completion(const se_command *commands, int argc, char **argv); /* cmd_help.c */

#endif
