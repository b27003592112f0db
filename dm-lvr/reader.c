// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks for those who go along the log: the sender, destage, the
 * handshake. From memory where the chunk still is; else the ring is read
 * back in large sequential pieces into the reader's own window, so that
 * reading back never needs staging memory.
 *
 * A window holds only what was written when it was filled. The log's epoch
 * rises whenever positions are taken back (truncation, reset): the same off
 * may then name other bytes, and the window is forgotten.
 */
#include "lvr.h"

#define WINDOW_PAGES	640	/* 2.5 MiB: more than two chunks of the greatest size */
#define WINDOW_BYTES	(WINDOW_PAGES * PAGE_SIZE)

struct lvr_log_reader {
	struct lvr_group *g;
	struct page *page[WINDOW_PAGES];
	void *addr;
	u64 off;
	u32 bytes;
	u64 epoch;
	struct lvr_pos found;	/* where lvr_reader_seek() came to last; of found_epoch */
	u64 found_epoch;
};

/**
 * lvr_reader_create() - a reader with its window
 * @g: the group
 *
 * Context: process, sleeps.
 * Return: the reader, or NULL without memory.
 */
struct lvr_log_reader *lvr_reader_create(struct lvr_group *g)
{
	struct lvr_log_reader *reader = kvzalloc(sizeof(*reader), GFP_KERNEL);
	u32 i;

	if (!reader)
		return NULL;
	reader->g = g;
	reader->found_epoch = ~0ull;
	for (i = 0; i < WINDOW_PAGES; i++) {
		reader->page[i] = alloc_page(GFP_KERNEL);
		if (!reader->page[i])
			goto err_destroy;
	}
	reader->addr = vmap(reader->page, WINDOW_PAGES, VM_MAP, PAGE_KERNEL);
	if (!reader->addr)
		goto err_destroy;
	return reader;

err_destroy:
	lvr_reader_destroy(reader);
	return NULL;
}

/**
 * lvr_reader_destroy() - free a reader
 * @reader: or NULL; no view of it is held
 *
 * Context: process.
 */
void lvr_reader_destroy(struct lvr_log_reader *reader)
{
	u32 i;

	if (!reader)
		return;
	if (reader->addr)
		vunmap(reader->addr);
	for (i = 0; i < WINDOW_PAGES && reader->page[i]; i++)
		__free_page(reader->page[i]);
	kvfree(reader);
}

/*
 * Let [off, off + bytes) lie in the window, reading ahead up to limit_off.
 * Returns its address or an ERR_PTR. What is only read ahead may be unreadable.
 * An error of the device is -EIO, whatever it calls it: -ENODATA, which is a
 * sector lost, has another meaning to who looks for the end of the log.
 */
static void *window(struct lvr_log_reader *reader, u64 off, u32 bytes, u64 limit_off, u64 epoch)
{
	u64 ahead = min_t(u64, limit_off - off, WINDOW_BYTES);
	int ret;

	if (bytes > ahead)
		return ERR_PTR(-EUCLEAN);
	if (reader->bytes && reader->epoch == epoch && off >= reader->off &&
	    off + bytes <= reader->off + reader->bytes)
		return reader->addr + (off - reader->off);
	reader->bytes = 0;
	ret = lvr_logio_read(reader->g, off, ahead, reader->page);
	if (ret && ahead > bytes) {
		ahead = min_t(u64, round_up(bytes, reader->g->log.ring.block_bytes), limit_off - off);
		ret = lvr_logio_read(reader->g, off, ahead, reader->page);
	}
	if (ret)
		return ERR_PTR(-EIO);
	reader->off = off;
	reader->bytes = ahead;
	reader->epoch = epoch;
	return reader->addr;
}

/**
 * lvr_reader_raw() - bytes of the ring through a reader's window
 * @reader: of the group
 * @off: where
 * @bytes: how many, at most 1 MiB and a little
 * @limit_off: nothing at or behind it is read
 *
 * For the recovery scan, which believes nothing yet.
 *
 * Context: process, sleeps.
 * Return: the address, valid until the next call, or an ERR_PTR.
 */
