/* SPDX-License-Identifier: Apache-2.0
 * Text: hostile inputs end in a message, whatever parses prints to a fixpoint, every op has a golden file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ir/ir.h"

/* The id of the first message that parsing text gives; NULL if it parses. */
static const char *first_error(const char *text, size_t len)
{
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_module *m = ir_parse("t.gm", text, len, a, d);
	const char *id = m ? NULL : ir_msg_name(ir_diag_get(d, 0)->id);
	ir_str s;

	sb_init(&s);
	ir_diag_print_all(d, &s); /* must not crash either */
	sb_fini(&s);
	assert_true(m != NULL || ir_diag_count(d, IR_ERROR) > 0);
	ir_diag_free(d);
	ar_free(a);
	return id;
}

static char *repeat(const char *head, const char *part, size_t times, const char *tail)
{
	ir_str s;

	sb_init(&s);
	sb_put(&s, head);
	for (size_t i = 0; i < times; i++)
		sb_put(&s, part);
	sb_put(&s, tail);
	return s.s;
}

#define HEAD "gradmill 1\nfunc main(x: f32[4]) {\n"

/* "#! 1 line_too_long": a golden file of a megabyte would be no pleasure. */
static void hostile(void **state)
{
	static const struct {
		const char *head, *part;
		size_t times;
		const char *tail, *id;
	} t[] = {
		{"", "", 0, "", "empty_file"},
		{"", "x", 10000000, "", "line_too_long"},
		{HEAD "y = relu ", "[", 500000, "", "expected"},
		{HEAD "y = relu ", "(", 500000, "", "expected"},
		{HEAD "y = f", "<", 500000, "", "expected"},
		{HEAD, "}", 500000, "", "no_return"},
		{HEAD, "y = \n", 500000, "", "expected"},
		{HEAD "y = concat ", "x,", 200000, "x, axis=0\nreturn y\n}\n", "too_many"},
		{HEAD, "%0 = relu x\n", 20001, "return x\n}\n", "too_many"},
		{"gradmill 1\n", "func f() { return\n}\n", 5000, "", "redefined"},
		{HEAD "y = add x, ", "9", 100000, "\nreturn y\n}\n", "bad_number"},
		{HEAD "y = relu x\n", "\xC3\x28\n", 3, "return y\n}\n", "bad_char"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		char *s = repeat(t[i].head, t[i].part, t[i].times, t[i].tail);
		const char *id = first_error(s, strlen(s));

		if (!id || strcmp(id, t[i].id) != 0)
			print_error("case %zu\n", i);
		assert_non_null(id);
		assert_string_equal(id, t[i].id);
		free(s);
	}
	assert_string_equal(first_error("gradmill 1\nfunc\0", 16), "bad_char");
	assert_string_equal(first_error("\xff\xfe\xfd", 3), "bad_char");
	assert_string_equal(first_error("\0", 1), "bad_char");
}

/* Calls that double at each of 60 levels and emit nothing: bounded by the number of statements. */
static void exponential(void **state)
{
	ir_str s;

	(void)state;
	sb_init(&s);
	sb_put(&s, "gradmill 1\nfunc f0(x: f32[N]) {\n return x\n}\n");
	for (int i = 1; i < 60; i++)
		sb_printf(&s, "func f%d(x: f32[N]) {\n a = f%d(x)\n b = f%d(a)\n return b\n}\n", i, i - 1, i - 1);
	sb_put(&s, "func main(x: f32[4]) {\n y = f59(x)\n return y\n}\n");
	assert_string_equal(first_error(s.s, s.n), "too_many");
	sb_fini(&s);
}

/* What calls expand to is bounded by its words: these 39 levels of 200 sizes took 36 s and 4 GB when statements were counted. */
static void exponential_with_sizes(void **state)
{
	ir_str s, sizes;

	(void)state;
	sb_init(&s);
	sb_init(&sizes);
	for (int i = 0; i < 200; i++)
		sb_printf(&sizes, "%ss%d", i ? "," : "", i);
	sb_printf(&s, "gradmill 1\nfunc f0<%s>(x: f32[N]) {\n return x\n}\n", sizes.s);
	for (int i = 1; i < 40; i++)
		sb_printf(&s, "func f%d<%s>(x: f32[N]) {\n a = f%d<%s>(x)\n b = f%d<%s>(a)\n return b\n}\n", i, sizes.s, i - 1, sizes.s,
			  i - 1, sizes.s);
	sb_put(&s, "func main(x: f32[4]) {\n y = f39<");
	for (int i = 0; i < 200; i++)
		sb_put(&s, i ? ",1" : "1");
	sb_put(&s, ">(x)\n return y\n}\n");
	assert_string_equal(first_error(s.s, s.n), "too_many");
	sb_fini(&sizes);
	sb_fini(&s);
}

/* m, printed, is read back to the same text. */
static void assert_prints_to_itself(const char *text, size_t n)
{
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_module *m = ir_parse("f.gm", text, n, a, d), *back;
	ir_str one, two;

	assert_non_null(m);
	sb_init(&one);
	sb_init(&two);
	ir_module_print(m, &one);
	back = ir_parse("f.gm", one.s, one.n, a, d);
	assert_non_null(back);
	ir_module_print(back, &two);
	assert_string_equal(one.s, two.s);
	sb_fini(&one);
	sb_fini(&two);
	ir_diag_free(d);
	ar_free(a);
}

/* Calls put names in front of names, which end at what the parser takes; what is equal then gets numbers. */
static void long_names(void **state)
{
	char name[251];
	ir_str s;

	(void)state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	sb_init(&s);
	sb_printf(&s, "gradmill 1\nfunc f(x: f32[N]) {\n %s = neg x\n %s0 = neg %s\n y = neg %s0\n return y\n}\n", name, name, name, name);
	sb_printf(&s, "func g(x: f32[N]) {\n %s = f(x)\n %s0 = f(%s)\n return %s0\n}\n", name, name, name, name);
	sb_put(&s, "func main(x: f32[4]) {\n y = g(x)\n return y\n}\n");
	assert_prints_to_itself(s.s, s.n);
	sb_fini(&s);
}

/* More inputs in front than a list of parameters may have. */
static void many_inputs(void **state)
{
	char *s = repeat("gradmill 1\nfunc main() {\n", " %0 = input f32[]\n", 5000, " return\n}\n"), *at = s;

	(void)state;
	for (int i = 0; (at = strstr(at, "%0 =")); i++) /* names must differ; digits of one length */
		at[0] = 'a' + (char)(i / 676), at[1] = 'a' + (char)(i / 26 % 26), at[2] = 'a' + (char)(i % 26);
	assert_prints_to_itself(s, strlen(s));
	free(s);
}

/* A function of n instructions, four per call and two before them; n is 2 more than a multiple of 4. */
static const char *many_instructions(size_t n)
{
	const char *id;
	ir_str s;

	sb_init(&s);
	sb_put(&s, "gradmill 1\nfunc f(x: f32[N]) {\n a = neg x\n b = add a, 1\n c = neg b\n return c\n}\n"
		   "func main(x: f32[4]) {\n y = neg x\n");
	for (size_t i = 2; i < n; i += 4)
		sb_printf(&s, " y%zu = f(x)\n", i);
	sb_put(&s, " return y\n}\n");
	id = first_error(s.s, s.n);
	sb_fini(&s);
	return id;
}

static void instructions_are_counted_after_inlining(void **state)
{
	(void)state;
	assert_null(many_instructions(19998));
	assert_string_equal(many_instructions(20002), "too_many");
}

/* Every prefix of a good text is an error with a message, or parses. */
static void prefixes(void **state)
{
	static const char text[] = "gradmill 1\nw = param f32[4,4], init=he_normal\nfunc g<N>(a: f32[M,K]) -> f32[M,N] {\n"
				   "  %0 = dense<N>(a)\n  return %0\n}\nfunc main(x: f32[B,4], key: i32[2]) {\n"
				   "  h = matmul x, w, tb=true # c\n  (y) = g<2>(h)\n  n = state f32[]\n  m = add n, 1\n"
				   "  update n, m\n  return y, z=h\n}\n";

	(void)state;
	assert_null(first_error(text, strlen(text)));
	for (size_t n = 0; n < strlen(text); n++) {
		char *s = malloc(n ? n : 1); /* exact size: reading beyond it shows under ASan */

		memcpy(s, text, n);
		first_error(s, n);
		free(s);
	}
}

static void every_op_has_a_golden_file(void **state)
{
	(void)state;
	for (int op = 0; op < IR_OP_COUNT; op++) {
		char path[256];
		FILE *f;

		snprintf(path, sizeof path, "tests/golden/op/%s.gm", ir_op_info((ir_op)op)->name);
		f = fopen(path, "r");
		if (!f)
			fail_msg("%s is missing", path);
		fclose(f);
	}
}

static void message_form(void **state)
{
	static const char text[] = "gradmill 1\nfunc main(a: f32[2,3], b: f32[4,5]) {\n\tc = matmul a, b\n\treturn c\n}\n";
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_str s;

	(void)state;
	sb_init(&s);
	assert_null(ir_parse("m.gm", text, strlen(text), a, d));
	ir_diag_print_all(d, &s);
	assert_string_equal(s.s, "m.gm:3:6: error: inner sizes differ: 3 and 4 [shape_inner]\n"
				 "  \tc = matmul a, b\n  \t    ^\n");
	sb_fini(&s);
	ir_diag_free(d);
	ar_free(a);
}

/* Names that a pass may invent come out as text that reads back. */
static void awkward_names(void **state)
{
	static const char *const name[] = {"x", "x", "%x", "12", "%12", "return", "inf", "a-b", "7up", ".dot", "", "B", "f32"};
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_func *f = ir_func_new(a, "main");
	ir_module *m = ir_module_new(a), *again;
	ir_ref r = ir_emit_constant(f, "test", (ir_loc){0}, 1, ir_type_scalar(IR_F32));
	ir_str s, s2;

	(void)state;
	for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
		r = ir_emit1(f, "test", (ir_loc){0}, IR_neg, r);
		ir_set_name(f, r, name[i]);
		ir_add_output(f, ar_printf(a, "o%zu", i), r);
	}
	assert_true(ir_verify(f, d));
	assert_int_equal(ir_find_value(f, "x_1"), 2);
	ir_module_add(m, f);
	sb_init(&s);
	sb_init(&s2);
	ir_module_print(m, &s);
	again = ir_parse("again", s.s, s.n, a, d);
	assert_non_null(again);
	ir_module_print(again, &s2);
	assert_string_equal(s.s, s2.s);
	sb_fini(&s);
	sb_fini(&s2);
	ir_diag_free(d);
	ar_free(a);
}

