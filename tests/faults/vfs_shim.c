/* SPDX-License-Identifier: Apache-2.0
 * See vfs_shim.h. Every file is the system's own file system's behind a head of ours. Syncing is left out: no power is cut in these
 * tests. */
#include "tests/faults/vfs_shim.h"
#include <errno.h>
#include <sqlite3.h>
#include <string.h>

typedef struct shim_file {
	sqlite3_file head;
	sqlite3_file *real; /* behind us */
} shim_file;

static sqlite3_vfs *real_vfs, shim_vfs;
static shim_kind kind;
static long at, calls;
static bool for_ever;

void shim_arm(shim_kind which, long k, bool ever)
{
	kind = which;
	at = k;
	calls = 0;
	for_ever = ever;
}

long shim_calls(void)
{
	return calls;
}

/* Does this call fail? */
static bool fails(bool writes)
{
	if (kind == SHIM_FULL && !writes)
		return false;
	calls++;
	if (!at || calls < at || (calls > at && !for_ever))
		return false;
	errno = kind == SHIM_FULL ? ENOSPC : EIO;
	return true;
}

static sqlite3_file *real(sqlite3_file *f)
{
	return ((shim_file *)f)->real;
}

static int shim_close(sqlite3_file *f)
{
	return real(f)->pMethods ? real(f)->pMethods->xClose(real(f)) : SQLITE_OK;
}

static int shim_read(sqlite3_file *f, void *to, int n, sqlite3_int64 offset)
{
	return fails(false) ? SQLITE_IOERR_READ : real(f)->pMethods->xRead(real(f), to, n, offset);
}

/* Half of what was to be written is there: a disk does not fill up between two pages. */
static int shim_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 offset)
{
	if (!fails(true))
		return real(f)->pMethods->xWrite(real(f), from, n, offset);
	real(f)->pMethods->xWrite(real(f), from, n / 2, offset);
	errno = kind == SHIM_FULL ? ENOSPC : EIO;
	return kind == SHIM_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return fails(false) ? SQLITE_IOERR_TRUNCATE : real(f)->pMethods->xTruncate(real(f), size);
}

static int shim_sync(sqlite3_file *f, int flags)
{
	(void)f, (void)flags;
	return fails(true) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return fails(false) ? SQLITE_IOERR_FSTAT : real(f)->pMethods->xFileSize(real(f), size);
}

static int shim_lock(sqlite3_file *f, int level)
{
	return fails(false) ? SQLITE_IOERR_LOCK : real(f)->pMethods->xLock(real(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xUnlock(real(f), level);
}

static int shim_reserved(sqlite3_file *f, int *out)
{
	return fails(false) ? SQLITE_IOERR_CHECKRESERVEDLOCK : real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int shim_device(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static const sqlite3_io_methods methods = {
	.iVersion = 1, .xClose = shim_close, .xRead = shim_read, .xWrite = shim_write, .xTruncate = shim_truncate,
	.xSync = shim_sync, .xFileSize = shim_size, .xLock = shim_lock, .xUnlock = shim_unlock,
	.xCheckReservedLock = shim_reserved, .xFileControl = shim_control, .xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_device,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	shim_file *s = (shim_file *)f;
	int rc;

	(void)vfs;
	s->real = (sqlite3_file *)(s + 1);
	f->pMethods = NULL;
	if (fails(false))
		return SQLITE_CANTOPEN;
	rc = real_vfs->xOpen(real_vfs, name, s->real, flags, out);
	if (rc == SQLITE_OK || s->real->pMethods)
		f->pMethods = &methods;
	return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	return fails(false) ? SQLITE_IOERR_DELETE : real_vfs->xDelete(real_vfs, name, sync);
}

static int shim_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	(void)vfs;
	return fails(false) ? SQLITE_IOERR_ACCESS : real_vfs->xAccess(real_vfs, name, flags, out);
}

static int shim_errno(sqlite3_vfs *vfs, int n, char *out)
{
	(void)vfs, (void)n, (void)out;
	return errno;
}

void shim_install(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	shim_vfs = *real_vfs; /* the rest is passed through: none of it looks at its first argument but for its data */
	shim_vfs.pNext = NULL;
	shim_vfs.zName = "shim";
	shim_vfs.szOsFile = (int)sizeof(shim_file) + real_vfs->szOsFile;
	shim_vfs.xOpen = shim_open;
	shim_vfs.xDelete = shim_delete;
	shim_vfs.xAccess = shim_access;
	shim_vfs.xGetLastError = shim_errno;
	sqlite3_vfs_register(&shim_vfs, 1);
}
