/* SPDX-License-Identifier: Apache-2.0
 * The tables of ops.def, attr.def, cmp.def and init.def as data: everything about an op that this layer needs
 * but its shape rule (shape.c). The attribute column is read once, on first use. */
#include "ir/ir.h"

#include <pthread.h>
#include <string.h>

static ir_opinfo info[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) \
	[IR_##name] = {#name, args, 0, {0}, {0}, IR_LOWER_##lower, flops, doc},
#include "ir/ops.def"
#undef OP
};

static const char *const attrs_of[IR_OP_COUNT] = {
#define OP(name, args, attrs, shape, grad, lower, flops, doc) [IR_##name] = attrs,
#include "ir/ops.def"
#undef OP
};

static const struct {
	const char *name;
	ir_attr_kind kind;
} attr_row[IR_ATTR_COUNT] = {
#define ATTR(name, kind) [IR_ATTR_##name] = {#name, IR_KIND_##kind},
#include "ir/attr.def"
#undef ATTR
};

static const char *const cmp_row[IR_CMP_COUNT] = {
#define CMP(name, symbol) [IR_CMP_##name] = #name,
#include "ir/cmp.def"
#undef CMP
};

static const char *const init_row[IR_INIT_COUNT] = {
#define INIT(name, doc) [IR_INIT_##name] = #name,
#include "ir/init.def"
#undef INIT
};

static ir_attr_id find_attr(const char *s, size_t n)
{
	for (int i = 0; i < IR_ATTR_COUNT; i++)
		if (strlen(attr_row[i].name) == n && memcmp(attr_row[i].name, s, n) == 0)
			return (ir_attr_id)i;
	ir_bug("ops.def names an attribute '%.*s' that attr.def does not have", (int)n, s);
}

/* "ta? tb?" -> two attributes, both optional */
static void read_attrs(void)
{
	for (int op = 0; op < IR_OP_COUNT; op++) {
		for (const char *s = attrs_of[op]; *s;) {
			size_t n = strcspn(s, " ?");
			ir_opinfo *o = &info[op];

			IR_ASSERT(o->nattr < IR_MAX_ATTRS, "%s", o->name);
			o->attr[o->nattr] = find_attr(s, n);
			o->optional[o->nattr++] = s[n] == '?';
			s += n + (s[n] == '?');
			s += strspn(s, " ");
		}
	}
}

const ir_opinfo *ir_op_info(ir_op op)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_attrs);
	IR_ASSERT((unsigned)op < IR_OP_COUNT, "op %d", (int)op);
	return &info[op];
}

bool ir_op_find(const char *name, ir_op *out)
{
	for (int op = 0; op < IR_OP_COUNT; op++) {
		if (strcmp(info[op].name, name) == 0) {
			*out = (ir_op)op;
			return true;
		}
	}
	return false;
}

const char *ir_op_nearest(const char *name)
{
	size_t best = SIZE_MAX;
	const char *nearest = info[0].name;

	for (int op = 0; op < IR_OP_COUNT; op++) {
		size_t dist = ir_distance(name, info[op].name);

		if (dist < best) {
			best = dist;
			nearest = info[op].name;
		}
	}
	return nearest;
}

bool ir_op_is_random(ir_op op)
{
	return op == IR_split || op == IR_uniform || op == IR_normal;
}

const char *ir_attr_name(ir_attr_id id)
{
	return attr_row[id].name;
}

ir_attr_kind ir_attr_kind_of(ir_attr_id id)
{
	return attr_row[id].kind;
}

const char *ir_cmp_name(ir_cmp c)
{
	return cmp_row[c];
}

const char *ir_init_name(ir_init i)
{
	return init_row[i];
}
