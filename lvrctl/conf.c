// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration of a group. In two steps: the sections and keys as they
 * come, each checked by itself with its line; then what must hold among them.
 * All errors of a step are told, not only the first.
 */
#include <ctype.h>
#include <dirent.h>
#include <ini.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "args.h"
#include "conf.h"
#include "core/super.h"
#include "exit.h"
#include "say.h"

#define SUFFIX ".conf"
#define MAX_WORDS 16
#define WORD_BYTES 320

struct reader {
	struct conf *conf;
	FILE *file;
	int line;
	int errors;
	const struct section *section;	/* NULL: none, or one in error */
	bool skip;			/* the keys of a section in error */
	int group_line;
	u32 group_seen;
	char word[MAX_WORDS][WORD_BYTES];	/* key=value, options of the table line */
	u32 words;
};

struct key {
	const char *name;
	bool required;
	void (*take)(struct reader *r, const char *key, const char *value);
};

struct section {
	const char *kind;
	bool named;
	void (*begin)(struct reader *r, const char *name);
	const struct key *keys;
	u32 count;
	u32 *(*seen)(struct reader *r);
};

PRINTF(3, 4)
static void wrong_at(struct reader *r, int line, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	say_error_at(EXIT_CONFIG, r->conf->path, line, "%s", text);
	r->errors++;
}

#define wrong(r, ...) wrong_at(r, (r)->line, __VA_ARGS__)

/*---------------------------------------------------------------------------*/
/* keys */

static void take_path(struct reader *r, const char *key, const char *value, char *to)
{
	if (value[0] != '/')
		wrong(r, "%s: found \"%s\", expected an absolute path", key, value);
	snprintf(to, CONF_PATH_BYTES, "%s", value);
}

static void take_id(struct reader *r, const char *value, u64 greatest, u32 *to)
{
	u64 id;

	if (lvr_u64_parse(value, 0, greatest, &id))
		wrong(r, "id: found \"%s\", expected 0 to %llu", value, greatest);
	else
		*to = id;
}

/* an option of the table line: its parser knows what is right */
static void take_option(struct reader *r, const char *key, const char *value)
{
	char *argv[] = { "group=x", "member=0", r->word[r->words], NULL };
	struct lvr_options options;
	struct lvr_err err;

	/* these two are bound to each other, which is looked at when all is read */
	if (!strcmp(key, "ping-ms"))
		argv[3] = "timeout-ms=600000";
	else if (!strcmp(key, "timeout-ms"))
		argv[3] = "ping-ms=100";
	snprintf(r->word[r->words], WORD_BYTES, "%s=%s", key, value);
	lvr_options_default(&options);
	if (lvr_options_parse(&options, argv[3] ? 4 : 3, argv, &err))
		wrong(r, "%s", err.text);
	else
		r->words++;
}

static void take_key_file(struct reader *r, const char *key, const char *value)
{
	take_path(r, key, value, r->conf->key_file);
}

static struct conf_node *this_node(struct reader *r)
{
	return &r->conf->node[r->conf->nodes - 1];
}

static void take_node_id(struct reader *r, const char *key, const char *value)
{
	(void)key;
	take_id(r, value, LVR_MAX_MEMBERS - 1, &this_node(r)->id);
}

static void take_address(struct reader *r, const char *key, const char *value)
{
	struct lvr_endpoint *address = &this_node(r)->address;
	struct lvr_err err;

	if (lvr_endpoint_parse(address, value, &err))
		wrong(r, "%s: %s", key, err.text);
}

static void take_log(struct reader *r, const char *key, const char *value)
{
	take_path(r, key, value, this_node(r)->log);
}

static struct conf_volume *this_volume(struct reader *r)
{
	return &r->conf->volume[r->conf->volumes - 1];
}

static void take_volume_id(struct reader *r, const char *key, const char *value)
{
	(void)key;
	take_id(r, value, LVR_MAX_VOLUMES - 1, &this_volume(r)->id);
}

static void take_block_size(struct reader *r, const char *key, const char *value)
{
	if (!strcmp(value, "512") || !strcmp(value, "4096"))
		this_volume(r)->block_bytes = atoi(value);
	else
		wrong(r, "%s: found \"%s\", expected 512 or 4096", key, value);
}

