/* SPDX-License-Identifier: Apache-2.0
 * Updates in place of weights that live in panels, or would if their producer could write panels: every kind of
 * producer against three steps of the interpreter, for each way in which something else may read the weight too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/diff/diff.h"

#define STEPS   3
#define TARGETS 3

static cc_context *context[TARGETS]; /* NULL: a target that this machine cannot run */
static int failures;

/* How far a result may be off: nothing is rounded twice, or sums in another order than the interpreter's. */
typedef enum near { EXACT, CLOSE } near;

/* Does w live in panels when nobody else reads it? */
typedef enum in_panels { BY_ROWS, PANELS, EITHER } in_panels;

/* $R, $C: the shape of w; $r, $c: one less; $N: their product; $k: $N less one. The body computes y from w and the
 * arguments. */
typedef struct producer {
	const char *name, *args, *body;
	near how;
	in_panels where;
	bool square; /* only where $R = $C */
} producer;

static const producer producers[] = {
	{"normal", "key: i32[2]", "y = normal key, f32[$R,$C]\n", EXACT, BY_ROWS, false},
	{"uniform", "key: i32[2]", "y = uniform key, f32[$R,$C]\n", EXACT, BY_ROWS, false},
	{"normal, key moves", "z: f32[2]", "key = state i32[2]\nk = split key, index=1\nupdate key, k\n"
	 "y = normal k, f32[$R,$C]\n", EXACT, BY_ROWS, false},
	{"uniform, two draws", "key: i32[2]", "v = state f32[$R,$C]\nu = uniform key, f32[$R,$C]\ny = add w, u\nupdate v, u\n",
	 CLOSE, EITHER, false},
	{"noise on w", "key: i32[2]", "n = normal key, f32[$R,$C]\nm = mul n, 0.125\ny = add w, m\n", CLOSE, PANELS, false},
	{"scatter", "g: f32[7,$C], i: i32[7]", "y = scatter g, i, rows=$R\n", CLOSE, BY_ROWS, false},
	{"scatter of w", "i: i32[$R]", "y = scatter w, i, rows=$R\n", CLOSE, BY_ROWS, false},
	{"scatter added to w", "g: f32[7,$C], i: i32[7]", "s = scatter g, i, rows=$R\ny = add w, s\n", CLOSE, EITHER, false},
	{"gather", "t: f32[9,$C], i: i32[$R]", "y = gather t, i\n", EXACT, BY_ROWS, false},
	{"gather of w", "i: i32[$R]", "y = gather w, i\n", EXACT, BY_ROWS, false},
	{"sum of the last axis", "a: f32[$R,$C,3]", "y = sum a, axes=[2]\n", CLOSE, BY_ROWS, false},
	{"sum of the middle axis", "a: f32[$R,3,$C]", "y = sum a, axes=[1]\n", CLOSE, BY_ROWS, false},
	{"sum of the first axis", "a: f32[3,$R,$C]", "y = sum a, axes=[0]\n", CLOSE, BY_ROWS, false},
	{"amax of the first axis", "a: f32[3,$R,$C]", "y = amax a, axes=[0]\n", EXACT, BY_ROWS, false},
	{"sum with w inside", "a: f32[3,$R,$C]", "b = mul a, w\ny = sum b, axes=[0]\n", CLOSE, EITHER, false},
	{"concat of columns", "a: f32[$R,1], b: f32[$R,$c]", "y = concat a, b, axis=1\n", EXACT, BY_ROWS, false},
	{"concat of rows", "a: f32[1,$C], b: f32[$r,$C]", "y = concat a, b, axis=0\n", EXACT, BY_ROWS, false},
	{"w's columns moved on", "", "a = slice w, start=[0,0], size=[$R,$c]\nb = slice w, start=[0,$c], size=[$R,1]\n"
	 "y = concat b, a, axis=1\n", EXACT, BY_ROWS, false},
	{"w's rows moved on", "", "a = slice w, start=[0,0], size=[$r,$C]\nb = slice w, start=[$r,0], size=[1,$C]\n"
	 "y = concat b, a, axis=0\n", EXACT, BY_ROWS, false},
	{"map of w", "x: f32[$R,$C]", "a = mul w, 0.75\ny = add a, x\n", CLOSE, PANELS, false},
	{"map of a row", "x: f32[$C]", "y = sub w, x\n", CLOSE, PANELS, false},
	{"map of a column", "x: f32[$R,1]", "y = mul w, x\n", CLOSE, PANELS, false},
	{"map without w", "x: f32[$R,$C]", "y = relu x\n", EXACT, PANELS, false},
	{"map of places", "", "i = iota f32[$R,$C], axis=1\nj = iota f32[$R,$C], axis=0\na = mul j, 1000.0\ny = add a, i\n",
	 EXACT, PANELS, false},
	{"two in one map", "x: f32[$R,$C], lr: f32[]", "m = state f32[$R,$C]\na = mul m, 0.5\nn = add a, x\nupdate m, n\n"
	 "d = mul n, lr\ny = sub w, d\n", CLOSE, PANELS, false},
	{"swap", "", "m = state f32[$R,$C]\nn = neg w\nupdate m, n\ny = neg m\n", EXACT, EITHER, false},
	{"choice", "x: f32[$R,$C]", "c = compare w, x, dir=lt\ny = select c, x, w\n", EXACT, PANELS, false},
	{"matmul", "a: f32[20,$R], b: f32[20,$C]", "y = matmul a, b, ta=true\n", CLOSE, PANELS, false},
	{"matmul added to w", "a: f32[20,$R], b: f32[20,$C]", "g = matmul a, b, ta=true\nd = mul g, 0.125\ny = sub w, d\n",
	 CLOSE, PANELS, false},
	{"matmul of w", "a: f32[$R,$R]", "g = matmul a, w\ny = mul g, 0.125\n", CLOSE, BY_ROWS, false},
	{"w by w", "", "g = matmul w, w\ny = mul g, 0.125\n", CLOSE, BY_ROWS, true},
	{"w by w turned over", "", "g = matmul w, w, tb=true\ny = mul g, 0.125\n", CLOSE, BY_ROWS, true},
	{"gradient that waits", "a: f32[20,$R], b: f32[20,$C]", "g = matmul a, b, ta=true\nq = mul g, g\n"
	 "s = sum q, axes=[0,1]\nr = sqrt s\nd = div g, r\ny = sub w, d\n", CLOSE, PANELS, false},
	{"w turned over", "", "y = transpose w, perm=[1,0]\n", EXACT, BY_ROWS, true},
	{"w and w turned over", "", "t = transpose w, perm=[1,0]\ny = sub w, t\n", CLOSE, EITHER, true},
	{"turned over", "x: f32[$C,$R]", "y = transpose x, perm=[1,0]\n", EXACT, PANELS, false},
	{"turned over, in a map", "x: f32[$C,$R]", "t = transpose x, perm=[1,0]\ny = add w, t\n", CLOSE, PANELS, false},
	{"reshape", "x: f32[$N]", "y = reshape x, shape=[$R,$C]\n", EXACT, EITHER, false},
	{"reshape of w", "", "f = reshape w, shape=[$N]\na = slice f, start=[0], size=[$k]\n"
	 "b = slice f, start=[$k], size=[1]\nc = concat b, a, axis=0\ny = reshape c, shape=[$R,$C]\n", EXACT, EITHER, false},
	{"slice", "x: f32[140,210]", "y = slice x, start=[1,3], size=[$R,$C]\n", EXACT, EITHER, false},
	{"a row repeated", "x: f32[$C]", "y = broadcast x, shape=[$R,$C]\n", EXACT, EITHER, false},
	{"a column repeated", "x: f32[$R,1]", "y = broadcast x, shape=[$R,$C]\n", EXACT, EITHER, false},
	{"constant", "", "y = constant -0.5, f32[$R,$C]\n", EXACT, EITHER, false},
	{"scalar repeated", "", "c = constant 3, f32[]\ny = broadcast c, shape=[$R,$C]\n", EXACT, EITHER, false},
	{"another weight", "", "v = param f32[$R,$C]\ny = stop_gradient v\n", EXACT, EITHER, false},
	{"itself", "", "y = stop_gradient w\n", EXACT, EITHER, false},
};

