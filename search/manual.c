/* SPDX-License-Identifier: Apache-2.0
 * search/manual.c -- the manual page: roff with the macros of man(7), which groff and mandoc read. Commands and options come
 * from the tables that the commands parse by, the sections behind them are the topics. */
#include <ctype.h>
#include <string.h>
#include "search/cmd.h"
#include "search/help.h"

/* ---- text -------------------------------------------------------------------------------------------- */

/* n bytes that mean themselves: a backslash is no escape, '-' the character that is typed. */
static void put_literal(ir_str *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\')
			sb_put(out, "\\e");
		else if (s[i] == '-')
			sb_put(out, "\\-");
		else
			sb_putc(out, s[i]);
	}
}

/* A line as it stands: a dot or quote in the first column would be a request. */
static void put_line(ir_str *out, const char *s, size_t n)
{
	if (n && (*s == '.' || *s == '\''))
		sb_put(out, "\\&");
	put_literal(out, s, n);
	sb_putc(out, '\n');
}

/* n bytes of a paragraph, which roff fills: no line of the source is long. */
static void put_filled(ir_str *out, const char *s, size_t n)
{
	for (size_t k; n > 0; n -= k, s += k) {
		for (k = n < 70 ? n : 70; k < n && k > 1 && s[k - 1] != ' '; k--)
			;
		put_line(out, s, k - (k < n));
	}
}

/* Paragraphs, and between .EX and .EE what is indented, as topics.def has it. */
static void put_text(ir_str *out, const char *s)
{
	bool example = false, empty = false;

	for (size_t n; *s; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		if (n == 0) {
			empty = true;
			continue;
		}
		if (empty && example && isspace((unsigned char)*s))
			sb_put(out, "\\&\n"); /* an empty line of the example */
		if (example != (bool)isspace((unsigned char)*s)) {
			example = !example;
			sb_put(out, example ? ".PP\n.EX\n" : ".EE\n");
		}
		if (empty && !example)
			sb_put(out, ".PP\n");
		empty = false;
		(example ? put_line : put_filled)(out, s, n);
	}
	if (example)
		sb_put(out, ".EE\n");
}

/* ---- commands ---------------------------------------------------------------------------------------- */

/* Words to be typed bold, placeholders in italics: fashion-mnist|FILE. */
static void put_placeholder(ir_str *out, const char *text)
{
	ir_choice c;

	for (const char *at = text; ir_cli_choice(&at, &c);) {
		sb_printf(out, "%s%s", c.text == text ? "" : "|", c.kind == IR_CHOICE_WORD ? "\\fB" : "\\fI");
		put_literal(out, c.text, (size_t)c.n);
		sb_put(out, "\\fR");
	}
}

static void put_option(ir_str *out, const ir_opt *o)
{
	sb_put(out, ".TP\n");
	if (ir_opt_short(o))
		sb_printf(out, "\\fB\\-%c\\fR, ", ir_opt_short(o));
	sb_put(out, "\\fB\\-\\-");
	put_literal(out, o->name, (size_t)ir_opt_length(o));
	sb_put(out, "\\fR");
	if (ir_opt_takes_value(o)) {
		sb_putc(out, ' ');
		put_placeholder(out, o->arg ? o->arg : "VALUE");
	}
	sb_putc(out, '\n');
	put_filled(out, o->help ? o->help : "", o->help ? strlen(o->help) : 0);
}

/* Lines of the table's examples, however they are indented there. */
static void put_examples(ir_str *out, const char *s)
{
	sb_put(out, ".PP\n.EX\n");
	for (size_t n; *s; s += n + (s[n] == '\n')) {
		s += strspn(s, " ");
		n = strcspn(s, "\n");
		put_line(out, s, n);
	}
	sb_put(out, ".EE\n");
}

static void put_command(void *to, const ir_command *c, const ir_opt *opt, size_t n)
{
	ir_str *out = to;

	sb_printf(out, ".SS \"gradmill %s", c->name);
	sb_put(out, n ? " [options] " : " ");
	for (const char *s = c->operands ? c->operands : ""; *s; s++)
		sb_put(out, *s == '"' ? "\\(dq" : (char[]){*s, 0}); /* a quote would end the argument */
	sb_put(out, "\"\n");
	put_filled(out, c->summary, strlen(c->summary));
	if (c->examples)
		put_examples(out, c->examples);
	for (size_t i = 0; i < n; i++)
		put_option(out, &opt[i]);
}

void se_put_manual(const se_command *commands, ir_str *out)
{
	sb_put(out, ".\\\" written by 'gradmill help --man'\n"
		    ".TH GRADMILL 1 " SE_RELEASED " \"gradmill " SE_VERSION "\" \"User Commands\"\n"
		    ".SH NAME\ngradmill \\- search for small residual autoencoders, and compile tensor programs\n"
		    ".SH SYNOPSIS\n.B gradmill\n.I COMMAND\n[\\fIOPTION\\fR ...]\n.PP\n"
		    ".B gradmill help\n[\\fICOMMAND\\fR|\\fITOPIC\\fR]\n"
		    ".SH DESCRIPTION\n"
		    "gradmill writes residual autoencoders as short programs,\ncompiles and trains them,\n"
		    "and keeps every trial as a row of an SQLite database.\n"
		    "Answers go to standard output, progress and messages to standard error.\n"
		    "An option may be cut short as long as it is clear which one is meant;\n"
		    ".B \\-\\-help\nworks with every command.\n"
		    ".SH COMMANDS\n");
	for (const se_command *c = commands; c->name; c++)
		if (!c->hidden)
			ir_cli_describe(c->run, put_command, out);
	for (const se_topic *t = se_topics; t->name; t++) {
		sb_printf(out, ".SH \"%s\"\n", t->heading);
		put_text(out, t->text);
	}
	sb_put(out, ".SH SEE ALSO\n.BR sqlite3 (1)\n");
}
