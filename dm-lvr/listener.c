// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listening: one listener for each (network namespace, address, port),
 * shared by the groups whose links have joined it.
 *
 * A connection that was accepted is a stranger's until auth.c says
 * otherwise. It gets one of LVR_PREAUTH_MAX_CONNS slots, a deadline of
 * LVR_PREAUTH_TIMEOUT_MS for all it does, and the two small buffers of its
 * hello; when the slots are taken, or one address has more than its share,
 * the next connection is closed at once. It is authenticated by a worker of
 * the listener's own workqueue, which touches the link only to read its
 * configuration and key. Only after that does the link hear of it
 * (lvr_link_offer()): so however many strangers connect, no memory, no
 * thread, and no established connection is theirs to take.
 *
 * The workers do no I/O on volumes or logs and wait for nothing but their
 * own socket, under its deadline; so that groups share them does not tie one
 * group's I/O to another's (I9).
 *
 * States of a slot: free; busy, from the accept thread taking it to its
 * worker giving it back. A crash or cut at any step leaves nothing.
 *
 * Owners: the accept thread accepts; listener->lock guards slots and members.
 * Lock order: listeners_mutex -> listener->lock (spin), which takes nothing.
 */
#include <linux/sched/mm.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "link.h"
#include "sock.h"

#define MAX_OF_ONE_ADDRESS	(LVR_PREAUTH_MAX_CONNS / 2)
#define ACCEPT_POLL_MS		1000
#define ACCEPT_RETRY_MS		100

struct slot {
	struct work_struct work;
	struct lvr_listener *listener;
	struct lvr_conn *conn;		/* NULL: free; listener->lock */
};

struct lvr_listener {
	struct list_head list;		/* listeners; listeners_mutex */
	struct net *net;
	struct lvr_endpoint at;
	u32 users;			/* listeners_mutex */
	struct socket *sock;
	bool accepting;			/* the accept thread has been made */
	struct completion left;		/* it has ended */
	struct workqueue_struct *wq;
	spinlock_t lock;
	bool stopping;			/* lock */
	struct list_head links;		/* lock */
	struct slot slot[LVR_PREAUTH_MAX_CONNS];
};

static DEFINE_MUTEX(listeners_mutex);
static LIST_HEAD(listeners);

/* --------------------------------------------------------- before the proof */

static struct lvr_link *find_link(struct lvr_listener *listener, const char *group)
{
	struct lvr_link *link, *found = NULL;

	spin_lock(&listener->lock);
	list_for_each_entry(link, &listener->links, of_listener) {
		if (!strcmp(link->group, group)) {
			kref_get(&link->kref);
			found = link;
			break;
		}
	}
	spin_unlock(&listener->lock);
	return found;
}

/* the link that a connection has proved to belong to, with a reference; or NULL */
static struct lvr_link *vet(struct lvr_listener *listener, struct lvr_conn *conn)
{
	struct lvr_wire_hello wire;
	struct lvr_hello hello;
	struct lvr_err err = {};
	struct lvr_link *link;
	int ret;

	lvr_conn_deadline(conn, LVR_PREAUTH_TIMEOUT_MS);
	ret = lvr_auth_read_hello(conn, &wire, &hello, &err);
	if (ret) {
		DMINFO_LIMIT("connection from %s dropped: %s", conn->peer, err.text);
		return NULL;
	}
	link = find_link(listener, hello.group);
	if (!link) {
		DMINFO_LIMIT("connection from %s dropped: group %s is not served here",
				    conn->peer, hello.group);
		return NULL;
	}
	ret = lvr_auth_accept(link, conn, &wire, &hello, &err);
	if (!ret)
		return link;
	DMINFO_LIMIT("lvr %s: connection from %s dropped: %s", link->group, conn->peer,
			    err.text);
	if (ret != -ECANCELED)
		lvr_link_reason(link, "%s", err.text);
	lvr_link_put(link);
	return NULL;
}

