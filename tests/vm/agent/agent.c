// SPDX-License-Identifier: GPL-2.0
/*
 * The rig's agent: runs commands inside a guest for the host.
 *
 * It speaks frames over a virtio-serial port or a serial line, all integers little endian:
 *
 *	u32 length of the body   u8 type   u32 job   body
 *
 * The host numbers the jobs; any number may run at once. A command that leaves a daemon behind ends
 * when its shell ends: what the daemon writes later is not read.
 *
 *	agent <port name>	serve (as init or as a service)
 *	agent /dev/<tty>	the same on a line that loses what is sent before it is open: says FRAME_HELLO first
 *	agent --reseed		mix standard input into the kernel's random numbers at once
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum frame_type {
	/* host to guest */
	FRAME_HELLO = 1,	/* answered with the same */
	FRAME_RUN,		/* body: command line for /bin/sh */
	FRAME_INPUT,		/* body: standard input; empty closes it */
	FRAME_SIGNAL,		/* body: u8 signal, for the job's process group */
	/* guest to host */
	FRAME_OUT,
	FRAME_ERR,
	FRAME_EXIT,		/* body: u32 wait status */
};

#define HEADER_BYTES	9
#define BODY_BYTES_MAX	(1 << 20)
#define OUTPUT_BYTES	(64 << 10)

enum { STDIN, STDOUT, STDERR, PIPES };

struct job {
	struct job *next;
	uint32_t id;
	pid_t pid;
	int pipe[PIPES];	/* our ends, -1 once closed */
	char *input;		/* not yet taken by the command */
	size_t input_bytes;
	int input_ended;
};

static struct job *jobs;
static int port;
static sigset_t own_signals;

static uint32_t get_le32(const unsigned char *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le32(unsigned char *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = value >> (8 * i);
}

/* The port never blocks, so that a lost host is noticed; this waits for it to take the bytes. */
static void port_write(const void *data, size_t bytes)
{
	while (bytes) {
		ssize_t done = write(port, data, bytes);

		if (done < 0) {
			struct pollfd wait = { .fd = port, .events = POLLOUT };

			if (errno != EAGAIN && errno != EINTR)
				return;
			poll(&wait, 1, 100);
			continue;
		}
		data = (const char *)data + done;
		bytes -= done;
	}
}

static void send_frame(uint8_t type, uint32_t id, const void *body, uint32_t bytes)
{
	unsigned char header[HEADER_BYTES];

	put_le32(header, bytes);
	header[4] = type;
	put_le32(header + 5, id);
	port_write(header, sizeof(header));
	port_write(body, bytes);
}

static struct job *find_job(uint32_t id)
{
	struct job *job = jobs;

	while (job && job->id != id)
		job = job->next;
	return job;
}

static void close_pipe(struct job *job, int which)
{
	if (job->pipe[which] >= 0)
		close(job->pipe[which]);
	job->pipe[which] = -1;
}

static void run_command(uint32_t id, const unsigned char *command, size_t bytes)
{
	struct job *job = calloc(1, sizeof(*job));
	char *line = strndup((const char *)command, bytes);
	int pipes[PIPES][2];

	if (!job || !line)
		err(1, "run");
	for (int i = 0; i < PIPES; i++)
		if (pipe2(pipes[i], O_CLOEXEC))
			err(1, "pipe");
	job->id = id;
	job->pid = fork();
	if (job->pid < 0)
		err(1, "fork");
	if (!job->pid) {
		sigprocmask(SIG_UNBLOCK, &own_signals, NULL);
		signal(SIGPIPE, SIG_DFL);
		setpgid(0, 0);
		for (int i = 0; i < PIPES; i++)
			dup2(pipes[i][i != STDIN], i);
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(127);
	}
	setpgid(job->pid, job->pid);	/* the child may not have come to it */
	free(line);
	for (int i = 0; i < PIPES; i++) {
		close(pipes[i][i != STDIN]);
		job->pipe[i] = pipes[i][i == STDIN];
		fcntl(job->pipe[i], F_SETFL, O_NONBLOCK);
	}
	job->next = jobs;
	jobs = job;
}

static void queue_input(struct job *job, const unsigned char *data, size_t bytes)
{
	if (!bytes) {
		job->input_ended = 1;
		return;
	}
	job->input = realloc(job->input, job->input_bytes + bytes);
	if (!job->input)
		err(1, "input");
	memcpy(job->input + job->input_bytes, data, bytes);
	job->input_bytes += bytes;
}

static void feed_input(struct job *job)
{
	if (job->input_bytes) {
		ssize_t done = write(job->pipe[STDIN], job->input, job->input_bytes);

		if (done < 0) {
			if (errno != EAGAIN)
				close_pipe(job, STDIN);
			return;
		}
		job->input_bytes -= done;
		memmove(job->input, job->input + done, job->input_bytes);
	}
	if (!job->input_bytes && job->input_ended)
		close_pipe(job, STDIN);
}

/* Sends what a pipe holds now. Returns whether there may be more. */
static int send_output(struct job *job, int which)
{
	static char buffer[OUTPUT_BYTES];
	ssize_t bytes = read(job->pipe[which], buffer, sizeof(buffer));

	if (bytes > 0) {
		send_frame(which == STDOUT ? FRAME_OUT : FRAME_ERR, job->id, buffer, bytes);
		return 1;
	}
	if (bytes == 0 || errno != EAGAIN)
		close_pipe(job, which);
	return 0;
}

static void end_job(struct job *job, int status)
{
	unsigned char body[4];
	struct job **link = &jobs;

	for (int i = STDOUT; i <= STDERR; i++)
		while (job->pipe[i] >= 0 && send_output(job, i))
			;
	put_le32(body, status);
	send_frame(FRAME_EXIT, job->id, body, sizeof(body));

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	for (int i = 0; i < PIPES; i++)
		close_pipe(job, i);
	free(job->input);
	free(job);
}

static void reap_children(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct job *job = jobs;

		while (job && job->pid != pid)
			job = job->next;
		if (job)
			end_job(job, status);
	}
}

