/* SPDX-License-Identifier: Apache-2.0
 * Command lines by getopt_long. getopt's own messages are off: it cannot say "did you mean". A prefix of an
 * option is accepted when it is the prefix of one option only. */
#include "ir/base/cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "ir/base/arena.h"
#include "ir/base/str.h"

#define CODE_HELP 1
#define CODE_OPT  256 /* option i has the code CODE_OPT + i: no short option can have it */

typedef struct cli {
	const ir_command *c;
	const ir_opt *opt;
	size_t n;
	struct option *lng;
	char **name; /* without the short name; owned */
	char *shorts;
} cli;

__attribute__((format(printf, 2, 3))) static int usage_error(const cli *cl, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "gradmill %s: ", cl->c->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\n", stderr);
	return EX_USAGE;
}

/* ---- the table for getopt ---------------------------------------------------------------------------- */

bool ir_opt_takes_value(const ir_opt *o)
{
	return o->kind != IR_OPT_FLAG && o->kind != IR_OPT_OFF;
}

char ir_opt_short(const ir_opt *o)
{
	const char *bar = strchr(o->name, '|');

	return bar ? bar[1] : 0;
}

int ir_opt_length(const ir_opt *o)
{
	return (int)strcspn(o->name, "|");
}

static void cli_init(cli *cl, const ir_command *c, const ir_opt *opt, size_t n)
{
	char *s;

	*cl = (cli){.c = c, .opt = opt, .n = n};
	cl->lng = ir_xmalloc(n + 2, sizeof *cl->lng);
	cl->name = ir_xmalloc(n, sizeof *cl->name);
	s = cl->shorts = ir_xmalloc(2 * n + 3, 1);
	*s++ = ':'; /* a missing value is reported as ':' */
	*s++ = 'h';
	for (size_t i = 0; i < n; i++) {
		size_t len = (size_t)ir_opt_length(&opt[i]);

		cl->name[i] = ir_xmalloc(len + 1, 1);
		memcpy(cl->name[i], opt[i].name, len);
		cl->lng[i] = (struct option){cl->name[i], ir_opt_takes_value(&opt[i]), NULL, CODE_OPT + (int)i};
		if (ir_opt_short(&opt[i])) {
			*s++ = ir_opt_short(&opt[i]);
			if (ir_opt_takes_value(&opt[i]))
				*s++ = ':';
		}
	}
	cl->lng[n] = (struct option){"help", no_argument, NULL, CODE_HELP};
}

static void cli_fini(cli *cl)
{
	for (size_t i = 0; i < cl->n; i++)
		free(cl->name[i]);
	free(cl->name);
	free(cl->lng);
	free(cl->shorts);
}

/* The option that getopt's code stands for; NULL if none. */
static const ir_opt *find_code(const cli *cl, int code)
{
	if (code >= CODE_OPT && code < CODE_OPT + (int)cl->n)
		return &cl->opt[code - CODE_OPT];
	for (size_t i = 0; i < cl->n; i++)
		if (code && ir_opt_short(&cl->opt[i]) == code)
			return &cl->opt[i];
	return NULL;
}

/* ---- values ------------------------------------------------------------------------------------------ */

static bool read_int(const char *s, double min, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(s, &end, 10);
	return end != s && !*end && errno == 0 && !isspace((unsigned char)*s) && (double)*out >= min;
}

static bool read_float(const char *s, double min, double *out)
{
	char *end;

	*out = strtod(s, &end);
	return end != s && !*end && !isspace((unsigned char)*s) && isfinite(*out) && *out >= min;
}

/* 90, 90s, 10m, 2h */
static bool read_time(const char *s, double min, double *out)
{
	static const struct {
		const char *unit;
		double seconds;
	} unit[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	char *end;
	double v = strtod(s, &end);

	if (end == s || isspace((unsigned char)*s) || !isfinite(v))
		return false;
	for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
		if (strcmp(end, unit[i].unit) == 0) {
			*out = v * unit[i].seconds;
			return *out >= min;
		}
	}
	return false;
}

