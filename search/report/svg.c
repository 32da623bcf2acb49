/* SPDX-License-Identifier: Apache-2.0
 * search/report/svg.c -- see svg.h. Coordinates have one decimal: a tenth of a pixel is less than anybody sees, and a page
 * of thousands of points stays small. */
#include "search/report/svg.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static const char *entity(char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	case '\n': return "&#10;"; /* as it is, a parser may make a space of it in an attribute */
	case '\t': return "&#9;";
	default: return NULL;
	}
}

void se_html_put(ir_str *out, const char *s)
{
	const char *end = s + strlen(s);

	while (s < end) {
		const char *e = entity(*s);
		size_t n = sb_char_len(s, end);

		if (e)
			sb_put(out, e), s++;
		else if (n)
			sb_putn(out, s, n), s += n;
		else
			sb_printf(out, "\\x%02x", (unsigned char)*s++);
	}
}

void se_html_count(ir_str *out, int64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%lld", (long long)v);

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0 && digits[i - 1] != '-')
			sb_putc(out, ',');
		sb_putc(out, digits[i]);
	}
}

void se_svg_put(ir_str *out, double v)
{
	long long tenths = llround(v * 10);

	if (tenths % 10)
		sb_printf(out, "%s%lld.%lld", tenths < 0 ? "-" : "", llabs(tenths) / 10, llabs(tenths) % 10);
	else
		sb_printf(out, "%lld", tenths / 10);
}

void se_tick_print(double v, char text[SE_TICK_CHARS])
{
	static const struct {
		double unit;
		const char *letter;
	} large[] = {{1e9, "G"}, {1e6, "M"}, {1e4, "k"}}; /* 1000 and 5000 read well as they are */

	for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
		if (fabs(v) < large[i].unit || fabs(v) >= 1e13)
			continue;
		snprintf(text, SE_TICK_CHARS, "%.4g%s", v / (*large[i].letter == 'k' ? 1e3 : large[i].unit), large[i].letter);
		return;
	}
	snprintf(text, SE_TICK_CHARS, "%.6g", v);
}

/* ---- axes ---------------------------------------------------------------------------------------------------------- */

void se_axis_init(se_axis *a, const char *label, bool log)
{
	*a = (se_axis){.label = label, .log = log, .low = INFINITY, .high = -INFINITY};
}

void se_axis_init_whole(se_axis *a, const char *label)
{
	se_axis_init(a, label, false);
	a->whole = true;
}

void se_axis_names(se_axis *a, const char *label, const char *const *name, size_t n)
{
	*a = (se_axis){.label = label, .name = name, .low = -0.5, .high = (double)n - 0.5};
}

bool se_axis_takes(const se_axis *a, double v)
{
	return isfinite(v) && (!a->log || v > 0);
}

void se_axis_see(se_axis *a, double v)
{
	if (!se_axis_takes(a, v))
		return;
	a->low = fmin(a->low, v);
	a->high = fmax(a->high, v);
}

/* A little air at both ends; an axis of one value, or of none, gets a width. */
static void close_axis(se_axis *a)
{
	double air;

	if (a->name)
		return;
	if (a->low > a->high)
		a->low = a->log ? 1 : 0, a->high = a->log ? 10 : 1;
	if (a->log) {
		air = a->high > a->low ? pow(a->high / a->low, 0.04) : 1.25;
		a->low /= air, a->high *= air;
		return;
	}
	air = a->high > a->low ? (a->high - a->low) * 0.03 : a->low ? fabs(a->low) / 4 : 1;
	a->low -= air, a->high += air;
}

static void add_tick(se_ticks *t, double v)
{
	if (t->n < SE_MAX_TICKS)
		t->at[t->n++] = v;
}

