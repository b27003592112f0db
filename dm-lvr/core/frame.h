/* SPDX-License-Identifier: GPL-2.0-only */
/* Codec of the header that every message has. Format: lvr/wire.h */
#ifndef LVR_CORE_FRAME_H
#define LVR_CORE_FRAME_H

#include "port.h"
#include "../../include/lvr/chunk.h"
#include "../../include/lvr/wire.h"

struct lvr_frame {
	u16 type;
	u16 flags;
	u64 conn_id;
	u64 serial;
	u64 durable_seq;
	u64 head_seq;
	u64 time_ms;
	u32 payload_bytes;
	u32 payload_crc;
};

const char *lvr_frame_type_name(u16 type);	/* "?": unknown */

void lvr_frame_encode(struct lvr_wire_frame *to, const struct lvr_frame *from);
/*
 * -EINVAL with a reason: magic, crc, reserved, unknown type, payload over the
 * type's bound (before authentication, max_payload_bytes is the tighter one),
 * conn_id or serial other than expected (stale frame of another connection,
 * a repeat or a gap).
 */
int lvr_frame_decode(struct lvr_frame *to, const void *from, u64 conn_id, u64 serial,
		     u32 max_payload_bytes, struct lvr_err *err);

#endif
