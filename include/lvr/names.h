/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every vocabulary of LVR, each one list, from which enums, names, parsers,
 * status lines, completion and documents derive.
 */
#ifndef LVR_NAMES_H
#define LVR_NAMES_H

#define LVR_TARGET_GROUP	"lvr-log"
#define LVR_TARGET_VOLUME	"lvr"
#define LVR_DM_UUID_PREFIX	"LVR-"

#define LVR_ROLES(X)							\
	X(SECONDARY,	"secondary")					\
	X(PRIMARY,	"primary")

/* state of a group on this node */
#define LVR_GROUP_STATES(X)						\
	X(RECOVERING,	"recovering",	"reading the log back after a start")	\
	X(WAITING,	"waiting",	"volumes of the group are not loaded yet")	\
	X(REPLAYING,	"replaying",	"writing what the log holds to the volumes")	\
	X(UNCONFIRMED,	"unconfirmed",	"ended as primary; I/O held until a peer or the operator confirms")	\
	X(STANDBY,	"standby",	"secondary; the volumes refuse I/O")	\
	X(PROMOTING,	"promoting",	"becoming primary; bringing the volumes to the head of the log")	\
	X(ACTIVE,	"active",	"primary; the volumes serve I/O")	\
	X(DEMOTING,	"demoting",	"handing over; no new I/O is taken")	\
	X(FAILED,	"failed",	"the log device failed; writes are refused")	\
	X(STOPPING,	"stopping",	"being taken down")

#define LVR_GROUP_EVENTS(X)						\
	X(SCANNED,	"scanned")					\
	X(COMPLETE,	"complete")	/* every volume is loaded */	\
	X(REPLAYED_SECONDARY, "replayed-secondary")			\
	X(REPLAYED_UNCONFIRMED, "replayed-unconfirmed")			\
	X(CONFIRM,	"confirm")					\
	X(SUPERSEDE,	"supersede")					\
	X(PROMOTE,	"promote")					\
	X(PROMOTED,	"promoted")					\
	X(DEMOTE,	"demote")					\
	X(DEMOTED,	"demoted")					\
	X(LOG_ERROR,	"log-error")					\
	X(STOP,		"stop")

/* state of the link to a peer */
#define LVR_LINK_STATES(X)						\
	X(STANDALONE,	"standalone",	"disconnected by the operator")	\
	X(WAITING,	"waiting",	"no connection; trying or listening")	\
	X(AUTHENTICATING, "authenticating", "connected; proving the key")	\
	X(HANDSHAKING,	"handshaking",	"comparing histories")		\
	X(IDLE,		"idle",		"connected; both secondary and equal")	\
	X(CATCHING_UP,	"catching-up",	"sending or receiving what was missed")	\
	X(STREAMING,	"streaming",	"up to date")			\
	X(SYNCING,	"syncing",	"full synchronisation")		\
	X(REFUSED,	"refused",	"the handshake found no safe plan")

#define LVR_LINK_EVENTS(X)						\
	X(CONNECT,	"connect")					\
	X(DISCONNECT,	"disconnect")					\
	X(SOCKET,	"socket")	/* a connection is there */	\
	X(AUTHENTICATED, "authenticated")				\
	X(PLAN_IDLE,	"plan-idle")					\
	X(PLAN_STREAM,	"plan-stream")					\
	X(PLAN_SYNC,	"plan-sync")					\
	X(PLAN_REFUSE,	"plan-refuse")					\
	X(CAUGHT_UP,	"caught-up")					\
	X(SYNC_SENT,	"sync-sent")	/* sync ended, the rest is catching up */ \
	X(LOST,		"lost")

#define LVR_DIRECTIONS(X)						\
	X(NONE,		"none")						\
	X(SOURCE,	"source")					\
	X(TARGET,	"target")

