/* SPDX-License-Identifier: Apache-2.0
 * The interpreter on small programs worked out by hand: one row of the table per behaviour of an op. The last test
 * walks ops.def and fails for an op that no row has run, so a new op needs a row here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "runtime/rt.h"

#define MAX_ELEMENTS 24

typedef struct operand {
	ir_dtype t;
	int rank;
	int64_t dim[4];
	double v[MAX_ELEMENTS];
} operand;

typedef struct row {
	int line;
	ir_op op;
	int narg;
	operand arg[3];
	ir_attr attr[3];
	int nattr;
	operand want;
	double tolerance; /* relative; 0: to the bit, NaN equals NaN, and the sign of zero counts */
} row;

static bool is_seen[IR_OP_COUNT];

#define INTS(name, ...) \
	{.id = IR_ATTR_##name, .v = {.rank = sizeof((int64_t[]){__VA_ARGS__}) / 8, .dim = {__VA_ARGS__}}}
#define INT(name, n) {.id = IR_ATTR_##name, .i = (n)}
#define TYPE(d, r, ...) {.id = IR_ATTR_type, .v = {.dtype = IR_##d, .rank = (r), .dim = {__VA_ARGS__}}}
#define V(d, n, ...) {.t = IR_##d, .rank = 1, .dim = {n}, .v = {__VA_ARGS__}}
#define M(d, m, n, ...) {.t = IR_##d, .rank = 2, .dim = {m, n}, .v = {__VA_ARGS__}}
#define S(d, x) {.t = IR_##d, .v = {x}}
#define R .line = __LINE__, .op =
#define ULP 1e-15
#define ULP32 1.2e-7

static const row rows[] = {
	{R IR_constant, .attr = {{.id = IR_ATTR_value, .f = 0.1}, TYPE(F32, 1, 3)}, .nattr = 2,
	 .want = V(F32, 3, 0.1f, 0.1f, 0.1f)},
	{R IR_constant, .attr = {{.id = IR_ATTR_value, .f = 7}, TYPE(I32, 0)}, .nattr = 2, .want = S(I32, 7)},
	{R IR_iota, .attr = {INT(axis, 1), TYPE(F32, 2, 2, 3)}, .nattr = 2, .want = M(F32, 2, 3, 0, 1, 2, 0, 1, 2)},
	{R IR_iota, .attr = {INT(axis, 0), TYPE(I32, 2, 2, 3)}, .nattr = 2, .want = M(I32, 2, 3, 0, 0, 0, 1, 1, 1)},

	/* arithmetic: broadcasting from both sides, wrapping, rounding */
	{R IR_add, 2, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6), V(F32, 3, 10, 20, 30)},
	 .want = M(F32, 2, 3, 11, 22, 33, 14, 25, 36)},
	{R IR_add, 2, {M(F64, 2, 1, 1, 2), M(F64, 1, 3, 10, 20, 30)},
	 .want = M(F64, 2, 3, 11, 21, 31, 12, 22, 32)},
	{R IR_add, 2, {V(F32, 2, 16777216, 1), S(F32, 1)}, .want = V(F32, 2, 16777216, 2)},
	{R IR_add, 2, {V(I32, 2, 2147483647, -5), S(I32, 1)}, .want = V(I32, 2, -2147483648.0, -4)},
	{R IR_add, 2, {M(F32, 0, 3), V(F32, 3, 1, 2, 3)}, .want = M(F32, 0, 3)},
	{R IR_sub, 2, {V(F32, 2, 5, 7), V(F32, 2, 1, 10)}, .want = V(F32, 2, 4, -3)},
	{R IR_sub, 2, {S(I32, -2147483648.0), S(I32, 1)}, .want = S(I32, 2147483647)},
	{R IR_mul, 2, {V(F32, 3, 2, 3, INFINITY), V(F32, 3, 4, -1, 0)}, .want = V(F32, 3, 8, -3, NAN)},
	{R IR_mul, 2, {V(I32, 2, 65536, 46341), V(I32, 2, 65536, 46341)}, .want = V(I32, 2, 0, -2147479015.0)},
	{R IR_div, 2, {V(F32, 4, 1, 1, -1, 0), V(F32, 4, 3, 0, 0, 0)},
	 .want = V(F32, 4, 1.f / 3, INFINITY, -INFINITY, NAN)},
	{R IR_div, 2, {V(I32, 4, 7, -7, 5, -2147483648.0), V(I32, 4, 2, 2, 0, -1)},
	 .want = V(I32, 4, 3, -3, 0, -2147483648.0)},
	{R IR_max, 2, {V(F32, 5, 1, NAN, 2, -0.0, 0.0), V(F32, 5, 2, 0, NAN, 0.0, -0.0)},
	 .want = V(F32, 5, 2, NAN, NAN, 0.0, 0.0)},
	{R IR_min, 2, {V(F64, 5, 1, NAN, 2, -0.0, 0.0), V(F64, 5, 2, 0, NAN, 0.0, -0.0)},
	 .want = V(F64, 5, 1, NAN, NAN, -0.0, -0.0)},
	{R IR_max, 2, {V(I32, 2, 1, -3), S(I32, 0)}, .want = V(I32, 2, 1, 0)},
	{R IR_min, 2, {V(I32, 2, 1, -3), S(I32, 0)}, .want = V(I32, 2, 0, -3)},
	{R IR_neg, 1, {V(F32, 3, 1, 0, -INFINITY)}, .want = V(F32, 3, -1, -0.0, INFINITY)},
	{R IR_neg, 1, {V(I32, 2, 5, -2147483648.0)}, .want = V(I32, 2, -5, -2147483648.0)},

	/* functions */
	{R IR_exp, 1, {V(F32, 4, 0, 1, -INFINITY, 100)},
	 .want = V(F32, 4, 1, 2.718281828459045, 0, INFINITY), .tolerance = ULP32},
	{R IR_exp, 1, {V(F64, 2, 1, -2)}, .want = V(F64, 2, 2.718281828459045, 0.1353352832366127),
	 .tolerance = ULP},
	{R IR_log, 1, {V(F64, 4, 1, 10, 0, -1)},
	 .want = V(F64, 4, 0, 2.302585092994046, -INFINITY, NAN), .tolerance = ULP},
	{R IR_sqrt, 1, {V(F32, 4, 4, 2, -1, -0.0)}, .want = V(F32, 4, 2, 1.41421356f, NAN, -0.0)},
	{R IR_tanh, 1, {V(F64, 3, 0.5, -INFINITY, 0)}, .want = V(F64, 3, 0.46211715726000975, -1, 0),
	 .tolerance = ULP},
	{R IR_sigmoid, 1, {V(F64, 6, 0, 2, -2, 800, -800, NAN)},
	 .want = V(F64, 6, 0.5, 0.8807970779778823, 0.11920292202211755, 1, 0, NAN), .tolerance = ULP},
	{R IR_relu, 1, {V(F32, 4, -1, 2, NAN, -0.0)}, .want = V(F32, 4, 0, 2, NAN, 0)},
	{R IR_gelu, 1, {V(F64, 5, 1, -1, 0, INFINITY, -INFINITY)},
	 .want = V(F64, 5, 0.8413447460685429, -0.15865525393145707, 0, INFINITY, 0), .tolerance = ULP},
	{R IR_erf, 1, {V(F64, 3, 0.5, -INFINITY, 0)}, .want = V(F64, 3, 0.5204998778130465, -1, 0),
	 .tolerance = ULP},
	{R IR_stop_gradient, 1, {V(U8, 3, 1, 255, 0)}, .want = V(U8, 3, 1, 255, 0)},
	{R IR_stop_gradient, 1, {V(F32, 2, 1.5, -0.0)}, .want = V(F32, 2, 1.5, -0.0)},

	/* comparing and choosing */
	{R IR_compare, 2, {V(F32, 4, 1, 2, 3, NAN), S(F32, 2)}, .attr = {INT(dir, IR_CMP_lt)}, .nattr = 1,
	 .want = V(BOOL, 4, 1, 0, 0, 0)},
	{R IR_compare, 2, {V(F32, 4, 1, 2, 3, NAN), S(F32, 2)}, .attr = {INT(dir, IR_CMP_ge)}, .nattr = 1,
	 .want = V(BOOL, 4, 0, 1, 1, 0)},
	{R IR_compare, 2, {V(I32, 3, 1, 2, 3), S(I32, 2)}, .attr = {INT(dir, IR_CMP_gt)}, .nattr = 1,
	 .want = V(BOOL, 3, 0, 0, 1)},
	{R IR_compare, 2, {V(I32, 3, 1, 2, 3), S(I32, 2)}, .attr = {INT(dir, IR_CMP_le)}, .nattr = 1,
	 .want = V(BOOL, 3, 1, 1, 0)},
	{R IR_compare, 2, {V(F64, 3, 1, 2, NAN), V(F64, 3, 1, 3, NAN)}, .attr = {INT(dir, IR_CMP_eq)}, .nattr = 1,
	 .want = V(BOOL, 3, 1, 0, 0)},
	{R IR_compare, 2, {V(F64, 3, 1, 2, NAN), V(F64, 3, 1, 3, NAN)}, .attr = {INT(dir, IR_CMP_ne)}, .nattr = 1,
	 .want = V(BOOL, 3, 0, 1, 1)},
	{R IR_select, 3, {V(BOOL, 3, 1, 0, 1), V(F32, 3, 1, 2, 3), S(F32, NAN)}, .want = V(F32, 3, 1, NAN, 3)},
	{R IR_select, 3, {M(BOOL, 2, 1, 1, 0), V(I32, 2, 1, 2), S(I32, 9)}, .want = M(I32, 2, 2, 1, 2, 9, 9)},
	{R IR_cast, 1, {V(F32, 6, 2.9, -2.9, 1e10, -INFINITY, NAN, 0)}, .attr = {TYPE(I32, 0)}, .nattr = 1,
	 .want = V(I32, 6, 2, -2, 2147483647, -2147483648.0, 0, 0)},
	{R IR_cast, 1, {V(I32, 4, 300, -1, 255, 7)}, .attr = {TYPE(U8, 0)}, .nattr = 1,
	 .want = V(U8, 4, 255, 0, 255, 7)},
	{R IR_cast, 1, {V(F32, 4, 0.5, 0, NAN, -0.0)}, .attr = {TYPE(BOOL, 0)}, .nattr = 1,
	 .want = V(BOOL, 4, 1, 0, 1, 0)},
	{R IR_cast, 1, {V(I32, 2, 16777217, -3)}, .attr = {TYPE(F32, 0)}, .nattr = 1,
	 .want = V(F32, 2, 16777216, -3)},
	{R IR_cast, 1, {V(F64, 2, 0.1, 1e300)}, .attr = {TYPE(F32, 0)}, .nattr = 1,
	 .want = V(F32, 2, 0.1f, INFINITY)},

	/* reductions */
	{R IR_sum, 1, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6)}, .attr = {INTS(axes, 0)}, .nattr = 1,
	 .want = V(F32, 3, 5, 7, 9)},
	{R IR_sum, 1, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6)}, .attr = {INTS(axes, 1)}, .nattr = 1,
	 .want = V(F32, 2, 6, 15)},
	{R IR_sum, 1, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6)}, .attr = {INTS(axes, 0, 1)}, .nattr = 1,
	 .want = S(F32, 21)},
	{R IR_sum, 1, {{IR_F64, 3, {2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}}}, .attr = {INTS(axes, 0, 2)}, .nattr = 1,
	 .want = V(F64, 2, 14, 22)},
	{R IR_sum, 1, {V(F32, 3, 1e8, 1, -1e8)}, .attr = {INTS(axes, 0)}, .nattr = 1, .want = S(F32, 1)},
	{R IR_sum, 1, {V(I32, 2, 2147483647, 2)}, .attr = {INTS(axes, 0)}, .nattr = 1,
	 .want = S(I32, -2147483647)},
	{R IR_sum, 1, {M(F32, 0, 2)}, .attr = {INTS(axes, 0)}, .nattr = 1, .want = V(F32, 2, 0, 0)},
	{R IR_mean, 1, {M(F32, 2, 2, 1, 2, 4, 8)}, .attr = {INTS(axes, 1)}, .nattr = 1, .want = V(F32, 2, 1.5, 6)},
	{R IR_panel_sum, 1, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6)}, .want = M(F32, 1, 2, 6, 15)},
	{R IR_panel_sum, 1, {M(F64, 2, 0, 0)}, .want = M(F64, 0, 2, 0)},
	{R IR_amax, 1, {M(F32, 2, 3, -1, -2, -3, NAN, 5, 6)}, .attr = {INTS(axes, 1)}, .nattr = 1,
	 .want = V(F32, 2, -1, NAN)},
	{R IR_amax, 1, {V(F32, 3, 1, NAN, 6)}, .attr = {INTS(axes, 0)}, .nattr = 1, .want = S(F32, NAN)},
	{R IR_amax, 1, {V(I32, 3, -5, -2, -9)}, .attr = {INTS(axes, 0)}, .nattr = 1, .want = S(I32, -2)},

	/* products: the four ways to store the operands */
	{R IR_matmul, 2, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6), M(F32, 3, 2, 1, 0, 0, 1, 1, 1)},
	 .want = M(F32, 2, 2, 4, 5, 10, 11)},
	{R IR_matmul, 2, {M(F32, 3, 2, 1, 4, 2, 5, 3, 6), M(F32, 3, 2, 1, 0, 0, 1, 1, 1)},
	 .attr = {INT(ta, 1)}, .nattr = 1, .want = M(F32, 2, 2, 4, 5, 10, 11)},
	{R IR_matmul, 2, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6), M(F32, 2, 3, 1, 0, 1, 0, 1, 1)},
	 .attr = {INT(tb, 1)}, .nattr = 1, .want = M(F32, 2, 2, 4, 5, 10, 11)},
	{R IR_matmul, 2, {M(F64, 3, 2, 1, 4, 2, 5, 3, 6), M(F64, 2, 3, 1, 0, 1, 0, 1, 1)},
	 .attr = {INT(ta, 1), INT(tb, 1)}, .nattr = 2, .want = M(F64, 2, 2, 4, 5, 10, 11)},
	{R IR_matmul, 2, {M(F32, 1, 3, 1e8, 1, -1e8), M(F32, 3, 1, 1, 1, 1)}, .want = M(F32, 1, 1, 1)},
	{R IR_matmul, 2, {M(F32, 1, 0), M(F32, 0, 2)}, .want = M(F32, 1, 2, 0, 0)},

	/* moving elements */
	{R IR_reshape, 1, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6)}, .attr = {INTS(shape, 3, 2)}, .nattr = 1,
	 .want = M(F32, 3, 2, 1, 2, 3, 4, 5, 6)},
	{R IR_transpose, 1, {M(F32, 2, 3, 1, 2, 3, 4, 5, 6)}, .attr = {INTS(perm, 1, 0)}, .nattr = 1,
	 .want = M(F32, 3, 2, 1, 4, 2, 5, 3, 6)},
	{R IR_transpose, 1, {{IR_U8, 3, {1, 2, 3}, {1, 2, 3, 4, 5, 6}}}, .attr = {INTS(perm, 2, 0, 1)}, .nattr = 1,
	 .want = {IR_U8, 3, {3, 1, 2}, {1, 4, 2, 5, 3, 6}}},
	{R IR_broadcast, 1, {M(F32, 2, 1, 1, 2)}, .attr = {INTS(shape, 2, 2, 2)}, .nattr = 1,
	 .want = {IR_F32, 3, {2, 2, 2}, {1, 1, 2, 2, 1, 1, 2, 2}}},
	{R IR_broadcast, 1, {S(I32, 3)}, .attr = {INTS(shape, 2)}, .nattr = 1, .want = V(I32, 2, 3, 3)},
	{R IR_slice, 1, {M(F32, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9)}, .attr = {INTS(start, 1, 0), INTS(size, 2, 2)},
	 .nattr = 2, .want = M(F32, 2, 2, 4, 5, 7, 8)},
	{R IR_concat, 3, {M(F32, 2, 1, 1, 2), M(F32, 2, 2, 3, 4, 5, 6), M(F32, 2, 0)}, .attr = {INT(axis, 1)},
	 .nattr = 1, .want = M(F32, 2, 3, 1, 3, 4, 2, 5, 6)},
	{R IR_concat, 2, {M(U8, 1, 2, 1, 2), M(U8, 2, 2, 3, 4, 5, 6)}, .attr = {INT(axis, 0)}, .nattr = 1,
	 .want = M(U8, 3, 2, 1, 2, 3, 4, 5, 6)},
	{R IR_gather, 2, {M(F32, 3, 2, 1, 2, 3, 4, 5, 6), V(I32, 4, 2, 0, 99, -1)},
	 .want = M(F32, 4, 2, 5, 6, 1, 2, 5, 6, 1, 2)},
	{R IR_gather, 2, {V(U8, 3, 7, 8, 9), V(I32, 2, 1, 1)}, .want = V(U8, 2, 8, 8)},
	{R IR_scatter, 2, {M(F32, 4, 2, 1, 2, 3, 4, 5, 6, 7, 8), V(I32, 4, 1, 0, 1, 9)}, .attr = {INT(rows, 3)},
	 .nattr = 1, .want = M(F32, 3, 2, 3, 4, 6, 8, 7, 8)},
	{R IR_scatter, 2, {V(I32, 3, 2147483647, 1, 5), V(I32, 3, 0, 0, 1)}, .attr = {INT(rows, 2)}, .nattr = 1,
	 .want = V(I32, 2, -2147483648.0, 5)},
};

