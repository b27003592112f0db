// SPDX-License-Identifier: GPL-2.0-only
/* The status line of lvr-log, read by key. */
#include <stdlib.h>
#include "core/plan.h"
#include "core/sm.h"
#include "core/table.h"
#include "human.h"
#include "status.h"

/* all others are numbers */
static const u8 kinds[STATUS_COUNT] = {
	[STATUS_group] = STATUS_TEXT,
	[STATUS_role] = STATUS_TEXT,
	[STATUS_state] = STATUS_TEXT,
	[STATUS_reason] = STATUS_TEXT,
	[STATUS_consistent] = STATUS_FLAG,
	[STATUS_generation] = STATUS_TEXT,
	[STATUS_chain] = STATUS_TEXT,
	[STATUS_volumes] = STATUS_TEXT,
	[STATUS_peer] = STATUS_TEXT,
	[STATUS_link] = STATUS_TEXT,
	[STATUS_link_reason] = STATUS_TEXT,
	[STATUS_direction] = STATUS_TEXT,
	[STATUS_mode] = STATUS_TEXT,
	[STATUS_in_sync] = STATUS_FLAG,
	[STATUS_alone] = STATUS_FLAG,
};

static const char *const names[STATUS_COUNT] = {
#define X(name, doc) #name,
	LVR_STATUS_FIELDS(X)
#undef X
};

/**
 * status_name - key of a field
 * @field: the field
 *
 * Return: the key.
 */
const char *status_name(enum status_field field)
{
	return names[field];
}

/**
 * status_kind - type of a field
 * @field: the field
 *
 * Return: the type.
 */
enum status_kind status_kind(enum status_field field)
{
	return kinds[field];
}

static int value_take(struct status *st, enum status_field field, const char *value,
		      struct lvr_err *err)
{
	u64 most = kinds[field] == STATUS_FLAG ? 1 : U64_MAX;

	if (st->text[field]) {
		lvr_err_set(err, "status: %s is there twice", names[field]);
		return -EINVAL;
	}
	if (!strcmp(value, "-"))
		return 0;
	st->text[field] = value;
	if (kinds[field] == STATUS_TEXT)
		return 0;
	if (lvr_u64_parse(value, 0, most, &st->number[field])) {
		lvr_err_set(err, "status: %s: found \"%s\", expected %s", names[field], value,
			    most == 1 ? "0 or 1" : "a number");
		return -EINVAL;
	}
	return 0;
}

/**
 * status_parse - take a status line apart
 * @st: filled in
 * @line: the line as the kernel gave it
 * @err: gets the reason
 *
 * Return: 0 or -EINVAL.
 */
int status_parse(struct status *st, const char *line, struct lvr_err *err)
{
	char *word, *value, *rest;
	u32 field;
	int ret;

	memset(st, 0, sizeof(*st));
	snprintf(st->line, sizeof(st->line), "%s", line);
	for (word = strtok_r(st->line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		value = strchr(word, '=');
		if (!value) {
			lvr_err_set(err, "status: found \"%s\", expected key=value", word);
			return -EINVAL;
		}
		*value++ = 0;
		for (field = 0; field < STATUS_COUNT && strcmp(names[field], word); field++)
			;
		ret = field < STATUS_COUNT ? value_take(st, field, value, err) : 0;
		if (ret)
			return ret;
	}
	if (!st->text[STATUS_role] || !st->text[STATUS_state]) {
		lvr_err_set(err, "status: no role or no state in \"%.80s\"", line);
		return -EINVAL;
	}
	return 0;
}

/**
 * status_state - state of the group
 * @st: the status
 *
 * Return: the state, LVR_GROUP_STATE_COUNT if it is an unknown one.
 */
enum lvr_group_state status_state(const struct status *st)
{
	u32 state;

	for (state = 0; state < LVR_GROUP_STATE_COUNT; state++)
		if (status_is(st, STATUS_state, lvr_group_state_name(state)))
			break;
	return state;
}

/**
 * status_link - state of the link
 * @st: the status
 *
 * Return: the state, LVR_LINK_STATE_COUNT if it is an unknown one.
 */
enum lvr_link_state status_link(const struct status *st)
{
	u32 state;

	for (state = 0; state < LVR_LINK_STATE_COUNT; state++)
		if (status_is(st, STATUS_link, lvr_link_state_name(state)))
			break;
	return state;
}

/**
 * status_serves - whether the volumes serve I/O
 * @st: the status
 *
 * Return: whether they do.
 */
bool status_serves(const struct status *st)
{
	return status_is(st, STATUS_role, "primary") && status_state(st) == LVR_GROUP_ACTIVE;
}

/**
 * status_connected - whether the link has a peer that it agrees with
 * @st: the status
 *
 * Return: whether it has.
 */
bool status_connected(const struct status *st)
{
	switch (status_link(st)) {
	case LVR_LINK_IDLE:
	case LVR_LINK_CATCHING_UP:
	case LVR_LINK_STREAMING:
	case LVR_LINK_SYNCING:
		return true;
	default:
		return false;
	}
}

/**
 * status_peer - name of the peer
 * @st: the status
 *
 * Return: the name, "-" if there is none.
 */
const char *status_peer(const struct status *st)
{
	const char *peer = strchr(status_text(st, STATUS_peer), ':');

	return peer && peer[1] ? peer + 1 : "-";
}

/**
 * status_refused - whether the handshake refused for a reason
 * @st: the status
 * @refusal: the reason
 *
 * The reason of a refused link begins with the names of all: "a,b" or "a,b:_words".
 *
 * Return: whether the link is refused, for that among others.
 */
bool status_refused(const struct status *st, enum lvr_refusal refusal)
{
	const char *at = status_text(st, STATUS_link_reason), *name = lvr_refusal_name(refusal);
	size_t length;

	for (; status_link(st) == LVR_LINK_REFUSED; at += length + 1) {
		length = strcspn(at, ",:");
		if (length == strlen(name) && !memcmp(at, name, length))
			return true;
		if (at[length] != ',')
			break;
	}
	return false;
}

/**
 * status_split - whether both nodes hold writes that the other lacks
 * @st: the status
 *
 * Return: whether the handshake said so.
 */
bool status_split(const struct status *st)
{
	return status_refused(st, LVR_REFUSE_BOTH_PRIMARY) || status_refused(st, LVR_REFUSE_DIVERGED);
}

/**
 * status_hands_over - whether the last record hands over to the peer
 * @st: the status
 *
 * Return: whether it does; the peer need not hold it yet.
 */
bool status_hands_over(const struct status *st)
{
	return st->text[STATUS_handover] && st->text[STATUS_peer] &&
	       st->number[STATUS_handover] == strtoull(st->text[STATUS_peer], NULL, 10);
}

/**
 * status_orphans - tell which records are orphans
 * @st: the status, which has some
 * @to: buffer
 *
 * Return: @to.
 */
char *status_orphans(const struct status *st, char to[STATUS_ORPHANS_BYTES])
{
	u64 first = st->number[STATUS_orphan_first], count = st->number[STATUS_orphan_records];
	char size[HUMAN_BYTES];
	int at;

	at = sprintf(to, "%llu records", count);
	if (st->text[STATUS_orphan_first])
		at += sprintf(to + at, ", %llu..%llu", first, first + count - 1);
	sprintf(to + at, ", %s", human_bytes(size, st->number[STATUS_orphan_bytes]));
	return to;
}
