// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table lines and messages.
 *
 * A line that was formatted is parsed to the same options and formats to the
 * same line; device-mapper tools rely on that (dmsetup table | dmsetup load).
 * A word that is not understood is refused before anything is done.
 */
#include "table.h"
#include "codec.h"
#include "super.h"

static const char *const option_keys[] = {
#define X(sym, key, def, values) key,
	LVR_OPTIONS(X)
#undef X
};

static const char *const option_values[] = {
#define X(sym, key, def, values) values,
	LVR_OPTIONS(X)
#undef X
};

/**
 * lvr_u64_parse - read a decimal number
 * @text: the whole of it must be the number
 * @least: smallest that is accepted
 * @greatest: greatest that is accepted
 * @out: the number; not touched unless 0 is returned
 *
 * Any context, does not sleep.
 *
 * Return: 0; -EINVAL not a number; -ERANGE out of range.
 */
int lvr_u64_parse(const char *text, u64 least, u64 greatest, u64 *out)
{
	u64 n = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		u8 digit = *text - '0';

		if (digit > 9)
			return -EINVAL;
		if (n > (U64_MAX - digit) / 10)
			return -ERANGE;
		n = n * 10 + digit;
	}
	if (n < least || n > greatest)
		return -ERANGE;
	*out = n;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -EINVAL;
}

/**
 * lvr_hex_parse - read bytes written as pairs of hex digits
 * @text: the whole of it
 * @to: @max_bytes long; may be partly written on error
 * @max_bytes: room in @to
 *
 * Any context, does not sleep.
 *
 * Return: how many bytes, at least 1, or -EINVAL.
 */
int lvr_hex_parse(const char *text, u8 *to, u32 max_bytes)
{
	u32 bytes = 0;

	while (*text) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? high : hex_digit(text[1]);

		if (high < 0 || low < 0 || bytes >= max_bytes)
			return -EINVAL;
		to[bytes++] = high << 4 | low;
		text += 2;
	}
	return bytes ? (int)bytes : -EINVAL;
}

/* ---------------------------------------------------------------- endpoints */

/* a number up to greatest, without leading zeroes; *text moves behind it */
static int number_at(const char **text, u32 greatest, u32 *out)
{
	const char *p = *text;
	u32 n = 0;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return -EINVAL;
	while (*p >= '0' && *p <= '9') {
		n = n * 10 + (*p++ - '0');
		if (n > greatest)
			return -EINVAL;
	}
	*text = p;
	*out = n;
	return 0;
}

static int ipv4_at(const char **text, u8 addr[4])
{
	u32 i, n;

	for (i = 0; i < 4; i++) {
		if (i && *(*text)++ != '.')
			return -EINVAL;
		if (number_at(text, 255, &n))
			return -EINVAL;
		addr[i] = n;
	}
	return 0;
}

/* up to the closing bracket; groups of up to four hex digits, one :: */
static int ipv6_at(const char **text, u8 addr[16])
{
	const char *p = *text;
	u32 bytes = 0, gap_at = 17, digits, group;
	u32 i;

	memset(addr, 0, 16);
	if (p[0] == ':') {
		if (p[1] != ':')
			return -EINVAL;
		gap_at = 0;
		p += 2;
	}
	while (*p != ']') {
		if (bytes == 16)
			return -EINVAL;
		for (digits = 0, group = 0; digits < 4 && hex_digit(*p) >= 0; digits++)
			group = group << 4 | hex_digit(*p++);
		if (!digits || hex_digit(*p) >= 0)
			return -EINVAL;
		addr[bytes++] = group >> 8;
		addr[bytes++] = group;
		if (*p == ']')
			break;
		if (*p++ != ':')
			return -EINVAL;
		if (*p == ':') {
			if (gap_at <= 16)
				return -EINVAL;
			gap_at = bytes;
			p++;
		} else if (*p == ']') {
			return -EINVAL;
		}
	}
	if (gap_at <= 16 ? bytes > 14 : bytes != 16)
		return -EINVAL;
	if (gap_at <= 16) {
		u32 behind = bytes - gap_at;

		for (i = 0; i < behind; i++)
			addr[15 - i] = addr[bytes - 1 - i];
		memset(addr + gap_at, 0, 16 - behind - gap_at);
	}
	*text = p;
	return 0;
}

