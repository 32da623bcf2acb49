/* SPDX-License-Identifier: Apache-2.0
 * gradmill ops: the manual of the IR's operations, from ops.def alone. ir/README.md holds what --md prints; tests/lint
 * compares the two. */
#include <stdio.h>
#include <string.h>
#include "compiler/cmd.h"
#include "compiler/cmd_int.h"
#include "ir/base/cli.h"

static const ir_command command = {
	.name = "ops", .operands = "", .summary = "the manual of the IR's operations",
	.examples = "  gradmill ops\n  gradmill ops --md\n", .min_operands = 0, .max_operands = 0,
};

static const char *const gradient_of[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) [IR_##name] = #grad,
#include "ir/ops.def"
#undef OP
};

/* yes: has a rule; zero: nothing flows back; none: differentiating it is an error; -: has no operands. */
static const char *gradient(ir_op op)
{
	if (ir_op_info(op)->args == 0)
		return "-";
	if (!strcmp(gradient_of[op], "ZERO"))
		return "zero";
	return strcmp(gradient_of[op], "NONE") ? "yes" : "none";
}

static const char *operands(const ir_opinfo *o, char text[16])
{
	snprintf(text, 16, "%d", o->args);
	return o->args < 0 ? "1.." : text;
}

/* "ta? tb?" */
static void put_attrs(const ir_opinfo *o, ir_str *out)
{
	for (int k = 0; k < o->nattr; k++)
		sb_printf(out, "%s%s%s", k ? " " : "", ir_attr_name(o->attr[k]), o->optional[k] ? "?" : "");
}

static void put_text(ir_op op, ir_str *out)
{
	const ir_opinfo *o = ir_op_info(op);
	char n[16];
	ir_str attrs;

	sb_init(&attrs);
	put_attrs(o, &attrs);
	sb_printf(out, "%-13s %-8s %-11s %-8s %s\n", o->name, operands(o, n), attrs.s, gradient(op), o->doc);
	sb_fini(&attrs);
}

static void put_md(ir_op op, ir_str *out)
{
	const ir_opinfo *o = ir_op_info(op);
	char n[16];

	sb_printf(out, "| `%s` | %s | ", o->name, operands(o, n));
	put_attrs(o, out);
	sb_printf(out, "%s| %s | %s |\n", o->nattr ? " " : "", gradient(op), o->doc);
}

static void put_json(ir_op op, ir_str *out)
{
	const ir_opinfo *o = ir_op_info(op);

	sb_printf(out, "%s\n  {\"name\": \"%s\", \"operands\": %d, \"attributes\": [", op ? "," : "", o->name, o->args);
	for (int k = 0; k < o->nattr; k++)
		sb_printf(out, "%s{\"name\": \"%s\", \"optional\": %s}", k ? ", " : "", ir_attr_name(o->attr[k]),
			  o->optional[k] ? "true" : "false");
	sb_printf(out, "], \"gradient\": \"%s\", \"doc\": ", gradient(op));
	sb_put_json_text(out, o->doc);
	sb_putc(out, '}');
}

int cc_cmd_ops(int argc, char **argv)
{
	bool md = false, json = false;
	const ir_opt table[] = {
		{"md", IR_OPT_FLAG, &md, 0, NULL, "as the table of ir/README.md"},
		{"json", IR_OPT_FLAG, &json, 0, NULL, "print one JSON object"},
	};
	char **operand;
	int rc = ir_cli_parse(&command, table, sizeof table / sizeof *table, argc, argv, &operand);
	ir_str out;

	if (rc >= 0)
		return rc;
	sb_init(&out);
	if (json)
		sb_put(&out, "{\"ops\": [");
	else if (md)
		sb_put(&out, "| op | operands | attributes | gradient | what it is |\n|---|---|---|---|---|\n");
	else
		sb_printf(&out, "%-13s %-8s %-11s %-8s %s\n", "op", "operands", "attributes", "gradient", "what it is");
	for (int op = 0; op < IR_OP_COUNT; op++)
		(json ? put_json : md ? put_md : put_text)((ir_op)op, &out);
	if (json)
		sb_put(&out, "\n]}\n");
	rc = cc_write_answer("ops", NULL, &out);
	sb_fini(&out);
	return rc;
}
