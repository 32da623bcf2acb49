/* SPDX-License-Identifier: Apache-2.0
 * Sums of panels against the interpreter: in a product's epilogue and in maps, at widths around a panel and around tiles narrower
 * than one, more of them than one kernel takes, on all targets; one thread and three give the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "tests/diff/diff.h"

#define TARGETS 4
#define SUMS    6 /* of maps; one kernel takes CC_MAX_SUMS */

static cc_context *context[TARGETS]; /* NULL: a target that this machine cannot run */
static const char *const target_name[TARGETS] = {NULL, "x86-64-v4", "x86-64-v3", "x86-64"};

/* y: of a product with an epilogue; s0 ..: of maps, over x read again and again. */
static void write_text(const char *type, int rows, int cols, ir_str *out)
{
	sb_printf(out, "gradmill 1\nfunc f(x: %s[%d,%d]) {\n  w = param %s[%d,%d]\n  p = matmul x, w\n  d = sub p, x\n  q = mul d, d\n"
		  "  y = panel_sum q\n", type, rows, cols, type, cols, cols);
	for (int i = 0; i < SUMS; i++)
		sb_printf(out, "  m%d = mul x, %d\n  s%d = panel_sum m%d\n", i, i + 1, i, i);
	sb_put(out, "  return y=y");
	for (int i = 0; i < SUMS; i++)
		sb_printf(out, ", s%d=s%d", i, i);
	sb_put(out, "\n}\n");
}

static const ir_func *parse(const ir_str *text, ir_arena *a)
{
	ir_diag *d = ir_diag_new();
	ir_module *m = ir_parse("t.gm", text->s, text->n, a, d);

	if (!m)
		fail_msg("%s", text->s);
	ir_diag_free(d);
	return ir_module_find(m, "f");
}

static void run(const ir_func *f, int target, int threads, td_buffer *out)
{
	td_how how = {context[target], 2, threads, 1, NULL};
	ir_str why;

	sb_init(&why);
	if (!td_run(&how, f, 1, out, &why))
		fail_msg("%s, %d threads: %s", cc_context_target(context[target]), threads, why.s);
	sb_fini(&why);
}

static void check_target(const ir_func *f, const td_value *val, int target, const char *text)
{
	td_buffer one[SUMS + 1], three[SUMS + 1];

	run(f, target, 1, one);
	run(f, target, 3, three);
	for (size_t i = 0; i < f->nout; i++) {
		const td_value *want = &val[f->out[i].ref];
		td_match m = {0};
		int64_t at;

		if (!td_within(want, one[i].p, &m))
			fail_msg("%s: %s[%lld] is %g of the bound away\n%s", cc_context_target(context[target]), f->out[i].name,
				 (long long)m.at, m.ratio, text);
		assert_int_equal(m.unsure, 0);
		assert_true(td_same_bits(&want->v.type, one[i].p, three[i].p, &at));
		td_buffer_free(&one[i]);
		td_buffer_free(&three[i]);
	}
}

static void check(const char *type, int rows, int cols)
{
	ir_arena *a = ar_open();
	const ir_func *f;
	const td_value *val;
	ir_str text;

	sb_init(&text);
	write_text(type, rows, cols, &text);
	f = parse(&text, a);
	val = td_values(a, f, 1);
	for (int t = 0; t < TARGETS; t++)
		if (context[t])
			check_target(f, val, t, text.s);
	sb_fini(&text);
	ar_free(a);
}

static void sums_are_the_interpreters(void **state)
{
	static const int rows[] = {1, 7, 200}, cols[] = {1, 15, 63, 64, 65, 130, 200};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t k = 0; k < sizeof cols / sizeof *cols; k++) {
			check("f32", rows[i], cols[k]);
			check("f64", rows[i], cols[k]);
		}
}

static int open_contexts(void **state)
{
	(void)state;
	return !td_open_contexts(target_name, TARGETS, context);
}

static int close_contexts(void **state)
{
	(void)state;
	td_close_contexts(context, TARGETS);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_the_interpreters),
	};

	return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
