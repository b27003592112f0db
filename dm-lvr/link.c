// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link to a peer as the rest of the node sees it: making it, ending it,
 * and the calls of the operator and of roles and volumes. What it does is in
 * link-thread.c, what is known of it in link-state.c.
 *
 * None of these calls waits for the peer (I7): each changes something and
 * kicks the thread.
 *
 * Lock order: group->mutex -> super_mutex -> link->lock; links_lock is a leaf.
 */
#include <linux/sched/mm.h>

#include "link.h"
#include "sock.h"

static DEFINE_SPINLOCK(links_lock);	/* every g->link */

/* ---------------------------------------------------------------- references */

static void free_link(struct lvr_link *link)
{
	lvr_auth_drop_key(link);
	lvr_sync_destroy(link);
	lvr_reader_destroy(link->reader);
	kvfree(link->view);
	kvfree(link->sent);
	kvfree(link->buf);
	kvfree(link->peer);
	kvfree(link->me);
	kvfree(link);
}

static void release_link(struct kref *kref)
{
	free_link(container_of(kref, struct lvr_link, kref));
}

/**
 * lvr_link_put() - give a reference back
 * @link: the link
 *
 * Context: process.
 */
void lvr_link_put(struct lvr_link *link)
{
	kref_put(&link->kref, release_link);
}

/**
 * lvr_link_get() - take a reference to a group's link
 * @g: the group
 *
 * Context: process.
 * Return: the link, or NULL when the group has none (any more).
 */
struct lvr_link *lvr_link_get(struct lvr_group *g)
{
	struct lvr_link *link;

	spin_lock(&links_lock);
	link = g->link;
	if (link)
		kref_get(&link->kref);
	spin_unlock(&links_lock);
	return link;
}

/* ------------------------------------------------------- a socket handed in */

static int vet_acceptor(struct lvr_link *link, struct lvr_conn *conn, struct lvr_err *err)
{
	struct lvr_wire_hello wire;
	struct lvr_hello hello;
	int ret;

	lvr_conn_deadline(conn, LVR_PREAUTH_TIMEOUT_MS);
	ret = lvr_auth_read_hello(conn, &wire, &hello, err);
	if (ret)
		return ret;
	return lvr_auth_accept(link, conn, &wire, &hello, err); /* checks the group, too */
}

static void fd_work(struct work_struct *work)
{
	struct lvr_link *link = container_of(work, struct lvr_link, fd_work);
	unsigned int noio = memalloc_noio_save();
	struct lvr_conn *conn = link->vetted;
	struct lvr_err err = {};
	int ret;

	lvr_sock_tune(conn);
	ret = conn->connector ? lvr_auth_connect(link, conn, &err) : vet_acceptor(link, conn, &err);
	spin_lock(&link->lock);
	link->vetted = NULL;
	spin_unlock(&link->lock);
	if (ret) {
		lvr_link_reason(link, "socket handed in: %s", err.text);
		lvr_conn_free(conn);
	} else {
		lvr_link_offer(link, conn);
	}
	memalloc_noio_restore(noio);
}

/**
 * lvr_link_attach_fd() - use a connected socket of the calling process
 * @g: the group
 * @fd: of the caller
 * @err: reason
 *
 * For transports that userspace sets up, as TLS. The side that is configured
 * to connect speaks first; without connect and listen the lower member id.
 * The present connection goes on until the new one has been authenticated.
 *
 * Context: process of userspace; does not wait for the peer.
 * Return: 0, or -errno.
 */
