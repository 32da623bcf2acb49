/* SPDX-License-Identifier: Apache-2.0
 * compiler/fuse.c -- groups instructions into kernels. Greedy, in order of the text: an element-wise op joins the group
 * that makes one of its operands (a map, or the epilogue of a matmul) if no other operand needs that group by way of
 * something outside; groups that meet in one op are merged under the same condition. Sums of panels do likewise. What only a
 * reduction reads is computed inside it. Every element is computed by the same operations in whatever group it is, but for one thing:
 * where a tile is narrower than a panel (f64, AVX2, SSE2), a sum of panels behind a product adds up the sums over its tiles. */
#include <string.h>
#include "compiler/fuse.h"
#include "compiler/kernel.h"

/* Kernels stay below this many instructions: registers run out long before. */
#define MAX_MEMBERS 48

/* ---- views ---------------------------------------------------------------------------------------------- */

static void contiguous(const ir_type *t, int64_t *stride)
{
	int64_t s = 1;

	for (int i = t->rank; i-- > 0;) {
		stride[i] = s;
		s *= t->dim[i];
	}
}

bool cc_view_is_contiguous(const cc_view *v, const ir_type *t)
{
	int64_t s[IR_MAX_RANK];

	contiguous(t, s);
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] != 1 && v->stride[i] != s[i])
			return false;
	return true;
}

static bool is_alias(const cc_grouping *g, ir_ref r)
{
	return ir_op_info(g->f->ins[r].op)->lower == IR_LOWER_view && !g->copied[r];
}

static cc_view step_view(const ir_ins *in, const ir_type *from, const cc_view *v)
{
	cc_view r = {.base = v->base, .offset = v->offset};

	switch ((int)in->op) {
	case IR_reshape:
		contiguous(&in->type, r.stride);
		break;
	case IR_transpose:
		for (int i = 0; i < in->type.rank; i++)
			r.stride[i] = v->stride[ir_attr_get(in, IR_ATTR_perm)->v.dim[i]];
		break;
	case IR_broadcast:
		for (int i = 0; i < from->rank; i++) {
			int to = i + in->type.rank - from->rank;

			r.stride[to] = from->dim[i] == in->type.dim[to] ? v->stride[i] : 0;
		}
		break;
	case IR_slice:
		for (int i = 0; i < in->type.rank; i++) {
			r.stride[i] = v->stride[i];
			r.offset += v->stride[i] * ir_attr_get(in, IR_ATTR_start)->v.dim[i];
		}
		break;
	default:
		ir_bug("%s is not a view", ir_op_info(in->op)->name);
	}
	return r;
}

cc_view cc_view_of(const cc_grouping *g, ir_ref r)
{
	const ir_ins *in = &g->f->ins[r];
	cc_view v = {.base = r};

	if (!is_alias(g, r)) {
		contiguous(&in->type, v.stride);
		return v;
	}
	v = cc_view_of(g, in->arg[0]);
	return step_view(in, &g->f->ins[in->arg[0]].type, &v);
}

/* Must view o be written out for instruction i, which reads it as operand k? Reshape needs its operand in one piece; so do
 * calls, and matmul the rows or the columns of its second operand. */
static bool needs_copy(const cc_grouping *g, const ir_ins *in, size_t k)
{
	ir_ref o = in->arg[k];
	const ir_type *t = &g->f->ins[o].type;
	cc_view v;

	if (!is_alias(g, o))
		return false;
	v = cc_view_of(g, o);
	if (g->f->ins[v.base].op == IR_constant)
		return true;
	if (in->op == IR_matmul)
		return k == 1 && v.stride[1] != 1 && t->dim[1] != 1 && v.stride[0] != 1 && t->dim[0] != 1;
	return (in->op == IR_reshape || ir_op_info(in->op)->lower == IR_LOWER_call) && !cc_view_is_contiguous(&v, t);
}

/* A copy changes the strides of the views behind it, so what was fine before is looked at again until nothing changes. */
static void mark_copies(cc_grouping *g)
{
	const ir_func *f = g->f;
	bool changed = true;

	for (size_t i = 0; i < f->n; i++)
		g->copied[i] = ir_op_info(f->ins[i].op)->lower == IR_LOWER_copy;
	for (size_t i = 0; i < f->nout; i++)
		g->copied[f->out[i].ref] |= is_alias(g, f->out[i].ref);
	while (changed) {
		changed = false;
		for (size_t i = 0; i < f->n; i++)
			for (size_t k = 0; k < f->ins[i].narg; k++)
				if (needs_copy(g, &f->ins[i], k))
					g->copied[f->ins[i].arg[k]] = changed = true;
	}
}

/* ---- groups --------------------------------------------------------------------------------------------- */

