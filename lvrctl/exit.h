/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How lvrctl ends. The one vocabulary from which the codes, the help text
 * and the test of the man page derive.
 *
 * Convention of all of lvrctl: a function that returns int and can fail has
 * said why on stderr and returns the code to exit with; 0 is success.
 */
#ifndef LVRCTL_EXIT_H
#define LVRCTL_EXIT_H

#define LVRCTL_EXITS(X)							\
	X(OK,		0,  "done")					\
	X(USAGE,	1,  "usage: an unknown or missing argument; nothing was done") \
	X(CONFIG,	2,  "the configuration or the key file is not valid") \
	X(NO_GROUP,	3,  "no such group")				\
	X(STATE,	4,  "refused in the present state")		\
	X(BUSY,		5,  "a device is in use")			\
	X(DEVICE,	6,  "a device, LVM, device-mapper or the log failed") \
	X(PEER,		7,  "the peer is not reachable")		\
	X(TIMEOUT,	8,  "not reached in time")			\
	X(SPLIT,	9,  "split brain: both nodes hold writes that the other lacks") \
	X(LOSS,		10, "done, but data may be lost")

enum lvrctl_exit {
#define X(sym, num, doc) EXIT_##sym = num,
	LVRCTL_EXITS(X)
#undef X
};

#endif
