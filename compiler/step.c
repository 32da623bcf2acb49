/* SPDX-License-Identifier: Apache-2.0
 * compiler/step.c -- builds whole functions around a model: the training step (rows -> loss -> gradients -> clipping ->
 * optimiser), evaluation, encoder and decoder. Everything is IR, so one compile path serves all of it. */
#include <math.h>
#include <string.h>
#include "compiler/cc_int.h"

static const char *const optimizer_name[CC_OPTIMIZER_COUNT] = {
	[CC_SGD] = "sgd", [CC_ADAM] = "adam", [CC_ADAMW] = "adamw"};

bool cc_optimizer_find(const char *name, cc_optimizer *out)
{
	for (int i = 0; i < CC_OPTIMIZER_COUNT; i++)
		if (!strcmp(name, optimizer_name[i]))
			return *out = (cc_optimizer)i, true;
	return false;
}

const char *cc_optimizer_name(cc_optimizer o)
{
	return optimizer_name[o];
}

cc_objective cc_objective_default(void)
{
	return (cc_objective){.loss = IR_OUT_LOSS, .optimizer = CC_ADAM, .beta1 = .9, .beta2 = .999, .eps = 1e-8};
}

/* ---- small words --------------------------------------------------------------------------------------- */

typedef struct builder {
	ir_func *f;
	ir_arena *a;
	ir_loc loc;
} builder;

static ir_ref op1(builder *b, ir_op op, ir_ref x)
{
	return ir_emit1(b->f, "step", b->loc, op, x);
}

static ir_ref op2(builder *b, ir_op op, ir_ref x, ir_ref y)
{
	return ir_emit2(b->f, "step", b->loc, op, x, y);
}

static ir_ref number(builder *b, double v, ir_dtype t)
{
	return ir_emit_constant(b->f, "step", b->loc, v, ir_type_scalar(t));
}

static ir_ref leaf(builder *b, ir_op op, const char *name, ir_type t)
{
	ir_attr at[2] = {ir_a_type(IR_ATTR_type, t), ir_a_int(IR_ATTR_init, IR_INIT_zeros)};
	ir_ref r = ir_emit(b->f, "step", b->loc, op, NULL, 0, at, op == IR_input ? 1 : 2);

	ir_set_name(b->f, r, name);
	return r;
}

static ir_ref cast(builder *b, ir_ref x, ir_dtype t)
{
	ir_attr at = ir_a_type(IR_ATTR_type, ir_type_scalar(t));

	return b->f->ins[x].type.dtype == t ? x : ir_emit(b->f, "step", b->loc, IR_cast, &x, 1, &at, 1);
}

static ir_ref sum_all(builder *b, ir_ref x)
{
	int64_t axes[IR_MAX_RANK] = {0, 1, 2, 3, 4, 5};
	ir_attr at = ir_a_ints(IR_ATTR_axes, b->f->ins[x].type.rank, axes);

	return ir_emit(b->f, "step", b->loc, IR_sum, &x, 1, &at, 1);
}

/* ---- the model's inputs ---------------------------------------------------------------------------------- */

typedef struct model_inputs {
	ir_ref x, key; /* key: IR_NO_REF if the model takes none */
} model_inputs;

static bool is_key(const ir_type *t)
{
	return t->dtype == IR_I32 && t->rank == 1 && t->dim[0] == 2;
}

static bool is_rows(const ir_type *t)
{
	return ir_dtype_is_float(t->dtype) && t->rank == 2;
}

static bool find_inputs(const ir_func *f, const cc_feed *feed, model_inputs *in, ir_arena *a, ir_diag *d)
{
	*in = (model_inputs){IR_NO_REF, IR_NO_REF};
	for (size_t i = 0; i < f->n; i++) {
		const ir_ins *p = &f->ins[i];

		if (p->name && p->name[0] == '.')
			return ir_report(d, p->loc, IR_E_reserved_name, p->name), false;
		if (!p->name && (p->op == IR_param || p->op == IR_state))
			return ir_report(d, p->loc, IR_E_unnamed_param, ir_op_info(p->op)->name), false;
		if (ir_type_has_batch(&p->type))
			return ir_report(d, p->loc, IR_E_unbound_batch), false;
		if (p->op != IR_input)
			continue;
		if (is_rows(&p->type) && in->x == IR_NO_REF)
			in->x = (ir_ref)i;
		else if (is_key(&p->type) && in->key == IR_NO_REF)
			in->key = (ir_ref)i;
		else
			return ir_report(d, p->loc, IR_E_model_input, ir_type_text(a, &p->type)), false;
	}
	if (in->x == IR_NO_REF)
		return ir_report(d, (ir_loc){0}, IR_E_model_input, "nothing"), false;
	if (feed && f->ins[in->x].type.dim[1] != feed->width)
		return ir_report(d, f->ins[in->x].loc, IR_E_input_width, (long long)f->ins[in->x].type.dim[1],
				 (long long)feed->width),
		       false;
	return true;
}

