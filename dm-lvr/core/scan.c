// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery scan. What may follow the chunk before is decided here and nowhere
 * else, in this order:
 *
 *   nothing or foreign bytes          no envelope      the ordinary end
 *   envelope of another log, lap,
 *   place or a lower incarnation      stale            the ordinary end in a used ring
 *   envelope of ours, rest damaged    torn             the end after a crash
 *   whole, but not the continuation   foreign          leftover of a truncation, or damage
 *
 * Each of them ends the scan: the positions behind it are free to be written
 * again, under a higher incarnation. So a chunk behind a torn one is never
 * taken, even if it is whole; nothing behind a chunk that is not whole has
 * ever been reported as durable.
 */
#include "scan.h"
#include "codec.h"

static int end_scan(struct lvr_scan *scan, enum lvr_scan_end end)
{
	scan->end = end;
	return -ENODATA;
}

/**
 * lvr_scan_begin - stand at the tail
 * @scan: is filled
 * @sb: the superblock that counts; it must stay while the scan runs
 *
 * Any context, does not sleep.
 */
void lvr_scan_begin(struct lvr_scan *scan, const struct lvr_super *sb)
{
	memset(scan, 0, sizeof(*scan));
	scan->sb = sb;
	scan->ring.start_sect = sb->ring_start_sect;
	scan->ring.bytes = sb->ring_bytes;
	scan->ring.block_bytes = sb->block_bytes;
	scan->pos = sb->tail;
	scan->incarnation = sb->tail_incarnation;
	scan->end = LVR_SCAN_MORE;
}

static u64 lap_left_bytes(const struct lvr_scan *scan)
{
	return scan->ring.bytes - (scan->pos.off - scan->sb->tail.off);
}

/**
 * lvr_scan_done - whether there is nothing more to read
 * @scan: the scan
 *
 * Ends it when a whole lap has been taken. Any context, does not sleep.
 *
 * Return: true once scan->end is set.
 */
bool lvr_scan_done(struct lvr_scan *scan)
{
	if (scan->end == LVR_SCAN_MORE && !lap_left_bytes(scan)) {
		lvr_err_set(&scan->why, "the ring of %llu bytes is full", scan->ring.bytes);
		scan->end = LVR_SCAN_FULL;
	}
	return scan->end != LVR_SCAN_MORE;
}

static int check_envelope(struct lvr_scan *scan, const void *extent)
{
	struct lvr_envelope *env = &scan->envelope;
	int ret;

	ret = lvr_envelope_decode(extent, env, scan->ring.block_bytes, &scan->why);
	if (ret == -ENODATA)
		return end_scan(scan, LVR_SCAN_NO_ENVELOPE);
	if (ret)
		return end_scan(scan, LVR_SCAN_TORN);

	if (env->log_id != scan->sb->log_id) {
		lvr_err_set(&scan->why, "chunk of log %016llx, not %016llx", env->log_id,
			    scan->sb->log_id);
		return end_scan(scan, LVR_SCAN_STALE);
	}
	if (env->off != scan->pos.off) {
		lvr_err_set(&scan->why, "chunk of off %llu, not %llu", env->off, scan->pos.off);
		return end_scan(scan, LVR_SCAN_STALE);
	}
	if (env->incarnation < scan->incarnation) {
		lvr_err_set(&scan->why, "chunk of incarnation %llu after one of %llu",
			    env->incarnation, scan->incarnation);
		return end_scan(scan, LVR_SCAN_STALE);
	}
	if (env->extent_bytes > lap_left_bytes(scan)) {
		lvr_err_set(&scan->why, "chunk of %u bytes where %llu are left in the lap",
			    env->extent_bytes, lap_left_bytes(scan));
		return end_scan(scan, LVR_SCAN_TORN);
	}
	return 0;
}

/* whether the history says that `gen` begins at the scan's position */
static const struct lvr_generation *begins_here(const struct lvr_scan *scan, u64 gen)
{
	const struct lvr_generation *g = lvr_super_find_generation(scan->sb, gen);

	return g && g->first_seq == scan->pos.seq ? g : NULL;
}

