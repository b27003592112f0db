// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake: two nodes that know each other tell what they have, look up
 * their chains at the common position, make the same plan, say so, and act.
 *
 *   STATE   the connector first: neither has to hold both in its socket
 *   LOOKUP, VERDICT   both at once; they are small
 *   then the sender thread starts with pings, and the plan is acted upon
 *
 * The plan is made from the two STATEs and LOOKUPs alone (core/plan.c), so it
 * is the same on both sides; verdicts that differ end the connection. What a
 * plan rests on may change while it is being acted upon: role.c says so
 * (lvr_link_rehandshake()), which ends this connection, and every step
 * below checks again under the lock of what it changes.
 *
 * Steps of the target of a stream, and what a crash or cut leaves at each:
 *   1. superseded: its records past the fork are orphans, durably     a secondary
 *   2. the tail is dropped, or generations without records, durably   a prefix of the source
 *   3. chunks are appended                                            a longer prefix
 * Of a full sync (target): nothing changes before its first block is there;
 * then one superblock write makes it inconsistent and adopts history and uuid.
 * Of the source of a full sync: the member entry says SYNC_OPEN with a fresh
 * id, durably, before the first block; a target that never saw a block of it
 * has another id, and the next handshake starts afresh.
 * A refusal changes nothing, but that an unconfirmed primary may learn from it
 * that it was superseded.
 *
 * Owner: the link thread. Lock order: group->mutex -> super_mutex -> link->lock.
 */
#include <linux/ctype.h>
#include <linux/random.h>

#include "link.h"

#define BYE_AGAIN	"again"

/* ------------------------------------------------------------------- the end */

/**
 * lvr_handshake_bye() - tell the peer why this connection ends
 * @link: the link
 * @text: why; "again": because a new handshake is wanted
 *
 * Best effort, never waits.
 *
 * Context: process, the link thread; the sender thread does not run.
 */
void lvr_handshake_bye(struct lvr_link *link, const char *text)
{
	u32 bytes = min_t(u32, strlen(text), 128);

	lvr_conn_deadline(link->conn, 1);
	lvr_sender_frame(link, LVR_FRAME_BYE, 0, text, bytes);
}

/**
 * lvr_handshake_read_bye() - why the peer ends this connection
 * @link: the link
 * @frame: the header of its BYE
 * @err: filled with its words, made harmless
 *
 * Context: process, the link thread.
 * Return: LVR_END_AGAIN: it wants a new handshake; -ENOTCONN; or what receiving returned.
 */
int lvr_handshake_read_bye(struct lvr_link *link, const struct lvr_frame *frame,
			   struct lvr_err *err)
{
	char text[129];
	u32 i;
	int ret;

	if (frame->payload_bytes >= sizeof(text))
		return -EPROTO;
	ret = lvr_conn_recv_payload(link->conn, frame, text, err);
	if (ret)
		return ret;
	text[frame->payload_bytes] = '\0';
	for (i = 0; i < frame->payload_bytes; i++)
		if (!isascii(text[i]) || !isprint(text[i]))
			text[i] = '?';
	lvr_err_set(err, "the peer says: %s", text);
	return strcmp(text, BYE_AGAIN) ? -ENOTCONN : LVR_END_AGAIN;
}

/* ----------------------------------------------------------------- exchanges */

static int expect(struct lvr_link *link, u16 type, void *to, u32 max_bytes, u32 *bytes,
		  struct lvr_err *err)
{
	struct lvr_frame frame;
	int ret;

	ret = lvr_conn_recv_frame(link->conn, &frame, max(max_bytes, 128u), err);
	if (!ret)
		ret = lvr_link_heard(link, &frame, err);
	if (ret)
		return ret;
	if (frame.type == LVR_FRAME_BYE)
		return lvr_handshake_read_bye(link, &frame, err);
	if (frame.type != type || frame.payload_bytes > max_bytes) {
		lvr_err_set(err, "expected %s of at most %u bytes, got %s of %u",
			    lvr_frame_type_name(type), max_bytes, lvr_frame_type_name(frame.type),
			    frame.payload_bytes);
		return -EPROTO;
	}
	*bytes = frame.payload_bytes;
	return lvr_conn_recv_payload(link->conn, &frame, to, err);
}

