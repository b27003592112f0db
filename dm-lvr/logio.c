// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O to the log device: extents that may wrap at the end of the ring, and
 * metadata. Bios come from the group's own bio_set, which has a rescuer, so
 * that a submitter below another's map() cannot starve.
 */
#include "lvr.h"

struct write_cursor {
	struct lvr_group *g;
	struct lvr_chunk *chunk;
	struct bio *bio;
	u64 off;
	u32 left_bytes;
};

static void chunk_endio(struct bio *bio)
{
	struct lvr_chunk *c = bio->bi_private;

	if (bio->bi_status && !c->status)
		c->status = bio->bi_status;
	bio_put(bio);
	if (atomic_dec_and_test(&c->pending_bios))
		lvr_log_chunk_ended(c);
}

/*
 * A chunk may need more vectors than a bio has. The bio must then end on a
 * block of the device: its last vectors are kept for the sectors up to there.
 */
static u32 limit_to_block(struct write_cursor *w, u32 bytes)
{
	u32 block_bytes = w->g->log.ring.block_bytes, ahead = w->off & (block_bytes - 1);
	struct bio *bio = w->bio;

	if (!bio || bio->bi_max_vecs < BIO_MAX_VECS ||
	    bio->bi_max_vecs - bio->bi_vcnt > block_bytes >> LVR_SECTOR_SHIFT)
		return bytes;
	if (ahead)
		return min(bytes, block_bytes - ahead);
	submit_bio(bio);
	w->bio = NULL;
	return bytes;
}

static void write_piece(struct write_cursor *w, struct page *page, u32 offset, u32 bytes)
{
	struct lvr_ring *ring = &w->g->log.ring;

	while (bytes) {
		u32 now = min_t(u64, limit_to_block(w, bytes), lvr_ring_contiguous_bytes(ring, w->off));
		sector_t sect = lvr_ring_sect(ring, w->off);

		if (w->bio && (bio_end_sector(w->bio) != sect ||
			       bio_add_page(w->bio, page, now, offset) != now)) {
			submit_bio(w->bio);
			w->bio = NULL;
		} else if (w->bio) {
			goto next;
		}
		w->bio = bio_alloc_bioset(w->g->log_bdev,
					  bio_max_segs(DIV_ROUND_UP(w->left_bytes, PAGE_SIZE) +
						       w->chunk->info.records + 2),
					  REQ_OP_WRITE | REQ_SYNC | (w->chunk->forced ? REQ_FUA : 0), GFP_NOIO,
					  &w->g->bios);
		w->bio->bi_iter.bi_sector = sect;
		w->bio->bi_private = w->chunk;
		w->bio->bi_end_io = chunk_endio;
		atomic_inc(&w->chunk->pending_bios);
		__bio_add_page(w->bio, page, now, offset);
next:
		w->off += now;
		w->left_bytes -= now;
		offset += now;
		bytes -= now;
	}
}

/**
 * lvr_logio_submit() - write a chunk to its place
 * @g: the group
 * @chunk: placed and encoded, forced or not; ends in lvr_log_chunk_ended()
 *
 * Context: process; may be inside map(), where the bios leave when it returns.
 */
void lvr_logio_submit(struct lvr_group *g, struct lvr_chunk *chunk)
{
	struct write_cursor w = {
		.g = g, .chunk = chunk, .off = chunk->before.off,
		.left_bytes = chunk->extent_bytes,
	};
	u32 pad = chunk->extent_bytes - chunk->payload_at_bytes - chunk->info.payload_bytes;
	struct blk_plug plug;
	struct lvr_page *page;
	struct lvr_rec *rec;
	u32 left, now;

	atomic_set(&chunk->pending_bios, 1);
	blk_start_plug(&plug);	/* else a scheduler's queue is run by another thread */
	write_piece(&w, chunk->head_page->page, chunk->head_at_bytes, chunk->payload_at_bytes);
	for (rec = chunk->first_rec; rec; rec = rec->next) {
		left = lvr_record_payload_bytes(&rec->desc);
		for (page = rec->pages; left; page = page->next, left -= now) {
			now = min_t(u32, left, PAGE_SIZE);
			write_piece(&w, page->page, 0, now);
		}
	}
	if (pad)
		write_piece(&w, ZERO_PAGE(0), 0, pad);
	submit_bio(w.bio);
	blk_finish_plug(&plug);
	if (atomic_dec_and_test(&chunk->pending_bios))
		lvr_log_chunk_ended(chunk);
}

