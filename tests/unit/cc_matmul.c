/* SPDX-License-Identifier: Apache-2.0
 * Compiled matrix products: shapes around the sizes that the kernel treats apart (tiles, vectors, panels, blocks and packs of k),
 * every way an operand may lie, both float types, all levels of vectors, products inside a step that updates its weights.
 * The product space is sampled so that every pair of values of two axes occurs. Results against exact sums within the error
 * that a chain of so many roundings may have, and one thread against three to the bit. Then operands at the edge of a page:
 * what a kernel reads beyond the padding is a crash, what it makes of the padding is a NaN. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/diff/diff.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

typedef enum form { PLAIN, A_TURNED, B_TURNED, B_COLUMNS, B_ROWS, FORMS } form;

static const char *const form_name[FORMS] = {"plain", "A turned", "B turned", "columns of B", "rows of B"};
static const char *const targets[] = {"x86-64", "x86-64-v3", NULL}; /* NULL: the host, AVX-512 where there is one */
static cc_context *context[COUNT(targets)]; /* NULL: cannot run here */
static ir_arena *arena;

/* A product [m,k] [k,n]. B lies in a matrix of rows x cols, from row r0 and column c0. */
typedef struct product {
	int64_t m, k, n, rows, cols, r0, c0;
	form form;
	ir_dtype dtype;
	size_t target;
	bool updates; /* B is a param that changes, the product goes to a state: both live in panels where they are wide */
} product;

static int set_up(void **state)
{
	(void)state;
	arena = ar_open();
	for (size_t i = 0; i < COUNT(targets); i++) {
		cc_context_options o = cc_context_default();

		o.cache_dir = "", o.target = targets[i];
		if (cc_context_new(&o, &context[i], NULL) != IR_OK)
			context[i] = NULL;
	}
	return context[COUNT(targets) - 1] ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++)
		cc_context_free(context[i]);
	ar_free(arena);
	return 0;
}

static const char *type_name(ir_dtype t)
{
	return t == IR_F32 ? "f32" : "f64";
}

