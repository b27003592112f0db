// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking positions back: dropping a tail that the group's history does not
 * hold, and starting over as the target of a full sync.
 *
 * Order, so that nothing that was dropped can ever be found again: first the
 * block at the new head is zeroed durably, so that a scan ends there; then
 * the superblock, with a higher incarnation. A crash between the two leaves
 * the old superblock with the new head, which is the same prefix; if that ends
 * with a hand-over, the note of a longer log voids it (lvr_super_handover()).
 */
#include "lvr.h"

/**
 * lvr_log_truncate() - drop the records at and behind a position
 * @g: a node whose log takes no appends now: the link thread between two
 *     connections, or on its way to a stream
 * @opening: lvr_log_takes()
 * @seq: a chunk boundary, not before destaged
 * @keep_gen: generation of the record before it
 *
 * Context: process, sleeps, waits for the worker's batch.
 * Return: 0 when durable; -EINVAL when seq is before destaged or no
 *         boundary; -ENOTRECOVERABLE: what would go has been called durable by who
 *         wrote it; -EPERM: no longer to be done; -ESTALE, -EIO.
 */
int lvr_log_truncate(struct lvr_group *g, u32 opening, u64 seq, u64 keep_gen)
{
	struct lvr_pos pos, destaged, checkpoint, tail;
	struct lvr_log *log = &g->log;
	int ret;

	mutex_lock(&g->mutex);
	lvr_worker_hold(g);
	ret = lvr_log_takes(log, opening) ? 0 : -EPERM;
	ret = ret ?: lvr_log_settle(g) ?: lvr_reader_seek(g->destage_reader, seq, &pos);
	if (ret)
		goto out;
	lvr_log_positions(g, NULL, NULL, &destaged, &tail);
	checkpoint = log->checkpoint;
	if (pos.off < destaged.off) {
		ret = -EINVAL;
		goto out;
	}
	/* its disk has lost what it must not lose: this may be the only copy */
	if (log->told_durable_seq > seq) {
		ret = -ENOTRECOVERABLE;
		goto out;
	}
	ret = lvr_logio_erase_block(g, pos.off);
	if (ret)
		goto out;
	lvr_super_lock(g);
	lvr_super_truncate(g->sb, g->opts.peer, seq, keep_gen);
	ret = lvr_super_commit(g);
	if (ret)
		goto out;
	lvr_log_stand_at(g, &pos);
	spin_lock_irq(&log->lock);
	log->destaged = destaged;
	log->checkpoint = checkpoint;
	log->tail = tail;
	lvr_log_set_incarnation_locked(log, g->sb->incarnation);
	log->handover_member = ~0ull;
	log->durable_limit_seq = min(log->durable_limit_seq, seq);
	log->told_durable_seq = min(log->told_durable_seq, seq);
	spin_unlock_irq(&log->lock);
	DMINFO("lvr %s: log truncated to %llu", g->name, seq);
out:
	lvr_worker_release(g);
	mutex_unlock(&g->mutex);
	return ret;
}

/**
 * lvr_role_begin_sync_target() - start over as the target of a full sync
 * @g: a secondary; the link thread, before the first block
 * @opening: lvr_log_takes()
 * @sync_id: the full sync
 * @source: what the source told of itself
 * @at: where the stream starts, as the source has it; its off does not count
 *
 * One superblock write makes it inconsistent, adopts uuid and history, and
 * empties the log (I10); a crash before it leaves the old copy as it was.
 *
 * Context: process, sleeps.
 * Return: 0 when durable, -EPERM when this node is no secondary, -EIO.
 */
int lvr_role_begin_sync_target(struct lvr_group *g, u32 opening, u64 sync_id,
			       const struct lvr_plan_node *source, const struct lvr_pos *at)
{
	struct lvr_pos pos = *at;
	struct lvr_log *log = &g->log;
	int ret;

	mutex_lock(&g->mutex);
	lvr_worker_hold(g);
	ret = READ_ONCE(g->state) == LVR_GROUP_STANDBY && lvr_log_takes(log, opening) ?
	      lvr_log_settle(g) : -EPERM;
	if (ret)
		goto out;
	pos.off = log->head.off;
	ret = lvr_logio_erase_block(g, pos.off);
	if (ret)
		goto out;
	lvr_super_lock(g);
	lvr_super_become_target(g->sb, sync_id, source, &pos);
	ret = lvr_super_commit(g);
	if (ret)
		goto out;
	lvr_log_stand_at(g, &pos);
	spin_lock_irq(&log->lock);
	lvr_log_set_incarnation_locked(log, g->sb->incarnation);
	memcpy(&log->group_id, g->sb->group_uuid, sizeof(log->group_id));
	le64_to_cpus(&log->group_id);
	log->durable_limit_seq = 0;
	log->told_durable_seq = 0;
	log->handover_member = ~0ull;
	spin_unlock_irq(&log->lock);
	lvr_state_reason(g, LVR_GROUP_STANDBY, "target of a full synchronisation");
out:
	lvr_worker_release(g);
	mutex_unlock(&g->mutex);
	return ret;
}

/**
 * lvr_role_end_sync_target() - the full sync is on the volumes
 * @g: its target; everything up to its end is destaged
 * @opening: lvr_log_takes()
 * @sync_id: the full sync
 *
 * Context: process, sleeps.
 * Return: 0 when durable (again, too), -EINVAL for another full sync, -EPERM
 *         when it is no secondary any more, -EIO.
 */
int lvr_role_end_sync_target(struct lvr_group *g, u32 opening, u64 sync_id)
{
	int ret;

	/* a volume that is being suspended lets its origin go under the mutex */
	mutex_lock(&g->mutex);
	lvr_worker_hold(g);
	ret = lvr_log_takes(&g->log, opening) ? lvr_checkpoint(g) : -EPERM;
	lvr_worker_release(g);
	if (ret)
		goto out;
	lvr_super_lock(g);
	if (g->sb->sync_id != sync_id) {
		lvr_super_unlock(g);
		ret = -EINVAL;
		goto out;
	}
	/* sync_id stays: at the next handshake the source learns that it is done */
	g->sb->flags &= ~LVR_SUPER_F_INCONSISTENT;
	ret = lvr_super_commit(g);
out:
	mutex_unlock(&g->mutex);
	if (!ret)
		lvr_state_reason(g, LVR_GROUP_STANDBY, "full synchronisation is complete");
	return ret;
}
