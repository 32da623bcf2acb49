/* SPDX-License-Identifier: Apache-2.0
 * compiler/schedule.c -- when and on which thread. Launches are put into levels: everything in a level may run at the
 * same time, barriers stand between levels. A launch's blocks are cut into equal shares, one per thread, always in the same
 * order, so that a thread comes back to the same weights. A level too small to share runs on thread 0, and no barrier is
 * needed between two such levels. None of this can change a result: see abi.h. */
#include <string.h>
#include "compiler/plan.h"

/* ---- where values live ------------------------------------------------------------------------------------- */

ir_func *cc_separate_outputs(const ir_func *f, ir_arena *a)
{
	ir_func *r = cc_copy(f, a, f->name, 0);
	bool *taken = ar_new(a, bool, f->n ? f->n : 1);

	for (size_t i = 0; i < f->nout; i++) {
		const ir_output *o = &f->out[i];
		ir_lower lower = ir_op_info(f->ins[o->ref].op)->lower;
		bool own = !taken[o->ref] && lower != IR_LOWER_leaf && lower != IR_LOWER_view;
		ir_ref v = own ? o->ref : ir_emit1(r, "plan", f->ins[o->ref].loc, IR_stop_gradient, o->ref);

		taken[o->ref] = true;
		if (o->state == IR_NO_REF)
			ir_add_output(r, o->name, v);
		else
			ir_add_update(r, o->state, v);
	}
	return r;
}

static void number_leaves(cc_plan *p)
{
	const ir_func *f = p->f;
	bool *used = ar_new(p->a, bool, f->n ? f->n : 1);

	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < f->ins[i].narg; k++)
			used[f->ins[i].arg[k]] = true;
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state != IR_NO_REF)
			used[f->out[i].state] = true;
	p->leaf = ar_new(p->a, ir_ref, f->n ? f->n : 1);
	p->leaf_of = ar_new(p->a, uint32_t, f->n ? f->n : 1);
	memset(p->leaf_of, 0xff, f->n * sizeof *p->leaf_of);
	for (size_t i = 0; i < f->n; i++)
		if (ir_is_leaf(f, (ir_ref)i) && used[i]) {
			p->place[i] = (cc_place){RT_SLOT_LEAF, (uint32_t)p->nleaf, 0};
			p->leaf_of[i] = (uint32_t)p->nleaf;
			p->leaf[p->nleaf++] = (ir_ref)i;
		}
}

/* One operand of one instruction that reads a leaf, directly or by a view. */
typedef struct reader {
	ir_ref ins;
	uint32_t operand;
	struct reader *next;
} reader;

static reader **find_readers(const cc_plan *p)
{
	const ir_func *f = p->f;
	reader **of = ar_new(p->a, reader *, f->n ? f->n : 1);

	for (size_t i = 0; i < f->n; i++)
		for (uint32_t k = 0; k < f->ins[i].narg; k++) {
			ir_ref base = cc_view_of(&p->g, f->ins[i].arg[k]).base;
			reader *r;

			if (!ir_is_leaf(f, base) || p->g.group_of[i] == CC_NO_GROUP)
				continue;
			r = ar_new(p->a, reader, 1);
			*r = (reader){(ir_ref)i, k, of[base]};
			of[base] = r;
		}
	return of;
}

/* Does its own group read leaf s here other than at the very element it then overwrites? */
static bool reads_elsewhere(const cc_plan *p, uint32_t t, const reader *r, ir_ref s)
{
	const cc_group *g = &p->g.group[t];

	/* the copy of a view moves elements, also within a square */
	return p->f->ins[r->ins].arg[r->operand] != s || ir_op_info(p->f->ins[r->ins].op)->lower != IR_LOWER_ew ||
	       g->root == r->ins || g->kind == CC_GROUP_CALL || !ir_shape_equal(&p->f->ins[s].type, &g->shape);
}

/* May the value v be written straight into state s? Every other reader of s must come before; if so, that becomes a
 * need of v's group. */
static bool claim_in_place(cc_plan *p, reader *const *readers, ir_ref s, ir_ref v)
{
	uint32_t t = p->g.group_of[v];

	for (const reader *r = readers[s]; r; r = r->next) {
		uint32_t other = p->g.group_of[r->ins];

		if (other == t ? reads_elsewhere(p, t, r, s) : cc_group_reaches(&p->g, other, t))
			return false;
	}
	for (const reader *r = readers[s]; r; r = r->next)
		cc_group_need(&p->g, t, p->g.group_of[r->ins]);
	return true;
}

