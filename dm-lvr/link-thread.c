// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link thread
 *   wait for a reason to connect -> have a connection (connected, accepted,
 *   handed in; authenticated in each case) -> shake hands -> receive until
 *   it ends -> back off -> ...
 *
 * What ends a connection
 *   the peer, an error, the half-open timer: LOST, with back-off and jitter
 *     from 0.2 s to 5 s (to 10 s when the key was wrong);
 *   a plan that refuses: REFUSED, tried again every 5 to 30 s; the retries
 *     do not show unless their outcome differs, so that the reason stays;
 *   a change of what the plan rests on (AGAIN, on either side): connected
 *     anew at once, a bounded number of times in a while;
 *   a newer connection of the same, authenticated peer;
 *   the operator or a new configuration (DROP).
 *
 * Nothing here waits for the peer longer than one non-blocking try (I7):
 * every wait ends by lvr_link_kick(). Waits for the local log device remain.
 */
#include <linux/random.h>
#include <linux/sched/mm.h>

#include "link.h"
#include "sock.h"

#define BACKOFF_LEAST_MS	200
#define BACKOFF_MOST_MS		5000
#define BACKOFF_AUTH_MS		10000
#define BACKOFF_REFUSED_MS	30000
#define CONNECT_MS		5000
#define SETTLED_MS		5000	/* a connection that lasted so long was a good one */
#define QUICK_MOST		8	/* reconnections without back-off ... */
#define QUICK_WITHIN_MS		10000	/* ... in this time */
#define NOT_READY_POLL_MS	250
#define LINGER_MS		200

/* ------------------------------------------------------------------ kicking */

/**
 * lvr_link_kick() - end what the link thread waits for
 * @link: the link
 * @kick: LVR_KICK_*
 *
 * Context: process; does not wait.
 */
void lvr_link_kick(struct lvr_link *link, int kick)
{
	spin_lock(&link->lock);
	set_bit(kick, &link->kicks);
	/* a connection that has not described this node yet will take the change in */
	if (link->conn && (kick == LVR_KICK_DROP || (kick == LVR_KICK_AGAIN && link->serving)))
		/* what the link thread sends itself, in the handshake, ends, too */
		lvr_conn_cancel(link->conn, true, kick == LVR_KICK_DROP && link->tx_idle);
	spin_unlock(&link->lock);
	wake_up_all(&link->wait);
	wake_up_all(&link->g->log.moved);
}

/**
 * lvr_link_offer() - a connection that has been authenticated
 * @link: to this link
 * @conn: taken over
 *
 * It replaces the present one: the peer has given that up.
 *
 * Context: process.
 * Return: 0, or -ENOTCONN when the link wants none; @conn is freed then.
 */
int lvr_link_offer(struct lvr_link *link, struct lvr_conn *conn)
{
	struct lvr_conn *drop = conn;
	int ret = -ENOTCONN;

	spin_lock(&link->lock);
	if (link->wanted && !link->stopping) {
		ret = 0;
		drop = link->offered;
		link->offered = conn;
		if (link->conn)
			lvr_conn_cancel(link->conn, true, false);
		wake_up_all(&link->wait);
		wake_up_all(&link->g->log.moved);
	}
	spin_unlock(&link->lock);
	lvr_conn_free(drop);
	return ret;
}

static bool install(struct lvr_link *link, struct lvr_conn *conn)
{
	bool ok;

	spin_lock(&link->lock);
	ok = !link->stopping && !test_bit(LVR_KICK_DROP, &link->kicks);
	if (ok)
		link->conn = conn;
	spin_unlock(&link->lock);
	return ok;
}

static void discard(struct lvr_link *link, struct lvr_conn *conn)
{
	spin_lock(&link->lock);
	if (link->conn == conn)
		link->conn = NULL;
	link->serving = false;
	spin_unlock(&link->lock);
	lvr_conn_free(conn);
}

/* ------------------------------------------------------------------ back-off */

