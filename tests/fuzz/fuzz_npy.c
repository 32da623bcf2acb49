/* SPDX-License-Identifier: Apache-2.0
 * Any file as a NumPy array, gzip-compressed or not. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fz_table(data, size, le_npy_read);
}
