/* SPDX-License-Identifier: Apache-2.0
 * compiler/export.c -- what C sees of an exported model: names, signatures, the header. Params become fields of one struct that
 * all entries share (or data of the object), states fields of another; inputs and outputs become arguments, scalars that are read
 * by value. The object itself is made by llvm/export.c. */
#include <ctype.h>
#include <string.h>
#include "compiler/export.h"
#include "compiler/program.h"

typedef struct field {
	const char *name; /* in the model */
	const char *c;
	ir_type type;
	bool written; /* by one of the entries */
} field;

/* One struct of pointers. */
typedef struct fields {
	const char *what; /* "weights": the type is PREFIX_weights, the argument weights */
	field *f;
	size_t n, cap;
} fields;

typedef struct argument {
	const char *c, *text; /* name; declaration */
} argument;

typedef struct function {
	cc_entry entry;
	cc_source *leaf, *output;
	argument *arg;
	size_t narg, argcap;
} function;

typedef struct maker {
	const cc_export *x;
	ir_arena *a;
	ir_diag *d;
	fields weights, states;
	function *f;
} maker;

static const char *const c_type[IR_DTYPE_COUNT] = {
	[IR_F32] = "float", [IR_F64] = "double", [IR_I32] = "int32_t", [IR_U8] = "uint8_t", [IR_BOOL] = "uint8_t"};

/* ---- names ------------------------------------------------------------------------------------------------------ */

static bool is_reserved(const char *s)
{
	static const char *const word[] = {
		"auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
		"for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof", "static",
		"struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "class", "delete", "new", "private",
		"public", "template", "this", "operator", "namespace", "work", "weights", "states"};

	for (size_t i = 0; i < sizeof word / sizeof *word; i++)
		if (!strcmp(s, word[i]))
			return true;
	return false;
}

char *cc_export_identifier(ir_arena *a, const char *name)
{
	char *s = ar_printf(a, "%s%s", isdigit((unsigned char)*name) ? "_" : "", name + (*name == '.'));

	for (char *p = s; *p; p++)
		*p = isalnum((unsigned char)*p) ? *p : '_';
	return is_reserved(s) ? ar_printf(a, "%s_", s) : s;
}

static const char *upper(ir_arena *a, const char *s)
{
	char *r = ar_strdup(a, s);

	for (char *p = r; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return r;
}

static const char *dims(ir_arena *a, const ir_type *t)
{
	const char *s = "";

	for (int i = 0; i < t->rank; i++)
		s = ar_printf(a, "%s%s%lld", s, i ? ", " : "", (long long)t->dim[i]);
	return ar_printf(a, "[%s]", s);
}

/* ---- arguments ------------------------------------------------------------------------------------------------------ */

static int add_argument(maker *m, function *f, const char *c, const char *text)
{
	*ar_push(m->a, f->arg, f->narg, f->argcap) = (argument){c, text};
	return (int)f->narg - 1;
}

static const char *unique_argument(const maker *m, const function *f, const char *c)
{
	for (size_t i = 0; i < f->narg; i++)
		if (!strcmp(f->arg[i].c, c))
			return unique_argument(m, f, ar_printf(m->a, "%s_", c));
	return c;
}

static void from_argument(maker *m, function *f, const char *name, const ir_type *t, bool written, cc_source *s)
{
	const char *c = unique_argument(m, f, cc_export_identifier(m->a, name)), *type = c_type[t->dtype];
	bool value = t->rank == 0 && !written;

	s->kind = value ? CC_FROM_VALUE : CC_FROM_ARGUMENT;
	s->dtype = t->dtype;
	s->argument = add_argument(m, f, c, value ? ar_printf(m->a, "%s %s", type, c)
						  : ar_printf(m->a, "%s%s *%s /* %s */", written ? "" : "const ", type, c, dims(m->a, t)));
}

/* The number of the struct's argument: its first one or two, whoever asks first. */
static int struct_argument(maker *m, function *f, const fields *s)
{
	for (size_t i = 0; i < f->narg; i++)
		if (!strcmp(f->arg[i].c, s->what))
			return (int)i;
	return add_argument(m, f, s->what, ar_printf(m->a, "const %s_%s *%s", m->x->prefix, s->what, s->what));
}

static int find_field(maker *m, fields *s, const char *name, const ir_type *t)
{
	const char *c = cc_export_identifier(m->a, name);

	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->f[i].name, name))
			return (int)i;
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->f[i].c, c))
			c = ar_printf(m->a, "%s_", c), i = (size_t)-1;
	*ar_push(m->a, s->f, s->n, s->cap) = (field){name, c, *t, false};
	return (int)s->n - 1;
}

