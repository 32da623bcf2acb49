/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_matmul.c -- C = A B in register tiles.
 *
 * Columns are taken in panels as wide as a tile. A panel of B is copied, part by part (Note [Parts]), into a packed form,
 * whole vectors of one row of k side by side, whichever way B is stored; then rows of A pass by, tile by tile (emit_tile.c).
 * Strides and sizes are arguments, so one object serves every shape. Every element is a chain of fused multiply-adds in
 * ascending k, cut into blocks that depend on k alone (Note [Blocks of k] there; in bf16 two shorter chains a block); what
 * packing, panels and tiles there are cannot change a bit. What becomes of a finished tile is the epilogue's business. */
#include "compiler/llvm/matmul.h"

#define HEIGHTS 4 /* tile_rows, 4, 2, 1 */

/* ---- the rectangle ---------------------------------------------------------------------------------------------- */

/* Arguments of the kernel (kernel.h). */
enum { ARG_K, ARG_AS, ARG_AS64, ARG_AK, ARG_AK64, ARG_BK, ARG_BK64, ARG_BC, ARG_BC64, ARG_BUFFERS, ARG_STREAMS, ARG_REST };

typedef struct matmul {
	em *e;
	LLVMTypeRef s;
	em_pack how;
	int heights, height[HEIGHTS];
	val tile[HEIGHTS][WIDTHS]; /* functions: by height, and by vectors - 1 */
	val pack_rows, pack_turned, pack_a;
	val k, as, as64, ak, ak64, bk, bk64, bc, bc64, a, b;
	val packed, c;            /* memory of the call: a panel of B; finished tiles */
	val hints, no_hints;      /* SLOTS x (address, bytes per row); the same of a tile that has nothing to ask for */
	val packed_a, words;      /* A in bf16, and the distance of its rows in words */
	val many;                 /* k is longer than a pack: sums of rows_pack rows wait in c */
	int64_t rows_pack, k_pack;
	val code, bufs, args, streams;
	val next;                 /* the part of B that comes next, or the first one again */
} matmul;

static void emit_functions(matmul *m)
{
	em *e = m->e;
	int rows = m->how == EM_PACK_TILES ? TILE_ROWS : e->t->tile_rows;

	while (rows >= 1) {
		m->height[m->heights] = rows;
		for (int v = e->t->tile_vectors; v >= 1; v--) /* at the lower edge one width is enough, and much less to compile */
			m->tile[m->heights][v - 1] = m->heights && v < e->t->tile_vectors ? m->tile[m->heights][v]
				: em_tile_function(e, m->s, &(em_tile){rows, v, m->how});
		m->heights++;
		if (m->how == EM_PACK_TILES) /* the last one has rows to spare */
			break;
		rows = rows > 4 ? 4 : rows / 2;
	}
	m->pack_rows = em_pack_rows(e, m->s, m->how);
	m->pack_turned = em_pack_turned(e, m->s, m->how);
	if (m->how != EM_PACK_PLAIN)
		m->pack_a = em_pack_a(e, m->how);
}

static val room(matmul *m, val count)
{
	val p = LLVMBuildArrayAlloca(m->e->b, m->s, count, "");

	LLVMSetAlignment(p, LINE);
	return p;
}

static void set_slot(matmul *m, val table, val slot, val address, val stride)
{
	em *e = m->e;
	val at = em_element(e, e->i64, table, times(e, slot, em_int(e, 2)));

	LLVMBuildStore(e->b, address, at);
	LLVMBuildStore(e->b, stride, em_element(e, e->i64, at, em_int(e, 1)));
}

