// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeping promises: what is written, durable, and acknowledged.
 *
 * written  moves over consecutive WRITTEN chunks (log.c).
 * durable  moves to what was written when a flush was issued, when that
 *          flush ends. One flush at a time. A FUA write and an empty flush
 *          only wait for durable, so every flush goes to the log device
 *          alone, and many waiters share one.
 *          It also moves over a chunk that somebody waits for and that was
 *          written with FUA right behind it (chunk->forced): one command of
 *          the device in place of two in turn. With anything volatile before
 *          the chunk, FUA would say nothing of that, and a flush is made. None
 *          is under way that would end behind such a chunk: there was nothing
 *          to be flushed when it was placed, nor is before it has ended.
 *          Three kinds of chunk go that way: with a FUA write in it; at the
 *          peer, one whose source waits; and one behind which a flush is
 *          expected, as from a program that flushes after each write. Its
 *          flush then finds everything durable, and with the gate on the log
 *          became so while the peer's did.
 *
 * Plain writes complete at written, FUA and flushes at durable; while the
 * gate is on also at the peer's durable position (I2). Where the gate may not
 * open and a volume is being suspended, what waits for nothing but a peer that
 * is away is given back or fails: neither waits for it (I7), nor is it
 * acknowledged.
 */
#include "lvr.h"

/* written data is made durable after this, if nobody asks sooner */
#define FLUSH_INTERVAL_MS	20

/*
 * log->eager rises with each flush and falls with each chunk that could have been written for one: it comes up where
 * more than half of them are followed by a flush, and goes down where fewer are.
 */
#define EAGER_PER_FLUSH		2
#define EAGER_ENOUGH		4
#define EAGER_MAX		8

/* -------------------------------------------------------------- completing */

static bool chunk_waits(const struct lvr_chunk *c)
{
	return !bio_list_empty(&c->plain) || !bio_list_empty(&c->fua);
}

/* the bios whose promise holds now: the only place that decides what is acknowledged */
static void complete_ready_locked(struct lvr_log *log, struct bio_list *done)
{
	u64 plain_seq = log->written.seq, fua_seq = log->durable.seq;
	struct lvr_chunk *c = log->unacked;
	struct bio *bio;

	lockdep_assert_held(&log->lock);
	if (log->gate) {
		plain_seq = min(plain_seq, log->peer_durable_seq);
		fua_seq = min(fua_seq, log->peer_durable_seq);
	}
	log->completed_seq = max(log->completed_seq, plain_seq);
	log->unacked = NULL;
	if (c) {
		list_for_each_entry_from(c, &log->chunks, list) {
			if (c->stage != LVR_CHUNK_OPEN && c->after.seq <= plain_seq)
				bio_list_merge_init(done, &c->plain);
			if (c->stage != LVR_CHUNK_OPEN && c->after.seq <= fua_seq)
				bio_list_merge_init(done, &c->fua);
			if (!log->unacked && chunk_waits(c))
				log->unacked = c;
			if (c->stage == LVR_CHUNK_OPEN || c->after.seq > plain_seq) {
				log->unacked = log->unacked ?: c;
				break;
			}
		}
	}
	while ((bio = bio_list_peek(&log->flushes)) && lvr_bio(bio)->flush_seq <= fua_seq)
		bio_list_add(done, bio_list_pop(&log->flushes));
}

static void take_suspended(struct bio_list *from, u64 flush_seq, struct bio_list *to)
{
	struct bio_list kept = BIO_EMPTY_LIST;
	struct bio *bio;

	while ((bio = bio_list_pop(from)))
		bio_list_add(READ_ONCE(lvr_bio(bio)->volume->suspender) &&
			     lvr_bio(bio)->flush_seq <= flush_seq ? to : &kept, bio);
	*from = kept;
}

/* the bios of suspended volumes that wait for the peer only */
static void take_refused_locked(struct lvr_log *log, struct bio_list *refused)
{
	struct lvr_chunk *c = log->unacked;

	lockdep_assert_held(&log->lock);
	if (c) {
		list_for_each_entry_from(c, &log->chunks, list) {
			if (c->stage == LVR_CHUNK_OPEN || c->after.seq > log->written.seq)
				break;
			take_suspended(&c->plain, ~0ull, refused);
			if (c->after.seq <= log->durable.seq)
				take_suspended(&c->fua, ~0ull, refused);
		}
	}
	take_suspended(&log->flushes, log->durable.seq, refused);
}

static void end_refused(struct lvr_group *g, struct bio_list *bios)
{
	struct bio *bio;

	while ((bio = bio_list_pop(bios))) {
		struct lvr_volume *v = lvr_bio(bio)->volume;

		bio->bi_status = READ_ONCE(v->requeue) ? BLK_STS_DM_REQUEUE : BLK_STS_TIMEOUT;
		if (bio->bi_status == BLK_STS_TIMEOUT)
			DMERR_LIMIT("lvr %s: write to volume %s failed: the volume is being suspended, and peer %s is away",
				    g->name, v->name, lvr_group_peer(g)->name);
		bio_endio(bio);
	}
}