/* x = rows of the table, as floats. u8 pixels are divided in f32 and only then widened, so that both precisions
 * see the same numbers. */
static ir_ref feed_rows(builder *b, const cc_feed *feed, const ir_ins *in)
{
	int64_t dims[2] = {feed->rows, feed->width};
	const ir_type *x = &in->type;
	ir_ref table, index, rows;

	if (feed->rows == 0)
		return leaf(b, IR_input, in->name, *x);
	table = leaf(b, IR_input, CC_IN_TABLE, ir_type_make(feed->dtype, 2, dims));
	index = leaf(b, IR_input, CC_IN_INDEX, ir_type_make(IR_I32, 1, x->dim));
	rows = op2(b, IR_gather, table, index);
	if (feed->dtype == IR_U8) {
		ir_ref white = number(b, 255, IR_F32);

		rows = op2(b, IR_div, cast(b, rows, IR_F32), white);
	}
	return cast(b, rows, x->dtype);
}

/* Copies the model with x replaced by fed rows; map translates the model's references. */
static ir_ref *place_model(builder *b, const ir_func *f, const cc_feed *feed, const model_inputs *in)
{
	ir_ref *map = ar_new(b->a, ir_ref, f->n ? f->n : 1);
	ir_ref x = feed_rows(b, feed, &f->ins[in->x]);
	ir_ref key = in->key == IR_NO_REF ? IR_NO_REF : leaf(b, IR_input, CC_IN_KEY, f->ins[in->key].type);

	for (size_t i = 0; i < f->n; i++)
		if (i == in->x)
			map[i] = x;
		else if (i == in->key)
			map[i] = key;
		else
			ir_copy_ins(b->f, f, (ir_ref)i, map);
	return map;
}

static void keep_updates(builder *b, const ir_func *f, const ir_ref *map)
{
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state != IR_NO_REF)
			ir_add_update(b->f, map[f->out[i].state], map[f->out[i].ref]);
}

/* ---- optimisers -------------------------------------------------------------------------------------------- */

/* Inputs of one objective's update. */
typedef struct tuning {
	const cc_objective *obj;
	ir_ref lr, alpha, rsc; /* scalars; alpha and rsc for Adam only */
} tuning;

static ir_ref moment(builder *b, ir_ref p, const char *which)
{
	return leaf(b, IR_state, ar_printf(b->a, ".%s.%s", which, b->f->ins[p].name), b->f->ins[p].type);
}

/* old + c (new - old), written as c1 old + c2 new: the form of the papers and of JAX. */
static ir_ref decay(builder *b, ir_ref old, double c, ir_ref fresh)
{
	ir_dtype t = b->f->ins[old].type.dtype;
	ir_ref gain = op2(b, IR_mul, number(b, 1 - c, t), fresh);
	ir_ref kept = op2(b, IR_mul, number(b, c, t), old);

	return op2(b, IR_add, kept, gain);
}

/* p - lr (momentum buffer or gradient): torch.optim.SGD without dampening. */
static ir_ref sgd(builder *b, const tuning *u, ir_ref p, ir_ref g)
{
	if (u->obj->momentum > 0) {
		ir_ref v = moment(b, p, "v");

		g = op2(b, IR_add, op2(b, IR_mul, number(b, u->obj->momentum, b->f->ins[p].type.dtype), v), g);
		ir_add_update(b->f, v, g);
	}
	return op2(b, IR_sub, p, op2(b, IR_mul, u->lr, g));
}

/* Kingma and Ba 2015, algorithm 1: p - alpha m / (sqrt(v) rsc + eps), where alpha = lr / (1 - beta1^t) and
 * rsc = 1 / sqrt(1 - beta2^t) come from outside in full precision. AdamW (Loshchilov and Hutter 2019) shrinks
 * matrices by lr * weight_decay first. */
static ir_ref adam(builder *b, const tuning *u, ir_ref p, ir_ref g)
{
	ir_ref m = moment(b, p, "m"), v = moment(b, p, "v");
	ir_type t = b->f->ins[p].type;
	ir_ref m1 = decay(b, m, u->obj->beta1, g), v1 = decay(b, v, u->obj->beta2, op2(b, IR_mul, g, g));
	ir_ref eps = number(b, u->obj->eps, t.dtype), root = op1(b, IR_sqrt, v1);
	ir_ref below = op2(b, IR_add, op2(b, IR_mul, root, u->rsc), eps);
	ir_ref step = op2(b, IR_div, op2(b, IR_mul, u->alpha, m1), below);

	ir_add_update(b->f, m, m1);
	ir_add_update(b->f, v, v1);
	if (u->obj->optimizer == CC_ADAMW && u->obj->weight_decay > 0 && t.rank >= 2) {
		ir_ref shrink = op2(b, IR_mul, u->lr, number(b, u->obj->weight_decay, t.dtype));

		p = op2(b, IR_sub, p, op2(b, IR_mul, shrink, p));
	}
	return op2(b, IR_sub, p, step);
}

