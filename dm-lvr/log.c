// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log in memory: memory, append, order. What is acknowledged: complete.c.
 *
 * Life of a chunk
 *   OPEN       collects records; at most one, last on log->chunks.
 *   SUBMITTED  has its place; encoded; bios under way; may be sent.
 *   WRITTEN    its bios have ended without error.
 * A chunk stays on log->chunks as a cache for the sender after it is
 * destaged, until its memory is wanted.
 *
 * Group commit: a record goes to the open chunk. If nothing is in flight the
 * submitter writes the chunk at once, in its own context. Else the chunk
 * goes when the last one in flight ends, or when it is full.
 *
 * What a crash leaves: any subset of the chunks behind durable. Recovery
 * takes the longest unbroken run (recover.c).
 */
#include "lvr.h"

#define EVICT_LOOKS		16

static struct hlist_head *bucket_of(struct lvr_log *log, u64 off)
{
	return &log->by_off[hash_64(off >> LVR_SECTOR_SHIFT, log->by_off_bits)];
}

/**
 * lvr_log_init() - an empty log object
 * @g: group whose stage, superblock and devices are there
 *
 * Context: process, sleeps.
 * Return: 0 or -ENOMEM.
 */
int lvr_log_init(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;

	spin_lock_init(&log->lock);
	INIT_LIST_HEAD(&log->chunks);
	bio_list_init(&log->flushes);
	init_waitqueue_head(&log->moved);
	log->handover_member = ~0ull;
	log->incarnation_off = ~0ull;	/* until the log is read back */
	log->by_off_bits = ilog2(max(g->stage.chunks, 2u));	/* a chunk for each bucket */
	log->by_off = kvcalloc(1u << log->by_off_bits, sizeof(*log->by_off), GFP_KERNEL);
	log->marks = kvzalloc(sizeof(*log->marks), GFP_KERNEL);
	if (!log->by_off || !log->marks) {
		kvfree(log->marks);
		kvfree(log->by_off);
		log->marks = NULL;
		return -ENOMEM;
	}
	lvr_seqmap_init(log->marks);
	return 0;
}

/**
 * lvr_log_exit() - give everything in memory back
 * @g: group of which nothing is in flight and no chunk is pinned
 *
 * Context: process.
 */
void lvr_log_exit(struct lvr_group *g)
{
	struct lvr_chunk *c, *next;

	list_for_each_entry_safe(c, next, &g->log.chunks, list) {
		list_del(&c->list);
		lvr_stage_give_chunk(&g->stage, c);
	}
	kvfree(g->log.marks);
	kvfree(g->log.by_off);
	g->log.marks = NULL;
	g->log.by_off = NULL;
}

static void drop_chunk_locked(struct lvr_log *log, struct lvr_chunk *c)
{
	lockdep_assert_held(&log->lock);
	list_del(&c->list);
	hlist_del_init(&c->by_off);
}

/**
 * lvr_log_stand_at() - forget what is in memory and stand at a position
 * @g: group whose worker is held or not running, nothing in flight
 * @pos: everything before it counts as destaged, durable and written
 *
 * Context: process, takes log->lock.
 */
void lvr_log_stand_at(struct lvr_group *g, const struct lvr_pos *pos)
{
	struct lvr_log *log = &g->log;
	struct lvr_chunk *c, *next;
	LIST_HEAD(dropped);
	u32 i;

	for (i = 0; i < g->volumes; i++)
		WARN_ON_ONCE(!RB_EMPTY_ROOT(&g->volume[i]->index.map.root));
	spin_lock_irq(&log->lock);
	list_for_each_entry_safe(c, next, &log->chunks, list) {
		drop_chunk_locked(log, c);
		list_add(&c->list, &dropped);
	}
	log->open = NULL;
	log->unwritten = NULL;
	log->unacked = NULL;	/* no bio waits, but with the gate on it may name a chunk all the same */
	log->flush_wanted_off = 0;
	log->completed_seq = pos->seq;
	log->head = *pos;
	log->data_seq = min(log->data_seq, pos->seq);
	log->written = *pos;
	log->durable = *pos;
	log->destaged = *pos;
	log->destaged_chunks = log->placed_chunks;
	log->checkpoint = *pos;
	log->tail = *pos;
	log->epoch++;
	g->lost_restart = true;
	lvr_seqmap_init(log->marks);
	spin_unlock_irq(&log->lock);

	list_for_each_entry_safe(c, next, &dropped, list)
		lvr_stage_give_chunk(&g->stage, c);
	wake_up_all(&log->moved);
}

