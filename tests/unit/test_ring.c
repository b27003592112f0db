// SPDX-License-Identifier: GPL-2.0-only
/* Ring arithmetic over every position of small rings, the index of boundaries against a plain model. */
#include "unit.h"
#include "ring.h"

/* positions around which numbers used to be too small */
static const u64 bases[] = {
	0, 1ull << 31, 1ull << 32, 1ull << 63, U64_MAX - (1 << 20),
};

static void places_go_round(void **state)
{
	u32 blocks, base, i;

	(void)state;
	for (blocks = 1; blocks <= 9; blocks++) {
		for (base = 0; base < ARRAY_SIZE(bases); base++) {
			const struct lvr_ring ring = { .start_sect = 1000, .bytes = blocks * 512,
						       .block_bytes = 512 };
			u64 off = bases[base] - bases[base] % ring.bytes;

			for (i = 0; i < 3 * blocks; i++, off += 512) {
				check(lvr_ring_sect(&ring, off) == 1000 + i % blocks,
				      "%u blocks, off %llu", blocks, off);
				check(lvr_ring_contiguous_bytes(&ring, off) ==
				      (blocks - i % blocks) * 512, "%u blocks, off %llu", blocks, off);
			}
		}
	}
}

static void a_sector_inside_a_block_has_its_place(void **state)
{
	const struct lvr_ring ring = { .start_sect = 2048, .bytes = 3 * 4096, .block_bytes = 4096 };
	u32 i;

	(void)state;
	for (i = 0; i < 100; i++) {
		check(lvr_ring_sect(&ring, i * 512) == 2048 + i % 24, "sector %u", i);
		check(lvr_ring_contiguous_bytes(&ring, i * 512) == (24 - i % 24) * 512, "sector %u",
		      i);
	}
}

static void used_and_room_everywhere(void **state)
{
	u32 blocks, tail, head, extent, reserve, b;

	(void)state;
	for (blocks = 1; blocks <= 5; blocks++) {
		const struct lvr_ring ring = { .bytes = blocks * 512, .block_bytes = 512 };

		for (b = 0; b < ARRAY_SIZE(bases); b++) {
			u64 base = bases[b] & ~511ull;

			for (tail = 0; tail < 3 * blocks; tail++) {
				for (head = 0; head < 3 * blocks; head++) {
					u64 t = base + tail * 512, h = base + head * 512;
					bool can_be = head >= tail && head - tail <= blocks;
					u64 used = lvr_ring_used_bytes(&ring, t, h);

					check(used == (can_be ? (head - tail) * 512ull : U64_MAX),
					      "%u blocks, %u to %u", blocks, tail, head);
					for (extent = 0; extent <= blocks + 1; extent++)
						for (reserve = 0; reserve <= blocks + 1; reserve++)
							check(lvr_ring_has_room(&ring, t, h,
										extent * 512,
										reserve * 512) ==
							      (can_be && head - tail + extent + reserve
							       <= blocks),
							      "%u blocks, %u to %u, %u and %u",
							      blocks, tail, head, extent, reserve);
				}
			}
		}
	}
}

static void room_does_not_overflow(void **state)
{
	const struct lvr_ring ring = { .bytes = 1 << 20, .block_bytes = 512 };

	(void)state;
	assert_false(lvr_ring_has_room(&ring, 0, 512, U64_MAX, 0));
	assert_false(lvr_ring_has_room(&ring, 0, 512, 512, U64_MAX));
	assert_false(lvr_ring_has_room(&ring, 0, 512, U64_MAX, U64_MAX));
	assert_false(lvr_ring_has_room(&ring, 0, 512, U64_MAX - 511, 512));
	assert_true(lvr_ring_has_room(&ring, U64_MAX - 511, U64_MAX - 511, 1 << 20, 0));
}

/* ------------------------------------------------------------------- seqmap */

/* every chunk there is; the map must never contradict it */
struct model {
	struct lvr_mark *chunk;
	u32 first, count, room;
};

static struct lvr_seqmap *map;

static void model_add(struct model *m, u64 *seed)
{
	const struct lvr_mark *last = &m->chunk[m->count - 1];
	struct lvr_mark *c = &m->chunk[m->count];

	assert_true(m->count < m->room);
	c->seq = m->count ? last->seq + (random_below(seed, 4) ? random_below(seed, 120) : 0) : 0;
	c->off = m->count ? last->off + 512 * (1 + random_below(seed, 8)) : 0;
	c->chain = next_random(seed);
	c->gen = 1;
	c->time_ms = m->count;
	m->count++;
	lvr_seqmap_add(map, c);
}

