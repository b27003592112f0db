// SPDX-License-Identifier: GPL-2.0-only
/* crc32c for userspace builds of core/; the kernel has its own. */
#include "port.h"

#define CRC32C_POLY_REFLECTED	0x82f63b78u

/* [k][byte]: what a byte adds to the crc when k more bytes follow it */
static u32 crc_table[8][256];

/* before main(), so that no caller and no thread meets an empty table */
__attribute__((constructor))
static void crc_table_fill(void)
{
	u32 i, k, bit, crc;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ CRC32C_POLY_REFLECTED : crc >> 1;
		crc_table[0][i] = crc;
	}
	for (i = 0; i < 256; i++) {
		crc = crc_table[0][i];
		for (k = 1; k < 8; k++) {
			crc = crc_table[0][crc & 0xff] ^ crc >> 8;
			crc_table[k][i] = crc;
		}
	}
}

/* eight bytes at a time */
static u32 crc_step(u32 crc, const u8 *p)
{
	crc ^= p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
	return crc_table[7][crc & 0xff] ^ crc_table[6][crc >> 8 & 0xff] ^
	       crc_table[5][crc >> 16 & 0xff] ^ crc_table[4][crc >> 24] ^
	       crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^ crc_table[0][p[7]];
}

/**
 * lvr_crc32c - running crc32c (Castagnoli, reflected)
 * @crc: result of the part before, LVR_CRC_SEED for the first
 * @data: bytes to add; may be NULL if @bytes is 0
 * @bytes: how many
 *
 * No inversion at either end, as crc32c() of the kernel. Any context, does
 * not sleep.
 *
 * Return: the crc over all parts so far.
 */
u32 lvr_crc32c(u32 crc, const void *data, u32 bytes)
{
	const u8 *p = data;

	for (; bytes >= 8; bytes -= 8, p += 8)
		crc = crc_step(crc, p);
	while (bytes--)
		crc = crc_table[0][(crc ^ *p++) & 0xff] ^ crc >> 8;
	return crc;
}
