// SPDX-License-Identifier: GPL-2.0-only
/*
 * Codec of chunks and of the envelopes they lie in.
 *
 * What comes from a disk or a peer is believed in two steps. lvr_chunk_peek()
 * bounds the lengths so that the rest of the head can be read at all; the crc
 * cannot be checked yet. lvr_chunk_decode() checks everything else, and after
 * it every length, volume id, range and type in the head is within its bounds
 * for good: no user of a decoded head has to check them again.
 *
 * The encoder checks nothing: it is fed by this node's own code only, and
 * what it would get wrong the decoder on every other node refuses.
 */
#include "chunk.h"
#include "codec.h"

#define HEAD_CRC_AT	offsetof(struct lvr_chunk_head, crc)
#define HEAD_CHAIN_AT	offsetof(struct lvr_chunk_head, chain)

struct record_type {
	const char *name;
	bool payload;
	bool range;
};

static const struct record_type record_types[] = {
#define X(sym, num, name, payload, range) [num] = { name, payload, range },
	LVR_RECORD_TYPES(X)
#undef X
};

static const struct record_type *record_type(u8 type)
{
	if (type >= ARRAY_SIZE(record_types) || !record_types[type].name)
		return NULL;
	return &record_types[type];
}

/**
 * lvr_record_type_has_payload - whether records of a type carry data
 * @type: enum lvr_record_type, may be unknown
 *
 * Any context, does not sleep.
 *
 * Return: false for an unknown type.
 */
bool lvr_record_type_has_payload(u8 type)
{
	const struct record_type *t = record_type(type);

	return t && t->payload;
}

/**
 * lvr_record_type_has_range - whether records of a type name a range of a volume
 * @type: enum lvr_record_type, may be unknown
 *
 * Any context, does not sleep.
 *
 * Return: false for an unknown type.
 */
bool lvr_record_type_has_range(u8 type)
{
	const struct record_type *t = record_type(type);

	return t && t->range;
}

/**
 * lvr_record_type_name - name of a record type
 * @type: enum lvr_record_type, may be unknown
 *
 * Any context, does not sleep.
 *
 * Return: a constant string, NULL for an unknown type.
 */
const char *lvr_record_type_name(u8 type)
{
	const struct record_type *t = record_type(type);

	return t ? t->name : NULL;
}

/**
 * lvr_record_encode - write one record descriptor
 * @to: the descriptor, wholly overwritten
 * @from: the record; taken as it is
 *
 * Any context, does not sleep.
 */
void lvr_record_encode(struct lvr_record_desc *to, const struct lvr_record *from)
{
	to->type = from->type;
	to->flags = from->flags;
	to->volume = cpu_to_le16(from->volume);
	to->len_sect = cpu_to_le32(from->len_sect);
	to->start_sect = cpu_to_le64(from->start_sect);
	to->arg = cpu_to_le64(from->arg);
	to->data_hash = cpu_to_le64(from->data_hash);
}

/**
 * lvr_record_decode - read one record descriptor, without judging it
 * @to: the record
 * @from: the descriptor
 *
 * Any context, does not sleep.
 */
void lvr_record_decode(struct lvr_record *to, const struct lvr_record_desc *from)
{
	to->type = from->type;
	to->flags = from->flags;
	to->volume = le16_to_cpu(from->volume);
	to->len_sect = le32_to_cpu(from->len_sect);
	to->start_sect = le64_to_cpu(from->start_sect);
	to->arg = le64_to_cpu(from->arg);
	to->data_hash = le64_to_cpu(from->data_hash);
}

static const struct lvr_record_desc *descriptor(const void *head, u32 i)
{
	return (const struct lvr_record_desc *)((const u8 *)head + LVR_CHUNK_HEAD_BYTES) + i;
}

/**
 * lvr_chain_start - the chain in front of the first chunk of a generation
 * @fork_chain: chain at the place where the generation begins
 * @gen: its id
 * @first_seq: position at which it begins
 *
 * Two generations that begin at one place get different chains by this, and
 * so does one id at two places. Any context, does not sleep.
 *
 * Return: the chain from which that chunk's own is made.
 */
u64 lvr_chain_start(u64 fork_chain, u64 gen, u64 first_seq)
{
	__le64 key[2] = { cpu_to_le64(gen), cpu_to_le64(first_seq) };

	return lvr_xxh64(key, sizeof(key), fork_chain);
}

