/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: one for each change of a state. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lvr

#if !defined(LVR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LVR_TRACE_H

#include <linux/tracepoint.h>
#include "compat.h"

DECLARE_EVENT_CLASS(lvr_state_change,
	TP_PROTO(const char *group, const char *from, const char *to, const char *reason),
	TP_ARGS(group, from, to, reason),
	TP_STRUCT__entry(
		__string(group, group)
		__string(from, from)
		__string(to, to)
		__string(reason, reason)
	),
	TP_fast_assign(
		lvr_assign_str(group, group);
		lvr_assign_str(from, from);
		lvr_assign_str(to, to);
		lvr_assign_str(reason, reason);
	),
	TP_printk("group=%s from=%s to=%s reason=%s", __get_str(group), __get_str(from),
		  __get_str(to), __get_str(reason))
);

DEFINE_EVENT(lvr_state_change, lvr_group_state,
	TP_PROTO(const char *group, const char *from, const char *to, const char *reason),
	TP_ARGS(group, from, to, reason));

DEFINE_EVENT(lvr_state_change, lvr_link_state,
	TP_PROTO(const char *group, const char *from, const char *to, const char *reason),
	TP_ARGS(group, from, to, reason));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
