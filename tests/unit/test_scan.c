// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery scan over rings in memory, written with the codec the way the log
 * writes them. Every kind of end that a crash, a truncation or a bad sector
 * can leave, on 512 and 4096 byte blocks, at small and at very large
 * positions, with the tail anywhere in the ring.
 */
#include "unit.h"
#include "scan.h"

#define MAX_CHUNKS	64
#define MAX_EXTENT	(4096 + 64 * 1024)

struct written {
	struct lvr_pos before;
	struct lvr_pos after;
	u32 extent_bytes;
	u32 used_bytes;		/* without the padding at the end */
	u32 pad_at_bytes;	/* padding between head and payload */
	u32 payload_at_bytes;
};

/* a ring and what was appended to it */
struct ring {
	u8 *bytes;
	struct lvr_super *sb;
	struct lvr_pos head;
	u64 incarnation;
	u64 gen;
	u64 seed;
	u32 count;
	struct written chunk[MAX_CHUNKS];
};

static const u8 uuid[LVR_UUID_BYTES] = { 0xaa, 1, 2, 3, 4, 5, 6, 7, 8 };

struct geometry {
	u32 block_bytes;
	u32 blocks;
	u64 seq;
	u64 off_blocks;
};

static const struct geometry geometries[] = {
	{ 512, 400, 0, 0 },
	{ 512, 400, (1ull << 31) - 20, 390 },
	{ 512, 400, (1ull << 32) - 20, (1ull << 23) - 3 },
	{ 512, 400, (1ull << 63) - 20, (1ull << 54) - 7 },
	{ 4096, 50, 0, 0 },
	{ 4096, 50, (1ull << 31) - 20, 47 },
	{ 4096, 50, (1ull << 32) - 20, (1ull << 20) - 1 },
	{ 4096, 50, (1ull << 63) - 20, (1ull << 51) - 5 },
};

static struct ring *ring_make(const struct geometry *g)
{
	struct ring *r = must_alloc(sizeof(*r));

	r->sb = must_alloc(sizeof(*r->sb));
	r->bytes = must_alloc((size_t)g->blocks * g->block_bytes);
	memcpy(r->sb->group_uuid, uuid, sizeof(uuid));
	r->sb->log_id = 0x10c;
	r->sb->incarnation = 5;
	r->sb->block_bytes = g->block_bytes;
	r->sb->ring_start_sect = 64;
	r->sb->ring_bytes = (u64)g->blocks * g->block_bytes;
	r->sb->tail_incarnation = 3;
	r->sb->tail.seq = g->seq;
	r->sb->tail.off = g->off_blocks * g->block_bytes;
	r->sb->tail.chain = 0xc0ffee;
	r->sb->tail.gen = 0x6e1;
	r->sb->history_entries = 1;
	r->sb->history[0] = (struct lvr_generation){ .gen = 0x6e1, .first_seq = g->seq ? g->seq - 1 : 0 };
	r->head = r->sb->tail;
	r->incarnation = 5;
	r->gen = 0x6e1;
	r->seed = g->seq + g->block_bytes;
	return r;
}

static void ring_free(struct ring *r)
{
	free(r->bytes);
	free(r->sb);
	free(r);
}

/* byte of the ring at off */
static u8 *at(struct ring *r, u64 off)
{
	return &r->bytes[off % r->sb->ring_bytes];
}

static u32 until_wrap(struct ring *r, u64 off, u32 bytes)
{
	return min((u64)bytes, r->sb->ring_bytes - off % r->sb->ring_bytes);
}

static void copy_in(struct ring *r, u64 off, const u8 *from, u32 bytes)
{
	u32 first = until_wrap(r, off, bytes);

	memcpy(at(r, off), from, first);
	memcpy(r->bytes, from + first, bytes - first);
}

static void copy_out(struct ring *r, u64 off, u8 *to, u32 bytes)
{
	u32 first = until_wrap(r, off, bytes);

	memcpy(to, at(r, off), first);
	memcpy(to + first, r->bytes, bytes - first);
}

/* put back what was there */
static void restore(struct ring *r, const u8 *before, u64 off, u32 bytes)
{
	u32 first = until_wrap(r, off, bytes);

	memcpy(at(r, off), before + off % r->sb->ring_bytes, first);
	memcpy(r->bytes, before, bytes - first);
}

/* how an appended chunk differs from a right one */
struct twist {
	u64 log_id, group_id, gen, chain, seq_add;
	u32 off_add, extent_add, payload_at_add;
	u16 flags;
	u64 sync_no;
	bool dry;		/* only tell how long it would be */
};

static __le64 extent_space[MAX_EXTENT / 8];

