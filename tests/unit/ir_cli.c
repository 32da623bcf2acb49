/* SPDX-License-Identifier: Apache-2.0
 * Command lines: values, words, operands among options, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "ir/base/cli.h"

static int64_t epochs;
static double lr, limit;
static bool json, shuffle;
static const char *out, **models;
static char **operand;
static char message[4096];

static const ir_command command = {"train", "FILE.gm", "trains a model", "gradmill train m.gm\n", 1, 2};
static const ir_opt option[] = {
	{"epochs", IR_OPT_INT, &epochs, 1, "N", "passes over the data"},
	{"eps", IR_OPT_FLOAT, &lr, 0, "E", NULL},
	{"time", IR_OPT_TIME, &limit, 0, NULL, NULL},
	{"json", IR_OPT_FLAG, &json, 0, NULL, NULL},
	{"no-shuffle", IR_OPT_OFF, &shuffle, 0, NULL, NULL},
	{"output|o", IR_OPT_STRING, &out, 0, "FILE", NULL},
	{"models", IR_OPT_WORDS, &models, 0, "FILE...", NULL},
};

/* Runs the parser on the words of line; stdout and stderr end in message. */
static int parse(const char *line)
{
	static char copy[512], *argv[64];
	int argc = 0, fd[2], saved[2] = {dup(1), dup(2)}, rc;
	ssize_t n;

	snprintf(copy, sizeof copy, "train %s", line);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	fflush(stdout);
	assert_int_equal(pipe(fd), 0);
	dup2(fd[1], 1);
	dup2(fd[1], 2);
	rc = ir_cli_parse(&command, option, sizeof option / sizeof *option, argc, argv, &operand);
	fflush(stdout);
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	close(fd[1]);
	n = read(fd[0], message, sizeof message - 1);
	message[n > 0 ? n : 0] = 0;
	close(fd[0]);
	close(saved[0]);
	close(saved[1]);
	return rc;
}

static void values(void **state)
{
	(void)state;
	shuffle = true;
	assert_int_equal(parse("a.gm --epochs 3 --eps=1e-8 --time 10m --json --no-shuffle -o f b.gm"), -1);
	assert_int_equal(epochs, 3);
	assert_true(lr == 1e-8 && limit == 600 && json && !shuffle);
	assert_string_equal(out, "f");
	assert_string_equal(operand[0], "a.gm");
	assert_string_equal(operand[1], "b.gm");
	assert_null(operand[2]);
}

static void words(void **state)
{
	(void)state;
	assert_int_equal(parse("a.gm --models x y z --json"), -1);
	assert_string_equal(models[0], "x");
	assert_string_equal(models[2], "z");
	assert_null(models[3]);
	assert_string_equal(operand[0], "a.gm");
	assert_null(operand[1]);
}

static void refused(void **state)
{
	static const struct {
		const char *line, *message;
	} t[] = {
		{"a --epcohs 3", "gradmill train: unknown option '--epcohs' (did you mean '--epochs'?)\n"},
		{"a --ep 3", "gradmill train: option '--ep' is ambiguous: '--epochs', '--eps'\n"},
		{"a --epochs x", "gradmill train: option '--epochs': expected a whole number of at least 1, got 'x'\n"},
		{"a --epochs 0", "gradmill train: option '--epochs': expected a whole number of at least 1, got '0'\n"},
		{"a --eps nan", "gradmill train: option '--eps': expected a number of at least 0, got 'nan'\n"},
		{"a --epochs", "gradmill train: option '--epochs' needs a value: N\n"},
		{"a --json=1", "gradmill train: option '--json' takes no value\n"},
		{"a -x", "gradmill train: unknown option '-x' (gradmill train --help lists them)\n"},
		{"a --zzzzzzzz", "gradmill train: unknown option '--zzzzzzzz' (gradmill train --help lists them)\n"},
		{"", "gradmill train: missing operand: FILE.gm\n"},
		{"a b c", "gradmill train: unexpected operand 'c'\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		assert_int_equal(parse(t[i].line), 64);
		assert_string_equal(message, t[i].message);
	}
}

static void help(void **state)
{
	(void)state;
	assert_int_equal(parse("--help"), 0);
	assert_memory_equal(message, "gradmill train m.gm\n", 20); /* examples come first */
	assert_non_null(strstr(message, "-o, --output FILE"));
}

static int run_command(int argc, char **argv)
{
	return ir_cli_parse(&command, option, sizeof option / sizeof *option, argc, argv, &operand);
}

static void read_table(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	assert_ptr_equal(c, &command);
	assert_ptr_equal(opt, option);
	*(size_t *)to = n;
}

static void described(void **state)
{
	size_t n = 0;

	(void)state;
	ir_cli_describe(run_command, read_table, &n);
	assert_int_equal(n, sizeof option / sizeof *option);
	assert_int_equal(parse("a.gm"), -1); /* parses again */
	assert_int_equal(ir_opt_short(&option[5]), 'o');
	assert_int_equal(ir_opt_short(&option[0]), 0);
	assert_int_equal(ir_opt_length(&option[5]), 6);
	assert_true(ir_opt_takes_value(&option[6]) && !ir_opt_takes_value(&option[4]));
}

static void choices(void **state)
{
	static const struct {
		const char *text;
		ir_choice_kind kind;
	} wanted[] = {{"fashion-mnist", IR_CHOICE_WORD}, {"0", IR_CHOICE_WORD}, {"FILE", IR_CHOICE_FILE}, {"DIR", IR_CHOICE_FILE},
		      {"DB", IR_CHOICE_FILE}, {"W.safetensors", IR_CHOICE_FILE}, {"FILE ..", IR_CHOICE_FILE}, {"NAME", IR_CHOICE_OTHER}};
	const char *at = "fashion-mnist|0|FILE|DIR|DB|W.safetensors|FILE ..|NAME", *none = "";
	ir_choice c;

	(void)state;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		assert_true(ir_cli_choice(&at, &c));
		assert_int_equal(c.n, strlen(wanted[i].text));
		assert_memory_equal(c.text, wanted[i].text, (size_t)c.n);
		assert_int_equal(c.kind, wanted[i].kind);
	}
	assert_false(ir_cli_choice(&at, &c));
	assert_false(ir_cli_choice(&none, &c));
}

int main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(words),
		cmocka_unit_test(refused),
		cmocka_unit_test(help),
		cmocka_unit_test(described),
		cmocka_unit_test(choices),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
