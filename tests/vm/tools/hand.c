// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hands a command a socket as its file descriptor 3, and is then that command.
 *
 *   hand KIND ADDRESS PORT COMMAND...
 *
 *   connect  a TCP connection to the address
 *   accept   the first TCP connection to it
 *   idle     a TCP socket that is not connected
 *   listen   one that listens
 *   udp      a datagram socket, connected
 *   unix     one of a pair of local stream sockets
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FD	3

static const char *kind;

static int is(const char *word)
{
	return !strcmp(kind, word);
}

static int make(const struct sockaddr *at, socklen_t bytes)
{
	int fd = socket(AF_INET, is("udp") ? SOCK_DGRAM : SOCK_STREAM, 0), on = 1, pair[2];

	if (is("unix"))
		return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ? -1 : pair[0];
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (is("connect") || is("udp"))
		return connect(fd, at, bytes) ? -1 : fd;
	if (is("accept") || is("listen")) {
		if (bind(fd, at, bytes) || listen(fd, 1))
			return -1;
		return is("accept") ? accept(fd, NULL, NULL) : fd;
	}
	return is("idle") ? fd : -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd;

	if (argc < 5 || inet_pton(AF_INET, argv[2], &at.sin_addr) != 1) {
		fprintf(stderr, "usage: hand KIND ADDRESS PORT COMMAND...\n");
		return 2;
	}
	kind = argv[1];
	at.sin_port = htons(atoi(argv[3]));
	fd = make((struct sockaddr *)&at, sizeof(at));
	if (fd < 0 || (fd != FD && dup2(fd, FD) < 0)) {
		perror(kind);
		return 2;
	}
	execvp(argv[4], argv + 4);
	perror(argv[4]);
	return 2;
}