/* What else happens to w. A product reads panels, other readers keep w by rows, and a result wants a copy of y. */
typedef struct reader {
	const char *name, *leaf, *body, *result;
	double error; /* of the largest element; 0: 2e-5 */
} reader;

#define ROUNDED 4e-3 /* what is a little off before it is rounded to bf16 may be rounded the other way */

static const reader readers[] = {
	{"alone", "param", "", "lone", 0},
	{"read by a product", "param", "h = matmul xr, w\n", "lone, h", 0},
	{"read turned over", "state", "h = matmul xc, w, tb=true\n", "lone, h", 0},
	{"read as the first operand", "param", "h = matmul w, xc, tb=true\n", "lone, h", 0},
	{"read as the first operand, turned over", "param", "h = matmul w, xr, ta=true, tb=true\n", "lone, h", 0},
	{"read by a sum of rows", "state", "e = mul w, w\nh = sum e, axes=[1]\n", "lone, h", 0},
	{"read by a sum of columns", "param", "h = sum w, axes=[0]\n", "lone, h", 0},
	{"a result, and read by a slice", "param", "part = slice w, start=[1,2], size=[2,63]\nh = neg part\n", "lone, h, y", 0},
	{"read by products in bf16", "param", "h = matmul xr, w, bf16=true\nh1 = matmul xc, w, tb=true, bf16=true\n", "lone, h, h1", ROUNDED},
	{"a map waits for products in bf16", "param", "e1 = mul w, 0.5\nh = matmul xr, e1, bf16=true\n"
	 "h1 = matmul e1, xc, tb=true, bf16=true\n", "lone, h, h1", ROUNDED},
	{"a slice repeated, turned over", "state", "e1 = slice w, start=[0,1], size=[$R,1]\ne2 = broadcast e1, shape=[$R,$C]\n"
	 "h = matmul xc, e2, tb=true\n", "lone, h", 0},
	{"a map waits for products", "state", "e1 = mul w, 0.5\nh = matmul xr, e1\nh1 = matmul e1, xc, tb=true\n", "lone, h, h1", 0},
	{"a map waits, turned over", "param", "e1 = mul w, 0.5\nh = matmul xc, e1, tb=true\n"
	 "h1 = matmul e1, xr, ta=true, tb=true\n", "lone, h, h1", 0},
	{"a product waits for both sums", "param", "e1 = matmul xr, xc, ta=true\nh = sum e1, axes=[0]\ne2 = mul e1, w\n"
	 "h1 = sum e2, axes=[1]\ne3 = mul e2, e2\nh2 = sum e3, axes=[0,1]\n", "lone, h, h1, h2", 0},
	{"a mask waits", "param", "e1 = compare w, one, dir=lt\ne2 = matmul xr, xc, ta=true\ne3 = select e1, e2, w\n"
	 "h = matmul e3, xc, tb=true\ne4 = select e1, one, e3\nh1 = matmul e4, xr, ta=true, tb=true\n", "lone, h, h1", 0},
};

