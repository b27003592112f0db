/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map of dm-lvr: the objects, who owns them, and the calls between files.
 *
 *     target.c table/message/status          what device-mapper sees
 *        |
 *     role.c  group.c  state.c               who this node is
 *        |        |
 *     volume.c (map, read)     link*.c handshake.c sender.c receiver.c sync*.c
 *        |                        |            conn.c sock.c listener.c auth.c
 *     log.c (append, order)  complete.c (acknowledge, flush)
 *        |       worker.c  destage.c  checkpoint.c  recover.c  truncate.c
 *        |
 *     extent.c  stage.c  logio.c  reader.c   memory and devices
 *        |
 *     core/                                  pure logic
 *
 * Owners
 *   log->lock       head, open chunk, chunk list, all positions, waiters, seqmap.
 *   worker thread   (worker.c) the destage batch; checkpoints; recovery.
 *   link thread     (link-thread.c) the socket, the handshake, receiving.
 *   sender thread   (sender.c) the send cursor; lives between two handshakes.
 *   group->mutex    role changes, volume attach and detach, options.
 *   super_mutex     the superblock in memory and on disk.
 *
 * Lock order, outermost first
 *   group->mutex -> gate_mutex (link.h) -> super_mutex -> log->lock (spin, irq)
 *   -> volume->index.lock (spin)
 *   state_lock (spin, irq) -> log->lock; link->lock (spin) takes nothing.
 *   log->lock -> stage->lock. defer_lock (spin, irq) takes nothing.
 *   The worker never takes group->mutex while busy: holders wait for it.
 */
#ifndef LVR_H
#define LVR_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/hash.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "core/chunk.h"
#include "core/plan.h"
#include "core/ring.h"
#include "core/scan.h"
#include "core/sm.h"
#include "core/super.h"
#include "core/table.h"

#define DM_MSG_PREFIX "lvr"

struct lvr_group;
struct lvr_link;
struct lvr_destage;

/* ------------------------------------------------------------------ stage.c */

/* a staged page; every one is allocated when the group is made */
struct lvr_page {
	struct lvr_page *next;
	struct page *page;
};

struct lvr_rec;
struct lvr_chunk;

struct lvr_stage {
	spinlock_t lock;	/* irq */
	u32 pages;		/* in all */
	u32 chunks;		/* in all */
	u32 free_pages;
	struct lvr_page *page_array;
	struct lvr_page *free_page;
	struct lvr_rec *rec_array;
	struct lvr_rec *free_rec;
	struct lvr_chunk *chunk_array;
	struct list_head free_chunks;
};

int lvr_stage_init(struct lvr_stage *stage, u32 pages);
void lvr_stage_exit(struct lvr_stage *stage);
/* all or nothing; NULL when not enough is free; never sleeps */
struct lvr_rec *lvr_stage_take_rec(struct lvr_stage *stage, u32 pages);
void lvr_stage_give_rec(struct lvr_stage *stage, struct lvr_rec *rec);
u64 lvr_rec_hash(const struct lvr_rec *rec);
struct lvr_chunk *lvr_stage_take_chunk(struct lvr_stage *stage);	/* with its head page */
void lvr_stage_give_chunk(struct lvr_stage *stage, struct lvr_chunk *chunk);	/* and its records */

/* ----------------------------------------------------------------- extent.c */

/* a piece of a record that is the newest for its range in one map */
struct lvr_extent {
	struct rb_node node;
	struct hlist_node of_rec;
	struct lvr_rec *rec;
	u64 start_sect;
	u64 len_sect;
};

struct lvr_extent_map {
	struct rb_root root;
	bool batch;			/* uses the records' batch_ext, else index_ext */
};

/* newest wins; sectors of older records that need no longer be written */
u64 lvr_extent_insert(struct lvr_extent_map *map, struct lvr_rec *rec);
/* drop what is left of a record */
void lvr_extent_remove_rec(struct lvr_extent_map *map, struct lvr_rec *rec);
/* leftmost extent that ends behind start_sect, or NULL */
struct lvr_extent *lvr_extent_first(struct lvr_extent_map *map, u64 start_sect);
struct lvr_extent *lvr_extent_next(struct lvr_extent *e);

