/* SPDX-License-Identifier: Apache-2.0
 * The growing string, the shortest text of a double, JSON values, and the distance behind "did you mean".
 * Files are in file.c. */
#include "ir/base/str.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ir/base/arena.h"

static void reserve(ir_str *b, size_t more)
{
	size_t need, cap = b->cap ? b->cap : 64;

	if (__builtin_add_overflow(b->n, more, &need) || __builtin_add_overflow(need, 1, &need))
		ir_oom(more, 1);
	if (need <= b->cap)
		return;
	while (cap < need)
		if (__builtin_mul_overflow(cap, 2, &cap))
			ir_oom(need, 1);
	b->s = ir_xrealloc(b->s, cap, 1);
	b->cap = cap;
}

void sb_init(ir_str *b)
{
	*b = (ir_str){0};
	reserve(b, 0);
	b->s[0] = 0;
}

void sb_fini(ir_str *b)
{
	free(b->s);
	*b = (ir_str){0};
}

void sb_clear(ir_str *b)
{
	reserve(b, 0);
	b->n = 0;
	b->s[0] = 0;
}

void sb_putn(ir_str *b, const char *s, size_t n)
{
	reserve(b, n);
	if (n)
		memcpy(b->s + b->n, s, n);
	b->n += n;
	b->s[b->n] = 0;
}

void sb_put(ir_str *b, const char *s)
{
	sb_putn(b, s, strlen(s));
}

void sb_putc(ir_str *b, char c)
{
	sb_putn(b, &c, 1);
}

size_t sb_char_len(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = *u >= 0xF0 && *u < 0xF5 ? 4 : *u >= 0xE0 && *u < 0xF0 ? 3 : *u >= 0xC2 && *u < 0xE0 ? 2 : 1;

	if (*u < 0x80)
		return *u >= 32 && *u != 127;
	if (n == 1 || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xC0) != 0x80)
			return 0;
	if ((*u == 0xC2 && u[1] < 0xA0) || (*u == 0xED && u[1] >= 0xA0)) /* controls of Latin-1; halves of UTF-16 */
		return 0;
	if ((*u == 0xE0 && u[1] < 0xA0) || (*u == 0xF0 && u[1] < 0x90) || (*u == 0xF4 && u[1] >= 0x90)) /* too long, too large */
		return 0;
	return n;
}

void sb_put_visible(ir_str *b, const char *s, size_t n)
{
	for (const char *end = s + n; s < end;) {
		size_t len = sb_char_len(s, end);

		if (len)
			sb_putn(b, s, len);
		else
			sb_printf(b, "\\x%02x", (unsigned char)*s);
		s += len ? len : 1;
	}
}

void sb_printf(ir_str *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		ir_bug("bad format '%s'", fmt);
	reserve(b, (size_t)n);
	vsnprintf(b->s + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

void sb_put_double(ir_str *b, double v)
{
	char text[40];

	if (isnan(v)) {
		sb_put(b, "nan"); /* one text for all of them: payload and sign mean nothing here */
		return;
	}
	if (isinf(v)) {
		sb_put(b, v < 0 ? "-inf" : "inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	sb_put(b, text);
}

void sb_put_json_text(ir_str *b, const char *s)
{
	if (!s) {
		sb_put(b, "null");
		return;
	}
	sb_putc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			sb_printf(b, "\\%c", c);
		else if (c == '\n')
			sb_put(b, "\\n");
		else if (c < 0x20)
			sb_printf(b, "\\u%04x", c);
		else
			sb_putc(b, (char)c);
	}
	sb_putc(b, '"');
}

void sb_put_json_real(ir_str *b, double v)
{
	if (isfinite(v))
		sb_put_double(b, v);
	else
		sb_put(b, "null");
}

#define DISTANCE_MAX 63 /* names longer than this are compared by their beginnings */

size_t ir_distance(const char *a, const char *b)
{
	size_t row[DISTANCE_MAX + 1], na = strnlen(a, DISTANCE_MAX), nb = strnlen(b, DISTANCE_MAX);

	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t swap = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			if (swap < row[j])
				row[j] = swap;
		}
	}
	return row[nb];
}
