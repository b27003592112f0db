// SPDX-License-Identifier: GPL-2.0-only
/* The link from its handshake to its end. After handshake.c, link-thread.c and link-state.c. */
#include "model.h"

bool in_session(const struct node *node)
{
	return node->link == LVR_LINK_IDLE || node->link == LVR_LINK_CATCHING_UP ||
	       node->link == LVR_LINK_STREAMING || node->link == LVR_LINK_SYNCING;
}

/* lvr_link_event() */
bool link_event(struct state *s, u32 n, u32 event)
{
	struct node *node = &s->node[n];
	int to = lvr_link_next(node->link, event, NULL);

	if (to < 0)
		return false;
	if (to == node->link)
		return true;
	node->link = to;
	if (!in_session(node)) {
		node->dir = LVR_DIR_NONE;
		node->peer_active = 0;
	}
	if (to != LVR_LINK_STREAMING)
		node->in_sync = 0;
	gate(s, n);
	return true;
}

static void end_session(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (node->state == DOWN)
		return;
	node->dir = LVR_DIR_NONE;
	memset(&node->cursor, 0, sizeof(node->cursor));
	node->acted = 0;
	node->kicked = 0;
	node->reopened = 0;
	node->again_when_acked = 0;
	node->caught_up = 0;
	node->until = 0;
	node->s_active = 0;
	node->s_next = 0;
	node->s_end = 0;
	node->s_sent = 0;
	node->s_acked = 0;
	node->s_done_no = 0;
	node->s_end_sent = 0;
	memset(node->s_q_next, 0, sizeof(node->s_q_next));
	memset(node->s_q_end, 0, sizeof(node->s_q_end));
	node->t_id = 0;
	node->t_begun = 0;
	node->t_last = 0;
	node->t_durable_no = 0;
	node->t_end_seen = 0;
	node->t_end_off = 0;
	node->t_end_seq = 0;
	node->t_done = 0;
	memset(node->t_q, 0, sizeof(node->t_q));
	link_event(s, n, LVR_LEV_LOST);
	gate(s, n);
}

void hang_up(struct state *s)
{
	s->up = 0;
	s->joining = 0;
	s->plan = (struct plan){ .reasons = s->plan.reasons, .source = s->plan.reasons ? s->plan.source : 0 };
	memset(s->snap, 0, sizeof(s->snap));
	end_session(s, 0);
	end_session(s, 1);
}

/* ------------------------------------------------------------------ agreeing */

bool ready_to_connect(const struct node *node)
{
	switch (node->state) {
	case LVR_GROUP_UNCONFIRMED:
	case LVR_GROUP_STANDBY:
	case LVR_GROUP_ACTIVE:
		return true;
	case LVR_GROUP_PROMOTING:
		return awaits_room(node);
	default:
		return false;
	}
}

/* settle_done_syncs(), as seen by the source n */
static void settle_done_sync(struct state *s, u32 n)
{
	struct snap *me = &s->snap[n];

	if (!lvr_plan_sync_is_done(snap_to_core(me, n), snap_to_core(&s->snap[other(n)], other(n))))
		return;
	sync_finish(s, n, me->source_sync_id);
	me->flags &= ~LVR_NODE_F_PEER_NEEDS_SYNC;
	me->source_sync_id = 0;
}

static void look_up(struct state *s, u32 n, u32 fork)
{
	struct snap *me = &s->snap[n];
	struct pos pos;
	u32 i;

	if (fork == me->head) {
		me->fork_known = 1;
		me->fork_chain = me->head_chain;
		return;
	}
	if (!seek(&s->node[n], fork, &pos)) {
		me->fork_known = 1;
		me->fork_chain = pos.chain;
		return;
	}
	for (i = 0; i < me->entries && !me->fork_known; i++) {
		if (me->history[i].first_seq == fork) {
			me->fork_known = 1;
			me->fork_chain = me->history[i].chain;
		}
	}
}

static void make_plan(struct state *s)
{
	struct lvr_plan_node *a = snap_to_core(&s->snap[0], 0), *b = snap_to_core(&s->snap[1], 1);
	struct lvr_plan plan, mirrored;
	bool related;
	u64 fork = lvr_plan_fork(a, b, &related);

	if (related) {
		look_up(s, 0, fork);
		look_up(s, 1, fork);
		a = snap_to_core(&s->snap[0], 0);
		b = snap_to_core(&s->snap[1], 1);
	}
	lvr_plan_make(a, b, &plan);
	lvr_plan_make(b, a, &mirrored);
	if (!lvr_plan_agrees(&plan, &mirrored))
		violate(CHECK_PLAN, "A plans \"%s\", B plans \"%s\"", plan.text.text, mirrored.text.text);
	s->plan = (struct plan){ .kind = plan.kind, .flags = plan.flags, .source = plan.source,
				 .confirm = plan.confirm_member, .from = plan.from_seq,
				 .until = plan.until_seq, .fork = plan.fork_seq, .reasons = plan.reasons };
}

