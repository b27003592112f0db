// SPDX-License-Identifier: GPL-2.0-only
/* wait: until a group is as it should be. */
#include "core/sm.h"
#include "exit.h"
#include "group.h"
#include "say.h"
#include "verb.h"

/* all that are given must hold at once */
struct wanted {
	const char *state, *role, *link;
	bool in_sync, consistent, acked, applied, destaged;
	char told[512];		/* why the link was refused when last looked at */
};

static bool reached(const struct status *st, enum status_field field)
{
	return st->text[field] && st->number[field] >= st->number[STATUS_head];
}

/* what only somebody else can change, who has to hear of it */
static void tell_refusal(struct wanted *w, const struct status *st)
{
	const char *reason = status_link(st) == LVR_LINK_REFUSED ? status_text(st, STATUS_link_reason) : "";

	if (!strncmp(w->told, reason, sizeof(w->told) - 1))
		return;
	snprintf(w->told, sizeof(w->told), "%s", reason);
	progress_end();
	if (*reason)
		say("group %s: still waiting, the link is refused: %s", status_text(st, STATUS_group), reason);
}

static int holds(const struct status *st, void *arg)
{
	struct wanted *w = arg;
	bool all = (!w->state || status_is(st, STATUS_state, w->state)) &&
		   (!w->role || status_is(st, STATUS_role, w->role)) &&
		   (!w->link || status_is(st, STATUS_link, w->link)) &&
		   (!w->in_sync || st->number[STATUS_in_sync]) &&
		   (!w->consistent || st->number[STATUS_consistent]) &&
		   (!w->acked || reached(st, STATUS_acked)) &&
		   (!w->applied || reached(st, STATUS_applied)) &&
		   (!w->destaged || reached(st, STATUS_destaged));

	if (all)
		return 0;
	if (status_state(st) == LVR_GROUP_FAILED)
		return say_error(EXIT_DEVICE, "group %s: the log failed: %s", status_text(st, STATUS_group),
				 status_text(st, STATUS_reason));
	tell_refusal(w, st);
	return WAIT_ON;
}

static int check_word(const char *option, const char *word, const char *(*name)(u8), u8 count)
{
	char all[256] = "";
	u8 i;

	for (i = 0; word && i < count; i++) {
		if (!strcmp(name(i), word))
			return 0;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), " %s", name(i));
	}
	return word ? say_error(EXIT_USAGE, "--%s: found \"%s\", expected one of%s", option, word, all) : 0;
}

static int check_wanted(const struct wanted *w)
{
	int ret;

	ret = check_word("state", w->state, lvr_group_state_name, LVR_GROUP_STATE_COUNT);
	if (!ret)
		ret = check_word("role", w->role, lvr_role_name, LVR_ROLE_COUNT);
	if (!ret)
		ret = check_word("link", w->link, lvr_link_state_name, LVR_LINK_STATE_COUNT);
	if (!ret && !w->state && !w->role && !w->link && !w->in_sync && !w->consistent &&
	    !w->acked && !w->applied && !w->destaged)
		ret = say_error(EXIT_USAGE, "nothing to wait for is given");
	return ret;
}

/**
 * verb_wait - wait until a group is as it should be
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: wait GROUP conditions [--timeout S]
 *
 * Return: exit code.
 */
int verb_wait(const struct verb *verb, int argc, char **argv)
{
	static u64 timeout_ms = WAIT_FOREVER;
	static struct wanted w;
	static const struct option_def options[] = {
		{ "state", OPTION_TEXT, &w.state, "STATE", "the group is in this state" },
		{ "role", OPTION_TEXT, &w.role, "ROLE", "primary or secondary" },
		{ "link", OPTION_TEXT, &w.link, "STATE", "the link is in this state" },
		{ "in-sync", OPTION_FLAG, &w.in_sync, NULL,
		  "every acknowledged write is durable at the peer" },
		{ "consistent", OPTION_FLAG, &w.consistent, NULL, "the volumes are consistent" },
		{ "acked", OPTION_FLAG, &w.acked, NULL, "the peer holds all records durably" },
		{ "applied", OPTION_FLAG, &w.applied, NULL, "the peer has all records on its volumes" },
		{ "destaged", OPTION_FLAG, &w.destaged, NULL,
		  "this node has all records on its volumes" },
		{ "timeout", OPTION_SECONDS, &timeout_ms, "SECONDS", "no longer than this" },
	};
	struct dm_dev group;
	struct status st;
	const char *name;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &name, 1, 1);
	if (!ret)
		ret = check_wanted(&w);
	if (!ret)
		ret = group_need_started(name, &group);
	return ret ? ret : group_wait(name, timeout_ms, holds, &w, &st);
}
