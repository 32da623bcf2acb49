/* SPDX-License-Identifier: Apache-2.0
 * NumPy archives: zip files whose members are arrays (np.savez, np.savez_compressed). Only the wanted member is unpacked; the
 * directory's size must be what the array's header says before memory is asked for, and memory then grows with what arrives,
 * so a bomb ends at its header. The only file that includes libzip. */
#include <stdio.h>
#include <string.h>
#include <zip.h>
#include "search/data/data_int.h"

#define SUFFIX ".npy"

typedef struct archive {
	le_file f;
	zip_t *zip;
	zip_int64_t n; /* members */
} archive;

static ir_status open_archive(archive *a, const char *path, ir_diag *d)
{
	zip_error_t why;
	int code = 0;
	ir_status s = le_file_open_plain(&a->f, path, d);

	if (s != IR_OK)
		return s;
	a->zip = zip_fdopen(a->f.fd, ZIP_CHECKCONS, &code);
	if (a->zip) {
		a->f.fd = -1; /* libzip's now */
		a->n = zip_get_num_entries(a->zip, 0);
		return IR_OK;
	}
	zip_error_init_with_code(&why, code);
	s = le_file_fail(&a->f, code == ZIP_ER_MEMORY ? IR_ENOMEM : IR_EINPUT, "the zip directory, which ends at byte offset %llu, "
			 "cannot be read: %s", (unsigned long long)a->f.size, zip_error_strerror(&why));
	zip_error_fini(&why);
	return s;
}

static bool is_array(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	return n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

/* With or without the suffix. */
static bool is_called(const char *name, const char *wanted)
{
	size_t n = strlen(wanted);

	return strncmp(name, wanted, n) == 0 && (name[n] == 0 || strcmp(name + n, SUFFIX) == 0);
}

/* The names of the arrays, as far as a message can hold them. */
static ir_status list_members(const archive *a, const char *what)
{
	ir_str list;
	ir_status s;

	sb_init(&list);
	for (zip_int64_t i = 0; i < a->n && list.n < 300; i++) {
		const char *name = zip_get_name(a->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);

		if (is_array(name))
			sb_printf(&list, "%s%.*s", list.n ? ", " : "", (int)(strlen(name) - strlen(SUFFIX)), name);
	}
	s = le_file_fail(&a->f, IR_EINPUT, "%s (directory before byte offset %llu): it has %s", what, (unsigned long long)a->f.size,
			 list.n ? list.s : "no arrays");
	sb_fini(&list);
	return s;
}

static ir_status find_member(const archive *a, const char *wanted, zip_uint64_t *index)
{
	size_t found = 0;

	for (zip_int64_t i = 0; i < a->n; i++) {
		const char *name = zip_get_name(a->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);

		if (!is_array(name) || (wanted && !is_called(name, wanted)))
			continue;
		*index = (zip_uint64_t)i;
		found++;
	}
	if (found == 1)
		return IR_OK;
	if (wanted)
		return list_members(a, found ? "more than one array has this name" : "no array has this name");
	return list_members(a, found ? "name one of the arrays, as FILE.npz:NAME" : "nothing to read");
}

/* ---- a member as a stream ----------------------------------------------------------------------------------------- */

static ir_status member_some(const le_file *f, void *to, size_t n, size_t *got)
{
	zip_int64_t now = zip_fread(f->from, to, n);

	*got = now < 0 ? 0 : (size_t)now;
	return now < 0 ? le_file_fail(f, IR_EINPUT, "damaged at byte offset %llu of what it unpacks to: %s",
				      (unsigned long long)f->at, zip_file_strerror(f->from))
		       : IR_OK;
}

static ir_status check_member(const archive *a, const le_file *f, zip_uint64_t index, uint64_t *size)
{
	const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
	unsigned long long end = a->f.size;
	zip_stat_t st;

	if (zip_stat_index(a->zip, index, 0, &st) != 0 || (st.valid & needed) != needed)
		return le_file_fail(f, IR_EINPUT, "the zip directory before byte offset %llu lacks its sizes", end);
	if (st.encryption_method != ZIP_EM_NONE)
		return le_file_fail(f, IR_EINPUT, "encrypted (zip directory before byte offset %llu)", end);
	if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE)
		return le_file_fail(f, IR_EINPUT, "packed by method %d (zip directory before byte offset %llu): only stored and "
				    "deflated members are read", st.comp_method, end);
	*size = st.size;
	return IR_OK;
}

static ir_status read_member(const archive *a, zip_uint64_t index, le_table *out)
{
	ir_str name;
	le_file f = {.d = a->f.d, .fd = -1, .some = member_some, .sized = true, .compressed = true};
	ir_status s;

	sb_init(&name);
	sb_printf(&name, "%s:", a->f.path);
	sb_put_visible(&name, zip_get_name(a->zip, index, ZIP_FL_ENC_RAW), strnlen(zip_get_name(a->zip, index, ZIP_FL_ENC_RAW), 80));
	f.path = name.s;
	s = check_member(a, &f, index, &f.size);
	if (s == IR_OK && !(f.from = zip_fopen_index(a->zip, index, 0)))
		s = le_file_fail(&f, IR_EINPUT, "cannot be unpacked (zip directory before byte offset %llu): %s",
				 (unsigned long long)a->f.size, zip_strerror(a->zip));
	if (s == IR_OK) {
		s = le_npy_read_from(&f, out);
		zip_fclose(f.from);
	}
	sb_fini(&name);
	return s;
}

ir_status le_npz_read(const char *path, const char *member, le_table *out, ir_diag *d)
{
	archive a = {0};
	zip_uint64_t index = 0;
	ir_status s = open_archive(&a, path, d);

	*out = (le_table){0};
	if (s == IR_OK)
		s = find_member(&a, member, &index);
	if (s == IR_OK)
		s = read_member(&a, index, out);
	if (a.zip)
		zip_discard(a.zip);
	le_file_close(&a.f);
	return s;
}