/* ------------------------------------------------------------------ memory */

static bool evictable(struct lvr_group *g, struct lvr_chunk *c)
{
	struct lvr_log *log = &g->log;

	if (c->stage != LVR_CHUNK_WRITTEN || atomic_read(&c->pins) ||
	    !bio_list_empty(&c->plain) || !bio_list_empty(&c->fua))
		return false;
	if (c->after.off <= log->destaged.off)
		return true;
	/* where nobody reads from memory, destage reads it back */
	return !log->indexed && c->after.off <= log->durable.off;
}

static bool evict_one(struct lvr_group *g)
{
	struct lvr_chunk *c, *found = NULL;
	struct lvr_log *log = &g->log;
	unsigned long flags;
	u32 looked = 0;

	spin_lock_irqsave(&log->lock, flags);
	list_for_each_entry(c, &log->chunks, list) {
		if (evictable(g, c)) {
			found = c;
			break;
		}
		/* behind the many that a batch has pinned, for as long as an origin takes */
		if (log->destaging_last && c->before.off >= log->destaging_off &&
		    c->before.off < log->destaging_last->before.off)
			c = log->destaging_last;
		/* a few in front may be pinned, by the sender say; not more */
		if (++looked == EVICT_LOOKS)
			break;
	}
	if (found) {
		if (log->unacked == found)
			log->unacked = list_is_last(&found->list, &log->chunks) ? NULL :
				       list_next_entry(found, list);
		drop_chunk_locked(log, found);
	}
	spin_unlock_irqrestore(&log->lock, flags);
	if (found)
		lvr_stage_give_chunk(&g->stage, found);
	return found;
}

/**
 * lvr_log_take_rec() - memory for a record, at the price of cached chunks
 * @g: the group
 * @pages: pages of payload
 *
 * Context: any but under log->lock.
 * Return: the record, or NULL: wait on log->moved.
 */
struct lvr_rec *lvr_log_take_rec(struct lvr_group *g, u32 pages)
{
	struct lvr_rec *rec;

	do {
		rec = lvr_stage_take_rec(&g->stage, pages);
	} while (!rec && evict_one(g));
	return rec;
}

/**
 * lvr_log_take_chunk() - memory for a chunk, at the price of cached chunks
 * @g: the group
 *
 * Context: any but under log->lock.
 * Return: the chunk, or NULL: wait on log->moved.
 */
struct lvr_chunk *lvr_log_take_chunk(struct lvr_group *g)
{
	struct lvr_chunk *chunk;

	do {
		chunk = lvr_stage_take_chunk(&g->stage);
	} while (!chunk && evict_one(g));
	if (chunk)
		chunk->group = g;
	return chunk;
}

/**
 * lvr_log_pin() - the chunk in memory that starts at a place
 * @g: the group
 * @off: the place
 *
 * Context: any.
 * Return: the submitted chunk, pinned against eviction, or NULL.
 */
struct lvr_chunk *lvr_log_pin(struct lvr_group *g, u64 off)
{
	struct lvr_log *log = &g->log;
	struct lvr_chunk *c, *found = NULL;
	unsigned long flags;

	spin_lock_irqsave(&log->lock, flags);
	hlist_for_each_entry(c, bucket_of(log, off), by_off) {
		if (c->before.off == off) {
			atomic_inc(&c->pins);
			found = c;
			break;
		}
	}
	spin_unlock_irqrestore(&log->lock, flags);
	return found;
}

