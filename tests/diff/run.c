/* SPDX-License-Identifier: Apache-2.0
 * tests/diff/run.c -- compiled runs on guarded memory. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tests/diff/diff.h"

#define GUARD 256
#define FILL  0xa5
#define PAGE  4096

int td_shared_runs, td_runs;

td_buffer td_buffer_new(const ir_type *t)
{
	size_t bytes = ir_type_bytes(t), all = (bytes + GUARD + 63) / 64 * 64;
	td_buffer b = {aligned_alloc(64, all), bytes};

	memset(b.p, FILL, all);
	return b;
}

void td_buffer_free(td_buffer *b)
{
	free(b->p);
	b->p = NULL;
}

bool td_buffer_intact(const td_buffer *b)
{
	for (size_t i = 0; i < GUARD; i++)
		if (b->p[b->bytes + i] != FILL)
			return false;
	return true;
}

td_fence td_fence_new(size_t bytes, bool at_end)
{
	size_t middle = (bytes + PAGE - 1) / PAGE * PAGE;
	td_fence f = {.length = middle + 2 * PAGE};

	f.page = mmap(NULL, f.length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	IR_ASSERT(f.page != MAP_FAILED, "no memory between fences");
	IR_ASSERT(mprotect(f.page + PAGE, middle, PROT_READ | PROT_WRITE) == 0, "no fence");
	f.data = f.page + PAGE + (at_end ? middle - bytes : 0);
	return f;
}

void td_fence_free(td_fence *f)
{
	munmap(f->page, f->length);
}

bool td_open_contexts(const char *const *target, size_t n, cc_context **out)
{
	for (size_t t = 0; t < n; t++) {
		cc_context_options o = cc_context_default();
		ir_diag *d = ir_diag_new();

		o.target = target[t], o.cache_dir = "";
		if (cc_context_new(&o, &out[t], d) != IR_OK)
			out[t] = NULL;
		ir_diag_free(d);
	}
	return out[0] != NULL;
}

void td_close_contexts(cc_context *const *c, size_t n)
{
	for (size_t t = 0; t < n; t++)
		cc_context_free(c[t]);
}

/* ---- leaves of a program by name --------------------------------------------------------------------------------- */

typedef struct run {
	const td_how *h;
	const ir_func *f;
	cc_program *p;
	rt_exec *e;
	td_buffer *leaf, *before; /* per leaf of the program */
	bool *updated;
	td_buffer *out;
	ir_str *why;
} run;

static size_t leaf_number(const run *r, const char *name)
{
	for (size_t i = 0; i < cc_program_leaves(r->p); i++)
		if (!strcmp(cc_program_leaf_name(r->p, i), name))
			return i;
	return SIZE_MAX;
}

static size_t output_number(const run *r, const char *name)
{
	for (size_t i = 0; i < cc_program_outputs(r->p); i++)
		if (!strcmp(cc_program_output_name(r->p, i), name))
			return i;
	return SIZE_MAX;
}

static bool bind_leaves(run *r, const rt_tensor *given)
{
	size_t n = cc_program_leaves(r->p), k = 0;

	r->leaf = ir_xmalloc(n + 1, sizeof *r->leaf);
	r->before = ir_xmalloc(n + 1, sizeof *r->before);
	r->updated = ir_xmalloc(n + 1, sizeof *r->updated);
	for (size_t i = 0; i < r->f->n; i++) {
		const ir_ins *in = &r->f->ins[i];
		size_t at;

		if (!ir_is_leaf(r->f, (ir_ref)i))
			continue;
		at = leaf_number(r, in->name);
		if (at != SIZE_MAX) { /* else unread */
			ir_type t = cc_program_leaf_type(r->p, at);

			if (!ir_type_equal(&t, &in->type))
				return sb_printf(r->why, "leaf %s changed its type", in->name), false;
			r->leaf[at] = td_buffer_new(&t), r->before[at] = td_buffer_new(&t);
			memcpy(r->leaf[at].p, given[k].data, r->leaf[at].bytes);
			memcpy(r->before[at].p, given[k].data, r->leaf[at].bytes);
			rt_bind_leaf(r->e, at, r->leaf[at].p, 0);
		}
		k++;
	}
	return true;
}

static bool bind_outputs(run *r)
{
	for (size_t i = 0; i < r->f->nout; i++) {
		const ir_output *o = &r->f->out[i];
		size_t at = o->state == IR_NO_REF ? output_number(r, o->name) : leaf_number(r, o->name);

		if (at == SIZE_MAX)
			return sb_printf(r->why, "%s is missing from the program", o->name), false;
		r->out[i] = td_buffer_new(&r->f->ins[o->ref].type);
		if (o->state == IR_NO_REF)
			rt_bind_output(r->e, at, r->out[i].p, 0);
		else
			r->updated[at] = true;
	}
	return true;
}

