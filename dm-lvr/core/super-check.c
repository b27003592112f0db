// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a superblock may say: names, areas, members, volumes, history and
 * positions, each bounded and every reference between them followed.
 */
#include "super.h"
#include "codec.h"

/**
 * lvr_name_ok - whether a name may be used for a group, a member or a volume
 * @name: the name
 * @bytes: that may be read of it
 *
 * Names go into file names, device names and status lines: letters, digits
 * and _ . + - only, not beginning with - or . so that none is taken for an
 * option or a hidden file. Any context, does not sleep.
 *
 * Return: false also if no NUL is found within @bytes.
 */
bool lvr_name_ok(const char *name, u32 bytes)
{
	u32 i;

	for (i = 0; i < bytes && name[i]; i++) {
		char c = name[i];
		bool first_ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || c == '_' || c == '+';

		if (!first_ok && (i == 0 || (c != '-' && c != '.')))
			return false;
	}
	return i > 0 && i < bytes;
}

/**
 * lvr_name_field_ok - whether a field of disk or wire holds a name, and nothing behind it
 * @field: LVR_NAME_BYTES
 *
 * Any context, does not sleep.
 *
 * Return: false also if the name ends in the middle of other bytes.
 */
bool lvr_name_field_ok(const char field[LVR_NAME_BYTES])
{
	u32 used = strnlen(field, LVR_NAME_BYTES);

	return lvr_name_ok(field, LVR_NAME_BYTES) &&
	       lvr_is_zero(field + used, LVR_NAME_BYTES - used);
}

/**
 * lvr_super_check_volumes - whether a group can have these volumes
 * @volume: the entries
 * @volumes: how many
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_super_check_volumes(const struct lvr_volume_entry *volume, u32 volumes,
			    struct lvr_err *err)
{
	u32 i, j;

	if (volumes > LVR_MAX_VOLUMES) {
		lvr_err_set(err, "%u volumes, at most %u", volumes, LVR_MAX_VOLUMES);
		return -EINVAL;
	}
	for (i = 0; i < volumes; i++) {
		const struct lvr_volume_entry *v = &volume[i];

		if (v->id >= LVR_MAX_VOLUMES) {
			lvr_err_set(err, "volume id %u, ids are 0 to %u", v->id,
				    LVR_MAX_VOLUMES - 1);
			return -EINVAL;
		}
		if (!lvr_name_field_ok(v->name)) {
			lvr_err_set(err, "volume %u has no good name: letters, digits and _.+-, up to %u",
				    v->id, LVR_NAME_BYTES - 1);
			return -EINVAL;
		}
		if (!v->size_sect || v->size_sect > LVR_VOLUME_MAX_SECT) {
			lvr_err_set(err, "volume %u is %llu sectors long, not 1 to %llu", v->id,
				    v->size_sect, LVR_VOLUME_MAX_SECT);
			return -EINVAL;
		}
		if (!lvr_block_bytes_ok(v->block_bytes)) {
			lvr_err_set(err, "volume %u has blocks of %u bytes, not %u to %u", v->id,
				    v->block_bytes, LVR_SECTOR_BYTES, LVR_BLOCK_MAX_BYTES);
			return -EINVAL;
		}
		if (v->flags & ~LVR_VOLUME_F_USED) {
			lvr_err_set(err, "volume %u has flags %#x, known are %#x", v->id,
				    v->flags, LVR_VOLUME_F_USED);
			return -EINVAL;
		}
		for (j = 0; j < i; j++) {
			if (volume[j].id == v->id) {
				lvr_err_set(err, "volume id %u is given twice", v->id);
				return -EINVAL;
			}
			if (!strcmp(volume[j].name, v->name)) {
				lvr_err_set(err, "volumes %u and %u are both named %s",
					    volume[j].id, v->id, v->name);
				return -EINVAL;
			}
		}
	}
	return 0;
}

struct area {
	const char *what;
	u64 start_sect;
	u64 sectors;
};

static void area_set(struct area *a, const char *what, u64 start_sect, u64 bytes)
{
	a->what = what;
	a->start_sect = start_sect;
	a->sectors = bytes >> LVR_SECTOR_SHIFT;
}

/* slots, maps and ring lie inside the device and apart from each other */
static int check_areas(const struct lvr_super *sb, struct lvr_err *err)
{
	struct area area[LVR_MAX_MEMBERS + 3];
	u32 count = 0, i, j;

	area_set(&area[count++], "superblocks", 0, 2 * LVR_SUPER_BYTES);
	area_set(&area[count++], "ring", sb->ring_start_sect, sb->ring_bytes);
	area_set(&area[count++], "stale map", sb->stale_map_start_sect, sb->stale_map_bytes);
	for (i = 0; i < LVR_MAX_MEMBERS; i++)
		area_set(&area[count++], "member's map", sb->member[i].map_start_sect,
			 sb->member[i].map_bytes);

	for (i = 0; i < count; i++) {
		const struct area *a = &area[i];

		if (a->start_sect > sb->device_sect ||
		    a->sectors > sb->device_sect - a->start_sect) {
			lvr_err_set(err, "%s: %llu sectors at %llu, the log device has %llu",
				    a->what, a->sectors, a->start_sect, sb->device_sect);
			return -EINVAL;
		}
		for (j = 0; j < i; j++) {
			const struct area *b = &area[j];

			if (a->sectors && b->sectors &&
			    a->start_sect < b->start_sect + b->sectors &&
			    b->start_sect < a->start_sect + a->sectors) {
				lvr_err_set(err, "%s at sector %llu lies over %s at %llu",
					    a->what, a->start_sect, b->what, b->start_sect);
				return -EINVAL;
			}
		}
	}
	return 0;
}