static int tell(struct lvr_link *link, u16 type, const void *payload, u32 bytes,
		struct lvr_err *err)
{
	int ret = lvr_sender_frame(link, type, 0, payload, bytes);

	if (ret)
		lvr_err_set(err, "sending %s failed: %pe", lvr_frame_type_name(type), ERR_PTR(ret));
	return ret;
}

static int send_state(struct lvr_link *link, struct lvr_err *err)
{
	u32 bytes = lvr_state_encode(link->buf, link->me);

	return tell(link, LVR_FRAME_STATE, link->buf, bytes, err);
}

static int recv_state(struct lvr_link *link, struct lvr_err *err)
{
	u32 bytes;
	int ret;

	ret = expect(link, LVR_FRAME_STATE, link->buf, LVR_STATE_MAX_BYTES, &bytes, err);
	if (!ret)
		ret = lvr_state_decode(link->peer, link->buf, bytes, err);
	if (!ret && link->peer->member != link->g->opts.peer) {
		lvr_err_set(err, "state of member %u, this is the link to member %u",
			    link->peer->member, link->g->opts.peer);
		ret = -EPROTO;
	}
	return ret;
}

static int exchange_states(struct lvr_link *link, struct lvr_err *err)
{
	if (link->conn->connector)
		return send_state(link, err) ?: recv_state(link, err);
	return recv_state(link, err) ?: send_state(link, err);
}

/*
 * A full sync that its target has completed while the source did not hear of
 * it. Both see it in the two STATEs, and go on as if the source had known.
 */
static int settle_done_syncs(struct lvr_link *link, struct lvr_err *err)
{
	struct lvr_plan_node *me = link->me, *peer = link->peer;
	int ret = 0;

	if (lvr_plan_sync_is_done(peer, me)) {
		peer->flags &= ~LVR_NODE_F_PEER_NEEDS_SYNC;
		peer->source_sync_id = 0;
	}
	if (lvr_plan_sync_is_done(me, peer)) {
		ret = lvr_sync_finish(link, me->source_sync_id);
		me->flags &= ~LVR_NODE_F_PEER_NEEDS_SYNC;
		me->source_sync_id = 0;
	}
	if (ret)
		lvr_err_set(err, "cannot write the superblock");
	return ret;
}

/* our chain at the fork, from the log, or where a generation of ours begins there */
static int look_up(struct lvr_link *link, u64 seq, struct lvr_lookup *lookup, struct lvr_err *err)
{
	const struct lvr_plan_node *me = link->me;
	struct lvr_pos pos;
	int ret;
	u32 i;

	lookup->seq = seq;
	if (seq == me->head_seq) {
		lookup->known = true;
		lookup->chain = me->head_chain;
		return 0;
	}
	ret = lvr_reader_seek(link->reader, seq, &pos);
	if (!ret) {
		lookup->known = true;
		lookup->chain = pos.chain;
		return 0;
	}
	if (ret != -ESTALE && ret != -EINVAL && ret != -EUCLEAN) {
		lvr_err_set(err, "cannot read the log back at %llu: %pe", seq, ERR_PTR(ret));
		return ret;
	}
	for (i = 0; i < me->history_entries; i++) {
		if (me->history[i].first_seq == seq) {
			lookup->known = true;
			lookup->chain = me->history[i].fork_chain;
			break;
		}
	}
	return 0;
}

static int exchange_lookups(struct lvr_link *link, struct lvr_err *err)
{
	struct lvr_lookup mine = {}, theirs;
	struct lvr_wire_lookup wire;
	bool related;
	u32 bytes;
	u64 fork;
	int ret = 0;

	fork = lvr_plan_fork(link->me, link->peer, &related);
	mine.seq = fork;
	if (related)
		ret = look_up(link, fork, &mine, err);
	if (ret)
		return ret;
	lvr_lookup_encode(&wire, &mine);
	ret = tell(link, LVR_FRAME_LOOKUP, &wire, sizeof(wire), err) ?:
	      expect(link, LVR_FRAME_LOOKUP, &wire, sizeof(wire), &bytes, err) ?:
	      lvr_lookup_decode(&theirs, &wire, bytes, err);
	if (ret)
		return ret;
	if (theirs.seq != fork) {
		lvr_err_set(err, "the peer looked up its chain at %llu, the fork is %llu",
			    theirs.seq, fork);
		return -EPROTO;
	}
	link->me->fork_known = mine.known;
	link->me->fork_chain = mine.chain;
	link->peer->fork_known = theirs.known;
	link->peer->fork_chain = theirs.chain;
	return 0;
}

