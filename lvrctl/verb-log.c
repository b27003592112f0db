// SPDX-License-Identifier: GPL-2.0-only
/* log dump, log check: a log as it lies there, of any node, without the module. */
#include <stdlib.h>
#include <time.h>
#include "exit.h"
#include "human.h"
#include "log.h"
#include "out.h"
#include "say.h"
#include "verb.h"

static const struct out_bit super_flags[] = {
	{ LVR_SUPER_F_PRIMARY, "primary" },
	{ LVR_SUPER_F_INCONSISTENT, "inconsistent" },
	{ LVR_SUPER_F_CLEAN, "clean" },
	{ LVR_SUPER_F_BLANK, "blank" },
	{ LVR_SUPER_F_DISCARD, "discard" },
	{ LVR_SUPER_F_SUPERSEDED, "superseded" },
};

static const struct out_bit member_flags[] = {
	{ LVR_MEMBER_F_SELF, "self" },
	{ LVR_MEMBER_F_NEEDS_SYNC, "needs-sync" },
	{ LVR_MEMBER_F_SYNC_OPEN, "sync-open" },
};

static const struct out_bit chunk_flags[] = {
	{ LVR_CHUNK_F_NOSEQ, "noseq" },
	{ LVR_CHUNK_F_GENERATION, "generation" },
};

static const char *const counter_names[] = {
#define X(name) #name,
	LVR_COUNTERS(X)
#undef X
};

#define BITS(bits) bits, ARRAY_SIZE(bits)

static char *uuid_text(const u8 uuid[LVR_UUID_BYTES], char to[40])
{
	u32 i, at = 0;

	for (i = 0; i < LVR_UUID_BYTES; i++)
		at += sprintf(to + at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      uuid[i]);
	return to;
}

static char *time_text(u64 time_ms, char to[32])
{
	time_t s = time_ms / 1000;
	struct tm tm;

	snprintf(to, 32, "-");
	if (time_ms && gmtime_r(&s, &tm))
		strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return to;
}

/*---------------------------------------------------------------------------*/
/* superblock as JSON */

static struct json_object *pos_json(const struct lvr_pos *pos)
{
	struct json_object *object = json_object_new_object();

	out_number(object, "seq", pos->seq);
	out_number(object, "off", pos->off);
	out_hex(object, "chain", pos->chain);
	out_hex(object, "generation", pos->gen);
	return object;
}

static struct json_object *member_json(u32 id, const struct lvr_member *member)
{
	struct json_object *object = json_object_new_object();

	out_number(object, "id", id);
	out_text(object, "name", member->name);
	out_add(object, "flags", out_bits(BITS(member_flags), member->flags));
	out_number(object, "acked_seq", member->acked_seq);
	out_number(object, "told_durable_seq", member->told_durable_seq);
	out_number(object, "told_head_seq", member->told_head_seq);
	out_number(object, "seen_time_ms", member->seen_time_ms);
	out_hex(object, "sync_id", member->sync_id);
	out_number(object, "sync_volume", member->sync_volume);
	out_number(object, "sync_sect", member->sync_sect);
	out_number(object, "sync_end_seq", member->sync_end_seq);
	return object;
}

static struct json_object *lists_json(struct json_object *to, const struct lvr_super *sb)
{
	struct json_object *members = json_object_new_array(), *volumes = json_object_new_array();
	struct json_object *history = json_object_new_array(), *counters = json_object_new_object();
	struct json_object *one;
	u32 i;

	for (i = 0; i < LVR_MAX_MEMBERS; i++)
		if (sb->member[i].flags & LVR_MEMBER_F_USED)
			json_object_array_add(members, member_json(i, &sb->member[i]));
	for (i = 0; i < sb->volumes; i++) {
		one = json_object_new_object();
		out_number(one, "id", sb->volume[i].id);
		out_text(one, "name", sb->volume[i].name);
		out_number(one, "size_sect", sb->volume[i].size_sect);
		out_number(one, "block_bytes", sb->volume[i].block_bytes);
		json_object_array_add(volumes, one);
	}
	for (i = 0; i < sb->history_entries; i++) {
		one = json_object_new_object();
		out_hex(one, "generation", sb->history[i].gen);
		out_number(one, "first_seq", sb->history[i].first_seq);
		out_hex(one, "fork_chain", sb->history[i].fork_chain);
		out_number(one, "member", sb->history[i].member);
		json_object_array_add(history, one);
	}
	for (i = 0; i < ARRAY_SIZE(counter_names); i++)
		out_number(counters, counter_names[i], sb->counter[i]);
	out_add(to, "members", members);
	out_add(to, "volumes", volumes);
	out_add(to, "history", history);
	out_add(to, "counters", counters);
	return to;
}