static int check_map(const char *what, u64 bytes, u32 region_bytes, struct lvr_err *err)
{
	if (bytes % LVR_SECTOR_BYTES ||
	    (region_bytes && (region_bytes < LVR_SECTOR_BYTES || !is_power_of_2(region_bytes)))) {
		lvr_err_set(err, "%s map of %llu bytes with regions of %u", what, bytes,
			    region_bytes);
		return -EINVAL;
	}
	return 0;
}

static int check_device(const struct lvr_super *sb, u64 device_sect, struct lvr_err *err)
{
	u64 rest;
	u32 i;
	int ret;

	if (sb->device_sect > device_sect) {
		lvr_err_set(err, "the log device has shrunk to %llu sectors, it had %llu",
			    device_sect, sb->device_sect);
		return -EINVAL;
	}
	if (!lvr_block_bytes_ok(sb->block_bytes)) {
		lvr_err_set(err, "log blocks of %u bytes, not %u to %u", sb->block_bytes,
			    LVR_SECTOR_BYTES, LVR_BLOCK_MAX_BYTES);
		return -EINVAL;
	}
	div64_u64_rem(sb->ring_bytes, sb->block_bytes, &rest);
	if (sb->ring_bytes < LVR_RING_MIN_BYTES || sb->ring_bytes > LVR_RING_MAX_BYTES || rest) {
		lvr_err_set(err, "ring of %llu bytes, not a multiple of %u from %llu to %llu",
			    sb->ring_bytes, sb->block_bytes, LVR_RING_MIN_BYTES,
			    LVR_RING_MAX_BYTES);
		return -EINVAL;
	}
	if (sb->ring_start_sect % (sb->block_bytes >> LVR_SECTOR_SHIFT)) {
		lvr_err_set(err, "ring begins at sector %llu, not on a block of %u bytes",
			    sb->ring_start_sect, sb->block_bytes);
		return -EINVAL;
	}
	ret = check_map("stale", sb->stale_map_bytes, sb->stale_map_region_bytes, err);
	for (i = 0; !ret && i < LVR_MAX_MEMBERS; i++)
		ret = check_map("member's", sb->member[i].map_bytes,
				sb->member[i].map_region_bytes, err);
	return ret ? ret : check_areas(sb, err);
}

static int check_members(const struct lvr_super *sb, struct lvr_err *err)
{
	u32 i;

	if (sb->self >= LVR_MAX_MEMBERS || !(sb->member[sb->self].flags & LVR_MEMBER_F_SELF)) {
		lvr_err_set(err, "this node is member %u, which does not say so", sb->self);
		return -EINVAL;
	}
	for (i = 0; i < LVR_MAX_MEMBERS; i++) {
		const struct lvr_member *m = &sb->member[i];

		if (m->flags & ~LVR_MEMBER_F_KNOWN) {
			lvr_err_set(err, "member %u has flags %#x, known are %#x", i, m->flags,
				    LVR_MEMBER_F_KNOWN);
			return -EINVAL;
		}
		if (m->flags && !(m->flags & LVR_MEMBER_F_USED)) {
			lvr_err_set(err, "member %u has flags %#x without being used", i, m->flags);
			return -EINVAL;
		}
		if (m->flags & LVR_MEMBER_F_SELF && i != sb->self) {
			lvr_err_set(err, "members %u and %u are both this node", sb->self, i);
			return -EINVAL;
		}
		if (m->flags ? !lvr_name_field_ok(m->name) :
			       !lvr_is_zero(m->name, sizeof(m->name))) {
			lvr_err_set(err, "member %u has no good name", i);
			return -EINVAL;
		}
		if (m->flags & LVR_MEMBER_F_SYNC_OPEN && !m->sync_id) {
			lvr_err_set(err, "member %u has a synchronisation open without an id", i);
			return -EINVAL;
		}
	}
	return 0;
}

