// SPDX-License-Identifier: GPL-2.0-only
/*
 * Full synchronisation at its target; format, source and what a crash leaves:
 * sync.c.
 *
 * From the first block on it is inconsistent, durably. Blocks go to
 * its log and from there to the volumes, in stream order with the chunks.
 * When SYNC_END and all records before E are on its volumes, they are what the
 * source had at that position: it is consistent again, durably, and says so.
 *
 * Owner: fields of link->target say it.
 */
#include "link.h"

/**
 * lvr_sync_expect() - this connection carries a full sync to us
 * @link: the link
 * @sync_id: of it
 * @resume: this node is its target already and stands where the stream starts
 *
 * Context: process, the link thread.
 */
void lvr_sync_expect(struct lvr_link *link, u64 sync_id, bool resume)
{
	spin_lock(&link->lock);
	memset(&link->target, 0, sizeof(link->target));
	link->target.id = sync_id;
	link->target.begun = resume;
	spin_unlock(&link->lock);
}

/**
 * lvr_sync_begun() - does our log continue the source's stream?
 * @link: target of a stream or of a full sync
 *
 * Context: any.
 * Return: false only before the first block of a new full sync.
 */
bool lvr_sync_begun(struct lvr_link *link)
{
	return !READ_ONCE(link->target.id) || READ_ONCE(link->target.begun);
}

static bool in_history(const struct lvr_plan_node *node, u64 gen)
{
	u32 i;

	for (i = 0; i < node->history_entries; i++)
		if (node->history[i].gen == gen)
			return true;
	return false;
}

/* the first block: give the old copy up, durably, and stand where the stream starts */
static int begin_target(struct lvr_link *link, const struct lvr_chunk_info *info,
			struct lvr_err *err)
{
	const struct lvr_pos at = {
		.seq = info->first_seq, .chain = info->chain, .gen = info->gen,
	};
	int ret;

	if (!in_history(link->peer, info->gen)) {
		lvr_err_set(err, "full synchronisation in generation %llx, which is not in the peer's history",
			    info->gen);
		return -EPROTO;
	}
	ret = lvr_role_begin_sync_target(link->g, link->opening, link->target.id, link->peer, &at);
	if (ret) {
		lvr_err_set(err, "cannot become the target of a full synchronisation: %pe",
			    ERR_PTR(ret));
		return ret;
	}
	spin_lock(&link->lock);
	WRITE_ONCE(link->target.begun, true);
	spin_unlock(&link->lock);
	return 0;
}

/**
 * lvr_sync_check() - does a chunk belong into what is under way?
 * @link: target of a stream or of a full sync
 * @info: decoded
 * @err: reason
 *
 * The first block of a new full sync makes this node inconsistent and its
 * target, durably, before this returns (I10).
 *
 * Context: process, the link thread; sleeps.
 * Return: 0 or -errno.
 */
int lvr_sync_check(struct lvr_link *link, const struct lvr_chunk_info *info, struct lvr_err *err)
{
	const struct lvr_sync_target *t = &link->target;

	if (!(info->flags & LVR_CHUNK_F_NOSEQ)) {
		if (lvr_sync_begun(link))
			return 0;
		lvr_err_set(err, "chunk at %llu before the first block of the full synchronisation",
			    info->first_seq);
		return -EPROTO;
	}
	if (!t->id || info->sync_id != t->id || info->sync_no != t->last_no + 1 || t->end_seen) {
		lvr_err_set(err, "synchronisation chunk %llu of %llx, expected %llu of %llx",
			    info->sync_no, info->sync_id, t->end_seen ? 0 : t->last_no + 1, t->id);
		return -EPROTO;
	}
	return t->begun ? 0 : begin_target(link, info, err);
}

/**
 * lvr_sync_appended() - a synchronisation chunk is in our log
 * @link: the link
 * @info: of the chunk
 * @off: behind it in our log
 * @first: its first record
 *
 * Context: process, the link thread.
 */
void lvr_sync_appended(struct lvr_link *link, const struct lvr_chunk_info *info, u64 off,
		       const struct lvr_record *first)
{
	struct lvr_sync_target *t = &link->target;
	bool end = first->type == LVR_REC_SYNC_END;
	u32 last;

	spin_lock(&link->lock);
	t->last_no = info->sync_no;
	if (t->pending < LVR_SYNC_PENDING)
		WRITE_ONCE(t->pending, t->pending + 1);	/* else the last one stands for both */
	last = (t->first + t->pending - 1) % LVR_SYNC_PENDING;
	t->queue[last].no = info->sync_no;
	t->queue[last].off = off;
	if (end) {
		t->end_off = off;
		t->end_seq = first->arg;
		WRITE_ONCE(t->end_seen, true);
	} else {
		t->at = (struct lvr_sync_cursor){ first->volume, first->start_sect + first->len_sect };
	}
	spin_unlock(&link->lock);
	wake_up_all(&link->g->log.moved);	/* it may be durable already */
	if (end)
		lvr_link_event(link, LVR_LEV_SYNC_SENT, "all blocks are received");
}

/**
 * lvr_sync_target_poll() - what of the full sync is durable; is it complete?
 * @link: target of a stream or of a full sync
 * @durable: this node's position
 * @destaged: this node's position
 *
 * Context: process, the sender thread; sleeps when it is complete.
 * Return: 0, or -errno of writing that down.
 */
int lvr_sync_target_poll(struct lvr_link *link, const struct lvr_pos *durable,
			 const struct lvr_pos *destaged)
{
	struct lvr_sync_target *t = &link->target;
	bool complete;
	int ret;

	if (!READ_ONCE(t->id))
		return 0;
	spin_lock(&link->lock);
	while (t->pending && t->queue[t->first].off <= durable->off) {
		WRITE_ONCE(t->durable_no, t->queue[t->first].no);
		t->first = (t->first + 1) % LVR_SYNC_PENDING;
		WRITE_ONCE(t->pending, t->pending - 1);
	}
	complete = t->end_seen && !t->done && !t->pending && destaged->off >= t->end_off &&
		   destaged->seq >= t->end_seq;
	spin_unlock(&link->lock);
	if (!complete)
		return 0;
	ret = lvr_role_end_sync_target(link->g, link->opening, t->id);
	if (ret)
		return ret;
	spin_lock(&link->lock);
	WRITE_ONCE(t->done, true);
	spin_unlock(&link->lock);
	DMINFO("lvr %s: full synchronisation %llx is complete", link->group, t->id);
	return 0;
}
