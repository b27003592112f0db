/* SPDX-License-Identifier: GPL-2.0-only */
/* The shared key of a group, in a file that only root may touch. */
#ifndef LVRCTL_KEY_H
#define LVRCTL_KEY_H

#include <lvr/limits.h>

#define KEY_HEX_BYTES (2 * LVR_KEY_MAX_BYTES + 1)

/* the hex digits in the file, terminated; the caller wipes them with key_wipe() */
int key_read(const char *path, char hex[KEY_HEX_BYTES]);
void key_wipe(char hex[KEY_HEX_BYTES]);
/* whether key_read() would give one */
int key_check(const char *path);
/* a new key in a new file */
int key_make(const char *path);

#endif
