// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known of a link and its peer: state, reason, positions; the log's
 * gate, which follows.
 *
 * The states are in core/sm.c. lvr_link_event() is the only writer; the
 * events come from the link thread, except CONNECT and DISCONNECT, which the
 * operator's call makes at once, so that a status read behind it shows them.
 * An event of the thread that comes too late for that is refused by the table.
 *
 * The gate of the log follows from state, mode and suspension, in
 * lvr_link_gate() alone.
 *
 * What a crash leaves: the superblock's member entry is as of the last
 * checkpoint (lvr_link_checkpoint()): a position that the peer holds at
 * least, and a full sync's cursor below which it holds all.
 *
 * Lock order: gate_mutex -> super_mutex -> link->lock, log->lock.
 */
#include "link.h"
#include "trace.h"

static bool in_session(enum lvr_link_state state)
{
	return state == LVR_LINK_IDLE || state == LVR_LINK_CATCHING_UP ||
	       state == LVR_LINK_STREAMING || state == LVR_LINK_SYNCING;
}

/**
 * lvr_link_event() - an event happened to a link: the only writer of its state
 * @link: the link
 * @event: what
 * @fmt: why, for people
 *
 * Context: process; not under link->lock.
 * Return: whether the event was legal; if not, nothing has changed.
 */
bool lvr_link_event(struct lvr_link *link, enum lvr_link_event event, const char *fmt, ...)
{
	char reason[sizeof(link->reason)];
	struct lvr_err why = {};
	va_list args;
	int from, to;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);

	spin_lock(&link->lock);
	from = link->state;
	to = lvr_link_next(from, event, &why);
	if (to >= 0 && to != from) {
		WRITE_ONCE(link->state, to);
		strscpy(link->reason, reason, sizeof(link->reason));
		if (!in_session(to)) {
			link->direction = LVR_DIR_NONE;
			link->peer_is_active = false;
		}
		if (to != LVR_LINK_STREAMING)
			link->in_sync = false;
	}
	spin_unlock(&link->lock);
	if (to < 0) {
		DMDEBUG("lvr %s: link: %s", link->group, why.text);
		return false;
	}
	if (to == from)
		return true;
	if (__ratelimit(&link->log_limit))
		DMINFO("lvr %s: link %s -> %s (%s)", link->group, lvr_link_state_name(from),
		       lvr_link_state_name(to), reason);
	trace_lvr_link_state(link->group, lvr_link_state_name(from), lvr_link_state_name(to), reason);
	lvr_link_gate(link);
	lvr_state_notify(link->g);
	return true;
}

/**
 * lvr_link_reason() - why a link that waits has no connection
 * @link: the link
 * @fmt: the reason, for people
 *
 * Strangers can cause this too: it changes a text, and tells of that only so
 * often.
 *
 * Context: process.
 */
void lvr_link_reason(struct lvr_link *link, const char *fmt, ...)
{
	char reason[sizeof(link->reason)];
	bool changed = false;
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);

	spin_lock(&link->lock);
	if (link->state == LVR_LINK_WAITING && strcmp(link->reason, reason) && !link->stopping) {
		strscpy(link->reason, reason, sizeof(link->reason));
		changed = true;
	}
	if (changed && __ratelimit(&link->log_limit)) {
		/* under the lock: lvr_link_destroy() has not passed it, g is there */
		DMINFO("lvr %s: link waits: %s", link->group, reason);
		lvr_state_notify(link->g);
	}
	spin_unlock(&link->lock);
}

static unsigned long patience_ends_jiffies(const struct lvr_link *link)
{
	return link->progress_jiffies + msecs_to_jiffies(link->opts.timeout_ms);
}

/*
 * A volume is being suspended: has the peer had its time to acknowledge what
 * waits? One that streams and has acknowledged all that it was sent needs none.
 */
