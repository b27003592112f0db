// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each step in the life of a node writes into its superblock. In which
 * order the steps come, and what a crash leaves between them, is said where
 * they are made: role.c, truncate.c, sync.c, checkpoint.c, recover.c.
 *
 * `peer` is the member that the node is linked with, or LVR_MAX_MEMBERS: none.
 */
#include "plan.h"
#include "super.h"

static struct lvr_member *peer_of(struct lvr_super *sb, u32 peer)
{
	return peer < LVR_MAX_MEMBERS ? &sb->member[peer] : NULL;
}

/* -------------------------------------------------------------- what it tells */

/**
 * lvr_super_node_flags - what a node tells of itself in the handshake
 * @sb: its superblock
 * @peer: whom it tells
 * @state: enum lvr_group_state
 * @role: enum lvr_role
 * @alone: it acknowledges writes that the peer need not hold
 *
 * Any context, does not sleep.
 *
 * Return: LVR_NODE_F_*.
 */
u32 lvr_super_node_flags(const struct lvr_super *sb, u32 peer, u8 state, u8 role, bool alone)
{
	const struct lvr_generation *gen = lvr_super_generation(sb);
	u32 flags = 0;

	if (state == LVR_GROUP_ACTIVE || state == LVR_GROUP_PROMOTING || state == LVR_GROUP_DEMOTING)
		flags |= LVR_NODE_F_ACTIVE;
	else if (role == LVR_ROLE_PRIMARY)
		flags |= LVR_NODE_F_UNCONFIRMED;
	if (sb->flags & LVR_SUPER_F_INCONSISTENT)
		flags |= LVR_NODE_F_INCONSISTENT;
	if (sb->flags & LVR_SUPER_F_BLANK)
		flags |= LVR_NODE_F_BLANK;
	if (sb->flags & LVR_SUPER_F_DISCARD)
		flags |= LVR_NODE_F_DISCARD;
	if (peer < LVR_MAX_MEMBERS && sb->member[peer].flags & LVR_MEMBER_F_NEEDS_SYNC)
		flags |= LVR_NODE_F_PEER_NEEDS_SYNC;
	if (gen && gen->member == sb->self)
		flags |= LVR_NODE_F_WROTE;
	if (alone)
		flags |= LVR_NODE_F_ALONE;
	return flags;
}

/**
 * lvr_super_told_handover - whom a node says that its log is handed over to
 * @self: this node
 * @state: enum lvr_group_state
 * @handover_member: whom its last record hands over to; ~0: none
 *
 * One that is being promoted, by force, takes back what it handed over: its
 * first record will say so, and whoever meets it before is told.
 * Any context, does not sleep.
 *
 * Return: the member, ~0: none.
 */
u64 lvr_super_told_handover(u32 self, u8 state, u64 handover_member)
{
	return state == LVR_GROUP_PROMOTING && handover_member != self ? ~0ull : handover_member;
}

/* ----------------------------------------------------------------- generations */

/* a history that is full loses its oldest entries */
static int add_generation(struct lvr_super *sb, const struct lvr_generation *gen, u64 head_seq,
			  bool *pruned)
{
	int ret = lvr_super_add_generation(sb, gen);

	*pruned = ret == -ENOSPC;
	if (!*pruned)
		return ret;
	lvr_super_prune_history(sb, head_seq);
	return lvr_super_add_generation(sb, gen);
}

/* what becoming primary says of the peer */
static void judge_peer(struct lvr_super *sb, struct lvr_member *peer,
		       const struct lvr_super_begin *begin)
{
	const u64 head_seq = begin->head.seq;

	if (!sb->history_entries)
		/* it has nothing of ours */
		peer->flags |= LVR_MEMBER_F_NEEDS_SYNC | LVR_MEMBER_F_ALONE;
	if (!begin->bound)
		peer->flags |= LVR_MEMBER_F_ALONE;
	/* what this node has lost since the peer acked it says nothing of this generation */
	peer->acked_seq = min(peer->acked_seq, head_seq);
	if (begin->role != LVR_ROLE_SECONDARY)
		return;
	/* the old primary holds at least what it called durable */
	peer->acked_seq = max(peer->acked_seq, min(begin->told_durable_seq, head_seq));
	/* a takeover: service comes first, the old primary may never be back */
	if (begin->handover_member != sb->self)
		peer->flags |= LVR_MEMBER_F_ALONE;
	peer->told_durable_seq = min(peer->told_durable_seq, head_seq);
}

