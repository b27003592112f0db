// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving, from the plan to the end of the connection: chunks on the
 * target, acks on the source.
 *
 * A chunk, step by step; nothing is believed before it is checked (I8)
 *   1. frame header: lengths, crc, connection, serial    core/frame.c
 *   2. chunk head: bounds first, then all of it          core/chunk.c
 *   3. its place: group, position, generation, chain, kind of stream
 *   4. each record: the volume is there, the range lies in it
 *   5. each payload, into staged pages, against the record's hash
 *   6. a new generation is written down durably (I6)
 *   7. appended
 * A cut before 7 leaves nothing (6: a generation without records, which the
 * next stream repeats or drops). After 7 it is in the log like any other
 * chunk; a crash leaves a prefix of what was appended.
 *
 * The source's durable position, in every frame header, is told to the log
 * before the frame's chunk is appended, so that destage can go on when the log
 * is full. While there is no memory or room nothing is read from the socket:
 * the source waits, and hears from our sender thread that we live.
 *
 * An ack is checked against what was sent: no position beyond, none that is no
 * chunk boundary, and the chain there must be ours. Only then does it complete
 * writes and free log space.
 *
 * Owner: the link thread. Lock order: link->lock, log->lock, one at a time.
 */
#include "link.h"

#define WAIT_MS			100	/* for memory or room, then look again */
#define CAUGHT_UP_RECORDS	4096	/* nearer than this is near enough */
#define CAUGHT_UP_ROUNDS	8

/* -------------------------------------------------------------------- target */

/* wait for memory, or room in the ring; false: the connection is to end */
static bool wait_for_log(struct lvr_link *link, bool room)
{
	struct lvr_group *g = link->g;
	struct lvr_log *log = &g->log;
	u64 tail_off = READ_ONCE(log->tail.off), destaged_off = READ_ONCE(log->destaged.off);
	u64 durable_off = READ_ONCE(log->durable.off);

	set_bit(LVR_WORKER_PRESSURE, &g->worker_flags);
	if (room)
		set_bit(LVR_WORKER_CHECKPOINT, &g->worker_flags);
	lvr_log_want_flush(g);
	lvr_worker_kick(g);
	wait_event_idle_timeout(log->moved, lvr_link_cancelled(link) || READ_ONCE(log->failed) ||
				READ_ONCE(log->tail.off) != tail_off ||
				READ_ONCE(log->destaged.off) != destaged_off ||
				READ_ONCE(log->durable.off) != durable_off,
				msecs_to_jiffies(WAIT_MS));
	lvr_conn_heard(link->conn); /* it is us who did not listen */
	return !lvr_link_cancelled(link) && !READ_ONCE(log->failed) && !lvr_conn_broken(link->conn);
}

static int waited_in_vain(struct lvr_link *link, struct lvr_err *err)
{
	if (lvr_link_cancelled(link))
		return -ECANCELED;
	if (READ_ONCE(link->g->log.failed)) {
		lvr_err_set(err, "the log has failed");
		return -EIO;
	}
	lvr_err_set(err, "the peer went while this node waited for room in its log");
	return -ENOTCONN;
}

static struct lvr_chunk *take_chunk(struct lvr_link *link)
{
	struct lvr_chunk *chunk;

	do {
		chunk = lvr_log_take_chunk(link->g);
	} while (!chunk && wait_for_log(link, false));
	return chunk;
}

static struct lvr_rec *take_rec(struct lvr_link *link, u32 pages)
{
	struct lvr_rec *rec;

	do {
		rec = lvr_log_take_rec(link->g, pages);
	} while (!rec && wait_for_log(link, false));
	return rec;
}

static int recv_head(struct lvr_link *link, const struct lvr_frame *frame, struct lvr_chunk *chunk,
		     struct lvr_err *err)
{
	struct lvr_chunk_info *info = &chunk->info;
	void *head = lvr_chunk_head(chunk);
	u32 crc;
	int ret;

