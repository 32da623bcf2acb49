/* SPDX-License-Identifier: Apache-2.0
 * What the three readers of text share: lex.c makes tokens, parse.c makes the tree below, elab.c turns the
 * tree's entry points into functions. Private to ir/. The tree lives in a scratch arena that dies with
 * ir_parse; it is flat (no node holds a node of its kind), so nothing here recurses. */
#ifndef IR_SYNTAX_H
#define IR_SYNTAX_H

#include "ir/ir.h"
#include "ir/names.h"

/* ---- limits: every one of them ends in a message, never in exhausted memory or stack ------------------ */

#define SYN_MAX_LINE  (1 << 22) /* a printed line: SYN_MAX_LIST pairs of names fit */
#define SYN_MAX_FUNC  4096
#define SYN_MAX_INS   20000 /* after inlining: grouping keeps a bit per pair of instructions */
#define SYN_MAX_LIST  4096  /* operands, parameters, results, sizes */
#define SYN_MAX_DEPTH 64    /* calls within calls */
#define SYN_MAX_NOTES 4     /* calls named behind an error, and the outermost */
#define SYN_MAX_STEPS 500000 /* words of statements that calls expand to: time and memory are per word */

/* ---- tokens ------------------------------------------------------------------------------------------- */

typedef enum syn_tok { SYN_EOF, SYN_NEWLINE, SYN_NAME, SYN_NUMBER, SYN_ARROW, SYN_PUNCT, SYN_BAD } syn_tok;

typedef struct ir_lexer {
	const char *at, *end, *line_start;
	uint32_t file, line;
	int depth; /* of brackets: a newline inside them is space */
	ir_diag *d;
	ir_arena *arena;

	syn_tok tok; /* the current token */
	char punct;
	const char *start; /* its text */
	size_t len;
	const char *name; /* SYN_NAME: without '%' */
	bool quoted;      /* SYN_NAME: had a '%' */
	ir_loc loc;
} ir_lexer;

void ir_lex_open(ir_lexer *l, ir_diag *d, ir_arena *a, uint32_t file, const char *text, size_t len);
void ir_lex_next(ir_lexer *l);
void ir_lex_skip_line(ir_lexer *l); /* to the newline, or to a '}' before it */
void ir_lex_skip_func(ir_lexer *l); /* to the next '}' */
const char *ir_lex_text(const ir_lexer *l); /* for messages */
bool ir_is_reserved(const char *name); /* a word that is a name only behind '%' */

/* ---- the tree ----------------------------------------------------------------------------------------- */

typedef struct syn_dim {
	const char *var; /* a size variable, or NULL: */
	int64_t n;       /* a number or IR_BATCH */
	ir_loc loc;
} syn_dim;

typedef struct syn_type {
	ir_dtype dtype;
	int rank;
	syn_dim dim[IR_MAX_RANK];
	ir_loc loc;
} syn_type;

typedef enum syn_kind { SYN_V_NAME, SYN_V_NUMBER, SYN_V_LIST, SYN_V_TYPE } syn_kind;

/* An operand, an attribute (key set) or a returned value (key: the output's name). */
typedef struct syn_value {
	const char *key;
	ir_loc key_loc, loc;
	syn_kind kind;
	const char *name; /* SYN_V_NAME */
	double f;         /* SYN_V_NUMBER */
	int64_t i;        /* SYN_V_NUMBER, if whole */
	bool whole;
	const syn_type *type; /* SYN_V_TYPE; SYN_V_LIST uses its rank and dim */
} syn_value;

typedef struct syn_name {
	const char *s;
	ir_loc loc;
} syn_name;

typedef enum syn_what { SYN_S_OP, SYN_S_CALL, SYN_S_UPDATE, SYN_S_RETURN } syn_what;

typedef struct syn_stmt {
	syn_what what;
	ir_loc loc; /* of the op or the called name */
	syn_name *result;
	size_t nresult, resultcap;
	ir_op op;           /* SYN_S_OP */
	const char *callee; /* SYN_S_CALL */
	syn_dim *size;      /* SYN_S_CALL: in <> */
	size_t nsize, sizecap;
	syn_value *arg;
	size_t narg, argcap;
} syn_stmt;

typedef struct syn_param {
	syn_name name;
	syn_type type;
} syn_param;

typedef struct syn_func {
	syn_name name;
	syn_name *size;
	size_t nsize, sizecap;
	syn_param *param;
	size_t nparam, paramcap;
	syn_type *ret;
	size_t nret, retcap;
	bool has_ret;
	syn_stmt *stmt;
	size_t nstmt, stmtcap;
	bool returns;
} syn_func;

typedef struct syn_file {
	uint32_t source; /* index in the sink */
	syn_func *func;
	size_t nfunc, funccap;
	ir_names func_name;
	syn_stmt *global; /* params and states outside functions */
	size_t nglobal, globalcap;
	ir_names global_name;
} syn_file;

/* Parses one file; false after messages. What could be read is in *out all the same. */
bool ir_syn_parse(syn_file *out, ir_diag *d, ir_arena *scratch, uint32_t file, const char *text, size_t len);

/* Elaborates every entry point into m, which lives in the result's arena. false after messages. */
bool ir_elaborate(const syn_file *file, ir_module *m, ir_arena *scratch, ir_diag *d);

/* Attributes by name or kind, and the words of flags, comparisons and initialisers (words.c). */
bool ir_op_attr(ir_op op, const char *name, ir_attr_id *id);
bool ir_op_attr_of(ir_op op, ir_attr_kind kind, ir_attr_id *id); /* the first of that kind */
bool ir_word_find(ir_attr_kind kind, const char *word, int64_t *out);
const char *ir_kind_text(ir_attr_kind kind); /* what is expected, for messages */

/* The name of result number k whose value is called value_name (NULL: unnamed, then "outK"). */
const char *ir_default_output(char buf[32], const char *value_name, size_t k);

/* The library text of stdlib.gm (generated at build time). */
extern const char ir_stdlib_text[];
extern const size_t ir_stdlib_text_len;

#endif
