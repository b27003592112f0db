/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of two nodes, small enough that all of its states can be visited.
 *
 * What is real: every decision is made by dm-lvr/core as the module links it
 * (plan, super-change, super-history, super-check, scan, ring, sm, table, chunk).
 * What is modelled: the module's code around core, as actions that each end
 * where a crash, a cut or another thread can come in between.
 *
 *   action        stands for
 *   write         lvr_log_append() of a bio, lvr_logio_submit()
 *   flush         flush_start() and flush_endio(): durable moves to what is written
 *   destage       raise_limit(), batch_take(), batch_done()
 *   checkpoint    lvr_checkpoint(): reclaimable(), lvr_link_checkpoint(), note_handover()
 *   detach        detach_peer() of a ring that is full of what only the peer lacks
 *   crash         power lost. Of what is written and not durable a prefix stays; the next
 *                 chunk may be torn, or lost while the one behind it stays
 *   start         lvr_super_read(), lvr_recover() with the real scan over real bytes
 *   replay        REPLAYING: destage to the limit, replayed()
 *   promote       lvr_role_promote(); with force also failover --force and what that claims
 *   begin         lvr_role_promote_work(): up to the superblock of begin_generation()
 *   serve         the rest of it: bring_volumes_to_head(), the generation's record, ACTIVE
 *   demote        lvr_role_demote(): up to the hand-over record
 *   demoted       the rest of it: become_secondary()
 *   discard       lvr_role_discard()
 *   connect       lvr_handshake_agree() on both: STATE, LOOKUP, VERDICT. Until both have
 *                 told what they have nothing of one can change the other, so one step
 *                 stands for every order
 *   act           lvr_handshake_act(), or what lvr_handshake_agree() does after a refusal
 *   send          send_next() at the source, recv_chunk() at the target
 *   block         lvr_sync_step() at the source, recv_chunk() at the target
 *   ping          a frame without a chunk: lvr_log_told_durable()
 *   ack           target_round() at the target, recv_ack() at the source
 *   sync-done     lvr_role_end_sync_target()
 *   cut           the connection goes, with all that is under way in it; also how a
 *                 connection ends that somebody wants to end (LVR_KICK_AGAIN)
 *
 * A superblock write is atomic (two slots): landed, or a crash before that action. A record that is
 * in head may still be under way to the disk; so no superblock write makes it durable.
 *
 * Left out: files, memory, devices that fail, suspended volumes, half-open connections. A
 * chunk carries one record; a volume has two blocks, and each write writes to both.
 */
#ifndef LVR_MODEL_H
#define LVR_MODEL_H

#include <stdlib.h>

#include "plan.h"
#include "scan.h"
#include "sm.h"
#include "table.h"

#define NODES		2
#define RING		10	/* chunks that a node's ring can hold; a scenario may take fewer */
#define PENDING		4	/* chunks written and not durable, at most */
#define HISTORY		8	/* generations that a node remembers */
#define MAX_SEQ		32
#define MAX_GEN		15
#define BLOCKS		2	/* of the volume */
#define VOID_TILL_WRITTEN 2	/* it is promoted again, which counts once something came of it */
#define FORCED_NOW	2	/* not before its last promotion */
#define SYNC_CHUNKS	(BLOCKS + 1)
#define NONE		0xff	/* no such position or member; ~0 in core */
#define DOWN		0xff	/* state of a node without power */
#define MOST_STATES	4000000u	/* of a scenario; the search is to be complete */
#define MOST_STATES_DEEP 8000000u	/* of a deep one; there the first ones have to do */
#define RESERVE_SLOTS	4	/* as LVR_LOG_RESERVE_BYTES */
#define DEMOTE_SLOTS	2	/* check_room(): leaves some for a promotion */
#define GUARD_SLOTS	1	/* as LVR_LOG_GUARD_BYTES */

/* which generation the record at each seq is of, 4 bits each: what a log or a block holds */
typedef unsigned __int128 content_t;

/* chains and contents are numbered, in the order in which they are met first */
typedef u16 ref_t;

struct pos {
	u8 seq;
	u8 off;
	u8 gen;
	u8 pad;
	ref_t chain;
};

struct generation {
	u8 gen;
	u8 first_seq;
	u8 member;
	u8 pad;
	ref_t chain;
};

