/* SPDX-License-Identifier: Apache-2.0
 * search/report/tables.c -- the sections that are text: facts and key figures, leader board, failures, commands. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "search/output.h"
#include "search/report/report_int.h"

bool se_report_has_best(const se_report *r)
{
	return r->best != NULL;
}

/* ---- overview -------------------------------------------------------------------------------------------------- */

static void put_fact(se_report *r, const char *name, const char *text)
{
	sb_printf(r->out, "<div><dt>%s</dt><dd>", name);
	se_html_put(r->out, text);
	sb_put(r->out, "</dd></div>\n");
}

static const char *count_text(se_report *r, int64_t n)
{
	const char *text;
	ir_str s;

	sb_init(&s);
	se_html_count(&s, n);
	text = ar_strdup(r->a, s.s);
	sb_fini(&s);
	return text;
}

static int64_t fact_count(const se_report *r, const char *name)
{
	return se_report_fact(r, name)->i;
}

static const char *trials_text(se_report *r)
{
	const char *text = ar_printf(r->a, "%s: %s finished, %s failed", count_text(r, fact_count(r, "trials")),
				     count_text(r, fact_count(r, "finished")), count_text(r, fact_count(r, "failed")));

	if (fact_count(r, "running"))
		text = ar_printf(r->a, "%s, %s %s", text, count_text(r, fact_count(r, "running")), r->driven ? "running" : "cut off");
	if (fact_count(r, "waiting"))
		text = ar_printf(r->a, "%s, %s waiting", text, count_text(r, fact_count(r, "waiting")));
	return text;
}

static const char *fixed_text(se_report *r)
{
	const se_study *s = r->study;
	const char *text = s->space;

	if (s->latent)
		text = ar_printf(r->a, "%s, latent %lld", text, (long long)s->latent);
	if (s->epochs)
		text = ar_printf(r->a, "%s, %lld epochs", text, (long long)s->epochs);
	if (s->batch)
		text = ar_printf(r->a, "%s, batches of %lld", text, (long long)s->batch);
	return text;
}

static const char *rows_text(se_report *r)
{
	const se_study *s = r->study;

	return ar_printf(r->a, "%s training, %s validation, %s test, of %s features", count_text(r, s->ntrain),
			 count_text(r, s->nval), count_text(r, s->ntest), count_text(r, s->width));
}

static const char *time_text(se_report *r)
{
	const se_cell *span = se_report_fact(r, "span_s"), *train = se_report_fact(r, "train_s");

	if (span->kind == SE_NULL)
		return "no trial has ended";
	return ar_printf(r->a, "%s from the first trial to the last; %s of training", se_page_seconds(r->a, span->r),
			 train->kind == SE_NULL ? "no" : se_page_seconds(r->a, train->r));
}

static void put_facts(se_report *r)
{
	const se_study *s = r->study;

	sb_put(r->out, "<dl class=\"facts\">\n");
	put_fact(r, "Data", s->data);
	put_fact(r, "Rows", rows_text(r));
	put_fact(r, "Trials", trials_text(r));
	put_fact(r, "Time", time_text(r));
	put_fact(r, "Space", fixed_text(r));
	put_fact(r, "Sampler", ar_printf(r->a, "%s, seed %lld", s->sampler, (long long)s->seed));
	put_fact(r, "Processor", s->target);
	put_fact(r, "Made", ar_printf(r->a, "%.19s UTC, gradmill %s%s%s", se_report_fact(r, "created")->text, s->build,
				      s->origin ? ", goes on from study " : "", s->origin ? s->origin : ""));
	sb_put(r->out, "</dl>\n");
}

static void put_tile(se_report *r, const char *name, double v, const char *class, const char *note)
{
	sb_printf(r->out, "<div class=\"tile%s\"><span>%s</span><b>", class, name);
	se_page_value(r->out, v);
	sb_put(r->out, "</b>");
	se_page_text(r, "<small>", note, "</small></div>\n");
}