/* one record in memory */
struct lvr_rec {
	struct lvr_rec *next;		/* in its chunk, or free */
	struct lvr_chunk *chunk;
	struct lvr_record desc;
	struct lvr_page *pages;		/* payload in order, each full but the last */
	struct hlist_head indexed;	/* its extents in the volume's read index */
	struct hlist_head batched;	/* its extents in the destage batch */
	struct lvr_extent index_ext[2];
	struct lvr_extent batch_ext[2];
};

/* --------------------------------------------------------------------- log.c */

enum lvr_chunk_stage {		/* only ever rises */
	LVR_CHUNK_OPEN,		/* collects records */
	LVR_CHUNK_SUBMITTED,	/* has its off; bios under way; may be sent */
	LVR_CHUNK_WRITTEN,	/* its bios have ended, without error */
};

struct lvr_chunk {
	struct list_head list;		/* log->chunks, ring order; or free */
	u32 no;				/* log->placed_chunks once it is placed */
	struct hlist_node by_off;	/* log->by_off, while on log->chunks and not open */
	struct lvr_group *group;
	enum lvr_chunk_stage stage;	/* log->lock */
	atomic_t pins;			/* readers, sender: not evicted */
	struct lvr_chunk_info info;
	struct lvr_pos before;		/* its own place */
	struct lvr_pos after;
	u32 extent_bytes;
	u32 payload_at_bytes;
	struct lvr_page *head_page;	/* envelope, head, descriptors */
	u32 head_at_bytes;		/* in it; once submitted they end with the page */
	struct lvr_rec *first_rec;
	struct lvr_rec *last_rec;
	atomic_t pending_bios;
	blk_status_t status;
	bool forced;			/* written with FUA right behind durable: moves it when it ends */
	struct bio_list plain;		/* complete when written (and acked) */
	struct bio_list fua;		/* complete when durable (and acked) */
};

static inline void *lvr_chunk_envelope(struct lvr_chunk *c)
{
	return page_address(c->head_page->page) + c->head_at_bytes;
}

static inline void *lvr_chunk_head(struct lvr_chunk *c)
{
	return lvr_chunk_envelope(c) + LVR_ENVELOPE_BYTES;
}

#define LVR_LOG_RESERVE_BYTES	(64u << 10)	/* for control records when the ring is full */
#define LVR_LOG_GUARD_BYTES	4096u		/* never used: the block at head is not the one at the tail */
#define LVR_REASON_BYTES	256	/* of a text for people; a struct lvr_err and what stands before it */

struct lvr_log {
	spinlock_t lock;		/* irq */
	struct lvr_ring ring;
	u64 log_id;
	u64 incarnation;
	u64 incarnation_off;		/* chunks from here on are of it, those before of lower ones */
	u64 group_id;
	u64 gen;			/* of new records; 0: primary has not begun one */
	u64 epoch;			/* rises when positions are taken back: readers forget */
	bool failed;
	bool from_bios;			/* bios may append: this node is an active primary */
	bool from_peer;			/* received chunks may be appended */
	bool indexed;			/* volumes may have records in their read index: memory that readers need */
	u32 opening;			/* rises each time that becomes true; see lvr_log_takes() */
	u64 handover_member;		/* the last record hands over to it; ~0 it does not */
	u64 data_seq;			/* behind the last chunk that changes a volume; 0 none seen */
	struct list_head chunks;	/* in memory, a suffix of the log; the open one last */
	struct lvr_chunk *destaging_last;	/* NULL, or the end of a run that destage has pinned ... */
	u64 destaging_off;		/* ... from here on */
	struct hlist_head *by_off;
	u32 by_off_bits;
	u32 placed_chunks;		/* how many have got a place; with the next one, modulo 2^32 ... */
	u32 destaged_chunks;		/* ... what of them is not destaged */
	struct lvr_chunk *open;
	struct lvr_chunk *unwritten;	/* first chunk submitted and not written, or NULL */
	u32 in_flight;			/* submitted, not ended */

