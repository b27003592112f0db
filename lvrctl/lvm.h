/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * LVM. The only way to it in lvrctl: the command `lvm`, read as JSON. It is
 * slow to start, so each function works on many LVs with one call.
 */
#ifndef LVRCTL_LVM_H
#define LVRCTL_LVM_H

#include <lvr/limits.h>
#include "core/port.h"

#define LVM_TAG_GROUP "lvr.group="
#define LVM_TAG_ROLE "lvr.role="
#define LVM_TAG_BEFORE "lvr.before="

/*
 * What keeps an LV from being activated. While it is part of a group it has both,
 * and the tag lvr.before names those that it had before, so that it can be given
 * back as it was.
 */
#define LVM_GUARD_NO_AUTO 1u	/* no autoactivation */
#define LVM_GUARD_SKIP 2u	/* activation skip */

struct lvm_lv {
	const char *path;	/* /dev/vg/lv or /dev/mapper/vg-lv; need not exist */
	char dm_uuid[132];	/* of its device, also while inactive; "": looked up by path */
	char name[260];		/* vg/lv */
	char group[32];		/* of the tag lvr.group, "" none */
	u32 guards;		/* it has now */
	u32 guards_before;	/* it had before it became part of that group */
	bool active;
};

/* all that a node has: the log, and an origin a volume */
typedef struct lvm_lv *lvm_list[1 + LVR_MAX_VOLUMES];

/* fill in LVs of which path, and dm_uuid if it is known, are set; EXIT_DEVICE if one is none */
int lvm_find(struct lvm_lv *const lv[], u32 count);
/* on an error some may have been changed, others not */
int lvm_activate(struct lvm_lv *const lv[], u32 count);
int lvm_deactivate(struct lvm_lv *const lv[], u32 count);
/* tag them, and keep them from being activated by anything but lvrctl */
int lvm_claim(struct lvm_lv *const lv[], u32 count, const char *group, const char *role);
/* undo lvm_claim(), be it of another process */
int lvm_release(struct lvm_lv *const lv[], u32 count, const char *group);

#endif
