// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake plan. The rules stand in plan.h, in words; here they are code.
 *
 * Mirrored answers are not left to care: the two nodes are put in the order of
 * their member ids first, so both sides run the very same computation.
 */
#include "plan.h"
#include "codec.h"

/* a node as the other one sees it */
struct side {
	const struct lvr_plan_node *n;
	u32 shared;		/* generations up to the last shared one; entries in all if none is not */
	bool newer;
	bool beyond;
	bool active;
	bool unconfirmed;
	bool weak;		/* can only be target of a full sync */
};

struct meeting {
	struct side low;	/* lower member id */
	struct side high;
	bool related;
	u64 fork_seq;
	bool chain_known;
	bool chain_differs;
	u32 shared_member;	/* who began the last shared generation */
};

static bool same_generation(const struct lvr_generation *a, const struct lvr_generation *b)
{
	return a->gen == b->gen && a->first_seq == b->first_seq &&
	       a->fork_chain == b->fork_chain;
}

/* counts up to the last shared generation; false: none is shared */
static bool find_shared(const struct lvr_plan_node *a, const struct lvr_plan_node *b,
			u32 *count_a, u32 *count_b)
{
	u32 i, j;

	for (i = a->history_entries; i--; ) {
		for (j = b->history_entries; j--; ) {
			if (same_generation(&a->history[i], &b->history[j])) {
				*count_a = i + 1;
				*count_b = j + 1;
				return true;
			}
		}
	}
	return false;
}

/**
 * lvr_plan_shared_generation - the last generation that two nodes share
 * @a: one node
 * @b: the other
 *
 * Any context, does not sleep.
 *
 * Return: its id, 0 if there is none.
 */
u64 lvr_plan_shared_generation(const struct lvr_plan_node *a, const struct lvr_plan_node *b)
{
	u32 count_a, count_b;

	return find_shared(a, b, &count_a, &count_b) ? a->history[count_a - 1].gen : 0;
}

/**
 * lvr_plan_sync_is_done - has the target completed what its source counts as open?
 * @source: of a full synchronisation, perhaps
 * @target: of it
 *
 * Then the source did not hear of the end; both go on as if it had. Any
 * context, does not sleep.
 *
 * Return: whether.
 */
bool lvr_plan_sync_is_done(const struct lvr_plan_node *source, const struct lvr_plan_node *target)
{
	const u32 not_consistent = LVR_NODE_F_INCONSISTENT | LVR_NODE_F_BLANK | LVR_NODE_F_DISCARD;

	return source->source_sync_id && source->source_sync_id == target->sync_id &&
	       !(target->flags & not_consistent);
}

static bool never_written(const struct lvr_plan_node *n)
{
	return !n->history_entries && !n->head_seq;
}

/* end of the records that a side holds of the last shared generation */
static u64 shared_end_seq(const struct side *s)
{
	return s->newer ? s->n->history[s->shared].first_seq : s->n->head_seq;
}

/* the chain at the fork: 1 known, 0 not, -1 the node contradicts itself */
static int fork_chain(const struct side *s, u64 fork_seq, u64 *chain)
{
	bool known = false;

	if (s->n->head_seq == fork_seq) {
		*chain = s->n->head_chain;
		known = true;
	}
	if (s->newer && s->n->history[s->shared].first_seq == fork_seq) {
		if (known && *chain != s->n->history[s->shared].fork_chain)
			return -1;
		*chain = s->n->history[s->shared].fork_chain;
		known = true;
	}
	if (s->n->fork_known) {
		if (known && *chain != s->n->fork_chain)
			return -1;
		*chain = s->n->fork_chain;
		known = true;
	}
	return known;
}

static void side_init(struct side *s, const struct lvr_plan_node *n)
{
	memset(s, 0, sizeof(*s));
	s->n = n;
	s->active = n->flags & LVR_NODE_F_ACTIVE;
	s->unconfirmed = !s->active && n->flags & LVR_NODE_F_UNCONFIRMED;
	s->weak = n->flags & (LVR_NODE_F_BLANK | LVR_NODE_F_INCONSISTENT | LVR_NODE_F_DISCARD);
}

