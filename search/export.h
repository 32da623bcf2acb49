/* SPDX-License-Identifier: Apache-2.0
 * search/export.h -- a trial as a folder that stands on its own. */
#ifndef SEARCH_EXPORT_H
#define SEARCH_EXPORT_H

#include "search/use.h"

/* Writes model.gm, weights.safetensors (which carries the scaling) and README.md, with the commands to use them, into dir,
 * which is made if it is not there. db: how the user names the study's file. IR_EINPUT with a message if one of the three is
 * there and was not written by an earlier export: nothing is changed then. */
IR_MUSTUSE ir_status se_export(const se_use *u, const char *db, int threads, const char *dir);

#endif
