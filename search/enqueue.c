/* SPDX-License-Identifier: Apache-2.0
 * search/enqueue.c -- see enqueue.h. */
#include "search/enqueue.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool refuse(ir_str *why, const char *name, const char *text)
{
	sb_printf(why, "enqueued: %s: %s", name, text);
	return false;
}

/* The index of the choice that v stands for, or NAN. */
static double find_choice(const se_param *p, const json_t *v)
{
	for (int i = 0; p->choice[i]; i++) {
		if (json_is_string(v) && !strcmp(json_string_value(v), p->choice[i]))
			return i;
		if (json_is_number(v) && se_param_numeric(p) && json_number_value(v) == se_param_meaning(p, i))
			return i;
	}
	return NAN;
}

/* With the value, and those that there are. */
static bool refuse_value(const se_param *p, const json_t *v, ir_str *why)
{
	char *given = json_dumps(v, JSON_ENCODE_ANY);

	refuse(why, p->name, "");
	sb_printf(why, "%s is not one of its values (", given ? given : "?");
	free(given);
	for (int i = 0; p->kind == SE_CHOICE && p->choice[i]; i++)
		sb_printf(why, "%s%s", i ? ", " : "", p->choice[i]);
	if (p->kind != SE_CHOICE) {
		se_param_print(p, p->low, why);
		sb_put(why, " to ");
		se_param_print(p, p->high, why);
	}
	sb_put(why, ")");
	return false;
}

static bool take(const se_param *p, const json_t *v, double *out, ir_str *why)
{
	double x = p->kind == SE_CHOICE ? find_choice(p, v) : json_is_number(v) ? json_number_value(v) : (double)NAN;

	if (isnan(x) || !se_param_has(p, x))
		return refuse_value(p, v, why);
	*out = x;
	return true;
}

static bool known_names(const se_space *sp, json_t *o, ir_str *why)
{
	for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at))
		if (se_param_find(sp, json_object_iter_key(at)) < 0)
			return refuse(why, json_object_iter_key(at), "the space has no such parameter");
	return true;
}

/* Conditions stand above what depends on them, so every row knows already whether it is there. */
static bool take_all(const se_space *sp, json_t *o, const se_genome *drawn, se_genome *g, ir_str *why)
{
	for (size_t i = 0; i < sp->n; i++) {
		const json_t *v = json_object_get(o, sp->param[i].name);
		bool active = se_genome_active(sp, g, i);

		if (v && !active)
			return refuse(why, sp->param[i].name, "does not go with the other values");
		g->v[i] = active ? drawn->v[i] : (double)NAN;
		if (v && !take(&sp->param[i], v, &g->v[i], why))
			return false;
	}
	return true;
}

bool se_enqueued(const se_space *sp, const char *json, const se_genome *drawn, se_genome *g, ir_str *why)
{
	json_t *o = json ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : json_object();
	bool ok = json_is_object(o) ? known_names(sp, o, why) && take_all(sp, o, drawn, g, why)
				    : refuse(why, "fixed_params", "not a JSON object");

	for (size_t i = sp->n; i < SE_MAX_PARAMS; i++)
		g->v[i] = NAN;
	json_decref(o);
	return ok;
}
