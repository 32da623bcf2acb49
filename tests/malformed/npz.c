/* SPDX-License-Identifier: Apache-2.0
 * Malformed NumPy archives. The good one has the member x.npy, deflated: its local header at byte offset 0, the directory at the
 * mark, whose entry has the method at 10, the checksum at 16, the sizes at 20 and 24, the name at 46; 22 bytes of end. A row with
 * a dict packs such an array; option names the member, version 2 stores it, version 3 makes two members. */
#include <stdlib.h>
#include <string.h>
#include <zip.h>
#include "tests/malformed/malformed.h"

#define DICT(descr, order, shape) B("{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }")

static void find_directory(blob *b)
{
	for (b->mark = 0; b->mark + 4 < b->n && memcmp(b->p + b->mark, "PK\1\2", 4) != 0; b->mark++)
		;
}

/* n members of the same content. */
static void pack(blob *b, const blob *content, const char *const *names, size_t n, int method)
{
	zip_error_t e;
	zip_source_t *to = zip_source_buffer_create(NULL, 0, 0, &e);
	zip_t *z = zip_open_from_source(to, ZIP_TRUNCATE, &e);
	zip_stat_t st;

	zip_source_keep(to);
	for (size_t i = 0; i < n; i++) {
		zip_int64_t at = zip_file_add(z, names[i], zip_source_buffer(z, content->p, content->n, 0), 0);

		zip_set_file_compression(z, (zip_uint64_t)at, method, 9);
		zip_file_set_mtime(z, (zip_uint64_t)at, 1000000000, 0);
	}
	IR_ASSERT(zip_close(z) == 0, "libzip");
	zip_source_open(to);
	zip_source_stat(to, &st);
	b->n = 0;
	blob_fill(b, 0, st.size);
	IR_ASSERT(zip_source_read(to, b->p, st.size) == (zip_int64_t)st.size, "libzip");
	zip_source_close(to);
	zip_source_free(to);
	find_directory(b);
}

static void make(const bad *r, blob *b)
{
	static const char *const names[] = {"x.npy", "y.npy"};
	bad plain = *r;
	blob array = {0};

	plain.version = 1;
	make_npy(&plain, &array);
	pack(b, &array, names, r->version == 3 ? 2 : 1, r->version == 2 ? ZIP_CM_STORE : ZIP_CM_DEFLATE);
	free(array.p);
}

static void make_named(blob *b, const char *name, const void *p, size_t n)
{
	blob content = {(unsigned char *)(uintptr_t)p, n, n, 0};

	pack(b, &content, &name, 1, ZIP_CM_DEFLATE);
}

static void text_only(blob *b)
{
	make_named(b, "readme.txt", "text", 4);
}

static void empty_member(blob *b)
{
	make_named(b, "x.npy", "", 0);
}

static void suffix_only(blob *b)
{
	make_named(b, ".npy", "", 0);
}

static void odd_name(blob *b)
{
	make_named(b, "\33[31m.npy", "x", 1);
}

static void nothing(blob *b)
{
	(void)b;
}

static void infinite(blob *b)
{
	bad r = {0};
	blob array = {0};

	make_npy(&r, &array);
	blob_put(&array, -4, "\0\0\200\177", 4);
	make_named(b, "x.npy", array.p, array.n);
	free(array.p);
}

/* A little deflate that goes on for 16 MiB, behind a header that asks for 24 bytes. */
static void bomb(blob *b)
{
	bad r = {0};
	blob array = {0};

	make_npy(&r, &array);
	blob_fill(&array, 0, (size_t)16 << 20);
	make_named(b, "x.npy", array.p, array.n);
	free(array.p);
}