int lvr_link_attach_fd(struct lvr_group *g, int fd, struct lvr_err *err)
{
	struct lvr_link *link = lvr_link_get(g);
	struct lvr_conn *conn;
	int ret = 0;

	if (!link)
		return -ENOTCONN;
	conn = lvr_conn_alloc(false, LVR_PREAUTH_TIMEOUT_MS);
	ret = conn ? lvr_sock_adopt_fd(conn, fd, err) : -ENOMEM;
	if (ret)
		goto out;
	spin_lock(&link->lock);
	conn->connector = link->opts.connect.port ? true : link->opts.listen.port ? false :
			  link->opts.member < link->opts.peer;
	if (!link->wanted || link->stopping) {
		lvr_err_set(err, "the link is disconnected: connect it first");
		ret = -ENOTCONN;
	} else if (link->opts.auth_psk && !link->has_key) {
		lvr_err_set(err, "no key");
		ret = -ENOKEY;
	} else if (link->vetted) {
		lvr_err_set(err, "another socket is being authenticated");
		ret = -EBUSY;
	} else {
		link->vetted = conn;
		conn = NULL;
		queue_work(system_unbound_wq, &link->fd_work);
	}
	spin_unlock(&link->lock);
out:
	lvr_conn_free(conn);
	lvr_link_put(link);
	return ret;
}

/* ------------------------------------------------------- making and ending one */

static int make_parts(struct lvr_link *link)
{
	link->me = kvzalloc(sizeof(*link->me), GFP_KERNEL);
	link->peer = kvzalloc(sizeof(*link->peer), GFP_KERNEL);
	link->buf = kvzalloc(LVR_STATE_MAX_BYTES, GFP_KERNEL);
	link->sent = kvcalloc(LVR_LINK_WINDOW, sizeof(*link->sent), GFP_KERNEL);
	link->view = kvzalloc(sizeof(*link->view), GFP_KERNEL);
	link->reader = lvr_reader_create(link->g);
	if (!link->me || !link->peer || !link->buf || !link->sent || !link->view || !link->reader)
		return -ENOMEM;
	return lvr_sync_create(link);
}

static void regate_work(struct work_struct *work)
{
	lvr_link_gate(container_of(to_delayed_work(work), struct lvr_link, regate_work));
}

static void init_fields(struct lvr_link *link, struct lvr_group *g)
{
	kref_init(&link->kref);
	link->g = g;
	strscpy(link->group, g->name, sizeof(link->group));
	init_completion(&link->left);
	init_waitqueue_head(&link->wait);
	spin_lock_init(&link->lock);
	mutex_init(&link->gate_mutex);
	mutex_init(&link->key_mutex);
	INIT_WORK(&link->fd_work, fd_work);
	INIT_DELAYED_WORK(&link->regate_work, regate_work);
	INIT_LIST_HEAD(&link->of_listener);
	ratelimit_state_init(&link->log_limit, 10 * HZ, 20);
	ratelimit_set_flags(&link->log_limit, RATELIMIT_MSG_ON_RELEASE);
	link->opts = g->opts;
	link->wanted = true;
	link->state = LVR_LINK_WAITING;
	strscpy(link->reason, "not connected yet", sizeof(link->reason));
	link->tx_idle = true;
	link->next_try = jiffies;
	link->quick_since = jiffies;
	lvr_super_lock(g);
	strscpy(link->self_name, g->sb->member[g->opts.member].name, sizeof(link->self_name));
	lvr_link_load(link, lvr_group_peer(g));
	lvr_super_unlock(g);
}

/**
 * lvr_link_create() - make the link of a group and start it
 * @g: a group with a peer; its superblock has been read
 *
 * Context: process, under group->mutex; sleeps.
 * Return: 0 or -errno.
 */
int lvr_link_create(struct lvr_group *g)
{
	unsigned int noio = memalloc_noio_save();
	struct lvr_link *link = kvzalloc(sizeof(*link), GFP_KERNEL);
	struct task_struct *task;
	int ret = -ENOMEM;

	if (!link)
		goto out;
	init_fields(link, g);
	ret = make_parts(link);
	if (ret)
		goto err_free;
	ret = lvr_sender_create(link);
	if (ret)
		goto err_free;
	task = kthread_create(lvr_link_thread, link, "lvr_link/%s", g->name);
	ret = PTR_ERR_OR_ZERO(task);
	if (ret)
		goto err_sender;
	spin_lock(&links_lock);
	g->link = link;
	spin_unlock(&links_lock);
	wake_up_process(task);
	goto out;

err_sender:
	lvr_sender_destroy(link);
err_free:
	free_link(link);
out:
	memalloc_noio_restore(noio);
	return ret;
}

