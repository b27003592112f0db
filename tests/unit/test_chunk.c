// SPDX-License-Identifier: GPL-2.0-only
/* Codec of chunks, records and envelopes: what goes in comes out, nothing damaged is taken. */
#include "unit.h"
#include "chunk.h"
#include "codec.h"

/* a head and its descriptors */
union head {
	u8 bytes[LVR_CHUNK_MAX_HEAD_BYTES];
	__le64 align;
	struct lvr_chunk_head fixed;
};

static struct lvr_record_desc *desc(union head *h, u32 i)
{
	return (struct lvr_record_desc *)(h->bytes + LVR_CHUNK_HEAD_BYTES) + i;
}

static void seal(union head *h)
{
	u32 bytes = le32_to_cpu(h->fixed.head_bytes);

	bytes = clamp(bytes, (u32)LVR_CHUNK_HEAD_BYTES, (u32)sizeof(h->bytes));
	h->fixed.crc = cpu_to_le32(lvr_crc_around(h->bytes, bytes,
						  offsetof(struct lvr_chunk_head, crc)));
}

static void random_data_record(struct lvr_record *r, u64 *seed, u32 max_sect)
{
	static const u8 types[] = { LVR_REC_WRITE, LVR_REC_WRITE, LVR_REC_DISCARD, LVR_REC_ZEROES };

	memset(r, 0, sizeof(*r));
	r->type = types[random_below(seed, ARRAY_SIZE(types))];
	r->flags = random_below(seed, 2) ? LVR_REC_F_FUA : 0;
	r->volume = random_below(seed, LVR_MAX_VOLUMES);
	r->len_sect = 1 + random_below(seed, max_sect);
	r->start_sect = random_below(seed, LVR_VOLUME_MAX_SECT - r->len_sect + 1);
	if (lvr_record_type_has_payload(r->type))
		r->data_hash = next_random(seed);
}

/* kinds: 0 ordinary, 1 begins a generation, 2 synchronisation */
static void random_chunk(union head *h, struct lvr_chunk_info *info, u32 records, u32 kind,
			 u64 *seed)
{
	struct lvr_record r;
	u32 i;

	memset(h, 0, sizeof(*h));
	memset(info, 0, sizeof(*info));
	info->head_bytes = LVR_CHUNK_HEAD_BYTES + records * LVR_RECORD_DESC_BYTES;
	info->records = records;
	info->flags = kind == 1 ? LVR_CHUNK_F_GENERATION : kind == 2 ? LVR_CHUNK_F_NOSEQ : 0;
	info->gen = next_random(seed) | 1;
	info->first_seq = next_random(seed) >> random_below(seed, 64);
	info->first_seq = min(info->first_seq, U64_MAX - LVR_CHUNK_MAX_RECORDS);
	info->group_id = next_random(seed);
	info->time_ms = next_random(seed);
	if (kind == 2) {
		info->sync_no = 1 + random_below(seed, 1000);
		info->sync_id = next_random(seed) | 1;
	}
	for (i = 0; i < records; i++) {
		random_data_record(&r, seed, (LVR_CHUNK_MAX_PAYLOAD_BYTES / records) >> 9 > 512 ?
				   512 : (LVR_CHUNK_MAX_PAYLOAD_BYTES / records) >> 9);
		if (kind == 1 && i == 0) {
			memset(&r, 0, sizeof(r));
			r.type = LVR_REC_GENERATION;
			r.arg = next_random(seed);
		} else if (kind == 2 && i == records - 1) {
			memset(&r, 0, sizeof(r));
			r.type = LVR_REC_SYNC_END;
			r.arg = next_random(seed);
		} else if (kind != 2 && i == records - 1 && random_below(seed, 3) == 0) {
			memset(&r, 0, sizeof(r));
			r.type = random_below(seed, 2) ? LVR_REC_HANDOVER : LVR_REC_MARKER;
			r.arg = r.type == LVR_REC_HANDOVER ? random_below(seed, LVR_MAX_MEMBERS) :
				next_random(seed);
		}
		lvr_record_encode(desc(h, i), &r);
		info->payload_bytes += lvr_record_payload_bytes(&r);
	}
}

