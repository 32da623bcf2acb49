/* SPDX-License-Identifier: Apache-2.0
 * What belongs to a table beside its numbers. */
#include <stdlib.h>
#include "search/data/data_int.h"

void le_table_free_columns(le_table *t)
{
	for (int64_t i = 0; t->column && i < t->width; i++)
		free(t->column[i]);
	free(t->column);
	t->column = NULL;
}