/**
 * lvr_endpoint_parse - read an address and a port
 * @e: is filled; undefined unless 0 is returned
 * @text: the whole of it: 10.0.0.1:7794 or [fd00::1]:7794, the port may be left out
 * @err: reason, may be NULL
 *
 * No names, no zones. Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_endpoint_parse(struct lvr_endpoint *e, const char *text, struct lvr_err *err)
{
	const char *p = text;
	u32 port = LVR_DEFAULT_PORT;
	int ret;

	memset(e, 0, sizeof(*e));
	e->v6 = *p == '[';
	if (e->v6) {
		p++;
		ret = ipv6_at(&p, e->addr);
		if (!ret)
			p++;
	} else {
		ret = ipv4_at(&p, e->addr);
	}
	if (!ret && *p == ':') {
		p++;
		ret = number_at(&p, 65535, &port);
	}
	if (ret || *p || !port) {
		lvr_err_set(err, "\"%.80s\" is no address: expected 10.0.0.1:7794 or [fd00::1]:7794; names are not looked up",
			    text);
		return -EINVAL;
	}
	e->port = port;
	return 0;
}

/* the longest run of two or more zero groups, the first of equal ones */
static u32 longest_gap(const u8 addr[16], u32 *groups)
{
	u32 best = 0, at = 8, i, run;

	for (i = 0; i < 8; i += run + 1) {
		for (run = 0; i + run < 8 && !addr[2 * (i + run)] && !addr[2 * (i + run) + 1]; )
			run++;
		if (run >= 2 && run > best) {
			best = run;
			at = i;
		}
	}
	*groups = best;
	return at;
}

/**
 * lvr_endpoint_format - write an address and a port
 * @e: what
 * @buf: where, terminated if @bytes is not 0
 * @bytes: room
 *
 * Any context, does not sleep.
 *
 * Return: bytes written, or needed if that is more, without the NUL.
 */
int lvr_endpoint_format(const struct lvr_endpoint *e, char *buf, u32 bytes)
{
	u32 at = 0, gap_at, gap_groups, i;

	if (!e->v6) {
		lvr_text_add(buf, bytes, &at, "%u.%u.%u.%u:%u", e->addr[0], e->addr[1],
			     e->addr[2], e->addr[3], e->port);
		return at;
	}
	gap_at = longest_gap(e->addr, &gap_groups);
	lvr_text_add(buf, bytes, &at, "[");
	for (i = 0; i < 8; ) {
		if (i == gap_at) {
			lvr_text_add(buf, bytes, &at, "::");
			i += gap_groups;
			continue;
		}
		lvr_text_add(buf, bytes, &at, "%s%x", i && i != gap_at + gap_groups ? ":" : "",
			     e->addr[2 * i] << 8 | e->addr[2 * i + 1]);
		i++;
	}
	lvr_text_add(buf, bytes, &at, "]:%u", e->port);
	return at;
}

/* ------------------------------------------------------------------ options */

/**
 * lvr_options_default - what holds where a line says nothing
 * @o: is filled
 *
 * Any context, does not sleep.
 */
void lvr_options_default(struct lvr_options *o)
{
	memset(o, 0, sizeof(*o));
	o->member = LVR_MAX_MEMBERS;
	o->peer = LVR_MAX_MEMBERS;
	o->auth_psk = true;
	o->stage_mib = LVR_STAGE_DEFAULT_MIB;
	o->ping_ms = LVR_PING_DEFAULT_MS;
	o->timeout_ms = LVR_TIMEOUT_DEFAULT_MS;
}

static int parse_u32(enum lvr_option opt, const char *value, u32 least, u32 greatest, u32 *out,
		     struct lvr_err *err)
{
	u64 n;

	if (lvr_u64_parse(value, least, greatest, &n)) {
		lvr_err_set(err, "%s is \"%.40s\", expected a number from %u to %u",
			    option_keys[opt], value, least, greatest);
		return -EINVAL;
	}
	*out = n;
	return 0;
}

static int parse_choice(enum lvr_option opt, const char *value, const char *no, const char *yes,
			bool *out, struct lvr_err *err)
{
	if (strcmp(value, no) && strcmp(value, yes)) {
		lvr_err_set(err, "%s is \"%.40s\", expected %s", option_keys[opt], value,
			    option_values[opt]);
		return -EINVAL;
	}
	*out = !strcmp(value, yes);
	return 0;
}

