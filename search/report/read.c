/* SPDX-License-Identifier: Apache-2.0
 * search/report/read.c -- a study out of the store, by one query per kind of thing. A driver may write in between: what a
 * later query has of trials that an earlier one did not see is passed over. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "search/output.h"
#include "search/report/report_int.h"

static const char facts[] = "SELECT x.created, count(t.trial_id) AS trials, "
	"count(*) FILTER (WHERE t.state = 'COMPLETE') AS finished, count(*) FILTER (WHERE t.state IN ('FAIL', 'PRUNED')) AS failed, "
	"count(*) FILTER (WHERE t.state = 'RUNNING') AS running, count(*) FILTER (WHERE t.state = 'WAITING') AS waiting, "
	"sum(y.train_s) AS train_s, (julianday(max(t.datetime_complete)) - julianday(min(t.datetime_start))) * 86400 AS span_s, "
	"max(t.datetime_complete) AS ended, (SELECT jobs FROM x_driver d WHERE d.study_id = x.study_id) AS jobs, "
	"(SELECT threads FROM x_driver d WHERE d.study_id = x.study_id) AS threads "
	"FROM x_study x LEFT JOIN trials t USING (study_id) LEFT JOIN x_trial y USING (trial_id) WHERE x.study_id = ?1";

static const char trials[] = "SELECT t.number, t.state, t.value, t.test_value, f.val_mse AS floor, f.test_mse AS floor_test, "
	"t.latent, t.n_params, t.epochs, t.train_s, t.cause, t.sampler, t.parent, t.mutation "
	"FROM v_trials t LEFT JOIN x_floor f ON f.study_id = ?2 AND f.latent = t.latent WHERE t.study = ?1 ORDER BY t.number";

static const char params[] = "SELECT name, number, value FROM v_params WHERE study = ?1 ORDER BY name, number";
static const char curves[] = "SELECT number, step, value FROM v_curves WHERE study = ?1 ORDER BY number, step";
static const char events[] = "SELECT at, what, number FROM v_events WHERE study = ?1 ORDER BY at DESC LIMIT 50";
static const char model[] = "SELECT ir, weights_key, weights_file FROM v_trials WHERE study = ?1 AND number = ?2";

static ir_status ask(se_report *r, const char *sql, const se_arg *arg, size_t n, se_table *out)
{
	return se_store_select(r->store, sql, arg, n, r->a, out, r->d);
}

/* The columns are not all STRICT: another program may have put a text where a number should be. */
static double number(const se_cell *c)
{
	switch (c->kind) {
	case SE_INTEGER: return (double)c->i;
	case SE_REAL: return c->r;
	case SE_NULL: case SE_TEXT: break;
	}
	return NAN;
}

const se_cell *se_report_fact(const se_report *r, const char *name)
{
	return &r->facts.cell[se_table_column(&r->facts, name)];
}

bool se_rtrial_wins(const se_rtrial *t)
{
	return t->complete && t->value < t->floor;
}

static void read_trial(const se_table *t, size_t row, se_rtrial *out)
{
	const se_cell *c = &t->cell[row * t->ncol];
#define COLUMN(name) (&c[se_table_column(t, name)])

	out->row = c;
	out->number = COLUMN("number")->i;
	out->state = COLUMN("state")->text;
	out->cause = COLUMN("cause")->text;
	out->latent = COLUMN("latent")->i;
	out->n_params = COLUMN("n_params")->i;
	out->epochs = COLUMN("epochs")->i;
	out->value = number(COLUMN("value"));
	out->test = number(COLUMN("test_value"));
	out->floor = number(COLUMN("floor"));
	out->floor_test = number(COLUMN("floor_test"));
	out->train_s = number(COLUMN("train_s"));
	out->complete = !strcmp(out->state, "COMPLETE") && isfinite(out->value);
#undef COLUMN
}

static int better_first(const void *a, const void *b)
{
	const se_rtrial *s = *(const se_rtrial *const *)a, *t = *(const se_rtrial *const *)b;

	if (s->value != t->value)
		return s->value < t->value ? -1 : 1;
	return s->number < t->number ? -1 : 1;
}

static void rank_trials(se_report *r)
{
	const se_rtrial **t = ar_new(r->a, const se_rtrial *, r->ntrial + 1);

	for (size_t i = 0; i < r->ntrial; i++)
		if (r->trial[i].complete)
			t[r->nrank++] = &r->trial[i];
	qsort(t, r->nrank, sizeof *t, better_first);
	r->rank = ar_new(r->a, size_t, r->nrank + 1);
	for (size_t i = 0; i < r->nrank; i++)
		r->rank[i] = (size_t)(t[i] - r->trial);
	r->best = r->nrank ? t[0] : NULL;
}