/* ---- running a row ------------------------------------------------------------------------------------ */

static const ir_loc nowhere;

static ir_type type_of(const operand *o)
{
	return ir_type_make(o->t, o->rank, o->dim);
}

static rt_tensor tensor_of(const operand *o)
{
	ir_type type = type_of(o);
	rt_tensor t;

	assert_int_equal(rt_tensor_alloc(&t, type), IR_OK);
	for (int64_t i = 0; i < ir_type_count(&type); i++)
		rt_store(o->t, t.data, i, o->v[i]);
	return t;
}

static bool is_equal(double got, double want, double tolerance)
{
	if (isnan(want) || isnan(got))
		return isnan(want) && isnan(got);
	if (tolerance > 0)
		return got == want || fabs(got - want) <= tolerance * fabs(want);
	return got == want && signbit(got) == signbit(want);
}

static void check_row(const row *r, const rt_tensor *out)
{
	ir_type want = type_of(&r->want);

	if (!ir_type_equal(&out->type, &want))
		fail_msg("line %d: %s: wrong type", r->line, ir_op_info(r->op)->name);
	for (int64_t i = 0; i < ir_type_count(&want); i++) {
		double got = rt_load(want.dtype, out->data, i);

		if (!is_equal(got, r->want.v[i], r->tolerance))
			fail_msg("line %d: %s: element %d is %.17g, not %.17g", r->line, ir_op_info(r->op)->name,
				 (int)i, got, r->want.v[i]);
	}
}

