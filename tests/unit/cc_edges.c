/* SPDX-License-Identifier: Apache-2.0
 * Operands that end, or begin, where nobody may touch the next page: memory is padded to 64 bytes (runtime/README.md),
 * and kernels must not read or write one byte more, nor before the first. What they may write is compared with the
 * interpreter's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/diff/diff.h"

#define TARGETS 4
#define STEPS   2
#define COUNT(a) (sizeof(a) / sizeof *(a))

static cc_context *context[TARGETS]; /* NULL: a target that this machine cannot run */
static char current[1200];           /* what runs now, for the report of a crash */

/* $t: the element type. Type "bf16" is f32 whose products round their operands. */
static const char *const programs[] = {
	/* B is a slice of columns, rows of 64 */
	"(a: $t[5,9], b: $t[9,64]) {\ns = slice b, start=[0,63], size=[9,1]\ny = matmul a, s\n",
	"(a: $t[5,9], b: $t[9,64]) {\ns = slice b, start=[0,1], size=[9,63]\ny = matmul a, s\n",
	"(a: $t[5,9], b: $t[9,64]) {\ns = slice b, start=[0,33], size=[9,31]\ny = matmul a, s\n",
	"(a: $t[7,130], b: $t[130,64]) {\ns = slice b, start=[0,47], size=[130,17]\ny = matmul a, s\n",
	"(a: $t[5,1], b: $t[1,64]) {\ns = slice b, start=[0,60], size=[1,3]\ny = matmul a, s\n",
	"(a: $t[5,9], b: $t[9,128]) {\ns = slice b, start=[0,63], size=[9,65]\ny = matmul a, s\n",
	"(a: $t[5,9], b: $t[64,64]) {\ns = slice b, start=[0,55], size=[64,9]\ny = matmul a, s, tb=true\n",
	"(a: $t[5,64], b: $t[70,64]) {\ns = slice b, start=[69,0], size=[1,64]\ny = matmul a, s, tb=true\n",
	/* the same where the rows are as long as a tile is wide elsewhere: in f64, on AVX2, on SSE2 */
	"(a: $t[7,16], b: $t[16,32]) {\ns = slice b, start=[0,31], size=[16,1]\ny = matmul a, s\n",
	"(a: $t[7,16], b: $t[16,32]) {\ns = slice b, start=[0,15], size=[16,17]\ny = matmul a, s\n",
	"(a: $t[7,16], b: $t[16,16]) {\ns = slice b, start=[0,13], size=[16,3]\ny = matmul a, s\n",
	"(a: $t[7,16], b: $t[16,8]) {\ns = slice b, start=[0,7], size=[16,1]\ny = matmul a, s\n",
	"(a: $t[7,16], b: $t[16,4]) {\ns = slice b, start=[0,3], size=[16,1]\ny = matmul a, s\n",
	/* one column, one row, one step of k */
	"(a: $t[5,9], b: $t[9,1]) {\ny = matmul a, b\n", "(a: $t[193,129], b: $t[129,1]) {\ny = matmul a, b\n",
	"(a: $t[5,9], b: $t[1,9]) {\ny = matmul a, b, tb=true\n", "(a: $t[1,1], b: $t[1,1]) {\ny = matmul a, b\n",
	"(a: $t[9,1], b: $t[9,1]) {\ny = matmul a, b, ta=true\n", "(a: $t[1,200], b: $t[200,3]) {\ny = matmul a, b\n",
	/* columns that fill no vector, by rows and turned over */
	"(a: $t[5,9], b: $t[9,7]) {\ny = matmul a, b\n", "(a: $t[6,16], b: $t[16,15]) {\ny = matmul a, b\n",
	"(a: $t[5,9], b: $t[9,65]) {\ny = matmul a, b\n", "(a: $t[9,5], b: $t[67,9]) {\ny = matmul a, b, ta=true, tb=true\n",
	"(a: $t[13,131], b: $t[131,33]) {\ny = matmul a, b\n", "(a: $t[5,127], b: $t[79,127]) {\ny = matmul a, b, tb=true\n",
	"(a: $t[61,1025], b: $t[1025,5]) {\ny = matmul a, b\n", "(a: $t[31,17], b: $t[31,17]) {\ny = matmul a, b, ta=true\n",
	/* an epilogue with operands of its own */
	"(a: $t[5,9], b: $t[9,67], c: $t[67], r: $t[5,67]) {\nm = matmul a, b\nn = add m, c\no = relu n\ny = add o, r\n",
	"(a: $t[5,9], b: $t[9,1], c: $t[5,1]) {\nm = matmul a, b\ny = sub m, c\n",
	/* in place: copied to panels and back */
	"(a: $t[20,9], b: $t[20,67]) {\nw = param $t[9,67]\nm = matmul a, b, ta=true\ng = sub w, m\nupdate w, g\ny = neg a\n",
	"(a: $t[20,9], b: $t[20,130]) {\nw = param $t[9,130]\ny = matmul a, w\ng = mul w, 0.5\nupdate w, g\n",
	"(a: $t[4,65], b: $t[3]) {\nw = state $t[2,65]\ny = matmul a, w, tb=true\ng = add w, 1.5\nupdate w, g\n",
	"(a: $t[9], b: $t[3,67]) {\nw = state $t[3,67]\nm = sub w, b\nupdate w, m\ny = neg a\n",
	/* other kernels, for company */
	"(a: $t[7,67]) {\ny = transpose a, perm=[1,0]\n", "(a: $t[16,16]) {\ny = transpose a, perm=[1,0]\n",
	"(a: $t[7,67]) {\ny = sum a, axes=[0]\n", "(a: $t[7,67]) {\ny = sum a, axes=[1]\n",
	"(a: $t[7,67]) {\ny = sum a, axes=[0,1]\n",
	"(a: $t[7,65]) {\ns = slice a, start=[1,1], size=[5,63]\ny = mul s, s\n", "(a: $t[3,5], b: $t[3,1]) {\ny = mul a, b\n",
	"(a: $t[17], b: $t[]) {\ny = max a, b\n", "(a: $t[3,5], b: $t[3,12]) {\ny = concat a, b, axis=1\n",
	"(a: $t[9,11], i: i32[5]) {\ny = gather a, i\n", "(a: $t[5,11], i: i32[5]) {\ny = scatter a, i, rows=7\n",
	"(a: $t[33]) {\nc = compare a, 0.0, dir=gt\ny = select c, a, 0.25\n",
	"(a: u8[33], b: $t[33]) {\nc = cast a, $t[]\ny = add c, b\n",
};

