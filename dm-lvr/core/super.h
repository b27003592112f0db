/* SPDX-License-Identifier: GPL-2.0-only */
/* The superblock in host form, its codec, its rules, its making, and the history in it. */
#ifndef LVR_CORE_SUPER_H
#define LVR_CORE_SUPER_H

#include "port.h"
#include "../../include/lvr/disk.h"
#include "../../include/lvr/names.h"

struct lvr_pos {
	u64 seq;
	u64 off;
	u64 chain;		/* before the record at seq */
	u64 gen;		/* of the record at seq - 1; 0: none yet */
};

struct lvr_member {
	char name[LVR_NAME_BYTES];
	u32 flags;
	u32 map_region_bytes;
	u64 map_start_sect;
	u64 map_bytes;
	u64 acked_seq;
	u64 told_durable_seq;
	u64 told_head_seq;
	u64 seen_time_ms;
	u64 sync_id;
	u64 sync_sect;
	u64 sync_end_seq;
	u32 sync_volume;
};

struct lvr_volume_entry {
	char name[LVR_NAME_BYTES];
	u64 size_sect;
	u32 id;
	u32 block_bytes;
	u32 flags;
};

struct lvr_generation {
	u64 gen;
	u64 first_seq;
	u64 fork_chain;
	u32 member;
};

struct lvr_super {
	u64 feature_compat;
	u64 feature_ro_compat;
	u64 feature_incompat;
	u64 sb_seq;
	u8 group_uuid[LVR_UUID_BYTES];
	char group_name[LVR_NAME_BYTES];
	u64 log_id;
	u64 incarnation;
	u64 flags;
	u32 self;
	u32 block_bytes;
	u64 device_sect;
	u64 ring_start_sect;
	u64 ring_bytes;
	struct lvr_pos tail;
	u64 tail_incarnation;
	struct lvr_pos checkpoint;
	u64 durable_limit_seq;
	u64 sync_id;
	u64 consistent_seq;
	u64 orphan_first_seq;
	u64 orphan_end_seq;
	u64 orphan_bytes;
	u64 handover_seq;
	u64 handover_member;
	u64 stale_map_start_sect;
	u64 stale_map_bytes;
	u32 stale_map_region_bytes;
	u32 history_entries;
	u32 volumes;		/* entries used, from 0; ids are unique, < LVR_MAX_VOLUMES, any order */
	u64 counter[LVR_MAX_COUNTERS];
	struct lvr_member member[LVR_MAX_MEMBERS];
	struct lvr_generation history[LVR_MAX_HISTORY];
	struct lvr_volume_entry volume[LVR_MAX_VOLUMES];
};

/* ------------------------------------------------------------------ super.c */

/* `to` is LVR_SUPER_BYTES long */
void lvr_super_encode(void *to, const struct lvr_super *sb);

/*
 * Check order: magic, crc, version, incompatible features, every bound and
 * cross reference (positions, areas inside the device, ids, names terminated,
 * history ordered, reserved zero). -ENODATA: no superblock here at all
 * (magic); -EPROTONOSUPPORT: whole, but of a version or with features that
 * are not known here; -EINVAL: damaged. Unknown feature_ro_compat bits are
 * accepted: who does more than show the log refuses them. With a reason; *sb
 * is undefined then. Both are aligned to 8.
 */
int lvr_super_decode(struct lvr_super *sb, const void *from, u64 device_sect, struct lvr_err *err);

/*
 * Choose between the two decoded slots: index of the valid one with the
 * higher sb_seq, or -errno: -ENODATA neither has the magic, -EINVAL no valid
 * one, or two that cannot be of the same log, -EPROTONOSUPPORT one is of a
 * newer LVR, whatever the other is (it would be older: never fall back to it).
 */
int lvr_super_choose(const struct lvr_super *a, int a_ret, const struct lvr_super *b, int b_ret);

/* sector of the slot the next superblock, with sb_seq, goes to */
u64 lvr_super_slot_sect(u64 sb_seq);

const struct lvr_volume_entry *lvr_super_volume(const struct lvr_super *sb, u32 id);	/* NULL: none */

/* lvr_chunk_head.group_id of a uuid: its first 8 bytes as a little endian number */
u64 lvr_group_id(const u8 uuid[LVR_UUID_BYTES]);

/* ------------------------------------------------------------ super-check.c */

bool lvr_name_ok(const char *name, u32 bytes);	/* [A-Za-z0-9_.+-]+, no leading '-' or '.', terminated */
bool lvr_name_field_ok(const char field[LVR_NAME_BYTES]);	/* the same, and zeroes behind it */

/* what lvr_super_decode() and lvr_super_make() believe; nobody else needs them. -EINVAL with a reason */
int lvr_super_check(const struct lvr_super *sb, u64 device_sect, struct lvr_err *err);
int lvr_super_check_volumes(const struct lvr_volume_entry *volume, u32 volumes,
			    struct lvr_err *err);

