/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz.h -- what the fuzz targets share. A target is one file fuzz_NAME.c that hands bytes of anybody to one door
 * of the program and says what must hold behind it; libFuzzer (fuzz.sh) or replay.c (run.sh, in ctest) calls it. A finding is
 * an abort: a sanitizer's, ir_bug's, or that of an FZ_MUST below.
 * To add a reader of files: fuzz_NAME.c with one call of fz_table, seeds for it in seeds.c, words for it in NAME.dict. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "ir/ir.h"
#include "search/data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FZ_MUST(c) IR_ASSERT(c, "a promise to everyone who sends bytes")

/* ---- text ------------------------------------------------------------------------------------------------------- */

/* A parsed input. m: NULL after at least one message. */
typedef struct fz_text {
	ir_arena *a;
	ir_diag *d;
	ir_module *m;
} fz_text;

/* Parses; what parses must verify, and what does not must say why in a form that can be printed. */
fz_text fz_parse(const uint8_t *data, size_t size);
void fz_parse_end(fz_text *t);

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* A file in memory with these bytes under a path that a reader can open. The same file every time: the path is good until
 * the next call. */
const char *fz_file(const uint8_t *data, size_t size);

/* Gives them to a reader of tables: it must end in a table whose every element can be read, or in a message and no table;
 * and no memory of it may stay. Returns 0. */
typedef ir_status fz_reader(const char *path, le_table *out, ir_diag *d);
int fz_table(const uint8_t *data, size_t size, fz_reader *read);

/* A status and its messages agree: none if all is well, at least one, with the path (NULL: any), if not. */
void fz_check_status(ir_status s, const ir_diag *d, const char *path);

/* Labels that came with IR_OK name classes that are there; else there are none. */
void fz_check_labels(ir_status s, const le_labels *l);

#endif
