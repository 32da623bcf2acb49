/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_math.c -- square root, exp, log, tanh, sigmoid, erf. In f32: range reduction and polynomials on
 * whole vectors, within 2 ulp of the exact value for every float; special values as in libm. In f64, which serves checks
 * and not speed: libm, lane by lane, so that the interpreter is met to the last bit or two.
 * The polynomials were fitted for these intervals by weighted least squares towards the minimax error named beside
 * them.
 *
 * Worst error in ulp over all 2^32 floats, denormal operands and results taken for zero (tests/ulp/ulp.sh):
 *
 *             exp    log   tanh  sigmoid   erf   sqrt
 *   avx512   1.05   0.83   1.20   1.75    1.73   0.50
 *   avx2     1.05   0.83   1.20   1.75    1.73   0.50
 *   sse2     1.03   0.81   1.20   1.77    1.87   0.50   without FMA */
#include <math.h>
#include "compiler/llvm/emit.h"

static val bin(em *e, LLVMOpcode op, val a, val b)
{
	return LLVMBuildBinOp(e->b, op, a, b, "");
}

static val mul(em *e, val a, val b)
{
	return bin(e, LLVMFMul, a, b);
}

static val add(em *e, val a, val b)
{
	return bin(e, LLVMFAdd, a, b);
}

static val sub(em *e, val a, val b)
{
	return bin(e, LLVMFSub, a, b);
}

static val num(em *e, double v)
{
	return em_float(e, v, em_vector(e, e->f32));
}

static val choose(em *e, val c, val a, val b)
{
	return LLVMBuildSelect(e->b, c, a, b, "");
}

static val compare(em *e, LLVMRealPredicate p, val a, val b)
{
	return LLVMBuildFCmp(e->b, p, a, b, "");
}

static val as_int(em *e, val v)
{
	return LLVMBuildBitCast(e->b, v, em_vector(e, e->i32), "");
}

static val as_float(em *e, val v)
{
	return LLVMBuildBitCast(e->b, v, em_vector(e, e->f32), "");
}

static val bits(em *e, int64_t v)
{
	return em_bits(e, v, em_vector(e, e->i32));
}

/* ---- square root, to the last bit ------------------------------------------------------------------------------- */

#define ESTIMATES 16 /* lanes of one instruction */

/* Whole AVX-512 registers of f32, where steps are faster than the divider. */
static bool takes_steps(const em *e, val x)
{
	LLVMTypeRef t = LLVMTypeOf(x);

	return e->t->root_steps && LLVMGetTypeKind(t) == LLVMVectorTypeKind && LLVMGetElementType(t) == e->f32 &&
	       LLVMGetVectorSize(t) % ESTIMATES == 0;
}

static val estimate(em *e, val x)
{
	val all = LLVMConstAllOnes(LLVMInt16TypeInContext(e->c)), zero = LLVMConstNull(LLVMVectorType(e->f32, ESTIMATES)), lane[64], y[2];
	int n = (int)LLVMGetVectorSize(LLVMTypeOf(x)) / ESTIMATES;

	for (int i = 0; i < n; i++)
		y[i] = em_call(e, "llvm.x86.avx512.rsqrt14.ps.512", NULL, 0, (val[]){em_lanes(e, x, i * ESTIMATES, ESTIMATES), zero, all}, 3);
	for (int i = 0; i < n * ESTIMATES; i++)
		lane[i] = LLVMConstInt(e->i32, (unsigned)i, 0);
	return n == 1 ? y[0] : LLVMBuildShuffleVector(e->b, y[0], y[1], LLVMConstVector(lane, (unsigned)(n * ESTIMATES)), "");
}

static val negated_fma(em *e, val a, val b, val c) /* c - a b */
{
	return em_fma(e, LLVMBuildFNeg(e->b, a, ""), b, c);
}

/* Two coupled Newton steps, for g = sqrt x and h = 1 / (2 sqrt x). What compares equal to 0 may be a denormal, which
 * a product turns into 0 of its sign: the divider gives that too. */
static val root_by_steps(em *e, val x)
{
	val y = estimate(e, x), half = num(e, .5), g = mul(e, x, y), h = mul(e, y, half), r, zero;

	r = negated_fma(e, g, h, half);
	g = em_fma(e, g, r, g), h = em_fma(e, h, r, h);
	g = em_fma(e, negated_fma(e, g, g, x), h, g);
	zero = mul(e, x, half);
	return choose(e, compare(e, LLVMRealOEQ, x, num(e, 0)), zero, g);
}

