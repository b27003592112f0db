// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock: codec, choice between the slots.
 *
 * It is the only thing on the log device that is overwritten in place, so it
 * is the one thing that must never be half believed: one crc covers the whole
 * slot, every field is bounded, every reference is followed. What decodes is
 * fit for use without another look. What does not decode says why.
 */
#include "super.h"
#include "codec.h"

#define SUPER_CRC_AT		offsetof(struct lvr_disk_super, crc)
#define SLOT_SECT		(LVR_SUPER_BYTES >> LVR_SECTOR_SHIFT)

/**
 * lvr_group_id - short form of a group's uuid, carried by every chunk
 * @uuid: the uuid
 *
 * Any context, does not sleep.
 *
 * Return: its first 8 bytes as a little endian number.
 */
u64 lvr_group_id(const u8 uuid[LVR_UUID_BYTES])
{
	__le64 half;

	memcpy(&half, uuid, sizeof(half));
	return le64_to_cpu(half);
}

/**
 * lvr_super_slot_sect - where a superblock goes
 * @sb_seq: its sequence number
 *
 * Any context, does not sleep.
 *
 * Return: first sector of its slot.
 */
u64 lvr_super_slot_sect(u64 sb_seq)
{
	return sb_seq % 2 * SLOT_SECT;
}

/* ----------------------------------------------------------------- encoding */

static void pos_encode(struct lvr_disk_pos *to, const struct lvr_pos *from)
{
	to->seq = cpu_to_le64(from->seq);
	to->off = cpu_to_le64(from->off);
	to->chain = cpu_to_le64(from->chain);
	to->gen = cpu_to_le64(from->gen);
}

static void pos_decode(struct lvr_pos *to, const struct lvr_disk_pos *from)
{
	to->seq = le64_to_cpu(from->seq);
	to->off = le64_to_cpu(from->off);
	to->chain = le64_to_cpu(from->chain);
	to->gen = le64_to_cpu(from->gen);
}

static void member_encode(struct lvr_disk_member *to, const struct lvr_member *from)
{
	lvr_name_copy(to->name, from->name);
	to->flags = cpu_to_le32(from->flags);
	to->map_region_bytes = cpu_to_le32(from->map_region_bytes);
	to->map_start_sect = cpu_to_le64(from->map_start_sect);
	to->map_bytes = cpu_to_le64(from->map_bytes);
	to->acked_seq = cpu_to_le64(from->acked_seq);
	to->told_durable_seq = cpu_to_le64(from->told_durable_seq);
	to->told_head_seq = cpu_to_le64(from->told_head_seq);
	to->seen_time_ms = cpu_to_le64(from->seen_time_ms);
	to->sync_id = cpu_to_le64(from->sync_id);
	to->sync_sect = cpu_to_le64(from->sync_sect);
	to->sync_end_seq = cpu_to_le64(from->sync_end_seq);
	to->sync_volume = cpu_to_le32(from->sync_volume);
}

static void member_decode(struct lvr_member *to, const struct lvr_disk_member *from)
{
	memcpy(to->name, from->name, sizeof(to->name));
	to->flags = le32_to_cpu(from->flags);
	to->map_region_bytes = le32_to_cpu(from->map_region_bytes);
	to->map_start_sect = le64_to_cpu(from->map_start_sect);
	to->map_bytes = le64_to_cpu(from->map_bytes);
	to->acked_seq = le64_to_cpu(from->acked_seq);
	to->told_durable_seq = le64_to_cpu(from->told_durable_seq);
	to->told_head_seq = le64_to_cpu(from->told_head_seq);
	to->seen_time_ms = le64_to_cpu(from->seen_time_ms);
	to->sync_id = le64_to_cpu(from->sync_id);
	to->sync_sect = le64_to_cpu(from->sync_sect);
	to->sync_end_seq = le64_to_cpu(from->sync_end_seq);
	to->sync_volume = le32_to_cpu(from->sync_volume);
}

/**
 * lvr_super_encode - write a superblock's slot
 * @to: LVR_SUPER_BYTES, aligned to 8, wholly overwritten
 * @sb: what; entries behind history_entries and volumes are not written
 *
 * Any context, does not sleep.
 */
