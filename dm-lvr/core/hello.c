// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first message of each side: who it is and what it can do; and what both
 * make of the two hellos, the input of authentication and the connection's id.
 */
#include "hello.h"
#include "codec.h"
#include "super.h"

/**
 * lvr_hello_encode - write a hello
 * @to: where, wholly overwritten
 * @from: what
 *
 * Any context, does not sleep.
 */
void lvr_hello_encode(struct lvr_wire_hello *to, const struct lvr_hello *from)
{
	memset(to, 0, sizeof(*to));
	to->proto_min = cpu_to_le32(from->proto_min);
	to->proto_max = cpu_to_le32(from->proto_max);
	to->features = cpu_to_le64(from->features);
	to->required = cpu_to_le64(from->required);
	lvr_name_copy(to->group, from->group);
	lvr_name_copy(to->name, from->name);
	to->member = cpu_to_le32(from->member);
	to->peer_member = cpu_to_le32(from->peer_member);
	to->auth = cpu_to_le32(from->auth);
	memcpy(to->nonce, from->nonce, sizeof(to->nonce));
}

/**
 * lvr_hello_decode - read and bound a hello
 * @to: is filled
 * @from: the payload, aligned to 8
 * @bytes: its length
 * @err: reason, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_hello_decode(struct lvr_hello *to, const void *from, u32 bytes, struct lvr_err *err)
{
	const struct lvr_wire_hello *w = from;
	int ret;

	ret = lvr_check_bytes("hello", bytes, sizeof(*w), err);
	if (!ret)
		ret = lvr_check_reserved("hello", !w->reserved0 &&
					 lvr_is_zero(w->reserved, sizeof(w->reserved)), err);
	if (ret)
		return ret;

	to->proto_min = le32_to_cpu(w->proto_min);
	to->proto_max = le32_to_cpu(w->proto_max);
	to->features = le64_to_cpu(w->features);
	to->required = le64_to_cpu(w->required);
	memcpy(to->group, w->group, sizeof(to->group));
	memcpy(to->name, w->name, sizeof(to->name));
	to->member = le32_to_cpu(w->member);
	to->peer_member = le32_to_cpu(w->peer_member);
	to->auth = le32_to_cpu(w->auth);
	memcpy(to->nonce, w->nonce, sizeof(to->nonce));

	if (!lvr_name_field_ok(to->group) ||
	    !lvr_name_field_ok(to->name)) {
		lvr_err_set(err, "hello with a name that is none");
		return -EINVAL;
	}
	if (to->proto_min > to->proto_max) {
		lvr_err_set(err, "hello with protocols %u to %u", to->proto_min, to->proto_max);
		return -EINVAL;
	}
	if (to->member >= LVR_MAX_MEMBERS || to->peer_member >= LVR_MAX_MEMBERS) {
		lvr_err_set(err, "hello from member %u to member %u, ids end at %u", to->member,
			    to->peer_member, LVR_MAX_MEMBERS - 1);
		return -EINVAL;
	}
	if (to->auth > 1) {
		lvr_err_set(err, "hello with authentication %u, known are 0 and 1", to->auth);
		return -EINVAL;
	}
	if (to->required & ~to->features) {
		lvr_err_set(err, "hello requires features %#llx, offers %#llx", to->required,
			    to->features);
		return -EINVAL;
	}
	return 0;
}

/**
 * lvr_hello_check - whether two hellos fit
 * @mine: this node's
 * @theirs: the peer's, decoded
 * @err: everything that does not fit, may be NULL
 *
 * Any context, does not sleep.
 *
 * Return: 0, or -EINVAL.
 */
int lvr_hello_check(const struct lvr_hello *mine, const struct lvr_hello *theirs,
		    struct lvr_err *err)
{
	struct lvr_err all;
	u32 at = 0;

#define MISFIT(...) do {						\
	if (at)								\
		lvr_text_add(all.text, sizeof(all.text), &at, "; ");	\
	lvr_text_add(all.text, sizeof(all.text), &at, __VA_ARGS__);	\
} while (0)

	if (theirs->proto_max < mine->proto_min || theirs->proto_min > mine->proto_max)
		MISFIT("protocol %u-%u, here %u-%u", theirs->proto_min, theirs->proto_max,
		       mine->proto_min, mine->proto_max);
	if (theirs->required & ~mine->features)
		MISFIT("requires features %#llx, here are %#llx", theirs->required,
		       mine->features);
	if (mine->required & ~theirs->features)
		MISFIT("offers features %#llx, here %#llx are required", theirs->features,
		       mine->required);
	if (theirs->auth != mine->auth)
		MISFIT("auth %s, here %s", theirs->auth ? "psk" : "none",
		       mine->auth ? "psk" : "none");
	if (theirs->member != mine->peer_member || theirs->member == mine->member)
		MISFIT("member %u, expected %u", theirs->member, mine->peer_member);
	if (theirs->peer_member != mine->member)
		MISFIT("it expects member %u, here is %u", theirs->peer_member, mine->member);
	if (strncmp(theirs->group, mine->group, LVR_NAME_BYTES))
		MISFIT("group %.*s, here %.*s", LVR_NAME_BYTES, theirs->group, LVR_NAME_BYTES,
		       mine->group);
#undef MISFIT
	if (!at)
		return 0;
	lvr_err_set(err, "%s", all.text);
	return -EINVAL;
}

/**
 * lvr_auth_input - the bytes a side authenticates
 * @to: LVR_AUTH_INPUT_BYTES
 * @by_connector: whether the authenticating side is the one that connected, so
 *	that neither side's answer can be sent back to it as the other's
 * @connector: hello of the side that connected, as on the wire
 * @listener: hello of the other one
 *
 * Any context, does not sleep.
 */
void lvr_auth_input(u8 to[LVR_AUTH_INPUT_BYTES], bool by_connector,
		    const struct lvr_wire_hello *connector, const struct lvr_wire_hello *listener)
{
	static const char label[15] = "LVR auth 1";

	to[0] = by_connector ? 'C' : 'L';
	memcpy(to + 1, label, sizeof(label));
	memcpy(to + 16, connector, sizeof(*connector));
	memcpy(to + 16 + sizeof(*connector), listener, sizeof(*listener));
}

/**
 * lvr_conn_id - id of a connection
 * @connector: hello of the side that connected, as on the wire
 * @listener: hello of the other one
 *
 * Any context, does not sleep.
 *
 * Return: the id, never 0.
 */
u64 lvr_conn_id(const struct lvr_wire_hello *connector, const struct lvr_wire_hello *listener)
{
	u8 both[2 * LVR_NONCE_BYTES];
	u64 id;

	memcpy(both, connector->nonce, LVR_NONCE_BYTES);
	memcpy(both + LVR_NONCE_BYTES, listener->nonce, LVR_NONCE_BYTES);
	id = lvr_xxh64(both, sizeof(both), 0);
	return id ? id : 1;
}
