// SPDX-License-Identifier: GPL-2.0-only
/* events: a line for each change of a group, as it happens. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "exit.h"
#include "group.h"
#include "human.h"
#include "out.h"
#include "say.h"
#include "verb.h"

/* what changes without an event is not looked for, but a lost one is made up for */
#define LOOK_MS 2000

/* the fields whose changes are told */
static const enum status_field told[] = {
	STATUS_role, STATUS_state, STATUS_link, STATUS_in_sync, STATUS_consistent,
};

struct known {
	char name[DM_NAME_BYTES];
	char value[ARRAY_SIZE(told)][32];
	bool seen;		/* in the present look */
};

struct events {
	const char *only;	/* NULL: all groups */
	bool json;
	struct known *known;
	u32 count;
};

static const char *now_text(char to[40])
{
	struct timespec now;
	struct tm tm;
	size_t at;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	at = strftime(to, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(to + at, 40 - at, ".%03ldZ", now.tv_nsec / 1000000);
	return to;
}

static void tell(const struct events *ev, const char *group, const char *key, const char *from,
		 const char *to)
{
	struct json_object *object;
	char when[40];

	if (!ev->json) {
		printf("%s %s %s %s -> %s\n", now_text(when), group, key, from, to);
		fflush(stdout);
		return;
	}
	object = out_object();
	out_text(object, "time", now_text(when));
	out_text(object, "group", group);
	out_text(object, "field", key);
	out_text(object, "from", strcmp(from, "-") ? from : NULL);
	out_text(object, "to", strcmp(to, "-") ? to : NULL);
	out_json(object);
}

static struct known *known_get(struct events *ev, const char *name)
{
	struct known *known;
	u32 i, f;

	for (i = 0; i < ev->count; i++)
		if (!strcmp(ev->known[i].name, name))
			return &ev->known[i];
	ev->known = said_alloc(realloc(ev->known, (ev->count + 1) * sizeof(*known)));
	known = &ev->known[ev->count++];
	snprintf(known->name, sizeof(known->name), "%s", name);
	for (f = 0; f < ARRAY_SIZE(told); f++)
		strcpy(known->value[f], "-");
	return known;
}

/* st NULL: the group is gone */
static void compare(struct events *ev, struct known *known, const struct status *st)
{
	const char *value;
	u32 f;

	for (f = 0; f < ARRAY_SIZE(told); f++) {
		value = st && st->text[told[f]] ? st->text[told[f]] : "-";
		if (!strcmp(known->value[f], value))
			continue;
		tell(ev, known->name, status_name(told[f]), known->value[f], value);
		snprintf(known->value[f], sizeof(known->value[f]), "%s", value);
	}
}

static int look_at(const struct dm_dev *dev, void *arg)
{
	struct events *ev = arg;
	char line[DM_PARAMS_BYTES];
	struct known *known;
	struct lvr_err err;
	struct status st;

	if (ev->only && strcmp(ev->only, dev->name))
		return 0;
	if (dm_status(dev->name, LVR_TARGET_GROUP, line))
		return 0;
	if (status_parse(&st, line, &err))
		return say_error(EXIT_DEVICE, "group %s: %s", dev->name, err.text);
	known = known_get(ev, dev->name);
	known->seen = true;
	compare(ev, known, &st);
	return 0;
}

static int look(struct events *ev)
{
	int ret;
	u32 i;

	for (i = 0; i < ev->count; i++)
		ev->known[i].seen = false;
	ret = group_each(look_at, ev);
	for (i = 0; i < ev->count && !ret; i++)
		if (!ev->known[i].seen)
			compare(ev, &ev->known[i], NULL);
	return ret;
}

/**
 * verb_events - tell changes as they happen
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: events [GROUP] [--json] [--timeout S]
 *
 * Return: exit code.
 */
int verb_events(const struct verb *verb, int argc, char **argv)
{
	static u64 timeout_ms = WAIT_FOREVER;
	static struct events ev;
	static const struct option_def options[] = {
		{ "json", OPTION_FLAG, &ev.json, NULL, "a JSON object a line" },
		{ "timeout", OPTION_SECONDS, &timeout_ms, "SECONDS", "end after so long" },
	};
	u64 begin = now_ms(), left = LOOK_MS;
	struct dm_dev dev;
	int fd, ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &ev.only, 0, 1);
	if (ret)
		return ret;
	/* one that is only configured may be started meanwhile */
	if (ev.only && !conf_exists(ev.only)) {
		ret = group_need_started(ev.only, &dev);
		if (ret)
			return ret;
	}
	fd = dm_events_open();
	do {
		dm_events_arm(fd);
		ret = look(&ev);
		if (timeout_ms != WAIT_FOREVER)
			left = now_ms() - begin < timeout_ms ? timeout_ms - (now_ms() - begin) : 0;
		if (!ret && left)
			dm_events_wait(fd, min_t(u64, left, LOOK_MS));
	} while (!ret && left && !ferror(stdout));
	free(ev.known);
	return ret;
}