/* Reads the arguments; copies the epilogue's operands behind one that will point at the finished tile. */
static void enter(matmul *m)
{
	em *e = m->e;
	val args = em_param(e, 1), bufs = em_param(e, 0), n = em_load_arg(e, args, ARG_BUFFERS), pack = em_int(e, m->k_pack), to, from;
	em_loop l;

	m->k = em_load_arg(e, args, ARG_K);
	m->as = em_load_arg(e, args, ARG_AS), m->as64 = em_load_arg(e, args, ARG_AS64);
	m->ak = em_load_arg(e, args, ARG_AK), m->ak64 = em_load_arg(e, args, ARG_AK64);
	m->bk = em_load_arg(e, args, ARG_BK), m->bk64 = em_load_arg(e, args, ARG_BK64);
	m->bc = em_load_arg(e, args, ARG_BC), m->bc64 = em_load_arg(e, args, ARG_BC64);
	m->a = em_load_ptr(e, bufs, 0), m->b = em_load_ptr(e, bufs, 1), m->code = em_load_ptr(e, bufs, 2);
	m->streams = em_load_arg(e, args, ARG_STREAMS);
	m->args = em_element(e, e->i64, args, plus(e, em_int(e, ARG_REST), times(e, m->streams, em_int(e, 3))));
	m->many = LLVMBuildICmp(e->b, LLVMIntSGT, m->k, pack, "");
	m->packed = room(m, times(e, plus(e, smaller(e, m->k, pack), em_int(e, e->lanes)), em_int(e, panel_width(e))));
	m->c = room(m, times(e, LLVMBuildSelect(e->b, m->many, em_int(e, m->rows_pack), em_int(e, m->height[0]), ""),
			     em_int(e, RT_PANEL)));
	if (m->how != EM_PACK_PLAIN) {
		val per = em_int(e, k_per_word(m->how) * e->lanes), k = smaller(e, m->k, pack);

		k = LLVMBuildUDiv(e->b, plus(e, k, LLVMBuildSub(e->b, per, em_int(e, 1), "")), per, "");
		m->words = times(e, k, em_int(e, e->lanes));
		m->packed_a = room(m, times(e, m->words, em_int(e, m->rows_pack))); /* either layout fits */
	}
	m->hints = LLVMBuildArrayAlloca(e->b, e->i64, em_int(e, 2 * SLOTS), "");
	m->no_hints = LLVMBuildArrayAlloca(e->b, e->i64, em_int(e, 2 * SLOTS), "");
	em_loop_begin(e, &l, em_int(e, 0), em_int(e, SLOTS), 1, NULL, 0);
	set_slot(m, m->hints, l.i, m->c, em_int(e, 0));
	set_slot(m, m->no_hints, l.i, m->c, em_int(e, 0));
	em_loop_end(e, &l, NULL);
	m->bufs = LLVMBuildArrayAlloca(e->b, e->ptr, plus(e, n, em_int(e, 1)), "");
	em_loop_begin(e, &l, em_int(e, 0), n, 1, NULL, 0);
	to = em_element(e, e->ptr, m->bufs, plus(e, l.i, em_int(e, 1)));
	from = em_element(e, e->ptr, bufs, plus(e, l.i, em_int(e, 3)));
	LLVMBuildStore(e->b, LLVMBuildLoad2(e->b, e->ptr, from, ""), to);
	em_loop_end(e, &l, NULL);
}

/* One packed part of one panel. */
typedef struct part {
	val i0, i1;     /* rows of A */
	val j, width;   /* columns of C */
	val k, n, last; /* [k, k + n); last: that is the end of k */
	val vectors;
	val b;          /* packed */
	/* what its tiles ask for: Note [Hints] */
	val slots;      /* that a tile has */
	val streams;    /* of the epilogue, or 0 while the end of k is far */
	val a_slots;    /* for the rows of A that the next tile reads */
	val b_slots;    /* for the next part of B, all tiles together; where they lie: place_b */
	val b_rows;     /* B is not turned: its columns lie side by side */
	val run, wide;
} part;

/* The rows of A that the next tile reads are asked for by the first panel, if k's lie side by side and A is not packed. */
static val slots_of_a(matmul *m, const part *p)
{
	em *e = m->e;
	val width = em_int(e, panel_width(e)), needed = LLVMBuildUDiv(e->b, plus(e, p->n, em_int(e, panel_width(e) - 1)), width, "");
	val side_by_side = LLVMBuildICmp(e->b, LLVMIntEQ, m->ak, em_int(e, 1), "");
	val wanted = LLVMBuildAnd(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, p->j, em_param(e, 4), ""), side_by_side, "");

	return m->how == EM_PACK_PLAIN ? LLVMBuildSelect(e->b, wanted, needed, em_int(e, 0), "") : em_int(e, 0);
}

/* The elements that a row of a slot covers; never more than RT_PANEL. */
static int64_t slot_columns(const em *e)
{
	return em_slot_width(e) * LINE * e->lanes / e->t->vector_bytes;
}

