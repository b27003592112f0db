// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: making, finding, starting and ending them.
 *
 * A group is made by the constructor of the first lvr-log table that names
 * its log device, and shared by every later table of the same dm device (a
 * reload loads the new table while the old one is live). Constructors only
 * parse, read and reference; threads start with the first resume. The group
 * ends when its last lvr-log table goes; volumes keep the memory, not the
 * life, of it.
 *
 * Lock order: groups_mutex -> group->mutex.
 */
#include <net/net_namespace.h>
#include <linux/nsproxy.h>

#include "lvr.h"

static DEFINE_MUTEX(groups_mutex);
static LIST_HEAD(groups);
static u64 groups_gone;		/* how many have left the list */

/* ------------------------------------------------------------------ finding */

static void group_free(struct lvr_group *g)
{
	u32 i;

	if (g->wq)
		destroy_workqueue(g->wq);
	lvr_reader_destroy(g->destage_reader);
	for (i = 0; i < g->volumes; i++)
		kfree(g->volume[i]);
	if (g->log.marks)
		lvr_log_exit(g);
	lvr_stage_exit(&g->stage);
	mempool_exit(&g->reads);
	bioset_exit(&g->bios);
	if (g->net)
		put_net(g->net);
	kvfree(g->sb_buf);
	kvfree(g->sb);
	kfree(g);
}

static void group_release(struct kref *kref)
{
	group_free(container_of(kref, struct lvr_group, kref));
}

/**
 * lvr_group_get() - take a reference
 * @g: of which the caller has one
 *
 * Context: any.
 */
void lvr_group_get(struct lvr_group *g)
{
	kref_get(&g->kref);
}

/**
 * lvr_group_put() - give a reference back
 * @g: the group
 *
 * Context: process.
 */
void lvr_group_put(struct lvr_group *g)
{
	kref_put(&g->kref, group_release);
}

/**
 * lvr_group_find_devt() - a group by its dm device
 * @devt: of the device with the lvr-log table
 *
 * Context: process.
 * Return: the group with a reference, or NULL.
 */
struct lvr_group *lvr_group_find_devt(dev_t devt)
{
	struct lvr_group *g, *found = NULL;

	mutex_lock(&groups_mutex);
	list_for_each_entry(g, &groups, list) {
		if (g->dm_devt == devt && g->tables) {
			lvr_group_get(g);
			found = g;
			break;
		}
	}
	mutex_unlock(&groups_mutex);
	return found;
}

/**
 * lvr_group_volume() - a volume by id
 * @g: the group
 * @id: as in records
 *
 * Context: any.
 * Return: the volume, or NULL.
 */
struct lvr_volume *lvr_group_volume(struct lvr_group *g, u32 id)
{
	u32 i;

	for (i = 0; i < g->volumes; i++)
		if (g->volume[i]->id == id)
			return g->volume[i];
	return NULL;
}

/**
 * lvr_group_kick_deferred() - retry bios that wait
 * @g: the group
 *
 * Context: any.
 */
void lvr_group_kick_deferred(struct lvr_group *g)
{
	queue_work(g->wq, &g->defer_work);
}

/* ------------------------------------------------------------------- making */

static int make_volumes(struct lvr_group *g)
{
	u32 i;

	for (i = 0; i < g->sb->volumes; i++) {
		struct lvr_volume *v = kzalloc(sizeof(*v), GFP_KERNEL);

		if (!v)
			return -ENOMEM;
		v->group = g;
		v->id = g->sb->volume[i].id;
		strscpy(v->name, g->sb->volume[i].name, sizeof(v->name));
		v->size_sect = g->sb->volume[i].size_sect;
		v->block_bytes = g->sb->volume[i].block_bytes;
		spin_lock_init(&v->index.lock);
		init_rwsem(&v->origin_lock);
		v->index.map.root = RB_ROOT;
		v->batch.root = RB_ROOT;
		v->batch.batch = true;
		g->volume[g->volumes++] = v;
	}
	return 0;
}

/*
 * A chunk is written from pages, the last one of each record in part. A device
 * that takes no gaps in memory (NVMe, Hyper-V) gets it in pieces, which must
 * end on its blocks.
 */
