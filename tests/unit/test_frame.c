// SPDX-License-Identifier: GPL-2.0-only
/* Frames and messages: round trips, every length, every field, every bit. */
#include "unit.h"
#include "ack.h"
#include "codec.h"
#include "frame.h"
#include "hello.h"
#include "plan-wire.h"

static struct lvr_plan_node *node, *back;
static void *buf;

/* ------------------------------------------------------------------- frames */

static struct lvr_frame a_frame(void)
{
	return (struct lvr_frame){
		.type = LVR_FRAME_CHUNK, .flags = LVR_FRAME_F_URGENT, .conn_id = 0x11, .serial = 7,
		.durable_seq = 100, .head_seq = 120, .time_ms = 5, .payload_bytes = 4096,
		.payload_crc = 0x1234,
	};
}

static int decode_frame(const struct lvr_wire_frame *w, struct lvr_err *err)
{
	struct lvr_frame f;

	return lvr_frame_decode(&f, w, 0x11, 7, U32_MAX, err);
}

static void frame_round_trip(void **state)
{
	static const struct {
		u16 type;
		u32 max_bytes;
	} types[] = {
#define X(sym, num, name, max) { LVR_FRAME_##sym, max },
		LVR_FRAME_TYPES(X)
#undef X
	};
	u64 seed = 1;
	u32 i, round;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (round = 0; round < 100; round++) {
			struct lvr_frame again, f = {
				.type = types[i].type, .conn_id = next_random(&seed),
				.serial = next_random(&seed), .durable_seq = next_random(&seed),
				.head_seq = next_random(&seed), .time_ms = next_random(&seed),
				.payload_bytes = round ? random_below(&seed, types[i].max_bytes + 1) :
						 types[i].max_bytes,
				.payload_crc = next_random(&seed),
			};
			struct lvr_wire_frame w;
			struct lvr_err err = {};

			if (f.type == LVR_FRAME_CHUNK && round % 2)
				f.flags = LVR_FRAME_F_URGENT;
			lvr_frame_encode(&w, &f);
			memset(&again, 0xff, sizeof(again));
			check(!lvr_frame_decode(&again, &w, f.conn_id, f.serial, U32_MAX, &err), "%s",
			      err.text);
			check(again.type == f.type && again.flags == f.flags &&
			      again.conn_id == f.conn_id && again.serial == f.serial &&
			      again.durable_seq == f.durable_seq && again.head_seq == f.head_seq &&
			      again.time_ms == f.time_ms && again.payload_bytes == f.payload_bytes &&
			      again.payload_crc == f.payload_crc, "type %u", f.type);
			/* a tighter bound: before authentication */
			check((lvr_frame_decode(&again, &w, f.conn_id, f.serial, 200, NULL) == 0) ==
			      (f.payload_bytes <= 200), "%u bytes", f.payload_bytes);
		}
	}
}

static void every_bit_of_a_frame_counts(void **state)
{
	struct lvr_frame f = a_frame();
	struct lvr_wire_frame w;
	u32 bit;

	(void)state;
	lvr_frame_encode(&w, &f);
	assert_int_equal(decode_frame(&w, NULL), 0);
	for (bit = 0; bit < sizeof(w) * 8; bit++) {
		flip_bit(&w, bit);
		check(decode_frame(&w, NULL) == -EINVAL, "bit %u", bit);
		flip_bit(&w, bit);
	}
}