static bool inspect(run *r)
{
	for (size_t i = 0; i < cc_program_leaves(r->p); i++) {
		const char *name = cc_program_leaf_name(r->p, i);

		if (!td_buffer_intact(&r->leaf[i]))
			return sb_printf(r->why, "memory behind leaf %s was written", name), false;
		if (!r->updated[i] && memcmp(r->leaf[i].p, r->before[i].p, r->leaf[i].bytes))
			return sb_printf(r->why, "leaf %s was written, but has no update", name), false;
	}
	for (size_t i = 0; i < r->f->nout; i++)
		if (!td_buffer_intact(&r->out[i]))
			return sb_printf(r->why, "memory behind output %s was written", r->f->out[i].name), false;
	return true;
}

static void fetch_states(run *r)
{
	for (size_t i = 0; i < r->f->nout; i++)
		if (r->f->out[i].state != IR_NO_REF)
			memcpy(r->out[i].p, r->leaf[leaf_number(r, r->f->out[i].name)].p, r->out[i].bytes);
}

static void count_run(const run *r)
{
	const rt_plan *p = cc_program_plan(r->p);
	bool shared = false;

	for (int t = 1; t < p->threads; t++)
		for (uint32_t i = p->start[t]; i < p->start[t + 1]; i++)
			shared |= p->work[i].hi > p->work[i].lo;
	td_runs += p->threads > 1;
	td_shared_runs += shared;
}

static void finish(run *r)
{
	for (size_t i = 0; r->leaf && i < cc_program_leaves(r->p); i++) {
		td_buffer_free(&r->leaf[i]);
		td_buffer_free(&r->before[i]);
	}
	free(r->leaf);
	free(r->before);
	free(r->updated);
	rt_exec_free(r->e);
	cc_program_free(r->p);
}

/* A copy in which whatever reads a result of op finds it too large by one. */
static ir_func *break_op(const ir_func *f, ir_op op, ir_arena *a)
{
	ir_func *g = ir_func_new(a, f->name);
	ir_ref *map = ar_new(a, ir_ref, f->n + 1);

	for (size_t i = 0; i < f->n; i++) {
		ir_type t = f->ins[i].type;

		ir_copy_ins(g, f, (ir_ref)i, map);
		if (f->ins[i].op == op && !ir_is_leaf(f, (ir_ref)i) && (ir_dtype_is_float(t.dtype) || t.dtype == IR_I32))
			map[i] = ir_emit2(g, "broken", (ir_loc){0}, IR_add, map[i],
					  ir_emit_constant(g, "broken", (ir_loc){0}, 1, ir_type_scalar(t.dtype)));
	}
	for (size_t i = 0; i < f->nout; i++)
		if (f->out[i].state == IR_NO_REF)
			ir_add_output(g, f->out[i].name, map[f->out[i].ref]);
		else
			ir_add_update(g, map[f->out[i].state], map[f->out[i].ref]);
	return g;
}

bool td_run_given(const td_how *h, const ir_func *f, const rt_tensor *leaf, td_buffer *out, ir_str *why)
{
	cc_options o = {.threads = h->threads, .opt_level = h->level};
	ir_arena *a = ar_open();
	ir_diag *d = ir_diag_new();
	run r = {.h = h, .out = out, .why = why};
	bool ok = false;

	r.f = f = h->broken ? break_op(f, *h->broken, a) : f;

	memset(out, 0, f->nout * sizeof *out);
	if (cc_compile(h->context, f, &o, &r.p, d) != IR_OK) {
		ir_diag_print_all(d, why);
		sb_put(why, "cc_compile failed");
	} else if (rt_exec_new(cc_program_plan(r.p), &r.e) != IR_OK) {
		sb_put(why, "rt_exec_new failed");
	} else if (bind_leaves(&r, leaf) && bind_outputs(&r)) {
		count_run(&r);
		rt_run(r.e, (size_t)h->steps);
		ok = inspect(&r);
		fetch_states(&r);
	}
	if (r.p)
		finish(&r);
	ir_diag_free(d);
	ar_free(a);
	return ok;
}

bool td_run(const td_how *h, const ir_func *f, uint64_t seed, td_buffer *out, ir_str *why)
{
	ir_arena *a = ar_open();
	rt_tensor *leaf = ar_new(a, rt_tensor, f->n + 1);
	size_t n = 0;
	bool ok;

	for (size_t i = 0; i < f->n; i++)
		if (ir_is_leaf(f, (ir_ref)i)) {
			leaf[n] = (rt_tensor){f->ins[i].type, ar_alloc(a, ir_type_bytes(&f->ins[i].type) + 16, 1)};
			td_fill(&f->ins[i], seed, leaf[n++].data);
		}
	ok = td_run_given(h, f, leaf, out, why);
	ar_free(a);
	return ok;
}
