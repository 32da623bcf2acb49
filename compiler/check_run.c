/* SPDX-License-Identifier: Apache-2.0
 * compiler/check_run.c -- the comparisons of gradmill check. The objective that is differentiated is the output named
 * loss, or, where there is none, the inner product of all float results with random ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/check.h"

#define GRADIENT_BOUND 1e-5
#define F64_BOUND      1e-12
#define F32_BOUND      1e-4
#define DIRECTIONS     3
#define MAX_SAMPLES    20  /* coordinates per input or param */
#define BUDGET         1e9 /* FLOPs of the interpreter: large models get fewer samples */

/* ---- values of leaves ------------------------------------------------------------------------------------------ */

static bool all_zero(const rt_tensor *t)
{
	for (int64_t i = 0; i < ir_type_count(&t->type); i++)
		if (rt_load(t->type.dtype, t->data, i) != 0)
			return false;
	return true;
}

/* Values that f32 holds exactly, so that both precisions see the same. States stay positive: they are often variances. */
static void fill_weight(rt_tensor *t, const ir_ins *in, rt_key key, rt_key seed, uint32_t position)
{
	double low = in->op == IR_param ? -0.1 : 0.05;

	rt_init(t, (ir_init)ir_attr_int(in, IR_ATTR_init), seed, position == IR_NO_REF ? 0 : position);
	if (!ir_dtype_is_float(t->type.dtype) || !all_zero(t))
		return;
	for (int64_t i = 0; i < ir_type_count(&t->type); i++)
		rt_store(t->type.dtype, t->data, i,
			 (float)(low + (in->op == IR_param ? 0.2 : 0.1) * rt_random_unit(key, (uint64_t)i)));
}

static void fill_input(rt_tensor *t, rt_key key)
{
	int64_t n = ir_type_count(&t->type);
	bool is_key = t->type.dtype == IR_I32 && t->type.rank == 1 && t->type.dim[0] == 2;
	uint64_t below = t->type.dtype == IR_BOOL ? 2 : t->type.dtype == IR_U8 ? 256 : is_key ? INT32_MAX : 8;

	if (ir_dtype_is_float(t->type.dtype)) {
		rt_fill_uniform(key, t->type.dtype, t->data, 0, n);
		return;
	}
	for (int64_t i = 0; i < n; i++)
		rt_store(t->type.dtype, t->data, i, (double)rt_random_below(key, (uint64_t)i, below));
}

static size_t count_leaves(const ir_func *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += ir_is_leaf(f, (ir_ref)i);
	return n;
}

/* Leaves of gwide, then the same values for g. */
static ir_status fill_leaves(cc_check *k)
{
	uint32_t *position = ar_new(k->a, uint32_t, k->gwide->n + 1);
	rt_key seed = rt_key_seed(k->seed);
	size_t n = 0;
	ir_status s;

	ir_canonical_positions(k->wide, position);
	for (size_t i = 0; i < k->gwide->n; i++) {
		const ir_ins *in = &k->gwide->ins[i];
		rt_key key = rt_key_for(seed, RT_FOR_TEST, n);
		rt_tensor *t = &k->leaf[n], *u = &k->narrow[n];

		if (!ir_is_leaf(k->gwide, (ir_ref)i))
			continue;
		n++;
		if ((s = rt_tensor_alloc(t, in->type)) != IR_OK)
			return s;
		if ((s = rt_tensor_alloc(u, k->g->ins[i].type)) != IR_OK)
			return s;
		if (in->op == IR_input)
			fill_input(t, key);
		else
			fill_weight(t, in, key, seed, position[i]);
		for (int64_t e = 0; e < ir_type_count(&t->type); e++)
			rt_store(u->type.dtype, u->data, e, rt_load(t->type.dtype, t->data, e));
	}
	return IR_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static bool has_float_result(const ir_func *f)
{
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state == IR_NO_REF && ir_dtype_is_float(f->ins[f->out[i].ref].type.dtype))
			return true;
	return false;
}

static bool has_loss(const ir_func *f)
{
	const ir_output *o = ir_find_output(f, IR_OUT_LOSS);

	return o && f->ins[o->ref].type.rank == 0 && ir_dtype_is_float(f->ins[o->ref].type.dtype);
}

static const ir_func *differentiate(const cc_check *k, const ir_func *f)
{
	if (k->nwrt == 0 || !has_float_result(f))
		return f;
	return has_loss(f) ? cc_grad(f, IR_OUT_LOSS, k->wrt, k->nwrt, k->a, k->d) : cc_vjp(f, k->a, k->d);
}

