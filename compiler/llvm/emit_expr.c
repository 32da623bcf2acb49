/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_expr.c -- kernels that evaluate an expression: maps (also epilogues) and reductions.
 *
 * All accesses move by strides that are arguments; what is fixed is how each moves along the vector (cc_along). Rows are
 * walked one by one, columns in whole vectors and one masked rest. */
#include <string.h>
#include "compiler/llvm/emit.h"

#define MAX_ACCESS 256
#define OWN_AHEAD  1536 /* bytes: in an epilogue that writes panels, the rows of the next tile */
#define SUM_BLOCK  16 /* terms of one chain of a sum down the rows */
#define UNROLL     4 /* independent accumulators of a reduction: hides the latency of an addition */

/* Sums over the present panel, a vector each, of the columns so far. */
typedef struct sums {
	val v[CC_MAX_SUMS];
	int n;
} sums;

typedef struct kernel {
	em *e;
	const cc_kernel *k;
	cc_layout y;
	val base[MAX_ACCESS];   /* pointer (or NULL for iota) */
	val at[MAX_ACCESS];     /* offset of the present row and reduced indices, in elements */
	val scalar[MAX_ACCESS]; /* CC_ALONG_SCALAR: the splat value */
	val constant[MAX_ACCESS];
	val hi;                 /* columns end here */
	sums *sum;              /* of a map, in the order of its stores */
} kernel;

static val arg(kernel *s, int i)
{
	return em_load_arg(s->e, em_param(s->e, 1), i);
}

static val stride(kernel *s, size_t access, int d)
{
	return arg(s, s->y.access + (int)access * s->y.stride_words + d);
}

static val madd(kernel *s, val a, val b, val c) /* a + b c, integers */
{
	return LLVMBuildAdd(s->e->b, a, LLVMBuildMul(s->e->b, b, c, ""), "");
}

static val from_memory(kernel *s, val v, ir_dtype t)
{
	em *e = s->e;

	return t == IR_BOOL ? LLVMBuildICmp(e->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "") : v;
}

static val splat_at(kernel *s, size_t a, val offset)
{
	em *e = s->e;
	LLVMTypeRef t = em_memory(e, s->k->access[a].dtype);
	val v = LLVMBuildLoad2(e->b, t, em_element(e, t, s->base[a], offset), "");

	return from_memory(s, em_splat(e, v), s->k->access[a].dtype);
}

/* Bases, constants, values that never move. */
static void enter(kernel *s)
{
	em *e = s->e;
	int buf = 0;

	for (size_t a = 0; a < s->k->naccess; a++) {
		s->base[a] = s->k->access[a].is_iota ? NULL : em_load_ptr(e, em_param(e, 0), buf++);
		s->at[a] = em_int(e, 0);
	}
	for (size_t i = 0; i < s->k->nnode; i++) {
		const cc_node *n = &s->k->node[i];

		if (n->kind == CC_NODE_CONST) {
			val bits = arg(s, s->y.consts + n->index);

			s->constant[i] = em_convert(e, em_splat(e, LLVMBuildBitCast(e->b, bits, e->f64, "")), IR_F64, n->dtype);
		}
	}
	for (size_t a = 0; a < s->k->naccess; a++) {
		bool stored = false;

		for (size_t i = 0; i < s->k->nstore; i++)
			stored |= s->k->store[i].access == a;
		if (!stored && s->k->access[a].along == CC_ALONG_SCALAR && !s->k->access[a].is_iota)
			s->scalar[a] = splat_at(s, a, em_int(e, 0));
	}
}

