// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three ways to get a connection: connect, accept, a file descriptor handed
 * in. What is done with one: conn.c, which also has the rules for waiting.
 *
 * Network namespace
 *   Sockets are made like those of a process, so each holds a reference to
 *   its namespace until TCP is through with it, timers included.
 */
#include <linux/in6.h>
#include <linux/net.h>
#include <linux/tcp.h>
#include <linux/wait.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "lvr.h"
#include "conn.h"
#include "sock.h"

#define LISTEN_BACKLOG	16

static int address(struct sockaddr_storage *to, const struct lvr_endpoint *from)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (from->v6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(from->port);
		memcpy(&in6->sin6_addr, from->addr, sizeof(in6->sin6_addr));
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(from->port);
	memcpy(&in->sin_addr, from->addr, sizeof(in->sin_addr));
	return sizeof(*in);
}

static int make_socket(struct net *net, const struct lvr_endpoint *e, struct socket **out)
{
	return __sock_create(net, e->v6 ? PF_INET6 : PF_INET, SOCK_STREAM, IPPROTO_TCP, out, 0);
}

static void learn_peer(struct lvr_conn *conn)
{
	struct sockaddr_storage ss = {};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	struct in6_addr mapped;

	if (kernel_getpeername(conn->sock, (struct sockaddr *)&ss) < 0)
		return;
	snprintf(conn->peer, sizeof(conn->peer), "%pISpc", &ss);
	if (ss.ss_family == AF_INET6) {
		memcpy(conn->addr, &in6->sin6_addr, sizeof(conn->addr));
	} else if (ss.ss_family == AF_INET) {
		ipv6_addr_set_v4mapped(in->sin_addr.s_addr, &mapped);
		memcpy(conn->addr, &mapped, sizeof(conn->addr));
	}
}

/**
 * lvr_sock_tune() - prepare a socket for use from the I/O path
 * @conn: with a connected socket
 *
 * What its use allocates must not wait for I/O, which may be our own.
 *
 * Context: process, takes the socket's lock.
 */
void lvr_sock_tune(struct lvr_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	sk->sk_allocation = GFP_NOIO;
	sk->sk_use_task_frag = false;
	tcp_sock_set_nodelay(sk);
}

