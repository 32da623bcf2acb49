/* SPDX-License-Identifier: Apache-2.0
 * Whole files. Reading works on pipes and devices too, so sizes are found by reading, never by asking.
 * Writing goes through a temporary file in the same folder and a rename: a reader, or a crash, sees the old
 * file or the new one. Devices and pipes are written directly; a rename would replace them. */
#define _GNU_SOURCE /* renameat2 */
#include "ir/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ir/base/arena.h"

static ir_status read_all(int fd, size_t max, ir_str *b)
{
	char part[65536];

	for (;;) {
		ssize_t n = read(fd, part, sizeof part);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return IR_EIO;
		if (n == 0)
			return IR_OK;
		if ((size_t)n > max - b->n)
			return IR_EINPUT;
		sb_putn(b, part, (size_t)n);
	}
}

ir_status ir_file_read(const char *path, size_t max, ir_str *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ir_status st;

	sb_clear(b);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? IR_ENOINPUT : IR_EIO;
	st = read_all(fd, max, b); /* a directory answers EISDIR here: IR_EIO */
	close(fd);
	return st;
}

/* Why a file could not be written: errno says. */
static ir_status failed(void)
{
	return errno == ENOSPC || errno == EDQUOT ? IR_EFULL : IR_EIO;
}

static bool write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			errno = k ? errno : EIO;
			return false;
		}
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* Makes the rename itself durable. Some file systems cannot: then the contents are still whole. */
static void sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd;

	if (!copy)
		return;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

#define MAX_TRIES 1000 /* names left behind by killed processes that had our number */

/* A new file beside path, its name in *temp. mkostemp would make it 0600, and the umask can only be asked by changing
 * it, under the feet of other threads: so the name is made here and open applies the mask. */
static int open_temp(const char *path, ir_str *temp)
{
	static atomic_uint count;
	int fd = -1;

	errno = EEXIST;
	for (int i = 0; i < MAX_TRIES && fd < 0 && errno == EEXIST; i++) {
		sb_clear(temp);
		sb_printf(temp, "%s.%ld.%u", path, (long)getpid(), atomic_fetch_add(&count, 1));
		fd = open(temp->s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	}
	return fd;
}

struct ir_out {
	int fd;
	int why; /* errno of the first failure; 0: none yet */
	ir_str path, temp; /* what is replaced at the end by what; temp empty: a device or pipe, written directly */
};

/* Opens the file that will take the place of path, whose mode stays if it is there. */
static bool open_out(ir_out *o, const char *path)
{
	struct stat old;
	char real[PATH_MAX];
	bool there = stat(path, &old) == 0;

	if (there && !S_ISREG(old.st_mode))
		return (o->fd = open(path, O_WRONLY | O_CLOEXEC)) >= 0;
	if (there && !realpath(path, real)) /* a link stays a link; its target is replaced */
		return false;
	sb_put(&o->path, there ? real : path);
	o->fd = open_temp(o->path.s, &o->temp);
	if (o->fd >= 0)
		ir_half_begun(o->temp.s);
	return o->fd >= 0 && (!there || fchmod(o->fd, old.st_mode & 07777) == 0);
}

static void note(ir_out *o, bool ok)
{
	if (!ok && !o->why)
		o->why = errno ? errno : EIO;
}

ir_status ir_out_open(const char *path, ir_out **out)
{
	ir_out *o = ir_xmalloc(1, sizeof *o);

	o->fd = -1;
	sb_init(&o->path);
	sb_init(&o->temp);
	note(o, open_out(o, path));
	*out = o->why ? NULL : o;
	if (o->why)
		ir_out_drop(o);
	return *out ? IR_OK : failed();
}

ir_status ir_out_put(ir_out *o, const void *data, size_t n)
{
	if (!o->why)
		note(o, write_all(o->fd, data, n));
	errno = o->why;
	return o->why ? failed() : IR_OK;
}

/* Frees o. Its file gets its name if nothing failed, or else is gone. */
static ir_status finish(ir_out *o, bool sync)
{
	bool renames = o->fd >= 0 && o->temp.n;
	int why;

	if (!o->why && renames && sync)
		note(o, fsync(o->fd) == 0);
	if (o->fd >= 0)
		note(o, close(o->fd) == 0);
	if (!o->why && renames)
		note(o, rename(o->temp.s, o->path.s) == 0);
	if (o->why && renames)
		unlink(o->temp.s);
	else if (renames && sync)
		sync_folder(o->path.s);
	ir_half_done(o->temp.s);
	why = o->why;
	sb_fini(&o->path);
	sb_fini(&o->temp);
	free(o);
	if (why)
		errno = why;
	return why ? failed() : IR_OK;
}

ir_status ir_out_close(ir_out *o)
{
	return finish(o, true);
}

void ir_out_drop(ir_out *o)
{
	if (!o)
		return;
	o->why = o->why ? o->why : ECANCELED;
	finish(o, false);
}

static ir_status write_file(const char *path, const void *data, size_t n, bool sync)
{
	ir_out *o;
	ir_status s = ir_out_open(path, &o);

	if (s != IR_OK)
		return s;
	note(o, write_all(o->fd, data, n));
	return finish(o, sync);
}

ir_status ir_file_write(const char *path, const void *data, size_t n)
{
	return write_file(path, data, n, true);
}

ir_status ir_file_write_fast(const char *path, const void *data, size_t n)
{
	return write_file(path, data, n, false);
}

/* rename() would replace what is there. NFS cannot be asked not to, but it has links; FAT has no links. */
static bool rename_new(const char *temp, const char *path)
{
	if (!renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE))
		return true;
	if ((errno != EINVAL && errno != ENOSYS) || link(temp, path) != 0)
		return false;
	unlink(temp); /* the file has its name; a second one does no harm */
	return true;
}

ir_status ir_file_publish(const char *temp, const char *path)
{
	int fd = open(temp, O_RDONLY | O_CLOEXEC), why;
	bool ok = fd >= 0 && fsync(fd) == 0;

	why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	if (!ok || !rename_new(temp, path))
		return IR_EIO;
	sync_folder(path);
	return IR_OK;
}