/* Offsets of row r: taken apart along the outer dimensions, innermost first. */
static void enter_row(kernel *s, val r)
{
	em *e = s->e;
	int outer = s->k->rank - 1;

	for (size_t a = 0; a < s->k->naccess; a++)
		s->at[a] = em_int(e, 0);
	for (int d = outer; d-- > 0;) {
		val i = r;

		if (d > 0) {
			val size = arg(s, s->y.dims + d - 1);

			i = LLVMBuildURem(e->b, r, size, "");
			r = LLVMBuildUDiv(e->b, r, size, "");
		}
		for (size_t a = 0; a < s->k->naccess; a++)
			s->at[a] = madd(s, s->at[a], i, stride(s, a, d));
	}
}

/* Where column c of the present row is in a matrix of panels. Vectors start at multiples of their width, so none straddles. */
static val in_panel(kernel *s, size_t a, val c, int inner_dim)
{
	em *e = s->e;
	val panel = LLVMBuildUDiv(e->b, c, em_int(e, RT_PANEL), ""), in = LLVMBuildURem(e->b, c, em_int(e, RT_PANEL), "");

	val size = stride(s, a, inner_dim);

	return madd(s, LLVMBuildAdd(e->b, s->at[a], in, ""), panel, size);
}

static val load_access(kernel *s, size_t a, ir_dtype t, val inner, int inner_dim, val mask)
{
	em *e = s->e;
	const cc_access *x = &s->k->access[a];
	LLVMTypeRef m = em_memory(e, t);
	val step, at;

	if (x->is_iota) {
		step = stride(s, a, inner_dim);
		at = em_splat(e, LLVMBuildTrunc(e->b, madd(s, s->at[a], inner, step), e->i32, ""));
		step = em_splat(e, LLVMBuildTrunc(e->b, step, e->i32, ""));
		at = LLVMBuildAdd(e->b, at, LLVMBuildMul(e->b, em_iota(e, e->i32), step, ""), "");
		return em_convert(e, at, IR_I32, t);
	}
	switch (x->along) {
	case CC_ALONG_SCALAR:
		return s->scalar[a];
	case CC_ALONG_SAME:
		return splat_at(s, a, s->at[a]);
	case CC_ALONG_NEXT:
		at = em_element(e, m, s->base[a], LLVMBuildAdd(e->b, s->at[a], inner, ""));
		return from_memory(s, em_load(e, m, at, mask), t);
	case CC_ALONG_PANEL:
		at = em_element(e, m, s->base[a], in_panel(s, a, inner, inner_dim));
		return from_memory(s, em_load(e, m, at, mask), t);
	case CC_ALONG_ANY:
		at = em_element(e, m, s->base[a], madd(s, s->at[a], inner, stride(s, a, inner_dim)));
		return from_memory(s, em_load(e, m, at, mask), t);
	case CC_ALONG_SUM: /* is written only */
		break;
	}
	return NULL;
}

/* All nodes at position inner of the vectorised dimension. Every load stands before every store. */
static void evaluate(kernel *s, val inner, int inner_dim, val mask, val *v)
{
	em *e = s->e;

	for (size_t i = 0; i < s->k->nnode; i++) {
		const cc_node *n = &s->k->node[i];
		val a[3] = {0};

		switch (n->kind) {
		case CC_NODE_CONST:
			v[i] = s->constant[i];
			break;
		case CC_NODE_LOAD:
			v[i] = load_access(s, n->index, n->dtype, inner, inner_dim, mask);
			break;
		case CC_NODE_OP:
			for (int k = 0; k < ir_op_info(n->op)->args; k++)
				a[k] = v[n->arg[k]];
			v[i] = em_op(e, n, s->k->node, a);
			break;
		}
	}
}

static val to_memory(kernel *s, val v, ir_dtype t)
{
	return t == IR_BOOL ? LLVMBuildZExt(s->e->b, v, em_vector(s->e, s->e->i8), "") : v;
}

/* Where column inner of the present row is written. */
static val written(kernel *s, size_t a, val inner)
{
	em *e = s->e;
	const cc_access *x = &s->k->access[a];
	val at = x->along == CC_ALONG_NEXT    ? LLVMBuildAdd(e->b, s->at[a], inner, "")
		 : x->along == CC_ALONG_PANEL ? in_panel(s, a, inner, s->k->rank - 1)
					      : madd(s, s->at[a], inner, stride(s, a, s->k->rank - 1));

	return em_element(e, em_memory(e, x->dtype), s->base[a], at);
}

