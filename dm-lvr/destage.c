// SPDX-License-Identifier: GPL-2.0-only
/*
 * Destage: records of the log go to the volumes' origins.
 *
 * It goes along the log from `destaged` to the destage limit in batches.
 * Within a batch newer records absorb older ones; the batch ends at or below
 * the limit, so nothing above it ever absorbs. The result is written sorted
 * by volume and sector, and `destaged` moves when all of it has ended. A
 * batch that failed is built again: the records are in the log.
 *
 * The limit: a primary's own durable position (I3). A secondary's also what
 * the primary said of its own (I5); that is in the superblock before destage
 * goes so far, because after a crash in the middle of a batch the replay has
 * to cover at least that batch.
 *
 * Lost writes: when an origin fails a flush, or is let go before one, it may
 * have dropped anything that was written since the checkpoint, and a later
 * flush says nothing of that. The volume is `lost` until a pass of its own
 * has written all its records from the checkpoint to `destaged` again; until
 * then it serves no I/O, and no checkpoint is made. Other volumes are left
 * alone by the pass: going over old records again, they would go back in
 * time under their readers.
 *
 * Nothing here waits for the network (I7).
 */
#include "lvr.h"

#define BATCH_MAX_CHUNKS	4096
#define BATCH_MAX_IN_FLIGHT	64

struct lvr_destage {
	struct lvr_group *g;
	struct lvr_chunk_view view;
	bool again;			/* the batch is of a pass for lost volumes */
	struct lvr_pos again_pos;	/* such a pass has come so far */
	struct lvr_chunk *chunk[BATCH_MAX_CHUNKS];
	u32 chunks;
	struct lvr_pos end;
	/* writing */
	struct lvr_volume *volume;
	struct bio *bio;
	atomic_t in_flight;
	wait_queue_head_t wait;
	blk_status_t status;
};

/**
 * lvr_destage_create() - what the worker destages with
 * @g: the group
 *
 * Context: process, sleeps.
 * Return: it, or NULL without memory.
 */
struct lvr_destage *lvr_destage_create(struct lvr_group *g)
{
	struct lvr_destage *d = kvzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->g = g;
	init_waitqueue_head(&d->wait);
	return d;
}

/**
 * lvr_destage_destroy() - undo lvr_destage_create()
 * @d: it, may be NULL
 *
 * Context: process.
 */
void lvr_destage_destroy(struct lvr_destage *d)
{
	kvfree(d);
}

/* ----------------------------------------------------------------- the limit */

/* an unconfirmed primary's log is its own; who is promoted gets no limit by begin_generation() */
static u64 limit_seq(struct lvr_group *g)
{
	return READ_ONCE(g->role) == LVR_ROLE_PRIMARY ? ~0ull : READ_ONCE(g->log.durable_limit_seq);
}

/**
 * lvr_destage_goal_seq() - how far destage may come, as of now
 * @g: the group
 *
 * Context: any.
 * Return: a position that may lie behind head; ~0: to the end of the log.
 */
u64 lvr_destage_goal_seq(struct lvr_group *g)
{
	return max(limit_seq(g), READ_ONCE(g->log.told_durable_seq));
}

/**
 * lvr_destage_behind() - is there something to destage
 * @g: the group
 *
 * Context: any.
 */
bool lvr_destage_behind(struct lvr_group *g)
{
	u64 goal_seq = lvr_destage_goal_seq(g);
	struct lvr_log *log = &g->log;
	unsigned long flags;
	bool behind;

	spin_lock_irqsave(&log->lock, flags);
	behind = log->destaged.off < log->durable.off && log->destaged.seq <= goal_seq &&
		 (log->destaged.seq < goal_seq || log->destaged.seq == log->durable.seq);
	spin_unlock_irqrestore(&log->lock, flags);
	return behind;
}

/* let the superblock say how far the primary is durable, then go by it */
static void raise_limit(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;
	u64 told = READ_ONCE(log->told_durable_seq);

	if (READ_ONCE(g->role) == LVR_ROLE_PRIMARY || told <= log->durable_limit_seq)
		return;
	lvr_super_lock(g);
	if (g->sb->flags & LVR_SUPER_F_PRIMARY) {
		/* promoted meanwhile: this log is its own, what the old primary said is past */
		lvr_super_unlock(g);
		return;
	}
	g->sb->durable_limit_seq = told;
	if (lvr_group_has_peer(g))
		lvr_group_peer(g)->told_durable_seq = told;
	if (lvr_super_commit(g))
		return;
	spin_lock_irq(&log->lock);
	log->durable_limit_seq = max(log->durable_limit_seq, told);
	spin_unlock_irq(&log->lock);
}

/**
 * lvr_destage_allowed() - is the group in a state to destage
 * @g: the group
 *
 * Context: any.
 */