/* What a library function does has the place of its call; the file's own functions keep theirs. */
static void places(void **state)
{
	static const char text[] = "gradmill 1\nfunc own(x: f32[M,K]) {\n  y = exp x\n  return y\n}\nfunc main(x: f32[B,4]) {\n"
		"  a = own(x)\n  b = dense<3>(a)\n  return b\n}\n";
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_module *m = ir_parse("t.gm", text, strlen(text), a, d);
	const ir_func *f = m ? ir_module_find(m, "main") : NULL;

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < f->n; i++) {
		assert_int_equal(f->ins[i].loc.file, f->ins[0].loc.file);
		assert_int_equal(f->ins[i].loc.line, f->ins[i].op == IR_input ? 6 : f->ins[i].op == IR_exp ? 3 : 8);
	}
	assert_string_equal(f->ins[f->n - 2].name, "b_h");
	ir_diag_free(d);
	ar_free(a);
}

int main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test(hostile),
		cmocka_unit_test(exponential), cmocka_unit_test(exponential_with_sizes), cmocka_unit_test(long_names),
		cmocka_unit_test(many_inputs),
		cmocka_unit_test(instructions_are_counted_after_inlining),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(every_op_has_a_golden_file),
		cmocka_unit_test(message_form),
		cmocka_unit_test(awkward_names),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
