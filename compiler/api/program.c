/* SPDX-License-Identifier: Apache-2.0
 * compiler/api/program.c -- compiled functions behind gradmill.h: names, memory, runs. */
#include <stdlib.h>
#include <string.h>
#include "compiler/api/api_int.h"

/* A leaf or an output of the program. */
typedef struct slot {
	gm_value v;
	size_t number; /* of the leaf or output */
	ir_type type;
	ir_init how;   /* params and states */
	uint32_t position;
	rt_tensor own;
	void *data;    /* own.data or the caller's; NULL = not bound yet */
} slot;

struct gm_program {
	gm_ctx *ctx;
	ir_arena *a; /* names and slots */
	cc_program *p;
	rt_exec *e;
	slot *slot;
	size_t n;
	uint64_t seed;
};

gm_options gm_options_default(void)
{
	return (gm_options){.size = sizeof(gm_options), .opt_level = 2};
}

/* ---- slots ---------------------------------------------------------------------------------------------------- */

static slot *find(const gm_program *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->slot[i].v.name, name))
			return &p->slot[i];
	return NULL;
}

static void add_slot(gm_program *p, const char *name, gm_role role, ir_type t, size_t number)
{
	slot *s = &p->slot[p->n++];

	s->number = number;
	s->type = t;
	s->position = IR_NO_REF;
	s->v = (gm_value){ar_strdup(p->a, name), role, cc_api_dtype_of(t.dtype), t.rank, {0}, ir_type_bytes(&t)};
	memcpy(s->v.dim, t.dim, sizeof s->v.dim);
}

static gm_role role_of(ir_op op)
{
	return op == IR_param ? GM_PARAM : op == IR_state ? GM_STATE : GM_INPUT;
}

/* A result with the name of a leaf gets ".out" behind it: names are the only handles. */
static void add_outputs(gm_program *p)
{
	for (size_t i = 0; i < cc_program_outputs(p->p); i++) {
		const char *name = cc_program_output_name(p->p, i);

		while (find(p, name))
			name = ar_printf(p->a, "%s.out", name);
		add_slot(p, name, GM_OUTPUT, cc_program_output_type(p->p, i), i);
	}
}

static void make_slots(gm_program *p, const ir_func *f)
{
	size_t leaves = cc_program_leaves(p->p);
	uint32_t *position = ar_new(p->a, uint32_t, f->n + 1);

	p->slot = ar_new(p->a, slot, leaves + cc_program_outputs(p->p) + 1);
	ir_canonical_positions(f, position);
	for (gm_role role = GM_INPUT; role <= GM_STATE; role++)
		for (size_t i = 0; i < leaves; i++) {
			const char *name = cc_program_leaf_name(p->p, i);
			ir_ref r = ir_find_value(f, name);

			if (role_of(cc_program_leaf_op(p->p, i)) != role)
				continue;
			add_slot(p, name, role, cc_program_leaf_type(p->p, i), i);
			if (role == GM_INPUT || r == IR_NO_REF)
				continue;
			p->slot[p->n - 1].how = (ir_init)ir_attr_int(&f->ins[r], IR_ATTR_init);
			p->slot[p->n - 1].position = position[r];
		}
	add_outputs(p);
}

/* ---- compiling ------------------------------------------------------------------------------------------------ */

gm_status gm_compile(const gm_model *m, const char *func, const gm_options *given, gm_program **out)
{
	gm_options o = given ? *given : gm_options_default();
	gm_program *p;
	cc_options co;
	ir_func *f;
	ir_status s = IR_EINPUT;

	cc_api_begin(m->ctx);
	*out = NULL;
	if (o.size != sizeof o)
		return cc_api_fail(m->ctx, GM_EINPUT, "gm_options: start from gm_options_default()");
	co = (cc_options){.threads = cc_api_thread_count(o.threads), .opt_level = o.opt_level};
	p = ir_xmalloc(1, sizeof *p);
	*p = (gm_program){.ctx = m->ctx, .a = ar_open(), .seed = o.seed};
	f = cc_api_bound(m, func, o.batch, (cc_precision)o.precision, p->a);
	if (f)
		s = cc_compile(m->ctx->c, f, &co, &p->p, m->d);
	if (s == IR_OK)
		s = rt_exec_new(cc_program_plan(p->p), &p->e);
	if (s == IR_OK) {
		make_slots(p, f);
		*out = p;
	} else {
		gm_program_free(p);
	}
	return cc_api_end(m->ctx, m->d, s);
}

