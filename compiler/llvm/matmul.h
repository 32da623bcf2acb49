/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/matmul.h -- what emit_matmul.c (parts of a product), emit_tile.c (one tile) and emit_pack.c (operands in the
 * form that tiles read) share: small words, the shape of packed memory, tiles. For these three files only. */
#ifndef COMPILER_LLVM_MATMUL_H
#define COMPILER_LLVM_MATMUL_H

#include "compiler/llvm/emit.h"

#define WIDTHS 4 /* widest tile of target.c, in vectors */

static inline val smaller(em *e, val a, val b)
{
	return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, a, b, ""), a, b, "");
}

static inline val plus(em *e, val a, val b)
{
	return LLVMBuildAdd(e->b, a, b, "");
}

static inline val times(em *e, val a, val b)
{
	return LLVMBuildMul(e->b, a, b, "");
}

static inline int64_t panel_width(const em *e)
{
	return (int64_t)e->t->tile_vectors * e->lanes;
}

static inline int64_t panel_bytes(const em *e)
{
	return (int64_t)e->t->tile_vectors * e->t->vector_bytes;
}

/* Starts an internal function of the module; end_function goes back to where the builder was. */
typedef struct outer {
	LLVMBasicBlockRef block;
	val fn;
} outer;

static inline outer begin_function(em *e, const char *name, LLVMTypeRef type)
{
	outer o = {LLVMGetInsertBlock(e->b), e->fn};

	e->fn = LLVMAddFunction(e->m, name, type);
	LLVMSetLinkage(e->fn, LLVMInternalLinkage);
	LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->c, e->fn, ""));
	return o;
}

static inline val end_function(em *e, outer o)
{
	val fn = e->fn;

	LLVMBuildRetVoid(e->b);
	e->fn = o.fn;
	LLVMPositionBuilderAtEnd(e->b, o.block);
	return fn;
}

static inline LLVMTypeRef function_type(em *e, int pointers, int integers)
{
	LLVMTypeRef t[16];

	for (int i = 0; i < pointers + integers; i++)
		t[i] = i < pointers ? e->ptr : e->i64;
	return LLVMFunctionType(LLVMVoidTypeInContext(e->c), t, (unsigned)(pointers + integers), 0);
}

/* The offset of index i, where one step is `one` and RT_PANEL steps are `many` (kernel.h). */
static inline val in_panels(em *e, val i, val one, val many)
{
	val n = em_int(e, RT_PANEL);
	val inside = times(e, LLVMBuildURem(e->b, i, n, ""), one);
	val before = times(e, LLVMBuildUDiv(e->b, i, n, ""), many);

	return plus(e, before, inside);
}

/* ---- packed operands (emit_pack.c) ----------------------------------------------------------------------------------
 * B: element (k, c) of a panel is number k panel_width + c. In bf16, two k's may share a word: see Note [bf16] in target.c. As pairs,
 * word (k / 2, c) has the even k in its upper half, so that a chain takes them in ascending order; an odd K is padded by a zero. For
 * tiles, word (16 (k / 32) + k % 16, c) has k and k + 16, and K is padded to a multiple of 32. */
typedef enum em_pack {
	EM_PACK_PLAIN, /* as they are */
	EM_PACK_ROUND, /* f32 rounded to bf16 */
	EM_PACK_PAIRS, /* the same, two in a word */
	EM_PACK_TILES  /* the same, for tiles */
} em_pack;

#define BF16_CHAIN 16 /* k's of a chain */
#define TILE_ROWS  16 /* of AMX; a tile has as many words in a row.. */
#define TILE_K     32 /* ..each of two k's */

static inline int64_t k_per_word(em_pack how)
{
	return how >= EM_PACK_PAIRS ? 2 : 1;
}

/* Rows of C that wait for the rest of a longer k, and rows of A that are packed together: all of it is on the stack. */
static inline int64_t rows_pack(ir_dtype t, em_pack how)
{
	return t == IR_F64 || how == EM_PACK_ROUND ? 96 : 192;
}

/* Internal functions void(to, from, stride, K, width, K64): from is B's first element of the panel and pack. rows: stride is
 * that of k, columns lie side by side. turned: stride is that of columns, k's lie side by side, RT_PANEL of them every K64.
 * Columns outside the width are zero. */
enum { P_TO, P_FROM, P_STRIDE, P_K, P_WIDTH, P_K64 };
LLVMTypeRef em_pack_type(em *e);
val em_pack_rows(em *e, LLVMTypeRef s, em_pack how);
val em_pack_turned(em *e, LLVMTypeRef s, em_pack how);

/* A in bf16: void(to, from, row stride, k stride, K, rows, words): words of a row side by side, rows `words` apart (a
 * multiple of the lanes, not less than the row's); or, where rows of A lie side by side and k's do not (em_is_columns), rows
 * side by side and words of the next k or pair rows_pack behind. For tiles always the former, rows padded by zeros to a
 * multiple of TILE_ROWS. */
enum { PA_TO, PA_FROM, PA_ROW, PA_K, PA_COUNT, PA_ROWS, PA_WORDS };
LLVMTypeRef em_pack_a_type(em *e);
val em_pack_a(em *e, em_pack how);

static inline val em_is_columns(em *e, val row, val k)
{
	val side_by_side = LLVMBuildICmp(e->b, LLVMIntEQ, row, em_int(e, 1), "");

	return LLVMBuildAnd(e->b, side_by_side, LLVMBuildICmp(e->b, LLVMIntNE, k, em_int(e, 1), ""), "");
}

/* ---- tiles (emit_tile.c) ------------------------------------------------------------------------------------------- */

#define K_BLOCK 128 /* k's of a chain: see Note [Blocks of k] */

/* Hints: a slot is an address and the bytes from row to row of SLOT_ROWS rows, a panel wide. One line is asked for per k,
 * slot after slot and round again. See Note [Hints] in emit_matmul.c. */
#define SLOTS     32
#define SLOT_ROWS 8

/* The lines that a row of a slot has. */
static inline int64_t em_slot_width(const em *e)
{
	return panel_bytes(e) > LINE ? panel_bytes(e) / LINE : 1;
}

typedef struct em_tile {
	int rows, vectors; /* of C; rows of tiles in how's sense: TILE_ROWS */
	em_pack how;       /* of A and B */
} em_tile;

/* An internal function void(A, B, C, hints, A's row stride, A's k stride, that of RT_PANEL k's, K, add): C = A B, or C += A B
 * if add is not 0, on packed operands; C's rows are RT_PANEL apart. */
enum { T_A, T_B, T_C, T_HINTS, T_AS, T_AK, T_AK64, T_K, T_ADD };
LLVMTypeRef em_tile_type(em *e);
val em_tile_function(em *e, LLVMTypeRef s, const em_tile *t);

void em_enter_tiles(em *e); /* AMX: before the first tile; tilerelease behind the last */

#endif
