/* SPDX-License-Identifier: Apache-2.0
 * search/cmd_data.h -- the options that say what the data are, for every command that reads any. */
#ifndef SEARCH_CMD_DATA_H
#define SEARCH_CMD_DATA_H

#include "ir/base/cli.h"
#include "search/data/data.h"

int se_check_source(const le_source *s); /* -1, or 64 after a message about an option that is wrong whatever the data are */

/* Rows of an option table; s: an le_source. */
#define SE_DATA_OPTIONS(s)                                                                                                     \
	{"data", IR_OPT_STRING, &(s).data, 0, "fashion-mnist|FILE", "the rows: IDX, .npy, .npz, .csv, .tsv (.gz or not), a folder of .png; see help data"}, \
	{"val", IR_OPT_STRING, &(s).val, 0, "FILE", "validation rows (a random part of --data)"},                               \
	{"test-data", IR_OPT_STRING, &(s).test, 0, "FILE", "test rows (a random part of --data)"},                              \
	{"split", IR_OPT_STRING, &(s).split, 0, "T/V/S", "per cent for training, validation and test (81/9/10)"},               \
	{"labels", IR_OPT_STRING, &(s).labels, 0, "L", "a label per row: a file, or a column by name or number; never trained on"}, \
	{"only", IR_OPT_STRING, &(s).only, 0, "LABEL", "train on rows with this label"},                                        \
	{"drop", IR_OPT_STRING, &(s).drop, 0, "COLS", "columns to leave out, by name or number: id,date"},                      \
	{"shape", IR_OPT_STRING, &(s).shape, 0, "S", "of a row in a file without a header: u8:28x28 or f32:784"},               \
	{"missing", IR_OPT_STRING, &(s).missing, 0, "refuse|mean", "refuse missing values, or mean: fill in the column's mean (refuse)"},  \
	{"scale", IR_OPT_STRING, &(s).scale, 0, "auto|none|standard", "auto: standardise columns unless all are in [0, 1]; none; standard (auto)"}

#endif
