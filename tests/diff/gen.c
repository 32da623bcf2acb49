/* SPDX-License-Identifier: Apache-2.0
 * tests/diff/gen.c -- random valid programs. An op is drawn from ops.def and made by its shape column, so a new op of a known
 * shape is generated without an edit here. Values are computed while the program grows: what is too large, not finite, or
 * known too badly to be worth comparing is left as dead code. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tests/diff/diff.h"

#define MAX_INS 400

typedef struct gen {
	ir_func *f;
	ir_arena *a;
	td_value *val;
	uint64_t seed, drawn;
	bool large;    /* one program in eight: enough work for several threads, sums long enough to be split */
	int64_t limit; /* elements of one value */
	rt_key k;
	ir_ref pool[MAX_INS], key[MAX_INS];
	size_t npool, nkey, names;
} gen;

typedef ir_ref make_fn(gen *g, ir_op op);

static int64_t rnd(gen *g, int64_t n)
{
	return n <= 1 ? 0 : (int64_t)rt_random_below(g->k, g->drawn++, (uint64_t)n);
}

static bool chance(gen *g, int percent)
{
	return rnd(g, 100) < percent;
}

static const ir_type *type_of(const gen *g, ir_ref r)
{
	return &g->f->ins[r].type;
}

/* Finite, of modest size, and known well in nine elements of ten. */
static bool is_tame(const gen *g, ir_ref r)
{
	const td_value *x = &g->val[r];
	int64_t n = ir_type_count(&x->v.type), vague = 0;

	for (int64_t i = 0; i < n; i++) {
		double v = fabs(rt_load(x->v.type.dtype, x->v.data, i));

		if (!isfinite(v) || (ir_dtype_is_float(x->v.type.dtype) && v > 1e4))
			return false;
		vague += !(x->e[i] <= 1e-3 * fmax(1, v));
	}
	return vague * 10 <= n;
}

/* Appends and evaluates. IR_NO_REF if it does not fit; what is not tame stays as dead code and is not offered. */
static ir_ref put(gen *g, ir_op op, const ir_ref *arg, size_t narg, const ir_attr *attr, size_t nattr)
{
	ir_ref r;

	if (g->f->n >= MAX_INS - 8)
		return IR_NO_REF;
	r = ir_build(g->f, NULL, (ir_loc){0}, op, arg, narg, attr, nattr);
	if (r == IR_NO_REF)
		return r;
	if (ir_type_count(type_of(g, r)) > g->limit || type_of(g, r)->rank > 3) {
		g->f->n--;
		return IR_NO_REF;
	}
	if (ir_is_leaf(g->f, r)) {
		char name[32];

		snprintf(name, sizeof name, "%s%zu", op == IR_input ? "x" : op == IR_param ? "w" : "s", g->names++);
		ir_set_name(g->f, r, name);
	}
	td_value_of(g->a, g->f, g->val, r, g->seed);
	if (!is_tame(g, r))
		return IR_NO_REF;
	g->pool[g->npool++] = r;
	return r;
}

static ir_ref put1(gen *g, ir_op op, ir_ref x)
{
	return x == IR_NO_REF ? x : put(g, op, &x, 1, NULL, 0);
}

static ir_ref put2(gen *g, ir_op op, ir_ref x, ir_ref y)
{
	return x == IR_NO_REF || y == IR_NO_REF ? IR_NO_REF : put(g, op, (ir_ref[]){x, y}, 2, NULL, 0);
}

static ir_ref number(gen *g, double v, ir_dtype t)
{
	ir_attr at[] = {ir_a_float(IR_ATTR_value, v), ir_a_type(IR_ATTR_type, ir_type_scalar(t))};

	return put(g, IR_constant, NULL, 0, at, 2);
}

/* ---- types and leaves ----------------------------------------------------------------------------------------- */