static ir_ref leaf(ir_func *f, ir_diag *d, ir_op op, ir_type type)
{
	ir_attr attr[] = {ir_a_type(IR_ATTR_type, type), ir_a_int(IR_ATTR_init, IR_INIT_zeros)};

	is_seen[op] = true;
	return ir_build(f, d, nowhere, op, NULL, 0, attr, op == IR_input ? 1 : 2);
}

static void run_row(const row *r)
{
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	ir_func *f = ir_func_new(a, "f");
	rt_tensor arg[3], out;
	ir_ref ref[3];

	for (int i = 0; i < r->narg; i++) {
		arg[i] = tensor_of(&r->arg[i]);
		ref[i] = leaf(f, d, IR_input, arg[i].type);
	}
	ir_ref y = ir_build(f, d, nowhere, r->op, ref, (size_t)r->narg, r->attr, (size_t)r->nattr);
	if (y == IR_NO_REF)
		fail_msg("line %d: %s: %s", r->line, ir_op_info(r->op)->name, ir_diag_get(d, 0)->text);
	ir_add_output(f, "y", y);
	assert_int_equal(rt_interpret(f, arg, &out), IR_OK);
	check_row(r, &out);
	is_seen[r->op] = true;
	rt_tensor_free(&out);
	for (int i = 0; i < r->narg; i++)
		rt_tensor_free(&arg[i]);
	assert_int_equal(rt_live_bytes(), 0);
	ir_diag_free(d);
	ar_free(a);
}

