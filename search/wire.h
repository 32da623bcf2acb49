/* SPDX-License-Identifier: Apache-2.0
 * search/wire.h -- what a driver and a worker say to each other over two pipes: four bytes of length (little-endian),
 * then one JSON object. One table names every field of every message; encoding, decoding and checking read it.
 *
 *   worker: hello        driver: open          worker: ready or error
 *   driver: task         worker: epoch .. epoch result        (any number of times; weights_key of a task: what must come out
 *                                                              to be worth saving; full: no space to save it)
 *   driver: ask_floor    worker: floor
 *   driver: team         (at any time: how many threads to use from now on, at most open's "most")
 *   The driver ends a worker by closing the pipe. Data sets do not travel: a worker is born with one (SE_DATA_FD). */
#ifndef SEARCH_WIRE_H
#define SEARCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ir/base/arena.h"
#include "ir/base/str.h"
#include "search/profile.h"

#define SE_WIRE_VERSION 4
#define SE_DATA_FD 3 /* descriptor of every worker: its data set (le_data_map) */
#define SE_WIRE_MAX ((size_t)8 << 20) /* bytes of one message; a model text is at most a megabyte */

#define SE_MESSAGES(X) X(hello) X(open) X(ready) X(error) X(task) X(epoch) X(result) X(ask_floor) X(floor) X(team)

typedef enum se_message_kind {
#define ONE(name) SE_M_##name,
	SE_MESSAGES(ONE)
#undef ONE
	SE_MESSAGE_COUNT
} se_message_kind;

/* KIND(name, messages that carry it). A field is always there; text and a profile may be null, a real is null for NaN. */
#define IN(m) (1u << SE_M_##m)
#define SE_FIELDS(TEXT, INT, REAL, PROFILE) \
	INT(version, IN(hello)) \
	TEXT(build, IN(hello)) \
	INT(threads, IN(open) | IN(team)) \
	INT(most, IN(open)) \
	INT(budget, IN(open)) \
	TEXT(target, IN(ready)) \
	INT(status, IN(error) | IN(result)) \
	TEXT(cause, IN(error) | IN(result)) \
	INT(number, IN(task) | IN(epoch) | IN(result)) \
	INT(seed, IN(task)) \
	TEXT(ir, IN(task)) \
	TEXT(optimizer, IN(task)) \
	TEXT(schedule, IN(task)) \
	REAL(lr, IN(task)) \
	REAL(weight_decay, IN(task)) \
	REAL(clip_norm, IN(task)) \
	INT(batch, IN(task)) \
	INT(epochs, IN(task) | IN(result)) \
	INT(test, IN(task)) \
	INT(measure, IN(task)) \
	TEXT(save, IN(task)) \
	REAL(save_below, IN(task)) \
	INT(saved, IN(result)) \
	INT(full, IN(result)) \
	INT(epoch, IN(epoch)) \
	REAL(train, IN(epoch)) \
	REAL(value, IN(epoch) | IN(result) | IN(floor)) \
	REAL(test_value, IN(result) | IN(floor)) \
	INT(n_params, IN(result)) \
	INT(flops, IN(result)) \
	INT(arena_bytes, IN(result)) \
	REAL(compile_ms, IN(result)) \
	REAL(train_s, IN(result)) \
	TEXT(weights_key, IN(result) | IN(task)) \
	PROFILE(profile, IN(result)) \
	INT(latent, IN(ask_floor) | IN(floor))

typedef struct se_message {
	se_message_kind kind;
#define TEXT(name, in) const char *name;
#define INT(name, in) int64_t name;
#define REAL(name, in) double name;
#define PROFILE(name, in) const se_profile *name;
	SE_FIELDS(TEXT, INT, REAL, PROFILE)
#undef TEXT
#undef INT
#undef REAL
#undef PROFILE
} se_message;

typedef struct se_wire {
	int in, out;     /* owned */
	ir_str buffer;   /* read, not yet decoded */
	ir_arena *arena; /* of the message decoded last */
} se_wire;

typedef enum se_wire_got {
	SE_WIRE_MESSAGE, /* *out is set; its text lives until the next call */
	SE_WIRE_MORE,    /* no whole message in the buffer: fill it */
	SE_WIRE_END,     /* the other side is gone */
	SE_WIRE_BAD      /* not our protocol: too long, not JSON, a field missing or of the wrong kind */
} se_wire_got;

void se_wire_init(se_wire *w, int in, int out);
void se_wire_fini(se_wire *w); /* closes both ends */

bool se_wire_send(se_wire *w, const se_message *m);         /* false: the other side is gone */
se_wire_got se_wire_fill(se_wire *w);                       /* one read(): MORE or END */
se_wire_got se_wire_next(se_wire *w, se_message *out);      /* from the buffer: MESSAGE, MORE or BAD */
se_wire_got se_wire_wait(se_wire *w, se_message *out);      /* fills and decodes until there is one: never MORE */

/* UTF-8? Other text does not arrive as it was sent; paths must. */
bool se_wire_text(const char *text);
void se_wire_encode(const se_message *m, ir_str *out);      /* length and JSON, appended */
bool se_wire_decode(const char *json, size_t n, ir_arena *a, se_message *out);

#endif