static const int64_t shapes[][2] = {{3, 100}, {130, 65}, {65, 65}, {129, 129}};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The template with sizes for its $ and one letter. */
static void expand(ir_str *out, const char *t, int64_t rows, int64_t cols)
{
	for (; *t; t++)
		if (*t != '$')
			sb_printf(out, "%c", *t);
		else
			switch (*++t) {
			case 'R': sb_printf(out, "%lld", (long long)rows); break;
			case 'C': sb_printf(out, "%lld", (long long)cols); break;
			case 'r': sb_printf(out, "%lld", (long long)rows - 1); break;
			case 'c': sb_printf(out, "%lld", (long long)cols - 1); break;
			case 'N': sb_printf(out, "%lld", (long long)(rows * cols)); break;
			case 'k': sb_printf(out, "%lld", (long long)(rows * cols) - 1); break;
			default: fail_msg("what is $%c?", *t);
			}
}

static const ir_func *make(ir_arena *a, ir_str *text, const producer *p, const reader *r, const int64_t shape[2])
{
	ir_diag *d = ir_diag_new();
	ir_str template;
	ir_module *m;

	sb_init(&template);
	sb_printf(&template, "gradmill 1\nfunc f(xr: f32[4,$R], xc: f32[4,$C], one: f32[]%s%s) {\nw = %s f32[$R,$C]\n%s%s"
		  "lone = neg one\nupdate w, y\nreturn %s\n}\n", *p->args ? ", " : "", p->args, r->leaf, r->body, p->body, r->result);
	expand(text, template.s, shape[0], shape[1]);
	m = ir_parse("t.gm", text->s, text->n, a, d);
	if (!m) {
		sb_put(&template, "\n");
		ir_diag_print_all(d, &template);
		fail_msg("%s", template.s);
	}
	sb_fini(&template);
	ir_diag_free(d);
	return ir_module_find(m, "f");
}

