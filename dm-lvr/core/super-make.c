// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock of a new log: what it must be told, and where the areas of
 * the log device go. The module never makes one: this is for lvrctl.
 */
#include "super.h"
#include "codec.h"

#define RING_ALIGN_BYTES	(1u << 20)
#define MAP_SLOTS		2	/* a map is written in turn, as the superblock */
#define MAP_REGION_MIN_BYTES	(64u << 10)
#define MAP_REGION_MAX_BYTES	(1u << 30)

/* smallest region with which a bit for each fits one slot of a map, if any does */
static u32 map_region_bytes(const struct lvr_super_make *make, u64 map_bytes)
{
	const u64 bits = map_bytes / MAP_SLOTS * 8;
	u32 region_bytes = MAP_REGION_MIN_BYTES;

	for (; region_bytes < MAP_REGION_MAX_BYTES; region_bytes *= 2) {
		const u64 region_sect = region_bytes >> LVR_SECTOR_SHIFT;
		u64 regions = 0;
		u32 i;

		for (i = 0; i < make->volumes; i++)
			regions += div64_u64(make->volume[i].size_sect + region_sect - 1,
					     region_sect);
		if (regions <= bits)
			break;
	}
	return region_bytes;
}

static int make_areas(struct lvr_super *sb, const struct lvr_super_make *make,
		      struct lvr_err *err)
{
	/* one map for each member, one for what this node lacks */
	const u32 maps = LVR_MAX_MEMBERS + 1;
	const u64 device_bytes = make->device_sect << LVR_SECTOR_SHIFT;
	u64 map_bytes, at_bytes, ring_bytes;
	u32 region_bytes, i;

	map_bytes = clamp(round_down(device_bytes >> 11, (u64)LVR_MAP_AREA_MIN_BYTES),
			  (u64)LVR_MAP_AREA_MIN_BYTES, (u64)LVR_MAP_AREA_MAX_BYTES);
	at_bytes = 2 * LVR_SUPER_BYTES;
	region_bytes = map_region_bytes(make, map_bytes);
	for (i = 0; i < LVR_MAX_MEMBERS; i++) {
		sb->member[i].map_start_sect = at_bytes >> LVR_SECTOR_SHIFT;
		sb->member[i].map_bytes = map_bytes;
		sb->member[i].map_region_bytes = region_bytes;
		at_bytes += map_bytes;
	}
	sb->stale_map_start_sect = at_bytes >> LVR_SECTOR_SHIFT;
	sb->stale_map_bytes = map_bytes;
	sb->stale_map_region_bytes = region_bytes;

	at_bytes = round_up(2 * LVR_SUPER_BYTES + maps * map_bytes, (u64)RING_ALIGN_BYTES);
	if (device_bytes < at_bytes + LVR_RING_MIN_BYTES) {
		lvr_err_set(err, "log device of %llu sectors is too small, needs %llu",
			    make->device_sect,
			    (at_bytes + LVR_RING_MIN_BYTES) >> LVR_SECTOR_SHIFT);
		return -EINVAL;
	}
	ring_bytes = round_down(device_bytes - at_bytes, (u64)make->block_bytes);
	sb->ring_start_sect = at_bytes >> LVR_SECTOR_SHIFT;
	sb->ring_bytes = min(ring_bytes, (u64)LVR_RING_MAX_BYTES);
	return 0;
}

static int make_members(struct lvr_super *sb, const struct lvr_super_make *make,
			struct lvr_err *err)
{
	u32 i, j;

