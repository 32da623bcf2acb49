/* SPDX-License-Identifier: Apache-2.0
 * What the readers of search/data share: bytes and lines of a file that may be gzip-compressed, complaints about it, labels. Not for
 * use outside search/data/ (le_text_copy and le_complain aside, which search/learn/ uses). */
#ifndef SEARCH_DATA_DATA_INT_H
#define SEARCH_DATA_DATA_INT_H

#include "search/data/data.h"

#define LE_MAX_BYTES ((uint64_t)1 << 33) /* of one table in memory */
#define LE_MAX_STAYS ((uint64_t)1 << 40) /* of one that stays in its file */
#define LE_MAX_DIM   ((uint64_t)INT32_MAX) /* rows, and elements of a row */

/* ---- file.c (zlib) ---------------------------------------------------------------------------------------------- */

typedef struct le_file le_file;
struct le_file {
	const char *path;
	ir_diag *d;
	int fd;           /* -1: none */
	void *from;       /* what some reads: a gzFile, or a member of an archive */
	/* At most n bytes, at least one unless the stream ends: *got. Reports what goes wrong. */
	ir_status (*some)(const le_file *f, void *to, size_t n, size_t *got);
	bool sized;       /* size is what the stream will deliver */
	bool compressed;  /* a small file may deliver much: memory grows with what arrives */
	uint64_t size;    /* of the file on disk; of the member */
	uint64_t at;      /* offset in the uncompressed stream */
};

/* A regular file, or a message; gzip is unpacked. To be closed whatever the status. */
IR_MUSTUSE ir_status le_file_open(le_file *f, const char *path, ir_diag *d);
IR_MUSTUSE ir_status le_file_open_plain(le_file *f, const char *path, ir_diag *d); /* gzip is bytes like any others */
void le_file_close(le_file *f);

/* Reports "path: text" and returns s. The text may hold bytes of the file: what a terminal should not see is escaped. */
__attribute__((format(printf, 3, 4))) ir_status le_file_fail(const le_file *f, ir_status s, const char *fmt, ...);

/* Up to n bytes, at the end of the file fewer: *got. A compressed stream that stops in the middle is damaged. */
IR_MUSTUSE ir_status le_file_some(le_file *f, void *to, size_t n, size_t *got);
/* Exactly n bytes; what names them in the message. */
IR_MUSTUSE ir_status le_file_exact(le_file *f, void *to, size_t n, const char *what);
/* The stream must go on for exactly `bytes`, as far as can be known before it is read: call it before allocating. */
IR_MUSTUSE ir_status le_file_check_size(const le_file *f, uint64_t bytes);
IR_MUSTUSE ir_status le_file_check_end(le_file *f); /* nothing may be left */
/* The next step towards `all` bytes of memory (rt_alloc): all of them for a plain file, else doubling, so that a header of a
 * few bytes cannot ask for gigabytes. *p stays valid, and to be freed with *cap, when there is no memory. */
IR_MUSTUSE ir_status le_file_grow(const le_file *f, uint64_t all, void **p, size_t *cap);
/* The rest of the file, which must be exactly `bytes`: the three above in their order. */
IR_MUSTUSE ir_status le_file_rest(le_file *f, uint64_t bytes, void **out);

/* ---- table.c ------------------------------------------------------------------------------------------------------ */

/* A large file that is a table from `offset` to its end stays there. t has type and sizes, and the file's length is compared
 * with them. Never through a mapping: a file that is cut short meanwhile would end the process. */
IR_MUSTUSE ir_status le_table_leave(const char *path, uint64_t offset, le_table *t, ir_diag *d);
extern uint64_t le_stays_from; /* bytes: a smaller file is read instead; tests lower it */
/* Bytes of such a table from `at` on; less than n if the file has lost them, with errno, 0: it ends there. */
size_t le_table_some(const le_table *t, uint64_t at, void *to, size_t n);
/* All n of them, or a message. */
IR_MUSTUSE ir_status le_table_exact(const char *path, const le_table *t, uint64_t at, void *to, size_t n, ir_diag *d);

/* ---- scale.c ----------------------------------------------------------------------------------------------------- */

/* What the training rows of a float table say. */
typedef struct le_facts {
	double low, high;     /* of all values */
	double *from, *sum, *square; /* per column: a value of it; sums of differences from that and of their squares */
	int64_t *seen;        /* values that are not missing */
} le_facts;

#define LE_PIECE_BYTES ((size_t)4 << 20) /* of rows that are looked at together */

size_t le_piece(const le_data *t); /* so many rows, at least one */
/* Rows from..from + n of a float table as they were in the file: in place, or in room if they stay there. */
IR_MUSTUSE ir_status le_rows_at(const char *path, const le_data *t, int64_t from, int64_t n, float *room, const float **out, ir_diag *d);

