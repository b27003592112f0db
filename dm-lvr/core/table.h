/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Table lines and messages.
 *   lvr-log: <log device> <number of options> <key=value>...
 *   lvr:     <group device> <volume id> <origin device>
 * Formatting a parsed group line gives the line that is parsed to the same.
 */
#ifndef LVR_CORE_TABLE_H
#define LVR_CORE_TABLE_H

#include "port.h"
#include "../../include/lvr/limits.h"
#include "../../include/lvr/names.h"

struct lvr_endpoint {
	bool v6;
	u8 addr[16];		/* network order; the first 4 for IPv4 */
	u16 port;		/* host order; 0: no endpoint given */
};

struct lvr_options {
	char group[LVR_NAME_BYTES];
	u32 member;
	u32 peer;		/* LVR_MAX_MEMBERS: none */
	struct lvr_endpoint connect;	/* at most one of the two */
	struct lvr_endpoint listen;
	bool auth_psk;
	bool sync;
	bool block_on_disconnect;
	bool detach_on_full;
	bool start_at_once;
	u32 stage_mib;
	u32 ping_ms;
	u32 timeout_ms;
};

void lvr_options_default(struct lvr_options *o);
/*
 * Parse argc words key=value. Unknown, repeated, missing (group, member) or
 * out-of-range ones: -EINVAL, naming what was found and what was expected.
 * peer without connect or listen is legal: a socket is handed in. connect and
 * listen together are not, nor either without peer, peer equal to member, or a
 * timeout that is not longer than the ping interval.
 */
int lvr_options_parse(struct lvr_options *o, u32 argc, char **argv, struct lvr_err *err);
/*
 * "N key=value ..." with every option that differs from its default, in list
 * order; bytes written or needed (snprintf rule)
 */
int lvr_options_format(const struct lvr_options *o, char *buf, u32 bytes);

/* 10.0.0.1:7794, [fd00::1]:7794; without a port it is LVR_DEFAULT_PORT */
int lvr_endpoint_parse(struct lvr_endpoint *e, const char *text, struct lvr_err *err);
int lvr_endpoint_format(const struct lvr_endpoint *e, char *buf, u32 bytes);

/* decimal, the whole string */
int lvr_u64_parse(const char *text, u64 least, u64 greatest, u64 *out);
int lvr_message_parse(const char *verb);	/* enum lvr_message or -EINVAL */
const char *lvr_message_usage(u32 message);
int lvr_hex_parse(const char *text, u8 *to, u32 max_bytes);	/* bytes or -EINVAL */

#endif
