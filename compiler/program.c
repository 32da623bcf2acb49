/* SPDX-License-Identifier: Apache-2.0
 * compiler/program.c -- cc_compile: passes, grouping, plan, code, and the rt_plan that the runtime runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/llvm/jit.h"
#include "compiler/program.h"

/* ---- late copies ------------------------------------------------------------------------------------------------ */

/* An update that could not be made in place waits in the arena and is copied after everything else. */
static void add_late_copies(cc_plan *p)
{
	for (size_t i = 0; i < p->f->nout; i++) {
		const ir_output *o = &p->f->out[i];
		const ir_type *t = &p->f->ins[o->ref].type;
		cc_launch *l;

		if (!p->late_copy[i])
			continue;
		l = ar_push(p->a, p->launch, p->n, p->cap);
		*l = (cc_launch){.group = CC_NO_GROUP, .call = rt_k_copy, .name = "copy", .rows = 1, .row_block = 1,
				 .cols = ir_type_count(t), .col_block = 4096, .noperand = 2, .narg = 1};
		l->operand = ar_new(p->a, cc_operand, 2);
		l->operand[0] = (cc_operand){o->ref, 0, false};
		l->operand[1] = (cc_operand){o->state, 0, true};
		l->arg = ar_new(p->a, int64_t, 1);
		l->arg[0] = (int64_t)ir_dtype_size(t->dtype);
		l->cost = 60e-9 + 0.1e-9 * (double)l->cols;
	}
}

/* ---- from cc_plan to rt_plan ------------------------------------------------------------------------------------ */

static rt_slot slot_of(const cc_plan *p, const cc_operand *o)
{
	const cc_place *at;

	if (o->base == IR_NO_REF)
		return (rt_slot){.kind = RT_SLOT_CODE};
	at = &p->place[o->base];
	return (rt_slot){.kind = at->kind, .index = at->index,
			 .offset = o->offset + (at->kind == RT_SLOT_ARENA ? at->offset : 0)};
}

static rt_launch *make_launches(const cc_plan *p)
{
	rt_launch *r = ar_new(p->a, rt_launch, p->n ? p->n : 1);

	for (size_t i = 0; i < p->n; i++) {
		const cc_launch *l = &p->launch[i];
		rt_slot *slot = ar_new(p->a, rt_slot, l->noperand ? l->noperand : 1);

		for (size_t k = 0; k < l->noperand; k++)
			slot[k] = slot_of(p, &l->operand[k]);
		r[i] = (rt_launch){.name = l->name, .slot = slot, .nslot = (uint32_t)l->noperand,
				   .arg = l->arg, .narg = (uint32_t)l->narg, .rows = l->rows, .cols = l->cols,
				   .row_block = l->row_block, .col_block = l->col_block, .down = l->down};
	}
	return r;
}

static rt_port leaf_port(const cc_plan *p, ir_ref r)
{
	const ir_ins *in = &p->f->ins[r];
	rt_port port = {.name = in->name, .bytes = ir_type_bytes(&in->type), .panels = p->panel[r]};

	if (!port.panels)
		return port;
	port.rows = in->type.dim[0], port.cols = in->type.dim[1];
	port.place = p->place[r].offset;
	for (size_t i = 0; i < p->f->nout; i++)
		port.written |= p->f->out[i].state == r;
	return port;
}

static void make_rt_plan(cc_program *g, int threads)
{
	cc_plan *p = &g->plan;
	rt_port *leaf = ar_new(p->a, rt_port, p->nleaf ? p->nleaf : 1);
	rt_port *out = ar_new(p->a, rt_port, p->nresult ? p->nresult : 1);

	for (size_t i = 0; i < p->nleaf; i++)
		leaf[i] = leaf_port(p, p->leaf[i]);
	for (size_t i = 0; i < p->nresult; i++) {
		const ir_output *o = &p->f->out[p->result[i]];

		out[i] = (rt_port){.name = o->name, .bytes = ir_type_bytes(&p->f->ins[o->ref].type)};
	}
	g->launch = make_launches(p);
	g->rt = (rt_plan){.launch = g->launch, .nlaunch = p->n, .work = p->work, .start = p->start,
			  .threads = threads, .leaf = leaf, .output = out, .nleaf = p->nleaf, .noutput = p->nresult,
			  .arena_bytes = p->arena_bytes};
}