IR_MUSTUSE ir_status le_facts_of(const char *path, const le_data *t, le_facts *out, ir_diag *d);
void le_facts_free(le_facts *f);
void le_scale_fit(const le_facts *f, int64_t width, le_scale *out);
void le_scale_copy(const le_scale *from, le_scale *to);
double *le_means_of(const le_facts *f, int64_t width); /* heap: of the values that are there */
void le_fill_missing(le_data *t, const double *mean);

/* ---- csv.c ------------------------------------------------------------------------------------------------------- */

bool le_csv_has_column(const char *path, const char *name); /* by name or number; looks at line 1 only */

/* ---- columns.c --------------------------------------------------------------------------------------------------- */

/* Puts the columns of t, which is of the file at path, into the order of the n wanted names; IR_EINPUT with a message if they
 * are not the same ones: whose they are, and what to do about one too many. Without names on either side, columns are what
 * their places say. */
IR_MUSTUSE ir_status le_order_columns(const char *path, const char *whose, const char *hint, char *const *want, int64_t n,
				      le_table *t, ir_diag *d);

/* ---- prep.c ------------------------------------------------------------------------------------------------------ */

char *le_column_name(const char *name); /* heap: as texts and messages have it */

/* ---- split.c ----------------------------------------------------------------------------------------------------- */

typedef struct le_split {
	double val, test; /* parts of the rows of --data */
	bool tenths;             /* instead: a tenth for the test, then a tenth of the rest for validation */
} le_split;

bool le_split_parse(const char *text, le_split *out); /* false: no such text */

uint32_t *le_count_up(size_t from, size_t n); /* heap: from, from + 1, .. */

/* Fills the three lists. part: rows of --data, of the validation file, of the test file (0: none); only: a class or -1. */
void le_split_rows(le_data *t, const le_split *how, const int64_t part[3], int32_t only, uint64_t seed, int64_t limit_train);

/* ---- text.c ------------------------------------------------------------------------------------------------------- */

#define LE_MAX_LINE ((size_t)16 << 20)

/* Lines of a text file: LF or CRLF, a UTF-8 mark at the beginning skipped, the last line may lack its end, NUL refused. */
typedef struct le_text {
	le_file f;
	unsigned char *buf; /* heap */
	size_t have, used;  /* in buf */
	ir_str line;        /* the current one, without its end */
	uint64_t number;    /* of the current line (its first, if quotes hold line ends); 0 before the first */
	uint64_t ends;      /* line ends so far */
	uint64_t blank;     /* number of the first of the blank lines right before the current one; 0: none */
} le_text;

IR_MUSTUSE ir_status le_text_open(le_text *t, const char *path, ir_diag *d); /* to be closed whatever the status */
void le_text_close(le_text *t);
/* The next line that is not blank; *more is false at the end. quotes: a field in double quotes may hold line ends. Blank
 * lines are allowed at the end only: one before another line is an error. */
IR_MUSTUSE ir_status le_text_next(le_text *t, bool quotes, bool *more);
/* A number as the C locale writes it: decimal, optional sign, point and exponent; no hex, inf or nan. False: it is none.
 * Beyond the range of double: infinite. */
bool le_text_number(const char *s, size_t n, double *v);

/* ---- labels.c ------------------------------------------------------------------------------------------------------ */

#define LE_MAX_CLASSES 65536
#define LE_MAX_LABEL   256 /* bytes */

/* Labels as they come; each class is kept once, so that memory stays small whatever a compressed file unpacks to. */
typedef struct le_label_set {
	void *tree;              /* of tsearch: balanced whatever the names */
	struct le_class **class; /* in order of appearance */
	size_t nclass, class_cap;
	int32_t *label;
	int64_t n, cap;
} le_label_set;

/* False: too many classes (or rows). At most LE_MAX_LABEL bytes. */
IR_MUSTUSE bool le_label_add(le_label_set *s, const char *name, size_t n);
void le_label_take(le_label_set *s, le_labels *out); /* sorts; s is empty after it */
void le_label_drop(le_label_set *s);

/* ---- npy.c ------------------------------------------------------------------------------------------------------- */

/* The array that begins where the stream stands and ends with it; *out is empty unless IR_OK. */
IR_MUSTUSE ir_status le_npy_read_from(le_file *f, le_table *out);
/* Whole numbers of one column as labels. */
IR_MUSTUSE ir_status le_npy_read_labels(le_file *f, le_label_set *out);

/* ---- kinds.c ----------------------------------------------------------------------------------------------------- */

bool le_has_columns(const char *path); /* do the columns of such a file have names or numbers? */

/* ---- load.c ------------------------------------------------------------------------------------------------------ */

char *le_text_copy(const char *s); /* heap */

ir_key le_content_key(const le_data *t); /* table_key is known */

/* Reports "name: text" and returns s. */
ir_status le_complain(ir_diag *d, ir_status s, const char *name, const char *text);

#endif
