/* SPDX-License-Identifier: Apache-2.0
 * A map from names to numbers, shared inside ir/: value names of a function, locals of a call, functions of a
 * file. Lives in an arena; keys are not copied. */
#ifndef IR_NAMES_H
#define IR_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ir/base/arena.h"

typedef struct ir_names {
	ir_arena *arena;
	struct ir_names_slot *slot;
	size_t n, cap;
} ir_names;

void ir_names_init(ir_names *m, ir_arena *a);
bool ir_names_get(const ir_names *m, const char *name, uint32_t *value); /* value may be NULL */
void ir_names_put(ir_names *m, const char *name, uint32_t value);       /* overwrites */

#endif