static void vet_work(struct work_struct *work)
{
	struct slot *slot = container_of(work, struct slot, work);
	struct lvr_listener *listener = slot->listener;
	unsigned int noio = memalloc_noio_save();
	struct lvr_conn *conn = slot->conn;
	struct lvr_link *link = vet(listener, conn);

	/* from here on stop_listener() cannot reach the connection */
	spin_lock(&listener->lock);
	slot->conn = NULL;
	spin_unlock(&listener->lock);
	if (link) {
		lvr_link_offer(link, conn);
		lvr_link_put(link);
	} else {
		lvr_conn_free(conn);
	}
	memalloc_noio_restore(noio);
}

/* -------------------------------------------------------------- accepting */

static struct slot *take_slot(struct lvr_listener *listener, struct lvr_conn *conn)
{
	struct slot *slot, *free = NULL;
	u32 of_one_address = 0, i;

	spin_lock(&listener->lock);
	for (i = 0; i < LVR_PREAUTH_MAX_CONNS; i++) {
		slot = &listener->slot[i];
		if (!slot->conn)
			free = slot;
		else if (!memcmp(slot->conn->addr, conn->addr, sizeof(conn->addr)))
			of_one_address++;
	}
	if (of_one_address >= MAX_OF_ONE_ADDRESS || listener->stopping)
		free = NULL;
	if (free)
		free->conn = conn;
	spin_unlock(&listener->lock);
	return free;
}

static void take(struct lvr_listener *listener, struct lvr_conn *conn)
{
	struct slot *slot = take_slot(listener, conn);

	if (slot) {
		queue_work(listener->wq, &slot->work);
		return;
	}
	DMINFO_LIMIT("connection from %s dropped: too many that are not authenticated",
			    conn->peer);
	conn->abort = true;
	lvr_conn_free(conn);
}

static int accept_thread(void *data)
{
	struct lvr_listener *listener = data;
	wait_queue_head_t *sleep = sk_sleep(listener->sock->sk);
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	struct lvr_conn *conn;
	int ret;

	memalloc_noio_save();
	add_wait_queue(sleep, &wait);
	while (!READ_ONCE(listener->stopping)) {
		ret = lvr_sock_accept(listener->sock, &conn);
		if (!ret) {
			take(listener, conn);
			cond_resched();
			continue;
		}
		if (ret != -EAGAIN)
			DMINFO_LIMIT("accepting a connection failed: %pe",
					    ERR_PTR(ret));
		wait_woken(&wait, TASK_INTERRUPTIBLE,
			   msecs_to_jiffies(ret == -EAGAIN ? ACCEPT_POLL_MS : ACCEPT_RETRY_MS));
	}
	remove_wait_queue(sleep, &wait);
	/* not by kthread_stop(): wait_woken() would no longer sleep */
	kthread_complete_and_exit(&listener->left, 0);
}

/* ---------------------------------------------------- starting and stopping */

static bool same_endpoint(const struct lvr_endpoint *a, const struct lvr_endpoint *b)
{
	return a->v6 == b->v6 && a->port == b->port &&
	       !memcmp(a->addr, b->addr, a->v6 ? sizeof(a->addr) : 4);
}

/* waits for the accept thread and the workers, whose waits it ends; not for any peer */
static void stop_listener(struct lvr_listener *listener)
{
	u32 i;

	lockdep_assert_held(&listeners_mutex);
	spin_lock(&listener->lock);
	WRITE_ONCE(listener->stopping, true);
	for (i = 0; i < LVR_PREAUTH_MAX_CONNS; i++)
		if (listener->slot[i].conn)
			lvr_conn_cancel(listener->slot[i].conn, true, true);
	spin_unlock(&listener->lock);
	if (listener->accepting) {
		wake_up_interruptible_all(sk_sleep(listener->sock->sk));
		wait_for_completion(&listener->left);
	}
	if (listener->wq)
		destroy_workqueue(listener->wq);
	if (listener->sock)
		lvr_sock_unlisten(listener->sock);
	put_net(listener->net);
	kfree(listener);
}

