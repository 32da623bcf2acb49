/* SPDX-License-Identifier: Apache-2.0
 * search/report/graph.c -- the architecture of the best trial: its program as layers, one under the other, as wide as their
 * values; what does not go to the next layer is an arc. Weights, biases and activations belong to their layers. Any program
 * can be drawn like this, also one without residual blocks: the order of storage is an order of computing. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "search/report/report_int.h"

#define MAX_LAYERS 150
#define WIDTH      340.0 /* of the picture */
#define CENTRE     128.0
#define BAR        236.0 /* width of the widest layer */
#define ROW        34.0
#define TOP        8.0

#define NONE UINT32_MAX

typedef struct layer {
	ir_ref first, last; /* values; last is what it hands on */
	const char *before; /* activation in front of it, or NULL */
	ir_op op;
	int64_t weights;
	uint32_t *from; /* layers, in the order of the operands */
	size_t nfrom;
	bool sum;       /* joins two values: drawn as a circle */
} layer;

typedef struct graph {
	const ir_func *f;
	bool *live, *fixed; /* fixed: follows from weights and constants alone */
	bool *mark, *counted; /* scratch of weights_of; params that a layer has */
	uint32_t *owner;    /* layer of a value, NONE: it belongs to the picture of none */
	uint32_t *users;    /* live ones; an output of the function counts */
	layer layer[MAX_LAYERS];
	size_t n;
	double scale; /* of the widths */
	ir_arena *a;
} graph;

/* ---- from values to layers ------------------------------------------------------------------------------------------ */

static bool wanted(const ir_output *o, bool reconstructs)
{
	return o->state == IR_NO_REF && (!reconstructs || !strcmp(o->name, IR_OUT_RECONSTRUCTION) || !strcmp(o->name, IR_OUT_LATENT));
}

/* What the reconstruction follows from; the loss is no part of the model. */
static void find_live(graph *g)
{
	const ir_func *f = g->f;
	bool reconstructs = ir_find_output(f, IR_OUT_RECONSTRUCTION) != NULL;

	for (size_t i = 0; i < f->nout; i++) {
		if (!wanted(&f->out[i], reconstructs))
			continue;
		g->live[f->out[i].ref] = true;
		g->users[f->out[i].ref]++;
	}
	for (size_t i = f->n; i-- > 0;) {
		for (uint32_t k = 0; g->live[i] && k < f->ins[i].narg; k++) {
			g->live[f->ins[i].arg[k]] = true;
			g->users[f->ins[i].arg[k]]++;
		}
	}
}

static void find_fixed(graph *g)
{
	for (size_t i = 0; i < g->f->n; i++) {
		const ir_ins *in = &g->f->ins[i];

		g->fixed[i] = in->op != IR_input;
		for (uint32_t k = 0; k < in->narg; k++)
			g->fixed[i] &= g->fixed[in->arg[k]];
	}
}

/* The only operand that is not fixed; IR_NO_REF: there are several, or none. */
static ir_ref only_operand(const graph *g, const ir_ins *in)
{
	ir_ref only = IR_NO_REF;

	for (uint32_t k = 0; k < in->narg; k++) {
		if (g->fixed[in->arg[k]])
			continue;
		if (only != IR_NO_REF && only != in->arg[k])
			return IR_NO_REF;
		only = in->arg[k];
	}
	return only;
}

static bool is_activation(const ir_ins *in)
{
	return in->narg == 1 && ir_op_info(in->op)->lower == IR_LOWER_ew && in->op != IR_cast;
}

/* Elements of the params that r needs beside the data, as far as no layer above has counted them. One sweep down, not a
 * walk along the operands: what is used twice at every step would be walked along 2^n ways. */
static int64_t weights_of(graph *g, ir_ref r)
{
	const ir_ins *ins = g->f->ins;
	int64_t n = 0;

	memset(g->mark, 0, r * sizeof *g->mark);
	for (uint32_t k = 0; k < ins[r].narg; k++)
		g->mark[ins[r].arg[k]] = g->fixed[ins[r].arg[k]];
	for (ir_ref i = r; i-- > 0;) {
		if (!g->mark[i])
			continue;
		if (ins[i].op == IR_param && !g->counted[i] && !ir_type_has_batch(&ins[i].type))
			n += ir_type_count(&ins[i].type), g->counted[i] = true;
		for (uint32_t k = 0; k < ins[i].narg; k++)
			g->mark[ins[i].arg[k]] = true;
	}
	return n;
}

/* The layer that value r may become a part of, because it alone goes on with that layer: a product behind its activation, a
 * bias behind its product. */
