/* SPDX-License-Identifier: Apache-2.0
 * compiler/lower.c -- turns a group into launches: which kernel, over which space, cut how, and an estimate of its cost. */
#include <string.h>
#include "compiler/expr.h"

/* Where a map may be cut, in elements: fine enough that threads get the parts of a small weight (64 x 64) that they
 * have in a product; and rows per block of a row reduction. */
#define MAP_BLOCK  256
#define COLS_BLOCK RT_PANEL /* columns may be in panels */
#define ROWS_BLOCK 8

static cc_launch *new_launch(cc_plan *p, uint32_t group)
{
	cc_launch *l = ar_push(p->a, p->launch, p->n, p->cap);

	*l = (cc_launch){.group = group};
	return l;
}

static int64_t product(const int64_t *v, int n)
{
	int64_t r = 1;

	for (int i = 0; i < n; i++)
		r *= v[i];
	return r;
}

/* Bytes moved at about 16 GB/s when hot, plus arithmetic at 8 element operations per ns, plus the call. */
static double stream_cost(double elements, double accesses, double flops)
{
	return 60e-9 + elements * (accesses * 0.06e-9 + flops * 0.03e-9);
}

/* ---- maps -------------------------------------------------------------------------------------------------- */

/* Panels are cut like the products that use them, so that threads stay with their own. */
static void cut_map(cc_launch *l, bool panels)
{
	if (panels) {
		l->row_block = CC_MATMUL_ROW_BLOCK, l->col_block = RT_PANEL;
		l->down = true;
	} else if (l->rows == 1) {
		l->row_block = 1, l->col_block = MAP_BLOCK;
	} else {
		l->row_block = l->cols >= MAP_BLOCK ? 1 : (MAP_BLOCK + l->cols - 1) / (l->cols ? l->cols : 1);
		l->col_block = l->cols ? l->cols : 1;
	}
}

static bool has_panels(const cc_expr *e)
{
	for (size_t i = 0; i < e->nacc; i++)
		if (e->acc[i].panel)
			return true;
	return false;
}

static void finish_map(cc_expr *e, cc_launch *l)
{
	cc_kernel *k = ar_new(e->p->a, cc_kernel, 1);

	cc_expr_collapse(e);
	if (e->s.kept == 0)
		cc_expr_insert_dim(e, 0, true);
	k->kind = CC_KERNEL_MAP, k->dtype = IR_F32;
	cc_expr_describe(e, k, e->s.kept - 1);
	l->kernel = k, l->name = "map";
	l->cols = e->s.size[e->s.kept - 1];
	l->rows = product(e->s.size, e->s.kept - 1);
	cut_map(l, has_panels(e));
	l->flops = e->flops * (double)(l->rows * l->cols);
	l->cost = stream_cost((double)(l->rows * l->cols), (double)e->nacc, e->flops);
	cc_expr_fill(e, k, l, 0);
}

/* out[r, c] = in[c, r], element by element copied: the tile kernel does it in vectors. */
static bool try_transpose(cc_plan *p, uint32_t group)
{
	const cc_group *g = &p->g.group[group];
	const ir_ins *in = &p->f->ins[g->member[0]];
	cc_expr e = {.p = p};
	cc_kernel *k;
	cc_launch *l;
	cc_view v;

	if (g->n != 1 || in->op != IR_transpose || in->type.rank != 2 || ir_dtype_size(in->type.dtype) < 4 || p->panel[g->member[0]])
		return false;
	v = cc_expr_through(&e, g->member[0]);
	if (v.stride[0] != 1 || p->f->ins[v.base].op == IR_constant)
		return false;
	l = new_launch(p, group);
	k = l->kernel = ar_new(p->a, cc_kernel, 1);
	k->kind = CC_KERNEL_TRANSPOSE, k->dtype = in->type.dtype;
	l->name = "transpose";
	l->rows = in->type.dim[0], l->cols = in->type.dim[1];
	l->row_block = 16, l->col_block = 256;
	l->operand = ar_new(p->a, cc_operand, 2);
	l->operand[0] = (cc_operand){v.base, (size_t)v.offset * ir_dtype_size(in->type.dtype), false};
	l->operand[1] = (cc_operand){g->member[0], 0, true};
	l->noperand = 2;
	l->arg = ar_new(p->a, int64_t, 2);
	l->arg[0] = v.stride[1], l->arg[1] = l->cols;
	l->narg = 2;
	l->cost = stream_cost((double)(l->rows * l->cols), 4, 0);
	return true;
}