static bool had_its_time(const struct lvr_link *link)
{
	lockdep_assert_held(&link->lock);
	if (!link->suspended)
		return false;
	if (!link->heard_ms ||
	    ktime_to_ms(ktime_get_boottime()) - link->heard_ms >= link->opts.timeout_ms)
		return true;
	return (link->state != LVR_LINK_STREAMING || link->acked_seq < link->sent_seq) &&
	       time_after_eq(jiffies, patience_ends_jiffies(link));
}

/* while volumes are being suspended: look again when the peer will have had its time, or may have had */
static void look_again_locked(struct lvr_link *link)
{
	long left = patience_ends_jiffies(link) - jiffies;

	lockdep_assert_held(&link->lock);
	if (left <= 0)
		left = msecs_to_jiffies(link->opts.timeout_ms);
	mod_delayed_work(system_unbound_wq, &link->regate_work, left + 1);
}

/**
 * lvr_link_gate() - let the log's gate follow
 * @link: something about it has changed
 *
 * On: writes wait for the peer's durable ack. In mode sync while the link
 * streams and no volume is being suspended (I7). With on-disconnect=block
 * always, unless the member entry says ALONE: the peer relies on it. Then the
 * writes of volumes that are being suspended end without an acknowledgement
 * once the peer has given none at all for timeout_ms, or was not heard for so
 * long.
 * Everything acknowledged before the gate closed lies before gate_seq: once
 * the peer holds that durably the link is in sync.
 *
 * Context: process; takes gate_mutex.
 */
void lvr_link_gate(struct lvr_link *link)
{
	struct lvr_log *log = &link->g->log;
	bool on, closed, lost, bound, refuses;
	u64 seq;

	mutex_lock(&link->gate_mutex);
	lvr_super_lock(link->g);	/* ALONE counts when it is on disk */
	bound = lvr_group_bound(link->g);
	lvr_super_unlock(link->g);
	spin_lock(&link->lock);
	refuses = bound && had_its_time(link);
	on = bound || (link->opts.sync && !link->suspended && !link->stopping &&
		       link->state == LVR_LINK_STREAMING && link->direction == LVR_DIR_SOURCE);
	closed = on && !link->gate_on;
	spin_unlock(&link->lock);

	lvr_log_set_gate(link->g, on, refuses);
	spin_lock_irq(&log->lock);
	seq = log->head.seq + (log->open ? log->open->info.records : 0);
	spin_unlock_irq(&log->lock);

	spin_lock(&link->lock);
	link->gate_on = on;
	if (closed) {
		link->gate_seq = seq;
		link->progress_jiffies = jiffies;
	}
	if (bound && link->suspended && !refuses && !link->stopping)
		look_again_locked(link);
	lost = link->in_sync && (closed || !on);
	if (lost)
		link->in_sync = false;
	spin_unlock(&link->lock);
	mutex_unlock(&link->gate_mutex);
	if (lost)
		lvr_state_notify(link->g);
}

/**
 * lvr_link_stalled() - do writers wait for a peer that acknowledges nothing any more?
 * @link: the link
 *
 * With mode=sync and on-disconnect=async writers go on without a peer that is
 * away. One that pings but takes nothing, as its log device hangs, is as good
 * as away after LVR_STALL_TIMEOUTS times timeout_ms.
 *
 * Context: any that may take link->lock.
 * Return: how long it was given in ms, or 0: it is not stalled.
 */
u32 lvr_link_stalled(struct lvr_link *link)
{
	u32 limit_ms = 0;

	spin_lock(&link->lock);
	if (link->gate_on && !lvr_group_bound(link->g) && link->acked_seq < link->sent_seq)
		limit_ms = LVR_STALL_TIMEOUTS * link->opts.timeout_ms;
	if (limit_ms && time_before(jiffies, link->progress_jiffies + msecs_to_jiffies(limit_ms)))
		limit_ms = 0;
	spin_unlock(&link->lock);
	return limit_ms;
}

