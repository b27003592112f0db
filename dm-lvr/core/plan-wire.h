/* SPDX-License-Identifier: GPL-2.0-only */
/* Codec of the messages that two nodes make their plan from and compare it by. Format: lvr/wire.h */
#ifndef LVR_CORE_PLAN_WIRE_H
#define LVR_CORE_PLAN_WIRE_H

#include "plan.h"

struct lvr_lookup {
	u64 seq;
	u64 chain;
	bool known;
};

u32 lvr_state_encode(void *to, const struct lvr_plan_node *from);	/* bytes, <= LVR_STATE_MAX_BYTES */
int lvr_state_decode(struct lvr_plan_node *to, const void *from, u32 bytes, struct lvr_err *err);
void lvr_lookup_encode(struct lvr_wire_lookup *to, const struct lvr_lookup *from);
int lvr_lookup_decode(struct lvr_lookup *to, const void *from, u32 bytes, struct lvr_err *err);
void lvr_verdict_encode(struct lvr_wire_verdict *to, const struct lvr_plan *plan);
int lvr_verdict_decode(struct lvr_plan *to, const void *from, u32 bytes, struct lvr_err *err);

#endif
