/* SPDX-License-Identifier: Apache-2.0
 * compiler/api/api.c -- gradmill.h over this project's own layers: context, models, the list of operations. Thin on
 * purpose: whatever needs a decision belongs below. program.c and trainer.c are the rest. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compiler/api/api_int.h"
#include "compiler/model_file.h"

#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a " is " #b)
SAME(GM_OK, IR_OK);
SAME(GM_EINPUT, IR_EINPUT);
SAME(GM_ENOINPUT, IR_ENOINPUT);
SAME(GM_ENOMEM, IR_ENOMEM);
SAME(GM_EIO, IR_EIO);
SAME(GM_EBUSY, IR_EBUSY);
SAME(GM_EUNAVAILABLE, IR_EUNAVAILABLE);
SAME(GM_EINTERNAL, IR_EINTERNAL);
SAME(GM_ENAN, IR_ENAN);
SAME(GM_EINTR, IR_EINTR);
SAME(GM_EFULL, IR_EFULL);
SAME(GM_EFULL + 1, IR_STATUS_COUNT);
SAME(GM_F32, IR_F32);
SAME(GM_F64, IR_F64);
SAME(GM_I32, IR_I32);
SAME(GM_U8, IR_U8);
SAME(GM_BOOL, IR_BOOL);
SAME(GM_BOOL + 1, IR_DTYPE_COUNT);
SAME(GM_SGD, CC_SGD);
SAME(GM_ADAM, CC_ADAM);
SAME(GM_ADAMW, CC_ADAMW);
SAME(GM_PRECISION_F32, CC_PRECISION_F32);
SAME(GM_PRECISION_F64, CC_PRECISION_F64);
SAME(GM_PRECISION_BF16, CC_PRECISION_BF16);
SAME(GM_PRECISION_BF16 + 1, CC_PRECISION_COUNT);
SAME(GM_MAX_RANK, IR_MAX_RANK);

gm_dtype cc_api_dtype_of(ir_dtype t)
{
	return (gm_dtype)t;
}

const char *gm_status_text(gm_status s)
{
	return ir_status_text((ir_status)s);
}

/* ---- messages ------------------------------------------------------------------------------------------------- */

void cc_api_begin(gm_ctx *ctx)
{
	sb_clear(&ctx->errors);
}

gm_status cc_api_end(gm_ctx *ctx, ir_diag *d, ir_status s)
{
	if (d) {
		ir_diag_print_all(d, &ctx->errors);
		ir_diag_clear(d);
	}
	if (s != IR_OK && ctx->errors.n == 0)
		sb_printf(&ctx->errors, "%s\n", ir_status_text(s));
	return (gm_status)s;
}

gm_status cc_api_fail(gm_ctx *ctx, gm_status s, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	sb_printf(&ctx->errors, "error: %s\n", text);
	return s;
}

const char *gm_errors(const gm_ctx *ctx)
{
	return ctx->errors.s;
}

/* ---- context -------------------------------------------------------------------------------------------------- */

gm_status gm_ctx_new(const char *cache_dir, gm_ctx **out)
{
	cc_context_options o = cc_context_default();
	gm_ctx *ctx = ir_xmalloc(1, sizeof *ctx);
	ir_status s;

	*out = NULL;
	o.cache_dir = cache_dir;
	s = cc_context_new(&o, &ctx->c, NULL);
	if (s != IR_OK) {
		free(ctx);
		return (gm_status)s;
	}
	sb_init(&ctx->errors);
	*out = ctx;
	return GM_OK;
}

void gm_ctx_free(gm_ctx *ctx)
{
	if (!ctx)
		return;
	cc_context_free(ctx->c);
	sb_fini(&ctx->errors);
	free(ctx);
}

const char *gm_target(const gm_ctx *ctx)
{
	return cc_context_target(ctx->c);
}

int cc_api_thread_count(int asked)
{
	return asked > 0 ? asked : rt_cores();
}

/* ---- models --------------------------------------------------------------------------------------------------- */

/* Takes text, which is the heap's. */
static gm_status parse(gm_ctx *ctx, const char *name, char *text, size_t len, gm_model **out)
{
	gm_model *m = ir_xmalloc(1, sizeof *m);
	gm_status s;

	*m = (gm_model){.ctx = ctx, .a = ar_open(), .d = ir_diag_new(), .text = text};
	m->m = ir_parse(name, text, len, m->a, m->d);
	s = cc_api_end(ctx, m->d, m->m ? IR_OK : IR_EINPUT);
	if (s != GM_OK) {
		gm_model_free(m);
		m = NULL;
	}
	*out = m;
	return s;
}

