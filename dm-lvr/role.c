// SPDX-License-Identifier: GPL-2.0-only
/*
 * Roles: becoming primary, handing over, learning that one was superseded.
 *
 * Becoming primary (promote_work), and what a crash leaves at each step:
 *   1. The state is promoting, so no chunk is taken from the network any
 *      more; everything received is made durable.
 *      A secondary, as before: it destages no further than before (I5).
 *   2. Superblock: a new generation at head, PRIMARY.
 *      An unconfirmed primary that may destage its whole log: its history
 *      says so (I6).
 *   3. The volumes are brought to the head of the log. The same.
 *   4. The generation's first record is appended. The same.
 *   5. Bios may append; state active. The same.
 *
 * Handing over (demote):
 *   1. No bio appends; what was appended is durable, the read index is
 *      forgotten. An unconfirmed primary.
 *   2. The hand-over record is durable. The same, with a hand-over as its last
 *      record: the peer that holds it may become primary.
 *   3. Superblock: no longer PRIMARY. A secondary.
 */
#include <linux/random.h>

#include "lvr.h"

/* ---------------------------------------------------------------- describing */

/**
 * lvr_role_alone() - does the primary acknowledge what the other need not hold?
 * @g: a group with a peer
 *
 * Context: any.
 * Return: whether; on a secondary what its primary said last.
 */
bool lvr_role_alone(struct lvr_group *g)
{
	return (READ_ONCE(g->role) == LVR_ROLE_PRIMARY && !lvr_group_to_be_bound(g)) ||
	       READ_ONCE(lvr_group_peer(g)->flags) & LVR_MEMBER_F_ALONE;
}

static u32 node_flags_locked(struct lvr_group *g)
{
	/* while it is promoted it is not settled yet */
	return lvr_super_node_flags(g->sb, g->opts.peer, g->state, g->role,
				    !lvr_group_has_peer(g) || lvr_role_alone(g) ||
				    READ_ONCE(g->state) == LVR_GROUP_PROMOTING);
}

/**
 * lvr_role_describe() - what this node tells of itself in the handshake
 * @g: the group
 * @node: filled, all but fork_known and fork_chain
 *
 * Context: process, takes super_mutex.
 * Return: the log's opening, for which this holds: lvr_log_takes().
 */
u32 lvr_role_describe(struct lvr_group *g, struct lvr_plan_node *node)
{
	struct lvr_pos head, durable, destaged, tail;
	u32 opening, i;

	memset(node, 0, sizeof(*node));
	lvr_super_lock(g);
	/* first: when it changes from here on, it is the wrong one */
	opening = smp_load_acquire(&g->log.opening);
	lvr_log_positions(g, &head, &durable, &destaged, &tail);
	memcpy(node->group_uuid, g->sb->group_uuid, sizeof(node->group_uuid));
	node->member = g->opts.member;
	node->flags = node_flags_locked(g);
	node->ring_bytes = g->log.ring.bytes;
	node->head_seq = head.seq;
	node->head_chain = head.chain;
	node->durable_seq = durable.seq;
	node->destaged_seq = destaged.seq;
	node->tail_seq = tail.seq;
	node->sync_id = g->sb->sync_id;
	if (lvr_group_has_peer(g) && lvr_group_peer(g)->flags & LVR_MEMBER_F_SYNC_OPEN)
		node->source_sync_id = lvr_group_peer(g)->sync_id;
	node->handover_member = lvr_super_told_handover(g->opts.member, g->state,
							lvr_role_handover(g));
	node->history_entries = g->sb->history_entries;
	memcpy(node->history, g->sb->history, g->sb->history_entries * sizeof(node->history[0]));
	node->volumes = g->volumes;
	for (i = 0; i < g->volumes; i++) {
		strscpy(node->volume[i].name, g->volume[i]->name, LVR_NAME_BYTES);
		node->volume[i].size_sect = g->volume[i]->size_sect;
		node->volume[i].id = g->volume[i]->id;
		node->volume[i].block_bytes = g->volume[i]->block_bytes;
	}
	lvr_super_unlock(g);
	return opening;
}

