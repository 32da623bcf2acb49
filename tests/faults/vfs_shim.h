/* SPDX-License-Identifier: Apache-2.0
 * SQLite's file system with faults: the k-th call that can fail does, once or from then on. */
#ifndef TESTS_FAULTS_VFS_SHIM_H
#define TESTS_FAULTS_VFS_SHIM_H

#include <stdbool.h>

typedef enum shim_kind {
	SHIM_IOERR, /* opening, reading, writing, truncating, syncing, locking, sizes, deleting */
	SHIM_FULL   /* writing and syncing, for lack of space */
} shim_kind;

void shim_install(void); /* as the default file system of this process; nothing fails yet */
/* k counts from 1; 0: nothing fails, calls are only counted. */
void shim_arm(shim_kind kind, long k, bool for_ever);
long shim_calls(void); /* that could have failed since then */

#endif
