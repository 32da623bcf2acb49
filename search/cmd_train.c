/* SPDX-License-Identifier: Apache-2.0
 * gradmill train: one model file, one data set, a training run. Data on stdout, progress and messages on stderr.
 * Only reads options and prints; the work is search/learn/. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "compiler/cc.h"
#include "compiler/model_file.h"
#include "ir/base/cli.h"
#include "search/cmd.h"
#include "search/cmd_data.h"
#include "search/learn/learn.h"
#include "search/overwrite.h"

#define EXIT_USAGE 64

/* What the user asked for, before it is checked. */
typedef struct options {
	le_source source;
	const char *schedule, *optimizer, *precision;
	bool tune;
	const char *init, *save, *loss_log, *save_grads, *save_state, *resume;
	int64_t batch, epochs, seed, limit_train, threads, max_steps;
	double lr, momentum, adam_eps, weight_decay, clip_norm;
	bool shuffle, test, json;
} options;

/* Everything with a destructor. */
typedef struct job {
	const options *o;
	ir_diag *d;
	ir_arena *a;
	ir_str text;
	ir_module *module;
	cc_context *context;
	le_data data;
	le_weights init, state;
	le_config cfg;
	le_result result;
	double t0;
	bool tty, dirty; /* stderr is a terminal; a \r line stands there */
} job;

static const ir_command command = {
	.name = "train", .operands = "FILE.gm", .summary = "train one model and print its losses",
	.examples = "  gradmill train model.gm --data fashion-mnist --epochs 5 --save weights.safetensors\n"
		    "  gradmill train model.gm --data fashion-mnist --init w.safetensors --no-shuffle --loss-log loss.csv\n"
		    "  gradmill train model.gm --data fashion-mnist --epochs 50 --save-state s.safetensors\n"
		    "  gradmill train model.gm --data fashion-mnist --epochs 50 --save-state s.safetensors --resume s.safetensors\n",
	.min_operands = 1, .max_operands = 1,
};

/* Fills o with the defaults, then from argv. Returns -1 to go on, else the exit code. */
static int parse_options(options *o, int argc, char **argv, char ***operand)
{
	le_config c = le_config_default();
	const ir_opt table[] = {
		SE_DATA_OPTIONS(o->source),
		{"epochs", IR_OPT_INT, &o->epochs, 0, "E", "passes over the training rows (10)"},
		{"batch", IR_OPT_INT, &o->batch, 1, "B", "rows per step (128); the last partial batch is dropped"},
		{"lr", IR_OPT_FLOAT, &o->lr, 0, "R", "learning rate (0.001)"},
		{"schedule", IR_OPT_STRING, &o->schedule, 0, "constant|cosine", "cosine: from lr to 0 over all steps (constant)"},
		{"optimizer", IR_OPT_STRING, &o->optimizer, 0, "adam|adamw|sgd", "(adam)"},
		{"momentum", IR_OPT_FLOAT, &o->momentum, 0, "M", "of sgd (0)"},
		{"adam-eps", IR_OPT_FLOAT, &o->adam_eps, 0, "E", "of adam and adamw (1e-8)"},
		{"weight-decay", IR_OPT_FLOAT, &o->weight_decay, 0, "W", "of adamw, on matrices only (0)"},
		{"clip-norm", IR_OPT_FLOAT, &o->clip_norm, 0, "C", "global L2 norm of the gradients; 0 = off"},
		{"seed", IR_OPT_INT, &o->seed, 0, "S", "of initial weights, split, shuffling (0)"},
		{"limit-train", IR_OPT_INT, &o->limit_train, 0, "N", "train on N rows only"},
		{"max-steps", IR_OPT_INT, &o->max_steps, 0, "N", "stop after N steps"},
		{"no-shuffle", IR_OPT_OFF, &o->shuffle, 0, NULL,
		 "all rows of the training file in the order of the file, no validation rows"},
		{"init", IR_OPT_STRING, &o->init, 0, "W.safetensors", "initial weights"},
		{"save", IR_OPT_STRING, &o->save, 0, "W.safetensors", "write the final weights"},
		{"save-state", IR_OPT_STRING, &o->save_state, 0, "S.safetensors",
		 "write where the training stands, after every epoch and on ^C"},
		{"resume", IR_OPT_STRING, &o->resume, 0, "S.safetensors",
		 "go on from there, with the same options; under a constant schedule --epochs may be more"},
		{"save-grads", IR_OPT_STRING, &o->save_grads, 0, "G.safetensors",
		 "write the gradients of the first step, before clipping"},
		{"loss-log", IR_OPT_STRING, &o->loss_log, 0, "L.csv", "write step,loss for every step"},
		{"threads", IR_OPT_INT, &o->threads, 1, "T", "threads (all processors this process may use)"},
		{"precision", IR_OPT_STRING, &o->precision, 0, "f32|f64|bf16", "bf16: of operands of products only (f32)"},
		{"tune", IR_OPT_FLAG, &o->tune, 0, NULL, "choose the schedule by measurement; results stay the same"},
		{"test", IR_OPT_FLAG, &o->test, 0, NULL, "evaluate the test rows at the end"},
		{"json", IR_OPT_FLAG, &o->json, 0, NULL, "print one JSON object"},
	};

	*o = (options){.schedule = "constant", .optimizer = "adam", .precision = "f32", .batch = c.batch,
		       .epochs = c.epochs, .threads = rt_cores(), .lr = c.lr, .adam_eps = c.objective.eps, .shuffle = true};
	return ir_cli_parse(&command, table, sizeof table / sizeof *table, argc, argv, operand);
}

