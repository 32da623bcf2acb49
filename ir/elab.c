/* SPDX-License-Identifier: Apache-2.0
 * Tree -> functions. Every call is inlined: sizes are bound from the shapes of the arguments, names inside get
 * the name of the call's result in front, and a parameter "key: i32[2]" gets a key of its own. A value that
 * failed is bound to IR_NO_REF, and whatever uses it stays silent, so one mistake is one message.
 * Recursion here is that of the calls, at most SYN_MAX_DEPTH. */
#include "ir/syntax.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef struct elab {
	ir_diag *d;
	ir_arena *scratch;
	const syn_file *user;
	syn_file *library; /* stdlib.gm, NULL until first needed */
	ir_func *f;        /* being built */
	ir_names global;   /* file-scope params used so far in f */
	size_t base;       /* errors that were there before */
	size_t steps;
	bool stop;
} elab;

/* One activation of a function: the entry point, or a call being inlined. */
typedef struct frame {
	const struct frame *up;
	ir_loc call; /* where up calls it */
	const syn_file *file;
	const syn_func *fn;
	const char *prefix; /* of names; "" in an entry point */
	int depth, calls;
	ir_names local;
	ir_names var; /* size variables: places in size */
	int64_t *size;
	size_t nsize, sizecap;
	ir_ref *result;
	size_t nresult;
	bool failed;
} frame;

/* ---- messages -------------------------------------------------------------------------------------------- */

/* Behind an error: the calls that led to it, the innermost ones and the one in the entry point. */
static bool failed(elab *e, frame *fr)
{
	int n = 0;

	for (const frame *at = fr; at->up; at = at->up)
		if (n++ < SYN_MAX_NOTES || !at->up->up)
			ir_report(e->d, at->call, IR_E_called_here, at->fn->name.s);
	fr->failed = true;
	if (!e->stop && ir_diag_count(e->d, IR_ERROR) - e->base >= IR_MAX_ERRORS) {
		ir_report(e->d, fr->call, IR_E_too_many_errors);
		e->stop = true;
	}
	return false;
}

#define fail(e, fr, loc, ...) (ir_report((e)->d, (loc), __VA_ARGS__), failed((e), (fr)))

/* ---- names ------------------------------------------------------------------------------------------------ */

static bool is_number_name(const char *s)
{
	return s[strspn(s, "0123456789")] == 0;
}

static const char *join(elab *e, const char *prefix, const char *name)
{
	return *prefix ? ar_printf(e->scratch, "%.*s_%s", IR_MAX_NAME, prefix, name) : name; /* names do not grow with depth */
}

const char *ir_default_output(char buf[32], const char *value_name, size_t k)
{
	if (value_name)
		return value_name;
	snprintf(buf, 32, "out%zu", k);
	return buf;
}

static void name_value(elab *e, const frame *fr, ir_ref r, const char *name)
{
	if (r != IR_NO_REF && !is_number_name(name))
		ir_set_name(e->f, r, join(e, fr->prefix, name));
}

/* Where a function or its file defines name first; only asked when it is defined twice. */
static ir_loc first_definition(const frame *fr, const char *name)
{
	uint32_t k;

	if (ir_names_get(&fr->file->global_name, name, &k))
		return fr->file->global[k].result->loc;
	for (size_t i = 0; i < fr->fn->nparam; i++)
		if (strcmp(fr->fn->param[i].name.s, name) == 0)
			return fr->fn->param[i].name.loc;
	for (size_t i = 0; i < fr->fn->nstmt; i++)
		for (size_t j = 0; j < fr->fn->stmt[i].nresult; j++)
			if (strcmp(fr->fn->stmt[i].result[j].s, name) == 0)
				return fr->fn->stmt[i].result[j].loc;
	return fr->fn->name.loc;
}

static bool define(elab *e, frame *fr, const syn_name *name, ir_ref r)
{
	if (ir_names_get(&fr->local, name->s, NULL) || ir_names_get(&fr->file->global_name, name->s, NULL)) {
		ir_report(e->d, name->loc, IR_E_redefined, name->s);
		ir_report(e->d, first_definition(fr, name->s), IR_E_defined_here, name->s);
		return failed(e, fr);
	}
	ir_names_put(&fr->local, name->s, r);
	return true;
}

