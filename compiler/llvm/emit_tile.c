/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_tile.c -- functions that compute one tile of C: with fused multiply-adds, with VDPBF16PS, with AMX. A
 * tile of rows x vectors stays in registers while k runs: one load of B per vector, one broadcast of A per row. Meanwhile it
 * asks for what others will need (Note [Hints] in emit_matmul.c). */
#include "compiler/llvm/matmul.h"

#define UNROLL 4 /* k's, and lines asked for, at a time; tiles at the edge take one k and ask for nothing, to compile faster */
_Static_assert(CC_K_PACK_MAX % K_BLOCK == 0 && K_BLOCK % RT_PANEL == 0, "parts begin where blocks and panels of k do");

LLVMTypeRef em_tile_type(em *e)
{
	return function_type(e, 4, 5);
}

/* The hints' lines number q .. q + UNROLL - 1, round and round; q is a multiple of UNROLL. All sizes are powers of two. */
static void prefetch_some(em *e, val q)
{
	int64_t lines = em_slot_width(e), slot_lines = SLOT_ROWS * lines;
	val slot = LLVMBuildURem(e->b, LLVMBuildUDiv(e->b, q, em_int(e, slot_lines), ""), em_int(e, SLOTS), "");
	val row = LLVMBuildUDiv(e->b, LLVMBuildURem(e->b, q, em_int(e, slot_lines), ""), em_int(e, lines), "");
	val entry = em_element(e, e->i64, em_param(e, T_HINTS), times(e, slot, em_int(e, 2)));
	val stride = em_load_arg(e, entry, 1), at = LLVMBuildLoad2(e->b, e->ptr, entry, ""), to_next_row;

	to_next_row = LLVMBuildSub(e->b, stride, em_int(e, (lines - 1) * LINE), "");
	at = em_element(e, e->i8, at, times(e, row, stride));
	for (int i = 0; i < UNROLL; i++) {
		em_call(e, "llvm.prefetch", &e->ptr, 1, /* for reading, into L2, data */
			(val[]){at, LLVMConstInt(e->i32, 0, 0), LLVMConstInt(e->i32, 2, 0), LLVMConstInt(e->i32, 1, 0)}, 4);
		at = em_element(e, e->i8, at, (i + 1) % lines ? em_int(e, LINE) : to_next_row);
	}
}

/* acc + first a first b + second a second b, in this order, each sum rounded. */
static val add_pairs(em *e, val a, val b, val acc)
{
	LLVMTypeRef words = LLVMVectorType(LLVMBFloatTypeInContext(e->c), 2 * (unsigned)e->lanes);

	a = LLVMBuildBitCast(e->b, a, words, "");
	b = LLVMBuildBitCast(e->b, b, words, "");
	return em_call(e, "llvm.x86.avx512bf16.dpbf16ps.512", NULL, 0, (val[]){acc, a, b}, 3);
}

/* acc += A[.][k] B[k][.] for one k, or one pair: v holds the accumulators, then the place in B, then the offset in A. */
static void multiply_add(em *e, LLVMTypeRef s, const em_tile *t, val *row, val *v)
{
	int n = t->rows * t->vectors;
	val b[WIDTHS];

	for (int j = 0; j < t->vectors; j++)
		b[j] = em_load(e, s, em_element(e, s, v[n], em_int(e, (int64_t)j * e->lanes)), NULL);
	for (int i = 0; i < t->rows; i++) {
		val a = em_splat(e, LLVMBuildLoad2(e->b, s, em_element(e, s, row[i], v[n + 1]), ""));

		for (int j = 0; j < t->vectors; j++) {
			val *acc = &v[i * t->vectors + j];

			*acc = t->how == EM_PACK_PAIRS ? add_pairs(e, a, b[j], *acc) : em_fma(e, a, b[j], *acc);
		}
	}
	v[n] = em_element(e, s, v[n], em_int(e, panel_width(e)));
	v[n + 1] = plus(e, v[n + 1], em_param(e, T_AK));
}