/* Is every lane 0 or in [2^lo, 2^hi)? As an i1. */
static val all_in_range(em *e, val x, int lo, int hi)
{
	int64_t from = (int64_t)(lo + 127) << 23, to = (int64_t)(hi + 127) << 23;
	val ok = LLVMBuildICmp(e->b, LLVMIntULT, bin(e, LLVMSub, as_int(e, x), bits(e, from)), bits(e, to - from), "");
	LLVMTypeRef mask = LLVMIntTypeInContext(e->c, LLVMGetVectorSize(LLVMTypeOf(x)));

	ok = LLVMBuildOr(e->b, ok, compare(e, LLVMRealOEQ, x, num(e, 0)), "");
	return LLVMBuildICmp(e->b, LLVMIntEQ, LLVMBuildBitCast(e->b, ok, mask, ""), LLVMConstAllOnes(mask), "");
}

/* See Note [Square root]. */
val em_sqrt(em *e, val x)
{
	LLVMBasicBlockRef block[3];
	val v[2], phi;

	if (!takes_steps(e, x))
		return em_call1(e, "llvm.sqrt", x);
	for (int i = 0; i < 3; i++)
		block[i] = LLVMAppendBasicBlockInContext(e->c, e->fn, "");
	LLVMBuildCondBr(e->b, all_in_range(e, x, -100, 126), block[0], block[1]);
	for (int i = 0; i < 2; i++) {
		LLVMPositionBuilderAtEnd(e->b, block[i]);
		v[i] = i ? em_call1(e, "llvm.sqrt", x) : root_by_steps(e, x);
		LLVMBuildBr(e->b, block[2]);
	}
	LLVMPositionBuilderAtEnd(e->b, block[2]);
	phi = LLVMBuildPhi(e->b, LLVMTypeOf(x), "");
	LLVMAddIncoming(phi, v, block, 2);
	return phi;
}

/* ---- functions of a float ---------------------------------------------------------------------------------------- */

/* c[0] + c[1] x + .. by Horner's rule. */
static val polynomial(em *e, val x, const double *c, int n)
{
	val r = num(e, c[n - 1]);

	for (int i = n - 1; i-- > 0;)
		r = em_fma(e, r, x, num(e, c[i]));
	return r;
}

static bool is_f64(em *e, val x)
{
	LLVMTypeRef t = LLVMTypeOf(x);

	return t == e->f64 || (LLVMGetTypeKind(t) == LLVMVectorTypeKind && LLVMGetElementType(t) == e->f64);
}

/* double name(double) of libm, for every lane. */
static val libm(em *e, const char *name, val x)
{
	LLVMTypeRef t = LLVMFunctionType(e->f64, &e->f64, 1, 0);
	val f = LLVMGetNamedFunction(e->m, name), r = LLVMGetPoison(LLVMTypeOf(x));

	if (!f)
		f = LLVMAddFunction(e->m, name, t);
	if (e->lanes == 1)
		return LLVMBuildCall2(e->b, t, f, &x, 1, "");
	for (int i = 0; i < e->lanes; i++) {
		val lane = LLVMBuildExtractElement(e->b, x, em_int(e, i), "");

		lane = LLVMBuildCall2(e->b, t, f, &lane, 1, "");
		r = LLVMBuildInsertElement(e->b, r, lane, em_int(e, i), "");
	}
	return r;
}

/* 2^n for integer lanes n in [-126, 127]. */
static val power_of_two(em *e, val n)
{
	return as_float(e, bin(e, LLVMShl, bin(e, LLVMAdd, n, bits(e, 127)), bits(e, 23)));
}

/* e^x = 2^n (1 + s), n the nearest integer to x / ln 2: returns s, and n as a float. r = x - n ln 2 in two steps,
 * |r| <= ln(2)/2; s = r + r^2 P(r), error 3.4e-9. |x| < 105. */
static val exp_split(em *e, val x, val *n)
{
	static const double p[] = {0.5, 1.666651219e-01, 4.166618735e-02, 8.369598538e-03, 1.395171741e-03};
	val r, s;

	*n = em_call1(e, "llvm.rint", mul(e, x, num(e, 1.44269504088896341)));
	r = em_fma(e, *n, num(e, -0.693359375), x);
	r = em_fma(e, *n, num(e, 2.12194440054690583e-4), r);
	s = polynomial(e, r, p, 5);
	return em_fma(e, mul(e, r, r), s, r);
}

static val to_int(em *e, val n)
{
	return LLVMBuildFPToSI(e->b, n, em_vector(e, e->i32), "");
}