static int64_t dim(gen *g)
{
	static const int64_t often[] = {1, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 37, 40, 48, 49};

	if (g->large && chance(g, 60))
		return (int64_t[]){64, 65, 96, 100, 127, 129, 144, 200}[rnd(g, 8)];
	return chance(g, 1) ? 0 : chance(g, 70) ? often[rnd(g, sizeof often / sizeof *often)] : 1 + rnd(g, 40);
}

static ir_type shape(gen *g, int rank)
{
	ir_type t = {.rank = rank};

	do
		for (int i = 0; i < rank; i++)
			t.dim[i] = dim(g);
	while (ir_type_count(&t) > g->limit);
	return t;
}

static int some_rank(gen *g)
{
	return (int[]){0, 1, 1, 2, 2, 2, 2, 2, 3, 3}[rnd(g, 10)];
}

typedef enum want { FLOATS, NUMBERS, ANYTHING, BOOLS, INTS } want;

static ir_dtype some_dtype(gen *g, want w)
{
	switch (w) {
	case FLOATS: return chance(g, 60) ? IR_F32 : IR_F64;
	case NUMBERS: return chance(g, 80) ? some_dtype(g, FLOATS) : IR_I32;
	case ANYTHING: return chance(g, 80) ? some_dtype(g, NUMBERS) : chance(g, 60) ? IR_BOOL : IR_U8;
	case BOOLS: return IR_BOOL;
	case INTS: return IR_I32;
	}
	return IR_F32;
}

static bool fits(ir_dtype t, want w)
{
	bool is_float = ir_dtype_is_float(t), is_int = t == IR_I32;

	return w == ANYTHING || (w == FLOATS ? is_float : w == NUMBERS ? is_float || is_int : w == INTS ? is_int : t == IR_BOOL);
}

static ir_ref leaf(gen *g, ir_op op, ir_type t)
{
	ir_attr at[] = {ir_a_type(IR_ATTR_type, t)};

	if (op == IR_param && !ir_dtype_is_float(t.dtype))
		op = IR_state;
	return put(g, op, NULL, 0, at, 1);
}

static ir_ref new_leaf(gen *g, ir_type t)
{
	return leaf(g, (ir_op[]){IR_input, IR_param, IR_state}[rnd(g, 3)], t);
}

static ir_ref pick(gen *g, want w, int min_rank, int max_rank)
{
	ir_type t;

	for (int tries = 0; tries < 30 && g->npool; tries++) {
		size_t back = (size_t)rnd(g, chance(g, 50) && g->npool > 8 ? 8 : (int64_t)g->npool);
		ir_ref r = g->pool[g->npool - 1 - back];

		if (fits(type_of(g, r)->dtype, w) && type_of(g, r)->rank >= min_rank && type_of(g, r)->rank <= max_rank)
			return r;
	}
	t = shape(g, min_rank > 0 ? min_rank + (int)rnd(g, max_rank - min_rank + 1) : some_rank(g));
	t.dtype = some_dtype(g, w);
	return new_leaf(g, t);
}

static ir_ref find_type(gen *g, const ir_type *t)
{
	size_t from = (size_t)rnd(g, (int64_t)g->npool);

	for (size_t i = 0; i < g->npool; i++) {
		ir_ref r = g->pool[(from + i) % g->npool];

		if (ir_type_equal(type_of(g, r), t) && chance(g, 60))
			return r;
	}
	return IR_NO_REF;
}

static bool joins(const ir_type *a, const ir_type *b)
{
	for (int i = 1; i <= a->rank && i <= b->rank; i++) {
		int64_t m = a->dim[a->rank - i], n = b->dim[b->rank - i];

		if (m != n && m != 1 && n != 1)
			return false;
	}
	return true;
}

