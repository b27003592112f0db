// SPDX-License-Identifier: GPL-2.0-only
/*
 * A node's log and volumes: append, flush, destage, checkpoint, crash, recovery.
 * After log.c, complete.c, destage.c, checkpoint.c, worker.c and recover.c of the module.
 */
#include "model.h"

#define SLOT_BYTES 512u

u32 other(u32 n)
{
	return 1 - n;
}

bool standing(const struct node *node)
{
	return node->state != DOWN && node->state >= LVR_GROUP_REPLAYING;
}

struct chunk *chunk_at(struct node *node, u32 off)
{
	struct chunk *c;

	assert(off >= node->tail.off && off < node->head.off);
	c = off >= node->durable.off ? &node->pend[off - node->durable.off] :
	    &node->disk[off % ring_slots];
	assert(c->type && c->off == off);
	return c;
}

struct pos behind(const struct chunk *c, struct pos at)
{
	at.off++;
	if (c->sync_id)
		return at;
	at.seq++;
	at.chain = c->after;
	at.gen = c->gen;
	return at;
}

static struct lvr_ring ring(void)
{
	return (struct lvr_ring){ .start_sect = 0, .bytes = (u64)ring_slots * SLOT_BYTES,
				  .block_bytes = SLOT_BYTES };
}

bool has_room(const struct node *node, u32 reserve)
{
	const struct lvr_ring r = ring();

	return lvr_ring_has_room(&r, (u64)node->tail.off * SLOT_BYTES, (u64)node->head.off * SLOT_BYTES,
				 SLOT_BYTES, (u64)reserve * SLOT_BYTES);
}

/* place_locked(); false: the model has no place for it before a flush */
bool append(struct state *s, u32 n, struct chunk c)
{
	struct node *node = &s->node[n];
	u32 pending = node->head.off - node->durable.off;

	if (pending == PENDING || node->head.seq >= MAX_SEQ || node->head.off >= NONE - RING)
		return false;
	c.seq = node->head.seq;
	c.off = node->head.off;
	c.inc = node->inc;
	c.uuid = node->sb.uuid;
	c.before = node->head.chain;
	c.after = chunk_chain(&c);
	node->pend[pending] = c;
	if (!c.sync_id) {
		content_set(&node->hist, c.seq, c.gen);
		node->handover = c.type == LVR_REC_HANDOVER ? c.arg : NONE;
	}
	node->head = behind(&c, node->head);
	return true;
}

/* all that is written is on the disk, as if a flush had come in between */
void land_all(struct node *node)
{
	u32 i;

	for (i = 0; i < PENDING && node->pend[i].type; i++)
		node->disk[node->pend[i].off % ring_slots] = node->pend[i];
	memset(node->pend, 0, sizeof(node->pend));
}

void flush_all(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	u32 seq;

	land_all(node);
	node->durable = node->head;
	for (seq = 0; seq < node->head.seq; seq++) {
		u32 gen = gen_at(node->hist, seq);

		if (gen % 2 != n)
			s->durable_of[gen] = max((u32)s->durable_of[gen], seq + 1);
	}
}

int seek(struct node *node, u32 seq, struct pos *pos)
{
	*pos = node->tail;
	if (seq > node->head.seq)
		return -EINVAL;
	if (seq < node->tail.seq)
		return -ESTALE;
	while (pos->seq < seq)
		*pos = behind(chunk_at(node, pos->off), *pos);
	return 0;
}

/* lvr_log_set_incarnation_locked() */
void set_incarnation(struct node *node)
{
	node->inc = node->sb.inc;
	node->inc_off = node->head.off;
}

/* lvr_log_stand_at(); what was written has landed: a superblock write came before */
void stand_at(struct node *node, struct pos pos)
{
	memset(node->pend, 0, sizeof(node->pend));
	node->head = pos;
	node->durable = pos;
	node->destaged = pos;
	node->checkpoint = pos;
	node->tail = pos;
	node->hist = prefix(node->hist, pos.seq);
	node->owned = min(node->owned, pos.seq);
}

/* ------------------------------------------------------------------- destage */

static void raise_limit(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct lvr_super *sb;

	if (node->role == LVR_ROLE_PRIMARY || node->told <= node->limit ||
	    node->sb.flags & LVR_SUPER_F_PRIMARY)
		return;
	sb = super_open(s, n);
	sb->durable_limit_seq = node->told;
	sb->member[other(n)].told_durable_seq = node->told;
	super_commit(s, n);
	node->limit = node->told;
}

bool destage(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct pos begin = node->destaged, next;
	u32 limit;

	if (!standing(node))
		return false;
	raise_limit(s, n);
	limit = node->role == LVR_ROLE_PRIMARY ? NONE : node->limit;
	while (node->destaged.off < node->durable.off) {
		const struct chunk *c = chunk_at(node, node->destaged.off);

		next = behind(c, node->destaged);
		if (next.seq > limit)
			break;
		truth_destaged(s, n, c);
		node->destaged = next;
	}
	return node->destaged.off != begin.off;
}

