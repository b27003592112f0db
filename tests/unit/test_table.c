// SPDX-License-Identifier: GPL-2.0-only
/* Table lines and messages: what is formatted parses to the same, what is not understood is refused. */
#include "unit.h"
#include "table.h"

#define MAX_WORDS 32

/* parse "a=b c=d" */
static int parse(struct lvr_options *o, const char *line, struct lvr_err *err)
{
	char copy[1024], *words[MAX_WORDS], *save = NULL, *word;
	u32 count = 0;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(count < MAX_WORDS);
		words[count++] = word;
	}
	memset(o, 0xff, sizeof(*o));
	return lvr_options_parse(o, count, words, err);
}

/* a formatted line: number of words, words */
static int parse_formatted(struct lvr_options *o, const char *line)
{
	struct lvr_err err = {};
	u32 words = 0;
	const char *p;
	int ret;

	for (p = strchr(line, ' '); p; p = strchr(p + 1, ' '))
		words++;
	assert_int_equal(strtoul(line, NULL, 10), words);
	ret = parse(o, strchr(line, ' ') + 1, &err);
	check(!ret, "%s: %s", line, err.text);
	return ret;
}

static bool same(const struct lvr_options *a, const struct lvr_options *b)
{
	return !strcmp(a->group, b->group) && a->member == b->member && a->peer == b->peer &&
	       !memcmp(&a->connect, &b->connect, sizeof(a->connect)) &&
	       !memcmp(&a->listen, &b->listen, sizeof(a->listen)) &&
	       a->auth_psk == b->auth_psk && a->sync == b->sync &&
	       a->block_on_disconnect == b->block_on_disconnect &&
	       a->detach_on_full == b->detach_on_full && a->start_at_once == b->start_at_once &&
	       a->stage_mib == b->stage_mib && a->ping_ms == b->ping_ms &&
	       a->timeout_ms == b->timeout_ms;
}

static void the_shortest_line(void **state)
{
	struct lvr_options o, def;
	struct lvr_err err = {};
	char line[64];

	(void)state;
	check(!parse(&o, "group=db member=3", &err), "%s", err.text);
	lvr_options_default(&def);
	strcpy(def.group, "db");
	def.member = 3;
	assert_true(same(&o, &def));
	assert_int_equal(o.peer, LVR_MAX_MEMBERS);
	assert_int_equal(o.connect.port, 0);
	assert_int_equal(o.listen.port, 0);
	assert_int_equal(lvr_options_format(&o, line, sizeof(line)), strlen("2 group=db member=3"));
	assert_string_equal(line, "2 group=db member=3");
}

static void the_longest_line(void **state)
{
	const char *text = "13 group=db member=0 peer=7 connect=10.0.0.1:7794 auth=none mode=sync "
			   "on-disconnect=block on-full=detach start-primary=at-once stage-mib=4096 "
			   "ping-ms=100 timeout-ms=600000";
	struct lvr_options o;
	char line[512];

	(void)state;
	/* connect and listen exclude each other: twelve of thirteen */
	assert_int_equal(LVR_OPT_COUNT, 13);
	assert_int_equal(parse(&o, text + 3, NULL), 0);
	assert_true(o.sync && o.block_on_disconnect && o.detach_on_full && o.start_at_once &&
		    !o.auth_psk && o.stage_mib == 4096 && o.ping_ms == 100 &&
		    o.timeout_ms == 600000 && o.peer == 7);
	lvr_options_format(&o, line, sizeof(line));
	assert_string_equal(line + 3, text + 3);
	assert_memory_equal(line, "12", 2);
}