struct chunk {
	u8 type;		/* enum lvr_record_type; 0: nothing here */
	u8 torn;
	u8 gen;
	u8 seq;
	u8 off;
	u8 inc;
	u8 arg;			/* of the record; of a block: which */
	u8 sync_no;
	u8 sync_id;		/* not 0: takes no seq */
	u8 uuid;
	ref_t before;		/* chain */
	ref_t after;
	ref_t content;		/* of a block */
};

/* struct lvr_super, what changes of it */
struct super {
	struct pos tail;
	struct pos checkpoint;
	struct generation history[HISTORY];
	u8 entries;
	u8 flags;
	u8 uuid;
	u8 inc;
	u8 tail_inc;
	u8 limit;
	u8 orphan_first;
	u8 orphan_end;
	u8 handover_seq;
	u8 handover;
	u8 peer_flags;
	u8 acked;
	u8 told;
	u8 sync_id;		/* this node is its target */
	u8 src_id;		/* this node is its source */
	u8 src_block;
	u8 src_end;
	u8 pad;
};

/* what a node told in a handshake: struct lvr_plan_node */
struct snap {
	struct generation history[HISTORY];
	u8 entries;
	u8 flags;
	u8 uuid;
	u8 head;
	u8 durable;
	u8 destaged;
	u8 tail;
	u8 sync_id;
	u8 source_sync_id;
	u8 handover;
	u8 fork_known;
	u8 pad;
	ref_t head_chain;
	ref_t fork_chain;
};

struct node {
	/* the truth, which the node does not know */
	content_t hist;		/* what its log holds from the beginning on, up to head */
	content_t vol[BLOCKS];	/* what its volume may hold */
	content_t promise;	/* acknowledged: must survive a crash */
	content_t said;		/* acknowledged at all */
	u32 writes;		/* bit: the record at this seq is a write of this activation */
	u8 promise_seq;
	u8 said_seq;
	u8 mixed;		/* bit: this block holds what no history holds */
	u8 voided;		/* the operator has given up what it acknowledges: 1, or VOID_TILL_WRITTEN */
	u8 forced;		/* by force it went on beside a primary that there may be */
	u8 claimed;		/* ... which acknowledges nothing without it, it said */
	u8 owned;		/* up to here it has been primary */
	u8 unheard;		/* ... and the other one could not know it yet */

	/* the disk */
	struct chunk disk[RING];
	struct super sb;

	/* struct lvr_group, lvr_log */
	struct chunk pend[PENDING];	/* from durable to head */
	struct pos head;		/* without power: what recovery has to find */
	struct pos durable;
	struct pos destaged;
	struct pos checkpoint;
	struct pos tail;
	u8 state;
	u8 role;
	u8 primary_at_start;
	u8 rivals;
	u8 told_primary;	/* the handshake told the peer of this primary, not of one before */
	u8 begun;			/* promotion: the generation is durable */
	u8 inc;
	u8 inc_off;
	u8 told;
	u8 limit;
	u8 gen;
	u8 handover;
	u8 peer_durable;

	/* struct lvr_link */
	u8 link;
	u8 dir;
	struct pos cursor;
	u8 acted;
	u8 kicked;
	u8 again_when_acked;
	u8 peer_active;
	u8 acked;
	u8 acked_valid;
	u8 caught_up;
	u8 until;
	u8 gate;
	u8 gate_seq;
	u8 in_sync;
	u8 reopened;		/* the log was closed to the peer and opened again since the handshake */

	/* struct lvr_sync_source; cursors count blocks */
	u8 s_open;
	u8 s_id;
	u8 s_done;
	u8 s_done_end;
	u8 s_active;
	u8 s_next;
	u8 s_end;
	u8 s_sent;
	u8 s_acked;
	u8 s_done_no;
	u8 s_end_sent;
	u8 s_q_next[SYNC_CHUNKS];
	u8 s_q_end[SYNC_CHUNKS];

	/* struct lvr_sync_target */
	u8 t_id;
	u8 t_begun;
	u8 t_last;
	u8 t_durable_no;
	u8 t_end_seen;
	u8 t_end_off;
	u8 t_end_seq;
	u8 t_done;
	u8 t_q[SYNC_CHUNKS];
	u8 pad1[1];
};

