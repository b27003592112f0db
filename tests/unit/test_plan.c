// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake plan.
 *
 * Beside the histories that the plan sees, each test node has a truth: which
 * record it holds at each position. The plan must be right by the truth: what
 * it streams fits, what it drops or overwrites nobody misses. All pairs of a
 * generated set of nodes are met; then come the stories with names.
 */
#include "unit.h"
#include "plan.h"

#define MAX_SEQ		16
#define NONE		U64_MAX

/* ids of generations; the low bits tell the member that began them */
#define GEN(n, member)	((n) * 16ull + (member) + 1)
#define BEGUN_BY(gen)	((u32)((gen) % 16) - 1)

struct begun {
	u64 gen;
	u64 first_seq;
};

/* everything that a node ever lived through */
struct life {
	u32 count;
	struct begun begun[6];
};

/* what the plan is not told */
struct truth {
	struct lvr_plan_node *node;
	u64 record[MAX_SEQ];	/* generation of the record at each position */
};

static struct truth low, high;
static u64 plans_made;

static u64 mix(u64 a, u64 b)
{
	u64 seed = a * 31 + b;

	return next_random(&seed);
}

/* running hash of the records before a position */
static u64 chain_of(const u64 *record, u64 seq)
{
	u64 chain = 0, i;

	for (i = 0; i < seq; i++)
		chain = mix(chain, record[i]);
	return chain;
}

static const u8 uuid[LVR_UUID_BYTES] = { 1, 2, 3 };

/* a node that lived this life up to head; its history is pruned before entry `pruned` */
static void live(struct truth *t, u32 member, const struct life *life, u32 pruned, u64 head_seq)
{
	struct lvr_plan_node *n = t->node;
	u64 seq;
	u32 i;

	memset(t->record, 0, sizeof(t->record));
	for (i = 0; i < life->count; i++)
		for (seq = life->begun[i].first_seq; seq < head_seq; seq++)
			t->record[seq] = life->begun[i].gen;

	n->member = member;
	n->flags = 0;
	memcpy(n->group_uuid, uuid, sizeof(uuid));
	n->ring_bytes = LVR_RING_MIN_BYTES;
	n->head_seq = n->durable_seq = n->destaged_seq = head_seq;
	n->tail_seq = 0;
	n->head_chain = chain_of(t->record, head_seq);
	n->sync_id = n->source_sync_id = 0;
	n->handover_member = NONE;
	n->history_entries = 0;
	for (i = pruned; i < life->count; i++)
		n->history[n->history_entries++] = (struct lvr_generation){
			.gen = life->begun[i].gen, .first_seq = life->begun[i].first_seq,
			.fork_chain = chain_of(t->record, life->begun[i].first_seq),
			.member = BEGUN_BY(life->begun[i].gen),
		};
	if (life->count && BEGUN_BY(life->begun[life->count - 1].gen) == member)
		n->flags |= LVR_NODE_F_WROTE;
	n->volumes = 1;
	n->volume[0] = (struct lvr_plan_volume){ .name = "v", .size_sect = 8, .block_bytes = 512 };
	n->fork_known = false;
	n->fork_chain = 0;
}

/* what the LOOKUP frames do */
static void look_up(struct truth *a, struct truth *b)
{
	struct truth *both[2] = { a, b };
	bool related;
	u64 fork = lvr_plan_fork(a->node, b->node, &related);
	u32 i;

	for (i = 0; i < 2; i++) {
		struct lvr_plan_node *n = both[i]->node;

		n->fork_known = related && fork >= n->tail_seq && fork <= n->head_seq;
		n->fork_chain = n->fork_known ? chain_of(both[i]->record, fork) : 0;
	}
}

static struct lvr_plan meet(struct truth *a, struct truth *b)
{
	struct lvr_plan plan, mirrored;

	look_up(a, b);
	lvr_plan_make(a->node, b->node, &plan);
	lvr_plan_make(b->node, a->node, &mirrored);
	check(lvr_plan_agrees(&plan, &mirrored), "\"%s\" and \"%s\"", plan.text.text,
	      mirrored.text.text);
	check(!strcmp(plan.text.text, mirrored.text.text) && plan.text.text[0], "\"%s\" and \"%s\"",
	      plan.text.text, mirrored.text.text);
	plans_made++;
	return plan;
}

/* how many records two nodes hold in common */
static u64 common(const struct truth *a, const struct truth *b)
{
	u64 seq = 0;

	while (seq < a->node->head_seq && seq < b->node->head_seq && a->record[seq] == b->record[seq])
		seq++;
	return seq;
}

static void describe(const char *which, const struct truth *t)
{
	const struct lvr_plan_node *n = t->node;
	u32 i;

	print_error("%s: member %u, flags %#x, tail %llu, destaged %llu, head %llu, handover %lld, history",
		    which, n->member, n->flags, n->tail_seq, n->destaged_seq, n->head_seq,
		    (long long)n->handover_member);
	for (i = 0; i < n->history_entries; i++)
		print_error(" %llu@%llu", n->history[i].gen, n->history[i].first_seq);
	print_error("; records");
	for (i = 0; i < n->head_seq; i++)
		print_error(" %llu", t->record[i]);
	print_error("\n");
}

/* safety: by the truth, of any plan for any two nodes */
#define hold(cond) do {							\
	if (!(cond)) {							\
		describe("a", a);					\
		describe("b", b);					\
		print_error("plan: kind %u, flags %#x, reasons %#x, source %u, confirm %u, from %llu, until %llu, fork %llu: %s\n",	\
			    p->kind, p->flags, p->reasons, p->source, p->confirm_member,	\
			    p->from_seq, p->until_seq, p->fork_seq, p->text.text);	\
		print_error("%s\n", #cond);				\
		_fail(__FILE__, __LINE__);				\
	}								\
} while (0)

#define WEAK (LVR_NODE_F_BLANK | LVR_NODE_F_INCONSISTENT | LVR_NODE_F_DISCARD)

static bool is_active(const struct truth *t)
{
	return t->node->flags & LVR_NODE_F_ACTIVE;
}

static bool is_unconfirmed(const struct truth *t)
{
	return t->node->flags & LVR_NODE_F_UNCONFIRMED && !is_active(t);
}

/* t has been primary since the two parted, and has written */
static bool wrote_apart(const struct truth *t, const struct truth *other)
{
	u64 seq;

	for (seq = common(t, other); seq < t->node->head_seq; seq++)
		if (BEGUN_BY(t->record[seq]) == t->node->member)
			return true;
	return false;
}

/* t has been primary after the other: it wrote in a generation that the other never heard of */
static bool took_over(const struct truth *t, const struct truth *other)
{
	u64 seq;
	u32 i;

	for (seq = common(t, other); seq < t->node->head_seq; seq++) {
		for (i = 0; i < other->node->history_entries; i++)
			if (other->node->history[i].gen == t->record[seq])
				break;
		if (i == other->node->history_entries &&
		    BEGUN_BY(t->record[seq]) == t->node->member)
			return true;
	}
	return false;
}

static bool is_source(const struct truth *t, const struct lvr_plan *p)
{
	return t->node->member == p->source;
}