/* Where the slots of the next part of B lie. Number n: in pack n >> run of RT_PANEL k's, there at SLOT_ROWS rows number
 * (n mod 2^run) >> wide, which are k's or, of a turned B, columns; and there at piece n mod 2^wide of those that a row of a
 * turned B needs, because its RT_PANEL k's may be more lines than a slot is wide. Logarithms: a slot must cost no division. */
static void place_b(matmul *m, part *p)
{
	em *e = m->e;
	int columns = panel_width(e) > SLOT_ROWS ? __builtin_ctzll((uint64_t)panel_width(e) / SLOT_ROWS) : 0;
	int pieces = __builtin_ctzll((uint64_t)(RT_PANEL / slot_columns(e)));
	val packs = LLVMBuildUDiv(e->b, plus(e, p->n, em_int(e, RT_PANEL - 1)), em_int(e, RT_PANEL), "");

	p->b_rows = LLVMBuildICmp(e->b, LLVMIntEQ, m->bc, em_int(e, 1), "");
	p->wide = LLVMBuildSelect(e->b, p->b_rows, em_int(e, 0), em_int(e, pieces), "");
	p->run = LLVMBuildSelect(e->b, p->b_rows, em_int(e, __builtin_ctz(RT_PANEL / SLOT_ROWS)), em_int(e, columns + pieces), "");
	p->b_slots = LLVMBuildShl(e->b, packs, p->run, "");
}

static void plan_hints(matmul *m, part *p)
{
	em *e = m->e;
	int64_t lines = SLOT_ROWS * em_slot_width(e) * (m->how == EM_PACK_PAIRS ? 2 : 1); /* k's per slot: pairs ask once for both */
	val near = LLVMBuildICmp(e->b, LLVMIntSGE, plus(e, p->k, em_int(e, 2 * m->k_pack)), m->k, "");

	p->slots = smaller(e, em_int(e, SLOTS), LLVMBuildUDiv(e->b, plus(e, p->n, em_int(e, lines - 1)), em_int(e, lines), ""));
	p->streams = LLVMBuildSelect(e->b, near, m->streams, em_int(e, 0), "");
	p->a_slots = slots_of_a(m, p);
	place_b(m, p);
}

/* Streams of the epilogue under the tile of so many rows at row i, as many slots each as its rows need; returns the first
 * slot behind. */
static val hint_streams(matmul *m, const part *p, val i, int rows)
{
	em *e = m->e;
	int64_t each = (rows + SLOT_ROWS - 1) / SLOT_ROWS;
	val args = em_param(e, 1), size = LLVMSizeOf(m->s), count = smaller(e, times(e, p->streams, em_int(e, each)), p->slots);
	em_loop l;

	em_loop_begin(e, &l, em_int(e, 0), count, 1, NULL, 0);
	{
		val stream = LLVMBuildUDiv(e->b, l.i, em_int(e, each), ""), rest = LLVMBuildURem(e->b, l.i, em_int(e, each), "");
		val at = em_element(e, e->i64, args, plus(e, em_int(e, ARG_REST), times(e, stream, em_int(e, 3))));
		val bytes = em_load_arg(e, at, 1), row = plus(e, i, times(e, rest, em_int(e, SLOT_ROWS)));
		val column = in_panels(e, p->j, size, em_load_arg(e, at, 2)), offset = plus(e, times(e, row, bytes), column);
		val base = LLVMBuildLoad2(e->b, e->ptr, em_element(e, e->ptr, m->bufs, em_load_arg(e, at, 0)), "");

		set_slot(m, m->hints, l.i, em_element(e, e->i8, base, offset), bytes);
	}
	em_loop_end(e, &l, NULL);
	return count;
}

/* The rows of A from `next` on; returns the first slot behind. */
static val hint_rows(matmul *m, const part *p, val next, val from)
{
	em *e = m->e;
	val to = smaller(e, p->slots, plus(e, from, p->a_slots)), width = em_int(e, panel_width(e));
	val row = in_panels(e, next, m->as, m->as64), stride = times(e, m->as, LLVMSizeOf(m->s));
	em_loop l;

	em_loop_begin(e, &l, from, to, 1, NULL, 0);
	{
		val k = plus(e, p->k, times(e, LLVMBuildSub(e->b, l.i, from, ""), width));
		val column = in_panels(e, k, m->ak, m->ak64);

		set_slot(m, m->hints, l.i, em_element(e, m->s, m->a, plus(e, row, column)), stride);
	}
	em_loop_end(e, &l, NULL);
	return to;
}