void lvr_super_encode(void *to, const struct lvr_super *sb)
{
	struct lvr_disk_super *d = to;
	u32 i;

	memset(to, 0, LVR_SUPER_BYTES);
	d->magic = cpu_to_le64(LVR_SUPER_MAGIC);
	d->version = cpu_to_le32(LVR_FORMAT_VERSION);
	d->feature_compat = cpu_to_le64(sb->feature_compat);
	d->feature_ro_compat = cpu_to_le64(sb->feature_ro_compat);
	d->feature_incompat = cpu_to_le64(sb->feature_incompat);
	d->sb_seq = cpu_to_le64(sb->sb_seq);
	memcpy(d->group_uuid, sb->group_uuid, LVR_UUID_BYTES);
	lvr_name_copy(d->group_name, sb->group_name);
	d->log_id = cpu_to_le64(sb->log_id);
	d->incarnation = cpu_to_le64(sb->incarnation);
	d->flags = cpu_to_le64(sb->flags);
	d->self = cpu_to_le32(sb->self);
	d->block_bytes = cpu_to_le32(sb->block_bytes);
	d->device_sect = cpu_to_le64(sb->device_sect);
	d->ring_start_sect = cpu_to_le64(sb->ring_start_sect);
	d->ring_bytes = cpu_to_le64(sb->ring_bytes);
	pos_encode(&d->tail, &sb->tail);
	d->tail_incarnation = cpu_to_le64(sb->tail_incarnation);
	pos_encode(&d->checkpoint, &sb->checkpoint);
	d->durable_limit_seq = cpu_to_le64(sb->durable_limit_seq);
	d->sync_id = cpu_to_le64(sb->sync_id);
	d->consistent_seq = cpu_to_le64(sb->consistent_seq);
	d->orphan_first_seq = cpu_to_le64(sb->orphan_first_seq);
	d->orphan_end_seq = cpu_to_le64(sb->orphan_end_seq);
	d->orphan_bytes = cpu_to_le64(sb->orphan_bytes);
	d->handover_seq = cpu_to_le64(sb->handover_seq);
	d->handover_member = cpu_to_le64(sb->handover_member);
	d->stale_map_start_sect = cpu_to_le64(sb->stale_map_start_sect);
	d->stale_map_bytes = cpu_to_le64(sb->stale_map_bytes);
	d->stale_map_region_bytes = cpu_to_le32(sb->stale_map_region_bytes);
	d->history_entries = cpu_to_le32(sb->history_entries);
	d->volumes = cpu_to_le32(sb->volumes);
	d->counters = cpu_to_le32(LVR_CTR_COUNT);
	for (i = 0; i < LVR_CTR_COUNT; i++)
		d->counter[i] = cpu_to_le64(sb->counter[i]);
	for (i = 0; i < LVR_MAX_MEMBERS; i++)
		member_encode(&d->member[i], &sb->member[i]);
	for (i = 0; i < sb->history_entries; i++) {
		d->history[i].gen = cpu_to_le64(sb->history[i].gen);
		d->history[i].first_seq = cpu_to_le64(sb->history[i].first_seq);
		d->history[i].fork_chain = cpu_to_le64(sb->history[i].fork_chain);
		d->history[i].member = cpu_to_le32(sb->history[i].member);
	}
	for (i = 0; i < sb->volumes; i++) {
		lvr_name_copy(d->volume[i].name, sb->volume[i].name);
		d->volume[i].size_sect = cpu_to_le64(sb->volume[i].size_sect);
		d->volume[i].id = cpu_to_le32(sb->volume[i].id);
		d->volume[i].block_bytes = cpu_to_le32(sb->volume[i].block_bytes);
		d->volume[i].flags = cpu_to_le32(sb->volume[i].flags);
	}
	d->crc = cpu_to_le32(lvr_crc_around(to, LVR_SUPER_BYTES, SUPER_CRC_AT));
}

/* ----------------------------------------------------------------- decoding */

