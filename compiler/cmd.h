/* SPDX-License-Identifier: Apache-2.0
 * compiler/cmd.h -- the sub-commands of this layer. Each parses its own argv (argv[0] is the command's name), prints
 * data to stdout and messages to stderr, and returns the exit code. */
#ifndef COMPILER_CMD_H
#define COMPILER_CMD_H

#include "compiler/cc.h"

int cc_cmd_opt(int argc, char **argv);     /* cmd_opt.c */
int cc_cmd_ops(int argc, char **argv);     /* cmd_ops.c */
int cc_cmd_check(int argc, char **argv);   /* cmd_check.c */
int cc_cmd_compile(int argc, char **argv); /* cmd_compile.c */
int cc_cmd_bench(int argc, char **argv);   /* cmd_bench.c */

/* How commands read files of weights; the program sets it before it runs one. cmd_common.c */
extern const cc_weight_reader *cc_weight_file;

#endif