/**
 * lvr_link_regate() - lvr_link_gate() for those who know the group only
 * @g: the group, with or without a link
 *
 * Context: process.
 */
void lvr_link_regate(struct lvr_group *g)
{
	struct lvr_link *link = lvr_link_get(g);

	if (!link)
		return;
	lvr_link_gate(link);
	lvr_link_put(link);
}

/**
 * lvr_link_in_sync() - the peer holds all that was acknowledged, if it does
 * @link: of a source whose peer has acknowledged more
 *
 * With on-disconnect=block this ends the time in which writes were
 * acknowledged without the peer: that is durable before the peer is told, by
 * a new handshake, and the gate does not open in between. What a crash
 * leaves: the peer does not know it yet, and claims less than it could.
 *
 * Context: process, the link thread; may write the superblock.
 */
void lvr_link_in_sync(struct lvr_link *link)
{
	bool now = false, was_alone = false;

	mutex_lock(&link->gate_mutex);
	spin_lock(&link->lock);
	if (link->gate_on && link->state == LVR_LINK_STREAMING &&
	    link->direction == LVR_DIR_SOURCE && link->acked_seq >= link->gate_seq && !link->in_sync) {
		link->in_sync = true;
		now = true;
		was_alone = link->opts.block_on_disconnect &&
			    READ_ONCE(lvr_group_peer(link->g)->flags) & LVR_MEMBER_F_ALONE;
	}
	spin_unlock(&link->lock);
	if (was_alone && !lvr_role_set_alone(link->g, false))
		lvr_link_kick(link, LVR_KICK_AGAIN);
	mutex_unlock(&link->gate_mutex);
	if (now)
		lvr_state_notify(link->g);
}

/**
 * lvr_link_begin_generation() - this node becomes primary
 * @g: the group, with or without a link
 * @head_seq: where its generation begins
 * @acked_seq: so much of it the peer holds at least
 *
 * Context: process.
 */
void lvr_link_begin_generation(struct lvr_group *g, u64 head_seq, u64 acked_seq)
{
	struct lvr_link *link = lvr_link_get(g);

	if (!link)
		return;
	spin_lock(&link->lock);
	link->acked_seq = min(max(link->acked_seq, acked_seq), head_seq);
	spin_unlock(&link->lock);
	lvr_link_put(link);
}

/**
 * lvr_link_heard() - a frame of the peer came
 * @link: the link
 * @frame: its header, decoded
 * @err: reason
 *
 * Context: process, the link thread.
 * Return: 0, or -EPROTO when its positions cannot be.
 */
int lvr_link_heard(struct lvr_link *link, const struct lvr_frame *frame, struct lvr_err *err)
{
	if (frame->durable_seq > frame->head_seq) {
		lvr_err_set(err, "%s frame with durable %llu beyond head %llu",
			    lvr_frame_type_name(frame->type), frame->durable_seq, frame->head_seq);
		return -EPROTO;
	}
	spin_lock(&link->lock);
	link->peer_head_seq = frame->head_seq;
	link->peer_durable_seq = frame->durable_seq;
	link->heard_ms = ktime_to_ms(ktime_get_boottime()) ?: 1;
	link->heard_real_ms = ktime_to_ms(ktime_get_real());
	spin_unlock(&link->lock);
	return 0;
}

/**
 * lvr_link_peer_active() - is there a connection to an active primary?
 * @g: the group, with or without a link
 *
 * Context: process.
 * Return: whether.
 */
bool lvr_link_peer_active(struct lvr_group *g)
{
	struct lvr_link *link = lvr_link_get(g);
	bool active;

	if (!link)
		return false;
	spin_lock(&link->lock);
	active = link->peer_is_active && in_session(link->state);
	spin_unlock(&link->lock);
	lvr_link_put(link);
	return active;
}

/**
 * lvr_link_status() - snapshot for people
 * @g: the group, with or without a link
 * @st: filled
 *
 * Context: process.
 */