/* struct lvr_plan */
struct plan {
	u8 kind;
	u8 flags;
	u8 source;
	u8 confirm;
	u8 from;
	u8 until;
	u8 fork;
	u8 sync_id;		/* of the verdict */
	u32 reasons;		/* of the last refusal; stays, with source, until the next handshake */
};

enum budget { B_WRITE, B_CRASH, B_PROMOTE, B_FORCE, B_DEMOTE, B_DISCARD, B_CONNECT, BUDGETS };

struct state {
	struct node node[NODES];
	struct snap snap[NODES];	/* while the connection is up */
	struct plan plan;
	u8 up;
	u8 joining;		/* nothing was forced since the handshake */
	u8 meddled;		/* somebody forced, discarded, or demoted a node that could not hand over to its peer */
	u8 gens[NODES];		/* generations that each began: A 1, 3, 5, ..., B 2, 4, 6, ... */
	u8 next_sync;
	u8 durable_of[MAX_GEN + 1];	/* what its beginner ever held durably of a generation */
	u8 left[BUDGETS];
	u8 pad[3];
};

enum check {
	CHECK_PREFIX,		/* I1, I10 */
	CHECK_LOST,		/* I2 */
	CHECK_DURABLE,		/* I3, I5 */
	CHECK_HISTORY,		/* I6 */
	CHECK_TAIL,		/* I4 */
	CHECK_CLAIM,
	CHECK_PLAN,		/* mirrored; one primary unless forced */
	CHECK_DEAD_END,
	CHECKS
};

/* what the groups of a scenario are made with, and what may happen */
struct scenario {
	const char *name;
	const char *options;	/* of the table line */
	const char *start;	/* script; see start_states[] */
	u8 left[BUDGETS];
	u32 eager;		/* bits of enum action_kind: done at once, never left undone */
	bool tears;		/* crashes that tear chunks, and that keep one behind a gap */
	u8 ring;		/* slots; 0: RING */
};

enum action_kind {
	ACT_WRITE, ACT_FLUSH, ACT_DESTAGE, ACT_CHECKPOINT, ACT_DETACH, ACT_CRASH, ACT_START, ACT_REPLAY,
	ACT_PROMOTE, ACT_FORCE, ACT_BEGIN, ACT_SERVE, ACT_DEMOTE, ACT_DEMOTED, ACT_DISCARD,
	ACT_CONNECT, ACT_ACT, ACT_SEND, ACT_BLOCK, ACT_PING, ACT_ACK, ACT_SYNC_DONE, ACT_CUT, ACTIONS
};

struct action {
	u8 kind;
	u8 node;
	u8 variant;
};

extern struct lvr_options options[NODES];
extern u8 ring_slots;
extern bool tears;

/* ------------------------------------------------------------------ truth.c */

/* the first violation of the action under way; CHECKS: none */
extern enum check violated;
extern char violation[512];

__attribute__((format(printf, 2, 3)))
void violate(enum check check, const char *fmt, ...);
content_t prefix(content_t content, u32 seq);
u32 gen_at(content_t content, u32 seq);
void content_set(content_t *content, u32 seq, u32 gen);
u32 common_seq(content_t a, u32 a_seq, content_t b, u32 b_seq);
void truth_acknowledge(struct state *s);
void truth_crashed(struct state *s, u32 n);
void truth_agreed(struct state *s);
void truth_acted(struct state *s, u32 n);
void truth_confirmed(struct state *s, u32 n);
void truth_promoted(struct state *s, u32 n, bool forced, bool claims);
void truth_discarded(struct state *s, u32 n);
void truth_destaged(struct state *s, u32 n, const struct chunk *c);
void truth_dropped(struct state *s, u32 n, u32 seq);
void truth_tail(struct state *s, u32 n);
void truth_check(struct state *s);

/* ----------------------------------------------------------------- bridge.c */

ref_t chain_ref(u64 chain);
u64 chain_of(ref_t ref);
ref_t content_ref(content_t content);
content_t content_of(ref_t ref);
u64 wide(u8 position);		/* NONE becomes ~0 */
u8 narrow(u64 position);
struct lvr_pos pos_to_core(struct pos pos);
struct pos pos_from_core(const struct lvr_pos *pos);
void bridge_init(void);
struct lvr_super *super_open(struct state *s, u32 n);
void super_commit(struct state *s, u32 n);	/* of what super_open() gave */
struct lvr_plan_node *snap_to_core(const struct snap *snap, u32 n);
void snap_from_core(struct snap *snap, const struct lvr_plan_node *node);
ref_t chunk_chain(const struct chunk *c);	/* behind it, from c->before */
u32 chunk_bytes(const struct chunk *c, u32 log_id, void *to);