bool cc_group_reaches(const cc_grouping *g, uint32_t from, uint32_t to)
{
	return g->reach[from * g->words + to / 64] >> (to % 64) & 1;
}

static void set_reach(cc_grouping *g, uint32_t from, uint32_t to)
{
	g->reach[from * g->words + to / 64] |= (uint64_t)1 << (to % 64);
}

static void or_reach(cc_grouping *g, uint32_t into, uint32_t from)
{
	for (size_t w = 0; w < g->words; w++)
		g->reach[into * g->words + w] |= g->reach[from * g->words + w];
}

/* into needs from, and so does everything that needs into. */
void cc_group_need(cc_grouping *g, uint32_t into, uint32_t from)
{
	if (into == from || cc_group_reaches(g, into, from))
		return;
	set_reach(g, into, from);
	or_reach(g, into, from);
	for (uint32_t x = 0; x < g->n; x++)
		if (x != into && cc_group_reaches(g, x, into))
			or_reach(g, x, into);
}

static uint32_t new_group(cc_grouping *g, cc_group_kind kind, ir_ref root, const ir_type *shape)
{
	cc_group *p = ar_push(g->a, g->group, g->n, g->cap);

	*p = (cc_group){.kind = kind, .root = root, .shape = *shape};
	return (uint32_t)g->n - 1;
}

static void add_member(cc_grouping *g, uint32_t to, ir_ref r)
{
	cc_group *p = &g->group[to];

	*ar_push(g->a, p->member, p->n, p->cap) = r;
	g->group_of[r] = to;
}

/* The group that makes operand o, seen through aliasing views. */
static uint32_t maker(const cc_grouping *g, ir_ref o)
{
	return g->group_of[cc_view_of(g, o).base];
}

static bool is_lowered(const cc_grouping *g, ir_ref r, ir_lower as)
{
	return ir_op_info(g->f->ins[r].op)->lower == as;
}

/* What i is computed over: its own shape, or that of the matrix whose panels are summed. */
static const ir_type *space_of(const cc_grouping *g, ir_ref i)
{
	return &g->f->ins[is_lowered(g, i, IR_LOWER_panel) ? g->f->ins[i].arg[0] : i].type;
}

/* Does i, a member of t or to be one, read its operand o, made in t, element by element? The copy of a view does not, also where
 * the shapes are equal: a square turned over. Sums of panels are complete when the kernel is. */
static bool is_pointwise(const cc_grouping *g, ir_ref i, ir_ref o, uint32_t t)
{
	if (!is_lowered(g, i, IR_LOWER_ew) && !is_lowered(g, i, IR_LOWER_panel))
		return false;
	return g->group_of[o] == t && !is_alias(g, o) && !is_lowered(g, o, IR_LOWER_panel) &&
	       ir_shape_equal(&g->f->ins[o].type, space_of(g, i));
}

/* No operand of i may come from t but point by point, or need t by way of another group. also: merged into t. */
static bool may_join(const cc_grouping *g, ir_ref i, uint32_t t, uint32_t also)
{
	const ir_ins *in = &g->f->ins[i];

	for (size_t k = 0; k < in->narg; k++) {
		uint32_t m = maker(g, in->arg[k]);

		if (m == CC_NO_GROUP)
			continue;
		if (m == t || m == also) {
			if (!is_pointwise(g, i, in->arg[k], m))
				return false;
		} else if (cc_group_reaches(g, m, t) || (also != CC_NO_GROUP && cc_group_reaches(g, m, also))) {
			return false;
		}
	}
	return true;
}

static int sums_in(const cc_grouping *g, uint32_t t)
{
	int n = 0;

	for (size_t i = 0; i < g->group[t].n; i++)
		n += is_lowered(g, g->group[t].member[i], IR_LOWER_panel);
	return n;
}

static bool joinable(const cc_grouping *g, ir_ref i, uint32_t t)
{
	const cc_group *p = &g->group[t];

	if (is_lowered(g, i, IR_LOWER_panel) && sums_in(g, t) == CC_MAX_SUMS)
		return false;
	return (p->kind == CC_GROUP_MAP || p->kind == CC_GROUP_MATMUL) && p->n < MAX_MEMBERS &&
	       ir_shape_equal(&p->shape, space_of(g, i));
}

/* Is there a way from a to b, either direction, through a third group? Then they cannot be one kernel. */
static bool separated(const cc_grouping *g, uint32_t a, uint32_t b)
{
	for (uint32_t x = 0; x < g->n; x++)
		if (x != a && x != b && !g->group[x].dead &&
		    ((cc_group_reaches(g, x, a) && cc_group_reaches(g, b, x)) || (cc_group_reaches(g, x, b) && cc_group_reaches(g, a, x))))
			return true;
	return false;
}

