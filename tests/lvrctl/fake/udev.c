// SPDX-License-Identifier: GPL-2.0-only
/*
 * A udev for tests, in place of lvrctl/udev.c: it only notes in ./fake/udev what
 * it was told.
 */
#include <stdio.h>
#include "say.h"
#include "udev.h"

bool udev_look(u32 major, u32 minor)
{
	FILE *file = said_alloc(fopen("fake/udev", "a"));

	fprintf(file, "%u:%u\n", major, minor);
	fclose(file);
	return true;
}

void udev_settle(void)
{
	FILE *file = said_alloc(fopen("fake/udev", "a"));

	fputs("settle\n", file);
	fclose(file);
}