static int check_gaps(struct lvr_group *g, u32 block, struct lvr_err *err)
{
	u32 i;

	if (!queue_virt_boundary(bdev_get_queue(g->log_bdev)))
		return 0;
	for (i = 0; i < g->sb->volumes; i++) {
		if (g->sb->volume[i].block_bytes >= block)
			continue;
		lvr_err_set(err, "the log device has blocks of %u bytes and takes no gaps in memory: volume %s has to have such blocks, not of %u",
			    block, g->sb->volume[i].name, g->sb->volume[i].block_bytes);
		return -EINVAL;
	}
	return 0;
}

static int check_super(struct lvr_group *g, const struct lvr_options *opts, struct lvr_err *err)
{
	u32 block = bdev_logical_block_size(g->log_bdev);

	if (g->sb->feature_ro_compat & ~LVR_FEATURE_RO_COMPAT_KNOWN) {
		lvr_err_set(err, "log has features %llx that allow this version to read it only",
			    g->sb->feature_ro_compat & ~LVR_FEATURE_RO_COMPAT_KNOWN);
		return -EINVAL;
	}
	if (strcmp(g->sb->group_name, opts->group)) {
		lvr_err_set(err, "log belongs to group %s, the table says %s", g->sb->group_name,
			    opts->group);
		return -EINVAL;
	}
	if (g->sb->self != opts->member) {
		lvr_err_set(err, "log belongs to member %u, the table says %u", g->sb->self, opts->member);
		return -EINVAL;
	}
	if (opts->peer < LVR_MAX_MEMBERS && !(g->sb->member[opts->peer].flags & LVR_MEMBER_F_USED)) {
		lvr_err_set(err, "member %u is not in the member table of the log", opts->peer);
		return -EINVAL;
	}
	if (g->sb->block_bytes < block) {
		lvr_err_set(err, "log was made with blocks of %u bytes, the device needs %u",
			    g->sb->block_bytes, block);
		return -EINVAL;
	}
	return check_gaps(g, block, err);
}

static int make_pools(struct lvr_group *g, struct lvr_err *err)
{
	lvr_err_set(err, "out of memory");
	g->wq = alloc_workqueue("lvr/%s", WQ_MEM_RECLAIM | WQ_UNBOUND | WQ_HIGHPRI, 0, g->name);
	if (!g->wq ||
	    mempool_init_kmalloc_pool(&g->reads, 16, lvr_read_bytes()) ||
	    lvr_stage_init(&g->stage, g->opts.stage_mib << (20 - PAGE_SHIFT)) ||
	    lvr_log_init(g) || make_volumes(g))
		return -ENOMEM;
	g->destage_reader = lvr_reader_create(g);
	return g->destage_reader ? 0 : -ENOMEM;
}

static void init_fields(struct lvr_group *g)
{
	kref_init(&g->kref);
	mutex_init(&g->mutex);
	mutex_init(&g->super_mutex);
	spin_lock_init(&g->state_lock);
	spin_lock_init(&g->defer_lock);
	bio_list_init(&g->deferred);
	bio_list_init(&g->deferred_writes);
	init_waitqueue_head(&g->worker_wait);
	init_waitqueue_head(&g->worker_idle);
	g->retry_jiffies = jiffies;
	INIT_WORK(&g->defer_work, lvr_volume_defer_work);
	INIT_WORK(&g->commit_work, lvr_log_commit_work);
	INIT_DELAYED_WORK(&g->flush_work, lvr_log_flush_work);
	INIT_WORK(&g->event_work, lvr_state_event_work);
	INIT_WORK(&g->promote_work, lvr_role_promote_work);
}