	struct lvr_pos head;		/* behind the last submitted chunk */
	struct lvr_pos written;
	struct lvr_pos durable;
	struct lvr_pos destaged;
	struct lvr_pos checkpoint;	/* what the superblock on disk says */
	u64 checkpoint_held_seq;	/* lvr_log_held_seq() when it was written */
	struct lvr_pos tail;		/* of the superblock on disk: space before it is free */
	u64 told_durable_seq;		/* secondary: the primary's durable, as told */
	u64 durable_limit_seq;		/* of it, what the superblock on disk says: destage goes no further;
					 * ~0: a primary's */

	/* acknowledging */
	bool gate;			/* writes wait for the peer's durable ack ... */
	bool gate_refuses;		/* ... but of volumes being suspended they end without it */
	u64 peer_durable_seq;
	u64 completed_seq;		/* no write behind it has been acknowledged: what a flush covers */
	u32 eager;			/* how regularly flushes follow chunks */
	struct lvr_chunk *unacked;	/* first chunk with waiting bios, or NULL */
	struct bio_list flushes;	/* empty flushes in order; position in struct lvr_bio */
	bool flush_in_flight;
	u64 flush_wanted_off;
	struct bio flush_bio;
	struct lvr_pos flush_pos;	/* what the flush under way will make durable ... */
	u64 flush_epoch;		/* ... unless positions were taken back meanwhile */

	struct lvr_seqmap *marks;
	wait_queue_head_t moved;	/* any position, the gate, or failed changed */
};

/*
 * Does the log take what a peer sends, or what was agreed with it? Only as long
 * as it has not been closed to it: `opening` is what log->opening was before the
 * agreement. A node that was primary in between has a history of its own.
 *
 * Steady under log->lock, and under group->mutex but for a confirmation.
 */
static inline bool lvr_log_takes(const struct lvr_log *log, u32 opening)
{
	return READ_ONCE(log->from_peer) && READ_ONCE(log->opening) == opening;
}

/* what is appended from now on is of it */
static inline void lvr_log_set_incarnation_locked(struct lvr_log *log, u64 incarnation)
{
	lockdep_assert_held(&log->lock);
	log->incarnation = incarnation;
	log->incarnation_off = log->head.off;
}

/* what the peer holds, as far as it has said since this node started; log->lock */
static inline u64 lvr_log_held_seq(const struct lvr_log *log)
{
	return max(log->peer_durable_seq, log->told_durable_seq);
}

/* why a bio was not taken */
enum lvr_admit {
	LVR_ADMITTED,
	LVR_WAIT_MEMORY,
	LVR_WAIT_LOG,
	LVR_WAIT_STATE,		/* not an active primary any more */
	LVR_LOG_FAILED,
};

/*
 * Append a record that carries bio (may be NULL: control record, uses the
 * reserve). rec has desc and pages set. Process context.
 */
enum lvr_admit lvr_log_append(struct lvr_group *g, struct lvr_rec *rec, struct bio *bio);
/* memory for a record or a chunk, at the price of cached chunks; NULL: wait on moved */
struct lvr_rec *lvr_log_take_rec(struct lvr_group *g, u32 pages);
struct lvr_chunk *lvr_log_take_chunk(struct lvr_group *g);
int lvr_log_init(struct lvr_group *g);
void lvr_log_exit(struct lvr_group *g);
/* stand at pos with nothing in memory: after recovery, reset */
void lvr_log_stand_at(struct lvr_group *g, const struct lvr_pos *pos);
void lvr_log_commit_work(struct work_struct *work);
/* wait until no chunk is under way */
int lvr_log_settle(struct lvr_group *g);
/* the chunk in memory that starts at off, pinned, or NULL; *open_there: it is still open */
struct lvr_chunk *lvr_log_pin(struct lvr_group *g, u64 off);
void lvr_chunk_unpin(struct lvr_chunk *chunk);
/* submit the open chunk if nothing is in flight (or force) */
void lvr_log_commit(struct lvr_group *g, bool force);