	if (frame->payload_bytes < LVR_CHUNK_HEAD_BYTES + LVR_RECORD_DESC_BYTES) {
		lvr_err_set(err, "chunk of %u bytes", frame->payload_bytes);
		return -EPROTO;
	}
	ret = lvr_conn_recv(link->conn, head, LVR_CHUNK_HEAD_BYTES, err) ?:
	      lvr_chunk_peek(head, info, err);
	if (ret)
		return ret;
	if (info->head_bytes > LVR_CHUNK_MAX_HEAD_BYTES ||
	    (u64)info->head_bytes + info->payload_bytes != frame->payload_bytes) {
		lvr_err_set(err, "chunk of %u and %u bytes in a frame of %u", info->head_bytes,
			    info->payload_bytes, frame->payload_bytes);
		return -EPROTO;
	}
	ret = lvr_conn_recv(link->conn, head + LVR_CHUNK_HEAD_BYTES,
			    info->head_bytes - LVR_CHUNK_HEAD_BYTES, err);
	if (ret)
		return ret;
	crc = lvr_crc32c(LVR_CRC_SEED, head, info->head_bytes);
	if (crc != frame->payload_crc) {
		lvr_err_set(err, "chunk head has crc %08x, its frame says %08x", crc,
			    frame->payload_crc);
		return -EINVAL;
	}
	return lvr_chunk_decode(head, info->head_bytes, info, err);
}

/* a chunk that takes seqs: the generation before, or the beginning of the next */
static int check_generation(const struct lvr_chunk_info *info, const void *head,
			    const struct lvr_pos *at, struct lvr_err *err)
{
	struct lvr_record first;

	if (!(info->flags & LVR_CHUNK_F_GENERATION)) {
		if (info->gen == at->gen)
			return 0;
		lvr_err_set(err, "chunk at %llu of generation %llx, this log is in %llx",
			    info->first_seq, info->gen, at->gen);
		return -EPROTO;
	}
	lvr_chunk_record(head, 0, &first);
	if (info->gen != at->gen && first.arg == at->gen)
		return 0;
	lvr_err_set(err, "chunk at %llu begins generation %llx after %llx, this log is in %llx",
		    info->first_seq, info->gen, first.arg, at->gen);
	return -EPROTO;
}

static int check_place(struct lvr_link *link, const struct lvr_chunk *chunk, const void *head,
		       struct lvr_err *err)
{
	const struct lvr_chunk_info *info = &chunk->info;
	u64 chain;
	struct lvr_pos at;
	int ret;

	ret = lvr_sync_check(link, info, err); /* may make this node stand elsewhere */
	if (ret)
		return ret;
	lvr_log_positions(link->g, &at, NULL, NULL, NULL);
	if (info->group_id != link->g->log.group_id) {
		lvr_err_set(err, "chunk of group %016llx, this is %016llx", info->group_id,
			    link->g->log.group_id);
		return -EPROTO;
	}
	if (info->first_seq != at.seq) {
		lvr_err_set(err, "chunk at %llu, this log stands at %llu", info->first_seq, at.seq);
		return -EPROTO;
	}
	if (info->flags & LVR_CHUNK_F_NOSEQ) {
		if (info->gen == at.gen && info->chain == at.chain)
			return 0;
		lvr_err_set(err, "synchronisation chunk at generation %llx, chain %016llx; this log stands at %llx, %016llx",
			    info->gen, info->chain, at.gen, at.chain);
		return -EPROTO;
	}
	ret = check_generation(info, head, &at, err);
	if (ret)
		return ret;
	chain = at.chain;
	if (info->flags & LVR_CHUNK_F_GENERATION)
		chain = lvr_chain_start(chain, info->gen, info->first_seq);
	chain = lvr_chunk_chain(head, info, chain);
	if (chain == info->chain)
		return 0;
	lvr_err_set(err, "chunk at %llu has chain %016llx, continues to %016llx here",
		    info->first_seq, info->chain, chain);
	return -EPROTO;
}

