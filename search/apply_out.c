/* SPDX-License-Identifier: Apache-2.0
 * Results of a model in files. Every number is written so that it reads back to the same bits: arrays as they are, text with
 * nine digits for floats and the shortest form for doubles. */
#include "search/apply_out.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "search/formats.h"
#include "search/output.h"

static const struct {
	const char *name;
	unsigned flag;
	char column; /* of a table: z0, z1, .. */
	ir_dtype dtype; /* of an array */
} kind[SE_APPLY_KINDS] = {
	{"latent", LE_LATENT, 'z', IR_F32}, {"reconstruction", LE_RECONSTRUCTION, 'y', IR_F32}, {"error", LE_ERROR, 0, IR_F64},
	{"label", SE_APPLY_LABEL, 0, IR_I32}, /* an array has the number of the class */
};

bool se_apply_kinds(const char *list, unsigned *out)
{
	*out = 0;
	for (;;) {
		size_t n = strcspn(list, ","), k = 0;

		while (k < SE_APPLY_KINDS && (strlen(kind[k].name) != n || memcmp(kind[k].name, list, n)))
			k++;
		if (k == SE_APPLY_KINDS)
			return false;
		*out |= kind[k].flag;
		if (!list[n])
			return true;
		list += n + 1;
	}
}

static bool ends(const char *path, const char *ending)
{
	size_t n = strlen(path), e = strlen(ending);

	return n > e && !strcmp(path + n - e, ending);
}