static void lower_map(cc_plan *p, uint32_t group)
{
	cc_expr e;

	if (try_transpose(p, group))
		return;
	cc_expr_init(&e, p, group, &p->g.group[group].shape);
	cc_expr_add_members(&e);
	finish_map(&e, new_launch(p, group));
}

/* ---- reductions ---------------------------------------------------------------------------------------------- */

static void split_axes(cc_expr *e, const ir_attr *axes)
{
	bool red[IR_MAX_RANK] = {false};
	int n = 0;

	for (int i = 0; i < axes->v.rank; i++)
		red[axes->v.dim[i]] = true;
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < e->shape.rank; i++)
			if (red[i] == (pass == 1)) {
				e->order[n] = i;
				e->s.size[n++] = e->shape.dim[i];
			}
	e->s.red = axes->v.rank;
	e->s.kept = e->shape.rank - e->s.red;
}

/* The result: contiguous over kept dimensions, at rest along reduced ones. */
static void add_result(cc_expr *e, ir_ref root)
{
	cc_expr_access a = {.a = {.dtype = e->p->f->ins[root].type.dtype}, .base = root, .write = true};
	int64_t s = 1;

	IR_ASSERT(!e->p->panel[root], "a reduction writes by rows");
	for (int d = e->s.kept; d-- > 0; s *= e->s.size[d])
		a.stride[d] = s;
	*ar_push(e->p->a, e->acc, e->nacc, e->acccap) = a;
	*ar_push(e->p->a, e->store, e->nstore, e->storecap) = (cc_store){0, (uint16_t)(e->nacc - 1)};
}

/* Vectors along the kept columns pay when something lies side by side there and nothing is scattered. */
static bool prefers_cols(const cc_expr *e)
{
	int inner = e->s.kept - 1, next = 0;

	if (inner < 0)
		return false;
	for (size_t i = 0; i < e->nacc; i++) {
		int64_t stride = e->acc[i].stride[inner];
		bool side_by_side = e->acc[i].panel ? stride > RT_PANEL : stride == 1; /* in panels, RT_PANEL is the stride of rows */

		if (e->acc[i].write)
			continue;
		if (stride != 0 && !side_by_side)
			return false;
		next += side_by_side;
	}
	return next > 0;
}

static void lower_reduce(cc_plan *p, uint32_t group)
{
	const cc_group *g = &p->g.group[group];
	const ir_ins *root = &p->f->ins[g->root];
	cc_kernel *k = ar_new(p->a, cc_kernel, 1);
	cc_launch *l;
	cc_expr e;
	bool cols;

	cc_expr_init(&e, p, group, &g->shape);
	split_axes(&e, ir_attr_get(root, IR_ATTR_axes));
	cc_expr_add_members(&e);
	k->reduced = cc_expr_operand(&e, root->arg[0]);
	add_result(&e, g->root);
	cc_expr_collapse(&e);
	cols = prefers_cols(&e);
	for (size_t i = 0; i < e.nacc; i++)
		IR_ASSERT(!e.acc[i].panel || cols == (e.acc[i].stride[e.s.kept + e.s.red - 1] == RT_PANEL), "panels are walked along their rows");
	if (!cols || e.s.kept == 0)
		cc_expr_insert_dim(&e, e.s.kept, true);
	if (e.s.red == 0)
		cc_expr_insert_dim(&e, e.s.kept, false);
	k->kind = cols ? CC_KERNEL_REDUCE_COLS : CC_KERNEL_REDUCE_ROWS;
	k->dtype = root->type.dtype, k->reduce = root->op;
	cc_expr_describe(&e, k, cols ? e.s.kept - 1 : e.s.kept + e.s.red - 1);
	l = new_launch(p, group);
	l->kernel = k, l->name = cols ? "reduce_cols" : "reduce_rows";
	l->cols = e.s.size[e.s.kept - 1];
	l->rows = product(e.s.size, e.s.kept - 1);
	l->row_block = cols ? 1 : ROWS_BLOCK;
	l->col_block = cols ? COLS_BLOCK : 1;
	l->flops = (e.flops + 1) * (double)product(e.s.size, e.s.kept + e.s.red);
	l->cost = stream_cost((double)product(e.s.size, e.s.kept + e.s.red), (double)e.nacc, e.flops + 1);
	cc_expr_fill(&e, k, l, 0);
}