/* ---- sizes and types --------------------------------------------------------------------------------------- */

static bool size_find(const frame *fr, const char *var, int64_t *n)
{
	uint32_t k;

	if (!ir_names_get(&fr->var, var, &k))
		return false;
	*n = fr->size[k];
	return true;
}

static void size_bind(elab *e, frame *fr, const char *var, int64_t n)
{
	if (!ir_names_get(&fr->var, var, NULL))
		ir_names_put(&fr->var, var, (uint32_t)fr->nsize);
	*ar_push(e->scratch, fr->size, fr->nsize, fr->sizecap) = n;
}

static bool eval_dim(elab *e, frame *fr, const syn_dim *dim, int64_t *n)
{
	*n = dim->n;
	if (!dim->var || size_find(fr, dim->var, n))
		return true;
	return fail(e, fr, dim->loc, IR_E_undefined, dim->var);
}

static bool eval_type(elab *e, frame *fr, const syn_type *t, ir_type *out)
{
	*out = (ir_type){.dtype = t->dtype, .rank = t->rank};
	for (int i = 0; i < t->rank; i++)
		if (!eval_dim(e, fr, &t->dim[i], &out->dim[i]))
			return false;
	return true;
}

/* A parameter's type as text, with what is known of its sizes. */
static const char *pattern_text(elab *e, const frame *fr, const syn_type *t)
{
	const char *s = ar_printf(e->scratch, "%s[", ir_dtype_text(t->dtype));

	for (int i = 0; i < t->rank; i++) {
		int64_t n = t->dim[i].n;

		s = ar_printf(e->scratch, "%s%s", s, i ? "," : "");
		if (t->dim[i].var && !size_find(fr, t->dim[i].var, &n))
			s = ar_printf(e->scratch, "%s%s", s, t->dim[i].var);
		else if (n == IR_BATCH)
			s = ar_printf(e->scratch, "%sB", s);
		else
			s = ar_printf(e->scratch, "%s%lld", s, (long long)n);
	}
	return ar_printf(e->scratch, "%s]", s);
}

/* Does an argument fit a parameter? Size variables met for the first time take the argument's size. */
static bool match(elab *e, frame *fr, const syn_type *want, const ir_type *got)
{
	if (want->dtype != got->dtype || want->rank != got->rank)
		return false;
	for (int i = 0; i < want->rank; i++) {
		const syn_dim *dim = &want->dim[i];
		int64_t n = dim->n;

		if (dim->var && !size_find(fr, dim->var, &n)) {
			size_bind(e, fr, dim->var, got->dim[i]);
			n = got->dim[i];
		}
		if (n != got->dim[i])
			return false;
	}
	return true;
}

/* ---- attributes --------------------------------------------------------------------------------------------- */

/* The value of v as an attribute of its kind; false without a message when it is of another kind. */
static bool convert(elab *e, frame *fr, const syn_value *v, ir_attr *a, bool *reported)
{
	ir_attr_kind kind = ir_attr_kind_of(a->id);
	bool name = v->kind == SYN_V_NAME;

	switch (kind) {
	case IR_KIND_INTS:
	case IR_KIND_DIMS:
		if (v->kind != SYN_V_LIST)
			return false;
		*reported = !eval_type(e, fr, v->type, &a->v);
		return !*reported && (kind == IR_KIND_DIMS || !ir_type_has_batch(&a->v));
	case IR_KIND_INT:
		a->i = v->i;
		return v->kind == SYN_V_NUMBER ? v->whole : name && size_find(fr, v->name, &a->i) && a->i != IR_BATCH;
	case IR_KIND_FLOAT:
		a->f = v->f;
		return v->kind == SYN_V_NUMBER;
	case IR_KIND_TYPE:
		if (v->kind != SYN_V_TYPE)
			return false;
		*reported = !eval_type(e, fr, v->type, &a->v);
		return !*reported;
	case IR_KIND_FLAG:
	case IR_KIND_CMP:
	case IR_KIND_INIT: return name && ir_word_find(kind, v->name, &a->i);
	}
	return false;
}

