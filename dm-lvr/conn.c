// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections: bytes and frames on a socket, each wait with an end. Where the
 * sockets come from: sock.c.
 *
 * Waiting
 *   Every operation on a socket is tried without blocking; between two tries
 *   the caller sleeps on the socket's own wait queue. So anybody can end a
 *   wait at once by lvr_conn_cancel(), whatever the peer does or does not
 *   do: a peer that vanished without a reset, a full window, a connection
 *   attempt into a black hole. No sleep is longer than LVR_CONN_POLL_MS, and
 *   nothing depends on signals. A thread that uses these calls must not be told to
 *   stop by kthread_stop() before it has left them: wait_woken() would no
 *   longer sleep.
 *
 * Time limits
 *   Before authentication a deadline for everything together, however the
 *   peer doles out its bytes. Afterwards the half-open timer: no byte heard
 *   for timeout_ms ends both directions. A peer that is heard but takes no
 *   data (its log is full) is not lost: a sender goes on waiting, unless
 *   writers do, too (lvr_link_stalled()). For that reason a source does not
 *   use TCP_USER_TIMEOUT, which also ends a connection whose window stays
 *   closed. A target does (lvr_conn_user_timeout()): while it cannot read,
 *   for want of room, its acks that nobody takes are the only sign that the
 *   source is gone. Keepalive could say nothing that pings do not.
 *
 * Owners
 *   One reading and one writing thread at a time. The pointer conn->sock is
 *   set once. Who frees a connection makes sure that nobody else can still
 *   reach it (link->lock, listener->lock).
 *
 * What a cut leaves: a frame in part, which the receiver drops with the
 * connection (it acts on whole, checked frames only).
 */
#include <linux/net.h>
#include <linux/tcp.h>
#include <linux/wait.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "lvr.h"
#include "conn.h"

#define WAKE_BYTES_MOST	(32 << 10)	/* well within what a socket's buffer holds at least */

/**
 * lvr_conn_alloc() - a connection without a socket
 * @connector: whether this side speaks first
 * @timeout_ms: half-open timer
 *
 * Context: process, sleeps.
 * Return: the connection, or NULL without memory.
 */
struct lvr_conn *lvr_conn_alloc(bool connector, u32 timeout_ms)
{
	struct lvr_conn *conn = kzalloc(sizeof(*conn), GFP_NOIO);

	if (!conn)
		return NULL;
	conn->connector = connector;
	conn->timeout_ms = timeout_ms;
	conn->heard = jiffies;
	strscpy(conn->peer, "?", sizeof(conn->peer));
	return conn;
}

/**
 * lvr_conn_free() - close the socket and free the connection
 * @conn: or NULL; nobody else can reach it
 *
 * Context: process; does not wait for the peer.
 */
void lvr_conn_free(struct lvr_conn *conn)
{
	if (!conn)
		return;
	if (conn->reserves) {
		lock_sock(conn->sock->sk);
		sk_clear_memalloc(conn->sock->sk);
		release_sock(conn->sock->sk);
	}
	if (conn->sock && conn->from_fd) {
		kernel_sock_shutdown(conn->sock, SHUT_RDWR);
		sockfd_put(conn->sock);
	} else if (conn->sock) {
		if (conn->abort)
			sock_no_linger(conn->sock->sk);
		sock_release(conn->sock);
	}
	kfree(conn);
}

/**
 * lvr_conn_cancel() - end the waits of the threads that use a connection
 * @conn: which cannot be freed meanwhile
 * @rx: reading
 * @tx: writing
 *
 * Context: any but hard irq.
 */
void lvr_conn_cancel(struct lvr_conn *conn, bool rx, bool tx)
{
	struct socket *sock;

	if (rx)
		WRITE_ONCE(conn->cancel_rx, true);
	if (tx)
		WRITE_ONCE(conn->cancel_tx, true);
	smp_mb(); /* flags before sock, as transfer() and connect have it the other way round */
	sock = READ_ONCE(conn->sock);
	if (sock)
		wake_up_interruptible_all(sk_sleep(sock->sk));
}