static u32 append(struct ring *r, u32 records, u32 payload_sect, const struct twist *twist)
{
	static const struct twist none;
	const struct twist *t = twist ? twist : &none;
	u8 *extent = (u8 *)extent_space, *head = extent + LVR_ENVELOPE_BYTES, *payload;
	struct lvr_chunk_info info = {
		.records = records, .flags = t->flags, .gen = r->gen ^ t->gen,
		.first_seq = r->head.seq + t->seq_add,
		.group_id = lvr_group_id(uuid) ^ t->group_id, .time_ms = 1,
		.sync_no = t->sync_no, .sync_id = t->sync_no ? 77 : 0,
	};
	struct lvr_envelope env = {
		.log_id = r->sb->log_id ^ t->log_id, .incarnation = r->incarnation,
		.off = r->head.off + t->off_add,
	};
	u64 chain = r->head.chain ^ t->chain;
	struct written *w = &r->chunk[r->count];
	u32 i, j, left = payload_sect;

	info.head_bytes = LVR_CHUNK_HEAD_BYTES + records * LVR_RECORD_DESC_BYTES;
	w->payload_at_bytes = lvr_extent_payload_at_bytes(info.head_bytes);
	payload = extent + w->payload_at_bytes;
	memset(extent_space, 0, sizeof(extent_space));
	for (i = 0; i < records; i++) {
		struct lvr_record rec = { .type = LVR_REC_ZEROES, .volume = 1, .len_sect = 8,
					  .start_sect = i * 8 };

		if (i == 0 && t->flags & LVR_CHUNK_F_GENERATION) {
			rec = (struct lvr_record){ .type = LVR_REC_GENERATION, .arg = r->head.gen };
		} else if (left) {
			rec.type = LVR_REC_WRITE;
			rec.len_sect = i == records - 1 ? left : (left + records - 1) / records;
			left -= rec.len_sect;
			for (j = 0; j < rec.len_sect * 512; j++)
				payload[j] = next_random(&r->seed);
			rec.data_hash = lvr_xxh64(payload, rec.len_sect * 512, 0);
			payload += rec.len_sect * 512;
			info.payload_bytes += rec.len_sect * 512;
		}
		lvr_record_encode((struct lvr_record_desc *)(head + LVR_CHUNK_HEAD_BYTES) + i, &rec);
	}
	if (t->flags & LVR_CHUNK_F_GENERATION)
		chain = lvr_chain_start(chain, info.gen, info.first_seq);
	chain = lvr_chunk_encode(head, &info, chain);
	env.extent_bytes = lvr_extent_bytes(info.head_bytes, info.payload_bytes,
					    r->sb->block_bytes) + t->extent_add;
	env.payload_at_bytes = w->payload_at_bytes + t->payload_at_add;
	lvr_envelope_encode((struct lvr_disk_envelope *)extent, &env);
	if (t->dry)
		return env.extent_bytes;

	check(r->count < MAX_CHUNKS && env.extent_bytes <= MAX_EXTENT, "test too large");
	w->before = r->head;
	w->extent_bytes = env.extent_bytes;
	w->used_bytes = w->payload_at_bytes + info.payload_bytes;
	w->pad_at_bytes = LVR_ENVELOPE_BYTES + info.head_bytes;
	copy_in(r, r->head.off, extent, env.extent_bytes);
	r->head.off += env.extent_bytes;
	r->head.seq = lvr_chunk_end_seq(&info);
	if (!(t->flags & LVR_CHUNK_F_NOSEQ)) {
		r->head.chain = chain;
		r->head.gen = info.gen;
	}
	w->after = r->head;
	r->count++;
	return env.extent_bytes;
}

/* chunks of all shapes */
static void append_some(struct ring *r, u32 count)
{
	while (count--) {
		u32 payload_sect = random_below(&r->seed, 5) ? random_below(&r->seed, 7) : 0;

		append(r, 1 + random_below(&r->seed, 5) * random_below(&r->seed, 5), payload_sect,
		       NULL);
	}
}

