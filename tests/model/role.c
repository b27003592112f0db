// SPDX-License-Identifier: GPL-2.0-only
/* Roles and the gate. After role.c, state.c, truncate.c and link-state.c of the module. */
#include "model.h"

bool from_peer(const struct node *node)
{
	return node->state == LVR_GROUP_STANDBY || node->state == LVR_GROUP_UNCONFIRMED;
}

bool takes(const struct node *node)
{
	return from_peer(node) && !node->reopened;
}

/* lvr_state_event() */
bool group_event(struct state *s, u32 n, u32 event)
{
	struct node *node = &s->node[n];
	int to = lvr_group_next(node->state, event, NULL);
	bool was_open = from_peer(node);

	if (to < 0)
		return false;
	node->state = to;
	node->reopened |= s->up && !was_open && from_peer(node);
	if (event == LVR_GEV_PROMOTED)
		node->role = LVR_ROLE_PRIMARY;
	else if (event == LVR_GEV_DEMOTED || event == LVR_GEV_SUPERSEDE)
		node->role = LVR_ROLE_SECONDARY;
	return true;
}

/* lvr_role_alone() */
bool alone(const struct state *s, u32 n)
{
	const struct node *node = &s->node[n];
	bool never = options[n].sync && options[n].block_on_disconnect;

	return (node->role == LVR_ROLE_PRIMARY && !never) || node->sb.peer_flags & LVR_MEMBER_F_ALONE;
}

static u32 flags_of(struct state *s, u32 n)
{
	const struct node *node = &s->node[n];

	return lvr_super_node_flags(super_open(s, n), other(n), node->state, node->role,
				    alone(s, n) || node->state == LVR_GROUP_PROMOTING);
}

/* lvr_role_describe() */
void describe(struct state *s, u32 n, struct snap *snap)
{
	const struct node *node = &s->node[n];

	memset(snap, 0, sizeof(*snap));
	memcpy(snap->history, node->sb.history, sizeof(snap->history));
	snap->entries = node->sb.entries;
	snap->flags = flags_of(s, n);
	snap->uuid = node->sb.uuid;
	snap->head = node->head.seq;
	snap->head_chain = node->head.chain;
	snap->durable = node->durable.seq;
	snap->destaged = node->destaged.seq;
	snap->tail = node->tail.seq;
	snap->sync_id = node->sb.sync_id;
	if (node->sb.peer_flags & LVR_MEMBER_F_SYNC_OPEN)
		snap->source_sync_id = node->sb.src_id;
	snap->handover = narrow(lvr_super_told_handover(n, node->state, wide(node->handover)));
}

/* own: what this node does as primary */
void note_alone(struct state *s, u32 n, bool now, bool own)
{
	const struct super *was = &s->node[n].sb;
	struct lvr_super *sb;

	if (now == !!(was->peer_flags & LVR_MEMBER_F_ALONE) || (own && !(was->flags & LVR_SUPER_F_PRIMARY)))
		return;
	sb = super_open(s, n);
	sb->member[other(n)].flags ^= LVR_MEMBER_F_ALONE;
	super_commit(s, n);
}

/* lvr_group_bound() */
bool bound(const struct state *s, u32 n)
{
	return options[n].sync && options[n].block_on_disconnect &&
	       !(s->node[n].sb.peer_flags & LVR_MEMBER_F_ALONE);
}

/* lvr_link_gate() */
void gate(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	bool on, closed;

	on = bound(s, n) || (options[n].sync && node->link == LVR_LINK_STREAMING && node->dir == LVR_DIR_SOURCE);
	closed = on && !node->gate;
	node->gate = on;
	if (closed)
		node->gate_seq = node->head.seq;
	if (closed || !on)
		node->in_sync = 0;
}

/* lvr_link_rehandshake() with wait_for_ack() */
void rehandshake(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (s->up) {
		if (node->state == LVR_GROUP_STANDBY && node->dir == LVR_DIR_SOURCE && !node->s_active &&
		    (node->link == LVR_LINK_CATCHING_UP || node->link == LVR_LINK_STREAMING) &&
		    node->acked < node->head.seq)
			node->again_when_acked = 1;
		else
			node->kicked = 1;
	}
	gate(s, n);
}

