/* SPDX-License-Identifier: GPL-2.0-only */
/* The first message of each side, and what both make of the two. Format: lvr/wire.h */
#ifndef LVR_CORE_HELLO_H
#define LVR_CORE_HELLO_H

#include "port.h"
#include "../../include/lvr/wire.h"

struct lvr_hello {
	u32 proto_min, proto_max;
	u64 features, required;
	char group[LVR_NAME_BYTES];
	char name[LVR_NAME_BYTES];
	u32 member;
	u32 peer_member;
	u32 auth;
	u8 nonce[LVR_NONCE_BYTES];
};

void lvr_hello_encode(struct lvr_wire_hello *to, const struct lvr_hello *from);
int lvr_hello_decode(struct lvr_hello *to, const void *from, u32 bytes, struct lvr_err *err);
/* group, members, auth, protocol range, features; names everything that does not fit */
int lvr_hello_check(const struct lvr_hello *mine, const struct lvr_hello *theirs, struct lvr_err *err);
/* bytes that both sides authenticate: role byte, connector's hello, listener's hello */
#define LVR_AUTH_INPUT_BYTES (16 + 2 * sizeof(struct lvr_wire_hello))
void lvr_auth_input(u8 to[LVR_AUTH_INPUT_BYTES], bool by_connector,
		    const struct lvr_wire_hello *connector, const struct lvr_wire_hello *listener);
/* connection id: from both nonces, never 0 */
u64 lvr_conn_id(const struct lvr_wire_hello *connector, const struct lvr_wire_hello *listener);

#endif
