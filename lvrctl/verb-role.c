// SPDX-License-Identifier: GPL-2.0-only
/* promote, failover, demote: who is primary. */
#include "exit.h"
#include "group.h"
#include "human.h"
#include "say.h"
#include "verb.h"

#define ROLE_TIMEOUT_MS 60000
#ifndef PEER_PATIENCE_MS
#define PEER_PATIENCE_MS 10000
#endif

static int serves(const struct status *st, void *arg)
{
	(void)arg;
	if (status_state(st) == LVR_GROUP_FAILED)
		return say_error(EXIT_DEVICE, "group %s: the log failed: %s",
				 status_text(st, STATUS_group), status_text(st, STATUS_reason));
	return status_serves(st) ? 0 : WAIT_ON;
}

/* -EBUSY here is a peer that is active as primary, not a device in use */
static int promote_send(const char *name, bool force)
{
	int ret = group_message(name, force ? "promote force" : "promote");

	return ret == EXIT_BUSY ? EXIT_STATE : ret;
}

/* told to wait for the peer, it does not: after a takeover, and before the peer's first copy */
static int tell_alone(const struct status *st)
{
	const char *group = status_text(st, STATUS_group);
	struct lvr_options options;
	int ret;

	ret = group_options(group, &options);
	if (!ret && options.sync && options.block_on_disconnect && st->number[STATUS_alone])
		say("group %s: writes are acknowledged without %s until it is in sync", group,
		    status_peer(st));
	return ret;
}

/* the kernel has taken the promotion: wait for its end, make the volumes known */
static int promote_finish(const struct dm_dev *group, u64 timeout_ms)
{
	struct status st;
	int ret;

	ret = group_wait(group->name, timeout_ms, serves, NULL, &st);
	if (!ret)
		ret = group_refresh_volumes(group);
	if (ret)
		return ret;
	say("group %s: primary, active", group->name);
	return tell_alone(&st);
}

/* what both verbs begin with; *done: there is nothing left to do */
static int promote_begin(const char *name, struct dm_dev *group, struct status *st, bool *done)
{
	int ret;

	ret = group_lock_started(name, group);
	if (!ret)
		ret = group_status(name, st);
	*done = !ret && status_serves(st);
	if (*done)
		say("group %s: primary already", name);
	return ret;
}

/**
 * verb_promote - make this node the primary
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: promote GROUP [--force] [--timeout S]
 *
 * Return: exit code.
 */
int verb_promote(const struct verb *verb, int argc, char **argv)
{
	static u64 timeout_ms = ROLE_TIMEOUT_MS;
	static bool force;
	static const struct option_def options[] = {
		{ "force", OPTION_FLAG, &force, NULL,
		  "without a hand-over from the peer, or its word that it did not take over" },
		{ "timeout", OPTION_SECONDS, &timeout_ms, "SECONDS", "wait so long, default 60" },
	};
	struct dm_dev group;
	struct status st;
	const char *name;
	bool done;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &name, 1, 1);
	if (!ret)
		ret = promote_begin(name, &group, &st, &done);
	if (ret || done)
		return ret;
	ret = promote_send(name, force);
	return ret ? ret : promote_finish(&group, timeout_ms);
}

/*---------------------------------------------------------------------------*/
/* failover */

/*
 * Every write that was acknowledged is here, if the primary said that it
 * acknowledges none without this node. What this node's own settings say does
 * not count, nor does it on one that ended as primary: the peer may have
 * taken over from it.
 */
static bool no_loss(const struct status *st)
{
	return status_is(st, STATUS_role, "secondary") && status_state(st) == LVR_GROUP_STANDBY &&
	       st->number[STATUS_consistent] && st->text[STATUS_alone] && !st->number[STATUS_alone];
}

static void tell_loss(const struct status *st)
{
	u64 head = st->number[STATUS_head], peer_head = st->number[STATUS_peer_head];
	char when[HUMAN_BYTES];

	say("this node holds all records up to %llu", head);
	if (status_state(st) == LVR_GROUP_UNCONFIRMED)
		say("it ended as primary, and does not know whether %s has taken over from it",
		    status_peer(st));
	if (!st->text[STATUS_consistent] || !st->number[STATUS_consistent])
		say("its volumes are INCONSISTENT: a full synchronisation has not ended, they are no state that ever was");
	if (st->text[STATUS_peer_head] && peer_head > head)
		say("%s had announced records up to %llu: %llu of them are not here", status_peer(st),
		    peer_head, peer_head - head);
	else if (st->text[STATUS_peer_head])
		say("%s had announced nothing beyond that", status_peer(st));
	if (st->text[STATUS_seen_ms])
		say("%s was heard last %s ago; what it wrote since then is unknown", status_peer(st),
		    human_ms(when, st->number[STATUS_seen_ms]));
	else
		say("%s was never heard; what it wrote is unknown", status_peer(st));
	if (no_loss(st))
		say("%s acknowledges nothing without this node: every write that was acknowledged is here, unless it was promoted by force or configured anew meanwhile",
		    status_peer(st));
	else
		say("writes that were acknowledged there may be lost");
}

/* error, reason: why there is no promotion without force */
static int take_over(const struct dm_dev *group, const struct status *st, int error,
		     const char *reason, bool force, u64 timeout_ms)
{
	int ret;

	tell_loss(st);
	if (!force)
		return say_error(EXIT_STATE, "group %s: no take-over%s: %s", group->name,
				 error == -EPERM ? " without --force" : "", reason);
	ret = promote_send(group->name, true);
	if (!ret)
		ret = promote_finish(group, timeout_ms);
	if (!ret && !no_loss(st))
		ret = EXIT_LOSS;
	return ret;
}

/**
 * verb_failover - take over from a primary that is gone
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: failover GROUP [--force] [--timeout S]
 *
 * Return: exit code.
 */
