// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages to the group's device. Each is parsed whole before anything is
 * done. A refusal returns an error number; its words are in the kernel log
 * and in the answer to the message "reason".
 */
#include "lvr.h"

typedef int (*message_fn)(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err);

static int do_promote(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err)
{
	if (argc && strcmp(argv[0], "force")) {
		lvr_err_set(err, "promote takes nothing or 'force', found '%s'", argv[0]);
		return -EINVAL;
	}
	return lvr_role_promote(g, argc, err);
}

static int do_demote(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err)
{
	return lvr_role_demote(g, err);
}

static int need_peer(struct lvr_group *g, struct lvr_err *err)
{
	if (g->link)
		return 0;
	lvr_err_set(err, "group %s has no peer", g->name);
	return -ENOTCONN;
}

static int do_connect(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err)
{
	return need_peer(g, err) ?: lvr_link_connect(g, err);
}

static int do_disconnect(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err)
{
	return need_peer(g, err) ?: lvr_link_disconnect(g, err);
}

static int do_discard(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err)
{
	return lvr_role_discard(g, err);
}

static int do_set_key(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err)
{
	u8 key[LVR_KEY_MAX_BYTES];
	int bytes = lvr_hex_parse(argv[0], key, sizeof(key)), ret;

	if (bytes < LVR_KEY_MIN_BYTES) {
		lvr_err_set(err, "a key is %d to %d bytes in hex", LVR_KEY_MIN_BYTES, LVR_KEY_MAX_BYTES);
		ret = -EINVAL;
	} else {
		ret = need_peer(g, err) ?: lvr_link_set_key(g, key, bytes);
	}
	memzero_explicit(key, sizeof(key));
	memzero_explicit(argv[0], strlen(argv[0]));
	return ret;
}

static int do_socket(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err)
{
	u64 fd;

	if (lvr_u64_parse(argv[0], 0, S32_MAX, &fd)) {
		lvr_err_set(err, "file descriptor is '%s', expected a number", argv[0]);
		return -EINVAL;
	}
	return need_peer(g, err) ?: lvr_link_attach_fd(g, fd, err);
}

static const struct {
	message_fn fn;
	u32 least_args;
	u32 most_args;
} messages[LVR_MSG_COUNT] = {
	[LVR_MSG_PROMOTE]	= { do_promote, 0, 1 },
	[LVR_MSG_DEMOTE]	= { do_demote, 0, 0 },
	[LVR_MSG_CONNECT]	= { do_connect, 0, 0 },
	[LVR_MSG_DISCONNECT]	= { do_disconnect, 0, 0 },
	[LVR_MSG_DISCARD]	= { do_discard, 0, 0 },
	[LVR_MSG_SET_KEY]	= { do_set_key, 1, 1 },
	[LVR_MSG_SOCKET]	= { do_socket, 1, 1 },
	[LVR_MSG_REASON]	= { NULL, 0, 0 },	/* without arguments it never comes here */
};

static int dispatch(struct lvr_group *g, u32 argc, char **argv, struct lvr_err *err)
{
	int message = lvr_message_parse(argv[0]);

	if (message < 0) {
		lvr_err_set(err, "unknown message '%s'", argv[0]);
		return -EINVAL;
	}
	if (argc - 1 < messages[message].least_args || argc - 1 > messages[message].most_args) {
		lvr_err_set(err, "usage: %s", lvr_message_usage(message));
		return -EINVAL;
	}
	if (!g->worker) {
		lvr_err_set(err, "group %s has not been resumed yet", g->name);
		return -EAGAIN;
	}
	return messages[message].fn(g, argc - 1, argv + 1, err);
}

/**
 * lvr_message() - a message to the group
 * @g: the group
 * @argc: words
 * @argv: words
 * @result: answer
 * @bytes: room for it
 *
 * Context: process; may wait for local devices, never for a peer.
 * Return: 0, 1 when there is an answer, or -errno.
 */
int lvr_message(struct lvr_group *g, u32 argc, char **argv, char *result, u32 bytes)
{
	struct lvr_err err = {};
	int ret;

	if (argc == 1 && lvr_message_parse(argv[0]) == LVR_MSG_REASON) {
		mutex_lock(&g->mutex);
		strscpy(result, g->refusal[0] ? g->refusal : "-", bytes);
		mutex_unlock(&g->mutex);
		return 1;
	}
	ret = dispatch(g, argc, argv, &err);
	if (ret) {
		DMERR("lvr %s: %s refused: %s", g->name, argv[0], err.text);
		mutex_lock(&g->mutex);
		strscpy(g->refusal, err.text, sizeof(g->refusal));
		mutex_unlock(&g->mutex);
	}
	return ret;
}
