/* SPDX-License-Identifier: Apache-2.0
 * Malformed text tables. option: the label column, and behind a bar the columns to drop. */
#include <stdio.h>
#include <string.h>
#include "tests/malformed/malformed.h"

/* One field where a number should be: line 2, column 2, called b. */
#define CELL(field, message) {"field " field, message, .text = B("a,b\n1," field "\n")}
#define NUMBER(field)	     CELL(field, "line 2, column 2 (b): '" field "' is not a number")

static void make(const bad *r, blob *b)
{
	blob_add(b, r->text.p, r->text.n);
}

static void long_number(blob *b)
{
	blob_add(b, "1\n", 2);
	blob_fill(b, '1', 401);
}

static void long_label(blob *b)
{
	blob_add(b, "k,x\n", 4);
	blob_fill(b, 'k', 257);
	blob_add(b, ",1\n", 3);
}

static void long_line(blob *b)
{
	blob_add(b, "1\n", 2);
	blob_fill(b, '1', ((size_t)16 << 20) + 1);
}

static void long_quote(blob *b)
{
	blob_add(b, "1\n\"", 3);
	blob_fill(b, '\n', ((size_t)16 << 20) + 1);
}

static void many_columns(blob *b)
{
	blob_fill(b, ',', 65536);
	blob_add(b, "\n", 1);
}

static void many_labels(blob *b)
{
	blob_add(b, "k,x\n", 4);
	for (int i = 0; i <= 65536; i++) {
		char line[16];

		blob_add(b, line, (size_t)snprintf(line, sizeof line, "%d,1\n", i));
	}
}

/* 1,000 columns asked for by each of very many short lines. */
static void short_lines(blob *b)
{
	blob_fill(b, ',', 999);
	for (int i = 0; i < 100000; i++)
		blob_add(b, "\n1", 2);
}

static ir_status read_file(const char *path, const bad *r, ir_diag *d)
{
	char text[200];
	le_csv_options o = {0};
	le_labels l;
	le_table t;
	ir_status s;

	if (r->option) {
		char *bar;

		snprintf(text, sizeof text, "%s", r->option);
		if ((bar = strchr(text, '|'))) {
			*bar = 0;
			o.drop = bar + 1;
		}
		o.label = *text ? text : NULL;
	}
	s = le_csv_read(path, &o, &t, &l, d);
	le_table_free(&t);
	le_labels_free(&l);
	return s;
}