/*
 * secondary: a received, fully checked chunk (head page filled from +LVR_ENVELOPE_BYTES, records with pages);
 * urgent: its source waits until it is durable. -ENOSPC: no ring room now
 */
int lvr_log_append_received(struct lvr_group *g, u32 opening, struct lvr_chunk *chunk, bool urgent,
			    u64 line_seq);
void lvr_log_told_durable(struct lvr_group *g, u32 opening, u64 seq);

/* complete.c */
void lvr_log_complete(struct lvr_group *g);	/* positions moved */
void lvr_log_flush_work(struct work_struct *work);
void lvr_log_flush_soon(struct lvr_group *g, bool now);
/* an empty flush: completes when durable and, gated, acked covers all completed writes */
void lvr_log_flush_bio(struct lvr_group *g, struct bio *bio);
bool lvr_log_expect_flush(struct lvr_log *log);
/* make everything written durable soon */
void lvr_log_want_flush(struct lvr_group *g);
/* same and wait until durable covers seq (or the log failed: -EIO); process context */
int lvr_log_flush_wait(struct lvr_group *g, u64 seq);
/* primary: the peer holds everything before seq durably */
void lvr_log_peer_acked(struct lvr_group *g, u64 seq);
/* from now on writes wait (true) or no longer wait (false) for the peer */
void lvr_log_set_gate(struct lvr_group *g, bool on, bool refuses);
void lvr_log_fail(struct lvr_group *g, const char *what, blk_status_t status);

/* truncate.c: drop all records at and behind seq (a chunk boundary, >= destaged); durable when it returns */
int lvr_log_truncate(struct lvr_group *g, u32 opening, u64 seq, u64 keep_gen);
/* logio.c: bios of a chunk; ends in lvr_log_chunk_ended() */
void lvr_logio_submit(struct lvr_group *g, struct lvr_chunk *chunk);
void lvr_log_chunk_ended(struct lvr_chunk *chunk);
/* synchronous; bytes and off multiples of 512; wraps */
int lvr_logio_read(struct lvr_group *g, u64 off, u32 bytes, struct page **pages);
/* no chunk is found at off after this: zeroes its first block, durable */
int lvr_logio_erase_block(struct lvr_group *g, u64 off);
/* metadata: synchronous, bytes a multiple of 4096, buf from vmalloc or kmalloc */
int lvr_logio_meta(struct lvr_group *g, u64 sect, void *buf, u32 bytes, blk_opf_t opf);

/* positions, coherent */
void lvr_log_positions(struct lvr_group *g, struct lvr_pos *head, struct lvr_pos *durable,
		       struct lvr_pos *destaged, struct lvr_pos *tail);

/* a chunk to be sent or destaged, from memory or read back */
#define LVR_VIEW_MAX_BVECS 384
struct lvr_chunk_view {
	struct lvr_chunk_info info;
	struct lvr_pos next;		/* behind it */
	const void *head;		/* info.head_bytes */
	struct lvr_chunk *pinned;	/* NULL: from the reader's buffer */
	u32 bvecs;
	struct bio_vec bvec[LVR_VIEW_MAX_BVECS];	/* payload */
};

/* reads the log back in large sequential reads; one user at a time */
struct lvr_log_reader;
struct lvr_log_reader *lvr_reader_create(struct lvr_group *g);
void lvr_reader_destroy(struct lvr_log_reader *reader);
/*
 * The chunk that starts at pos. 0 and *view; -EAGAIN: none submitted there
 * yet; -ESTALE: no longer in the log; -EIO; -EUCLEAN: what was read back does
 * not check. With in_memory, a chunk that would have to be read back but is
 * not yet written is -EAGAIN too. Release before the next call. May sleep.
 */
