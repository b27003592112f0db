// SPDX-License-Identifier: GPL-2.0-only
/* create and destroy: a group's log on this node, and the marks on its LVs. */
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include "backing.h"
#include "exit.h"
#include "group.h"
#include "human.h"
#include "log.h"
#include "say.h"
#include "verb.h"

/* what the command line says */
struct choice {
	bool source, target, force;
};

static int check_not_started(const char *group)
{
	struct dm_dev dev;

	if (group_started(group, &dev))
		return say_error(EXIT_STATE, "group %s is started; `lvrctl stop %s' first", group, group);
	return 0;
}

static int open_all(struct backings *all)
{
	u32 i;
	int ret = 0;

	for (i = 0; i < all->count && !ret; i++)
		ret = dev_open(&all->item[i].dev, i == 0);
	return ret;
}

static void close_all(struct backings *all)
{
	u32 i;

	for (i = 0; i < all->count; i++)
		dev_close(&all->item[i].dev);
}

/* fn() works on what the group lies on; what came up for it goes down again if it fails */
static int with_backings(const char *group, const struct choice *choice,
			 int (*fn)(const struct conf *conf, struct backings *all,
				   const struct choice *choice))
{
	struct backings *all;
	struct conf *conf;
	int ret;

	ret = conf_load(group, &conf);
	if (ret)
		return ret;
	all = said_alloc(malloc(sizeof(*all)));
	ret = group_lock(group);
	if (!ret)
		ret = check_not_started(group);
	if (!ret)
		ret = backings_find(conf, all);
	if (!ret)
		ret = backings_up(all);
	if (!ret) {
		ret = fn(conf, all, choice);
		if (ret)
			backings_undo(all);
	}
	free(all);
	free(conf);
	return ret;
}

/*---------------------------------------------------------------------------*/
/* create: what would be destroyed */

static int check_log_empty(const struct dev *dev)
{
	const struct lvr_super *sb;
	struct log *log = said_alloc(malloc(sizeof(*log)));
	char what[64];
	int ret;

	ret = log_attach(log, dev->path, dev->fd, dev->bytes);
	sb = ret ? NULL : log_super(log, false);
	if (sb)
		ret = say_error(EXIT_STATE, "%s: carries the log of group %s; --force overwrites it and what it holds for the volumes and the peer",
				dev->path, sb->group_name);
	else if (!ret && log->current != -ENODATA)
		ret = say_error(EXIT_STATE, "%s: carries a log that is damaged or not understood; --force overwrites it",
				dev->path);
	else if (!ret && dev_signature(dev, what, sizeof(what)))
		ret = say_error(EXIT_STATE, "%s: carries %s; --force overwrites it", dev->path, what);
	free(log);
	return ret;
}

static int check_origins_empty(const struct backings *all)
{
	char what[64];
	int ret = 0;
	u32 i;

	for (i = 1; i < all->count; i++)
		if (dev_signature(&all->item[i].dev, what, sizeof(what)))
			ret = say_error(EXIT_STATE, "%s: carries %s, which the initial synchronisation would overwrite; --force lets it",
					all->item[i].path, what);
	return ret;
}

/*
 * From here on another node may get what the volumes hold: a loss of power
 * must not take it back here, unnoticed.
 */
static int flush_origins(const struct backings *all)
{
	int ret = 0;
	u32 i;

	for (i = 1; i < all->count; i++)
		if (fsync(all->item[i].dev.fd))
			ret = say_error(EXIT_DEVICE, "%s: flush: %s", all->item[i].path, strerror(errno));
	return ret;
}

static int check_other_group(const struct conf *conf, const struct backings *all)
{
	const struct backing *b;
	int ret = 0;
	u32 i;

	for (i = 0; i < all->count; i++) {
		b = &all->item[i];
		if (b->is_lv && b->lv.group[0] && strcmp(b->lv.group, conf->group))
			ret = say_error(EXIT_STATE, "%s: is part of group %s; `lvrctl destroy %s' frees it",
					b->path, b->lv.group, b->lv.group);
	}
	return ret;
}

