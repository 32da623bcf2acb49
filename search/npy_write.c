/* SPDX-License-Identifier: Apache-2.0
 * NumPy's array format, version 1.0 (numpy.lib.format): magic, version, length of the header, a Python dict in ASCII that is
 * padded with spaces to a newline at a multiple of 64 bytes, so that the numbers can be mapped. */
#include "search/formats.h"

#define BEFORE_DICT 10 /* magic 6, version 2, length 2 */
#define ALIGN       64

void se_npy_header(ir_dtype dtype, size_t rows, int64_t width, ir_str *out)
{
	ir_str dict;
	size_t length;

	IR_ASSERT(dtype == IR_F32 || dtype == IR_F64 || dtype == IR_I32, "no .npy of %s", ir_dtype_text(dtype));
	sb_init(&dict);
	sb_printf(&dict, "{'descr': '<%c%zu', 'fortran_order': False, 'shape': (%zu,", dtype == IR_I32 ? 'i' : 'f',
		  ir_dtype_size(dtype), rows);
	if (width)
		sb_printf(&dict, " %lld", (long long)width);
	sb_put(&dict, "), }");
	while ((BEFORE_DICT + dict.n + 1) % ALIGN)
		sb_putc(&dict, ' ');
	sb_putc(&dict, '\n');
	length = dict.n; /* far below 65,536 */
	sb_putn(out, "\x93NUMPY\x01\x00", 8);
	sb_putc(out, (char)(length & 255));
	sb_putc(out, (char)(length >> 8));
	sb_putn(out, dict.s, dict.n);
	sb_fini(&dict);
}