/* Something of dtype t that broadcasts with shape. */
static ir_ref partner(gen *g, const ir_type *to, ir_dtype t)
{
	ir_type s = *to;
	int drop;

	for (int tries = 0; tries < 20 && chance(g, 95); tries++) {
		ir_ref r = g->pool[rnd(g, (int64_t)g->npool)];

		if (type_of(g, r)->dtype == t && joins(type_of(g, r), to))
			return r;
	}
	if (chance(g, 30))
		return number(g, (double[]){0, 1, -1, 2, 3, 0}[rnd(g, t == IR_BOOL ? 2 : 6)], t);
	s.dtype = t;
	drop = chance(g, 40) ? (int)rnd(g, s.rank + 1) : 0;
	s.rank -= drop;
	memmove(s.dim, s.dim + drop, (size_t)s.rank * sizeof *s.dim);
	for (int i = 0; i < s.rank; i++)
		s.dim[i] = chance(g, 25) ? 1 : s.dim[i];
	return new_leaf(g, s);
}

/* ---- guards: keep functions away from where they are infinite ----------------------------------------------------- */

static bool all(const gen *g, ir_ref r, double lo, double hi)
{
	const td_value *x = &g->val[r];

	for (int64_t i = 0; i < ir_type_count(&x->v.type); i++) {
		double v = rt_load(x->v.type.dtype, x->v.data, i);

		if (!(v >= lo && v <= hi))
			return false;
	}
	return true;
}

static ir_ref positive(gen *g, ir_ref x)
{
	if (x == IR_NO_REF || all(g, x, 0.2, 1e4))
		return x;
	ir_ref half = number(g, 0.5, type_of(g, x)->dtype);
	return put2(g, IR_add, put2(g, IR_mul, x, x), half);
}

static ir_ref below(gen *g, ir_ref x, double hi)
{
	if (x == IR_NO_REF || all(g, x, -1e4, hi))
		return x;
	return put2(g, IR_min, x, number(g, hi, type_of(g, x)->dtype));
}

/* ---- one maker per word of the shape column --------------------------------------------------------------------- */

static ir_ref make_type(gen *g, ir_op op)
{
	ir_type t = shape(g, some_rank(g));
	ir_attr at[2];

	t.dtype = some_dtype(g, op == IR_param ? FLOATS : ANYTHING);
	if (op != IR_constant) {
		if (op != IR_input && chance(g, 40))
			leaf(g, op, t); /* a twin, to be swapped with */
		return leaf(g, op, t);
	}
	at[0] = ir_a_float(IR_ATTR_value, (double[]){0, 1, 2, -1, 3}[rnd(g, t.dtype == IR_BOOL ? 2 : t.dtype == IR_U8 ? 3 : 5)]);
	at[1] = ir_a_type(IR_ATTR_type, t);
	return put(g, op, NULL, 0, at, 2);
}

static ir_ref make_iota(gen *g, ir_op op)
{
	ir_type t = shape(g, 1 + (int)rnd(g, 3));
	ir_attr at[2];

	t.dtype = some_dtype(g, NUMBERS);
	at[0] = ir_a_int(IR_ATTR_axis, rnd(g, t.rank));
	at[1] = ir_a_type(IR_ATTR_type, t);
	return put(g, op, NULL, 0, at, 2);
}

static ir_ref make_bcast(gen *g, ir_op op)
{
	ir_ref x = pick(g, NUMBERS, 0, 3), y;

	if (x == IR_NO_REF)
		return x;
	y = partner(g, type_of(g, x), type_of(g, x)->dtype);
	if (op == IR_div && y != IR_NO_REF && ir_dtype_is_float(type_of(g, y)->dtype))
		y = positive(g, y);
	else if (chance(g, 50))
		return put2(g, op, y, x);
	return put2(g, op, x, y);
}

static ir_ref make_same(gen *g, ir_op op)
{
	return put1(g, op, pick(g, op == IR_stop_gradient ? ANYTHING : NUMBERS, 0, 3));
}

static ir_ref make_float(gen *g, ir_op op)
{
	ir_ref x = pick(g, FLOATS, 0, 3);

	if (op == IR_log || op == IR_sqrt)
		x = positive(g, x);
	if (op == IR_exp)
		x = below(g, x, 4);
	return put1(g, op, x);
}