int lvr_reader_get(struct lvr_log_reader *reader, const struct lvr_pos *pos, struct lvr_chunk_view *view);
void lvr_reader_put(struct lvr_log_reader *reader, struct lvr_chunk_view *view);
/* bytes of the ring, believed by nobody yet; ERR_PTR */
void *lvr_reader_raw(struct lvr_log_reader *reader, u64 off, u32 bytes, u64 limit_off);
/* the chunk boundary at seq: fills off, chain, gen; -ESTALE: before the tail; -EINVAL: not a boundary or beyond head. May sleep. */
int lvr_reader_seek(struct lvr_log_reader *reader, u64 seq, struct lvr_pos *pos);

/* ------------------------------------------------- volume.c, volume-attach.c */

struct lvr_volume {
	struct lvr_group *group;
	u32 id;
	char name[LVR_NAME_BYTES];
	u64 size_sect;
	u32 block_bytes;
	struct dm_dev *origin;		/* NULL: not attached. group->mutex and origin_lock to change,
					 * and not while the worker is busy */
	struct rw_semaphore origin_lock;
	struct dm_target *ti;
	bool failed;			/* origin refused a write; destage retries; worker */
	bool dirty;			/* written since the last flush; worker */
	bool lost;			/* the origin may lack writes since the checkpoint; worker */
	struct dm_target *suspender;	/* between presuspend, which was of it, and resume; or NULL */
	bool requeue;			/* noflush: hand held bios back, sticky */
	struct {
		spinlock_t lock;
		struct lvr_extent_map map;
	} index;			/* staged, not destaged; primary only */
	struct lvr_extent_map batch;	/* worker */
};

/* private data of every bio to a volume */
struct lvr_bio {
	struct lvr_volume *volume;
	u64 flush_seq;			/* an empty flush: completes at this position */
	struct lvr_read *read;		/* staged pieces to lay over, or NULL */
};

static inline struct lvr_bio *lvr_bio(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct lvr_bio));
}

int lvr_volume_map(struct lvr_volume *v, struct bio *bio);
int lvr_volume_end_io(struct lvr_volume *v, struct bio *bio, blk_status_t *error);
/* attach: the origin is there; detach: drained and let go. Process context. */
int lvr_volume_attach(struct lvr_volume *v, struct dm_target *ti, struct dm_dev *origin);
void lvr_volume_presuspend(struct lvr_volume *v, struct dm_target *ti);
void lvr_volume_postsuspend(struct lvr_volume *v, struct dm_target *ti);
void lvr_volume_resume(struct lvr_volume *v);
/* end held bios that the new state does not serve; retry the others */
void lvr_volume_defer_work(struct work_struct *work);
size_t lvr_read_bytes(void);	/* an element of g->reads */

void lvr_volume_forget_staged(struct lvr_volume *v);	/* it becomes a secondary's */

/* read the volume's present content (staged over origin) into pages; may sleep */
int lvr_volume_read(struct lvr_volume *v, u64 start_sect, u32 len_sect, struct page **pages);

/* ----------------------------------------------------------------- target.c */

extern struct target_type lvr_group_target;
extern struct target_type lvr_volume_target;

/* ------------------------------------------------------------------ group.c */

struct lvr_group {
	struct kref kref;
	struct list_head list;		/* all groups */
	char name[LVR_NAME_BYTES];
	dev_t dm_devt;			/* of the group's dm device */
	struct dm_target *ti;		/* live table, for events; group->mutex */
	struct lvr_options opts;	/* group->mutex to change */
	struct net *net;		/* of who loaded the table first */
	struct mutex mutex;

	/* log device: held by the group's dm tables, which outlive all I/O to it */
	struct block_device *log_bdev;
	u32 tables;			/* lvr-log tables that hold it; group->mutex */
	struct mutex super_mutex;
	struct lvr_super *sb;		/* super_mutex */
	void *sb_buf;

	spinlock_t state_lock;		/* state, role, reason: only state.c writes them */
	enum lvr_role role;
	enum lvr_group_state state;
	bool announced_serving;		/* event_work */
	char reason[LVR_REASON_BYTES];
	char refusal[192];		/* last refused command */
	atomic64_t counter[LVR_CTR_COUNT];

