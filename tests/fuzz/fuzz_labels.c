/* SPDX-License-Identifier: Apache-2.0
 * Any file as labels: IDX, NumPy or text, gzip-compressed or not. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fz_file(data, size);
	ir_diag *d = ir_diag_new();
	le_labels l;
	ir_status s = le_labels_read(path, &l, d);

	fz_check_status(s, d, path);
	fz_check_labels(s, &l);
	le_labels_free(&l);
	FZ_MUST(rt_live_bytes() == 0);
	ir_diag_free(d);
	return 0;
}