static const char *describe(const product *p)
{
	const char *type = type_name(p->dtype), *target = targets[p->target] ? targets[p->target] : "host";

	return ar_printf(arena, "%s %lldx%lldx%lld, %s [%lld,%lld] from [%lld,%lld], %s%s", type, (long long)p->m, (long long)p->n,
			 (long long)p->k, form_name[p->form], (long long)p->rows, (long long)p->cols, (long long)p->r0,
			 (long long)p->c0, target, p->updates ? ", updates" : "");
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static ir_func *parse(const char *text)
{
	ir_diag *d = ir_diag_new();
	ir_module *m = ir_parse("test.gm", text, strlen(text), arena, d);
	ir_str s;

	sb_init(&s);
	ir_diag_print_all(d, &s);
	if (!m)
		fail_msg("%s\n%s", s.s, text);
	sb_fini(&s);
	ir_diag_free(d);
	return m->func[0];
}

/* y = x b, b a part of w. With updates also s = s / 2 + y and w = w / 2, both exact but for the sum. */
static ir_func *program(const product *p)
{
	const char *t = type_name(p->dtype), *slice = "", *b = "w";
	bool turned = p->form == A_TURNED;
	char *x = ar_printf(arena, "%s[%lld,%lld]", t, (long long)(turned ? p->k : p->m), (long long)(turned ? p->m : p->k));
	char *w = ar_printf(arena, "%s[%lld,%lld]", t, (long long)p->rows, (long long)p->cols), *y, *text;

	if (p->form == B_TURNED)
		slice = "  b = transpose w, perm=[1,0]\n", b = "b";
	if (p->form == B_COLUMNS || p->form == B_ROWS)
		slice = ar_printf(arena, "  b = slice w, start=[%lld,%lld], size=[%lld,%lld]\n", (long long)p->r0, (long long)p->c0,
				  (long long)p->k, (long long)p->n), b = "b";
	y = ar_printf(arena, "%s  y = matmul x, %s%s\n", slice, b, turned ? ", ta=true" : "");
	if (!p->updates)
		text = ar_printf(arena, "gradmill 1\nfunc main(x: %s, w: %s) {\n%s  return y\n}\n", x, w, y);
	else
		text = ar_printf(arena,
				 "gradmill 1\nfunc main(x: %s) {\n  w = param %s\n  s = state %s[%lld,%lld]\n%s"
				 "  half = constant 0.5, %s[]\n  h = mul s, half\n  t = add h, y\n  v = mul w, half\n"
				 "  update s, t\n  update w, v\n  return y\n}\n",
				 x, w, t, (long long)p->m, (long long)p->n, y, t);
	return parse(text);
}

static size_t output_named(const ir_func *f, const char *name)
{
	return (size_t)(ir_find_output(f, name) - f->out);
}

/* Element [i,j] of b's matrix w. */
static int64_t in_w(const product *p, int64_t i, int64_t j)
{
	return p->form == B_TURNED ? j * p->cols + i : (p->r0 + i) * p->cols + p->c0 + j;
}

static int64_t in_x(const product *p, int64_t i, int64_t k)
{
	return p->form == A_TURNED ? k * p->m + i : i * p->k + k;
}

/* Where b lies in w, with some rows or columns around it. */
static void choose_matrix(product *p)
{
	bool turned = p->form == B_TURNED;

	p->rows = turned ? p->n : p->k, p->cols = turned ? p->k : p->n;
	if (p->form == B_COLUMNS)
		p->cols += 7, p->c0 = 5;
	if (p->form == B_ROWS)
		p->rows += 5, p->r0 = 3;
}

/* ---- exact sums and their bounds --------------------------------------------------------------------------------- */

#define STEPS 2

typedef struct exact {
	double *y, *size; /* [m,n]: x b, and the sum of |x| |b| */
} exact;

static double *as_doubles(const rt_tensor *t, int64_t n)
{
	double *v = ir_xmalloc((size_t)n + 1, sizeof *v);

	for (int64_t i = 0; i < n; i++)
		v[i] = rt_load(t->type.dtype, t->data, i);
	return v;
}

/* Sums in long double: exact enough beside f64. */
static exact multiply(const product *p, const rt_tensor *x, const rt_tensor *w)
{
	double *a = as_doubles(x, p->m * p->k), *b = as_doubles(w, p->rows * p->cols);
	exact e = {ir_xmalloc((size_t)(p->m * p->n), sizeof *e.y), ir_xmalloc((size_t)(p->m * p->n), sizeof *e.size)};
	int64_t step = p->k > 1 ? in_w(p, 1, 0) - in_w(p, 0, 0) : 0, along = p->k > 1 ? in_x(p, 0, 1) - in_x(p, 0, 0) : 0;

	for (int64_t i = 0; i < p->m; i++)
		for (int64_t j = 0; j < p->n; j++) {
			const double *left = a + in_x(p, i, 0), *right = b + in_w(p, 0, j);
			long double sum = 0, size = 0;

			for (int64_t k = 0; k < p->k; k++) {
				long double one = (long double)left[k * along] * right[k * step];

				sum += one, size += one < 0 ? -one : one;
			}
			e.y[i * p->n + j] = (double)sum, e.size[i * p->n + j] = (double)size;
		}
	free(a);
	free(b);
	return e;
}

static void free_exact(exact *e)
{
	free(e->y);
	free(e->size);
}

static double unit(ir_dtype t)
{
	return t == IR_F32 ? 0x1p-24 : 0x1p-53;
}

/* Roundings on the way to an element: of a chain in a block of k (two each without FMA), of the sum of blocks; one to spare. */
static double roundings(int64_t k)
{
	return (double)(k < 128 ? k : 128) + 1 + (double)(k / 128) + 1;
}

/* What is wrong with got = scale (x b) + add s, or NULL. */
static const char *compare(const product *p, const exact *e, const void *got, const char *what, double scale, const rt_tensor *s, double add)
{
	double worst = 0, want = 0, have = 0;
	int64_t at = -1, bad = 0;

	for (int64_t i = 0; i < p->m * p->n; i++) {
		double more = s ? add * rt_load(p->dtype, s->data, i) : 0, y = scale * e->y[i] + more, g = rt_load(p->dtype, got, i);
		double bound = unit(p->dtype) * (scale * roundings(p->k) * e->size[i] + (s ? 4 * (fabs(more) / add + e->size[i]) : 0));
		double ratio = g == y ? 0 : fabs(g - y) / bound;

		if (ratio <= 1)
			continue;
		bad++;
		if (!(ratio <= worst))
			worst = ratio, at = i, want = y, have = g;
	}
	if (!bad)
		return NULL;
	return ar_printf(arena, "%s: %lld of %lld elements, worst [%lld,%lld] is %.9g, not %.9g: %.3g bounds", what, (long long)bad,
			 (long long)(p->m * p->n), (long long)(at / p->n), (long long)(at % p->n), have, want, worst);
}

/* ---- one product ------------------------------------------------------------------------------------------------- */

/* Numbers of [-1, 1), for each leaf others. */
static size_t fill_leaves(const ir_func *f, rt_tensor *leaf)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const ir_type *t = &f->ins[i].type;
		int64_t count = ir_type_count(t);

		if (!ir_is_leaf(f, (ir_ref)i))
			continue;
		assert_int_equal(rt_tensor_alloc(&leaf[n], *t), IR_OK);
		rt_fill_uniform(rt_key_for(rt_key_seed(11), RT_FOR_TEST, n), t->dtype, leaf[n].data, 0, count);
		for (int64_t k = 0; k < count; k++)
			rt_store(t->dtype, leaf[n].data, k, 2 * rt_load(t->dtype, leaf[n].data, k) - 1);
		n++;
	}
	return n;
}

