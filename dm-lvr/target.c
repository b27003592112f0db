// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two device-mapper targets.
 *
 *   lvr-log <log device> <number of options> <key=value>...
 *   lvr     <group device> <volume id> <origin device>
 *
 * Constructors parse, open and reference; what a table takes over from the
 * table before it (the live group, the volume's identity) changes hands in
 * preresume, when the old one is suspended.
 */
#include <linux/module.h>

#include "lvr.h"

#define GROUP_DEVICE_SECT 8

/* ------------------------------------------------------------------- lvr-log */

struct group_target {
	struct lvr_group *group;
	struct dm_dev *log_dev;
	struct lvr_options opts;
	char error[256];
};

/* ti->error must outlive the constructor: device-mapper prints it at once, from one static place */
static int refuse(struct dm_target *ti, const struct lvr_err *err, int ret)
{
	static char text[sizeof(err->text)];

	strscpy(text, err->text, sizeof(text));
	ti->error = text;
	return ret;
}

static int group_parse(struct group_target *gt, u32 argc, char **argv, struct lvr_err *err)
{
	u64 options;

	if (argc < 2) {
		lvr_err_set(err, "expected <log device> <number of options> <key=value>..., found %u words",
			    argc);
		return -EINVAL;
	}
	if (lvr_u64_parse(argv[1], 0, LVR_OPT_COUNT, &options) || options != argc - 2) {
		lvr_err_set(err, "number of options is '%s', %u follow", argv[1], argc - 2);
		return -EINVAL;
	}
	return lvr_options_parse(&gt->opts, argc - 2, argv + 2, err);
}

static int group_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct group_target *gt = kzalloc(sizeof(*gt), GFP_KERNEL);
	struct lvr_err err = {};
	int ret;

	if (!gt) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	ret = group_parse(gt, argc, argv, &err);
	if (ret)
		goto err_free;
	if (ti->begin || ti->len != GROUP_DEVICE_SECT) {
		lvr_err_set(&err, "the device of a group is one target of %u sectors from 0, found %llu from %llu",
			    GROUP_DEVICE_SECT, (u64)ti->len, (u64)ti->begin);
		ret = -EINVAL;
		goto err_free;
	}
	ret = dm_get_device(ti, argv[0], BLK_OPEN_READ | BLK_OPEN_WRITE, &gt->log_dev);
	if (ret) {
		lvr_err_set(&err, "cannot open log device %s: %d", argv[0], ret);
		goto err_free;
	}
	ret = lvr_group_open(ti, gt->log_dev, &gt->opts, &gt->group, &err);
	if (ret)
		goto err_put_device;
	ti->private = gt;
	return 0;

err_put_device:
	dm_put_device(ti, gt->log_dev);
err_free:
	kfree(gt);
	return refuse(ti, &err, ret);
}

static void group_dtr(struct dm_target *ti)
{
	struct group_target *gt = ti->private;

	lvr_group_close(gt->group, ti);
	dm_put_device(ti, gt->log_dev);
	kfree(gt);
}

static int group_map(struct dm_target *ti, struct bio *bio)
{
	return DM_MAPIO_KILL;	/* the device stands for the group; it has no content */
}

static int group_preresume(struct dm_target *ti)
{
	struct group_target *gt = ti->private;

	return lvr_group_start(gt->group, ti, &gt->opts);
}

static int group_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			 unsigned int maxlen)
{
	struct group_target *gt = ti->private;

	return lvr_message(gt->group, argc, argv, result, maxlen);
}