static void store_access(kernel *s, size_t a, val v, val inner, val mask)
{
	ir_dtype t = s->k->access[a].dtype;
	val to = written(s, a, inner);

	em_store(s->e, to_memory(s, v, t), em_memory(s->e, t), to, mask);
}

/* ---- columns -------------------------------------------------------------------------------------------------- */

typedef void column_fn(kernel *s, val c, int vectors, val mask);

/* A loop over columns [lo, hi) that carries the sums; masked: it is one round at most, over what is left of the columns. */
static void columns(kernel *s, column_fn *body, em_loop *l, val lo, val hi, int64_t step, int vectors, bool masked)
{
	em *e = s->e;
	size_t bytes = (size_t)s->sum->n * sizeof(val);

	em_loop_begin(e, l, lo, hi, step, s->sum->v, s->sum->n);
	memcpy(s->sum->v, l->v, bytes);
	body(s, l->i, vectors, masked ? em_mask(e, LLVMBuildSub(e->b, hi, l->i, "")) : NULL);
	em_loop_end(e, l, s->sum->v);
	memcpy(s->sum->v, l->out, bytes);
}

/* [lo, hi) in steps of `vectors` whole vectors; returns where the rest begins. */
static val whole_columns(kernel *s, column_fn *body, val lo, int vectors)
{
	em *e = s->e;
	int64_t step = (int64_t)vectors * e->lanes;
	em_loop l;

	columns(s, body, &l, lo, LLVMBuildSub(e->b, s->hi, em_int(e, step - 1), ""), step, vectors, false);
	return l.i_out;
}

/* Single vectors of [lo, hi), then a masked rest. */
static void last_columns(kernel *s, column_fn *body, val lo)
{
	em_loop rest;

	lo = whole_columns(s, body, lo, 1);
	if (s->e->lanes > 1)
		columns(s, body, &rest, lo, s->hi, s->e->lanes, 1, true);
}

/* Lane by lane, in ascending order of columns whether they come by single or by double vectors; columns beyond the mask count
 * nothing. Returns the next sum. */
static val *add_vectors(kernel *s, val v, val mask, val *sum)
{
	em *e = s->e;
	int n = LLVMGetTypeKind(LLVMTypeOf(*sum)) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(LLVMTypeOf(*sum)) : 1;

	if (mask)
		v = LLVMBuildSelect(e->b, mask, v, LLVMConstNull(LLVMTypeOf(v)), "");
	for (int from = 0; from < e->lanes; from += n)
		*sum = LLVMBuildFAdd(e->b, *sum, n == e->lanes ? v : em_lanes(e, v, from, n), "");
	return sum + 1;
}

/* Asks for the lines that are written OWN_AHEAD bytes later. See Note [Ownership]. */
static void own_lines(kernel *s, val c)
{
	em *e = s->e;
	val for_writing = LLVMConstInt(e->i32, 1, 0), near = LLVMConstInt(e->i32, 3, 0), data = LLVMConstInt(e->i32, 1, 0);

	for (size_t i = 0; i < s->k->nstore; i++) {
		size_t a = s->k->store[i].access;
		const cc_access *x = &s->k->access[a];

		if (x->along != CC_ALONG_NEXT && x->along != CC_ALONG_PANEL)
			continue;
		for (int64_t b = 0; b < e->lanes * (int64_t)ir_dtype_size(x->dtype); b += LINE) {
			val at = em_element(e, e->i8, written(s, a, c), em_int(e, OWN_AHEAD + b));

			em_call(e, "llvm.prefetch", &e->ptr, 1, (val[]){at, for_writing, near, data}, 4);
		}
	}
}

