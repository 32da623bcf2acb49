/* SPDX-License-Identifier: Apache-2.0
 * Malformed PNG pictures, each alone in its folder. The good one is 4 x 2 grey bytes: the header's data at byte offset 16, its
 * checksum at 29, IDAT at the mark. Checksums are right unless a row says otherwise: what is wrong is to be found behind them.
 * text: another header; option: chunks between header and pixels ("tRNS:AAAA" with letters less 'A' for bytes). */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "tests/malformed/malformed.h"

#define HEADER(size, form) .text = B(size form "\0\0\0") /* bits and type; deflate, filters, not interlaced */
#define SMALL		   "\0\0\0\4\0\0\0\2"

static const char signature[] = "\x89PNG\r\n\x1a\n";
static const char usual[] = SMALL "\10\0\0\0\0";

static void add_u32(blob *b, size_t v)
{
	blob_add(b, (unsigned char[]){(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v}, 4);
}

static void add_chunk(blob *b, const char *type, const void *p, size_t n)
{
	size_t at = b->n + 4;

	add_u32(b, n);
	blob_add(b, type, 4);
	blob_add(b, p, n);
	add_u32(b, crc32(0, b->p + at, (unsigned)(n + 4)));
}

static void add_pixels(blob *b, const void *p, size_t n)
{
	unsigned long room = compressBound(n);
	unsigned char *packed = ir_xmalloc(room, 1);

	IR_ASSERT(compress2(packed, &room, p, n, 9) == Z_OK, "zlib");
	b->mark = b->n;
	add_chunk(b, "IDAT", packed, room);
	free(packed);
}

static void begin(blob *b, const char *header, size_t n)
{
	blob_add(b, signature, 8);
	add_chunk(b, "IHDR", header, n);
}

/* The chunks of a row's option. */
static void add_extra(blob *b, const char *s)
{
	while (s && *s) {
		char data[64];
		size_t n = strcspn(s + 5, " ");

		for (size_t i = 0; i < n; i++)
			data[i] = (char)(s[5 + i] - 'A');
		add_chunk(b, s, data, n);
		s += 5 + n + (s[5 + n] == ' ');
	}
}

static void make(const bad *r, blob *b)
{
	unsigned char pixels[256] = {0};

	if (r->text.p)
		begin(b, r->text.p, r->text.n);
	else
		begin(b, usual, sizeof usual - 1);
	add_extra(b, r->option);
	if (r->version) /* the first pixel byte */
		pixels[r->version > 1 ? 1 : 0] = 5;
	add_pixels(b, pixels, r->data ? r->data : 10);
	add_chunk(b, "IEND", "", 0);
}

/* ---- chunks in other orders ----------------------------------------------------------------------------------------- */

static void no_pixels(blob *b)
{
	begin(b, usual, sizeof usual - 1);
	add_chunk(b, "IEND", "", 0);
}

static void no_header(blob *b)
{
	blob_add(b, signature, 8);
	add_pixels(b, "\0\0\0\0\0\0\0\0\0\0", 10);
	add_chunk(b, "IEND", "", 0);
}

static void two_headers(blob *b)
{
	begin(b, usual, sizeof usual - 1);
	add_chunk(b, "IHDR", usual, sizeof usual - 1);
	add_pixels(b, "\0\0\0\0\0\0\0\0\0\0", 10);
	add_chunk(b, "IEND", "", 0);
}

static void palette_behind_pixels(blob *b)
{
	begin(b, SMALL "\10\3\0\0\0", 13);
	add_pixels(b, "\0\0\0\0\0\0\0\0\0\0", 10);
	add_chunk(b, "PLTE", "abc", 3);
	add_chunk(b, "IEND", "", 0);
}

static void nothing_in_idat(blob *b)
{
	begin(b, usual, sizeof usual - 1);
	add_chunk(b, "IDAT", "", 0);
	add_chunk(b, "IEND", "", 0);
}

static void no_deflate(blob *b)
{
	begin(b, usual, sizeof usual - 1);
	add_chunk(b, "IDAT", "not deflate", 11);
	add_chunk(b, "IEND", "", 0);
}

static void short_header(blob *b)
{
	begin(b, usual, 12);
}

static void long_header(blob *b)
{
	begin(b, SMALL "\10\0\0\0\0\0", 14);
}

static void nothing(blob *b)
{
	(void)b;
}

static void jpeg(blob *b)
{
	blob_add(b, "\xff\xd8\xff\xe0\0\20JFIF\0\1", 12);
}

static ir_status read_file(const char *path, const bad *r, ir_diag *d)
{
	char folder[400];
	le_table t;
	ir_status s;

	(void)r;
	snprintf(folder, sizeof folder, "%s", path);
	s = le_png_read(dirname(folder), &t, d);
	le_table_free(&t);
	return s;
}

static const bad rows[] = {
	/* signature */
	{"empty", "byte offset 0", .make = nothing},
	{"half a signature", "byte offset 4", .cut = 4},
	{"a JPEG picture", "byte offset 8", .make = jpeg},
	{"line ends changed by a text transfer", "byte offset 8", .at = 4, .put = B("\n\n")},
	{"the high bit lost", "byte offset 8", .at = 0, .put = B("\11")},
	{"compressed", "byte offset 8", .gz = true},
	/* the header */
	{"a signature alone", "byte offset 8", .cut = 8},
	{"half a header", "byte offset 20", .cut = 20},
	{"header of 12 bytes", "byte offset", .make = short_header},
	{"header of 14 bytes", "byte offset", .make = long_header},
	{"header with a wrong checksum", "CRC error at byte offset 33", .at = 29, .put = B("\0\0\0\0")},
	{"header is not the first chunk", "byte offset", .make = no_header},
	{"two headers", "byte offset", .make = two_headers},
	{"width 0", "at byte offset 33", HEADER("\0\0\0\0\0\0\0\2", "\10\0")},
	{"height 0", "at byte offset 33", HEADER("\0\0\0\4\0\0\0\0", "\10\0")},
	{"width 2^31", "at byte offset 33", HEADER("\200\0\0\0\0\0\0\2", "\10\0")},
	{"width above the limit", "exceeds user limit", HEADER("\0\0\20\1\0\0\0\2", "\10\0")},
	{"height above the limit", "exceeds user limit", HEADER("\0\0\0\4\0\0\20\1", "\10\0")},
	{"more pixels than the file can hold", "4096 x 4096 pixels (byte offset 16) do not fit", HEADER("\0\0\20\0\0\0\20\0", "\10\0")},
	{"3 bits", "at byte offset 33", HEADER(SMALL, "\3\0")},
	{"0 bits", "at byte offset 33", HEADER(SMALL, "\0\0")},
	{"colour of 4 bits", "at byte offset 33", HEADER(SMALL, "\4\2")},
	{"palette of 16 bits", "at byte offset 33", HEADER(SMALL, "\20\3")},
	{"type 1", "at byte offset 33", HEADER(SMALL, "\10\1")},
	{"type 7", "at byte offset 33", HEADER(SMALL, "\10\7")},
	{"compression 1", "at byte offset 33", .text = B(SMALL "\10\0\1\0\0")},
	{"filter method 1", "at byte offset 33", .text = B(SMALL "\10\0\0\1\0")},
	{"interlacing 2", "at byte offset 33", .text = B(SMALL "\10\0\0\0\2")},
	/* chunks */
	{"no palette where one is needed", "byte offset", HEADER(SMALL, "\10\3")},
	{"palette behind the pixels", "byte offset", .make = palette_behind_pixels},
	{"palette of 4 bytes", "byte offset", HEADER(SMALL, "\10\3"), .option = "PLTE:ABCD"},
	{"empty palette", "byte offset", HEADER(SMALL, "\10\3"), .option = "PLTE:"},
	{"an unknown chunk that matters", "byte offset", .option = "ABCD:AB"},
	{"a chunk with digits for a name", "byte offset", .option = "1234:AB"},
	{"a chunk longer than 2^31", "byte offset", .put_mark = B("\200\0\0\0")},
	{"pixels longer than the file", "truncated: the file ends at byte offset", .put_mark = B("\0\0\377\377")},
	{"no pixels", "byte offset", .make = no_pixels},
	/* pixels */
	{"an empty chunk of pixels", "byte offset", .make = nothing_in_idat},
	{"no deflate", "byte offset", .make = no_deflate},
	{"a wrong checksum of the chunk", "CRC error at byte offset", .at = -16, .put = B("\0\0\0\0")},
	{"fewer pixels than the header says", "byte offset", .data = 9},
	{"one row of two", "byte offset", .data = 5},
	{"a filter that is none", "bad adaptive filter value at byte offset", .version = 1},
	{"no end chunk", "truncated: the file ends at byte offset", .cut = -12},
	{"half an end chunk", "truncated: the file ends at byte offset", .cut = -6},
	{"the file ends in the pixels", "truncated: the file ends at byte offset 44", .cut = 44},
	{"bytes behind the end", "trailing bytes: the sizes end the file at byte offset", .add = B("x")},
	{"a second picture behind the end", "trailing bytes: the sizes end the file at byte offset", .add = B("\x89PNG\r\n\x1a\n")},
	/* what is not read */
	{"transparent", "row 1, column 1 is not opaque (picture before byte offset", HEADER(SMALL, "\10\4"), .data = 18},
	{"one grey means transparent", "row 1, column 1 is not opaque", .option = "tRNS:AA"},
	{"one colour means transparent", "row 1, column 1 is not opaque", HEADER(SMALL, "\10\2"), .data = 26, .option = "tRNS:AAAAAA"},
	{"a transparent palette", "row 1, column 1 is not opaque", HEADER(SMALL, "\10\3"), .option = "PLTE:ABC tRNS:A"},
};

const group png_group = {"png", "a.png", rows, NROW(rows), make, read_file};