static void every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		run_row(&rows[i]);
}

/* ---- what the table cannot say ------------------------------------------------------------------------- */

typedef struct program {
	ir_arena *a;
	ir_diag *d;
	ir_func *f;
} program;

static program program_new(void)
{
	ir_arena *a = ar_open();

	return (program){a, ir_diag_new(), ir_func_new(a, "f")};
}

static void program_free(program *p)
{
	ir_diag_free(p->d);
	ar_free(p->a);
}

static void random_ops_are_the_runtime_s(void **state)
{
	const int64_t two = 2, ten = 10;
	program p = program_new();
	ir_attr index = ir_a_int(IR_ATTR_index, 3);
	ir_attr type[] = {ir_a_type(IR_ATTR_type, ir_type_make(IR_F32, 1, &ten)),
			  ir_a_type(IR_ATTR_type, ir_type_make(IR_F64, 1, &ten))};
	rt_key seed = rt_key_seed(42), child = rt_key_split(seed, 3);
	rt_tensor key, out[3];
	float uniform[10];
	double normal[10];

	(void)state;
	assert_int_equal(rt_tensor_alloc(&key, ir_type_make(IR_I32, 1, &two)), IR_OK);
	memcpy(key.data, &seed, sizeof seed);
	ir_ref k = leaf(p.f, p.d, IR_input, key.type);
	ir_ref c = ir_build(p.f, p.d, nowhere, IR_split, &k, 1, &index, 1);
	ir_add_output(p.f, "c", c);
	ir_add_output(p.f, "u", ir_build(p.f, p.d, nowhere, IR_uniform, &c, 1, &type[0], 1));
	ir_add_output(p.f, "n", ir_build(p.f, p.d, nowhere, IR_normal, &c, 1, &type[1], 1));
	assert_int_equal(rt_interpret(p.f, &key, out), IR_OK);
	rt_fill_uniform(child, IR_F32, uniform, 0, 10);
	rt_fill_normal(child, IR_F64, normal, 0, 10);
	assert_memory_equal(out[0].data, &child, sizeof child);
	assert_memory_equal(out[1].data, uniform, sizeof uniform);
	assert_memory_equal(out[2].data, normal, sizeof normal);
	is_seen[IR_split] = is_seen[IR_uniform] = is_seen[IR_normal] = true;
	for (int i = 0; i < 3; i++)
		rt_tensor_free(&out[i]);
	rt_tensor_free(&key);
	program_free(&p);
}

