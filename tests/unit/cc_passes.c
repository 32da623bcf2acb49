/* SPDX-License-Identifier: Apache-2.0
 * What each pass does and leaves alone, and what a training step computes: the optimisers and clipping against plain C on
 * the step's own gradients, and the same bits for 1, 2 and 3 threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "compiler/cc.h"

static ir_arena *arena;
static cc_context *context;

static int set_up(void **state)
{
	cc_context_options o = cc_context_default();

	(void)state;
	arena = ar_open();
	o.cache_dir = "";
	return cc_context_new(&o, &context, NULL) == IR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	cc_context_free(context);
	ar_free(arena);
	return 0;
}

static ir_func *parse(const char *body)
{
	char *text = ar_printf(arena, "gradmill 1\n%s", body);
	ir_diag *d = ir_diag_new();
	ir_module *m = ir_parse("test.gm", text, strlen(text), arena, d);
	ir_str s;

	sb_init(&s);
	ir_diag_print_all(d, &s);
	if (!m)
		fail_msg("%s", s.s);
	sb_fini(&s);
	ir_diag_free(d);
	return m->func[0];
}

static ir_func *run(const ir_func *f, const char *passes)
{
	cc_pipeline p = {.verify = true};

	assert_true(cc_pipeline_parse(&p, passes, NULL));
	f = cc_pipeline_run(&p, f, arena, NULL);
	assert_non_null(f);
	return (ir_func *)f;
}

static int count(const ir_func *f, ir_op op)
{
	int n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->ins[i].op == op;
	return n;
}

/* ---- passes -------------------------------------------------------------------------------------------------- */

static void cse_merges_equal_operations(void **state)
{
	ir_func *f = run(parse("func main(x: f32[4,6], y: f32[4,6]) {\n"
			       "  a = exp x\n  b = exp x\n  c = exp y\n"
			       "  s = sum a, axes=[0]\n  t = sum b, axes=[0]\n  u = sum b, axes=[1]\n"
			       "  p = constant 2, f32[]\n  q = constant 2, f32[]\n  r = constant 2, f64[]\n"
			       "  m = mul c, p\n  n = mul c, q\n"
			       "  return s, t, u, m, n, r\n}\n"), "cse");

	(void)state;
	assert_int_equal(count(f, IR_exp), 2);
	assert_int_equal(count(f, IR_sum), 2);      /* axes differ */
	assert_int_equal(count(f, IR_constant), 2); /* types differ */
	assert_int_equal(count(f, IR_mul), 1);
	assert_int_equal(f->out[0].ref, f->out[1].ref);
	assert_string_equal(f->out[1].name, "t");
}

static void cse_leaves_random_ops_and_leaves_alone(void **state)
{
	ir_func *f = run(parse("func main(key: i32[2]) {\n"
			       "  v = param f32[3]\n  w = param f32[3]\n"
			       "  k = split key, index=1\n  l = split key, index=1\n"
			       "  a = uniform k, f32[3]\n  b = uniform k, f32[3]\n  c = normal l, f32[3]\n  d = normal l, f32[3]\n"
			       "  return a, b, c, d, v, w\n}\n"), "cse");

	(void)state;
	assert_int_equal(count(f, IR_split), 2);
	assert_int_equal(count(f, IR_uniform), 2);
	assert_int_equal(count(f, IR_normal), 2);
	assert_int_equal(count(f, IR_param), 2);
}

static void dce_keeps_inputs(void **state)
{
	ir_func *f = run(parse("func main(x: f32[3], unused: f32[5]) {\n"
			       "  w = param f32[3]\n  lost = param f32[3]\n  s = state f32[3]\n"
			       "  a = exp w\n  b = mul x, x\n  c = neg x\n"
			       "  update s, c\n  return b\n}\n"), "dce");

	(void)state;
	assert_int_equal(count(f, IR_input), 2);
	assert_int_equal(count(f, IR_param), 0);
	assert_int_equal(count(f, IR_state), 1); /* an update needs it */
	assert_int_equal(count(f, IR_exp), 0);
	assert_int_equal(count(f, IR_neg), 1);
}