static bool find_schedule(const char *name, le_schedule *out)
{
	for (int i = 0; i < LE_SCHEDULE_COUNT; i++)
		if (strcmp(name, le_schedule_name((le_schedule)i)) == 0)
			return *out = (le_schedule)i, true;
	return false;
}

static int usage(const char *text, const char *what)
{
	fprintf(stderr, "gradmill train: %s%s\n", text, what);
	return EXIT_USAGE;
}

/* Words to values. Returns -1, or 64 after a message. */
static int configure(const options *o, le_config *c)
{
	*c = le_config_default();
	if (!o->source.data)
		return usage("--data is missing", "");
	if (!o->shuffle && (o->source.val || o->source.only))
		return usage("--no-shuffle takes all rows of the training file: not with --val or --only", "");
	if (se_check_source(&o->source) > 0)
		return EXIT_USAGE;
	if (!cc_precision_find(o->precision, &c->precision))
		return usage("--precision must be f32, f64 or bf16, not ", o->precision);
	c->tune = o->tune;
	if (!find_schedule(o->schedule, &c->schedule))
		return usage("--schedule must be constant or cosine, not ", o->schedule);
	if (!cc_optimizer_find(o->optimizer, &c->objective.optimizer))
		return usage("--optimizer must be adam, adamw or sgd, not ", o->optimizer);
	if (o->threads > CC_MAX_THREADS)
		return usage("--threads: at most 1024", "");
	if (o->init && o->resume)
		return usage("--resume has its own weights: no --init", "");
	c->save_state = o->save_state;
	c->objective.momentum = o->momentum;
	c->objective.eps = o->adam_eps;
	c->objective.weight_decay = o->weight_decay;
	c->objective.clip_norm = o->clip_norm;
	c->lr = o->lr;
	c->batch = o->batch;
	c->epochs = o->epochs;
	c->max_steps = o->max_steps;
	c->seed = (uint64_t)o->seed;
	c->shuffle = o->shuffle;
	c->threads = (int)o->threads;
	c->test = o->test;
	return -1;
}

/* ---- progress --------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* The first ^C ends the run after the current chunk; a second one ends the program at once. */
static void catch_interrupt(void)
{
	struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND | SA_RESTART};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
}

static bool tick(void *ctx, int64_t step, int64_t steps, double loss)
{
	job *j = ctx;

	if (j->tty) {
		fprintf(stderr, "\rstep %lld of %lld  loss %.6f ", (long long)step, (long long)steps, loss);
		j->dirty = true;
	}
	return !interrupted;
}

static void clear_line(job *j)
{
	if (j->dirty)
		fputs("\r\033[K", stderr);
	j->dirty = false;
}

static bool progress(void *ctx, int64_t epoch, double train_loss, double val_loss)
{
	job *j = ctx;

	clear_line(j);
	fprintf(stderr, "epoch %lld  train %.6f", (long long)epoch, train_loss);
	if (!isnan(val_loss))
		fprintf(stderr, "  val %.6f", val_loss);
	fprintf(stderr, "  elapsed %.1f s\n", rt_seconds() - j->t0);
	return !interrupted;
}

/* ---- results ------------------------------------------------------------------------------------------------ */

/* Errors beside what there is to explain; NAN without rows. */
typedef struct normal {
	double val, test;
} normal;

static normal normalise(const le_data *data, const le_result *r)
{
	normal n = {NAN, NAN};

	if (!isnan(r->val_mse))
		n.val = r->val_mse / le_data_variance(data, data->val, data->nval);
	if (!isnan(r->test_mse))
		n.test = r->test_mse / le_data_variance(data, data->test, data->ntest);
	return n;
}

