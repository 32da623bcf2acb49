/* SPDX-License-Identifier: Apache-2.0
 * Data sets by name: one table, three lists of row numbers. Which rows are for validation depends on the seed and
 * the number of rows only, never on their order in memory or on threads; a limit on the training rows is taken
 * behind that, so that runs with more and fewer rows are judged on the same ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "search/data/data_int.h"

#define FASHION_DIR "/usr/share/datasets/fashion-mnist/"

enum { SPLIT_VAL, SPLIT_TEST }; /* streams under RT_FOR_SPLIT */

char *le_text_copy(const char *s)
{
	size_t n = strlen(s);
	char *p = ir_xmalloc(n + 1, 1);

	memcpy(p, s, n);
	return p;
}

ir_status le_complain(ir_diag *d, ir_status s, const char *name, const char *text)
{
	ir_report(d, (ir_loc){0}, IR_E_file, name, text);
	return s;
}

/* *a becomes the rows of *a, then those of *b; *b is freed in any case. */
static ir_status join(const char *name, le_table *a, le_table *b, ir_diag *d)
{
	size_t na = (size_t)(a->rows * a->width), nb = (size_t)(b->rows * b->width);
	ir_status s;

	if (a->width != b->width || a->dtype != b->dtype) {
		le_table_free(b);
		return le_complain(d, IR_EINPUT, name, "training and test rows differ in width");
	}
	s = rt_grow(&a->data, na, na + nb); /* u8 */
	if (s == IR_OK) {
		memcpy((char *)a->data + na, b->data, nb);
		a->rows += b->rows;
	} else {
		le_complain(d, s, name, ir_status_text(s));
	}
	le_table_free(b);
	return s;
}

/* *trained: how many of the rows are from the training file. */
static ir_status load_fashion(le_table *t, int64_t *trained, ir_diag *d)
{
	le_table test = {0};
	ir_diag *quiet = ir_diag_new(); /* a missing file gets a better message below */
	ir_status s = le_idx_read(FASHION_DIR "train-images-idx3-ubyte.gz", t, quiet);

	if (s == IR_OK)
		s = le_idx_read(FASHION_DIR "t10k-images-idx3-ubyte.gz", &test, quiet);
	if (s == IR_ENOINPUT)
		le_complain(d, s, "fashion-mnist", "not found in " FASHION_DIR
			    ": install the Debian package dataset-fashion-mnist (apt install dataset-fashion-mnist)");
	else
		for (size_t i = 0; i < ir_diag_size(quiet); i++) /* text is "path: reason" already */
			le_complain(d, s, "fashion-mnist", ir_diag_get(quiet, i)->text);
	ir_diag_free(quiet);
	*trained = t->rows;
	return s == IR_OK ? join("fashion-mnist", t, &test, d) : s;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Moves a seeded random tenth (at least one of two) of rows[0..*n) to *part, in ascending order. The rest comes back
 * shuffled, so that its first k rows are a random sample. */
static size_t take_tenth(uint64_t seed, uint64_t stream, uint32_t *rows, size_t *n, uint32_t **part)
{
	size_t take = *n / 10;

	if (take == 0 && *n >= 2)
		take = 1;
	rt_shuffle(rt_key_for(rt_key_seed(seed), RT_FOR_SPLIT, stream), rows, *n);
	*part = ir_xmalloc(take + 1, sizeof **part);
	memcpy(*part, rows, take * sizeof *rows);
	qsort(*part, take, sizeof **part, ascending);
	*n -= take;
	memmove(rows, rows + take, *n * sizeof *rows);
	return take;
}

static uint32_t *count_up(size_t from, size_t n)
{
	uint32_t *v = ir_xmalloc(n + 1, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = (uint32_t)(from + i);
	return v;
}

/* The content key: bytes of the table, its shape, the three lists. */
static ir_key content_key(const le_data *t)
{
	struct {
		ir_key table, train, val, test;
		int64_t dtype, rows, width;
	} k;

	memset(&k, 0, sizeof k);
	k.table = ir_hash(t->table.data,
			  (size_t)(t->table.rows * t->table.width) * ir_dtype_size(t->table.dtype));
	k.train = ir_hash(t->train, t->ntrain * sizeof *t->train);
	k.val = ir_hash(t->val, t->nval * sizeof *t->val);
	k.test = ir_hash(t->test, t->ntest * sizeof *t->test);
	k.dtype = t->table.dtype, k.rows = t->table.rows, k.width = t->table.width;
	return ir_hash(&k, sizeof k);
}

static void split(le_data *t, int64_t trained, uint64_t seed, int64_t limit_train)
{
	t->ntrain = (size_t)trained;
	t->train = count_up(0, t->ntrain);
	if (trained < t->table.rows) {
		t->ntest = (size_t)(t->table.rows - trained);
		t->test = count_up((size_t)trained, t->ntest);
	} else {
		t->ntest = take_tenth(seed, SPLIT_TEST, t->train, &t->ntrain, &t->test);
		qsort(t->train, t->ntrain, sizeof *t->train, ascending);
	}
	t->nval = take_tenth(seed, SPLIT_VAL, t->train, &t->ntrain, &t->val);
	if (limit_train > 0 && (size_t)limit_train < t->ntrain)
		t->ntrain = (size_t)limit_train; /* of a shuffled list: a random sample, nested for growing limits */
	qsort(t->train, t->ntrain, sizeof *t->train, ascending);
	t->key = content_key(t);
}

ir_status le_data_load(const char *name, uint64_t seed, int64_t limit_train, le_data *out, ir_diag *d)
{
	le_data t = {0};
	int64_t trained = 0;
	ir_status s;

	*out = (le_data){0};
	if (strcmp(name, "fashion-mnist") == 0) {
		s = load_fashion(&t.table, &trained, d);
	} else {
		s = le_idx_read(name, &t.table, d);
		trained = t.table.rows;
	}
	if (s == IR_OK && trained < 3)
		s = le_complain(d, IR_EINPUT, name, "needs at least 3 rows, for training, validation and test");
	if (s != IR_OK) {
		le_table_free(&t.table);
		return s;
	}
	t.name = le_text_copy(name);
	split(&t, trained, seed, limit_train);
	*out = t;
	return IR_OK;
}

void le_table_free(le_table *t)
{
	if (t->data)
		rt_free(t->data, (size_t)t->rows * (size_t)t->width * ir_dtype_size(t->dtype));
	*t = (le_table){0};
}

void le_data_use_all(le_data *t, int64_t limit_train)
{
	size_t rows = (size_t)t->table.rows, n = 0;
	bool *held = ir_xmalloc(rows, sizeof *held);

	IR_ASSERT(!t->map, "%s is mapped", t->name);
	for (size_t i = 0; i < t->ntest; i++)
		held[t->test[i]] = true;
	free(t->train);
	t->train = ir_xmalloc(rows, sizeof *t->train);
	for (size_t i = 0; i < rows; i++)
		if (!held[i])
			t->train[n++] = (uint32_t)i;
	t->ntrain = limit_train > 0 && (size_t)limit_train < n ? (size_t)limit_train : n;
	t->nval = 0;
	t->key = content_key(t);
	free(held);
}

void le_data_free(le_data *t)
{
	if (t->map) {
		munmap(t->map, t->map_bytes);
	} else {
		le_table_free(&t->table);
		free(t->name);
		free(t->train);
		free(t->val);
		free(t->test);
	}
	*t = (le_data){0};
}