bool lvr_destage_allowed(struct lvr_group *g)
{
	switch (READ_ONCE(g->state)) {
	case LVR_GROUP_RECOVERING:
	case LVR_GROUP_WAITING:
	case LVR_GROUP_FAILED:
	case LVR_GROUP_STOPPING:
		return false;
	default:
		return !READ_ONCE(g->log.failed);
	}
}

/* ------------------------------------------------------------ taking a batch */

static void copy_payload(struct lvr_rec *rec, const void *from)
{
	u32 left = lvr_record_payload_bytes(&rec->desc), now;
	struct lvr_page *page;

	for (page = rec->pages; left; page = page->next, left -= now, from += now) {
		now = min_t(u32, left, PAGE_SIZE);
		memcpy(page_address(page->page), from, now);
	}
}

/* a chunk of its own, in no list, from what was read back */
static struct lvr_chunk *chunk_of_view(struct lvr_group *g, const struct lvr_pos *pos,
				       const struct lvr_chunk_view *view)
{
	struct lvr_chunk *c = lvr_log_take_chunk(g);
	struct lvr_record desc;
	struct lvr_rec *rec;
	const void *payload;
	u32 i;

	if (!c)
		return NULL;
	payload = view->head - LVR_ENVELOPE_BYTES +
		  lvr_extent_payload_at_bytes(view->info.head_bytes);
	c->info = view->info;
	c->before = *pos;
	c->after = view->next;
	c->stage = LVR_CHUNK_WRITTEN;
	for (i = 0; i < view->info.records; i++) {
		lvr_chunk_record(view->head, i, &desc);
		rec = lvr_log_take_rec(g, DIV_ROUND_UP(lvr_record_payload_bytes(&desc), PAGE_SIZE));
		if (!rec) {
			lvr_stage_give_chunk(&g->stage, c);
			return NULL;
		}
		rec->desc = desc;
		rec->chunk = c;
		if (c->last_rec)
			c->last_rec->next = rec;
		else
			c->first_rec = rec;
		c->last_rec = rec;
		copy_payload(rec, payload);
		payload += lvr_record_payload_bytes(&desc);
	}
	return c;
}

/* a private chunk is in no list */
static void give_chunk(struct lvr_group *g, struct lvr_chunk *c)
{
	if (list_empty(&c->list))
		lvr_stage_give_chunk(&g->stage, c);
	else
		lvr_chunk_unpin(c);
}

/* the next chunk for the batch, pinned or private; NULL: none now */
static struct lvr_chunk *take_chunk(struct lvr_group *g, const struct lvr_pos *pos,
				    struct lvr_chunk_view *view)
{
	struct lvr_chunk *c = lvr_log_pin(g, pos->off);
	int ret;

	if (c)
		return c;
	ret = lvr_reader_get(g->destage_reader, pos, view);
	WRITE_ONCE(g->log_unreadable, ret && ret != -EAGAIN);
	if (ret) {
		if (g->log_unreadable)
			DMERR_LIMIT("lvr %s: destage cannot read the log at seq %llu: %d", g->name,
				    pos->seq, ret);
		return NULL;
	}
	if (view->pinned)
		return view->pinned;
	return chunk_of_view(g, pos, view);
}

/* does the batch carry this record to its origin */
static bool concerns(struct lvr_destage *d, const struct lvr_rec *rec)
{
	return lvr_record_type_has_range(rec->desc.type) &&
	       (!d->again || lvr_group_volume(d->g, rec->desc.volume)->lost);
}

/* a suspended volume takes nothing; what follows in the log waits with it */
static bool all_attached(struct lvr_destage *d, struct lvr_chunk *c)
{
	struct lvr_rec *rec;

	for (rec = c->first_rec; rec; rec = rec->next)
		if (concerns(d, rec) && !lvr_group_volume(d->g, rec->desc.volume)->origin)
			return false;
	return true;
}

static void insert_chunk(struct lvr_destage *d, struct lvr_chunk *c)
{
	struct lvr_volume *v;
	struct lvr_rec *rec;

	for (rec = c->first_rec; rec; rec = rec->next) {
		if (!concerns(d, rec))
			continue;
		v = lvr_group_volume(d->g, rec->desc.volume);
		lvr_count(d->g, LVR_CTR_absorbed_bytes,
			  lvr_extent_insert(&v->batch, rec) << LVR_SECTOR_SHIFT);
	}
}

/* which run of the log's chunks is pinned now: who looks for memory passes it over */
static void batch_tell(struct lvr_destage *d)
{
	struct lvr_log *log = &d->g->log;
	struct lvr_chunk *last = NULL;
	u32 i;

	for (i = 0; i < d->chunks; i++)
		if (!list_empty(&d->chunk[i]->list))
			last = d->chunk[i];
	spin_lock_irq(&log->lock);
	log->destaging_off = d->chunks ? d->chunk[0]->before.off : 0;
	log->destaging_last = last;
	spin_unlock_irq(&log->lock);
}

