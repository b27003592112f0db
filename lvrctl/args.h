/* SPDX-License-Identifier: GPL-2.0-only */
/* The verbs, and what each takes. */
#ifndef LVRCTL_ARGS_H
#define LVRCTL_ARGS_H

#include "core/port.h"

struct verb {
	const char *name;
	int (*fn)(const struct verb *verb, int argc, char **argv);
	const char *args;	/* as in the synopsis */
	const char *help;	/* one line; NULL: not listed */
};

enum option_kind {
	OPTION_FLAG,		/* to: bool */
	OPTION_TEXT,		/* to: const char * */
	OPTION_SECONDS,		/* to: u64, in ms; decimals allowed */
};

struct option_def {
	const char *name;	/* without the dashes */
	enum option_kind kind;
	void *to;
	const char *arg;	/* what stands for its value in the help */
	const char *help;
};

/* options that every verb takes */
struct settings {
	const char *config_dir;
	const char *node;	/* NULL: uname -n */
};

extern struct settings settings;

/* args_parse() ended the command well: help was asked for and given */
#define ARGS_HELP (-1)

/*
 * Parse all of argv[1..]; words that are no options go to word[], of which
 * there must be least..most. 0, ARGS_HELP or EXIT_USAGE. Nothing is done before
 * everything is parsed, so an unknown argument never meets half a command.
 */
int args_parse(const struct verb *verb, int argc, char **argv,
	       const struct option_def *options, u32 count,
	       const char **word, u32 least, u32 most);

#endif
