// SPDX-License-Identifier: GPL-2.0-only
/* start and stop: the devices of a group on this node. */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "backing.h"
#include "exit.h"
#include "group.h"
#include "human.h"
#include "key.h"
#include "log.h"
#include "run.h"
#include "say.h"
#include "verb.h"

#define MODULE "dm-lvr"
#define GROUP_SECT 8		/* the group's device holds nothing */
#define START_TIMEOUT_MS 60000
#define DEVICE_STEP_US 500000

struct start {
	struct conf *conf;
	struct backings backings;
	struct lvr_super sb;
	struct dm_dev group;
	char made[1 + LVR_MAX_VOLUMES][DM_NAME_BYTES];	/* devices, to be undone */
	u32 made_count;
};

/*---------------------------------------------------------------------------*/
/* the log and the configuration must speak of the same group */

static int check_members(const struct conf *conf, const struct lvr_super *sb)
{
	const struct conf_node *node;
	int ret = 0;
	u32 i;

	for (i = 0; i < conf->nodes; i++) {
		node = &conf->node[i];
		if (!(sb->member[node->id].flags & LVR_MEMBER_F_USED) ||
		    strcmp(sb->member[node->id].name, node->name))
			ret = say_error_at(EXIT_CONFIG, conf->path, node->line,
					   "node %s has id %u, the log says otherwise: there it is %s",
					   node->name, node->id,
					   sb->member[node->id].flags & LVR_MEMBER_F_USED ?
					   sb->member[node->id].name : "nobody");
	}
	if (sb->self != conf_self(conf)->id)
		ret = say_error_at(EXIT_CONFIG, conf->path, conf_self(conf)->line,
				   "%s is the log of member %u, node %s is member %u",
				   conf_self(conf)->log, sb->self, conf_self(conf)->name,
				   conf_self(conf)->id);
	return ret;
}

static int check_volume(const struct conf *conf, const struct conf_volume *volume,
			const struct lvr_super *sb)
{
	const struct lvr_volume_entry *entry = lvr_super_volume(sb, volume->id);

	if (!entry || strcmp(entry->name, volume->name))
		return say_error_at(EXIT_CONFIG, conf->path, volume->line,
				    "volume %s has id %u, in the log that is %s", volume->name,
				    volume->id, entry ? entry->name : "no volume");
	if (volume->block_bytes && volume->block_bytes != entry->block_bytes)
		return say_error_at(EXIT_CONFIG, conf->path, volume->line,
				    "volume %s: block-size %u, the log says %u", volume->name,
				    volume->block_bytes, entry->block_bytes);
	return 0;
}

static int check_super(const struct conf *conf, const struct lvr_super *sb)
{
	int ret = 0;
	u32 i;

	if (strcmp(sb->group_name, conf->group))
		return say_error_at(EXIT_CONFIG, conf->path, conf_self(conf)->line,
				    "%s is the log of group %s", conf_self(conf)->log, sb->group_name);
	ret = check_members(conf, sb);
	for (i = 0; i < conf->volumes; i++)
		ret = check_volume(conf, &conf->volume[i], sb) ?: ret;
	if (sb->volumes != conf->volumes)
		ret = say_error_at(EXIT_CONFIG, conf->path, 0, "found %u volumes, the log has %u",
				   conf->volumes, sb->volumes);
	return ret;
}

/* read the superblock; fd: open already, or -1: the log is in use by the group itself */
static int read_super(struct start *s, int fd, u64 bytes)
{
	const char *path = conf_self(s->conf)->log;
	struct log *log = said_alloc(malloc(sizeof(*log)));
	const struct lvr_super *sb = NULL;
	int ret;

	ret = fd < 0 ? log_open(log, path) : log_attach(log, path, fd, bytes);
	if (!ret) {
		sb = log_super(log, true);
		if (sb)
			s->sb = *sb;
		else
			ret = log->current == -ENODATA ? EXIT_STATE : EXIT_DEVICE;
		if (ret == EXIT_STATE)
			say_error(ret, "group %s: not created on this node yet, see `lvrctl create'",
				  s->conf->group);
		if (fd < 0)
			log_close(log);
	}
	free(log);
	return ret ? ret : check_super(s->conf, &s->sb);
}

/*---------------------------------------------------------------------------*/
/* devices below */