/* read as recovery reads: never a byte more than was asked for */
static u32 run_scan(struct ring *r, struct lvr_scan *scan)
{
	static u8 extent[MAX_EXTENT] __attribute__((aligned(8)));
	u32 taken = 0, i;

	lvr_scan_begin(scan, r->sb);
	while (!lvr_scan_done(scan)) {
		u32 bytes = max(r->sb->block_bytes, (u32)LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES);
		u32 need = 0;
		u8 *payload;
		int ret;

		copy_out(r, scan->pos.off, extent, bytes);
		ret = lvr_scan_head(scan, extent, bytes, &need);
		if (ret == -EAGAIN) {
			check(need > bytes && need <= LVR_ENVELOPE_BYTES + LVR_CHUNK_MAX_HEAD_BYTES,
			      "needs %u of %u", need, bytes);
			copy_out(r, scan->pos.off, extent, need);
			ret = lvr_scan_head(scan, extent, need, &need);
		}
		check(ret == 0 || ret == -ENODATA, "%d", ret);
		check((ret == 0) == (scan->end == LVR_SCAN_MORE), "%d, %u", ret, scan->end);
		if (ret)
			break;
		check(scan->envelope.extent_bytes <= sizeof(extent), "%u bytes",
		      scan->envelope.extent_bytes);
		copy_out(r, scan->pos.off, extent, scan->envelope.extent_bytes);
		payload = extent + scan->envelope.payload_at_bytes;
		for (i = 0; i < scan->chunk.records && !ret; i++) {
			struct lvr_record rec;
			u32 payload_bytes;

			lvr_chunk_record(extent + LVR_ENVELOPE_BYTES, i, &rec);
			payload_bytes = lvr_record_payload_bytes(&rec);
			if (!payload_bytes)
				continue;
			check(payload + payload_bytes <= extent + scan->envelope.extent_bytes, "payload");
			ret = lvr_scan_record_hash(scan, extent + LVR_ENVELOPE_BYTES, i,
						  lvr_xxh64(payload, payload_bytes, 0));
			payload += payload_bytes;
		}
		if (ret)
			break;
		lvr_scan_accept(scan);
		taken++;
	}
	check(scan->end != LVR_SCAN_MORE && scan->why.text[0], "it says why it ended");
	return taken;
}

static void check_taken(struct ring *r, u32 expected, enum lvr_scan_end end)
{
	const struct lvr_pos *pos;
	struct lvr_scan scan;
	u32 taken = run_scan(r, &scan);

	check(taken == expected, "%u chunks, expected %u: %s", taken, expected, scan.why.text);
	pos = expected ? &r->chunk[expected - 1].after : &r->sb->tail;
	check(!memcmp(&scan.pos, pos, sizeof(*pos)), "position behind chunk %u", expected);
	check(scan.end == end, "ended as %s, expected %s: %s", lvr_scan_end_name(scan.end),
	      lvr_scan_end_name(end), scan.why.text);
}

/* the same without judging why it ended */
static u32 scan_count(struct ring *r)
{
	struct lvr_scan scan;
	u32 taken = run_scan(r, &scan);
	const struct lvr_pos *pos = taken ? &r->chunk[taken - 1].after : &r->sb->tail;

	check(!memcmp(&scan.pos, pos, sizeof(*pos)), "position behind chunk %u", taken);
	return taken;
}

#define for_each_ring(r)							\
	for (u32 g_ = 0; g_ < ARRAY_SIZE(geometries); g_++)			\
		for (struct ring *r = ring_make(&geometries[g_]); r; ring_free(r), r = NULL)

static void an_empty_log(void **state)
{
	(void)state;
	for_each_ring(r)
		check_taken(r, 0, LVR_SCAN_NO_ENVELOPE);
}

static void a_whole_log_up_to_its_end(void **state)
{
	(void)state;
	for_each_ring(r) {
		append_some(r, 20);
		check_taken(r, 20, LVR_SCAN_NO_ENVELOPE);
		/* and from every later tail */
		for (u32 i = 0; i < 20; i++) {
			struct lvr_scan scan;

			r->sb->tail = r->chunk[i].before;
			check(run_scan(r, &scan) == 20 - i, "from %u: %s", i, scan.why.text);
		}
	}
}

static void a_tail_anywhere_in_the_ring(void **state)
{
	struct geometry g = geometries[0];
	u32 place;

	(void)state;
	for (place = 0; place < g.blocks; place++) {
		struct ring *r;

		g.off_blocks = 7 * g.blocks + place;
		r = ring_make(&g);
		append_some(r, 20);
		check_taken(r, 20, LVR_SCAN_NO_ENVELOPE);
		ring_free(r);
	}
}

static void the_largest_head(void **state)
{
	(void)state;
	for_each_ring(r) {
		append(r, LVR_CHUNK_MAX_RECORDS, 3, NULL);
		append(r, 1, 0, NULL);
		check_taken(r, 2, LVR_SCAN_NO_ENVELOPE);
	}
}

