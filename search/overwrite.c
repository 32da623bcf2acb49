/* SPDX-License-Identifier: Apache-2.0
 * search/overwrite.c -- see overwrite.h. Files are the same if device and number are, whatever their names and links. */
#include "search/overwrite.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void se_source_files(const le_source *s, se_named in[SE_SOURCE_FILES])
{
	const char *labels = s->data && le_labels_are_column(s) ? NULL : s->labels;
	const se_named file[SE_SOURCE_FILES] = {{"--data", s->data}, {"--val", s->val}, {"--test-data", s->test}, {"--labels", labels}};

	memcpy(in, file, sizeof file);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Of the file, or of the archive in FILE.npz:MEMBER. */
static bool stat_input(const char *path, struct stat *st)
{
	const char *member = strstr(path, ".npz:");
	char archive[PATH_MAX];

	if (stat(path, st) == 0 || !member)
		return stat(path, st) == 0;
	snprintf(archive, sizeof archive, "%.*s", (int)(member - path + 4), path);
	return stat(archive, st) == 0;
}

/* The folder of a path; returns the last component, NULL if there is no such folder. */
static const char *in_folder(const char *path, struct stat *folder)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
	return stat(parent, folder) != 0 ? NULL : slash ? slash + 1 : path;
}

/* Is out a picture of a folder of them? */
static bool is_picture_of(const char *out, const struct stat *folder)
{
	struct stat st;
	const char *name = S_ISDIR(folder->st_mode) ? in_folder(out, &st) : NULL;

	return name && le_is_png(name) && is_same(&st, folder);
}

/* Do two paths name one place, whether there is a file or not? */
static bool is_one_place(const char *a, const char *b)
{
	struct stat fa, fb;
	const char *na = in_folder(a, &fa), *nb = in_folder(b, &fb);

	return na && nb && is_same(&fa, &fb) && !strcmp(na, nb);
}

static bool check_inputs(const char *command, const se_named *out, const struct stat *old, const se_named *in, size_t nin)
{
	struct stat st;

	for (size_t i = 0; i < nin; i++) {
		if (!in[i].path || !stat_input(in[i].path, &st) || (!is_same(&st, old) && !is_picture_of(out->path, &st)))
			continue;
		fprintf(stderr, "gradmill %s: %s would write over %s, which is read (%s)\n", command, out->name, out->path, in[i].name);
		return false;
	}
	return true;
}

bool se_may_write(const char *command, const se_named *out, size_t nout, const se_named *in, size_t nin)
{
	struct stat old;

	for (size_t i = 0; i < nout; i++) {
		for (size_t k = 0; out[i].path && k < i; k++)
			if (out[k].path && is_one_place(out[i].path, out[k].path) && strcmp(out[i].path, "/dev/null")) {
				fprintf(stderr, "gradmill %s: %s and %s name one file, %s\n", command, out[k].name, out[i].name, out[i].path);
				return false;
			}
		if (out[i].path && stat(out[i].path, &old) == 0 && S_ISREG(old.st_mode) && !check_inputs(command, &out[i], &old, in, nin))
			return false;
	}
	return true;
}
