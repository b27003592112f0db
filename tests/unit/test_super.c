// SPDX-License-Identifier: GPL-2.0-only
/* The superblock: round trips, damage of every kind, choice of the slot, history. */
#include "unit.h"
#include "super.h"
#include "codec.h"

static const u8 uuid[LVR_UUID_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* too large for a stack */
static struct lvr_super *sb, *back;
static void *slot;

#define DEVICE_SECT	(64ull << 11)	/* 64 MiB */

static const struct lvr_volume_entry volumes[] = {
	{ .name = "data", .size_sect = 1 << 20, .id = 0, .block_bytes = 512 },
	{ .name = "wal", .size_sect = 1 << 16, .id = 7, .block_bytes = 4096 },
};

static struct lvr_super_make plain_make(void)
{
	return (struct lvr_super_make){
		.group_name = "db", .group_uuid = uuid, .log_id = 0x1234, .self = 1,
		.block_bytes = 4096, .device_sect = DEVICE_SECT, .members = 2,
		.volume = volumes, .volumes = ARRAY_SIZE(volumes),
		.member_id = { 0, 1 }, .member_name = { "alpha", "beta" },
	};
}

static void make_plain(void)
{
	struct lvr_super_make make = plain_make();
	struct lvr_err err = {};

	check(!lvr_super_make(sb, &make, &err), "%s", err.text);
}

static int decode(u64 device_sect, struct lvr_err *err)
{
	return lvr_super_decode(back, slot, device_sect, err);
}

static void made_encoded_decoded_equal(void **state)
{
	struct lvr_err err = {};
	u32 target;

	(void)state;
	for (target = 0; target < 2; target++) {
		struct lvr_super_make make = plain_make();

		make.target = target;
		if (target)
			make.group_uuid = NULL;
		assert_int_equal(lvr_super_make(sb, &make, &err), 0);
		assert_int_equal(sb->flags & (LVR_SUPER_F_BLANK | LVR_SUPER_F_INCONSISTENT),
				 target ? LVR_SUPER_F_BLANK | LVR_SUPER_F_INCONSISTENT : 0);
		assert_int_equal(sb->consistent_seq, target ? U64_MAX : 0);
		memset(slot, 0xff, LVR_SUPER_BYTES);
		lvr_super_encode(slot, sb);
		memset(back, 0xff, sizeof(*back));
		check(!decode(DEVICE_SECT, &err), "%s", err.text);
		assert_memory_equal(back, sb, sizeof(*sb));
	}
	assert_int_equal(sb->sb_seq, 1);
	assert_int_equal(sb->tail.seq, 0);
	assert_int_equal(sb->history_entries, 0);
	assert_string_equal(sb->member[1].name, "beta");
	assert_int_equal(sb->member[1].flags, LVR_MEMBER_F_USED | LVR_MEMBER_F_SELF);
	assert_int_equal(sb->member[0].flags, LVR_MEMBER_F_USED);
	assert_int_equal(sb->member[2].flags, 0);
	assert_ptr_equal(lvr_super_volume(sb, 7), &sb->volume[1]);
	assert_null(lvr_super_volume(sb, 1));
}

/* every field set to something, as far as the cross references allow */
static void fill_random(u64 *seed, u32 generations, u32 volume_count)
{
	u32 i;

	make_plain();
	sb->feature_compat = next_random(seed);
	sb->feature_ro_compat = next_random(seed);
	sb->sb_seq = next_random(seed) | 1;
	sb->log_id = next_random(seed) | 1;
	sb->tail_incarnation = next_random(seed) >> 1;
	sb->incarnation = sb->tail_incarnation + random_below(seed, 100);
	sb->flags = random_below(seed, LVR_SUPER_F_KNOWN + 1);
	sb->tail.seq = next_random(seed) >> 2;
	sb->tail.off = round_down(next_random(seed) >> 2, (u64)sb->block_bytes);
	sb->tail.chain = next_random(seed);
	sb->checkpoint.seq = sb->tail.seq + random_below(seed, 1000);
	sb->checkpoint.off = sb->tail.off + round_down(random_below(seed, sb->ring_bytes),
						       (u64)sb->block_bytes);
	sb->checkpoint.chain = next_random(seed);
	sb->durable_limit_seq = next_random(seed);
	sb->sync_id = next_random(seed);
	sb->consistent_seq = next_random(seed);
	sb->orphan_first_seq = next_random(seed) >> 1;
	sb->orphan_end_seq = sb->orphan_first_seq + random_below(seed, 1000);
	sb->orphan_bytes = next_random(seed);
	for (i = 0; i < LVR_CTR_COUNT; i++)
		sb->counter[i] = next_random(seed);
	for (i = 0; i < LVR_MAX_MEMBERS; i++) {
		struct lvr_member *m = &sb->member[i];

		m->flags |= LVR_MEMBER_F_USED | LVR_MEMBER_F_NEEDS_SYNC | LVR_MEMBER_F_SYNC_OPEN;
		snprintf(m->name, sizeof(m->name), "member-%u", i);
		m->acked_seq = next_random(seed);
		m->told_durable_seq = next_random(seed);
		m->told_head_seq = next_random(seed);
		m->seen_time_ms = next_random(seed);
		m->sync_id = next_random(seed) | 1;
		m->sync_sect = next_random(seed);
		m->sync_end_seq = next_random(seed);
		m->sync_volume = next_random(seed);
	}
	sb->history_entries = generations;
	for (i = 0; i < generations; i++) {
		sb->history[i].gen = next_random(seed) | 1;
		sb->history[i].first_seq = (i ? sb->history[i - 1].first_seq : 0) +
					   random_below(seed, 5);
		sb->history[i].fork_chain = next_random(seed);
		sb->history[i].member = random_below(seed, LVR_MAX_MEMBERS);
	}
	if (generations) {
		sb->checkpoint.gen = sb->history[generations - 1].gen;
		sb->tail.gen = sb->history[0].gen;
	}
	memset(sb->volume, 0, sizeof(sb->volume));
	sb->volumes = volume_count;
	for (i = 0; i < volume_count; i++) {
		snprintf(sb->volume[i].name, sizeof(sb->volume[i].name), "v%u", i);
		sb->volume[i].id = LVR_MAX_VOLUMES - 1 - i;
		sb->volume[i].size_sect = 1 + random_below(seed, LVR_VOLUME_MAX_SECT);
		sb->volume[i].block_bytes = 512 << random_below(seed, 4);
		sb->volume[i].flags = LVR_VOLUME_F_USED;
	}
}

static void every_field_comes_back(void **state)
{
	struct lvr_err err = {};
	u64 seed = 1;
	u32 round;

	(void)state;
	for (round = 0; round < 200; round++) {
		fill_random(&seed, round % 2 ? random_below(&seed, LVR_MAX_HISTORY) : LVR_MAX_HISTORY,
			    round % 3 ? random_below(&seed, LVR_MAX_VOLUMES) : LVR_MAX_VOLUMES);
		if (!sb->history_entries)
			sb->tail.gen = sb->checkpoint.gen = 0;
		lvr_super_encode(slot, sb);
		check(!decode(DEVICE_SECT + round, &err), "round %u: %s", round, err.text);
		check(!memcmp(back, sb, sizeof(*sb)), "round %u", round);
	}
}

static void every_bit_of_a_slot_counts(void **state)
{
	u64 seed = 2;
	u32 bit;

	(void)state;
	fill_random(&seed, LVR_MAX_HISTORY, LVR_MAX_VOLUMES);
	lvr_super_encode(slot, sb);
	for (bit = 0; bit < LVR_SUPER_BYTES * 8; bit++) {
		int ret;

		flip_bit(slot, bit);
		ret = decode(DEVICE_SECT, NULL);
		check(ret == (bit < 64 ? -ENODATA : -EINVAL), "bit %u: %d", bit, ret);
		flip_bit(slot, bit);
	}
	assert_int_equal(decode(DEVICE_SECT, NULL), 0);
}

/* a write of the slot that stopped somewhere, over any older content */
static void a_torn_slot_is_not_taken(void **state)
{
	u8 *older = must_alloc(LVR_SUPER_BYTES), *newer = must_alloc(LVR_SUPER_BYTES);
	u64 seed = 3;
	u32 cut;

	(void)state;
	fill_random(&seed, 20, 9);
	lvr_super_encode(older, sb);
	fill_random(&seed, LVR_MAX_HISTORY, LVR_MAX_VOLUMES);
	lvr_super_encode(newer, sb);
	for (cut = 512; cut < LVR_SUPER_BYTES; cut += 512) {
		bool same = !memcmp(newer + cut, older + cut, LVR_SUPER_BYTES - cut);

		memcpy(slot, newer, cut);
		memcpy((u8 *)slot + cut, older + cut, LVR_SUPER_BYTES - cut);
		check(decode(DEVICE_SECT, NULL) == (same ? 0 : -EINVAL), "cut at %u", cut);
		memset((u8 *)slot + cut, 0, LVR_SUPER_BYTES - cut);
		same = lvr_is_zero(newer + cut, LVR_SUPER_BYTES - cut);
		check(decode(DEVICE_SECT, NULL) == (same ? 0 : -EINVAL), "cut at %u", cut);
	}
	free(older);
	free(newer);
}

static void reseal(void)
{
	struct lvr_disk_super *d = slot;

	d->crc = cpu_to_le32(lvr_crc_around(slot, LVR_SUPER_BYTES,
					    offsetof(struct lvr_disk_super, crc)));
}

/* wrong in one field behind a right crc: set in the decoded form, or on the disk */
#define SUPER_CASES(X)								\
	X("flags", sb->flags |= LVR_SUPER_F_KNOWN + 1)				\
	X("flags", sb->flags |= 1ull << 63)					\
	X("name", sb->group_name[0] = 0)					\
	X("name", sb->group_name[0] = '-')					\
	X("name", sb->group_name[1] = ' ')					\
	X("uuid", memset(sb->group_uuid, 0, LVR_UUID_BYTES))			\
	X("neither may be 0", sb->log_id = 0)					\
	X("neither may be 0", sb->sb_seq = 0)					\
	X("shrunk", sb->device_sect = DEVICE_SECT + 1)				\
	X("log blocks", sb->block_bytes = 0)					\
	X("log blocks", sb->block_bytes = 256)					\
	X("log blocks", sb->block_bytes = 8192)					\
	X("log blocks", sb->block_bytes = 4095)					\
	X("ring of", sb->ring_bytes = 0)					\
	X("ring of", sb->ring_bytes = LVR_RING_MIN_BYTES - 4096)		\
	X("ring of", sb->ring_bytes += 512)					\
	X("ring of", sb->ring_bytes = U64_MAX - 4095)				\
	X("ring:", sb->ring_bytes += 1 << 20)					\
	X("ring begins", sb->ring_start_sect += 1)				\
	X("ring:", sb->ring_start_sect = DEVICE_SECT)				\
	X("ring:", sb->ring_start_sect = U64_MAX - 7)				\
	X("lies over", sb->ring_start_sect = 64)				\
	X("lies over", sb->ring_start_sect -= 1024)				\
	X("lies over", sb->member[3].map_start_sect = 127)			\
	X("lies over", sb->member[3].map_start_sect = sb->member[2].map_start_sect)	\
	X("lies over", sb->stale_map_start_sect = sb->ring_start_sect + 8)	\
	X("sectors at", sb->stale_map_start_sect = U64_MAX)			\
	X("sectors at", sb->member[0].map_bytes = U64_MAX & ~511ull)		\
	X("map of", sb->member[7].map_bytes += 1)				\
	X("regions of", sb->member[7].map_region_bytes = 4095)			\
	X("regions of", sb->stale_map_region_bytes = 256)			\
	X("this node is member 8", sb->self = 8)				\
	X("this node is member 0", sb->self = 0)				\
	X("both this node", sb->member[0].flags |= LVR_MEMBER_F_SELF)		\
	X("member 0 has flags", sb->member[0].flags |= LVR_MEMBER_F_KNOWN + 1)			\
	X("without being used", sb->member[5].flags = LVR_MEMBER_F_NEEDS_SYNC)	\
	X("member 0 has no good name", sb->member[0].name[0] = 0)		\
	X("member 5 has no good name", sb->member[5].name[0] = 'x')		\
	X("without an id", sb->member[0].flags |= LVR_MEMBER_F_SYNC_OPEN)	\
	X("volume id 128", sb->volume[1].id = LVR_MAX_VOLUMES)			\
	X("given twice", sb->volume[1].id = sb->volume[0].id)			\
	X("both named", strcpy(sb->volume[1].name, sb->volume[0].name))		\
	X("no good name", sb->volume[1].name[0] = '/')				\
	X("sectors long", sb->volume[0].size_sect = 0)				\
	X("sectors long", sb->volume[0].size_sect = LVR_VOLUME_MAX_SECT + 1)	\
	X("blocks of", sb->volume[0].block_bytes = 513)				\
	X("has flags", sb->volume[0].flags = 3)					\
	X("id 0", sb->history[0].gen = 0)					\
	X("member 8", sb->history[1].member = LVR_MAX_MEMBERS)			\
	X("before the one", sb->history[1].first_seq = 1)			\
	X("are both", sb->history[1].gen = sb->history[0].gen)			\
	X("tail at off", sb->tail.off = 512)					\
	X("tail at off", sb->tail.off = U64_MAX & ~4095ull)			\
	X("checkpoint at off", sb->checkpoint.off += 1)				\
	X("begins later", (sb->tail.gen = 12, sb->tail.seq = 9))		\
	X("does not know", sb->checkpoint.gen = 99)				\
	X("checkpoint at seq", sb->tail.seq = sb->checkpoint.seq + 1)		\
	X("checkpoint at seq", sb->tail.off = sb->checkpoint.off + 4096)	\
	X("checkpoint at seq", sb->checkpoint.off = sb->tail.off + sb->ring_bytes + 4096)	\
	X("incarnation", sb->tail_incarnation = sb->incarnation + 1)		\
	X("orphans", sb->orphan_first_seq = 1)

#define DISK_CASES(X)								\
	X("generations", d->history_entries = cpu_to_le32(LVR_MAX_HISTORY + 1))	\
	X("generations", d->history_entries = cpu_to_le32(0xffffffff))		\
	X("volumes", d->volumes = cpu_to_le32(LVR_MAX_VOLUMES + 1))		\
	X("volumes", d->volumes = cpu_to_le32(0x80000000))			\
	X("counters", d->counters = cpu_to_le32(LVR_MAX_COUNTERS + 1))		\
	X("name", memset(d->group_name, 'a', sizeof(d->group_name)))		\
	X("name", memset(d->volume[0].name, 'a', LVR_NAME_BYTES))		\
	X("name", memset(d->member[0].name, 'a', LVR_NAME_BYTES))		\
	X("reserved", d->reserved[0] = cpu_to_le64(1))				\
	X("reserved", d->reserved[17] = cpu_to_le64(1))				\
	X("reserved", d->counter[LVR_CTR_COUNT] = cpu_to_le64(1))		\
	X("reserved", d->counter[LVR_MAX_COUNTERS - 1] = cpu_to_le64(1))	\
	X("reserved", d->member[6].reserved0 = cpu_to_le32(1))			\
	X("reserved", d->member[6].reserved[1] = cpu_to_le64(1))		\
	X("reserved", d->history[1].reserved = cpu_to_le32(1))			\
	X("reserved", d->history[2].gen = cpu_to_le64(1))			\
	X("reserved", d->volume[0].reserved0 = cpu_to_le32(1))			\
	X("reserved", d->volume[1].reserved[0] = cpu_to_le64(1))		\
	X("reserved", d->volume[2].id = cpu_to_le32(1))				\
	X("reserved", d->volumes = cpu_to_le32(1))				\
	X("reserved", ((u8 *)slot)[sizeof(*d)] = 1)				\
	X("reserved", ((u8 *)slot)[LVR_SUPER_BYTES - 1] = 1)

static void plain_with_history(void)
{
	make_plain();
	sb->history_entries = 2;
	sb->history[0] = (struct lvr_generation){ .gen = 11, .first_seq = 3, .member = 1 };
	sb->history[1] = (struct lvr_generation){ .gen = 12, .first_seq = 10, .member = 0 };
	sb->tail = (struct lvr_pos){ .seq = 5, .off = 8192, .chain = 1, .gen = 11 };
	sb->checkpoint = (struct lvr_pos){ .seq = 20, .off = 16384, .chain = 2, .gen = 12 };
}

static void every_field_is_checked_behind_the_crc(void **state)
{
	struct lvr_disk_super *d = slot;
	struct lvr_err err;
	u32 cases = 0;

	(void)state;
	plain_with_history();
	lvr_super_encode(slot, sb);
	check(!decode(DEVICE_SECT, &err), "%s", err.text);

#define X(says, change)								\
	plain_with_history();							\
	(void)(change);								\
	lvr_super_encode(slot, sb);						\
	check(decode(DEVICE_SECT, &err) == -EINVAL, "%s", #change);		\
	check(strstr(err.text, says), "%s: \"%s\"", #change, err.text);		\
	cases++;
	SUPER_CASES(X)
#undef X
#define X(says, change)								\
	plain_with_history();							\
	lvr_super_encode(slot, sb);						\
	(void)(change);								\
	reseal();								\
	check(decode(DEVICE_SECT, &err) == -EINVAL, "%s", #change);		\
	check(strstr(err.text, says), "%s: \"%s\"", #change, err.text);		\
	cases++;
	DISK_CASES(X)
#undef X
	assert_true(cases > 70);
}

static void what_is_not_understood_is_told_from_damage(void **state)
{
	struct lvr_disk_super *d = slot;
	struct lvr_err err;

	(void)state;
	make_plain();
	lvr_super_encode(slot, sb);
	d->version = cpu_to_le32(LVR_FORMAT_VERSION + 1);
	assert_int_equal(decode(DEVICE_SECT, &err), -EINVAL);
	assert_says(&err, "crc");
	reseal();
	assert_int_equal(decode(DEVICE_SECT, &err), -EPROTONOSUPPORT);
	assert_says(&err, "format version 3, known is 2");
	d->version = cpu_to_le32(LVR_FORMAT_VERSION - 1);
	reseal();
	assert_int_equal(decode(DEVICE_SECT, &err), -EPROTONOSUPPORT);
	assert_says(&err, "format version 1, known is 2");

	lvr_super_encode(slot, sb);
	d->feature_incompat = cpu_to_le64(0x10);
	reseal();
	assert_int_equal(decode(DEVICE_SECT, &err), -EPROTONOSUPPORT);
	assert_says(&err, "0x10");

	lvr_super_encode(slot, sb);
	d->feature_compat = cpu_to_le64(~0ull);
	d->feature_ro_compat = cpu_to_le64(~0ull);
	reseal();
	assert_int_equal(decode(DEVICE_SECT, &err), 0);
	assert_int_equal(back->feature_ro_compat, ~0ull);

	memset(slot, 0, LVR_SUPER_BYTES);
	assert_int_equal(decode(DEVICE_SECT, &err), -ENODATA);
	assert_says(&err, "magic");
}

static void a_grown_device_is_taken_a_shrunk_one_not(void **state)
{
	struct lvr_err err;

	(void)state;
	make_plain();
	lvr_super_encode(slot, sb);
	assert_int_equal(decode(DEVICE_SECT + 1, &err), 0);
	assert_int_equal(decode(U64_MAX, &err), 0);
	assert_int_equal(decode(DEVICE_SECT - 1, &err), -EINVAL);
	assert_says(&err, "shrunk");
}

static void the_slot_that_counts(void **state)
{
	static const int rets[] = { 0, -ENODATA, -EINVAL, -EPROTONOSUPPORT };
	u32 a, b;

	(void)state;
	memset(sb, 0, sizeof(*sb));
	memset(back, 0, sizeof(*back));
	sb->log_id = back->log_id = 5;
	for (a = 0; a < 4; a++) {
		for (b = 0; b < 4; b++) {
			int expected;

			sb->sb_seq = 7, back->sb_seq = 8;
			if (rets[a] == -EPROTONOSUPPORT || rets[b] == -EPROTONOSUPPORT)
				expected = -EPROTONOSUPPORT;
			else if (!rets[b])
				expected = 1;
			else if (!rets[a])
				expected = 0;
			else
				expected = a == 1 && b == 1 ? -ENODATA : -EINVAL;
			check(lvr_super_choose(sb, rets[a], back, rets[b]) == expected, "%d %d",
			      rets[a], rets[b]);
		}
	}
	assert_int_equal(lvr_super_choose(back, 0, sb, 0), 0);
	sb->sb_seq = 1ull << 63, back->sb_seq = (1ull << 63) - 1;
	assert_int_equal(lvr_super_choose(sb, 0, back, 0), 0);
	assert_int_equal(lvr_super_choose(back, 0, sb, 0), 1);
	back->log_id = 6;
	assert_int_equal(lvr_super_choose(sb, 0, back, 0), -EINVAL);
}

static void slots_alternate_and_lie_apart(void **state)
{
	u64 seq;

	(void)state;
	for (seq = 0; seq < 10; seq++) {
		assert_int_equal(lvr_super_slot_sect(seq), seq % 2 ? 64 : 0);
		assert_int_not_equal(lvr_super_slot_sect(seq), lvr_super_slot_sect(seq + 1));
	}
	assert_int_equal(lvr_super_slot_sect(U64_MAX), 64);
}

#define MAKE_CASES(X)								\
	X("the group has no good name", make.group_name = NULL)			\
	X("the group has no good name", make.group_name = "")			\
	X("the group has no good name", make.group_name = ".hidden")		\
	X("the group has no good name", make.group_name = "a b")		\
	X("the group has no good name", make.group_name = "0123456789012345678901234567890x")	\
	X("uuid", make.group_uuid = NULL)					\
	X("uuid", make.group_uuid = zero_uuid)					\
	X("log id", make.log_id = 0)						\
	X("log blocks", make.block_bytes = 1023)				\
	X("log blocks", make.block_bytes = 65536)				\
	X("sectors, at most", make.device_sect = U64_MAX)			\
	X("too small", make.device_sect = 0)					\
	X("too small", make.device_sect = 16384)				\
	X("members", make.members = 0)						\
	X("members", make.members = LVR_MAX_MEMBERS + 1)			\
	X("not among", make.self = 2)						\
	X("not among", make.self = 8)						\
	X("member id 8", make.member_id[0] = 8)					\
	X("given twice", make.member_id[0] = 1)					\
	X("both named beta", make.member_name[0] = "beta")			\
	X("no good name", make.member_name[0] = NULL)				\
	X("no good name", make.member_name[1] = "-x")				\
	X("volumes, at most", make.volumes = LVR_MAX_VOLUMES + 1)		\
	X("volume id 128", bad[0].id = 128)					\
	X("given twice", bad[0].id = 7)						\
	X("both named wal", strcpy(bad[0].name, "wal"))				\
	X("no good name", bad[1].name[0] = 0)					\
	X("sectors long", bad[1].size_sect = 0)					\
	X("blocks of", bad[1].block_bytes = 0)

static void a_log_that_cannot_be_is_not_made(void **state)
{
	static const u8 zero_uuid[LVR_UUID_BYTES];
	struct lvr_volume_entry bad[LVR_MAX_VOLUMES + 1];
	struct lvr_super_make make;
	struct lvr_err err;

	(void)state;
#define X(says, change)								\
	make = plain_make();							\
	memset(bad, 0, sizeof(bad));						\
	memcpy(bad, volumes, sizeof(volumes));					\
	make.volume = bad;							\
	(void)(change);								\
	check(lvr_super_make(sb, &make, &err) == -EINVAL, "%s", #change);	\
	check(strstr(err.text, says), "%s: \"%s\"", #change, err.text);
	MAKE_CASES(X)
#undef X
}

/* whatever is made decodes, which checks that the areas lie apart */
static void every_device_size(void **state)
{
	struct lvr_super_make make = plain_make();
	struct lvr_err err = {};
	u64 least = 0, sect;
	u32 block;

	(void)state;
	for (block = 512; block <= 4096; block *= 2) {
		make.block_bytes = block;
		least = 0;
		for (sect = 1 << 14; sect < 1ull << 46; sect += 1 + sect / 61) {
			make.device_sect = sect;
			if (lvr_super_make(sb, &make, &err)) {
				check(!least, "%llu sectors do, %llu not", least, sect);
				continue;
			}
			if (!least)
				least = sect;
			lvr_super_encode(slot, sb);
			check(!decode(sect, &err), "%llu sectors: %s", sect, err.text);
			check(sb->ring_bytes >= LVR_RING_MIN_BYTES &&
			      sb->ring_bytes <= LVR_RING_MAX_BYTES, "%llu sectors", sect);
			check(sb->ring_bytes == LVR_RING_MAX_BYTES ||
			      sect * 512 - (sb->ring_start_sect * 512 + sb->ring_bytes) < block,
			      "%llu sectors: some are not used", sect);
			check(sb->member[0].map_bytes >= LVR_MAP_AREA_MIN_BYTES &&
			      sb->member[0].map_bytes <= LVR_MAP_AREA_MAX_BYTES, "%llu", sect);
		}
		assert_true(least && least < 20480);	/* 10 MiB */
		/* the message says what is needed, and that is enough, and less is not */
		make.device_sect = 1;
		assert_int_equal(lvr_super_make(sb, &make, &err), -EINVAL);
		make.device_sect = strtoull(strstr(err.text, "needs ") + 6, NULL, 10);
		assert_int_equal(lvr_super_make(sb, &make, &err), 0);
		assert_int_equal(sb->ring_bytes, LVR_RING_MIN_BYTES);
		make.device_sect--;
		assert_int_equal(lvr_super_make(sb, &make, &err), -EINVAL);
	}
}

/* a bit for every region fits one of the two slots of a map, as long as regions can grow */
static void maps_cover_the_volumes(void **state)
{
	static const u64 sizes[] = { 1, 1 << 11, 1ull << 21, 1ull << 31, 1ull << 36 };
	struct lvr_volume_entry volume = volumes[0];
	struct lvr_super_make make = plain_make();
	u32 i;

	(void)state;
	make.volume = &volume;
	make.volumes = 1;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 regions;

		volume.size_sect = sizes[i];
		assert_int_equal(lvr_super_make(sb, &make, NULL), 0);
		regions = (sizes[i] * 512 + sb->member[0].map_region_bytes - 1) /
			  sb->member[0].map_region_bytes;
		check(regions <= sb->member[0].map_bytes / 2 * 8, "%llu sectors in regions of %u",
		      sizes[i], sb->member[0].map_region_bytes);
		assert_int_equal(sb->stale_map_region_bytes, sb->member[0].map_region_bytes);
	}
}

static void names(void **state)
{
	static const char *const good[] = {
		"a", "_", "+", "0", "a-b", "a.b", "A_b+c-d.e", "node1", "0123456789012345678901234567890",
	};
	static const char *const bad[] = {
		"", "-", "-a", ".", "..", ".a", "a/b", "a b", "a\n", "a=b", "a:b", "a\\", "\xc3\xa4",
		"01234567890123456789012345678901", "a\x7f", "%s", "a*", "$(x)", "'",
	};
	u32 i, c;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++)
		check(lvr_name_ok(good[i], LVR_NAME_BYTES), "\"%s\"", good[i]);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		check(!lvr_name_ok(bad[i], LVR_NAME_BYTES), "\"%s\"", bad[i]);
	for (c = 1; c < 256; c++) {
		char name[3] = { 'a', c, 0 };

		check(lvr_name_ok(name, sizeof(name)) ==
		      (c < 128 && (strchr("_.+-", c) || (c >= '0' && c <= '9') ||
				   (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))), "%u", c);
	}
	/* not terminated within what may be read */
	assert_false(lvr_name_ok("abc", 3));
	assert_true(lvr_name_ok("abc", 4));
	assert_false(lvr_name_ok("abc", 0));
	/* a field holds nothing but its name */
	for (c = 0; c < LVR_NAME_BYTES; c++) {
		char field[LVR_NAME_BYTES] = "abc";

		assert_true(lvr_name_field_ok(field));
		if (c > 3) {
			field[c] = 'x';
			assert_false(lvr_name_field_ok(field));
		}
	}
}

static void group_id_is_half_the_uuid(void **state)
{
	(void)state;
	assert_int_equal(lvr_group_id(uuid), 0x0807060504030201ull);
}

/* ------------------------------------------------------------------ history */

static void history_of(const u64 *first_seqs, u32 count)
{
	u32 i;

	memset(sb, 0, sizeof(*sb));
	for (i = 0; i < count; i++) {
		const struct lvr_generation g = { .gen = 100 + i, .first_seq = first_seqs[i] };

		assert_int_equal(lvr_super_add_generation(sb, &g), 0);
	}
}

static void generations_are_added_in_order_once(void **state)
{
	struct lvr_generation g = { .gen = 1, .first_seq = 10, .member = 1 };
	u32 i;

	(void)state;
	memset(sb, 0, sizeof(*sb));
	assert_null(lvr_super_generation(sb));
	assert_null(lvr_super_find_generation(sb, 1));
	assert_int_equal(lvr_super_add_generation(sb, &g), 0);
	assert_int_equal(lvr_super_add_generation(sb, &g), -EINVAL);
	g.gen = 2;
	g.first_seq = 9;
	assert_int_equal(lvr_super_add_generation(sb, &g), -EINVAL);
	g.first_seq = 10;
	g.member = LVR_MAX_MEMBERS;
	assert_int_equal(lvr_super_add_generation(sb, &g), -EINVAL);
	g.member = 0;
	assert_int_equal(lvr_super_add_generation(sb, &g), 0);
	g.gen = 0;
	assert_int_equal(lvr_super_add_generation(sb, &g), -EINVAL);
	for (i = 3; i <= LVR_MAX_HISTORY; i++) {
		g.gen = i;
		assert_int_equal(lvr_super_add_generation(sb, &g), 0);
	}
	g.gen = i;
	assert_int_equal(lvr_super_add_generation(sb, &g), -ENOSPC);
	assert_int_equal(sb->history_entries, LVR_MAX_HISTORY);
	assert_int_equal(lvr_super_generation(sb)->gen, LVR_MAX_HISTORY);
	assert_int_equal(lvr_super_find_generation(sb, 2)->first_seq, 10);
	assert_null(lvr_super_find_generation(sb, i));
}

/* generation of the record before seq: the newest that begins before it */
static u64 generation_before(u64 seq)
{
	u64 gen = 0;
	u32 i;

	for (i = 0; i < sb->history_entries; i++)
		if (sb->history[i].first_seq < seq)
			gen = sb->history[i].gen;
	return gen;
}

static void pruning_keeps_what_members_stand_on(void **state)
{
	static const u64 first[] = { 0, 4, 4, 7, 7, 7, 9 };
	u64 seq, at;

	(void)state;
	for (seq = 0; seq < 14; seq++) {
		u64 expected[14];
		u32 entries;

		history_of(first, ARRAY_SIZE(first));
		for (at = seq; at < 14; at++)
			expected[at] = generation_before(at);
		lvr_super_prune_history(sb, seq);
		for (at = max(seq, 1ull); at < 14; at++)
			check(generation_before(at) == expected[at] && expected[at],
			      "pruned at %llu, seq %llu", seq, at);
		assert_int_equal(lvr_super_generation(sb)->gen, 100 + ARRAY_SIZE(first) - 1);
		/* and nothing more: the second one is needed by nobody before it */
		check(sb->history_entries == 1 || sb->history[1].first_seq >= seq, "%llu", seq);
		entries = sb->history_entries;
		lvr_super_prune_history(sb, seq);
		assert_int_equal(sb->history_entries, entries);
	}
	memset(sb, 0, sizeof(*sb));
	lvr_super_prune_history(sb, 5);
	assert_int_equal(sb->history_entries, 0);
}

static void truncation_drops_what_has_no_record(void **state)
{
	static const u64 first[] = { 0, 4, 4, 7, 9 };
	u64 seq, keep;
	u32 i, at;

	(void)state;
	for (seq = 0; seq < 12; seq++) {
		for (keep = 99; keep < 106; keep++) {
			history_of(first, ARRAY_SIZE(first));
			lvr_super_truncate_history(sb, seq, keep);
			for (i = 0, at = 0; i < ARRAY_SIZE(first); i++) {
				bool stays = first[i] < seq || (first[i] == seq && 100 + i == keep);

				check(stays == !!lvr_super_find_generation(sb, 100 + i),
				      "seq %llu, keep %llu, generation %u", seq, keep, i);
				if (stays)
					check(sb->history[at++].gen == 100 + i, "order");
			}
			check(sb->history_entries == at, "seq %llu", seq);
			check(lvr_is_zero(&sb->history[at], sizeof(sb->history[0])), "cleared");
		}
	}
}

static int make_buffers(void **state)
{
	(void)state;
	sb = must_alloc(sizeof(*sb));
	back = must_alloc(sizeof(*back));
	slot = must_alloc(LVR_SUPER_BYTES);
	return 0;
}

static int drop_buffers(void **state)
{
	(void)state;
	free(sb);
	free(back);
	free(slot);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_encoded_decoded_equal),
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(every_bit_of_a_slot_counts),
		cmocka_unit_test(a_torn_slot_is_not_taken),
		cmocka_unit_test(every_field_is_checked_behind_the_crc),
		cmocka_unit_test(what_is_not_understood_is_told_from_damage),
		cmocka_unit_test(a_grown_device_is_taken_a_shrunk_one_not),
		cmocka_unit_test(the_slot_that_counts),
		cmocka_unit_test(slots_alternate_and_lie_apart),
		cmocka_unit_test(a_log_that_cannot_be_is_not_made),
		cmocka_unit_test(every_device_size),
		cmocka_unit_test(maps_cover_the_volumes),
		cmocka_unit_test(names),
		cmocka_unit_test(group_id_is_half_the_uuid),
		cmocka_unit_test(generations_are_added_in_order_once),
		cmocka_unit_test(pruning_keeps_what_members_stand_on),
		cmocka_unit_test(truncation_drops_what_has_no_record),
	};

	return cmocka_run_group_tests_name("super", tests, make_buffers, drop_buffers);
}