static int check_reserved(const struct lvr_disk_super *d, struct lvr_err *err)
{
	u32 history = le32_to_cpu(d->history_entries);
	u32 volumes = le32_to_cpu(d->volumes);
	bool zero;
	u32 i;

	zero = lvr_is_zero(d->reserved, sizeof(d->reserved)) &&
	       lvr_is_zero((const u8 *)d + sizeof(*d), LVR_SUPER_BYTES - sizeof(*d)) &&
	       lvr_is_zero(&d->counter[LVR_CTR_COUNT],
			   (LVR_MAX_COUNTERS - LVR_CTR_COUNT) * sizeof(d->counter[0])) &&
	       lvr_is_zero(&d->history[history],
			   (LVR_MAX_HISTORY - history) * sizeof(d->history[0])) &&
	       lvr_is_zero(&d->volume[volumes],
			   (LVR_MAX_VOLUMES - volumes) * sizeof(d->volume[0]));
	for (i = 0; i < LVR_MAX_MEMBERS; i++)
		zero = zero && !d->member[i].reserved0 &&
		       lvr_is_zero(d->member[i].reserved, sizeof(d->member[i].reserved));
	for (i = 0; i < history; i++)
		zero = zero && !d->history[i].reserved;
	for (i = 0; i < volumes; i++)
		zero = zero && !d->volume[i].reserved0 &&
		       lvr_is_zero(d->volume[i].reserved, sizeof(d->volume[i].reserved));
	if (!zero) {
		lvr_err_set(err, "a reserved field of the superblock is not zero");
		return -EINVAL;
	}
	return 0;
}

/* the three counts that size everything else */
static int check_counts(const struct lvr_disk_super *d, struct lvr_err *err)
{
	u32 history = le32_to_cpu(d->history_entries);
	u32 volumes = le32_to_cpu(d->volumes);
	u32 counters = le32_to_cpu(d->counters);

	if (history > LVR_MAX_HISTORY || volumes > LVR_MAX_VOLUMES || counters > LVR_CTR_COUNT) {
		lvr_err_set(err, "%u generations, %u volumes, %u counters, at most %u, %u, %u",
			    history, volumes, counters, LVR_MAX_HISTORY, LVR_MAX_VOLUMES,
			    LVR_CTR_COUNT);
		return -EINVAL;
	}
	return 0;
}

static void super_read(struct lvr_super *sb, const struct lvr_disk_super *d)
{
	u32 i;

	memset(sb, 0, sizeof(*sb));
	sb->feature_compat = le64_to_cpu(d->feature_compat);
	sb->feature_ro_compat = le64_to_cpu(d->feature_ro_compat);
	sb->feature_incompat = le64_to_cpu(d->feature_incompat);
	sb->sb_seq = le64_to_cpu(d->sb_seq);
	memcpy(sb->group_uuid, d->group_uuid, LVR_UUID_BYTES);
	memcpy(sb->group_name, d->group_name, sizeof(sb->group_name));
	sb->log_id = le64_to_cpu(d->log_id);
	sb->incarnation = le64_to_cpu(d->incarnation);
	sb->flags = le64_to_cpu(d->flags);
	sb->self = le32_to_cpu(d->self);
	sb->block_bytes = le32_to_cpu(d->block_bytes);
	sb->device_sect = le64_to_cpu(d->device_sect);
	sb->ring_start_sect = le64_to_cpu(d->ring_start_sect);
	sb->ring_bytes = le64_to_cpu(d->ring_bytes);
	pos_decode(&sb->tail, &d->tail);
	sb->tail_incarnation = le64_to_cpu(d->tail_incarnation);
	pos_decode(&sb->checkpoint, &d->checkpoint);
	sb->durable_limit_seq = le64_to_cpu(d->durable_limit_seq);
	sb->sync_id = le64_to_cpu(d->sync_id);
	sb->consistent_seq = le64_to_cpu(d->consistent_seq);
	sb->orphan_first_seq = le64_to_cpu(d->orphan_first_seq);
	sb->orphan_end_seq = le64_to_cpu(d->orphan_end_seq);
	sb->orphan_bytes = le64_to_cpu(d->orphan_bytes);
	sb->handover_seq = le64_to_cpu(d->handover_seq);
	sb->handover_member = le64_to_cpu(d->handover_member);
	sb->stale_map_start_sect = le64_to_cpu(d->stale_map_start_sect);
	sb->stale_map_bytes = le64_to_cpu(d->stale_map_bytes);
	sb->stale_map_region_bytes = le32_to_cpu(d->stale_map_region_bytes);
	sb->history_entries = le32_to_cpu(d->history_entries);
	sb->volumes = le32_to_cpu(d->volumes);
	for (i = 0; i < LVR_CTR_COUNT; i++)
		sb->counter[i] = le64_to_cpu(d->counter[i]);
	for (i = 0; i < LVR_MAX_MEMBERS; i++)
		member_decode(&sb->member[i], &d->member[i]);
	for (i = 0; i < sb->history_entries; i++) {
		sb->history[i].gen = le64_to_cpu(d->history[i].gen);
		sb->history[i].first_seq = le64_to_cpu(d->history[i].first_seq);
		sb->history[i].fork_chain = le64_to_cpu(d->history[i].fork_chain);
		sb->history[i].member = le32_to_cpu(d->history[i].member);
	}
	for (i = 0; i < sb->volumes; i++) {
		memcpy(sb->volume[i].name, d->volume[i].name, sizeof(sb->volume[i].name));
		sb->volume[i].size_sect = le64_to_cpu(d->volume[i].size_sect);
		sb->volume[i].id = le32_to_cpu(d->volume[i].id);
		sb->volume[i].block_bytes = le32_to_cpu(d->volume[i].block_bytes);
		sb->volume[i].flags = le32_to_cpu(d->volume[i].flags);
	}
}