/* lvr_sync_can_resume() */
static bool can_resume(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	const struct snap *me = &s->snap[n], *peer = &s->snap[other(n)];

	if (!node->s_open || node->s_id != me->source_sync_id || node->s_id != peer->sync_id ||
	    !(peer->flags & LVR_NODE_F_INCONSISTENT) ||
	    peer->flags & (LVR_NODE_F_BLANK | LVR_NODE_F_DISCARD))
		return false;
	if (seek(node, peer->head, &node->cursor) || node->cursor.chain != peer->head_chain)
		return false;
	return node->cursor.seq <= node->durable.seq;
}

/* choose_sync_id() of the source */
static void choose_sync_id(struct state *s)
{
	struct plan *plan = &s->plan;
	u32 n = plan->source;

	if (plan->kind != LVR_PLAN_FULL_SYNC)
		return;
	if (plan->flags & LVR_PLAN_F_RESUME && can_resume(s, n))
		plan->sync_id = s->snap[other(n)].sync_id;
	else
		plan->sync_id = ++s->next_sync;
}

/* lvr_role_void_handover(), which waits for a demotion */
static void void_handover(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if ((!from_peer(node) && node->state != LVR_GROUP_DEMOTING) || node->handover != n)
		return;
	lvr_super_void_handover(super_open(s, n), node->head.seq);
	super_commit(s, n);
	node->handover = NONE;
}

static void note_primary(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct lvr_plan plan = { .confirm_member = s->plan.confirm, .reasons = s->plan.reasons,
				 .source = s->plan.source, .fork_seq = s->plan.fork };

	node->rivals = lvr_plan_rivals(&plan);
	if (lvr_plan_voids_handover(&plan, snap_to_core(&s->snap[n], n),
				    snap_to_core(&s->snap[other(n)], other(n))))
		void_handover(s, n);
}

static bool confirmed_by_plan(const struct state *s, u32 n)
{
	return s->plan.flags & LVR_PLAN_F_CONFIRM && s->plan.confirm == n;
}

static bool tells_primary(const struct state *s, u32 n)
{
	return s->snap[n].flags & LVR_NODE_F_ACTIVE || confirmed_by_plan(s, n);
}

/* note_alone() of handshake.c */
static void hear_alone(struct state *s, u32 n)
{
	const struct snap *peer = &s->snap[other(n)];
	const struct node *node = &s->node[n];
	bool alone = peer->flags & LVR_NODE_F_ALONE || s->plan.kind == LVR_PLAN_FULL_SYNC;
	bool primary = tells_primary(s, other(n));
	bool ahead = s->plan.source == other(n) && peer->head > s->snap[n].head && peer->handover != n;
	bool goes_on = peer->handover == other(n);
	bool counts = primary || ahead || goes_on || node->rivals;

	if (node->role != LVR_ROLE_SECONDARY || !counts || !takes(node))
		return;
	if (!alone && (!primary || s->plan.kind == LVR_PLAN_REFUSE))
		return;
	note_alone(s, n, alone, false);
}

bool connect_nodes(struct state *s)
{
	u32 n;

	if (s->up || !ready_to_connect(&s->node[0]) || !ready_to_connect(&s->node[1]))
		return false;
	s->up = 1;
	for (n = 0; n < NODES; n++) {
		link_event(s, n, LVR_LEV_SOCKET);
		link_event(s, n, LVR_LEV_AUTHENTICATED);
		describe(s, n, &s->snap[n]);
	}
	settle_done_sync(s, 0);
	settle_done_sync(s, 1);
	make_plan(s);
	for (n = 0; n < NODES; n++) {
		note_primary(s, n);
		hear_alone(s, n);
		s->node[n].told_primary = tells_primary(s, n);	/* with link->opening: until it is demoted */
	}
	choose_sync_id(s);
	truth_agreed(s);
	return true;
}

/* -------------------------------------------------------------------- acting */

static void begin_stream(struct state *s, u32 n, u32 dir, u32 caught_up)
{
	struct node *node = &s->node[n];

	node->caught_up = caught_up;
	node->until = s->plan.flags & LVR_PLAN_F_TAIL ? s->plan.until : NONE;
	node->dir = dir;
	if (dir == LVR_DIR_TARGET)
		node->s_open = 0;
}

static bool stream_as_source(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (seek(node, s->plan.from, &node->cursor))
		return false;
	reinstate(s, n);
	node->acked = min(s->snap[other(n)].durable, s->plan.from);
	node->acked_valid = 1;
	begin_stream(s, n, LVR_DIR_SOURCE, s->snap[n].head);
	link_event(s, n, LVR_LEV_PLAN_STREAM);
	return true;
}

static void told_durable(struct state *s, u32 n, u32 seq)
{
	struct node *node = &s->node[n];

	if (takes(node) && seq > node->told)
		node->told = seq;
}