static int parse_option(struct lvr_options *o, enum lvr_option opt, const char *value,
			struct lvr_err *err)
{
	switch (opt) {
	case LVR_OPT_GROUP:
		if (!lvr_name_ok(value, LVR_NAME_BYTES)) {
			lvr_err_set(err, "group is \"%.40s\", expected letters, digits and _.+-, up to %u",
				    value, LVR_NAME_BYTES - 1);
			return -EINVAL;
		}
		lvr_name_copy(o->group, value);
		return 0;
	case LVR_OPT_MEMBER:
		return parse_u32(opt, value, 0, LVR_MAX_MEMBERS - 1, &o->member, err);
	case LVR_OPT_PEER:
		return parse_u32(opt, value, 0, LVR_MAX_MEMBERS - 1, &o->peer, err);
	case LVR_OPT_CONNECT:
		return lvr_endpoint_parse(&o->connect, value, err);
	case LVR_OPT_LISTEN:
		return lvr_endpoint_parse(&o->listen, value, err);
	case LVR_OPT_AUTH:
		return parse_choice(opt, value, "none", "psk", &o->auth_psk, err);
	case LVR_OPT_MODE:
		return parse_choice(opt, value, "async", "sync", &o->sync, err);
	case LVR_OPT_ON_DISCONNECT:
		return parse_choice(opt, value, "async", "block", &o->block_on_disconnect, err);
	case LVR_OPT_ON_FULL:
		return parse_choice(opt, value, "block", "detach", &o->detach_on_full, err);
	case LVR_OPT_START_PRIMARY:
		return parse_choice(opt, value, "confirm", "at-once", &o->start_at_once, err);
	case LVR_OPT_STAGE_MIB:
		return parse_u32(opt, value, LVR_STAGE_MIN_MIB, LVR_STAGE_MAX_MIB, &o->stage_mib,
				 err);
	case LVR_OPT_PING_MS:
		return parse_u32(opt, value, LVR_PING_MIN_MS, LVR_PING_MAX_MS, &o->ping_ms, err);
	case LVR_OPT_TIMEOUT_MS:
		return parse_u32(opt, value, LVR_TIMEOUT_MIN_MS, LVR_TIMEOUT_MAX_MS,
				 &o->timeout_ms, err);
	case LVR_OPT_COUNT:
		break;
	}
	return -EINVAL;
}

static int check_options(const struct lvr_options *o, struct lvr_err *err)
{
	if (!o->group[0]) {
		lvr_err_set(err, "group is missing");
		return -EINVAL;
	}
	if (o->member >= LVR_MAX_MEMBERS) {
		lvr_err_set(err, "member is missing");
		return -EINVAL;
	}
	if (o->peer == o->member) {
		lvr_err_set(err, "peer and member are both %u", o->member);
		return -EINVAL;
	}
	if (o->connect.port && o->listen.port) {
		lvr_err_set(err, "connect and listen are both given, expected one of them");
		return -EINVAL;
	}
	if (o->peer == LVR_MAX_MEMBERS && (o->connect.port || o->listen.port)) {
		lvr_err_set(err, "%s is given without peer",
			    o->connect.port ? "connect" : "listen");
		return -EINVAL;
	}
	if (o->timeout_ms <= o->ping_ms) {
		lvr_err_set(err, "timeout-ms is %u, expected more than ping-ms, which is %u",
			    o->timeout_ms, o->ping_ms);
		return -EINVAL;
	}
	return 0;
}

/* the option whose key ends at the first '=', or -EINVAL */
static int option_of(const char *word, const char **value)
{
	u32 i, len;

	for (len = 0; word[len] && word[len] != '='; )
		len++;
	if (!word[len])
		return -EINVAL;
	for (i = 0; i < LVR_OPT_COUNT; i++) {
		if (strlen(option_keys[i]) == len && !memcmp(option_keys[i], word, len)) {
			*value = word + len + 1;
			return i;
		}
	}
	return -EINVAL;
}