/* exactly one lap, not a byte free */
static void a_ring_that_is_full(void **state)
{
	(void)state;
	for_each_ring(r) {
		u32 n;

		append_some(r, 8);
		while (r->head.off < r->sb->tail.off + r->sb->ring_bytes) {
			const struct twist dry = { .dry = true };
			u64 left = r->sb->tail.off + r->sb->ring_bytes - r->head.off;
			u32 sect = min(left / 512, 64ull);

			while (sect && append(r, 1, sect, &dry) > left)
				sect--;
			append(r, 1, sect, NULL);
		}
		n = r->count;
		assert_int_equal(r->head.off, r->sb->tail.off + r->sb->ring_bytes);
		check_taken(r, n, LVR_SCAN_FULL);
		/* the tail moved on: the scan comes round to where it was */
		r->sb->tail = r->chunk[1].before;
		{
			struct lvr_scan scan;

			assert_int_equal(run_scan(r, &scan), n - 1);
			assert_int_equal(scan.end, LVR_SCAN_STALE);
		}
	}
}

/* ------------------------------------------------------- the corrupt tail */

/*
 * Bytes from `off` up to the head are replaced. A chunk is whole if all that
 * means something in it is as it was; the scan must take all whole chunks up
 * to the first that is not, neither more nor fewer.
 */
static u32 whole_chunks(struct ring *r, const u8 *before)
{
	u32 i, j;

	for (i = 0; i < r->count; i++) {
		const struct written *w = &r->chunk[i];
		u64 place = w->before.off % r->sb->ring_bytes;

		for (j = 0; j < w->used_bytes; j++, place++) {
			if (place == r->sb->ring_bytes)
				place = 0;
			if (j >= w->pad_at_bytes && j < w->payload_at_bytes)
				continue;
			if (r->bytes[place] != before[place])
				return i;
		}
	}
	return r->count;
}

enum filling { ZEROES, ONES, PATTERN, REPEAT, RANDOM, FILLINGS };

static u8 filled(struct ring *r, enum filling filling, u64 off)
{
	switch (filling) {
	case ONES:
		return 0xff;
	case PATTERN:
		return "\xde\xad\xbe\xef"[off % 4];
	case REPEAT:	/* what lies a chunk earlier */
		return *at(r, off - r->chunk[r->count - 1].extent_bytes);
	case RANDOM:
		return next_random(&r->seed);
	default:
		return 0;
	}
}

static void cut_at_each_byte_of_the_last_chunks(void **state)
{
	(void)state;
	for_each_ring(r) {
		u8 *before = must_alloc(r->sb->ring_bytes);
		struct lvr_pos start;
		u32 bytes, cut;

		append_some(r, 3);
		start = r->head;
		append(r, 1, 1, NULL);
		append(r, 3, 2, NULL);
		append(r, 2, 0, NULL);
		memcpy(before, r->bytes, r->sb->ring_bytes);
		bytes = r->head.off - start.off;
		for (cut = 0; cut < bytes; cut++) {
			enum filling filling;

			/* all fillings on sector borders, where devices tear; two elsewhere */
			for (filling = 0; filling < FILLINGS; filling++) {
				u32 i, expected, taken;

				if (cut % 512 && filling != ZEROES && filling != cut % FILLINGS)
					continue;
				for (i = cut; i < bytes; i++)
					*at(r, start.off + i) = filled(r, filling, start.off + i);
				expected = whole_chunks(r, before);
				taken = scan_count(r);
				check(taken == expected, "cut at byte %u, filling %u: %u chunks, expected %u",
				      cut, filling, taken, expected);
				restore(r, before, start.off, bytes);
			}
		}
		check_taken(r, r->count, LVR_SCAN_NO_ENVELOPE);
		free(before);
	}
}

/* one sector of one of the last chunks never reached the device */
static void any_sector_missing(void **state)
{
	(void)state;
	for_each_ring(r) {
		u8 *before = must_alloc(r->sb->ring_bytes);
		u64 off, first;

		append_some(r, 3);
		first = r->head.off;
		append_some(r, 4);
		memcpy(before, r->bytes, r->sb->ring_bytes);
		for (off = first; off < r->head.off; off += 512) {
			u32 expected, taken;

			memset(at(r, off), 0x5a, 512);
			expected = whole_chunks(r, before);
			taken = scan_count(r);
			check(taken == expected, "sector at %llu: %u, expected %u", off, taken, expected);
			memcpy(r->bytes, before, r->sb->ring_bytes);
		}
		free(before);
	}
}

static void every_bit_of_the_last_chunk(void **state)
{
	(void)state;
	for_each_ring(r) {
		const struct written *w;
		u32 bit;

		append_some(r, 2);
		append(r, 2, 1, NULL);
		w = &r->chunk[2];
		for (bit = 0; bit < w->extent_bytes * 8; bit++) {
			u32 byte = bit / 8;
			bool padding = (byte >= w->pad_at_bytes && byte < w->payload_at_bytes) ||
				       byte >= w->used_bytes;

			*at(r, w->before.off + byte) ^= 1 << bit % 8;
			if (padding)
				check_taken(r, 3, LVR_SCAN_NO_ENVELOPE);
			else if (byte < 8)
				check_taken(r, 2, LVR_SCAN_NO_ENVELOPE);
			else
				check_taken(r, 2, LVR_SCAN_TORN);
			*at(r, w->before.off + byte) ^= 1 << bit % 8;
		}
	}
}