static int check_range(struct lvr_group *g, const struct lvr_record *r, struct lvr_err *err)
{
	struct lvr_volume *v;
	u32 block_sect;

	if (!lvr_record_type_has_range(r->type))
		return 0;
	v = lvr_group_volume(g, r->volume);
	if (!v) {
		lvr_err_set(err, "record for volume %u, which is not here", r->volume);
		return -EPROTO;
	}
	if (r->start_sect > v->size_sect || r->len_sect > v->size_sect - r->start_sect) {
		lvr_err_set(err, "record of %u sectors at %llu, volume %s has %llu", r->len_sect,
			    r->start_sect, v->name, v->size_sect);
		return -EPROTO;
	}
	block_sect = max(v->block_bytes >> LVR_SECTOR_SHIFT, 1u);
	if ((r->start_sect | r->len_sect) & (block_sect - 1)) {
		lvr_err_set(err, "record of %u sectors at %llu, volume %s has blocks of %u bytes",
			    r->len_sect, r->start_sect, v->name, v->block_bytes);
		return -EPROTO;
	}
	return 0;
}

static int recv_payload(struct lvr_link *link, struct lvr_rec *rec, u32 index, struct lvr_err *err)
{
	u32 bytes = lvr_record_payload_bytes(&rec->desc), left, now, bvecs = 0;
	struct lvr_page *page = rec->pages;
	u64 hash;
	int ret;

	for (left = bytes; left && bvecs < ARRAY_SIZE(link->rx_bvec); left -= now) {
		now = min_t(u32, left, PAGE_SIZE);
		bvec_set_page(&link->rx_bvec[bvecs++], page->page, now, 0);
		page = page->next;
	}
	ret = lvr_conn_recv_bvec(link->conn, link->rx_bvec, bvecs, bytes, err);
	if (ret)
		return ret;
	hash = lvr_rec_hash(rec);
	if (hash == rec->desc.data_hash)
		return 0;
	lvr_err_set(err, "record %u has payload hash %016llx, says %016llx", index, hash,
		    rec->desc.data_hash);
	return -EINVAL;
}

static int recv_records(struct lvr_link *link, struct lvr_chunk *chunk, struct lvr_err *err)
{
	struct lvr_record desc;
	struct lvr_rec *rec;
	u32 bytes, i;
	int ret = 0;

	/* all ranges before the first byte of payload */
	for (i = 0; i < chunk->info.records && !ret; i++) {
		lvr_chunk_record(lvr_chunk_head(chunk), i, &desc);
		ret = check_range(link->g, &desc, err);
	}
	for (i = 0; i < chunk->info.records && !ret; i++) {
		lvr_chunk_record(lvr_chunk_head(chunk), i, &desc);
		bytes = lvr_record_payload_bytes(&desc);
		rec = take_rec(link, DIV_ROUND_UP(bytes, PAGE_SIZE));
		if (!rec)
			return waited_in_vain(link, err);
		rec->desc = desc;
		rec->chunk = chunk;
		if (chunk->last_rec)
			chunk->last_rec->next = rec;
		else
			chunk->first_rec = rec;
		chunk->last_rec = rec;
		if (bytes)
			ret = recv_payload(link, rec, i, err);
	}
	return ret;
}

/* who began it is in the STATE, unless it has begun since */
static int learn_generation(struct lvr_link *link, const struct lvr_chunk *chunk,
			    struct lvr_err *err)
{
	struct lvr_generation gen = {
		.gen = chunk->info.gen,
		.first_seq = chunk->info.first_seq,
		.member = link->peer->member,
	};
	struct lvr_pos at;
	int ret;
	u32 i;

