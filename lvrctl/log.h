/* SPDX-License-Identifier: GPL-2.0-only */
/* A log device, or an image of one, as it lies there. Nothing is ever written here but by log_wipe(). */
#ifndef LVRCTL_LOG_H
#define LVRCTL_LOG_H

#include "core/scan.h"
#include "core/super.h"

struct log {
	const char *path;
	int fd;
	u64 device_sect;
	struct lvr_super slot[2];
	int slot_ret[2];		/* of lvr_super_decode() */
	struct lvr_err slot_err[2];
	int current;			/* index of the slot that counts, or -errno */
};

/* what a walk over the chunks found */
struct log_walk {
	struct lvr_scan scan;		/* where and why it ended */
	u64 chunks;
	u64 records;
	u64 payload_bytes;
	u64 beyond;			/* whole chunks of this run found behind the end */
	u64 beyond_off;			/* where the first of them lies */
};

struct log_chunk {
	const struct lvr_envelope *envelope;
	const struct lvr_chunk_info *info;
	const void *head;		/* for lvr_chunk_record() */
};

/* open read-only; the superblocks are read and judged, in whatever state they are */
int log_open(struct log *log, const char *path);
/* the same for a descriptor that is open already; log_close() leaves it open */
int log_attach(struct log *log, const char *path, int fd, u64 bytes);
void log_close(struct log *log);
/* the superblock that counts; NULL: none, and why was said if say_why */
const struct lvr_super *log_super(const struct log *log, bool say_why);

/*
 * The recovery scan, whole payloads included; fn is called for each chunk that
 * counts, without one the progress is shown. EXIT_DEVICE: the device could not be read.
 */
int log_walk(struct log *log, struct log_walk *walk,
	     void (*fn)(const struct log_chunk *chunk, void *arg), void *arg);

/* records that a recovery would still have to bring to the volumes */
u64 log_undestaged(const struct log *log, const struct log_walk *walk);

/* both slots become zeroes, on stable storage */
int log_wipe(int fd, const char *path);
/* write the first superblock of a new log; the other slot becomes zeroes before */
int log_format(int fd, const char *path, const struct lvr_super *sb);

#endif
