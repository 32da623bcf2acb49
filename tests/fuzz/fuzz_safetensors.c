/* SPDX-License-Identifier: Apache-2.0
 * Any file as weights: every tensor that comes out has the bytes that its type asks for, and nothing stays behind. */
#include <string.h>
#include "search/learn/learn.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fz_file(data, size);
	ir_diag *d = ir_diag_new();
	le_weights w;
	ir_status s = le_weights_read(path, &w, d);

	fz_check_status(s, d, path);
	if (s == IR_OK)
		le_weights_key(&w);
	for (size_t i = 0; i < w.n; i++) /* of equal names, the first */
		FZ_MUST(le_weights_find(&w, w.name[i]) == &w.tensor[i]);
	le_weights_free(&w);
	FZ_MUST(rt_live_bytes() == 0);
	ir_diag_free(d);
	return 0;
}