/* the defaults in the vocabulary are the defaults of the parser */
static void defaults_are_those_of_the_list(void **state)
{
	static const char *const defaults[] = {
#define X(sym, key, def, values) def[0] ? key "=" def : "",
		LVR_OPTIONS(X)
#undef X
	};
	struct lvr_options o, plain;
	char line[512];
	u32 i;

	(void)state;
	strcpy(line, "group=db member=0");
	for (i = 0; i < ARRAY_SIZE(defaults); i++) {
		if (defaults[i][0]) {
			strcat(line, " ");
			strcat(line, defaults[i]);
		}
	}
	assert_int_equal(parse(&o, line, NULL), 0);
	assert_int_equal(parse(&plain, "group=db member=0", NULL), 0);
	assert_true(same(&o, &plain));
	lvr_options_format(&o, line, sizeof(line));
	assert_string_equal(line, "2 group=db member=0");
}

static void random_endpoint(struct lvr_endpoint *e, u64 *seed)
{
	u32 i;

	memset(e, 0, sizeof(*e));
	e->v6 = random_below(seed, 2);
	for (i = 0; i < (e->v6 ? 16 : 4); i += e->v6 ? 2 : 1) {
		e->addr[i] = random_below(seed, 3) ? next_random(seed) : 0;
		if (e->v6)
			e->addr[i + 1] = e->addr[i] || random_below(seed, 2) ? next_random(seed) : 0;
	}
	e->port = 1 + random_below(seed, 65535);
}

static void any_options_round_trip(void **state)
{
	u64 seed = 1;
	u32 round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		struct lvr_options o, again;
		char line[512], second[512];
		int len;

		lvr_options_default(&o);
		snprintf(o.group, sizeof(o.group), "g%u", round);
		o.member = random_below(&seed, LVR_MAX_MEMBERS);
		if (random_below(&seed, 4)) {
			o.peer = (o.member + 1 + random_below(&seed, LVR_MAX_MEMBERS - 1)) %
				 LVR_MAX_MEMBERS;
			if (random_below(&seed, 3))
				random_endpoint(random_below(&seed, 2) ? &o.connect : &o.listen, &seed);
		}
		o.auth_psk = random_below(&seed, 2);
		o.sync = random_below(&seed, 2);
		o.block_on_disconnect = random_below(&seed, 2);
		o.detach_on_full = random_below(&seed, 2);
		o.start_at_once = random_below(&seed, 2);
		if (random_below(&seed, 2))
			o.stage_mib = LVR_STAGE_MIN_MIB + random_below(&seed, LVR_STAGE_MAX_MIB -
								       LVR_STAGE_MIN_MIB + 1);
		if (random_below(&seed, 2)) {
			o.ping_ms = LVR_PING_MIN_MS + random_below(&seed, 5000);
			o.timeout_ms = o.ping_ms + LVR_TIMEOUT_MIN_MS + random_below(&seed, 5000);
		}
		len = lvr_options_format(&o, line, sizeof(line));
		check(len == (int)strlen(line), "%d bytes: %s", len, line);
		check(!parse_formatted(&again, line) && same(&o, &again), "%s", line);
		lvr_options_format(&again, second, sizeof(second));
		check(!strcmp(line, second), "%s", line);
	}
}

static void the_order_of_words_is_free(void **state)
{
	struct lvr_options a, b;

	(void)state;
	assert_int_equal(parse(&a, "group=db member=0 peer=1 mode=sync", NULL), 0);
	assert_int_equal(parse(&b, "mode=sync peer=1 member=0 group=db", NULL), 0);
	assert_true(same(&a, &b));
}

static void a_short_buffer_is_cut_and_the_length_told(void **state)
{
	struct lvr_options o;
	char whole[256], cut[256];
	u32 bytes, len;

	(void)state;
	assert_int_equal(parse(&o, "group=db member=0 peer=1 listen=[::1]:1 mode=sync", NULL), 0);
	len = lvr_options_format(&o, whole, sizeof(whole));
	assert_int_equal(lvr_options_format(&o, NULL, 0), len);
	for (bytes = 1; bytes <= len + 1; bytes++) {
		memset(cut, 'x', sizeof(cut));
		assert_int_equal(lvr_options_format(&o, cut, bytes), len);
		assert_int_equal(strlen(cut), min(bytes - 1, len));
		assert_memory_equal(cut, whole, min(bytes - 1, len));
		assert_int_equal(cut[bytes], 'x');
	}
}

