/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_pack.c -- operands of matmul in the form that tiles read (matmul.h): a part of B, whichever way it is
 * stored; and both operands in bf16. */
#include "compiler/llvm/matmul.h"

LLVMTypeRef em_pack_type(em *e)
{
	return function_type(e, 2, 4);
}

/* ---- bf16 --------------------------------------------------------------------------------------------------------- */

/* f32 rounded to bf16, to nearest even, as the bits of an f32; NaN stays NaN. The same integer operations on every target, so
 * every target rounds alike; denormals come out as denormals or zero, and products flush them (runtime/team.c). */
static val rounded(em *e, val v)
{
	LLVMTypeRef t = em_vector(e, e->i32);
	val u = LLVMBuildBitCast(e->b, v, t, ""), nan = LLVMBuildFCmp(e->b, LLVMRealUNO, v, v, "");
	val odd = LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, u, em_bits(e, 16, t), ""), em_bits(e, 1, t), "");
	val up = LLVMBuildAdd(e->b, u, LLVMBuildAdd(e->b, odd, em_bits(e, 0x7fff, t), ""), "");

	up = LLVMBuildSelect(e->b, nan, LLVMBuildOr(e->b, u, em_bits(e, 0x400000, t), ""), up, "");
	return LLVMBuildAnd(e->b, up, em_bits(e, 0xffff0000, t), "");
}

static val rounded_float(em *e, val v)
{
	return LLVMBuildBitCast(e->b, rounded(e, v), em_vector(e, e->f32), "");
}

/* The words of pairs (even, odd), as vectors of f32 that nobody computes with. */
static val pair(em *e, val even, val odd)
{
	LLVMTypeRef t = em_vector(e, e->i32);
	val low = LLVMBuildLShr(e->b, rounded(e, odd), em_bits(e, 16, t), "");

	return LLVMBuildBitCast(e->b, LLVMBuildOr(e->b, rounded(e, even), low, ""), em_vector(e, e->f32), "");
}

/* ---- B ------------------------------------------------------------------------------------------------------------ */

/* What packing one operand needs. */
typedef struct packing {
	em *e;
	LLVMTypeRef s;
	em_pack how;
	bool whole; /* the panel is full, no masks */
} packing;

/* Where row k, or the pair of rows that begins with k, goes. */
static val packed_row(const packing *p, val k)
{
	em *e = p->e;
	val row = k;

	if (p->how == EM_PACK_PAIRS)
		row = LLVMBuildUDiv(e->b, k, em_int(e, 2), "");
	if (p->how == EM_PACK_TILES) /* k is in the first half of its TILE_K */
		row = LLVMBuildSub(e->b, k, times(e, LLVMBuildUDiv(e->b, k, em_int(e, TILE_K), ""), em_int(e, BF16_CHAIN)), "");

	return em_element(e, p->s, em_param(e, P_TO), times(e, row, em_int(e, panel_width(e))));
}

/* Row k of the panel's columns [column, column + lanes); zero where inside is false (NULL: it is not). */
static val row_part(const packing *p, val row, val column, val mask, val inside)
{
	em *e = p->e;

	if (inside) {
		val all = em_splat(e, inside);

		mask = mask ? LLVMBuildAnd(e->b, mask, all, "") : all;
	}
	return em_load(e, p->s, em_element(e, p->s, row, column), mask);
}

static void masks_of_width(const packing *p, val *mask)
{
	em *e = p->e;

	for (int v = 0; v < e->t->tile_vectors; v++)
		mask[v] = p->whole ? NULL : em_mask(e, LLVMBuildSub(e->b, em_param(e, P_WIDTH), em_int(e, (int64_t)v * e->lanes), ""));
}