void *lvr_reader_raw(struct lvr_log_reader *reader, u64 off, u32 bytes, u64 limit_off)
{
	return window(reader, off, bytes, limit_off, reader->g->log.epoch);
}

static void view_of_memory(struct lvr_chunk *c, struct lvr_chunk_view *view)
{
	struct lvr_page *page;
	struct lvr_rec *rec;
	u32 left, now;

	view->info = c->info;
	view->next = c->after;
	view->head = lvr_chunk_head(c);
	view->pinned = c;
	view->bvecs = 0;
	for (rec = c->first_rec; rec; rec = rec->next) {
		left = lvr_record_payload_bytes(&rec->desc);
		for (page = rec->pages; left; page = page->next, left -= now) {
			now = min_t(u32, left, PAGE_SIZE);
			bvec_set_page(&view->bvec[view->bvecs++], page->page, now, 0);
		}
	}
}

static int check_payload(const void *head, const void *payload, const struct lvr_chunk_info *info,
			 struct lvr_err *err)
{
	struct lvr_record rec;
	u32 i, bytes;

	for (i = 0; i < info->records; i++) {
		lvr_chunk_record(head, i, &rec);
		bytes = lvr_record_payload_bytes(&rec);
		if (bytes && lvr_xxh64(payload, bytes, LVR_HASH_SEED) != rec.data_hash) {
			lvr_err_set(err, "payload of record %u does not match its hash", i);
			return -EUCLEAN;
		}
		payload += bytes;
	}
	return 0;
}

static int view_of_window(struct lvr_log_reader *reader, const struct lvr_pos *pos, void *extent,
			  const struct lvr_envelope *env, struct lvr_chunk_view *view,
			  struct lvr_err *err)
{
	u32 at = extent - reader->addr + env->payload_at_bytes, left, now;
	void *head = extent + LVR_ENVELOPE_BYTES;
	int ret;

	ret = lvr_chunk_peek(head, &view->info, err);
	if (ret)
		return -EUCLEAN;
	if (lvr_extent_payload_at_bytes(view->info.head_bytes) != env->payload_at_bytes ||
	    lvr_extent_bytes(view->info.head_bytes, view->info.payload_bytes,
			     reader->g->log.ring.block_bytes) != env->extent_bytes) {
		lvr_err_set(err, "head and envelope disagree on lengths");
		return -EUCLEAN;
	}
	if (lvr_chunk_decode(head, view->info.head_bytes, &view->info, err))
		return -EUCLEAN;
	ret = check_payload(head, extent + env->payload_at_bytes, &view->info, err);
	if (ret)
		return ret;
	view->head = head;
	view->pinned = NULL;
	view->bvecs = 0;
	for (left = view->info.payload_bytes; left; left -= now, at += now) {
		now = min_t(u32, left, PAGE_SIZE - offset_in_page(at));
		bvec_set_page(&view->bvec[view->bvecs++], reader->page[at >> PAGE_SHIFT], now,
			      offset_in_page(at));
	}
	view->next.off = pos->off + env->extent_bytes;
	view->next.seq = lvr_chunk_end_seq(&view->info);
	view->next.chain = view->info.flags & LVR_CHUNK_F_NOSEQ ? pos->chain : view->info.chain;
	view->next.gen = view->info.flags & LVR_CHUNK_F_NOSEQ ? pos->gen : view->info.gen;
	return 0;
}

static int read_back(struct lvr_log_reader *reader, const struct lvr_pos *pos, u64 limit_off,
		     u64 epoch, struct lvr_chunk_view *view)
{
	struct lvr_group *g = reader->g;
	struct lvr_envelope env;
	struct lvr_err err;
	void *extent;
	int ret;

	extent = window(reader, pos->off, g->log.ring.block_bytes, limit_off, epoch);
	if (IS_ERR(extent))
		return PTR_ERR(extent);
	ret = lvr_envelope_decode(extent, &env, g->log.ring.block_bytes, &err);
	if (ret || env.off != pos->off || env.log_id != g->log.log_id) {
		if (!ret)
			lvr_err_set(&err, "found the envelope of off %llu", env.off);
		goto unclean;
	}
	extent = window(reader, pos->off, env.extent_bytes, limit_off, epoch);
	if (IS_ERR(extent))
		return PTR_ERR(extent);
	ret = view_of_window(reader, pos, extent, &env, view, &err);
	if (!ret)
		return 0;
unclean:
	DMERR_LIMIT("lvr %s: log at off %llu does not read back: %s", g->name, pos->off, err.text);
	return -EUCLEAN;
}