	if (!(chunk->info.flags & LVR_CHUNK_F_GENERATION))
		return 0;
	lvr_log_positions(link->g, &at, NULL, NULL, NULL);
	gen.fork_chain = at.chain;
	for (i = 0; i < link->peer->history_entries; i++) {
		const struct lvr_generation *told = &link->peer->history[i];

		if (told->gen != gen.gen)
			continue;
		if (told->first_seq != gen.first_seq || told->fork_chain != gen.fork_chain) {
			lvr_err_set(err, "generation %llx begins at %llu, the peer's history says %llu",
				    gen.gen, gen.first_seq, told->first_seq);
			return -EPROTO;
		}
		gen.member = told->member;
	}
	ret = lvr_role_learn_generation(link->g, link->opening, &gen);
	if (ret)
		lvr_err_set(err, "generation %llx at %llu cannot be taken: %pe", gen.gen,
			    gen.first_seq, ERR_PTR(ret));
	return ret;
}

/* so far the source's log goes on: behind its head, too, if it is primary, promoting, or says that nothing hands over */
static u64 line_seq(const struct lvr_link *link)
{
	return link->caught_up_seq + (link->peer->flags & LVR_NODE_F_ACTIVE ||
				      link->peer->handover_member >= LVR_MAX_MEMBERS);
}

/* an old hand-over to this node: its source has gone on from there, and it must not be the last record after a crash */
static int pass_handover(struct lvr_link *link, const struct lvr_chunk *chunk,
			 const struct lvr_record *last, struct lvr_err *err)
{
	u64 end_seq = lvr_chunk_end_seq(&chunk->info);
	int ret;

	if (last->type != LVR_REC_HANDOVER || last->arg != link->g->opts.member ||
	    end_seq >= line_seq(link))
		return 0;
	ret = lvr_role_pass_handover(link->g, link->opening, end_seq);
	if (ret)
		lvr_err_set(err, "the hand-over before %llu cannot be passed: %pe", end_seq, ERR_PTR(ret));
	return ret;
}

static int append(struct lvr_link *link, struct lvr_chunk *chunk, bool urgent, struct lvr_err *err)
{
	int ret;

	do {
		ret = lvr_log_append_received(link->g, link->opening, chunk, urgent,
					      line_seq(link));
	} while (ret == -ENOSPC && wait_for_log(link, true));
	if (!ret)
		return 0;
	if (ret == -ENOSPC)
		return waited_in_vain(link, err);
	lvr_err_set(err, "the log does not take the chunk: %pe", ERR_PTR(ret));
	return ret;
}

static int recv_chunk(struct lvr_link *link, const struct lvr_frame *frame, struct lvr_err *err)
{
	struct lvr_chunk_info info;
	struct lvr_record first, last;
	bool urgent = frame->flags & LVR_FRAME_F_URGENT;
	struct lvr_chunk *chunk;
	struct lvr_pos head;
	int ret;

	chunk = take_chunk(link);
	if (!chunk)
		return waited_in_vain(link, err);
	ret = recv_head(link, frame, chunk, err) ?:
	      check_place(link, chunk, lvr_chunk_head(chunk), err) ?:
	      recv_records(link, chunk, err) ?:
	      learn_generation(link, chunk, err);
	if (!ret) {
		info = chunk->info;
		lvr_chunk_record(lvr_chunk_head(chunk), 0, &first);
		lvr_chunk_record(lvr_chunk_head(chunk), info.records - 1, &last);
		ret = pass_handover(link, chunk, &last, err) ?: append(link, chunk, urgent, err);
	}
	if (ret) {
		lvr_stage_give_chunk(&link->g->stage, chunk);
		return ret;
	}
	/* from here on the chunk is the log's */
	if (info.flags & LVR_CHUNK_F_NOSEQ) {
		lvr_log_positions(link->g, &head, NULL, NULL, NULL);
		lvr_sync_appended(link, &info, head.off, &first);
	} else if (last.type == LVR_REC_HANDOVER &&
		   lvr_chunk_end_seq(&info) >= line_seq(link)) {
		/* whoever has handed over is no active primary any more; one that was when both met had taken it back */
		spin_lock(&link->lock);
		link->peer_is_active = false;
		spin_unlock(&link->lock);
	}
	if (urgent)
		lvr_log_want_flush(link->g);
	return 0;
}

