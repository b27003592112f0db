// SPDX-License-Identifier: GPL-2.0-only
/* What a group lies on: origins and log. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backing.h"
#include "dm.h"
#include "exit.h"
#include "say.h"
#include "udev.h"

#define BACKING_DIR RUN_DIR "/backing"
#define MARK_BYTES 256

/*---------------------------------------------------------------------------*/
/* hiding */

static const char *mark_path(const struct backing *b, char to[MARK_BYTES])
{
	if (b->lv.dm_uuid[0])
		snprintf(to, MARK_BYTES, BACKING_DIR "/%s", b->lv.dm_uuid);
	else
		snprintf(to, MARK_BYTES, BACKING_DIR "/%u:%u", b->dev.major, b->dev.minor);
	return to;
}

/* let udev look again at devices that it has seen before, and wait until it has */
static void udev_retrigger(const struct backings *all, bool (*wanted)(const struct backing *b))
{
	const struct dev *dev;
	bool told = false;
	u32 i;

	for (i = 0; i < all->count; i++) {
		dev = &all->item[i].dev;
		if (wanted(&all->item[i]))
			told = udev_look(dev->major, dev->minor) || told;
	}
	if (told)
		udev_settle();
}

/* has a node, whose mark is new */
static bool is_newly_hidden(const struct backing *b)
{
	return b->hidden && (!b->is_lv || b->lv.active) && !b->activated;
}

static bool is_there(const struct backing *b)
{
	return !b->is_lv || b->lv.active;
}

static int mark_make(struct backing *b)
{
	char path[MARK_BYTES];
	int fd;

	mkdir(RUN_DIR, 0755);
	mkdir(BACKING_DIR, 0755);
	fd = open(mark_path(b, path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno != EEXIST)
		return say_error(EXIT_DEVICE, "%s: %s", path, strerror(errno));
	if (fd >= 0) {
		b->hidden = true;
		close(fd);
	}
	return 0;
}

/*---------------------------------------------------------------------------*/

/* pick some of the LVs, for one call of LVM */
static u32 pick(struct backings *all, bool (*wanted)(const struct backing *b, const void *arg),
		const void *arg, struct lvm_lv *lv[])
{
	u32 i, count = 0;

	for (i = 0; i < all->count; i++)
		if (all->item[i].is_lv && wanted(&all->item[i], arg))
			lv[count++] = &all->item[i].lv;
	return count;
}

static bool any(const struct backing *b, const void *arg)
{
	(void)b;
	(void)arg;
	return true;
}

static bool is_inactive(const struct backing *b, const void *arg)
{
	(void)arg;
	return !b->lv.active;
}

static bool was_activated(const struct backing *b, const void *arg)
{
	(void)arg;
	return b->activated;
}

static bool was_claimed(const struct backing *b, const void *arg)
{
	(void)arg;
	return b->claimed;
}

static bool has_role(const struct backing *b, const void *role)
{
	return !strcmp(b->role, role);
}

static bool in_group(const struct backing *b, const void *group)
{
	return !strcmp(b->lv.group, group);
}

static bool is_active_in_group(const struct backing *b, const void *group)
{
	return b->lv.active && in_group(b, group);
}

/*---------------------------------------------------------------------------*/

/* active LVs show it by the uuid of their dm device, inactive ones have no node */
static int look_at(struct backing *b)
{
	struct dm_dev dm = { .uuid = "" };
	struct stat st;
	int ret;

	if (stat(b->path, &st)) {
		b->is_lv = true;
		return 0;
	}
	ret = dev_find(b->path, &b->dev);
	if (ret)
		return ret;
	dm_find_number(b->dev.major, b->dev.minor, &dm);
	b->is_lv = !strncmp(dm.uuid, "LVM-", 4);
	snprintf(b->lv.dm_uuid, sizeof(b->lv.dm_uuid), "%s", dm.uuid);
	return 0;
}

static void add(struct backings *all, const char *path, const char *role)
{
	struct backing *b = &all->item[all->count++];

	*b = (struct backing){ .role = role, .dev.fd = -1 };
	snprintf(b->path, sizeof(b->path), "%s", path);
	b->lv.path = b->path;
}

/**
 * backings_find - find out what the devices of this node are
 * @conf: the configuration that names them
 * @all: filled in
 *
 * Return: 0 or EXIT_DEVICE.
 */
int backings_find(const struct conf *conf, struct backings *all)
{
	lvm_list lv;
	int ret = 0;
	u32 i;

	all->count = 0;
	all->group = NULL;
	add(all, conf_self(conf)->log, "log");
	for (i = 0; i < conf->volumes; i++)
		add(all, conf_origin(conf, &conf->volume[i]), "data");
	for (i = 0; i < all->count && !ret; i++)
		ret = look_at(&all->item[i]);
	return ret ? ret : lvm_find(lv, pick(all, any, NULL, lv));
}

/* two paths may lead to one device */
static int check_distinct(const struct backings *all)
{
	u32 i, j;

	for (i = 0; i < all->count; i++)
		for (j = 0; j < i; j++)
			if (all->item[i].dev.major == all->item[j].dev.major &&
			    all->item[i].dev.minor == all->item[j].dev.minor)
				return say_error(EXIT_CONFIG, "%s and %s are one device",
						 all->item[j].path, all->item[i].path);
	return 0;
}

/*
 * A mark takes the contents of a device from udev, and systemd unmounts what has
 * gone: nothing is marked before it is known that nobody uses it.
 */
static int check_unused(struct backings *all)
{
	struct dev *dev;
	int ret = 0;
	u32 i;

	for (i = 0; i < all->count && !ret; i++) {
		dev = &all->item[i].dev;
		if (!is_there(&all->item[i]))
			continue;
		ret = dev_open(dev, false);
		dev_close(dev);
	}
	return ret;
}

static int mark_all(struct backings *all)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < all->count && !ret; i++)
		ret = mark_make(&all->item[i]);
	/* what was there before the mark was seen by udev without it */
	udev_retrigger(all, is_newly_hidden);
	return ret;
}

