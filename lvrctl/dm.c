// SPDX-License-Identifier: GPL-2.0-only
/* device-mapper, by libdevmapper. */
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "dm.h"
#include "exit.h"
#include "kmsg.h"
#include "say.h"

/* LVR's devices are found by their own rules, never by what lies on them */
#define HIDDEN (DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_DISABLE_OTHER_RULES_FLAG)

/* libdevmapper speaks for itself; what it says is told when it matters */
static char last_words[256];

PRINTF(5, 6)
static void listen_to_library(int level, const char *file, int line, int class,
			      const char *fmt, ...)
{
	va_list args;

	(void)file;
	(void)line;
	(void)class;
	/* levels as of syslog: up to 3 are errors; bit 7 marks stderr */
	if ((level & 0x7f) > 3)
		return;
	va_start(args, fmt);
	vsnprintf(last_words, sizeof(last_words), fmt, args);
	va_end(args);
}

static void cannot_ask(void)
{
	exit(say_error(EXIT_DEVICE, "device-mapper cannot be asked: %s", geteuid() ? "only root may" : last_words));
}

static struct dm_task *task_new(int type, const char *name)
{
	static bool listening;
	struct dm_task *task;

	if (!listening)
		dm_log_with_errno_init(listen_to_library);
	listening = true;
	last_words[0] = 0;
	task = dm_task_create(type);
	if (!task)
		cannot_ask();
	if (name && !dm_task_set_name(task, name))
		exit(say_error(EXIT_DEVICE, "%s: %s", name, last_words));
	return task;
}

static int task_failed(const char *what, const char *name, int error)
{
	return say_error(error == EBUSY ? EXIT_BUSY : EXIT_DEVICE, "%s %s: %s", what, name,
			 last_words[0] ? last_words : strerror(error));
}

/* run a task that ends in an event to udev, and wait for udev */
static int task_run_synced(struct dm_task *task, u16 udev_flags)
{
	u32 cookie = 0;
	int error = 0;

	if (!dm_task_set_cookie(task, &cookie, udev_flags))
		return -EIO;
	if (!dm_task_run(task))
		error = dm_task_get_errno(task) ? dm_task_get_errno(task) : EIO;
	dm_udev_wait(cookie);
	dm_task_update_nodes();
	return -error;
}

/*---------------------------------------------------------------------------*/
/* finding */

static bool info_run(struct dm_task *task, struct dm_dev *dev)
{
	struct dm_info info;
	bool found;

	/* a device that is not there is no error; that nothing can be found out must not look like it */
	if (!dm_task_run(task) || !dm_task_get_info(task, &info))
		cannot_ask();
	found = info.exists;
	if (found) {
		*dev = (struct dm_dev){
			.major = info.major,
			.minor = info.minor,
			.open_count = info.open_count,
			.suspended = info.suspended,
			.live = info.live_table,
		};
		snprintf(dev->name, sizeof(dev->name), "%s", dm_task_get_name(task));
		snprintf(dev->uuid, sizeof(dev->uuid), "%s", dm_task_get_uuid(task));
	}
	dm_task_destroy(task);
	return found;
}

/**
 * dm_find - find a device by its name
 * @name: its name
 * @dev: filled in if it is there
 *
 * Return: whether it is there.
 */
bool dm_find(const char *name, struct dm_dev *dev)
{
	return info_run(task_new(DM_DEVICE_INFO, name), dev);
}

/**
 * dm_find_number - find a device by its number
 * @major: of the number
 * @minor: of the number
 * @dev: filled in if it is there
 *
 * Return: whether it is there and device-mapper's.
 */
bool dm_find_number(u32 major, u32 minor, struct dm_dev *dev)
{
	struct dm_task *task = task_new(DM_DEVICE_INFO, NULL);

	if (!dm_task_set_major(task, major) || !dm_task_set_minor(task, minor)) {
		dm_task_destroy(task);
		return false;
	}
	return info_run(task, dev);
}

/**
 * dm_each - call a function for each device of a kind
 * @uuid_prefix: with which the uuids of that kind begin
 * @fn: called; what it returns other than 0 ends the walk
 * @arg: handed to it
 *
 * Return: what @fn returned last; EXIT_DEVICE without device-mapper.
 */
