/* SPDX-License-Identifier: Apache-2.0
 * Which row is for what. It depends on the seed and the number of rows only, never on their order in memory or on threads;
 * a limit on the training rows is taken behind that, so that runs with more and fewer rows are judged on the same ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "search/data/data_int.h"

enum { SPLIT_VAL, SPLIT_TEST }; /* streams under RT_FOR_SPLIT */

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* "80/10/10" -> parts of training, validation and test rows; "90/10": no test rows. NULL: a tenth, and a tenth of the rest. */
bool le_split_parse(const char *text, le_split *out)
{
	double v[3] = {0, 0, 0}, sum = 0;
	char *end;
	int n = 0;

	*out = (le_split){.tenths = !text};
	if (!text)
		return true;
	do {
		v[n] = strtod(text, &end);
		if (end == text || !(v[n] >= 0 && v[n] <= 100))
			return false;
		sum += v[n++];
		text = end + 1;
	} while (n < 3 && *end == '/');
	*out = (le_split){.val = v[1] / 100, .test = v[2] / 100};
	return n > 1 && !*end && sum > 99.999 && sum < 100.001 && v[0] > 0;
}

/* Moves `take` random rows of rows[0..*n) to *part, in ascending order. The rest comes back shuffled, so that its first k rows
 * are a random sample. */
static size_t take_some(uint64_t seed, uint64_t stream, uint32_t *rows, size_t *n, size_t take, uint32_t **part)
{
	rt_shuffle(rt_key_for(rt_key_seed(seed), RT_FOR_SPLIT, stream), rows, *n);
	*part = ir_xmalloc(take + 1, sizeof **part);
	memcpy(*part, rows, take * sizeof *rows);
	qsort(*part, take, sizeof **part, ascending);
	*n -= take;
	memmove(rows, rows + take, *n * sizeof *rows);
	return take;
}

/* How many of n rows: a part of them, and at least one if a part was asked for and there is one to spare. */
static size_t share_of(size_t n, size_t all, double part)
{
	size_t take = (size_t)(part * (double)all + 1e-9);

	if (take == 0 && part > 0 && n >= 2)
		take = 1;
	return take < n ? take : n > 1 ? n - 1 : 0;
}

uint32_t *le_count_up(size_t from, size_t n)
{
	uint32_t *v = ir_xmalloc(n + 1, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = (uint32_t)(from + i);
	return v;
}

/* Keeps the rows of one class. */
static size_t of_class(const le_data *t, uint32_t *rows, size_t n, int32_t class)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++)
		if (t->label[rows[i]] == class)
			rows[m++] = rows[i];
	return m;
}

void le_split_rows(le_data *t, const le_split *how, const int64_t part[3], int32_t only, uint64_t seed, int64_t limit_train)
{
	size_t all = (size_t)part[0];

	t->ntrain = all;
	t->train = le_count_up(0, all);
	if (part[2]) {
		t->ntest = (size_t)part[2];
		t->test = le_count_up((size_t)(part[0] + part[1]), t->ntest);
	} else {
		t->ntest = take_some(seed, SPLIT_TEST, t->train, &t->ntrain, share_of(all, all, how->tenths ? .1 : how->test), &t->test);
		qsort(t->train, t->ntrain, sizeof *t->train, ascending);
	}
	if (only >= 0)
		t->ntrain = of_class(t, t->train, t->ntrain, only);
	if (part[1]) {
		t->nval = (size_t)part[1];
		t->val = le_count_up(all, t->nval);
		t->nval = only >= 0 ? of_class(t, t->val, t->nval, only) : t->nval;
		rt_shuffle(rt_key_for(rt_key_seed(seed), RT_FOR_SPLIT, SPLIT_VAL), t->train, t->ntrain); /* for the limit */
	} else {
		size_t of = how->tenths || only >= 0 ? t->ntrain : all;

		t->nval = take_some(seed, SPLIT_VAL, t->train, &t->ntrain, share_of(t->ntrain, of, how->tenths ? .1 : how->val), &t->val);
	}
	if (limit_train > 0 && (size_t)limit_train < t->ntrain)
		t->ntrain = (size_t)limit_train; /* of a shuffled list: a random sample, nested for growing limits */
	qsort(t->train, t->ntrain, sizeof *t->train, ascending);
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
	t->key = le_content_key(t);
	free(held);
}