static struct lvr_listener *start_listener(struct net *net, const struct lvr_endpoint *at)
{
	struct lvr_listener *listener = kzalloc(sizeof(*listener), GFP_NOIO);
	struct task_struct *task;
	int ret = -ENOMEM;
	u32 i;

	if (!listener)
		return ERR_PTR(-ENOMEM);
	listener->net = get_net(net);
	listener->at = *at;
	spin_lock_init(&listener->lock);
	INIT_LIST_HEAD(&listener->links);
	init_completion(&listener->left);
	for (i = 0; i < LVR_PREAUTH_MAX_CONNS; i++) {
		INIT_WORK(&listener->slot[i].work, vet_work);
		listener->slot[i].listener = listener;
	}
	listener->wq = alloc_workqueue("lvr_vet", WQ_UNBOUND | WQ_MEM_RECLAIM,
				       LVR_PREAUTH_MAX_CONNS);
	if (!listener->wq)
		goto err_stop;
	ret = lvr_sock_listen(net, at, &listener->sock);
	if (ret)
		goto err_stop;
	task = kthread_run(accept_thread, listener, "lvr_accept/%u", at->port);
	ret = PTR_ERR_OR_ZERO(task);
	if (ret)
		goto err_stop;
	listener->accepting = true;
	return listener;

err_stop:
	stop_listener(listener);
	return ERR_PTR(ret);
}

static struct lvr_listener *find_listener(struct net *net, const struct lvr_endpoint *at)
{
	struct lvr_listener *listener;

	lockdep_assert_held(&listeners_mutex);
	list_for_each_entry(listener, &listeners, list)
		if (net_eq(listener->net, net) && same_endpoint(&listener->at, at))
			return listener;
	return NULL;
}

/**
 * lvr_listener_join() - accept connections for a link
 * @link: the link, which may have joined already
 * @net: namespace
 * @at: address and port
 *
 * Context: process, the link thread; sleeps.
 * Return: 0, or -errno of making the listening socket.
 */
int lvr_listener_join(struct lvr_link *link, struct net *net, const struct lvr_endpoint *at)
{
	struct lvr_listener *listener;

	if (link->listener && same_endpoint(&link->listener->at, at))
		return 0;
	lvr_listener_leave(link);
	mutex_lock(&listeners_mutex);
	listener = find_listener(net, at);
	if (!listener) {
		listener = start_listener(net, at);
		if (IS_ERR(listener)) {
			mutex_unlock(&listeners_mutex);
			return PTR_ERR(listener);
		}
		list_add_tail(&listener->list, &listeners);
	}
	listener->users++;
	spin_lock(&listener->lock);
	list_add_tail(&link->of_listener, &listener->links);
	spin_unlock(&listener->lock);
	mutex_unlock(&listeners_mutex);
	link->listener = listener;
	return 0;
}

/**
 * lvr_listener_leave() - accept no more connections for a link
 * @link: the link, which may have joined or not
 *
 * Context: process, the link thread; sleeps, but for no peer.
 */
void lvr_listener_leave(struct lvr_link *link)
{
	struct lvr_listener *listener = link->listener;

	if (!listener)
		return;
	link->listener = NULL;
	mutex_lock(&listeners_mutex);
	spin_lock(&listener->lock);
	list_del_init(&link->of_listener);
	spin_unlock(&listener->lock);
	if (!--listener->users) {
		list_del(&listener->list);
		stop_listener(listener);
	}
	mutex_unlock(&listeners_mutex);
}

/**
 * lvr_listener_exit() - after the last group
 *
 * Context: process.
 */
void lvr_listener_exit(void)
{
	WARN_ON(!list_empty(&listeners));
}
