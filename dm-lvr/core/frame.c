// SPDX-License-Identifier: GPL-2.0-only
/*
 * Codec of the header that every message has.
 *
 * It is checked before a byte of the payload is read: the payload's length is
 * bounded by the type, before authentication also by the one small buffer
 * there is. conn_id and serial make sure that nothing of an older connection,
 * nothing repeated and nothing left out is taken.
 */
#include "frame.h"
#include "codec.h"

struct frame_type {
	const char *name;
	u32 max_bytes;
};

static const struct frame_type frame_types[] = {
#define X(sym, num, name, max) [num] = { name, max },
	LVR_FRAME_TYPES(X)
#undef X
};

static const struct frame_type *frame_type(u16 type)
{
	if (type >= ARRAY_SIZE(frame_types) || !frame_types[type].name)
		return NULL;
	return &frame_types[type];
}

/**
 * lvr_frame_type_name - name of a frame's type
 * @type: enum lvr_frame_type, may be unknown
 *
 * Any context, does not sleep. Return: a constant string, "?" if unknown.
 */
const char *lvr_frame_type_name(u16 type)
{
	const struct frame_type *t = frame_type(type);

	return t ? t->name : "?";
}

/**
 * lvr_frame_encode - write a frame's header
 * @to: where, wholly overwritten
 * @from: what
 *
 * Any context, does not sleep.
 */
void lvr_frame_encode(struct lvr_wire_frame *to, const struct lvr_frame *from)
{
	memset(to, 0, sizeof(*to));
	to->magic = cpu_to_le32(LVR_FRAME_MAGIC);
	to->type = cpu_to_le16(from->type);
	to->flags = cpu_to_le16(from->flags);
	to->conn_id = cpu_to_le64(from->conn_id);
	to->serial = cpu_to_le64(from->serial);
	to->durable_seq = cpu_to_le64(from->durable_seq);
	to->head_seq = cpu_to_le64(from->head_seq);
	to->time_ms = cpu_to_le64(from->time_ms);
	to->payload_bytes = cpu_to_le32(from->payload_bytes);
	to->payload_crc = cpu_to_le32(from->payload_crc);
	to->head_crc = cpu_to_le32(lvr_crc_around(to, sizeof(*to),
						  offsetof(struct lvr_wire_frame, head_crc)));
}

static int check_frame(const struct lvr_frame *f, u32 max_payload_bytes, struct lvr_err *err)
{
	const struct frame_type *t = frame_type(f->type);
	u16 known = f->type == LVR_FRAME_CHUNK ? LVR_FRAME_F_URGENT : 0;

	if (!t) {
		lvr_err_set(err, "frame of type %u, not known here", f->type);
		return -EINVAL;
	}
	if (f->flags & ~known) {
		lvr_err_set(err, "%s frame with flags %#x, known are %#x", t->name, f->flags,
			    known);
		return -EINVAL;
	}
	if (f->payload_bytes > min(t->max_bytes, max_payload_bytes)) {
		lvr_err_set(err, "%s frame of %u bytes, at most %u", t->name, f->payload_bytes,
			    min(t->max_bytes, max_payload_bytes));
		return -EINVAL;
	}
	return 0;
}

/**
 * lvr_frame_decode - read and check a frame's header
 * @to: is filled
 * @from: LVR_FRAME_BYTES, aligned to 8
 * @conn_id: of this connection, 0 before authentication
 * @serial: of the next frame from the peer
 * @max_payload_bytes: what there is room for
 * @err: reason, may be NULL
 *
 * The payload's crc is for the caller to compare. Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_frame_decode(struct lvr_frame *to, const void *from, u64 conn_id, u64 serial,
		     u32 max_payload_bytes, struct lvr_err *err)
{
	const struct lvr_wire_frame *w = from;
	u32 magic = le32_to_cpu(w->magic);
	u32 crc;
	int ret;

	if (magic != LVR_FRAME_MAGIC) {
		lvr_err_set(err, "frame magic is %08x, not %08x", magic, LVR_FRAME_MAGIC);
		return -EINVAL;
	}
	crc = lvr_crc_around(w, sizeof(*w), offsetof(struct lvr_wire_frame, head_crc));
	if (crc != le32_to_cpu(w->head_crc)) {
		lvr_err_set(err, "frame header has crc %08x, says %08x", crc,
			    le32_to_cpu(w->head_crc));
		return -EINVAL;
	}
	to->type = le16_to_cpu(w->type);
	to->flags = le16_to_cpu(w->flags);
	to->conn_id = le64_to_cpu(w->conn_id);
	to->serial = le64_to_cpu(w->serial);
	to->durable_seq = le64_to_cpu(w->durable_seq);
	to->head_seq = le64_to_cpu(w->head_seq);
	to->time_ms = le64_to_cpu(w->time_ms);
	to->payload_bytes = le32_to_cpu(w->payload_bytes);
	to->payload_crc = le32_to_cpu(w->payload_crc);

	if (to->conn_id != conn_id) {
		lvr_err_set(err, "frame of connection %016llx, this is %016llx", to->conn_id,
			    conn_id);
		return -EINVAL;
	}
	if (to->serial != serial) {
		lvr_err_set(err, "frame %llu of the connection, expected %llu", to->serial,
			    serial);
		return -EINVAL;
	}
	ret = lvr_check_reserved("frame", !w->reserved, err);
	return ret ? ret : check_frame(to, max_payload_bytes, err);
}