static struct lvr_group *make_group(dev_t devt, struct block_device *log_bdev,
				    const struct lvr_options *opts, struct lvr_err *err)
{
	struct lvr_group *g = kzalloc(sizeof(*g), GFP_KERNEL);
	int ret = -ENOMEM;
	u32 i;

	lvr_err_set(err, "out of memory");
	if (!g)
		return ERR_PTR(-ENOMEM);
	init_fields(g);
	g->dm_devt = devt;
	g->log_bdev = log_bdev;
	g->opts = *opts;
	strscpy(g->name, opts->group, sizeof(g->name));
	g->net = get_net(current->nsproxy->net_ns);
	g->sb = kvzalloc(sizeof(*g->sb), GFP_KERNEL);
	g->sb_buf = kvmalloc(LVR_SUPER_BYTES, GFP_KERNEL);
	/* reading the superblock needs the bio_set, the volumes need the superblock */
	if (!g->sb || !g->sb_buf)
		goto err_free;
	ret = bioset_init(&g->bios, 64, 0, BIOSET_NEED_BVECS | BIOSET_NEED_RESCUER);
	if (ret)
		goto err_free;
	ret = lvr_super_read(g, err) ?: check_super(g, opts, err) ?: make_pools(g, err);
	if (ret)
		goto err_free;
	g->log.ring.start_sect = g->sb->ring_start_sect;
	g->log.ring.bytes = g->sb->ring_bytes;
	g->log.ring.block_bytes = g->sb->block_bytes;
	g->log.log_id = g->sb->log_id;
	memcpy(&g->log.group_id, g->sb->group_uuid, sizeof(g->log.group_id));
	le64_to_cpus(&g->log.group_id);
	g->primary_at_start = g->sb->flags & LVR_SUPER_F_PRIMARY;
	g->role = g->primary_at_start ? LVR_ROLE_PRIMARY : LVR_ROLE_SECONDARY;
	g->state = LVR_GROUP_RECOVERING;
	strscpy(g->reason, "not started", sizeof(g->reason));
	for (i = 0; i < LVR_CTR_COUNT; i++)
		atomic64_set(&g->counter[i], g->sb->counter[i]);
	return g;

err_free:
	group_free(g);
	return ERR_PTR(ret);
}

static int may_share(struct lvr_group *g, struct block_device *log_bdev,
		     const struct lvr_options *opts, struct lvr_err *err)
{
	if (!g->tables)
		lvr_err_set(err, "group %s is being taken down", g->name);
	else if (g->log_bdev != log_bdev)
		lvr_err_set(err, "the log device of a running group cannot be changed");
	else if (strcmp(g->name, opts->group) || g->opts.member != opts->member ||
		 g->opts.peer != opts->peer)
		lvr_err_set(err, "group, member and peer of a running group cannot be changed");
	else if (g->opts.stage_mib != opts->stage_mib)
		lvr_err_set(err, "stage-mib of a running group cannot be changed (it is %u)",
			    g->opts.stage_mib);
	else
		return 0;
	return -EBUSY;
}

/* 1: it is there, and has one table more; 0: it may be made; -EBUSY */
static int find_group(dev_t devt, struct block_device *log_bdev, const struct lvr_options *opts,
		      struct lvr_group **out, struct lvr_err *err)
{
	struct lvr_group *g;
	int ret;

	lockdep_assert_held(&groups_mutex);
	list_for_each_entry(g, &groups, list) {
		if (g->dm_devt == devt) {
			ret = may_share(g, log_bdev, opts, err);
			if (ret)
				return ret;
			lvr_group_get(g);
			g->tables++;
			*out = g;
			return 1;
		}
		if (g->log_bdev == log_bdev || !strcmp(g->name, opts->group)) {
			lvr_err_set(err, "group %s is loaded already, as device %u:%u", g->name,
				    MAJOR(g->dm_devt), MINOR(g->dm_devt));
			return -EBUSY;
		}
	}
	return 0;
}

/*
 * As find_group(), but 0: it has been added. -EAGAIN: some group has gone since
 * gone, perhaps of this very log: the superblock is to be read again.
 */
static int add_group(struct lvr_group *g, u64 gone, struct lvr_group **out, struct lvr_err *err)
{
	int ret;

	mutex_lock(&groups_mutex);
	ret = find_group(g->dm_devt, g->log_bdev, &g->opts, out, err);
	if (!ret && gone != groups_gone) {
		ret = -EAGAIN;
	} else if (!ret) {
		list_add_tail(&g->list, &groups);
		g->tables++;
		*out = g;
	}
	mutex_unlock(&groups_mutex);
	return ret;
}

/**
 * lvr_group_open() - the group of a table under construction
 * @ti: the target; its table holds the log device
 * @log_dev: the log device
 * @opts: parsed options
 * @out: the group, with a reference
 * @err: reason
 *
 * Reads the superblock, writes nothing, starts nothing.
 *
 * Context: process, sleeps.
 * Return: 0 or -errno.
 */
int lvr_group_open(struct dm_target *ti, struct dm_dev *log_dev, const struct lvr_options *opts,
		   struct lvr_group **out, struct lvr_err *err)
{
	dev_t devt = disk_devt(dm_disk(dm_table_get_md(ti->table)));
	struct lvr_group *g;
	u64 gone;
	int ret;

