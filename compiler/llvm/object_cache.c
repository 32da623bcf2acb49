/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/object_cache.c -- objects on disk: where they are, and what a file must hold to be believed. */
#include "compiler/llvm/object_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OBJECT_MAGIC "gmobj001"
#define OBJECT_MAX   (64u << 20)

struct cc_object_cache {
	char *dir; /* NULL = no disk */
};

typedef struct object_header {
	char magic[8];
	ir_key key, sum; /* sum: of the bytes behind */
	uint64_t size;
} object_header;

/* ---- the directory --------------------------------------------------------------------------------------------- */

static char *join(const char *a, const char *b)
{
	size_t n = strlen(a) + strlen(b) + 1;
	char *s = ir_xmalloc(n, 1);

	snprintf(s, n, "%s%s", a, b);
	return s;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The directory, made if need be; NULL if there is none to be had: the cache then lives in memory only. */
static char *find_dir(const char *given)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CACHE_HOME"), *own = getenv("GRADMILL_CACHE");
	char *base, *dir;

	if (!given)
		given = own;
	if (given)
		return *given && (mkdir(given, 0777) == 0 || is_dir(given)) ? join(given, "") : NULL;
	if (!xdg && !home)
		return NULL;
	base = xdg ? join(xdg, "") : join(home, "/.cache");
	dir = join(base, "/gradmill");
	mkdir(base, 0777);
	if (mkdir(dir, 0777) != 0 && !is_dir(dir)) {
		free(dir);
		dir = NULL;
	}
	free(base);
	return dir;
}

cc_object_cache *cc_object_cache_new(const char *dir)
{
	cc_object_cache *c = ir_xmalloc(1, sizeof *c);

	c->dir = find_dir(dir);
	return c;
}

void cc_object_cache_free(cc_object_cache *c)
{
	if (!c)
		return;
	free(c->dir);
	free(c);
}

/* ---- one object ------------------------------------------------------------------------------------------------ */

static void object_path(const cc_object_cache *c, ir_key key, char *out, size_t n)
{
	char hex[IR_KEY_CHARS];

	ir_key_print(key, hex);
	snprintf(out, n, "%s/%s.o", c->dir, hex);
}

bool cc_object_read(cc_object_cache *c, ir_key key, ir_str *object)
{
	char path[4096];
	object_header h;

	if (!c->dir)
		return false;
	object_path(c, key, path, sizeof path);
	if (ir_file_read(path, OBJECT_MAX, object) != IR_OK || object->n < sizeof h)
		return false;
	memcpy(&h, object->s, sizeof h);
	if (memcmp(h.magic, OBJECT_MAGIC, 8) || !ir_key_equal(h.key, key) || h.size != object->n - sizeof h ||
	    !ir_key_equal(h.sum, ir_hash(object->s + sizeof h, h.size)))
		return false;
	object->n = h.size;
	memmove(object->s, object->s + sizeof h, h.size + 1); /* and the NUL */
	return true;
}

void cc_object_write(cc_object_cache *c, ir_key key, const void *object, size_t n)
{
	object_header h = {.key = key, .size = n};
	char path[4096];
	ir_str s;

	if (!c->dir)
		return;
	memcpy(h.magic, OBJECT_MAGIC, 8);
	h.sum = ir_hash(object, n);
	sb_init(&s);
	sb_putn(&s, (const char *)&h, sizeof h);
	sb_putn(&s, object, n);
	object_path(c, key, path, sizeof path);
	if (ir_file_write_fast(path, s.s, s.n) != IR_OK)
		remove(path);
	sb_fini(&s);
}