static const struct {
	const char *line, *says;
} bad_lines[] = {
	{ "", "group is missing" },
	{ "member=0", "group is missing" },
	{ "group=db", "member is missing" },
	{ "group=db member=0 colour=red", "\"colour=red\" is not known" },
	{ "group=db member=0 mode", "\"mode\" is not known" },
	{ "group=db member=0 =sync", "\"=sync\" is not known" },
	{ "group=db member=0 MODE=sync", "not known" },
	{ "group=db member=0 mod=sync", "not known" },
	{ "group=db member=0 modes=sync", "not known" },
	{ "group=db member=0 =", "not known" },
	{ "group=db member=0 mode=sync mode=sync", "mode is given twice" },
	{ "group=db group=db member=0", "group is given twice" },
	{ "group= member=0", "group is \"\", expected letters" },
	{ "group=-db member=0", "group is \"-db\"" },
	{ "group=../x member=0", "group is \"../x\"" },
	{ "group=a=b member=0", "group is \"a=b\"" },
	{ "group=%s%n member=0", "group is \"%s%n\"" },
	{ "group=01234567890123456789012345678901 member=0", "up to 31" },
	{ "group=db member=8", "member is \"8\", expected a number from 0 to 7" },
	{ "group=db member=-1", "member is \"-1\"" },
	{ "group=db member=+1", "member is \"+1\"" },
	{ "group=db member=0x1", "member is \"0x1\"" },
	{ "group=db member=1.0", "member is" },
	{ "group=db member=", "member is \"\"" },
	{ "group=db member=4294967296", "member is" },
	{ "group=db member=18446744073709551616", "member is" },
	{ "group=db member=0 peer=8", "peer is \"8\"" },
	{ "group=db member=1 peer=1", "peer and member are both 1" },
	{ "group=db member=0 connect=10.0.0.1:1", "connect is given without peer" },
	{ "group=db member=0 listen=10.0.0.1:1", "listen is given without peer" },
	{ "group=db member=0 peer=1 connect=10.0.0.1:1 listen=10.0.0.1:1", "both given" },
	{ "group=db member=0 peer=1 connect=host:1", "\"host:1\" is no address: expected 10.0.0.1:7794 or [fd00::1]:7794; names are not looked up" },
	{ "group=db member=0 peer=1 connect=", "\"\" is no address" },
	{ "group=db member=0 auth=psk1", "auth is \"psk1\", expected psk|none" },
	{ "group=db member=0 auth=", "auth is \"\"" },
	{ "group=db member=0 mode=Sync", "mode is \"Sync\", expected async|sync" },
	{ "group=db member=0 on-disconnect=sync", "expected async|block" },
	{ "group=db member=0 on-full=async", "expected block|detach" },
	{ "group=db member=0 start-primary=yes", "expected confirm|at-once" },
	{ "group=db member=0 stage-mib=3", "stage-mib is \"3\", expected a number from 4 to 4096" },
	{ "group=db member=0 stage-mib=4097", "expected a number from 4 to 4096" },
	{ "group=db member=0 ping-ms=99", "expected a number from 100 to 60000" },
	{ "group=db member=0 ping-ms=60001", "expected a number from 100 to 60000" },
	{ "group=db member=0 timeout-ms=499", "expected a number from 500 to 600000" },
	{ "group=db member=0 timeout-ms=600001", "expected a number from 500 to 600000" },
	{ "group=db member=0 timeout-ms=1000", "more than ping-ms, which is 1000" },
	{ "group=db member=0 ping-ms=6000", "timeout-ms is 6000" },
};

static void nasty_lines_are_refused_with_a_reason(void **state)
{
	struct lvr_options o;
	struct lvr_err err;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad_lines); i++) {
		check(parse(&o, bad_lines[i].line, &err) == -EINVAL, "\"%s\"", bad_lines[i].line);
		check(strstr(err.text, bad_lines[i].says), "\"%s\": \"%s\" does not say \"%s\"",
		      bad_lines[i].line, err.text, bad_lines[i].says);
	}
}

