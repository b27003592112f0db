// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device-mapper for tests, in place of lvrctl/dm.c: devices are files below
 * ./fake, and the test plays the kernel.
 *
 *   dev/<name>		uuid, target, size, number, open count, params: a line each
 *   status/<name>	the status line
 *   after/<message>	becomes status/<name> when that message comes (blanks are _)
 *   refuse/<message>	an errno: the message is refused; reason: its reason
 *   fail/<what>_<name>	an errno: make, reload or remove fails
 *   hold/<name>		remove waits until it is gone, as the kernel while it drains
 *   numbers/<minor>	uuid of a device below, made by the fake lvm
 *   log		what was done, a line each
 *
 * Also in place of the kernel's block devices: files with the sticky bit, with
 * blocks of block-bytes and physical-block-bytes, or 512. With fail/fsync none of them takes what is written, with fail/blkid libblkid cannot
 * tell what is on them.
 */
#include <blkid/blkid.h>
#include <dirent.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "dm.h"
#include "exit.h"
#include "say.h"

#define TOP_MAJOR 241
#define BELOW_MAJOR 240

int __real_stat(const char *path, struct stat *st);
int __real_ioctl(int fd, unsigned long request, ...);
int __real_fsync(int fd);
int __real_blkid_do_probe(blkid_probe probe);

int __wrap_stat(const char *path, struct stat *st)
{
	int ret = __real_stat(path, st);

	if (!ret && S_ISREG(st->st_mode) && st->st_mode & S_ISVTX) {
		st->st_mode = S_IFBLK | 0600;
		st->st_rdev = makedev(BELOW_MAJOR, st->st_ino & 0xfffff);
	}
	return ret;
}

static int block_bytes(const char *path)
{
	FILE *file = fopen(path, "r");
	int bytes = 512;

	if (file && fscanf(file, "%d", &bytes) != 1)
		abort();
	if (file)
		fclose(file);
	return bytes;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct stat st;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fstat(fd, &st) || !(st.st_mode & S_ISVTX))
		return __real_ioctl(fd, request, arg);
	if (request == BLKGETSIZE64)
		*(u64 *)arg = st.st_size;
	else if (request == BLKSSZGET)
		*(int *)arg = block_bytes("fake/block-bytes");
	else if (request == BLKPBSZGET)
		*(int *)arg = block_bytes("fake/physical-block-bytes");
	else if (request == BLKROGET)
		*(int *)arg = !access("fake/read-only", F_OK);
	else
		return -1;
	return 0;
}

int __wrap_fsync(int fd)
{
	if (access("fake/fail/fsync", F_OK))
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

int __wrap_blkid_do_probe(blkid_probe probe)
{
	return access("fake/fail/blkid", F_OK) ? __real_blkid_do_probe(probe) : -1;
}

/*---------------------------------------------------------------------------*/

PRINTF(1, 2)
static void note(const char *fmt, ...)
{
	FILE *file = said_alloc(fopen("fake/log", "a"));
	va_list args;

	va_start(args, fmt);
	vfprintf(file, fmt, args);
	va_end(args);
	fclose(file);
}

static bool file_read(const char *dir, const char *name, char *to, int bytes)
{
	char path[512];
	FILE *file;
	size_t got;

	snprintf(path, sizeof(path), "fake/%s/%s", dir, name);
	file = fopen(path, "r");
	if (!file)
		return false;
	got = fread(to, 1, bytes - 1, file);
	to[got] = 0;
	if (got && to[got - 1] == '\n')
		to[got - 1] = 0;
	fclose(file);
	return true;
}

static int failure(const char *dir, const char *what, const char *name)
{
	char key[256], text[32];

	snprintf(key, sizeof(key), "%s%s%s", what, name[0] ? "_" : "", name);
	return file_read(dir, key, text, sizeof(text)) ? atoi(text) : 0;
}

static bool dev_read(const char *name, struct dm_dev *dev, char target[64], char params[1024])
{
	char text[2048];
	u64 size;

	if (!file_read("dev", name, text, sizeof(text)))
		return false;
	*dev = (struct dm_dev){ .major = TOP_MAJOR, .live = true };
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	return sscanf(text, "%131s %63s %llu %u %u %1023[^\n]", dev->uuid, target, &size, &dev->minor,
		      &dev->open_count, params) == 6;
}

bool dm_find(const char *name, struct dm_dev *dev)
{
	char target[64], params[1024];

	return dev_read(name, dev, target, params);
}

bool dm_find_number(u32 major, u32 minor, struct dm_dev *dev)
{
	char name[32];

	snprintf(name, sizeof(name), "%u", minor);
	return major == BELOW_MAJOR && file_read("numbers", name, dev->uuid, sizeof(dev->uuid));
}

int dm_each(const char *uuid_prefix, int (*fn)(const struct dm_dev *dev, void *arg), void *arg)
{
	struct dirent **entry;
	struct dm_dev dev;
	int count, i, ret = 0;

	count = scandir("fake/dev", &entry, NULL, alphasort);
	for (i = 0; i < count; i++) {
		if (!ret && dm_find(entry[i]->d_name, &dev) &&
		    !strncmp(dev.uuid, uuid_prefix, strlen(uuid_prefix)))
			ret = fn(&dev, arg);
		free(entry[i]);
	}
	if (count >= 0)
		free(entry);
	return ret;
}

bool dm_has_target(const char *target)
{
	(void)target;
	return !access("fake/module", F_OK);
}

static void dev_write(const struct dm_make *make, const char *uuid, u32 minor, int open_count)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "fake/dev/%s", make->name);
	file = said_alloc(fopen(path, "w"));
	fprintf(file, "%s\n%s\n%llu\n%u\n%d\n%s\n", uuid, make->target, make->size_sect, minor, open_count,
		make->params);
	fclose(file);
}

