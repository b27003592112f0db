// SPDX-License-Identifier: GPL-2.0-only
/* What goes over a link that streams. After sender.c, receiver.c, sync.c and sync-target.c. */
#include "model.h"

static bool streams(const struct state *s, u32 source)
{
	const struct node *from = &s->node[source], *to = &s->node[other(source)];

	return s->up && from->acted && to->acted && from->dir == LVR_DIR_SOURCE &&
	       to->dir == LVR_DIR_TARGET;
}

bool sync_begun(const struct node *node)
{
	return !node->t_id || node->t_begun;
}

static bool protocol_error(struct state *s)
{
	hang_up(s);
	return true;
}

static void tell_durable(struct state *s, u32 source)
{
	struct node *to = &s->node[other(source)];

	if (sync_begun(to) && takes(to))
		to->told = max(to->told, s->node[source].durable.seq);
}

/* -------------------------------------------------------------------- target */

/* lvr_role_begin_sync_target() */
static bool begin_target(struct state *s, u32 n, const struct chunk *c)
{
	struct node *node = &s->node[n];
	const struct snap *peer = &s->snap[other(n)];
	struct pos pos = { .seq = c->seq, .off = node->head.off, .chain = c->before, .gen = c->gen };
	struct lvr_pos at = pos_to_core(pos);
	u32 i;

	for (i = 0; i < peer->entries && peer->history[i].gen != c->gen; i++)
		;
	if (i == peer->entries || node->state != LVR_GROUP_STANDBY || !takes(node))
		return false;
	truth_dropped(s, n, 0);
	land_all(node);
	memset(&node->disk[pos.off % ring_slots], 0, sizeof(struct chunk));
	lvr_super_become_target(super_open(s, n), node->t_id, snap_to_core(peer, other(n)), &at);
	super_commit(s, n);
	node->hist = prefix(s->node[other(n)].hist, pos.seq);
	stand_at(node, pos);
	set_incarnation(node);
	node->limit = 0;
	node->told = 0;
	node->handover = NONE;
	node->owned = 0;
	node->t_begun = 1;
	return true;
}

/* lvr_sync_check() */
static bool sync_check(struct state *s, u32 n, const struct chunk *c)
{
	struct node *node = &s->node[n];

	if (!c->sync_id)
		return sync_begun(node);
	if (!node->t_id || c->sync_id != node->t_id || c->sync_no != node->t_last + 1 || node->t_end_seen)
		return false;
	return node->t_begun || begin_target(s, n, c);
}

/* check_place() behind lvr_sync_check() */
static bool check_place(const struct node *node, const struct chunk *c)
{
	struct chunk here = *c;

	if (c->seq != node->head.seq || c->uuid != node->sb.uuid)
		return false;
	if (c->sync_id)
		return c->gen == node->head.gen && c->before == node->head.chain;
	if (c->type == LVR_REC_GENERATION ? c->gen == node->head.gen || c->arg != node->head.gen :
					    c->gen != node->head.gen)
		return false;
	here.before = node->head.chain;
	return chunk_chain(&here) == c->after;
}

static bool learn_generation(struct state *s, u32 n, const struct chunk *c)
{
	struct node *node = &s->node[n];
	struct lvr_pos head = pos_to_core(node->head);
	struct lvr_generation gen = { .gen = c->gen, .first_seq = c->seq, .fork_chain = head.chain,
				      .member = c->gen % 2 ? 0 : 1 };
	int ret;

	if (c->type != LVR_REC_GENERATION)
		return true;
	if (!takes(node))
		return false;
	ret = lvr_super_learn_generation(super_open(s, n), &gen, &head);
	if (ret > 0) {
		super_commit(s, n);
		node->handover = NONE;
	}
	return ret >= 0;
}

static void sync_appended(struct state *s, u32 n, const struct chunk *c)
{
	struct node *node = &s->node[n];

	node->t_last = c->sync_no;
	node->t_q[c->sync_no - 1] = node->head.off;
	if (c->type != LVR_REC_SYNC_END)
		return;
	node->t_end_seen = 1;
	node->t_end_off = node->head.off;
	node->t_end_seq = c->arg;
	link_event(s, n, LVR_LEV_SYNC_SENT);
}