/* LVM calls the LV db of the VG vg0 vg0-db: so would be the volume db of a group vg0 */
static int check_names(const struct conf *conf)
{
	char name[DM_NAME_BYTES];
	struct dm_dev there;
	int ret = 0;
	u32 i;

	if (dm_find(conf->group, &there))
		ret = say_error_at(EXIT_CONFIG, conf->path, 0,
				   "group %s: there is a device /dev/mapper/%s already; name the group otherwise",
				   conf->group, conf->group);
	for (i = 0; i < conf->volumes; i++) {
		group_volume_name(conf->group, conf->volume[i].name, name);
		if (dm_find(name, &there))
			ret = say_error_at(EXIT_CONFIG, conf->path, conf->volume[i].line,
					   "volume %s: there is a device /dev/mapper/%s already; name the volume or the group otherwise",
					   conf->volume[i].name, name);
	}
	return ret;
}

/*---------------------------------------------------------------------------*/
/* create: the superblock */

static int volume_fill(const struct conf_volume *volume, const struct dev *origin,
		       struct lvr_volume_entry *to)
{
	*to = (struct lvr_volume_entry){ .id = volume->id, .flags = LVR_VOLUME_F_USED };
	strcpy(to->name, volume->name);
	to->block_bytes = volume->block_bytes ? volume->block_bytes : origin->block_bytes;
	if (to->block_bytes < origin->block_bytes)
		return say_error(EXIT_CONFIG, "volume %s: block-size %u is less than the %u of %s",
				 volume->name, to->block_bytes, origin->block_bytes, origin->path);
	to->size_sect = round_down(origin->bytes, to->block_bytes) >> LVR_SECTOR_SHIFT;
	return 0;
}

static int randomise(void *to, size_t bytes)
{
	if (getrandom(to, bytes, 0) != (ssize_t)bytes)
		return say_error(EXIT_DEVICE, "no random numbers: %s", strerror(errno));
	return 0;
}

/*
 * The physical one, as far as it can be had: what is less the device reads and
 * writes as a whole, which takes time, and when the power fails in between,
 * the durable end of one chunk is lost with the beginning of the next.
 */
static u32 log_block_bytes(const struct dev *log)
{
	u32 bytes = LVR_BLOCK_MAX_BYTES;

	while (bytes > log->physical_block_bytes && bytes > LVR_SECTOR_BYTES)
		bytes /= 2;	/* a power of two, whatever the driver names */
	return max(bytes, log->block_bytes);
}

static int super_make(const struct conf *conf, const struct backings *all, bool target,
		      struct lvr_super *sb)
{
	struct lvr_volume_entry volume[LVR_MAX_VOLUMES];
	u8 uuid[LVR_UUID_BYTES] = { 0 };
	struct lvr_super_make make = {
		.group_name = conf->group,
		.group_uuid = uuid,
		.target = target,
		.self = conf_self(conf)->id,
		.block_bytes = log_block_bytes(&all->item[0].dev),
		.device_sect = all->item[0].dev.bytes >> LVR_SECTOR_SHIFT,
		.members = conf->nodes,
		.volume = volume,
		.volumes = conf->volumes,
	};
	struct lvr_err err;
	int ret;
	u32 i;

	for (i = 0; i < conf->volumes; i++) {
		ret = volume_fill(&conf->volume[i], &all->item[1 + i].dev, &volume[i]);
		if (ret)
			return ret;
	}
	for (i = 0; i < conf->nodes; i++) {
		make.member_id[i] = conf->node[i].id;
		make.member_name[i] = conf->node[i].name;
	}
	ret = randomise(&make.log_id, sizeof(make.log_id));
	if (!ret && !target)
		ret = randomise(uuid, sizeof(uuid));
	if (ret)
		return ret;
	/* 0 means none; a uuid of version 4 */
	make.log_id |= !make.log_id;
	if (!target) {
		uuid[6] = (uuid[6] & 0x0f) | 0x40;
		uuid[8] = (uuid[8] & 0x3f) | 0x80;
	}
	if (lvr_super_make(sb, &make, &err))
		return say_error(EXIT_DEVICE, "%s: %s", all->item[0].path, err.text);
	return 0;
}

/*---------------------------------------------------------------------------*/

/*
 * The superblock goes last: whatever ends the command before, there is no log
 * and the command can be repeated.
 */