/* ---- matmul ---------------------------------------------------------------------------------------------------- */

/* The epilogue's first access is the tile of C, a scratch with rows of its own stride, set by the kernel. */
static void add_tile(cc_expr *e, ir_ref root)
{
	cc_view v = {.base = root};

	v.stride[0] = RT_PANEL, v.stride[1] = 1;
	e->node_of[root] = cc_expr_load(e, &v, &e->p->f->ins[root].type, false);
}

/* Weights and moments, touched once per step and evicted since; and what an earlier launch left in panels. Elements as wide as the
 * product's, so that columns are as many bytes apart. */
static bool is_stream(const cc_expr *e, const cc_expr_access *a)
{
	if (a->base == IR_NO_REF || a->write || ir_dtype_size(a->a.dtype) != ir_dtype_size(e->acc[0].a.dtype))
		return false;
	return a->panel || (a->stride[0] > 1 && a->stride[1] == 1 && e->p->place[a->base].kind == RT_SLOT_LEAF);
}

/* The matmul's arguments in front of the epilogue's: see kernel.h. */
static void add_streams(const cc_expr *e, cc_launch *l)
{
	int64_t *arg = ar_new(e->p->a, int64_t, l->narg + 1 + 3 * e->nacc), buffer = 0;
	size_t n = l->narg + 1;

	memcpy(arg, l->arg, l->narg * sizeof *arg);
	for (size_t i = 1; i < e->nacc; i++) {
		int64_t bytes = (int64_t)ir_dtype_size(e->acc[i].a.dtype);

		if (e->acc[i].a.is_iota) /* has no buffer */
			continue;
		buffer++;
		if (!is_stream(e, &e->acc[i]))
			continue;
		arg[l->narg]++;
		arg[n++] = buffer;
		arg[n++] = e->acc[i].stride[0] * bytes;
		arg[n++] = (e->acc[i].panel ? e->acc[i].stride[1] : RT_PANEL) * bytes;
	}
	l->arg = arg, l->narg = n;
}

static void add_epilogue(cc_plan *p, uint32_t group, cc_launch *l)
{
	const cc_group *g = &p->g.group[group];
	cc_kernel *k = ar_new(p->a, cc_kernel, 1);
	cc_expr e;

	cc_expr_init(&e, p, group, &g->shape);
	add_tile(&e, g->root);
	cc_expr_add_members(&e);
	if (p->g.stored[g->root])
		cc_expr_add_store(&e, g->root, 0);
	k->kind = CC_KERNEL_MAP, k->dtype = IR_F32;
	cc_expr_describe(&e, k, 1);
	k->access[0].along = e.acc[0].a.along = CC_ALONG_NEXT;
	l->epilogue = k;
	add_streams(&e, l);
	cc_expr_fill(&e, k, l, 1);
	l->flops += e.flops * (double)(l->rows * l->cols);
	l->cost += stream_cost((double)(l->rows * l->cols), (double)e.nacc, e.flops);
}

