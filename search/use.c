/* SPDX-License-Identifier: Apache-2.0
 * A trial put to use. Weights that were not kept are made again: the same seed gives the same bits, and the row says
 * which. */
#include "search/use.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "search/replay.h"

ir_status se_use_find(se_use *u, int64_t number)
{
	static const char best[] = "SELECT t.*, b.pca_value, b.pca_test_value, b.nmse, b.test_nmse FROM (SELECT * FROM v_best WHERE study = ?1 "
		"AND value IS NOT NULL ORDER BY value, number LIMIT 1) b JOIN v_trials t USING (study, number)";
	static const char one[] = "SELECT t.*, b.pca_value, b.pca_test_value, b.nmse, b.test_nmse FROM v_best b JOIN v_trials t USING (study, number) "
		"WHERE study = ?1 AND number = ?2 AND b.value IS NOT NULL";
	const se_arg arg[] = {{u->st.name, 0}, {NULL, number}};
	ir_status s = se_store_select(u->store, number == SE_BEST ? best : one, arg, number == SE_BEST ? 1 : 2, u->a, &u->row, u->d);

	if (s == IR_OK && u->row.nrow)
		u->number = u->row.cell[se_table_column(&u->row, "number")].i;
	return s;
}

const char *se_use_text(const se_use *u, const char *column)
{
	const se_cell *c = &u->row.cell[se_table_column(&u->row, column)];

	return c->kind == SE_NULL ? NULL : c->text;
}

/* The kept file, beside the database; NULL: there is none, or it is not what the row says. */
static const char *find_kept(const se_use *u)
{
	const char *file = se_use_text(u, "weights_file"), *why;

	if (!file)
		return NULL;
	file = se_store_beside(u->store, file, u->a);
	if (se_kept_check(file, se_use_text(u, "weights_key"), u->a, &why) == SE_KEPT_SAME)
		return file;
	fprintf(stderr, "gradmill: warning: %s is missing or has other weights than the trial\n", file);
	return NULL;
}

static ir_status make_again(const se_use *u, int threads, const char *to)
{
	se_replay r;
	ir_status s;

	fprintf(stderr, "gradmill: training trial %lld again for its weights\n", (long long)u->number);
	s = se_replay_trial(u->store, &u->st, u->number, threads, to, u->a, &r, u->d);
	if (s == IR_OK && (r.differs || !r.end_same))
		fputs("gradmill: warning: not the same to the bit as when it was found: another build or processor\n", stderr);
	return s;
}

ir_status se_use_export(const se_use *u, int threads, const char *to)
{
	const char *kept = find_kept(u);
	ir_str data;
	bool ok;

	if (!kept)
		return make_again(u, threads, to);
	sb_init(&data);
	errno = 0;
	ok = ir_file_read(kept, SE_MAX_WEIGHTS, &data) == IR_OK && ir_file_write(to, data.s, data.n) == IR_OK;
	sb_fini(&data);
	return ok ? IR_OK : se_refuse_file(u->d, to, IR_EIO, errno ? strerror(errno) : "cannot be copied");
}

ir_status se_use_weights(const se_use *u, int threads, le_weights *out)
{
	const char *kept = find_kept(u), *folder = getenv("TMPDIR");
	char *temp;
	ir_status s;
	int fd;

	*out = (le_weights){0};
	if (kept)
		return le_weights_read(kept, out, u->d);
	temp = ar_printf(u->a, "%s/gradmill-XXXXXX", folder && *folder ? folder : "/tmp");
	fd = mkstemp(temp);
	if (fd < 0)
		return se_refuse_file(u->d, temp, IR_EIO, strerror(errno));
	close(fd);
	ir_half_begun(temp);
	s = make_again(u, threads, temp);
	if (s == IR_OK)
		s = le_weights_read(temp, out, u->d);
	unlink(temp);
	ir_half_done(temp);
	return s;
}
