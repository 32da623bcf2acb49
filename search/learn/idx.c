/* SPDX-License-Identifier: Apache-2.0
 * IDX files (the MNIST family), plain or gzip-compressed: magic 0 0 TYPE RANK, RANK big-endian sizes, then the
 * elements. Nothing in the file is believed: sizes are multiplied with overflow checks, a plain file's length is
 * compared before anything is allocated, and for a compressed one memory grows with what really arrives, so a
 * header of a few bytes cannot make us ask for gigabytes. The only file that includes zlib. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "search/learn/learn.h"

#define MAX_BYTES  ((uint64_t)1 << 33) /* of one file, uncompressed */
#define MAX_DIM    ((uint64_t)INT32_MAX)
#define FIRST_STEP ((size_t)1 << 20)
#define MAX_READ   ((size_t)1 << 24) /* zlib counts in int */
#define TYPE_U8    0x08

typedef struct reader {
	const char *path;
	ir_diag *d;
	gzFile gz;        /* reads plain files too */
	bool compressed;
	uint64_t size;    /* of the file on disk */
	uint64_t at;      /* offset in the uncompressed stream */
} reader;

__attribute__((format(printf, 3, 4))) static ir_status fail(const reader *r, ir_status s, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	ir_report(r->d, (ir_loc){0}, IR_E_file, r->path, text);
	return s;
}

/* Opens r->path and finds out its size and whether it is compressed. Closed by the caller (gzclose, if r->gz). */
static ir_status open_file(reader *r)
{
	struct stat st;
	unsigned char magic[2];
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */

	if (fd < 0)
		return fail(r, errno == ENOENT || errno == ENOTDIR ? IR_ENOINPUT : IR_EIO, "%s", strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return fail(r, IR_EINPUT, "not a regular file");
	}
	r->size = (uint64_t)st.st_size;
	r->compressed = pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
	r->gz = gzdopen(fd, "rb");
	if (!r->gz) {
		close(fd);
		return fail(r, IR_ENOMEM, "out of memory");
	}
	gzbuffer(r->gz, 1 << 17);
	return IR_OK;
}

/* Reads exactly n bytes; what names them in the message. */
static ir_status read_exact(reader *r, void *to, size_t n, const char *what)
{
	size_t done = 0;

	while (done < n) {
		size_t want = n - done < MAX_READ ? n - done : MAX_READ;
		int got = gzread(r->gz, (char *)to + done, (unsigned)want);

		if (got < 0) {
			int code;
			const char *why = gzerror(r->gz, &code);

			if (code == Z_ERRNO)
				return fail(r, IR_EIO, "%s", strerror(errno));
			if (code == Z_MEM_ERROR)
				return fail(r, IR_ENOMEM, "out of memory");
			if (code != Z_BUF_ERROR) /* Z_BUF_ERROR: the compressed stream stops in the middle */
				return fail(r, IR_EINPUT, "damaged gzip data at byte offset %llu: %s",
					    (unsigned long long)r->at, why);
			got = 0;
		}
		if (got == 0)
			return fail(r, IR_EINPUT, "truncated: the file ends at byte offset %llu in %s",
				    (unsigned long long)r->at, what);
		done += (size_t)got;
		r->at += (uint64_t)got;
	}
	return IR_OK;
}