static int check_origins(struct start *s)
{
	const struct lvr_volume_entry *entry;
	struct dev *dev;
	int ret = 0, one;
	u32 i;

	for (i = 0; i < s->conf->volumes; i++) {
		dev = &s->backings.item[1 + i].dev;
		entry = lvr_super_volume(&s->sb, s->conf->volume[i].id);
		one = dev_open(dev, false);
		if (!one && dev->bytes < entry->size_sect << LVR_SECTOR_SHIFT)
			one = say_error(EXIT_DEVICE, "%s: has %llu sectors, volume %s needs %llu",
					dev->path, dev->bytes >> LVR_SECTOR_SHIFT, entry->name,
					entry->size_sect);
		dev_close(dev);
		ret = one ?: ret;
	}
	return ret;
}

static int check_below(struct start *s)
{
	struct dev *log = &s->backings.item[0].dev;
	int ret;

	ret = dev_open(log, false);
	if (ret)
		return ret;
	ret = read_super(s, log->fd, log->bytes);
	dev_close(log);
	return ret ? ret : check_origins(s);
}

/* at boot the disks may still be on their way */
static int find_below(struct start *s, u64 timeout_ms)
{
	u64 until = now_ms() + timeout_ms;
	bool last;
	int ret;

	for (;;) {
		last = now_ms() >= until;
		say_mute(!last);
		ret = backings_find(s->conf, &s->backings);
		say_mute(false);
		if (!ret || last)
			return ret;
		usleep(DEVICE_STEP_US);
	}
}

static int load_module(void)
{
	char *argv[] = { "modprobe", MODULE, NULL };
	char *err;
	int status;

	if (dm_has_target(LVR_TARGET_GROUP))
		return 0;
	status = run_program(argv, NULL, &err);
	if (status)
		say_error(EXIT_DEVICE, "the module " MODULE " cannot be loaded: %s",
			  status == RUN_NOT_FOUND ? "no modprobe" : err);
	free(err);
	return status ? EXIT_DEVICE : 0;
}

/*---------------------------------------------------------------------------*/
/* devices above */

static int make_device(struct start *s, const struct dm_make *make, struct dm_dev *dev)
{
	struct dm_dev there;
	int ret;

	if (dm_find(make->name, &there))
		return say_error(EXIT_BUSY, "a device /dev/mapper/%s is there already and is not of group %s",
				 make->name, s->conf->group);
	ret = dm_make(make, dev);
	if (!ret)
		strcpy(s->made[s->made_count++], make->name);
	return ret;
}

/* the group's table as the configuration has it, in a buffer of the caller's */
static struct dm_make group_table(const struct start *s, char params[DM_PARAMS_BYTES])
{
	const struct dev *log = &s->backings.item[0].dev;
	int at = snprintf(params, DM_PARAMS_BYTES, "%u:%u ", log->major, log->minor);

	lvr_options_format(&s->conf->options, params + at, DM_PARAMS_BYTES - at);
	return (struct dm_make){
		.name = s->conf->group,
		.target = LVR_TARGET_GROUP,
		.params = params,
		.size_sect = GROUP_SECT,
	};
}

static int make_group(struct start *s)
{
	char uuid[DM_UUID_BYTES], params[DM_PARAMS_BYTES];
	struct dm_make make = group_table(s, params);
	int ret;

	group_uuid(s->sb.log_id, uuid);
	make.uuid = uuid;
	ret = make_device(s, &make, &s->group);
	return ret ? ret : group_send_key(s->conf);
}

/* the kernel takes them while the group works, or says which one it cannot change */
static int apply_settings(struct start *s)
{
	char line[DM_PARAMS_BYTES], params[DM_PARAMS_BYTES];
	const struct dm_make make = group_table(s, params);
	int ret;

	if (dm_table(make.name, make.target, line) || !strcmp(line, params))
		return 0;
	ret = dm_reload(&make);
	if (ret) {
		say("group %s: goes on with its settings; what it takes only at a start, `lvrctl stop' and `start' apply",
		    make.name);
		return ret;
	}
	say("group %s: has the settings of %s now", make.name, s->conf->path);
	return group_send_key(s->conf);	/* they may have brought authentication */
}

