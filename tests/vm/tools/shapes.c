// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bios of every shape, against a reference.
 *
 *   shapes run SEED COUNT THREADS BLOCK_BYTES DEVICE REFERENCE
 *   shapes verify CHUNK_BYTES DEVICE REFERENCE
 *   shapes race SEED COUNT WRITERS READERS DEVICE
 *   shapes overlap SEED COUNT THREADS BLOCK_BYTES DEVICE
 *
 * run: each thread has a zone of the device to itself and does COUNT random
 * operations on it: direct writes from buffers at odd places in memory, as
 * one piece or many; buffered writes of any length; with and without FUA;
 * flushes; discards and write-zeroes; reads, compared with the reference.
 * The reference file is what the device must hold; it is made to its size,
 * zeroes, if it is not there yet, so the device must hold zeroes then.
 *
 * verify: compares all of the device.
 *
 * race: each writer owns slots of 4 KiB in the first MiB and writes rising
 * versions to them; readers read ranges of many slots meanwhile. A sector
 * that is read must hold at least the last version that had completed when
 * the read was issued, and none that had not been issued when it ended.
 *
 * overlap: threads write, discard and zero the same 256 KiB at once; what
 * results is not said, only that both nodes must hold the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_THREADS	64
#define MAX_BYTES	(1536u << 10)	/* of one operation */
#define MAX_PIECES	40
#define SLOT_BYTES	4096u
#define SLOTS		256u

static const char *device;
static int direct_fd, buffered_fd;
static uint64_t device_bytes, seed, count;
static uint32_t block_bytes = 512, threads;
static uint8_t *reference;