/* "device", or a node's name: whether there is such a node is seen later */
static void take_origin(struct reader *r, const char *key, const char *value)
{
	struct conf_volume *volume = this_volume(r);
	struct conf_origin *origin = &volume->origin[volume->origins];
	u32 i;

	for (i = 0; i < volume->origins; i++)
		if (!strcmp(volume->origin[i].node, key)) {
			wrong(r, "%s again, first at line %d", key, volume->origin[i].line);
			return;
		}
	if (volume->origins == CONF_NODES || strlen(key) >= LVR_NAME_BYTES) {
		wrong(r, "unknown key \"%s\", expected id, block-size, device or the name of a node", key);
		return;
	}
	strcpy(origin->node, key);
	origin->line = r->line;
	take_path(r, key, value, origin->path);
	volume->origins++;
}

static const struct key group_keys[] = {
	{ "mode", false, take_option },
	{ "on-disconnect", false, take_option },
	{ "on-full", false, take_option },
	{ "start-primary", false, take_option },
	{ "auth", false, take_option },
	{ "stage-mib", false, take_option },
	{ "ping-ms", false, take_option },
	{ "timeout-ms", false, take_option },
	{ "key-file", false, take_key_file },
};

static const struct key node_keys[] = {
	{ "id", true, take_node_id },
	{ "address", true, take_address },
	{ "log", true, take_log },
};

static const struct key volume_keys[] = {
	{ "id", true, take_volume_id },
	{ "block-size", false, take_block_size },
};

/*---------------------------------------------------------------------------*/
/* sections */

static void begin_group(struct reader *r, const char *name)
{
	(void)name;
	if (r->group_line)
		wrong(r, "[group] again, first at line %d", r->group_line);
	else
		r->group_line = r->line;
}

/* names of nodes stand as keys in the sections of volumes */
static bool node_name_taken(const char *name)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(volume_keys); i++)
		if (!strcmp(volume_keys[i].name, name))
			return true;
	return !strcmp(name, "device");
}

static void begin_node(struct reader *r, const char *name)
{
	struct conf *conf = r->conf;
	u32 i;

	for (i = 0; i < conf->nodes; i++)
		if (!strcmp(conf->node[i].name, name)) {
			wrong(r, "[node %s] again, first at line %d", name, conf->node[i].line);
			return;
		}
	if (node_name_taken(name)) {
		wrong(r, "a node cannot be named \"%s\"", name);
		return;
	}
	if (conf->nodes == CONF_NODES) {
		wrong(r, "one node too many, expected %d", CONF_NODES);
		return;
	}
	strcpy(conf->node[conf->nodes].name, name);
	conf->node[conf->nodes++].line = r->line;
}

static void begin_volume(struct reader *r, const char *name)
{
	struct conf *conf = r->conf;
	u32 i;

	for (i = 0; i < conf->volumes; i++)
		if (!strcmp(conf->volume[i].name, name)) {
			wrong(r, "[volume %s] again, first at line %d", name, conf->volume[i].line);
			return;
		}
	if (conf->volumes == LVR_MAX_VOLUMES) {
		wrong(r, "one volume too many, expected at most %d", LVR_MAX_VOLUMES);
		return;
	}
	strcpy(conf->volume[conf->volumes].name, name);
	conf->volume[conf->volumes++].line = r->line;
}

static u32 *seen_group(struct reader *r)
{
	return &r->group_seen;
}

static u32 *seen_node(struct reader *r)
{
	return &this_node(r)->seen;
}

static u32 *seen_volume(struct reader *r)
{
	return &this_volume(r)->seen;
}

static const struct section sections[] = {
	{ "group", false, begin_group, group_keys, ARRAY_SIZE(group_keys), seen_group },
	{ "node", true, begin_node, node_keys, ARRAY_SIZE(node_keys), seen_node },
	{ "volume", true, begin_volume, volume_keys, ARRAY_SIZE(volume_keys), seen_volume },
};

/**
 * conf_name_ok - whether a word can be the name of a group, node or volume
 * @name: the word
 *
 * Return: whether it can.
 */
bool conf_name_ok(const char *name)
{
	char copy[LVR_NAME_BYTES] = "";

	if (strlen(name) >= sizeof(copy))
		return false;
	strcpy(copy, name);
	return lvr_name_ok(copy, sizeof(copy));
}

