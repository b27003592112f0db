/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The little that core/ needs from its surroundings: the kernel, or a
 * userspace program (lvrctl, unit tests, fuzzers, model search).
 *
 * Nothing in core/ sleeps, allocates, takes a lock or touches a device, and
 * no function of it needs more than 1 KiB of stack: the big structs
 * (lvr_super, lvr_plan_node, lvr_seqmap) always belong to the caller.
 */
#ifndef LVR_CORE_PORT_H
#define LVR_CORE_PORT_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/stdarg.h>
#include <linux/string.h>
#include <linux/errno.h>
#include <linux/bitops.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/build_bug.h>
#include <asm/byteorder.h>
#include <linux/crc32c.h>
#include <linux/xxhash.h>

#define lvr_crc32c(crc, data, bytes)	crc32c(crc, data, bytes)
#define lvr_xxh64(data, bytes, seed)	xxh64(data, bytes, seed)

/* the same hash over several pieces */
typedef struct xxh64_state lvr_xxh64_state;
#define lvr_xxh64_reset(state, seed)	xxh64_reset(state, seed)
#define lvr_xxh64_update(state, data, bytes) ((void)xxh64_update(state, data, bytes))
#define lvr_xxh64_digest(state)		xxh64_digest(state)
#else
#include "port-user.h"
#endif

/* seeds in the formats: of every crc32c, and of a payload's XXH64 */
#define LVR_CRC_SEED	(~0u)
#define LVR_HASH_SEED	0

/* a reason in words, for the log, the console or a test */
struct lvr_err {
	char text[192];
};

__attribute__((format(printf, 2, 3)))
static inline void lvr_err_set(struct lvr_err *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
}

#endif
