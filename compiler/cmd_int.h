/* SPDX-License-Identifier: Apache-2.0
 * compiler/cmd_int.h -- what the commands of this layer share: a model file being worked on, and where answers go.
 * For compiler/cmd_*.c only. */
#ifndef COMPILER_CMD_INT_H
#define COMPILER_CMD_INT_H

#include "compiler/cc.h"
#include "compiler/model_file.h"

#define CC_EXIT_USAGE  64
#define CC_EXIT_INPUT  65
#define CC_EXIT_FAILED 70 /* a check did not hold */

/* One model file. The sink outlives every message; close frees all of it. */
typedef struct cc_job {
	ir_arena *a;
	ir_diag *d;
	ir_str text;
	ir_module *m;
} cc_job;

/* Reads path ("-" is stdin). Returns 0, or the exit code after printing why. cc_job_close is due in either case. */
int cc_job_open(cc_job *j, const char *path);
void cc_job_close(cc_job *j);

/* Prints what is in the sink; the exit code of s, EX_DATAERR for IR_OK with an error in the sink. */
int cc_job_end(cc_job *j, ir_status s);

/* The function of that name, or NULL after a message. */
const ir_func *cc_job_func(const cc_job *j, const char *name);

/* A copy with the batch bound (batch > 0), in that precision. NULL after a message. */
const ir_func *cc_job_bind(const cc_job *j, const ir_func *f, int64_t batch, cc_precision p);

/* The precision of that name; 0, or 64 after a message. */
int cc_parse_precision(const char *command, const char *text, cc_precision *out);

/* May a plan be for so many threads? 0, or 64 after a message. */
int cc_check_threads(const char *command, int64_t threads);

/* s to path, or to stdout for NULL. 0, or the exit code after a message. */
int cc_write_answer(const char *command, const char *path, const ir_str *s);

#endif