	struct lvr_stage stage;
	struct lvr_log log;
	struct bio_set bios;

	struct lvr_volume *volume[LVR_MAX_VOLUMES];	/* by slot of the superblock */
	u32 volumes;
	u32 attached;

	/* bios that wait: for space, memory, or the state; those that take space, in order, apart */
	spinlock_t defer_lock;
	struct bio_list deferred;
	struct bio_list deferred_writes;
	u32 deferred_count;		/* of both, and of those just tried again */
	struct workqueue_struct *wq;	/* WQ_MEM_RECLAIM | WQ_UNBOUND, this group's alone */
	struct work_struct defer_work;
	struct work_struct commit_work;
	struct delayed_work flush_work;
	struct work_struct event_work;
	struct work_struct promote_work;
	char promote_reason[64];
	bool awaits_room;	/* of the promotion only the record is missing, and the log is full */
	mempool_t reads;		/* struct lvr_read */
	atomic_t suspending;		/* volumes between presuspend and resume */

	/* worker thread, worker.c */
	struct task_struct *worker;
	wait_queue_head_t worker_wait;
	wait_queue_head_t worker_idle;
	unsigned long worker_flags;	/* LVR_WORKER_* bits */
	atomic_t draining;		/* > 0: who waits until all is destaged, without company */
	u32 worker_hold;		/* > 0: no new batch starts */
	bool worker_busy;
	struct lvr_log_reader *destage_reader;
	bool log_unreadable;		/* destage could not read the log back; worker */
	bool destage_blocked;		/* by a volume that is suspended; worker, cleared also by who brings one back or drains */
	bool lost_restart;		/* the pass for lost volumes begins anew; worker */
	bool primary_at_start;		/* superblock said so */
	unsigned long checkpoint_jiffies;
	bool sync_moved;		/* a full sync has come further since the last checkpoint */
	unsigned long retry_jiffies;	/* when what refuses is tried again; counts while something does */
	bool destage_waits;		/* something waits for company; worker, read by completions */
	unsigned long destage_since_jiffies;	/* since then */
	unsigned long destage_came_jiffies;	/* the last came then */
	u64 destage_head_off;			/* and made this the head */

	struct lvr_link *link;		/* NULL: no peer configured */
};

enum {				/* g->worker_flags */
	LVR_WORKER_KICKED,	/* something may have changed */
	LVR_WORKER_PRESSURE,	/* admission waits for space or memory */
	LVR_WORKER_CHECKPOINT,	/* and write the superblock */
};

static inline struct lvr_member *lvr_group_peer(struct lvr_group *g)
{
	return &g->sb->member[g->opts.peer];
}

static inline bool lvr_group_has_peer(const struct lvr_group *g)
{
	return g->opts.peer < LVR_MAX_MEMBERS;
}

/* it has acknowledged what the peer need not hold */
static inline bool lvr_group_is_alone(struct lvr_group *g)
{
	return READ_ONCE(lvr_group_peer(g)->flags) & LVR_MEMBER_F_ALONE;
}

/* mode=sync with on-disconnect=block: by its settings it acknowledges nothing without its peer ... */
static inline bool lvr_options_bind(const struct lvr_options *opts)
{
	return opts->sync && opts->block_on_disconnect;
}

static inline bool lvr_group_to_be_bound(const struct lvr_group *g)
{
	return lvr_options_bind(&g->opts);
}

/* ... and it does not, being not alone */
static inline bool lvr_group_bound(struct lvr_group *g)
{
	return lvr_group_has_peer(g) && lvr_group_to_be_bound(g) && !lvr_group_is_alone(g);
}

static inline void lvr_count(struct lvr_group *g, enum lvr_counter c, u64 n)
{
	atomic64_add(n, &g->counter[c]);
}

/* made by the first table that names the log device; -EEXIST etc. with reason */
int lvr_group_open(struct dm_target *ti, struct dm_dev *log_dev, const struct lvr_options *opts,
		   struct lvr_group **out, struct lvr_err *err);
