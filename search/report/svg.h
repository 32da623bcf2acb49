/* SPDX-License-Identifier: Apache-2.0
 * search/report/svg.h -- pictures of numbers as SVG: axes with round ticks, points, lines, steps, bars. Deterministic: the
 * same numbers give the same bytes. Knows no colours, only classes (report.css); nothing of studies or the store.
 * Life cycle of a plot: se_axis_init and se_axis_see for both axes, se_plot_begin, marks, se_plot_end. */
#ifndef SEARCH_REPORT_SVG_H
#define SEARCH_REPORT_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ir/base/str.h"

/* ---- text ------------------------------------------------------------------------------------------------------ */

/* s as content or attribute value: what has a meaning there is escaped, bytes that are not printable UTF-8 become \xNN. */
void se_html_put(ir_str *out, const char *s);
void se_html_count(ir_str *out, int64_t v); /* "1,234,567" */
/* A coordinate or length: at most one decimal, no "-0". */
void se_svg_put(ir_str *out, double v);
/* A number for a tick: "0.01", "250k", "1.5M". */
#define SE_TICK_CHARS 16
void se_tick_print(double v, char text[SE_TICK_CHARS]);

/* ---- axes ------------------------------------------------------------------------------------------------------- */

typedef struct se_axis {
	const char *label; /* "": none */
	bool log, whole;         /* whole: no ticks between whole numbers */
	const char *const *name; /* categories, which lie at 0, 1, ..; NULL: numbers */
	double low, high;        /* what has been seen; low > high: nothing yet */
} se_axis;

void se_axis_init(se_axis *a, const char *label, bool log);
void se_axis_init_whole(se_axis *a, const char *label); /* of counts */
void se_axis_names(se_axis *a, const char *label, const char *const *name, size_t n);
bool se_axis_takes(const se_axis *a, double v); /* finite, and above zero for a logarithm */
void se_axis_see(se_axis *a, double v);         /* what it does not take is passed over */

#define SE_MAX_TICKS 12
typedef struct se_ticks {
	size_t n;
	double at[SE_MAX_TICKS];
} se_ticks;

/* Round numbers from low to high: about want of them, 1, 2 or 5 times a power of ten apart; on a logarithm powers of ten,
 * or as many of their multiples as there is room for. Never none, unless low > high. */
void se_ticks_find(double low, double high, bool log, size_t want, se_ticks *out);

/* ---- plots ------------------------------------------------------------------------------------------------------ */

typedef struct se_plot {
	ir_str *out;
	double width, height;
	double left, right, top, bottom; /* of the frame, in the picture */
	se_axis x, y;
} se_plot;

/* <svg> with its accessible name and, unless desc is NULL, description; id must be new on the page. */
void se_svg_begin(ir_str *out, const char *id, const char *title, const char *desc, double width, double height);
void se_svg_end(ir_str *out);
void se_svg_text(ir_str *out, double x, double y, const char *class, const char *text);

/* Begins the picture and draws the axes p->x and p->y; the other fields but out, width and height are set here. */
void se_plot_begin(se_plot *p, const char *id, const char *title, const char *desc);
void se_plot_end(se_plot *p);

double se_plot_x(const se_plot *p, double x); /* in the picture */
double se_plot_y(const se_plot *p, double y);

/* Marks. Values that an axis does not take are left out; class is the caller's; tip, shown on hover, may be NULL. */
void se_plot_point(se_plot *p, double x, double y, double r, const char *class, const char *tip);
void se_plot_dots(se_plot *p, const double *x, const double *y, size_t n, const char *class); /* one path: small, mute */
void se_plot_line(se_plot *p, const double *x, const double *y, size_t n, const char *class, const char *tip);
/* Keeps y until the next x, and the last one to the frame's end. */
void se_plot_steps(se_plot *p, const double *x, const double *y, size_t n, const char *class);
void se_plot_rule(se_plot *p, double y, const char *class); /* a level */
void se_plot_level(se_plot *p, double y, const char *class, const char *text); /* its name, above its right end */
void se_plot_cross(se_plot *p, double x, const char *class, const char *tip); /* on the upper end of the frame */

#endif