/**
 * lvr_chunk_chain - running hash behind a chunk
 * @head: the chunk's head, info->head_bytes long
 * @info: the same, decoded
 * @chain_before: hash behind the chunk before it; lvr_chain_start() of that for
 *	the first chunk of a generation
 *
 * Compare with info->chain to know whether this chunk continues that one.
 * Any context, does not sleep.
 *
 * Return: the chain; @chain_before for a chunk that takes no seq.
 */
u64 lvr_chunk_chain(const void *head, const struct lvr_chunk_info *info, u64 chain_before)
{
	static const u8 zero[8];
	const u8 *bytes = head;
	lvr_xxh64_state state;

	if (info->flags & LVR_CHUNK_F_NOSEQ)
		return chain_before;

	lvr_xxh64_reset(&state, chain_before);
	lvr_xxh64_update(&state, bytes, HEAD_CRC_AT);
	lvr_xxh64_update(&state, zero, sizeof(__le32));
	lvr_xxh64_update(&state, bytes + HEAD_CRC_AT + sizeof(__le32),
			 HEAD_CHAIN_AT - HEAD_CRC_AT - sizeof(__le32));
	lvr_xxh64_update(&state, zero, sizeof(__le64));
	lvr_xxh64_update(&state, bytes + HEAD_CHAIN_AT + sizeof(__le64),
			 info->head_bytes - HEAD_CHAIN_AT - sizeof(__le64));
	return lvr_xxh64_digest(&state);
}

/**
 * lvr_chunk_encode - write the head in front of descriptors that are in place
 * @head: where, aligned to 8, descriptors behind its LVR_CHUNK_HEAD_BYTES
 * @info: what to write; head_bytes and chain in it are not looked at
 * @chain_before: as for lvr_chunk_chain()
 *
 * Any context, does not sleep.
 *
 * Return: the chain behind this chunk.
 */
u64 lvr_chunk_encode(void *head, const struct lvr_chunk_info *info, u64 chain_before)
{
	struct lvr_chunk_info whole = *info;
	struct lvr_chunk_head *to = head;

	whole.head_bytes = LVR_CHUNK_HEAD_BYTES + info->records * LVR_RECORD_DESC_BYTES;

	memset(to, 0, sizeof(*to));
	to->magic = cpu_to_le64(LVR_CHUNK_MAGIC);
	to->head_bytes = cpu_to_le32(whole.head_bytes);
	to->payload_bytes = cpu_to_le32(info->payload_bytes);
	to->records = cpu_to_le16(info->records);
	to->flags = cpu_to_le16(info->flags);
	to->gen = cpu_to_le64(info->gen);
	to->first_seq = cpu_to_le64(info->first_seq);
	to->group_id = cpu_to_le64(info->group_id);
	to->time_ms = cpu_to_le64(info->time_ms);
	to->sync_no = cpu_to_le64(info->sync_no);
	to->sync_id = cpu_to_le64(info->sync_id);

	whole.chain = lvr_chunk_chain(head, &whole, chain_before);
	to->chain = cpu_to_le64(whole.chain);
	to->crc = cpu_to_le32(lvr_crc_around(head, whole.head_bytes, HEAD_CRC_AT));
	return whole.chain;
}

