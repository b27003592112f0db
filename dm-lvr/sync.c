// SPDX-License-Identifier: GPL-2.0-only
/*
 * Full synchronisation: the content of the volumes as records in the stream.
 *
 * Source (sender thread): between chunks, the next blocks of the volumes are
 * read and sent in a chunk without seq (NOSEQ). It stands at the stream's
 * position: no other chunk is sent between reading and sending, so the block
 * holds every write that was sent before it, and it may hold newer ones. The
 * head of the log after it was read bounds those: end_seq. Runs of zeroes are
 * sent as such. The last chunk, SYNC_END, names the greatest end_seq: E.
 *
 * Target: sync-target.c.
 *
 * A block counts as done when the target holds it durably AND the source's
 * own log is durable up to its end_seq. Without the second a source that
 * crashes could lose a write that the block already holds, skip the block on
 * resuming, and leave the lost write on the target for good.
 *
 * What a crash or cut leaves
 *   source, before SYNC_OPEN is written      nothing has begun
 *   source, later                            id and cursor as of the last checkpoint; blocks
 *                                            from there on are sent again
 *   target, before the first block           the old copy
 *   target, later                            inconsistent, with the id in its superblock; the
 *                                            stream goes on from its head
 *   done at the target, not known at the     both see it in the next handshake (STATE), and
 *   source                                   the source writes it down then
 *
 * sync_no counts the chunks of one connection; source and target start from 1
 * at each, so that neither has to remember the other's count.
 *
 * Owners: fields of link->sync and link->target say it. Lock order: super_mutex
 * -> link->lock; log->lock apart from both.
 */
#include <linux/slab.h>

#include "link.h"

#define BLOCK_SECT	(LVR_SYNC_BLOCK_BYTES >> LVR_SECTOR_SHIFT)
#define ZERO_BLOCKS	8u	/* read on for so long while all is zero */
#define NO_VOLUME	(~0u)
#define RETRY_MS	250	/* an origin that is not attached now */
#define HEAD_BYTES	(LVR_CHUNK_HEAD_BYTES + 2 * LVR_RECORD_DESC_BYTES)

/* ------------------------------------------------------------------- cursors */

/* blocks go by rising volume id: that does not change when volumes are added */
static struct lvr_volume *next_volume(struct lvr_group *g, u32 id, bool after)
{
	struct lvr_volume *best = NULL;
	u32 i;

	for (i = 0; i < g->volumes; i++) {
		struct lvr_volume *v = g->volume[i];

		if ((after ? v->id > id : v->id >= id) && (!best || v->id < best->id))
			best = v;
	}
	return best;
}

/* the block at the cursor, or the first one behind it; NULL: past the last */
static struct lvr_volume *settle(struct lvr_group *g, struct lvr_sync_cursor *c)
{
	struct lvr_volume *v = c->volume == NO_VOLUME ? NULL : next_volume(g, c->volume, false);

	if (v && v->id != c->volume)
		*c = (struct lvr_sync_cursor){ v->id, 0 };
	if (v && c->sect >= v->size_sect) {
		v = next_volume(g, v->id, true);
		if (v)
			*c = (struct lvr_sync_cursor){ v->id, 0 };
	}
	if (!v)
		*c = (struct lvr_sync_cursor){ NO_VOLUME, 0 };
	return v;
}

static u64 sectors_before(struct lvr_group *g, const struct lvr_sync_cursor *c)
{
	u64 sect = 0;
	u32 i;

	for (i = 0; i < g->volumes; i++) {
		if (g->volume[i]->id < c->volume)
			sect += g->volume[i]->size_sect;
		else if (g->volume[i]->id == c->volume)
			sect += min(c->sect, g->volume[i]->size_sect);
	}
	return sect;
}

/* ------------------------------------------------------------ making, freeing */

/**
 * lvr_sync_create() - the memory that a full sync needs at its source
 * @link: under construction
 *
 * Context: process, sleeps.
 * Return: 0 or -ENOMEM.
 */