void lvr_group_close(struct lvr_group *g, struct dm_target *ti);	/* the table goes */
int lvr_group_start(struct lvr_group *g, struct dm_target *ti, const struct lvr_options *opts);
struct lvr_group *lvr_group_find_devt(dev_t devt);	/* with a reference */
struct lvr_volume *lvr_group_volume(struct lvr_group *g, u32 id);	/* NULL: no such volume */
void lvr_group_get(struct lvr_group *g);
void lvr_group_put(struct lvr_group *g);

/*
 * Change the superblock: lock, modify g->sb, commit. Commit writes it with
 * FUA to the other slot and unlocks; on error the log has failed. The
 * change is acted upon only after commit returned 0 (I6, I10). May sleep.
 */
void lvr_super_lock(struct lvr_group *g);
int lvr_super_commit(struct lvr_group *g);
void lvr_super_unlock(struct lvr_group *g);	/* nothing changed */

int lvr_super_read(struct lvr_group *g, struct lvr_err *err);

/* recover.c: read the log back; worker */
int lvr_recover(struct lvr_group *g, struct lvr_err *err);
/* checkpoint.c: flush the origins, superblock, free log space; worker, or worker held */
int lvr_checkpoint(struct lvr_group *g);

/* destage.c: the log to the origins; worker */
struct lvr_destage *lvr_destage_create(struct lvr_group *g);
void lvr_destage_destroy(struct lvr_destage *d);
bool lvr_destage_allowed(struct lvr_group *g);
bool lvr_destage_behind(struct lvr_group *g);
u64 lvr_destage_goal_seq(struct lvr_group *g);	/* as far as it may come now */
bool lvr_destage_batch(struct lvr_destage *d);	/* true: came further; so the next */
bool lvr_destage_again(struct lvr_destage *d);	/* to volumes that lost writes */
void lvr_destage_lost(struct lvr_volume *v);	/* also with the worker held */

/* worker.c */
int lvr_worker_start(struct lvr_group *g);
void lvr_worker_stop(struct lvr_group *g);
/* worker: stop starting batches and wait until none runs; nests */
void lvr_worker_hold(struct lvr_group *g);
void lvr_worker_release(struct lvr_group *g);
void lvr_worker_kick(struct lvr_group *g);
void lvr_worker_durable(struct lvr_group *g);
/* wait until everything below the destage limit is on the volumes; may sleep; -EIO if it cannot be */
int lvr_worker_drain(struct lvr_group *g);
/* retry deferred bios */
void lvr_group_kick_deferred(struct lvr_group *g);

/* ------------------------------------------------------------------ state.c */

/* the only writer of g->state and g->role; -EINVAL: illegal event, reason in err */
int lvr_state_event(struct lvr_group *g, enum lvr_group_event event, const char *reason,
		    struct lvr_err *err);
/* why it is in that state, when that has changed without an event */
void lvr_state_reason(struct lvr_group *g, enum lvr_group_state state, const char *reason);
/* something worth telling userspace: dm event, from any context */
void lvr_state_notify(struct lvr_group *g);

/* a volume starts or stops serving I/O: uevent with LVR_ROLE */
void lvr_state_event_work(struct work_struct *work);

/* ------------------------------------------------------- message.c, status.c */

int lvr_message(struct lvr_group *g, u32 argc, char **argv, char *result, u32 bytes);
void lvr_status_info(struct lvr_group *g, char *result, u32 bytes);

/* ------------------------------------------------------------------- role.c */

void lvr_role_promote_work(struct work_struct *work);

