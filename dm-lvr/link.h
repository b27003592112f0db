/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The link to a peer: what its files share. Private to link.c link-thread.c
 * link-state.c handshake.c sender.c receiver.c sync.c sync-target.c listener.c
 * auth.c; everybody else knows the calls in lvr.h.
 *
 *   link.c          the calls of everybody else
 *   listener.c      accepts, lets auth.c find out who it is ---+
 *   link.c          is handed a socket, the same               |  lvr_link_offer()
 *   link-thread.c   connects, the same                         |
 *      ^                                                       v
 *   link thread: waits for a connection ... has one, then
 *      handshake.c    STATE, LOOKUP, VERDICT; acts on the plan
 *      receiver.c     takes chunks or acks until the connection ends
 *      sync-target.c  blocks of a full sync that arrive
 *   sender thread: from the verdict to the end of the connection
 *      sender.c       pings, chunks, acks
 *      sync.c         blocks of a full sync, between chunks
 *   link-state.c: what both know of the link and its peer
 *
 * Owners
 *   link thread    receiving, the handshake, all of struct lvr_link that is
 *                  not said to be somebody else's
 *   sender thread  sending, between lvr_sender_start() and lvr_sender_stop();
 *                  before and after that the link thread
 *   link->lock     (spin, process context) what both share and what others
 *                  read or set; nests inside group->mutex and super_mutex,
 *                  takes nothing
 *   gate_mutex     the log's gate follows the link's state; outside super_mutex
 *   key_mutex      the key; a leaf
 *
 * Lifetime: the group's pointer, and each worker of a listener while it has
 * found the link, hold a reference. The threads end in lvr_link_destroy().
 */
#ifndef LVR_LINK_H
#define LVR_LINK_H

#include <linux/completion.h>
#include <linux/ratelimit.h>

#include "core/ack.h"
#include "core/hello.h"
#include "core/plan-wire.h"
#include "lvr.h"
#include "conn.h"

struct crypto_shash;
struct lvr_listener;

/* chunks sent and not acked; bounds what is under way to the peer */
#define LVR_LINK_WINDOW		8192u	/* power of two */
/*
 * So many times timeout-ms a peer that is heard may acknowledge nothing while
 * writers wait for it that need not: the default of DRBD's ko-count.
 */
#define LVR_STALL_TIMEOUTS	7u
/* synchronisation chunks sent and not counted as done, and their bytes */
#define LVR_SYNC_WINDOW		32u	/* power of two */
#define LVR_SYNC_BLOCK_BYTES	LVR_RECORD_MAX_BYTES
#define LVR_SYNC_BLOCK_PAGES	(LVR_SYNC_BLOCK_BYTES / PAGE_SIZE)
/* the same at the target: received and not durable */
#define LVR_SYNC_PENDING	64u	/* power of two */

/* why the link thread is wanted; link->kicks */
enum {
	LVR_KICK_AGAIN,		/* what the plan rests on has changed: shake hands again */
	LVR_KICK_DROP,		/* end this connection and look at the configuration */
	LVR_KICK_RETRY,		/* do not sit out the back-off */
};

/* what the sender thread does; link->lock */
enum lvr_tx_mode {
	LVR_TX_OFF,
	LVR_TX_PING,		/* the plan is being acted upon */
	LVR_TX_SOURCE,
	LVR_TX_TARGET,
};

/* how a connection ended, besides the errors of sockets and of this node */
#define LVR_END_REFUSED	(-EBADR)	/* the plan refuses: for people to decide */
#define LVR_END_AGAIN	(-ERESTART)	/* the peer wants a new handshake */

struct lvr_sent {		/* a chunk under way */
	u64 seq;		/* behind it */
	u64 chain;
};

/* place of the next block of a full sync */
struct lvr_sync_cursor {
	u32 volume;		/* id; ~0: past the last one */
	u64 sect;
};

struct lvr_sync_sent {		/* a synchronisation chunk under way */
	struct lvr_sync_cursor next;	/* behind it */
	u64 end_seq;		/* the source's head after its blocks were read */
};

/* full sync, at its source */
struct lvr_sync_source {
	/* link->lock */
	bool open;		/* the member entry says SYNC_OPEN for id */
	bool active;		/* this connection carries it */
	bool end_sent;
	u64 id;
	struct lvr_sync_cursor done;	/* below it all is durable at the target */
	u64 done_end_seq;	/* greatest end_seq of what is done */
	u64 sent_no;		/* ordinal of the last chunk sent in this connection */
	u64 acked_no;		/* durable at the target */
	u64 done_no;		/* and its end_seq below our own durable position */
	struct lvr_sync_sent sent[LVR_SYNC_WINDOW]; /* by ordinal modulo window */
	/* sender thread; before it starts the link thread */
	struct lvr_sync_cursor next;
	u64 end_seq;		/* greatest of all sent */
	u32 window;
	unsigned long retry;	/* jiffies: not before */
	void *head;		/* one encoded chunk head */
	struct page *page[LVR_SYNC_BLOCK_PAGES];
	struct bio_vec bvec[LVR_SYNC_BLOCK_PAGES];
};

