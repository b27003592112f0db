// SPDX-License-Identifier: GPL-2.0-only
/* lvrctl: the verbs, and what to do with them. */
#include "exit.h"
#include "say.h"
#include "verb.h"

#ifndef LVR_VERSION
#define LVR_VERSION "unversioned"
#endif

static const struct verb verbs[] = {
	{ "create", verb_create, "GROUP --source|--target [--force]",
	  "make this node's log of a group" },
	{ "start", verb_start, "GROUP [--timeout SECONDS] [--device-timeout SECONDS]",
	  "bring a group and its volumes up" },
	{ "stop", verb_stop, "GROUP", "take a group down, its volumes drained" },
	{ "status", verb_status, "[GROUP] [--json] [--watch] [--check]", "how groups are" },
	{ "promote", verb_promote, "GROUP [--force] [--timeout SECONDS]",
	  "make this node the primary" },
	{ "demote", verb_demote, "GROUP [--timeout SECONDS]", "hand over to the peer" },
	{ "failover", verb_failover, "GROUP [--force] [--timeout SECONDS]",
	  "take over from a primary that is gone, told what may be lost" },
	{ "connect", verb_connect, "GROUP [--discard]", "let the link connect" },
	{ "disconnect", verb_disconnect, "GROUP", "end the link until connect" },
	{ "wait", verb_wait, "GROUP [--state STATE] [--role ROLE] [--link STATE] [--in-sync] [--consistent] [--acked] [--applied] [--destaged] [--timeout SECONDS]",
	  "wait until a group is as it should be" },
	{ "events", verb_events, "[GROUP] [--json] [--timeout SECONDS]",
	  "a line for each change of role, state and link" },
	{ "log", verb_log, "dump|check DEVICE [--json]",
	  "look at a log offline, of any node" },
	{ "destroy", verb_destroy, "GROUP [--force]", "make a group none on this node" },
	{ "keygen", verb_keygen, "FILE", "make a shared key" },
};

static void help_print(void)
{
	u32 i;

	printf("usage: lvrctl VERB ...\n\n");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-11s %s\n", verbs[i].name, verbs[i].help);
	printf("\n`lvrctl VERB --help' tells what a verb takes; more in lvrctl(8) and lvr.conf(5).\n");
	printf("\nexit codes:\n");
#define X(sym, num, doc) printf("  %2d  %s\n", num, doc);
	LVRCTL_EXITS(X)
#undef X
}

static const struct verb *verb_find(const char *name)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct verb *verb;
	int ret;

	if (!*name)
		return say_error(EXIT_USAGE, "usage: lvrctl VERB ..., see `lvrctl help'");
	if (!strcmp(name, "--help") || !strcmp(name, "help") || !strcmp(name, "--version")) {
		if (argc > 2)
			return say_error(EXIT_USAGE, "%s takes no arguments", name);
		if (!strcmp(name, "--version"))
			printf("lvrctl " LVR_VERSION "\n");
		else
			help_print();
		return EXIT_OK;
	}
	verb = verb_find(name);
	if (!verb)
		return say_error(EXIT_USAGE, "unknown verb \"%s\", see `lvrctl help'", name);
	ret = verb->fn(verb, argc - 1, argv + 1);
	return ret == ARGS_HELP ? EXIT_OK : ret;
}
