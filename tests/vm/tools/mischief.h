/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random damage to frames, drawn from a seed. Left alone is what a peer with the
 * key is believed: the positions in headers, and the content of states, lookups,
 * verdicts and acks.
 */
#ifndef MISCHIEF_H
#define MISCHIEF_H

#include <stdio.h>
#include <stdlib.h>

#include "relay.h"

#define UNTIL_MOST	16	/* frames until the next mischief */

static inline uint64_t draw(struct way *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (w->random >> 11) % below;
}

/* connections are numbered from 1, each way draws numbers of its own */
static inline void mischief_begin(struct way *w, uint64_t seed)
{
	static uint64_t ways;
	uint64_t n = __atomic_add_fetch(&ways, 1, __ATOMIC_RELAXED);

	w->random = (seed + 1) * 0x9e3779b97f4a7c15ull ^ n * 0xbf58476d1ce4e5b9ull;
	for (n = 0; n < 8; n++)		/* away from a poor start */
		draw(w, 2);
	w->until = 1 + draw(w, UNTIL_MOST);
}

static inline void scribble(struct way *w, void *to, size_t bytes)
{
	uint8_t *p = to;

	while (bytes--)
		*p++ = draw(w, 256);
}

/* a header that says something else, its crc right */
static inline void forge_header(struct way *w, struct lvr_wire_frame *f)
{
	static const uint32_t sizes[] = { 0, 1, LVR_CHUNK_MAX_PAYLOAD_BYTES, 1u << 31, ~0u };

	switch (draw(w, 7)) {
	case 0:
		f->type = draw(w, 2) ? (f->type + 1 + draw(w, TYPES - 1)) % TYPES : 0x100 + draw(w, 1000);
		break;
	case 1:
		f->flags |= 2u << draw(w, 15);
		break;
	case 2:
		f->conn_id ^= 1ull << draw(w, 64);
		break;
	case 3:
		f->serial += draw(w, 2) ? 1 + draw(w, 3) : -1 - draw(w, 3);
		break;
	case 4:
		f->payload_bytes += draw(w, 2) ? 1 : -1;
		break;
	case 5:
		f->payload_bytes = sizes[draw(w, sizeof(sizes) / sizeof(sizes[0]))];
		break;
	case 6:
		f->magic ^= 1u << draw(w, 32);
		break;
	}
	frame_seal(f);
}

/* a frame more in front of this one, with its number */
static inline bool insert(struct way *w, const struct lvr_wire_frame *f)
{
	struct {
		struct lvr_wire_frame head;
		uint8_t payload[128];
	} more = { .head = *f };

	more.head.type = 1 + draw(w, TYPES - 1);
	more.head.flags = 0;
	more.head.payload_bytes = more.head.type == LVR_FRAME_PING ? 0 : draw(w, sizeof(more.payload));
	scribble(w, more.payload, more.head.payload_bytes);
	more.head.payload_crc = crc32c(more.payload, more.head.payload_bytes);
	frame_seal(&more.head);
	return say(w->to, &more, sizeof(more.head) + more.head.payload_bytes);
}

static inline bool trickle(struct way *w, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	while (bytes--) {
		if (!say(w->to, p++, 1))
			return false;
	}
	return true;
}

static inline void hold(struct way *w, const struct lvr_wire_frame *f, size_t bytes)
{
	w->held = malloc(bytes);
	if (w->held)
		memcpy(w->held, f, bytes);
}

/* whose payload may be forged: who proves the key is believed the rest */
static inline bool forgeable(const struct lvr_wire_frame *f)
{
	return f->payload_bytes &&
	       (f->type == LVR_FRAME_HELLO || f->type == LVR_FRAME_AUTH || f->type == LVR_FRAME_CHUNK);
}

static inline bool mischief(struct way *w, struct lvr_wire_frame *f, size_t bytes)
{
	enum { FLIP, FORGE_HEADER, FORGE_PAYLOAD, TWICE, LOST, CUT, SWAP, INSERT, JUNK, TRICKLE, KINDS };
	static const char *const kinds[KINDS] = {
		[FLIP] = "flip", [FORGE_HEADER] = "forge-header", [FORGE_PAYLOAD] = "forge-payload",
		[TWICE] = "twice", [LOST] = "lost", [CUT] = "cut", [SWAP] = "swap",
		[INSERT] = "insert", [JUNK] = "junk", [TRICKLE] = "trickle",
	};
	int kind = draw(w, KINDS);
	uint8_t junk[200];

	if (kind == FORGE_PAYLOAD && !forgeable(f))
		kind = FORGE_HEADER;
	printf("hostile %s %s\n", kinds[kind], type_name(f));
	fflush(stdout);
	switch (kind) {
	case FLIP:
		((uint8_t *)f)[draw(w, bytes)] ^= 1 << draw(w, 8);
		break;
	case FORGE_HEADER:
		forge_header(w, f);
		break;
	case FORGE_PAYLOAD:
		invert(f, draw(w, f->payload_bytes), true);
		break;
	case TWICE:
		return say(w->to, f, bytes) && say(w->to, f, bytes);
	case LOST:
		return true;
	case CUT:
		say(w->to, f, draw(w, bytes));
		return false;
	case SWAP:
		hold(w, f, bytes);
		return true;
	case INSERT:
		return insert(w, f) && say(w->to, f, bytes);
	case JUNK:
		scribble(w, junk, sizeof(junk));
		return say(w->to, junk, 1 + draw(w, sizeof(junk))) && say(w->to, f, bytes);
	case TRICKLE:
		return trickle(w, f, bytes);
	}
	return say(w->to, f, bytes);
}

#endif