static void section_begin(struct reader *r, char *text)
{
	char *name = text + strcspn(text, " \t");
	int errors = r->errors;
	u32 i;

	if (*name)
		*name++ = 0;
	name += strspn(name, " \t");
	r->section = NULL;
	for (i = 0; i < ARRAY_SIZE(sections); i++)
		if (!strcmp(sections[i].kind, text))
			r->section = &sections[i];
	if (!r->section || r->section->named != !!*name)
		wrong(r, "unknown section [%s%s%s], expected [group], [node NAME] or [volume NAME]",
		      text, *name ? " " : "", name);
	else if (*name && !conf_name_ok(name))
		wrong(r, "\"%s\" is no name, expected at most %d of A-Z a-z 0-9 _ . + - and none of . - first",
		      name, LVR_NAME_BYTES - 1);
	else
		r->section->begin(r, name);
	r->skip = r->errors > errors;
}

/*
 * inih asks for a line. It says neither the line's number to the handler, nor
 * that a section began; and it takes any words behind the bracket and cuts
 * long lines. So all that is looked at here.
 */
static char *line_next(char *to, int bytes, void *arg)
{
	struct reader *r = arg;
	char copy[256], *end;
	int c;

	if (!fgets(to, bytes, r->file))
		return NULL;
	r->line++;
	if (!strchr(to, '\n') && !feof(r->file)) {
		wrong(r, "line too long, expected at most %d characters", bytes - 2);
		while ((c = fgetc(r->file)) != '\n' && c != EOF)
			;
	}
	snprintf(copy, sizeof(copy), "%s", to + strspn(to, " \t"));
	end = strchr(copy, ']');
	if (copy[0] != '[' || !end)
		return to;
	*end++ = 0;
	section_begin(r, copy + 1);
	end += strspn(end, " \t\r\n");
	if (*end && *end != ';' && *end != '#')
		wrong(r, "words behind the section's name, expected a new line");
	return to;
}

static void wrong_key(struct reader *r, const char *name)
{
	const struct section *section = r->section;
	char all[256] = "";
	u32 i;

	for (i = 0; i < section->count; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "",
			 section->keys[i].name);
	wrong(r, "unknown key \"%s\" in [%s], expected one of %s", name, section->kind, all);
}

static int key_take(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *r = arg;
	u32 i;

	(void)section;
	if (r->skip)
		return 1;
	if (!r->section) {
		wrong(r, "%s stands before any section", name);
		return 1;
	}
	for (i = 0; i < r->section->count; i++) {
		if (strcmp(r->section->keys[i].name, name))
			continue;
		if (*r->section->seen(r) & 1u << i)
			wrong(r, "%s again in this section", name);
		else
			r->section->keys[i].take(r, name, value);
		*r->section->seen(r) |= 1u << i;
		return 1;
	}
	if (r->section->begin == begin_volume)
		take_origin(r, name, value);
	else
		wrong_key(r, name);
	return 1;
}

/*---------------------------------------------------------------------------*/
/* what must hold among them */

static void check_required(struct reader *r, const struct section *section,
			   const char *name, int line, u32 seen)
{
	u32 i;

	for (i = 0; i < section->count; i++)
		if (section->keys[i].required && !(seen & 1u << i))
			wrong_at(r, line, "[%s %s] has no %s", section->kind, name,
				 section->keys[i].name);
}

static void check_nodes(struct reader *r)
{
	struct conf *conf = r->conf;
	struct conf_node *a = &conf->node[0], *b = &conf->node[1];
	u32 i;

	for (i = 0; i < conf->nodes; i++)
		check_required(r, &sections[1], conf->node[i].name, conf->node[i].line,
			       conf->node[i].seen);
	if (conf->nodes < CONF_NODES)
		wrong_at(r, 0, "found %u [node NAME] sections, expected %d", conf->nodes, CONF_NODES);
	else if (a->id == b->id)
		wrong_at(r, b->line, "node %s has id %u as node %s, expected another", b->name,
			 b->id, a->name);
	else if (!memcmp(&a->address, &b->address, sizeof(a->address)))
		wrong_at(r, b->line, "node %s has the address of node %s, expected another",
			 b->name, a->name);
}