static void check_safe(const struct truth *a, const struct truth *b, const struct lvr_plan *p)
{
	const struct truth *s = is_source(a, p) ? a : b, *t = is_source(a, p) ? b : a;
	const struct truth *c = p->confirm_member == a->node->member ? a : b;
	const struct truth *not_c = c == a ? b : a;
	const u32 known = LVR_PLAN_F_KNOWN;
	u64 shared = common(a, b), seq;
	bool decided = p->source != LVR_PLAN_NO_MEMBER;

	hold((p->kind == LVR_PLAN_REFUSE) == (p->reasons != 0));
	hold(!(p->flags & ~known));
	hold(!decided || is_source(a, p) != is_source(b, p));
	hold(p->kind < LVR_PLAN_STREAM || decided);
	hold(p->kind == LVR_PLAN_STREAM || !(p->flags & (LVR_PLAN_F_TRUNCATE | LVR_PLAN_F_TAIL)));
	hold(p->kind == LVR_PLAN_FULL_SYNC || !(p->flags & LVR_PLAN_F_RESUME));
	if (is_active(a) && is_active(b))
		hold(p->kind == LVR_PLAN_REFUSE && p->reasons & 1u << LVR_REFUSE_BOTH_PRIMARY);

	/* nobody is confirmed beside an active one, or beside one that wrote since */
	hold(!!(p->flags & LVR_PLAN_F_CONFIRM) == (p->confirm_member != LVR_PLAN_NO_MEMBER));
	if (p->flags & LVR_PLAN_F_CONFIRM) {
		hold(p->confirm_member == p->source);
		hold(is_unconfirmed(c));
		hold(!is_active(not_c));
		hold(!(c->node->flags & WEAK));
		hold(!took_over(not_c, c) ||
		     not_c->node->flags & (LVR_NODE_F_BLANK | LVR_NODE_F_DISCARD));
		/* the log was not handed over to the other one, unless it was never taken up */
		hold(not_c->node->flags & WEAK || c->node->handover_member != not_c->node->member ||
		     not_c->node->head_seq > shared ||
		     (p->flags & LVR_PLAN_F_TAIL) == 0);
	}
	if (p->flags & LVR_PLAN_F_SUPERSEDE) {
		hold(decided);
		hold(is_unconfirmed(t));
		hold(!(p->flags & LVR_PLAN_F_CONFIRM) || p->confirm_member != t->node->member);
	}

	if (p->kind == LVR_PLAN_STREAM) {
		/* what is sent is there, and fits where it goes */
		hold(!(s->node->flags & WEAK) && !(t->node->flags & WEAK));
		hold(!is_active(t));
		hold(s->node->tail_seq <= p->from_seq && p->from_seq <= s->node->head_seq);
		hold(!(s->node->flags & LVR_NODE_F_PEER_NEEDS_SYNC));
		hold(p->from_seq <= shared);
		hold(p->from_seq <= t->node->head_seq);
		if (!(p->flags & LVR_PLAN_F_TRUNCATE))
			hold(p->from_seq == t->node->head_seq);
		/* with a peer that confirms or is the source, one goes on */
		hold(!is_unconfirmed(t) || p->flags & (LVR_PLAN_F_SUPERSEDE | LVR_PLAN_F_TAIL));
	}
	if (p->flags & LVR_PLAN_F_TRUNCATE) {
		hold(p->from_seq < t->node->head_seq);
		hold(t->node->destaged_seq <= p->from_seq);
		hold(p->from_seq == shared);
		for (seq = p->from_seq; seq < t->node->head_seq; seq++)
			hold(BEGUN_BY(t->record[seq]) != t->node->member);
		/* somebody has begun a generation from there */
		hold(s->node->history[s->node->history_entries - 1].first_seq >= p->from_seq);
		hold(is_active(s) || s->node->head_seq > p->from_seq);
	}
	if (p->flags & LVR_PLAN_F_TAIL) {
		hold(p->until_seq == s->node->head_seq && p->until_seq > p->from_seq);
		hold(!(p->flags & (LVR_PLAN_F_CONFIRM | LVR_PLAN_F_SUPERSEDE | LVR_PLAN_F_TRUNCATE)));
		hold(!is_active(s) && !is_active(t));
		/* who would go on instead, by work that t never heard of, has handed over to it */
		hold(!took_over(s, t) || s->node->handover_member == t->node->member);
	} else {
		hold(p->until_seq == 0);
	}
	if (p->kind == LVR_PLAN_FULL_SYNC) {
		hold(is_active(s) && !is_active(t));
		hold(!(s->node->flags & WEAK));
		/* the target is given up, or has nothing that the source lacks */
		hold(t->node->flags & WEAK || shared == t->node->head_seq);
		if (p->flags & LVR_PLAN_F_RESUME) {
			hold(t->node->sync_id && t->node->sync_id == s->node->source_sync_id);
			hold(p->from_seq == t->node->head_seq && shared >= p->from_seq);
			hold(s->node->tail_seq <= p->from_seq);
		} else {
			hold(p->from_seq == s->node->head_seq);
		}
		hold(!is_unconfirmed(t) || p->flags & LVR_PLAN_F_SUPERSEDE);
	}
	if (p->kind == LVR_PLAN_IDLE)
		hold(!is_active(a) && !is_active(b));
	if (p->reasons & 1u << LVR_REFUSE_ORPHANS) {
		hold(p->orphan_seqs && p->orphan_seqs == t->node->head_seq - p->fork_seq);
		hold(!is_active(t));
	} else {
		hold(p->orphan_seqs == 0);
	}
}

/* and it gets somewhere: where nothing speaks against it, nodes go on */
static void check_gets_on(const struct truth *a, const struct truth *b, const struct lvr_plan *p)
{
	const struct truth *s = is_active(a) ? a : b, *t = is_active(a) ? b : a;
	bool one_active = is_active(a) != is_active(b);
	u64 shared = common(a, b);

	/* an active node's peer that holds nothing of its own is never refused for its records */
	if (one_active && !(s->node->flags & WEAK) && shared == t->node->head_seq &&
	    (!p->reasons || p->reasons & (1u << LVR_REFUSE_DIVERGED | 1u << LVR_REFUSE_ORPHANS |
					  1u << LVR_REFUSE_NO_SOURCE)))
		hold(p->kind == LVR_PLAN_STREAM || p->kind == LVR_PLAN_FULL_SYNC);
	/* both wrote: never anything but a refusal */
	if (wrote_apart(a, b) && wrote_apart(b, a) && !((a->node->flags | b->node->flags) & WEAK))
		hold(p->kind == LVR_PLAN_REFUSE);
}

/* the part of a node that these tests use: the whole is 15 KiB, and there are millions */
static void copy_node(struct lvr_plan_node *to, const struct lvr_plan_node *from)
{
	memcpy(to, from, offsetof(struct lvr_plan_node, history));
	memcpy(to->history, from->history, 8 * sizeof(to->history[0]));
	memcpy(to->volume, from->volume, 4 * sizeof(to->volume[0]));
	to->fork_known = from->fork_known;
	to->fork_chain = from->fork_chain;
}

/*
 * What the two nodes are after a stream ended: the target holds what the
 * source holds. Then they meet again; nobody may be refused then, and the
 * tail is not taken twice.
 */
static void check_after_stream(struct truth *a, struct truth *b, const struct lvr_plan *p)
{
	static struct lvr_plan_node saved_a, saved_b;
	static struct truth truth_a, truth_b;
	struct truth *s = is_source(a, p) ? a : b, *t = is_source(a, p) ? b : a;
	struct lvr_plan_node *tn = t->node, *sn = s->node;
	struct lvr_plan again;

	if (p->kind != LVR_PLAN_STREAM)
		return;
	copy_node(&saved_a, a->node);
	copy_node(&saved_b, b->node);
	truth_a = *a, truth_b = *b;
	memcpy(t->record, s->record, sizeof(t->record));
	tn->head_seq = tn->durable_seq = sn->head_seq;
	tn->destaged_seq = min(tn->destaged_seq, tn->head_seq);
	tn->head_chain = sn->head_chain;
	memcpy(tn->history, sn->history, 8 * sizeof(tn->history[0]));
	tn->history_entries = sn->history_entries;
	tn->handover_member = sn->handover_member;
	tn->flags &= ~LVR_NODE_F_WROTE;
	if (p->flags & LVR_PLAN_F_SUPERSEDE)
		tn->flags &= ~LVR_NODE_F_UNCONFIRMED;
	if (p->flags & LVR_PLAN_F_CONFIRM) {
		sn->flags &= ~LVR_NODE_F_UNCONFIRMED;
		sn->flags |= LVR_NODE_F_ACTIVE;
	}
	again = meet(a, b);
	check_safe(a, b, &again);
	hold(again.kind != LVR_PLAN_REFUSE && !(again.flags & LVR_PLAN_F_TAIL));
	/* whoever waited and could be told, has been told by now */
	if (p->flags & LVR_PLAN_F_TAIL)
		hold(again.flags & (LVR_PLAN_F_CONFIRM | LVR_PLAN_F_SUPERSEDE));
	else if (is_active(s) || is_active(t))
		hold(again.kind == LVR_PLAN_STREAM && again.source == p->source);
	*a = truth_a, *b = truth_b;
	copy_node(a->node, &saved_a);
	copy_node(b->node, &saved_b);
}

