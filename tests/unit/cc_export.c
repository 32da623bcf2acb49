/* SPDX-License-Identifier: Apache-2.0
 * Exported objects compute what the same function computes in this process, to the bit: every entry is linked by the system's C
 * compiler into a library, loaded, and called with arguments that end where their page ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "compiler/export.h"
#include "tests/diff/diff.h"

#define MAX_ARGS 14
#define SCALAR   0.125f

static char dir[] = "/tmp/gm_export_XXXXXX";
static cc_context *context;
static ir_diag *diag;

static int open_all(void **state)
{
	cc_context_options o = cc_context_default();

	(void)state;
	diag = ir_diag_new();
	o.cache_dir = "";
	return !mkdtemp(dir) || cc_context_new(&o, &context, diag) != IR_OK;
}

static int close_all(void **state)
{
	(void)state;
	cc_context_free(context);
	ir_diag_free(diag);
	return rmdir(dir);
}

#define DEEP  "gradmill 1\nfunc main(x: f32[B,37]) {\n  h = dense<70>(x)\n  a = gelu h\n  z = dense<5>(a)\n  r = dense<70>(z)\n" \
	      "  t = tanh r\n  y = dense<37>(t)\n  loss = mse(y, x)\n  return reconstruction=y, latent=z, loss=loss\n}\n"
#define NOISY "gradmill 1\nfunc main(x: f32[B,20], key: i32[2]) {\n  n = noise(x, 0.01, key)\n  z = dense<3>(n)\n" \
	      "  y = dense<20>(z)\n  loss = mse(y, x)\n  return reconstruction=y, latent=z, loss=loss\n}\n"
#define SMALL "gradmill 1\nfunc main(x: f32[B,100]) {\n  z = dense<5>(x)\n  y = dense<100>(z)\n  loss = mse(y, x)\n" \
	      "  return reconstruction=y, latent=z, loss=loss\n}\n"
#define PLAIN "gradmill 1\nfunc f(table: f32[9,130], idx: i32[6], s: f32[]) {\n  g = gather table, idx\n  t = transpose g, perm=[1,0]\n" \
	      "  c = concat t, t, axis=1\n  m = mul c, s\n  r = sum m, axes=[0]\n  y = scatter g, idx, rows=9\n  return r=r, y=y\n}\n"

/* ---- one exported function ---------------------------------------------------------------------------------------- */

typedef struct model {
	ir_arena *a;
	ir_str text;
	const ir_func *f;
	char name[16];
} model;

/* func of the text, or a function made of its main. */
static void make(model *m, const char *text, const char *func, int64_t batch, bool f64)
{
	cc_objective obj = cc_objective_default();
	cc_feed feed = {IR_F32, 0, 0};
	ir_module *mod;
	const ir_func *f;

	m->a = ar_open();
	mod = ir_parse("t.gm", text, strlen(text), m->a, diag);
	f = mod ? ir_module_find(mod, strcmp(func, "f") ? "main" : "f") : NULL;
	if (f && batch)
		f = ir_bind(f, batch, m->a, diag);
	if (f && f64)
		f = ir_widen(f, m->a);
	assert_non_null(f);
	feed.width = f->ins[0].type.dim[1];
	obj.clip_norm = 1;
	if (!strcmp(func, "step"))
		f = cc_step(f, &feed, &obj, 1, false, m->a, diag);
	else if (!strcmp(func, "encode"))
		f = cc_encoder(f, m->a, diag);
	else if (!strcmp(func, "decode"))
		f = cc_decoder(f, m->a, diag);
	assert_non_null(f);
	m->f = f;
	snprintf(m->name, sizeof m->name, "%s", func);
}

static void write_file(const char *name, const ir_str *s)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(ir_file_write(path, s->s, s->n), IR_OK);
}

static void remove_files(void)
{
	static const char *const name[] = {"m.o", "m.h", "m.so", "m.c"};
	char path[256];

	for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, name[i]);
		remove(path);
	}
}

/* Links m.o, and compiles the header alone as C and C++ would read it. */
static void *load(const char *libraries)
{
	char command[1024], path[256];
	void *lib;

	snprintf(command, sizeof command, "cd %s && echo '#include \"m.h\"' >m.c && gcc -Wall -Wextra -Werror -std=c99 -pedantic -fPIC -shared "
		 "-Wl,--no-undefined -o m.so m.c m.o %s", dir, libraries);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof path, "%s/m.so", dir);
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		fail_msg("%s", dlerror());
	return lib;
}

/* Pointers and scalars travel in registers of different kinds, so their order among each other does not matter; what the callee does
 * not know it does not read. */
static void call(void *fn, void **p)
{
	typedef void any(void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *, void *,
			 float, float, float);

	((any *)fn)(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12], p[13], SCALAR, SCALAR, SCALAR);
}

/* ---- comparing ---------------------------------------------------------------------------------------------------- */