/**
 * lvr_super_decode - read and check one slot
 * @sb: is filled; undefined unless 0 is returned
 * @from: LVR_SUPER_BYTES, aligned to 8
 * @device_sect: present size of the log device; it may have grown, not shrunk
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: 0; -ENODATA no superblock at all; -EPROTONOSUPPORT whole, but not
 * understood; -EINVAL damaged.
 */
int lvr_super_decode(struct lvr_super *sb, const void *from, u64 device_sect, struct lvr_err *err)
{
	const struct lvr_disk_super *d = from;
	u64 magic = le64_to_cpu(d->magic);
	u32 version = le32_to_cpu(d->version);
	u32 crc;
	int ret;

	if (magic != LVR_SUPER_MAGIC) {
		lvr_err_set(err, "superblock magic is %016llx, not %016llx", magic,
			    LVR_SUPER_MAGIC);
		return -ENODATA;
	}
	crc = lvr_crc_around(from, LVR_SUPER_BYTES, SUPER_CRC_AT);
	if (crc != le32_to_cpu(d->crc)) {
		lvr_err_set(err, "superblock has crc %08x, says %08x", crc, le32_to_cpu(d->crc));
		return -EINVAL;
	}
	if (version != LVR_FORMAT_VERSION) {
		lvr_err_set(err, "format version %u, known is %u", version, LVR_FORMAT_VERSION);
		return -EPROTONOSUPPORT;
	}
	if (le64_to_cpu(d->feature_incompat) & ~LVR_FEATURE_INCOMPAT_KNOWN) {
		lvr_err_set(err, "incompatible features %#llx, known are %#llx",
			    le64_to_cpu(d->feature_incompat), LVR_FEATURE_INCOMPAT_KNOWN);
		return -EPROTONOSUPPORT;
	}
	ret = check_counts(d, err);
	if (!ret)
		ret = check_reserved(d, err);
	if (ret)
		return ret;

	super_read(sb, d);
	return lvr_super_check(sb, device_sect, err);
}

/**
 * lvr_super_choose - which slot counts
 * @a: slot 0, if @a_ret is 0
 * @a_ret: what lvr_super_decode() said of it
 * @b: slot 1, if @b_ret is 0
 * @b_ret: what lvr_super_decode() said of it
 *
 * Any context, does not sleep.
 *
 * Return: 0 or 1, or -errno, see super.h.
 */
int lvr_super_choose(const struct lvr_super *a, int a_ret, const struct lvr_super *b, int b_ret)
{
	if (a_ret == -EPROTONOSUPPORT || b_ret == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	if (!a_ret && !b_ret) {
		if (a->log_id != b->log_id)
			return -EINVAL;
		return b->sb_seq > a->sb_seq;
	}
	if (!a_ret)
		return 0;
	if (!b_ret)
		return 1;
	return a_ret == -ENODATA && b_ret == -ENODATA ? -ENODATA : -EINVAL;
}

/**
 * lvr_super_volume - a volume by its id
 * @sb: the superblock
 * @id: volume id
 *
 * Any context, does not sleep.
 *
 * Return: its entry, or NULL.
 */
const struct lvr_volume_entry *lvr_super_volume(const struct lvr_super *sb, u32 id)
{
	u32 i;

	for (i = 0; i < sb->volumes; i++)
		if (sb->volume[i].id == id)
			return &sb->volume[i];
	return NULL;
}
