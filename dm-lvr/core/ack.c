// SPDX-License-Identifier: GPL-2.0-only
/* Codec of what a target says of the chunks it got. */
#include "ack.h"
#include "codec.h"

/**
 * lvr_ack_encode - write an ack
 * @to: where, wholly overwritten
 * @from: what
 *
 * Any context, does not sleep.
 */
void lvr_ack_encode(struct lvr_wire_ack *to, const struct lvr_ack *from)
{
	memset(to, 0, sizeof(*to));
	to->durable_seq = cpu_to_le64(from->durable_seq);
	to->durable_chain = cpu_to_le64(from->durable_chain);
	to->applied_seq = cpu_to_le64(from->applied_seq);
	to->sync_no = cpu_to_le64(from->sync_no);
	to->sync_id = cpu_to_le64(from->sync_id);
	to->flags = cpu_to_le32(from->flags);
}

/**
 * lvr_ack_decode - read and bound an ack
 * @to: is filled
 * @from: the payload, aligned to 8
 * @bytes: its length
 * @err: reason, may be NULL
 *
 * That it acknowledges nothing that was not sent is for the caller to check.
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_ack_decode(struct lvr_ack *to, const void *from, u32 bytes, struct lvr_err *err)
{
	const struct lvr_wire_ack *w = from;
	int ret;

	ret = lvr_check_bytes("ack", bytes, sizeof(*w), err);
	if (!ret)
		ret = lvr_check_reserved("ack", !w->reserved0 &&
					 lvr_is_zero(w->reserved, sizeof(w->reserved)), err);
	if (ret)
		return ret;

	to->durable_seq = le64_to_cpu(w->durable_seq);
	to->durable_chain = le64_to_cpu(w->durable_chain);
	to->applied_seq = le64_to_cpu(w->applied_seq);
	to->sync_no = le64_to_cpu(w->sync_no);
	to->sync_id = le64_to_cpu(w->sync_id);
	to->flags = le32_to_cpu(w->flags);
	if (to->applied_seq > to->durable_seq) {
		lvr_err_set(err, "ack with applied %llu beyond durable %llu", to->applied_seq,
			    to->durable_seq);
		return -EINVAL;
	}
	if (to->flags & ~LVR_ACK_F_SYNC_DONE) {
		lvr_err_set(err, "ack with flags %#x, known are %#x", to->flags,
			    LVR_ACK_F_SYNC_DONE);
		return -EINVAL;
	}
	if (!to->sync_id && (to->sync_no || to->flags & LVR_ACK_F_SYNC_DONE)) {
		lvr_err_set(err, "ack of synchronisation chunk %llu, flags %#x, without its id",
			    to->sync_no, to->flags);
		return -EINVAL;
	}
	return 0;
}
