// SPDX-License-Identifier: GPL-2.0-only
/* All that can happen, by name; and how a state looks to people. */
#include "model.h"

#define NO_BUDGET	BUDGETS
#define CRASH_VARIANTS	24

#define IN(state)	(1u << LVR_GROUP_##state)
#define READ_BACK	(IN(REPLAYING) | IN(UNCONFIRMED) | IN(STANDBY) | IN(PROMOTING) | IN(ACTIVE) | IN(DEMOTING))
#define NO_POWER	(1u << 31)
#define ANY		(~0u)

FILE *action_log;

static bool do_write(struct state *s, u32 n)
{
	struct node *node = &s->node[n];
	struct chunk c = { .type = LVR_REC_ZEROES, .gen = node->gen };
	u32 seq = node->head.seq;

	if (node->state != LVR_GROUP_ACTIVE || !has_room(node, RESERVE_SLOTS) || !append(s, n, c))
		return false;
	node->writes |= 1u << seq;
	return true;
}

static bool do_flush(struct state *s, u32 n)
{
	if (!standing(&s->node[n]) || s->node[n].durable.off == s->node[n].head.off)
		return false;
	flush_all(s, n);
	return true;
}

static bool do_checkpoint(struct state *s, u32 n)
{
	return checkpoint(s, n, false);
}

static bool do_promote(struct state *s, u32 n)
{
	return promote(s, n, false);
}

static bool do_force(struct state *s, u32 n)
{
	return promote(s, n, true);
}

static bool do_connect(struct state *s, u32 n)
{
	return !n && connect_nodes(s);
}

static bool do_cut(struct state *s, u32 n)
{
	if (n || !s->up)
		return false;
	hang_up(s);
	return true;
}

/* states: of the node, in which it may be possible */
static const struct {
	const char *name;
	bool (*run)(struct state *s, u32 n);
	u32 states;
	u8 budget;
	bool connected;
	bool of_both;
} kinds[ACTIONS] = {
	[ACT_WRITE]	 = { "write", do_write, IN(ACTIVE), B_WRITE, false, false },
	[ACT_FLUSH]	 = { "flush", do_flush, READ_BACK, NO_BUDGET, false, false },
	[ACT_DESTAGE]	 = { "destage", destage, READ_BACK, NO_BUDGET, false, false },
	[ACT_CHECKPOINT] = { "checkpoint", do_checkpoint, READ_BACK, NO_BUDGET, false, false },
	[ACT_DETACH]	 = { "detach", detach, READ_BACK, NO_BUDGET, false, false },
	[ACT_CRASH]	 = { "crash", NULL, ~NO_POWER, B_CRASH, false, false },
	[ACT_START]	 = { "start", start, NO_POWER, NO_BUDGET, false, false },
	[ACT_REPLAY]	 = { "replay", replay, IN(REPLAYING), NO_BUDGET, false, false },
	[ACT_PROMOTE]	 = { "promote", do_promote, IN(STANDBY) | IN(UNCONFIRMED), B_PROMOTE, false, false },
	[ACT_FORCE]	 = { "promote --force", do_force, IN(STANDBY) | IN(UNCONFIRMED), B_FORCE, false, false },
	[ACT_BEGIN]	 = { "begin a generation", begin, IN(PROMOTING), NO_BUDGET, false, false },
	[ACT_SERVE]	 = { "serve", serve, IN(PROMOTING), NO_BUDGET, false, false },
	[ACT_DEMOTE]	 = { "demote", demote, IN(ACTIVE) | IN(UNCONFIRMED), B_DEMOTE, false, false },
	[ACT_DEMOTED]	 = { "demoted", demoted, IN(DEMOTING), NO_BUDGET, false, false },
	[ACT_DISCARD]	 = { "discard", discard, IN(STANDBY), B_DISCARD, false, false },
	[ACT_CONNECT]	 = { "connect and agree", do_connect, ANY, B_CONNECT, false, true },
	[ACT_ACT]	 = { "act on the plan", act, READ_BACK, NO_BUDGET, true, false },
	[ACT_SEND]	 = { "send a chunk", send_chunk, READ_BACK, NO_BUDGET, true, false },
	[ACT_BLOCK]	 = { "send a block", send_block, IN(ACTIVE), NO_BUDGET, true, false },
	[ACT_PING]	 = { "ping", ping, READ_BACK, NO_BUDGET, true, false },
	[ACT_ACK]	 = { "ack", ack, READ_BACK, NO_BUDGET, true, false },
	[ACT_SYNC_DONE]	 = { "end of the full sync", sync_done, READ_BACK, NO_BUDGET, true, false },
	[ACT_CUT]	 = { "cut", do_cut, ANY, NO_BUDGET, true, true },
};

static u32 variants(u32 kind)
{
	return kind == ACT_CRASH ? CRASH_VARIANTS : 1;
}

static u32 nodes(u32 kind)
{
	return kinds[kind].of_both ? 1 : NODES;
}

bool action_next(struct action *a)
{
	if (++a->variant < variants(a->kind))
		return true;
	a->variant = 0;
	if (++a->node < nodes(a->kind))
		return true;
	a->node = 0;
	return ++a->kind < ACTIONS;
}

bool action_possible(const struct state *s, const struct action *a)
{
	const struct node *node = &s->node[a->node];

	if (kinds[a->kind].connected && !s->up)
		return false;
	if (a->kind == ACT_CRASH && (a->variant & 7) > node->head.off - node->durable.off)
		return false;
	return kinds[a->kind].states & (node->state == DOWN ? NO_POWER : 1u << node->state);
}