static ir_ref make_compare(gen *g, ir_op op)
{
	ir_ref x = pick(g, NUMBERS, 0, 3), y;
	ir_attr at = ir_a_int(IR_ATTR_dir, rnd(g, IR_CMP_COUNT));

	if (x == IR_NO_REF)
		return x;
	y = partner(g, type_of(g, x), type_of(g, x)->dtype);
	return y == IR_NO_REF ? y : put(g, op, (ir_ref[]){x, y}, 2, &at, 1);
}

static ir_ref make_select(gen *g, ir_op op)
{
	ir_ref x = pick(g, NUMBERS, 0, 3), y, c;
	ir_type t;

	if (x == IR_NO_REF)
		return x;
	t = *type_of(g, x);
	y = partner(g, &t, t.dtype);
	c = partner(g, &t, IR_BOOL);
	if (y == IR_NO_REF || c == IR_NO_REF)
		return IR_NO_REF;
	return put(g, op, chance(g, 50) ? (ir_ref[]){c, x, y} : (ir_ref[]){c, y, x}, 3, NULL, 0);
}

static ir_ref make_cast(gen *g, ir_op op)
{
	ir_ref x = pick(g, ANYTHING, 0, 3);
	ir_attr at = ir_a_type(IR_ATTR_type, ir_type_scalar(some_dtype(g, ANYTHING)));

	return x == IR_NO_REF ? x : put(g, op, &x, 1, &at, 1);
}

static ir_ref make_reduce(gen *g, ir_op op)
{
	ir_ref x = pick(g, op == IR_mean ? FLOATS : NUMBERS, chance(g, 90), 3);
	int64_t axis[IR_MAX_RANK];
	ir_attr at;
	int n = 0, mask;

	if (x == IR_NO_REF)
		return x;
	mask = (int)rnd(g, 1 << type_of(g, x)->rank);
	if (mask == 0 && chance(g, 80))
		mask = 7;
	for (int i = 0; i < type_of(g, x)->rank; i++)
		if (mask >> i & 1)
			axis[n++] = i;
	at = ir_a_ints(IR_ATTR_axes, n, axis);
	return put(g, op, &x, 1, &at, 1);
}

static ir_ref make_panels(gen *g, ir_op op)
{
	return put1(g, op, pick(g, FLOATS, 2, 2));
}

static ir_ref find_factor(gen *g, ir_dtype t, int64_t k, bool tb)
{
	for (int tries = 0; tries < 20; tries++) {
		ir_ref r = g->pool[rnd(g, (int64_t)g->npool)];

		if (type_of(g, r)->dtype == t && type_of(g, r)->rank == 2 && type_of(g, r)->dim[tb] == k)
			return r;
	}
	return IR_NO_REF;
}

static ir_ref make_matmul(gen *g, ir_op op)
{
	ir_ref x = pick(g, FLOATS, 2, 2), y;
	bool ta = chance(g, 40), tb = chance(g, 40);
	ir_attr at[] = {ir_a_int(IR_ATTR_ta, ta), ir_a_int(IR_ATTR_tb, tb)};
	ir_type t;
	int64_t k, n = dim(g);

	if (x == IR_NO_REF)
		return x;
	t = *type_of(g, x);
	k = t.dim[!ta];
	y = find_factor(g, t.dtype, k, tb);
	if (y == IR_NO_REF) {
		t.dim[tb] = k, t.dim[!tb] = n;
		y = ir_type_count(&t) <= g->limit ? new_leaf(g, t) : IR_NO_REF;
	}
	return y == IR_NO_REF ? y : put(g, op, (ir_ref[]){x, y}, 2, at, 2);
}

static int64_t divisor(gen *g, int64_t n)
{
	int64_t d[128];
	int count = 0;

	for (int64_t i = 1; i <= n && count < 128; i++)
		if (n % i == 0)
			d[count++] = i;
	return count ? d[rnd(g, count)] : 0;
}

