/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log device.
 *
 *   0        32 KiB    64 KiB
 *   +---------+---------+--------------------------+----------------------+
 *   | super 0 | super 1 | dirty-map areas          | ring                 |
 *   +---------+---------+--------------------------+----------------------+
 *
 * Superblock: two slots, written in turn (slot = generation of the
 * superblock modulo 2), the valid one with the higher `sb_seq` counts. All
 * metadata of a node is in it; a write of it is one FUA write of 32 KiB to
 * the slot that is not current, so a torn one leaves the one before.
 *
 * Map areas: one for each possible member and one stale map; place, size
 * and granularity stand in the superblock. They are reserved; a set
 * incompatible feature bit says that they are in use.
 *
 * Ring: chunks in node-local envelopes, each starting on a block of
 * `block_bytes`; an extent may wrap at the end of the ring (always on a
 * sector). off is the byte position since the log was made, never wraps;
 * its place is ring_start + off % ring_bytes.
 *
 *   | envelope 64 | chunk head | pad to 512 | payload | pad to block |
 */
#ifndef LVR_DISK_H
#define LVR_DISK_H

#include <linux/types.h>
#include "limits.h"

#define LVR_SUPER_MAGIC		0x31474f4c2d52564cull	/* "LVR-LOG1" */
#define LVR_ENVELOPE_MAGIC	0x31564e452d52564cull	/* "LVR-ENV1" */
#define LVR_FORMAT_VERSION	2

/*
 * In every version: magic, version and crc lie where they lie here, and the
 * crc covers LVR_SUPER_BYTES. So a slot of another version is told from a
 * damaged one.
 * feature bits: unknown incompat: refuse; unknown ro_compat: dump only
 */
#define LVR_FEATURE_COMPAT_KNOWN	0ull
#define LVR_FEATURE_RO_COMPAT_KNOWN	0ull
#define LVR_FEATURE_INCOMPAT_KNOWN	0ull

/* lvr_disk_super.flags */
#define LVR_SUPER_F_PRIMARY	0x0001	/* this node was activated as primary and not demoted */
#define LVR_SUPER_F_INCONSISTENT 0x0002	/* the volumes are no prefix of any history */
#define LVR_SUPER_F_CLEAN	0x0004	/* stopped, all that may be destaged is */
#define LVR_SUPER_F_BLANK	0x0008	/* made as target, has never taken part in a group */
#define LVR_SUPER_F_DISCARD	0x0010	/* operator: this copy may be overwritten by a full sync */
#define LVR_SUPER_F_SUPERSEDED	0x0020	/* ended as primary, another took over */
#define LVR_SUPER_F_KNOWN	0x003f

/* lvr_disk_member.flags */
#define LVR_MEMBER_F_USED	0x0001
#define LVR_MEMBER_F_SELF	0x0002
#define LVR_MEMBER_F_NEEDS_SYNC	0x0004	/* the log no longer has what it lacks */
#define LVR_MEMBER_F_SYNC_OPEN	0x0008	/* a full sync to it runs: sync_* are valid */
#define LVR_MEMBER_F_ALONE	0x0010	/* whichever of the two is primary acknowledges without the other */
#define LVR_MEMBER_F_KNOWN	0x001f

struct lvr_disk_pos {
	__le64 seq;
	__le64 off;
	__le64 chain;
	__le64 gen;
};

struct lvr_disk_member {
	char name[LVR_NAME_BYTES];
	__le32 flags;
	__le32 map_region_bytes;
	__le64 map_start_sect;
	__le64 map_bytes;
	__le64 acked_seq;	/* durable there */
	__le64 told_durable_seq;	/* as a primary it said so */
	__le64 told_head_seq;
	__le64 seen_time_ms;	/* wall clock when it was last heard */
	__le64 sync_id;
	__le64 sync_sect;	/* of sync_volume: below it all is durable there */
	__le64 sync_end_seq;	/* greatest position of a block sent */
	__le32 sync_volume;
	__le32 reserved0;
	__le64 reserved[2];
};

struct lvr_disk_volume {
	char name[LVR_NAME_BYTES];
	__le64 size_sect;
	__le32 id;
	__le32 block_bytes;
	__le32 flags;		/* 1: in use */
	__le32 reserved0;
	__le64 reserved[1];
};

#define LVR_VOLUME_F_USED	0x0001

struct lvr_disk_generation {
	__le64 gen;
	__le64 first_seq;
	__le64 fork_chain;	/* chain at first_seq, of the generation before */
	__le32 member;		/* who began it */
	__le32 reserved;
};

struct lvr_disk_super {
	__le64 magic;
	__le32 version;
	__le32 crc;		/* crc32c(~0) of the slot with crc = 0 */
	__le64 feature_compat;
	__le64 feature_ro_compat;
	__le64 feature_incompat;
	__le64 sb_seq;		/* of this superblock */
	__u8 group_uuid[LVR_UUID_BYTES];	/* zero: blank target */
	char group_name[LVR_NAME_BYTES];
	__le64 log_id;		/* of this device, random */
	__le64 incarnation;
	__le64 flags;
	__le32 self;		/* member id */
	__le32 block_bytes;
	__le64 device_sect;
	__le64 ring_start_sect;
	__le64 ring_bytes;
	struct lvr_disk_pos tail;
	__le64 tail_incarnation;	/* of the chunk at the tail, a lower bound */
	struct lvr_disk_pos checkpoint;
	__le64 durable_limit_seq;	/* destage limit when last known */
	__le64 sync_id;		/* the full sync this node is target of; 0 none */
	__le64 consistent_seq;	/* inconsistent: from this position on it is not; ~0 unknown */
	__le64 orphan_first_seq;	/* superseded: the tail written past the fork */
	__le64 orphan_end_seq;
	__le64 orphan_bytes;
	__le64 stale_map_start_sect;
	__le64 stale_map_bytes;
	__le32 stale_map_region_bytes;
	__le32 history_entries;
	__le32 volumes;
	__le32 counters;
	__le64 handover_seq;	/* while head is here, whatever the last record says, the log ... */
	__le64 handover_member;	/* ... is handed over to this member; ~0: to none */
	__le64 reserved[18];
	__le64 counter[LVR_MAX_COUNTERS];
	struct lvr_disk_member member[LVR_MAX_MEMBERS];
	struct lvr_disk_generation history[LVR_MAX_HISTORY];	/* oldest first */
	struct lvr_disk_volume volume[LVR_MAX_VOLUMES];
};

struct lvr_disk_envelope {
	__le64 magic;
	__le64 log_id;
	__le64 incarnation;
	__le64 off;
	__le32 extent_bytes;	/* envelope to end of padding; multiple of block_bytes */
	__le32 payload_at_bytes;	/* from the start of the envelope; multiple of 512 */
	__le32 crc;		/* crc32c(~0) of the envelope with crc = 0 */
	__le32 reserved0;
	__le64 reserved[2];
};

#endif