static void round_trip(void **state)
{
	u64 seed = 1, before, after;
	u32 round, i;

	(void)state;
	for (round = 0; round < 3000; round++) {
		u32 records = round < 360 ? round / 3 + 1 : 1 + random_below(&seed, 120);
		struct lvr_chunk_info info, back;
		struct lvr_err err = {};
		union head h;

		random_chunk(&h, &info, records, round % 3, &seed);
		before = next_random(&seed);
		after = lvr_chunk_encode(&h, &info, before);
		memset(&back, 0xff, sizeof(back));
		check(!lvr_chunk_decode(&h, info.head_bytes, &back, &err), "%u: %s", round, err.text);
		info.chain = after;
		check(back.head_bytes == info.head_bytes && back.payload_bytes == info.payload_bytes &&
		      back.records == info.records && back.flags == info.flags &&
		      back.gen == info.gen && back.first_seq == info.first_seq &&
		      back.chain == info.chain && back.group_id == info.group_id &&
		      back.time_ms == info.time_ms && back.sync_no == info.sync_no &&
		      back.sync_id == info.sync_id, "round %u", round);
		check(lvr_chunk_chain(&h, &back, before) == after, "round %u", round);
		check(lvr_chunk_end_seq(&back) == info.first_seq + (round % 3 == 2 ? 0 : records),
		      "round %u", round);
		memset(&back, 0xff, sizeof(back));
		check(!lvr_chunk_peek(&h, &back, NULL) && back.head_bytes == info.head_bytes &&
		      back.payload_bytes == info.payload_bytes && back.chain == after,
		      "round %u", round);
		/* more bytes than the head needs do no harm */
		check(!lvr_chunk_decode(&h, sizeof(h), &back, &err), "%u: %s", round, err.text);
		for (i = 0; i < records; i++) {
			struct lvr_record_desc again;
			struct lvr_record r;

			lvr_chunk_record(&h, i, &r);
			lvr_record_encode(&again, &r);
			check(!memcmp(&again, desc(&h, i), sizeof(again)), "round %u", round);
		}
	}
}

static void record_fields_go_where_they_belong(void **state)
{
	const struct lvr_record r = {
		.type = LVR_REC_WRITE, .flags = LVR_REC_F_FUA, .volume = 0x0102,
		.len_sect = 0x03040506, .start_sect = 0x0708090a0b0c0d0eull,
		.arg = 0x0f10111213141516ull, .data_hash = 0x18191a1b1c1d1e1full,
	};
	static const u8 expected[LVR_RECORD_DESC_BYTES] = {
		1, 1, 2, 1, 6, 5, 4, 3, 0xe, 0xd, 0xc, 0xb, 0xa, 9, 8, 7,
		0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x10, 0xf,
		0x1f, 0x1e, 0x1d, 0x1c, 0x1b, 0x1a, 0x19, 0x18,
	};
	struct lvr_record_desc d;

	(void)state;
	memset(&d, 0xff, sizeof(d));
	lvr_record_encode(&d, &r);
	assert_memory_equal(&d, expected, sizeof(d));
}

static void every_bit_of_a_head_counts(void **state)
{
	static const u32 records[] = { 1, 2, 7, LVR_CHUNK_MAX_RECORDS };
	u64 seed = 2;
	u32 n, kind, bit;

	(void)state;
	for (n = 0; n < ARRAY_SIZE(records); n++) {
		for (kind = 0; kind < 3; kind++) {
			struct lvr_chunk_info info, back;
			union head h;

			random_chunk(&h, &info, records[n], kind, &seed);
			lvr_chunk_encode(&h, &info, 5);
			for (bit = 0; bit < info.head_bytes * 8; bit++) {
				flip_bit(&h, bit);
				check(lvr_chunk_decode(&h, info.head_bytes, &back, NULL) == -EINVAL,
				      "%u records, bit %u", records[n], bit);
				flip_bit(&h, bit);
			}
			assert_int_equal(lvr_chunk_decode(&h, info.head_bytes, &back, NULL), 0);
		}
	}
}

static void a_cut_head_is_refused(void **state)
{
	struct lvr_chunk_info info, back;
	struct lvr_err err;
	union head h;
	u64 seed = 3;
	u32 bytes;

	(void)state;
	random_chunk(&h, &info, 9, 0, &seed);
	lvr_chunk_encode(&h, &info, 5);
	for (bytes = 0; bytes < info.head_bytes; bytes++) {
		/* what lies behind the cut must not be read */
		u8 *cut = must_alloc(bytes ? bytes : 1);

		memcpy(cut, &h, bytes);
		check(lvr_chunk_decode(cut, bytes, &back, &err) == -EINVAL, "%u bytes", bytes);
		assert_says(&err, "cut");
		free(cut);
	}
}