int dm_each(const char *uuid_prefix, int (*fn)(const struct dm_dev *dev, void *arg), void *arg)
{
	struct dm_task *task = task_new(DM_DEVICE_LIST, NULL);
	struct dm_names *names;
	struct dm_dev dev;
	int ret = 0;
	u32 next;

	if (!dm_task_run(task)) {
		ret = task_failed("list", "devices", dm_task_get_errno(task));
		goto out;
	}
	names = dm_task_get_names(task);
	if (!names || !names->dev)
		goto out;
	do {
		next = names->next;
		if (dm_find(names->name, &dev) &&
		    !strncmp(dev.uuid, uuid_prefix, strlen(uuid_prefix)))
			ret = fn(&dev, arg);
		names = (void *)((char *)names + next);
	} while (next && !ret);
out:
	dm_task_destroy(task);
	return ret;
}

/**
 * dm_has_target - whether the kernel knows a type of target
 * @target: the type
 *
 * Return: whether its module is loaded.
 */
bool dm_has_target(const char *target)
{
	struct dm_task *task = task_new(DM_DEVICE_LIST_VERSIONS, NULL);
	struct dm_versions *versions;
	bool found = false;
	u32 next;

	if (!dm_task_run(task))
		goto out;
	versions = dm_task_get_versions(task);
	do {
		next = versions->next;
		found = !strcmp(versions->name, target);
		versions = (void *)((char *)versions + next);
	} while (next && !found);
out:
	dm_task_destroy(task);
	return found;
}

/*---------------------------------------------------------------------------*/
/* making and removing */

/**
 * dm_make - make a device with one target
 * @make: what it is
 * @dev: gets what was made; may be NULL
 *
 * Return: 0, EXIT_BUSY or EXIT_DEVICE; nothing is left behind on an error.
 */
int dm_make(const struct dm_make *make, struct dm_dev *dev)
{
	struct dm_task *task = task_new(DM_DEVICE_CREATE, make->name);
	struct kmsg kmsg;
	int error;

	kmsg_mark(&kmsg);
	if (!dm_task_set_uuid(task, make->uuid) ||
	    !dm_task_add_target(task, 0, make->size_sect, make->target, make->params))
		said_alloc(NULL);
	error = task_run_synced(task, HIDDEN);
	dm_task_destroy(task);
	kmsg_tell(&kmsg, error ? "device-mapper" : NULL);
	if (error)
		return task_failed("make", make->name, -error);
	if (dev && !dm_find(make->name, dev))
		return say_error(EXIT_DEVICE, "make %s: it has vanished", make->name);
	return 0;
}

/**
 * dm_reload - give a device another table
 * @make: what it is from now on; the uuid stays
 *
 * The device goes on with what it holds: nothing is flushed, nothing waited for.
 *
 * Return: 0, EXIT_BUSY or EXIT_DEVICE; on an error the device has the table that it had.
 */
int dm_reload(const struct dm_make *make)
{
	struct dm_task *task = task_new(DM_DEVICE_RELOAD, make->name);
	struct kmsg kmsg;
	int error = 0;

	kmsg_mark(&kmsg);
	if (!dm_task_add_target(task, 0, make->size_sect, make->target, make->params))
		said_alloc(NULL);
	if (!dm_task_run(task))
		error = dm_task_get_errno(task) ? dm_task_get_errno(task) : EIO;
	dm_task_destroy(task);
	kmsg_tell(&kmsg, error ? "device-mapper" : NULL);
	if (error)
		return task_failed("reload", make->name, error);
	task = task_new(DM_DEVICE_RESUME, make->name);
	dm_task_no_flush(task);
	dm_task_skip_lockfs(task);
	error = -task_run_synced(task, HIDDEN);
	dm_task_destroy(task);
	if (!error)
		return 0;
	task_failed("resume", make->name, error);
	task = task_new(DM_DEVICE_CLEAR, make->name);
	dm_task_run(task);
	dm_task_destroy(task);
	return EXIT_DEVICE;
}