static ir_ref reshape_of(gen *g, ir_op op, ir_ref x)
{
	int64_t n, to[3];
	ir_attr at;
	int rank = 1 + (int)rnd(g, 3);

	if (x == IR_NO_REF)
		return x;
	n = ir_type_count(type_of(g, x));
	for (int i = 0; i < rank; i++) {
		to[i] = i == rank - 1 ? n : divisor(g, n);
		n = to[i] ? n / to[i] : n;
	}
	at = ir_a_ints(IR_ATTR_shape, n == 1 && chance(g, 50) && ir_type_count(type_of(g, x)) == 1 ? 0 : rank, to);
	return put(g, op, &x, 1, &at, 1);
}

static ir_ref make_reshape(gen *g, ir_op op)
{
	return reshape_of(g, op, pick(g, ANYTHING, 0, 3));
}

static ir_ref perm_of(gen *g, ir_op op, ir_ref x)
{
	int64_t p[] = {0, 1, 2};
	ir_attr at;
	int rank;

	if (x == IR_NO_REF)
		return x;
	rank = type_of(g, x)->rank;
	for (int i = rank; i-- > 1;) {
		int64_t j = rnd(g, i + 1), swap = p[i];

		p[i] = p[j], p[j] = swap;
	}
	if (rank > 1 && p[0] == 0 && p[rank - 1] == rank - 1 && chance(g, 80)) /* not the identity */
		p[0] = rank - 1, p[rank - 1] = 0;
	at = ir_a_ints(IR_ATTR_perm, rank, p);
	return put(g, op, &x, 1, &at, 1);
}

static ir_ref make_perm(gen *g, ir_op op)
{
	return perm_of(g, op, pick(g, ANYTHING, chance(g, 80) ? 2 : 0, 3));
}

static ir_ref to_of(gen *g, ir_op op, ir_ref x)
{
	int64_t to[3];
	ir_attr at;
	int rank, extra;

	if (x == IR_NO_REF)
		return x;
	rank = type_of(g, x)->rank;
	extra = (int)rnd(g, 4 - rank);
	for (int i = 0; i < rank + extra; i++) {
		to[i] = i < extra ? dim(g) : type_of(g, x)->dim[i - extra];
		to[i] = to[i] == 1 ? dim(g) : to[i];
	}
	at = ir_a_ints(IR_ATTR_shape, rank + extra, to);
	return put(g, op, &x, 1, &at, 1);
}

static ir_ref make_to(gen *g, ir_op op)
{
	return to_of(g, op, pick(g, ANYTHING, 0, 3));
}

static ir_ref slice_of(gen *g, ir_op op, ir_ref x)
{
	int64_t start[3], size[3], whole;
	bool strip = chance(g, 25); /* one row or column: contiguous next to a transpose where the whole is not */
	ir_attr at[2];
	int rank;

	if (x == IR_NO_REF)
		return x;
	rank = type_of(g, x)->rank;
	whole = rnd(g, rank);
	for (int i = 0; i < rank; i++) {
		int64_t n = type_of(g, x)->dim[i];

		start[i] = chance(g, 40) ? 0 : rnd(g, n);
		size[i] = chance(g, 40) ? n - start[i] : chance(g, 97) ? 1 + rnd(g, n - start[i]) : 0;
		if (strip && n > 0)
			start[i] = i == whole ? 0 : start[i], size[i] = i == whole ? n : 1;
		size[i] = size[i] > n - start[i] ? n - start[i] : size[i];
	}
	at[0] = ir_a_ints(IR_ATTR_start, rank, start), at[1] = ir_a_ints(IR_ATTR_size, rank, size);
	return put(g, op, &x, 1, at, 2);
}

static ir_ref make_slice(gen *g, ir_op op)
{
	return slice_of(g, op, pick(g, ANYTHING, chance(g, 90), 3));
}

