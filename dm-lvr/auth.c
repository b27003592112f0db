// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is there: hellos and proofs, before anything else is believed.
 *
 *   connector                    acceptor
 *   HELLO(nonce)  ------------->              names the group
 *                 <-------------  HELLO(nonce)
 *   AUTH(mac)     ------------->              HMAC-SHA-256 by the group's key
 *                 <-------------  AUTH(mac)   over role, both hellos
 *
 * Both hellos hold a fresh nonce and the member ids, and the role of the
 * prover goes into the mac; so a proof is of use for this connection, in
 * this direction, between these two nodes only. The acceptor proves itself
 * after the connector has: whoever just connects gets no mac to work on.
 *
 * Until the end of it only HELLO and AUTH are read, into buffers of their
 * exact bound, all under one deadline (LVR_PREAUTH_TIMEOUT_MS), and no state
 * of the link is touched. The thread is the link's own (connector), a worker
 * of the listener, or the work item of a handed-in socket; the link is pinned
 * by its reference.
 *
 * The stream itself is neither encrypted nor authenticated yet: the key only
 * keeps strangers out. conn_id keeps frames of different connections apart.
 *
 * A cut at any step leaves nothing: no step has an effect on either node.
 */
#include <crypto/hash.h>
#include <linux/random.h>

#include "link.h"

/* ------------------------------------------------------------------ the key */

/**
 * lvr_auth_set_key() - use a new shared key from the next connection on
 * @link: the link
 * @key: the key
 * @bytes: of it
 *
 * Context: process, sleeps.
 * Return: 0, -EINVAL for a key of wrong length, or an error of the crypto layer.
 */
int lvr_auth_set_key(struct lvr_link *link, const u8 *key, u32 bytes)
{
	struct crypto_shash *tfm, *old;
	int ret;

	if (bytes < LVR_KEY_MIN_BYTES || bytes > LVR_KEY_MAX_BYTES)
		return -EINVAL;
	tfm = crypto_alloc_shash("hmac(sha256)", 0, 0);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	ret = crypto_shash_setkey(tfm, key, bytes);
	if (!ret && crypto_shash_digestsize(tfm) != LVR_MAC_BYTES)
		ret = -EINVAL;
	if (ret) {
		crypto_free_shash(tfm);
		return ret;
	}
	mutex_lock(&link->key_mutex);
	old = link->tfm;
	link->tfm = tfm;
	mutex_unlock(&link->key_mutex);
	if (old)
		crypto_free_shash(old);
	spin_lock(&link->lock);
	link->has_key = true;
	spin_unlock(&link->lock);
	return 0;
}

/**
 * lvr_auth_drop_key() - forget the key
 * @link: a link that ends
 *
 * Context: process.
 */
void lvr_auth_drop_key(struct lvr_link *link)
{
	if (link->tfm)
		crypto_free_shash(link->tfm);	/* wipes it */
	link->tfm = NULL;
}

/* of the side that connected, or of the other one */
static int make_mac(struct lvr_link *link, bool psk, bool by_connector,
		    const struct lvr_wire_hello *connector, const struct lvr_wire_hello *acceptor,
		    struct lvr_wire_auth *auth, struct lvr_err *err)
{
	u8 input[LVR_AUTH_INPUT_BYTES];
	int ret;

	memset(auth, 0, sizeof(*auth));
	if (!psk)
		return 0;
	lvr_auth_input(input, by_connector, connector, acceptor);
	mutex_lock(&link->key_mutex);
	ret = link->tfm ? crypto_shash_tfm_digest(link->tfm, input, sizeof(input), auth->mac) :
			  -ENOKEY;
	mutex_unlock(&link->key_mutex);
	if (ret)
		lvr_err_set(err, ret == -ENOKEY ? "no key" : "cannot compute a mac");
	return ret;
}

/* ------------------------------------------------------------------- frames */

static int send_small(struct lvr_conn *conn, u16 type, const void *payload, u32 bytes,
		      struct lvr_err *err)
{
	struct lvr_frame frame = { .type = type };
	int ret;

	/* says nothing of our positions to who has not proved anything */
	ret = lvr_conn_send(conn, &frame, payload, bytes, NULL, 0, 0);
	if (ret)
		lvr_err_set(err, "sending %s failed: %pe", lvr_frame_type_name(type), ERR_PTR(ret));
	return ret;
}

static int recv_small(struct lvr_conn *conn, u16 type, void *payload, u32 bytes,
		      struct lvr_err *err)
{
	struct lvr_frame frame;
	int ret;

	ret = lvr_conn_recv_frame(conn, &frame, bytes, err);
	if (ret)
		return ret;
	if (frame.type != type || frame.payload_bytes != bytes) {
		lvr_err_set(err, "expected %s of %u bytes, got %s of %u", lvr_frame_type_name(type),
			    bytes, lvr_frame_type_name(frame.type), frame.payload_bytes);
		return -EPROTO;
	}
	return lvr_conn_recv_payload(conn, &frame, payload, err);
}

static void make_hello(struct lvr_link *link, struct lvr_hello *hello)
{
	memset(hello, 0, sizeof(*hello));
	hello->proto_min = LVR_PROTO_MIN;
	hello->proto_max = LVR_PROTO_MAX;
	hello->features = LVR_WIRE_FEATURES;
	hello->required = LVR_WIRE_REQUIRED;
	strscpy(hello->group, link->group, sizeof(hello->group));
	strscpy(hello->name, link->self_name, sizeof(hello->name));
	spin_lock(&link->lock);
	hello->member = link->opts.member;
	hello->peer_member = link->opts.peer;
	hello->auth = link->opts.auth_psk;
	spin_unlock(&link->lock);
	get_random_bytes(hello->nonce, sizeof(hello->nonce));
}

