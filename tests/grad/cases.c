/* SPDX-License-Identifier: Apache-2.0
 * tests/grad/cases.c -- the shapes, attributes and operand ranges at which every op is differentiated: one maker per
 * word of the shape column of ops.def, so that a new op of a known shape needs no line here unless it has a kink. */
#include "tests/grad/cases.h"

typedef struct row {
	range range;
	bool smooth;
} row;

static const ir_type single[] = {F(0), F(1, 1), F(1, 7), F(2, 3, 5), F(2, 1, 17), F(3, 2, 3, 4), F(3, 1, 5, 1), F(2, 0, 3), F(1, 33)};
static const ir_type pairs[][2] = {
	{F(0), F(0)}, {F(1, 7), F(1, 7)}, {F(1, 5), F(0)}, {F(0), F(1, 5)}, {F(2, 3, 5), F(1, 5)}, {F(1, 5), F(2, 3, 5)},
	{F(2, 3, 1), F(2, 1, 4)}, {F(3, 2, 3, 4), F(2, 3, 1)}, {F(2, 1, 17), F(3, 3, 2, 1)}, {F(2, 0, 3), F(1, 3)},
	{F(1, 1), F(3, 2, 1, 9)}};

#define EACH(v, i) for (size_t i = 0; i < sizeof(v) / sizeof *(v); i++)

static instance with(ir_op op, row r)
{
	return (instance){.op = op, .smooth = r.smooth, .nx = ir_op_info(op)->args, .x = {{r.range, F(0)}, {r.range, F(0)}, {r.range, F(0)}}};
}

static void cases_same(ir_op op, row r)
{
	instance c = with(op, r);

	EACH(single, i) {
		c.x[0].type = single[i];
		tg_run(&c);
	}
}

static void cases_float(ir_op op, row r)
{
	cases_same(op, r);
}

static void cases_bcast(ir_op op, row r)
{
	instance c = with(op, r);

	EACH(pairs, i) {
		c.x[0].type = pairs[i][0], c.x[1].type = pairs[i][1];
		tg_run(&c);
	}
}

static void cases_compare(ir_op op, row r)
{
	(void)op, (void)r; /* no float result: nothing to differentiate; see zero_rows */
}

static void cases_select(ir_op op, row r)
{
	instance c = with(op, r);

	EACH(pairs, i)
	for (int way = 0; way < 2; way++) {
		c.x[0].type = pairs[i][way], c.x[1].type = pairs[i][0], c.x[2].type = pairs[i][1];
		c.x[0].type.dtype = IR_BOOL;
		tg_run(&c);
	}
}

static void cases_cast(ir_op op, row r)
{
	instance c = with(op, r);

	c.nattr = 1;
	EACH(single, i) {
		c.x[0].type = single[i];
		c.attr[0] = ir_a_type(IR_ATTR_type, ir_type_scalar(IR_F64));
		tg_run(&c);
	}
}

static void cases_reduce(ir_op op, row r)
{
	static const ir_type x[] = {F(1, 1), F(1, 9), F(2, 3, 5), F(2, 17, 1), F(3, 2, 3, 4), F(2, 0, 3)};
	instance c = with(op, r);

	c.nattr = 1;
	EACH(x, i)
	for (int mask = 0; mask < 1 << x[i].rank; mask++) {
		int64_t axis[3];
		int n = 0;

		for (int d = 0; d < x[i].rank; d++)
			if (mask >> d & 1)
				axis[n++] = d;
		if (op != IR_sum && (mask & 1) && x[i].dim[0] == 0)
			continue; /* amax refuses it, the mean of nothing is 0 / 0 */
		c.x[0].type = x[i];
		c.attr[0] = ir_a_ints(IR_ATTR_axes, n, axis);
		tg_run(&c);
	}
}