/* own: what this node does as primary, which it may have ceased to be */
static int note_alone(struct lvr_group *g, bool alone, bool own)
{
	struct lvr_member *peer = lvr_group_peer(g);

	lvr_super_lock(g);
	if (alone == !!(peer->flags & LVR_MEMBER_F_ALONE) ||
	    (own && !(g->sb->flags & LVR_SUPER_F_PRIMARY))) {
		lvr_super_unlock(g);
		return 0;
	}
	peer->flags ^= LVR_MEMBER_F_ALONE;
	return lvr_super_commit(g);
}

/**
 * lvr_role_told_alone() - does the primary acknowledge writes without this node?
 * @g: a secondary, whose primary has said so
 * @opening: lvr_log_takes()
 * @alone: whether
 *
 * While it does not, this node holds every acknowledged write, and may say so
 * in a takeover; once one has begun here, what the old primary does is of no use.
 *
 * Context: process, sleeps.
 * Return: 0 when durable or of no use, -EIO.
 */
int lvr_role_told_alone(struct lvr_group *g, u32 opening, bool alone)
{
	int ret = 0;

	mutex_lock(&g->mutex);
	if (lvr_log_takes(&g->log, opening))
		ret = note_alone(g, alone, false);
	mutex_unlock(&g->mutex);
	return ret;
}

/* before the superblock that says so: a checkpoint right behind that writes down what it finds here */
static void forget_handover(struct lvr_group *g)
{
	spin_lock_irq(&g->log.lock);
	g->log.handover_member = ~0ull;
	spin_unlock_irq(&g->log.lock);
}

/**
 * lvr_role_void_handover() - a hand-over to this node counts no more
 * @g: the group; the link thread, as lvr_plan_voids_handover() says
 *
 * That holds for one that this node made to itself since it described itself,
 * too: the peer had gone on by then. An unconfirmed primary whose last record
 * is one loses it before it can be demoted. Context: process, sleeps.
 * Return: 0: durable, or there is none; -EIO.
 */
int lvr_role_void_handover(struct lvr_group *g)
{
	int ret = 0;

	mutex_lock(&g->mutex);
	if (READ_ONCE(g->log.from_peer) && lvr_role_handover(g) == g->opts.member) {
		forget_handover(g);
		lvr_super_lock(g);
		lvr_super_void_handover(g->sb, g->log.head.seq);
		ret = lvr_super_commit(g);
	}
	mutex_unlock(&g->mutex);
	return ret;
}

/**
 * lvr_role_pass_handover() - the record that comes next hands over to this node no more
 * @g: a secondary; the link thread
 * @opening: lvr_log_takes()
 * @end_seq: of the record
 *
 * Context: process, sleeps.
 * Return: 0 when durable, -EPERM when this node no longer takes chunks, -EIO.
 */
int lvr_role_pass_handover(struct lvr_group *g, u32 opening, u64 end_seq)
{
	int ret = -EPERM;

	mutex_lock(&g->mutex);
	if (lvr_log_takes(&g->log, opening)) {
		lvr_super_lock(g);
		lvr_super_void_handover(g->sb, end_seq);
		ret = lvr_super_commit(g);
	}
	mutex_unlock(&g->mutex);
	return ret;
}

/**
 * lvr_role_set_alone() - does this node acknowledge writes without the peer?
 * @g: the primary
 * @alone: true: the peer knows that it is no copy; false: the gate is on
 *
 * Context: process, sleeps.
 * Return: 0 when durable, -EIO.
 */
int lvr_role_set_alone(struct lvr_group *g, bool alone)
{
	return note_alone(g, alone, true);
}

/**
 * lvr_role_handover() - whom the last record hands over to
 * @g: the group
 *
 * Context: any.
 * Return: the member, ~0: none.
 */
u64 lvr_role_handover(struct lvr_group *g)
{
	return READ_ONCE(g->log.handover_member);
}

/* ----------------------------------------------------------- becoming primary */