void gm_program_free(gm_program *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		rt_tensor_free(&p->slot[i].own);
	if (p->e)
		rt_exec_free(p->e);
	cc_program_free(p->p);
	ar_free(p->a);
	free(p);
}

size_t gm_program_values(const gm_program *p)
{
	return p->n;
}

gm_status gm_program_value(const gm_program *p, size_t i, gm_value *out)
{
	cc_api_begin(p->ctx);
	if (i >= p->n)
		return cc_api_fail(p->ctx, GM_EINPUT, "the program has %zu values, there is no number %zu", p->n, i);
	*out = p->slot[i].v;
	return GM_OK;
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

static void bind(gm_program *p, slot *s, void *data)
{
	s->data = data;
	if (s->v.role == GM_OUTPUT)
		rt_bind_output(p->e, s->number, data, 0);
	else
		rt_bind_leaf(p->e, s->number, data, 0);
}

static ir_status bind_own(gm_program *p, slot *s)
{
	ir_status st = IR_OK;

	if (s->data)
		return IR_OK;
	if (!s->own.data)
		st = rt_tensor_alloc(&s->own, s->type);
	if (st != IR_OK)
		return st;
	if (s->v.role == GM_PARAM || s->v.role == GM_STATE)
		rt_init(&s->own, s->how, rt_key_seed(p->seed), s->position == IR_NO_REF ? 0 : s->position);
	bind(p, s, s->own.data);
	return IR_OK;
}

/* The slot of that name and size; NULL after a message. */
static slot *checked(gm_program *p, const char *name, size_t bytes)
{
	slot *s = find(p, name);

	cc_api_begin(p->ctx);
	if (!s)
		cc_api_fail(p->ctx, GM_EINPUT, "the program has no value named '%s'", name);
	else if (s->v.bytes != bytes)
		cc_api_fail(p->ctx, GM_EINPUT, "'%s' has %zu bytes, not %zu", name, s->v.bytes, bytes), s = NULL;
	return s;
}

gm_status gm_program_data(gm_program *p, const char *name, size_t bytes, void **out)
{
	slot *s = checked(p, name, bytes);
	ir_status st;

	*out = NULL;
	if (!s)
		return GM_EINPUT;
	st = bind_own(p, s);
	if (st == IR_OK)
		*out = s->data;
	return cc_api_end(p->ctx, NULL, st);
}

gm_status gm_program_bind(gm_program *p, const char *name, void *data, size_t bytes)
{
	slot *s = checked(p, name, bytes);

	if (!s)
		return GM_EINPUT;
	if (!data || (uintptr_t)data % RT_ALIGN)
		return cc_api_fail(p->ctx, GM_EINPUT, "the memory for '%s' is not aligned to %d bytes", name, RT_ALIGN);
	rt_tensor_free(&s->own);
	bind(p, s, data);
	return GM_OK;
}

gm_status gm_program_run(gm_program *p)
{
	ir_status st = IR_OK;

	for (size_t i = 0; i < p->n && st == IR_OK; i++)
		st = bind_own(p, &p->slot[i]);
	if (st != IR_OK) {
		cc_api_begin(p->ctx);
		return cc_api_end(p->ctx, NULL, st);
	}
	rt_run(p->e, 1);
	return GM_OK;
}

void gm_program_facts(const gm_program *p, gm_facts *out)
{
	const cc_stats *s = cc_program_stats(p->p);
	gm_facts all = {sizeof all, s->cost.flops, s->cost.params, s->arena_bytes, s->compile_ms, s->kernels,
			s->kernels_compiled, s->launches};
	size_t size = out->size < sizeof all ? out->size : sizeof all;

	memcpy(out, &all, size);
	out->size = size;
}
