/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames for tools that speak, or change what others say. Guests are little endian. */
#ifndef FRAMES_H
#define FRAMES_H

#include <lvr/wire.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t crc32c(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint32_t crc = ~0u;
	int bit;

	while (bytes--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* makes the header's own crc right */
static inline void frame_seal(struct lvr_wire_frame *f)
{
	f->head_crc = 0;
	f->head_crc = crc32c(f, sizeof(*f));
}

#endif
