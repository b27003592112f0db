// SPDX-License-Identifier: GPL-2.0-only
/* A group as it runs on this node: what the verbs share. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "args.h"
#include "backing.h"
#include "exit.h"
#include "group.h"
#include "human.h"
#include "key.h"
#include "say.h"
#include "udev.h"

#ifndef LOCK_WAIT_MS
#define LOCK_WAIT_MS 15000
#endif
#define LOCK_STEP_US 50000
#define ORIGIN_KEY " origin="
#define WAIT_STEP_MS 200	/* what posts no event is looked at so often */

/*---------------------------------------------------------------------------*/
/* names */

/**
 * group_uuid - uuid of a group's device
 * @log_id: id of its log
 * @to: gets the uuid
 */
void group_uuid(u64 log_id, char to[DM_UUID_BYTES])
{
	snprintf(to, DM_UUID_BYTES, LVR_DM_UUID_PREFIX "%016llx", log_id);
}

/**
 * group_volume_uuid - uuid of a volume's device
 * @log_id: id of the log of its group
 * @volume: id of the volume
 * @to: gets the uuid
 */
void group_volume_uuid(u64 log_id, u32 volume, char to[DM_UUID_BYTES])
{
	snprintf(to, DM_UUID_BYTES, LVR_DM_UUID_PREFIX "%016llx-%u", log_id, volume);
}

/**
 * group_volume_name - name of a volume's device
 * @group: the group
 * @volume: the volume
 * @to: gets the name
 */
void group_volume_name(const char *group, const char *volume, char to[DM_NAME_BYTES])
{
	snprintf(to, DM_NAME_BYTES, "%s-%s", group, volume);
}

static bool is_volume(const struct dm_dev *dev)
{
	return strchr(dev->uuid + strlen(LVR_DM_UUID_PREFIX), '-');
}

/*---------------------------------------------------------------------------*/

/**
 * group_lock - let no other command change the group meanwhile
 * @group: the group
 *
 * The lock ends with the process. It waits a moment for another command.
 *
 * Return: 0, EXIT_BUSY or EXIT_DEVICE.
 */
int group_lock(const char *group)
{
	u64 until = now_ms() + LOCK_WAIT_MS;
	char path[256];
	int fd;

	mkdir(RUN_DIR, 0755);
	snprintf(path, sizeof(path), RUN_DIR "/%s.lock", group);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return say_error(EXIT_DEVICE, "%s: %s", path, strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (now_ms() >= until)
			return say_error(EXIT_BUSY, "group %s: another lvrctl is at work on it", group);
		usleep(LOCK_STEP_US);
	}
	return 0;
}

/**
 * group_started - whether a group runs
 * @group: its name
 * @dev: gets its device
 *
 * Return: whether it does.
 */
bool group_started(const char *group, struct dm_dev *dev)
{
	return conf_name_ok(group) && dm_find(group, dev) &&
	       !strncmp(dev->uuid, LVR_DM_UUID_PREFIX, strlen(LVR_DM_UUID_PREFIX)) &&
	       !is_volume(dev);
}

/**
 * group_need_started - refuse a command if its group does not run
 * @group: its name
 * @dev: gets its device
 *
 * Return: 0, EXIT_STATE or EXIT_NO_GROUP.
 */
int group_need_started(const char *group, struct dm_dev *dev)
{
	if (group_started(group, dev))
		return 0;
	if (conf_exists(group))
		return say_error(EXIT_STATE, "group %s is not started", group);
	return say_error(EXIT_NO_GROUP, "no group %s, neither running nor in %s", group,
			 settings.config_dir);
}

/**
 * group_lock_started - let no other command change a group that runs
 * @group: its name
 * @dev: gets its device
 *
 * Return: 0, or what group_need_started() or group_lock() say.
 */
int group_lock_started(const char *group, struct dm_dev *dev)
{
	int ret = group_need_started(group, dev);

	return ret ? ret : group_lock(group);
}

struct each {
	int (*fn)(const struct dm_dev *dev, void *arg);
	void *arg;
};

static int each_group(const struct dm_dev *dev, void *arg)
{
	struct each *each = arg;

	return is_volume(dev) ? 0 : each->fn(dev, each->arg);
}

/**
 * group_each - call a function for each group that runs
 * @fn: gets the group's device; what it returns other than 0 ends the walk
 * @arg: handed to it
 *
 * Return: what @fn returned last, or EXIT_DEVICE.
 */
int group_each(int (*fn)(const struct dm_dev *dev, void *arg), void *arg)
{
	struct each each = { fn, arg };

	return dm_each(LVR_DM_UUID_PREFIX, each_group, &each);
}

/**
 * group_each_volume - call a function for each volume of a group
 * @group: the group's device
 * @fn: gets the volume's device; what it returns other than 0 ends the walk
 * @arg: handed to it
 *
 * Return: what @fn returned last, or EXIT_DEVICE.
 */