static ir_status interpret(const ir_func *f, const rt_tensor *leaf, rt_tensor **out)
{
	*out = ir_xmalloc(f->nout + 1, sizeof **out);
	return rt_interpret(f, leaf, *out);
}

static void free_tensors(rt_tensor *t, size_t n)
{
	for (size_t i = 0; t && i < n; i++)
		rt_tensor_free(&t[i]);
	free(t);
}

static ir_func *copy_but_frozen(const cc_check *k, bool freeze)
{
	ir_func *g = ir_func_new(k->a, k->wide->name);
	ir_ref *map = ar_new(k->a, ir_ref, k->wide->n + 1);

	for (size_t i = 0; freeze && i < k->wide->n; i++) {
		const ir_ins *in = &k->wide->ins[i];
		ir_attr at = ir_a_type(IR_ATTR_type, in->type);

		if (in->op == IR_stop_gradient)
			map[i] = ir_emit(g, "check", in->loc, IR_input, NULL, 0, &at, 1);
	}
	for (size_t i = 0; i < k->wide->n; i++)
		if (!freeze || k->wide->ins[i].op != IR_stop_gradient)
			ir_copy_ins(g, k->wide, (ir_ref)i, map);
	for (size_t i = 0; i < k->wide->nout; i++) /* updates too, as plain results: only places count */
		ir_add_output(g, ar_printf(k->a, "out%zu", i), map[k->wide->out[i].ref]);
	for (size_t i = 0; !freeze && i < k->wide->n; i++)
		if (k->wide->ins[i].op == IR_stop_gradient)
			ir_add_output(g, ar_printf(k->a, "frozen%zu", i), map[i]);
	return g;
}

/* Central differences know nothing of stop_gradient: what it lets through must not move. */
static ir_status freeze(cc_check *k)
{
	const ir_func *probe = copy_but_frozen(k, false);
	rt_tensor *out = NULL;
	ir_status s = interpret(probe, k->leaf, &out);
	size_t n = k->wide->nout;

	k->still = copy_but_frozen(k, true);
	k->nfrozen = probe->nout - n;
	k->frozen = ir_xmalloc(k->nfrozen + 1, sizeof *k->frozen);
	if (s == IR_OK)
		memcpy(k->frozen, out + n, k->nfrozen * sizeof *out);
	free_tensors(out, s == IR_OK ? n : 0);
	return s;
}

ir_status cc_check_open(cc_check *k, cc_context *c, const ir_func *f, uint64_t seed, int threads, ir_arena *a, ir_diag *d)
{
	ir_func *own = ir_bind(f, 1, a, d); /* a copy: the batch is bound already */
	ir_status s;

	*k = (cc_check){.c = c, .a = a, .d = d, .seed = seed, .threads = threads};
	if (!own)
		return IR_EINPUT;
	k->wrt = ar_new(a, ir_ref, f->n + 1);
	for (size_t i = 0; i < own->n; i++) {
		ir_op op = own->ins[i].op;

		if (ir_is_leaf(own, (ir_ref)i) && !own->ins[i].name)
			ir_set_name(own, (ir_ref)i, ar_printf(a, "leaf%zu", i));
		if ((op == IR_input || op == IR_param) && ir_dtype_is_float(own->ins[i].type.dtype))
			k->wrt[k->nwrt++] = (ir_ref)i;
	}
	k->f = own;
	k->wide = ir_widen(own, a);
	k->g = differentiate(k, k->f);
	k->gwide = k->g ? differentiate(k, k->wide) : NULL;
	if (!k->gwide)
		return IR_EINPUT;
	k->nleaf = count_leaves(k->wide);
	k->ngleaf = count_leaves(k->gwide);
	k->leaf = ir_xmalloc(k->ngleaf + 1, sizeof *k->leaf);
	k->narrow = ir_xmalloc(k->ngleaf + 1, sizeof *k->narrow);
	s = fill_leaves(k);
	if (s == IR_OK)
		s = interpret(k->gwide, k->leaf, &k->value);
	return s == IR_OK ? freeze(k) : s;
}

void cc_check_close(cc_check *k)
{
	free_tensors(k->leaf, k->ngleaf);
	free_tensors(k->narrow, k->ngleaf);
	free_tensors(k->value, k->gwide ? k->gwide->nout : 0);
	free_tensors(k->frozen, k->nfrozen);
	*k = (cc_check){0};
}

/* ---- gradients ----------------------------------------------------------------------------------------------------- */