/* the generation that follows `gen` in the history, NULL: none, or gen not known */
static const struct lvr_generation *successor(const struct lvr_super *sb, u64 gen)
{
	const struct lvr_generation *g = lvr_super_find_generation(sb, gen);

	if (!g || g == lvr_super_generation(sb))
		return NULL;
	return g + 1;
}

/*
 * A full history drops its oldest entries while their records are still in
 * the log. What lies before the oldest entry left is held together by the
 * chain alone.
 */
static bool history_begins_later(const struct lvr_super *sb, u64 seq)
{
	return sb->history_entries && seq < sb->history[0].first_seq;
}

static int check_generation(struct lvr_scan *scan)
{
	const struct lvr_chunk_info *c = &scan->chunk;
	const struct lvr_generation *g = begins_here(scan, c->gen);

	if (c->flags & LVR_CHUNK_F_GENERATION) {
		if (history_begins_later(scan->sb, scan->pos.seq))
			return 0;
		if (!g) {
			lvr_err_set(&scan->why, "generation %016llx begins at %llu, the history does not say so",
				    c->gen, scan->pos.seq);
			return end_scan(scan, LVR_SCAN_FOREIGN);
		}
		if (g->fork_chain != scan->pos.chain) {
			lvr_err_set(&scan->why, "generation %016llx forks at chain %016llx, the log stands at %016llx",
				    c->gen, g->fork_chain, scan->pos.chain);
			return end_scan(scan, LVR_SCAN_FOREIGN);
		}
		return 0;
	}
	if (c->flags & LVR_CHUNK_F_NOSEQ && g)
		return 0;
	if (c->gen != scan->pos.gen) {
		lvr_err_set(&scan->why, "chunk of generation %016llx, not %016llx", c->gen,
			    scan->pos.gen);
		return end_scan(scan, LVR_SCAN_FOREIGN);
	}
	g = successor(scan->sb, c->gen);
	if (!g && !lvr_super_find_generation(scan->sb, c->gen) && scan->sb->history_entries)
		g = &scan->sb->history[0];
	if (!(c->flags & LVR_CHUNK_F_NOSEQ) && g && g->first_seq <= c->first_seq) {
		lvr_err_set(&scan->why, "chunk of generation %016llx at %llu, it ended at %llu",
			    c->gen, c->first_seq, g->first_seq);
		return end_scan(scan, LVR_SCAN_FOREIGN);
	}
	return 0;
}

static int check_continuation(struct lvr_scan *scan, const void *head)
{
	const struct lvr_chunk_info *c = &scan->chunk;
	u64 group_id = lvr_group_id(scan->sb->group_uuid);
	u64 chain = scan->pos.chain;
	int ret;

	if (c->group_id != group_id) {
		lvr_err_set(&scan->why, "chunk of group %016llx, not %016llx", c->group_id,
			    group_id);
		return end_scan(scan, LVR_SCAN_FOREIGN);
	}
	if (c->first_seq != scan->pos.seq) {
		lvr_err_set(&scan->why, "chunk at seq %llu, not %llu", c->first_seq,
			    scan->pos.seq);
		return end_scan(scan, LVR_SCAN_FOREIGN);
	}
	ret = check_generation(scan);
	if (ret)
		return ret;
	if (c->flags & LVR_CHUNK_F_GENERATION)
		chain = lvr_chain_start(chain, c->gen, c->first_seq);
	chain = lvr_chunk_chain(head, c, chain);
	if (c->chain != chain) {
		lvr_err_set(&scan->why, "chunk says chain %016llx, what stands before it gives %016llx",
			    c->chain, chain);
		return end_scan(scan, LVR_SCAN_FOREIGN);
	}
	return 0;
}

/**
 * lvr_scan_head - judge what lies at scan->pos, all but the payload
 * @scan: the scan
 * @extent: bytes from there on, aligned to 8
 * @bytes: how many
 * @need_bytes: with -EAGAIN, how many are needed; at most LVR_ENVELOPE_BYTES +
 *	LVR_CHUNK_MAX_HEAD_BYTES
 *
 * Any context, does not sleep.
 *
 * Return: 0 accepted; -EAGAIN more bytes; -ENODATA the scan has ended.
 */
