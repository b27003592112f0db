/* SPDX-License-Identifier: GPL-2.0-only */
/* Ring arithmetic: the only place that turns off into a place on the device. */
#ifndef LVR_CORE_RING_H
#define LVR_CORE_RING_H

#include "port.h"
#include "../../include/lvr/limits.h"

struct lvr_ring {
	u64 start_sect;
	u64 bytes;		/* multiple of block_bytes */
	u32 block_bytes;
};

/* device sector of off (multiple of 512) */
u64 lvr_ring_sect(const struct lvr_ring *ring, u64 off);
/* bytes from off to the end of the ring: an I/O must not go further */
u64 lvr_ring_contiguous_bytes(const struct lvr_ring *ring, u64 off);
/* head - tail; 0 and -EUCLEAN semantics: returns ~0 if tail > head or more than a lap */
u64 lvr_ring_used_bytes(const struct lvr_ring *ring, u64 tail_off, u64 head_off);
/* whether extent_bytes more fit and reserve_bytes stay free (control records) */
bool lvr_ring_has_room(const struct lvr_ring *ring, u64 tail_off, u64 head_off,
		       u64 extent_bytes, u64 reserve_bytes);

/*
 * Sparse index of chunk boundaries: seq -> off, chain, time, with a stride
 * that doubles when it is full. Memory is bounded whatever the ring's size.
 * Entries are chunk *starts*; dropping from the front follows the tail,
 * dropping from the back follows truncation.
 */
struct lvr_mark {
	u64 seq;
	u64 off;
	u64 chain;		/* before that chunk */
	u64 gen;		/* before that chunk: of the record at seq - 1 */
	u64 time_ms;
};

#define LVR_SEQMAP_ENTRIES 2048

struct lvr_seqmap {
	u32 count;
	u32 stride;		/* chunks between two marks */
	u32 since;		/* chunks since the last mark */
	u32 first;		/* mark[] is a circular array */
	struct lvr_mark mark[LVR_SEQMAP_ENTRIES];
};

void lvr_seqmap_init(struct lvr_seqmap *map);
/* a chunk starts here; seq and off never decrease from call to call */
void lvr_seqmap_add(struct lvr_seqmap *map, const struct lvr_mark *mark);
/* greatest mark with mark.seq <= seq (of equal ones that with the least off); false: none */
bool lvr_seqmap_find(const struct lvr_seqmap *map, u64 seq, struct lvr_mark *out);
void lvr_seqmap_drop_before(struct lvr_seqmap *map, u64 off);	/* keeps the last mark at or before off */
void lvr_seqmap_drop_from(struct lvr_seqmap *map, u64 off);	/* drops marks with off >= off */

#endif