/* w <- w - s x: updates are returned, the leaves stay; one value may be two outputs, and a leaf may be one. */
static program sgd(void)
{
	const int64_t three = 3;
	program p = program_new();
	ir_type t = ir_type_make(IR_F32, 1, &three);
	ir_ref x = leaf(p.f, p.d, IR_input, t), w = leaf(p.f, p.d, IR_param, t);
	ir_ref s = leaf(p.f, p.d, IR_state, ir_type_scalar(IR_F32));
	ir_ref sx = ir_build(p.f, p.d, nowhere, IR_mul, (ir_ref[]){s, x}, 2, NULL, 0);
	ir_ref unused = ir_build(p.f, p.d, nowhere, IR_exp, &sx, 1, NULL, 0);
	ir_ref y = ir_build(p.f, p.d, nowhere, IR_sub, (ir_ref[]){w, sx}, 2, NULL, 0);

	(void)unused;
	ir_add_output(p.f, "y", y);
	ir_add_output(p.f, "z", y);
	ir_add_output(p.f, "x", x);
	ir_add_update(p.f, w, y);
	return p;
}

static void sgd_leaves(rt_tensor in[3])
{
	const operand o[3] = {V(F32, 3, 1, 2, 3), V(F32, 3, 10, 10, 10), S(F32, 0.5)};

	for (int i = 0; i < 3; i++)
		in[i] = tensor_of(&o[i]);
}