/* ---------------------------------------------------------------- checkpoint */

static struct pos reclaimable(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct pos pos = node->tail, next;
	u64 held;

	if (node->sb.flags & LVR_SUPER_F_SUPERSEDED)
		return node->tail;
	held = lvr_super_held_seq(super_open(s, n), other(n), node->told);
	if (held >= node->destaged.seq)
		return node->destaged;
	while (pos.off < node->head.off) {
		next = behind(chunk_at(node, pos.off), pos);
		if (next.seq > held || pos.seq == held)
			break;
		pos = next;
	}
	return pos.seq > held ? node->tail : pos;
}

static void store_link(const struct node *node, struct super *sb)
{
	if (node->acked_valid)
		sb->acked = node->acked;
	if (node->role == LVR_ROLE_SECONDARY)
		sb->told = node->told;
	if (node->s_open && sb->peer_flags & LVR_MEMBER_F_SYNC_OPEN && sb->src_id == node->s_id) {
		sb->src_block = node->s_done;
		sb->src_end = node->s_done_end;
	}
}

/* always: also when nothing would change by it */
bool checkpoint(struct state *s, u32 n, bool always)
{
	struct node *node = &s->node[n];
	const struct super was = node->sb;
	struct lvr_pos done, core_tail;
	struct lvr_super *sb;
	struct pos tail;

	if (!standing(node))
		return false;
	store_link(node, &node->sb);
	tail = reclaimable(s, n);
	if (!always && tail.off == node->tail.off && node->destaged.off == node->checkpoint.off &&
	    !memcmp(&was, &node->sb, sizeof(was)))
		return false;
	sb = super_open(s, n);
	done = pos_to_core(node->destaged);
	core_tail = pos_to_core(tail);
	lvr_super_checkpoint(sb, other(n), &done, &core_tail, (u64)node->inc_off * SLOT_BYTES);
	lvr_super_note_handover(sb, node->head.seq, wide(node->handover));
	super_commit(s, n);
	node->checkpoint = node->destaged;
	node->tail = tail;
	truth_tail(s, n);
	return true;
}

bool detach(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (!options[n].detach_on_full || bound(s, n) || node->state == LVR_GROUP_DEMOTING || !standing(node) || node->role != LVR_ROLE_PRIMARY ||
	    node->tail.off >= node->checkpoint.off || node->checkpoint.off != node->destaged.off ||
	    has_room(node, RESERVE_SLOTS) || node->sb.acked >= node->sb.checkpoint.seq)
		return false;
	lvr_super_give_up_peer(super_open(s, n), other(n));
	super_commit(s, n);
	checkpoint(s, n, true);
	gate(s, n);
	rehandshake(s, n);
	return true;
}

/* --------------------------------------------------------------------- crash */

/* what is left when the power goes: the disk, and the truth */
static void power_off(struct state *s, u32 n)
{
	struct node *node = &s->node[n], was = *node;
	bool undone;	/* its last promotion: no record is left of it */

	if (s->up)
		hang_up(s);
	memset(node, 0, sizeof(*node));
	node->hist = prefix(was.hist, was.head.seq);
	memcpy(node->vol, was.vol, sizeof(was.vol));
	node->promise = was.promise;
	node->promise_seq = was.promise_seq;
	node->mixed = was.mixed;
	undone = was.state == LVR_GROUP_PROMOTING ||
		 (was.state == LVR_GROUP_ACTIVE &&
		  (!was.head.seq || gen_at(node->hist, was.head.seq - 1) != was.gen));
	node->voided = undone && was.voided ? 1 : was.voided;
	node->forced = undone && was.forced == FORCED_NOW && !options[n].start_at_once ? 0 : was.forced;
	node->claimed = was.claimed && (!undone || was.begun);
	/* who goes on at once has forgotten what it heard */
	if (options[n].start_at_once && was.sb.flags & LVR_SUPER_F_PRIMARY)
		s->node[other(n)].unheard |= !!s->node[other(n)].forced;
	node->unheard = was.unheard;
	node->owned = min(was.owned, was.head.seq);
	memcpy(node->disk, was.disk, sizeof(was.disk));
	node->sb = was.sb;
	node->head = was.head;
	node->state = DOWN;
	truth_crashed(s, n);
}

/* variant: how many of the pending chunks stay, + 8: the next is torn, + 16: the one behind it stays */
bool crash(struct state *s, u32 n, u32 variant)
{
	struct node *node = &s->node[n];
	u32 pending, stay = variant & 7, i;
	struct pos head;
	struct chunk *c;

	if (node->state == DOWN)
		return false;
	pending = node->head.off - node->durable.off;
	if (stay > pending || (variant & 8 && stay + 1 > pending) || (variant & 16 && stay + 2 > pending) ||
	    (variant & 24 && !tears))
		return false;
	head = node->durable;
	for (i = 0; i < stay; i++) {
		c = &node->pend[i];
		head = behind(c, head);
		node->disk[c->off % ring_slots] = *c;
	}
	c = &node->pend[stay];
	if (variant & 8) {
		c->torn = 1;
		node->disk[c->off % ring_slots] = *c;
	}
	if (variant & 16)
		node->disk[c[1].off % ring_slots] = c[1];
	node->head = head;
	power_off(s, n);
	return true;
}

