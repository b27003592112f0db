// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ring arithmetic, and the index of chunk boundaries.
 *
 * off counts bytes since the log was made and never wraps, so tail and head
 * compare as plain numbers; only here it becomes a place on the device.
 */
#include "ring.h"

static u64 place_bytes(const struct lvr_ring *ring, u64 off)
{
	u64 rest;

	div64_u64_rem(off, ring->bytes, &rest);
	return rest;
}

/**
 * lvr_ring_sect - device sector of a position
 * @ring: the ring
 * @off: any position, a multiple of 512
 *
 * Any context, does not sleep.
 *
 * Return: sector on the log device.
 */
u64 lvr_ring_sect(const struct lvr_ring *ring, u64 off)
{
	return ring->start_sect + (place_bytes(ring, off) >> LVR_SECTOR_SHIFT);
}

/**
 * lvr_ring_contiguous_bytes - how far one I/O may go
 * @ring: the ring
 * @off: where it starts
 *
 * Any context, does not sleep.
 *
 * Return: bytes from @off to the end of the ring, never 0.
 */
u64 lvr_ring_contiguous_bytes(const struct lvr_ring *ring, u64 off)
{
	return ring->bytes - place_bytes(ring, off);
}

/**
 * lvr_ring_used_bytes - bytes between tail and head
 * @ring: the ring
 * @tail_off: oldest position in use
 * @head_off: position behind the newest
 *
 * Any context, does not sleep.
 *
 * Return: bytes, or ~0 if tail lies behind head or more than a lap before it.
 */
u64 lvr_ring_used_bytes(const struct lvr_ring *ring, u64 tail_off, u64 head_off)
{
	if (tail_off > head_off || head_off - tail_off > ring->bytes)
		return U64_MAX;
	return head_off - tail_off;
}

/**
 * lvr_ring_has_room - whether an extent fits
 * @ring: the ring
 * @tail_off: oldest position in use
 * @head_off: position behind the newest
 * @extent_bytes: wanted
 * @reserve_bytes: that must stay free behind it
 *
 * Any context, does not sleep.
 *
 * Return: false also for positions that cannot be.
 */
bool lvr_ring_has_room(const struct lvr_ring *ring, u64 tail_off, u64 head_off,
		       u64 extent_bytes, u64 reserve_bytes)
{
	u64 used_bytes = lvr_ring_used_bytes(ring, tail_off, head_off);
	u64 free_bytes;

	if (used_bytes == U64_MAX)
		return false;
	free_bytes = ring->bytes - used_bytes;
	return extent_bytes <= free_bytes && reserve_bytes <= free_bytes - extent_bytes;
}

static struct lvr_mark *mark_at(struct lvr_seqmap *map, u32 i)
{
	return &map->mark[(map->first + i) % LVR_SEQMAP_ENTRIES];
}

static const struct lvr_mark *mark_at_const(const struct lvr_seqmap *map, u32 i)
{
	return &map->mark[(map->first + i) % LVR_SEQMAP_ENTRIES];
}

/**
 * lvr_seqmap_init - empty a map
 * @map: the map
 *
 * Any context, does not sleep.
 */
void lvr_seqmap_init(struct lvr_seqmap *map)
{
	map->count = 0;
	map->stride = 1;
	map->since = 0;
	map->first = 0;
}

/* keep every second mark, the oldest among them */
static void seqmap_thin(struct lvr_seqmap *map)
{
	u32 i, kept = (map->count + 1) / 2;

	for (i = 1; i < kept; i++)
		*mark_at(map, i) = *mark_at(map, 2 * i);
	/* the last mark went if it had an odd index: it was a stride behind the one before */
	if (map->count % 2 == 0)
		map->since += map->stride;
	map->count = kept;
	map->stride *= 2;
}

/**
 * lvr_seqmap_add - tell the map of one more chunk
 * @map: the map
 * @mark: where the chunk starts
 *
 * Call for every chunk, in ring order. Any context, does not sleep; thinning
 * out a full map copies 1024 marks, once in so many strides of chunks.
 */
void lvr_seqmap_add(struct lvr_seqmap *map, const struct lvr_mark *mark)
{
	if (map->count) {
		map->since++;
		if (map->since < map->stride)
			return;
		if (map->count == LVR_SEQMAP_ENTRIES)
			seqmap_thin(map);
		if (map->since < map->stride)
			return;
	}
	*mark_at(map, map->count) = *mark;
	map->count++;
	map->since = 0;
}

static u64 mark_seq(const struct lvr_mark *mark)
{
	return mark->seq;
}

static u64 mark_off(const struct lvr_mark *mark)
{
	return mark->off;
}

/* how many marks have a key < limit: as no key decreases from mark to mark, they come first */
static u32 count_before(const struct lvr_seqmap *map, u64 (*key)(const struct lvr_mark *mark),
			u64 limit)
{
	u32 low = 0, high = map->count;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (key(mark_at_const(map, mid)) < limit)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * lvr_seqmap_find - where to start looking for a position
 * @map: the map
 * @seq: the position
 * @out: the greatest mark not behind it; of equal ones the first in the ring
 *
 * Any context, does not sleep.
 *
 * Return: false if all marks are behind @seq or there are none.
 */
bool lvr_seqmap_find(const struct lvr_seqmap *map, u64 seq, struct lvr_mark *out)
{
	u32 i = count_before(map, mark_seq, seq);

	if (i == map->count || mark_at_const(map, i)->seq != seq) {
		if (!i)
			return false;
		/* chunks without seqs share one: take the first of them */
		i = count_before(map, mark_seq, mark_at_const(map, i - 1)->seq);
	}
	*out = *mark_at_const(map, i);
	return true;
}

/**
 * lvr_seqmap_drop_before - follow the tail
 * @map: the map
 * @off: new tail; the last mark at or before it stays, so that every
 *	position from there on is still found
 *
 * Any context, does not sleep.
 */
void lvr_seqmap_drop_before(struct lvr_seqmap *map, u64 off)
{
	u32 keep_from = count_before(map, mark_off, off);

	if (keep_from && (keep_from == map->count || mark_at(map, keep_from)->off != off))
		keep_from--;
	map->first = (map->first + keep_from) % LVR_SEQMAP_ENTRIES;
	map->count -= keep_from;
	/* room again: let new marks lie closer */
	if (map->count < LVR_SEQMAP_ENTRIES / 4 && map->stride > 1)
		map->stride /= 2;
}

/**
 * lvr_seqmap_drop_from - follow a truncation
 * @map: the map
 * @off: first position that is gone
 *
 * Any context, does not sleep.
 */
void lvr_seqmap_drop_from(struct lvr_seqmap *map, u64 off)
{
	u32 count = count_before(map, mark_off, off);

	if (count == map->count)
		return;
	map->count = count;
	/* how far the last mark is back is not known: mark the next chunk */
	map->since = map->stride;
}