/* ---- code --------------------------------------------------------------------------------------------------------- */

static void set_epilogue(rt_launch *l, rt_kernel *code)
{
	for (uint32_t k = 0; k < l->nslot; k++)
		if (l->slot[k].kind == RT_SLOT_CODE)
			((rt_slot *)l->slot)[k].code = code;
}

static ir_status fetch_code(cc_context *c, cc_program *g, ir_diag *d)
{
	cc_plan *p = &g->plan;
	const cc_kernel **k = ar_new(p->a, const cc_kernel *, 2 * p->n + 1);
	cc_code **code = ar_new(p->a, cc_code *, 2 * p->n + 1);
	cc_fetch_stats s = {0};
	size_t n = 0;
	ir_status st;

	for (size_t i = 0; i < p->n; i++) {
		if (p->launch[i].kernel)
			k[n++] = p->launch[i].kernel;
		if (p->launch[i].epilogue)
			k[n++] = p->launch[i].epilogue;
	}
	st = cc_fetch_kernels(c, k, n, code, &s, d);
	if (st != IR_OK)
		return st;
	g->context = c, g->code = code, g->ncode = n;
	for (size_t i = 0; i < p->n; i++) {
		g->launch[i].fn = p->launch[i].kernel ? cc_code_fn(*code++) : p->launch[i].call;
		if (p->launch[i].epilogue)
			set_epilogue(&g->launch[i], cc_code_fn(*code++));
	}
	g->stats.kernels = s.kernels;
	g->stats.kernels_compiled = s.compiled;
	g->stats.kernels_from_disk = s.from_disk;
	return IR_OK;
}

/* ---- cc_compile --------------------------------------------------------------------------------------------------- */

static bool make_plan(cc_plan *p, const ir_func *f, const cc_options *o, ir_arena *a, ir_diag *d)
{
	cc_pipeline pl;

	cc_pipeline_default(&pl, o->opt_level);
	f = cc_pipeline_run(o->pipeline ? o->pipeline : &pl, f, a, d);
	if (!f)
		return false;
	*p = (cc_plan){.f = cc_separate_outputs(f, a), .a = a, .schedule = o->schedule ? *o->schedule : cc_schedule_default()};
	cc_group_build(&p->g, p->f, a);
	cc_place_values(p);
	cc_choose_layouts(p);
	cc_lower(p);
	add_late_copies(p);
	cc_level(p);
	cc_plan_memory(p);
	cc_share(p, o->threads < 1 ? 1 : o->threads);
	return true;
}

cc_program *cc_program_new(const ir_func *f, const cc_options *o, ir_diag *d)
{
	cc_program *g = ir_xmalloc(1, sizeof *g);
	int threads = o->threads < 1 ? 1 : o->threads;

	g->a = ar_open();
	if (!make_plan(&g->plan, f, o, g->a, d)) {
		cc_program_free(g);
		return NULL;
	}
	make_rt_plan(g, threads);
	g->stats.cost = cc_func_cost(g->plan.f);
	g->stats.arena_bytes = g->plan.arena_bytes;
	g->stats.launches = (int)g->plan.n;
	g->stats.levels = g->plan.levels;
	return g;
}

ir_status cc_compile(cc_context *c, const ir_func *f, const cc_options *o, cc_program **out, ir_diag *d)
{
	double t0 = rt_seconds();
	cc_options tuned = *o;
	cc_schedule schedule;
	cc_program *g;
	ir_status st;

	*out = NULL;
	if (o->tune) {
		schedule = cc_tuned(c, f, o, d);
		tuned.schedule = &schedule;
	}
	g = cc_program_new(f, &tuned, d);
	if (!g)
		return IR_EINPUT;
	st = fetch_code(c, g, d);
	if (st != IR_OK) {
		cc_program_free(g);
		return st;
	}
	g->stats.compile_ms = 1e3 * (rt_seconds() - t0);
	*out = g;
	return IR_OK;
}

void cc_program_free(cc_program *p)
{
	if (!p)
		return;
	if (p->context)
		cc_release_kernels(p->context, p->code, p->ncode);
	ar_free(p->a);
	free(p);
}

