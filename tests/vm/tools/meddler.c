// SPDX-License-Identifier: GPL-2.0-only
/*
 * A meddler between two nodes: relays their connections frame by frame, and
 * does to one frame of each what it is told. Both ends are the real ones, so
 * whatever a peer that holds the key could say can be said.
 *
 *   meddler PORT ADDRESS PORT [WAY FRAME NTH WHAT]
 *   meddler PORT ADDRESS PORT random SEED
 *
 * Accepts on the first port and connects to the address. WAY is `there` (from
 * who connected) or `back`; FRAME a type of lvr/wire.h, or `done`: an ack that
 * says that a full synchronisation is complete; NTH counts from 1. WHAT:
 *
 *   lost      it is left out
 *   twice     it comes twice
 *   cut       half of it comes, then the end
 *   stall     neither it nor anything behind it on this way comes
 *   huge      its header claims 4 GiB - 1
 *   id        it is of another connection
 *   flip N    a byte of its payload is inverted; negative: from the end
 *   forge N   the same, and the crc of its frame is right
 *   end       it does not come: both connections end, and the meddler does
 *   replay    it comes; all that was said this way until then is said again to
 *             the address, in a connection of its own
 *   flood     from it on pings as fast as they go come this way, and nothing else
 *   deaf      likewise ten pings a second, and nothing of the other way is read
 *
 * Prints a line each time it has done so; of a replay, the frames that were
 * answered until the other side closed; of a flood, every FLOOD_REPORT frames.
 *
 * With `random`, each way of each connection is damaged again and again after
 * some frames, in one of the ways of mischief(), all drawn from SEED and the
 * number of the connection. Prints `connection` for each and `hostile KIND
 * FRAME` each time. What a peer with the key is believed is left alone: the
 * positions in headers, and the content of states, lookups, verdicts and acks.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mischief.h"

#define FRAME_MAX_BYTES	(LVR_FRAME_BYTES + LVR_CHUNK_MAX_HEAD_BYTES + LVR_CHUNK_MAX_PAYLOAD_BYTES)
#define SAID_MAX_BYTES	(4u << 20)
#define FLOOD_REPORT	1000

static struct sockaddr_in target;
static bool meddles, meddle_there, meddle_done, random_mode;
static volatile bool deaf;
static uint64_t seed;
static int meddle_type, meddle_nth, meddle_at;
static const char *what = "";

static void die(const char *text)
{
	perror(text);
	exit(2);
}

static bool is(const char *word)
{
	return !strcmp(what, word);
}

static int reach(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&target, sizeof(target))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static bool is_the_one(struct way *w, const struct lvr_wire_frame *f)
{
	const struct lvr_wire_ack *ack = (const void *)(f + 1);

	if (!meddles || w->there != meddle_there || f->type != meddle_type ||
	    (meddle_done && !(ack->flags & LVR_ACK_F_SYNC_DONE)))
		return false;
	return ++w->seen == meddle_nth;
}

/* pings in place of all that should come this way, until the other end is gone */
static void flood(struct way *w, struct lvr_wire_frame f, useconds_t pause_us)
{
	unsigned long said = 0;

	f.type = LVR_FRAME_PING;
	f.flags = 0;
	f.payload_bytes = 0;
	f.payload_crc = ~0u;
	for (;; f.serial++) {
		frame_seal(&f);
		if (!say(w->to, &f, sizeof(f)))
			return;
		if (++said % FLOOD_REPORT == 0) {
			printf("flood %lu\n", said);
			fflush(stdout);
		}
		usleep(pause_us);
	}
}

static void replay(const struct way *w)
{
	struct lvr_wire_frame f;
	uint8_t byte;
	uint32_t i;
	int fd = reach();

	printf("replayed:");
	if (fd < 0)
		printf(" not-taken");
	else
		say(fd, w->said, w->said_bytes);	/* it may be closed before the end */
	while (fd >= 0 && receive(fd, &f, sizeof(f))) {
		printf(" %s", type_name(&f));
		for (i = 0; i < f.payload_bytes && receive(fd, &byte, 1); i++)
			;
	}
	printf(" closed\n");
	close(fd);
}