static void fail_all_locked(struct lvr_log *log, struct bio_list *failed)
{
	struct lvr_chunk *c;

	list_for_each_entry(c, &log->chunks, list) {
		bio_list_merge_init(failed, &c->plain);
		bio_list_merge_init(failed, &c->fua);
	}
	bio_list_merge_init(failed, &log->flushes);
	log->unacked = NULL;
}

static void end_bios(struct bio_list *bios, blk_status_t status)
{
	struct bio *bio;

	while ((bio = bio_list_pop(bios))) {
		bio->bi_status = status;
		bio_endio(bio);
	}
}

/**
 * lvr_log_complete() - end the bios whose promise holds, or all if the log failed
 * @g: the group, of which some position has moved
 *
 * Context: any but under log->lock.
 */
void lvr_log_complete(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;
	struct bio_list done = BIO_EMPTY_LIST, refused = BIO_EMPTY_LIST;
	unsigned long flags;
	bool failed;

	spin_lock_irqsave(&log->lock, flags);
	failed = log->failed;
	if (failed)
		fail_all_locked(log, &done);
	else
		complete_ready_locked(log, &done);
	if (!failed && log->gate_refuses)
		take_refused_locked(log, &refused);
	spin_unlock_irqrestore(&log->lock, flags);
	end_bios(&done, failed ? BLK_STS_IOERR : BLK_STS_OK);
	end_refused(g, &refused);
	wake_up_all(&log->moved);
}

/**
 * lvr_log_fail() - the log device refused an I/O
 * @g: the group; it takes no more writes, waiting ones get an error
 * @what: the operation
 * @status: its status
 *
 * One way: only a new start of the group leaves it. What is acknowledged and
 * not destaged stays in the log.
 *
 * Context: any.
 */
void lvr_log_fail(struct lvr_group *g, const char *what, blk_status_t status)
{
	unsigned long flags;
	bool first;

	spin_lock_irqsave(&g->log.lock, flags);
	first = !g->log.failed;
	g->log.failed = true;
	spin_unlock_irqrestore(&g->log.lock, flags);
	if (first) {
		DMERR("lvr %s: log device %s failed: %d", g->name, what, blk_status_to_errno(status));
		lvr_count(g, LVR_CTR_errors, 1);
		queue_work(system_unbound_wq, &g->event_work);
	}
	/* each time: somebody may wait for the last I/O under way, not for the first error */
	lvr_log_complete(g);
}

/* ----------------------------------------------------------------- flushing */

/**
 * lvr_log_flush_soon() - there is something written that is not durable
 * @g: the group
 * @now: somebody waits for it
 *
 * Context: any.
 */
void lvr_log_flush_soon(struct lvr_group *g, bool now)
{
	if (now)
		mod_delayed_work(g->wq, &g->flush_work, 0);
	else
		queue_delayed_work(g->wq, &g->flush_work, msecs_to_jiffies(FLUSH_INTERVAL_MS));
}

static void flush_endio(struct bio *bio)
{
	struct lvr_group *g = bio->bi_private;
	struct lvr_log *log = &g->log;
	blk_status_t status = bio->bi_status;
	unsigned long flags;
	bool behind, wanted;

	rcu_read_lock();	/* who ends the group waits until we are out of it */
	bio_uninit(bio);	/* from here on the next flush may use it */
	spin_lock_irqsave(&log->lock, flags);
	log->flush_in_flight = false;
	if (!status && log->flush_epoch == log->epoch)
		log->durable = log->flush_pos;
	behind = log->written.off > log->durable.off;
	wanted = log->flush_wanted_off > log->durable.off;
	spin_unlock_irqrestore(&log->lock, flags);
	if (status) {
		lvr_log_fail(g, "flush", status);
	} else {
		lvr_log_complete(g);
		lvr_worker_durable(g);
		/* what was written while this one was under way has had its timer run out */
		if (behind)
			lvr_log_flush_soon(g, wanted);
	}
	rcu_read_unlock();
}

