// SPDX-License-Identifier: GPL-2.0-only
/*
 * Codec of the messages that two nodes make their plan from and compare it by:
 * STATE is a node, LOOKUP its chain at the fork, VERDICT the plan.
 *
 * Each takes exactly the bytes it needs, never more; every count is bounded
 * before it is multiplied.
 */
#include "plan-wire.h"
#include "codec.h"

/* -------------------------------------------------------------------- state */

/**
 * lvr_state_encode - write what a node tells of itself
 * @to: LVR_STATE_MAX_BYTES, aligned to 8
 * @from: the node; fork_known and fork_chain are not sent
 *
 * Any context, does not sleep.
 *
 * Return: bytes used.
 */
u32 lvr_state_encode(void *to, const struct lvr_plan_node *from)
{
	struct lvr_wire_state *w = to;
	struct lvr_wire_generation *g = (struct lvr_wire_generation *)(w + 1);
	struct lvr_wire_volume *v = (struct lvr_wire_volume *)(g + from->history_entries);
	u32 i;

	memset(w, 0, sizeof(*w));
	memcpy(w->group_uuid, from->group_uuid, LVR_UUID_BYTES);
	w->ring_bytes = cpu_to_le64(from->ring_bytes);
	w->head_seq = cpu_to_le64(from->head_seq);
	w->head_chain = cpu_to_le64(from->head_chain);
	w->durable_seq = cpu_to_le64(from->durable_seq);
	w->destaged_seq = cpu_to_le64(from->destaged_seq);
	w->tail_seq = cpu_to_le64(from->tail_seq);
	w->sync_id = cpu_to_le64(from->sync_id);
	w->source_sync_id = cpu_to_le64(from->source_sync_id);
	w->handover_member = cpu_to_le64(from->handover_member);
	w->flags = cpu_to_le32(from->flags);
	w->member = cpu_to_le32(from->member);
	w->history_entries = cpu_to_le32(from->history_entries);
	w->volumes = cpu_to_le32(from->volumes);
	for (i = 0; i < from->history_entries; i++) {
		g[i].gen = cpu_to_le64(from->history[i].gen);
		g[i].first_seq = cpu_to_le64(from->history[i].first_seq);
		g[i].fork_chain = cpu_to_le64(from->history[i].fork_chain);
		g[i].member = cpu_to_le32(from->history[i].member);
		g[i].reserved = 0;
	}
	for (i = 0; i < from->volumes; i++) {
		lvr_name_copy(v[i].name, from->volume[i].name);
		v[i].size_sect = cpu_to_le64(from->volume[i].size_sect);
		v[i].id = cpu_to_le32(from->volume[i].id);
		v[i].block_bytes = cpu_to_le32(from->volume[i].block_bytes);
	}
	return (u8 *)(v + from->volumes) - (u8 *)to;
}

static int state_positions(const struct lvr_plan_node *n, struct lvr_err *err)
{
	if (n->tail_seq > n->destaged_seq || n->destaged_seq > n->durable_seq ||
	    n->durable_seq > n->head_seq) {
		lvr_err_set(err, "state with tail %llu, destaged %llu, durable %llu, head %llu, which never fall so",
			    n->tail_seq, n->destaged_seq, n->durable_seq, n->head_seq);
		return -EINVAL;
	}
	if (n->ring_bytes > LVR_RING_MAX_BYTES) {
		lvr_err_set(err, "state with a ring of %llu bytes, at most %llu", n->ring_bytes,
			    LVR_RING_MAX_BYTES);
		return -EINVAL;
	}
	if (n->member >= LVR_MAX_MEMBERS ||
	    (n->handover_member >= LVR_MAX_MEMBERS && n->handover_member != U64_MAX)) {
		lvr_err_set(err, "state of member %u, handed over to %llu, ids end at %u",
			    n->member, n->handover_member, LVR_MAX_MEMBERS - 1);
		return -EINVAL;
	}
	if (n->flags & ~LVR_NODE_F_KNOWN) {
		lvr_err_set(err, "state with flags %#x, known are %#x", n->flags,
			    LVR_NODE_F_KNOWN);
		return -EINVAL;
	}
	return 0;
}

static int state_history(struct lvr_plan_node *to, const struct lvr_wire_generation *g,
			 struct lvr_err *err)
{
	u32 i, j;