/* a head that is whole by its crc, but wrong in one field */
struct field_case {
	const char *says;
	u32 at;
	u32 bytes;
	u64 value;
};

#define HEAD(field)	offsetof(struct lvr_chunk_head, field), \
			sizeof(((struct lvr_chunk_head *)0)->field)
#define REC(i, field)	LVR_CHUNK_HEAD_BYTES + (i) * LVR_RECORD_DESC_BYTES + \
			offsetof(struct lvr_record_desc, field), \
			sizeof(((struct lvr_record_desc *)0)->field)

/* on: [0] write of 8 sectors, [1] discard, [2] marker; ordinary chunk */
static const struct field_case field_cases[] = {
	{ "magic", HEAD(magic), 0 },
	{ "magic", HEAD(magic), LVR_CHUNK_MAGIC + 1 },
	{ "head of", HEAD(head_bytes), 0 },
	{ "head of", HEAD(head_bytes), LVR_CHUNK_HEAD_BYTES },
	{ "head of", HEAD(head_bytes), LVR_CHUNK_HEAD_BYTES + 3 * LVR_RECORD_DESC_BYTES + 1 },
	{ "head of", HEAD(head_bytes), 0x7fffffff },
	{ "head of", HEAD(head_bytes), 0xffffffff },
	{ "payload of", HEAD(payload_bytes), 1 },
	{ "payload of", HEAD(payload_bytes), LVR_CHUNK_MAX_PAYLOAD_BYTES + 512 },
	{ "payload of", HEAD(payload_bytes), 0x80000000 },
	{ "payload of", HEAD(payload_bytes), 0xfffffe00 },
	{ "bytes of payload", HEAD(payload_bytes), 0 },
	{ "bytes of payload", HEAD(payload_bytes), 7 * 512 },
	{ "bytes of payload", HEAD(payload_bytes), 9 * 512 },
	{ "records", HEAD(records), 0 },
	{ "head of", HEAD(records), 2 },
	{ "head of", HEAD(records), 4 },
	{ "records", HEAD(records), LVR_CHUNK_MAX_RECORDS + 1 },
	{ "records", HEAD(records), 0xffff },
	{ "flags", HEAD(flags), 4 },
	{ "flags", HEAD(flags), 0x8000 },
	{ "sync_no 0", HEAD(flags), LVR_CHUNK_F_NOSEQ },
	{ "only the first record", HEAD(flags), LVR_CHUNK_F_GENERATION },
	{ "generation", HEAD(gen), 0 },
	{ "past the last", HEAD(first_seq), U64_MAX },
	{ "past the last", HEAD(first_seq), U64_MAX - LVR_CHUNK_MAX_RECORDS + 1 },
	{ "sync_no 1", HEAD(sync_no), 1 },
	{ "sync_id 7", HEAD(sync_id), 7 },
	{ "reserved", HEAD(reserved[0]), 1 },
	{ "reserved", HEAD(reserved[1]), 1ull << 63 },
	{ "type 0", REC(0, type), 0 },
	{ "type 8", REC(0, type), 8 },
	{ "type 255", REC(0, type), 255 },
	{ "only the first record", REC(0, type), LVR_REC_GENERATION },
	{ "only the first record", REC(1, type), LVR_REC_GENERATION },
	{ "payload hash", REC(0, type), LVR_REC_ZEROES },
	{ "names a range", REC(0, type), LVR_REC_MARKER },
	{ "bytes of payload", REC(1, type), LVR_REC_WRITE },
	{ "with a seq", REC(2, type), LVR_REC_SYNC_END },
	{ "hands over to member 9", REC(2, type), LVR_REC_HANDOVER },
	{ "sectors", REC(2, type), LVR_REC_DISCARD },
	{ "flags 0x2", REC(0, flags), 2 },
	{ "flags 0x81", REC(1, flags), 0x81 },
	{ "flags 0x1", REC(2, flags), LVR_REC_F_FUA },
	{ "volume 128", REC(0, volume), LVR_MAX_VOLUMES },
	{ "volume 65535", REC(1, volume), 0xffff },
	{ "names a range", REC(2, volume), 1 },
	{ "0 sectors", REC(0, len_sect), 0 },
	{ "0 sectors", REC(1, len_sect), 0 },
	{ "at most 512", REC(0, len_sect), (LVR_RECORD_MAX_BYTES >> 9) + 1 },
	{ "sectors", REC(0, len_sect), 0xffffffff },
	{ "names a range", REC(2, len_sect), 1 },
	{ "sectors at", REC(0, start_sect), LVR_VOLUME_MAX_SECT },
	{ "sectors at", REC(0, start_sect), LVR_VOLUME_MAX_SECT - 7 },
	{ "sectors at", REC(0, start_sect), U64_MAX },
	{ "sectors at", REC(1, start_sect), U64_MAX - 1 },
	{ "names a range", REC(2, start_sect), 1 },
	{ "argument 3", REC(0, arg), 3 },
	{ "argument 1", REC(1, arg), 1 },
	{ "payload hash", REC(1, data_hash), 1 },
	{ "payload hash", REC(2, data_hash), 1ull << 63 },
};

