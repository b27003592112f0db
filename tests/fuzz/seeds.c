// SPDX-License-Identifier: GPL-2.0-only
/* Writes the seeds of the targets whose input is binary: one good example of each kind. */
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "ack.h"
#include "chunk.h"
#include "frame.h"
#include "hello.h"
#include "plan-wire.h"
#include "super.h"

static const char *directory;

static void write_seed(const char *target, const char *name, int prefix, const void *data, size_t bytes)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, target);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", directory, target, name);
	file = fopen(path, "w");
	must(file);
	if (prefix >= 0)
		fputc(prefix, file);
	must(fwrite(data, 1, bytes, file) == bytes && !fclose(file));
}

static void seed_chunk(void)
{
	static u8 head[LVR_CHUNK_HEAD_BYTES + 2 * LVR_RECORD_DESC_BYTES] __attribute__((aligned(8)));
	struct lvr_record_desc *desc = (void *)(head + LVR_CHUNK_HEAD_BYTES);
	struct lvr_record record = { .type = LVR_REC_WRITE, .start_sect = 8, .len_sect = 8, .data_hash = 1 };
	struct lvr_chunk_info info = {
		.head_bytes = sizeof(head), .payload_bytes = 4096, .records = 2, .gen = 1, .first_seq = 5,
		.group_id = 2, .time_ms = 3,
	};
	struct lvr_envelope envelope = { .log_id = 1, .incarnation = 2, .off = 4096 };
	struct lvr_disk_envelope wire;

	lvr_record_encode(&desc[0], &record);
	record = (struct lvr_record){ .type = LVR_REC_DISCARD, .start_sect = 64, .len_sect = 128 };
	lvr_record_encode(&desc[1], &record);
	lvr_chunk_encode(head, &info, 7);
	write_seed("chunk", "head", -1, head, sizeof(head));
	envelope.payload_at_bytes = lvr_extent_payload_at_bytes(info.head_bytes);
	envelope.extent_bytes = lvr_extent_bytes(info.head_bytes, info.payload_bytes, 512);
	lvr_envelope_encode(&wire, &envelope);
	write_seed("chunk", "envelope", -1, &wire, sizeof(wire));
}

static void seed_super(void)
{
	static const struct lvr_volume_entry volume = { .name = "data", .size_sect = 4096, .block_bytes = 512 };
	static const u8 uuid[LVR_UUID_BYTES] = { 1 };
	static const struct lvr_super_make make = {
		.group_name = "db", .group_uuid = uuid, .log_id = 1, .block_bytes = 512,
		.device_sect = 1 << 21, .members = 2, .volume = &volume, .volumes = 1,
		.member_id = { 0, 1 }, .member_name = { "alpha", "beta" },
	};
	static u8 slot[LVR_SUPER_BYTES] __attribute__((aligned(8)));
	static struct lvr_super sb;
	struct lvr_err err;

	must(!lvr_super_make(&sb, &make, &err));
	lvr_super_encode(slot, &sb);
	/* what follows is zeroes: a short input stands for it */
	write_seed("super", "made", -1, slot, 4096);
}

static void seed_messages(void)
{
	struct lvr_frame frame = { .type = LVR_FRAME_PING, .conn_id = 1, .serial = 2, .head_seq = 9 };
	struct lvr_hello hello = { .group = "db" };
	struct lvr_ack ack = { .durable_seq = 9, .durable_chain = 1, .applied_seq = 3 };
	struct lvr_lookup lookup = { .seq = 4, .chain = 5, .known = 1 };
	struct lvr_plan plan = { .kind = LVR_PLAN_STREAM, .fork_seq = 4, .from_seq = 4 };
	union {
		struct lvr_wire_frame frame;
		struct lvr_wire_hello hello;
		struct lvr_wire_ack ack;
		struct lvr_wire_lookup lookup;
		struct lvr_wire_verdict verdict;
	} wire;

	memset(&wire, 0, sizeof(wire));
	lvr_frame_encode(&wire.frame, &frame);
	write_seed("frame", "ping", 0, &wire.frame, sizeof(wire.frame));
	lvr_hello_encode(&wire.hello, &hello);
	write_seed("frame", "hello", 1, &wire.hello, sizeof(wire.hello));
	lvr_ack_encode(&wire.ack, &ack);
	write_seed("frame", "ack", 2, &wire.ack, sizeof(wire.ack));
	lvr_lookup_encode(&wire.lookup, &lookup);
	write_seed("frame", "lookup", 3, &wire.lookup, sizeof(wire.lookup));
	lvr_verdict_encode(&wire.verdict, &plan);
	write_seed("frame", "verdict", 4, &wire.verdict, sizeof(wire.verdict));
}

static void seed_handshake(void)
{
	static u8 both[3 + 2 * LVR_STATE_MAX_BYTES], state[LVR_STATE_MAX_BYTES] __attribute__((aligned(8)));
	static struct lvr_plan_node node;
	u32 bytes[2], i;

	node.group_uuid[0] = 1;
	node.ring_bytes = 1 << 24;
	node.head_seq = 20;
	node.durable_seq = 20;
	node.destaged_seq = 10;
	node.handover_member = ~0ull;
	node.history_entries = 1;
	node.history[0] = (struct lvr_generation){ .gen = 5, .first_seq = 1 };
	node.volumes = 1;
	strcpy(node.volume[0].name, "data");
	node.volume[0].size_sect = 4096;
	node.volume[0].block_bytes = 512;
	for (i = 0; i < 2; i++) {
		node.member = i;
		node.flags = i ? 0 : LVR_NODE_F_ACTIVE;
		bytes[i] = lvr_state_encode(state, &node);
		memcpy(both + 3 + (i ? bytes[0] : 0), state, bytes[i]);
	}
	both[0] = bytes[0] & 0xff;
	both[1] = bytes[0] >> 8;
	both[2] = 3;
	write_seed("handshake", "stream", -1, both, 3 + bytes[0] + bytes[1]);
}

int main(int argc, char **argv)
{
	must(argc == 2);
	directory = argv[1];
	seed_chunk();
	seed_super();
	seed_messages();
	seed_handshake();
	return 0;
}
