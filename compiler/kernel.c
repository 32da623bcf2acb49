/* SPDX-License-Identifier: Apache-2.0
 * compiler/kernel.c -- text form and argument layout of kernel descriptions. */
#include "compiler/kernel.h"

static const char *const kind_name[] = {
	[CC_KERNEL_MAP] = "map", [CC_KERNEL_REDUCE_COLS] = "reduce_cols", [CC_KERNEL_REDUCE_ROWS] = "reduce_rows",
	[CC_KERNEL_MATMUL] = "matmul", [CC_KERNEL_PEAK] = "peak", [CC_KERNEL_TRANSPOSE] = "transpose"};
static const char along_name[] = {
	[CC_ALONG_SCALAR] = 's', [CC_ALONG_SAME] = '=', [CC_ALONG_NEXT] = '+', [CC_ALONG_PANEL] = '#', [CC_ALONG_SUM] = '/', [CC_ALONG_ANY] = '*'};

static void print_node(const cc_node *n, size_t i, ir_str *out)
{
	sb_printf(out, " %%%zu=", i);
	switch (n->kind) {
	case CC_NODE_LOAD:
		sb_printf(out, "a%d", n->index);
		return;
	case CC_NODE_CONST:
		sb_printf(out, "c%d:%s", n->index, ir_dtype_text(n->dtype));
		return;
	case CC_NODE_OP:
		sb_printf(out, "%s:%s", ir_op_info(n->op)->name, ir_dtype_text(n->dtype));
		if (n->op == IR_compare)
			sb_printf(out, ".%s", ir_cmp_name(n->cmp));
		for (int k = 0; k < ir_op_info(n->op)->args; k++)
			sb_printf(out, "%c%d", k ? ',' : '(', n->arg[k]);
		sb_putc(out, ')');
		return;
	}
}

void cc_kernel_print(const cc_kernel *k, ir_str *out)
{
	sb_printf(out, "%s %s%s", kind_name[k->kind], ir_dtype_text(k->dtype), k->bf16 ? " bf16" : "");
	if (k->kind == CC_KERNEL_MATMUL)
		sb_printf(out, " p%d", k->k_pack);
	if (k->nnode == 0)
		return;
	sb_printf(out, " r%d", k->rank);
	if (k->nred)
		sb_printf(out, " %s%d(%%%d)", ir_op_info(k->reduce)->name, k->nred, k->reduced);
	for (size_t i = 0; i < k->naccess; i++)
		sb_printf(out, " a%zu:%s%c%s", i, ir_dtype_text(k->access[i].dtype), along_name[k->access[i].along],
			  k->access[i].is_iota ? "i" : "");
	sb_put(out, " |");
	for (size_t i = 0; i < k->nnode; i++)
		print_node(&k->node[i], i, out);
	sb_put(out, " |");
	for (size_t i = 0; i < k->nstore; i++)
		sb_printf(out, " a%d=%%%d", k->store[i].access, k->store[i].node);
}

cc_layout cc_kernel_layout(const cc_kernel *k)
{
	cc_layout l = {0};

	l.dims = 0;
	l.reds = l.dims + (k->rank > 2 ? k->rank - 2 : 0);
	l.access = l.reds + k->nred;
	l.stride_words = k->rank + k->nred;
	l.consts = l.access + (int)k->naccess * l.stride_words;
	l.total = l.consts + (int)k->nconst;
	return l;
}
