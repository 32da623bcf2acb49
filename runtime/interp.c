/* SPDX-License-Identifier: Apache-2.0
 * runtime/interp.c -- the reference interpreter: the meaning of the IR, and the oracle of the compiler's tests.
 * One loop up the instructions; what an op does is its rule eval_NAME (eval_*.c). Clever is what this file must
 * not be: the only economy is that a value is freed after its last use, so that whole models fit. */
#include <string.h>
#include "runtime/eval.h"

/* Leaves of the program have no rule; they are given. */
#define RULE_leaf(name)   NULL
#define RULE_ew(name)     eval_##name
#define RULE_reduce(name) eval_##name
#define RULE_panel(name)  eval_##name
#define RULE_matmul(name) eval_##name
#define RULE_view(name)   eval_##name
#define RULE_copy(name)   eval_##name
#define RULE_call(name)   eval_##name

static rt_eval_fn *const rule_of[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) [IR_##name] = RULE_##lower(name),
#include "ir/ops.def"
#undef OP
};

static void fill_constant(const ir_ins *in, rt_tensor *out)
{
	double v = ir_attr_get(in, IR_ATTR_value)->f;
	int64_t n = ir_type_count(&out->type);

	for (int64_t i = 0; i < n; i++)
		rt_store(out->type.dtype, out->data, i, v);
}

void rt_eval(const ir_ins *in, const rt_tensor *const *arg, rt_tensor *out)
{
	if (in->op == IR_constant)
		fill_constant(in, out);
	else if (rule_of[in->op])
		rule_of[in->op](in, arg, out);
	else
		ir_bug("op %s has no value of its own", ir_op_info(in->op)->name);
}

/* The values of a run. Those of leaves are the caller's; the others are freed when last says so. */
typedef struct run {
	const ir_func *f;
	rt_tensor *value;
	ir_ref *last; /* the last instruction that reads it; f->n for outputs */
	const rt_tensor **arg;
	rt_visit *visit; /* NULL: nobody looks on */
	void *ctx;
} run;

static void run_init(run *r, const ir_func *f, ir_arena *a)
{
	size_t widest = 1;

	r->f = f;
	r->value = ar_new(a, rt_tensor, f->n);
	r->last = ar_new(a, ir_ref, f->n);
	for (ir_ref i = 0; i < f->n; i++) {
		const ir_ins *in = &f->ins[i];

		r->last[i] = i; /* nobody reads it: it dies at once */
		for (uint32_t k = 0; k < in->narg; k++)
			r->last[in->arg[k]] = i;
		widest = in->narg > widest ? in->narg : widest;
	}
	for (size_t o = 0; o < f->nout; o++)
		r->last[f->out[o].ref] = (ir_ref)f->n;
	r->arg = ar_new(a, const rt_tensor *, widest);
}

static void drop(run *r, ir_ref i)
{
	if (ir_is_leaf(r->f, i))
		r->value[i].data = NULL;
	else
		rt_tensor_free(&r->value[i]);
}

static ir_status run_ins(run *r, ir_ref i)
{
	const ir_ins *in = &r->f->ins[i];
	ir_status s = rt_tensor_alloc(&r->value[i], in->type);

	if (s != IR_OK)
		return s;
	for (uint32_t k = 0; k < in->narg; k++)
		r->arg[k] = &r->value[in->arg[k]];
	rt_eval(in, r->arg, &r->value[i]);
	if (r->visit)
		r->visit(r->ctx, i, &r->value[i]);
	for (uint32_t k = 0; k < in->narg; k++)
		if (r->last[in->arg[k]] == i)
			drop(r, in->arg[k]); /* harmless when an operand occurs twice */
	if (r->last[i] == i)
		drop(r, i);
	return IR_OK;
}

static ir_status run_all(run *r, const rt_tensor *leaf)
{
	ir_status s = IR_OK;

	for (ir_ref i = 0; i < r->f->n && s == IR_OK; i++) {
		if (!ir_is_leaf(r->f, i)) {
			s = run_ins(r, i);
			continue;
		}
		IR_ASSERT(ir_type_equal(&leaf->type, &r->f->ins[i].type), "leaf %u has another type", i);
		r->value[i] = *leaf++;
		if (r->visit)
			r->visit(r->ctx, i, &r->value[i]);
	}
	return s;
}

static void run_fini(run *r, ir_arena *a)
{
	for (ir_ref i = 0; i < r->f->n; i++)
		drop(r, i);
	ar_free(a);
}

/* Two outputs may be one value, or a leaf: each gets its own copy. */
static ir_status copy_outputs(const run *r, rt_tensor *out)
{
	for (size_t o = 0; o < r->f->nout; o++) {
		const rt_tensor *v = &r->value[r->f->out[o].ref];
		ir_status s = rt_tensor_alloc(&out[o], v->type);

		if (s != IR_OK)
			return s;
		memcpy(out[o].data, v->data, ir_type_bytes(&v->type));
	}
	return IR_OK;
}

ir_status rt_interpret(const ir_func *f, const rt_tensor *leaf, rt_tensor *out)
{
	ir_arena *a = ar_open();
	run r = {.visit = NULL};
	ir_status s;

	run_init(&r, f, a);
	for (size_t o = 0; o < f->nout; o++)
		out[o] = (rt_tensor){.data = NULL};
	s = run_all(&r, leaf);
	if (s == IR_OK)
		s = copy_outputs(&r, out);
	if (s != IR_OK)
		for (size_t o = 0; o < f->nout; o++)
			rt_tensor_free(&out[o]);
	run_fini(&r, a);
	return s;
}

ir_status rt_interpret_each(const ir_func *f, const rt_tensor *leaf, rt_visit *visit, void *ctx)
{
	ir_arena *a = ar_open();
	run r = {.visit = visit, .ctx = ctx};
	ir_status s;

	run_init(&r, f, a);
	s = run_all(&r, leaf);
	run_fini(&r, a);
	return s;
}
