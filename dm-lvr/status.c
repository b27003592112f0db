// SPDX-License-Identifier: GPL-2.0-only
/*
 * The status line of a group: the fields of LVR_STATUS_FIELDS, in order, as
 * key=value. One function a field, so that a field without a value does not
 * compile.
 */
#include "lvr.h"

/* coherent enough copies of everything that the fields show */
struct shot {
	struct lvr_group *g;
	struct lvr_pos head, written, durable, destaged, checkpoint, tail;
	u64 incarnation, gen, data_seq;
	struct lvr_mark acked_mark;
	bool acked_marked;
	bool waits_for_peer, alone;
	struct lvr_link_status link;
	u64 flags, orphan_first, orphan_records, orphan_bytes;
	char *buf;
	u32 bytes;
	u32 used;
};

__printf(2, 3)
static void put(struct shot *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	s->used += vscnprintf(s->buf + s->used, s->bytes - s->used, fmt, args);
	va_end(args);
}

static void put_words(struct shot *s, const char *text)
{
	char words[128];
	char *at;

	strscpy(words, text[0] ? text : "-", sizeof(words));
	for (at = words; *at; at++)
		if (*at == ' ' || *at == '\n' || *at == '\t')
			*at = '_';
	put(s, "%s", words);
}

static void put_or_none(struct shot *s, u64 value)
{
	if (value == ~0ull)
		put(s, "-");
	else
		put(s, "%llu", value);
}

static u64 lag_records(const struct shot *s)
{
	return s->g->link ? s->head.seq - min(s->head.seq, s->link.acked_seq) : 0;
}

static u64 lag_bytes(const struct shot *s)
{
	if (!lag_records(s))
		return 0;
	return s->head.off - (s->acked_marked ? s->acked_mark.off : s->tail.off);
}

static u64 lag_ms(const struct shot *s)
{
	u64 now = ktime_get_real_ns() / NSEC_PER_MSEC;

	if (!lag_records(s) || !s->acked_marked || s->acked_mark.time_ms > now)
		return 0;
	return now - s->acked_mark.time_ms;
}

#define FIELD(name, ...) \
	static void field_##name(struct shot *s) { __VA_ARGS__; }

FIELD(group,		put(s, "%s", s->g->name))
FIELD(role,		put(s, "%s", lvr_role_name(READ_ONCE(s->g->role))))
FIELD(state,		put(s, "%s", lvr_group_state_name(READ_ONCE(s->g->state))))

/* while writers wait: for what and for whom */
static void field_reason(struct shot *s)
{
	struct lvr_group *g = s->g;
	char text[64];

	if (s->waits_for_peer && s->link.state != LVR_LINK_STREAMING) {
		snprintf(text, sizeof(text), "writers wait for peer %s", lvr_group_peer(g)->name);
		put_words(s, text);
		return;
	}
	if (READ_ONCE(g->state) != LVR_GROUP_ACTIVE || !READ_ONCE(g->deferred_count) ||
	    lvr_ring_has_room(&g->log.ring, s->tail.off, s->head.off, LVR_CHUNK_MAX_PAYLOAD_BYTES,
			      LVR_LOG_RESERVE_BYTES)) {
		put_words(s, g->reason);
		return;
	}
	if (s->tail.off < s->checkpoint.off && lvr_group_has_peer(g))
		snprintf(text, sizeof(text), "log full, writers wait for peer %s", lvr_group_peer(g)->name);
	else
		snprintf(text, sizeof(text), "log full, writers wait for the volumes");
	put_words(s, text);
}

FIELD(consistent,	put(s, "%d", !(s->flags & LVR_SUPER_F_INCONSISTENT)))
FIELD(generation,	put(s, "%llx", s->gen))
FIELD(incarnation,	put(s, "%llu", s->incarnation))
FIELD(head,		put(s, "%llu", s->head.seq))
FIELD(written,		put(s, "%llu", s->written.seq))
FIELD(durable,		put(s, "%llu", s->durable.seq))
FIELD(destaged,		put(s, "%llu", s->destaged.seq))
FIELD(checkpoint,	put(s, "%llu", s->checkpoint.seq))
FIELD(tail,		put(s, "%llu", s->tail.seq))
FIELD(data,		put(s, "%llu", s->data_seq))
FIELD(chain,		put(s, "%llx", s->head.chain))
FIELD(handover,		put_or_none(s, lvr_role_handover(s->g)))
FIELD(ring_bytes,	put(s, "%llu", s->g->log.ring.bytes))
FIELD(used_bytes,	put(s, "%llu", s->head.off - s->tail.off))
FIELD(stage_bytes,	put(s, "%llu", (u64)s->g->stage.pages << PAGE_SHIFT))
FIELD(stage_used_bytes,	put(s, "%llu", (u64)(s->g->stage.pages - READ_ONCE(s->g->stage.free_pages)) \
			    << PAGE_SHIFT))