gm_status gm_model_parse(gm_ctx *ctx, const char *name, const char *text, size_t len, gm_model **out)
{
	char *copy = ir_xmalloc(len + 1, 1);

	cc_api_begin(ctx);
	memcpy(copy, text, len);
	return parse(ctx, name, copy, len, out);
}

gm_status gm_model_parse_file(gm_ctx *ctx, const char *path, gm_model **out)
{
	ir_str s;
	ir_status st;

	cc_api_begin(ctx);
	*out = NULL;
	sb_init(&s);
	errno = 0;
	st = ir_file_read(path, CC_MODEL_MAX, &s);
	if (st == IR_OK)
		return parse(ctx, path, s.s, s.n, out);
	sb_fini(&s);
	return cc_api_fail(ctx, (gm_status)st, "%s: %s", path, errno ? strerror(errno) : ir_status_text(st));
}

void gm_model_free(gm_model *m)
{
	if (!m)
		return;
	ir_diag_free(m->d);
	ar_free(m->a);
	free(m->text);
	free(m);
}

size_t gm_model_functions(const gm_model *m)
{
	return m->m->n;
}

const char *gm_model_function(const gm_model *m, size_t i)
{
	return i < m->m->n ? m->m->func[i]->name : NULL;
}

char *gm_model_print(const gm_model *m)
{
	ir_str s;

	sb_init(&s);
	ir_module_print(m->m, &s);
	return s.s;
}

ir_func *cc_api_bound(const gm_model *m, const char *func, int64_t batch, cc_precision p, ir_arena *a)
{
	const ir_func *f = ir_module_find(m->m, func);
	ir_func *g;

	if (!f)
		return ir_report(m->d, (ir_loc){0}, IR_E_no_entry, func), NULL;
	if ((unsigned)p >= CC_PRECISION_COUNT)
		return ir_report(m->d, (ir_loc){0}, IR_E_option, "precision", "none of gm_precision"), NULL;
	for (size_t i = 0; i < f->n && batch < 1; i++)
		if (ir_type_has_batch(&f->ins[i].type))
			return ir_report(m->d, f->ins[i].loc, IR_E_unbound_batch), NULL;
	g = ir_bind(f, batch < 1 ? 1 : batch, a, m->d);
	for (size_t i = 0; g && i < g->n; i++)
		if (ir_is_leaf(g, (ir_ref)i) && !g->ins[i].name)
			ir_set_name(g, (ir_ref)i, ar_printf(a, "leaf%zu", i));
	return g ? cc_in_precision(g, p, a, m->d) : NULL;
}

/* ---- gradients ------------------------------------------------------------------------------------------------ */

static ir_func *gradient(const gm_model *m, const ir_func *f, const char *loss, ir_arena *a)
{
	cc_pipeline p = {.verify = true};
	ir_ref *wrt = ar_new(a, ir_ref, f->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if ((f->ins[i].op == IR_input || f->ins[i].op == IR_param) && ir_dtype_is_float(f->ins[i].type.dtype))
			wrt[n++] = (ir_ref)i;
	f = loss ? cc_grad(f, loss, wrt, n, a, m->d) : cc_vjp(f, a, m->d);
	if (!f || !cc_pipeline_parse(&p, "simplify,fold,simplify,cse,dce", m->d))
		return NULL;
	return cc_pipeline_run(&p, f, a, m->d);
}

/* By way of the text: the new model then owes the old one nothing. */
gm_status gm_differentiate(const gm_model *m, const char *func, const char *loss, int64_t batch, gm_model **out)
{
	ir_arena *a = ar_open();
	ir_func *f;
	gm_status s = GM_EINPUT;
	ir_module *to;
	ir_str text;

	cc_api_begin(m->ctx);
	*out = NULL;
	f = cc_api_bound(m, func, batch, CC_PRECISION_F32, a);
	f = f ? gradient(m, f, loss, a) : NULL;
	if (f) {
		f->name = ar_printf(a, "%s.grad", func);
		to = ir_module_new(a);
		ir_module_add(to, f);
		sb_init(&text);
		ir_module_print(to, &text);
		s = parse(m->ctx, "gradient", text.s, text.n, out);
	}
	ar_free(a);
	return f ? s : cc_api_end(m->ctx, m->d, IR_EINPUT);
}

/* ---- operations ----------------------------------------------------------------------------------------------- */

size_t gm_ops(void)
{
	return IR_OP_COUNT;
}

const char *gm_op_name(size_t i)
{
	return i < IR_OP_COUNT ? ir_op_info((ir_op)i)->name : NULL;
}

const char *gm_op_doc(size_t i)
{
	return i < IR_OP_COUNT ? ir_op_info((ir_op)i)->doc : NULL;
}