/* Rows k and k + 16 of the 32 that begin with a multiple of 32; edges: some of them are outside. */
static void pack_rows_of_tile(const packing *p, val first, val *mask, bool edges)
{
	em *e = p->e;
	val stride = em_param(e, P_STRIDE), count = em_param(e, P_K), k, lower, upper, to;
	em_loop l;

	em_loop_begin(e, &l, em_int(e, 0), em_int(e, BF16_CHAIN), 1, NULL, 0);
	k = plus(e, first, l.i);
	lower = em_element(e, p->s, em_param(e, P_FROM), times(e, k, stride));
	upper = em_element(e, p->s, lower, times(e, stride, em_int(e, BF16_CHAIN)));
	to = packed_row(p, k);
	for (int v = 0; v < e->t->tile_vectors; v++) {
		val column = em_int(e, (int64_t)v * e->lanes), in[2] = {NULL, NULL}, x, y;

		for (int i = 0; i < 2 && edges; i++)
			in[i] = LLVMBuildICmp(e->b, LLVMIntSLT, plus(e, k, em_int(e, (int64_t)i * BF16_CHAIN)), count, "");
		y = row_part(p, upper, column, mask[v], in[1]);
		x = row_part(p, lower, column, mask[v], in[0]);
		em_store(e, pair(e, x, y), p->s, em_element(e, p->s, to, column), NULL);
	}
	em_loop_end(e, &l, NULL);
}

static void pack_rows_for_tiles(const packing *p)
{
	em *e = p->e;
	val mask[WIDTHS], count = em_param(e, P_K), whole = LLVMBuildAnd(e->b, count, em_int(e, -TILE_K), "");
	em_loop l;
	em_if f;

	masks_of_width(p, mask);
	em_loop_begin(e, &l, em_int(e, 0), whole, TILE_K, NULL, 0);
	pack_rows_of_tile(p, l.i, mask, false);
	em_loop_end(e, &l, NULL);
	em_if_begin(e, &f, LLVMBuildICmp(e->b, LLVMIntSLT, whole, count, ""));
	pack_rows_of_tile(p, whole, mask, true);
	em_if_end(e, &f);
}

/* to[k][0 .. panel) = from[k stride ..], columns outside the width are zero. */
static void pack_rows(const packing *p)
{
	em *e = p->e;
	val from[1] = {em_param(e, P_FROM)}, mask[WIDTHS], at, next, more = NULL;
	bool pairs = p->how == EM_PACK_PAIRS;
	em_loop k;

	if (p->how == EM_PACK_TILES) {
		pack_rows_for_tiles(p);
		return;
	}
	masks_of_width(p, mask);
	em_loop_begin(e, &k, em_int(e, 0), em_param(e, P_K), pairs ? 2 : 1, from, 1);
	at = packed_row(p, k.i);
	next = em_element(e, p->s, k.v[0], em_param(e, P_STRIDE));
	if (pairs)
		more = LLVMBuildICmp(e->b, LLVMIntSLT, plus(e, k.i, em_int(e, 1)), em_param(e, P_K), "");
	for (int v = 0; v < e->t->tile_vectors; v++) {
		val column = em_int(e, (int64_t)v * e->lanes), x = row_part(p, k.v[0], column, mask[v], NULL);

		if (p->how == EM_PACK_ROUND)
			x = rounded_float(e, x);
		if (pairs)
			x = pair(e, x, row_part(p, next, column, mask[v], more));
		em_store(e, x, p->s, em_element(e, p->s, at, column), NULL);
	}
	if (pairs)
		next = em_element(e, p->s, next, em_param(e, P_STRIDE));
	em_loop_end(e, &k, &next);
}

/* One square of lanes x lanes: columns [c, c + lanes) of the panel, rows [k, k + lanes), a row in each v. With edges, what
 * lies outside the width or K is read as zero. */
static void load_square(const packing *p, val c, val k, bool edges, val *v)
{
	em *e = p->e;
	val mask = edges ? em_mask(e, LLVMBuildSub(e->b, em_param(e, P_K), k, "")) : NULL;
	val along = in_panels(e, k, em_int(e, 1), em_param(e, P_K64));

	for (int i = 0; i < e->lanes; i++) {
		val column = plus(e, c, em_int(e, i)), m = mask;
		val at = em_element(e, p->s, em_param(e, P_FROM), plus(e, times(e, column, em_param(e, P_STRIDE)), along));

		if (edges)
			m = LLVMBuildAnd(e->b, m, em_splat(e, LLVMBuildICmp(e->b, LLVMIntSLT, column, em_param(e, P_WIDTH), "")), "");
		v[i] = em_load(e, p->s, at, m);
	}
	em_transpose_registers(e, v);
}