/**
 * lvr_conn_deadline() - limit everything that is done from now on
 * @conn: the connection
 * @ms: from now; 0: without limit but the half-open timer, which starts anew
 *
 * Context: any.
 */
void lvr_conn_deadline(struct lvr_conn *conn, u32 ms)
{
	conn->has_deadline = ms;
	conn->deadline = jiffies + msecs_to_jiffies(ms);
	lvr_conn_heard(conn);
}

/**
 * lvr_conn_heard() - restart the half-open timer
 * @conn: a connection that was not listened to for a while
 *
 * Context: any.
 */
void lvr_conn_heard(struct lvr_conn *conn)
{
	WRITE_ONCE(conn->heard, jiffies);
}

/**
 * lvr_conn_user_timeout() - let TCP end a connection whose data nobody takes
 * @conn: of a side that sends little, to a peer that always reads
 *
 * Context: process, takes the socket's lock.
 */
void lvr_conn_user_timeout(struct lvr_conn *conn)
{
	tcp_sock_set_user_timeout(conn->sock->sk, conn->timeout_ms);
}

/**
 * lvr_conn_broken() - has TCP given the connection up?
 * @conn: that is not being read
 *
 * Context: any.
 * Return: whether; what was received and not read is lost then.
 */
bool lvr_conn_broken(const struct lvr_conn *conn)
{
	return READ_ONCE(conn->sock->sk->sk_err);
}

/**
 * lvr_conn_has_data() - has something arrived that was not read?
 * @conn: the connection
 *
 * Context: process, the thread that owns receiving.
 * Return: whether; by now there may be more.
 */
bool lvr_conn_has_data(const struct lvr_conn *conn)
{
	const struct tcp_sock *tp = tcp_sk(conn->sock->sk);

	return READ_ONCE(tp->rcv_nxt) != READ_ONCE(tp->copied_seq);
}

/* ------------------------------------------------------- bytes and frames */

static bool expired(const struct lvr_conn *conn, unsigned long progress)
{
	unsigned long heard = READ_ONCE(conn->heard);

	if (conn->has_deadline)
		return time_after_eq(jiffies, conn->deadline);
	if (time_after(heard, progress))
		progress = heard;
	return time_after(jiffies, progress + msecs_to_jiffies(conn->timeout_ms));
}

/*
 * Be woken when so much has arrived, not for each segment. Called before each
 * try, so that nothing that comes behind it is missed. Not a socket that was
 * handed in: its kernel TLS must see each segment to find its records.
 */
static void wake_when_there(struct lvr_conn *conn, size_t bytes)
{
	if (!conn->from_fd)
		WRITE_ONCE(conn->sock->sk->sk_rcvlowat, min_t(size_t, bytes, WAKE_BYTES_MOST));
}