static int create_on(const struct conf *conf, struct backings *all, const struct choice *choice)
{
	struct lvr_super *sb = said_alloc(malloc(sizeof(*sb)));
	struct dev *log = &all->item[0].dev;
	char size[HUMAN_BYTES];
	int ret;

	ret = open_all(all);
	if (!ret)
		ret = check_names(conf);
	if (!ret)
		ret = check_other_group(conf, all);
	if (!ret && !choice->force)
		ret = check_log_empty(log);
	if (!ret && !choice->force && choice->target)
		ret = check_origins_empty(all);
	if (!ret && !choice->target)
		ret = flush_origins(all);
	if (!ret)
		ret = super_make(conf, all, choice->target, sb);
	if (!ret)
		ret = backings_claim(all, conf->group);
	if (!ret)
		ret = dev_wipe_signatures(log);
	if (!ret)
		ret = log_format(log->fd, log->path, sb);
	if (!ret)
		say("group %s: log of %s made on %s, node %s is %s", conf->group,
		    human_bytes(size, sb->ring_bytes), log->path, conf_self(conf)->name,
		    choice->target ? "the target of an initial synchronisation" : "the source");
	close_all(all);
	free(sb);
	return ret;
}

/**
 * verb_create - make a group on this node
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: create GROUP --source|--target [--force]
 *
 * Return: exit code.
 */
int verb_create(const struct verb *verb, int argc, char **argv)
{
	static struct choice choice;
	static const struct option_def options[] = {
		{ "source", OPTION_FLAG, &choice.source, NULL, "this node's volumes hold the data" },
		{ "target", OPTION_FLAG, &choice.target, NULL,
		  "this node's volumes are overwritten with those of the source" },
		{ "force", OPTION_FLAG, &choice.force, NULL,
		  "overwrite what is on the log device, and with --target on the volumes" },
	};
	const char *group;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &group, 1, 1);
	if (ret)
		return ret;
	if (choice.source == choice.target)
		return say_error(EXIT_USAGE, "expected either --source or --target");
	return with_backings(group, &choice, create_on);
}

/*---------------------------------------------------------------------------*/
/* destroy */

/* what is lost with the log; 0: nothing */
static int check_nothing_lost(struct log *log)
{
	const struct lvr_super *sb = log_super(log, false);
	struct log_walk walk;
	int ret = 0;
	u64 left;

	if (log_walk(log, &walk, NULL, NULL))
		return EXIT_DEVICE;
	left = log_undestaged(log, &walk);
	if (left)
		ret = say_error(EXIT_STATE, "%s: %llu records are perhaps not on the volumes yet and would be lost; start%s and stop the group, or --force",
				log->path, left,
				sb->flags & LVR_SUPER_F_PRIMARY ? "" : ", promote");
	if (sb->flags & LVR_SUPER_F_INCONSISTENT)
		ret = say_error(EXIT_STATE, "%s: the volumes are marked inconsistent, and only the log says so; --force forgets it",
				log->path);
	return ret;
}

static int wipe_log(const struct conf *conf, struct dev *dev, bool force)
{
	struct log *log = said_alloc(malloc(sizeof(*log)));
	const struct lvr_super *sb;
	int ret;

	ret = log_attach(log, dev->path, dev->fd, dev->bytes);
	sb = ret ? NULL : log_super(log, false);
	if (ret)
		goto out;
	if (sb && strcmp(sb->group_name, conf->group))
		ret = say_error(EXIT_STATE, "%s: is the log of group %s, not of %s", dev->path,
				sb->group_name, conf->group);
	else if (sb && !force)
		ret = check_nothing_lost(log);
	else if (!sb && log->current != -ENODATA && !force)
		ret = say_error(EXIT_STATE, "%s: the log is damaged, what is lost with it is not known; --force wipes it",
				dev->path);
	if (!ret && log->current != -ENODATA)
		ret = log_wipe(dev->fd, dev->path);
out:
	free(log);
	return ret;
}

static int destroy_on(const struct conf *conf, struct backings *all, const struct choice *choice)
{
	int ret;

	ret = open_all(all);
	if (!ret)
		ret = wipe_log(conf, &all->item[0].dev, choice->force);
	close_all(all);
	if (ret)
		return ret;
	ret = backings_release(all, conf->group);
	backings_unhide(all);
	if (!ret)
		say("group %s: destroyed on node %s; the volumes are ordinary devices again",
		    conf->group, conf_self(conf)->name);
	return ret;
}

/**
 * verb_destroy - make a group none on this node
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: destroy GROUP [--force]
 *
 * Return: exit code.
 */
int verb_destroy(const struct verb *verb, int argc, char **argv)
{
	static struct choice choice;
	static const struct option_def options[] = {
		{ "force", OPTION_FLAG, &choice.force, NULL, "even if that loses data" },
	};
	const char *group;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &group, 1, 1);
	return ret ? ret : with_backings(group, &choice, destroy_on);
}