static void fold_computes_exact_ops_only(void **state)
{
	ir_func *f = run(parse("func main(key: i32[2]) {\n"
			       "  a = constant 0.1, f32[3]\n  b = constant 0.2, f32[3]\n"
			       "  sum1 = add a, b\n  root = sqrt b\n  e = exp a\n  t = tanh a\n"
			       "  big = broadcast a, shape=[2,3]\n  s = sum big, axes=[0]\n  u = uniform key, f32[3]\n"
			       "  return sum1, root, e, t, s, u, big\n}\n"), "fold,dce");
	const ir_ins *in = &f->ins[ir_find_output(f, "sum1")->ref];

	(void)state;
	assert_int_equal(in->op, IR_constant);
	assert_true(ir_attr_get(in, IR_ATTR_value)->f == (double)(0.1f + 0.2f)); /* in f32, as the kernel would have */
	assert_int_equal(f->ins[ir_find_output(f, "root")->ref].op, IR_constant);
	assert_int_equal(f->ins[ir_find_output(f, "big")->ref].op, IR_constant);
	assert_int_equal(f->ins[ir_find_output(f, "e")->ref].op, IR_exp);
	assert_int_equal(f->ins[ir_find_output(f, "t")->ref].op, IR_tanh);
	assert_int_equal(f->ins[ir_find_output(f, "s")->ref].op, IR_sum);
	assert_int_equal(f->ins[ir_find_output(f, "u")->ref].op, IR_uniform);
}

