/* SPDX-License-Identifier: GPL-2.0-only */
/* Small helpers that the codecs of core/ share; for no other part. */
#ifndef LVR_CORE_CODEC_H
#define LVR_CORE_CODEC_H

#include "port.h"
#include "../../include/lvr/limits.h"

/* crc32c(~0) of data with the 4 bytes at crc_at taken as zero */
static inline u32 lvr_crc_around(const void *data, u32 bytes, u32 crc_at)
{
	static const u8 zero[4];
	u32 crc;

	crc = lvr_crc32c(LVR_CRC_SEED, data, crc_at);
	crc = lvr_crc32c(crc, zero, sizeof(zero));
	return lvr_crc32c(crc, (const u8 *)data + crc_at + sizeof(zero),
			  bytes - crc_at - (u32)sizeof(zero));
}

static inline bool lvr_is_zero(const void *data, u32 bytes)
{
	const u8 *p = data;
	u32 i;

	for (i = 0; i < bytes; i++)
		if (p[i])
			return false;
	return true;
}

static inline int lvr_check_bytes(const char *what, u32 bytes, u64 expected, struct lvr_err *err)
{
	if (bytes == expected)
		return 0;
	lvr_err_set(err, "%s of %u bytes, not %llu", what, bytes, expected);
	return -EINVAL;
}

static inline int lvr_check_reserved(const char *what, bool zero, struct lvr_err *err)
{
	if (zero)
		return 0;
	lvr_err_set(err, "%s has a reserved field that is not zero", what);
	return -EINVAL;
}

/* block size of a log or a volume */
static inline bool lvr_block_bytes_ok(u32 block_bytes)
{
	return block_bytes >= LVR_SECTOR_BYTES && block_bytes <= LVR_BLOCK_MAX_BYTES &&
	       is_power_of_2(block_bytes);
}

/* fill `to`, LVR_NAME_BYTES long, zero behind the name so that bytes compare */
static inline void lvr_name_copy(char *to, const char *from)
{
	u32 i;

	memset(to, 0, LVR_NAME_BYTES);
	for (i = 0; i < LVR_NAME_BYTES - 1 && from[i]; i++)
		to[i] = from[i];
}

/*
 * Append to buf at *at_bytes, which counts what all would need (the rule of
 * snprintf); what does not fit is cut, buf stays terminated.
 */
__attribute__((format(printf, 4, 5)))
static inline void lvr_text_add(char *buf, u32 bytes, u32 *at_bytes, const char *fmt, ...)
{
	u32 left = *at_bytes < bytes ? bytes - *at_bytes : 0;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(left ? buf + *at_bytes : NULL, left, fmt, args);
	va_end(args);
	if (len > 0)
		*at_bytes += len;
}

#endif