/* The outputs of STEPS steps: y is of the last one, whose w has been halved before. */
static const char *check_outputs(const product *p, const ir_func *f, const exact *e, const rt_tensor *leaf, const td_buffer *out)
{
	const char *why = compare(p, e, out[output_named(f, "y")].p, "y", p->updates ? 0.5 : 1, NULL, 0);
	const td_buffer *w;

	if (why || !p->updates)
		return why;
	why = compare(p, e, out[output_named(f, "s")].p, "s", 1, &leaf[2], 0.25);
	w = &out[output_named(f, "w")];
	for (int64_t i = 0; !why && i < p->rows * p->cols; i++)
		if (rt_load(p->dtype, w->p, i) != 0.25 * rt_load(p->dtype, leaf[1].data, i))
			why = ar_printf(arena, "w: element %lld", (long long)i);
	return why;
}

static const char *check_interpreter(const product *p, const ir_func *f, const exact *e, const rt_tensor *leaf)
{
	rt_tensor out[3];
	const char *why;

	assert_int_equal(rt_interpret(f, leaf, out), IR_OK);
	why = compare(p, e, out[output_named(f, "y")].data, "interpreted y", 1, NULL, 0);
	for (size_t i = 0; i < f->nout; i++)
		rt_tensor_free(&out[i]);
	return why;
}

/* Runs on one thread and on three. */
static const char *check_runs(const product *p, const ir_func *f, const exact *e, const rt_tensor *leaf)
{
	td_buffer out[2][3] = {0};
	const char *why = NULL;
	ir_str message;

	sb_init(&message);
	for (int i = 0; i < 2 && !why; i++) {
		td_how h = {context[p->target], 2, i ? 3 : 1, p->updates ? STEPS : 1};

		if (!td_run_given(&h, f, leaf, out[i], &message))
			why = ar_printf(arena, "%s", message.s);
		else if (i == 0)
			why = check_outputs(p, f, e, leaf, out[0]);
	}
	for (size_t i = 0; i < f->nout && !why; i++)
		if (memcmp(out[0][i].p, out[1][i].p, out[0][i].bytes))
			why = ar_printf(arena, "%s: three threads give other bits than one", f->out[i].name);
	for (size_t i = 0; i < 2 * f->nout; i++)
		td_buffer_free(&out[i / f->nout][i % f->nout]);
	sb_fini(&message);
	return why;
}

static const char *check(const product *p)
{
	ir_func *f = program(p);
	rt_tensor leaf[3];
	size_t n = fill_leaves(f, leaf);
	exact e = multiply(p, &leaf[0], &leaf[1]);
	const char *why = check_interpreter(p, f, &e, leaf);

	if (!why)
		why = check_runs(p, f, &e, leaf);
	free_exact(&e);
	for (size_t i = 0; i < n; i++)
		rt_tensor_free(&leaf[i]);
	return why;
}

/* ---- a sample of all products ------------------------------------------------------------------------------------ */

enum { AXIS_M, AXIS_K, AXIS_N, AXIS_FORM, AXIS_TYPE, AXIS_TARGET, AXIS_UPDATES, AXES };
#define VALUES 7