static const struct lvr_mark *mark(u32 i)
{
	return &map->mark[(map->first + i) % LVR_SEQMAP_ENTRIES];
}

/* marks are chunks of the model, in its order */
static void check_marks(const struct model *m)
{
	u32 i, at = 0;

	check(map->count <= LVR_SEQMAP_ENTRIES, "%u marks", map->count);
	for (i = 0; i < map->count; i++) {
		while (at < m->count && m->chunk[at].off < mark(i)->off)
			at++;
		check(at < m->count && !memcmp(&m->chunk[at], mark(i), sizeof(struct lvr_mark)),
		      "mark %u is no chunk", i);
		at++;
	}
}

static void check_find(const struct model *m, u64 seq)
{
	const struct lvr_mark *expected = NULL;
	struct lvr_mark found;
	bool is;
	u32 i;

	(void)m;
	for (i = 0; i < map->count; i++)
		if (mark(i)->seq <= seq && (!expected || mark(i)->seq > expected->seq))
			expected = mark(i);
	memset(&found, 0, sizeof(found));
	is = lvr_seqmap_find(map, seq, &found);
	check(is == !!expected, "seq %llu", seq);
	check(!is || !memcmp(&found, expected, sizeof(found)), "seq %llu", seq);
}

static void model_init(struct model *m, u32 room)
{
	memset(m, 0, sizeof(*m));
	m->chunk = must_alloc(room * sizeof(*m->chunk));
	m->room = room;
	lvr_seqmap_init(map);
}

static void an_empty_map_finds_nothing(void **state)
{
	struct lvr_mark found;

	(void)state;
	lvr_seqmap_init(map);
	assert_false(lvr_seqmap_find(map, 0, &found));
	assert_false(lvr_seqmap_find(map, U64_MAX, &found));
	lvr_seqmap_drop_before(map, 100);
	lvr_seqmap_drop_from(map, 0);
	assert_int_equal(map->count, 0);
}

static void a_map_with_room_knows_every_chunk(void **state)
{
	struct model m;
	u64 seed = 1;
	u32 i;

	(void)state;
	model_init(&m, LVR_SEQMAP_ENTRIES);
	for (i = 0; i < LVR_SEQMAP_ENTRIES; i++)
		model_add(&m, &seed);
	assert_int_equal(map->count, LVR_SEQMAP_ENTRIES);
	check_marks(&m);
	for (i = 0; i < m.count; i += 7)
		check_find(&m, m.chunk[i].seq);
	free(m.chunk);
}

static void of_equal_seqs_the_first_in_the_ring(void **state)
{
	struct lvr_mark found, add = { .chain = 1 };
	u32 i;

	(void)state;
	lvr_seqmap_init(map);
	for (i = 0; i < 30; i++) {
		add.seq = 100 + i / 10;
		add.off = i * 512;
		lvr_seqmap_add(map, &add);
	}
	assert_false(lvr_seqmap_find(map, 99, &found));
	for (i = 0; i < 3; i++) {
		assert_true(lvr_seqmap_find(map, 100 + i, &found));
		assert_int_equal(found.off, i * 10 * 512);
	}
	assert_true(lvr_seqmap_find(map, 5000, &found));
	assert_int_equal(found.seq, 102);
	assert_int_equal(found.off, 20 * 512);
}

static void the_stride_follows_the_number_of_chunks(void **state)
{
	const u32 chunks = 300000;
	struct model m;
	u64 seed = 2;
	u32 i, gap = 0, at = 0;

	(void)state;
	model_init(&m, chunks);
	for (i = 0; i < chunks; i++)
		model_add(&m, &seed);
	check_marks(&m);
	assert_int_equal(mark(0)->off, 0);
	/* marks lie no further apart than the number of them makes necessary */
	for (i = 1; i < map->count; i++, at += gap) {
		for (gap = 1; m.chunk[at + gap].off != mark(i)->off; )
			gap++;
		check(gap <= map->stride, "mark %u is %u chunks on, the stride is %u", i, gap,
		      map->stride);
	}
	assert_true(m.count - at <= 2 * map->stride);
	assert_true(map->stride <= 2 * (chunks / LVR_SEQMAP_ENTRIES + 1));
	assert_true(map->count >= LVR_SEQMAP_ENTRIES / 2);
	free(m.chunk);
}

