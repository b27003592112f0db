// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the nodes do not know: which records really are where, what was
 * promised to whom. The invariants of the design are judged by it.
 *
 * A record is named by its generation and seq; a content says which generation the
 * record at each seq is of. As a generation is begun once, at one place, two
 * contents that agree at a seq hold the same record there.
 */
#include "model.h"

#define WEAK	(LVR_SUPER_F_INCONSISTENT | LVR_SUPER_F_BLANK | LVR_SUPER_F_DISCARD)

enum check violated = CHECKS;
char violation[512];

void violate(enum check check, const char *fmt, ...)
{
	va_list args;

	if (violated != CHECKS)
		return;
	violated = check;
	va_start(args, fmt);
	vsnprintf(violation, sizeof(violation), fmt, args);
	va_end(args);
}

/* ------------------------------------------------------------------ contents */

content_t prefix(content_t content, u32 seq)
{
	return seq >= MAX_SEQ ? content : content & (((content_t)1 << 4 * seq) - 1);
}

u32 gen_at(content_t content, u32 seq)
{
	return content >> 4 * seq & 15;
}

void content_set(content_t *content, u32 seq, u32 gen)
{
	*content &= ~((content_t)15 << 4 * seq);
	*content |= (content_t)gen << 4 * seq;
}

/* how long they are the same */
u32 common_seq(content_t a, u32 a_seq, content_t b, u32 b_seq)
{
	u32 seq;

	for (seq = 0; seq < a_seq && seq < b_seq && gen_at(a, seq) == gen_at(b, seq); seq++)
		;
	return seq;
}

static bool holds(const struct node *node, u32 seq, content_t content, u32 content_seq)
{
	return content_seq <= seq && prefix(node->hist, content_seq) == content;
}

/* so much survives whatever happens to it */
static u32 safe_seq(const struct node *node)
{
	return node->state == DOWN ? node->head.seq : node->durable.seq;
}

/* ------------------------------------------------------------------ promises */

static void give_up_promise(struct node *node)
{
	node->promise = 0;
	node->promise_seq = 0;
	node->said = 0;
	node->said_seq = 0;
}

/* the end of the last write of this activation before a position; 0: none */
static u32 writes_before(const struct node *node, u32 seq)
{
	u32 writes = seq >= MAX_SEQ ? node->writes : node->writes & ((1u << seq) - 1);

	return writes ? 32 - __builtin_clz(writes) : 0;
}

/* complete_ready_locked() */
void truth_acknowledge(struct state *s)
{
	u32 n, plain, fua;

	for (n = 0; n < NODES; n++) {
		struct node *node = &s->node[n];
		const struct node *peer = &s->node[other(n)];

		if ((node->state != LVR_GROUP_ACTIVE && node->state != LVR_GROUP_DEMOTING) || !node->writes ||
		    node->sb.flags & LVR_SUPER_F_INCONSISTENT)	/* what is acknowledged there is no promise */
			continue;
		plain = node->gate ? min(node->head.seq, node->peer_durable) : node->head.seq;
		fua = writes_before(node, node->gate ? plain : node->durable.seq);
		plain = writes_before(node, plain);
		if (plain > node->said_seq) {
			node->said_seq = plain;
			node->said = prefix(node->hist, plain);
		}
		if (fua > node->promise_seq) {
			node->promise_seq = fua;
			node->promise = prefix(node->hist, fua);
			if (node->voided == VOID_TILL_WRITTEN)
				node->voided = 0;
		}
		if (peer->claimed && !node->voided && !holds(peer, peer->head.seq, node->said, node->said_seq))
			violate(CHECK_CLAIM, "%c acknowledges up to %u, though %c was promoted saying that nothing is lost",
				'A' + n, node->said_seq, 'A' + other(n));
	}
}

/* what was acknowledged and not flushed may go with the power */
void truth_crashed(struct state *s, u32 n)
{
	s->node[n].said = s->node[n].promise;
	s->node[n].said_seq = s->node[n].promise_seq;
}

/*
 * n may go on as primary, says the operator without force, or the peer's word (told). What
 * the operator forced on one side he knows himself, until the other one has heard of it:
 * failover says so.
 */
