/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a group lies on: origins and log, each an LV or any other block device.
 * Whoever is a backing device is marked below BACKING_DIR, by the uuid of its
 * dm device or else by its number; the udev rules keep the contents of marked devices out
 * of sight, so that nothing mounts or scans what replication writes behind its back.
 */
#ifndef LVRCTL_BACKING_H
#define LVRCTL_BACKING_H

#include "conf.h"
#include "dev.h"
#include "lvm.h"

#ifndef RUN_DIR
#define RUN_DIR "/run/lvr"
#endif

struct backing {
	char path[CONF_PATH_BYTES];
	const char *role;	/* "data" or "log" */
	bool is_lv;
	bool activated;		/* by backing_up() */
	bool hidden;		/* by backing_up() */
	bool claimed;		/* by backings_claim() */
	struct lvm_lv lv;	/* if it is one; of other dm devices only dm_uuid is set */
	struct dev dev;		/* once it is up */
};

/* all of a node; [0] is the log, [1 + i] the origin of conf->volume[i] */
struct backings {
	u32 count;
	const char *group;	/* of backings_claim() */
	struct backing item[1 + LVR_MAX_VOLUMES];
};

/* find out what each is; activates and changes nothing */
int backings_find(const struct conf *conf, struct backings *all);
/* mark each, none of which may be in use, then activate it where it is an inactive LV; undone on an error */
int backings_up(struct backings *all);
/* undo what backings_up() and backings_claim() did */
void backings_undo(struct backings *all);
/* tag the LVs as part of a group, keep all else from activating them; and the way back */
int backings_claim(struct backings *all, const char *group);
int backings_release(struct backings *all, const char *group);
/* deactivate the LVs of a group; the marks stay: until destroy they are backing devices */
int backings_down(struct backings *all, const char *group);
/* take the marks away */
void backings_unhide(struct backings *all);

#endif