int lvr_scan_head(struct lvr_scan *scan, const void *extent, u32 bytes, u32 *need_bytes)
{
	const u8 *head = (const u8 *)extent + LVR_ENVELOPE_BYTES;
	u32 payload_at_bytes, extent_bytes;
	int ret;

	if (lvr_scan_done(scan))
		return -ENODATA;
	if (bytes < LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES) {
		*need_bytes = LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES;
		return -EAGAIN;
	}
	ret = check_envelope(scan, extent);
	if (ret)
		return ret;
	if (lvr_chunk_peek(head, &scan->chunk, &scan->why))
		return end_scan(scan, LVR_SCAN_TORN);

	payload_at_bytes = lvr_extent_payload_at_bytes(scan->chunk.head_bytes);
	extent_bytes = lvr_extent_bytes(scan->chunk.head_bytes, scan->chunk.payload_bytes,
					scan->ring.block_bytes);
	if (scan->envelope.payload_at_bytes != payload_at_bytes ||
	    scan->envelope.extent_bytes != extent_bytes) {
		lvr_err_set(&scan->why, "envelope says payload at %u of %u bytes, the chunk needs %u of %u",
			    scan->envelope.payload_at_bytes, scan->envelope.extent_bytes,
			    payload_at_bytes, extent_bytes);
		return end_scan(scan, LVR_SCAN_TORN);
	}
	if (bytes < LVR_ENVELOPE_BYTES + scan->chunk.head_bytes) {
		*need_bytes = LVR_ENVELOPE_BYTES + scan->chunk.head_bytes;
		return -EAGAIN;
	}
	if (lvr_chunk_decode(head, bytes - LVR_ENVELOPE_BYTES, &scan->chunk, &scan->why))
		return end_scan(scan, LVR_SCAN_TORN);
	return check_continuation(scan, head);
}

/**
 * lvr_scan_record_hash - judge the payload of one record
 * @scan: the scan, after lvr_scan_head() returned 0
 * @head: the chunk's head
 * @record: which, below scan->chunk.records
 * @hash: lvr_xxh64() of its payload as read, seed 0
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -ENODATA: the scan has ended.
 */
int lvr_scan_record_hash(struct lvr_scan *scan, const void *head, u32 record, u64 hash)
{
	struct lvr_record r;

	if (record >= scan->chunk.records) {
		lvr_err_set(&scan->why, "record %u of a chunk of %u", record,
			    scan->chunk.records);
		return end_scan(scan, LVR_SCAN_TORN);
	}
	lvr_chunk_record(head, record, &r);
	if (hash != r.data_hash) {
		lvr_err_set(&scan->why, "payload of record %u has hash %016llx, the head says %016llx",
			    record, hash, r.data_hash);
		return end_scan(scan, LVR_SCAN_TORN);
	}
	return 0;
}

/**
 * lvr_scan_accept - the chunk at scan->pos is whole: go behind it
 * @scan: the scan, after lvr_scan_head() and every lvr_scan_record_hash()
 *	returned 0
 *
 * Any context, does not sleep.
 */
void lvr_scan_accept(struct lvr_scan *scan)
{
	scan->pos.off += scan->envelope.extent_bytes;
	scan->pos.seq = lvr_chunk_end_seq(&scan->chunk);
	if (!(scan->chunk.flags & LVR_CHUNK_F_NOSEQ)) {
		scan->pos.chain = scan->chunk.chain;
		scan->pos.gen = scan->chunk.gen;
	}
	scan->incarnation = scan->envelope.incarnation;
}

/**
 * lvr_scan_end_name - why a scan ended, in a word or two
 * @end: why
 *
 * Any context, does not sleep.
 *
 * Return: a constant string.
 */
const char *lvr_scan_end_name(enum lvr_scan_end end)
{
	static const char *const names[] = {
		[LVR_SCAN_MORE] = "not ended",
		[LVR_SCAN_NO_ENVELOPE] = "end of log",
		[LVR_SCAN_STALE] = "older chunk",
		[LVR_SCAN_TORN] = "torn chunk",
		[LVR_SCAN_FOREIGN] = "foreign chunk",
		[LVR_SCAN_FULL] = "whole lap",
	};

	return (u32)end < ARRAY_SIZE(names) ? names[end] : "?";
}