/**
 * lvr_chunk_unpin() - let a chunk be evicted again
 * @chunk: pinned by the caller
 *
 * Context: any.
 */
void lvr_chunk_unpin(struct lvr_chunk *chunk)
{
	struct lvr_group *g = chunk->group;

	if (!atomic_dec_and_test(&chunk->pins))
		return;
	wake_up_all(&g->log.moved);
	if (READ_ONCE(g->deferred_count))
		lvr_group_kick_deferred(g);
}

/* ---------------------------------------------------------------- appending */

static void add_record_locked(struct lvr_chunk *c, struct lvr_rec *rec)
{
	struct lvr_record_desc *desc = lvr_chunk_head(c) + LVR_CHUNK_HEAD_BYTES;

	rec->chunk = c;
	rec->next = NULL;
	if (c->last_rec)
		c->last_rec->next = rec;
	else
		c->first_rec = rec;
	c->last_rec = rec;
	lvr_record_encode(&desc[c->info.records], &rec->desc);
	c->info.records++;
	c->info.head_bytes += LVR_RECORD_DESC_BYTES;
	c->info.payload_bytes += lvr_record_payload_bytes(&rec->desc);
}

static bool changes_volumes(const struct lvr_chunk *c)
{
	const struct lvr_rec *rec;

	for (rec = c->first_rec; rec; rec = rec->next)
		if (lvr_record_type_has_range(rec->desc.type))
			return true;
	return false;
}

/*
 * give a chunk its place, encode the envelope, count it as in flight;
 * urgent: somebody waits until it is durable, or will at once
 */
static void place_locked(struct lvr_group *g, struct lvr_chunk *c, bool urgent)
{
	struct lvr_log *log = &g->log;
	struct lvr_envelope env = {
		.log_id = log->log_id,
		.incarnation = log->incarnation,
		.off = log->head.off,
	};
	struct lvr_mark mark = {
		.seq = log->head.seq, .off = log->head.off, .chain = log->head.chain,
		.gen = log->head.gen, .time_ms = c->info.time_ms,
	};
	u32 used = LVR_ENVELOPE_BYTES + c->info.head_bytes;

	lockdep_assert_held(&log->lock);
	c->payload_at_bytes = lvr_extent_payload_at_bytes(c->info.head_bytes);
	c->extent_bytes = lvr_extent_bytes(c->info.head_bytes, c->info.payload_bytes,
					   log->ring.block_bytes);
	/* payload begins with a page: now there is no gap in memory, for which NVMe would want two I/Os */
	c->head_at_bytes = PAGE_SIZE - c->payload_at_bytes;
	memmove(lvr_chunk_envelope(c), page_address(c->head_page->page), used);
	memset(lvr_chunk_envelope(c) + used, 0, c->payload_at_bytes - used);
	env.extent_bytes = c->extent_bytes;
	env.payload_at_bytes = c->payload_at_bytes;
	lvr_envelope_encode(lvr_chunk_envelope(c), &env);

	c->before = log->head;
	/* nothing volatile before it, nor will be: durable moves over it, or over nothing, until it ends */
	c->forced = urgent && c->before.off == log->durable.off;
	c->after.seq = lvr_chunk_end_seq(&c->info);
	c->after.off = log->head.off + c->extent_bytes;
	c->after.chain = c->info.flags & LVR_CHUNK_F_NOSEQ ? log->head.chain : c->info.chain;
	c->after.gen = c->info.flags & LVR_CHUNK_F_NOSEQ ? log->head.gen : c->info.gen;
	log->head = c->after;
	if (!(c->info.flags & LVR_CHUNK_F_NOSEQ))
		log->handover_member = c->last_rec->desc.type == LVR_REC_HANDOVER ?
				       c->last_rec->desc.arg : ~0ull;
	if (changes_volumes(c))
		log->data_seq = c->after.seq;
	lvr_seqmap_add(log->marks, &mark);
	hlist_add_head(&c->by_off, bucket_of(log, c->before.off));
	c->no = ++log->placed_chunks;
	c->stage = LVR_CHUNK_SUBMITTED;
	if (!log->unwritten)
		log->unwritten = c;
	log->in_flight++;
	lvr_count(g, LVR_CTR_chunks, 1);
}