/* full sync, at its target; link->lock */
struct lvr_sync_target {
	u64 id;			/* 0: this connection carries none */
	bool begun;		/* this node stands where its stream starts, durably */
	bool end_seen;
	bool done;		/* consistent again, durably */
	u64 end_off;		/* behind the chunk with SYNC_END */
	u64 end_seq;		/* position from which we are consistent */
	struct lvr_sync_cursor at;	/* behind the last block, for people */
	u64 last_no;		/* received and appended */
	u64 durable_no;		/* of these durable */
	u32 pending;
	u32 first;
	struct {
		u64 no;
		u64 off;	/* behind it in our log */
	} queue[LVR_SYNC_PENDING];
};

struct lvr_link {
	struct kref kref;
	struct lvr_group *g;		/* valid while the threads run */
	char group[LVR_NAME_BYTES];
	char self_name[LVR_NAME_BYTES];
	struct task_struct *sender;
	struct completion left;		/* the link thread has ended */
	wait_queue_head_t wait;		/* both threads, while there is no connection */

	spinlock_t lock;
	/* ---- under lock ---- */
	struct lvr_options opts;
	bool stopping;
	bool wanted;			/* not disconnected by the operator */
	bool suspended;			/* a volume is being suspended */
	unsigned long progress_jiffies;	/* the peer acknowledged something more, or was first asked to */
	bool has_key;
	bool serving;			/* conn shakes hands or streams: a change ends it */
	unsigned long kicks;		/* bits; also read without lock */
	struct lvr_conn *conn;		/* the one in use */
	struct lvr_conn *offered;	/* authenticated, not yet taken */
	struct lvr_conn *vetted;	/* handed in, being authenticated by fd_work */
	enum lvr_link_state state;
	enum lvr_direction direction;
	char reason[LVR_REASON_BYTES];
	char tx_why[LVR_REASON_BYTES];	/* why the sender gave up */
	enum lvr_tx_mode tx_mode;
	bool tx_idle;			/* the sender thread has let go of conn */
	bool peer_is_active;
	bool rivals;			/* as the last handshake told */
	bool told_primary;		/* the peer was told of this node as primary ... */
	u32 told_opening;		/* ... before it can have been demoted and promoted again */
	bool again_when_acked;		/* handed over: the new handshake comes behind its ack */
	u64 sent_seq;
	bool acked_valid;		/* acked_seq is what this node as a source was told */
	u64 acked_seq;
	u64 applied_seq;
	u64 told_head_seq;		/* when last our source */
	u64 peer_head_seq;
	u64 peer_durable_seq;
	u64 heard_ms;			/* boot time; 0 never */
	u64 heard_real_ms;		/* wall clock, for people */
	u32 sent_first;
	u32 sent_count;
	struct lvr_sent *sent;
	struct lvr_sync_source sync;
	struct lvr_sync_target target;
	u64 gate_seq;			/* all acknowledged without the peer lies before it */
	bool gate_on;
	bool in_sync;

	struct mutex gate_mutex;
	struct mutex key_mutex;
	struct crypto_shash *tfm;	/* key_mutex; the key is in it; NULL: none */
	struct work_struct fd_work;
	struct delayed_work regate_work;	/* when the peer has had its time */
	struct ratelimit_state log_limit;

	/* ---- listener.c ---- */
	struct lvr_listener *listener;	/* link thread; membership under listener->lock */
	struct list_head of_listener;

	/* ---- link thread ---- */
	u32 delay_ms;			/* back-off */
	unsigned long next_try;
	u32 quick;			/* reconnections without back-off lately */
	unsigned long quick_since;
	bool quiet;			/* a retry after a refusal: show only its outcome */
	u32 opening;			/* of our log, when `me` was told; lvr_log_takes() */
	struct lvr_plan_node *me;
	struct lvr_plan_node *peer;
	struct lvr_plan plan;
	u64 verdict_sync_id;
	void *buf;			/* LVR_STATE_MAX_BYTES */
	u64 caught_up_seq;		/* streaming from here on */
	u32 caught_up_rounds;
	struct lvr_sent checked;	/* source: last position at which the chains were compared */
	struct bio_vec rx_bvec[LVR_RECORD_MAX_BYTES / 4096];

	/* ---- sender thread; before it starts the link thread ---- */
	struct lvr_log_reader *reader;	/* the link thread's in the handshake */
	struct lvr_chunk_view *view;
	struct lvr_pos cursor;
	u64 until_seq;			/* F_TAIL; else ~0 */
	u64 ahead_bytes;		/* at most so far past our durable position */
	u64 blocked_written_off;	/* the chunk at cursor was not readable at this */
	bool blocked;
	unsigned long tx_jiffies;	/* of the last frame */
	u64 told_durable_seq;
	u64 told_applied_seq;
	u64 polled_off;			/* target: destaged when last looked at */
	u64 polled_durable_off;		/* target: and durable */
	u64 told_sync_no;
	bool told_done;
};

/* ------------------------------------------------------------------- link.c */