int group_each_volume(const struct dm_dev *group,
		      int (*fn)(const struct dm_dev *dev, void *arg), void *arg)
{
	char prefix[DM_UUID_BYTES + 1];

	snprintf(prefix, sizeof(prefix), "%s-", group->uuid);
	return dm_each(prefix, fn, arg);
}

/*---------------------------------------------------------------------------*/
/* speaking to it */

/**
 * group_status - status of a group
 * @group: its name
 * @st: filled in
 *
 * Return: 0, EXIT_STATE or EXIT_DEVICE.
 */
int group_status(const char *group, struct status *st)
{
	char line[DM_PARAMS_BYTES];
	struct lvr_err err;

	if (dm_status(group, LVR_TARGET_GROUP, line))
		return say_error(EXIT_STATE, "group %s is not started", group);
	if (status_parse(st, line, &err))
		return say_error(EXIT_DEVICE, "group %s: %s", group, err.text);
	return 0;
}

/**
 * group_options - the options that are in force
 * @group: its name
 * @options: filled in from the table line
 *
 * Return: 0, EXIT_STATE or EXIT_DEVICE.
 */
int group_options(const char *group, struct lvr_options *options)
{
	char line[DM_PARAMS_BYTES], *argv[LVR_OPT_COUNT + 2], *word, *rest;
	struct lvr_err err;
	u32 argc = 0;

	if (dm_table(group, LVR_TARGET_GROUP, line))
		return say_error(EXIT_STATE, "group %s is not started", group);
	for (word = strtok_r(line, " ", &rest); word && argc < ARRAY_SIZE(argv);
	     word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	lvr_options_default(options);
	/* before the options: log device, number of options */
	if (argc < 2 || lvr_options_parse(options, argc - 2, argv + 2, &err))
		return say_error(EXIT_DEVICE, "group %s: table: %s", group,
				 argc < 2 ? "too short" : err.text);
	return 0;
}

/**
 * group_ask - send a message, keep a refusal for the caller
 * @group: its name
 * @text: verb and arguments
 * @reason: gets the reason of a refusal
 *
 * Return: 0 or -errno.
 */
int group_ask(const char *group, const char *text, char reason[DM_PARAMS_BYTES])
{
	int ret = dm_message(group, text, false, NULL);

	reason[0] = 0;
	if (ret && (dm_message(group, "reason", false, reason) || !reason[0] || !strcmp(reason, "-")))
		snprintf(reason, DM_PARAMS_BYTES, "%s", strerror(-ret));
	reason[strcspn(reason, "\n")] = 0;
	return ret;
}

static int refusal_exit(int error)
{
	switch (error) {
	case -EBUSY:
		return EXIT_BUSY;
	case -EIO:
	case -ENXIO:
	case -ENODEV:
	case -ENOMEM:
		return EXIT_DEVICE;
	default:
		return EXIT_STATE;
	}
}

static int say_refusal(const char *group, const char *text, int error, const char *reason)
{
	return error ? say_error(refusal_exit(error), "group %s: %s refused: %s", group, text, reason) : 0;
}

/**
 * group_message - send a message
 * @group: its name
 * @text: verb and arguments
 *
 * Return: 0, EXIT_STATE, EXIT_BUSY or EXIT_DEVICE.
 */
int group_message(const char *group, const char *text)
{
	char reason[DM_PARAMS_BYTES];
	int ret = group_ask(group, text, reason);

	return say_refusal(group, text, ret, reason);
}

/**
 * group_send_key - hand the key to the kernel
 * @conf: names the key file
 *
 * Return: 0, EXIT_CONFIG or EXIT_DEVICE.
 */
int group_send_key(const struct conf *conf)
{
	char hex[KEY_HEX_BYTES], text[KEY_HEX_BYTES + 16];
	int ret;

	if (!conf->options.auth_psk)
		return 0;
	ret = key_read(conf->key_file, hex);
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "set-key %s", hex);
	key_wipe(hex);
	ret = dm_message(conf->group, text, true, NULL);
	explicit_bzero(text, sizeof(text));
	return ret ? say_error(EXIT_DEVICE, "group %s: set-key refused: %s", conf->group,
			       strerror(-ret)) : 0;
}

/*---------------------------------------------------------------------------*/
/* its volumes */

static int is_open(const struct dm_dev *dev, void *arg)
{
	(void)arg;
	return dev->open_count ? EXIT_BUSY : 0;
}

static int say_open(const struct dm_dev *dev, void *arg)
{
	char users[DEV_USERS_BYTES];
	int *busy = arg;

	if (!dev->open_count)
		return 0;
	if (!dev_users(dev->major, dev->minor, users))
		strcpy(users, "in use");
	*busy = say_error(EXIT_BUSY, "/dev/mapper/%s: %s", dev->name, users);
	return 0;
}

