/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The handshake plan: what two nodes that meet do. A pure function of what
 * both know; both compute it and must reach the same answer (kind, source,
 * positions), compared by VERDICT frames. It decides on histories, positions
 * and chains together, never on ids alone and never by wall clock.
 *
 * Lineage. A history is a list of generations (id, first_seq, fork_chain).
 * Two histories share the generations with equal (id, first_seq, fork_chain);
 * the fork is the position up to which both hold the same records:
 *   last shared generation g, and for each node its end in g: the first_seq of
 *   its next generation, or its head if g is its newest;  fork = min of both ends.
 * The nodes are *related* if a generation is shared, or if one has an empty
 * history and stands at position 0 (so does the other, if its history is empty
 * too) and both have the same uuid, not zero: then the fork is 0.
 * `beyond(n)`: node n holds records past the fork (head > fork).
 * `newer(n)`: n has a generation that is not shared.
 * A node that is newer and not beyond has begun a generation and written
 * nothing in it: *hollow*. That is no divergence. The other side's plan drops
 * such a generation (lvr_super_truncate_history()) without losing a record.
 *
 * Chain. A node knows the chain at the fork if that is its head, if its next
 * generation begins there, or from its log (LOOKUP). Both know and it differs,
 * or one contradicts itself: CHAIN. If a side does not know it: never stream.
 *
 * s can stream from position p if s.tail_seq <= p, s does not say
 * PEER_NEEDS_SYNC, and both know the chain at the fork.
 *
 * In what follows s is the one that can be source, t the other. An ACTIVE node
 * is not UNCONFIRMED, whatever its flags say. "Confirm s" and "supersede t"
 * set the flag if that node is UNCONFIRMED, else nothing. Whenever it is
 * decided who would be source, plan.source says so, also with IDLE and REFUSE.
 *
 * Rules, in order:
 *  1. volume table, uuid (a blank target's zero uuid fits any), member ids,
 *     both ACTIVE: every mismatch is set in reasons -> REFUSE.
 *  2. a node with BLANK, or INCONSISTENT, or DISCARD can only be target of a
 *     full sync. Both so, or it is ACTIVE -> REFUSE no-source.
 *     Else t is that one:
 *     s ACTIVE -> FULL_SYNC from s.head, supersede t. It is resumed (from
 *       t.head) if t.sync_id != 0, t.sync_id == s.source_sync_id, the chain
 *       is the same at the fork, t is neither beyond nor newer, and
 *       s.tail_seq <= t.head.
 *     s not ACTIVE -> IDLE; the full sync starts when s is promoted. Confirm s
 *       if t is BLANK or DISCARD, or is related and not (newer and beyond):
 *       then nobody has superseded s.
 *     A DISCARD node must not be ACTIVE (the caller refuses the command).
 *  3. unrelated -> REFUSE unrelated. Chain -> REFUSE chain.
 *  4. neither beyond: equal, both heads are the fork.
 *     s ACTIVE -> STREAM from the fork, supersede t; FULL_SYNC if s says
 *       PEER_NEEDS_SYNC.
 *     None ACTIVE, none UNCONFIRMED -> IDLE.
 *     Else s is, the first that applies of: the one that the last record hands
 *       over to; the only one that is UNCONFIRMED; the only one that is newer;
 *       the one that began g; the lower member id. Confirm s, supersede t,
 *       STREAM from the fork (IDLE if s says PEER_NEEDS_SYNC).
 *  5. only s is beyond, so t's records are a prefix of s's:
 *     t ACTIVE: t has taken over from a place that s is beyond.
 *       s not newer and t newer: rule 6 with the roles exchanged.
 *       s not newer and s began g -> REFUSE orphans, supersede s, source t.
 *       t began again (rule 7) -> as there.
 *       else REFUSE diverged (if s is not newer: until t has begun a generation).
 *     s ACTIVE -> supersede t, STREAM from the fork, FULL_SYNC if s cannot.
 *     t UNCONFIRMED, s not, and every generation that only s has was begun by
 *       t: s holds a longer tail of what t was writing. STREAM until s.head (TAIL), after which the
 *       handshake is repeated and rule 4 confirms t. IDLE if s cannot.
 *     s UNCONFIRMED and its last record hands over to t: the same, so that t gets it.
 *     Else confirm s, supersede t, STREAM from the fork; IDLE if s cannot.
 *  6. t beyond and not newer, s newer (and beyond or ACTIVE): t holds records
 *     of g that the line of s did not take over. t gives way.
 *     t ACTIVE -> REFUSE diverged. Else confirm s, supersede t, and:
 *     If t did not begin g (t received these records), t.destaged_seq <= fork
 *     and s can stream from the fork -> STREAM from the fork with TRUNCATE.
 *     Else REFUSE orphans (operator must say discard; rule 2 then applies).
 *  7. both beyond and both newer:
 *     Both first generations that are not shared begin at the fork, all of them
 *     were begun by s, t is neither ACTIVE nor UNCONFIRMED, t.destaged_seq <= fork:
 *     s lost what t has with its power and began again (it is to start as primary
 *     at once). Confirm s. If s can stream from there -> STREAM from the fork with
 *     TRUNCATE. Else REFUSE orphans.
 *     Else REFUSE diverged.
 *
 * What follows from them, and is tested over all combinations: only a BLANK,
 * INCONSISTENT or DISCARD node, or one whose records are a prefix of the
 * source's, is ever target of a full sync; records are dropped only past the
 * fork, undestaged, by one that did not write them, and only for a node that
 * has begun a generation there; whoever is told to stream holds what it sends;
 * no two nodes can be confirmed by one plan, none beside an ACTIVE one.
 *
 * On STREAM the target first drops the generations that it does not share
 * (durably, in the same superblock as the truncation, if there is one).
 */
#ifndef LVR_CORE_PLAN_H
#define LVR_CORE_PLAN_H

#include "port.h"
#include "super.h"
#include "../../include/lvr/wire.h"

#define LVR_NODE_F_ACTIVE	0x0001	/* primary and serving I/O, or promoting */
#define LVR_NODE_F_UNCONFIRMED	0x0002	/* ended as primary, waits */
#define LVR_NODE_F_INCONSISTENT	0x0004
#define LVR_NODE_F_BLANK	0x0008
#define LVR_NODE_F_DISCARD	0x0010
#define LVR_NODE_F_PEER_NEEDS_SYNC 0x0020 /* its log no longer has what the peer lacks */
#define LVR_NODE_F_WROTE	0x0040	/* newest generation of its history was begun by itself */
#define LVR_NODE_F_ALONE	0x0080	/* it acknowledges writes that its peer need not hold */
#define LVR_NODE_F_KNOWN	0x00ff

struct lvr_plan_volume {
	char name[LVR_NAME_BYTES];
	u64 size_sect;
	u32 id;
	u32 block_bytes;
};

struct lvr_plan_node {
	u8 group_uuid[LVR_UUID_BYTES];
	u32 member;
	u32 flags;
	u64 ring_bytes;
	u64 head_seq;
	u64 head_chain;
	u64 durable_seq;
	u64 destaged_seq;
	u64 tail_seq;
	u64 sync_id;
	u64 source_sync_id;
	u64 handover_member;
	u32 history_entries;
	u32 volumes;
	struct lvr_generation history[LVR_MAX_HISTORY];
	struct lvr_plan_volume volume[LVR_MAX_VOLUMES];
	/* the answer to LOOKUP: chain at the fork, if it still has it */
	bool fork_known;
	u64 fork_chain;
};

enum lvr_plan_kind {
	LVR_PLAN_REFUSE = 1,
	LVR_PLAN_IDLE,
	LVR_PLAN_STREAM,
	LVR_PLAN_FULL_SYNC,
};

#define LVR_PLAN_F_TRUNCATE	0x0001	/* the target drops what it holds past from_seq */
#define LVR_PLAN_F_SUPERSEDE	0x0002	/* the target learns that it was superseded */
#define LVR_PLAN_F_CONFIRM	0x0004	/* confirm_member may serve I/O */
#define LVR_PLAN_F_RESUME	0x0008	/* full sync goes on where it stopped */
#define LVR_PLAN_F_TAIL		0x0010	/* stream to until_seq, then shake hands again */
#define LVR_PLAN_F_KNOWN	0x001f

#define LVR_PLAN_NO_MEMBER	LVR_MAX_MEMBERS

struct lvr_plan {
	enum lvr_plan_kind kind;
	u32 flags;
	u32 reasons;		/* bit set of enum lvr_refusal */
	u32 source;		/* member id; LVR_PLAN_NO_MEMBER: undecided */
	u32 confirm_member;	/* with F_CONFIRM, else LVR_PLAN_NO_MEMBER */
	u64 from_seq;		/* STREAM, FULL_SYNC: records from here on are sent */
	u64 until_seq;		/* with F_TAIL */
	u64 fork_seq;		/* 0 if unrelated */
	u64 orphan_seqs;	/* ORPHANS: how many the target holds past the fork */
	struct lvr_err text;	/* for people; not compared */
};

/* before: a full sync that the target knows to be complete and the source does not */
bool lvr_plan_sync_is_done(const struct lvr_plan_node *source, const struct lvr_plan_node *target);
/* step 1: the position whose chain each must look up for the other */
u64 lvr_plan_fork(const struct lvr_plan_node *a, const struct lvr_plan_node *b, bool *related);
/* the id of the last generation that both have, 0: none */
u64 lvr_plan_shared_generation(const struct lvr_plan_node *a, const struct lvr_plan_node *b);
/* step 2 */
void lvr_plan_make(const struct lvr_plan_node *me, const struct lvr_plan_node *peer,
		   struct lvr_plan *plan);
/* whether two plans agree (all but text) */
bool lvr_plan_describe_mismatch(const struct lvr_plan_node *me, const struct lvr_plan_node *peer,
				u32 id, struct lvr_err *text);
bool lvr_plan_agrees(const struct lvr_plan *a, const struct lvr_plan *b);

/* whether the peer's news end a hand-over to this node */
bool lvr_plan_voids_handover(const struct lvr_plan *plan, const struct lvr_plan_node *me,
			     const struct lvr_plan_node *peer);

bool lvr_plan_rivals(const struct lvr_plan *plan);

/* may `self` become primary without force, given what it knows of itself? */
struct lvr_promote_check {
	u32 self;
	u32 flags;		/* LVR_NODE_F_* of itself */
	bool peer_active;	/* connected to an active primary */
	bool ever_primary_in_group;	/* history not empty */
	u64 handover_member;	/* ~0 none */
	bool superseded;
};
/*
 * 0, or -EPERM/-EBUSY with the reason. Force overrides all but: a blank copy,
 * and a connection to an active primary (disconnect first). A copy that is
 * already ACTIVE may. After force the caller clears DISCARD.
 */
int lvr_plan_may_promote(const struct lvr_promote_check *check, bool force, struct lvr_err *err);

const char *lvr_refusal_name(u32 bit);
const char *lvr_refusal_text(u32 bit);
/* "volume-size,volume-name" */
void lvr_refusals_format(u32 reasons, char *buf, u32 bytes);

#endif