static void put(void *base, u32 at, u32 bytes, u64 value)
{
	__le64 le = cpu_to_le64(value);

	memcpy((u8 *)base + at, &le, bytes);
}

static void plain_chunk(union head *h, struct lvr_chunk_info *info)
{
	static const struct lvr_record records[] = {
		{ .type = LVR_REC_WRITE, .volume = 3, .len_sect = 8, .start_sect = 64,
		  .data_hash = 0x1122334455667788ull },
		{ .type = LVR_REC_DISCARD, .volume = 4, .len_sect = 100, .start_sect = 8 },
		{ .type = LVR_REC_MARKER, .arg = 9 },
	};
	u32 i;

	memset(h, 0, sizeof(*h));
	memset(info, 0, sizeof(*info));
	for (i = 0; i < ARRAY_SIZE(records); i++)
		lvr_record_encode(desc(h, i), &records[i]);
	info->records = ARRAY_SIZE(records);
	info->payload_bytes = 8 * 512;
	info->gen = 0x77;
	info->first_seq = 1000;
	info->group_id = 0x88;
	lvr_chunk_encode(h, info, 5);
}

static void every_field_is_checked_behind_the_crc(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(field_cases); i++) {
		const struct field_case *c = &field_cases[i];
		struct lvr_chunk_info info;
		struct lvr_err err = {};
		union head h;

		plain_chunk(&h, &info);
		assert_int_equal(lvr_chunk_decode(&h, sizeof(h), &info, &err), 0);
		put(&h, c->at, c->bytes, c->value);
		seal(&h);
		check(lvr_chunk_decode(&h, sizeof(h), &info, &err) == -EINVAL, "case %u: %s", i,
		      c->says);
		check(strstr(err.text, c->says), "case %u: \"%s\" does not say \"%s\"", i,
		      err.text, c->says);
		check(lvr_chunk_decode(&h, sizeof(h), &info, NULL) == -EINVAL, "case %u", i);
	}
}

static int decode_records(const struct lvr_record *records, u32 count, u16 flags, u64 sync_no,
			  u64 sync_id, struct lvr_err *err)
{
	struct lvr_chunk_info info = { .records = count, .flags = flags, .gen = 1,
				       .sync_no = sync_no, .sync_id = sync_id };
	union head h;
	u32 i;

	memset(&h, 0, sizeof(h));
	for (i = 0; i < count; i++) {
		lvr_record_encode(desc(&h, i), &records[i]);
		info.payload_bytes += lvr_record_payload_bytes(&records[i]);
	}
	lvr_chunk_encode(&h, &info, 0);
	return lvr_chunk_decode(&h, sizeof(h), &info, err);
}