/* min(1, c / |all gradients|), as torch.nn.utils.clip_grad_norm_ does it but without its 1e-6. */
static ir_ref clip_factor(builder *b, double c, const ir_ref *g, size_t n)
{
	ir_dtype t = b->f->ins[g[0]].type.dtype;
	ir_attr at = ir_a_int(IR_ATTR_dir, IR_CMP_gt);
	ir_ref total = sum_all(b, op2(b, IR_mul, g[0], g[0])), limit = number(b, c, t), norm, over, scale, one;

	for (size_t i = 1; i < n; i++)
		total = op2(b, IR_add, total, sum_all(b, op2(b, IR_mul, g[i], g[i])));
	norm = op1(b, IR_sqrt, total);
	over = ir_emit(b->f, "step", b->loc, IR_compare, (ir_ref[]){norm, limit}, 2, &at, 1);
	scale = op2(b, IR_div, limit, norm);
	one = number(b, 1, t);
	return ir_emit(b->f, "step", b->loc, IR_select, (ir_ref[]){over, scale, one}, 3, NULL, 0);
}

static void apply(builder *b, const tuning *u, const ir_ref *param, ir_ref *grad, size_t n)
{
	if (u->obj->clip_norm > 0) {
		ir_ref factor = clip_factor(b, u->obj->clip_norm, grad, n);

		for (size_t i = 0; i < n; i++)
			grad[i] = op2(b, IR_mul, grad[i], factor);
	}
	for (size_t i = 0; i < n; i++) {
		b->loc = b->f->ins[param[i]].loc; /* whoever looks for the update of a weight looks there */
		ir_add_update(b->f, param[i],
			      u->obj->optimizer == CC_SGD ? sgd(b, u, param[i], grad[i])
							  : adam(b, u, param[i], grad[i]));
	}
}

/* ---- the step ------------------------------------------------------------------------------------------------- */

static bool listed(const cc_objective *o, const char *name)
{
	for (size_t i = 0; i < o->nparam; i++)
		if (!strcmp(o->param[i], name))
			return true;
	return o->param == NULL;
}

/* The params of objective o in canonical order of appearance; those the loss cannot reach are left out. */
static size_t pick_params(const ir_func *f, const cc_objective *o, ir_ref loss, ir_ref *out, ir_arena *a)
{
	bool *live = ar_new(a, bool, f->n);
	size_t n = 0;

	live[loss] = true;
	for (size_t i = loss + 1; i-- > 0;)
		for (size_t k = 0; live[i] && k < f->ins[i].narg; k++)
			live[f->ins[i].arg[k]] = true;
	for (size_t i = 0; i < f->n; i++)
		if (live[i] && f->ins[i].op == IR_param && ir_dtype_is_float(f->ins[i].type.dtype) &&
		    listed(o, f->ins[i].name))
			out[n++] = (ir_ref)i;
	return n;
}

/* Differentiates objective number i of f and appends its updates; f's own outputs come first and stay. */
static ir_func *add_objective(const ir_func *f, const cc_objective *o, size_t i, bool keep, ir_arena *a, ir_diag *d)
{
	const ir_output *loss = ir_find_output(f, o->loss);
	ir_ref *param = ar_new(a, ir_ref, f->n), *grad;
	ir_func *g;
	builder b = {.a = a};
	tuning u = {.obj = o, .alpha = IR_NO_REF, .rsc = IR_NO_REF};
	ir_type scalar;
	size_t n;

	if (!loss)
		return ir_report(d, (ir_loc){0}, IR_E_no_output, f->name, o->loss), NULL;
	n = pick_params(f, o, loss->ref, param, a);
	if (n == 0)
		return ir_report(d, f->ins[loss->ref].loc, IR_E_no_params), NULL;
	scalar = ir_type_scalar(f->ins[loss->ref].type.dtype);
	g = cc_grad(f, o->loss, param, n, a, d);
	if (!g)
		return NULL;
	grad = ar_new(a, ir_ref, n);
	for (size_t k = 0; k < n; k++)
		grad[k] = g->out[f->nout + k].ref;
	b.f = cc_copy(g, a, g->name, keep ? g->nout : f->nout);
	b.loc = f->ins[loss->ref].loc;
	u.lr = leaf(&b, IR_input, ar_printf(a, ".lr%zu", i), scalar);
	if (o->optimizer != CC_SGD) {
		u.alpha = leaf(&b, IR_input, ar_printf(a, ".alpha%zu", i), scalar);
		u.rsc = leaf(&b, IR_input, ar_printf(a, ".rsc%zu", i), scalar);
	}
	apply(&b, &u, param, grad, n);
	return b.f;
}