static int await_connected(struct lvr_conn *conn, unsigned long limit)
{
	struct sock *sk = conn->sock->sk;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int ret = 0;

	add_wait_queue(sk_sleep(sk), &wait);
	while (1 << READ_ONCE(sk->sk_state) & (TCPF_SYN_SENT | TCPF_SYN_RECV)) {
		if (READ_ONCE(conn->cancel_rx))
			ret = -ECANCELED;
		else if (time_after_eq(jiffies, limit))
			ret = -ETIMEDOUT;
		if (ret)
			break;
		wait_woken(&wait, TASK_INTERRUPTIBLE, msecs_to_jiffies(LVR_CONN_POLL_MS));
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return ret;
}

/**
 * lvr_sock_connect() - connect
 * @conn: without a socket; gets one
 * @net: namespace
 * @to: where to
 * @limit_ms: no longer than this
 *
 * Context: process, sleeps; lvr_conn_cancel() ends it.
 * Return: 0 or -errno; the caller frees @conn in either case.
 */
int lvr_sock_connect(struct lvr_conn *conn, struct net *net, const struct lvr_endpoint *to,
		     u32 limit_ms)
{
	unsigned long limit = jiffies + msecs_to_jiffies(limit_ms);
	struct sockaddr_storage ss;
	struct socket *sock;
	int bytes, ret;

	bytes = address(&ss, to);
	ret = make_socket(net, to, &sock);
	if (ret)
		return ret;
	smp_store_mb(conn->sock, sock);	/* pairs with lvr_conn_cancel() */
	conn->abort = true; /* until it is there */
	lvr_sock_tune(conn);
	ret = kernel_connect(sock, lvr_sockaddr(&ss), bytes, O_NONBLOCK);
	if (ret == -EINPROGRESS) {
		ret = await_connected(conn, limit);
		/* does not connect again: tells how the attempt ended */
		if (!ret)
			ret = kernel_connect(sock, lvr_sockaddr(&ss), bytes, O_NONBLOCK);
	}
	if (ret)
		return ret;
	conn->abort = false;
	learn_peer(conn);
	lvr_conn_heard(conn);
	return 0;
}

/**
 * lvr_sock_listen() - a listening socket
 * @net: namespace
 * @at: address and port
 * @out: the socket
 *
 * Context: process, sleeps.
 * Return: 0 or -errno.
 */
int lvr_sock_listen(struct net *net, const struct lvr_endpoint *at, struct socket **out)
{
	struct sockaddr_storage ss;
	struct socket *sock;
	int bytes, ret;

	bytes = address(&ss, at);
	ret = make_socket(net, at, &sock);
	if (ret)
		return ret;
	sock->sk->sk_allocation = GFP_NOIO;
	sock_set_reuseaddr(sock->sk);
	ret = kernel_bind(sock, lvr_sockaddr(&ss), bytes);
	if (!ret)
		ret = kernel_listen(sock, LISTEN_BACKLOG);
	if (ret)
		sock_release(sock);
	else
		*out = sock;
	return ret;
}

/**
 * lvr_sock_unlisten() - close a listening socket
 * @sock: from lvr_sock_listen(); nobody accepts from it any more
 *
 * Context: process, sleeps.
 */
void lvr_sock_unlisten(struct socket *sock)
{
	sock_release(sock);
}

/**
 * lvr_sock_accept() - accept a connection
 * @listener: a listening socket
 * @out: the connection
 *
 * Context: process; does not wait.
 * Return: 0; -EAGAIN: none is there; or -errno.
 */
int lvr_sock_accept(struct socket *listener, struct lvr_conn **out)
{
	struct lvr_conn *conn;
	struct socket *sock;
	int ret;

	ret = kernel_accept(listener, &sock, O_NONBLOCK);
	if (ret)
		return ret;
	conn = lvr_conn_alloc(false, LVR_PREAUTH_TIMEOUT_MS);
	if (!conn) {
		sock_release(sock);
		return -ENOMEM;
	}
	conn->sock = sock;
	lvr_sock_tune(conn);
	learn_peer(conn);
	*out = conn;
	return 0;
}

/**
 * lvr_sock_adopt_fd() - use a socket of the calling process
 * @conn: without a socket; gets it
 * @fd: of the caller
 * @err: reason
 *
 * lvr_sock_tune() is left to who uses it, outside of all locks.
 *
 * Context: process of userspace.
 * Return: 0 or -errno; the caller frees @conn in either case.
 */
int lvr_sock_adopt_fd(struct lvr_conn *conn, int fd, struct lvr_err *err)
{
	struct socket *sock;
	struct sock *sk;
	int ret;

	sock = sockfd_lookup(fd, &ret);
	if (!sock) {
		lvr_err_set(err, "file descriptor %d is no socket: %pe", fd, ERR_PTR(ret));
		return ret;
	}
	sk = sock->sk;
	if (sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP ||
	    (sk->sk_family != AF_INET && sk->sk_family != AF_INET6)) {
		lvr_err_set(err, "socket %d is not TCP (family %u, type %u, protocol %u)", fd,
			    sk->sk_family, sk->sk_type, sk->sk_protocol);
		ret = -EPROTOTYPE;
	} else if (READ_ONCE(sk->sk_state) != TCP_ESTABLISHED) {
		lvr_err_set(err, "socket %d is not connected", fd);
		ret = -ENOTCONN;
	} else {
		ret = 0;
	}
	if (ret) {
		sockfd_put(sock);
		return ret;
	}
	conn->from_fd = true;
	smp_store_mb(conn->sock, sock);	/* pairs with lvr_conn_cancel() */
	learn_peer(conn);
	return 0;
}