static struct json_object *super_json(const struct lvr_super *sb)
{
	struct json_object *object = json_object_new_object();
	char uuid[40];

	out_number(object, "sb_seq", sb->sb_seq);
	out_text(object, "group", sb->group_name);
	out_text(object, "group_uuid", uuid_text(sb->group_uuid, uuid));
	out_hex(object, "log_id", sb->log_id);
	out_number(object, "incarnation", sb->incarnation);
	out_add(object, "flags", out_bits(BITS(super_flags), sb->flags));
	out_number(object, "self", sb->self);
	out_number(object, "block_bytes", sb->block_bytes);
	out_number(object, "device_sect", sb->device_sect);
	out_number(object, "ring_start_sect", sb->ring_start_sect);
	out_number(object, "ring_bytes", sb->ring_bytes);
	out_add(object, "tail", pos_json(&sb->tail));
	out_add(object, "checkpoint", pos_json(&sb->checkpoint));
	out_number(object, "durable_limit_seq", sb->durable_limit_seq);
	out_hex(object, "sync_id", sb->sync_id);
	out_number(object, "orphan_first_seq", sb->orphan_first_seq);
	out_number(object, "orphan_end_seq", sb->orphan_end_seq);
	out_number(object, "orphan_bytes", sb->orphan_bytes);
	return lists_json(object, sb);
}

static struct json_object *slots_json(const struct log *log)
{
	struct json_object *list = json_object_new_array(), *one;
	int i;

	for (i = 0; i < 2; i++) {
		one = json_object_new_object();
		out_flag(one, "valid", !log->slot_ret[i]);
		out_flag(one, "current", log->current == i);
		out_add(one, "sb_seq", log->slot_ret[i] ? NULL :
			json_object_new_uint64(log->slot[i].sb_seq));
		out_text(one, "error", log->slot_ret[i] ? log->slot_err[i].text : NULL);
		json_object_array_add(list, one);
	}
	return list;
}

/*---------------------------------------------------------------------------*/
/* superblock as text */

static void pos_print(const char *name, const struct lvr_pos *pos)
{
	printf("%-16s seq %llu, off %llu, chain %016llx, generation %016llx\n", name, pos->seq,
	       pos->off, pos->chain, pos->gen);
}

static void slots_print(const struct log *log)
{
	int i;

	for (i = 0; i < 2; i++)
		if (log->slot_ret[i])
			printf("%-13s %d  %s\n", "superblock", i, log->slot_err[i].text);
		else
			printf("%-13s %d  number %llu%s\n", "superblock", i, log->slot[i].sb_seq,
			       log->current == i ? ", counts" : "");
}

static void members_print(const struct lvr_super *sb)
{
	static const struct out_column columns[] = {
		{ .name = "MEMBER", .right = true }, { .name = "NAME" }, { .name = "FLAGS" },
		{ .name = "ACKED", .right = true }, { .name = "TOLD-DURABLE", .right = true },
		{ .name = "TOLD-HEAD", .right = true }, { .name = "HEARD" },
	};
	struct libscols_table *table = out_table(BITS(columns));
	char id[16], flags[64], acked[24], durable[24], head[24], seen[32];
	const char *cells[] = { id, NULL, flags, acked, durable, head, seen };
	const struct lvr_member *m;
	u32 i;

	for (i = 0; i < LVR_MAX_MEMBERS; i++) {
		m = &sb->member[i];
		if (!(m->flags & LVR_MEMBER_F_USED))
			continue;
		snprintf(id, sizeof(id), "%u", i);
		cells[1] = m->name;
		out_bits_text(BITS(member_flags), m->flags, flags, sizeof(flags));
		snprintf(acked, sizeof(acked), "%llu", m->acked_seq);
		snprintf(durable, sizeof(durable), "%llu", m->told_durable_seq);
		snprintf(head, sizeof(head), "%llu", m->told_head_seq);
		time_text(m->seen_time_ms, seen);
		out_row(table, cells);
	}
	printf("\n");
	out_table_end(table);
}