static bool is_written(const cc_program *g, ir_ref leaf)
{
	for (size_t i = 0; i < g->plan.f->nout; i++)
		if (g->plan.f->out[i].state == leaf)
			return true;
	return false;
}

static bool from_weight(maker *m, const function *f, const ir_ins *in, bool written, cc_source *s)
{
	const cc_export *x = m->x;
	const char *why = NULL;

	s->kind = CC_FROM_DATA;
	s->data = x->weight(x->ctx, in->name);
	if (written)
		why = ar_printf(m->a, "%s changes it, so it cannot be embedded: leave out --weights", f->entry.name);
	else if (!s->data)
		why = "not among the weights";
	else if (!ir_shape_equal(&s->data->type, &in->type) || s->data->type.dtype != in->type.dtype)
		why = ar_printf(m->a, "the model has %s, the weights %s", ir_type_text(m->a, &in->type),
				ir_type_text(m->a, &s->data->type));
	if (why)
		ir_report(m->d, in->loc, IR_E_file, in->name, why);
	return !why;
}

static bool add_leaf(maker *m, function *f, size_t i)
{
	const cc_program *g = f->entry.program;
	ir_ref r = g->plan.leaf[i];
	const ir_ins *in = &g->plan.f->ins[r];
	bool written = is_written(g, r);
	fields *s = in->op == IR_param ? &m->weights : &m->states;

	if (in->op == IR_input) {
		from_argument(m, f, in->name, &in->type, false, &f->leaf[i]);
		return true;
	}
	if (in->op == IR_param && m->x->weight)
		return from_weight(m, f, in, written, &f->leaf[i]);
	f->leaf[i].kind = CC_FROM_FIELD;
	f->leaf[i].argument = struct_argument(m, f, s);
	f->leaf[i].field = find_field(m, s, in->name, &in->type);
	s->f[f->leaf[i].field].written |= written;
	return true;
}

/* Structs first, then inputs, then outputs, then working memory. */
static bool add_arguments(maker *m, function *f)
{
	const cc_program *g = f->entry.program;
	bool ok = true;

	f->leaf = ar_new(m->a, cc_source, g->plan.nleaf + 1);
	f->output = ar_new(m->a, cc_source, g->plan.nresult + 1);
	for (int inputs = 0; inputs < 2; inputs++)
		for (size_t i = 0; i < g->plan.nleaf; i++)
			if ((g->plan.f->ins[g->plan.leaf[i]].op == IR_input) == inputs)
				ok = add_leaf(m, f, i) && ok;
	for (size_t i = 0; i < g->plan.nresult; i++) {
		ir_type t = cc_program_output_type(g, i);

		from_argument(m, f, cc_program_output_name(g, i), &t, true, &f->output[i]);
	}
	add_argument(m, f, "work", "void *work");
	f->entry.leaf = f->leaf, f->entry.output = f->output, f->entry.nargument = (int)f->narg;
	return ok;
}

/* ---- header ------------------------------------------------------------------------------------------------------ */

static void put_struct(const maker *m, const fields *s, ir_str *out)
{
	if (!s->n)
		return;
	sb_printf(out, "typedef struct %s_%s {\n", m->x->prefix, s->what);
	for (size_t i = 0; i < s->n; i++)
		sb_printf(out, "\t%s%s *%s; /* %s */\n", s->f[i].written ? "" : "const ", c_type[s->f[i].type.dtype], s->f[i].c,
			  dims(m->a, &s->f[i].type));
	sb_printf(out, "} %s_%s;\n\n", m->x->prefix, s->what);
}

