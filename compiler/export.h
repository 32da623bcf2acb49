/* SPDX-License-Identifier: Apache-2.0
 * compiler/export.h -- ahead of time: functions of a model as one object file and one C header, for programs that have neither
 * gradmill nor LLVM. export.c decides names and signatures, llvm/export.c makes the object. Inside compiler/ only. */
#ifndef COMPILER_EXPORT_H
#define COMPILER_EXPORT_H

#include "compiler/cc.h"

/* Where an entry point finds the memory of a leaf or an output. */
typedef struct cc_source {
	enum { CC_FROM_ARGUMENT, CC_FROM_VALUE, CC_FROM_FIELD, CC_FROM_DATA } kind;
	int argument;          /* number of the C argument: a pointer, a scalar by value, or a struct of pointers.. */
	int field;             /* ..and which of them */
	ir_dtype dtype;        /* CC_FROM_VALUE */
	const rt_tensor *data; /* CC_FROM_DATA: becomes part of the object */
} cc_source;

/* A C function: void name(argument, .., void *work). */
typedef struct cc_entry {
	const char *name;
	const cc_program *program;  /* planned (cc_program_new); more than one thread: it starts as many, by OpenMP */
	const cc_source *leaf, *output; /* by number */
	int nargument;              /* with work, the last one */
} cc_entry;

/* The object's bytes, appended. target as in cc_context_options; it need not run here. IR_EINPUT after a message if it is unknown. */
IR_MUSTUSE ir_status cc_export_object(const char *target, const cc_entry *x, size_t n, ir_str *object, ir_diag *d);

/* One function to export. */
typedef struct cc_export_func {
	const char *name;   /* "encode": the entry is PREFIX_encode */
	const ir_func *f;   /* bound */
} cc_export_func;

typedef struct cc_export {
	const char *prefix; /* a C identifier: of entries, types and macros */
	const char *target; /* NULL = this machine's */
	int threads;
	const cc_export_func *func;
	size_t nfunc;
	/* embedded weights by name; NULL: none, they are arguments. A name it does not know is an error. */
	const rt_tensor *(*weight)(void *ctx, const char *name);
	void *ctx;
	const char *rows; /* of cc_weight_reader, for the header's comment; NULL: nothing */
} cc_export;

/* A name as a C identifier: other characters become underscores, reserved words get one. */
char *cc_export_identifier(ir_arena *a, const char *name);

/* Object and header, each appended unless NULL. IR_EINPUT after a message. */
IR_MUSTUSE ir_status cc_export_model(const cc_export *x, ir_str *object, ir_str *header, ir_diag *d);

#endif
