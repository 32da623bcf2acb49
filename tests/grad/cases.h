/* SPDX-License-Identifier: Apache-2.0
 * tests/grad/cases.h -- the instances that test_grad.c differentiates, in f64. cases.c makes them, by the word in the
 * shape column of ops.def; what is done with one is test_grad.c's affair. */
#ifndef TG_CASES_H
#define TG_CASES_H

#include <stdbool.h>
#include "ir/ir.h"

#define F(r, ...) {.dtype = IR_F64, .rank = (r), .dim = {__VA_ARGS__}}

typedef enum range { PLAIN, POSITIVE, AWAY, APART } range; /* [-2,2]; [.5,2.5]; at least .5 from 0; no ties */

typedef struct in {
	range range;
	ir_type type;
} in;

/* One function to be differentiated: op on inputs of these types. An i32 operand is an input too. */
typedef struct instance {
	ir_op op;
	in x[3];
	int nx, nattr;
	ir_attr attr[3];
	bool smooth;
} instance;

/* Makes every instance of op and gives each to tg_run. Ops without a float operand have none. */
void tg_cases(ir_op op);

/* Tests one instance with several seeds. In test_grad.c. */
void tg_run(const instance *c);

#endif