#define FRAME_CASES(X)							\
	X("connection", f.conn_id = 0x12)				\
	X("connection", f.conn_id = 0)					\
	X("expected 7", f.serial = 6)					\
	X("expected 7", f.serial = 8)					\
	X("expected 7", f.serial = 7 + (1ull << 32))			\
	X("type 0", f.type = 0)						\
	X("type 10", f.type = 10)					\
	X("type 65535", f.type = 0xffff)				\
	X("flags", f.flags = 2)						\
	X("flags", f.flags = 0x8001)					\
	X("flags", f.type = LVR_FRAME_STATE)				\
	X("at most", f.payload_bytes = LVR_CHUNK_MAX_HEAD_BYTES + LVR_CHUNK_MAX_PAYLOAD_BYTES + 1)	\
	X("at most", f.payload_bytes = 0x7fffffff)			\
	X("at most", f.payload_bytes = 0x80000000)			\
	X("at most", f.payload_bytes = 0xffffffff)			\
	X("at most", (f.type = LVR_FRAME_PING, f.flags = 0, f.payload_bytes = 1))	\
	X("at most", (f.type = LVR_FRAME_HELLO, f.flags = 0, f.payload_bytes = 257))	\
	X("at most", (f.type = LVR_FRAME_AUTH, f.flags = 0, f.payload_bytes = 33))	\
	X("at most", (f.type = LVR_FRAME_STATE, f.flags = 0, f.payload_bytes = LVR_STATE_MAX_BYTES + 1))

