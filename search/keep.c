/* SPDX-License-Identifier: Apache-2.0
 * search/keep.c -- which trials' weights stay on disk: the best k, all, or none (--keep). A file is named by its trial's
 * key and by what decides its bits beside that (study, build, processor): the same trial made again writes the same file,
 * and no other trial does. Its content is checked against the row's hash by whoever reads it. A worker writes it before it
 * reports, the row names it when the report is committed; what a kill in between leaves behind is swept when the study is
 * opened again. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "search/driver_int.h"

/* "dir/study.db" -> "dir/study.weights"; the row's name begins behind the last slash. */
static const char *folder(se_driver *v)
{
	const char *db = v->o->db;
	size_t n = strlen(db);

	if (n > 3 && !strcmp(db + n - 3, ".db"))
		n -= 3;
	return ar_printf(v->arena, "%.*s.weights", (int)n, db);
}

/* "-0123abcd.safetensors": the end of the names of this study's files. */
static const char *ending(se_driver *v)
{
	const char *text;

	if (!v->ending) {
		text = ar_printf(v->arena, "%s\n%s\n%s", v->study.name, v->study.build, v->study.target);
		v->ending = ar_printf(v->arena, "-%08x.safetensors", (unsigned)(ir_hash(text, strlen(text)).lo & 0xffffffff));
	}
	return v->ending;
}

const char *se_driver_weights_path(se_driver *v, const se_item *i)
{
	char key[IR_KEY_CHARS];

	ir_key_print(i->key, key);
	return ar_printf(v->arena, "%s/%s%s", folder(v), key, ending(v));
}

static const char *in_row(se_driver *v, const char *path)
{
	const char *slash = strrchr(v->o->db, '/');

	return slash ? path + (slash - v->o->db) + 1 : path;
}

const char *se_driver_weights_file(se_driver *v, const se_item *i)
{
	return in_row(v, se_driver_weights_path(v, i));
}

/* Half a file of this study, "..-0123abcd.safetensors.PID.N" (ir_file_write): the lease is ours and no worker of ours has
 * anything to do yet, so its writer is dead. (Asking for the PID would not do: it may not have been buried yet.) */
static bool is_half(se_driver *v, const char *name)
{
	const char *at = strstr(name, ending(v));

	return at && at[strlen(ending(v))] == '.';
}

/* A file of this study that no row names: its worker wrote it and the driver was killed before it heard of it. */
static bool is_lost(se_driver *v, const char *path, const char *name)
{
	size_t n = strlen(name), e = strlen(ending(v));
	int64_t users;

	if (n < e || strcmp(name + n - e, ending(v)))
		return false;
	return se_store_file_users(v->store, in_row(v, path), &users, v->d) == IR_OK && !users;
}

static void sweep(se_driver *v)
{
	DIR *dir = opendir(folder(v));
	struct dirent *f;

	while (dir && (f = readdir(dir))) {
		const char *path = ar_printf(v->arena, "%s/%s", folder(v), f->d_name);

		if (is_half(v, f->d_name) || is_lost(v, path, f->d_name))
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

ir_status se_driver_open_folder(se_driver *v)
{
	const char *path = folder(v);
	ir_status st = IR_OK;

	if (v->study.keep && mkdir(path, 0777) && errno != EEXIST) {
		st = errno == ENOSPC || errno == EDQUOT ? IR_EFULL : IR_EIO;
		ir_error(v->d, (ir_loc){0, 0, 0}, IR_E_file, path, strerror(errno));
		return st;
	}
	sweep(v);
	for (size_t i = 0; st == IR_OK && i < v->nitem; i++) {
		if (v->item[i].gone)
			st = se_store_set_file(v->store, v->item[i].id, NULL, v->d);
		if (st == IR_OK && v->item[i].state == SE_COMPLETE)
			st = se_driver_keep(v, &v->item[i]);
	}
	return st;
}

/* ---- the best ------------------------------------------------------------------------------------------------------------ */

bool se_item_better(const se_item *a, const se_item *b)
{
	return a->value != b->value ? a->value < b->value : a->number < b->number;
}

/* Where i belongs among the best; best[] has their places in the list of items, best first. */
static size_t rank(const se_driver *v, const se_item *i)
{
	size_t at = v->nbest;

	while (at && se_item_better(i, &v->item[v->best[at - 1]]))
		at--;
	return at;
}

double se_driver_keep_below(const se_driver *v)
{
	if (v->study.keep <= 0 || v->nbest < (size_t)v->study.keep)
		return NAN;
	return v->item[v->best[v->nbest - 1]].value;
}

/* The file first: a row that names a file which is gone is noticed, a file that no row names is not. Only files of our own
 * folder: a copy of the database names those of the original. */
static ir_status drop(se_driver *v, se_item *i)
{
	const char *file = i->file;
	int64_t users;
	ir_status st = se_store_file_users(v->store, file, &users, v->d);

	i->file = NULL;
	if (st == IR_OK && users <= 1 && !strcmp(file, se_driver_weights_file(v, i))) /* another study may have it too */
		unlink(se_driver_weights_path(v, i));
	return st == IR_OK ? se_store_set_file(v->store, i->id, NULL, v->d) : st;
}

ir_status se_driver_keep(se_driver *v, se_item *i)
{
	size_t at, k = v->study.keep > 0 ? (size_t)v->study.keep : 0;
	ir_status st = IR_OK;

	if (v->study.keep < 0) /* all */
		return IR_OK;
	if (i->state != SE_COMPLETE || !isfinite(i->value) || !i->ir || (at = rank(v, i)) >= k)
		return i->file ? drop(v, i) : IR_OK;
	if (!v->best)
		v->best = ar_new(v->arena, size_t, k);
	if (v->nbest == k && v->item[v->best[k - 1]].file)
		st = drop(v, &v->item[v->best[k - 1]]);
	v->nbest -= v->nbest == k;
	memmove(&v->best[at + 1], &v->best[at], (v->nbest - at) * sizeof *v->best);
	v->best[at] = (size_t)(i - v->item);
	v->nbest++;
	return st;
}