int verb_failover(const struct verb *verb, int argc, char **argv)
{
	static u64 timeout_ms = ROLE_TIMEOUT_MS;
	static bool force;
	static const struct option_def options[] = {
		{ "force", OPTION_FLAG, &force, NULL, "take over although data may be lost" },
		{ "timeout", OPTION_SECONDS, &timeout_ms, "SECONDS", "wait so long, default 60" },
	};
	char reason[DM_PARAMS_BYTES];
	struct dm_dev group;
	struct status st;
	const char *name;
	bool done;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &name, 1, 1);
	if (!ret)
		ret = promote_begin(name, &group, &st, &done);
	if (ret || done)
		return ret;
	/* handed over before, or nobody ever wrote: then it is no take-over at all */
	ret = group_ask(name, "promote", reason);
	if (!ret) {
		say("group %s: nothing is lost, unless %s was primary meanwhile",
		    name, status_peer(&st));
		return promote_finish(&group, timeout_ms);
	}
	return take_over(&group, &st, ret, reason, force, timeout_ms);
}

/*---------------------------------------------------------------------------*/
/* demote */

static int demoted(const struct status *st, void *arg)
{
	(void)arg;
	if (status_state(st) == LVR_GROUP_FAILED)
		return say_error(EXIT_DEVICE, "group %s: the log failed: %s",
				 status_text(st, STATUS_group), status_text(st, STATUS_reason));
	return status_state(st) == LVR_GROUP_STANDBY ? 0 : WAIT_ON;
}

struct hand_over {
	const struct status *before;	/* the demotion */
	u64 patience_ms;	/* with a peer that is not connected */
	u64 lost_ms;		/* since when it is not; 0: it is */
};

/* the history goes on, so the peer is primary and makes it */
static bool peer_went_on(const struct hand_over *h, const struct status *st)
{
	return !status_is(st, STATUS_generation, status_text(h->before, STATUS_generation));
}

/* two that both become secondary shake hands anew, so a moment without a link means nothing */
static int handed_over(const struct status *st, void *arg)
{
	struct hand_over *h = arg;

	if (peer_went_on(h, st))
		return 0;
	if (!status_hands_over(st))
		return EXIT_PEER;
	if (st->text[STATUS_acked] && st->number[STATUS_acked] >= st->number[STATUS_head])
		return 0;
	/* two that are equal have nothing to ack, as after a restart */
	if (status_link(st) == LVR_LINK_IDLE && st->number[STATUS_peer_durable] >= st->number[STATUS_head])
		return 0;
	if (status_connected(st))
		h->lost_ms = 0;
	else if (!h->lost_ms)
		h->lost_ms = now_ms();
	return h->lost_ms && now_ms() - h->lost_ms >= h->patience_ms ? EXIT_PEER : WAIT_ON;
}

/* what the demotion came to; without the hand-over in its log the peer is promoted by force only */
static int tell_hand_over(const struct hand_over *h, const struct status *st, int ret)
{
	const char *group = status_text(st, STATUS_group), *peer = status_peer(st);

	if (!ret && peer_went_on(h, st))
		say("group %s: %s is primary already", group, peer);
	else if (!ret)
		say("group %s: handed over, %s can be promoted", group, peer);
	else if (ret == EXIT_PEER && status_split(st))
		say_error(ret, "group %s: demoted, but %s has gone its own way: `lvrctl connect %s --discard' gives up what was written here",
			  group, peer, group);
	else if (ret == EXIT_PEER && status_hands_over(st))
		say_error(ret, "group %s: %s is not connected and does not have the hand-over yet",
			  group, peer);
	else if (ret == EXIT_PEER && st->text[STATUS_handover])
		say_error(ret, "group %s: not handed over to %s, for the link was %s; this node can be promoted again, %s by force only",
			  group, peer, status_text(h->before, STATUS_link), peer);
	else if (ret == EXIT_PEER)
		say_error(ret, "group %s: demoted without a hand-over, for this node was %s; whoever is to be primary is promoted by force",
			  group, status_text(h->before, STATUS_state));
	return ret;
}

static int demote_finish(const struct dm_dev *group, const struct status *before, u64 timeout_ms)
{
	struct hand_over h = {
		.before = before,
		.patience_ms = status_connected(before) ? PEER_PATIENCE_MS : 0,
	};
	struct status st;
	int ret;

	ret = group_wait(group->name, timeout_ms, demoted, NULL, &st);
	if (!ret)
		ret = group_refresh_volumes(group);
	if (ret)
		return ret;
	say("group %s: secondary", group->name);
	ret = group_wait(group->name, timeout_ms, handed_over, &h, &st);
	return tell_hand_over(&h, &st, ret);
}

/**
 * verb_demote - hand over to the peer
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: demote GROUP [--timeout S]
 *
 * Return: exit code.
 */
int verb_demote(const struct verb *verb, int argc, char **argv)
{
	static u64 timeout_ms = ROLE_TIMEOUT_MS;
	static const struct option_def options[] = {
		{ "timeout", OPTION_SECONDS, &timeout_ms, "SECONDS", "wait so long, default 60" },
	};
	struct dm_dev group;
	struct status st;
	const char *name;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &name, 1, 1);
	if (!ret)
		ret = group_lock_started(name, &group);
	if (!ret)
		ret = group_status(name, &st);
	if (ret)
		return ret;
	if (status_state(&st) != LVR_GROUP_STANDBY) {
		ret = group_message_closed(&group, "demote");
	} else if (!status_hands_over(&st)) {
		say("group %s: secondary already", name);
		return 0;
	}
	/* also behind a demotion that was cut short: the peer may not have the hand-over */
	return ret ? ret : demote_finish(&group, &st, timeout_ms);
}
