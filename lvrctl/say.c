// SPDX-License-Identifier: GPL-2.0-only
/* Words to people, on stderr. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "exit.h"
#include "say.h"

static bool muted;

PRINTF(2, 0)
static void line_print(const char *start, const char *fmt, va_list args)
{
	if (muted)
		return;
	fputs(start, stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

/**
 * say - tell a result or a remark
 * @fmt: as of printf(), without a newline
 */
void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_print("", fmt, args);
	va_end(args);
}

/**
 * say_error - tell an error
 * @code: what to return
 * @fmt: as of printf(), without a newline
 *
 * Return: @code.
 */
int say_error(int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_print("lvrctl: ", fmt, args);
	va_end(args);
	return code;
}

/**
 * say_error_at - tell an error and where in a file it is
 * @code: what to return
 * @file: path
 * @line: line in it, 0 for the file as a whole
 * @fmt: as of printf(), without a newline
 *
 * Return: @code.
 */
int say_error_at(int code, const char *file, int line, const char *fmt, ...)
{
	char start[600];
	va_list args;

	snprintf(start, sizeof(start), line ? "%.512s:%d: " : "%.512s: ", file, line);
	va_start(args, fmt);
	line_print(start, fmt, args);
	va_end(args);
	return code;
}

/**
 * say_mute - drop all words, or tell them again
 * @mute: which
 */
void say_mute(bool mute)
{
	muted = mute;
}

/**
 * said_alloc - end the program if memory ran out
 * @p: what an allocation gave
 *
 * Return: @p, not NULL.
 */
void *said_alloc(void *p)
{
	if (!p)
		exit(say_error(EXIT_DEVICE, "out of memory"));
	return p;
}