void lvr_link_status(struct lvr_group *g, struct lvr_link_status *st)
{
	struct lvr_link *link = lvr_link_get(g);

	memset(st, 0, sizeof(*st));
	st->seen_ms = ~0ull;
	if (!link)
		return;
	spin_lock(&link->lock);
	st->state = link->state;
	st->direction = link->direction;
	strscpy(st->reason, link->reason, sizeof(st->reason));
	st->in_sync = link->in_sync;
	st->rivals = link->rivals;
	st->told_primary = link->told_primary && link->told_opening == READ_ONCE(g->log.opening);
	st->sent_seq = link->sent_seq;
	st->acked_seq = link->acked_seq;
	st->applied_seq = link->applied_seq;
	if (link->direction == LVR_DIR_TARGET) { /* the peer is ahead of us, and says how far */
		st->sent_seq = link->peer_head_seq;
		st->acked_seq = link->peer_durable_seq;
	}
	st->peer_head_seq = link->peer_head_seq;
	st->peer_durable_seq = link->peer_durable_seq;
	if (link->heard_ms)
		st->seen_ms = ktime_to_ms(ktime_get_boottime()) - link->heard_ms;
	else if (link->heard_real_ms)	/* before this node was started, by the wall clock */
		st->seen_ms = max_t(s64, ktime_to_ms(ktime_get_real()) - (s64)link->heard_real_ms, 0);
	lvr_sync_status(link, st);
	spin_unlock(&link->lock);
	lvr_link_put(link);
}

/* ------------------------------------------------------- the member entry */

/**
 * lvr_link_load() - what was known of the peer when this node stopped
 * @link: under construction
 * @member: the peer's entry; super_mutex is held
 *
 * Context: process.
 */
void lvr_link_load(struct lvr_link *link, const struct lvr_member *member)
{
	link->acked_seq = member->acked_seq;
	link->told_head_seq = member->told_head_seq;
	link->peer_head_seq = member->told_head_seq;
	link->peer_durable_seq = member->told_durable_seq;
	link->heard_real_ms = member->seen_time_ms;
	if (member->flags & LVR_MEMBER_F_SYNC_OPEN) {
		link->sync.open = true;
		link->sync.id = member->sync_id;
		link->sync.done = (struct lvr_sync_cursor){ member->sync_volume, member->sync_sect };
		link->sync.done_end_seq = member->sync_end_seq;
	}
}

/**
 * lvr_link_store() - put what is known of the peer into its member entry
 * @link: the link
 * @member: the peer's entry; super_mutex is held
 *
 * acked_seq is the position before which the peer needs nothing, unless the
 * entry says NEEDS_SYNC without SYNC_OPEN: then nothing is kept for it.
 *
 * Context: process.
 */
void lvr_link_store(struct lvr_link *link, struct lvr_member *member)
{
	lockdep_assert_held(&link->g->super_mutex);
	spin_lock(&link->lock);
	if (link->acked_valid)
		member->acked_seq = link->acked_seq;
	/* only what a source said: destage goes by it after a restart (I5) */
	if (READ_ONCE(link->g->role) == LVR_ROLE_SECONDARY)
		member->told_durable_seq = READ_ONCE(link->g->log.told_durable_seq);
	member->told_head_seq = link->told_head_seq;
	member->seen_time_ms = link->heard_real_ms;
	lvr_sync_checkpoint(link, member);
	spin_unlock(&link->lock);
}

/**
 * lvr_link_checkpoint() - lvr_link_store(), for the superblock of a checkpoint
 * @g: the group, with or without a link; super_mutex is held
 *
 * Context: process.
 */
void lvr_link_checkpoint(struct lvr_group *g)
{
	struct lvr_link *link = lvr_link_get(g);

	if (!link)
		return;
	lvr_link_store(link, lvr_group_peer(g));
	lvr_link_put(link);
}
