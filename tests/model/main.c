// SPDX-License-Identifier: GPL-2.0-only
/* The scenarios, and the count. */
#include <time.h>

#include "model.h"

struct lvr_options options[NODES];
u8 ring_slots = RING;
bool tears;

#define BIT(kind)	(1u << (kind))
/* what goes on by itself, done at once: no crash comes in between, but more roles and cuts fit in */
#define LOCAL		(BIT(ACT_DESTAGE) | BIT(ACT_CHECKPOINT) | BIT(ACT_REPLAY))
#define PROMPT		(LOCAL | BIT(ACT_FLUSH) | BIT(ACT_PING) | BIT(ACT_ACK) | BIT(ACT_SEND) | BIT(ACT_DETACH))
#define STEPS		(BIT(ACT_BEGIN) | BIT(ACT_SERVE) | BIT(ACT_DEMOTED))
/* A active and a blank B, not connected yet; both in sync; the same, and A is no primary any more */
#define ALONE		"A:start A:replay A:promote A:begin A:serve A:write A:flush A:destage B:start B:replay"
#define PAIR		"settle A:promote settle A:write settle"
#define HANDED_OVER	PAIR " A:demote settle"
#define SENT		" A:write A:send"
#define SYNC		"mode=sync"
#define BLOCK		"mode=sync on-disconnect=block"

#define LEFT(writes, crashes, promotes, forces, demotes, discards, connects)		\
	.left = { [B_WRITE] = writes, [B_CRASH] = crashes, [B_PROMOTE] = promotes,	\
		  [B_FORCE] = forces, [B_DEMOTE] = demotes, [B_DISCARD] = discards,	\
		  [B_CONNECT] = connects }

static const struct scenario scenarios[] = {
	{ "crashes", "", PAIR, LEFT(2, 1, 0, 0, 0, 0, 1), .tears = true,
	  .eager = BIT(ACT_CHECKPOINT) | BIT(ACT_PING) },
	{ "crashes in a row", "", PAIR, LEFT(2, 2, 0, 0, 0, 0, 2), .tears = true,
	  .eager = LOCAL | BIT(ACT_PING) | BIT(ACT_SEND) | BIT(ACT_ACT) | STEPS },
	{ "crashes behind a tail that moves", "", PAIR SENT SENT SENT " B:flush", LEFT(0, 3, 0, 0, 0, 0, 2), .tears = true,
	  .eager = LOCAL | BIT(ACT_PING) | BIT(ACT_SEND) | BIT(ACT_ACT) | STEPS },
	{ "a small ring goes round", "", PAIR, LEFT(5, 1, 0, 0, 0, 0, 1), .tears = true, .ring = 6,
	  .eager = LOCAL | BIT(ACT_PING) | BIT(ACT_SEND) | BIT(ACT_ACT) | BIT(ACT_ACK) },
	{ "lost tail", "", PAIR, LEFT(2, 1, 0, 1, 0, 0, 1), .eager = LOCAL | BIT(ACT_PING) | BIT(ACT_SEND) | STEPS },
	{ "lost tail, sync", SYNC, PAIR, LEFT(2, 1, 0, 1, 0, 0, 1),
	  .eager = LOCAL | BIT(ACT_PING) | BIT(ACT_SEND) | STEPS },
	{ "roles", "", PAIR, LEFT(1, 1, 1, 1, 1, 0, 2), .eager = PROMPT },
	{ "roles, sync", SYNC, PAIR, LEFT(1, 1, 1, 1, 1, 0, 2), .eager = PROMPT },
	{ "roles, block", BLOCK, PAIR, LEFT(1, 1, 1, 1, 1, 0, 2), .eager = PROMPT },
	{ "hand-overs", "", PAIR, LEFT(1, 0, 2, 0, 2, 0, 2), .eager = PROMPT & ~BIT(ACT_SEND) },
	{ "hand-overs and crashes", "", HANDED_OVER, LEFT(1, 1, 2, 0, 1, 0, 2), .eager = PROMPT },
	{ "a hand-over in pieces", "", PAIR, LEFT(0, 2, 1, 0, 1, 0, 2),
	  .eager = BIT(ACT_DESTAGE) | BIT(ACT_REPLAY) | BIT(ACT_PING) | BIT(ACT_ACK) },
	{ "crashes behind a hand-over", "", HANDED_OVER, LEFT(1, 2, 1, 0, 0, 0, 2), .eager = PROMPT & ~BIT(ACT_FLUSH) },
	{ "at once", "start-primary=at-once", PAIR, LEFT(1, 2, 1, 1, 0, 0, 2), .eager = PROMPT },
	{ "begun over and over", "start-primary=at-once", PAIR, LEFT(1, 3, 0, 0, 0, 0, 3),
	  .eager = LOCAL | BIT(ACT_PING) | BIT(ACT_ACK) | BIT(ACT_ACT) | STEPS },
	{ "begun again beside hand-overs", "start-primary=at-once", PAIR, LEFT(0, 2, 1, 1, 1, 0, 2),
	  .eager = (PROMPT & ~BIT(ACT_FLUSH)) | STEPS | BIT(ACT_ACT) },
	{ "superseded", "", PAIR, LEFT(1, 2, 0, 1, 0, 0, 2), .eager = PROMPT & ~BIT(ACT_FLUSH) },
	{ "two takeovers", "", PAIR, LEFT(2, 0, 0, 2, 0, 1, 2), .eager = PROMPT | STEPS },
	{ "discards", "", PAIR, LEFT(1, 1, 0, 1, 1, 1, 2), .eager = PROMPT | STEPS },
	{ "full sync", "", ALONE, LEFT(1, 1, 0, 0, 0, 0, 2), .eager = LOCAL | BIT(ACT_PING) | BIT(ACT_SEND) },
	{ "full sync and roles", "", ALONE, LEFT(1, 1, 1, 1, 1, 0, 2), .eager = PROMPT | STEPS },
	{ "full sync of a discarded", BLOCK, PAIR, LEFT(1, 1, 0, 1, 0, 1, 2), .eager = PROMPT },
	{ "detach", "on-full=detach", PAIR, LEFT(4, 1, 0, 0, 0, 0, 2), .ring = 8, .eager = PROMPT & ~BIT(ACT_DETACH) },
	{ "detach and crashes", "on-full=detach", PAIR SENT, LEFT(2, 2, 0, 0, 0, 0, 1), .ring = 6,
	  .eager = LOCAL | BIT(ACT_PING) | BIT(ACT_ACT) | BIT(ACT_ACK) | BIT(ACT_SEND) | STEPS },
	{ "detach, block", BLOCK " on-full=detach", PAIR, LEFT(4, 1, 0, 1, 0, 0, 2), .ring = 8, .eager = PROMPT | STEPS },
	{ "taken back by force", "", HANDED_OVER, LEFT(1, 0, 1, 1, 1, 0, 2), .eager = PROMPT & ~BIT(ACT_SEND) },
	{ "taken back before it came", "", PAIR, LEFT(1, 0, 1, 1, 1, 0, 2), .eager = PROMPT & ~BIT(ACT_SEND) },
	{ "met before it wrote alone", BLOCK, PAIR, LEFT(1, 0, 1, 2, 2, 0, 2), .eager = PROMPT | STEPS },
	{ "a takeover that was heard of", "", PAIR, LEFT(1, 1, 1, 1, 1, 0, 2), .eager = PROMPT | STEPS },
	{ "started over and over with a full log", "start-primary=at-once", PAIR " cut", LEFT(2, 4, 0, 0, 0, 0, 0),
	  .ring = 6, .eager = PROMPT | STEPS },
};

