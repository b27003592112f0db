/* SPDX-License-Identifier: GPL-2.0-only */
/* Block devices: what they are, who uses them, what is on them. */
#ifndef LVRCTL_DEV_H
#define LVRCTL_DEV_H

#include "core/port.h"

#define DEV_USERS_BYTES 512
/*
 * udev and its like open a device for a moment after each change; the last
 * request of a process that was ended lets go of it after that process is gone
 */
#ifndef BUSY_WAIT_MS
#define BUSY_WAIT_MS 3000
#endif
#define BUSY_STEP_US 100000

struct dev {
	char path[256];
	u32 major, minor;
	int fd;			/* -1: not open */
	u64 bytes;		/* this and the next: once it is open */
	u32 block_bytes;	/* logical block size */
	u32 physical_block_bytes;
};

/* path must name a block device that is there; does not open it */
int dev_find(const char *path, struct dev *dev);
/*
 * Open exclusively: refused with EXIT_BUSY, naming the user, while anything
 * mounts, stacks on or has it open; waits a moment for those that only look.
 * Refused with EXIT_DEVICE if it is read-only, also where nothing is written now.
 */
int dev_open(struct dev *dev, bool write);
void dev_close(struct dev *dev);
/* whoever uses major:minor, in words; false: nobody is known to */
bool dev_users(u32 major, u32 minor, char to[DEV_USERS_BYTES]);
/* open dev: the first known thing on it ("ext4"), or false */
bool dev_signature(const struct dev *dev, char *to, u32 bytes);
/* open dev: remove all that dev_signature() knows */
int dev_wipe_signatures(const struct dev *dev);

#endif
