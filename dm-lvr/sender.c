// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sender thread of a link. One thread, made with the link, so that
 * nothing is allocated when a connection comes; parked between connections.
 *
 * Modes (link->tx_mode, set by the link thread)
 *   OFF     parked, or on its way there
 *   PING    the plan is being acted upon: only shows that we live
 *   SOURCE  chunks from the cursor on, in ring order, from memory or read
 *           back; blocks of a full sync in between (sync.c); pings
 *   TARGET  acks, pings
 *
 * What every frame carries is this node's durable position; the target's
 * destage depends on it. So where it moves and no chunk goes out, a ping does.
 *
 * How far a source goes
 *   - not further past its own durable position than ahead_bytes, a part of
 *     the target's ring: what the target may not destage yet must never fill
 *     its log, or it could not take the frame that tells it that it may;
 *   - with a full sync open, only what is durable: then the target never
 *     stands past a source that has lost its unflushed tail, and the sync can
 *     always be resumed;
 *   - at most LVR_LINK_WINDOW chunks that are not acked, of each of which the
 *     chain is remembered to be compared with the ack's.
 *
 * Gathering
 *   While nobody waits for the peer, a few small chunks are worth a wait for
 *   more: what costs is to wake up, to send and to be acked, not the bytes. So
 *   a source that has less than GATHER_BYTES to send sleeps GATHER_MS first,
 *   and nothing but that time wakes it. Not with the gate on, not while the
 *   role changes.
 *
 * Waking
 *   Every write and flush of the log and every ack moves a position, and few
 *   of them are work for this thread. So who moves one asks has_work() before
 *   it wakes it. That is called from anywhere, interrupts too, and therefore
 *   reads without a lock: it may be wrong only where a later wake-up follows.
 *   With the gate on a chunk goes out when it goes to the local log: log.c
 *   wakes then.
 *
 * Chunks of an earlier full sync of this node itself may lie in its log. They
 * are skipped: a peer that stands before them has the volumes they describe.
 *
 * A crash or cut at any step leaves the target with a prefix of what was
 * sent; the next handshake finds out how much.
 *
 * Owner of link->conn's sending side, cursor, reader and view while tx_mode
 * is not OFF. Lock order: log->lock and link->lock, one at a time.
 */
#include <linux/sched/mm.h>

#include "link.h"

#define SOURCE_BATCH		16	/* chunks between two blocks of a full sync */
#define GATHER_BYTES		(64 << 10)
#define GATHER_MS		8
#define APPLIED_TELL_MS		20	/* an ack for nothing but `applied` waits so long */
#define IDLE_MOST_MS		1000

struct standing {
	struct lvr_pos head;
	struct lvr_pos durable;
	struct lvr_pos destaged;
	u64 written_off;
};

static void look(struct lvr_group *g, struct standing *at)
{
	struct lvr_log *log = &g->log;

	spin_lock_irq(&log->lock);
	at->head = log->head;
	at->durable = log->durable;
	at->destaged = log->destaged;
	at->written_off = log->written.off;
	spin_unlock_irq(&log->lock);
}

/* as look(), from any context: each position by itself as of now, without chains */
static void glance(struct lvr_group *g, struct standing *at)
{
	struct lvr_log *log = &g->log;

	at->head.off = READ_ONCE(log->head.off);
	at->durable.seq = READ_ONCE(log->durable.seq);
	at->durable.off = READ_ONCE(log->durable.off);
	at->destaged.seq = READ_ONCE(log->destaged.seq);
	at->destaged.off = READ_ONCE(log->destaged.off);
	at->written_off = READ_ONCE(log->written.off);
}

/* -------------------------------------------------------------------- frames */

static int send(struct lvr_link *link, u16 type, u16 flags, const void *front, u32 front_bytes,
		const struct bio_vec *bvec, u32 bvecs, u32 bvec_bytes)
{
	struct lvr_frame frame = { .type = type, .flags = flags };
	struct lvr_pos head, durable;
	int ret;

	lvr_log_positions(link->g, &head, &durable, NULL, NULL);
	frame.head_seq = head.seq;
	frame.durable_seq = durable.seq;
	frame.time_ms = ktime_to_ms(ktime_get_real());
	ret = lvr_conn_send(link->conn, &frame, front, front_bytes, bvec, bvecs, bvec_bytes);
	link->tx_jiffies = jiffies;
	if (!ret)
		link->told_durable_seq = durable.seq;
	return ret;
}

