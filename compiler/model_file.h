/* SPDX-License-Identifier: Apache-2.0
 * compiler/model_file.h -- how every command takes a model file: read, parse, say what is wrong. */
#ifndef COMPILER_MODEL_FILE_H
#define COMPILER_MODEL_FILE_H

#include "ir/ir.h"

#define CC_MODEL_MAX ((size_t)16 << 20) /* bytes of a model file */

/* Reads and parses path. *text receives the source (initialised here; sb_fini after d's last print, also on failure);
 * the module lives in a. Every failure has a message in d; nothing is printed. */
IR_MUSTUSE ir_status cc_model_read(const char *path, ir_arena *a, ir_diag *d, ir_str *text, ir_module **out);

/* For commands: prints the messages of d to stderr and drops them, so that none is printed twice. */
void cc_model_messages(ir_diag *d);

#endif