/**
 * lvr_chunk_peek - bound the fixed part of a head
 * @head: LVR_CHUNK_HEAD_BYTES of it, aligned to 8
 * @info: is filled
 * @err: reason, may be NULL
 *
 * Afterwards info->head_bytes and info->payload_bytes are safe to read by;
 * nothing else is checked against damage. Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_chunk_peek(const void *head, struct lvr_chunk_info *info, struct lvr_err *err)
{
	const struct lvr_chunk_head *from = head;
	u64 magic = le64_to_cpu(from->magic);
	u32 expected;

	if (magic != LVR_CHUNK_MAGIC) {
		lvr_err_set(err, "chunk magic is %016llx, not %016llx", magic, LVR_CHUNK_MAGIC);
		return -EINVAL;
	}
	info->head_bytes = le32_to_cpu(from->head_bytes);
	info->payload_bytes = le32_to_cpu(from->payload_bytes);
	info->records = le16_to_cpu(from->records);
	info->flags = le16_to_cpu(from->flags);
	info->gen = le64_to_cpu(from->gen);
	info->first_seq = le64_to_cpu(from->first_seq);
	info->chain = le64_to_cpu(from->chain);
	info->group_id = le64_to_cpu(from->group_id);
	info->time_ms = le64_to_cpu(from->time_ms);
	info->sync_no = le64_to_cpu(from->sync_no);
	info->sync_id = le64_to_cpu(from->sync_id);

	if (!info->records || info->records > LVR_CHUNK_MAX_RECORDS) {
		lvr_err_set(err, "chunk of %u records, not 1 to %u", info->records,
			    LVR_CHUNK_MAX_RECORDS);
		return -EINVAL;
	}
	expected = LVR_CHUNK_HEAD_BYTES + info->records * LVR_RECORD_DESC_BYTES;
	if (info->head_bytes != expected) {
		lvr_err_set(err, "chunk head of %u bytes, not %u for %u records",
			    info->head_bytes, expected, info->records);
		return -EINVAL;
	}
	if (info->payload_bytes > LVR_CHUNK_MAX_PAYLOAD_BYTES ||
	    info->payload_bytes % LVR_SECTOR_BYTES) {
		lvr_err_set(err, "chunk payload of %u bytes, not a multiple of %u up to %u",
			    info->payload_bytes, LVR_SECTOR_BYTES, LVR_CHUNK_MAX_PAYLOAD_BYTES);
		return -EINVAL;
	}
	if (info->flags & ~LVR_CHUNK_F_KNOWN) {
		lvr_err_set(err, "chunk flags %#x, known are %#x", info->flags,
			    LVR_CHUNK_F_KNOWN);
		return -EINVAL;
	}
	if (!info->gen) {
		lvr_err_set(err, "chunk without a generation");
		return -EINVAL;
	}
	if (info->first_seq > U64_MAX - LVR_CHUNK_MAX_RECORDS) {
		lvr_err_set(err, "chunk at position %llu, past the last one", info->first_seq);
		return -EINVAL;
	}
	return lvr_check_reserved("chunk head", lvr_is_zero(from->reserved, sizeof(from->reserved)),
				  err);
}

static int check_flags(const struct lvr_chunk_info *info, struct lvr_err *err)
{
	bool noseq = info->flags & LVR_CHUNK_F_NOSEQ;

	if (noseq && (!info->sync_no || !info->sync_id)) {
		lvr_err_set(err, "synchronisation chunk with sync_no %llu, sync_id %llx, not both set",
			    info->sync_no, info->sync_id);
		return -EINVAL;
	}
	if (!noseq && (info->sync_no || info->sync_id)) {
		lvr_err_set(err, "ordinary chunk with sync_no %llu, sync_id %llx, not 0",
			    info->sync_no, info->sync_id);
		return -EINVAL;
	}
	if (noseq && info->flags & LVR_CHUNK_F_GENERATION) {
		lvr_err_set(err, "synchronisation chunk that begins a generation");
		return -EINVAL;
	}
	return 0;
}

static int check_range(const struct lvr_record *r, u32 i, struct lvr_err *err)
{
	if (r->volume >= LVR_MAX_VOLUMES) {
		lvr_err_set(err, "record %u for volume %u, ids end at %u", i, r->volume,
			    LVR_MAX_VOLUMES - 1);
		return -EINVAL;
	}
	if (!r->len_sect || r->start_sect >= LVR_VOLUME_MAX_SECT ||
	    r->len_sect > LVR_VOLUME_MAX_SECT - r->start_sect) {
		lvr_err_set(err, "record %u is %u sectors at %llu, not 1 or more up to %llu",
			    i, r->len_sect, r->start_sect, LVR_VOLUME_MAX_SECT);
		return -EINVAL;
	}
	if (lvr_record_type_has_payload(r->type) &&
	    r->len_sect > LVR_RECORD_MAX_BYTES >> LVR_SECTOR_SHIFT) {
		lvr_err_set(err, "record %u has %u sectors of payload, at most %u", i,
			    r->len_sect, LVR_RECORD_MAX_BYTES >> LVR_SECTOR_SHIFT);
		return -EINVAL;
	}
	if (r->arg) {
		lvr_err_set(err, "record %u (%s) has argument %llx, not 0", i,
			    lvr_record_type_name(r->type), r->arg);
		return -EINVAL;
	}
	return 0;
}

static int check_control(const struct lvr_record *r, u32 i, const struct lvr_chunk_info *info,
			 struct lvr_err *err)
{
	const char *name = lvr_record_type_name(r->type);
	bool noseq = info->flags & LVR_CHUNK_F_NOSEQ;

	if (r->volume || r->start_sect || r->len_sect) {
		lvr_err_set(err, "record %u (%s) names a range: volume %u, %u sectors at %llu",
			    i, name, r->volume, r->len_sect, r->start_sect);
		return -EINVAL;
	}
	if (noseq != (r->type == LVR_REC_SYNC_END)) {
		lvr_err_set(err, "record %u (%s) in a chunk %s a seq", i, name,
			    noseq ? "without" : "with");
		return -EINVAL;
	}
	if (r->type == LVR_REC_HANDOVER && r->arg >= LVR_MAX_MEMBERS) {
		lvr_err_set(err, "record %u hands over to member %llu, ids end at %u", i,
			    r->arg, LVR_MAX_MEMBERS - 1);
		return -EINVAL;
	}
	return 0;
}

static int check_record(const struct lvr_record_desc *desc, u32 i,
			const struct lvr_chunk_info *info, u64 *payload_bytes,
			struct lvr_err *err)
{
	bool begins = i == 0 && info->flags & LVR_CHUNK_F_GENERATION;
	struct lvr_record r;
	int ret;

	lvr_record_decode(&r, desc);
	if (!lvr_record_type_name(r.type)) {
		lvr_err_set(err, "record %u is of type %u, not known here", i, r.type);
		return -EINVAL;
	}
	if (r.flags & ~(lvr_record_type_has_range(r.type) ? LVR_REC_F_FUA : 0)) {
		lvr_err_set(err, "record %u (%s) has flags %#x", i,
			    lvr_record_type_name(r.type), r.flags);
		return -EINVAL;
	}
	if (begins != (r.type == LVR_REC_GENERATION)) {
		lvr_err_set(err, "record %u is of type %s, chunk flags are %#x: only the first record of a generation's first chunk begins it",
			    i, lvr_record_type_name(r.type), info->flags);
		return -EINVAL;
	}

	if (lvr_record_type_has_range(r.type))
		ret = check_range(&r, i, err);
	else
		ret = check_control(&r, i, info, err);
	if (ret)
		return ret;

	if (!lvr_record_type_has_payload(r.type) && r.data_hash) {
		lvr_err_set(err, "record %u (%s) has a payload hash without payload", i,
			    lvr_record_type_name(r.type));
		return -EINVAL;
	}
	*payload_bytes += lvr_record_payload_bytes(&r);
	return 0;
}

/**
 * lvr_chunk_decode - check a whole head and everything in it
 * @head: the head, aligned to 8
 * @bytes: how many are there, head and descriptors at least
 * @info: is filled
 * @err: reason, may be NULL
 *
 * Not checked: the chain (lvr_chunk_chain()), whether the position, group and
 * generation are what the caller expects, whether a record's volume exists and
 * is that long, and the payload. Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_chunk_decode(const void *head, u32 bytes, struct lvr_chunk_info *info, struct lvr_err *err)
{
	const struct lvr_chunk_head *from = head;
	u64 payload_bytes = 0;
	u32 crc, i;
	int ret;

	if (bytes < LVR_CHUNK_HEAD_BYTES) {
		lvr_err_set(err, "chunk head cut at %u bytes, needs %u", bytes,
			    LVR_CHUNK_HEAD_BYTES);
		return -EINVAL;
	}
	ret = lvr_chunk_peek(head, info, err);
	if (ret)
		return ret;
	if (bytes < info->head_bytes) {
		lvr_err_set(err, "chunk head cut at %u bytes, needs %u", bytes, info->head_bytes);
		return -EINVAL;
	}
	crc = lvr_crc_around(head, info->head_bytes, HEAD_CRC_AT);
	if (crc != le32_to_cpu(from->crc)) {
		lvr_err_set(err, "chunk head has crc %08x, says %08x", crc,
			    le32_to_cpu(from->crc));
		return -EINVAL;
	}
	ret = check_flags(info, err);
	if (ret)
		return ret;
	for (i = 0; i < info->records; i++) {
		ret = check_record(descriptor(head, i), i, info, &payload_bytes, err);
		if (ret)
			return ret;
	}
	if (payload_bytes != info->payload_bytes) {
		lvr_err_set(err, "records have %llu bytes of payload, the chunk says %u",
			    payload_bytes, info->payload_bytes);
		return -EINVAL;
	}
	return 0;
}

/**
 * lvr_chunk_record - one record of a decoded head
 * @head: a head that lvr_chunk_decode() accepted
 * @i: which, below info.records
 * @to: the record
 *
 * Any context, does not sleep.
 */
