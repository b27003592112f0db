/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The userspace side of port.h. Names and meanings are those of the kernel,
 * so that core/ reads the same on both sides; nothing else may be added here.
 */
#ifndef LVR_CORE_PORT_USER_H
#define LVR_CORE_PORT_USER_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifndef XXH_STATIC_LINKING_ONLY
#define XXH_STATIC_LINKING_ONLY	/* the streaming state lies on the stack */
#endif
#include <xxhash.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

#ifndef U16_MAX
#define U16_MAX			((u16)~0u)
#define U32_MAX			((u32)~0u)
#define U64_MAX			((u64)~0ull)
#endif

#define cpu_to_le16(x)		((__le16)htole16(x))
#define cpu_to_le32(x)		((__le32)htole32(x))
#define cpu_to_le64(x)		((__le64)htole64(x))
#define le16_to_cpu(x)		((u16)le16toh(x))
#define le32_to_cpu(x)		((u32)le32toh(x))
#define le64_to_cpu(x)		((u64)le64toh(x))

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif

#ifndef min
#define min(a, b)							\
	({ __typeof__(a) min_a_ = (a); __typeof__(b) min_b_ = (b);	\
	   min_a_ < min_b_ ? min_a_ : min_b_; })
#define max(a, b)							\
	({ __typeof__(a) max_a_ = (a); __typeof__(b) max_b_ = (b);	\
	   max_a_ > max_b_ ? max_a_ : max_b_; })
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define clamp(v, lo, hi)	min(max(v, lo), hi)
#endif

#ifndef round_up
/* to: a power of two */
#define round_up(x, to)		((((x) - 1) | ((__typeof__(x))(to) - 1)) + 1)
#define round_down(x, to)	((x) & ~((__typeof__(x))(to) - 1))
#endif

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline u64 div64_u64_rem(u64 dividend, u64 divisor, u64 *remainder)
{
	*remainder = dividend % divisor;
	return dividend / divisor;
}

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

/* as the kernel's crc32c(): the seed is taken and the result given uninverted */
u32 lvr_crc32c(u32 crc, const void *data, u32 bytes);

#define lvr_xxh64(data, bytes, seed)	XXH64(data, bytes, seed)

typedef XXH64_state_t lvr_xxh64_state;
#define lvr_xxh64_reset(state, seed)	((void)XXH64_reset(state, seed))
#define lvr_xxh64_update(state, data, bytes) ((void)XXH64_update(state, data, bytes))
#define lvr_xxh64_digest(state)		XXH64_digest(state)

#endif
