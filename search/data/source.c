/* SPDX-License-Identifier: Apache-2.0
 * What the data are, as one text: the trial history keeps it, so that a study is gone on with, replayed and applied by its
 * name alone. To add an option: a field of le_source, a row here, an option in search/cmd_data.h. */
#include <jansson.h>
#include <stddef.h>
#include <string.h>
#include "search/data/data_int.h"

static const struct {
	const char *key;
	size_t at;
} field[] = {
	{"data", offsetof(le_source, data)},       {"val", offsetof(le_source, val)},     {"test", offsetof(le_source, test)},
	{"split", offsetof(le_source, split)},     {"labels", offsetof(le_source, labels)}, {"only", offsetof(le_source, only)},
	{"drop", offsetof(le_source, drop)},       {"shape", offsetof(le_source, shape)}, {"missing", offsetof(le_source, missing)},
	{"scale", offsetof(le_source, scale)},
};

#define NFIELD (sizeof field / sizeof *field)

static const char **text_of(const le_source *s, size_t i)
{
	return (const char **)(uintptr_t)((const char *)s + field[i].at);
}

bool le_source_given(const le_source *s)
{
	for (size_t i = 0; i < NFIELD; i++)
		if (*text_of(s, i))
			return true;
	return false;
}

bool le_source_option(const le_source *s, size_t i, const char **option, const char **value)
{
	if (i >= NFIELD)
		return false;
	*option = strcmp(field[i].key, "test") ? field[i].key : "test-data";
	*value = *text_of(s, i);
	return true;
}

void le_source_print(const le_source *s, ir_str *out)
{
	bool plain = s->data && s->data[0] != '{';

	for (size_t i = 1; i < NFIELD; i++)
		plain &= !*text_of(s, i);
	if (plain) {
		sb_put(out, s->data);
		return;
	}
	for (size_t i = 0, n = 0; i < NFIELD; i++)
		if (*text_of(s, i)) {
			sb_printf(out, "%s\"%s\": ", n++ ? ", " : "{", field[i].key);
			sb_put_json_text(out, *text_of(s, i));
		}
	sb_put(out, "}");
}

bool le_source_parse(const char *text, ir_arena *a, le_source *out)
{
	json_t *j;
	size_t known = 0;

	*out = (le_source){0};
	if (text[0] != '{')
		return out->data = ar_strdup(a, text), true;
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	for (size_t i = 0; j && i < NFIELD; i++) {
		const char *v = json_string_value(json_object_get(j, field[i].key));

		if (v)
			*text_of(out, i) = ar_strdup(a, v), known++;
	}
	known = j && known == json_object_size(j) && out->data;
	json_decref(j);
	return known;
}