const rt_plan *cc_program_plan(const cc_program *p)
{
	return &p->rt;
}

const cc_stats *cc_program_stats(const cc_program *p)
{
	return &p->stats;
}

size_t cc_program_leaves(const cc_program *p)
{
	return p->plan.nleaf;
}

static const ir_ins *leaf_ins(const cc_program *p, size_t i)
{
	return &p->plan.f->ins[p->plan.leaf[i]];
}

const char *cc_program_leaf_name(const cc_program *p, size_t i)
{
	return leaf_ins(p, i)->name;
}

ir_op cc_program_leaf_op(const cc_program *p, size_t i)
{
	return leaf_ins(p, i)->op;
}

ir_type cc_program_leaf_type(const cc_program *p, size_t i)
{
	return leaf_ins(p, i)->type;
}

size_t cc_program_outputs(const cc_program *p)
{
	return p->plan.nresult;
}

static const ir_output *result(const cc_program *p, size_t i)
{
	return &p->plan.f->out[p->plan.result[i]];
}

const char *cc_program_output_name(const cc_program *p, size_t i)
{
	return result(p, i)->name;
}

ir_type cc_program_output_type(const cc_program *p, size_t i)
{
	return p->plan.f->ins[result(p, i)->ref].type;
}

/* ---- text --------------------------------------------------------------------------------------------------------- */

static void print_place(const cc_plan *p, const cc_operand *o, ir_str *out)
{
	const ir_ins *in;

	if (o->base == IR_NO_REF) {
		sb_put(out, " code");
		return;
	}
	in = &p->f->ins[o->base];
	sb_printf(out, " %s", o->write ? "=>" : "");
	if (in->name)
		sb_put(out, in->name);
	else
		sb_printf(out, "%%%u", o->base);
	if (p->place[o->base].kind == RT_SLOT_ARENA)
		sb_printf(out, "@%zu", p->place[o->base].offset + o->offset);
	else
		sb_printf(out, "@%s%u", p->place[o->base].kind == RT_SLOT_LEAF ? "leaf" : "out", p->place[o->base].index);
}

void cc_program_print_plan(const cc_program *g, ir_str *out)
{
	const cc_plan *p = &g->plan;

	sb_printf(out, "arena %zu bytes, %zu launches, %d levels\n", p->arena_bytes, p->n, p->levels);
	for (int level = 0; level < p->levels; level++) {
		sb_printf(out, "level %d\n", level);
		for (size_t i = 0; i < p->n; i++) {
			const cc_launch *l = &p->launch[i];

			if (l->level != level)
				continue;
			sb_printf(out, "  %zu %s [%lld,%lld] %.2f us:", i, l->name, (long long)l->rows, (long long)l->cols,
				  1e6 * l->cost);
			for (size_t k = 0; k < l->noperand; k++)
				print_place(p, &l->operand[k], out);
			for (int k = 0; k < 2; k++)
				if (k ? l->epilogue : l->kernel) {
					sb_put(out, k ? "\n      then " : "\n      ");
					cc_kernel_print(k ? l->epilogue : l->kernel, out);
				}
			sb_putc(out, '\n');
		}
	}
}

ir_status cc_emit_kernels(cc_context *c, const ir_func *f, const cc_options *o, bool assembly, ir_str *out, ir_diag *d)
{
	ir_arena *a = ar_open();
	cc_plan p;
	ir_str seen, name;
	ir_status st = make_plan(&p, f, o, a, d) ? IR_OK : IR_EINPUT;

	sb_init(&seen);
	sb_init(&name);
	for (size_t i = 0; st == IR_OK && i < 2 * p.n; i++) {
		const cc_kernel *k = i % 2 ? p.launch[i / 2].epilogue : p.launch[i / 2].kernel;

		if (!k)
			continue;
		sb_clear(&name);
		sb_putc(&name, '\n');
		cc_kernel_print(k, &name);
		sb_putc(&name, '\n');
		if (seen.s && strstr(seen.s, name.s))
			continue;
		sb_put(&seen, name.s);
		sb_printf(out, "%c%s", assembly ? '#' : ';', name.s + 1);
		cc_print_kernel(c, k, assembly, out);
	}
	sb_fini(&seen);
	sb_fini(&name);
	ar_free(a);
	return st;
}
