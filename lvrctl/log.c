// SPDX-License-Identifier: GPL-2.0-only
/* A log device, or an image of one, as it lies there. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "exit.h"
#include "human.h"
#include "log.h"
#include "progress.h"
#include "say.h"

#define SLOTS_BYTES (2 * LVR_SUPER_BYTES)
#define EXTENT_MAX_BYTES (LVR_CHUNK_MAX_PAYLOAD_BYTES + 3 * 4096)
#define FIRST_READ_BYTES (LVR_ENVELOPE_BYTES + LVR_CHUNK_MAX_HEAD_BYTES)
/* so far behind the end chunks are looked for that the end cuts off */
#define BEYOND_BYTES (64ull << 20)
#define SHOW_MS 200

/*---------------------------------------------------------------------------*/
/* superblocks */

static int read_full(const struct log *log, void *to, u64 bytes, u64 at)
{
	ssize_t got;

	while (bytes) {
		got = pread(log->fd, to, bytes, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return say_error(EXIT_DEVICE, "%s: cannot be read at byte %llu: %s", log->path,
					 at, got ? strerror(errno) : "it ends before");
		to = (char *)to + got;
		at += got;
		bytes -= got;
	}
	return 0;
}

/**
 * log_attach - read the superblocks of an open log
 * @log: filled in
 * @path: its name, for messages
 * @fd: open for reading; stays the caller's
 * @bytes: size of the device
 *
 * Return: 0 or EXIT_DEVICE.
 */
int log_attach(struct log *log, const char *path, int fd, u64 bytes)
{
	u8 *slots;
	int i, ret;

	log->path = path;
	log->fd = fd;
	log->device_sect = bytes >> LVR_SECTOR_SHIFT;
	if (bytes < SLOTS_BYTES)
		return say_error(EXIT_DEVICE, "%s: only %llu bytes, too small for a log", path, bytes);
	slots = said_alloc(malloc(SLOTS_BYTES));
	ret = read_full(log, slots, SLOTS_BYTES, 0);
	for (i = 0; i < 2 && !ret; i++)
		log->slot_ret[i] = lvr_super_decode(&log->slot[i], slots + i * LVR_SUPER_BYTES,
						    log->device_sect, &log->slot_err[i]);
	free(slots);
	if (!ret)
		log->current = lvr_super_choose(&log->slot[0], log->slot_ret[0],
						&log->slot[1], log->slot_ret[1]);
	return ret;
}

/**
 * log_open - open a log and read its superblocks
 * @log: filled in
 * @path: a block device or a file
 *
 * Return: 0 or EXIT_DEVICE.
 */
int log_open(struct log *log, const char *path)
{
	struct stat st;
	u64 bytes;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		ret = say_error(EXIT_DEVICE, "%s: %s", path, strerror(errno));
		goto err_close;
	}
	bytes = st.st_size;
	if (S_ISBLK(st.st_mode) ? ioctl(fd, BLKGETSIZE64, &bytes) != 0 : !S_ISREG(st.st_mode)) {
		ret = say_error(EXIT_DEVICE, "%s: neither a block device nor a file", path);
		goto err_close;
	}
	ret = log_attach(log, path, fd, bytes);
	if (!ret)
		return 0;
err_close:
	if (fd >= 0)
		close(fd);
	return ret;
}

/**
 * log_close - close what log_open() opened
 * @log: the log
 */
void log_close(struct log *log)
{
	close(log->fd);
	log->fd = -1;
}

/**
 * log_super - the superblock that counts
 * @log: the log
 * @say_why: if there is none, say why
 *
 * Return: the superblock or NULL.
 */
const struct lvr_super *log_super(const struct log *log, bool say_why)
{
	int i;

	if (log->current >= 0)
		return &log->slot[log->current];
	if (!say_why)
		return NULL;
	if (log->current == -ENODATA)
		say_error(0, "%s: no LVR log on it", log->path);
	for (i = 0; i < 2 && log->current != -ENODATA; i++)
		say_error(0, "%s: superblock %d: %s", log->path, i, log->slot_err[i].text);
	return NULL;
}

/*---------------------------------------------------------------------------*/
/* chunks */

