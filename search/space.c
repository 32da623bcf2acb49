/* SPDX-License-Identifier: Apache-2.0
 * search/space.c -- the tables of parameters and everything that can be said about one row.
 * To add a parameter: a row below, its use in build.c or trial.c (whichever it concerns), a column of v_trials. */
#include "search/space.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ir/base/arena.h"

#define ALWAYS .when = -1
#define WORDS(...) .kind = SE_CHOICE, .choice = (const char *const[]){__VA_ARGS__, NULL}
#define COUNT(lo, hi) .kind = SE_INT, .low = (lo), .high = (hi)
#define LOG_COUNT(lo, hi) .kind = SE_INT, .low = (lo), .high = (hi), .log = true
#define LOG(lo, hi) .kind = SE_FLOAT, .low = (lo), .high = (hi), .log = true
#define ONLY(row, bits) .when = (row), .among = (bits)

/* Rows of the dense space, so that conditions can name them. ORDER DENSE: append only, rows and choices: a row's number
 * picks its random draw, and old files hold the index of a choice. */
enum {
	D_STEM, D_BLOCKS, D_LAYERS, D_ACTIVATION, D_SKIP, D_LATENT, D_OPTIMIZER, D_LR, D_LR_SGD, D_SCHEDULE,
	D_WEIGHT_DECAY, D_CLIP, D_BATCH, D_EPOCHS, D_COUNT
};

/* Ranges such that the median random trial is sane. The loss is a mean over all features, so gradients are small and
 * plain momentum needs rates that look large. */
static const se_param dense[D_COUNT] = {
	[D_STEM] = {"stem_width", WORDS("96", "128", "192", "256", "384", "512"), ALWAYS, .shape = true, .usual = 4},
	[D_BLOCKS] = {"blocks", COUNT(0, 3), ALWAYS, .shape = true, .usual = 1},
	[D_LAYERS] = {"layers", COUNT(1, 2), ONLY(D_BLOCKS, 1u << 1 | 1u << 2 | 1u << 3), .shape = true, .usual = 2},
	[D_ACTIVATION] = {"activation", WORDS("relu", "gelu", "tanh"), ALWAYS, .shape = true, .usual = 1},
	[D_SKIP] = {"skip", WORDS("none", "block", "stage"), ONLY(D_BLOCKS, 1u << 1 | 1u << 2 | 1u << 3), .shape = true, .usual = 1},
	[D_LATENT] = {"latent", WORDS("8", "16", "32", "64"), ALWAYS, .shape = true, .usual = 2},
	[D_OPTIMIZER] = {"optimizer", WORDS("adam", "adamw", "sgd"), ALWAYS, .usual = 0},
	[D_LR] = {"lr", LOG(5e-4, 5e-3), ONLY(D_OPTIMIZER, 1u << 0 | 1u << 1), .usual = 2e-3},
	[D_LR_SGD] = {"lr_sgd", LOG(1, 10), ONLY(D_OPTIMIZER, 1u << 2), .usual = 5},
	[D_SCHEDULE] = {"schedule", WORDS("constant", "cosine"), ALWAYS, .usual = 1},
	[D_WEIGHT_DECAY] = {"weight_decay", LOG(1e-4, 1e-1), ONLY(D_OPTIMIZER, 1u << 1), .usual = 1e-2},
	[D_CLIP] = {"clip_norm", WORDS("0", "1", "5"), ALWAYS, .usual = 0},
	[D_BATCH] = {"batch", WORDS("64", "128", "256", "32"), ALWAYS, .usual = 0},
	[D_EPOCHS] = {"epochs", LOG_COUNT(3, 16), ALWAYS, .usual = 5, .budget = true},
};

/* Given models: the fixed settings of every trial, recorded like sampled ones. */
static const se_param models[] = {
	{"optimizer", WORDS("adam"), ALWAYS},
	{"lr", .kind = SE_FLOAT, .low = 1e-3, .high = 1e-3, ALWAYS},
	{"schedule", WORDS("constant"), ALWAYS},
	{"clip_norm", WORDS("0"), ALWAYS},
	{"batch", WORDS("128"), ALWAYS},
	{"epochs", COUNT(1, 1), ALWAYS},
};

static const struct {
	const char *name;
	const se_param *row;
	size_t n;
} spaces[] = {
	{"dense", dense, D_COUNT},
	{"models", models, sizeof models / sizeof *models},
};

