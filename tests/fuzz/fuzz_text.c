// SPDX-License-Identifier: GPL-2.0-only
/* Table lines and messages, cut into words as device-mapper does. */
#include "fuzz.h"
#include "table.h"

#define MAX_WORDS	64

static u32 split(char *text, char **word)
{
	u32 words = 0;
	char *at;

	for (at = strtok(text, " \t\n"); at && words < MAX_WORDS; at = strtok(NULL, " \t\n"))
		word[words++] = at;
	return words;
}

static void try_table(u32 words, char **word)
{
	struct lvr_options options, again;
	char line[1024], *reword[MAX_WORDS];
	struct lvr_err err;
	int length;
	u32 count;

	memset(&options, 0, sizeof(options));
	memset(&again, 0, sizeof(again));
	if (lvr_options_parse(&options, words, word, &err)) {
		must(strlen(err.text) < sizeof(err.text));
		return;
	}
	length = lvr_options_format(&options, line, sizeof(line));
	must(length > 0 && length < (int)sizeof(line));
	count = split(line, reword);
	must(count && count - 1 == (u32)atoi(reword[0]));
	must(!lvr_options_parse(&again, count - 1, reword + 1, &err));
	must(!memcmp(&options, &again, sizeof(options)));
}

static void try_message(u32 words, char **word)
{
	u8 key[64];
	u64 number;
	int ret;

	ret = lvr_message_parse(word[0]);
	if (ret >= 0)
		must(lvr_message_usage(ret));
	if (words < 2)
		return;
	ret = lvr_hex_parse(word[1], key, sizeof(key));
	must(ret <= (int)sizeof(key));
	if (!lvr_u64_parse(word[1], 3, 1000, &number))
		must(number >= 3 && number <= 1000);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	char *word[MAX_WORDS], *text = malloc(bytes + 1);
	u32 words;

	must(text);
	memcpy(text, data, bytes);
	text[bytes] = 0;
	words = split(text, word);
	if (words) {
		try_table(words, word);
		try_message(words, word);
	}
	free(text);
	return 0;
}
