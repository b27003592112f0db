// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel had to say. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "kmsg.h"
#include "say.h"

/**
 * kmsg_mark - remember where the kernel's log ends now
 * @kmsg: for kmsg_tell()
 */
void kmsg_mark(struct kmsg *kmsg)
{
	kmsg->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg->fd >= 0)
		lseek(kmsg->fd, 0, SEEK_END);
}

/**
 * kmsg_tell - say what was logged since
 * @kmsg: from kmsg_mark()
 * @word: lines without it are left out; NULL leaves out all
 */
void kmsg_tell(struct kmsg *kmsg, const char *word)
{
	char record[1024], *text;
	ssize_t got;

	if (kmsg->fd < 0)
		return;
	/* one record a read: "prefix;text\n" and continuation lines */
	while (word &&
	       ((got = read(kmsg->fd, record, sizeof(record) - 1)) > 0 ||
	       (got < 0 && (errno == EPIPE || errno == EINTR)))) {
		if (got < 0)
			continue;
		record[got] = 0;
		text = strchr(record, ';');
		if (!text || !strstr(text, word))
			continue;
		text[strcspn(text, "\n")] = 0;
		say_error(0, "kernel: %s", text + 1);
	}
	close(kmsg->fd);
}
