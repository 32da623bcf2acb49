/* SPDX-License-Identifier: Apache-2.0
 * search/wire.c -- messages to JSON and back, and the pipes they travel on. Numbers are printed with 17 digits, so a
 * loss arrives as the same double. Neither side trusts the other's lengths: one may have been killed while writing. */
#include "search/wire.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum field_kind { FIELD_TEXT, FIELD_INT, FIELD_REAL, FIELD_PROFILE } field_kind;

static const struct {
	const char *name;
	field_kind kind;
	size_t at;
	unsigned in;
} fields[] = {
#define TEXT(name, in) {#name, FIELD_TEXT, offsetof(se_message, name), in},
#define INT(name, in) {#name, FIELD_INT, offsetof(se_message, name), in},
#define REAL(name, in) {#name, FIELD_REAL, offsetof(se_message, name), in},
#define PROFILE(name, in) {#name, FIELD_PROFILE, offsetof(se_message, name), in},
	SE_FIELDS(TEXT, INT, REAL, PROFILE)
#undef TEXT
#undef INT
#undef REAL
#undef PROFILE
};

static const char *const message_name[SE_MESSAGE_COUNT] = {
#define ONE(name) #name,
	SE_MESSAGES(ONE)
#undef ONE
};

#define NFIELD (sizeof fields / sizeof *fields)

/* Paths are checked by the commands (se_wire_text). What remains are words for people and model texts with strange
 * comments: a question mark in place of a byte that is not UTF-8 harms neither, a lost field would end the worker. */
static json_t *put_text(const char *text)
{
	json_t *v = json_string(text);
	ir_str s;

	if (v)
		return v;
	sb_init(&s);
	for (const char *c = text; *c; c++)
		sb_putn(&s, *c & 0x80 ? "?" : c, 1);
	v = json_string(s.s);
	sb_fini(&s);
	return v;
}

bool se_wire_text(const char *text)
{
	json_t *v = json_string(text);
	bool ok = v;

	json_decref(v);
	return ok;
}

static json_t *put_real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

/* One array per row: its names would be most of the message. */
static json_t *put_profile(const se_profile *p)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < p->step.n; i++) {
		const cc_profile_row *r = &p->step.row[i];

		json_array_append_new(rows, json_pack("[s,s,i,i,f,f,f]", r->kernel, r->shape, r->fused, r->launches, r->seconds,
						      r->flops, r->bytes));
	}
	return json_pack("{s:i,s:I,s:f,s:o,s:o,s:o}", "threads", p->step.threads, "steps", (json_int_t)p->step.steps,
			 "step_s", p->step.step_s, "peak_gflops", put_real(p->peak_gflops), "memory_gbytes",
			 put_real(p->memory_gbytes), "rows", rows);
}

static json_t *put_field(size_t i, const se_message *m)
{
	const char *p = (const char *)m + fields[i].at;
	const se_profile *profile;
	const char *text;

	switch (fields[i].kind) {
	case FIELD_TEXT:
		text = *(const char *const *)p;
		return text ? put_text(text) : json_null();
	case FIELD_INT:
		return json_integer(*(const int64_t *)p);
	case FIELD_REAL:
		return put_real(*(const double *)p);
	case FIELD_PROFILE:
		profile = *(const se_profile *const *)p;
		return profile ? put_profile(profile) : json_null();
	}
	return NULL;
}

void se_wire_encode(const se_message *m, ir_str *out)
{
	json_t *o = json_pack("{s:s}", "type", message_name[m->kind]);
	unsigned char length[4];
	size_t n;
	char *text;

	for (size_t i = 0; i < NFIELD; i++)
		if (fields[i].in >> m->kind & 1)
			IR_ASSERT(!json_object_set_new(o, fields[i].name, put_field(i, m)), "field %s of a message", fields[i].name);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	IR_ASSERT(text, "a message with text that is not UTF-8");
	n = strlen(text);
	for (int i = 0; i < 4; i++)
		length[i] = (unsigned char)(n >> 8 * i);
	sb_putn(out, (const char *)length, 4);
	sb_putn(out, text, n);
	free(text);
}

static bool get_real(const json_t *v, double *out)
{
	*out = json_is_null(v) ? (double)NAN : json_number_value(v);
	return json_is_null(v) || json_is_number(v);
}

static bool get_row(json_t *v, cc_profile_row *r)
{
	const char *kernel, *shape;

	if (json_unpack(v, "[s,s,i,i,F,F,F!]", &kernel, &shape, &r->fused, &r->launches, &r->seconds, &r->flops, &r->bytes))
		return false;
	snprintf(r->kernel, sizeof r->kernel, "%s", kernel);
	snprintf(r->shape, sizeof r->shape, "%s", shape);
	return true;
}