/* write a chunk of this node's own */
static void submit(struct lvr_group *g, struct lvr_chunk *chunk)
{
	lvr_logio_submit(g, chunk);
	/* who waits for both is done after the slower one, not after both in turn */
	if (READ_ONCE(g->log.gate))
		wake_up_all(&g->log.moved);
}

/* close the open chunk: place, chain, crc */
static struct lvr_chunk *seal_locked(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;
	struct lvr_chunk *c = log->open;
	u64 chain = log->head.chain;

	lockdep_assert_held(&log->lock);
	log->open = NULL;
	c->info.gen = log->gen;
	c->info.first_seq = log->head.seq;
	c->info.group_id = log->group_id;
	c->info.time_ms = ktime_get_real_ns() / NSEC_PER_MSEC;
	if (c->first_rec->desc.type == LVR_REC_GENERATION) {
		c->info.flags |= LVR_CHUNK_F_GENERATION;
		chain = lvr_chain_start(chain, log->gen, log->head.seq);
	}
	c->info.chain = lvr_chunk_encode(lvr_chunk_head(c), &c->info, chain);
	place_locked(g, c, !bio_list_empty(&c->fua) || lvr_log_expect_flush(log));
	return c;
}

static bool open_fits(const struct lvr_chunk *c, const struct lvr_rec *rec)
{
	return c->info.records < LVR_CHUNK_MAX_RECORDS &&
	       c->info.payload_bytes + lvr_record_payload_bytes(&rec->desc) <=
	       LVR_CHUNK_MAX_PAYLOAD_BYTES &&
	       c->first_rec->desc.type != LVR_REC_GENERATION;
}

static bool ring_fits(struct lvr_log *log, const struct lvr_chunk *c, const struct lvr_rec *rec,
		      bool control)
{
	u32 head_bytes = (c ? c->info.head_bytes : LVR_CHUNK_HEAD_BYTES) + LVR_RECORD_DESC_BYTES;
	u32 payload_bytes = (c ? c->info.payload_bytes : 0) + lvr_record_payload_bytes(&rec->desc);

	return lvr_ring_has_room(&log->ring, log->tail.off, log->head.off,
				 lvr_extent_bytes(head_bytes, payload_bytes, log->ring.block_bytes),
				 control ? LVR_LOG_GUARD_BYTES : LVR_LOG_RESERVE_BYTES);
}

static void index_record(struct lvr_group *g, struct lvr_rec *rec)
{
	struct lvr_volume *v;

	if (!lvr_record_type_has_range(rec->desc.type))
		return;
	v = lvr_group_volume(g, rec->desc.volume);
	spin_lock(&v->index.lock);
	lvr_extent_insert(&v->index.map, rec);
	spin_unlock(&v->index.lock);
}

/**
 * lvr_log_append() - take a record into the log
 * @g: the group
 * @rec: with descriptor, hash and pages; belongs to the log when admitted
 * @bio: completes when its promise holds; NULL for a control record, which
 *       may use the reserve and is taken in any state
 *
 * The caller calls lvr_log_commit() next.
 *
 * Context: process; takes log->lock.
 * Return: whether it was taken, or what it must wait for.
 */
enum lvr_admit lvr_log_append(struct lvr_group *g, struct lvr_rec *rec, struct bio *bio)
{
	struct lvr_chunk *full = NULL, *spare = NULL, *c;
	struct lvr_log *log = &g->log;
	enum lvr_admit ret;