/**
 * lvr_sender_frame() - send a small frame
 * @link: the link
 * @type: enum lvr_frame_type
 * @flags: LVR_FRAME_F_*
 * @payload: of it
 * @bytes: of the payload
 *
 * Context: process, the thread that owns sending.
 * Return: as lvr_conn_send().
 */
int lvr_sender_frame(struct lvr_link *link, u16 type, u16 flags, const void *payload, u32 bytes)
{
	return send(link, type, flags, payload, bytes, NULL, 0, 0);
}

/**
 * lvr_sender_chunk() - send a chunk
 * @link: the link
 * @flags: LVR_FRAME_F_*
 * @head: of the chunk
 * @head_bytes: of it
 * @bvec: payload
 * @bvecs: elements of it
 * @payload_bytes: of it
 *
 * Context: process, the sender thread.
 * Return: as lvr_conn_send().
 */
int lvr_sender_chunk(struct lvr_link *link, u16 flags, const void *head, u32 head_bytes,
		     const struct bio_vec *bvec, u32 bvecs, u32 payload_bytes)
{
	return send(link, LVR_FRAME_CHUNK, flags, head, head_bytes, bvec, bvecs, payload_bytes);
}

static bool ping_due(const struct lvr_link *link)
{
	u32 every_ms = min(READ_ONCE(link->opts.ping_ms), lvr_link_timeout_ms(link) / 3);

	return time_after_eq(jiffies, link->tx_jiffies + msecs_to_jiffies(every_ms));
}

static long until_ping(const struct lvr_link *link)
{
	u32 every_ms = min(READ_ONCE(link->opts.ping_ms), lvr_link_timeout_ms(link) / 3);
	unsigned long at = link->tx_jiffies + msecs_to_jiffies(every_ms);

	if (time_after_eq(jiffies, at))
		return 1;
	return min_t(long, at - jiffies, msecs_to_jiffies(IDLE_MOST_MS)) ?: 1;
}

static int ping(struct lvr_link *link)
{
	return lvr_sender_frame(link, LVR_FRAME_PING, 0, NULL, 0);
}

/* the connection is of no more use: let the link thread know */
__printf(2, 3)
static void give_up(struct lvr_link *link, const char *fmt, ...)
{
	va_list args;

	spin_lock(&link->lock);
	if (!link->tx_why[0]) {
		va_start(args, fmt);
		vsnprintf(link->tx_why, sizeof(link->tx_why), fmt, args);
		va_end(args);
	}
	lvr_conn_cancel(link->conn, true, false);
	spin_unlock(&link->lock);
}

/* -------------------------------------------------------------------- source */

static bool may_send(struct lvr_link *link, const struct standing *at)
{
	const struct lvr_pos *cursor = &link->cursor;

	if (cursor->off >= at->head.off || cursor->seq >= link->until_seq)
		return false;
	if (link->blocked && link->blocked_written_off == at->written_off)
		return false;
	if (READ_ONCE(link->sent_count) >= LVR_LINK_WINDOW)
		return false;
	if (READ_ONCE(link->sync.active))
		return cursor->off < at->durable.off && link->sync.sent_no;
	return cursor->off <= at->durable.off ||
	       cursor->off - at->durable.off <= link->ahead_bytes;
}

/* something may be sent: is it too little to be sent by itself */
static bool worth_gathering(struct lvr_link *link, const struct standing *at)
{
	return at->head.off - link->cursor.off < GATHER_BYTES && link->until_seq == ~0ull &&
	       !READ_ONCE(link->g->log.gate) && !READ_ONCE(link->sync.active) &&
	       READ_ONCE(link->g->state) == LVR_GROUP_ACTIVE;
}

