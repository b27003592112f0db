/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel had to say. device-mapper gives the reason of a refused table
 * line to the kernel's log only, so it is fetched from there.
 */
#ifndef LVRCTL_KMSG_H
#define LVRCTL_KMSG_H

struct kmsg {
	int fd;			/* -1: not to be read */
};

void kmsg_mark(struct kmsg *kmsg);
/* say all lines since the mark that contain a word; NULL: none. Ends the use of kmsg */
void kmsg_tell(struct kmsg *kmsg, const char *word);

#endif
