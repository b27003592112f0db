/* SPDX-License-Identifier: GPL-2.0-only */
/* A group as it runs on this node: what the verbs share. */
#ifndef LVRCTL_GROUP_H
#define LVRCTL_GROUP_H

#include "conf.h"
#include "dm.h"
#include "progress.h"
#include "status.h"

/* names and uuids of the devices: <group>, <group>-<volume>; LVR-<log id>, LVR-<log id>-<volume id> */
void group_uuid(u64 log_id, char to[DM_UUID_BYTES]);
void group_volume_uuid(u64 log_id, u32 volume, char to[DM_UUID_BYTES]);
void group_volume_name(const char *group, const char *volume, char to[DM_NAME_BYTES]);

/* one command at a time changes a group; held until the process ends. 0 or EXIT_BUSY */
int group_lock(const char *group);

bool group_started(const char *group, struct dm_dev *dev);
/* EXIT_NO_GROUP or, where it is only configured, EXIT_STATE */
int group_need_started(const char *group, struct dm_dev *dev);
/* both: the group runs, and no other command changes it */
int group_lock_started(const char *group, struct dm_dev *dev);
/* all groups that run */
int group_each(int (*fn)(const struct dm_dev *dev, void *arg), void *arg);
/* the volumes of a group that are there */
int group_each_volume(const struct dm_dev *group, int (*fn)(const struct dm_dev *dev, void *arg), void *arg);

/* EXIT_STATE: it is not there (any more) */
int group_status(const char *group, struct status *st);
/* the options in force */
int group_options(const char *group, struct lvr_options *options);
/* a refusal is told with the kernel's reason: EXIT_STATE, EXIT_BUSY or EXIT_DEVICE */
int group_message(const char *group, const char *text);
/* as group_message(), but a refusal gives -errno and its reason, nothing said */
int group_ask(const char *group, const char *text, char reason[DM_PARAMS_BYTES]);
/* hand the key of the configuration to the kernel, if there is one */
int group_send_key(const struct conf *conf);

/* EXIT_BUSY, naming them and their users, while volumes are open */
int group_check_closed(const struct dm_dev *group);
/* group_message() for what the kernel refuses while volumes are open; group_check_closed() first */
int group_message_closed(const struct dm_dev *group, const char *text);
/* origin=... of a volume's status: ok, failing, lost-writes; "" if it does not tell */
#define GROUP_ORIGIN_BYTES 32

char *group_volume_origin(const struct dm_dev *volume, char to[GROUP_ORIGIN_BYTES]);
/* let udev look at the volumes, and wait until it has: they have begun or ended to serve I/O */
int group_refresh_volumes(const struct dm_dev *group);

/*
 * Read the status until done() says something other than WAIT_ON; shows the
 * progress meanwhile. What done() said, EXIT_TIMEOUT with the state told, or
 * EXIT_STATE if the group was stopped. WAIT_FOREVER: no limit.
 */
#define WAIT_ON (-1)
#define WAIT_FOREVER (~0ull)

int group_wait(const char *group, u64 timeout_ms,
	       int (*done)(const struct status *st, void *arg), void *arg, struct status *last);

#endif