static void volumes_print(const struct lvr_super *sb)
{
	static const struct out_column columns[] = {
		{ .name = "VOLUME", .right = true }, { .name = "NAME" },
		{ .name = "SECTORS", .right = true }, { .name = "SIZE", .right = true },
		{ .name = "BLOCK", .right = true },
	};
	struct libscols_table *table = out_table(BITS(columns));
	char id[16], sect[24], size[HUMAN_BYTES], block[16];
	const char *cells[] = { id, NULL, sect, size, block };
	u32 i;

	for (i = 0; i < sb->volumes; i++) {
		snprintf(id, sizeof(id), "%u", sb->volume[i].id);
		cells[1] = sb->volume[i].name;
		snprintf(sect, sizeof(sect), "%llu", sb->volume[i].size_sect);
		human_bytes(size, sb->volume[i].size_sect << LVR_SECTOR_SHIFT);
		snprintf(block, sizeof(block), "%u", sb->volume[i].block_bytes);
		out_row(table, cells);
	}
	printf("\n");
	out_table_end(table);
}

static void history_print(const struct lvr_super *sb)
{
	static const struct out_column columns[] = {
		{ .name = "GENERATION" }, { .name = "FIRST-SEQ", .right = true },
		{ .name = "FORK-CHAIN" }, { .name = "MEMBER", .right = true },
	};
	struct libscols_table *table = out_table(BITS(columns));
	char gen[24], first[24], chain[24], member[16];
	const char *cells[] = { gen, first, chain, member };
	u32 i;

	for (i = 0; i < sb->history_entries; i++) {
		snprintf(gen, sizeof(gen), "%016llx", sb->history[i].gen);
		snprintf(first, sizeof(first), "%llu", sb->history[i].first_seq);
		snprintf(chain, sizeof(chain), "%016llx", sb->history[i].fork_chain);
		snprintf(member, sizeof(member), "%u", sb->history[i].member);
		out_row(table, cells);
	}
	printf("\n");
	out_table_end(table);
	printf("\n");
}

static void super_print(const struct lvr_super *sb)
{
	char text[96], size[HUMAN_BYTES];
	u32 i;

	printf("%-16s %s, uuid %s\n", "group", sb->group_name, uuid_text(sb->group_uuid, text));
	printf("%-16s %016llx, incarnation %llu, member %u\n", "log", sb->log_id, sb->incarnation,
	       sb->self);
	printf("%-16s %s\n", "flags", out_bits_text(BITS(super_flags), sb->flags, text, sizeof(text)));
	printf("%-16s %llu sectors, blocks of %u bytes\n", "device", sb->device_sect, sb->block_bytes);
	printf("%-16s %s from sector %llu\n", "ring", human_bytes(size, sb->ring_bytes),
	       sb->ring_start_sect);
	pos_print("tail", &sb->tail);
	pos_print("checkpoint", &sb->checkpoint);
	printf("%-16s seq %llu\n", "destage limit", sb->durable_limit_seq);
	if (sb->sync_id)
		printf("%-16s %016llx\n", "target of sync", sb->sync_id);
	if (sb->orphan_end_seq > sb->orphan_first_seq)
		printf("%-16s seq %llu to %llu, %s\n", "orphans", sb->orphan_first_seq,
		       sb->orphan_end_seq, human_bytes(size, sb->orphan_bytes));
	printf("%-16s", "counters");
	for (i = 0; i < ARRAY_SIZE(counter_names); i++)
		printf(" %s=%llu", counter_names[i], sb->counter[i]);
	printf("\n");
	members_print(sb);
	volumes_print(sb);
	history_print(sb);
}

/*---------------------------------------------------------------------------*/
/* chunks */

static void chunk_print(const struct log_chunk *chunk, void *arg)
{
	const struct lvr_chunk_info *info = chunk->info;
	char flags[64], when[32];
	struct lvr_record r;
	u32 i;

	(void)arg;
	printf("chunk off %llu, incarnation %llu, seq %llu, generation %016llx, %u records, %u bytes, %s, chain %016llx",
	       chunk->envelope->off, chunk->envelope->incarnation, info->first_seq, info->gen,
	       info->records, info->payload_bytes, time_text(info->time_ms, when), info->chain);
	if (info->flags)
		printf(", %s", out_bits_text(BITS(chunk_flags), info->flags, flags, sizeof(flags)));
	if (info->flags & LVR_CHUNK_F_NOSEQ)
		printf(", sync %016llx no %llu", info->sync_id, info->sync_no);
	printf("\n");
	for (i = 0; i < info->records; i++) {
		lvr_chunk_record(chunk->head, i, &r);
		printf("  %-10s", lvr_record_type_name(r.type));
		if (lvr_record_type_has_range(r.type))
			printf(" volume %u, sector %llu + %u%s\n", r.volume, r.start_sect, r.len_sect,
			       r.flags & LVR_REC_F_FUA ? ", fua" : "");
		else
			printf(" %llx\n", r.arg);
	}
}

