// SPDX-License-Identifier: GPL-2.0-only
/*
 * State tables of group and link. One row is one legal edge; what has no row
 * is refused. An event that is legal in many states has a row for each: a
 * reader of the table, and the diagram made from it, see all there is.
 */
#include "sm.h"

#define G(from, event, to)						\
	{ LVR_GROUP_##from, LVR_GEV_##event, LVR_GROUP_##to }

const struct lvr_sm_edge lvr_group_edges[] = {
	G(RECOVERING,	SCANNED,		WAITING),
	G(WAITING,	COMPLETE,		REPLAYING),
	G(REPLAYING,	REPLAYED_SECONDARY,	STANDBY),
	G(REPLAYING,	REPLAYED_UNCONFIRMED,	UNCONFIRMED),
	G(UNCONFIRMED,	CONFIRM,		PROMOTING),
	G(UNCONFIRMED,	PROMOTE,		PROMOTING),
	G(UNCONFIRMED,	SUPERSEDE,		STANDBY),
	G(UNCONFIRMED,	DEMOTE,			DEMOTING),
	G(STANDBY,	PROMOTE,		PROMOTING),
	G(PROMOTING,	PROMOTED,		ACTIVE),
	G(ACTIVE,	DEMOTE,			DEMOTING),
	G(DEMOTING,	DEMOTED,		STANDBY),

	G(RECOVERING,	LOG_ERROR,		FAILED),
	G(WAITING,	LOG_ERROR,		FAILED),
	G(REPLAYING,	LOG_ERROR,		FAILED),
	G(UNCONFIRMED,	LOG_ERROR,		FAILED),
	G(STANDBY,	LOG_ERROR,		FAILED),
	G(PROMOTING,	LOG_ERROR,		FAILED),
	G(ACTIVE,	LOG_ERROR,		FAILED),
	G(DEMOTING,	LOG_ERROR,		FAILED),

	G(RECOVERING,	STOP,			STOPPING),
	G(WAITING,	STOP,			STOPPING),
	G(REPLAYING,	STOP,			STOPPING),
	G(UNCONFIRMED,	STOP,			STOPPING),
	G(STANDBY,	STOP,			STOPPING),
	G(PROMOTING,	STOP,			STOPPING),
	G(ACTIVE,	STOP,			STOPPING),
	G(DEMOTING,	STOP,			STOPPING),
	G(FAILED,	STOP,			STOPPING),
};

const u32 lvr_group_edge_count = ARRAY_SIZE(lvr_group_edges);

#define L(from, event, to)						\
	{ LVR_LINK_##from, LVR_LEV_##event, LVR_LINK_##to }

const struct lvr_sm_edge lvr_link_edges[] = {
	L(STANDALONE,	CONNECT,	WAITING),
	L(WAITING,	SOCKET,		AUTHENTICATING),
	L(REFUSED,	SOCKET,		AUTHENTICATING),
	L(AUTHENTICATING, AUTHENTICATED, HANDSHAKING),
	L(HANDSHAKING,	PLAN_IDLE,	IDLE),
	L(HANDSHAKING,	PLAN_STREAM,	CATCHING_UP),
	L(HANDSHAKING,	PLAN_SYNC,	SYNCING),
	L(HANDSHAKING,	PLAN_REFUSE,	REFUSED),
	L(CATCHING_UP,	CAUGHT_UP,	STREAMING),
	L(SYNCING,	SYNC_SENT,	CATCHING_UP),

	L(AUTHENTICATING, LOST,		WAITING),
	L(HANDSHAKING,	LOST,		WAITING),
	L(IDLE,		LOST,		WAITING),
	L(CATCHING_UP,	LOST,		WAITING),
	L(STREAMING,	LOST,		WAITING),
	L(SYNCING,	LOST,		WAITING),
	L(REFUSED,	LOST,		REFUSED),	/* so that the reason stays to be read */

	L(WAITING,	DISCONNECT,	STANDALONE),
	L(AUTHENTICATING, DISCONNECT,	STANDALONE),
	L(HANDSHAKING,	DISCONNECT,	STANDALONE),
	L(IDLE,		DISCONNECT,	STANDALONE),
	L(CATCHING_UP,	DISCONNECT,	STANDALONE),
	L(STREAMING,	DISCONNECT,	STANDALONE),
	L(SYNCING,	DISCONNECT,	STANDALONE),
	L(REFUSED,	DISCONNECT,	STANDALONE),
};

const u32 lvr_link_edge_count = ARRAY_SIZE(lvr_link_edges);

static const struct lvr_sm_edge *edge_find(const struct lvr_sm_edge *edges, u32 count,
					   u8 state, u8 event)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (edges[i].from == state && edges[i].event == event)
			return &edges[i];
	return NULL;
}

/**
 * lvr_group_next - where an event leads a group
 * @state: enum lvr_group_state
 * @event: enum lvr_group_event
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: the next state, or -EINVAL: illegal here.
 */
int lvr_group_next(u8 state, u8 event, struct lvr_err *err)
{
	const struct lvr_sm_edge *e = edge_find(lvr_group_edges, lvr_group_edge_count, state,
						event);

	if (e)
		return e->to;
	lvr_err_set(err, "event %s is illegal in state %s", lvr_group_event_name(event),
		    lvr_group_state_name(state));
	return -EINVAL;
}

/**
 * lvr_link_next - where an event leads a link
 * @state: enum lvr_link_state
 * @event: enum lvr_link_event
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: the next state, or -EINVAL: illegal here.
 */
int lvr_link_next(u8 state, u8 event, struct lvr_err *err)
{
	const struct lvr_sm_edge *e = edge_find(lvr_link_edges, lvr_link_edge_count, state, event);

	if (e)
		return e->to;
	lvr_err_set(err, "event %s is illegal in state %s", lvr_link_event_name(event),
		    lvr_link_state_name(state));
	return -EINVAL;
}

static const char *word(const char *const *words, u32 count, u8 i)
{
	return i < count ? words[i] : "?";
}

#define WORDS(array, i)	word(array, ARRAY_SIZE(array), i)

/**
 * lvr_group_state_name - name of a group's state
 * @state: enum lvr_group_state, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_group_state_name(u8 state)
{
	static const char *const names[] = {
#define X(sym, name, doc) name,
		LVR_GROUP_STATES(X)
#undef X
	};

	return WORDS(names, state);
}

/**
 * lvr_group_state_doc - what a group's state means
 * @state: enum lvr_group_state, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_group_state_doc(u8 state)
{
	static const char *const docs[] = {
#define X(sym, name, doc) doc,
		LVR_GROUP_STATES(X)
#undef X
	};

	return WORDS(docs, state);
}

/**
 * lvr_group_event_name - name of a group's event
 * @event: enum lvr_group_event, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_group_event_name(u8 event)
{
	static const char *const names[] = {
#define X(sym, name) name,
		LVR_GROUP_EVENTS(X)
#undef X
	};

	return WORDS(names, event);
}

/**
 * lvr_link_state_name - name of a link's state
 * @state: enum lvr_link_state, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_link_state_name(u8 state)
{
	static const char *const names[] = {
#define X(sym, name, doc) name,
		LVR_LINK_STATES(X)
#undef X
	};

	return WORDS(names, state);
}

/**
 * lvr_link_state_doc - what a link's state means
 * @state: enum lvr_link_state, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_link_state_doc(u8 state)
{
	static const char *const docs[] = {
#define X(sym, name, doc) doc,
		LVR_LINK_STATES(X)
#undef X
	};

	return WORDS(docs, state);
}

/**
 * lvr_link_event_name - name of a link's event
 * @event: enum lvr_link_event, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_link_event_name(u8 event)
{
	static const char *const names[] = {
#define X(sym, name) name,
		LVR_LINK_EVENTS(X)
#undef X
	};

	return WORDS(names, event);
}

/**
 * lvr_role_name - name of a role
 * @role: enum lvr_role, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_role_name(u8 role)
{
	static const char *const names[] = {
#define X(sym, name) name,
		LVR_ROLES(X)
#undef X
	};

	return WORDS(names, role);
}

/**
 * lvr_direction_name - name of a link's direction
 * @direction: enum lvr_direction, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_direction_name(u8 direction)
{
	static const char *const names[] = {
#define X(sym, name) name,
		LVR_DIRECTIONS(X)
#undef X
	};

	return WORDS(names, direction);
}
