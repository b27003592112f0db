// SPDX-License-Identifier: GPL-2.0-only
/* Quantities as people read them. */
#include <time.h>
#include "human.h"

/**
 * human_bytes - a size
 * @to: buffer
 * @bytes: the size
 *
 * Return: @to.
 */
char *human_bytes(char to[HUMAN_BYTES], u64 bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes;
	u32 i = 0;

	while (value >= 1024 && i + 1 < ARRAY_SIZE(unit)) {
		value /= 1024;
		i++;
	}
	if (i)
		snprintf(to, HUMAN_BYTES, "%.*f %s", value < 10 ? 1 : 0, value, unit[i]);
	else
		snprintf(to, HUMAN_BYTES, "%llu B", bytes);
	return to;
}

/**
 * human_rate - a rate
 * @to: buffer
 * @bytes_per_s: the rate
 *
 * Return: @to.
 */
char *human_rate(char to[HUMAN_BYTES], u64 bytes_per_s)
{
	char size[HUMAN_BYTES];

	snprintf(to, HUMAN_BYTES, "%.20s/s", human_bytes(size, bytes_per_s));
	return to;
}

/**
 * human_ms - a length of time
 * @to: buffer
 * @ms: milliseconds
 *
 * Return: @to.
 */
char *human_ms(char to[HUMAN_BYTES], u64 ms)
{
	u64 s = ms / 1000;

	if (s < 60)
		snprintf(to, HUMAN_BYTES, "%llu.%llu s", s, ms % 1000 / 100);
	else if (s < 3600)
		snprintf(to, HUMAN_BYTES, "%llu min %llu s", s / 60, s % 60);
	else if (s < 48 * 3600)
		snprintf(to, HUMAN_BYTES, "%llu h %llu min", s / 3600, s % 3600 / 60);
	else
		snprintf(to, HUMAN_BYTES, "%llu days", s / 86400);
	return to;
}

/**
 * human_percent - a part of a whole
 * @to: buffer
 * @part: at most @whole
 * @whole: may be 0
 *
 * Return: @to.
 */
char *human_percent(char to[HUMAN_BYTES], u64 part, u64 whole)
{
	double percent = whole ? 100.0 * part / whole : 100;

	snprintf(to, HUMAN_BYTES, "%.*f %%", percent < 10 && percent > 0 ? 1 : 0, percent);
	return to;
}

/**
 * now_ms - monotonic clock
 *
 * Return: milliseconds since some moment in the past.
 */
u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
