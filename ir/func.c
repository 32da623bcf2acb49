/* SPDX-License-Identifier: Apache-2.0
 * Functions as they grow: instructions, names, outputs, attributes. Every instruction passes through append(),
 * so attributes are always in the order of the op's row and in their one normal form (see normalise).
 *
 * Names: letters, digits, '_' and '.'. A name of digits only is no name: the text %12 means "unnamed". */
#include "ir/ir.h"

#include <ctype.h>
#include <string.h>
#include "ir/names.h"

struct ir_func_names {
	ir_names value; /* name -> instruction, IR_NO_REF when the name was given up */
	ir_names next;  /* name -> the next suffix to try, so that many equal names cost little */
};

ir_func *ir_func_new(ir_arena *a, const char *name)
{
	ir_func *f = ar_new(a, ir_func, 1);

	f->name = ar_strdup(a, name);
	f->arena = a;
	f->names = ar_new(a, struct ir_func_names, 1);
	ir_names_init(&f->names->value, a);
	ir_names_init(&f->names->next, a);
	return f;
}

/* ---- attributes -------------------------------------------------------------------------------------- */

const ir_attr *ir_attr_get(const ir_ins *in, ir_attr_id id)
{
	const ir_opinfo *o = ir_op_info(in->op);

	for (int k = 0; k < o->nattr; k++)
		if (o->attr[k] == id)
			return &in->attr[k];
	ir_bug("%s has no attribute '%s'", o->name, ir_attr_name(id));
}

int64_t ir_attr_int(const ir_ins *in, ir_attr_id id)
{
	return ir_attr_get(in, id)->i;
}

ir_attr ir_a_int(ir_attr_id id, int64_t v)
{
	return (ir_attr){.id = id, .i = v};
}

ir_attr ir_a_float(ir_attr_id id, double v)
{
	return (ir_attr){.id = id, .f = v};
}

ir_attr ir_a_ints(ir_attr_id id, int n, const int64_t *v)
{
	return (ir_attr){.id = id, .v = ir_type_make((ir_dtype)0, n, v)};
}

ir_attr ir_a_type(ir_attr_id id, ir_type t)
{
	return (ir_attr){.id = id, .v = t};
}

/* One meaning, one form: axes ascend, a cast keeps the element type only. Keys depend on it. */
static void normalise(ir_op op, ir_attr *a)
{
	if (a->id == IR_ATTR_axes)
		for (int i = 1; i < a->v.rank; i++)
			for (int j = i; j > 0 && a->v.dim[j - 1] > a->v.dim[j]; j--) {
				int64_t swap = a->v.dim[j];

				a->v.dim[j] = a->v.dim[j - 1];
				a->v.dim[j - 1] = swap;
			}
	if (op == IR_cast)
		a->v = ir_type_scalar(a->v.dtype);
}

/* given, in any order -> out, in the order of the op's row. */
static bool arrange(ir_diag *d, ir_loc loc, ir_op op, const ir_attr *given, size_t n, ir_attr *out)
{
	const ir_opinfo *o = ir_op_info(op);
	bool have[IR_MAX_ATTRS] = {false};

	for (size_t i = 0; i < n; i++) {
		int k = 0;

		while (k < o->nattr && o->attr[k] != given[i].id)
			k++;
		if (k == o->nattr) {
			ir_report(d, loc, IR_E_unknown_attr, o->name, ir_attr_name(given[i].id));
			return false;
		}
		if (have[k]) {
			ir_report(d, loc, IR_E_attr_twice, ir_attr_name(given[i].id));
			return false;
		}
		have[k] = true;
		out[k] = given[i];
		normalise(op, &out[k]);
	}
	for (int k = 0; k < o->nattr; k++) {
		if (!have[k] && !o->optional[k]) {
			ir_report(d, loc, IR_E_missing_attr, o->name, ir_attr_name(o->attr[k]));
			return false;
		}
		if (!have[k])
			out[k] = (ir_attr){.id = o->attr[k]};
	}
	return true;
}