/* ---- statements: an operation ------------------------------------------------------------------------------- */

typedef struct operands {
	ir_ref *arg;
	size_t narg, cap;
	ir_attr attr[IR_MAX_ATTRS];
	size_t nattr;
	bool poisoned; /* an operand failed before: say nothing more */
} operands;

static bool add_attr(elab *e, frame *fr, const syn_value *v, ir_attr_id id, operands *o)
{
	ir_attr a = {.id = id};
	bool reported = false;

	for (size_t i = 0; i < o->nattr; i++)
		if (o->attr[i].id == id)
			return fail(e, fr, v->key ? v->key_loc : v->loc, IR_E_attr_twice, ir_attr_name(id));
	if (!convert(e, fr, v, &a, &reported))
		return !reported && fail(e, fr, v->loc, IR_E_bad_attr, ir_attr_name(id),
					 ir_kind_text(ir_attr_kind_of(id)));
	o->attr[o->nattr++] = a;
	return true;
}

/* A file-scope param becomes an instruction of the entry point where it is first used. */
static bool use_global(elab *e, frame *fr, const syn_stmt *s, ir_ref *out);

static bool find_value(elab *e, frame *fr, const char *name, ir_loc loc, ir_ref *out)
{
	uint32_t k;

	if (ir_names_get(&fr->local, name, out))
		return true;
	if (ir_names_get(&fr->file->global_name, name, &k))
		return use_global(e, fr, &fr->file->global[k], out);
	return fail(e, fr, loc, IR_E_undefined, name);
}

/* ir_build, and a failure once the function is full: every instruction behind the parameters comes through here. */
static ir_ref append(elab *e, frame *fr, ir_loc loc, ir_op op, const ir_ref *arg, size_t narg, const ir_attr *attr,
		     size_t nattr)
{
	ir_ref r = IR_NO_REF;

	if (e->stop)
		return r;
	if (e->f->n >= SYN_MAX_INS) {
		fail(e, fr, loc, IR_E_too_many, "instructions", (long long)SYN_MAX_INS);
		e->stop = true;
		return r;
	}
	r = ir_build(e->f, e->d, loc, op, arg, narg, attr, nattr);
	if (r == IR_NO_REF)
		return failed(e, fr), r;
	for (const frame *at = fr; at->up && at->file != e->user; at = at->up) /* of a library function: where it is called */
		loc = at->call;
	e->f->ins[r].loc = loc;
	return r;
}

/* A number among the operands takes the element type of the first operand that has one. */
static bool literal_dtype(elab *e, frame *fr, const syn_stmt *s, ir_dtype *t)
{
	size_t first = s->op == IR_select; /* its condition says nothing about the others */
	const ir_opinfo *o = ir_op_info(s->op);

	if (o->lower != IR_LOWER_ew || o->args < 2)
		return false;
	for (size_t i = first; i < s->narg; i++) {
		const syn_value *v = &s->arg[i];
		ir_ref r;

		if (v->key || v->kind != SYN_V_NAME || !ir_names_get(&fr->local, v->name, &r)) {
			uint32_t k;

			if (v->key || v->kind != SYN_V_NAME || !ir_names_get(&fr->file->global_name, v->name, &k) ||
			    !use_global(e, fr, &fr->file->global[k], &r))
				continue;
		}
		*t = r == IR_NO_REF ? IR_F32 : e->f->ins[r].type.dtype; /* a failed one: stay silent */
		return true;
	}
	return false;
}

static bool add_literal(elab *e, frame *fr, const syn_stmt *s, const syn_value *v, operands *o)
{
	ir_dtype t;
	ir_attr attr[] = {ir_a_float(IR_ATTR_value, v->f), {0}};
	ir_ref r;

	if (o->poisoned)
		return true; /* its type may be the missing one */
	if ((s->op == IR_select && o->narg == 0) || !literal_dtype(e, fr, s, &t)) {
		o->poisoned = true; /* one message for "add 1, 2" */
		return fail(e, fr, v->loc, IR_E_literal_type);
	}
	attr[1] = ir_a_type(IR_ATTR_type, ir_type_scalar(t));
	r = append(e, fr, v->loc, IR_constant, NULL, 0, attr, 2);
	if (r == IR_NO_REF)
		return false;
	*ar_push(e->scratch, o->arg, o->narg, o->cap) = r;
	return true;
}

