/* SPDX-License-Identifier: Apache-2.0
 * The functions of emit_math.c in f32, compiled, against libm in double, on every level: the error in ulp over all of f32
 * (every 4099th bit pattern, 4099 being prime: 2^20 values), over the interval where it matters, and around the places
 * where formulas change; and what becomes of zeros, denormals, infinities, NaN. tests/ulp/ulp.sh takes every float.
 *
 * gelu cancels for negative x, so its error is stated against |x|: |gelu - exact| <= 1.2e-7 |x| measured, 1.8e-7 |x| asserted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "compiler/cc.h"
#include "tests/ulp/exact.h"

#define N (1 << 20)

typedef struct function {
	ir_op op;
	double (*exact)(double);
	double lo, hi; /* dense sampling here */
	double ulp;    /* the bound */
} function;

static const function functions[] = {
	{IR_exp, exp, -104, 89, 2},	    {IR_log, log, 0, 4, 2},	     {IR_tanh, tanh, -10, 10, 2},
	{IR_sigmoid, sigmoid, -104, 20, 2}, {IR_erf, erf, -4.5, 4.5, 2}, {IR_sqrt, sqrt, 0, 4, 0.5},
};

/* The last one, whose square roots go by steps that the host may not take, only where the processor has AVX-512. */
static const char *const targets[] = {NULL, "x86-64-v3", "x86-64", "x86-64-v4"};
static size_t ntarget = sizeof targets / sizeof *targets;
static float *x, *y;

/* NULL: this processor cannot run code for that target. */
static cc_context *open_context(const char *target)
{
	cc_context_options o = cc_context_default();
	cc_context *c;

	o.cache_dir = "", o.target = target;
	return cc_context_new(&o, &c, NULL) == IR_OK ? c : NULL;
}

static int set_up(void **state)
{
	cc_context *widest = open_context(targets[ntarget - 1]);

	(void)state;
	if (!widest)
		ntarget--;
	cc_context_free(widest);
	x = aligned_alloc(64, N * sizeof *x);
	y = aligned_alloc(64, N * sizeof *y);
	return x && y ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(x);
	free(y);
	return 0;
}

/* y[i] = op(x[i]), compiled for a target. */
static cc_program *compile(cc_context *c, ir_op op, ir_arena *a)
{
	ir_func *f = ir_func_new(a, "f");
	ir_attr at = ir_a_type(IR_ATTR_type, ir_type_make(IR_F32, 1, (int64_t[]){N}));
	ir_ref in = ir_emit(f, NULL, (ir_loc){0}, IR_input, NULL, 0, &at, 1);
	cc_options o = {.threads = 1, .opt_level = 2};
	cc_program *p;

	ir_set_name(f, in, "x");
	ir_add_output(f, "y", ir_emit1(f, NULL, (ir_loc){0}, op, in));
	assert_int_equal(cc_compile(c, f, &o, &p, NULL), IR_OK);
	return p;
}

static void run(const cc_program *p)
{
	rt_exec *e;

	assert_int_equal(rt_exec_new(cc_program_plan(p), &e), IR_OK);
	rt_bind_leaf(e, 0, x, 0);
	rt_bind_output(e, 0, y, 0);
	rt_run(e, 1);
	rt_exec_free(e);
}

static double largest(const function *f, double *where)
{
	double worst = 0;

	for (int i = 0; i < N; i++) {
		double e = error_of(y[i], f->exact(operand(x[i])), 0);

		if (!(e <= worst))
			worst = e, *where = x[i];
	}
	return worst;
}

static void all_bit_patterns(void)
{
	for (uint32_t i = 0; i < N; i++)
		x[i] = float_of_bits(i * 4099u); /* odd, so all patterns differ; the stride runs around 2^32 */
}

static void interval(double lo, double hi)
{
	for (int i = 0; i < N; i++)
		x[i] = (float)(lo + (hi - lo) * i / (N - 1));
}

#define AROUND 128 /* neighbours of a place, of each sign */

/* x[at ..]: the floats around v and around -v. Returns where they end. */
static size_t around(float v, size_t at)
{
	uint32_t middle;

	memcpy(&middle, &v, sizeof middle);
	for (uint32_t i = 0; i < AROUND; i++) {
		x[at++] = float_of_bits(middle + i - AROUND / 2);
		x[at++] = float_of_bits((middle + i - AROUND / 2) ^ 0x80000000u);
	}
	return at;
}

/* Where range reduction goes to the next n, in exp and in log; where tanh and erf change their formula or end; the ends
 * of the floats and of what does not overflow or vanish. */
static void boundaries(void)
{
	static const float place[] = {0, 0x1p-126f, 0.625f, 0.93f, 1, 4, 9.02f, 16.6355f, 87, 87.3365f, 88, 88.3763f, 88.7228f,
				      103.972f, INFINITY};
	size_t n = 0;

	memset(x, 0, N * sizeof *x);
	for (size_t i = 0; i < sizeof place / sizeof *place; i++)
		n = around(place[i], n);
	for (int k = 0; k < 152; k++) {
		n = around((float)((k + 0.5) * 0.69314718055994531), n);
		n = around((float)((k + 0.5) * 0.34657359027997265), n); /* tanh takes e^2x */
	}
	for (int k = -126; k < 128; k++)
		n = around((float)ldexp(0.70710678118654752, k), n);
	assert_true(n <= N);
}