static void map_body(kernel *s, val c, int vectors, val mask)
{
	em *e = s->e;
	val v[MAX_ACCESS], *sum = s->sum->v;

	(void)vectors;
	if (!mask && e->lanes > 1)
		own_lines(s, c);
	evaluate(s, c, s->k->rank - 1, mask, v);
	for (size_t i = 0; i < s->k->nstore; i++) {
		const cc_store *to = &s->k->store[i];

		if (s->k->access[to->access].along == CC_ALONG_SUM)
			sum = add_vectors(s, v[to->node], mask, sum);
		else
			store_access(s, to->access, v[to->node], c, mask);
	}
}

/* ---- reductions -------------------------------------------------------------------------------------------------- */

static val neutral(kernel *s)
{
	em *e = s->e;
	LLVMTypeRef t = em_vector(e, em_scalar(e, s->k->dtype));
	bool is_float = ir_dtype_is_float(s->k->dtype);

	if (s->k->reduce == IR_sum)
		return is_float ? em_float(e, -0.0, t) : em_bits(e, 0, t); /* -0 + x is x for every x */
	return is_float ? em_float(e, -1.0 / 0.0, t) : em_bits(e, INT32_MIN, t);
}

static val combine(kernel *s, val acc, val v)
{
	em *e = s->e;
	bool is_float = ir_dtype_is_float(s->k->dtype);

	if (s->k->reduce == IR_sum)
		return is_float ? LLVMBuildFAdd(e->b, acc, v, "") : LLVMBuildAdd(e->b, acc, v, "");
	return em_call2(e, is_float ? "llvm.maximum" : "llvm.smax", acc, v);
}

/* The neutral -0 of a sum of nothing, or of nothing but -0, becomes +0, as in the interpreter. */
static val finish_sum(kernel *s, val v)
{
	if (s->k->reduce != IR_sum || !ir_dtype_is_float(s->k->dtype))
		return v;
	return LLVMBuildFAdd(s->e->b, v, em_float(s->e, 0, LLVMTypeOf(v)), "");
}

typedef void inner_fn(kernel *s, val *acc, int n, const void *ctx);

/* One loop over reduced dimension d in [lo, hi), moving s->at; what is inside updates the n accumulators. */
static void reduce_loops(kernel *s, int d, int last, val *acc, int n, inner_fn *inner, const void *ctx);

static void reduce_range(kernel *s, int d, int last, val lo, val hi, val *acc, int n, inner_fn *inner, const void *ctx)
{
	em *e = s->e;
	val saved[MAX_ACCESS];
	em_loop l;

	em_loop_begin(e, &l, lo, hi, 1, acc, n);
	for (size_t a = 0; a < s->k->naccess; a++) {
		saved[a] = s->at[a];
		s->at[a] = madd(s, s->at[a], l.i, stride(s, a, s->k->rank + d));
	}
	for (int i = 0; i < n; i++)
		acc[i] = l.v[i];
	reduce_loops(s, d + 1, last, acc, n, inner, ctx);
	em_loop_end(e, &l, acc);
	for (int i = 0; i < n; i++)
		acc[i] = l.out[i];
	for (size_t a = 0; a < s->k->naccess; a++)
		s->at[a] = saved[a];
}

/* Dimension d in blocks with accumulators of their own, which are then added up: the rounding error of a sum of n terms
 * grows with the square root of its longest chain, and gradients of biases are long sums of small terms. */
static void reduce_blocks(kernel *s, int d, int last, val *acc, int n, inner_fn *inner, const void *ctx)
{
	em *e = s->e;
	val size = arg(s, s->y.reds + d), part[UNROLL], hi;
	em_loop l;

	em_loop_begin(e, &l, em_int(e, 0), size, SUM_BLOCK, acc, n);
	hi = LLVMBuildAdd(e->b, l.i, em_int(e, SUM_BLOCK), "");
	hi = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, hi, size, ""), hi, size, "");
	for (int i = 0; i < n; i++)
		part[i] = neutral(s);
	reduce_range(s, d, last, l.i, hi, part, n, inner, ctx);
	for (int i = 0; i < n; i++)
		acc[i] = combine(s, l.v[i], part[i]);
	em_loop_end(e, &l, acc);
	for (int i = 0; i < n; i++)
		acc[i] = l.out[i];
}