	if (!READ_ONCE(log->open)) {
		spare = lvr_log_take_chunk(g);
		if (!spare)
			return LVR_WAIT_MEMORY;
	}
	spin_lock_irq(&log->lock);
	ret = log->failed ? LVR_LOG_FAILED : bio && !log->from_bios ? LVR_WAIT_STATE : LVR_ADMITTED;
	if (ret != LVR_ADMITTED)
		goto out;
	c = log->open;
	if (c && !open_fits(c, rec)) {
		full = seal_locked(g);
		c = NULL;
	}
	if (!ring_fits(log, c, rec, !bio)) {
		ret = LVR_WAIT_LOG;
		goto out;
	}
	if (!c) {
		c = spare ?: lvr_stage_take_chunk(&g->stage);
		if (!c) {
			ret = LVR_WAIT_MEMORY;
			goto out;
		}
		spare = NULL;
		c->group = g;
		c->info.head_bytes = LVR_CHUNK_HEAD_BYTES;
		list_add_tail(&c->list, &log->chunks);
		log->open = c;
	}
	add_record_locked(c, rec);
	index_record(g, rec);
	if (bio) {
		bio_list_add(bio->bi_opf & REQ_FUA ? &c->fua : &c->plain, bio);
		if (!log->unacked)
			log->unacked = c;
		lvr_count(g, LVR_CTR_writes, 1);
		lvr_count(g, LVR_CTR_write_bytes, lvr_record_payload_bytes(&rec->desc));
	}
out:
	spin_unlock_irq(&log->lock);
	if (full)
		submit(g, full);
	if (spare)
		lvr_stage_give_chunk(&g->stage, spare);
	return ret;
}

/**
 * lvr_log_commit() - write the open chunk
 * @g: the group
 * @force: also while other chunks are in flight
 *
 * Context: process.
 */
void lvr_log_commit(struct lvr_group *g, bool force)
{
	struct lvr_log *log = &g->log;
	struct lvr_chunk *c = NULL;

	spin_lock_irq(&log->lock);
	if (log->open && (force || !log->in_flight))
		c = seal_locked(g);
	spin_unlock_irq(&log->lock);
	if (c)
		submit(g, c);
}

/**
 * lvr_log_commit_work() - write what collected while a chunk was in flight
 * @work: g->commit_work
 *
 * Context: process, the group's workqueue.
 */
void lvr_log_commit_work(struct work_struct *work)
{
	lvr_log_commit(container_of(work, struct lvr_group, commit_work), false);
}

/**
 * lvr_log_append_received() - append a chunk that came from the network
 * @g: a secondary
 * @opening: lvr_log_takes()
 * @chunk: checked; head in place behind the envelope, records with pages
 * @urgent: the source waits until it is durable
 * @line_seq: the source's log goes on so far: what hands over before that is not its last word
 *
 * Context: process, the link thread.
 * Return: 0, or -ENOSPC: no room in the ring now, -EIO: the log has failed,
 *         -EPERM: this node no longer takes chunks, -EINVAL: does not continue the log.
 */
int lvr_log_append_received(struct lvr_group *g, u32 opening, struct lvr_chunk *chunk, bool urgent,
			    u64 line_seq)
{
	u32 bytes = lvr_extent_bytes(chunk->info.head_bytes, chunk->info.payload_bytes,
				     g->log.ring.block_bytes);
	struct lvr_log *log = &g->log;
	int ret = 0;

	spin_lock_irq(&log->lock);
	if (log->failed)
		ret = -EIO;
	else if (!lvr_log_takes(log, opening))
		ret = -EPERM;
	else if (chunk->info.first_seq != log->head.seq)
		ret = -EINVAL;
	else if (!lvr_ring_has_room(&log->ring, log->tail.off, log->head.off, bytes,
				    LVR_LOG_RESERVE_BYTES))
		ret = -ENOSPC;
	if (!ret) {
		list_add_tail(&chunk->list, &log->chunks);
		place_locked(g, chunk, urgent);
		if (log->head.seq < line_seq)
			log->handover_member = ~0ull;
	}
	spin_unlock_irq(&log->lock);
	if (!ret)
		lvr_logio_submit(g, chunk);
	return ret;
}

