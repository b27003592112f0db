/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chunk: what the log is made of, on disk and on the wire.
 *
 *   +------------+-----------+-----------+ - - +-----------+----------+ - -
 *   | chunk head | record 0  | record 1  |     | record n-1| payload 0| ...
 *   | 96 bytes   | 32 bytes  | 32 bytes  |     | 32 bytes  | k * 512  |
 *   +------------+-----------+-----------+ - - +-----------+----------+ - -
 *   |<--------------- head_bytes ------------------------>|<- payload_bytes ->
 *
 * The bytes are encoded once, by the node that appends the application's
 * writes; every other node stores and forwards them unchanged. A chunk is
 * never split or joined with another, so the positions that nodes exchange
 * are chunk boundaries.
 *
 * seq:   each record takes one, except in a chunk with LVR_CHUNK_F_NOSEQ
 *        (synchronisation), whose first_seq is the position it stands at.
 * chain: running hash over the chunks that carry seqs,
 *          chain = XXH64(head with crc = chain = 0, seed = chain before it)
 *        The head holds every record's payload hash, so the chain covers the
 *        payload. For the first chunk of a generation the seed is
 *        lvr_chain_start() of the chain before it.
 * crc:   crc32c(~0) of the head with crc = 0. Each record with payload has
 *        a hash of its own, of 64 bits as the chain.
 *
 * All integers are little endian. Reserved fields are zero and are checked.
 */
#ifndef LVR_CHUNK_H
#define LVR_CHUNK_H

#include <linux/types.h>
#include "limits.h"

#define LVR_CHUNK_MAGIC		0x314b4e484352564cull	/* "LVRCHNK1" */

#define LVR_CHUNK_F_NOSEQ	0x0001	/* synchronisation: takes no seq, no chain */
#define LVR_CHUNK_F_GENERATION	0x0002	/* first chunk of a generation */
#define LVR_CHUNK_F_KNOWN	0x0003

struct lvr_chunk_head {
	__le64 magic;
	__le32 head_bytes;	/* this head and the record descriptors */
	__le32 payload_bytes;
	__le16 records;
	__le16 flags;
	__le32 crc;
	__le64 gen;		/* generation id, not 0 */
	__le64 first_seq;
	__le64 chain;		/* after this chunk */
	__le64 group_id;	/* first half of the group's uuid */
	__le64 time_ms;		/* wall clock of the appender, for lag only */
	__le64 sync_no;		/* NOSEQ: ordinal in its synchronisation, from 1; else 0 */
	__le64 sync_id;		/* NOSEQ: the synchronisation; else 0 */
	__le64 reserved[2];
};

/* type, name, has payload, takes a range of a volume */
#define LVR_RECORD_TYPES(X)						\
	X(WRITE,	1, "write",		1, 1)			\
	X(DISCARD,	2, "discard",		0, 1)			\
	X(ZEROES,	3, "zeroes",		0, 1)			\
	X(GENERATION,	4, "generation",	0, 0) /* arg: generation before, 0 if none */ \
	X(HANDOVER,	5, "handover",		0, 0) /* arg: member that may become primary */ \
	X(SYNC_END,	6, "sync-end",		0, 0) /* arg: position from which the target is consistent */ \
	X(MARKER,	7, "marker",		0, 0) /* arg: marker id */

enum lvr_record_type {
#define X(sym, num, name, payload, range) LVR_REC_##sym = num,
	LVR_RECORD_TYPES(X)
#undef X
};

#define LVR_REC_F_FUA		0x01

struct lvr_record_desc {
	__u8 type;
	__u8 flags;
	__le16 volume;
	__le32 len_sect;	/* payload is len_sect * 512 bytes where the type has one */
	__le64 start_sect;
	__le64 arg;		/* control records; else 0 */
	__le64 data_hash;	/* XXH64(payload, seed = 0); 0 without */
};

#endif