static void target_caught_up(struct lvr_link *link)
{
	struct lvr_pos durable;

	if (READ_ONCE(link->state) != LVR_LINK_CATCHING_UP || link->until_seq != ~0ull)
		return;
	if (READ_ONCE(link->target.id) && !READ_ONCE(link->target.done))
		return;
	lvr_log_positions(link->g, NULL, &durable, NULL, NULL);
	if (durable.seq >= link->caught_up_seq)
		lvr_link_event(link, LVR_LEV_CAUGHT_UP, "receiving");
}

/* -------------------------------------------------------------------- source */

/* the ack must name the end of a chunk that was sent, and our chain there */
static int check_ack_locked(struct lvr_link *link, const struct lvr_ack *ack, struct lvr_err *err)
{
	const struct lvr_sent *sent;

	lockdep_assert_held(&link->lock);
	if (ack->durable_seq > link->sent_seq || ack->durable_seq < link->acked_seq) {
		lvr_err_set(err, "ack of %llu, sent are %llu, acked were %llu", ack->durable_seq,
			    link->sent_seq, link->acked_seq);
		return -EPROTO;
	}
	if (ack->durable_seq < link->checked.seq)
		return 0;	/* not yet flushed there; the handshake compared further on */
	while (link->sent_count) {
		sent = &link->sent[link->sent_first];
		if (sent->seq > ack->durable_seq)
			break;
		link->checked = *sent;
		link->sent_first = (link->sent_first + 1) % LVR_LINK_WINDOW;
		link->sent_count--;
	}
	if (link->checked.seq != ack->durable_seq) {
		lvr_err_set(err, "ack of %llu, which is no chunk boundary", ack->durable_seq);
		return -EPROTO;
	}
	if (link->checked.chain != ack->durable_chain) {
		lvr_err_set(err, "chain: at %llu the peer has %016llx, this node %016llx",
			    ack->durable_seq, ack->durable_chain, link->checked.chain);
		return -EPROTO;
	}
	return 0;
}

static void source_caught_up(struct lvr_link *link, u64 acked_seq)
{
	struct lvr_pos head;

	if (READ_ONCE(link->state) != LVR_LINK_CATCHING_UP || link->until_seq != ~0ull ||
	    READ_ONCE(link->sync.active) || acked_seq < link->caught_up_seq)
		return;
	/* do not let writers wait for a long tail; nor chase a fast writer for ever */
	lvr_log_positions(link->g, &head, NULL, NULL, NULL);
	if (head.seq - acked_seq > CAUGHT_UP_RECORDS && link->caught_up_rounds++ < CAUGHT_UP_ROUNDS) {
		link->caught_up_seq = head.seq;
		return;
	}
	lvr_link_event(link, LVR_LEV_CAUGHT_UP, "sending");
}

static int recv_ack(struct lvr_link *link, const struct lvr_frame *frame, struct lvr_err *err)
{
	struct lvr_wire_ack wire;
	bool progress = false;
	struct lvr_pos head;
	struct lvr_ack ack;
	int ret;

	if (frame->payload_bytes != sizeof(wire)) {
		lvr_err_set(err, "ack of %u bytes", frame->payload_bytes);
		return -EPROTO;
	}
	ret = lvr_conn_recv_payload(link->conn, frame, &wire, err) ?:
	      lvr_ack_decode(&ack, &wire, sizeof(wire), err);
	if (ret)
		return ret;
	spin_lock(&link->lock);
	ret = check_ack_locked(link, &ack, err);
	if (!ret) {
		progress = ack.durable_seq > link->acked_seq;
		if (progress)
			link->progress_jiffies = jiffies;
		link->acked_seq = ack.durable_seq;
		link->applied_seq = ack.applied_seq;
	}
	spin_unlock(&link->lock);
	if (!ret)
		ret = lvr_sync_acked(link, &ack, err);
	if (ret)
		return ret;
	lvr_log_peer_acked(link->g, ack.durable_seq);
	if (progress && READ_ONCE(link->g->log.gate_refuses))
		lvr_link_gate(link);	/* it is not away any more */
	source_caught_up(link, ack.durable_seq);
	lvr_link_in_sync(link);
	if (READ_ONCE(link->again_when_acked)) {
		lvr_log_positions(link->g, &head, NULL, NULL, NULL);
		if (ack.durable_seq >= head.seq)
			lvr_link_kick(link, LVR_KICK_AGAIN);
	}
	return 0;
}