int lvr_sync_create(struct lvr_link *link)
{
	struct lvr_sync_source *s = &link->sync;
	u32 i;

	s->head = kzalloc(HEAD_BYTES, GFP_KERNEL);
	if (!s->head)
		return -ENOMEM;
	for (i = 0; i < LVR_SYNC_BLOCK_PAGES; i++) {
		s->page[i] = alloc_page(GFP_KERNEL);
		if (!s->page[i])
			return -ENOMEM;
	}
	return 0;
}

/**
 * lvr_sync_destroy() - free it
 * @link: also one whose lvr_sync_create() failed or never ran
 *
 * Context: process.
 */
void lvr_sync_destroy(struct lvr_link *link)
{
	u32 i;

	for (i = 0; i < LVR_SYNC_BLOCK_PAGES; i++)
		if (link->sync.page[i])
			__free_page(link->sync.page[i]);
	kfree(link->sync.head);
}

/* -------------------------------------------------------------------- source */

/**
 * lvr_sync_can_resume() - can the open full sync go on from the target's head?
 * @link: the plan says that it would
 *
 * Sets link->cursor.
 *
 * Context: process, the link thread in the handshake; reads the log.
 * Return: whether.
 */
bool lvr_sync_can_resume(struct lvr_link *link)
{
	const struct lvr_plan_node *me = link->me, *peer = link->peer;
	const struct lvr_sync_source *s = &link->sync;
	struct lvr_pos durable;

	if (!s->open || s->id != me->source_sync_id || s->id != peer->sync_id ||
	    !(peer->flags & LVR_NODE_F_INCONSISTENT) ||
	    peer->flags & (LVR_NODE_F_BLANK | LVR_NODE_F_DISCARD))
		return false;
	if (lvr_reader_seek(link->reader, peer->head_seq, &link->cursor) ||
	    link->cursor.chain != peer->head_chain)
		return false;
	lvr_log_positions(link->g, NULL, &durable, NULL, NULL);
	return link->cursor.seq <= durable.seq;
}

/* write down that a full sync is open, and where its stream starts */
static int open_sync(struct lvr_link *link, u64 sync_id)
{
	struct lvr_group *g = link->g;
	int ret;

	lvr_super_lock(g);
	/* the tail moves under super_mutex only: it cannot pass this position before it counts */
	lvr_log_positions(g, NULL, &link->cursor, NULL, NULL);
	lvr_super_open_sync(g->sb, g->opts.peer, sync_id, link->cursor.seq);
	spin_lock(&link->lock);
	link->acked_seq = link->cursor.seq;
	link->acked_valid = true;
	link->sync.open = true;
	link->sync.id = sync_id;
	link->sync.done = (struct lvr_sync_cursor){};
	link->sync.done_end_seq = 0;
	spin_unlock(&link->lock);
	ret = lvr_super_commit(g);
	if (!ret) {
		/* the peer needs nothing before that any more: room, perhaps, for one who waits for some */
		WRITE_ONCE(g->sync_moved, true);
		lvr_worker_kick(g);
	}
	return ret;
}

/**
 * lvr_sync_begin() - begin a full sync, or go on with the open one
 * @link: the link
 * @sync_id: of it
 * @resume: go on; lvr_sync_can_resume() has set the cursor
 * @err: reason
 *
 * Context: process, the link thread.
 * Return: 0 with link->cursor where the stream starts, or -EIO.
 */
int lvr_sync_begin(struct lvr_link *link, u64 sync_id, bool resume, struct lvr_err *err)
{
	struct lvr_sync_source *s = &link->sync;

	if (!resume && open_sync(link, sync_id)) {
		lvr_err_set(err, "cannot write the superblock");
		return -EIO;
	}
	s->next = s->done;
	s->end_seq = s->done_end_seq;
	s->window = clamp_t(u64, link->peer->ring_bytes / 4 / (LVR_SYNC_BLOCK_BYTES + 8192), 2,
			    LVR_SYNC_WINDOW);
	s->retry = jiffies;
	spin_lock(&link->lock);
	s->end_sent = false;
	s->sent_no = 0;
	s->acked_no = 0;
	s->done_no = 0;
	s->active = true;
	spin_unlock(&link->lock);
	return 0;
}

