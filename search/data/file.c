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
	char text[600];
	ir_str shown;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	sb_init(&shown);
	sb_put_visible(&shown, text, strlen(text));
	le_complain(f->d, s, f->path, shown.s);
	sb_fini(&shown);
	return s;
}

/* ---- where bytes come from ---------------------------------------------------------------------------------------- */

static ir_status plain_some(const le_file *f, void *to, size_t n, size_t *got)
{
	ssize_t now;

	do
		now = read(f->fd, to, n < MAX_READ ? n : MAX_READ);
	while (now < 0 && errno == EINTR);
	*got = now < 0 ? 0 : (size_t)now;
	return now < 0 ? le_file_fail(f, IR_EIO, "%s", strerror(errno)) : IR_OK;
}

/* What zlib has against the file. */
static ir_status gzip_failed(const le_file *f)
{
	int code;
	const char *why = gzerror(f->from, &code), *text = strstr(why, ": "); /* "<fd:3>: why" */

	if (code == Z_ERRNO)
		return le_file_fail(f, IR_EIO, "%s", strerror(errno));
	if (code == Z_MEM_ERROR)
		return le_file_fail(f, IR_ENOMEM, "out of memory");
	if (code == Z_BUF_ERROR) /* the compressed stream stops in the middle */
		return le_file_fail(f, IR_EINPUT, "truncated: the gzip data end at byte offset %llu of what they unpack to",
				    (unsigned long long)f->at);
	return le_file_fail(f, IR_EINPUT, "damaged gzip data at byte offset %llu: %s", (unsigned long long)f->at,
			    text ? text + 2 : why);
}

static ir_status gzip_some(const le_file *f, void *to, size_t n, size_t *got)
{
	int code = Z_OK, now = gzread(f->from, to, (unsigned)(n < MAX_READ ? n : MAX_READ));

	*got = now < 0 ? 0 : (size_t)now;
	if (now == 0)
		gzerror(f->from, &code);
	return now < 0 || (now == 0 && code != Z_OK && code != Z_STREAM_END) ? gzip_failed(f) : IR_OK;
}

ir_status le_file_open_plain(le_file *f, const char *path, ir_diag *d)
{
	struct stat st;

	*f = (le_file){.path = path, .d = d, .some = plain_some, .sized = true};
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
	if (f->fd < 0)
		return le_file_fail(f, errno == ENOENT || errno == ENOTDIR ? IR_ENOINPUT : IR_EIO, "%s", strerror(errno));
	if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return le_file_fail(f, IR_EINPUT, "not a regular file");
	f->size = (uint64_t)st.st_size;
	return IR_OK;
}

ir_status le_file_open(le_file *f, const char *path, ir_diag *d)
{
	unsigned char magic[2];
	ir_status s = le_file_open_plain(f, path, d);

	if (s != IR_OK || pread(f->fd, magic, 2, 0) != 2 || magic[0] != 0x1f || magic[1] != 0x8b)
		return s;
	f->from = gzdopen(f->fd, "rb");
	if (!f->from)
		return le_file_fail(f, IR_ENOMEM, "out of memory");
	gzbuffer(f->from, 1 << 17);
	f->fd = -1; /* zlib's now */
	f->some = gzip_some;
	f->compressed = true;
	f->sized = false;
	return IR_OK;
}

void le_file_close(le_file *f)
{
	if (f->some == gzip_some)
		gzclose(f->from);
	if (f->fd >= 0)
		close(f->fd);
	*f = (le_file){.fd = -1};
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

ir_status le_file_some(le_file *f, void *to, size_t n, size_t *got)
{
	*got = 0;
	while (*got < n) {
		size_t now;
		ir_status s = f->some(f, (char *)to + *got, n - *got, &now);

		if (s != IR_OK || now == 0)
			return s;
		*got += now;
		f->at += now;
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

ir_status le_file_check_size(const le_file *f, uint64_t bytes)
{
	unsigned long long end = f->at + bytes;

	if (!f->sized || end == f->size)
		return IR_OK;
	if (end > f->size)
		return le_file_fail(f, IR_EINPUT, "truncated: the sizes ask for bytes up to offset %llu, the file ends at byte offset "
				    "%llu", end, (unsigned long long)f->size);
	return le_file_fail(f, IR_EINPUT, "trailing bytes: the sizes end the file at byte offset %llu, it has %llu bytes", end,
			    (unsigned long long)f->size);
}

ir_status le_file_check_end(le_file *f)
{
	size_t got;
	char c;
	ir_status s = le_file_some(f, &c, 1, &got);

	if (s == IR_OK && got)
		s = le_file_fail(f, IR_EINPUT, "trailing bytes: the sizes end the file at byte offset %llu",
				 (unsigned long long)f->at - 1);
	return s;
}

ir_status le_file_grow(const le_file *f, uint64_t all, void **p, size_t *cap)
{
	size_t next = *cap ? 2 * *cap : f->compressed ? FIRST_STEP : (size_t)all;
	ir_status s;

	if (next > all)
		next = (size_t)all;
	s = *p ? rt_grow(p, *cap, next) : rt_alloc(next, p);
	if (s != IR_OK)
		return le_file_fail(f, s, "no memory for %zu bytes", next);
	*cap = next;
	return IR_OK;
}

ir_status le_file_rest(le_file *f, uint64_t bytes, void **out)
{
	size_t have = 0, cap = 0;
	ir_status s = le_file_check_size(f, bytes);
	void *p = NULL;

	*out = NULL;
	while (s == IR_OK && have < bytes) {
		if ((s = le_file_grow(f, bytes, &p, &cap)) == IR_OK)
			s = le_file_exact(f, (char *)p + have, cap - have, "the elements");
		have = cap;
	}
	if (s == IR_OK)
		s = le_file_check_end(f);
	if (s == IR_OK)
		*out = p;
	else
		rt_free(p, cap);
	return s;
}