/* the peer's proof, or the zeroes that stand for none where both agreed on none */
static int check_auth(struct lvr_link *link, struct lvr_conn *conn, bool psk,
		      const struct lvr_wire_hello *connector, const struct lvr_wire_hello *acceptor,
		      struct lvr_err *err)
{
	struct lvr_wire_auth theirs, expected;
	int ret;

	ret = recv_small(conn, LVR_FRAME_AUTH, &theirs, sizeof(theirs), err);
	if (ret == -ENOTCONN || ret == -ECONNRESET)
		lvr_err_set(err, "the peer broke off during authentication: another key?");
	if (ret)
		return ret;
	ret = make_mac(link, psk, !conn->connector, connector, acceptor, &expected, err);
	if (ret)
		return ret;
	if (crypto_memneq(theirs.mac, expected.mac, sizeof(expected.mac))) {
		lvr_err_set(err, "the peer does not know the key of this group");
		return -EKEYREJECTED;
	}
	return 0;
}

static void authenticated(struct lvr_link *link, struct lvr_conn *conn,
			  const struct lvr_wire_hello *connector,
			  const struct lvr_wire_hello *acceptor)
{
	conn->conn_id = lvr_conn_id(connector, acceptor);
	conn->timeout_ms = lvr_link_timeout_ms(link);
	lvr_conn_deadline(conn, 0);
}

/**
 * lvr_auth_connect() - authenticate as the side that connected
 * @link: the link
 * @conn: just connected, used by the caller alone
 * @err: reason
 *
 * Context: process, sleeps, LVR_PREAUTH_TIMEOUT_MS at most.
 * Return: 0; -EKEYREJECTED, -EPROTO and -EINVAL are for people to repair.
 */
int lvr_auth_connect(struct lvr_link *link, struct lvr_conn *conn, struct lvr_err *err)
{
	struct lvr_wire_hello mine_wire, theirs_wire;
	struct lvr_hello mine, theirs;
	struct lvr_wire_auth auth;
	int ret;

	lvr_conn_deadline(conn, LVR_PREAUTH_TIMEOUT_MS);
	make_hello(link, &mine);
	lvr_hello_encode(&mine_wire, &mine);
	ret = send_small(conn, LVR_FRAME_HELLO, &mine_wire, sizeof(mine_wire), err);
	if (ret)
		return ret;
	ret = lvr_auth_read_hello(conn, &theirs_wire, &theirs, err);
	if (ret == -ENOTCONN || ret == -ECONNRESET)
		lvr_err_set(err, "the peer closed the connection after our hello: it does not serve this group there now");
	if (ret)
		return ret;
	ret = lvr_hello_check(&mine, &theirs, err);
	if (ret)
		return ret;
	ret = make_mac(link, mine.auth, true, &mine_wire, &theirs_wire, &auth, err) ?:
	      send_small(conn, LVR_FRAME_AUTH, &auth, sizeof(auth), err) ?:
	      check_auth(link, conn, mine.auth, &mine_wire, &theirs_wire, err);
	if (ret)
		return ret;
	authenticated(link, conn, &mine_wire, &theirs_wire);
	return 0;
}

/**
 * lvr_auth_read_hello() - what a peer says it is
 * @conn: the connection
 * @wire: as it came
 * @hello: decoded, nothing of it is proved
 * @err: reason
 *
 * Context: process, sleeps; the caller has set a deadline.
 * Return: 0 or -errno.
 */
int lvr_auth_read_hello(struct lvr_conn *conn, struct lvr_wire_hello *wire,
			struct lvr_hello *hello, struct lvr_err *err)
{
	BUILD_BUG_ON(sizeof(*wire) > LVR_HELLO_MAX_BYTES);
	return recv_small(conn, LVR_FRAME_HELLO, wire, sizeof(*wire), err) ?:
	       lvr_hello_decode(hello, wire, sizeof(*wire), err);
}

/**
 * lvr_auth_accept() - authenticate as the side that was connected to
 * @link: which the hello named; a reference is held
 * @conn: used by the caller alone
 * @wire: the peer's hello as it came
 * @theirs: decoded
 * @err: reason
 *
 * A hello that does not fit is answered by ours all the same, so that both
 * sides can tell their people what differs.
 *
 * Context: process, sleeps; the caller has set a deadline.
 * Return: 0 or -errno.
 */
int lvr_auth_accept(struct lvr_link *link, struct lvr_conn *conn,
		    const struct lvr_wire_hello *wire, const struct lvr_hello *theirs,
		    struct lvr_err *err)
{
	struct lvr_wire_hello mine_wire;
	struct lvr_wire_auth auth;
	struct lvr_hello mine;
	int ret;

	make_hello(link, &mine);
	lvr_hello_encode(&mine_wire, &mine);
	ret = send_small(conn, LVR_FRAME_HELLO, &mine_wire, sizeof(mine_wire), err);
	if (ret)
		return ret;
	ret = lvr_hello_check(&mine, theirs, err);
	if (ret)
		return ret;
	ret = check_auth(link, conn, mine.auth, wire, &mine_wire, err);
	if (ret)
		return ret;
	ret = make_mac(link, mine.auth, false, wire, &mine_wire, &auth, err) ?:
	      send_small(conn, LVR_FRAME_AUTH, &auth, sizeof(auth), err);
	if (ret)
		return ret;
	authenticated(link, conn, wire, &mine_wire);
	return 0;
}