/* ---- instructions ------------------------------------------------------------------------------------ */

#define FEW 8 /* operands that need no memory while types are looked up */

static ir_ref append(ir_func *f, ir_diag *d, const char *from, ir_loc loc, ir_op op, const ir_ref *arg,
		     size_t narg, const ir_attr *attr, size_t nattr)
{
	const ir_opinfo *o = ir_op_info(op);
	ir_attr full[IR_MAX_ATTRS];
	ir_type few[FEW], *type = narg <= FEW ? few : ar_new(f->arena, ir_type, narg), result;
	ir_attr *keep = NULL;
	ir_ref *args = NULL;

	if (!arrange(d, loc, op, attr, nattr, full))
		return IR_NO_REF;
	for (size_t k = 0; k < narg; k++) {
		IR_ASSERT(arg[k] < f->n, "%s: operand %zu is %u of %zu", o->name, k, arg[k], f->n);
		type[k] = f->ins[arg[k]].type;
	}
	if (!ir_infer(d, loc, op, type, narg, full, &result))
		return IR_NO_REF;
	if (narg) {
		args = ar_new(f->arena, ir_ref, narg);
		memcpy(args, arg, narg * sizeof *args);
	}
	if (o->nattr) {
		keep = ar_new(f->arena, ir_attr, (size_t)o->nattr);
		memcpy(keep, full, (size_t)o->nattr * sizeof *keep);
	}
	*ar_push(f->arena, f->ins, f->n, f->cap) = (ir_ins){.op = op, .type = result, .narg = (uint32_t)narg,
		.arg = args, .attr = keep, .loc = loc, .from = from};
	return (ir_ref)(f->n - 1);
}

ir_ref ir_build(ir_func *f, ir_diag *d, ir_loc loc, ir_op op, const ir_ref *arg, size_t narg,
		const ir_attr *attr, size_t nattr)
{
	return append(f, d, NULL, loc, op, arg, narg, attr, nattr);
}

/* Says what the shape rule had against it, then ends. */
static _Noreturn void emit_failed(ir_func *f, const char *from, ir_loc loc, ir_op op, const ir_ref *arg,
				  size_t narg, const ir_attr *attr, size_t nattr)
{
	ir_diag *d = ir_diag_new();
	ir_str s;

	append(f, d, from, loc, op, arg, narg, attr, nattr);
	sb_init(&s);
	for (size_t k = 0; k < narg; k++) {
		sb_put(&s, k ? ", " : "");
		ir_type_print(&f->ins[arg[k]].type, &s);
	}
	ir_bug("%s emitted %s(%s): %s", from ? from : "?", ir_op_info(op)->name, s.s,
	       ir_diag_size(d) ? ir_diag_get(d, 0)->text : "no message");
}

ir_ref ir_emit(ir_func *f, const char *from, ir_loc loc, ir_op op, const ir_ref *arg, size_t narg,
	       const ir_attr *attr, size_t nattr)
{
	ir_ref r = append(f, NULL, from, loc, op, arg, narg, attr, nattr);

	if (r == IR_NO_REF)
		emit_failed(f, from, loc, op, arg, narg, attr, nattr);
	return r;
}

ir_ref ir_emit1(ir_func *f, const char *from, ir_loc loc, ir_op op, ir_ref a)
{
	return ir_emit(f, from, loc, op, &a, 1, NULL, 0);
}

ir_ref ir_emit2(ir_func *f, const char *from, ir_loc loc, ir_op op, ir_ref a, ir_ref b)
{
	return ir_emit(f, from, loc, op, (ir_ref[]){a, b}, 2, NULL, 0);
}

ir_ref ir_emit_constant(ir_func *f, const char *from, ir_loc loc, double value, ir_type type)
{
	ir_attr attr[] = {ir_a_float(IR_ATTR_value, value), ir_a_type(IR_ATTR_type, type)};

	return ir_emit(f, from, loc, IR_constant, NULL, 0, attr, 2);
}