static void check_promotion(const struct state *s, u32 n, bool claims, bool told)
{
	u32 m;

	for (m = 0; m < NODES; m++) {
		const struct node *from = &s->node[m], *to = &s->node[n];

		if (from->voided || (!told && (from->unheard || (m != n && to->unheard))))
			continue;
		if (claims && !holds(to, to->head.seq, from->said, from->said_seq))
			violate(CHECK_CLAIM, "%c is promoted saying that nothing is lost, and lacks what %c acknowledged up to %u",
				'A' + n, 'A' + m, from->said_seq);
		if (!holds(to, to->head.seq, from->promise, from->promise_seq))
			violate(CHECK_LOST, "%c is promoted without force, and lacks what %c acknowledged up to %u",
				'A' + n, 'A' + m, from->promise_seq);
	}
}

/* the peer's word is that of the handshake: what an operator does after it, he does */
void truth_agreed(struct state *s)
{
	if (s->plan.flags & LVR_PLAN_F_CONFIRM)
		check_promotion(s, s->plan.confirm, false, true);
	s->joining = 1;
}

/* n has acted on the plan, and so knows what the other one told */
void truth_acted(struct state *s, u32 n)
{
	if (!s->joining)
		return;
	s->node[other(n)].unheard = 0;
	if (s->node[0].dir == LVR_DIR_NONE || s->node[1].dir == LVR_DIR_NONE ||
	    !takes(&s->node[other(s->plan.source)]))
		return;
	/* they stream: there is one line again, whatever was forced before */
	s->node[0].forced = 0;
	s->node[1].forced = 0;
	s->node[0].claimed = 0;
	s->node[1].claimed = 0;
}

/* by the peer's word; if that is older than what was forced there, nobody relies on n */
void truth_confirmed(struct state *s, u32 n)
{
	if (s->joining)
		s->node[n].voided = 0;
	s->node[other(n)].claimed = 0;
}

void truth_promoted(struct state *s, u32 n, bool forced, bool claims)
{
	struct node *node = &s->node[n], *peer = &s->node[other(n)];
	u32 m;

	/* voided: n was forced itself, knowing that */
	if (!forced && peer->forced && !peer->unheard && peer->voided != 1 && !(peer->sb.flags & LVR_SUPER_F_INCONSISTENT) &&
	    !holds(node, node->head.seq, prefix(peer->hist, peer->head.seq), peer->head.seq))
		violate(CHECK_PLAN, "%c is promoted without force, though it has heard that %c was, by force", 'A' + n,
			'A' + other(n));
	/* nothing is lost, says failover, unless the other one has been primary meanwhile */
	claims &= !(forced && peer->unheard);
	if (!forced || claims)
		check_promotion(s, n, claims, false);
	else
		peer->voided = 1;
	for (m = 0; m < NODES; m++)
		if (!holds(node, node->head.seq, s->node[m].said, s->node[m].said_seq))
			give_up_promise(&s->node[m]);
	/* who gave it up does not know that it goes on */
	node->unheard |= forced || node->voided;
	node->voided = node->voided ? VOID_TILL_WRITTEN : 0;
	node->forced = node->forced ? 1 : forced ? FORCED_NOW : 0;
	if (forced && !peer->unheard)
		peer->forced = 0;	/* it is this one now, and whoever forced it knew of the other */
	if (forced)
		s->joining = 0;
	node->claimed = forced && claims;
	peer->claimed = 0;
}

/* the operator gives up what only this copy holds */
void truth_discarded(struct state *s, u32 n)
{
	const struct node *rest = &s->node[other(n)];
	u32 m;

	for (m = 0; m < NODES; m++)
		if (rest->sb.flags & WEAK ||
		    !holds(rest, safe_seq(rest), s->node[m].promise, s->node[m].promise_seq))
			give_up_promise(&s->node[m]);
	s->node[n].voided = 1;
	s->node[n].forced = 0;
	s->node[n].claimed = 0;
}

/* -------------------------------------------------------------------- places */

void truth_destaged(struct state *s, u32 n, const struct chunk *c)
{
	struct node *node = &s->node[n];
	u32 beginner = c->gen % 2 ? 0 : 1, i;

	if (c->sync_id) {
		if (c->type == LVR_REC_SYNC_END)
			return;
		node->vol[c->arg] = content_of(c->content);
		node->mixed &= ~(1u << c->arg);
		return;
	}
	if (beginner != n && node->role != LVR_ROLE_PRIMARY && c->seq >= node->owned &&
	    s->durable_of[c->gen] <= c->seq)
		violate(CHECK_DURABLE, "%c brings record %u to its volumes, which %c never held durably", 'A' + n,
			c->seq, 'A' + beginner);
	for (i = 0; i < BLOCKS; i++) {
		u32 gen = gen_at(node->vol[i], c->seq);

		if (gen && gen != c->gen)
			node->mixed |= 1u << i;
		content_set(&node->vol[i], c->seq, c->gen);
	}
}