/* ------------------------------------------------------------------- recovery */

static void scanned_chunk(struct state *s, u32 n, const struct lvr_scan *scan, const struct chunk *c)
{
	struct node *node = &s->node[n];

	if (!c->sync_id) {
		if (c->seq >= node->head.seq || gen_at(node->hist, c->seq) != c->gen)
			violate(CHECK_LOST, "%c takes a chunk at %u that is not of its log", 'A' + n, c->seq);
		node->handover = c->type == LVR_REC_HANDOVER ? c->arg : NONE;
	} else if (scan->pos.off / SLOT_BYTES >= node->head.off) {
		violate(CHECK_LOST, "%c takes a block at %u that is not of its log", 'A' + n, c->seq);
	}
}

static void scan_log(struct state *s, u32 n, struct lvr_scan *scan)
{
	struct node *node = &s->node[n];
	u64 extent[SLOT_BYTES / sizeof(u64)];
	struct lvr_super *sb = super_open(s, n);
	const u64 ring_bytes = sb->ring_bytes;
	u32 need, bytes;

	sb->ring_bytes = ring().bytes;
	lvr_scan_begin(scan, sb);
	while (!lvr_scan_done(scan)) {
		const struct chunk *c = &node->disk[scan->pos.off / SLOT_BYTES % ring_slots];

		bytes = chunk_bytes(c, n + 1, extent);
		if (lvr_scan_head(scan, extent, bytes, &need))
			break;
		scanned_chunk(s, n, scan, c);
		lvr_scan_accept(scan);
	}
	sb->ring_bytes = ring_bytes;
}

static void load_link(struct node *node)
{
	node->link = LVR_LINK_WAITING;
	node->acked = node->sb.acked;
	if (node->sb.peer_flags & LVR_MEMBER_F_SYNC_OPEN) {
		node->s_open = 1;
		node->s_id = node->sb.src_id;
		node->s_done = node->sb.src_block;
		node->s_done_end = node->sb.src_end;
	}
}

bool start(struct state *s, u32 n)
{
	static struct lvr_scan scan;
	struct node *node = &s->node[n];
	struct lvr_super *sb;

	if (node->state != DOWN)
		return false;
	node->primary_at_start = !!(node->sb.flags & LVR_SUPER_F_PRIMARY);
	node->role = node->primary_at_start ? LVR_ROLE_PRIMARY : LVR_ROLE_SECONDARY;
	node->handover = NONE;
	scan_log(s, n, &scan);
	if (scan.pos.seq != node->head.seq || scan.pos.off != (u64)node->head.off * SLOT_BYTES)
		violate(CHECK_LOST, "%c finds its log up to %llu only, it is there up to %u: %s, %s", 'A' + n,
			scan.pos.seq, node->head.seq, lvr_scan_end_name(scan.end), scan.why.text);
	if (scan.pos.seq < node->sb.checkpoint.seq)
		violate(CHECK_LOST, "%c finds its log up to %llu, the checkpoint is at %u", 'A' + n,
			scan.pos.seq, node->sb.checkpoint.seq);
	sb = super_open(s, n);
	node->handover = narrow(lvr_super_handover(sb, scan.pos.seq, wide(node->handover)));
	lvr_super_recover(sb, lvr_scan_next_incarnation(&scan), &scan.pos, wide(node->handover));
	super_commit(s, n);
	node->tail = node->sb.tail;
	node->head = pos_from_core(&scan.pos);
	set_incarnation(node);
	node->checkpoint = node->sb.checkpoint;
	node->destaged = node->sb.checkpoint;
	node->limit = node->sb.limit;
	node->told = node->sb.told;
	node->state = LVR_GROUP_RECOVERING;
	load_link(node);
	flush_all(s, n);
	group_event(s, n, LVR_GEV_SCANNED);
	group_event(s, n, LVR_GEV_COMPLETE);
	gate(s, n);
	return true;
}

bool replay(struct state *s, u32 n)
{
	struct node *node = &s->node[n];

	if (node->state != LVR_GROUP_REPLAYING)
		return false;
	destage(s, n);
	checkpoint(s, n, true);
	group_event(s, n, node->primary_at_start ? LVR_GEV_REPLAYED_UNCONFIRMED :
		    LVR_GEV_REPLAYED_SECONDARY);
	if (node->primary_at_start && options[n].start_at_once)
		confirm(s, n);
	rehandshake(s, n);
	return true;
}