/* options of a group's table line: key, default, values or unit */
#define LVR_OPTIONS(X)							\
	X(GROUP,	"group",	"",		"name")		\
	X(MEMBER,	"member",	"",		"0..7")		\
	X(PEER,		"peer",		"",		"0..7")		\
	X(CONNECT,	"connect",	"",		"address:port")	\
	X(LISTEN,	"listen",	"",		"address:port")	\
	X(AUTH,		"auth",		"psk",		"psk|none")	\
	X(MODE,		"mode",		"async",	"async|sync")	\
	X(ON_DISCONNECT, "on-disconnect", "async",	"async|block")	\
	X(ON_FULL,	"on-full",	"block",	"block|detach")	\
	X(START_PRIMARY, "start-primary", "confirm",	"confirm|at-once") \
	X(STAGE_MIB,	"stage-mib",	"64",		"MiB")		\
	X(PING_MS,	"ping-ms",	"1000",		"ms")		\
	X(TIMEOUT_MS,	"timeout-ms",	"6000",		"ms")

/* messages to the group's device: verb, arguments, what it does */
#define LVR_MESSAGES(X)							\
	X(PROMOTE,	"promote",	"[force]",	"become primary")	\
	X(DEMOTE,	"demote",	"",		"hand over to the peer and become secondary")	\
	X(CONNECT,	"connect",	"",		"let the link connect")	\
	X(DISCONNECT,	"disconnect",	"",		"end the link until connect")	\
	X(DISCARD,	"discard",	"",		"let a full sync overwrite this copy")	\
	X(SET_KEY,	"set-key",	"<hex>",	"the shared key of the group")	\
	X(SOCKET,	"socket",	"<fd>",		"use a connected socket of the caller")	\
	X(REASON,	"reason",	"",		"text of the last refusal")

/*
 * Fields of the status line of lvr-log, in order, printed as key=value.
 * Values have no blanks; "-" stands for none. Positions are seqs.
 */
#define LVR_STATUS_FIELDS(X)						\
	X(group,	"name of the group")				\
	X(role,		"primary or secondary")				\
	X(state,	"state of the group")				\
	X(reason,	"why it is in this state, words joined by _")	\
	X(consistent,	"1: the volumes are a prefix of the history; 0: they are not (full sync needed or running)") \
	X(generation,	"id of the current generation, hex")		\
	X(incarnation,	"incarnation of the log; 0: it has not been read back yet") \
	X(head,		"position behind the newest record")		\
	X(written,	"all before it is written to the log")		\
	X(durable,	"all before it is on stable storage")		\
	X(destaged,	"all before it is on the volumes")		\
	X(checkpoint,	"all before it is on stable storage of the volumes") \
	X(tail,		"oldest position still in the log")		\
	X(data,		"position behind the newest record that changes a volume; 0: the log held none, and none came") \
	X(chain,	"running hash at head, hex")			\
	X(handover,	"member to which the last record hands over; - none") \
	X(ring_bytes,	"size of the ring")				\
	X(used_bytes,	"of it in use")					\
	X(stage_bytes,	"memory for staged pages")			\
	X(stage_used_bytes, "of it in use")				\
	X(deferred,	"I/Os that wait for log space, memory or the role; not those that wait for the peer") \
	X(volumes,	"loaded/configured volumes")			\
	X(peer,		"member id and name of the peer, id:name")	\
	X(link,		"state of the link")				\
	X(link_reason,	"why the link is in this state")		\
	X(direction,	"source, target or none")			\
	X(mode,		"async or sync")				\
	X(in_sync,	"1: every acknowledged write is durable at the peer now") \
	X(alone,	"1: the primary acknowledges writes that the other need not hold; 0: it never does") \
	X(sent,		"position sent to the peer")			\
	X(acked,	"position durable at the peer")			\
	X(applied,	"position on the peer's volumes")		\
	X(lag_records,	"head - acked")					\
	X(lag_bytes,	"log bytes from acked to head")			\
	X(lag_ms,	"age of the oldest record that the peer lacks")	\
	X(peer_head,	"last head that the peer announced")		\
	X(peer_durable,	"last durable position that the peer announced") \
	X(seen_ms,	"since the peer was last heard; - never")	\
	X(sync_done_sect, "full sync: sectors done")			\
	X(sync_total_sect, "full sync: sectors in all")			\
	X(orphan_first,	"superseded: position of the first record past the fork; - none") \
	X(orphan_records, "superseded: records written past the fork")	\
	X(orphan_bytes,	"superseded: bytes of them")			\
	X(writes,	"write, discard and write-zeroes records appended") \
	X(write_bytes,	"payload bytes appended")			\
	X(flushes,	"flushes of the log device")			\
	X(chunks,	"chunks appended")				\
	X(absorbed_bytes, "bytes that never had to go to a volume")	\
	X(destaged_bytes, "bytes written to the volumes")		\
	X(connects,	"connections that were authenticated")		\
	X(sync_bytes,	"bytes sent by full syncs")			\
	X(errors,	"I/O errors of log and volumes")

