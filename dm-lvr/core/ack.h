/* SPDX-License-Identifier: GPL-2.0-only */
/* Codec of what a target says of the chunks it got. Format: lvr/wire.h */
#ifndef LVR_CORE_ACK_H
#define LVR_CORE_ACK_H

#include "port.h"
#include "../../include/lvr/wire.h"

struct lvr_ack {
	u64 durable_seq;
	u64 durable_chain;
	u64 applied_seq;
	u64 sync_no;
	u64 sync_id;
	u32 flags;
};

void lvr_ack_encode(struct lvr_wire_ack *to, const struct lvr_ack *from);
int lvr_ack_decode(struct lvr_ack *to, const void *from, u32 bytes, struct lvr_err *err);

#endif