/* appends, tail moves and truncations in any order */
static void the_map_never_contradicts_the_log(void **state)
{
	u64 seed = 3;
	struct model m;
	u32 step, i;

	(void)state;
	model_init(&m, 200000);
	model_add(&m, &seed);
	for (step = 0; step < 4000; step++) {
		u32 what = random_below(&seed, 100);

		if (m.count > 150000)
			break;
		if (what < 70) {
			for (i = random_below(&seed, 80); i; i--)
				model_add(&m, &seed);
		} else if (what < 90) {
			u32 span = m.count - m.first;

			m.first += random_below(&seed, span) / (1 + random_below(&seed, 30));
			lvr_seqmap_drop_before(map, m.chunk[m.first].off);
			/* every chunk that is still there can be reached from a mark */
			check(map->count && mark(0)->off <= m.chunk[m.first].off, "step %u", step);
		} else {
			u32 keep = m.count - random_below(&seed, (m.count - m.first) / 8 + 1);
			u64 off = keep < m.count ? m.chunk[keep].off :
				  m.chunk[m.count - 1].off + 512;

			lvr_seqmap_drop_from(map, off);
			m.count = max(keep, 1u);
			check(!map->count || mark(map->count - 1)->off < off, "step %u", step);
			if (!map->count || m.first >= m.count) {
				m.first = min(m.first, m.count - 1);
				model_add(&m, &seed);
				if (map->count == 1)
					m.first = m.count - 1;
			}
		}
		if (step % 16 == 0) {
			check_marks(&m);
			for (i = 0; i < 20; i++)
				check_find(&m, m.chunk[m.first + random_below(&seed,
							m.count - m.first)].seq);
			check_find(&m, 0);
			check_find(&m, U64_MAX);
		}
	}
	assert_true(step > 500);
	free(m.chunk);
}

static void the_mark_at_the_tail_stays(void **state)
{
	struct lvr_mark found, add = {};
	u32 i;

	(void)state;
	lvr_seqmap_init(map);
	for (i = 0; i < 10; i++) {
		add.seq = i * 10;
		add.off = i * 1024;
		lvr_seqmap_add(map, &add);
	}
	lvr_seqmap_drop_before(map, 3 * 1024);		/* on a mark */
	assert_int_equal(map->count, 7);
	assert_int_equal(mark(0)->off, 3 * 1024);
	lvr_seqmap_drop_before(map, 5 * 1024 + 512);	/* between two */
	assert_int_equal(map->count, 5);
	assert_int_equal(mark(0)->off, 5 * 1024);
	assert_false(lvr_seqmap_find(map, 49, &found));
	lvr_seqmap_drop_before(map, 100 * 1024);	/* behind all */
	assert_int_equal(map->count, 1);
	assert_int_equal(mark(0)->off, 9 * 1024);
}

static void what_follows_a_truncation_is_marked_at_once(void **state)
{
	struct lvr_mark found, add = {};
	u32 i;

	(void)state;
	lvr_seqmap_init(map);
	for (i = 0; i < 10 * LVR_SEQMAP_ENTRIES + 3; i++) {
		add.seq = i;
		add.off = i * 512ull;
		lvr_seqmap_add(map, &add);
	}
	assert_true(map->stride > 1);
	lvr_seqmap_drop_from(map, 9000 * 512ull);
	assert_true(lvr_seqmap_find(map, U64_MAX, &found));
	assert_true(found.seq < 9000);
	add.seq = 9000;
	add.off = 9000 * 512ull;
	add.chain = 42;
	lvr_seqmap_add(map, &add);
	assert_true(lvr_seqmap_find(map, 9000, &found));
	assert_int_equal(found.chain, 42);
	lvr_seqmap_drop_from(map, 9001 * 512ull);	/* nothing is there */
	assert_true(lvr_seqmap_find(map, 9000, &found));
	assert_int_equal(found.seq, 9000);
}

static int make_map(void **state)
{
	(void)state;
	map = must_alloc(sizeof(*map));
	return 0;
}

static int drop_map(void **state)
{
	(void)state;
	free(map);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_go_round),
		cmocka_unit_test(a_sector_inside_a_block_has_its_place),
		cmocka_unit_test(used_and_room_everywhere),
		cmocka_unit_test(room_does_not_overflow),
		cmocka_unit_test(an_empty_map_finds_nothing),
		cmocka_unit_test(a_map_with_room_knows_every_chunk),
		cmocka_unit_test(of_equal_seqs_the_first_in_the_ring),
		cmocka_unit_test(the_stride_follows_the_number_of_chunks),
		cmocka_unit_test(the_map_never_contradicts_the_log),
		cmocka_unit_test(the_mark_at_the_tail_stays),
		cmocka_unit_test(what_follows_a_truncation_is_marked_at_once),
	};

	return cmocka_run_group_tests_name("ring", tests, make_map, drop_map);
}