void cc_place_values(cc_plan *p)
{
	const ir_func *f = p->f;
	reader **readers = find_readers(p);

	p->place = ar_new(p->a, cc_place, f->n ? f->n : 1); /* RT_SLOT_ARENA is 0 */
	p->late_copy = ar_new(p->a, bool, f->nout ? f->nout : 1);
	p->result = ar_new(p->a, ir_ref, f->nout ? f->nout : 1);
	number_leaves(p);
	for (size_t i = 0; i < f->nout; i++) {
		const ir_output *o = &f->out[i];

		if (o->state == IR_NO_REF) {
			p->place[o->ref] = (cc_place){RT_SLOT_OUTPUT, (uint32_t)p->nresult, 0};
			p->result[p->nresult++] = (ir_ref)i;
		} else if (claim_in_place(p, readers, o->state, o->ref)) {
			p->place[o->ref] = p->place[o->state];
		} else {
			p->late_copy[i] = true;
		}
	}
}

/* ---- levels --------------------------------------------------------------------------------------------------- */

/* The groups that are alive, those that need fewer others first: a group needs all that its needs need, so this is an order
 * in which every need comes before. */
static size_t order_groups(const cc_plan *p, uint32_t *out)
{
	const cc_grouping *g = &p->g;
	uint32_t *needs = ar_new(p->a, uint32_t, g->n + 1), *count = ar_new(p->a, uint32_t, g->n + 2);
	size_t n = 0;

	for (uint32_t t = 0; t < g->n; t++) {
		for (size_t w = 0; w < g->words; w++)
			needs[t] += (uint32_t)__builtin_popcountll(g->reach[t * g->words + w]);
		count[needs[t] + 1]++;
	}
	for (size_t i = 1; i <= g->n; i++)
		count[i] += count[i - 1];
	for (uint32_t t = 0; t < g->n; t++)
		out[count[needs[t]]++] = t;
	for (size_t i = 0; i < g->n; i++)
		if (!g->group[out[i]].dead)
			out[n++] = out[i];
	return n;
}

