/* SPDX-License-Identifier: Apache-2.0
 * Any text: messages, or functions that verify. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fz_text t = fz_parse(data, size);

	fz_parse_end(&t);
	return 0;
}
