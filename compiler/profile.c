/* SPDX-License-Identifier: Apache-2.0
 * compiler/profile.c -- what a step spent its time on: the counts of an exec, joined with what the plan knows of its launches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/plan.h"
#include "compiler/program.h"

/* "matmul 128x256x784" is a name and a shape; "map" has the shape of its rows and columns. */
static void name_row(const cc_launch *l, cc_profile_row *r)
{
	const char *space = strchr(l->name, ' ');
	int n = space ? (int)(space - l->name) : (int)strlen(l->name);

	snprintf(r->kernel, sizeof r->kernel, "%.*s", n, l->name);
	if (space)
		snprintf(r->shape, sizeof r->shape, "%s", space + 1);
	else
		snprintf(r->shape, sizeof r->shape, "%lldx%lld", (long long)l->rows, (long long)l->cols);
	for (size_t i = 0; l->epilogue && i < l->epilogue->nnode; i++)
		r->fused += l->epilogue->node[i].kind == CC_NODE_OP;
}

static bool same_row(const cc_profile_row *a, const cc_profile_row *b)
{
	return !strcmp(a->kernel, b->kernel) && !strcmp(a->shape, b->shape) && a->fused == b->fused;
}

static int longer(const void *a, const void *b)
{
	const cc_profile_row *x = a, *y = b;

	return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void add_launches(cc_profile *out, const cc_plan *p, const rt_profile *f)
{
	for (size_t i = 0; i < p->n; i++) {
		const cc_launch *l = &p->launch[i];
		cc_profile_row one = {.launches = 0};
		size_t k = 0;

		if (f->items[i] == 0)
			continue;
		name_row(l, &one);
		while (k < out->n && !same_row(&out->row[k], &one))
			k++;
		if (k == out->n)
			out->row[out->n++] = one;
		out->row[k].launches++;
		out->row[k].seconds += f->busy[i] / (double)f->steps;
		out->row[k].flops += l->flops, out->row[k].bytes += l->bytes;
	}
}

cc_profile cc_program_profile(const cc_program *g, const rt_profile *f, ir_arena *a)
{
	double steps = (double)f->steps, rest;
	cc_profile out = {.row = ar_new(a, cc_profile_row, g->plan.n + 3), .threads = f->team, .steps = (int64_t)f->steps,
		.step_s = f->wall / steps};

	add_launches(&out, &g->plan, f);
	qsort(out.row, out.n, sizeof *out.row, longer);
	rest = out.threads * out.step_s - (f->wait + f->panels) / steps;
	for (size_t i = 0; i < out.n; i++)
		rest -= out.row[i].seconds;
	out.row[out.n++] = (cc_profile_row){CC_ROW_BARRIERS, .launches = g->stats.levels, .seconds = f->wait / steps};
	if (f->panels > 0)
		out.row[out.n++] = (cc_profile_row){CC_ROW_PANELS, .seconds = f->panels / steps};
	out.row[out.n++] = (cc_profile_row){CC_ROW_BETWEEN, .seconds = rest};
	return out;
}
