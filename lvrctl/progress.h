/* SPDX-License-Identifier: GPL-2.0-only */
/* What takes long: how much is left, at what rate, for how long. */
#ifndef LVRCTL_PROGRESS_H
#define LVRCTL_PROGRESS_H

#include "status.h"

struct work {
	const char *name;	/* "synchronising"; NULL: nothing to do */
	u64 remaining;
	u64 total;		/* 0: unknown */
	bool records;		/* counted in records, not in bytes */
	bool at_most;		/* less may remain */
};

/* rate of one kind of work over the last seconds */
struct pace {
	const char *name;
	u64 at_ms;
	u64 remaining;
	double per_s;		/* 0: not known yet */
};

#define WORK_TEXT_BYTES 160

/* the work that a group has in hand */
struct work work_of(const struct status *st);
/* what is on its way although no state tells of it, for who waits for its end */
struct work lag_of(const struct status *st);
/* one more sample */
void pace_add(struct pace *pace, const struct work *work);
/* time left; false: unknown */
bool pace_left_ms(const struct pace *pace, const struct work *work, u64 *ms);
/* "synchronising 43 %, 12 MiB/s, 20 s left" */
char *work_text(char to[WORK_TEXT_BYTES], const struct work *work, const struct pace *pace);

/* show it on stderr: over and over on a terminal, now and then elsewhere */
void progress_show(const struct work *work, const struct pace *pace);
void progress_end(void);

#endif
