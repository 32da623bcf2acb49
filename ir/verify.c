/* SPDX-License-Identifier: Apache-2.0
 * The verifier: one loop up. Operands come before their users, every stored type is what the shape rule says,
 * names, outputs and updates are what ir.h promises. The parser cannot make a function that fails here; a pass
 * can, so a failure behind a pass is a bug of ours and the texts only have to lead to it. */
#include "ir/ir.h"

#include <string.h>
#include "ir/names.h"

typedef struct verifier {
	const ir_func *f;
	ir_diag *d;
	ir_arena *a;
	bool ok;
} verifier;

static void wrong(verifier *v, ir_loc loc, const char *want, const char *got)
{
	ir_report(v->d, loc, IR_E_expected, want, got);
	v->ok = false;
}

static bool check_operands(verifier *v, ir_ref r)
{
	const ir_ins *in = &v->f->ins[r];

	for (uint32_t k = 0; k < in->narg; k++) {
		if (in->arg[k] >= r) {
			wrong(v, in->loc, ar_printf(v->a, "operands of %s before %%%u", ir_op_info(in->op)->name, r),
			      ar_printf(v->a, "%%%u", in->arg[k]));
			return false;
		}
	}
	return true;
}

static bool check_attrs(verifier *v, const ir_ins *in)
{
	const ir_opinfo *o = ir_op_info(in->op);

	for (int k = 0; k < o->nattr; k++) {
		if (!in->attr || in->attr[k].id != o->attr[k]) {
			ir_report(v->d, in->loc, IR_E_missing_attr, o->name, ir_attr_name(o->attr[k]));
			return v->ok = false;
		}
	}
	return true;
}

static void check_type(verifier *v, ir_ref r)
{
	const ir_ins *in = &v->f->ins[r];
	ir_type few[8], t, *type = in->narg <= 8 ? few : ar_new(v->a, ir_type, in->narg);

	for (uint32_t k = 0; k < in->narg; k++)
		type[k] = v->f->ins[in->arg[k]].type;
	if (!ir_infer(v->d, in->loc, in->op, type, in->narg, in->attr, &t))
		v->ok = false;
	else if (!ir_type_equal(&t, &in->type))
		wrong(v, in->loc, ar_printf(v->a, "%%%u: %s", r, ir_type_text(v->a, &t)),
		      ir_type_text(v->a, &in->type));
}

static void check_name(verifier *v, ir_names *seen, ir_ref r)
{
	const ir_ins *in = &v->f->ins[r];

	if (!in->name)
		return;
	if (ir_names_get(seen, in->name, NULL)) {
		ir_report(v->d, in->loc, IR_E_redefined, in->name);
		v->ok = false;
	}
	ir_names_put(seen, in->name, r);
}

static void check_update(verifier *v, const ir_output *o, bool *updated)
{
	const ir_ins *state = &v->f->ins[o->state], *value = &v->f->ins[o->ref];
	const char *name = state->name ? state->name : "?";

	if (state->op != IR_param && state->op != IR_state) {
		ir_report(v->d, value->loc, IR_E_update_what, name);
		v->ok = false;
	} else if (!ir_type_equal(&state->type, &value->type)) {
		ir_report(v->d, value->loc, IR_E_update_type, name, ir_type_text(v->a, &state->type),
			  ir_type_text(v->a, &value->type));
		v->ok = false;
	} else if (updated[o->state]) {
		ir_report(v->d, value->loc, IR_E_redefined, ar_printf(v->a, "update %s", name));
		v->ok = false;
	}
	updated[o->state] = true;
}

static void check_outputs(verifier *v)
{
	const ir_func *f = v->f;
	bool *updated = ar_new(v->a, bool, f->n);
	ir_names seen;

	ir_names_init(&seen, v->a);
	for (size_t i = 0; i < f->nout; i++) {
		const ir_output *o = &f->out[i];
		ir_loc loc = {0};

		if (o->ref >= f->n || (o->state != IR_NO_REF && o->state >= f->n)) {
			wrong(v, loc, "outputs inside the function", o->name ? o->name : "?");
		} else if (o->state != IR_NO_REF) {
			check_update(v, o, updated);
		} else if (!o->name || ir_names_get(&seen, o->name, NULL)) {
			ir_report(v->d, f->ins[o->ref].loc, IR_E_output_twice, o->name ? o->name : "?");
			v->ok = false;
		} else {
			ir_names_put(&seen, o->name, 0);
		}
	}
}

bool ir_verify(const ir_func *f, ir_diag *d)
{
	verifier v = {.f = f, .d = d, .a = ar_open(), .ok = true};
	ir_names seen;

	ir_names_init(&seen, v.a);
	for (ir_ref r = 0; r < f->n; r++) {
		if ((unsigned)f->ins[r].op >= IR_OP_COUNT)
			wrong(&v, f->ins[r].loc, "an operation", ar_printf(v.a, "%d", (int)f->ins[r].op));
		else if (check_operands(&v, r) && check_attrs(&v, &f->ins[r]))
			check_type(&v, r);
		check_name(&v, &seen, r);
	}
	check_outputs(&v);
	ar_free(v.a);
	return v.ok;
}