/* A directory of 2^40 entries in 144 bytes. */
static void many_entries(blob *b)
{
	blob_add(b, "PK\1\2", 4);
	blob_fill(b, 0, 42);
	blob_add(b, "PK\6\6\54\0\0\0\0\0\0\0\55\0\55\0\0\0\0\0\0\0\0\0", 24);
	blob_add(b, "\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\56\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
	blob_add(b, "PK\6\7\0\0\0\0\56\0\0\0\0\0\0\0\1\0\0\0", 20);
	blob_add(b, "PK\5\6\0\0\0\0\377\377\377\377\377\377\377\377\377\377\377\377\0\0", 22);
}

static ir_status read_file(const char *path, const bad *r, ir_diag *d)
{
	le_table t;
	ir_status s = le_npz_read(path, r->option, &t, d);

	le_table_free(&t);
	return s;
}

static const bad rows[] = {
	/* the directory */
	{"empty", "ends at byte offset 0", .make = nothing},
	{"the end record alone is cut", "cannot be read", .cut = -1},
	{"no end record", "cannot be read", .cut = -22},
	{"the first half", "ends at byte offset 60", .cut = 60},
	{"a signature alone", "ends at byte offset 4", .cut = 4},
	{"end record with a wrong signature", "cannot be read", .at = -22, .put = B("PK\5\7")},
	{"end record counts no entries", "directory", .at = -14, .put = B("\0\0\0\0")},
	{"end record counts two entries", "cannot be read", .at = -14, .put = B("\2\0\2\0")},
	{"end record counts 65535 entries", "cannot be read", .at = -14, .put = B("\377\377\377\377")},
	{"end record with another disk", "cannot be read", .at = -18, .put = B("\1\0")},
	{"directory size too large", "cannot be read", .at = -10, .put = B("\377\377\0\0")},
	{"directory size too small", "cannot be read", .at = -10, .put = B("\1\0\0\0")},
	{"directory offset behind the file", "cannot be read", .at = -6, .put = B("\377\377\0\0")},
	{"directory offset 0", "cannot be read", .at = -6, .put = B("\0\0\0\0")},
	{"2^40 entries in 144 bytes", "ends at byte offset 144", .make = many_entries},
	{"comment longer than the file", "cannot be read", .at = -2, .put = B("\377\377")},
	{"bytes behind the end record", "cannot be read", .add = B("trailing")},
	{"directory entry with a wrong signature", "cannot be read", .put_mark = B("PK\3\4")},
	{"local header with a wrong signature", "cannot be read", .at = 0, .put = B("PK\7\10")},
	{"local header is behind the file", "cannot be read", .at_mark = 42, .put_mark = B("\377\377\0\0")},
	{"local header is inside the data", "cannot be read", .at_mark = 42, .put_mark = B("\5\0\0\0")},
	{"name longer than the directory", "cannot be read", .at_mark = 28, .put_mark = B("\377\377")},
	{"extra field longer than the directory", "cannot be read", .at_mark = 30, .put_mark = B("\377\377")},
	{"two names for one member", "cannot be read", .at = 30, .put = B("y")},
	{"two checksums for one member", "cannot be read", .at_mark = 16, .put_mark = B("\0\0\0\0")},
	{"two sizes for one member", "cannot be read", .at_mark = 24, .put_mark = B("\0\0\0\1")},
	{"two methods for one member", "cannot be read", .at_mark = 10, .put_mark = B("\0\0")},
	{"data longer than the file", "cannot be read", .at = 18, .put = B("\377\377\0\0"), .at_mark = 20, .put_mark = B("\377\377\0\0")},
	{"compressed once more", "ends at byte offset", .gz = true},
	/* the members */
	{"text only", "it has no arrays", .make = text_only},
	{"a suffix without a name", "it has no arrays", .make = suffix_only},
	{"no array of this name", "no array has this name (directory before byte offset", .option = "z"},
	{"the name in capitals", "no array has this name (directory before byte offset", .option = "X"},
	{"half of the name", "no array has this name (directory before byte offset", .option = "x.np"},
	{"an empty name", "no array has this name (directory before byte offset", .option = ""},
	{"two arrays and no name", "it has x, y", .version = 3},
	{"control characters in the name", "no array has this name", .make = odd_name, .option = "x"},
	{"packed by bzip2", "packed by method 12", .at = 8, .put = B("\14\0"), .at_mark = 10, .put_mark = B("\14\0")},
	{"packed by a method that is none", "packed by method 77", .at = 8, .put = B("\115\0"), .at_mark = 10, .put_mark = B("\115\0")},
	{"encrypted", "encrypted (zip directory before byte offset", .at = 6, .put = B("\1\0"), .at_mark = 8, .put_mark = B("\1\0")},
	/* their bytes */
	{"empty member", "byte offset 0 in the magic", .make = empty_member},
	{"wrong checksum", "damaged at byte offset 152", .version = 2, .at = 14, .put = B("abcd"), .at_mark = 16, .put_mark = B("abcd")},
	{"a changed byte", "damaged at byte offset 152", .version = 2, .at = 183, .put = B("z")},
	{"deflate with a block type that is none", "damaged at byte offset 0", .at = 35, .put = B("\377")},
	{"deflate cut in the middle", "at byte offset", .at = 18, .put = B("\20\0\0\0"), .at_mark = 20, .put_mark = B("\20\0\0\0")},
	{"unpacks to more than its header says", "at byte offset 152", .make = bomb},
	{"unpacks to less than its header says", "file ends at byte offset 152", .text = DICT("'<f4'", "False", "(2, 4)"), .data = 24},
	{"stored, shorter than its header says", "file ends at byte offset 152", .version = 2, .text = DICT("'<f4'", "False", "(2, 4)"), .data = 24},
	{"stored, longer than its header says", "at byte offset 152, it has 153 bytes", .version = 2, .text = DICT("'<f4'", "False", "(2, 3)"), .data = 25},
	{"claims 8 GiB", "file ends at byte offset 152", .text = DICT("'<f4'", "False", "(2147483647,)"), .data = 24},
	{"directory claims 4 GiB too", "byte offset 152", .text = DICT("'<f4'", "False", "(1073741785,)"), .data = 24, .at = 22, .put = B("\344\377\377\377"), .at_mark = 24, .put_mark = B("\344\377\377\377")},
	{"objects", "Python objects ('descr' at byte offset 20)", .text = DICT("'|O'", "False", "(2, 3)"), .data = 24},
	{"a structure", "structured elements ('descr' at byte offset 20)", .text = DICT("[('a', '<f4')]", "False", "(2,)"), .data = 8},
	{"infinite", "row 2, column 3 (byte offset 148) is infinite", .make = infinite},
};

const group npz_group = {"npz", "a.npz", rows, NROW(rows), make, read_file};