/**
 * lvr_link_destroy() - end the link of a group
 * @g: the group, which may have none; not under group->mutex
 *
 * Context: process; waits for the link's threads and so for the local log
 *          device, never for the peer.
 */
void lvr_link_destroy(struct lvr_group *g)
{
	struct lvr_link *link;

	spin_lock(&links_lock);
	link = g->link;
	g->link = NULL;
	spin_unlock(&links_lock);
	if (!link)
		return;

	spin_lock(&link->lock);
	WRITE_ONCE(link->stopping, true);
	if (link->vetted)
		lvr_conn_cancel(link->vetted, true, true);
	spin_unlock(&link->lock);
	lvr_link_kick(link, LVR_KICK_DROP);
	cancel_work_sync(&link->fd_work);
	cancel_delayed_work_sync(&link->regate_work);
	wait_for_completion(&link->left);
	lvr_sender_destroy(link);
	lvr_conn_free(link->vetted);
	lvr_conn_free(link->offered);
	link->vetted = NULL;
	link->offered = NULL;
	lvr_link_gate(link);

	/* for the superblock of the stop */
	lvr_super_lock(g);
	lvr_link_store(link, lvr_group_peer(g));
	lvr_super_unlock(g);
	lvr_link_put(link);
}

/* ---------------------------------------------------------- calls of the others */

static bool same_way(const struct lvr_options *a, const struct lvr_options *b)
{
	return !memcmp(&a->connect, &b->connect, sizeof(a->connect)) &&
	       !memcmp(&a->listen, &b->listen, sizeof(a->listen)) && a->auth_psk == b->auth_psk;
}

/**
 * lvr_link_reconfigure() - give the group other options
 * @g: the group, with or without a link
 * @opts: which take effect
 *
 * Context: process, under group->mutex; may write the superblock.
 */
void lvr_link_reconfigure(struct lvr_group *g, const struct lvr_options *opts)
{
	struct lvr_link *link = lvr_link_get(g);
	bool same, alone, told = false;

	if (!link) {
		g->opts = *opts;
		return;
	}
	/*
	 * The peer may rely on it until it hears of it; durable before the gate
	 * may open, which g->opts lets it. Also while this node is becoming
	 * primary: note_alone() knows.
	 */
	mutex_lock(&link->gate_mutex);
	alone = lvr_group_is_alone(g);
	if (!lvr_options_bind(opts) && !alone && !lvr_role_set_alone(g, true))
		told = lvr_group_is_alone(g);
	g->opts = *opts;
	spin_lock(&link->lock);
	same = same_way(&link->opts, &g->opts);
	link->opts = g->opts;
	if (link->conn)
		link->conn->timeout_ms = link->opts.timeout_ms;
	spin_unlock(&link->lock);
	mutex_unlock(&link->gate_mutex);
	if (told)
		lvr_link_kick(link, LVR_KICK_AGAIN);
	lvr_link_kick(link, LVR_KICK_RETRY);
	if (!same)
		lvr_link_kick(link, LVR_KICK_DROP);
	lvr_link_gate(link);
	lvr_link_put(link);
}

/**
 * lvr_link_connect() - let the link connect; try now if it waits
 * @g: the group
 * @err: reason
 *
 * Context: process; does not wait.
 * Return: 0, or -ENOTCONN without a link.
 */