static const char *const check_names[CHECKS] = {
	[CHECK_PREFIX] = "the volumes show a prefix of one history",
	[CHECK_LOST] = "what was acknowledged is not lost",
	[CHECK_DURABLE] = "no volume is ahead of the primary's disk",
	[CHECK_HISTORY] = "the history tells what the log holds",
	[CHECK_TAIL] = "the log keeps what the peer lacks",
	[CHECK_CLAIM] = "who says that nothing is lost is right",
	[CHECK_PLAN] = "both make one plan, and one is primary",
	[CHECK_DEAD_END] = "every state heals",
};

static void set_options(const char *text)
{
	char words[160], *word[16];
	struct lvr_err err;
	u32 n, count;

	for (n = 0; n < NODES; n++) {
		snprintf(words, sizeof(words), "group=g member=%u peer=%u %s", n, other(n), text);
		count = 0;
		for (word[count] = strtok(words, " "); word[count]; word[count] = strtok(NULL, " "))
			count++;
		if (lvr_options_parse(&options[n], count, word, &err)) {
			fprintf(stderr, "%s\n", err.text);
			exit(2);
		}
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

struct totals {
	u32 passed, failed;
	u64 states;
	double seconds;
};

static void run(const struct scenario *sc, bool deep, struct totals *t)
{
	double begin = seconds();
	struct result r;
	u32 i;

	set_options(sc->options);
	ring_slots = sc->ring ?: RING;
	tears = sc->tears;
	search(sc, deep ? MOST_STATES_DEEP : MOST_STATES, &r);
	t->states += r.states;
	printf("%s: %s%llu states, %llu steps, depth %u, %.1f s\n", sc->name, r.complete ? "" : "the first ",
	       (unsigned long long)r.states, (unsigned long long)r.transitions, r.depth, seconds() - begin);
	if (!r.complete && !deep) {
		printf("  FAILED: there are more states than %u\n", MOST_STATES);
		t->failed++;
	}
	for (i = 0; i < CHECKS; i++) {
		if (!r.trace[i]) {
			t->passed++;
			continue;
		}
		t->failed++;
		printf("  FAILED: %s\n%s", check_names[i], r.trace[i]);
		free(r.trace[i]);
	}
	fflush(stdout);
}

/* one more of everything that may happen */
static struct scenario deeper(const struct scenario *sc)
{
	struct scenario deep = *sc;
	u32 i;

	for (i = 0; i < BUDGETS; i++)
		deep.left[i] += deep.left[i] > 0;
	return deep;
}

/* model [--deep] [SCENARIO], of which a part of the name is enough */
int main(int argc, char **argv)
{
	bool deep = argc > 1 && !strcmp(argv[1], "--deep");
	const char *name = argc > 1 + deep ? argv[1 + deep] : "";
	struct totals t = { 0 };
	struct scenario sc;
	u32 i;

	bridge_init();
	for (i = 0; i < ARRAY_SIZE(scenarios); i++) {
		if (!strstr(scenarios[i].name, name))
			continue;
		sc = deep ? deeper(&scenarios[i]) : scenarios[i];
		run(&sc, deep, &t);
	}
	printf("%llu states, %.0f s\n", (unsigned long long)t.states, seconds());
	printf("model: %u passed, %u failed\n", t.passed, t.failed);
	return t.failed || !t.passed;
}