/* One group reading the other other than point by point cannot be merged with it. */
static bool reads_across(const cc_grouping *g, uint32_t a, uint32_t b)
{
	const cc_group *p = &g->group[a];

	for (size_t i = 0; i < p->n; i++) {
		const ir_ins *in = &g->f->ins[p->member[i]];

		for (size_t k = 0; k < in->narg; k++)
			if (maker(g, in->arg[k]) == b && !is_pointwise(g, p->member[i], in->arg[k], b))
				return true;
	}
	if (p->kind != CC_GROUP_MATMUL)
		return false;
	for (size_t k = 0; k < 2; k++)
		if (maker(g, g->f->ins[p->root].arg[k]) == b)
			return true;
	return false;
}

static void merge(cc_grouping *g, uint32_t into, uint32_t from)
{
	cc_group *p = &g->group[into], *q = &g->group[from];
	ir_ref *m = ar_new(g->a, ir_ref, p->n + q->n);
	size_t i = 0, j = 0, n = 0;

	while (i < p->n || j < q->n) /* keep the order of the text */
		m[n++] = j == q->n || (i < p->n && p->member[i] < q->member[j]) ? p->member[i++] : q->member[j++];
	p->member = m, p->n = p->cap = n;
	for (j = 0; j < q->n; j++)
		g->group_of[q->member[j]] = into;
	q->dead = true, q->n = 0;
	for (uint32_t x = 0; x < g->n; x++)
		if (x != from && cc_group_reaches(g, from, x))
			cc_group_need(g, into, x);
	for (uint32_t x = 0; x < g->n; x++)
		if (cc_group_reaches(g, x, from))
			cc_group_need(g, x, into);
}

static bool may_merge(const cc_grouping *g, uint32_t a, uint32_t b)
{
	if (g->group[a].n + g->group[b].n >= MAX_MEMBERS ||
	    sums_in(g, a) + sums_in(g, b) > CC_MAX_SUMS ||
	    (g->group[a].kind == CC_GROUP_MATMUL && g->group[b].kind == CC_GROUP_MATMUL))
		return false;
	return !separated(g, a, b) && !reads_across(g, a, b) && !reads_across(g, b, a);
}

static void place_pointwise(cc_grouping *g, ir_ref i)
{
	const ir_ins *in = &g->f->ins[i];
	uint32_t t = CC_NO_GROUP;

	for (size_t k = 0; k < in->narg; k++) {
		uint32_t m = g->group_of[in->arg[k]];

		if (m != CC_NO_GROUP && m != t && joinable(g, i, m) && is_pointwise(g, i, in->arg[k], m) &&
		    may_join(g, i, m, CC_NO_GROUP) && (t == CC_NO_GROUP || m > t))
			t = m;
	}
	if (t == CC_NO_GROUP)
		t = new_group(g, CC_GROUP_MAP, IR_NO_REF, space_of(g, i));
	for (size_t k = 0; k < in->narg; k++) {
		uint32_t m = g->group_of[in->arg[k]];

		if (m == CC_NO_GROUP || m == t || !joinable(g, i, m) || !is_pointwise(g, i, in->arg[k], m) ||
		    !may_join(g, i, t, m) || !may_merge(g, t, m))
			continue;
		if (g->group[m].kind == CC_GROUP_MATMUL) {
			merge(g, m, t);
			t = m;
		} else {
			merge(g, t, m);
		}
	}
	add_member(g, t, i);
}

static void need_operands(cc_grouping *g, uint32_t t, const ir_ins *in)
{
	for (size_t k = 0; k < in->narg; k++) {
		uint32_t m = maker(g, in->arg[k]);

		if (m != CC_NO_GROUP && m != t)
			cc_group_need(g, t, m);
	}
}

/* sink[i]: the reduction that alone reads i, so that i is computed inside it. */
static ir_ref *find_sinks(const cc_grouping *g)
{
	const ir_func *f = g->f;
	ir_ref *sink = ar_new(g->a, ir_ref, f->n ? f->n : 1);
	bool *open = ar_new(g->a, bool, f->n ? f->n : 1); /* no reader seen yet */
	size_t *members = ar_new(g->a, size_t, f->n ? f->n : 1); /* per reduction */

	memset(sink, 0xff, f->n * sizeof *sink);
	memset(open, 1, f->n);
	for (size_t i = 0; i < f->nout; i++)
		open[f->out[i].ref] = false;
	for (size_t i = f->n; i-- > 0;) {
		const ir_ins *in = &f->ins[i];
		ir_lower lower = ir_op_info(in->op)->lower;
		ir_ref mine = lower == IR_LOWER_reduce ? (ir_ref)i : lower == IR_LOWER_ew ? sink[i] : IR_NO_REF;

		for (size_t k = 0; k < in->narg; k++) {
			ir_ref o = in->arg[k];
			bool fits = mine != IR_NO_REF && ir_op_info(f->ins[o].op)->lower == IR_LOWER_ew &&
				    ir_shape_equal(&f->ins[o].type, &f->ins[f->ins[mine].arg[0]].type);

			fits = fits && (open[o] || sink[o] == mine) && members[mine] < MAX_MEMBERS;
			if (fits && open[o])
				members[mine]++;
			sink[o] = fits ? mine : IR_NO_REF;
			open[o] = false;
		}
	}
	return sink;
}