static void nothing_behind_a_damaged_chunk_is_taken(void **state)
{
	(void)state;
	for_each_ring(r) {
		u32 i;

		append_some(r, 12);
		for (i = 0; i < 12; i++) {
			u64 off = r->chunk[i].before.off + r->chunk[i].pad_at_bytes - 1;

			*at(r, off) ^= 1;
			check_taken(r, i, LVR_SCAN_TORN);
			*at(r, off) ^= 1;
		}
		check_taken(r, 12, LVR_SCAN_NO_ENVELOPE);
	}
}

/* ---------------------------------------------------------------- leftovers */

/* the log has gone round: at its head lie chunks of the lap before, whole */
static void chunks_of_an_earlier_lap(void **state)
{
	(void)state;
	for_each_ring(r) {
		struct lvr_scan scan;

		/* extents of 4096 bytes, so that laps lie exactly over each other */
		while (r->head.off < r->sb->tail.off + r->sb->ring_bytes)
			append(r, 1, 7, NULL);
		check_taken(r, r->count, LVR_SCAN_FULL);
		r->sb->tail = r->chunk[r->count - 5].before;
		append(r, 1, 7, NULL);
		append(r, 1, 7, NULL);
		check(run_scan(r, &scan) == 7, "%s", scan.why.text);
		assert_int_equal(scan.end, LVR_SCAN_STALE);
		assert_says(&scan.why, "off");
		assert_memory_equal(&scan.pos, &r->head, sizeof(scan.pos));
	}
}

/* truncated and written again: chunks of the old line still lie exactly behind */
static void chunks_from_behind_a_truncation(void **state)
{
	(void)state;
	for_each_ring(r) {
		struct lvr_pos fork;
		u32 i;

		for (i = 0; i < 10; i++)
			append(r, 1, 1, NULL);
		fork = r->chunk[6].before;
		/* the same log and generation goes on from the fork, one incarnation higher */
		r->incarnation = ++r->sb->incarnation;
		r->head = fork;
		r->count = 6;
		append(r, 1, 1, NULL);
		check_taken(r, 7, LVR_SCAN_STALE);
		/* also if the old chunk continues the new one in everything else */
		append(r, 1, 1, NULL);
		append(r, 1, 1, NULL);
		r->incarnation = 5;
		append(r, 1, 1, NULL);
		check_taken(r, 9, LVR_SCAN_STALE);
	}
}

/*
 * Truncated, a new generation noted, and the machine stopped before anything
 * was written: the old line is whole, but the history says where it ended.
 */
static void a_generation_that_has_ended_does_not_come_back(void **state)
{
	(void)state;
	for_each_ring(r) {
		struct lvr_generation g = { .gen = 0x777, .member = 1 };

		append_some(r, 10);
		g.first_seq = r->chunk[6].before.seq;
		g.fork_chain = r->chunk[6].before.chain;
		assert_int_equal(lvr_super_add_generation(r->sb, &g), 0);
		check_taken(r, 6, LVR_SCAN_FOREIGN);
	}
}

static void incarnations_rise_and_never_fall(void **state)
{
	(void)state;
	for_each_ring(r) {
		struct lvr_scan scan;

		r->incarnation = 3;
		append_some(r, 2);
		r->incarnation = 5;
		append_some(r, 2);
		/* above the superblock's: its newest slot was lost, the one before counts */
		r->incarnation = 9;
		append_some(r, 2);
		check_taken(r, 6, LVR_SCAN_NO_ENVELOPE);
		run_scan(r, &scan);
		assert_int_equal(lvr_scan_next_incarnation(&scan), 10);
		r->incarnation = 8;
		append_some(r, 1);
		check_taken(r, 6, LVR_SCAN_STALE);
		/* below the tail's lower bound */
		r->sb->tail_incarnation = 4;
		check_taken(r, 0, LVR_SCAN_STALE);
		run_scan(r, &scan);
		assert_int_equal(lvr_scan_next_incarnation(&scan), 6);
	}
}

/* ------------------------------------------------- whole, but of another line */

