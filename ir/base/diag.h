/* SPDX-License-Identifier: Apache-2.0
 * Messages about the user's input, each with a place. A step that fails appends here and returns false or
 * NULL; nothing below the commands prints. The sink is untouched on success, so steps chain with &&. */
#ifndef IR_BASE_DIAG_H
#define IR_BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include "ir/base/arena.h"
#include "ir/base/str.h"

/* A place: file is an index into the sink's sources (0 = no source), line and column count from 1. */
typedef struct ir_loc {
	uint32_t file, line, col;
} ir_loc;

typedef enum ir_severity { IR_ERROR, IR_WARNING, IR_NOTE } ir_severity;

typedef enum ir_msg {
#define DIAG(id, sev, text) IR_E_##id,
#include "ir/base/diag.def"
#undef DIAG
	IR_MSG_COUNT
} ir_msg;

typedef struct ir_message {
	ir_msg id;
	ir_severity severity;
	ir_loc loc;
	const char *text; /* formatted; lives as long as the sink */
} ir_message;

typedef struct ir_diag ir_diag;

#define IR_MAX_ERRORS 20 /* the parser recovers up to here */

ir_diag *ir_diag_new(void);
void ir_diag_free(ir_diag *d); /* NULL is allowed */

/* Registers a source text (not copied: must outlive the sink's last print) and returns its file index. */
uint32_t ir_diag_source(ir_diag *d, const char *name, const char *text, size_t len);

/* Appends a message of diag.def; the severity is the row's. */
void ir_report(ir_diag *d, ir_loc loc, ir_msg id, ...);
#define ir_error ir_report
#define ir_note  ir_report

size_t ir_diag_count(const ir_diag *d, ir_severity s);
size_t ir_diag_size(const ir_diag *d); /* all messages */
const ir_message *ir_diag_get(const ir_diag *d, size_t i);
const char *ir_msg_name(ir_msg id); /* "shape_inner" */
void ir_diag_clear(ir_diag *d);     /* drops messages, keeps sources */

/* "model.gm:12:7: error: text [id]", the source line, a caret. One message, or all of them. */
void ir_diag_print(const ir_diag *d, size_t i, ir_str *out);
void ir_diag_print_all(const ir_diag *d, ir_str *out);

#endif