void lvr_chunk_record(const void *head, u32 i, struct lvr_record *to)
{
	lvr_record_decode(to, descriptor(head, i));
}

/**
 * lvr_extent_payload_at_bytes - where the payload begins in an extent
 * @head_bytes: of the chunk, up to LVR_CHUNK_MAX_HEAD_BYTES
 *
 * Any context, does not sleep.
 *
 * Return: bytes from the start of the envelope, a multiple of 512.
 */
u32 lvr_extent_payload_at_bytes(u32 head_bytes)
{
	return round_up(LVR_ENVELOPE_BYTES + head_bytes, LVR_SECTOR_BYTES);
}

/**
 * lvr_extent_bytes - bytes that a chunk takes in a ring
 * @head_bytes: of the chunk, up to LVR_CHUNK_MAX_HEAD_BYTES
 * @payload_bytes: of the chunk, up to LVR_CHUNK_MAX_PAYLOAD_BYTES
 * @block_bytes: of the log, a power of two from 512 to 4096
 *
 * Any context, does not sleep.
 *
 * Return: envelope, head, payload and padding; a multiple of @block_bytes.
 */
u32 lvr_extent_bytes(u32 head_bytes, u32 payload_bytes, u32 block_bytes)
{
	return round_up(lvr_extent_payload_at_bytes(head_bytes) + payload_bytes, block_bytes);
}