static int begin_generation(struct lvr_group *g)
{
	struct lvr_super_begin begin = {
		.peer = g->opts.peer,
		.role = g->role,
		.handover_member = lvr_role_handover(g),
		.told_durable_seq = READ_ONCE(g->log.told_durable_seq),
		.bound = lvr_group_to_be_bound(g),
	};
	int ret;

	lvr_log_positions(g, &begin.head, NULL, NULL, NULL);
	get_random_bytes(&begin.gen, sizeof(begin.gen));
	begin.gen |= 1;
	lvr_super_lock(g);
	ret = lvr_super_begin_generation(g->sb, &begin);
	if (ret) {
		lvr_super_unlock(g);
		return ret;
	}
	/* before the commit: a checkpoint right behind it writes down what was told */
	spin_lock_irq(&g->log.lock);
	g->log.told_durable_seq = min(g->log.told_durable_seq, begin.head.seq);
	if (begin.handover_member != g->opts.member)
		g->log.handover_member = ~0ull;
	spin_unlock_irq(&g->log.lock);
	ret = lvr_super_commit(g);
	if (ret)
		return ret;
	spin_lock_irq(&g->log.lock);
	g->log.gen = begin.gen;
	g->log.durable_limit_seq = ~0ull;	/* its own log, whose history says so durably */
	spin_unlock_irq(&g->log.lock);
	if (g->link)
		lvr_link_begin_generation(g, begin.head.seq, lvr_group_peer(g)->acked_seq);
	return 0;
}

/* a record without payload, at the price of waiting for memory */
static int append_control(struct lvr_group *g, u8 type, u64 arg)
{
	struct lvr_log *log = &g->log;
	enum lvr_admit admit;
	struct lvr_rec *rec;

	do {
		rec = NULL;
		wait_event_timeout(log->moved, (rec = lvr_log_take_rec(g, 0)), HZ);
		if (!rec)
			continue;
		rec->desc = (struct lvr_record){ .type = type, .arg = arg };
		admit = lvr_log_append(g, rec, NULL);
		if (admit == LVR_ADMITTED) {
			lvr_log_commit(g, true);
			WRITE_ONCE(g->awaits_room, false);
			return 0;
		}
		lvr_stage_give_rec(&g->stage, rec);
		/* a full log: a checkpoint or the peer makes room, for which the link must come up */
		WRITE_ONCE(g->awaits_room, true);
		set_bit(LVR_WORKER_CHECKPOINT, &g->worker_flags);
		lvr_worker_kick(g);
		wait_event_timeout(log->moved, READ_ONCE(log->failed), HZ / 10);
	} while (!READ_ONCE(log->failed) && READ_ONCE(g->state) != LVR_GROUP_STOPPING);
	return -EIO;
}

/* the volumes at the head of the log; an origin that fails is tried again */
static int bring_volumes_to_head(struct lvr_group *g)
{
	int ret;

	while (READ_ONCE(g->state) == LVR_GROUP_PROMOTING) {
		ret = lvr_worker_drain(g);
		if (!ret && READ_ONCE(g->log.destaged.off) == READ_ONCE(g->log.head.off))
			return 0;
		if (READ_ONCE(g->log.failed))
			return -EIO;
		wait_event_timeout(g->worker_idle, READ_ONCE(g->state) != LVR_GROUP_PROMOTING, HZ / 4);
	}
	return -EIO;
}

/**
 * lvr_role_promote_work() - become primary; see the top of the file
 * @work: g->promote_work
 *
 * Context: process, the group's workqueue; waits for local devices only.
 */
void lvr_role_promote_work(struct work_struct *work)
{
	struct lvr_group *g = container_of(work, struct lvr_group, promote_work);
	struct lvr_log *log = &g->log;
	u64 prev_gen;
	int ret;

	if (g->link)
		lvr_link_rehandshake(g);
	/* against the link thread, which may still be changing the history */
	mutex_lock(&g->mutex);
	if (READ_ONCE(g->state) != LVR_GROUP_PROMOTING) {
		mutex_unlock(&g->mutex);	/* the group has been stopped meanwhile */
		return;
	}
	ret = lvr_log_settle(g) ?: lvr_log_flush_wait(g, log->head.seq) ?: begin_generation(g);
	prev_gen = log->head.gen;
	mutex_unlock(&g->mutex);
	if (ret)
		lvr_log_fail(g, "new generation", errno_to_blk_status(ret));
	if (ret || bring_volumes_to_head(g) || append_control(g, LVR_REC_GENERATION, prev_gen)) {
		DMERR("lvr %s: cannot become primary", g->name);
		return;
	}
	spin_lock_irq(&log->lock);
	log->peer_durable_seq = 0;
	spin_unlock_irq(&log->lock);
	if (g->link)
		lvr_link_regate(g);	/* before the first write */
	spin_lock_irq(&log->lock);
	log->indexed = true;
	log->from_bios = true;
	spin_unlock_irq(&log->lock);
	lvr_state_event(g, LVR_GEV_PROMOTED, g->promote_reason, NULL);
	if (g->link)
		lvr_link_rehandshake(g);
}

