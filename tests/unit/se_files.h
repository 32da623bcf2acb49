/* SPDX-License-Identifier: Apache-2.0
 * Files that tests of readers make: bytes put together in memory, written plain or through gzip into a folder that goes away. */
#ifndef TESTS_UNIT_SE_FILES_H
#define TESTS_UNIT_SE_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>
#include "search/data/data.h"

static char dir[] = "/tmp/gm-files-XXXXXX";
static char path[128]; /* of the file last written */

static inline void put(const char *name, const void *bytes, size_t n, bool gz)
{
	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (gz) {
		gzFile f = gzopen(path, "wb");

		assert_int_equal(gzwrite(f, bytes, (unsigned)n), n);
		assert_int_equal(gzclose(f), Z_OK);
	} else {
		FILE *f = fopen(path, "wb");

		assert_int_equal(fwrite(bytes, 1, n, f), n);
		assert_int_equal(fclose(f), 0);
	}
}

/* An array as NumPy writes it; version 1, 2 or 3. *out: heap. */
static inline size_t npy(int version, const char *dict, const void *data, size_t n, unsigned char **out)
{
	size_t len = strlen(dict) + 1, head = version == 1 ? 10 : 12, pad = (64 - (head + len) % 64) % 64;
	unsigned char *b = calloc(head + len + pad + n, 1);

	memcpy(b, "\x93NUMPY", 6);
	b[6] = (unsigned char)version;
	b[8] = (unsigned char)(len + pad);
	b[9] = (unsigned char)((len + pad) >> 8);
	memcpy(b + head, dict, len - 1);
	memset(b + head + len - 1, ' ', pad);
	b[head + len + pad - 1] = '\n';
	if (n)
		memcpy(b + head + len + pad, data, n);
	*out = b;
	return head + len + pad + n;
}

/* Everything a reader gave: the names of columns too. */
static inline void drop(le_table *t)
{
	le_table_free(t);
}

static inline void print_all(const ir_diag *d)
{
	for (size_t i = 0; i < ir_diag_size(d); i++)
		print_message("%s\n", ir_diag_get(d, i)->text);
}

/* The table must come, and without a message. */
#define READ(call)                                         \
	do {                                               \
		ir_diag *d = ir_diag_new();                \
		ir_status read_status = call;              \
		if (read_status != IR_OK)                  \
			print_all(d);                      \
		assert_int_equal(read_status, IR_OK);      \
		assert_int_equal(ir_diag_size(d), 0);      \
		ir_diag_free(d);                           \
	} while (0)

/* It must not, and the one message holds this text. */
#define REFUSE(call, status, says)                                              \
	do {                                                                    \
		ir_diag *d = ir_diag_new();                                     \
		assert_int_equal(call, status);                                 \
		assert_int_equal(ir_diag_size(d), 1);                           \
		if (!strstr(ir_diag_get(d, 0)->text, says))                     \
			fail_msg("no '%s' in: %s", says, ir_diag_get(d, 0)->text); \
		ir_diag_free(d);                                                \
	} while (0)

static inline int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static inline int drop_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command);
}

#endif