static ir_ref make_concat(gen *g, ir_op op)
{
	ir_ref part[4], x = pick(g, ANYTHING, 1, 3);
	size_t n = 1 + (size_t)rnd(g, 4);
	ir_attr at;

	if (x == IR_NO_REF)
		return x;
	at = ir_a_int(IR_ATTR_axis, rnd(g, type_of(g, x)->rank));
	for (size_t i = 0; i < n; i++) {
		ir_type t = *type_of(g, x);

		t.dim[at.i] = chance(g, 50) ? t.dim[at.i] : dim(g);
		part[i] = find_type(g, &t);
		if (part[i] == IR_NO_REF)
			part[i] = ir_type_count(&t) <= g->limit && chance(g, 30) ? new_leaf(g, t) : x;
		if (part[i] == IR_NO_REF)
			return IR_NO_REF;
	}
	part[rnd(g, (int64_t)n)] = x;
	return put(g, op, part, n, &at, 1);
}

static ir_ref index_of(gen *g, int64_t n)
{
	ir_type t = ir_type_make(IR_I32, 1, &n);
	ir_ref r = find_type(g, &t);

	return r == IR_NO_REF ? new_leaf(g, t) : r;
}

static ir_ref make_gather(gen *g, ir_op op)
{
	ir_ref x = pick(g, ANYTHING, 1, 3), i;

	if (x == IR_NO_REF)
		return x;
	i = chance(g, 40) ? pick(g, INTS, 1, 1) : index_of(g, dim(g));
	return put2(g, op, x, i);
}

static ir_ref make_scatter(gen *g, ir_op op)
{
	ir_ref x = pick(g, NUMBERS, 1, 3), i;
	ir_attr at = ir_a_int(IR_ATTR_rows, 1 + rnd(g, 40));

	if (x == IR_NO_REF)
		return x;
	i = index_of(g, type_of(g, x)->dim[0]);
	return i == IR_NO_REF ? i : put(g, op, (ir_ref[]){x, i}, 2, &at, 1);
}

static ir_ref a_key(gen *g)
{
	ir_type t = ir_type_make(IR_I32, 1, (int64_t[]){2});

	if (g->nkey == 0 || chance(g, 20)) {
		ir_ref r = new_leaf(g, t);

		if (r == IR_NO_REF)
			return r;
		g->key[g->nkey++] = r;
	}
	return g->key[rnd(g, (int64_t)g->nkey)];
}

static ir_ref make_split(gen *g, ir_op op)
{
	ir_ref k = a_key(g), r;
	ir_attr at = ir_a_int(IR_ATTR_index, rnd(g, 5));

	if (k == IR_NO_REF)
		return k;
	r = put(g, op, &k, 1, &at, 1);
	if (r != IR_NO_REF)
		g->key[g->nkey++] = r;
	return r;
}

static ir_ref make_random(gen *g, ir_op op)
{
	ir_ref k = chance(g, 60) ? make_split(g, IR_split) : a_key(g);
	ir_attr at;
	ir_type t = shape(g, some_rank(g));

	t.dtype = some_dtype(g, FLOATS);
	at = ir_a_type(IR_ATTR_type, t);
	return k == IR_NO_REF ? k : put(g, op, &k, 1, &at, 1);
}

static make_fn *const maker_of[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) [IR_##name] = make_##shape,
#include "ir/ops.def"
#undef OP
};

/* ---- views of views ------------------------------------------------------------------------------------------------- */

