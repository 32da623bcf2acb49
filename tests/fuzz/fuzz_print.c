/* SPDX-License-Identifier: Apache-2.0
 * What is printed can be parsed and printed again to the same text, and means the same: every dump is an input. */
#include <string.h>
#include "tests/fuzz/fuzz.h"

static void check_again(const ir_module *m, const ir_str *text)
{
	fz_text again = fz_parse((const uint8_t *)text->s, text->n);
	ir_str two;

	FZ_MUST(again.m && again.m->n == m->n);
	sb_init(&two);
	ir_module_print(again.m, &two);
	FZ_MUST(strcmp(text->s, two.s) == 0);
	for (size_t i = 0; i < m->n; i++)
		FZ_MUST(ir_key_equal(ir_arch_key(m->func[i]), ir_arch_key(again.m->func[i])));
	sb_fini(&two);
	fz_parse_end(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fz_text t = fz_parse(data, size);
	ir_str one;

	if (t.m) {
		sb_init(&one);
		ir_module_print(t.m, &one);
		check_again(t.m, &one);
		sb_fini(&one);
	}
	fz_parse_end(&t);
	return 0;
}
