/* SPDX-License-Identifier: Apache-2.0
 * Any file as raw floats, four in a row. */
#include "tests/fuzz/fuzz.h"

static ir_status read_rows(const char *path, le_table *out, ir_diag *d)
{
	return le_raw_read(path, "f32:2x2", out, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fz_table(data, size, read_rows);
}
