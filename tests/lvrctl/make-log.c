// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the image of a log for tests, with the codecs of core/.
 *
 * usage: make-log FILE MIB CHUNKS [key=value...]
 *   group=NAME  checkpoint=CHUNK  incarnation=N  laps=1 (the tail lies in the
 *   second lap)  flags=BITS  target=1
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "core/chunk.h"
#include "core/ring.h"
#include "core/super.h"

#define LOG_ID 0x1122334455667788ull
#define GEN 0xabcdefull
#define RECORDS 3
#define RECORD_SECT 8

static u64 setting(int argc, char **argv, const char *key, u64 fallback)
{
	int i;

	for (i = 4; i < argc; i++)
		if (!strncmp(argv[i], key, strlen(key)) && argv[i][strlen(key)] == '=')
			return strtoull(argv[i] + strlen(key) + 1, NULL, 0);
	return fallback;
}

static const char *text_setting(int argc, char **argv, const char *key, const char *fallback)
{
	int i;

	for (i = 4; i < argc; i++)
		if (!strncmp(argv[i], key, strlen(key)) && argv[i][strlen(key)] == '=')
			return argv[i] + strlen(key) + 1;
	return fallback;
}

static void die(const char *what)
{
	fprintf(stderr, "make-log: %s\n", what);
	exit(1);
}

static void ring_write(int fd, const struct lvr_ring *ring, u64 off, const u8 *from, u64 bytes)
{
	u64 part;

	for (; bytes; off += part, from += part, bytes -= part) {
		part = min(lvr_ring_contiguous_bytes(ring, off), bytes);
		if (pwrite(fd, from, part, lvr_ring_sect(ring, off) << 9) != (ssize_t)part)
			die("write");
	}
}

/* one chunk at *pos, which moves behind it */
static void chunk_add(int fd, const struct lvr_ring *ring, const struct lvr_super *sb,
		      u64 incarnation, struct lvr_pos *pos)
{
	bool first = pos->gen == 0;
	struct lvr_chunk_info info = {
		.records = RECORDS,
		.flags = first ? LVR_CHUNK_F_GENERATION : 0,
		.gen = GEN,
		.first_seq = pos->seq,
		.group_id = lvr_group_id(sb->group_uuid),
		.time_ms = 1700000000000ull + pos->seq,
	};
	struct lvr_envelope env = { .log_id = sb->log_id, .incarnation = incarnation, .off = pos->off };
	u32 head_bytes = LVR_CHUNK_HEAD_BYTES + RECORDS * LVR_RECORD_DESC_BYTES, i, at;
	u8 *extent = calloc(1, 1 << 20), *head = extent + LVR_ENVELOPE_BYTES;
	struct lvr_record r;

	at = lvr_extent_payload_at_bytes(head_bytes);
	env.payload_at_bytes = at;
	for (i = 0; i < RECORDS; i++) {
		r = (struct lvr_record){ .type = LVR_REC_WRITE, .volume = i % 2,
					 .len_sect = RECORD_SECT, .start_sect = (pos->seq + i) * 8 };
		if (first && !i)
			r = (struct lvr_record){ .type = LVR_REC_GENERATION };
		memset(extent + at, (u8)(pos->seq + i), lvr_record_payload_bytes(&r));
		if (lvr_record_payload_bytes(&r))
			r.data_hash = lvr_xxh64(extent + at, lvr_record_payload_bytes(&r), 0);
		at += lvr_record_payload_bytes(&r);
		info.payload_bytes += lvr_record_payload_bytes(&r);
		lvr_record_encode((void *)(head + LVR_CHUNK_HEAD_BYTES + i * LVR_RECORD_DESC_BYTES), &r);
	}
	env.extent_bytes = lvr_extent_bytes(head_bytes, info.payload_bytes, sb->block_bytes);
	pos->chain = lvr_chunk_encode(head, &info, first ? lvr_chain_start(pos->chain, GEN, pos->seq)
							 : pos->chain);
	lvr_envelope_encode((void *)extent, &env);
	ring_write(fd, ring, pos->off, extent, env.extent_bytes);
	pos->seq += RECORDS;
	pos->off += env.extent_bytes;
	pos->gen = GEN;
	free(extent);
}

int main(int argc, char **argv)
{
	static const u8 uuid[LVR_UUID_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	static const struct lvr_volume_entry volume[] = {
		{ .name = "data", .size_sect = 2048, .id = 0, .block_bytes = 512 },
		{ .name = "wal", .size_sect = 2048, .id = 1, .block_bytes = 512 },
	};
	struct lvr_super_make make = {
		.group_name = text_setting(argc, argv, "group", "db"), .group_uuid = uuid,
		.log_id = LOG_ID, .self = 0, .block_bytes = 512, .members = 2, .volume = volume,
		.volumes = 2, .member_id = { 0, 1 }, .member_name = { "alpha", "beta" },
	};
	const struct lvr_generation gen = { .gen = GEN, .first_seq = 0, .member = 0 };
	static struct lvr_super sb;
	static u8 slot[LVR_SUPER_BYTES] __attribute__((aligned(8)));
	struct lvr_pos pos = { 0 };
	struct lvr_ring ring;
	struct lvr_err err;
	u64 chunks, i, checkpoint, lap_end;
	int fd;

	if (argc < 4)
		die("usage: make-log FILE MIB CHUNKS [key=value...]");
	chunks = strtoull(argv[3], NULL, 0);
	make.device_sect = strtoull(argv[2], NULL, 0) << 11;
	make.target = setting(argc, argv, "target", 0);
	checkpoint = setting(argc, argv, "checkpoint", 0);
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, make.device_sect << 9))
		die(argv[1]);
	if (lvr_super_make(&sb, &make, &err))
		die(err.text);
	ring = (struct lvr_ring){ sb.ring_start_sect, sb.ring_bytes, sb.block_bytes };

	lvr_super_encode(slot, &sb);
	if (pwrite(fd, slot, sizeof(slot), lvr_super_slot_sect(sb.sb_seq) << 9) != sizeof(slot))
		die("write");
	if (chunks && lvr_super_add_generation(&sb, &gen))
		die("generation");
	if (setting(argc, argv, "laps", 0)) {
		/* the first lap is full of chunks that no longer count */
		for (lap_end = sb.ring_bytes; pos.off + 65536 < lap_end;)
			chunk_add(fd, &ring, &sb, 1, &pos);
		sb.tail = sb.checkpoint = pos;
	}
	sb.incarnation = setting(argc, argv, "incarnation", 1);
	sb.flags |= setting(argc, argv, "flags", 0);
	for (i = 0; i < chunks; i++) {
		if (i == checkpoint && i)
			sb.checkpoint = pos;
		chunk_add(fd, &ring, &sb, sb.incarnation, &pos);
	}
	if (checkpoint && checkpoint == chunks)
		sb.checkpoint = pos;
	sb.durable_limit_seq = sb.checkpoint.seq;
	sb.sb_seq++;
	lvr_super_encode(slot, &sb);
	if (pwrite(fd, slot, sizeof(slot), lvr_super_slot_sect(sb.sb_seq) << 9) != sizeof(slot))
		die("write");
	return close(fd);
}
