/* SPDX-License-Identifier: Apache-2.0
 * tests/ulp/exact.h -- functions of an f32 in double, and how far a float is from them in ulp. For tests/ulp/ulp.c,
 * which takes every float, and tests/unit/cc_math.c, which takes some. libm's double counts as exact: its error is some
 * 1e-8 ulp of f32. */
#ifndef TESTS_ULP_EXACT_H
#define TESTS_ULP_EXACT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static inline double gelu(double x)
{
	return x == -INFINITY ? 0 : 0.5 * x * erfc(-x * 0.70710678118654752440);
}

static inline float float_of_bits(uint32_t bits)
{
	float v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* The distance of neighbouring floats at v >= 0, down to that of the denormals, up to that of the largest. */
static inline double ulp_at(double v)
{
	uint64_t bits;

	v = v < 0x1p-126 ? 0x1p-126 : v > 0x1p127 ? 0x1p127 : v;
	memcpy(&bits, &v, sizeof bits);
	bits = ((bits >> 52) - 23) << 52;
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Infinity counts as the number that would follow the largest float: 2^128. */
static inline double below_infinity(double v)
{
	return v < -0x1p128 ? -0x1p128 : v > 0x1p128 ? 0x1p128 : v;
}

/* Compiled code runs with denormals flushed (Note [Denormals] in runtime/team.c): as an operand they are zeros of their
 * sign. */
static inline double operand(float v)
{
	return fabsf(v) < 0x1p-126f ? copysign(0, v) : v;
}

/* Zero will do where a float 2 ulp away is a denormal, which would be flushed. */
static inline bool is_flushed(double got, double exact)
{
	return got == 0 && fabs(exact) < 0x1p-126 + 0x1p-148;
}

/* Error in ulp of the larger of |exact| and size; infinite where NaN or infinity is missed or invented. */
static inline double error_of(double got, double exact, double size)
{
	double error = fabs(below_infinity(got) - below_infinity(exact));

	if (is_flushed(got, exact))
		return 0;
	if (isnan(exact) || isnan(got))
		return isnan(exact) && isnan(got) ? 0 : INFINITY;
	if (isinf(exact))
		return got == exact ? 0 : INFINITY;
	return error / ulp_at(size > fabs(exact) ? size : fabs(exact));
}

#endif
