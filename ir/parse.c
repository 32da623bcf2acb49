/* SPDX-License-Identifier: Apache-2.0
 * Text -> tree (the grammar is in README.md), and ir_parse itself. One token of look-ahead, no recursion.
 * A statement that is wrong costs one message: the parser skips its line and goes on. What a name refers to,
 * and every question of shape, is left to elab.c. */
#include "ir/syntax.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
	ir_lexer l;
	ir_diag *d;
	ir_arena *arena;
	syn_file *out;
	size_t base; /* errors that were there before */
	bool stop;
} parser;

/* ---- small steps: each returns false after a message ---------------------------------------------------- */

static bool expected(parser *p, const char *what)
{
	if (p->l.tok != SYN_BAD) /* that one has been reported */
		ir_report(p->d, p->l.loc, IR_E_expected, what, ir_lex_text(&p->l));
	return false;
}

static bool is_punct(const parser *p, char c)
{
	return p->l.tok == SYN_PUNCT && p->l.punct == c;
}

static bool accept(parser *p, char c)
{
	if (!is_punct(p, c))
		return false;
	ir_lex_next(&p->l);
	return true;
}

static bool need(parser *p, char c)
{
	char what[] = {'\'', c, '\'', 0};

	return accept(p, c) || expected(p, what);
}

static bool is_word(const parser *p, const char *word)
{
	return p->l.tok == SYN_NAME && !p->l.quoted && strcmp(p->l.name, word) == 0;
}

static bool need_name(parser *p, syn_name *out, const char *what)
{
	if (p->l.tok != SYN_NAME || (!p->l.quoted && ir_is_reserved(p->l.name)))
		return expected(p, what);
	*out = (syn_name){p->l.name, p->l.loc};
	ir_lex_next(&p->l);
	return true;
}

static bool room(parser *p, size_t n, size_t max, const char *what)
{
	if (n < max)
		return true;
	ir_report(p->d, p->l.loc, IR_E_too_many, what, (long long)max);
	return false;
}

/* The end of a statement: a newline, or the brace that closes the function. */
static bool need_end(parser *p)
{
	if (p->l.tok == SYN_EOF || is_punct(p, '}'))
		return true;
	if (p->l.tok != SYN_NEWLINE)
		return expected(p, "end of line");
	ir_lex_next(&p->l);
	return true;
}

static void skip_newlines(parser *p)
{
	while (p->l.tok == SYN_NEWLINE)
		ir_lex_next(&p->l);
}

static bool too_many_errors(parser *p)
{
	if (!p->stop && ir_diag_count(p->d, IR_ERROR) - p->base >= IR_MAX_ERRORS) {
		ir_report(p->d, p->l.loc, IR_E_too_many_errors);
		p->stop = true;
	}
	return p->stop;
}

/* ---- numbers, types, values ------------------------------------------------------------------------------ */

static bool need_number(parser *p, syn_value *v)
{
	const char *text = ar_strndup(p->arena, p->l.start, p->l.len), *digits = text;
	char *end;

	digits += *digits == '-' || *digits == '+';
	errno = 0;
	v->f = strtod(text, &end);
	if (*end || end == text || (errno == ERANGE && (v->f > 1 || v->f < -1)) || strpbrk(text, "xX_"))
		goto bad;
	if (strspn(digits, "0123456789") == strlen(digits)) {
		errno = 0;
		v->i = strtoll(text, NULL, 10);
		v->whole = true;
		if (errno == ERANGE)
			goto bad;
	}
	v->kind = SYN_V_NUMBER;
	ir_lex_next(&p->l);
	return true;
bad:
	ir_report(p->d, p->l.loc, IR_E_bad_number, ir_lex_text(&p->l));
	return false;
}