static void control_records_stand_where_they_may(void **state)
{
	const struct lvr_record write = { .type = LVR_REC_WRITE, .len_sect = 1 };
	const struct lvr_record gen = { .type = LVR_REC_GENERATION, .arg = 5 };
	const struct lvr_record end = { .type = LVR_REC_SYNC_END, .arg = 5 };
	const struct lvr_record marker = { .type = LVR_REC_MARKER, .arg = 5 };
	const struct lvr_record handover = { .type = LVR_REC_HANDOVER, .arg = 7 };
	struct lvr_record r[3];
	struct lvr_err err;

	(void)state;
	r[0] = gen, r[1] = write, r[2] = handover;
	assert_int_equal(decode_records(r, 3, LVR_CHUNK_F_GENERATION, 0, 0, &err), 0);
	assert_int_equal(decode_records(r, 3, 0, 0, 0, &err), -EINVAL);
	r[0] = write, r[1] = gen;
	assert_int_equal(decode_records(r, 2, LVR_CHUNK_F_GENERATION, 0, 0, &err), -EINVAL);
	r[0] = gen, r[1] = gen;
	assert_int_equal(decode_records(r, 2, LVR_CHUNK_F_GENERATION, 0, 0, &err), -EINVAL);
	assert_says(&err, "record 1");

	r[0] = write, r[1] = end;
	assert_int_equal(decode_records(r, 2, LVR_CHUNK_F_NOSEQ, 1, 1, &err), 0);
	assert_int_equal(decode_records(r, 2, LVR_CHUNK_F_NOSEQ, 0, 1, &err), -EINVAL);
	assert_int_equal(decode_records(r, 2, LVR_CHUNK_F_NOSEQ, 1, 0, &err), -EINVAL);
	assert_int_equal(decode_records(r, 2, 0, 0, 0, &err), -EINVAL);
	assert_int_equal(decode_records(r, 1, 0, 1, 1, &err), -EINVAL);
	r[1] = marker;
	assert_int_equal(decode_records(r, 2, LVR_CHUNK_F_NOSEQ, 1, 1, &err), -EINVAL);
	assert_says(&err, "without a seq");
	r[0] = gen;
	assert_int_equal(decode_records(r, 1, LVR_CHUNK_F_NOSEQ | LVR_CHUNK_F_GENERATION, 1, 1,
					&err), -EINVAL);
}

static void the_longest_chunk_fits(void **state)
{
	struct lvr_record r[4] = {};
	struct lvr_err err = {};
	u32 i;

	(void)state;
	for (i = 0; i < 4; i++) {
		r[i].type = LVR_REC_WRITE;
		r[i].len_sect = LVR_RECORD_MAX_BYTES >> 9;
		r[i].start_sect = LVR_VOLUME_MAX_SECT - r[i].len_sect;
	}
	assert_int_equal(decode_records(r, 4, 0, 0, 0, &err), 0);
	r[3].type = LVR_REC_ZEROES;
	r[3].len_sect = 0xffffffff;
	r[3].start_sect = LVR_VOLUME_MAX_SECT - r[3].len_sect;
	assert_int_equal(decode_records(r, 4, 0, 0, 0, &err), 0);
}

static void chain_covers_all_but_itself_and_the_crc(void **state)
{
	const u32 crc_at = offsetof(struct lvr_chunk_head, crc) * 8;
	const u32 chain_at = offsetof(struct lvr_chunk_head, chain) * 8;
	struct lvr_chunk_info info;
	u64 seed = 4, chain;
	union head h;
	u32 bit;

	(void)state;
	random_chunk(&h, &info, 5, 0, &seed);
	chain = lvr_chunk_encode(&h, &info, 5);
	for (bit = 0; bit < info.head_bytes * 8; bit++) {
		bool apart = (bit >= crc_at && bit < crc_at + 32) ||
			     (bit >= chain_at && bit < chain_at + 64);

		flip_bit(&h, bit);
		check((lvr_chunk_chain(&h, &info, 5) == chain) == apart, "bit %u", bit);
		flip_bit(&h, bit);
	}
	for (bit = 0; bit < 64; bit++)
		check(lvr_chunk_chain(&h, &info, 5 ^ 1ull << bit) != chain, "bit %u", bit);
}

/* the definition of lvr/chunk.h, done the plain way */
static void chain_is_what_the_format_says(void **state)
{
	struct lvr_chunk_info info;
	u64 seed = 5, chain;
	union head h, copy;

	(void)state;
	random_chunk(&h, &info, 17, 0, &seed);
	chain = lvr_chunk_encode(&h, &info, 99);
	copy = h;
	copy.fixed.crc = 0;
	copy.fixed.chain = 0;
	assert_int_equal(chain, lvr_xxh64(&copy, info.head_bytes, 99));
	copy.fixed.chain = cpu_to_le64(chain);
	assert_int_equal(le32_to_cpu(h.fixed.crc), lvr_crc32c(~0u, &copy, info.head_bytes));
}