/* x modulo 2^n. */
static val low_bits(em *e, val x, val n)
{
	return LLVMBuildAnd(e->b, x, LLVMBuildNot(e->b, LLVMBuildShl(e->b, em_int(e, -1), n, ""), ""), "");
}

/* The other slots, from number `from` on, are those of the next part of B from number share on, as far as it has them. */
static void hint_next(matmul *m, const part *p, val share, val from)
{
	em *e = m->e;
	val step = LLVMBuildSelect(e->b, p->b_rows, m->bk, m->bc, ""), stride = times(e, step, LLVMSizeOf(m->s));
	val rows = times(e, step, em_int(e, SLOT_ROWS)), left = LLVMBuildSub(e->b, p->b_slots, share, "");
	em_loop l;

	em_loop_begin(e, &l, from, smaller(e, p->slots, plus(e, from, left)), 1, NULL, 0);
	{
		val number = plus(e, share, LLVMBuildSub(e->b, l.i, from, "")), inside = low_bits(e, number, p->run);
		val far = times(e, LLVMBuildLShr(e->b, number, p->run, ""), m->bk64);
		val near = times(e, LLVMBuildLShr(e->b, inside, p->wide, ""), rows);
		val along = times(e, low_bits(e, inside, p->wide), em_int(e, slot_columns(e))), at = plus(e, plus(e, far, near), along);

		set_slot(m, m->hints, l.i, em_element(e, m->s, m->next, at), stride);
	}
	em_loop_end(e, &l, NULL);
}

/* What the tile of so many rows at row i, number n of its part, asks for. Most tiles ask for nothing. */
static val hint(matmul *m, const part *p, val i, int rows, val n)
{
	em *e = m->e;
	val always = LLVMBuildICmp(e->b, LLVMIntSGT, plus(e, p->streams, p->a_slots), em_int(e, 0), "");
	val more = LLVMBuildICmp(e->b, LLVMIntSLT, times(e, n, p->slots), p->b_slots, ""), some = LLVMBuildOr(e->b, always, more, "");
	em_if f;

	em_if_begin(e, &f, some);
	{
		val from = hint_streams(m, p, i, rows), share;

		from = hint_rows(m, p, plus(e, i, em_int(e, rows)), from);
		share = times(e, n, LLVMBuildSub(e->b, p->slots, from, ""));
		hint_next(m, p, share, from);
	}
	em_if_end(e, &f);
	return LLVMBuildSelect(e->b, some, m->hints, m->no_hints, "");
}

/* The epilogue addresses its tile by row and column of C, so the pointer is moved back by them. */
static void call_epilogue(matmul *m, val c, val i, val rows, val j, val width)
{
	em *e = m->e;
	LLVMTypeRef t[6] = {e->ptr, e->ptr, e->i64, e->i64, e->i64, e->i64};
	val back = plus(e, times(e, i, em_int(e, RT_PANEL)), j);
	val bottom = plus(e, i, rows), right = plus(e, j, width), arg[6] = {m->bufs, m->args, i, bottom, j, right};

	LLVMBuildStore(e->b, em_element(e, m->s, c, LLVMBuildNeg(e->b, back, "")), m->bufs);
	LLVMBuildCall2(e->b, LLVMFunctionType(LLVMVoidTypeInContext(e->c), t, 6, 0), m->code, arg, 6, "");
}

static val a_element(matmul *m, val i, val k)
{
	em *e = m->e;
	val column = in_panels(e, k, m->ak, m->ak64), row = in_panels(e, i, m->as, m->as64);

	return em_element(e, m->s, m->a, plus(e, row, column));
}

/* Rows of p as bf16; they are not in panels (layout.c). */
static void pack_a(matmul *m, const part *p)
{
	em *e = m->e;
	val from = a_element(m, p->i0, p->k);

	LLVMBuildCall2(e->b, em_pack_a_type(e), m->pack_a,
		       (val[]){m->packed_a, from, m->as, m->ak, p->n, LLVMBuildSub(e->b, p->i1, p->i0, ""), m->words}, 7, "");
}