typedef struct run {
	cc_program *p;
	rt_tensor leaf[64], out[64];
	size_t nleaf, nout;
} run;

/* Values that fit the type: indices in range, scalars all alike. */
static void fill(rt_tensor *t, size_t i)
{
	int64_t n = ir_type_count(&t->type);

	for (int64_t k = 0; k < n; k++) {
		double v = rt_random_unit(rt_key_seed(7 + i), (uint64_t)k);

		v = t->type.rank == 0 ? SCALAR : t->type.dtype == IR_I32 ? (double)(int)(v * 9) : v;
		rt_store(t->type.dtype, t->data, k, v);
	}
}

static void run_here(const ir_func *f, int threads, run *r)
{
	cc_options o = {.threads = threads, .opt_level = 2};
	rt_exec *e;

	assert_int_equal(cc_compile(context, f, &o, &r->p, diag), IR_OK);
	assert_int_equal(rt_exec_new(cc_program_plan(r->p), &e), IR_OK);
	r->nleaf = cc_program_leaves(r->p), r->nout = cc_program_outputs(r->p);
	assert_true(r->nleaf <= 64 && r->nout <= 64);
	for (size_t i = 0; i < r->nleaf; i++) {
		assert_int_equal(rt_tensor_alloc(&r->leaf[i], cc_program_leaf_type(r->p, i)), IR_OK);
		fill(&r->leaf[i], i);
		rt_bind_leaf(e, i, r->leaf[i].data, 0);
	}
	for (size_t i = 0; i < r->nout; i++) {
		assert_int_equal(rt_tensor_alloc(&r->out[i], cc_program_output_type(r->p, i)), IR_OK);
		rt_bind_output(e, i, r->out[i].data, 0);
	}
	rt_run(e, 1);
	rt_exec_free(e);
}

static void run_fini(run *r)
{
	for (size_t i = 0; i < r->nleaf; i++)
		rt_tensor_free(&r->leaf[i]);
	for (size_t i = 0; i < r->nout; i++)
		rt_tensor_free(&r->out[i]);
	cc_program_free(r->p);
}

static void check(void *at, const rt_tensor *t, const char *name)
{
	if (memcmp(at, t->data, ir_type_bytes(&t->type)))
		fail_msg("%s differs", name);
}

/* The exported function on the same values. Its arguments: structs of weights and states, inputs, outputs, working memory. */
static void run_there(const run *r, void *fn, size_t work, bool embedded)
{
	void *weights[64], *states[64], *arg[MAX_ARGS + 128] = {0}, *at[129];
	size_t nw = 0, ns = 0, n = 0, m = r->nleaf;
	td_fence g[129];

	for (size_t i = 0; i < m + r->nout; i++) {
		const rt_tensor *t = i < m ? &r->leaf[i] : &r->out[i - m];
		ir_op op = i < m ? cc_program_leaf_op(r->p, i) : IR_input;
		rt_tensor copy = {.type = t->type};

		g[i] = td_fence_new(ir_type_bytes(&t->type), true);
		at[i] = copy.data = g[i].data;
		fill(&copy, i);
		if (op == IR_param)
			weights[nw++] = at[i];
		else if (op == IR_state)
			states[ns++] = at[i];
	}
	g[m + r->nout] = td_fence_new(rt_padded(work), true);
	at[m + r->nout] = g[m + r->nout].data;
	if (nw && !embedded)
		arg[n++] = weights;
	if (ns)
		arg[n++] = states;
	for (size_t i = 0; i < m; i++)
		if (cc_program_leaf_op(r->p, i) == IR_input && r->leaf[i].type.rank > 0)
			arg[n++] = at[i];
	for (size_t i = m; i <= m + r->nout; i++)
		arg[n++] = at[i];
	assert_true(n <= MAX_ARGS);
	call(fn, arg);
	for (size_t i = 0; i < m; i++)
		check(at[i], &r->leaf[i], cc_program_leaf_name(r->p, i));
	for (size_t i = 0; i < r->nout; i++)
		check(at[m + i], &r->out[i], cc_program_output_name(r->p, i));
	for (size_t i = 0; i <= m + r->nout; i++)
		td_fence_free(&g[i]);
}

/* Embedded weights: those that the run here began with. */
static rt_tensor embedded_tensor[64];

static const rt_tensor *find_weight(void *ctx, const char *name)
{
	const run *r = ctx;

	for (size_t i = 0; i < r->nleaf; i++)
		if (!strcmp(cc_program_leaf_name(r->p, i), name)) {
			if (!embedded_tensor[i].data) {
				assert_int_equal(rt_tensor_alloc(&embedded_tensor[i], r->leaf[i].type), IR_OK);
				fill(&embedded_tensor[i], i);
			}
			return &embedded_tensor[i];
		}
	return NULL;
}

typedef struct options {
	int threads;
	bool f64, embedded;
	const char *target;
} options;