/* which full sync it is to be, before anything is sent or written */
static u64 choose_sync_id(struct lvr_link *link)
{
	const struct lvr_plan *plan = &link->plan;
	u64 id;

	if (plan->kind != LVR_PLAN_FULL_SYNC || plan->source != link->me->member)
		return 0;
	if (plan->flags & LVR_PLAN_F_RESUME && lvr_sync_can_resume(link))
		return link->peer->sync_id;
	do {
		get_random_bytes(&id, sizeof(id));
	} while (!id || id == link->peer->sync_id);
	return id;
}

static int exchange_verdicts(struct lvr_link *link, struct lvr_err *err)
{
	struct lvr_plan *plan = &link->plan;
	struct lvr_wire_verdict wire;
	struct lvr_plan *theirs;
	u32 bytes;
	int ret;

	theirs = kmalloc(sizeof(*theirs), GFP_NOIO);
	if (!theirs) {
		lvr_err_set(err, "out of memory");
		return -ENOMEM;
	}
	link->verdict_sync_id = choose_sync_id(link);
	lvr_verdict_encode(&wire, plan);
	wire.sync_id = cpu_to_le64(link->verdict_sync_id);
	ret = tell(link, LVR_FRAME_VERDICT, &wire, sizeof(wire), err) ?:
	      expect(link, LVR_FRAME_VERDICT, &wire, sizeof(wire), &bytes, err) ?:
	      lvr_verdict_decode(theirs, &wire, bytes, err);
	if (ret)
		goto out;
	if (!lvr_plan_agrees(plan, theirs)) {
		lvr_err_set(err, "%s: kind %u flags %#x source %u from %llu reasons %#x here, %u %#x %u %llu %#x there",
			    lvr_refusal_name(LVR_REFUSE_ASYMMETRIC), plan->kind, plan->flags,
			    plan->source, plan->from_seq, plan->reasons, theirs->kind, theirs->flags,
			    theirs->source, theirs->from_seq, theirs->reasons);
		ret = LVR_END_REFUSED;
	} else if (plan->kind == LVR_PLAN_FULL_SYNC && plan->source != link->me->member) {
		link->verdict_sync_id = le64_to_cpu(wire.sync_id);
		if (!link->verdict_sync_id) {
			lvr_err_set(err, "full synchronisation without an id");
			ret = -EPROTO;
		}
	}
out:
	kfree(theirs);
	return ret;
}

static void refusal_text(const struct lvr_plan *plan, struct lvr_err *err)
{
	char names[sizeof(err->text)];

	lvr_refusals_format(plan->reasons, names, sizeof(names));
	if (!plan->text.text[0] || !strcmp(names, plan->text.text))
		lvr_err_set(err, "%s", names);
	else
		lvr_err_set(err, "%s: %s", names, plan->text.text);
}

/* the reason names what differs; the kernel log says how, once and not at each retry */
static void log_mismatches(const struct lvr_link *link)
{
	struct lvr_err text = {};
	u32 id;

	for (id = 0; id < LVR_MAX_VOLUMES && !link->quiet; id++)
		if (lvr_plan_describe_mismatch(link->me, link->peer, id, &text))
			DMWARN("lvr %s: %s", link->group, text.text);
}

/* does the other one take what this node tells for what the primary tells */
static bool tells_primary(const struct lvr_plan_node *node, const struct lvr_plan *plan)
{
	return node->flags & LVR_NODE_F_ACTIVE || plan->confirm_member == node->member;
}

/*
 * A secondary's primary, or who is confirmed as that, says whether it
 * acknowledges writes without it. The source of a full synchronisation will, in
 * the middle of it, and says so in the next handshake only. Where the plan
 * refuses only the worse news counts; so it does from a node that has been
 * primary and is ahead, or went another way, or can go on as primary whenever it
 * wants to, having handed over to itself. A secondary that has handed over to
 * this one does not know what it says: lvr_super_hand_over(); but what it did
 * before is noted here by then: handover_to().
 */