/* One comparison: coordinate at of wrt[w], or (at < 0) a direction over all of wrt. */
typedef struct task {
	size_t w;
	int64_t at;
	double error;
	ir_status status;
} task;

typedef struct tasks {
	const cc_check *k;
	task *t;
	size_t n;
} tasks;

/* The objective of wide's outputs; *scale: the sum of its terms' magnitudes, which bounds what rounding can do. */
static double objective(const cc_check *k, const rt_tensor *out, double *scale)
{
	size_t dy = k->nleaf;
	double sum = 0;

	*scale = 0;
	for (size_t i = 0; i < k->wide->nout; i++) {
		const ir_output *o = &k->wide->out[i];
		const ir_type *t = &k->wide->ins[o->ref].type;

		if (has_loss(k->wide)) {
			if (o->state != IR_NO_REF || strcmp(o->name, IR_OUT_LOSS))
				continue;
			sum = rt_load(t->dtype, out[i].data, 0);
			*scale = fabs(sum);
			return sum;
		}
		if (o->state != IR_NO_REF || !ir_dtype_is_float(t->dtype))
			continue;
		for (int64_t e = 0; e < ir_type_count(t); e++) {
			double v = rt_load(t->dtype, out[i].data, e) * rt_load(IR_F64, k->leaf[dy].data, e);

			sum += v;
			*scale += fabs(v);
		}
		dy++;
	}
	return sum;
}

static size_t leaf_number(const ir_func *f, ir_ref r)
{
	size_t n = 0;

	for (ir_ref i = 0; i < r; i++)
		n += ir_is_leaf(f, i);
	return n;
}

/* Of length 1: a long step over many weights would cross the kinks of every relu. */
static double direction(const cc_check *k, const task *t, size_t w, int64_t e)
{
	rt_key key = rt_key_for(rt_key_seed(k->seed), RT_FOR_TEST, 1000000 + (uint64_t)(-t->at) * 10000 + w);

	return rt_random_below(key, (uint64_t)e, 2) ? k->unit : -k->unit;
}

/* The leaves moved by h along the task: what moves is copied, into moved[w]. */
static ir_status move(const cc_check *k, const task *t, double h, rt_tensor *leaf, rt_tensor *moved)
{
	ir_status s;

	memcpy(leaf, k->frozen, k->nfrozen * sizeof *leaf);
	leaf += k->nfrozen;
	memcpy(leaf, k->leaf, k->nleaf * sizeof *leaf);
	for (size_t w = 0; w < k->nwrt; w++) {
		size_t at = leaf_number(k->wide, k->wrt[w]);
		const rt_tensor *from = &k->leaf[at];

		if (t->at >= 0 && w != t->w)
			continue;
		if (!moved[w].data && (s = rt_tensor_alloc(&moved[w], from->type)) != IR_OK)
			return s;
		memcpy(moved[w].data, from->data, ir_type_bytes(&from->type));
		if (t->at >= 0)
			((double *)moved[w].data)[t->at] += h;
		else
			for (int64_t e = 0; e < ir_type_count(&from->type); e++)
				((double *)moved[w].data)[e] += h * direction(k, t, w, e);
		leaf[at] = moved[w];
	}
	return IR_OK;
}

static ir_status value_at(const cc_check *k, const task *t, double h, rt_tensor *moved, double *v, double *scale)
{
	rt_tensor *leaf = ir_xmalloc(k->nfrozen + k->nleaf + 1, sizeof *leaf), *out = NULL;
	ir_status s = move(k, t, h, leaf, moved);

	if (s == IR_OK)
		s = interpret(k->still, leaf, &out);
	if (s == IR_OK)
		*v = objective(k, out, scale);
	free_tensors(out, k->wide->nout);
	free(leaf);
	return s;
}

static double analytic(const cc_check *k, const task *t)
{
	double sum = 0;

	for (size_t w = 0; w < k->nwrt; w++) {
		const rt_tensor *g = &k->value[k->wide->nout + w];

		if (t->at >= 0 && w == t->w)
			return rt_load(IR_F64, g->data, t->at);
		for (int64_t e = 0; t->at < 0 && e < ir_type_count(&g->type); e++)
			sum += rt_load(IR_F64, g->data, e) * direction(k, t, w, e);
	}
	return sum;
}

