/* SPDX-License-Identifier: Apache-2.0
 * search/report/page.c -- the frame of the page and the list of its sections. Everything travels inside: styles, script,
 * pictures. What comes out of the database is text and goes through se_html_put; should that ever fail, the page's own
 * policy still lets no script run but ours (Note [Policy]).
 * To add a section: a function that writes its content, one row below. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "search/cmd.h"
#include "search/report/report_int.h"

extern const char se_report_css[], se_report_js[]; /* report.css, report.js */

typedef struct section {
	const char *id, *title;
	bool half; /* two of them stand side by side where there is room */
	bool (*has)(const se_report *r); /* NULL: always */
	void (*write)(se_report *r);
} section;

static const section sections[] = {
	{"progress", "Best so far", true, se_report_has_best, se_report_progress},
	{"curves", "Learning curves", true, se_report_has_curves, se_report_curves},
	{"size", "Size against error", true, se_report_has_best, se_report_front},
	{"importance", "What matters", true, se_report_has_best, se_report_importance},
	{"board", "Leader board", false, se_report_has_best, se_report_board},
	{"architecture", "The best model", true, se_report_has_best, se_report_graph},
	{"model", "Its program", true, se_report_has_best, se_report_model},
	{"pictures", "What it makes of the data", false, se_report_wants_pictures, se_report_pictures},
	{"parameters", "Each parameter against the error", false, se_report_has_best, se_report_each},
	{"failures", "Failures and interruptions", false, se_report_has_failures, se_report_failures},
	{"again", "How to reproduce", false, NULL, se_report_again},
};

#define NSECTION (sizeof sections / sizeof *sections)

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

void se_page_text(se_report *r, const char *before, const char *text, const char *after)
{
	sb_put(r->out, before);
	se_html_put(r->out, text);
	sb_put(r->out, after);
}

void se_page_value(ir_str *out, double v)
{
	if (isnan(v))
		sb_put(out, "&ndash;");
	else
		sb_printf(out, "%.4g", v);
}

const char *se_page_seconds(ir_arena *a, double s)
{
	if (isnan(s) || s < 0)
		return "unknown";
	if (s < 100)
		return ar_printf(a, "%.3g s", s);
	if (s < 6000)
		return ar_printf(a, "%.0f min", s / 60);
	return ar_printf(a, "%.0f h %02.0f min", floor(s / 3600), floor(fmod(s, 3600) / 60));
}

void se_page_figure(se_report *r, se_draw *draw, const char *caption)
{
	unsigned id = r->ids++;

	sb_put(r->out, "<figure>\n<div class=\"wide\">");
	draw(r, ar_printf(r->a, "w%u", id), SE_WIDE);
	sb_put(r->out, "</div><div class=\"narrow\">");
	draw(r, ar_printf(r->a, "n%u", id), SE_NARROW);
	sb_printf(r->out, "</div>\n<figcaption>%s</figcaption></figure>\n", caption);
}

/* RFC 4648 */
const char *se_page_data_uri(ir_arena *a, const void *png, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char head[] = "data:image/png;base64,";
	const unsigned char *in = png;
	char *text = ar_alloc(a, sizeof head + (n + 2) / 3 * 4, 1), *out = text + sizeof head - 1;

	memcpy(text, head, sizeof head - 1);
	for (size_t i = 0; i < n; i += 3, out += 4) {
		unsigned left = n - i < 3 ? (unsigned)(n - i) : 3, v = (unsigned)in[i] << 16;

		v |= left > 1 ? (unsigned)in[i + 1] << 8 : 0;
		v |= left > 2 ? in[i + 2] : 0;
		for (unsigned k = 0; k < 4; k++)
			out[k] = k > left ? '=' : digit[v >> (18 - 6 * k) & 63];
	}
	return text;
}

/* ---- the frame ------------------------------------------------------------------------------------------------------ */

static void put_nav(se_report *r)
{
	sb_put(r->out, "<nav aria-label=\"sections\">");
	for (size_t i = 0; i < NSECTION; i++)
		if (!sections[i].has || sections[i].has(r))
			sb_printf(r->out, "<a href=\"#%s\">%s</a>", sections[i].id, sections[i].title);
	sb_put(r->out, "</nav>\n");
}

static void put_body(se_report *r)
{
	se_report_overview(r);
	put_nav(r);
	sb_put(r->out, "<main>\n");
	for (size_t i = 0; i < NSECTION; i++) {
		const section *s = &sections[i];

		if (s->has && !s->has(r))
			continue;
		sb_printf(r->out, "<section id=\"%s\"%s>\n<h2>%s</h2>\n", s->id, s->half ? " class=\"half\"" : "", s->title);
		s->write(r);
		sb_put(r->out, "</section>\n");
	}
	sb_put(r->out, "</main>\n<footer>made by gradmill " SE_VERSION "; everything on this page is inside this file</footer>\n"
		"<div id=\"tip\" role=\"tooltip\" hidden></div>\n");
}

static void put_head(se_report *r, const char *nonce, ir_str *out)
{
	sb_printf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
		"script-src 'nonce-%s'; base-uri 'none'; form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"gradmill " SE_VERSION "\">\n"
		"<link rel=\"icon\" href=\"data:,\">\n<title>", nonce);
	se_html_put(out, r->study->name);
	sb_put(out, " - gradmill report</title>\n<style>\n");
	sb_put(out, se_report_css);
	sb_put(out, "</style>\n</head>\n<body>\n");
}

ir_status se_report_write(se_store *s, const se_study *st, const se_report_options *o, ir_str *out, ir_diag *d)
{
	se_report r = {.store = s, .study = st, .o = o, .d = d};
	char nonce[IR_KEY_CHARS];
	ir_status status;
	ir_str body;

	sb_init(&body);
	r.a = ar_open();
	r.out = &body;
	status = se_report_read(&r);
	if (status == IR_OK) {
		put_body(&r);
		ir_key_print(ir_hash(body.s, body.n), nonce);
		put_head(&r, nonce, out);
		sb_putn(out, body.s, body.n);
		sb_printf(out, "<script nonce=\"%s\">\n%s</script>\n</body>\n</html>\n", nonce, se_report_js);
	}
	ar_free(r.a);
	sb_fini(&body);
	return status;
}

/* Note [Policy]
 * A page that is opened as a file may run whatever script stands in it. The policy allows the one script whose nonce is the
 * hash of the body: the same study gives the same page, and who writes into a database does not know the hash of a page
 * that has his text among everything else. It also forbids to fetch anything. */