/* acc = sum of A[.][k] B[k][.] over k in [from, to), from even: one chain in ascending k. */
static void chain(em *e, LLVMTypeRef s, const em_tile *t, val from, val to, val *acc)
{
	int n = t->rows * t->vectors;
	val row[16], v[EM_CARRY];
	em_loop piece, k;

	if (t->how == EM_PACK_PAIRS) { /* k counts pairs from here on */
		from = LLVMBuildUDiv(e->b, from, em_int(e, 2), "");
		to = LLVMBuildUDiv(e->b, plus(e, to, em_int(e, 1)), em_int(e, 2), "");
	}
	for (int i = 0; i < t->rows; i++)
		row[i] = em_element(e, s, em_param(e, T_A), times(e, em_int(e, i), em_param(e, T_AS)));
	for (int i = 0; i < n; i++)
		v[i] = em_float(e, 0, em_vector(e, s));
	v[n] = em_element(e, s, em_param(e, T_B), times(e, from, em_int(e, panel_width(e))));
	v[n + 1] = em_int(e, 0);
	em_loop_begin(e, &piece, from, to, RT_PANEL, v, n + 2);
	for (int i = 0; i < n + 2; i++)
		v[i] = piece.v[i];
	v[n + 1] = in_panels(e, piece.i, em_param(e, T_AK), em_param(e, T_AK64));
	from = piece.i, to = smaller(e, to, plus(e, piece.i, em_int(e, RT_PANEL)));
	for (int unroll = t->rows < e->t->tile_rows ? 1 : UNROLL; unroll >= 1; unroll -= UNROLL - 1) {
		em_loop_begin(e, &k, from, LLVMBuildSub(e->b, to, em_int(e, unroll - 1), ""), unroll, v, n + 2);
		for (int i = 0; i < n + 2; i++)
			v[i] = k.v[i];
		if (unroll == UNROLL)
			prefetch_some(e, k.i);
		for (int u = 0; u < unroll; u++)
			multiply_add(e, s, t, row, v);
		em_loop_end(e, &k, v);
		for (int i = 0; i < n + 2; i++)
			v[i] = k.out[i];
		from = k.i_out;
	}
	em_loop_end(e, &piece, v);
	for (int i = 0; i < n; i++)
		acc[i] = piece.out[i];
}

/* C = acc, or C += acc. In bf16 the first sum is added to zero, as AMX does, which turns -0 into 0. */
static void put_tile(em *e, LLVMTypeRef s, const em_tile *t, const val *acc, bool add)
{
	for (int i = 0; i < t->rows; i++)
		for (int j = 0; j < t->vectors; j++) {
			val at = em_element(e, s, em_param(e, T_C), em_int(e, (int64_t)i * RT_PANEL + (int64_t)j * e->lanes));
			val v = acc[i * t->vectors + j];

			if (add || t->how != EM_PACK_PLAIN)
				v = LLVMBuildFAdd(e->b, add ? em_load(e, s, at, NULL) : em_float(e, 0, em_vector(e, s)), v, "");
			em_store(e, v, s, at, NULL);
		}
}

/* The sum over the block of k that begins with from: a chain, in bf16 two (Note [bf16] in target.c). */
static void block(em *e, LLVMTypeRef s, const em_tile *t, val from, int64_t size, val *acc)
{
	val k = em_param(e, T_K), second[EM_CARRY], half = plus(e, from, em_int(e, size / 2));

	chain(e, s, t, from, smaller(e, k, t->how != EM_PACK_PLAIN ? half : plus(e, from, em_int(e, size))), acc);
	if (t->how == EM_PACK_PLAIN)
		return;
	chain(e, s, t, half, smaller(e, k, plus(e, from, em_int(e, size))), second);
	for (int i = 0; i < t->rows * t->vectors; i++)
		acc[i] = LLVMBuildFAdd(e->b, acc[i], second[i], "");
}

/* Block after block of k; the first one of all is stored, the others are added to it. */
static val fma_tile(em *e, LLVMTypeRef s, const em_tile *t)
{
	outer o = begin_function(e, "tile", em_tile_type(e));
	int64_t size = t->how != EM_PACK_PLAIN ? TILE_K : K_BLOCK;
	val k = em_param(e, T_K), acc[EM_CARRY], add, one = em_int(e, 1);
	em_loop l;
	em_if f;

	/* at least one round: a product over nothing is zero */
	em_loop_begin(e, &l, em_int(e, 0), LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, k, one, ""), k, one, ""), size,
		      NULL, 0);
	block(e, s, t, l.i, size, acc);
	add = LLVMBuildICmp(e->b, LLVMIntNE, LLVMBuildOr(e->b, l.i, em_param(e, T_ADD), ""), em_int(e, 0), "");
	for (int n = 1; n >= 0; n--) {
		em_if_begin(e, &f, n ? add : LLVMBuildNot(e->b, add, ""));
		put_tile(e, s, t, acc, n);
		em_if_end(e, &f);
	}
	em_loop_end(e, &l, NULL);
	return end_function(e, o);
}