/* ----------------------------------------------------------- becoming primary */

/* no_loss() of lvrctl failover */
static bool claims_no_loss(const struct state *s, u32 n)
{
	const struct node *node = &s->node[n];

	return node->role == LVR_ROLE_SECONDARY && node->state == LVR_GROUP_STANDBY &&
	       !(node->sb.flags & LVR_SUPER_F_INCONSISTENT) && !alone(s, n);
}

/* lvr_role_promote(); without force that is also what failover says "nothing is lost" of */
bool promote(struct state *s, u32 n, bool force)
{
	struct node *node = &s->node[n];
	struct lvr_promote_check check = {
		.self = n,
		.peer_active = node->peer_active && in_session(node),
		.handover_member = wide(node->handover),
		.ever_primary_in_group = node->sb.entries,
		.superseded = node->sb.flags & LVR_SUPER_F_SUPERSEDED,
	};
	bool claims;

	if (!standing(node) || node->state == LVR_GROUP_ACTIVE || node->state == LVR_GROUP_PROMOTING)
		return false;
	check.flags = flags_of(s, n);
	/* force is for what is refused without it: so says the operator's manual */
	if (force == !lvr_plan_may_promote(&check, false, NULL) ||
	    lvr_plan_may_promote(&check, force, NULL))
		return false;
	claims = !force || claims_no_loss(s, n);
	if (!group_event(s, n, LVR_GEV_PROMOTE))
		return false;
	truth_promoted(s, n, force, claims);
	s->meddled |= force;
	return true;
}

bool confirm(struct state *s, u32 n)
{
	if (!group_event(s, n, LVR_GEV_CONFIRM))
		return false;
	truth_confirmed(s, n);
	return true;
}

bool begin(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct lvr_super_begin begin = {
		.peer = other(n), .role = node->role, .handover_member = wide(node->handover),
		.told_durable_seq = node->told, .bound = options[n].sync && options[n].block_on_disconnect,
	};
	struct lvr_super *sb;

	if (node->state != LVR_GROUP_PROMOTING || node->begun || 2 * s->gens[n] + n + 1 > MAX_GEN)
		return false;
	rehandshake(s, n);
	flush_all(s, n);
	begin.head = pos_to_core(node->head);
	begin.gen = 2 * s->gens[n]++ + n + 1;
	sb = super_open(s, n);
	if (lvr_super_begin_generation(sb, &begin)) {
		violate(CHECK_DEAD_END, "%c cannot begin a generation", 'A' + n);
		return true;
	}
	node->told = min(node->told, node->head.seq);
	super_commit(s, n);
	node->gen = begin.gen;
	if (node->handover != n)
		node->handover = NONE;
	node->limit = NONE;
	node->acked = min(max(node->acked, node->sb.acked), node->head.seq);
	node->owned = node->head.seq;
	node->begun = 1;
	return true;
}

/* g->awaits_room: only the record is missing, and what the peer lacks leaves no room for it */
bool awaits_room(const struct node *node)
{
	return node->state == LVR_GROUP_PROMOTING && node->begun && node->destaged.off == node->head.off &&
	       !has_room(node, GUARD_SLOTS);
}

bool serve(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct chunk c = { .type = LVR_REC_GENERATION };

	if (node->state != LVR_GROUP_PROMOTING || !node->begun)
		return false;
	flush_all(s, n);
	destage(s, n);
	if (node->destaged.off != node->head.off || !has_room(node, GUARD_SLOTS))
		return false;
	c.gen = node->gen;
	c.arg = node->head.gen;
	if (!append(s, n, c))
		return false;
	node->peer_durable = 0;
	node->begun = 0;
	node->writes = 0;
	gate(s, n);
	group_event(s, n, LVR_GEV_PROMOTED);
	rehandshake(s, n);
	return true;
}

/* --------------------------------------------------------------- giving it up */

