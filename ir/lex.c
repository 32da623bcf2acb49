/* SPDX-License-Identifier: Apache-2.0
 * Tokens. Newlines end statements except inside brackets, which the lexer counts and never nests into calls.
 * A bad character is reported once and becomes SYN_BAD; the parser then skips the line. */
#include "ir/syntax.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void ir_lex_open(ir_lexer *l, ir_diag *d, ir_arena *a, uint32_t file, const char *text, size_t len)
{
	*l = (ir_lexer){.at = text, .end = text + len, .line_start = text, .file = file, .line = 1, .d = d,
			.arena = a};
	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		l->at += 3; /* the byte order mark that some editors leave */
}

bool ir_is_reserved(const char *s)
{
	static const char *const word[] = {"func", "return", "update", "nan", "inf"};

	for (size_t i = 0; i < sizeof word / sizeof *word; i++)
		if (strcmp(s, word[i]) == 0)
			return true;
	return false;
}

static bool is_name_char(const char *p, const char *end)
{
	return p < end && (isalnum((unsigned char)*p) || *p == '_' || *p == '.');
}

static void newline(ir_lexer *l)
{
	l->line++;
	l->at++;
	l->line_start = l->at;
}

/* Space, comments and, inside brackets, newlines. */
static void skip_space(ir_lexer *l)
{
	while (l->at < l->end) {
		char c = *l->at;

		if (c == ' ' || c == '\t' || c == '\r') {
			l->at++;
		} else if (c == '#') {
			const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));

			l->at = nl ? nl : l->end;
		} else if (c == '\n' && l->depth > 0) {
			newline(l);
		} else {
			return;
		}
	}
}

static ir_loc here(const ir_lexer *l)
{
	return (ir_loc){l->file, l->line, (uint32_t)(l->at - l->line_start) + 1};
}

static void bad_char(ir_lexer *l)
{
	size_t n = sb_char_len(l->at, l->end);
	char text[8];

	if (n)
		snprintf(text, sizeof text, "%.*s", (int)n, l->at);
	else
		snprintf(text, sizeof text, "\\x%02x", (unsigned char)*l->at);
	ir_report(l->d, l->loc, IR_E_bad_char, text);
	l->at += n ? n : 1;
	l->tok = SYN_BAD;
}

static void lex_name(ir_lexer *l)
{
	l->quoted = *l->at == '%';
	if (l->quoted)
		l->at++;
	l->name = l->at;
	while (is_name_char(l->at, l->end))
		l->at++;
	if (l->at == l->name) { /* a '%' alone */
		l->at = l->start;
		bad_char(l);
		return;
	}
	if (l->at - l->name > IR_MAX_NAME) {
		ir_report(l->d, l->loc, IR_E_too_many, "characters in a name", (long long)IR_MAX_NAME);
		l->tok = SYN_BAD;
		return;
	}
	l->tok = SYN_NAME;
	l->name = ar_strndup(l->arena, l->name, (size_t)(l->at - l->name));
	if (!l->quoted && (strcmp(l->name, "nan") == 0 || strcmp(l->name, "inf") == 0))
		l->tok = SYN_NUMBER;
}

/* Takes everything that could belong to a number, so that 12abc is one wrong number and not two things. */
static void lex_number(ir_lexer *l)
{
	l->tok = SYN_NUMBER;
	l->at += *l->at == '-' || *l->at == '+';
	while (l->at < l->end) {
		bool exponent = l->at > l->start && (l->at[-1] == 'e' || l->at[-1] == 'E');

		if (!is_name_char(l->at, l->end) && !(exponent && (*l->at == '-' || *l->at == '+')))
			break;
		l->at++;
	}
}

static void lex_punct(ir_lexer *l)
{
	char c = *l->at;

	if (!c || !strchr("()[]<>{},=:", c)) {
		bad_char(l);
		return;
	}
	l->tok = SYN_PUNCT;
	l->punct = c;
	l->at++;
	if (c == '(' || c == '[' || c == '<')
		l->depth++;
	else if ((c == ')' || c == ']' || c == '>') && l->depth > 0)
		l->depth--;
}

void ir_lex_next(ir_lexer *l)
{
	bool sign, next_digit;
	char c, c2;

	skip_space(l);
	l->loc = here(l);
	l->start = l->at;
	l->punct = 0;
	if (l->at == l->end) {
		l->tok = SYN_EOF;
		l->len = 0;
		return;
	}
	c = *l->at;
	c2 = l->at + 1 < l->end ? l->at[1] : 0;
	sign = c == '-' || c == '+';
	next_digit = isdigit((unsigned char)c2) || c2 == '.' || (sign && (c2 == 'i' || c2 == 'n'));
	if (c == '\n') {
		l->tok = SYN_NEWLINE;
		newline(l);
	} else if (c == '-' && c2 == '>') {
		l->tok = SYN_ARROW;
		l->at += 2;
	} else if (isdigit((unsigned char)c) || ((sign || c == '.') && next_digit)) {
		lex_number(l);
	} else if (c == '%' || c == '_' || isalpha((unsigned char)c)) {
		lex_name(l);
	} else {
		lex_punct(l);
	}
	l->len = (size_t)(l->at - l->start);
}

void ir_lex_skip_line(ir_lexer *l)
{
	l->depth = 0;
	if (l->tok == SYN_NEWLINE || l->tok == SYN_EOF || (l->tok == SYN_PUNCT && l->punct == '}'))
		return;
	while (l->at < l->end && *l->at != '\n' && *l->at != '}' && *l->at != '#')
		l->at++;
	ir_lex_next(l);
}

void ir_lex_skip_func(ir_lexer *l)
{
	while (l->tok != SYN_EOF && !(l->tok == SYN_PUNCT && l->punct == '}')) {
		ir_lex_skip_line(l);
		if (l->tok == SYN_NEWLINE)
			ir_lex_next(l);
	}
	l->depth = 0;
}

const char *ir_lex_text(const ir_lexer *l)
{
	int n = l->len > 40 ? 40 : (int)l->len;

	switch (l->tok) {
	case SYN_EOF: return "end of file";
	case SYN_NEWLINE: return "end of line";
	case SYN_NAME:
	case SYN_NUMBER:
	case SYN_ARROW:
	case SYN_PUNCT:
	case SYN_BAD: break;
	}
	return ar_printf(l->arena, "%.*s%s", n, l->start, l->len > 40 ? "..." : "");
}
