/* SPDX-License-Identifier: Apache-2.0
 * Any text that parses, as far as a search would take it: bound, bypass looked for, differentiated, made a training step,
 * each compiled up to the point where LLVM would write code; and what is small enough is run by the interpreter. */
#include <string.h>
#include "compiler/program.h"
#include "tests/fuzz/fuzz.h"

#define BATCH     3
#define MAX_FUNCS 3
#define MAX_INS   400 /* of a function that is worked on */
#define MAX_BYTES ((int64_t)1 << 20) /* of all values of a function that is run */
#define MAX_WORK  1e6 /* FLOPs, or visits of a scatter's indices */

/* ---- running ---------------------------------------------------------------------------------------------------- */

static bool is_small(const ir_func *f)
{
	cc_cost c = cc_func_cost(f);
	double work = (double)c.flops;
	int64_t bytes = 0;

	FZ_MUST(c.flops >= 0 && c.bytes >= 0 && c.params >= 0 && c.matmul_flops <= c.flops);

	for (size_t i = 0; i < f->n; i++) {
		const ir_ins *in = &f->ins[i];

		bytes += (int64_t)ir_type_bytes(&in->type); /* 2^43 each at most */
		if (in->op == IR_scatter) /* row by row of the result, all indices */
			work += (double)in->type.dim[0] * (double)ir_type_count(&f->ins[in->arg[1]].type);
	}
	return bytes <= MAX_BYTES && work <= MAX_WORK;
}

/* Zeros, negative numbers, fractions, the ends of integers: what rules trip over. */
static void fill(const rt_tensor *t, size_t leaf)
{
	static const double some[] = {0, 1, -1, 0.5, -2.25, 3, 1e-3, 70, -0.0, 1e30, -1e9, 255};
	int64_t n = ir_type_count(&t->type);

	for (int64_t i = 0; i < n; i++)
		rt_store(t->type.dtype, t->data, i, some[((size_t)i * 5 + leaf * 3) % (sizeof some / sizeof *some)]);
}

static void interpret(const ir_func *f, ir_arena *a)
{
	rt_tensor *leaf = ar_new(a, rt_tensor, f->n + 1), *out = ar_new(a, rt_tensor, f->nout + 1);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (ir_is_leaf(f, (ir_ref)i)) {
			leaf[n] = (rt_tensor){f->ins[i].type, ar_alloc(a, ir_type_bytes(&f->ins[i].type), 1)};
			fill(&leaf[n], n);
			n++;
		}
	FZ_MUST(rt_interpret(f, leaf, out) == IR_OK);
	for (size_t i = 0; i < f->nout; i++)
		rt_tensor_free(&out[i]);
	FZ_MUST(rt_live_bytes() == 0);
}

/* ---- what is made of a function ---------------------------------------------------------------------------------- */

/* f may be NULL: then there is a message. */
static void use(const ir_func *f, ir_arena *a, ir_diag *d)
{
	cc_options o = {.threads = 2, .opt_level = 2};
	cc_program *p;

	FZ_MUST(f || ir_diag_count(d, IR_ERROR) > 0);
	if (!f || f->n > MAX_INS)
		return;
	FZ_MUST(ir_verify(f, d));
	p = cc_program_new(f, &o, d); /* passes, each followed by the verifier; kernels, memory, shares of threads; no code */
	FZ_MUST(p);
	cc_program_free(p);
	if (is_small(f))
		interpret(f, a);
}

static const ir_type *rows_of(const ir_func *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->ins[i].op == IR_input && f->ins[i].type.rank == 2)
			return &f->ins[i].type;
	return NULL;
}

static void train(const ir_func *f, ir_arena *a, ir_diag *d)
{
	cc_objective o = cc_objective_default();
	const ir_type *rows = rows_of(f);
	cc_feed feed = {IR_U8, 5, rows ? rows->dim[1] : 1};

	o.clip_norm = 1;
	use(cc_step(f, &feed, &o, 1, true, a, d), a, d);
	use(cc_eval(f, &feed, (const char *[]){IR_OUT_LOSS, NULL}, a, d), a, d);
	use(cc_encoder(f, a, d), a, d);
	use(cc_decoder(f, a, d), a, d);
}

/* As gradmill opt -p does, on whatever the user gives it. */
static void run_passes(const ir_func *f, ir_arena *a)
{
	cc_pipeline p = {.n = 1, .verify = true};
	ir_diag *d = ir_diag_new();

	for (size_t i = 0; (p.pass[0] = cc_pass_at(i)); i++) {
		ir_diag_clear(d);
		FZ_MUST((cc_pipeline_run(&p, f, a, d) != NULL) == (ir_diag_count(d, IR_ERROR) == 0));
	}
	ir_diag_free(d);
}

static void work_on(const ir_func *f, ir_arena *a, ir_diag *d)
{
	const ir_func *b = ir_bind(f, BATCH, a, d);
	ir_ref *path;
	size_t n;

	ir_arch_key(f);
	run_passes(f, a);
	FZ_MUST(b || ir_diag_count(d, IR_ERROR) > 0);
	if (!b)
		return;
	use(b, a, d);
	ir_find_bypass(b, a, &path, &n);
	use(cc_vjp(b, a, d), a, d);
	train(b, a, d);
	use(ir_widen(b, a), a, d);
	use(ir_round_products(b, a, d), a, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fz_text t = fz_parse(data, size);

	for (size_t i = 0; t.m && i < t.m->n && i < MAX_FUNCS; i++)
		if (t.m->func[i]->n <= MAX_INS)
			work_on(t.m->func[i], t.a, t.d);
	fz_parse_end(&t);
	return 0;
}