/* Strides of an operand along its dimension d, for one step and for RT_PANEL steps. */
static void strides_of(const cc_plan *p, const cc_view *v, int d, int64_t *arg)
{
	bool turned = v->stride[0] == 1 && v->stride[1] != 1; /* of a matrix in panels */
	bool down = (d == 0) != turned;                       /* its rows, not along its columns */

	arg[0] = v->stride[d], arg[1] = v->stride[d] * RT_PANEL;
	if (p->panel[v->base]) {
		arg[0] = down ? RT_PANEL : 1;
		arg[1] = RT_PANEL * (down ? RT_PANEL : p->f->ins[v->base].type.dim[0]);
	}
}

static void lower_matmul(cc_plan *p, uint32_t group)
{
	const cc_group *g = &p->g.group[group];
	const ir_ins *in = &p->f->ins[g->root];
	bool ta = ir_attr_int(in, IR_ATTR_ta);
	cc_view a = cc_view_of(&p->g, in->arg[0]), b = cc_view_of(&p->g, in->arg[1]);
	int64_t k = p->f->ins[in->arg[0]].type.dim[ta ? 0 : 1];
	size_t bytes = ir_dtype_size(in->type.dtype);
	cc_launch *l = new_launch(p, group);

	l->kernel = ar_new(p->a, cc_kernel, 1);
	l->kernel->kind = CC_KERNEL_MATMUL;
	l->kernel->dtype = in->type.dtype;
	l->kernel->bf16 = ir_attr_int(in, IR_ATTR_bf16);
	l->kernel->k_pack = l->kernel->bf16 ? CC_K_PACK_MAX : p->schedule.k_pack; /* see Note [Parts] in llvm/emit_matmul.c */
	l->name = ar_printf(p->a, "matmul %lldx%lldx%lld", (long long)in->type.dim[0], (long long)in->type.dim[1], (long long)k);
	l->rows = in->type.dim[0], l->cols = in->type.dim[1];
	l->row_block = CC_MATMUL_ROW_BLOCK, l->col_block = RT_PANEL;
	l->down = true; /* what is packed of B serves all rows of the share */
	l->flops = 2.0 * (double)(l->rows * l->cols) * (double)k;
	l->cost = 80e-9 + l->flops / (bytes == 4 ? 100e9 : 50e9);
	l->operand = ar_new(p->a, cc_operand, 3);
	l->operand[0] = (cc_operand){a.base, (size_t)a.offset * bytes, false};
	l->operand[1] = (cc_operand){b.base, (size_t)b.offset * bytes, false};
	l->operand[2] = (cc_operand){IR_NO_REF, 0, false};
	l->noperand = 3;
	l->arg = ar_new(p->a, int64_t, 10);
	l->arg[0] = k;
	strides_of(p, &a, ta ? 1 : 0, l->arg + 1);
	strides_of(p, &a, ta ? 0 : 1, l->arg + 3);
	if (l->cols == 1)
		b.stride[1] = 1;
	strides_of(p, &b, 0, l->arg + 5);
	strides_of(p, &b, 1, l->arg + 7);
	l->narg = 10;
	add_epilogue(p, group, l);
	l->arg[9] = (int64_t)l->noperand - 3;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* One copy per part, into its box of the result. */
static void lower_concat(cc_plan *p, uint32_t group, ir_ref root)
{
	const ir_ins *in = &p->f->ins[root];
	int axis = (int)ir_attr_int(in, IR_ATTR_axis);
	cc_view to = {.base = root};
	int64_t s = 1;

	for (int i = in->type.rank; i-- > 0; s *= in->type.dim[i])
		to.stride[i] = s;
	for (size_t i = 0; i < in->narg; i++) {
		const ir_type *t = &p->f->ins[in->arg[i]].type;
		cc_store part;
		cc_expr e;

		cc_expr_init(&e, p, group, t);
		part.node = cc_expr_operand(&e, in->arg[i]);
		part.access = cc_expr_add_access(&e, &to, t, true, false);
		*ar_push(p->a, e.store, e.nstore, e.storecap) = part;
		finish_map(&e, new_launch(p, group));
		to.offset += to.stride[axis] * t->dim[axis];
	}
}

static void lower_call(cc_plan *p, uint32_t group)
{
	ir_ref root = p->g.group[group].root;
	const ir_ins *in = &p->f->ins[root];
	bool wide = in->type.dtype == IR_F64;
	int64_t n = ir_type_count(&in->type), rows = in->type.rank ? in->type.dim[0] : 1, width = rows ? n / rows : 0;
	cc_launch *l;

	IR_ASSERT(!p->panel[root], "%s writes by rows", ir_op_info(in->op)->name);
	if (in->op == IR_concat) {
		lower_concat(p, group, root);
		return;
	}
	l = new_launch(p, group);
	l->operand = ar_new(p->a, cc_operand, in->narg + 1);
	for (size_t i = 0; i < in->narg; i++) {
		cc_view v = cc_view_of(&p->g, in->arg[i]);

		l->operand[l->noperand++] =
			(cc_operand){v.base, (size_t)v.offset * ir_dtype_size(p->f->ins[v.base].type.dtype), false};
	}
	l->operand[l->noperand++] = (cc_operand){root, 0, true};
	l->arg = ar_new(p->a, int64_t, 3);
	l->narg = 3;
	l->name = ir_op_info(in->op)->name;
	l->rows = 1, l->cols = n, l->row_block = 1, l->col_block = 1024;
	l->cost = stream_cost((double)n, 3, ir_op_info(in->op)->flops);
	switch ((int)in->op) {
	case IR_gather:
		l->call = rt_k_gather;
		l->rows = rows, l->cols = width * (int64_t)ir_dtype_size(in->type.dtype);
		l->row_block = 8, l->col_block = l->cols ? l->cols : 1;
		l->arg[0] = p->f->ins[in->arg[0]].type.dim[0], l->arg[1] = l->cols;
		break;
	case IR_scatter:
		l->call = in->type.dtype == IR_I32 ? rt_k_scatter_i32 : wide ? rt_k_scatter_f64 : rt_k_scatter_f32;
		l->cols = width;
		l->arg[0] = p->f->ins[in->arg[0]].type.dim[0], l->arg[1] = width, l->arg[2] = rows;
		break;
	case IR_split:
		l->call = rt_k_split;
		l->arg[0] = ir_attr_int(in, IR_ATTR_index);
		l->cols = l->col_block = 1;
		break;
	case IR_uniform:
		l->call = wide ? rt_k_uniform_f64 : rt_k_uniform_f32;
		break;
	case IR_normal:
		l->call = wide ? rt_k_normal_f64 : rt_k_normal_f32;
		break;
	default:
		ir_bug("no kernel for %s", l->name);
	}
}

/* What a launch must move at least: every operand once. A gather reads rows of its table, a map only what its space touches. */
static double least_bytes(const cc_plan *p, const cc_launch *l)
{
	double sum = 0, area = (double)l->rows * (double)l->cols;
	bool part = l->kernel && l->kernel->kind == CC_KERNEL_MAP;

	for (size_t i = 0; i < l->noperand; i++) {
		const ir_type *t = l->operand[i].base == IR_NO_REF ? NULL : &p->f->ins[l->operand[i].base].type;
		double all = t ? (double)ir_type_bytes(t) : 0, touched = t ? area * (double)ir_dtype_size(t->dtype) : 0;

		if (l->call == rt_k_gather && i == 0)
			all = area;
		sum += part && touched < all ? touched : all;
	}
	return sum;
}

void cc_lower(cc_plan *p)
{
	for (uint32_t t = 0; t < p->g.n; t++) {
		if (p->g.group[t].dead)
			continue;
		switch (p->g.group[t].kind) {
		case CC_GROUP_MAP:
			lower_map(p, t);
			break;
		case CC_GROUP_REDUCE:
			lower_reduce(p, t);
			break;
		case CC_GROUP_MATMUL:
			lower_matmul(p, t);
			break;
		case CC_GROUP_CALL:
			lower_call(p, t);
			break;
		}
	}
	for (size_t i = 0; i < p->n; i++)
		p->launch[i].bytes = least_bytes(p, &p->launch[i]);
}