static void leaves_are_never_written(void **state)
{
	program p = sgd();
	rt_tensor in[3], out[4];

	(void)state;
	sgd_leaves(in);
	assert_int_equal(rt_interpret(p.f, in, out), IR_OK);
	for (int i = 0; i < 3; i++) {
		assert_true(((float *)in[0].data)[i] == (float)(i + 1));
		assert_true(((float *)in[1].data)[i] == 10);
		assert_true(((float *)out[2].data)[i] == (float)(i + 1));
		for (int o = 0; o < 4; o += o == 1 ? 2 : 1)
			assert_true(((float *)out[o].data)[i] == 10 - 0.5f * (float)(i + 1));
	}
	for (int i = 0; i < 3; i++)
		rt_tensor_free(&in[i]);
	for (int i = 0; i < 4; i++)
		rt_tensor_free(&out[i]);
	assert_int_equal(rt_live_bytes(), 0);
	program_free(&p);
}

typedef struct seen {
	ir_ref next;
	double sum; /* of first elements */
} seen;

static void look(void *ctx, ir_ref i, const rt_tensor *value)
{
	seen *s = ctx;

	assert_int_equal(i, s->next++);
	s->sum += rt_load(value->type.dtype, value->data, 0);
}

/* Leaves too, in order, while they are there. */
static void every_value_is_shown(void **state)
{
	program p = sgd();
	rt_tensor in[3];
	seen s = {0};

	(void)state;
	sgd_leaves(in);
	assert_int_equal(rt_interpret_each(p.f, in, look, &s), IR_OK);
	assert_int_equal(s.next, p.f->n);
	assert_true(s.sum > 1 + 10 + 0.5);
	for (int i = 0; i < 3; i++)
		rt_tensor_free(&in[i]);
	assert_int_equal(rt_live_bytes(), 0);
	program_free(&p);
}

