/* SPDX-License-Identifier: Apache-2.0
 * Copies of a function in other types: B replaced by a number, f32 replaced by f64, or products with bf16 operands. Only
 * attributes are changed; every type behind them comes from the shape rules, which therefore judge the result. */
#include "ir/ir.h"

typedef void change_attr(ir_attr *a, int64_t n);

static void bind_attr(ir_attr *a, int64_t n)
{
	ir_attr_kind kind = ir_attr_kind_of(a->id);

	if (kind != IR_KIND_DIMS && kind != IR_KIND_TYPE)
		return;
	for (int i = 0; i < a->v.rank; i++)
		if (a->v.dim[i] == IR_BATCH)
			a->v.dim[i] = n;
}

static void widen_attr(ir_attr *a, int64_t n)
{
	(void)n;
	if (ir_attr_kind_of(a->id) == IR_KIND_TYPE && a->v.dtype == IR_F32)
		a->v.dtype = IR_F64;
	if (a->id == IR_ATTR_bf16)
		a->i = 0;
}

static void round_attr(ir_attr *a, int64_t n)
{
	(void)n;
	if (a->id == IR_ATTR_bf16)
		a->i = 1;
}

static bool copy_ins(ir_func *g, const ir_func *f, ir_ref r, change_attr *change, int64_t n, ir_diag *d)
{
	const ir_ins *in = &f->ins[r];
	int nattr = ir_op_info(in->op)->nattr;
	ir_attr attr[IR_MAX_ATTRS];
	ir_ref made;

	for (int k = 0; k < nattr; k++) {
		attr[k] = in->attr[k];
		change(&attr[k], n);
	}
	made = ir_build(g, d, in->loc, in->op, in->arg, in->narg, attr, (size_t)nattr);
	if (made == IR_NO_REF)
		return false;
	IR_ASSERT(made == r, "copies keep their numbers");
	g->ins[made].from = in->from;
	if (in->name)
		ir_set_name(g, made, in->name);
	return true;
}

static ir_func *copy(const ir_func *f, change_attr *change, int64_t n, ir_arena *a, ir_diag *d)
{
	ir_func *g = ir_func_new(a, f->name);

	for (ir_ref r = 0; r < f->n; r++)
		if (!copy_ins(g, f, r, change, n, d))
			return NULL;
	for (size_t i = 0; i < f->nout; i++) {
		if (f->out[i].state == IR_NO_REF)
			ir_add_output(g, f->out[i].name, f->out[i].ref);
		else
			ir_add_update(g, f->out[i].state, f->out[i].ref);
	}
	return g;
}

ir_func *ir_bind(const ir_func *f, int64_t n, ir_arena *a, ir_diag *d)
{
	IR_ASSERT(n >= 1, "batch size %lld", (long long)n);
	return copy(f, bind_attr, n, a, d);
}

ir_func *ir_widen(const ir_func *f, ir_arena *a)
{
	ir_diag *d = ir_diag_new();
	ir_func *g = copy(f, widen_attr, 0, a, d);

	if (!g)
		ir_bug("widen: %s", ir_diag_size(d) ? ir_diag_get(d, 0)->text : "no message");
	ir_diag_free(d);
	return g;
}

ir_func *ir_round_products(const ir_func *f, ir_arena *a, ir_diag *d)
{
	return copy(f, round_attr, 0, a, d);
}
