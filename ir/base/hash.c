/* SPDX-License-Identifier: Apache-2.0
 * Content keys by XXH3-128, the one home of libxxhash. Its 128-bit result is defined by the algorithm, so keys
 * are the same on every machine. */
#include "ir/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

ir_key ir_hash(const void *data, size_t n)
{
	XXH128_hash_t h = XXH3_128bits(data, n);

	return (ir_key){.hi = h.high64, .lo = h.low64};
}

bool ir_key_equal(ir_key a, ir_key b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

void ir_key_print(ir_key k, char out[IR_KEY_CHARS])
{
	snprintf(out, IR_KEY_CHARS, "%016" PRIx64 "%016" PRIx64, k.hi, k.lo);
}
