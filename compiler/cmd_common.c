/* SPDX-License-Identifier: Apache-2.0
 * compiler/cmd_common.c -- what the commands of this layer share. Commands print; nothing below them does. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "compiler/cmd.h"
#include "compiler/cmd_int.h"

const cc_weight_reader *cc_weight_file;

int cc_job_open(cc_job *j, const char *path)
{
	ir_status s;

	*j = (cc_job){.a = ar_open(), .d = ir_diag_new()};
	s = cc_model_read(strcmp(path, "-") ? path : "/dev/stdin", j->a, j->d, &j->text, &j->m);
	return s == IR_OK ? 0 : cc_job_end(j, s);
}

void cc_job_close(cc_job *j)
{
	ir_diag_free(j->d);
	ar_free(j->a);
	sb_fini(&j->text);
}

int cc_job_end(cc_job *j, ir_status s)
{
	bool wrong = ir_diag_count(j->d, IR_ERROR) > 0;

	if (s != IR_OK && !wrong)
		fprintf(stderr, "gradmill: %s\n", ir_status_text(s));
	cc_model_messages(j->d);
	if (s == IR_OK)
		return wrong ? CC_EXIT_INPUT : 0;
	return ir_status_exit(s);
}

const ir_func *cc_job_func(const cc_job *j, const char *name)
{
	const ir_func *f = ir_module_find(j->m, name);

	if (!f)
		ir_report(j->d, (ir_loc){0}, IR_E_no_entry, name);
	return f;
}

const ir_func *cc_job_bind(const cc_job *j, const ir_func *f, int64_t batch, cc_precision p)
{
	if (batch > 0)
		f = ir_bind(f, batch, j->a, j->d);
	return f ? cc_in_precision(f, p, j->a, j->d) : NULL;
}

int cc_parse_precision(const char *command, const char *text, cc_precision *out)
{
	if (cc_precision_find(text, out))
		return 0;
	fprintf(stderr, "gradmill %s: --precision must be f32, f64 or bf16, not '%s'\n", command, text);
	return CC_EXIT_USAGE;
}

int cc_check_threads(const char *command, int64_t threads)
{
	if (threads <= CC_MAX_THREADS)
		return 0;
	fprintf(stderr, "gradmill %s: --threads is at most %d\n", command, CC_MAX_THREADS);
	return CC_EXIT_USAGE;
}

int cc_write_answer(const char *command, const char *path, const ir_str *s)
{
	ir_status st;

	if (!path) {
		fwrite(s->s, 1, s->n, stdout); /* main looks at ferror(stdout) */
		return 0;
	}
	st = ir_file_write(path, s->s, s->n);
	if (st != IR_OK)
		fprintf(stderr, "gradmill %s: %s: %s\n", command, path, strerror(errno));
	return ir_status_exit(st);
}
