// SPDX-License-Identifier: GPL-2.0-only
/* connect and disconnect: the link to the peer. */
#include <stdlib.h>
#include "exit.h"
#include "group.h"
#include "say.h"
#include "verb.h"

/* this copy may be overwritten: say what goes with it */
static int discard(const char *name)
{
	struct status st;
	char orphans[STATUS_ORPHANS_BYTES];
	int ret;

	ret = group_status(name, &st);
	if (!ret)
		ret = group_message(name, "discard");
	if (ret)	/* busy is a primary here, not a device in use */
		return ret == EXIT_BUSY ? EXIT_STATE : ret;
	if (status_split(&st))
		say("group %s: given up: all that was written here and that %s lacks", name, status_peer(&st));
	if (st.number[STATUS_orphan_records])
		say("group %s: given up: %s, that were written here after the peer took over", name,
		    status_orphans(&st, orphans));
	say("group %s: a full synchronisation may overwrite this node's volumes", name);
	return 0;
}

/* the key may be another than at the start */
static int renew_key(const char *name)
{
	struct conf *conf;
	int ret;

	if (!conf_exists(name))
		return 0;
	ret = conf_load(name, &conf);
	if (ret)
		return ret;
	ret = group_send_key(conf);
	free(conf);
	return ret;
}

/**
 * verb_connect - let the link connect
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: connect GROUP [--discard]
 *
 * Return: exit code.
 */
int verb_connect(const struct verb *verb, int argc, char **argv)
{
	static bool give_up;
	static const struct option_def options[] = {
		{ "discard", OPTION_FLAG, &give_up, NULL,
		  "let a full synchronisation overwrite this node's volumes" },
	};
	struct dm_dev group;
	const char *name;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &name, 1, 1);
	if (!ret)
		ret = group_lock_started(name, &group);
	if (!ret)
		ret = renew_key(name);
	if (!ret && give_up)
		ret = discard(name);
	return ret ? ret : group_message(name, "connect");
}

/**
 * verb_disconnect - end the link until connect
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: disconnect GROUP
 *
 * Return: exit code.
 */
int verb_disconnect(const struct verb *verb, int argc, char **argv)
{
	struct dm_dev group;
	const char *name;
	int ret;

	ret = args_parse(verb, argc, argv, NULL, 0, &name, 1, 1);
	if (!ret)
		ret = group_lock_started(name, &group);
	return ret ? ret : group_message(name, "disconnect");
}