/* Compiled, over the operands of one kind: the largest error is printed. */
static double error_over(const function *f, const cc_program *p, int kind)
{
	double at = 0, e;

	if (kind == 0)
		all_bit_patterns();
	else if (kind == 1)
		interval(f->lo, f->hi);
	else
		boundaries();
	run(p);
	e = largest(f, &at);
	print_message("  %.2f at %-16.9g", e, at);
	return e;
}

static void errors_are_within_2_ulp(void **state)
{
	bool ok = true;

	(void)state;
	for (size_t t = 0; t < ntarget; t++) {
		cc_context *c = open_context(targets[t]);
		ir_arena *a = ar_open();

		for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
			cc_program *p = compile(c, functions[i].op, a);

			print_message("%-9s %-8s", targets[t] ? targets[t] : "host", ir_op_info(functions[i].op)->name);
			for (int kind = 0; kind < 3; kind++)
				ok = error_over(&functions[i], p, kind) <= functions[i].ulp && ok;
			print_message("\n");
			cc_program_free(p);
		}
		ar_free(a);
		cc_context_free(c);
	}
	assert_true(ok);
}

/* All floats of [1, 4): a binade of each parity of the exponent; then the edges of the range that the kernel takes by Newton's
 * steps, in vectors that also hold zeros. */
static void square_root_is_exact(void **state)
{
	(void)state;
	for (size_t t = 0; t < ntarget; t++) {
		cc_context *c = open_context(targets[t]);
		ir_arena *a = ar_open();
		cc_program *p = compile(c, IR_sqrt, a);
		uint32_t edge[] = {0x3f800000, 0x0d7fff00, 0x0d800000, 0x7e7fff00, 0x00800000, 0x7f7fff00};

		for (uint32_t at = 0, n = 0; n < 6; at += N) {
			for (uint32_t i = 0; i < N; i++) {
				x[i] = float_of_bits(edge[n] + at + i);
				if (n && i % 7 == 3)
					x[i] = 0;
			}
			run(p);
			for (uint32_t i = 0; i < N; i++)
				if (!(isnan(x[i]) ? isnan(y[i]) : y[i] == sqrtf(x[i])))
					fail_msg("sqrt(%a) is %a, not %a", (double)x[i], (double)y[i], (double)sqrtf(x[i]));
			if (n || at + N >= 1u << 24) /* past the edge one round will do */
				n++, at = 0u - N;
		}
		cc_program_free(p);
		ar_free(a);
		cc_context_free(c);
	}
}

static void gelu_is_relative_to_its_operand(void **state)
{
	(void)state;
	for (size_t t = 0; t < ntarget; t++) {
		cc_context *c = open_context(targets[t]);
		ir_arena *a = ar_open();
		cc_program *p = compile(c, IR_gelu, a);
		double worst = 0;

		for (int round = 0; round < 2; round++) {
			if (round)
				interval(-7, 7);
			else
				all_bit_patterns();
			run(p);
			for (int i = 0; i < N; i++) {
				double exact = gelu(x[i]);

				if (isnan(exact) || isinf(exact))
					assert_true(isnan(exact) ? isnan(y[i]) : y[i] == exact);
				else if (fabsf(x[i]) < 1e-37f)
					assert_true(fabs(y[i] - exact) <= 0x1p-126);
				else if (x[i] != -INFINITY)
					worst = fmax(worst, fabs(y[i] - exact) / fabs((double)x[i]));
			}
		}
		print_message("%-8s gelu     %.3g |x|\n", targets[t] ? targets[t] : "host", worst);
		assert_true(worst <= 0x1.8p-23);
		cc_program_free(p);
		ar_free(a);
		cc_context_free(c);
	}
}

static const float specials[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 0x1p-149f, -0x1p-149f, 0x1p-126f, -0x1p-126f,
				 3.4028234e38f, -3.4028234e38f, 88.7228394f, 88.7228470f, -103.972f, -87.3365f, 1.0f, -1.0f};

static void specials_are_as_in_libm(void **state)
{
	size_t n = sizeof specials / sizeof *specials;

	(void)state;
	for (size_t t = 0; t < ntarget; t++) {
		cc_context *c = open_context(targets[t]);
		ir_arena *a = ar_open();

		for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
			cc_program *p = compile(c, functions[i].op, a);

			memset(x, 0, N * sizeof *x);
			memcpy(x, specials, sizeof specials); /* in whole vectors, and in the masked rest */
			memcpy(x + N - n, specials, sizeof specials);
			run(p);
			for (size_t k = 0; k < n; k++) {
				double exact = functions[i].exact(operand(specials[k]));
				float got = y[k];

				if (!(error_of(got, exact, 0) <= functions[i].ulp) || (got == 0 && !signbit(got) != !signbit(exact)))
					fail_msg("%s(%g) is %g, not %g", ir_op_info(functions[i].op)->name, (double)specials[k],
						 (double)got, exact);
				assert_memory_equal(&y[N - n + k], &y[k], sizeof(float));
			}
			cc_program_free(p);
		}
		ar_free(a);
		cc_context_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_within_2_ulp),
		cmocka_unit_test(square_root_is_exact),
		cmocka_unit_test(gelu_is_relative_to_its_operand),
		cmocka_unit_test(specials_are_as_in_libm),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