static const char *origin_of(const struct conf_volume *volume, const char *node)
{
	u32 i;

	for (i = 0; i < volume->origins; i++)
		if (!strcmp(volume->origin[i].node, node) ||
		    !strcmp(volume->origin[i].node, "device"))
			return volume->origin[i].path;
	return NULL;
}

static void check_origins(struct reader *r, struct conf_volume *volume)
{
	struct conf *conf = r->conf;
	bool known;
	u32 i, n;

	for (i = 0; i < volume->origins; i++) {
		known = !strcmp(volume->origin[i].node, "device");
		if (known && volume->origins > 1)
			wrong_at(r, volume->line, "[volume %s] has device and a node's own, expected either",
				 volume->name);
		for (n = 0; n < conf->nodes; n++)
			known = known || !strcmp(volume->origin[i].node, conf->node[n].name);
		if (!known)
			wrong_at(r, volume->origin[i].line,
				 "unknown key \"%s\", expected id, block-size, device or the name of a node",
				 volume->origin[i].node);
	}
	for (n = 0; n < conf->nodes; n++) {
		volume->device[n] = origin_of(volume, conf->node[n].name);
		if (!volume->device[n])
			wrong_at(r, volume->line, "[volume %s] has no device on node %s, expected `%s = /dev/...' or `device = /dev/...'",
				 volume->name, conf->node[n].name, conf->node[n].name);
	}
}

/* a device serves one purpose on a node */
static void check_shared(struct reader *r, u32 v)
{
	struct conf *conf = r->conf;
	struct conf_volume *volume = &conf->volume[v];
	u32 n, w;

	for (n = 0; n < conf->nodes; n++) {
		if (!volume->device[n])
			continue;
		if (!strcmp(volume->device[n], conf->node[n].log))
			wrong_at(r, volume->line, "[volume %s] lies on the log of node %s", volume->name,
				 conf->node[n].name);
		for (w = 0; w < v; w++)
			if (conf->volume[w].device[n] &&
			    !strcmp(volume->device[n], conf->volume[w].device[n]))
				wrong_at(r, volume->line, "[volume %s] has the device of [volume %s] on node %s",
					 volume->name, conf->volume[w].name, conf->node[n].name);
	}
}

static void check_volumes(struct reader *r)
{
	struct conf *conf = r->conf;
	struct conf_volume *volume;
	u32 v, w;

	if (!conf->volumes)
		wrong_at(r, 0, "no [volume NAME] section, expected at least one");
	for (v = 0; v < conf->volumes; v++) {
		volume = &conf->volume[v];
		check_required(r, &sections[2], volume->name, volume->line, volume->seen);
		check_origins(r, volume);
		check_shared(r, v);
		for (w = 0; w < v; w++)
			if (volume->id == conf->volume[w].id)
				wrong_at(r, volume->line, "volume %s has id %u as volume %s, expected another",
					 volume->name, volume->id, conf->volume[w].name);
	}
}

static void check_self(struct reader *r)
{
	struct conf *conf = r->conf;
	const char *name = settings.node;
	struct utsname host;

	if (!name) {
		uname(&host);
		name = host.nodename;
	}
	for (conf->self = 0; conf->self < conf->nodes; conf->self++)
		if (!strcmp(conf->node[conf->self].name, name))
			return;
	conf->self = 0;
	wrong_at(r, 0, "no [node %s], which is this machine by `uname -n` or --node", name);
}

/* the words of the file and those that follow from the nodes are one table line */
static void options_make(struct reader *r)
{
	struct conf *conf = r->conf;
	const struct conf_node *self = conf_self(conf), *peer = conf_peer(conf);
	bool connects = self->id < peer->id;
	char own[4][WORD_BYTES], *argv[MAX_WORDS + 4], address[64];
	struct lvr_err err;
	u32 i, n = 0;

	lvr_endpoint_format(connects ? &peer->address : &self->address, address, sizeof(address));
	snprintf(own[0], WORD_BYTES, "group=%s", conf->group);
	snprintf(own[1], WORD_BYTES, "member=%u", self->id);
	snprintf(own[2], WORD_BYTES, "peer=%u", peer->id);
	snprintf(own[3], WORD_BYTES, "%s=%s", connects ? "connect" : "listen", address);
	for (i = 0; i < 4; i++)
		argv[n++] = own[i];
	for (i = 0; i < r->words; i++)
		argv[n++] = r->word[i];
	lvr_options_default(&conf->options);
	if (lvr_options_parse(&conf->options, n, argv, &err))
		wrong_at(r, 0, "%s", err.text);
	else if (conf->options.auth_psk && !conf->key_file[0])
		wrong_at(r, r->group_line, "auth = psk, the default, needs a key-file; `lvrctl keygen FILE' makes one");
	else if (conf->options.block_on_disconnect && !conf->options.sync)
		wrong_at(r, r->group_line, "on-disconnect = block promises nothing with mode = async, the default; expected mode = sync");
}