/* What arguments mean that are not the model's own. */
static const char *const meaning[][2] = {
	{CC_IN_LR, "the learning rate"},
	{CC_IN_ALPHA, "lr / (1 - 0.9^t) in step t = 1, 2, .."},
	{CC_IN_RSC, "1 / sqrt(1 - 0.999^t)"},
	{CC_IN_KEY, "random numbers: another key in every step"},
};

static void put_meanings(const maker *m, const cc_program *g, ir_str *out)
{
	const char *before = "/* ";
	bool any = false;

	for (size_t i = 0; i < g->plan.nleaf; i++)
		for (size_t k = 0; k < sizeof meaning / sizeof *meaning; k++)
			if (!strcmp(cc_program_leaf_name(g, i), meaning[k][0])) {
				sb_printf(out, "%s%s: %s", before, cc_export_identifier(m->a, meaning[k][0]), meaning[k][1]);
				before = "; ", any = true;
			}
	if (any)
		sb_put(out, " */\n");
}

static void put_function(const maker *m, const function *f, ir_str *out)
{
	size_t work = rt_aot_bytes(&f->entry.program->rt);

	put_meanings(m, f->entry.program, out);
	sb_printf(out, "#define %s_WORK %zu /* bytes, aligned to 64; one piece of memory per call at a time */\nvoid %s(",
		  upper(m->a, f->entry.name), work, f->entry.name);
	for (size_t i = 0; i < f->narg; i++)
		sb_printf(out, "%s%s", i ? ", " : "", f->arg[i].text);
	sb_put(out, ");\n\n");
}

static void put_header(const maker *m, ir_str *out)
{
	const cc_export *x = m->x;
	const char *guard = upper(m->a, x->prefix);

	sb_printf(out, "/* Made by gradmill compile: %s, for %s, %d thread%s. Matrices are by rows; arguments need no alignment. The functions keep\n"
		       " * nothing between calls, so they may run at once on different working memory.%s%s%s */\n"
		       "#ifndef %s_H\n#define %s_H\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
		  x->prefix, x->target ? x->target : "the machine it was made on", x->threads, x->threads == 1 ? "" : "s",
		  x->threads == 1 ? "" : " Link with OpenMP.", x->rows ? "\n * " : "", x->rows ? x->rows : "", guard, guard);
	put_struct(m, &m->weights, out);
	put_struct(m, &m->states, out);
	for (size_t i = 0; i < x->nfunc; i++)
		put_function(m, &m->f[i], out);
	sb_put(out, "#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

static bool plan_function(maker *m, size_t i)
{
	const cc_export *x = m->x;
	cc_schedule single_steps = cc_schedule_default();
	cc_options o = {.threads = x->threads, .opt_level = 2, .schedule = &single_steps};
	function *f = &m->f[i];

	single_steps.panels = false;
	f->entry.name = ar_printf(m->a, "%s_%s", x->prefix, cc_export_identifier(m->a, x->func[i].name));
	f->entry.program = cc_program_new(x->func[i].f, &o, m->d);
	return f->entry.program && add_arguments(m, f);
}

ir_status cc_export_model(const cc_export *x, ir_str *object, ir_str *header, ir_diag *d)
{
	maker m = {.x = x, .a = ar_open(), .d = d, .weights.what = "weights", .states.what = "states"};
	cc_entry *entry = ar_new(m.a, cc_entry, x->nfunc + 1);
	ir_status st = IR_OK;

	m.f = ar_new(m.a, function, x->nfunc + 1);
	for (size_t i = 0; i < x->nfunc && st == IR_OK; i++) {
		st = plan_function(&m, i) ? IR_OK : IR_EINPUT;
		entry[i] = m.f[i].entry;
	}
	if (st == IR_OK && header)
		put_header(&m, header);
	if (st == IR_OK && object)
		st = cc_export_object(x->target, entry, x->nfunc, object, d);
	for (size_t i = 0; i < x->nfunc; i++)
		cc_program_free((cc_program *)m.f[i].entry.program);
	ar_free(m.a);
	return st;
}
