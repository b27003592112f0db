// SPDX-License-Identifier: GPL-2.0-only
/*
 * A volume: bios in, reads out.
 *
 * Writes, discards and write-zeroes become records of the group's log; their
 * payload is copied first, so a page that changes under I/O cannot break a
 * checksum. Reads go straight to the origin when nothing is staged in their
 * range; else the staged pieces are pinned first, the origin is read, and
 * the pieces are laid over it. A read never waits for destage.
 *
 * What cannot be taken now waits, what takes space in order, and is tried
 * again when space, memory or the state changes. Nothing here sleeps for
 * space: map() returns.
 *
 * Suspend (I7): presuspend ends the waiting for the peer and for the state;
 * with noflush held bios are handed back, and so is every later one until
 * resume (sticky), else they fail. postsuspend brings everything that was
 * acknowledged to the origin and lets it go.
 */
#include "lvr.h"

#define READ_MAX_PIECES	32

/* staged pieces to lay over what the origin returns */
struct lvr_read {
	struct bvec_iter iter;		/* of the bio as it came */
	u32 pieces;
	struct {
		struct lvr_rec *rec;	/* its chunk is pinned */
		u64 start_sect;
		u64 len_sect;
	} piece[READ_MAX_PIECES];
};

/**
 * lvr_read_bytes() - size of an element of g->reads
 *
 * Context: any.
 */
size_t lvr_read_bytes(void)
{
	return sizeof(struct lvr_read);
}

/* ---------------------------------------------------------------- admission */

enum fate {
	SERVE,
	HOLD,
	REFUSE,
};

static enum fate fate_of(struct lvr_group *g, struct bio *bio)
{
	switch (READ_ONCE(g->state)) {
	case LVR_GROUP_ACTIVE:
		return SERVE;
	case LVR_GROUP_PROMOTING:
		return HOLD;
	case LVR_GROUP_FAILED:
		return g->log.from_bios && bio_op(bio) == REQ_OP_READ ? SERVE : REFUSE;
	case LVR_GROUP_RECOVERING:
	case LVR_GROUP_WAITING:
	case LVR_GROUP_REPLAYING:
	case LVR_GROUP_UNCONFIRMED:
		return READ_ONCE(g->role) == LVR_ROLE_PRIMARY ? HOLD : REFUSE;
	default:
		return REFUSE;
	}
}

static void fail_bio(struct lvr_volume *v, struct bio *bio)
{
	DMERR_LIMIT("lvr %s: I/O to volume %s refused: this node is %s, %s (%s)", v->group->name,
		    v->name, lvr_role_name(v->group->role), lvr_group_state_name(v->group->state),
		    v->group->reason);
	bio_io_error(bio);
}

/* it takes space, and does not overtake others that wait for some */
static bool takes_turn(const struct bio *bio)
{
	return bio_op(bio) != REQ_OP_READ && !(bio->bi_opf & REQ_PREFLUSH);
}

static void defer(struct lvr_volume *v, struct bio *bio)
{
	struct lvr_group *g = v->group;
	unsigned long flags;

	spin_lock_irqsave(&g->defer_lock, flags);
	bio_list_add(takes_turn(bio) ? &g->deferred_writes : &g->deferred, bio);
	g->deferred_count++;
	spin_unlock_irqrestore(&g->defer_lock, flags);
}

/* hand a bio back to device-mapper */
static void requeue(struct bio *bio)
{
	bio->bi_status = BLK_STS_DM_REQUEUE;
	bio_endio(bio);
}

/* ------------------------------------------------------------------- writing */

static u8 record_type_of(struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_WRITE:
		return LVR_REC_WRITE;
	case REQ_OP_DISCARD:
		return LVR_REC_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return LVR_REC_ZEROES;
	default:
		return 0;
	}
}

static void copy_in(struct lvr_rec *rec, struct bio *bio)
{
	struct lvr_page *page = rec->pages;
	struct bvec_iter iter;
	u32 at = 0;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		void *from = bvec_kmap_local(&bv), *src = from;
		u32 left = bv.bv_len;

		while (left) {
			u32 now = min_t(u32, left, PAGE_SIZE - at);

			/* the string instruction of memcpy() is slow under emulation; elsewhere both are alike */
			if (now == PAGE_SIZE && PAGE_ALIGNED(src))
				copy_page(page_address(page->page), src);
			else
				memcpy(page_address(page->page) + at, src, now);
			src += now;
			left -= now;
			at += now;
			if (at == PAGE_SIZE) {
				page = page->next;
				at = 0;
			}
		}
		kunmap_local(from);
	}
	/* of the copy: the original may change meanwhile */
	rec->desc.data_hash = lvr_rec_hash(rec);
}

