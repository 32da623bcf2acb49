/* SPDX-License-Identifier: Apache-2.0
 * NumPy arrays: "\x93NUMPY", two bytes of version, the length of the header, a header that is a Python dict, then the elements.
 * The dict is read by a grammar of its own, because whoever evaluates it runs what a stranger wrote: the keys 'descr',
 * 'fortran_order' and 'shape', each once, in any order; spaces, a comma at the end, and spaces and one line end as padding.
 * Objects (pickles) and structures are refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "search/data/data_int.h"

#define MAX_HEADER 10000 /* NumPy's own limit */
#define MAX_RANK   8
#define PIECE      8192 /* bytes read at once; a multiple of every element's size */
#define BLOCK      16   /* rows and columns of a tile when transposing: a cache line of floats */

typedef enum kind { WHOLE, SIGNED, REAL } kind;

typedef struct element {
	char text[3]; /* NumPy's code behind the byte order */
	kind kind;
	int size;
} element;

static const element elements[] = {
	{"b1", WHOLE, 1}, {"u1", WHOLE, 1}, {"u2", WHOLE, 2},  {"u4", WHOLE, 4},  {"u8", WHOLE, 8}, {"i1", SIGNED, 1},
	{"i2", SIGNED, 2}, {"i4", SIGNED, 4}, {"i8", SIGNED, 8}, {"f2", REAL, 2},   {"f4", REAL, 4},  {"f8", REAL, 8},
};

typedef struct array {
	const element *e;
	bool big_endian, fortran;
	int rank;
	uint64_t dim[MAX_RANK];
	uint64_t rows, width;
	uint64_t base; /* offset of the first element */
} array;

/* ---- the header ------------------------------------------------------------------------------------------------- */

typedef struct dict {
	const le_file *f;
	const char *begin, *s, *end;
	uint64_t base; /* offset of begin */
	array *a;
} dict;

static unsigned long long offset(const dict *p)
{
	return p->base + (uint64_t)(p->s - p->begin);
}

static ir_status expected(const dict *p, const char *what)
{
	size_t left = (size_t)(p->end - p->s);
	ir_str found;
	ir_status s;

	sb_init(&found);
	sb_put_visible(&found, p->s, left < 12 ? left : 12);
	s = le_file_fail(p->f, IR_EINPUT, "header: expected %s at byte offset %llu, found %s%s%s", what, offset(p), left ? "'" : "",
			 left ? found.s : "its end", left ? "'" : "");
	sb_fini(&found);
	return s;
}

static void skip_spaces(dict *p)
{
	while (p->s < p->end && *p->s == ' ')
		p->s++;
}

static bool is_next(dict *p, char c)
{
	skip_spaces(p);
	if (p->s == p->end || *p->s != c)
		return false;
	p->s++;
	return true;
}

static bool is_word(dict *p, const char *word)
{
	size_t n = strlen(word);

	skip_spaces(p);
	if ((size_t)(p->end - p->s) < n || memcmp(p->s, word, n) != 0)
		return false;
	p->s += n;
	return true;
}

/* 'text' or "text", without escapes. */
static ir_status parse_string(dict *p, const char *what, const char **text, size_t *n)
{
	const char *close;

	skip_spaces(p);
	if (p->s == p->end || (*p->s != '\'' && *p->s != '"'))
		return expected(p, what);
	*text = p->s + 1;
	close = memchr(*text, *p->s, (size_t)(p->end - *text));
	if (!close)
		return expected(p, "a string that ends");
	*n = (size_t)(close - *text);
	p->s = close + 1;
	return IR_OK;
}

