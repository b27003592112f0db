// SPDX-License-Identifier: GPL-2.0-only
/* What takes long: how much is left, at what rate, for how long. */
#include <unistd.h>
#include "human.h"
#include "progress.h"
#include "say.h"

#define PACE_MS 2000		/* over so long a rate is measured */
#ifndef LINE_MS
#define LINE_MS 10000		/* between two lines where there is no terminal */
#endif

static u64 apart(u64 ahead, u64 behind)
{
	return ahead > behind ? ahead - behind : 0;
}

/**
 * work_of - the work that a group has in hand
 * @st: its status
 *
 * Return: the most telling one; name is NULL if there is none.
 */
struct work work_of(const struct status *st)
{
	u64 total = st->number[STATUS_sync_total_sect], head = st->number[STATUS_head];
	enum lvr_group_state state = status_state(st);

	if (status_link(st) == LVR_LINK_SYNCING && total)
		return (struct work){
			.name = "synchronising",
			.remaining = apart(total, st->number[STATUS_sync_done_sect]) << 9,
			.total = total << 9,
		};
	if (state == LVR_GROUP_REPLAYING || state == LVR_GROUP_PROMOTING ||
	    state == LVR_GROUP_STOPPING || state == LVR_GROUP_DEMOTING)
		return (struct work){
			.name = "replaying",
			.remaining = apart(head, st->number[STATUS_destaged]),
			.records = true,
		};
	if (status_link(st) != LVR_LINK_CATCHING_UP)
		return (struct work){ .name = NULL };
	if (status_is(st, STATUS_direction, "source"))
		return (struct work){
			.name = "catching up",
			.remaining = st->number[STATUS_lag_bytes],
		};
	return (struct work){
		.name = "catching up",
		.remaining = apart(st->number[STATUS_peer_head], head),
		.records = true,
	};
}

/**
 * lag_of - what is on its way although no state tells of it
 * @st: a group's status
 *
 * Return: what the peer or the volumes lack; name is NULL if that is nothing.
 */
struct work lag_of(const struct status *st)
{
	u64 head = st->number[STATUS_head];
	bool source = status_is(st, STATUS_direction, "source");

	if (source && st->number[STATUS_lag_bytes])
		return (struct work){ .name = "sending", .remaining = st->number[STATUS_lag_bytes] };
	if (source && apart(head, st->number[STATUS_applied]))
		return (struct work){
			.name = "the peer writes to its volumes",
			.remaining = apart(head, st->number[STATUS_applied]),
			.records = true,
		};
	if (apart(head, st->number[STATUS_destaged]))
		return (struct work){
			.name = "writing to the volumes",
			.remaining = apart(head, st->number[STATUS_destaged]),
			.records = true,
		};
	return (struct work){ .name = NULL };
}

/**
 * pace_add - take one more sample into a rate
 * @pace: all zero before the first
 * @work: how it stands now
 */
void pace_add(struct pace *pace, const struct work *work)
{
	u64 now = now_ms(), done;

	if (!work->name || pace->name != work->name || work->remaining > pace->remaining) {
		/* other work, or more of it than before: begin anew */
		*pace = (struct pace){ .name = work->name, .at_ms = now, .remaining = work->remaining,
				       .per_s = pace->name == work->name ? pace->per_s : 0 };
		return;
	}
	if (now <= pace->at_ms || (pace->per_s && now < pace->at_ms + PACE_MS))
		return;
	done = pace->remaining - work->remaining;
	pace->per_s = 1000.0 * done / (now - pace->at_ms);
	pace->at_ms = now;
	pace->remaining = work->remaining;
}

/**
 * pace_left_ms - time that work still takes
 * @pace: its rate
 * @work: how it stands now
 * @ms: gets the time
 *
 * Return: whether it is known.
 */
bool pace_left_ms(const struct pace *pace, const struct work *work, u64 *ms)
{
	if (!work->name || pace->name != work->name || pace->per_s < 1e-3)
		return false;
	*ms = (u64)(1000.0 * work->remaining / pace->per_s);
	return true;
}

/**
 * work_text - tell how work stands
 * @to: buffer
 * @work: the work
 * @pace: its rate
 *
 * Return: @to.
 */
char *work_text(char to[WORK_TEXT_BYTES], const struct work *work, const struct pace *pace)
{
	char a[HUMAN_BYTES], b[HUMAN_BYTES];
	u64 left_ms;
	int at;

	to[0] = 0;
	if (!work->name)
		return to;
	if (work->total)
		at = sprintf(to, "%s %s", work->name,
			     human_percent(a, apart(work->total, work->remaining), work->total));
	else if (work->records)
		at = sprintf(to, "%s, %llu records to go", work->name, work->remaining);
	else
		at = sprintf(to, "%s, %s%s to go", work->name, work->at_most ? "at most " : "",
			     human_bytes(a, work->remaining));
	if (!pace_left_ms(pace, work, &left_ms))
		return to;
	if (work->records)
		at += sprintf(to + at, ", %.0f records/s", pace->per_s);
	else
		at += sprintf(to + at, ", %s", human_rate(b, (u64)pace->per_s));
	sprintf(to + at, ", %s left", human_ms(a, left_ms));
	return to;
}

/*---------------------------------------------------------------------------*/

static bool line_open;		/* on a terminal: a line that is written over */

/**
 * progress_show - show how work stands
 * @work: the work; nothing is shown where it has no name
 * @pace: its rate
 */
void progress_show(const struct work *work, const struct pace *pace)
{
	static u64 last_ms;
	char text[WORK_TEXT_BYTES];
	u64 now = now_ms();

	work_text(text, work, pace);
	if (isatty(STDERR_FILENO)) {
		if (text[0] || line_open)
			fprintf(stderr, "\r\033[K%s", text);
		line_open = text[0];
	} else if (text[0] && (!last_ms || now >= last_ms + LINE_MS)) {
		/* the first moment is not worth a line */
		if (last_ms)
			say("%s", text);
		last_ms = now;
	}
}

/**
 * progress_end - leave the terminal as other words expect it
 */
void progress_end(void)
{
	if (line_open)
		fputs("\r\033[K", stderr);
	line_open = false;
}