static void remember_sent(struct lvr_link *link, const struct lvr_pos *next)
{
	spin_lock(&link->lock);
	if (link->sent_seq == link->acked_seq)
		link->progress_jiffies = jiffies;
	link->sent[(link->sent_first + link->sent_count) % LVR_LINK_WINDOW] =
		(struct lvr_sent){ next->seq, next->chain };
	link->sent_count++;
	link->sent_seq = next->seq;
	spin_unlock(&link->lock);
}

/* the chunk at the cursor; 1 done, 0 not there yet, or -errno */
static int send_next(struct lvr_link *link, const struct standing *at)
{
	struct lvr_chunk_view *view = link->view;
	u16 flags = READ_ONCE(link->g->log.gate) ? LVR_FRAME_F_URGENT : 0;
	int ret;

	ret = lvr_reader_get(link->reader, &link->cursor, view);
	if (ret == -EAGAIN) {
		link->blocked = true;
		link->blocked_written_off = at->written_off;
		return 0;
	}
	if (ret) {
		give_up(link, "cannot read the log at %llu: %pe", link->cursor.seq, ERR_PTR(ret));
		return ret;
	}
	link->blocked = false;
	if (!(view->info.flags & LVR_CHUNK_F_NOSEQ)) {
		/* before it is sent: its ack may come before we are back */
		remember_sent(link, &view->next);
		ret = lvr_sender_chunk(link, flags, view->head, view->info.head_bytes,
				       view->bvec, view->bvecs, view->info.payload_bytes);
	}
	link->cursor = view->next;
	lvr_reader_put(link->reader, view);
	return ret ?: 1;
}

/* as many chunks as there are, in full segments; how many, or -errno */
static int send_batch(struct lvr_link *link, struct standing *at)
{
	int ret = 1, n = 0;

	lvr_conn_cork(link->conn, true);
	while (n < SOURCE_BATCH && may_send(link, at)) {
		ret = send_next(link, at);
		if (ret <= 0)
			break;
		n++;
		look(link->g, at);
	}
	lvr_conn_cork(link->conn, false);
	return ret < 0 ? ret : n;
}

static int source_round(struct lvr_link *link)
{
	struct standing at;
	bool did = false;
	int ret = 0;

	look(link->g, &at);
	if (may_send(link, &at) && worth_gathering(link, &at)) {
		schedule_timeout_idle(msecs_to_jiffies(GATHER_MS));
		look(link->g, &at);
	}
	lvr_sync_progress(link, at.durable.seq);
	if (may_send(link, &at))
		ret = send_batch(link, &at);
	if (ret < 0)
		return ret;
	did = ret;
	if (lvr_sync_ready(link)) {
		char why[sizeof(link->tx_why)] = "";

		ret = lvr_sync_step(link, why, sizeof(why));
		if (ret < 0) {
			if (why[0])
				give_up(link, "%s", why);
			return ret;
		}
		did |= ret;
	}
	if (did)
		return 1;
	if (link->cursor.off < at.head.off && at.durable.off < at.head.off)
		lvr_log_want_flush(link->g);
	if (at.durable.seq == link->told_durable_seq && !ping_due(link))
		return 0;
	return ping(link) ?: 1;
}

static bool source_has_work(struct lvr_link *link)
{
	struct standing at;

	glance(link->g, &at);
	return at.durable.seq != link->told_durable_seq || may_send(link, &at) || lvr_sync_ready(link);
}

/* -------------------------------------------------------------------- target */

/* acks only make sense where our log continues the source's stream */
static bool may_ack(struct lvr_link *link)
{
	return !READ_ONCE(link->target.id) || READ_ONCE(link->target.begun);
}