/* A size: a number, B, or a size variable. The range is checked where the size is used. */
static bool need_dim(parser *p, syn_dim *out)
{
	syn_value v = {0};

	*out = (syn_dim){.loc = p->l.loc};
	if (p->l.tok == SYN_NUMBER) {
		if (!need_number(p, &v))
			return false;
		out->n = v.i;
		if (v.whole && v.i >= 0 && v.i <= INT32_MAX)
			return true;
		if (v.whole)
			ir_report(p->d, out->loc, IR_E_dim_range, (long long)v.i);
		else
			ir_report(p->d, out->loc, IR_E_bad_number, "a fraction");
		return false;
	}
	if (p->l.tok != SYN_NAME)
		return expected(p, "a size");
	out->n = IR_BATCH;
	out->var = is_word(p, "B") ? NULL : p->l.name;
	ir_lex_next(&p->l);
	return true;
}

/* "[" dims "]"; negative numbers pass when any is true, as attribute lists are not all sizes. */
static bool need_dims(parser *p, syn_type *t, bool any)
{
	if (!need(p, '['))
		return false;
	while (!is_punct(p, ']')) {
		syn_value v = {.loc = p->l.loc};
		syn_dim dim = {.loc = p->l.loc};

		if (any && p->l.tok == SYN_NUMBER) {
			if (!need_number(p, &v))
				return false;
			if (!v.whole || v.i == IR_BATCH) {
				ir_report(p->d, v.loc, IR_E_bad_number, v.whole ? "-1" : "a fraction");
				return false;
			}
			dim.n = v.i;
		} else if (!need_dim(p, &dim)) {
			return false;
		}
		if (t->rank == IR_MAX_RANK) {
			ir_report(p->d, dim.loc, IR_E_rank_max, t->rank + 1, IR_MAX_RANK);
			return false;
		}
		t->dim[t->rank++] = dim;
		if (!accept(p, ',') && !is_punct(p, ']'))
			return expected(p, "',' or ']'");
	}
	return need(p, ']');
}

/* A type begins with the word of an element type and a bracket; such a word alone is an ordinary name. */
static bool at_type(const parser *p)
{
	ir_dtype t;

	return p->l.tok == SYN_NAME && !p->l.quoted && p->l.at < p->l.end && *p->l.at == '[' &&
	       ir_dtype_find(p->l.name, strlen(p->l.name), &t);
}

static bool need_type(parser *p, syn_type *t)
{
	*t = (syn_type){.loc = p->l.loc};
	if (p->l.tok != SYN_NAME || !ir_dtype_find(p->l.name, strlen(p->l.name), &t->dtype))
		return expected(p, "a type such as f32[B,784]");
	ir_lex_next(&p->l);
	return need_dims(p, t, false);
}

/* name | number | list | type, without key. */
static bool need_value(parser *p, syn_value *v)
{
	syn_type t = {.loc = p->l.loc};

	v->loc = p->l.loc;
	if (p->l.tok == SYN_NUMBER)
		return need_number(p, v);
	if (at_type(p) || is_punct(p, '[')) {
		v->kind = is_punct(p, '[') ? SYN_V_LIST : SYN_V_TYPE;
		if (v->kind == SYN_V_LIST ? !need_dims(p, &t, true) : !need_type(p, &t))
			return false;
		v->type = memcpy(ar_new(p->arena, syn_type, 1), &t, sizeof t);
		return true;
	}
	if (p->l.tok != SYN_NAME)
		return expected(p, "a name, a number or a type");
	v->kind = SYN_V_NAME;
	v->name = p->l.name;
	ir_lex_next(&p->l);
	return true;
}

/* [name "="] value */
static bool need_keyed(parser *p, syn_value *v)
{
	*v = (syn_value){0};
	if (!need_value(p, v))
		return false;
	if (v->kind != SYN_V_NAME || !accept(p, '='))
		return true;
	v->key = v->name;
	v->key_loc = v->loc;
	v->name = NULL;
	return need_value(p, v);
}

static bool at_end(const parser *p)
{
	return p->l.tok == SYN_NEWLINE || p->l.tok == SYN_EOF || is_punct(p, '}') || is_punct(p, ')');
}

