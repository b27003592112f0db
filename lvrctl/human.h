/* SPDX-License-Identifier: GPL-2.0-only */
/* Quantities as people read them. Each fills and returns `to`. */
#ifndef LVRCTL_HUMAN_H
#define LVRCTL_HUMAN_H

#include "core/port.h"

#define HUMAN_BYTES 32

char *human_bytes(char to[HUMAN_BYTES], u64 bytes);		/* 1.5 MiB */
char *human_rate(char to[HUMAN_BYTES], u64 bytes_per_s);	/* 1.5 MiB/s */
char *human_ms(char to[HUMAN_BYTES], u64 ms);			/* 0.4 s, 3 min 20 s */
char *human_percent(char to[HUMAN_BYTES], u64 part, u64 whole);	/* 12.3 % */
u64 now_ms(void);						/* monotonic */

#endif
