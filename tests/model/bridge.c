// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between the model's compact state and the structs of core. What a scenario
 * never changes lies in one superblock a node, made by lvr_super_make().
 */
#include "model.h"
#include "codec.h"

#define REFS		65536u
#define SLOT_BYTES	512u

static const u8 group_uuid[LVR_UUID_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

/* ------------------------------------------------------------------- numbers */

static u64 chains[REFS];
static content_t contents[REFS];
static u32 chain_count = 1, content_count = 1;	/* 0 stands for 0 */
static ref_t chain_slot[4 * REFS], content_slot[4 * REFS];

static u32 slot_of(const void *key, u32 bytes)
{
	return lvr_xxh64(key, bytes, 0) % (4 * REFS);
}

ref_t chain_ref(u64 chain)
{
	u32 at = slot_of(&chain, sizeof(chain));

	if (!chain)
		return 0;
	for (; chain_slot[at]; at = (at + 1) % (4 * REFS))
		if (chains[chain_slot[at]] == chain)
			return chain_slot[at];
	assert(chain_count < REFS);
	chains[chain_count] = chain;
	chain_slot[at] = chain_count;
	return chain_count++;
}

u64 chain_of(ref_t ref)
{
	return chains[ref];
}

ref_t content_ref(content_t content)
{
	u32 at = slot_of(&content, sizeof(content));

	if (!content)
		return 0;
	for (; content_slot[at]; at = (at + 1) % (4 * REFS))
		if (contents[content_slot[at]] == content)
			return content_slot[at];
	assert(content_count < REFS);
	contents[content_count] = content;
	content_slot[at] = content_count;
	return content_count++;
}

content_t content_of(ref_t ref)
{
	return contents[ref];
}

u64 wide(u8 position)
{
	return position == NONE ? ~0ull : position;
}

u8 narrow(u64 position)
{
	assert(position < NONE || position == ~0ull);
	return position == ~0ull ? NONE : position;
}

struct lvr_pos pos_to_core(struct pos pos)
{
	return (struct lvr_pos){ .seq = pos.seq, .off = (u64)pos.off * SLOT_BYTES,
				 .chain = chain_of(pos.chain), .gen = pos.gen };
}

struct pos pos_from_core(const struct lvr_pos *pos)
{
	return (struct pos){ .seq = narrow(pos->seq), .off = narrow(pos->off / SLOT_BYTES),
			     .gen = narrow(pos->gen), .chain = chain_ref(pos->chain) };
}

/* ---------------------------------------------------------------- superblocks */

static struct lvr_super core_sb[NODES];
static u64 device_sect;

void bridge_init(void)
{
	const struct lvr_volume_entry volume = { .name = "v", .size_sect = 2048, .block_bytes = 512 };
	struct lvr_super_make make = {
		.group_name = "g", .group_uuid = group_uuid, .block_bytes = SLOT_BYTES,
		.device_sect = 1u << 20, .members = NODES, .volume = &volume, .volumes = 1,
		.member_id = { 0, 1 }, .member_name = { "A", "B" },
	};
	struct lvr_err err;
	u32 n;

	device_sect = make.device_sect;
	for (n = 0; n < NODES; n++) {
		make.self = n;
		make.log_id = n + 1;
		if (lvr_super_make(&core_sb[n], &make, &err)) {
			fprintf(stderr, "%s\n", err.text);
			abort();
		}
	}
}

static void history_to_core(struct lvr_generation *to, const struct generation *from, u32 entries)
{
	u32 i;

	for (i = 0; i < entries; i++)
		to[i] = (struct lvr_generation){ .gen = from[i].gen, .first_seq = from[i].first_seq,
						 .fork_chain = chain_of(from[i].chain),
						 .member = from[i].member };
}

static u8 history_from_core(struct generation *to, const struct lvr_generation *from, u32 entries)
{
	u32 i;

	assert(entries <= HISTORY);
	memset(to, 0, HISTORY * sizeof(*to));
	for (i = 0; i < entries; i++)
		to[i] = (struct generation){ .gen = from[i].gen, .first_seq = narrow(from[i].first_seq),
					     .member = from[i].member,
					     .chain = chain_ref(from[i].fork_chain) };
	return entries;
}

struct lvr_super *super_open(struct state *s, u32 n)
{
	const struct super *from = &s->node[n].sb;
	struct lvr_super *to = &core_sb[n];
	struct lvr_member *peer = &to->member[other(n)];

	to->flags = from->flags;
	memset(to->group_uuid, 0, LVR_UUID_BYTES);
	if (from->uuid)
		memcpy(to->group_uuid, group_uuid, LVR_UUID_BYTES);
	to->incarnation = from->inc;
	to->tail_incarnation = from->tail_inc;
	to->tail = pos_to_core(from->tail);
	to->checkpoint = pos_to_core(from->checkpoint);
	to->durable_limit_seq = wide(from->limit);
	to->orphan_first_seq = from->orphan_first;
	to->orphan_end_seq = from->orphan_end;
	to->handover_seq = from->handover_seq;
	to->handover_member = wide(from->handover);
	to->sync_id = from->sync_id;
	to->history_entries = from->entries;
	history_to_core(to->history, from->history, from->entries);
	peer->flags = from->peer_flags;
	peer->acked_seq = from->acked;
	peer->told_durable_seq = from->told;
	peer->sync_id = from->src_id;
	peer->sync_sect = from->src_block;
	peer->sync_end_seq = from->src_end;
	return to;
}

void super_commit(struct state *s, u32 n)
{
	const struct lvr_super *from = &core_sb[n];
	const struct lvr_member *peer = &from->member[other(n)];
	struct super *to = &s->node[n].sb;
	struct lvr_err err;

	if (lvr_super_check(from, device_sect, &err))
		violate(CHECK_HISTORY, "%c writes a superblock that it could not read: %s", 'A' + n,
			err.text);
	to->flags = from->flags;
	to->uuid = !lvr_is_zero(from->group_uuid, LVR_UUID_BYTES);
	to->inc = narrow(from->incarnation);
	to->tail_inc = narrow(from->tail_incarnation);
	to->tail = pos_from_core(&from->tail);
	to->checkpoint = pos_from_core(&from->checkpoint);
	to->limit = narrow(from->durable_limit_seq);
	to->orphan_first = narrow(from->orphan_first_seq);
	to->orphan_end = narrow(from->orphan_end_seq);
	to->handover_seq = narrow(from->handover_seq);
	to->handover = narrow(from->handover_member);
	to->sync_id = narrow(from->sync_id);
	to->entries = history_from_core(to->history, from->history, from->history_entries);
	to->peer_flags = peer->flags;
	to->acked = narrow(peer->acked_seq);
	to->told = narrow(peer->told_durable_seq);
	to->src_id = narrow(peer->sync_id);
	to->src_block = narrow(peer->sync_sect);
	to->src_end = narrow(peer->sync_end_seq);
}

/* ---------------------------------------------------------------- handshakes */

static struct lvr_plan_node core_node[NODES];

struct lvr_plan_node *snap_to_core(const struct snap *snap, u32 n)
{
	struct lvr_plan_node *to = &core_node[n];

	memset(to->group_uuid, 0, LVR_UUID_BYTES);
	if (snap->uuid)
		memcpy(to->group_uuid, group_uuid, LVR_UUID_BYTES);
	to->member = n;
	to->flags = snap->flags;
	to->ring_bytes = (u64)ring_slots * SLOT_BYTES;
	to->head_seq = snap->head;
	to->head_chain = chain_of(snap->head_chain);
	to->durable_seq = snap->durable;
	to->destaged_seq = snap->destaged;
	to->tail_seq = snap->tail;
	to->sync_id = snap->sync_id;
	to->source_sync_id = snap->source_sync_id;
	to->handover_member = wide(snap->handover);
	to->history_entries = snap->entries;
	history_to_core(to->history, snap->history, snap->entries);
	to->fork_known = snap->fork_known;
	to->fork_chain = chain_of(snap->fork_chain);
	return to;
}

/* ------------------------------------------------------------------- chunks */

static void chunk_info(const struct chunk *c, struct lvr_chunk_info *info, struct lvr_record *rec)
{
	*rec = (struct lvr_record){ .type = c->type };
	if (lvr_record_type_has_range(c->type))
		rec->len_sect = 8;
	else
		rec->arg = wide(c->arg);
	*info = (struct lvr_chunk_info){
		.head_bytes = LVR_CHUNK_HEAD_BYTES + LVR_RECORD_DESC_BYTES, .records = 1,
		.gen = c->gen, .first_seq = c->seq, .sync_no = c->sync_no, .sync_id = c->sync_id,
		.group_id = c->uuid ? lvr_group_id(group_uuid) : 0,
	};
	if (c->sync_id)
		info->flags |= LVR_CHUNK_F_NOSEQ;
	if (c->type == LVR_REC_GENERATION)
		info->flags |= LVR_CHUNK_F_GENERATION;
}

static u64 encode(const struct chunk *c, void *head)
{
	u64 chain = chain_of(c->before);
	struct lvr_chunk_info info;
	struct lvr_record rec;

	chunk_info(c, &info, &rec);
	lvr_record_encode((void *)((u8 *)head + LVR_CHUNK_HEAD_BYTES), &rec);
	if (info.flags & LVR_CHUNK_F_GENERATION)
		chain = lvr_chain_start(chain, c->gen, c->seq);
	return lvr_chunk_encode(head, &info, chain);
}

ref_t chunk_chain(const struct chunk *c)
{
	u64 head[SLOT_BYTES / sizeof(u64)];

	return chain_ref(encode(c, head));
}

/* the extent as it lies in the ring; to is SLOT_BYTES long, aligned to 8 */
u32 chunk_bytes(const struct chunk *c, u32 log_id, void *to)
{
	struct lvr_envelope env = { .log_id = log_id, .incarnation = c->inc,
				    .off = (u64)c->off * SLOT_BYTES };
	const u32 head_bytes = LVR_CHUNK_HEAD_BYTES + LVR_RECORD_DESC_BYTES;

	memset(to, 0, SLOT_BYTES);
	if (!c->type)
		return SLOT_BYTES;
	env.payload_at_bytes = lvr_extent_payload_at_bytes(head_bytes);
	env.extent_bytes = lvr_extent_bytes(head_bytes, 0, SLOT_BYTES);
	assert(env.extent_bytes == SLOT_BYTES);
	lvr_envelope_encode(to, &env);
	encode(c, (u8 *)to + LVR_ENVELOPE_BYTES);
	if (c->torn)
		((u8 *)to)[LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES] ^= 1;
	return SLOT_BYTES;
}
