/* SPDX-License-Identifier: GPL-2.0-only */
/* What the meddler's parts share: one way of a connection, and the frames on it. */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "frames.h"

/* one way of one connection; a thread of its own */
struct way {
	int from, to;
	bool there;
	int seen;		/* frames of the type that is waited for */
	uint8_t *said;		/* all of it, for a replay */
	size_t said_bytes;
	uint64_t random;
	int until;		/* frames to the next mischief */
	struct lvr_wire_frame *held;	/* comes behind the next one */
};

static const char *const type_names[] = {
#define X(sym, num, name, max) [num] = name,
	LVR_FRAME_TYPES(X)
#undef X
};

#define TYPES (int)(sizeof(type_names) / sizeof(type_names[0]))

static inline bool receive(int fd, void *to, size_t bytes)
{
	return !bytes || recv(fd, to, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

static inline bool say(int fd, const void *data, size_t bytes)
{
	const uint8_t *p = data;
	ssize_t now;

	for (; bytes; bytes -= now, p += now) {
		now = send(fd, p, bytes, MSG_NOSIGNAL);
		if (now <= 0)
			return false;
	}
	return true;
}

static inline const char *type_name(const struct lvr_wire_frame *f)
{
	return f->type < TYPES && type_names[f->type] ? type_names[f->type] : "?";
}

static inline void invert(struct lvr_wire_frame *f, uint32_t at, bool forge)
{
	uint8_t *payload = (uint8_t *)(f + 1);
	uint32_t summed = f->payload_bytes;

	if (at >= f->payload_bytes)
		return;
	payload[at] ^= 0xff;
	if (!forge)
		return;
	if (f->type == LVR_FRAME_CHUNK)	/* head_bytes of the chunk */
		memcpy(&summed, payload + 8, sizeof(summed));
	f->payload_crc = crc32c(payload, summed < f->payload_bytes ? summed : f->payload_bytes);
	frame_seal(f);
}

#endif
