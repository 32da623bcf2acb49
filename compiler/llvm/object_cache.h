/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/object_cache.h -- objects on disk, a file per key. Inside compiler/llvm only. */
#ifndef COMPILER_LLVM_OBJECT_CACHE_H
#define COMPILER_LLVM_OBJECT_CACHE_H

#include "ir/ir.h"

/* Any number of threads and processes may use one directory at once. */
typedef struct cc_object_cache cc_object_cache;

/* dir as cache_dir of cc_context_options; made if need be. Never NULL; a cache without a directory finds nothing and keeps
 * nothing. Freed with cc_object_cache_free. The directory's objects are kept below $GRADMILL_CACHE_MAX MiB (a whole number; default
 * 256), counted in blocks of 4 KiB, by removing those used longest ago: soon after a write, not at once, so more than two
 * processes that write at the same time may exceed it, by an eighth each. */
cc_object_cache *cc_object_cache_new(const char *dir);
void cc_object_cache_free(cc_object_cache *c); /* NULL is allowed; the files stay */

/* The bytes that were written under key, in *object (initialised; what was in it is lost). false if there is no file that is
 * exactly what was written. */
bool cc_object_read(cc_object_cache *c, ir_key key, ir_str *object);

/* Keeps n bytes under key, in place of what was there. Failure is no fault: the next process compiles again. */
void cc_object_write(cc_object_cache *c, ir_key key, const void *object, size_t n);

#endif
