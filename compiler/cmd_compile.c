/* SPDX-License-Identifier: Apache-2.0
 * gradmill compile: what the compiler makes of a model, stage by stage. Nothing here computes; every stage is printed
 * by the layer that owns it. */
#include <stdio.h>
#include <string.h>
#include "compiler/cmd.h"
#include "compiler/cmd_int.h"
#include "compiler/export.h"
#include "ir/base/cli.h"

#define FEED_ROWS 60000 /* of the table that a step or an evaluation is assumed to read */

typedef enum emit_kind { EMIT_IR, EMIT_GRAD, EMIT_PLAN, EMIT_LLVM, EMIT_ASM, EMIT_OBJ, EMIT_HEADER, EMIT_COUNT } emit_kind;

static const char *const emit_name[EMIT_COUNT] = {"ir", "grad", "plan", "llvm", "asm", "obj", "header"};

typedef struct options {
	const char *emit, *func, *target, *precision, *optimizer, *weights, *out;
	int64_t batch, threads, level;
	double clip_norm;
	cc_precision numbers;
	bool want[EMIT_COUNT];
	cc_objective objective;
} options;

static const ir_command command = {
	.name = "compile", .operands = "FILE.gm", .summary = "write IR, plan, LLVM IR, assembly, or an object with a C header",
	.examples = "  gradmill compile model.gm --emit=plan --func step --batch 128\n"
		    "  gradmill compile model.gm --emit=grad\n"
		    "  gradmill compile model.gm --emit=asm --target x86-64-v3 -o model.s\n"
		    "  gradmill compile model.gm --emit=obj,header --func encode --weights w.safetensors --batch 1 -o encoder\n",
	.min_operands = 1, .max_operands = 1,
};

static int parse_options(options *o, int argc, char **argv, char ***operand)
{
	const ir_opt table[] = {
		{"emit", IR_OPT_STRING, &o->emit, 0, "ir|grad|plan|llvm|asm|obj,header", "several with commas (ir)"},
		{"func", IR_OPT_STRING, &o->func, 0, "NAME", "step, eval, encode, decode, or a function of the file (main); several for obj"},
		{"batch", IR_OPT_INT, &o->batch, 1, "B", "batch size (128)"},
		{"precision", IR_OPT_STRING, &o->precision, 0, "f32|f64|bf16", "bf16: of operands of products only (f32)"},
		{"optimizer", IR_OPT_STRING, &o->optimizer, 0, "adam|adamw|sgd", "of step (adam)"},
		{"clip-norm", IR_OPT_FLOAT, &o->clip_norm, 0, "C", "of step: global L2 norm of the gradients; 0 = off"},
		{"target", IR_OPT_STRING, &o->target, 0, "T", "CPU or level: x86-64-v3 (this machine)"},
		{"threads", IR_OPT_INT, &o->threads, 1, "T", "the plan is cut for so many (1)"},
		{"opt-level", IR_OPT_INT, &o->level, 0, "0|2", "0: nothing but what is needed; 2: everything (2)"},
		{"weights", IR_OPT_STRING, &o->weights, 0, "W.safetensors", "become part of the object"},
		{"output|o", IR_OPT_STRING, &o->out, 0, "FILE", "write there instead of stdout; obj and header: FILE.o, FILE.h"},
	};

	*o = (options){.emit = "ir", .func = IR_ENTRY, .precision = "f32", .optimizer = "adam", .batch = 128, .threads = 1,
		       .level = 2};
	return ir_cli_parse(&command, table, sizeof table / sizeof *table, argc, argv, operand);
}

static int usage(const char *text, const char *what)
{
	fprintf(stderr, "gradmill compile: %s%s\n", text, what);
	return CC_EXIT_USAGE;
}

static int read_emit(options *o)
{
	if (!*o->emit)
		return usage("--emit= names nothing", "");
	for (const char *s = o->emit; *s;) {
		size_t n = strcspn(s, ",");
		int k = 0;

		while (k < EMIT_COUNT && (strlen(emit_name[k]) != n || strncmp(emit_name[k], s, n)))
			k++;
		if (k == EMIT_COUNT)
			return usage("--emit takes ir, grad, plan, llvm, asm, obj, header, not ", s);
		o->want[k] = true;
		s += n + (s[n] == ',');
	}
	return 0;
}

static bool is_export(const options *o)
{
	return o->want[EMIT_OBJ] || o->want[EMIT_HEADER];
}

static int check_options(options *o)
{
	int rc = cc_parse_precision("compile", o->precision, &o->numbers);

	o->objective = cc_objective_default();
	o->objective.clip_norm = o->clip_norm;
	if (rc == 0 && !cc_optimizer_find(o->optimizer, &o->objective.optimizer))
		rc = usage("--optimizer must be adam, adamw or sgd, not ", o->optimizer);
	rc = rc ? rc : cc_check_threads("compile", o->threads);
	rc = rc ? rc : read_emit(o);
	if (rc == 0 && is_export(o) && !o->out)
		rc = usage("obj and header need -o FILE", "");
	for (int k = 0; rc == 0 && is_export(o) && k < EMIT_OBJ; k++)
		if (o->want[k])
			rc = usage("obj and header do not go together with --emit=", emit_name[k]);
	if (rc == 0 && o->weights && !is_export(o))
		rc = usage("--weights is for --emit=obj", "");
	return rc;
}