/**
 * lvr_sync_ready() - is there a block to be sent now?
 * @link: the link
 *
 * Context: any, while the sender thread sleeps or calls.
 * Return: whether.
 */
bool lvr_sync_ready(struct lvr_link *link)
{
	const struct lvr_sync_source *s = &link->sync;

	return READ_ONCE(s->active) && !s->end_sent &&
	       s->sent_no - READ_ONCE(s->done_no) < s->window &&
	       time_after_eq(jiffies, s->retry) && READ_ONCE(link->g->state) == LVR_GROUP_ACTIVE;
}

static bool all_zero(struct page *const *page, u32 len_sect)
{
	u32 left = len_sect << LVR_SECTOR_SHIFT, now, i;

	for (i = 0; left; i++, left -= now) {
		now = min_t(u32, left, PAGE_SIZE);
		if (memchr_inv(page_address(page[i]), 0, now))
			return false;
	}
	return true;
}

/* what one synchronisation chunk says */
struct batch {
	struct lvr_record rec[2];
	u32 records;
	u32 payload_bytes;
	u32 bvecs;
	struct lvr_sync_cursor next;
};

static void add_payload(struct lvr_sync_source *s, struct batch *b, struct lvr_record *rec)
{
	u32 left = rec->len_sect << LVR_SECTOR_SHIFT, now;
	lvr_xxh64_state hash;

	lvr_xxh64_reset(&hash, LVR_HASH_SEED);
	for (; left; left -= now) {
		now = min_t(u32, left, PAGE_SIZE);
		bvec_set_page(&s->bvec[b->bvecs], s->page[b->bvecs], now, 0);
		lvr_xxh64_update(&hash, page_address(s->page[b->bvecs]), now);
		b->payload_bytes += now;
		b->bvecs++;
	}
	rec->data_hash = lvr_xxh64_digest(&hash);
}

/* read on from the cursor: zeroes, then at most one block that is not */
static int read_batch(struct lvr_link *link, struct lvr_volume *v, struct batch *b)
{
	struct lvr_sync_source *s = &link->sync;
	u64 start = s->next.sect, at = start, len, data_sect = 0;
	struct lvr_record *rec;
	int ret;

	while (!data_sect && at < v->size_sect && at - start < ZERO_BLOCKS * BLOCK_SECT) {
		len = min_t(u64, BLOCK_SECT, v->size_sect - at);
		ret = lvr_volume_read(v, at, len, s->page);
		if (ret)
			return ret;
		if (all_zero(s->page, len))
			at += len;
		else
			data_sect = len;
	}
	if (at > start) {
		rec = &b->rec[b->records++];
		*rec = (struct lvr_record){ .type = LVR_REC_ZEROES, .volume = v->id,
					    .start_sect = start, .len_sect = at - start };
	}
	if (data_sect) {
		rec = &b->rec[b->records++];
		*rec = (struct lvr_record){ .type = LVR_REC_WRITE, .volume = v->id,
					    .start_sect = at, .len_sect = data_sect };
		add_payload(s, b, rec);
	}
	b->next = (struct lvr_sync_cursor){ v->id, at + data_sect };
	return 0;
}

/* behind every record that a read before this call can have seen */
static u64 appended_seq(struct lvr_log *log)
{
	u64 seq;

	spin_lock_irq(&log->lock);
	seq = log->head.seq + (log->open ? log->open->info.records : 0);
	spin_unlock_irq(&log->lock);
	return seq;
}