static void place(cc_grouping *g, ir_ref i, const ir_ref *sink, uint32_t *group_of_sink)
{
	const ir_ins *in = &g->f->ins[i];
	uint32_t t;

	switch (ir_op_info(in->op)->lower) {
	case IR_LOWER_leaf:
		return;
	case IR_LOWER_view:
		if (!g->copied[i])
			return;
		add_member(g, new_group(g, CC_GROUP_MAP, IR_NO_REF, &in->type), i);
		break;
	case IR_LOWER_copy:
		g->group_of[i] = new_group(g, CC_GROUP_CALL, i, &in->type);
		break;
	case IR_LOWER_call:
		g->group_of[i] = new_group(g, CC_GROUP_CALL, i, &in->type);
		break;
	case IR_LOWER_matmul:
		g->group_of[i] = new_group(g, CC_GROUP_MATMUL, i, &in->type);
		break;
	case IR_LOWER_panel:
	case IR_LOWER_ew:
		if (sink[i] == IR_NO_REF) { /* nothing sinks a sum of panels */
			place_pointwise(g, i);
			break;
		}
		t = group_of_sink[sink[i]];
		if (t == CC_NO_GROUP)
			t = group_of_sink[sink[i]] = new_group(g, CC_GROUP_REDUCE, sink[i], &in->type);
		add_member(g, t, i);
		break;
	case IR_LOWER_reduce:
		if (group_of_sink[i] == CC_NO_GROUP)
			group_of_sink[i] = new_group(g, CC_GROUP_REDUCE, i, &g->f->ins[in->arg[0]].type);
		g->group_of[i] = group_of_sink[i];
		break;
	}
	need_operands(g, g->group_of[i], in);
}

/* ---- memory --------------------------------------------------------------------------------------------- */

static void mark_stored(cc_grouping *g)
{
	const ir_func *f = g->f;

	for (size_t i = 0; i < f->n; i++) {
		uint32_t t = g->group_of[i];

		if (t == CC_NO_GROUP)
			continue;
		for (size_t k = 0; k < f->ins[i].narg; k++) {
			ir_ref base = cc_view_of(g, f->ins[i].arg[k]).base;
			bool inline_constant = f->ins[base].op == IR_constant &&
					       ir_op_info(f->ins[i].op)->lower != IR_LOWER_matmul &&
					       g->group[t].kind != CC_GROUP_CALL;

			if (g->group_of[base] != t && !inline_constant)
				g->stored[base] = true;
		}
	}
	for (size_t i = 0; i < f->nout; i++)
		g->stored[f->out[i].ref] = true;
}

/* A constant that must be memory (an operand of matmul or of a call, a result) becomes a map that fills it, before all
 * that read it. */
static void fill_constants(cc_grouping *g)
{
	for (size_t i = 0; i < g->f->n; i++)
		if (g->f->ins[i].op == IR_constant && g->stored[i]) {
			g->group_of[i] = new_group(g, CC_GROUP_MAP, IR_NO_REF, &g->f->ins[i].type);
			add_member(g, g->group_of[i], (ir_ref)i);
		}
	for (size_t i = 0; i < g->f->n; i++)
		if (g->group_of[i] != CC_NO_GROUP)
			need_operands(g, g->group_of[i], &g->f->ins[i]);
}

void cc_group_build(cc_grouping *g, const ir_func *f, ir_arena *a)
{
	size_t n = f->n ? f->n : 1;
	uint32_t *of_sink = ar_new(a, uint32_t, n);
	ir_ref *sink;

	*g = (cc_grouping){.f = f, .a = a, .words = n / 64 + 1};
	g->group_of = ar_new(a, uint32_t, n);
	g->copied = ar_new(a, bool, n);
	g->stored = ar_new(a, bool, n);
	g->reach = ar_new(a, uint64_t, n * g->words); /* at most one group per instruction */
	memset(g->group_of, 0xff, n * sizeof *g->group_of);
	memset(of_sink, 0xff, n * sizeof *of_sink);
	mark_copies(g);
	sink = find_sinks(g);
	for (size_t i = 0; i < f->n; i++)
		place(g, (ir_ref)i, sink, of_sink);
	mark_stored(g);
	fill_constants(g);
}
