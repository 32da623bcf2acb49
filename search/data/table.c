/* SPDX-License-Identifier: Apache-2.0
 * A table's memory: its own, or the file that it stays in. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "search/data/data_int.h"

uint64_t le_stays_from = (uint64_t)1 << 29;

/* NULL, or what is wrong with the file. */
static const char *check_file(int fd, uint64_t offset, uint64_t bytes, le_table *t)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != offset + bytes)
		return "its length is not what its shape says";
	t->stamp = (le_stamp){(uint64_t)st.st_size, offset, (uint64_t)st.st_dev, (uint64_t)st.st_ino,
		(uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec};
	return NULL;
}

ir_status le_table_leave(const char *path, uint64_t offset, le_table *t, ir_diag *d)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *wrong = check_file(fd, offset, (uint64_t)(t->rows * t->width) * ir_dtype_size(t->dtype), t);

	t->fd = fd;
	t->stays = !wrong;
	if (!wrong)
		return IR_OK;
	if (fd >= 0)
		close(fd);
	return le_complain(d, IR_EINPUT, path, wrong);
}

size_t le_table_some(const le_table *t, uint64_t at, void *to, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(t->fd, (char *)to + done, n - done, (off_t)(t->stamp.offset + at + done));

		if (got < 0 && errno == EINTR)
			continue;
		errno = got ? errno : 0;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return done;
}

ir_status le_table_exact(const char *path, const le_table *t, uint64_t at, void *to, size_t n, ir_diag *d)
{
	if (le_table_some(t, at, to, n) == n)
		return IR_OK;
	return errno ? le_complain(d, IR_EIO, path, strerror(errno)) : le_complain(d, IR_EINPUT, path, "the file was cut short while it was read");
}

void le_table_free(le_table *t)
{
	if (t->stays)
		close(t->fd);
	else if (t->data)
		rt_free(t->data, (size_t)t->rows * (size_t)t->width * ir_dtype_size(t->dtype));
	for (int64_t i = 0; t->column && i < t->width; i++)
		free(t->column[i]);
	free(t->column);
	*t = (le_table){0};
}