/* the chunks from a position on that end at or before both limits */
static void batch_take(struct lvr_destage *d, struct lvr_pos pos, u64 to_seq, u64 to_off)
{
	struct lvr_group *g = d->g;
	u64 max_pages = g->stage.pages / 4, pages = 0;
	struct lvr_chunk *c;

	d->chunks = 0;
	d->end = pos;
	WRITE_ONCE(g->destage_blocked, false);
	while (d->chunks < BATCH_MAX_CHUNKS && pages < max_pages && pos.off < to_off) {
		c = take_chunk(g, &pos, &d->view);
		if (!c)
			break;
		WRITE_ONCE(g->destage_blocked, !all_attached(d, c));
		/* a limit within a chunk is no position that a primary can have named: nothing is waited for */
		if (!d->chunks && c->after.seq > to_seq)
			WRITE_ONCE(g->destage_blocked, true);
		if (c->after.seq > to_seq || c->after.off > to_off || g->destage_blocked) {
			give_chunk(g, c);
			break;
		}
		insert_chunk(d, c);
		d->chunk[d->chunks++] = c;
		pages += DIV_ROUND_UP(c->info.payload_bytes, PAGE_SIZE) + c->info.records;
		pos = c->after;
		d->end = pos;
	}
	batch_tell(d);
}

/* ---------------------------------------------------------- writing a batch */

static void origin_endio(struct bio *bio)
{
	struct lvr_destage *d = bio->bi_private;

	if (bio->bi_status)
		d->status = bio->bi_status;
	bio_put(bio);
	rcu_read_lock();	/* who frees d waits until we are out of it */
	smp_mb__before_atomic();	/* the status first; pairs with the read in batch_write_volume() */
	atomic_dec(&d->in_flight);
	wake_up(&d->wait);
	rcu_read_unlock();
}

static void origin_submit(struct lvr_destage *d)
{
	if (!d->bio)
		return;
	lvr_count(d->g, LVR_CTR_destaged_bytes, d->bio->bi_iter.bi_size);
	submit_bio(d->bio);
	d->bio = NULL;
}

static void origin_add(struct lvr_destage *d, u64 sect, struct page *page, u32 bytes, u32 offset)
{
	if (d->bio && (bio_end_sector(d->bio) != sect ||
		       bio_add_page(d->bio, page, bytes, offset) != bytes))
		origin_submit(d);
	else if (d->bio)
		return;
	wait_event(d->wait, atomic_read(&d->in_flight) < BATCH_MAX_IN_FLIGHT);
	atomic_inc(&d->in_flight);
	d->bio = bio_alloc_bioset(d->volume->origin->bdev, BIO_MAX_VECS, REQ_OP_WRITE, GFP_NOIO,
				  &d->g->bios);
	d->bio->bi_iter.bi_sector = sect;
	d->bio->bi_private = d;
	d->bio->bi_end_io = origin_endio;
	__bio_add_page(d->bio, page, bytes, offset);
}

static void origin_write(struct lvr_destage *d, const struct lvr_extent *e)
{
	u64 skip_bytes = (e->start_sect - e->rec->desc.start_sect) << LVR_SECTOR_SHIFT;
	u64 left = e->len_sect << LVR_SECTOR_SHIFT, sect = e->start_sect;
	struct lvr_page *page = e->rec->pages;
	u32 now;

	for (; skip_bytes >= PAGE_SIZE; skip_bytes -= PAGE_SIZE)
		page = page->next;
	for (; left; page = page->next, left -= now, sect += now >> LVR_SECTOR_SHIFT, skip_bytes = 0) {
		now = min_t(u64, left, PAGE_SIZE - skip_bytes);
		origin_add(d, sect, page->page, now, skip_bytes);
	}
}

static void origin_zero(struct lvr_destage *d, const struct lvr_extent *e)
{
	int ret;

	origin_submit(d);
	ret = blkdev_issue_zeroout(d->volume->origin->bdev, e->start_sect, e->len_sect, GFP_NOIO, 0);
	if (ret)
		d->status = errno_to_blk_status(ret);
}

/* true if the origin took all of it */
static bool batch_write_volume(struct lvr_destage *d, struct lvr_volume *v)
{
	struct blk_plug plug;
	struct lvr_extent *e;

	d->volume = v;
	d->status = BLK_STS_OK;
	v->dirty |= !RB_EMPTY_ROOT(&v->batch.root);
	blk_start_plug(&plug);
	for (e = lvr_extent_first(&v->batch, 0); e; e = lvr_extent_next(e)) {
		if (lvr_record_type_has_payload(e->rec->desc.type))
			origin_write(d, e);
		else
			origin_zero(d, e);
	}
	origin_submit(d);
	blk_finish_plug(&plug);
	wait_event(d->wait, !atomic_read_acquire(&d->in_flight));
	if (d->status) {
		DMERR_LIMIT("lvr %s: origin of volume %s refused a write: %d; destage retries", d->g->name,
			    v->name, blk_status_to_errno(d->status));
		lvr_count(d->g, LVR_CTR_errors, 1);
	}
	WRITE_ONCE(v->failed, d->status != BLK_STS_OK);
	return !d->status;
}