/* ------------------------------------------------------------- all together */

/* lives that branch off each other in every way at positions 0, 2, 4 */
static const struct life lives[] = {
	{ 0, { } },
	{ 1, { { GEN(1, 0), 0 } } },
	{ 2, { { GEN(1, 0), 0 }, { GEN(2, 0), 2 } } },
	{ 2, { { GEN(1, 0), 0 }, { GEN(3, 1), 2 } } },
	{ 2, { { GEN(1, 0), 0 }, { GEN(4, 0), 4 } } },
	{ 2, { { GEN(1, 0), 0 }, { GEN(5, 1), 4 } } },
	{ 3, { { GEN(1, 0), 0 }, { GEN(3, 1), 2 }, { GEN(6, 0), 4 } } },
	{ 3, { { GEN(1, 0), 0 }, { GEN(3, 1), 2 }, { GEN(7, 1), 4 } } },
	{ 3, { { GEN(1, 0), 0 }, { GEN(2, 0), 2 }, { GEN(8, 1), 2 } } },
	{ 2, { { GEN(1, 0), 0 }, { GEN(11, 0), 2 } } },
	{ 1, { { GEN(9, 2), 0 } } },
	{ 2, { { GEN(9, 2), 0 }, { GEN(10, 1), 2 } } },
};

static const u32 roles[] = { 0, LVR_NODE_F_ACTIVE, LVR_NODE_F_UNCONFIRMED };
static const u32 conditions[] = {
	0, LVR_NODE_F_PEER_NEEDS_SYNC, LVR_NODE_F_BLANK | LVR_NODE_F_INCONSISTENT,
	LVR_NODE_F_INCONSISTENT, LVR_NODE_F_DISCARD, LVR_NODE_F_INCONSISTENT | LVR_NODE_F_DISCARD,
};

struct spec {
	u8 life, pruned, head, tail, destaged, role, condition, handover, sync;
};

static struct spec *specs;
static u32 spec_count;

static void make_specs(void)
{
	struct spec s;
	u32 room = 1 << 20;

	specs = must_alloc(room * sizeof(*specs));
	memset(&s, 0, sizeof(s));
	for (s.life = 0; s.life < ARRAY_SIZE(lives); s.life++) {
		const struct life *life = &lives[s.life];
		u64 least = life->count ? life->begun[life->count - 1].first_seq : 0;

		for (s.pruned = 0; s.pruned <= (life->count > 1); s.pruned++)
		for (s.head = least; s.head <= (life->count ? 6 : 0); s.head++)
		for (s.tail = 0; s.tail <= s.head; s.tail += 3)
		for (s.destaged = s.tail; s.destaged <= s.head; s.destaged += 2)
		for (s.role = 0; s.role < ARRAY_SIZE(roles); s.role++)
		for (s.condition = 0; s.condition < ARRAY_SIZE(conditions); s.condition++)
		for (s.sync = 0; s.sync < 2; s.sync++)
		for (s.handover = 0; s.handover < 3; s.handover++) {
			/* one axis at a time beside lives and roles */
			if (!!s.sync + !!s.handover + (s.destaged > s.tail) + s.pruned > 1)
				continue;
			/* what a copy to be overwritten has in its log plays no part */
			if (conditions[s.condition] & WEAK && s.destaged)
				continue;
			if (s.pruned && s.tail < life->begun[1].first_seq)
				continue;
			if (s.handover && (s.condition > 1 || !s.head))
				continue;
			if (s.sync && s.condition < 2 && roles[s.role] != LVR_NODE_F_ACTIVE)
				continue;
			check(spec_count < room, "too many");
			specs[spec_count++] = s;
		}
	}
}

static void apply(struct truth *t, const struct spec *s, u32 member)
{
	live(t, member, &lives[s->life], s->pruned, s->head);
	t->node->tail_seq = s->tail;
	t->node->destaged_seq = s->destaged;
	t->node->flags |= roles[s->role] | conditions[s->condition];
	t->node->handover_member = s->handover ? s->handover - 1ull : NONE;
	t->node->sync_id = conditions[s->condition] & WEAK && s->sync ? 7 : 0;
	t->node->source_sync_id = !(conditions[s->condition] & WEAK) && s->sync ? 7 : 0;
}

static void all_pairs_are_safe(void **state)
{
	u32 kinds[LVR_PLAN_FULL_SYNC + 1] = {}, flags[5] = {}, reasons[LVR_REFUSE_COUNT] = {};
	u32 i, j, k;

	(void)state;
	for (i = 0; i < spec_count; i++) {
		apply(&low, &specs[i], 0);
		for (j = 0; j < spec_count; j++) {
			struct lvr_plan plan;

			apply(&high, &specs[j], 1);
			/* the last record is the same if both end at the same */
			if (low.node->head_seq == high.node->head_seq &&
			    low.node->head_chain == high.node->head_chain &&
			    low.node->handover_member != high.node->handover_member &&
			    low.node->handover_member != NONE && high.node->handover_member != NONE)
				continue;
			plan = meet(&low, &high);
			check_safe(&low, &high, &plan);
			check_gets_on(&low, &high, &plan);
			check_after_stream(&low, &high, &plan);
			kinds[plan.kind]++;
			for (k = 0; k < ARRAY_SIZE(flags); k++)
				flags[k] += plan.flags >> k & 1;
			for (k = 0; k < LVR_REFUSE_COUNT; k++)
				reasons[k] += plan.reasons >> k & 1;
		}
	}
	/* the set was wide enough to see every answer */
	for (k = LVR_PLAN_REFUSE; k <= LVR_PLAN_FULL_SYNC; k++)
		check(kinds[k] > 1000, "kind %u: %u", k, kinds[k]);
	for (k = 0; k < ARRAY_SIZE(flags); k++)
		check(flags[k] > 100, "flag %u: %u", k, flags[k]);
	check(reasons[LVR_REFUSE_BOTH_PRIMARY] && reasons[LVR_REFUSE_DIVERGED] &&
	      reasons[LVR_REFUSE_ORPHANS] && reasons[LVR_REFUSE_UNRELATED] &&
	      reasons[LVR_REFUSE_NO_SOURCE], "reasons");
	print_message("# %u nodes, %llu plans\n", spec_count, plans_made);
	check(plans_made > 1000000, "%llu plans", plans_made);
}

/* by the truth, the fork is where the records part, or before it */
static void the_fork_is_where_records_part(void **state)
{
	u32 i, j, ha, hb, exact = 0;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lives); i++) {
		for (j = 0; j < ARRAY_SIZE(lives); j++) {
			for (ha = 0; ha <= 6; ha++) {
				for (hb = 0; hb <= 6; hb++) {
					const struct life *a = &lives[i], *b = &lives[j];
					bool related;
					u64 fork;

					if (a->count ? a->begun[a->count - 1].first_seq > ha : ha)
						continue;
					if (b->count ? b->begun[b->count - 1].first_seq > hb : hb)
						continue;
					live(&low, 0, a, 0, ha);
					live(&high, 1, b, 0, hb);
					fork = lvr_plan_fork(low.node, high.node, &related);
					check(fork == lvr_plan_fork(high.node, low.node, NULL), "%u %u", i, j);
					if (!related) {
						check(common(&low, &high) == 0 && fork == 0, "%u %u", i, j);
						continue;
					}
					check(fork == common(&low, &high), "lives %u at %u, %u at %u: %llu, not %llu",
					      i, ha, j, hb, fork, common(&low, &high));
					exact++;
				}
			}
		}
	}
	assert_true(exact > 500);
}

