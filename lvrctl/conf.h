/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration of a group: <config-dir>/<group>.conf, the same on all its nodes. */
#ifndef LVRCTL_CONF_H
#define LVRCTL_CONF_H

#include "core/table.h"

#define CONF_NODES 2		/* as many as a group has now */
#define CONF_PATH_BYTES 256

struct conf_node {
	char name[LVR_NAME_BYTES];
	int line;
	u32 seen;		/* keys, as bits */
	u32 id;
	struct lvr_endpoint address;
	char log[CONF_PATH_BYTES];
};

/* where a volume lies: a key of its section that is no other key */
struct conf_origin {
	char node[LVR_NAME_BYTES];	/* or "device": on all nodes */
	int line;
	char path[CONF_PATH_BYTES];
};

struct conf_volume {
	char name[LVR_NAME_BYTES];
	int line;
	u32 seen;
	u32 id;
	u32 block_bytes;	/* 0: that of the origin */
	struct conf_origin origin[CONF_NODES];
	u32 origins;
	const char *device[CONF_NODES];	/* the origin on node[i] */
};

struct conf {
	char group[LVR_NAME_BYTES];
	char path[512];
	char key_file[CONF_PATH_BYTES];
	struct lvr_options options;	/* complete, for node[self] */
	struct conf_node node[CONF_NODES];
	u32 nodes;
	struct conf_volume volume[LVR_MAX_VOLUMES];
	u32 volumes;
	u32 self;		/* index into node[] */
};

bool conf_exists(const char *group);
bool conf_name_ok(const char *name);

/*
 * Read and check the whole file; every error is told with its line. *to is to
 * be freed. EXIT_NO_GROUP if there is no such file, EXIT_CONFIG.
 */
int conf_load(const char *group, struct conf **to);

/* names of all groups that have a file, sorted; fn's first nonzero return ends it */
int conf_each(int (*fn)(const char *group, void *arg), void *arg);

static inline const struct conf_node *conf_self(const struct conf *conf)
{
	return &conf->node[conf->self];
}

static inline const struct conf_node *conf_peer(const struct conf *conf)
{
	return &conf->node[!conf->self];
}

/* this node's origin of a volume */
static inline const char *conf_origin(const struct conf *conf, const struct conf_volume *volume)
{
	return volume->device[conf->self];
}

#endif