	if (!make->members || make->members > LVR_MAX_MEMBERS) {
		lvr_err_set(err, "%u members, not 1 to %u", make->members, LVR_MAX_MEMBERS);
		return -EINVAL;
	}
	for (i = 0; i < make->members; i++) {
		u32 id = make->member_id[i];
		struct lvr_member *m;

		if (id >= LVR_MAX_MEMBERS) {
			lvr_err_set(err, "member id %u, ids are 0 to %u", id, LVR_MAX_MEMBERS - 1);
			return -EINVAL;
		}
		if (!make->member_name[i] || !lvr_name_ok(make->member_name[i], LVR_NAME_BYTES)) {
			lvr_err_set(err, "member %u has no good name: letters, digits and _.+-, up to %u",
				    id, LVR_NAME_BYTES - 1);
			return -EINVAL;
		}
		for (j = 0; j < i; j++) {
			if (make->member_id[j] == id) {
				lvr_err_set(err, "member id %u is given twice", id);
				return -EINVAL;
			}
			if (!strcmp(make->member_name[j], make->member_name[i])) {
				lvr_err_set(err, "members %u and %u are both named %s",
					    make->member_id[j], id, make->member_name[i]);
				return -EINVAL;
			}
		}
		m = &sb->member[id];
		lvr_name_copy(m->name, make->member_name[i]);
		m->flags = LVR_MEMBER_F_USED;
		if (id == make->self)
			m->flags |= LVR_MEMBER_F_SELF;
	}
	if (make->self >= LVR_MAX_MEMBERS || !sb->member[make->self].flags) {
		lvr_err_set(err, "this node is member %u, which is not among the members",
			    make->self);
		return -EINVAL;
	}
	return 0;
}

static void make_volumes(struct lvr_super *sb, const struct lvr_super_make *make)
{
	u32 i;

	sb->volumes = make->volumes;
	for (i = 0; i < make->volumes; i++) {
		const struct lvr_volume_entry *v = &make->volume[i];

		lvr_name_copy(sb->volume[i].name, v->name);
		sb->volume[i].size_sect = v->size_sect;
		sb->volume[i].id = v->id;
		sb->volume[i].block_bytes = v->block_bytes;
		sb->volume[i].flags = LVR_VOLUME_F_USED;
	}
}

static int check_make(const struct lvr_super_make *make, struct lvr_err *err)
{
	if (!make->group_name || !lvr_name_ok(make->group_name, LVR_NAME_BYTES)) {
		lvr_err_set(err, "the group has no good name: letters, digits and _.+-, up to %u",
			    LVR_NAME_BYTES - 1);
		return -EINVAL;
	}
	if (!make->log_id) {
		lvr_err_set(err, "log id is 0");
		return -EINVAL;
	}
	if (!make->target && (!make->group_uuid || lvr_is_zero(make->group_uuid, LVR_UUID_BYTES))) {
		lvr_err_set(err, "the group's uuid is zero, which only a target's may be");
		return -EINVAL;
	}
	if (!lvr_block_bytes_ok(make->block_bytes)) {
		lvr_err_set(err, "log blocks of %u bytes, not %u to %u", make->block_bytes,
			    LVR_SECTOR_BYTES, LVR_BLOCK_MAX_BYTES);
		return -EINVAL;
	}
	if (make->device_sect > U64_MAX >> LVR_SECTOR_SHIFT) {
		lvr_err_set(err, "log device of %llu sectors, at most %llu", make->device_sect,
			    U64_MAX >> LVR_SECTOR_SHIFT);
		return -EINVAL;
	}
	return lvr_super_check_volumes(make->volume, make->volumes, err);
}

/**
 * lvr_super_make - the first superblock of a new log
 * @sb: is filled
 * @make: what it is to be
 * @err: reason, may be NULL
 *
 * A target's copy is to be overwritten: it is BLANK and INCONSISTENT, its
 * uuid may be zero. Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_super_make(struct lvr_super *sb, const struct lvr_super_make *make, struct lvr_err *err)
{
	int ret;

	memset(sb, 0, sizeof(*sb));
	ret = check_make(make, err);
	if (!ret)
		ret = make_members(sb, make, err);
	if (!ret)
		ret = make_areas(sb, make, err);
	if (ret)
		return ret;
	make_volumes(sb, make);

	lvr_name_copy(sb->group_name, make->group_name);
	if (make->group_uuid)
		memcpy(sb->group_uuid, make->group_uuid, LVR_UUID_BYTES);
	sb->sb_seq = 1;
	sb->log_id = make->log_id;
	sb->incarnation = 1;
	sb->tail_incarnation = 1;
	sb->self = make->self;
	sb->block_bytes = make->block_bytes;
	sb->device_sect = make->device_sect;
	sb->flags = LVR_SUPER_F_CLEAN;
	if (make->target) {
		sb->flags |= LVR_SUPER_F_BLANK | LVR_SUPER_F_INCONSISTENT;
		sb->consistent_seq = U64_MAX;
	}
	return 0;
}