static const ir_func *make(ir_arena *a, const char *program, const char *type)
{
	bool rounded = !strcmp(type, "bf16"), product = false;
	ir_diag *d = ir_diag_new();
	const ir_func *f;
	ir_module *m;
	ir_str s;

	sb_init(&s);
	sb_put(&s, "gradmill 1\nfunc f");
	for (const char *p = program; *p; p++) {
		product |= !strncmp(p, "matmul", 6);
		if (*p == '$')
			sb_put(&s, rounded ? "f32" : type), p++;
		else
			sb_printf(&s, "%s%c", *p == '\n' && product && rounded ? ", bf16=true" : "", *p);
		product &= *p != '\n';
	}
	sb_put(&s, "return y\n}\n");
	m = ir_parse("t.gm", s.s, s.n, a, d);
	f = m ? ir_module_find(m, "f") : NULL;
	if (!f) {
		ir_str why;

		sb_init(&why);
		ir_diag_print_all(d, &why);
		fail_msg("%s%s", s.s, why.s);
	}
	snprintf(current, sizeof current, "%s", s.s);
	ir_diag_free(d);
	sb_fini(&s);
	return f;
}

/* ---- memory between two pages ------------------------------------------------------------------------------------ */

/* Memory as kernels may expect it: padded, large numbers where the padding is. */
static td_fence fenced(size_t bytes, bool at_end)
{
	size_t padded = rt_padded(bytes ? bytes : 1);
	td_fence f = td_fence_new(padded, at_end);

	memset(f.data, 0x7f, padded);
	return f;
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Values of the last step: sums of at most 1025 products, twice. */
static void compare(const ir_func *f, const rt_tensor *want, const td_fence *leaf, const td_fence *out)
{
	size_t results = 0;

	for (size_t i = 0; i < f->nout; i++) {
		const ir_output *o = &f->out[i];
		double unit = want[i].type.dtype == IR_F32 ? 0x1p-24 : 0x1p-53, most = 0;
		const void *got;
		size_t n = 0;

		for (ir_ref k = 0; o->state != IR_NO_REF && k < o->state; k++)
			n += ir_is_leaf(f, k);
		got = o->state != IR_NO_REF ? leaf[n].data : out[results++].data;
		for (int64_t k = 0; k < ir_type_count(&want[i].type); k++) {
			double x = rt_load(want[i].type.dtype, want[i].data, k);

			most = x > most ? x : -x > most ? -x : most;
		}
		for (int64_t k = 0; k < ir_type_count(&want[i].type); k++) {
			double x = rt_load(want[i].type.dtype, got, k), y = rt_load(want[i].type.dtype, want[i].data, k);

			if (!(x - y <= 2000 * unit * most && y - x <= 2000 * unit * most))
				fail_msg("%s[%lld] is %g, not %g: %s", o->name, (long long)k, x, y, current);
		}
	}
}

static void interpret(const ir_func *f, rt_tensor *leaf, rt_tensor *out)
{
	for (int step = 0; step < STEPS; step++) {
		for (size_t i = 0; step && i < f->nout; i++) {
			size_t n = 0;

			for (ir_ref k = 0; f->out[i].state != IR_NO_REF && k < f->out[i].state; k++)
				n += ir_is_leaf(f, k);
			if (f->out[i].state != IR_NO_REF)
				memcpy(leaf[n].data, out[i].data, ir_type_bytes(&out[i].type));
			rt_tensor_free(&out[i]);
		}
		assert_int_equal(rt_interpret(f, leaf, out), IR_OK);
	}
}

/* Number of the function's leaf that the program's leaf is. */
static size_t leaf_index(const ir_func *f, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (ir_is_leaf(f, (ir_ref)i) && !strcmp(f->ins[i].name, name))
			return n;
		n += ir_is_leaf(f, (ir_ref)i);
	}
	fail_msg("no leaf %s", name);
	return 0;
}