static void synchronisation_leaves_the_chain(void **state)
{
	struct lvr_chunk_info info;
	u64 seed = 6;
	union head h;

	(void)state;
	random_chunk(&h, &info, 3, 2, &seed);
	assert_int_equal(lvr_chunk_encode(&h, &info, 1234), 1234);
	assert_int_equal(le64_to_cpu(h.fixed.chain), 1234);
	assert_int_equal(lvr_chunk_chain(&h, &info, 77), 77);
}

static void generations_start_apart(void **state)
{
	u64 base = lvr_chain_start(1, 2, 3);
	__le64 key[2] = { cpu_to_le64(2), cpu_to_le64(3) };

	(void)state;
	assert_int_equal(base, lvr_xxh64(key, 16, 1));
	assert_int_not_equal(base, lvr_chain_start(0, 2, 3));
	assert_int_not_equal(base, lvr_chain_start(1, 3, 3));
	assert_int_not_equal(base, lvr_chain_start(1, 2, 4));
	assert_int_not_equal(base, lvr_chain_start(1, 3, 2));
	assert_int_not_equal(lvr_chain_start(0, 0, 0), 0);
}

static void extents_hold_what_they_must_and_no_block_more(void **state)
{
	static const u32 payloads[] = { 0, 512, 1024, 3584, 4096, 4608, 65536, 1048064, 1048576 };
	u32 block, records, p;

	(void)state;
	for (block = 512; block <= 4096; block *= 2) {
		for (records = 1; records <= LVR_CHUNK_MAX_RECORDS; records++) {
			u32 head = LVR_CHUNK_HEAD_BYTES + records * LVR_RECORD_DESC_BYTES;
			u32 at = lvr_extent_payload_at_bytes(head);

			check(at % 512 == 0 && at >= 64 + head && at - (64 + head) < 512,
			      "%u records at %u", records, at);
			check(at <= 4096, "%u records at %u", records, at);
			for (p = 0; p < ARRAY_SIZE(payloads); p++) {
				u32 all = lvr_extent_bytes(head, payloads[p], block);

				check(all % block == 0 && all >= at + payloads[p] &&
				      all - (at + payloads[p]) < block, "%u+%u in %u", head,
				      payloads[p], block);
			}
		}
	}
}

static void envelope_round_trip(void **state)
{
	u64 seed = 7;
	u32 round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		u32 block = 512 << random_below(&seed, 4);
		u32 head = LVR_CHUNK_HEAD_BYTES +
			   (1 + random_below(&seed, LVR_CHUNK_MAX_RECORDS)) * LVR_RECORD_DESC_BYTES;
		struct lvr_envelope back, env = {
			.log_id = next_random(&seed), .incarnation = next_random(&seed),
			.off = next_random(&seed),
			.extent_bytes = lvr_extent_bytes(head, 512 * random_below(&seed, 2049), block),
			.payload_at_bytes = lvr_extent_payload_at_bytes(head),
		};
		struct lvr_disk_envelope disk;
		struct lvr_err err = {};

		memset(&back, 0xff, sizeof(back));
		lvr_envelope_encode(&disk, &env);
		check(!lvr_envelope_decode(&disk, &back, block, &err), "%s", err.text);
		check(back.log_id == env.log_id && back.incarnation == env.incarnation &&
		      back.off == env.off && back.extent_bytes == env.extent_bytes &&
		      back.payload_at_bytes == env.payload_at_bytes, "round %u", round);
	}
}

static void every_bit_of_an_envelope_counts(void **state)
{
	const struct lvr_envelope env = { 1, 2, 3, 4096, 512 };
	struct lvr_disk_envelope disk;
	struct lvr_envelope back;
	u32 bit;

	(void)state;
	lvr_envelope_encode(&disk, &env);
	for (bit = 0; bit < sizeof(disk) * 8; bit++) {
		flip_bit(&disk, bit);
		check(lvr_envelope_decode(&disk, &back, 512, NULL) ==
		      (bit < 64 ? -ENODATA : -EINVAL), "bit %u", bit);
		flip_bit(&disk, bit);
	}
	assert_int_equal(lvr_envelope_decode(&disk, &back, 512, NULL), 0);
}