static layer *layer_to_join(graph *g, const ir_ins *in)
{
	ir_ref x = only_operand(g, in);
	layer *l;

	if (x == IR_NO_REF || g->users[x] != 1 || g->owner[x] == NONE)
		return NULL;
	l = &g->layer[g->owner[x]];
	if (in->op == IR_matmul && l->first == l->last && is_activation(&g->f->ins[l->last]))
		return l;
	if (in->op == IR_add && in->narg == 2 && l->op == IR_matmul && g->f->ins[l->last].op == IR_matmul)
		return l;
	return NULL;
}

static void add_operands(graph *g, layer *l, const ir_ins *in)
{
	l->from = ar_new(g->a, uint32_t, in->narg + 1);
	for (uint32_t k = 0; k < in->narg; k++) {
		uint32_t from = g->owner[in->arg[k]];
		bool known = from == NONE;

		for (size_t i = 0; i < l->nfrom; i++)
			known |= l->from[i] == from;
		if (!known)
			l->from[l->nfrom++] = from;
	}
	l->sum = in->op == IR_add && l->nfrom > 1;
}

/* False: there are more layers than a picture can show. */
static bool add_value(graph *g, ir_ref r)
{
	const ir_ins *in = &g->f->ins[r];
	layer *l = layer_to_join(g, in);

	if (l) {
		l->before = in->op == IR_matmul ? ir_op_info(l->op)->name : l->before;
		l->op = in->op == IR_matmul ? IR_matmul : l->op;
	} else {
		if (g->n == MAX_LAYERS)
			return false;
		l = &g->layer[g->n++];
		*l = (layer){.first = r, .op = in->op};
		add_operands(g, l, in);
	}
	l->last = r;
	l->weights += weights_of(g, r);
	g->owner[r] = (uint32_t)(l - g->layer);
	return true;
}

static bool find_layers(graph *g)
{
	size_t n = g->f->n;

	g->live = ar_new(g->a, bool, n + 1);
	g->fixed = ar_new(g->a, bool, n + 1);
	g->mark = ar_new(g->a, bool, n + 1);
	g->counted = ar_new(g->a, bool, n + 1);
	g->owner = ar_new(g->a, uint32_t, n + 1);
	g->users = ar_new(g->a, uint32_t, n + 1);
	find_live(g);
	find_fixed(g);
	for (size_t i = 0; i < n; i++) {
		g->owner[i] = NONE;
		if (g->live[i] && !g->fixed[i] && !add_value(g, (ir_ref)i))
			return false;
	}
	return g->n > 0;
}

/* ---- drawing -------------------------------------------------------------------------------------------------------- */

static const ir_ins *value_of(const graph *g, const layer *l)
{
	return &g->f->ins[l->last];
}

/* Elements per row of data. */
static int64_t features(const graph *g, const layer *l)
{
	const ir_type *t = &value_of(g, l)->type;
	int64_t n = 1;

	for (int i = 0; i < t->rank; i++)
		n *= t->dim[i] == IR_BATCH ? 1 : t->dim[i];
	return n;
}

static bool is_output(const graph *g, const layer *l, const char *name)
{
	const ir_output *o = ir_find_output(g->f, name);

	return o && o->ref == l->last;
}

static const char *layer_text(const graph *g, const layer *l)
{
	const char *op = l->op == IR_matmul ? "dense" : l->op == IR_input ? "input" : ir_op_info(l->op)->name;
	const char *role = is_output(g, l, IR_OUT_LATENT) ? "latent: " : is_output(g, l, IR_OUT_RECONSTRUCTION) ? "reconstruction: " : "";

	return ar_printf(g->a, "%s%s%s%s %lld", role, l->before ? l->before : "", l->before ? ", " : "", op, (long long)features(g, l));
}

static double bar_width(const graph *g, const layer *l)
{
	return fmax(BAR * g->scale * log1p((double)features(g, l)), 7.0 * (double)strlen(layer_text(g, l)) + 14);
}

static double row_y(const layer *first, const layer *l)
{
	return TOP + ROW * (double)(l - first) + ROW / 2;
}

static const char *layer_class(const graph *g, const layer *l)
{
	if (is_output(g, l, IR_OUT_LATENT))
		return "layer latent";
	if (l->op == IR_input || is_output(g, l, IR_OUT_RECONSTRUCTION))
		return "layer end";
	return l->op == IR_matmul ? "layer dense" : "layer";
}

static const char *layer_tip(const graph *g, const layer *l)
{
	const ir_ins *in = value_of(g, l);
	const char *tip = ar_printf(g->a, "%s: %s", in->name ? in->name : "unnamed", ir_type_text(g->a, &in->type));

	if (l->weights)
		tip = ar_printf(g->a, "%s\n%lld weights", tip, (long long)l->weights);
	return in->loc.line ? ar_printf(g->a, "%s\nline %u", tip, in->loc.line) : tip;
}

static void put_tip(ir_str *out, const char *tip)
{
	sb_put(out, " data-tip=\"");
	se_html_put(out, tip);
	sb_putc(out, '"');
}

