/* SPDX-License-Identifier: Apache-2.0
 * One copy of a data set for several processes: a file in memory, sealed, so that whoever maps it need not fear that it
 * shrinks or changes under him. It holds the header, the name, the table at a multiple of a page, scaling and means, the three
 * lists of row numbers and the names of columns; every offset follows from the header's sizes. A table that stays in its own file is not copied:
 * the reader opens that file, and sees that it is the same. Writer and reader are the same program on the same machine, so
 * numbers are the machine's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "search/data/data_int.h"

#define MAGIC     "gm-data" /* 8 bytes with its end */
#define VERSION   3
#define PAGE      4096
#define MAX_NAME  ((uint64_t)1 << 20)
#define MAX_NAMES ((uint64_t)1 << 26) /* of all columns together */
#define MAX_TABLE ((uint64_t)1 << 40) /* elements: no sum of offsets overflows */
#define SEALS     (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

typedef struct header {
	char magic[8];
	uint32_t version, dtype;
	uint64_t rows, width, ntrain, nval, ntest;
	uint64_t name;     /* bytes, its end not counted */
	uint64_t scaled;   /* columns that have a mean and a deviation: 0 or width */
	uint64_t filled;   /* columns whose missing values were filled in: 0 or width */
	uint64_t names;    /* bytes of the columns' names, each with its end; 0: they have none */
	uint64_t unit;     /* le_data.unit */
	uint64_t shape[2];
	le_stamp file;     /* of a table that stays there; its bytes are 0 otherwise */
	ir_key key;
} header;

/* Offsets in the file; the name is right behind the header. */
typedef struct layout {
	uint64_t table, mean, std, fill, train, val, test, names, end;
} layout;

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* False: no data set has these sizes. */
static bool lay_out(const header *h, layout *l)
{
	uint64_t elements;

	if ((h->dtype != IR_U8 && h->dtype != IR_F32) || h->rows > UINT32_MAX || h->name > MAX_NAME ||
	    h->ntrain > h->rows || h->nval > h->rows || h->ntest > h->rows || (h->scaled && h->scaled != h->width) ||
	    (h->filled && h->filled != h->width) || h->names > MAX_NAMES)
		return false;
	if (__builtin_mul_overflow(h->rows, h->width, &elements) || elements < 1 || elements > MAX_TABLE)
		return false;
	l->table = round_up(sizeof *h + h->name + 1, PAGE);
	l->mean = l->table + (h->file.bytes ? 0 : round_up(elements * ir_dtype_size((ir_dtype)h->dtype), RT_ALIGN)); /* padded like any tensor */
	l->std = l->mean + h->scaled * sizeof(double);
	l->fill = l->std + h->scaled * sizeof(double);
	l->train = l->fill + h->filled * sizeof(double);
	l->val = l->train + h->ntrain * sizeof(uint32_t);
	l->test = l->val + h->nval * sizeof(uint32_t);
	l->names = l->test + h->ntest * sizeof(uint32_t);
	l->end = l->names + h->names;
	return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* The first three numbers belong to standard streams, even where somebody closed those. */
ir_status le_share_new(int *fd, ir_diag *d)
{
	int low = memfd_create("gradmill-data", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	*fd = low;
	if (low >= 0 && low < 3) {
		*fd = fcntl(low, F_DUPFD_CLOEXEC, 3);
		close(low);
	}
	return *fd >= 0 ? IR_OK : le_complain(d, IR_EINTERNAL, "shared data", strerror(errno));
}

static bool put(int fd, const void *from, uint64_t n, uint64_t at)
{
	const char *p = from;

	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done, at += (uint64_t)done, n -= (uint64_t)done;
	}
	return true;
}

static uint64_t names_bytes(const le_table *t)
{
	uint64_t n = 0;

	for (int64_t i = 0; t->column && i < t->width; i++)
		n += strlen(t->column[i]) + 1;
	return n;
}

static bool put_names(int fd, const le_table *t, uint64_t at)
{
	bool ok = true;

	for (int64_t i = 0; ok && t->column && i < t->width; i++) {
		uint64_t n = strlen(t->column[i]) + 1;

		ok = put(fd, t->column[i], n, at);
		at += n;
	}
	return ok;
}

static bool fill(int fd, const le_data *t, const header *h, const layout *l)
{
	size_t bytes = t->table.stays ? 0 : (size_t)(h->rows * h->width) * ir_dtype_size(t->table.dtype);
	size_t scale = h->scaled * sizeof(double);

	return ftruncate(fd, (off_t)l->end) == 0 && put(fd, h, sizeof *h, 0) && put(fd, t->name, h->name, sizeof *h) &&
	       put(fd, t->table.data, bytes, l->table) && put(fd, t->scale.mean, scale, l->mean) &&
	       put(fd, t->scale.std, scale, l->std) && put(fd, t->fill, h->filled * sizeof *t->fill, l->fill) &&
	       put_names(fd, &t->table, l->names) && put(fd, t->train, h->ntrain * sizeof *t->train, l->train) &&
	       put(fd, t->val, h->nval * sizeof *t->val, l->val) && put(fd, t->test, h->ntest * sizeof *t->test, l->test) &&
	       fcntl(fd, F_ADD_SEALS, SEALS) == 0;
}

/* The system does not refuse such memory, it kills somebody when there is no more: so we count, as rt_alloc does. */
static bool fits_memory(uint64_t bytes)
{
	uint64_t most = rt_memory() / 10 * 9; /* 0: unknown */

	return !most || rt_live_bytes() + bytes <= most;
}

ir_status le_data_share(const le_data *t, int fd, ir_diag *d)
{
	header h = {MAGIC, VERSION, (uint32_t)t->table.dtype, (uint64_t)t->table.rows, (uint64_t)t->table.width, t->ntrain,
		t->nval, t->ntest, strlen(t->name), (uint64_t)t->scale.width,
		t->fill ? (uint64_t)t->table.width : 0, names_bytes(&t->table), t->unit,
		{(uint64_t)t->table.shape[0], (uint64_t)t->table.shape[1]}, t->table.stamp, t->key};
	layout l;

	IR_ASSERT(lay_out(&h, &l), "the sizes of %s", t->name);
	if (!fits_memory(l.end))
		return le_complain(d, IR_ENOMEM, t->name, "no memory for a second copy of it");
	return fill(fd, t, &h, &l) ? IR_OK : le_complain(d, IR_EINTERNAL, t->name, strerror(errno));
}

/* ---- mapping ------------------------------------------------------------------------------------------------ */

/* NULL, or what is wrong. Seals come first: without them, what was checked could change behind our back. */
static const char *read_header(int fd, header *h, layout *l)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return "not a sealed file";
	if (fstat(fd, &st) != 0 || pread(fd, h, sizeof *h, 0) != (ssize_t)sizeof *h)
		return "too short for a header";
	if (memcmp(h->magic, MAGIC, sizeof h->magic) || h->version != VERSION)
		return "not a data set of this version";
	if (!lay_out(h, l))
		return "its sizes are out of range";
	return (uint64_t)st.st_size == l->end ? NULL : "its sizes do not fit its length";
}