/* Where the tile at row i of p finds A, and its strides. */
static val a_of(matmul *m, const part *p, val i, val *as, val *ak, val *ak64)
{
	em *e = m->e;
	val columns;

	*as = m->as, *ak = m->ak, *ak64 = m->ak64;
	if (m->how == EM_PACK_PLAIN)
		return a_element(m, i, p->k);
	columns = m->how == EM_PACK_TILES ? LLVMConstInt(e->i1, 0, 0) : em_is_columns(e, m->as, m->ak);
	*as = LLVMBuildSelect(e->b, columns, em_int(e, 1), m->words, "");
	*ak = LLVMBuildSelect(e->b, columns, em_int(e, m->rows_pack), em_int(e, 1), "");
	*ak64 = times(e, *ak, em_int(e, RT_PANEL));
	return em_element(e, m->s, m->packed_a, times(e, LLVMBuildSub(e->b, i, p->i0, ""), *as));
}

/* The tile at row i of the function fn for so many rows; it is C's up to row hi. */
static void one_tile(matmul *m, const part *p, val fn, int rows, val i, val hi)
{
	em *e = m->e;
	val row = LLVMBuildSub(e->b, i, p->i0, ""), c, as, ak, ak64, a = a_of(m, p, i, &as, &ak, &ak64), hints;
	em_if f;

	c = em_element(e, m->s, m->c, LLVMBuildSelect(e->b, m->many, times(e, row, em_int(e, RT_PANEL)), em_int(e, 0), ""));
	hints = hint(m, p, i, rows, LLVMBuildUDiv(e->b, row, em_int(e, rows), ""));
	LLVMBuildCall2(e->b, em_tile_type(e), fn, (val[]){a, p->b, c, hints, as, ak, ak64, p->n, p->k}, 9, "");
	em_if_begin(e, &f, p->last);
	call_epilogue(m, c, i, smaller(e, em_int(e, rows), LLVMBuildSub(e->b, hi, i, "")), p->j, p->width);
	em_if_end(e, &f);
}

/* Rows [lo, hi): tiles of all rows, then of 4, 2 and 1. */
static void some_rows(matmul *m, const part *p, val lo, val hi)
{
	em *e = m->e;

	for (int h = 0; h < m->heights; h++) {
		val fn = m->tile[h][0];
		em_loop i;

		for (int v = 2; v <= e->t->tile_vectors; v++)
			fn = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGE, p->vectors, em_int(e, v), ""), m->tile[h][v - 1], fn, "");
		em_loop_begin(e, &i, lo, m->how == EM_PACK_TILES ? hi : LLVMBuildSub(e->b, hi, em_int(e, m->height[h] - 1), ""),
			      m->height[h], NULL, 0);
		one_tile(m, p, fn, m->height[h], i.i, hi);
		em_loop_end(e, &i, NULL);
		lo = i.i_out;
	}
}

/* All rows; where they lie side by side in panels, those of one panel at a time, so that no tile straddles two. */
static void rows_of_part(matmul *m, const part *p)
{
	em *e = m->e;
	val size = em_int(e, RT_PANEL), first = LLVMBuildUDiv(e->b, p->i0, size, ""), lo, hi;
	val panels = LLVMBuildICmp(e->b, LLVMIntNE, m->as64, times(e, m->as, size), "");
	val count = LLVMBuildSub(e->b, LLVMBuildUDiv(e->b, plus(e, p->i1, em_int(e, RT_PANEL - 1)), size, ""), first, "");
	em_loop n;

	if (m->how != EM_PACK_PLAIN)
		panels = LLVMConstInt(e->i1, 0, 0);
	em_loop_begin(e, &n, em_int(e, 0), LLVMBuildSelect(e->b, panels, count, em_int(e, 1), ""), 1, NULL, 0);
	lo = times(e, plus(e, first, n.i), size), hi = smaller(e, p->i1, plus(e, lo, size));
	lo = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, lo, p->i0, ""), p->i0, lo, "");
	hi = LLVMBuildSelect(e->b, panels, hi, p->i1, "");
	some_rows(m, p, LLVMBuildSelect(e->b, panels, lo, p->i0, ""), hi);
	em_loop_end(e, &n, NULL);
}

/* Does part p of B lie the way tiles read it: rows as far apart as a tile is wide? Tiles may read the whole width, so it must be
 * full or in a panel, which is padded. */