static void group_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			 char *result, unsigned int maxlen)
{
	struct group_target *gt = ti->private;
	unsigned int sz = 0;
	char *options;

	switch (type) {
	case STATUSTYPE_INFO:
		lvr_status_info(gt->group, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s ", gt->log_dev->name);
		options = result + sz;
		lvr_options_format(&gt->opts, options, maxlen - sz);
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

static int group_iterate(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	return 0;	/* the log's limits and size say nothing of this device */
}

struct target_type lvr_group_target = {
	.name = LVR_TARGET_GROUP,
	.version = {1, 0, 0},
	.features = DM_TARGET_SINGLETON,
	.module = THIS_MODULE,
	.ctr = group_ctr,
	.dtr = group_dtr,
	.map = group_map,
	.preresume = group_preresume,
	.message = group_message,
	.status = group_status,
	.iterate_devices = group_iterate,
};

/* ----------------------------------------------------------------------- lvr */

struct volume_target {
	struct lvr_volume *volume;	/* holds a reference on its group */
	struct dm_dev *group_dev;
	struct dm_dev *origin;
};

static int find_volume(struct volume_target *vt, const char *id_text, u64 len_sect,
		       struct lvr_err *err)
{
	struct lvr_group *g = lvr_group_find_devt(vt->group_dev->bdev->bd_dev);
	u64 id;

	if (!g) {
		lvr_err_set(err, "device %s is not a group (no live or loaded %s table)",
			    vt->group_dev->name, LVR_TARGET_GROUP);
		return -EINVAL;
	}
	if (lvr_u64_parse(id_text, 0, U16_MAX, &id)) {
		lvr_err_set(err, "volume id is '%s', expected a number up to 65535", id_text);
		goto err_put;
	}
	vt->volume = lvr_group_volume(g, id);
	if (!vt->volume) {
		lvr_err_set(err, "group %s has no volume %llu", g->name, id);
		goto err_put;
	}
	if (vt->volume->size_sect != len_sect) {
		lvr_err_set(err, "volume %s has %llu sectors, the table says %llu", vt->volume->name,
			    vt->volume->size_sect, len_sect);
		goto err_put;
	}
	return 0;

err_put:
	lvr_group_put(g);
	return -EINVAL;
}

static int check_origin(struct volume_target *vt, struct lvr_err *err)
{
	u32 block = bdev_logical_block_size(vt->origin->bdev);
	u64 sect = bdev_nr_sectors(vt->origin->bdev);

	if (vt->origin->bdev == vt->volume->group->log_bdev) {
		lvr_err_set(err, "origin %s is the log of the group", vt->origin->name);
		return -EINVAL;
	}
	if (sect < vt->volume->size_sect) {
		lvr_err_set(err, "origin %s has %llu sectors, volume %s needs %llu", vt->origin->name,
			    sect, vt->volume->name, vt->volume->size_sect);
		return -EINVAL;
	}
	if (block > vt->volume->block_bytes) {
		lvr_err_set(err, "origin %s has blocks of %u bytes, volume %s of %u", vt->origin->name,
			    block, vt->volume->name, vt->volume->block_bytes);
		return -EINVAL;
	}
	return 0;
}

static void volume_features(struct dm_target *ti)
{
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->limit_swap_bios = true;
	ti->per_io_data_size = sizeof(struct lvr_bio);
}

static int volume_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct volume_target *vt;
	struct lvr_err err = {};
	int ret = -EINVAL;

	if (argc != 3) {
		lvr_err_set(&err, "expected <group device> <volume id> <origin device>, found %u words",
			    argc);
		return refuse(ti, &err, -EINVAL);
	}
	vt = kzalloc(sizeof(*vt), GFP_KERNEL);
	if (!vt) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	ret = dm_get_device(ti, argv[0], BLK_OPEN_READ, &vt->group_dev);
	if (ret) {
		lvr_err_set(&err, "cannot open group device %s: %d", argv[0], ret);
		goto err_free;
	}
	ret = find_volume(vt, argv[1], ti->len, &err);
	if (ret)
		goto err_put_group;
	ret = dm_get_device(ti, argv[2], BLK_OPEN_READ | BLK_OPEN_WRITE, &vt->origin);
	if (ret) {
		lvr_err_set(&err, "cannot open origin %s: %d", argv[2], ret);
		goto err_put_volume;
	}
	ret = check_origin(vt, &err);
	if (!ret)
		ret = dm_set_target_max_io_len(ti, LVR_RECORD_MAX_BYTES >> LVR_SECTOR_SHIFT);
	if (ret)
		goto err_put_origin;
	volume_features(ti);
	ti->private = vt;
	return 0;

err_put_origin:
	dm_put_device(ti, vt->origin);
err_put_volume:
	lvr_group_put(vt->volume->group);
err_put_group:
	dm_put_device(ti, vt->group_dev);
err_free:
	kfree(vt);
	return refuse(ti, &err, ret);
}

static void volume_dtr(struct dm_target *ti)
{
	struct volume_target *vt = ti->private;

	/* suspended, and nothing has been resumed in its place */
	if (READ_ONCE(vt->volume->suspender) == ti)
		lvr_volume_resume(vt->volume);
	dm_put_device(ti, vt->origin);
	lvr_group_put(vt->volume->group);
	dm_put_device(ti, vt->group_dev);
	kfree(vt);
}

static int volume_map(struct dm_target *ti, struct bio *bio)
{
	struct volume_target *vt = ti->private;

	bio->bi_iter.bi_sector = dm_target_offset(ti, bio->bi_iter.bi_sector);
	return lvr_volume_map(vt->volume, bio);
}

static int volume_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct volume_target *vt = ti->private;

	return lvr_volume_end_io(vt->volume, bio, error);
}

static void volume_presuspend(struct dm_target *ti)
{
	struct volume_target *vt = ti->private;

	lvr_volume_presuspend(vt->volume, ti);
}

static void volume_presuspend_undo(struct dm_target *ti)
{
	struct volume_target *vt = ti->private;

	lvr_volume_resume(vt->volume);
}

static void volume_postsuspend(struct dm_target *ti)
{
	struct volume_target *vt = ti->private;

	lvr_volume_postsuspend(vt->volume, ti);
}

static int volume_preresume(struct dm_target *ti)
{
	struct volume_target *vt = ti->private;

	return lvr_volume_attach(vt->volume, ti, vt->origin);
}

static void volume_resume(struct dm_target *ti)
{
	struct volume_target *vt = ti->private;

	lvr_volume_resume(vt->volume);
}

static void volume_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			  char *result, unsigned int maxlen)
{
	struct volume_target *vt = ti->private;
	struct lvr_volume *v = vt->volume;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		DMEMIT("group=%s volume=%s role=%s state=%s origin=%s", v->group->name, v->name,
		       lvr_role_name(READ_ONCE(v->group->role)),
		       lvr_group_state_name(READ_ONCE(v->group->state)),
		       READ_ONCE(v->lost) ? "lost-writes" : READ_ONCE(v->failed) ? "failing" : "ok");
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %u %s", vt->group_dev->name, v->id, vt->origin->name);
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

static int volume_iterate(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct volume_target *vt = ti->private;

	return fn(ti, vt->origin, 0, ti->len, data);
}

static void volume_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct volume_target *vt = ti->private;
	u32 block = vt->volume->block_bytes;

	limits->logical_block_size = max(limits->logical_block_size, block);
	limits->physical_block_size = max(limits->physical_block_size, block);
	limits->io_min = max(limits->io_min, block);
	limits->discard_granularity = max(limits->discard_granularity, block);
	lvr_limit_zeroes(limits, 1 << 21);
	lvr_limit_discard(limits, 1 << 21);
}

struct target_type lvr_volume_target = {
	.name = LVR_TARGET_VOLUME,
	.version = {1, 0, 0},
	.features = DM_TARGET_SINGLETON,
	.module = THIS_MODULE,
	.ctr = volume_ctr,
	.dtr = volume_dtr,
	.map = volume_map,
	.end_io = volume_end_io,
	.presuspend = volume_presuspend,
	.presuspend_undo = volume_presuspend_undo,
	.postsuspend = volume_postsuspend,
	.preresume = volume_preresume,
	.resume = volume_resume,
	.status = volume_status,
	.iterate_devices = volume_iterate,
	.io_hints = volume_io_hints,
};