static bool are_rows(const uint32_t *v, size_t n, uint64_t rows)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] >= rows)
			return false;
	return true;
}

static bool is_scale(const le_scale *s)
{
	for (int64_t i = 0; i < s->width; i++)
		if (!isfinite(s->mean[i]) || !isfinite(s->std[i]) || s->std[i] <= 0)
			return false;
	return true;
}

static bool is_fill(const double *v, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (!isfinite(v[i]))
			return false;
	return true;
}

/* As many names as columns, in the n bytes at p. The list is the heap's. */
static bool find_names(char *p, uint64_t n, le_table *t)
{
	char *end = p + n;

	if (!n)
		return true;
	if (n < (uint64_t)t->width) /* each has an end at least; nothing is allocated for a width that is not there */
		return false;
	t->column = ir_xmalloc((size_t)t->width, sizeof *t->column);
	for (int64_t i = 0; i < t->width; i++) {
		char *stop = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;

		if (!stop)
			return false;
		t->column[i] = p;
		p = stop + 1;
	}
	return p == end;
}

static const char *check_content(le_data *t, const header *h, char *names)
{
	if (memchr(t->name, 0, h->name + 1) != t->name + h->name)
		return "its name has no end";
	if (!are_rows(t->train, t->ntrain, h->rows) || !are_rows(t->val, t->nval, h->rows) ||
	    !are_rows(t->test, t->ntest, h->rows))
		return "a list names a row that is not there";
	if (!find_names(names, h->names, &t->table))
		return "its columns have not as many names";
	return is_scale(&t->scale) && is_fill(t->fill, h->filled) ? NULL : "its scaling is out of range";
}

/* The table's own file, which must be the one that the driver has seen. */
static ir_status open_again(le_data *t, const le_stamp *file, ir_diag *d)
{
	le_table same = {.dtype = t->table.dtype, .rows = t->table.rows, .width = t->table.width};
	ir_status s = le_table_leave(t->name, file->offset, &same, d);

	if (s != IR_OK)
		return s;
	if (memcmp(&same.stamp, file, sizeof *file)) {
		le_table_free(&same);
		return le_complain(d, IR_EINPUT, t->name, "the file has changed");
	}
	t->table.stays = true, t->table.stamp = same.stamp, t->table.fd = same.fd;
	return IR_OK;
}

ir_status le_data_map(int fd, le_data *out, ir_diag *d)
{
	header h;
	layout l;
	le_data t = {0};
	const char *wrong = read_header(fd, &h, &l);
	char *p;

	*out = (le_data){0};
	if (wrong)
		return le_complain(d, IR_EINPUT, "shared data", wrong);
	/* Nobody writes, so private pages are the file's all the same; a shared mapping of a sealed file is refused before
	 * Linux 6.7 even for reading. */
	p = mmap(NULL, l.end, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return le_complain(d, IR_EINTERNAL, "shared data", strerror(errno));
	t.table = (le_table){.dtype = (ir_dtype)h.dtype, .rows = (int64_t)h.rows, .width = (int64_t)h.width, .data = h.file.bytes ? NULL : p + l.table};
	t.table.shape[0] = (int64_t)h.shape[0], t.table.shape[1] = (int64_t)h.shape[1];
	t.scale = (le_scale){(int64_t)h.scaled, (double *)(void *)(p + l.mean), (double *)(void *)(p + l.std)};
	t.fill = h.filled ? (double *)(void *)(p + l.fill) : NULL;
	t.unit = h.unit;
	t.name = p + sizeof h;
	t.train = (uint32_t *)(void *)(p + l.train), t.ntrain = h.ntrain;
	t.val = (uint32_t *)(void *)(p + l.val), t.nval = h.nval;
	t.test = (uint32_t *)(void *)(p + l.test), t.ntest = h.ntest;
	t.key = h.key;
	t.map = p, t.map_bytes = l.end;
	wrong = check_content(&t, &h, p + l.names);
	if (wrong) {
		le_data_free(&t);
		return le_complain(d, IR_EINPUT, "shared data", wrong);
	}
	if (h.file.bytes) {
		ir_status s = open_again(&t, &h.file, d);

		if (s != IR_OK) {
			le_data_free(&t);
			return s;
		}
	}
	*out = t;
	return IR_OK;
}