static void compare(const char *text, const char *func, int64_t batch, options o)
{
	cc_export_func one;
	cc_export x = {.prefix = "m", .target = o.target, .threads = o.threads, .func = &one, .nfunc = 1};
	char symbol[32];
	ir_str object, header;
	size_t work = 0;
	run r = {.nleaf = 0};
	void *lib;
	model m;

	make(&m, text, func, batch, o.f64);
	one = (cc_export_func){m.name, m.f};
	run_here(m.f, o.threads, &r);
	if (o.embedded)
		x.weight = find_weight, x.ctx = &r;
	sb_init(&object);
	sb_init(&header);
	assert_int_equal(cc_export_model(&x, &object, &header, diag), IR_OK);
	write_file("m.o", &object);
	write_file("m.h", &header);
	assert_int_equal(sscanf(strstr(header.s, "_WORK "), "_WORK %zu", &work), 1);
	lib = load(o.threads > 1 ? "-fopenmp -lm" : "-lm");
	snprintf(symbol, sizeof symbol, "m_%s", m.name);
	run_there(&r, dlsym(lib, symbol), work, o.embedded);
	dlclose(lib);
	remove_files();
	run_fini(&r);
	for (size_t i = 0; i < 64; i++)
		if (embedded_tensor[i].data)
			rt_tensor_free(&embedded_tensor[i]), embedded_tensor[i].data = NULL;
	sb_fini(&object);
	sb_fini(&header);
	ar_free(m.a);
}

/* ---- tests -------------------------------------------------------------------------------------------------------- */

static void parts_of_a_model_are_the_same_to_the_bit(void **state)
{
	(void)state;
	for (int64_t batch = 1; batch <= 100; batch += 33) {
		compare(DEEP, "encode", batch, (options){.threads = 1});
		compare(DEEP, "decode", batch, (options){.threads = 2, .embedded = true});
	}
	compare(DEEP, "encode", 3, (options){.threads = 3, .f64 = true});
}

static void a_whole_step_is_the_same_to_the_bit(void **state)
{
	(void)state;
	compare(SMALL, "step", 32, (options){.threads = 1});
	compare(SMALL, "step", 32, (options){.threads = 2});
}

static void functions_of_the_runtime_are_the_same_to_the_bit(void **state)
{
	(void)state;
	compare(NOISY, "main", 33, (options){.threads = 2});
	compare(PLAIN, "f", 0, (options){.threads = 1});
}

static void what_cannot_be_embedded_is_refused(void **state)
{
	cc_export_func one;
	cc_export x = {.prefix = "m", .threads = 1, .func = &one, .nfunc = 1, .weight = find_weight};
	ir_diag *d = ir_diag_new(), *old = diag;
	run r = {.nleaf = 0};
	ir_str object;
	model m;

	(void)state;
	sb_init(&object);
	make(&m, SMALL, "step", 8, false);
	run_here(m.f, 1, &r);
	one = (cc_export_func){m.name, m.f};
	x.ctx = &r;
	assert_int_equal(cc_export_model(&x, &object, NULL, d), IR_EINPUT); /* the step changes its weights */
	assert_int_equal(object.n, 0);
	x.target = "x86-64-v9", x.weight = NULL;
	assert_int_equal(cc_export_model(&x, &object, NULL, d), IR_EINPUT);
	assert_int_equal(ir_diag_count(d, IR_ERROR) > 1, 1);
	diag = old;
	ir_diag_free(d);
	run_fini(&r);
	for (size_t i = 0; i < 64; i++)
		if (embedded_tensor[i].data)
			rt_tensor_free(&embedded_tensor[i]), embedded_tensor[i].data = NULL;
	sb_fini(&object);
	ar_free(m.a);
}

/* One thread, no random numbers: nothing but memory functions of the C library. */
static void one_thread_needs_no_library(void **state)
{
	cc_export_func one;
	cc_export x = {.prefix = "m", .threads = 1, .func = &one, .nfunc = 1};
	ir_str object, header;
	model m;

	(void)state;
	make(&m, DEEP, "encode", 1, false);
	one = (cc_export_func){m.name, m.f};
	sb_init(&object);
	sb_init(&header);
	assert_int_equal(cc_export_model(&x, &object, &header, diag), IR_OK);
	write_file("m.o", &object);
	write_file("m.h", &header);
	dlclose(load("-nodefaultlibs -lc"));
	remove_files();
	sb_fini(&object);
	sb_fini(&header);
	ar_free(m.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_model_are_the_same_to_the_bit),
		cmocka_unit_test(a_whole_step_is_the_same_to_the_bit),
		cmocka_unit_test(functions_of_the_runtime_are_the_same_to_the_bit),
		cmocka_unit_test(what_cannot_be_embedded_is_refused),
		cmocka_unit_test(one_thread_needs_no_library),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