/**
 * lvr_role_promote() - the operator wants this node to be primary
 * @g: the group
 * @force: although it may lack what others hold, or others may be primary
 * @err: reason of a refusal
 *
 * Context: process; starts the work and returns.
 * Return: 0, or -EPERM, -EBUSY, -EINVAL with nothing changed.
 */
int lvr_role_promote(struct lvr_group *g, bool force, struct lvr_err *err)
{
	struct lvr_promote_check check = {
		.self = g->opts.member,
	};
	int ret;

	mutex_lock(&g->mutex);
	check.peer_active = g->link && lvr_link_peer_active(g);
	check.handover_member = lvr_role_handover(g);
	if (READ_ONCE(g->state) == LVR_GROUP_ACTIVE || READ_ONCE(g->state) == LVR_GROUP_PROMOTING) {
		ret = 0;	/* repeated */
		goto out;
	}
	lvr_super_lock(g);
	check.flags = node_flags_locked(g);
	check.ever_primary_in_group = g->sb->history_entries;
	check.superseded = g->sb->flags & LVR_SUPER_F_SUPERSEDED;
	lvr_super_unlock(g);
	ret = lvr_plan_may_promote(&check, force, err);
	if (ret)
		goto out;
	strscpy(g->promote_reason, force ? "promoted by force" : "promoted", sizeof(g->promote_reason));
	ret = lvr_state_event(g, LVR_GEV_PROMOTE, g->promote_reason, err);
	if (!ret)
		queue_work(system_unbound_wq, &g->promote_work);
out:
	mutex_unlock(&g->mutex);
	return ret;
}

/**
 * lvr_role_confirm() - nobody has superseded this node
 * @g: a group that ended as primary
 *
 * Context: process; starts the work and returns.
 * Return: 0, or -EINVAL when it is not unconfirmed.
 */
int lvr_role_confirm(struct lvr_group *g)
{
	int ret = lvr_state_event(g, LVR_GEV_CONFIRM, "confirmed", NULL);

	if (ret)
		return ret;
	strscpy(g->promote_reason, "confirmed", sizeof(g->promote_reason));
	queue_work(system_unbound_wq, &g->promote_work);
	return 0;
}

/* --------------------------------------------------------------- giving it up */

static int check_closed(struct lvr_group *g, struct lvr_err *err)
{
	u32 i;

	lockdep_assert_held(&g->mutex);
	for (i = 0; i < g->volumes; i++) {
		struct lvr_volume *v = g->volume[i];

		/* who has it open is not known then */
		if (READ_ONCE(v->suspender)) {
			lvr_err_set(err, "volume %s is suspended", v->name);
			return -EBUSY;
		}
		if (v->ti && disk_openers(dm_disk(dm_table_get_md(v->ti->table)))) {
			lvr_err_set(err, "volume %s is open", v->name);
			return -EBUSY;
		}
	}
	return 0;
}

/* the record of a hand-over must fit before the role is given up; one that is unconfirmed appends none */
static int check_room(struct lvr_group *g, struct lvr_err *err)
{
	struct lvr_log *log = &g->log;
	bool room;

	if (!log->gen)
		return 0;
	spin_lock_irq(&log->lock);
	room = lvr_ring_has_room(&log->ring, log->tail.off, log->head.off,
				 LVR_CHUNK_MAX_PAYLOAD_BYTES / 64, LVR_LOG_GUARD_BYTES);
	spin_unlock_irq(&log->lock);
	if (room)
		return 0;
	lvr_err_set(err, "the log is full: connect the peer, or let on-full=detach give it up");
	return -ENOSPC;
}

/*
 * The peer, if it gets the record, or if only force can tell who goes on. Not
 * one that was told of this node before it became primary: it does not know
 * that this node may have acknowledged writes alone since, and a hand-over that
 * it has not got would let it claim that nothing is lost.
 */
static u64 handover_to(struct lvr_group *g)
{
	struct lvr_link_status st = {};
	bool gets_it;

	if (g->link)
		lvr_link_status(g, &st);
	gets_it = st.direction == LVR_DIR_SOURCE && st.told_primary &&
		  (st.state == LVR_LINK_STREAMING || st.state == LVR_LINK_CATCHING_UP) &&
		  !(lvr_group_peer(g)->flags & LVR_MEMBER_F_NEEDS_SYNC);
	return gets_it || st.rivals ? g->opts.peer : g->opts.member;
}