/* false: the connection ends */
static bool meddle(struct way *w, struct lvr_wire_frame *f, size_t bytes)
{
	bool goes_on = true;

	if (is("replay")) {
		goes_on = say(w->to, f, bytes);
		replay(w);
		fflush(stdout);
		return goes_on;
	}
	if (is("twice")) {
		goes_on = say(w->to, f, bytes) && say(w->to, f, bytes);
	} else if (is("cut")) {
		say(w->to, f, bytes / 2);
		goes_on = false;
	} else if (is("huge")) {
		f->payload_bytes = ~0u;
		frame_seal(f);
		goes_on = say(w->to, f, bytes);
	} else if (is("id")) {
		f->conn_id ^= 1;
		frame_seal(f);
		goes_on = say(w->to, f, bytes);
	} else if (is("flip") || is("forge")) {
		invert(f, meddle_at < 0 ? f->payload_bytes + meddle_at : (uint32_t)meddle_at, is("forge"));
		goes_on = say(w->to, f, bytes);
	}
	printf("%s %s %d\n", what, type_names[f->type], meddle_nth);
	fflush(stdout);
	if (is("end"))
		exit(0);
	if (is("flood") || is("deaf")) {
		deaf = is("deaf");
		flood(w, *f, deaf ? 100000 : 0);
		return false;
	}
	while (is("stall"))
		pause();
	return goes_on;
}

/* a frame as it comes, or what random mischief makes of it */
static bool pass(struct way *w, struct lvr_wire_frame *f, size_t bytes)
{
	struct lvr_wire_frame *held = w->held;
	bool goes_on;

	if (!random_mode || --w->until)
		goes_on = say(w->to, f, bytes);
	else
		goes_on = mischief(w, f, bytes);
	if (random_mode && !w->until)
		w->until = 1 + draw(w, UNTIL_MOST);
	if (held) {
		goes_on = goes_on && say(w->to, held, sizeof(*held) + held->payload_bytes);
		if (w->held == held)	/* else this one is held in its place */
			w->held = NULL;
		free(held);
	}
	return goes_on;
}

static void remember(struct way *w, const void *data, size_t bytes)
{
	if (!is("replay") || w->there != meddle_there || w->said_bytes + bytes > SAID_MAX_BYTES)
		return;
	memcpy(w->said + w->said_bytes, data, bytes);
	w->said_bytes += bytes;
}

static void *relay(void *data)
{
	struct lvr_wire_frame *f = malloc(FRAME_MAX_BYTES);
	struct way *w = data;
	size_t bytes;

	w->said = is("replay") ? malloc(SAID_MAX_BYTES) : NULL;
	while (receive(w->from, f, sizeof(*f))) {
		bytes = sizeof(*f) + f->payload_bytes;
		if (bytes > FRAME_MAX_BYTES || !receive(w->from, f + 1, f->payload_bytes))
			break;
		remember(w, f, bytes);
		if (!(is_the_one(w, f) ? meddle(w, f, bytes) : pass(w, f, bytes)))
			break;
		while (deaf)
			pause();
	}
	shutdown(w->to, SHUT_RDWR);
	shutdown(w->from, SHUT_RDWR);
	free(w->held);
	free(w->said);
	free(f);
	return NULL;
}

static void *serve(void *data)
{
	int from = (int)(intptr_t)data, to = reach(), on = 1;
	struct way there = { .from = from, .to = to, .there = true };
	struct way back = { .from = to, .to = from };
	pthread_t thread;

	if (random_mode) {
		mischief_begin(&there, seed);
		mischief_begin(&back, seed);
		printf("connection\n");
		fflush(stdout);
	}

	setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (to >= 0 && !pthread_create(&thread, NULL, relay, &back)) {
		relay(&there);
		pthread_join(thread, NULL);
	}
	close(from);
	close(to);
	return NULL;
}

static void parse(char **argv)
{
	int i;

	meddles = true;
	meddle_there = !strcmp(argv[0], "there");
	meddle_done = !strcmp(argv[1], "done");
	for (i = 0; i < TYPES; i++)
		if (type_names[i] && !strcmp(meddle_done ? "ack" : argv[1], type_names[i]))
			meddle_type = i;
	meddle_nth = atoi(argv[2]);
	what = strtok(argv[3], " ");
	meddle_at = atoi(strtok(NULL, " ") ?: "0");
	if (!meddle_type || meddle_nth < 1) {
		fprintf(stderr, "meddler: no such frame\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int listener, fd, on = 1;
	pthread_t thread;

	random_mode = argc == 6 && !strcmp(argv[4], "random");
	if (argc != 4 && argc != 8 && !random_mode) {
		fprintf(stderr, "usage: meddler PORT ADDRESS PORT [WAY FRAME NTH WHAT | random SEED]\n");
		return 2;
	}
	if (random_mode)
		seed = strtoull(argv[5], NULL, 0);
	at.sin_port = htons(atoi(argv[1]));
	target = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argv[3])) };
	if (inet_pton(AF_INET, argv[2], &target.sin_addr) != 1)
		die("address");
	if (argc == 8)
		parse(argv + 4);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 16))
		die("listen");
	printf("ready\n");
	fflush(stdout);
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) || pthread_detach(thread))
			die("thread");
	die("accept");
}
