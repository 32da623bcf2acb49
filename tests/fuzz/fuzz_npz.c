/* SPDX-License-Identifier: Apache-2.0
 * Any file as an archive with one NumPy array. */
#include "tests/fuzz/fuzz.h"

static ir_status read_member(const char *path, le_table *out, ir_diag *d)
{
	return le_npz_read(path, NULL, out, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fz_table(data, size, read_member);
}
