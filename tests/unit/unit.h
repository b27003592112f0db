/* SPDX-License-Identifier: GPL-2.0-only */
/* What every unit test needs. */
#ifndef LVR_UNIT_H
#define LVR_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "port.h"

/*
 * An assertion for inner loops: cheap when it holds, and says in which case
 * of the loop it did not.
 */
#define check(cond, ...) do {						\
	if (!(cond)) {							\
		print_error("%s\n", #cond);				\
		print_error(__VA_ARGS__);				\
		print_error("\n");					\
		_fail(__FILE__, __LINE__);				\
	}								\
} while (0)

/* the reason names what is expected to be in it */
#define assert_says(err, words) do {					\
	if (!strstr((err)->text, words)) {				\
		print_error("\"%s\" does not say \"%s\"\n", (err)->text, words);	\
		_fail(__FILE__, __LINE__);				\
	}								\
} while (0)

/* the same numbers in every run */
static inline u64 next_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline u64 random_below(u64 *state, u64 bound)
{
	return next_random(state) % bound;
}

static inline void flip_bit(void *data, u32 bit)
{
	((u8 *)data)[bit / 8] ^= 1 << bit % 8;
}

static inline void *must_alloc(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (!p)
		abort();
	return p;
}

#endif