/* Reduced dimensions [d, last), the innermost one in blocks. */
static void reduce_loops(kernel *s, int d, int last, val *acc, int n, inner_fn *inner, const void *ctx)
{
	if (d == last)
		inner(s, acc, n, ctx);
	else if (d == last - 1)
		reduce_blocks(s, d, last, acc, n, inner, ctx);
	else
		reduce_range(s, d, last, em_int(s->e, 0), arg(s, s->y.reds + d), acc, n, inner, ctx);
}

typedef struct cols_ctx {
	val c, mask;
} cols_ctx;

static void cols_inner(kernel *s, val *acc, int n, const void *ctx)
{
	const cols_ctx *x = ctx;
	val v[MAX_ACCESS];

	for (int i = 0; i < n; i++) {
		evaluate(s, LLVMBuildAdd(s->e->b, x->c, em_int(s->e, (int64_t)i * s->e->lanes), ""), s->k->rank - 1, x->mask, v);
		acc[i] = combine(s, acc[i], v[s->k->reduced]);
	}
}

static void cols_body(kernel *s, val c, int vectors, val mask)
{
	cols_ctx ctx = {c, mask};
	val acc[UNROLL];

	for (int i = 0; i < vectors; i++)
		acc[i] = neutral(s);
	reduce_loops(s, 0, s->k->nred, acc, vectors, cols_inner, &ctx);
	for (int i = 0; i < vectors; i++) {
		val at = LLVMBuildAdd(s->e->b, c, em_int(s->e, (int64_t)i * s->e->lanes), "");

		store_access(s, s->k->store[0].access, finish_sum(s, acc[i]), at, mask);
	}
}

/* The innermost reduced dimension: UNROLL vectors at a time, then one, then a masked rest. */
static void rows_inner(kernel *s, val *acc, int n, const void *ctx)
{
	em *e = s->e;
	int dim = s->k->rank + s->k->nred - 1;
	val hi = arg(s, s->y.reds + s->k->nred - 1), lo = em_int(e, 0), v[MAX_ACCESS];

	(void)ctx;
	for (int u = n; u >= 1; u = u > 1 ? 1 : 0) {
		int64_t step = (int64_t)u * e->lanes;
		em_loop l;

		em_loop_begin(e, &l, lo, LLVMBuildSub(e->b, hi, em_int(e, step - 1), ""), step, acc, n);
		for (int i = 0; i < n; i++)
			acc[i] = l.v[i];
		for (int i = 0; i < u; i++) {
			evaluate(s, LLVMBuildAdd(e->b, l.i, em_int(e, (int64_t)i * e->lanes), ""), dim, NULL, v);
			acc[i] = combine(s, acc[i], v[s->k->reduced]);
		}
		em_loop_end(e, &l, acc);
		for (int i = 0; i < n; i++)
			acc[i] = l.out[i];
		lo = l.i_out;
	}
	if (e->lanes > 1) { /* an empty rest is a masked no-op */
		val mask = em_mask(e, LLVMBuildSub(e->b, hi, lo, ""));

		evaluate(s, lo, dim, mask, v);
		acc[0] = LLVMBuildSelect(e->b, mask, combine(s, acc[0], v[s->k->reduced]), acc[0], "");
	}
}

typedef val combine_fn(kernel *s, val acc, val v);

static val add_floats(kernel *s, val acc, val v)
{
	return LLVMBuildFAdd(s->e->b, acc, v, "");
}