/* a history that was pruned as far as both stand answers as the whole one does */
static void pruning_does_not_change_the_plan(void **state)
{
	struct lvr_super *sb = must_alloc(sizeof(*sb));
	u32 i, j, k, compared = 0;

	(void)state;
	for (i = 0; i < spec_count; i += 7) {
		if (specs[i].pruned)
			continue;
		for (j = i % 11; j < spec_count; j += 211) {
			struct lvr_plan whole, pruned;
			bool was, is;

			if (specs[j].pruned)
				continue;
			apply(&low, &specs[i], 0);
			apply(&high, &specs[j], 1);
			lvr_plan_fork(low.node, high.node, &was);
			whole = meet(&low, &high);
			/* as the checkpoint does: no further than the other stands in common */
			memset(sb, 0, sizeof(*sb));
			sb->history_entries = low.node->history_entries;
			memcpy(sb->history, low.node->history, sizeof(sb->history));
			lvr_super_prune_history(sb, common(&low, &high));
			low.node->history_entries = sb->history_entries;
			memcpy(low.node->history, sb->history, sizeof(sb->history));
			lvr_plan_fork(low.node, high.node, &is);
			pruned = meet(&low, &high);
			check(was == is, "pair %u %u", i, j);
			check(lvr_plan_agrees(&whole, &pruned), "pair %u %u: \"%s\", then \"%s\"", i, j,
			      whole.text.text, pruned.text.text);
			for (k = 0; k < lives[specs[i].life].count; k++)
				compared += sb->history_entries < lives[specs[i].life].count;
		}
	}
	assert_true(compared > 1000);
	free(sb);
}

/* -------------------------------------------------------------------- stories */

#define LIFE(...) (&(const struct life){ sizeof((struct begun[]){ __VA_ARGS__ }) / sizeof(struct begun), { __VA_ARGS__ } })
#define EMPTY_LIFE (&(const struct life){ 0, { } })

/* generations of the stories: who began them */
#define A1 GEN(1, 0)
#define A2 GEN(2, 0)
#define A3 GEN(3, 0)
#define A4 GEN(7, 0)
#define B1 GEN(4, 1)
#define B2 GEN(5, 1)
#define B3 GEN(6, 1)

#define ACTIVE LVR_NODE_F_ACTIVE
#define UNCONFIRMED LVR_NODE_F_UNCONFIRMED

static void node_a(const struct life *life, u64 head_seq, u32 flags)
{
	live(&low, 0, life, 0, head_seq);
	low.node->flags |= flags;
}

static void node_b(const struct life *life, u64 head_seq, u32 flags)
{
	live(&high, 1, life, 0, head_seq);
	high.node->flags |= flags;
}

static struct lvr_plan meet_and_check(void)
{
	struct lvr_plan plan = meet(&low, &high);

	check_safe(&low, &high, &plan);
	check_gets_on(&low, &high, &plan);
	check_after_stream(&low, &high, &plan);
	return plan;
}

static void expect_stream(u32 source, u64 from_seq, u32 flags, u32 confirm_member)
{
	struct lvr_plan p = meet_and_check();

	check(p.kind == LVR_PLAN_STREAM && p.source == source && p.from_seq == from_seq &&
	      p.flags == flags && p.confirm_member == confirm_member,
	      "kind %u, source %u, from %llu, flags %#x, confirm %u: %s", p.kind, p.source,
	      p.from_seq, p.flags, p.confirm_member, p.text.text);
}

static void expect_full_sync(u32 source, u64 from_seq, u32 flags)
{
	struct lvr_plan p = meet_and_check();

	check(p.kind == LVR_PLAN_FULL_SYNC && p.source == source && p.from_seq == from_seq &&
	      p.flags == flags, "kind %u, source %u, from %llu, flags %#x: %s", p.kind, p.source,
	      p.from_seq, p.flags, p.text.text);
}

static void expect_idle(u32 source, u32 flags, u32 confirm_member)
{
	struct lvr_plan p = meet_and_check();

	check(p.kind == LVR_PLAN_IDLE && p.source == source && p.flags == flags &&
	      p.confirm_member == confirm_member, "kind %u, source %u, flags %#x, confirm %u: %s",
	      p.kind, p.source, p.flags, p.confirm_member, p.text.text);
}

static void expect_refusal(u32 reasons, u32 source, u32 flags, u64 orphan_seqs)
{
	struct lvr_plan p = meet_and_check();

	check(p.kind == LVR_PLAN_REFUSE && p.reasons == reasons && p.source == source &&
	      p.flags == flags && p.orphan_seqs == orphan_seqs,
	      "kind %u, reasons %#x, source %u, flags %#x, %llu orphans: %s", p.kind, p.reasons,
	      p.source, p.flags, p.orphan_seqs, p.text.text);
}

#define R(name) (1u << LVR_REFUSE_##name)
#define NOBODY LVR_PLAN_NO_MEMBER
#define SUPERSEDE LVR_PLAN_F_SUPERSEDE
#define CONFIRM LVR_PLAN_F_CONFIRM
#define TRUNCATE LVR_PLAN_F_TRUNCATE
#define TAIL LVR_PLAN_F_TAIL

static void initial_synchronisation(void **state)
{
	(void)state;
	/* the target is blank and has no uuid yet; the source is not primary yet */
	node_a(EMPTY_LIFE, 0, 0);
	node_b(EMPTY_LIFE, 0, LVR_NODE_F_BLANK | LVR_NODE_F_INCONSISTENT);
	memset(high.node->group_uuid, 0, LVR_UUID_BYTES);
	expect_idle(0, 0, NOBODY);
	/* it is promoted, and has written */
	node_a(LIFE({ A1, 0 }), 5, ACTIVE);
	expect_full_sync(0, 5, 0);
	/* broken off on the way, both know how far: goes on with the records since */
	node_a(LIFE({ A1, 0 }), 9, ACTIVE);
	low.node->source_sync_id = 77;
	node_b(LIFE({ A1, 0 }), 7, LVR_NODE_F_INCONSISTENT);
	high.node->sync_id = 77;
	high.node->tail_seq = 5;
	expect_full_sync(0, 7, LVR_PLAN_F_RESUME);
	/* also while the source still says that the log alone would not do */
	low.node->flags |= LVR_NODE_F_PEER_NEEDS_SYNC;
	expect_full_sync(0, 7, LVR_PLAN_F_RESUME);
	/* the source has forgotten it, or begun another one, or has no records any more: from the start */
	low.node->source_sync_id = 0;
	expect_full_sync(0, 9, 0);
	low.node->source_sync_id = 78;
	expect_full_sync(0, 9, 0);
	low.node->source_sync_id = 77;
	low.node->tail_seq = 8;
	expect_full_sync(0, 9, 0);
	/* the source restarted meanwhile: it cannot have been superseded by such a target */
	node_a(LIFE({ A1, 0 }), 9, UNCONFIRMED);
	expect_idle(0, CONFIRM, 0);
	/* finished */
	node_a(LIFE({ A1, 0 }), 9, ACTIVE);
	node_b(LIFE({ A1, 0 }), 9, 0);
	expect_stream(0, 9, 0, NOBODY);
}

/* both made from the same content: no synchronisation, whenever the first write comes */
static void two_new_equal_nodes(void **state)
{
	(void)state;
	node_a(EMPTY_LIFE, 0, 0);
	node_b(EMPTY_LIFE, 0, 0);
	expect_idle(NOBODY, 0, NOBODY);
	node_a(EMPTY_LIFE, 0, ACTIVE);
	expect_stream(0, 0, 0, NOBODY);
	node_a(LIFE({ A1, 0 }), 6, ACTIVE);
	expect_stream(0, 0, 0, NOBODY);
	low.node->tail_seq = 3;
	expect_full_sync(0, 6, 0);
	/* another group is another group */
	node_a(LIFE({ A1, 0 }), 6, ACTIVE);
	high.node->group_uuid[0] ^= 1;
	expect_refusal(R(GROUP_UUID), NOBODY, 0, 0);
}

static void a_broken_connection(void **state)
{
	(void)state;
	node_a(LIFE({ A1, 0 }), 9, ACTIVE);
	node_b(LIFE({ A1, 0 }), 6, 0);
	expect_stream(0, 6, 0, NOBODY);
	low.node->tail_seq = 6;
	expect_stream(0, 6, 0, NOBODY);
	low.node->tail_seq = 7;
	expect_full_sync(0, 9, 0);
	low.node->tail_seq = 0;
	low.node->flags |= LVR_NODE_F_PEER_NEEDS_SYNC;
	expect_full_sync(0, 9, 0);
	/* the primary was restarted in between: it begins a generation each time */
	node_a(LIFE({ A1, 0 }, { A2, 8 }), 9, ACTIVE);
	expect_stream(0, 6, 0, NOBODY);
	node_b(LIFE({ A1, 0 }), 8, 0);
	expect_stream(0, 8, 0, NOBODY);
	node_b(LIFE({ A1, 0 }, { A2, 8 }), 9, 0);
	expect_stream(0, 9, 0, NOBODY);
}

