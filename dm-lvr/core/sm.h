/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State tables of group and link: (state, event) -> state. A missing row is
 * an illegal event: refused, counted, never fatal. docs/states.md is
 * generated from these tables.
 */
#ifndef LVR_CORE_SM_H
#define LVR_CORE_SM_H

#include "port.h"
#include "../../include/lvr/names.h"

struct lvr_sm_edge {
	u8 from;
	u8 event;
	u8 to;
};

extern const struct lvr_sm_edge lvr_group_edges[];
extern const u32 lvr_group_edge_count;
extern const struct lvr_sm_edge lvr_link_edges[];
extern const u32 lvr_link_edge_count;

/* the next state, or -EINVAL with "event X is illegal in state Y" */
int lvr_group_next(u8 state, u8 event, struct lvr_err *err);
int lvr_link_next(u8 state, u8 event, struct lvr_err *err);

const char *lvr_group_state_name(u8 state);
const char *lvr_group_state_doc(u8 state);
const char *lvr_group_event_name(u8 event);
const char *lvr_link_state_name(u8 state);
const char *lvr_link_state_doc(u8 state);
const char *lvr_link_event_name(u8 event);
const char *lvr_role_name(u8 role);
const char *lvr_direction_name(u8 direction);

#endif