/**
 * lvr_options_parse - read the options of a group's table line
 * @o: is filled; undefined unless 0 is returned
 * @argc: how many words
 * @argv: the words, key=value each
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_options_parse(struct lvr_options *o, u32 argc, char **argv, struct lvr_err *err)
{
	u32 seen = 0, i;

	lvr_options_default(o);
	for (i = 0; i < argc; i++) {
		const char *value;
		int opt = option_of(argv[i], &value);
		int ret;

		if (opt < 0) {
			lvr_err_set(err, "option \"%.80s\" is not known, expected key=value",
				    argv[i]);
			return -EINVAL;
		}
		if (seen & 1u << opt) {
			lvr_err_set(err, "%s is given twice", option_keys[opt]);
			return -EINVAL;
		}
		seen |= 1u << opt;
		ret = parse_option(o, opt, value, err);
		if (ret)
			return ret;
	}
	return check_options(o, err);
}

/* the value of an option that differs from its default; false: it does not */
static bool format_option(const struct lvr_options *o, enum lvr_option opt, char *buf, u32 bytes)
{
	struct lvr_options def;

	lvr_options_default(&def);
	switch (opt) {
	case LVR_OPT_GROUP:
		snprintf(buf, bytes, "%.*s", LVR_NAME_BYTES, o->group);
		return true;
	case LVR_OPT_MEMBER:
		snprintf(buf, bytes, "%u", o->member);
		return true;
	case LVR_OPT_PEER:
		snprintf(buf, bytes, "%u", o->peer);
		return o->peer != def.peer;
	case LVR_OPT_CONNECT:
		lvr_endpoint_format(&o->connect, buf, bytes);
		return o->connect.port;
	case LVR_OPT_LISTEN:
		lvr_endpoint_format(&o->listen, buf, bytes);
		return o->listen.port;
	case LVR_OPT_AUTH:
		snprintf(buf, bytes, "%s", o->auth_psk ? "psk" : "none");
		return o->auth_psk != def.auth_psk;
	case LVR_OPT_MODE:
		snprintf(buf, bytes, "%s", o->sync ? "sync" : "async");
		return o->sync != def.sync;
	case LVR_OPT_ON_DISCONNECT:
		snprintf(buf, bytes, "%s", o->block_on_disconnect ? "block" : "async");
		return o->block_on_disconnect != def.block_on_disconnect;
	case LVR_OPT_ON_FULL:
		snprintf(buf, bytes, "%s", o->detach_on_full ? "detach" : "block");
		return o->detach_on_full != def.detach_on_full;
	case LVR_OPT_START_PRIMARY:
		snprintf(buf, bytes, "%s", o->start_at_once ? "at-once" : "confirm");
		return o->start_at_once != def.start_at_once;
	case LVR_OPT_STAGE_MIB:
		snprintf(buf, bytes, "%u", o->stage_mib);
		return o->stage_mib != def.stage_mib;
	case LVR_OPT_PING_MS:
		snprintf(buf, bytes, "%u", o->ping_ms);
		return o->ping_ms != def.ping_ms;
	case LVR_OPT_TIMEOUT_MS:
		snprintf(buf, bytes, "%u", o->timeout_ms);
		return o->timeout_ms != def.timeout_ms;
	case LVR_OPT_COUNT:
		break;
	}
	return false;
}

/**
 * lvr_options_format - write the options of a group's table line
 * @o: what
 * @buf: where, terminated if @bytes is not 0
 * @bytes: room
 *
 * Any context, does not sleep.
 *
 * Return: bytes written, or needed if that is more, without the NUL.
 */
int lvr_options_format(const struct lvr_options *o, char *buf, u32 bytes)
{
	char value[64];
	u32 count = 0, at = 0, opt;

	for (opt = 0; opt < LVR_OPT_COUNT; opt++)
		count += format_option(o, opt, value, sizeof(value));
	lvr_text_add(buf, bytes, &at, "%u", count);
	for (opt = 0; opt < LVR_OPT_COUNT; opt++)
		if (format_option(o, opt, value, sizeof(value)))
			lvr_text_add(buf, bytes, &at, " %s=%s", option_keys[opt], value);
	return at;
}

/* ----------------------------------------------------------------- messages */

/**
 * lvr_message_parse - which message a verb is
 * @verb: the whole word
 *
 * Any context, does not sleep.
 *
 * Return: enum lvr_message, or -EINVAL.
 */
int lvr_message_parse(const char *verb)
{
	static const char *const verbs[] = {
#define X(sym, verb, args, doc) verb,
		LVR_MESSAGES(X)
#undef X
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i], verb))
			return i;
	return -EINVAL;
}

/**
 * lvr_message_usage - how a message is written
 * @message: enum lvr_message, may be out of range
 *
 * Any context, does not sleep.
 *
 * Return: a constant string, verb and arguments; "?" if unknown.
 */
const char *lvr_message_usage(u32 message)
{
	static const char *const usages[] = {
#define X(sym, verb, args, doc) sizeof(args) > 1 ? verb " " args : verb,
		LVR_MESSAGES(X)
#undef X
	};

	return message < ARRAY_SIZE(usages) ? usages[message] : "?";
}