static bool same_uuid(const struct lvr_plan_node *a, const struct lvr_plan_node *b)
{
	return !memcmp(a->group_uuid, b->group_uuid, LVR_UUID_BYTES);
}

static void meet(struct meeting *m, const struct lvr_plan_node *a, const struct lvr_plan_node *b)
{
	struct side *low = &m->low, *high = &m->high;
	u64 low_chain = 0, high_chain = 0;
	int low_known, high_known;

	memset(m, 0, sizeof(*m));
	side_init(low, a->member <= b->member ? a : b);
	side_init(high, a->member <= b->member ? b : a);
	m->shared_member = LVR_PLAN_NO_MEMBER;

	if (find_shared(low->n, high->n, &low->shared, &high->shared)) {
		m->related = true;
		m->shared_member = low->n->history[low->shared - 1].member;
	} else {
		/* at position 0 all members of a group hold the same: nothing */
		m->related = same_uuid(a, b) && !lvr_is_zero(a->group_uuid, LVR_UUID_BYTES) &&
			     (never_written(a) || never_written(b)) &&
			     (a->history_entries || never_written(a)) &&
			     (b->history_entries || never_written(b));
	}
	if (!m->related)
		return;

	low->newer = low->n->history_entries > low->shared;
	high->newer = high->n->history_entries > high->shared;
	m->fork_seq = min(shared_end_seq(low), shared_end_seq(high));
	low->beyond = low->n->head_seq > m->fork_seq;
	high->beyond = high->n->head_seq > m->fork_seq;

	low_known = fork_chain(low, m->fork_seq, &low_chain);
	high_known = fork_chain(high, m->fork_seq, &high_chain);
	m->chain_differs = low_known < 0 || high_known < 0 ||
			   (low_known && high_known && low_chain != high_chain);
	m->chain_known = low_known > 0 && high_known > 0;
}

/**
 * lvr_plan_fork - the position up to which two nodes hold the same records
 * @a: one node, its lookup not needed
 * @b: the other
 * @related: whether there is such a position; may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: the position, at which each looks up its chain for the other; 0 if
 * they are unrelated.
 */
u64 lvr_plan_fork(const struct lvr_plan_node *a, const struct lvr_plan_node *b, bool *related)
{
	struct meeting m;

	meet(&m, a, b);
	if (related)
		*related = m.related;
	return m.fork_seq;
}

/* ------------------------------------------------------------------ mismatch */

static const struct lvr_plan_volume *volume_of(const struct lvr_plan_node *n, u32 id)
{
	u32 i;

	for (i = 0; i < n->volumes; i++)
		if (n->volume[i].id == id)
			return &n->volume[i];
	return NULL;
}

#define REASON(name)	(1u << LVR_REFUSE_##name)

static u32 volume_mismatch(const struct lvr_plan_volume *v, const struct lvr_plan_volume *w)
{
	u32 reasons = 0;

	if (!v || !w)
		return v || w ? REASON(VOLUME_MISSING) : 0;
	if (strncmp(v->name, w->name, LVR_NAME_BYTES))
		reasons |= REASON(VOLUME_NAME);
	if (v->size_sect != w->size_sect)
		reasons |= REASON(VOLUME_SIZE);
	if (v->block_bytes != w->block_bytes)
		reasons |= REASON(VOLUME_BLOCK);
	return reasons;
}

static u32 volume_mismatches(const struct lvr_plan_node *a, const struct lvr_plan_node *b)
{
	u32 reasons = 0, id;

	for (id = 0; id < LVR_MAX_VOLUMES; id++)
		reasons |= volume_mismatch(volume_of(a, id), volume_of(b, id));
	return reasons;
}

/**
 * lvr_plan_describe_mismatch - how a volume differs between two nodes
 * @me: this node
 * @peer: the other
 * @id: of the volume
 * @text: both sides of it, for people
 *
 * Any context, does not sleep.
 *
 * Return: true if it does.
 */