static ir_status read_trials(se_report *r)
{
	const se_arg arg[] = {{r->study->name, 0}, {NULL, r->study->id}};
	ir_status st = ask(r, trials, arg, 2, &r->trials);

	if (st != IR_OK)
		return st;
	r->ntrial = r->trials.nrow;
	r->trial = ar_new(r->a, se_rtrial, r->ntrial + 1);
	for (size_t i = 0; i < r->ntrial; i++)
		read_trial(&r->trials, i, &r->trial[i]);
	rank_trials(r);
	return IR_OK;
}

/* The place of a number in trial[], which is in their order; ntrial: it is not there. */
static size_t place_of(const se_report *r, int64_t number_wanted)
{
	size_t low = 0, high = r->ntrial;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (r->trial[mid].number < number_wanted)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->ntrial && r->trial[low].number == number_wanted ? low : r->ntrial;
}

static bool all_numbers(const se_report *r, const se_rparam *p)
{
	for (size_t i = 0; i < r->nrank; i++) {
		const se_cell *c = p->of[r->rank[i]];

		if (c && c->kind == SE_TEXT)
			return false;
	}
	return true;
}

static ir_status read_params(se_report *r)
{
	se_table t;
	size_t cap = 0;
	ir_status st = ask(r, params, &(se_arg){r->study->name, 0}, 1, &t);

	for (size_t i = 0; st == IR_OK && i < t.nrow; i++) {
		const se_cell *c = &t.cell[i * 3];
		size_t at = place_of(r, c[1].i);

		if (at == r->ntrial)
			continue;
		if (!r->nparam || strcmp(r->param[r->nparam - 1].name, c[0].text))
			*ar_push(r->a, r->param, r->nparam, cap) =
				(se_rparam){.name = c[0].text, .of = ar_new(r->a, const se_cell *, r->ntrial)};
		r->param[r->nparam - 1].of[at] = c[2].kind == SE_NULL ? NULL : &c[2];
	}
	for (size_t i = 0; i < r->nparam; i++)
		r->param[i].numeric = all_numbers(r, &r->param[i]);
	return st;
}

static ir_status read_curves(se_report *r)
{
	se_table t;
	size_t n = 0, cap = 0;
	ir_status st = ask(r, curves, &(se_arg){r->study->name, 0}, 1, &t);

	if (st != IR_OK)
		return st;
	r->x = ar_new(r->a, double, t.nrow + 1);
	r->y = ar_new(r->a, double, t.nrow + 1);
	for (size_t i = 0; i < t.nrow; i++) {
		const se_cell *c = &t.cell[i * 3];
		size_t at = place_of(r, c[0].i);

		if (at == r->ntrial)
			continue;
		if (!r->ncurve || r->curve[r->ncurve - 1].trial != at)
			*ar_push(r->a, r->curve, r->ncurve, cap) = (se_rcurve){.trial = at, .first = n};
		r->x[n] = number(&c[1]);
		r->y[n++] = number(&c[2]);
		r->curve[r->ncurve - 1].n++;
	}
	return IR_OK;
}

static ir_status read_model(se_report *r)
{
	const se_arg arg[] = {{r->study->name, 0}, {NULL, r->best->number}};
	se_table t;
	ir_status st = ask(r, model, arg, 2, &t);

	if (st != IR_OK || !t.nrow)
		return st;
	r->ir = t.cell[0].kind == SE_NULL ? NULL : t.cell[0].text; /* another program's trial has none */
	r->weights_key = t.cell[1].kind == SE_NULL ? NULL : t.cell[1].text;
	r->weights_file = t.cell[2].kind == SE_NULL ? NULL : t.cell[2].text;
	return IR_OK;
}

ir_status se_report_read(se_report *r)
{
	ir_status st = ask(r, facts, &(se_arg){NULL, r->study->id}, 1, &r->facts);

	r->driven = se_store_driven(r->store, r->study->id);
	if (st == IR_OK)
		st = read_trials(r);
	if (st == IR_OK)
		st = read_params(r);
	if (st == IR_OK)
		st = read_curves(r);
	if (st == IR_OK)
		st = ask(r, events, &(se_arg){r->study->name, 0}, 1, &r->events);
	if (st == IR_OK && r->best)
		st = read_model(r);
	return st;
}
