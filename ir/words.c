/* SPDX-License-Identifier: Apache-2.0
 * The vocabulary of attributes in text: which ones an op has, and the words that stand for numbers. */
#include "ir/syntax.h"

#include <string.h>

bool ir_op_attr(ir_op op, const char *name, ir_attr_id *id)
{
	const ir_opinfo *o = ir_op_info(op);

	for (int k = 0; k < o->nattr; k++) {
		if (strcmp(ir_attr_name(o->attr[k]), name) == 0) {
			*id = o->attr[k];
			return true;
		}
	}
	return false;
}

bool ir_op_attr_of(ir_op op, ir_attr_kind kind, ir_attr_id *id)
{
	const ir_opinfo *o = ir_op_info(op);

	for (int k = 0; k < o->nattr; k++) {
		if (ir_attr_kind_of(o->attr[k]) == kind) {
			*id = o->attr[k];
			return true;
		}
	}
	return false;
}

/* Word number i of a kind; NULL behind the last, and for kinds that have none. */
static const char *word_of(ir_attr_kind kind, int i)
{
	switch (kind) {
	case IR_KIND_FLAG: return i == 0 ? "false" : i == 1 ? "true" : NULL;
	case IR_KIND_CMP: return i < IR_CMP_COUNT ? ir_cmp_name((ir_cmp)i) : NULL;
	case IR_KIND_INIT: return i < IR_INIT_COUNT ? ir_init_name((ir_init)i) : NULL;
	case IR_KIND_INTS:
	case IR_KIND_DIMS:
	case IR_KIND_INT:
	case IR_KIND_FLOAT:
	case IR_KIND_TYPE: break;
	}
	return NULL;
}

bool ir_word_find(ir_attr_kind kind, const char *word, int64_t *out)
{
	for (int i = 0; word_of(kind, i); i++) {
		if (strcmp(word_of(kind, i), word) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

const char *ir_kind_text(ir_attr_kind kind)
{
	switch (kind) {
	case IR_KIND_INTS: return "a list of integers such as [0,1]";
	case IR_KIND_DIMS: return "a list of sizes such as [B,28]";
	case IR_KIND_INT: return "an integer";
	case IR_KIND_FLOAT: return "a number";
	case IR_KIND_FLAG: return "true or false";
	case IR_KIND_TYPE: return "a type such as f32[B,784]";
	case IR_KIND_CMP: return "eq, ne, lt, le, gt or ge";
	case IR_KIND_INIT: return "an initialiser such as he_uniform";
	}
	return "?";
}
