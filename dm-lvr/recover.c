// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery: from the tail of the superblock along the ring to the last chunk
 * that is whole and continues the history (core/scan.c judges). Then one
 * flush, so that everything that was found is durable, and a new
 * incarnation, durable before the first append: whatever lies behind the
 * found head can never be taken later.
 *
 * A crash during recovery changes nothing that the next one needs: only the
 * incarnation has risen.
 */
#include "lvr.h"

/* both the scanner and we bound what is read; ask the device in large pieces */
static int scan_chunk(struct lvr_group *g, struct lvr_scan *scan, u64 limit_off)
{
	u32 need = max_t(u32, g->log.ring.block_bytes, LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES);
	struct lvr_record rec;
	void *extent, *payload;
	bool changes = false;
	u32 i, bytes, have;
	int ret;

	do {
		have = round_up(need, LVR_SECTOR_BYTES);
		if (scan->pos.off + have > limit_off) {
			scan->end = LVR_SCAN_FULL;
			return -ENODATA;
		}
		extent = lvr_reader_raw(g->destage_reader, scan->pos.off, have, limit_off);
		if (IS_ERR(extent))
			return PTR_ERR(extent);
		ret = lvr_scan_head(scan, extent, have, &need);
	} while (ret == -EAGAIN && need > have);
	if (ret)
		return ret;
	if (scan->pos.off + scan->envelope.extent_bytes > limit_off) {
		scan->end = LVR_SCAN_FULL;
		return -ENODATA;
	}
	extent = lvr_reader_raw(g->destage_reader, scan->pos.off, scan->envelope.extent_bytes, limit_off);
	if (IS_ERR(extent))
		return PTR_ERR(extent);
	payload = extent + scan->envelope.payload_at_bytes;
	for (i = 0; i < scan->chunk.records; i++) {
		lvr_chunk_record(extent + LVR_ENVELOPE_BYTES, i, &rec);
		changes |= lvr_record_type_has_range(rec.type);
		bytes = lvr_record_payload_bytes(&rec);
		if (!bytes)
			continue;
		ret = lvr_scan_record_hash(scan, extent + LVR_ENVELOPE_BYTES, i,
					  lvr_xxh64(payload, bytes, LVR_HASH_SEED));
		if (ret)
			return ret;
		payload += bytes;
	}
	if (changes)
		g->log.data_seq = lvr_chunk_end_seq(&scan->chunk);
	if (!(scan->chunk.flags & LVR_CHUNK_F_NOSEQ))
		g->log.handover_member = rec.type == LVR_REC_HANDOVER ? rec.arg : ~0ull;
	return 0;
}

static int scan_log(struct lvr_group *g, struct lvr_scan *scan, struct lvr_err *err)
{
	u64 limit_off;
	int ret;

	lvr_scan_begin(scan, g->sb);
	limit_off = scan->pos.off + g->log.ring.bytes;
	for (;;) {
		struct lvr_mark mark = {
			.seq = scan->pos.seq, .off = scan->pos.off, .chain = scan->pos.chain,
			.gen = scan->pos.gen,
		};

		if (kthread_should_stop())
			return -EINTR;
		ret = scan_chunk(g, scan, limit_off);
		if (ret)
			break;
		mark.time_ms = scan->chunk.time_ms;
		spin_lock_irq(&g->log.lock);
		lvr_seqmap_add(g->log.marks, &mark);
		spin_unlock_irq(&g->log.lock);
		lvr_scan_accept(scan);
		cond_resched();
	}
	if (ret != -ENODATA) {
		lvr_err_set(err, "cannot read the log back at off %llu: %d", scan->pos.off, ret);
		return ret;
	}
	if (scan->pos.off < g->sb->checkpoint.off) {
		lvr_err_set(err, "log ends at seq %llu, before the checkpoint at %llu: %s (%s)",
			    scan->pos.seq, g->sb->checkpoint.seq, lvr_scan_end_name(scan->end),
			    scan->why.text);
		return -EUCLEAN;
	}
	return 0;
}

/**
 * lvr_recover() - read the log back after a start
 * @g: the group; its superblock has been read
 * @err: reason
 *
 * Context: process, the worker; may take as long as reading the ring takes.
 * Return: 0, -EINTR when told to stop, -EUCLEAN when the log is damaged
 *         before its checkpoint, or -errno of the device.
 */
int lvr_recover(struct lvr_group *g, struct lvr_err *err)
{
	struct lvr_scan *scan = kvzalloc(sizeof(*scan), GFP_KERNEL);
	struct lvr_log *log = &g->log;
	int ret;

	if (!scan) {
		lvr_err_set(err, "out of memory");
		return -ENOMEM;
	}
	lvr_log_stand_at(g, &g->sb->tail);
	ret = scan_log(g, scan, err);
	if (ret)
		goto out;
	ret = blkdev_issue_flush(g->log_bdev);
	if (ret) {
		lvr_err_set(err, "cannot flush the log device: %d", ret);
		goto out;
	}
	log->handover_member = lvr_super_handover(g->sb, scan->pos.seq, log->handover_member);
	lvr_super_lock(g);
	lvr_super_recover(g->sb, lvr_scan_next_incarnation(scan), &scan->pos, log->handover_member);
	ret = lvr_super_commit(g);
	if (ret) {
		lvr_err_set(err, "cannot write the superblock");
		goto out;
	}
	spin_lock_irq(&log->lock);
	log->epoch++;
	log->head = scan->pos;
	lvr_log_set_incarnation_locked(log, g->sb->incarnation);
	log->written = scan->pos;
	log->completed_seq = scan->pos.seq;
	log->durable = scan->pos;
	log->checkpoint = g->sb->checkpoint;
	log->destaged = g->sb->checkpoint;
	log->durable_limit_seq = g->sb->durable_limit_seq;
	log->told_durable_seq = lvr_group_has_peer(g) ? lvr_group_peer(g)->told_durable_seq : 0;
	spin_unlock_irq(&log->lock);
	DMINFO("lvr %s: log recovered: tail %llu, checkpoint %llu, head %llu; ended: %s%s%s", g->name,
	       g->sb->tail.seq, g->sb->checkpoint.seq, scan->pos.seq, lvr_scan_end_name(scan->end),
	       scan->why.text[0] ? ": " : "", scan->why.text);
out:
	kvfree(scan);
	return ret;
}
