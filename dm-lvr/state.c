// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only writer of a group's state and role, and the news of them: kernel
 * log, tracepoint, dm event, and a uevent for each volume when it starts or
 * stops serving I/O.
 */
#include "lvr.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* the role follows from the edge taken */
static void set_role(struct lvr_group *g, enum lvr_group_event event)
{
	if (event == LVR_GEV_PROMOTED)
		WRITE_ONCE(g->role, LVR_ROLE_PRIMARY);
	else if (event == LVR_GEV_DEMOTED || event == LVR_GEV_SUPERSEDE)
		WRITE_ONCE(g->role, LVR_ROLE_SECONDARY);
}

/*
 * A secondary takes chunks from the network, and so does an unconfirmed
 * primary: the tail that its peer holds and it has lost.
 */
static void open_log_to_peer(struct lvr_group *g)
{
	bool open = g->state == LVR_GROUP_STANDBY || g->state == LVR_GROUP_UNCONFIRMED;

	lockdep_assert_held(&g->state_lock);
	spin_lock(&g->log.lock);
	if (open && !g->log.from_peer)
		WRITE_ONCE(g->log.opening, g->log.opening + 1);
	WRITE_ONCE(g->log.from_peer, open);
	spin_unlock(&g->log.lock);
}

/**
 * lvr_state_event() - an event happened to a group
 * @g: the group
 * @event: what
 * @reason: why, for people
 * @err: reason of a refusal, may be NULL
 *
 * Context: any but hard irq.
 * Return: 0, or -EINVAL when the event is illegal in the present state;
 *         nothing has changed then.
 */
int lvr_state_event(struct lvr_group *g, enum lvr_group_event event, const char *reason,
		    struct lvr_err *err)
{
	struct lvr_err why = {};
	unsigned long flags;
	int from, to;

	spin_lock_irqsave(&g->state_lock, flags);
	from = g->state;
	to = lvr_group_next(from, event, &why);
	if (to >= 0) {
		WRITE_ONCE(g->state, to);
		set_role(g, event);
		strscpy(g->reason, reason, sizeof(g->reason));
		open_log_to_peer(g);
	}
	spin_unlock_irqrestore(&g->state_lock, flags);
	if (to < 0) {
		lvr_err_set(err, "%s", why.text);
		DMDEBUG("lvr %s: %s", g->name, why.text);
		return to;
	}
	DMINFO("lvr %s: %s -> %s (%s)", g->name, lvr_group_state_name(from),
	       lvr_group_state_name(to), reason);
	trace_lvr_group_state(g->name, lvr_group_state_name(from), lvr_group_state_name(to), reason);
	lvr_state_notify(g);
	lvr_worker_kick(g);
	lvr_group_kick_deferred(g);
	return 0;
}

/**
 * lvr_state_reason() - a state stays, but not for the reason it was entered
 * @g: the group
 * @state: when it is in another one by now, nothing changes
 * @reason: for people
 *
 * Context: any but hard irq.
 */
void lvr_state_reason(struct lvr_group *g, enum lvr_group_state state, const char *reason)
{
	unsigned long flags;

	spin_lock_irqsave(&g->state_lock, flags);
	if (g->state == state)
		strscpy(g->reason, reason, sizeof(g->reason));
	spin_unlock_irqrestore(&g->state_lock, flags);
	lvr_state_notify(g);
}

/**
 * lvr_state_notify() - tell userspace that something changed
 * @g: the group
 *
 * Context: any.
 */
void lvr_state_notify(struct lvr_group *g)
{
	queue_work(system_unbound_wq, &g->event_work);
}

static void announce_volumes(struct lvr_group *g)
{
	char *serving[] = { "LVR_ROLE=primary", NULL };
	char *refusing[] = { "LVR_ROLE=secondary", NULL };
	bool now = READ_ONCE(g->state) == LVR_GROUP_ACTIVE;
	u32 i;

	lockdep_assert_held(&g->mutex);
	if (g->announced_serving == now)
		return;
	g->announced_serving = now;
	for (i = 0; i < g->volumes; i++) {
		struct dm_target *ti = g->volume[i]->ti;

		if (ti)
			kobject_uevent_env(&disk_to_dev(dm_disk(dm_table_get_md(ti->table)))->kobj,
					   KOBJ_CHANGE, now ? serving : refusing);
	}
}

/**
 * lvr_state_event_work() - post what lvr_state_notify() asked for
 * @work: g->event_work
 *
 * Context: process, the group's workqueue.
 */
void lvr_state_event_work(struct work_struct *work)
{
	struct lvr_group *g = container_of(work, struct lvr_group, event_work);
	bool failed = READ_ONCE(g->log.failed) &&
		      !lvr_state_event(g, LVR_GEV_LOG_ERROR, "I/O error of the log device", NULL);
	unsigned int noio;

	mutex_lock(&g->mutex);
	noio = memalloc_noio_save();	/* a uevent is allocated, and those who make room wait for the mutex */
	if (failed && g->link)
		lvr_link_rehandshake(g);	/* the peer must not take this node for a working one */
	if (g->ti)
		dm_table_event(g->ti->table);
	announce_volumes(g);
	memalloc_noio_restore(noio);
	mutex_unlock(&g->mutex);
}