static void what_does_not_continue_is_not_taken(void **state)
{
	static const struct {
		struct twist twist;
		enum lvr_scan_end end;
		const char *says;
	} cases[] = {
		{ { .log_id = 1 }, LVR_SCAN_STALE, "log" },
		{ { .log_id = 1ull << 63 }, LVR_SCAN_STALE, "log" },
		{ { .off_add = 4096 }, LVR_SCAN_STALE, "off" },
		{ { .off_add = 1 }, LVR_SCAN_STALE, "off" },
		{ { .group_id = 1 }, LVR_SCAN_FOREIGN, "group" },
		{ { .gen = 1 }, LVR_SCAN_FOREIGN, "generation" },
		{ { .gen = 1ull << 63 }, LVR_SCAN_FOREIGN, "generation" },
		{ { .chain = 1 }, LVR_SCAN_FOREIGN, "chain" },
		{ { .chain = 1ull << 63 }, LVR_SCAN_FOREIGN, "chain" },
		{ { .seq_add = 1 }, LVR_SCAN_FOREIGN, "seq" },
		{ { .seq_add = -1ull }, LVR_SCAN_FOREIGN, "seq" },
		{ { .seq_add = 1ull << 32 }, LVR_SCAN_FOREIGN, "seq" },
		{ { .extent_add = 4096 }, LVR_SCAN_TORN, "envelope says" },
		{ { .payload_at_add = 512, .extent_add = 4096 }, LVR_SCAN_TORN, "envelope says" },
		{ { .flags = LVR_CHUNK_F_GENERATION }, LVR_SCAN_FOREIGN, "begins" },
		{ { .flags = LVR_CHUNK_F_GENERATION, .gen = 5 }, LVR_SCAN_FOREIGN, "begins" },
		{ { .flags = LVR_CHUNK_F_NOSEQ, .sync_no = 1, .seq_add = 1 }, LVR_SCAN_FOREIGN, "seq" },
		{ { .flags = LVR_CHUNK_F_NOSEQ, .sync_no = 1, .gen = 1 }, LVR_SCAN_FOREIGN,
		  "generation" },
		{ { .flags = LVR_CHUNK_F_NOSEQ, .sync_no = 1, .chain = 1 }, LVR_SCAN_FOREIGN, "chain" },
		{ { .flags = LVR_CHUNK_F_NOSEQ, .sync_no = 1, .group_id = 1 }, LVR_SCAN_FOREIGN,
		  "group" },
	};

	(void)state;
	for_each_ring(r) {
		struct lvr_pos head;
		u32 i, count;

		append_some(r, 4);
		head = r->head;
		count = r->count;
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			struct lvr_scan scan;

			r->head = head;
			r->count = count;
			/* a negative step from position 0 is no position at all */
			if (cases[i].twist.seq_add == -1ull && !head.seq)
				continue;
			append(r, 2, 1, &cases[i].twist);
			check_taken(r, count, cases[i].end);
			run_scan(r, &scan);
			check(strstr(scan.why.text, cases[i].says), "case %u: \"%s\" does not say \"%s\"",
			      i, scan.why.text, cases[i].says);
		}
	}
}

static void generations_begin_where_the_history_says(void **state)
{
	(void)state;
	for_each_ring(r) {
		struct lvr_generation g = { .gen = 0x777, .member = 1 };
		struct lvr_generation *noted;
		const struct twist first = { .flags = LVR_CHUNK_F_GENERATION };

		append_some(r, 3);
		g.first_seq = r->head.seq;
		g.fork_chain = r->head.chain;
		assert_int_equal(lvr_super_add_generation(r->sb, &g), 0);
		noted = &r->sb->history[r->sb->history_entries - 1];
		check_taken(r, 3, LVR_SCAN_NO_ENVELOPE);
		r->gen = 0x777;
		append(r, 3, 1, &first);
		append_some(r, 3);
		check_taken(r, 7, LVR_SCAN_NO_ENVELOPE);

		noted->fork_chain ^= 1;
		check_taken(r, 3, LVR_SCAN_FOREIGN);
		noted->fork_chain ^= 1;
		noted->first_seq++;
		check_taken(r, 3, LVR_SCAN_FOREIGN);
		noted->first_seq--;
		noted->gen++;
		check_taken(r, 3, LVR_SCAN_FOREIGN);
		noted->gen--;
		r->sb->history_entries--;
		check_taken(r, 3, LVR_SCAN_FOREIGN);
		r->sb->history_entries++;
		check_taken(r, 7, LVR_SCAN_NO_ENVELOPE);
		/* the older one pruned away, the tail still in it */
		r->sb->history[0] = r->sb->history[1];
		r->sb->history_entries = 1;
		check_taken(r, 7, LVR_SCAN_NO_ENVELOPE);
	}
}

