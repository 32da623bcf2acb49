/* SPDX-License-Identifier: Apache-2.0
 * A table's memory: its own, or the file that it stays in. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "search/data/data_int.h"

uint64_t le_map_from = (uint64_t)1 << 29;

/* NULL, or what is wrong with the file. */
static const char *map_file(int fd, uint64_t offset, uint64_t bytes, le_table *t)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != offset + bytes)
		return "its length is not what its shape says";
	t->map_bytes = (size_t)st.st_size;
	t->map = mmap(NULL, t->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (t->map == MAP_FAILED) {
		t->map = NULL;
		return strerror(errno);
	}
	t->data = (char *)t->map + offset;
	t->stamp = (le_stamp){(uint64_t)st.st_size, offset, (uint64_t)st.st_dev, (uint64_t)st.st_ino,
		(uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec};
	return NULL;
}

ir_status le_table_map(const char *path, uint64_t offset, le_table *t, ir_diag *d)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *wrong = map_file(fd, offset, (uint64_t)(t->rows * t->width) * ir_dtype_size(t->dtype), t);

	t->fd = fd;
	if (!wrong)
		return IR_OK;
	if (fd >= 0)
		close(fd);
	return le_complain(d, IR_EINPUT, path, wrong);
}

void le_table_unmap(le_table *t)
{
	munmap(t->map, t->map_bytes);
	close(t->fd);
	t->map = NULL;
}

void le_table_free(le_table *t)
{
	if (t->map)
		le_table_unmap(t);
	else if (t->data)
		rt_free(t->data, (size_t)t->rows * (size_t)t->width * ir_dtype_size(t->dtype));
	for (int64_t i = 0; t->column && i < t->width; i++)
		free(t->column[i]);
	free(t->column);
	*t = (le_table){0};
}
