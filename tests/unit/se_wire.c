/* SPDX-License-Identifier: Apache-2.0
 * Messages between driver and worker: nothing is lost on the way, nothing wrong gets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "search/wire.h"

static se_wire open_wire(int *to)
{
	int fd[2];
	se_wire w;

	assert_int_equal(pipe(fd), 0);
	*to = fd[1];
	se_wire_init(&w, fd[0], -1);
	return w;
}

/* m as the other side reads it, in a. */
static void travel(const se_message *m, ir_arena *a, se_message *back)
{
	ir_str s;

	sb_init(&s);
	se_wire_encode(m, &s);
	assert_true(se_wire_decode(s.s + 4, s.n - 4, a, back));
	sb_fini(&s);
}

static void round_trip(void **state)
{
	se_message m = {.kind = SE_M_epoch, .number = 7, .epoch = 3, .train = 0.1, .value = NAN}, back;
	ir_arena *a = ar_open();

	(void)state;
	travel(&m, a, &back);
	assert_int_equal(back.kind, SE_M_epoch);
	assert_int_equal(back.number, 7);
	assert_true(back.train == 0.1);
	assert_true(isnan(back.value));

	m = (se_message){.kind = SE_M_task, .ir = "gradmill 1\n\"\xc3\xa9\"", .lr = 1e-300, .seed = INT64_MAX};
	travel(&m, a, &back);
	assert_string_equal(back.ir, m.ir);
	assert_true(back.lr == 1e-300);
	assert_true(back.seed == INT64_MAX);
	assert_null(back.save);
	ar_free(a);
}

static void a_profile_travels(void **state)
{
	cc_profile_row row[] = {{"matmul", "4x5x6", 3, 2, 1e-6, 480, 1e9 / 3}, {CC_ROW_BETWEEN, .seconds = -1e-9}};
	se_profile p = {{row, 2, 2, 1000, 0.1}, 500.25, NAN};
	se_message m = {.kind = SE_M_result, .profile = &p}, back;
	ir_arena *a = ar_open();

	(void)state;
	travel(&m, a, &back);
	assert_int_equal(back.profile->step.n, 2);
	assert_int_equal(back.profile->step.threads, 2);
	assert_int_equal(back.profile->step.steps, 1000);
	assert_true(back.profile->step.step_s == 0.1 && back.profile->peak_gflops == 500.25 && isnan(back.profile->memory_gbytes));
	assert_memory_equal(back.profile->step.row, row, sizeof row);
	m.profile = NULL;
	travel(&m, a, &back);
	assert_null(back.profile);
	ar_free(a);
}

/* A result with this in place of its profile. */
static bool takes_profile(const char *profile)
{
	se_message m = {.kind = SE_M_result}, back;
	ir_arena *a = ar_open();
	const char *at;
	ir_str s, t;
	bool ok;

	sb_init(&s);
	sb_init(&t);
	se_wire_encode(&m, &s);
	at = strstr(s.s + 4, "\"profile\":null");
	sb_printf(&t, "%.*s\"profile\":%s%s", (int)(at - (s.s + 4)), s.s + 4, profile, at + strlen("\"profile\":null"));
	ok = se_wire_decode(t.s, t.n, a, &back);
	sb_fini(&s);
	sb_fini(&t);
	ar_free(a);
	return ok;
}

static void wrong_profiles(void **state)
{
#define HEAD "{\"threads\":2,\"steps\":3,\"step_s\":0.5,\"peak_gflops\":null,\"memory_gbytes\":1.5,\"rows\":"
	(void)state;
	assert_true(takes_profile(HEAD "[]}"));
	assert_true(takes_profile(HEAD "[[\"a\",\"\",0,0,1,0,0]]}"));
	assert_false(takes_profile("7"));
	assert_false(takes_profile("{}"));
	assert_false(takes_profile(HEAD "{}}"));
	assert_false(takes_profile(HEAD "[7]}"));
	assert_false(takes_profile(HEAD "[[\"a\",\"\",0,0,1,0]]}"));
	assert_false(takes_profile(HEAD "[[\"a\",\"\",0,0,1,0,0,0]]}"));
	assert_false(takes_profile(HEAD "[[\"a\",null,0,0,1,0,0]]}"));
#undef HEAD
}