/* Several step widths: a kink between two points spoils one of them, a wrong rule spoils all. */
static void compare_slopes(void *ctx, size_t i)
{
	static const double width[] = {1e-5, 1e-6, 1e-4, 1e-7};
	const cc_check *k = ((tasks *)ctx)->k;
	task *t = &((tasks *)ctx)->t[i];
	rt_tensor *moved = ir_xmalloc(k->nwrt, sizeof *moved);
	double want = analytic(k, t), up, down, scale = 0;

	t->error = INFINITY;
	for (size_t m = 0; m < sizeof width / sizeof *width && !(t->error <= GRADIENT_BOUND); m++) {
		double h = width[m], got, error;

		t->status = value_at(k, t, h, moved, &up, &scale);
		if (t->status == IR_OK)
			t->status = value_at(k, t, -h, moved, &down, &scale);
		if (t->status != IR_OK)
			break;
		got = (up - down) / (2 * h);
		error = fabs(got - want) / fmax(fmax(fabs(got), fabs(want)), 1e-4 * scale + 1e-30);
		t->error = error < t->error ? error : t->error;
	}
	free_tensors(moved, k->nwrt);
}

static int64_t samples(const cc_check *k, int64_t count)
{
	double each = 2 * (double)(cc_func_cost(k->wide).flops + 1) * (double)k->nwrt, most = BUDGET / each;
	int64_t n = most > MAX_SAMPLES ? MAX_SAMPLES : most < 2 ? 2 : (int64_t)most;

	return count < n ? count : n;
}

static void plan_tasks(cc_check *k, tasks *all)
{
	all->t = ar_new(k->a, task, k->nwrt * MAX_SAMPLES + DIRECTIONS);
	for (size_t w = 0; w < k->nwrt; w++) {
		int64_t count = ir_type_count(&k->wide->ins[k->wrt[w]].type), n = samples(k, count);
		rt_key key = rt_key_for(rt_key_seed(k->seed), RT_FOR_TEST, 2000000 + w);

		for (int64_t i = 0; i < n; i++)
			all->t[all->n++] = (task){.w = w, .at = n == count ? i
				: (int64_t)rt_random_below(key, (uint64_t)i, (uint64_t)count)};
	}
	for (int i = 0; i < DIRECTIONS; i++)
		all->t[all->n++] = (task){.at = -1 - i};
}

ir_status cc_check_gradient(cc_check *k, cc_finding *coordinates, cc_finding *directions)
{
	tasks all = {.k = k};
	double scale;

	*coordinates = *directions = (cc_finding){.bound = GRADIENT_BOUND};
	if (k->g == k->f)
		return IR_OK;
	if (!isfinite(objective(k, k->value, &scale))) {
		coordinates->why = directions->why = "objective is not finite";
		return IR_OK;
	}
	plan_tasks(k, &all);
	for (size_t w = 0; w < k->nwrt; w++)
		k->unit += (double)ir_type_count(&k->wide->ins[k->wrt[w]].type);
	k->unit = 1 / sqrt(fmax(k->unit, 1));
	rt_parallel(k->threads, all.n, compare_slopes, &all);
	for (size_t i = 0; i < all.n; i++) {
		const task *t = &all.t[i];
		cc_finding *f = t->at < 0 ? directions : coordinates;

		if (t->status != IR_OK)
			return t->status;
		if (f->count++ && t->error <= f->error)
			continue;
		f->error = t->error;
		f->worst = t->at < 0 ? "a random direction"
				     : ar_printf(k->a, "%s[%lld]", k->wide->ins[k->wrt[t->w]].name, (long long)t->at);
	}
	return IR_OK;
}

/* ---- compiled code ------------------------------------------------------------------------------------------------- */

static ir_status copy_tensor(rt_tensor *to, const rt_tensor *from)
{
	ir_status s = rt_tensor_alloc(to, from->type);

	if (s == IR_OK)
		memcpy(to->data, from->data, ir_type_bytes(&from->type));
	return s;
}

static rt_tensor *leaf_named(const ir_func *f, rt_tensor *leaf, const char *name)
{
	return &leaf[leaf_number(f, ir_find_value(f, name))];
}

/* Binds every leaf and result; results land in out, in the places that the interpreter uses. */
static ir_status bind_all(const cc_program *p, rt_exec *e, const ir_func *f, rt_tensor *leaf, rt_tensor *out)
{
	size_t n = 0;
	ir_status s;

	for (size_t i = 0; i < cc_program_leaves(p); i++)
		rt_bind_leaf(e, i, leaf_named(f, leaf, cc_program_leaf_name(p, i))->data, 0);
	for (size_t i = 0; i < f->nout; i++) {
		if (f->out[i].state != IR_NO_REF)
			continue;
		if ((s = rt_tensor_alloc(&out[i], f->ins[f->out[i].ref].type)) != IR_OK)
			return s;
		rt_bind_output(e, n++, out[i].data, 0);
	}
	return IR_OK;
}