static void handle_frame(uint8_t type, uint32_t id, const unsigned char *body, uint32_t bytes)
{
	struct job *job = find_job(id);

	switch (type) {
	case FRAME_HELLO:
		send_frame(FRAME_HELLO, id, body, bytes);
		break;
	case FRAME_RUN:
		run_command(id, body, bytes);
		break;
	case FRAME_INPUT:
		if (job)
			queue_input(job, body, bytes);
		break;
	case FRAME_SIGNAL:
		if (job && bytes == 1)
			kill(-job->pid, body[0]);
		break;
	}
}

/* Reads what the host has sent and handles every whole frame. Returns 0 when the host is away. */
static int read_port(void)
{
	static unsigned char buffer[HEADER_BYTES + BODY_BYTES_MAX];
	static size_t filled;
	ssize_t got = read(port, buffer + filled, sizeof(buffer) - filled);
	size_t used = 0;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0) {
		filled = 0;
		return 0;
	}
	filled += got;
	while (filled - used >= HEADER_BYTES) {
		const unsigned char *frame = buffer + used;
		uint32_t bytes = get_le32(frame);

		if (bytes > BODY_BYTES_MAX)
			errx(1, "frame of %u bytes", bytes);
		if (filled - used < HEADER_BYTES + bytes)
			break;
		handle_frame(frame[4], get_le32(frame + 5), frame + HEADER_BYTES, bytes);
		used += HEADER_BYTES + bytes;
	}
	filled -= used;
	memmove(buffer, buffer + used, filled);
	return 1;
}

static void serve(int signals)
{
	for (;;) {
		struct pollfd polled[2 + 3 * 64];
		struct { struct job *job; int which; } source[2 + 3 * 64];
		nfds_t count = 0;

		polled[count++] = (struct pollfd){ .fd = port, .events = POLLIN };
		polled[count++] = (struct pollfd){ .fd = signals, .events = POLLIN };
		for (struct job *job = jobs; job; job = job->next) {
			for (int i = 0; i < PIPES; i++) {
				int idle = i == STDIN && !job->input_bytes && !job->input_ended;

				if (job->pipe[i] < 0 || idle || count == sizeof(polled) / sizeof(*polled))
					continue;
				source[count].job = job;
				source[count].which = i;
				polled[count++] = (struct pollfd){
					.fd = job->pipe[i],
					.events = i == STDIN ? POLLOUT : POLLIN,
				};
			}
		}
		if (poll(polled, count, -1) < 0 && errno != EINTR)
			err(1, "poll");
		for (nfds_t i = 2; i < count; i++) {
			if (!polled[i].revents)
				continue;
			if (source[i].which == STDIN)
				feed_input(source[i].job);
			else
				send_output(source[i].job, source[i].which);
		}
		/* jobs may go from here on */
		if (polled[1].revents) {
			struct signalfd_siginfo info;

			while (read(signals, &info, sizeof(info)) > 0)
				;
			reap_children();
		}
		if (polled[0].revents && !read_port())
			usleep(10000);
	}
}

/* Opens the virtio-serial port of that name; there may be no udev to name its device node. */
static int open_port(const char *wanted)
{
	static const char class[] = "/sys/class/virtio-ports";
	DIR *directory = opendir(class);
	struct dirent *entry;
	char path[512], name[64];

	while (directory && (entry = readdir(directory))) {
		FILE *file;
		int match;

		snprintf(path, sizeof(path), "%s/%s/name", class, entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		match = fscanf(file, "%63s", name) == 1 && !strcmp(name, wanted);
		fclose(file);
		if (match) {
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			closedir(directory);
			return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		}
	}
	errno = ENOENT;
	return -1;
}

/* Opens a serial line, and has it pass on each byte as it is. */
static int open_line(const char *path)
{
	int line = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct termios mode;

	if (line < 0 || tcgetattr(line, &mode))
		return -1;
	cfmakeraw(&mode);
	return tcsetattr(line, TCSAFLUSH, &mode) ? -1 : line;
}

static void reseed(void)
{
	struct {
		struct rand_pool_info info;
		unsigned char seed[64];
	} entropy;
	ssize_t bytes = read(STDIN_FILENO, entropy.seed, sizeof(entropy.seed));
	int random = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	if (bytes <= 0 || random < 0)
		err(1, "seed");
	entropy.info.entropy_count = bytes * 8;
	entropy.info.buf_size = bytes;
	if (ioctl(random, RNDADDENTROPY, &entropy) || ioctl(random, RNDRESEEDCRNG))
		err(1, "reseed");
}

int main(int argc, char **argv)
{
	int signals, line;

	if (argc != 2)
		errx(1, "usage: agent <port name> | /dev/<tty> | --reseed");
	if (!strcmp(argv[1], "--reseed")) {
		reseed();
		return 0;
	}
	line = argv[1][0] == '/';
	port = line ? open_line(argv[1]) : open_port(argv[1]);
	if (port < 0)
		err(1, "port %s", argv[1]);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&own_signals);
	sigaddset(&own_signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &own_signals, NULL);
	signals = signalfd(-1, &own_signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals < 0)
		err(1, "signalfd");
	if (line)
		send_frame(FRAME_HELLO, 0, NULL, 0);
	serve(signals);
}
