/* SPDX-License-Identifier: Apache-2.0
 * Shape rules, one row per fact: a statement on x, z, .. and the type or the message it gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "ir/ir.h"

static const struct {
	const char *params, *op, *want; /* a type, or the id of a message */
} row[] = {
	{"x: f32[B,4], z: f32[4]", "add x, z", "f32[B,4]"},
	{"x: f32[B,1], z: f32[1,4]", "mul x, z", "f32[B,4]"},
	{"x: f32[3,1], z: f32[2,1,5]", "max x, z", "f32[2,3,5]"},
	{"x: f32[0,4], z: f32[1,4]", "sub x, z", "f32[0,4]"},
	{"x: f32[0], z: f32[2]", "sub x, z", "shape_bcast"},
	{"x: f32[B], z: f32[5]", "add x, z", "shape_bcast"},
	{"x: f32[B], z: f64[B]", "add x, z", "dtype_differs"},
	{"x: u8[4], z: u8[4]", "add x, z", "dtype_is"},
	{"x: bool[4]", "neg x", "dtype_is"},
	{"x: bool[4]", "stop_gradient x", "bool[4]"},
	{"x: i32[4]", "tanh x", "dtype_is"},
	{"x: i32[4]", "neg x", "i32[4]"},
	{"x: i32[B,4]", "compare x, 3, dir=eq", "bool[B,4]"},
	{"x: i32[4]", "compare x, 0.5, dir=eq", "bad_attr"},
	{"c: bool[3,1], x: f32[4]", "select c, x, 0", "f32[3,4]"},
	{"c: f32[4], x: f32[4]", "select c, x, x", "dtype_is"},
	{"x: u8[B,784]", "cast x, f32[]", "f32[B,784]"},
	{"x: f32[2,B,4]", "sum x, axes=[1]", "f32[2,4]"},
	{"x: f32[2,3]", "sum x, axes=[]", "f32[2,3]"},
	{"x: f32[2,3]", "mean x, axes=[0,1]", "f32[]"},
	{"x: i32[2,3]", "mean x, axes=[0]", "dtype_is"},
	{"x: f32[2,3]", "sum x, axes=[2]", "axis_range"},
	{"x: f32[2,3]", "sum x, axes=[1,1]", "axis_twice"},
	{"x: f32[2,0]", "amax x, axes=[1]", "empty_reduce"},
	{"x: f32[2,0]", "amax x, axes=[0]", "f32[0]"},
	{"x: f32[B,4], z: f32[4,5]", "matmul x, z", "f32[B,5]"},
	{"x: f32[B,4], z: f32[B,5]", "matmul x, z, ta=true", "f32[4,5]"},
	{"x: f32[B,4], z: f32[5,4]", "matmul x, z, tb=true", "f32[B,5]"},
	{"x: f32[4,3], z: f32[5,4]", "matmul x, z, ta=true, tb=true", "f32[3,5]"},
	{"x: f32[B,4], z: f32[5,4]", "matmul x, z", "shape_inner"},
	{"x: f32[4], z: f32[4,5]", "matmul x, z", "rank_is"},
	{"x: i32[4,4], z: i32[4,4]", "matmul x, z", "dtype_is"},
	{"x: f32[B,784]", "reshape x, shape=[B,1,28,28]", "f32[B,1,28,28]"},
	{"x: f32[B,784]", "reshape x, shape=[784]", "shape_count"},
	{"x: f32[B,784]", "reshape x, shape=[B,B]", "shape_count"},
	{"x: f32[2,6]", "reshape x, shape=[5]", "shape_count"},
	{"x: f32[0,6]", "reshape x, shape=[7,0]", "f32[7,0]"},
	{"x: f32[1]", "reshape x, shape=[]", "f32[]"},
	{"x: f32[2,3,B]", "transpose x, perm=[2,0,1]", "f32[B,2,3]"},
	{"x: f32[2,3]", "transpose x, perm=[0,0]", "perm"},
	{"x: f32[2,3]", "transpose x, perm=[0]", "perm"},
	{"x: f32[1,4]", "broadcast x, shape=[B,4]", "f32[B,4]"},
	{"x: f32[3,4]", "broadcast x, shape=[4]", "shape_to"},
	{"x: f32[3]", "broadcast x, shape=[B]", "shape_to"},
	{"x: f32[B,8]", "slice x, start=[0,5], size=[B,3]", "f32[B,3]"},
	{"x: f32[B,8]", "slice x, start=[0,5], size=[B,4]", "slice_range"},
	{"x: f32[B,8]", "slice x, start=[1,5], size=[B,3]", "batch_op"},
	{"x: f32[B,8]", "slice x, start=[0,5], size=[4,3]", "batch_op"},
	{"x: f32[4,8]", "slice x, start=[0,-2], size=[4,3]", "dim_range"},
	{"x: f32[4,8]", "slice x, start=[0], size=[4,3]", "rank_is"},
	{"x: f32[B,4], z: f32[B,0]", "concat x, z, x, axis=1", "f32[B,8]"},
	{"x: f32[B,4]", "concat x, x, axis=0", "batch_op"},
	{"x: f32[3,4], z: f32[2,4]", "concat x, z, axis=1", "shape_concat"},
	{"x: f32[3,4], z: f32[3]", "concat x, z, axis=1", "shape_concat"},
	{"x: f32[]", "concat x, axis=0", "axis_range"},
	{"t: u8[9,3,2], i: i32[B]", "gather t, i", "u8[B,3,2]"},
	{"t: f32[9], i: i32[4]", "gather t, i", "f32[4]"},
	{"t: f32[], i: i32[4]", "gather t, i", "rank_is"},
	{"t: f32[9,3], i: i32[4,1]", "gather t, i", "rank_is"},
	{"t: f32[9,3], i: f32[4]", "gather t, i", "dtype_is"},
	{"t: f32[0,3], i: i32[4]", "gather t, i", "empty_reduce"},
	{"t: f32[B,3], i: i32[B]", "scatter t, i, rows=9", "f32[9,3]"},
	{"t: f32[4,3], i: i32[5]", "scatter t, i, rows=9", "shape_inner"},
	{"t: f32[4,3], i: i32[4]", "scatter t, i, rows=-5", "dim_range"},
	{"key: i32[2]", "split key, index=0", "i32[2]"},
	{"key: i32[2]", "split key, index=-2", "bad_attr"},
	{"key: i32[3]", "split key, index=0", "arg_type"},
	{"key: i32[2]", "uniform key, f64[B,3]", "f64[B,3]"},
	{"key: i32[2]", "normal key, i32[3]", "dtype_is"},
	{"", "iota i32[3,B], axis=1", "i32[3,B]"},
	{"", "iota bool[3], axis=0", "dtype_is"},
	{"", "iota f32[], axis=0", "axis_range"},
	{"", "constant 255, u8[2]", "u8[2]"},
	{"", "constant 256, u8[2]", "bad_attr"},
	{"", "constant 2, bool[]", "bad_attr"},
	{"", "constant nan, f32[]", "f32[]"},
	{"", "param f32[B,2]", "batch_op"},
	{"", "param u8[2]", "dtype_is"},
	{"", "state i32[2]", "i32[2]"},
	{"", "constant 0, f32[1048576,1048576]", "f32[1048576,1048576]"},
	{"", "constant 0, f32[1048576,1048577]", "too_large"},
	{"", "constant 0, f32[0,1048576,1048576]", "f32[0,1048576,1048576]"},
	{"", "constant 0, f32[0,2147483647,2147483647,2147483647]", "too_large"}, /* its strides would overflow */
	{"x: f32[2147483647,0,512]", "neg x", "f32[2147483647,0,512]"},
	{"x: f32[2147483647,0,514]", "neg x", "too_large"},
	{"x: f32[65536,65536]", "broadcast x, shape=[257,65536,65536]", "too_large"},
};

static void rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		ir_arena *a = ar_open();
		ir_diag *d = ir_diag_new();
		const char *got, *text = ar_printf(a, "gradmill 1\nfunc f(%s) {\ny = %s\nreturn y\n}\n", row[i].params, row[i].op);
		ir_module *m = ir_parse("t.gm", text, strlen(text), a, d);

		if (m)
			got = ir_type_text(a, &m->func[0]->ins[m->func[0]->out[0].ref].type);
		else
			got = ir_msg_name(ir_diag_get(d, 0)->id);
		if (strcmp(got, row[i].want) != 0)
			fail_msg("%s on (%s): %s, not %s", row[i].op, row[i].params, got, row[i].want);
		if (m)
			assert_true(ir_verify(m->func[0], d));
		ir_diag_free(d);
		ar_free(a);
	}
}

int main(void)
{
	const struct CMUnitTest test[] = {cmocka_unit_test(rules)};

	return cmocka_run_group_tests(test, NULL, NULL);
}