ir_ref ir_copy_ins(ir_func *f, const ir_func *src, ir_ref i, ir_ref *map)
{
	const ir_ins *in = &src->ins[i];
	ir_ref few[FEW], *arg = in->narg <= FEW ? few : ar_new(f->arena, ir_ref, in->narg);

	for (uint32_t k = 0; k < in->narg; k++)
		arg[k] = map[in->arg[k]];
	map[i] = ir_emit(f, in->from, in->loc, in->op, arg, in->narg, in->attr,
			 (size_t)ir_op_info(in->op)->nattr);
	if (in->name)
		ir_set_name(f, map[i], in->name);
	return map[i];
}

bool ir_is_leaf(const ir_func *f, ir_ref r)
{
	ir_op op = f->ins[r].op;

	return op == IR_input || op == IR_param || op == IR_state;
}

/* ---- names ------------------------------------------------------------------------------------------- */

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* A copy of name in its printable form, cut to IR_MAX_NAME; NULL if nothing but digits is left. */
static char *clean(ir_arena *a, const char *name)
{
	bool digits = true;
	char *s;

	if (*name == '%')
		name++;
	s = ar_strndup(a, name, strnlen(name, IR_MAX_NAME));
	for (char *p = s; *p; p++) {
		if (!name_char(*p))
			*p = '_';
		digits &= isdigit((unsigned char)*p) != 0;
	}
	return digits ? NULL : s;
}

#define SUFFIX 11 /* characters of "_4294967295" */

/* Many names may share all that is left of them in front of a suffix: they share the count, too. */
void ir_set_name(ir_func *f, ir_ref r, const char *name)
{
	struct ir_func_names *m = f->names;
	const char *s = name ? clean(f->arena, name) : NULL, *stem;
	uint32_t owner, k = 1;

	if (f->ins[r].name)
		ir_names_put(&m->value, f->ins[r].name, IR_NO_REF);
	f->ins[r].name = NULL;
	if (!s)
		return;
	stem = strlen(s) > IR_MAX_NAME - SUFFIX ? ar_strndup(f->arena, s, IR_MAX_NAME - SUFFIX) : s;
	ir_names_get(&m->next, stem, &k);
	while (ir_names_get(&m->value, s, &owner) && owner != IR_NO_REF)
		s = ar_printf(f->arena, "%s_%u", stem, k++);
	if (k > 1)
		ir_names_put(&m->next, stem, k);
	f->ins[r].name = s;
	ir_names_put(&m->value, s, r);
}

ir_ref ir_find_value(const ir_func *f, const char *name)
{
	uint32_t r = IR_NO_REF;

	return ir_names_get(&f->names->value, name, &r) ? r : IR_NO_REF;
}

/* ---- outputs ----------------------------------------------------------------------------------------- */

void ir_add_output(ir_func *f, const char *name, ir_ref r)
{
	IR_ASSERT(r < f->n, "output '%s' is %u of %zu", name, r, f->n);
	*ar_push(f->arena, f->out, f->nout, f->outcap) = (ir_output){ar_strdup(f->arena, name), r, IR_NO_REF};
}

void ir_add_update(ir_func *f, ir_ref state, ir_ref value)
{
	IR_ASSERT(state < f->n && value < f->n, "update of %u by %u, of %zu", state, value, f->n);
	*ar_push(f->arena, f->out, f->nout, f->outcap) = (ir_output){f->ins[state].name, value, state};
}

const ir_output *ir_find_output(const ir_func *f, const char *name)
{
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state == IR_NO_REF && strcmp(f->out[i].name, name) == 0)
			return &f->out[i];
	return NULL;
}

/* ---- modules ----------------------------------------------------------------------------------------- */

ir_module *ir_module_new(ir_arena *a)
{
	ir_module *m = ar_new(a, ir_module, 1);

	m->arena = a;
	return m;
}

void ir_module_add(ir_module *m, ir_func *f)
{
	*ar_push(m->arena, m->func, m->n, m->cap) = f;
}

ir_func *ir_module_find(const ir_module *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->func[i]->name, name) == 0)
			return m->func[i];
	return NULL;
}