static void every_field_of_a_frame_is_checked(void **state)
{
	struct lvr_wire_frame w;
	struct lvr_frame f;
	struct lvr_err err;

	(void)state;
#define X(says, change)							\
	f = a_frame();							\
	(void)(change);							\
	lvr_frame_encode(&w, &f);					\
	check(decode_frame(&w, &err) == -EINVAL, "%s", #change);	\
	check(strstr(err.text, says), "%s: \"%s\"", #change, err.text);
	FRAME_CASES(X)
#undef X
	f = a_frame();
	lvr_frame_encode(&w, &f);
	w.reserved = cpu_to_le32(1);
	w.head_crc = cpu_to_le32(lvr_crc_around(&w, sizeof(w),
						offsetof(struct lvr_wire_frame, head_crc)));
	assert_int_equal(decode_frame(&w, &err), -EINVAL);
	assert_says(&err, "reserved");
}

static void frame_types_have_names(void **state)
{
	(void)state;
	assert_string_equal(lvr_frame_type_name(LVR_FRAME_VERDICT), "verdict");
	assert_string_equal(lvr_frame_type_name(0), "?");
	assert_string_equal(lvr_frame_type_name(10), "?");
	assert_string_equal(lvr_frame_type_name(0xffff), "?");
}

/* -------------------------------------------------------------------- hello */

static struct lvr_hello a_hello(u32 member, u32 peer)
{
	struct lvr_hello h = {
		.proto_min = 1, .proto_max = 3, .features = 0xf, .required = 0x3,
		.group = "db", .name = "alpha", .member = member, .peer_member = peer, .auth = 1,
	};
	u32 i;

	for (i = 0; i < sizeof(h.nonce); i++)
		h.nonce[i] = i * 7 + member;
	return h;
}

static void hello_round_trip(void **state)
{
	struct lvr_hello h = a_hello(0, 1), again;
	struct lvr_wire_hello w;
	struct lvr_err err = {};
	u32 bytes;

	(void)state;
	memset(&w, 0xff, sizeof(w));
	lvr_hello_encode(&w, &h);
	memset(&again, 0, sizeof(again));
	check(!lvr_hello_decode(&again, &w, sizeof(w), &err), "%s", err.text);
	assert_memory_equal(&again, &h, sizeof(h));
	for (bytes = 0; bytes < LVR_HELLO_MAX_BYTES; bytes++) {
		u8 *cut = must_alloc(max(bytes, 1u));

		memcpy(cut, &w, min(bytes, (u32)sizeof(w)));
		check((lvr_hello_decode(&again, cut, bytes, NULL) == 0) == (bytes == sizeof(w)),
		      "%u bytes", bytes);
		free(cut);
	}
}

#define HELLO_CASES(X)							\
	X("name", memset(w.group, 'a', sizeof(w.group)))		\
	X("name", memset(w.name, 'a', sizeof(w.name)))			\
	X("name", w.group[0] = 0)					\
	X("name", w.name[0] = '/')					\
	X("protocols", w.proto_min = cpu_to_le32(4))			\
	X("ids end", w.member = cpu_to_le32(LVR_MAX_MEMBERS))		\
	X("ids end", w.peer_member = cpu_to_le32(0xffffffff))		\
	X("authentication", w.auth = cpu_to_le32(2))			\
	X("requires", w.required = cpu_to_le64(0x10))			\
	X("reserved", w.reserved0 = cpu_to_le32(1))			\
	X("reserved", w.reserved[0] = cpu_to_le64(1))			\
	X("reserved", w.reserved[1] = cpu_to_le64(1ull << 63))

static void every_field_of_a_hello_is_checked(void **state)
{
	struct lvr_hello h = a_hello(0, 1), again;
	struct lvr_wire_hello w;
	struct lvr_err err;

	(void)state;
#define X(says, change)							\
	lvr_hello_encode(&w, &h);					\
	(void)(change);							\
	check(lvr_hello_decode(&again, &w, sizeof(w), &err) == -EINVAL, "%s", #change);	\
	check(strstr(err.text, says), "%s: \"%s\"", #change, err.text);
	HELLO_CASES(X)
#undef X
}

#define MISFITS(X)							\
	X("protocol", (t.proto_min = 4, t.proto_max = 9))		\
	X("protocol", (t.proto_min = 0, t.proto_max = 0))		\
	X("requires features", (t.required = 0x10, t.features = 0x1f))	\
	X("offers features", (t.features = 1, t.required = 0))		\
	X("auth none", t.auth = 0)					\
	X("member 2", t.member = 2)					\
	X("member 0", t.member = 0)					\
	X("expects member 3", t.peer_member = 3)			\
	X("group dc", t.group[1] = 'c')					\
	X("group db2", strcpy(t.group, "db2"))				\
	X("group d,", strcpy(t.group, "d"))

static void hellos_that_do_not_fit(void **state)
{
	struct lvr_hello mine = a_hello(0, 1), t;
	struct lvr_err err;

	(void)state;
	t = a_hello(1, 0);
	assert_int_equal(lvr_hello_check(&mine, &t, &err), 0);
	strcpy(t.name, "other");
	assert_int_equal(lvr_hello_check(&mine, &t, &err), 0);
	t.proto_min = 3, t.proto_max = 9;
	assert_int_equal(lvr_hello_check(&mine, &t, &err), 0);
#define X(says, change)							\
	t = a_hello(1, 0);						\
	(void)(change);							\
	check(lvr_hello_check(&mine, &t, &err) == -EINVAL, "%s", #change);	\
	check(strstr(err.text, says), "%s: \"%s\"", #change, err.text);	\
	/* and the other way round */					\
	check(lvr_hello_check(&t, &mine, NULL) == -EINVAL, "%s", #change);
	MISFITS(X)
#undef X
	/* all at once */
	t = a_hello(3, 4);
	t.proto_min = t.proto_max = 9;
	t.auth = 0;
	strcpy(t.group, "other");
	assert_int_equal(lvr_hello_check(&mine, &t, &err), -EINVAL);
	assert_says(&err, "protocol 9-9, here 1-3");
	assert_says(&err, "auth none, here psk");
	assert_says(&err, "member 3, expected 1");
	assert_says(&err, "it expects member 4, here is 0");
	assert_says(&err, "group other, here db");
	/* speaking to oneself */
	mine = a_hello(1, 1);
	assert_int_equal(lvr_hello_check(&mine, &mine, NULL), -EINVAL);
}

static void what_is_authenticated_covers_everything(void **state)
{
	u8 base[LVR_AUTH_INPUT_BYTES], other[LVR_AUTH_INPUT_BYTES];
	struct lvr_hello ha = a_hello(0, 1), hb = a_hello(1, 0);
	struct lvr_wire_hello a, b;
	u32 bit;

	(void)state;
	lvr_hello_encode(&a, &ha);
	lvr_hello_encode(&b, &hb);
	memset(base, 0xff, sizeof(base));
	lvr_auth_input(base, true, &a, &b);
	memset(other, 0, sizeof(other));
	lvr_auth_input(other, true, &a, &b);
	assert_memory_equal(base, other, sizeof(base));
	/* neither side's can be sent back as the other's, and the hellos have places */
	lvr_auth_input(other, false, &a, &b);
	assert_memory_not_equal(base, other, sizeof(base));
	lvr_auth_input(other, true, &b, &a);
	assert_memory_not_equal(base, other, sizeof(base));
	for (bit = 0; bit < 2 * sizeof(a) * 8; bit++) {
		void *hello = bit < sizeof(a) * 8 ? (void *)&a : (void *)&b;

		flip_bit(hello, bit % (sizeof(a) * 8));
		lvr_auth_input(other, true, &a, &b);
		check(memcmp(base, other, sizeof(base)), "bit %u", bit);
		flip_bit(hello, bit % (sizeof(a) * 8));
	}
}

static void connections_have_ids(void **state)
{
	struct lvr_hello ha = a_hello(0, 1), hb = a_hello(1, 0);
	struct lvr_wire_hello a, b;
	u64 id;
	u32 bit;

	(void)state;
	lvr_hello_encode(&a, &ha);
	lvr_hello_encode(&b, &hb);
	id = lvr_conn_id(&a, &b);
	assert_int_not_equal(id, 0);
	assert_int_not_equal(id, lvr_conn_id(&b, &a));
	for (bit = 0; bit < LVR_NONCE_BYTES * 8; bit++) {
		flip_bit(a.nonce, bit);
		check(lvr_conn_id(&a, &b) != id, "bit %u", bit);
		flip_bit(a.nonce, bit);
		flip_bit(b.nonce, bit);
		check(lvr_conn_id(&a, &b) != id, "bit %u", bit);
		flip_bit(b.nonce, bit);
	}
	assert_int_equal(lvr_conn_id(&a, &b), id);
}

/* -------------------------------------------------------------------- state */

static void random_node(u64 *seed, u32 generations, u32 volumes)
{
	u32 i;

	memset(node, 0, sizeof(*node));
	for (i = 0; i < LVR_UUID_BYTES; i++)
		node->group_uuid[i] = next_random(seed);
	node->member = random_below(seed, LVR_MAX_MEMBERS);
	node->flags = random_below(seed, LVR_NODE_F_KNOWN + 1);
	node->ring_bytes = random_below(seed, LVR_RING_MAX_BYTES + 1);
	node->tail_seq = next_random(seed) >> 2;
	node->destaged_seq = node->tail_seq + random_below(seed, 1000);
	node->durable_seq = node->destaged_seq + random_below(seed, 1000);
	node->head_seq = node->durable_seq + random_below(seed, 1000);
	node->head_chain = next_random(seed);
	node->sync_id = next_random(seed);
	node->source_sync_id = next_random(seed);
	node->handover_member = random_below(seed, 2) ? U64_MAX : random_below(seed, LVR_MAX_MEMBERS);
	node->history_entries = generations;
	for (i = 0; i < generations; i++) {
		node->history[i].gen = next_random(seed) | 1;
		node->history[i].first_seq = node->head_seq / (2 * LVR_MAX_HISTORY) * i;
		node->history[i].fork_chain = next_random(seed);
		node->history[i].member = random_below(seed, LVR_MAX_MEMBERS);
	}
	node->volumes = volumes;
	for (i = 0; i < volumes; i++) {
		snprintf(node->volume[i].name, LVR_NAME_BYTES, "volume-%u", i);
		node->volume[i].id = LVR_MAX_VOLUMES - 1 - i;
		node->volume[i].size_sect = 1 + random_below(seed, LVR_VOLUME_MAX_SECT);
		node->volume[i].block_bytes = 512 << random_below(seed, 4);
	}
}

static void state_round_trip(void **state)
{
	struct lvr_err err = {};
	u64 seed = 2;
	u32 round, bytes;

	(void)state;
	for (round = 0; round < 300; round++) {
		random_node(&seed, round ? random_below(&seed, LVR_MAX_HISTORY + 1) : LVR_MAX_HISTORY,
			    round ? random_below(&seed, LVR_MAX_VOLUMES + 1) : LVR_MAX_VOLUMES);
		node->fork_known = round % 2;
		memset(buf, 0xff, LVR_STATE_MAX_BYTES);
		bytes = lvr_state_encode(buf, node);
		check(bytes <= LVR_STATE_MAX_BYTES, "%u bytes", bytes);
		memset(back, 0xff, sizeof(*back));
		check(!lvr_state_decode(back, buf, bytes, &err), "%s", err.text);
		node->fork_known = false;
		check(!memcmp(back, node, sizeof(*node)), "round %u", round);
	}
}

static void a_state_of_any_other_length_is_refused(void **state)
{
	u64 seed = 3;
	u32 whole, bytes;

	(void)state;
	random_node(&seed, 3, 2);
	whole = lvr_state_encode(buf, node);
	for (bytes = 0; bytes < whole + 100; bytes++) {
		u8 *cut = must_alloc(max(bytes, 1u));

		memcpy(cut, buf, min(bytes, whole));
		check((lvr_state_decode(back, cut, bytes, NULL) == 0) == (bytes == whole), "%u bytes",
		      bytes);
		free(cut);
	}
}

#define STATE_CASES(X)							\
	X("generations", w->history_entries = cpu_to_le32(LVR_MAX_HISTORY + 1))	\
	X("generations", w->history_entries = cpu_to_le32(0xffffffff))	\
	X("generations", w->volumes = cpu_to_le32(LVR_MAX_VOLUMES + 1))	\
	X("generations", w->volumes = cpu_to_le32(0x80000000))		\
	X("bytes, not", w->history_entries = cpu_to_le32(2))		\
	X("bytes, not", w->volumes = cpu_to_le32(3))			\
	X("reserved", w->reserved[0] = cpu_to_le64(1))			\
	X("reserved", w->reserved[1] = cpu_to_le64(1))			\
	X("never fall so", w->head_seq = 0)				\
	X("never fall so", w->durable_seq = cpu_to_le64(node->head_seq + 1))	\
	X("never fall so", w->destaged_seq = cpu_to_le64(node->durable_seq + 1))	\
	X("never fall so", w->tail_seq = cpu_to_le64(U64_MAX))		\
	X("a ring of", w->ring_bytes = cpu_to_le64(LVR_RING_MAX_BYTES + 1))	\
	X("ids end", w->member = cpu_to_le32(LVR_MAX_MEMBERS))		\
	X("ids end", w->handover_member = cpu_to_le64(LVR_MAX_MEMBERS))	\
	X("ids end", w->handover_member = cpu_to_le64(0xffffffff))	\
	X("flags", w->flags = cpu_to_le32(LVR_NODE_F_KNOWN + 1))	\
	X("of id 0", g[1].gen = 0)					\
	X("begun by member 8", g[1].member = cpu_to_le32(LVR_MAX_MEMBERS))	\
	X("reserved 1", g[2].reserved = cpu_to_le32(1))			\
	X("not from", g[1].first_seq = 0)				\
	X("not from", g[2].first_seq = cpu_to_le64(node->head_seq + 1))	\
	X("twice", g[2].gen = g[0].gen)					\
	X("volume 128", v[0].id = cpu_to_le32(LVR_MAX_VOLUMES))		\
	X("twice", v[1].id = v[0].id)					\
	X("bad name", v[1].name[0] = 0)					\
	X("bad name", memset(v[1].name, 'a', LVR_NAME_BYTES))		\
	X("0 sectors", v[0].size_sect = 0)				\
	X("sectors", v[0].size_sect = cpu_to_le64(LVR_VOLUME_MAX_SECT + 1))	\
	X("blocks of 3 bytes", v[0].block_bytes = cpu_to_le32(3))

static void every_field_of_a_state_is_checked(void **state)
{
	struct lvr_wire_state *w = buf;
	struct lvr_wire_generation *g = (void *)(w + 1);
	struct lvr_wire_volume *v = (void *)(g + 3);
	struct lvr_err err;
	u64 seed = 4;
	u32 bytes;

	(void)state;
	random_node(&seed, 3, 2);
	node->history[0].first_seq = 5;
#define X(says, change)							\
	bytes = lvr_state_encode(buf, node);				\
	(void)(change);							\
	check(lvr_state_decode(back, buf, bytes, &err) == -EINVAL, "%s", #change);	\
	check(strstr(err.text, says), "%s: \"%s\"", #change, err.text);
	STATE_CASES(X)
#undef X
	bytes = lvr_state_encode(buf, node);
	assert_int_equal(lvr_state_decode(back, buf, bytes, &err), 0);
}

/* ------------------------------------------------------------ small messages */

static void lookup_round_trip_and_checks(void **state)
{
	struct lvr_lookup again, l = { .seq = 1ull << 63, .chain = 0xabc, .known = true };
	struct lvr_wire_lookup w;
	struct lvr_err err;
	u32 bytes;

	(void)state;
	lvr_lookup_encode(&w, &l);
	for (bytes = 0; bytes < 64; bytes++)
		check(bytes == sizeof(w) || lvr_lookup_decode(&again, &w, bytes, NULL) == -EINVAL,
		      "%u bytes", bytes);
	assert_int_equal(lvr_lookup_decode(&again, &w, sizeof(w), &err), 0);
	assert_true(again.known && again.seq == l.seq && again.chain == l.chain);
	/* what is not known is not told */
	l.known = false;
	lvr_lookup_encode(&w, &l);
	assert_int_equal(lvr_lookup_decode(&again, &w, sizeof(w), &err), 0);
	assert_true(!again.known && again.chain == 0 && again.seq == l.seq);
	w.chain = cpu_to_le64(1);
	assert_int_equal(lvr_lookup_decode(&again, &w, sizeof(w), &err), -EINVAL);
	w.known = cpu_to_le32(2);
	assert_int_equal(lvr_lookup_decode(&again, &w, sizeof(w), &err), -EINVAL);
	w.known = cpu_to_le32(1);
	w.reserved0 = cpu_to_le32(1);
	assert_int_equal(lvr_lookup_decode(&again, &w, sizeof(w), &err), -EINVAL);
	w.reserved0 = 0;
	w.reserved = cpu_to_le64(1);
	assert_int_equal(lvr_lookup_decode(&again, &w, sizeof(w), &err), -EINVAL);
	assert_says(&err, "reserved");
}

static void verdict_round_trip(void **state)
{
	struct lvr_plan again, p = {
		.kind = LVR_PLAN_STREAM, .flags = LVR_PLAN_F_KNOWN, .source = 3, .confirm_member = 4,
		.from_seq = 5, .until_seq = 6, .fork_seq = 7, .orphan_seqs = 8,
	};
	struct lvr_wire_verdict w;
	struct lvr_err err = {};
	u32 bytes;

	(void)state;
	lvr_verdict_encode(&w, &p);
	w.sync_id = cpu_to_le64(99);	/* its sender's */
	for (bytes = 0; bytes < 128; bytes++)
		check(bytes == sizeof(w) || lvr_verdict_decode(&again, &w, bytes, NULL) == -EINVAL,
		      "%u bytes", bytes);
	check(!lvr_verdict_decode(&again, &w, sizeof(w), &err), "%s", err.text);
	assert_true(lvr_plan_agrees(&p, &again));
	p = (struct lvr_plan){ .kind = LVR_PLAN_REFUSE, .reasons = (1u << LVR_REFUSE_COUNT) - 1,
			       .source = LVR_PLAN_NO_MEMBER, .confirm_member = LVR_PLAN_NO_MEMBER };
	lvr_verdict_encode(&w, &p);
	check(!lvr_verdict_decode(&again, &w, sizeof(w), &err), "%s", err.text);
	assert_true(lvr_plan_agrees(&p, &again));
}

#define VERDICT_CASES(X)						\
	X(p.kind = 0)							\
	X(p.kind = LVR_PLAN_FULL_SYNC + 1)				\
	X(p.flags = LVR_PLAN_F_KNOWN + 1)				\
	X(p.reasons = 1)						\
	X(p.kind = LVR_PLAN_REFUSE)					\
	X((p.kind = LVR_PLAN_REFUSE, p.reasons = 1u << LVR_REFUSE_COUNT))	\
	X(p.source = LVR_PLAN_NO_MEMBER + 1)				\
	X(p.source = LVR_PLAN_NO_MEMBER)				\
	X(p.confirm_member = 2)						\
	X((p.flags = LVR_PLAN_F_CONFIRM))				\
	X((p.flags = LVR_PLAN_F_CONFIRM, p.confirm_member = 9))		\
	X(reserved = 1)

static void every_field_of_a_verdict_is_checked(void **state)
{
	struct lvr_wire_verdict w;
	struct lvr_plan p, again;
	u32 reserved;

	(void)state;
#define X(change)							\
	p = (struct lvr_plan){ .kind = LVR_PLAN_STREAM, .source = 1,	\
			       .confirm_member = LVR_PLAN_NO_MEMBER };	\
	reserved = 0;							\
	lvr_verdict_encode(&w, &p);					\
	assert_int_equal(lvr_verdict_decode(&again, &w, sizeof(w), NULL), 0);	\
	(void)(change);							\
	lvr_verdict_encode(&w, &p);					\
	w.reserved0 = cpu_to_le32(reserved);				\
	check(lvr_verdict_decode(&again, &w, sizeof(w), NULL) == -EINVAL, "%s", #change);
	VERDICT_CASES(X)
#undef X
}

static void plans_agree_in_all_but_the_text(void **state)
{
	struct lvr_plan a = { .kind = LVR_PLAN_STREAM }, b;

	(void)state;
	b = a;
	strcpy(b.text.text, "other words");
	assert_true(lvr_plan_agrees(&a, &b));
#define DIFFERS(change) do { b = a; (void)(change); assert_false(lvr_plan_agrees(&a, &b)); } while (0)
	DIFFERS(b.kind = LVR_PLAN_IDLE);
	DIFFERS(b.flags = 1);
	DIFFERS(b.reasons = 1);
	DIFFERS(b.source = 1);
	DIFFERS(b.confirm_member = 1);
	DIFFERS(b.from_seq = 1);
	DIFFERS(b.until_seq = 1);
	DIFFERS(b.fork_seq = 1);
	DIFFERS(b.orphan_seqs = 1);
}

static void ack_round_trip(void **state)
{
	struct lvr_ack again, a = { .durable_seq = 1ull << 63, .durable_chain = 2, .applied_seq = 3,
				    .sync_no = 4, .sync_id = 5, .flags = LVR_ACK_F_SYNC_DONE };
	struct lvr_wire_ack w;
	u32 bytes;

	(void)state;
	lvr_ack_encode(&w, &a);
	for (bytes = 0; bytes < 128; bytes++)
		check(bytes == sizeof(w) || lvr_ack_decode(&again, &w, bytes, NULL) == -EINVAL,
		      "%u bytes", bytes);
	memset(&again, 0, sizeof(again));
	assert_int_equal(lvr_ack_decode(&again, &w, sizeof(w), NULL), 0);
	assert_memory_equal(&again, &a, offsetof(struct lvr_ack, flags) + sizeof(a.flags));
}

#define ACK_CASES(X)							\
	X("beyond durable", a.applied_seq = 101)			\
	X("flags", a.flags = 2)						\
	X("flags", a.flags = 0x80000001)				\
	X("without its id", (a.sync_id = 0, a.sync_no = 1))		\
	X("without its id", (a.sync_id = 0, a.sync_no = 0, a.flags = 1))	\
	X("reserved", reserved[0] = 1)					\
	X("reserved", reserved[1] = 1)					\
	X("reserved", reserved[2] = 1)

static void every_field_of_an_ack_is_checked(void **state)
{
	struct lvr_wire_ack w;
	struct lvr_ack a, again;
	struct lvr_err err;
	u32 reserved[3];

	(void)state;
#define X(says, change)							\
	a = (struct lvr_ack){ .durable_seq = 100, .applied_seq = 100, .sync_id = 1 };	\
	memset(reserved, 0, sizeof(reserved));				\
	lvr_ack_encode(&w, &a);						\
	assert_int_equal(lvr_ack_decode(&again, &w, sizeof(w), &err), 0);	\
	(void)(change);							\
	lvr_ack_encode(&w, &a);						\
	w.reserved0 = cpu_to_le32(reserved[0]);				\
	w.reserved[0] = cpu_to_le64(reserved[1]);			\
	w.reserved[1] = cpu_to_le64(reserved[2]);			\
	check(lvr_ack_decode(&again, &w, sizeof(w), &err) == -EINVAL, "%s", #change);	\
	check(strstr(err.text, says), "%s: \"%s\"", #change, err.text);
	ACK_CASES(X)
#undef X
}

/* noise in every decoder: no read outside, no crash; what is taken is within bounds */
static void noise(void **state)
{
	u64 seed = 5;
	u32 round, i, taken = 0;

	(void)state;
	for (round = 0; round < 20000; round++) {
		u32 bytes = random_below(&seed, 600), whole;
		__le64 *p = must_alloc(round_up(max(bytes, 1u), 8));
		struct lvr_hello h;
		struct lvr_lookup l;
		struct lvr_plan plan;
		struct lvr_ack a;
		struct lvr_err err;

		for (i = 0; i < bytes / 8; i++)
			p[i] = cpu_to_le64(random_below(&seed, 2) ? next_random(&seed) :
					   random_below(&seed, 10));
		lvr_hello_decode(&h, p, bytes, &err);
		lvr_lookup_decode(&l, p, bytes, &err);
		lvr_verdict_decode(&plan, p, bytes, &err);
		lvr_ack_decode(&a, p, bytes, &err);
		if (!lvr_state_decode(back, p, bytes, &err))
			check(back->history_entries <= LVR_MAX_HISTORY &&
			      back->volumes <= LVR_MAX_VOLUMES, "round %u", round);
		free(p);

		/* and single damaged words in a good state */
		random_node(&seed, 3, 3);
		whole = lvr_state_encode(buf, node);
		((__le32 *)buf)[random_below(&seed, whole / 4)] = cpu_to_le32(next_random(&seed));
		if (!lvr_state_decode(back, buf, whole, &err)) {
			taken++;
			check(back->history_entries == 3 && back->volumes == 3 &&
			      back->tail_seq <= back->head_seq &&
			      back->member < LVR_MAX_MEMBERS, "round %u", round);
		}
	}
	assert_true(taken > 100);
}

static int make_buffers(void **state)
{
	(void)state;
	node = must_alloc(sizeof(*node));
	back = must_alloc(sizeof(*back));
	buf = must_alloc(LVR_STATE_MAX_BYTES);
	return 0;
}

static int drop_buffers(void **state)
{
	(void)state;
	free(node);
	free(back);
	free(buf);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_round_trip),
		cmocka_unit_test(every_bit_of_a_frame_counts),
		cmocka_unit_test(every_field_of_a_frame_is_checked),
		cmocka_unit_test(frame_types_have_names),
		cmocka_unit_test(hello_round_trip),
		cmocka_unit_test(every_field_of_a_hello_is_checked),
		cmocka_unit_test(hellos_that_do_not_fit),
		cmocka_unit_test(what_is_authenticated_covers_everything),
		cmocka_unit_test(connections_have_ids),
		cmocka_unit_test(state_round_trip),
		cmocka_unit_test(a_state_of_any_other_length_is_refused),
		cmocka_unit_test(every_field_of_a_state_is_checked),
		cmocka_unit_test(lookup_round_trip_and_checks),
		cmocka_unit_test(verdict_round_trip),
		cmocka_unit_test(every_field_of_a_verdict_is_checked),
		cmocka_unit_test(plans_agree_in_all_but_the_text),
		cmocka_unit_test(ack_round_trip),
		cmocka_unit_test(every_field_of_an_ack_is_checked),
		cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests_name("frame", tests, make_buffers, drop_buffers);
}