bool lvr_plan_describe_mismatch(const struct lvr_plan_node *me, const struct lvr_plan_node *peer,
				u32 id, struct lvr_err *text)
{
	const struct lvr_plan_volume *v = volume_of(me, id), *w = volume_of(peer, id);

	if (!volume_mismatch(v, w))
		return false;
	if (!v || !w)
		lvr_err_set(text, "volume %u, %s, is not configured %s", id, v ? v->name : w->name,
			    v ? "at the peer" : "here");
	else
		lvr_err_set(text, "volume %u is %s here and %s at the peer, of %llu and %llu sectors, in blocks of %u and %u bytes",
			    id, v->name, w->name, v->size_sect, w->size_sect, v->block_bytes,
			    w->block_bytes);
	return true;
}

/* a blank target that has not been given the group's uuid yet */
static bool nameless(const struct lvr_plan_node *n)
{
	return n->flags & LVR_NODE_F_BLANK && lvr_is_zero(n->group_uuid, LVR_UUID_BYTES);
}

static u32 mismatches(const struct lvr_plan_node *a, const struct lvr_plan_node *b)
{
	u32 reasons = volume_mismatches(a, b);

	if (!nameless(a) && !nameless(b) &&
	    (!same_uuid(a, b) || lvr_is_zero(a->group_uuid, LVR_UUID_BYTES)))
		reasons |= REASON(GROUP_UUID);
	if (a->member == b->member || a->member >= LVR_MAX_MEMBERS ||
	    b->member >= LVR_MAX_MEMBERS)
		reasons |= REASON(MEMBER);
	if (a->flags & b->flags & LVR_NODE_F_ACTIVE)
		reasons |= REASON(BOTH_PRIMARY);
	return reasons;
}

/* --------------------------------------------------------------------- rules */

#define SAY(plan, ...)	lvr_err_set(&(plan)->text, __VA_ARGS__)

static void confirm(struct lvr_plan *plan, const struct side *s)
{
	if (!s->unconfirmed)
		return;
	plan->flags |= LVR_PLAN_F_CONFIRM;
	plan->confirm_member = s->n->member;
}

static void supersede(struct lvr_plan *plan, const struct side *t)
{
	if (t->unconfirmed)
		plan->flags |= LVR_PLAN_F_SUPERSEDE;
}

static void refuse(struct lvr_plan *plan, u32 reasons)
{
	plan->kind = LVR_PLAN_REFUSE;
	plan->reasons = reasons;
}

static bool can_stream(const struct meeting *m, const struct side *s)
{
	return s->n->tail_seq <= m->fork_seq && m->chain_known &&
	       !(s->n->flags & LVR_NODE_F_PEER_NEEDS_SYNC);
}

static void stream(struct lvr_plan *plan, const struct meeting *m, const struct side *s)
{
	plan->kind = LVR_PLAN_STREAM;
	plan->source = s->n->member;
	plan->from_seq = m->fork_seq;
	SAY(plan, "stream from member %u, from %llu", s->n->member, m->fork_seq);
}

static void full_sync(struct lvr_plan *plan, const struct side *s, const char *why)
{
	plan->kind = LVR_PLAN_FULL_SYNC;
	plan->source = s->n->member;
	plan->from_seq = s->n->head_seq;
	SAY(plan, "full synchronisation from member %u: %s", s->n->member, why);
}

static void idle(struct lvr_plan *plan, const struct side *s, const char *why)
{
	plan->kind = LVR_PLAN_IDLE;
	if (s)
		plan->source = s->n->member;
	SAY(plan, "%s", why);
}

static const char *cannot_stream_text(const struct meeting *m, const struct side *s)
{
	if (s->n->flags & LVR_NODE_F_PEER_NEEDS_SYNC || s->n->tail_seq > m->fork_seq)
		return "the log no longer holds what the peer lacks";
	return "the chain at the common position is no longer known";
}