static void a_word_without_end_does_no_harm(void **state)
{
	char *long_word = must_alloc(5000), *words[3] = { "group=db", "member=0", long_word };
	static const char *const keys[] = { "", "group=", "connect=", "mode=", "stage-mib=" };
	struct lvr_options o;
	struct lvr_err err;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		memset(long_word, '1', 4999);
		memcpy(long_word, keys[i], strlen(keys[i]));
		assert_int_equal(lvr_options_parse(&o, 3, words, &err), -EINVAL);
		assert_true(strlen(err.text) < sizeof(err.text) && err.text[0]);
	}
	free(long_word);
}

/* ---------------------------------------------------------------- endpoints */

static const struct {
	const char *text, *formatted;
} endpoints[] = {
	{ "10.0.0.1:7794", "10.0.0.1:7794" },
	{ "0.0.0.0:1", "0.0.0.0:1" },
	{ "255.255.255.255:65535", "255.255.255.255:65535" },
	{ "10.0.0.1", "10.0.0.1:7794" },
	{ "[::]:1", "[::]:1" },
	{ "[::]", "[::]:7794" },
	{ "[::1]:7794", "[::1]:7794" },
	{ "[1::]:7794", "[1::]:7794" },
	{ "[fe80::1]:7794", "[fe80::1]:7794" },
	{ "[FE80::ABCD]:7794", "[fe80::abcd]:7794" },
	{ "[2001:db8:0:0:0:0:0:1]:9", "[2001:db8::1]:9" },
	{ "[2001:0db8:0000:0000:0001:0000:0000:0001]:9", "[2001:db8::1:0:0:1]:9" },
	{ "[1:0:0:2:0:0:0:3]:9", "[1:0:0:2::3]:9" },
	{ "[1:2:3:4:5:6:7:8]:9", "[1:2:3:4:5:6:7:8]:9" },
	{ "[0:2:3:4:5:6:7:8]:9", "[0:2:3:4:5:6:7:8]:9" },
	{ "[1:2:3:4:5:6:7:0]:9", "[1:2:3:4:5:6:7:0]:9" },
	{ "[1:2:3:0:5:6:7:8]:9", "[1:2:3:0:5:6:7:8]:9" },
	{ "[0:0:3:4:5:6:0:0]:9", "[::3:4:5:6:0:0]:9" },
	{ "[1:2:3:4:5:6::]:9", "[1:2:3:4:5:6::]:9" },
	{ "[::3:4:5:6:7:8]:9", "[::3:4:5:6:7:8]:9" },
	{ "[1::3:4:5:6:7:8]:9", "[1:0:3:4:5:6:7:8]:9" },
};

static const char *const no_endpoints[] = {
	"", ":", ":1", "1", "1.2.3:1", "1.2.3.4.5:1", "1.2.3.256:1", "1.2.3.4:", "1.2.3.4:0",
	"1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4:1x", "1.2.3.4: 1", " 1.2.3.4:1",
	"1.2.3.4 :1", "1..3.4:1", ".1.2.3.4:1", "01.2.3.4:1", "1.2.3.04:1", "1.2.3.4:01",
	"1.2.3.4:99999999999999999999", "4294967297.0.0.1:1", "a.b.c.d:1", "localhost:1",
	"[", "[]", "[]:1", "[:]:1", "[::", "::1", "::1:7794", "[:::]:1", "[1:::2]:1", "[::1::]:1",
	"[1:2:3:4:5:6:7]:1", "[1:2:3:4:5:6:7:8:9]:1", "[1:2:3:4:5:6:7:8::]:1",
	"[::1:2:3:4:5:6:7:8]:1", "[1::2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:]:1", "[:1:2:3:4:5:6:7]:1",
	"[12345::]:1", "[g::]:1", "[1.2.3.4]:1", "[::1.2.3.4]:1", "[fe80::1%eth0]:1", "[::1]1",
	"[::1]:", "[::1]:0", "[::1]:65536", "[::1]x", "[::1", "[::1:", "[1", "[1:", "[ ::1]:1",
};