static ir_status parse_descr(dict *p)
{
	const char *text = NULL;
	size_t n = 0;
	unsigned long long at;
	ir_status s;

	skip_spaces(p);
	at = offset(p);
	if (p->s < p->end && *p->s == '[')
		return le_file_fail(p->f, IR_EINPUT, "structured elements ('descr' at byte offset %llu) are not read: save the "
				    "columns as one array of numbers", at);
	if ((s = parse_string(p, "an element type in quotes", &text, &n)) != IR_OK)
		return s;
	if (n >= 2 && text[1] == 'O')
		return le_file_fail(p->f, IR_EINPUT, "Python objects ('descr' at byte offset %llu) are never read: they are code",
				    at);
	for (size_t i = 0; n == 3 && i < sizeof elements / sizeof *elements; i++)
		if (memcmp(text + 1, elements[i].text, 2) == 0)
			p->a->e = &elements[i];
	if (!p->a->e || !strchr(p->a->e->size == 1 ? "<>|" : "<>", text[0]))
		return le_file_fail(p->f, IR_EINPUT, "element type '%.*s' at byte offset %llu: only b1 u1 i1 u2 i2 u4 i4 u8 i8 f2 f4 "
				    "f8 are read, with < or > for the byte order", n < 20 ? (int)n : 20, text, at);
	p->a->big_endian = text[0] == '>';
	return IR_OK;
}

static ir_status parse_order(dict *p)
{
	p->a->fortran = is_word(p, "True");
	return p->a->fortran || is_word(p, "False") ? IR_OK : expected(p, "True or False");
}

static ir_status parse_size(dict *p)
{
	unsigned long long at;
	uint64_t v = 0;

	skip_spaces(p);
	at = offset(p);
	if (p->s == p->end || *p->s < '0' || *p->s > '9')
		return expected(p, "a size");
	for (; p->s < p->end && *p->s >= '0' && *p->s <= '9'; p->s++)
		v = v > LE_MAX_DIM ? v : 10 * v + (uint64_t)(*p->s - '0'); /* stays too large */
	if (v < 1 || v > LE_MAX_DIM)
		return le_file_fail(p->f, IR_EINPUT, "the size at byte offset %llu is out of range: 1 to 2^31-1", at);
	if (p->a->rank == MAX_RANK)
		return le_file_fail(p->f, IR_EINPUT, "more than %d dimensions at byte offset %llu", MAX_RANK, at);
	p->a->dim[p->a->rank++] = v;
	return IR_OK;
}

/* (), (3,) or (3, 4). */
static ir_status parse_shape(dict *p)
{
	bool comma = true;
	ir_status s;

	if (!is_next(p, '('))
		return expected(p, "a shape in parentheses");
	while (!is_next(p, ')')) {
		if (!comma)
			return expected(p, "',' or ')'");
		if ((s = parse_size(p)) != IR_OK)
			return s;
		comma = is_next(p, ',');
	}
	if (p->a->rank == 1 && !comma)
		return le_file_fail(p->f, IR_EINPUT, "header: a shape of one size ends in ',)': byte offset %llu", offset(p) - 1);
	if (p->a->rank == 0)
		return le_file_fail(p->f, IR_EINPUT, "a single number, without dimensions (shape before byte offset %llu), is no "
				    "table", offset(p));
	return IR_OK;
}

static const struct {
	const char *name;
	ir_status (*parse)(dict *p);
} keys[] = {{"descr", parse_descr}, {"fortran_order", parse_order}, {"shape", parse_shape}};

#define NKEY (sizeof keys / sizeof *keys)

static ir_status parse_pair(dict *p, bool seen[NKEY])
{
	unsigned long long at;
	const char *text = NULL;
	size_t n = 0, k = 0;
	ir_status s;

	skip_spaces(p);
	at = offset(p);
	if ((s = parse_string(p, "a key in quotes or '}'", &text, &n)) != IR_OK)
		return s;
	while (k < NKEY && (n != strlen(keys[k].name) || memcmp(text, keys[k].name, n) != 0))
		k++;
	if (k == NKEY || seen[k])
		return le_file_fail(p->f, IR_EINPUT, "header: the key '%.*s' at byte offset %llu is %s", n < 20 ? (int)n : 20, text,
				    at, k == NKEY ? "not one of descr, fortran_order, shape" : "there twice");
	seen[k] = true;
	if (!is_next(p, ':'))
		return expected(p, "':'");
	return keys[k].parse(p);
}