static bool add_operand(elab *e, frame *fr, const syn_stmt *s, const syn_value *v, operands *o)
{
	ir_attr_id id;
	ir_ref r;

	if (v->key) {
		if (!ir_op_attr(s->op, v->key, &id))
			return fail(e, fr, v->key_loc, IR_E_unknown_attr, ir_op_info(s->op)->name, v->key);
		return add_attr(e, fr, v, id, o);
	}
	if (v->kind == SYN_V_TYPE && ir_op_attr_of(s->op, IR_KIND_TYPE, &id))
		return add_attr(e, fr, v, id, o);
	if (v->kind == SYN_V_NUMBER && ir_op_info(s->op)->args == 0 && ir_op_attr_of(s->op, IR_KIND_FLOAT, &id))
		return add_attr(e, fr, v, id, o);
	if (v->kind == SYN_V_NUMBER)
		return add_literal(e, fr, s, v, o);
	if (v->kind != SYN_V_NAME)
		return fail(e, fr, v->loc, IR_E_expected, "an operand", v->kind == SYN_V_TYPE ? "a type" : "a list");
	if (!find_value(e, fr, v->name, v->loc, &r))
		return false;
	o->poisoned |= r == IR_NO_REF;
	*ar_push(e->scratch, o->arg, o->narg, o->cap) = r;
	return true;
}

/* The instruction of an op statement; IR_NO_REF after a message, now or before. */
static ir_ref build_op(elab *e, frame *fr, const syn_stmt *s)
{
	operands o = {0};
	bool ok = true;

	for (size_t i = 0; i < s->narg; i++)
		ok &= add_operand(e, fr, s, &s->arg[i], &o);
	return ok && !o.poisoned ? append(e, fr, s->loc, s->op, o.arg, o.narg, o.attr, o.nattr) : IR_NO_REF;
}

static bool use_global(elab *e, frame *fr, const syn_stmt *s, ir_ref *out)
{
	frame outer = {.file = fr->file, .fn = fr->fn, .prefix = ""}; /* no locals, no sizes, no calls */

	if (ir_names_get(&e->global, s->result->s, out))
		return true;
	ir_names_init(&outer.local, e->scratch);
	*out = build_op(e, &outer, s);
	fr->failed |= outer.failed;
	name_value(e, &outer, *out, s->result->s);
	ir_names_put(&e->global, s->result->s, *out);
	return true;
}

/* ---- statements: a call --------------------------------------------------------------------------------------- */

static bool run_body(elab *e, frame *fr);

static const syn_file *library(elab *e)
{
	if (!e->library) {
		uint32_t source = ir_diag_source(e->d, "stdlib.gm", ir_stdlib_text, ir_stdlib_text_len);

		e->library = ar_new(e->scratch, syn_file, 1);
		if (!ir_syn_parse(e->library, e->d, e->scratch, source, ir_stdlib_text, ir_stdlib_text_len))
			ir_bug("stdlib.gm: %s", ir_diag_get(e->d, ir_diag_size(e->d) - 1)->text);
	}
	return e->library;
}

static const char *nearest_func(const syn_file *file, const char *name, const char *best)
{
	for (size_t i = 0; i < file->nfunc; i++)
		if (!best || ir_distance(name, file->func[i].name.s) < ir_distance(name, best))
			best = file->func[i].name.s;
	return best;
}

