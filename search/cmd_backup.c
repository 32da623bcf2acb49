/* SPDX-License-Identifier: Apache-2.0
 * gradmill backup: a copy of the trial history, also while a search writes it, with the weights that its rows name. The
 * copy gets its name last: what has the name is whole and was checked. Nothing that exists is written over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/output.h"

typedef struct backup {
	const char *from, *to, *temp;
	int64_t trials, bytes, weight_files; /* the last: beside the copy, of those that rows name */
	ir_arena *a;
	ir_diag *d;
} backup;

static bool same_folder(const backup *b)
{
	struct stat x, y;

	return !stat(se_beside(b->from, ".", b->a), &x) && !stat(se_beside(b->to, ".", b->a), &y) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* ---- the database ------------------------------------------------------------------------------------------------ */

/* An empty file for the copy to be, which no more people may read than may read the database. */
static ir_status make_temp(backup *b)
{
	struct stat st;
	int fd;

	if (!lstat(b->to, &st))
		return se_refuse_file(b->d, b->to, IR_EIO, "exists already; it was left alone");
	if (stat(b->from, &st))
		return se_refuse_file(b->d, b->from, IR_ENOINPUT, strerror(errno));
	fd = open(b->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
	if (fd < 0)
		return se_refuse_file(b->d, b->to, IR_EIO, strerror(errno));
	close(fd);
	ir_half_begun(b->temp);
	return IR_OK;
}

static ir_status publish(backup *b)
{
	struct stat st;

	if (ir_file_publish(b->temp, b->to) != IR_OK)
		return se_refuse_file(b->d, b->to, IR_EIO, errno == EEXIST ? "exists already; it was left alone" : strerror(errno));
	b->bytes = stat(b->to, &st) ? 0 : (int64_t)st.st_size;
	return IR_OK;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static ir_status write_weights(backup *b, const char *to, const ir_str *data)
{
	struct stat f;
	ir_status st;
	ir_str old;
	bool same;

	if (lstat(to, &f)) {
		st = ir_file_write(to, data->s, data->n);
		if (st != IR_OK)
			return se_refuse_file(b->d, to, st, strerror(errno));
		fprintf(stderr, "gradmill: wrote %s\n", to);
		return IR_OK;
	}
	sb_init(&old);
	same = ir_file_read(to, SE_MAX_WEIGHTS, &old) == IR_OK && old.n == data->n && !memcmp(old.s, data->s, old.n);
	sb_fini(&old);
	return same ? IR_OK : se_refuse_file(b->d, to, IR_EIO, "exists already and is another file; it was left alone");
}

/* "study.weights/KEY.safetensors", or "study.best.safetensors" of an older version. Any other name is none of ours, and would
 * let a database choose what is written where. */
static bool is_ours(const char *name)
{
	const char *slash = strchr(name, '/');

	if (name[0] == '.' || name[0] == '/')
		return false;
	return !slash || (slash[1] != '.' && !strchr(slash + 1, '/') && slash - name > 8 && !memcmp(slash - 8, ".weights", 8));
}

static ir_status make_folder(backup *b, const char *name)
{
	const char *slash = strchr(name, '/'), *path;

	if (!slash)
		return IR_OK;
	path = ar_printf(b->a, "%.*s", (int)(strlen(se_beside(b->to, name, b->a)) - strlen(slash)), se_beside(b->to, name, b->a));
	return !mkdir(path, 0777) || errno == EEXIST ? IR_OK : se_refuse_file(b->d, path, IR_EIO, strerror(errno));
}

/* A row may name a file that somebody has deleted since: "best --export" then trains again, and so may a reader of the
 * copy. */
static ir_status copy_weights(backup *b, const char *name, bool there)
{
	const char *from = se_beside(b->from, name, b->a);
	ir_str data;
	ir_status st;

	sb_init(&data);
	st = is_ours(name) ? ir_file_read(from, SE_MAX_WEIGHTS, &data) : IR_ENOINPUT;
	if (st != IR_OK) {
		fprintf(stderr, "gradmill: warning: the weights %s cannot be read: left out\n", from);
		st = IR_OK;
	} else {
		b->weight_files++;
		if (!there)
			st = make_folder(b, name);
		if (!there && st == IR_OK)
			st = write_weights(b, se_beside(b->to, name, b->a), &data);
	}
	sb_fini(&data);
	return st;
}

static ir_status copy_all_weights(backup *b)
{
	static const char sql[] = "SELECT DISTINCT weights_file FROM x_trial WHERE weights_file IS NOT NULL ORDER BY 1";
	bool there = same_folder(b);
	se_store *s;
	se_table t;
	ir_status st = se_store_open(b->temp, SE_OPEN_READ, &s, b->d);

	if (st != IR_OK)
		return st;
	st = se_store_select(s, sql, NULL, 0, b->a, &t, b->d);
	se_store_close(s);
	for (size_t i = 0; st == IR_OK && i < t.nrow; i++)
		st = copy_weights(b, t.cell[i].text, there);
	return st;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static ir_status run(backup *b)
{
	ir_status st = make_temp(b);

	if (st != IR_OK)
		return st;
	st = se_store_copy(b->from, b->temp, &b->trials, b->d);
	if (st == IR_OK)
		st = copy_all_weights(b);
	if (st == IR_OK)
		st = publish(b);
	if (st != IR_OK)
		unlink(b->temp);
	ir_half_done(b->temp);
	return st;
}

static void report(const backup *b, bool json)
{
	ir_str s;

	fprintf(stderr, "gradmill: wrote %s: trials %lld, bytes %lld\n", b->to, (long long)b->trials, (long long)b->bytes);
	if (!json)
		return;
	sb_init(&s);
	sb_put(&s, "{\"file\": ");
	sb_put_json_text(&s, b->to);
	sb_printf(&s, ", \"trials\": %lld, \"bytes\": %lld, \"weight_files\": %lld}", (long long)b->trials, (long long)b->bytes,
		  (long long)b->weight_files);
	puts(s.s);
	sb_fini(&s);
}

int se_cmd_backup(int argc, char **argv)
{
	static const ir_command command = {"backup", "DB FILE", "copy the trial history, also while a search writes it",
		"gradmill backup study.db copies/monday.db\n", 2, 2};
	bool json = false;
	backup b = {0};
	const ir_opt opt[] = {
		{"json", IR_OPT_FLAG, &json, 0, NULL, "one JSON object: file, trials, bytes, weight_files"},
	};
	ir_status st;
	char **operand;
	int rc = ir_cli_parse(&command, opt, sizeof opt / sizeof *opt, argc, argv, &operand);

	if (rc >= 0)
		return rc;
	b.a = ar_open();
	b.d = ir_diag_new();
	b.from = operand[0];
	b.to = operand[1];
	b.temp = ar_printf(b.a, "%s.%ld.tmp", b.to, (long)getpid());
	st = run(&b);
	rc = st == IR_OK ? 0 : se_complain(b.d, st);
	if (!rc)
		report(&b, json);
	ir_diag_free(b.d);
	ar_free(b.a);
	return rc;
}