static const bad rows[] = {
	/* lines */
	{"empty", "line 1", .text = B("")},
	{"a blank line alone", "line 1", .text = B("\n")},
	{"blank lines alone", "line 1", .text = B("\r\n\r\n")},
	{"a mark alone", "line 1", .text = B("\xef\xbb\xbf")},
	{"a header alone", "behind line 1", .text = B("a,b\n")},
	{"a header alone, without its end", "behind line 1", .text = B("a,b")},
	{"a header and blank lines", "behind line 1", .text = B("a,b\n\n\n")},
	{"blank first line", "line 1 is blank", .text = B("\n1,2\n")},
	{"blank line behind the header", "line 2 is blank", .text = B("a,b\n\n1,2\n")},
	{"blank line between rows", "line 2 is blank", .text = B("1,2\n\n3,4\n")},
	{"three of them", "line 2 is blank", .text = B("1,2\r\n\r\n\r\n\r\n3,4\r\n")},
	{"a line of spaces", "line 2 has 1 columns, line 1 has 2", .text = B("1,2\n  \n")},
	{"too short", "line 3 has 1 columns, line 1 has 2", .text = B("a,b\n1,2\n3\n")},
	{"too long", "line 3 has 3 columns, line 1 has 2", .text = B("a,b\n1,2\n3,4,5\n")},
	{"the last one is cut", "line 3 has 1 columns, line 1 has 2", .text = B("a,b\n1,2\n3")},
	{"a delimiter at the end of rows", "line 2 has 3 columns, line 1 has 2", .text = B("a,b\n1,2,\n")},
	{"a delimiter at the end of the header", "line 2 has 2 columns, line 1 has 3", .text = B("a,b,\n1,2\n")},
	{"another delimiter from line 2 on", "line 2 has 1 columns, line 1 has 2", .text = B("1,2\n3;4\n")},
	{"a comment", "line 2 has 1 columns, line 1 has 2", .text = B("1,2\n# more\n3,4\n")},
	{"short lines under a wide one", "line 2 has 1 columns, line 1 has 1000", .make = short_lines},
	{"line ends of an old Mac", "line 1, column 2: a carriage return", .text = B("1,2\r3,4\r")},
	{"a carriage return inside", "line 2, column 1: a carriage return", .text = B("1,2\n3\r,4\n")},
	{"two carriage returns", "line 1, column 2: a carriage return", .text = B("1,2\r\r\n")},
	{"a zero byte", "line 2: a zero byte at byte offset 5", .text = B("a,b\n1\0,2\n")},
	{"a zero byte in quotes", "line 1: a zero byte at byte offset 2", .text = B("\"a\0\",b\n1,2\n")},
	{"UTF-16, little end first", "line 1: a zero byte at byte offset 3", .text = B("\xff\xfe" "a\0,\0b\0\n\0")},
	{"UTF-16, big end first", "line 1: a zero byte at byte offset 2", .text = B("\xfe\xff\0a\0,\0b\0\n")},
	{"a zip file", "line 1: a zero byte at byte offset 5", .text = B("PK\3\4\24\0\10\0")},
	{"a line of more than 16 MiB", "line 2 is longer", .make = long_line},
	{"a quoted field of more than 16 MiB", "line 2 is longer", .make = long_quote},
	{"65537 columns", "line 1, column 65537: more columns", .make = many_columns},
	{"gzip without its end", "gzip data end at byte offset", .gz = true, .text = B("1,2\n3,4\n"), .cut = -5},
	{"gzip with a wrong checksum", "damaged gzip data at byte offset", .gz = true, .text = B("1,2\n3,4\n"), .at = -8, .put = B("\0\0\0\0")},
	/* quotes */
	{"a quote inside a field", "line 2, column 2: a quote inside", .text = B("a,b\n1,2\"\n")},
	{"inches", "line 2, column 1: a quote inside", .text = B("a,b\n5\" pipe,1\n")},
	{"a space before the quote", "line 2, column 2: a quote inside", .text = B("a,b\n1, \"2\"\n")},
	{"text behind the quote", "line 2, column 1: text behind the closing quote", .text = B("a,b\n\"1\"x,2\n")},
	{"a space behind the quote", "line 2, column 1: text behind the closing quote", .text = B("a,b\n\"1\" ,2\n")},
	{"quotes within quotes", "line 2, column 1: text behind the closing quote", .text = B("a,b\n\"1\"2\"\",2\n")},
	{"not closed at the end", "line 2: a quote opens a field", .text = B("a,b\n1,\"2\n")},
	{"not closed, more lines follow", "line 2: a quote opens a field", .text = B("a,b\n1,\"2\n3,4\n5,6\n")},
	{"not closed in the header", "line 1: a quote opens a field", .text = B("a,\"b\n1,2\n")},
	{"a quote alone", "line 1: a quote opens a field", .text = B("\"")},
	{"three quotes", "line 1: a quote opens a field", .text = B("\"\"\"")},
	{"lines in quotes are counted", "line 4, column 2 (c): 'x'", .text = B("\"a\nb\",c\n1,2\n3,x\n")},
	/* numbers */
	NUMBER("x"), NUMBER("0x10"), NUMBER("0x1p3"), NUMBER("0b1"), NUMBER("1 000"), NUMBER("1_000"), NUMBER("1'000"), NUMBER("$5"),
	NUMBER("5%"), NUMBER("1.2.3"), NUMBER("1e"), NUMBER("1e+"), NUMBER("1e5.0"), NUMBER("1d5"), NUMBER("e5"), NUMBER("."), NUMBER("-"),
	NUMBER("+"), NUMBER("--1"), NUMBER("+-1"), NUMBER("- 1"), NUMBER("1-"), NUMBER("(1)"), NUMBER("1f"), NUMBER("1L"), NUMBER("1/2"),
	NUMBER("1j"), NUMBER("True"), NUMBER("none"), NUMBER("NULL"), NUMBER("na"), NUMBER("n/a"), NUMBER("#N/A"), NUMBER("-nan"),
	NUMBER("nan(1)"), NUMBER("2020-01-01"), NUMBER("12:30"), NUMBER("\xc2\xbd"), NUMBER("\xef\xbc\x91"), NUMBER("\xe2\x88\x92" "1"),
	CELL("inf", "line 2, column 2 (b): 'inf' is infinite"), CELL("-Infinity", "line 2, column 2 (b): '-Infinity' is infinite"),
	CELL("+INF", "line 2, column 2 (b): '+INF' is infinite"), CELL("1e39", "line 2, column 2 (b): '1e39' is beyond f32"),
	CELL("-3.5e38", "line 2, column 2 (b): '-3.5e38' is beyond f32"), CELL("1e400", "line 2, column 2 (b): '1e400' is beyond f32"),
	CELL("1e99999999999999999999", "is beyond f32"), CELL("\33[31m", "line 2, column 2"), CELL("\xff", "line 2, column 2"),
	{"decimal commas", "line 2, column 1 (a): '1,5' is not a number", .text = B("a;b\n1,5;2\n")},
	{"infinite in line 1, which is no header then", "line 1, column 1: 'inf' is infinite", .text = B("inf,1\n2,3\n")},
	{"spaces for delimiters", "line 2, column 1 (1 2): '3 4'", .text = B("1 2\n3 4\n")},
	{"two headers", "line 2, column 1 (a): 'c'", .text = B("a,b\nc,d\n1,2\n")},
	{"a number of 401 digits", "line 2, column 1", .make = long_number},
	/* columns */
	{"no label of this name", "no column 'k' in line 1, which has 2 columns: a, b", .text = B("a,b\n1,2\n"), .option = "k"},
	{"a name in a file without names", "no column 'k' in line 1, which has 2 columns", .text = B("1,2\n3,4\n"), .option = "k"},
	{"label 0", "no column '0' in line 1", .text = B("1,2\n3,4\n"), .option = "0"},
	{"label 3 of 2", "no column '3' in line 1", .text = B("1,2\n3,4\n"), .option = "3"},
	{"label -1", "no column '-1' in line 1", .text = B("1,2\n3,4\n"), .option = "-1"},
	{"a label number of 20 digits", "no column '18446744073709551617' in line 1", .text = B("1,2\n3,4\n"), .option = "18446744073709551617"},
	{"two labels of this name", "more than one column is called 'k' in line 1", .text = B("k,a,k\n1,2,3\n"), .option = "k"},
	{"nothing but the label", "line 1: none of its 1 columns", .text = B("k\n1\n"), .option = "k"},
	{"a label that is missing", "line 3, column 1 (k): '' is no label", .text = B("k,a\nx,1\n,2\n"), .option = "k"},
	{"a label of 257 bytes", "line 2, column 1 (k)", .make = long_label, .option = "k"},
	{"65537 different labels", "line 65538, column 1 (k): '65536' is one label too many", .make = many_labels, .option = "k"},
	{"no column to drop", "no column 'z' in line 1", .text = B("a,b\n1,2\n"), .option = "|z"},
	{"a name that is a part of one", "no column 'al' in line 1", .text = B("all,b\n1,2\n"), .option = "|al"},
	{"an empty name to drop", "no column '' in line 1", .text = B("a,b\n1,2\n"), .option = "|a,"},
	{"everything dropped", "line 1: none of its 2 columns", .text = B("a,b\n1,2\n"), .option = "|a,b"},
	{"dropped twice", "used or dropped already: '1' in line 1", .text = B("a,b\n1,2\n"), .option = "|a,1"},
	{"the label dropped", "used or dropped already: 'b' in line 1", .text = B("a,b\n1,2\n"), .option = "b|b"},
};

const group csv_group = {"csv", "a.csv", rows, NROW(rows), make, read_file};
