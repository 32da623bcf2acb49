/* SPDX-License-Identifier: Apache-2.0
 * Any file as the only picture of a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"

static char folder[] = "/tmp/fuzz-png-XXXXXX", link_path[sizeof folder + 8];

static void remove_folder(void)
{
	unlink(link_path);
	rmdir(folder);
}

/* path is the same every time: one link for all. */
static ir_status read_folder(const char *path, le_table *out, ir_diag *d)
{
	if (!link_path[0]) {
		FZ_MUST(mkdtemp(folder));
		snprintf(link_path, sizeof link_path, "%s/a.png", folder);
		FZ_MUST(symlink(path, link_path) == 0);
		atexit(remove_folder);
	}
	return le_png_read(folder, out, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fz_table(data, size, read_folder);
}
