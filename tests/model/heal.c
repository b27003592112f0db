// SPDX-License-Identifier: GPL-2.0-only
/*
 * The world heals: both nodes have power, every connection comes about and stays, everything
 * that goes on by itself goes on, and the operator does what README.md and lvrctl(8) say.
 * From every state this has to lead to one primary that streams to an up-to-date secondary,
 * with one more write on both and both logs empty again. Else the state is a dead end.
 */
#include "model.h"

#define SETTLE_ACTIONS	400
#define SETTLE_CONNECTS	12
#define REFUSED_MOST	2	/* two handshakes that refuse: now somebody has to decide */
#define ROUNDS		16

#define WEAK	(LVR_SUPER_F_INCONSISTENT | LVR_SUPER_F_BLANK | LVR_SUPER_F_DISCARD)

static bool (*known_state)(const struct state *s);

static bool try(struct state *s, u32 kind, u32 n)
{
	const struct action a = { .kind = kind, .node = n };
	struct state was;

	if (!action_possible(s, &a))
		return false;
	memcpy(&was, s, sizeof(was));
	if (action_do(s, &a))
		return true;
	memcpy(s, &was, sizeof(was));
	return false;
}

/* one step of what goes on by itself while a connection lasts */
static bool go_on(struct state *s)
{
	static const u8 order[] = {
		ACT_START, ACT_REPLAY, ACT_BEGIN, ACT_SERVE, ACT_DEMOTED, ACT_ACT, ACT_SEND, ACT_BLOCK,
		ACT_FLUSH, ACT_PING, ACT_DESTAGE, ACT_ACK, ACT_SYNC_DONE, ACT_CHECKPOINT, ACT_DETACH,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(order); i++)
		if (try(s, order[i], 0) || try(s, order[i], 1))
			return true;
	return s->up && (s->node[0].kicked || s->node[1].kicked) && try(s, ACT_CUT, 0);
}

enum settled { SETTLED, KNOWN, ENDLESS };

static enum settled settle_or_know(struct state *s)
{
	u32 actions, connects = 0, refused = 0;

	for (actions = 0; actions < SETTLE_ACTIONS && violated == CHECKS; actions++) {
		if (known_state && known_state(s))
			return KNOWN;
		if (go_on(s))
			continue;
		if (s->up || refused == REFUSED_MOST || !try(s, ACT_CONNECT, 0))
			return SETTLED;
		refused += s->plan.kind == LVR_PLAN_REFUSE;
		if (++connects > SETTLE_CONNECTS)
			return ENDLESS;
	}
	return ENDLESS;
}

bool settle(struct state *s)
{
	known_state = NULL;
	return settle_or_know(s) == SETTLED;
}

/* ------------------------------------------------------------------- healthy */

static bool healthy_pair(const struct state *s, u32 n)
{
	const struct node *p = &s->node[n], *q = &s->node[other(n)];

	if (p->state != LVR_GROUP_ACTIVE || q->state != LVR_GROUP_STANDBY || !s->up ||
	    p->link != LVR_LINK_STREAMING || q->link != LVR_LINK_STREAMING)
		return false;
	if ((p->sb.flags | q->sb.flags) & (WEAK | LVR_SUPER_F_SUPERSEDED) ||
	    p->sb.peer_flags & (LVR_MEMBER_F_NEEDS_SYNC | LVR_MEMBER_F_SYNC_OPEN))
		return false;
	if (p->tail.off != p->head.off || q->tail.off != q->head.off || p->acked != p->head.seq ||
	    p->writes >> p->said_seq)
		return false;
	if (options[n].sync && !p->in_sync)
		return false;
	return !options[n].sync || !options[n].block_on_disconnect ||
	       !(p->sb.peer_flags & LVR_MEMBER_F_ALONE);
}

static bool healthy(const struct state *s, u32 *primary)
{
	*primary = healthy_pair(s, 1);
	return healthy_pair(s, *primary);
}

/* --------------------------------------------------------------- the operator */

static bool serves(const struct node *node)
{
	return node->state == LVR_GROUP_ACTIVE;
}

/* whose copy to keep, when nothing else decides: 0 or 1 */
static u32 better(const struct state *s)
{
	const struct node *a = &s->node[0], *b = &s->node[1];
	const u32 never = LVR_SUPER_F_BLANK | LVR_SUPER_F_INCONSISTENT;

	if (!(a->sb.flags & never) != !(b->sb.flags & never))
		return !!(a->sb.flags & never);
	if (!(a->sb.flags & LVR_SUPER_F_SUPERSEDED) != !(b->sb.flags & LVR_SUPER_F_SUPERSEDED))
		return !!(a->sb.flags & LVR_SUPER_F_SUPERSEDED);
	if (serves(a) != serves(b))
		return serves(b);
	return b->head.seq > a->head.seq;
}

