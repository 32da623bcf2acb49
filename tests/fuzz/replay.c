/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/replay.c FILE_OR_FOLDER ..: a fuzz target on given inputs, without libFuzzer and with any compiler. A finding ends
 * the process by a signal, behind the name of the input. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"

#define SECONDS 20 /* per input; it should take none */

static size_t count;

static bool run_file(const char *path)
{
	ir_str s;
	ir_status st;

	sb_init(&s);
	st = ir_file_read(path, (size_t)1 << 30, &s);
	if (st == IR_OK) {
		uint8_t *exact = ir_xmalloc(s.n, 1); /* no byte behind the last one: a sanitizer sees who reads it */

		memcpy(exact, s.s, s.n);
		fprintf(stderr, "%s\r", path);
		alarm(SECONDS);
		LLVMFuzzerTestOneInput(exact, s.n);
		alarm(0);
		free(exact);
		count++;
	} else {
		fprintf(stderr, "%s: %s\n", path, ir_status_text(st));
	}
	sb_fini(&s);
	return st == IR_OK;
}

static bool run_folder(const char *path, DIR *folder)
{
	bool ok = true;

	for (struct dirent *e = readdir(folder); e; e = readdir(folder)) {
		char name[4096];

		snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		ok &= e->d_name[0] == '.' || run_file(name);
	}
	closedir(folder);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok = true;

	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);

		ok &= folder ? run_folder(argv[i], folder) : run_file(argv[i]);
	}
	fprintf(stderr, "\n");
	printf("%s: %zu inputs\n", argv[0], count);
	return ok && count > 0 ? 0 : 1;
}