/* Halves the vector until one lane is left: a fixed tree. What the other lanes hold meanwhile is nobody's business. */
static val across(kernel *s, val v, combine_fn *both)
{
	em *e = s->e;
	val from[64];

	for (int n = e->lanes / 2; n >= 1; n /= 2) {
		for (int i = 0; i < e->lanes; i++)
			from[i] = LLVMConstInt(e->i32, (unsigned)(i < n ? i + n : i), 0);
		v = both(s, v, LLVMBuildShuffleVector(e->b, v, v, LLVMConstVector(from, (unsigned)e->lanes), ""));
	}
	return e->lanes == 1 ? v : LLVMBuildExtractElement(e->b, v, em_int(e, 0), "");
}

static void rows_body(kernel *s)
{
	em *e = s->e;
	LLVMTypeRef m = em_memory(e, s->k->dtype);
	size_t a = s->k->store[0].access;
	val acc[UNROLL], at = s->at[a];

	for (int i = 0; i < UNROLL; i++)
		acc[i] = neutral(s);
	reduce_loops(s, 0, s->k->nred - 1, acc, UNROLL, rows_inner, NULL);
	for (int n = UNROLL / 2; n >= 1; n /= 2)
		for (int i = 0; i < n; i++)
			acc[i] = combine(s, acc[i], acc[i + n]);
	acc[0] = finish_sum(s, across(s, acc[0], combine));
	LLVMBuildStore(e->b, acc[0], em_element(e, m, s->base[a], at));
}

/* ---- sums of panels ---------------------------------------------------------------------------------------------- */

static void enter_sums(kernel *s)
{
	s->sum->n = 0;
	for (size_t i = 0; i < s->k->nstore; i++) {
		const cc_access *a = &s->k->access[s->k->store[i].access];

		if (a->along == CC_ALONG_SUM)
			s->sum->v[s->sum->n++] = LLVMConstNull(em_vector(s->e, em_scalar(s->e, a->dtype)));
	}
}

/* Columns from c on, up to the end of their panel or of a tile narrower than a panel, which adds to what those before have left. */
static void leave_sums(kernel *s, val c)
{
	em *e = s->e;
	val *sum = s->sum->v, panel = LLVMBuildUDiv(e->b, c, em_int(e, RT_PANEL), "");
	val begins = LLVMBuildICmp(e->b, LLVMIntEQ, LLVMBuildURem(e->b, c, em_int(e, RT_PANEL), ""), em_int(e, 0), "");

	for (size_t i = 0; i < s->k->nstore; i++) {
		size_t a = s->k->store[i].access;
		LLVMTypeRef t = em_scalar(e, s->k->access[a].dtype);
		val to, old, v;

		if (s->k->access[a].along != CC_ALONG_SUM)
			continue;
		v = across(s, *sum++, add_floats);
		to = em_element(e, t, s->base[a], madd(s, s->at[a], panel, stride(s, a, s->k->rank - 1)));
		old = LLVMBuildSelect(e->b, begins, LLVMConstNull(t), LLVMBuildLoad2(e->b, t, to, ""), "");
		LLVMBuildStore(e->b, LLVMBuildFAdd(e->b, old, v, ""), to);
	}
}

/* ---- whole kernels -------------------------------------------------------------------------------------------- */

/* Lanes by the widest number in the expression; none where something is scattered along the vector. */
static int choose_lanes(const em *e, const cc_kernel *k)
{
	size_t widest = 4;

	for (size_t i = 0; i < k->nnode; i++)
		if (ir_dtype_size(k->node[i].dtype) > widest)
			widest = ir_dtype_size(k->node[i].dtype);
	for (size_t a = 0; a < k->naccess; a++)
		if (k->access[a].along == CC_ALONG_ANY && !k->access[a].is_iota)
			return 1;
	return e->t->vector_bytes / (int)widest;
}

