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

/* Bytes of the character at p if it may go to a terminal: printable ASCII, well-formed UTF-8; 0: it may not. */
size_t sb_char_len(const char *p, const char *end);

/* n bytes of whatever a file holds, for a terminal: what sb_char_len takes as it is, every other byte as \xNN. */
void sb_put_visible(ir_str *b, const char *s, size_t n);

/* The shortest decimal text that reads back to the same double ("0.1", "1e-08", "nan", "inf", "-inf"). */
void sb_put_double(ir_str *b, double v);

void sb_put_json_text(ir_str *b, const char *s); /* quoted and escaped; NULL is null */
void sb_put_json_real(ir_str *b, double v);      /* null if not finite: JSON has no NaN */

/* Whole file into *b. IR_ENOINPUT if it is not there, IR_EIO otherwise, IR_EINPUT if larger than max. */
IR_MUSTUSE ir_status ir_file_read(const char *path, size_t max, ir_str *b);

/* Writes n bytes to path by way of a temporary file and rename, so that a reader never sees half of it. IR_EFULL: there is no
 * space; IR_EIO otherwise. The reason is in errno, what was there before is still there. */
IR_MUSTUSE ir_status ir_file_write(const char *path, const void *data, size_t n);

/* The same piece by piece, for what is too large to be held twice: nothing has the name path before ir_out_close. Errors
 * are those of ir_file_write; after one, the others fail too. */
typedef struct ir_out ir_out;
IR_MUSTUSE ir_status ir_out_open(const char *path, ir_out **out);
IR_MUSTUSE ir_status ir_out_put(ir_out *o, const void *data, size_t n);
IR_MUSTUSE ir_status ir_out_close(ir_out *o);
void ir_out_drop(ir_out *o); /* as if it had never been opened; NULL is allowed */

/* ir_file_write without waiting for the disk: after a power failure the file may be there and hold anything. For caches
 * whose files carry a checksum. */
IR_MUSTUSE ir_status ir_file_write_fast(const char *path, const void *data, size_t n);

/* Gives the file temp the name path, in the same folder, if nothing has it yet; both are on the disk when this returns.
 * IR_EIO, with the reason in errno (EEXIST: something has it): temp is still there, under its own name. */
IR_MUSTUSE ir_status ir_file_publish(const char *temp, const char *path);

/* Edit distance, for "did you mean"; at most cap is looked at. */
size_t ir_distance(const char *a, const char *b);

#endif
