// SPDX-License-Identifier: GPL-2.0-only
/* LVM, by the command `lvm`. */
#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include "exit.h"
#include "lvm.h"
#include "run.h"
#include "say.h"

#define DM_UUID_PREFIX "LVM-"
#define UUID_CHARS 38		/* with dashes */
#define MAX_WORDS 16
#define MAX_TAG_BYTES 64

/* values of the tag lvr.before; no guard, no tag */
static const char *const guard_names[] = {
	[0] = "",
	[LVM_GUARD_NO_AUTO] = "noauto",
	[LVM_GUARD_SKIP] = "skip",
	[LVM_GUARD_NO_AUTO | LVM_GUARD_SKIP] = "noauto+skip",
};

/* the last line that says something */
static const char *last_line(char *text)
{
	char *end = text + strlen(text), *line;

	while (end > text && isspace((u8)end[-1]))
		*--end = 0;
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	return line + strspn(line, " ");
}

/* run `lvm <words> <LVs>`; *out may be NULL */
static int lvm_run(const char *const words[], struct lvm_lv *const lv[], u32 count, bool by_path,
		   char **out)
{
	const char *argv[MAX_WORDS + LVR_MAX_VOLUMES + 3];
	int status, ret = 0;
	u32 n = 0, i;
	char *err;

	if (out)
		*out = NULL;
	if (!count)
		return 0;
	argv[n++] = "lvm";
	for (i = 0; words[i]; i++)
		argv[n++] = words[i];
	for (i = 0; i < count; i++)
		argv[n++] = by_path ? lv[i]->path : lv[i]->name;
	argv[n] = NULL;

	status = run_program((char *const *)argv, out, &err);
	if (status == RUN_NOT_FOUND)
		ret = say_error(EXIT_DEVICE, "%s: no block device, and no lvm to make it one", lv[0]->path);
	else if (status)
		ret = say_error(EXIT_DEVICE, "lvm %s: %s", words[0], last_line(err));
	if (ret && out) {
		free(*out);
		*out = NULL;
	}
	free(err);
	return ret;
}

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : "";
}

static void uuid_add(char *to, const char *uuid)
{
	to += strlen(to);
	for (; *uuid; uuid++)
		if (*uuid != '-')
			*to++ = *uuid;
	*to = 0;
}

/* value of the tag that begins so */
static void tag_get(const char *tags, const char *begin, char *to, size_t bytes)
{
	size_t length;

	to[0] = 0;
	for (; *tags; tags += length + (tags[length] == ',')) {
		length = strcspn(tags, ",");
		if (!strncmp(tags, begin, strlen(begin)))
			snprintf(to, bytes, "%.*s", (int)(length - strlen(begin)),
				 tags + strlen(begin));
	}
}

static u32 guards_of(struct json_object *json)
{
	u32 guards = 0;

	if (!strcmp(text_of(json, "lv_autoactivation"), "0"))
		guards |= LVM_GUARD_NO_AUTO;
	if (!strcmp(text_of(json, "lv_skip_activation"), "1"))
		guards |= LVM_GUARD_SKIP;
	return guards;
}

static u32 guards_tagged(const char *tags)
{
	char name[32];
	u32 guards;

	tag_get(tags, LVM_TAG_BEFORE, name, sizeof(name));
	for (guards = ARRAY_SIZE(guard_names) - 1; guards && strcmp(guard_names[guards], name); guards--)
		;
	return guards;
}

/* whether a line of the report is this LV; then lv is filled in */
static bool lv_match(struct lvm_lv *lv, struct json_object *json)
{
	char dm_uuid[sizeof(lv->dm_uuid)] = DM_UUID_PREFIX;
	const char *vg_uuid = text_of(json, "vg_uuid"), *lv_uuid = text_of(json, "lv_uuid");

	if (strlen(vg_uuid) != UUID_CHARS || strlen(lv_uuid) != UUID_CHARS)
		return false;
	uuid_add(dm_uuid, vg_uuid);
	uuid_add(dm_uuid, lv_uuid);
	if (lv->dm_uuid[0] ? strcmp(lv->dm_uuid, dm_uuid) :
	    strcmp(lv->path, text_of(json, "lv_path")) && strcmp(lv->path, text_of(json, "lv_dm_path")))
		return false;
	strcpy(lv->dm_uuid, dm_uuid);
	snprintf(lv->name, sizeof(lv->name), "%s/%s", text_of(json, "vg_name"),
		 text_of(json, "lv_name"));
	lv->active = !strcmp(text_of(json, "lv_active"), "active");
	lv->guards = guards_of(json);
	lv->guards_before = guards_tagged(text_of(json, "lv_tags"));
	tag_get(text_of(json, "lv_tags"), LVM_TAG_GROUP, lv->group, sizeof(lv->group));
	return true;
}

/* {"report":[{"lv":[{...},...]}]} */
static struct json_object *report_lvs(struct json_object *report)
{
	struct json_object *list, *lvs;

	if (!report || !json_object_object_get_ex(report, "report", &list) ||
	    json_object_array_length(list) < 1 ||
	    !json_object_object_get_ex(json_object_array_get_idx(list, 0), "lv", &lvs))
		return NULL;
	return lvs;
}

static int lv_find(struct lvm_lv *lv, struct json_object *lvs)
{
	size_t count = lvs ? json_object_array_length(lvs) : 0, i;

	for (i = 0; i < count; i++)
		if (lv_match(lv, json_object_array_get_idx(lvs, i)))
			return 0;
	return say_error(EXIT_DEVICE, "%s: lvm knows no such LV by this path, expected /dev/VG/LV",
			 lv->path);
}