/* Reads magic and sizes; *bytes is their product, which fits MAX_BYTES. */
static ir_status read_header(reader *r, le_table *t, uint64_t *bytes)
{
	unsigned char h[4];
	uint64_t total = 1, first = 0;
	ir_status s = read_exact(r, h, 4, "the magic number");

	if (s != IR_OK)
		return s;
	if (h[0] != 0 || h[1] != 0)
		return fail(r, IR_EINPUT, "not an IDX file: bytes %02x %02x at byte offset 0 should be 00 00", h[0], h[1]);
	if (h[2] != TYPE_U8)
		return fail(r, IR_EINPUT, "element type 0x%02x at byte offset 2: only unsigned bytes (0x08) are read", h[2]);
	if (h[3] < 1 || h[3] > 4)
		return fail(r, IR_EINPUT, "rank %d at byte offset 3: must be 1 to 4", h[3]);
	for (int i = 0; i < h[3]; i++) {
		unsigned char b[4];
		unsigned long long at = r->at;
		uint64_t dim;

		if ((s = read_exact(r, b, 4, "the sizes")) != IR_OK)
			return s;
		dim = (uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3];
		if (dim < 1 || dim > MAX_DIM)
			return fail(r, IR_EINPUT, "size %llu at byte offset %llu is out of range: 1 to 2^31-1",
				    (unsigned long long)dim, at);
		if (__builtin_mul_overflow(total, dim, &total) || total > MAX_BYTES)
			return fail(r, IR_EINPUT, "the sizes up to byte offset %llu multiply to more than 2^33 bytes",
				    (unsigned long long)r->at);
		if (i == 0)
			first = dim;
	}
	if (total / first > MAX_DIM)
		return fail(r, IR_EINPUT, "rows of %llu elements (byte offset 8) are too wide",
			    (unsigned long long)(total / first));
	*t = (le_table){IR_U8, (int64_t)first, (int64_t)(total / first), NULL};
	*bytes = total;
	return IR_OK;
}

/* Elements into memory that doubles while data arrive; it ends up exactly bytes long, as le_table_free expects. */
static ir_status read_elements(reader *r, le_table *t, uint64_t bytes)
{
	size_t have = 0, cap = 0;
	void *p = NULL;
	ir_status s = IR_OK;

	while (have < bytes) {
		size_t next = cap == 0 ? (r->compressed ? FIRST_STEP : (size_t)bytes) : 2 * cap;

		if (next > bytes)
			next = (size_t)bytes;
		s = p ? rt_grow(&p, cap, next) : rt_alloc(next, &p);
		if (s != IR_OK) {
			fail(r, s, "no memory for %llu bytes", (unsigned long long)next);
			break;
		}
		cap = next;
		if ((s = read_exact(r, (char *)p + have, cap - have, "the elements")) != IR_OK)
			break;
		have = cap;
	}
	if (s != IR_OK) {
		rt_free(p, cap);
		return s;
	}
	t->data = p;
	return IR_OK;
}

/* After the last element there must be nothing more. */
static ir_status check_end(reader *r)
{
	char c;
	int got = gzread(r->gz, &c, 1);
	int code = Z_OK;

	if (got == 1)
		return fail(r, IR_EINPUT, "trailing bytes: the sizes end the file at byte offset %llu",
			    (unsigned long long)r->at);
	gzerror(r->gz, &code);
	if (got < 0 || code == Z_BUF_ERROR || code == Z_DATA_ERROR)
		return fail(r, IR_EINPUT, "damaged gzip trailer at byte offset %llu", (unsigned long long)r->at);
	return IR_OK;
}

ir_status le_idx_read(const char *path, le_table *out, ir_diag *d)
{
	reader r = {.path = path, .d = d};
	le_table t = {0};
	uint64_t bytes = 0;
	ir_status s;

	*out = (le_table){0};
	if ((s = open_file(&r)) != IR_OK)
		return s;
	s = read_header(&r, &t, &bytes);
	if (s == IR_OK && !r.compressed && r.at + bytes > r.size)
		s = fail(&r, IR_EINPUT,
			 "truncated: the sizes ask for bytes up to offset %llu, the file ends at byte offset %llu",
			 (unsigned long long)(r.at + bytes), (unsigned long long)r.size);
	if (s == IR_OK && !r.compressed && r.at + bytes < r.size)
		s = fail(&r, IR_EINPUT, "trailing bytes: the sizes end the file at byte offset %llu, it has %llu bytes",
			 (unsigned long long)(r.at + bytes), (unsigned long long)r.size);
	if (s == IR_OK)
		s = read_elements(&r, &t, bytes);
	if (s == IR_OK)
		s = check_end(&r);
	gzclose(r.gz);
	if (s == IR_OK)
		*out = t;
	else
		le_table_free(&t);
	return s;
}

void le_table_free(le_table *t)
{
	if (t->data)
		rt_free(t->data, (size_t)t->rows * (size_t)t->width * ir_dtype_size(t->dtype));
	*t = (le_table){0};
}