int lvr_role_promote(struct lvr_group *g, bool force, struct lvr_err *err);
int lvr_role_demote(struct lvr_group *g, struct lvr_err *err);
int lvr_role_discard(struct lvr_group *g, struct lvr_err *err);
/* from the handshake, link thread: a peer confirms an unconfirmed primary */
int lvr_role_confirm(struct lvr_group *g);
/* from the handshake: superseded; records [fork_seq, head) are orphans */
int lvr_role_supersede(struct lvr_group *g, u64 fork_seq);
/* from the handshake: who was superseded is no more, a peer that was given up holds what this node does */
int lvr_role_reinstate(struct lvr_group *g, u32 opening, u64 held_seq);
/* what this node tells in STATE (fork_* not set); the opening of the log that it holds for */
u32 lvr_role_describe(struct lvr_group *g, struct lvr_plan_node *node);
/* the peer, primary, said whether it acknowledges writes without this node; durable */
int lvr_role_told_alone(struct lvr_group *g, u32 opening, bool alone);
/* whether this node, primary, acknowledges writes without the peer; durable */
int lvr_role_set_alone(struct lvr_group *g, bool alone);
bool lvr_role_alone(struct lvr_group *g);
/* a hand-over to this node counts no more, durably: the one that it holds; the one whose record comes next */
int lvr_role_void_handover(struct lvr_group *g);
int lvr_role_pass_handover(struct lvr_group *g, u32 opening, u64 end_seq);
/* the member the last record hands over to, ~0 none */
u64 lvr_role_handover(struct lvr_group *g);

/*
 * Target of a full sync, from the link thread before the first block: stands
 * where the stream starts, adopts uuid and history, is INCONSISTENT and
 * target of sync_id, all durably.
 */
int lvr_role_begin_sync_target(struct lvr_group *g, u32 opening, u64 sync_id,
			       const struct lvr_plan_node *source, const struct lvr_pos *at);
/* a generation from the network, durable before its first record is appended (I6) */
int lvr_role_learn_generation(struct lvr_group *g, u32 opening, const struct lvr_generation *gen);
/* target: everything up to the end of the sync is destaged and flushed; clears INCONSISTENT durably */
int lvr_role_end_sync_target(struct lvr_group *g, u32 opening, u64 sync_id);

/* ----------------------------------------------------- link.c, link-state.c */

int lvr_link_create(struct lvr_group *g);	/* parses nothing; g->opts says how */
void lvr_link_destroy(struct lvr_group *g);	/* ends threads; never waits for the peer */
void lvr_link_reconfigure(struct lvr_group *g, const struct lvr_options *opts);	/* sets g->opts */
int lvr_link_connect(struct lvr_group *g, struct lvr_err *err);
int lvr_link_disconnect(struct lvr_group *g, struct lvr_err *err);
int lvr_link_set_key(struct lvr_group *g, const u8 *key, u32 bytes);
int lvr_link_attach_fd(struct lvr_group *g, int fd, struct lvr_err *err);
void lvr_link_rehandshake(struct lvr_group *g);	/* something the plan depends on changed */
void lvr_link_suspend(struct lvr_group *g);	/* nothing waits for a peer that is away (I7) */
void lvr_link_regate(struct lvr_group *g);	/* what the gate depends on has changed */
void lvr_link_begin_generation(struct lvr_group *g, u64 head_seq, u64 acked_seq);
bool lvr_link_peer_active(struct lvr_group *g);	/* connected to an active primary */

/* snapshot for the status line */
struct lvr_link_status {
	enum lvr_link_state state;
	enum lvr_direction direction;
	char reason[LVR_REASON_BYTES];
	bool in_sync;
	bool rivals;		/* both were primary without the other, as the last handshake told */
	bool told_primary;	/* the peer knows what this node does as the primary that it is */
	u64 sent_seq;
	u64 acked_seq;
	u64 applied_seq;
	u64 peer_head_seq;
	u64 peer_durable_seq;
	u64 seen_ms;		/* since last heard; ~0 never */
	u64 sync_done_sect;
	u64 sync_total_sect;
};
void lvr_link_status(struct lvr_group *g, struct lvr_link_status *st);
/* primary, checkpoint: position before which the peer needs nothing; sync progress goes to the member entry. super_mutex held. */
void lvr_link_checkpoint(struct lvr_group *g);

void lvr_listener_exit(void);

#endif
