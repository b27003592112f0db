// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strangers at the listener's door.
 *
 *   strangers KIND ADDRESS PORT SOURCE CONNECTIONS ROUNDS GROUP
 *
 * Opens so many connections at once from SOURCE, does to each what KIND says,
 * closes them, and does so again, ROUNDS times; 0: until it is killed.
 *
 *   silent   says nothing and waits until it is closed
 *   slow     sends a good header a byte at a time
 *   garbage  sends random bytes
 *   huge     a frame whose header claims 4 GiB - 1
 *   zeroes   a mebibyte of zeroes
 *   hello    a well-formed hello for GROUP, then nothing
 *   mac      the same, then a wrong proof
 *   other    a hello for a group that is not there
 *   late     frames that only an authenticated peer may send
 *
 * Prints how many connections could say their word, and how many of all were
 * closed by the other side in the end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frames.h"

#define MAX_CONNECTIONS 2048
#define CONNECT_MS	5000
#define CLOSED_MS	8000	/* longer than a stranger's time at the door */

static const char *kind, *group;
static uint64_t made, closed;

static void make_frame(struct lvr_wire_frame *f, uint16_t type, uint64_t serial, const void *payload,
		       uint32_t bytes)
{
	*f = (struct lvr_wire_frame){ .magic = LVR_FRAME_MAGIC, .type = type, .serial = serial,
				      .payload_bytes = bytes };
	f->payload_crc = payload ? crc32c(payload, bytes) : ~0u;
	frame_seal(f);
}

static void say(int fd, const void *data, size_t bytes)
{
	(void)!send(fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say_hello(int fd, const char *to)
{
	struct lvr_wire_hello hello = { .proto_min = LVR_PROTO_MIN, .proto_max = LVR_PROTO_MAX,
					.member = 0, .peer_member = 1, .auth = 1 };
	struct lvr_wire_frame f;

	strncpy(hello.group, to, sizeof(hello.group) - 1);
	strcpy(hello.name, "alpha");
	(void)!getrandom(hello.nonce, sizeof(hello.nonce), 0);
	make_frame(&f, LVR_FRAME_HELLO, 0, &hello, sizeof(hello));
	say(fd, &f, sizeof(f));
	say(fd, &hello, sizeof(hello));
}

static void speak(int fd)
{
	uint8_t buf[4096];
	struct lvr_wire_frame f;
	size_t i;

	(void)!getrandom(buf, sizeof(buf), 0);
	if (!strcmp(kind, "garbage")) {
		say(fd, buf, sizeof(buf));
	} else if (!strcmp(kind, "huge")) {
		make_frame(&f, LVR_FRAME_HELLO, 0, NULL, ~0u);
		say(fd, &f, sizeof(f));
	} else if (!strcmp(kind, "zeroes")) {
		memset(buf, 0, sizeof(buf));
		for (i = 0; i < 256; i++)
			say(fd, buf, sizeof(buf));
	} else if (!strcmp(kind, "slow")) {
		make_frame(&f, LVR_FRAME_HELLO, 0, NULL, sizeof(struct lvr_wire_hello));
		for (i = 0; i < 16; i++)
			say(fd, (uint8_t *)&f + i, 1);
	} else if (!strcmp(kind, "hello") || !strcmp(kind, "mac")) {
		say_hello(fd, group);
		if (!strcmp(kind, "mac")) {
			make_frame(&f, LVR_FRAME_AUTH, 1, buf, LVR_MAC_BYTES);
			say(fd, &f, sizeof(f));
			say(fd, buf, LVR_MAC_BYTES);
		}
	} else if (!strcmp(kind, "other")) {
		say_hello(fd, "not-a-group");
	} else if (!strcmp(kind, "late")) {
		for (i = LVR_FRAME_STATE; i <= LVR_FRAME_BYE; i++) {
			make_frame(&f, i, i - LVR_FRAME_STATE, buf, 32);
			say(fd, &f, sizeof(f));
			say(fd, buf, 32);
		}
	}
}

static int begin(const char *address, int port, const char *source)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, address, &to.sin_addr);
	inet_pton(AF_INET, source, &from.sin_addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)) {
		perror("connect");
		exit(2);
	}
	return fd;
}

static void one_round(const char *address, int port, const char *source, int connections)
{
	static struct pollfd at[MAX_CONNECTIONS];
	uint8_t buf[4096];
	int i, open = connections, wait_ms = CONNECT_MS;

	for (i = 0; i < connections; i++)
		at[i] = (struct pollfd){ .fd = begin(address, port, source), .events = POLLOUT };
	while (open && poll(at, connections, wait_ms) > 0) {
		for (i = 0; i < connections; i++) {
			if (!at[i].revents || at[i].fd < 0)
				continue;
			if (at[i].events == POLLOUT && !(at[i].revents & (POLLERR | POLLHUP))) {
				made++;
				speak(at[i].fd);
				at[i].events = POLLIN;
				continue;
			}
			if (recv(at[i].fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
				continue;
			closed++;
			close(at[i].fd);
			at[i].fd = -1;
			open--;
		}
		wait_ms = CLOSED_MS;
	}
	for (i = 0; i < connections; i++)
		if (at[i].fd >= 0)
			close(at[i].fd);
}

int main(int argc, char **argv)
{
	int connections, rounds;

	if (argc != 8) {
		fprintf(stderr, "usage: strangers KIND ADDRESS PORT SOURCE CONNECTIONS ROUNDS GROUP\n");
		return 2;
	}
	kind = argv[1];
	connections = atoi(argv[5]);
	rounds = atoi(argv[6]);
	group = argv[7];
	if (connections < 1 || connections > MAX_CONNECTIONS)
		return 2;
	do {
		one_round(argv[2], atoi(argv[3]), argv[4], connections);
		printf("%llu made, %llu closed\n", (unsigned long long)made, (unsigned long long)closed);
		fflush(stdout);
	} while (!rounds || --rounds);
	return 0;
}
