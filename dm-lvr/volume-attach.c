// SPDX-License-Identifier: GPL-2.0-only
/*
 * A volume's table goes live or away: its origin comes and goes, and what waits
 * while it is suspended ends (I7). The rules are in volume.c.
 */
#include "lvr.h"

/* device-mapper lets all of its tables have the same device; what is destaged there would be lost */
static bool is_anothers(struct lvr_volume *v, struct block_device *bdev)
{
	struct lvr_group *g = v->group;
	u32 i;

	for (i = 0; i < g->volumes; i++) {
		struct lvr_volume *other = g->volume[i];

		if (other == v || !other->origin)
			continue;
		if (other->origin->bdev == bdev ||
		    disk_devt(dm_disk(dm_table_get_md(other->ti->table))) == bdev->bd_dev) {
			DMERR("lvr %s: volume %s cannot be attached: its origin is that of volume %s, or that volume itself",
			      g->name, v->name, other->name);
			return true;
		}
	}
	return false;
}

/**
 * lvr_volume_attach() - a table of the volume goes live
 * @v: the volume
 * @ti: its target
 * @origin: held by the table
 *
 * Context: process.
 * Return: 0, or -EBUSY when another table has it attached, or the origin is
 *         another volume's.
 */
int lvr_volume_attach(struct lvr_volume *v, struct dm_target *ti, struct dm_dev *origin)
{
	struct lvr_group *g = v->group;
	bool complete;

	mutex_lock(&g->mutex);
	if (v->origin || is_anothers(v, origin->bdev)) {
		mutex_unlock(&g->mutex);
		return -EBUSY;
	}
	lvr_worker_hold(g);
	down_write(&v->origin_lock);
	v->origin = origin;
	up_write(&v->origin_lock);
	v->ti = ti;
	v->failed = false;
	/* by this one, perhaps: the next batch says */
	WRITE_ONCE(g->destage_blocked, false);
	g->retry_jiffies = jiffies;
	lvr_worker_release(g);
	complete = ++g->attached == g->volumes;
	if (complete && READ_ONCE(g->state) == LVR_GROUP_WAITING)
		lvr_state_event(g, LVR_GEV_COMPLETE, "replaying the log", NULL);
	mutex_unlock(&g->mutex);
	lvr_worker_kick(g);
	return 0;
}

/**
 * lvr_volume_presuspend() - a suspend begins: wait for no peer any more
 * @v: the volume
 * @ti: the target that is to be suspended
 *
 * Context: process.
 */
void lvr_volume_presuspend(struct lvr_volume *v, struct dm_target *ti)
{
	struct lvr_group *g = v->group;

	/*
	 * First whether the peer is away now: what was true in an earlier
	 * suspend counts for no bio of this volume.
	 */
	atomic_inc(&g->suspending);
	lvr_link_suspend(g);
	WRITE_ONCE(v->requeue, dm_noflush_suspending(ti));
	smp_store_release(&v->suspender, ti);	/* who sees it sees requeue */
	lvr_log_complete(g);
	lvr_worker_kick(g);
	lvr_group_kick_deferred(g);
}

/**
 * lvr_volume_postsuspend() - no bio is under way: drain and let the origin go
 * @v: the volume
 * @ti: the target that is suspended
 *
 * Context: process, waits for local devices only.
 */
void lvr_volume_postsuspend(struct lvr_volume *v, struct dm_target *ti)
{
	struct lvr_group *g = v->group;

	if (v->ti != ti)
		return;
	lvr_worker_drain(g);
	mutex_lock(&g->mutex);
	lvr_worker_hold(g);
	/* a group whose last table is gone has no log device any more */
	if (READ_ONCE(g->state) != LVR_GROUP_STOPPING &&
	    (v->dirty || g->log.destaged.off != g->log.checkpoint.off))
		lvr_checkpoint(g);
	if (v->dirty)
		lvr_destage_lost(v);
	down_write(&v->origin_lock);
	v->origin = NULL;
	up_write(&v->origin_lock);
	v->ti = NULL;
	g->attached--;
	lvr_worker_release(g);
	mutex_unlock(&g->mutex);
}

/**
 * lvr_volume_resume() - undo lvr_volume_presuspend()
 * @v: the volume
 *
 * Also for a table that goes without having been resumed.
 *
 * Context: process.
 */
void lvr_volume_resume(struct lvr_volume *v)
{
	struct lvr_group *g = v->group;

	if (!xchg(&v->suspender, NULL))
		return;
	WRITE_ONCE(v->requeue, false);
	atomic_dec(&g->suspending);
	lvr_link_suspend(g);
	lvr_group_kick_deferred(g);
}
