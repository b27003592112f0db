// SPDX-License-Identifier: GPL-2.0-only
/* The arguments of a verb. */
#include <stdlib.h>
#include "args.h"
#include "exit.h"
#include "say.h"

#define CONFIG_DIR "/etc/lvr"
#define MAX_OPTIONS 24
#define MAX_SECONDS 1e9

struct settings settings = { .config_dir = CONFIG_DIR };

static bool help_wanted;

static const struct option_def common[] = {
	{ "config-dir", OPTION_TEXT, &settings.config_dir, "DIR",
	  "where the configuration files are, default " CONFIG_DIR },
	{ "node", OPTION_TEXT, &settings.node, "NAME",
	  "act as this node of the configuration, default `uname -n`" },
	{ "help", OPTION_FLAG, &help_wanted, NULL, "this text" },
};

static void help_print(const struct verb *verb, const struct option_def **all, u32 count)
{
	char left[64];
	u32 i;

	printf("usage: lvrctl %s %s\n", verb->name, verb->args);
	if (verb->help)
		printf("%s\n", verb->help);
	printf("\n");
	for (i = 0; i < count; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", all[i]->name,
			 all[i]->arg ? " " : "", all[i]->arg ? all[i]->arg : "");
		printf("  %-24s %s\n", left, all[i]->help);
	}
}

static void usage(const struct verb *verb)
{
	say("usage: lvrctl %s %s", verb->name, verb->args);
}

static int option_take(const struct option_def *option, const char *value)
{
	double seconds;
	char *end;

	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)option->to = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)option->to = value;
		return 0;
	case OPTION_SECONDS:
		seconds = strtod(value, &end);
		if (end == value || *end || !(seconds >= 0 && seconds <= MAX_SECONDS))
			return say_error(EXIT_USAGE, "--%s: found \"%s\", expected seconds",
					 option->name, value);
		*(u64 *)option->to = (u64)(seconds * 1000);
		return 0;
	}
	return EXIT_USAGE;
}

static const struct option_def *option_find(const struct option_def **all, u32 count,
					    const char *text, size_t bytes, u32 *index)
{
	for (*index = 0; *index < count; ++*index)
		if (strlen(all[*index]->name) == bytes && !memcmp(all[*index]->name, text, bytes))
			return all[*index];
	return NULL;
}

/*
 * One "--name", "--name=value" or "--name value" at argv[*at]. Names are taken
 * whole: getopt's abbreviations would let "--f" come to mean "--force".
 */
static int option_parse(int argc, char **argv, int *at,
			const struct option_def **all, u32 count, bool *seen)
{
	const char *text = argv[*at] + 2, *value = strchr(text, '=');
	const struct option_def *option;
	u32 index;

	option = option_find(all, count, text, value ? (size_t)(value - text) : strlen(text), &index);
	if (!option)
		return say_error(EXIT_USAGE, "unknown option %s", argv[*at]);
	if (seen[index])
		return say_error(EXIT_USAGE, "--%s is given twice", option->name);
	seen[index] = true;
	if (value)
		value++;
	if (option->kind == OPTION_FLAG && value)
		return say_error(EXIT_USAGE, "--%s takes no value", option->name);
	if (option->kind != OPTION_FLAG && !value && ++*at < argc)
		value = argv[*at];
	if (option->kind != OPTION_FLAG && !value)
		return say_error(EXIT_USAGE, "--%s needs a value: %s", option->name, option->arg);
	return option_take(option, value);
}

static int words_parse(int argc, char **argv, const struct option_def **all, u32 count,
		       const char **word, u32 *words, u32 most)
{
	bool seen[MAX_OPTIONS] = { false }, only_words = false;
	int at, ret = 0;

	for (at = 1; at < argc && !ret; at++) {
		if (!only_words && !strcmp(argv[at], "--"))
			only_words = true;
		else if (!only_words && !strncmp(argv[at], "--", 2))
			ret = option_parse(argc, argv, &at, all, count, seen);
		else if (!only_words && argv[at][0] == '-')
			ret = say_error(EXIT_USAGE, "unknown option %s", argv[at]);
		else if (*words == most)
			ret = say_error(EXIT_USAGE, "unknown argument \"%s\"", argv[at]);
		else
			word[(*words)++] = argv[at];
	}
	return ret;
}

/**
 * args_parse - parse the arguments of a verb
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: argv[0] is the verb
 * @options: what it takes besides the common ones
 * @count: how many of them
 * @word: gets the words that are no options
 * @least: so many there must be
 * @most: and not more than so many
 *
 * Return: 0, ARGS_HELP or EXIT_USAGE.
 */
int args_parse(const struct verb *verb, int argc, char **argv,
	       const struct option_def *options, u32 count,
	       const char **word, u32 least, u32 most)
{
	const struct option_def *all[MAX_OPTIONS];
	u32 i, n = 0, words = 0;
	int ret;

	for (i = 0; i < count; i++)
		all[n++] = &options[i];
	for (i = 0; i < ARRAY_SIZE(common); i++)
		all[n++] = &common[i];

	ret = words_parse(argc, argv, all, n, word, &words, most);
	if (help_wanted) {
		help_print(verb, all, n);
		return ARGS_HELP;
	}
	if (!ret && words < least)
		ret = EXIT_USAGE;
	if (ret)
		usage(verb);
	return ret;
}
