/* SPDX-License-Identifier: Apache-2.0
 * The message sink. Texts are formatted when they are reported, because their arguments often live in an arena
 * that dies before the message is printed; source lines are looked up only when printing. */
#include "ir/base/diag.h"

#include <stdlib.h>
#include <string.h>

typedef struct source {
	const char *name, *text;
	size_t len;
} source;

struct ir_diag {
	ir_arena *arena;
	source *src; /* src[0] is "no source" */
	size_t nsrc, srccap;
	ir_message *msg;
	size_t n, cap;
	size_t count[IR_NOTE + 1];
};

static const struct {
	const char *name;
	ir_severity severity;
	const char *text;
} row[IR_MSG_COUNT] = {
#define DIAG(id, sev, text) [IR_E_##id] = {#id, sev, text},
#include "ir/base/diag.def"
#undef DIAG
};

ir_diag *ir_diag_new(void)
{
	ir_diag *d = ir_xmalloc(1, sizeof *d);

	d->arena = ar_open();
	*ar_push(d->arena, d->src, d->nsrc, d->srccap) = (source){"", "", 0};
	return d;
}

void ir_diag_free(ir_diag *d)
{
	if (!d)
		return;
	ar_free(d->arena);
	free(d);
}

uint32_t ir_diag_source(ir_diag *d, const char *name, const char *text, size_t len)
{
	*ar_push(d->arena, d->src, d->nsrc, d->srccap) = (source){ar_strdup(d->arena, name), text, len};
	return (uint32_t)(d->nsrc - 1);
}

/* d may be NULL: then nobody wants to know, as when a rule is only tried. */
void ir_report(ir_diag *d, ir_loc loc, ir_msg id, ...)
{
	va_list ap;
	const char *text;

	if (!d)
		return;
	va_start(ap, id);
	text = ar_vprintf(d->arena, row[id].text, ap);
	va_end(ap);
	*ar_push(d->arena, d->msg, d->n, d->cap) = (ir_message){id, row[id].severity, loc, text};
	d->count[row[id].severity]++;
}

size_t ir_diag_count(const ir_diag *d, ir_severity s)
{
	return d->count[s];
}

size_t ir_diag_size(const ir_diag *d)
{
	return d->n;
}

const ir_message *ir_diag_get(const ir_diag *d, size_t i)
{
	return i < d->n ? &d->msg[i] : NULL;
}

const char *ir_msg_name(ir_msg id)
{
	return row[id].name;
}

void ir_diag_clear(ir_diag *d)
{
	d->n = 0;
	memset(d->count, 0, sizeof d->count);
}

/* Line number line of s, without its newline; false if there is none. */
static bool find_line(const source *s, uint32_t line, const char **at, size_t *n)
{
	const char *p = s->text, *end = s->text + s->len, *nl;

	for (uint32_t i = 1; i < line; i++) {
		nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		if (!nl)
			return false;
		p = nl + 1;
	}
	nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	*at = p;
	*n = (size_t)((nl ? nl : end) - p);
	return p < end || line == 1;
}

#define SHOW_MAX 160 /* bytes of a source line that are shown */

static void print_line(const source *s, ir_loc loc, ir_str *out)
{
	const char *at;
	size_t n, col = loc.col ? loc.col - 1 : 0, from = 0;

	if (!find_line(s, loc.line, &at, &n) || n == 0)
		return;
	if (col > n)
		col = n;
	if (col > SHOW_MAX / 2 && n > SHOW_MAX)
		from = col - SHOW_MAX / 2;
	if (n - from > SHOW_MAX)
		n = from + SHOW_MAX;
	sb_put(out, "  ");
	for (size_t i = from; i < n; i++) /* control characters must not reach the terminal */
		sb_putc(out, (unsigned char)at[i] < 32 && at[i] != '\t' ? '?' : at[i]);
	sb_put(out, "\n  ");
	for (size_t i = from; i < col; i++)
		if ((at[i] & 0xC0) != 0x80) /* one column per UTF-8 character */
			sb_putc(out, at[i] == '\t' ? '\t' : ' ');
	sb_put(out, "^\n");
}

void ir_diag_print(const ir_diag *d, size_t i, ir_str *out)
{
	static const char *const word[] = {"error", "warning", "note"};
	const ir_message *m = &d->msg[i];
	const source *s = m->loc.file < d->nsrc ? &d->src[m->loc.file] : &d->src[0];

	if (m->loc.file)
		sb_printf(out, "%s:", s->name);
	if (m->loc.file && m->loc.line)
		sb_printf(out, "%u:%u:", m->loc.line, m->loc.col);
	sb_printf(out, "%s%s: %s [%s]\n", m->loc.file ? " " : "", word[m->severity], m->text, row[m->id].name);
	if (m->loc.file && m->loc.line)
		print_line(s, m->loc, out);
}

void ir_diag_print_all(const ir_diag *d, ir_str *out)
{
	for (size_t i = 0; i < d->n; i++)
		ir_diag_print(d, i, out);
}