/**
 * lvr_log_chunk_ended() - all bios of a chunk have ended
 * @chunk: with the first error, if any, in status
 *
 * Context: any (bio completion).
 */
void lvr_log_chunk_ended(struct lvr_chunk *chunk)
{
	struct lvr_group *g = chunk->group;
	struct lvr_log *log = &g->log;
	blk_status_t status = chunk->status;
	bool commit, forced = false, behind, flush_now;
	unsigned long flags;

	rcu_read_lock();	/* who ends the group waits until we are out of it */
	spin_lock_irqsave(&log->lock, flags);
	log->in_flight--;
	if (!status)
		chunk->stage = LVR_CHUNK_WRITTEN;
	while (log->unwritten && log->unwritten->stage == LVR_CHUNK_WRITTEN) {
		struct lvr_chunk *c = log->unwritten;

		log->written = c->after;
		if (c->forced) {
			log->durable = c->after;
			forced = true;
		}
		if (!bio_list_empty(&c->fua))
			log->flush_wanted_off = max(log->flush_wanted_off, c->after.off);
		log->unwritten = list_is_last(&c->list, &log->chunks) ? NULL :
				 list_next_entry(c, list);
		if (log->unwritten && log->unwritten->stage == LVR_CHUNK_OPEN)
			log->unwritten = NULL;
	}
	behind = log->written.off > log->durable.off;
	flush_now = log->flush_wanted_off > log->durable.off;
	commit = log->open && !log->in_flight;
	spin_unlock_irqrestore(&log->lock, flags);

	if (status) {
		lvr_log_fail(g, "write", status);
	} else {
		lvr_log_complete(g);
		if (commit)
			queue_work(g->wq, &g->commit_work);
		if (behind)
			lvr_log_flush_soon(g, flush_now);
		if (forced)
			lvr_worker_durable(g);
	}
	rcu_read_unlock();
}

/* ------------------------------------------------------------------- positions */

/**
 * lvr_log_told_durable() - the primary announced its durable position
 * @g: a secondary
 * @opening: lvr_log_takes()
 * @seq: which may lie behind this node's head
 *
 * Context: process.
 */
void lvr_log_told_durable(struct lvr_group *g, u32 opening, u64 seq)
{
	bool moved;

	spin_lock_irq(&g->log.lock);
	/* not once it becomes primary: what it is told then may lie past its fork */
	moved = lvr_log_takes(&g->log, opening) && seq > g->log.told_durable_seq;
	if (moved)
		g->log.told_durable_seq = seq;
	spin_unlock_irq(&g->log.lock);
	if (moved)
		lvr_worker_durable(g);
}

/**
 * lvr_log_positions() - coherent copies of the positions
 * @g: the group
 * @head: out, may be NULL, as all others
 * @durable: out
 * @destaged: out
 * @tail: out
 *
 * Context: any.
 */
void lvr_log_positions(struct lvr_group *g, struct lvr_pos *head, struct lvr_pos *durable,
		       struct lvr_pos *destaged, struct lvr_pos *tail)
{
	unsigned long flags;

	spin_lock_irqsave(&g->log.lock, flags);
	if (head)
		*head = g->log.head;
	if (durable)
		*durable = g->log.durable;
	if (destaged)
		*destaged = g->log.destaged;
	if (tail)
		*tail = g->log.tail;
	spin_unlock_irqrestore(&g->log.lock, flags);
}

/**
 * lvr_log_settle() - wait until no chunk is open or under way
 * @g: a group that takes no new records
 *
 * Context: process, waits for the log device only.
 * Return: 0 or -EIO when the log has failed.
 */
int lvr_log_settle(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;

	lvr_log_commit(g, true);
	wait_event(log->moved, !READ_ONCE(log->in_flight) && !READ_ONCE(log->flush_in_flight));
	return READ_ONCE(log->failed) ? -EIO : 0;
}