/* ------------------------------------------------------------- super-make.c */

/* parameters of a new log */
struct lvr_super_make {
	const char *group_name;
	const u8 *group_uuid;	/* zero for a blank target */
	u64 log_id;		/* random, not 0 */
	bool target;		/* content to be overwritten: BLANK and INCONSISTENT */
	u32 self;
	u32 block_bytes;
	u64 device_sect;
	u32 members;
	const struct lvr_volume_entry *volume;
	u32 volumes;
	/* members[]: ids and names */
	u32 member_id[LVR_MAX_MEMBERS];
	const char *member_name[LVR_MAX_MEMBERS];
};

/*
 * -EINVAL with a reason: device too small, bad names, duplicate ids. The
 * result has sb_seq 1. Its writer clears both slots before it writes this:
 * an older log on the device may have left a slot with a higher sb_seq.
 */
int lvr_super_make(struct lvr_super *sb, const struct lvr_super_make *make, struct lvr_err *err);

/* ---------------------------------------------------------- super-history.c */

/* the newest generation, or NULL */
const struct lvr_generation *lvr_super_generation(const struct lvr_super *sb);
const struct lvr_generation *lvr_super_find_generation(const struct lvr_super *sb, u64 gen);
/* append; -ENOSPC when full (caller prunes or full sync), -EINVAL if out of order or known */
int lvr_super_add_generation(struct lvr_super *sb, const struct lvr_generation *g);
/*
 * Drop the entries that nobody at or behind seq needs: all before the one that
 * the record at seq - 1 belongs to. A member that stands at seq shares that one.
 */
void lvr_super_prune_history(struct lvr_super *sb, u64 seq);
/*
 * Truncation to seq: drop what begins behind seq or, having no records then,
 * at seq; keep_gen (0: none) stays if it begins at seq.
 */
void lvr_super_truncate_history(struct lvr_super *sb, u64 seq, u64 keep_gen);

/* ----------------------------------------------------------- super-change.c */

struct lvr_plan_node;

/* with what a node becomes primary */
struct lvr_super_begin {
	u64 gen;		/* the new generation */
	struct lvr_pos head;	/* where it begins */
	u32 peer;
	u8 role;		/* so far; secondary: it takes over or was handed over to */
	u64 handover_member;	/* whom the last record hands over to; ~0: none */
	u64 told_durable_seq;	/* last heard from the primary */
	bool bound;		/* by its settings: acknowledges nothing without the peer */
};

u32 lvr_super_node_flags(const struct lvr_super *sb, u32 peer, u8 state, u8 role, bool alone);
u64 lvr_super_told_handover(u32 self, u8 state, u64 handover_member);
/* -EINVAL, -ENOSPC: cannot be added */
int lvr_super_begin_generation(struct lvr_super *sb, const struct lvr_super_begin *begin);
/* 0 known, 1 added, -EINVAL, -ENOSPC */
int lvr_super_learn_generation(struct lvr_super *sb, const struct lvr_generation *gen,
			       const struct lvr_pos *head);
void lvr_super_note_handover(struct lvr_super *sb, u64 head_seq, u64 member);
void lvr_super_void_handover(struct lvr_super *sb, u64 head_seq);
void lvr_super_hand_over(struct lvr_super *sb, u32 peer, u64 head_seq, u64 handover_member);
u64 lvr_super_supersede(struct lvr_super *sb, u32 peer, const struct lvr_pos *fork,
			const struct lvr_pos *head, u64 handover_member);
/* false: it was not superseded */
bool lvr_super_reinstate(struct lvr_super *sb, u32 peer, u64 held_seq);
u64 lvr_super_handover(const struct lvr_super *sb, u64 head_seq, u64 last_record_member);
void lvr_super_recover(struct lvr_super *sb, u64 incarnation, const struct lvr_pos *head,
		       u64 handover_member);
void lvr_super_checkpoint(struct lvr_super *sb, u32 peer, const struct lvr_pos *done,
			  const struct lvr_pos *tail, u64 incarnation_off);
void lvr_super_truncate(struct lvr_super *sb, u32 peer, u64 seq, u64 keep_gen);
/* the position before which the peer needs nothing of the log; ~0: nothing is kept for it */
u64 lvr_super_held_seq(const struct lvr_super *sb, u32 peer, u64 told_durable_seq);
void lvr_super_give_up_peer(struct lvr_super *sb, u32 peer);
void lvr_super_open_sync(struct lvr_super *sb, u32 peer, u64 sync_id, u64 seq);
bool lvr_super_close_sync(struct lvr_super *sb, u32 peer, u64 sync_id);	/* false: not open */
void lvr_super_become_target(struct lvr_super *sb, u64 sync_id, const struct lvr_plan_node *source,
			     const struct lvr_pos *pos);

#endif