static int activate(struct backings *all)
{
	struct backing *b;
	int ret = 0;
	lvm_list lv;
	u32 count, i;

	count = pick(all, is_inactive, NULL, lv);
	/* also if the call ends half-way they are to be deactivated */
	for (i = 0; i < all->count; i++)
		all->item[i].activated = all->item[i].is_lv && !all->item[i].lv.active;
	ret = lvm_activate(lv, count);
	for (i = 0; i < all->count && !ret; i++) {
		b = &all->item[i];
		if (!b->activated)
			continue;
		b->lv.active = true;
		ret = dev_find(b->path, &b->dev);
	}
	return ret;
}

/**
 * backings_up - hide and activate the devices
 * @all: from backings_find()
 *
 * Return: 0, EXIT_BUSY, EXIT_DEVICE or EXIT_CONFIG; on an error all is as it was.
 */
int backings_up(struct backings *all)
{
	int ret;

	ret = check_unused(all);
	if (!ret)
		ret = mark_all(all);
	if (!ret)
		ret = activate(all);
	if (!ret)
		ret = check_distinct(all);
	if (ret)
		backings_undo(all);
	return ret;
}

/**
 * backings_undo - undo backings_up() and backings_claim()
 * @all: after backings_up()
 */
void backings_undo(struct backings *all)
{
	char path[MARK_BYTES];
	lvm_list lv;
	u32 i;

	lvm_release(lv, pick(all, was_claimed, NULL, lv), all->group);
	lvm_deactivate(lv, pick(all, was_activated, NULL, lv));
	for (i = 0; i < all->count; i++)
		if (all->item[i].hidden)
			unlink(mark_path(&all->item[i], path));
	udev_retrigger(all, is_newly_hidden);
	for (i = 0; i < all->count; i++)
		all->item[i].hidden = all->item[i].activated = all->item[i].claimed = false;
}

/**
 * backings_claim - mark the LVs as part of a group
 * @all: from backings_find(), for backings_undo() if it fails, or what follows
 * @group: the group; must stay
 *
 * Return: 0 or EXIT_DEVICE.
 */
int backings_claim(struct backings *all, const char *group)
{
	lvm_list lv;
	int ret;
	u32 i;

	/* also if a call ends half-way; what was part of the group before stays so */
	all->group = group;
	for (i = 0; i < all->count; i++)
		all->item[i].claimed = all->item[i].is_lv && !in_group(&all->item[i], group);
	ret = lvm_claim(lv, pick(all, has_role, "log", lv), group, "log");
	return ret ? ret : lvm_claim(lv, pick(all, has_role, "data", lv), group, "data");
}

/**
 * backings_release - undo backings_claim()
 * @all: from backings_find()
 * @group: the group; LVs of others are left alone
 *
 * Return: 0 or EXIT_DEVICE.
 */
int backings_release(struct backings *all, const char *group)
{
	lvm_list lv;

	return lvm_release(lv, pick(all, in_group, group, lv), group);
}

/**
 * backings_down - deactivate what can be deactivated
 * @all: from backings_find()
 * @group: the group; LVs that are not part of it are left alone
 *
 * Return: 0 or EXIT_DEVICE.
 */
int backings_down(struct backings *all, const char *group)
{
	lvm_list lv;

	return lvm_deactivate(lv, pick(all, is_active_in_group, group, lv));
}

/**
 * backings_unhide - they are no backing devices any more
 * @all: from backings_find()
 */
void backings_unhide(struct backings *all)
{
	char path[MARK_BYTES];
	u32 i;

	for (i = 0; i < all->count; i++)
		unlink(mark_path(&all->item[i], path));
	udev_retrigger(all, is_there);
}