struct lvr_link *lvr_link_get(struct lvr_group *g);
void lvr_link_put(struct lvr_link *link);

/* ------------------------------------------------------------ link-thread.c */

int lvr_link_thread(void *data);
void lvr_link_kick(struct lvr_link *link, int kick);
int lvr_link_offer(struct lvr_link *link, struct lvr_conn *conn);

/* ------------------------------------------------------------- link-state.c */

__printf(3, 4)
bool lvr_link_event(struct lvr_link *link, enum lvr_link_event event, const char *fmt, ...);
__printf(2, 3)
void lvr_link_reason(struct lvr_link *link, const char *fmt, ...);
void lvr_link_gate(struct lvr_link *link);
u32 lvr_link_stalled(struct lvr_link *link);
void lvr_link_in_sync(struct lvr_link *link);
int lvr_link_heard(struct lvr_link *link, const struct lvr_frame *frame, struct lvr_err *err);
void lvr_link_load(struct lvr_link *link, const struct lvr_member *member);
void lvr_link_store(struct lvr_link *link, struct lvr_member *member);

/* somebody wants this connection to end, or it has ended for the sender */
static inline bool lvr_link_cancelled(const struct lvr_link *link)
{
	return READ_ONCE(link->conn->cancel_rx);
}

static inline u32 lvr_link_timeout_ms(const struct lvr_link *link)
{
	return READ_ONCE(link->opts.timeout_ms);
}

/* ------------------------------------------------------------------- auth.c */

int lvr_auth_set_key(struct lvr_link *link, const u8 *key, u32 bytes);
void lvr_auth_drop_key(struct lvr_link *link);
int lvr_auth_connect(struct lvr_link *link, struct lvr_conn *conn, struct lvr_err *err);
int lvr_auth_read_hello(struct lvr_conn *conn, struct lvr_wire_hello *wire,
			struct lvr_hello *hello, struct lvr_err *err);
int lvr_auth_accept(struct lvr_link *link, struct lvr_conn *conn,
		    const struct lvr_wire_hello *wire, const struct lvr_hello *theirs,
		    struct lvr_err *err);

/* --------------------------------------------------------------- listener.c */

int lvr_listener_join(struct lvr_link *link, struct net *net, const struct lvr_endpoint *at);
void lvr_listener_leave(struct lvr_link *link);

/* -------------------------------------------------------------- handshake.c */

int lvr_handshake_agree(struct lvr_link *link, struct lvr_err *err);
int lvr_handshake_act(struct lvr_link *link, struct lvr_err *err);
void lvr_handshake_bye(struct lvr_link *link, const char *text);
int lvr_handshake_read_bye(struct lvr_link *link, const struct lvr_frame *frame,
			   struct lvr_err *err);

/* ----------------------------------------------------------------- sender.c */

int lvr_sender_create(struct lvr_link *link);
void lvr_sender_destroy(struct lvr_link *link);
void lvr_sender_start(struct lvr_link *link);
void lvr_sender_mode(struct lvr_link *link, enum lvr_tx_mode mode);
void lvr_sender_stop(struct lvr_link *link);
int lvr_sender_frame(struct lvr_link *link, u16 type, u16 flags, const void *payload, u32 bytes);
int lvr_sender_chunk(struct lvr_link *link, u16 flags, const void *head, u32 head_bytes,
		     const struct bio_vec *bvec, u32 bvecs, u32 payload_bytes);

/* --------------------------------------------------------------- receiver.c */

int lvr_receiver_run(struct lvr_link *link, struct lvr_err *err);

/* ------------------------------------------------------------------- sync.c */

int lvr_sync_create(struct lvr_link *link);
void lvr_sync_destroy(struct lvr_link *link);
bool lvr_sync_can_resume(struct lvr_link *link);
int lvr_sync_begin(struct lvr_link *link, u64 sync_id, bool resume, struct lvr_err *err);
bool lvr_sync_ready(struct lvr_link *link);
int lvr_sync_step(struct lvr_link *link, char *why, u32 bytes);
int lvr_sync_acked(struct lvr_link *link, const struct lvr_ack *ack, struct lvr_err *err);
void lvr_sync_progress(struct lvr_link *link, u64 durable_seq);
int lvr_sync_finish(struct lvr_link *link, u64 sync_id);
void lvr_sync_checkpoint(struct lvr_link *link, struct lvr_member *member);
void lvr_sync_status(struct lvr_link *link, struct lvr_link_status *st);

/* ------------------------------------------------------------ sync-target.c */

void lvr_sync_expect(struct lvr_link *link, u64 sync_id, bool resume);
int lvr_sync_check(struct lvr_link *link, const struct lvr_chunk_info *info, struct lvr_err *err);
bool lvr_sync_begun(struct lvr_link *link);
void lvr_sync_appended(struct lvr_link *link, const struct lvr_chunk_info *info, u64 off,
		       const struct lvr_record *first);
int lvr_sync_target_poll(struct lvr_link *link, const struct lvr_pos *durable,
			 const struct lvr_pos *destaged);

#endif