static int send_batch(struct lvr_link *link, const struct batch *b)
{
	struct lvr_sync_source *s = &link->sync;
	struct lvr_record_desc *desc = s->head + LVR_CHUNK_HEAD_BYTES;
	u64 no = s->sent_no + 1;
	struct lvr_chunk_info info = {
		.head_bytes = LVR_CHUNK_HEAD_BYTES + b->records * LVR_RECORD_DESC_BYTES,
		.payload_bytes = b->payload_bytes,
		.records = b->records,
		.flags = LVR_CHUNK_F_NOSEQ,
		.gen = link->cursor.gen,
		.first_seq = link->cursor.seq,
		.group_id = link->g->log.group_id,
		.time_ms = ktime_to_ms(ktime_get_real()),
		.sync_no = no,
		.sync_id = s->id,
	};
	u32 i;

	for (i = 0; i < b->records; i++)
		lvr_record_encode(&desc[i], &b->rec[i]);
	lvr_chunk_encode(s->head, &info, link->cursor.chain);
	/* before it is sent: its ack may come before we are back */
	spin_lock(&link->lock);
	s->sent[no % LVR_SYNC_WINDOW] = (struct lvr_sync_sent){ b->next, s->end_seq };
	s->sent_no = no;
	spin_unlock(&link->lock);
	lvr_count(link->g, LVR_CTR_sync_bytes, b->payload_bytes);
	return lvr_sender_chunk(link, 0, s->head, info.head_bytes, s->bvec, b->bvecs,
				b->payload_bytes);
}

/**
 * lvr_sync_step() - read and send the next blocks, or the end
 * @link: lvr_sync_ready()
 * @why: filled with the reason of an error of this node
 * @bytes: room in it
 *
 * Context: process, the sender thread; sends no other chunk meanwhile.
 * Return: 1 done, 0 not now, or -errno: the connection ends.
 */
int lvr_sync_step(struct lvr_link *link, char *why, u32 bytes)
{
	struct lvr_sync_source *s = &link->sync;
	struct lvr_volume *v = settle(link->g, &s->next);
	struct batch b = {};
	int ret;

	if (v) {
		ret = read_batch(link, v, &b);
		if (ret == -ENODEV) {
			s->retry = jiffies + msecs_to_jiffies(RETRY_MS);
			return 0;
		}
		if (ret) {
			snprintf(why, bytes, "cannot read volume %s at sector %llu: %pe", v->name,
				 s->next.sect, ERR_PTR(ret));
			return ret;
		}
		/* a demotion forgets what is staged: what was read then may lack it */
		if (READ_ONCE(link->g->state) != LVR_GROUP_ACTIVE)
			return 0;
		s->end_seq = max(s->end_seq, appended_seq(&link->g->log));
	} else {
		b.records = 1;
		b.rec[0] = (struct lvr_record){ .type = LVR_REC_SYNC_END, .arg = s->end_seq };
		b.next.volume = NO_VOLUME;
		spin_lock(&link->lock);
		s->end_sent = true;
		spin_unlock(&link->lock);
	}
	ret = send_batch(link, &b);
	if (ret)
		return ret;
	s->next = b.next;
	if (!v)
		lvr_link_event(link, LVR_LEV_SYNC_SENT, "all blocks are sent");
	return 1;
}

/**
 * lvr_sync_progress() - what is done now
 * @link: the link
 * @durable_seq: this node's own durable position
 *
 * Context: process, the link thread or the sender thread.
 */
void lvr_sync_progress(struct lvr_link *link, u64 durable_seq)
{
	struct lvr_sync_source *s = &link->sync;
	const struct lvr_sync_sent *sent;

	if (!READ_ONCE(s->active))
		return;
	spin_lock(&link->lock);
	while (s->done_no < s->acked_no) {
		sent = &s->sent[(s->done_no + 1) % LVR_SYNC_WINDOW];
		if (sent->end_seq > durable_seq)
			break;
		s->done = sent->next;
		s->done_end_seq = max(s->done_end_seq, sent->end_seq);
		s->done_no++;
		WRITE_ONCE(link->g->sync_moved, true);
	}
	spin_unlock(&link->lock);
}

/**
 * lvr_sync_acked() - what an ack says of the full sync
 * @link: the link
 * @ack: decoded
 * @err: reason
 *
 * Context: process, the link thread.
 * Return: 0, -EPROTO, or -EIO.
 */