int dm_make(const struct dm_make *make, struct dm_dev *dev)
{
	static u32 minor;

	note("make %s %s %s %llu %s\n", make->name, make->uuid, make->target, make->size_sect,
	     make->params);
	if (failure("fail", "make", make->name))
		return say_error(EXIT_DEVICE, "make %s: fails", make->name);
	dev_write(make, make->uuid, minor++, 0);
	return dev && !dm_find(make->name, dev) ? EXIT_DEVICE : 0;
}

int dm_reload(const struct dm_make *make)
{
	char target[64], params[1024];
	struct dm_dev dev;

	note("reload %s %s %llu %s\n", make->name, make->target, make->size_sect, make->params);
	if (failure("fail", "reload", make->name))
		return say_error(EXIT_DEVICE, "reload %s: fails", make->name);
	if (!dev_read(make->name, &dev, target, params))
		return EXIT_DEVICE;
	dev_write(make, dev.uuid, dev.minor, dev.open_count);
	return 0;
}

int dm_remove(const char *name)
{
	char path[512];

	note("remove %s\n", name);
	if (failure("fail", "remove", name))
		return say_error(EXIT_BUSY, "remove %s: fails", name);
	snprintf(path, sizeof(path), "fake/hold/%s", name);
	while (!access(path, F_OK))
		usleep(10000);
	snprintf(path, sizeof(path), "fake/dev/%s", name);
	unlink(path);
	return 0;
}

int dm_status(const char *name, const char *target, char line[DM_PARAMS_BYTES])
{
	char found[64], params[1024];
	struct dm_dev dev;

	if (!dev_read(name, &dev, found, params) || strcmp(found, target) ||
	    !file_read("status", name, line, DM_PARAMS_BYTES))
		return EXIT_NO_GROUP;
	return 0;
}

int dm_table(const char *name, const char *target, char line[DM_PARAMS_BYTES])
{
	char found[64];
	struct dm_dev dev;

	return dev_read(name, &dev, found, line) && !strcmp(found, target) ? 0 : EXIT_NO_GROUP;
}

int dm_message(const char *name, const char *text, bool secret, char answer[DM_PARAMS_BYTES])
{
	char key[256], from[512], to[512], *at;
	int error;

	if (!strcmp(text, "reason"))
		return file_read(".", "reason", answer, DM_PARAMS_BYTES) ? 0 : -EINVAL;
	note("message %s %s%s\n", name, text, secret ? " secretly" : "");
	snprintf(key, sizeof(key), "%s", text);
	for (at = key; *at; at++)
		if (*at == ' ')
			*at = '_';
	error = failure("refuse", key, "");
	if (error)
		return -error;
	snprintf(from, sizeof(from), "fake/after/%s", key);
	snprintf(to, sizeof(to), "fake/status/%s", name);
	rename(from, to);
	if (answer)
		answer[0] = 0;
	return 0;
}

int dm_events_open(void)
{
	return -1;
}

void dm_events_arm(int fd)
{
	(void)fd;
}

void dm_events_wait(int fd, u32 most_ms)
{
	(void)fd;
	poll(NULL, 0, most_ms < 20 ? most_ms : 20);
}