static int bad_value(const cli *cl, const char *name, const char *what, double min, const char *got)
{
	return usage_error(cl, "option '--%s': expected %s of at least %g, got '%s'", name, what, min, got);
}

/* This value and all that follow up to the next option. getopt is told by way of optind. */
static const char **take_words(int argc, char **argv)
{
	int first = optind - 1, last = optind;
	const char **words;

	while (last < argc && argv[last][0] != '-')
		last++;
	words = ir_xmalloc((size_t)(last - first) + 1, sizeof *words); /* lives as long as the process */
	words[0] = optarg;
	for (int i = 1; i < last - first; i++)
		words[i] = argv[first + i];
	optind = last;
	return words;
}

static int set_value(const cli *cl, const ir_opt *o, int argc, char **argv)
{
	const char *name = cl->name[o - cl->opt];

	switch (o->kind) {
	case IR_OPT_FLAG: *(bool *)o->to = true; return -1;
	case IR_OPT_OFF: *(bool *)o->to = false; return -1;
	case IR_OPT_STRING: *(const char **)o->to = optarg; return -1;
	case IR_OPT_INT:
		if (!read_int(optarg, o->min, o->to))
			return bad_value(cl, name, "a whole number", o->min, optarg);
		return -1;
	case IR_OPT_FLOAT:
		if (!read_float(optarg, o->min, o->to))
			return bad_value(cl, name, "a number", o->min, optarg);
		return -1;
	case IR_OPT_TIME:
		if (!read_time(optarg, o->min, o->to))
			return bad_value(cl, name, "a time such as 90s, 10m or 2h", o->min, optarg);
		return -1;
	case IR_OPT_WORDS: *(const char ***)o->to = take_words(argc, argv); return -1;
	}
	return -1;
}

/* ---- messages ---------------------------------------------------------------------------------------- */

/* arg is "--epcohs" or "--epcohs=3": the text between. */
static char *bare_name(const char *arg)
{
	size_t n = strcspn(arg + 2, "=");
	char *s = ir_xmalloc(n + 1, 1);

	memcpy(s, arg + 2, n);
	return s;
}

static int unknown_long(const cli *cl, const char *arg)
{
	char *name = bare_name(arg);
	const char *best = NULL;
	size_t fits = 0, dist = 4; /* farther ones are no help */
	ir_str s;

	sb_init(&s);
	for (size_t i = 0; i <= cl->n; i++) {
		const char *known = cl->lng[i].name;

		if (strncmp(known, name, strlen(name)) == 0)
			sb_printf(&s, "%s'--%s'", fits++ ? ", " : "", known);
		if (ir_distance(name, known) < dist) {
			dist = ir_distance(name, known);
			best = known;
		}
	}
	if (fits > 1)
		usage_error(cl, "option '--%s' is ambiguous: %s", name, s.s);
	else if (best)
		usage_error(cl, "unknown option '--%s' (did you mean '--%s'?)", name, best);
	else
		usage_error(cl, "unknown option '--%s' (gradmill %s --help lists them)", name, cl->c->name);
	sb_fini(&s);
	free(name);
	return EX_USAGE;
}

static int refused(const cli *cl, int code, char **argv)
{
	const ir_opt *o = find_code(cl, optopt);

	if (code == ':' && o)
		return usage_error(cl, "option '--%s' needs a value: %s", cl->name[o - cl->opt],
				   o->arg ? o->arg : "VALUE");
	if (o || optopt == CODE_HELP)
		return usage_error(cl, "option '--%s' takes no value", o ? cl->name[o - cl->opt] : "help");
	if (optopt)
		return usage_error(cl, "unknown option '-%c' (gradmill %s --help lists them)", optopt, cl->c->name);
	return unknown_long(cl, argv[optind - 1]);
}

/* A row of the help; what does not fit into the left column has a line of its own. */
static void print_row(const char *left, const char *right)
{
	if (strlen(left) > 30)
		printf("  %s\n  %-30s %s\n", left, "", right);
	else
		printf("  %-30s %s\n", left, right);
}

