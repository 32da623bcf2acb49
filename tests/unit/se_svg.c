/* SPDX-License-Identifier: Apache-2.0
 * The plot writer of reports: round ticks, escapes, and the same bytes for the same numbers. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "search/report/svg.h"

/* The ticks as one text: "0 2 4". */
static const char *ticks(double low, double high, bool log, size_t want)
{
	static char text[256];
	se_ticks t;

	se_ticks_find(low, high, log, want, &t);
	text[0] = 0;
	for (size_t i = 0; i < t.n; i++) {
		char one[SE_TICK_CHARS];

		se_tick_print(t.at[i], one);
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", one);
	}
	return text;
}

static void ticks_are_round(void **state)
{
	(void)state;
	assert_string_equal(ticks(0, 10, false, 5), "0 2 4 6 8 10");
	assert_string_equal(ticks(-0.3, 0.31, false, 6), "-0.2 0 0.2");
	assert_string_equal(ticks(0.0095, 0.0131, false, 4), "0.01 0.011 0.012 0.013");
	assert_string_equal(ticks(1, 60, false, 6), "10 20 30 40 50 60");
	assert_string_equal(ticks(0, 2.4e6, false, 5), "0 500k 1M 1.5M 2M");
	assert_string_equal(ticks(3, 3, false, 5), "3");
	assert_string_equal(ticks(1, 0, false, 5), "");
}

static void logarithms_too(void **state)
{
	(void)state;
	assert_string_equal(ticks(1e-4, 1, true, 6), "0.0001 0.001 0.01 0.1 1");
	assert_string_equal(ticks(0.009, 0.11, true, 6), "0.01 0.02 0.03 0.05 0.07 0.1");
	assert_string_equal(ticks(0.009, 0.11, true, 4), "0.01 0.02 0.05 0.1");
	assert_string_equal(ticks(0.0102, 0.0131, true, 4), "0.011 0.012 0.013");
	assert_string_equal(ticks(1e-300, 1e300, true, 5), "1e-300 1e-199 1e-98 1000 1e+104 1e+205");
}

/* Whatever the range: some ticks, in order, inside it. */
static void ticks_stay_inside(void **state)
{
	(void)state;
	for (int log = 0; log < 2; log++) {
		for (double low = 1e-12; low < 1e12; low *= 3.7) {
			for (double f = 1.0001; f < 1e9; f *= 2.3) {
				se_ticks t;

				se_ticks_find(low, low * f, log, 6, &t);
				assert_true(t.n >= 1 && t.n <= SE_MAX_TICKS);
				for (size_t i = 0; i < t.n; i++) {
					assert_true(t.at[i] >= low * (1 - 1e-6) && t.at[i] <= low * f * (1 + 1e-6));
					assert_true(!i || t.at[i] > t.at[i - 1]);
				}
			}
		}
	}
}

static void text_is_escaped(void **state)
{
	ir_str s;

	(void)state;
	sb_init(&s);
	se_html_put(&s, "<script>\"a\" & 'b'</script>\n\x01\xff\xc3\xa9");
	assert_string_equal(s.s, "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;&#10;\\x01\\xff\xc3\xa9");
	sb_clear(&s);
	se_html_count(&s, 1234567);
	sb_putc(&s, ' ');
	se_html_count(&s, -123);
	sb_putc(&s, ' ');
	se_html_count(&s, INT64_MIN);
	assert_string_equal(s.s, "1,234,567 -123 -9,223,372,036,854,775,808");
	sb_fini(&s);
}

static void coordinates_are_short(void **state)
{
	ir_str s;

	(void)state;
	sb_init(&s);
	for (double v = -1.04; v < 1; v += 0.5) {
		se_svg_put(&s, v);
		sb_putc(&s, ' ');
	}
	se_svg_put(&s, -0.04);
	assert_string_equal(s.s, "-1 -0.5 0 0.5 1 0");
	sb_fini(&s);
}

static void draw(ir_str *out, bool log)
{
	const double x[] = {1, 2, 3, 4, 5}, y[] = {0.5, NAN, 0.25, INFINITY, 0.125};
	se_plot p = {.out = out, .width = 640, .height = 340};

	se_axis_init(&p.x, "trial", false);
	se_axis_init(&p.y, "error <MSE>", log);
	for (int i = 0; i < 5; i++)
		se_axis_see(&p.x, x[i]), se_axis_see(&p.y, y[i]);
	se_plot_begin(&p, "a", "a \"title\"", "and more");
	se_plot_line(&p, x, y, 5, "line", "tip & tip");
	se_plot_steps(&p, x, y, 5, "steps");
	se_plot_dots(&p, x, y, 5, "dots");
	se_plot_point(&p, 1, -1, 3, "negative", NULL);
	se_plot_cross(&p, 4, "failed", "trial 4");
	se_plot_rule(&p, 0.3, "floor");
	se_plot_level(&p, 0.3, "floor", "PCA");
	se_plot_end(&p);
}

static void plots_are_the_same_again(void **state)
{
	ir_str a, b;

	(void)state;
	sb_init(&a);
	sb_init(&b);
	draw(&a, true);
	draw(&b, true);
	assert_string_equal(a.s, b.s);
	assert_null(strstr(a.s, "nan"));
	assert_null(strstr(a.s, "inf"));
	assert_null(strstr(a.s, "negative")); /* a logarithm does not take it */
	assert_non_null(strstr(a.s, "<title id=\"a-t\">a &quot;title&quot;</title><desc id=\"a-d\">and more</desc>"));
	assert_non_null(strstr(a.s, "error &lt;MSE&gt;"));
	assert_non_null(strstr(a.s, "data-tip=\"tip &amp; tip\""));
	sb_fini(&a);
	sb_fini(&b);
}

static void an_empty_plot_is_a_frame(void **state)
{
	se_plot p = {.width = 340, .height = 300};
	ir_str s;

	(void)state;
	sb_init(&s);
	p.out = &s;
	se_axis_init(&p.x, "x", true);
	se_axis_init(&p.y, "y", false);
	se_axis_see(&p.x, 0);
	se_axis_see(&p.y, NAN);
	se_plot_begin(&p, "e", "empty", NULL);
	se_plot_end(&p);
	assert_null(strstr(s.s, "nan"));
	assert_null(strstr(s.s, "inf"));
	sb_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_are_round), cmocka_unit_test(logarithms_too), cmocka_unit_test(ticks_stay_inside),
		cmocka_unit_test(text_is_escaped), cmocka_unit_test(coordinates_are_short),
		cmocka_unit_test(plots_are_the_same_again), cmocka_unit_test(an_empty_plot_is_a_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
