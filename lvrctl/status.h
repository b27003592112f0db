/* SPDX-License-Identifier: GPL-2.0-only */
/* The status line of lvr-log, read by key. The fields are those of lvr/names.h. */
#ifndef LVRCTL_STATUS_H
#define LVRCTL_STATUS_H

#include "core/port.h"
#include <lvr/names.h>

enum status_field {
#define X(name, doc) STATUS_##name,
	LVR_STATUS_FIELDS(X)
#undef X
	STATUS_COUNT
};

enum status_kind { STATUS_NUMBER, STATUS_FLAG, STATUS_TEXT };

struct status {
	char line[4096];		/* cut into values */
	const char *text[STATUS_COUNT];	/* NULL: "-", or a kernel that lacks the field */
	u64 number[STATUS_COUNT];	/* numbers and flags; 0 where text is NULL */
};

/* -EINVAL with what was found; unknown keys, of a newer kernel, are passed over */
int status_parse(struct status *st, const char *line, struct lvr_err *err);

const char *status_name(enum status_field field);
enum status_kind status_kind(enum status_field field);

/* "" where there is no value */
static inline const char *status_text(const struct status *st, enum status_field field)
{
	return st->text[field] ? st->text[field] : "";
}

static inline bool status_is(const struct status *st, enum status_field field, const char *value)
{
	return !strcmp(status_text(st, field), value);
}

/* the index in the vocabulary; ..._COUNT: a word that is not in it */
enum lvr_group_state status_state(const struct status *st);
enum lvr_link_state status_link(const struct status *st);

/* the volumes serve I/O here */
bool status_serves(const struct status *st);
/* there is an authenticated peer */
bool status_connected(const struct status *st);
/* name of the peer, behind its id; "-" none */
const char *status_peer(const struct status *st);
/* the handshake found writes on both sides that the other lacks */
bool status_split(const struct status *st);
/* the handshake refused, for this among others */
bool status_refused(const struct status *st, enum lvr_refusal refusal);
/* the last record hands over to the peer, whether or not the peer holds it yet */
bool status_hands_over(const struct status *st);

#define STATUS_ORPHANS_BYTES 128

/* "12 records, 88..99, 48 KiB"; their positions only if they are known */
char *status_orphans(const struct status *st, char to[STATUS_ORPHANS_BYTES]);

#endif