static void envelope_lengths_are_bounded(void **state)
{
	static const struct {
		u32 extent, payload_at, block;
		int ret;
	} cases[] = {
		{ 512, 512, 512, 0 },		{ 4096, 512, 4096, 0 },
		{ 0, 512, 512, -EINVAL },	{ 512, 512, 4096, -EINVAL },
		{ 1024 + 256, 512, 512, -EINVAL }, { 0xfffffe00, 512, 512, -EINVAL },
		{ 0x80000000, 512, 512, -EINVAL },
		{ 4096 + (1 << 20), 4096, 512, 0 }, { 4608 + (1 << 20), 4096, 512, -EINVAL },
		{ 4096 + (1 << 20), 4096, 4096, 0 }, { 8192 + (1 << 20), 4096, 4096, -EINVAL },
		{ 1024, 0, 512, -EINVAL },	{ 1024, 64, 512, -EINVAL },
		{ 1024, 513, 512, -EINVAL },	{ 1024, 1024, 512, 0 },
		{ 1024, 1536, 512, -EINVAL },	{ 1024, 0xfffffe00, 512, -EINVAL },
	};
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct lvr_envelope env = { 1, 2, 3, cases[i].extent, cases[i].payload_at };
		struct lvr_disk_envelope disk;
		struct lvr_envelope back;
		struct lvr_err err = {};

		lvr_envelope_encode(&disk, &env);
		check(lvr_envelope_decode(&disk, &back, cases[i].block, &err) == cases[i].ret,
		      "case %u: %s", i, err.text);
	}
}

static void envelope_reserved_is_zero(void **state)
{
	const struct lvr_envelope env = { 1, 2, 3, 4096, 512 };
	struct lvr_disk_envelope disk;
	struct lvr_envelope back;
	struct lvr_err err;
	u32 i;

	(void)state;
	for (i = 0; i < 3; i++) {
		lvr_envelope_encode(&disk, &env);
		if (i < 2)
			disk.reserved[i] = cpu_to_le64(1);
		else
			disk.reserved0 = cpu_to_le32(1);
		disk.crc = cpu_to_le32(lvr_crc_around(&disk, sizeof(disk),
						      offsetof(struct lvr_disk_envelope, crc)));
		assert_int_equal(lvr_envelope_decode(&disk, &back, 512, &err), -EINVAL);
		assert_says(&err, "reserved");
	}
}

static void record_types(void **state)
{
	u32 type, known = 0;

	(void)state;
	for (type = 0; type < 256; type++) {
		const char *name = lvr_record_type_name(type);
		bool is_known = type >= LVR_REC_WRITE && type <= LVR_REC_MARKER;

		check(!!name == is_known, "type %u", type);
		check(lvr_record_type_has_range(type) == (is_known && type <= LVR_REC_ZEROES),
		      "type %u", type);
		check(lvr_record_type_has_payload(type) == (type == LVR_REC_WRITE), "type %u", type);
		known += !!name;
	}
	assert_int_equal(known, 7);
	assert_string_equal(lvr_record_type_name(LVR_REC_SYNC_END), "sync-end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(record_fields_go_where_they_belong),
		cmocka_unit_test(every_bit_of_a_head_counts),
		cmocka_unit_test(a_cut_head_is_refused),
		cmocka_unit_test(every_field_is_checked_behind_the_crc),
		cmocka_unit_test(control_records_stand_where_they_may),
		cmocka_unit_test(the_longest_chunk_fits),
		cmocka_unit_test(chain_covers_all_but_itself_and_the_crc),
		cmocka_unit_test(chain_is_what_the_format_says),
		cmocka_unit_test(synchronisation_leaves_the_chain),
		cmocka_unit_test(generations_start_apart),
		cmocka_unit_test(extents_hold_what_they_must_and_no_block_more),
		cmocka_unit_test(envelope_round_trip),
		cmocka_unit_test(every_bit_of_an_envelope_counts),
		cmocka_unit_test(envelope_lengths_are_bounded),
		cmocka_unit_test(envelope_reserved_is_zero),
		cmocka_unit_test(record_types),
	};

	return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