/* The called function: of the caller's file first, then of the library. */
static bool find_func(elab *e, frame *fr, const syn_stmt *s, frame *callee)
{
	const char *near;
	uint32_t k;

	for (int i = 0; i < 2; i++) {
		callee->file = i ? library(e) : fr->file;
		if (ir_names_get(&callee->file->func_name, s->callee, &k)) {
			callee->fn = &callee->file->func[k];
			return true;
		}
	}
	fail(e, fr, s->loc, IR_E_unknown_func, s->callee);
	near = nearest_func(library(e), s->callee, nearest_func(fr->file, s->callee, NULL));
	if (ir_distance(near, s->callee) <= 3)
		ir_report(e->d, s->loc, IR_E_did_you_mean, near);
	return false;
}

/* Recursion, depth, and the numbers of sizes, arguments and results. */
static bool check_call(elab *e, frame *fr, const syn_stmt *s, const frame *callee)
{
	const syn_func *fn = callee->fn;
	size_t results = fn->nstmt ? fn->stmt[fn->nstmt - 1].narg : 0;

	for (const frame *at = fr; at; at = at->up)
		if (at->fn == fn)
			return fail(e, fr, s->loc, IR_E_recursion, fn->name.s);
	if (callee->depth > SYN_MAX_DEPTH)
		return fail(e, fr, s->loc, IR_E_too_deep, SYN_MAX_DEPTH);
	if (s->nsize != fn->nsize)
		return fail(e, fr, s->loc, IR_E_size_count, fn->name.s, (int)fn->nsize, (int)s->nsize);
	if (s->narg != fn->nparam)
		return fail(e, fr, s->loc, IR_E_arg_count, fn->name.s, (int)fn->nparam, (int)s->narg);
	if (s->nresult != results)
		return fail(e, fr, s->loc, IR_E_return_count, fn->name.s, (int)results, (int)s->nresult);
	return true;
}

/* Argument number i as a value; *out is IR_NO_REF when it failed earlier. */
static bool eval_arg(elab *e, frame *fr, const syn_stmt *s, size_t i, const syn_type *type, ir_ref *out)
{
	const syn_value *v = &s->arg[i];

	if (v->key || v->kind == SYN_V_LIST || v->kind == SYN_V_TYPE)
		return fail(e, fr, v->loc, IR_E_expected, "an operand", v->key ? v->key : "a list or type");
	if (v->kind == SYN_V_NAME)
		return find_value(e, fr, v->name, v->loc, out);
	ir_attr attr[] = {ir_a_float(IR_ATTR_value, v->f), ir_a_type(IR_ATTR_type, ir_type_scalar(type->dtype))};

	*out = append(e, fr, v->loc, IR_constant, NULL, 0, attr, 2);
	return *out != IR_NO_REF;
}

/* Every call gets numbers of its own: a parameter "key: i32[2]" is split by the number of the call. */
static ir_ref pass_key(elab *e, frame *fr, const syn_stmt *s, const syn_param *p, ir_ref r)
{
	ir_attr index = ir_a_int(IR_ATTR_index, fr->calls);

	if (strcmp(p->name.s, "key") != 0 || p->type.dtype != IR_I32 || p->type.rank != 1 ||
	    p->type.dim[0].var || p->type.dim[0].n != 2)
		return r;
	return append(e, fr, s->loc, IR_split, &r, 1, &index, 1);
}

static bool bind_args(elab *e, frame *fr, const syn_stmt *s, frame *callee)
{
	bool ok = true;

	for (size_t i = 0; i < s->nsize; i++) {
		int64_t n;

		if (!eval_dim(e, fr, &s->size[i], &n))
			return false;
		size_bind(e, callee, callee->fn->size[i].s, n);
	}
	for (size_t i = 0; i < s->narg; i++) {
		const syn_param *p = &callee->fn->param[i];
		ir_ref r;

		if (!eval_arg(e, fr, s, i, &p->type, &r) || r == IR_NO_REF) {
			ok = false;
			continue;
		}
		if (!match(e, callee, &p->type, &e->f->ins[r].type)) {
			ok = fail(e, fr, s->arg[i].loc, IR_E_arg_type, callee->fn->name.s,
				  pattern_text(e, callee, &p->type), p->name.s,
				  ir_type_text(e->scratch, &e->f->ins[r].type));
			continue;
		}
		ok &= define(e, callee, &p->name, pass_key(e, fr, s, p, r));
	}
	return ok;
}

