/* SPDX-License-Identifier: Apache-2.0
 * Bytes of a data file, plain or gzip-compressed: the only file that includes zlib. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "search/data/data_int.h"

#define FIRST_STEP ((size_t)1 << 20)
#define MAX_READ   ((size_t)1 << 24) /* zlib counts in int */

ir_status le_file_fail(const le_file *f, ir_status s, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return le_complain(f->d, s, f->path, text);
}

ir_status le_file_open(le_file *f, const char *path, ir_diag *d)
{
	struct stat st;
	unsigned char magic[2];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */

	*f = (le_file){.path = path, .d = d};
	if (fd < 0)
		return le_file_fail(f, errno == ENOENT || errno == ENOTDIR ? IR_ENOINPUT : IR_EIO, "%s", strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return le_file_fail(f, IR_EINPUT, "not a regular file");
	}
	f->size = (uint64_t)st.st_size;
	f->compressed = pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
	f->gz = gzdopen(fd, "rb");
	if (!f->gz) {
		close(fd);
		return le_file_fail(f, IR_ENOMEM, "out of memory");
	}
	gzbuffer(f->gz, 1 << 17);
	return IR_OK;
}

void le_file_close(le_file *f)
{
	if (f->gz)
		gzclose(f->gz);
	f->gz = NULL;
}

/* What zlib has against the file: nothing more to read, or a message. */
static ir_status read_failed(const le_file *f)
{
	int code;
	const char *why = gzerror(f->gz, &code);

	if (code == Z_ERRNO)
		return le_file_fail(f, IR_EIO, "%s", strerror(errno));
	if (code == Z_MEM_ERROR)
		return le_file_fail(f, IR_ENOMEM, "out of memory");
	if (code == Z_BUF_ERROR) /* the compressed stream stops in the middle */
		return le_file_fail(f, IR_EINPUT, "truncated: the gzip data end at byte offset %llu of what they unpack to",
				    (unsigned long long)f->at);
	return le_file_fail(f, IR_EINPUT, "damaged gzip data at byte offset %llu: %s", (unsigned long long)f->at, why);
}

ir_status le_file_some(le_file *f, void *to, size_t n, size_t *got)
{
	*got = 0;
	while (*got < n) {
		size_t want = n - *got < MAX_READ ? n - *got : MAX_READ;
		int code = Z_OK, now = gzread(f->gz, (char *)to + *got, (unsigned)want);

		if (now == 0)
			gzerror(f->gz, &code);
		if (now < 0 || (now == 0 && code != Z_OK && code != Z_STREAM_END))
			return read_failed(f);
		if (now == 0)
			break;
		*got += (size_t)now;
		f->at += (uint64_t)now;
	}
	return IR_OK;
}

ir_status le_file_exact(le_file *f, void *to, size_t n, const char *what)
{
	size_t got;
	ir_status s = le_file_some(f, to, n, &got);

	if (s == IR_OK && got < n)
		s = le_file_fail(f, IR_EINPUT, "truncated: the file ends at byte offset %llu in %s", (unsigned long long)f->at, what);
	return s;
}

static ir_status check_size(const le_file *f, uint64_t bytes)
{
	unsigned long long end = f->at + bytes;

	if (f->compressed || end == f->size)
		return IR_OK;
	if (end > f->size)
		return le_file_fail(f, IR_EINPUT, "truncated: the sizes ask for bytes up to offset %llu, the file ends at byte offset "
				    "%llu", end, (unsigned long long)f->size);
	return le_file_fail(f, IR_EINPUT, "trailing bytes: the sizes end the file at byte offset %llu, it has %llu bytes", end,
			    (unsigned long long)f->size);
}

static ir_status check_end(le_file *f)
{
	size_t got;
	char c;
	ir_status s = le_file_some(f, &c, 1, &got);

	if (s == IR_OK && got)
		s = le_file_fail(f, IR_EINPUT, "trailing bytes: the sizes end the file at byte offset %llu",
				 (unsigned long long)f->at - 1);
	return s;
}

ir_status le_file_rest(le_file *f, uint64_t bytes, void **out)
{
	size_t have = 0, cap = 0;
	ir_status s = check_size(f, bytes);
	void *p = NULL;

	*out = NULL;
	while (s == IR_OK && have < bytes) {
		size_t next = cap == 0 ? (f->compressed ? FIRST_STEP : (size_t)bytes) : 2 * cap;

		if (next > bytes)
			next = (size_t)bytes;
		s = p ? rt_grow(&p, cap, next) : rt_alloc(next, &p);
		if (s != IR_OK) {
			le_file_fail(f, s, "no memory for %llu bytes", (unsigned long long)next);
			break;
		}
		cap = next;
		s = le_file_exact(f, (char *)p + have, cap - have, "the elements");
		have = cap;
	}
	if (s == IR_OK)
		s = check_end(f);
	if (s == IR_OK)
		*out = p;
	else if (p)
		rt_free(p, cap);
	return s;
}