static bool get_profile(json_t *v, ir_arena *a, const se_profile **out)
{
	se_profile *p = ar_new(a, se_profile, 1);
	json_t *peak, *memory, *rows;
	json_int_t steps;

	*out = NULL;
	if (json_is_null(v))
		return true;
	if (json_unpack(v, "{s:i,s:I,s:F,s:o,s:o,s:o}", "threads", &p->step.threads, "steps", &steps, "step_s", &p->step.step_s,
			"peak_gflops", &peak, "memory_gbytes", &memory, "rows", &rows))
		return false;
	if (!get_real(peak, &p->peak_gflops) || !get_real(memory, &p->memory_gbytes) || !json_is_array(rows))
		return false;
	p->step.steps = steps;
	p->step.n = json_array_size(rows);
	p->step.row = ar_new(a, cc_profile_row, p->step.n);
	for (size_t i = 0; i < p->step.n; i++)
		if (!get_row(json_array_get(rows, i), &p->step.row[i]))
			return false;
	*out = p;
	return true;
}

static bool get_field(size_t i, json_t *v, ir_arena *a, se_message *m)
{
	char *p = (char *)m + fields[i].at;

	switch (fields[i].kind) {
	case FIELD_TEXT:
		if (!json_is_string(v) && !json_is_null(v))
			return false;
		*(const char **)p = json_is_string(v) ? ar_strdup(a, json_string_value(v)) : NULL;
		return true;
	case FIELD_INT:
		*(int64_t *)p = json_integer_value(v);
		return json_is_integer(v);
	case FIELD_REAL:
		return get_real(v, (double *)p);
	case FIELD_PROFILE:
		return get_profile(v, a, (const se_profile **)p);
	}
	return false;
}

bool se_wire_decode(const char *json, size_t n, ir_arena *a, se_message *out)
{
	json_error_t error;
	json_t *o = json_loadb(json, n, JSON_REJECT_DUPLICATES, &error);
	const char *type = o ? json_string_value(json_object_get(o, "type")) : NULL;
	bool ok = false;

	memset(out, 0, sizeof *out);
	for (int k = 0; type && k < SE_MESSAGE_COUNT; k++)
		if (!strcmp(type, message_name[k]))
			out->kind = (se_message_kind)k, ok = true;
	for (size_t i = 0; ok && i < NFIELD; i++)
		if (fields[i].in >> out->kind & 1)
			ok = get_field(i, json_object_get(o, fields[i].name), a, out);
	json_decref(o);
	return ok;
}

/* ---- pipes --------------------------------------------------------------------------------------------------- */

void se_wire_init(se_wire *w, int in, int out)
{
	w->in = in;
	w->out = out;
	sb_init(&w->buffer);
	w->arena = ar_open();
}

void se_wire_fini(se_wire *w)
{
	if (w->in >= 0)
		close(w->in);
	if (w->out >= 0)
		close(w->out);
	w->in = w->out = -1;
	sb_fini(&w->buffer);
	ar_free(w->arena);
	w->arena = NULL;
}

/* A pipe that is full makes us wait: the other side reads between its trials, and a task is a few kilobytes. */
bool se_wire_send(se_wire *w, const se_message *m)
{
	ir_str text;
	size_t at = 0;
	bool ok;

	sb_init(&text);
	se_wire_encode(m, &text);
	while (at < text.n) {
		ssize_t n = write(w->out, text.s + at, text.n - at);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno != EINTR)
			break;
	}
	ok = at == text.n;
	sb_fini(&text);
	return ok;
}

se_wire_got se_wire_fill(se_wire *w)
{
	char chunk[65536];
	ssize_t n;

	do
		n = read(w->in, chunk, sizeof chunk);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return SE_WIRE_MORE;
	if (n <= 0)
		return SE_WIRE_END;
	sb_putn(&w->buffer, chunk, (size_t)n);
	return SE_WIRE_MORE;
}

se_wire_got se_wire_next(se_wire *w, se_message *out)
{
	const unsigned char *b = (const unsigned char *)w->buffer.s;
	size_t n;
	bool ok;

	if (w->buffer.n < 4)
		return SE_WIRE_MORE;
	n = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
	if (n < 2 || n > SE_WIRE_MAX)
		return SE_WIRE_BAD;
	if (w->buffer.n < 4 + n)
		return SE_WIRE_MORE;
	ar_reset(w->arena);
	ok = se_wire_decode(w->buffer.s + 4, n, w->arena, out);
	memmove(w->buffer.s, w->buffer.s + 4 + n, w->buffer.n - 4 - n);
	w->buffer.n -= 4 + n;
	w->buffer.s[w->buffer.n] = 0;
	return ok ? SE_WIRE_MESSAGE : SE_WIRE_BAD;
}

se_wire_got se_wire_wait(se_wire *w, se_message *out)
{
	se_wire_got got;

	while ((got = se_wire_next(w, out)) == SE_WIRE_MORE)
		if (se_wire_fill(w) == SE_WIRE_END)
			return SE_WIRE_END;
	return got;
}
