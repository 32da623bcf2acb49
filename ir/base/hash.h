/* SPDX-License-Identifier: Apache-2.0
 * Content keys: XXH3-128. Not for security. */
#ifndef IR_BASE_HASH_H
#define IR_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ir_key {
	uint64_t hi, lo;
} ir_key;

ir_key ir_hash(const void *data, size_t n);
bool ir_key_equal(ir_key a, ir_key b);
#define IR_KEY_CHARS 33 /* 32 hex digits and the NUL */
void ir_key_print(ir_key k, char out[IR_KEY_CHARS]);

#endif
