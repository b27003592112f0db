// SPDX-License-Identifier: GPL-2.0-only
/*
 * Staging memory of a group: pages, records and chunks, all allocated when
 * the group is made, so that nothing on the I/O path allocates (I9). What is
 * not free here is in a chunk of the log; admission waits until chunks are
 * given back.
 */
#include "lvr.h"

/* a chunk holds four pages of payload on average, else chunks run out first */
#define PAGES_A_CHUNK	4

static void free_pages_of(struct lvr_stage *stage)
{
	u32 i;

	for (i = 0; stage->page_array && i < stage->pages + stage->chunks; i++)
		if (stage->page_array[i].page)
			__free_page(stage->page_array[i].page);
	kvfree(stage->page_array);
	stage->page_array = NULL;
}

/**
 * lvr_stage_init() - allocate the staging memory of a group
 * @stage: to set up
 * @pages: payload pages; heads of chunks come on top
 *
 * Context: process, sleeps.
 * Return: 0 or -ENOMEM.
 */
int lvr_stage_init(struct lvr_stage *stage, u32 pages)
{
	u32 chunks = pages / PAGES_A_CHUNK, i;

	spin_lock_init(&stage->lock);
	INIT_LIST_HEAD(&stage->free_chunks);
	stage->pages = pages;
	stage->chunks = chunks;
	stage->page_array = kvcalloc(pages + chunks, sizeof(*stage->page_array), GFP_KERNEL);
	stage->rec_array = kvcalloc(pages, sizeof(*stage->rec_array), GFP_KERNEL);
	stage->chunk_array = kvcalloc(chunks, sizeof(*stage->chunk_array), GFP_KERNEL);
	if (!stage->page_array || !stage->rec_array || !stage->chunk_array)
		goto err_free;
	for (i = 0; i < pages + chunks; i++) {
		stage->page_array[i].page = alloc_page(GFP_KERNEL);
		if (!stage->page_array[i].page)
			goto err_free;
	}
	for (i = 0; i < pages; i++) {
		stage->page_array[i].next = stage->free_page;
		stage->free_page = &stage->page_array[i];
		stage->rec_array[i].next = stage->free_rec;
		stage->free_rec = &stage->rec_array[i];
	}
	for (i = 0; i < chunks; i++) {
		stage->chunk_array[i].head_page = &stage->page_array[pages + i];
		list_add_tail(&stage->chunk_array[i].list, &stage->free_chunks);
	}
	stage->free_pages = pages;
	return 0;

err_free:
	lvr_stage_exit(stage);
	return -ENOMEM;
}

/**
 * lvr_stage_exit() - free the staging memory
 * @stage: of which every piece is free, or which lvr_stage_init() left half made
 *
 * Context: process.
 */
void lvr_stage_exit(struct lvr_stage *stage)
{
	free_pages_of(stage);
	kvfree(stage->chunk_array);
	kvfree(stage->rec_array);
	stage->chunk_array = NULL;
	stage->rec_array = NULL;
}

/**
 * lvr_stage_take_rec() - a record with pages for its payload
 * @stage: where from
 * @pages: how many; 0 for a record without payload
 *
 * Context: any, takes stage->lock.
 * Return: the record, or NULL when not all of it is free.
 */
struct lvr_rec *lvr_stage_take_rec(struct lvr_stage *stage, u32 pages)
{
	struct lvr_rec *rec = NULL;
	struct lvr_page *last;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&stage->lock, flags);
	if (!stage->free_rec || stage->free_pages < pages)
		goto out;
	rec = stage->free_rec;
	stage->free_rec = rec->next;
	rec->next = NULL;
	rec->chunk = NULL;
	rec->pages = NULL;
	INIT_HLIST_HEAD(&rec->indexed);
	INIT_HLIST_HEAD(&rec->batched);
	if (pages) {
		rec->pages = stage->free_page;
		for (i = 1, last = rec->pages; i < pages; i++)
			last = last->next;
		stage->free_page = last->next;
		last->next = NULL;
		stage->free_pages -= pages;
	}
