/* SPDX-License-Identifier: Apache-2.0
 * Any file as a table of text, gzip-compressed or not, with the first column as numbers and as labels. */
#include "tests/fuzz/fuzz.h"

static ir_status read_numbers(const char *path, le_table *out, ir_diag *d)
{
	return le_csv_read(path, NULL, out, NULL, d);
}

static ir_status read_labels(const char *path, le_table *out, ir_diag *d)
{
	le_csv_options o = {.label = "1", .drop = "b"};
	le_labels l;
	ir_status s = le_csv_read(path, &o, out, &l, d);

	fz_check_labels(s, &l);
	FZ_MUST(s != IR_OK || l.n == out->rows);
	le_labels_free(&l);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fz_table(data, size, read_numbers);
	return fz_table(data, size, read_labels);
}