static void begin(struct ring *r, u64 gen)
{
	struct lvr_generation g = {
		.gen = gen, .member = 1, .first_seq = r->head.seq, .fork_chain = r->head.chain,
	};
	const struct twist first = { .flags = LVR_CHUNK_F_GENERATION };

	assert_int_equal(lvr_super_add_generation(r->sb, &g), 0);
	r->gen = gen;
	append(r, 1, 1, &first);
	append_some(r, 2);
}

/* a history that was full has dropped generations whose records are still in the log */
static void a_history_without_its_oldest_entries(void **state)
{
	(void)state;
	for_each_ring(r) {
		append_some(r, 3);
		begin(r, 0x777);
		begin(r, 0x888);
		begin(r, 0x999);
		check_taken(r, 12, LVR_SCAN_NO_ENVELOPE);
		lvr_super_prune_history(r->sb, r->head.seq);
		assert_int_equal(r->sb->history_entries, 1);
		check_taken(r, 12, LVR_SCAN_NO_ENVELOPE);
		/* what is left still says where the older ones ended */
		r->sb->history[0].first_seq = r->chunk[7].before.seq;
		r->sb->history[0].fork_chain = r->chunk[7].before.chain;
		check_taken(r, 7, LVR_SCAN_FOREIGN);
	}
}

/* an empty generation that a crash left in the history does not stand in the way */
static void an_unused_generation_in_the_history(void **state)
{
	(void)state;
	for_each_ring(r) {
		struct lvr_generation g = { .gen = 0x777, .member = 1 };
		const struct twist first = { .flags = LVR_CHUNK_F_GENERATION };

		append_some(r, 3);
		g.first_seq = r->head.seq;
		g.fork_chain = r->head.chain;
		assert_int_equal(lvr_super_add_generation(r->sb, &g), 0);
		g.gen = 0x888;
		assert_int_equal(lvr_super_add_generation(r->sb, &g), 0);
		r->gen = 0x888;
		append(r, 1, 1, &first);
		append_some(r, 2);
		check_taken(r, 6, LVR_SCAN_NO_ENVELOPE);
	}
}

/* chunks without seqs stand between the others and change nothing */
static void synchronisation_chunks(void **state)
{
	(void)state;
	for_each_ring(r) {
		struct lvr_generation g = { .gen = 0x777, .member = 1 };
		struct twist sync = { .flags = LVR_CHUNK_F_NOSEQ };
		struct lvr_pos before;
		u32 i;

		append_some(r, 2);
		before = r->head;
		for (i = 0; i < 3; i++) {
			sync.sync_no++;
			append(r, 2, 2, &sync);
		}
		assert_int_equal(r->head.seq, before.seq);
		assert_int_equal(r->head.chain, before.chain);
		append_some(r, 2);
		check_taken(r, 7, LVR_SCAN_NO_ENVELOPE);
		/* sent under a generation that begins right here and has no record yet */
		g.first_seq = r->head.seq;
		g.fork_chain = r->head.chain;
		assert_int_equal(lvr_super_add_generation(r->sb, &g), 0);
		sync.sync_no++;
		append(r, 1, 1, &sync);
		sync.sync_no++;
		r->gen = 0x777;
		append(r, 1, 1, &sync);
		check_taken(r, 9, LVR_SCAN_NO_ENVELOPE);
	}
}

/* a length that leads past the lap is never followed */
static void a_chunk_longer_than_what_is_left_of_the_lap(void **state)
{
	(void)state;
	for_each_ring(r) {
		static u8 extent[MAX_EXTENT] __attribute__((aligned(8)));
		struct lvr_scan scan;
		u32 need, bytes;

		append(r, 1, 40, NULL);
		bytes = 4096;
		copy_out(r, r->sb->tail.off, extent, bytes);
		r->sb->ring_bytes = round_down(r->chunk[0].extent_bytes - 1, r->sb->block_bytes);
		lvr_scan_begin(&scan, r->sb);
		assert_int_equal(lvr_scan_head(&scan, extent, bytes, &need), -ENODATA);
		assert_int_equal(scan.end, LVR_SCAN_TORN);
		assert_says(&scan.why, "left in the lap");
	}
}

