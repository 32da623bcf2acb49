/* SPDX-License-Identifier: Apache-2.0
 * compiler/lower.c -- turns a group into launches: collapses its dimensions, describes its expression as a kernel, and
 * gathers the sizes and strides that are the kernel's arguments. */
#include <string.h>
#include "compiler/plan.h"

/* Work that one thread should at least get from a cut, in elements; and rows per block of a row reduction. */
#define MAP_BLOCK  4096
#define COLS_BLOCK 64
#define ROWS_BLOCK 8

/* Iteration dimensions: kept ones first, reduced ones behind. */
typedef struct space {
	int64_t size[2 * IR_MAX_RANK];
	int kept, red;
} space;

typedef struct access {
	cc_access a;
	ir_ref base;
	int64_t offset, stride[2 * IR_MAX_RANK];
	bool write;
} access;

typedef struct expr {
	cc_plan *p;
	uint32_t group;
	ir_type shape;
	int order[IR_MAX_RANK]; /* space dimension d runs along axis order[d] of shape */
	space s;
	access *acc;
	size_t nacc, acccap;
	cc_node *node;
	size_t nnode, nodecap;
	double *constant;
	size_t nconst, constcap;
	cc_store *store;
	size_t nstore, storecap;
	int32_t *node_of; /* per instruction, -1 = none yet */
	double flops;
} expr;

/* ---- expression --------------------------------------------------------------------------------------- */

/* Strides of a value of type t along the space, aligned from the right as broadcasting does. */
static void align(const expr *e, const ir_type *t, const int64_t *stride, int64_t *out)
{
	int n = e->s.kept + e->s.red;

	for (int d = 0; d < n; d++) {
		int axis = e->order[d] - (e->shape.rank - t->rank);

		out[d] = axis >= 0 && (t->dim[axis] != 1 || e->s.size[d] == 1) ? stride[axis] : 0;
	}
}

static uint16_t add_access(expr *e, const cc_view *v, const ir_type *t, bool write, bool is_iota)
{
	access a = {.a = {.dtype = t->dtype, .is_iota = is_iota}, .base = v->base, .offset = v->offset, .write = write};

	align(e, t, v->stride, a.stride);
	for (size_t i = 0; i < e->nacc; i++)
		if (!write && !is_iota && e->acc[i].base == a.base && e->acc[i].offset == a.offset && !e->acc[i].write &&
		    !memcmp(e->acc[i].stride, a.stride, sizeof a.stride))
			return (uint16_t)i;
	*ar_push(e->p->a, e->acc, e->nacc, e->acccap) = a;
	return (uint16_t)(e->nacc - 1);
}

static uint16_t add_node(expr *e, cc_node n)
{
	*ar_push(e->p->a, e->node, e->nnode, e->nodecap) = n;
	return (uint16_t)(e->nnode - 1);
}

static uint16_t load_node(expr *e, const cc_view *v, const ir_type *t, bool is_iota)
{
	uint16_t a = add_access(e, v, t, false, is_iota);

	for (size_t i = 0; i < e->nnode; i++)
		if (e->node[i].kind == CC_NODE_LOAD && e->node[i].index == a)
			return (uint16_t)i;
	return add_node(e, (cc_node){.kind = CC_NODE_LOAD, .dtype = t->dtype, .index = a});
}

static uint16_t const_node(expr *e, double v, ir_dtype t)
{
	for (size_t i = 0; i < e->nnode; i++)
		if (e->node[i].kind == CC_NODE_CONST && e->node[i].dtype == t &&
		    !memcmp(&e->constant[e->node[i].index], &v, sizeof v))
			return (uint16_t)i;
	*ar_push(e->p->a, e->constant, e->nconst, e->constcap) = v;
	return add_node(e, (cc_node){.kind = CC_NODE_CONST, .dtype = t, .index = (uint16_t)(e->nconst - 1)});
}

static bool is_member(const expr *e, ir_ref r)
{
	return e->p->g.group_of[r] == e->group;
}

static uint16_t operand_node(expr *e, ir_ref r)
{
	const ir_func *f = e->p->f;
	cc_view v;
	double c;

	if (is_member(e, r) && e->node_of[r] >= 0)
		return (uint16_t)e->node_of[r];
	v = cc_view_of(&e->p->g, r);
	if (cc_is_constant(f, v.base, &c))
		return const_node(e, c, f->ins[r].type.dtype);
	return load_node(e, &v, &f->ins[r].type, false);
}