/* rule 2, t is weak and s is not */
static void plan_weak(struct lvr_plan *plan, const struct meeting *m, const struct side *s,
		      const struct side *t)
{
	const u32 given_up = LVR_NODE_F_BLANK | LVR_NODE_F_DISCARD;

	if (t->active) {
		refuse(plan, REASON(NO_SOURCE));
		SAY(plan, "member %u is active with a copy that is inconsistent or to be discarded",
		    t->n->member);
		return;
	}
	if (!s->active) {
		if (t->n->flags & given_up || (m->related && !(t->newer && t->beyond)))
			confirm(plan, s);
		idle(plan, s, "a full synchronisation starts when the consistent side is promoted");
		return;
	}
	supersede(plan, t);
	full_sync(plan, s, t->n->flags & LVR_NODE_F_BLANK ? "the target is blank" :
		  t->n->flags & LVR_NODE_F_DISCARD ? "the target is to be discarded" :
		  "the target is inconsistent");
	if (t->n->sync_id && t->n->sync_id == s->n->source_sync_id && m->related &&
	    m->chain_known && !m->chain_differs && !t->beyond && !t->newer &&
	    s->n->tail_seq <= t->n->head_seq) {
		plan->flags |= LVR_PLAN_F_RESUME;
		plan->from_seq = t->n->head_seq;
	}
}

/* were all generations of s that are not shared begun by that one? */
static bool only_of(const struct side *s, const struct side *writer)
{
	u32 i;

	for (i = s->shared; i < s->n->history_entries; i++)
		if (s->n->history[i].member != writer->n->member)
			return false;
	return true;
}

/* rule 7: what t holds past the fork s had written there, lost, and begun again */
static bool began_again(const struct meeting *m, const struct side *s, const struct side *t)
{
	return s->newer && t->newer && only_of(s, s) && only_of(t, s) &&
	       shared_end_seq(s) == m->fork_seq && shared_end_seq(t) == m->fork_seq &&
	       !t->active && !t->unconfirmed && t->n->destaged_seq <= m->fork_seq;
}

/* whether the records that t holds past the fork are its own; t is not newer */
static bool wrote_past_fork(const struct meeting *m, const struct side *t)
{
	return t->n->flags & LVR_NODE_F_WROTE || m->shared_member == t->n->member;
}

/* rule 6: t holds records past the place where s began a generation; rule 7 likewise */
static void plan_give_way(struct lvr_plan *plan, const struct meeting *m, const struct side *s,
			  const struct side *t)
{
	const struct lvr_plan_node *n = t->n;
	bool wrote = !t->newer && wrote_past_fork(m, t);

	if (t->active) {
		refuse(plan, REASON(DIVERGED));
		SAY(plan, "member %u is active, but member %u has begun a generation at %llu",
		    n->member, s->n->member, m->fork_seq);
		return;
	}
	confirm(plan, s);
	supersede(plan, t);
	if (!wrote && n->destaged_seq <= m->fork_seq && can_stream(m, s)) {
		stream(plan, m, s);
		plan->flags |= LVR_PLAN_F_TRUNCATE;
		return;
	}
	refuse(plan, REASON(ORPHANS));
	plan->source = s->n->member;
	plan->orphan_seqs = n->head_seq - m->fork_seq;
	SAY(plan, "member %u holds %llu records past %llu that member %u lacks; %s", n->member,
	    plan->orphan_seqs, m->fork_seq, s->n->member,
	    wrote ? "it wrote them" :
	    n->destaged_seq > m->fork_seq ? "they are on its volumes" : cannot_stream_text(m, s));
}