/* Comma-separated values up to the end of the statement or a closing bracket. */
static bool need_values(parser *p, syn_stmt *s)
{
	if (at_end(p))
		return true;
	do {
		syn_value v;

		if (!room(p, s->narg, SYN_MAX_LIST, "operands") || !need_keyed(p, &v))
			return false;
		*ar_push(p->arena, s->arg, s->narg, s->argcap) = v;
	} while (accept(p, ','));
	return true;
}

/* ---- statements ---------------------------------------------------------------------------------------- */

static bool find_op(parser *p, syn_stmt *s, const char *name)
{
	if (ir_op_find(name, &s->op))
		return true;
	ir_report(p->d, s->loc, IR_E_unknown_op, name);
	ir_report(p->d, s->loc, IR_E_did_you_mean, ir_op_nearest(name));
	return false;
}

static bool parse_call(parser *p, syn_stmt *s)
{
	s->what = SYN_S_CALL;
	if (accept(p, '<')) {
		while (!is_punct(p, '>')) {
			syn_dim dim;

			if (!room(p, s->nsize, SYN_MAX_LIST, "sizes") || !need_dim(p, &dim))
				return false;
			*ar_push(p->arena, s->size, s->nsize, s->sizecap) = dim;
			if (!accept(p, ',') && !is_punct(p, '>'))
				return expected(p, "',' or '>'");
		}
		ir_lex_next(&p->l);
	}
	return need(p, '(') && need_values(p, s) && need(p, ')');
}

/* What stands behind "=". */
static bool parse_right(parser *p, syn_stmt *s)
{
	syn_name name;

	if (!need_name(p, &name, "an operation or a call"))
		return false;
	s->loc = name.loc;
	s->callee = name.s;
	if (is_punct(p, '(') || is_punct(p, '<'))
		return parse_call(p, s);
	if (s->nresult > 1)
		return expected(p, "a call: an operation has one result");
	s->what = SYN_S_OP;
	if (!find_op(p, s, name.s))
		return false;
	return need_values(p, s);
}

static bool parse_results(parser *p, syn_stmt *s)
{
	syn_name name;
	bool many = accept(p, '(');

	do {
		if (!room(p, s->nresult, SYN_MAX_LIST, "results") || !need_name(p, &name, "a name"))
			return false;
		*ar_push(p->arena, s->result, s->nresult, s->resultcap) = name;
	} while (many && accept(p, ','));
	return (!many || need(p, ')')) && need(p, '=');
}

/* One statement with its end; false after a message. */
static bool parse_stmt(parser *p, syn_stmt *s)
{
	*s = (syn_stmt){.loc = p->l.loc};
	if (is_word(p, "return") || is_word(p, "update")) {
		s->what = is_word(p, "return") ? SYN_S_RETURN : SYN_S_UPDATE;
		ir_lex_next(&p->l);
		if (!need_values(p, s))
			return false;
		if (s->what == SYN_S_UPDATE && s->narg != 2) {
			ir_report(p->d, s->loc, IR_E_arg_count, "update", 2, (int)s->narg);
			return false;
		}
		return need_end(p);
	}
	return parse_results(p, s) && parse_right(p, s) && need_end(p);
}

/* ---- functions ------------------------------------------------------------------------------------------ */

static bool parse_sizes(parser *p, syn_func *f)
{
	syn_name name;

	if (!accept(p, '<'))
		return true;
	do {
		if (!room(p, f->nsize, SYN_MAX_LIST, "sizes"))
			return false;
		if (is_word(p, "B"))
			return expected(p, "a size name other than B");
		if (!need_name(p, &name, "a size name"))
			return false;
		*ar_push(p->arena, f->size, f->nsize, f->sizecap) = name;
	} while (accept(p, ','));
	return need(p, '>');
}