/* off may lie behind the end of the ring's last lap, and what is read may wrap */
static int ring_read(const struct log *log, const struct lvr_ring *ring, u64 off, u8 *to, u64 bytes)
{
	u64 part;
	int ret = 0;

	for (; bytes && !ret; off += part, to += part, bytes -= part) {
		part = lvr_ring_contiguous_bytes(ring, off);
		part = min(part, bytes);
		ret = read_full(log, to, part, lvr_ring_sect(ring, off) << LVR_SECTOR_SHIFT);
	}
	return ret;
}

/* the head of the chunk at the scan's position: 0, EXIT_DEVICE, or WALK_END */
#define WALK_END (-1)

static int walk_head(const struct log *log, struct lvr_scan *scan, u8 *extent)
{
	u32 bytes = FIRST_READ_BYTES, need = 0;
	int found, ret;

	do {
		/* whole blocks: nothing less can be read from some devices */
		bytes = round_up(bytes, 4096);
		bytes = min_t(u64, bytes, scan->ring.bytes);
		ret = ring_read(log, &scan->ring, scan->pos.off, extent, bytes);
		if (ret)
			return ret;
		found = lvr_scan_head(scan, extent, bytes, &need);
	} while (found == -EAGAIN && need > bytes && (bytes = need) <= EXTENT_MAX_BYTES);
	return found ? WALK_END : 0;
}

/* the payload, whose checksums are in the head */
static int walk_payload(const struct log *log, struct lvr_scan *scan, u8 *extent)
{
	const void *head = extent + LVR_ENVELOPE_BYTES;
	u32 at = scan->envelope.payload_at_bytes, bytes, i;
	struct lvr_record record;
	int ret;

	ret = ring_read(log, &scan->ring, scan->pos.off, extent, scan->envelope.extent_bytes);
	if (ret)
		return ret;
	for (i = 0; i < scan->chunk.records; i++) {
		lvr_chunk_record(head, i, &record);
		bytes = lvr_record_payload_bytes(&record);
		if (!bytes)
			continue;
		if (lvr_scan_record_hash(scan, head, i, lvr_xxh64(extent + at, bytes, LVR_HASH_SEED)))
			return WALK_END;
		at += bytes;
	}
	return 0;
}

/* whether a chunk that this run of the module wrote begins at off */
static bool chunk_beyond(const struct lvr_scan *scan, u64 off, const u8 *extent, u32 bytes)
{
	struct lvr_chunk_info info;
	struct lvr_envelope envelope;
	u32 head_bytes;

	if (bytes < LVR_ENVELOPE_BYTES + LVR_CHUNK_HEAD_BYTES ||
	    lvr_envelope_decode(extent, &envelope, scan->ring.block_bytes, NULL) ||
	    envelope.log_id != scan->sb->log_id || envelope.off != off ||
	    envelope.incarnation < max(scan->sb->incarnation, scan->incarnation))
		return false;
	extent += LVR_ENVELOPE_BYTES;
	bytes -= LVR_ENVELOPE_BYTES;
	if (lvr_chunk_peek(extent, &info, NULL))
		return false;
	head_bytes = info.head_bytes;
	return head_bytes <= bytes && !lvr_chunk_decode(extent, head_bytes, &info, NULL);
}

/*
 * A scan ends where the log ends, or where it is damaged. Whole chunks of the
 * present incarnation behind the end tell: something before them is missing.
 */
static int look_beyond(const struct log *log, struct log_walk *walk, u8 *buf)
{
	const struct lvr_scan *scan = &walk->scan;
	u32 block = scan->ring.block_bytes, step = LVR_CHUNK_MAX_PAYLOAD_BYTES, window, at;
	/* at the end itself may lie a chunk whose head is whole and its payload not */
	u64 off = scan->pos.off + block, until = scan->sb->tail.off + scan->ring.bytes;
	int ret;

	until = min(until, off + BEYOND_BYTES);
	for (; off < until; off += step) {
		window = min_t(u64, step + FIRST_READ_BYTES, scan->ring.bytes);
		ret = ring_read(log, &scan->ring, off, buf, round_down(window, block));
		if (ret)
			return ret;
		for (at = 0; at < step && off + at < until && at < window; at += block) {
			if (!chunk_beyond(scan, off + at, buf + at, window - at))
				continue;
			if (!walk->beyond++)
				walk->beyond_off = off + at;
		}
	}
	return 0;
}