/* Every allocation fails once; nothing stays behind. */
static void every_allocation_fails_once(void **state)
{
	program p = sgd();
	rt_tensor in[3], out[4];
	ir_status s = IR_ENOMEM;
	int n = 0;

	(void)state;
	sgd_leaves(in);
	size_t before = rt_live_bytes();
	while (s != IR_OK) {
		rt_fault_after(++n);
		s = rt_interpret(p.f, in, out);
		rt_fault_after(0);
		if (s == IR_OK)
			break;
		assert_int_equal(s, IR_ENOMEM);
		assert_int_equal(rt_live_bytes(), before);
		for (int i = 0; i < 4; i++)
			assert_null(out[i].data);
	}
	assert_int_equal(n, 8); /* three instructions, four outputs, and the run that succeeds */
	for (int i = 0; i < 4; i++)
		rt_tensor_free(&out[i]);
	for (int i = 0; i < 3; i++)
		rt_tensor_free(&in[i]);
	program_free(&p);
}

/* A chain of 50 needs two tensors at a time, not 50. */
static void dead_values_are_freed(void **state)
{
	const int64_t n = 1000;
	program p = program_new();
	rt_tensor x, y;

	(void)state;
	assert_int_equal(rt_tensor_alloc(&x, ir_type_make(IR_F64, 1, &n)), IR_OK);
	ir_ref r = leaf(p.f, p.d, IR_input, x.type);
	for (int i = 0; i < 50; i++)
		r = ir_build(p.f, p.d, nowhere, IR_add, (ir_ref[]){r, r}, 2, NULL, 0);
	ir_add_output(p.f, "y", r);
	rt_set_budget(3 * 8000 + 64);
	assert_int_equal(rt_interpret(p.f, &x, &y), IR_OK);
	rt_set_budget(0);
	rt_tensor_free(&x);
	rt_tensor_free(&y);
	program_free(&p);
}

static void every_op_has_a_row(void **state)
{
	(void)state;
	for (int op = 0; op < IR_OP_COUNT; op++)
		if (!is_seen[op])
			fail_msg("no row for op %s", ir_op_info((ir_op)op)->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row), cmocka_unit_test(random_ops_are_the_runtime_s),
		cmocka_unit_test(leaves_are_never_written), cmocka_unit_test(every_value_is_shown),
		cmocka_unit_test(every_allocation_fails_once),
		cmocka_unit_test(dead_values_are_freed), cmocka_unit_test(every_op_has_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