static void draw_layer(const graph *g, const layer *l, ir_str *out)
{
	double w = bar_width(g, l), y = row_y(g->layer, l);

	if (l->sum) {
		sb_printf(out, "<circle class=\"layer sum\" cx=\"%.1f\" cy=\"%.1f\" r=\"9\"", CENTRE, y);
		put_tip(out, layer_tip(g, l));
		sb_printf(out, "/><path class=\"plus\" d=\"M%.1f %.1fh10m-5 -5v10\"/>\n", CENTRE - 5, y);
		return;
	}
	sb_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"22\" rx=\"5\"", layer_class(g, l),
		  CENTRE - w / 2, y - 11, w);
	put_tip(out, layer_tip(g, l));
	sb_put(out, "/>\n");
	se_svg_text(out, CENTRE, y + 4, "name mid", layer_text(g, l));
}

static double half(const graph *g, const layer *l)
{
	return l->sum ? 8 : bar_width(g, l) / 2;
}

/* The arcs that are drawn now keep to lanes of their own: free[i] is the layer from which on lane i can be had again. */
static size_t take_lane(size_t *free_from, size_t *lanes, size_t from, size_t to)
{
	size_t lane = 0;

	while (lane < *lanes && free_from[lane] > from)
		lane++;
	if (lane == *lanes)
		(*lanes)++;
	free_from[lane] = to;
	return lane;
}

/* Leaves below the middle of its layer and arrives above: what goes in and what comes out do not touch. */
static void draw_arc(const graph *g, const layer *from, const layer *to, size_t lane, ir_str *out)
{
	double x0 = CENTRE + half(g, from), y0 = row_y(g->layer, from) + 4, x1 = CENTRE + half(g, to), y1 = row_y(g->layer, to) - 4;
	double x = fmin(CENTRE + BAR / 2 + 18 + 16 * (double)lane, WIDTH - 6);

	sb_printf(out, "<path class=\"edge arc\" d=\"M%.1f %.1fH%.1fQ%.1f %.1f %.1f %.1fV%.1fQ%.1f %.1f %.1f %.1fH%.1f\"/>\n", x0, y0,
		  x - 8, x, y0, x, y0 + 8, y1 - 8, x, y1, x - 8, y1, x1 + 1);
}

/* Top down; short arcs lie inside of long ones when their lane is free by then. */
static void draw_edges(const graph *g, ir_str *out)
{
	size_t free_from[MAX_LAYERS] = {0}, lanes = 0;

	for (size_t i = 0; i < g->n; i++) {
		for (size_t k = 0; k < g->layer[i].nfrom; k++) {
			size_t from = g->layer[i].from[k];

			if (from + 1 == i)
				sb_printf(out, "<path class=\"edge\" d=\"M%.1f %.1fV%.1f\"/>\n", CENTRE, row_y(g->layer, &g->layer[from]),
					  row_y(g->layer, &g->layer[i]));
			else
				draw_arc(g, &g->layer[from], &g->layer[i], take_lane(free_from, &lanes, from, i), out);
		}
	}
}

static void draw(graph *g, se_report *r)
{
	int64_t widest = 1, weights = 0;
	const char *id = ar_printf(r->a, "g%u", r->ids++);

	for (size_t i = 0; i < g->n; i++) {
		widest = features(g, &g->layer[i]) > widest ? features(g, &g->layer[i]) : widest;
		weights += g->layer[i].weights;
	}
	g->scale = 1 / log1p((double)widest);
	sb_put(r->out, "<figure class=\"graph\">\n");
	se_svg_begin(r->out, id, "Architecture of the best trial", ar_printf(r->a, "%zu layers from the input at the top to the "
		"reconstruction at the bottom, %lld weights.", g->n, (long long)weights), WIDTH, 2 * TOP + ROW * (double)g->n);
	draw_edges(g, r->out);
	for (size_t i = 0; i < g->n; i++)
		draw_layer(g, &g->layer[i], r->out);
	se_svg_end(r->out);
	sb_printf(r->out, "<figcaption>Trial %lld. Bars are as wide as the logarithm of their number of features; arcs pass layers by, "
		"+ adds.</figcaption></figure>\n", (long long)r->best->number);
}

void se_report_graph(se_report *r)
{
	graph *g = ar_new(r->a, graph, 1);
	ir_diag *d = ir_diag_new();
	ir_module *m = r->ir ? ir_parse("model", r->ir, strlen(r->ir), r->a, d) : NULL;

	g->a = r->a;
	g->f = m ? ir_module_find(m, IR_ENTRY) : NULL;
	if (!g->f)
		sb_put(r->out, "<p>There is no model text that this version can read.</p>\n");
	else if (!find_layers(g))
		sb_printf(r->out, "<p>The model has more than %d layers, too many for a picture.</p>\n", MAX_LAYERS);
	else
		draw(g, r);
	ir_diag_free(d);
}