static uint64_t rnd(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static void die(const char *what, uint64_t at, uint64_t bytes)
{
	printf("%s of %llu bytes at %llu of %s: %s\n", what, (unsigned long long)bytes,
	       (unsigned long long)at, device, strerror(errno));
	exit(1);
}

static void compare(const uint8_t *got, uint64_t at, uint64_t bytes, const char *how)
{
	uint64_t i;

	if (!memcmp(got, reference + at, bytes))
		return;
	for (i = 0; got[i] == reference[at + i]; i++)
		;
	printf("%s: read of %llu bytes at %llu differs at %llu: found %02x, expected %02x\n", how,
	       (unsigned long long)bytes, (unsigned long long)at, (unsigned long long)(at + i), got[i],
	       reference[at + i]);
	exit(1);
}

/* ----------------------------------------------------------------------- run */

struct worker {
	pthread_t thread;
	uint64_t state;
	uint64_t zone_start;
	uint64_t zone_bytes;
	uint8_t *area;		/* MAX_BYTES and room to be at an odd place */
	uint64_t writes;	/* makes each content new */
	uint32_t index;
};

/* small ones are common, every power of two occurs */
static uint64_t pick_bytes(struct worker *w, uint32_t unit, uint64_t most)
{
	uint64_t top = unit << (rnd(&w->state) % 12);
	uint64_t bytes = (1 + rnd(&w->state) % (top / unit)) * unit;

	return bytes < most ? bytes : most / unit * unit;
}

/* a range within the zone; half of all lie in its first 64 KiB, so that they overlap */
static void pick_range(struct worker *w, uint32_t unit, uint64_t *at, uint64_t *bytes)
{
	uint64_t zone = rnd(&w->state) & 1 && w->zone_bytes > 65536 ? 65536 : w->zone_bytes;

	*bytes = pick_bytes(w, unit, zone < MAX_BYTES ? zone : MAX_BYTES);
	*at = w->zone_start + rnd(&w->state) % ((zone - *bytes) / unit + 1) * unit;
}

/* cuts a buffer into pieces of odd lengths; how many */
static int cut(struct worker *w, uint8_t *buf, uint64_t bytes, struct iovec *iov)
{
	int pieces = 0, most = rnd(&w->state) % 3 ? 1 : MAX_PIECES;

	while (bytes) {
		uint64_t now = (1 + rnd(&w->state) % 24) * block_bytes;

		if (now > bytes || pieces == most - 1)
			now = bytes;
		iov[pieces].iov_base = buf;
		iov[pieces++].iov_len = now;
		buf += now;
		bytes -= now;
	}
	return pieces;
}

static void fill(struct worker *w, uint8_t *buf, uint64_t bytes)
{
	uint64_t word = seed << 48 ^ (uint64_t)w->index << 40 ^ ++w->writes << 8, i;

	for (i = 0; i + 8 <= bytes; i += 8)
		memcpy(buf + i, &(uint64_t){ (word ^ i) * 0x9e3779b97f4a7c15ull }, 8);
	memset(buf + i, (int)w->writes, bytes - i);
}

static void write_direct(struct worker *w)
{
	uint8_t *buf = w->area + rnd(&w->state) % 8 * 512;
	struct iovec iov[MAX_PIECES];
	uint64_t at, bytes;
	int pieces;

	pick_range(w, block_bytes, &at, &bytes);
	fill(w, buf, bytes);
	pieces = cut(w, buf, bytes, iov);
	if (pwritev2(direct_fd, iov, pieces, at, rnd(&w->state) % 4 ? 0 : RWF_DSYNC) != (ssize_t)bytes)
		die("direct write", at, bytes);
	memcpy(reference + at, buf, bytes);
}

static void write_buffered(struct worker *w)
{
	uint64_t at, bytes;

	pick_range(w, 1, &at, &bytes);
	fill(w, w->area, bytes);
	if (pwrite(buffered_fd, w->area, bytes, at) != (ssize_t)bytes)
		die("buffered write", at, bytes);
	memcpy(reference + at, w->area, bytes);
	if (rnd(&w->state) % 3 == 0 && sync_file_range(buffered_fd, at, bytes, SYNC_FILE_RANGE_WRITE))
		die("write-back", at, bytes);
}

static void make_zero(struct worker *w, int how)
{
	uint64_t range[2];
	int ret;

	pick_range(w, block_bytes, &range[0], &range[1]);
	if (how == 0)
		ret = ioctl(direct_fd, BLKDISCARD, range);
	else if (how == 1)
		ret = ioctl(direct_fd, BLKZEROOUT, range);
	else
		ret = fallocate(direct_fd, FALLOC_FL_KEEP_SIZE |
				(how == 2 ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE),
				range[0], range[1]);
	if (ret)
		die(how == 0 ? "discard" : how == 1 ? "zero-out" : "fallocate", range[0], range[1]);
	memset(reference + range[0], 0, range[1]);
}

static void read_direct(struct worker *w)
{
	uint8_t *buf = w->area + rnd(&w->state) % 8 * 512;
	struct iovec iov[MAX_PIECES];
	uint64_t at, bytes;
	int pieces;

	pick_range(w, block_bytes, &at, &bytes);
	pieces = cut(w, buf, bytes, iov);
	if (preadv(direct_fd, iov, pieces, at) != (ssize_t)bytes)
		die("direct read", at, bytes);
	compare(buf, at, bytes, "direct");
}

static void read_buffered(struct worker *w)
{
	uint64_t at, bytes;

	pick_range(w, 1, &at, &bytes);
	posix_fadvise(buffered_fd, at, bytes, POSIX_FADV_DONTNEED);
	if (pread(buffered_fd, w->area, bytes, at) != (ssize_t)bytes)
		die("buffered read", at, bytes);
	compare(w->area, at, bytes, "buffered");
}

static void *run_thread(void *arg)
{
	struct worker *w = arg;
	uint64_t i;

	for (i = 0; i < count; i++) {
		switch (rnd(&w->state) % 16) {
		case 0 ... 5:
			write_direct(w);
			break;
		case 6 ... 7:
			write_buffered(w);
			break;
		case 8 ... 10:
			make_zero(w, rnd(&w->state) % 4);
			break;
		case 11:
			if (fdatasync(buffered_fd))
				die("flush", 0, 0);
			break;
		case 12 ... 14:
			read_direct(w);
			break;
		default:
			read_buffered(w);
		}
	}
	return NULL;
}

static void start(struct worker *w, uint32_t index, void *(*body)(void *))
{
	w->index = index;
	w->state = seed * 1000003 + index;
	if (posix_memalign((void **)&w->area, 4096, MAX_BYTES + 4096) ||
	    pthread_create(&w->thread, NULL, body, w)) {
		fprintf(stderr, "no memory\n");
		exit(2);
	}
}

static void do_run(void)
{
	static struct worker worker[MAX_THREADS];
	uint64_t zone = device_bytes / threads / 4096 * 4096;
	uint32_t i;

	for (i = 0; i < threads; i++) {
		worker[i].zone_start = i * zone;
		worker[i].zone_bytes = i == threads - 1 ? device_bytes - i * zone : zone;
		start(&worker[i], i, run_thread);
	}
	for (i = 0; i < threads; i++)
		pthread_join(worker[i].thread, NULL);
	if (fdatasync(buffered_fd))
		die("flush", 0, 0);
}

/* ------------------------------------------------------------------- overlap */

static void *overlap_thread(void *arg)
{
	struct worker *w = arg;
	uint64_t range[2], i;
	uint8_t *buf;

	for (i = 0; i < count; i++) {
		range[1] = pick_bytes(w, block_bytes, 262144);
		range[0] = rnd(&w->state) % ((262144 - range[1]) / block_bytes + 1) * block_bytes;
		switch (rnd(&w->state) % 8) {
		case 0:
			if (ioctl(direct_fd, BLKDISCARD, range))
				die("discard", range[0], range[1]);
			break;
		case 1:
			if (ioctl(direct_fd, BLKZEROOUT, range))
				die("zero-out", range[0], range[1]);
			break;
		default:
			buf = w->area + rnd(&w->state) % 8 * 512;
			fill(w, buf, range[1]);
			if (pwrite(direct_fd, buf, range[1], range[0]) != (ssize_t)range[1])
				die("write", range[0], range[1]);
		}
	}
	return NULL;
}

static void do_overlap(void)
{
	static struct worker worker[MAX_THREADS];
	uint32_t i;

	for (i = 0; i < threads; i++)
		start(&worker[i], i, overlap_thread);
	for (i = 0; i < threads; i++)
		pthread_join(worker[i].thread, NULL);
}

/* ---------------------------------------------------------------------- race */

static _Atomic uint64_t issued[SLOTS], completed[SLOTS];
static atomic_int writers_left;

static void *race_writer(void *arg)
{
	struct worker *w = arg;
	uint64_t i, j, version;
	uint32_t slot;

	for (i = 0; i < count; i++) {
		slot = rnd(&w->state) % (SLOTS / threads) * threads + w->index;
		version = issued[slot] + 1;
		for (j = 0; j < SLOT_BYTES; j += 8)
			memcpy(w->area + j, &(uint64_t){ version << 16 | slot }, 8);
		issued[slot] = version;
		if (pwrite(direct_fd, w->area, SLOT_BYTES, slot * SLOT_BYTES) != SLOT_BYTES)
			die("write", slot * SLOT_BYTES, SLOT_BYTES);
		completed[slot] = version;
	}
	writers_left--;
	return NULL;
}

static void check_slot(const uint8_t *buf, uint32_t slot, uint64_t least, uint64_t most)
{
	uint64_t word, i;

	for (i = 0; i < SLOT_BYTES; i += 8) {
		memcpy(&word, buf + i, 8);
		if (word && (word & 0xffff) != slot) {
			printf("slot %u holds what was written to slot %u\n", slot, (unsigned)(word & 0xffff));
			exit(1);
		}
		if (word >> 16 < least || word >> 16 > most) {
			printf("slot %u byte %u: version %llu, expected %llu to %llu\n", slot, (unsigned)i,
			       (unsigned long long)word >> 16, (unsigned long long)least,
			       (unsigned long long)most);
			exit(1);
		}
	}
}

static void *race_reader(void *arg)
{
	struct worker *w = arg;
	uint64_t least[SLOTS];
	uint32_t first, slots, i;

	while (writers_left) {
		slots = 1 + rnd(&w->state) % SLOTS;
		first = rnd(&w->state) % (SLOTS - slots + 1);
		for (i = 0; i < slots; i++)
			least[i] = completed[first + i];
		if (pread(direct_fd, w->area + 512, slots * SLOT_BYTES, first * SLOT_BYTES) !=
		    slots * SLOT_BYTES)
			die("read", first * SLOT_BYTES, slots * SLOT_BYTES);
		for (i = 0; i < slots; i++)
			check_slot(w->area + 512 + i * SLOT_BYTES, first + i, least[i], issued[first + i]);
	}
	return NULL;
}

static void do_race(uint32_t readers)
{
	static struct worker worker[2 * MAX_THREADS];
	uint32_t i;

	writers_left = threads;
	for (i = 0; i < threads + readers; i++)
		start(&worker[i], i, i < threads ? race_writer : race_reader);
	for (i = 0; i < threads + readers; i++)
		pthread_join(worker[i].thread, NULL);
}

/* -------------------------------------------------------------------- verify */

static void do_verify(uint64_t chunk)
{
	uint64_t at, bytes;
	uint8_t *buf;

	if (posix_memalign((void **)&buf, 4096, chunk))
		exit(2);
	for (at = 0; at < device_bytes; at += bytes) {
		bytes = device_bytes - at < chunk ? device_bytes - at : chunk;
		if (pread(direct_fd, buf, bytes, at) != (ssize_t)bytes)
			die("read", at, bytes);
		compare(buf, at, bytes, "verify");
	}
}

/* ---------------------------------------------------------------------- main */

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*end || !*text) {
		fprintf(stderr, "'%s' is no number\n", text);
		exit(2);
	}
	return value;
}