/* positions are numbers, at any size */
static void large_positions(void **state)
{
	static const u64 bases[] = { 1ull << 31, 1ull << 32, 1ull << 63 };
	struct lvr_plan p;
	u32 i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		u64 base = bases[i];

		node_a(LIFE({ A1, 0 }), 3, ACTIVE);
		node_b(LIFE({ A1, 0 }), 1, 0);
		low.node->head_seq = low.node->durable_seq = low.node->destaged_seq = base + 5;
		low.node->tail_seq = base - 9;
		high.node->head_seq = high.node->durable_seq = base - 2;
		high.node->destaged_seq = base - 3;
		assert_int_equal(lvr_plan_fork(low.node, high.node, NULL), base - 2);
		low.node->fork_known = high.node->fork_known = true;
		low.node->fork_chain = high.node->fork_chain = high.node->head_chain;
		lvr_plan_make(low.node, high.node, &p);
		assert_int_equal(p.kind, LVR_PLAN_STREAM);
		assert_int_equal(p.from_seq, base - 2);
		low.node->tail_seq = base - 1;
		lvr_plan_make(low.node, high.node, &p);
		assert_int_equal(p.kind, LVR_PLAN_FULL_SYNC);
		assert_int_equal(p.from_seq, base + 5);
	}
}

/* sent before it was durable, lost in the crash: the secondary is longer */
static void a_primary_that_lost_its_tail(void **state)
{
	(void)state;
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }), 9, 0);
	high.node->destaged_seq = 5;
	expect_stream(1, 6, TAIL, NOBODY);
	/* and when it has it */
	node_a(LIFE({ A1, 0 }), 9, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }), 9, 0);
	expect_stream(0, 9, CONFIRM, 0);
	/* it had begun a generation for it; then somebody else has */
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }, { A2, 6 }), 7, 0);
	expect_stream(1, 6, TAIL, NOBODY);
	node_b(LIFE({ A1, 0 }, { A2, 6 }, { B1, 7 }), 8, 0);
	expect_stream(1, 6, SUPERSEDE, NOBODY);
	/* the secondary's log is no longer there: the operator decides */
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }), 9, 0);
	high.node->tail_seq = high.node->destaged_seq = 8;
	expect_idle(1, 0, NOBODY);

	/* it did not wait: it goes on without, and the secondary drops what nobody has applied */
	node_a(LIFE({ A1, 0 }, { A2, 6 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }), 9, 0);
	high.node->destaged_seq = 6;
	expect_stream(0, 6, TRUNCATE, NOBODY);
	/* also before it has written */
	node_a(LIFE({ A1, 0 }, { A2, 6 }), 6, ACTIVE);
	expect_stream(0, 6, TRUNCATE, NOBODY);
	/* not before it has begun its generation */
	node_a(LIFE({ A1, 0 }), 6, ACTIVE);
	expect_refusal(R(DIVERGED), NOBODY, 0, 0);
	/* what is on the volumes is never dropped silently */
	node_a(LIFE({ A1, 0 }, { A2, 6 }), 8, ACTIVE);
	high.node->destaged_seq = 7;
	expect_refusal(R(ORPHANS), 0, 0, 3);
	/* nor what the log of the source cannot replace */
	high.node->destaged_seq = 6;
	low.node->tail_seq = low.node->destaged_seq = 7;
	expect_refusal(R(ORPHANS), 0, 0, 3);
}

/* it began a generation, lost it with the power after the peer had it, and did not wait to begin the next */
static void a_primary_that_began_again(void **state)
{
	(void)state;
	node_a(LIFE({ A1, 0 }, { A3, 6 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }, { A2, 6 }), 7, 0);
	high.node->destaged_seq = 6;
	expect_stream(0, 6, TRUNCATE, NOBODY);
	/* before it has written in it; after it ended as primary, or was demoted */
	node_a(LIFE({ A1, 0 }, { A3, 6 }), 6, ACTIVE);
	expect_stream(0, 6, TRUNCATE, NOBODY);
	node_a(LIFE({ A1, 0 }, { A3, 6 }), 8, UNCONFIRMED);
	expect_stream(0, 6, TRUNCATE | CONFIRM, 0);
	node_a(LIFE({ A1, 0 }, { A3, 6 }), 8, 0);
	expect_stream(0, 6, TRUNCATE, NOBODY);
	/* more than once, on either side */
	node_a(LIFE({ A1, 0 }, { A3, 6 }, { A4, 7 }), 8, ACTIVE);
	expect_stream(0, 6, TRUNCATE, NOBODY);
	/* the same by the other member */
	node_b(LIFE({ A1, 0 }, { B2, 6 }), 8, ACTIVE);
	node_a(LIFE({ A1, 0 }, { B1, 6 }), 7, 0);
	low.node->destaged_seq = 6;
	expect_stream(1, 6, TRUNCATE, NOBODY);

	/* never what is on the volumes, or what the log of the source cannot replace */
	node_a(LIFE({ A1, 0 }, { A3, 6 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }, { A2, 6 }), 8, 0);
	high.node->destaged_seq = 7;
	expect_refusal(R(DIVERGED), NOBODY, 0, 0);
	high.node->destaged_seq = 6;
	low.node->tail_seq = 7;
	expect_refusal(R(ORPHANS), 0, 0, 2);
	/* nor where somebody else had a part in it, or would have */
	node_a(LIFE({ A1, 0 }, { A3, 6 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }, { A2, 6 }, { B1, 7 }), 8, 0);
	high.node->destaged_seq = 6;
	expect_refusal(R(DIVERGED), NOBODY, 0, 0);
	node_a(LIFE({ A1, 0 }, { B1, 6 }, { A3, 7 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }, { A2, 6 }), 8, 0);
	high.node->destaged_seq = 6;
	expect_refusal(R(DIVERGED), NOBODY, 0, 0);
	/* nor from a place that only one of them began at */
	node_a(LIFE({ A1, 0 }, { A3, 5 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }, { A2, 6 }), 8, 0);
	high.node->destaged_seq = 5;
	expect_refusal(R(DIVERGED), NOBODY, 0, 0);
}

/* began a generation, stopped before the first record of it */
static void an_unused_generation(void **state)
{
	(void)state;
	node_a(LIFE({ A1, 0 }, { A2, 6 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }), 6, 0);
	expect_stream(0, 6, CONFIRM, 0);
	/* the peer holds more of the generation before: nothing is dropped for an empty one */
	node_b(LIFE({ A1, 0 }), 8, 0);
	high.node->destaged_seq = 6;
	expect_stream(1, 6, TAIL, NOBODY);
	/* the other took over meanwhile and wrote */
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 8, ACTIVE);
	expect_stream(1, 6, SUPERSEDE, NOBODY);
	/* or did not write */
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 6, ACTIVE);
	expect_stream(1, 6, SUPERSEDE, NOBODY);
	node_b(LIFE({ A1, 0 }), 6, ACTIVE);
	expect_stream(1, 6, SUPERSEDE, NOBODY);
	/* both did the same, both restart: one goes on, always the same */
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 6, UNCONFIRMED);
	expect_stream(0, 6, CONFIRM | SUPERSEDE, 0);
	/* an empty generation on the secondary's side (it learnt of it, no record came) */
	node_a(LIFE({ A1, 0 }, { A2, 6 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }, { A2, 6 }), 6, 0);
	expect_stream(0, 6, 0, NOBODY);
}