	do {
		mutex_lock(&groups_mutex);
		ret = find_group(devt, log_dev->bdev, opts, out, err);
		gone = groups_gone;
		mutex_unlock(&groups_mutex);
		if (ret)
			return min(ret, 0);
		/* takes as long as the device takes to answer: the other groups do not wait for it */
		g = make_group(devt, log_dev->bdev, opts, err);
		if (IS_ERR(g))
			return PTR_ERR(g);
		ret = add_group(g, gone, out, err);
		if (ret)
			group_free(g);
	} while (ret == -EAGAIN);
	return min(ret, 0);
}

/* ------------------------------------------------------- starting and ending */

/**
 * lvr_group_start() - a table of the group goes live
 * @g: the group
 * @ti: its target
 * @opts: which take effect
 *
 * Context: process; may write the superblock.
 * Return: 0 or -errno.
 */
int lvr_group_start(struct lvr_group *g, struct dm_target *ti, const struct lvr_options *opts)
{
	int ret = 0;

	mutex_lock(&g->mutex);
	g->ti = ti;
	if (g->worker) {
		lvr_link_reconfigure(g, opts);
	} else {
		g->opts = *opts;
		if (lvr_group_has_peer(g))
			ret = lvr_link_create(g);
		if (!ret)
			ret = lvr_worker_start(g);
	}
	mutex_unlock(&g->mutex);
	if (ret && g->link)
		lvr_link_destroy(g);
	return ret;
}

static void mark_clean(struct lvr_group *g)
{
	bool all;

	spin_lock_irq(&g->log.lock);
	all = g->log.destaged.off == g->log.head.off;
	spin_unlock_irq(&g->log.lock);
	if (READ_ONCE(g->state) != LVR_GROUP_STOPPING || g->log.failed)
		return;
	lvr_super_lock(g);
	if (all)
		g->sb->flags |= LVR_SUPER_F_CLEAN;
	lvr_super_commit(g);
}

/*
 * Nothing of the log is under way any more, and nothing asks for it. The last
 * completion may have asked for one more flush; that one covers all that is
 * written, and asks for none.
 */
static void quiesce_log(struct lvr_group *g)
{
	lvr_log_settle(g);
	synchronize_rcu();	/* who woke us may still be using the group */
	cancel_work_sync(&g->commit_work);
	cancel_delayed_work_sync(&g->flush_work);
	lvr_log_settle(g);
	synchronize_rcu();
}

/* volumes may outlive the group, when its table goes by force; their flushes may not */
static void close_log(struct lvr_group *g)
{
	lvr_super_lock(g);	/* nor a superblock */
	spin_lock_irq(&g->log.lock);
	g->log.failed = true;
	spin_unlock_irq(&g->log.lock);
	lvr_super_unlock(g);
	lvr_log_complete(g);
	lvr_log_settle(g);
}

/* the last table goes: everything that runs ends, in reverse order of starting */
static void group_stop(struct lvr_group *g)
{
	bool recovered = READ_ONCE(g->state) != LVR_GROUP_RECOVERING &&
			 READ_ONCE(g->state) != LVR_GROUP_FAILED;

	lvr_state_event(g, LVR_GEV_STOP, "table removed", NULL);
	spin_lock_irq(&g->log.lock);
	g->log.from_bios = false;
	spin_unlock_irq(&g->log.lock);
	wake_up_all(&g->worker_idle);
	cancel_work_sync(&g->promote_work);
	if (g->link)
		lvr_link_destroy(g);
	if (g->worker)
		quiesce_log(g);
	lvr_worker_stop(g);
	cancel_work_sync(&g->promote_work);	/* the link or the worker may have confirmed this node just then */
	cancel_work_sync(&g->defer_work);
	lvr_volume_defer_work(&g->defer_work);	/* what still waits gets its error */
	if (recovered)
		mark_clean(g);
	close_log(g);
	cancel_work_sync(&g->event_work);	/* a group that was never started has posted its end, too */
}

/**
 * lvr_group_close() - a table of the group goes
 * @g: the group; the table's reference is given back
 * @ti: its target
 *
 * Context: process; waits for local devices, never for a peer.
 */
void lvr_group_close(struct lvr_group *g, struct dm_target *ti)
{
	bool last;

	mutex_lock(&g->mutex);
	if (g->ti == ti)
		g->ti = NULL;
	mutex_unlock(&g->mutex);
	mutex_lock(&groups_mutex);
	last = !--g->tables;
	mutex_unlock(&groups_mutex);
	if (last) {
		group_stop(g);
		mutex_lock(&groups_mutex);
		list_del(&g->list);
		groups_gone++;
		mutex_unlock(&groups_mutex);
	}
	lvr_group_put(g);
}
