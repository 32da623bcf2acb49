/* SPDX-License-Identifier: Apache-2.0
 * compiler/pipeline.c -- the pass manager: what no pass does itself. Runs, verifies, dumps, times, and leaves a
 * reproducer behind when a pass breaks the IR. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "compiler/cc_int.h"

static const cc_pass table[] = {
#define PASS(name, function, doc) {#name, function, doc},
#include "compiler/passes.def"
#undef PASS
};

const cc_pass *cc_pass_at(size_t i)
{
	return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

const cc_pass *cc_pass_find(const char *name)
{
	for (size_t i = 0; cc_pass_at(i); i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

static const char *nearest(const char *name)
{
	const char *best = table[0].name;

	for (size_t i = 1; cc_pass_at(i); i++)
		if (ir_distance(name, table[i].name) < ir_distance(name, best))
			best = table[i].name;
	return best;
}

bool cc_pipeline_parse(cc_pipeline *p, const char *list, ir_diag *d)
{
	while (*list) {
		size_t n = strcspn(list, ",");
		char name[64] = "";
		const cc_pass *pass;

		snprintf(name, sizeof name, "%.*s", (int)n, list);
		pass = cc_pass_find(name);
		if (!pass) {
			ir_report(d, (ir_loc){0}, IR_E_unknown_pass, name);
			ir_report(d, (ir_loc){0}, IR_E_did_you_mean, nearest(name));
			return false;
		}
		if (p->n == sizeof p->pass / sizeof *p->pass)
			return ir_report(d, (ir_loc){0}, IR_E_too_many, "passes", (long long)p->n), false;
		p->pass[p->n++] = pass;
		list += n + (list[n] == ',');
	}
	return true;
}

/* legalize goes last but for the cleaning of what it makes: the passes before it see the user's ops. */
void cc_pipeline_default(cc_pipeline *p, int level)
{
	const char *list = level == 0 ? "legalize,dce" : "simplify,fold,simplify,cse,legalize,fold,simplify,cse,dce";

	*p = (cc_pipeline){.verify = true};
	if (!cc_pipeline_parse(p, list, NULL))
		ir_bug("the default pipeline names a pass that is not in passes.def");
}

/* ---- running -------------------------------------------------------------------------------------------- */

/* A file that gradmill opt runs as it stands: the remaining passes, then the IR before the failing one. */
static void write_reproducer(const cc_pipeline *p, size_t at, const ir_func *f)
{
	char path[64];
	ir_str s;

	sb_init(&s);
	sb_put(&s, "#> opt -p ");
	for (size_t i = at; i < p->n; i++)
		sb_printf(&s, "%s%s", i == at ? "" : ",", p->pass[i]->name);
	sb_put(&s, "\ngradmill 1\n");
	ir_func_print(f, &s);
	snprintf(path, sizeof path, "gradmill-crash-%ld.gm", (long)getpid());
	if (ir_file_write(path, s.s, s.n) == IR_OK)
		fprintf(stderr, "gradmill: wrote %s\n", path);
	sb_fini(&s);
}

/* What ir_bug calls while a pass runs, so that an assertion leaves a reproducer too. */
typedef struct running {
	const cc_pipeline *p;
	size_t at;
	const ir_func *f;
} running;

static void on_bug(void *ctx)
{
	const running *r = ctx;

	write_reproducer(r->p, r->at, r->f);
}

static void check(const cc_pipeline *p, size_t at, const ir_func *before, const ir_func *after)
{
	ir_diag *d = ir_diag_new();
	ir_str s;

	if (!ir_verify(after, d)) {
		sb_init(&s);
		ir_diag_print_all(d, &s);
		ir_bug("pass %s broke the IR of %s:\n%s", p->pass[at]->name, before->name, s.s);
	}
	ir_diag_free(d);
}

static bool wants_dump(const cc_pipeline *p, const char *pass)
{
	return p->dump && p->dump_after && (!strcmp(p->dump_after, "all") || !strcmp(p->dump_after, pass));
}

ir_func *cc_pipeline_run(const cc_pipeline *p, const ir_func *f, ir_arena *a, ir_diag *d)
{
	ir_func *g = (ir_func *)f;
	running r = {.p = p};

	for (size_t i = 0; i < p->n; i++) {
		double t0 = rt_seconds();
		const ir_func *before = g;

		r.at = i, r.f = before;
		ir_bug_context = p->pass[i]->name, ir_bug_hook = on_bug, ir_bug_hook_arg = &r;
		g = p->pass[i]->run(before, a, d);
		if (g && p->verify)
			check(p, i, before, g);
		ir_bug_context = NULL, ir_bug_hook = NULL;
		if (!g)
			return NULL;
		if (wants_dump(p, p->pass[i]->name)) {
			sb_printf(p->dump, "# after %s\n", p->pass[i]->name);
			ir_func_print(g, p->dump);
		}
		if (p->time && p->dump)
			sb_printf(p->dump, "# %-12s %8.3f ms  %zu instructions\n", p->pass[i]->name,
				  1e3 * (rt_seconds() - t0), g->n);
	}
	return g;
}

/* ---- what passes share ------------------------------------------------------------------------------------- */

void cc_copy_outputs(ir_func *dst, const ir_func *src, size_t n, const ir_ref *map)
{
	for (size_t i = 0; i < n; i++) {
		const ir_output *o = &src->out[i];

		if (o->state == IR_NO_REF)
			ir_add_output(dst, o->name, map[o->ref]);
		else
			ir_add_update(dst, map[o->state], map[o->ref]);
	}
}

ir_func *cc_rewrite(const ir_func *src, ir_arena *a, cc_rewrite_fn *fn, void *ctx)
{
	ir_func *dst = ir_func_new(a, src->name);
	ir_ref *map = ar_new(a, ir_ref, src->n ? src->n : 1);

	for (size_t i = 0; i < src->n; i++) {
		ir_ref r = fn(ctx, dst, src, (ir_ref)i, map);

		if (r == IR_NO_REF)
			ir_copy_ins(dst, src, (ir_ref)i, map);
		else
			map[i] = r;
	}
	cc_copy_outputs(dst, src, src->nout, map);
	return dst;
}

ir_func *cc_copy(const ir_func *src, ir_arena *a, const char *name, size_t nout)
{
	ir_func *dst = ir_func_new(a, name);
	ir_ref *map = ar_new(a, ir_ref, src->n ? src->n : 1);

	for (size_t i = 0; i < src->n; i++)
		ir_copy_ins(dst, src, (ir_ref)i, map);
	cc_copy_outputs(dst, src, nout, map);
	return dst;
}

bool cc_is_constant(const ir_func *f, ir_ref r, double *value)
{
	if (f->ins[r].op != IR_constant)
		return false;
	*value = ir_attr_get(&f->ins[r], IR_ATTR_value)->f;
	return true;
}

bool cc_check_bound(const ir_func *f, ir_diag *d)
{
	for (size_t i = 0; i < f->n; i++)
		if (ir_type_has_batch(&f->ins[i].type))
			return ir_report(d, f->ins[i].loc, IR_E_unbound_batch), false;
	return true;
}

ir_func *cc_pass_canonical(const ir_func *f, ir_arena *a, ir_diag *d)
{
	(void)d;
	return ir_canonical(f, a);
}