/* ---- the interpreter, STEPS times -------------------------------------------------------------------------------- */

static size_t leaf_of(const ir_func *f, ir_ref ref)
{
	size_t n = 0;

	for (ir_ref i = 0; i < ref; i++)
		n += ir_is_leaf(f, i);
	return n;
}

static rt_tensor *leaves(const ir_func *f, ir_arena *a)
{
	rt_tensor *leaf = ar_new(a, rt_tensor, f->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (ir_is_leaf(f, (ir_ref)i)) {
			leaf[n] = (rt_tensor){f->ins[i].type, ar_alloc(a, ir_type_bytes(&f->ins[i].type) + 64, 64)};
			td_fill(&f->ins[i], 5, leaf[n++].data);
		}
	return leaf;
}

/* Results of the last step, and states behind it, in the order of f->out. */
static void interpret(const ir_func *f, ir_arena *a, rt_tensor *out)
{
	rt_tensor *leaf = leaves(f, a);

	for (int step = 0; step < STEPS; step++) {
		for (size_t i = 0; step && i < f->nout; i++) {
			if (f->out[i].state != IR_NO_REF)
				memcpy(leaf[leaf_of(f, f->out[i].state)].data, out[i].data, ir_type_bytes(&out[i].type));
			rt_tensor_free(&out[i]);
		}
		assert_int_equal(rt_interpret(f, leaf, out), IR_OK);
	}
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* Errors are small beside the largest element: of what is misplaced, most is not. */
static int64_t first_difference(const ir_type *t, const void *got, const void *want, near how, double error)
{
	double most = 0;
	int64_t at, n = ir_type_count(t);

	if (how == EXACT || t->dtype != IR_F32)
		return td_same_bits(t, got, want, &at) ? -1 : at;
	for (int64_t i = 0; i < n; i++)
		most = fmax(most, fabs(rt_load(IR_F32, want, i)));
	for (int64_t i = 0; i < n; i++)
		if (!(fabs(rt_load(IR_F32, got, i) - rt_load(IR_F32, want, i)) <= error * most))
			return i;
	return -1;
}

typedef struct test {
	const producer *p;
	const reader *r;
	const ir_func *f;
	const ir_str *text;
	const rt_tensor *want;
} test;

static void say(const test *t, int target, int threads, const char *why)
{
	if (failures++ < 20)
		print_error("%s, %s, target %d, %d threads: %s\n%s", t->p->name, t->r->name, target, threads, why, t->text->s);
}

static void run(const test *t, int target, int threads)
{
	td_how how = {context[target], 2, threads, STEPS, NULL};
	td_buffer out[8];
	char why[256];
	ir_str s;

	sb_init(&s);
	if (!td_run_given(&how, t->f, leaves(t->f, t->f->arena), out, &s))
		say(t, target, threads, s.s);
	for (size_t i = 0; i < t->f->nout; i++) {
		const ir_output *o = &t->f->out[i];
		const ir_type *type = &t->want[i].type;
		bool moved = o->state != IR_NO_REF || o->ref == t->f->out[0].ref;
		int64_t at = out[i].p ? first_difference(type, out[i].p, t->want[i].data, moved ? t->p->how : CLOSE,
							moved || !t->r->error ? 2e-5 : t->r->error) : -1;

		if (at >= 0) {
			snprintf(why, sizeof why, "%s[%lld] is %.9g, not %.9g", o->name, (long long)at,
				 rt_load(type->dtype, out[i].p, at), rt_load(type->dtype, t->want[i].data, at));
			say(t, target, threads, why);
		}
		td_buffer_free(&out[i]);
	}
	sb_fini(&s);
}

/* Otherwise this file would test little one day without anybody knowing. */
static void check_place(const test *t)
{
	cc_options o = {.threads = 1, .opt_level = 2};
	ir_diag *d = ir_diag_new();
	cc_program *p;

	assert_int_equal(cc_compile(context[0], t->f, &o, &p, d), IR_OK);
	for (size_t i = 0; i < cc_program_leaves(p); i++)
		if (!strcmp(cc_program_leaf_name(p, i), "w") && cc_program_plan(p)->leaf[i].panels != (t->p->where == PANELS))
			say(t, 0, 1, t->p->where == PANELS ? "w is not in panels" : "w is in panels");
	cc_program_free(p);
	ir_diag_free(d);
}

static void check(const producer *p, const reader *r, const int64_t shape[2])
{
	static const int threads[] = {1, 2, 5};
	static size_t turn;
	ir_arena *a = ar_open();
	rt_tensor want[8];
	ir_str text;
	test t = {p, r, NULL, &text, want};

	turn++;
	sb_init(&text);
	t.f = make(a, &text, p, r, shape);
	assert_true(t.f->nout <= COUNT(want));
	interpret(t.f, a, want);
	if (r == readers && p->where != EITHER)
		check_place(&t);
	for (int target = 0; target < TARGETS; target++)
		for (size_t k = 0; k < COUNT(threads) && context[target]; k++)
			if (k == (turn + (size_t)target) % 3 || (target == 0 && k == 0)) /* all meet, in time */
				run(&t, target, threads[k]);
	for (size_t i = 0; i < t.f->nout; i++)
		rt_tensor_free(&want[i]);
	sb_fini(&text);
	ar_free(a);
}

/* Other readers than none for every other shape, so that this takes seconds. */
static void check_all(size_t number)
{
	const int64_t *shape = shapes[number];

	failures = 0;
	for (size_t i = 0; i < COUNT(producers); i++)
		for (size_t k = 0; k < COUNT(readers); k++)
			if ((!producers[i].square || shape[0] == shape[1]) && (k == 0 || (i + k + number / 2) % 2))
				check(&producers[i], &readers[k], shape);
	assert_int_equal(failures, 0);
}

static void few_rows(void **state)
{
	(void)state;
	check_all(0);
}

static void many_rows(void **state)
{
	(void)state;
	check_all(1);
}

static void a_square(void **state)
{
	(void)state;
	check_all(2);
}

static void a_larger_square(void **state)
{
	(void)state;
	check_all(3);
}

static int open_contexts(void **state)
{
	static const char *const target[TARGETS] = {NULL, "x86-64-v3", "x86-64"};

	(void)state;
	return !td_open_contexts(target, TARGETS, context);
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
		cmocka_unit_test(few_rows),
		cmocka_unit_test(many_rows),
		cmocka_unit_test(a_square),
		cmocka_unit_test(a_larger_square),
	};

	return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
