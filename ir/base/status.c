/* SPDX-License-Identifier: Apache-2.0
 * Texts and exit codes of ir_status. The codes are those of sysexits.h; 130 is what a shell reports for an
 * interrupted program. A NaN is a result, so a command that only met one ends like bad data. */
#include "ir/base/status.h"

#include <sysexits.h>
#include "ir/base/arena.h"

const char *ir_status_text(ir_status s)
{
	switch (s) {
	case IR_OK: return "ok";
	case IR_EINPUT: return "bad input";
	case IR_ENOINPUT: return "no such file";
	case IR_ENOMEM: return "out of memory";
	case IR_EIO: return "input/output error";
	case IR_EBUSY: return "locked by somebody else";
	case IR_EUNAVAILABLE: return "not available";
	case IR_EINTERNAL: return "internal error";
	case IR_ENAN: return "a value is not finite";
	case IR_EINTR: return "interrupted";
	case IR_EFULL: return "no space left on the disk";
	case IR_STATUS_COUNT: break;
	}
	return "unknown status";
}

int ir_status_exit(ir_status s)
{
	switch (s) {
	case IR_OK: return EX_OK;
	case IR_EINPUT: return EX_DATAERR;
	case IR_ENOINPUT: return EX_NOINPUT;
	case IR_ENOMEM: return EX_OSERR;
	case IR_EIO: return EX_IOERR;
	case IR_EBUSY: return EX_TEMPFAIL;
	case IR_EUNAVAILABLE: return EX_UNAVAILABLE;
	case IR_EINTERNAL: return EX_SOFTWARE;
	case IR_ENAN: return EX_DATAERR;
	case IR_EINTR: return 130;
	case IR_EFULL: return EX_IOERR;
	case IR_STATUS_COUNT: break;
	}
	ir_bug("status %d has no exit code", (int)s);
}