/* What a call made takes the name of the call's result; what existed before keeps its own. */
static void name_results(elab *e, frame *fr, const syn_stmt *s, const frame *callee, size_t before)
{
	for (size_t i = 0; i < s->nresult; i++) {
		ir_ref r = callee->result ? callee->result[i] : IR_NO_REF;

		if (r != IR_NO_REF && r >= before && !ir_is_leaf(e->f, r))
			name_value(e, fr, r, s->result[i].s);
		define(e, fr, &s->result[i], r);
	}
}

static void run_call(elab *e, frame *fr, const syn_stmt *s)
{
	frame callee = {.up = fr, .call = s->loc, .depth = fr->depth + 1};
	size_t before = e->f->n;

	ir_names_init(&callee.local, e->scratch);
	ir_names_init(&callee.var, e->scratch);
	if (find_func(e, fr, s, &callee) && check_call(e, fr, s, &callee) && bind_args(e, fr, s, &callee)) {
		callee.prefix = join(e, fr->prefix, s->result[0].s);
		run_body(e, &callee);
		fr->failed |= callee.failed;
	} else {
		fr->failed = true;
	}
	fr->calls++;
	if (callee.failed)
		callee.result = NULL;
	name_results(e, fr, s, &callee, before);
}

/* ---- the other statements -------------------------------------------------------------------------------------- */

static bool run_update(elab *e, frame *fr, const syn_stmt *s)
{
	ir_ref r[2];
	const ir_type *t[2];

	for (int i = 0; i < 2; i++) {
		const syn_value *v = &s->arg[i];

		if (v->key || v->kind != SYN_V_NAME)
			return fail(e, fr, v->loc, IR_E_expected, "a name", v->key ? v->key : "a literal");
		if (!find_value(e, fr, v->name, v->loc, &r[i]))
			return false;
		if (r[i] == IR_NO_REF)
			return false;
		t[i] = &e->f->ins[r[i]].type;
	}
	if (!ir_is_leaf(e->f, r[0]) || e->f->ins[r[0]].op == IR_input)
		return fail(e, fr, s->arg[0].loc, IR_E_update_what, s->arg[0].name);
	if (!ir_type_equal(t[0], t[1]))
		return fail(e, fr, s->arg[1].loc, IR_E_update_type, s->arg[0].name, ir_type_text(e->scratch, t[0]),
			    ir_type_text(e->scratch, t[1]));
	for (size_t i = 0; i < e->f->nout; i++)
		if (e->f->out[i].state == r[0])
			return fail(e, fr, s->loc, IR_E_redefined, ar_printf(e->scratch, "update %s", s->arg[0].name));
	ir_add_update(e->f, r[0], r[1]);
	return true;
}

static bool check_result(elab *e, frame *fr, const syn_value *v, size_t i, const ir_type *got)
{
	ir_type want;

	if (!fr->fn->has_ret)
		return true;
	if (!eval_type(e, fr, &fr->fn->ret[i], &want))
		return false;
	return ir_type_equal(&want, got) ||
	       fail(e, fr, v->loc, IR_E_return_type, fr->fn->name.s, ir_type_text(e->scratch, got),
		    ir_type_text(e->scratch, &want));
}

/* Results become outputs in an entry point, values of the caller otherwise. */
static bool run_return(elab *e, frame *fr, const syn_stmt *s)
{
	ir_names seen;

	ir_names_init(&seen, e->scratch);
	fr->nresult = s->narg;
	fr->result = ar_new(e->scratch, ir_ref, s->narg);
	if (fr->fn->has_ret && fr->fn->nret != s->narg)
		return fail(e, fr, s->loc, IR_E_return_type, fr->fn->name.s,
			    ar_printf(e->scratch, "%zu values", s->narg),
			    ar_printf(e->scratch, "%zu", fr->fn->nret));
	for (size_t i = 0; i < s->narg; i++) {
		const syn_value *v = &s->arg[i];
		const char *name;
		char plain[32];

		if (v->kind != SYN_V_NAME)
			return fail(e, fr, v->loc, IR_E_expected, "the name of a value", "a literal");
		if (!find_value(e, fr, v->name, v->loc, &fr->result[i]))
			return false;
		if (fr->result[i] == IR_NO_REF)
			return false;
		if (!check_result(e, fr, v, i, &e->f->ins[fr->result[i]].type))
			return false;
		name = v->key ? v->key : ir_default_output(plain, is_number_name(v->name) ? NULL : v->name, i);
		if (ir_names_get(&seen, name, NULL))
			return fail(e, fr, v->key ? v->key_loc : v->loc, IR_E_output_twice, name);
		name = ar_strdup(e->scratch, name);
		ir_names_put(&seen, name, 0);
		if (!fr->up)
			ir_add_output(e->f, name, fr->result[i]);
	}
	return true;
}

