/* SPDX-License-Identifier: Apache-2.0
 * compiler/profile.c -- what a step spent its time on: the counts of an exec, joined with what the plan knows of its launches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/plan.h"
#include "compiler/program.h"

static void name_row(const cc_launch *l, char *out, size_t n)
{
	size_t ops = 0;

	for (size_t i = 0; l->epilogue && i < l->epilogue->nnode; i++)
		ops += l->epilogue->node[i].kind == CC_NODE_OP;
	if (ops)
		snprintf(out, n, "%s +%zu", l->name, ops);
	else if (strchr(l->name, ' '))
		snprintf(out, n, "%s", l->name);
	else
		snprintf(out, n, "%s %lldx%lld", l->name, (long long)l->rows, (long long)l->cols);
}

static int longer(const void *a, const void *b)
{
	const cc_profile_row *x = a, *y = b;

	return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

cc_profile_row *cc_program_profile(const cc_program *g, const rt_profile *f, ir_arena *a, size_t *n)
{
	const cc_plan *p = &g->plan;
	cc_profile_row *row = ar_new(a, cc_profile_row, p->n + 1);

	*n = 0;
	for (size_t i = 0; i < p->n; i++) {
		const cc_launch *l = &p->launch[i];
		cc_profile_row one = {.launches = 0};
		size_t k = 0;

		if (f->items[i] == 0)
			continue;
		name_row(l, one.name, sizeof one.name);
		while (k < *n && strcmp(row[k].name, one.name))
			k++;
		if (k == *n)
			row[(*n)++] = one;
		row[k].launches++;
		row[k].seconds += f->busy[i] / (double)f->steps;
		row[k].flops += l->flops, row[k].bytes += l->bytes;
	}
	qsort(row, *n, sizeof *row, longer);
	return row;
}