static void back_off(struct lvr_link *link, u32 least_ms, u32 most_ms)
{
	link->delay_ms = clamp(link->delay_ms * 2, least_ms, most_ms);
	link->next_try = jiffies + msecs_to_jiffies(link->delay_ms / 2 +
						    get_random_u32_below(link->delay_ms));
}

/* at once, but not over and over */
static void come_back(struct lvr_link *link)
{
	if (time_after(jiffies, link->quick_since + msecs_to_jiffies(QUICK_WITHIN_MS))) {
		link->quick_since = jiffies;
		link->quick = 0;
	}
	if (link->quick++ >= QUICK_MOST) {
		back_off(link, BACKOFF_LEAST_MS, BACKOFF_MOST_MS);
		return;
	}
	link->delay_ms = 0;
	link->next_try = jiffies;
}

/* -------------------------------------------------------- getting a connection */

/* steps on the way; a retry after a refusal shows only where it leads */
#define step(link, event, fmt, ...)					\
	do {								\
		if (!(link)->quiet)					\
			lvr_link_event(link, event, fmt, ##__VA_ARGS__);\
	} while (0)

static struct lvr_conn *try_connect(struct lvr_link *link, const struct lvr_options *o)
{
	struct lvr_conn *conn = lvr_conn_alloc(true, o->timeout_ms);
	struct lvr_err err = {};
	char to[56];
	int ret;

	if (!conn || !install(link, conn)) {
		lvr_conn_free(conn);
		back_off(link, BACKOFF_LEAST_MS, BACKOFF_MOST_MS);
		return NULL;
	}
	lvr_endpoint_format(&o->connect, to, sizeof(to));
	ret = lvr_sock_connect(conn, link->g->net, &o->connect, min_t(u32, o->timeout_ms, CONNECT_MS));
	if (ret) {
		if (ret != -ECANCELED)
			lvr_link_reason(link, "cannot connect to %s: %pe", to, ERR_PTR(ret));
		back_off(link, BACKOFF_LEAST_MS, BACKOFF_MOST_MS);
		goto err_discard;
	}
	step(link, LVR_LEV_SOCKET, "connected to %s", to);
	ret = lvr_auth_connect(link, conn, &err);
	if (ret) {
		step(link, LVR_LEV_LOST, "%s", err.text);
		back_off(link, BACKOFF_LEAST_MS, BACKOFF_AUTH_MS);
		goto err_discard;
	}
	return conn;

err_discard:
	discard(link, conn);
	return NULL;
}

/* what keeps the link from having a connection; NULL: nothing */
static const char *not_ready(struct lvr_link *link, const struct lvr_options *o, bool has_key)
{
	if (o->auth_psk && !has_key)
		return "no key";
	switch (READ_ONCE(link->g->state)) {
	case LVR_GROUP_UNCONFIRMED:
	case LVR_GROUP_STANDBY:
	case LVR_GROUP_PROMOTING:
	case LVR_GROUP_ACTIVE:
	case LVR_GROUP_DEMOTING:
		return NULL;
	default:
		return "the group is not ready";
	}
}

/*
 * While promoting, the generation that the peer must know of may not exist yet;
 * while demoting, a peer that was handed over to would meet a primary.
 */
static bool in_a_moment(struct lvr_link *link)
{
	u8 state = READ_ONCE(link->g->state);

	return (state == LVR_GROUP_PROMOTING && !READ_ONCE(link->g->awaits_room)) ||
	       state == LVR_GROUP_DEMOTING;
}

static bool has_news(struct lvr_link *link)
{
	return READ_ONCE(link->stopping) || READ_ONCE(link->kicks) ||
	       (READ_ONCE(link->offered) && !in_a_moment(link));
}

static void sleep_for_news(struct lvr_link *link, unsigned long timeout)
{
	wait_event_idle_timeout(link->wait, has_news(link), timeout);
}

/* what changed since the last round */
static void take_news(struct lvr_link *link, struct lvr_options *o, bool *wanted, bool *has_key)
{
	unsigned long kicks;

	spin_lock(&link->lock);
	*o = link->opts;
	*wanted = link->wanted && !link->stopping;
	*has_key = link->has_key;
	kicks = link->kicks;
	link->kicks = 0;
	link->quiet = link->state == LVR_LINK_REFUSED;
	spin_unlock(&link->lock);
	if (kicks & (BIT(LVR_KICK_AGAIN) | BIT(LVR_KICK_RETRY)))
		come_back(link);
}

static struct lvr_conn *take_offered(struct lvr_link *link)
{
	struct lvr_conn *conn;

	spin_lock(&link->lock);
	conn = link->offered;
	link->offered = NULL;
	spin_unlock(&link->lock);
	return conn;
}

/* connections may come, or not */
static int listen_or_not(struct lvr_link *link, const struct lvr_options *o)
{
	char at[56];
	int ret;

	if (!o->listen.port) {
		lvr_listener_leave(link);
		return 0;
	}
	ret = lvr_listener_join(link, link->g->net, &o->listen);
	if (ret) {
		lvr_endpoint_format(&o->listen, at, sizeof(at));
		lvr_link_reason(link, "cannot listen on %s: %pe", at, ERR_PTR(ret));
	}
	return ret;
}

/* one round; a connection that is authenticated and installed, or NULL */
static struct lvr_conn *next_connection(struct lvr_link *link)
{
	unsigned long sleep = MAX_SCHEDULE_TIMEOUT;
	bool wanted, has_key;
	struct lvr_options o;
	struct lvr_conn *conn;
	const char *why;

	take_news(link, &o, &wanted, &has_key);
	why = not_ready(link, &o, has_key);
	if (!wanted || why) {
		lvr_conn_free(take_offered(link));
		lvr_listener_leave(link);
		if (wanted) {
			lvr_link_reason(link, "%s", why);
			sleep = msecs_to_jiffies(NOT_READY_POLL_MS);
		}
		sleep_for_news(link, sleep);
		return NULL;
	}
	if (in_a_moment(link)) {
		/* who has connected meanwhile waits for our STATE */
		sleep_for_news(link, msecs_to_jiffies(NOT_READY_POLL_MS));
		return NULL;
	}
	if (listen_or_not(link, &o))
		sleep = HZ;
	conn = take_offered(link);
	if (conn) {
		if (install(link, conn)) {
			step(link, LVR_LEV_SOCKET, "connection with %s", conn->peer);
			return conn;
		}
		lvr_conn_free(conn);
		return NULL;
	}
	if (o.connect.port) {
		if (time_after_eq(jiffies, link->next_try)) {
			conn = try_connect(link, &o);
			if (conn)
				return conn;
		}
		sleep = time_before(jiffies, link->next_try) ? link->next_try - jiffies : 0;
	}
	sleep_for_news(link, sleep);
	return NULL;
}

/* ------------------------------------------------------------- one connection */

static void begin_session(struct lvr_link *link)
{
	spin_lock(&link->lock);
	link->sent_first = 0;
	link->sent_count = 0;
	link->tx_why[0] = '\0';
	link->in_sync = false;
	memset(&link->target, 0, sizeof(link->target));
	link->sync.active = false;
	link->serving = true;
	link->again_when_acked = false;
	/* what was asked for before now is met by this handshake */
	link->kicks &= BIT(LVR_KICK_DROP);
	spin_unlock(&link->lock);
}

static void show_refusal(struct lvr_link *link, const char *why)
{
	bool same;

	spin_lock(&link->lock);
	same = link->quiet && !strncmp(link->reason, why, sizeof(link->reason) - 1);
	spin_unlock(&link->lock);
	if (same)
		return;
	if (link->quiet) {
		lvr_link_event(link, LVR_LEV_SOCKET, "another refusal");
		lvr_link_event(link, LVR_LEV_AUTHENTICATED, "another refusal");
	}
	if (!lvr_link_event(link, LVR_LEV_PLAN_REFUSE, "%s", why))
		lvr_link_event(link, LVR_LEV_LOST, "%s", why);
}

/* the connection has ended: say why, here and to the peer, and when to come back */
static void end_session(struct lvr_link *link, int ret, const struct lvr_err *err, bool settled)
{
	bool stopping, replaced, again, drop;
	char why[sizeof(link->tx_why)];

	strscpy(why, err->text, sizeof(why));
	spin_lock(&link->lock);
	stopping = link->stopping;
	replaced = link->offered;
	drop = test_bit(LVR_KICK_DROP, &link->kicks);
	again = test_bit(LVR_KICK_AGAIN, &link->kicks);
	if (link->tx_why[0])
		strscpy(why, link->tx_why, sizeof(why));
	link->direction = LVR_DIR_NONE;
	link->conn->cancel_rx = stopping;
	link->conn->cancel_tx = false;
	spin_unlock(&link->lock);

	if (settled)
		link->delay_ms = 0;
	if (stopping || drop) {
		lvr_handshake_bye(link, stopping ? "the group stops" : "disconnected");
		step(link, LVR_LEV_LOST, "disconnected or reconfigured");
	} else if (ret == LVR_END_REFUSED) {
		lvr_handshake_bye(link, why);
		show_refusal(link, why);
		back_off(link, BACKOFF_MOST_MS, BACKOFF_REFUSED_MS);
	} else if (replaced) {
		link->conn->abort = true;
		step(link, LVR_LEV_LOST, "replaced by a new connection");
	} else if (again) {
		lvr_handshake_bye(link, "again");
		step(link, LVR_LEV_LOST, "shaking hands again");
	} else if (ret == LVR_END_AGAIN) {
		step(link, LVR_LEV_LOST, "the peer shakes hands again");
		come_back(link);
	} else {
		link->conn->abort = ret == -ETIMEDOUT;
		if (ret != -ETIMEDOUT && ret != -ENOTCONN)
			lvr_handshake_bye(link, why);
		step(link, LVR_LEV_LOST, "%s", why);
		back_off(link, BACKOFF_LEAST_MS, BACKOFF_MOST_MS);
	}
	if (!stopping && !link->conn->abort && !link->conn->tx_torn && ret != -ENOTCONN)
		lvr_conn_linger(link->conn, link->buf, PAGE_SIZE, LINGER_MS);
}

static void serve(struct lvr_link *link, struct lvr_conn *conn)
{
	unsigned long agreed = jiffies;
	struct lvr_err err = {};
	bool settled = false;
	int ret;

	lvr_count(link->g, LVR_CTR_connects, 1);
	lvr_conn_use_reserves(conn);
	step(link, LVR_LEV_AUTHENTICATED, "with %s", conn->peer);
	begin_session(link);
	ret = lvr_handshake_agree(link, &err);
	if (!ret) {
		if (link->quiet) {
			lvr_link_event(link, LVR_LEV_SOCKET, "with %s", conn->peer);
			lvr_link_event(link, LVR_LEV_AUTHENTICATED, "with %s", conn->peer);
			link->quiet = false;
		}
		agreed = jiffies;
		lvr_sender_start(link);
		ret = lvr_handshake_act(link, &err);
		if (!ret)
			ret = lvr_receiver_run(link, &err);
		lvr_sender_stop(link);
		settled = time_after(jiffies, agreed + msecs_to_jiffies(SETTLED_MS));
	}
	end_session(link, ret, &err, settled);
	discard(link, conn);
}

/**
 * lvr_link_thread() - the link thread
 * @data: the link
 *
 * It ends by itself, once link->stopping is set: kthread_stop() would keep
 * its waits for sockets from sleeping before it is out of them.
 *
 * Context: its own; completes link->left when it is out of the link.
 * Return: never.
 */
int lvr_link_thread(void *data)
{
	struct lvr_link *link = data;
	struct lvr_conn *conn;

	memalloc_noio_save();
	lvr_link_gate(link);
	while (!READ_ONCE(link->stopping)) {
		conn = next_connection(link);
		if (conn)
			serve(link, conn);
	}
	lvr_listener_leave(link);
	kthread_complete_and_exit(&link->left, 0);
}