/* Calls fn for every group that t needs and that is alive. */
static void over_needs(const cc_plan *p, uint32_t t, int *level, void (*fn)(int *level, uint32_t t, uint32_t x))
{
	const cc_grouping *g = &p->g;

	for (size_t w = 0; w < g->words; w++)
		for (uint64_t bits = g->reach[t * g->words + w]; bits; bits &= bits - 1) {
			uint32_t x = (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(bits);

			if (x != t && !g->group[x].dead)
				fn(level, t, x);
		}
}

static void after(int *level, uint32_t t, uint32_t x)
{
	level[t] = level[x] >= level[t] ? level[x] + 1 : level[t];
}

/* x may run as late as just before the earliest group that needs it; latest[] is set up to the end. */
static void not_later(int *latest, uint32_t t, uint32_t x)
{
	latest[x] = latest[x] < latest[t] ? latest[x] : latest[t] - 1;
}

/* Longest way from the sources, then launches that read only leaves move down to where they are needed: what is made long
 * before its use would leave the cache again. */
void cc_level(cc_plan *p)
{
	size_t n = p->g.n + 1, alive;
	int *level = ar_new(p->a, int, n), *latest = ar_new(p->a, int, n);
	uint32_t *order = ar_new(p->a, uint32_t, n);
	bool late = false;

	alive = order_groups(p, order);
	for (size_t i = 0; i < alive; i++) {
		over_needs(p, order[i], level, after);
		p->levels = level[order[i]] >= p->levels ? level[order[i]] + 1 : p->levels;
	}
	for (uint32_t t = 0; t < p->g.n; t++)
		latest[t] = level[t] == 0 ? p->levels - 1 : level[t];
	for (size_t i = 0; i < alive; i++)
		if (level[order[i]] > 0)
			over_needs(p, order[i], latest, not_later);
	for (size_t i = 0; i < p->n; i++) {
		uint32_t t = p->launch[i].group;

		late |= t == CC_NO_GROUP; /* a late copy: behind everything */
		p->launch[i].level = t == CC_NO_GROUP ? p->levels : latest[t];
	}
	p->levels += late;
}

/* ---- shares --------------------------------------------------------------------------------------------------- */

static int64_t blocks(const cc_launch *l)
{
	return ((l->rows + l->row_block - 1) / l->row_block) * ((l->cols + l->col_block - 1) / l->col_block);
}

static void add_work(cc_plan *p, uint32_t launch, bool barrier, int64_t lo, int64_t hi)
{
	*ar_push(p->a, p->work, p->nwork, p->workcap) = (rt_work){launch, barrier, lo, hi};
}

/* The block where thread t's part begins. By area, because the last column of blocks is often narrow; and at the top of a column
 * when that is near (an eighth of the column or of a fair part), because a column's panel of B is packed by everyone who
 * works in it. */
static int64_t part_begins(const cc_launch *l, int t, int threads)
{
	int64_t n = blocks(l), down = (l->rows + l->row_block - 1) / l->row_block, column, left, width, all, near;

	if (!l->down || t == threads)
		return n * t / threads;
	left = l->rows * l->cols * t / threads;
	column = left / (l->rows * l->col_block);
	left -= column * l->rows * l->col_block;
	width = l->cols - column * l->col_block;
	width = width < l->col_block ? width : l->col_block;
	all = l->rows * width;
	near = (all < l->rows * l->cols / threads ? all : l->rows * l->cols / threads) / 8;
	if (left <= near)
		return column * down;
	if (all - left <= near)
		return (column + 1) * down;
	return column * down + (left / width + l->row_block / 2) / l->row_block;
}

/* A launch worth cutting is cut into equal parts, thread t always taking the t-th: so the same thread comes back to the same
 * columns of a weight and its moments in every launch and step, and finds them in its own cache. What is too small to cut goes
 * whole to the thread with the least to do so far. */
static void share_launch(cc_plan *p, size_t i, int t, int threads, double *load, bool *barrier)
{
	const cc_launch *l = &p->launch[i];
	int64_t n = blocks(l), lo = part_begins(l, t, threads), hi = part_begins(l, t + 1, threads);
	int least = 0;

	if (l->cost < 1e-6 * p->schedule.cut_us) { /* its data would travel for nothing */
		for (int x = 1; x < threads; x++)
			least = load[x] < load[least] ? x : least;
		load[least] += l->cost;
		lo = 0, hi = least == t ? n : 0;
	}
	if (lo >= hi)
		return;
	add_work(p, (uint32_t)i, *barrier, lo, hi);
	*barrier = false;
}

static double level_cost(const cc_plan *p, int level)
{
	double c = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->launch[i].level == level && blocks(&p->launch[i]) > 0)
			c += p->launch[i].cost;
	return c;
}

static bool is_reduction(const cc_launch *l)
{
	return l->kernel && (l->kernel->kind == CC_KERNEL_REDUCE_COLS || l->kernel->kind == CC_KERNEL_REDUCE_ROWS);
}

/* Thread t's items of one level; barrier: one must stand in front of the level. Reductions first: what they read was written in the
 * level before, and products would push it out of the cache. */
static void share_level(cc_plan *p, int level, int t, int threads, bool solo, bool barrier)
{
	double *load = ar_new(p->a, double, (size_t)threads);

	for (size_t n = 0; n < 2 * p->n; n++) {
		size_t i = n % p->n;

		if (p->launch[i].level != level || blocks(&p->launch[i]) == 0 || is_reduction(&p->launch[i]) != (n < p->n))
			continue;
		if (!solo)
			share_launch(p, i, t, threads, load, &barrier);
		else if (t == 0) {
			add_work(p, (uint32_t)i, barrier, 0, blocks(&p->launch[i]));
			barrier = false;
		}
	}
	if (barrier)
		add_work(p, 0, true, 0, 0); /* nothing to do, but all must meet */
}

void cc_share(cc_plan *p, int threads)
{
	p->start = ar_new(p->a, uint32_t, (size_t)threads + 1);
	for (int t = 0; t < threads; t++) {
		bool was_solo = true;

		p->start[t] = (uint32_t)p->nwork;
		for (int level = 0; level < p->levels; level++) {
			bool solo = threads == 1 || level_cost(p, level) < 1e-6 * p->schedule.solo_us; /* or all wait longer */
			bool barrier = threads > 1 && level > 0 && !(solo && was_solo);

			share_level(p, level, t, threads, solo, barrier);
			was_solo = solo;
		}
	}
	p->start[threads] = (uint32_t)p->nwork;
}