static void open_device(const char *path, int mode)
{
	device = path;
	direct_fd = open(path, mode | O_DIRECT);
	buffered_fd = open(path, mode);
	if (direct_fd < 0 || buffered_fd < 0 || ioctl(direct_fd, BLKGETSIZE64, &device_bytes))
		die("open", 0, 0);
}

static void open_reference(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, device_bytes))
		die("reference", 0, 0);
	reference = mmap(NULL, device_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (reference == MAP_FAILED)
		die("reference", 0, 0);
}

static void set_threads(const char *text)
{
	threads = number(text);
	if (threads < 1 || threads > MAX_THREADS) {
		fprintf(stderr, "1 to %d threads\n", MAX_THREADS);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 8 && !strcmp(argv[1], "run")) {
		seed = number(argv[2]);
		count = number(argv[3]);
		set_threads(argv[4]);
		block_bytes = number(argv[5]);
		open_device(argv[6], O_RDWR);
		open_reference(argv[7]);
		do_run();
	} else if (argc == 5 && !strcmp(argv[1], "verify")) {
		open_device(argv[3], O_RDONLY);
		open_reference(argv[4]);
		do_verify(number(argv[2]));
	} else if (argc == 7 && !strcmp(argv[1], "race")) {
		seed = number(argv[2]);
		count = number(argv[3]);
		set_threads(argv[4]);
		open_device(argv[6], O_RDWR);
		do_race(number(argv[5]));
	} else if (argc == 7 && !strcmp(argv[1], "overlap")) {
		seed = number(argv[2]);
		count = number(argv[3]);
		set_threads(argv[4]);
		block_bytes = number(argv[5]);
		open_device(argv[6], O_RDWR);
		do_overlap();
	} else {
		fprintf(stderr, "usage: shapes run SEED COUNT THREADS BLOCK_BYTES DEVICE REFERENCE\n"
			"       shapes verify CHUNK_BYTES DEVICE REFERENCE\n"
			"       shapes race SEED COUNT WRITERS READERS DEVICE\n"
			"       shapes overlap SEED COUNT THREADS BLOCK_BYTES DEVICE\n");
		return 2;
	}
	return 0;
}
