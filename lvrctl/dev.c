// SPDX-License-Identifier: GPL-2.0-only
/* Block devices: what they are, who uses them, what is on them. */
#include <blkid/blkid.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "dev.h"
#include "exit.h"
#include "human.h"
#include "say.h"

/**
 * dev_find - identify a block device
 * @path: its node or a link to it
 * @dev: filled in, not open
 *
 * Return: 0 or EXIT_DEVICE.
 */
int dev_find(const char *path, struct dev *dev)
{
	struct stat st;

	*dev = (struct dev){ .fd = -1 };
	snprintf(dev->path, sizeof(dev->path), "%s", path);
	if (stat(path, &st))
		return say_error(EXIT_DEVICE, "%s: %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return say_error(EXIT_DEVICE, "%s: not a block device", path);
	dev->major = major(st.st_rdev);
	dev->minor = minor(st.st_rdev);
	return 0;
}

/*---------------------------------------------------------------------------*/
/* users */

PRINTF(2, 3)
static void users_add(char to[DEV_USERS_BYTES], const char *fmt, ...)
{
	size_t at = strlen(to);
	va_list args;

	if (at && at + 2 < DEV_USERS_BYTES)
		at += sprintf(to + at, ", ");
	va_start(args, fmt);
	vsnprintf(to + at, DEV_USERS_BYTES - at, fmt, args);
	va_end(args);
}

static bool line_read(const char *path, char *to, int bytes)
{
	FILE *file = fopen(path, "re");
	bool ok;

	if (!file)
		return false;
	ok = fgets(to, bytes, file);
	fclose(file);
	to[ok ? strcspn(to, "\n") : 0] = 0;
	return ok;
}

/* devices stacked on it, by their dm name where they have one */
static void users_stacked(u32 major, u32 minor, char to[DEV_USERS_BYTES])
{
	char path[320], name[128];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major, minor);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/block/%.250s/dm/name", entry->d_name);
		if (!line_read(path, name, sizeof(name)))
			snprintf(name, sizeof(name), "%.100s", entry->d_name);
		users_add(to, "in use by device %s", name);
	}
	if (dir)
		closedir(dir);
}

static void users_mounted(u32 major, u32 minor, char to[DEV_USERS_BYTES])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], where[256];
	u32 a, b;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*u %*u %u:%u %*s %255s", &a, &b, where) == 3 &&
		    a == major && b == minor)
			users_add(to, "mounted on %s", where);
	if (file)
		fclose(file);
}

/* whether a process has it open; its name */
static bool process_uses(const char *pid, dev_t rdev, char *name, int bytes)
{
	char path[320];
	struct dirent *entry;
	bool found = false;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, entry->d_name);
		found = entry->d_name[0] != '.' && !stat(path, &st) && S_ISBLK(st.st_mode) &&
			st.st_rdev == rdev;
	}
	if (dir)
		closedir(dir);
	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	if (found && !line_read(path, name, bytes))
		snprintf(name, bytes, "?");
	return found;
}

static void users_processes(u32 major, u32 minor, char to[DEV_USERS_BYTES])
{
	struct dirent *entry;
	char name[64];
	DIR *dir;

	dir = opendir("/proc");
	while (dir && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid() &&
		    process_uses(entry->d_name, makedev(major, minor), name, sizeof(name)))
			users_add(to, "open in process %s (%s)", entry->d_name, name);
	if (dir)
		closedir(dir);
}

/**
 * dev_users - who uses a device
 * @major: of its number
 * @minor: of its number
 * @to: gets all that is known, in words
 *
 * Return: whether anybody is known to.
 */
bool dev_users(u32 major, u32 minor, char to[DEV_USERS_BYTES])
{
	to[0] = 0;
	users_stacked(major, minor, to);
	users_mounted(major, minor, to);
	users_processes(major, minor, to);
	return to[0];
}

/*---------------------------------------------------------------------------*/

