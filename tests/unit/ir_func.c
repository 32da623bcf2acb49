/* SPDX-License-Identifier: Apache-2.0
 * Whole functions: keys, canonical positions, binding, widening, the bottleneck proof, the verifier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "ir/ir.h"

typedef struct fixture {
	ir_arena *a;
	ir_diag *d;
} fixture;

static int setup(void **state)
{
	static fixture x;

	x = (fixture){ar_open(), ir_diag_new()};
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	fixture *x = *state;

	ar_free(x->a);
	ir_diag_free(x->d);
	return 0;
}

static ir_func *parse(fixture *x, const char *body)
{
	const char *text = ar_printf(x->a, "gradmill 1\nfunc main(x: f32[B,4], key: i32[2]) {\n%s\n}\n", body);
	ir_module *m = ir_parse("t.gm", text, strlen(text), x->a, x->d);

	if (!m)
		print_error("%s\n", ir_diag_get(x->d, 0)->text);
	assert_non_null(m);
	return m->func[0];
}

static bool same_key(fixture *x, const char *a, const char *b)
{
	return ir_key_equal(ir_arch_key(parse(x, a)), ir_arch_key(parse(x, b)));
}

#define W  "w = param f32[4,4]\n"
#define W1 "v = param f32[4,4]\n"

static void keys(void **state)
{
	static const char base[] = W W1 "a = matmul x, w\nb = relu a\ny = matmul b, v\nreturn y";

	/* two weights, or one twice */
	assert_false(same_key(*state, base, W "a = matmul x, w\nb = relu a\ny = matmul b, w\nreturn y"));
	/* renamed */
	assert_true(same_key(*state, base, "p = param f32[4,4]\nq = param f32[4,4]\nc = matmul x, p\nd = relu c\n"
					   "e = matmul d, q\nreturn y=e"));
	/* declared in another order */
	assert_true(same_key(*state, base, W1 W "a = matmul x, w\nb = relu a\ny = matmul b, v\nreturn y"));
	/* with dead code */
	assert_true(same_key(*state, base, W W1 "u = param f32[9]\nz = exp x\na = matmul x, w\nb = relu a\n"
					   "y = matmul b, v\nreturn y"));
	/* another operand order, attribute, initialiser, output name */
	assert_false(same_key(*state, "y = sub x, 1\nreturn y", "y = sub 1, x\nreturn y"));
	assert_false(same_key(*state, base, W W1 "a = matmul x, w, tb=true\nb = relu a\ny = matmul b, v\nreturn y"));
	assert_false(same_key(*state, W "y = matmul x, w\nreturn y",
			      "w = param f32[4,4], init=he_normal\ny = matmul x, w\nreturn y"));
	assert_false(same_key(*state, "y = relu x\nreturn y", "y = relu x\nreturn z=y"));
	/* one form for one meaning */
	assert_true(same_key(*state, "y = sum x, axes=[0,1]\nreturn y", "y = sum x, axes=[1,0]\nreturn y"));
	assert_true(same_key(*state, "y = cast x, f64[]\nreturn y", "y = cast x, f64[7]\nreturn y"));
}

static void positions(void **state)
{
	ir_func *f = parse(*state, "dead = param f32[2]\n" W1 W "a = matmul x, w\ny = matmul a, v\nreturn y");
	uint32_t pos[16];

	ir_canonical_positions(f, pos);
	assert_int_equal(pos[ir_find_value(f, "w")], 0);
	assert_int_equal(pos[ir_find_value(f, "v")], 1);
	assert_int_equal(pos[ir_find_value(f, "dead")], 2);
	assert_int_equal(pos[ir_find_value(f, "x")], IR_NO_REF);
}

static void canonical_is_a_fixpoint(void **state)
{
	fixture *x = *state;
	ir_func *f = parse(x, "h = res_dense2(x)\nn = noise(h, 0.1, key)\nloss = mse(n, x)\nreturn loss, n");
	ir_func *g = ir_canonical(f, x->a), *h = ir_canonical(g, x->a);
	ir_str s, t;

	sb_init(&s);
	sb_init(&t);
	ir_func_print(g, &s);
	ir_func_print(h, &t);
	assert_string_equal(s.s, t.s);
	assert_true(ir_verify(g, x->d));
	assert_true(ir_key_equal(ir_arch_key(f), ir_arch_key(g)));
	sb_fini(&s);
	sb_fini(&t);
}

