// SPDX-License-Identifier: GPL-2.0-only
/* Other programs, run without a shell. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "run.h"
#include "say.h"

/* what is collected from one stream of a child */
struct stream {
	int fd;			/* -1: at its end */
	char *text;
	size_t bytes;
};

static void stream_read(struct stream *s)
{
	char part[4096];
	ssize_t got;

	got = read(s->fd, part, sizeof(part));
	if (got < 0 && errno == EINTR)
		return;
	if (got <= 0) {
		close(s->fd);
		s->fd = -1;
		return;
	}
	s->text = said_alloc(realloc(s->text, s->bytes + got + 1));
	memcpy(s->text + s->bytes, part, got);
	s->bytes += got;
	s->text[s->bytes] = 0;
}

static void streams_collect(struct stream s[2])
{
	struct pollfd poll_fd[2];
	int i;

	while (s[0].fd >= 0 || s[1].fd >= 0) {
		for (i = 0; i < 2; i++)
			poll_fd[i] = (struct pollfd){ .fd = s[i].fd, .events = POLLIN };
		if (poll(poll_fd, 2, -1) < 0 && errno != EINTR)
			break;
		for (i = 0; i < 2; i++)
			if (s[i].fd >= 0 && poll_fd[i].revents)
				stream_read(&s[i]);
	}
}

static void child_exec(char *const argv[], int out_fd, int err_fd)
{
	int null_fd = open("/dev/null", O_RDWR);

	dup2(null_fd, 0);
	dup2(out_fd, 1);
	dup2(err_fd, 2);
	/* the words of other programs are read, so they must be in one language */
	setenv("LC_ALL", "C", 1);
	execvp(argv[0], argv);
	_exit(RUN_NOT_FOUND);
}

static int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return RUN_NOT_FOUND;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void stream_give(struct stream *s, char **to)
{
	if (to)
		*to = s->text ? s->text : said_alloc(strdup(""));
	else
		free(s->text);
}

/**
 * run_program - run a program and collect what it says
 * @argv: program, found by PATH, and its arguments, ended by NULL
 * @out: gets its stdout, or NULL
 * @err: gets its stderr, or NULL
 *
 * Return: exit status, RUN_NOT_FOUND if it could not be started.
 */
int run_program(char *const argv[], char **out, char **err)
{
	struct stream s[2] = { { .fd = -1 }, { .fd = -1 } };
	int out_pipe[2], err_pipe[2], status = RUN_NOT_FOUND;
	pid_t pid;

	if (pipe2(out_pipe, O_CLOEXEC))
		goto out_give;
	if (pipe2(err_pipe, O_CLOEXEC))
		goto out_close;

	fflush(NULL);
	pid = fork();
	if (!pid)
		child_exec(argv, out_pipe[1], err_pipe[1]);
	close(err_pipe[1]);
	close(out_pipe[1]);
	s[0].fd = out_pipe[0];
	s[1].fd = err_pipe[0];
	streams_collect(s);
	if (pid > 0)
		status = child_wait(pid);
	goto out_give;

out_close:
	close(out_pipe[0]);
	close(out_pipe[1]);
out_give:
	stream_give(&s[0], out);
	stream_give(&s[1], err);
	return status;
}