FIELD(deferred,		put(s, "%u", READ_ONCE(s->g->deferred_count)))
FIELD(volumes,		put(s, "%u/%u", READ_ONCE(s->g->attached), s->g->volumes))

static void field_peer(struct shot *s)
{
	if (lvr_group_has_peer(s->g))
		put(s, "%u:%s", s->g->opts.peer, lvr_group_peer(s->g)->name);
	else
		put(s, "-");
}

FIELD(link,		put(s, "%s", s->g->link ? lvr_link_state_name(s->link.state) : "-"))
FIELD(link_reason,	put_words(s, s->link.reason))
FIELD(direction,	put(s, "%s", lvr_direction_name(s->link.direction)))
FIELD(mode,		put(s, "%s", s->g->opts.sync ? "sync" : "async"))
FIELD(in_sync,		put(s, "%d", s->link.in_sync))
FIELD(alone,		put(s, "%d", s->alone))
FIELD(sent,		put(s, "%llu", s->link.sent_seq))
FIELD(acked,		put(s, "%llu", s->link.acked_seq))
FIELD(applied,		put(s, "%llu", s->link.applied_seq))
FIELD(lag_records,	put(s, "%llu", lag_records(s)))
FIELD(lag_bytes,	put(s, "%llu", lag_bytes(s)))
FIELD(lag_ms,		put(s, "%llu", lag_ms(s)))
FIELD(peer_head,	put(s, "%llu", s->link.peer_head_seq))
FIELD(peer_durable,	put(s, "%llu", s->link.peer_durable_seq))
FIELD(seen_ms,		put_or_none(s, s->link.seen_ms))
FIELD(sync_done_sect,	put(s, "%llu", s->link.sync_done_sect))
FIELD(sync_total_sect,	put(s, "%llu", s->link.sync_total_sect))
FIELD(orphan_first,	put_or_none(s, s->orphan_records ? s->orphan_first : ~0ull))
FIELD(orphan_records,	put(s, "%llu", s->orphan_records))
FIELD(orphan_bytes,	put(s, "%llu", s->orphan_bytes))

#define X(name) FIELD(name, put(s, "%llu", (u64)atomic64_read(&s->g->counter[LVR_CTR_##name])))
LVR_COUNTERS(X)
#undef X

static void take_shot(struct shot *s, struct lvr_group *g)
{
	struct lvr_log *log = &g->log;

	s->g = g;
	if (g->link) {
		lvr_link_status(g, &s->link);
	} else {
		s->link.seen_ms = ~0ull;
	}
	spin_lock_irq(&log->lock);
	s->head = log->head;
	s->written = log->written;
	s->durable = log->durable;
	s->destaged = log->destaged;
	s->checkpoint = log->checkpoint;
	s->tail = log->tail;
	s->incarnation = log->incarnation;
	s->data_seq = log->data_seq;
	s->gen = log->gen ?: log->head.gen;
	s->waits_for_peer = log->gate && log->unacked && log->written.seq > log->peer_durable_seq;
	s->acked_marked = lvr_seqmap_find(log->marks, s->link.acked_seq, &s->acked_mark);
	spin_unlock_irq(&log->lock);
	/* read without super_mutex: status must not wait for a superblock write */
	s->alone = !lvr_group_has_peer(g) || lvr_role_alone(g);
	s->flags = READ_ONCE(g->sb->flags);
	s->orphan_first = READ_ONCE(g->sb->orphan_first_seq);
	s->orphan_records = READ_ONCE(g->sb->orphan_end_seq) - READ_ONCE(g->sb->orphan_first_seq);
	s->orphan_bytes = READ_ONCE(g->sb->orphan_bytes);
}

/**
 * lvr_status_info() - the status line
 * @g: the group
 * @result: for it
 * @bytes: room
 *
 * Context: process.
 */
void lvr_status_info(struct lvr_group *g, char *result, u32 bytes)
{
	struct shot *s = kzalloc(sizeof(*s), GFP_NOIO);

	if (!s) {
		strscpy(result, "out_of_memory", bytes);
		return;
	}
	s->buf = result;
	s->bytes = bytes;
	take_shot(s, g);
#define X(name, doc) put(s, "%s" #name "=", s->used ? " " : ""); field_##name(s);
	LVR_STATUS_FIELDS(X)
#undef X
	kfree(s);
}