/* without a peer: whoever may become one again has no part in what is acknowledged from now on */
static void judge_former_peers(struct lvr_super *sb, u64 head_seq)
{
	u32 i;

	for (i = 0; i < LVR_MAX_MEMBERS; i++) {
		struct lvr_member *m = &sb->member[i];

		if (i == sb->self || !(m->flags & LVR_MEMBER_F_USED))
			continue;
		m->flags |= LVR_MEMBER_F_ALONE;
		m->acked_seq = min(m->acked_seq, head_seq);
		m->told_durable_seq = min(m->told_durable_seq, head_seq);
	}
}

/* counts more than the last record, as long as that is the last one */
static void set_handover(struct lvr_super *sb, u64 head_seq, u64 member)
{
	sb->handover_seq = head_seq;
	sb->handover_member = member;
}

static void forget_orphans(struct lvr_super *sb)
{
	sb->flags &= ~LVR_SUPER_F_SUPERSEDED;
	sb->orphan_first_seq = 0;
	sb->orphan_end_seq = 0;
	sb->orphan_bytes = 0;
}

/**
 * lvr_super_begin_generation - this node becomes primary
 * @sb: the superblock
 * @begin: with what
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL, -ENOSPC: the generation cannot be added.
 */
int lvr_super_begin_generation(struct lvr_super *sb, const struct lvr_super_begin *begin)
{
	struct lvr_generation gen = {
		.gen = begin->gen, .first_seq = begin->head.seq,
		.fork_chain = begin->head.chain, .member = sb->self,
	};
	struct lvr_member *peer = peer_of(sb, begin->peer);
	bool pruned;
	int ret;

	if (peer)
		judge_peer(sb, peer, begin);
	else
		judge_former_peers(sb, begin->head.seq);
	lvr_super_truncate_history(sb, begin->head.seq, begin->head.gen);
	ret = add_generation(sb, &gen, begin->head.seq, &pruned);
	if (ret)
		return ret;
	/* a peer that knows nothing newer than what was dropped cannot follow any more */
	if (pruned && peer && peer->acked_seq < sb->history[0].first_seq)
		peer->flags |= LVR_MEMBER_F_NEEDS_SYNC;
	/* what the old primary said of positions past the fork says nothing of this generation */
	sb->durable_limit_seq = min(sb->durable_limit_seq, begin->head.seq);
	sb->flags |= LVR_SUPER_F_PRIMARY;
	sb->flags &= ~(LVR_SUPER_F_DISCARD | LVR_SUPER_F_CLEAN);
	forget_orphans(sb);
	/* one to the peer is taken back by force, not only by the record that follows */
	set_handover(sb, begin->head.seq, begin->handover_member == sb->self ? sb->self : ~0ull);
	return 0;
}

/**
 * lvr_super_learn_generation - a generation that another node has begun
 * @sb: the superblock
 * @gen: which begins at this node's head
 * @head: that
 *
 * Any context, does not sleep.
 *
 * Return: 0 it is known already, 1 it was added, -EINVAL: it does not continue
 * the history, -ENOSPC.
 */
int lvr_super_learn_generation(struct lvr_super *sb, const struct lvr_generation *gen,
			       const struct lvr_pos *head)
{
	const struct lvr_generation *known = lvr_super_find_generation(sb, gen->gen);
	bool pruned;
	int ret;

	if (known)
		return known->first_seq == gen->first_seq &&
		       known->fork_chain == gen->fork_chain ? 0 : -EINVAL;
	lvr_super_truncate_history(sb, head->seq, head->gen);
	/* whom it comes from has it: nothing is said of the peer here */
	ret = add_generation(sb, gen, head->seq, &pruned);
	if (ret)
		return ret;
	/* whoever it is, the line goes on with him, though the record that says so may still be lost */
	set_handover(sb, head->seq, ~0ull);
	return 1;
}

