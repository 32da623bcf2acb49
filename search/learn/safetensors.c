/* SPDX-License-Identifier: Apache-2.0
 * Weights in the safetensors format: 8 bytes of header length, a JSON header, raw tensors. The reader follows the
 * strict rules of the format's own library (no duplicates, no holes, no overlap, nothing behind the end), because a
 * file with a hole can hide a second file. Sizes are multiplied with overflow checks before memory is asked for.
 * The only file that includes jansson. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "search/learn/learn_int.h"

#define MAX_HEADER 100000000u
#define MAX_DIM    ((json_int_t)INT32_MAX)
#define MAX_COUNT  ((uint64_t)1 << 40) /* elements of a tensor, the limit of the IR */
#define METADATA   "__metadata__"

static const struct {
	const char *text;
	ir_dtype dtype;
} dtype_names[] = {{"F32", IR_F32}, {"F64", IR_F64}, {"I32", IR_I32}, {"U8", IR_U8}, {"BOOL", IR_BOOL}};

#define NDTYPE (sizeof dtype_names / sizeof *dtype_names)

typedef struct entry {
	const char *name; /* in the JSON tree */
	ir_type type;
	uint64_t begin, end; /* behind the header */
	size_t place;        /* in the header */
} entry;

typedef struct file {
	const char *path;
	ir_diag *d;
	int fd;
	uint64_t size, base; /* of the file; where tensors begin */
	json_t *root;
	entry *e;
	size_t n;
	char **meta; /* nmeta pairs */
	size_t nmeta;
} file;

__attribute__((format(printf, 3, 4))) static ir_status fail(const file *f, ir_status s, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++) /* names come from the file: no control characters to the terminal */
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	ir_report(f->d, (ir_loc){0}, IR_E_file, f->path, text);
	return s;
}

static ir_status read_at(const file *f, void *to, uint64_t n, uint64_t at)
{
	uint64_t done = 0;

	while (done < n) {
		ssize_t got = pread(f->fd, (char *)to + done, (size_t)(n - done), (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(f, IR_EIO, "%s", strerror(errno));
		if (got == 0) /* it was longer a moment ago */
			return fail(f, IR_EIO, "ends at byte offset %llu", (unsigned long long)(at + done));
		done += (uint64_t)got;
	}
	return IR_OK;
}

static ir_status open_file(file *f)
{
	struct stat st;

	f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0)
		return fail(f, errno == ENOENT || errno == ENOTDIR ? IR_ENOINPUT : IR_EIO, "%s", strerror(errno));
	if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return fail(f, IR_EINPUT, "not a regular file");
	f->size = (uint64_t)st.st_size;
	return IR_OK;
}

/* The JSON header into f->root. */
static ir_status read_header(file *f)
{
	unsigned char len[8];
	uint64_t n = 0;
	json_error_t err;
	char *text;
	ir_status s;

	if (f->size < 8)
		return fail(f, IR_EINPUT, "too short: %llu bytes, the header length at byte offset 0 takes 8",
			    (unsigned long long)f->size);
	if ((s = read_at(f, len, 8, 0)) != IR_OK)
		return s;
	for (int i = 7; i >= 0; i--)
		n = n << 8 | len[i];
	if (n > MAX_HEADER)
		return fail(f, IR_EINPUT, "header length %llu at byte offset 0 is above the limit of 100000000",
			    (unsigned long long)n);
	if (n < 2 || n > f->size - 8)
		return fail(f, IR_EINPUT, "header length %llu at byte offset 0 does not fit a file of %llu bytes",
			    (unsigned long long)n, (unsigned long long)f->size);
	text = ir_xmalloc((size_t)n, 1);
	s = read_at(f, text, n, 8);
	if (s == IR_OK && text[0] != '{')
		s = fail(f, IR_EINPUT, "the header must start with '{' at byte offset 8");
	if (s == IR_OK) {
		f->root = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &err);
		if (!f->root)
			s = fail(f, IR_EINPUT, "header: %s at byte offset %lld", err.text, 8 + (long long)err.position);
	}
	free(text);
	f->base = 8 + n;
	return s;
}

/* Checked, and copied into f->meta. */
static ir_status take_metadata(file *f, const json_t *m)
{
	const char *key;
	json_t *v;

	if (!json_is_object(m))
		return fail(f, IR_EINPUT, METADATA " must be an object of strings (header at byte offset 8)");
	json_object_foreach((json_t *)m, key, v)
		if (!json_is_string(v))
			return fail(f, IR_EINPUT, METADATA ": '%.60s' is not a string (header at byte offset 8)", key);
	f->meta = ir_xmalloc(2 * json_object_size(m) + 1, sizeof *f->meta);
	json_object_foreach((json_t *)m, key, v) {
		f->meta[2 * f->nmeta] = le_text_copy(key);
		f->meta[2 * f->nmeta++ + 1] = le_text_copy(json_string_value(v));
	}
	return IR_OK;
}