/* several bios, one waiter */
struct sync_io {
	atomic_t pending;
	blk_status_t status;
	struct completion done;
};

static void sync_put(struct sync_io *io)
{
	if (atomic_dec_and_test(&io->pending))
		complete(&io->done);
}

static void sync_endio(struct bio *bio)
{
	struct sync_io *io = bio->bi_private;

	if (bio->bi_status)
		io->status = bio->bi_status;
	bio_put(bio);
	sync_put(io);
}

static void sync_init(struct sync_io *io)
{
	atomic_set(&io->pending, 1);
	io->status = BLK_STS_OK;
	init_completion(&io->done);
}

static int sync_wait(struct lvr_group *g, struct sync_io *io)
{
	sync_put(io);
	wait_for_completion_io(&io->done);
	if (io->status)
		lvr_count(g, LVR_CTR_errors, 1);
	return blk_status_to_errno(io->status);
}

static struct bio *sync_bio(struct lvr_group *g, struct sync_io *io, sector_t sect, u32 pages,
			    blk_opf_t opf)
{
	struct bio *bio = bio_alloc_bioset(g->log_bdev, bio_max_segs(pages), opf, GFP_NOIO, &g->bios);

	bio->bi_iter.bi_sector = sect;
	bio->bi_private = io;
	bio->bi_end_io = sync_endio;
	atomic_inc(&io->pending);
	return bio;
}

/**
 * lvr_logio_read() - read a piece of the ring
 * @g: the group
 * @off: where, a multiple of 512
 * @bytes: how much, a multiple of 512; may wrap
 * @pages: filled one after the other
 *
 * Context: process, sleeps.
 * Return: 0 or -errno of the device.
 */
int lvr_logio_read(struct lvr_group *g, u64 off, u32 bytes, struct page **pages)
{
	struct bio *bio = NULL;
	struct sync_io io;
	u32 done = 0;

	sync_init(&io);
	while (done < bytes) {
		u32 in_page = offset_in_page(done);
		u32 now = min_t(u64, min_t(u32, bytes - done, PAGE_SIZE - in_page),
				lvr_ring_contiguous_bytes(&g->log.ring, off + done));
		sector_t sect = lvr_ring_sect(&g->log.ring, off + done);
		struct page *page = pages[done >> PAGE_SHIFT];

		if (!bio || bio_end_sector(bio) != sect ||
		    bio_add_page(bio, page, now, in_page) != now) {
			if (bio)
				submit_bio(bio);
			bio = sync_bio(g, &io, sect, ((bytes - done) >> PAGE_SHIFT) + 2, REQ_OP_READ);
			__bio_add_page(bio, page, now, in_page);
		}
		done += now;
	}
	if (bio)
		submit_bio(bio);
	return sync_wait(g, &io);
}

/**
 * lvr_logio_erase_block() - make sure that no chunk is found at a place
 * @g: the group
 * @off: the place, a multiple of the block size
 *
 * Context: process, sleeps; durable when it returns.
 * Return: 0 or -errno of the device.
 */
int lvr_logio_erase_block(struct lvr_group *g, u64 off)
{
	struct sync_io io;
	struct bio *bio;

	sync_init(&io);
	bio = sync_bio(g, &io, lvr_ring_sect(&g->log.ring, off), 1,
		       REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA | REQ_SYNC);
	__bio_add_page(bio, ZERO_PAGE(0), g->log.ring.block_bytes, 0);
	submit_bio(bio);
	return sync_wait(g, &io);
}

/**
 * lvr_logio_meta() - read or write metadata
 * @g: the group
 * @sect: sector of the log device
 * @buf: from vmalloc or kmalloc, page aligned
 * @bytes: a multiple of the page size
 * @opf: operation and flags
 *
 * Context: process, sleeps.
 * Return: 0 or -errno of the device.
 */
int lvr_logio_meta(struct lvr_group *g, u64 sect, void *buf, u32 bytes, blk_opf_t opf)
{
	struct sync_io io;
	struct bio *bio;
	u32 done;

	BUILD_BUG_ON(LVR_SUPER_BYTES % PAGE_SIZE);
	sync_init(&io);
	bio = sync_bio(g, &io, sect, bytes >> PAGE_SHIFT, opf);
	for (done = 0; done < bytes; done += PAGE_SIZE)
		__bio_add_page(bio, is_vmalloc_addr(buf) ? vmalloc_to_page(buf + done) :
			       virt_to_page(buf + done), PAGE_SIZE, 0);
	submit_bio(bio);
	return sync_wait(g, &io);
}