static void run(cc_context *c, const ir_func *f, int threads, const td_fence *leaf, const td_fence *out)
{
	cc_options o = {.threads = threads, .opt_level = 2};
	ir_diag *d = ir_diag_new();
	cc_program *p;
	rt_exec *e;

	assert_int_equal(cc_compile(c, f, &o, &p, d), IR_OK);
	assert_int_equal(rt_exec_new(cc_program_plan(p), &e), IR_OK);
	for (size_t i = 0; i < cc_program_leaves(p); i++)
		rt_bind_leaf(e, i, leaf[leaf_index(f, cc_program_leaf_name(p, i))].data, 0);
	for (size_t i = 0; i < cc_program_outputs(p); i++)
		rt_bind_output(e, i, out[i].data, 0);
	rt_run(e, STEPS);
	rt_exec_free(e);
	cc_program_free(p);
	ir_diag_free(d);
}

static void check(cc_context *c, const ir_func *f, int threads, bool at_end)
{
	td_fence leaf[8], out[8];
	rt_tensor value[8], want[8];
	size_t n = 0, m = 0;

	for (size_t i = 0; i < f->n; i++)
		if (ir_is_leaf(f, (ir_ref)i)) {
			leaf[n] = fenced(ir_type_bytes(&f->ins[i].type), at_end);
			td_fill(&f->ins[i], 2, leaf[n].data);
			assert_int_equal(rt_tensor_alloc(&value[n], f->ins[i].type), IR_OK);
			td_fill(&f->ins[i], 2, value[n++].data);
		}
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state == IR_NO_REF)
			out[m++] = fenced(ir_type_bytes(&f->ins[f->out[i].ref].type), at_end);
	interpret(f, value, want);
	run(c, f, threads, leaf, out);
	compare(f, want, leaf, out);
	for (size_t i = 0; i < f->nout; i++)
		rt_tensor_free(&want[i]);
	for (size_t i = 0; i < n; i++)
		td_fence_free(&leaf[i]), rt_tensor_free(&value[i]);
	for (size_t i = 0; i < m; i++)
		td_fence_free(&out[i]);
}

/* Without it a crash would not say which program it was. */
static void on_crash(int signal)
{
	ssize_t ignored = write(2, current, strlen(current));

	(void)ignored;
	_exit(128 + signal);
}

static void check_all(const char *type, bool at_end)
{
	signal(SIGSEGV, on_crash); /* here, because cmocka sets its own behind every setup */
	signal(SIGBUS, on_crash);
	for (size_t i = 0; i < COUNT(programs); i++) {
		ir_arena *a = ar_open();
		const ir_func *f = make(a, programs[i], type);

		for (size_t t = 0; t < TARGETS; t++)
			for (int threads = 1; context[t] && threads <= 3; threads += 2)
				check(context[t], f, threads, at_end);
		ar_free(a);
	}
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void nothing_behind_the_end_is_touched_in_f32(void **state)
{
	(void)state;
	check_all("f32", true);
}

static void nothing_behind_the_end_is_touched_in_f64(void **state)
{
	(void)state;
	check_all("f64", true);
}

static void nothing_behind_the_end_is_touched_in_bf16(void **state)
{
	(void)state;
	check_all("bf16", true);
}

static void nothing_before_the_begin_is_touched(void **state)
{
	(void)state;
	check_all("f32", false);
	check_all("f64", false);
	check_all("bf16", false);
}

static int open_contexts(void **state)
{
	static const char *const target[TARGETS] = {NULL, "znver4", "x86-64-v3", "x86-64"};

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
		cmocka_unit_test(nothing_behind_the_end_is_touched_in_f32),
		cmocka_unit_test(nothing_behind_the_end_is_touched_in_f64),
		cmocka_unit_test(nothing_behind_the_end_is_touched_in_bf16),
		cmocka_unit_test(nothing_before_the_begin_is_touched),
	};

	return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
