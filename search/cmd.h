/* SPDX-License-Identifier: Apache-2.0
 * search/cmd.h -- the sub-commands of this layer. Each parses its own argv (argv[0] is the command's name), prints
 * data to stdout and messages to stderr, and returns the exit code. */
#ifndef SEARCH_CMD_H
#define SEARCH_CMD_H

#define SE_VERSION "0.1.0" /* CMakeLists.txt has the same number; a test compares them */
#define SE_RELEASED "2026-12-01" /* the date of the manual page: a build has none of its own, so that it can be repeated */

int se_cmd_search(int argc, char **argv);
int se_cmd_train(int argc, char **argv); /* cmd_train.c */
int se_cmd_apply(int argc, char **argv);
int se_cmd_trials(int argc, char **argv);
int se_cmd_best(int argc, char **argv);
int se_cmd_show(int argc, char **argv);
int se_cmd_query(int argc, char **argv);
int se_cmd_backup(int argc, char **argv);
int se_cmd_replay(int argc, char **argv);
int se_cmd_report(int argc, char **argv);
int se_cmd_status(int argc, char **argv);
int se_cmd_stop(int argc, char **argv);
int se_cmd_worker(int argc, char **argv); /* hidden: started by the driver only */

#endif