static struct json_object *record_json(const struct lvr_record *r)
{
	struct json_object *object = json_object_new_object();

	out_text(object, "type", lvr_record_type_name(r->type));
	if (!lvr_record_type_has_range(r->type)) {
		out_hex(object, "arg", r->arg);
		return object;
	}
	out_number(object, "volume", r->volume);
	out_number(object, "start_sect", r->start_sect);
	out_number(object, "len_sect", r->len_sect);
	out_flag(object, "fua", r->flags & LVR_REC_F_FUA);
	if (lvr_record_type_has_payload(r->type))
		out_hex(object, "data_hash", r->data_hash);
	return object;
}

static struct json_object *chunk_json(const struct log_chunk *chunk)
{
	struct json_object *object = json_object_new_object(), *records = json_object_new_array();
	const struct lvr_chunk_info *info = chunk->info;
	struct lvr_record r;
	u32 i;

	out_number(object, "off", chunk->envelope->off);
	out_number(object, "incarnation", chunk->envelope->incarnation);
	out_number(object, "extent_bytes", chunk->envelope->extent_bytes);
	out_number(object, "first_seq", info->first_seq);
	out_hex(object, "generation", info->gen);
	out_hex(object, "chain", info->chain);
	out_number(object, "payload_bytes", info->payload_bytes);
	out_number(object, "time_ms", info->time_ms);
	out_add(object, "flags", out_bits(BITS(chunk_flags), info->flags));
	if (info->flags & LVR_CHUNK_F_NOSEQ) {
		out_hex(object, "sync_id", info->sync_id);
		out_number(object, "sync_no", info->sync_no);
	}
	for (i = 0; i < info->records; i++) {
		lvr_chunk_record(chunk->head, i, &r);
		json_object_array_add(records, record_json(&r));
	}
	out_add(object, "records", records);
	return object;
}

