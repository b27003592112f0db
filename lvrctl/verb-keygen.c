// SPDX-License-Identifier: GPL-2.0-only
/* keygen: a new shared key. */
#include "key.h"
#include "say.h"
#include "verb.h"

/**
 * verb_keygen - make a key file
 * @verb: the verb
 * @argc: number of words in @argv
 * @argv: keygen FILE
 *
 * Return: exit code.
 */
int verb_keygen(const struct verb *verb, int argc, char **argv)
{
	const char *path;
	int ret;

	ret = args_parse(verb, argc, argv, NULL, 0, &path, 1, 1);
	if (!ret)
		ret = key_make(path);
	if (!ret)
		say("%s: made; copy it to the peer, readable for root only", path);
	return ret;
}