/* the old primary is cut off, the other is promoted by force */
static void takeover(void **state)
{
	(void)state;
	/* the old one is still active when they meet */
	node_a(LIFE({ A1, 0 }), 6, ACTIVE);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 9, ACTIVE);
	expect_refusal(R(BOTH_PRIMARY), NOBODY, 0, 0);
	/* it returns without orphans */
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	expect_stream(1, 6, SUPERSEDE, NOBODY);
	/* demoted in time */
	node_a(LIFE({ A1, 0 }), 6, 0);
	expect_stream(1, 6, 0, NOBODY);
	/* with orphans: it wrote them, they are not dropped without a word */
	node_a(LIFE({ A1, 0 }), 8, UNCONFIRMED);
	low.node->destaged_seq = 5;
	expect_refusal(R(ORPHANS), 1, SUPERSEDE, 2);
	node_a(LIFE({ A1, 0 }), 8, 0);
	expect_refusal(R(ORPHANS), 1, 0, 2);
	/* the one that took over has not written yet */
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 6, ACTIVE);
	expect_refusal(R(ORPHANS), 1, 0, 2);
	node_b(LIFE({ A1, 0 }), 6, ACTIVE);
	node_a(LIFE({ A1, 0 }), 8, UNCONFIRMED);
	expect_refusal(R(ORPHANS), 1, SUPERSEDE, 2);
	/* the operator lets them go */
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 9, ACTIVE);
	node_a(LIFE({ A1, 0 }), 8, UNCONFIRMED | LVR_NODE_F_DISCARD);
	expect_full_sync(1, 9, SUPERSEDE);
	node_a(LIFE({ A1, 0 }), 8, LVR_NODE_F_DISCARD);
	expect_full_sync(1, 9, 0);
	/* the new one has become secondary meanwhile: the old one is superseded all the same */
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 9, 0);
	expect_stream(1, 6, SUPERSEDE, NOBODY);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 9, ACTIVE);
	/* it returns, the log of the new one no longer reaches back to it */
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	high.node->tail_seq = 7;
	expect_full_sync(1, 9, SUPERSEDE);
}

static void both_restarted_after_a_takeover(void **state)
{
	(void)state;
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 9, UNCONFIRMED);
	expect_stream(1, 6, CONFIRM | SUPERSEDE, 1);
	/* the old one holds orphans: refused, but both know who goes on */
	node_a(LIFE({ A1, 0 }), 8, UNCONFIRMED);
	expect_refusal(R(ORPHANS), 1, CONFIRM | SUPERSEDE, 2);
	/* the new one had not written anything */
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 6, UNCONFIRMED);
	expect_stream(1, 6, CONFIRM | SUPERSEDE, 1);
	/* nor begun anything: the one that wrote last goes on */
	node_b(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	expect_stream(0, 6, CONFIRM | SUPERSEDE, 0);
	node_a(LIFE({ A1, 0 }, { B1, 3 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }, { B1, 3 }), 6, UNCONFIRMED);
	expect_stream(1, 6, CONFIRM | SUPERSEDE, 1);
	/* the log does not reach back: nobody is left waiting all the same */
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 9, UNCONFIRMED);
	high.node->tail_seq = 8;
	expect_idle(1, CONFIRM | SUPERSEDE, 1);
}

static void split_brain(void **state)
{
	static const u32 flags[] = { 0, ACTIVE, UNCONFIRMED };
	u32 i, j;

	(void)state;
	for (i = 0; i < 3; i++) {
		for (j = 0; j < 3; j++) {
			node_a(LIFE({ A1, 0 }, { A2, 6 }), 8, flags[i]);
			node_b(LIFE({ A1, 0 }, { B1, 6 }), 7, flags[j]);
			expect_refusal(i == 1 && j == 1 ? R(BOTH_PRIMARY) : R(DIVERGED), NOBODY, 0, 0);
		}
	}
	/* one is given up */
	node_a(LIFE({ A1, 0 }, { A2, 6 }), 8, LVR_NODE_F_DISCARD | UNCONFIRMED);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 7, ACTIVE);
	expect_full_sync(1, 7, SUPERSEDE);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 7, UNCONFIRMED);
	expect_idle(1, CONFIRM, 1);
	/* both are given up */
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 7, LVR_NODE_F_DISCARD);
	expect_refusal(R(NO_SOURCE), NOBODY, 0, 0);
	/* of different depth: the fork is the earlier one */
	node_a(LIFE({ A1, 0 }, { A2, 3 }, { A3, 5 }), 9, 0);
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 9, ACTIVE);
	expect_refusal(R(DIVERGED), NOBODY, 0, 0);
	assert_int_equal(meet(&low, &high).fork_seq, 3);
}

static void a_hand_over(void **state)
{
	(void)state;
	/* done: both hold the record, b is promoted, then writes */
	node_a(LIFE({ A1, 0 }), 7, 0);
	node_b(LIFE({ A1, 0 }), 7, 0);
	low.node->handover_member = high.node->handover_member = 1;
	expect_idle(NOBODY, 0, NOBODY);
	high.node->flags |= ACTIVE;
	expect_stream(1, 7, 0, NOBODY);
	node_b(LIFE({ A1, 0 }, { B1, 7 }), 9, ACTIVE);
	expect_stream(1, 7, 0, NOBODY);

	/* a stopped behind it: it has handed over and does not go on, whoever knows of it */
	node_a(LIFE({ A1, 0 }), 7, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }), 7, 0);
	low.node->handover_member = high.node->handover_member = 1;
	expect_stream(1, 7, SUPERSEDE, NOBODY);
	low.node->handover_member = NONE;
	expect_stream(1, 7, SUPERSEDE, NOBODY);
	low.node->handover_member = 1;
	high.node->handover_member = NONE;
	expect_stream(1, 7, SUPERSEDE, NOBODY);
	/* b lacks the record yet: it is given it, nobody is confirmed */
	node_b(LIFE({ A1, 0 }), 6, 0);
	low.node->handover_member = 1;
	expect_stream(0, 6, TAIL, NOBODY);
	/* a lost the record, b has it */
	node_a(LIFE({ A1, 0 }), 6, UNCONFIRMED);
	node_b(LIFE({ A1, 0 }), 7, 0);
	high.node->handover_member = 1;
	expect_stream(1, 6, TAIL, NOBODY);
	/* b took over and stopped before it wrote */
	node_a(LIFE({ A1, 0 }), 7, 0);
	node_b(LIFE({ A1, 0 }), 7, UNCONFIRMED);
	low.node->handover_member = high.node->handover_member = 1;
	expect_stream(1, 7, CONFIRM, 1);
	/* both stopped: the one it was handed to goes on */
	low.node->flags |= UNCONFIRMED;
	expect_stream(1, 7, CONFIRM | SUPERSEDE, 1);
	/* to a third one: none of the two */
	low.node->handover_member = high.node->handover_member = 2;
	node_b(LIFE({ A1, 0 }), 7, 0);
	expect_stream(0, 7, CONFIRM, 0);
}

static void back_and_forth(void **state)
{
	(void)state;
	/* a, b, a, b: each time handed over or taken over without a loss */
	node_a(LIFE({ A1, 0 }, { B1, 2 }, { A2, 4 }), 6, 0);
	node_b(LIFE({ A1, 0 }, { B1, 2 }, { A2, 4 }, { B2, 6 }), 8, ACTIVE);
	expect_stream(1, 6, 0, NOBODY);
	/* a slept through all of it */
	node_a(LIFE({ A1, 0 }), 2, UNCONFIRMED);
	expect_stream(1, 2, SUPERSEDE, NOBODY);
	node_a(LIFE({ A1, 0 }), 1, 0);
	expect_stream(1, 1, 0, NOBODY);
	/* a was ahead in the second of them and lost */
	node_a(LIFE({ A1, 0 }, { B1, 2 }), 5, 0);
	low.node->destaged_seq = 4;
	expect_stream(1, 4, TRUNCATE, NOBODY);
	low.node->destaged_seq = 5;
	expect_refusal(R(ORPHANS), 1, 0, 1);
	/* the same with histories pruned as far as it may be */
	low.node->destaged_seq = 4;
	live(&high, 1, LIFE({ A1, 0 }, { B1, 2 }, { A2, 4 }, { B2, 6 }), 1, 8);
	high.node->flags |= ACTIVE;
	expect_stream(1, 4, TRUNCATE, NOBODY);
	/* the oldest that one knows is the only one that both know */
	node_a(LIFE({ A1, 0 }, { B1, 2 }), 4, 0);
	expect_stream(1, 4, 0, NOBODY);
	live(&low, 0, LIFE({ A1, 0 }, { B1, 2 }), 1, 3);
	expect_stream(1, 3, 0, NOBODY);
	/* pruned too far: refused, not guessed */
	live(&high, 1, LIFE({ A1, 0 }, { B1, 2 }, { A2, 4 }, { B2, 6 }), 2, 8);
	high.node->flags |= ACTIVE;
	expect_refusal(R(UNRELATED), NOBODY, 0, 0);
}

