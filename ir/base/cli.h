/* SPDX-License-Identifier: Apache-2.0
 * Command lines: a table of rows per command, read by getopt_long, so that help, "did you mean" and number
 * checking are the same everywhere; manual and completion are made from the same rows (ir_cli_describe). The only file of
 * ir/ that prints: commands call it, libraries do not. */
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
	const char *arg;  /* placeholder: "FILE", "f32|f64|bf16"; completion reads it: ir_cli_choice */
	const char *help;
} ir_opt;

typedef struct ir_command {
	const char *name;     /* "train" */
	const char *operands; /* "DB TRIAL"; each word is a placeholder like an option's, or in quotes or brackets */
	const char *summary;  /* one line */
	const char *examples; /* shown first in --help; may be NULL */
	int min_operands, max_operands;
} ir_command;

/* Parses argv (argv[0] is the command's name). Operands are gathered in *operand (in argv, NULL-terminated).
 * Returns -1 to go on, or the exit code to end with: 0 after --help (printed to stdout), 64 after a message. */
int ir_cli_parse(const ir_command *c, const ir_opt *opt, size_t n, int argc, char **argv, char ***operand);

/* ---- what others make of the tables ------------------------------------------------------------------ */

typedef void ir_cli_reader(void *to, const ir_command *c, const ir_opt *opt, size_t n);

/* Runs a command (a function that calls ir_cli_parse first) with nothing but its name; its table goes to read instead of
 * being used, and the command ends. Not for two threads at once. */
void ir_cli_describe(int (*run)(int argc, char **argv), ir_cli_reader *read, void *to);

bool ir_opt_takes_value(const ir_opt *o);
char ir_opt_short(const ir_opt *o);  /* "output|o": 'o'; else 0 */
int ir_opt_length(const ir_opt *o);  /* of the long name */

typedef enum ir_choice_kind {
	IR_CHOICE_WORD, /* to be typed as it is: begins with a small letter or a digit */
	IR_CHOICE_FILE, /* FILE, DIR, DB, or a name with a dot: W.safetensors */
	IR_CHOICE_OTHER /* N, NAME, TIME */
} ir_choice_kind;

typedef struct ir_choice {
	ir_choice_kind kind;
	const char *text; /* not terminated */
	int n;
} ir_choice;

/* One after the other the choices of a placeholder, "fashion-mnist|FILE": false behind the last. *at begins as the text. */
bool ir_cli_choice(const char **at, ir_choice *out);

#endif