/**
 * group_check_closed - refuse a command while volumes are open
 * @group: the group's device
 *
 * Waits a moment for those that only look.
 *
 * Return: 0, EXIT_BUSY or EXIT_DEVICE.
 */
int group_check_closed(const struct dm_dev *group)
{
	u64 until = now_ms() + BUSY_WAIT_MS;
	int busy = 0, ret;

	while (group_each_volume(group, is_open, NULL) == EXIT_BUSY && now_ms() < until)
		usleep(BUSY_STEP_US);
	ret = group_each_volume(group, say_open, &busy);
	return ret ? ret : busy;
}

/**
 * group_message_closed - send a message that the kernel refuses while volumes are open
 * @group: the group's device
 * @text: verb and arguments
 *
 * Who looks at a volume that was just closed may do so between the check and
 * the message.
 *
 * Return: 0, EXIT_STATE, EXIT_BUSY or EXIT_DEVICE.
 */
int group_message_closed(const struct dm_dev *group, const char *text)
{
	u64 until = now_ms() + BUSY_WAIT_MS;
	char reason[DM_PARAMS_BYTES];
	int ret;

	for (;;) {
		ret = group_check_closed(group);
		if (ret)
			return ret;
		ret = group_ask(group->name, text, reason);
		if (ret != -EBUSY || now_ms() >= until)
			return say_refusal(group->name, text, ret, reason);
		usleep(BUSY_STEP_US);
	}
}

/**
 * group_volume_origin - how the device below a volume is
 * @volume: the volume's device
 * @to: buffer
 *
 * Return: @to, the kernel's word for it; "" if it says none.
 */
char *group_volume_origin(const struct dm_dev *volume, char to[GROUP_ORIGIN_BYTES])
{
	char line[DM_PARAMS_BYTES];
	const char *origin = NULL;

	if (!dm_status(volume->name, LVR_TARGET_VOLUME, line))
		origin = strstr(line, ORIGIN_KEY);
	snprintf(to, GROUP_ORIGIN_BYTES, "%s", origin ? origin + strlen(ORIGIN_KEY) : "");
	to[strcspn(to, " ")] = 0;
	return to;
}

static int look_again(const struct dm_dev *dev, void *arg)
{
	bool *told = arg;

	*told = udev_look(dev->major, dev->minor) || *told;
	return 0;
}

/**
 * group_refresh_volumes - wait until udev knows whether the volumes serve I/O
 * @group: the group's device
 *
 * The kernel tells udev by itself, but a moment after the state has changed,
 * and there is nothing to wait for. A look of our own may come before or
 * behind: the rules ask the kernel each time. It is no suspend and resume,
 * which would let writes through that wait for the peer.
 *
 * Return: 0 or EXIT_DEVICE.
 */
int group_refresh_volumes(const struct dm_dev *group)
{
	bool told = false;
	int ret;

	ret = group_each_volume(group, look_again, &told);
	if (told)
		udev_settle();
	return ret;
}

/*---------------------------------------------------------------------------*/

static int wait_timed_out(const char *group, const struct status *st)
{
	return say_error(EXIT_TIMEOUT, "group %s: not reached in time; now %s, %s, link %s%s%s", group,
			 status_text(st, STATUS_role), status_text(st, STATUS_state),
			 status_text(st, STATUS_link),
			 st->text[STATUS_link_reason] ? ": " : "",
			 status_text(st, STATUS_link_reason));
}

/**
 * group_wait - wait for something to come true
 * @group: its name
 * @timeout_ms: at most so long; WAIT_FOREVER
 * @done: looks at the status; WAIT_ON, or what to return
 * @arg: handed to it
 * @last: gets the last status seen
 *
 * Return: what @done said, EXIT_TIMEOUT, EXIT_STATE or EXIT_DEVICE.
 */
int group_wait(const char *group, u64 timeout_ms,
	       int (*done)(const struct status *st, void *arg), void *arg, struct status *last)
{
	u64 begin = now_ms();
	struct pace pace = { 0 };
	struct work work;
	int fd = dm_events_open(), ret;

	for (;;) {
		dm_events_arm(fd);
		ret = group_status(group, last);
		if (!ret)
			ret = done(last, arg);
		if (ret != WAIT_ON)
			break;
		if (timeout_ms != WAIT_FOREVER && now_ms() - begin >= timeout_ms) {
			progress_end();
			ret = wait_timed_out(group, last);
			break;
		}
		work = work_of(last);
		if (!work.name)
			work = lag_of(last);
		pace_add(&pace, &work);
		progress_show(&work, &pace);
		dm_events_wait(fd, WAIT_STEP_MS);
	}
	progress_end();
	if (fd >= 0)
		close(fd);
	return ret;
}