/* The square at (c, k) and, for tiles, the one behind it; the packed memory has room for what lies outside. */
static void pack_square(const packing *p, val c, val k, bool edges)
{
	em *e = p->e;
	val v[64], w[64];

	load_square(p, c, k, edges, v);
	if (p->how == EM_PACK_TILES)
		load_square(p, c, plus(e, k, em_int(e, BF16_CHAIN)), edges, w);
	for (int i = 0; i < e->lanes; i += p->how == EM_PACK_PAIRS ? 2 : 1) {
		val x = p->how == EM_PACK_TILES   ? pair(e, v[i], w[i])
			: p->how == EM_PACK_PAIRS ? pair(e, v[i], v[i + 1])
			: p->how == EM_PACK_ROUND ? rounded_float(e, v[i])
						  : v[i];

		em_store(e, x, p->s, em_element(e, p->s, packed_row(p, plus(e, k, em_int(e, i))), c), NULL);
	}
}

/* to[k][c] = from[c stride + k], k taken RT_PANEL at a time. */
static void pack_turned(const packing *p)
{
	em *e = p->e;
	int64_t step = p->how == EM_PACK_TILES ? TILE_K : e->lanes;
	val k = em_param(e, P_K), squares = LLVMBuildSub(e->b, k, em_int(e, step - 1), "");
	em_loop c, i;

	em_loop_begin(e, &c, em_int(e, 0), p->whole ? em_int(e, panel_width(e)) : em_param(e, P_WIDTH), e->lanes, NULL, 0);
	em_loop_begin(e, &i, em_int(e, 0), p->whole ? squares : em_int(e, 0), step, NULL, 0);
	pack_square(p, c.i, i.i, false);
	em_loop_end(e, &i, NULL);
	em_loop_begin(e, &i, i.i_out, k, step, NULL, 0);
	pack_square(p, c.i, i.i, true);
	em_loop_end(e, &i, NULL);
	em_loop_end(e, &c, NULL);
}

static val emit_pack(em *e, LLVMTypeRef s, em_pack how, const char *name, void (*pack)(const packing *p))
{
	outer o = begin_function(e, name, em_pack_type(e));
	val whole = LLVMBuildICmp(e->b, LLVMIntSGE, em_param(e, P_WIDTH), em_int(e, panel_width(e)), "");
	em_if f;

	for (int n = 1; n >= 0; n--) {
		em_if_begin(e, &f, n ? whole : LLVMBuildNot(e->b, whole, ""));
		pack(&(packing){e, s, how, n});
		em_if_end(e, &f);
	}
	return end_function(e, o);
}

val em_pack_rows(em *e, LLVMTypeRef s, em_pack how)
{
	return emit_pack(e, s, how, "pack_rows", pack_rows);
}

val em_pack_turned(em *e, LLVMTypeRef s, em_pack how)
{
	return emit_pack(e, s, how, "pack_turned", pack_turned);
}

/* ---- A in bf16 ---------------------------------------------------------------------------------------------------- */

LLVMTypeRef em_pack_a_type(em *e)
{
	return function_type(e, 2, 5);
}

static val a_at(em *e, val row, val k)
{
	val column = times(e, k, em_param(e, PA_K)), offset = plus(e, times(e, row, em_param(e, PA_ROW)), column);

	return em_element(e, e->f32, em_param(e, PA_FROM), offset);
}

/* Number of the word that k is in; for tiles, of the first one of the TILE_K that begin with k. */
static val word_of(em *e, em_pack how, val k)
{
	return LLVMBuildUDiv(e->b, k, em_int(e, k_per_word(how)), "");
}