static void cases_panels(ir_op op, row r)
{
	static const ir_type x[] = {F(2, 3, 64), F(2, 1, 65), F(2, 5, 130), F(2, 2, 3), F(2, 0, 70), F(2, 4, 0), F(2, 1, 1), F(2, 7, 128), F(2, 2, 200)};
	instance c = with(op, r);

	EACH(x, i) {
		c.x[0].type = x[i];
		tg_run(&c);
	}
}

static void cases_matmul(ir_op op, row r)
{
	static const int64_t mkn[][3] = {{1, 1, 1}, {3, 5, 2}, {1, 7, 4}, {7, 1, 3}, {4, 3, 17}, {2, 0, 3}, {9, 8, 1}};
	instance c = with(op, r);

	c.nattr = 2;
	EACH(mkn, i)
	for (int way = 0; way < 4; way++) {
		int64_t m = mkn[i][0], k = mkn[i][1], n = mkn[i][2];
		int ta = way & 1, tb = way >> 1;

		c.attr[0] = ir_a_int(IR_ATTR_ta, ta), c.attr[1] = ir_a_int(IR_ATTR_tb, tb);
		c.x[0].type = ir_type_make(IR_F64, 2, ta ? (int64_t[]){k, m} : (int64_t[]){m, k});
		c.x[1].type = ir_type_make(IR_F64, 2, tb ? (int64_t[]){n, k} : (int64_t[]){k, n});
		tg_run(&c);
	}
}

/* x in and the type attribute out, for reshape and broadcast. */
static void views(ir_op op, row r, const ir_type (*v)[2], size_t n)
{
	instance c = with(op, r);

	c.nattr = 1;
	for (size_t i = 0; i < n; i++) {
		c.x[0].type = v[i][0];
		c.attr[0] = ir_a_ints(IR_ATTR_shape, v[i][1].rank, v[i][1].dim);
		tg_run(&c);
	}
}

static void cases_reshape(ir_op op, row r)
{
	static const ir_type v[][2] = {{F(0), F(1, 1)}, {F(1, 1), F(0)}, {F(2, 3, 5), F(1, 15)}, {F(1, 12), F(3, 2, 3, 2)},
				       {F(3, 2, 3, 4), F(2, 6, 4)}, {F(2, 4, 6), F(3, 8, 1, 3)}, {F(2, 0, 3), F(1, 0)},
				       {F(2, 1, 7), F(2, 7, 1)}};

	views(op, r, v, sizeof v / sizeof *v);
}

static void cases_to(ir_op op, row r)
{
	static const ir_type v[][2] = {{F(0), F(1, 5)}, {F(0), F(0)}, {F(1, 1), F(2, 3, 4)}, {F(1, 5), F(2, 3, 5)},
				       {F(2, 3, 1), F(2, 3, 5)}, {F(2, 1, 5), F(3, 2, 3, 5)}, {F(3, 2, 1, 3), F(3, 2, 4, 3)},
				       {F(1, 3), F(2, 0, 3)}, {F(2, 1, 1), F(2, 7, 9)}};

	views(op, r, v, sizeof v / sizeof *v);
}