/* ---- which function ------------------------------------------------------------------------------------------- */

static int64_t width_of(const ir_func *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->ins[i].op == IR_input && f->ins[i].type.rank == 2 && ir_dtype_is_float(f->ins[i].type.dtype))
			return f->ins[i].type.dim[1];
	return 0;
}

/* What an evaluation computes: the losses, where the model has them, else all it returns. */
static const ir_func *evaluation(const cc_job *j, const ir_func *f, const cc_feed *feed)
{
	const char **want = ar_new(j->a, const char *, f->nout + 3);
	size_t n = 0;

	if (ir_find_output(f, IR_OUT_LOSS))
		want[n++] = IR_OUT_LOSS;
	if (ir_find_output(f, IR_OUT_RECONSTRUCTION))
		want[n++] = "mse";
	for (size_t i = 0; n == 0 && i < f->nout; i++)
		if (f->out[i].state == IR_NO_REF)
			want[n++] = f->out[i].name;
	return cc_eval(f, feed, want, j->a, j->d);
}

static const char *const derived[] = {"step", "eval", "encode", "decode"};

static bool is_derived(const cc_job *j, const char *name)
{
	for (size_t i = 0; i < sizeof derived / sizeof *derived; i++)
		if (!strcmp(name, derived[i]))
			return !ir_module_find(j->m, name); /* the file's own function wins */
	return false;
}

/* The function of that name; NULL after a message. Exported steps take rows, others find them in a table. */
static const ir_func *pick(const options *o, const char *func, const cc_job *j)
{
	bool made = is_derived(j, func);
	const ir_func *f = cc_job_func(j, made ? IR_ENTRY : func);
	cc_feed feed = {IR_U8, is_export(o) ? 0 : FEED_ROWS, 0};

	f = f ? cc_job_bind(j, f, o->batch, o->numbers) : NULL;
	if (!f || !made)
		return f;
	feed.width = width_of(f);
	if (!strcmp(func, "step"))
		return cc_step(f, &feed, &o->objective, 1, false, j->a, j->d);
	if (!strcmp(func, "eval"))
		return evaluation(j, f, &feed);
	return (!strcmp(func, "encode") ? cc_encoder : cc_decoder)(f, j->a, j->d);
}

/* The gradient of the loss in every param, or the vector-Jacobian product where there is no loss; for a step, of the
 * model it trains. Cleaned, but not yet in the form that kernels need. */
static const ir_func *gradient(const options *o, const cc_job *j)
{
	const char *func = o->func;
	cc_pipeline p = {.verify = true};
	const ir_func *f;
	ir_ref *wrt;
	size_t n = 0;

	if (is_derived(j, o->func) && (!strcmp(o->func, "step") || !strcmp(o->func, "eval")))
		func = IR_ENTRY;
	f = pick(o, func, j);
	if (!f)
		return NULL;
	wrt = ar_new(j->a, ir_ref, f->n + 1);
	for (size_t i = 0; i < f->n; i++)
		if (f->ins[i].op == IR_param && ir_dtype_is_float(f->ins[i].type.dtype))
			wrt[n++] = (ir_ref)i;
	f = ir_find_output(f, IR_OUT_LOSS) ? cc_grad(f, IR_OUT_LOSS, wrt, n, j->a, j->d) : cc_vjp(f, j->a, j->d);
	if (!f || !cc_pipeline_parse(&p, "simplify,fold,simplify,cse,dce", j->d))
		return NULL;
	return cc_pipeline_run(&p, f, j->a, j->d);
}

/* ---- stages ------------------------------------------------------------------------------------------------------ */

static ir_status put_func(const ir_func *f, const cc_job *j, ir_str *out)
{
	ir_module *m = ir_module_new(j->a);

	ir_module_add(m, (ir_func *)f);
	ir_module_print(m, out);
	return IR_OK;
}

static ir_status put_plan(const options *o, cc_context *c, const ir_func *f, const cc_job *j, ir_str *out)
{
	cc_options opt = {.threads = (int)o->threads, .opt_level = (int)o->level};
	cc_program *p;
	ir_status s = cc_compile(c, f, &opt, &p, j->d);

	if (s == IR_OK)
		cc_program_print_plan(p, out);
	cc_program_free(p);
	return s;
}

