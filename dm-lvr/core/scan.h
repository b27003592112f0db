/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recovery scan: from the tail named by the superblock, take chunk after
 * chunk as long as each is what must stand there, and say why it ended.
 *
 * A chunk is taken only with this log's id, an incarnation that is not
 * lower than that of the chunk before, exactly the next off, right
 * checksums of envelope, head and every payload, the next seq, the chain,
 * this group, and a generation that is the one before or one that the
 * superblock's history says begins right here. So nothing of an earlier lap
 * and nothing from behind a truncation is ever taken.
 *
 * A generation ends where the history says that the next one begins: a chunk
 * of the old one at or behind that place is left over from a truncation.
 *
 * Pure: the caller reads the device and feeds extents. Protocol:
 *   lvr_scan_begin();
 *   loop until lvr_scan_done() (it also ends a scan that went round the ring):
 *         read block_bytes at off scan.pos.off;
 *         lvr_scan_head() with those first bytes (up to LVR_ENVELOPE_BYTES + LVR_CHUNK_MAX_HEAD_BYTES
 *         if available; tells how many bytes it needs in *need_bytes with -EAGAIN);
 *         read the payload; lvr_scan_record_hash() for each record that has
 *         one; lvr_scan_accept(); then the next chunk.
 */
#ifndef LVR_CORE_SCAN_H
#define LVR_CORE_SCAN_H

#include "chunk.h"
#include "ring.h"
#include "super.h"

enum lvr_scan_end {
	LVR_SCAN_MORE,		/* not ended */
	LVR_SCAN_NO_ENVELOPE,	/* the ordinary end: nothing written here yet */
	LVR_SCAN_STALE,		/* other log, lower incarnation or other off: earlier lap or truncated */
	LVR_SCAN_TORN,		/* an envelope of ours, but head or payload do not check */
	LVR_SCAN_FOREIGN,	/* checks, but does not continue the history */
	LVR_SCAN_FULL,		/* a whole lap */
};

struct lvr_scan {
	const struct lvr_super *sb;
	struct lvr_ring ring;
	struct lvr_pos pos;	/* behind the last chunk taken */
	u64 incarnation;	/* of the last chunk taken */
	enum lvr_scan_end end;
	struct lvr_err why;
	/* the chunk at pos, between lvr_scan_head() and lvr_scan_accept() */
	struct lvr_envelope envelope;
	struct lvr_chunk_info chunk;
};

void lvr_scan_begin(struct lvr_scan *scan, const struct lvr_super *sb);

/*
 * bytes: as many as are available, at least LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES.
 * 0: head accepted, scan->envelope and scan->chunk are set;
 * -EAGAIN: *need_bytes are needed; -ENODATA: the scan ended, scan->end says why.
 */
int lvr_scan_head(struct lvr_scan *scan, const void *extent, u32 bytes, u32 *need_bytes);

/*
 * The payload's hashes: call for each record with payload in order with the
 * hash computed over its bytes; after the last call lvr_scan_accept().
 */
int lvr_scan_record_hash(struct lvr_scan *scan, const void *head, u32 record, u64 hash);
/* the chunk is whole: advance */
void lvr_scan_accept(struct lvr_scan *scan);
/* true when there is nothing more to read; a whole lap sets LVR_SCAN_FULL */
bool lvr_scan_done(struct lvr_scan *scan);

/*
 * The incarnation to make durable before the next append: above the
 * superblock's and above every chunk's that was taken. (The latter is the
 * higher one if the newest superblock was lost and the one before it is used.)
 */
static inline u64 lvr_scan_next_incarnation(const struct lvr_scan *scan)
{
	return max(scan->sb->incarnation, scan->incarnation) + 1;
}

const char *lvr_scan_end_name(enum lvr_scan_end end);

#endif