static void put_tiles(se_report *r)
{
	const se_rtrial *b = r->best;
	const char *class = isnan(b->floor) ? "" : se_rtrial_wins(b) ? " good" : " bad";

	sb_put(r->out, "<div class=\"tiles\">\n");
	put_tile(r, "Best validation MSE", b->value, "", ar_printf(r->a, "trial %lld, %s weights", (long long)b->number,
								     count_text(r, b->n_params)));
	put_tile(r, "Its test MSE", b->test, "", isnan(b->test) ? "seen by finalists only, at the end of a search"
			: isnan(b->floor_test) ? "" : ar_printf(r->a, "PCA: %.4g", b->floor_test));
	put_tile(r, "PCA floor", b->floor, "", isnan(b->floor) ? "not computed yet"
			: ar_printf(r->a, "validation MSE with as many (%lld) components", (long long)b->latent));
	put_tile(r, "Best / floor", b->value / b->floor, class, isnan(b->floor) ? "not known yet" : se_rtrial_wins(b)
			? "below 1: it beats PCA" : "not below 1: PCA does as well with less");
	sb_put(r->out, "</div>\n");
}

void se_report_overview(se_report *r)
{
	sb_put(r->out, "<header>\n<div class=\"top\"><div>");
	se_page_text(r, "<p class=\"kind\">gradmill study</p><h1>", r->study->name, "</h1></div>");
	sb_put(r->out, "<button id=\"theme\" type=\"button\" hidden>theme: auto</button></div>\n");
	if (r->driven)
		sb_put(r->out, "<p class=\"note\">This search is running: the page shows it as it was when it was written.</p>\n");
	if (!r->ntrial)
		sb_put(r->out, "<p class=\"note\">This study has no trials yet. The command at the end of the page goes on with it.</p>\n");
	else if (!r->best)
		sb_put(r->out, "<p class=\"note\">No trial of this study has finished with a value, so there is nothing to compare.</p>\n");
	else
		put_tiles(r);
	put_facts(r);
	sb_put(r->out, "</header>\n");
}

/* ---- leader board ------------------------------------------------------------------------------------------------- */

static void put_heading(se_report *r, const char *text, bool number)
{
	sb_printf(r->out, "<th scope=\"col\"%s><button type=\"button\">", number ? " class=\"num\"" : "");
	se_html_put(r->out, text);
	sb_put(r->out, "</button></th>");
}

/* A number with its exact value, by which the script sorts. */
static void put_number(se_report *r, double v)
{
	if (isnan(v))
		sb_put(r->out, "<td class=\"num\" data-v=\"\">");
	else
		sb_printf(r->out, "<td class=\"num\" data-v=\"%.17g\">", v);
	se_page_value(r->out, v);
	sb_put(r->out, "</td>");
}

static void put_count(se_report *r, int64_t n)
{
	sb_printf(r->out, "<td class=\"num\" data-v=\"%lld\">", (long long)n);
	se_html_count(r->out, n);
	sb_put(r->out, "</td>");
}

/* A size that may not be known: another program has trained it. */
static void put_size(se_report *r, int64_t n)
{
	if (n > 0)
		put_count(r, n);
	else
		put_number(r, NAN);
}

static void put_verdict(se_report *r, const se_rtrial *t)
{
	if (isnan(t->floor)) {
		sb_put(r->out, "<td data-v=\"\">&ndash;</td>");
		return;
	}
	sb_printf(r->out, "<td class=\"num\" data-v=\"%.17g\"><span class=\"%s</span></td>", t->value / t->floor,
		  se_rtrial_wins(t) ? "yes\">yes" : "no\">no");
}

static bool shown(const se_rparam *p)
{
	return strcmp(p->name, "latent") != 0; /* has a column of its own */
}

