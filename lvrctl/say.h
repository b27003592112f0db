/* SPDX-License-Identifier: GPL-2.0-only */
/* Words to people, on stderr; stdout is for data only. */
#ifndef LVRCTL_SAY_H
#define LVRCTL_SAY_H

#include <stdbool.h>

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* a result or a remark */
void say(const char *fmt, ...) PRINTF(1, 2);
/* an error; returns code, so that `return say_error(EXIT_BUSY, ...)` reads as one step */
int say_error(int code, const char *fmt, ...) PRINTF(2, 3);
/* an error with its place in a file; line 0: of the file as a whole */
int say_error_at(int code, const char *file, int line, const char *fmt, ...) PRINTF(4, 5);
/* while muted all words are dropped: for a step that is tried again if it fails */
void say_mute(bool mute);
/* the process is out of memory: there is no way on */
void *said_alloc(void *p);

#endif