static int note_alone(struct lvr_link *link)
{
	bool alone = link->peer->flags & LVR_NODE_F_ALONE || link->plan.kind == LVR_PLAN_FULL_SYNC;
	bool primary = tells_primary(link->peer, &link->plan);
	bool ahead = link->plan.source == link->peer->member &&
		     link->peer->head_seq > link->me->head_seq &&
		     link->peer->handover_member != link->me->member;
	bool goes_on = link->peer->handover_member == link->peer->member;
	bool counts = primary || ahead || goes_on || lvr_plan_rivals(&link->plan);

	if (READ_ONCE(link->g->role) != LVR_ROLE_SECONDARY || !counts)
		return 0;
	if (!alone && (!primary || link->plan.kind == LVR_PLAN_REFUSE))
		return 0;
	return lvr_role_told_alone(link->g, link->opening, alone);
}

/* before the peer has this node's verdict: it may become active by it, or hand over */
static int note_primary(struct lvr_link *link)
{
	spin_lock(&link->lock);
	link->rivals = lvr_plan_rivals(&link->plan);
	spin_unlock(&link->lock);
	if (!lvr_plan_voids_handover(&link->plan, link->me, link->peer))
		return 0;
	return lvr_role_void_handover(link->g);
}

static bool i_am_superseded(const struct lvr_link *link)
{
	return link->plan.flags & LVR_PLAN_F_SUPERSEDE && link->plan.source != link->me->member &&
	       link->me->flags & LVR_NODE_F_UNCONFIRMED;
}

/**
 * lvr_handshake_agree() - make the plan, the same as the peer
 * @link: the link, with an authenticated connection
 * @err: reason
 *
 * Context: process, the link thread.
 * Return: 0 with link->plan, LVR_END_REFUSED, LVR_END_AGAIN, or another error
 *         that ended the connection.
 */
int lvr_handshake_agree(struct lvr_link *link, struct lvr_err *err)
{
	int ret;

	link->opening = lvr_role_describe(link->g, link->me);
	ret = exchange_states(link, err) ?: settle_done_syncs(link, err) ?:
	      exchange_lookups(link, err);
	if (ret)
		return ret;
	lvr_plan_make(link->me, link->peer, &link->plan);
	ret = note_primary(link) ?: note_alone(link);
	if (ret) {
		lvr_err_set(err, "cannot write down what the peer says: %pe", ERR_PTR(ret));
		return ret;
	}
	ret = exchange_verdicts(link, err);
	if (ret)
		return ret;
	if (link->plan.kind != LVR_PLAN_REFUSE)
		return 0;
	if (i_am_superseded(link))
		lvr_role_supersede(link->g, link->plan.fork_seq);
	if (link->plan.flags & LVR_PLAN_F_CONFIRM && link->plan.confirm_member == link->me->member)
		lvr_role_confirm(link->g);
	log_mismatches(link);
	refusal_text(&link->plan, err);
	return LVR_END_REFUSED;
}

/* -------------------------------------------------------------------- acting */

static void begin_stream(struct lvr_link *link, enum lvr_direction direction, u64 caught_up_seq)
{
	const struct lvr_plan *plan = &link->plan;

	link->caught_up_seq = caught_up_seq;
	link->caught_up_rounds = 0;
	link->until_seq = plan->flags & LVR_PLAN_F_TAIL ? plan->until_seq : ~0ull;
	spin_lock(&link->lock);
	link->direction = direction;
	link->told_primary = tells_primary(link->me, plan);
	link->told_opening = link->opening;
	if (direction == LVR_DIR_TARGET)
		link->sync.open = false;
	spin_unlock(&link->lock);
}

static void begin_source(struct lvr_link *link, u64 acked_seq)
{
	struct lvr_group *g = link->g;

	link->checked = (struct lvr_sent){ link->cursor.seq, link->cursor.chain };
	link->blocked = false;
	/* a chunk may take up to eight times its room in a ring of larger blocks */
	link->ahead_bytes = link->peer->ring_bytes / (g->log.ring.block_bytes >= 4096 ? 4 : 16);
	spin_lock(&link->lock);
	link->sent_seq = link->cursor.seq;
	link->acked_seq = acked_seq;
	link->acked_valid = true;
	link->applied_seq = min(link->peer->destaged_seq, acked_seq);
	spin_unlock(&link->lock);
}

