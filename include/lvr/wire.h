/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What goes over a connection. Every message is one frame header followed
 * by payload_bytes. Before authentication only HELLO and AUTH are taken,
 * into one small buffer.
 *
 *   connector                         listener
 *   HELLO  ------------------------->
 *          <-------------------------  HELLO
 *   AUTH   ------------------------->          mac over both hellos
 *          <-------------------------  AUTH
 *   STATE  <------------------------>  STATE   what each knows
 *   LOOKUP <------------------------>  LOOKUP  chain at the common position
 *   VERDICT<------------------------>  VERDICT the plan, must mirror
 *   then source -> target: CHUNK...   target -> source: ACK...   both: PING
 */
#ifndef LVR_WIRE_H
#define LVR_WIRE_H

#include <linux/types.h>
#include "limits.h"

#define LVR_FRAME_MAGIC		0x4652564cu	/* "LVRF" */
#define LVR_PROTO_MIN		2
#define LVR_PROTO_MAX		2
#define LVR_WIRE_FEATURES	0ull	/* all offered; the intersection holds */
#define LVR_WIRE_REQUIRED	0ull	/* without which we do not speak */

/* type, number, greatest payload_bytes */
#define LVR_FRAME_TYPES(X)						\
	X(HELLO,	1, "hello",	LVR_HELLO_MAX_BYTES)		\
	X(AUTH,		2, "auth",	LVR_MAC_BYTES)			\
	X(STATE,	3, "state",	LVR_STATE_MAX_BYTES)		\
	X(LOOKUP,	4, "lookup",	32)				\
	X(VERDICT,	5, "verdict",	64)				\
	X(CHUNK,	6, "chunk",	LVR_CHUNK_MAX_HEAD_BYTES + LVR_CHUNK_MAX_PAYLOAD_BYTES) \
	X(ACK,		7, "ack",	64)				\
	X(PING,		8, "ping",	0)				\
	X(BYE,		9, "bye",	128)

enum lvr_frame_type {
#define X(sym, num, name, max) LVR_FRAME_##sym = num,
	LVR_FRAME_TYPES(X)
#undef X
};

#define LVR_FRAME_F_URGENT	0x0001	/* CHUNK: a write waits for the durable ack */

struct lvr_wire_frame {
	__le32 magic;
	__le16 type;
	__le16 flags;
	__le64 conn_id;		/* 0 before authentication */
	__le64 serial;		/* counts frames of a direction from 0 */
	__le64 durable_seq;	/* of the sender's own log */
	__le64 head_seq;	/* of the sender's own log */
	__le64 time_ms;		/* sender's wall clock, for display only */
	__le32 payload_bytes;
	__le32 payload_crc;	/* crc32c(~0); CHUNK: of the chunk head alone, the records have hashes */
	__le32 head_crc;	/* crc32c(~0) of this header with head_crc = 0 */
	__le32 reserved;
};

struct lvr_wire_hello {
	__le32 proto_min;
	__le32 proto_max;
	__le64 features;
	__le64 required;
	char group[LVR_NAME_BYTES];
	char name[LVR_NAME_BYTES];	/* of the sending member */
	__le32 member;
	__le32 peer_member;	/* the member it expects to speak to */
	__le32 auth;		/* 0 none, 1 shared key; both must say the same */
	__le32 reserved0;
	__u8 nonce[LVR_NONCE_BYTES];
	__le64 reserved[2];
};

struct lvr_wire_auth {
	__u8 mac[LVR_MAC_BYTES];
};

struct lvr_wire_volume {
	char name[LVR_NAME_BYTES];
	__le64 size_sect;
	__le32 id;
	__le32 block_bytes;
};

struct lvr_wire_generation {
	__le64 gen;
	__le64 first_seq;
	__le64 fork_chain;
	__le32 member;
	__le32 reserved;
};

/* followed by history[history_entries], then volume[volumes] */
struct lvr_wire_state {
	__u8 group_uuid[LVR_UUID_BYTES];
	__le64 ring_bytes;
	__le64 head_seq;
	__le64 head_chain;
	__le64 durable_seq;
	__le64 destaged_seq;
	__le64 tail_seq;
	__le64 sync_id;		/* of a full sync this node is target of */
	__le64 source_sync_id;	/* of a full sync to the peer that this node can resume */
	__le64 handover_member;	/* ~0 none: the last record hands over to it */
	__le32 flags;		/* LVR_NODE_F_* of core/plan.h */
	__le32 member;
	__le32 history_entries;
	__le32 volumes;
	__le64 reserved[2];
};

struct lvr_wire_lookup {
	__le64 seq;
	__le64 chain;
	__le32 known;
	__le32 reserved0;
	__le64 reserved;
};

struct lvr_wire_verdict {
	__le32 kind;
	__le32 source;		/* member id */
	__le64 from_seq;
	__le64 until_seq;
	__le32 flags;
	__le32 reasons;		/* bit set */
	__le64 sync_id;
	__le64 fork_seq;
	__le64 orphan_seqs;
	__le32 confirm_member;
	__le32 reserved0;
};

struct lvr_wire_ack {
	__le64 durable_seq;	/* target's log */
	__le64 durable_chain;
	__le64 applied_seq;	/* on the target's volumes */
	__le64 sync_no;		/* last synchronisation chunk durable in the target's log */
	__le64 sync_id;		/* the synchronisation it belongs to */
	__le32 flags;		/* LVR_ACK_F_* */
	__le32 reserved0;
	__le64 reserved[2];
};

#define LVR_ACK_F_SYNC_DONE	0x0001	/* consistent again, durably, for sync_id */

#endif
