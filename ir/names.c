/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing, never more than half full. Names are never removed: an owner that
 * forgets a name stores a value that means "none". */
#include "ir/names.h"

#include <string.h>
#include "ir/base/hash.h"

struct ir_names_slot {
	const char *name; /* NULL = free */
	uint64_t hash;
	uint32_t value;
};

void ir_names_init(ir_names *m, ir_arena *a)
{
	*m = (ir_names){.arena = a};
}

static struct ir_names_slot *probe(const ir_names *m, const char *name, uint64_t hash)
{
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct ir_names_slot *s = &m->slot[i];

		if (!s->name || (s->hash == hash && strcmp(s->name, name) == 0))
			return s;
	}
}

bool ir_names_get(const ir_names *m, const char *name, uint32_t *value)
{
	const struct ir_names_slot *s;

	if (!m->cap)
		return false;
	s = probe(m, name, ir_hash(name, strlen(name)).lo);
	if (s->name && value)
		*value = s->value;
	return s->name != NULL;
}

static void grow(ir_names *m)
{
	struct ir_names_slot *old = m->slot;
	size_t n = m->cap;

	m->cap = n ? 2 * n : 16;
	m->slot = ar_new(m->arena, struct ir_names_slot, m->cap);
	for (size_t i = 0; i < n; i++)
		if (old[i].name)
			*probe(m, old[i].name, old[i].hash) = old[i];
}

void ir_names_put(ir_names *m, const char *name, uint32_t value)
{
	uint64_t hash = ir_hash(name, strlen(name)).lo;
	struct ir_names_slot *s;

	if (2 * (m->n + 1) > m->cap)
		grow(m);
	s = probe(m, name, hash);
	if (!s->name)
		m->n++;
	*s = (struct ir_names_slot){name, hash, value};
}