/* where no operator has meddled, none should have to; what he has to do after some demotions lvrctl(8) says */
static bool give_up_copy(struct state *s, u32 n)
{
	if (!s->meddled)
		violate(CHECK_DEAD_END, "%c has to be discarded, after nothing but crashes and cuts", 'A' + n);
	if (try(s, ACT_DISCARD, n))
		return true;
	/* discarded in the next round; no volume closes whose writes nobody will acknowledge */
	return try(s, ACT_DEMOTE, n) || try(s, ACT_CRASH, n);
}

static bool force(struct state *s, u32 n)
{
	bool meddled = s->meddled;

	if (!try(s, ACT_FORCE, n))
		return false;
	if (!meddled)
		violate(CHECK_DEAD_END, "%c can be promoted by force only, after nothing but crashes and cuts", 'A' + n);
	return true;
}

static bool decide_refusal(struct state *s)
{
	const u32 reasons = s->plan.reasons;
	u32 keep = better(s);

	if (reasons & 1u << LVR_REFUSE_NO_SOURCE)
		return force(s, keep) || give_up_copy(s, other(keep));
	if (reasons & 1u << LVR_REFUSE_ORPHANS && s->plan.source < NODES)
		keep = s->plan.source;
	return give_up_copy(s, other(keep));
}

/* false: nothing that he could do */
static bool operate(struct state *s)
{
	const struct node *a = &s->node[0], *b = &s->node[1];

	if (!s->up && (a->link == LVR_LINK_REFUSED || b->link == LVR_LINK_REFUSED) && decide_refusal(s))
		return true;
	if (serves(a) || serves(b))
		return false;
	return try(s, ACT_PROMOTE, 0) || try(s, ACT_PROMOTE, 1) || force(s, better(s)) || force(s, other(better(s)));
}

bool heal(struct state *s, bool (*known)(const struct state *s))
{
	bool written = false;
	enum settled settled;
	u32 round, primary;

	known_state = known;
	memset(s->left, 0, sizeof(s->left));
	for (round = 0; round < ROUNDS && violated == CHECKS; round++) {
		settled = settle_or_know(s);
		if (settled != SETTLED)
			return settled == KNOWN;
		if (healthy(s, &primary)) {
			if (written)
				return true;
			written = true;
			if (!try(s, ACT_WRITE, primary))
				return false;
		} else if (!operate(s)) {
			return false;
		}
	}
	return false;
}

/* --------------------------------------------------------------- start states */

static void make_node(struct state *s, u32 n, bool blank)
{
	struct node *node = &s->node[n];

	node->state = DOWN;
	node->sb.inc = 1;
	node->sb.tail_inc = 1;
	node->sb.uuid = !blank;
	node->sb.handover = 0;
	node->sb.flags = LVR_SUPER_F_CLEAN;
	node->sb.peer_flags = LVR_MEMBER_F_USED;
	if (blank)
		node->sb.flags |= LVR_SUPER_F_BLANK | LVR_SUPER_F_INCONSISTENT;
}

static const struct {
	const char *word;
	u8 kind;
} words[] = {
	{ "write", ACT_WRITE }, { "flush", ACT_FLUSH }, { "crash", ACT_CRASH }, { "start", ACT_START },
	{ "replay", ACT_REPLAY }, { "promote", ACT_PROMOTE }, { "force", ACT_FORCE }, { "begin", ACT_BEGIN },
	{ "serve", ACT_SERVE }, { "demote", ACT_DEMOTE }, { "discard", ACT_DISCARD }, { "act", ACT_ACT },
	{ "send", ACT_SEND }, { "ack", ACT_ACK }, { "destage", ACT_DESTAGE },
};

static bool do_word(struct state *s, const char *word)
{
	u32 i;

	if (!strcmp(word, "settle"))
		return settle(s);
	if (!strcmp(word, "cut"))
		return try(s, ACT_CUT, 0);
	if (!strcmp(word, "connect"))
		return try(s, ACT_CONNECT, 0);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(word + 2, words[i].word))
			return try(s, words[i].kind, word[0] - 'A');
	return false;
}

/*
 * A is the source, B a blank target, both without power; then the words of a
 * script: settle, cut, connect, or A:write, B:crash and so on.
 */
void start_state(struct state *s, const char *script)
{
	char text[256], *word;

	memset(s, 0, sizeof(*s));
	make_node(s, 0, false);
	make_node(s, 1, true);
	violated = CHECKS;
	snprintf(text, sizeof(text), "%s", script);
	for (word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		if (do_word(s, word) && violated == CHECKS)
			continue;
		fprintf(stderr, "start state \"%s\": %s failed: %s\n", script, word, violation);
		state_print(stderr, s);
		exit(2);
	}
}