static int stream_as_source(struct lvr_link *link, struct lvr_err *err)
{
	const struct lvr_plan *plan = &link->plan;
	int ret;

	ret = lvr_reader_seek(link->reader, plan->from_seq, &link->cursor) ?:
	      lvr_role_reinstate(link->g, link->opening,
				 min(link->peer->durable_seq, plan->from_seq));
	if (ret) {
		lvr_err_set(err, "the log cannot be used from %llu on: %pe", plan->from_seq,
			    ERR_PTR(ret));
		return ret;
	}
	begin_source(link, min(link->peer->durable_seq, plan->from_seq));
	begin_stream(link, LVR_DIR_SOURCE, link->me->head_seq);
	lvr_link_event(link, LVR_LEV_PLAN_STREAM, "%s", plan->text.text);
	lvr_sender_mode(link, LVR_TX_SOURCE);
	return 0;
}

/* generations that the source does not have hold no record here: forget them */
static int drop_hollow_generations(struct lvr_group *g, u32 opening, u64 seq, u64 keep_gen)
{
	u32 entries;
	int ret = 0;

	/* a promotion begins a generation under this mutex, and takes no chunks after it */
	mutex_lock(&g->mutex);
	if (!lvr_log_takes(&g->log, opening)) {
		mutex_unlock(&g->mutex);
		return -EPERM;
	}
	lvr_super_lock(g);
	entries = g->sb->history_entries;
	lvr_super_truncate_history(g->sb, seq, keep_gen);
	if (entries != g->sb->history_entries)
		ret = lvr_super_commit(g);
	else
		lvr_super_unlock(g);
	mutex_unlock(&g->mutex);
	return ret;
}

/* make this node's log a prefix of the source's that ends at from_seq, durably */
static int become_prefix(struct lvr_link *link, struct lvr_err *err)
{
	u64 keep_gen = lvr_plan_shared_generation(link->me, link->peer);
	const struct lvr_plan *plan = &link->plan;
	struct lvr_group *g = link->g;
	struct lvr_pos head;
	int ret;

	if (plan->flags & LVR_PLAN_F_TRUNCATE)
		ret = lvr_log_truncate(g, link->opening, plan->from_seq, keep_gen);
	else
		ret = drop_hollow_generations(g, link->opening, plan->from_seq, keep_gen);
	if (ret == -ENOTRECOVERABLE) {
		lvr_err_set(err, "the peer called durable what it lacks from %llu on: is its log damaged? connect with --discard where the worse copy is; a primary has to be demoted before",
			    plan->from_seq);
		return ret;
	}
	if (ret) {
		lvr_err_set(err, "cannot drop what the source does not have from %llu on: %pe",
			    plan->from_seq, ERR_PTR(ret));
		return ret;
	}
	lvr_log_positions(g, &head, NULL, NULL, NULL);
	if (head.seq == plan->from_seq)
		return 0;
	lvr_err_set(err, "this node stands at %llu, the stream begins at %llu", head.seq,
		    plan->from_seq);
	return -EAGAIN;
}

static int stream_as_target(struct lvr_link *link, struct lvr_err *err)
{
	const struct lvr_plan *plan = &link->plan;
	int ret;

	ret = become_prefix(link, err);
	if (ret)
		return ret;
	if (lvr_role_reinstate(link->g, link->opening,
			       min(link->peer->durable_seq, plan->from_seq))) {
		lvr_err_set(err, "the log has failed");
		return -EIO;
	}
	spin_lock(&link->lock);
	link->acked_valid = false;
	spin_unlock(&link->lock);
	lvr_log_told_durable(link->g, link->opening, link->peer->durable_seq);
	lvr_conn_user_timeout(link->conn);
	begin_stream(link, LVR_DIR_TARGET, link->peer->head_seq);
	lvr_link_event(link, LVR_LEV_PLAN_STREAM, "%s", plan->text.text);
	lvr_sender_mode(link, LVR_TX_TARGET);
	return 0;
}

