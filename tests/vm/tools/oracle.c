// SPDX-License-Identifier: GPL-2.0-only
/*
 * The prefix oracle: a writer whose every block says what must be there with
 * it, and a checker that believes nothing else.
 *
 *   oracle write SEED DEPTH FLUSH_EVERY BLOCK_BYTES BLOCKS DEVICE...
 *   oracle check SEED PROMISED BLOCK_BYTES BLOCKS DEVICE...
 *
 * Writes are numbered from 1. Where write n goes is a function of (seed, n),
 * so the checker knows the order of the writes to each block. A stamp holds
 * (seed, n, volume, block, done): `done` is the greatest number such that
 * all writes up to it had completed when this one was issued. The whole
 * block is filled from the stamp, so that a torn block is seen.
 *
 * The writer runs until it is killed or a write fails; it prints
 *   done N      all writes up to N have completed
 *   flushed N   all writes up to N had completed before a flush that ended on every device
 * With ORACLE_NOTES=DEVICE each `flushed` is also written to that device, its
 * first 8 bytes: who records all disks knows exactly when it was promised.
 * With ORACLE_PER_SECOND=N it starts N writes a second at most, as bursts of a
 * tenth of a second: DEPTH of them are still under way at once.
 *
 * The checker reads every block of every device. Let C be the greatest
 * `done` of all stamps found. A copy is the state after a prefix only if
 * every block holds at least the last write to it with a number <= C, across
 * all devices. With PROMISED, likewise for every write up to PROMISED.
 * It prints "prefix N C", N the greatest number found; exit 1 if violated.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAGIC		0x4f7261636c652121ull
#define MAX_DEPTH	64
#define WINDOW		4096	/* numbers under way at once are within this of each other */

struct stamp {
	uint64_t magic;
	uint64_t seed;
	uint64_t n;
	uint64_t done;
	uint32_t volume;
	uint32_t block;
	uint64_t sum;
};

static uint64_t seed;
static uint32_t block_bytes, blocks;
static int devices, fd[16];

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* a place: volume * blocks + block */
static uint64_t place_of(uint64_t n)
{
	uint64_t r = mix(seed * 0x9e3779b97f4a7c15ull + n);
	uint32_t volume = (r >> 40) % devices;

	/* half of the writes go to a few blocks, so that overwriting is common */
	return (uint64_t)volume * blocks + (r & 1 ? (r >> 1) % (blocks / 16 + 1) : (r >> 1) % blocks);
}

static uint64_t sum_of(const struct stamp *s)
{
	return mix(s->seed ^ mix(s->n ^ mix(s->done ^ mix(((uint64_t)s->volume << 32) | s->block))));
}

static void fill(void *buf, struct stamp s)
{
	uint64_t *words = buf;
	uint32_t i;

	s.magic = MAGIC;
	s.sum = sum_of(&s);
	for (i = 0; i < block_bytes / 8; i++)
		words[i] = mix(s.sum + i);
	memcpy(buf, &s, sizeof(s));
}

/* 0: never written; 1: a stamp; -1: neither */
static int parse(const void *buf, struct stamp *s)
{
	static uint8_t zero[4096], expect[65536];
	uint32_t i;

	for (i = 0; i < block_bytes && !memcmp((const uint8_t *)buf + i, zero, 512); i += 512)
		;
	if (i >= block_bytes)
		return 0;
	memcpy(s, buf, sizeof(*s));
	if (s->magic != MAGIC || s->seed != seed || s->sum != sum_of(s))
		return -1;
	fill(expect, *s);
	return memcmp(buf, expect, block_bytes) ? -1 : 1;
}

/* ------------------------------------------------------------------- writing */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t next_n = 1, done_n, printed_n;
static uint8_t ended[WINDOW];
static uint64_t busy[MAX_DEPTH];
static uint64_t flush_every, noted_n;
static int notes_fd = -1;
static int failed;
static uint64_t burst, burst_left;	/* writes; 0: as many as there can be */
static struct timespec next_burst;