static const int64_t sizes_m[] = {1, 5, 193, 200}, sizes_k[] = {0, 1, 127, 129, 1023, 1025, 2049}, sizes_n[] = {1, 63, 64, 65, 130};
static const int values[AXES] = {COUNT(sizes_m), COUNT(sizes_k), COUNT(sizes_n), FORMS, 2, COUNT(targets), 2};
static bool met[AXES][VALUES][AXES][VALUES]; /* pairs that a product had */

/* How many new pairs the value of one axis would make with those that are chosen (not -1). */
static int new_pairs(const int *v, int axis, int value)
{
	int n = 0;

	for (int x = 0; x < AXES; x++)
		n += x != axis && v[x] >= 0 && !met[axis][value][x][v[x]];
	return n;
}

/* The first pair that no product had. */
static bool choose_pair(int *v)
{
	for (int a = 0; a < AXES; a++)
		for (int b = a + 1; b < AXES; b++)
			for (int i = 0; i < values[a]; i++)
				for (int k = 0; k < values[b]; k++)
					if (!met[a][i][b][k]) {
						v[a] = i, v[b] = k;
						return true;
					}
	return false;
}

/* A product with the first missing pair and as many others as a greedy choice finds; among equals, each time another. */
static bool choose_values(int *v, int turn)
{
	for (int x = 0; x < AXES; x++)
		v[x] = -1;
	if (!choose_pair(v))
		return false;
	for (int x = 0; x < AXES; x++) {
		int best = -1;

		if (v[x] >= 0)
			continue;
		for (int i = 0; i < values[x]; i++) {
			int value = (i + turn) % values[x], n = new_pairs(v, x, value);

			if (n > best)
				best = n, v[x] = value;
		}
	}
	for (int a = 0; a < AXES; a++)
		for (int b = 0; b < AXES; b++)
			met[a][v[a]][b][v[b]] = true;
	return true;
}

static void products_are_exact_but_for_rounding(void **state)
{
	int v[AXES], n = 0, failed = 0;

	(void)state;
	memset(met, 0, sizeof met);
	while (choose_values(v, n)) {
		product p = {.m = sizes_m[v[AXIS_M]], .k = sizes_k[v[AXIS_K]], .n = sizes_n[v[AXIS_N]], .form = (form)v[AXIS_FORM],
			     .dtype = v[AXIS_TYPE] ? IR_F64 : IR_F32, .target = (size_t)v[AXIS_TARGET], .updates = v[AXIS_UPDATES]};
		const char *why;

		n++;
		if (!context[p.target])
			continue;
		choose_matrix(&p);
		why = check(&p);
		if (why)
			print_message("%s: %s\n", describe(&p), why);
		failed += why != NULL;
	}
	print_message("%d products\n", n);
	assert_int_equal(failed, 0);
}

/* ---- the edge of a page ------------------------------------------------------------------------------------------ */

/* Memory of whole pages between two that may not be touched. */
typedef struct fence {
	char *map;
	size_t inner, page;
	char *p;
} fence;