static bool parse_params(parser *p, syn_func *f)
{
	if (!need(p, '('))
		return false;
	while (!is_punct(p, ')')) {
		syn_param param;

		if (!room(p, f->nparam, SYN_MAX_LIST, "parameters") ||
		    !need_name(p, &param.name, "a parameter") || !need(p, ':') || !need_type(p, &param.type))
			return false;
		*ar_push(p->arena, f->param, f->nparam, f->paramcap) = param;
		if (!accept(p, ',') && !is_punct(p, ')'))
			return expected(p, "',' or ')'");
	}
	return need(p, ')');
}

static bool parse_signature(parser *p, syn_func *f)
{
	bool many;

	if (p->l.tok != SYN_ARROW)
		return true;
	ir_lex_next(&p->l);
	f->has_ret = true;
	many = accept(p, '(');
	if (many && accept(p, ')'))
		return true;
	do {
		syn_type t;

		if (!room(p, f->nret, SYN_MAX_LIST, "results") || !need_type(p, &t))
			return false;
		*ar_push(p->arena, f->ret, f->nret, f->retcap) = t;
	} while (accept(p, ','));
	return !many || need(p, ')');
}

/* The lines between the braces. Errors are reported and skipped, so that one run shows them all. */
static void parse_body(parser *p, syn_func *f)
{
	for (;;) {
		syn_stmt s;

		skip_newlines(p);
		if (is_punct(p, '}') || p->l.tok == SYN_EOF || too_many_errors(p))
			return;
		if (!room(p, f->nstmt, SYN_MAX_INS, "statements in a function")) {
			p->stop = true;
			return;
		}
		if (f->returns) {
			ir_report(p->d, p->l.loc, IR_E_after_return);
			ir_lex_skip_func(&p->l);
			return;
		}
		if (!parse_stmt(p, &s)) {
			ir_lex_skip_line(&p->l);
			f->returns |= s.what == SYN_S_RETURN; /* a second message about it would be noise */
			continue;
		}
		f->returns = s.what == SYN_S_RETURN;
		*ar_push(p->arena, f->stmt, f->nstmt, f->stmtcap) = s;
	}
}

static bool add_func(parser *p, const syn_func *f)
{
	uint32_t old;

	if (ir_names_get(&p->out->func_name, f->name.s, &old)) {
		ir_report(p->d, f->name.loc, IR_E_redefined, f->name.s);
		ir_report(p->d, p->out->func[old].name.loc, IR_E_defined_here, f->name.s);
		return false;
	}
	ir_names_put(&p->out->func_name, f->name.s, (uint32_t)p->out->nfunc);
	*ar_push(p->arena, p->out->func, p->out->nfunc, p->out->funccap) = *f;
	return true;
}

static bool parse_func(parser *p)
{
	syn_func f = {0};

	ir_lex_next(&p->l);
	if (!room(p, p->out->nfunc, SYN_MAX_FUNC, "functions")) {
		p->stop = true;
		return false;
	}
	if (!need_name(p, &f.name, "a function name") || !parse_sizes(p, &f) || !parse_params(p, &f) ||
	    !parse_signature(p, &f) || !need(p, '{')) {
		ir_lex_skip_func(&p->l);
		accept(p, '}');
		return false;
	}
	parse_body(p, &f);
	if (p->stop)
		return false;
	if (!f.returns)
		ir_report(p->d, f.name.loc, IR_E_no_return, f.name.s);
	if (!need(p, '}'))
		return false;
	return add_func(p, &f) && f.returns && need_end(p);
}