static void target_caught_up(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (node->link == LVR_LINK_CATCHING_UP && node->until == NONE && (!node->t_id || node->t_done) &&
	    node->durable.seq >= node->caught_up)
		link_event(s, n, LVR_LEV_CAUGHT_UP);
}

static u32 line_seq(const struct state *s, u32 n)
{
	const struct snap *peer = &s->snap[other(n)];

	return s->node[n].caught_up + (peer->flags & LVR_NODE_F_ACTIVE || peer->handover == NONE);
}

static void pass_handover(struct state *s, u32 n, const struct chunk *c)
{
	if (c->type != LVR_REC_HANDOVER || c->arg != n || c->seq + 1u >= line_seq(s, n))
		return;
	lvr_super_void_handover(super_open(s, n), c->seq + 1);
	super_commit(s, n);
}

/* recv_chunk(); false: the connection ends */
static bool receive(struct state *s, u32 n, const struct chunk *c)
{
	struct node *node = &s->node[n];

	if (!sync_check(s, n, c) || !check_place(node, c) || !learn_generation(s, n, c))
		return false;
	if (!takes(node))
		return false;
	pass_handover(s, n, c);
	if (!append(s, n, *c))
		return false;
	if (node->head.seq < line_seq(s, n))
		node->handover = NONE;
	if (c->sync_id)
		sync_appended(s, n, c);
	else if (c->type == LVR_REC_HANDOVER && c->seq + 1u >= line_seq(s, n))
		node->peer_active = 0;
	if (common_seq(node->hist, node->head.seq, s->node[other(n)].hist, s->node[other(n)].head.seq) <
	    node->head.seq)
		violate(CHECK_PREFIX, "%c takes record %u, and does not hold what %c holds before it",
			'A' + n, c->seq, 'A' + other(n));
	return true;
}

/* the first block of a full sync empties the log */
static bool takes_a_chunk(const struct node *node)
{
	return !node->kicked && (!sync_begun(node) || has_room(node, RESERVE_SLOTS)) &&
	       node->head.off - node->durable.off < PENDING;
}

/* -------------------------------------------------------------------- source */

bool send_chunk(struct state *s, u32 n)
{
	struct node *node = &s->node[n], *to = &s->node[other(n)];
	const struct chunk *c;

	if (!streams(s, n) || !takes_a_chunk(to) || node->cursor.off >= node->head.off ||
	    node->cursor.seq >= node->until)
		return false;
	if (node->s_active && (node->cursor.off >= node->durable.off || !node->s_sent))
		return false;
	if (node->cursor.off < node->tail.off)
		return protocol_error(s);
	c = chunk_at(node, node->cursor.off);
	node->cursor = behind(c, node->cursor);
	if (c->sync_id)
		return true;
	tell_durable(s, n);
	return receive(s, other(n), c) || protocol_error(s);
}

/* read_batch() or the end, and send_batch() */
bool send_block(struct state *s, u32 n)
{
	struct node *node = &s->node[n], *to = &s->node[other(n)];
	bool end = node->s_next == BLOCKS;
	struct chunk c = { .type = LVR_REC_ZEROES, .gen = node->cursor.gen, .seq = node->cursor.seq,
			   .arg = node->s_next, .sync_id = node->s_id, .uuid = node->sb.uuid,
			   .before = node->cursor.chain };

	if (!streams(s, n) || !takes_a_chunk(to) || !node->s_active || node->s_end_sent ||
	    node->state != LVR_GROUP_ACTIVE)
		return false;
	if (!end) {
		node->s_end = max(node->s_end, node->head.seq);
		c.content = content_ref(node->hist);
	} else {
		c.type = LVR_REC_SYNC_END;
		c.arg = node->s_end;
		node->s_end_sent = 1;
	}
	c.sync_no = node->s_sent + 1;
	c.after = chunk_chain(&c);
	if (!end)
		node->s_next++;
	node->s_q_next[c.sync_no - 1] = node->s_next;
	node->s_q_end[c.sync_no - 1] = node->s_end;
	node->s_sent = c.sync_no;
	tell_durable(s, n);
	if (!receive(s, other(n), &c))
		return protocol_error(s);
	if (end)
		link_event(s, n, LVR_LEV_SYNC_SENT);
	return true;
}

bool ping(struct state *s, u32 n)
{
	const struct node *to = &s->node[other(n)];

	if (!streams(s, n) || to->kicked || !sync_begun(to) || !takes(to) ||
	    s->node[n].durable.seq <= to->told)
		return false;
	tell_durable(s, n);
	return true;
}