static int geometry_read(struct dev *dev)
{
	unsigned int physical_block_bytes;
	int block_bytes, read_only;

	if (ioctl(dev->fd, BLKGETSIZE64, &dev->bytes) || ioctl(dev->fd, BLKSSZGET, &block_bytes) ||
	    ioctl(dev->fd, BLKPBSZGET, &physical_block_bytes) || ioctl(dev->fd, BLKROGET, &read_only))
		return say_error(EXIT_DEVICE, "%s: its size cannot be read: %s", dev->path,
				 strerror(errno));
	/* the kernel would let it be opened for writing, and only the writes fail */
	if (read_only)
		return say_error(EXIT_DEVICE, "%s: is read-only", dev->path);
	dev->block_bytes = block_bytes;
	dev->physical_block_bytes = physical_block_bytes;
	return 0;
}

/* one try: 0, EXIT_BUSY with `users` set and nothing said, or EXIT_DEVICE */
static int open_once(struct dev *dev, bool write, char users[DEV_USERS_BYTES])
{
	dev->fd = open(dev->path, (write ? O_RDWR : O_RDONLY) | O_EXCL | O_CLOEXEC);
	if (dev->fd < 0 && errno != EBUSY)
		return say_error(EXIT_DEVICE, "%s: %s", dev->path, strerror(errno));
	if (!dev_users(dev->major, dev->minor, users) && dev->fd >= 0)
		return 0;
	if (!users[0])
		strcpy(users, "in use");
	dev_close(dev);
	return EXIT_BUSY;
}

/**
 * dev_open - open a device that nobody else uses
 * @dev: from dev_find(); gets fd and geometry
 * @write: for writing too
 *
 * Return: 0, EXIT_BUSY or EXIT_DEVICE.
 */
int dev_open(struct dev *dev, bool write)
{
	char users[DEV_USERS_BYTES];
	u64 until = now_ms() + BUSY_WAIT_MS;
	int ret;

	while ((ret = open_once(dev, write, users)) == EXIT_BUSY && now_ms() < until)
		usleep(BUSY_STEP_US);
	if (ret == EXIT_BUSY)
		return say_error(ret, "%s: %s", dev->path, users);
	if (!ret)
		ret = geometry_read(dev);
	if (ret)
		dev_close(dev);
	return ret;
}

/**
 * dev_close - close a device
 * @dev: open or not
 */
void dev_close(struct dev *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

/*---------------------------------------------------------------------------*/
/* contents */

/* what blkid_do_probe() returns; all else is an error */
#define PROBE_FOUND 0
#define PROBE_NOTHING 1

static blkid_probe probe_begin(const struct dev *dev)
{
	blkid_probe probe = said_alloc(blkid_new_probe());

	if (blkid_probe_set_device(probe, dev->fd, 0, 0)) {
		blkid_free_probe(probe);
		return NULL;
	}
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC |
					  BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(probe, 1);
	blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC);
	return probe;
}

static const char *probe_name(blkid_probe probe)
{
	const char *name;

	if (!blkid_probe_lookup_value(probe, "TYPE", &name, NULL) ||
	    !blkid_probe_lookup_value(probe, "PTTYPE", &name, NULL))
		return name;
	return "an unknown signature";
}

/**
 * dev_signature - what is on a device
 * @dev: open
 * @to: gets its name
 * @bytes: size of @to
 *
 * Return: whether there is anything on it; what cannot be looked at may carry anything.
 */
bool dev_signature(const struct dev *dev, char *to, u32 bytes)
{
	blkid_probe probe = probe_begin(dev);
	int ret = probe ? blkid_do_probe(probe) : -1;

	if (ret == PROBE_FOUND)
		snprintf(to, bytes, "%s", probe_name(probe));
	else if (ret != PROBE_NOTHING)
		snprintf(to, bytes, "something that cannot be looked at");
	if (probe)
		blkid_free_probe(probe);
	return ret != PROBE_NOTHING;
}

/**
 * dev_wipe_signatures - remove all known signatures
 * @dev: open for writing
 *
 * Return: 0 or EXIT_DEVICE.
 */
int dev_wipe_signatures(const struct dev *dev)
{
	blkid_probe probe = probe_begin(dev);
	int ret = probe ? PROBE_FOUND : -1;

	while (ret == PROBE_FOUND) {
		ret = blkid_do_probe(probe);
		if (ret == PROBE_FOUND && blkid_do_wipe(probe, 0))
			ret = -1;
	}
	if (probe)
		blkid_free_probe(probe);
	return ret == PROBE_NOTHING ? 0 : say_error(EXIT_DEVICE, "%s: the signatures on it cannot be removed", dev->path);
}