static void legalize_splits_long_sums(void **state)
{
	ir_func *f = run(parse("func main(x: f32[64,100], y: f32[8,9], k: f32[3,5]) {\n"
			       "  long = sum x, axes=[0,1]\n  short = sum y, axes=[0,1]\n  rows = sum x, axes=[0]\n"
			       "  most = amax x, axes=[0,1]\n  m = mean x, axes=[0,1]\n"
			       "  p = matmul k, k, tb=true\n  q = stop_gradient p\n"
			       "  return long, short, rows, most, m, q\n}\n"), "legalize");

	(void)state;
	assert_int_equal(count(f, IR_sum), 1 + 1 + 1 + 1);
	assert_int_equal(count(f, IR_panel_sum), 2); /* long and m */
	assert_int_equal(count(f, IR_amax), 2);
	assert_int_equal(count(f, IR_mean), 0);
	assert_int_equal(count(f, IR_div), 1);
	assert_int_equal(count(f, IR_transpose), 1);
	assert_int_equal(count(f, IR_stop_gradient), 0);
	for (size_t i = 0; i < f->n; i++)
		if (f->ins[i].op == IR_matmul)
			assert_int_equal(ir_attr_int(&f->ins[i], IR_ATTR_tb), 0);
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

/* The compiled f on x, against the interpreter, to the bit: views move numbers and compute none. */
static void same_as_interpreter(const ir_func *f, const rt_tensor *x)
{
	rt_tensor want[8], got[8];
	cc_program *p;
	rt_exec *e;

	assert_int_equal(rt_interpret(f, x, want), IR_OK);
	for (int threads = 1; threads <= 2; threads++) {
		assert_int_equal(cc_compile(context, f, &(cc_options){.threads = threads, .opt_level = 2}, &p, NULL), IR_OK);
		assert_int_equal(rt_exec_new(cc_program_plan(p), &e), IR_OK);
		rt_bind_leaf(e, 0, x->data, 0);
		for (size_t i = 0; i < f->nout; i++) {
			assert_int_equal(rt_tensor_alloc(&got[i], want[i].type), IR_OK);
			rt_bind_output(e, i, got[i].data, 0);
		}
		rt_run(e, 1);
		for (size_t i = 0; i < f->nout; i++) {
			assert_memory_equal(got[i].data, want[i].data, ir_type_bytes(&want[i].type));
			rt_tensor_free(&got[i]);
		}
		rt_exec_free(e);
		cc_program_free(p);
	}
	for (size_t i = 0; i < f->nout; i++)
		rt_tensor_free(&want[i]);
}

/* Column 0 of a transpose is contiguous only as long as the transpose is a view: c is decided first, then e makes a
 * copy of a. */
static void views_of_what_is_copied_later(void **state)
{
	static const char *const body[] = {
		"  a = transpose x, perm=[1,0]\n  b = slice a, start=[0,0], size=[5,1]\n  c = reshape b, shape=[5]\n"
		"  e = reshape a, shape=[15]\n  return c, e\n",
		"  a = transpose x, perm=[1,0]\n  e = reshape a, shape=[15]\n  b = slice a, start=[0,0], size=[5,1]\n"
		"  c = reshape b, shape=[5]\n  return c, e\n",
		"  a = transpose x, perm=[1,0]\n  b = slice a, start=[1,1], size=[4,1]\n  c = reshape b, shape=[2,2]\n"
		"  d = transpose c, perm=[1,0]\n  h = reshape d, shape=[4]\n  e = reshape a, shape=[3,5]\n  n = neg b\n"
		"  return c, d, h, e, a, n\n",
	};
	rt_tensor x;

	(void)state;
	assert_int_equal(rt_tensor_alloc(&x, ir_type_make(IR_F32, 2, (int64_t[]){3, 5})), IR_OK);
	for (int i = 0; i < 15; i++)
		((float *)x.data)[i] = (float)i;
	for (size_t i = 0; i < sizeof body / sizeof *body; i++)
		same_as_interpreter(parse(ar_printf(arena, "func main(x: f32[3,5]) {\n%s}\n", body[i])), &x);
	rt_tensor_free(&x);
}

/* A square matrix and what it is turned over have one shape, but not one order: the copy of the transpose may not be made in the
 * kernel that makes the matrix. */
static void turning_a_square_over_is_not_pointwise(void **state)
{
	static const char *const body[] = {
		"  p = matmul x, x, ta=true\n  t = transpose p, perm=[1,0]\n  r = reshape t, shape=[125,5]\n  s = add p, t\n  return r, s\n",
		"  p = add x, x\n  t = transpose p, perm=[1,0]\n  r = reshape t, shape=[125,5]\n  s = sub p, t\n  return r, s, t\n",
	};
	static const int64_t rows[] = {2, 25};
	rt_tensor x;

	(void)state;
	for (size_t i = 0; i < sizeof body / sizeof *body; i++) {
		char *text = ar_printf(arena, "func main(x: f32[%d,%d]) {\n%s}\n", (int)rows[i], 25, body[i]);

		assert_int_equal(rt_tensor_alloc(&x, ir_type_make(IR_F32, 2, (int64_t[]){rows[i], 25})), IR_OK);
		for (int k = 0; k < rows[i] * 25; k++)
			((float *)x.data)[k] = (float)(k % 11); /* small integers: products are exact in any order */
		same_as_interpreter(parse(text), &x);
		rt_tensor_free(&x);
	}
}

/* A square state that becomes itself turned over cannot be written in place. */
static void turning_a_square_over_is_not_in_place(void **state)
{
	ir_func *f = parse("func main() {\n  s = state f32[5,5]\n  t = transpose s, perm=[1,0]\n  r = reshape t, shape=[25]\n"
			   "  update s, t\n  return r\n}\n");
	float s[25], r[25];
	cc_program *p;
	rt_exec *e;

	(void)state;
	for (int i = 0; i < 25; i++)
		s[i] = (float)i;
	assert_int_equal(cc_compile(context, f, &(cc_options){.threads = 1, .opt_level = 2}, &p, NULL), IR_OK);
	assert_int_equal(rt_exec_new(cc_program_plan(p), &e), IR_OK);
	rt_bind_leaf(e, 0, s, 0);
	rt_bind_output(e, 0, r, 0);
	rt_run(e, 1);
	for (int i = 0; i < 25; i++)
		assert_true(s[i] == (float)(i % 5 * 5 + i / 5) && r[i] == s[i]);
	rt_exec_free(e);
	cc_program_free(p);
}

/* ---- training steps ---------------------------------------------------------------------------------------------- */

#define ROWS  211
#define STEPS 20

typedef struct trainer {
	ir_func *f;
	cc_program *p;
	rt_exec *e;
	rt_tensor leaf[32], out[16];
	size_t nleaf, nout;
} trainer;

/* Two weights live in panels, the second is also read turned over (for the gradient of r). */
static const char odd_model[] = "func main(x: f32[B,37]) {\n"
				"  a = dense<100>(x)\n  r = relu a\n  b = dense<70>(r)\n  z = dense<5>(b)\n  t = tanh z\n"
				"  y = dense<37>(t)\n  l = mse(y, x)\n  return loss=l\n}\n";

static void open_trainer(trainer *t, const char *model, int64_t batch, bool wide, const cc_objective *o, bool grads, int threads)
{
	cc_feed feed = {IR_U8, ROWS, 37};
	cc_options options = {.threads = threads, .opt_level = 2};
	ir_func *f = ir_bind(parse(model), batch, arena, NULL);

	*t = (trainer){.f = cc_step(wide ? ir_widen(f, arena) : f, &feed, o, 1, grads, arena, NULL)};
	assert_non_null(t->f);
	assert_int_equal(cc_compile(context, t->f, &options, &t->p, NULL), IR_OK);
	assert_int_equal(rt_exec_new(cc_program_plan(t->p), &t->e), IR_OK);
}

static rt_tensor *find(trainer *t, const char *name)
{
	for (size_t i = 0; i < t->nleaf; i++)
		if (!strcmp(cc_program_leaf_name(t->p, i), name))
			return &t->leaf[i];
	for (size_t i = 0; i < t->nout; i++)
		if (!strcmp(cc_program_output_name(t->p, i), name))
			return &t->out[i];
	fail_msg("no leaf or output %s", name);
	return NULL;
}

/* A scalar per step: the learning rate, and Adam's two corrections, from double as cc.h says. */
static double scalar_at(const char *name, int step)
{
	double lr = 0.01;

	if (!strcmp(name, CC_IN_ALPHA))
		return lr / (1 - pow(.9, step + 1));
	if (!strcmp(name, CC_IN_RSC))
		return 1 / sqrt(1 - pow(.999, step + 1));
	return lr;
}

static void bind_leaf(trainer *t, size_t i, int64_t batch)
{
	ir_type type = cc_program_leaf_type(t->p, i), held = type;
	const char *name = cc_program_leaf_name(t->p, i);
	bool index = !strcmp(name, CC_IN_INDEX), scalar = type.rank == 0 && cc_program_leaf_op(t->p, i) == IR_input;
	rt_tensor *x = &t->leaf[i];
	int64_t n;

	if (index || scalar)
		held = ir_type_make(type.dtype, 1, (int64_t[]){STEPS * (index ? batch : 1)});
	assert_int_equal(rt_tensor_alloc(x, held), IR_OK);
	n = ir_type_count(&held);
	for (int64_t k = 0; k < n; k++)
		if (index)
			rt_store(held.dtype, x->data, k, (double)(k * 17 % ROWS));
		else if (scalar)
			rt_store(held.dtype, x->data, k, scalar_at(name, (int)k));
		else if (!strcmp(name, CC_IN_TABLE))
			rt_store(held.dtype, x->data, k, (double)(k * k % 256));
	if (cc_program_leaf_op(t->p, i) == IR_param)
		rt_init(x, IR_INIT_he_uniform, rt_key_seed(5), (uint32_t)i);
	rt_bind_leaf(t->e, i, x->data, index || scalar ? ir_type_bytes(&type) : 0);
}

static void bind_all(trainer *t, int64_t batch)
{
	t->nleaf = cc_program_leaves(t->p), t->nout = cc_program_outputs(t->p);
	for (size_t i = 0; i < t->nleaf; i++)
		bind_leaf(t, i, batch);
	for (size_t i = 0; i < t->nout; i++) {
		assert_int_equal(rt_tensor_alloc(&t->out[i], cc_program_output_type(t->p, i)), IR_OK);
		rt_bind_output(t->e, i, t->out[i].data, 0);
	}
}

static void close_trainer(trainer *t)
{
	for (size_t i = 0; i < t->nleaf; i++)
		rt_tensor_free(&t->leaf[i]);
	for (size_t i = 0; i < t->nout; i++)
		rt_tensor_free(&t->out[i]);
	rt_exec_free(t->e);
	cc_program_free(t->p);
}

static void same_tensors(const rt_tensor *a, const rt_tensor *b, const char *name, int threads)
{
	if (memcmp(a->data, b->data, ir_type_bytes(&a->type)))
		fail_msg("%s: %d threads give other bits than one", name, threads);
}

static void bits_do_not_depend_on_threads(void **state)
{
	static const int64_t batches[] = {1, 7, 100};
	cc_objective o = cc_objective_default();

	(void)state;
	o.clip_norm = 0.5;
	for (int c = 0; c < 6; c++) {
		trainer t[3];

		for (int k = 0; k < 3; k++) {
			open_trainer(&t[k], odd_model, batches[c / 2], c % 2, &o, true, k + 1);
			bind_all(&t[k], batches[c / 2]);
			rt_run(t[k].e, STEPS);
			for (size_t i = 0; i < t[k].nleaf; i++)
				same_tensors(&t[0].leaf[i], &t[k].leaf[i], cc_program_leaf_name(t[0].p, i), k + 1);
			for (size_t i = 0; i < t[k].nout; i++)
				same_tensors(&t[0].out[i], &t[k].out[i], cc_program_output_name(t[0].p, i), k + 1);
		}
		assert_true(isfinite(rt_load(t[0].out[0].type.dtype, t[0].out[0].data, 0)));
		for (int k = 0; k < 3; k++)
			close_trainer(&t[k]);
	}
}

/* The state of one param in plain C. */
typedef struct shadow {
	const char *name;
	rt_tensor *w;
	int64_t n;
	bool is_matrix;
	double *p, *m, *v, *g;
} shadow;

static size_t open_shadows(trainer *t, shadow *s)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nleaf; i++) {
		if (cc_program_leaf_op(t->p, i) != IR_param)
			continue;
		s[n] = (shadow){.name = cc_program_leaf_name(t->p, i), .w = &t->leaf[i]};
		s[n].n = ir_type_count(&s[n].w->type);
		s[n].is_matrix = s[n].w->type.rank >= 2;
		s[n].p = ar_new(arena, double, (size_t)s[n].n), s[n].m = ar_new(arena, double, (size_t)s[n].n);
		s[n].v = ar_new(arena, double, (size_t)s[n].n);
		memcpy(s[n].p, s[n].w->data, (size_t)s[n].n * sizeof(double));
		n++;
	}
	return n;
}