/* ---- by AMX ------------------------------------------------------------------------------------------------------ */

static val tile_number(em *e, int n)
{
	return LLVMConstInt(e->i8, (unsigned long long)n, 0);
}

/* Eight tiles of 16 rows of 64 bytes: up to WIDTHS of C, one of A, and B in turns. */
enum { TILE_A = WIDTHS, TILE_B, TILE_COUNT = 8 };

void em_enter_tiles(em *e)
{
	static const uint64_t config[8] = {1, 0, 0x0040004000400040, 0x0040004000400040, 0, 0, 0x1010101010101010, 0};
	val at = LLVMBuildArrayAlloca(e->b, e->i64, em_int(e, 8), "");

	LLVMSetAlignment(at, LINE);
	for (int i = 0; i < 8; i++)
		LLVMBuildStore(e->b, em_int(e, (int64_t)config[i]), em_element(e, e->i64, at, em_int(e, i)));
	em_call(e, "llvm.x86.ldtilecfg", NULL, 0, &at, 1);
}

/* For C's tile of 16 rows and so many vectors; A and B are words, A's rows T_AS apart, T_K counts k's. */
static val amx_tile(em *e, int vectors)
{
	outer o = begin_function(e, "tile", em_tile_type(e));
	val k = em_param(e, T_K), c_row = em_int(e, RT_PANEL * 4), a_row = times(e, em_param(e, T_AS), em_int(e, 4)), word;
	val b_row = em_int(e, panel_bytes(e)), c[WIDTHS], add = LLVMBuildICmp(e->b, LLVMIntNE, em_param(e, T_ADD), em_int(e, 0), "");
	em_loop l;
	em_if f;

	for (int j = 0; j < vectors; j++)
		c[j] = em_element(e, e->f32, em_param(e, T_C), em_int(e, (int64_t)j * e->lanes));
	for (int n = 1; n >= 0; n--) {
		em_if_begin(e, &f, n ? add : LLVMBuildNot(e->b, add, ""));
		for (int j = 0; j < vectors; j++)
			if (n)
				em_call(e, "llvm.x86.tileloadd64", NULL, 0, (val[]){tile_number(e, j), c[j], c_row}, 3);
			else
				em_call(e, "llvm.x86.tilezero", NULL, 0, (val[]){tile_number(e, j)}, 1);
		em_if_end(e, &f);
	}
	em_loop_begin(e, &l, em_int(e, 0), k, TILE_K, NULL, 0);
	for (int u = 0; u < TILE_K; u += UNROLL)
		prefetch_some(e, plus(e, l.i, em_int(e, u)));
	word = LLVMBuildUDiv(e->b, l.i, em_int(e, 2), "");
	em_call(e, "llvm.x86.tileloadd64", NULL, 0,
		(val[]){tile_number(e, TILE_A), em_element(e, e->f32, em_param(e, T_A), word), a_row}, 3);
	for (int j = 0; j < vectors; j++) {
		val from = plus(e, times(e, word, em_int(e, panel_width(e))), em_int(e, (int64_t)j * e->lanes));
		val b = tile_number(e, TILE_B + j % (TILE_COUNT - TILE_B));

		em_call(e, "llvm.x86.tileloadd64", NULL, 0, (val[]){b, em_element(e, e->f32, em_param(e, T_B), from), b_row}, 3);
		em_call(e, "llvm.x86.tdpbf16ps", NULL, 0, (val[]){tile_number(e, j), tile_number(e, TILE_A), b}, 3);
	}
	em_loop_end(e, &l, NULL);
	for (int j = 0; j < vectors; j++)
		em_call(e, "llvm.x86.tilestored64", NULL, 0, (val[]){tile_number(e, j), c[j], c_row}, 3);
	return end_function(e, o);
}

val em_tile_function(em *e, LLVMTypeRef s, const em_tile *t)
{
	return t->how == EM_PACK_TILES ? amx_tile(e, t->vectors) : fma_tile(e, s, t);
}

/* Note [Blocks of k]
 *
 * The rounding error of one chain of K products grows about as sqrt(K); chains of K_BLOCK, added up in order, are by that
 * estimate closer at K = 784. The price is a load, an addition and a store per vector and block. It matters because a relu
 * whose input crosses zero by rounding parts two runs for good, but no block size avoids that. */
