/* SPDX-License-Identifier: Apache-2.0
 * Which reader a path is for. To add a kind of file: its reader in a file of its own, a row here, a unit test and its malformed
 * files (tests/malformed). */
#include <string.h>
#include <sys/stat.h>
#include "search/data/data_int.h"

typedef struct request {
	const char *path, *raw_spec;
	const le_csv_options *o;
	le_table *out;
	le_labels *labels;
	ir_diag *d;
} request;

static bool ends_with(const char *s, size_t n, const char *end)
{
	size_t k = strlen(end);

	return n >= k && memcmp(s + n - k, end, k) == 0;
}

/* ---- what it is ----------------------------------------------------------------------------------------------------- */

static bool is_raw(const request *r)
{
	return r->raw_spec;
}

static bool is_folder(const request *r)
{
	struct stat st;

	return stat(r->path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The end of the name, ".gz" aside. */
static bool has_ending(const request *r, const char *ending)
{
	size_t n = strlen(r->path);

	return ends_with(r->path, n - (ends_with(r->path, n, ".gz") ? 3 : 0), ending);
}

static bool is_npy(const request *r)
{
	return has_ending(r, ".npy");
}

static bool is_csv(const request *r)
{
	return has_ending(r, ".csv") || has_ending(r, ".tsv") || has_ending(r, ".txt");
}

/* Where the member's name begins in FILE.npz:MEMBER; a name with ".npz:" in its folder is still a file if it is there. */
static const char *npz_member(const request *r)
{
	const char *at = strstr(r->path, ".npz:");
	struct stat st;

	return at && stat(r->path, &st) != 0 ? at + strlen(".npz:") : NULL;
}

static bool is_npz(const request *r)
{
	return npz_member(r) || ends_with(r->path, strlen(r->path), ".npz");
}

/* Two zero bytes, unpacked: no name says that a file is IDX. */
static bool is_idx(const request *r)
{
	ir_diag *quiet = ir_diag_new(); /* who reads it next will say what is wrong */
	char magic[2] = {1, 1};
	size_t got = 0;
	le_file f;
	ir_status s = le_file_open(&f, r->path, quiet);

	if (s == IR_OK)
		s = le_file_some(&f, magic, sizeof magic, &got);
	le_file_close(&f);
	ir_diag_free(quiet);
	return s == IR_OK && got == 2 && magic[0] == 0 && magic[1] == 0;
}

/* ---- readers with one shape ------------------------------------------------------------------------------------------- */

static ir_status read_raw(const request *r)
{
	return le_raw_read(r->path, r->raw_spec, r->out, r->d);
}

static ir_status read_folder(const request *r)
{
	return le_png_read(r->path, r->out, r->d);
}

static ir_status read_npy(const request *r)
{
	return le_npy_read(r->path, r->out, r->d);
}

static ir_status read_npz(const request *r)
{
	const char *member = npz_member(r);
	ir_str path;
	ir_status s;

	sb_init(&path);
	sb_putn(&path, r->path, member ? (size_t)(member - r->path) - 1 : strlen(r->path));
	s = le_npz_read(path.s, member, r->out, r->d);
	sb_fini(&path);
	return s;
}

static ir_status read_csv(const request *r)
{
	return le_csv_read(r->path, r->o, r->out, r->labels, r->d);
}

static ir_status read_idx(const request *r)
{
	return le_idx_read(r->path, r->out, r->d);
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

/* The first row that fits is taken. */
static const struct kind {
	const char *what; /* for the message that lists them */
	bool (*is)(const request *r);
	ir_status (*read)(const request *r);
	bool has_columns;
} kinds[] = {
	{"raw numbers (with their format, as u8:28x28)", is_raw, read_raw, false},
	{"a folder of .png files", is_folder, read_folder, false},
	{".npy[.gz]", is_npy, read_npy, false},
	{".npz or FILE.npz:ARRAY", is_npz, read_npz, false},
	{".csv, .tsv, .txt[.gz]", is_csv, read_csv, true},
	{"IDX[.gz] by its first bytes", is_idx, read_idx, false},
};

#define NKIND (sizeof kinds / sizeof *kinds)

static ir_status unknown(const request *r)
{
	le_file f;
	ir_status s = le_file_open(&f, r->path, r->d);
	ir_str list;

	sb_init(&list);
	for (size_t k = 0; k < NKIND; k++)
		sb_printf(&list, "%s%s", k ? "; " : "", kinds[k].what);
	if (s == IR_OK)
		s = le_file_fail(&f, IR_EINPUT, "neither its name nor byte offset 0 says what it is. What is read: %s", list.s);
	sb_fini(&list);
	le_file_close(&f);
	return s;
}

ir_status le_table_read(const char *path, const char *raw_spec, const le_csv_options *o, le_table *out, le_labels *labels,
			ir_diag *d)
{
	request r = {path, raw_spec, o, out, labels, d};
	size_t k = 0;

	*out = (le_table){0};
	if (labels)
		*labels = (le_labels){0};
	while (k < NKIND && !kinds[k].is(&r))
		k++;
	if (k == NKIND)
		return unknown(&r);
	if (o && (o->label || o->drop) && !kinds[k].has_columns)
		return le_complain(d, IR_EINPUT, path, "no columns to name (labels, drop): only .csv, .tsv and .txt have them");
	return kinds[k].read(&r);
}

bool le_has_columns(const char *path)
{
	return is_csv(&(request){.path = path});
}