ir_func *cc_step(const ir_func *f, const cc_feed *feed, const cc_objective *obj, size_t nobj, bool grads,
		 ir_arena *a, ir_diag *d)
{
	builder b = {.f = ir_func_new(a, "step"), .a = a};
	model_inputs in;
	ir_ref *map;

	if (!find_inputs(f, feed, &in, a, d))
		return NULL;
	map = place_model(&b, f, feed, &in);
	for (size_t i = 0; i < nobj; i++) {
		const ir_output *loss = ir_find_output(f, obj[i].loss);

		if (!loss)
			return ir_report(d, (ir_loc){0}, IR_E_no_output, f->name, obj[i].loss), NULL;
		if (!ir_find_output(b.f, obj[i].loss))
			ir_add_output(b.f, obj[i].loss, map[loss->ref]);
	}
	keep_updates(&b, f, map);
	for (size_t i = 0; i < nobj && b.f; i++)
		b.f = add_objective(b.f, &obj[i], i, grads, a, d);
	return b.f;
}

/* mean((reconstruction - x)^2) over all elements. */
static ir_ref mse(builder *b, ir_ref y, ir_ref x)
{
	ir_ref diff = op2(b, IR_sub, y, x), total = sum_all(b, op2(b, IR_mul, diff, diff));
	ir_type t = b->f->ins[x].type;

	return op2(b, IR_div, total, number(b, (double)ir_type_count(&t), t.dtype));
}

ir_func *cc_eval(const ir_func *f, const cc_feed *feed, const char *const *want, ir_arena *a, ir_diag *d)
{
	builder b = {.f = ir_func_new(a, "eval"), .a = a};
	model_inputs in;
	ir_ref *map;

	if (!find_inputs(f, feed, &in, a, d))
		return NULL;
	map = place_model(&b, f, feed, &in);
	for (size_t i = 0; want[i]; i++) {
		bool is_mse = !strcmp(want[i], "mse");
		const ir_output *o = ir_find_output(f, is_mse ? IR_OUT_RECONSTRUCTION : want[i]);

		if (!o)
			return ir_report(d, (ir_loc){0}, IR_E_no_output, f->name, want[i]), NULL;
		b.loc = f->ins[o->ref].loc;
		ir_add_output(b.f, want[i], is_mse ? mse(&b, map[o->ref], map[in.x]) : map[o->ref]);
	}
	return b.f;
}

/* ---- encoder and decoder ------------------------------------------------------------------------------------ */

ir_func *cc_encoder(const ir_func *f, ir_arena *a, ir_diag *d)
{
	const ir_output *z = ir_find_output(f, IR_OUT_LATENT);
	ir_func *r = ir_func_new(a, "encode");
	ir_ref *map = ar_new(a, ir_ref, f->n ? f->n : 1);

	if (!z)
		return ir_report(d, (ir_loc){0}, IR_E_no_output, f->name, IR_OUT_LATENT), NULL;
	for (size_t i = 0; i <= z->ref; i++)
		ir_copy_ins(r, f, (ir_ref)i, map);
	ir_add_output(r, IR_OUT_LATENT, map[z->ref]);
	return r;
}

ir_func *cc_decoder(const ir_func *f, ir_arena *a, ir_diag *d)
{
	const ir_output *z = ir_find_output(f, IR_OUT_LATENT), *y = ir_find_output(f, IR_OUT_RECONSTRUCTION);
	builder b = {.f = ir_func_new(a, "decode"), .a = a};
	ir_ref *map = ar_new(a, ir_ref, f->n ? f->n : 1), *path;
	bool *live = ar_new(a, bool, f->n ? f->n : 1); /* needed behind the latent: x is not */
	size_t npath;

	if (!z || !y)
		return ir_report(d, (ir_loc){0}, IR_E_no_output, f->name, z ? IR_OUT_RECONSTRUCTION : IR_OUT_LATENT), NULL;
	if (ir_find_bypass(f, a, &path, &npath))
		return ir_report(d, f->ins[y->ref].loc, IR_E_no_decoder), NULL;
	live[y->ref] = true;
	for (size_t i = y->ref + 1; i-- > 0;)
		for (size_t k = 0; live[i] && i != z->ref && k < f->ins[i].narg; k++)
			live[f->ins[i].arg[k]] = true;
	for (size_t i = 0; i <= y->ref; i++)
		if (i == z->ref)
			map[i] = leaf(&b, IR_input, IR_OUT_LATENT, f->ins[i].type);
		else if (live[i])
			ir_copy_ins(b.f, f, (ir_ref)i, map);
	ir_add_output(b.f, IR_OUT_RECONSTRUCTION, map[y->ref]);
	return b.f;
}