/* the whole of msg, or an error; *done_bytes tells how much went */
static int transfer(struct lvr_conn *conn, struct msghdr *msg, bool tx, u32 *done_bytes)
{
	struct sock *sk = conn->sock->sk;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	unsigned long progress = READ_ONCE(conn->heard);
	int ret = 0, now;

	if (tx)
		progress = jiffies;
	add_wait_queue(sk_sleep(sk), &wait);
	while (msg_data_left(msg)) {
		if (READ_ONCE(*(tx ? &conn->cancel_tx : &conn->cancel_rx))) {
			ret = -ECANCELED;
			break;
		}
		if (!tx)
			wake_when_there(conn, msg_data_left(msg));
		now = tx ? sock_sendmsg(conn->sock, msg) :
			   sock_recvmsg(conn->sock, msg, MSG_DONTWAIT);
		if (now > 0) {
			*done_bytes += now;
			progress = jiffies;
			if (!tx)
				lvr_conn_heard(conn);
			if (conn->has_deadline && expired(conn, progress)) {
				ret = -ETIMEDOUT;
				break;
			}
			continue;
		}
		if (now != -EAGAIN) {
			ret = now ?: -ENOTCONN;
			break;
		}
		if (expired(conn, progress)) {
			ret = -ETIMEDOUT;
			break;
		}
		wait_woken(&wait, TASK_INTERRUPTIBLE, msecs_to_jiffies(LVR_CONN_POLL_MS));
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return ret;
}

/**
 * lvr_conn_send() - send one frame
 * @conn: the connection
 * @frame: type, flags, durable_seq and head_seq are taken, the rest is filled
 * @front: first or only part of the payload; of a chunk its head; may be NULL
 * @front_bytes: of it
 * @bvec: payload of a chunk, or NULL
 * @bvecs: elements of it
 * @bvec_bytes: bytes of it
 *
 * Context: process, the thread that owns sending; sleeps until the socket
 *          took everything.
 * Return: 0; -ECANCELED, -ETIMEDOUT or an error of the socket: the
 *         connection is of no more use for sending.
 */
int lvr_conn_send(struct lvr_conn *conn, struct lvr_frame *frame, const void *front,
		  u32 front_bytes, const struct bio_vec *bvec, u32 bvecs, u32 bvec_bytes)
{
	struct lvr_wire_frame wire;
	struct kvec kvec[2] = {
		{ .iov_base = &wire, .iov_len = sizeof(wire) },
		{ .iov_base = (void *)front, .iov_len = front_bytes },
	};
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	u32 done_bytes = 0;
	int ret;

	if (conn->tx_torn)
		return -EPIPE;
	frame->conn_id = conn->conn_id;
	frame->serial = conn->tx_serial;
	frame->payload_bytes = front_bytes + bvec_bytes;
	frame->payload_crc = lvr_crc32c(LVR_CRC_SEED, front, front_bytes);
	lvr_frame_encode(&wire, frame);

	if (bvec_bytes)
		msg.msg_flags |= MSG_MORE;
	iov_iter_kvec(&msg.msg_iter, WRITE, kvec, front_bytes ? 2 : 1, sizeof(wire) + front_bytes);
	ret = transfer(conn, &msg, true, &done_bytes);
	if (!ret && bvec_bytes) {
		msg.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
		iov_iter_bvec(&msg.msg_iter, WRITE, bvec, bvecs, bvec_bytes);
		ret = transfer(conn, &msg, true, &done_bytes);
	}
	if (ret)
		conn->tx_torn = done_bytes;
	else
		conn->tx_serial++;
	return ret;
}

/**
 * lvr_conn_cork() - let frames that follow each other share segments
 * @conn: the connection
 * @on: from now on; false: send what is held back
 *
 * Context: process, the thread that owns sending; takes the socket's lock.
 */
void lvr_conn_cork(struct lvr_conn *conn, bool on)
{
	tcp_sock_set_cork(conn->sock->sk, on);
}

static int receive(struct lvr_conn *conn, struct msghdr *msg, struct lvr_err *err)
{
	u32 done_bytes = 0;
	int ret = transfer(conn, msg, false, &done_bytes);

	if (ret == -ENOTCONN)
		lvr_err_set(err, "the peer closed the connection");
	else if (ret == -ETIMEDOUT && conn->has_deadline)
		lvr_err_set(err, "the peer took too long");
	else if (ret == -ETIMEDOUT)
		lvr_err_set(err, LVR_SILENT_FMT, conn->timeout_ms);
	else if (ret == -ECANCELED)
		lvr_err_set(err, "cancelled");
	else if (ret)
		lvr_err_set(err, "receiving failed: %pe", ERR_PTR(ret));
	return ret;
}

/**
 * lvr_conn_recv() - receive so many bytes
 * @conn: the connection
 * @to: where to
 * @bytes: how many, bounded by the caller
 * @err: reason
 *
 * Context: process, the thread that owns receiving; sleeps until all are there.
 * Return: 0; -ENOTCONN closed by the peer, -ECANCELED, -ETIMEDOUT, or an error of the socket.
 */
int lvr_conn_recv(struct lvr_conn *conn, void *to, u32 bytes, struct lvr_err *err)
{
	struct kvec kvec = { .iov_base = to, .iov_len = bytes };
	struct msghdr msg = {};

	iov_iter_kvec(&msg.msg_iter, READ, &kvec, 1, bytes);
	return receive(conn, &msg, err);
}

/**
 * lvr_conn_recv_bvec() - receive into pages
 * @conn: the connection
 * @bvec: where to
 * @bvecs: elements of it
 * @bytes: in all
 * @err: reason
 *
 * Context and Return: as lvr_conn_recv().
 */
int lvr_conn_recv_bvec(struct lvr_conn *conn, const struct bio_vec *bvec, u32 bvecs, u32 bytes,
		       struct lvr_err *err)
{
	struct msghdr msg = {};

	iov_iter_bvec(&msg.msg_iter, READ, bvec, bvecs, bytes);
	return receive(conn, &msg, err);
}

/**
 * lvr_conn_recv_frame() - receive and check the header of the next frame
 * @conn: the connection
 * @frame: is filled
 * @max_payload_bytes: no more is taken, whatever the type allows
 * @err: reason
 *
 * The payload is still to be received.
 *
 * Context: as lvr_conn_recv().
 * Return: as lvr_conn_recv(), or -EINVAL for a header that is not right.
 */
int lvr_conn_recv_frame(struct lvr_conn *conn, struct lvr_frame *frame, u32 max_payload_bytes,
			struct lvr_err *err)
{
	struct lvr_wire_frame wire;
	int ret;

	ret = lvr_conn_recv(conn, &wire, sizeof(wire), err);
	if (ret)
		return ret;
	ret = lvr_frame_decode(frame, &wire, conn->conn_id, conn->rx_serial, max_payload_bytes, err);
	if (ret)
		return ret;
	conn->rx_serial++;
	return 0;
}

/**
 * lvr_conn_recv_payload() - receive and check the whole payload of a frame
 * @conn: the connection
 * @frame: its header; not of a CHUNK
 * @to: frame->payload_bytes, which the caller has bounded
 * @err: reason
 *
 * Context: as lvr_conn_recv().
 * Return: as lvr_conn_recv(), or -EINVAL for a wrong crc.
 */
int lvr_conn_recv_payload(struct lvr_conn *conn, const struct lvr_frame *frame, void *to,
			  struct lvr_err *err)
{
	u32 crc;
	int ret;

	ret = lvr_conn_recv(conn, to, frame->payload_bytes, err);
	if (ret)
		return ret;
	crc = lvr_crc32c(LVR_CRC_SEED, to, frame->payload_bytes);
	if (crc == frame->payload_crc)
		return 0;
	lvr_err_set(err, "%s frame has payload crc %08x, says %08x",
		    lvr_frame_type_name(frame->type), crc, frame->payload_crc);
	return -EINVAL;
}

/**
 * lvr_conn_linger() - say that nothing follows, and wait for the peer's end
 * @conn: on which no thread works any more
 * @scratch: for what is still received
 * @bytes: of it
 * @ms: no longer than this
 *
 * Closing a socket with unread data resets it, and the peer may lose the last
 * frame by that. A courtesy: nothing depends on it.
 *
 * Context: process, sleeps.
 */
void lvr_conn_linger(struct lvr_conn *conn, void *scratch, u32 bytes, u32 ms)
{
	struct lvr_err err;
	u32 rounds = 1024;

	kernel_sock_shutdown(conn->sock, SHUT_WR);
	lvr_conn_deadline(conn, ms);
	while (rounds-- && !lvr_conn_recv(conn, scratch, bytes, &err))
		;
}

/**
 * lvr_conn_use_reserves() - let a connection go on when memory has run out
 * @conn: authenticated: a stranger must not get at the reserves
 *
 * Writing pages out through a volume is what makes memory free, and with a
 * synchronous link it ends with an ack of the peer.
 *
 * Context: process, takes the socket's lock.
 */
void lvr_conn_use_reserves(struct lvr_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	lock_sock(sk);
	sk_set_memalloc(sk);
	release_sock(sk);
	conn->reserves = true;
}