	for (i = 0; i < to->history_entries; i++) {
		struct lvr_generation *h = &to->history[i];
		u64 least = i ? to->history[i - 1].first_seq : 0;

		h->gen = le64_to_cpu(g[i].gen);
		h->first_seq = le64_to_cpu(g[i].first_seq);
		h->fork_chain = le64_to_cpu(g[i].fork_chain);
		h->member = le32_to_cpu(g[i].member);
		if (!h->gen || h->member >= LVR_MAX_MEMBERS || g[i].reserved) {
			lvr_err_set(err, "state with generation %u of id %llx, begun by member %u, reserved %x",
				    i, h->gen, h->member, le32_to_cpu(g[i].reserved));
			return -EINVAL;
		}
		if (h->first_seq < least || h->first_seq > to->head_seq) {
			lvr_err_set(err, "state with generation %u from %llu, not from %llu to the head at %llu",
				    i, h->first_seq, least, to->head_seq);
			return -EINVAL;
		}
		for (j = 0; j < i; j++) {
			if (to->history[j].gen == h->gen) {
				lvr_err_set(err, "state with generation %llx twice", h->gen);
				return -EINVAL;
			}
		}
	}
	return 0;
}

static int state_volumes(struct lvr_plan_node *to, const struct lvr_wire_volume *v,
			 struct lvr_err *err)
{
	u32 i, j;

	for (i = 0; i < to->volumes; i++) {
		struct lvr_plan_volume *p = &to->volume[i];

		memcpy(p->name, v[i].name, sizeof(p->name));
		p->size_sect = le64_to_cpu(v[i].size_sect);
		p->id = le32_to_cpu(v[i].id);
		p->block_bytes = le32_to_cpu(v[i].block_bytes);
		if (p->id >= LVR_MAX_VOLUMES || !lvr_name_field_ok(p->name) ||
		    !p->size_sect || p->size_sect > LVR_VOLUME_MAX_SECT ||
		    !lvr_block_bytes_ok(p->block_bytes)) {
			lvr_err_set(err, "state with volume %u of %llu sectors in blocks of %u bytes, or a bad name",
				    p->id, p->size_sect, p->block_bytes);
			return -EINVAL;
		}
		for (j = 0; j < i; j++) {
			if (to->volume[j].id == p->id) {
				lvr_err_set(err, "state with volume %u twice", p->id);
				return -EINVAL;
			}
		}
	}
	return 0;
}

/**
 * lvr_state_decode - read and bound what a node tells of itself
 * @to: is filled; undefined unless 0 is returned
 * @from: the payload, aligned to 8
 * @bytes: its length
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_state_decode(struct lvr_plan_node *to, const void *from, u32 bytes, struct lvr_err *err)
{
	const struct lvr_wire_state *w = from;
	const struct lvr_wire_generation *g = (const struct lvr_wire_generation *)(w + 1);
	int ret;

	if (bytes < sizeof(*w)) {
		lvr_err_set(err, "state of %u bytes, at least %zu", bytes, sizeof(*w));
		return -EINVAL;
	}
	memset(to, 0, sizeof(*to));
	to->history_entries = le32_to_cpu(w->history_entries);
	to->volumes = le32_to_cpu(w->volumes);
	if (to->history_entries > LVR_MAX_HISTORY || to->volumes > LVR_MAX_VOLUMES) {
		lvr_err_set(err, "state with %u generations and %u volumes, at most %u and %u",
			    to->history_entries, to->volumes, LVR_MAX_HISTORY, LVR_MAX_VOLUMES);
		return -EINVAL;
	}
	ret = lvr_check_bytes("state", bytes, sizeof(*w) + to->history_entries * sizeof(*g) +
			      to->volumes * sizeof(struct lvr_wire_volume), err);
	if (!ret)
		ret = lvr_check_reserved("state", lvr_is_zero(w->reserved, sizeof(w->reserved)), err);
	if (ret)
		return ret;

	memcpy(to->group_uuid, w->group_uuid, LVR_UUID_BYTES);
	to->ring_bytes = le64_to_cpu(w->ring_bytes);
	to->head_seq = le64_to_cpu(w->head_seq);
	to->head_chain = le64_to_cpu(w->head_chain);
	to->durable_seq = le64_to_cpu(w->durable_seq);
	to->destaged_seq = le64_to_cpu(w->destaged_seq);
	to->tail_seq = le64_to_cpu(w->tail_seq);
	to->sync_id = le64_to_cpu(w->sync_id);
	to->source_sync_id = le64_to_cpu(w->source_sync_id);
	to->handover_member = le64_to_cpu(w->handover_member);
	to->flags = le32_to_cpu(w->flags);
	to->member = le32_to_cpu(w->member);
	ret = state_positions(to, err);
	if (!ret)
		ret = state_history(to, g, err);
	if (!ret)
		ret = state_volumes(to, (const struct lvr_wire_volume *)(g + to->history_entries),
				    err);
	return ret;
}

/* ------------------------------------------------------------------- lookup */

/**
 * lvr_lookup_encode - write the chain at a position
 * @to: where, wholly overwritten
 * @from: what
 *
 * Any context, does not sleep.
 */
void lvr_lookup_encode(struct lvr_wire_lookup *to, const struct lvr_lookup *from)
{
	memset(to, 0, sizeof(*to));
	to->seq = cpu_to_le64(from->seq);
	to->known = cpu_to_le32(from->known);
	to->chain = cpu_to_le64(from->known ? from->chain : 0);
}