static int make_volume(struct start *s, u32 i)
{
	const struct conf_volume *volume = &s->conf->volume[i];
	const struct dev *origin = &s->backings.item[1 + i].dev;
	char name[DM_NAME_BYTES], uuid[DM_UUID_BYTES], params[64];
	const struct dm_make make = {
		.name = name,
		.uuid = uuid,
		.target = LVR_TARGET_VOLUME,
		.params = params,
		.size_sect = lvr_super_volume(&s->sb, volume->id)->size_sect,
	};
	struct dm_dev there;

	group_volume_name(s->conf->group, volume->name, name);
	group_volume_uuid(s->sb.log_id, volume->id, uuid);
	if (dm_find(name, &there) && !strcmp(there.uuid, uuid))
		return 0;
	snprintf(params, sizeof(params), "%u:%u %u %u:%u", s->group.major, s->group.minor,
		 volume->id, origin->major, origin->minor);
	return make_device(s, &make, NULL);
}

static int make_volumes(struct start *s)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < s->conf->volumes && !ret; i++)
		ret = make_volume(s, i);
	return ret;
}

static void unmake(struct start *s)
{
	while (s->made_count)
		dm_remove(s->made[--s->made_count]);
}

static int start_new(struct start *s, u64 device_timeout_ms)
{
	int ret;

	ret = s->conf->options.auth_psk ? key_check(s->conf->key_file) : 0;
	if (!ret)
		ret = find_below(s, device_timeout_ms);
	if (!ret)
		ret = backings_up(&s->backings);
	if (ret)
		return ret;
	ret = check_below(s);
	if (!ret)
		ret = load_module();
	if (!ret)
		ret = make_group(s);
	if (!ret)
		ret = make_volumes(s);
	if (ret) {
		unmake(s);
		backings_undo(&s->backings);
	}
	return ret;
}

/* a start before this one may have been cut short: what is there stays */
static int start_rest(struct start *s)
{
	int ret;

	ret = backings_find(s->conf, &s->backings);
	if (!ret)
		ret = read_super(s, -1, 0);
	if (!ret)
		ret = make_volumes(s);
	if (!ret && s->made_count)
		ret = group_send_key(s->conf);	/* it may have been cut short before that */
	if (ret) {
		unmake(s);
		return ret;
	}
	return apply_settings(s);
}

/*---------------------------------------------------------------------------*/

static int started(const struct status *st, void *arg)
{
	(void)arg;
	switch (status_state(st)) {
	case LVR_GROUP_RECOVERING:
	case LVR_GROUP_WAITING:
	case LVR_GROUP_REPLAYING:
		return WAIT_ON;
	case LVR_GROUP_FAILED:
		return say_error(EXIT_DEVICE, "group %s: the log failed: %s",
				 status_text(st, STATUS_group), status_text(st, STATUS_reason));
	default:
		return 0;
	}
}

static int start_finish(struct start *s, u64 timeout_ms)
{
	const char *group = s->conf->group;
	struct status st;
	int ret;

	ret = group_wait(group, timeout_ms, started, NULL, &st);
	if (ret)
		return ret;
	say("group %s: %s, %s", group, status_text(&st, STATUS_role), status_text(&st, STATUS_state));
	if (status_state(&st) == LVR_GROUP_UNCONFIRMED)
		say("group %s: this node ended as primary; I/O waits until %s confirms, or `lvrctl promote %s --force'",
		    group, status_peer(&st), group);
	return s->made_count && status_serves(&st) ? group_refresh_volumes(&s->group) : 0;
}

/**
 * verb_start - bring a group up on this node
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: start GROUP [--timeout S] [--device-timeout S]
 *
 * Return: exit code.
 */
int verb_start(const struct verb *verb, int argc, char **argv)
{
	static u64 timeout_ms = START_TIMEOUT_MS, device_timeout_ms;
	static const struct option_def options[] = {
		{ "timeout", OPTION_SECONDS, &timeout_ms, "SECONDS",
		  "wait so long for recovery, default 60; it goes on by itself afterwards" },
		{ "device-timeout", OPTION_SECONDS, &device_timeout_ms, "SECONDS",
		  "wait so long for the devices to appear, default 0" },
	};
	const char *group;
	struct start *s;
	int ret;

	ret = args_parse(verb, argc, argv, options, ARRAY_SIZE(options), &group, 1, 1);
	if (ret)
		return ret;
	s = said_alloc(calloc(1, sizeof(*s)));
	ret = conf_load(group, &s->conf);
	if (!ret)
		ret = group_lock(group);
	if (!ret)
		ret = group_started(group, &s->group) ? start_rest(s) : start_new(s, device_timeout_ms);
	if (!ret)
		ret = start_finish(s, timeout_ms);
	free(s->conf);
	free(s);
	return ret;
}