/* A tree of views over one value, with several readers each: what one reader needs decides where the others find it. */
static size_t view_tree(gen *g)
{
	static const ir_op op[] = {IR_transpose, IR_slice, IR_slice, IR_broadcast, IR_reshape, IR_reshape, IR_reshape};
	static ir_ref (*const view[])(gen *, ir_op, ir_ref) = {perm_of, slice_of, slice_of, to_of, reshape_of, reshape_of, reshape_of};
	ir_ref node[10];
	int n = 1, size = 5 + (int)rnd(g, 5);

	node[0] = pick(g, ANYTHING, 2, 3);
	for (int tries = 0; node[0] != IR_NO_REF && n < size && tries < 20; tries++) {
		int64_t k = n == 1 && chance(g, 60) ? 0 : rnd(g, sizeof op / sizeof *op);
		ir_ref r = view[k](g, op[k], node[chance(g, 50) ? n - 1 : rnd(g, n < 3 ? n : 3)]);

		if (r != IR_NO_REF)
			node[n++] = r;
	}
	for (int i = 1; i < n; i++)
		if (chance(g, g->f->ins[node[i]].op == IR_reshape ? 80 : 25)) /* what is not read is dead */
			ir_add_output(g->f, ar_printf(g->a, "v%zu", g->f->nout), node[i]);
		else if (fits(type_of(g, node[i])->dtype, NUMBERS) && chance(g, 40))
			put1(g, IR_neg, node[i]);
	return (size_t)n;
}

/* ---- outputs and updates -------------------------------------------------------------------------------------------- */

static bool is_updated(const gen *g, ir_ref s)
{
	for (size_t i = 0; i < g->f->nout; i++)
		if (g->f->out[i].state == s)
			return true;
	return false;
}

static void add_outputs(gen *g)
{
	int n = 1 + (int)rnd(g, 6);

	for (int i = 0; i < n; i++) {
		size_t back = (size_t)rnd(g, chance(g, 70) && g->npool > 12 ? 12 : (int64_t)g->npool);
		ir_ref r = g->pool[g->npool - 1 - back];

		ir_add_output(g->f, ar_printf(g->a, "o%d", i), r);
		if (chance(g, 10))
			ir_add_output(g->f, ar_printf(g->a, "again%d", i), r);
	}
}

/* A value for state s: another state of its type and back, anything of its type, or a step of an optimiser. */
static void add_update(gen *g, ir_ref s)
{
	ir_type t = *type_of(g, s);
	ir_ref v = find_type(g, &t);

	if (v != IR_NO_REF && v != s && g->f->ins[v].op != IR_input && ir_is_leaf(g->f, v) && !is_updated(g, v) && chance(g, 70))
		ir_add_update(g->f, v, s);
	else if (v == IR_NO_REF || chance(g, 60))
		v = t.dtype == IR_BOOL || t.dtype == IR_U8 ? v : put2(g, IR_add, s, partner(g, &t, t.dtype));
	if (v != IR_NO_REF && ir_type_equal(type_of(g, v), &t))
		ir_add_update(g->f, s, v);
}

ir_func *td_generate(ir_arena *a, uint64_t seed)
{
	gen *g = ar_new(a, gen, 1);
	size_t target = 5 + (size_t)(seed % 56);

	g->a = a, g->seed = seed;
	g->large = seed % 8 == 3;
	g->limit = g->large ? 40000 : 6000;
	g->k = rt_key_for(rt_key_seed(seed), RT_FOR_STUDY, 0);
	g->f = ir_func_new(a, "main");
	g->val = ar_new(a, td_value, MAX_INS + 1);
	for (int i = 0; i < 3; i++)
		make_type(g, IR_input);
	for (int tries = 0; g->f->n < target && tries < 200; tries++) {
		ir_op op = (ir_op)rnd(g, IR_OP_COUNT);

		if (chance(g, 8))
			target += view_tree(g); /* no fewer of the other ops for it */
		else if (ir_op_info(op)->lower != IR_LOWER_leaf || chance(g, 40))
			maker_of[op](g, op);
	}
	add_outputs(g);
	for (size_t i = 0; i < g->f->n; i++)
		if (ir_is_leaf(g->f, (ir_ref)i) && g->f->ins[i].op != IR_input && !is_updated(g, (ir_ref)i) && chance(g, 60))
			add_update(g, (ir_ref)i);
	return g->f;
}