/* The view that a copied view would have been. */
static cc_view through(expr *e, ir_ref r)
{
	cc_view v;

	e->p->g.copied[r] = false;
	v = cc_view_of(&e->p->g, r);
	e->p->g.copied[r] = true;
	return v;
}

static uint16_t op_node(expr *e, const ir_ins *in)
{
	cc_node n = {.kind = CC_NODE_OP, .op = in->op, .dtype = in->type.dtype};

	if (in->op == IR_compare)
		n.cmp = (ir_cmp)ir_attr_int(in, IR_ATTR_dir);
	for (size_t k = 0; k < in->narg; k++)
		n.arg[k] = operand_node(e, in->arg[k]);
	e->flops += ir_op_info(in->op)->flops;
	return add_node(e, n);
}

static uint16_t iota_node(expr *e, const ir_ins *in)
{
	cc_view v = {.base = IR_NO_REF};

	v.stride[ir_attr_int(in, IR_ATTR_axis)] = 1;
	return load_node(e, &v, &in->type, true);
}

static void add_member_node(expr *e, ir_ref r)
{
	const ir_ins *in = &e->p->f->ins[r];
	cc_view v;
	double c;

	if (in->op == IR_iota)
		e->node_of[r] = iota_node(e, in);
	else if (in->op == IR_stop_gradient)
		e->node_of[r] = operand_node(e, in->arg[0]);
	else if (cc_is_constant(e->p->f, r, &c))
		e->node_of[r] = const_node(e, c, in->type.dtype);
	else if (ir_op_info(in->op)->lower == IR_LOWER_view) {
		v = through(e, r);
		e->node_of[r] = cc_is_constant(e->p->f, v.base, &c) ? const_node(e, c, in->type.dtype)
								      : load_node(e, &v, &in->type, false);
	} else {
		e->node_of[r] = op_node(e, in);
	}
}

static void add_store(expr *e, ir_ref r, uint16_t node)
{
	cc_view v = {.base = r};
	int64_t s = 1;

	for (int i = e->shape.rank; i-- > 0; s *= e->shape.dim[i])
		v.stride[i] = s;
	*ar_push(e->p->a, e->store, e->nstore, e->storecap) =
		(cc_store){node, add_access(e, &v, &e->p->f->ins[r].type, true, false)};
}

static void expr_init(expr *e, cc_plan *p, uint32_t group, const ir_type *shape)
{
	*e = (expr){.p = p, .group = group, .shape = *shape};
	e->node_of = ar_new(p->a, int32_t, p->f->n);
	memset(e->node_of, 0xff, p->f->n * sizeof *e->node_of);
	e->s.kept = shape->rank;
	for (int i = 0; i < shape->rank; i++) {
		e->order[i] = i;
		e->s.size[i] = shape->dim[i];
	}
}

static void add_members(expr *e)
{
	const cc_group *g = &e->p->g.group[e->group];

	for (size_t i = 0; i < g->n; i++)
		add_member_node(e, g->member[i]);
	for (size_t i = 0; i < g->n; i++)
		if (e->p->g.stored[g->member[i]])
			add_store(e, g->member[i], (uint16_t)e->node_of[g->member[i]]);
}

/* ---- collapsing ------------------------------------------------------------------------------------------ */

static void remove_dim(expr *e, int d)
{
	int n = e->s.kept + e->s.red;

	memmove(&e->s.size[d], &e->s.size[d + 1], (size_t)(n - d - 1) * sizeof *e->s.size);
	for (size_t i = 0; i < e->nacc; i++)
		memmove(&e->acc[i].stride[d], &e->acc[i].stride[d + 1], (size_t)(n - d - 1) * sizeof(int64_t));
	if (d < e->s.kept)
		e->s.kept--;
	else
		e->s.red--;
}

static bool runs_on(const expr *e, int d)
{
	for (size_t i = 0; i < e->nacc; i++)
		if (e->acc[i].stride[d] != e->acc[i].stride[d + 1] * e->s.size[d + 1])
			return false;
	return true;
}

static void insert_dim(expr *e, int d, bool kept)
{
	int n = e->s.kept + e->s.red;

	memmove(&e->s.size[d + 1], &e->s.size[d], (size_t)(n - d) * sizeof *e->s.size);
	e->s.size[d] = 1;
	for (size_t i = 0; i < e->nacc; i++) {
		memmove(&e->acc[i].stride[d + 1], &e->acc[i].stride[d], (size_t)(n - d) * sizeof(int64_t));
		e->acc[i].stride[d] = 0;
	}
	if (kept)
		e->s.kept++;
	else
		e->s.red++;
}