/* n is about to drop its records from seq on: nobody's command, so it may drop no work of its own (I10) */
void truth_dropped(struct state *s, u32 n, u32 seq)
{
	const struct node *node = &s->node[n], *peer = &s->node[other(n)];

	if (node->sb.flags & WEAK)
		return;
	seq = max(seq, common_seq(node->hist, node->head.seq, peer->hist, peer->head.seq));
	for (; seq < node->head.seq; seq++)
		if (gen_at(node->hist, seq) % 2 != n)
			violate(CHECK_PREFIX, "%c drops record %u, which it wrote and %c lacks", 'A' + n, seq,
				'A' + other(n));
}

/* the tail has moved */
void truth_tail(struct state *s, u32 n)
{
	const struct node *node = &s->node[n], *peer = &s->node[other(n)];
	u32 common;

	if (node->sb.peer_flags & LVR_MEMBER_F_NEEDS_SYNC || peer->sb.flags & WEAK)
		return;
	common = common_seq(node->hist, node->head.seq, peer->hist, safe_seq(peer));
	if (node->tail.seq > common)
		violate(CHECK_TAIL, "%c frees its log up to %u, of which %c holds what is before %u", 'A' + n,
			node->tail.seq, 'A' + other(n), common);
}

/* ---------------------------------------------------------------- in any state */

/* 1 at each seq that a content knows of */
static content_t known(content_t content)
{
	content_t ones = ~(content_t)0 / 15;

	return (content | content >> 1 | content >> 2 | content >> 3) & ones;
}

static void check_block(const struct state *s, u32 n, u32 block)
{
	const struct node *node = &s->node[n];
	content_t wrong = (node->vol[block] ^ prefix(node->hist, node->head.seq)) & known(node->vol[block]) * 15;
	u32 seq = common_seq(wrong, MAX_SEQ, 0, MAX_SEQ);

	if (wrong)
		violate(CHECK_PREFIX, "the volumes of %c hold record %u of generation %u, its log does not", 'A' + n,
			seq, gen_at(node->vol[block], seq));
	if (standing(node) && ~known(node->vol[block]) & known(prefix(node->hist, node->destaged.seq)))
		violate(CHECK_PREFIX, "the volumes of %c lack a record, %u are destaged", 'A' + n, node->destaged.seq);
}

static void check_volumes(const struct state *s, u32 n)
{
	const struct node *node = &s->node[n];
	u32 i;

	if (node->sb.flags & (LVR_SUPER_F_INCONSISTENT | LVR_SUPER_F_BLANK))
		return;
	if (node->mixed)
		violate(CHECK_PREFIX, "the volumes of %c mix two histories", 'A' + n);
	for (i = 0; i < BLOCKS; i++)
		check_block(s, n, i);
}

static void check_history(const struct state *s, u32 n)
{
	const struct node *node = &s->node[n];
	const struct generation *g = node->sb.history;
	u32 seq, i = 0;

	if (!standing(node))
		return;
	if (!node->sb.entries && node->head.seq)
		violate(CHECK_HISTORY, "%c holds %u records and no history", 'A' + n, node->head.seq);
	for (seq = g->first_seq; node->sb.entries && seq < node->head.seq; seq++) {
		while (i + 1 < node->sb.entries && g[i + 1].first_seq <= seq)
			i++;
		if (gen_at(node->hist, seq) != g[i].gen)
			violate(CHECK_HISTORY, "record %u of %c is of generation %u, its history says %u", seq,
				'A' + n, gen_at(node->hist, seq), g[i].gen);
	}
}

static void check_promise(const struct state *s, u32 n)
{
	const struct node *node = &s->node[n];
	u32 m;

	if (node->voided || !node->promise_seq)
		return;
	for (m = 0; m < NODES; m++)
		if (!(s->node[m].sb.flags & WEAK) &&
		    holds(&s->node[m], safe_seq(&s->node[m]), node->promise, node->promise_seq))
			return;
	violate(CHECK_LOST, "nobody holds any more what %c acknowledged up to %u", 'A' + n, node->promise_seq);
}

void truth_check(struct state *s)
{
	const struct node *a = &s->node[0], *b = &s->node[1];
	u32 n;

	for (n = 0; n < NODES; n++) {
		check_volumes(s, n);
		check_history(s, n);
		check_promise(s, n);
	}
	if (a->state == LVR_GROUP_ACTIVE && b->state == LVR_GROUP_ACTIVE && !a->forced && !b->forced)
		violate(CHECK_PLAN, "both are active, and neither was forced");
}
