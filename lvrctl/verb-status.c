// SPDX-License-Identifier: GPL-2.0-only
/* status: all groups at a glance, or one. */
#include <stdlib.h>
#include <unistd.h>
#include "core/plan.h"
#include "exit.h"
#include "group.h"
#include "human.h"
#include "out.h"
#include "say.h"
#include "verb.h"

#define WATCH_MS 1000
#define SAMPLE_MS 500		/* between the two samples that give a rate */

struct volume {
	struct dm_dev dev;
	char origin[GROUP_ORIGIN_BYTES];
};

struct entry {
	char name[LVR_NAME_BYTES];
	struct dm_dev dev;
	bool runs;
	bool blocks;		/* told not to acknowledge while the peer is away */
	struct status st;
	struct volume *volume;
	u32 volumes;
	struct pace pace;
	struct work work;
};

struct entries {
	struct entry *entry;
	u32 count;
};

/*---------------------------------------------------------------------------*/
/* gathering */

static struct entry *entry_get(struct entries *all, const char *name)
{
	struct entry *entry;
	u32 i;

	for (i = 0; i < all->count; i++)
		if (!strcmp(all->entry[i].name, name))
			return &all->entry[i];
	all->entry = said_alloc(realloc(all->entry, (all->count + 1) * sizeof(*entry)));
	entry = &all->entry[all->count++];
	memset(entry, 0, sizeof(*entry));
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	return entry;
}

static int add_running(const struct dm_dev *dev, void *arg)
{
	entry_get(arg, dev->name);
	return 0;
}

static int add_configured(const char *group, void *arg)
{
	if (strlen(group) < LVR_NAME_BYTES)
		entry_get(arg, group);
	return 0;
}

static int add_volume(const struct dm_dev *dev, void *arg)
{
	struct entry *entry = arg;
	struct volume *volume;

	entry->volume = said_alloc(realloc(entry->volume, (entry->volumes + 1) * sizeof(*volume)));
	volume = &entry->volume[entry->volumes++];
	volume->dev = *dev;
	group_volume_origin(dev, volume->origin);
	return 0;
}

static const char *volume_name(const struct entry *entry, const struct volume *volume)
{
	size_t group = strlen(entry->name) + 1;

	return strlen(volume->dev.name) > group ? volume->dev.name + group : volume->dev.name;
}