/* Columns [lo, hi) of all rows, each by double vectors first: two independent chains of operations hide the latency of each other.
 * doubled: s with twice the lanes. */
static void map_rows(kernel *s, kernel *doubled, val lo, val hi)
{
	em *e = s->e;
	val first = lo;
	int lanes = e->lanes;
	em_loop rows;

	s->hi = doubled->hi = hi;
	em_loop_begin(e, &rows, em_param(e, 2), em_param(e, 3), 1, NULL, 0);
	enter_row(s, rows.i);
	enter_sums(s);
	memcpy(doubled->at, s->at, sizeof s->at);
	if (lanes > 1) {
		e->lanes = 2 * lanes;
		lo = whole_columns(doubled, map_body, lo, 1);
		e->lanes = lanes;
	}
	last_columns(s, map_body, lo);
	leave_sums(s, first);
	em_loop_end(e, &rows, NULL);
}

static bool has_panels(const cc_kernel *k)
{
	for (size_t a = 0; a < k->naccess; a++)
		if (k->access[a].along == CC_ALONG_PANEL || k->access[a].along == CC_ALONG_SUM)
			return true;
	return false;
}

/* Where operands are in panels, one panel after the other: each operand is then one stream of consecutive memory, instead of
 * one per panel, which is more than prefetchers follow; and sums are over panels. */
static void map_kernel(kernel *s)
{
	em *e = s->e;
	kernel doubled = *s;
	val hi = em_param(e, 5), end;
	em_loop l;

	if (e->lanes > 1) {
		e->lanes *= 2;
		enter(&doubled);
		e->lanes /= 2;
	}
	enter(s);
	if (!has_panels(s->k)) {
		map_rows(s, &doubled, em_param(e, 4), hi);
		return;
	}
	em_loop_begin(e, &l, em_param(e, 4), hi, RT_PANEL, NULL, 0);
	end = LLVMBuildAdd(e->b, l.i, em_int(e, RT_PANEL), "");
	end = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, end, hi, ""), end, hi, "");
	map_rows(s, &doubled, l.i, end);
	em_loop_end(e, &l, NULL);
}

static void reduce_rows(kernel *s)
{
	em *e = s->e;
	em_loop rows;

	enter(s);
	s->hi = em_param(e, 5);
	em_loop_begin(e, &rows, em_param(e, 2), em_param(e, 3), 1, NULL, 0);
	enter_row(s, rows.i);
	if (s->k->kind == CC_KERNEL_REDUCE_COLS)
		last_columns(s, cols_body, whole_columns(s, cols_body, em_param(e, 4), UNROLL));
	else
		rows_body(s);
	em_loop_end(e, &rows, NULL);
}

void em_expr_kernel(em *e, const cc_kernel *k)
{
	sums sum = {.n = 0};
	kernel s = {.e = e, .k = k, .y = cc_kernel_layout(k), .sum = &sum};

	if (k->naccess > MAX_ACCESS || k->nnode > MAX_ACCESS)
		ir_bug("an expression of %zu nodes: fusion must stop earlier", k->nnode);
	e->lanes = choose_lanes(e, k);
	if (k->kind == CC_KERNEL_MAP)
		map_kernel(&s);
	else
		reduce_rows(&s);
	LLVMBuildRetVoid(e->b);
}

/* Note [Ownership]
 *
 * What a thread writes, others have often read since: a weight that all rows of a batch are multiplied by, an activation of the step
 * before. Such a line must first be taken from their caches, and stores that wait for one hold up all behind them. Two cores of a
 * Zen 5 that do not share an L3 (500 ns from one to the other) do a step of seed32 and of tiny32 9 and 10 % faster when maps ask
 * for the lines ahead; where they share it, what is gained is as small as what asking costs. OWN_AHEAD is meant for panels and for rows
 * no longer than one; in an epilogue with longer rows, which only functions that update nothing have, the lines asked for are other
 * columns'. At the edge of a share they are the next thread's, a few per launch. */
