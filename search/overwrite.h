/* SPDX-License-Identifier: Apache-2.0
 * search/overwrite.h -- what a command writes must not take the place of what it reads. Other files are replaced, as is usual. */
#ifndef SEARCH_OVERWRITE_H
#define SEARCH_OVERWRITE_H

#include "search/data/data.h"

typedef struct se_named {
	const char *name; /* of the option or operand: "--save", "MODEL.gm" */
	const char *path; /* NULL: not given */
} se_named;

#define SE_SOURCE_FILES 4 /* that an le_source names, at most */

/* The files of s as inputs. */
void se_source_files(const le_source *s, se_named in[SE_SOURCE_FILES]);

/* Is no output one of the inputs, a picture of an input that is a folder, or another output? Else a message, and false. */
bool se_may_write(const char *command, const se_named *out, size_t nout, const se_named *in, size_t nin);

#endif