/* issue a flush of the log device if it would move durable; process context */
static void flush_start(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;

	spin_lock_irq(&log->lock);
	if (log->failed || log->flush_in_flight || log->written.off <= log->durable.off) {
		spin_unlock_irq(&log->lock);
		return;
	}
	log->flush_in_flight = true;
	log->flush_pos = log->written;
	log->flush_epoch = log->epoch;
	spin_unlock_irq(&log->lock);

	lvr_count(g, LVR_CTR_flushes, 1);
	bio_init(&log->flush_bio, g->log_bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
	log->flush_bio.bi_private = g;
	log->flush_bio.bi_end_io = flush_endio;
	submit_bio(&log->flush_bio);
}

/**
 * lvr_log_flush_work() - the flush that LVR makes by itself, or on demand from atomic context
 * @work: g->flush_work
 *
 * Context: process, the group's workqueue.
 */
void lvr_log_flush_work(struct work_struct *work)
{
	flush_start(container_of(to_delayed_work(work), struct lvr_group, flush_work));
}

/**
 * lvr_log_want_flush() - make everything submitted so far durable soon
 * @g: the group
 *
 * Context: any; the flush itself is issued from the group's workqueue.
 */
void lvr_log_want_flush(struct lvr_group *g)
{
	struct lvr_log *log = &g->log;
	unsigned long flags;
	bool start;

	spin_lock_irqsave(&log->lock, flags);
	log->flush_wanted_off = log->head.off;
	start = !log->flush_in_flight && log->written.off > log->durable.off;
	spin_unlock_irqrestore(&log->lock, flags);
	if (start)
		lvr_log_flush_soon(g, true);
}

/**
 * lvr_log_flush_wait() - make everything before a position durable
 * @g: the group
 * @seq: a position not behind head
 *
 * Context: process, waits for the log device only.
 * Return: 0, or -EIO when the log has failed.
 */
int lvr_log_flush_wait(struct lvr_group *g, u64 seq)
{
	struct lvr_log *log = &g->log;

	lvr_log_commit(g, true);
	while (READ_ONCE(log->durable.seq) < seq && !READ_ONCE(log->failed)) {
		lvr_log_want_flush(g);
		wait_event_timeout(log->moved, READ_ONCE(log->durable.seq) >= seq ||
				   READ_ONCE(log->failed), HZ / 10);
	}
	return READ_ONCE(log->failed) ? -EIO : 0;
}

/**
 * lvr_log_expect_flush() - count a chunk that is placed now; will a flush follow it
 * @log: the log; its lock is held
 *
 * Guessed from what came before: to be wrong costs a FUA, or a flush.
 *
 * Context: any.
 */
bool lvr_log_expect_flush(struct lvr_log *log)
{
	bool expected = log->eager >= EAGER_ENOUGH;

	lockdep_assert_held(&log->lock);
	log->eager -= log->eager > 0;
	return expected;
}

/**
 * lvr_log_flush_bio() - an empty flush
 * @g: the group
 * @bio: without data; completes when every write completed before now is
 *       durable, with the gate on also at the peer
 *
 * Not what is only written: with the gate on, that would be a wait for what
 * the peer has not acknowledged to others yet.
 *
 * Context: process; takes over the bio.
 */
void lvr_log_flush_bio(struct lvr_group *g, struct bio *bio)
{
	struct lvr_log *log = &g->log;
	bool wanted;

	spin_lock_irq(&log->lock);
	lvr_bio(bio)->flush_seq = log->completed_seq;
	bio_list_add(&log->flushes, bio);
	/* one that is under way may cover it */
	wanted = log->completed_seq > (log->flush_in_flight ? log->flush_pos.seq : log->durable.seq);
	if (wanted)
		log->flush_wanted_off = max(log->flush_wanted_off, log->written.off);
	log->eager = min_t(u32, log->eager + EAGER_PER_FLUSH, EAGER_MAX);
	spin_unlock_irq(&log->lock);
	lvr_log_complete(g);
	if (wanted)
		flush_start(g);
}

/* -------------------------------------------------------------------- the peer */

/* what the peer held back has ended: its memory can be had, and the tail may follow */
static void retry_waiting(struct lvr_group *g)
{
	if (!READ_ONCE(g->deferred_count))
		return;
	lvr_group_kick_deferred(g);
	lvr_worker_kick(g);
}

/**
 * lvr_log_peer_acked() - the peer holds a prefix durably
 * @g: the group
 * @seq: everything before it
 *
 * Context: process.
 */
void lvr_log_peer_acked(struct lvr_group *g, u64 seq)
{
	struct lvr_log *log = &g->log;

	spin_lock_irq(&log->lock);
	log->peer_durable_seq = max(log->peer_durable_seq, seq);
	spin_unlock_irq(&log->lock);
	lvr_log_complete(g);
	retry_waiting(g);
}

/**
 * lvr_log_set_gate() - let acknowledgements wait for the peer, or not
 * @g: the group
 * @on: whether they wait
 * @refuses: those of volumes that are being suspended end without the peer
 *
 * Context: process.
 */
void lvr_log_set_gate(struct lvr_group *g, bool on, bool refuses)
{
	spin_lock_irq(&g->log.lock);
	g->log.gate = on;
	WRITE_ONCE(g->log.gate_refuses, refuses);
	spin_unlock_irq(&g->log.lock);
	lvr_log_complete(g);
	retry_waiting(g);
}