static void inconsistent_copies(void **state)
{
	(void)state;
	/* the source is not there to go on: nothing is done with it */
	node_a(LIFE({ A1, 0 }), 8, 0);
	node_b(LIFE({ A1, 0 }), 6, LVR_NODE_F_INCONSISTENT);
	expect_idle(0, 0, NOBODY);
	/* promoted by force as it was: never overwritten, never the source */
	high.node->flags |= ACTIVE;
	expect_refusal(R(NO_SOURCE), NOBODY, 0, 0);
	node_a(LIFE({ A1, 0 }), 8, UNCONFIRMED);
	expect_refusal(R(NO_SOURCE), NOBODY, 0, 0);
	/* it has been primary and stopped: the other is not told that nobody took over */
	node_b(LIFE({ A1, 0 }, { B1, 6 }), 7, LVR_NODE_F_INCONSISTENT | UNCONFIRMED);
	expect_idle(0, 0, NOBODY);
	high.node->flags |= LVR_NODE_F_DISCARD;
	expect_idle(0, CONFIRM, 0);
	/* unrelated and inconsistent */
	node_b(LIFE({ B1, 0 }), 7, LVR_NODE_F_INCONSISTENT);
	expect_idle(0, 0, NOBODY);
	node_a(LIFE({ A1, 0 }), 8, ACTIVE);
	expect_full_sync(0, 8, 0);
	/* a damaged chain does not keep a target that is overwritten anyway */
	node_b(LIFE({ A1, 0 }), 6, LVR_NODE_F_INCONSISTENT);
	high.node->head_chain ^= 1;
	expect_full_sync(0, 8, 0);
	node_a(LIFE({ A1, 0 }), 8, LVR_NODE_F_INCONSISTENT);
	expect_refusal(R(NO_SOURCE), NOBODY, 0, 0);
}

static void chains_that_differ(void **state)
{
	struct lvr_plan p;

	(void)state;
	node_a(LIFE({ A1, 0 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }), 6, 0);
	look_up(&low, &high);
	low.node->fork_chain ^= 1;
	lvr_plan_make(low.node, high.node, &p);
	assert_int_equal(p.kind, LVR_PLAN_REFUSE);
	assert_int_equal(p.reasons, R(CHAIN));
	/* a node that says two things of one position */
	look_up(&low, &high);
	high.node->fork_chain ^= 1;
	lvr_plan_make(low.node, high.node, &p);
	assert_int_equal(p.reasons, R(CHAIN));
	/* equal ids and positions are not enough */
	node_b(LIFE({ A1, 0 }), 8, 0);
	look_up(&low, &high);
	high.node->head_chain ^= 1;
	high.node->fork_known = false;
	lvr_plan_make(low.node, high.node, &p);
	assert_int_equal(p.reasons, R(CHAIN));
	/* the history tells it where the log no longer does */
	node_a(LIFE({ A1, 0 }, { A2, 6 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }), 6, 0);
	low.node->tail_seq = 7;
	expect_full_sync(0, 8, 0);
	high.node->head_chain ^= 1;
	high.node->fork_known = false;
	lvr_plan_make(low.node, high.node, &p);
	assert_int_equal(p.reasons, R(CHAIN));
	/* one does not know it: no streaming */
	node_a(LIFE({ A1, 0 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }), 6, 0);
	low.node->fork_known = high.node->fork_known = false;
	lvr_plan_make(low.node, high.node, &p);
	assert_int_equal(p.kind, LVR_PLAN_FULL_SYNC);
}

static void unrelated_nodes(void **state)
{
	(void)state;
	node_a(LIFE({ A1, 0 }), 8, ACTIVE);
	node_b(LIFE({ B1, 0 }), 8, 0);
	expect_refusal(R(UNRELATED), NOBODY, 0, 0);
	/* the same id at another place, or from another chain, is another generation */
	node_b(LIFE({ A1, 0 }), 8, 0);
	high.node->history[0].first_seq = 1;
	expect_refusal(R(UNRELATED), NOBODY, 0, 0);
	high.node->history[0].first_seq = 0;
	high.node->history[0].fork_chain ^= 1;
	expect_refusal(R(UNRELATED), NOBODY, 0, 0);
	/* no history, but not at the beginning either */
	node_b(EMPTY_LIFE, 0, 0);
	high.node->head_seq = high.node->durable_seq = high.node->destaged_seq = 3;
	expect_refusal(R(UNRELATED), NOBODY, 0, 0);
	node_a(EMPTY_LIFE, 0, ACTIVE);
	expect_refusal(R(UNRELATED), NOBODY, 0, 0);
}

static void every_mismatch_at_once(void **state)
{
	struct lvr_plan p;
	char text[128];

	(void)state;
	node_a(LIFE({ A1, 0 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }), 8, 0);
	high.node->volume[0].size_sect++;
	expect_refusal(R(VOLUME_SIZE), NOBODY, 0, 0);
	high.node->volume[0].block_bytes = 4096;
	strcpy(high.node->volume[0].name, "w");
	high.node->volumes = 2;
	high.node->volume[1] = (struct lvr_plan_volume){ .name = "x", .size_sect = 1, .id = 5 };
	high.node->group_uuid[3] ^= 1;
	high.node->flags |= ACTIVE;
	expect_refusal(R(VOLUME_SIZE) | R(VOLUME_BLOCK) | R(VOLUME_NAME) | R(VOLUME_MISSING) |
		       R(GROUP_UUID) | R(BOTH_PRIMARY), NOBODY, 0, 0);
	p = meet(&low, &high);
	lvr_refusals_format(p.reasons, text, sizeof(text));
	assert_string_equal(p.text.text, text);

	/* a volume on the other side only, from both sides; the order does not matter */
	node_b(LIFE({ A1, 0 }), 8, 0);
	high.node->volumes = 0;
	expect_refusal(R(VOLUME_MISSING), NOBODY, 0, 0);
	low.node->volumes = high.node->volumes = 2;
	low.node->volume[1] = (struct lvr_plan_volume){ .name = "x", .size_sect = 1, .id = 5,
							.block_bytes = 512 };
	high.node->volume[1] = low.node->volume[0];
	high.node->volume[0] = low.node->volume[1];
	expect_stream(0, 8, 0, NOBODY);

	/* a uuid of zero is a blank target's only */
	node_b(LIFE({ A1, 0 }), 8, 0);
	low.node->volumes = 1;
	memset(high.node->group_uuid, 0, LVR_UUID_BYTES);
	expect_refusal(R(GROUP_UUID), NOBODY, 0, 0);
	high.node->flags |= LVR_NODE_F_INCONSISTENT;
	expect_refusal(R(GROUP_UUID), NOBODY, 0, 0);
	high.node->flags |= LVR_NODE_F_BLANK;
	expect_full_sync(0, 8, 0);
	high.node->group_uuid[0] = 99;
	expect_refusal(R(GROUP_UUID), NOBODY, 0, 0);
	node_a(EMPTY_LIFE, 0, 0);
	memset(low.node->group_uuid, 0, LVR_UUID_BYTES);
	node_b(EMPTY_LIFE, 0, 0);
	memset(high.node->group_uuid, 0, LVR_UUID_BYTES);
	expect_refusal(R(GROUP_UUID), NOBODY, 0, 0);
}

static void member_ids_that_do_not_fit(void **state)
{
	struct lvr_plan p, mirrored;

	(void)state;
	node_a(LIFE({ A1, 0 }), 8, ACTIVE);
	node_b(LIFE({ A1, 0 }), 6, 0);
	high.node->member = 0;
	lvr_plan_make(low.node, high.node, &p);
	lvr_plan_make(high.node, low.node, &mirrored);
	assert_int_equal(p.reasons, R(MEMBER));
	assert_true(lvr_plan_agrees(&p, &mirrored));
	high.node->member = LVR_MAX_MEMBERS;
	lvr_plan_make(low.node, high.node, &p);
	assert_int_equal(p.reasons, R(MEMBER));
}

/* ------------------------------------------------------------------ promotion */

