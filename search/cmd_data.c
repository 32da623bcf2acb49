/* SPDX-License-Identifier: Apache-2.0
 * search/cmd_data.c -- see cmd_data.h. */
#include "search/cmd_data.h"

#include "search/output.h"

#define EXIT_USAGE 64

int se_check_source(const le_source *s)
{
	ir_diag *d = ir_diag_new();
	ir_status st = le_source_check(s, d);

	if (st != IR_OK)
		se_complain(d, st);
	ir_diag_free(d);
	return st == IR_OK ? -1 : EXIT_USAGE;
}