/* a secondary reads nothing from memory, and its chunks leave it before they are destaged */
static void forget_staged(struct lvr_group *g)
{
	u32 i;

	lvr_worker_hold(g);
	for (i = 0; i < g->volumes; i++)
		lvr_volume_forget_staged(g->volume[i]);
	lvr_worker_release(g);
	spin_lock_irq(&g->log.lock);
	g->log.indexed = false;
	spin_unlock_irq(&g->log.lock);
}

static int become_secondary(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;
	int ret;

	lvr_super_lock(g);
	lvr_super_hand_over(g->sb, g->opts.peer, log->head.seq, log->handover_member);
	ret = lvr_super_commit(g);
	if (ret)
		return ret;
	spin_lock_irq(&log->lock);
	log->gen = 0;
	log->durable_limit_seq = log->head.seq;
	log->gate = false;
	spin_unlock_irq(&log->lock);
	return lvr_state_event(g, LVR_GEV_DEMOTED, "demoted", NULL);
}

/**
 * lvr_role_demote() - hand over to the peer and become secondary
 * @g: the group; no volume is open
 * @err: reason of a refusal
 *
 * Context: process, waits for local devices only.
 * Return: 0; -EBUSY, -EINVAL with nothing changed; -EIO.
 */
int lvr_role_demote(struct lvr_group *g, struct lvr_err *err)
{
	int ret;

	mutex_lock(&g->mutex);
	ret = READ_ONCE(g->state) == LVR_GROUP_STANDBY ? 1 :
	      check_closed(g, err) ?: check_room(g, err);
	if (!ret)
		ret = lvr_state_event(g, LVR_GEV_DEMOTE, "demoting", err);
	if (ret) {
		mutex_unlock(&g->mutex);
		return min(ret, 0);
	}
	spin_lock_irq(&g->log.lock);
	g->log.from_bios = false;
	spin_unlock_irq(&g->log.lock);
	lvr_group_kick_deferred(g);
	/* an origin that fails may hold up all memory: what is durable gives its own back, for the record */
	ret = lvr_log_settle(g) ?: lvr_log_flush_wait(g, g->log.head.seq);
	if (!ret)
		forget_staged(g);
	/* one that is unconfirmed has no generation to append in, and nothing to hand over */
	if (!ret && g->log.gen)
		ret = append_control(g, LVR_REC_HANDOVER, handover_to(g));
	if (!ret)
		ret = lvr_log_settle(g) ?: lvr_log_flush_wait(g, g->log.head.seq);
	if (!ret)
		ret = become_secondary(g);
	if (ret)
		lvr_err_set(err, "cannot write the hand-over to the log: %d", ret);
	mutex_unlock(&g->mutex);
	if (!ret && g->link)
		lvr_link_rehandshake(g);
	return ret;
}

/**
 * lvr_role_supersede() - another node took over at a fork
 * @g: a group that ended as primary, or a secondary
 * @fork_seq: records from here on are orphans
 *
 * Context: process, the link thread.
 * Return: 0 when durable, -EINVAL when it is an active primary, -EIO.
 */
int lvr_role_supersede(struct lvr_group *g, u64 fork_seq)
{
	struct lvr_pos head, fork;
	u64 handover_member;
	int ret;

	if (READ_ONCE(g->state) == LVR_GROUP_STANDBY)
		return 0;
	mutex_lock(&g->mutex);
	/* one that went on meanwhile has writers, behind which nothing settles */
	if (READ_ONCE(g->state) != LVR_GROUP_UNCONFIRMED) {
		mutex_unlock(&g->mutex);
		return -EINVAL;
	}
	lvr_worker_hold(g);
	lvr_log_positions(g, &head, NULL, NULL, NULL);
	if (lvr_reader_seek(g->destage_reader, fork_seq, &fork))
		lvr_log_positions(g, NULL, NULL, NULL, &fork);
	fork.seq = fork_seq;
	lvr_worker_release(g);
	/* what speaks against this node is in its log, too: both last, or neither */
	ret = lvr_log_settle(g) ?: lvr_log_flush_wait(g, head.seq) ?:
	      lvr_state_event(g, LVR_GEV_SUPERSEDE, "superseded by a takeover", NULL);
	if (ret) {
		mutex_unlock(&g->mutex);
		return ret;
	}
	if (head.seq > fork_seq)
		DMWARN("lvr %s: superseded; %llu records from seq %llu on (%llu log bytes) are orphans",
		       g->name, head.seq - fork_seq, fork_seq, head.off - fork.off);
	lvr_super_lock(g);
	handover_member = lvr_super_supersede(g->sb, g->opts.peer, &fork, &head, lvr_role_handover(g));
	spin_lock_irq(&g->log.lock);
	g->log.handover_member = handover_member;
	spin_unlock_irq(&g->log.lock);
	ret = lvr_super_commit(g);
	mutex_unlock(&g->mutex);
	return ret;
}