static void pin(se_space *sp, const char *name, int64_t value)
{
	int i = se_param_find(sp, name);

	if (i < 0 || value <= 0)
		return;
	if (sp->param[i].kind != SE_CHOICE) {
		sp->param[i].low = sp->param[i].high = (double)value;
		return;
	}
	snprintf(sp->pin_text[i], sizeof sp->pin_text[i], "%lld", (long long)value);
	sp->pinned[i][0] = sp->pin_text[i];
	sp->pinned[i][1] = NULL;
	sp->param[i].choice = sp->pinned[i];
}

bool se_space_init(se_space *sp, const char *name, const se_limits *fix)
{
	memset(sp, 0, sizeof *sp);
	for (size_t k = 0; k < sizeof spaces / sizeof *spaces; k++) {
		if (strcmp(spaces[k].name, name))
			continue;
		sp->name = spaces[k].name;
		sp->n = spaces[k].n;
		memcpy(sp->param, spaces[k].row, sp->n * sizeof *sp->param);
		pin(sp, "latent", fix->latent);
		pin(sp, "epochs", fix->epochs);
		pin(sp, "batch", fix->batch);
		return true;
	}
	return false;
}

#define NARROW 128       /* columns: from here on every latent size is a compression */
#define USUAL_WIDTH 784 /* of the rows that rates of plain momentum were chosen for: the loss is a mean over columns */
#define FEW 8192         /* rows: of fewer, an epoch has so few steps that it takes more of them */

/* The choices of row i become list's that are at most `most`, or its first; the default point moves along. */
static void restrict_to(se_space *sp, int i, const char *const *list, double most)
{
	se_param *p = &sp->param[i];
	int n = 0, skip = 0;

	while (list[n] && (n == 0 || strtod(list[n], NULL) <= most))
		n++;
	skip = n > SE_MAX_FITTED ? n - SE_MAX_FITTED : 0;
	for (int k = skip; k < n; k++)
		sp->fitted[i][k - skip] = list[k];
	p->choice = sp->fitted[i];
	p->usual = fmin(p->usual, n - skip - 1);
}

static void stretch(se_param *p, double by)
{
	p->low *= by;
	p->high *= by;
	p->usual *= by;
}

void se_space_fit(se_space *sp, int64_t width, int64_t ntrain)
{
	static const char *const latents[] = {"1", "2", "4", "8", "16", "32", NULL};
	static const char *const batches[] = {"32", "64", "128", "256", NULL};
	int latent = se_param_find(sp, "latent"), batch = se_param_find(sp, "batch"), epochs = se_param_find(sp, "epochs");
	int sgd = se_param_find(sp, "lr_sgd");

	if (latent >= 0 && se_param_choices(&sp->param[latent]) > 1 && width < NARROW)
		restrict_to(sp, latent, latents, (double)width / 2);
	if (batch >= 0 && se_param_choices(&sp->param[batch]) > 1 && ntrain < 256)
		restrict_to(sp, batch, batches, (double)ntrain);
	if (epochs >= 0 && sp->param[epochs].low < sp->param[epochs].high && ntrain > 0 && ntrain < FEW)
		stretch(&sp->param[epochs], (double)(FEW / ntrain));
	if (sgd >= 0 && width < NARROW)
		stretch(&sp->param[sgd], (double)width / USUAL_WIDTH);
}

int se_param_find(const se_space *sp, const char *name)
{
	for (size_t i = 0; i < sp->n; i++)
		if (!strcmp(sp->param[i].name, name))
			return (int)i;
	return -1;
}

int se_param_choices(const se_param *p)
{
	int n = 0;

	while (p->kind == SE_CHOICE && p->choice[n])
		n++;
	return n;
}

double se_param_at(const se_param *p, double unit)
{
	double lo = p->low, hi = p->high, v;

	switch (p->kind) {
	case SE_CHOICE:
		return floor(unit * se_param_choices(p));
	case SE_INT:
		v = p->log ? floor(exp(log(lo) + unit * (log(hi + 1) - log(lo)))) : lo + floor(unit * (hi - lo + 1));
		return v < lo ? lo : v > hi ? hi : v;
	case SE_FLOAT:
		v = p->log ? exp(log(lo) + unit * (log(hi) - log(lo))) : lo + unit * (hi - lo);
		return v < lo ? lo : v > hi ? hi : v; /* exp(log(lo)) may fall a bit short */
	}
	ir_bug("kind %d of parameter %s", (int)p->kind, p->name);
}

double se_param_unit(const se_param *p, double v)
{
	double lo = p->low, hi = p->high;

	return p->log ? (log(v) - log(lo)) / (log(hi) - log(lo)) : (v - lo) / (hi - lo);
}