/**
 * dm_remove - remove a device
 * @name: the device
 *
 * Return: 0, EXIT_BUSY or EXIT_DEVICE.
 */
int dm_remove(const char *name)
{
	struct dm_task *task = task_new(DM_DEVICE_REMOVE, name);
	int error;

	/* udev may have it open just now */
	dm_task_retry_remove(task);
	error = task_run_synced(task, 0);
	dm_task_destroy(task);
	/* somebody else was quicker: at shutdown there is more than one who removes */
	if (error == -ENXIO)
		error = 0;
	return error ? task_failed("remove", name, -error) : 0;
}

/*---------------------------------------------------------------------------*/
/* speaking to a target */

static int params_get(int type, const char *name, const char *target, char line[DM_PARAMS_BYTES])
{
	struct dm_task *task = task_new(type, name);
	char *found_target, *params;
	int ret = EXIT_NO_GROUP;
	uint64_t start, size;

	if (type == DM_DEVICE_STATUS)
		dm_task_no_flush(task);
	if (!dm_task_run(task))
		goto out;
	dm_get_next_target(task, NULL, &start, &size, &found_target, &params);
	if (!found_target || strcmp(found_target, target))
		goto out;
	snprintf(line, DM_PARAMS_BYTES, "%s", params);
	ret = 0;
out:
	dm_task_destroy(task);
	return ret;
}

/**
 * dm_status - status line of a target
 * @name: the device
 * @target: the type it must be of
 * @line: gets the line
 *
 * Return: 0 or EXIT_NO_GROUP.
 */
int dm_status(const char *name, const char *target, char line[DM_PARAMS_BYTES])
{
	return params_get(DM_DEVICE_STATUS, name, target, line);
}

/**
 * dm_table - table line of a target
 * @name: the device
 * @target: the type it must be of
 * @line: gets the line
 *
 * Return: 0 or EXIT_NO_GROUP.
 */
int dm_table(const char *name, const char *target, char line[DM_PARAMS_BYTES])
{
	return params_get(DM_DEVICE_TABLE, name, target, line);
}

/**
 * dm_message - send a message to a target
 * @name: the device
 * @text: verb and arguments
 * @secret: wipe it from the buffers it goes through
 * @answer: gets the answer, "" if there was none; may be NULL
 *
 * Return: 0 or -errno.
 */
int dm_message(const char *name, const char *text, bool secret, char answer[DM_PARAMS_BYTES])
{
	struct dm_task *task = task_new(DM_DEVICE_TARGET_MSG, name);
	const char *response = NULL;
	int error = 0;

	if (secret)
		dm_task_secure_data(task);
	if (!dm_task_set_sector(task, 0) || !dm_task_set_message(task, text))
		said_alloc(NULL);
	if (!dm_task_run(task))
		error = dm_task_get_errno(task) ? dm_task_get_errno(task) : EIO;
	else
		response = dm_task_get_message_response(task);
	if (answer)
		snprintf(answer, DM_PARAMS_BYTES, "%s", response ? response : "");
	dm_task_destroy(task);
	return -error;
}

/*---------------------------------------------------------------------------*/
/* events */

/**
 * dm_events_open - listen to events of all devices
 *
 * Return: a descriptor for the other two, -1 if there is none.
 */
int dm_events_open(void)
{
	return open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
}

/**
 * dm_events_arm - from now on an event ends dm_events_wait()
 * @fd: from dm_events_open()
 */
void dm_events_arm(int fd)
{
	struct dm_ioctl arm = {
		.version = { DM_VERSION_MAJOR, 0, 0 },
		.data_size = sizeof(arm),
	};

	/* libdevmapper has it, but on a descriptor of its own that nobody can poll */
	if (fd >= 0)
		ioctl(fd, DM_DEV_ARM_POLL, &arm);
}

/**
 * dm_events_wait - wait for an event since the last dm_events_arm()
 * @fd: from dm_events_open(), -1 to just sleep
 * @most_ms: at most so long
 */
void dm_events_wait(int fd, u32 most_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	poll(&poll_fd, 1, most_ms);
}
