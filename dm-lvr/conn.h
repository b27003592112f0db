/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections: sockets and the frames on them. See conn.c. */
#ifndef LVR_CONN_H
#define LVR_CONN_H

#include <linux/bvec.h>
#include <linux/net.h>

#include "core/frame.h"

/* the reason for the end of a half-open connection, whichever side of it noticed; timeout_ms */
#define LVR_SILENT_FMT		"nothing heard for %u ms"

#define LVR_CONN_POLL_MS	250	/* no sleep on a socket is longer */

struct lvr_conn {
	struct socket *sock;		/* NULL until there is one */
	bool from_fd;			/* a socket of userspace: sockfd_put() ends it */
	bool connector;			/* our part in the handshake */
	bool reserves;			/* may use the memory reserves */
	bool abort;			/* end with a reset: what is unsent is worthless */
	bool cancel_rx;			/* set by anybody: reading ends with -ECANCELED */
	bool cancel_tx;			/* the same for writing */
	bool tx_torn;			/* a frame went out in part: nothing may follow it */
	bool has_deadline;
	unsigned long deadline;		/* jiffies, for all that is done until then */
	unsigned long heard;		/* jiffies when the last byte came */
	u32 timeout_ms;			/* heard nothing for so long: half-open, lost */
	u64 conn_id;			/* 0 before authentication */
	u64 tx_serial;
	u64 rx_serial;
	u8 addr[16];			/* of the peer, IPv4 mapped into IPv6 */
	char peer[56];			/* address and port for people */
};

struct lvr_conn *lvr_conn_alloc(bool connector, u32 timeout_ms);
void lvr_conn_free(struct lvr_conn *conn);
void lvr_conn_cancel(struct lvr_conn *conn, bool rx, bool tx);
void lvr_conn_deadline(struct lvr_conn *conn, u32 ms);
void lvr_conn_heard(struct lvr_conn *conn);
void lvr_conn_user_timeout(struct lvr_conn *conn);
void lvr_conn_cork(struct lvr_conn *conn, bool on);
bool lvr_conn_has_data(const struct lvr_conn *conn);
bool lvr_conn_broken(const struct lvr_conn *conn);
void lvr_conn_linger(struct lvr_conn *conn, void *scratch, u32 bytes, u32 ms);

int lvr_conn_send(struct lvr_conn *conn, struct lvr_frame *frame, const void *front,
		  u32 front_bytes, const struct bio_vec *bvec, u32 bvecs, u32 bvec_bytes);
int lvr_conn_recv(struct lvr_conn *conn, void *to, u32 bytes, struct lvr_err *err);
int lvr_conn_recv_bvec(struct lvr_conn *conn, const struct bio_vec *bvec, u32 bvecs, u32 bytes,
		       struct lvr_err *err);
int lvr_conn_recv_frame(struct lvr_conn *conn, struct lvr_frame *frame, u32 max_payload_bytes,
			struct lvr_err *err);
int lvr_conn_recv_payload(struct lvr_conn *conn, const struct lvr_frame *frame, void *to,
			  struct lvr_err *err);
void lvr_conn_use_reserves(struct lvr_conn *conn);

#endif
