/* SPDX-License-Identifier: Apache-2.0
 * A corpus of malformed files, one row each. A row names what is wrong, makes the file from something good, and says what the
 * message must hold: the byte offset, or line and column. To add a file: a row in the table of its format. */
#ifndef TESTS_MALFORMED_MALFORMED_H
#define TESTS_MALFORMED_MALFORMED_H

#include <stddef.h>
#include "search/data/data.h"

typedef struct bytes {
	const char *p;
	size_t n;
} bytes;

#define B(text) {(text), sizeof(text) - 1} /* bytes, zeros too */

/* A file being made. */
typedef struct blob {
	unsigned char *p;
	size_t n, cap;
	size_t mark; /* a place that rows count from: the group says which */
} blob;

void blob_add(blob *b, const void *p, size_t n);
void blob_fill(blob *b, unsigned char c, size_t n);
void blob_put(blob *b, long at, const void *p, size_t n); /* overwrites; at < 0 counts from the end */

/* The steps are made in this order. */
typedef struct bad {
	const char *name; /* what is wrong */
	const char *says; /* part of the message */
	/* 1. the group's make() takes these as it likes, or this function makes all */
	bytes text;
	size_t data;
	int version;
	void (*make)(blob *b);
	/* 2. */
	bool gz; /* compress all so far */
	/* 3. bytes written over it: from the beginning (or end), and from the mark */
	long at;
	bytes put;
	size_t at_mark;
	bytes put_mark;
	/* 4. */
	long cut; /* > 0: bytes that stay; < 0: bytes that go */
	bytes add;
	/* and how it is read */
	const char *option;
} bad;

typedef struct group {
	const char *name;
	const char *file; /* what it is called in a folder of its own */
	const bad *row;
	size_t n;
	void (*make)(const bad *r, blob *b); /* step 1 */
	ir_status (*read)(const char *path, const bad *r, ir_diag *d); /* leaves nothing allocated */
} group;

#define NROW(rows) (sizeof(rows) / sizeof *(rows))

void make_npy(const bad *r, blob *b); /* text: the dict, NULL: a good one; data: bytes behind the header */

extern const group idx_group, npy_group, npz_group, csv_group, png_group, raw_group, labels_group, safetensors_group;

#endif
