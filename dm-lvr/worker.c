// SPDX-License-Identifier: GPL-2.0-only
/*
 * The worker of a group, a thread: recovery first, then rounds of destage and
 * checkpoints, when a record is old enough, space is wanted, or someone asks.
 *
 * Nothing here waits for the network (I7).
 */
#include <linux/sched/mm.h>

#include "lvr.h"

/*
 * A record waits for company before it is destaged: what is written again
 * meanwhile goes to the origin once, the rest in order of the sectors, and
 * neither takes time from who is writing. It waits while more comes, not for
 * longer than DESTAGE_AGE_MS, which is what a demotion or a recovery has more
 * to do for it.
 */
#define DESTAGE_IDLE_MS		200
#define DESTAGE_AGE_MS		2000
#define CHECKPOINT_MS		1000
#define RETRY_MS		1000

static bool any_lost(struct lvr_group *g)
{
	u32 i;

	for (i = 0; i < g->volumes; i++)
		if (READ_ONCE(g->volume[i]->lost))
			return true;
	return false;
}

static bool any_failed(struct lvr_group *g)
{
	u32 i;

	for (i = 0; i < g->volumes; i++)
		if (READ_ONCE(g->volume[i]->failed))
			return true;
	return any_lost(g) || READ_ONCE(g->log_unreadable);
}

/*
 * Is so much not destaged that room may become scarce: half of the ring, or
 * three quarters of the chunks or of the pages in memory. The pages are estimated
 * as if all were in chunks of their own, by what the blocks of the log make of
 * one there. What is only kept for the sender gives way, and does not count.
 */
static bool is_pressed(struct lvr_group *g)
{
	u64 waits_bytes = g->log.head.off - g->log.destaged.off;
	u32 small_bytes = lvr_extent_bytes(LVR_CHUNK_HEAD_BYTES + LVR_RECORD_DESC_BYTES, PAGE_SIZE,
					   g->log.ring.block_bytes);

	return waits_bytes > g->log.ring.bytes / 2 ||
	       READ_ONCE(g->log.placed_chunks) - READ_ONCE(g->log.destaged_chunks) > g->stage.chunks / 4 * 3 ||
	       waits_bytes * 2 > (u64)g->stage.pages * small_bytes * 3 / 4;
}

static bool checkpoint_due(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;
	bool moves;

	spin_lock_irq(&log->lock);
	/* a tail that waits for the peer goes on when that has acked more, not before */
	moves = log->checkpoint.off != log->destaged.off ||
		(log->tail.off < log->checkpoint.off &&
		 lvr_log_held_seq(log) != log->checkpoint_held_seq);
	spin_unlock_irq(&log->lock);
	if (any_failed(g))
		return false;
	if (moves && (test_bit(LVR_WORKER_CHECKPOINT, &g->worker_flags) ||
		      log->head.off - log->tail.off > log->ring.bytes / 2))
		return true;
	return (moves || READ_ONCE(g->sync_moved)) &&
	       time_after(jiffies, g->checkpoint_jiffies + msecs_to_jiffies(CHECKPOINT_MS));
}

/*
 * Never behind the back of a peer that relies on this node to acknowledge nothing
 * without it: writers wait for that one. Nor while the record is written that may
 * hand over to it.
 */
static bool may_give_up_peer(struct lvr_group *g)
{
	return lvr_group_has_peer(g) && !lvr_group_bound(g) && READ_ONCE(g->state) != LVR_GROUP_DEMOTING &&
	       (g->opts.detach_on_full || atomic_read(&g->suspending));
}

/*
 * on-full=detach: the ring is full of what only the peer lacks. From here on
 * it needs a full sync; said durably before its records are given up (I4).
 */