static void bind_and_widen(void **state)
{
	fixture *x = *state;
	ir_func *f = parse(x, "h = dense<3>(x)\nr = reshape h, shape=[3,B]\nb = broadcast h, shape=[2,B,3]\nreturn r, b");
	ir_func *g = ir_bind(f, 32, x->a, x->d), *w;

	assert_non_null(g);
	assert_string_equal(ir_type_text(x->a, &g->ins[g->out[0].ref].type), "f32[3,32]");
	assert_string_equal(ir_type_text(x->a, &g->ins[g->out[1].ref].type), "f32[2,32,3]");
	assert_string_equal(g->ins[ir_find_value(g, "h_w")].name, "h_w");
	assert_int_equal(ir_type_count(&g->ins[0].type), 128);
	w = ir_widen(g, x->a);
	assert_string_equal(ir_type_text(x->a, &w->ins[w->out[0].ref].type), "f64[3,32]");
	assert_string_equal(ir_type_text(x->a, &w->ins[1].type), "i32[2]");
	assert_true(ir_verify(w, x->d));
	f = parse(x, "y = broadcast x, shape=[2000000,B,4]\nreturn y");
	assert_null(ir_bind(f, 1000000, x->a, x->d));
	assert_int_equal(ir_diag_get(x->d, 0)->id, IR_E_too_large);
}

static void bypass(void **state)
{
	fixture *x = *state;
	ir_ref *path;
	size_t n;
	ir_func *f;

	f = parse(x, "z = dense<2>(x)\ny = dense<4>(z)\nreturn latent=z, reconstruction=y");
	assert_false(ir_find_bypass(f, x->a, &path, &n));
	f = parse(x, "z = dense<2>(x)\nd = dense<4>(z)\ny = add d, x\nreturn latent=z, reconstruction=y");
	assert_true(ir_find_bypass(f, x->a, &path, &n));
	assert_int_equal(n, 2);
	assert_string_equal(f->ins[path[0]].name, "x");
	assert_string_equal(f->ins[path[1]].name, "y");
	/* noise from a key says nothing about the data */
	f = parse(x, "z = dense<2>(x)\nd = dense<4>(z)\nn = normal key, f32[B,4]\ny = add d, n\n"
		     "return latent=z, reconstruction=y");
	assert_false(ir_find_bypass(f, x->a, &path, &n));
	/* a value beside the latent */
	f = parse(x, "h = dense<2>(x)\nz = relu h\nd = add z, h\ny = dense<4>(d)\nreturn latent=z, reconstruction=y");
	assert_true(ir_find_bypass(f, x->a, &path, &n));
	f = parse(x, "y = relu x\nreturn reconstruction=y");
	assert_false(ir_find_bypass(f, x->a, &path, &n));
}

/* What only a broken pass can make. */
static void verifier(void **state)
{
	fixture *x = *state;
	ir_func *f = parse(x, "y = relu x\nz = neg y\nreturn z");
	ir_ref later = 3;

	assert_true(ir_verify(f, x->d));
	f->ins[2].arg = &later;
	assert_false(ir_verify(f, x->d));
	f = parse(x, "y = relu x\nz = neg y\nreturn z");
	f->ins[2].type.dim[1] = 5;
	assert_false(ir_verify(f, x->d));
	f = parse(x, "y = relu x\nz = neg y\nreturn z");
	f->ins[3].name = "y";
	assert_false(ir_verify(f, x->d));
	f = parse(x, "y = relu x\nz = neg y\nreturn z");
	ir_add_output(f, "z", 2);
	assert_false(ir_verify(f, x->d));
	f = parse(x, "y = relu x\nreturn y");
	ir_add_update(f, 0, 2);
	assert_false(ir_verify(f, x->d));
}

/* A pass that copies changes types by changing leaves. */
static void copy(void **state)
{
	fixture *x = *state;
	ir_func *f = parse(x, "y = relu x\nz = exp y\nreturn z"), *g = ir_func_new(x->a, "g");
	ir_ref map[8];
	ir_attr type = ir_a_type(IR_ATTR_type, ir_type_make(IR_F64, 1, (int64_t[]){7}));

	map[0] = ir_emit(g, "test", (ir_loc){0}, IR_input, NULL, 0, &type, 1);
	ir_copy_ins(g, f, 2, map);
	ir_copy_ins(g, f, 3, map);
	assert_string_equal(ir_type_text(x->a, &g->ins[map[3]].type), "f64[7]");
	assert_string_equal(g->ins[map[3]].name, "z");
	assert_int_equal(g->ins[map[3]].loc.line, 4);
}

int main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test_setup_teardown(keys, setup, teardown),
		cmocka_unit_test_setup_teardown(positions, setup, teardown),
		cmocka_unit_test_setup_teardown(canonical_is_a_fixpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(bind_and_widen, setup, teardown),
		cmocka_unit_test_setup_teardown(bypass, setup, teardown),
		cmocka_unit_test_setup_teardown(verifier, setup, teardown),
		cmocka_unit_test_setup_teardown(copy, setup, teardown),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