/**
 * lvm_find - find logical volumes
 * @lv: path, and dm_uuid if known, are set; the rest is filled in
 * @count: how many
 *
 * Return: 0 or EXIT_DEVICE.
 */
int lvm_find(struct lvm_lv *const lv[], u32 count)
{
	static const char *const words[] = {
		"lvs", "--reportformat", "json", "--binary", "-o",
		"vg_name,lv_name,lv_path,lv_dm_path,vg_uuid,lv_uuid,lv_active,lv_tags,"
		"lv_autoactivation,lv_skip_activation", NULL
	};
	struct json_object *report;
	char *out;
	u32 i;
	int ret;

	ret = lvm_run(words, lv, count, true, &out);
	if (ret || !count)
		return ret;
	report = json_tokener_parse(out);
	for (i = 0; i < count; i++)
		ret = lv_find(lv[i], report_lvs(report)) ?: ret;
	json_object_put(report);
	free(out);
	return ret;
}

/**
 * lvm_activate - activate logical volumes, whatever their flags
 * @lv: from lvm_find()
 * @count: how many
 *
 * Return: 0 or EXIT_DEVICE.
 */
int lvm_activate(struct lvm_lv *const lv[], u32 count)
{
	static const char *const words[] = { "lvchange", "-ay", "-K", NULL };

	return lvm_run(words, lv, count, false, NULL);
}

/**
 * lvm_deactivate - deactivate logical volumes
 * @lv: from lvm_find()
 * @count: how many
 *
 * Return: 0 or EXIT_DEVICE.
 */
int lvm_deactivate(struct lvm_lv *const lv[], u32 count)
{
	static const char *const words[] = { "lvchange", "-an", NULL };

	return lvm_run(words, lv, count, false, NULL);
}

/* those that had these guards before */
static u32 pick_alike(struct lvm_lv *const lv[], u32 count, u32 guards, struct lvm_lv *to[])
{
	u32 i, picked = 0;

	for (i = 0; i < count; i++)
		if (lv[i]->guards_before == guards)
			to[picked++] = lv[i];
	return picked;
}

static int claim_alike(struct lvm_lv *const lv[], u32 count, u32 guards, const char *group,
		       const char *role)
{
	char group_tag[MAX_TAG_BYTES], role_tag[MAX_TAG_BYTES], before_tag[MAX_TAG_BYTES];
	const char *const words[] = {
		"lvchange", "--setautoactivation", "n", "-ky", "--addtag", group_tag, "--addtag", role_tag,
		guards ? "--addtag" : NULL, before_tag, NULL
	};
	lvm_list alike;

	snprintf(group_tag, sizeof(group_tag), LVM_TAG_GROUP "%s", group);
	snprintf(role_tag, sizeof(role_tag), LVM_TAG_ROLE "%s", role);
	snprintf(before_tag, sizeof(before_tag), LVM_TAG_BEFORE "%s", guard_names[guards]);
	return lvm_run(words, alike, pick_alike(lv, count, guards, alike), false, NULL);
}

/**
 * lvm_claim - mark logical volumes as part of a group
 * @lv: from lvm_find()
 * @count: how many
 * @group: the group
 * @role: "data" or "log"
 *
 * Return: 0 or EXIT_DEVICE.
 */
int lvm_claim(struct lvm_lv *const lv[], u32 count, const char *group, const char *role)
{
	u32 guards, i;
	int ret = 0;

	/* of those that a claim before this one has guarded already the tag tells */
	for (i = 0; i < count; i++)
		if (strcmp(lv[i]->group, group))
			lv[i]->guards_before = lv[i]->guards;
	for (guards = 0; guards < ARRAY_SIZE(guard_names) && !ret; guards++)
		ret = claim_alike(lv, count, guards, group, role);
	return ret;
}

static int release_alike(struct lvm_lv *const lv[], u32 count, u32 guards, const char *group)
{
	char group_tag[MAX_TAG_BYTES], before_tag[MAX_TAG_BYTES];
	const char *const words[] = {
		"lvchange", "--setautoactivation", guards & LVM_GUARD_NO_AUTO ? "n" : "y",
		guards & LVM_GUARD_SKIP ? "-ky" : "-kn", "--deltag", group_tag,
		"--deltag", LVM_TAG_ROLE "data", "--deltag", LVM_TAG_ROLE "log",
		guards ? "--deltag" : NULL, before_tag, NULL
	};
	lvm_list alike;

	snprintf(group_tag, sizeof(group_tag), LVM_TAG_GROUP "%s", group);
	snprintf(before_tag, sizeof(before_tag), LVM_TAG_BEFORE "%s", guard_names[guards]);
	return lvm_run(words, alike, pick_alike(lv, count, guards, alike), false, NULL);
}

/**
 * lvm_release - undo lvm_claim()
 * @lv: from lvm_find()
 * @count: how many
 * @group: the group
 *
 * Return: 0 or EXIT_DEVICE; what can be released is, also then.
 */
int lvm_release(struct lvm_lv *const lv[], u32 count, const char *group)
{
	u32 guards;
	int ret = 0;

	for (guards = 0; guards < ARRAY_SIZE(guard_names); guards++)
		ret = release_alike(lv, count, guards, group) ?: ret;
	return ret;
}