static double clip_factor(const cc_objective *o, const shadow *s, size_t n)
{
	double total = 0, norm;

	for (size_t i = 0; i < n; i++)
		for (int64_t k = 0; k < s[i].n; k++)
			total += s[i].g[k] * s[i].g[k];
	norm = sqrt(total);
	return o->clip_norm > 0 && norm > o->clip_norm ? o->clip_norm / norm : 1;
}

/* Kingma and Ba 2015 as printed; decoupled decay of Loshchilov and Hutter 2019; SGD with momentum as in torch.optim. */
static void update(const cc_objective *o, shadow *s, double factor, int step)
{
	double lr = 0.01;

	for (int64_t k = 0; k < s->n; k++) {
		double g = s->g[k] * factor, mhat, vhat;

		if (o->optimizer == CC_SGD) {
			s->m[k] = o->momentum * s->m[k] + g;
			s->p[k] -= lr * s->m[k];
			continue;
		}
		if (o->optimizer == CC_ADAMW && s->is_matrix)
			s->p[k] -= lr * o->weight_decay * s->p[k];
		s->m[k] = o->beta1 * s->m[k] + (1 - o->beta1) * g;
		s->v[k] = o->beta2 * s->v[k] + (1 - o->beta2) * g * g;
		mhat = s->m[k] / (1 - pow(o->beta1, step + 1));
		vhat = s->v[k] / (1 - pow(o->beta2, step + 1));
		s->p[k] -= lr * mhat / (sqrt(vhat) + o->eps);
	}
}

