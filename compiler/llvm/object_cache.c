/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/object_cache.c -- objects on disk: where they are, what a file must hold to be believed, and which files go when
 * there are too many. Processes agree on nothing: a file appears whole by a rename, and one that vanishes was not there. */
#include "compiler/llvm/object_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OBJECT_MAGIC "gmobj001"
#define OBJECT_MAX   (64u << 20)

#define DEFAULT_MAX  256 /* MiB, of the directory */
#define BLOCK        4096 /* what a file takes is counted in these */
#define SHARE        8   /* a process looks again after writing max / SHARE; what goes makes room for two such writers */
#define DAY          86400
#define HOUR         3600

struct cc_object_cache {
	char *dir;                   /* NULL = no disk */
	uint64_t max;                /* bytes */
	_Atomic int64_t until_sweep; /* bytes that may be written before the next sweep */
	pthread_mutex_t sweeping;
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

/* $GRADMILL_CACHE_MAX, in bytes; the default for what is no whole number of MiB. */
static uint64_t max_bytes(void)
{
	const char *text = getenv("GRADMILL_CACHE_MAX");
	char *end = NULL;
	long n = text ? strtol(text, &end, 10) : 0;

	if (!text || end == text || *end || n < 1 || n > 1 << 30)
		n = DEFAULT_MAX;
	return (uint64_t)n << 20;
}

cc_object_cache *cc_object_cache_new(const char *dir)
{
	cc_object_cache *c = ir_xmalloc(1, sizeof *c);

	c->dir = find_dir(dir);
	c->max = max_bytes();
	pthread_mutex_init(&c->sweeping, NULL);
	return c;
}

void cc_object_cache_free(cc_object_cache *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->sweeping);
	free(c->dir);
	free(c);
}

/* ---- the limit ------------------------------------------------------------------------------------------------- */

typedef struct old_file {
	char name[IR_KEY_CHARS + 2]; /* the key and ".o" */
	struct timespec used;        /* last, to a day */
	uint64_t bytes;
} old_file;

typedef struct listing {
	old_file *f;
	size_t n, cap;
	uint64_t bytes;
} listing;

static uint64_t in_blocks(uint64_t bytes)
{
	return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

/* How much of name is the name of an object: all of it, or so much that a temporary file's tail may follow; else 0. Files that
 * are not ours stay: somebody may have named a directory that holds more. */
static size_t object_name(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");

	return n == IR_KEY_CHARS - 1 && !strncmp(name + n, ".o", 2) && (!name[n + 2] || name[n + 2] == '.') ? n + 2 : 0;
}

static void see_file(int dir, const char *name, time_t now, listing *l)
{
	size_t n = object_name(name);
	struct stat st;

	if (!n || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return;
	if (name[n]) { /* of a process that was killed while it wrote; a living one needs no second */
		if (now - st.st_mtime > HOUR)
			unlinkat(dir, name, 0);
		return;
	}
	if (l->n == l->cap)
		l->f = ir_xrealloc(l->f, l->cap = l->cap ? 2 * l->cap : 256, sizeof *l->f);
	l->f[l->n] = (old_file){.used = st.st_mtim, .bytes = in_blocks((uint64_t)st.st_size)};
	memcpy(l->f[l->n].name, name, n + 1);
	l->bytes += l->f[l->n++].bytes;
}

static int by_use(const void *a, const void *b)
{
	const old_file *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	if (x->used.tv_nsec != y->used.tv_nsec)
		return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Removes files used long ago if all together are too large. Another process may do the same at once: both remove the same ones. */
static void sweep(const cc_object_cache *c)
{
	uint64_t room = c->max - 2 * (c->max / SHARE);
	DIR *dir = opendir(c->dir);
	listing l = {0};
	const struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)))
		see_file(dirfd(dir), e->d_name, time(NULL), &l);
	if (l.bytes > room) {
		qsort(l.f, l.n, sizeof *l.f, by_use);
		for (size_t i = 0; i < l.n && l.bytes > room; l.bytes -= l.f[i++].bytes)
			unlinkat(dirfd(dir), l.f[i].name, 0);
	}
	closedir(dir);
	free(l.f);
}

/* A process looks at its first write, then after every max / SHARE bytes. */
static void count_written(cc_object_cache *c, size_t bytes)
{
	int64_t n = (int64_t)in_blocks(bytes);

	if (atomic_fetch_sub(&c->until_sweep, n) > n || pthread_mutex_trylock(&c->sweeping) != 0)
		return;
	sweep(c);
	atomic_store(&c->until_sweep, (int64_t)(c->max / SHARE));
	pthread_mutex_unlock(&c->sweeping);
}

/* Once a day at most: the order of use is kept to a day, and a read stays a read. */
static void note_use(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && time(NULL) - st.st_mtime > DAY)
		utimensat(AT_FDCWD, path, NULL, 0);
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
	note_use(path);
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
	count_written(c, s.n);
	sb_fini(&s);
}