/* Rows side by side: whole rows of memory. */
static void pack_a_columns(em *e, em_pack how)
{
	val count = em_param(e, PA_COUNT), mask;
	em_loop k, r;

	em_loop_begin(e, &r, em_int(e, 0), em_param(e, PA_ROWS), e->lanes, NULL, 0);
	mask = em_mask(e, LLVMBuildSub(e->b, em_param(e, PA_ROWS), r.i, ""));
	em_loop_begin(e, &k, em_int(e, 0), count, k_per_word(how), NULL, 0);
	{
		val x = em_load(e, e->f32, a_at(e, r.i, k.i), mask), next = plus(e, k.i, em_int(e, 1));
		val to = plus(e, times(e, word_of(e, how, k.i), em_int(e, rows_pack(IR_F32, how))), r.i);

		if (how == EM_PACK_PAIRS) {
			val inside = em_splat(e, LLVMBuildICmp(e->b, LLVMIntSLT, next, count, ""));

			inside = LLVMBuildAnd(e->b, mask, inside, "");
			x = pair(e, x, em_load(e, e->f32, a_at(e, r.i, next), inside));
		} else {
			x = rounded_float(e, x);
		}
		em_store(e, x, e->f32, em_element(e, e->f32, em_param(e, PA_TO), to), mask);
	}
	em_loop_end(e, &k, NULL);
	em_loop_end(e, &r, NULL);
}

/* Every second element of x and y, one behind the other, beginning with first. */
static val every_second(em *e, val x, val y, int first)
{
	val index[64];

	for (int i = 0; i < e->lanes; i++)
		index[i] = LLVMConstInt(e->i32, (unsigned)(2 * i + first), 0);
	return LLVMBuildShuffleVector(e->b, x, y, LLVMConstVector(index, (unsigned)e->lanes), "");
}

/* k's side by side: a vector of words at a time. Behind K everything is zero; rows of packed memory have room. */
static void pack_a_rows(em *e, em_pack how)
{
	val count = em_param(e, PA_COUNT);
	em_loop r, k;

	em_loop_begin(e, &r, em_int(e, 0), em_param(e, PA_ROWS), 1, NULL, 0);
	em_loop_begin(e, &k, em_int(e, 0), count, k_per_word(how) * e->lanes, NULL, 0);
	{
		val from = a_at(e, r.i, k.i), left = LLVMBuildSub(e->b, count, k.i, ""), x = em_load(e, e->f32, from, em_mask(e, left));
		val word = word_of(e, how, k.i), to = plus(e, times(e, r.i, em_param(e, PA_WORDS)), word);

		if (how == EM_PACK_PAIRS) {
			val mask = em_mask(e, LLVMBuildSub(e->b, left, em_int(e, e->lanes), ""));
			val y = em_load(e, e->f32, em_element(e, e->f32, from, em_int(e, e->lanes)), mask);
			val odd = every_second(e, x, y, 1), even = every_second(e, x, y, 0);

			x = pair(e, even, odd);
		} else {
			x = rounded_float(e, x);
		}
		em_store(e, x, e->f32, em_element(e, e->f32, em_param(e, PA_TO), to), NULL);
	}
	em_loop_end(e, &k, NULL);
	em_loop_end(e, &r, NULL);
}

/* 16 rows, 32 k's: a square of words, turned over where rows lie side by side. Outside of K and rows there are zeros. */
static void pack_a_square(em *e, val row, val k, bool columns)
{
	val left = LLVMBuildSub(e->b, em_param(e, PA_COUNT), k, ""), rows = LLVMBuildSub(e->b, em_param(e, PA_ROWS), row, "");
	val word = word_of(e, EM_PACK_TILES, k), v[TILE_ROWS];

	for (int i = 0; i < TILE_ROWS; i++) {
		val x[2];

		for (int h = 0; h < 2; h++) {
			val first = em_int(e, (int64_t)h * BF16_CHAIN), one = em_int(e, i), inside, mask, at;

			inside = columns ? LLVMBuildICmp(e->b, LLVMIntSGT, left, plus(e, first, one), "")
					 : LLVMBuildICmp(e->b, LLVMIntSGT, rows, one, "");
			mask = em_mask(e, columns ? rows : LLVMBuildSub(e->b, left, first, ""));
			mask = LLVMBuildAnd(e->b, mask, em_splat(e, inside), "");
			at = plus(e, k, columns ? plus(e, first, one) : first);
			at = a_at(e, columns ? row : plus(e, row, one), at);
			x[h] = em_load(e, e->f32, at, mask);
		}
		v[i] = pair(e, x[0], x[1]);
	}
	if (columns)
		em_transpose_registers(e, v);
	for (int i = 0; i < TILE_ROWS; i++) {
		val to = plus(e, times(e, plus(e, row, em_int(e, i)), em_param(e, PA_WORDS)), word);

		em_store(e, v[i], e->f32, em_element(e, e->f32, em_param(e, PA_TO), to), NULL);
	}
}