static ir_status parse_shape(const file *f, const json_t *shape, entry *e)
{
	uint64_t count = 1;

	if (!json_is_array(shape))
		return fail(f, IR_EINPUT, "tensor '%.60s': shape is not a list (header at byte offset 8)", e->name);
	if (json_array_size(shape) > IR_MAX_RANK)
		return fail(f, IR_EINPUT, "tensor '%.60s': rank %zu is above the limit of %d (header at byte offset 8)",
			    e->name, json_array_size(shape), IR_MAX_RANK);
	e->type.rank = (int)json_array_size(shape);
	for (int i = 0; i < e->type.rank; i++) {
		const json_t *v = json_array_get(shape, (size_t)i);
		json_int_t dim = json_integer_value(v);

		if (!json_is_integer(v) || dim < 0 || dim > MAX_DIM)
			return fail(f, IR_EINPUT, "tensor '%.60s': dimension %d is not an integer from 0 to 2^31-1 "
				    "(header at byte offset 8)", e->name, i);
		if (__builtin_mul_overflow(count, (uint64_t)dim, &count) || count > MAX_COUNT)
			return fail(f, IR_EINPUT, "tensor '%.60s' has more than 2^40 elements (header at byte offset 8)",
				    e->name);
		e->type.dim[i] = dim;
	}
	return IR_OK;
}

static ir_status parse_offsets(const file *f, const json_t *o, entry *e)
{
	const json_t *b = json_array_get(o, 0), *n = json_array_get(o, 1);
	uint64_t bytes;

	if (!json_is_array(o) || json_array_size(o) != 2 || !json_is_integer(b) || !json_is_integer(n) ||
	    json_integer_value(b) < 0 || json_integer_value(n) < json_integer_value(b))
		return fail(f, IR_EINPUT, "tensor '%.60s': data_offsets must be two integers, begin <= end "
			    "(header at byte offset 8)", e->name);
	e->begin = (uint64_t)json_integer_value(b);
	e->end = (uint64_t)json_integer_value(n);
	if (e->end > f->size - f->base)
		return fail(f, IR_EINPUT, "tensor '%.60s' ends at byte offset %llu, the file at %llu", e->name,
			    (unsigned long long)(f->base + e->end), (unsigned long long)f->size);
	bytes = ir_type_bytes(&e->type); /* at most 2^43: parse_shape has seen to it */
	if (bytes != e->end - e->begin)
		return fail(f, IR_EINPUT, "tensor '%.60s' at byte offset %llu: shape and type take %llu bytes, "
			    "data_offsets say %llu", e->name, (unsigned long long)(f->base + e->begin),
			    (unsigned long long)bytes, (unsigned long long)(e->end - e->begin));
	return IR_OK;
}

static ir_status parse_entry(const file *f, const json_t *v, entry *e)
{
	const char *dtype = json_string_value(json_object_get(v, "dtype"));
	size_t k;
	ir_status s;

	if (!json_is_object(v) || json_object_size(v) != 3 || !dtype)
		return fail(f, IR_EINPUT, "tensor '%.60s' must have dtype, shape and data_offsets, and nothing else "
			    "(header at byte offset 8)", e->name);
	for (k = 0; k < NDTYPE && strcmp(dtype, dtype_names[k].text) != 0; k++)
		;
	if (k == NDTYPE)
		return fail(f, IR_EINPUT, "tensor '%.60s': element type '%.20s' is not one of F32, F64, I32, U8, BOOL "
			    "(header at byte offset 8)", e->name, dtype);
	e->type.dtype = dtype_names[k].dtype;
	s = parse_shape(f, json_object_get(v, "shape"), e);
	return s == IR_OK ? parse_offsets(f, json_object_get(v, "data_offsets"), e) : s;
}