static void put_params(se_report *r, size_t trial)
{
	char text[32];

	for (size_t i = 0; i < r->nparam; i++) {
		const se_cell *c = r->param[i].of[trial];

		if (!shown(&r->param[i]))
			continue;
		sb_printf(r->out, "<td%s>", r->param[i].numeric ? " class=\"num\"" : "");
		if (c && c->kind == SE_REAL)
			snprintf(text, sizeof text, "%.3g", c->r), sb_put(r->out, text);
		else
			se_html_put(r->out, c ? c->text : "");
		sb_put(r->out, "</td>");
	}
}

static void put_board_head(se_report *r)
{
	static const char *const fixed[] = {"trial", "validation MSE", "test MSE", "PCA floor", "beats PCA", "weights", "latent",
		"train s"};

	sb_put(r->out, "<thead><tr>");
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		put_heading(r, fixed[i], true);
	put_heading(r, "sampler", false);
	for (size_t i = 0; i < r->nparam; i++)
		if (shown(&r->param[i]))
			put_heading(r, r->param[i].name, r->param[i].numeric);
	sb_put(r->out, "</tr></thead>\n");
}

static void put_board_row(se_report *r, size_t i)
{
	const se_rtrial *t = &r->trial[i];

	sb_put(r->out, t == r->best ? "<tr class=\"best\">" : "<tr>");
	sb_printf(r->out, "<td class=\"num\">%lld</td>", (long long)t->number);
	put_number(r, t->value);
	put_number(r, t->test);
	put_number(r, t->floor);
	put_verdict(r, t);
	put_size(r, t->n_params);
	put_size(r, t->latent);
	put_number(r, t->train_s);
	se_page_text(r, "<td>", t->row[se_table_column(&r->trials, "sampler")].text, "</td>");
	put_params(r, i);
	sb_put(r->out, "</tr>\n");
}

void se_report_board(se_report *r)
{
	size_t n = r->nrank < (size_t)r->o->top ? r->nrank : (size_t)r->o->top, wins = 0;

	for (size_t i = 0; i < r->nrank; i++)
		wins += se_rtrial_wins(&r->trial[r->rank[i]]);
	sb_printf(r->out, "<p>The best %s of %s finished trials; ", count_text(r, (int64_t)n), count_text(r, (int64_t)r->nrank));
	sb_printf(r->out, "%s of them all beat PCA with the same latent size, without which an autoencoder is worth nothing. "
		"A heading sorts by its column.</p>\n", count_text(r, (int64_t)wins));
	sb_put(r->out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"leader board\"><table class=\"sort\">\n");
	put_board_head(r);
	sb_put(r->out, "<tbody>\n");
	for (size_t i = 0; i < n; i++)
		put_board_row(r, r->rank[i]);
	sb_put(r->out, "</tbody></table></div>\n");
}

/* ---- failures ------------------------------------------------------------------------------------------------------ */

static bool failed(const se_rtrial *t)
{
	return !strcmp(t->state, "FAIL") || !strcmp(t->state, "PRUNED");
}

bool se_report_has_failures(const se_report *r)
{
	for (size_t i = 0; i < r->ntrial; i++)
		if (failed(&r->trial[i]))
			return true;
	return r->events.nrow > 0;
}

static const char *cause_of(const se_rtrial *t)
{
	return *t->cause ? t->cause : "no cause is known";
}

/* Has an earlier trial failed of the same cause? */
static bool seen(const se_report *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (failed(&r->trial[k]) && !strcmp(cause_of(&r->trial[k]), cause_of(&r->trial[i])))
			return true;
	return false;
}

/* One row for all trials of one cause: how many, and the first few. */
static void put_cause(se_report *r, size_t i)
{
	int64_t n = 0;
	ir_str numbers;

	sb_init(&numbers);
	for (size_t k = i; k < r->ntrial; k++) {
		if (!failed(&r->trial[k]) || strcmp(cause_of(&r->trial[k]), cause_of(&r->trial[i])))
			continue;
		if (n < 12)
			sb_printf(&numbers, "%s%lld", n ? ", " : "", (long long)r->trial[k].number);
		n++;
	}
	se_page_text(r, "<tr><td>", cause_of(&r->trial[i]), "</td>");
	put_count(r, n);
	sb_printf(r->out, "<td>%s%s</td></tr>\n", numbers.s, n > 12 ? ", .." : "");
	sb_fini(&numbers);
}

