/* SPDX-License-Identifier: Apache-2.0
 * Makes the malformed files and reads each: IR_EINPUT, one message with the file's name and what the row says, quickly, in
 * little memory, and nothing left behind.
 * test_malformed [DIR]: the files stay in DIR, as seeds for a fuzzer; without DIR they go away. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include "tests/malformed/malformed.h"

#define LEAST   320			/* files */
#define BUDGET  ((size_t)64 << 20)	/* a header of a few bytes may not ask for more */
#define SECONDS 10.0			/* a second on an idle machine without sanitizers */

static const group *const groups[] = {&idx_group, &npy_group, &npz_group, &csv_group, &png_group, &raw_group, &labels_group,
				      &safetensors_group};

/* ---- making ------------------------------------------------------------------------------------------------------- */

void blob_add(blob *b, const void *p, size_t n)
{
	if (b->n + n > b->cap) {
		b->cap = 2 * (b->n + n);
		b->p = ir_xrealloc(b->p, b->cap, 1);
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

void blob_fill(blob *b, unsigned char c, size_t n)
{
	while (n-- > 0)
		blob_add(b, &c, 1);
}

void blob_put(blob *b, long at, const void *p, size_t n)
{
	size_t from = at < 0 ? b->n - (size_t)-at : (size_t)at;

	IR_ASSERT(from + n <= b->n, "a row writes behind its file");
	if (n)
		memcpy(b->p + from, p, n);
}

static void compress_all(blob *b)
{
	z_stream z = {0};
	blob out = {0};

	IR_ASSERT(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK, "zlib");
	blob_fill(&out, 0, deflateBound(&z, b->n) + 64);
	z.next_in = b->p, z.avail_in = (unsigned)b->n;
	z.next_out = out.p, z.avail_out = (unsigned)out.n;
	IR_ASSERT(deflate(&z, Z_FINISH) == Z_STREAM_END, "zlib");
	out.n = z.total_out;
	deflateEnd(&z);
	free(b->p);
	*b = out;
}

static void make(const group *g, const bad *r, blob *b)
{
	if (r->make)
		r->make(b);
	else
		g->make(r, b);
	if (r->gz)
		compress_all(b);
	blob_put(b, r->at, r->put.p ? r->put.p : "", r->put.n);
	if (r->put_mark.n)
		blob_put(b, (long)(b->mark + r->at_mark), r->put_mark.p, r->put_mark.n);
	b->n = r->cut > 0 ? (size_t)r->cut : b->n - (size_t)-r->cut;
	blob_add(b, r->add.p, r->add.n);
}

static void write_file(const char *path, const blob *b)
{
	FILE *f = fopen(path, "wb");

	if (!f || (b->n && fwrite(b->p, 1, b->n, f) != b->n) || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

/* ---- judging ------------------------------------------------------------------------------------------------------ */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* NULL: as it should be. */
static const char *judge(const bad *r, const char *path, ir_status s, const ir_diag *d, double seconds)
{
	const char *text;

	if (s != IR_EINPUT)
		return s == IR_OK ? "it was read" : ir_status_text(s);
	if (ir_diag_size(d) != 1)
		return "not exactly one message";
	text = ir_diag_get(d, 0)->text;
	if (!strstr(text, path))
		return "the message does not name the file";
	text += strlen(path);
	if (!strstr(text, "offset") && !strstr(text, "line") && !strstr(text, "column"))
		return "the message says no place";
	if (!strstr(text, r->says))
		return "the message does not say what it should";
	for (; *text; text++)
		if ((unsigned char)*text < ' ')
			return "the message holds a control character";
	if (rt_live_bytes() != 0)
		return "memory is left";
	return seconds > SECONDS ? "it took too long" : NULL;
}

/* True: the reader did well. */
static bool check(const group *g, const bad *r, const char *dir, size_t i)
{
	char folder[256], path[320];
	ir_diag *d = ir_diag_new();
	const char *why;
	blob b = {0};
	ir_status s;
	double t;

	snprintf(folder, sizeof folder, "%s/%s-%03zu", dir, g->name, i);
	if (mkdir(folder, 0777) != 0 && errno != EEXIST)
		perror(folder);
	snprintf(path, sizeof path, "%s/%s", folder, g->file);
	make(g, r, &b);
	write_file(path, &b);
	free(b.p);
	t = now();
	s = g->read(path, r, d);
	why = judge(r, path, s, d, now() - t);
	if (why)
		printf("FAIL %s %zu, %s: %s (%s)\n", g->name, i, r->name, why, r->says);
	for (size_t k = 0; why && k < ir_diag_size(d); k++)
		printf("  %s\n", ir_diag_get(d, k)->text);
	ir_diag_free(d);
	return !why;
}

int main(int argc, char **argv)
{
	char temp[] = "/tmp/gm-malformed-XXXXXX", command[64];
	const char *dir = argc > 1 ? argv[1] : mkdtemp(temp);
	size_t n = 0, good = 0;

	if (!dir || (argc > 1 && mkdir(dir, 0777) != 0 && errno != EEXIST)) {
		perror("folder");
		return 1;
	}
	rt_set_budget(BUDGET);
	for (size_t k = 0; k < sizeof groups / sizeof *groups; k++)
		for (size_t i = 0; i < groups[k]->n; i++, n++)
			good += check(groups[k], &groups[k]->row[i], dir, i);
	printf("%zu malformed files, %zu refused as they should be\n", n, good);
	if (argc <= 1) {
		snprintf(command, sizeof command, "rm -r %s", dir);
		if (system(command) != 0)
			return 1;
	}
	return n >= LEAST && good == n ? 0 : 1;
}