/* As they were written; an empty tensor stands before the one that begins where it does. */
static int by_offset(const void *a, const void *b)
{
	const entry *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

/* Every entry of the header into f->e, in the order of the data, which must cover the file exactly. */
static ir_status parse_entries(file *f)
{
	const char *key;
	json_t *v;
	uint64_t at = 0;
	ir_status s = IR_OK;

	f->e = ir_xmalloc(json_object_size(f->root) + 1, sizeof *f->e);
	json_object_foreach(f->root, key, v) {
		entry *e = &f->e[f->n];

		if (strcmp(key, METADATA) == 0) {
			s = take_metadata(f, v);
		} else {
			e->name = key;
			e->place = f->n++;
			s = parse_entry(f, v, e);
		}
		if (s != IR_OK)
			return s;
	}
	qsort(f->e, f->n, sizeof *f->e, by_offset);
	for (size_t i = 0; i < f->n; i++) {
		if (f->e[i].begin != at)
			return fail(f, IR_EINPUT, "tensor '%.60s' begins at byte offset %llu, the data before it %s %llu",
				    f->e[i].name, (unsigned long long)(f->base + f->e[i].begin),
				    f->e[i].begin > at ? "leave a hole from" : "overlap it up to",
				    (unsigned long long)(f->base + at));
		at = f->e[i].end;
	}
	if (f->base + at != f->size)
		return fail(f, IR_EINPUT, "the tensors end at byte offset %llu, the file has %llu bytes",
			    (unsigned long long)(f->base + at), (unsigned long long)f->size);
	return IR_OK;
}

static ir_status read_tensor(const file *f, const entry *e, rt_tensor *t)
{
	ir_status s = rt_tensor_alloc(t, e->type);

	if (s != IR_OK)
		return fail(f, s, "no memory for tensor '%.60s'", e->name);
	s = read_at(f, t->data, e->end - e->begin, f->base + e->begin);
	if (s == IR_OK && e->type.dtype == IR_BOOL)
		for (uint64_t i = 0; i < e->end - e->begin; i++)
			if (((const uint8_t *)t->data)[i] > 1)
				return fail(f, IR_EINPUT, "tensor '%.60s': byte at offset %llu is not 0 or 1", e->name,
					    (unsigned long long)(f->base + e->begin + i));
	return s;
}

ir_status le_weights_read(const char *path, le_weights *out, ir_diag *d)
{
	file f = {.path = path, .d = d, .fd = -1};
	le_weights w = {0};
	ir_status s = open_file(&f);

	*out = (le_weights){0};
	if (s == IR_OK)
		s = read_header(&f);
	if (s == IR_OK)
		s = parse_entries(&f);
	w.meta = f.meta, w.nmeta = f.nmeta;
	if (s == IR_OK) {
		w.name = ir_xmalloc(f.n + 1, sizeof *w.name);
		w.tensor = ir_xmalloc(f.n + 1, sizeof *w.tensor);
	}
	while (s == IR_OK && w.n < f.n) {
		w.name[w.n] = le_text_copy(f.e[w.n].name);
		w.n++; /* counts from here on, so that a failure frees it */
		s = read_tensor(&f, &f.e[w.n - 1], &w.tensor[w.n - 1]);
	}
	if (f.fd >= 0)
		close(f.fd);
	json_decref(f.root);
	free(f.e);
	if (s == IR_OK)
		*out = w;
	else
		le_weights_free(&w);
	return s;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static json_t *entry_json(const ir_type *t, uint64_t begin)
{
	json_t *shape = json_array();
	const char *dtype = "";

	for (size_t k = 0; k < NDTYPE; k++)
		if (dtype_names[k].dtype == t->dtype)
			dtype = dtype_names[k].text;
	for (int i = 0; i < t->rank; i++)
		json_array_append_new(shape, json_integer(t->dim[i]));
	return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype, "shape", shape, "data_offsets", (json_int_t)begin,
			 (json_int_t)(begin + ir_type_bytes(t)));
}

/* The header's text (free()) or NULL when a name is not UTF-8; *bytes is the length of the data. */
static char *header_text(const le_weights *w, const char *const *metadata, size_t n, uint64_t *bytes)
{
	json_t *root = json_object();
	bool ok = true;
	char *text;

	*bytes = 0;
	if (n) {
		json_t *m = json_object();

		for (size_t i = 0; i < n; i++)
			ok = json_object_set_new(m, metadata[2 * i], json_string(metadata[2 * i + 1])) == 0 && ok;
		ok = json_object_set_new(root, METADATA, m) == 0 && ok;
	}
	for (size_t i = 0; i < w->n; i++) {
		ok = ok && strcmp(w->name[i], METADATA) != 0 && !json_object_get(root, w->name[i]);
		ok = json_object_set_new(root, w->name[i], entry_json(&w->tensor[i].type, *bytes)) == 0 && ok;
		*bytes += ir_type_bytes(&w->tensor[i].type);
	}
	text = ok ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

ir_status le_weights_write(const char *path, const le_weights *w, const char *const *metadata, size_t n, ir_diag *d)
{
	file f = {.path = path, .d = d};
	uint64_t bytes;
	char *text = header_text(w, metadata, n, &bytes);
	size_t len = text ? strlen(text) : 0, padded = (len + 7) / 8 * 8, all;
	unsigned char *p;
	void *buf;
	ir_status s;

	if (!text)
		return fail(&f, IR_EINPUT, "a tensor's name is used twice, reserved or not UTF-8");
	all = 8 + padded + (size_t)bytes;
	if ((s = rt_alloc(all, &buf)) != IR_OK) {
		free(text);
		return fail(&f, s, "no memory for %zu bytes", all);
	}
	p = buf;
	for (int i = 0; i < 8; i++)
		*p++ = (unsigned char)((uint64_t)padded >> (8 * i));
	memcpy(p, text, len);
	memset(p + len, ' ', padded - len);
	p += padded;
	for (size_t i = 0; i < w->n; i++) {
		size_t k = ir_type_bytes(&w->tensor[i].type);

		if (k)
			memcpy(p, w->tensor[i].data, k);
		p += k;
	}
	s = ir_file_write(path, buf, all);
	if (s != IR_OK)
		fail(&f, s, "cannot be written: %s", strerror(errno));
	rt_free(buf, all);
	free(text);
	return s;
}

void le_weights_free(le_weights *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->name[i]);
		rt_tensor_free(&w->tensor[i]);
	}
	for (size_t i = 0; i < 2 * w->nmeta; i++)
		free(w->meta[i]);
	free(w->name);
	free(w->tensor);
	free(w->meta);
	*w = (le_weights){0};
}