static void print_help(const cli *cl)
{
	const ir_command *c = cl->c;

	if (c->examples)
		printf("%s%s\n", c->examples, *c->examples && c->examples[strlen(c->examples) - 1] == '\n' ? "" : "\n");
	printf("usage: gradmill %s [options]%s%s\n%s\n\n", c->name, c->operands && *c->operands ? " " : "",
	       c->operands ? c->operands : "", c->summary);
	for (size_t i = 0; i < cl->n; i++) {
		const ir_opt *o = &cl->opt[i];
		char left[96], brief[8] = "    ";

		if (ir_opt_short(o))
			snprintf(brief, sizeof brief, "-%c, ", ir_opt_short(o));
		snprintf(left, sizeof left, "%s--%s%s%s", brief, cl->name[i], ir_opt_takes_value(o) ? " " : "",
			 ir_opt_takes_value(o) ? o->arg ? o->arg : "VALUE" : "");
		print_row(left, o->help ? o->help : "");
	}
	print_row("-h, --help", "this text");
}

static int check_operands(const cli *cl, int n, char **operand)
{
	const ir_command *c = cl->c;

	if (n < c->min_operands)
		return usage_error(cl, "missing operand: %s", c->operands ? c->operands : "");
	if (n > c->max_operands)
		return usage_error(cl, "unexpected operand '%s'", operand[c->max_operands]);
	return -1;
}

/* ---- parsing, or showing the table ------------------------------------------------------------------ */

/* Set while ir_cli_describe runs a command. Tables hold addresses of the command's own variables and cannot outlive it, so the
 * reader comes to the table and not the table to the reader. */
static struct {
	ir_cli_reader *read;
	void *to;
} reader;

int ir_cli_parse(const ir_command *c, const ir_opt *opt, size_t n, int argc, char **argv, char ***operand)
{
	cli cl;
	int code, rc = -1;

	if (reader.read) {
		reader.read(reader.to, c, opt, n);
		return 0;
	}
	cli_init(&cl, c, opt, n);
	optind = 0; /* GNU: start afresh, also behind an earlier parse */
	opterr = 0;
	while (rc < 0 && (code = getopt_long(argc, argv, cl.shorts, cl.lng, NULL)) != -1) {
		const ir_opt *o = code == '?' || code == ':' ? NULL : find_code(&cl, code);

		if (o)
			rc = set_value(&cl, o, argc, argv);
		else if (code == CODE_HELP || code == 'h') {
			print_help(&cl);
			rc = 0;
		} else
			rc = refused(&cl, code, argv);
	}
	if (rc < 0) {
		*operand = argv + optind;
		rc = check_operands(&cl, argc - optind, *operand);
	}
	cli_fini(&cl);
	return rc;
}

void ir_cli_describe(int (*run)(int argc, char **argv), ir_cli_reader *read, void *to)
{
	char *argv[] = {(char[]){"describe"}, NULL};

	reader.read = read;
	reader.to = to;
	run(1, argv);
	reader.read = NULL;
}

static ir_choice_kind choice_kind(const char *s, int n)
{
	if (islower((unsigned char)*s) || isdigit((unsigned char)*s))
		return IR_CHOICE_WORD;
	if (memchr(s, '.', (size_t)n) || (n == 4 && !memcmp(s, "FILE", 4)) || (n == 3 && !memcmp(s, "DIR", 3)) ||
	    (n == 2 && !memcmp(s, "DB", 2)))
		return IR_CHOICE_FILE;
	return IR_CHOICE_OTHER;
}

bool ir_cli_choice(const char **at, ir_choice *out)
{
	if (!*at || !**at)
		return false;
	out->text = *at;
	out->n = (int)strcspn(*at, "|");
	out->kind = choice_kind(out->text, out->n);
	*at += out->n + (out->text[out->n] == '|');
	return true;
}