static void detach_peer(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;
	bool pinned;

	if (!may_give_up_peer(g))
		return;
	spin_lock_irq(&log->lock);
	pinned = log->tail.off < log->checkpoint.off && log->checkpoint.off == log->destaged.off &&
		 !lvr_ring_has_room(&log->ring, log->tail.off, log->head.off,
				    LVR_CHUNK_MAX_PAYLOAD_BYTES, LVR_LOG_RESERVE_BYTES);
	spin_unlock_irq(&log->lock);
	if (!pinned || READ_ONCE(g->role) != LVR_ROLE_PRIMARY)
		return;
	lvr_super_lock(g);
	if (!may_give_up_peer(g) || lvr_group_peer(g)->acked_seq >= g->sb->checkpoint.seq) {
		lvr_super_unlock(g);
		return;
	}
	lvr_super_give_up_peer(g->sb, g->opts.peer);
	if (lvr_super_commit(g))
		return;
	DMWARN("lvr %s: log full: peer %s detached, it needs a full sync", g->name,
	       lvr_group_peer(g)->name);
	lvr_checkpoint(g);
	if (g->link) {
		lvr_link_regate(g);	/* there may be no connection whose end does it */
		lvr_link_rehandshake(g);
	}
	lvr_state_notify(g);
}

static void replayed(struct lvr_group *g)
{
	enum lvr_group_event event = g->primary_at_start ? LVR_GEV_REPLAYED_UNCONFIRMED :
				     LVR_GEV_REPLAYED_SECONDARY;

	if (lvr_checkpoint(g))
		return;
	lvr_state_event(g, event, g->primary_at_start ? "ended as primary" : "recovered", NULL);
	if (g->primary_at_start && (g->opts.start_at_once || !lvr_group_has_peer(g)))
		lvr_role_confirm(g);
	if (g->link)
		lvr_link_rehandshake(g);
}

/* may what is there still get company? Asked again within DESTAGE_IDLE_MS */
static bool waits_for_company(struct lvr_group *g)
{
	u64 head_off = READ_ONCE(g->log.head.off);

	if (!g->destage_waits) {
		g->destage_since_jiffies = jiffies;
		g->destage_head_off = 0;
	}
	if (g->destage_head_off != head_off) {
		g->destage_head_off = head_off;
		g->destage_came_jiffies = jiffies;
	}
	return time_before(jiffies, g->destage_came_jiffies + msecs_to_jiffies(DESTAGE_IDLE_MS)) &&
	       time_before(jiffies, g->destage_since_jiffies + msecs_to_jiffies(DESTAGE_AGE_MS));
}

/* an origin or the log refuses, or a volume is suspended: only time or a new origin helps */
static bool stuck(struct lvr_group *g)
{
	return any_failed(g) || READ_ONCE(g->destage_blocked);
}

static bool is_urgent(struct lvr_group *g)
{
	return test_bit(LVR_WORKER_PRESSURE, &g->worker_flags) ||
	       atomic_read(&g->draining) || is_pressed(g) ||
	       (READ_ONCE(g->state) != LVR_GROUP_ACTIVE && READ_ONCE(g->state) != LVR_GROUP_STANDBY);
}

/* who waited for room is asked again by a batch that moves, and presses again if it was not enough */
static bool batch(struct lvr_group *g, struct lvr_destage *d)
{
	bool pressure = test_and_clear_bit(LVR_WORKER_PRESSURE, &g->worker_flags);
	bool moved = lvr_destage_batch(d);

	if (pressure && !moved)
		set_bit(LVR_WORKER_PRESSURE, &g->worker_flags);
	return moved;
}

