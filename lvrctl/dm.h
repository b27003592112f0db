/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device-mapper. The only way to it in lvrctl; tests put another dm.c in its
 * place. udev is waited for where it runs.
 */
#ifndef LVRCTL_DM_H
#define LVRCTL_DM_H

#include "core/port.h"

#define DM_NAME_BYTES 128
#define DM_UUID_BYTES 132
#define DM_PARAMS_BYTES 4096

struct dm_dev {
	char name[DM_NAME_BYTES];
	char uuid[DM_UUID_BYTES];
	u32 major, minor;
	u32 open_count;
	bool suspended;
	bool live;		/* has a live table */
};

struct dm_make {
	const char *name;
	const char *uuid;
	const char *target;
	const char *params;
	u64 size_sect;
};

/* false: no such device, or no device-mapper */
bool dm_find(const char *name, struct dm_dev *dev);
bool dm_find_number(u32 major, u32 minor, struct dm_dev *dev);
/* all devices whose uuid begins so; fn's first nonzero return ends it and is returned */
int dm_each(const char *uuid_prefix, int (*fn)(const struct dm_dev *dev, void *arg), void *arg);
bool dm_has_target(const char *target);

/* with table, live; hidden from the rules that look at what is on it. *dev may be NULL */
int dm_make(const struct dm_make *make, struct dm_dev *dev);
/* another table for a device that is there */
int dm_reload(const struct dm_make *make);
/* EXIT_BUSY: somebody has it open */
int dm_remove(const char *name);
/*
 * The line of the only target behind name, without start, length and type.
 * EXIT_NO_GROUP, nothing said: there is none, or it is of another type.
 */
int dm_status(const char *name, const char *target, char line[DM_PARAMS_BYTES]);
int dm_table(const char *name, const char *target, char line[DM_PARAMS_BYTES]);
/* 0 or -errno, nothing said; answer may be NULL. secret: wiped from all buffers */
int dm_message(const char *name, const char *text, bool secret, char answer[DM_PARAMS_BYTES]);

/*
 * Events of all devices: arm, then read what is of interest, then wait; what
 * happens between arming and waiting ends the wait at once.
 */
int dm_events_open(void);		/* fd, or -1: nothing said */
void dm_events_arm(int fd);
void dm_events_wait(int fd, u32 most_ms);	/* fd -1: sleeps */

#endif