static bool drop_hollow_generations(struct state *s, u32 n, u32 seq, u32 keep_gen)
{
	struct lvr_super *sb;
	u32 entries;

	if (!takes(&s->node[n]))
		return false;
	sb = super_open(s, n);
	entries = sb->history_entries;
	lvr_super_truncate_history(sb, seq, keep_gen);
	if (entries != sb->history_entries)
		super_commit(s, n);
	return true;
}

static bool become_prefix(struct state *s, u32 n)
{
	u32 keep_gen = lvr_plan_shared_generation(snap_to_core(&s->snap[n], n),
						  snap_to_core(&s->snap[other(n)], other(n)));
	const struct plan *plan = &s->plan;
	bool done;

	if (plan->flags & LVR_PLAN_F_TRUNCATE)
		done = truncate_log(s, n, plan->from, keep_gen);
	else
		done = drop_hollow_generations(s, n, plan->from, keep_gen);
	return done && s->node[n].head.seq == plan->from;
}

static bool stream_as_target(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (!become_prefix(s, n))
		return false;
	reinstate(s, n);
	node->acked_valid = 0;
	told_durable(s, n, s->snap[other(n)].durable);
	begin_stream(s, n, LVR_DIR_TARGET, s->snap[other(n)].head);
	link_event(s, n, LVR_LEV_PLAN_STREAM);
	return true;
}

/* open_sync() */
static void open_sync(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	node->cursor = node->durable;
	lvr_super_open_sync(super_open(s, n), other(n), s->plan.sync_id, node->cursor.seq);
	super_commit(s, n);
	node->acked = node->cursor.seq;
	node->acked_valid = 1;
	node->s_open = 1;
	node->s_id = s->plan.sync_id;
	node->s_done = 0;
	node->s_done_end = 0;
}

static bool sync_as_source(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	const struct snap *peer = &s->snap[other(n)];
	bool resume = s->plan.sync_id == peer->sync_id;

	if (!resume)
		open_sync(s, n);
	node->s_next = node->s_done;
	node->s_end = node->s_done_end;
	node->s_active = 1;
	node->acked = resume ? min(peer->durable, node->cursor.seq) : node->cursor.seq;
	node->acked_valid = 1;
	begin_stream(s, n, LVR_DIR_SOURCE, s->snap[n].head);
	link_event(s, n, LVR_LEV_PLAN_SYNC);
	return true;
}

static bool sync_as_target(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	const struct snap *me = &s->snap[n], *peer = &s->snap[other(n)];
	bool resume = s->plan.flags & LVR_PLAN_F_RESUME && me->flags & LVR_NODE_F_INCONSISTENT &&
		      s->plan.sync_id == me->sync_id;

	if (resume && !become_prefix(s, n))
		return false;
	node->t_id = s->plan.sync_id;
	node->t_begun = resume;
	node->acked_valid = 0;
	if (resume)
		told_durable(s, n, peer->durable);
	begin_stream(s, n, LVR_DIR_TARGET, peer->head);
	link_event(s, n, LVR_LEV_PLAN_SYNC);
	return true;
}

static bool superseded_by_plan(const struct state *s, u32 n)
{
	return s->plan.flags & LVR_PLAN_F_SUPERSEDE && s->plan.source != n &&
	       s->snap[n].flags & LVR_NODE_F_UNCONFIRMED;
}

static void act_on_refusal(struct state *s, u32 n)
{
	if (superseded_by_plan(s, n))
		supersede(s, n, s->plan.fork);
	if (confirmed_by_plan(s, n))
		confirm(s, n);
	if (!link_event(s, n, LVR_LEV_PLAN_REFUSE))
		link_event(s, n, LVR_LEV_LOST);
}

/* lvr_handshake_act(); false: the connection ends */
static bool act_on_plan(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	const struct snap *peer = &s->snap[other(n)];
	bool source = s->plan.source == n;

	node->peer_active = !!(peer->flags & LVR_NODE_F_ACTIVE);
	if (confirmed_by_plan(s, n))
		confirm(s, n);
	if (superseded_by_plan(s, n) && !supersede(s, n, s->plan.fork))
		return false;
	switch (s->plan.kind) {
	case LVR_PLAN_IDLE:
		link_event(s, n, LVR_LEV_PLAN_IDLE);
		return true;
	case LVR_PLAN_STREAM:
		return source ? stream_as_source(s, n) : stream_as_target(s, n);
	default:
		return source ? sync_as_source(s, n) : sync_as_target(s, n);
	}
}

bool act(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (!s->up || node->acted || node->state == DOWN)
		return false;
	/* await_active() */
	if (s->plan.kind == LVR_PLAN_FULL_SYNC && s->plan.source == n &&
	    ((node->state != LVR_GROUP_ACTIVE && !awaits_room(node)) || !node->durable.gen))
		return false;
	node->acted = 1;
	if (s->plan.kind == LVR_PLAN_REFUSE) {
		act_on_refusal(s, n);
		if (s->node[other(n)].acted)
			hang_up(s);
	} else if (!act_on_plan(s, n)) {
		hang_up(s);
	}
	truth_acted(s, n);
	return true;
}