/**
 * lvr_lookup_decode - read and bound a lookup
 * @to: is filled
 * @from: the payload, aligned to 8
 * @bytes: its length
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_lookup_decode(struct lvr_lookup *to, const void *from, u32 bytes, struct lvr_err *err)
{
	const struct lvr_wire_lookup *w = from;
	int ret;

	ret = lvr_check_bytes("lookup", bytes, sizeof(*w), err);
	if (!ret)
		ret = lvr_check_reserved("lookup", !w->reserved0 && !w->reserved, err);
	if (ret)
		return ret;
	if (le32_to_cpu(w->known) > 1 || (!w->known && w->chain)) {
		lvr_err_set(err, "lookup with known %u, chain %016llx", le32_to_cpu(w->known),
			    le64_to_cpu(w->chain));
		return -EINVAL;
	}
	to->seq = le64_to_cpu(w->seq);
	to->chain = le64_to_cpu(w->chain);
	to->known = w->known;
	return 0;
}

/* ------------------------------------------------------------------ verdict */

/**
 * lvr_verdict_encode - write a plan
 * @to: where, wholly overwritten; sync_id is 0 and the caller's to set
 * @plan: what; its text is not sent
 *
 * Any context, does not sleep.
 */
void lvr_verdict_encode(struct lvr_wire_verdict *to, const struct lvr_plan *plan)
{
	memset(to, 0, sizeof(*to));
	to->kind = cpu_to_le32(plan->kind);
	to->source = cpu_to_le32(plan->source);
	to->from_seq = cpu_to_le64(plan->from_seq);
	to->until_seq = cpu_to_le64(plan->until_seq);
	to->flags = cpu_to_le32(plan->flags);
	to->reasons = cpu_to_le32(plan->reasons);
	to->fork_seq = cpu_to_le64(plan->fork_seq);
	to->orphan_seqs = cpu_to_le64(plan->orphan_seqs);
	to->confirm_member = cpu_to_le32(plan->confirm_member);
}

/**
 * lvr_verdict_decode - read and bound a plan
 * @to: is filled, without text
 * @from: the payload, aligned to 8; sync_id in it is not looked at
 * @bytes: its length
 * @err: reason, may be NULL
 *
 * Whether it is the right plan is for lvr_plan_agrees(). Any context, does
 * not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_verdict_decode(struct lvr_plan *to, const void *from, u32 bytes, struct lvr_err *err)
{
	const struct lvr_wire_verdict *w = from;
	u32 kind;
	int ret;

	ret = lvr_check_bytes("verdict", bytes, sizeof(*w), err);
	if (!ret)
		ret = lvr_check_reserved("verdict", !w->reserved0, err);
	if (ret)
		return ret;

	memset(to, 0, sizeof(*to));
	kind = le32_to_cpu(w->kind);
	to->source = le32_to_cpu(w->source);
	to->from_seq = le64_to_cpu(w->from_seq);
	to->until_seq = le64_to_cpu(w->until_seq);
	to->flags = le32_to_cpu(w->flags);
	to->reasons = le32_to_cpu(w->reasons);
	to->fork_seq = le64_to_cpu(w->fork_seq);
	to->orphan_seqs = le64_to_cpu(w->orphan_seqs);
	to->confirm_member = le32_to_cpu(w->confirm_member);

	if (kind < LVR_PLAN_REFUSE || kind > LVR_PLAN_FULL_SYNC) {
		lvr_err_set(err, "verdict of kind %u, known are %u to %u", kind, LVR_PLAN_REFUSE,
			    LVR_PLAN_FULL_SYNC);
		return -EINVAL;
	}
	to->kind = kind;
	if (to->flags & ~LVR_PLAN_F_KNOWN) {
		lvr_err_set(err, "verdict with flags %#x, known are %#x", to->flags,
			    LVR_PLAN_F_KNOWN);
		return -EINVAL;
	}
	if (to->reasons >> LVR_REFUSE_COUNT || (kind == LVR_PLAN_REFUSE) != !!to->reasons) {
		lvr_err_set(err, "verdict of kind %u with reasons %#x", kind, to->reasons);
		return -EINVAL;
	}
	if (to->source > LVR_PLAN_NO_MEMBER || to->confirm_member > LVR_PLAN_NO_MEMBER ||
	    (to->source == LVR_PLAN_NO_MEMBER && kind >= LVR_PLAN_STREAM) ||
	    (to->confirm_member == LVR_PLAN_NO_MEMBER) == !!(to->flags & LVR_PLAN_F_CONFIRM)) {
		lvr_err_set(err, "verdict of kind %u, flags %#x, with source %u, confirming %u",
			    kind, to->flags, to->source, to->confirm_member);
		return -EINVAL;
	}
	return 0;
}