int lvr_link_connect(struct lvr_group *g, struct lvr_err *err)
{
	struct lvr_link *link = lvr_link_get(g);

	if (!link) {
		lvr_err_set(err, "no peer");
		return -ENOTCONN;
	}
	spin_lock(&link->lock);
	link->wanted = true;
	spin_unlock(&link->lock);
	if (READ_ONCE(link->state) == LVR_LINK_STANDALONE)
		lvr_link_event(link, LVR_LEV_CONNECT, "by the operator");
	lvr_link_kick(link, LVR_KICK_RETRY);
	lvr_link_put(link);
	return 0;
}

/**
 * lvr_link_disconnect() - end the connection, and have none until connect
 * @g: the group
 * @err: reason
 *
 * Context: process; does not wait.
 * Return: 0, or -ENOTCONN without a link.
 */
int lvr_link_disconnect(struct lvr_group *g, struct lvr_err *err)
{
	struct lvr_link *link = lvr_link_get(g);

	if (!link) {
		lvr_err_set(err, "no peer");
		return -ENOTCONN;
	}
	spin_lock(&link->lock);
	link->wanted = false;
	spin_unlock(&link->lock);
	if (READ_ONCE(link->state) != LVR_LINK_STANDALONE)
		lvr_link_event(link, LVR_LEV_DISCONNECT, "by the operator");
	lvr_link_kick(link, LVR_KICK_DROP);
	lvr_link_put(link);
	return 0;
}

/**
 * lvr_link_set_key() - use a shared key from the next connection on
 * @g: the group
 * @key: the key
 * @bytes: of it
 *
 * Context: process, sleeps.
 * Return: 0 or -errno.
 */
int lvr_link_set_key(struct lvr_group *g, const u8 *key, u32 bytes)
{
	struct lvr_link *link = lvr_link_get(g);
	unsigned int noio;
	int ret;

	if (!link)
		return -ENOTCONN;
	noio = memalloc_noio_save();
	ret = lvr_auth_set_key(link, key, bytes);
	memalloc_noio_restore(noio);
	if (!ret)
		lvr_link_kick(link, LVR_KICK_RETRY);
	lvr_link_put(link);
	return ret;
}

/*
 * A primary that has handed over lets its stream run dry first: the peer gets
 * the hand-over at once, not after another handshake, and the operator sees it
 * acknowledged. This log takes no more records, so the ack comes or the
 * connection goes.
 */
static bool wait_for_ack(struct lvr_link *link)
{
	struct lvr_pos head;
	bool wait;

	if (READ_ONCE(link->g->state) != LVR_GROUP_STANDBY)
		return false;
	lvr_log_positions(link->g, &head, NULL, NULL, NULL);
	spin_lock(&link->lock);
	wait = link->direction == LVR_DIR_SOURCE && !link->sync.active &&
	       (link->state == LVR_LINK_CATCHING_UP || link->state == LVR_LINK_STREAMING) &&
	       link->acked_seq < head.seq;
	link->again_when_acked |= wait;
	spin_unlock(&link->lock);
	return wait;
}

/**
 * lvr_link_rehandshake() - something that the plan rests on has changed
 * @g: the group, with or without a link
 *
 * Context: process, also under group->mutex and from the link's own threads;
 *          does not wait.
 */
void lvr_link_rehandshake(struct lvr_group *g)
{
	struct lvr_link *link = lvr_link_get(g);

	if (!link)
		return;
	if (!wait_for_ack(link))
		lvr_link_kick(link, LVR_KICK_AGAIN);
	lvr_link_gate(link);
	lvr_link_put(link);
}

/**
 * lvr_link_suspend() - volumes are being suspended, or no longer
 * @g: the group, with or without a link; g->suspending says it
 *
 * Context: process; does not wait for the peer.
 */
void lvr_link_suspend(struct lvr_group *g)
{
	struct lvr_link *link = lvr_link_get(g);

	if (!link)
		return;
	spin_lock(&link->lock);
	link->suspended = atomic_read(&g->suspending) && !link->stopping;
	link->progress_jiffies = jiffies;	/* its time begins anew for each volume */
	spin_unlock(&link->lock);
	lvr_link_gate(link);
	lvr_link_put(link);
}