/* one more look at a group; its rates go on from the look before */
static int entry_read(struct entry *entry)
{
	char line[DM_PARAMS_BYTES];
	struct lvr_options options;
	struct lvr_err err;
	int ret;

	entry->volumes = 0;
	entry->runs = group_started(entry->name, &entry->dev) &&
		      !dm_status(entry->name, LVR_TARGET_GROUP, line);
	if (!entry->runs)
		return 0;
	if (status_parse(&entry->st, line, &err))
		return say_error(EXIT_DEVICE, "group %s: %s", entry->name, err.text);
	entry->work = work_of(&entry->st);
	pace_add(&entry->pace, &entry->work);
	ret = group_options(entry->name, &options);
	entry->blocks = !ret && options.sync && options.block_on_disconnect;
	return group_each_volume(&entry->dev, add_volume, entry) ?: ret;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* only: one group, or NULL for all */
static int entries_find(struct entries *all, const char *only)
{
	struct dm_dev dev;

	if (only) {
		if (!group_started(only, &dev) && !conf_exists(only))
			return group_need_started(only, &dev);
		entry_get(all, only);
		return 0;
	}
	conf_each(add_configured, all);
	group_each(add_running, all);
	if (all->count)
		qsort(all->entry, all->count, sizeof(*all->entry), by_name);
	return 0;
}

static int entries_read(struct entries *all)
{
	u32 i;
	int ret = 0;

	for (i = 0; i < all->count; i++)
		ret = entry_read(&all->entry[i]) ?: ret;
	return ret;
}

static bool any_work(const struct entries *all)
{
	u32 i;

	for (i = 0; i < all->count; i++)
		if (all->entry[i].runs && all->entry[i].work.name)
			return true;
	return false;
}

/*---------------------------------------------------------------------------*/
/* as a table */

struct note {
	char text[1024];
};

PRINTF(2, 3)
static void note_add(struct note *note, const char *fmt, ...)
{
	size_t at = strlen(note->text);
	va_list args;

	if (at && at + 3 < sizeof(note->text))
		at += sprintf(note->text + at, "; ");
	va_start(args, fmt);
	vsnprintf(note->text + at, sizeof(note->text) - at, fmt, args);
	va_end(args);
}

/* the kernel joins words by _ to keep its line in fields */
static void note_add_words(struct note *note, const char *words)
{
	char copy[512], *at;

	snprintf(copy, sizeof(copy), "%s", words);
	for (at = copy; *at; at++)
		if (*at == '_')
			*at = ' ';
	if (copy[0])
		note_add(note, "%s", copy);
}

/* room that writes need: without it they wait */
#define LOG_ROOM_BYTES (2ull * LVR_CHUNK_MAX_PAYLOAD_BYTES)

/* the log is full of records that only the peer lacks (on-full=block) */
static bool waits_for_peer(const struct status *st)
{
	return status_serves(st) &&
	       st->number[STATUS_used_bytes] + LOG_ROOM_BYTES > st->number[STATUS_ring_bytes] &&
	       st->number[STATUS_tail] < st->number[STATUS_checkpoint];
}

/* acknowledged without the other, although the group is told not to: a takeover would lose it */
static void note_alone(const struct entry *entry, struct note *note)
{
	const struct status *st = &entry->st;

	if (!entry->blocks || !st->number[STATUS_alone])
		return;
	if (!status_is(st, STATUS_role, "primary"))
		note_add(note, "%s may acknowledge without this node", status_peer(st));
	else if (!st->number[STATUS_in_sync])
		note_add(note, "acknowledges without %s", status_peer(st));
}

static void note_origins(const struct entry *entry, struct note *note)
{
	const struct volume *volume;
	u32 i;

	for (i = 0; i < entry->volumes; i++) {
		volume = &entry->volume[i];
		if (strcmp(volume->origin, "ok"))
			note_add(note, "volume %s: device below %s", volume_name(entry, volume),
				 volume->origin[0] ? volume->origin : "unknown");
	}
}

/* of all that the group has; a table that is gone leaves the others at work */
static bool volumes_complete(const struct entry *entry)
{
	const char *text = status_text(&entry->st, STATUS_volumes), *all = strchr(text, '/');

	return all && strtoul(text, NULL, 10) == strtoul(all + 1, NULL, 10);
}

/* what the operator can do about a refusal stands in its text */
static void note_refusals(const struct status *st, struct note *note)
{
	u32 i;

	for (i = 0; i < LVR_REFUSE_COUNT; i++)
		if (status_refused(st, i))
			note_add(note, "%s", lvr_refusal_text(i));
}

/* all that one should know beside the columns */
static void note_make(const struct entry *entry, struct note *note)
{
	const struct status *st = &entry->st;
	char work[WORK_TEXT_BYTES], orphans[STATUS_ORPHANS_BYTES];

	note->text[0] = 0;
	if (st->text[STATUS_consistent] && !st->number[STATUS_consistent])
		note_add(note, "INCONSISTENT");
	if (status_split(st))
		note_add(note, "SPLIT BRAIN");
	if (entry->work.name)
		note_add(note, "%s", work_text(work, &entry->work, &entry->pace));
	note_add_words(note, status_text(st, STATUS_reason));
	note_add_words(note, status_text(st, STATUS_link_reason));
	note_refusals(st, note);
	if (!volumes_complete(entry))
		note_add(note, "%s of its volumes are there", status_text(st, STATUS_volumes));
	if (st->number[STATUS_orphan_records])
		note_add(note, "orphaned: %s", status_orphans(st, orphans));
	note_alone(entry, note);
	if (st->number[STATUS_deferred])
		note_add(note, "%llu I/Os wait%s%s%s", st->number[STATUS_deferred],
			 waits_for_peer(st) ? ": the log is full of what " : "",
			 waits_for_peer(st) ? status_peer(st) : "",
			 waits_for_peer(st) ? " lacks" : "");
	note_origins(entry, note);
	if (st->number[STATUS_errors])
		note_add(note, "%llu I/O errors", st->number[STATUS_errors]);
}

static void lag_make(const struct status *st, char to[96])
{
	char size[HUMAN_BYTES], age[HUMAN_BYTES];

	if (!st->text[STATUS_lag_records] || !status_is(st, STATUS_role, "primary"))
		strcpy(to, "-");
	else if (!st->number[STATUS_lag_records])
		strcpy(to, "0");
	else
		snprintf(to, 96, "%s, %llu records, %s",
			 human_bytes(size, st->number[STATUS_lag_bytes]),
			 st->number[STATUS_lag_records], human_ms(age, st->number[STATUS_lag_ms]));
}

static void entry_row(struct libscols_table *table, const struct entry *entry)
{
	const struct status *st = &entry->st;
	char mode[40], lag[96], used[HUMAN_BYTES];
	struct note note;
	const char *const running[] = {
		entry->name, status_text(st, STATUS_role), status_text(st, STATUS_state),
		status_peer(st), status_text(st, STATUS_link), mode, lag, used, note.text,
	};
	const char *const stopped[] = {
		entry->name, "-", "stopped", "-", "-", "-", "-", "-", "",
	};

	if (!entry->runs) {
		out_row(table, stopped);
		return;
	}
	snprintf(mode, sizeof(mode), "%s%s", status_text(st, STATUS_mode),
		 !status_is(st, STATUS_mode, "sync") || !status_is(st, STATUS_role, "primary") ? "" :
		 st->number[STATUS_in_sync] ? ", in sync" : ", not in sync");
	lag_make(st, lag);
	human_percent(used, st->number[STATUS_used_bytes], st->number[STATUS_ring_bytes]);
	note_make(entry, &note);
	out_row(table, running);
}

static void entries_print(const struct entries *all)
{
	static const struct out_column columns[] = {
		{ .name = "GROUP" }, { .name = "ROLE" }, { .name = "STATE" }, { .name = "PEER" },
		{ .name = "LINK" }, { .name = "MODE" }, { .name = "LAG" },
		{ .name = "LOG", .right = true }, { .name = "NOTE", .wrap = true },
	};
	struct libscols_table *table = out_table(columns, ARRAY_SIZE(columns));
	u32 i;

	for (i = 0; i < all->count; i++)
		entry_row(table, &all->entry[i]);
	out_table_end(table);
}

/*---------------------------------------------------------------------------*/
/* as JSON */

static struct json_object *value_json(const struct status *st, enum status_field field)
{
	if (!st->text[field])
		return NULL;
	switch (status_kind(field)) {
	case STATUS_NUMBER:
		return json_object_new_uint64(st->number[field]);
	case STATUS_FLAG:
		return json_object_new_boolean(st->number[field]);
	case STATUS_TEXT:
		break;
	}
	return json_object_new_string(st->text[field]);
}

static struct json_object *volumes_json(const struct entry *entry)
{
	struct json_object *list = json_object_new_array(), *one;
	char path[DM_NAME_BYTES + 16];
	const struct volume *volume;
	u32 i;

	for (i = 0; i < entry->volumes; i++) {
		volume = &entry->volume[i];
		snprintf(path, sizeof(path), "/dev/mapper/%s", volume->dev.name);
		one = json_object_new_object();
		out_text(one, "name", volume_name(entry, volume));
		out_text(one, "device", path);
		out_number(one, "id", atoi(strrchr(volume->dev.uuid, '-') + 1));
		out_number(one, "open_count", volume->dev.open_count);
		out_text(one, "origin", volume->origin[0] ? volume->origin : NULL);
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *work_json(const struct entry *entry)
{
	struct json_object *object;
	u64 left_ms;

	if (!entry->work.name)
		return NULL;
	object = json_object_new_object();
	out_text(object, "name", entry->work.name);
	out_text(object, "unit", entry->work.records ? "records" : "bytes");
	out_number(object, "remaining", entry->work.remaining);
	out_add(object, "total", entry->work.total ? json_object_new_uint64(entry->work.total) : NULL);
	out_add(object, "per_s", entry->pace.per_s ? json_object_new_uint64(entry->pace.per_s) : NULL);
	out_add(object, "left_ms", pace_left_ms(&entry->pace, &entry->work, &left_ms) ?
		json_object_new_uint64(left_ms) : NULL);
	return object;
}

static struct json_object *entry_json(const struct entry *entry)
{
	struct json_object *object = json_object_new_object();
	const char *peer = status_peer(&entry->st);
	u32 field;

	out_text(object, "group", entry->name);
	out_flag(object, "started", entry->runs);
	for (field = 0; field < STATUS_COUNT && entry->runs; field++)
		if (field != STATUS_group && field != STATUS_volumes && field != STATUS_peer)
			out_add(object, status_name(field), value_json(&entry->st, field));
	if (entry->runs) {
		out_add(object, "peer_id", *peer == '-' ? NULL :
			json_object_new_uint64(atoi(entry->st.text[STATUS_peer])));
		out_text(object, "peer", *peer == '-' ? NULL : peer);
		out_flag(object, "split_brain", status_split(&entry->st));
		out_add(object, "work", work_json(entry));
	} else {
		out_text(object, "state", "stopped");
	}
	out_add(object, "volumes", volumes_json(entry));
	return object;
}

static void entries_print_json(const struct entries *all)
{
	struct json_object *object = out_object(), *list = json_object_new_array();
	u32 i;

	for (i = 0; i < all->count; i++)
		json_object_array_add(list, entry_json(&all->entry[i]));
	out_add(object, "groups", list);
	out_json(object);
}

/*---------------------------------------------------------------------------*/
/* as an exit code */

static bool origins_ok(const struct entry *entry)
{
	u32 i;

	for (i = 0; i < entry->volumes; i++)
		if (strcmp(entry->volume[i].origin, "ok"))
			return false;
	return true;
}

static int entry_check(const struct entry *entry)
{
	const struct status *st = &entry->st;

	if (!entry->runs)
		return EXIT_STATE;
	if (status_split(st))
		return EXIT_SPLIT;
	if (status_state(st) != LVR_GROUP_ACTIVE && status_state(st) != LVR_GROUP_STANDBY)
		return EXIT_STATE;
	if (!st->number[STATUS_consistent] || status_link(st) == LVR_LINK_REFUSED || !volumes_complete(entry))
		return EXIT_STATE;
	if (!origins_ok(entry))
		return EXIT_DEVICE;
	return status_connected(st) ? 0 : EXIT_PEER;
}

/* the worst of all: split brain, wrong state, failing device, no peer */
static int entries_check(const struct entries *all)
{
	static const u8 badness[] = {
		[EXIT_PEER] = 1, [EXIT_DEVICE] = 2, [EXIT_STATE] = 3, [EXIT_SPLIT] = 4,
	};
	int worst = all->count ? 0 : EXIT_NO_GROUP, one;
	u32 i;

	for (i = 0; i < all->count; i++) {
		one = entry_check(&all->entry[i]);
		if (badness[one] > badness[worst])
			worst = one;
	}
	return worst;
}

/*---------------------------------------------------------------------------*/

static bool json, watch, check;

static int show(struct entries *all)
{
	if (watch && !json && isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	if (json)
		entries_print_json(all);
	else if (all->count)
		entries_print(all);
	else
		say("no group, neither running nor in %s", settings.config_dir);
	return check ? entries_check(all) : 0;
}

/* groups that come meanwhile are shown, too */
static int show_for_ever(struct entries *all, const char *only)
{
	int fd = dm_events_open(), ret;

	do {
		dm_events_arm(fd);
		ret = only ? 0 : entries_find(all, NULL);
		ret = entries_read(all) ?: ret;
		show(all);
		dm_events_wait(fd, WATCH_MS);
	} while (!ret && !ferror(stdout));
	return ret;
}

/**
 * verb_status - tell how groups are
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: status [GROUP] [--json] [--watch] [--check]
 *
 * Return: exit code.
 */
int verb_status(const struct verb *verb, int argc, char **argv)
{
	static const struct option_def options[] = {
		{ "json", OPTION_FLAG, &json, NULL, "as JSON; with --watch an object a line" },
		{ "watch", OPTION_FLAG, &watch, NULL, "again and again, until interrupted" },
		{ "check", OPTION_FLAG, &check, NULL,
		  "exit with 0 all is well, 3 no group, 4 wrong state, 6 device below fails, 7 no peer, 9 split brain" },
	};
	struct entries all = { NULL, 0 };
	const char *only = NULL;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &only, 0, 1);
	if (ret)
		return ret;
	if (watch && check)
		return say_error(EXIT_USAGE, "--watch and --check exclude each other");
	ret = entries_find(&all, only);
	if (!ret && watch)
		ret = show_for_ever(&all, only);
	else if (!ret)
		ret = entries_read(&all);
	if (!ret && !watch && any_work(&all)) {
		usleep(SAMPLE_MS * 1000);
		ret = entries_read(&all);
	}
	if (!ret && !watch)
		ret = show(&all);
	while (all.count)
		free(all.entry[--all.count].volume);
	free(all.entry);
	return ret;
}