static void who_goes_on_voids_the_other_ones_hand_over(void **state)
{
	static struct lvr_plan_node me = { .member = 1 }, peer = { .member = 0, .handover_member = ~0ull };
	struct lvr_plan none = { .confirm_member = LVR_PLAN_NO_MEMBER, .source = LVR_PLAN_NO_MEMBER };
	struct lvr_plan confirms = none, confirms_me = none, diverged = none, follows = none, leads = none;

	(void)state;
	confirms.confirm_member = 0;
	confirms_me.confirm_member = 1;
	diverged.reasons = 1u << LVR_REFUSE_DIVERGED;
	follows.source = 0;
	leads.source = 1;
	assert_false(lvr_plan_voids_handover(&none, &me, &peer));
	assert_false(lvr_plan_voids_handover(&confirms_me, &me, &peer));
	assert_true(lvr_plan_voids_handover(&confirms, &me, &peer));
	assert_true(lvr_plan_voids_handover(&diverged, &me, &peer));
	/* both stand at the hand-over; the peer went on from there, or from before, as far as this node or further */
	follows.fork_seq = leads.fork_seq = 5;
	me.head_seq = peer.head_seq = 5;
	assert_false(lvr_plan_voids_handover(&follows, &me, &peer));
	peer.head_seq = 6;
	assert_false(lvr_plan_voids_handover(&leads, &me, &peer));
	assert_true(lvr_plan_voids_handover(&follows, &me, &peer));
	me.head_seq = 7;
	assert_true(lvr_plan_voids_handover(&follows, &me, &peer));
	peer.head_seq = 5;
	peer.flags = LVR_NODE_F_ACTIVE;
	assert_true(lvr_plan_voids_handover(&none, &me, &peer));
	/* it is just demoting itself */
	peer.handover_member = 1;
	assert_false(lvr_plan_voids_handover(&none, &me, &peer));
	/* another group */
	peer.handover_member = ~0ull;
	peer.group_uuid[0] = 1;
	assert_false(lvr_plan_voids_handover(&none, &me, &peer));
	assert_false(lvr_plan_voids_handover(&confirms, &me, &peer));
}

static void may_promote_all_combinations(void **state)
{
	static const u64 handovers[] = { NONE, 3, 4 };
	struct lvr_err err;
	u32 flags, i, bits;

	(void)state;
	for (flags = 0; flags <= LVR_NODE_F_KNOWN; flags++) {
		for (i = 0; i < ARRAY_SIZE(handovers); i++) {
			for (bits = 0; bits < 8; bits++) {
				struct lvr_promote_check c = {
					.self = 3, .flags = flags, .peer_active = bits & 1,
					.ever_primary_in_group = bits & 2, .superseded = bits & 4,
					.handover_member = handovers[i],
				};
				bool sound = !(flags & (LVR_NODE_F_INCONSISTENT | LVR_NODE_F_DISCARD)) &&
					     !c.superseded;
				bool entitled = !(flags & LVR_NODE_F_UNCONFIRMED) &&
						(handovers[i] == 3 ||
						 (handovers[i] == NONE && !c.ever_primary_in_group));
				int plain = lvr_plan_may_promote(&c, false, &err);
				int forced, expected;

				if (flags & LVR_NODE_F_ACTIVE)
					expected = 0;
				else if (flags & LVR_NODE_F_BLANK)
					expected = -EINVAL;
				else if (c.peer_active)
					expected = -EBUSY;
				else
					expected = sound && entitled ? 0 : -EPERM;
				check(plain == expected, "flags %#x, handover %llu, bits %u: %d", flags,
				      handovers[i], bits, plain);
				check(!plain == !err.text[0], "\"%s\"", err.text);
				forced = lvr_plan_may_promote(&c, true, NULL);
				if (flags & LVR_NODE_F_ACTIVE || !(flags & LVR_NODE_F_BLANK || c.peer_active))
					check(forced == 0, "flags %#x, bits %u", flags, bits);
				else
					check(forced == expected, "flags %#x, bits %u", flags, bits);
			}
		}
	}
}

static void promotion_says_why_not(void **state)
{
	struct lvr_promote_check c = { .self = 3, .handover_member = 4, .ever_primary_in_group = true };
	struct lvr_err err;

	(void)state;
	assert_int_equal(lvr_plan_may_promote(&c, false, &err), -EPERM);
	assert_says(&err, "handed over to member 4");
	/* forced: what is overridden */
	assert_int_equal(lvr_plan_may_promote(&c, true, &err), 0);
	assert_says(&err, "handed over to member 4");
	c.handover_member = NONE;
	assert_int_equal(lvr_plan_may_promote(&c, false, &err), -EPERM);
	assert_says(&err, "has not handed over");
	c.flags = UNCONFIRMED;
	assert_int_equal(lvr_plan_may_promote(&c, false, &err), -EPERM);
	assert_says(&err, "confirmed");
	c.flags = LVR_NODE_F_INCONSISTENT;
	assert_int_equal(lvr_plan_may_promote(&c, false, &err), -EPERM);
	assert_says(&err, "inconsistent");
	c.peer_active = true;
	assert_int_equal(lvr_plan_may_promote(&c, true, &err), -EBUSY);
	assert_says(&err, "peer is active");
}

/* ------------------------------------------------------------------- refusals */

static void refusals_have_names(void **state)
{
	char text[512], cut[8];
	u32 i, j;

	(void)state;
	for (i = 0; i < LVR_REFUSE_COUNT; i++) {
		assert_true(strlen(lvr_refusal_text(i)) > strlen(lvr_refusal_name(i)) / 2);
		lvr_refusals_format(1u << i, text, sizeof(text));
		assert_string_equal(text, lvr_refusal_name(i));
		for (j = 0; j < i; j++)
			assert_string_not_equal(lvr_refusal_name(i), lvr_refusal_name(j));
	}
	assert_string_equal(lvr_refusal_name(LVR_REFUSE_COUNT), "?");
	assert_string_equal(lvr_refusal_text(LVR_REFUSE_COUNT), "?");
	lvr_refusals_format(0, text, sizeof(text));
	assert_string_equal(text, "");
	lvr_refusals_format(R(VOLUME_SIZE) | R(VOLUME_NAME), text, sizeof(text));
	assert_string_equal(text, "volume-name,volume-size");
	lvr_refusals_format(~0u, cut, sizeof(cut));
	assert_int_equal(strlen(cut), sizeof(cut) - 1);
	lvr_refusals_format(~0u, NULL, 0);
	/* all together fit the reason of a plan */
	lvr_refusals_format(~0u, text, sizeof(text));
	assert_true(strlen(text) < sizeof(((struct lvr_plan *)0)->text.text));
}

static int make_nodes(void **state)
{
	(void)state;
	low.node = must_alloc(sizeof(*low.node));
	high.node = must_alloc(sizeof(*high.node));
	make_specs();
	return 0;
}

static int drop_nodes(void **state)
{
	(void)state;
	free(low.node);
	free(high.node);
	free(specs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fork_is_where_records_part),
		cmocka_unit_test(initial_synchronisation),
		cmocka_unit_test(two_new_equal_nodes),
		cmocka_unit_test(a_broken_connection),
		cmocka_unit_test(large_positions),
		cmocka_unit_test(a_primary_that_lost_its_tail),
		cmocka_unit_test(a_primary_that_began_again),
		cmocka_unit_test(an_unused_generation),
		cmocka_unit_test(takeover),
		cmocka_unit_test(both_restarted_after_a_takeover),
		cmocka_unit_test(split_brain),
		cmocka_unit_test(a_hand_over),
		cmocka_unit_test(back_and_forth),
		cmocka_unit_test(inconsistent_copies),
		cmocka_unit_test(chains_that_differ),
		cmocka_unit_test(unrelated_nodes),
		cmocka_unit_test(every_mismatch_at_once),
		cmocka_unit_test(member_ids_that_do_not_fit),
		cmocka_unit_test(who_goes_on_voids_the_other_ones_hand_over),
		cmocka_unit_test(may_promote_all_combinations),
		cmocka_unit_test(promotion_says_why_not),
		cmocka_unit_test(refusals_have_names),
		cmocka_unit_test(pruning_does_not_change_the_plan),
		cmocka_unit_test(all_pairs_are_safe),
	};

	return cmocka_run_group_tests_name("plan", tests, make_nodes, drop_nodes);
}