bool se_param_has(const se_param *p, double v)
{
	if (p->kind == SE_CHOICE)
		return v >= 0 && v < se_param_choices(p) && v == floor(v);
	return v >= p->low && v <= p->high && (p->kind == SE_FLOAT || v == floor(v));
}

void se_param_print(const se_param *p, double v, ir_str *out)
{
	if (p->kind == SE_CHOICE)
		sb_put(out, p->choice[(int)v]);
	else if (p->kind == SE_INT)
		sb_printf(out, "%lld", (long long)v);
	else
		sb_put_double(out, v);
}

static bool is_number(const char *text)
{
	return text[0] >= '0' && text[0] <= '9';
}

bool se_param_numeric(const se_param *p)
{
	return p->kind == SE_CHOICE && is_number(p->choice[0]);
}

/* Choices that are numbers are whole ones, so this is exact in every locale. */
double se_param_meaning(const se_param *p, double v)
{
	double number = 0;

	if (p->kind != SE_CHOICE)
		return v;
	for (const char *c = p->choice[(int)v]; *c >= '0' && *c <= '9'; c++)
		number = number * 10 + (*c - '0');
	return number;
}

void se_param_distribution(const se_param *p, ir_str *out)
{
	switch (p->kind) {
	case SE_CHOICE:
		sb_put(out, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [");
		for (int i = 0; p->choice[i]; i++)
			sb_printf(out, is_number(p->choice[i]) ? "%s%s" : "%s\"%s\"", i ? ", " : "", p->choice[i]);
		sb_put(out, "]}}");
		return;
	case SE_INT:
		sb_printf(out, "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": %s, \"step\": 1, \"low\": %lld, "
			  "\"high\": %lld}}", p->log ? "true" : "false", (long long)p->low, (long long)p->high);
		return;
	case SE_FLOAT:
		sb_put(out, "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": ");
		sb_put_double(out, p->low);
		sb_put(out, ", \"high\": ");
		sb_put_double(out, p->high);
		sb_printf(out, ", \"log\": %s}}", p->log ? "true" : "false");
		return;
	}
}

bool se_genome_active(const se_space *sp, const se_genome *g, size_t i)
{
	const se_param *p = &sp->param[i];

	if (p->when < 0)
		return true;
	if (isnan(g->v[p->when]) || g->v[p->when] < 0 || g->v[p->when] > 31)
		return false;
	return p->among >> (unsigned)g->v[p->when] & 1;
}

void se_space_usual(const se_space *sp, se_genome *g)
{
	for (size_t i = 0; i < SE_MAX_PARAMS; i++)
		g->v[i] = NAN;
	for (size_t i = 0; i < sp->n; i++)
		if (se_genome_active(sp, g, i)) /* pinned ones have another range */
			g->v[i] = se_param_has(&sp->param[i], sp->param[i].usual) ? sp->param[i].usual : se_param_at(&sp->param[i], 0);
}

bool se_genome_check(const se_space *sp, const se_genome *g)
{
	for (size_t i = 0; i < sp->n; i++) {
		if (!se_genome_active(sp, g, i)) {
			if (!isnan(g->v[i]))
				return false;
		} else if (!se_param_has(&sp->param[i], g->v[i])) {
			return false;
		}
	}
	return true;
}

bool se_genome_has(const se_space *sp, const se_genome *g, const char *name)
{
	int i = se_param_find(sp, name);

	return i >= 0 && !isnan(g->v[i]);
}

static const se_param *must_have(const se_space *sp, const se_genome *g, const char *name, double *v)
{
	int i = se_param_find(sp, name);

	IR_ASSERT(i >= 0 && !isnan(g->v[i]), "parameter %s of space %s", name, sp->name);
	*v = g->v[i];
	return &sp->param[i];
}

double se_genome_number(const se_space *sp, const se_genome *g, const char *name)
{
	double v;
	const se_param *p = must_have(sp, g, name, &v);

	return se_param_meaning(p, v);
}

const char *se_genome_choice(const se_space *sp, const se_genome *g, const char *name)
{
	double v;
	const se_param *p = must_have(sp, g, name, &v);

	IR_ASSERT(p->kind == SE_CHOICE, "parameter %s has no choices", name);
	return p->choice[(int)v];
}

void se_genome_print(const se_space *sp, const se_genome *g, bool shape_too, ir_str *out)
{
	const char *gap = "";

	for (size_t i = 0; i < sp->n; i++) {
		if (isnan(g->v[i]) || (sp->param[i].shape && !shape_too))
			continue;
		sb_printf(out, "%s%s=", gap, sp->param[i].name);
		se_param_print(&sp->param[i], g->v[i], out);
		gap = " ";
	}
}