/* volumes stand at the head of the log before the record of a promotion, too */
static bool at_head(struct lvr_group *g)
{
	return READ_ONCE(g->state) == LVR_GROUP_ACTIVE ||
	       (READ_ONCE(g->state) == LVR_GROUP_PROMOTING && READ_ONCE(g->awaits_room));
}

/* reading volumes, and a generation, there is only once the promotion is complete but for its record */
static int await_active(struct lvr_link *link, struct lvr_err *err)
{
	struct lvr_log *log = &link->g->log;

	while (!at_head(link->g) || !READ_ONCE(log->durable.gen)) {
		if (lvr_link_cancelled(link) || READ_ONCE(log->failed)) {
			lvr_err_set(err, "not an active primary any more");
			return -ECANCELED;
		}
		lvr_log_want_flush(link->g);
		wait_event_idle_timeout(log->moved, lvr_link_cancelled(link), HZ / 10);
	}
	return 0;
}

static int sync_as_source(struct lvr_link *link, struct lvr_err *err)
{
	bool resume = link->verdict_sync_id == link->peer->sync_id;
	int ret;

	ret = await_active(link, err) ?: lvr_sync_begin(link, link->verdict_sync_id, resume, err);
	if (ret)
		return ret;
	begin_source(link, resume ? min(link->peer->durable_seq, link->cursor.seq) : link->cursor.seq);
	begin_stream(link, LVR_DIR_SOURCE, link->me->head_seq);
	lvr_link_event(link, LVR_LEV_PLAN_SYNC, "%s%s", link->plan.text.text, resume ? " (resumed)" : "");
	lvr_sender_mode(link, LVR_TX_SOURCE);
	return 0;
}

static int sync_as_target(struct lvr_link *link, struct lvr_err *err)
{
	bool resume = link->plan.flags & LVR_PLAN_F_RESUME &&
		      link->me->flags & LVR_NODE_F_INCONSISTENT &&
		      link->verdict_sync_id == link->me->sync_id;
	int ret = 0;

	if (resume)
		ret = become_prefix(link, err);
	if (ret)
		return ret;
	lvr_sync_expect(link, link->verdict_sync_id, resume);
	spin_lock(&link->lock);
	link->acked_valid = false;
	spin_unlock(&link->lock);
	if (resume)
		lvr_log_told_durable(link->g, link->opening, link->peer->durable_seq);
	lvr_conn_user_timeout(link->conn);
	begin_stream(link, LVR_DIR_TARGET, link->peer->head_seq);
	lvr_link_event(link, LVR_LEV_PLAN_SYNC, "%s%s", link->plan.text.text, resume ? " (resumed)" : "");
	lvr_sender_mode(link, LVR_TX_TARGET);
	return 0;
}


/**
 * lvr_handshake_act() - act on the plan
 * @link: the link; its sender thread runs, with pings
 * @err: reason
 *
 * Context: process, the link thread; waits for local devices only.
 * Return: 0: link state, direction and sender follow the plan; or -errno: the
 *         connection ends.
 */
int lvr_handshake_act(struct lvr_link *link, struct lvr_err *err)
{
	const struct lvr_plan *plan = &link->plan;
	bool source = plan->source == link->me->member;

	spin_lock(&link->lock);
	link->peer_is_active = link->peer->flags & LVR_NODE_F_ACTIVE;
	spin_unlock(&link->lock);
	if (plan->flags & LVR_PLAN_F_CONFIRM && plan->confirm_member == link->me->member)
		lvr_role_confirm(link->g); /* refused when that has changed: then we are told */
	if (i_am_superseded(link) && lvr_role_supersede(link->g, plan->fork_seq)) {
		lvr_err_set(err, "this node could not become secondary");
		return -EAGAIN;
	}
	switch (plan->kind) {
	case LVR_PLAN_IDLE:
		lvr_link_event(link, LVR_LEV_PLAN_IDLE, "%s", plan->text.text);
		return 0;
	case LVR_PLAN_STREAM:
		return source ? stream_as_source(link, err) : stream_as_target(link, err);
	case LVR_PLAN_FULL_SYNC:
		return source ? sync_as_source(link, err) : sync_as_target(link, err);
	default:
		lvr_err_set(err, "plan of kind %u", plan->kind);
		return -EPROTO;
	}
}
