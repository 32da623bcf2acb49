/* SPDX-License-Identifier: Apache-2.0
 * Command lines: a table of rows per command, read by getopt_long, so that help, "did you mean" and number
 * checking are the same everywhere. The only file of ir/ that prints: commands call it, libraries do not. */
#ifndef IR_BASE_CLI_H
#define IR_BASE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ir_opt_kind {
	IR_OPT_FLAG,   /* to: bool *, set to true */
	IR_OPT_OFF,    /* to: bool *, set to false (--no-x) */
	IR_OPT_STRING, /* to: const char ** */
	IR_OPT_INT,    /* to: int64_t *, must be >= min */
	IR_OPT_FLOAT,  /* to: double *, finite and >= min */
	IR_OPT_TIME,   /* to: double *, seconds: 90, 90s, 10m, 2h */
	IR_OPT_WORDS   /* to: const char ***, NULL-terminated: this argument and all that follow up to the next option */
} ir_opt_kind;

typedef struct ir_opt {
	const char *name; /* long name without dashes; "output|o" gives a short one too */
	ir_opt_kind kind;
	void *to;
	double min;
	const char *arg;  /* placeholder in the help: "FILE" */
	const char *help;
} ir_opt;

typedef struct ir_command {
	const char *name;     /* "train" */
	const char *operands; /* "FILE.gm" */
	const char *summary;  /* one line */
	const char *examples; /* shown first in --help; may be NULL */
	int min_operands, max_operands;
} ir_command;

/* Parses argv (argv[0] is the command's name). Operands are gathered in *operand (in argv, NULL-terminated).
 * Returns -1 to go on, or the exit code to end with: 0 after --help (printed to stdout), 64 after a message. */
int ir_cli_parse(const ir_command *c, const ir_opt *opt, size_t n, int argc, char **argv, char ***operand);

#endif
