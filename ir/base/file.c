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

/* ok: what was done with the file so far; the first failure is the one that errno keeps. */
static bool close_file(int fd, bool ok)
{
	int why = errno;

	if (close(fd) != 0 && ok)
		return false;
	errno = why;
	return ok;
}

static ir_status write_direct(const char *path, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return failed();
	return close_file(fd, write_all(fd, data, n)) ? IR_OK : failed();
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

/* old: the file that is replaced, whose mode stays; NULL if there is none. */
static ir_status write_renamed(const char *path, const struct stat *old, const void *data, size_t n, bool sync)
{
	ir_str temp;
	ir_status st;
	int fd, why;
	bool ok;

	sb_init(&temp);
	fd = open_temp(path, &temp);
	ok = fd >= 0;
	if (ok) {
		ok = write_all(fd, data, n) && (!old || fchmod(fd, old->st_mode & 07777) == 0) && (!sync || fsync(fd) == 0);
		ok = close_file(fd, ok) && rename(temp.s, path) == 0;
	}
	st = ok ? IR_OK : failed();
	why = errno; /* the caller's message has it */
	if (fd >= 0 && !ok)
		unlink(temp.s);
	else if (ok && sync)
		sync_folder(path);
	sb_fini(&temp);
	errno = why;
	return st;
}

static ir_status write_file(const char *path, const void *data, size_t n, bool sync)
{
	struct stat st;
	char real[PATH_MAX];

	if (stat(path, &st) != 0)
		return write_renamed(path, NULL, data, n, sync);
	if (!S_ISREG(st.st_mode))
		return write_direct(path, data, n);
	if (!realpath(path, real)) /* a link stays a link; its target is replaced */
		return failed();
	return write_renamed(real, &st, data, n, sync);
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