/* Drops dimensions of size 1 and joins those that every access walks as one. */
static void collapse(expr *e)
{
	for (int d = e->s.kept + e->s.red; d-- > 0;)
		if (e->s.size[d] == 1)
			remove_dim(e, d);
	for (int d = e->s.kept + e->s.red - 1; d-- > 0;)
		if (d + 1 != e->s.kept && runs_on(e, d)) {
			e->s.size[d + 1] *= e->s.size[d];
			remove_dim(e, d);
		}
}

/* ---- kernel and arguments ------------------------------------------------------------------------------------ */

static cc_along along_of(const expr *e, const access *a, int inner)
{
	bool moves = false;

	for (int d = 0; d < e->s.kept + e->s.red; d++)
		moves |= a->stride[d] != 0;
	if (!moves)
		return CC_ALONG_SCALAR;
	return a->stride[inner] == 0 ? CC_ALONG_SAME : a->stride[inner] == 1 ? CC_ALONG_NEXT : CC_ALONG_ANY;
}

static void describe(expr *e, cc_kernel *k, int inner)
{
	k->rank = e->s.kept;
	k->nred = e->s.red;
	k->access = ar_new(e->p->a, cc_access, e->nacc ? e->nacc : 1);
	for (size_t i = 0; i < e->nacc; i++) {
		e->acc[i].a.along = along_of(e, &e->acc[i], inner);
		k->access[i] = e->acc[i].a;
	}
	/* a store to one place by every lane would be a race within the vector */
	for (size_t i = 0; i < e->nacc; i++)
		if (e->acc[i].write && k->access[i].along <= CC_ALONG_SAME)
			k->access[i].along = e->acc[i].a.along = CC_ALONG_NEXT;
	k->node = e->node, k->nnode = e->nnode;
	k->store = e->store, k->nstore = e->nstore;
	k->naccess = e->nacc, k->nconst = e->nconst;
}

static cc_launch *new_launch(cc_plan *p, uint32_t group)
{
	cc_launch *l = ar_push(p->a, p->launch, p->n, p->cap);

	*l = (cc_launch){.group = group};
	return l;
}

static int64_t bits_of(double v)
{
	int64_t b;

	memcpy(&b, &v, sizeof b);
	return b;
}