/* --------------------------------------------------------------- no primary more */

/**
 * lvr_super_note_handover - the record of a hand-over may leave the log
 * @sb: the superblock
 * @head_seq: of the log
 * @member: whom its last record hands over to; ~0: none
 *
 * What was voided ahead of the head stays so. Any context, does not sleep.
 */
void lvr_super_note_handover(struct lvr_super *sb, u64 head_seq, u64 member)
{
	if (sb->handover_seq <= head_seq)
		set_handover(sb, head_seq, member);
}

/**
 * lvr_super_void_handover - what this log was handed over for has been taken back
 * @sb: the superblock
 * @head_seq: of the log, with the hand-over, which may still have to come
 *
 * Any context, does not sleep.
 */
void lvr_super_void_handover(struct lvr_super *sb, u64 head_seq)
{
	set_handover(sb, head_seq, ~0ull);
}

/**
 * lvr_super_hand_over - this node gives up being primary
 * @sb: the superblock
 * @peer: the other member
 * @head_seq: all of its log is durable
 * @handover_member: whom the last record hands over to; ~0: none
 *
 * Any context, does not sleep.
 */
void lvr_super_hand_over(struct lvr_super *sb, u32 peer, u64 head_seq, u64 handover_member)
{
	struct lvr_member *m = peer_of(sb, peer);

	sb->flags &= ~LVR_SUPER_F_PRIMARY;
	/* what another one does that has taken over, or will, is not known until it says so */
	if (m && handover_member != sb->self)
		m->flags |= LVR_MEMBER_F_ALONE;
	/* what this node wrote itself it may destage, before and after a crash */
	sb->durable_limit_seq = head_seq;
	set_handover(sb, head_seq, handover_member);
}

/**
 * lvr_super_supersede - another node took over
 * @sb: the superblock
 * @peer: that node
 * @fork: where
 * @head: of this node's log; what lies between is orphaned
 * @handover_member: whom the last record hands over to; ~0: none
 *
 * A hand-over to that very node stays: it may have lost its record by now. Any
 * context, does not sleep.
 *
 * Return: whom the last record hands over to from now on.
 */
u64 lvr_super_supersede(struct lvr_super *sb, u32 peer, const struct lvr_pos *fork,
			const struct lvr_pos *head, u64 handover_member)
{
	if (handover_member != peer || head->seq > fork->seq)
		handover_member = ~0ull;
	sb->flags &= ~LVR_SUPER_F_PRIMARY;
	sb->durable_limit_seq = head->seq;
	sb->member[peer].flags |= LVR_MEMBER_F_ALONE;	/* until it says otherwise */
	set_handover(sb, head->seq, handover_member);
	if (head->seq <= fork->seq)
		return handover_member;
	sb->flags |= LVR_SUPER_F_SUPERSEDED;
	sb->orphan_first_seq = fork->seq;
	sb->orphan_end_seq = head->seq;
	sb->orphan_bytes = head->off - fork->off;
	return handover_member;
}

static void lacks_nothing(struct lvr_member *m)
{
	m->flags &= ~(LVR_MEMBER_F_NEEDS_SYNC | LVR_MEMBER_F_SYNC_OPEN);
}

/**
 * lvr_super_reinstate - the peer's log and this node's are one, the other's prefix
 * @sb: the superblock
 * @peer: the other member
 * @held_seq: so much of this node's log the peer holds durably
 *
 * So no record is an orphan any more: a takeover was itself taken back. And a
 * peer that was once given up lacks nothing that this log no longer has, if its
 * disk says so, too (I4). Any context, does not sleep.
 *
 * Return: whether anything has changed.
 */
