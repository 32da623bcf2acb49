/* SPDX-License-Identifier: Apache-2.0
 * Model files for commands. The library half only fills the sink; cc_model_messages is the one place from which a
 * command's messages reach the terminal, so that all of them look alike. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "compiler/model_file.h"

ir_status cc_model_read(const char *path, ir_arena *a, ir_diag *d, ir_str *text, ir_module **out)
{
	ir_status s;

	*out = NULL;
	sb_init(text);
	errno = 0;
	s = ir_file_read(path, CC_MODEL_MAX, text);
	if (s != IR_OK) {
		const char *why = errno ? strerror(errno) : ir_status_text(s);

		if (s == IR_EINPUT)
			why = "too large for a model file";
		ir_report(d, (ir_loc){0}, IR_E_file, path, why);
		return s;
	}
	*out = ir_parse(path, text->s ? text->s : "", text->n, a, d);
	return *out ? IR_OK : IR_EINPUT;
}

void cc_model_messages(ir_diag *d)
{
	ir_str s;

	if (ir_diag_size(d) == 0)
		return;
	sb_init(&s);
	ir_diag_print_all(d, &s);
	fwrite(s.s, 1, s.n, stderr);
	sb_fini(&s);
	ir_diag_clear(d);
}