int lvr_sync_acked(struct lvr_link *link, const struct lvr_ack *ack, struct lvr_err *err)
{
	struct lvr_sync_source *s = &link->sync;
	bool finished = false;
	struct lvr_pos durable;
	int ret = 0;

	if (!ack->sync_id)
		return 0;
	spin_lock(&link->lock);
	if (ack->sync_id != s->id || ack->sync_no > s->sent_no || ack->sync_no < s->acked_no) {
		lvr_err_set(err, "ack of synchronisation chunk %llu of %llx; sent are %llu of %llx, acked were %llu",
			    ack->sync_no, ack->sync_id, s->sent_no, s->id, s->acked_no);
		ret = -EPROTO;
	} else {
		WRITE_ONCE(s->acked_no, ack->sync_no);
	}
	if (!ret && ack->flags & LVR_ACK_F_SYNC_DONE && s->active) {
		finished = s->end_sent && ack->sync_no == s->sent_no;
		if (!finished) {
			lvr_err_set(err, "the peer has completed a synchronisation whose end it has not got");
			ret = -EPROTO;
		}
	}
	spin_unlock(&link->lock);
	if (ret)
		return ret;
	if (lvr_group_bound(link->g) && READ_ONCE(s->active) && ack->sync_no) {
		/* it holds a block, and so knows that it is no copy: service comes first from here on */
		if (lvr_role_set_alone(link->g, true)) {
			lvr_err_set(err, "cannot write the superblock");
			return -EIO;
		}
		lvr_link_gate(link);
	}
	lvr_log_positions(link->g, NULL, &durable, NULL, NULL);
	lvr_sync_progress(link, durable.seq);
	if (finished && lvr_sync_finish(link, ack->sync_id)) {
		lvr_err_set(err, "cannot write the superblock");
		return -EIO;
	}
	return 0;
}

/**
 * lvr_sync_finish() - the target has completed a full sync
 * @link: the link
 * @sync_id: of it
 *
 * Context: process, the link thread; sleeps.
 * Return: 0 when it is written down, or -EIO.
 */
int lvr_sync_finish(struct lvr_link *link, u64 sync_id)
{
	struct lvr_group *g = link->g;
	int ret = 0;

	lvr_super_lock(g);
	if (lvr_super_close_sync(g->sb, g->opts.peer, sync_id))
		ret = lvr_super_commit(g);
	else
		lvr_super_unlock(g);
	if (ret)
		return ret;
	spin_lock(&link->lock);
	link->sync.active = false;
	link->sync.open = false;
	spin_unlock(&link->lock);
	DMINFO("lvr %s: full synchronisation %llx is complete", link->group, sync_id);
	lvr_state_notify(g);
	return 0;
}

/**
 * lvr_sync_checkpoint() - put the cursor into the member entry
 * @link: the link; link->lock is held
 * @member: the peer's entry; super_mutex is held
 *
 * Context: process.
 */
void lvr_sync_checkpoint(struct lvr_link *link, struct lvr_member *member)
{
	const struct lvr_sync_source *s = &link->sync;

	lockdep_assert_held(&link->lock);
	/* the entry may have given the sync up: on-full=detach */
	if (!s->open || !(member->flags & LVR_MEMBER_F_SYNC_OPEN) || member->sync_id != s->id)
		return;
	member->sync_volume = s->done.volume;
	member->sync_sect = s->done.sect;
	member->sync_end_seq = s->done_end_seq;
}

/**
 * lvr_sync_status() - progress for people
 * @link: the link; link->lock is held
 * @st: sync_done_sect and sync_total_sect are filled, 0 without a full sync
 *
 * Context: process.
 */
void lvr_sync_status(struct lvr_link *link, struct lvr_link_status *st)
{
	const struct lvr_sync_target *t = &link->target;
	const struct lvr_sync_source *s = &link->sync;
	struct lvr_sync_cursor end = { NO_VOLUME, 0 };
	const struct lvr_sync_cursor *at = NULL;

	lockdep_assert_held(&link->lock);
	if (s->open)
		at = &s->done;
	else if (t->id && !t->done)
		at = t->end_seen ? &end : &t->at;
	if (!at)
		return;
	st->sync_done_sect = sectors_before(link->g, at);
	st->sync_total_sect = sectors_before(link->g, &end);
}
