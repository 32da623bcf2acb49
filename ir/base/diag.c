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

#define SHOW_MAX 160 /* columns of a source line that are shown */

/* What the character at p takes: columns on the screen, as sb_put_visible prints it, and bytes. A tab is one of each. */
static size_t measure(const char *p, const char *end, size_t *bytes)
{
	size_t n = *p == '\t' ? 1 : sb_char_len(p, end);

	*bytes = n ? n : 1;
	return n ? 1 : strlen("\\x00");
}

static size_t width(const char *p, const char *end)
{
	size_t sum = 0, bytes;

	for (; p < end; p += bytes)
		sum += measure(p, end, &bytes);
	return sum;
}

/* Where to begin so that mark, a place in the line, comes into view. */
static const char *begin_at(const char *p, const char *mark, const char *end)
{
	size_t before = width(p, mark), bytes;

	if (width(p, end) > SHOW_MAX)
		for (; before > SHOW_MAX / 2; p += bytes)
			before -= measure(p, end, &bytes);
	return p;
}

static void print_line(const source *s, ir_loc loc, ir_str *out)
{
	const char *p, *mark, *end;
	size_t n, col = loc.col ? loc.col - 1 : 0, shown = 0, bytes;
	ir_str caret;

	if (!find_line(s, loc.line, &p, &n) || n == 0)
		return;
	end = p + n;
	mark = p + (col < n ? col : n);
	sb_init(&caret);
	sb_put(out, "  ");
	for (p = begin_at(p, mark, end); p < end && shown < SHOW_MAX; p += bytes) {
		size_t columns = measure(p, end, &bytes);

		if (*p == '\t')
			sb_putc(out, '\t');
		else
			sb_put_visible(out, p, bytes);
		for (size_t i = 0; i < columns && p < mark; i++)
			sb_putc(&caret, *p == '\t' ? '\t' : ' ');
		shown += columns;
	}
	sb_printf(out, "\n  %s^\n", caret.s);
	sb_fini(&caret);
}

void ir_diag_print(const ir_diag *d, size_t i, ir_str *out)
{
	static const char *const word[] = {"error", "warning", "note"};
	const ir_message *m = &d->msg[i];
	const source *s = m->loc.file < d->nsrc ? &d->src[m->loc.file] : &d->src[0];

	if (m->loc.file)
		sb_put_visible(out, s->name, strlen(s->name)), sb_putc(out, ':');
	if (m->loc.file && m->loc.line)
		sb_printf(out, "%u:%u:", m->loc.line, m->loc.col);
	sb_printf(out, "%s%s: ", m->loc.file ? " " : "", word[m->severity]);
	sb_put_visible(out, m->text, strlen(m->text)); /* it may quote the file */
	sb_printf(out, " [%s]\n", row[m->id].name);
	if (m->loc.file && m->loc.line)
		print_line(s, m->loc, out);
}

void ir_diag_print_all(const ir_diag *d, ir_str *out)
{
	for (size_t i = 0; i < d->n; i++)
		ir_diag_print(d, i, out);
}