/*
 * Takes a write from the burst, or waits for the next one; called under the lock, so that the others
 * wait as well. A burst is never earlier than 100 ms after the last: a delay is not made up for.
 */
static void pace(void)
{
	struct timespec now;

	if (!burst)
		return;
	if (!burst_left) {
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next_burst, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		next_burst = now;
		next_burst.tv_nsec += 100000000;
		next_burst.tv_sec += next_burst.tv_nsec / 1000000000;
		next_burst.tv_nsec %= 1000000000;
		burst_left = burst;
	}
	burst_left--;
}

static int place_busy(uint64_t place)
{
	int i;

	for (i = 0; i < MAX_DEPTH; i++)
		if (busy[i] == place + 1)
			return 1;
	return 0;
}

static void print_line(const char *what, uint64_t n)
{
	char line[64];
	int bytes = snprintf(line, sizeof(line), "%s %llu\n", what, (unsigned long long)n);

	if (write(1, line, bytes) != bytes)
		exit(2);
}

/* a promise, where the disks' record shows it in its place; called under the lock */
static void note(uint64_t n)
{
	static uint8_t block[4096] __attribute__((aligned(4096)));

	if (notes_fd < 0)
		return;
	memcpy(block, &n, sizeof(n));
	if (pwrite(notes_fd, block, sizeof(block), 0) != sizeof(block))
		exit(2);
}

static void flush_all(void)
{
	uint64_t covered;
	int i;

	pthread_mutex_lock(&lock);
	covered = done_n;
	pthread_mutex_unlock(&lock);
	for (i = 0; i < devices; i++) {
		if (fdatasync(fd[i])) {
			fprintf(stderr, "flush: %s\n", strerror(errno));
			failed = 1;
			return;
		}
	}
	pthread_mutex_lock(&lock);
	if (covered > noted_n) {
		noted_n = covered;
		note(covered);
	}
	print_line("flushed", covered);
	pthread_mutex_unlock(&lock);
}

static void *writer(void *arg)
{
	uint64_t *mine = arg, n, place;
	struct stamp s = { .seed = seed };
	void *buf;

	if (posix_memalign(&buf, 4096, block_bytes))
		exit(2);
	while (!failed) {
		pthread_mutex_lock(&lock);
		n = next_n;
		place = place_of(n);
		/* two writes to a block are never under way together: their order would be open */
		while (!failed && (place_busy(place) || n > done_n + WINDOW - 1)) {
			pthread_cond_wait(&changed, &lock);
			n = next_n;
			place = place_of(n);
		}
		pace();
		next_n = n + 1;
		*mine = place + 1;
		s.n = n;
		s.done = done_n;
		pthread_mutex_unlock(&lock);
		s.volume = place / blocks;
		s.block = place % blocks;
		fill(buf, s);
		if (!failed && pwrite(fd[s.volume], buf, block_bytes, (off_t)s.block * block_bytes) !=
		    (ssize_t)block_bytes) {
			fprintf(stderr, "write %llu: %s\n", (unsigned long long)n, strerror(errno));
			failed = 1;
		}
		pthread_mutex_lock(&lock);
		*mine = 0;
		if (!failed)
			ended[n % WINDOW] = 1;
		while (ended[(done_n + 1) % WINDOW]) {
			done_n++;
			ended[done_n % WINDOW] = 0;
		}
		if (done_n > printed_n) {
			printed_n = done_n;
			print_line("done", done_n);
		}
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		if (flush_every && !(n % flush_every) && !failed)
			flush_all();
	}
	free(buf);
	return NULL;
}

static int do_write(int depth)
{
	pthread_t thread[MAX_DEPTH];
	int i;

	for (i = 0; i < depth; i++)
		if (pthread_create(&thread[i], NULL, writer, &busy[i]))
			return 2;
	for (i = 0; i < depth; i++)
		pthread_join(thread[i], NULL);
	return 1;
}