/* a peer that pings, and acknowledges nothing: its log hangs, or is full and cannot be emptied */
static int check_stalled(struct lvr_link *link, struct lvr_err *err)
{
	u32 limit_ms = lvr_link_stalled(link);

	if (!limit_ms)
		return 0;
	lvr_err_set(err, "the peer has acknowledged nothing for %u s", limit_ms / 1000);
	return -ETIMEDOUT;
}

/* ---------------------------------------------------------------------- both */

static int recv_frame(struct lvr_link *link, struct lvr_err *err)
{
	enum lvr_direction direction = READ_ONCE(link->direction);
	struct lvr_frame frame;
	int ret;

	ret = lvr_conn_recv_frame(link->conn, &frame, U32_MAX, err) ?:
	      lvr_link_heard(link, &frame, err);
	if (ret)
		return ret;
	if (direction == LVR_DIR_TARGET && lvr_sync_begun(link)) {
		spin_lock(&link->lock);
		link->told_head_seq = frame.head_seq;
		spin_unlock(&link->lock);
		lvr_log_told_durable(link->g, link->opening, frame.durable_seq);
	}

	if (frame.type == LVR_FRAME_PING)
		return lvr_conn_recv_payload(link->conn, &frame, link->buf, err);
	if (frame.type == LVR_FRAME_BYE)
		return lvr_handshake_read_bye(link, &frame, err);
	if (frame.type == LVR_FRAME_CHUNK && direction == LVR_DIR_TARGET)
		return recv_chunk(link, &frame, err);
	if (frame.type == LVR_FRAME_ACK && direction == LVR_DIR_SOURCE)
		return recv_ack(link, &frame, err);
	lvr_err_set(err, "%s frame, this node is %s", lvr_frame_type_name(frame.type),
		    direction == LVR_DIR_NONE ? "neither source nor target" :
		    lvr_direction_name(direction));
	return -EPROTO;
}

/**
 * lvr_receiver_run() - receive until the connection ends
 * @link: the plan has been acted upon
 * @err: why it ended
 *
 * Context: process, the link thread.
 * Return: -ENOTCONN the peer ended it, LVR_END_AGAIN, -ETIMEDOUT nothing
 *         heard, or lvr_link_stalled(), -ECANCELED this side wants it to end, else an error of the
 *         peer or of this node.
 */
int lvr_receiver_run(struct lvr_link *link, struct lvr_err *err)
{
	struct blk_plug plug;
	int ret;

	lvr_conn_heard(link->conn); /* acting on the plan may have taken its time */
	blk_start_plug(&plug);
	do {
		ret = recv_frame(link, err);
		if (!ret && READ_ONCE(link->direction) == LVR_DIR_TARGET)
			target_caught_up(link);
		else if (!ret)
			ret = check_stalled(link, err);
		/* chunks that came together lie side by side in the ring: written together */
		if (!lvr_conn_has_data(link->conn)) {
			blk_finish_plug(&plug);
			blk_start_plug(&plug);
		}
		cond_resched();
	} while (!ret);
	blk_finish_plug(&plug);
	return ret;
}