static void check_all(struct reader *r)
{
	if (!r->group_line)
		wrong_at(r, 0, "no [group] section");
	check_nodes(r);
	check_volumes(r);
	if (!r->errors)
		check_self(r);
	if (!r->errors)
		options_make(r);
}

/*---------------------------------------------------------------------------*/

static int path_make(const char *group, char *to, size_t bytes)
{
	if (!conf_name_ok(group))
		return say_error(EXIT_USAGE, "\"%s\" is no name of a group, expected at most %d of A-Z a-z 0-9 _ . + - and none of . - first",
				 group, LVR_NAME_BYTES - 1);
	if ((size_t)snprintf(to, bytes, "%s/%s" SUFFIX, settings.config_dir, group) >= bytes)
		return say_error(EXIT_USAGE, "%s: path too long", settings.config_dir);
	return 0;
}

/**
 * conf_exists - whether a group has a configuration
 * @group: its name
 *
 * Return: whether the file is there; it may be wrong.
 */
bool conf_exists(const char *group)
{
	char path[sizeof(((struct conf *)0)->path)];

	return conf_name_ok(group) &&
	       snprintf(path, sizeof(path), "%s/%s" SUFFIX, settings.config_dir, group) < (int)sizeof(path) &&
	       !access(path, F_OK);
}

static int conf_read(struct reader *r)
{
	int bad_line;

	ini_allow_multiline = false;
	bad_line = ini_parse_stream(line_next, r, key_take, r);
	if (bad_line > 0)
		wrong_at(r, bad_line, "no section, no `key = value' and no comment");
	else if (bad_line < 0)
		wrong_at(r, 0, "cannot be read");
	if (!r->errors)
		check_all(r);
	return r->errors ? EXIT_CONFIG : 0;
}

/**
 * conf_load - read and check the configuration of a group
 * @group: its name
 * @to: gets the configuration, to be freed
 *
 * Return: 0, EXIT_USAGE, EXIT_NO_GROUP or EXIT_CONFIG.
 */
int conf_load(const char *group, struct conf **to)
{
	struct conf *conf = said_alloc(calloc(1, sizeof(*conf)));
	struct reader *r = said_alloc(calloc(1, sizeof(*r)));
	int ret;

	r->conf = conf;
	ret = path_make(group, conf->path, sizeof(conf->path));
	if (ret)
		goto out;
	strcpy(conf->group, group);
	r->file = fopen(conf->path, "re");
	if (!r->file) {
		ret = say_error(errno == ENOENT ? EXIT_NO_GROUP : EXIT_CONFIG, "group %s: %s: %s",
				group, conf->path, strerror(errno));
		goto out;
	}
	ret = conf_read(r);
	fclose(r->file);
out:
	free(r);
	if (ret)
		free(conf);
	else
		*to = conf;
	return ret;
}

static int is_conf(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);

	return entry->d_name[0] != '.' && length > suffix &&
	       !strcmp(entry->d_name + length - suffix, SUFFIX);
}

/**
 * conf_each - call a function for each configured group
 * @fn: gets the name; what it returns other than 0 ends the walk
 * @arg: handed to it
 *
 * Return: what @fn returned last, 0 if there is no group.
 */
int conf_each(int (*fn)(const char *group, void *arg), void *arg)
{
	struct dirent **entry;
	int count, i, ret = 0;

	count = scandir(settings.config_dir, &entry, is_conf, alphasort);
	for (i = 0; i < count; i++) {
		entry[i]->d_name[strlen(entry[i]->d_name) - strlen(SUFFIX)] = 0;
		if (!ret)
			ret = fn(entry[i]->d_name, arg);
		free(entry[i]);
	}
	if (count >= 0)
		free(entry);
	return ret;
}
