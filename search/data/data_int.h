/* SPDX-License-Identifier: Apache-2.0
 * What the readers of search/data share: bytes of a file that may be gzip-compressed, and complaints about it. Not for
 * use outside search/data/ (le_text_copy and le_complain aside, which search/learn/ uses). */
#ifndef SEARCH_DATA_DATA_INT_H
#define SEARCH_DATA_DATA_INT_H

#include "search/data/data.h"

#define LE_MAX_BYTES ((uint64_t)1 << 33) /* of one table in memory */
#define LE_MAX_DIM   ((uint64_t)INT32_MAX) /* rows, and elements of a row */

/* ---- file.c (zlib) ---------------------------------------------------------------------------------------------- */

typedef struct le_file {
	const char *path;
	ir_diag *d;
	void *gz;        /* gzFile: reads plain files too */
	bool compressed;
	uint64_t size;   /* of the file on disk */
	uint64_t at;     /* offset in the uncompressed stream */
} le_file;

/* A regular file, or a message. To be closed whatever the status. */
IR_MUSTUSE ir_status le_file_open(le_file *f, const char *path, ir_diag *d);
void le_file_close(le_file *f);

/* Reports "path: text" and returns s. */
__attribute__((format(printf, 3, 4))) ir_status le_file_fail(const le_file *f, ir_status s, const char *fmt, ...);

/* Up to n bytes, at the end of the file fewer: *got. A compressed stream that stops in the middle is damaged. */
IR_MUSTUSE ir_status le_file_some(le_file *f, void *to, size_t n, size_t *got);
/* Exactly n bytes; what names them in the message. */
IR_MUSTUSE ir_status le_file_exact(le_file *f, void *to, size_t n, const char *what);
/* The rest of the file must be exactly `bytes` elements; known before anything is allocated when it is not compressed. Memory
 * (rt_alloc, exactly bytes) grows with what really arrives, so that a header of a few bytes cannot ask for gigabytes. */
IR_MUSTUSE ir_status le_file_rest(le_file *f, uint64_t bytes, void **out);

/* ---- load.c ------------------------------------------------------------------------------------------------------ */

char *le_text_copy(const char *s); /* heap */

/* Reports "name: text" and returns s. */
ir_status le_complain(ir_diag *d, ir_status s, const char *name, const char *text);

#endif