/* ---------------------------------------------------------------------- acks */

void sync_finish(struct state *s, u32 n, u32 sync_id)
{
	if (lvr_super_close_sync(super_open(s, n), other(n), sync_id))
		super_commit(s, n);
	s->node[n].s_active = 0;
	s->node[n].s_open = 0;
}

static void sync_progress(struct node *node)
{
	while (node->s_active && node->s_done_no < node->s_acked &&
	       node->s_q_end[node->s_done_no] <= node->durable.seq) {
		node->s_done = node->s_q_next[node->s_done_no];
		node->s_done_end = max(node->s_done_end, node->s_q_end[node->s_done_no]);
		node->s_done_no++;
	}
}

/* lvr_sync_acked() */
static bool sync_acked(struct state *s, u32 n, const struct node *target)
{
	struct node *node = &s->node[n];

	if (!target->t_id)
		return true;
	if (target->t_id != node->s_id || target->t_durable_no > node->s_sent ||
	    target->t_durable_no < node->s_acked)
		return false;
	node->s_acked = target->t_durable_no;
	if (target->t_done && node->s_active && (!node->s_end_sent || node->s_acked != node->s_sent))
		return false;
	if (bound(s, n) && node->s_active && node->s_acked) {
		note_alone(s, n, true, true);
		gate(s, n);
	}
	sync_progress(node);
	if (target->t_done && node->s_active)
		sync_finish(s, n, target->t_id);
	return true;
}

/* lvr_link_in_sync() */
static void note_in_sync(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (!node->gate || node->link != LVR_LINK_STREAMING || node->dir != LVR_DIR_SOURCE ||
	    node->acked < node->gate_seq || node->in_sync)
		return;
	node->in_sync = 1;
	if (options[n].block_on_disconnect && node->sb.peer_flags & LVR_MEMBER_F_ALONE) {
		note_alone(s, n, false, true);
		node->kicked = 1;
	}
}

static void source_caught_up(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (node->link == LVR_LINK_CATCHING_UP && node->until == NONE && !node->s_active &&
	    node->acked >= node->caught_up)
		link_event(s, n, LVR_LEV_CAUGHT_UP);
}

/* recv_ack(); false: the connection ends */
static bool receive_ack(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	const struct node *target = &s->node[other(n)];

	if (target->durable.seq > node->cursor.seq || target->durable.seq < node->acked)
		return false;
	node->acked = target->durable.seq;
	if (!sync_acked(s, n, target))
		return false;
	node->peer_durable = max(node->peer_durable, target->durable.seq);
	source_caught_up(s, n);
	note_in_sync(s, n);
	if (node->again_when_acked && target->durable.seq >= node->head.seq)
		node->kicked = 1;
	return true;
}

static void poll_target(struct node *node)
{
	while (node->t_durable_no < node->t_last && node->t_q[node->t_durable_no] <= node->durable.off)
		node->t_durable_no++;
}

/* target_round(); n is the target */
bool ack(struct state *s, u32 n)
{
	struct node *node = &s->node[n], *source = &s->node[other(n)];
	struct node was = *source;
	u32 until = node->until;

	if (!streams(s, other(n)) || source->kicked || !sync_begun(node))
		return false;
	poll_target(node);
	if (!receive_ack(s, other(n)))
		return protocol_error(s);
	if (node->durable.seq >= node->until) {
		node->until = NONE;
		node->kicked = 1;
	}
	target_caught_up(s, n);
	return memcmp(&was, source, sizeof(was)) || until != node->until;
}

/* lvr_sync_target_poll() when it is complete, with lvr_role_end_sync_target() */
bool sync_done(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct lvr_super *sb;

	if (!s->up || !node->t_id || !node->t_end_seen || node->t_done)
		return false;
	poll_target(node);
	if (node->t_durable_no < node->t_last || node->destaged.off < node->t_end_off ||
	    node->destaged.seq < node->t_end_seq)
		return false;
	if (!takes(node) || node->sb.sync_id != node->t_id)
		return protocol_error(s);
	checkpoint(s, n, true);
	sb = super_open(s, n);
	sb->flags &= ~LVR_SUPER_F_INCONSISTENT;
	super_commit(s, n);
	node->t_done = 1;
	return true;
}