bool lvr_super_reinstate(struct lvr_super *sb, u32 peer, u64 held_seq)
{
	struct lvr_member *m = &sb->member[peer];
	bool holds = m->flags & LVR_MEMBER_F_NEEDS_SYNC && held_seq >= sb->tail.seq;
	bool opened = m->flags & LVR_MEMBER_F_SYNC_OPEN;	/* then acked_seq is where its stream starts */

	if (!(sb->flags & LVR_SUPER_F_SUPERSEDED) && !holds)
		return false;
	forget_orphans(sb);
	if (holds) {
		lacks_nothing(m);
		m->acked_seq = opened ? held_seq : max(m->acked_seq, held_seq);
	}
	return true;
}

/* ----------------------------------------------------------------- the log's ends */

/**
 * lvr_super_handover - whom a log that was read back is handed over to
 * @sb: the superblock, as it was read
 * @head_seq: of the log
 * @last_record_member: whom its last record hands over to; ~0: none, or there is no record
 *
 * Any context, does not sleep.
 *
 * Return: the member, ~0: none.
 */
u64 lvr_super_handover(const struct lvr_super *sb, u64 head_seq, u64 last_record_member)
{
	if (head_seq && sb->handover_seq == head_seq)
		return sb->handover_member;
	/* of a longer log: what is the last record now was not the last word */
	return sb->handover_seq > head_seq ? ~0ull : last_record_member;
}

/**
 * lvr_super_recover - the log has been read back
 * @sb: the superblock
 * @incarnation: of what is appended from now on
 * @head: of the log
 * @handover_member: as lvr_super_handover() says
 *
 * What was written down of a longer log must not speak of the records that
 * will come in place of those that are lost. Any context, does not sleep.
 */
void lvr_super_recover(struct lvr_super *sb, u64 incarnation, const struct lvr_pos *head,
		       u64 handover_member)
{
	set_handover(sb, head->seq, handover_member);
	sb->incarnation = incarnation;
	sb->flags &= ~LVR_SUPER_F_CLEAN;
	lvr_super_truncate_history(sb, head->seq, head->gen);
}

/**
 * lvr_super_checkpoint - records are on the volumes, and the log is freed
 * @sb: the superblock
 * @peer: the other member; none: LVR_MAX_MEMBERS or more
 * @done: the volumes hold everything before it
 * @tail: the log is kept from there on
 * @incarnation_off: chunks from there on are of the present incarnation
 *
 * A chunk of an earlier incarnation may lie at the tail, and fit, as the peer
 * sent again what was lost with a crash. If the one that took its place is lost
 * in turn, it must not be taken for that.
 *
 * The history goes with the records, as far as the peer holds them. Of one that
 * needs a full synchronisation, open or not, acked_seq does not say where it
 * stands, and it has to be known again. Any context, does not sleep.
 */
void lvr_super_checkpoint(struct lvr_super *sb, u32 peer, const struct lvr_pos *done,
			  const struct lvr_pos *tail, u64 incarnation_off)
{
	const struct lvr_member *m = peer_of(sb, peer);

	sb->checkpoint = *done;
	sb->tail = *tail;
	if (tail->off >= incarnation_off)
		sb->tail_incarnation = sb->incarnation;
	if (m && !(m->flags & LVR_MEMBER_F_NEEDS_SYNC))
		lvr_super_prune_history(sb, min(tail->seq, m->acked_seq));
}

/**
 * lvr_super_truncate - the records at and behind a position are dropped
 * @sb: the superblock
 * @peer: whom they came from
 * @seq: new head of the log
 * @keep_gen: as for lvr_super_truncate_history()
 *
 * Any context, does not sleep.
 */
void lvr_super_truncate(struct lvr_super *sb, u32 peer, u64 seq, u64 keep_gen)
{
	struct lvr_member *m = &sb->member[peer];

	sb->incarnation++;
	lvr_super_truncate_history(sb, seq, keep_gen);
	set_handover(sb, seq, ~0ull);
	sb->durable_limit_seq = min(sb->durable_limit_seq, seq);
	m->told_durable_seq = min(m->told_durable_seq, seq);
	m->acked_seq = min(m->acked_seq, seq);
}

/**
 * lvr_super_held_seq - how far the log must be kept for the peer (I4)
 * @sb: the superblock, not of a superseded node
 * @peer: the other member
 * @told_durable_seq: a primary that is the peer holds so much durably
 *
 * Any context, does not sleep.
 *
 * Return: the position before which the peer needs nothing; ~0: nothing is kept for it.
 */