static int send_ack(struct lvr_link *link, const struct standing *at)
{
	struct lvr_ack ack = {
		.durable_seq = at->durable.seq,
		.durable_chain = at->durable.chain,
		.applied_seq = at->destaged.seq,
	};
	struct lvr_wire_ack wire;
	int ret;

	spin_lock(&link->lock);
	ack.sync_id = link->target.id;
	ack.sync_no = link->target.durable_no;
	if (link->target.done)
		ack.flags |= LVR_ACK_F_SYNC_DONE;
	spin_unlock(&link->lock);

	lvr_ack_encode(&wire, &ack);
	ret = lvr_sender_frame(link, LVR_FRAME_ACK, 0, &wire, sizeof(wire));
	link->told_durable_seq = ack.durable_seq;
	link->told_applied_seq = ack.applied_seq;
	link->told_sync_no = ack.sync_no;
	link->told_done = ack.flags & LVR_ACK_F_SYNC_DONE;
	return ret;
}

static bool news_to_ack(struct lvr_link *link, const struct standing *at)
{
	struct lvr_sync_target *t = &link->target;

	if (at->durable.seq != link->told_durable_seq ||
	    READ_ONCE(t->durable_no) != link->told_sync_no || READ_ONCE(t->done) != link->told_done)
		return true;
	return at->destaged.seq != link->told_applied_seq &&
	       time_after_eq(jiffies, link->tx_jiffies + msecs_to_jiffies(APPLIED_TELL_MS));
}

static int target_round(struct lvr_link *link)
{
	struct standing at;
	int ret;

	if (!may_ack(link)) {
		if (!ping_due(link))
			return 0;
		return ping(link) ?: 1;
	}
	look(link->g, &at);
	link->polled_off = at.destaged.off;
	link->polled_durable_off = at.durable.off;
	ret = lvr_sync_target_poll(link, &at.durable, &at.destaged);
	if (ret) {
		give_up(link, "cannot complete the full synchronisation: %pe", ERR_PTR(ret));
		return ret;
	}
	if (!news_to_ack(link, &at) && !ping_due(link))
		return 0;
	ret = send_ack(link, &at);
	if (ret)
		return ret;
	if (at.durable.seq >= link->until_seq) {
		/* the tail is here: now the plan can be made that goes on from it */
		link->until_seq = ~0ull;
		lvr_link_kick(link, LVR_KICK_AGAIN);
	}
	return 1;
}

static bool target_has_work(struct lvr_link *link)
{
	struct standing at;

	if (!may_ack(link))
		return false;
	glance(link->g, &at);
	/* blocks of a full sync move no seq */
	return news_to_ack(link, &at) ||
	       (READ_ONCE(link->target.pending) && at.durable.off != link->polled_durable_off);
}

/* something is destaged that the source, or the end of a full sync, waits for */
static bool applied_pending(struct lvr_link *link)
{
	struct standing at;

	if (!may_ack(link))
		return false;
	glance(link->g, &at);
	return at.destaged.off != link->polled_off || at.destaged.seq != link->told_applied_seq;
}

/* -------------------------------------------------------------------- thread */

static int one_round(struct lvr_link *link, enum lvr_tx_mode mode)
{
	switch (mode) {
	case LVR_TX_SOURCE:
		return source_round(link);
	case LVR_TX_TARGET:
		return target_round(link);
	default:
		return ping_due(link) ? ping(link) ?: 1 : 0;
	}
}

struct sleeper {
	struct wait_queue_entry wait;
	struct lvr_link *link;
	enum lvr_tx_mode mode;
	bool told_soon;		/* what is destaged is told when the time is up */
};

/* Context: any. */
static bool has_work(const struct sleeper *s)
{
	if (READ_ONCE(s->link->tx_mode) != s->mode)
		return true;
	if (s->mode == LVR_TX_SOURCE)
		return source_has_work(s->link);
	return s->mode == LVR_TX_TARGET &&
	       (target_has_work(s->link) || (!s->told_soon && applied_pending(s->link)));
}

static int wake_for_work(struct wait_queue_entry *wait, unsigned int mode, int flags, void *key)
{
	if (!has_work(container_of(wait, struct sleeper, wait)))
		return 0;
	return autoremove_wake_function(wait, mode, flags, key);
}