bool se_apply_ending(const char *path, se_apply_format *out)
{
	static const char *const ending[] = {[SE_APPLY_CSV] = ".csv", [SE_APPLY_TSV] = ".tsv", [SE_APPLY_NPY] = ".npy"};

	*out = SE_APPLY_STDOUT;
	for (int i = SE_APPLY_CSV; path && i <= SE_APPLY_NPY; i++)
		if (ends(path, ending[i]))
			*out = (se_apply_format)i;
	return !path || *out != SE_APPLY_STDOUT;
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static ir_status fail(const se_apply_out *o, ir_status s, const char *path)
{
	return se_refuse_file(o->d, path, s, strerror(errno));
}

void se_apply_out_name(se_apply_out *o, const char *path, se_apply_format format, unsigned what, ir_arena *a, ir_diag *d)
{
	bool several = what & (what - 1);

	*o = (se_apply_out){.format = format, .what = what, .d = d};
	if (format == SE_APPLY_CSV || format == SE_APPLY_TSV)
		o->path[0] = path;
	for (size_t k = 0; format == SE_APPLY_NPY && k < SE_APPLY_KINDS; k++)
		if (what & kind[k].flag)
			o->path[k] = several ? ar_printf(a, "%.*s.%s.npy", (int)(strlen(path) - 4), path, kind[k].name) : path;
}

ir_status se_apply_out_open(se_apply_out *o)
{
	ir_status s = IR_OK;

	sb_init(&o->text);
	for (size_t k = 0; s == IR_OK && k < SE_APPLY_KINDS; k++)
		if (o->path[k] && (s = ir_out_open(o->path[k], &o->file[k])) != IR_OK)
			fail(o, s, o->path[k]);
	return s;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static ir_status put(se_apply_out *o, size_t k, const void *data, size_t n)
{
	ir_status s;

	if (o->format == SE_APPLY_STDOUT)
		return fwrite(data, 1, n, stdout) == n ? IR_OK : fail(o, IR_EIO, "stdout");
	s = ir_out_put(o->file[k], data, n);
	return s == IR_OK ? s : fail(o, s, o->path[k]);
}

static ir_status put_text(se_apply_out *o)
{
	ir_status s = put(o, 0, o->text.s, o->text.n);

	sb_clear(&o->text);
	return s;
}

static char separator(const se_apply_out *o)
{
	return o->format == SE_APPLY_TSV ? '\t' : ',';
}

/* Quoted if it must be. */
static void put_field(se_apply_out *o, const char *text)
{
	if (!text[strcspn(text, "\",;\t\r\n")]) {
		sb_put(&o->text, text);
		return;
	}
	sb_putc(&o->text, '"');
	for (; *text; text++)
		sb_printf(&o->text, *text == '"' ? "\"\"" : "%c", *text);
	sb_putc(&o->text, '"');
}

static ir_status put_titles(se_apply_out *o, char *const *column)
{
	sb_put(&o->text, "row");
	for (size_t k = 0; k < SE_APPLY_KINDS; k++)
		for (int64_t i = 0; o->what & kind[k].flag && i < o->width[k]; i++) {
			sb_putc(&o->text, separator(o));
			if (column && kind[k].flag == LE_RECONSTRUCTION)
				put_field(o, column[i]);
			else if (kind[k].column)
				sb_printf(&o->text, "%c%lld", kind[k].column, (long long)i);
			else
				sb_put(&o->text, kind[k].name);
		}
	sb_putc(&o->text, '\n');
	return put_text(o);
}

ir_status se_apply_out_begin(se_apply_out *o, size_t rows, int64_t latent, int64_t width, char *const *column)
{
	ir_status s = IR_OK;

	o->width[0] = latent, o->width[1] = width, o->width[2] = o->width[3] = 1;
	if (o->format != SE_APPLY_NPY)
		return put_titles(o, column);
	for (size_t k = 0; s == IR_OK && k < SE_APPLY_KINDS; k++) {
		if (!(o->what & kind[k].flag))
			continue;
		sb_clear(&o->text);
		se_npy_header(kind[k].dtype, rows, kind[k].column ? o->width[k] : 0, &o->text);
		s = put(o, k, o->text.s, o->text.n);
	}
	return s;
}

static void add_floats(se_apply_out *o, const float *v, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		sb_printf(&o->text, "%c%.9g", separator(o), (double)v[i]);
}

static ir_status put_table(se_apply_out *o, const se_apply_block *b)
{
	ir_status s = IR_OK;

	sb_clear(&o->text);
	for (size_t i = 0; s == IR_OK && i < b->n; i++) {
		sb_printf(&o->text, "%u", b->row[i]);
		if (o->what & LE_LATENT)
			add_floats(o, b->latent + i * (size_t)o->width[0], o->width[0]);
		if (o->what & LE_RECONSTRUCTION)
			add_floats(o, b->reconstruction + i * (size_t)o->width[1], o->width[1]);
		if (o->what & LE_ERROR) {
			sb_putc(&o->text, separator(o));
			sb_put_double(&o->text, b->error[i]);
		}
		if (o->what & SE_APPLY_LABEL) {
			int32_t l = b->label[b->row[i]];

			sb_putc(&o->text, separator(o));
			if (l >= 0)
				put_field(o, b->class_name[l]);
		}
		sb_putc(&o->text, '\n');
		if (o->text.n >= 1 << 16)
			s = put_text(o);
	}
	return s == IR_OK ? put_text(o) : s;
}

static ir_status put_labels(se_apply_out *o, size_t k, const se_apply_block *b)
{
	sb_clear(&o->text);
	for (size_t i = 0; i < b->n; i++)
		sb_putn(&o->text, (const char *)&b->label[b->row[i]], sizeof *b->label);
	return put(o, k, o->text.s, o->text.n);
}

ir_status se_apply_out_put(se_apply_out *o, const se_apply_block *b)
{
	const void *const data[SE_APPLY_KINDS] = {b->latent, b->reconstruction, b->error};
	ir_status s = IR_OK;

	if (o->format != SE_APPLY_NPY)
		return put_table(o, b);
	for (size_t k = 0; s == IR_OK && k < SE_APPLY_KINDS; k++)
		if (o->what & kind[k].flag)
			s = data[k] ? put(o, k, data[k], b->n * (size_t)o->width[k] * ir_dtype_size(kind[k].dtype)) : put_labels(o, k, b);
	return s;
}

ir_status se_apply_out_end(se_apply_out *o, ir_status s)
{
	for (size_t k = 0; k < SE_APPLY_KINDS; k++) {
		if (!o->file[k])
			continue;
		if (s != IR_OK)
			ir_out_drop(o->file[k]);
		else if ((s = ir_out_close(o->file[k])) != IR_OK)
			fail(o, s, o->path[k]);
		o->file[k] = NULL;
	}
	sb_fini(&o->text);
	return s;
}