u64 lvr_super_held_seq(const struct lvr_super *sb, u32 peer, u64 told_durable_seq)
{
	const struct lvr_member *m;

	if (peer >= LVR_MAX_MEMBERS)
		return ~0ull;
	m = &sb->member[peer];
	if (m->flags & LVR_MEMBER_F_NEEDS_SYNC && !(m->flags & LVR_MEMBER_F_SYNC_OPEN))
		return ~0ull;
	/* acked to us, or its own and called durable by it */
	return max(m->acked_seq, told_durable_seq);
}

/* ----------------------------------------------------------- full synchronisation */

/**
 * lvr_super_give_up_peer - the log is to go on without what the peer lacks
 * @sb: the superblock
 * @peer: the other member
 *
 * Any context, does not sleep.
 */
void lvr_super_give_up_peer(struct lvr_super *sb, u32 peer)
{
	sb->member[peer].flags |= LVR_MEMBER_F_NEEDS_SYNC | LVR_MEMBER_F_ALONE;
	sb->member[peer].flags &= ~LVR_MEMBER_F_SYNC_OPEN;
}

/**
 * lvr_super_open_sync - a full synchronisation of the peer begins
 * @sb: the superblock
 * @peer: its target
 * @sync_id: of it
 * @seq: where its stream starts
 *
 * Any context, does not sleep.
 */
void lvr_super_open_sync(struct lvr_super *sb, u32 peer, u64 sync_id, u64 seq)
{
	struct lvr_member *m = &sb->member[peer];

	m->flags |= LVR_MEMBER_F_NEEDS_SYNC | LVR_MEMBER_F_SYNC_OPEN;
	m->sync_id = sync_id;
	m->sync_volume = 0;
	m->sync_sect = 0;
	m->sync_end_seq = 0;
	m->acked_seq = seq;
}

/**
 * lvr_super_close_sync - the peer has completed a full synchronisation
 * @sb: the superblock
 * @peer: its target
 * @sync_id: of it
 *
 * Any context, does not sleep.
 *
 * Return: whether it was open.
 */
bool lvr_super_close_sync(struct lvr_super *sb, u32 peer, u64 sync_id)
{
	struct lvr_member *m = &sb->member[peer];

	if (m->sync_id != sync_id || !(m->flags & LVR_MEMBER_F_SYNC_OPEN))
		return false;
	lacks_nothing(m);
	return true;
}

static void adopt_history(struct lvr_super *sb, const struct lvr_plan_node *source, u64 seq)
{
	u32 i;

	sb->history_entries = 0;
	for (i = 0; i < source->history_entries && source->history[i].first_seq <= seq; i++)
		sb->history[sb->history_entries++] = source->history[i];
}

/**
 * lvr_super_become_target - this copy is about to be overwritten (I10)
 * @sb: the superblock
 * @sync_id: the full synchronisation
 * @source: what its source told of itself
 * @pos: from here on the stream is in this node's log, which is empty
 *
 * Any context, does not sleep.
 */
void lvr_super_become_target(struct lvr_super *sb, u64 sync_id, const struct lvr_plan_node *source,
			     const struct lvr_pos *pos)
{
	sb->flags &= ~(LVR_SUPER_F_BLANK | LVR_SUPER_F_DISCARD | LVR_SUPER_F_CLEAN);
	sb->flags |= LVR_SUPER_F_INCONSISTENT;
	sb->sync_id = sync_id;
	memcpy(sb->group_uuid, source->group_uuid, LVR_UUID_BYTES);
	adopt_history(sb, source, pos->seq);
	forget_orphans(sb);
	lacks_nothing(&sb->member[source->member]);
	sb->incarnation++;
	sb->tail = *pos;
	sb->tail_incarnation = sb->incarnation;
	sb->checkpoint = *pos;
	sb->durable_limit_seq = 0;
	set_handover(sb, pos->seq, ~0ull);
	sb->member[source->member].told_durable_seq = 0;
	sb->member[source->member].acked_seq = 0;
}