/* Appends the expression's operands and arguments behind what the launch has. skip: leading accesses without operand. */
static void fill(const expr *e, const cc_kernel *k, cc_launch *l, size_t skip)
{
	cc_layout y = cc_kernel_layout(k);
	size_t at = l->narg, op = l->noperand;
	int64_t *arg = ar_new(e->p->a, int64_t, at + (size_t)y.total + 1);
	cc_operand *operand = ar_new(e->p->a, cc_operand, op + e->nacc + 1);

	if (at)
		memcpy(arg, l->arg, at * sizeof *arg);
	if (op)
		memcpy(operand, l->operand, op * sizeof *operand);
	for (int d = 1; d < k->rank - 1; d++)
		arg[at++] = e->s.size[d];
	for (int d = 0; d < k->nred; d++)
		arg[at++] = e->s.size[k->rank + d];
	for (size_t i = 0; i < e->nacc; i++) {
		const access *a = &e->acc[i];

		for (int d = 0; d < k->rank + k->nred; d++)
			arg[at++] = a->stride[d];
		if (!a->a.is_iota && i >= skip)
			operand[op++] = (cc_operand){a->base, (size_t)a->offset * ir_dtype_size(a->a.dtype), a->write};
	}
	for (size_t i = 0; i < e->nconst; i++)
		arg[at++] = bits_of(e->constant[i]);
	l->arg = arg, l->narg = at;
	l->operand = operand, l->noperand = op;
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

static void cut_map(cc_launch *l)
{
	if (l->rows == 1) {
		l->row_block = 1, l->col_block = MAP_BLOCK;
	} else {
		l->row_block = l->cols >= MAP_BLOCK ? 1 : (MAP_BLOCK + l->cols - 1) / (l->cols ? l->cols : 1);
		l->col_block = l->cols ? l->cols : 1;
	}
}

static void finish_map(expr *e, cc_launch *l)
{
	cc_kernel *k = ar_new(e->p->a, cc_kernel, 1);

	collapse(e);
	if (e->s.kept == 0)
		insert_dim(e, 0, true);
	k->kind = CC_KERNEL_MAP, k->dtype = IR_F32;
	describe(e, k, e->s.kept - 1);
	l->kernel = k, l->name = "map";
	l->cols = e->s.size[e->s.kept - 1];
	l->rows = product(e->s.size, e->s.kept - 1);
	cut_map(l);
	l->flops = e->flops * (double)(l->rows * l->cols);
	l->cost = stream_cost((double)(l->rows * l->cols), (double)e->nacc, e->flops);
	fill(e, k, l, 0);
}

/* out[r, c] = in[c, r], element by element copied: the tile kernel does it in vectors. */
static bool try_transpose(cc_plan *p, uint32_t group)
{
	const cc_group *g = &p->g.group[group];
	const ir_ins *in = &p->f->ins[g->member[0]];
	expr e = {.p = p};
	cc_kernel *k;
	cc_launch *l;
	cc_view v;

	if (g->n != 1 || in->op != IR_transpose || in->type.rank != 2 || ir_dtype_size(in->type.dtype) < 4)
		return false;
	v = through(&e, g->member[0]);
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
	expr e;

	if (try_transpose(p, group))
		return;
	expr_init(&e, p, group, &p->g.group[group].shape);
	add_members(&e);
	finish_map(&e, new_launch(p, group));
}

/* ---- reductions ---------------------------------------------------------------------------------------------- */

static void split_axes(expr *e, const ir_attr *axes)
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
static void add_result(expr *e, ir_ref root)
{
	access a = {.a = {.dtype = e->p->f->ins[root].type.dtype}, .base = root, .write = true};
	int64_t s = 1;

	for (int d = e->s.kept; d-- > 0; s *= e->s.size[d])
		a.stride[d] = s;
	*ar_push(e->p->a, e->acc, e->nacc, e->acccap) = a;
	*ar_push(e->p->a, e->store, e->nstore, e->storecap) = (cc_store){0, (uint16_t)(e->nacc - 1)};
}

/* Vectors along the kept columns pay when something lies side by side there and nothing is scattered. */
static bool prefers_cols(const expr *e)
{
	int inner = e->s.kept - 1, next = 0;

	if (inner < 0)
		return false;
	for (size_t i = 0; i < e->nacc; i++) {
		if (e->acc[i].write)
			continue;
		if (e->acc[i].stride[inner] != 0 && e->acc[i].stride[inner] != 1)
			return false;
		next += e->acc[i].stride[inner] == 1;
	}
	return next > 0;
}

static void lower_reduce(cc_plan *p, uint32_t group)
{
	const cc_group *g = &p->g.group[group];
	const ir_ins *root = &p->f->ins[g->root];
	cc_kernel *k = ar_new(p->a, cc_kernel, 1);
	cc_launch *l;
	expr e;
	bool cols;

	expr_init(&e, p, group, &g->shape);
	split_axes(&e, ir_attr_get(root, IR_ATTR_axes));
	add_members(&e);
	k->reduced = operand_node(&e, root->arg[0]);
	add_result(&e, g->root);
	collapse(&e);
	cols = prefers_cols(&e);
	if (!cols || e.s.kept == 0)
		insert_dim(&e, e.s.kept, true);
	if (e.s.red == 0)
		insert_dim(&e, e.s.kept, false);
	k->kind = cols ? CC_KERNEL_REDUCE_COLS : CC_KERNEL_REDUCE_ROWS;
	k->dtype = root->type.dtype, k->reduce = root->op;
	describe(&e, k, cols ? e.s.kept - 1 : e.s.kept + e.s.red - 1);
	l = new_launch(p, group);
	l->kernel = k, l->name = cols ? "reduce_cols" : "reduce_rows";
	l->cols = e.s.size[e.s.kept - 1];
	l->rows = product(e.s.size, e.s.kept - 1);
	l->row_block = cols ? 1 : ROWS_BLOCK;
	l->col_block = cols ? COLS_BLOCK : 1;
	l->flops = (e.flops + 1) * (double)product(e.s.size, e.s.kept + e.s.red);
	l->cost = stream_cost((double)product(e.s.size, e.s.kept + e.s.red), (double)e.nacc, e.flops + 1);
	fill(&e, k, l, 0);
}

/* ---- matmul ---------------------------------------------------------------------------------------------------- */

/* The epilogue's first access is the tile of C, a scratch with rows of its own stride, set by the kernel. */
static void add_tile(expr *e, ir_ref root)
{
	cc_view v = {.base = root};

	v.stride[0] = CC_MATMUL_TILE_STRIDE, v.stride[1] = 1;
	e->node_of[root] = load_node(e, &v, &e->p->f->ins[root].type, false);
}

/* Weights and moments: leaves of two dimensions, touched once per step, that were evicted since. Values of the arena
 * were written a moment ago. */
static bool is_stream(const expr *e, const access *a)
{
	return a->base != IR_NO_REF && !a->write && a->stride[0] > 1 && a->stride[1] == 1 &&
	       e->p->place[a->base].kind == RT_SLOT_LEAF;
}

/* The matmul's arguments in front of the epilogue's: see kernel.h. */
static void add_streams(const expr *e, cc_launch *l)
{
	int64_t *arg = ar_new(e->p->a, int64_t, l->narg + 1 + 3 * e->nacc);
	size_t n = l->narg + 1;

	memcpy(arg, l->arg, l->narg * sizeof *arg);
	for (size_t i = 1; i < e->nacc; i++) {
		int64_t bytes = (int64_t)ir_dtype_size(e->acc[i].a.dtype);

		if (!is_stream(e, &e->acc[i]))
			continue;
		arg[l->narg]++;
		arg[n++] = (int64_t)i;
		arg[n++] = e->acc[i].stride[0] * bytes;
		arg[n++] = bytes;
	}
	l->arg = arg, l->narg = n;
}

static void add_epilogue(cc_plan *p, uint32_t group, cc_launch *l)
{
	const cc_group *g = &p->g.group[group];
	cc_kernel *k = ar_new(p->a, cc_kernel, 1);
	expr e;

	expr_init(&e, p, group, &g->shape);
	add_tile(&e, g->root);
	add_members(&e);
	if (p->g.stored[g->root])
		add_store(&e, g->root, 0);
	k->kind = CC_KERNEL_MAP, k->dtype = IR_F32;
	describe(&e, k, 1);
	k->access[0].along = e.acc[0].a.along = CC_ALONG_NEXT;
	l->epilogue = k;
	add_streams(&e, l);
	fill(&e, k, l, 1);
	l->flops += e.flops * (double)(l->rows * l->cols);
	l->cost += stream_cost((double)(l->rows * l->cols), (double)e.nacc, e.flops);
}

static void lower_matmul(cc_plan *p, uint32_t group)
{
	const cc_group *g = &p->g.group[group];
	const ir_ins *in = &p->f->ins[g->root];
	bool ta = ir_attr_int(in, IR_ATTR_ta), bare = g->n == 0;
	cc_view a = cc_view_of(&p->g, in->arg[0]), b = cc_view_of(&p->g, in->arg[1]);
	int64_t k = p->f->ins[in->arg[0]].type.dim[ta ? 0 : 1];
	size_t bytes = ir_dtype_size(in->type.dtype);
	cc_launch *l = new_launch(p, group);

	l->kernel = ar_new(p->a, cc_kernel, 1);
	l->kernel->kind = bare ? CC_KERNEL_MATMUL : CC_KERNEL_MATMUL_EPILOGUE;
	l->kernel->dtype = in->type.dtype;
	l->name = ar_printf(p->a, "matmul %lldx%lldx%lld", (long long)in->type.dim[0], (long long)in->type.dim[1], (long long)k);
	l->rows = in->type.dim[0], l->cols = in->type.dim[1];
	l->row_block = CC_MATMUL_ROW_BLOCK, l->col_block = CC_MATMUL_TILE_STRIDE;
	l->flops = 2.0 * (double)(l->rows * l->cols) * (double)k;
	l->cost = 80e-9 + l->flops / (bytes == 4 ? 100e9 : 50e9);
	l->operand = ar_new(p->a, cc_operand, 3);
	l->operand[0] = (cc_operand){a.base, (size_t)a.offset * bytes, false};
	l->operand[1] = (cc_operand){b.base, (size_t)b.offset * bytes, false};
	l->operand[2] = bare ? (cc_operand){g->root, 0, true} : (cc_operand){IR_NO_REF, 0, false};
	l->noperand = 3;
	l->arg = ar_new(p->a, int64_t, 5);
	l->arg[0] = k;
	l->arg[1] = a.stride[ta ? 1 : 0], l->arg[2] = a.stride[ta ? 0 : 1];
	l->arg[3] = b.stride[0], l->arg[4] = l->cols;
	l->narg = 5;
	if (bare)
		return;
	add_epilogue(p, group, l);
	l->arg[4] = (int64_t)l->noperand - 3;
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
		expr e;

		expr_init(&e, p, group, t);
		*ar_push(p->a, e.store, e.nstore, e.storecap) =
			(cc_store){operand_node(&e, in->arg[i]), add_access(&e, &to, t, true, false)};
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
}