/* all volumes; true if all of them took it */
static bool batch_write(struct lvr_destage *d)
{
	bool written = true;
	u32 i;

	for (i = 0; i < d->g->volumes; i++)
		if (!RB_EMPTY_ROOT(&d->g->volume[i]->batch.root) || !d->again)
			written &= batch_write_volume(d, d->g->volume[i]);
	return written;
}

/* the batch is on the origins: its records leave the read index, `destaged` moves */
static void batch_done(struct lvr_destage *d)
{
	struct lvr_group *g = d->g;
	struct lvr_volume *v;
	struct lvr_rec *rec;
	u32 i;

	for (i = 0; i < d->chunks; i++) {
		for (rec = d->chunk[i]->first_rec; rec; rec = rec->next) {
			if (hlist_empty(&rec->indexed))
				continue;
			v = lvr_group_volume(g, rec->desc.volume);
			spin_lock_irq(&v->index.lock);
			lvr_extent_remove_rec(&v->index.map, rec);
			spin_unlock_irq(&v->index.lock);
		}
	}
	spin_lock_irq(&g->log.lock);
	g->log.destaged = d->end;
	/* what was read back had left memory before all that is there */
	if (!list_empty(&d->chunk[d->chunks - 1]->list))
		g->log.destaged_chunks = d->chunk[d->chunks - 1]->no;
	spin_unlock_irq(&g->log.lock);
}

static void batch_release(struct lvr_destage *d)
{
	struct lvr_group *g = d->g;
	struct lvr_rec *rec;
	u32 i;

	spin_lock_irq(&g->log.lock);
	g->log.destaging_last = NULL;
	spin_unlock_irq(&g->log.lock);
	for (i = 0; i < d->chunks; i++)
		for (rec = d->chunk[i]->first_rec; rec; rec = rec->next)
			if (!hlist_empty(&rec->batched))
				lvr_extent_remove_rec(&lvr_group_volume(g, rec->desc.volume)->batch, rec);
	for (i = 0; i < d->chunks; i++)
		give_chunk(g, d->chunk[i]);
	wake_up_all(&g->log.moved);
}

/**
 * lvr_destage_batch() - bring some more of the log to the origins
 * @d: of the group
 *
 * Context: process, the worker while busy.
 * Return: true if `destaged` moved.
 */
bool lvr_destage_batch(struct lvr_destage *d)
{
	struct lvr_group *g = d->g;
	struct lvr_pos durable, destaged;
	bool written;

	raise_limit(g);
	lvr_log_positions(g, NULL, &durable, &destaged, NULL);
	d->again = false;
	batch_take(d, destaged, limit_seq(g), durable.off);
	if (!d->chunks)
		return false;
	written = batch_write(d);
	if (written)
		batch_done(d);
	batch_release(d);
	if (written)
		lvr_group_kick_deferred(g);
	return written;
}

/* ---------------------------------------------------------------- lost writes */

/**
 * lvr_destage_lost() - an origin may have dropped what was written to it
 * @v: its volume
 *
 * Context: process; the worker, or a caller that holds the worker.
 */
void lvr_destage_lost(struct lvr_volume *v)
{
	WRITE_ONCE(v->lost, true);
	WRITE_ONCE(v->group->lost_restart, true);
}

/**
 * lvr_destage_again() - write again, to lost volumes, some of what they may lack
 * @d: of a group with a lost volume
 *
 * Context: process, the worker while busy.
 * Return: true if it came further.
 */
bool lvr_destage_again(struct lvr_destage *d)
{
	struct lvr_group *g = d->g;
	struct lvr_pos destaged;
	bool written;
	u32 i;

	if (g->lost_restart) {
		g->lost_restart = false;
		spin_lock_irq(&g->log.lock);
		d->again_pos = g->log.checkpoint;
		spin_unlock_irq(&g->log.lock);
	}
	lvr_log_positions(g, NULL, NULL, &destaged, NULL);
	if (d->again_pos.off < destaged.off) {
		d->again = true;
		batch_take(d, d->again_pos, destaged.seq, destaged.off);
		written = d->chunks && batch_write(d);
		if (written)
			d->again_pos = d->end;
		batch_release(d);
		return written;
	}
	for (i = 0; i < g->volumes; i++)
		WRITE_ONCE(g->volume[i]->lost, false);
	lvr_group_kick_deferred(g);
	return true;
}