static void sleep_until_work(struct lvr_link *link, enum lvr_tx_mode mode)
{
	struct sleeper s = { .link = link, .mode = mode };
	long sleep = until_ping(link);

	s.told_soon = mode == LVR_TX_TARGET && applied_pending(link);
	if (s.told_soon)
		sleep = min_t(long, sleep, msecs_to_jiffies(APPLIED_TELL_MS) ?: 1);
	init_wait_entry(&s.wait, 0);
	s.wait.func = wake_for_work;
	prepare_to_wait(&link->g->log.moved, &s.wait, TASK_IDLE);
	if (!has_work(&s))
		schedule_timeout(sleep);
	finish_wait(&link->g->log.moved, &s.wait);
}

static void run(struct lvr_link *link)
{
	enum lvr_tx_mode mode;
	int ret;

	while ((mode = READ_ONCE(link->tx_mode)) != LVR_TX_OFF) {
		ret = one_round(link, mode);
		if (ret < 0) {
			/* if cancelled: by the link thread, which knows why */
			if (ret == -ETIMEDOUT)
				give_up(link, LVR_SILENT_FMT, link->conn->timeout_ms);
			else if (ret != -ECANCELED)
				give_up(link, "sending failed: %pe", ERR_PTR(ret));
			return;
		}
		if (ret)
			cond_resched();
		else
			sleep_until_work(link, mode);
	}
}

static int sender(void *data)
{
	struct lvr_link *link = data;

	memalloc_noio_save();
	for (;;) {
		wait_event_idle(link->wait, kthread_should_stop() || !READ_ONCE(link->tx_idle));
		/* only ever told to stop while idle: socket waits would not sleep after that */
		if (READ_ONCE(link->tx_idle))
			break;
		run(link);
		spin_lock(&link->lock);
		WRITE_ONCE(link->tx_idle, true);
		spin_unlock(&link->lock);
		wake_up_all(&link->wait);
	}
	return 0;
}

/**
 * lvr_sender_create() - make the sender thread, parked
 * @link: under construction
 *
 * Context: process, sleeps.
 * Return: 0 or -errno.
 */
int lvr_sender_create(struct lvr_link *link)
{
	struct task_struct *task = kthread_run(sender, link, "lvr_send/%s", link->group);

	if (IS_ERR(task))
		return PTR_ERR(task);
	link->sender = task;
	return 0;
}

/**
 * lvr_sender_destroy() - end the sender thread
 * @link: whose link thread has ended or never ran
 *
 * Context: process, sleeps.
 */
void lvr_sender_destroy(struct lvr_link *link)
{
	if (link->sender)
		kthread_stop(link->sender);
	link->sender = NULL;
}

/**
 * lvr_sender_start() - hand sending over to the sender thread
 * @link: with a connection and a plan
 *
 * Context: process, the link thread.
 */
void lvr_sender_start(struct lvr_link *link)
{
	link->tx_jiffies = jiffies;
	link->told_durable_seq = ~0ull;
	link->told_applied_seq = ~0ull;
	link->told_sync_no = 0;
	link->told_done = false;
	spin_lock(&link->lock);
	WRITE_ONCE(link->tx_mode, LVR_TX_PING);
	WRITE_ONCE(link->tx_idle, false);
	spin_unlock(&link->lock);
	wake_up_all(&link->wait);
}

/**
 * lvr_sender_mode() - what the sender thread is to do from now on
 * @link: all that the mode needs has been set
 * @mode: SOURCE or TARGET
 *
 * Context: process, the link thread.
 */
void lvr_sender_mode(struct lvr_link *link, enum lvr_tx_mode mode)
{
	spin_lock(&link->lock);
	WRITE_ONCE(link->tx_mode, mode);
	spin_unlock(&link->lock);
	wake_up_all(&link->g->log.moved);
}

/**
 * lvr_sender_stop() - take sending back from the sender thread
 * @link: with a connection
 *
 * Context: process, the link thread; waits for local devices at most.
 */
void lvr_sender_stop(struct lvr_link *link)
{
	spin_lock(&link->lock);
	WRITE_ONCE(link->tx_mode, LVR_TX_OFF);
	lvr_conn_cancel(link->conn, false, true);
	spin_unlock(&link->lock);
	wake_up_all(&link->g->log.moved);
	wait_event_idle(link->wait, READ_ONCE(link->tx_idle));
}
