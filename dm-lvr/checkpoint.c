// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock, checkpoints, and the one function that frees log space.
 *
 * A checkpoint: flush the origins; then the superblock with FUA, saying that
 * everything before `checkpoint` is on their stable storage; then, in
 * memory, the tail. What a crash leaves: before the superblock is written
 * the old one, whose tail and checkpoint still hold, as nothing between the
 * old tail and head was overwritten; after it the new one. So appends use
 * only space before the tail that the superblock on disk names (I4).
 *
 * Two slots are written in turn; a torn write leaves the other.
 */
#include "lvr.h"

/**
 * lvr_super_lock() - begin a change of the superblock
 * @g: the group
 *
 * Context: process; takes super_mutex.
 */
void lvr_super_lock(struct lvr_group *g)
{
	mutex_lock(&g->super_mutex);
}

/**
 * lvr_super_unlock() - end without a change
 * @g: the group, locked by lvr_super_lock()
 *
 * Context: process.
 */
void lvr_super_unlock(struct lvr_group *g)
{
	mutex_unlock(&g->super_mutex);
}

/**
 * lvr_super_commit() - write the changed superblock and unlock
 * @g: the group, locked by lvr_super_lock()
 *
 * Context: process, sleeps for one FUA write of the log device.
 * Return: 0 when durable; -EIO when the log has failed (the change is then
 *         in memory only, and the group is failed).
 */
int lvr_super_commit(struct lvr_group *g)
{
	int ret = -EIO;
	u32 i;

	lockdep_assert_held(&g->super_mutex);
	for (i = 0; i < LVR_CTR_COUNT; i++)
		g->sb->counter[i] = atomic64_read(&g->counter[i]);
	if (!READ_ONCE(g->log.failed)) {
		g->sb->sb_seq++;
		lvr_super_encode(g->sb_buf, g->sb);
		ret = lvr_logio_meta(g, lvr_super_slot_sect(g->sb->sb_seq), g->sb_buf, LVR_SUPER_BYTES,
				     REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA | REQ_SYNC | REQ_META);
		if (ret)
			lvr_log_fail(g, "superblock write", errno_to_blk_status(ret));
	}
	mutex_unlock(&g->super_mutex);
	return ret ? -EIO : 0;
}

/**
 * lvr_super_read() - read both slots and take the newer valid one
 * @g: group whose log device, sb and sb_buf are there
 * @err: reason
 *
 * Context: process, sleeps.
 * Return: 0 or -errno.
 */
int lvr_super_read(struct lvr_group *g, struct lvr_err *err)
{
	struct lvr_super *other = kvzalloc(sizeof(*other), GFP_KERNEL);
	u64 device_sect = bdev_nr_sectors(g->log_bdev);
	struct lvr_err err_of[2] = {};
	int ret, got[2], i;

	if (!other)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		ret = lvr_logio_meta(g, lvr_super_slot_sect(i), g->sb_buf, LVR_SUPER_BYTES, REQ_OP_READ);
		if (ret) {
			lvr_err_set(err, "cannot read superblock slot %d: %d", i, ret);
			goto out;
		}
		got[i] = lvr_super_decode(i ? other : g->sb, g->sb_buf, device_sect, &err_of[i]);
	}
	ret = lvr_super_choose(g->sb, got[0], other, got[1]);
	if (ret == 1)
		memcpy(g->sb, other, sizeof(*other));
	if (ret == -ENODATA)
		lvr_err_set(err, "no LVR superblock on the log device: run lvrctl create");
	else if (ret < 0)
		lvr_err_set(err, "superblock: %s", err_of[got[0] == -ENODATA].text);
	ret = min(ret, 0);
out:
	kvfree(other);
	return ret;
}

/*
 * How far the log may be reused when everything before `done` is on the
 * volumes: never past what the peer lacks (I4).
 */
static struct lvr_pos reclaimable(struct lvr_group *g, const struct lvr_pos *done)
{
	struct lvr_mark mark;
	u64 held_seq;

	lockdep_assert_held(&g->log.lock);
	if (g->sb->flags & LVR_SUPER_F_SUPERSEDED)
		return g->log.tail;	/* the orphaned tail stays to be looked at */
	held_seq = lvr_super_held_seq(g->sb, g->opts.peer, g->log.told_durable_seq);
	if (held_seq >= done->seq)
		return *done;
	if (!lvr_seqmap_find(g->log.marks, held_seq, &mark) || mark.off < g->log.tail.off)
		return g->log.tail;
	return (struct lvr_pos){ mark.seq, mark.off, mark.chain, mark.gen };
}

static int flush_origins(struct lvr_group *g)
{
	int ret = 0, one;
	u32 i;

	for (i = 0; i < g->volumes; i++) {
		struct lvr_volume *v = g->volume[i];

		if (v->lost)
			ret = -EIO;
		if (v->lost || !v->dirty)
			continue;
		one = v->origin ? blkdev_issue_flush(v->origin->bdev) : -ENODEV;
		if (one) {
			DMERR_LIMIT("lvr %s: flush of the origin of volume %s failed: %d; it is written again from the log",
				    g->name, v->name, one);
			lvr_count(g, LVR_CTR_errors, 1);
			lvr_destage_lost(v);
			ret = one;
			continue;
		}
		v->dirty = false;
	}
	return ret;
}

/**
 * lvr_checkpoint() - make what was destaged count, and free log space
 * @g: the group
 *
 * Context: process; the worker, or a caller that holds the worker.
 * Return: 0 or -EIO.
 */
int lvr_checkpoint(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;
	struct lvr_pos done, tail;
	u64 held_seq;
	int ret;

	spin_lock_irq(&log->lock);
	done = log->destaged;
	held_seq = lvr_log_held_seq(log);
	spin_unlock_irq(&log->lock);
	ret = flush_origins(g);
	if (ret)
		return ret;
	lvr_super_lock(g);
	WRITE_ONCE(g->sync_moved, false);
	if (g->link)
		lvr_link_checkpoint(g);
	spin_lock_irq(&log->lock);
	tail = reclaimable(g, &done);
	lvr_super_checkpoint(g->sb, g->opts.peer, &done, &tail, log->incarnation_off);
	lvr_super_note_handover(g->sb, log->head.seq, log->handover_member);
	spin_unlock_irq(&log->lock);
	ret = lvr_super_commit(g);
	if (ret)
		return ret;

	spin_lock_irq(&log->lock);
	log->checkpoint = done;
	log->checkpoint_held_seq = held_seq;
	log->tail = tail;
	lvr_seqmap_drop_before(log->marks, tail.off);
	spin_unlock_irq(&log->lock);
	g->checkpoint_jiffies = jiffies;
	wake_up_all(&log->moved);
	lvr_group_kick_deferred(g);
	return 0;
}