static val is_packed(matmul *m, const part *p)
{
	em *e = m->e;
	val wide = LLVMBuildICmp(e->b, LLVMIntEQ, m->bk, em_int(e, panel_width(e)), "");
	val panels = LLVMBuildICmp(e->b, LLVMIntNE, m->bc64, em_int(e, RT_PANEL), "");
	val full = LLVMBuildICmp(e->b, LLVMIntEQ, p->width, em_int(e, panel_width(e)), "");
	val fits = LLVMBuildOr(e->b, panels, full, "");

	if (m->how != EM_PACK_PLAIN)
		return LLVMConstInt(e->i1, 0, 0);
	return LLVMBuildAnd(e->b, p->b_rows, LLVMBuildAnd(e->b, wide, fits, ""), "");
}

static val b_element(matmul *m, val k, val j)
{
	em *e = m->e;
	val column = in_panels(e, j, m->bc, m->bc64), row = in_panels(e, k, m->bk, m->bk64);

	return em_element(e, m->s, m->b, plus(e, row, column));
}

/* Part p of B in packed form: copied, unless it lies that way already. */
static val packed(matmul *m, const part *p)
{
	em *e = m->e;
	val ready = is_packed(m, p), from = b_element(m, p->k, p->j), stride, pack;
	em_if f;

	em_if_begin(e, &f, LLVMBuildNot(e->b, ready, ""));
	stride = LLVMBuildSelect(e->b, p->b_rows, m->bk, m->bc, "");
	pack = LLVMBuildSelect(e->b, p->b_rows, m->pack_rows, m->pack_turned, "");
	LLVMBuildCall2(e->b, em_pack_type(e), pack, (val[]){m->packed, from, stride, p->n, p->width, m->bk64}, 6, "");
	em_if_end(e, &f);
	return LLVMBuildSelect(e->b, ready, from, m->packed, "");
}

/* Where the part of B behind p begins: of the same panel, of the next one, or of the first one again. */
static val next_part(matmul *m, const part *p)
{
	em *e = m->e;
	val ahead = plus(e, p->j, em_int(e, panel_width(e))), k = LLVMBuildSelect(e->b, p->last, em_int(e, 0), plus(e, p->k, p->n), "");
	val column = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, ahead, em_param(e, 5), ""), ahead, em_param(e, 4), "");

	column = LLVMBuildSelect(e->b, p->last, column, p->j, "");
	return b_element(m, k, column);
}

/* All of k for one panel: packed, multiplied, pack after pack. */
static void panel(matmul *m, val i0, val i1, val j)
{
	em *e = m->e;
	int64_t wide = panel_width(e);
	val one = em_int(e, 1);
	part p = {.i0 = i0, .i1 = i1, .j = j, .width = smaller(e, em_int(e, wide), LLVMBuildSub(e->b, em_param(e, 5), j, ""))};
	em_loop l;
	em_if f;

	p.vectors = LLVMBuildUDiv(e->b, plus(e, p.width, em_int(e, e->lanes - 1)), em_int(e, e->lanes), "");
	em_loop_begin(e, &l, em_int(e, 0), LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, m->k, one, ""), m->k, one, ""),
		      m->k_pack, NULL, 0);
	p.k = l.i;
	p.n = smaller(e, LLVMBuildSub(e->b, m->k, l.i, ""), em_int(e, m->k_pack));
	p.last = LLVMBuildICmp(e->b, LLVMIntSGE, plus(e, p.k, p.n), m->k, "");
	m->next = next_part(m, &p);
	plan_hints(m, &p);
	p.b = packed(m, &p);
	if (m->how != EM_PACK_PLAIN) {
		em_if_begin(e, &f, m->many);
		pack_a(m, &p);
		em_if_end(e, &f);
	}
	rows_of_part(m, &p);
	em_loop_end(e, &l, NULL);
}

/* The packed panel and waiting sums are up to 320 KiB of stack, with A in bf16 700: pages are touched in order, so that a
 * stack too small ends at its guard page and not behind it. */
static void probe_stack(em *e)
{
	LLVMAddAttributeAtIndex(e->fn, LLVMAttributeFunctionIndex,
				LLVMCreateStringAttribute(e->c, "probe-stack", 11, "inline-asm", 10));
}

