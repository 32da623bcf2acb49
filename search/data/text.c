/* SPDX-License-Identifier: Apache-2.0
 * Lines of text files, and numbers in them whatever the locale of the process. */
#define _GNU_SOURCE
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include "search/data/data_int.h"

#define PIECE      ((size_t)1 << 16)
#define MAX_NUMBER 400 /* characters */

/* ---- lines -------------------------------------------------------------------------------------------------------- */

static ir_status refill(le_text *t)
{
	bool first = t->f.at == 0;
	ir_status s = le_file_some(&t->f, t->buf, PIECE, &t->have);

	t->used = first && t->have >= 3 && memcmp(t->buf, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	return s;
}

ir_status le_text_open(le_text *t, const char *path, ir_diag *d)
{
	ir_status s;

	*t = (le_text){0};
	t->buf = ir_xmalloc(PIECE, 1);
	sb_init(&t->line);
	s = le_file_open(&t->f, path, d);
	return s == IR_OK ? refill(t) : s;
}

void le_text_close(le_text *t)
{
	le_file_close(&t->f);
	sb_fini(&t->line);
	free(t->buf);
	t->buf = NULL;
}

/* Where in a line a character stands. */
typedef enum place {
	START,  /* of a field: a quote opens */
	INSIDE, /* a field: a quote is the caller's to refuse */
	QUOTED,
	CLOSED /* behind a quote: one more means a quote in the text */
} place;

static place next_place(place p, unsigned char c)
{
	if (c == '"')
		return p == START || p == CLOSED ? QUOTED : p == QUOTED ? CLOSED : INSIDE;
	if (p == QUOTED)
		return QUOTED;
	return c == ',' || c == ';' || c == '\t' ? START : INSIDE; /* whichever of them it is that divides fields */
}

/* Moves characters to the line up to a line end outside quotes or the end of the piece. */
static ir_status scan_piece(le_text *t, bool quotes, place *p, bool *ended)
{
	const unsigned char *begin = t->buf + t->used, *end = t->buf + t->have, *s = begin;

	for (; s < end && *s && (*s != '\n' || *p == QUOTED); s++) {
		t->ends += *s == '\n';
		if (quotes)
			*p = next_place(*p, *s);
	}
	if ((size_t)(s - begin) > LE_MAX_LINE - t->line.n)
		return le_file_fail(&t->f, IR_EINPUT, "line %llu is longer than %zu bytes", (unsigned long long)t->number,
				    LE_MAX_LINE);
	sb_putn(&t->line, (const char *)begin, (size_t)(s - begin));
	t->used = (size_t)(s - t->buf);
	if (s < end && *s == 0)
		return le_file_fail(&t->f, IR_EINPUT, "line %llu: a zero byte at byte offset %llu: this is no text (or UTF-16)",
				    (unsigned long long)t->ends + 1, (unsigned long long)(t->f.at - t->have + t->used));
	*ended = s < end;
	t->ends += *ended;
	t->used += *ended;
	return IR_OK;
}

/* One line, which may be blank; *more is false if there is none. */
static ir_status read_line(le_text *t, bool quotes, bool *more)
{
	place p = START;
	bool ended = false;
	ir_status s = IR_OK;

	sb_clear(&t->line);
	t->number = t->ends + 1;
	*more = false;
	while (s == IR_OK && !ended) {
		if (t->used == t->have && (s = refill(t)) != IR_OK)
			break;
		if (t->have == 0)
			break;
		*more = true;
		s = scan_piece(t, quotes, &p, &ended);
	}
	if (s == IR_OK && p == QUOTED)
		s = le_file_fail(&t->f, IR_EINPUT, "line %llu: a quote opens a field and nothing closes it before the file ends",
				 (unsigned long long)t->number);
	if (t->line.n && t->line.s[t->line.n - 1] == '\r')
		t->line.s[--t->line.n] = 0;
	return s;
}

ir_status le_text_next(le_text *t, bool quotes, bool *more)
{
	ir_status s;

	t->blank = 0;
	while ((s = read_line(t, quotes, more)) == IR_OK && *more && t->line.n == 0)
		if (!t->blank)
			t->blank = t->number;
	if (s == IR_OK && *more && t->blank)
		s = le_file_fail(&t->f, IR_EINPUT, "line %llu is blank: only the end of the file may be",
				 (unsigned long long)t->blank);
	return s;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

typedef struct decimal {
	bool negative;
	uint64_t digits; /* wraps when there are many: ndigit says so */
	int ndigit;	 /* without zeros before the first other */
	int exponent;
} decimal;

/* Digits from s on; returns what follows them. */
static const char *scan_digits(const char *s, const char *end, decimal *x)
{
	for (; s < end && *s >= '0' && *s <= '9'; s++) {
		x->digits = 10 * x->digits + (uint64_t)(*s - '0');
		x->ndigit += x->ndigit > 0 || *s != '0';
	}
	return s;
}

static const char *scan_exponent(const char *s, const char *end, int *exponent)
{
	bool negative = s < end && *s == '-';
	int v = 0;
	const char *begin;

	if (s < end && (*s == '-' || *s == '+'))
		s++;
	for (begin = s; s < end && *s >= '0' && *s <= '9'; s++)
		v = v < 10000 ? 10 * v + (*s - '0') : v;
	*exponent += negative ? -v : v;
	return s > begin ? s : NULL;
}

/* False: not a number. */
static bool scan_number(const char *s, const char *end, decimal *x)
{
	const char *begin, *point;
	long ndigit;

	x->negative = s < end && *s == '-';
	if (s < end && (*s == '-' || *s == '+'))
		s++;
	begin = s;
	s = scan_digits(s, end, x);
	ndigit = s - begin;
	if (s < end && *s == '.') {
		point = ++s;
		s = scan_digits(s, end, x);
		ndigit += s - point;
		x->exponent = -(int)(s - point);
	}
	if (ndigit == 0)
		return false;
	if (s < end && (*s == 'e' || *s == 'E'))
		s = scan_exponent(s + 1, end, &x->exponent);
	return s == end;
}

/* Both operands are exact doubles, so the one operation rounds correctly. False: they are not (Clinger 1990). */
static bool exact_value(const decimal *x, double *v)
{
	static const double ten[] = {1e0,  1e1,	 1e2,  1e3,  1e4,  1e5,	 1e6,  1e7,  1e8,  1e9,	 1e10, 1e11,
				     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	double d = (double)x->digits;

	if (x->ndigit > 15 || x->exponent < -22 || x->exponent > 22)
		return false;
	d = x->exponent < 0 ? d / ten[-x->exponent] : d * ten[x->exponent];
	*v = x->negative ? -d : d;
	return true;
}

bool le_text_number(const char *s, size_t n, double *v)
{
	decimal x = {0};
	char text[MAX_NUMBER + 1];
	locale_t c;

	if (n > MAX_NUMBER || !scan_number(s, s + n, &x))
		return false;
	if (exact_value(&x, v))
		return true;
	memcpy(text, s, n);
	text[n] = 0;
	c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* a constant of the C library: no allocation */
	*v = strtod_l(text, NULL, c);
	freelocale(c);
	return true;
}