/* For NaN one of the bounds. */
static val clamp(em *e, val x, double lo, double hi)
{
	return em_call2(e, "llvm.minnum", em_call2(e, "llvm.maxnum", x, num(e, lo)), num(e, hi));
}

/* The scaling is done in two factors, so that results reach down into the denormals and up to infinity. */
static val exp_f32(em *e, val x)
{
	val n, y = add(e, exp_split(e, clamp(e, x, -104, 89), &n), num(e, 1)), k = to_int(e, n);
	val half = bin(e, LLVMAShr, k, bits(e, 1));
	val second = power_of_two(e, bin(e, LLVMSub, k, half)), first = power_of_two(e, half);

	y = mul(e, mul(e, y, first), second);
	return choose(e, compare(e, LLVMRealUNO, x, x), x, y);
}

/* 1 + e^x, or 1 - e^x, for |x| < 87: 2^n s + (2^n + 1). The product is exact, and so is the sum in brackets where both
 * terms count (|n| < 24), so that besides s one addition rounds; 1 + exp x would round once more, and scale in two
 * factors. */
static val one_and_exp(em *e, val x, bool minus)
{
	val n, s = exp_split(e, x, &n), power = power_of_two(e, to_int(e, n)), one = num(e, 1);

	return minus ? negated_fma(e, power, s, sub(e, one, power)) : em_fma(e, power, s, add(e, one, power));
}

val em_exp(em *e, val x)
{
	return is_f64(e, x) ? libm(e, "exp", x) : exp_f32(e, x);
}

/* log x = n ln 2 + log m, m in [sqrt(1/2), sqrt 2); with f = m - 1: f - f^2/2 + f^3 P(f), error 7.3e-10. */
static val log_f32(em *e, val x)
{
	static const double p[] = {3.333331048e-01, -2.499998659e-01, 2.000222802e-01, -1.666924357e-01, 1.421861649e-01,
				   -1.238446161e-01, 1.187342629e-01, -1.178925037e-01, 6.913567334e-02};
	val tiny = compare(e, LLVMRealOLT, x, num(e, 1.17549435082228751e-38));
	val v = choose(e, tiny, mul(e, x, num(e, 8388608)), x);
	val shifted = bin(e, LLVMSub, as_int(e, v), bits(e, 0x3f3504f3)); /* sqrt(1/2) */
	val n = bin(e, LLVMAShr, shifted, bits(e, 23)), exponent = bin(e, LLVMShl, n, bits(e, 23)), f, f2, y;

	f = sub(e, as_float(e, bin(e, LLVMSub, as_int(e, v), exponent)), num(e, 1));
	n = LLVMBuildSIToFP(e->b, bin(e, LLVMSub, n, choose(e, tiny, bits(e, 23), bits(e, 0))), em_vector(e, e->f32), "");
	f2 = mul(e, f, f);
	y = polynomial(e, f, p, 9);
	y = mul(e, mul(e, f2, f), y);
	y = em_fma(e, n, num(e, -2.12194440054690583e-4), y);
	y = em_fma(e, f2, num(e, -0.5), y);
	y = em_fma(e, n, num(e, 0.693359375), add(e, f, y));
	y = choose(e, compare(e, LLVMRealOEQ, x, num(e, 0)), num(e, -1.0 / 0.0), y);
	y = choose(e, compare(e, LLVMRealOEQ, x, num(e, 1.0 / 0.0)), x, y);
	return choose(e, compare(e, LLVMRealULT, x, num(e, 0)), num(e, -(double)NAN), y); /* x86's own; 0.0 / 0.0 has either sign */
}

val em_log(em *e, val x)
{
	return is_f64(e, x) ? libm(e, "log", x) : log_f32(e, x);
}

/* |x| < 0.625: x + x^3 P(x^2), error 4.1e-9; beyond: 1 - 2 / (e^(2|x|) + 1), 1 from |x| = 9.02 on. The sign is x's,
 * also for -0; NaN comes from P. */
static val tanh_f32(em *e, val x)
{
	static const double p[] = {-3.333328366e-01, 1.333149076e-01, -5.374349654e-02, 2.065057866e-02, -5.717036314e-03};
	val a = em_call1(e, "llvm.fabs", x), z = mul(e, x, x);
	val share = polynomial(e, z, p, 5), small = em_fma(e, mul(e, z, x), share, x), d, large;

	d = one_and_exp(e, em_call2(e, "llvm.minnum", add(e, a, a), num(e, 18.5)), false);
	large = sub(e, num(e, 1), bin(e, LLVMFDiv, num(e, 2), d));
	return em_call2(e, "llvm.copysign", choose(e, compare(e, LLVMRealUGE, num(e, 0.625), a), small, large), x);
}