static void put_causes(se_report *r)
{
	size_t rows = 0;

	sb_put(r->out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"failures\"><table class=\"sort\">\n<thead><tr>");
	put_heading(r, "cause", false);
	put_heading(r, "trials", true);
	put_heading(r, "numbers", false);
	sb_put(r->out, "</tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < r->ntrial && rows < 100; i++)
		if (failed(&r->trial[i]) && !seen(r, i))
			put_cause(r, i), rows++;
	sb_put(r->out, "</tbody></table></div>\n");
}

static void put_events(se_report *r)
{
	sb_put(r->out, "<h3>What the clock, a signal or another program decided</h3>\n<ul class=\"events\">\n");
	for (size_t i = 0; i < r->events.nrow; i++) {
		const se_cell *c = &r->events.cell[i * 3];

		sb_put(r->out, "<li>");
		se_page_text(r, "<time>", ar_printf(r->a, "%.19s", c[0].text), "</time> ");
		se_html_put(r->out, c[1].text);
		if (c[2].kind == SE_INTEGER)
			sb_printf(r->out, " (trial %lld)", (long long)c[2].i);
		sb_put(r->out, "</li>\n");
	}
	sb_put(r->out, "</ul>\n");
}

void se_report_failures(se_report *r)
{
	if (fact_count(r, "failed"))
		put_causes(r);
	else
		sb_put(r->out, "<p>No trial has failed.</p>\n");
	if (r->events.nrow)
		put_events(r);
}

/* ---- the model's text, and commands ------------------------------------------------------------------------------- */

static void put_code(se_report *r, const char *label, const char *text)
{
	sb_printf(r->out, "<div class=\"code\"><button type=\"button\" class=\"copy\" hidden>copy</button>"
		"<pre tabindex=\"0\" aria-label=\"%s\">", label);
	while (*text) { /* line by line: they stay lines in the source of the page */
		size_t n = strcspn(text, "\n");

		se_html_put(r->out, ar_strndup(r->a, text, n));
		sb_putc(r->out, '\n');
		text += text[n] ? n + 1 : n;
	}
	sb_put(r->out, "</pre></div>\n");
}

void se_report_model(se_report *r)
{
	if (!r->ir) {
		sb_put(r->out, "<p>The best trial was trained by another program: there is no model text.</p>\n");
		return;
	}
	put_code(r, "model text", r->ir);
}

/* text as one word of a shell */
static const char *quoted(se_report *r, const char *text)
{
	const char *word;
	ir_str s;

	if (*text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == strlen(text) && *text != '-')
		return text;
	sb_init(&s);
	sb_putc(&s, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			sb_put(&s, "'\\''");
		else
			sb_putc(&s, *text);
	}
	sb_putc(&s, '\'');
	word = ar_strdup(r->a, s.s);
	sb_fini(&s);
	return word;
}

void se_report_again(se_report *r)
{
	const char *db = quoted(r, r->o->db), *name = quoted(r, r->study->name);
	const char *text = ar_printf(r->a, "gradmill search --db %s --study %s --time 10m   # goes on with it\n", db, name);

	if (r->best) {
		long long n = (long long)r->best->number;

		text = ar_printf(r->a, "%sgradmill replay %s %lld --study %s   # trains the best trial again and compares it to the bit\n"
			"gradmill show %s %lld --study %s --ir > model.gm   # its program\n"
			"gradmill best %s --study %s --export best   # and its weights\n", text, db, n, name, db, n, name, db, name);
	}
	text = ar_printf(r->a, "%sgradmill report %s --study %s -o report.html   # this page\n", text, db, name);
	sb_put(r->out, "<p>The same build, processor features and seed give the same trials to the bit, whatever the number of "
		"workers and threads.</p>\n");
	put_code(r, "commands", text);
}
