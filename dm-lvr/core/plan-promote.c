// SPDX-License-Identifier: GPL-2.0-only
/* Whether a node may become primary: by what it knows of itself and has heard, or by force. */
#include "plan.h"

/**
 * lvr_plan_rivals - whether two nodes have both been primary without the other
 * @plan: that they made
 *
 * Any context, does not sleep.
 *
 * Return: whether they have, and no plan can tell which of them goes on.
 */
bool lvr_plan_rivals(const struct lvr_plan *plan)
{
	return plan->reasons & (1u << LVR_REFUSE_BOTH_PRIMARY | 1u << LVR_REFUSE_DIVERGED);
}

/**
 * lvr_plan_voids_handover - whether the peer's news end a hand-over to this node
 * @plan: that they made
 * @me: this node
 * @peer: the other
 *
 * A peer that is active, or will be by this plan, has gone on from there
 * itself, by force: it took back what it had handed over, or took over from
 * one that had handed over to itself. One that is just demoting itself hands
 * over to this node as well. A peer that this node is to follow, and that holds
 * records this node lacks, has done so earlier, though it may be a secondary
 * again: a record hands over only as long as none follows it in the line.
 * Rivals: the operator has to decide. What another group says does not count.
 * Any context, does not sleep.
 *
 * Return: whether they do.
 */
bool lvr_plan_voids_handover(const struct lvr_plan *plan, const struct lvr_plan_node *me,
			     const struct lvr_plan_node *peer)
{
	bool active = peer->flags & LVR_NODE_F_ACTIVE && peer->handover_member != me->member;
	bool goes_on = plan->source == peer->member && peer->head_seq > plan->fork_seq;

	return (active || goes_on || plan->confirm_member == peer->member || lvr_plan_rivals(plan)) &&
	       !memcmp(me->group_uuid, peer->group_uuid, sizeof(me->group_uuid));
}

static int promote_refusal(const struct lvr_promote_check *c, struct lvr_err *err)
{
	if (c->flags & LVR_NODE_F_INCONSISTENT)
		lvr_err_set(err, "this copy is inconsistent");
	else if (c->flags & LVR_NODE_F_DISCARD)
		lvr_err_set(err, "this copy is to be discarded");
	else if (c->superseded)
		lvr_err_set(err, "this copy was superseded by another primary");
	else if (c->flags & LVR_NODE_F_UNCONFIRMED)
		lvr_err_set(err, "no peer has confirmed yet that nobody else took over");
	else if (c->handover_member == c->self)
		return 0;
	else if (c->handover_member < LVR_MAX_MEMBERS)
		lvr_err_set(err, "the log was handed over to member %llu, this is member %u",
			    c->handover_member, c->self);
	else if (c->ever_primary_in_group)
		lvr_err_set(err, "the primary has not handed over to this member");
	else
		return 0;
	return -EPERM;
}

/**
 * lvr_plan_may_promote - whether a node may become primary
 * @check: what it knows of itself
 * @force: the operator takes the loss upon himself
 * @err: reason, may be NULL; with @force what is overridden, empty if nothing is
 *
 * Any context, does not sleep.
 *
 * Return: 0; -EPERM: not without @force; not with it either: -EBUSY: another
 *         one is active; -EINVAL: there is no copy here.
 */
int lvr_plan_may_promote(const struct lvr_promote_check *check, bool force, struct lvr_err *err)
{
	int ret;

	if (err)
		err->text[0] = 0;
	if (check->flags & LVR_NODE_F_ACTIVE)
		return 0;
	if (check->flags & LVR_NODE_F_BLANK) {
		lvr_err_set(err, "this copy is blank: it has never taken part in the group");
		return -EINVAL;
	}
	if (check->peer_active) {
		lvr_err_set(err, "the peer is active as primary: demote or disconnect it first");
		return -EBUSY;
	}
	ret = promote_refusal(check, err);
	return force ? 0 : ret;
}