out:
	spin_unlock_irqrestore(&stage->lock, flags);
	return rec;
}

static void give_rec_locked(struct lvr_stage *stage, struct lvr_rec *rec)
{
	struct lvr_page *page, *next;

	lockdep_assert_held(&stage->lock);
	for (page = rec->pages; page; page = next) {
		next = page->next;
		page->next = stage->free_page;
		stage->free_page = page;
		stage->free_pages++;
	}
	rec->next = stage->free_rec;
	stage->free_rec = rec;
}

/**
 * lvr_stage_give_rec() - give a record and its pages back
 * @stage: where to
 * @rec: in no chunk and no extent map
 *
 * Context: any, takes stage->lock.
 */
void lvr_stage_give_rec(struct lvr_stage *stage, struct lvr_rec *rec)
{
	unsigned long flags;

	spin_lock_irqsave(&stage->lock, flags);
	give_rec_locked(stage, rec);
	spin_unlock_irqrestore(&stage->lock, flags);
}

/**
 * lvr_rec_hash() - the hash of a record's payload, as its descriptor has it
 * @rec: with its pages; its length is that of @rec->desc
 *
 * Context: any, does not sleep.
 * Return: XXH64, 0 without payload.
 */
u64 lvr_rec_hash(const struct lvr_rec *rec)
{
	u32 left = lvr_record_payload_bytes(&rec->desc), now;
	const struct lvr_page *page = rec->pages;
	lvr_xxh64_state hash;

	if (!left)
		return 0;
	if (left <= PAGE_SIZE)
		return lvr_xxh64(page_address(page->page), left, LVR_HASH_SEED);
	lvr_xxh64_reset(&hash, LVR_HASH_SEED);
	for (; left; left -= now, page = page->next) {
		now = min_t(u32, left, PAGE_SIZE);
		lvr_xxh64_update(&hash, page_address(page->page), now);
	}
	return lvr_xxh64_digest(&hash);
}

/**
 * lvr_stage_take_chunk() - an empty chunk with its head page
 * @stage: where from
 *
 * Context: any, takes stage->lock.
 * Return: the chunk, or NULL when none is free.
 */
struct lvr_chunk *lvr_stage_take_chunk(struct lvr_stage *stage)
{
	struct lvr_page *head_page;
	struct lvr_chunk *chunk;
	unsigned long flags;

	spin_lock_irqsave(&stage->lock, flags);
	chunk = list_first_entry_or_null(&stage->free_chunks, struct lvr_chunk, list);
	if (chunk)
		list_del(&chunk->list);
	spin_unlock_irqrestore(&stage->lock, flags);
	if (!chunk)
		return NULL;
	head_page = chunk->head_page;
	memset(chunk, 0, sizeof(*chunk));
	chunk->head_page = head_page;
	INIT_LIST_HEAD(&chunk->list);
	INIT_HLIST_NODE(&chunk->by_off);
	bio_list_init(&chunk->plain);
	bio_list_init(&chunk->fua);
	return chunk;
}

/**
 * lvr_stage_give_chunk() - give a chunk and all its records back
 * @stage: where to
 * @chunk: on no list, unpinned
 *
 * Context: any, takes stage->lock.
 */
void lvr_stage_give_chunk(struct lvr_stage *stage, struct lvr_chunk *chunk)
{
	struct lvr_rec *rec, *next;
	unsigned long flags;

	spin_lock_irqsave(&stage->lock, flags);
	for (rec = chunk->first_rec; rec; rec = next) {
		next = rec->next;
		give_rec_locked(stage, rec);
	}
	chunk->first_rec = NULL;
	list_add(&chunk->list, &stage->free_chunks);
	spin_unlock_irqrestore(&stage->lock, flags);
}
