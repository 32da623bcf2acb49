/* SPDX-License-Identifier: Apache-2.0
 * compiler/grad/grad_ew.c -- adjoints of element-wise ops. Each rule reads as the maths and says which values it
 * keeps alive; rules prefer the result y over the operand, because y is usually stored anyway. */
#include "compiler/grad/grad.h"

static const double two_over_sqrt_pi = 1.12837916709551257390;
static const double one_over_sqrt_2 = 0.70710678118654752440;
static const double one_over_sqrt_2pi = 0.39894228040143267794;

/* Nothing flows back: constant almost everywhere, or stopped on purpose. */
bool grad_ZERO(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	(void)g, (void)y, (void)dy, (void)dx;
	return true;
}

/* No honest answer: leaves are never asked, anything else is the user's mistake. */
bool grad_NONE(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	(void)dy, (void)dx;
	ir_report(g->d, g->loc, IR_E_not_smooth, ir_op_info(g->f->ins[y].op)->name);
	return false;
}

static void set(cc_grad_ctx *g, ir_ref y, size_t i, ir_ref v, ir_ref *dx)
{
	dx[i] = gd_unbroadcast(g, v, gd_type(g, gd_arg(g, y, i)));
}

/* y = a + b  =>  da = dy, db = dy. */
bool grad_add(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	for (size_t i = 0; i < 2; i++)
		if (gd_wants(g, y, i))
			set(g, y, i, dy, dx);
	return true;
}

/* y = a - b  =>  da = dy, db = -dy. */
bool grad_sub(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	if (gd_wants(g, y, 0))
		set(g, y, 0, dy, dx);
	if (gd_wants(g, y, 1))
		set(g, y, 1, gd_1(g, IR_neg, dy), dx);
	return true;
}

/* y = a b  =>  da = dy b, db = dy a.  Keeps a and b. */
bool grad_mul(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	for (size_t i = 0; i < 2; i++)
		if (gd_wants(g, y, i))
			set(g, y, i, gd_2(g, IR_mul, dy, gd_arg(g, y, 1 - i)), dx);
	return true;
}

/* y = a / b  =>  da = dy / b, db = -(dy / b) y.  Keeps b and y. */
bool grad_div(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_ref q = gd_2(g, IR_div, dy, gd_arg(g, y, 1));

	if (gd_wants(g, y, 0))
		set(g, y, 0, q, dx);
	if (gd_wants(g, y, 1))
		set(g, y, 1, gd_1(g, IR_neg, gd_2(g, IR_mul, q, y)), dx);
	return true;
}

/* The winner takes dy; a tie splits it. beats: a wins strictly. */
static bool grad_extremum(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx, ir_cmp beats)
{
	ir_ref zero = gd_const(g, 0, dy);
	ir_ref half = gd_2(g, IR_mul, dy, gd_const(g, 0.5, dy));

	for (size_t i = 0; i < 2; i++) {
		ir_ref a = gd_arg(g, y, i), b = gd_arg(g, y, 1 - i), tie, win;

		if (!gd_wants(g, y, i))
			continue;
		tie = gd_select(g, gd_compare(g, IR_CMP_eq, a, b), half, zero);
		win = gd_compare(g, beats, a, b);
		set(g, y, i, gd_select(g, win, dy, tie), dx);
	}
	return true;
}

/* y = max(a, b).  Keeps a and b. */
bool grad_max(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	return grad_extremum(g, y, dy, dx, IR_CMP_gt);
}

/* y = min(a, b).  Keeps a and b. */
bool grad_min(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	return grad_extremum(g, y, dy, dx, IR_CMP_lt);
}

bool grad_neg(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	(void)y;
	dx[0] = gd_1(g, IR_neg, dy);
	return true;
}

/* y = exp a  =>  da = dy y. */
bool grad_exp(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	dx[0] = gd_2(g, IR_mul, dy, y);
	return true;
}

/* y = log a  =>  da = dy / a. */
bool grad_log(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	dx[0] = gd_2(g, IR_div, dy, gd_arg(g, y, 0));
	return true;
}

/* y = sqrt a  =>  da = dy / (2 y). */
bool grad_sqrt(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	dx[0] = gd_2(g, IR_div, dy, gd_2(g, IR_add, y, y));
	return true;
}

/* y = tanh a  =>  da = dy (1 - y^2). */
bool grad_tanh(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_ref sq = gd_2(g, IR_mul, y, y), one = gd_const(g, 1, y);

	dx[0] = gd_2(g, IR_mul, dy, gd_2(g, IR_sub, one, sq));
	return true;
}

/* y = sigmoid a  =>  da = dy y (1 - y). */
bool grad_sigmoid(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	dx[0] = gd_2(g, IR_mul, dy, gd_2(g, IR_mul, y, gd_2(g, IR_sub, gd_const(g, 1, y), y)));
	return true;
}

/* y = relu a  =>  da = dy where y > 0.  relu'(0) = 0. */
bool grad_relu(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_ref zero = gd_const(g, 0, dy);
	ir_ref on = gd_compare(g, IR_CMP_gt, y, gd_const(g, 0, y));

	dx[0] = gd_select(g, on, dy, zero);
	return true;
}

/* exp(-a^2 / s) c, the bell under erf and gelu. */
static ir_ref bell(cc_grad_ctx *g, ir_ref a, double s, double c)
{
	ir_ref scale = gd_const(g, -1 / s, a);
	ir_ref power = gd_2(g, IR_mul, gd_2(g, IR_mul, a, a), scale), top = gd_const(g, c, a);

	return gd_2(g, IR_mul, gd_1(g, IR_exp, power), top);
}

/* y = a Phi(a)  =>  da = dy (Phi(a) + a phi(a)).  Keeps a. */
bool grad_gelu(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_ref a = gd_arg(g, y, 0), half = gd_const(g, 0.5, a);
	ir_ref e = gd_1(g, IR_erf, gd_2(g, IR_mul, a, gd_const(g, one_over_sqrt_2, a)));
	ir_ref cdf = gd_2(g, IR_add, half, gd_2(g, IR_mul, half, e));
	ir_ref slope = gd_2(g, IR_add, cdf, gd_2(g, IR_mul, a, bell(g, a, 2, one_over_sqrt_2pi)));

	dx[0] = gd_2(g, IR_mul, dy, slope);
	return true;
}

/* y = erf a  =>  da = dy 2/sqrt(pi) exp(-a^2).  Keeps a. */
bool grad_erf(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	dx[0] = gd_2(g, IR_mul, dy, bell(g, gd_arg(g, y, 0), 1, two_over_sqrt_pi));
	return true;
}

/* y = c ? a : b  =>  da = c ? dy : 0, db = c ? 0 : dy.  Keeps c. */
bool grad_select(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_ref c = gd_arg(g, y, 0), zero = gd_const(g, 0, dy);

	if (gd_wants(g, y, 1))
		set(g, y, 1, gd_select(g, c, dy, zero), dx);
	if (gd_wants(g, y, 2))
		set(g, y, 2, gd_select(g, c, zero, dy), dx);
	return true;
}

/* Between float types the adjoint is cast back. */
bool grad_cast(cc_grad_ctx *g, ir_ref y, ir_ref dy, ir_ref *dx)
{
	ir_type t = *gd_type(g, gd_arg(g, y, 0));
	ir_attr at = ir_a_type(IR_ATTR_type, ir_type_scalar(t.dtype));

	dx[0] = ir_emit(g->f, "grad", g->loc, IR_cast, &dy, 1, &at, 1);
	return true;
}
