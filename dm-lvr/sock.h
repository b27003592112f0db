/* SPDX-License-Identifier: GPL-2.0-only */
/* Ways to get a connection. See sock.c. */
#ifndef LVR_SOCK_H
#define LVR_SOCK_H

#include <linux/net.h>

#include "core/table.h"

struct lvr_conn;
struct net;

int lvr_sock_connect(struct lvr_conn *conn, struct net *net, const struct lvr_endpoint *to,
		     u32 limit_ms);
int lvr_sock_listen(struct net *net, const struct lvr_endpoint *at, struct socket **out);
void lvr_sock_unlisten(struct socket *sock);
int lvr_sock_accept(struct socket *listener, struct lvr_conn **out);
int lvr_sock_adopt_fd(struct lvr_conn *conn, int fd, struct lvr_err *err);
void lvr_sock_tune(struct lvr_conn *conn);

#endif