/**
 * lvr_envelope_encode - write an envelope
 * @to: where, aligned to 8, wholly overwritten
 * @from: what
 *
 * Any context, does not sleep.
 */
void lvr_envelope_encode(struct lvr_disk_envelope *to, const struct lvr_envelope *from)
{
	memset(to, 0, sizeof(*to));
	to->magic = cpu_to_le64(LVR_ENVELOPE_MAGIC);
	to->log_id = cpu_to_le64(from->log_id);
	to->incarnation = cpu_to_le64(from->incarnation);
	to->off = cpu_to_le64(from->off);
	to->extent_bytes = cpu_to_le32(from->extent_bytes);
	to->payload_at_bytes = cpu_to_le32(from->payload_at_bytes);
	to->crc = cpu_to_le32(lvr_crc_around(to, sizeof(*to),
					     offsetof(struct lvr_disk_envelope, crc)));
}

/**
 * lvr_envelope_decode - read and bound an envelope
 * @from: LVR_ENVELOPE_BYTES, aligned to 8
 * @to: is filled
 * @block_bytes: of the log
 * @err: reason, may be NULL
 *
 * That it is of this log, incarnation and place is for the caller to compare.
 * Any context, does not sleep.
 *
 * Return: 0; -ENODATA: no envelope (magic); -EINVAL: a damaged one.
 */
int lvr_envelope_decode(const void *from, struct lvr_envelope *to, u32 block_bytes,
			struct lvr_err *err)
{
	const u32 least_bytes = lvr_extent_bytes(LVR_CHUNK_HEAD_BYTES + LVR_RECORD_DESC_BYTES, 0,
						 block_bytes);
	const u32 most_bytes = lvr_extent_bytes(LVR_CHUNK_MAX_HEAD_BYTES,
						LVR_CHUNK_MAX_PAYLOAD_BYTES, block_bytes);
	const struct lvr_disk_envelope *env = from;
	u64 magic = le64_to_cpu(env->magic);
	u32 crc;

	if (magic != LVR_ENVELOPE_MAGIC) {
		lvr_err_set(err, "envelope magic is %016llx, not %016llx", magic,
			    LVR_ENVELOPE_MAGIC);
		return -ENODATA;
	}
	crc = lvr_crc_around(env, sizeof(*env), offsetof(struct lvr_disk_envelope, crc));
	if (crc != le32_to_cpu(env->crc)) {
		lvr_err_set(err, "envelope has crc %08x, says %08x", crc, le32_to_cpu(env->crc));
		return -EINVAL;
	}
	to->log_id = le64_to_cpu(env->log_id);
	to->incarnation = le64_to_cpu(env->incarnation);
	to->off = le64_to_cpu(env->off);
	to->extent_bytes = le32_to_cpu(env->extent_bytes);
	to->payload_at_bytes = le32_to_cpu(env->payload_at_bytes);

	if (to->extent_bytes < least_bytes || to->extent_bytes > most_bytes ||
	    to->extent_bytes % block_bytes) {
		lvr_err_set(err, "envelope of an extent of %u bytes, not a multiple of %u from %u to %u",
			    to->extent_bytes, block_bytes, least_bytes, most_bytes);
		return -EINVAL;
	}
	if (to->payload_at_bytes % LVR_SECTOR_BYTES ||
	    to->payload_at_bytes > to->extent_bytes ||
	    to->payload_at_bytes < LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES) {
		lvr_err_set(err, "envelope with payload at byte %u of %u", to->payload_at_bytes,
			    to->extent_bytes);
		return -EINVAL;
	}
	return lvr_check_reserved("envelope", !env->reserved0 &&
				  lvr_is_zero(env->reserved, sizeof(env->reserved)), err);
}