static ir_status parse_dict(dict *p)
{
	bool seen[NKEY] = {false}, comma = true;
	ir_status s;

	if (!is_next(p, '{'))
		return expected(p, "'{'");
	while (!is_next(p, '}')) {
		if (!comma)
			return expected(p, "',' or '}'");
		if ((s = parse_pair(p, seen)) != IR_OK)
			return s;
		comma = is_next(p, ',');
	}
	for (size_t k = 0; k < NKEY; k++)
		if (!seen[k])
			return le_file_fail(p->f, IR_EINPUT, "header: no '%s' before byte offset %llu", keys[k].name, offset(p));
	skip_spaces(p);
	if (p->s + 1 != p->end || *p->s != '\n')
		return expected(p, "spaces and a line end up to the elements");
	return IR_OK;
}

/* Magic, version and length of the dict; the dict itself into text. */
static ir_status read_header(le_file *f, char text[MAX_HEADER], size_t *n)
{
	unsigned char h[8], len[4];
	int width;
	ir_status s = le_file_exact(f, h, 8, "the magic number");

	if (s != IR_OK)
		return s;
	if (memcmp(h, "\x93NUMPY", 6) != 0)
		return le_file_fail(f, IR_EINPUT, "not a NumPy array: byte offset 0 should hold \\x93NUMPY");
	if (h[6] < 1 || h[6] > 3 || h[7] != 0)
		return le_file_fail(f, IR_EINPUT, "version %d.%d at byte offset 6: only 1.0, 2.0 and 3.0 are read", h[6], h[7]);
	width = h[6] == 1 ? 2 : 4;
	if ((s = le_file_exact(f, len, (size_t)width, "the length of the header")) != IR_OK)
		return s;
	*n = (size_t)len[0] | (size_t)len[1] << 8;
	if (width == 4)
		*n |= (size_t)len[2] << 16 | (size_t)len[3] << 24;
	if (*n > MAX_HEADER)
		return le_file_fail(f, IR_EINPUT, "header length %zu at byte offset 8 is above the limit of %d", *n, MAX_HEADER);
	return le_file_exact(f, text, *n, "the header");
}

/* Large, and already as a table is in memory. */
static bool stays_there(const le_file *f, const array *a)
{
	bool same = !strcmp(a->e->text, "u1") || (!strcmp(a->e->text, "f4") && !a->big_endian && a->base % sizeof(float) == 0);

	return !f->from && !f->compressed && f->size >= le_stays_from && same && (!a->fortran || a->width == 1);
}

/* Rows and width of what the sizes say, with every product checked, and the length of the file against it. */
static ir_status check_sizes(const le_file *f, array *a)
{
	uint64_t count = 1, bytes, out;

	for (int i = 0; i < a->rank; i++) /* none is 0 */
		if (__builtin_mul_overflow(count, a->dim[i], &count) || count > LE_MAX_STAYS)
			return le_file_fail(f, IR_EINPUT, "the sizes (header at byte offset 8) multiply to more than 2^40");
	a->rows = a->dim[0];
	a->width = count / a->rows;
	bytes = count * (uint64_t)a->e->size;
	out = strcmp(a->e->text, "u1") == 0 ? count : count * sizeof(float);
	if (out > (stays_there(f, a) ? LE_MAX_STAYS : LE_MAX_BYTES))
		return le_file_fail(f, IR_EINPUT, "%llu elements (header at byte offset 8) take more than 2^%d bytes",
				    (unsigned long long)count, stays_there(f, a) ? 40 : 33);
	if (a->width > LE_MAX_DIM)
		return le_file_fail(f, IR_EINPUT, "rows of %llu elements (header at byte offset 8) are too wide",
				    (unsigned long long)a->width);
	return le_file_check_size(f, bytes);
}

static ir_status read_array(le_file *f, array *a)
{
	char text[MAX_HEADER];
	size_t n = 0;
	ir_status s = read_header(f, text, &n);

	*a = (array){.base = f->at};
	if (s == IR_OK)
		s = parse_dict(&(dict){f, text, text, text + n, f->at - n, a});
	return s == IR_OK ? check_sizes(f, a) : s;
}