static void linear_ticks(double low, double high, size_t want, se_ticks *out)
{
	double raw = (high - low) / (double)want, unit = pow(10, floor(log10(raw))), step = unit * 10;

	for (int k = 0; k < 3; k++) {
		static const double nice[] = {1, 2, 5};

		if (unit * nice[k] >= raw * 0.999) {
			step = unit * nice[k];
			break;
		}
	}
	/* i * step, not a running sum: the ticks are as round as a double can be, and 0 is 0 */
	for (double i = ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
		add_tick(out, i * step + 0.0);
}

static size_t powers(double low, double high, const double *digit, size_t n, int stride, se_ticks *out)
{
	int first = (int)floor(log10(low)), last = (int)floor(log10(high));
	size_t count = 0;

	if (out)
		out->n = 0;
	for (int e = first; e <= last; e++) {
		for (size_t i = 0; i < n && (e - first) % stride == 0; i++) {
			double v = e < 0 ? digit[i] / pow(10, -e) : digit[i] * pow(10, e); /* 1e-3 exactly, not 10 * 1e-4 */

			if (v < low * (1 - 1e-9) || v > high * (1 + 1e-9))
				continue;
			count++;
			if (out)
				add_tick(out, v);
		}
	}
	return count;
}

/* The richest set of multiples that there is room for; below half a decade a logarithm is nearly a straight line. */
static void log_ticks(double low, double high, size_t want, se_ticks *out)
{
	static const double digit[3][5] = {{1, 2, 3, 5, 7}, {1, 2, 5}, {1}};
	static const size_t n[3] = {5, 3, 1};
	int stride = 1;

	for (size_t k = 0; k < 3; k++) {
		size_t count = powers(low, high, digit[k], n[k], 1, NULL);

		if (count > want + 1)
			continue;
		if (count >= 3)
			powers(low, high, digit[k], n[k], 1, out);
		else if (k < 2 || count < 2)
			linear_ticks(low, high, want, out);
		else
			powers(low, high, digit[k], n[k], 1, out);
		return;
	}
	while (powers(low, high, digit[2], 1, stride, out) > want + 1)
		stride++;
}

void se_ticks_find(double low, double high, bool log, size_t want, se_ticks *out)
{
	out->n = 0;
	if (low > high)
		return;
	if (low == high)
		add_tick(out, low);
	else if (log)
		log_ticks(low, high, want, out);
	else
		linear_ticks(low, high, want, out);
}

/* Where v is between the ends: 0 to 1. */
static double along(const se_axis *a, double v)
{
	return a->log ? log(v / a->low) / log(a->high / a->low) : (v - a->low) / (a->high - a->low);
}

/* ---- pieces -------------------------------------------------------------------------------------------------------- */

void se_svg_begin(ir_str *out, const char *id, const char *title, const char *desc, double width, double height)
{
	sb_put(out, "<svg viewBox=\"0 0 ");
	se_svg_put(out, width);
	sb_putc(out, ' ');
	se_svg_put(out, height);
	sb_printf(out, "\" role=\"img\" aria-labelledby=\"%s-t%s%s%s\"><title id=\"%s-t\">", id, desc ? " " : "", desc ? id : "",
		  desc ? "-d" : "", id);
	se_html_put(out, title);
	sb_put(out, "</title>");
	if (desc) {
		sb_printf(out, "<desc id=\"%s-d\">", id);
		se_html_put(out, desc);
		sb_put(out, "</desc>");
	}
	sb_putc(out, '\n');
}

void se_svg_end(ir_str *out)
{
	sb_put(out, "</svg>\n");
}

static void put_attribute(ir_str *out, const char *name, double v)
{
	sb_printf(out, " %s=\"", name);
	se_svg_put(out, v);
	sb_putc(out, '"');
}

static void put_tip(ir_str *out, const char *tip)
{
	if (!tip)
		return;
	sb_put(out, " data-tip=\"");
	se_html_put(out, tip);
	sb_putc(out, '"');
}

void se_svg_text(ir_str *out, double x, double y, const char *class, const char *text)
{
	sb_printf(out, "<text class=\"%s\"", class);
	put_attribute(out, "x", x);
	put_attribute(out, "y", y);
	sb_putc(out, '>');
	se_html_put(out, text);
	sb_put(out, "</text>\n");
}

static void put_segment(ir_str *out, const char *class, double x1, double y1, double x2, double y2)
{
	sb_printf(out, "<line class=\"%s\"", class);
	put_attribute(out, "x1", x1);
	put_attribute(out, "y1", y1);
	put_attribute(out, "x2", x2);
	put_attribute(out, "y2", y2);
	sb_put(out, "/>\n");
}

static void put_pair(ir_str *out, const char *command, double x, double y)
{
	sb_put(out, command);
	se_svg_put(out, x);
	sb_putc(out, ' ');
	se_svg_put(out, y);
}

/* ---- plots --------------------------------------------------------------------------------------------------------- */

double se_plot_x(const se_plot *p, double x)
{
	return p->left + along(&p->x, x) * (p->right - p->left);
}

double se_plot_y(const se_plot *p, double y)
{
	return p->bottom - along(&p->y, y) * (p->bottom - p->top);
}

static void axis_ticks(const se_axis *a, double pixels, double each, se_ticks *out)
{
	size_t n = 0;

	out->n = 0;
	for (double v = 0; a->name && v < a->high; v++)
		add_tick(out, v);
	if (a->name)
		return;
	se_ticks_find(a->low, a->high, a->log, (size_t)fmax(2, fmin(pixels / each, SE_MAX_TICKS - 3)), out);
	for (size_t i = 0; i < out->n; i++)
		if (!a->whole || out->at[i] == floor(out->at[i]))
			out->at[n++] = out->at[i];
	out->n = n;
}

static const char *tick_text(const se_axis *a, double v, char buffer[SE_TICK_CHARS])
{
	if (a->name)
		return a->name[(size_t)v];
	se_tick_print(v, buffer);
	return buffer;
}

static void draw_y(se_plot *p)
{
	char text[SE_TICK_CHARS];
	se_ticks t;

	axis_ticks(&p->y, p->bottom - p->top, 42, &t);
	for (size_t i = 0; i < t.n; i++) {
		double y = se_plot_y(p, t.at[i]);

		put_segment(p->out, "grid", p->left, y, p->right, y);
		se_svg_text(p->out, p->left - 8, y + 4, "tick end", tick_text(&p->y, t.at[i], text));
	}
	if (*p->y.label)
		se_svg_text(p->out, 2, 14, "label", p->y.label);
}

static void draw_x(se_plot *p)
{
	char text[SE_TICK_CHARS];
	se_ticks t;

	axis_ticks(&p->x, p->right - p->left, 64, &t);
	put_segment(p->out, "axis", p->left, p->bottom, p->right, p->bottom);
	for (size_t i = 0; i < t.n; i++) {
		double x = se_plot_x(p, t.at[i]);

		put_segment(p->out, "axis", x, p->bottom, x, p->bottom + 4);
		se_svg_text(p->out, x, p->bottom + 17, "tick mid", tick_text(&p->x, t.at[i], text));
	}
	if (*p->x.label)
		se_svg_text(p->out, p->right, p->bottom + 34, "label end", p->x.label);
}

void se_plot_begin(se_plot *p, const char *id, const char *title, const char *desc)
{
	close_axis(&p->x);
	close_axis(&p->y);
	p->left = 58, p->right = p->width - 14;
	p->top = *p->y.label ? 26 : 10, p->bottom = p->height - (*p->x.label ? 40 : 24);
	se_svg_begin(p->out, id, title, desc, p->width, p->height);
	draw_y(p);
	draw_x(p);
}

void se_plot_end(se_plot *p)
{
	se_svg_end(p->out);
}

/* Does the plot have a place for it? */
static bool takes(const se_plot *p, double x, double y)
{
	return se_axis_takes(&p->x, x) && se_axis_takes(&p->y, y);
}

void se_plot_point(se_plot *p, double x, double y, double r, const char *class, const char *tip)
{
	if (!takes(p, x, y))
		return;
	sb_printf(p->out, "<circle class=\"%s\"", class);
	put_attribute(p->out, "cx", se_plot_x(p, x));
	put_attribute(p->out, "cy", se_plot_y(p, y));
	put_attribute(p->out, "r", r);
	put_tip(p->out, tip);
	sb_put(p->out, "/>\n");
}

void se_plot_dots(se_plot *p, const double *x, const double *y, size_t n, const char *class)
{
	sb_printf(p->out, "<path class=\"%s\" d=\"", class);
	for (size_t i = 0; i < n; i++) {
		if (!takes(p, x[i], y[i]))
			continue;
		put_pair(p->out, "M", se_plot_x(p, x[i]), se_plot_y(p, y[i]));
		sb_put(p->out, "h0"); /* a line of no length with round ends is a dot */
	}
	sb_put(p->out, "\"/>\n");
}

/* A gap where there is no value; a value between two gaps is a dot. */
void se_plot_line(se_plot *p, const double *x, const double *y, size_t n, const char *class, const char *tip)
{
	bool pen = false;

	sb_printf(p->out, "<path class=\"%s\"", class);
	put_tip(p->out, tip);
	sb_put(p->out, " d=\"");
	for (size_t i = 0; i < n; i++) {
		bool here = takes(p, x[i], y[i]);

		if (here)
			put_pair(p->out, pen ? "L" : "M", se_plot_x(p, x[i]), se_plot_y(p, y[i]));
		if (here && !pen)
			sb_put(p->out, "h0");
		pen = here;
	}
	sb_put(p->out, "\"/>\n");
}

void se_plot_steps(se_plot *p, const double *x, const double *y, size_t n, const char *class)
{
	bool pen = false;

	sb_printf(p->out, "<path class=\"%s\" d=\"", class);
	for (size_t i = 0; i < n; i++) {
		if (!takes(p, x[i], y[i]))
			continue;
		if (pen) {
			sb_putc(p->out, 'H');
			se_svg_put(p->out, se_plot_x(p, x[i]));
			sb_putc(p->out, 'V');
			se_svg_put(p->out, se_plot_y(p, y[i]));
		} else {
			put_pair(p->out, "M", se_plot_x(p, x[i]), se_plot_y(p, y[i]));
		}
		pen = true;
	}
	if (pen) {
		sb_putc(p->out, 'H');
		se_svg_put(p->out, p->right);
	}
	sb_put(p->out, "\"/>\n");
}

/* Levels are not what an axis is made for: they may lie outside. */
static bool in_frame(const se_plot *p, double y)
{
	return y >= p->y.low && y <= p->y.high;
}

void se_plot_rule(se_plot *p, double y, const char *class)
{
	if (in_frame(p, y))
		put_segment(p->out, class, p->left, se_plot_y(p, y), p->right, se_plot_y(p, y));
}

void se_plot_level(se_plot *p, double y, const char *class, const char *text)
{
	if (in_frame(p, y))
		se_svg_text(p->out, p->right - 2, se_plot_y(p, y) - 5, class, text);
}

void se_plot_cross(se_plot *p, double x, const char *class, const char *tip)
{
	if (!se_axis_takes(&p->x, x))
		return;
	sb_printf(p->out, "<path class=\"%s\"", class);
	put_tip(p->out, tip);
	put_pair(p->out, " d=\"M", se_plot_x(p, x) - 3.5, p->top - 3.5);
	put_pair(p->out, "l", 7, 7);
	put_pair(p->out, "m", -7, 0);
	put_pair(p->out, "l", 7, -7);
	sb_put(p->out, "\"/>\n");
}