static enum lvr_admit try_write(struct lvr_volume *v, struct bio *bio)
{
	struct lvr_group *g = v->group;
	u8 type = record_type_of(bio);
	enum lvr_admit ret;
	struct lvr_rec *rec;
	u32 pages;

	pages = type == LVR_REC_WRITE ? DIV_ROUND_UP(bio->bi_iter.bi_size, PAGE_SIZE) : 0;
	rec = lvr_log_take_rec(g, pages);
	if (!rec)
		return LVR_WAIT_MEMORY;
	rec->desc = (struct lvr_record){
		.type = type,
		.flags = bio->bi_opf & REQ_FUA ? LVR_REC_F_FUA : 0,
		.volume = v->id,
		.start_sect = bio->bi_iter.bi_sector,
		.len_sect = bio_sectors(bio),
	};
	if (pages)
		copy_in(rec, bio);
	ret = lvr_log_append(g, rec, bio);
	if (ret == LVR_ADMITTED)
		lvr_log_commit(g, false);
	else
		lvr_stage_give_rec(&g->stage, rec);
	return ret;
}

/* ------------------------------------------------------------------- reading */

/* pin the staged pieces of a range; false: there are more than fit */
static bool pin_pieces(struct lvr_volume *v, struct lvr_read *read, u64 start, u64 end, u64 *covered)
{
	struct lvr_extent *e;
	bool all = true;

	read->pieces = 0;
	*covered = 0;
	spin_lock_irq(&v->index.lock);
	for (e = lvr_extent_first(&v->index.map, start); e && e->start_sect < end;
	     e = lvr_extent_next(e)) {
		u64 from = max(e->start_sect, start), to = min(e->start_sect + e->len_sect, end);

		if (read->pieces == READ_MAX_PIECES) {
			all = false;
			break;
		}
		atomic_inc(&e->rec->chunk->pins);
		read->piece[read->pieces].rec = e->rec;
		read->piece[read->pieces].start_sect = from;
		read->piece[read->pieces].len_sect = to - from;
		read->pieces++;
		*covered += to - from;
	}
	spin_unlock_irq(&v->index.lock);
	return all;
}

static void unpin_pieces(struct lvr_read *read)
{
	u32 i;

	for (i = 0; i < read->pieces; i++)
		lvr_chunk_unpin(read->piece[i].rec->chunk);
	read->pieces = 0;
}

/* copy bytes of a record, or zeroes, to the bio at an advanced iterator */
static void lay_piece(struct bio *bio, struct bvec_iter iter, struct lvr_rec *rec, u64 skip_bytes,
		      u64 bytes)
{
	struct lvr_page *page = rec->pages;

	for (; page && skip_bytes >= PAGE_SIZE; skip_bytes -= PAGE_SIZE)
		page = page->next;
	while (bytes) {
		struct bio_vec bv = bio_iter_iovec(bio, iter);
		u32 now = min_t(u64, bv.bv_len, bytes);
		void *to;

		if (page)
			now = min_t(u32, now, PAGE_SIZE - skip_bytes);
		to = bvec_kmap_local(&bv);
		if (page)
			memcpy(to, page_address(page->page) + skip_bytes, now);
		else
			memset(to, 0, now);
		kunmap_local(to);
		flush_dcache_page(bv.bv_page);
		bio_advance_iter_single(bio, &iter, now);
		bytes -= now;
		skip_bytes += now;
		if (page && skip_bytes == PAGE_SIZE) {
			page = page->next;
			skip_bytes = 0;
		}
	}
}

static void lay_over(struct bio *bio, struct lvr_read *read)
{
	u32 i;

	for (i = 0; i < read->pieces; i++) {
		struct lvr_rec *rec = read->piece[i].rec;
		struct bvec_iter iter = read->iter;

		bio_advance_iter(bio, &iter,
				 (read->piece[i].start_sect - iter.bi_sector) << LVR_SECTOR_SHIFT);
		lay_piece(bio, iter, rec,
			  (read->piece[i].start_sect - rec->desc.start_sect) << LVR_SECTOR_SHIFT,
			  read->piece[i].len_sect << LVR_SECTOR_SHIFT);
	}
}

/*
 * DM_MAPIO_REMAPPED: the origin is to be read; DM_MAPIO_SUBMITTED: done;
 * -EAGAIN: too many pieces, and outside map() a bio cannot be cut.
 */