/* One step at a time, on the step's own gradients ("d_NAME", before clipping). */
static double follow(const cc_objective *o, int threads)
{
	trainer t;
	shadow s[16];
	size_t n;
	double worst = 0, factor;

	open_trainer(&t, odd_model, 7, true, o, true, threads);
	bind_all(&t, 7);
	n = open_shadows(&t, s);
	assert_int_equal(n, 8);
	for (int step = 0; step < 5; step++) {
		for (size_t i = 0; i < t.nleaf; i++) {
			ir_type type = cc_program_leaf_type(t.p, i);

			if (cc_program_leaf_op(t.p, i) == IR_input && !ir_type_equal(&type, &t.leaf[i].type))
				rt_bind_leaf(t.e, i, (char *)t.leaf[i].data + (size_t)step * ir_type_bytes(&type), 0);
		}
		rt_run(t.e, 1);
		for (size_t i = 0; i < n; i++)
			s[i].g = find(&t, ar_printf(arena, "d_%s", s[i].name))->data;
		factor = clip_factor(o, s, n);
		if (o->clip_norm > 0)
			assert_true(factor < 1); /* else the test shows nothing */
		for (size_t i = 0; i < n; i++) {
			update(o, &s[i], factor, step);
			for (int64_t k = 0; k < s[i].n; k++)
				worst = fmax(worst, fabs(s[i].p[k] - ((double *)s[i].w->data)[k]));
		}
	}
	close_trainer(&t);
	return worst;
}