static void print_json(const le_result *r, const normal *n)
{
	ir_str s;

	sb_init(&s);
	sb_put(&s, "{\"train_loss\": ");
	sb_put_json_real(&s, r->train_loss);
	sb_put(&s, ", \"val_loss\": ");
	sb_put_json_real(&s, r->val_loss);
	sb_put(&s, ", \"test_loss\": ");
	sb_put_json_real(&s, r->test_loss);
	sb_put(&s, ", \"val_nmse\": ");
	sb_put_json_real(&s, n->val);
	sb_put(&s, ", \"test_nmse\": ");
	sb_put_json_real(&s, n->test);
	sb_printf(&s, ", \"epochs\": %lld, \"steps\": %lld, \"wall_s\": %.3f, \"compile_ms\": %.3f, \"params\": %lld}\n",
		  (long long)r->epochs, (long long)r->steps, r->wall_s, r->compile_ms, (long long)r->params);
	fputs(s.s, stdout);
	sb_fini(&s);
}

/* Two times, because they answer two questions: how long did I wait, and how long does this model train? */
static void print_times(const le_result *r, double elapsed)
{
	printf("elapsed     %.3f s since the program began, reading the data included\n"
	       "wall        %.3f s of them for training: compiling, steps, evaluation\n"
	       "compile     %.1f ms of that\n", elapsed, r->wall_s, r->compile_ms);
}

static void print_text(const le_result *r, const normal *n, double elapsed)
{
	if (isfinite(r->train_loss))
		printf("train loss  %.9g\n", r->train_loss);
	else
		puts("train loss  -");
	if (!isnan(r->val_loss))
		printf("val loss    %.9g\n", r->val_loss);
	if (!isnan(r->val_mse) && r->val_mse != r->val_loss)
		printf("val mse     %.9g\n", r->val_mse);
	if (!isnan(n->val))
		printf("val nmse    %.9g\n", n->val);
	if (!isnan(r->test_loss))
		printf("test loss   %.9g\n", r->test_loss);
	if (!isnan(r->test_mse) && r->test_mse != r->test_loss)
		printf("test mse    %.9g\n", r->test_mse);
	if (!isnan(n->test))
		printf("test nmse   %.9g\n", n->test);
	printf("epochs      %lld\nsteps       %lld\nparams      %lld\n", (long long)r->epochs, (long long)r->steps,
	       (long long)r->params);
	print_times(r, elapsed);
}

static ir_status write_log(job *j)
{
	ir_str s;
	ir_status st;

	sb_init(&s);
	sb_put(&s, "step,loss\n");
	for (int64_t i = 0; i < j->result.steps; i++)
		sb_printf(&s, "%lld,%.17g\n", (long long)i, j->result.step_loss[i]);
	errno = EIO; /* should nobody say why */
	st = ir_file_write(j->o->loss_log, s.s, s.n);
	if (st != IR_OK)
		ir_report(j->d, (ir_loc){0}, IR_E_file, j->o->loss_log, strerror(errno));
	sb_fini(&s);
	return st;
}

/* Whatever was reached is written and printed, also after NaN or an interrupt; s says how the run ended. */
static ir_status deliver(job *j, ir_status s)
{
	normal n;
	ir_status t = IR_OK, u = IR_OK;

	if (j->o->loss_log)
		t = write_log(j);
	if (j->o->save && j->result.weights.n) {
		const char *const meta[] = {"format", "gradmill", "ir", j->text.s};

		u = le_model_write(j->o->save, &j->result.weights, meta, 2, &j->data, j->d);
	}
	n = normalise(&j->data, &j->result);
	if (j->o->json)
		print_json(&j->result, &n);
	else
		print_text(&j->result, &n, rt_seconds() - j->t0); /* main sees whether it was written */
	return s != IR_OK ? s : t != IR_OK ? t : u;
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static ir_status load(job *j, const char *path)
{
	const options *o = j->o;
	cc_context_options co = cc_context_default();
	ir_status s = cc_model_read(path, j->a, j->d, &j->text, &j->module);

	if (s != IR_OK)
		return s;
	cc_model_messages(j->d); /* warnings */
	if ((s = le_data_load(&o->source, j->cfg.seed, o->limit_train, &j->data, j->d)) != IR_OK)
		return s;
	le_warn_model(j->module, &j->data, j->d);
	if (!o->shuffle)
		le_data_use_all(&j->data, o->limit_train);
	if (o->init) {
		if ((s = le_weights_read(o->init, &j->init, j->d)) != IR_OK)
			return s;
		j->cfg.init = &j->init;
	}
	if (o->resume) {
		if ((s = le_weights_read(o->resume, &j->state, j->d)) != IR_OK)
			return s;
		j->cfg.resume = &j->state;
	}
	return cc_context_new(&co, &j->context, j->d);
}

static ir_status save_gradients(job *j)
{
	le_weights g;
	ir_status s = le_gradients(j->context, j->module, &j->data, &j->cfg, &g, j->d);

	if (s == IR_OK)
		s = le_weights_write(j->o->save_grads, &g, NULL, 0, j->d);
	le_weights_free(&g);
	return s;
}

/* Could ir_file_write, which writes a new file beside path and renames it, do its work? Leaves path alone. */
static bool can_write(const char *path)
{
	char where[PATH_MAX];
	char *slash;
	struct stat st;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return errno = EISDIR, false;
		if (!S_ISREG(st.st_mode))
			return access(path, W_OK) == 0;
		if (!realpath(path, where))
			return false;
	} else if (errno != ENOENT || !*path) {
		return false;
	} else if (snprintf(where, sizeof where, "%s", path) >= (int)sizeof where) {
		return errno = ENAMETOOLONG, false;
	}
	slash = strrchr(where, '/');
	if (slash)
		slash[1] = 0;
	return access(slash ? where : ".", W_OK | X_OK) == 0;
}