static void cases_perm(ir_op op, row r)
{
	static const int64_t perm[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const ir_type flat[] = {F(0), F(1, 7), F(2, 3, 5), F(2, 1, 9), F(2, 0, 2)};
	instance c = with(op, r);

	c.nattr = 1;
	EACH(perm, i) {
		c.x[0].type = (ir_type)F(3, 2, 3, 5);
		c.attr[0] = ir_a_ints(IR_ATTR_perm, 3, perm[i]);
		tg_run(&c);
	}
	EACH(flat, i) {
		c.x[0].type = flat[i];
		c.attr[0] = ir_a_ints(IR_ATTR_perm, flat[i].rank, flat[i].rank == 2 ? (int64_t[]){1, 0} : (int64_t[]){0, 1});
		tg_run(&c);
	}
}

static void cases_slice(ir_op op, row r)
{
	static const struct {
		ir_type x;
		int64_t start[3], size[3];
	} v[] = {{F(1, 7), {0}, {7}}, {F(1, 7), {2}, {3}}, {F(1, 7), {6}, {1}}, {F(2, 3, 5), {1, 0}, {2, 5}},
		 {F(2, 3, 5), {0, 2}, {3, 2}}, {F(2, 3, 5), {1, 1}, {1, 3}}, {F(3, 2, 3, 4), {0, 1, 2}, {2, 1, 2}},
		 {F(2, 4, 4), {1, 1}, {0, 2}}, {F(0), {0}, {0}}};
	instance c = with(op, r);

	c.nattr = 2;
	EACH(v, i) {
		c.x[0].type = v[i].x;
		c.attr[0] = ir_a_ints(IR_ATTR_start, v[i].x.rank, v[i].start);
		c.attr[1] = ir_a_ints(IR_ATTR_size, v[i].x.rank, v[i].size);
		tg_run(&c);
	}
}

static void cases_concat(ir_op op, row r)
{
	static const struct {
		int n, axis;
		ir_type x[3];
	} v[] = {{1, 0, {F(1, 4)}}, {2, 0, {F(1, 4), F(1, 1)}}, {3, 0, {F(1, 4), F(1, 0), F(1, 2)}}, {2, 0, {F(2, 2, 3), F(2, 1, 3)}},
		 {2, 1, {F(2, 2, 3), F(2, 2, 7)}}, {3, 1, {F(2, 3, 1), F(2, 3, 2), F(2, 3, 1)}},
		 {2, 1, {F(3, 2, 3, 4), F(3, 2, 1, 4)}}, {2, 2, {F(3, 2, 3, 4), F(3, 2, 3, 1)}}};
	instance c = with(op, r);

	c.nattr = 1;
	EACH(v, i) {
		c.nx = v[i].n;
		for (int k = 0; k < c.nx; k++)
			c.x[k] = (in){r.range, v[i].x[k]};
		c.attr[0] = ir_a_int(IR_ATTR_axis, v[i].axis);
		tg_run(&c);
	}
}

/* Tables of 1 to 5 rows; indices from -1 to 2, so some are clamped and some repeat. */
static void tables(ir_op op, row r, bool by_index)
{
	static const ir_type v[] = {F(1, 5), F(1, 1), F(2, 5, 3), F(2, 1, 7), F(2, 3, 1), F(3, 3, 2, 2), F(2, 4, 17), F(2, 2, 0)};
	instance c = with(op, r);

	EACH(v, i) {
		int64_t n = by_index ? (int64_t)i : v[i].dim[0];

		c.x[0].type = v[i];
		c.x[1].type = ir_type_make(IR_I32, 1, &n);
		c.nattr = !by_index;
		c.attr[0] = ir_a_int(IR_ATTR_rows, 1 + (int64_t)i % 3);
		tg_run(&c);
	}
}

static void cases_gather(ir_op op, row r)
{
	tables(op, r, true);
}

static void cases_scatter(ir_op op, row r)
{
	tables(op, r, false);
}

/* Leaves, iota and random ops have no float operand; the walk below looks at their rows. */
static void cases_type(ir_op op, row r)
{
	(void)op, (void)r;
}

static void cases_iota(ir_op op, row r)
{
	(void)op, (void)r;
}

static void cases_split(ir_op op, row r)
{
	(void)op, (void)r;
}

static void cases_random(ir_op op, row r)
{
	(void)op, (void)r;
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

typedef void cases_fn(ir_op op, row r);

static cases_fn *const cases_of[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) [IR_##name] = cases_##shape,
#include "ir/ops.def"
#undef OP
};

/* Where the operands of an op may lie. A new op with a domain or a kink of its own needs a line. */
static row row_of(ir_op op)
{
	switch ((int)op) {
	case IR_div: return (row){AWAY, true};
	case IR_log: case IR_sqrt: return (row){POSITIVE, true};
	case IR_max: case IR_min: case IR_amax: case IR_relu: return (row){APART, false};
	}
	return (row){PLAIN, true};
}

void tg_cases(ir_op op)
{
	cases_of[op](op, row_of(op));
}