/* bytes, padded as the runtime pads them, right before the forbidden page, or right behind one. All else is NaN. */
static fence fence_new(size_t bytes, bool at_end)
{
	fence f = {.page = (size_t)sysconf(_SC_PAGESIZE)};
	size_t padded = bytes ? (bytes + RT_ALIGN - 1) / RT_ALIGN * RT_ALIGN : RT_ALIGN;

	f.inner = (padded + f.page - 1) / f.page * f.page;
	f.map = mmap(NULL, f.inner + 2 * f.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(f.map != MAP_FAILED);
	assert_int_equal(mprotect(f.map + f.page, f.inner, PROT_READ | PROT_WRITE), 0);
	memset(f.map + f.page, 0xff, f.inner);
	f.p = f.map + f.page + (at_end ? f.inner - padded : 0);
	return f;
}

static void fence_free(fence *f)
{
	munmap(f->map, f->inner + 2 * f->page);
}

/* Nothing but [p, p + bytes) was written. */
static bool is_clean(const fence *f, size_t bytes)
{
	for (const char *c = f->map + f->page; c < f->map + f->page + f->inner; c++)
		if ((c < f->p || c >= f->p + bytes) && *c != (char)0xff)
			return false;
	return true;
}

/* Small whole numbers: sums are exact, so there is one right answer. */
static double whole(int64_t i)
{
	return (double)(i * 7 % 11 - 5);
}

static fence whole_numbers(ir_dtype t, int64_t n, bool at_end)
{
	fence f = fence_new((size_t)n * ir_dtype_size(t), at_end);

	for (int64_t i = 0; i < n; i++)
		rt_store(t, f.p, i, whole(i));
	return f;
}

/* In a process of its own. 0: right, 1: a wrong element, 2: memory around the result was written. */
static int run_fenced(const product *p, const cc_program *g, bool at_end)
{
	size_t bytes = (size_t)(p->m * p->n) * ir_dtype_size(p->dtype);
	fence x = whole_numbers(p->dtype, p->m * p->k, at_end), w = whole_numbers(p->dtype, p->rows * p->cols, at_end);
	fence y = fence_new(bytes, at_end);
	int bad = 0;
	rt_exec *e;

	if (rt_exec_new(cc_program_plan(g), &e) != IR_OK)
		return 3;
	rt_bind_leaf(e, 0, x.p, 0);
	rt_bind_leaf(e, 1, w.p, 0);
	rt_bind_output(e, 0, y.p, 0);
	rt_run(e, 1);
	rt_exec_free(e);
	for (int64_t i = 0; i < p->m; i++)
		for (int64_t j = 0; j < p->n; j++) {
			double sum = 0;

			for (int64_t k = 0; k < p->k; k++)
				sum += whole(in_x(p, i, k)) * whole(in_w(p, k, j));
			bad |= rt_load(p->dtype, y.p, i * p->n + j) != sum;
		}
	if (!is_clean(&y, bytes))
		bad = 2;
	fence_free(&x);
	fence_free(&w);
	fence_free(&y);
	return bad;
}

static bool fenced_is_right(const product *p, const cc_program *g, bool at_end)
{
	const char *where = at_end ? "before a forbidden page" : "behind a forbidden page";
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(run_fenced(p, g, at_end));
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	if (WIFSIGNALED(status))
		print_message("%s, %s: signal %d\n", describe(p), where, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		print_message("%s, %s: %s\n", describe(p), where,
			      WEXITSTATUS(status) == 1 ? "a wrong element" : "memory around the result was written");
	return status == 0;
}

/* Both types, all targets, both edges. The number of failures. */
static int check_fenced(product p)
{
	int failed = 0;

	for (p.target = 0; p.target < COUNT(targets); p.target++)
		for (int wide = 0; wide < 2; wide++) {
			cc_options o = {.threads = 1, .opt_level = 2};
			cc_program *g;

			if (!context[p.target])
				continue;
			p.dtype = wide ? IR_F64 : IR_F32;
			assert_int_equal(cc_compile(context[p.target], program(&p), &o, &g, NULL), IR_OK);
			for (int at_end = 0; at_end < 2; at_end++)
				failed += !fenced_is_right(&p, g, at_end);
			cc_program_free(g);
		}
	return failed;
}

/* The last and the first columns of a matrix whose rows are as long as some target's tile is wide: those are not packed. */
static void columns_at_the_edge(void **state)
{
	static const int64_t widths[] = {4, 8, 16, 32, 64, 128}, columns[] = {1, 3, 17, 63, 64};
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(widths); i++)
		for (size_t k = 0; k < COUNT(columns); k++)
			for (int last = 0; last < 2 && columns[k] <= widths[i]; last++)
				failed += check_fenced((product){.m = 7, .k = 6, .n = columns[k], .form = B_COLUMNS, .rows = 6,
								 .cols = widths[i], .c0 = last ? widths[i] - columns[k] : 0});
	assert_int_equal(failed, 0);
}

/* Every form, with sizes that are no multiple of a vector. */
static void operands_at_the_edge(void **state)
{
	static const int64_t size[][3] = {{1, 1, 1}, {3, 1, 65}, {5, 3, 1}, {7, 17, 15}, {6, 130, 63}, {2, 1025, 2}};
	int failed = 0;

	(void)state;
	for (int f = 0; f < FORMS; f++)
		for (size_t i = 0; i < COUNT(size); i++) {
			product p = {.m = size[i][0], .k = size[i][1], .n = size[i][2], .form = (form)f};

			choose_matrix(&p);
			if (p.form == B_COLUMNS)
				p.c0 = p.cols - p.n;
			if (p.form == B_ROWS)
				p.r0 = p.rows - p.k;
			failed += check_fenced(p);
		}
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* those that fork come first, while there is one thread */
		cmocka_unit_test(columns_at_the_edge),
		cmocka_unit_test(operands_at_the_edge),
		cmocka_unit_test(products_are_exact_but_for_rounding),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
