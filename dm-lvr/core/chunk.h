/* SPDX-License-Identifier: GPL-2.0-only */
/* Codec of chunks and of the envelopes they lie in. Formats: lvr/chunk.h, lvr/disk.h */
#ifndef LVR_CORE_CHUNK_H
#define LVR_CORE_CHUNK_H

#include "port.h"
#include "../../include/lvr/chunk.h"
#include "../../include/lvr/disk.h"

struct lvr_record {
	u8 type;
	u8 flags;
	u16 volume;
	u32 len_sect;
	u64 start_sect;
	u64 arg;
	u64 data_hash;
};

struct lvr_chunk_info {
	u32 head_bytes;
	u32 payload_bytes;
	u16 records;
	u16 flags;
	u64 gen;
	u64 first_seq;
	u64 chain;
	u64 group_id;
	u64 time_ms;
	u64 sync_no;
	u64 sync_id;
};

struct lvr_envelope {
	u64 log_id;
	u64 incarnation;
	u64 off;
	u32 extent_bytes;
	u32 payload_at_bytes;
};

/* position behind a chunk: a NOSEQ chunk takes none */
static inline u64 lvr_chunk_end_seq(const struct lvr_chunk_info *c)
{
	return c->first_seq + (c->flags & LVR_CHUNK_F_NOSEQ ? 0 : c->records);
}

bool lvr_record_type_has_payload(u8 type);
bool lvr_record_type_has_range(u8 type);
const char *lvr_record_type_name(u8 type);	/* NULL: unknown */

static inline u32 lvr_record_payload_bytes(const struct lvr_record *r)
{
	return lvr_record_type_has_payload(r->type) ? r->len_sect << LVR_SECTOR_SHIFT : 0;
}

void lvr_record_encode(struct lvr_record_desc *to, const struct lvr_record *from);
void lvr_record_decode(struct lvr_record *to, const struct lvr_record_desc *from);

/*
 * The chain of a generation starts from the chain at its fork. For a chunk
 * with LVR_CHUNK_F_GENERATION, and for no other, the chain_before that is
 * given to lvr_chunk_encode() and lvr_chunk_chain() is
 *	lvr_chain_start(chain behind the chunk before, gen, first_seq)
 */
u64 lvr_chain_start(u64 fork_chain, u64 gen, u64 first_seq);

/*
 * Encode the head in front of info->records descriptors that are in place
 * already behind it. Computes and stores head_bytes (from info->records),
 * chain (from chain_before; a NOSEQ chunk stores chain_before itself) and
 * crc; takes the rest from info. Returns the chain after.
 */
u64 lvr_chunk_encode(void *head, const struct lvr_chunk_info *info, u64 chain_before);

/*
 * Bound and check the fixed part of a head of which at least
 * LVR_CHUNK_HEAD_BYTES are there, so that its lengths may be believed for
 * reading the rest. -EINVAL with a reason.
 */
int lvr_chunk_peek(const void *head, struct lvr_chunk_info *info, struct lvr_err *err);

/*
 * Check a whole head (bytes are there, at least its head_bytes): crc,
 * lengths, reserved fields, each descriptor (known type, length bounds, range without overflow, payload sum,
 * flags), that NOSEQ agrees with sync_no, sync_id and the record types (only
 * such chunks carry SYNC_END, they carry no other control record), that
 * GENERATION record and flag agree (exactly one such record, the first). Not
 * the chain: see lvr_chunk_chain(). Heads are aligned to 8. -EINVAL with a
 * reason.
 */
int lvr_chunk_decode(const void *head, u32 bytes, struct lvr_chunk_info *info, struct lvr_err *err);

/* descriptor i of a decoded head */
void lvr_chunk_record(const void *head, u32 i, struct lvr_record *to);

/* chain after this head if the chain before it was chain_before (see lvr_chain_start()) */
u64 lvr_chunk_chain(const void *head, const struct lvr_chunk_info *info, u64 chain_before);

/* layout of an extent in a ring of block_bytes blocks */
u32 lvr_extent_payload_at_bytes(u32 head_bytes);
u32 lvr_extent_bytes(u32 head_bytes, u32 payload_bytes, u32 block_bytes);

void lvr_envelope_encode(struct lvr_disk_envelope *to, const struct lvr_envelope *from);
/* -ENODATA: none here (magic); -EINVAL: a damaged one */
int lvr_envelope_decode(const void *from, struct lvr_envelope *to, u32 block_bytes,
			struct lvr_err *err);

#endif