/* how far a walk is; where the log ends is not known before */
struct walk_pace {
	struct pace pace;
	u64 next_ms;
};

static void walk_show(const struct lvr_scan *scan, struct walk_pace *p)
{
	struct work work = {
		.name = "reading the log",
		.remaining = scan->sb->tail.off + scan->ring.bytes - scan->pos.off,
		.at_most = true,
	};
	u64 now = now_ms();

	if (now < p->next_ms)
		return;
	p->next_ms = now + SHOW_MS;
	pace_add(&p->pace, &work);
	progress_show(&work, &p->pace);
}

/**
 * log_walk - go over the log as recovery would
 * @log: with a valid superblock
 * @walk: gets the findings
 * @fn: called for each chunk; NULL: progress is shown instead
 * @arg: handed to it
 *
 * Return: 0, however the log ends; EXIT_DEVICE if it cannot be read.
 */
int log_walk(struct log *log, struct log_walk *walk,
	     void (*fn)(const struct log_chunk *chunk, void *arg), void *arg)
{
	struct lvr_scan *scan = &walk->scan;
	struct log_chunk chunk = { &scan->envelope, &scan->chunk, NULL };
	u8 *extent = said_alloc(malloc(EXTENT_MAX_BYTES));
	struct walk_pace pace = { .next_ms = 0 };
	int ret;

	*walk = (struct log_walk){ .chunks = 0 };
	chunk.head = extent + LVR_ENVELOPE_BYTES;
	lvr_scan_begin(scan, log_super(log, false));
	for (;;) {
		ret = walk_head(log, scan, extent);
		if (!ret)
			ret = walk_payload(log, scan, extent);
		if (ret)
			break;
		walk->chunks++;
		walk->records += scan->chunk.records;
		walk->payload_bytes += scan->chunk.payload_bytes;
		if (fn)
			fn(&chunk, arg);
		else
			walk_show(scan, &pace);
		lvr_scan_accept(scan);
	}
	if (ret == WALK_END)
		ret = scan->end == LVR_SCAN_FULL ? 0 : look_beyond(log, walk, extent);
	progress_end();
	free(extent);
	return ret;
}

/**
 * log_undestaged - what recovery would still have to do
 * @log: the log
 * @walk: what a walk over it found
 *
 * Return: records that are in the log and perhaps not yet on the volumes.
 */
u64 log_undestaged(const struct log *log, const struct log_walk *walk)
{
	u64 from = log_super(log, false)->checkpoint.seq, to = walk->scan.pos.seq;

	return to > from ? to - from : 0;
}

/*---------------------------------------------------------------------------*/
/* writing */

static int write_slot(int fd, const char *path, const void *from, u64 sect)
{
	if (pwrite(fd, from, LVR_SUPER_BYTES, sect << LVR_SECTOR_SHIFT) != LVR_SUPER_BYTES ||
	    fsync(fd))
		return say_error(EXIT_DEVICE, "%s: cannot be written: %s", path, strerror(errno));
	return 0;
}

/**
 * log_wipe - make a log none
 * @fd: open for writing
 * @path: its name, for messages
 *
 * Return: 0 or EXIT_DEVICE.
 */
int log_wipe(int fd, const char *path)
{
	void *zeroes = said_alloc(calloc(1, LVR_SUPER_BYTES));
	int ret;

	ret = write_slot(fd, path, zeroes, 0);
	if (!ret)
		ret = write_slot(fd, path, zeroes, LVR_SUPER_BYTES >> LVR_SECTOR_SHIFT);
	free(zeroes);
	return ret;
}

/**
 * log_format - make a device a log
 * @fd: open for writing
 * @path: its name, for messages
 * @sb: its first superblock
 *
 * Return: 0 or EXIT_DEVICE; a crash in between leaves no log.
 */
int log_format(int fd, const char *path, const struct lvr_super *sb)
{
	void *slot = said_alloc(malloc(LVR_SUPER_BYTES));
	int ret;

	lvr_super_encode(slot, sb);
	ret = log_wipe(fd, path);
	if (!ret)
		ret = write_slot(fd, path, slot, lvr_super_slot_sect(sb->sb_seq));
	free(slot);
	return ret;
}