/* -------------------------------------------------------------------- log.c */

u32 other(u32 n);
bool standing(const struct node *node);	/* it has power and has read its log */
struct chunk *chunk_at(struct node *node, u32 off);
struct pos behind(const struct chunk *c, struct pos at);
bool has_room(const struct node *node, u32 reserve);
bool append(struct state *s, u32 n, struct chunk c);
void flush_all(struct state *s, u32 n);
int seek(struct node *node, u32 seq, struct pos *pos);
void stand_at(struct node *node, struct pos pos);
void set_incarnation(struct node *node);
void land_all(struct node *node);
bool destage(struct state *s, u32 n);
bool checkpoint(struct state *s, u32 n, bool always);
bool detach(struct state *s, u32 n);
bool crash(struct state *s, u32 n, u32 variant);
bool start(struct state *s, u32 n);
bool replay(struct state *s, u32 n);

/* ------------------------------------------------------------------- role.c */

bool group_event(struct state *s, u32 n, u32 event);
bool from_peer(const struct node *node);	/* the log is open to the peer */
bool takes(const struct node *node);	/* lvr_log_takes() */
bool alone(const struct state *s, u32 n);
void describe(struct state *s, u32 n, struct snap *snap);
void note_alone(struct state *s, u32 n, bool now, bool own);
bool bound(const struct state *s, u32 n);
bool awaits_room(const struct node *node);
void gate(struct state *s, u32 n);
void rehandshake(struct state *s, u32 n);
bool promote(struct state *s, u32 n, bool force);
bool confirm(struct state *s, u32 n);
bool begin(struct state *s, u32 n);
bool serve(struct state *s, u32 n);
bool demote(struct state *s, u32 n);
bool demoted(struct state *s, u32 n);
bool supersede(struct state *s, u32 n, u32 fork);
void reinstate(struct state *s, u32 n);
bool discard(struct state *s, u32 n);
bool truncate_log(struct state *s, u32 n, u32 seq, u32 keep_gen);

/* ------------------------------------------------------------------- link.c */

bool link_event(struct state *s, u32 n, u32 event);
bool in_session(const struct node *node);
void hang_up(struct state *s);
bool ready_to_connect(const struct node *node);
bool connect_nodes(struct state *s);
bool act(struct state *s, u32 n);

/* ----------------------------------------------------------------- stream.c */

bool send_chunk(struct state *s, u32 n);
bool send_block(struct state *s, u32 n);
bool ping(struct state *s, u32 n);
bool ack(struct state *s, u32 n);
bool sync_done(struct state *s, u32 n);
bool sync_begun(const struct node *node);
void sync_finish(struct state *s, u32 n, u32 sync_id);

/* ---------------------------------------------------------------- actions.c */

/* every action that there is, one after another; false: no more */
bool action_next(struct action *a);
/* false: it cannot happen now, for a simple reason */
bool action_possible(const struct state *s, const struct action *a);
/* the same, in a search */
bool action_allowed(const struct state *s, const struct action *a, const struct scenario *sc);
/* false: it cannot happen now, for another reason; *s is undefined then */
bool action_do(struct state *s, const struct action *a);
/* with the budget paid and all eager actions done */
bool action_step(struct state *s, const struct action *a, const struct scenario *sc);
void action_print(FILE *to, const struct action *a);
void state_print(FILE *to, const struct state *s);
extern FILE *action_log;	/* every action done is told here, if set */

/* ------------------------------------------------------------------- heal.c */

bool settle(struct state *s);	/* what goes on by itself; false: it does not end */
bool heal(struct state *s, bool (*known)(const struct state *s));	/* false: a dead end */
void start_state(struct state *s, const char *script);

/* ----------------------------------------------------------------- search.c */

struct result {
	u64 states;
	u64 transitions;
	u64 healed;
	u32 depth;
	bool complete;
	u32 trace_bytes[CHECKS];
	char *trace[CHECKS];	/* of the shortest way to a violation, else NULL */
};

void search(const struct scenario *sc, u32 most_states, struct result *result);

#endif