/* no volume is open: what was written has been acknowledged */
static bool closed(const struct node *node)
{
	return node->sb.flags & LVR_SUPER_F_INCONSISTENT || !(node->writes >> node->said_seq);
}

bool demote(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct chunk c = { .type = LVR_REC_HANDOVER, .gen = node->gen };
	u32 event = LVR_GEV_DEMOTE;

	if ((node->state != LVR_GROUP_ACTIVE && node->state != LVR_GROUP_UNCONFIRMED) ||
	    (node->state == LVR_GROUP_ACTIVE && !closed(node)) ||
	    (node->gen && !has_room(node, GUARD_SLOTS + DEMOTE_SLOTS)))
		return false;
	c.arg = node->rivals ||
		(node->dir == LVR_DIR_SOURCE && node->told_primary && !(node->sb.peer_flags & LVR_MEMBER_F_NEEDS_SYNC) &&
		 (node->link == LVR_LINK_STREAMING || node->link == LVR_LINK_CATCHING_UP)) ? other(n) : n;
	node->rivals = 0;
	s->meddled |= c.arg == n || node->state == LVR_GROUP_UNCONFIRMED;
	if (!group_event(s, n, event))
		return false;
	return !node->gen || append(s, n, c);
}

bool demoted(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (node->state != LVR_GROUP_DEMOTING)
		return false;
	flush_all(s, n);
	lvr_super_hand_over(super_open(s, n), other(n), node->head.seq, wide(node->handover));
	super_commit(s, n);
	node->limit = node->head.seq;
	group_event(s, n, LVR_GEV_DEMOTED);
	node->gen = 0;
	node->told_primary = 0;
	node->writes = 0;
	rehandshake(s, n);
	return true;
}

bool supersede(struct state *s, u32 n, u32 fork)
{
	struct node *node = &s->node[n];
	struct lvr_pos at, head = pos_to_core(node->head);
	struct pos pos;

	if (node->state == LVR_GROUP_STANDBY)
		return true;
	if (seek(node, fork, &pos))
		pos = node->tail;
	flush_all(s, n);
	if (!group_event(s, n, LVR_GEV_SUPERSEDE))
		return false;
	at = pos_to_core(pos);
	at.seq = fork;
	node->handover = narrow(lvr_super_supersede(super_open(s, n), other(n), &at, &head, wide(node->handover)));
	super_commit(s, n);
	node->claimed = 0;
	return true;
}

/* lvr_role_reinstate() */
void reinstate(struct state *s, u32 n)
{
	u32 held_seq = min(s->snap[other(n)].durable, s->plan.from);

	if (takes(&s->node[n]) && lvr_super_reinstate(super_open(s, n), other(n), held_seq))
		super_commit(s, n);
}

bool discard(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (node->state != LVR_GROUP_STANDBY || node->sb.flags & LVR_SUPER_F_DISCARD)
		return false;
	super_open(s, n)->flags |= LVR_SUPER_F_DISCARD;
	super_commit(s, n);
	truth_discarded(s, n);
	s->meddled = 1;
	rehandshake(s, n);
	return true;
}

/* lvr_log_truncate(); false: refused, nothing has changed */
bool truncate_log(struct state *s, u32 n, u32 seq, u32 keep_gen)
{
	struct node *node = &s->node[n];
	struct pos pos, destaged = node->destaged, checkpoint = node->checkpoint, tail = node->tail;

	if (!takes(node) || seek(node, seq, &pos) || pos.off < destaged.off || node->told > seq)
		return false;
	truth_dropped(s, n, seq);
	land_all(node);
	memset(&node->disk[pos.off % ring_slots], 0, sizeof(struct chunk));
	lvr_super_truncate(super_open(s, n), other(n), seq, keep_gen);
	super_commit(s, n);
	stand_at(node, pos);
	node->destaged = destaged;
	node->checkpoint = checkpoint;
	node->tail = tail;
	set_incarnation(node);
	node->handover = NONE;
	node->limit = min(node->limit, (u8)seq);
	node->told = min(node->told, (u8)seq);
	return true;
}