void em_matmul_kernel(em *e, const cc_kernel *k)
{
	static const em_pack bf16_pack[] = {[CC_BF16_FMA] = EM_PACK_ROUND, [CC_BF16_DOT] = EM_PACK_PAIRS, [CC_BF16_TILES] = EM_PACK_TILES};
	matmul m = {.e = e, .s = em_scalar(e, k->dtype), .k_pack = k->k_pack};
	int64_t rest;
	val r0 = em_param(e, 2), r1 = em_param(e, 3), rows = LLVMBuildSub(e->b, r1, r0, ""), step, i0, i1;
	em_loop i, j;
	em_if f;

	e->lanes = e->t->vector_bytes / (int)ir_dtype_size(k->dtype);
	m.how = k->bf16 ? bf16_pack[e->t->bf16] : EM_PACK_PLAIN;
	m.rows_pack = rows_pack(k->dtype, m.how);
	probe_stack(e);
	IR_ASSERT(m.how != EM_PACK_TILES || e->lanes == BF16_CHAIN, "%d lanes for tiles of AMX", e->lanes);
	IR_ASSERT(k->k_pack > 0 && k->k_pack <= CC_K_PACK_MAX && k->k_pack / K_BLOCK * K_BLOCK == k->k_pack, "pack of %d rows", k->k_pack);
	rest = RT_PANEL % panel_width(e);
	IR_ASSERT(rest == 0, "a tile must not straddle panels");
	emit_functions(&m);
	enter(&m);
	if (m.how == EM_PACK_TILES)
		em_enter_tiles(e);
	step = em_int(e, m.rows_pack);
	if (m.how == EM_PACK_PLAIN) /* nothing waits, unless k is long: all rows at once */
		step = LLVMBuildSelect(e->b, m.many, step, plus(e, rows, em_int(e, 1)), "");
	em_loop_begin(e, &i, em_int(e, 0), LLVMBuildSDiv(e->b, plus(e, rows, LLVMBuildSub(e->b, step, em_int(e, 1), "")), step, ""),
		      1, NULL, 0);
	i0 = plus(e, r0, times(e, i.i, step)), i1 = smaller(e, r1, plus(e, i0, step));
	if (m.how != EM_PACK_PLAIN) { /* once for all panels, where all of k is one pack */
		em_if_begin(e, &f, LLVMBuildNot(e->b, m.many, ""));
		pack_a(&m, &(part){.i0 = i0, .i1 = i1, .k = em_int(e, 0), .n = m.k});
		em_if_end(e, &f);
	}
	em_loop_begin(e, &j, em_param(e, 4), em_param(e, 5), panel_width(e), NULL, 0);
	panel(&m, i0, i1, j.i);
	em_loop_end(e, &j, NULL);
	em_loop_end(e, &i, NULL);
	if (m.how == EM_PACK_TILES)
		em_call(e, "llvm.x86.tilerelease", NULL, 0, NULL, 0);
	LLVMBuildRetVoid(e->b);
}

/* Note [Hints]
 *
 * Weights and moments of all but the smallest models are in no cache of this core when their turn comes, and what another
 * core has just written is in that core's. So while a tile runs, one line per k is asked for, spread out because a burst would
 * fill the queue of misses and hold up the tile itself; into L2, because a line on its way into L1 holds one of a dozen fill
 * buffers all the while, which the tile's own loads from L2 need. A slot is SLOT_ROWS rows of a panel's width. A tile has as
 * many as its k's have lines for: first for the streams of the epilogue under it, then, in the first panel, for the rows of A
 * that the next tile reads, then for its share of the next part of B. Hints are never read, so a wrong one costs time only; that
 * is why slots behind the last wanted one keep what an earlier tile asked for. A tile that wants nothing, as most do, gets a table of
 * hints for the stack. Filling slots is 10 % of a product in narrow tiles if each costs a division or is filled for nothing. */

/* Note [Parts]
 *
 * A panel of B is taken in parts of k_pack rows, 128 by default: 32 KiB in f32 on AVX-512, which stay in L1 while all rows of
 * A pass by. The sums of a longer k wait on the stack meanwhile. Without hints that know where the next part is, one long
 * part was faster; with them, parts are 4 to 12 % of a training step faster. In bf16, A is rounded for every part, so there k
 * is not cut before CC_K_PACK_MAX. Parts end where blocks do, so they cannot change a bit. */