static void pack_a_squares(em *e, bool columns)
{
	em_loop r, k;

	em_loop_begin(e, &r, em_int(e, 0), em_param(e, PA_ROWS), TILE_ROWS, NULL, 0);
	em_loop_begin(e, &k, em_int(e, 0), em_param(e, PA_COUNT), TILE_K, NULL, 0);
	pack_a_square(e, r.i, k.i, columns);
	em_loop_end(e, &k, NULL);
	em_loop_end(e, &r, NULL);
}

/* A's element at (row, k), rounded later, or zero where that is outside. */
static val a_or_zero(em *e, val row, val k)
{
	val in_row = LLVMBuildICmp(e->b, LLVMIntSLT, k, em_param(e, PA_COUNT), "");
	val inside = LLVMBuildAnd(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, row, em_param(e, PA_ROWS), ""), in_row, "");
	val at = LLVMBuildSelect(e->b, inside, a_at(e, row, k), em_param(e, PA_FROM), "");

	return LLVMBuildSelect(e->b, inside, LLVMBuildLoad2(e->b, e->f32, at, ""), LLVMConstReal(e->f32, 0), "");
}

/* Any strides, one word at a time. */
static void pack_a_any(em *e, em_pack how)
{
	bool tiles = how == EM_PACK_TILES;
	int64_t chain = tiles ? BF16_CHAIN : 1; /* words whose k's follow each other, and the distance of the two in a word */
	int lanes = e->lanes;
	val rows = plus(e, em_param(e, PA_ROWS), em_int(e, tiles ? TILE_ROWS - 1 : 0));
	em_loop r, k, i;

	e->lanes = 1;
	rows = LLVMBuildAnd(e->b, rows, em_int(e, tiles ? -TILE_ROWS : -1), "");
	em_loop_begin(e, &r, em_int(e, 0), rows, 1, NULL, 0);
	em_loop_begin(e, &k, em_int(e, 0), em_param(e, PA_COUNT), chain * k_per_word(how), NULL, 0);
	em_loop_begin(e, &i, em_int(e, 0), em_int(e, chain), 1, NULL, 0);
	{
		val at = plus(e, k.i, i.i), word = plus(e, word_of(e, how, k.i), i.i), x = a_or_zero(e, r.i, at);
		val to = plus(e, times(e, r.i, em_param(e, PA_WORDS)), word);

		x = how == EM_PACK_ROUND ? rounded_float(e, x) : pair(e, x, a_or_zero(e, r.i, plus(e, at, em_int(e, chain))));
		LLVMBuildStore(e->b, x, em_element(e, e->f32, em_param(e, PA_TO), to));
	}
	em_loop_end(e, &i, NULL);
	em_loop_end(e, &k, NULL);
	em_loop_end(e, &r, NULL);
	e->lanes = lanes;
}

val em_pack_a(em *e, em_pack how)
{
	outer o = begin_function(e, "pack_a", em_pack_a_type(e));
	val k_one = LLVMBuildICmp(e->b, LLVMIntEQ, em_param(e, PA_K), em_int(e, 1), "");
	val columns = em_is_columns(e, em_param(e, PA_ROW), em_param(e, PA_K));
	val when[] = {columns, k_one, LLVMBuildNot(e->b, LLVMBuildOr(e->b, k_one, columns, ""), "")};
	static void (*const words[])(em *e, em_pack how) = {pack_a_columns, pack_a_rows, pack_a_any};

	for (int i = 0; i < 3; i++) {
		em_if f;

		em_if_begin(e, &f, when[i]);
		if (how == EM_PACK_TILES && i < 2)
			pack_a_squares(e, i == 0);
		else
			words[i](e, how);
		em_if_end(e, &f);
	}
	return end_function(e, o);
}