/* destage and checkpoint as far as they are due; how long to sleep at most before the next time, in jiffies */
static long go_on(struct lvr_group *g, struct lvr_destage *d)
{
	bool moved = false, flush_failed = false, behind, waits, waited = g->destage_waits;

	if (any_lost(g))
		moved = lvr_destage_again(d);
	behind = lvr_destage_behind(g);
	waits = behind && !is_urgent(g) && waits_for_company(g);
	smp_store_mb(g->destage_waits, waits);	/* then looks at what is durable; pairs with lvr_worker_durable() */
	if (behind && !waits) {
		moved |= batch(g, d);
	} else if (!behind) {
		/* what became durable before that store has woken nobody: look again */
		moved |= waited;
		clear_bit(LVR_WORKER_PRESSURE, &g->worker_flags);
		if (READ_ONCE(g->state) == LVR_GROUP_REPLAYING)
			replayed(g);
	}
	if (checkpoint_due(g)) {
		flush_failed = lvr_checkpoint(g);
		clear_bit(LVR_WORKER_CHECKPOINT, &g->worker_flags);
		moved = true;
	}
	if (moved && !flush_failed)
		return 0;
	if (waits)
		return msecs_to_jiffies(DESTAGE_IDLE_MS) / 2 + 1;
	if (!stuck(g))
		return msecs_to_jiffies(CHECKPOINT_MS);
	WRITE_ONCE(g->retry_jiffies, jiffies + msecs_to_jiffies(RETRY_MS));
	return msecs_to_jiffies(RETRY_MS);
}

/* one round; how long to sleep at most before the next, in jiffies */
static long worker_round(struct lvr_group *g, struct lvr_destage *d)
{
	long sleep, until_retry = READ_ONCE(g->retry_jiffies) - jiffies;

	if (!lvr_destage_allowed(g))
		return HZ;
	/* who waits for room is woken by a failed batch, and kicks again: that must not turn in a circle */
	sleep = stuck(g) && until_retry > 0 ? until_retry : go_on(g, d);
	detach_peer(g);
	wake_up_all(&g->worker_idle);
	return sleep;
}

static bool begin_round(struct lvr_group *g)
{
	bool go;

	spin_lock_irq(&g->log.lock);
	go = !g->worker_hold;
	g->worker_busy = go;
	spin_unlock_irq(&g->log.lock);
	return go;
}

static void end_round(struct lvr_group *g)
{
	spin_lock_irq(&g->log.lock);
	g->worker_busy = false;
	spin_unlock_irq(&g->log.lock);
	wake_up_all(&g->worker_idle);
}

static void recover_first(struct lvr_group *g)
{
	struct lvr_err err = {};

	if (lvr_recover(g, &err)) {
		if (kthread_should_stop())
			return;
		DMERR("lvr %s: %s", g->name, err.text);
		spin_lock_irq(&g->log.lock);
		g->log.failed = true;
		spin_unlock_irq(&g->log.lock);
		lvr_state_event(g, LVR_GEV_LOG_ERROR, err.text, NULL);
		return;
	}
	mutex_lock(&g->mutex);
	lvr_state_event(g, LVR_GEV_SCANNED, "volumes are not loaded", NULL);
	if (g->attached == g->volumes)
		lvr_state_event(g, LVR_GEV_COMPLETE, "replaying the log", NULL);
	mutex_unlock(&g->mutex);
}

static int worker(void *data)
{
	struct lvr_group *g = data;
	struct lvr_destage *d = lvr_destage_create(g);
	long sleep = 0;

	memalloc_noio_save();
	if (d)
		recover_first(g);
	else
		lvr_state_event(g, LVR_GEV_LOG_ERROR, "out of memory", NULL);
	while (!kthread_should_stop()) {
		wait_event_interruptible_timeout(g->worker_wait, kthread_should_stop() ||
						 test_and_clear_bit(LVR_WORKER_KICKED, &g->worker_flags),
						 sleep);
		sleep = HZ;
		if (!d || !begin_round(g))
			continue;
		sleep = worker_round(g, d);
		end_round(g);
	}
	synchronize_rcu();	/* the last completion may still be waking us */
	lvr_destage_destroy(d);
	return 0;
}

/**
 * lvr_worker_start() - start the worker, which recovers the log first
 * @g: the group
 *
 * Context: process, sleeps.
 * Return: 0 or -errno.
 */