static void adam_is_the_paper_s(void **state)
{
	cc_objective o = cc_objective_default();

	(void)state;
	assert_true(follow(&o, 1) <= 1e-14);
	assert_true(follow(&o, 3) <= 1e-14);
}

static void adamw_decays_matrices_only(void **state)
{
	cc_objective o = cc_objective_default();

	(void)state;
	o.optimizer = CC_ADAMW, o.weight_decay = 0.1;
	assert_true(follow(&o, 2) <= 1e-14);
}

static void sgd_has_momentum(void **state)
{
	cc_objective o = cc_objective_default();

	(void)state;
	o.optimizer = CC_SGD;
	assert_true(follow(&o, 2) <= 1e-14);
	o.momentum = 0.9;
	assert_true(follow(&o, 2) <= 1e-14);
}

static void clipping_is_the_formula(void **state)
{
	cc_objective o = cc_objective_default();

	(void)state;
	o.clip_norm = 1e-3;
	assert_true(follow(&o, 2) <= 1e-14);
	o.optimizer = CC_SGD;
	assert_true(follow(&o, 2) <= 1e-14);
}

/* The moments and the weight are updated in their own memory: no launch but the kernels themselves, no copy. */
static void updates_are_made_in_place(void **state)
{
	cc_objective o = cc_objective_default();
	trainer t;
	ir_str s;

	(void)state;
	open_trainer(&t, odd_model, 7, false, &o, false, 1);
	sb_init(&s);
	cc_program_print_plan(t.p, &s);
	assert_null(strstr(s.s, " copy ["));
	sb_fini(&s);
	close_trainer(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cse_merges_equal_operations),	 cmocka_unit_test(cse_leaves_random_ops_and_leaves_alone),
		cmocka_unit_test(dce_keeps_inputs),		 cmocka_unit_test(fold_computes_exact_ops_only),
		cmocka_unit_test(views_of_what_is_copied_later),
		cmocka_unit_test(turning_a_square_over_is_not_pointwise),
		cmocka_unit_test(turning_a_square_over_is_not_in_place),
		cmocka_unit_test(legalize_splits_long_sums),	 cmocka_unit_test(adam_is_the_paper_s),
		cmocka_unit_test(adamw_decays_matrices_only),	 cmocka_unit_test(sgd_has_momentum),
		cmocka_unit_test(clipping_is_the_formula),	 cmocka_unit_test(updates_are_made_in_place),
		cmocka_unit_test(bits_do_not_depend_on_threads),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