const char *le_weights_meta(const le_weights *w, const char *key)
{
	for (size_t i = 0; i < w->nmeta; i++)
		if (strcmp(w->meta[2 * i], key) == 0)
			return w->meta[2 * i + 1];
	return NULL;
}

const rt_tensor *le_weights_find(const le_weights *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->name[i], name) == 0)
			return &w->tensor[i];
	return NULL;
}

/* ---- for the compiler's commands --------------------------------------------------------------------------- */

static ir_status read_any(const char *path, void **weights, ir_diag *d)
{
	le_weights *w = ir_xmalloc(1, sizeof *w);
	ir_status st = le_weights_read(path, w, d);

	if (st != IR_OK) {
		free(w);
		w = NULL;
	}
	*weights = w;
	return st;
}

static const rt_tensor *find_any(void *weights, const char *name)
{
	return le_weights_find(weights, name);
}

static const char *rows_of(void *weights)
{
	if (!le_weights_meta(weights, "scaling"))
		return NULL;
	return "Rows of the input and of the reconstruction are standardised: (value - mean) / std, column by column. The numbers are\n"
	       " * under \"scaling\" in the metadata of the weights (JSON, after the first eight bytes of the file), the order of the\n"
	       " * columns under \"columns\"; a missing value is 0.";
}

static void free_any(void *weights)
{
	if (weights)
		le_weights_free(weights);
	free(weights);
}

const cc_weight_reader le_weight_reader = {read_any, find_any, rows_of, free_any};

/* ---- of a trained model ------------------------------------------------------------------------------------- */

ir_status le_model_write(const char *path, const le_weights *w, const char *const *metadata, size_t n, const le_data *data,
			 ir_diag *d)
{
	const char *pair[16];
	ir_str text[LE_PREP_TEXTS];
	ir_status s;

	IR_ASSERT(n + LE_PREP_TEXTS <= 8, "%zu pairs of metadata", n);
	memcpy(pair, metadata, 2 * n * sizeof *pair);
	for (size_t i = 0; i < LE_PREP_TEXTS; i++) {
		sb_init(&text[i]);
		pair[2 * n] = le_prep_print(data, i, &text[i]);
		pair[2 * n + 1] = text[i].s;
		n += text[i].n > 0;
	}
	s = le_weights_write(path, w, pair, n, d);
	for (size_t i = 0; i < LE_PREP_TEXTS; i++)
		sb_fini(&text[i]);
	return s;
}

static const char *meta_of(const void *w, const char *key)
{
	return le_weights_meta(w, key);
}

ir_status le_model_prep(const char *path, const le_weights *w, le_prep *out, ir_diag *d)
{
	if (le_prep_parse(meta_of, w, out))
		return IR_OK;
	return le_complain(d, IR_EINPUT, path, "what the weights say of the model's rows (scaling, columns, missing) is damaged");
}