static int check_history(const struct lvr_super *sb, struct lvr_err *err)
{
	u32 i, j;

	for (i = 0; i < sb->history_entries; i++) {
		const struct lvr_generation *g = &sb->history[i];

		if (!g->gen || g->member >= LVR_MAX_MEMBERS) {
			lvr_err_set(err, "generation %u has id %llx, begun by member %u", i,
				    g->gen, g->member);
			return -EINVAL;
		}
		if (i && g->first_seq < sb->history[i - 1].first_seq) {
			lvr_err_set(err, "generation %u begins at %llu, before the one before it at %llu",
				    i, g->first_seq, sb->history[i - 1].first_seq);
			return -EINVAL;
		}
		for (j = 0; j < i; j++) {
			if (sb->history[j].gen == g->gen) {
				lvr_err_set(err, "generations %u and %u are both %llx", j, i, g->gen);
				return -EINVAL;
			}
		}
	}
	return 0;
}

static int check_pos(const struct lvr_super *sb, const char *what, const struct lvr_pos *pos,
		     struct lvr_err *err)
{
	const struct lvr_generation *g;

	if (pos->off % sb->block_bytes || pos->off > U64_MAX - sb->ring_bytes) {
		lvr_err_set(err, "%s at off %llu, not a multiple of %u that can be", what,
			    pos->off, sb->block_bytes);
		return -EINVAL;
	}
	if (!pos->gen)
		return 0;
	/* the history may have dropped it, unless it has what came before */
	g = lvr_super_find_generation(sb, pos->gen);
	if (g ? g->first_seq > pos->seq :
		sb->history_entries && sb->history[0].first_seq < pos->seq) {
		lvr_err_set(err, "%s at seq %llu is of generation %llx, which the history %s",
			    what, pos->seq, pos->gen, g ? "begins later" : "does not know");
		return -EINVAL;
	}
	return 0;
}

static int check_positions(const struct lvr_super *sb, struct lvr_err *err)
{
	int ret;

	ret = check_pos(sb, "tail", &sb->tail, err);
	if (!ret)
		ret = check_pos(sb, "checkpoint", &sb->checkpoint, err);
	if (ret)
		return ret;
	if (sb->checkpoint.seq < sb->tail.seq || sb->checkpoint.off < sb->tail.off ||
	    sb->checkpoint.off - sb->tail.off > sb->ring_bytes) {
		lvr_err_set(err, "checkpoint at seq %llu off %llu, tail at seq %llu off %llu, ring of %llu bytes",
			    sb->checkpoint.seq, sb->checkpoint.off, sb->tail.seq, sb->tail.off,
			    sb->ring_bytes);
		return -EINVAL;
	}
	if (sb->tail_incarnation > sb->incarnation) {
		lvr_err_set(err, "tail of incarnation %llu, the log is at %llu",
			    sb->tail_incarnation, sb->incarnation);
		return -EINVAL;
	}
	if (sb->orphan_first_seq > sb->orphan_end_seq) {
		lvr_err_set(err, "orphans from seq %llu to %llu", sb->orphan_first_seq,
			    sb->orphan_end_seq);
		return -EINVAL;
	}
	return 0;
}

static int check_identity(const struct lvr_super *sb, struct lvr_err *err)
{
	if (sb->flags & ~(u64)LVR_SUPER_F_KNOWN) {
		lvr_err_set(err, "superblock flags %#llx, known are %#x", sb->flags,
			    LVR_SUPER_F_KNOWN);
		return -EINVAL;
	}
	if (!lvr_name_field_ok(sb->group_name)) {
		lvr_err_set(err, "the group has no good name");
		return -EINVAL;
	}
	if (!(sb->flags & LVR_SUPER_F_BLANK) && lvr_is_zero(sb->group_uuid, LVR_UUID_BYTES)) {
		lvr_err_set(err, "the group's uuid is zero, which only a blank target's may be");
		return -EINVAL;
	}
	if (!sb->log_id || !sb->sb_seq) {
		lvr_err_set(err, "superblock %llu of log %llx, neither may be 0", sb->sb_seq,
			    sb->log_id);
		return -EINVAL;
	}
	return 0;
}

/**
 * lvr_super_check - whether a superblock can be
 * @sb: the superblock, its counts bounded
 * @device_sect: present size of the log device
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_super_check(const struct lvr_super *sb, u64 device_sect, struct lvr_err *err)
{
	int ret;

	ret = check_identity(sb, err);
	if (!ret)
		ret = check_device(sb, device_sect, err);
	if (!ret)
		ret = check_members(sb, err);
	if (!ret)
		ret = lvr_super_check_volumes(sb->volume, sb->volumes, err);
	if (!ret)
		ret = check_history(sb, err);
	if (!ret)
		ret = check_positions(sb, err);
	return ret;
}