static ir_status emit(const options *o, emit_kind k, cc_context *c, const cc_job *j, ir_str *out)
{
	cc_options opt = {.threads = (int)o->threads, .opt_level = (int)o->level};
	const ir_func *f = k == EMIT_GRAD ? gradient(o, j) : pick(o, o->func, j);
	cc_pipeline p;

	if (!f)
		return IR_EINPUT;
	if (k == EMIT_GRAD)
		return put_func(f, j, out);
	if (k == EMIT_IR) {
		cc_pipeline_default(&p, (int)o->level);
		f = cc_pipeline_run(&p, f, j->a, j->d);
		return f ? put_func(f, j, out) : IR_EINPUT;
	}
	if (k == EMIT_PLAN)
		return put_plan(o, c, f, j, out);
	return cc_emit_kernels(c, f, &opt, k == EMIT_ASM, out, j->d);
}

/* Several kinds are told apart by a comment line, which the IR's text form reads over. */
static ir_status emit_all(const options *o, const cc_job *j, ir_str *out)
{
	cc_context_options co = cc_context_default();
	cc_context *c = NULL;
	ir_status s = IR_OK;
	int kinds = 0;

	co.target = o->target;
	for (int k = 0; k < EMIT_COUNT; k++)
		kinds += o->want[k];
	if (o->want[EMIT_PLAN] || o->want[EMIT_LLVM] || o->want[EMIT_ASM])
		s = cc_context_new(&co, &c, j->d);
	for (int k = 0; k < EMIT_COUNT && s == IR_OK; k++) {
		if (!o->want[k])
			continue;
		if (kinds > 1)
			sb_printf(out, "# %s\n", emit_name[k]);
		s = emit(o, (emit_kind)k, c, j, out);
	}
	cc_context_free(c);
	return s;
}

/* ---- objects ------------------------------------------------------------------------------------------------------ */

/* -o a/b-c.o and -o a/b-c: files a/b-c.o and a/b-c.h, names that begin with b_c. */
static const char *base_of(const options *o, ir_arena *a)
{
	size_t n = strlen(o->out);

	return n > 2 && (!strcmp(o->out + n - 2, ".o") || !strcmp(o->out + n - 2, ".h")) ? ar_strndup(a, o->out, n - 2) : o->out;
}

static int write_files(const options *o, const char *base, ir_arena *a, const ir_str *object, const ir_str *header)
{
	int rc = o->want[EMIT_OBJ] ? cc_write_answer("compile", ar_printf(a, "%s.o", base), object) : 0;

	return rc || !o->want[EMIT_HEADER] ? rc : cc_write_answer("compile", ar_printf(a, "%s.h", base), header);
}

static bool pick_all(const options *o, const cc_job *j, cc_export *x)
{
	cc_export_func *f = ar_new(j->a, cc_export_func, strlen(o->func) + 1);

	x->func = f;
	for (const char *s = o->func; *s;) {
		size_t n = strcspn(s, ",");
		const char *name = ar_strndup(j->a, s, n);

		f[x->nfunc] = (cc_export_func){name, pick(o, name, j)};
		if (!f[x->nfunc++].f)
			return false;
		s += n + (s[n] == ',');
	}
	return true;
}

static int export(const options *o, cc_job *j)
{
	const char *base = base_of(o, j->a), *slash = strrchr(base, '/');
	cc_export x = {.prefix = cc_export_identifier(j->a, slash ? slash + 1 : base), .target = o->target, .threads = (int)o->threads};
	ir_str object, header;
	ir_status s = IR_OK;
	int rc;

	sb_init(&object);
	sb_init(&header);
	if (o->weights) {
		x.weight = cc_weight_file->find;
		s = cc_weight_file->read(o->weights, &x.ctx, j->d);
		x.rows = s == IR_OK ? cc_weight_file->rows(x.ctx) : NULL;
	}
	if (s == IR_OK && !pick_all(o, j, &x))
		s = IR_EINPUT;
	if (s == IR_OK)
		s = cc_export_model(&x, o->want[EMIT_OBJ] ? &object : NULL, o->want[EMIT_HEADER] ? &header : NULL, j->d);
	if (o->weights)
		cc_weight_file->free(x.ctx);
	rc = cc_job_end(j, s);
	rc = rc ? rc : write_files(o, base, j->a, &object, &header);
	sb_fini(&object);
	sb_fini(&header);
	return rc;
}

int cc_cmd_compile(int argc, char **argv)
{
	options o;
	char **operand;
	int rc = parse_options(&o, argc, argv, &operand);
	cc_job j;
	ir_str out;

	if (rc >= 0)
		return rc;
	rc = check_options(&o);
	if (rc)
		return rc;
	sb_init(&out);
	rc = cc_job_open(&j, operand[0]);
	if (rc == 0 && is_export(&o))
		rc = export(&o, &j);
	else if (rc == 0)
		rc = cc_job_end(&j, emit_all(&o, &j, &out));
	if (rc == 0 && !is_export(&o))
		rc = cc_write_answer("compile", o.out, &out);
	sb_fini(&out);
	cc_job_close(&j);
	return rc;
}