/**
 * lvr_reader_get() - the chunk that starts at a position
 * @reader: no view of it is held
 * @pos: a chunk boundary
 * @view: filled
 *
 * Context: process, sleeps.
 * Return: 0; -EAGAIN: none submitted there yet; -ESTALE: no longer in the
 *         log; -EIO; -EUCLEAN: what was read back does not check.
 */
int lvr_reader_get(struct lvr_log_reader *reader, const struct lvr_pos *pos,
		   struct lvr_chunk_view *view)
{
	struct lvr_log *log = &reader->g->log;
	u64 written_off, tail_off, head_off, epoch;
	struct lvr_chunk *c;

	c = lvr_log_pin(reader->g, pos->off);
	if (c) {
		view_of_memory(c, view);
		return 0;
	}
	spin_lock_irq(&log->lock);
	written_off = log->written.off;
	head_off = log->head.off;
	tail_off = log->tail.off;
	epoch = log->epoch;
	spin_unlock_irq(&log->lock);
	if (pos->off < tail_off || pos->off > head_off)
		return -ESTALE;
	if (pos->off >= written_off)
		return -EAGAIN;
	return read_back(reader, pos, written_off, epoch, view);
}

/**
 * lvr_reader_put() - release a view
 * @reader: it came from
 * @view: from lvr_reader_get()
 *
 * Context: process.
 */
void lvr_reader_put(struct lvr_log_reader *reader, struct lvr_chunk_view *view)
{
	if (view->pinned)
		lvr_chunk_unpin(view->pinned);
	view->pinned = NULL;
}

/**
 * lvr_reader_seek() - the place of a position
 * @reader: no view of it is held
 * @seq: a chunk boundary
 * @pos: filled; of several places with this seq the first
 *
 * May read much, and the peer may be gone until it is done: what was found is
 * kept, so that the next handshake does not begin anew.
 *
 * Context: process, sleeps.
 * Return: 0; -ESTALE: before the tail; -EINVAL: beyond head or inside a
 *         chunk; -EIO, -EUCLEAN as lvr_reader_get(); -ENOMEM.
 */
int lvr_reader_seek(struct lvr_log_reader *reader, u64 seq, struct lvr_pos *pos)
{
	struct lvr_log *log = &reader->g->log;
	struct lvr_chunk_view *view;
	struct lvr_pos head, tail;
	struct lvr_mark mark;
	bool marked;
	u64 epoch;
	int ret = 0;

	spin_lock_irq(&log->lock);
	head = log->head;
	tail = log->tail;
	epoch = log->epoch;
	marked = lvr_seqmap_find(log->marks, seq, &mark) && mark.off >= tail.off;
	spin_unlock_irq(&log->lock);
	if (seq > head.seq)
		return -EINVAL;
	if (seq < tail.seq)
		return -ESTALE;
	*pos = tail;
	if (marked)
		*pos = (struct lvr_pos){ mark.seq, mark.off, mark.chain, mark.gen };
	if (reader->found_epoch == epoch && reader->found.seq <= seq && reader->found.off > pos->off)
		*pos = reader->found;

	view = kvmalloc(sizeof(*view), GFP_NOIO);
	if (!view)
		return -ENOMEM;
	while (!ret && pos->seq < seq) {
		if (pos->off == head.off) {
			ret = -EINVAL;
			break;
		}
		ret = lvr_reader_get(reader, pos, view);
		if (ret)
			break;
		*pos = view->next;
		lvr_reader_put(reader, view);
	}
	kvfree(view);
	if (!ret) {
		reader->found = *pos;
		reader->found_epoch = epoch;
	}
	return ret ?: pos->seq == seq ? 0 : -EINVAL;
}