val em_tanh(em *e, val x)
{
	return is_f64(e, x) ? libm(e, "tanh", x) : tanh_f32(e, x);
}

/* 1 / (1 + e^-x), the sum as in one_and_exp; but from 2^24 on 2^n + 1 loses the 1, which is half an ulp there, so what
 * it lost goes with s. Below x = -88 the result is that of -88: a denormal, flushed to the 0 that belongs there. */
static val sigmoid_f32(em *e, val x)
{
	val c = clamp(e, LLVMBuildFNeg(e->b, x, ""), -87, 88), n, s = exp_split(e, c, &n), power = power_of_two(e, to_int(e, n));
	val one = num(e, 1), high = add(e, power, one), lost = sub(e, one, sub(e, high, power));
	val y = bin(e, LLVMFDiv, one, add(e, high, em_fma(e, power, s, lost)));

	return choose(e, compare(e, LLVMRealUNO, x, x), x, y);
}

/* With t = e^-|x|: 1 / (1 + t) for positive x, t / (1 + t) for others. Nothing overflows, and the left tail keeps its
 * denormals, which 1 / (1 + e^-x) would lose to infinity. */
static val sigmoid_f64(em *e, val x)
{
	LLVMTypeRef type = LLVMTypeOf(x);
	val one = em_float(e, 1, type), zero = em_float(e, 0, type);
	val t = libm(e, "exp", LLVMBuildFNeg(e->b, em_call1(e, "llvm.fabs", x), ""));
	val top = choose(e, compare(e, LLVMRealOGE, x, zero), one, t);

	return bin(e, LLVMFDiv, top, add(e, one, t));
}

val em_sigmoid(em *e, val x)
{
	return is_f64(e, x) ? sigmoid_f64(e, x) : sigmoid_f32(e, x);
}

/* x + x p. Where the two are not fused, denormal products of tiny x must not be flushed: x is raised first. */
static val add_share(em *e, val x, val p)
{
	if (e->t->fma)
		return em_fma(e, x, p, x);
	x = mul(e, x, num(e, 0x1p32));
	return mul(e, em_fma(e, x, p, x), num(e, 0x1p-32));
}

/* |x| < 0.93: x + x P(x^2), error 7e-10; P is below 0.13, so its rounding hardly counts. Beyond: sign(x) (1 - e^Q(|x|)),
 * Q fitted to log erfc, error 3.2e-11; from |x| = 4 on that is 1. */
static val erf_f32(em *e, val x)
{
	static const double p[] = {1.28379226e-01, -3.761263490e-01, 1.128369421e-01, -2.685927041e-02, 5.200634245e-03,
				   -8.137437399e-04, 8.345225069e-05};
	static const double q[] = {1.630812621e-04, -1.129448652e+00, -6.335096359e-01, -1.080560386e-01, 2.493031509e-02,
				   -4.070940427e-03, 4.020142078e-04, -1.521279773e-05, -4.564579115e-07};
	val a = em_call2(e, "llvm.minnum", em_call1(e, "llvm.fabs", x), num(e, 4));
	val small = add_share(e, x, polynomial(e, mul(e, x, x), p, 7));
	val large = em_call2(e, "llvm.copysign", one_and_exp(e, polynomial(e, a, q, 9), true), x);

	large = choose(e, compare(e, LLVMRealUNO, x, x), x, large);
	return choose(e, compare(e, LLVMRealOLT, a, num(e, 0.93)), small, large);
}

val em_erf(em *e, val x)
{
	return is_f64(e, x) ? libm(e, "erf", x) : erf_f32(e, x);
}

/* Note [Square root]
 *
 * Adam needs a square root and a quotient per weight, and a core's one divider takes 16 to 19 cycles for each on 16 lanes: two
 * thirds of an update that sits in cache. Newton steps from AVX-512's 14-bit estimate run on the multipliers beside a
 * quotient in the divider, and give the same bits: every float of [2^-100, 2^126) was compared with vsqrtps
 * (tests/unit/cc_math.c does one binade of each parity). Outside that range, where a step's remainder would be denormal, the
 * whole vector goes to the divider; zero stays zero. Doing the quotient that way too was measured slower: it needs 11
 * instructions to keep to its range, and two Newton steps miss the mantissa of all ones.
 *
 * Zen 5's divider does a root and a quotient of 16 lanes in 7 cycles together; with steps it is 11. So there it does both
 * (root_steps in target.c). */