/*---------------------------------------------------------------------------*/
/* stop */

/* the kernel drains inside the removal, so another process looks on */
static pid_t drain_watch(const char *group)
{
	struct pace pace = { 0 };
	struct status st;
	struct work work;
	char line[DM_PARAMS_BYTES];
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	/* the lock of the group is this process's, too, and ends with the command */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	while (getppid() == parent && !dm_status(group, LVR_TARGET_GROUP, line) &&
	       !status_parse(&st, line, NULL)) {
		work = (struct work){
			.name = "draining",
			.remaining = st.number[STATUS_head] - st.number[STATUS_destaged],
			.records = true,
		};
		pace_add(&pace, &work);
		progress_show(&work, &pace);
		dm_events_wait(-1, 500);
	}
	_exit(0);
}

static void drain_watch_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static int remove_volume(const struct dm_dev *dev, void *arg)
{
	(void)arg;
	return dm_remove(dev->name);
}

/*
 * A primary brings all that its log holds to the volumes before they go, if
 * it has read it back. A secondary may not: what its primary has not called
 * durable stays in the log.
 */
static int check_complete(const char *group)
{
	struct status st;
	int ret;

	ret = group_status(group, &st);
	if (ret || !status_is(&st, STATUS_role, "primary"))
		return ret;
	if (!st.number[STATUS_incarnation])
		return say_error(EXIT_DEVICE, "group %s: the log was not read back: the devices below may lack what it holds, they are NOT complete by themselves; `lvrctl start %s' brings them what the log holds",
				 group, group);
	if (st.number[STATUS_destaged] >= st.number[STATUS_data] &&
	    st.number[STATUS_checkpoint] >= st.number[STATUS_data])
		return 0;
	return say_error(EXIT_DEVICE, "group %s: the devices below hold only what is before %llu for sure, the log goes up to %llu: they are NOT complete by themselves; `lvrctl start %s' brings them what the log holds",
			 group, min(st.number[STATUS_destaged], st.number[STATUS_checkpoint]),
			 st.number[STATUS_data], group);
}

/* *complete: 0, or what to end with although all was stopped */
static int stop_devices(const struct dm_dev *group, int *complete)
{
	pid_t watch;
	int ret;

	ret = group_check_closed(group);
	if (ret)
		return ret;
	watch = drain_watch(group->name);
	ret = group_each_volume(group, remove_volume, NULL);
	drain_watch_end(watch);
	if (ret)
		return ret;
	*complete = check_complete(group->name);
	return dm_remove(group->name);
}

static int stop_below(const struct conf *conf)
{
	struct backings *all = said_alloc(malloc(sizeof(*all)));
	int ret;

	ret = backings_find(conf, all);
	if (!ret)
		ret = backings_down(all, conf->group);
	free(all);
	return ret;
}

/**
 * verb_stop - take a group down on this node
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: stop GROUP
 *
 * Return: exit code.
 */
int verb_stop(const struct verb *verb, int argc, char **argv)
{
	struct conf *conf = NULL;
	struct dm_dev group;
	const char *name;
	int ret, conf_ret, complete = 0;
	bool runs;

	ret = args_parse(verb, argc, argv, NULL, 0, &name, 1, 1);
	if (ret)
		return ret;
	runs = group_started(name, &group);
	if (!runs && !conf_exists(name))
		return group_need_started(name, &group);
	/* what runs can be stopped even if the file that it came from is gone or broken */
	conf_ret = conf_exists(name) ? conf_load(name, &conf) : 0;
	ret = group_lock(name);
	runs = group_started(name, &group);	/* whoever had the lock may have changed that */
	if (!ret && runs)
		ret = stop_devices(&group, &complete);
	if (!ret && runs)
		say("group %s: stopped", name);
	if (!ret && conf)
		ret = stop_below(conf);
	else if (!ret)
		say("group %s: the devices below are left as they are", name);
	free(conf);
	return ret ?: complete ?: conf_ret;
}