static int map_read(struct lvr_volume *v, struct bio *bio, bool in_map)
{
	u64 start = bio->bi_iter.bi_sector, end = bio_end_sector(bio), covered;
	struct lvr_read *read;

	bio_set_dev(bio, v->origin->bdev);
	if (RB_EMPTY_ROOT(&v->index.map.root))
		return DM_MAPIO_REMAPPED;
	read = mempool_alloc(&v->group->reads, GFP_NOIO);
	if (!pin_pieces(v, read, start, end, &covered)) {
		u64 fit = read->piece[READ_MAX_PIECES - 1].start_sect +
			  read->piece[READ_MAX_PIECES - 1].len_sect;

		if (!in_map) {
			unpin_pieces(read);
			mempool_free(read, &v->group->reads);
			return -EAGAIN;
		}
		/* the rest comes as a bio of its own */
		dm_accept_partial_bio(bio, fit - start);
		end = fit;
	}
	if (!read->pieces) {
		mempool_free(read, &v->group->reads);
		return DM_MAPIO_REMAPPED;
	}
	read->iter = bio->bi_iter;
	if (covered == end - start) {
		lay_over(bio, read);
		unpin_pieces(read);
		mempool_free(read, &v->group->reads);
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	lvr_bio(bio)->read = read;
	return DM_MAPIO_REMAPPED;
}

/**
 * lvr_volume_end_io() - the origin has answered a read
 * @v: the volume
 * @bio: which map() remapped
 * @error: its status
 *
 * Context: any (bio completion).
 * Return: DM_ENDIO_DONE.
 */
int lvr_volume_end_io(struct lvr_volume *v, struct bio *bio, blk_status_t *error)
{
	struct lvr_read *read = lvr_bio(bio)->read;

	if (!read)
		return DM_ENDIO_DONE;
	if (*error == BLK_STS_OK)
		lay_over(bio, read);
	unpin_pieces(read);
	mempool_free(read, &v->group->reads);
	lvr_bio(bio)->read = NULL;
	return DM_ENDIO_DONE;
}

/* ------------------------------------------------------------------- mapping */

static int take(struct lvr_volume *v, struct bio *bio, bool in_map)
{
	struct lvr_group *g = v->group;

	if (bio->bi_opf & REQ_PREFLUSH && !bio_sectors(bio)) {
		lvr_log_flush_bio(g, bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (READ_ONCE(v->lost) || (READ_ONCE(v->failed) && bio_op(bio) != REQ_OP_READ)) {
		DMERR_LIMIT("lvr %s: %s volume %s refused: its origin %s", g->name,
			    bio_op(bio) == REQ_OP_READ ? "read of" : "write to", v->name,
			    READ_ONCE(v->lost) ? "lost writes" : "fails");
		return DM_MAPIO_KILL;
	}
	if (bio_op(bio) == REQ_OP_READ)
		return map_read(v, bio, in_map);
	if (!record_type_of(bio))
		return DM_MAPIO_KILL;
	switch (try_write(v, bio)) {
	case LVR_ADMITTED:
		return DM_MAPIO_SUBMITTED;
	case LVR_LOG_FAILED:
		return DM_MAPIO_KILL;
	case LVR_WAIT_STATE:
		return -EAGAIN;
	default:
		set_bit(LVR_WORKER_PRESSURE, &g->worker_flags);
		set_bit(LVR_WORKER_CHECKPOINT, &g->worker_flags);
		lvr_worker_kick(g);
		return -EAGAIN;
	}
}

/* as map(), but -EAGAIN: it must wait */
static int try_bio(struct lvr_volume *v, struct bio *bio, bool in_map)
{
	switch (fate_of(v->group, bio)) {
	case SERVE:
		return take(v, bio, in_map);
	case HOLD:
		return -EAGAIN;
	default:
		return DM_MAPIO_KILL;
	}
}

static bool others_wait(struct lvr_group *g, const struct bio *bio)
{
	return takes_turn(bio) && READ_ONCE(g->deferred_count);
}

/*
 * Its volume is being suspended, and it would wait for a peer that is away: for
 * memory, for room, or, once it is in the log, for the acknowledgement.
 */
static bool waits_for_absent_peer(struct lvr_volume *v, struct bio *bio)
{
	return smp_load_acquire(&v->suspender) && takes_turn(bio) &&
	       READ_ONCE(v->group->log.gate_refuses);
}

/* a bio that would wait for more than local devices while its volume is being suspended */
static bool must_not_wait(struct lvr_volume *v, struct bio *bio)
{
	return smp_load_acquire(&v->suspender) &&
	       (READ_ONCE(v->requeue) || fate_of(v->group, bio) == HOLD);
}

/* what map() returns for it */
static int refuse_suspended(const struct lvr_volume *v)
{
	if (READ_ONCE(v->requeue))
		return DM_MAPIO_REQUEUE;
	DMERR_LIMIT("lvr %s: I/O to volume %s refused: it is being suspended, and waits for %s no longer",
		    v->group->name, v->name,
		    READ_ONCE(v->group->state) == LVR_GROUP_ACTIVE ? "the peer" : "the group");
	return DM_MAPIO_KILL;
}

/**
 * lvr_volume_map() - a bio for a volume
 * @v: the volume
 * @bio: with the sector counted from the start of the volume
 *
 * Context: process, the submitter's.
 * Return: DM_MAPIO_*.
 */
int lvr_volume_map(struct lvr_volume *v, struct bio *bio)
{
	int ret = -EAGAIN;

	lvr_bio(bio)->volume = v;
	lvr_bio(bio)->read = NULL;
	if (waits_for_absent_peer(v, bio))
		return refuse_suspended(v);
	if (!others_wait(v->group, bio) || fate_of(v->group, bio) == REFUSE)
		ret = try_bio(v, bio, true);
	if (ret == DM_MAPIO_KILL && fate_of(v->group, bio) == REFUSE)
		DMERR_LIMIT("lvr %s: I/O to volume %s refused: this node is %s, %s (%s)",
			    v->group->name, v->name, lvr_role_name(v->group->role),
			    lvr_group_state_name(v->group->state), v->group->reason);
	if (ret != -EAGAIN)
		return ret;
	if (must_not_wait(v, bio))
		return refuse_suspended(v);
	defer(v, bio);
	/* what it waits for may have come meanwhile */
	lvr_group_kick_deferred(v->group);
	return DM_MAPIO_SUBMITTED;
}

/* true: the bio is gone; false: it must go on waiting */
static bool retry(struct lvr_volume *v, struct bio *bio)
{
	bool away = waits_for_absent_peer(v, bio);
	int ret = away ? -EAGAIN : try_bio(v, bio, false);

	if (ret == -EAGAIN && (away || must_not_wait(v, bio))) {
		if (refuse_suspended(v) == DM_MAPIO_REQUEUE)
			requeue(bio);
		else
			bio_io_error(bio);
	} else if (ret == -EAGAIN) {
		return false;
	} else if (ret == DM_MAPIO_KILL) {
		fail_bio(v, bio);
	} else if (ret == DM_MAPIO_REMAPPED) {
		submit_bio_noacct(bio);
	}
	return true;
}

static bool any_suspends(struct lvr_group *g)
{
	u32 i;

	for (i = 0; i < g->volumes; i++)
		if (READ_ONCE(g->volume[i]->suspender))
			return true;
	return false;
}

/*
 * Tries again what waits on a list. In turns: behind one that must go on
 * waiting only those are tried whose volume is being suspended, which must not
 * wait at all, and the rest is not even looked at: there may be thousands.
 */
static void retry_list(struct lvr_group *g, struct bio_list *list, bool in_turns)
{
	struct bio_list all = BIO_EMPTY_LIST, kept = BIO_EMPTY_LIST;
	bool one_waits = false;
	struct bio *bio;
	u32 gone = 0;

	spin_lock_irq(&g->defer_lock);
	bio_list_merge_init(&all, list);
	spin_unlock_irq(&g->defer_lock);
	while ((!one_waits || any_suspends(g)) && (bio = bio_list_pop(&all))) {
		struct lvr_volume *v = lvr_bio(bio)->volume;

		if ((!one_waits || READ_ONCE(v->suspender)) && retry(v, bio)) {
			gone++;
		} else {
			bio_list_add(&kept, bio);
			one_waits = in_turns;
		}
		cond_resched();
	}
	spin_lock_irq(&g->defer_lock);
	g->deferred_count -= gone;
	bio_list_merge_head(list, &all);
	bio_list_merge_head(list, &kept);
	spin_unlock_irq(&g->defer_lock);
}

/**
 * lvr_volume_defer_work() - try again what waits
 * @work: g->defer_work
 *
 * Context: process, the group's workqueue.
 */
void lvr_volume_defer_work(struct work_struct *work)
{
	struct lvr_group *g = container_of(work, struct lvr_group, defer_work);

	retry_list(g, &g->deferred, false);
	retry_list(g, &g->deferred_writes, true);
}

/* -------------------------------------------------- reading for a full sync */

/* staged pieces over pages that hold the origin's content from start on */
static void lay_over_pages(struct lvr_volume *v, u64 start, u64 end, struct page **pages,
			   struct lvr_read *read)
{
	u32 i;

	for (i = 0; i < read->pieces; i++) {
		struct lvr_rec *rec = read->piece[i].rec;
		struct lvr_page *page = rec->pages;
		u64 skip = (read->piece[i].start_sect - rec->desc.start_sect) << LVR_SECTOR_SHIFT;
		u64 to = (read->piece[i].start_sect - start) << LVR_SECTOR_SHIFT;
		u64 left = read->piece[i].len_sect << LVR_SECTOR_SHIFT;

		for (; page && skip >= PAGE_SIZE; skip -= PAGE_SIZE)
			page = page->next;
		while (left) {
			u32 now = min_t(u64, left, PAGE_SIZE - offset_in_page(to));

			if (page)
				now = min_t(u32, now, PAGE_SIZE - skip);
			if (page)
				memcpy(page_address(pages[to >> PAGE_SHIFT]) + offset_in_page(to),
				       page_address(page->page) + skip, now);
			else
				memset(page_address(pages[to >> PAGE_SHIFT]) + offset_in_page(to), 0, now);
			left -= now;
			to += now;
			skip += now;
			if (page && skip == PAGE_SIZE) {
				page = page->next;
				skip = 0;
			}
		}
	}
}

static int read_origin(struct lvr_volume *v, u64 start_sect, u32 len_sect, struct page **pages)
{
	u32 left = len_sect << LVR_SECTOR_SHIFT, i, now;
	struct bio *bio;
	int ret;

	bio = bio_alloc_bioset(v->origin->bdev, bio_max_segs(DIV_ROUND_UP(left, PAGE_SIZE)),
			       REQ_OP_READ, GFP_NOIO, &v->group->bios);
	bio->bi_iter.bi_sector = start_sect;
	for (i = 0; left; i++, left -= now) {
		now = min_t(u32, left, PAGE_SIZE);
		__bio_add_page(bio, pages[i], now, 0);
	}
	ret = submit_bio_wait(bio);
	bio_put(bio);
	return ret;
}

/**
 * lvr_volume_read() - the present content of a range
 * @v: a volume of an active primary
 * @start_sect: where
 * @len_sect: at most 256 KiB
 * @pages: lowmem pages, filled from their start
 *
 * The content holds every write that was appended before the call.
 *
 * Context: process, sleeps.
 * Return: 0, -ENODEV when the origin is not attached, -EIO when it lost
 *         writes or cannot be read, whatever it calls that.
 */
int lvr_volume_read(struct lvr_volume *v, u64 start_sect, u32 len_sect, struct page **pages)
{
	struct lvr_group *g = v->group;
	u64 end = start_sect + len_sect, covered, at = start_sect, to;
	struct lvr_read *read;
	int ret = 0;

	down_read(&v->origin_lock);
	if (!v->origin || READ_ONCE(v->lost)) {
		up_read(&v->origin_lock);
		return v->origin ? -EIO : -ENODEV;
	}
	read = mempool_alloc(&g->reads, GFP_NOIO);
	/*
	 * Pieces are pinned before the origin is read. Where more exist than
	 * fit, the range is read in parts, each starting on a page.
	 */
	while (!ret && at < end) {
		to = end;
		while (!pin_pieces(v, read, at, to, &covered)) {
			unpin_pieces(read);
			to = at + max_t(u64, ((to - at) / 2) & ~7ull, 8);
		}
		if (read_origin(v, at, to - at, pages + ((at - start_sect) >> (PAGE_SHIFT - 9))))
			ret = -EIO;
		else
			lay_over_pages(v, at, to, pages + ((at - start_sect) >> (PAGE_SHIFT - 9)), read);
		unpin_pieces(read);
		at = to;
	}
	mempool_free(read, &g->reads);
	up_read(&v->origin_lock);
	return ret;
}

/**
 * lvr_volume_forget_staged() - nothing is read from memory any more
 * @v: a volume that serves no I/O, whose group's worker is held
 *
 * Context: process.
 */
void lvr_volume_forget_staged(struct lvr_volume *v)
{
	struct lvr_extent *e;

	spin_lock_irq(&v->index.lock);
	while ((e = lvr_extent_first(&v->index.map, 0)))
		lvr_extent_remove_rec(&v->index.map, e->rec);
	spin_unlock_irq(&v->index.lock);
}
