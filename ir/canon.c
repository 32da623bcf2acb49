/* SPDX-License-Identifier: Apache-2.0
 * The canonical form: instructions in post-order from the outputs, operands left to right, results before
 * updates. What nobody reads is not reached, names and places are dropped, and a leaf's number is that of its
 * first visit, so one weight used twice and two weights differ. Operands of add and mul stay in their order:
 * sorting them would change which rounding a program means once it is fused. */
#include "ir/ir.h"

#include <string.h>

typedef struct walk {
	const ir_func *f;
	ir_arena *a;
	ir_ref *order; /* reached instructions in post-order */
	size_t n;
	bool *seen;
	struct step {
		ir_ref ref;
		uint32_t next; /* operand to look at next */
	} *stack;
} walk;

/* Depth first with a stack of our own: a deep program must not exhaust C's. */
static void visit(walk *w, ir_ref root)
{
	size_t depth = 0;

	if (w->seen[root])
		return;
	w->seen[root] = true;
	w->stack[depth++] = (struct step){root, 0};
	while (depth) {
		struct step *top = &w->stack[depth - 1];
		const ir_ins *in = &w->f->ins[top->ref];

		if (top->next == in->narg) {
			w->order[w->n++] = top->ref;
			depth--;
		} else {
			ir_ref arg = in->arg[top->next++];

			if (!w->seen[arg]) {
				w->seen[arg] = true;
				w->stack[depth++] = (struct step){arg, 0};
			}
		}
	}
}

static void visit_all(walk *w, const ir_func *f, ir_arena *a)
{
	*w = (walk){.f = f, .a = a};
	w->order = ar_new(a, ir_ref, f->n);
	w->seen = ar_new(a, bool, f->n);
	w->stack = ar_new(a, struct step, f->n + 1);
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state == IR_NO_REF)
			visit(w, f->out[i].ref);
	for (size_t i = 0; i < f->nout; i++) {
		if (f->out[i].state != IR_NO_REF) {
			visit(w, f->out[i].ref);
			visit(w, f->out[i].state);
		}
	}
}

/* As ir_copy_ins, but nameless and placeless. */
static void copy_plain(ir_func *g, const ir_func *f, ir_ref r, ir_ref *map)
{
	const ir_ins *in = &f->ins[r];
	ir_ref few[8], *arg = in->narg <= 8 ? few : ar_new(g->arena, ir_ref, in->narg);

	for (uint32_t k = 0; k < in->narg; k++)
		arg[k] = map[in->arg[k]];
	map[r] = ir_emit(g, NULL, (ir_loc){0}, in->op, arg, in->narg, in->attr, (size_t)ir_op_info(in->op)->nattr);
}

ir_func *ir_canonical(const ir_func *f, ir_arena *a)
{
	ir_func *g = ir_func_new(a, f->name);
	ir_arena *scratch = ar_open();
	ir_ref *map = ar_new(scratch, ir_ref, f->n);
	walk w;

	visit_all(&w, f, scratch);
	for (size_t i = 0; i < w.n; i++)
		copy_plain(g, f, w.order[i], map);
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state == IR_NO_REF)
			ir_add_output(g, f->out[i].name, map[f->out[i].ref]);
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state != IR_NO_REF)
			ir_add_update(g, map[f->out[i].state], map[f->out[i].ref]);
	ar_free(scratch);
	return g;
}

/* The text is the content: it does not depend on the numbers of ops, so appending a row keeps every key. */
ir_key ir_arch_key(const ir_func *f)
{
	ir_arena *a = ar_open();
	ir_func *g = ir_canonical(f, a);
	ir_str s;
	ir_key key;

	g->name = "";
	sb_init(&s);
	ir_func_print(g, &s);
	key = ir_hash(s.s, s.n);
	sb_fini(&s);
	ar_free(a);
	return key;
}

void ir_canonical_positions(const ir_func *f, uint32_t *out)
{
	ir_arena *scratch = ar_open();
	uint32_t next = 0;
	walk w;

	visit_all(&w, f, scratch);
	for (ir_ref r = 0; r < f->n; r++)
		out[r] = IR_NO_REF;
	for (size_t i = 0; i < w.n; i++)
		if (f->ins[w.order[i]].op == IR_param || f->ins[w.order[i]].op == IR_state)
			out[w.order[i]] = next++;
	for (ir_ref r = 0; r < f->n; r++) /* unused ones last, so that they do not move the others */
		if (!w.seen[r] && (f->ins[r].op == IR_param || f->ins[r].op == IR_state))
			out[r] = next++;
	ar_free(scratch);
}