/* A cause may quote a file that is not UTF-8: the message arrives all the same. */
static void strange_text(void **state)
{
	se_message m = {.kind = SE_M_error, .status = 1, .cause = "a\xff \xc3\xa9"}, back;
	ir_arena *a = ar_open();
	ir_str s;

	(void)state;
	sb_init(&s);
	se_wire_encode(&m, &s);
	assert_true(se_wire_decode(s.s + 4, s.n - 4, a, &back));
	assert_string_equal(back.cause, "a? ??");
	assert_true(se_wire_text("\xc3\xa9/data.idx"));
	assert_false(se_wire_text("data\xff.idx"));
	sb_fini(&s);
	ar_free(a);
}

static void every_double_survives(void **state)
{
	const double v[] = {0x1.921fb54442d18p+1, 5e-324, 0x1.fffffffffffffp+1023, -0.1, 1.0 / 3};
	ir_arena *a = ar_open();
	ir_str s;

	(void)state;
	sb_init(&s);
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		se_message m = {.kind = SE_M_epoch, .train = v[i]}, back;

		sb_clear(&s);
		se_wire_encode(&m, &s);
		assert_true(se_wire_decode(s.s + 4, s.n - 4, a, &back));
		assert_memory_equal(&back.train, &v[i], sizeof *v);
	}
	sb_fini(&s);
	ar_free(a);
}

static void wrong_messages(void **state)
{
	static const char *const bad[] = {
		"", "{}", "[]", "null", "{\"type\":\"what\"}", "{\"type\":7}", "{\"type\":\"ask_floor\"}",
		"{\"type\":\"ask_floor\",\"latent\":\"8\"}", "{\"type\":\"ask_floor\",\"latent\":8.5}",
		"{\"type\":\"ask_floor\",\"latent\":8,\"latent\":9}", "{\"type\":\"ask_floor\",\"latent\":8",
		"{\"type\":\"error\",\"status\":1,\"cause\":3}", "{\"type\":\"ask_floor\",\"latent\":99999999999999999999}",
	};
	ir_arena *a = ar_open();
	se_message m;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(se_wire_decode(bad[i], strlen(bad[i]), a, &m));
	assert_true(se_wire_decode("{\"type\":\"ask_floor\",\"latent\":8}", 31, a, &m));
	assert_int_equal(m.latent, 8);
	ar_free(a);
}

/* Byte by byte: never a message before its last byte. */
static void truncated(void **state)
{
	se_message m = {.kind = SE_M_ask_floor, .latent = 32}, back;
	ir_str s;
	int to;
	se_wire w = open_wire(&to);

	(void)state;
	sb_init(&s);
	se_wire_encode(&m, &s);
	for (size_t i = 0; i < s.n; i++) {
		assert_int_equal(se_wire_next(&w, &back), SE_WIRE_MORE);
		assert_int_equal(write(to, s.s + i, 1), 1);
		assert_int_equal(se_wire_fill(&w), SE_WIRE_MORE);
	}
	assert_int_equal(se_wire_next(&w, &back), SE_WIRE_MESSAGE);
	assert_int_equal(back.latent, 32);
	assert_int_equal(write(to, s.s, 9), 9);
	close(to);
	assert_int_equal(se_wire_wait(&w, &back), SE_WIRE_END); /* cut off in the middle */
	sb_fini(&s);
	se_wire_fini(&w);
}

static void too_long(void **state)
{
	static const unsigned char lengths[][4] = {{0xff, 0xff, 0xff, 0xff}, {1, 0, 0x80, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		se_message m;
		int to;
		se_wire w = open_wire(&to);

		assert_int_equal(write(to, lengths[i], 4), 4);
		assert_int_equal(se_wire_wait(&w, &m), SE_WIRE_BAD);
		close(to);
		se_wire_fini(&w);
	}
}

static void several_at_once(void **state)
{
	se_message m = {.kind = SE_M_ask_floor}, back;
	ir_str s;
	int to;
	se_wire w = open_wire(&to);

	(void)state;
	sb_init(&s);
	for (m.latent = 0; m.latent < 100; m.latent++)
		se_wire_encode(&m, &s);
	assert_int_equal(write(to, s.s, s.n), (ssize_t)s.n);
	close(to);
	for (int64_t i = 0; i < 100; i++) {
		assert_int_equal(se_wire_wait(&w, &back), SE_WIRE_MESSAGE);
		assert_int_equal(back.latent, i);
	}
	assert_int_equal(se_wire_wait(&w, &back), SE_WIRE_END);
	sb_fini(&s);
	se_wire_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(a_profile_travels), cmocka_unit_test(wrong_profiles),
		cmocka_unit_test(strange_text), cmocka_unit_test(every_double_survives), cmocka_unit_test(wrong_messages),
		cmocka_unit_test(truncated), cmocka_unit_test(too_long), cmocka_unit_test(several_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
