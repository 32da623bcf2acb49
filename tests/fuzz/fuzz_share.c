/* SPDX-License-Identifier: Apache-2.0
 * Any sealed file in memory as a shared data set. The file's first page is nearly empty, so inputs leave it out: two bytes of
 * length, HEAD bytes for the file's begin, the rest from its second page on. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/share.h"

static int sealed_file(const uint8_t *data, size_t size)
{
	size_t head = size < FZ_HEAD ? size : FZ_HEAD;
	int fd = memfd_create("fuzz-share", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	FZ_MUST(fd >= 0);
	FZ_MUST(pwrite(fd, data, head, 0) == (ssize_t)head);
	FZ_MUST(pwrite(fd, data + head, size - head, FZ_PAGE) == (ssize_t)(size - head));
	return fd;
}

static void read_all(const le_data *t)
{
	FZ_MUST(t->table.rows > 0 && t->table.width > 0 && strlen(t->name) < FZ_PAGE);
	if (!le_data_staged(t)) /* else the rows are in a file of their own */
		ir_hash(t->table.data, (size_t)(t->table.rows * t->table.width) * ir_dtype_size(t->table.dtype));
	for (size_t i = 0; i < t->ntrain; i++)
		FZ_MUST(t->train[i] < t->table.rows);
	for (size_t i = 0; i < t->nval; i++)
		FZ_MUST(t->val[i] < t->table.rows);
	for (size_t i = 0; i < t->ntest; i++)
		FZ_MUST(t->test[i] < t->table.rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ir_diag *d = ir_diag_new();
	le_data t;
	ir_status s;
	int fd;

	if (size < 2)
		return ir_diag_free(d), 0;
	fd = sealed_file(data + 2, size - 2);
	FZ_MUST(ftruncate(fd, data[0] | data[1] << 8) == 0);
	FZ_MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0);
	s = le_data_map(fd, &t, d);
	close(fd);
	fz_check_status(s, d, NULL); /* the message names the shared data, or the file that they name */
	if (s == IR_OK)
		read_all(&t);
	le_data_free(&t);
	ir_diag_free(d);
	return 0;
}