/**
 * lvr_role_reinstate() - the peer's log and this node's are one, the other's prefix
 * @g: a node that is about to stream to its peer, or from it
 * @opening: lvr_log_takes()
 * @held_seq: so much of this node's log the peer holds durably
 *
 * A takeover that left no record, or whose records were given up, supersedes
 * nobody. A node that went on as superseded would never free its log. And a
 * peer that had been given up would be fully synchronised for nothing.
 *
 * Context: process, the link thread.
 * Return: 0 when durable, -EIO.
 */
int lvr_role_reinstate(struct lvr_group *g, u32 opening, u64 held_seq)
{
	bool superseded;
	int ret = 0;

	mutex_lock(&g->mutex);
	lvr_super_lock(g);
	superseded = g->sb->flags & LVR_SUPER_F_SUPERSEDED;
	/* a primary is not superseded, and its peer may need a full synchronisation by now */
	if (lvr_log_takes(&g->log, opening) && lvr_super_reinstate(g->sb, g->opts.peer, held_seq)) {
		ret = lvr_super_commit(g);
		if (superseded)
			lvr_state_reason(g, LVR_GROUP_STANDBY, "the takeover was taken back");
	} else {
		lvr_super_unlock(g);
	}
	mutex_unlock(&g->mutex);
	return ret;
}

/**
 * lvr_role_discard() - the operator lets a full sync overwrite this copy
 * @g: a secondary
 * @err: reason of a refusal
 *
 * Context: process, sleeps.
 * Return: 0 when durable, -EBUSY, -EIO.
 */
int lvr_role_discard(struct lvr_group *g, struct lvr_err *err)
{
	int ret;

	mutex_lock(&g->mutex);
	if (READ_ONCE(g->state) != LVR_GROUP_STANDBY) {
		lvr_err_set(err, "only the copy of a secondary in state standby can be discarded, this one is %s, %s%s",
			    lvr_role_name(g->role), lvr_group_state_name(g->state),
			    g->role == LVR_ROLE_PRIMARY ? ": demote it first" : "");
		mutex_unlock(&g->mutex);
		return -EBUSY;
	}
	lvr_super_lock(g);
	g->sb->flags |= LVR_SUPER_F_DISCARD;
	ret = lvr_super_commit(g);
	mutex_unlock(&g->mutex);
	if (!ret && g->link)
		lvr_link_rehandshake(g);
	return ret;
}

static int learn_generation(struct lvr_group *g, const struct lvr_generation *gen)
{
	struct lvr_pos head;
	int ret;

	lvr_log_positions(g, &head, NULL, NULL, NULL);
	lvr_super_lock(g);
	ret = lvr_super_learn_generation(g->sb, gen, &head);
	if (ret <= 0) {
		lvr_super_unlock(g);
		return ret;
	}
	forget_handover(g);
	return lvr_super_commit(g);
}

/**
 * lvr_role_learn_generation() - a generation from the network
 * @g: a secondary; the link thread
 * @opening: lvr_log_takes()
 * @gen: which begins at this node's head
 *
 * Context: process, sleeps.
 * Return: 0 when durable (I6), -EINVAL when it does not continue the
 *         history, -EPERM when this node no longer takes chunks, -EIO.
 */
int lvr_role_learn_generation(struct lvr_group *g, u32 opening, const struct lvr_generation *gen)
{
	int ret;

	mutex_lock(&g->mutex);
	ret = lvr_log_takes(&g->log, opening) ? learn_generation(g, gen) : -EPERM;
	mutex_unlock(&g->mutex);
	return ret;
}