/* rule 5, t is active: it has taken over from a place that s is beyond */
static void plan_behind_active(struct lvr_plan *plan, const struct meeting *m,
			       const struct side *s, const struct side *t)
{
	if (!s->newer && t->newer) {
		plan_give_way(plan, m, t, s);
		return;
	}
	if (!s->newer && wrote_past_fork(m, s)) {
		supersede(plan, s);
		refuse(plan, REASON(ORPHANS));
		plan->source = t->n->member;
		plan->orphan_seqs = s->n->head_seq - m->fork_seq;
		SAY(plan, "member %u wrote %llu records past %llu, from where member %u took over",
		    s->n->member, plan->orphan_seqs, m->fork_seq, t->n->member);
		return;
	}
	if (began_again(m, t, s)) {
		plan_give_way(plan, m, t, s);
		return;
	}
	refuse(plan, REASON(DIVERGED));
	if (s->newer)
		SAY(plan, "member %u is active, member %u has a generation that it lacks",
		    t->n->member, s->n->member);
	else
		SAY(plan, "member %u is active and behind member %u, and has begun no generation yet",
		    t->n->member, s->n->member);
}

/* rule 5: t's records are a prefix of s's */
static void plan_ahead(struct lvr_plan *plan, const struct meeting *m, const struct side *s,
		       const struct side *t)
{
	bool handed_over = s->n->handover_member == t->n->member;

	if (t->active) {
		plan_behind_active(plan, m, s, t);
		return;
	}
	if (s->active) {
		supersede(plan, t);
		if (can_stream(m, s))
			stream(plan, m, s);
		else
			full_sync(plan, s, cannot_stream_text(m, s));
		return;
	}
	if ((t->unconfirmed && !s->unconfirmed && only_of(s, t)) || (s->unconfirmed && handed_over)) {
		if (!can_stream(m, s)) {
			idle(plan, s, cannot_stream_text(m, s));
			return;
		}
		stream(plan, m, s);
		plan->flags |= LVR_PLAN_F_TAIL;
		plan->until_seq = s->n->head_seq;
		return;
	}
	confirm(plan, s);
	supersede(plan, t);
	if (can_stream(m, s))
		stream(plan, m, s);
	else
		idle(plan, s, cannot_stream_text(m, s));
}

static const struct side *side_of(const struct meeting *m, u64 member)
{
	if (m->low.n->member == member)
		return &m->low;
	return m->high.n->member == member ? &m->high : NULL;
}

/* rule 4: who goes on of two equal nodes, none of them active; NULL: nobody has to */
static const struct side *successor(const struct meeting *m)
{
	const struct side *low = &m->low, *high = &m->high;
	const struct side *s;

	if (!low->unconfirmed && !high->unconfirmed)
		return NULL;
	/* both have the same last record, but one may have forgotten what it was */
	s = side_of(m, low->n->handover_member);
	if (!s)
		s = side_of(m, high->n->handover_member);
	if (s)
		return s;
	if (low->unconfirmed != high->unconfirmed)
		return low->unconfirmed ? low : high;
	if (low->newer != high->newer)
		return low->newer ? low : high;
	s = side_of(m, m->shared_member);
	return s ? s : low;
}

/* rule 4: both stand at the fork */
static void plan_equal(struct lvr_plan *plan, const struct meeting *m)
{
	const struct side *low = &m->low, *high = &m->high;
	const struct side *s = low->active ? low : high->active ? high : successor(m);

	if (!s) {
		idle(plan, NULL, "both are secondary and equal");
		return;
	}
	confirm(plan, s);
	supersede(plan, s == low ? high : low);
	if (can_stream(m, s))
		stream(plan, m, s);
	else if (s->active)
		full_sync(plan, s, cannot_stream_text(m, s));
	else
		idle(plan, s, cannot_stream_text(m, s));
}

