/* SPDX-License-Identifier: Apache-2.0
 * The printer. What it writes, parse.c reads back to the same instructions in the same order, so a print of the
 * result is the same text. Inputs that come first are parameters of the header, later ones are statements. */
#include "ir/ir.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include "ir/syntax.h"

/* A name as the lexer reads it: '%' allows a digit in front and takes words that mean something else. */
static void put_name(ir_str *out, const char *s)
{
	if ((!isalpha((unsigned char)*s) && *s != '_') || ir_is_reserved(s))
		sb_putc(out, '%');
	sb_put(out, s);
}

static void put_value(const ir_func *f, ir_ref r, ir_str *out)
{
	if (f->ins[r].name)
		put_name(out, f->ins[r].name);
	else
		sb_printf(out, "%%%u", r);
}

static void put_list(const ir_type *v, ir_str *out)
{
	sb_putc(out, '[');
	for (int i = 0; i < v->rank; i++) {
		sb_put(out, i ? "," : "");
		if (v->dim[i] == IR_BATCH)
			sb_putc(out, 'B');
		else
			sb_printf(out, "%" PRId64, v->dim[i]);
	}
	sb_putc(out, ']');
}

/* Types and the value of a constant stand alone, everything else is name=value. */
static void put_attr(const ir_attr *a, ir_str *out)
{
	ir_attr_kind kind = ir_attr_kind_of(a->id);

	if (kind != IR_KIND_TYPE && kind != IR_KIND_FLOAT)
		sb_printf(out, "%s=", ir_attr_name(a->id));
	switch (kind) {
	case IR_KIND_INTS:
	case IR_KIND_DIMS: put_list(&a->v, out); break;
	case IR_KIND_INT: sb_printf(out, "%" PRId64, a->i); break;
	case IR_KIND_FLOAT: sb_put_double(out, a->f); break;
	case IR_KIND_FLAG: sb_put(out, a->i ? "true" : "false"); break;
	case IR_KIND_TYPE: ir_type_print(&a->v, out); break;
	case IR_KIND_CMP: sb_put(out, ir_cmp_name((ir_cmp)a->i)); break;
	case IR_KIND_INIT: sb_put(out, ir_init_name((ir_init)a->i)); break;
	}
}

/* One attribute after the other: those that stand alone, then those with a name. */
static void put_attrs(const ir_ins *in, const char *sep, ir_str *out)
{
	const ir_opinfo *o = ir_op_info(in->op);

	for (int named = 0; named < 2; named++) {
		for (int k = 0; k < o->nattr; k++) {
			ir_attr_kind kind = ir_attr_kind_of(o->attr[k]);

			if ((kind != IR_KIND_TYPE && kind != IR_KIND_FLOAT) != named)
				continue;
			if (o->optional[k] && in->attr[k].i == 0)
				continue;
			sb_put(out, sep);
			put_attr(&in->attr[k], out);
			sep = ", ";
		}
	}
}

static void put_ins(const ir_func *f, ir_ref r, ir_str *out)
{
	const ir_ins *in = &f->ins[r];

	sb_put(out, "  ");
	put_value(f, r, out);
	sb_printf(out, " = %s", ir_op_info(in->op)->name);
	for (uint32_t k = 0; k < in->narg; k++) {
		sb_put(out, k ? ", " : " ");
		put_value(f, in->arg[k], out);
	}
	put_attrs(in, in->narg ? ", " : " ", out);
	sb_putc(out, '\n');
}

/* Prints the leading inputs as parameters, as many as a list may have, and returns how many there were. */
static ir_ref put_params(const ir_func *f, ir_str *out)
{
	ir_ref r = 0;

	sb_putc(out, '(');
	for (; r < f->n && r < SYN_MAX_LIST && f->ins[r].op == IR_input; r++) {
		sb_put(out, r ? ", " : "");
		put_value(f, r, out);
		sb_put(out, ": ");
		ir_type_print(&f->ins[r].type, out);
	}
	sb_putc(out, ')');
	return r;
}

static void put_signature(const ir_func *f, ir_str *out)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < f->nout; i++)
		n += f->out[i].state == IR_NO_REF;
	if (n == 0)
		return;
	sb_put(out, n == 1 ? " -> " : " -> (");
	for (size_t i = 0; i < f->nout; i++) {
		if (f->out[i].state != IR_NO_REF)
			continue;
		sb_put(out, k++ ? ", " : "");
		ir_type_print(&f->ins[f->out[i].ref].type, out);
	}
	sb_put(out, n == 1 ? "" : ")");
}

/* An output is named when its value's name would not give the same: see default_output in elab.c. */
static void put_return(const ir_func *f, ir_str *out)
{
	size_t n = 0;
	char plain[32];

	sb_put(out, "  return");
	for (size_t i = 0; i < f->nout; i++) {
		const ir_output *o = &f->out[i];
		const char *name;

		if (o->state != IR_NO_REF)
			continue;
		sb_put(out, n ? ", " : " ");
		name = ir_default_output(plain, f->ins[o->ref].name, n++);
		if (strcmp(name, o->name) != 0) {
			put_name(out, o->name);
			sb_putc(out, '=');
		}
		put_value(f, o->ref, out);
	}
	sb_putc(out, '\n');
}

void ir_func_print(const ir_func *f, ir_str *out)
{
	ir_ref r;

	sb_put(out, "func ");
	put_name(out, f->name);
	r = put_params(f, out);
	put_signature(f, out);
	sb_put(out, " {\n");
	for (; r < f->n; r++)
		put_ins(f, r, out);
	for (size_t i = 0; i < f->nout; i++) {
		if (f->out[i].state == IR_NO_REF)
			continue;
		sb_put(out, "  update ");
		put_value(f, f->out[i].state, out);
		sb_put(out, ", ");
		put_value(f, f->out[i].ref, out);
		sb_putc(out, '\n');
	}
	put_return(f, out);
	sb_put(out, "}\n");
}

void ir_module_print(const ir_module *m, ir_str *out)
{
	sb_put(out, "gradmill 1\n");
	for (size_t i = 0; i < m->n; i++) {
		sb_putc(out, '\n');
		ir_func_print(m->func[i], out);
	}
}