/* ------------------------------------------------------------------ checking */

static uint64_t *found;		/* number of the stamp at each place */

static int violated(uint64_t up_to, const char *what)
{
	uint64_t n, place, bad = 0;

	for (n = 1; n <= up_to; n++) {
		place = place_of(n);
		if (found[place] >= n)
			continue;
		if (bad++ < 5)
			printf("violation: write %llu (volume %llu block %llu) is %s, found %llu\n",
			       (unsigned long long)n, (unsigned long long)(place / blocks),
			       (unsigned long long)(place % blocks), what,
			       (unsigned long long)found[place]);
	}
	return bad > 0;
}

static int do_check(uint64_t promised)
{
	uint64_t greatest = 0, must = 0, i;
	struct stamp s;
	int bad = 0;
	void *buf;

	found = calloc((size_t)devices * blocks, sizeof(*found));
	if (!found || posix_memalign(&buf, 4096, block_bytes))
		return 2;
	for (i = 0; i < (uint64_t)devices * blocks; i++) {
		if (pread(fd[i / blocks], buf, block_bytes, (off_t)(i % blocks) * block_bytes) !=
		    (ssize_t)block_bytes) {
			printf("violation: cannot read volume %llu block %llu: %s\n",
			       (unsigned long long)(i / blocks), (unsigned long long)(i % blocks),
			       strerror(errno));
			return 1;
		}
		switch (parse(buf, &s)) {
		case 0:
			continue;
		case 1:
			if (s.volume == i / blocks && s.block == i % blocks && place_of(s.n) == i)
				break;
			/* fall through */
		default:
			printf("violation: volume %llu block %llu holds no stamp of its own\n",
			       (unsigned long long)(i / blocks), (unsigned long long)(i % blocks));
			bad = 1;
			continue;
		}
		found[i] = s.n;
		greatest = s.n > greatest ? s.n : greatest;
		must = s.done > must ? s.done : must;
	}
	bad |= violated(must, "implied by another");
	bad |= violated(promised, "promised");
	printf("prefix %llu %llu\n", (unsigned long long)greatest, (unsigned long long)must);
	return bad;
}

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

int main(int argc, char **argv)
{
	int writing = argc > 1 && !strcmp(argv[1], "write"), first = writing ? 7 : 6, i;

	if (argc <= first || argc - first > 16 || (!writing && strcmp(argv[1], "check"))) {
		fprintf(stderr, "usage: oracle write SEED DEPTH FLUSH_EVERY BLOCK_BYTES BLOCKS DEVICE...\n"
			"       oracle check SEED PROMISED BLOCK_BYTES BLOCKS DEVICE...\n");
		return 2;
	}
	seed = number(argv[2]);
	block_bytes = number(argv[first - 2]);
	blocks = number(argv[first - 1]);
	devices = argc - first;
	for (i = 0; i < devices; i++) {
		fd[i] = open(argv[first + i], (writing ? O_RDWR : O_RDONLY) | O_DIRECT);
		if (fd[i] < 0) {
			fprintf(stderr, "%s: %s\n", argv[first + i], strerror(errno));
			return 2;
		}
	}
	if (!writing)
		return do_check(number(argv[3]));
	flush_every = number(argv[4]);
	if (getenv("ORACLE_PER_SECOND"))
		burst = burst_left = (number(getenv("ORACLE_PER_SECOND")) + 9) / 10;
	if (getenv("ORACLE_NOTES")) {
		notes_fd = open(getenv("ORACLE_NOTES"), O_WRONLY | O_DIRECT);
		if (notes_fd < 0) {
			fprintf(stderr, "%s: %s\n", getenv("ORACLE_NOTES"), strerror(errno));
			return 2;
		}
	}
	if (number(argv[3]) < 1 || number(argv[3]) > MAX_DEPTH)
		return 2;
	return do_write(number(argv[3]));
}