/* a log may hold more chunks than memory: each is printed as it is met */
static void chunk_print_json(const struct log_chunk *chunk, void *arg)
{
	struct json_object *object = chunk_json(chunk);
	bool *first = arg;

	printf("%s%s", *first ? "" : ",", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	*first = false;
	json_object_put(object);
}

/*---------------------------------------------------------------------------*/
/* the verdict */

enum verdict {
	VERDICT_CLEAN,		/* ends where nothing was written yet */
	VERDICT_TORN,		/* ends in a chunk that is not whole, the last one: as a crash leaves it */
	VERDICT_HOLE,		/* whole chunks lie behind the end */
	VERDICT_DAMAGED,	/* what must be there is not */
};

static const char *const verdict_names[] = {
	[VERDICT_CLEAN] = "clean",
	[VERDICT_TORN] = "torn",
	[VERDICT_HOLE] = "hole",
	[VERDICT_DAMAGED] = "damaged",
};

static const char *const verdict_texts[] = {
	[VERDICT_CLEAN] = "the log is whole",
	[VERDICT_TORN] = "the log is whole up to a torn last chunk, as a crash leaves it",
	[VERDICT_HOLE] = "whole chunks lie behind one that is not: damage, or a power cut before the disk's cache was flushed",
	[VERDICT_DAMAGED] = "the log is damaged",
};

static enum verdict verdict_of(const struct log *log, const struct log_walk *walk)
{
	const struct lvr_super *sb = log_super(log, false);

	/* all below the checkpoint was flushed before it was written down */
	if (walk->scan.pos.off < sb->checkpoint.off || walk->scan.end == LVR_SCAN_FOREIGN)
		return VERDICT_DAMAGED;
	if (walk->beyond)
		return VERDICT_HOLE;
	return walk->scan.end == LVR_SCAN_TORN ? VERDICT_TORN : VERDICT_CLEAN;
}

static struct json_object *end_json(const struct log *log, const struct log_walk *walk)
{
	struct json_object *object = json_object_new_object();

	out_text(object, "verdict", verdict_names[verdict_of(log, walk)]);
	out_text(object, "why", lvr_scan_end_name(walk->scan.end));
	out_text(object, "detail", walk->scan.why.text[0] ? walk->scan.why.text : NULL);
	out_add(object, "head", pos_json(&walk->scan.pos));
	out_number(object, "chunks", walk->chunks);
	out_number(object, "records", walk->records);
	out_number(object, "payload_bytes", walk->payload_bytes);
	out_number(object, "undestaged_records", log_undestaged(log, walk));
	out_number(object, "chunks_beyond", walk->beyond);
	return object;
}

static void end_print(const struct log *log, const struct log_walk *walk)
{
	char size[HUMAN_BYTES];

	printf("%-16s %llu chunks, %llu records, %s of payload\n", "found", walk->chunks,
	       walk->records, human_bytes(size, walk->payload_bytes));
	pos_print("head", &walk->scan.pos);
	printf("%-16s %llu records are perhaps not on the volumes yet\n", "undestaged",
	       log_undestaged(log, walk));
	printf("%-16s %s%s%s\n", "ends with", lvr_scan_end_name(walk->scan.end),
	       walk->scan.why.text[0] ? ": " : "", walk->scan.why.text);
	if (walk->beyond)
		printf("%-16s %llu whole chunks, the first at off %llu\n", "behind the end",
		       walk->beyond, walk->beyond_off);
	printf("%-16s %s: %s\n", "verdict", verdict_names[verdict_of(log, walk)],
	       verdict_texts[verdict_of(log, walk)]);
}

/*---------------------------------------------------------------------------*/

static int no_super(const struct log *log, bool json)
{
	struct json_object *object;

	log_super(log, true);
	if (json) {
		object = out_object();
		out_add(object, "superblocks", slots_json(log));
		out_add(object, "super", NULL);
		out_json(object);
	}
	return EXIT_DEVICE;
}

static int dump_json(struct log *log)
{
	struct json_object *super = super_json(log_super(log, false)), *slots = slots_json(log), *end;
	struct log_walk walk;
	bool first = true;
	int ret;

	printf("{\"version\":%d,\"superblocks\":%s", OUT_JSON_VERSION,
	       json_object_to_json_string_ext(slots, JSON_C_TO_STRING_PLAIN));
	printf(",\"super\":%s,\"chunks\":[", json_object_to_json_string_ext(super, JSON_C_TO_STRING_PLAIN));
	ret = log_walk(log, &walk, chunk_print_json, &first);
	end = ret ? NULL : end_json(log, &walk);
	printf("],\"end\":%s}\n", json_object_to_json_string_ext(end, JSON_C_TO_STRING_PLAIN));
	json_object_put(slots);
	json_object_put(super);
	json_object_put(end);
	return ret;
}

static int dump(struct log *log, bool json)
{
	struct log_walk walk;
	int ret;

	if (!log_super(log, false))
		return no_super(log, json);
	if (json)
		return dump_json(log);
	slots_print(log);
	super_print(log_super(log, false));
	ret = log_walk(log, &walk, chunk_print, NULL);
	if (!ret)
		end_print(log, &walk);
	return ret;
}

static int check(struct log *log, bool json)
{
	struct json_object *object;
	struct log_walk walk;
	int ret;

	if (!log_super(log, false))
		return no_super(log, json);
	ret = log_walk(log, &walk, NULL, NULL);
	if (ret)
		return ret;
	if (json) {
		object = out_object();
		out_add(object, "superblocks", slots_json(log));
		out_add(object, "end", end_json(log, &walk));
		out_json(object);
	} else {
		slots_print(log);
		end_print(log, &walk);
	}
	return verdict_of(log, &walk) >= VERDICT_HOLE ? EXIT_DEVICE : 0;
}

/**
 * verb_log - look at a log offline
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: log dump|check DEVICE
 *
 * Return: exit code.
 */
int verb_log(const struct verb *verb, int argc, char **argv)
{
	static bool json;
	static const struct option_def options[] = {
		{ "json", OPTION_FLAG, &json, NULL, "as JSON" },
	};
	const char *word[2];
	struct log *log;
	bool is_dump;
	int ret;

	ret = args_parse(verb, argc, argv, BITS(options), word, 2, 2);
	if (ret)
		return ret;
	is_dump = !strcmp(word[0], "dump");
	if (!is_dump && strcmp(word[0], "check"))
		return say_error(EXIT_USAGE, "found \"%s\", expected dump or check", word[0]);
	log = said_alloc(malloc(sizeof(*log)));
	ret = log_open(log, word[1]);
	if (!ret) {
		ret = is_dump ? dump(log, json) : check(log, json);
		log_close(log);
	}
	free(log);
	return ret;
}