/* ---- elements ----------------------------------------------------------------------------------------------------- */

/* The element's bits, in our order. */
static uint64_t bits_of(const array *a, const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < a->e->size; i++)
		v = v << 8 | p[a->big_endian ? i : a->e->size - 1 - i];
	return v;
}

static int64_t with_sign(uint64_t bits, int size)
{
	int unused = 64 - 8 * size;

	return (int64_t)(bits << unused) >> unused;
}

static float half(uint64_t bits)
{
	int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
	float v = exponent == 31 ? (fraction ? NAN : INFINITY)
		: exponent	 ? ldexpf((float)(1024 + fraction), exponent - 25)
				 : ldexpf((float)fraction, -24);

	return bits >> 15 ? -v : v;
}

/* Infinite if it is beyond f32. */
static float real(uint64_t bits, int size)
{
	uint32_t low = (uint32_t)bits;
	double d;
	float f;

	if (size == 2)
		return half(bits);
	memcpy(&d, &bits, sizeof d);
	memcpy(&f, &low, sizeof f);
	return size == 4 ? f : (float)d;
}

static float value_of(const element *e, uint64_t bits)
{
	switch (e->kind) {
	case WHOLE:
		return (float)bits;
	case SIGNED:
		return (float)with_sign(bits, e->size);
	case REAL:
		return real(bits, e->size);
	}
	return 0;
}

/* Column of the table for column j in the order of a Fortran file, where the second size runs fastest and not the last. */
static uint64_t fortran_column(const array *a, uint64_t j)
{
	uint64_t c = 0;

	for (int k = 1; k < a->rank; k++) {
		c = c * a->dim[k] + j % a->dim[k];
		j /= a->dim[k];
	}
	return c;
}

/* Names element i of the file by its place in the table. */
static ir_status bad_element(const le_file *f, const array *a, uint64_t i, const char *what)
{
	uint64_t row = a->fortran ? i % a->rows : i / a->width;
	uint64_t col = a->fortran ? fortran_column(a, i / a->rows) : i % a->width;

	return le_file_fail(f, IR_EINPUT, "the value in row %llu, column %llu (byte offset %llu) %s", (unsigned long long)row + 1,
			    (unsigned long long)col + 1, (unsigned long long)(a->base + i * (uint64_t)a->e->size), what);
}

/* Elements i, i + 1, .. i + n - 1 of the file, in its order. */
static ir_status read_floats(le_file *f, const array *a, uint64_t i, float *to, size_t n)
{
	size_t size = (size_t)a->e->size;
	bool is_bool = a->e->text[0] == 'b';
	unsigned char piece[PIECE];

	for (size_t done = 0; done < n;) {
		size_t now = n - done < PIECE / size ? n - done : PIECE / size;
		ir_status s = le_file_exact(f, piece, now * size, "the elements");

		if (s != IR_OK)
			return s;
		for (size_t k = 0; k < now; k++) {
			float v = value_of(a->e, bits_of(a, piece + k * size));

			if (isinf(v))
				return bad_element(f, a, i + done + k, "is infinite or beyond f32");
			if (is_bool && v > 1)
				return bad_element(f, a, i + done + k, "is not a truth value: 0 or 1");
			to[done + k] = v;
		}
		done += now;
	}
	return IR_OK;
}