static void addresses_in_every_form(void **state)
{
	struct lvr_endpoint e, again;
	char text[64];
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(endpoints); i++) {
		int len;

		memset(&e, 0xff, sizeof(e));
		check(!lvr_endpoint_parse(&e, endpoints[i].text, NULL), "%s", endpoints[i].text);
		len = lvr_endpoint_format(&e, text, sizeof(text));
		check(!strcmp(text, endpoints[i].formatted), "%s gives %s", endpoints[i].text, text);
		check(len == (int)strlen(text), "%s", text);
		check(!lvr_endpoint_parse(&again, text, NULL) && !memcmp(&e, &again, sizeof(e)), "%s",
		      text);
	}
	lvr_endpoint_parse(&e, "10.20.30.40:7794", NULL);
	assert_memory_equal(e.addr, "\x0a\x14\x1e\x28\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(e.port, 7794);
	assert_false(e.v6);
	lvr_endpoint_parse(&e, "[fe80::12:3456]:1", NULL);
	assert_memory_equal(e.addr, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\x00\x12\x34\x56", 16);
	assert_true(e.v6);
}

static void what_is_no_address(void **state)
{
	struct lvr_endpoint e;
	struct lvr_err err;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(no_endpoints); i++) {
		/* in a block of its own length: nothing behind it is read */
		char *text = must_alloc(strlen(no_endpoints[i]) + 1);

		strcpy(text, no_endpoints[i]);
		check(lvr_endpoint_parse(&e, text, &err) == -EINVAL, "\"%s\"", text);
		check(strstr(err.text, "expected 10.0.0.1:7794 or [fd00::1]:7794; names"), "%s", err.text);
		free(text);
	}
}

static void any_address_round_trips(void **state)
{
	u64 seed = 2;
	u32 round;

	(void)state;
	for (round = 0; round < 50000; round++) {
		struct lvr_endpoint e, again;
		char text[64];

		random_endpoint(&e, &seed);
		check(lvr_endpoint_format(&e, text, sizeof(text)) < 64, "%s", text);
		check(!lvr_endpoint_parse(&again, text, NULL) && !memcmp(&e, &again, sizeof(e)), "%s",
		      text);
	}
}

/* ----------------------------------------------------- numbers, hex, messages */

static void numbers(void **state)
{
	static const struct {
		const char *text;
		u64 least, greatest;
		int ret;
		u64 n;
	} cases[] = {
		{ "0", 0, U64_MAX, 0, 0 },
		{ "18446744073709551615", 0, U64_MAX, 0, U64_MAX },
		{ "18446744073709551616", 0, U64_MAX, -ERANGE, 0 },
		{ "18446744073709551620", 0, U64_MAX, -ERANGE, 0 },
		{ "99999999999999999999", 0, U64_MAX, -ERANGE, 0 },
		{ "184467440737095516150", 0, U64_MAX, -ERANGE, 0 },
		{ "9223372036854775808", 0, U64_MAX, 0, 1ull << 63 },
		{ "5", 5, 5, 0, 5 }, { "4", 5, 5, -ERANGE, 0 }, { "6", 5, 5, -ERANGE, 0 },
		{ "007", 0, 10, 0, 7 },
		{ "", 0, 10, -EINVAL, 0 }, { " 1", 0, 10, -EINVAL, 0 }, { "1 ", 0, 10, -EINVAL, 0 },
		{ "-1", 0, 10, -EINVAL, 0 }, { "+1", 0, 10, -EINVAL, 0 }, { "1\n", 0, 10, -EINVAL, 0 },
		{ "0x1", 0, 10, -EINVAL, 0 }, { "1e1", 0, 100, -EINVAL, 0 }, { "/", 0, 10, -EINVAL, 0 },
		{ ":", 0, 10, -EINVAL, 0 }, { "\xb2", 0, 10, -EINVAL, 0 },
	};
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 n = 77;

		check(lvr_u64_parse(cases[i].text, cases[i].least, cases[i].greatest, &n) ==
		      cases[i].ret, "\"%s\"", cases[i].text);
		check(n == (cases[i].ret ? 77 : cases[i].n), "\"%s\" gives %llu", cases[i].text, n);
	}
}