bool action_allowed(const struct state *s, const struct action *a, const struct scenario *sc)
{
	u32 budget = kinds[a->kind].budget;

	return (budget == NO_BUDGET || s->left[budget]) && !(sc->eager & 1u << a->kind) &&
	       action_possible(s, a);
}

bool action_do(struct state *s, const struct action *a)
{
	bool done = a->kind == ACT_CRASH ? crash(s, a->node, a->variant) : kinds[a->kind].run(s, a->node);

	if (!done)
		return false;
	truth_acknowledge(s);
	truth_check(s);
	if (action_log)
		action_print(action_log, a);
	return true;
}

/* all eager actions, until there is none left */
static void do_eager(struct state *s, u32 eager)
{
	struct action a;
	struct state was;
	bool again = eager;

	while (again && violated == CHECKS) {
		again = false;
		for (a = (struct action){ 0 }; a.kind < ACTIONS && violated == CHECKS; ) {
			if (!(eager & 1u << a.kind)) {
				a = (struct action){ .kind = a.kind + 1 };
				continue;
			}
			if (action_possible(s, &a)) {
				memcpy(&was, s, sizeof(was));
				if (action_do(s, &a))
					again = true;
				else
					memcpy(s, &was, sizeof(was));
			}
			action_next(&a);
		}
	}
}

bool action_step(struct state *s, const struct action *a, const struct scenario *sc)
{
	u32 budget = kinds[a->kind].budget;

	if (budget != NO_BUDGET)
		s->left[budget]--;
	if (!action_do(s, a))
		return false;
	do_eager(s, sc->eager);
	return true;
}

void action_print(FILE *to, const struct action *a)
{
	fprintf(to, "    %s%s", kinds[a->kind].of_both ? "" : a->node ? "B: " : "A: ", kinds[a->kind].name);
	if (a->kind == ACT_CRASH)
		fprintf(to, ", %u unflushed chunk(s) stay%s", a->variant & 7, a->variant & 8 ? ", the next is torn" :
			a->variant & 16 ? ", the next is lost, the one behind it stays" : "");
	fputc('\n', to);
}

/* ------------------------------------------------------------------- to people */

static void flags_print(FILE *to, const struct super *sb)
{
	static const char *const of_node[] = { "primary", "inconsistent", "clean", "blank", "discard", "superseded" };
	static const char *const of_peer[] = { NULL, NULL, "peer-needs-sync", "sync-open", "alone" };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(of_node); i++)
		if (sb->flags & 1u << i)
			fprintf(to, " %s", of_node[i]);
	for (i = 2; i < ARRAY_SIZE(of_peer); i++)
		if (sb->peer_flags & 1u << i)
			fprintf(to, " %s", of_peer[i]);
}

static void node_print(FILE *to, const struct state *s, u32 n)
{
	const struct node *node = &s->node[n];
	u32 seq, i;

	fprintf(to, "        %c %-11s log ", 'A' + n,
		node->state == DOWN ? "down" : lvr_group_state_name(node->state));
	for (seq = 0; seq < node->head.seq; seq++)
		fprintf(to, "%x", gen_at(node->hist, seq));
	if (node->state != DOWN)
		fprintf(to, " durable %u destaged %u tail %u told %u acked %u limit %d", node->durable.seq,
			node->destaged.seq, node->tail.seq, node->told, node->acked,
			node->limit == NONE ? -1 : node->limit);
	if (node->state != DOWN && node->handover != NONE)
		fprintf(to, " handover %c", 'A' + node->handover);
	fprintf(to, " history");
	for (i = 0; i < node->sb.entries; i++)
		fprintf(to, " %x@%u", node->sb.history[i].gen, node->sb.history[i].first_seq);
	flags_print(to, &node->sb);
	if (node->state != DOWN)
		fprintf(to, " | link %s%s%s%s", lvr_link_state_name(node->link), node->kicked ? " kicked" : "",
			node->gate ? " gate" : "", node->in_sync ? " in-sync" : "");
	if (node->promise_seq)
		fprintf(to, " | promised %u%s", node->promise_seq, node->voided ? " (given up)" : "");
	fputc('\n', to);
}

void state_print(FILE *to, const struct state *s)
{
	static const char *const plans[] = { "-", "refuse", "idle", "stream", "full-sync" };
	char reasons[192];

	node_print(to, s, 0);
	node_print(to, s, 1);
	if (!s->up)
		return;
	lvr_refusals_format(s->plan.kind == LVR_PLAN_REFUSE ? s->plan.reasons : 0, reasons, sizeof(reasons));
	fprintf(to, "        plan: %s %s from %u, source %c%s%s%s%s%s\n", plans[s->plan.kind], reasons,
		s->plan.from, s->plan.source < NODES ? 'A' + s->plan.source : '-',
		s->plan.flags & LVR_PLAN_F_TRUNCATE ? " truncate" : "",
		s->plan.flags & LVR_PLAN_F_SUPERSEDE ? " supersede" : "",
		s->plan.flags & LVR_PLAN_F_CONFIRM ? " confirm" : "",
		s->plan.flags & LVR_PLAN_F_RESUME ? " resume" : "", s->plan.flags & LVR_PLAN_F_TAIL ? " tail" : "");
}