static ir_status read_as_float(le_file *f, const array *a, void **out)
{
	uint64_t bytes = a->rows * a->width * sizeof(float);
	size_t have = 0, cap = 0;
	ir_status s = IR_OK;

	while (s == IR_OK && have < bytes) {
		if ((s = le_file_grow(f, bytes, out, &cap)) == IR_OK)
			s = read_floats(f, a, have / sizeof(float), (float *)((char *)*out + have),
					(cap - have) / sizeof(float));
		have = cap;
	}
	if (s == IR_OK)
		s = le_file_check_end(f);
	if (s != IR_OK) {
		rt_free(*out, cap);
		*out = NULL;
	}
	return s;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

/* Rows of a Fortran file are apart by a column's length: tile by tile, so that each cache line is fetched once. */
static void transpose(const array *a, size_t size, const char *from, char *to)
{
	for (uint64_t j0 = 0; j0 < a->width; j0 += BLOCK)
		for (uint64_t r0 = 0; r0 < a->rows; r0 += BLOCK)
			for (uint64_t j = j0; j < a->width && j < j0 + BLOCK; j++) {
				uint64_t c = fortran_column(a, j);

				for (uint64_t r = r0; r < a->rows && r < r0 + BLOCK; r++)
					memcpy(to + (r * a->width + c) * size, from + (j * a->rows + r) * size, size);
			}
}

/* A second copy: the file is read to its end before any memory but its own is asked for. */
static ir_status reorder(const le_file *f, const array *a, le_table *t)
{
	size_t size = ir_dtype_size(t->dtype), bytes = (size_t)(a->rows * a->width) * size;
	void *to = NULL;
	ir_status s = rt_alloc(bytes, &to);

	if (s != IR_OK)
		return le_file_fail(f, s, "no memory for %zu bytes", bytes);
	transpose(a, size, t->data, to);
	rt_free(t->data, bytes);
	t->data = to;
	return IR_OK;
}

ir_status le_npy_read_from(le_file *f, le_table *out)
{
	array a;
	le_table t = {0};
	ir_status s = read_array(f, &a);

	*out = (le_table){0};
	if (s != IR_OK)
		return s;
	t = (le_table){.dtype = strcmp(a.e->text, "u1") == 0 ? IR_U8 : IR_F32, .rows = (int64_t)a.rows, .width = (int64_t)a.width};
	if (a.rank == 3)
		t.shape[0] = (int64_t)a.dim[1], t.shape[1] = (int64_t)a.dim[2];
	if (stays_there(f, &a)) {
		s = le_table_leave(f->path, a.base, &t, f->d);
		*out = t;
		return s;
	}
	s = t.dtype == IR_U8 ? le_file_rest(f, a.rows * a.width, &t.data) : read_as_float(f, &a, &t.data);
	if (s == IR_OK && a.fortran && a.width > 1)
		s = reorder(f, &a, &t);
	if (s == IR_OK)
		*out = t;
	else
		le_table_free(&t);
	return s;
}

ir_status le_npy_read(const char *path, le_table *out, ir_diag *d)
{
	le_file f;
	ir_status s = le_file_open(&f, path, d);

	*out = (le_table){0};
	if (s == IR_OK)
		s = le_npy_read_from(&f, out);
	le_file_close(&f);
	return s;
}

/* ---- labels -------------------------------------------------------------------------------------------------------- */

static ir_status add_label(const le_file *f, const array *a, uint64_t bits, le_label_set *out)
{
	char text[24];
	int n = a->e->kind == WHOLE ? snprintf(text, sizeof text, "%llu", (unsigned long long)bits)
				    : snprintf(text, sizeof text, "%lld", (long long)with_sign(bits, a->e->size));

	return le_label_add(out, text, (size_t)n) ? IR_OK
	     : le_file_fail(f, IR_EINPUT, "more than %d different labels at byte offset %llu", LE_MAX_CLASSES,
			    (unsigned long long)f->at - (unsigned)a->e->size);
}

ir_status le_npy_read_labels(le_file *f, le_label_set *out)
{
	array a;
	unsigned char p[8];
	ir_status s = read_array(f, &a);

	if (s != IR_OK)
		return s;
	if (a.width != 1 || a.e->kind == REAL)
		return le_file_fail(f, IR_EINPUT, "labels must be whole numbers, one for each row (header at byte offset 8)");
	for (uint64_t i = 0; s == IR_OK && i < a.rows; i++) {
		s = le_file_exact(f, p, (size_t)a.e->size, "the labels");
		if (s == IR_OK)
			s = add_label(f, &a, bits_of(&a, p), out);
	}
	return s == IR_OK ? le_file_check_end(f) : s;
}
