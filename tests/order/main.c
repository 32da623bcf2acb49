/* SPDX-License-Identifier: Apache-2.0
 * tests/order/main.c -- the program as far as golden tests need it: without search and its libraries. */
#include <string.h>
#include "compiler/cmd.h"

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (!strcmp(name, "opt"))
		return cc_cmd_opt(argc - 1, argv + 1);
	if (!strcmp(name, "check"))
		return cc_cmd_check(argc - 1, argv + 1);
	if (!strcmp(name, "compile"))
		return cc_cmd_compile(argc - 1, argv + 1);
	return 2;
}