/* counters kept in the superblock, by name in the status line */
#define LVR_COUNTERS(X)							\
	X(writes) X(write_bytes) X(flushes) X(chunks) X(absorbed_bytes)	\
	X(destaged_bytes) X(connects) X(sync_bytes) X(errors)

/* why a handshake ends without a plan; all that apply are told at once */
#define LVR_REFUSALS(X)							\
	X(BOTH_PRIMARY,	"both-primary",	"both nodes are active as primary; `lvrctl demote' one and `connect --discard' it") \
	X(DIVERGED,	"diverged",	"both nodes hold writes that the other lacks; `lvrctl connect --discard' where they are to go, behind `demote' if that is a primary") \
	X(ORPHANS,	"orphans",	"the copy that was superseded holds orphaned writes; `lvrctl connect --discard' there gives them up") \
	X(UNRELATED,	"unrelated",	"the nodes share no history; `lvrctl connect --discard' where the copy is to be overwritten") \
	X(GROUP_UUID,	"group-uuid",	"the group ids differ")		\
	X(MEMBER,	"member",	"the member ids do not fit")	\
	X(VOLUME_MISSING, "volume-missing", "a volume exists on one side only") \
	X(VOLUME_NAME,	"volume-name",	"a volume has different names")	\
	X(VOLUME_SIZE,	"volume-size",	"a volume has different sizes")	\
	X(VOLUME_BLOCK,	"volume-block",	"a volume has different block sizes") \
	X(NO_SOURCE,	"no-source",	"no node has a consistent copy to send") \
	X(CHAIN,	"chain",	"the chains differ at a common position") \
	X(PROTOCOL,	"protocol",	"no common protocol version or feature") \
	X(ASYMMETRIC,	"asymmetric",	"the two nodes reached different plans")

enum lvr_role {
#define X(sym, name) LVR_ROLE_##sym,
	LVR_ROLES(X)
#undef X
	LVR_ROLE_COUNT
};

enum lvr_group_state {
#define X(sym, name, doc) LVR_GROUP_##sym,
	LVR_GROUP_STATES(X)
#undef X
	LVR_GROUP_STATE_COUNT
};

enum lvr_group_event {
#define X(sym, name) LVR_GEV_##sym,
	LVR_GROUP_EVENTS(X)
#undef X
	LVR_GEV_COUNT
};

enum lvr_link_state {
#define X(sym, name, doc) LVR_LINK_##sym,
	LVR_LINK_STATES(X)
#undef X
	LVR_LINK_STATE_COUNT
};

enum lvr_link_event {
#define X(sym, name) LVR_LEV_##sym,
	LVR_LINK_EVENTS(X)
#undef X
	LVR_LEV_COUNT
};

enum lvr_direction {
#define X(sym, name) LVR_DIR_##sym,
	LVR_DIRECTIONS(X)
#undef X
	LVR_DIR_COUNT
};

enum lvr_option {
#define X(sym, key, def, values) LVR_OPT_##sym,
	LVR_OPTIONS(X)
#undef X
	LVR_OPT_COUNT
};

enum lvr_message {
#define X(sym, verb, args, doc) LVR_MSG_##sym,
	LVR_MESSAGES(X)
#undef X
	LVR_MSG_COUNT
};

enum lvr_counter {
#define X(name) LVR_CTR_##name,
	LVR_COUNTERS(X)
#undef X
	LVR_CTR_COUNT
};

enum lvr_refusal {
#define X(sym, name, doc) LVR_REFUSE_##sym,
	LVR_REFUSALS(X)
#undef X
	LVR_REFUSE_COUNT
};

#endif