static void hex(void **state)
{
	u8 to[5] = { 1, 2, 3, 4, 0x55 };
	u32 c;

	(void)state;
	assert_int_equal(lvr_hex_parse("00fFa5", to, 4), 3);
	assert_memory_equal(to, "\x00\xff\xa5\x04\x55", 5);
	assert_int_equal(lvr_hex_parse("01234567", to, 4), 4);
	assert_memory_equal(to, "\x01\x23\x45\x67\x55", 5);
	assert_int_equal(lvr_hex_parse("0123456789", to, 4), -EINVAL);
	assert_int_equal(to[4], 0x55);
	assert_int_equal(lvr_hex_parse("", to, 4), -EINVAL);
	assert_int_equal(lvr_hex_parse("1", to, 4), -EINVAL);
	assert_int_equal(lvr_hex_parse("123", to, 4), -EINVAL);
	assert_int_equal(lvr_hex_parse("0x12", to, 4), -EINVAL);
	assert_int_equal(lvr_hex_parse("12 ", to, 4), -EINVAL);
	assert_int_equal(lvr_hex_parse("12", to, 0), -EINVAL);
	for (c = 1; c < 256; c++) {
		char text[3] = { '0', c, 0 };

		check((lvr_hex_parse(text, to, 4) == 1) == !!strchr("0123456789abcdefABCDEF", c), "%u",
		      c);
	}
}

static void messages(void **state)
{
	static const char *const verbs[] = {
#define X(sym, verb, args, doc) verb,
		LVR_MESSAGES(X)
#undef X
	};
	u32 i, j;

	(void)state;
	for (i = 0; i < LVR_MSG_COUNT; i++) {
		const char *usage = lvr_message_usage(i);

		assert_int_equal(lvr_message_parse(verbs[i]), i);
		check(!strncmp(usage, verbs[i], strlen(verbs[i])) &&
		      (!usage[strlen(verbs[i])] || usage[strlen(verbs[i])] == ' ') &&
		      usage[strlen(usage) - 1] != ' ', "\"%s\"", usage);
		for (j = 0; j < i; j++)
			assert_string_not_equal(verbs[i], verbs[j]);
	}
	assert_string_equal(lvr_message_usage(LVR_MSG_PROMOTE), "promote [force]");
	assert_string_equal(lvr_message_usage(LVR_MSG_DEMOTE), "demote");
	assert_string_equal(lvr_message_usage(LVR_MSG_COUNT), "?");
	assert_int_equal(lvr_message_parse(""), -EINVAL);
	assert_int_equal(lvr_message_parse("promot"), -EINVAL);
	assert_int_equal(lvr_message_parse("promote "), -EINVAL);
	assert_int_equal(lvr_message_parse("Promote"), -EINVAL);
	assert_int_equal(lvr_message_parse("promote force"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shortest_line),
		cmocka_unit_test(the_longest_line),
		cmocka_unit_test(defaults_are_those_of_the_list),
		cmocka_unit_test(any_options_round_trip),
		cmocka_unit_test(the_order_of_words_is_free),
		cmocka_unit_test(a_short_buffer_is_cut_and_the_length_told),
		cmocka_unit_test(nasty_lines_are_refused_with_a_reason),
		cmocka_unit_test(a_word_without_end_does_no_harm),
		cmocka_unit_test(addresses_in_every_form),
		cmocka_unit_test(what_is_no_address),
		cmocka_unit_test(any_address_round_trips),
		cmocka_unit_test(numbers),
		cmocka_unit_test(hex),
		cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