static void decide(struct lvr_plan *plan, const struct meeting *m)
{
	const struct side *low = &m->low, *high = &m->high;

	if (low->weak && high->weak) {
		refuse(plan, REASON(NO_SOURCE));
		SAY(plan, "neither copy is consistent and to be kept");
	} else if (low->weak) {
		plan_weak(plan, m, high, low);
	} else if (high->weak) {
		plan_weak(plan, m, low, high);
	} else if (!m->related) {
		refuse(plan, REASON(UNRELATED));
		SAY(plan, "no generation is in both histories: another group's copy, or one that was away for too many changes of the primary; discard it to bring it back");
	} else if (m->chain_differs) {
		refuse(plan, REASON(CHAIN));
		SAY(plan, "the chains at %llu differ", m->fork_seq);
	} else if (!low->beyond && !high->beyond) {
		plan_equal(plan, m);
	} else if (!low->beyond || !high->beyond) {
		plan_ahead(plan, m, low->beyond ? low : high, low->beyond ? high : low);
	} else if (began_again(m, low, high)) {
		plan_give_way(plan, m, low, high);
	} else if (began_again(m, high, low)) {
		plan_give_way(plan, m, high, low);
	} else if (low->newer && high->newer) {
		refuse(plan, REASON(DIVERGED));
		SAY(plan, "both wrote past %llu, members %u and %u", m->fork_seq, low->n->member,
		    high->n->member);
	} else {
		plan_give_way(plan, m, low->newer ? low : high, low->newer ? high : low);
	}
}

/**
 * lvr_plan_make - what two nodes that meet do
 * @me: this node, with its lookup at lvr_plan_fork()
 * @peer: the other, with its
 * @plan: is filled; the same if @me and @peer change places
 *
 * Any context, does not sleep.
 */
void lvr_plan_make(const struct lvr_plan_node *me, const struct lvr_plan_node *peer,
		   struct lvr_plan *plan)
{
	u32 reasons = mismatches(me, peer);
	struct meeting m;

	memset(plan, 0, sizeof(*plan));
	plan->source = LVR_PLAN_NO_MEMBER;
	plan->confirm_member = LVR_PLAN_NO_MEMBER;
	meet(&m, me, peer);
	plan->fork_seq = m.fork_seq;
	if (reasons) {
		refuse(plan, reasons);
		lvr_refusals_format(reasons, plan->text.text, sizeof(plan->text.text));
		return;
	}
	decide(plan, &m);
}

/**
 * lvr_plan_agrees - whether two nodes reached the same plan
 * @a: one plan
 * @b: the other
 *
 * Any context, does not sleep.
 *
 * Return: true if all but the text is the same.
 */
bool lvr_plan_agrees(const struct lvr_plan *a, const struct lvr_plan *b)
{
	return a->kind == b->kind && a->flags == b->flags && a->reasons == b->reasons &&
	       a->source == b->source && a->confirm_member == b->confirm_member &&
	       a->from_seq == b->from_seq && a->until_seq == b->until_seq &&
	       a->fork_seq == b->fork_seq && a->orphan_seqs == b->orphan_seqs;
}

/* ------------------------------------------------------------------ refusals */

static const char *const refusal_names[] = {
#define X(sym, name, doc) name,
	LVR_REFUSALS(X)
#undef X
};

static const char *const refusal_texts[] = {
#define X(sym, name, doc) doc,
	LVR_REFUSALS(X)
#undef X
};

/**
 * lvr_refusal_name - name of a reason to refuse
 * @bit: enum lvr_refusal, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_refusal_name(u32 bit)
{
	return bit < ARRAY_SIZE(refusal_names) ? refusal_names[bit] : "?";
}

/**
 * lvr_refusal_text - a reason to refuse, in words
 * @bit: enum lvr_refusal, may be out of range
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_refusal_text(u32 bit)
{
	return bit < ARRAY_SIZE(refusal_texts) ? refusal_texts[bit] : "?";
}

/**
 * lvr_refusals_format - names of all reasons, joined by commas
 * @reasons: bit set of enum lvr_refusal
 * @buf: where; what does not fit is cut, terminated if @bytes is not 0
 * @bytes: room
 *
 * Any context, does not sleep.
 */
void lvr_refusals_format(u32 reasons, char *buf, u32 bytes)
{
	u32 at = 0, bit;

	if (bytes)
		buf[0] = 0;
	for (bit = 0; bit < LVR_REFUSE_COUNT; bit++)
		if (reasons & 1u << bit)
			lvr_text_add(buf, bytes, &at, "%s%s", at ? "," : "",
				     lvr_refusal_name(bit));
}