static void it_asks_for_the_bytes_it_needs(void **state)
{
	(void)state;
	for_each_ring(r) {
		static u8 extent[8192] __attribute__((aligned(8)));
		struct lvr_scan scan;
		u32 bytes, need, head_bytes = LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES +
					      30 * LVR_RECORD_DESC_BYTES;

		append(r, 30, 0, NULL);
		copy_out(r, r->sb->tail.off, extent, 2048);
		for (bytes = 0; bytes <= 2048; bytes += 8) {
			int ret;

			lvr_scan_begin(&scan, r->sb);
			need = 0;
			ret = lvr_scan_head(&scan, extent, bytes, &need);
			if (bytes >= head_bytes)
				check(ret == 0 && scan.chunk.records == 30, "%u bytes: %d", bytes, ret);
			else
				check(ret == -EAGAIN && need > bytes && need <= head_bytes &&
				      scan.end == LVR_SCAN_MORE, "%u bytes: %d, %u", bytes, ret, need);
		}
		/* judged again after it has ended: it stays ended */
		extent[0] ^= 1;
		lvr_scan_begin(&scan, r->sb);
		assert_int_equal(lvr_scan_head(&scan, extent, 2048, &need), -ENODATA);
		extent[0] ^= 1;
		assert_int_equal(lvr_scan_head(&scan, extent, 2048, &need), -ENODATA);
		assert_true(lvr_scan_done(&scan));
	}
}

static void a_record_that_is_not_there_has_no_hash(void **state)
{
	(void)state;
	for_each_ring(r) {
		static u8 extent[8192] __attribute__((aligned(8)));
		struct lvr_scan scan;
		u32 need;

		append(r, 2, 0, NULL);
		copy_out(r, r->sb->tail.off, extent, 2048);
		lvr_scan_begin(&scan, r->sb);
		assert_int_equal(lvr_scan_head(&scan, extent, 2048, &need), 0);
		assert_int_equal(lvr_scan_record_hash(&scan, extent + 64, 2, 0), -ENODATA);
		assert_int_equal(scan.end, LVR_SCAN_TORN);
	}
}

/* damage at random places, everywhere: never a chunk that is not whole, never a crash */
static void random_damage(void **state)
{
	u64 seed = 99;

	(void)state;
	for_each_ring(r) {
		u8 *before = must_alloc(r->sb->ring_bytes);
		u32 round, i;

		append_some(r, 15);
		memcpy(before, r->bytes, r->sb->ring_bytes);
		for (round = 0; round < 1500; round++) {
			u32 expected, taken;

			for (i = 1 + random_below(&seed, 4); i; i--) {
				u64 off = r->sb->tail.off +
					  random_below(&seed, r->head.off - r->sb->tail.off);
				u32 len = 1 + random_below(&seed, random_below(&seed, 2) ? 8 : 600);

				while (len--)
					*at(r, off++) = next_random(&seed);
			}
			expected = whole_chunks(r, before);
			taken = scan_count(r);
			check(taken == expected, "round %u: %u, expected %u", round, taken, expected);
			restore(r, before, r->sb->tail.off, r->head.off + 600 - r->sb->tail.off);
		}
		free(before);
	}
}

static void ends_have_names(void **state)
{
	u32 i, j;

	(void)state;
	for (i = LVR_SCAN_MORE; i <= LVR_SCAN_FULL; i++)
		for (j = LVR_SCAN_MORE; j < i; j++)
			assert_string_not_equal(lvr_scan_end_name(i), lvr_scan_end_name(j));
	assert_string_equal(lvr_scan_end_name(LVR_SCAN_TORN), "torn chunk");
	assert_string_equal(lvr_scan_end_name(LVR_SCAN_FULL + 1), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_log),
		cmocka_unit_test(a_whole_log_up_to_its_end),
		cmocka_unit_test(a_tail_anywhere_in_the_ring),
		cmocka_unit_test(the_largest_head),
		cmocka_unit_test(a_ring_that_is_full),
		cmocka_unit_test(cut_at_each_byte_of_the_last_chunks),
		cmocka_unit_test(any_sector_missing),
		cmocka_unit_test(every_bit_of_the_last_chunk),
		cmocka_unit_test(nothing_behind_a_damaged_chunk_is_taken),
		cmocka_unit_test(chunks_of_an_earlier_lap),
		cmocka_unit_test(chunks_from_behind_a_truncation),
		cmocka_unit_test(a_generation_that_has_ended_does_not_come_back),
		cmocka_unit_test(incarnations_rise_and_never_fall),
		cmocka_unit_test(what_does_not_continue_is_not_taken),
		cmocka_unit_test(generations_begin_where_the_history_says),
		cmocka_unit_test(a_history_without_its_oldest_entries),
		cmocka_unit_test(an_unused_generation_in_the_history),
		cmocka_unit_test(synchronisation_chunks),
		cmocka_unit_test(a_chunk_longer_than_what_is_left_of_the_lap),
		cmocka_unit_test(it_asks_for_the_bytes_it_needs),
		cmocka_unit_test(a_record_that_is_not_there_has_no_hash),
		cmocka_unit_test(random_damage),
		cmocka_unit_test(ends_have_names),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
