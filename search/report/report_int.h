/* SPDX-License-Identifier: Apache-2.0
 * search/report/report_int.h -- what the files of this folder share: a study as it was read, and the pieces of a page. */
#ifndef SEARCH_REPORT_REPORT_INT_H
#define SEARCH_REPORT_REPORT_INT_H

#include "search/learn/learn.h"
#include "search/report/report.h"
#include "search/report/svg.h"
#include "search/sheet.h"

typedef struct se_rtrial {
	int64_t number, latent, n_params, epochs; /* 0: not known */
	const char *state, *cause;                /* cause: "" if it did not fail */
	double value, test, floor, floor_test, train_s; /* NAN: none; floor: PCA with the same latent */
	bool complete; /* finished, with a value */
	const se_cell *row;
} se_rtrial;

/* A hyper-parameter that some trial has. */
typedef struct se_rparam {
	const char *name;
	const se_cell **of; /* by place in trial[]; NULL: that trial does not have it */
	bool numeric;       /* every value of a complete trial is a number */
} se_rparam;

/* The curve of one trial: points first .. first + n of x[], y[]. */
typedef struct se_rcurve {
	size_t trial, first, n;
} se_rcurve;

/* What the best model makes of validation rows (pictures.c). */
typedef struct se_gallery {
	le_data data;
	le_weights weights;
	cc_context *context;
	le_applier *applier;
	uint32_t *row; /* validation rows, evenly spread if there are many */
	size_t n;
	float *latent; /* [n][dimensions] */
	double *error; /* [n] */
	int64_t dimensions;
	se_sheet shape;
	bool images; /* rows are pictures of that shape */
	double *xy, share[2]; /* le_map2d of latent; NULL: there is none */
	ir_diag *d;
} se_gallery;

typedef struct se_report {
	se_store *store;
	const se_study *study;
	const se_report_options *o;
	se_table facts, trials, events; /* as the queries in read.c say */
	se_rtrial *trial; /* by number */
	size_t ntrial;
	size_t *rank; /* places in trial[] of the complete ones, best first */
	size_t nrank;
	const se_rtrial *best; /* NULL: none is complete */
	const char *ir, *weights_key, *weights_file; /* of the best; keys may be NULL */
	se_rparam *param;
	size_t nparam;
	se_rcurve *curve;
	size_t ncurve;
	double *x, *y;
	bool driven;
	const se_gallery *gallery; /* while its section is written */
	unsigned ids; /* given out so far, for names that are new on the page */
	ir_str *out;
	ir_arena *a;
	ir_diag *d;
} se_report;

/* read.c: fills everything from store, study and o. */
IR_MUSTUSE ir_status se_report_read(se_report *r);
const se_cell *se_report_fact(const se_report *r, const char *name);
bool se_rtrial_wins(const se_rtrial *t); /* beats its floor */

/* ---- page.c: pieces --------------------------------------------------------------------------------------------- */

#define SE_WIDE   640 /* widths of a picture: report.css shows the one that fits the window */
#define SE_NARROW 340

typedef void se_draw(se_report *r, const char *id, double width);

/* A figure whose picture is drawn for wide windows and for narrow ones. caption is HTML of ours. */
void se_page_figure(se_report *r, se_draw *draw, const char *caption);
void se_page_text(se_report *r, const char *before, const char *text, const char *after); /* text is escaped */
void se_page_value(ir_str *out, double v); /* four digits; a dash if there is none */
/* A time of some seconds for eyes: "1 h 20 min". */
const char *se_page_seconds(ir_arena *a, double s);
const char *se_page_data_uri(ir_arena *a, const void *png, size_t n);

/* ---- sections: each writes its content; has: is there any? ------------------------------------------------------ */

void se_report_overview(se_report *r); /* tables.c */
void se_report_board(se_report *r);
void se_report_failures(se_report *r);
bool se_report_has_failures(const se_report *r);
void se_report_model(se_report *r);
void se_report_again(se_report *r);

void se_report_progress(se_report *r); /* plots.c */
void se_report_curves(se_report *r);
void se_report_front(se_report *r);
void se_report_each(se_report *r); /* each parameter against the error */
bool se_report_has_curves(const se_report *r);
bool se_report_has_best(const se_report *r);

void se_report_importance(se_report *r); /* importance.c */

void se_report_graph(se_report *r); /* graph.c */

void se_report_pictures(se_report *r); /* pictures.c */
bool se_report_wants_pictures(const se_report *r);
void se_report_map(se_report *r); /* map.c: the gallery's latent */
const char *se_gallery_picture(const se_report *r, uint32_t row); /* a row of images as data URI, in r->a */

/* ---- importance.c: the numbers ---------------------------------------------------------------------------------- */

#define SE_NO_GROUP UINT32_MAX

/* The complete trials by the value of one parameter. */
typedef struct se_rgroups {
	uint32_t *of;      /* group of the trial of rank i, SE_NO_GROUP: it does not have the parameter */
	size_t n;
	bool category;     /* a group for each value; else bins */
	const char **name; /* different values in order: the names of the categories */
	size_t names;
} se_rgroups;

se_rgroups se_groups_of(se_report *r, const se_rparam *p);

typedef struct se_share {
	double share;  /* omega squared, 0 to 1; NAN: too few trials or values */
	double chance; /* what 95 of 100 shuffles of the values stay below */
	size_t n, groups;
} se_share;

/* The share of the variance of y[0..n) that the groups explain; group[i] < groups. See Note [Importance]. */
se_share se_share_of(const double *y, const uint32_t *group, size_t n, size_t groups);

#endif