static ir_status run_once(cc_program *p, const ir_func *f, rt_tensor *leaf, rt_tensor *out)
{
	rt_exec *e = NULL;
	ir_status s = rt_exec_new(cc_program_plan(p), &e);

	if (s != IR_OK)
		return s;
	s = bind_all(p, e, f, leaf, out);
	if (s == IR_OK)
		rt_run(e, 1);
	rt_exec_free(e);
	for (size_t i = 0; i < f->nout && s == IR_OK; i++)
		if (f->out[i].state != IR_NO_REF) /* updated in place */
			s = copy_tensor(&out[i], &leaf[leaf_number(f, f->out[i].state)]);
	return s;
}

/* Compiles f and runs it once on copies of the leaves. */
static ir_status run_code(const cc_check *k, const ir_func *f, const rt_tensor *leaf, int threads, rt_tensor **out)
{
	cc_options o = {.threads = threads, .opt_level = 2};
	rt_tensor *own = ir_xmalloc(k->ngleaf + 1, sizeof *own);
	cc_program *p = NULL;
	ir_status s = cc_compile(k->c, f, &o, &p, k->d);

	*out = ir_xmalloc(f->nout + 1, sizeof **out);
	for (size_t i = 0; i < k->ngleaf && s == IR_OK; i++)
		s = copy_tensor(&own[i], &leaf[i]);
	if (s == IR_OK)
		s = run_once(p, f, own, *out);
	cc_program_free(p);
	free_tensors(own, k->ngleaf);
	return s;
}

/* Largest difference, and the largest magnitude of b. NaN agrees with NaN only. */
static double distance(const rt_tensor *a, const rt_tensor *b, double *size)
{
	double worst = 0;

	*size = 0;
	for (int64_t i = 0; i < ir_type_count(&b->type); i++) {
		double x = rt_load(a->type.dtype, a->data, i), y = rt_load(b->type.dtype, b->data, i);
		double diff = x == y || (isnan(x) && isnan(y)) ? 0 : fabs(x - y);

		worst = isnan(diff) ? INFINITY : fmax(worst, diff);
		if (isfinite(y))
			*size = fmax(*size, fabs(y));
	}
	return worst;
}

/* noise: what the interpreter itself loses in f32, or NULL; then results that are not floats are left out, because a
 * comparison may honestly turn out differently. */
static void judge(const cc_check *k, const rt_tensor *got, const rt_tensor *noise, double tiny, cc_finding *f)
{
	for (size_t i = 0; i < k->gwide->nout; i++) {
		double size, ignore, error = distance(&got[i], &k->value[i], &size);
		const char *name = k->gwide->out[i].name;

		if (noise && !ir_dtype_is_float(got[i].type.dtype))
			continue;
		if (noise && error <= 4 * distance(&noise[i], &k->value[i], &ignore))
			error = fmin(error, f->bound * size); /* as good as the interpreter in f32 */
		error /= size + tiny;
		if (f->count++ && error <= f->error)
			continue;
		f->error = error;
		f->worst = name ? name : "an update";
	}
}

static void judge_threads(const cc_check *k, const rt_tensor *one, const rt_tensor *many, cc_finding *f)
{
	for (size_t i = 0; i < k->g->nout; i++) {
		f->count++;
		if (memcmp(one[i].data, many[i].data, ir_type_bytes(&one[i].type)))
			f->error = 1;
	}
}

ir_status cc_check_code(cc_check *k, cc_finding *f64, cc_finding *f32, cc_finding *threads)
{
	rt_tensor *wide = NULL, *one = NULL, *many = NULL, *noise = NULL;
	ir_status s = run_code(k, k->gwide, k->leaf, 1, &wide);

	*f64 = (cc_finding){.bound = F64_BOUND};
	*f32 = (cc_finding){.bound = F32_BOUND};
	*threads = (cc_finding){.bound = 0};
	if (s == IR_OK)
		s = run_code(k, k->g, k->narrow, 1, &one);
	if (s == IR_OK)
		s = run_code(k, k->g, k->narrow, k->threads, &many);
	if (s == IR_OK)
		s = interpret(k->g, k->narrow, &noise);
	if (s == IR_OK) {
		judge(k, wide, NULL, 1e-5, f64);
		judge(k, one, noise, 1e-30, f32);
		judge_threads(k, one, many, threads);
	}
	free_tensors(wide, k->gwide->nout);
	free_tensors(one, k->g->nout);
	free_tensors(many, k->g->nout);
	free_tensors(noise, k->g->nout);
	return s;
}