/* Weights may be replaced by those that training makes of them, and a state by a later one; by nothing else. 64 after a message,
 * or -1. */
static int check_overwrites(const options *o, const char *model)
{
	const se_named out[] = {{"--loss-log", o->loss_log}, {"--save-grads", o->save_grads}, {"--save", o->save}, {"--save-state", o->save_state}};
	se_named in[SE_SOURCE_FILES + 3] = {{"FILE.gm", model}, {"--init", o->init}, {"--resume", o->resume}};
	se_named rows[SE_SOURCE_FILES + 1] = {{"FILE.gm", model}};

	se_source_files(&o->source, in + 3);
	se_source_files(&o->source, rows + 1);
	return se_may_write("train", out, 2, in, SE_SOURCE_FILES + 3) && se_may_write("train", out, 4, rows, SE_SOURCE_FILES + 1) ? -1
	     : EXIT_USAGE;
}

/* A path with a slip in it should not cost a training. */
static ir_status check_outputs(job *j)
{
	const char *const path[] = {j->o->save, j->o->loss_log, j->o->save_grads, j->o->save_state};

	for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
		if (!path[i] || can_write(path[i]))
			continue;
		ir_report(j->d, (ir_loc){0}, IR_E_file, path[i], strerror(errno));
		return IR_EIO;
	}
	return IR_OK;
}

static ir_status run(job *j, const char *path)
{
	ir_status s = check_outputs(j);

	if (s == IR_OK)
		s = load(j, path);
	if (s == IR_OK && j->o->save_grads)
		s = save_gradients(j);
	if (s != IR_OK)
		return s;
	catch_interrupt();
	s = le_train(j->context, j->module, &j->data, &j->cfg, progress, j, &j->result, j->d);
	clear_line(j);
	if (s == IR_EINTR && j->o->save_state && !ir_diag_count(j->d, IR_ERROR))
		fprintf(stderr, "gradmill train: after step %lld; --resume %s goes on\n", (long long)j->result.steps, j->o->save_state);
	if (s == IR_OK || s == IR_ENAN || s == IR_EINTR || s == IR_EIO || s == IR_EFULL)
		s = deliver(j, s);
	return s;
}

int se_cmd_train(int argc, char **argv)
{
	options o;
	char **operand;
	job j = {.o = &o, .t0 = rt_seconds(), .tty = isatty(STDERR_FILENO)};
	int code = parse_options(&o, argc, argv, &operand);
	ir_status s;

	if (code < 0)
		code = configure(&o, &j.cfg);
	if (code < 0)
		code = check_overwrites(&o, operand[0]);
	if (code >= 0)
		return code;
	j.cfg.tick = tick;
	j.d = ir_diag_new();
	j.a = ar_open();
	s = run(&j, operand[0]);
	if (s == IR_ENAN)
		fprintf(stderr, "gradmill train: the loss is not finite at step %lld; a smaller --lr or a --clip-norm may help\n",
			(long long)j.result.steps);
	else if (s != IR_OK && ir_diag_count(j.d, IR_ERROR) == 0)
		fprintf(stderr, "gradmill train: %s\n", ir_status_text(s));
	cc_model_messages(j.d);
	le_result_free(&j.result);
	le_weights_free(&j.init);
	le_weights_free(&j.state);
	le_data_free(&j.data);
	if (j.context)
		cc_context_free(j.context);
	ar_free(j.a);
	ir_diag_free(j.d);
	sb_fini(&j.text);
	return ir_status_exit(s);
}