static void run_op(elab *e, frame *fr, const syn_stmt *s)
{
	ir_ref r = build_op(e, fr, s);

	if (r == IR_NO_REF)
		fr->failed = true;
	name_value(e, fr, r, s->result->s);
	define(e, fr, s->result, r);
}

/* Statement by statement; false when the function has no usable result. */
static bool run_body(elab *e, frame *fr)
{
	for (size_t i = 0; i < fr->fn->nstmt && !e->stop; i++) {
		const syn_stmt *s = &fr->fn->stmt[i];

		if (fr->up && (e->steps += 1 + s->narg + s->nsize + s->nresult) > SYN_MAX_STEPS) {
			fail(e, fr, s->loc, IR_E_too_many, "words of statements after inlining", (long long)SYN_MAX_STEPS);
			e->stop = true;
			break;
		}
		switch (s->what) {
		case SYN_S_OP: run_op(e, fr, s); break;
		case SYN_S_CALL: run_call(e, fr, s); break;
		case SYN_S_UPDATE: fr->failed |= !run_update(e, fr, s); break;
		case SYN_S_RETURN: fr->failed |= !run_return(e, fr, s); break;
		}
	}
	fr->failed |= e->stop;
	return !fr->failed;
}

/* ---- entry points ---------------------------------------------------------------------------------------------- */

/* No size left open: every dimension of every parameter is a number or B. */
static bool is_entry(const syn_func *fn)
{
	for (size_t i = 0; i < fn->nparam; i++)
		for (int k = 0; k < fn->param[i].type.rank; k++)
			if (fn->param[i].type.dim[k].var)
				return false;
	return fn->nsize == 0;
}

static bool run_entry(elab *e, const syn_func *fn, ir_module *m)
{
	frame fr = {.file = e->user, .fn = fn, .prefix = "", .call = fn->name.loc};

	e->f = ir_func_new(m->arena, fn->name.s);
	ir_names_init(&e->global, e->scratch);
	ir_names_init(&fr.local, e->scratch);
	for (size_t i = 0; i < fn->nparam; i++) {
		const syn_param *p = &fn->param[i];
		ir_attr type = {.id = IR_ATTR_type};
		ir_ref r = IR_NO_REF;

		if (eval_type(e, &fr, &p->type, &type.v)) {
			r = ir_build(e->f, e->d, p->type.loc, IR_input, NULL, 0, &type, 1);
			if (r == IR_NO_REF)
				failed(e, &fr);
		}
		name_value(e, &fr, r, p->name.s);
		define(e, &fr, &p->name, r);
	}
	if (!run_body(e, &fr))
		return false;
	ir_module_add(m, e->f);
	return true;
}

bool ir_elaborate(const syn_file *file, ir_module *m, ir_arena *scratch, ir_diag *d)
{
	elab e = {.d = d, .scratch = scratch, .user = file, .base = ir_diag_count(d, IR_ERROR)};
	size_t entries = 0;

	for (size_t i = 0; i < file->nfunc && !e.stop; i++) {
		if (!is_entry(&file->func[i]))
			continue;
		entries++;
		run_entry(&e, &file->func[i], m);
	}
	if (entries == 0)
		ir_report(d, (ir_loc){file->source, 1, 1}, IR_E_no_entry, IR_ENTRY);
	return ir_diag_count(d, IR_ERROR) == e.base && entries > 0;
}
