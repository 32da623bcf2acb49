/* SPDX-License-Identifier: Apache-2.0
 * A growing string. Low-level: knows nothing of tensors. Always NUL-terminated. */
#ifndef IR_BASE_STR_H
#define IR_BASE_STR_H

#include <stddef.h>
#include <stdbool.h>
#include "ir/base/status.h"

typedef struct ir_str {
	char *s; /* owned; never NULL after the first call */
	size_t n, cap;
} ir_str;

void sb_init(ir_str *b);
void sb_fini(ir_str *b); /* frees; the struct may be used again after sb_init */
void sb_clear(ir_str *b);
void sb_put(ir_str *b, const char *s);
void sb_putn(ir_str *b, const char *s, size_t n);
void sb_putc(ir_str *b, char c);
void sb_printf(ir_str *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The shortest decimal text that reads back to the same double ("0.1", "1e-08", "nan", "inf", "-inf"). */
void sb_put_double(ir_str *b, double v);

/* Whole file into *b. IR_ENOINPUT if it is not there, IR_EIO otherwise, IR_EINPUT if larger than max. */
IR_MUSTUSE ir_status ir_file_read(const char *path, size_t max, ir_str *b);

/* Writes n bytes to path by way of a temporary file and rename, so that a reader never sees half of it. */
IR_MUSTUSE ir_status ir_file_write(const char *path, const void *data, size_t n);

/* Edit distance, for "did you mean"; at most cap is looked at. */
size_t ir_distance(const char *a, const char *b);

#endif