/* name = param .. | name = state .. */
static bool parse_global(parser *p)
{
	syn_stmt s;
	uint32_t old;

	if (p->l.tok != SYN_NAME)
		return expected(p, "func, or a param or state");
	if (!parse_stmt(p, &s))
		return false;
	if (s.what != SYN_S_OP || (s.op != IR_param && s.op != IR_state)) {
		ir_report(p->d, s.loc, IR_E_expected, "param or state outside of functions",
			  s.what == SYN_S_OP ? ir_op_info(s.op)->name : s.what == SYN_S_CALL ? s.callee : "it");
		return true; /* the line has been read to its end */
	}
	if (ir_names_get(&p->out->global_name, s.result->s, &old)) {
		ir_report(p->d, s.result->loc, IR_E_redefined, s.result->s);
		ir_report(p->d, p->out->global[old].result->loc, IR_E_defined_here, s.result->s);
		return true;
	}
	ir_names_put(&p->out->global_name, s.result->s, (uint32_t)p->out->nglobal);
	*ar_push(p->arena, p->out->global, p->out->nglobal, p->out->globalcap) = s;
	return true;
}

/* ---- files ------------------------------------------------------------------------------------------------ */

/* What no token can hold: checked on the bytes, before anything else is read. */
static bool check_bytes(parser *p, const char *text, size_t len)
{
	const char *end = text + len, *at = text, *nl;
	uint32_t line = 1;

	for (; at < end; at = nl + 1, line++) {
		const char *nul;
		size_t n;

		nl = memchr(at, '\n', (size_t)(end - at));
		nl = nl ? nl : end;
		n = (size_t)(nl - at);
		if (n > SYN_MAX_LINE) {
			ir_report(p->d, (ir_loc){p->l.file, line, 1}, IR_E_line_too_long, SYN_MAX_LINE);
			return false;
		}
		nul = memchr(at, 0, n);
		if (nul) {
			ir_report(p->d, (ir_loc){p->l.file, line, (uint32_t)(nul - at) + 1}, IR_E_bad_char, "\\x00");
			return false;
		}
	}
	return true;
}

static bool parse_version(parser *p)
{
	ir_loc loc;

	ir_lex_next(&p->l);
	skip_newlines(p);
	loc = p->l.loc;
	if (p->l.tok == SYN_EOF) {
		ir_report(p->d, p->l.loc, IR_E_empty_file);
		return false;
	}
	if (is_word(p, "gradmill")) {
		ir_lex_next(&p->l);
		if (p->l.tok == SYN_NUMBER && p->l.len == 1 && *p->l.start == '1') {
			ir_lex_next(&p->l);
			if (p->l.tok == SYN_NEWLINE || p->l.tok == SYN_EOF)
				return true;
		}
	}
	ir_report(p->d, loc, IR_E_bad_version);
	return false;
}

bool ir_syn_parse(syn_file *out, ir_diag *d, ir_arena *scratch, uint32_t file, const char *text, size_t len)
{
	parser p = {.d = d, .arena = scratch, .out = out, .base = ir_diag_count(d, IR_ERROR)};

	*out = (syn_file){.source = file};
	ir_names_init(&out->func_name, scratch);
	ir_names_init(&out->global_name, scratch);
	ir_lex_open(&p.l, d, scratch, file, text, len);
	if (!check_bytes(&p, text, len) || !parse_version(&p))
		return false;
	for (;;) {
		skip_newlines(&p);
		if (p.l.tok == SYN_EOF || too_many_errors(&p))
			break;
		if (is_word(&p, "func") ? parse_func(&p) : parse_global(&p))
			continue;
		if (p.stop)
			break;
		ir_lex_skip_line(&p.l);
		accept(&p, '}'); /* a brace without a function */
	}
	return ir_diag_count(d, IR_ERROR) == p.base;
}

ir_module *ir_parse(const char *name, const char *text, size_t len, ir_arena *a, ir_diag *d)
{
	ir_arena *scratch = ar_open();
	ir_module *m = ir_module_new(a);
	syn_file file;
	uint32_t source = ir_diag_source(d, name, text, len);
	bool ok = ir_syn_parse(&file, d, scratch, source, text, len);

	ok = ok && ir_elaborate(&file, m, scratch, d);
	ar_free(scratch);
	return ok ? m : NULL;
}