int lvr_worker_start(struct lvr_group *g)
{
	struct task_struct *task = kthread_run(worker, g, "lvr_worker/%s", g->name);

	if (IS_ERR(task))
		return PTR_ERR(task);
	g->worker = task;
	return 0;
}

/**
 * lvr_worker_stop() - end the worker
 * @g: the group
 *
 * Context: process, waits for the batch under way.
 */
void lvr_worker_stop(struct lvr_group *g)
{
	if (g->worker)
		kthread_stop(g->worker);
	g->worker = NULL;
}

/**
 * lvr_worker_kick() - there may be something to do
 * @g: the group
 *
 * Context: any.
 */
void lvr_worker_kick(struct lvr_group *g)
{
	set_bit(LVR_WORKER_KICKED, &g->worker_flags);
	wake_up(&g->worker_wait);
}

/**
 * lvr_worker_durable() - more is durable, here or at the primary, and may be destaged
 * @g: the group
 *
 * A worker that waits for company looks again by itself, and is left alone: a
 * program that flushes after each write would wake it each time for nothing.
 * So would a synchronous source a target that has not been told yet that it
 * may destage.
 *
 * Context: any.
 */
void lvr_worker_durable(struct lvr_group *g)
{
	smp_mb();	/* either go_on() sees what is durable, or this that it waits no more */
	if ((!READ_ONCE(g->destage_waits) || is_urgent(g)) && lvr_destage_behind(g))
		lvr_worker_kick(g);
}

/**
 * lvr_worker_hold() - no batch and no checkpoint runs from here on
 * @g: the group
 *
 * Nests. Not from the worker itself.
 *
 * Context: process, waits for the batch under way.
 */
void lvr_worker_hold(struct lvr_group *g)
{
	spin_lock_irq(&g->log.lock);
	g->worker_hold++;
	spin_unlock_irq(&g->log.lock);
	wait_event(g->worker_idle, !READ_ONCE(g->worker_busy));
}

/**
 * lvr_worker_release() - undo one lvr_worker_hold()
 * @g: the group
 *
 * Context: process.
 */
void lvr_worker_release(struct lvr_group *g)
{
	spin_lock_irq(&g->log.lock);
	g->worker_hold--;
	spin_unlock_irq(&g->log.lock);
	lvr_worker_kick(g);
}

/**
 * lvr_worker_drain() - bring the volumes to the destage limit of now
 * @g: the group; not from the worker, not with the worker held
 *
 * Context: process, waits for the local devices only.
 * Return: 0; -EIO when a device refuses; -EAGAIN when the group is not in a
 *         state to destage.
 */
int lvr_worker_drain(struct lvr_group *g)
{
	struct lvr_pos head;
	u64 target_seq;
	int ret;

	if (!lvr_destage_allowed(g))
		return -EAGAIN;
	lvr_log_positions(g, &head, NULL, NULL, NULL);
	ret = lvr_log_flush_wait(g, head.seq);
	if (ret)
		return ret;
	atomic_inc(&g->draining);
	set_bit(LVR_WORKER_CHECKPOINT, &g->worker_flags);
	/* by a volume that may be back by now: the next batch says */
	WRITE_ONCE(g->destage_blocked, false);
	WRITE_ONCE(g->retry_jiffies, jiffies);
	lvr_worker_kick(g);
	/* a target of its own: under load the limit itself runs ahead */
	target_seq = min(head.seq, lvr_destage_goal_seq(g));
	wait_event(g->worker_idle, READ_ONCE(g->log.destaged.seq) >= target_seq || !lvr_destage_behind(g) ||
		   any_failed(g) || !lvr_destage_allowed(g) || READ_ONCE(g->destage_blocked));
	atomic_dec(&g->draining);
	return READ_ONCE(g->log.destaged.seq) < target_seq ? -EIO : 0;
}
