/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets share. A target decodes what it is given; where a
 * crc stands before everything else it also tries the input with the crc
 * made right, so that the checks behind it are reached. What is accepted
 * must come back the same from its encoder: no two inputs mean the same, and
 * no field is taken that is not understood.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "port.h"
#include "codec.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

/* not an assert(): this is what the target is for */
#define must(condition)	do { if (!(condition)) abort(); } while (0)

/* a copy whose end the address sanitizer guards, aligned as buffers are */
static inline void *fuzz_copy(const u8 *data, size_t bytes)
{
	void *copy = malloc(bytes ? bytes : 1);

	must(copy);
	memcpy(copy, data, bytes);
	return copy;
}

static inline void fuzz_set_crc(void *data, u32 bytes, u32 crc_at)
{
	__le32 crc = cpu_to_le32(lvr_crc_around(data, bytes, crc_at));

	memcpy((u8 *)data + crc_at, &crc, sizeof(crc));
}

#endif
